//! What happens to resources and monitors, and what follows: restarts, and the end of them.

use std::time::Duration;

use stead_types::{
    Code, GroupName, OfflineFlags, ResourceName, ResourceState, RestartAction, StatusFlags, Time,
};

use crate::action::{Action, Level};
use crate::event::{Lost, MonitorId, News, OpId};
use crate::policy::{CallPurpose, Policy};
use crate::request::Answer;
use crate::runtime::{Hold, Monitor, Opened};

/// Pauses between two tries of a delayed offline.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// A monitor that dies this often within `RestartPeriod` with nobody to blame is given up.
const MOST_DEATHS: usize = 10;

/// The default `RestartPeriod`, for monitors.
const DEATHS_WINDOW: Duration = Duration::from_secs(900);

impl Policy {
    pub(crate) fn monitor_started(&mut self, monitor: &MonitorId, now: Time) {
        if let Some(state) = self.monitors.get_mut(monitor)
            && *state == Monitor::Starting
        {
            *state = Monitor::Running;
        }
        self.reconcile(&monitor.group.clone(), now);
    }

    pub(crate) fn monitor_lost(&mut self, monitor: &MonitorId, lost: Lost, now: Time) {
        self.monitors.remove(monitor);
        let group = monitor.group.clone();
        let hosted: Vec<ResourceName> = self
            .groups
            .get(&group)
            .into_iter()
            .flat_map(|group| group.resources.iter())
            .filter(|(_, resource)| resource.monitor.as_ref() == Some(monitor))
            .map(|(name, _)| name.clone())
            .collect();
        self.calls.retain(|_, (name, purpose)| !hosted.contains(name) || *purpose == CallPurpose::Orphan);
        let (culprits, code, text) = match lost {
            Lost::Stopped => (Vec::new(), Code::SUCCESS, String::new()),
            Lost::NotStarted { text } => (Vec::new(), Code::ERROR_CLUSTER_RHS_FAILED_INITIALIZATION, text),
            Lost::Died { culprits, code, text } => (culprits, code, text),
        };
        let pause = if code.is_success() {
            None
        } else {
            Some(self.note_death(monitor, &culprits, code, &text, now))
        };
        // It happens again and nobody knows why: each by itself, the next death will tell.
        let apart = hosted.len() > 1 && self.deaths.get(monitor).is_some_and(|deaths| deaths.len() > 1);
        for name in hosted {
            let culprit = culprits.contains(&name);
            let Some(resource) = self.resource_mut(&name) else { continue };
            resource.isolated |= apart;
            let was_active = resource.active();
            resource.ends();
            if !was_active && !culprit {
                continue;
            }
            let failed = resource.online_wanted && !code.is_success();
            let before = resource.state;
            resource.state = if failed { ResourceState::Failed } else { ResourceState::Offline };
            resource.since = now;
            let (after, level) = (resource.state, if failed { Level::Error } else { Level::Information });
            if before != after {
                let text = format!("resource \"{name}\": {before} -> {after}");
                self.record((10_001, level), Some(&group), Some(&name), code, text);
                self.tell_dependents(&group, &name, after);
            }
            let Some(resource) = self.resource_mut(&name) else { continue };
            resource.isolated |= culprit;
            if !failed {
                continue;
            }
            resource.last_error = code;
            if culprit {
                self.failed(&name, code, &text, now);
                continue;
            }
            let why = format!("its monitor was lost: {text}");
            if let Some(resource) = self.resource_mut(&name) {
                resource.why = Some(why);
                // An innocent is restarted without counting.
                resource.hold = pause.flatten().map(|pause| Hold::Until(now.after(pause)));
            }
            self.plan_hold(&name);
        }
        if pause == Some(None) {
            self.give_up_on(monitor, code, now);
        }
        // Those that only waited for a monitor which cannot be started wait a little longer.
        if let Some(pause) = pause.flatten()
            && !pause.is_zero()
            && let Some(runtime) = self.groups.get(&group)
        {
            for name in runtime.order.clone() {
                if let Some(resource) = self.resource_mut(&name)
                    && resource.opened == Opened::No
                    && resource.hold.is_none()
                {
                    resource.hold = Some(Hold::Until(now.after(pause)));
                    self.plan_hold(&name);
                }
            }
        }
        self.reconcile(&group, now);
        self.finish_shutdown();
    }

