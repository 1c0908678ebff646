//! The decision: every group is looked at as it is, and given what it lacks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stead_types::{Code, GroupName, GroupState, MoveFlags, NodeName, Time};

use super::decision::{Decision, Freed, Guard};
use super::failover::copied;
use super::ownership::{
    Arrival, ArrivalKind, Cause, Failover, OrderWish, Outcome, OwnerState, Ownership, Release,
};
use super::place::{Placement, Wish, closed};
use super::situation::{GroupFacts, Owned, Session, Situation};
use super::survey::{Survey, Tenancy, hosted, over, tenancy};
use crate::action::{Level, Record};
use crate::config::ColdStart;
use crate::request::InBuffers;

/// For how long what is written about a group stays, at least.
const AMENDED: Duration = Duration::from_secs(1);

/// Who places groups. It remembers when it first saw things, and nothing it could not lose.
#[derive(Debug, Default)]
pub struct Coordinator {
    /// When each failover, failed order, loss of a node and quarantine was first seen.
    pub(super) failovers: BTreeMap<GroupName, BTreeMap<u64, Time>>,
    pub(super) outcomes: BTreeMap<(GroupName, u64), Time>,
    pub(super) losses: BTreeMap<(NodeName, u128), Time>,
    pub(super) quarantines: BTreeMap<(NodeName, u128), Time>,
    /// Since when a group waits for its providers, and since when each of these is ready.
    pub(super) waiting: BTreeMap<GroupName, Time>,
    pub(super) ready: BTreeMap<(GroupName, String), Time>,
    /// The session each node was last seen with, and those that were followed by another one without a word.
    last: BTreeMap<NodeName, u128>,
    pub(super) lost: BTreeSet<(NodeName, u128)>,
    /// Why a group is not placed yet.
    pub(super) waits: BTreeMap<GroupName, String>,
    /// The revision each group's document was last amended at, and when.
    amended: BTreeMap<GroupName, (u64, Time)>,
    /// How old each session was when it was first seen, and those that were renewed since.
    ages: BTreeMap<u128, Duration>,
    renewed: BTreeSet<u128>,
    /// The sessions that owned something at the first look.
    first_owners: Option<BTreeSet<u128>>,
    /// The cluster runs: it is not just starting.
    formed: bool,
    timeout: Option<Time>,
}

/// One decision in the making.
pub(super) struct Round<'m, 's> {
    pub(super) memory: &'m mut Coordinator,
    pub(super) situation: &'s Situation,
    pub(super) survey: Survey<'s>,
    pub(super) now: Time,
    /// The cluster is just starting; how much longer groups wait for their preferred owners.
    pub(super) forming: Option<Duration>,
    pub(super) decisions: Vec<Decision>,
}

/// What an assignment is made of, beside the node.
pub(super) struct Gift {
    pub(super) freed: Freed,
    pub(super) kind: ArrivalKind,
    pub(super) cause: Option<Cause>,
    pub(super) flags: MoveFlags,
    pub(super) in_buffers: InBuffers,
    pub(super) start: bool,
    pub(super) outcome: Option<Outcome>,
    /// It counts as a failover.
    pub(super) counts: bool,
    pub(super) held: Option<String>,
}

impl Gift {
    pub(super) fn new(freed: Freed, kind: ArrivalKind, start: bool) -> Self {
        Gift {
            freed,
            kind,
            cause: None,
            flags: MoveFlags::NONE,
            in_buffers: InBuffers::new(),
            start,
            outcome: None,
            counts: false,
            held: None,
        }
    }
}

