//! The Resource Monitors of a machine. They live on when the node process does not, and end with the guardian's kill.

use std::collections::BTreeMap;

use stead_lease::Mutant;
use stead_policy::{Event, Lost, MonitorId, News, OpId, Report};
use stead_types::{Code, Dependency, ResourceName, ResourceState, StatusFlags};

use super::Brain;
use crate::fault::MILLI;
use crate::node::{Input, Live, Process};
use crate::world::{Happening, World};

/// A resource in a monitor: its state, and the call in progress.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Hosted {
    state: ResourceState,
    op: Option<OpId>,
}

/// The monitors of one group on one machine.
pub(crate) type Hosts = BTreeMap<MonitorId, BTreeMap<ResourceName, Hosted>>;

/// What comes to its end in a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    Close,
    Terminate,
    Online,
    Offline,
    /// As if a health check had failed.
    Fail,
    /// It changes nothing.
    Nothing,
}

const OPEN: Hosted = Hosted { state: ResourceState::Offline, op: None };

fn report(resource: &ResourceName, state: ResourceState, settled: bool, code: Code) -> Event {
    Event::Report(said(resource, state, settled, code))
}

fn said(resource: &ResourceName, state: ResourceState, settled: bool, code: Code) -> Report {
    let news = News::State { state, settled, code, flags: StatusFlags::NONE, why: "the simulation says so" };
    Report { resource: resource.clone(), news }
}

impl World {
    /// The monitors that run, as a process that starts again finds them.
    pub(crate) fn running(&self, node: usize) -> Vec<(MonitorId, Vec<Report>)> {
        let all = self.nodes[node].hosts.iter().flatten();
        all.map(|(monitor, resources)| {
            let reports = resources
                .iter()
                .map(|(name, hosted)| said(name, hosted.state, hosted.op.is_none(), Code::SUCCESS));
            (monitor.clone(), reports.collect())
        })
        .collect()
    }

    pub(crate) fn group_of(&self, resource: &ResourceName) -> Option<usize> {
        self.resource_groups.get(resource).copied()
    }

    fn hosted(&mut self, node: usize, resource: &ResourceName) -> Option<&mut Hosted> {
        let group = self.group_of(resource)?;
        self.nodes[node].hosts[group].values_mut().find_map(|resources| resources.get_mut(resource))
    }

    pub(crate) fn state_of(&self, node: usize, resource: &ResourceName) -> ResourceState {
        let Some(group) = self.group_of(resource) else { return ResourceState::Offline };
        let all = self.nodes[node].hosts[group].values();
        let mut found = all.filter_map(|resources| resources.get(resource));
        found.next().map_or(ResourceState::Offline, |hosted| hosted.state)
    }

    /// Tells the node process of a machine, whichever it is now.
    pub(crate) fn tell(&mut self, node: usize, events: Vec<Event>) {
        let of = &self.nodes[node];
        if of.process != Process::Running || events.is_empty() {
            return;
        }
        let (epoch, incarnation) = (of.epoch, of.knows);
        let input = Input::Told(events);
        self.push(self.now, Happening::Deliver { node, epoch, incarnation, input });
    }

    /// The guard is armed before the first instruction of a group's work.
    pub(crate) fn start_monitor(&mut self, node: usize, brain: &Brain, monitor: MonitorId) {
        let Some(group) = self.group_at(&monitor.group) else { return };
        let of = &self.nodes[node];
        let sid = of.machine.sid();
        let armed = sid == Some(of.guard_sid) && of.now(self.now) < of.guard_deadline;
        let ending = of.live[group].is_some_and(|live| live.ending);
        let owned = brain.owner.documents().get(&monitor.group).map(|owned| owned.document.generation);
        let (Some(sid), Some(generation)) = (sid.filter(|_| armed && !ending), owned) else {
            let lost = Lost::NotStarted { text: "the session is not in force".to_owned() };
            return self.tell(node, vec![Event::MonitorLost { monitor, lost }]);
        };
        if of.live[group].is_none() {
            self.begin_work(node, group, generation, sid);
        }
        self.nodes[node].hosts[group].insert(monitor.clone(), BTreeMap::new());
        self.tell(node, vec![Event::MonitorStarted { monitor }]);
    }

    pub(crate) fn stop_monitor(&mut self, node: usize, monitor: MonitorId) {
        let Some(group) = self.group_at(&monitor.group) else { return };
        let Some(Live { id, .. }) = self.nodes[node].live[group] else {
            return self.tell(node, vec![Event::MonitorLost { monitor, lost: Lost::Stopped }]);
        };
        if self.mutants.has(Mutant::ReleaseBeforeGone) {
            self.tell(node, vec![Event::MonitorLost { monitor: monitor.clone(), lost: Lost::Stopped }]);
        }
        let takes = self.random.extreme(MILLI, 400 * MILLI);
        self.push(self.now + takes, Happening::MonitorGone { node, group, id, monitor });
    }

