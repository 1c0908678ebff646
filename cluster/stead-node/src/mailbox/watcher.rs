//! The thread that watches a mailbox: letters are taken and handed on, replies are told to who asked.

use std::sync::mpsc::Sender;
use std::time::Duration;

use stead_store::{Change, Entry, Guard, News, Operation, Outcome, Revision, StoreError, Transaction};

use crate::heard::Heard;

use super::document::{Kind, Reply, box_of, boxed, read_key, read_letter, reply_key};
use super::{Answering, Job, Office, PAUSE, Received, start};

/// How long it waits for news before it looks whether it is to end.
const BREATH: Duration = Duration::from_millis(100);

/// Runs until the end.
pub(super) fn watch(office: &Office, jobs: &Sender<Job>, deliver: &dyn Fn(Received)) {
    let mut heard = Heard::default();
    let (mut after, kept) = loop {
        match start::clear(office) {
            Ok(cleared) => break cleared,
            Err(error) => {
                if heard.badly(&error) {
                    tracing::warn!(%error, "the mailbox cannot be opened yet");
                }
                if office.ending.wait(PAUSE) {
                    return;
                }
            }
        }
    };
    for entry in kept {
        heed(office, jobs, deliver, entry);
    }
    loop {
        if let Err(error) = follow(office, jobs, deliver, (&mut after, &mut heard))
            && heard.badly(&error)
        {
            tracing::warn!(%error, "the mailbox cannot be watched; it is tried until it can");
        }
        if office.ending.wait(PAUSE) {
            return;
        }
    }
}

/// Follows until the watch is over, or the end.
fn follow(
    office: &Office,
    jobs: &Sender<Job>,
    deliver: &dyn Fn(Received),
    (after, heard): (&mut Revision, &mut Heard),
) -> Result<(), StoreError> {
    let mut watch = office.store.watch(&box_of(&office.me), *after)?;
    while !office.ending.wait(Duration::ZERO) {
        let Some(news) = watch.next(BREATH)? else { continue };
        heard.well();
        *after = news.revision();
        let entries = match news {
            News::Everything { entries, .. } => entries,
            News::Changes { changes, .. } => changes
                .into_iter()
                .filter_map(|change| match change {
                    Change::Put(entry) => Some(entry),
                    Change::Deleted(_) => None,
                })
                .collect(),
        };
        for entry in entries {
            heed(office, jobs, deliver, entry);
        }
    }
    Ok(())
}

fn heed(office: &Office, jobs: &Sender<Job>, deliver: &dyn Fn(Received), entry: Entry) {
    let Some((_, kind, id)) = read_key(&entry.key) else { return };
    match kind {
        Kind::Letter => {
            let id = id.to_owned();
            take(office, jobs, deliver, &id, entry);
        }
        Kind::Reply => {
            let read = office.absorb(id, Reply::read(&entry.value));
            if read {
                let _ = jobs.send(Job::Discard { key: entry.key });
            }
        }
    }
}

/// Takes a letter, and hands it on if this process is the one that has taken it.
fn take(office: &Office, jobs: &Sender<Job>, deliver: &dyn Fn(Received), id: &str, mut entry: Entry) {
    let Some((from, letter)) = read_letter(&entry.value) else {
        tracing::warn!(key = entry.key, "a letter cannot be read; it stays until its sender takes it back");
        return;
    };
    if !id.starts_with(&format!("{}.", boxed(&from))) {
        tracing::warn!(key = entry.key, from = from.as_str(), "a letter bears another sender's number");
        return;
    }
    let key = reply_key(&from, id);
    let reply = Reply::new(&office.me, &office.nonce);
    loop {
        let transaction = Transaction {
            guards: vec![Guard::ModifiedAt(entry.key.clone(), entry.modified), Guard::Absent(key.clone())],
            operations: vec![
                Operation::Delete(entry.key.clone()),
                Operation::Put(key.clone(), reply.write()),
            ],
        };
        match office.store.commit(transaction) {
            Ok(Outcome::Committed(at)) => {
                // The clerk hears of it before of any line.
                let _ = jobs.send(Job::Taken { id: id.to_owned(), key, at });
                let reply = Answering { id: id.to_owned(), jobs: jobs.clone(), ended: false };
                deliver(Received { from, letter, reply });
                return;
            }
            // Its sender has taken it back.
            Ok(Outcome::Conflict(_)) => return,
            Err(error) => {
                tracing::warn!(%error, "it is not known whether a letter was taken; it is looked up");
                // In this order: a letter that is gone because it was taken has left a reply.
                match office.store.get(&entry.key).and_then(|letter| Ok((letter, office.store.get(&key)?))) {
                    Ok((_, Some(taken))) if Reply::read(&taken.value).taker == office.nonce => {
                        let _ = jobs.send(Job::Taken { id: id.to_owned(), key, at: taken.modified });
                        let reply = Answering { id: id.to_owned(), jobs: jobs.clone(), ended: false };
                        deliver(Received { from, letter, reply });
                        return;
                    }
                    Ok((Some(still), None)) => entry = still,
                    Ok(_) => return,
                    Err(_) => {}
                }
                if office.ending.wait(PAUSE) {
                    return;
                }
            }
        }
    }
}
