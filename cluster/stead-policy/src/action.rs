use stead_types::{
    Code, GroupName, NodeName, OfflineFlags, OfflineReason, OnlineFlags, ResourceName, ResourceState,
};

use crate::config::PersistentState;
use crate::event::{MonitorId, OpId, RequestId, WriteId};
use crate::hosting::{OperationContext, Release};
use crate::request::{Answer, PlanStep, Refusal};

/// What the policy wants done.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Action {
    /// The request was accepted; it will be answered by `Finish`. Sent once the intent is durable.
    Accept {
        /// Which.
        id: RequestId,
    },
    /// The request is answered. The last word on it; without a previous `Accept` if refused.
    Finish {
        /// Which.
        id: RequestId,
        /// How it ended.
        answer: Result<Answer, Refusal>,
    },
    /// Writes all changes in one transaction, then answers with [`crate::Event::Written`].
    Write {
        /// For the answer.
        write: WriteId,
        /// All or nothing.
        changes: Vec<Change>,
    },
    /// Starts a Resource Monitor. Answered by `MonitorStarted` or `MonitorLost`.
    StartMonitor {
        /// Which.
        monitor: MonitorId,
    },
    /// Ends a Resource Monitor that hosts nothing any more, or whose group must be empty now. Answered by
    /// `MonitorLost`.
    StopMonitor {
        /// Which.
        monitor: MonitorId,
    },
    /// Loads and opens a resource. Answered by `Done`; then its state is Offline.
    Open {
        /// For the answer.
        op: OpId,
        /// Where.
        monitor: MonitorId,
        /// What.
        resource: ResourceName,
    },
    /// Closes a resource. Answered by `Done`.
    Close {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
        /// True if it is being deleted, which its resource DLL is told first.
        deleting: bool,
    },
    /// Calls `Online`. States are reported; `Done` when refused or when it ended.
    Online {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
        /// Flags of `OnlineV2`.
        flags: OnlineFlags,
        /// `InBuffer` for this resource's type.
        in_buffer: Option<Vec<u8>>,
    },
    /// Calls `Offline`. States are reported; `Done` when refused, delayed (170) or when it ended.
    Offline {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
        /// Flags of `OfflineV2`.
        flags: OfflineFlags,
        /// The node that will hold it after a move.
        destination: Option<NodeName>,
        /// `InBuffer` for this resource's type.
        in_buffer: Option<Vec<u8>>,
        /// Why.
        reason: OfflineReason,
    },
    /// Calls `Terminate`; the state afterwards is Offline. Answered by `Done`.
    Terminate {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
    },
    /// Asks the DLL to give up the pending operation.
    Cancel {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
    },
    /// Treats the resource as failed.
    Fail {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
    },
    /// Begins or ends maintenance mode in the monitor.
    Maintenance {
        /// What.
        resource: ResourceName,
        /// Begins or ends.
        on: bool,
    },
    /// The resource's common or private properties changed while it is open: the monitor takes them over.
    Update {
        /// For the answer.
        op: OpId,
        /// What.
        resource: ResourceName,
    },
    /// Asks the resource DLLs of a group that want to be asked what is to go with its departure
    /// (`CLUSCTL_RESOURCE_GET_OPERATION_CONTEXT`). Answered by [`crate::Event::ContextKnown`].
    AskContext {
        /// Which.
        group: GroupName,
        /// What moves it.
        context: OperationContext,
    },
    /// Nothing of the group is left here. Answered by [`crate::Event::Departed`] once that is stored.
    Release {
        /// Which.
        group: GroupName,
        /// Where it goes and how.
        release: Release,
    },
    /// The coming or going of a group has ended: it is up here, it could not come up, or it stays.
    Moved {
        /// Which.
        group: GroupName,
        /// 0, or why not.
        code: Code,
        /// For people.
        detail: String,
    },
    /// A provider of this open resource changed state, which its DLL is told. Nobody waits for the answer.
    ProviderChanged {
        /// What.
        resource: ResourceName,
        /// Its provider.
        provider: ResourceName,
        /// The provider's new state.
        state: ResourceState,
    },
    /// Adds a line to the event history.
    Record(Record),
    /// After `Shutdown`: everything is offline, every monitor gone.
    Stopped,
}

/// A change of what is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A step of a plan.
    Step(PlanStep),
    /// The wanted state of a group.
    GroupPersistentState(GroupName, Option<PersistentState>),
    /// The wanted state of a resource; none is its group's.
    ResourcePersistentState(ResourceName, Option<PersistentState>),
    /// Maintenance mode of a resource, which survives a restart of the node.
    ResourceMaintenance(ResourceName, bool),
    /// Whether a node is paused, which survives a restart of it.
    NodePaused(NodeName, bool),
}

/// How bad an event is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Good to know.
    Information,
    /// Worth a look.
    Warning,
    /// Something failed.
    Error,
    /// Someone must act.
    Critical,
}

/// A line of the event history. Ids are those of Windows' FailoverClustering log where it has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// 1069 resource failed, 1254 failovers used up, 1146 monitor died, 1230 call past its deadline, 1205 group not
    /// completely online or offline, 1250 embedded failure; ours start at 10000.
    pub id: u32,
    /// How bad.
    pub level: Level,
    /// The group, where there is one.
    pub group: Option<GroupName>,
    /// The resource, where there is one.
    pub resource: Option<ResourceName>,
    /// Windows' code; 0 is none.
    pub code: Code,
    /// One sentence for people.
    pub text: String,
}
