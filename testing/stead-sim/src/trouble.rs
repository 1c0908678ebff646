//! Faults as they come and go, and what must have become of the cluster in the end.

use std::sync::Arc;
use std::time::Duration;

use stead_lease::{Mutant, Session, Sid, State};
use stead_types::Time;

use crate::clock::Clock;
use crate::fault::{Fault, Kind, MILLI, SECOND};
use crate::node::{Input, Process};
use crate::store::{Key, Own, Paper};
use crate::world::{Happening, RESTART, World};

impl World {
    pub(crate) fn begin(&mut self, index: usize) {
        let Fault { kind, at_node, lasts, value, .. } = self.faults[index];
        let name = at_node.min(self.names.len() - 1);
        let until = self.now + lasts;
        let of = &mut self.nodes[name];
        match kind {
            Kind::ProcessStopped => of.stopped_until = of.stopped_until.max(until),
            Kind::ProcessKilled => self.stop_process(name, Some(lasts)),
            Kind::GuardianKilled => {
                self.kill_all(name);
                of_kept_lost(self, name);
                let all_dead = u64::try_from(self.nodes[name].params.k.as_nanos()).unwrap_or(0);
                self.stop_process(name, Some(lasts.max(all_dead) + MILLI));
            }
            Kind::GuardianStopped => {
                of.guardian_stopped = of.guardian_stopped.max(until);
                self.push(until, Happening::End(index));
            }
            Kind::PowerCut => {
                self.power_off(name);
                self.push(until, Happening::PowerOn { node: name });
            }
            Kind::PowerLost => {
                of.lost = true;
                self.power_off(name);
            }
            Kind::Fenced => self.fence(name, until, value),
            Kind::Suspended => {
                if of.on && of.asleep.is_none() {
                    of.asleep = Some(self.now);
                    of.sleeps_until = until;
                    self.push(until, Happening::End(index));
                }
            }
            Kind::Partition => {
                of.requests_lost = of.requests_lost.max(until);
                of.answers_lost = of.answers_lost.max(until);
            }
            Kind::AnswersLost => of.answers_lost = of.answers_lost.max(until),
            Kind::RequestsLost => of.requests_lost = of.requests_lost.max(until),
            Kind::Slow => of.slow = (until, [300 * MILLI, SECOND, 8 * SECOND][(value % 3) as usize]),
            Kind::Duplicates => of.twice = until,
            Kind::WatchSilent => of.silent = of.silent.max(until),
            Kind::StaleReads => self.nodes.iter_mut().for_each(|node| node.stale_reads = until),
            Kind::StoreDown => self.down = (self.down.0.max(until), value),
            Kind::StoreRefuses => self.refuses = self.refuses.max(until),
            Kind::Restored => self.restore(value),
            Kind::SessionDeleted => {
                if self.store.now.sessions[name].value.is_some() {
                    self.store.put_session(name, None);
                    self.announce_session(name, usize::MAX);
                }
            }
            Kind::SessionEdited => self.edit(name),
            Kind::Cloned => self.clone_of(name, index, until, value),
            Kind::Left => {
                if of.process == Process::Running && !of.leaving {
                    of.leaving = true;
                    self.push(until, Happening::End(index));
                    self.drive(name);
                }
            }
            Kind::Move if self.production => self.operate(self.faults[index]),
            Kind::Move => self.order(value),
            Kind::Paused | Kind::Drained | Kind::Resumed | Kind::GroupOffline | Kind::GroupOnline => {
                self.operate(self.faults[index]);
            }
            Kind::ResourceFails => self.resource_fails(value),
            Kind::Sick => self.sickens(name, value, until),
        }
    }

    pub(crate) fn end(&mut self, index: usize) {
        let Fault { kind, at_node, .. } = self.faults[index];
        let name = at_node.min(self.names.len() - 1);
        match kind {
            Kind::GuardianStopped => {
                if self.nodes[name].guardian_stopped <= self.now
                    && let Some(kept) = self.nodes[name].late_arm.take()
                {
                    self.arm(name, kept);
                }
            }
            Kind::Suspended => self.wake_up(name),
            Kind::Cloned => self.power_off(self.names.len()),
            Kind::Left => {
                let of = &self.nodes[name];
                if of.on && of.process == Process::Down {
                    self.stop_process(name, Some(0));
                } else if of.leaving {
                    // It hangs. Who shut it down has no patience left, and its work is ended with it.
                    self.kill_all(name);
                    of_kept_lost(self, name);
                    self.stop_process(name, Some(RESTART + 4 * SECOND));
                }
            }
            Kind::ProcessStopped
            | Kind::ProcessKilled
            | Kind::GuardianKilled
            | Kind::PowerCut
            | Kind::PowerLost
            | Kind::Fenced
            | Kind::Partition
            | Kind::AnswersLost
            | Kind::RequestsLost
            | Kind::Slow
            | Kind::Duplicates
            | Kind::WatchSilent
            | Kind::StaleReads
            | Kind::StoreDown
            | Kind::StoreRefuses
            | Kind::Restored
            | Kind::SessionDeleted
            | Kind::SessionEdited
            | Kind::Move
            | Kind::Paused
            | Kind::Drained
            | Kind::Resumed
            | Kind::GroupOffline
            | Kind::GroupOnline
            | Kind::ResourceFails
            | Kind::Sick => {}
        }
    }

