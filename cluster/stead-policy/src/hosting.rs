//! Which groups this node has, how they come and how they go.
//!
//! On one machine the node has all groups, for ever. Of several machines each has the groups it owns: a group comes with
//! [`Event::Arrived`](crate::Event::Arrived), is asked to go with [`Event::Depart`](crate::Event::Depart), and is gone with
//! [`Event::Departed`](crate::Event::Departed). In between it is taken offline, closed, and its monitors are ended: only
//! then [`Action::Release`] says so, for nothing of it may live here when it comes up elsewhere.

use stead_types::{
    Code, GroupName, MoveFlags, NodeName, OfflineFlags, OnlineFlags, ResourceName, ResourceState, Time,
};

use crate::action::{Action, Level};
use crate::config::ResourceConfig;
use crate::policy::Policy;
use crate::request::{Answer, InBuffers};
use crate::runtime::{Goal, Hold, Opened, Waiter};

/// Why a group comes to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coming {
    /// It is placed for the first time, or after its owner was lost.
    Placed,
    /// It was moved here.
    Moved,
    /// It was moved away, failed there, and comes back.
    Returned(Code),
}

/// How a group comes to this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// Why.
    pub coming: Coming,
    /// False: it stays offline until somebody asks for it, although it is wanted online.
    pub start: bool,
    /// The node that had it before, where it was there.
    pub source: Option<NodeName>,
    /// Of the move.
    pub flags: MoveFlags,
    /// Handed to the DLLs, here as they were there.
    pub in_buffers: InBuffers,
}

/// Whose will it is that a group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Will {
    /// An operator's: a lock or a delay of a resource DLL is an answer to it.
    Operator,
    /// The cluster's, after a failure: locks do not count.
    Failover,
}

/// What moves a group, for resource DLLs that are asked before what is to go with it.
///
/// Windows: mscs/resource-control-codes (`GET_OPERATION_CONTEXT`)
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OperationContext {
    /// It returns to a preferred owner.
    Failback,
    /// Its node is drained.
    Drain,
}

impl OperationContext {
    /// Its `RESDLL_CONTEXT_OPERATION_TYPE`.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            OperationContext::Failback => 0,
            OperationContext::Drain => 1,
        }
    }
}

/// How a group is to leave this node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Departure {
    /// Where it goes; handed to the DLLs.
    pub to: NodeName,
    /// Of the move.
    pub flags: MoveFlags,
    /// Handed to the DLLs, here as they will be there.
    pub in_buffers: InBuffers,
    /// Whose will it is.
    pub will: Will,
    /// What resource DLLs are asked about before.
    pub context: Option<OperationContext>,
}

/// What is to be said of a group that is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// Where it goes.
    pub to: NodeName,
    /// Of the move.
    pub flags: MoveFlags,
    /// For the DLLs there.
    pub in_buffers: InBuffers,
    /// Set if it came by a move that failed, and goes back: the failure.
    pub returning: Option<(Code, String)>,
}

/// How far the question is what is to go with a departure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
enum Asked {
    #[default]
    No,
    Waits,
    Answered,
}

/// A group that this node has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Hosted {
    arrival: Option<Arrival>,
    departure: Option<Departure>,
    /// The departure has begun: nothing is locked, or locks do not count, and who was to be asked before has answered.
    begun: bool,
    asked: Asked,
    /// The failure for which it goes back to where it came from.
    returning: Option<(Code, String)>,
    released: bool,
}

impl Hosted {
    pub(crate) fn arriving(arrival: Arrival) -> Self {
        Hosted { arrival: Some(arrival), ..Hosted::default() }
    }
}

