//! The node process: it drives the production lease machine.

use stead_lease::{Action, Event, Guard, Identity, Machine, Mutant, Mutants, Note, Start};
use stead_types::Time;

use crate::fault::SECOND;
use crate::node::{Input, Process};
use crate::steps::Occurrence;
use crate::store::{Own, Snapshot};
use crate::world::{Ask, Happening, RESTART, World};

impl World {
    /// When a process that is stopped, or whose machine sleeps, goes on.
    pub(crate) fn held(&self, node: usize) -> Option<u64> {
        let of = &self.nodes[node];
        let until = of.stopped_until.max(of.sleeps_until);
        (until > self.now).then_some(until)
    }

    pub(crate) fn wake(&mut self, node: usize) {
        if self.nodes[node].wake_at != self.now || self.nodes[node].process != Process::Running {
            return;
        }
        if let Some(until) = self.held(node) {
            self.nodes[node].wake_at = until;
            self.push(until, Happening::Wake { node });
            return;
        }
        self.nodes[node].wake_at = 0;
        self.nodes[node].woke = self.now;
        let random = self.random.wide();
        self.give(node, Event::Timer { random });
    }

    pub(crate) fn tick(&mut self, node: usize, epoch: u64) {
        if self.nodes[node].epoch != epoch || !self.nodes[node].on {
            return;
        }
        self.push(self.now + SECOND, Happening::Tick { node, epoch });
        if self.held(node).is_some() {
            return;
        }
        let now = self.now;
        let of = &mut self.nodes[node];
        match of.process {
            Process::Down => {}
            Process::Opening => self.send(node, Ask::List),
            Process::Running => {
                for pending in &mut of.pending {
                    if *pending != 0 && *pending <= now {
                        // What became of that write is not known.
                        *pending = 0;
                        of.stale = true;
                    }
                }
                of.dirty = true;
                if let Some(brain) = &mut of.brain {
                    brain.heard = true;
                }
                if self.production {
                    self.overdue(node);
                }
                if self.nodes[node].stale {
                    self.send(node, Ask::List);
                }
                self.drive(node);
            }
        }
    }

    pub(crate) fn start_process(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        if !of.on || of.process != Process::Down || of.start_at != self.now {
            return;
        }
        of.process = Process::Opening;
        of.epoch += 1;
        let epoch = of.epoch;
        self.push(self.now, Happening::Tick { node, epoch });
    }

    /// The node process ends; if `again` it is started after that time.
    pub(crate) fn stop_process(&mut self, node: usize, again: Option<u64>) {
        let at = self.now + again.unwrap_or(0);
        let of = &mut self.nodes[node];
        of.process = Process::Down;
        of.epoch += 1;
        of.owes_gone = false;
        of.leaving = false;
        of.brain = None;
        of.stopped_until = 0;
        of.wake_at = 0;
        if again.is_some() {
            of.start_at = at;
            self.push(at, Happening::StartProcess { node });
        }
    }

    pub(crate) fn opened(&mut self, node: usize, snapshot: &Snapshot, incarnation: u64) {
        let real = self.now;
        let trust_reboot = self.trust_reboot;
        let name = self.names[self.nodes[node].name].clone();
        let of = &mut self.nodes[node];
        let new = of.doubted || of.knows != 0 && of.knows != incarnation;
        let unknown = of.knows == 0 && incarnation > 1;
        of.knows = incarnation;
        of.doubted = (new || unknown) && !self.mutants.has(Mutant::DoubtForgotten);
        of.process = Process::Running;
        of.machine = Machine::new(name);
        of.machine.mutate(self.mutants, self.wait);
        of.view.iter_mut().for_each(|view| *view = (0, view.1));
        of.pending.iter_mut().for_each(|pending| *pending = 0);
        of.confirm.fill(of.kept.is_some());
        of.assumed_dead = None;
        of.stale = of.stale_reads > real || snapshot.revision < of.missed;
        let start = Start {
            params: of.params,
            identity: Identity {
                boot_id: format!("{}-{}", of.machine_id, of.boot),
                machine_id: of.machine_id.to_string(),
                dmi_uuid: of.dmi.to_string(),
            },
            version: String::new(),
            incarnation: incarnation.to_string(),
            incarnation_is_new: new,
            incarnation_is_unknown: unknown,
            trust_reboot,
            kept: of.kept,
        };
        let now = of.now(real);
        let start = Event::Start(Box::new(start));
        self.count_lease(node, &start);
        self.nodes[node].machine.handle(start, now);
        if self.production {
            self.brain_begins(node);
        }
        self.listed(node, snapshot);
        self.brain_adopts(node);
    }

