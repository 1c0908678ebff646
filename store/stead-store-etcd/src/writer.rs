//! Transactions whose end is known.
//!
//! Each transaction also changes a *lane*, a key of this writer alone, and is guarded by the lane's revision. So it can
//! happen at most once, whatever is repeated or delayed on the way; and when its answer is lost, a transaction that
//! moves the lane from the same revision settles it: if that one happens, the first one never will; if not, what the
//! lane holds tells which transaction moved it. Nothing is tried again before that is known.

use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use prost::Message;
use stead_store::{Guard, Operation, Outcome, StoreError, Transaction};
use tokio::sync::{Mutex as AsyncMutex, MutexGuard as AsyncGuard, Semaphore};
use tokio::time::{Instant, timeout_at};

use crate::failure::{Failure, Kind};
use crate::hedge::{Reply, worst};
use crate::keys::{Keys, encode, number, revision};
use crate::members::{Attempts, Members, Next};
use crate::wire::{Compare, Delete, Done, Found, Header, Number, Put, Range, Request, Step, Txn};

pub(crate) const TXN: &str = "/etcdserverpb.KV/Txn";
pub(crate) const RANGE: &str = "/etcdserverpb.KV/Range";

/// So many transactions of one node may be under way at once.
const LANES: usize = 4;

/// etcd's own limit of operations a transaction, of which one moves the lane.
pub(crate) const MOST_OPERATIONS: usize = 127;

/// Two of etcd's limit of comparisons are for the lane and for the cluster's identity.
pub(crate) const MOST_GUARDS: usize = 126;

/// etcd's own limit of a request, in bytes, less what the lane needs.
pub(crate) const MOST_BYTES: usize = 1_572_864 - 2_048;

/// A transaction whose answer was lost.
#[derive(Clone, Debug)]
struct Pending {
    /// What it writes into the lane.
    token: String,
    /// What the one that settles it writes.
    fence: String,
    /// The revision of the lane that both are guarded by.
    at: Number,
    /// etcd did answer, though not well: it is not under way any more.
    over: bool,
}

#[derive(Debug)]
struct Lane {
    key: Vec<u8>,
    /// The revision that moved it last, if known.
    at: Option<Number>,
    pending: Option<Pending>,
    /// The pending one was told as unknown.
    told_unknown: bool,
}

/// What became of a transaction whose answer was lost.
#[derive(Debug, PartialEq, Eq)]
enum Settled {
    Happened(Number),
    NeverWill,
    /// Another process writes under our name and moved the lane on.
    Overwritten,
}

/// The part of a request that is the same in every attempt.
#[derive(Debug)]
struct Prepared {
    guards: Vec<Guard>,
    compare: Vec<Compare>,
    success: Vec<Step>,
    failure: Vec<Step>,
}

/// Writes for one node.
#[derive(Debug)]
pub(crate) struct Writer {
    members: Arc<Members>,
    keys: Keys,
    /// The revision of the cluster's identity, which guards everything.
    meta: Number,
    instance: String,
    serial: AtomicU64,
    lanes: Vec<AsyncMutex<Lane>>,
    free: Semaphore,
    /// How many lanes hold a transaction that was told as unknown.
    unknown: AtomicUsize,
    broken: Mutex<Option<StoreError>>,
}

fn modified(answer: Option<&Found>) -> Number {
    answer.and_then(|found| found.entries.first()).map_or(0, |entry| entry.modified)
}

pub(crate) fn range_of(key: Vec<u8>) -> Range {
    Range { key, ..Range::default() }
}

