//! The threads that speak with etcd: one renews the session and nothing else, one writes what groups and nodes need, one
//! says how groups are, one follows what others change. None of them decides anything.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Sender, channel};
use std::time::Duration;

use stead_fence::{Device, Report, Run, fence, switch_on};
use stead_lease::{Answer, Found, Guard as SessionGuard, RequestId, Session, Sid};
use stead_store::{Guard, News, Operation, Outcome, Revision, Store, StoreError, Transaction};
use stead_types::{NodeName, TypeName};

use crate::command::Input;
use crate::edge::api::Way;
use crate::edge::store::{Keeper, Shared, Unwritten};
use crate::heard::Heard;

/// How long a watch waits before it looks whether the node still wants to know.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause before a watch that broke is begun anew.
const PAUSE: Duration = Duration::from_millis(200);

/// Where sessions are.
pub(crate) const SESSIONS: &str = "session/";

/// What comes from the threads to the loop.
#[derive(Debug)]
pub(crate) enum Told {
    /// A request of the lease machine has ended.
    Session(RequestId, Answer),
    /// A document was written, or was not.
    Wrote(Token, Result<Revision, Unwritten>),
    /// Something in the store changed.
    News(News),
    /// This is not the database of before.
    Replaced(String),
    /// A device was asked to switch a node off, for this session.
    Fenced(NodeName, Option<Sid>, Box<Report>),
    /// Nothing is asked of the device any more; what was asked last to switch it on again.
    SwitchedOn(NodeName, Option<Run>),
    /// The resource types that cannot be loaded on this machine, and why.
    CannotHost(BTreeMap<TypeName, String>),
    /// People should know this.
    Warning(String),
}

/// Which write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Token(pub(crate) u64);

enum SessionJob {
    Commit { request: RequestId, node: NodeName, guard: SessionGuard, session: Arc<Session> },
    Read { request: RequestId, node: NodeName },
}

struct Write {
    token: Token,
    guards: Vec<Guard>,
    operations: Vec<Operation>,
}

/// The ways to the threads. They end with the process.
#[derive(Debug)]
pub(crate) struct Threads {
    sessions: Sender<SessionJob>,
    writes: Sender<Write>,
    states: Sender<Write>,
    way: Way,
}

/// The key of a session.
pub(crate) fn session_key(node: &NodeName) -> String {
    format!("{SESSIONS}{}", node.as_str().to_ascii_lowercase())
}

/// What is stored, as the lease machine reads it.
pub(crate) fn found(entry: &stead_store::Entry) -> Found {
    match serde_json::from_value::<Session>(entry.value.clone()) {
        Ok(session) => Found::Document { revision: entry.modified, session: Arc::new(session) },
        Err(error) => Found::Unreadable { revision: entry.modified, why: error.to_string() },
    }
}

fn unanswered(way: &Way, heard: &mut Heard, error: StoreError) -> Answer {
    if heard.badly(&error) {
        tracing::warn!(%error, "the session cannot be renewed; what runs here ends at its deadline unless that changes");
    }
    match error {
        StoreError::Unknown(_) => Answer::Unknown,
        StoreError::Replaced(text) => {
            way.send(Input::Told(Told::Replaced(text)));
            Answer::Unknown
        }
        StoreError::NoSpace(_)
        | StoreError::InUse(_)
        | StoreError::Corrupt(_)
        | StoreError::BadKey(_)
        | StoreError::Poisoned(_)
        | StoreError::TooLarge(_)
        | StoreError::Unavailable(_)
        | StoreError::Refused(_)
        | StoreError::Io(_) => Answer::Failed,
    }
}

fn commit(
    store: &dyn Store,
    (way, heard): (&Way, &mut Heard),
    node: &NodeName,
    guard: SessionGuard,
    session: &Session,
) -> Answer {
    let key = session_key(node);
    let guard = match guard {
        SessionGuard::Absent => Guard::Absent(key.clone()),
        SessionGuard::At(revision) => Guard::ModifiedAt(key.clone(), revision),
    };
    let Ok(value) = serde_json::to_value(session) else { return Answer::Failed };
    match store.commit(Transaction { guards: vec![guard], operations: vec![Operation::Put(key, value)] }) {
        Ok(outcome) => {
            if heard.well() {
                tracing::info!("the cluster database answers the session again");
            }
            match outcome {
                Outcome::Committed(revision) => Answer::Committed(revision),
                Outcome::Conflict(_) => Answer::Conflict,
            }
        }
        Err(error) => unanswered(way, heard, error),
    }
}

fn look(store: &dyn Store, (way, heard): (&Way, &mut Heard), node: &NodeName) -> Answer {
    // A listing tells the revision it is of, also where there is nothing.
    let key = session_key(node);
    match store.list(&key) {
        Ok((as_of, entries)) => {
            let own = entries.iter().find(|entry| entry.key == key);
            Answer::Read(own.map_or(Found::Nothing { as_of }, found))
        }
        Err(error) => unanswered(way, heard, error),
    }
}

