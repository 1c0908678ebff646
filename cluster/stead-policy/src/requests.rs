//! What clients ask for: refused at once, or made durable and then pursued.

use std::collections::BTreeSet;

use stead_types::{Code, GroupName, OfflineFlags, OnlineFlags, ResourceName, ResourceState, Time};

use crate::action::{Action, Change, Level};
use crate::config::PersistentState;
use crate::event::{RequestId, WriteId};
use crate::policy::{CallPurpose, Policy, Purpose};
use crate::request::{Answer, InBuffers, Plan, PlanStep, Refusal, Request};
use crate::runtime::{Goal, Opened, Waiter, buffer_for};

pub(crate) fn refusal(what: &str, code: Code, detail: impl Into<String>) -> Refusal {
    Refusal { what: what.to_owned(), code, detail: detail.into() }
}

fn stored(online: bool) -> PersistentState {
    if online { PersistentState::Online } else { PersistentState::Offline }
}

impl Policy {
    pub(crate) fn request(&mut self, id: RequestId, request: Request, now: Time) {
        let what = describe(&request);
        if let Request::Shutdown = request {
            self.shut_down(id, now);
            return;
        }
        if self.shutdown.is_some() || !self.started {
            let detail = if self.started { "stead is shutting down" } else { "the node is still starting" };
            self.finish(id, Err(refusal(&what, Code::ERROR_CLUSTER_SHUTTING_DOWN, detail)));
            return;
        }
        if self.must_wait(&request) {
            self.deferred.push_back((id, request));
            return;
        }
        let admitted = self.refuse_elsewhere(&what, &request).and_then(|()| self.admit(&what, &request));
        if let Err(refused) = admitted {
            self.finish(id, Err(refused));
            return;
        }
        self.asked_to_start(&request);
        match request {
            Request::Apply(plan) => self.apply(id, plan, now),
            Request::DeleteResource { resource, force: _ } => {
                let group = self.index.get(&resource).cloned();
                let steps =
                    group.map(|group| PlanStep::DeleteResource(group, resource)).into_iter().collect();
                self.apply(id, Plan { steps }, now);
            }
            Request::DeleteGroup { group, force: _ } => {
                let mut steps = self.sets_without(&group);
                steps.push(PlanStep::DeleteGroup(group));
                self.apply(id, Plan { steps }, now);
            }
            Request::DeleteGroupSet { set } => {
                self.apply(id, Plan { steps: vec![PlanStep::DeleteGroupSet(set)] }, now);
            }
            Request::DeleteType { type_name } => {
                self.apply(id, Plan { steps: vec![PlanStep::DeleteType(type_name)] }, now);
            }
            Request::OnlineResource { .. }
            | Request::OfflineResource { .. }
            | Request::OnlineGroup { .. }
            | Request::OfflineGroup { .. } => {
                let changes = self.wishes(&request);
                if changes.is_empty() {
                    self.act(Action::Accept { id });
                    self.pursue(id, request, Vec::new(), now);
                } else {
                    // The wish is durable before anything is tried.
                    self.write(changes.clone(), Purpose::Wish(id, request, changes));
                }
            }
            Request::ResourceMaintenance { resource, on } => {
                let changes = vec![Change::ResourceMaintenance(resource.clone(), on)];
                let request = Request::ResourceMaintenance { resource, on };
                self.write(changes.clone(), Purpose::Wish(id, request, changes));
            }
            Request::PauseNode { .. } if self.paused => {
                self.act(Action::Accept { id });
                self.finish(id, Ok(Answer::Done));
            }
            Request::PauseNode { node, drain, flags } => {
                let changes = vec![Change::NodePaused(node.clone(), true)];
                let request = Request::PauseNode { node, drain, flags };
                self.write(changes.clone(), Purpose::Wish(id, request, changes));
            }
            Request::ResumeNode { node, failback, clear_quarantine } => {
                let changes = vec![Change::NodePaused(node.clone(), false)];
                let request = Request::ResumeNode { node, failback, clear_quarantine };
                self.write(changes.clone(), Purpose::Wish(id, request, changes));
            }
            Request::RestartResource { .. }
            | Request::FailResource { .. }
            | Request::SettleGroup { .. }
            | Request::MoveGroup { .. }
            | Request::CancelGroup { .. }
            | Request::CancelResource { .. }
            | Request::Shutdown => {
                self.act(Action::Accept { id });
                self.pursue(id, request, Vec::new(), now);
            }
        }
    }