    /// The last process of a monitor has ended.
    pub(crate) fn monitor_gone(&mut self, node: usize, group: usize, id: u64, monitor: MonitorId) {
        if self.nodes[node].live[group].is_none_or(|live| live.id != id) {
            return;
        }
        if self.nodes[node].hosts[group].remove(&monitor).is_some() {
            self.tell(node, vec![Event::MonitorLost { monitor, lost: Lost::Stopped }]);
        }
        if self.nodes[node].hosts[group].is_empty() {
            self.dead(node, group, id);
        }
    }

    /// Everything of a group has ended by force.
    pub(crate) fn hosts_dead(&mut self, node: usize, group: usize) {
        let gone = std::mem::take(&mut self.nodes[node].hosts[group]);
        let code = Code::RPC_S_CALL_FAILED;
        let lost = |monitor| {
            let lost = Lost::Died { culprits: Vec::new(), code, text: "it was killed".to_owned() };
            Event::MonitorLost { monitor, lost }
        };
        let events = gone.into_keys().map(lost).collect();
        self.tell(node, events);
    }

    pub(crate) fn kill_group(&mut self, node: usize, group: usize) {
        let k = u64::try_from(self.nodes[node].params.k.as_nanos()).unwrap_or(0);
        if let Some(live) = self.nodes[node].live[group].as_mut() {
            live.ending = true;
            let id = live.id;
            let takes = self.random.extreme(MILLI, k);
            self.push(self.now + takes, Happening::Dead { node, group, id });
        }
    }

    pub(crate) fn open(&mut self, node: usize, op: OpId, monitor: &MonitorId, resource: ResourceName) {
        let group = self.group_at(&monitor.group);
        let of = &mut self.nodes[node];
        let code = match group.and_then(|group| of.hosts[group].get_mut(monitor)) {
            Some(resources) => {
                resources.insert(resource, OPEN);
                Code::SUCCESS
            }
            None => Code::ERROR_RESMON_ONLINE_FAILED,
        };
        self.tell(node, vec![Event::Done { op, code }]);
    }

    /// It is offline without anybody having been told, which no monitor does.
    #[cfg(test)]
    pub(crate) fn called_off(&mut self, node: usize, resource: &ResourceName) {
        if let Some(hosted) = self.hosted(node, resource) {
            *hosted = OPEN;
        }
    }

    /// A monitor forgets an instance when its end is asked for: whoever asks for more before `Close` has returned hears
    /// that there is no such resource, and so does a node process that comes meanwhile.
    pub(crate) fn close(&mut self, node: usize, op: OpId, resource: ResourceName) {
        let Some(group) = self.group_of(&resource) else { return };
        for resources in self.nodes[node].hosts[group].values_mut() {
            resources.remove(&resource);
        }
        self.call(node, op, resource, Call::Close);
    }

    /// A call that ends a little later.
    pub(crate) fn call(&mut self, node: usize, op: OpId, resource: ResourceName, call: Call) {
        let takes = self.random.extreme(MILLI, 50 * MILLI);
        self.later(node, op, resource, call, takes);
    }

    fn later(&mut self, node: usize, op: OpId, resource: ResourceName, call: Call, takes: u64) {
        let epoch = self.nodes[node].epoch;
        let Some(group) = self.group_of(&resource) else { return };
        let Some(Live { id, .. }) = self.nodes[node].live[group] else {
            return self.tell(node, vec![Event::Done { op, code: Code::ERROR_RESOURCE_NOT_FOUND }]);
        };
        self.push(self.now + takes, Happening::Called { node, epoch, id, op, resource, call });
    }

    pub(crate) fn online(&mut self, node: usize, op: OpId, resource: ResourceName) {
        let Some(state) = self.hosted(node, &resource).map(|hosted| hosted.state) else {
            return self.tell(node, vec![Event::Done { op, code: Code::ERROR_RESOURCE_NOT_FOUND }]);
        };
        if !matches!(state, ResourceState::Offline | ResourceState::Failed) {
            let online = state == ResourceState::Online;
            let code = if online { Code::SUCCESS } else { Code::ERROR_INVALID_STATE };
            return self.tell(node, vec![Event::Done { op, code }]);
        }
        let group = self.group_of(&resource).and_then(|group| self.config.groups.get(&self.groups[group]));
        let dependency =
            group.and_then(|group| group.resources.get(&resource)).map(|known| known.dependency.clone());
        let unheard = |provider: &ResourceName| {
            self.nodes[node].unheard.get(provider).is_some_and(|until| self.now <= *until)
        };
        let has = |provider: &ResourceName| {
            self.state_of(node, provider) == ResourceState::Online || unheard(provider)
        };
        if !dependency.is_none_or(|dependency| Dependency::satisfied(&dependency, has)) {
            self.broken("I8", format!("{resource} is brought online on node {node} before its providers"));
        }
        if let Some(hosted) = self.hosted(node, &resource) {
            *hosted = Hosted { state: ResourceState::OnlinePending, op: Some(op) };
        }
        self.tell(node, vec![report(&resource, ResourceState::OnlinePending, false, Code::SUCCESS)]);
        let takes = self.random.extreme(MILLI, 800 * MILLI);
        self.later(node, op, resource, Call::Online, takes);
    }