impl Coordinator {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Coordinator::default()
    }

    /// What is to be done now, in the order in which it is to be done: what matters more comes first. Call it whenever
    /// the situation has changed and at [`Coordinator::next_timeout`]. The same situation at the same time gives the
    /// same decisions; nothing is remembered of having decided.
    pub fn decide(&mut self, situation: &Situation, now: Time) -> Vec<Decision> {
        self.timeout = None;
        self.waits.clear();
        self.forget(situation);
        let forming = self.forming(situation);
        let survey = Survey::new(situation);
        let mut round = Round { memory: self, situation, survey, now, forming, decisions: Vec::new() };
        round.nodes();
        let mut order: Vec<(&GroupName, &GroupFacts)> = situation.groups.iter().collect();
        order.sort_by_cached_key(|(_, facts)| std::cmp::Reverse((hurried(facts), facts.rules.priority)));
        for (name, facts) in &order {
            round.group(name, facts);
        }
        round.evacuate(&order);
        round.decisions
    }

    /// When to decide again although nothing has changed.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.timeout
    }

    /// Why a group that could be placed is not yet, as of the last decision.
    #[must_use]
    pub fn waits(&self, group: &GroupName) -> Option<&str> {
        self.waits.get(group).map(String::as_str)
    }

    pub(super) fn wake(&mut self, at: Time) {
        self.timeout = Some(self.timeout.map_or(at, |before| before.min(at)));
    }

    /// Drops what is remembered of things that are gone, and notices sessions that were replaced between two looks.
    fn forget(&mut self, situation: &Situation) {
        let document = |group: &GroupName| {
            situation.groups.get(group).and_then(|facts| facts.owned.as_ref()).map(|owned| &owned.document)
        };
        self.failovers.retain(|group, seen| {
            let own = document(group);
            let counted = |generation: &u64| {
                own.is_some_and(|own| own.failovers.iter().any(|failover| failover.generation == *generation))
            };
            seen.retain(|generation, _| counted(generation));
            !seen.is_empty()
        });
        self.outcomes.retain(|(group, id), _| {
            document(group).is_some_and(|own| own.outcome.as_ref().is_some_and(|last| last.id == *id))
        });
        self.losses.retain(|(node, sid), _| {
            situation.nodes.get(node).is_some_and(|facts| facts.record.losses.contains(sid))
        });
        self.lost.retain(|(node, sid)| {
            situation.nodes.get(node).is_some_and(|facts| !facts.record.losses.contains(sid))
        });
        for (node, facts) in &situation.nodes {
            match facts.session {
                Session::Never => {}
                Session::Alive { sid, .. } => {
                    if let Some(before) = self.last.insert(node.clone(), sid)
                        && before != sid
                    {
                        self.lost.insert((node.clone(), before));
                    }
                }
                Session::Dead { .. } | Session::Left { .. } => drop(self.last.remove(node)),
            }
        }
        self.quarantines.retain(|(node, since), _| {
            situation.nodes.get(node).is_some_and(|facts| {
                facts.record.quarantine.as_ref().is_some_and(|quarantine| quarantine.since == *since)
            })
        });
        let placed = |group: &GroupName| {
            document(group).is_some_and(|own| hosted(situation, own))
                && !situation.groups.get(group).is_some_and(GroupFacts::failing)
        };
        self.amended.retain(|group, _| document(group).is_some());
        self.waiting.retain(|group, _| situation.groups.contains_key(group) && !placed(group));
        self.ready.retain(|(group, _), _| situation.groups.contains_key(group) && !placed(group));
    }

    /// How much longer groups wait for their preferred owners, if the cluster is just starting. It is not if a session
    /// that owned something when this coordinator first looked has been renewed since, or if any session is older than
    /// the wait.
    fn forming(&mut self, situation: &Situation) -> Option<Duration> {
        let documents = situation.groups.values().filter_map(|facts| facts.owned.as_ref());
        let owners = documents.map(|owned| owned.document.session);
        let mut oldest = Duration::ZERO;
        for node in situation.nodes.values() {
            if let Session::Alive { sid, age } = node.session {
                oldest = oldest.max(age);
                let first = *self.ages.entry(sid).or_insert(age);
                if age > first {
                    self.renewed.insert(sid);
                }
            }
        }
        let known = |sid: &u128| {
            let mut sessions = situation.nodes.values();
            sessions.any(|node| node.session.alive() == Some(*sid))
                || owners.clone().any(|owner| owner == *sid)
        };
        self.ages.retain(|sid, _| known(sid));
        self.renewed.retain(known);
        let first = self.first_owners.get_or_insert_with(|| owners.clone().collect());
        self.formed |= first.iter().any(|sid| self.renewed.contains(sid));
        let delay = situation.settings.group_wait_delay;
        self.formed |= oldest >= delay;
        (!self.formed).then(|| delay.saturating_sub(oldest))
    }
}

