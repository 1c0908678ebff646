//! Nodes: counting those that leave without a word, keeping them out, emptying those that are drained or shut down.

use stead_types::{Code, GroupName, GroupState, MoveFlags, NodeName, PauseFlags};

use super::coordinator::Round;
use super::decision::{Decision, Guard};
use super::ownership::{Cause, OwnerState};
use super::place::{Wish, closed};
use super::situation::{Drain, DrainStatus, GroupFacts, NodeFacts, NodeRecord, Owned, Quarantine, Session};
use super::survey::hosted;
use crate::action::Level;

/// A group on a node that is emptied.
struct Guest<'s> {
    name: &'s GroupName,
    facts: &'s GroupFacts,
    owned: &'s Owned,
}

impl<'s> Round<'_, 's> {
    /// Counts losses, begins and ends quarantines.
    pub(super) fn nodes(&mut self) {
        let situation = self.situation;
        let mut kept_out = situation.nodes.values().filter(|node| node.record.quarantine.is_some()).count();
        for (name, facts) in &situation.nodes {
            if self.blameless(name, facts) {
                continue;
            }
            let mut record = self.with_losses(name, facts);
            let settings = &situation.settings;
            let mut events = Vec::new();
            // One that counts no longer may go as another comes.
            if record.losses.iter().any(|sid| !facts.record.losses.contains(sid)) {
                events.push((
                    1135,
                    Level::Critical,
                    format!("node \"{name}\" is down: it left without a word"),
                ));
            }
            if let Some(quarantine) = &record.quarantine {
                let since = (name.clone(), quarantine.since);
                let seen = *self.memory.quarantines.entry(since).or_insert(self.now);
                if let Some(duration) = settings.quarantine_duration {
                    let ends = seen.after(duration);
                    if ends <= self.now {
                        record = record.pardoned(facts.session);
                        events.push((
                            10_030,
                            Level::Information,
                            format!("node {name} is no longer quarantined: its time is over"),
                        ));
                    } else {
                        self.memory.wake(ends);
                    }
                }
            } else if settings.quarantine_threshold > 0
                && record.losses.len() >= usize::try_from(settings.quarantine_threshold).unwrap_or(usize::MAX)
                && !self.owns(facts)
                && kept_out < (situation.nodes.len() / 4).max(1)
                && situation.nodes.iter().any(|(other, facts)| other != name && closed(facts).is_none())
                && let Some(since) = record.losses.last().copied()
            {
                kept_out += 1;
                if let Some(place) = self.survey.at(name).and_then(|at| self.survey.places.get_mut(at)) {
                    place.kept_out = true;
                }
                let reason = format!(
                    "it left {} times without a word within {} min",
                    record.losses.len(),
                    settings.quarantine_window.as_secs() / 60
                );
                events.push((
                    1672,
                    Level::Critical,
                    format!("node {name} is quarantined: {reason}; it takes no groups until that is over"),
                ));
                record.quarantine = Some(Quarantine { since, reason, told_ms: None });
            }
            if record != facts.record {
                self.node(name, facts, record);
                for (id, level, text) in events {
                    self.record((id, level), None, Code::SUCCESS, text);
                }
            }
        }
    }

    /// True if there is nothing to count of a node, and nothing that ends.
    fn blameless(&self, name: &NodeName, facts: &NodeFacts) -> bool {
        let lost = || self.memory.lost.iter().any(|(node, _)| node == name);
        let dead = matches!(facts.session, Session::Dead { .. });
        !dead && facts.record.losses.is_empty() && facts.record.quarantine.is_none() && !lost()
    }

    /// True if the node's session has a group: it is too late to keep it out.
    fn owns(&self, facts: &NodeFacts) -> bool {
        facts.session.alive().is_some_and(|sid| {
            let mut owned = self.situation.groups.values().filter_map(|group| group.owned.as_ref());
            owned.any(|owned| owned.document.session == sid)
        })
    }

    /// The record with the losses that count now. Whoever counts remembers when it first saw each.
    fn with_losses(&mut self, name: &NodeName, facts: &NodeFacts) -> NodeRecord {
        let mut record = facts.record.clone();
        let dead = match facts.session {
            Session::Dead { sid } => Some(sid),
            Session::Never | Session::Alive { .. } | Session::Left { .. } => None,
        };
        let unseen = self.memory.lost.iter().filter(|(node, _)| node == name).map(|(_, sid)| *sid);
        for sid in unseen.chain(dead) {
            if !record.losses.contains(&sid) {
                record.losses.push(sid);
            }
        }
        let window = self.situation.settings.quarantine_window;
        let mut kept = Vec::new();
        for sid in record.losses {
            // The last session stays while it is the last one, or it would be taken for a new loss.
            let last = facts.session == Session::Dead { sid };
            let ends = if facts.record.losses.contains(&sid) {
                self.memory.losses.entry((name.clone(), sid)).or_insert(self.now).after(window)
            } else {
                self.now.after(window)
            };
            if ends > self.now {
                self.memory.wake(ends);
            }
            if ends > self.now || last {
                kept.push(sid);
            }
        }
        record.losses = kept;
        record
    }

    fn node(&mut self, name: &NodeName, facts: &NodeFacts, record: NodeRecord) {
        let guard = facts.revision.map_or(Guard::Absent, Guard::At);
        self.decisions.push(Decision::Node { node: name.clone(), guard, record: Box::new(record) });
    }

    /// Moves groups away from nodes that are drained or shut down, the important ones first, a few at a time.
    pub(super) fn evacuate(&mut self, order: &[(&'s GroupName, &'s GroupFacts)]) {
        for (node, facts) in &self.situation.nodes {
            if !facts.leaving() && facts.draining().is_none() {
                continue;
            }
            let mut moving = 0;
            let mut guests = Vec::new();
            for (name, group) in order {
                let Some(owned) = &group.owned else { continue };
                if owned.document.node != *node {
                    moving +=
                        usize::from(facts.draining().is_some_and(|drain| undecided(node, drain, group)));
                    continue;
                }
                // What is released is away, even where nobody can take it, unless it may come back.
                if owned.document.state != OwnerState::Assigned {
                    let remains = facts.draining().is_some_and(remains) && owned.document.order.is_some();
                    moving += usize::from(remains);
                    continue;
                }
                if owned.document.order.is_some() {
                    moving += 1;
                } else if hosted(self.situation, &owned.document) {
                    guests.push(Guest { name, facts: group, owned });
                }
            }
            if facts.leaving() {
                // The whole cluster shuts down.
                if !self.situation.nodes.values().any(|node| closed(node).is_none()) {
                    continue;
                }
                for guest in guests {
                    let how = (Cause::Shutdown, MoveFlags::NONE);
                    // Where it failed, that is the reason to tell.
                    if let Err(why) = self.send_away(&guest, None, how, &mut moving)
                        && !guest.facts.failing()
                    {
                        let why = format!("its node {node} shuts down, and {why}");
                        let code = Code::ERROR_NODE_CANT_HOST_RESOURCE;
                        self.hold((guest.name, guest.facts, guest.owned), why, (1137, code));
                    }
                }
            } else if let Some(drain) = facts.draining() {
                self.drain(node, facts, drain, guests, moving);
            }
        }
    }

    fn drain(
        &mut self,
        node: &NodeName,
        facts: &NodeFacts,
        drain: &Drain,
        guests: Vec<Guest<'s>>,
        mut moving: usize,
    ) {
        let cause = Cause::Drain(drain.id);
        let flags = if remains(drain) { MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR } else { MoveFlags::NONE };
        let retry = drain.flags.contains(PauseFlags::RETRY_DRAIN_ON_FAILURE);
        let mut stuck: Vec<(&GroupName, Code, String)> = Vec::new();
        for guest in &guests {
            let last = guest.owned.document.outcome.as_ref().filter(|last| {
                let refused =
                    last.cause == Cause::Failover && last.generation == guest.owned.document.generation;
                (last.cause == cause || refused) && !last.code.is_success() && !self.failing(guest)
            });
            if let Some(last) = last {
                if !retry {
                    stuck.push((guest.name, last.code, last.detail.clone()));
                    continue;
                }
                if !self.may_try(guest.name, &guest.owned.document, cause) {
                    moving += 1;
                    continue;
                }
            }
            if let Err(why) = self.send_away(guest, drain.target.as_ref(), (cause, flags), &mut moving) {
                stuck.push((guest.name, Code::ERROR_NODE_CANT_HOST_RESOURCE, why));
            }
        }
        // One write of a document a decision: what was counted of the node comes first, the drain's end with the next.
        let written = self.decisions.iter().any(|decision| match decision {
            Decision::Node { node: other, .. } => other == node,
            Decision::Assign { .. }
            | Decision::Order { .. }
            | Decision::Amend { .. }
            | Decision::Record(_) => false,
        });
        if written || moving > 0 || guests.len() > stuck.len() {
            return;
        }
        let status = if stuck.is_empty() { DrainStatus::Completed } else { DrainStatus::Failed };
        let record = NodeRecord { drain: Some(Drain { status, ..drain.clone() }), ..facts.record.clone() };
        self.node(node, facts, record);
        for (group, code, why) in &stuck {
            let text = format!("group \"{group}\" could not be moved away from {node}: {why}");
            self.record((1137, Level::Error), Some(group), *code, text);
        }
        let (level, text) = match stuck.len() {
            1 => (Level::Warning, format!("node {node} is drained, but for a group that stays on it")),
            0 => (Level::Information, format!("node {node} is drained")),
            left => {
                (Level::Warning, format!("node {node} is drained, but for {left} groups that stay on it"))
            }
        };
        self.record((10_031, level), None, Code::SUCCESS, text);
    }

    /// A failover is decided apart, and goes first.
    fn failing(&self, guest: &Guest<'_>) -> bool {
        self.decisions.iter().any(|decision| decision.group() == Some(guest.name))
    }

    /// Orders a group away, unless enough are on their way.
    ///
    /// # Errors
    /// Why no node can take it.
    fn send_away(
        &mut self,
        guest: &Guest<'s>,
        target: Option<&NodeName>,
        (cause, flags): (Cause, MoveFlags),
        moving: &mut usize,
    ) -> Result<(), String> {
        if self.failing(guest) {
            *moving += 1;
            return Ok(());
        }
        let last = guest.owned.document.outcome.as_ref();
        if cause == Cause::Shutdown
            && last.is_some_and(|last| {
                last.cause == cause
                    && !last.code.is_success()
                    && last.generation == guest.owned.document.generation
            })
        {
            return Err("it could not be moved".to_owned());
        }
        let now = *moving < self.situation.settings.drained_at_once.max(1);
        let (to, reasons) = match target {
            Some(target) => match self.survey.at(target) {
                None => return Err(format!("the drain's target {target} is no node of this cluster")),
                Some(at) => match self.survey.obstacle(guest.name, guest.facts, at) {
                    Some((_, why)) => return Err(format!("the drain's target {target} {why}")),
                    None => (target.clone(), vec![format!("{target}: chosen: the target of the drain")]),
                },
            },
            None => {
                let placement = self.survey.place(guest.name, guest.facts, Wish::default());
                match placement.chosen.clone() {
                    Some(to) => (to, if now { placement.reasons() } else { Vec::new() }),
                    None => return Err(format!("no node can take it: {}", placement.obstacles())),
                }
            }
        };
        if now {
            self.order(guest.name, guest.facts, guest.owned, (&to, reasons), (cause, flags));
        }
        *moving += 1;
        Ok(())
    }
}

/// Whether groups that fail elsewhere come back to the node that is drained.
fn remains(drain: &Drain) -> bool {
    drain.flags.contains(PauseFlags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR)
}

/// Whether a group that a drain moved may still come back because it fails where it went.
fn undecided(node: &NodeName, drain: &Drain, group: &GroupFacts) -> bool {
    let Some(own) = group.owned.as_ref().map(|owned| &owned.document) else { return false };
    let settled = match group.current().map(|published| published.state) {
        None | Some(GroupState::Pending) => false,
        Some(GroupState::Online | GroupState::PartialOnline | GroupState::Offline | GroupState::Failed) => {
            true
        }
    };
    remains(drain)
        && own.arrival.cause == Some(Cause::Drain(drain.id))
        && own.arrival.source.as_ref() == Some(node)
        && !settled
}