    /// The stored wishes a request changes.
    fn wishes(&self, request: &Request) -> Vec<Change> {
        let group_wish = |group: &GroupName, online: bool| {
            let mut changes = Vec::new();
            let Some(config) = self.config.groups.get(group) else { return changes };
            if config.persistent_state != Some(stored(online)) {
                changes.push(Change::GroupPersistentState(group.clone(), Some(stored(online))));
            }
            for (name, resource) in &config.resources {
                if resource.persistent_state.is_some_and(|own| own != stored(online)) {
                    changes.push(Change::ResourcePersistentState(name.clone(), Some(stored(online))));
                }
            }
            changes
        };
        let resource_wish = |resource: &ResourceName, online: bool| {
            let own = self.configured(resource).and_then(|config| config.persistent_state);
            let same = own == Some(stored(online));
            (!same).then(|| Change::ResourcePersistentState(resource.clone(), Some(stored(online))))
        };
        match request {
            Request::OnlineGroup { group, keep_persistent_state: false, .. } => group_wish(group, true),
            Request::OfflineGroup { group, keep_persistent_state: false, .. } => group_wish(group, false),
            Request::OnlineResource { resource, keep_persistent_state: false, .. } => {
                // What it needs is wanted with it: else nothing would bring it online after a restart.
                let Some(group) = self.index.get(resource) else { return Vec::new() };
                let mut providers = self.with_providers(resource);
                providers.retain(|name| name != resource && !self.wish(group, name));
                let providers = providers.iter().filter_map(|name| resource_wish(name, true));
                providers.chain(resource_wish(resource, true)).collect()
            }
            Request::OfflineResource { resource, keep_persistent_state: false, .. } => {
                resource_wish(resource, false).into_iter().collect()
            }
            Request::OnlineGroup { .. }
            | Request::OfflineGroup { .. }
            | Request::OnlineResource { .. }
            | Request::OfflineResource { .. }
            | Request::Apply(_)
            | Request::RestartResource { .. }
            | Request::FailResource { .. }
            | Request::ResourceMaintenance { .. }
            | Request::SettleGroup { .. }
            | Request::MoveGroup { .. }
            | Request::CancelGroup { .. }
            | Request::CancelResource { .. }
            | Request::DeleteResource { .. }
            | Request::DeleteGroup { .. }
            | Request::DeleteType { .. }
            | Request::DeleteGroupSet { .. }
            | Request::PauseNode { .. }
            | Request::ResumeNode { .. }
            | Request::Shutdown => Vec::new(),
        }
    }

    pub(crate) fn written(&mut self, write: WriteId, result: Result<(), Code>, now: Time) {
        let Some(purpose) = self.writes.remove(&write) else { return };
        match (purpose, result) {
            (Purpose::Wish(id, request, changes), Ok(())) => {
                let undo = changes.iter().filter_map(|change| self.as_it_is(change)).collect();
                for change in changes {
                    self.adopt_wish(change);
                }
                self.act(Action::Accept { id });
                self.pursue(id, request, undo, now);
            }
            (Purpose::Undo(changes), Ok(())) => {
                for change in changes {
                    self.adopt_wish(change);
                }
            }
            (Purpose::Undo(_), Err(code)) => {
                let text = "the wish of a request that was given up could not be taken back: it counts at the next start";
                self.record((10_004, Level::Warning), None, None, code, text.to_owned());
            }
            (Purpose::Plan(id, parked), Ok(())) => self.adopt(id, parked.plan, now),
            (Purpose::Wish(id, request, _), Err(code)) => {
                let detail = unwritten(code, "nothing was changed");
                self.finish(id, Err(refusal(&describe(&request), code, detail)));
            }
            (Purpose::Plan(id, parked), Err(code)) => {
                let detail = unwritten(code, "the configuration is as it was");
                self.finish(id, Err(refusal("configuration: apply", code, detail)));
                // What was taken offline for a deletion that did not happen comes back.
                self.restore(&parked.before, now);
            }
        }
        for (id, request) in std::mem::take(&mut self.deferred) {
            self.request(id, request, now);
        }
    }

