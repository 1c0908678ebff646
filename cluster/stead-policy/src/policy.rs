//! The machine: what goes in, what comes out, and what is remembered in between.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stead_types::{Code, GroupName, GroupState, NodeName, NodeState, ResourceName, ResourceState, Time};

use crate::action::{Action, Change, Level, Record};
use crate::config::{ClusterConfig, PersistentState, ResourceConfig};
use crate::event::{Event, MonitorId, News, OpId, Report, RequestId, WriteId};
use crate::hosting::Hosted;
use crate::request::{Answer, Plan, Refusal, Request};
use crate::runtime::{Group, Monitor, Opened, Resource, Waiter};
use crate::starts::Start;
use crate::view::{GroupView, NodeView, ResourceView, View};

/// What a write was for.
#[derive(Debug)]
pub(crate) enum Purpose {
    /// The wish of a request, and what it changes; the request goes on when it is durable.
    Wish(RequestId, Request, Vec<Change>),
    /// A plan.
    Plan(RequestId, Parked),
    /// What a request that was given up had changed, as it was before.
    Undo(Vec<Change>),
}

/// A plan, and what was taken offline for it.
#[derive(Debug)]
pub(crate) struct Parked {
    pub(crate) plan: Plan,
    /// What each of these was kept at before.
    pub(crate) before: Vec<(ResourceName, bool)>,
}

/// What a call was for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum CallPurpose {
    Open,
    Close,
    Online,
    Offline,
    Terminate,
    Other,
    /// `Terminate`, then `Close`, of something that is configured no more.
    Orphan,
}

impl CallPurpose {
    /// What only an open instance can be asked for.
    pub(crate) const fn is_operation(&self) -> bool {
        match self {
            CallPurpose::Online | CallPurpose::Offline | CallPurpose::Terminate => true,
            CallPurpose::Open | CallPurpose::Close | CallPurpose::Other | CallPurpose::Orphan => false,
        }
    }
}

/// A group as its owner tells the others.
pub(crate) struct Looks {
    pub(crate) state: GroupState,
    /// Resources that are locked, providers first.
    pub(crate) locked: Vec<ResourceName>,
    pub(crate) queued: bool,
}

/// The brain of one node.
#[derive(Debug)]
pub struct Policy {
    pub(crate) node: NodeName,
    pub(crate) config: ClusterConfig,
    pub(crate) groups: BTreeMap<GroupName, Group>,
    /// Which group each resource is in.
    pub(crate) index: BTreeMap<ResourceName, GroupName>,
    pub(crate) monitors: BTreeMap<MonitorId, Monitor>,
    pub(crate) deaths: BTreeMap<MonitorId, VecDeque<Time>>,
    pub(crate) waiters: BTreeMap<GroupName, Vec<Waiter>>,
    pub(crate) writes: BTreeMap<WriteId, Purpose>,
    pub(crate) calls: BTreeMap<OpId, (ResourceName, CallPurpose)>,
    pub(crate) timers: BTreeSet<(Time, ResourceName)>,
    pub(crate) started: bool,
    pub(crate) shutdown: Option<Vec<RequestId>>,
    pub(crate) stopped: bool,
    /// Plans that wait until what they delete is closed.
    pub(crate) parked: BTreeMap<RequestId, Parked>,
    /// Requests that wait until what is being written has become the configuration.
    pub(crate) deferred: VecDeque<(RequestId, Request)>,
    pub(crate) maintenance: BTreeSet<ResourceName>,
    /// The groups this node has; `None` is all of them, on one machine.
    pub(crate) hosted: Option<BTreeMap<GroupName, Hosted>>,
    /// The node is paused.
    pub(crate) paused: bool,
    /// Groups that are not started yet because they wait for others, on a machine by itself.
    pub(crate) starts: BTreeMap<GroupName, Start>,
    actions: VecDeque<Action>,
    next: u64,
}