impl<'s> Round<'_, 's> {
    fn group(&mut self, name: &'s GroupName, facts: &'s GroupFacts) {
        let Some(owned) = &facts.owned else {
            let start = self.starts(facts, true);
            self.start(name, facts, Gift::new(Freed::Never, ArrivalKind::First, start));
            return;
        };
        let document = &owned.document;
        match document.state {
            OwnerState::Released(release) => self.released(name, facts, owned, release),
            OwnerState::Assigned => match tenancy(self.situation, document) {
                Tenancy::Over => self.take_over(name, facts, owned),
                Tenancy::There => self.hosted(name, facts, owned),
                // It may still have the group.
                Tenancy::Unknown => {}
            },
        }
    }

    /// Whether a group that nobody has now starts where it comes to. `asked` is whether it would have run where it was.
    fn starts(&self, facts: &GroupFacts, asked: bool) -> bool {
        if facts.rules.priority == 0 {
            return false;
        }
        if !self.cold(facts) {
            return asked;
        }
        match facts.rules.cold_start {
            ColdStart::Always | ColdStart::Allowed => true,
            ColdStart::DoNotStart => false,
        }
    }

    /// True if a group starts because the cluster does: it has not been lost by a node that was seen to live.
    fn cold(&self, facts: &GroupFacts) -> bool {
        let seen = |session: &u128| {
            // What it owns was given to it since this coordinator first looked, or it renewed it since.
            let first = self.memory.first_owners.as_ref();
            first.is_some_and(|first| !first.contains(session)) || self.memory.renewed.contains(session)
        };
        let lost = facts.owned.as_ref().is_some_and(|owned| seen(&owned.document.session));
        self.forming.is_some() && !lost
    }

    fn take_over(&mut self, name: &'s GroupName, facts: &'s GroupFacts, owned: &'s Owned) {
        let document = &owned.document;
        let start = self.starts(facts, runs(facts, document));
        let freed = Freed::SessionOver { node: document.node.clone(), session: document.session };
        let outcome = overtaken(document, "its node died before");
        let (flags, in_buffers) = interrupted(facts, document);
        let gift = Gift { outcome, flags, in_buffers, ..Gift::new(freed, ArrivalKind::Takeover, start) };
        let mut gift = Some(gift);
        if self.held_for_confirmation(name, facts, owned, &mut gift) {
            return;
        }
        let Some(gift) = gift else { return };
        // Where it was going anyway.
        if let Some(to) = document.order.as_ref().and_then(|order| order.to.as_ref())
            && let Some(at) = self.survey.at(to)
            && self.survey.obstacle(name, facts, at).is_none()
        {
            let reasons = vec![format!("{to}: chosen: it was being moved there when its node died")];
            self.give(name, facts, to, reasons, gift);
            return;
        }
        self.start(name, facts, gift);
    }

    fn released(&mut self, name: &'s GroupName, facts: &'s GroupFacts, owned: &'s Owned, release: Release) {
        match release {
            Release::Ordered => self.arrive(name, facts, owned),
            // Its node is gone since: whatever it failed of there may be gone as well.
            Release::Failed | Release::Returning { .. } if over(self.situation, &owned.document) => {
                let start = self.starts(facts, true);
                let outcome = overtaken(&owned.document, "its node left before");
                let gift = Gift::new(Freed::Released, ArrivalKind::Takeover, start);
                self.start(name, facts, Gift { outcome, ..gift });
            }
            Release::Failed => self.fail_over_released(name, facts, owned),
            Release::Returning { code } => self.bring_back(name, facts, owned, code),
            Release::Leaving => {
                let start = self.starts(facts, runs(facts, &owned.document));
                let outcome = overtaken(&owned.document, "its node left before");
                let gift = Gift::new(Freed::Released, ArrivalKind::Takeover, start);
                self.start(name, facts, Gift { cause: Some(Cause::Shutdown), outcome, ..gift });
            }
        }
    }

    /// The order was carried out as far as the source goes.
    fn arrive(&mut self, name: &'s GroupName, facts: &'s GroupFacts, owned: &'s Owned) {
        let document = &owned.document;
        let Some(order) = &document.order else {
            let gift = Gift::new(Freed::Released, ArrivalKind::Move, runs(facts, document));
            self.start(name, facts, gift);
            return;
        };
        let failed = order.cause == Cause::Failover;
        let ignore_affinity = order.flags.contains(MoveFlags::IGNORE_AFFINITY_RULE);
        let mut detail = String::new();
        let mut wanted = None;
        if let Some(to) = &order.to {
            let obstacle = match self.survey.at(to) {
                None => Some("is no node of this cluster any more".into()),
                Some(at) => self
                    .survey
                    .obstacle(name, facts, at)
                    .filter(|(code, _)| !ignore_affinity || *code != Code::ERROR_CLUSTER_AFFINITY_CONFLICT)
                    .map(|(_, why)| why),
            };
            match obstacle {
                None => wanted = Some(to.clone()),
                Some(why) => detail = format!("{to} {why}; "),
            }
        }
        let placement = match &wanted {
            Some(to) => Placement { chosen: Some(to.clone()), verdicts: Vec::new() },
            None => {
                let mut excluding =
                    if failed { self.failed_on(name, facts, document) } else { BTreeMap::new() };
                if order.to.is_none() {
                    excluding
                        .entry(document.node.clone())
                        .or_insert_with(|| "is where it is moved away from".to_owned());
                }
                let wish = Wish { excluding: Some(&excluding), cold: false, ignore_affinity };
                let first = self.survey.place(name, facts, wish);
                // Back where it was is better than nowhere.
                if first.chosen.is_none() {
                    self.survey.place(name, facts, Wish { excluding: None, ..wish })
                } else {
                    first
                }
            }
        };
        let Some(to) = placement.chosen.clone() else {
            self.cannot_place(name, facts, owned, &placement);
            return;
        };
        let code = if wanted.is_some() || order.to.is_none() && to != document.node {
            Code::SUCCESS
        } else {
            Code::ERROR_HOST_NODE_NOT_AVAILABLE
        };
        detail.push_str(&format!("it is on {to}"));
        let outcome = Some(order.ended(code, document.generation + 1, &detail));
        let reasons = if wanted.is_none() {
            placement.reasons()
        } else if order.reasons.is_empty() {
            vec![format!("{to}: chosen: {}, by {}", order.cause, order.asked_by)]
        } else {
            order.reasons.clone()
        };
        // Where it was before, everything is to be as it was.
        let back = to == document.node && !failed;
        let gift = Gift {
            freed: Freed::Released,
            kind: match (failed, back) {
                (true, _) => ArrivalKind::Failover,
                (false, true) => ArrivalKind::Return,
                (false, false) => ArrivalKind::Move,
            },
            cause: Some(order.cause),
            flags: if back { MoveFlags::NONE } else { order.flags },
            in_buffers: if back { InBuffers::new() } else { order.in_buffers.clone() },
            start: runs(facts, document),
            outcome,
            counts: failed,
            held: None,
        };
        self.give(name, facts, &to, reasons, gift);
    }

    /// Gives a group that nobody has to the best node, unless it has to wait.
    fn start(&mut self, name: &'s GroupName, facts: &'s GroupFacts, gift: Gift) {
        let starting = gift.start && facts.wanted_online;
        if starting && self.waits_for_providers(name, facts) {
            return;
        }
        let wish = Wish { cold: self.cold(facts), ..Wish::default() };
        let placement = self.survey.place(name, facts, wish);
        if starting && let Some(why) = self.better_expected(facts, &placement) {
            self.memory.waits.insert(name.clone(), why);
            return;
        }
        match (placement.chosen.clone(), &facts.owned) {
            (Some(to), _) => self.give(name, facts, &to, placement.reasons(), gift),
            (None, Some(owned)) => self.cannot_place(name, facts, owned, &placement),
            (None, None) => drop(self.memory.waits.insert(name.clone(), nobody(&placement))),
        }
    }

    /// Why a group waits although a node could take it: the cluster starts, and a preferred owner may still come.
    fn better_expected(&mut self, facts: &GroupFacts, placement: &Placement) -> Option<String> {
        let left = self.forming.filter(|left| !left.is_zero() && self.cold(facts))?;
        let preferred = &facts.rules.preferred_owners;
        if placement.chosen.as_ref().is_some_and(|chosen| preferred.contains(chosen)) {
            return None;
        }
        let expected = preferred.iter().find(|owner| {
            self.survey.at(owner).is_some_and(|at| {
                let down = self.survey.places.get(at).is_some_and(|at| at.facts.session.alive().is_none());
                down && self.survey.unfit(facts, at).is_none()
            })
        })?;
        self.memory.wake(self.now.after(left));
        Some(format!("the cluster starts; it waits for its preferred owner {expected}"))
    }

    /// Keeps a group as it is, and says why.
    pub(super) fn cannot_place(
        &mut self,
        name: &'s GroupName,
        facts: &GroupFacts,
        owned: &Owned,
        placement: &Placement,
    ) {
        if !facts.wanted_online || self.cold(facts) {
            self.memory.waits.insert(name.clone(), nobody(placement));
            return;
        }
        let code = Code::ERROR_HOST_NODE_NOT_AVAILABLE;
        self.hold((name, facts, owned), nobody(placement), (1205, code));
    }

    /// Writes why a group is not placed otherwise, with an event, unless it says so already.
    pub(super) fn hold(
        &mut self,
        (name, facts, owned): (&GroupName, &GroupFacts, &Owned),
        why: String,
        (id, code): (u32, Code),
    ) {
        let own: &Ownership = &owned.document;
        let told = own.held.as_ref() == Some(&why);
        let failovers = self.recent(name, facts, own);
        if told && failovers.len() == own.failovers.len() {
            return;
        }
        let failovers = copied(&failovers);
        let text = (!told).then(|| format!("group \"{name}\": {why}"));
        let amended = self.amend(name, owned, Ownership { held: Some(why), failovers, ..own.clone() });
        if let Some(text) = text.filter(|_| amended) {
            self.record((id, Level::Error), Some(name), code, text);
        }
    }

    /// Changes what is written about a group and not where it is. False, and nothing happens, while that has just been
    /// done: two that decide at once and do not see the same would undo each other's words as fast as the database stores
    /// them, and no other write would come between. Where there are no words yet, the first come at once.
    pub(super) fn amend(&mut self, name: &GroupName, owned: &Owned, document: Ownership) -> bool {
        let (revision, at) = *self.memory.amended.entry(name.clone()).or_insert((owned.revision, self.now));
        if revision != owned.revision {
            let again = at.after(AMENDED);
            if again > self.now && owned.document.held.is_some() {
                self.memory.wake(again);
                return false;
            }
            self.memory.amended.insert(name.clone(), (owned.revision, self.now));
        }
        let (group, guard) = (name.clone(), Guard::At(owned.revision));
        self.decisions.push(Decision::Amend { group, guard, document: Arc::new(document) });
        true
    }

    pub(super) fn order(
        &mut self,
        name: &'s GroupName,
        facts: &'s GroupFacts,
        owned: &Owned,
        (to, reasons): (&NodeName, Vec<String>),
        (cause, flags): (Cause, MoveFlags),
    ) {
        let wish = OrderWish {
            to: Some(to.clone()),
            flags,
            in_buffers: InBuffers::new(),
            asked_by: "coordinator".to_owned(),
            cause,
            reasons,
        };
        let failovers = copied(&self.recent(name, facts, &owned.document));
        let document = Ownership { held: None, failovers, ..owned.document.with_order(wish) };
        self.survey.unsettle(name, facts);
        if let Some(at) = self.survey.at(to) {
            self.survey.settle(name, facts, at);
        }
        let (group, guard) = (name.clone(), Guard::At(owned.revision));
        self.decisions.push(Decision::Order { group, guard, document: Arc::new(document) });
    }

    /// Gives a group to a node, which must be able to take it.
    pub(super) fn give(
        &mut self,
        name: &'s GroupName,
        facts: &'s GroupFacts,
        to: &NodeName,
        reasons: Vec<String>,
        gift: Gift,
    ) {
        let Some(at) = self.survey.at(to) else { return };
        let Some(session) = self.survey.places.get(at).and_then(|place| place.facts.session.alive()) else {
            return;
        };
        let before = facts.owned.as_ref();
        let old = before.map(|owned| &*owned.document);
        let generation = old.map_or(1, |old| old.generation.saturating_add(1));
        let mut failovers = old.map(|old| copied(&self.recent(name, facts, old))).unwrap_or_default();
        if gift.counts
            && let Some(old) = old
        {
            let served = facts.current().is_some_and(|published| published.served);
            failovers.push(Failover { generation, from: old.node.clone(), served });
        }
        let document = Ownership {
            generation,
            node: to.clone(),
            session,
            state: OwnerState::Assigned,
            arrival: Arrival {
                kind: gift.kind,
                source: old.map(|old| old.node.clone()),
                cause: gift.cause,
                flags: gift.flags,
                in_buffers: gift.in_buffers,
                start: gift.start,
                suspended: self.suspended(facts, to),
            },
            order: None,
            outcome: gift.outcome.or_else(|| old.and_then(|old| old.outcome.clone())),
            orders: old.map_or(0, |old| old.orders),
            failovers,
            reasons,
            held: gift.held,
        };
        self.survey.unsettle(name, facts);
        self.survey.settle(name, facts, at);
        let (id, level, text) = told(name, &document, old);
        let guard = before.map_or(Guard::Absent, |owned| Guard::At(owned.revision));
        let (group, document) = (name.clone(), Arc::new(document));
        self.decisions.push(Decision::Assign { group, guard, freed: gift.freed, document });
        self.record((id, level), Some(name), Code::SUCCESS, text);
    }

    /// The preferred owners above this node that could have taken groups now: no failback to them while they stay.
    fn suspended(&self, facts: &GroupFacts, to: &NodeName) -> Vec<(NodeName, u128)> {
        facts
            .rules
            .preferred_owners
            .iter()
            .take_while(|owner| *owner != to)
            .filter_map(|owner| {
                let place = self.survey.places.get(self.survey.at(owner)?)?;
                let session = place.facts.session.alive()?;
                closed(place.facts).is_none().then(|| (owner.clone(), session))
            })
            .collect()
    }

    pub(super) fn record(
        &mut self,
        (id, level): (u32, Level),
        group: Option<&GroupName>,
        code: Code,
        text: String,
    ) {
        let (group, resource) = (group.cloned(), None);
        self.decisions.push(Decision::Record(Record { id, level, group, resource, code, text }));
    }
}

