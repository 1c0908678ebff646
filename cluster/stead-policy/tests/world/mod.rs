//! A world for a policy: monitors that do what they are told, unless the test says otherwise, and a clock.
#![allow(dead_code, reason = "not every test file uses all of it")]

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use stead_policy::{
    Action, Answer, Change, ClusterConfig, Event, GroupConfig, Lost, MonitorId, News, OpId, PersistentState,
    Plan, PlanStep, Policy, Record, Refusal, Report, Request, RequestId, ResourceConfig, TypeConfig,
};
use stead_types::{
    Code, CommonProperties, Dependency, FenceClass, GroupName, OfflineFlags, ResourceName, ResourceState,
    StatusFlags, Time, TypeDefaults, TypeName,
};

pub(crate) fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().unwrap()
}

/// A resource with these common properties and dependencies.
pub(crate) fn resource(of: &str, depends_on: &str, common: CommonProperties) -> ResourceConfig {
    ResourceConfig {
        name: name(of),
        type_name: name("T"),
        description: String::new(),
        persistent_state: None,
        dependency: Dependency::parse(depends_on).unwrap(),
        possible_owners: BTreeSet::new(),
        common,
        revision: 0,
    }
}

pub(crate) fn group(of: &str, resources: Vec<ResourceConfig>) -> GroupConfig {
    GroupConfig {
        name: name(of),
        description: String::new(),
        persistent_state: Some(PersistentState::Online),
        failover_threshold: u32::MAX,
        failover_period_hours: 6,
        preferred_owners: Vec::new(),
        anti_affinity: BTreeSet::new(),
        failback: stead_policy::Failback::Prevent,
        cold_start: stead_policy::ColdStart::Always,
        depends_on_groups: BTreeSet::new(),
        depends_on_set: None,
        priority: 2_000,
        resources: resources.into_iter().map(|resource| (resource.name.clone(), resource)).collect(),
        revision: 0,
    }
}

pub(crate) fn config(groups: Vec<GroupConfig>) -> ClusterConfig {
    let known = TypeConfig {
        name: name("T"),
        description: String::new(),
        defaults: TypeDefaults::default(),
        fence: FenceClass::F1,
        accept_no_watchdog: false,
        revision: 0,
    };
    ClusterConfig {
        types: BTreeMap::from([(known.name.clone(), known)]),
        groups: groups.into_iter().map(|group| (group.name.clone(), group)).collect(),
        ..ClusterConfig::default()
    }
}

/// What a resource's DLL does instead of succeeding at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) enum Manner {
    #[default]
    Good,
    /// Online stays pending until told.
    Slow,
    /// Online fails with this code.
    FailsOnline(u32),
    /// Offline is delayed with OFFLINE_BUSY.
    Delays,
    /// Open fails with this code.
    FailsOpen(u32),
    /// Nothing is answered.
    Silent,
    /// Offline stays pending for ever.
    HangsOffline,
    /// Its monitor answers Online, Offline and Terminate with this code, and does nothing.
    Refuses(u32),
}

pub(crate) struct World {
    pub(crate) policy: Policy,
    pub(crate) now: Time,
    pub(crate) manners: BTreeMap<ResourceName, Manner>,
    /// The writes fail with this code.
    pub(crate) disk: Result<(), Code>,
    pub(crate) log: Vec<String>,
    pub(crate) records: Vec<Record>,
    pub(crate) answers: BTreeMap<RequestId, Result<Answer, Refusal>>,
    pub(crate) accepted: BTreeSet<RequestId>,
    pub(crate) stopped: bool,
    /// Where each open resource is, and its state.
    pub(crate) open: BTreeMap<ResourceName, (MonitorId, ResourceState)>,
    /// Calls that have not been answered.
    pub(crate) waiting: BTreeMap<ResourceName, OpId>,
    /// Resources whose monitor refuses an offline unless it is told to ignore the lock.
    pub(crate) locked: BTreeSet<ResourceName>,
    /// What is written stays on its way.
    pub(crate) slow_disk: bool,
    held: VecDeque<Event>,
    /// No monitor can be started.
    pub(crate) no_monitors: bool,
    /// What resource DLLs want to go with a departure.
    pub(crate) context: BTreeMap<TypeName, Vec<u8>>,
    events: VecDeque<Event>,
    next: u64,
}

