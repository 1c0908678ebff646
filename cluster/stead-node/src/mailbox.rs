//! The mailbox: requests about what another node has, carried to it through the cluster database.
//!
//! A letter is a document in the box of the node it is for. That node **takes** it by a transaction that deletes it and
//! puts a reply in the asker's box: whoever wins that transaction decides whether the request is carried out, and a letter
//! is carried out at most once. The reply then holds the latest lines of the answer; only the taker writes it and only the
//! asker deletes it, so that a reply that is gone tells the taker that nobody listens any more.
//!
//! A letter that is not taken in time is **taken back** by deleting it in a guarded transaction: only when that succeeded
//! is it sure, and said, that nothing was done. When a node that has taken a letter is lost, it is not known whether it
//! was done, and that is said as well. What is left of a node that died is cleared away when it starts again: its own
//! letters and replies, its promises to others, and letters that waited for it, whose time is over.
//!
//! ```text
//! mail/<to>/letter/<id>      what is asked
//! mail/<from>/reply/<id>     what is answered
//! ```

mod clerk;
mod document;
mod start;
#[cfg(test)]
mod tests;
mod watcher;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Sender, channel};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use serde_json::Value;
use stead_store::{Revision, Store};
use stead_types::{NodeName, Time};

use crate::edge::timer;
use document::{End, Reply, boxed};

/// How long a letter may wait to be taken, where the asker says nothing else.
pub const PATIENCE: Duration = Duration::from_secs(10);

/// The pause before a store that failed is asked again.
const PAUSE: Duration = Duration::from_millis(200);

/// What is asked of another node.
#[derive(Clone, Debug, PartialEq)]
pub struct Letter {
    /// What, as the path of the HTTP interface without its version: `groups/web/online`.
    pub path: String,
    /// The body.
    pub body: Value,
}

/// What comes back for a letter. Lines come first, then exactly one of the others.
#[derive(Clone, Debug, PartialEq)]
pub enum Answer {
    /// A line that is not the last.
    Line(Value),
    /// So many lines were left out: they came faster than they could be carried.
    Missed(u64),
    /// The last line.
    Last(Value),
    /// Nothing was done, and why.
    NotDone(String),
    /// It is not known whether it was done, and why.
    Unknown(String),
}

/// Whoever waits for the answer to a letter. It is called under a lock: it must not call the mailbox.
type Hear = Box<dyn FnMut(Answer) + Send>;

/// A letter that is not answered.
struct Ask {
    to: NodeName,
    /// When the clerk looks after it; none once it is taken.
    due: Option<Time>,
    /// When it is taken back.
    deadline: Time,
    patience: Duration,
    /// Lines that were heard.
    heard: u64,
    /// The node it was sent to is lost, for this reason.
    lost: Option<String>,
    hear: Hear,
}

/// What the clerk has to do.
enum Job {
    Send {
        id: String,
        letter: Letter,
    },
    Lost {
        node: NodeName,
        why: String,
    },
    /// A letter was taken: the reply is this document.
    Taken {
        id: String,
        key: String,
        at: Revision,
    },
    Line {
        id: String,
        line: Value,
    },
    End {
        id: String,
        end: End,
    },
    Discard {
        key: String,
    },
    Stop,
}

/// Ends waiting.
#[derive(Debug, Default)]
struct Ending {
    ended: Mutex<bool>,
    said: Condvar,
}

impl Ending {
    fn end(&self) {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.said.notify_all();
    }

    /// Waits so long, or until the end. True at the end.
    fn wait(&self, pause: Duration) -> bool {
        let ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        let waited = self.said.wait_timeout_while(ended, pause, |ended| !*ended);
        *waited.unwrap_or_else(PoisonError::into_inner).0
    }
}

/// What both threads of a mailbox share.
struct Office {
    store: Arc<dyn Store>,
    me: NodeName,
    /// Tells the letters and replies of this process from those of the ones before it.
    nonce: String,
    asks: Mutex<BTreeMap<String, Ask>>,
    ending: Ending,
}

impl Office {
    fn asks(&self) -> MutexGuard<'_, BTreeMap<String, Ask>> {
        self.asks.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Ends an ask, if it has not ended.
    fn finish(&self, id: &str, answer: Answer) {
        let ask = self.asks().remove(id);
        if let Some(mut ask) = ask {
            (ask.hear)(answer);
        }
    }

    /// Takes in what a reply says, which may be known already. True if it can be discarded.
    fn absorb(&self, id: &str, reply: Reply) -> bool {
        let mut asks = self.asks();
        let Some(ask) = asks.get_mut(id) else { return true };
        ask.due = ask.lost.as_ref().and(ask.due);
        if reply.first > ask.heard {
            (ask.hear)(Answer::Missed(reply.first - ask.heard));
            ask.heard = reply.first;
        }
        for (number, line) in (reply.first..).zip(reply.lines) {
            if number >= ask.heard {
                (ask.hear)(Answer::Line(line));
                ask.heard = number + 1;
            }
        }
        let Some(end) = reply.end else { return false };
        if let Some(mut ask) = asks.remove(id) {
            (ask.hear)(end.into());
        }
        true
    }
}