impl Policy {
    /// A policy that has not started: the first event must be [`Event::Start`]. `maintenance` names the resources in
    /// maintenance mode.
    #[must_use]
    pub fn new(node: NodeName, config: ClusterConfig, maintenance: BTreeSet<ResourceName>) -> Self {
        Policy {
            node,
            config,
            groups: BTreeMap::new(),
            index: BTreeMap::new(),
            monitors: BTreeMap::new(),
            deaths: BTreeMap::new(),
            waiters: BTreeMap::new(),
            writes: BTreeMap::new(),
            calls: BTreeMap::new(),
            timers: BTreeSet::new(),
            started: false,
            shutdown: None,
            stopped: false,
            parked: BTreeMap::new(),
            deferred: VecDeque::new(),
            maintenance,
            hosted: None,
            paused: false,
            starts: BTreeMap::new(),
            actions: VecDeque::new(),
            next: 1,
        }
    }

    /// Makes it the policy of one node among several, which has these groups already and gets others by
    /// [`Event::Arrived`]. Before [`Event::Start`].
    pub fn member(&mut self, groups: impl IntoIterator<Item = GroupName>) {
        self.hosted = Some(groups.into_iter().map(|group| (group, Hosted::default())).collect());
    }

    /// The node it is the brain of.
    #[must_use]
    pub const fn node(&self) -> &NodeName {
        &self.node
    }

