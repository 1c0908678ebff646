//! One turn of a node's loop, as far as groups go: what was heard is settled, what is due is decided, written and said.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use stead_lease::{Event as SessionEvent, Mutant, Sid, Sight, Standing, State};
use stead_policy::cluster::{
    Document, NodeRecord, Owned, OwnerAction, OwnerState, Ownership, Session, Situation, Tenure, commits,
};
use stead_policy::{Action, Change, Event, PersistentState, Request, RequestId};
use stead_types::{GroupName, NodeName};

use super::{Brain, Leaving, Purpose};
use crate::fault::{Kind, SECOND};
use crate::node::Process;
use crate::steps::Occurrence;
use crate::store::{Key, Paper};
use crate::world::{Happening, World};

/// What changes faster than this is said once.
const PAUSE: Duration = Duration::from_millis(50);

impl World {
    /// The brain of a node process that begins. What runs on the machine is adopted.
    pub(crate) fn brain_begins(&mut self, node: usize) {
        let me = self.names[self.nodes[node].name].clone();
        let situation = Situation { settings: self.settings.clone(), ..Situation::default() };
        let mut config = self.config.clone();
        for (key, document) in self.store.now.papers.iter() {
            if let (Key::Configuration(_), Paper::Configuration(group)) = (key, &*document.value) {
                config.groups.insert(group.name.clone(), (**group).clone());
            }
        }
        let mut brain = Brain::new(&me, config, situation);
        brain.policy.member([]);
        for group in self.groups.clone() {
            brain.refresh(&group);
        }
        self.nodes[node].brain = Some(Box::new(brain));
    }

    /// The documents are read: decisions may begin.
    pub(crate) fn brain_adopts(&mut self, node: usize) {
        let Some(mut brain) = self.nodes[node].brain.take() else { return };
        let now = self.nodes[node].now(self.now);
        let mut running: BTreeSet<GroupName> = (0..self.groups.len())
            .filter(|group| !self.nodes[node].hosts[*group].is_empty())
            .map(|group| self.groups[group].clone())
            .collect();
        if self.mutants.has(Mutant::StartUnconfirmed) {
            running.extend(self.groups.iter().cloned());
        }
        let may_act = self.nodes[node].machine.may_act(now);
        let tenure = Tenure { may_act, ..self.tenure(node) };
        for group in &self.groups {
            self.tally.steps.owner(brain.tenant(group, tenure.session), Occurrence::Adopt);
        }
        let groups = brain.owner.adopt(&running, tenure);
        brain.policy.member(groups);
        let running = self.running(node);
        brain.tell(Event::Start { running }, now);
        self.nodes[node].brain = Some(brain);
        self.nodes[node].dirty = true;
    }

    /// What the session of a node allows now.
    pub(crate) fn tenure(&self, node: usize) -> Tenure {
        let of = &self.nodes[node];
        let sid = of.machine.sid();
        let in_force = sid == Some(of.guard_sid) && !of.owes_gone;
        Tenure { session: sid.map(|sid| sid.0), may_act: in_force && of.machine.may_act(of.now(self.now)) }
    }

    pub(crate) fn count(&mut self, node: usize, brain: &Brain, group: &GroupName, occurrence: Occurrence) {
        let session = self.nodes[node].machine.sid().map(|sid| sid.0);
        self.tally.steps.owner(brain.tenant(group, session), occurrence);
    }

    pub(crate) fn count_everywhere(&mut self, node: usize, occurrence: Occurrence) {
        let of = &self.nodes[node];
        let Some(brain) = of.brain.as_deref() else { return };
        let session = of.machine.sid().map(|sid| sid.0);
        for group in &self.groups {
            self.tally.steps.owner(brain.tenant(group, session), occurrence);
        }
    }

    /// One group, after its document has changed or the session has.
    pub(crate) fn settle(&mut self, node: usize, brain: &mut Brain, group: &GroupName) {
        brain.owner.settle(group, true, self.tenure(node), &brain.situation);
        self.drive_owner(node, brain);
    }