    /// What a watch would tell of the time since an old list has to be listed here.
    fn shown_old(&self, node: usize, snapshot: &Snapshot) -> bool {
        let of = &self.nodes[node];
        of.stale_reads > self.now || snapshot.revision < of.missed
    }

    pub(crate) fn listed(&mut self, node: usize, snapshot: &Snapshot) {
        let sessions = (0..self.names.len())
            .filter(|name| snapshot.sessions[*name].value.is_some())
            .map(|name| (self.names[name].clone(), snapshot.found(name)))
            .collect();
        self.papers_listed(node, &snapshot.papers);
        for group in 0..snapshot.own.len() {
            let document = &snapshot.own[group];
            self.sees_own(node, group, document.revision, document.value);
        }
        self.give(node, Event::Listed { as_of: snapshot.revision, sessions });
    }

    pub(crate) fn sees_own(&mut self, node: usize, group: usize, revision: u64, own: Own) {
        let of = &mut self.nodes[node];
        if revision > of.view[group].0 {
            of.view[group] = (revision, own);
            of.dirty = true;
        }
    }

    pub(crate) fn deliver(&mut self, node: usize, epoch: u64, incarnation: u64, input: Input) {
        if self.nodes[node].epoch != epoch || self.nodes[node].process == Process::Down {
            return;
        }
        if let Some(until) = self.held(node) {
            self.push(until, Happening::Deliver { node, epoch, incarnation, input });
            return;
        }
        if self.nodes[node].process == Process::Opening {
            if let Input::Listed(snapshot) = input {
                self.opened(node, &snapshot, incarnation);
            }
            return;
        }
        // What an earlier store said is not handed on after it was replaced.
        let ends = matches!(input, Input::Replaced | Input::AllGone | Input::GuardianAnswered(_));
        if !ends && incarnation != self.nodes[node].knows {
            return;
        }
        match input {
            Input::Answer(request, answer) => self.give(node, Event::Answered { request, answer }),
            Input::OwnWritten(group, outcome) => {
                match outcome {
                    Some((revision, own)) => {
                        self.nodes[node].pending[group] = 0;
                        self.sees_own(node, group, revision, own);
                        self.nodes[node].confirm[group] = false;
                        self.drive_group(node, group);
                    }
                    // Decided on what was: it is looked at again with the next tick.
                    None => {
                        self.nodes[node].pending[group] = self.now;
                        self.nodes[node].stale = true;
                    }
                }
                self.drive(node);
            }
            Input::Session(name, found) => {
                let name = self.names[name].clone();
                self.give(node, Event::Seen { node: name, found });
            }
            Input::Own(group, revision, own) => {
                self.sees_own(node, group, revision, own);
                self.drive_group(node, group);
            }
            Input::Listed(snapshot) => {
                self.nodes[node].stale = self.shown_old(node, &snapshot);
                self.listed(node, &snapshot);
            }
            Input::Wrote(token, result) => {
                self.wrote(node, token, result);
                self.drive(node);
            }
            Input::Paper(key, revision, paper) => {
                self.sees_paper(node, key, revision, &paper);
                self.drive(node);
            }
            Input::Told(events) => {
                let now = self.nodes[node].now(self.now);
                if let Some(brain) = &mut self.nodes[node].brain {
                    events.into_iter().for_each(|event| brain.tell(event, now));
                }
                self.drive(node);
            }
            Input::Replaced if self.production => {
                if self.nodes[node].knows != self.store.incarnation {
                    let incarnation = Some(self.store.incarnation.to_string());
                    self.give(node, Event::Replaced { incarnation });
                    // It ends; whoever starts it again lets it look at the database anew.
                    self.stop_process(node, Some(RESTART));
                }
            }
            Input::Replaced => {
                if self.nodes[node].knows != self.store.incarnation {
                    self.nodes[node].knows = self.store.incarnation;
                    self.nodes[node].doubted = !self.mutants.has(Mutant::DoubtForgotten);
                    self.nodes[node].view.iter_mut().for_each(|view| view.0 = 0);
                    self.nodes[node].stale = true;
                    let incarnation = Some(self.store.incarnation.to_string());
                    self.give(node, Event::Replaced { incarnation });
                    self.send(node, Ask::List);
                }
            }
            Input::AllGone => {
                if self.nodes[node].nothing_lives() {
                    self.give(node, Event::AllGone);
                }
            }
            Input::GuardianAnswered(question) => self.give(node, Event::GuardianAnswered { question }),
            Input::Fenced(name, sid) => {
                let name = self.names[name].clone();
                self.give(node, Event::Fenced { node: name, sid });
            }
        }
    }

