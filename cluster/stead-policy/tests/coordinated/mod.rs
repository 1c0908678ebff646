//! A cluster for a coordinator: its database, owners that do what they are told unless the test says otherwise, and a
//! clock. Every write is checked against what must always hold.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stead_policy::cluster::{
    ArrivalKind, Coordinator, Decision, Freed, GroupFacts, GroupRules, Guard, NodeFacts, Owned, OwnerState,
    Ownership, Published, Release, Session, Situation,
};
use stead_policy::{ColdStart, Failback, GroupConfig, GroupSets, Record};
use stead_types::{Code, GroupName, GroupSetName, GroupState, MoveFlags, NodeName, Time};

pub(crate) fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().unwrap()
}

pub(crate) fn rules() -> GroupRules {
    GroupRules {
        possible_owners: None,
        preferred_owners: Vec::new(),
        priority: 2_000,
        anti_affinity: BTreeSet::new(),
        failover_threshold: u32::MAX,
        failover_period: Duration::from_secs(6 * 3_600),
        failback: Failback::Prevent,
        cold_start: ColdStart::Always,
        types: BTreeSet::from([name("T")]),
        providers: Vec::new(),
        fence: Default::default(),
    }
}

/// What an owner does with an order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// Nothing, for ever.
    Stuck,
    /// It says no.
    Refuses,
}

pub(crate) struct Cluster {
    pub(crate) situation: Situation,
    pub(crate) coordinator: Coordinator,
    pub(crate) now: Time,
    pub(crate) log: Vec<String>,
    pub(crate) records: Vec<Record>,
    /// Where which group fails instead of coming online.
    pub(crate) fails_on: BTreeSet<(GroupName, NodeName)>,
    pub(crate) manners: BTreeMap<GroupName, Manner>,
    revision: u64,
    next_session: u128,
    /// Failovers in the order in which they happened, for the budget.
    pub(crate) failovers: Vec<(GroupName, Time)>,
    pub(crate) assignments: usize,
    /// Group sets, and which group waits for which.
    pub(crate) sets: GroupSets,
    pub(crate) waits: BTreeMap<GroupName, GroupSetName>,
}

impl Cluster {
    pub(crate) fn new() -> Self {
        Cluster {
            situation: Situation::default(),
            coordinator: Coordinator::new(),
            now: Time::from_millis(1_000_000),
            log: Vec::new(),
            records: Vec::new(),
            fails_on: BTreeSet::new(),
            manners: BTreeMap::new(),
            revision: 0,
            next_session: 0,
            failovers: Vec::new(),
            assignments: 0,
            sets: GroupSets::new(),
            waits: BTreeMap::new(),
        }
    }

    pub(crate) fn node(&mut self, of: &str) -> &mut NodeFacts {
        self.situation.nodes.get_mut(&name::<NodeName>(of)).expect("a node")
    }

    pub(crate) fn group(&mut self, of: &str) -> &mut GroupFacts {
        self.situation.groups.get_mut(&name::<GroupName>(of)).expect("a group")
    }

    pub(crate) fn own(&self, of: &str) -> &Ownership {
        let facts = self.situation.groups.get(&name::<GroupName>(of)).expect("a group");
        &facts.owned.as_ref().expect("it is owned").document
    }

    pub(crate) fn write(&mut self, group: &GroupName, document: impl Into<Arc<Ownership>>) {
        self.revision += 1;
        let (document, revision) = (document.into(), self.revision);
        let facts = self.situation.groups.get_mut(group).expect("a group");
        facts.owned = Some(Owned { document, revision });
    }

    /// The group sets are the configuration from now on.
    pub(crate) fn configured(&mut self) {
        for (group, facts) in &mut self.situation.groups {
            let config = GroupConfig {
                name: group.clone(),
                description: String::new(),
                persistent_state: None,
                failover_threshold: 0,
                failover_period_hours: 0,
                preferred_owners: Vec::new(),
                anti_affinity: BTreeSet::new(),
                failback: Failback::Prevent,
                cold_start: ColdStart::Always,
                depends_on_groups: BTreeSet::new(),
                depends_on_set: self.waits.get(group).cloned(),
                priority: 0,
                resources: BTreeMap::new(),
                revision: 0,
            };
            facts.rules.providers = GroupRules::of(&config, &self.sets).providers;
        }
    }

    /// A node begins a session.
    pub(crate) fn comes(&mut self, of: &str, age: u64) {
        self.next_session += 1;
        let session = Session::Alive { sid: self.next_session, age: Duration::from_secs(age) };
        let node = self.situation.nodes.entry(name(of)).or_default();
        (node.session, node.confirmed) = (session, false);
    }