impl World {
    pub(crate) fn new(groups: Vec<GroupConfig>) -> World {
        World::with(Policy::new(name("n1"), config(groups), BTreeSet::new()))
    }

    pub(crate) fn with(policy: Policy) -> World {
        World {
            policy,
            now: Time::from_millis(1_000),
            manners: BTreeMap::new(),
            disk: Ok(()),
            log: Vec::new(),
            records: Vec::new(),
            answers: BTreeMap::new(),
            accepted: BTreeSet::new(),
            stopped: false,
            open: BTreeMap::new(),
            waiting: BTreeMap::new(),
            locked: BTreeSet::new(),
            slow_disk: false,
            held: VecDeque::new(),
            no_monitors: false,
            context: BTreeMap::new(),
            events: VecDeque::new(),
            next: 0,
        }
    }

    /// A world that has come up.
    pub(crate) fn started(groups: Vec<GroupConfig>) -> World {
        let mut world = World::new(groups);
        world.send(Event::Start { running: Vec::new() });
        world.settle();
        world
    }

    pub(crate) fn manner(&mut self, resource: &str, manner: Manner) {
        self.manners.insert(name(resource), manner);
    }

    /// Gives an event to the policy and carries out what follows, without letting time pass.
    pub(crate) fn send(&mut self, event: Event) {
        self.policy.handle(event, self.now);
        self.collect();
    }

    /// One thing that waits to happen. False if there is none.
    pub(crate) fn step(&mut self) -> bool {
        let Some(event) = self.events.pop_front() else { return false };
        self.policy.handle(event, self.now);
        self.collect();
        true
    }

    /// Everything that waits to happen.
    pub(crate) fn settle(&mut self) {
        let mut left = 100_000;
        while self.step() {
            left -= 1;
            let last = self.log.len().saturating_sub(40);
            assert!(left > 0, "it never comes to rest: {:#?}\n{:#?}", &self.log[last..], self.policy.view());
        }
    }

    /// Lets time pass, with every timer in it.
    pub(crate) fn pass(&mut self, duration: Duration) {
        let end = self.now.after(duration);
        while let Some(at) = self.policy.next_timeout().filter(|at| *at <= end) {
            self.now = self.now.max(at);
            self.send(Event::Timer);
            self.settle();
        }
        self.now = end;
    }

    pub(crate) fn pending_events(&self) -> usize {
        self.events.len()
    }

    pub(crate) fn request(&mut self, request: Request) -> RequestId {
        self.next += 1;
        let id = RequestId(self.next);
        self.send(Event::Request { id, request });
        id
    }

    /// A request to its end.
    pub(crate) fn done(&mut self, request: Request) -> Result<Answer, Refusal> {
        let id = self.request(request);
        self.settle();
        self.answers.get(&id).cloned().unwrap_or_else(|| panic!("no answer: {:?}", self.log))
    }

    pub(crate) fn state(&self, resource: &str) -> ResourceState {
        let wanted: ResourceName = name(resource);
        let view = self.policy.view();
        let mut all = view.groups.into_iter().flat_map(|group| group.resources);
        all.find(|resource| resource.name == wanted).map(|resource| resource.state).unwrap()
    }

    pub(crate) fn why(&self, resource: &str) -> String {
        let wanted: ResourceName = name(resource);
        let view = self.policy.view();
        let mut all = view.groups.into_iter().flat_map(|group| group.resources);
        all.find(|resource| resource.name == wanted).and_then(|resource| resource.why).unwrap_or_default()
    }

    /// The resource's monitor says this state.
    pub(crate) fn report(&mut self, resource: &str, state: ResourceState, settled: bool, code: u32) {
        let resource: ResourceName = name(resource);
        if let Some((_, known)) = self.open.get_mut(&resource) {
            *known = state;
        }
        let why = "the test says so";
        let news = News::State { state, settled, code: Code(code), flags: StatusFlags::NONE, why };
        self.send(Event::Report(Report { resource, news }));
    }

