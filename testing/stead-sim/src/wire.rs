//! The way to the store and back, and what the store does.

use std::sync::Arc;

use stead_lease::{Answer, Mutant, Session, Standing};
use stead_policy::cluster::Unwritten;
use stead_types::Time;

use crate::fault::{MILLI, SECOND};
use crate::node::{Input, Process};
use crate::store::{Own, Snapshot};
use crate::world::{Ask, Happening, MOST_A_SECOND, Request, World};

impl World {
    pub(crate) fn latency(&mut self, node: usize) -> u64 {
        let base = self.latency;
        let slow = self.nodes[node].slow;
        let more = if slow.0 > self.now { self.random.extreme(0, slow.1) } else { 0 };
        1 + self.random.extreme(0, base) + more
    }

    pub(crate) fn send(&mut self, node: usize, ask: Ask) {
        let (second, sent) = self.nodes[node].sent;
        let sent = if second == self.now / SECOND { sent + 1 } else { 1 };
        self.nodes[node].sent = (self.now / SECOND, sent);
        if sent == MOST_A_SECOND {
            let what = format!("node {node} sends {sent} requests within a second, the last is {ask:?}");
            self.broken("I12", what);
        }
        if self.nodes[node].requests_lost > self.now {
            return;
        }
        let of = &self.nodes[node];
        let request = Request { from: node, epoch: of.epoch, incarnation: of.knows, answered: true, ask };
        if of.twice > self.now && self.random.once_in(2) {
            let again = Request { answered: false, ..request.clone() };
            let late = self.random.extreme(MILLI, 20 * SECOND);
            self.push(self.now + late, Happening::Arrive(again));
        }
        let at = self.now + self.latency(node);
        self.push(at, Happening::Arrive(request));
    }

    pub(crate) fn answer(&mut self, request: &Request, input: Input) {
        let node = request.from;
        if !request.answered || self.nodes[node].answers_lost > self.now {
            // Its own watch tells it what has become of that.
            return self.misses(node);
        }
        let at = self.now + self.latency(node);
        let incarnation = self.store.incarnation;
        self.push(at, Happening::Deliver { node, epoch: request.epoch, incarnation, input });
    }

    pub(crate) fn arrive(&mut self, request: Request) {
        if self.down.0 > self.now {
            if self.down.1.is_multiple_of(2) || self.calm {
                let late = self.random.extreme(0, 10 * MILLI);
                self.push(self.down.0 + late, Happening::Arrive(request));
            }
            return;
        }
        if self.refuses > self.now {
            match &request.ask {
                Ask::Session { request: id, .. } | Ask::Read { request: id, .. } => {
                    let unsure = self.random.once_in(2);
                    let answer = if unsure { Answer::Unknown } else { Answer::Failed };
                    self.answer(&request, Input::Answer(*id, answer));
                }
                Ask::Own { group, .. } => self.answer(&request, Input::OwnWritten(*group, None)),
                Ask::Papers { token, .. } => {
                    self.answer(&request, Input::Wrote(*token, Err(Unwritten::Failed)));
                }
                Ask::List | Ask::Settle { .. } => {}
            }
            return;
        }
        let known = request.incarnation == self.store.incarnation;
        let first = request.incarnation == 0 || matches!(request.ask, Ask::List);
        if !known && !first && !self.mutants.has(Mutant::IncarnationIgnored) {
            self.answer(&request, Input::Replaced);
            return;
        }
        if !known && !first {
            self.answer(&request, Input::Replaced);
        }
        match &request.ask {
            Ask::Session { .. } => self.put_session(&request),
            Ask::Read { request: id, name } => {
                let snapshot = self.old(request.from);
                let found = snapshot.map_or_else(|| self.store.now.found(*name), |old| old.found(*name));
                self.answer(&request, Input::Answer(*id, Answer::Read(found)));
            }
            Ask::Own { .. } => self.put_own(&request),
            Ask::Papers { .. } => self.put_papers(&request),
            Ask::Settle { token } => self.settle_write(&request, *token),
            Ask::List => {
                let node = request.from;
                let opened = self.nodes[node].process == Process::Running;
                let foreign = opened && self.nodes[node].knows != self.store.incarnation;
                if foreign {
                    self.answer(&request, Input::Replaced);
                    return;
                }
                let snapshot = self.old(node).unwrap_or_else(|| self.store.now.clone());
                self.answer(&request, Input::Listed(Arc::new(snapshot)));
            }
        }
    }

