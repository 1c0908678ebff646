//! Documents on their way between a brain and the store, and what must hold of each write.

use std::sync::Arc;

use stead_lease::{Mutant, Sid};
use stead_policy::Event;
use stead_policy::cluster::{
    ArrivalKind, FenceNeeds, GroupFacts, GroupRules, NodeRecord, Owned, OwnerState, Ownership, Unwritten,
};
use stead_types::{Code, GroupName};

use super::{Brain, Purpose};
use crate::fault::{MILLI, SECOND};
use crate::node::Input;
use crate::steps::Occurrence;
use crate::store::{Key, Paper, Papers};
use crate::world::{Ask, Request, World};

impl Brain {
    /// The owner of a group has changed, or what is known of that.
    pub(crate) fn refresh_owner(&mut self, group: &GroupName) {
        let Some(facts) = self.situation.groups.get_mut(group) else { return };
        let owned = self.owner.documents().get(group);
        if facts.owned.as_ref() != owned {
            facts.owned = owned.cloned();
            self.decide = true;
        }
    }

    /// What the coordinator is told of a group.
    pub(crate) fn refresh(&mut self, group: &GroupName) {
        let stored = self.policy.config();
        let Some(config) = stored.groups.get(group) else { return };
        let before = self.situation.groups.get(group);
        let facts = GroupFacts {
            rules: GroupRules::of(config, &stored.sets).with(FenceNeeds::of(config, &stored.types)),
            wanted_online: GroupRules::wanted_online(config),
            owned: self.owner.documents().get(group).cloned(),
            published: before.and_then(|facts| facts.published.clone()),
        };
        if before != Some(&facts) {
            self.situation.groups.insert(group.clone(), facts);
            self.decide = true;
        }
    }
}

impl World {
    /// Sends a write, guarded by these revisions; what it is for is known by its number.
    pub(crate) fn write(
        &mut self,
        (node, brain): (usize, &mut Brain),
        purpose: Purpose,
        guards: Vec<(Key, Option<u64>)>,
        puts: Vec<(Key, Arc<Paper>)>,
    ) {
        let token = brain.number();
        brain.writes.insert(token, (purpose, self.now + 1_500 * MILLI));
        self.send(node, Ask::Papers { token, guards, puts });
    }

    pub(crate) fn write_record(
        &mut self,
        (node, brain): (usize, &mut Brain),
        of: usize,
        revision: Option<u64>,
        record: NodeRecord,
    ) -> bool {
        let begun = brain.busy.insert(of);
        if begun {
            let puts = vec![(Key::Record(of), Arc::new(Paper::Record(record.clone())))];
            let purpose = Purpose::Record(of, Box::new(record));
            self.write((node, brain), purpose, vec![(Key::Record(of), revision)], puts);
        }
        begun
    }

    /// A document was seen by a node.
    pub(crate) fn sees_paper(&mut self, node: usize, key: Key, revision: u64, paper: &Arc<Paper>) {
        let Some(mut brain) = self.nodes[node].brain.take() else { return };
        self.takes_paper(node, &mut brain, key, revision, paper);
        self.nodes[node].brain = Some(brain);
        self.nodes[node].dirty = true;
    }

    fn takes_paper(&mut self, node: usize, brain: &mut Brain, key: Key, revision: u64, paper: &Arc<Paper>) {
        let newest = brain.seen.get(&key).copied();
        let believes = self.mutants.has(Mutant::OldGenerationBelieved) && matches!(key, Key::Own(_));
        if newest.is_some_and(|newest| newest >= revision) && !believes {
            return;
        }
        match &**paper {
            Paper::Own(document) => {
                let Key::Own(group) = key else { return };
                let group = self.groups[group].clone();
                if believes {
                    brain.owner.seen(&group, None);
                }
                self.count(node, brain, &group, Occurrence::Document);
                brain.owner.seen(&group, Some(Owned { document: Arc::clone(document), revision }));
                brain.refresh_owner(&group);
                self.settle(node, brain, &group);
            }
            Paper::State(published) => {
                let Key::State(group) = key else { return };
                let group = self.groups[group].clone();
                if let Some(facts) = brain.situation.groups.get_mut(&group) {
                    facts.published = Some(published.clone());
                    brain.decide = true;
                }
            }
            Paper::Record(record) => {
                let Key::Record(of) = key else { return };
                let facts = brain.situation.nodes.entry(self.names[of].clone()).or_default();
                facts.record = record.clone();
                facts.revision = Some(revision);
                brain.decide = true;
                self.settle_pause(node, brain);
            }
            Paper::Configuration(config) => {
                if brain.configuring() {
                    // It waits until the own write has become the configuration.
                    self.nodes[node].stale = true;
                    return;
                }
                if brain.policy.config().groups.get(&config.name) != Some(&**config) {
                    let mut all = brain.policy.config().clone();
                    all.groups.insert(config.name.clone(), (**config).clone());
                    let now = self.nodes[node].now(self.now);
                    brain.tell(Event::Configured(all), now);
                    brain.refresh(&config.name);
                    brain.settled = None;
                }
            }
        }
        brain.seen.insert(key, revision);
    }