    /// A health check failed.
    pub(crate) fn fail(&mut self, resource: &str, code: u32) {
        self.report(resource, ResourceState::Failed, false, code);
        self.report(resource, ResourceState::Failed, true, code);
    }

    /// The pending call of a slow resource ends with Online.
    pub(crate) fn finish_online(&mut self, resource: &str) {
        self.report(resource, ResourceState::Online, true, 0);
        if let Some(op) = self.waiting.remove(&name::<ResourceName>(resource)) {
            self.send(Event::Done { op, code: Code::SUCCESS });
        }
    }

    pub(crate) fn lose(&mut self, monitor: &MonitorId, culprits: Vec<ResourceName>, code: u32) {
        let gone: Vec<ResourceName> =
            self.open.iter().filter(|(_, (home, _))| home == monitor).map(|(name, _)| name.clone()).collect();
        for resource in gone {
            self.open.remove(&resource);
            self.waiting.remove(&resource);
        }
        // What the monitor had said before it died has been heard.
        let lost = Lost::Died { culprits, code: Code(code), text: "it died".to_owned() };
        self.send(Event::MonitorLost { monitor: monitor.clone(), lost });
    }

    fn say(&mut self, resource: &ResourceName, state: ResourceState, settled: bool, code: Code) {
        if let Some((_, known)) = self.open.get_mut(resource) {
            *known = state;
        }
        if matches!(state, ResourceState::Offline | ResourceState::Failed) && settled {
            self.locked.remove(resource);
        }
        let why = "the resource DLL reported it";
        let news = News::State { state, settled, code, flags: StatusFlags::NONE, why };
        self.events.push_back(Event::Report(Report { resource: resource.clone(), news }));
    }

    fn collect(&mut self) {
        while let Some(action) = self.policy.poll_action() {
            if let Some(line) = shown(&action) {
                self.log.push(line);
            }
            self.carry_out(action);
        }
    }

    fn carry_out(&mut self, action: Action) {
        match action {
            Action::Accept { id } => drop(self.accepted.insert(id)),
            Action::Finish { id, answer } => {
                assert!(self.answers.insert(id, answer).is_none(), "{id:?} is answered twice");
            }
            Action::Write { write, changes: _ } => {
                let queue = if self.slow_disk { &mut self.held } else { &mut self.events };
                queue.push_back(Event::Written { write, result: self.disk });
            }
            Action::StartMonitor { monitor } if self.no_monitors => {
                let lost = Lost::NotStarted { text: "it cannot be started".to_owned() };
                self.events.push_back(Event::MonitorLost { monitor, lost });
            }
            Action::StartMonitor { monitor } => self.events.push_back(Event::MonitorStarted { monitor }),
            Action::StopMonitor { monitor } => {
                self.open.retain(|_, (home, _)| *home != monitor);
                self.events.push_back(Event::MonitorLost { monitor, lost: Lost::Stopped });
            }
            Action::Release { .. } | Action::Moved { .. } => {}
            Action::Record(record) => self.records.push(record),
            Action::Stopped => self.stopped = true,
            Action::Maintenance { .. } | Action::ProviderChanged { .. } => {}
            Action::AskContext { group, .. } => {
                let buffers = self.context.clone();
                self.events.push_back(Event::ContextKnown { group, buffers });
            }
            Action::Update { op, .. } => self.events.push_back(Event::Done { op, code: Code::SUCCESS }),
            Action::Cancel { op, .. } => self.events.push_back(Event::Done { op, code: Code::SUCCESS }),
            Action::Fail { op, resource } => {
                self.events.push_back(Event::Done { op, code: Code::SUCCESS });
                self.say(&resource, ResourceState::Failed, false, Code::ERROR_RESOURCE_FAILED);
                self.say(&resource, ResourceState::Failed, true, Code::ERROR_RESOURCE_FAILED);
            }
            Action::Open { op, monitor, resource } => {
                let code = match self.manner_of(&resource) {
                    Manner::FailsOpen(code) => Code(code),
                    Manner::Silent => {
                        self.waiting.insert(resource, op);
                        return;
                    }
                    Manner::Good
                    | Manner::Slow
                    | Manner::FailsOnline(_)
                    | Manner::Delays
                    | Manner::HangsOffline
                    | Manner::Refuses(_) => Code::SUCCESS,
                };
                if code.is_success() {
                    let twice = self.open.insert(resource.clone(), (monitor, ResourceState::Offline));
                    let forgotten = matches!(self.manner_of(&resource), Manner::Refuses(_));
                    assert!(twice.is_none() || forgotten, "{resource} is opened twice");
                }
                self.events.push_back(Event::Done { op, code });
            }
            Action::Close { op, resource, deleting: _ } => {
                if let Some(code) = self.refused(&resource).filter(|code| *code == Code::ERROR_INVALID_STATE)
                {
                    self.events.push_back(Event::Done { op, code });
                    return;
                }
                self.open.remove(&resource);
                self.events.push_back(Event::Done { op, code: Code::SUCCESS });
            }
            Action::Online { op, resource, .. } => self.online(op, &resource),
            Action::Offline { op, resource, flags, .. } => self.offline(op, &resource, flags),
            Action::Terminate { op, resource } => {
                if let Some(code) = self.refused(&resource) {
                    self.events.push_back(Event::Done { op, code });
                    return;
                }
                if let Some(interrupted) = self.waiting.remove(&resource) {
                    let code = Code::ERROR_OPERATION_ABORTED;
                    self.events.push_back(Event::Done { op: interrupted, code });
                }
                self.say(&resource, ResourceState::OfflinePending, false, Code::SUCCESS);
                self.say(&resource, ResourceState::Offline, true, Code::SUCCESS);
                self.events.push_back(Event::Done { op, code: Code::SUCCESS });
            }
        }
    }

