use std::fmt;

use stead_types::{Code, GroupName, NodeName, ResourceName, ResourceState, StatusFlags};

use crate::config::ClusterConfig;
use crate::hosting::{Arrival, Departure};
use crate::request::{InBuffers, Request};

/// A request of a client, chosen by the caller of [`crate::Policy::handle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(pub u64);

/// A write to the store, chosen by the policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WriteId(pub u64);

/// A call into a Resource Monitor, chosen by the policy and never used twice in one life of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OpId(pub u64);

/// Which Resource Monitor of a group.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MonitorId {
    /// The group.
    pub group: GroupName,
    /// The resource that has it to itself; `None` is the group's shared one.
    pub separate: Option<ResourceName>,
}

impl fmt::Display for MonitorId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.separate {
            None => write!(f, "{}", self.group),
            Some(resource) => write!(f, "{}/{resource}", self.group),
        }
    }
}

/// Everything that can happen to a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The node has read its configuration and what still runs; decisions may begin. The first event.
    Start {
        /// Resource Monitors that still run, with what they host: a restarted node adopts them without touching
        /// a resource.
        running: Vec<(MonitorId, Vec<Report>)>,
    },
    /// A client asks for something.
    Request {
        /// For the answer.
        id: RequestId,
        /// What.
        request: Request,
    },
    /// A write is durable, or failed and changed nothing.
    Written {
        /// Which.
        write: WriteId,
        /// `ERROR_DISK_FULL` and its like on failure.
        result: Result<(), Code>,
    },
    /// A Resource Monitor asked for by [`crate::Action::StartMonitor`] runs.
    MonitorStarted {
        /// Which.
        monitor: MonitorId,
    },
    /// A Resource Monitor ended, or could not be started; none of its processes is left.
    MonitorLost {
        /// Which.
        monitor: MonitorId,
        /// How.
        lost: Lost,
    },
    /// A Resource Monitor reports on a resource.
    Report(Report),
    /// A call asked for by an action ended.
    Done {
        /// Which.
        op: OpId,
        /// How.
        code: Code,
    },
    /// A group has become this node's: it is brought up as it is wanted. Answered by [`crate::Action::Moved`] when that
    /// has ended.
    Arrived {
        /// Which.
        group: GroupName,
        /// How.
        arrival: Arrival,
    },
    /// A group is to leave this node. Answered by [`crate::Action::Release`] when nothing of it is left here, or by
    /// [`crate::Action::Moved`] if it stays.
    Depart {
        /// Which.
        group: GroupName,
        /// How.
        departure: Departure,
    },
    /// It is stored that a group released by [`crate::Action::Release`] is this node's no more.
    Departed {
        /// Which.
        group: GroupName,
    },
    /// What resource DLLs want to go with a departure; the answer to [`crate::Action::AskContext`].
    ContextKnown {
        /// Which group departs.
        group: GroupName,
        /// By the type whose resources get it.
        buffers: InBuffers,
    },
    /// A node has died or left. What was to go there by somebody's will stays, if it is not gone yet.
    NodeLost(NodeName),
    /// Another node changed the configuration: this is all of it.
    Configured(ClusterConfig),
    /// Another node has stored whether this node is paused.
    Paused(bool),
    /// The instant of [`crate::Policy::next_timeout`] has come.
    Timer,
}

/// How a Resource Monitor was lost.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Lost {
    /// It ended after [`crate::Action::StopMonitor`].
    Stopped,
    /// It could not be started.
    NotStarted {
        /// Why, for people.
        text: String,
    },
    /// It died: crash, kill, or a call past its deadline.
    Died {
        /// Resources whose call was in progress: the culprits. They get a monitor of their own, and the failure
        /// counts against their threshold. Empty if nobody can tell; then it counts against nobody.
        culprits: Vec<ResourceName>,
        /// 5910 for a call past its deadline, 5930 for a crash inside a call, 1726 otherwise.
        code: Code,
        /// How, for people.
        text: String,
    },
}

/// What a Resource Monitor says about one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The resource.
    pub resource: ResourceName,
    /// What.
    pub news: News,
}

/// The news of a [`Report`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// The state changed, or settled.
    State {
        /// The new one.
        state: ResourceState,
        /// False while the monitor itself is still changing it (pending, or Failed while `Terminate` runs).
        settled: bool,
        /// Why it failed; 0 where it did not.
        code: Code,
        /// `Flags` of the status report that brought it about.
        flags: StatusFlags,
        /// Why, for people: `IsAlive said no`, `no progress within PendingTimeout`.
        why: &'static str,
    },
    /// Progress of a pending operation.
    Checkpoint(u32),
    /// The DLL delayed or refused an offline; the resource is Online.
    Delayed(StatusFlags),
    /// Locked mode began or ended. `keep_queued`: the unlock leaves a queued operation in the queue.
    Locked {
        /// Began or ended.
        locked: bool,
        /// `LOCKED_MODE_FLAGS_DONT_REMOVE_FROM_MOVE_QUEUE`.
        keep_queued: bool,
    },
    /// Something inside the workload failed, with the DLL's code.
    EmbeddedFailure(u32),
    /// The network failed under the workload.
    NetworkLoss(u32),
}