fn follow(store: &dyn Store, way: &Way, mut after: Revision) {
    let mut heard = Heard::default();
    let badly = |heard: &mut Heard, error: &StoreError| {
        if heard.badly(error) {
            tracing::warn!(%error, "changes in the cluster database cannot be followed; it is tried until they can");
        }
    };
    loop {
        let mut watch = match store.watch("", after) {
            Ok(watch) => watch,
            Err(StoreError::Replaced(text)) => {
                way.send(Input::Told(Told::Replaced(text)));
                return;
            }
            Err(error) => {
                badly(&mut heard, &error);
                std::thread::park_timeout(PAUSE);
                continue;
            }
        };
        loop {
            match watch.next(PATIENCE) {
                Ok(None) => {}
                Ok(Some(news)) => {
                    heard.well();
                    after = news.revision();
                    way.send(Input::Told(Told::News(news)));
                }
                Err(StoreError::Replaced(text)) => {
                    way.send(Input::Told(Told::Replaced(text)));
                    return;
                }
                Err(error) => {
                    badly(&mut heard, &error);
                    std::thread::park_timeout(PAUSE);
                    if let StoreError::Corrupt(_) = error {
                        after = go_past(store, way, after);
                    }
                    break;
                }
            }
        }
    }
}

/// The history holds a document that cannot be read, and holds it for ever: once all documents can be read, following
/// goes on from there, and not before.
fn go_past(store: &dyn Store, way: &Way, after: Revision) -> Revision {
    match store.list("") {
        Ok((revision, entries)) => {
            way.send(Input::Told(Told::News(News::Everything { revision, entries })));
            revision
        }
        Err(_) => after,
    }
}

/// Starts a thread that writes, one after the other.
fn writer(name: &str, store: Arc<dyn Store>, way: &Way) -> std::io::Result<Sender<Write>> {
    let (jobs, todo) = channel::<Write>();
    let back = way.clone();
    std::thread::Builder::new().name(name.to_owned()).spawn(move || {
        let mut keeper = Shared(store);
        for Write { token, guards, operations } in todo {
            let result = keeper.commit(guards, operations);
            back.send(Input::Told(Told::Wrote(token, result)));
        }
    })?;
    Ok(jobs)
}

impl Threads {
    /// Starts them. `sessions` is used for renewals alone, so that nothing delays them; `others` for the rest. News are
    /// told from `after` on.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        sessions: Arc<dyn Store>,
        others: Arc<dyn Store>,
        after: Revision,
        way: &Way,
    ) -> std::io::Result<Self> {
        let (session_jobs, todo) = channel::<SessionJob>();
        let back = way.clone();
        std::thread::Builder::new().name("session".to_owned()).spawn(move || {
            let mut heard = Heard::default();
            for job in todo {
                let told = (&back, &mut heard);
                let (request, answer) = match job {
                    SessionJob::Commit { request, node, guard, session } => {
                        (request, commit(&*sessions, told, &node, guard, &session))
                    }
                    SessionJob::Read { request, node } => (request, look(&*sessions, told, &node)),
                };
                back.send(Input::Told(Told::Session(request, answer)));
            }
        })?;
        // Who has a group must not wait for what is said of groups.
        let write_jobs = writer("groups", Arc::clone(&others), way)?;
        let state_jobs = writer("states", Arc::clone(&others), way)?;
        let back = way.clone();
        std::thread::Builder::new().name("news".to_owned()).spawn(move || follow(&*others, &back, after))?;
        Ok(Threads { sessions: session_jobs, writes: write_jobs, states: state_jobs, way: way.clone() })
    }

    /// Has a node switched off, which the device knows by `name`, on a thread of its own: an agent takes its time.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn fence(
        &self,
        device: Device,
        name: String,
        node: NodeName,
        session: Option<Sid>,
    ) -> std::io::Result<()> {
        let way = self.way.clone();
        let work = move || {
            let report = fence(&device, &name, session.map_or(0, |sid| sid.0));
            let confirmed = report.confirmed();
            way.send(Input::Told(Told::Fenced(node.clone(), session, Box::new(report))));
            if confirmed {
                let run = device.reboot.then(|| switch_on(&device, &name));
                way.send(Input::Told(Told::SwitchedOn(node, run)));
            }
        };
        std::thread::Builder::new().name("fence".to_owned()).spawn(work).map(drop)
    }

    /// Writes a session, if the guard holds.
    pub(crate) fn commit_session(
        &self,
        request: RequestId,
        node: NodeName,
        guard: SessionGuard,
        session: Arc<Session>,
    ) {
        let _ = self.sessions.send(SessionJob::Commit { request, node, guard, session });
    }

    /// Reads a session.
    pub(crate) fn read_session(&self, request: RequestId, node: NodeName) {
        let _ = self.sessions.send(SessionJob::Read { request, node });
    }

    /// Writes documents, if the guards hold.
    pub(crate) fn write(&self, token: Token, guards: Vec<Guard>, operations: Vec<Operation>) {
        let _ = self.writes.send(Write { token, guards, operations });
    }

    /// Says how groups are, if the guards hold.
    pub(crate) fn say(&self, token: Token, guards: Vec<Guard>, operations: Vec<Operation>) {
        let _ = self.states.send(Write { token, guards, operations });
    }
}
