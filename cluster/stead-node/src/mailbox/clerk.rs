//! The thread that writes: letters are sent and taken back, answers are put down line by line, what was read is thrown away.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};

use serde_json::Value;
use stead_store::{Guard, Operation, Outcome, Revision, StoreError, Transaction};
use stead_types::{NodeName, Time};

use super::document::{End, Reply, letter_key, reply_key, write_letter};
use super::{Answer, Job, Letter, Office, PAUSE};
use crate::edge::timer;

/// So many lines of an answer wait to be read; older ones are left out.
const MOST_LINES: usize = 64;

/// So many jobs are taken in before what they change is written.
const AT_ONCE: usize = 512;

/// An answer this node has promised.
struct Owed {
    key: String,
    at: Revision,
    first: u64,
    lines: VecDeque<Value>,
    end: Option<End>,
}

pub(super) struct Clerk {
    office: Arc<Office>,
    owed: BTreeMap<String, Owed>,
    /// Answers with something to be written.
    changed: BTreeSet<String>,
    /// What was read, by key.
    discarded: BTreeSet<String>,
    /// The store has failed: it is not asked before this.
    pause: Option<Time>,
}

impl Clerk {
    pub(super) fn new(office: Arc<Office>) -> Self {
        Clerk {
            office,
            owed: BTreeMap::new(),
            changed: BTreeSet::new(),
            discarded: BTreeSet::new(),
            pause: None,
        }
    }