    pub(crate) fn offline(&mut self, node: usize, op: OpId, resource: ResourceName) {
        let Some(hosted) = self.hosted(node, &resource).copied() else {
            return self.tell(node, vec![Event::Done { op, code: Code::ERROR_RESOURCE_NOT_FOUND }]);
        };
        if !matches!(hosted.state, ResourceState::Online | ResourceState::OnlinePending) {
            let code = match hosted.state {
                ResourceState::Offline => Code::SUCCESS,
                ResourceState::Failed => Code::ERROR_RESOURCE_FAILED,
                ResourceState::Unknown
                | ResourceState::Inherited
                | ResourceState::Initializing
                | ResourceState::Online
                | ResourceState::OnlinePending
                | ResourceState::OfflinePending => Code::ERROR_INVALID_STATE,
            };
            return self.tell(node, vec![Event::Done { op, code }]);
        }
        let config = self.group_of(&resource).and_then(|group| self.config.groups.get(&self.groups[group]));
        let dependents = config.into_iter().flat_map(|group| group.resources.values());
        let needs = |known: &&stead_policy::ResourceConfig| {
            known.dependency.providers().any(|name| *name == resource)
        };
        let left =
            dependents.filter(needs).find(|known| self.state_of(node, &known.name) == ResourceState::Online);
        if let Some(left) = left {
            let what = format!("{resource} is taken offline on node {node} before {}", left.name);
            self.broken("I8", what);
        }
        let mut events = Vec::new();
        if let Some(interrupted) = hosted.op {
            events.push(Event::Done { op: interrupted, code: Code::ERROR_OPERATION_ABORTED });
        }
        if let Some(hosted) = self.hosted(node, &resource) {
            *hosted = Hosted { state: ResourceState::OfflinePending, op: Some(op) };
        }
        events.push(report(&resource, ResourceState::OfflinePending, false, Code::SUCCESS));
        self.tell(node, events);
        let takes = self.random.extreme(MILLI, 400 * MILLI);
        self.later(node, op, resource, Call::Offline, takes);
    }

    /// A call has come to its end.
    pub(crate) fn called(
        &mut self,
        (node, epoch, id): (usize, u64, u64),
        op: OpId,
        resource: ResourceName,
        call: Call,
    ) {
        let Some(group) = self.group_of(&resource) else { return };
        if self.nodes[node].live[group].is_none_or(|live| live.id != id) {
            return;
        }
        let sick = self.sick.get(&(group, node)).is_some_and(|until| *until > self.now);
        let asked_by_this = self.nodes[node].epoch == epoch;
        let Some(hosted) = self.hosted(node, &resource) else {
            if asked_by_this {
                let code = match call {
                    Call::Close => Code::SUCCESS,
                    Call::Terminate | Call::Online | Call::Offline | Call::Fail | Call::Nothing => {
                        Code::ERROR_RESOURCE_NOT_FOUND
                    }
                };
                self.tell(node, vec![Event::Done { op, code }]);
            }
            return;
        };
        let (current, interrupted) = (hosted.op == Some(op), hosted.op);
        let mut events = Vec::new();
        let mut code = Code::SUCCESS;
        let mut settles = |hosted: &mut Hosted, state, code| {
            *hosted = Hosted { state, op: None };
            if state == ResourceState::Failed {
                events.push(report(&resource, state, false, code));
            }
            events.push(report(&resource, state, true, code));
        };
        match call {
            Call::Nothing => {}
            Call::Online if current && sick => {
                code = Code::ERROR_RESMON_ONLINE_FAILED;
                settles(hosted, ResourceState::Failed, code);
            }
            Call::Online if current => settles(hosted, ResourceState::Online, Code::SUCCESS),
            Call::Offline if current => settles(hosted, ResourceState::Offline, Code::SUCCESS),
            // It was interrupted, and that was said.
            Call::Online | Call::Offline => return,
            Call::Terminate => {
                settles(hosted, ResourceState::Offline, Code::SUCCESS);
                if let Some(op) = interrupted {
                    events.push(Event::Done { op, code: Code::ERROR_OPERATION_ABORTED });
                }
            }
            Call::Fail => settles(hosted, ResourceState::Failed, Code::ERROR_RESOURCE_FAILED),
            // What was opened since is another instance.
            Call::Close => {}
        }
        if asked_by_this {
            events.push(Event::Done { op, code });
        }
        self.tell(node, events);
    }

    /// A health check of an online resource says no.
    pub(crate) fn fails(&mut self, node: usize, resource: &ResourceName) {
        let code = Code::ERROR_RESOURCE_FAILED;
        let held = self.held(node);
        let Some(hosted) = self.hosted(node, resource) else { return };
        if hosted.state == ResourceState::Online && hosted.op.is_none() {
            hosted.state = ResourceState::Failed;
            if let Some(until) = held {
                self.nodes[node].unheard.insert(resource.clone(), until);
            }
            let events = [false, true].map(|settled| report(resource, ResourceState::Failed, settled, code));
            self.tell(node, events.into());
        }
    }
}