    fn manner_of(&self, resource: &ResourceName) -> Manner {
        self.manners.get(resource).copied().unwrap_or_default()
    }

    /// What the monitor answers at once, of itself.
    fn refused(&self, resource: &ResourceName) -> Option<Code> {
        match self.manner_of(resource) {
            _ if !self.open.contains_key(resource) => Some(Code::ERROR_RESOURCE_NOT_FOUND),
            Manner::Refuses(code) => Some(Code(code)),
            Manner::Good
            | Manner::Slow
            | Manner::FailsOnline(_)
            | Manner::Delays
            | Manner::FailsOpen(_)
            | Manner::Silent
            | Manner::HangsOffline => None,
        }
    }

    fn online(&mut self, op: OpId, resource: &ResourceName) {
        if let Some(code) = self.refused(resource) {
            self.events.push_back(Event::Done { op, code });
            return;
        }
        let state = self.open.get(resource).map(|(_, state)| *state);
        // News of it may be on the way still: the monitor answers as it stands.
        if !matches!(state, Some(ResourceState::Offline | ResourceState::Failed)) {
            let online = state == Some(ResourceState::Online);
            let code = if online { Code::SUCCESS } else { Code::ERROR_INVALID_STATE };
            self.events.push_back(Event::Done { op, code });
            return;
        }
        assert!(self.supported(resource), "{resource} is brought online before its providers");
        self.say(resource, ResourceState::OnlinePending, false, Code::SUCCESS);
        match self.manner_of(resource) {
            Manner::Good
            | Manner::Delays
            | Manner::FailsOpen(_)
            | Manner::HangsOffline
            | Manner::Refuses(_) => {
                self.say(resource, ResourceState::Online, true, Code::SUCCESS);
                self.events.push_back(Event::Done { op, code: Code::SUCCESS });
            }
            Manner::FailsOnline(code) => {
                self.say(resource, ResourceState::Failed, false, Code(code));
                self.say(resource, ResourceState::Failed, true, Code(code));
                self.events.push_back(Event::Done { op, code: Code(code) });
            }
            Manner::Slow | Manner::Silent => drop(self.waiting.insert(resource.clone(), op)),
        }
    }