    /// Takes an event in.
    pub fn handle(&mut self, event: Event, now: Time) {
        match event {
            Event::Start { running } => self.start(running, now),
            Event::Request { id, request } => self.request(id, request, now),
            Event::Written { write, result } => self.written(write, result, now),
            Event::MonitorStarted { monitor } => self.monitor_started(&monitor, now),
            Event::MonitorLost { monitor, lost } => self.monitor_lost(&monitor, lost, now),
            Event::Report(Report { resource, news }) => self.report(&resource, news, now),
            Event::Done { op, code } => self.done(op, code, now),
            Event::Arrived { group, arrival } => self.arrived(&group, arrival, now),
            Event::Depart { group, departure } => self.depart(&group, departure, now),
            Event::ContextKnown { group, buffers } => self.context_known(&group, &buffers, now),
            Event::Departed { group } => self.departed(&group, now),
            Event::NodeLost(node) => self.node_lost(&node, now),
            Event::Paused(paused) => self.pause(paused, now),
            Event::Configured(config) => self.configured_elsewhere(config, now),
            Event::Timer => self.timer(now),
        }
        if !self.starts.is_empty() {
            self.check_starts(now);
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Timer`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let timer = self.timers.first().map(|(at, _)| *at);
        [timer, self.next_start()].into_iter().flatten().min()
    }

    /// The configuration in force.
    #[must_use]
    pub const fn config(&self) -> &ClusterConfig {
        &self.config
    }

    pub(crate) fn act(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// Makes a call and remembers what for.
    pub(crate) fn call(
        &mut self,
        resource: &ResourceName,
        purpose: CallPurpose,
        make: impl FnOnce(OpId) -> Action,
    ) {
        let op = OpId(self.number());
        if purpose != CallPurpose::Other
            && let Some(runtime) = self.resource_mut(resource)
        {
            runtime.busy = Some(op);
            runtime.heard = false;
        }
        self.calls.insert(op, (resource.clone(), purpose));
        self.act(make(op));
    }

    pub(crate) fn write(&mut self, changes: Vec<Change>, purpose: Purpose) {
        let write = WriteId(self.number());
        self.writes.insert(write, purpose);
        self.act(Action::Write { write, changes });
    }

    pub(crate) fn finish(&mut self, id: RequestId, answer: Result<Answer, Refusal>) {
        self.act(Action::Finish { id, answer });
    }

    pub(crate) fn record(
        &mut self,
        (id, level): (u32, Level),
        group: Option<&GroupName>,
        resource: Option<&ResourceName>,
        code: Code,
        text: String,
    ) {
        let (group, resource) = (group.cloned(), resource.cloned());
        self.act(Action::Record(Record { id, level, group, resource, code, text }));
    }

    pub(crate) fn resource(&self, name: &ResourceName) -> Option<&Resource> {
        self.groups.get(self.index.get(name)?)?.resources.get(name)
    }

    pub(crate) fn resource_mut(&mut self, name: &ResourceName) -> Option<&mut Resource> {
        self.groups.get_mut(self.index.get(name)?)?.resources.get_mut(name)
    }

    pub(crate) fn configured(&self, name: &ResourceName) -> Option<&ResourceConfig> {
        self.config.groups.get(self.index.get(name)?)?.resources.get(name)
    }

    /// The stored wish for a resource: its own, else its group's.
    pub(crate) fn wish(&self, group: &GroupName, name: &ResourceName) -> bool {
        let Some(config) = self.config.groups.get(group) else { return false };
        let own = config.resources.get(name).and_then(|resource| resource.persistent_state);
        own.or(config.persistent_state) == Some(PersistentState::Online)
    }

    /// Builds what is remembered of a group from its configuration, keeping what is known.
    pub(crate) fn rebuild(&mut self, group: &GroupName, now: Time) {
        let Some(config) = self.config.groups.get(group) else {
            let gone = self.groups.remove(group).unwrap_or_default();
            self.maintenance.retain(|name| !gone.resources.contains_key(name));
            self.index.retain(|_, of| of != group);
            return;
        };
        let mut runtime = self.groups.remove(group).unwrap_or_default();
        runtime.resources.retain(|name, _| {
            let stays = config.resources.contains_key(name);
            if !stays {
                self.maintenance.remove(name);
                if self.index.get(name) == Some(group) {
                    self.index.remove(name);
                }
            }
            stays
        });
        runtime.dependents = BTreeMap::new();
        for (name, resource) in &config.resources {
            self.index.insert(name.clone(), group.clone());
            for provider in resource.dependency.providers() {
                runtime.dependents.entry(provider.clone()).or_default().push(name.clone());
            }
        }
        runtime.order = crate::plan::order(config);
        for name in config.resources.keys() {
            if runtime.resources.contains_key(name) {
                continue;
            }
            let wanted = self.wish(group, name);
            let maintenance = self.maintenance.contains(name);
            let held = self.paused && wanted;
            let why = held.then(|| self.why_held());
            let fresh = Resource { held, why, ..Resource::new(wanted && !held, maintenance, now) };
            runtime.resources.insert(name.clone(), fresh);
        }
        self.groups.insert(group.clone(), runtime);
    }

    fn start(&mut self, running: Vec<(MonitorId, Vec<Report>)>, now: Time) {
        let groups: Vec<GroupName> = self.config.groups.keys().cloned().collect();
        for group in &groups {
            self.rebuild(group, now);
        }
        for (monitor, reports) in running {
            let wanted = self.config.groups.contains_key(&monitor.group) && self.has(&monitor.group);
            self.monitors.insert(monitor.clone(), Monitor::Running);
            if !wanted {
                self.monitors.insert(monitor.clone(), Monitor::Stopping);
                self.act(Action::StopMonitor { monitor });
                continue;
            }
            for Report { resource, news } in reports {
                let here = self.index.get(&resource) == Some(&monitor.group);
                match self.resource_mut(&resource) {
                    Some(runtime) if here => {
                        runtime.opened = Opened::Yes;
                        runtime.monitor = Some(monitor.clone());
                        if let News::State {
                            state: ResourceState::Online | ResourceState::OnlinePending,
                            ..
                        } = news
                        {
                            // A pause does not touch what the node has.
                            self.release_held([resource.clone()]);
                        }
                        self.report(&resource, news, now);
                    }
                    Some(_) | None => self.orphan(&resource),
                }
            }
        }
        for group in &groups {
            self.leave_alone(group);
        }
        self.hold_starts(&groups, now);
        // Only now: what is known of half a group must not be acted on.
        self.started = true;
        let mut by_priority: Vec<GroupName> = groups;
        by_priority.sort_by_key(|group| {
            std::cmp::Reverse(self.config.groups.get(group).map_or(0, |group| group.priority))
        });
        for group in by_priority {
            self.reconcile(&group, now);
        }
    }

    /// Priority 0 is "not started by itself": nothing is wanted of such a group until somebody asks for it.
    fn leave_alone(&mut self, group: &GroupName) {
        if self.config.groups.get(group).is_none_or(|config| config.priority != 0) {
            return;
        }
        let Some(runtime) = self.groups.get_mut(group) else { return };
        if runtime.resources.values().any(Resource::active) {
            return;
        }
        self.keep_offline(group);
        if let Some(runtime) = self.groups.get_mut(group) {
            let text =
                format!("it has priority 0 and is not started by itself; `stead group online \"{group}\"`");
            runtime.why = Some(text);
        }
    }

    /// Nothing is wanted of a group until somebody asks for it.
    pub(crate) fn keep_offline(&mut self, group: &GroupName) {
        let Some(runtime) = self.groups.get_mut(group) else { return };
        for resource in runtime.resources.values_mut() {
            resource.online_wanted = false;
            if std::mem::take(&mut resource.held) {
                resource.why = None;
            }
        }
        runtime.why = Some(format!("it is not started by itself; `stead group online \"{group}\"`"));
    }

    /// Ends something that runs and is configured no more.
    fn orphan(&mut self, resource: &ResourceName) {
        let known =
            self.calls.values().any(|(name, purpose)| name == resource && *purpose == CallPurpose::Orphan);
        if !known {
            let name = resource.clone();
            self.call(resource, CallPurpose::Orphan, |op| Action::Terminate { op, resource: name });
        }
    }

    fn timer(&mut self, now: Time) {
        let mut groups = BTreeSet::new();
        while let Some((at, resource)) = self.timers.first().cloned() {
            if at > now {
                break;
            }
            self.timers.pop_first();
            if let Some(group) = self.index.get(&resource).cloned() {
                self.due(&resource, now);
                groups.insert(group);
            }
        }
        for group in groups {
            self.reconcile(&group, now);
        }
    }

    /// Everything that can be seen at this instant.
    #[must_use]
    pub fn view(&self) -> View {
        let state = match (self.stopped, self.paused) {
            (true, _) => NodeState::Down,
            (false, true) => NodeState::Paused,
            (false, false) => NodeState::Up,
        };
        View {
            nodes: vec![NodeView { name: self.node.clone(), state }],
            groups: self
                .groups
                .iter()
                .filter(|(name, _)| self.has(name))
                .filter_map(|(name, group)| self.view_group(name, group))
                .collect(),
        }
    }

    /// How a group that this node has looks to the others.
    pub(crate) fn looks(&self, name: &GroupName) -> Option<Looks> {
        let group =
            self.groups.get(name).filter(|_| self.has(name) && self.config.groups.contains_key(name))?;
        let locked =
            |name: &&ResourceName| group.resources.get(*name).is_some_and(|resource| resource.locked);
        Some(Looks {
            state: GroupState::derive(group.resources.values().map(|resource| resource.state)),
            locked: group.order.iter().filter(locked).cloned().collect(),
            queued: self.in_queue(name, group),
        })
    }

    /// It waits in a queue, for a move or to go offline.
    fn in_queue(&self, name: &GroupName, group: &Group) -> bool {
        self.queued_to_move(name) || group.resources.values().any(Resource::queued)
    }

    fn view_group(&self, name: &GroupName, group: &Group) -> Option<GroupView> {
        const LOCKED: u64 = 0x1;
        const QUEUED: u64 = 0x4;
        const WAITING_FOR_DEPENDENCIES: u64 = 0x1000;
        let status = |bits: [(bool, u64); 3]| bits.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum();
        let config = self.config.groups.get(name)?;
        let moving = self.departing(name).map(|departure| format!("move to {}", departure.to));
        let queued = self.in_queue(name, group);
        let waiting = self.waiters.get(name).and_then(|waiters| waiters.first());
        let waiting = waiting.map(|waiter| waiter.what.rsplit(": ").next().unwrap_or_default().to_owned());
        let operation = moving.or(waiting).map(|verb| if queued { format!("{verb} (queued)") } else { verb });
        let locked = group.resources.values().any(|resource| resource.locked);
        Some(GroupView {
            name: config.name.clone(),
            state: GroupState::derive(group.resources.values().map(|resource| resource.state)),
            persistent_state: config.persistent_state.unwrap_or(PersistentState::Online),
            owner_node: self.node.clone(),
            status_information: status([
                (locked, LOCKED),
                (queued, QUEUED),
                (self.held_back(name), WAITING_FOR_DEPENDENCIES),
            ]),
            operation,
            why: group.why.clone(),
            resources: group
                .order
                .iter()
                .filter_map(|name| view_resource(config.resources.get(name)?, group.resources.get(name)?))
                .collect(),
        })
    }

    /// Checks what must always hold, for tests.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check(&self) -> Result<(), String> {
        // Each that is indexed is there, and there are as many: so each that is there is indexed, where it is.
        let mut last: Option<(&GroupName, &Group)> = None;
        for (resource, name) in &self.index {
            let group = match last {
                Some((last, group)) if last == name => Some(group),
                Some(_) | None => self.groups.get(name),
            };
            let Some(group) = group.filter(|group| group.resources.contains_key(resource)) else {
                return Err(format!("{resource} is indexed under {name} and is not there"));
            };
            last = Some((name, group));
        }
        let there: usize = self.groups.values().map(|group| group.resources.len()).sum();
        if there != self.index.len() {
            return Err(format!("{there} resources are there, and {} are indexed", self.index.len()));
        }
        self.check_resources()
    }

    /// The part of [`Policy::check`] that is about resources as they run. It is all there is to check where the
    /// configuration is the same as at the last check, and no group has come or gone since.
    ///
    /// # Errors
    /// What does not hold.
    pub fn check_resources(&self) -> Result<(), String> {
        for group in self.groups.values() {
            for (resource, runtime) in &group.resources {
                if runtime.active() && runtime.opened == Opened::No {
                    return Err(format!("{resource} is {} but not open", runtime.state));
                }
                if runtime.opened != Opened::No && runtime.monitor.is_none() {
                    return Err(format!("{resource} is open in no monitor"));
                }
                if let Some(busy) = runtime.busy
                    && !self.calls.contains_key(&busy)
                {
                    return Err(format!("{resource} waits for a call nobody made"));
                }
            }
        }
        Ok(())
    }
}

fn view_resource(config: &ResourceConfig, runtime: &Resource) -> Option<ResourceView> {
    const LOCKED: u64 = 0x1;
    const EMBEDDED_FAILURE: u64 = 0x2;
    const NETWORK_FAILURE: u64 = 0x20;
    use crate::runtime::Hold;
    let status = [
        (runtime.locked, LOCKED),
        (runtime.embedded_failure, EMBEDDED_FAILURE),
        (runtime.network_failure, NETWORK_FAILURE),
    ];
    Some(ResourceView {
        name: config.name.clone(),
        type_name: config.type_name.clone(),
        state: runtime.state,
        since: runtime.since,
        persistent_state: config.persistent_state,
        checkpoint: runtime.checkpoint,
        last_error: runtime.last_error,
        status_information: status.iter().filter(|(set, _)| *set).map(|(_, bit)| bit).sum(),
        maintenance: runtime.maintenance,
        dependency: config.dependency.clone(),
        next_attempt: match runtime.hold {
            Some(Hold::Until(at)) => Some(at),
            Some(Hold::GaveUp(at)) => at,
            None => None,
        },
        failures: u32::try_from(runtime.failures.len()).unwrap_or(u32::MAX),
        why: runtime.why.clone(),
    })
}