    /// A monitor that dies again and again is not started for anybody until `RetryPeriodOnFailure` is over, or somebody
    /// asks.
    fn give_up_on(&mut self, monitor: &MonitorId, code: Code, now: Time) {
        let names = self.groups.get(&monitor.group).map(|group| group.order.clone()).unwrap_or_default();
        for name in names {
            let Some(common) = self.configured(&name).map(|config| config.common) else { continue };
            let here = self.home(&monitor.group, &name) == *monitor;
            let Some(resource) = self.resource_mut(&name) else { continue };
            if !here || !resource.online_wanted || resource.opened != Opened::No || resource.given_up() {
                continue;
            }
            let retry = common.retry_period_on_failure.map(|period| now.after(period));
            resource.state = ResourceState::Failed;
            resource.since = now;
            resource.last_error = code;
            resource.why = Some(format!(
                "its Resource Monitor died more than {MOST_DEATHS} times within {} s; `stead resource online \"{name}\"` \
                 tries again",
                DEATHS_WINDOW.as_secs()
            ));
            resource.hold = Some(Hold::GaveUp(retry));
            self.plan_hold(&name);
            let text = format!("resource \"{name}\" is given up: its Resource Monitor dies again and again");
            self.record((1069, Level::Error), Some(&monitor.group), Some(&name), code, text);
        }
    }

    /// Writes a death down; the pause before its innocents are tried again, none if that is over.
    fn note_death(
        &mut self,
        monitor: &MonitorId,
        culprits: &[ResourceName],
        code: Code,
        text: &str,
        now: Time,
    ) -> Option<Duration> {
        let group = monitor.group.clone();
        let id = if code == Code::ERROR_RESOURCE_CALL_TIMED_OUT { 1230 } else { 1146 };
        let blame = match culprits.first() {
            Some(name) => format!("; resource \"{name}\" gets a monitor of its own"),
            None => String::new(),
        };
        let line = format!("Resource Monitor {monitor} was lost: {text}{blame}");
        self.record((id, Level::Critical), Some(&group), culprits.first(), code, line);
        if !culprits.is_empty() {
            return Some(Duration::ZERO);
        }
        let deaths = self.deaths.entry(monitor.clone()).or_default();
        while deaths.front().is_some_and(|first| now.since(*first) > DEATHS_WINDOW) {
            deaths.pop_front();
        }
        deaths.push_back(now);
        let count = deaths.len();
        if count > MOST_DEATHS {
            return None;
        }
        let doubled = u32::try_from(count.saturating_sub(2)).unwrap_or(0);
        Some(if count < 2 { Duration::ZERO } else { FIRST_PAUSE * 2u32.pow(doubled.min(10)) })
    }

    pub(crate) fn report(&mut self, name: &ResourceName, news: News, now: Time) {
        let Some(group) = self.index.get(name).cloned() else { return };
        // The last words of something that was killed or closed, or is another node's by now.
        if self.resource(name).is_none_or(|resource| resource.opened == Opened::No) {
            return;
        }
        match news {
            News::State { state, settled, code, flags, why } => {
                self.state(&group, name, (state, settled, code, flags), why, now);
            }
            News::Checkpoint(checkpoint) => {
                if let Some(resource) = self.resource_mut(name) {
                    resource.checkpoint = checkpoint;
                }
                return;
            }
            News::Delayed(flags) => self.delayed(&group, name, flags, now),
            News::Locked { locked, keep_queued } => {
                if let Some(resource) = self.resource_mut(name) {
                    resource.locked = locked;
                    if !locked && !keep_queued && resource.offline_again.is_some() {
                        // An unlock takes a queued operation out of the queue: it is tried at once.
                        resource.offline_again = Some((now, FIRST_PAUSE));
                    }
                }
            }
            News::EmbeddedFailure(code) => self.embedded_failure(&group, name, code, now),
            News::NetworkLoss(code) => {
                if let Some(resource) = self.resource_mut(name) {
                    resource.network_failure = true;
                    resource.why = Some("it reports that the network failed under it".to_owned());
                }
                let text = format!("resource \"{name}\" lost its network; there is no other node to move to");
                self.record((1255, Level::Error), Some(&group), Some(name), Code(code), text);
            }
        }
        if self.started {
            self.reconcile(&group, now);
        }
    }

