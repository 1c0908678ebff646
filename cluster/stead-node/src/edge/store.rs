//! The store: writes the policy wants durable, and the event history, on a thread of its own.

mod reopen;

use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use stead_api::Event;
use stead_policy::WriteId;
use stead_store::{Operation, Store, StoreError};
use stead_types::Code;

use crate::asked::Asker;
pub(crate) use reopen::Open;
use reopen::Reopening;

/// So many events are kept.
pub(crate) const KEPT_EVENTS: u64 = 10_000;

/// At most so many events go into one transaction.
const BATCH: usize = 512;

enum Job {
    Write(Ticket, Vec<Operation>),
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

/// How a write went; on success what was written.
pub(crate) type Written = (Ticket, Result<Vec<Operation>, StoreError>);

/// The way to the store's thread.
#[derive(Debug)]
pub(crate) struct Writer {
    jobs: Sender<Job>,
    thread: Option<JoinHandle<()>>,
}

/// The key of an event; keys are in the order of sequence numbers.
fn event_key(sequence: u64) -> String {
    format!("history/{sequence:020}")
}

/// Windows' code for a failure of the store.
pub(crate) fn code_of(error: &StoreError) -> Code {
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
    let (_, entries) = store.list("history/")?;
    Ok(entries.into_iter().filter_map(|entry| serde_json::from_value(entry.value).ok()).collect())
}

impl Writer {
    /// Starts the thread, which takes `store` and opens it again with `open` when it fails. `done` is called on it
    /// after each write.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(
        store: Box<dyn Store>,
        open: Open,
        done: impl Fn(Written) + Send + 'static,
    ) -> std::io::Result<Self> {
        let (jobs, todo) = channel();
        let store = Reopening::new(store, open);
        let thread =
            std::thread::Builder::new().name("store".to_owned()).spawn(move || work(store, &todo, &done))?;
        Ok(Writer { jobs, thread: Some(thread) })
    }

    /// Writes all or nothing.
    pub(crate) fn write(&self, id: Ticket, operations: Vec<Operation>) {
        let _ = self.jobs.send(Job::Write(id, operations));
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

fn work(mut store: Reopening, todo: &Receiver<Job>, done: &dyn Fn(Written)) {
    let mut complained = false;
    let mut save = |store: &mut Reopening, events: &mut Vec<Operation>| {
        if events.is_empty() {
            return;
        }
        match store.commit(std::mem::take(events)) {
            Ok(()) => complained = false,
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
                Job::Write(id, operations) => {
                    save(&mut store, &mut events);
                    let result = store.commit(operations.clone()).map(|()| operations);
                    if let Err(error) = &result {
                        tracing::error!(%error, "write failed; nothing was changed");
                    }
                    done((id, result));
                }
                Job::Event(event) => {
                    let sequence = event.sequence;
                    if let Ok(value) = serde_json::to_value(*event) {
                        events.push(Operation::Put(event_key(sequence), value));
                    }
                    if let Some(old) = sequence.checked_sub(KEPT_EVENTS) {
                        events.push(Operation::Delete(event_key(old)));
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
        let mut writer = Writer::start(store, open, |_| {}).unwrap();
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
