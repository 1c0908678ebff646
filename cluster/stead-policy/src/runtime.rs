//! What the policy remembers of groups and resources beside their configuration.

use std::collections::{BTreeSet, VecDeque};

use stead_types::{Code, OfflineFlags, OnlineFlags, ResourceName, ResourceState, Time};

use crate::action::Change;
use crate::event::{MonitorId, OpId, RequestId};
use crate::request::InBuffers;

/// Whether a resource is open in a monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Opened {
    No,
    Opening,
    Yes,
    Closing,
}

/// Why nothing is tried to bring a resource online.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hold {
    /// `RestartDelay`, or a pause after its monitor died.
    Until(Time),
    /// Restarts are used up, or forbidden; tried again at this instant, where there is one.
    GaveUp(Option<Time>),
}

/// A resource at run time.
#[derive(Clone, Debug)]
pub(crate) struct Resource {
    pub(crate) state: ResourceState,
    /// False while its monitor is changing the state.
    pub(crate) settled: bool,
    pub(crate) since: Time,
    pub(crate) checkpoint: u32,
    pub(crate) last_error: Code,
    pub(crate) opened: Opened,
    pub(crate) monitor: Option<MonitorId>,
    /// A call that has not ended.
    pub(crate) busy: Option<OpId>,
    /// A state was reported since that call, or the last one, was made.
    pub(crate) heard: bool,
    /// What it is kept at: the stored wish, or what an operation put in its place.
    pub(crate) online_wanted: bool,
    /// It is wanted online and not kept so because the node is paused.
    pub(crate) held: bool,
    pub(crate) hold: Option<Hold>,
    /// Failures within `RestartPeriod`, oldest first.
    pub(crate) failures: VecDeque<Time>,
    /// To be taken offline and brought back.
    pub(crate) bounce: bool,
    /// Taken down by `Terminate`.
    pub(crate) force: bool,
    pub(crate) online_flags: OnlineFlags,
    pub(crate) offline_flags: OfflineFlags,
    pub(crate) in_buffer: Option<Vec<u8>>,
    /// A delayed offline is tried again then, after this pause.
    pub(crate) offline_again: Option<(Time, std::time::Duration)>,
    /// A `Terminate` that ended nothing is tried again then.
    pub(crate) terminate_again: Option<Time>,
    pub(crate) locked: bool,
    pub(crate) embedded_failure: bool,
    pub(crate) network_failure: bool,
    pub(crate) maintenance: bool,
    /// Has a monitor of its own because it hurt a shared one.
    pub(crate) isolated: bool,
    /// Private properties changed while it was open.
    pub(crate) stale: bool,
    pub(crate) why: Option<String>,
}

impl Resource {
    pub(crate) fn new(online_wanted: bool, maintenance: bool, now: Time) -> Self {
        Resource {
            state: ResourceState::Offline,
            settled: true,
            since: now,
            checkpoint: 0,
            last_error: Code::SUCCESS,
            opened: Opened::No,
            monitor: None,
            busy: None,
            heard: false,
            online_wanted,
            held: false,
            hold: None,
            failures: VecDeque::new(),
            bounce: false,
            force: false,
            online_flags: OnlineFlags::NONE,
            offline_flags: OfflineFlags::NONE,
            in_buffer: None,
            offline_again: None,
            terminate_again: None,
            locked: false,
            embedded_failure: false,
            network_failure: false,
            maintenance,
            isolated: false,
            stale: false,
            why: None,
        }
    }

    /// Nothing of it is left in any monitor.
    pub(crate) fn ends(&mut self) {
        self.opened = Opened::No;
        self.monitor = None;
        self.busy = None;
        self.settled = true;
        self.locked = false;
        self.checkpoint = 0;
        self.bounce = false;
        self.offline_again = None;
        self.terminate_again = None;
    }

    /// Online or on the way to or from it.
    pub(crate) fn active(&self) -> bool {
        matches!(
            self.state,
            ResourceState::Online | ResourceState::OnlinePending | ResourceState::OfflinePending
        ) || !self.settled
    }

    /// Nothing runs, nothing is being changed.
    pub(crate) fn at_rest(&self) -> bool {
        self.settled && self.busy.is_none() && !self.active()
    }

    /// An operator's offline that the DLL delays, and that is tried until it is done or cancelled.
    pub(crate) fn queued(&self) -> bool {
        self.offline_again.is_some() && self.offline_flags.contains(OfflineFlags::QUEUE_ENABLED)
    }

    /// Restarts are used up or forbidden.
    pub(crate) const fn given_up(&self) -> bool {
        matches!(self.hold, Some(Hold::GaveUp(_)))
    }
}

/// A group at run time.
#[derive(Clone, Debug, Default)]
pub(crate) struct Group {
    pub(crate) resources: std::collections::BTreeMap<ResourceName, Resource>,
    /// Which resources depend on each.
    pub(crate) dependents: std::collections::BTreeMap<ResourceName, Vec<ResourceName>>,
    /// Resources in an order in which providers come first.
    pub(crate) order: Vec<ResourceName>,
    pub(crate) why: Option<String>,
}

/// A Resource Monitor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Monitor {
    Starting,
    Running,
    Stopping,
}

/// What a request waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Goal {
    ResourceOnline(ResourceName),
    ResourceOffline(ResourceName),
    /// Offline once, then as wanted.
    ResourceRestarted(ResourceName),
    GroupOnline,
    GroupOffline,
    /// Every resource is as it is kept, or cannot become so.
    GroupSettled,
    /// Everything named is closed: then the configuration changes.
    Gone(BTreeSet<ResourceName>),
}

/// An accepted request that has not ended.
#[derive(Clone, Debug)]
pub(crate) struct Waiter {
    pub(crate) id: RequestId,
    pub(crate) goal: Goal,
    pub(crate) what: String,
    /// What each resource was kept at before, should the operation be given up.
    pub(crate) before: Vec<(ResourceName, bool)>,
    /// What was stored for it, as it was before.
    pub(crate) undo: Vec<Change>,
}

/// `InBuffer` for one type.
pub(crate) fn buffer_for(buffers: &InBuffers, type_name: &stead_types::TypeName) -> Option<Vec<u8>> {
    buffers.get(type_name).cloned()
}
