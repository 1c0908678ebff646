//! The copy: its nodes, what is stored, and the time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stead_types::{GroupName, NodeName, ResourceName, ResourceState, Time};

use super::hosts::Hosts;
use super::{Happened, Members, Moved, Seen, Snapshot};
use crate::action::{Action, Record};
use crate::cluster::{
    Coordinator, Document, FenceNeeds, GroupFacts, GroupRules, NodeRecord, Owned, Owner, OwnerAction,
    Ownership, Published, Session, Situation, Tenure, Unwritten, commits,
};
use crate::config::ClusterConfig;
use crate::event::{Event, MonitorId, News, Report, RequestId};
use crate::policy::Policy;
use crate::request::{Answer, InBuffers, Request};

/// What a step brings about is waited for so long: longer than a group waits for groups it depends on, and shorter than
/// failures are remembered. With those forgotten it would all happen again.
const PATIENCE: Duration = Duration::from_secs(11 * 60);

/// A cluster in which more happens than this, without or with time passing, does not come to rest.
const MOST_TURNS: usize = 20_000;

/// The events of assignments.
const TOLD: std::ops::RangeInclusive<u32> = 10_020..=10_024;

/// The number of the request in progress. There is one at a time.
const REQUEST: RequestId = RequestId(1);

/// A node that is up.
#[derive(Debug)]
pub(super) struct Site {
    pub(super) owner: Owner,
    pub(super) policy: Policy,
    pub(super) hosts: Hosts,
    session: u128,
    said: BTreeMap<GroupName, Published>,
    /// When there may be more to say.
    later: Option<Time>,
}

impl Site {
    const fn tenure(&self) -> Tenure {
        Tenure { session: Some(self.session), may_act: true }
    }
}

/// True if something of a resource runs, or did until it failed.
const fn runs(state: ResourceState) -> bool {
    match state {
        ResourceState::Online
        | ResourceState::OnlinePending
        | ResourceState::OfflinePending
        | ResourceState::Failed => true,
        ResourceState::Offline
        | ResourceState::Initializing
        | ResourceState::Inherited
        | ResourceState::Unknown => false,
    }
}

/// A write of an owner.
struct Put {
    group: GroupName,
    revision: Option<u64>,
    document: Arc<Ownership>,
    records: Vec<Record>,
}

#[derive(Debug)]
pub(super) struct World {
    pub(super) alone: bool,
    pub(super) situation: Situation,
    pub(super) config: ClusterConfig,
    maintenance: BTreeSet<ResourceName>,
    pub(super) sites: BTreeMap<NodeName, Site>,
    pub(super) coordinator: Coordinator,
    pub(super) takeover: BTreeMap<NodeName, Duration>,
    pub(super) members: Option<Members>,
    now: Time,
    revision: u64,
    /// The situation has changed since the last decision.
    decide: bool,
    /// When the step in progress began, and when the last thing of it happened.
    began: Time,
    last: Time,
    pub(super) happened: Happened,
    /// Groups that a step has taken offline.
    pub(super) unwanted: BTreeSet<GroupName>,
    pub(super) killed: Vec<NodeName>,
    pub(super) drained: Vec<NodeName>,
    /// The cluster database has no majority any more.
    pub(super) no_majority: Option<String>,
}

impl World {
    pub(super) fn new(snapshot: Snapshot) -> Self {
        let Snapshot { situation, config, maintenance, resources, takeover, members, alone } = snapshot;
        let revisions = situation.groups.values().filter_map(|facts| facts.owned.as_ref());
        let revision = revisions
            .map(|owned| owned.revision)
            .chain(situation.nodes.values().filter_map(|facts| facts.revision))
            .max()
            .unwrap_or(0);
        let now = Time::from_millis(1_000_000_000);
        let mut world = World {
            alone,
            situation,
            config,
            maintenance,
            sites: BTreeMap::new(),
            coordinator: Coordinator::new(),
            takeover,
            members,
            now,
            revision,
            decide: true,
            began: now,
            last: now,
            happened: Happened::default(),
            unwanted: BTreeSet::new(),
            killed: Vec::new(),
            drained: Vec::new(),
            no_majority: None,
        };
        let up: Vec<(NodeName, u128)> = world
            .situation
            .nodes
            .iter()
            .filter_map(|(node, facts)| Some((node.clone(), facts.session.alive()?)))
            .collect();
        for (node, session) in up {
            world.join(node, session, &resources);
        }
        world
    }