    /// True if the policy has reason to think that the providers are online.
    fn supported(&self, resource: &ResourceName) -> bool {
        let groups = self.policy.view().groups;
        let mut all = groups.iter().flat_map(|group| &group.resources);
        let Some(view) = all.find(|view| view.name == *resource) else { return true };
        let online = |provider: &ResourceName| {
            let mut all = groups.iter().flat_map(|group| &group.resources);
            all.any(|view| view.name == *provider && view.state == ResourceState::Online)
        };
        view.dependency.satisfied(online)
    }

    /// What is on its way to the disk arrives.
    pub(crate) fn release(&mut self) {
        self.slow_disk = false;
        self.events.append(&mut self.held);
    }

    fn offline(&mut self, op: OpId, resource: &ResourceName, flags: OfflineFlags) {
        if let Some(code) = self.refused(resource) {
            self.events.push_back(Event::Done { op, code });
            return;
        }
        let state = self.open.get(resource).map(|(_, state)| *state);
        if !matches!(state, Some(ResourceState::Online | ResourceState::OnlinePending)) {
            let code = match state {
                Some(ResourceState::Offline) => Code::SUCCESS,
                Some(ResourceState::Failed) => Code::ERROR_RESOURCE_FAILED,
                Some(_) | None => Code::ERROR_INVALID_STATE,
            };
            self.events.push_back(Event::Done { op, code });
            return;
        }
        if let Some(interrupted) = self.waiting.remove(resource) {
            self.events.push_back(Event::Done { op: interrupted, code: Code::ERROR_OPERATION_ABORTED });
        }
        if self.locked.contains(resource) && !flags.contains(OfflineFlags::IGNORE_RESOURCE_STATUS) {
            let code = Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS;
            self.events.push_back(Event::Done { op, code });
            return;
        }
        self.say(resource, ResourceState::OfflinePending, false, Code::SUCCESS);
        if self.manner_of(resource) == Manner::HangsOffline {
            self.waiting.insert(resource.clone(), op);
            return;
        }
        if self.manner_of(resource) == Manner::Delays {
            self.say(resource, ResourceState::Online, true, Code::SUCCESS);
            let news = News::Delayed(StatusFlags::OFFLINE_BUSY);
            self.events.push_back(Event::Report(Report { resource: resource.clone(), news }));
            self.events.push_back(Event::Done { op, code: Code::ERROR_BUSY });
            return;
        }
        self.say(resource, ResourceState::Offline, true, Code::SUCCESS);
        self.events.push_back(Event::Done { op, code: Code::SUCCESS });
    }
}

fn wish(state: Option<PersistentState>) -> String {
    state.map_or_else(|| "as its group".to_owned(), |state| format!("{state:?}"))
}