    fn state(
        &mut self,
        group: &GroupName,
        name: &ResourceName,
        (state, settled, code, _flags): (ResourceState, bool, Code, StatusFlags),
        why: &'static str,
        now: Time,
    ) {
        let Some(resource) = self.resource_mut(name) else { return };
        let before = resource.state;
        resource.heard = true;
        resource.settled = settled;
        if before != state {
            resource.state = state;
            resource.since = now;
            resource.checkpoint = 0;
        }
        match state {
            ResourceState::Online => {
                resource.last_error = Code::SUCCESS;
                resource.embedded_failure = false;
                resource.network_failure = false;
                if before != ResourceState::Online {
                    resource.why = None;
                    resource.stale = false;
                    // What was delayed on its way offline is tried again with the same buffer.
                    if before != ResourceState::OfflinePending {
                        resource.in_buffer = None;
                    }
                }
            }
            ResourceState::Offline => {
                if !code.is_success() {
                    resource.last_error = code;
                }
                if settled {
                    resource.bounce = false;
                    resource.offline_again = None;
                    resource.terminate_again = None;
                    resource.offline_flags = OfflineFlags::NONE;
                    resource.force = false;
                    resource.locked = false;
                    if before != ResourceState::Offline {
                        resource.why = None;
                    }
                }
            }
            ResourceState::Failed => {
                resource.locked = false;
                resource.offline_again = None;
                resource.terminate_again = None;
                resource.last_error = code;
            }
            ResourceState::OnlinePending
            | ResourceState::OfflinePending
            | ResourceState::Initializing
            | ResourceState::Inherited
            | ResourceState::Unknown => {}
        }
        if state == ResourceState::Failed && before != ResourceState::Failed && self.started {
            self.failed(name, code, why, now);
        }
        if before != state && self.started {
            let level = if state == ResourceState::Failed { Level::Error } else { Level::Information };
            let text = format!("resource \"{name}\": {before} -> {state}");
            self.record((10_001, level), Some(group), Some(name), code, text);
            self.tell_dependents(group, name, state);
        }
        if state == ResourceState::Online && before != ResourceState::Online {
            let all = self.groups.get(group).is_some_and(|group| {
                group.resources.values().all(|resource| resource.state == ResourceState::Online)
            });
            if all {
                self.clear_why(group);
            }
        }
    }

    /// Resources that depend on this one hear of its state while they are open.
    fn tell_dependents(&mut self, group: &GroupName, provider: &ResourceName, state: ResourceState) {
        let Some(runtime) = self.groups.get(group) else { return };
        let dependents = runtime.dependents.get(provider).cloned().unwrap_or_default();
        for resource in dependents {
            if self.resource(&resource).is_some_and(|dependent| dependent.opened == Opened::Yes) {
                let provider = provider.clone();
                self.act(Action::ProviderChanged { resource, provider, state });
            }
        }
    }

    /// A failure is counted, and decides between a restart and the end of restarts.
    ///
    /// Windows: mscs/resources-restartthreshold, mscs/resources-restartperiod
    fn failed(&mut self, name: &ResourceName, code: Code, why: &str, now: Time) {
        let Some(config) = self.configured(name) else { return };
        let common = config.common;
        let Some(group) = self.index.get(name).cloned() else { return };
        let text = format!("resource \"{name}\" failed: {why} ({code})");
        self.record((1069, Level::Error), Some(&group), Some(name), code, text);
        let Some(resource) = self.resource_mut(name) else { return };
        resource.bounce = false;
        if !resource.online_wanted || self.return_to_source(&group, name, (code, why), now) {
            return;
        }
        let Some(resource) = self.resource_mut(name) else { return };
        while resource.failures.front().is_some_and(|first| now.since(*first) > common.restart_period) {
            resource.failures.pop_front();
        }
        let counted = u32::try_from(resource.failures.len()).unwrap_or(u32::MAX);
        let here = code != Code::ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR
            && code != Code::ERROR_NODE_CANT_HOST_RESOURCE;
        if common.restart_action != RestartAction::DontRestart && counted < common.restart_threshold && here {
            resource.failures.push_back(now);
            let next = counted + 1;
            resource.why = Some(format!(
                "{why} ({code}); restart {next} of {} within {} s",
                common.restart_threshold,
                common.restart_period.as_secs()
            ));
            resource.hold =
                (!common.restart_delay.is_zero()).then(|| Hold::Until(now.after(common.restart_delay)));
            self.plan_hold(name);
            return;
        }
        let retry = common.retry_period_on_failure.map(|period| now.after(period));
        let spent = if !here {
            "it cannot come online here".to_owned()
        } else if common.restart_action == RestartAction::DontRestart {
            "RestartAction says not to restart it".to_owned()
        } else {
            format!(
                "{} restarts within {} s are used up",
                common.restart_threshold,
                common.restart_period.as_secs()
            )
        };
        let next = match common.retry_period_on_failure {
            Some(period) => format!("tried again in {} s", period.as_secs()),
            None => "not tried again".to_owned(),
        };
        let sentence = format!("{why} ({code}); {spent}; {next}, or by `stead resource online \"{name}\"`");
        resource.why = Some(sentence.clone());
        resource.hold = Some(Hold::GaveUp(retry));
        self.plan_hold(name);
        if common.restart_action == RestartAction::RestartNotify && self.hosted.is_none() {
            // One node: the group has nowhere to fail over to.
            let text = format!(
                "group \"{group}\" stays Failed: resource \"{name}\": {sentence}; node \"{}\" is the only one, so its \
                 failover threshold is 0",
                self.node
            );
            if let Some(group) = self.groups.get_mut(&group) {
                group.why = Some(text.clone());
            }
            self.record((1254, Level::Error), Some(&group), Some(name), code, text);
        }
    }