/// Whether what is wanted online of a group is to be online where it goes: not if it was kept from starting where it was
/// and nobody has brought it online since. What was kept offline because it failed too often is tried elsewhere.
fn runs(facts: &GroupFacts, document: &Ownership) -> bool {
    let failed =
        document.arrival.kind == ArrivalKind::Return && document.arrival.cause == Some(Cause::Failover);
    document.arrival.start || failed || facts.current().is_some_and(|published| published.served)
}

/// How an order ends whose node was gone before it was carried out.
fn overtaken(document: &Ownership, why: &str) -> Option<Outcome> {
    let code = Code::ERROR_HOST_NODE_NOT_AVAILABLE;
    document.order.as_ref().map(|order| order.ended(code, document.generation.saturating_add(1), why))
}

/// A move that is to be started ahead of others.
fn hurried(facts: &GroupFacts) -> bool {
    let order = facts.owned.as_ref().and_then(|owned| owned.document.order.as_ref());
    order.is_some_and(|order| order.flags.contains(MoveFlags::HIGH_PRIORITY_START))
}

/// What the resource DLLs are given where a group comes up whose node died in a move: what the move would have given
/// them. There is no source any more to return to, and nothing to wait for.
fn interrupted(facts: &GroupFacts, document: &Ownership) -> (MoveFlags, InBuffers) {
    let (flags, in_buffers) = match &document.order {
        Some(order) => (order.flags, &order.in_buffers),
        None => {
            let came = facts.current().is_some_and(|said| said.served || said.state == GroupState::Online);
            if came || document.arrival.kind == ArrivalKind::Return {
                return (MoveFlags::NONE, InBuffers::new());
            }
            (document.arrival.flags, &document.arrival.in_buffers)
        }
    };
    let flags = flags.without(MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR).without(MoveFlags::QUEUE_ENABLED);
    (flags, in_buffers.clone())
}