    fn drive_owner(&mut self, node: usize, brain: &mut Brain) {
        let now = self.nodes[node].now(self.now);
        while let Some(action) = brain.owner.poll_action() {
            match action {
                OwnerAction::Tell(event) => {
                    if let Event::Departed { group } = &event {
                        brain.said.remove(group);
                    }
                    brain.tell(event, now);
                }
                OwnerAction::Write { group, revision, document, .. } => {
                    self.write_ownership(node, brain, group, revision, document);
                }
                OwnerAction::Kill(group) => {
                    // Who starts again and is shown what was may take what runs for something older.
                    let misled = self.faults.iter().any(|fault| fault.kind == Kind::StaleReads);
                    let known = self.nodes[node].knows == self.store.incarnation && !misled;
                    if let Some(index) = self.group_at(&group) {
                        // Who slept beyond its deadline hears of that before it has looked at the clock: nothing runs.
                        if known && self.nodes[node].live[index].is_some() {
                            self.broken(
                                "I14",
                                format!("group {index} is taken from node {node} while it runs"),
                            );
                        }
                        self.kill_group(node, index);
                    }
                }
                OwnerAction::Record(_) => {}
            }
        }
    }

    fn write_ownership(
        &mut self,
        node: usize,
        brain: &mut Brain,
        group: GroupName,
        revision: Option<u64>,
        mut document: Arc<Ownership>,
    ) {
        let Some(index) = self.group_at(&group) else { return };
        if self.mutants.has(Mutant::BudgetForgotten) {
            Arc::make_mut(&mut document).failovers.clear();
        }
        if self.mutants.has(Mutant::OrderForgotten) && document.state == OwnerState::Assigned {
            Arc::make_mut(&mut document).outcome = None;
        }
        let mine = document.node == self.names[self.nodes[node].name];
        let puts = vec![(Key::Own(index), Arc::new(Paper::Own(Arc::clone(&document))))];
        self.write((node, brain), Purpose::Own(group.clone()), vec![(Key::Own(index), revision)], puts);
        if self.mutants.has(Mutant::StartBeforeCommit) && mine && document.state == OwnerState::Assigned {
            let revision = revision.unwrap_or(0);
            brain.owner.seen(&group, None);
            brain.owner.seen(&group, Some(Owned { document, revision }));
            brain.owner.settle(&group, true, self.tenure(node), &brain.situation);
        }
    }

    /// A turn of the loop.
    pub(crate) fn think(&mut self, node: usize) {
        let Some(mut brain) = self.nodes[node].brain.take() else { return };
        let now = self.nodes[node].now(self.now);
        if std::mem::take(&mut brain.heard) {
            self.see_sessions(node, &mut brain);
        }
        let tenure = self.tenure(node);
        if brain.settled != Some(tenure) {
            brain.settled = Some(tenure);
            for group in &self.groups {
                brain.owner.settle(group, true, tenure, &brain.situation);
            }
            self.drive_owner(node, &mut brain);
        }
        if brain.policy.next_timeout().is_some_and(|at| at <= now) {
            brain.tell(Event::Timer, now);
        }
        self.leave_on(node, &mut brain);
        self.decide(node, &mut brain);
        self.carry_out(node, &mut brain);
        brain.owner.write_wishes(self.tenure(node).session, now);
        self.drive_owner(node, &mut brain);
        self.carry_out(node, &mut brain);
        self.say_states(node, &mut brain);
        self.arrange_thought(node, &mut brain);
        let held = match (std::mem::take(&mut brain.touched), std::mem::take(&mut brain.rebuilt)) {
            (_, true) => brain.policy.check(),
            (true, false) => brain.policy.check_resources(),
            (false, false) => Ok(()),
        };
        if let Err(what) = held {
            self.broken("I9", format!("the policy of node {node}: {what}"));
        }
        if self.nodes[node].process == Process::Running {
            self.nodes[node].brain = Some(brain);
        }
    }