    pub(crate) fn plan_hold(&mut self, name: &ResourceName) {
        let at = match self.resource(name).and_then(|resource| resource.hold) {
            Some(Hold::Until(at)) => Some(at),
            Some(Hold::GaveUp(at)) => at,
            None => None,
        };
        if let Some(at) = at {
            self.timers.insert((at, name.clone()));
        }
    }

    /// A timer of this resource has come.
    pub(crate) fn due(&mut self, name: &ResourceName, now: Time) {
        let Some(resource) = self.resource_mut(name) else { return };
        match resource.hold {
            Some(Hold::Until(at)) if at <= now => resource.hold = None,
            Some(Hold::GaveUp(Some(at))) if at <= now => {
                // A fresh start: the history is forgotten.
                resource.hold = None;
                resource.failures.clear();
                let group = self.index.get(name).cloned();
                if let Some(group) = &group {
                    self.clear_why(group);
                }
                let text = format!("resource \"{name}\" is tried again after RetryPeriodOnFailure");
                self.record((10_002, Level::Information), group.as_ref(), Some(name), Code::SUCCESS, text);
            }
            Some(Hold::Until(_) | Hold::GaveUp(_)) | None => {}
        }
    }

    /// An offline was delayed or refused by the DLL.
    fn delayed(&mut self, group: &GroupName, name: &ResourceName, flags: StatusFlags, now: Time) {
        let code = if flags.contains(StatusFlags::OFFLINE_DESTINATION_REJECTED) {
            Code::ERROR_CLUSTER_RESOURCE_VETOED_MOVE_INCOMPATIBLE_NODES
        } else if flags.contains(StatusFlags::OFFLINE_DESTINATION_THROTTLED) {
            Code::ERROR_CLUSTER_RESOURCE_VETOED_MOVE_NOT_ENOUGH_RESOURCES_ON_DESTINATION
        } else if flags.contains(StatusFlags::OFFLINE_SOURCE_THROTTLED) {
            Code::ERROR_CLUSTER_RESOURCE_VETOED_MOVE_NOT_ENOUGH_RESOURCES_ON_SOURCE
        } else {
            Code::ERROR_CLUSTER_RESOURCE_VETOED_CALL
        };
        let shutting_down = self.shutdown.is_some();
        let rejected = flags.contains(StatusFlags::OFFLINE_DESTINATION_REJECTED);
        let Some(resource) = self.resource_mut(name) else { return };
        let queued = resource.offline_flags.contains(OfflineFlags::QUEUE_ENABLED) && !rejected;
        let pause = resource.offline_again.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LAST_PAUSE));
        let at = now.after(pause);
        if queued || shutting_down {
            resource.offline_again = Some((at, pause));
            resource.why = Some(format!("its resource DLL delays the offline ({flags:?}); tried again"));
            self.timers.insert((at, name.clone()));
            return;
        }
        resource.bounce = false;
        let detail = format!("resource \"{name}\" does not go offline now ({flags:?})");
        self.fail_offline(group, name, (code, &detail), now);
        // An offline that the policy itself began, for which nobody waits, is tried again if it must still go then.
        if let Some(resource) = self.resource_mut(name) {
            resource.offline_again = Some((at, pause));
            self.timers.insert((at, name.clone()));
        }
        self.record((10_003, Level::Warning), Some(group), Some(name), code, detail);
    }

    /// An offline has ended and changed nothing. As a rule the monitor refused it because the resource is locked, since
    /// this instant; whatever the reason was, it is not asked again at once.
    fn offline_refused(&mut self, group: &GroupName, name: &ResourceName, code: Code, now: Time) {
        let wanted = self.wanted(name);
        let Some(resource) = self.resource_mut(name) else { return };
        // The news of the lock may be on its way still.
        resource.locked |= code == Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS;
        let queued = resource.offline_flags.contains(OfflineFlags::QUEUE_ENABLED);
        let moving = self.leaves(group) && !self.heedless(group);
        let Some(resource) = self.resource_mut(name) else { return };
        let asked = (moving || !resource.online_wanted) && !queued;
        let pause = resource.offline_again.map_or(FIRST_PAUSE, |(_, pause)| (pause * 2).min(LAST_PAUSE));
        let at = now.after(pause);
        resource.offline_again = Some((at, pause));
        if queued {
            resource.why = Some(format!("its offline is refused ({code}); tried again"));
        }
        self.timers.insert((at, name.clone()));
        if !asked || wanted || code != Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS || self.shutdown.is_some() {
            return;
        }
        if !self.leaving(group).contains(name) {
            let detail = format!("resource \"{name}\" was locked by its resource DLL meanwhile");
            self.fail_offline(group, name, (code, &detail), now);
        }
    }

    /// Ends the requests that wait for a resource to go offline, and puts back what they changed.
    fn fail_offline(
        &mut self,
        group: &GroupName,
        name: &ResourceName,
        (code, detail): (Code, &str),
        now: Time,
    ) {
        self.stay(group, code, detail, now);
        let waiters = self.waiters.remove(group).unwrap_or_default();
        let concerns = |waiter: &crate::runtime::Waiter| waiter.before.iter().any(|(of, _)| of == name);
        let (ended, kept): (Vec<_>, Vec<_>) = waiters.into_iter().partition(concerns);
        if !kept.is_empty() {
            self.waiters.insert(group.clone(), kept);
        }
        for waiter in ended {
            let answer = Answer::Failed { what: waiter.what.clone(), code, detail: detail.to_owned() };
            self.abandon(&waiter, answer, now);
        }
    }

    /// Its monitor does not know it, so nothing of it is there: an earlier life of this node had it closed, or its `Open`
    /// failed then. If it is wanted that is a failure like others, and it is opened anew after the same delay.
    fn not_there(&mut self, group: &GroupName, name: &ResourceName, now: Time) {
        let Some(resource) = self.resource_mut(name) else { return };
        resource.ends();
        let (before, failed) = (resource.state, resource.online_wanted);
        let after = if failed { ResourceState::Failed } else { ResourceState::Offline };
        resource.state = after;
        resource.since = now;
        let code = if failed { Code::ERROR_RESOURCE_NOT_FOUND } else { Code::SUCCESS };
        if failed {
            resource.last_error = code;
            self.failed(name, code, "its Resource Monitor does not know it", now);
        }
        if before != after {
            let level = if failed { Level::Error } else { Level::Information };
            let text = format!("resource \"{name}\": {before} -> {after}");
            self.record((10_001, level), Some(group), Some(name), code, text);
            self.tell_dependents(group, name, after);
        }
    }

    fn embedded_failure(&mut self, group: &GroupName, name: &ResourceName, code: u32, now: Time) {
        use stead_types::EmbeddedFailureAction as Reaction;
        let Some(common) = self.configured(name).map(|config| config.common) else { return };
        let online = self.resource(name).is_some_and(|resource| {
            resource.state == ResourceState::Online && resource.settled && !resource.bounce
        });
        // It may have been taken offline since, or be on its way there for the failure before.
        if common.embedded_failure_action == Reaction::None || !online {
            return;
        }
        let text = format!("resource \"{name}\" reports a failure inside its workload (code {code})");
        self.record((1250, Level::Error), Some(group), Some(name), Code(code), text.clone());
        let Some(resource) = self.resource_mut(name) else { return };
        resource.embedded_failure = true;
        resource.why = Some(text);
        if common.embedded_failure_action == Reaction::LogOnly {
            return;
        }
        while resource.failures.front().is_some_and(|first| now.since(*first) > common.restart_period) {
            resource.failures.pop_front();
        }
        let counted = u32::try_from(resource.failures.len()).unwrap_or(u32::MAX);
        if counted < common.restart_threshold && common.restart_action != RestartAction::DontRestart {
            resource.failures.push_back(now);
            resource.bounce = true;
            resource.offline_flags =
                OfflineFlags::DUE_TO_EMBEDDED_FAILURE.with(OfflineFlags::DO_NOT_UPDATE_PERSISTENT_STATE);
        }
    }

    pub(crate) fn done(&mut self, op: OpId, code: Code, now: Time) {
        let Some((name, purpose)) = self.calls.remove(&op) else { return };
        if purpose == CallPurpose::Orphan {
            let resource = name.clone();
            self.call(&name, CallPurpose::Other, |op| Action::Close { op, resource, deleting: false });
            return;
        }
        let Some(group) = self.index.get(&name).cloned() else { return };
        let delay = self.configured(&name).map_or(FIRST_PAUSE, |config| config.common.restart_delay);
        let maintenance = self.resource(&name).is_some_and(|resource| resource.maintenance);
        let Some(resource) = self.resource_mut(&name) else { return };
        let current = resource.busy == Some(op);
        if current {
            resource.busy = None;
        }
        // What a DLL returns is told after a state; with none before it the code is the monitor's own.
        if current && code == Code::ERROR_RESOURCE_NOT_FOUND && !resource.heard && purpose.is_operation() {
            self.not_there(&group, &name, now);
            self.reconcile(&group, now);
            return;
        }
        let Some(resource) = self.resource_mut(&name) else { return };
        match purpose {
            CallPurpose::Open => {
                if code.is_success() {
                    resource.opened = Opened::Yes;
                    resource.state = ResourceState::Offline;
                    resource.settled = true;
                    if maintenance {
                        self.act(Action::Maintenance { resource: name.clone(), on: true });
                    }
                } else {
                    resource.opened = Opened::No;
                    resource.monitor = None;
                    resource.state = ResourceState::Failed;
                    resource.since = now;
                    resource.last_error = code;
                    self.failed(&name, code, "its resource DLL could not open it", now);
                }
            }
            // Its monitor knows better: it is not at rest. Where that is not known here yet, it is about to be told.
            CallPurpose::Close if code == Code::ERROR_INVALID_STATE => {
                resource.opened = Opened::Yes;
                resource.settled &= resource.active();
            }
            CallPurpose::Close => {
                resource.opened = Opened::No;
                resource.monitor = None;
                // Whatever its monitor has said meanwhile: what is closed is not online.
                if resource.active() {
                    resource.state = ResourceState::Offline;
                    resource.settled = true;
                    resource.since = now;
                }
            }
            CallPurpose::Offline => {
                // The states were reported; a refusal changes none. A delay has said when it is tried again.
                let unmoved = match resource.state {
                    ResourceState::Online => resource.settled,
                    ResourceState::OnlinePending => true,
                    ResourceState::Offline
                    | ResourceState::OfflinePending
                    | ResourceState::Failed
                    | ResourceState::Initializing
                    | ResourceState::Inherited
                    | ResourceState::Unknown => false,
                };
                let waits = resource.offline_again.is_some_and(|(at, _)| at > now);
                if current && unmoved && !waits {
                    self.offline_refused(&group, &name, code, now);
                }
            }
            CallPurpose::Online => {
                if current && !resource.heard && resource.settled && !resource.active() {
                    resource.why =
                        Some(format!("its monitor does not bring it online now ({code}); tried again"));
                    resource.hold = Some(Hold::Until(now.after(delay.max(FIRST_PAUSE))));
                    self.plan_hold(&name);
                }
            }
            CallPurpose::Terminate => {
                // What cannot be terminated is tried in order again.
                resource.force &= code.is_success();
                if resource.active() {
                    let at = now.after(FIRST_PAUSE);
                    resource.terminate_again = Some(at);
                    self.timers.insert((at, name.clone()));
                }
            }
            CallPurpose::Other => {
                if code == Code::ERROR_RESOURCE_PROPERTIES_STORED {
                    resource.why =
                        Some("its properties were changed; they take effect at the next online".to_owned());
                }
            }
            CallPurpose::Orphan => {}
        }
        self.reconcile(&group, now);
    }
}
