//! From what is to what is wanted, one group at a time: every call that can be made now is made.

use std::collections::BTreeSet;

use stead_types::{
    Code, GroupName, GroupState, OfflineFlags, OfflineReason, OnlineFlags, ResourceName, ResourceState, Time,
};

use crate::action::Action;
use crate::event::MonitorId;
use crate::policy::{CallPurpose, Policy};
use crate::request::Answer;
use crate::runtime::{Goal, Group, Hold, Monitor, Opened, Waiter};

impl Policy {
    /// Looks at a group and does what can be done now.
    pub(crate) fn reconcile(&mut self, group: &GroupName, now: Time) {
        if !self.started || self.stopped || !self.has(group) {
            return;
        }
        self.begin_departure(group, now);
        let Some(runtime) = self.groups.get(group) else { return };
        let stopping = self.stopping(runtime);
        let order = runtime.order.clone();
        for name in order.iter().rev().filter(|name| stopping.contains(*name)) {
            self.take_offline(group, name, &stopping, now);
        }
        for name in &order {
            self.bring_online(group, name, &stopping, now);
        }
        self.close_leaving(group);
        if self.shutdown.is_some() {
            self.close_down(group);
        }
        self.settle_waiters(group, now);
        self.progress(group);
    }

    /// True if the resource is to be online, as far as it alone is concerned.
    pub(crate) fn wanted(&self, name: &ResourceName) -> bool {
        let Some(resource) = self.resource(name) else { return false };
        let departing = self.index.get(name).is_some_and(|group| self.leaves(group));
        resource.online_wanted && !resource.bounce && self.shutdown.is_none() && !departing
    }

    /// Active resources that must go offline: those not wanted, and those that need them.
    fn stopping(&self, group: &Group) -> BTreeSet<ResourceName> {
        let mut stopping: BTreeSet<ResourceName> = BTreeSet::new();
        // Providers come first in the order, so one pass is enough.
        for name in &group.order {
            let Some(resource) = group.resources.get(name).filter(|resource| resource.active()) else {
                continue;
            };
            let kept = |provider: &ResourceName| {
                !stopping.contains(provider)
                    && group.resources.get(provider).is_some_and(|provider| {
                        matches!(provider.state, ResourceState::Online) && provider.settled
                    })
            };
            let supported = self.configured(name).is_none_or(|config| config.dependency.satisfied(kept));
            if !self.wanted(name) || (!supported && resource.state != ResourceState::Failed) {
                stopping.insert(name.clone());
            }
        }
        stopping
    }

    /// Dependents that would lose their last provider must be down first.
    fn free_to_stop(
        &self,
        group: &GroupName,
        name: &ResourceName,
        stopping: &BTreeSet<ResourceName>,
    ) -> bool {
        let Some(runtime) = self.groups.get(group) else { return true };
        let dependents = runtime.dependents.get(name).map(Vec::as_slice).unwrap_or_default();
        dependents.iter().all(|dependent| {
            let active = runtime.resources.get(dependent).is_some_and(crate::runtime::Resource::active);
            let without = |provider: &ResourceName| {
                !stopping.contains(provider)
                    && runtime
                        .resources
                        .get(provider)
                        .is_some_and(|provider| provider.state == ResourceState::Online)
            };
            !active || self.configured(dependent).is_none_or(|config| config.dependency.satisfied(without))
        })
    }