    pub(crate) fn count_lease(&mut self, node: usize, event: &Event) {
        let of = &self.nodes[node];
        let own = matches!(event, Event::Seen { node, .. } if *node == self.names[of.name]);
        self.tally.steps.lease(of.machine.state(), event, own);
    }

    /// Hands an event to the lease machine and carries out what it wants.
    pub(crate) fn give(&mut self, node: usize, event: Event) {
        let now = self.nodes[node].now(self.now);
        let news = !matches!(event, Event::Timer { .. });
        self.count_lease(node, &event);
        self.nodes[node].machine.handle(event, now);
        if let Some(brain) = &mut self.nodes[node].brain {
            brain.heard = true;
        }
        if let Err(what) = self.nodes[node].machine.check()
            && self.mutants == Mutants::NONE
        {
            self.broken("I9", format!("the machine of node {node}: {what}"));
        }
        let mut acted = false;
        while let Some(action) = self.nodes[node].machine.poll_action() {
            acted = true;
            self.say(|| format!("node {node} is {:?}: {action:?}", self.nodes[node].machine.state()));
            self.act(node, action);
        }
        if self.nodes[node].process == Process::Running {
            self.arrange_wake(node);
            if acted && news || self.nodes[node].dirty {
                self.drive(node);
            }
        }
    }

    pub(crate) fn arrange_wake(&mut self, node: usize) {
        let of = &mut self.nodes[node];
        let Some(at) = of.machine.next_timeout() else {
            of.wake_at = 0;
            return;
        };
        if at == Time::NEVER {
            return;
        }
        // A timer that had nothing to do, and is due still, comes again a little later.
        let soonest = if of.woke == self.now { 5_000_000 } else { 1_000 };
        let due = of.clock.real(at);
        let real = if due <= self.now { self.now + soonest } else { due };
        // Too early is allowed: what was arranged before stays, and arranges this one.
        if of.wake_at <= self.now || of.wake_at > real {
            of.wake_at = real;
            self.push(real, Happening::Wake { node });
        }
    }

    pub(crate) fn act(&mut self, node: usize, action: Action) {
        match action {
            Action::Commit { request, node: name, guard, session } => {
                let Some(&name) = self.numbers.get(&name) else { return };
                let own = name == self.nodes[node].name;
                let blind = if own { Mutant::RenewalBlind } else { Mutant::TakeoverBlind };
                let blind = self.mutants.has(blind) && guard != Guard::Absent;
                if !own && self.mutants.has(Mutant::AssignBeforeMark) {
                    self.nodes[node].assumed_dead = Some((name, session.sid));
                    self.nodes[node].dirty = true;
                }
                let sent = self.nodes[node].now(self.now);
                self.send(node, Ask::Session { request, name, guard, session, blind, sent });
            }
            Action::Read { request, node: name } => {
                if let Some(&name) = self.numbers.get(&name) {
                    self.send(node, Ask::Read { request, name });
                }
            }
            Action::Arm(kept) => {
                if let Some(brain) = &mut self.nodes[node].brain {
                    brain.settled = None;
                }
                if self.nodes[node].guardian_stopped > self.now {
                    self.nodes[node].late_arm = Some(kept);
                } else {
                    self.arm(node, kept);
                }
            }
            Action::AskGuardian { question } => {
                let epoch = self.nodes[node].epoch;
                let at = self.now.max(self.nodes[node].guardian_stopped) + 10_000;
                let (incarnation, input) = (self.nodes[node].knows, Input::GuardianAnswered(question));
                self.push(at, Happening::Deliver { node, epoch, incarnation, input });
            }
            Action::KillAll { why } => {
                self.tally.lapses += 1;
                if self.calm {
                    self.broken(
                        "I13",
                        format!("node {node} stops everything ({why}) while the store is silent"),
                    );
                }
                self.kill_all(node);
                self.nodes[node].owes_gone = true;
                self.count_everywhere(node, Occurrence::Forget);
                if let Some(brain) = &mut self.nodes[node].brain {
                    brain.owner.forget();
                    brain.said.clear();
                    brain.settled = None;
                    self.nodes[node].dirty = true;
                }
                self.tell_gone(node);
            }
            Action::Refuse { .. } => self.stop_process(node, Some(RESTART)),
            Action::Tell(note) => match note {
                Note::TookOver(..) => self.tally.takeovers += 1,
                Note::Quarantine(_) => self.tally.quarantines += 1,
                Note::Left => {
                    if self.nodes[node].leaving {
                        self.nodes[node].kept = None;
                        self.stop_process(node, None);
                    }
                }
                Note::Began(_) => {
                    self.nodes[node].doubted = false;
                    self.nodes[node].dirty = true;
                }
                Note::Again(_) | Note::NameInUse(_) => self.nodes[node].dirty = true,
            },
        }
    }
}