    /// A node begins as a restarted node process does, with what ran before it.
    fn join(&mut self, node: NodeName, session: u128, resources: &BTreeMap<ResourceName, Seen>) {
        let paused = self.situation.nodes.get(&node).is_some_and(|facts| facts.record.paused);
        let mut policy =
            Policy::new(node.clone(), self.config.clone(), self.maintenance.clone()).paused(paused);
        let (mut owner, mut hosts) = (Owner::new(node.clone()), Hosts::default());
        let mut running: BTreeMap<MonitorId, Vec<Report>> = BTreeMap::new();
        let mut groups = BTreeSet::new();
        let mut locked = BTreeSet::new();
        for (group, config) in &self.config.groups {
            let facts = self.situation.groups.get(group);
            if let Some(owned) = facts.and_then(|facts| facts.owned.clone()) {
                owner.seen(group, Some(owned));
            }
            let mine = facts.and_then(|facts| facts.owned.as_ref()).is_some_and(|owned| {
                owned.document.node == node
                    && owned.document.session == session
                    && owned.document.state == crate::cluster::OwnerState::Assigned
            });
            if !mine && !self.alone {
                continue;
            }
            let seen = |name: &ResourceName| resources.get(name);
            // A group of which nothing runs is not adopted: it comes as its document says.
            if !config.resources.keys().filter_map(seen).any(|seen| runs(seen.state)) {
                continue;
            }
            for (name, of) in &config.resources {
                let Some(seen) = seen(name) else { continue };
                let separate = of.common.separate_monitor.then(|| name.clone());
                let monitor = MonitorId { group: group.clone(), separate };
                let report = hosts.adopt(&monitor, name, seen.state);
                running.entry(monitor).or_default().push(report);
                groups.insert(group.clone());
            }
            let published = facts.and_then(GroupFacts::current);
            locked.extend(published.into_iter().flat_map(|published| published.locked.iter().cloned()));
        }
        for group in self.config.groups.keys() {
            policy.rebuild(group, self.now);
        }
        for (name, seen) in resources {
            if let Some(resource) = policy.resource_mut(name) {
                resource.failures.extend((0..seen.failures).map(|_| self.now));
            }
        }
        let tenure = Tenure { session: Some(session), may_act: true };
        if !self.alone {
            policy.member(owner.adopt(&groups, tenure));
        }
        policy.handle(Event::Start { running: running.into_iter().collect() }, self.now);
        for resource in &locked {
            let news = News::Locked { locked: true, keep_queued: false };
            policy.handle(Event::Report(Report { resource: resource.clone(), news }), self.now);
        }
        hosts.locked = locked;
        let site = Site { owner, policy, hosts, session, said: BTreeMap::new(), later: None };
        self.sites.insert(node, site);
        self.decide = true;
    }

    /// What is under way before anything is done.
    pub(super) fn begin(&mut self) -> Happened {
        self.open_step();
        self.settle();
        // So that the coordinator sees sessions being renewed: it does not take this for the start of the cluster.
        self.until(Duration::from_secs(1));
        self.decide = true;
        self.rest();
        self.close_step()
    }

    /// A node that was gone begins anew.
    pub(super) fn comes(&mut self, node: &NodeName) {
        let taken = |facts: &crate::cluster::NodeFacts| match facts.session {
            Session::Never => 0,
            Session::Alive { sid, .. } | Session::Dead { sid } | Session::Left { sid } => sid,
        };
        let session = self.situation.nodes.values().map(taken).max().unwrap_or(0).wrapping_add(1);
        if let Some(facts) = self.situation.nodes.get_mut(node) {
            facts.session = Session::Alive { sid: session, age: Duration::ZERO };
        }
        self.join(node.clone(), session, &BTreeMap::new());
    }

    /// A node is gone, and nothing of it is left.
    pub(super) fn goes(&mut self, node: &NodeName) {
        // Whoever decides from then on remembers nothing.
        if self.sites.keys().next() == Some(node) {
            self.coordinator = Coordinator::new();
        }
        self.sites.remove(node);
        self.touch();
    }

