//! The guardian of a machine and the kernel's timers: they kill at the deadline whatever the node process does.

use stead_lease::{Kept, Mutant, accepts_as};

use crate::fault::MILLI;
use crate::node::{Input, Process};
use crate::world::{Happening, World};

impl World {
    pub(crate) fn arm(&mut self, node: usize, kept: Kept) {
        let real = self.now;
        let mutants = self.mutants;
        let of = &mut self.nodes[node];
        let now = of.now(real);
        let guarded = if of.nothing_lives() { kept.sid } else { of.guard_sid };
        if !accepts_as(mutants, guarded, of.params.d, kept.sid, kept.deadline, now) {
            return;
        }
        let mut deadline = kept.deadline;
        if mutants.has(Mutant::TimerFromReceipt) {
            deadline = now.after(of.params.d);
        }
        if of.guard_sid == kept.sid {
            deadline = deadline.max(of.guard_deadline);
        }
        of.guard_sid = kept.sid;
        of.guard_deadline = deadline;
        of.kept = Some(Kept { deadline, ..kept });
        let granted = of.granted;
        if granted.0 == kept.sid && deadline > granted.1 {
            let what = format!("node {node} may act until {deadline:?}, its renewals grant {:?}", granted.1);
            self.broken("I6", what);
        }
        let at = self.nodes[node].clock.real(deadline);
        if self.nodes[node].fire_at <= self.now || self.nodes[node].fire_at > at {
            self.nodes[node].fire_at = at;
            self.push(at, Happening::GuardFires { node });
        }
    }

    pub(crate) fn guard_fires(&mut self, node: usize) {
        let of = &self.nodes[node];
        if of.fire_at != self.now || !of.on || of.asleep.is_some() || self.mutants.has(Mutant::NoKernelTimer)
        {
            return;
        }
        if of.now(self.now) < of.guard_deadline {
            let at = of.clock.real(of.guard_deadline);
            self.nodes[node].fire_at = at;
            self.push(at, Happening::GuardFires { node });
        } else {
            self.kill_all(node);
        }
    }

    /// Kills everything; the last of it is gone within K.
    pub(crate) fn kill_all(&mut self, node: usize) {
        let k = u64::try_from(self.nodes[node].params.k.as_nanos()).unwrap_or(0);
        for group in 0..self.started.len() {
            if let Some(live) = self.nodes[node].live[group].as_mut() {
                live.ending = true;
                let id = live.id;
                let takes = self.random.extreme(MILLI, k);
                self.push(self.now + takes, Happening::Dead { node, group, id });
            }
        }
    }

    pub(crate) fn dead(&mut self, node: usize, group: usize, id: u64) {
        if self.nodes[node].live[group].is_none_or(|live| live.id != id) {
            return;
        }
        self.nodes[node].live[group] = None;
        self.hosts_dead(node, group);
        let of = &self.nodes[node];
        let k = u64::try_from(of.params.k.as_nanos()).unwrap_or(0);
        let latest = of.clock.real(of.guard_deadline) + k;
        if self.now > latest && of.asleep.is_none() && of.sleeps_until < latest {
            self.broken("I5", format!("work of group {group} on node {node} outlived its deadline and K"));
        }
        self.tell_gone(node);
        if self.nodes[node].process == Process::Running && self.held(node).is_none() {
            self.drive(node);
        }
    }

    pub(crate) fn tell_gone(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        if of.owes_gone && of.nothing_lives() {
            of.owes_gone = false;
            let epoch = of.epoch;
            let at = self.now.max(of.guardian_stopped) + 10_000;
            let incarnation = self.store.incarnation;
            self.push(at, Happening::Deliver { node, epoch, incarnation, input: Input::AllGone });
        }
    }
}