    /// Resources are kept as they were before something that did not happen.
    fn restore(&mut self, before: &[(ResourceName, bool)], now: Time) {
        for (name, online) in before {
            if let Some(resource) = self.resource_mut(name) {
                resource.online_wanted = *online;
            }
        }
        let groups: BTreeSet<GroupName> =
            before.iter().filter_map(|(name, _)| self.index.get(name).cloned()).collect();
        for group in groups {
            self.reconcile(&group, now);
        }
    }

    /// Ends a request that cannot reach its goal, and puts back what it changed.
    pub(crate) fn abandon(&mut self, waiter: &Waiter, answer: Answer, now: Time) {
        self.give_back(waiter);
        if !waiter.undo.is_empty() {
            self.write(waiter.undo.clone(), Purpose::Undo(waiter.undo.clone()));
        }
        self.finish(waiter.id, Ok(answer));
        if let Some(parked) = self.parked.remove(&waiter.id) {
            // It may have closed other groups on its way.
            self.restore(&parked.before, now);
        }
    }

    /// What a change would have to be for everything to stay as it is.
    fn as_it_is(&self, change: &Change) -> Option<Change> {
        match change {
            Change::GroupPersistentState(group, _) => {
                let wish = self.config.groups.get(group)?.persistent_state;
                Some(Change::GroupPersistentState(group.clone(), wish))
            }
            Change::ResourcePersistentState(name, _) => {
                let wish = self.configured(name)?.persistent_state;
                Some(Change::ResourcePersistentState(name.clone(), wish))
            }
            Change::ResourceMaintenance(..) | Change::NodePaused(..) | Change::Step(_) => None,
        }
    }

    fn adopt_wish(&mut self, change: Change) {
        match change {
            Change::GroupPersistentState(group, wish) => {
                if let Some(config) = self.config.groups.get_mut(&group) {
                    config.persistent_state = wish;
                }
            }
            Change::ResourcePersistentState(name, wish) => {
                let config = self.index.get(&name).and_then(|group| self.config.groups.get_mut(group));
                if let Some(config) = config.and_then(|group| group.resources.get_mut(&name)) {
                    config.persistent_state = wish;
                }
            }
            Change::ResourceMaintenance(..) | Change::NodePaused(..) | Change::Step(_) => {}
        }
    }

    /// What each of these resources is kept at.
    pub(crate) fn kept(&self, names: &[ResourceName]) -> Vec<(ResourceName, bool)> {
        names.iter().filter_map(|name| Some((name.clone(), self.resource(name)?.online_wanted))).collect()
    }

    pub(crate) fn wait(&mut self, group: &GroupName, waiter: Waiter) {
        self.waiters.entry(group.clone()).or_default().push(waiter);
    }

    /// An operator's wish to have it online: earlier failures are forgiven.
    fn want_online(&mut self, name: &ResourceName, flags: OnlineFlags, buffers: &InBuffers) {
        let type_name = self.configured(name).map(|config| config.type_name.clone());
        if let Some(resource) = self.resource_mut(name) {
            resource.online_wanted = true;
            resource.hold = None;
            resource.failures.clear();
            resource.online_flags = flags;
            resource.offline_flags = OfflineFlags::NONE;
            resource.force = false;
            resource.bounce = false;
            resource.in_buffer = type_name.and_then(|type_name| buffer_for(buffers, &type_name));
            resource.isolated = false;
        }
    }

    pub(crate) fn want_offline(
        &mut self,
        name: &ResourceName,
        flags: OfflineFlags,
        force: bool,
        buffers: &InBuffers,
    ) {
        let type_name = self.configured(name).map(|config| config.type_name.clone());
        if let Some(resource) = self.resource_mut(name) {
            resource.online_wanted = false;
            if std::mem::take(&mut resource.held) {
                resource.why = None;
            }
            resource.hold = None;
            resource.bounce = false;
            resource.force = force;
            resource.offline_again = None;
            resource.offline_flags = flags;
            resource.in_buffer = type_name.and_then(|type_name| buffer_for(buffers, &type_name));
        }
    }

    /// Providers of a resource, its providers' providers and so on, itself last.
    pub(crate) fn with_providers(&self, name: &ResourceName) -> Vec<ResourceName> {
        let mut all = BTreeSet::new();
        let mut open = vec![name.clone()];
        while let Some(next) = open.pop() {
            if all.insert(next.clone())
                && let Some(config) = self.configured(&next)
            {
                open.extend(config.dependency.providers().cloned());
            }
        }
        all.into_iter().collect()
    }