    fn arrange_thought(&mut self, node: usize, brain: &mut Brain) {
        let of = &self.nodes[node];
        let coordinator = brain.coordinator.next_timeout().filter(|_| self.decides(node));
        let now = of.now(self.now);
        let unsaid = brain.unsaid.then(|| brain.said_at.after(PAUSE)).or(brain.say_at);
        // What may not be said now is looked at with the next tick.
        let unsaid = unsaid.filter(|at| *at > now);
        let next = [brain.policy.next_timeout(), coordinator, brain.owner.next_timeout(), unsaid];
        // What is due and has nothing to do comes again a little later.
        let due = next.into_iter().flatten().min().map(|at| of.clock.real(at).max(self.now + 5_000_000));
        let rested = (brain.decide && brain.decide_at > self.now).then_some(brain.decide_at);
        let Some(real) = due.into_iter().chain(rested).min() else { return };
        if brain.think_at <= self.now || brain.think_at > real {
            brain.think_at = real;
            let epoch = of.epoch;
            self.push(real, Happening::Think { node, epoch });
        }
    }

    fn see_sessions(&mut self, node: usize, brain: &mut Brain) {
        let of = &self.nodes[node];
        let now = of.now(self.now);
        let believes = self.mutants.has(Mutant::FreedIgnored);
        for (name, session) in of.machine.nodes() {
            let sid = session.sid.0;
            let over = || of.machine.is_over(name, session.sid, 0);
            let silent = || matches!(of.machine.sight(name, now), Some(Sight::NotSeen(_)));
            let state = match session.state {
                Standing::Alive if believes && silent() && *name != self.names[of.name] => {
                    Session::Dead { sid }
                }
                Standing::Alive => {
                    let renewals = u32::try_from(session.ctr).unwrap_or(u32::MAX);
                    Session::Alive { sid, age: session.params.h.saturating_mul(renewals) }
                }
                Standing::Dead if over() => Session::Dead { sid },
                Standing::Left if over() => Session::Left { sid },
                // Nothing is taken over yet: the database is another one than before.
                Standing::Dead | Standing::Left => Session::Never,
            };
            let facts = match brain.situation.nodes.get_mut(name) {
                Some(facts) => facts,
                None => brain.situation.nodes.entry(name.clone()).or_default(),
            };
            if facts.session != state {
                let before = std::mem::replace(&mut facts.session, state);
                brain.decide |= brain.withheld || state.is_news(before, &brain.situation.settings);
            }
        }
    }

    fn decides(&self, node: usize) -> bool {
        let of = &self.nodes[node];
        if of.machine.state() != State::Active {
            return false;
        }
        if self.contend {
            return true;
        }
        let now = of.now(self.now);
        let mut up = of.machine.nodes().map(|(name, _)| name);
        let first = up.find(|name| of.machine.sight(name, now) == Some(Sight::Up));
        first.is_none_or(|first| *first == self.names[of.name])
    }

    fn decide(&mut self, node: usize, brain: &mut Brain) {
        let now = self.nodes[node].now(self.now);
        let due = brain.coordinator.next_timeout().is_some_and(|at| at <= now);
        let again = brain.undecided && !brain.owner.rests(now);
        let may = || brain.owner.began() && self.decides(node) && self.nodes[node].machine.may_act(now);
        if (!brain.decide || brain.decide_at > self.now) && !due && !again || !may() {
            return;
        }
        brain.decide_at = self.now + self.rest;
        brain.decide = false;
        brain.undecided = false;
        let withheld = Cell::new(false);
        let decisions = if self.mutants.has(Mutant::PauseIgnored) {
            let mut blind = brain.situation.clone();
            for facts in blind.nodes.values_mut() {
                facts.record.paused = false;
                facts.record.drain = None;
                facts.record.quarantine = None;
            }
            brain.coordinator.decide(&blind, now)
        } else {
            brain.coordinator.decide(&brain.situation, now)
        };
        let believes = self.mutants.has(Mutant::FreedIgnored);
        let over = |name: &NodeName, session: u128, named_at: u64| {
            let over = believes || self.nodes[node].machine.is_over(name, Sid(session), named_at);
            withheld.set(withheld.get() | !over);
            over
        };
        for commit in commits(decisions, over) {
            match commit.document {
                Document::Own(group, document) => {
                    self.check_placement(node, &brain.situation, &group, &document);
                    brain.held_up |= !brain.owner.write(group, commit.revision, document, commit.records);
                }
                Document::Node(name, record) => {
                    if let Some(of) = self.numbers.get(&name).copied() {
                        let begun = self.write_record((node, brain), of, commit.revision, *record);
                        brain.held_up |= !begun;
                    }
                }
            }
        }
        brain.withheld = withheld.get();
        self.drive_owner(node, brain);
    }