fn online_flags(arrival: &Arrival) -> OnlineFlags {
    let mut flags = match arrival.coming {
        Coming::Placed => OnlineFlags::NONE,
        Coming::Moved if arrival.flags.contains(MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR) => {
            OnlineFlags::RETURN_TO_SOURCE_NODE_ON_ERROR
        }
        Coming::Moved => OnlineFlags::NONE,
        Coming::Returned(_) => OnlineFlags::RESTORE_ONLINE_STATE,
    };
    if arrival.flags.contains(MoveFlags::IGNORE_RESOURCE_STATUS) {
        flags = flags.with(OnlineFlags::IGNORE_RESOURCE_STATUS);
    }
    flags
}

fn offline_flags(departure: &Departure, returning: bool) -> OfflineFlags {
    // What is wanted is not changed by where it is.
    let mut flags = OfflineFlags::DO_NOT_UPDATE_PERSISTENT_STATE;
    for (of_move, flag) in [
        (MoveFlags::IGNORE_RESOURCE_STATUS, OfflineFlags::IGNORE_RESOURCE_STATUS),
        (MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR, OfflineFlags::RETURN_TO_SOURCE_NODE_ON_ERROR),
        (MoveFlags::QUEUE_ENABLED, OfflineFlags::QUEUE_ENABLED),
    ] {
        if departure.flags.contains(of_move) {
            flags = flags.with(flag);
        }
    }
    if returning {
        flags = flags
            .without(OfflineFlags::RETURN_TO_SOURCE_NODE_ON_ERROR)
            .with(OfflineFlags::RETURNING_TO_SOURCE_NODE_BECAUSE_OF_ERROR);
    }
    flags
}

impl Policy {
    /// True if this node has the group.
    #[must_use]
    pub fn has(&self, group: &GroupName) -> bool {
        self.hosted.as_ref().is_none_or(|hosted| hosted.contains_key(group))
    }

    /// Where the group is going, if it is.
    pub(crate) fn departing(&self, group: &GroupName) -> Option<&Departure> {
        self.hosted.as_ref()?.get(group)?.departure.as_ref()
    }

    /// True while the group's move waits in the queue: for an unlock, or until a resource DLL that delays it allows it.
    ///
    /// Windows: clusapi/nf-clusapi-moveclustergroupex
    pub(crate) fn queued_to_move(&self, group: &GroupName) -> bool {
        let hosted = self.hosted.as_ref().and_then(|hosted| hosted.get(group));
        hosted.is_some_and(|hosted| {
            let asked = |departure: &Departure| departure.flags.contains(MoveFlags::QUEUE_ENABLED);
            let delayed = || {
                let resources = self.groups.get(group).into_iter().flat_map(|group| group.resources.values());
                resources.into_iter().any(|resource| resource.offline_again.is_some())
            };
            hosted.departure.as_ref().is_some_and(asked) && !hosted.released && (!hosted.begun || delayed())
        })
    }

    /// True if a lock of a resource DLL is to be passed over.
    pub(crate) fn heedless(&self, group: &GroupName) -> bool {
        let hosted = self.hosted.as_ref().and_then(|hosted| hosted.get(group));
        hosted.is_some_and(|hosted| {
            hosted.returning.is_some()
                || hosted.departure.as_ref().is_some_and(|departure| departure.will == Will::Failover)
        })
    }

    /// A group has become this node's.
    pub(crate) fn arrived(&mut self, group: &GroupName, arrival: Arrival, now: Time) {
        let Some(hosted) = &mut self.hosted else { return };
        if !self.config.groups.contains_key(group) || hosted.contains_key(group) {
            return;
        }
        hosted.insert(group.clone(), Hosted::arriving(arrival.clone()));
        self.groups.remove(group);
        self.rebuild(group, now);
        let flags = online_flags(&arrival);
        let types: Vec<_> = self
            .config
            .groups
            .get(group)
            .into_iter()
            .flat_map(|config| config.resources.values())
            .map(|config| (config.name.clone(), config.type_name.clone()))
            .collect();
        for (name, type_name) in types {
            if let Some(resource) = self.resource_mut(&name) {
                resource.online_flags = flags;
                resource.in_buffer = arrival.in_buffers.get(&type_name).cloned();
            }
        }
        if !arrival.start {
            self.keep_offline(group);
        }
        if matches!(arrival.coming, Coming::Returned(_)) {
            // It was online here when it was sent away, which is as if it had never left.
            let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
            self.release_held(names);
        }
        self.reconcile(group, now);
    }

