//! The groups of a node in the simple world: a coordinator and an owner of a few lines, which let many seeds of the lease
//! machine run in little time. Half of the seeds have the production code instead: see [`crate::brain`].

use stead_lease::{Event, Mutant, Sid, Sight, Standing, State};

use crate::fault::MILLI;
use crate::node::{Live, Process};
use crate::store::Own;
use crate::world::{Ask, Happening, World};

impl World {
    pub(crate) fn drive(&mut self, node: usize) {
        self.nodes[node].dirty = false;
        if self.nodes[node].process != Process::Running {
            return;
        }
        if self.production {
            self.think(node);
            return;
        }
        if self.nodes[node].leaving {
            self.drive_leave(node);
            return;
        }
        for group in 0..self.started.len() {
            self.drive_group(node, group);
        }
    }

    pub(crate) fn drive_leave(&mut self, node: usize) {
        let early = self.mutants.has(Mutant::ActsWhileLeaving);
        for group in 0..self.started.len() {
            self.stop_group(node, group);
        }
        if self.nodes[node].nothing_lives() || early {
            match self.nodes[node].machine.state() {
                State::Leaving | State::Left => {}
                State::Stopped
                | State::Waiting
                | State::Beginning
                | State::Resuming
                | State::Active
                | State::Lapsed
                | State::Deposed
                | State::Refused => self.give(node, Event::Leave),
            }
        }
    }

    /// Ends a group by its plugin, which takes its time.
    pub(crate) fn stop_group(&mut self, node: usize, group: usize) {
        let takes = self.random.extreme(MILLI, 800 * MILLI);
        if let Some(live) = self.nodes[node].live[group].as_mut().filter(|live| !live.ending) {
            live.ending = true;
            let id = live.id;
            self.push(self.now + takes, Happening::Dead { node, group, id });
        }
    }

    /// One group: started, given up, or placed, as its document says.
    pub(crate) fn drive_group(&mut self, node: usize, group: usize) {
        let of = &self.nodes[node];
        if of.pending[group] != 0 || of.leaving || !of.machine.may_act(of.now(self.now)) {
            return;
        }
        let (revision, own) = of.view[group];
        if revision == 0 {
            return;
        }
        let Some(sid) = of.machine.sid() else { return };
        let mine = !own.released && own.node == of.name && own.sid == sid;
        let leaves = own.order.is_some_and(|to| to != of.name);
        let resuming = of.machine.state() != State::Active;
        match of.live[group] {
            Some(_) if mine && leaves => {
                self.stop_group(node, group);
                if self.mutants.has(Mutant::ReleaseBeforeGone) {
                    self.write_own(node, group, revision, Own { released: true, ..own });
                }
            }
            Some(_) => {}
            None if mine && resuming => {}
            None if mine && leaves => {
                self.write_own(node, group, revision, Own { released: true, ..own });
            }
            None if mine => {
                // What a process before this one has released meanwhile may still look assigned in an old list.
                let confirm = of.confirm[group] && !self.mutants.has(Mutant::StartUnconfirmed);
                if confirm {
                    self.write_own(node, group, revision, own);
                } else {
                    self.start_group(node, group, own.generation, sid);
                }
            }
            None => self.place(node, group),
        }
    }

    pub(crate) fn over(&self, node: usize, own: &Own, named_at: u64) -> bool {
        let of = &self.nodes[node];
        own.released
            || of.machine.is_over(&self.names[own.node], own.sid, named_at)
            || of.assumed_dead == Some((own.node, own.sid))
    }

    /// The coordinator: assigns a group that nobody has.
    pub(crate) fn place(&mut self, node: usize, group: usize) {
        let (revision, own) = self.nodes[node].view[group];
        if self.nodes[node].machine.state() != State::Active || !self.over(node, &own, revision) {
            return;
        }
        let of = &self.nodes[node];
        let now = of.now(self.now);
        let mut up: Vec<(usize, Sid)> = Vec::new();
        for (name, session) in of.machine.nodes() {
            let Some(&name) = self.numbers.get(name) else { continue };
            let mine = name == of.name;
            let fresh =
                of.machine.sight(&self.names[name], now).is_some_and(|sight| matches!(sight, Sight::Up));
            if session.state == Standing::Alive && (fresh || mine) {
                up.push((name, session.sid));
            }
        }
        let first = up.first().is_none_or(|(name, _)| *name == of.name);
        if up.is_empty() || !first && !self.contend {
            return;
        }
        let ordered = own.order.and_then(|to| up.iter().find(|(name, _)| *name == to));
        let spread = usize::try_from(own.generation).unwrap_or(0) + group;
        let (target, sid) = *ordered.unwrap_or(&up[spread % up.len()]);
        let next = Own { generation: own.generation + 1, node: target, sid, released: false, order: None };
        let here = target == of.name;
        self.write_own(node, group, revision, next);
        if here && self.mutants.has(Mutant::StartBeforeCommit) {
            self.start_group(node, group, next.generation, sid);
        }
    }

    pub(crate) fn write_own(&mut self, node: usize, group: usize, guard: u64, own: Own) {
        self.nodes[node].pending[group] = self.now + 1_500 * MILLI;
        let blind = self.mutants.has(Mutant::AssignBlind);
        self.send(node, Ask::Own { group, guard, own, blind });
    }

    /// The guard is armed before the first instruction of the group's work.
    pub(crate) fn start_group(&mut self, node: usize, group: usize, generation: u64, sid: Sid) {
        let of = &self.nodes[node];
        let armed = of.guard_sid == sid && of.now(self.now) < of.guard_deadline;
        if armed || self.mutants.has(Mutant::NoKernelTimer) {
            self.begin_work(node, group, generation, sid);
        }
    }

    /// The first process of a group lives on a machine.
    pub(crate) fn begin_work(&mut self, node: usize, group: usize, generation: u64, sid: Sid) {
        self.tally.starts += 1;
        self.ids += 1;
        let name = self.nodes[node].name;
        for other in 0..self.nodes.len() {
            let of = &self.nodes[other];
            if other != node && of.asleep.is_none() && of.live[group].is_some() {
                let what = format!("group {group} is started on node {node} and lives on node {other}");
                self.broken("I1", what);
            }
        }
        let current = self.nodes[node].knows == self.store.incarnation;
        if current && generation < self.started[group] {
            let newest = self.started[group];
            self.broken("I2", format!("group {group} is started as {generation} after {newest}"));
        }
        if !self.committed[group].contains(&(generation, name, sid)) {
            self.broken(
                "I3",
                format!("group {group} is started on node {node}, to which it was not assigned"),
            );
        }
        if current {
            self.started[group] = self.started[group].max(generation);
        }
        let id = self.ids;
        self.nodes[node].live[group] = Some(Live { sid, generation, id, ending: false });
    }
}