impl Prepared {
    fn new(keys: &Keys, transaction: Transaction) -> Result<Self, StoreError> {
        transaction.check()?;
        let Transaction { guards, operations } = transaction;
        let operations = Transaction::effective(operations);
        for (count, most, what) in
            [(operations.len(), MOST_OPERATIONS, "changes"), (guards.len(), MOST_GUARDS, "guards")]
        {
            if count > most {
                let text = format!("{count} {what} are over the {most} that etcd takes at once; split it");
                return Err(StoreError::TooLarge(text));
            }
        }
        let revision_of = |guard: &Guard| match guard {
            Guard::Absent(_) => 0,
            Guard::ModifiedAt(_, at) => number(*at),
        };
        let compare: Vec<Compare> =
            guards.iter().map(|guard| Compare::at(keys.document(guard.key()), revision_of(guard))).collect();
        let success: Vec<Step> = operations
            .into_iter()
            .map(|operation| match operation {
                Operation::Put(key, value) => {
                    Request::Put(Put { key: keys.document(&key), value: encode(value) }).into()
                }
                Operation::Delete(key) => Request::Delete(Delete { key: keys.document(&key) }).into(),
            })
            .collect();
        let asked = |guard: &Guard| -> Step {
            Request::Range(Range { keys_only: true, ..range_of(keys.document(guard.key())) }).into()
        };
        let failure = guards.iter().map(asked).collect();
        let prepared = Prepared { guards, compare, success, failure };
        let bytes = Txn {
            compare: prepared.compare.clone(),
            success: prepared.success.clone(),
            failure: prepared.failure.clone(),
        }
        .encoded_len();
        if bytes > MOST_BYTES {
            let text = format!("{bytes} bytes are over the {MOST_BYTES} that etcd takes at once; split it");
            return Err(StoreError::TooLarge(text));
        }
        Ok(prepared)
    }

    /// The first guard that does not hold.
    fn conflict(&self, answers: &[Option<&Found>]) -> Option<String> {
        let found = self.compare.iter().zip(&self.guards).zip(answers);
        found
            .filter(|((compare, _), answer)| compare.modified != Some(modified(**answer)))
            .map(|((_, guard), _)| guard.key().to_owned())
            .next()
    }
}

impl Writer {
    pub(crate) fn new(members: Arc<Members>, keys: Keys, meta: Number, instance: String) -> Self {
        let lane = |number| {
            let key = keys.lane(&members.options.writer, number);
            AsyncMutex::new(Lane { key, at: None, pending: None, told_unknown: false })
        };
        Writer {
            lanes: (0..LANES).map(lane).collect(),
            free: Semaphore::new(LANES),
            unknown: AtomicUsize::new(0),
            broken: Mutex::new(None),
            serial: AtomicU64::new(0),
            members,
            keys,
            meta,
            instance,
        }
    }

    fn token(&self) -> String {
        format!("{}-{}", self.instance, self.serial.fetch_add(1, Ordering::Relaxed))
    }

    /// Refuses every call from now on.
    pub(crate) fn broken(&self, text: String) -> StoreError {
        let error = StoreError::Replaced(text);
        let mut broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.get_or_insert(error).clone()
    }

    pub(crate) fn health(&self) -> Result<(), StoreError> {
        let broken = self.broken.lock().unwrap_or_else(PoisonError::into_inner);
        broken.clone().map_or(Ok(()), Err)
    }

    fn until(&self) -> Instant {
        Instant::now() + self.members.options.deadline
    }

    fn too_late(&self) -> StoreError {
        let patience = self.members.options.deadline.as_secs_f64();
        StoreError::Unavailable(format!("etcd: earlier calls of this node were not done within {patience} s"))
    }