    fn take_offline(
        &mut self,
        group: &GroupName,
        name: &ResourceName,
        stopping: &BTreeSet<ResourceName>,
        now: Time,
    ) {
        if !self.free_to_stop(group, name, stopping) {
            return;
        }
        let wanted = self.wanted(name);
        let shutting_down = self.shutdown.is_some();
        let leaving = self.leaving(group).contains(name);
        let departure = self.departing(group).filter(|_| self.leaves(group));
        let destination = departure.map(|departure| departure.to.clone());
        let heedless = self.heedless(group);
        let forced = self.shutdown.as_ref().is_some_and(|requests| requests.len() > 1);
        let Some(resource) = self.resource_mut(name) else { return };
        let pending_online = resource.state == ResourceState::OnlinePending;
        let online = resource.state == ResourceState::Online && resource.settled;
        // What is on the way online is waited for, unless it was asked to go.
        let interrupt = pending_online && !wanted && !resource.settled;
        let already = resource.state == ResourceState::OfflinePending;
        let force = (resource.force || forced) && resource.active();
        let issued = |policy: &Policy, purpose: &CallPurpose| {
            let busy = policy.resource(name).and_then(|resource| resource.busy);
            busy.and_then(|busy| policy.calls.get(&busy)).is_some_and(|(_, what)| what == purpose)
        };
        if force {
            // It may come in the middle of any other call.
            let waits = self.resource(name).and_then(|resource| resource.terminate_again);
            if !issued(self, &CallPurpose::Terminate) && waits.is_none_or(|at| at <= now) {
                let resource = name.clone();
                self.call(name, CallPurpose::Terminate, |op| Action::Terminate { op, resource });
            }
            return;
        }
        let offline_issued = issued(self, &CallPurpose::Offline) || issued(self, &CallPurpose::Terminate);
        if already || offline_issued || !(online || interrupt) {
            return;
        }
        let Some(resource) = self.resource_mut(name) else { return };
        if online && resource.busy.is_some() {
            return;
        }
        if let Some((at, _)) = resource.offline_again
            && at > now
        {
            return;
        }
        let mut flags = resource.offline_flags;
        let reason = if shutting_down {
            flags = flags.with(OfflineFlags::DO_NOT_UPDATE_PERSISTENT_STATE);
            OfflineReason::SHUTTING_DOWN
        } else if destination.is_some() {
            OfflineReason::MOVING
        } else if resource.bounce || wanted {
            OfflineReason::BEING_RESTARTED
        } else if leaving {
            OfflineReason::BEING_DELETED
        } else {
            OfflineReason::USER_REQUESTED
        };
        // A lock is an answer to operators. What follows a failure, and what ends, goes on all the same.
        let asked = reason == OfflineReason::USER_REQUESTED || (reason == OfflineReason::MOVING && !heedless);
        if resource.locked && !asked {
            flags = flags.with(OfflineFlags::IGNORE_RESOURCE_STATUS);
        }
        let (in_buffer, resource) = (resource.in_buffer.clone(), name.clone());
        self.call(name, CallPurpose::Offline, |op| Action::Offline {
            op,
            resource,
            flags,
            destination,
            in_buffer,
            reason,
        });
    }

    /// The monitor a resource belongs in.
    pub(crate) fn home(&self, group: &GroupName, name: &ResourceName) -> MonitorId {
        let own = self.configured(name).is_some_and(|config| config.common.separate_monitor)
            || self.resource(name).is_some_and(|resource| resource.isolated);
        MonitorId { group: group.clone(), separate: own.then(|| name.clone()) }
    }

    fn bring_online(
        &mut self,
        group: &GroupName,
        name: &ResourceName,
        stopping: &BTreeSet<ResourceName>,
        now: Time,
    ) {
        if !self.wanted(name) || self.held_back(group) {
            return;
        }
        let Some(runtime) = self.groups.get(group) else { return };
        let Some(resource) = runtime.resources.get(name) else { return };
        if !resource.at_rest() || resource.opened == Opened::Opening || resource.opened == Opened::Closing {
            return;
        }
        match resource.hold {
            Some(Hold::Until(at)) if at > now => return,
            Some(Hold::GaveUp(_)) => return,
            Some(Hold::Until(_)) | None => {}
        }
        // A provider that is on its way out is as good as gone: it waits for its dependents.
        let online = |provider: &ResourceName| {
            !stopping.contains(provider)
                && runtime
                    .resources
                    .get(provider)
                    .is_some_and(|provider| provider.state == ResourceState::Online && provider.settled)
        };
        if self.configured(name).is_none_or(|config| !config.dependency.satisfied(online)) {
            return;
        }
        // What still runs on what is about to start again must be down first.
        let dependents = runtime.dependents.get(name).map(Vec::as_slice).unwrap_or_default();
        if dependents.iter().any(|dependent| {
            runtime.resources.get(dependent).is_some_and(crate::runtime::Resource::active)
                && self.configured(dependent).is_some_and(|config| !config.dependency.satisfied(online))
        }) {
            return;
        }
        let home = self.home(group, name);
        if resource.opened == Opened::Yes && resource.monitor.as_ref() != Some(&home) {
            let resource = name.clone();
            if let Some(runtime) = self.resource_mut(name) {
                runtime.opened = Opened::Closing;
            }
            self.call(name, CallPurpose::Close, |op| Action::Close { op, resource, deleting: false });
            return;
        }
        match self.monitors.get(&home) {
            None => {
                self.monitors.insert(home.clone(), Monitor::Starting);
                self.act(Action::StartMonitor { monitor: home });
                return;
            }
            Some(Monitor::Starting | Monitor::Stopping) => return,
            Some(Monitor::Running) => {}
        }
        if self.resource(name).is_some_and(|resource| resource.opened == Opened::No) {
            if let Some(runtime) = self.resource_mut(name) {
                runtime.opened = Opened::Opening;
                runtime.monitor = Some(home.clone());
                runtime.stale = false;
            }
            let resource = name.clone();
            self.call(name, CallPurpose::Open, |op| Action::Open { op, monitor: home, resource });
            return;
        }
        let Some(runtime) = self.resource_mut(name) else { return };
        runtime.hold = None;
        let flags = std::mem::replace(&mut runtime.online_flags, OnlineFlags::NONE);
        let (in_buffer, resource) = (runtime.in_buffer.clone(), name.clone());
        self.call(name, CallPurpose::Online, |op| Action::Online { op, resource, flags, in_buffer });
    }