    /// I10, by what the one who decides knows.
    fn check_placement(
        &mut self,
        node: usize,
        situation: &Situation,
        group: &GroupName,
        document: &Ownership,
    ) {
        use stead_policy::cluster::ArrivalKind;
        let Some(facts) = situation.groups.get(group) else { return };
        let before = facts.owned.as_ref().map_or(0, |owned| owned.document.generation);
        if document.generation == before || document.arrival.kind == ArrivalKind::Return {
            return;
        }
        let to = &document.node;
        let possible = facts.rules.possible_owners.as_ref().is_none_or(|possible| possible.contains(to));
        let takes = situation.nodes.get(to).is_some_and(|at| {
            let open = !at.record.paused && at.draining().is_none() && at.record.quarantine.is_none();
            open && !at.leaving() && at.session.alive() == Some(document.session)
        });
        if !possible || !takes {
            self.broken("I10", format!("node {node} gives group {group} to {to}, which does not take it"));
        }
    }

    /// Tells the policy whether its node is paused.
    pub(crate) fn settle_pause(&mut self, node: usize, brain: &mut Brain) {
        let me = &self.names[self.nodes[node].name];
        let paused = brain.situation.nodes.get(me).is_some_and(|facts| facts.record.paused);
        if brain.paused != paused {
            brain.paused = paused;
            brain.tell(Event::Paused(paused), self.nodes[node].now(self.now));
        }
    }

    /// Carries out what the policy wants.
    fn carry_out(&mut self, node: usize, brain: &mut Brain) {
        while let Some(action) = brain.poll_action() {
            self.say(|| format!("node {node} wants {action:?}"));
            match action {
                Action::Accept { id } => self.accepted(node, brain, id),
                Action::Finish { id, answer } => {
                    if answer.is_err()
                        && let Some(asked) = brain.asked.get(&id)
                        && asked.accepted
                    {
                        self.broken("I7", format!("a request is refused after it was accepted: {asked:?}"));
                    }
                    brain.asked.remove(&id);
                }
                Action::Write { write, changes } => self.write_configuration(node, brain, write, &changes),
                Action::Release { group, release } => {
                    self.count(node, brain, &group, Occurrence::Released);
                    brain.owner.released(group, release);
                }
                Action::Moved { group, code, detail } => {
                    self.count(node, brain, &group, Occurrence::Moved);
                    brain.owner.moved(group, code, detail);
                }
                Action::Stopped => {
                    for group in self.groups.clone() {
                        self.count(node, brain, &group, Occurrence::Leave);
                    }
                    brain.owner.leave();
                    brain.leaving = Some(Leaving::Saying);
                }
                Action::StartMonitor { monitor } => self.start_monitor(node, brain, monitor),
                Action::StopMonitor { monitor } => self.stop_monitor(node, monitor),
                Action::Open { op, monitor, resource } => self.open(node, op, &monitor, resource),
                Action::Close { op, resource, .. } => self.close(node, op, resource),
                Action::Online { op, resource, .. } => self.online(node, op, resource),
                Action::Offline { op, resource, .. } => self.offline(node, op, resource),
                Action::Terminate { op, resource } => {
                    self.call(node, op, resource, super::Call::Terminate);
                }
                Action::Cancel { op, resource } | Action::Update { op, resource } => {
                    self.call(node, op, resource, super::Call::Nothing);
                }
                Action::Fail { op, resource } => self.call(node, op, resource, super::Call::Fail),
                Action::AskContext { group, .. } => {
                    let now = self.nodes[node].now(self.now);
                    brain.policy.handle(
                        Event::ContextKnown { group, buffers: std::collections::BTreeMap::new() },
                        now,
                    );
                }
                Action::Maintenance { .. } | Action::ProviderChanged { .. } | Action::Record(_) => {}
            }
        }
    }