    /// Carries out a request whose wish is durable.
    fn pursue(&mut self, id: RequestId, request: Request, undo: Vec<Change>, now: Time) {
        let what = describe(&request);
        match request {
            Request::OnlineResource { resource, ignore_resource_status, in_buffers, .. } => {
                let Some(group) = self.index.get(&resource).cloned() else { return };
                let flags = if ignore_resource_status {
                    OnlineFlags::IGNORE_RESOURCE_STATUS
                } else {
                    OnlineFlags::NONE
                };
                // Providers are brought up with it; their stored wish stays.
                let names = self.with_providers(&resource);
                self.supersede(&group, &names);
                let before = self.kept(&names);
                for name in &names {
                    let online =
                        self.resource(name).is_some_and(|resource| resource.state == ResourceState::Online);
                    if !online {
                        self.want_online(name, flags, &in_buffers);
                    }
                }
                self.want_online(&resource, flags, &in_buffers);
                let goal = Goal::ResourceOnline(resource);
                self.wait(&group, Waiter { id, goal, what, before, undo });
                self.clear_why(&group);
                self.reconcile(&group, now);
            }
            Request::OfflineResource {
                resource,
                ignore_resource_status,
                force_with_termination,
                keep_persistent_state,
                queue_enabled,
                in_buffers,
            } => {
                let Some(group) = self.index.get(&resource).cloned() else { return };
                let failed =
                    self.resource(&resource).is_some_and(|resource| resource.state == ResourceState::Failed);
                let flags = offline_flags(ignore_resource_status, keep_persistent_state, queue_enabled);
                let down: Vec<ResourceName> = self.with_dependents(&group, &resource).into_iter().collect();
                let before = self.kept(&down);
                for dependent in &down {
                    if let Some(dependent) = self.resource_mut(dependent) {
                        dependent.offline_flags = flags;
                    }
                }
                self.want_offline(&resource, flags, force_with_termination, &in_buffers);
                if failed {
                    let detail =
                        "it is Failed, so there was nothing to take offline; it is no longer wanted online";
                    let detail = detail.to_owned();
                    let answer = Answer::Failed { what, code: Code::ERROR_RESOURCE_FAILED, detail };
                    self.finish(id, Ok(answer));
                } else {
                    let goal = Goal::ResourceOffline(resource);
                    self.wait(&group, Waiter { id, goal, what, before, undo });
                }
                self.reconcile(&group, now);
            }
            Request::OnlineGroup { group, ignore_resource_status, in_buffers, .. } => {
                let flags = if ignore_resource_status {
                    OnlineFlags::IGNORE_RESOURCE_STATUS
                } else {
                    OnlineFlags::NONE
                };
                let names = self.groups.get(&group).map(|group| group.order.clone()).unwrap_or_default();
                self.supersede(&group, &names);
                let before = self.kept(&names);
                for name in &names {
                    if self.resource(name).is_some_and(|resource| resource.state != ResourceState::Online) {
                        self.want_online(name, flags, &in_buffers);
                    } else if let Some(resource) = self.resource_mut(name) {
                        resource.online_wanted = true;
                    }
                }
                self.clear_why(&group);
                self.wait(&group, Waiter { id, goal: Goal::GroupOnline, what, before, undo });
                self.reconcile(&group, now);
            }
            Request::OfflineGroup {
                group,
                ignore_resource_status,
                force_with_termination,
                keep_persistent_state,
                queue_enabled,
                in_buffers,
            } => {
                let flags = offline_flags(ignore_resource_status, keep_persistent_state, queue_enabled);
                let names = self.groups.get(&group).map(|group| group.order.clone()).unwrap_or_default();
                let before = self.kept(&names);
                for name in &names {
                    self.want_offline(name, flags, force_with_termination, &in_buffers);
                }
                self.clear_why(&group);
                self.wait(&group, Waiter { id, goal: Goal::GroupOffline, what, before, undo });
                self.reconcile(&group, now);
            }
            Request::RestartResource { resource } => {
                let Some(group) = self.index.get(&resource).cloned() else { return };
                let before = self.kept(std::slice::from_ref(&resource));
                if let Some(runtime) = self.resource_mut(&resource) {
                    runtime.bounce = runtime.active();
                    runtime.hold = None;
                    runtime.failures.clear();
                    runtime.offline_flags = OfflineFlags::DO_NOT_UPDATE_PERSISTENT_STATE;
                }
                let goal = Goal::ResourceRestarted(resource);
                self.wait(&group, Waiter { id, goal, what, before, undo });
                self.reconcile(&group, now);
            }
            Request::FailResource { resource } => {
                let name = resource.clone();
                self.call(&resource, CallPurpose::Other, |op| Action::Fail { op, resource: name });
                self.finish(id, Ok(Answer::Done));
            }
            Request::ResourceMaintenance { resource, on } => {
                if let Some(runtime) = self.resource_mut(&resource) {
                    runtime.maintenance = on;
                }
                if on {
                    self.maintenance.insert(resource.clone());
                } else {
                    self.maintenance.remove(&resource);
                }
                if self.resource(&resource).is_some_and(|resource| resource.opened == Opened::Yes) {
                    self.act(Action::Maintenance { resource: resource.clone(), on });
                }
                let group = self.index.get(&resource).cloned();
                let verb = if on { "begins" } else { "ends" };
                let text = format!("maintenance of resource \"{resource}\" {verb}");
                self.record(
                    (10_010, Level::Information),
                    group.as_ref(),
                    Some(&resource),
                    Code::SUCCESS,
                    text,
                );
                self.finish(id, Ok(Answer::Done));
            }
            Request::SettleGroup { group } => {
                self.wait(&group, Waiter { id, goal: Goal::GroupSettled, what, before: Vec::new(), undo });
                self.reconcile(&group, now);
            }
            Request::PauseNode { .. } => {
                self.pause(true, now);
                self.finish(id, Ok(Answer::Done));
            }
            Request::ResumeNode { .. } => {
                self.pause(false, now);
                self.finish(id, Ok(Answer::Done));
            }
            // Admitted: the group is where it is asked to go. Moves to other nodes come as departures.
            Request::MoveGroup { .. } => self.finish(id, Ok(Answer::Done)),
            Request::CancelGroup { group } => {
                self.cancel(&group, None, now);
                self.finish(id, Ok(Answer::Done));
            }
            Request::CancelResource { resource } => {
                if let Some(group) = self.index.get(&resource).cloned() {
                    self.cancel(&group, Some(&resource), now);
                }
                self.finish(id, Ok(Answer::Done));
            }
            Request::Apply(_)
            | Request::DeleteResource { .. }
            | Request::DeleteGroup { .. }
            | Request::DeleteType { .. }
            | Request::DeleteGroupSet { .. }
            | Request::Shutdown => {}
        }
    }