    /// Runs until it is told to stop, or nobody is left who could tell it anything.
    pub(super) fn work(mut self, todo: &Receiver<Job>) {
        loop {
            let first = match timer::until(self.next(), timer::now()) {
                None => todo.recv().map_err(|_| RecvTimeoutError::Disconnected),
                Some(pause) => todo.recv_timeout(pause),
            };
            match first {
                Ok(job) => {
                    let more = std::iter::from_fn(|| todo.try_recv().ok()).take(AT_ONCE);
                    for job in std::iter::once(job).chain(more) {
                        if self.job(job) {
                            return self.stop();
                        }
                    }
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return self.stop(),
            }
            self.look_after();
        }
    }

    /// When there is something to do without a job.
    fn next(&self) -> Option<Time> {
        let busy = !self.changed.is_empty() || !self.discarded.is_empty();
        let due = self.office.asks().values().filter_map(|ask| ask.due).min();
        let at = if busy { Some(timer::now()) } else { due };
        at.map(|at| self.pause.map_or(at, |pause| at.max(pause)))
    }

    /// True for the last job.
    fn job(&mut self, job: Job) -> bool {
        match job {
            Job::Send { id, letter } => self.send(&id, &letter),
            Job::Lost { node, why } => self.lost(&node, &why),
            Job::Taken { id, key, at } => {
                let owed = Owed { key, at, first: 0, lines: VecDeque::new(), end: None };
                self.owed.insert(id, owed);
            }
            Job::Line { id, line } => {
                if let Some(owed) = self.owed.get_mut(&id) {
                    owed.lines.push_back(line);
                    if owed.lines.len() > MOST_LINES {
                        owed.lines.pop_front();
                        owed.first += 1;
                    }
                    self.changed.insert(id);
                }
            }
            Job::End { id, end } => {
                if let Some(owed) = self.owed.get_mut(&id) {
                    owed.end = Some(end);
                    self.changed.insert(id);
                }
            }
            Job::Discard { key } => drop(self.discarded.insert(key)),
            Job::Stop => return true,
        }
        false
    }

    fn send(&mut self, id: &str, letter: &Letter) {
        let office = &self.office;
        let Some(to) = office.asks().get(id).map(|ask| ask.to.clone()) else { return };
        let key = letter_key(&to, id);
        let transaction = Transaction {
            guards: vec![Guard::Absent(key.clone())],
            operations: vec![Operation::Put(key, write_letter(&office.me, letter))],
        };
        match office.store.commit(transaction) {
            Ok(Outcome::Committed(_)) => {}
            Ok(Outcome::Conflict(key)) => {
                office.finish(id, Answer::NotDone(format!("another letter has its place: {key}")));
            }
            Err(
                error @ (StoreError::NoSpace(_)
                | StoreError::InUse(_)
                | StoreError::Corrupt(_)
                | StoreError::BadKey(_)
                | StoreError::TooLarge(_)
                | StoreError::Unavailable(_)
                | StoreError::Refused(_)
                | StoreError::Io(_)),
            ) => office.finish(id, Answer::NotDone(format!("it could not be sent: {error}"))),
            Err(StoreError::Poisoned(_) | StoreError::Unknown(_) | StoreError::Replaced(_)) => {
                // Whether it was sent is looked up.
                if let Some(ask) = office.asks().get_mut(id) {
                    ask.due = Some(timer::now().after(PAUSE));
                }
            }
        }
    }

    fn lost(&mut self, node: &NodeName, why: &str) {
        let now = timer::now();
        for ask in self.office.asks().values_mut().filter(|ask| ask.to == *node) {
            ask.lost = Some(why.to_owned());
            ask.due = Some(now);
        }
    }

    /// What is due, and what is to be written.
    fn look_after(&mut self) {
        let now = timer::now();
        if self.pause.is_some_and(|pause| pause > now) {
            return;
        }
        self.pause = None;
        if let Err(error) = self.all_due(now) {
            tracing::warn!(%error, "the mailbox cannot be written; it is tried again");
            self.pause = Some(timer::now().after(PAUSE));
        }
    }

    fn all_due(&mut self, now: Time) -> Result<(), StoreError> {
        while let Some(id) = self.changed.first().cloned() {
            self.put_down(&id)?;
            self.changed.remove(&id);
        }
        let due: Vec<String> = {
            let asks = self.office.asks();
            let due = asks.iter().filter(|(_, ask)| ask.due.is_some_and(|due| due <= now));
            due.map(|(id, _)| id.clone()).collect()
        };
        for id in due {
            self.pursue(&id, now)?;
        }
        while let Some(key) = self.discarded.first().cloned() {
            self.delete(key.clone())?;
            self.discarded.remove(&key);
        }
        Ok(())
    }

    fn delete(&self, key: String) -> Result<(), StoreError> {
        let operations = vec![Operation::Delete(key)];
        self.office.store.commit(Transaction { guards: Vec::new(), operations }).map(|_| ())
    }

    /// Finds out what has become of a letter, and takes it back if its time is over.
    fn pursue(&mut self, id: &str, now: Time) -> Result<(), StoreError> {
        let office = Arc::clone(&self.office);
        let found = office.asks().get(id).map(|ask| {
            let over = ask.lost.is_some() || ask.deadline <= now;
            (ask.to.clone(), over, ask.deadline, ask.patience, ask.lost.clone())
        });
        let Some((to, over, deadline, patience, lost)) = found else { return Ok(()) };
        let key = letter_key(&to, id);
        // In this order: a letter that is gone because it was taken has left a reply.
        if let Some(letter) = office.store.get(&key)? {
            if !over {
                if let Some(ask) = office.asks().get_mut(id) {
                    ask.due = Some(deadline);
                }
                return Ok(());
            }
            let guards = vec![Guard::ModifiedAt(key.clone(), letter.modified)];
            let back = Transaction { guards, operations: vec![Operation::Delete(key)] };
            if let Outcome::Committed(_) = office.store.commit(back)? {
                let why = match lost {
                    Some(why) => format!("node \"{to}\" did not take it: {why}"),
                    None => format!("node \"{to}\" did not take it within {} ms", patience.as_millis()),
                };
                office.finish(id, Answer::NotDone(why));
                return Ok(());
            }
        }
        let key = reply_key(&office.me, id);
        let Some(reply) = office.store.get(&key)? else {
            // Taken back before, or never sent; if it was answered meanwhile nobody asks any more.
            office.finish(id, Answer::NotDone(format!("node \"{to}\" was not reached")));
            return Ok(());
        };
        if office.absorb(id, Reply::read(&reply.value)) {
            self.discarded.insert(key);
        } else if let Some(why) = lost {
            // Whatever the lost node still writes there will find that nobody listens.
            self.discarded.insert(key);
            office.finish(
                id,
                Answer::Unknown(format!("node \"{to}\" took it and was lost before it answered: {why}")),
            );
        }
        Ok(())
    }

    /// Writes an answer as it is by now.
    fn put_down(&mut self, id: &str) -> Result<(), StoreError> {
        let office = Arc::clone(&self.office);
        let Some(owed) = self.owed.get_mut(id) else { return Ok(()) };
        loop {
            let mut reply = Reply::new(&office.me, &office.nonce);
            reply.first = owed.first;
            reply.lines = owed.lines.iter().cloned().collect();
            reply.end = owed.end.clone();
            let transaction = Transaction {
                guards: vec![Guard::ModifiedAt(owed.key.clone(), owed.at)],
                operations: vec![Operation::Put(owed.key.clone(), reply.write())],
            };
            match office.store.commit(transaction) {
                Ok(Outcome::Committed(at)) => {
                    owed.at = at;
                    break;
                }
                Ok(Outcome::Conflict(_)) => match office.store.get(&owed.key)? {
                    // A write whose end was not known had happened.
                    Some(entry) if entry.modified != owed.at => owed.at = entry.modified,
                    // Nobody listens any more.
                    Some(_) | None => {
                        self.owed.remove(id);
                        return Ok(());
                    }
                },
                Err(StoreError::TooLarge(_))
                    if owed.lines.is_empty() && matches!(owed.end, Some(End::Last(_))) =>
                {
                    let why = "its answer is too large for the cluster database".to_owned();
                    owed.end = Some(End::Unknown(why));
                }
                Err(StoreError::TooLarge(_)) if !owed.lines.is_empty() => {
                    owed.first += owed.lines.len() as u64;
                    owed.lines.clear();
                }
                Err(error) => return Err(error),
            }
        }
        if owed.end.is_some() {
            self.owed.remove(id);
        }
        Ok(())
    }

    /// Says what can still be said. The first failure ends it: the next process of this node says the rest.
    fn stop(mut self) {
        for (id, owed) in &mut self.owed {
            if owed.end.is_none() {
                owed.end = Some(End::Unknown("the node ended before it had answered".to_owned()));
            }
            self.changed.insert(id.clone());
        }
        let now = timer::now();
        for ask in self.office.asks().values_mut() {
            ask.lost = Some("this node is ending".to_owned());
            ask.due = Some(now);
        }
        if let Err(error) = self.all_due(now) {
            tracing::warn!(%error, "the mailbox ends with something unsaid");
        }
        let left: Vec<String> = self.office.asks().keys().cloned().collect();
        for id in left {
            self.office.finish(&id, Answer::Unknown("this node is ending".to_owned()));
        }
    }
}