    pub(crate) fn power_on(&mut self, node: usize) {
        let shows = self.random.extreme(SECOND, 900 * SECOND);
        let rho = u64::from(self.nodes[node].params.rho_ppm);
        let rate = 1_000_000 - rho + self.random.extreme(0, 2 * rho);
        let real = self.now;
        let of = &mut self.nodes[node];
        if of.on || of.lost {
            return;
        }
        of.on = true;
        of.boot += 1;
        of.clock = Clock::new(real, shows, rate);
        of.start_at = real;
        of.process = Process::Down;
        self.push(real, Happening::StartProcess { node });
    }

    fn power_off(&mut self, node: usize) {
        self.stop_process(node, None);
        of_kept_lost(self, node);
        let of = &mut self.nodes[node];
        of.on = false;
        of.asleep = None;
        of.sleeps_until = 0;
        of.guardian_stopped = 0;
        of.fire_at = 0;
        of.guard_sid = Sid(0);
        of.guard_deadline = Time::ZERO;
        of.start_at = 0;
        of.live.iter_mut().for_each(|live| *live = None);
        of.hosts.iter_mut().for_each(std::collections::BTreeMap::clear);
        of.granted = (Sid(0), Time::ZERO);
    }

    fn fence(&mut self, name: usize, until: u64, value: u64) {
        // The agent is told which machine: where a copy has the session, its word is not about that one.
        let copy = self.nodes[self.names.len()].granted.0;
        let session = self.store.now.sessions[name].value.as_ref();
        let sid = session.map(|session| session.sid).filter(|sid| *sid != copy);
        self.power_off(name);
        if let Some(sid) = sid {
            self.tell_fenced(name, sid);
            let again = until + value % (10 * SECOND);
            // The agent's word comes once more, perhaps long after the machine is back.
            self.push(again, Happening::FencedAgain { name, sid });
        }
        self.push(until, Happening::PowerOn { node: name });
    }

    pub(crate) fn tell_fenced(&mut self, name: usize, sid: Sid) {
        for node in 0..self.nodes.len() {
            let epoch = self.nodes[node].epoch;
            if node != name && self.nodes[node].process == Process::Running {
                let incarnation = self.nodes[node].knows;
                let input = Input::Fenced(name, sid);
                self.push(self.now + MILLI, Happening::Deliver { node, epoch, incarnation, input });
            }
        }
    }

    /// The machine goes on after a sleep. Timers that are due end everything before the first instruction.
    fn wake_up(&mut self, node: usize) {
        let real = self.now;
        let stands = self.mutants.has(Mutant::TimerStopsInSleep);
        let of = &mut self.nodes[node];
        let Some(since) = of.asleep.take() else { return };
        if stands {
            of.guard_deadline = of.guard_deadline.after(Duration::from_nanos(real - since));
        }
        if of.now(real) >= of.guard_deadline && !self.mutants.has(Mutant::NoKernelTimer) {
            of.live.iter_mut().for_each(|live| *live = None);
            for group in 0..self.started.len() {
                self.hosts_dead(node, group);
            }
            self.tell_gone(node);
            return;
        }
        let at = of.clock.real(of.guard_deadline);
        of.fire_at = at;
        self.push(at, Happening::GuardFires { node });
        for group in 0..self.started.len() {
            let Some(live) = self.nodes[node].live[group] else { continue };
            let elsewhere = (0..self.nodes.len()).find(|other| {
                *other != node
                    && self.nodes[*other].asleep.is_none()
                    && self.nodes[*other].live[group].is_some()
            });
            if let Some(other) = elsewhere {
                self.broken("I1", format!("group {group} wakes up on node {node} and lives on node {other}"));
            }
            let name = self.nodes[node].name;
            let over = self.store.now.sessions[name].value.as_ref().is_some_and(|session| {
                session.sid == live.sid && session.state != stead_lease::Standing::Alive
            });
            if over {
                self.broken("I4", format!("work of an ended session wakes up on node {node}"));
            }
        }
    }