    /// What a read of this node shows instead of what there is.
    pub(crate) fn old(&mut self, node: usize) -> Option<Snapshot> {
        if self.nodes[node].stale_reads <= self.now || self.store.past.is_empty() || self.random.once_in(3) {
            return None;
        }
        let back = 1 + self.random.below(self.store.past.len().min(12));
        Some(self.store.past[self.store.past.len() - back].clone())
    }

    pub(crate) fn put_session(&mut self, request: &Request) {
        let Ask::Session { request: id, name, guard, session, blind, sent } = &request.ask else { return };
        let (id, name) = (*id, *name);
        let answer = if *blind || self.store.holds(name, *guard) {
            self.ended(name, Some(session));
            let own = self.nodes[request.from].name == name && session.state == Standing::Alive;
            if own {
                let of = &mut self.nodes[request.from];
                let until = sent.after(of.params.d);
                let earlier = if of.granted.0 == session.sid { of.granted.1 } else { Time::ZERO };
                of.granted = (session.sid, until.max(earlier));
            }
            let revision = self.store.put_session(name, Some(Arc::clone(session)));
            self.announce_session(name, request.from);
            Answer::Committed(revision)
        } else {
            Answer::Conflict
        };
        self.answer(request, Input::Answer(id, answer));
    }

    /// A session that is said to be over: its work is gone.
    pub(crate) fn ended(&mut self, name: usize, next: Option<&Arc<Session>>) {
        let Some(before) = self.store.now.sessions[name].value.as_ref() else { return };
        let over = next.is_some_and(|next| next.sid != before.sid || next.state != Standing::Alive);
        let sid = before.sid;
        if !over {
            return;
        }
        for node in 0..self.nodes.len() {
            let of = &self.nodes[node];
            if of.asleep.is_none() && of.live.iter().flatten().any(|live| live.sid == sid) {
                let what =
                    format!("the session of n{name} is said to be over, its work lives on node {node}");
                self.broken("I4", what);
            }
        }
    }

    pub(crate) fn announce_session(&mut self, name: usize, author: usize) {
        let found = self.store.now.found(name);
        for node in 0..self.nodes.len() {
            if node != author {
                self.announce(node, Input::Session(name, found.clone()));
            }
        }
    }

    /// A node is not told of something now. Its watch goes on where it was, which is a list here.
    pub(crate) fn misses(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        of.stale = true;
        of.missed = self.store.now.revision;
    }

    pub(crate) fn announce(&mut self, node: usize, input: Input) {
        let of = &self.nodes[node];
        match of.process {
            Process::Down => return,
            // Its watch begins with the list that is under way.
            Process::Opening => return self.misses(node),
            Process::Running => {}
        }
        let cut = of.answers_lost > self.now || of.silent > self.now || self.down.0 > self.now;
        if cut || of.knows != self.store.incarnation {
            return self.misses(node);
        }
        let epoch = of.epoch;
        let incarnation = self.store.incarnation;
        let at = self.now + self.latency(node);
        self.push(at, Happening::Deliver { node, epoch, incarnation, input });
    }

    pub(crate) fn put_own(&mut self, request: &Request) {
        let Ask::Own { group, guard, own, blind } = request.ask else { return };
        let outcome = if blind || self.store.now.own[group].revision == guard {
            let before = self.store.now.own[group].value;
            if own.released && !before.released {
                self.released(group, &before);
            }
            if own.generation < before.generation
                || own.generation == before.generation && own.node != before.node
            {
                self.broken("I2", format!("group {group} goes from {before:?} to {own:?}"));
            }
            if !own.released {
                self.committed[group].insert((own.generation, own.node, own.sid));
            }
            let revision = self.store.put_own(group, own);
            self.announce_own(group, request.from);
            Some((revision, own))
        } else {
            None
        };
        self.answer(request, Input::OwnWritten(group, outcome));
    }

    pub(crate) fn released(&mut self, group: usize, before: &Own) {
        for node in 0..self.nodes.len() {
            let lives = self.nodes[node].live[group]
                .is_some_and(|live| live.sid == before.sid && live.generation == before.generation);
            if lives && self.nodes[node].asleep.is_none() {
                self.broken("I4", format!("group {group} is released and lives on node {node}"));
            }
        }
    }

    pub(crate) fn announce_own(&mut self, group: usize, author: usize) {
        let (revision, own) = (self.store.now.own[group].revision, self.store.now.own[group].value);
        for node in 0..self.nodes.len() {
            if node != author {
                self.announce(node, Input::Own(group, revision, own));
            }
        }
    }
}
