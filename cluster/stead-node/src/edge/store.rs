//! The store: writes the policy wants durable, and the event history, on a thread of its own.

mod reopen;
mod shared;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use stead_api::Event;
use stead_policy::WriteId;
use stead_store::{Guard, Operation, Revision, Store, StoreError};
use stead_types::Code;

use crate::asked::Asker;
pub(crate) use reopen::Open;
pub(crate) use reopen::Reopening;
pub(crate) use shared::Shared;

/// So many events are kept.
pub(crate) const KEPT_EVENTS: u64 = 10_000;

/// At most so many events go into one transaction: each may push an old one out, and etcd takes 127 operations.
const BATCH: usize = 120;

/// Why a write did not happen. Nothing was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Unwritten {
    /// Another node changed this document first.
    Conflict(String),
    /// The store could not.
    Failed(StoreError),
}

impl std::fmt::Display for Unwritten {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Unwritten::Conflict(key) => write!(f, "another node changed {key} first"),
            Unwritten::Failed(error) => error.fmt(f),
        }
    }
}

/// What keeps documents.
pub(crate) trait Keeper: Send {
    /// Carries out all operations, if all guards hold; then they survive power loss.
    ///
    /// # Errors
    /// Why not; then nothing was changed.
    fn commit(&mut self, guards: Vec<Guard>, operations: Vec<Operation>) -> Result<Revision, Unwritten>;
}

enum Job {
    Write(Ticket, Vec<Guard>, Vec<Operation>),
    Event(Box<Event>),
    End,
}

/// Whose write it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Ticket {
    /// The policy's.
    Policy(WriteId),
    /// A resource DLL's, of its keys.
    Keys(Asker),
}

/// How a write went; on success what was written, and under which revision.
pub(crate) type Written = (Ticket, Result<(Revision, Vec<Operation>), Unwritten>);

/// The way to the store's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

/// Where events are kept by a node alone.
pub(crate) const HISTORY: &str = "history/";

/// The key of an event; keys are in the order of sequence numbers.
fn event_key(folder: &str, sequence: u64) -> String {
    format!("{folder}{sequence:020}")
}

/// Windows' code for a write that did not happen.
pub(crate) fn code_of(unwritten: &Unwritten) -> Code {
    let error = match unwritten {
        Unwritten::Conflict(_) => return Code::ERROR_REVISION_MISMATCH,
        Unwritten::Failed(error) => error,
    };
    match error {
        StoreError::NoSpace(_) => Code::ERROR_DISK_FULL,
        StoreError::InUse(_) => Code::ERROR_BUSY,
        StoreError::Corrupt(_) => Code::ERROR_INVALID_DATA,
        StoreError::BadKey(_) => Code::ERROR_INVALID_PARAMETER,
        StoreError::Refused(_) => Code::ERROR_ACCESS_DENIED,
        StoreError::TooLarge(_)
        | StoreError::Poisoned(_)
        | StoreError::Unavailable(_)
        | StoreError::Unknown(_)
        | StoreError::Replaced(_)
        | StoreError::Io(_) => Code::ERROR_OPERATION_ABORTED,
    }
}

/// The events that are stored, oldest first.
///
/// # Errors
/// When the store cannot be read.
pub(crate) fn events(store: &dyn Store) -> Result<Vec<Event>, StoreError> {
    let (_, entries) = store.list(HISTORY)?;
    Ok(entries.into_iter().filter_map(|entry| serde_json::from_value(entry.value).ok()).collect())
}

impl Writer {
    /// Starts the thread, which takes `store`. Events go under `history`. `done` is called on it after each write.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        store: Box<dyn Keeper>,
        history: String,
        done: impl Fn(Written) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, todo) = channel();
        let work = move || work(store, &history, &todo, &done);
        let thread = std::thread::Builder::new().name("store".to_owned()).spawn(work)?;
        Ok(Writer { jobs, thread: Some(thread) })
    }

    /// Writes all or nothing.
    pub(crate) fn write(&self, id: Ticket, guards: Vec<Guard>, operations: Vec<Operation>) {
        let _ = self.jobs.send(Job::Write(id, guards, operations));
    }

    /// Adds to the history, soon.
    pub(crate) fn event(&self, event: Event) {
        let _ = self.jobs.send(Job::Event(Box::new(event)));
    }

    /// Writes what waits, and ends.
    pub(crate) fn end(&mut self) {
        let _ = self.jobs.send(Job::End);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn work(mut store: Box<dyn Keeper>, history: &str, todo: &Receiver<Job>, done: &dyn Fn(Written)) {
    let mut complained = false;
    let mut save = |store: &mut Box<dyn Keeper>, events: &mut Vec<Operation>| {
        if events.is_empty() {
            return;
        }
        match store.commit(Vec::new(), std::mem::take(events)) {
            Ok(_) => complained = false,
            Err(error) if !complained => {
                complained = true;
                tracing::error!(%error, "events could not be stored; they are kept in memory only");
            }
            Err(_) => {}
        }
    };
    while let Ok(first) = todo.recv() {
        let mut events = Vec::new();
        let mut next = Some(first);
        while let Some(job) = next {
            match job {
                Job::Write(id, guards, operations) => {
                    save(&mut store, &mut events);
                    let result =
                        store.commit(guards, operations.clone()).map(|revision| (revision, operations));
                    if let Err(error) = &result {
                        tracing::error!(%error, "write failed; nothing was changed");
                    }
                    done((id, result));
                }
                Job::Event(event) => {
                    let sequence = event.sequence;
                    if let Ok(value) = serde_json::to_value(*event) {
                        events.push(Operation::Put(event_key(history, sequence), value));
                    }
                    if let Some(old) = sequence.checked_sub(KEPT_EVENTS) {
                        events.push(Operation::Delete(event_key(history, old)));
                    }
                    if events.len() >= BATCH {
                        save(&mut store, &mut events);
                    }
                }
                Job::End => {
                    save(&mut store, &mut events);
                    return;
                }
            }
            next = todo.try_recv().ok();
        }
        save(&mut store, &mut events);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_store_embedded::EmbeddedStore;

    fn event(sequence: u64) -> Event {
        Event {
            sequence,
            node: None,
            time_ms: 0,
            id: 10_001,
            level: "information".to_owned(),
            group: None,
            resource: None,
            error: None,
            text: "x".to_owned(),
        }
    }

    #[test]
    fn the_history_is_kept_in_order_and_bounded() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("store");
        let open: Open = Box::new(move || Ok(Box::new(EmbeddedStore::open(&path)?)));
        let store = open().unwrap();
        let keeper = Box::new(Reopening::new(store, open));
        let mut writer = Writer::start(keeper, HISTORY.to_owned(), |_| {}).unwrap();
        for sequence in 1..=KEPT_EVENTS + 5 {
            writer.event(event(sequence));
        }
        writer.end();
        let kept = events(&EmbeddedStore::open(&folder.path().join("store")).unwrap()).unwrap();
        assert_eq!(kept.len() as u64, KEPT_EVENTS);
        assert_eq!(kept.first().unwrap().sequence, 6);
        assert!(kept.windows(2).all(|pair| pair[0].sequence + 1 == pair[1].sequence));
    }
}
