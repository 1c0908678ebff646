//! The other nodes' sessions: what was seen when, and who is taken over.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stead_types::{NodeName, Time};

use crate::event::{Action, Answer, Found, Guard, Note, RequestId};
use crate::machine::{Machine, State};
use crate::mutant::Mutant;
use crate::session::{Session, Sid, Standing};

/// One node's document, as it was seen.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) revision: u64,
    pub(crate) found: Found,
    /// The last session that could be read.
    pub(crate) last: Option<Arc<Session>>,
    /// When this node first saw what is there now.
    pub(crate) first_seen: Time,
    /// When this node first saw this session, or that it is over.
    pub(crate) sid_since: Time,
    /// How often it was seen to be renewed.
    pub(crate) renewals: u32,
    /// The longest wait this session has asked for: somebody may write other timings into it.
    pub(crate) wait: Duration,
    /// The session a fence agent has ended.
    pub(crate) fenced: Option<Sid>,
}

impl Observed {
    pub(crate) fn sid(&self) -> Option<Sid> {
        self.last.as_ref().map(|session| session.sid)
    }
}

/// A takeover under way: the mark being written, or a look at what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Takeover {
    pub(crate) request: RequestId,
    pub(crate) node: NodeName,
    pub(crate) asked: Time,
    pub(crate) mark: Option<Arc<Session>>,
    /// The session was alive still when it was decided on.
    pub(crate) ends: bool,
}

/// How another node looks from here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sight {
    /// It renews its session.
    Up,
    /// It has not renewed its session for this long; it will be taken over when the wait is over.
    NotSeen(Duration),
    /// It left.
    Left,
    /// It lost its session, and everything it ran is gone.
    Down,
    /// Somebody deleted its document. Nothing follows from that but that its wait has begun.
    Deleted,
    /// Its document is no session, for this reason: nobody takes it over before it is deleted.
    Unreadable(String),
}

impl std::fmt::Display for Sight {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Sight::Up => f.write_str("up"),
            Sight::NotSeen(since) => write!(f, "not seen for {} s", since.as_secs()),
            Sight::Left => f.write_str("left"),
            Sight::Down => f.write_str("down"),
            Sight::Deleted => f.write_str("its session was deleted"),
            Sight::Unreadable(why) => write!(f, "its session cannot be read: {why}"),
        }
    }
}

impl Machine {
    /// Every node with a session document, and what can be said of it.
    pub fn nodes(&self) -> impl Iterator<Item = (&NodeName, &Session)> {
        self.observed
            .iter()
            .filter_map(|(node, observed)| observed.last.as_ref().map(|last| (node, last.as_ref())))
    }

    /// How a node looks from here, for people. Nothing may be decided by it.
    #[must_use]
    pub fn sight(&self, node: &NodeName, now: Time) -> Option<Sight> {
        let observed = self.observed.get(node)?;
        Some(match &observed.found {
            Found::Nothing { .. } => Sight::Deleted,
            Found::Unreadable { why, .. } => Sight::Unreadable(why.clone()),
            Found::Document { session, .. } => match session.state {
                Standing::Left => Sight::Left,
                Standing::Dead => Sight::Down,
                Standing::Alive => {
                    let since = now.since(observed.first_seen);
                    if since < session.params.h.saturating_mul(2) { Sight::Up } else { Sight::NotSeen(since) }
                }
            },
        })
    }

    /// Since when a node's session document has been as it is now, as seen from here.
    #[must_use]
    pub fn unchanged_since(&self, node: &NodeName) -> Option<Time> {
        self.observed.get(node).map(|observed| observed.first_seen)
    }

    /// When a node's session is marked dead if nothing more is heard of it; none if it is over, or nothing ends it.
    #[must_use]
    pub fn over_at(&self, node: &NodeName) -> Option<Time> {
        let observed = self.observed.get(node)?;
        self.takeover_at(observed).map(|(at, _)| at)
    }