    /// Its session is marked dead.
    pub(super) fn dead(&mut self, node: &NodeName) {
        let Some(facts) = self.situation.nodes.get_mut(node) else { return };
        if let Some(sid) = facts.session.alive() {
            facts.session = Session::Dead { sid };
        }
        for site in self.sites.values_mut() {
            site.policy.handle(Event::NodeLost(node.clone()), self.now);
        }
        self.touch();
    }

    pub(super) fn open_step(&mut self) {
        self.began = self.now;
        self.last = self.now;
        self.happened = Happened::default();
    }

    pub(super) fn close_step(&mut self) -> Happened {
        let mut happened = std::mem::take(&mut self.happened);
        happened.takes = self.last.since(self.began);
        for moved in &mut happened.moves {
            moved.state = self.state_on(&moved.group, &moved.to);
        }
        happened
    }

    /// Something has happened now.
    fn touch(&mut self) {
        self.last = self.now;
        self.decide = true;
    }

    pub(super) fn note(&mut self, text: String) {
        self.happened.notes.push(text);
    }

    fn tell(&mut self, records: impl IntoIterator<Item = Record>) {
        let after = self.now.since(self.began);
        self.happened.records.extend(records.into_iter().map(|record| (after, record)));
    }

    /// Until nobody has anything left to do, for as long as is waited for it.
    pub(super) fn rest(&mut self) {
        self.until_at(self.now.after(PATIENCE));
    }

    /// Time passes, with all that happens in it.
    pub(super) fn until(&mut self, by: Duration) {
        let end = self.now.after(by);
        self.until_at(end);
        if self.now < end {
            self.pass(end);
            self.settle();
        }
    }

    fn until_at(&mut self, end: Time) {
        for _ in 0..MOST_TURNS {
            self.settle();
            let Some(next) = self.next_timeout().filter(|at| *at <= end) else { return };
            self.pass(next.max(self.now.after(Duration::from_millis(1))));
        }
        self.restless();
    }

    fn restless(&mut self) {
        let text = "it never comes to rest: something is tried again and again";
        if !self.happened.notes.iter().any(|note| note == text) {
            self.note(text.to_owned());
        }
    }

    fn pass(&mut self, to: Time) {
        let by = to.since(self.now);
        self.now = to;
        for (node, facts) in &mut self.situation.nodes {
            if let Session::Alive { age, .. } = &mut facts.session
                && self.sites.contains_key(node)
            {
                *age += by;
            }
        }
    }

    fn next_timeout(&self) -> Option<Time> {
        let of_sites = self
            .sites
            .values()
            .flat_map(|site| [site.policy.next_timeout(), site.owner.next_timeout(), site.later]);
        let coordinator = self.coordinator.next_timeout().filter(|_| !self.alone && !self.sites.is_empty());
        of_sites.chain([coordinator]).flatten().min()
    }

    /// Until nobody has anything to do now.
    pub(super) fn settle(&mut self) {
        for _ in 0..MOST_TURNS {
            let nodes: Vec<NodeName> = self.sites.keys().cloned().collect();
            let mut any = false;
            for node in &nodes {
                any |= self.turn(node);
            }
            any |= self.decide();
            if !any {
                return;
            }
        }
        self.restless();
    }

    /// One turn of a node's loop. False if there was nothing to do.
    fn turn(&mut self, node: &NodeName) -> bool {
        let Some(mut site) = self.sites.remove(node) else { return false };
        let mut puts = Vec::new();
        if !self.alone {
            for group in self.situation.groups.keys() {
                site.owner.settle(group, true, site.tenure(), &self.situation);
            }
        }
        let mut any = self.drain(&mut site, &mut puts);
        if !self.alone {
            site.owner.write_wishes(Some(site.session), self.now);
            any |= self.drain(&mut site, &mut puts);
            any |= self.publish(&mut site);
        }
        let changed = *site.policy.config() != self.config;
        if changed {
            self.config = site.policy.config().clone();
        }
        self.sites.insert(node.clone(), site);
        if changed {
            self.configured(node);
        }
        for put in puts {
            any = true;
            self.put(Some(node), put);
        }
        any
    }