    /// The store becomes what it was some time ago, under a new incarnation.
    fn restore(&mut self, value: u64) {
        let count = self.store.past.len();
        if count == 0 {
            return;
        }
        let back = usize::try_from(value).unwrap_or(0) % count.min(40);
        let then = self.store.past[count - 1 - back].clone();
        self.store.now = then;
        self.store.incarnation += 1;
        self.store.past.clear();
        for (group, started) in self.started.iter_mut().enumerate() {
            // Generations begin anew with the incarnation.
            *started = self.store.now.own[group].value.generation;
            if self.production {
                let own = self.store.now.papers.get(&Key::Own(group)).map(|document| &*document.value);
                let Some(Paper::Own(document)) = own else { continue };
                *started = document.generation;
                self.failovers[group].clear();
            }
        }
        for node in &mut self.nodes {
            node.stale = true;
            node.missed = 0;
        }
    }

    fn edit(&mut self, name: usize) {
        if let Some(session) = self.store.now.sessions[name].value.clone() {
            let mut edited = Session::clone(&session);
            edited.params.d = Duration::from_millis(500);
            edited.params.k = Duration::from_millis(100);
            self.store.put_session(name, Some(Arc::new(edited)));
            self.announce_session(name, usize::MAX);
        }
    }

    /// A copy of a machine, as far as it can be told from what it says.
    fn clone_of(&mut self, name: usize, index: usize, until: u64, value: u64) {
        let node = self.names.len();
        if self.nodes[node].on {
            return;
        }
        let original = (self.nodes[name].machine_id, self.nodes[name].dmi, self.nodes[name].boot);
        let whole = value.is_multiple_of(3);
        let (knows, doubted) = (self.nodes[name].knows, self.nodes[name].doubted);
        let (knows, doubted) = if whole { (knows, doubted) } else { (0, false) };
        let trusting = self.trust_reboot;
        let of = &mut self.nodes[node];
        of.name = name;
        of.machine_id = original.0;
        // Where reboots are trusted, machines can be told apart.
        of.dmi = if trusting { 1_000 + value % 7 } else { original.1 };
        of.boot = if value.is_multiple_of(2) && !trusting { original.2 - original.2.min(1) } else { 1_000 };
        of.knows = knows;
        of.doubted = doubted;
        self.power_on(node);
        self.push(until, Happening::End(index));
    }

    fn order(&mut self, value: u64) {
        let group = usize::try_from(value).unwrap_or(0) % self.started.len();
        let to = usize::try_from(value >> 32).unwrap_or(0) % self.names.len();
        let own = self.store.now.own[group].value;
        if !own.released && own.node != to {
            self.store.put_own(group, Own { order: Some(to), ..own });
            self.announce_own(group, usize::MAX);
        }
    }

    /// A machine is lost for good, and this session of it is not in the database: it was deleted by hand, or is younger
    /// than the backup that was restored. Absence proves nothing, also where a machine of the same name has come and gone
    /// since, so what it had stays its own.
    pub(crate) fn nobody_knows(&self, name: usize, sid: Sid) -> bool {
        let found = self.store.now.sessions[name].value.as_ref();
        self.nodes[name].lost && found.is_none_or(|session| session.sid != sid)
    }

    /// When all faults are over for long enough, everything is where it can be.
    pub(crate) fn finish(&mut self) {
        for node in 0..self.names.len() {
            let of = &self.nodes[node];
            if of.lost {
                continue;
            }
            let state = of.machine.state();
            if of.process != Process::Running || state != State::Active {
                let process = of.process;
                self.broken("I12", format!("node {node} is {state:?} in the end, its process {process:?}"));
                return;
            }
        }
        if self.production {
            return self.finish_groups();
        }
        for group in 0..self.started.len() {
            let lives = self.nodes.iter().filter(|node| node.live[group].is_some()).count();
            let own = self.store.now.own[group].value;
            if lives != 1 && !self.nobody_knows(own.node, own.sid) {
                self.broken("I12", format!("group {group} lives on {lives} nodes in the end: {own:?}"));
                return;
            }
        }
    }
}

/// The guardian forgets what it kept: it is gone itself.
fn of_kept_lost(world: &mut World, node: usize) {
    let of = &mut world.nodes[node];
    of.kept = None;
    of.late_arm = None;
}