pub(super) fn nobody(placement: &Placement) -> String {
    format!("no node can take it: {}", placement.obstacles())
}

/// The event of an assignment.
fn told(name: &GroupName, document: &Ownership, old: Option<&Ownership>) -> (u32, Level, String) {
    let to = &document.node;
    let from = old.map_or_else(String::new, |old| format!(" from {}", old.node));
    let why = document.arrival.cause.map_or_else(String::new, |cause| format!(" ({cause})"));
    match document.arrival.kind {
        ArrivalKind::First => (10_020, Level::Information, format!("group \"{name}\" is placed on {to}")),
        ArrivalKind::Move => {
            (10_021, Level::Information, format!("group \"{name}\" was moved{from} to {to}{why}"))
        }
        ArrivalKind::Return if old.is_some_and(|old| old.node == *to) => {
            (10_022, Level::Warning, format!("group \"{name}\" stays on {to}: the move failed"))
        }
        ArrivalKind::Return => {
            (10_022, Level::Warning, format!("group \"{name}\" goes back{from} to {to}: the move failed"))
        }
        ArrivalKind::Failover => {
            (10_023, Level::Warning, format!("group \"{name}\" failed over{from} to {to}"))
        }
        ArrivalKind::Takeover => {
            (10_024, Level::Warning, format!("group \"{name}\" is taken over{from} by {to}{why}"))
        }
    }
}
