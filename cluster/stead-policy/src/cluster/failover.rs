//! A group that failed where it is: elsewhere, as long as its failovers last.

use std::collections::BTreeMap;
use std::time::Duration;

use stead_types::{Code, GroupName, MoveFlags, NodeName, Time};

use super::coordinator::{Gift, Round};
use super::decision::Freed;
use super::ownership::{ArrivalKind, Cause, Failover, Ownership};
use super::place::{Placement, Wish};
use super::situation::{GroupFacts, Owned};

/// As they go into a document.
pub(super) fn copied(failovers: &[&Failover]) -> Vec<Failover> {
    failovers.iter().copied().cloned().collect()
}

impl<'s> Round<'_, 's> {
    /// How long a failover counts.
    fn period(&self, facts: &GroupFacts) -> Duration {
        facts.rules.failover_period.max(self.situation.settings.failover_counts_at_least)
    }

    /// The failovers that still count. Whoever counts remembers when it first saw each: a new coordinator counts them
    /// longer, never shorter.
    pub(super) fn recent<'o>(
        &mut self,
        name: &GroupName,
        facts: &GroupFacts,
        own: &'o Ownership,
    ) -> Vec<&'o Failover> {
        let mut recent = Vec::new();
        if own.failovers.is_empty() {
            return recent;
        }
        let period = self.period(facts);
        let memory = &mut *self.memory;
        let seen = match memory.failovers.get_mut(name) {
            Some(seen) => seen,
            None => memory.failovers.entry(name.clone()).or_default(),
        };
        let mut wake: Option<Time> = None;
        for failover in &own.failovers {
            let ends = seen.entry(failover.generation).or_insert(self.now).after(period);
            if ends > self.now {
                wake = Some(wake.map_or(ends, |before| before.min(ends)));
                recent.push(failover);
            }
        }
        if let Some(at) = wake {
            memory.wake(at);
        }
        recent
    }

    /// Nodes on which this failure has been already, the present one included. Where the group was online before it
    /// failed, the failure is a new one.
    pub(super) fn failed_on(
        &mut self,
        name: &GroupName,
        facts: &GroupFacts,
        own: &Ownership,
    ) -> BTreeMap<NodeName, String> {
        let why = || "is where it failed".to_owned();
        let mut nodes = BTreeMap::from([(own.node.clone(), why())]);
        if facts.current().is_some_and(|published| published.served) {
            return nodes;
        }
        // A move failed there, and it came back to fail here as well.
        if let (ArrivalKind::Return, Some(source)) = (own.arrival.kind, &own.arrival.source) {
            nodes.insert(source.clone(), why());
        }
        for failover in self.recent(name, facts, own).iter().rev() {
            nodes.insert(failover.from.clone(), why());
            if failover.served {
                break;
            }
        }
        nodes
    }

    /// Where a failed group goes; why nowhere, if so.
    fn refuge(
        &mut self,
        name: &GroupName,
        facts: &GroupFacts,
        own: &Ownership,
    ) -> Result<(NodeName, Placement), String> {
        let used = self.recent(name, facts, own).len();
        let limit = match facts.rules.failover_threshold {
            u32::MAX => self.situation.nodes.len().saturating_sub(1),
            threshold => usize::try_from(threshold).unwrap_or(usize::MAX),
        };
        if used >= limit {
            let minutes = self.period(facts).as_secs() / 60;
            let within = if minutes < 60 { format!("{minutes} min") } else { format!("{} h", minutes / 60) };
            return Err(format!(
                "it failed on {}, and its failovers are used up: {used} of {limit} within {within}",
                own.node
            ));
        }
        let excluding = self.failed_on(name, facts, own);
        let wish = Wish { excluding: Some(&excluding), ..Wish::default() };
        let placement = self.survey.place(name, facts, wish);
        match placement.chosen.clone() {
            Some(to) => Ok((to, placement)),
            None => Err(format!(
                "it failed on {}, and no other node can take it: {}",
                own.node,
                placement.obstacles()
            )),
        }
    }

    /// Its owner is there and has given up on some of its resources.
    pub(super) fn fail_over(&mut self, name: &'s GroupName, facts: &'s GroupFacts, owned: &'s Owned) {
        match self.refuge(name, facts, &owned.document) {
            Ok(_) if !self.may_try(name, &owned.document, Cause::Failover) => {}
            // It may have failed for want of them, and would fail everywhere.
            Ok(_) if self.waits_for_providers(name, facts) => {}
            Ok((to, placement)) => {
                let to = (&to, placement.reasons());
                self.order(name, facts, owned, to, (Cause::Failover, MoveFlags::NONE));
            }
            Err(why) => self.hold((name, facts, owned), why, (1254, Code::ERROR_RESOURCE_FAILED)),
        }
    }

    /// It failed, and its owner has nothing of it left.
    pub(super) fn fail_over_released(
        &mut self,
        name: &'s GroupName,
        facts: &'s GroupFacts,
        owned: &'s Owned,
    ) {
        let own = &owned.document;
        let outcome = own
            .order
            .as_ref()
            .map(|order| order.ended(Code::ERROR_RESOURCE_FAILED, own.generation + 1, "it failed meanwhile"));
        let why = match self.refuge(name, facts, own) {
            Ok(_) if self.waits_for_providers(name, facts) => return,
            Ok((to, placement)) => {
                let cause = Some(Cause::Failover);
                let gift = Gift::new(Freed::Released, ArrivalKind::Failover, true);
                let gift = Gift { cause, outcome, counts: true, ..gift };
                self.give(name, facts, &to, placement.reasons(), gift);
                return;
            }
            Err(why) => why,
        };
        // Somebody has to own it. It stays offline there until it is asked for.
        let home = self.survey.at(&own.node).filter(|at| self.survey.obstacle(name, facts, *at).is_none());
        let placement = self.survey.place(name, facts, Wish::default());
        let to = if home.is_some() { Some(own.node.clone()) } else { placement.chosen.clone() };
        match to {
            Some(to) => {
                let text = format!("group \"{name}\": {why}");
                let cause = Some(Cause::Failover);
                let gift = Gift { cause, ..Gift::new(Freed::Released, ArrivalKind::Return, false) };
                let reasons = vec![format!("{to}: chosen: somebody has to own it")];
                self.give(name, facts, &to, reasons, Gift { outcome, held: Some(why), ..gift });
                self.record((1254, crate::Level::Error), Some(name), Code::ERROR_RESOURCE_FAILED, text);
            }
            None => self.cannot_place(name, facts, owned, &placement),
        }
    }

    /// A move failed at its destination, and asked to go back then.
    pub(super) fn bring_back(
        &mut self,
        name: &'s GroupName,
        facts: &'s GroupFacts,
        owned: &'s Owned,
        code: Code,
    ) {
        let own = &owned.document;
        let source = own.arrival.source.as_ref().filter(|source| {
            self.survey.at(source).is_some_and(|at| {
                self.survey.obstacle(name, facts, at).is_none() || self.stays(facts, at, own)
            })
        });
        let Some(to) = source else {
            self.fail_over_released(name, facts, owned);
            return;
        };
        let mut outcome = own.outcome.clone();
        if let Some(last) = &mut outcome {
            last.code = code;
            last.generation = own.generation.saturating_add(1);
            last.detail = format!("it failed on {} and goes back to {to}", own.node);
        }
        let reasons = vec![format!("{to}: chosen: it came from there, and failed on {}", own.node)];
        let gift = Gift::new(Freed::Released, ArrivalKind::Return, true);
        self.give(name, facts, to, reasons, Gift { flags: own.arrival.flags, outcome, ..gift });
    }

    /// A drain said that what fails elsewhere stays on the paused node.
    fn stays(&self, facts: &GroupFacts, at: usize, own: &Ownership) -> bool {
        let Some(place) = self.survey.places.get(at) else { return false };
        let record = &place.facts.record;
        let drained = match own.arrival.cause {
            Some(Cause::Drain(id)) => record.drain.as_ref().is_some_and(|drain| {
                drain.id == id
                    && drain.flags.contains(stead_types::PauseFlags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR)
            }),
            Some(Cause::Operator | Cause::Failback | Cause::Failover | Cause::Shutdown) | None => false,
        };
        drained
            && place.facts.session.alive().is_some()
            && !place.facts.leaving()
            && record.quarantine.is_none()
            && self.survey.unfit(facts, at).is_none()
    }
}