    /// Carries out what owner and policy want, until they want nothing more now.
    fn drain(&mut self, site: &mut Site, puts: &mut Vec<Put>) -> bool {
        let mut any = false;
        for _ in 0..MOST_TURNS {
            if let Some(action) = site.owner.poll_action() {
                match action {
                    OwnerAction::Tell(event) => {
                        if let Event::Departed { group } = &event {
                            site.said.remove(group);
                        }
                        site.policy.handle(event, self.now);
                    }
                    OwnerAction::Write { group, revision, document, records } => {
                        puts.push(Put { group, revision, document, records });
                    }
                    // What it had is not its own any more, and here that means that it never ran.
                    OwnerAction::Kill(_) => {}
                    OwnerAction::Record(record) => self.tell([record]),
                }
            } else if let Some(action) = site.policy.poll_action() {
                self.carry_out(site, action);
            } else if let Some(event) = site.hosts.events.pop_front() {
                if matches!(event, Event::Report(_)) {
                    self.touch();
                }
                site.policy.handle(event, self.now);
            } else if site.policy.next_timeout().is_some_and(|at| at <= self.now) {
                site.policy.handle(Event::Timer, self.now);
            } else {
                return any;
            }
            any = true;
        }
        self.restless();
        any
    }

    fn carry_out(&mut self, site: &mut Site, action: Action) {
        match action {
            Action::Accept { id: _ } => {}
            Action::Finish { id: _, answer } => match answer {
                Ok(Answer::Resource(_) | Answer::Group(_) | Answer::Done) => {}
                Ok(Answer::Cancelled) => self.note("it would be cancelled".to_owned()),
                Ok(Answer::Failed { what, code, detail }) => {
                    self.note(format!("{what} would fail: {code}: {detail}"));
                }
                Err(refusal) => self.happened.refused = Some(refusal),
            },
            Action::Write { write, changes: _ } => {
                site.policy.handle(Event::Written { write, result: Ok(()) }, self.now);
            }
            Action::StartMonitor { monitor } => {
                site.hosts.events.push_back(Event::MonitorStarted { monitor });
            }
            Action::StopMonitor { monitor } => site.hosts.stop(monitor),
            Action::Open { op, monitor, resource } => site.hosts.open(op, monitor, resource),
            Action::Close { op, resource, deleting: _ } => site.hosts.close(op, &resource),
            Action::Online { op, resource, .. } => site.hosts.bring_online(op, &resource),
            Action::Offline { op, resource, flags, .. } => site.hosts.take_offline(op, &resource, flags),
            Action::Terminate { op, resource } => site.hosts.terminate(op, &resource),
            Action::Cancel { op, .. } | Action::Update { op, .. } => {
                site.hosts.done(op, stead_types::Code::SUCCESS);
            }
            Action::Fail { op, resource } => site.hosts.fail(op, &resource),
            // What resource DLLs would want to go along is theirs to say: nothing, here.
            Action::AskContext { group, .. } => {
                site.hosts.events.push_back(Event::ContextKnown { group, buffers: InBuffers::new() });
            }
            Action::Release { group, release } => site.owner.released(group, release),
            Action::Moved { group, code, detail } => site.owner.moved(group, code, detail),
            Action::Record(record) => self.tell([record]),
            Action::Maintenance { .. } | Action::ProviderChanged { .. } | Action::Stopped => {}
        }
    }

    /// A node says what has changed of its groups.
    fn publish(&mut self, site: &mut Site) -> bool {
        let mut any = false;
        site.later = None;
        for group in site.owner.groups().cloned().collect::<Vec<_>>() {
            let Some((said, later)) = site.owner.says(&site.policy, &group, self.now) else { continue };
            site.later = [site.later, later].into_iter().flatten().min();
            if site.said.get(&group) != Some(&said) {
                any = true;
                site.said.insert(group.clone(), said.clone());
                if let Some(facts) = self.situation.groups.get_mut(&group) {
                    facts.published = Some(said);
                    self.decide = true;
                }
            }
        }
        any
    }

    /// A node has changed the configuration: the others and the coordinator hear of it.
    fn configured(&mut self, by: &NodeName) {
        for (node, site) in &mut self.sites {
            if node != by {
                site.policy.handle(Event::Configured(self.config.clone()), self.now);
            }
        }
        for (group, facts) in &mut self.situation.groups {
            if let Some(config) = self.config.groups.get(group) {
                facts.rules = GroupRules::of(config, &self.config.sets)
                    .with(FenceNeeds::of(config, &self.config.types));
                facts.wanted_online = GroupRules::wanted_online(config);
            }
        }
        self.decide = true;
    }