    /// A group is asked to go. What was asked before is overtaken.
    pub(crate) fn depart(&mut self, group: &GroupName, departure: Departure, now: Time) {
        let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) else { return };
        if hosted.released {
            return;
        }
        hosted.departure = Some(departure.clone());
        hosted.begun = false;
        hosted.asked = Asked::No;
        hosted.arrival = None;
        hosted.returning = None;
        self.prepare(group, &departure, false);
        self.reconcile(group, now);
    }

    /// Begins a departure, if nothing is locked. A lock refuses it, or holds it back if it may be queued. Windows:
    /// clusapi/nf-clusapi-moveclustergroupex
    pub(crate) fn begin_departure(&mut self, group: &GroupName, now: Time) {
        let Some(departure) = self.departing(group) else { return };
        let heeded = !self.heedless(group) && !departure.flags.contains(MoveFlags::IGNORE_RESOURCE_STATUS);
        let queued = departure.flags.contains(MoveFlags::QUEUE_ENABLED);
        let context = departure.context;
        let resources = self.groups.get(group).into_iter().flat_map(|group| group.resources.iter());
        let locked = resources
            .filter(|(_, resource)| resource.locked && resource.state == ResourceState::Online)
            .map(|(name, _)| name.clone())
            .next();
        let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) else { return };
        match locked {
            Some(_) if hosted.begun => {}
            Some(name) if heeded && !queued => {
                let detail = format!(
                    "resource \"{name}\" is locked by its resource DLL; --force goes on all the same"
                );
                self.stay(group, Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS, &detail, now);
            }
            Some(name) if heeded => {
                let text =
                    format!("its move waits until resource \"{name}\" is unlocked by its resource DLL");
                if let Some(group) = self.groups.get_mut(group) {
                    group.why = Some(text);
                }
            }
            Some(_) | None => {
                match (context, hosted.asked) {
                    (Some(context), Asked::No) => {
                        hosted.asked = Asked::Waits;
                        self.act(Action::AskContext { group: group.clone(), context });
                    }
                    (Some(_), Asked::Waits) => {}
                    (Some(_), Asked::Answered) | (None, _) => hosted.begun = true,
                }
                if locked.is_none() {
                    self.clear_why(group);
                }
            }
        }
    }

    /// The resource DLLs of a group have said what is to go with its departure, by the type whose resources get it: in
    /// `Offline`, and nowhere else.
    pub(crate) fn context_known(&mut self, group: &GroupName, buffers: &InBuffers, now: Time) {
        let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) else { return };
        if hosted.departure.is_none() || hosted.asked != Asked::Waits {
            return;
        }
        hosted.asked = Asked::Answered;
        let config = self.config.groups.get(group);
        let given: Vec<_> = config
            .into_iter()
            .flat_map(|config| config.resources.values())
            .filter_map(|config| Some((config.name.clone(), buffers.get(&config.type_name)?.clone())))
            .collect();
        for (name, buffer) in given {
            if let Some(resource) = self.resource_mut(&name) {
                resource.in_buffer = Some(buffer);
            }
        }
        self.reconcile(group, now);
    }

    /// True once the group is being taken away.
    pub(crate) fn leaves(&self, group: &GroupName) -> bool {
        let hosted = self.hosted.as_ref().and_then(|hosted| hosted.get(group));
        hosted.is_some_and(|hosted| hosted.departure.is_some() && hosted.begun)
    }

    /// Sets what each resource is told when it is taken offline for a departure.
    fn prepare(&mut self, group: &GroupName, departure: &Departure, returning: bool) {
        let flags = offline_flags(departure, returning);
        let config = self.config.groups.get(group);
        let types: Vec<_> = config
            .into_iter()
            .flat_map(|config| config.resources.values())
            .map(|config| (config.name.clone(), config.type_name.clone()))
            .collect();
        for (name, type_name) in types {
            if let Some(resource) = self.resource_mut(&name) {
                resource.offline_flags = flags;
                resource.offline_again = None;
                resource.bounce = false;
                resource.in_buffer = departure.in_buffers.get(&type_name).cloned();
            }
        }
    }

    /// The group does not go: what was taken offline for it comes back, and nothing counts as a failure.
    pub(crate) fn stay(&mut self, group: &GroupName, code: Code, detail: &str, now: Time) {
        let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) else { return };
        if hosted.departure.is_none() || hosted.released || hosted.returning.is_some() {
            return;
        }
        hosted.departure = None;
        hosted.begun = false;
        hosted.asked = Asked::No;
        self.clear_why(group);
        let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
        for name in &names {
            if let Some(resource) = self.resource_mut(name) {
                if resource.offline_again.take().is_some() {
                    resource.why = None;
                }
                resource.offline_flags = OfflineFlags::NONE;
                resource.in_buffer = None;
                if resource.online_wanted {
                    resource.online_flags = OnlineFlags::RESTORE_ONLINE_STATE;
                }
            }
        }
        self.act(Action::Moved { group: group.clone(), code, detail: detail.to_owned() });
        self.reconcile(group, now);
    }

    /// A node is lost: an outage here for a move that cannot end there would be for nothing. What has to go in any case
    /// goes on, and is placed when it is gone.
    pub(crate) fn node_lost(&mut self, node: &NodeName, now: Time) {
        let hosted = self.hosted.iter().flatten();
        let there = hosted.filter(|(_, hosted)| {
            hosted
                .departure
                .as_ref()
                .is_some_and(|departure| departure.to == *node && departure.will == Will::Operator)
        });
        let groups: Vec<GroupName> = there.map(|(group, _)| group.clone()).collect();
        let detail = format!("node \"{node}\" is lost; it stays where it is");
        for group in groups {
            self.stay(&group, Code::ERROR_HOST_NODE_NOT_AVAILABLE, &detail, now);
        }
    }

    /// A resource failed. True if the group therefore goes back to where it came from.
    pub(crate) fn return_to_source(
        &mut self,
        group: &GroupName,
        name: &ResourceName,
        (code, why): (Code, &str),
        now: Time,
    ) -> bool {
        let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) else {
            return false;
        };
        let Some(Arrival { coming: Coming::Moved, source: Some(source), flags, in_buffers, .. }) =
            &hosted.arrival
        else {
            return hosted.returning.is_some();
        };
        if !flags.contains(MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR) {
            return false;
        }
        let departure = Departure {
            to: source.clone(),
            flags: *flags,
            in_buffers: in_buffers.clone(),
            will: Will::Failover,
            context: None,
        };
        let text = format!("resource \"{name}\" failed on node \"{}\": {why}", self.node);
        hosted.returning = Some((code, text.clone()));
        hosted.departure = Some(departure.clone());
        hosted.begun = true;
        hosted.arrival = None;
        self.prepare(group, &departure, true);
        let text = format!("group \"{group}\" goes back to node \"{}\": {text}", departure.to);
        self.record((10_050, Level::Warning), Some(group), Some(name), code, text);
        self.reconcile(group, now);
        true
    }

    /// Goes on with what comes and what goes.
    pub(crate) fn progress(&mut self, group: &GroupName) {
        let hosted = self.hosted.as_ref().and_then(|hosted| hosted.get(group));
        let on_its_way = |hosted: &&Hosted| hosted.departure.is_some() || hosted.arrival.is_some();
        let Some(hosted) = hosted.filter(on_its_way).cloned() else { return };
        if let Some(departure) = &hosted.departure {
            if hosted.released || !hosted.begun || !self.emptied(group) {
                return;
            }
            let release = Release {
                to: departure.to.clone(),
                flags: departure.flags,
                in_buffers: departure.in_buffers.clone(),
                returning: hosted.returning.clone(),
            };
            if let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) {
                hosted.released = true;
            }
            self.act(Action::Release { group: group.clone(), release });
            return;
        }
        let Some(arrival) = &hosted.arrival else { return };
        let coming = arrival.coming;
        let Some(answer) = self.settlement(group) else { return };
        if let Some(hosted) = self.hosted.as_mut().and_then(|hosted| hosted.get_mut(group)) {
            hosted.arrival = None;
        }
        let (code, detail) = match (coming, answer) {
            (Coming::Returned(code), _) => (code, "it is back where it was".to_owned()),
            (Coming::Placed | Coming::Moved, Answer::Failed { code, detail, .. }) => (code, detail),
            (
                Coming::Placed | Coming::Moved,
                Answer::Group(_) | Answer::Resource(_) | Answer::Done | Answer::Cancelled,
            ) => (Code::SUCCESS, String::new()),
        };
        self.act(Action::Moved { group: group.clone(), code, detail });
    }

    fn settlement(&self, group: &GroupName) -> Option<Answer> {
        let (before, undo) = (Vec::new(), Vec::new());
        let id = crate::event::RequestId(0);
        self.outcome(group, &Waiter { id, goal: Goal::GroupSettled, what: String::new(), before, undo })
    }

    /// How a group that this node has stands to what is wanted of it: success if all of it is so, or what is in the way of
    /// the rest. None while something is on its way.
    #[must_use]
    pub fn settled(&self, group: &GroupName) -> Option<(Code, String)> {
        if !self.has(group) || self.departing(group).is_some() {
            return None;
        }
        Some(match self.settlement(group)? {
            Answer::Failed { code, detail, .. } => (code, detail),
            Answer::Group(_) | Answer::Resource(_) | Answer::Done | Answer::Cancelled => {
                (Code::SUCCESS, String::new())
            }
        })
    }

    /// Closes what is at rest and ends the monitors. True once nothing of the group is left here.
    fn emptied(&mut self, group: &GroupName) -> bool {
        if !self.closed(group) {
            return false;
        }
        self.stop_monitors(group);
        !self.monitors.keys().any(|monitor| monitor.group == *group)
    }

    /// It is stored that the group is another node's.
    pub(crate) fn departed(&mut self, group: &GroupName, now: Time) {
        let Some(hosted) = &mut self.hosted else { return };
        if hosted.remove(group).is_none() {
            return;
        }
        for waiter in self.waiters.remove(group).unwrap_or_default() {
            self.finish(waiter.id, Ok(Answer::Cancelled));
        }
        if let Some(gone) = self.groups.remove(group) {
            // Nothing of it is left: what a monitor has answered that was killed since is about nothing here.
            self.calls.retain(|_, (resource, _)| !gone.resources.contains_key(resource));
        }
        self.rebuild(group, now);
    }

    /// Why the cluster should bring the group up elsewhere: restarts here are used up, or it cannot come online here.
    /// Windows: mscs/resources-restartaction
    #[must_use]
    pub fn wants_failover(&self, group: &GroupName) -> Option<(ResourceName, String)> {
        use stead_types::RestartAction;
        if self.departing(group).is_some() || !self.has(group) {
            return None;
        }
        let runtime = self.groups.get(group)?;
        runtime.order.iter().find_map(|name| {
            let resource = runtime.resources.get(name)?;
            let spent = matches!(resource.hold, Some(Hold::GaveUp(_))) && resource.opened != Opened::Opening;
            let notify = |of: &ResourceConfig| of.common.restart_action == RestartAction::RestartNotify;
            (spent && resource.online_wanted && self.configured(name).is_some_and(notify))
                .then(|| (name.clone(), resource.why.clone().unwrap_or_default()))
        })
    }
}