    /// Whether everything that was started under this session of this node is gone for certain, so that what it owns may
    /// be assigned to another. The write that assigns it must be guarded by the ownership document.
    ///
    /// `named_at` is the revision of the ownership document that names the session. Without it a session that is too new
    /// to have been seen here would look like one that another has replaced.
    #[must_use]
    pub fn is_over(&self, node: &NodeName, sid: Sid, named_at: u64) -> bool {
        if !self.listed || self.now < self.quarantine {
            return false;
        }
        let Some(observed) = self.observed.get(node) else { return false };
        if self.mutants.has(Mutant::SuspicionFrees)
            && self.sight(node, self.now).is_some_and(|sight| matches!(sight, Sight::NotSeen(_)))
            || self.mutants.has(Mutant::AbsenceFrees) && matches!(observed.found, Found::Nothing { .. })
        {
            return true;
        }
        match &observed.found {
            // Absence is a hint. The mark that another node sets there after the wait is a fact.
            Found::Nothing { .. } | Found::Unreadable { .. } => false,
            Found::Document { session, .. } => {
                if session.sid == sid {
                    return match session.state {
                        Standing::Alive => false,
                        Standing::Dead | Standing::Left => true,
                    };
                }
                // A session takes the place of one that is over; but somebody may have deleted that one by hand.
                let long_ago = self.now >= observed.sid_since.after(self.longest);
                let later = observed.revision > named_at || self.mutants.has(Mutant::UnseenIsReplaced);
                session.replaces == Some(sid)
                    || later && (long_ago || self.mutants.has(Mutant::ReplacedUnasked))
            }
        }
    }

    pub(crate) fn list(&mut self, as_of: u64, sessions: Vec<(NodeName, Found)>) {
        let named: BTreeSet<&NodeName> = sessions.iter().map(|(node, _)| node).collect();
        let missing: Vec<NodeName> =
            self.observed.keys().filter(|node| !named.contains(node)).cloned().collect();
        for node in missing {
            self.seen(&node, Found::Nothing { as_of });
        }
        let (mut foreign, mut ours) = (false, false);
        for (_, found) in &sessions {
            if let Found::Document { session, .. } = found {
                let same = session.incarnation == self.own.incarnation;
                (foreign, ours) = (foreign || !same, ours || same);
            }
        }
        for (node, found) in sessions {
            self.seen(&node, found);
        }
        let first = !self.listed;
        self.listed = true;
        // A node without memory finds no session of this incarnation, though there was one before: nobody has waited yet.
        if first
            && (foreign || self.own.knows_nothing)
            && !ours
            && !self.mutants.has(Mutant::IncarnationIgnored)
        {
            self.isolate();
            match self.own.state {
                State::Resuming => self.depose(crate::event::Why::Replaced),
                State::Stopped
                | State::Waiting
                | State::Beginning
                | State::Active
                | State::Lapsed
                | State::Leaving
                | State::Left
                | State::Deposed
                | State::Refused => {}
            }
        }
    }

    pub(crate) fn seen(&mut self, node: &NodeName, found: Found) {
        if *node == self.node {
            match self.own.state {
                State::Beginning | State::Active | State::Lapsed | State::Leaving => {
                    self.own_found(&found);
                }
                // A session that is looked at is looked at by reading.
                State::Resuming
                | State::Stopped
                | State::Waiting
                | State::Left
                | State::Deposed
                | State::Refused => {}
            }
        }
        let alive = match &found {
            Found::Document { session, .. } if session.state == Standing::Alive => Some(Arc::clone(session)),
            Found::Document { .. } | Found::Nothing { .. } | Found::Unreadable { .. } => None,
        };
        self.observe(node, found);
        if let Some(session) = alive.filter(|_| *node == self.node && self.own.state == State::Waiting) {
            self.in_use(&session);
        }
    }

    pub(crate) fn observe(&mut self, node: &NodeName, found: Found) {
        let (revision, session) = match &found {
            Found::Nothing { as_of } => (*as_of, None),
            Found::Unreadable { revision, .. } => (*revision, None),
            Found::Document { revision, session } => (*revision, Some(Arc::clone(session))),
        };
        let wait = session.as_ref().map(|session| self.wait_for(&session.params));
        self.longest = self.longest.max(wait.unwrap_or(Duration::ZERO));
        let now = self.now;
        let Some(observed) = self.observed.get_mut(node) else {
            if let Found::Nothing { .. } = found {
                return;
            }
            let wait = wait.unwrap_or(Duration::ZERO);
            let seen = Observed {
                revision,
                found,
                last: session,
                first_seen: now,
                sid_since: now,
                renewals: 0,
                wait,
                fenced: None,
            };
            self.observed.insert(node.clone(), seen);
            return;
        };
        if revision <= observed.revision && !self.mutants.has(Mutant::OldNewsBelieved) {
            return;
        }
        if let (Found::Nothing { .. }, Found::Nothing { .. }) = (&observed.found, &found) {
            return;
        }
        let same = session.as_ref().is_some_and(|session| observed.sid() == Some(session.sid));
        if !same && session.is_some() {
            observed.sid_since = now;
            observed.wait = Duration::ZERO;
            observed.fenced = None;
            observed.renewals = 0;
        }
        if same {
            observed.renewals = observed.renewals.saturating_add(1);
            // Somebody may mark a session that he knew, where the document of a later one was deleted by hand: for all
            // that is known here, that one has been there until now.
            let alive = |of: &Option<Arc<Session>>| of.as_ref().is_some_and(|of| of.state == Standing::Alive);
            if alive(&observed.last) && !alive(&session) {
                observed.sid_since = now;
            }
        }
        observed.wait = observed.wait.max(wait.unwrap_or(Duration::ZERO));
        observed.revision = revision;
        observed.found = found;
        if !(same && self.mutants.has(Mutant::WaitNotRestarted)) {
            observed.first_seen = now;
        }
        if session.is_some() {
            observed.last = session;
        }
    }