    /// A write of a node has ended.
    pub(crate) fn wrote(&mut self, node: usize, token: u64, result: Result<u64, Unwritten>) {
        let Some(mut brain) = self.nodes[node].brain.take() else { return };
        if let Some((purpose, _)) = brain.writes.remove(&token) {
            self.ended_write(node, &mut brain, purpose, result);
        } else if result.is_ok() {
            // It counts as failed, and its own watch tells what was stored.
            self.misses(node);
        }
        self.nodes[node].brain = Some(brain);
        self.nodes[node].dirty = true;
    }

    pub(crate) fn ended_write(
        &mut self,
        node: usize,
        brain: &mut Brain,
        purpose: Purpose,
        result: Result<u64, Unwritten>,
    ) {
        let now = self.nodes[node].now(self.now);
        if let Err(why) = result {
            brain.undecided = true;
            // Of its own documents the owner's machine knows whether what was in the way has been seen already.
            if !matches!(purpose, Purpose::Own(_)) {
                brain.owner.failed(why, now);
            }
            self.nodes[node].stale = true;
        }
        brain.decide |= std::mem::take(&mut brain.held_up) && result.is_ok();
        match purpose {
            Purpose::Own(group) => {
                let occurrence = match result {
                    Ok(_) => Occurrence::Stored,
                    Err(Unwritten::Conflict) => Occurrence::Conflict,
                    Err(Unwritten::Failed) => Occurrence::Unwritten,
                };
                self.count(node, brain, &group, occurrence);
                let news = brain.owner.written(&group, result, now);
                if let (Ok(revision), Some(index)) = (result, self.group_at(&group)) {
                    let newest = brain.seen.entry(Key::Own(index)).or_insert(revision);
                    *newest = revision.max(*newest);
                }
                if news {
                    brain.refresh_owner(&group);
                    self.settle(node, brain, &group);
                }
            }
            Purpose::Record(of, record) => {
                brain.busy.remove(&of);
                if let Ok(revision) = result {
                    self.takes_paper(
                        node,
                        brain,
                        Key::Record(of),
                        revision,
                        &Arc::new(Paper::Record(*record)),
                    );
                }
            }
            Purpose::State(states) => {
                for (group, state) in states {
                    match (result, self.group_at(&group)) {
                        // As by its watch: what is said and not stored is nothing to decide by.
                        (Ok(revision), Some(index)) => {
                            let paper = Arc::new(Paper::State(state));
                            self.takes_paper(node, brain, Key::State(index), revision, &paper);
                        }
                        (Err(_), _) if brain.said.get(&group) == Some(&state) => {
                            brain.said.remove(&group);
                            brain.unsaid = true;
                        }
                        (Ok(_) | Err(_), _) => {}
                    }
                }
            }
            Purpose::Configuration(write, groups) => {
                for group in &groups {
                    if let Ok(revision) = result {
                        brain.seen.insert(Key::Configuration(*group), revision);
                    }
                }
                let result = result.map(drop).map_err(|_| Code::ERROR_OPERATION_ABORTED);
                brain.tell(Event::Written { write, result }, now);
                for group in groups {
                    brain.refresh(&self.groups[group]);
                }
            }
        }
    }

    /// What became of these writes is not known.
    pub(crate) fn overdue(&mut self, node: usize) {
        let Some(mut brain) = self.nodes[node].brain.take() else { return };
        let late: Vec<u64> = brain
            .writes
            .iter()
            .filter(|(_, (_, until))| *until <= self.now)
            .map(|(token, _)| *token)
            .collect();
        for token in late {
            // Of the configuration nothing is told before it is known.
            if let Some((Purpose::Configuration(..), until)) = brain.writes.get_mut(&token) {
                *until = self.now + SECOND;
                self.send(node, Ask::Settle { token });
            } else if let Some((purpose, _)) = brain.writes.remove(&token) {
                self.ended_write(node, &mut brain, purpose, Err(Unwritten::Failed));
            }
        }
        self.nodes[node].brain = Some(brain);
    }

    pub(crate) fn group_at(&self, group: &GroupName) -> Option<usize> {
        self.group_numbers.get(group).copied()
    }

    // The store.