/// A letter that was taken and is to be carried out.
#[derive(Debug)]
pub struct Received {
    /// Who asks.
    pub from: NodeName,
    /// What.
    pub letter: Letter,
    /// Where the answer goes.
    pub reply: Answering,
}

/// Where the answer to a letter goes. Dropped before the end, it says that it is not known what was done.
pub struct Answering {
    id: String,
    jobs: Sender<Job>,
    ended: bool,
}

impl fmt::Debug for Answering {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answering").field("id", &self.id).field("ended", &self.ended).finish_non_exhaustive()
    }
}

impl Answering {
    /// A line that is not the last.
    pub fn line(&self, line: Value) {
        let _ = self.jobs.send(Job::Line { id: self.id.clone(), line });
    }

    /// The last line.
    pub fn last(mut self, line: Value) {
        self.end(End::Last(line));
    }

    /// Nothing was done, and why.
    pub fn not_done(mut self, why: &str) {
        self.end(End::NotDone(why.to_owned()));
    }

    fn end(&mut self, end: End) {
        self.ended = true;
        let _ = self.jobs.send(Job::End { id: self.id.clone(), end });
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        if !self.ended {
            self.end(End::Unknown("the node ended before it had answered".to_owned()));
        }
    }
}

/// A node's mailbox, with a thread that watches it and one that writes.
pub struct Mailbox {
    office: Arc<Office>,
    jobs: Sender<Job>,
    threads: Vec<JoinHandle<()>>,
    count: AtomicU64,
}

impl fmt::Debug for Mailbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mailbox").field("me", &self.office.me).finish_non_exhaustive()
    }
}

fn nonce() -> io::Result<String> {
    let mut bytes = [0; 8];
    let count = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty())?;
    if count < bytes.len() {
        return Err(io::Error::other("too few random bytes"));
    }
    Ok(format!("{:016x}", u64::from_ne_bytes(bytes)))
}

impl Mailbox {
    /// Opens the mailbox of a node, clears away what an earlier process of it has left, and hands every letter that comes
    /// from now on to `deliver`, in the order they came. `deliver` must not wait.
    ///
    /// # Errors
    /// When the system gives no thread, or no random number.
    pub fn start(
        store: Arc<dyn Store>,
        me: NodeName,
        deliver: impl Fn(Received) + Send + 'static,
    ) -> io::Result<Mailbox> {
        let office = Arc::new(Office {
            store,
            me,
            nonce: nonce()?,
            asks: Mutex::default(),
            ending: Ending::default(),
        });
        let (jobs, todo) = channel();
        let clerk = {
            let office = Arc::clone(&office);
            std::thread::Builder::new()
                .name("mail-clerk".to_owned())
                .spawn(move || clerk::Clerk::new(office).work(&todo))?
        };
        let mut mailbox = Mailbox {
            office: Arc::clone(&office),
            jobs: jobs.clone(),
            threads: vec![clerk],
            count: 0.into(),
        };
        let watcher = std::thread::Builder::new()
            .name("mail".to_owned())
            .spawn(move || watcher::watch(&office, &jobs, &deliver))?;
        mailbox.threads.push(watcher);
        Ok(mailbox)
    }

    /// Sends a letter; `hear` is called with what comes back, on a thread of the mailbox. It must not call the mailbox. A
    /// letter that is not taken within `patience` is taken back. Returns the letter's number in this cluster.
    pub fn send(
        &self,
        to: NodeName,
        letter: Letter,
        patience: Duration,
        hear: impl FnMut(Answer) + Send + 'static,
    ) -> String {
        let number = self.count.fetch_add(1, Ordering::Relaxed);
        let id = format!("{}.{}.{number:020}", boxed(&self.office.me), self.office.nonce);
        let deadline = timer::now().after(patience);
        let hear: Hear = Box::new(hear);
        let ask = Ask { to, due: Some(deadline), deadline, patience, heard: 0, lost: None, hear };
        self.office.asks().insert(id.clone(), ask);
        if self.jobs.send(Job::Send { id: id.clone(), letter }).is_err() {
            self.office.finish(&id, Answer::NotDone("this node is ending".to_owned()));
        }
        id
    }

    /// A node is lost: its session is dead, or another one has taken its place. What it has not taken is taken back, what
    /// it has taken and not answered is not known. `why` is read by people: `its session is dead`.
    pub fn lost(&self, node: NodeName, why: &str) {
        let _ = self.jobs.send(Job::Lost { node, why: why.to_owned() });
    }
}

impl Drop for Mailbox {
    fn drop(&mut self) {
        self.office.ending.end();
        let _ = self.jobs.send(Job::Stop);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