    pub(crate) fn fenced(&mut self, node: &NodeName, sid: Sid) {
        if let Some(observed) = self.observed.get_mut(node) {
            let present = observed.sid();
            if present == Some(sid) {
                observed.fenced = Some(sid);
            } else if self.mutants.has(Mutant::FencedAnySession) {
                observed.fenced = present;
            }
        }
    }

    /// When the wait for a node is over, and with which guard its session is marked then.
    fn takeover_at(&self, observed: &Observed) -> Option<(Time, Guard)> {
        let session = observed.last.as_ref()?;
        let fenced = observed.fenced == Some(session.sid);
        match session.state {
            Standing::Alive => {}
            // What was waited out is confirmed now.
            Standing::Dead if fenced && !session.confirmed => {}
            Standing::Dead | Standing::Left => return None,
        }
        let guard = match &observed.found {
            Found::Document { revision, .. } => Guard::At(*revision),
            Found::Nothing { .. } => Guard::Absent,
            Found::Unreadable { .. } => return None,
        };
        let at = if fenced { Time::ZERO } else { observed.first_seen.after(observed.wait) };
        Some((at.max(self.quarantine).max(self.not_before), guard))
    }

    fn others(&self) -> impl Iterator<Item = (&NodeName, Time, Guard)> {
        self.observed.iter().filter(|(node, _)| **node != self.node).filter_map(|(node, observed)| {
            let (at, guard) = self.takeover_at(observed)?;
            Some((node, at, guard))
        })
    }

    fn contends(&self) -> bool {
        self.listed && self.own.state == State::Active && !self.mutants.has(Mutant::TakeoverNever)
    }

    pub(crate) fn takeover_timeout(&self) -> Option<Time> {
        if !self.contends() {
            return None;
        }
        match &self.takeover {
            Some(takeover) => Some(takeover.asked.after(self.own.params.h)),
            None => self.others().map(|(_, at, _)| at).min(),
        }
    }

    /// Marks a session dead whose wait is over: one at a time.
    pub(crate) fn take_over(&mut self) {
        if !self.contends() {
            return;
        }
        let patience = self.own.params.h;
        if let Some(overdue) = self.takeover.take_if(|takeover| takeover.asked.after(patience) <= self.now) {
            self.look_again(overdue.node);
        }
        if self.takeover.is_some() {
            return;
        }
        let due = self.others().find(|(_, at, _)| *at <= self.now);
        let Some((node, guard)) = due.map(|(node, _, guard)| (node.clone(), guard)) else { return };
        let Some(session) = self.observed.get(&node).and_then(|observed| observed.last.clone()) else {
            return;
        };
        let ends = session.state == Standing::Alive;
        let mut dead = Session::clone(&session);
        dead.state = Standing::Dead;
        dead.confirmed |=
            self.observed.get(&node).is_some_and(|observed| observed.fenced == Some(session.sid));
        dead.incarnation.clone_from(&self.own.incarnation);
        let request = self.request();
        let dead = Arc::new(dead);
        self.takeover = Some(Takeover {
            request,
            node: node.clone(),
            asked: self.now,
            mark: Some(Arc::clone(&dead)),
            ends,
        });
        self.push(Action::Commit { request, node, guard, session: dead });
    }

    fn look_again(&mut self, node: NodeName) {
        self.not_before = self.now.after(self.retry());
        let request = self.request();
        self.takeover =
            Some(Takeover { request, node: node.clone(), asked: self.now, mark: None, ends: false });
        self.push(Action::Read { request, node });
    }

    pub(crate) fn takeover_answered(&mut self, answer: Answer) {
        let Some(Takeover { node, mark, ends, .. }) = self.takeover.take() else { return };
        match answer {
            Answer::Committed(revision) => {
                if let Some(session) = mark {
                    if ends {
                        self.push(Action::Tell(Note::TookOver(node.clone(), session.sid)));
                    }
                    self.observe(&node, Found::Document { revision, session });
                }
            }
            Answer::Conflict | Answer::Unknown => {
                if self.contends() {
                    self.look_again(node);
                }
            }
            Answer::Failed => self.not_before = self.now.after(self.retry()),
            Answer::Read(found) => self.seen(&node, found),
        }
    }
}