    /// Settles what was told as unknown, so that what is read afterwards is the truth.
    pub(crate) async fn ready(&self, until: Instant) -> Result<(), StoreError> {
        self.health()?;
        if self.unknown.load(Ordering::Acquire) == 0 {
            return Ok(());
        }
        for lane in &self.lanes {
            let mut lane = timeout_at(until, lane.lock()).await.map_err(|_| self.too_late())?;
            if let Some(pending) = lane.pending.clone() {
                self.settle(&mut lane, &pending, until).await?;
            }
        }
        Ok(())
    }

    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let prepared = Prepared::new(&self.keys, transaction)?;
        let until = self.until();
        self.ready(until).await?;
        let _permit = match timeout_at(until, self.free.acquire()).await {
            Ok(Ok(permit)) => permit,
            Ok(Err(_)) | Err(_) => return Err(self.too_late()),
        };
        // There are as many lanes as permits, but one may be held for a moment by who settles it.
        let mut lane = match self.lanes.iter().find_map(|lane| lane.try_lock().ok()) {
            Some(lane) => lane,
            None => timeout_at(until, self.lanes[0].lock()).await.map_err(|_| self.too_late())?,
        };
        self.commit_on(&mut lane, &prepared, until).await
    }

    async fn commit_on(
        &self,
        lane: &mut AsyncGuard<'_, Lane>,
        prepared: &Prepared,
        until: Instant,
    ) -> Result<Outcome, StoreError> {
        let mut attempts = Attempts::default();
        loop {
            self.health()?;
            if let Some(pending) = lane.pending.clone() {
                self.settle(lane, &pending, until).await?;
            }
            let at = match lane.at {
                Some(at) => at,
                None => self.position(lane, until).await?,
            };
            let token = self.token();
            let failure = match self.attempt(&lane.key, prepared, at, &token, until).await {
                Ok(Reply { answer: done, header, .. }) if done.succeeded => {
                    lane.at = Some(header.revision);
                    return Ok(Outcome::Committed(revision(header.revision)));
                }
                Ok(Reply { answer: done, alone, .. }) => {
                    let answers: Vec<Option<&Found>> =
                        done.answers.iter().map(|answer| answer.found.as_ref()).collect();
                    let [meta, moved, guards @ ..] = answers.as_slice() else {
                        return Err(StoreError::Io("etcd: an answer with parts missing".to_owned()));
                    };
                    self.same_cluster(modified(*meta))?;
                    if modified(*moved) == at {
                        let Some(key) = prepared.conflict(guards) else {
                            return Err(StoreError::Io("etcd: a conflict without a cause".to_owned()));
                        };
                        if alone {
                            return Ok(Outcome::Conflict(key));
                        }
                        // Another copy of it is under way, and its guards may come to hold before that arrives.
                        return self
                            .conflict_unless(
                                lane,
                                Pending { token, fence: self.token(), at, over: false },
                                key,
                                until,
                            )
                            .await;
                    }
                    if let Some(at) = self.copied(lane, &token, *moved) {
                        return Ok(Outcome::Committed(revision(at)));
                    }
                    // Something of this name moved it: an earlier life of this node whose request came late.
                    lane.at = self.moved(at, modified(*moved))?;
                    if Instant::now() >= until {
                        return Err(self.too_late());
                    }
                    continue;
                }
                Err(failure) => failure,
            };
            if failure.kind == Kind::Behind {
                return Err(self.broken(format!("etcd {}: {}", failure.member, failure.text)));
            }
            if failure.leaves_unknown() {
                let over = failure.kind == Kind::NoSpace;
                let pending = Pending { token, fence: self.token(), at, over };
                lane.pending = Some(pending.clone());
                self.members.turn_from(&failure.member);
                match self.settle(lane, &pending, until).await {
                    Ok(Settled::Happened(at)) => return Ok(Outcome::Committed(revision(at))),
                    Ok(Settled::NeverWill) if over => return Err(failure.into_error()),
                    Ok(Settled::NeverWill) => {}
                    Ok(Settled::Overwritten) => return Err(self.overwritten(&failure)),
                    Err(error @ StoreError::Replaced(_)) => return Err(error),
                    Err(error) => return Err(self.unknown(lane, &failure, &error)),
                }
            }
            if let Next::End(error) = self.give_way(&mut attempts, failure, until).await {
                return Err(error);
            }
        }
    }

    /// The revision at which a copy of the same request, sent to another member, has moved the lane.
    fn copied(&self, lane: &mut Lane, token: &str, moved: Option<&Found>) -> Option<Number> {
        let entry = moved?.entries.first().filter(|entry| entry.value == token.as_bytes())?;
        lane.at = Some(entry.modified);
        Some(entry.modified)
    }

    /// The conflict over `key`, once no copy of the transaction can happen any more; unless one has.
    async fn conflict_unless(
        &self,
        lane: &mut Lane,
        pending: Pending,
        key: String,
        until: Instant,
    ) -> Result<Outcome, StoreError> {
        lane.pending = Some(pending.clone());
        match self.settle(lane, &pending, until).await {
            Ok(Settled::Happened(at)) => Ok(Outcome::Committed(revision(at))),
            Ok(Settled::NeverWill) => Ok(Outcome::Conflict(key)),
            Ok(Settled::Overwritten) => {
                let text = "a conflict, of which a copy was under way".to_owned();
                Err(self.overwritten(&Failure::new(Kind::Lost, "", text)))
            }
            Err(error @ StoreError::Replaced(_)) => Err(error),
            Err(error) => {
                let failure = Failure::new(
                    Kind::Lost,
                    "",
                    format!("a conflict over {key}, of which a copy is under way"),
                );
                Err(self.unknown(lane, &failure, &error))
            }
        }
    }

    /// Goes on to the next member, if there is time.
    async fn give_way(&self, attempts: &mut Attempts, failure: Failure, until: Instant) -> Next {
        // Whichever member it was, certificates that were replaced meanwhile are the ones to go on with.
        self.members.renew_trust();
        match self.members.preferred() {
            Some(preferred) if preferred.url == failure.member => {
                self.members.failed(attempts, &preferred, failure, until).await
            }
            // Somebody, such as the settling, has gone on already.
            Some(_) | None if Instant::now() < until => Next::Again,
            Some(_) | None => Next::End(failure.into_error()),
        }
    }

    fn overwritten(&self, failure: &Failure) -> StoreError {
        StoreError::Unknown(format!(
            "etcd {}: {}; and another process writes under the name of this node, {:?}: stop one of them",
            failure.member, failure.text, self.members.options.writer
        ))
    }

    fn unknown(&self, lane: &mut Lane, failure: &Failure, error: &StoreError) -> StoreError {
        if !lane.told_unknown {
            lane.told_unknown = true;
            self.unknown.fetch_add(1, Ordering::AcqRel);
        }
        StoreError::Unknown(format!("etcd {}: {}; and then: {error}", failure.member, failure.text))
    }

    fn same_cluster(&self, meta: Number) -> Result<(), StoreError> {
        if meta == self.meta {
            return Ok(());
        }
        let what = if meta == 0 { "is gone" } else { "was made anew or adopted" };
        let text = format!(
            "etcd: the cluster {:?} {what}; stop this node's groups and open the database again",
            self.members.options.cluster
        );
        Err(self.broken(text))
    }

    /// Where a lane is that is not where it was left.
    fn moved(&self, left: Number, found: Number) -> Result<Option<Number>, StoreError> {
        match found {
            // Swept away by hand: it is made anew.
            0 => Ok(None),
            found if found > left => Ok(Some(found)),
            found => {
                let text = format!("etcd: a key that this node wrote at revision {left} is back at {found}");
                Err(self.broken(text))
            }
        }
    }

    async fn attempt(
        &self,
        lane: &[u8],
        prepared: &Prepared,
        at: Number,
        token: &str,
        until: Instant,
    ) -> Result<Reply<Done>, Failure> {
        let meta = self.keys.meta();
        let mut compare = vec![Compare::at(meta.clone(), self.meta), Compare::at(lane.to_vec(), at)];
        compare.extend(prepared.compare.iter().cloned());
        let mut success = prepared.success.clone();
        success.push(Request::Put(Put { key: lane.to_vec(), value: token.as_bytes().to_vec() }).into());
        let mut failure: Vec<Step> = vec![
            Request::Range(Range { keys_only: true, ..range_of(meta) }).into(),
            Request::Range(range_of(lane.to_vec())).into(),
        ];
        failure.extend(prepared.failure.iter().cloned());
        self.send(Txn { compare, success, failure }, until).await
    }

    /// Sends a transaction once, or with hedges several times; it must move its lane from a revision it is guarded by.
    async fn send(&self, txn: Txn, until: Instant) -> Result<Reply<Done>, Failure> {
        let reply = self.members.ask_for(TXN, txn, until).await.map_err(worst)?;
        self.members.refresh();
        Ok(reply)
    }

    /// The revision that moved a lane last. It is made if it is not there.
    async fn position(&self, lane: &mut Lane, until: Instant) -> Result<Number, StoreError> {
        let mut attempts = Attempts::default();
        loop {
            let (found, _): (Found, Header) =
                self.members.read(RANGE, range_of(lane.key.clone()), until).await?;
            let at = modified(Some(&found));
            if at != 0 {
                lane.at = Some(at);
                return Ok(at);
            }
            let txn = Txn {
                compare: vec![Compare::at(lane.key.clone(), 0)],
                success: vec![
                    Request::Put(Put { key: lane.key.clone(), value: self.token().into_bytes() }).into(),
                ],
                failure: Vec::new(),
            };
            // Whoever made it, and however this ended: it is read again.
            if let Err(failure) = self.send(txn, until).await
                && let Next::End(error) = self.give_way(&mut attempts, failure, until).await
            {
                return Err(error);
            }
        }
    }

    /// Finds out, and sees to it that it stays so, whether a transaction whose answer was lost happened.
    async fn settle(
        &self,
        lane: &mut Lane,
        pending: &Pending,
        until: Instant,
    ) -> Result<Settled, StoreError> {
        let mut attempts = Attempts::default();
        loop {
            let txn = Txn {
                compare: vec![Compare::at(lane.key.clone(), pending.at)],
                success: vec![
                    Request::Put(Put { key: lane.key.clone(), value: pending.fence.clone().into_bytes() })
                        .into(),
                ],
                failure: vec![Request::Range(range_of(lane.key.clone())).into()],
            };
            let failure = match self.send(txn, until).await {
                Ok(Reply { answer: done, header, .. }) if done.succeeded => {
                    self.settled(lane, Some(header.revision));
                    return Ok(Settled::NeverWill);
                }
                Ok(Reply { answer: done, .. }) => {
                    let found = done.answers.first().and_then(|answer| answer.found.as_ref());
                    return self.moved_by(lane, pending, found);
                }
                Err(failure) => failure,
            };
            match failure.kind {
                // It cannot be moved while the database is full, but it can be read.
                Kind::NoSpace => {
                    let (found, _): (Found, Header) =
                        self.members.read(RANGE, range_of(lane.key.clone()), until).await?;
                    if modified(Some(&found)) != pending.at {
                        return self.moved_by(lane, pending, Some(&found));
                    }
                    if pending.over {
                        self.settled(lane, Some(pending.at));
                        return Ok(Settled::NeverWill);
                    }
                    return Err(failure.into_error());
                }
                Kind::Behind => return Err(self.broken(format!("etcd {}: {}", failure.member, failure.text))),
                Kind::NotSent
                | Kind::Lost
                | Kind::Untrusted
                | Kind::Distrusted
                | Kind::Refused
                | Kind::LoginExpired
                | Kind::TooLarge
                | Kind::Compacted
                | Kind::Senseless
                | Kind::Foreign => {}
            }
            if let Next::End(error) = self.give_way(&mut attempts, failure, until).await {
                return Err(error);
            }
        }
    }

    fn settled(&self, lane: &mut Lane, at: Option<Number>) {
        lane.at = at;
        lane.pending = None;
        if std::mem::take(&mut lane.told_unknown) {
            self.unknown.fetch_sub(1, Ordering::AcqRel);
        }
    }

    fn moved_by(
        &self,
        lane: &mut Lane,
        pending: &Pending,
        found: Option<&Found>,
    ) -> Result<Settled, StoreError> {
        let at = self.moved(pending.at, modified(found))?;
        let value = found.and_then(|found| found.entries.first()).map(|entry| entry.value.as_slice());
        let settled = match (at, value) {
            (Some(at), Some(value)) if value == pending.token.as_bytes() => Settled::Happened(at),
            (Some(_), Some(value)) if value == pending.fence.as_bytes() => Settled::NeverWill,
            (Some(_) | None, Some(_) | None) => Settled::Overwritten,
        };
        self.settled(lane, at);
        Ok(settled)
    }
}