    /// What is wanted of a group is stored, and then a request for it is accepted.
    fn write_configuration(
        &mut self,
        node: usize,
        brain: &mut Brain,
        write: stead_policy::WriteId,
        changes: &[Change],
    ) {
        let mut groups = brain.policy.config().groups.clone();
        let mut changed: BTreeSet<usize> = BTreeSet::new();
        for change in changes {
            match change {
                Change::GroupPersistentState(group, state) => {
                    if let Some(config) = groups.get_mut(group) {
                        config.persistent_state = *state;
                        changed.extend(self.group_at(group));
                    }
                }
                Change::ResourcePersistentState(resource, state) => {
                    let Some(index) = self.group_of(resource) else { continue };
                    if let Some(config) = groups.get_mut(&self.groups[index])
                        && let Some(known) = config.resources.get_mut(resource)
                    {
                        known.persistent_state = *state;
                        changed.insert(index);
                    }
                }
                Change::Step(_) | Change::ResourceMaintenance(..) | Change::NodePaused(..) => {}
            }
        }
        let (mut guards, mut puts) = (Vec::new(), Vec::new());
        for index in &changed {
            let key = Key::Configuration(*index);
            guards.push((key, brain.seen.get(&key).copied()));
            if let Some(config) = groups.remove(&self.groups[*index]) {
                puts.push((key, Arc::new(Paper::Configuration(Box::new(config)))));
            }
        }
        let purpose = Purpose::Configuration(write, changed.into_iter().collect());
        self.write((node, brain), purpose, guards, puts);
    }

    fn accepted(&mut self, node: usize, brain: &mut Brain, id: RequestId) {
        let Some(asked) = brain.asked.get_mut(&id) else { return };
        asked.accepted = true;
        let stored =
            self.store.now.papers.get(&Key::Configuration(asked.group)).map(|document| &document.value);
        let config = match stored.map(|paper| &**paper) {
            Some(Paper::Configuration(config)) => Some(&**config),
            Some(Paper::Own(_) | Paper::State(_) | Paper::Record(_)) | None => {
                self.config.groups.get(&self.groups[asked.group])
            }
        };
        let wanted = config.and_then(|config| config.persistent_state) == Some(PersistentState::Online);
        let known = self.nodes[node].knows == self.store.incarnation;
        if known && wanted != asked.online && self.wishes[asked.group] == asked.stored {
            let what = format!("a request is accepted and what it wants is not stored: {asked:?}");
            self.broken("I7", what);
        }
    }

    /// Says what has changed of the groups this node has.
    fn say_states(&mut self, node: usize, brain: &mut Brain) {
        let now = self.nodes[node].now(self.now);
        brain.unsaid |= brain.touched || brain.say_at.is_some_and(|at| at <= now);
        if !brain.unsaid || now < brain.said_at.after(PAUSE) || !self.tenure(node).may_act {
            return;
        }
        brain.unsaid = false;
        brain.say_at = None;
        let (mut guards, mut puts, mut said) = (Vec::new(), Vec::new(), Vec::new());
        let had: Vec<GroupName> = brain.owner.groups().cloned().collect();
        for group in &had {
            let Some(index) = self.group_at(group) else { continue };
            let Some((published, later)) = brain.owner.says(&brain.policy, group, now) else { continue };
            brain.say_at = [brain.say_at, later].into_iter().flatten().min();
            if brain.said.get(group) != Some(&published) {
                let own = brain.owner.documents().get(group).map(|owned| owned.revision);
                guards.push((Key::Own(index), own));
                puts.push((Key::State(index), Arc::new(Paper::State(published.clone()))));
                brain.said.insert(group.clone(), published.clone());
                said.push((group.clone(), published));
            }
        }
        if !puts.is_empty() {
            brain.said_at = now;
            self.write((node, brain), Purpose::State(said), guards, puts);
        }
    }