    /// A group's document is stored, if it is still as whoever writes it knew it.
    fn put(&mut self, by: Option<&NodeName>, put: Put) {
        let Put { group, revision, document, records } = put;
        let Some(facts) = self.situation.groups.get_mut(&group) else { return };
        let old = facts.owned.as_ref();
        let mine = by.and_then(|by| self.sites.get_mut(by));
        if old.map(|old| old.revision) != revision {
            if let Some(site) = mine {
                site.owner.written(&group, Err(Unwritten::Conflict), self.now);
            }
            return;
        }
        self.revision += 1;
        let revision = self.revision;
        if let Some(site) = mine {
            site.owner.written(&group, Ok(revision), self.now);
        }
        let moved = old.is_none_or(|old| old.document.generation < document.generation);
        if moved {
            self.happened.moves.push(Moved {
                group: group.clone(),
                from: old.map(|old| old.document.node.clone()),
                to: document.node.clone(),
                kind: document.arrival.kind,
                cause: document.arrival.cause,
                reasons: document.reasons.clone(),
                after: self.now.since(self.began),
                state: None,
            });
        }
        let owned = Owned { document, revision };
        facts.owned = Some(owned.clone());
        for site in self.sites.values_mut() {
            site.owner.seen(&group, Some(owned.clone()));
        }
        if moved {
            self.touch();
        }
        self.decide = true;
        // The move itself is told as one.
        self.tell(records.into_iter().filter(|record| !moved || !TOLD.contains(&record.id)));
    }

    /// The order of somebody who moves a group.
    pub(super) fn order(&mut self, group: &GroupName, document: Ownership) {
        let owned = self.situation.groups.get(group).and_then(|facts| facts.owned.as_ref());
        let revision = owned.map(|owned| owned.revision);
        self.put(
            None,
            Put { group: group.clone(), revision, document: Arc::new(document), records: Vec::new() },
        );
    }

    /// What is said of a node is stored, and known to it.
    pub(super) fn put_record(&mut self, node: &NodeName, record: NodeRecord) {
        let Some(facts) = self.situation.nodes.get_mut(node) else { return };
        self.revision += 1;
        let paused = record.paused;
        facts.record = record;
        facts.revision = Some(self.revision);
        self.decide = true;
        if let Some(site) = self.sites.get_mut(node) {
            site.policy.handle(Event::Paused(paused), self.now);
        }
    }

    /// The hour of the day is another one.
    pub(super) fn put_hour(&mut self, hour: u8) {
        self.situation.hour = hour;
        self.decide = true;
    }

    fn decide(&mut self) -> bool {
        let due = self.coordinator.next_timeout().is_some_and(|at| at <= self.now);
        if self.alone || self.sites.is_empty() || !self.decide && !due {
            return false;
        }
        self.decide = false;
        let decisions = self.coordinator.decide(&self.situation, self.now);
        let nodes = &self.situation.nodes;
        // A session that is shown as dead has been waited for.
        let over = |node: &NodeName, session: u128, _| {
            nodes.get(node).is_some_and(|facts| facts.session.alive() != Some(session))
        };
        let commits = commits(decisions, over);
        let any = !commits.is_empty();
        for commit in commits {
            match commit.document {
                Document::Own(group, document) => {
                    let put = Put { group, revision: commit.revision, document, records: commit.records };
                    self.put(None, put);
                }
                Document::Node(node, record) => {
                    self.put_record(&node, *record);
                    self.tell(commit.records);
                }
            }
        }
        any
    }

    /// Somebody asks the node that has a group, or the only one. False if there is none.
    pub(super) fn ask(&mut self, group: &GroupName, request: Request) -> bool {
        let now = self.now;
        let Some(site) = self.site_of(group) else { return false };
        site.policy.handle(Event::Request { id: REQUEST, request }, now);
        true
    }

    pub(super) fn site_of(&mut self, group: &GroupName) -> Option<&mut Site> {
        let alone = self.alone;
        self.sites.values_mut().find(|site| alone || site.owner.has(group))
    }
}