    /// Ends requests that wait for these to be offline, which nobody wants any more.
    fn supersede(&mut self, group: &GroupName, names: &[ResourceName]) {
        let waiters = self.waiters.remove(group).unwrap_or_default();
        let (over, kept): (Vec<Waiter>, Vec<Waiter>) =
            waiters.into_iter().partition(|waiter| match &waiter.goal {
                Goal::GroupOffline => true,
                Goal::ResourceOffline(name) => names.contains(name),
                Goal::ResourceOnline(_)
                | Goal::ResourceRestarted(_)
                | Goal::GroupOnline
                | Goal::GroupSettled
                | Goal::Gone(_) => false,
            });
        if !kept.is_empty() {
            self.waiters.insert(group.clone(), kept);
        }
        for waiter in over {
            self.finish(waiter.id, Ok(Answer::Cancelled));
        }
    }

    pub(crate) fn clear_why(&mut self, group: &GroupName) {
        if let Some(group) = self.groups.get_mut(group) {
            group.why = None;
        }
    }

    /// Gives up what is queued or pending for a group, or for one of its resources.
    fn cancel(&mut self, group: &GroupName, only: Option<&ResourceName>, now: Time) {
        let waiters = self.waiters.remove(group).unwrap_or_default();
        let (ended, kept): (Vec<Waiter>, Vec<Waiter>) = waiters
            .into_iter()
            .partition(|waiter| only.is_none_or(|only| waiter.before.iter().any(|(name, _)| name == only)));
        if !kept.is_empty() {
            self.waiters.insert(group.clone(), kept);
        }
        for waiter in ended {
            self.abandon(&waiter, Answer::Cancelled, now);
        }
        if only.is_none() {
            self.stay(group, Code::ERROR_CANCELLED, "it was cancelled", now);
        }
        let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
        for name in names.iter().filter(|name| only.is_none_or(|only| *name == only)) {
            if let Some(resource) = self.resource_mut(name) {
                resource.offline_again = None;
            }
            let pending = self.resource(name).is_some_and(|resource| resource.state.is_pending());
            if pending {
                let resource = name.clone();
                self.call(name, CallPurpose::Other, |op| Action::Cancel { op, resource });
            }
        }
        self.reconcile(group, now);
    }