    /// Goes on with leaving.
    fn leave_on(&mut self, node: usize, brain: &mut Brain) {
        if !self.nodes[node].leaving {
            return;
        }
        let me = self.nodes[node].name;
        let now = self.nodes[node].now(self.now);
        match brain.leaving {
            None => brain.leaving = Some(Leaving::Moving(self.now + 4 * SECOND)),
            Some(Leaving::Moving(until)) => {
                let machine = &self.nodes[node].machine;
                let others = brain.situation.nodes.iter().any(|(name, facts)| {
                    *name != self.names[me]
                        && facts.session.alive().is_some()
                        && !facts.record.paused
                        && !facts.leaving()
                });
                let active = machine.state() == State::Active;
                if until <= self.now || !others || !active || brain.owner.groups().next().is_none() {
                    brain.leaving = Some(Leaving::Stopping);
                    let id = RequestId(brain.number());
                    brain.tell(Event::Request { id, request: Request::Shutdown }, now);
                } else if let Some(sid) = machine.sid() {
                    let facts = brain.situation.nodes.entry(self.names[me].clone()).or_default();
                    if facts.record.leaving != Some(sid.0) && !brain.owner.rests(now) {
                        let record = NodeRecord { leaving: Some(sid.0), ..facts.record.clone() };
                        let revision = facts.revision;
                        self.write_record((node, brain), me, revision, record);
                    }
                }
            }
            Some(Leaving::Stopping) => {}
            Some(Leaving::Saying) => {
                let said = brain.owner.is_settled() && brain.writes.is_empty();
                if said && self.nodes[node].machine.state() == State::Active {
                    self.count_lease(node, &SessionEvent::Leave);
                    self.nodes[node].machine.handle(SessionEvent::Leave, now);
                    self.nodes[node].dirty = true;
                }
            }
        }
    }
}

impl World {
    /// When all faults are over for long enough, every group is where it may be, once, as it is wanted.
    pub(crate) fn finish_groups(&mut self) {
        for group in 0..self.groups.len() {
            if let Err(what) = self.group_ended_well(group) {
                let own = self.store.now.papers.get(&Key::Own(group)).map(|document| &document.value);
                self.broken("I12", format!("group {group} {what} in the end: {own:?}"));
                return;
            }
        }
    }

    fn group_ended_well(&self, group: usize) -> Result<(), String> {
        use stead_types::{GroupState, ResourceState};
        let lives = self.nodes.iter().filter(|node| node.live[group].is_some()).count();
        if lives > 1 {
            return Err(format!("lives on {lives} nodes"));
        }
        let brain = self.nodes.iter().take(self.names.len()).find_map(|node| node.brain.as_deref());
        let Some(situation) = brain.map(|brain| &brain.situation) else { return Ok(()) };
        let name = &self.groups[group];
        let placeable = situation.place(name, &std::collections::BTreeMap::new());
        let placeable = placeable.is_some_and(|placement| placement.chosen.is_some());
        let own = self.store.now.papers.get(&Key::Own(group)).map(|document| &*document.value);
        let Some(Paper::Own(own)) = own else {
            return if placeable { Err("has no owner".to_owned()) } else { Ok(()) };
        };
        let owner = self.numbers.get(&own.node).map(|node| &self.nodes[*node]);
        let hosted = own.state == OwnerState::Assigned
            && owner.is_some_and(|owner| !owner.lost && owner.machine.sid() == Some(Sid(own.session)));
        let unknown =
            self.numbers.get(&own.node).is_some_and(|name| self.nobody_knows(*name, Sid(own.session)));
        if !hosted {
            return if placeable && !unknown {
                Err("has an owner that does not have it".to_owned())
            } else {
                Ok(())
            };
        }
        let Some(brain) = owner.and_then(|owner| owner.brain.as_deref()) else { return Ok(()) };
        if !brain.owner.has(name) {
            return Err("does not run where it belongs".to_owned());
        }
        let Some(view) = brain.policy.view().groups.into_iter().find(|view| view.name == *name) else {
            return Err("is not known where it belongs".to_owned());
        };
        let online = view.state == GroupState::Online;
        let wanted = view.persistent_state == PersistentState::Online;
        if !wanted && view.resources.iter().any(|resource| resource.state == ResourceState::Online) {
            return Err("is wanted offline and is online".to_owned());
        }
        let failed = view.resources.iter().any(|resource| resource.state == ResourceState::Failed);
        if wanted && !online && own.arrival.start && !brain.paused && !failed {
            return Err(format!("is wanted online and is {:?} ({:?})", view.state, view.why));
        }
        Ok(())
    }
}