/// An action in one line; none for what says nothing to a reader.
pub(crate) fn shown(action: &Action) -> Option<String> {
    Some(match action {
        Action::Accept { id } => format!("accept {}", id.0),
        Action::Finish { id, answer } => match answer {
            Ok(Answer::Resource(state)) => format!("finish {}: {state}", id.0),
            Ok(Answer::Group(state)) => format!("finish {}: {state}", id.0),
            Ok(Answer::Done) => format!("finish {}: done", id.0),
            Ok(Answer::Cancelled) => format!("finish {}: cancelled", id.0),
            Ok(Answer::Failed { code, detail, .. }) => format!("finish {}: failed {code}: {detail}", id.0),
            Err(refusal) => format!("finish {}: {refusal}", id.0),
        },
        Action::Write { changes, .. } => {
            let changes: Vec<String> = changes
                .iter()
                .map(|change| match change {
                    Change::Step(PlanStep::SetType(config)) => format!("type {}", config.name),
                    Change::Step(PlanStep::SetGroup(config)) => format!("group {}", config.name),
                    Change::Step(PlanStep::DeleteResource(_, name)) => format!("delete {name}"),
                    Change::Step(PlanStep::DeleteGroup(name)) => format!("delete group {name}"),
                    Change::Step(PlanStep::DeleteType(name)) => format!("delete type {name}"),
                    Change::Step(PlanStep::SetGroupSet(set)) => format!("group set {}", set.name),
                    Change::Step(PlanStep::DeleteGroupSet(name)) => format!("delete group set {name}"),
                    Change::Step(PlanStep::SetSettings(_)) => "settings".to_owned(),
                    Change::GroupPersistentState(name, state) => {
                        format!("group {name} wanted {}", wish(*state))
                    }
                    Change::ResourcePersistentState(name, state) => format!("{name} wanted {}", wish(*state)),
                    Change::NodePaused(name, paused) => format!("node {name} paused {paused}"),
                    Change::ResourceMaintenance(name, on) => format!("{name} maintenance {on}"),
                })
                .collect();
            format!("write {}", changes.join(", "))
        }
        Action::StartMonitor { monitor } => format!("start monitor {monitor}"),
        Action::StopMonitor { monitor } => format!("stop monitor {monitor}"),
        Action::Open { monitor, resource, .. } => format!("open {resource} in {monitor}"),
        Action::Close { resource, deleting: true, .. } => format!("close {resource}, which is being deleted"),
        Action::Close { resource, deleting: false, .. } => format!("close {resource}"),
        Action::Online { resource, flags, in_buffer, .. } => {
            let buffer = in_buffer.as_ref().map(|bytes| format!(" with {bytes:?}")).unwrap_or_default();
            format!("online {resource} ({flags:?}){buffer}")
        }
        Action::Offline { resource, flags, reason, in_buffer, destination, .. } => {
            let buffer = in_buffer.as_ref().map(|bytes| format!(" with {bytes:?}")).unwrap_or_default();
            let to = destination.as_ref().map(|node| format!(" for {node}")).unwrap_or_default();
            format!("offline {resource}{to} ({flags:?}; {reason:?}){buffer}")
        }
        Action::Terminate { resource, .. } => format!("terminate {resource}"),
        Action::Cancel { resource, .. } => format!("cancel {resource}"),
        Action::Fail { resource, .. } => format!("fail {resource}"),
        Action::Maintenance { resource, on } => format!("maintenance {resource} {on}"),
        Action::AskContext { group, context } => format!("ask {group} for its context: {context:?}"),
        Action::Update { resource, .. } => format!("update {resource}"),
        Action::Release { group, release } => {
            let back = release.returning.as_ref().map(|(code, why)| format!(", back for {code}: {why}"));
            format!("release {group} to {} ({:?}){}", release.to, release.flags, back.unwrap_or_default())
        }
        Action::Moved { group, code, detail } => {
            format!("moved {group}: {code} {detail}").trim_end().to_owned()
        }
        Action::ProviderChanged { resource, provider, state } => {
            format!("tell {resource} that {provider} is {state}")
        }
        Action::Record(record) => format!("record {}: {}", record.id, record.text),
        Action::Stopped => "stopped".to_owned(),
    })
}

/// A plan from the policy's own configuration to another.
pub(crate) fn plan(world: &World, groups: Vec<GroupConfig>, prune: bool) -> Plan {
    world.policy.plan(&config(groups), prune).unwrap()
}

pub(crate) fn online_group(of: &str) -> Request {
    Request::OnlineGroup {
        group: name::<GroupName>(of),
        ignore_resource_status: false,
        keep_persistent_state: false,
        in_buffers: BTreeMap::new(),
    }
}

pub(crate) fn offline_group(of: &str) -> Request {
    Request::OfflineGroup {
        group: name::<GroupName>(of),
        ignore_resource_status: false,
        force_with_termination: false,
        keep_persistent_state: false,
        queue_enabled: false,
        in_buffers: BTreeMap::new(),
    }
}

pub(crate) fn online(of: &str) -> Request {
    Request::OnlineResource {
        resource: name(of),
        ignore_resource_status: false,
        keep_persistent_state: false,
        in_buffers: BTreeMap::new(),
    }
}

pub(crate) fn offline(of: &str) -> Request {
    Request::OfflineResource {
        resource: name(of),
        ignore_resource_status: false,
        force_with_termination: false,
        keep_persistent_state: false,
        queue_enabled: false,
        in_buffers: BTreeMap::new(),
    }
}