    /// A node's session is marked dead.
    pub(crate) fn dies(&mut self, of: &str) {
        let node = self.node(of);
        if let Some(sid) = node.session.alive() {
            node.session = Session::Dead { sid };
        }
    }

    /// What is left on a node that leaves is released, then the session is left.
    pub(crate) fn leaves(&mut self, of: &str) {
        let node: NodeName = name(of);
        let Some(sid) = self.node(of).session.alive() else { return };
        let here: Vec<(GroupName, Arc<Ownership>)> = self
            .situation
            .groups
            .iter()
            .filter_map(|(group, facts)| Some((group.clone(), facts.owned.as_ref()?.document.clone())))
            .filter(|(_, own)| own.node == node && own.session == sid && own.state == OwnerState::Assigned)
            .collect();
        for (group, own) in here {
            self.write(&group, own.released(Release::Leaving));
        }
        self.node(of).session = Session::Left { sid };
    }

    pub(crate) fn hosted(&self, own: &Ownership) -> bool {
        own.state == OwnerState::Assigned
            && self.situation.nodes.get(&own.node).and_then(|node| node.session.alive()) == Some(own.session)
    }

    /// One decision, carried out. False if there was nothing to do.
    pub(crate) fn decide(&mut self) -> bool {
        let decisions = self.coordinator.decide(&self.situation, self.now);
        let again = self.coordinator.decide(&self.situation, self.now);
        assert_eq!(decisions, again, "the same situation at the same time gives the same decisions");
        let mut seen = BTreeSet::new();
        for decision in &decisions {
            if let Some(group) = decision.group() {
                assert!(seen.insert(group.clone()), "two decisions for {group}: {decisions:#?}");
            }
        }
        let mut nodes = BTreeSet::new();
        for decision in &decisions {
            if let Decision::Node { node, .. } = decision {
                assert!(nodes.insert(node.clone()), "two decisions for {node}: {decisions:#?}");
            }
        }
        let any = !decisions.is_empty();
        for decision in decisions {
            self.carry_out(decision);
        }
        any
    }

    fn guarded(&self, group: &GroupName, guard: Guard) {
        let have = self.situation.groups[group].owned.as_ref().map(|owned| owned.revision);
        match guard {
            Guard::Absent => assert_eq!(have, None),
            Guard::At(revision) => assert_eq!(have, Some(revision)),
        }
    }

    fn carry_out(&mut self, decision: Decision) {
        match decision {
            Decision::Assign { group, guard, freed, document } => {
                self.guarded(&group, guard);
                self.allowed(&group, &freed, &document);
                let own = &document;
                let kind = match own.arrival.kind {
                    ArrivalKind::First => "first",
                    ArrivalKind::Move => "move",
                    ArrivalKind::Return => "return",
                    ArrivalKind::Failover => "failover",
                    ArrivalKind::Takeover => "takeover",
                };
                let start = if own.arrival.start { "" } else { ", not started" };
                self.log.push(format!("assign {group} to {} ({kind}{start})", own.node));
                if own.arrival.kind == ArrivalKind::Failover {
                    self.failovers.push((group.clone(), self.now));
                }
                self.assignments += 1;
                self.write(&group, document);
            }
            Decision::Order { group, guard, document } => {
                self.guarded(&group, guard);
                let order = document.order.as_ref().expect("an order");
                let to = order.to.as_ref().map_or("anywhere", NodeName::as_str);
                self.log.push(format!("order {group} to {to} ({})", order.cause));
                self.write(&group, document);
            }
            Decision::Amend { group, guard, document } => {
                self.guarded(&group, guard);
                let held = document.held.clone().unwrap_or_else(|| "nothing holds it".to_owned());
                self.log.push(format!("amend {group}: {held}; failovers {}", document.failovers.len()));
                self.write(&group, document);
            }
            Decision::Node { node, guard, record } => {
                let facts = self.situation.nodes.get_mut(&node).expect("a node");
                match guard {
                    Guard::Absent => assert_eq!(facts.revision, None),
                    Guard::At(revision) => assert_eq!(facts.revision, Some(revision)),
                }
                self.revision += 1;
                facts.revision = Some(self.revision);
                let drain = record.drain.as_ref().map(|drain| format!(", drain {:?}", drain.status));
                let quarantined = if record.quarantine.is_some() { ", quarantined" } else { "" };
                self.log.push(format!(
                    "node {node}: losses {}{}{quarantined}",
                    record.losses.len(),
                    drain.unwrap_or_default()
                ));
                facts.record = *record;
            }
            Decision::Record(record) => {
                self.log.push(format!("event {}: {}", record.id, record.text));
                self.records.push(record);
            }
        }
    }