    /// During a shutdown: closes what is at rest, then ends the monitors, then says so.
    fn close_down(&mut self, group: &GroupName) {
        if self.closed(group) {
            self.stop_monitors(group);
            self.finish_shutdown();
        }
    }

    /// Once everything of the group is at rest, closes it. True when that is done.
    pub(crate) fn closed(&mut self, group: &GroupName) -> bool {
        let Some(runtime) = self.groups.get(group) else { return true };
        if runtime.resources.values().any(|resource| !resource.at_rest()) {
            return false;
        }
        let mut busy = false;
        for name in runtime.order.clone() {
            match self.resource(&name).map(|resource| resource.opened) {
                Some(Opened::Yes) => {
                    busy = true;
                    if let Some(resource) = self.resource_mut(&name) {
                        resource.opened = Opened::Closing;
                    }
                    let resource = name.clone();
                    self.call(&name, CallPurpose::Close, |op| Action::Close {
                        op,
                        resource,
                        deleting: false,
                    });
                }
                Some(Opened::Opening | Opened::Closing) => busy = true,
                Some(Opened::No) | None => {}
            }
        }
        !busy
    }

    pub(crate) fn stop_monitors(&mut self, group: &GroupName) {
        let running: Vec<MonitorId> = self
            .monitors
            .iter()
            .filter(|(monitor, state)| monitor.group == *group && **state != Monitor::Stopping)
            .map(|(monitor, _)| monitor.clone())
            .collect();
        for monitor in running {
            self.monitors.insert(monitor.clone(), Monitor::Stopping);
            self.act(Action::StopMonitor { monitor });
        }
    }

    pub(crate) fn finish_shutdown(&mut self) {
        let open = self.groups.values().flat_map(|group| group.resources.values());
        let mut open = open.filter(|resource| resource.opened != Opened::No || !resource.at_rest());
        if self.stopped || !self.monitors.is_empty() || open.next().is_some() {
            return;
        }
        let Some(requests) = &self.shutdown else { return };
        let requests = requests.clone();
        self.stopped = true;
        for id in requests {
            self.finish(id, Ok(Answer::Done));
        }
        self.act(Action::Stopped);
    }

    // Requests that wait.

    /// True if nothing that is tried now can bring the resource online.
    fn hopeless(&self, group: &Group, name: &ResourceName, depth: usize) -> bool {
        let Some(resource) = group.resources.get(name) else { return true };
        if resource.state == ResourceState::Online {
            return false;
        }
        if !self.wanted(name) || resource.given_up() {
            return resource.at_rest();
        }
        let Some(config) = self.configured(name) else { return true };
        depth < 128
            && config
                .dependency
                .sets()
                .iter()
                .any(|set| set.iter().all(|provider| self.hopeless(group, provider, depth + 1)))
    }