    /// Puts back what an operation changed; what it took offline comes online again.
    pub(crate) fn give_back(&mut self, waiter: &Waiter) {
        for (name, online) in &waiter.before {
            if let Some(resource) = self.resource_mut(name) {
                resource.online_wanted = *online;
                if resource.offline_again.take().is_some() {
                    resource.why = None;
                }
                resource.offline_flags = OfflineFlags::NONE;
                resource.in_buffer = None;
                resource.force = false;
                if *online {
                    resource.online_flags = OnlineFlags::RESTORE_ONLINE_STATE;
                }
            }
        }
    }

    fn shut_down(&mut self, id: RequestId, now: Time) {
        self.act(Action::Accept { id });
        if self.stopped {
            self.finish(id, Ok(Answer::Done));
            return;
        }
        self.shutdown.get_or_insert_with(Vec::new).push(id);
        let all = std::mem::take(&mut self.waiters);
        for waiter in all.into_values().flatten() {
            self.finish(waiter.id, Ok(Answer::Cancelled));
        }
        let groups: Vec<GroupName> = self.groups.keys().cloned().collect();
        for group in groups {
            self.reconcile(&group, now);
        }
        self.finish_shutdown();
    }
}

fn offline_flags(ignore: bool, keep: bool, queue: bool) -> OfflineFlags {
    let mut flags = OfflineFlags::NONE;
    for (set, flag) in [
        (ignore, OfflineFlags::IGNORE_RESOURCE_STATUS),
        (keep, OfflineFlags::DO_NOT_UPDATE_PERSISTENT_STATE),
        (queue, OfflineFlags::QUEUE_ENABLED),
    ] {
        if set {
            flags = flags.with(flag);
        }
    }
    flags
}

/// Why a write did not happen, and what is so instead.
fn unwritten(code: Code, instead: &str) -> String {
    if code == Code::ERROR_REVISION_MISMATCH {
        format!("another node changed the configuration at the same time; {instead}: ask again")
    } else {
        format!("the cluster database could not store it; {instead}")
    }
}

/// A request as people read it.
#[must_use]
pub fn describe(request: &Request) -> String {
    match request {
        Request::Apply(_) => "configuration: apply".to_owned(),
        Request::OnlineResource { resource, .. } => format!("resource \"{resource}\": online"),
        Request::OfflineResource { resource, .. } => format!("resource \"{resource}\": offline"),
        Request::RestartResource { resource } => format!("resource \"{resource}\": restart"),
        Request::FailResource { resource } => format!("resource \"{resource}\": fail"),
        Request::ResourceMaintenance { resource, .. } => format!("resource \"{resource}\": maintenance"),
        Request::CancelResource { resource } => format!("resource \"{resource}\": cancel"),
        Request::DeleteResource { resource, .. } => format!("resource \"{resource}\": delete"),
        Request::OnlineGroup { group, .. } => format!("group \"{group}\": online"),
        Request::OfflineGroup { group, .. } => format!("group \"{group}\": offline"),
        Request::MoveGroup { group, .. } => format!("group \"{group}\": move"),
        Request::CancelGroup { group } => format!("group \"{group}\": cancel"),
        Request::SettleGroup { group } => format!("group \"{group}\": apply"),
        Request::DeleteGroup { group, .. } => format!("group \"{group}\": delete"),
        Request::DeleteGroupSet { set } => format!("group set \"{set}\": delete"),
        Request::DeleteType { type_name } => format!("resource type \"{type_name}\": delete"),
        Request::PauseNode { node, .. } => format!("node \"{node}\": pause"),
        Request::ResumeNode { node, .. } => format!("node \"{node}\": resume"),
        Request::Shutdown => "shutdown".to_owned(),
    }
}