    /// I1 as far as documents go, and I10.
    fn allowed(&self, group: &GroupName, freed: &Freed, document: &Ownership) {
        let facts = &self.situation.groups[group];
        match (&facts.owned, freed) {
            (None, Freed::Never) => assert_eq!(document.generation, 1),
            (Some(owned), Freed::Released) => {
                assert!(matches!(owned.document.state, OwnerState::Released(_)), "{group} is not released");
            }
            (Some(owned), Freed::SessionOver { node, session }) => {
                assert_eq!((node, session), (&owned.document.node, &owned.document.session));
                let now = self.situation.nodes[node].session;
                assert_ne!(now, Session::Never);
                assert_ne!(now.alive(), Some(*session), "{group}'s owner {node} is alive");
            }
            (have, freed) => panic!("{group}: {freed:?} of {have:?}"),
        }
        if let Some(owned) = &facts.owned {
            assert_eq!(document.generation, owned.document.generation + 1);
        }
        let node = &self.situation.nodes[&document.node];
        assert_eq!(node.session.alive(), Some(document.session), "{group} goes to a node that is not up");
        assert!(node.record.quarantine.is_none(), "{group} goes to a quarantined node");
        assert!(!node.leaving());
        if document.arrival.kind != ArrivalKind::Return {
            assert!(!node.record.paused && node.draining().is_none(), "{group} goes to a paused node");
        }
        let rules = &facts.rules;
        assert!(rules.possible_owners.as_ref().is_none_or(|possible| possible.contains(&document.node)));
        assert!(rules.types.iter().all(|of| !node.cannot_host.contains_key(of)));
    }

    /// Owners do what their documents say. False if there was nothing to do.
    pub(crate) fn owners(&mut self) -> bool {
        let mut any = false;
        let groups: Vec<GroupName> = self.situation.groups.keys().cloned().collect();
        for group in groups {
            let facts = &self.situation.groups[&group];
            let Some(own) = facts.owned.as_ref().map(|owned| owned.document.clone()) else { continue };
            if !self.hosted(&own) {
                continue;
            }
            if facts.current().is_none() {
                any = true;
                self.arrives(&group, &own);
            } else if let Some(order) = &own.order {
                match self.manners.get(&group) {
                    Some(Manner::Stuck) => {}
                    Some(Manner::Refuses) => {
                        any = true;
                        let code = Code::ERROR_CLUSTER_RESOURCE_VETOED_CALL;
                        let to = order.to.clone();
                        self.write(&group, own.with_order_ended(code, "its resource DLL says no"));
                        self.log.push(format!("{} refuses to let {group} go to {to:?}", own.node));
                    }
                    None => {
                        any = true;
                        self.write(&group, own.released(Release::Ordered));
                    }
                }
            }
        }
        any
    }

    fn arrives(&mut self, group: &GroupName, own: &Ownership) {
        let fails = self.fails_on.contains(&(group.clone(), own.node.clone()));
        let facts = self.situation.groups.get_mut(group).expect("a group");
        let started = facts.wanted_online && own.arrival.start;
        let mut published = Published {
            generation: own.generation,
            state: GroupState::Offline,
            served: false,
            given_up: Vec::new(),
            locked: Vec::new(),
            queued: false,
        };
        if started && fails {
            published.state = GroupState::Failed;
            let returns = own.arrival.kind == ArrivalKind::Move
                && own.arrival.flags.contains(MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR);
            if returns {
                let code = Code::ERROR_RESMON_ONLINE_FAILED;
                self.write(group, own.released(Release::Returning { code }));
                return;
            }
            published.given_up.push(name("r"));
            self.log.push(format!("{group} fails on {}", own.node));
        } else if started {
            published.state = GroupState::Online;
            published.served = true;
        }
        facts.published = Some(published);
    }

    /// A group fails where it is, once and for all restarts.
    pub(crate) fn fail(&mut self, of: &str) {
        let facts = self.group(of);
        if let Some(published) = &mut facts.published {
            published.state = GroupState::Failed;
            published.given_up = vec![name("r")];
        }
    }

    /// Until nobody has anything to do.
    pub(crate) fn settle(&mut self) {
        for _ in 0..400 {
            let decided = self.decide();
            if !self.owners() && !decided {
                return;
            }
        }
        panic!("it never comes to rest:\n{}", self.log[self.log.len() - 40..].join("\n"));
    }

    /// Time passes; sessions are renewed.
    pub(crate) fn pass(&mut self, by: Duration) {
        let end = self.now.after(by);
        loop {
            let next = self.coordinator.next_timeout().filter(|at| *at > self.now && *at <= end);
            let to = next.unwrap_or(end);
            let step = to.since(self.now);
            self.now = to;
            for node in self.situation.nodes.values_mut() {
                if let Session::Alive { age, .. } = &mut node.session {
                    *age += step;
                }
            }
            self.settle();
            if next.is_none() {
                return;
            }
        }
    }
}