    /// Why a resource cannot come online: the code, and a sentence.
    pub(crate) fn obstacle(&self, group: &Group, name: &ResourceName) -> (Code, String) {
        if let Some(resource) = group.resources.get(name)
            && resource.given_up()
        {
            let why = resource.why.clone().unwrap_or_default();
            return (resource.last_error, format!("resource \"{name}\" is {}: {why}", resource.state));
        }
        let missing = self.configured(name).and_then(|config| {
            let mut sets = config.dependency.sets().iter();
            sets.find(|set| {
                !set.iter().any(|provider| {
                    group
                        .resources
                        .get(provider)
                        .is_some_and(|provider| provider.state == ResourceState::Online)
                })
            })
        });
        let providers =
            missing.map(|set| set.iter().map(|name| format!("[{name}]")).collect::<Vec<_>>().join(" or "));
        let text =
            format!("resource \"{name}\" needs {}, which is not online", providers.unwrap_or_default());
        (Code::ERROR_CLUSTER_RESOURCE_PROVIDER_FAILED, text)
    }

    fn settle_waiters(&mut self, group: &GroupName, now: Time) {
        let Some(waiters) = self.waiters.remove(group) else { return };
        let mut kept = Vec::new();
        for waiter in waiters {
            match self.outcome(group, &waiter) {
                None => kept.push(waiter),
                Some(answer) => {
                    if let Goal::Gone(_) = waiter.goal {
                        self.gone(waiter.id, now);
                    } else {
                        self.finish(waiter.id, Ok(answer));
                    }
                }
            }
        }
        if !kept.is_empty() {
            let held = self.waiters.entry(group.clone()).or_default();
            kept.append(held);
            *held = kept;
        }
    }

    /// How a request ended, if it has.
    pub(crate) fn outcome(&self, group: &GroupName, waiter: &Waiter) -> Option<Answer> {
        let runtime = self.groups.get(group);
        let failed =
            |(code, detail): (Code, String)| Answer::Failed { what: waiter.what.clone(), code, detail };
        let Some(runtime) = runtime else { return Some(Answer::Done) };
        match &waiter.goal {
            Goal::ResourceOnline(name) | Goal::ResourceRestarted(name) => {
                let Some(resource) = runtime.resources.get(name) else { return Some(Answer::Done) };
                if resource.bounce {
                    return None;
                }
                if resource.state == ResourceState::Online && resource.settled {
                    return Some(Answer::Resource(resource.state));
                }
                if matches!(waiter.goal, Goal::ResourceRestarted(_))
                    && !resource.online_wanted
                    && resource.at_rest()
                {
                    return Some(Answer::Resource(resource.state));
                }
                // Another request had it the other way since.
                if !resource.online_wanted && resource.at_rest() {
                    return Some(Answer::Cancelled);
                }
                self.hopeless(runtime, name, 0).then(|| failed(self.obstacle(runtime, name)))
            }
            Goal::ResourceOffline(name) => {
                let Some(resource) = runtime.resources.get(name) else { return Some(Answer::Done) };
                if !resource.at_rest() {
                    return None;
                }
                Some(Answer::Resource(resource.state))
            }
            Goal::GroupOnline | Goal::GroupSettled => {
                let mut problems = Vec::new();
                for (name, resource) in &runtime.resources {
                    let leaving = !resource.online_wanted && !resource.at_rest();
                    if leaving && waiter.goal == Goal::GroupSettled {
                        return None;
                    }
                    let online = resource.state == ResourceState::Online && resource.settled;
                    if !resource.online_wanted || online {
                        continue;
                    }
                    if !self.hopeless(runtime, name, 0) {
                        return None;
                    }
                    problems.push(self.obstacle(runtime, name));
                }
                let state = GroupState::derive(runtime.resources.values().map(|resource| resource.state));
                // The failure itself says more than what waits for it.
                let worst = problems
                    .iter()
                    .position(|(code, _)| *code != Code::ERROR_CLUSTER_RESOURCE_PROVIDER_FAILED);
                match problems.into_iter().nth(worst.unwrap_or(0)) {
                    None => Some(Answer::Group(state)),
                    Some(problem) => Some(failed(problem)),
                }
            }
            Goal::GroupOffline => {
                if runtime.resources.values().any(|resource| !resource.at_rest()) {
                    return None;
                }
                let state = GroupState::derive(runtime.resources.values().map(|resource| resource.state));
                Some(Answer::Group(state))
            }
            Goal::Gone(names) => {
                let open = |name: &ResourceName| {
                    runtime
                        .resources
                        .get(name)
                        .is_some_and(|resource| resource.opened != Opened::No || !resource.at_rest())
                };
                (!names.iter().any(open)).then_some(Answer::Done)
            }
        }
    }
}