    /// A guarded write arrives at the store.
    pub(crate) fn put_papers(&mut self, request: &Request) {
        let Ask::Papers { token, guards, puts } = &request.ask else { return };
        let once = puts.iter().any(|(key, _)| matches!(key, Key::Configuration(_)));
        let lane = (request.from, request.epoch, *token);
        if let Some(settled) = self.settled.get(&lane).copied() {
            return self.answer(request, Input::Wrote(*token, settled));
        }
        let blind = self.mutants.has(Mutant::AssignBlind);
        let holds = guards.iter().all(|(key, revision)| {
            let have = self.store.now.papers.get(key).map(|document| document.revision);
            have == *revision || blind && matches!(key, Key::Own(_))
        });
        if !holds {
            if once {
                self.settled.insert(lane, Err(Unwritten::Conflict));
            }
            return self.answer(request, Input::Wrote(*token, Err(Unwritten::Conflict)));
        }
        for (key, paper) in puts {
            if let (Key::Own(group), Paper::Own(document)) = (key, &**paper) {
                self.check_own(*group, document);
            }
            if let Key::Configuration(group) = key {
                self.wishes[*group] += 1;
            }
        }
        let revision = self.store.put_papers(puts);
        if once {
            self.settled.insert(lane, Ok(revision));
        }
        for (key, paper) in puts {
            for node in 0..self.nodes.len() {
                if node != request.from {
                    self.announce(node, Input::Paper(*key, revision, Arc::clone(paper)));
                }
            }
        }
        self.answer(request, Input::Wrote(*token, Ok(revision)));
    }

    /// A write whose answer was lost is settled: it has happened, or never will.
    pub(crate) fn settle_write(&mut self, request: &Request, token: u64) {
        let lane = (request.from, request.epoch, token);
        let settled = *self.settled.entry(lane).or_insert(Err(Unwritten::Failed));
        self.answer(request, Input::Wrote(token, settled));
    }

    /// What must hold of an owner's document after the one before it.
    fn check_own(&mut self, group: usize, next: &Ownership) {
        if let OwnerState::Assigned = next.state
            && let Some(node) = self.numbers.get(&next.node)
        {
            self.committed[group].insert((next.generation, *node, Sid(next.session)));
        }
        let limit = match self.config.groups.get(&self.groups[group]).map(|config| config.failover_threshold)
        {
            Some(u32::MAX) | None => self.names.len().saturating_sub(1),
            Some(threshold) => usize::try_from(threshold).unwrap_or(usize::MAX),
        };
        let failovers = &mut self.failovers[group];
        if next.arrival.kind == ArrivalKind::Failover {
            failovers.insert(next.generation);
        }
        if failovers.len() > limit {
            let count = failovers.len();
            self.broken("I11", format!("group {group} fails over {count} times, {limit} are allowed"));
        }
        let Some(before) =
            self.store.now.papers.get(&Key::Own(group)).map(|document| Arc::clone(&document.value))
        else {
            return;
        };
        let Paper::Own(before) = &*before else { return };
        let same = next.generation == before.generation;
        if next.generation < before.generation
            || next.generation > before.generation + 1
            || same && (&next.node, next.session) != (&before.node, before.session)
            || same && before.state != OwnerState::Assigned && next.state == OwnerState::Assigned
        {
            self.broken("I2", format!("group {group} goes from {before:?} to {next:?}"));
        }
        if before.state == OwnerState::Assigned && (!same || next.state != OwnerState::Assigned) {
            self.nothing_lives(group, Sid(before.session), before.generation);
        }
        self.check_orders(group, before, next);
    }

    /// I7: an order that is stored ends, once, and its end is told.
    fn check_orders(&mut self, group: usize, before: &Ownership, next: &Ownership) {
        let ended = |document: &Ownership| document.outcome.as_ref().map_or(0, |outcome| outcome.id);
        let wrong = if next.orders < before.orders || ended(next) < ended(before) {
            Some("goes back to an order of before")
        } else if next.order.as_ref().is_some_and(|order| order.id != next.orders || order.id <= ended(next))
        {
            Some("has an order that has ended")
        } else if let Some(order) = &before.order
            && next.order.as_ref().is_none_or(|now| now.id != order.id)
            && ended(next) != order.id
        {
            Some("forgets its order")
        } else {
            None
        };
        if let Some(wrong) = wrong {
            self.broken("I7", format!("group {group} {wrong}: {before:?}, then {next:?}"));
        }
    }

    fn nothing_lives(&mut self, group: usize, sid: Sid, generation: u64) {
        for node in 0..self.nodes.len() {
            let of = &self.nodes[node];
            let lives = of.live[group].is_some_and(|live| live.sid == sid && live.generation == generation);
            if lives && of.asleep.is_none() {
                self.broken("I4", format!("group {group} is given away and lives on node {node}"));
            }
        }
    }

    /// Everything a node hears of when it lists.
    pub(crate) fn papers_listed(&mut self, node: usize, papers: &Papers) {
        for (key, document) in papers {
            self.sees_paper(node, *key, document.revision, &document.value);
        }
    }
}
