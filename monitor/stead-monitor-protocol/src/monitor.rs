use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stead_types::{
    Code, NodeName, OfflineFlags, OfflineReason, OnlineFlags, OpenFlags, ResourceName, ResourceState,
    StatusFlags, TypeName,
};

use crate::asking::{Answered, AskId, KeyChange, Question};
use crate::wire::{Hex, Properties, number, optional_word, word};

/// One opening of a resource, chosen by the node and never used twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct InstanceId(pub u64);

/// A request of the node, chosen by the node; `Done` carries it back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct OpId(pub u64);

/// Where a resource type's entry points come from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Library {
    /// Linked into the executable.
    Builtin,
    /// A shared library, by absolute path.
    File(String),
}

/// The effective intervals of one resource, in milliseconds; 0xFFFFFFFF is never.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Timing {
    /// Time between two `LooksAlive`.
    pub looks_alive_ms: u32,
    /// Time between two `IsAlive`.
    pub is_alive_ms: u32,
    /// Longest silence while pending. The monitor uses the smaller of this and `deadlock_ms`.
    pub pending_ms: u32,
    /// Longest time inside one entry point.
    pub deadlock_ms: u32,
}

impl Default for Timing {
    /// The documented defaults of a resource type.
    fn default() -> Self {
        Timing { looks_alive_ms: 5_000, is_alive_ms: 60_000, pending_ms: 180_000, deadlock_ms: 300_000 }
    }
}

/// What a resource DLL is asked before something becomes true that it may refuse.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Consultation {
    /// `CLUSCTL_RESOURCE_ADD_DEPENDENCY`: the resource is to depend on this one.
    AddDependency(#[serde(with = "word")] ResourceName),
    /// `CLUSCTL_RESOURCE_REMOVE_DEPENDENCY`: the resource is to depend on this one no more.
    RemoveDependency(#[serde(with = "word")] ResourceName),
    /// `CLUSCTL_RESOURCE_ADD_OWNER`: this node is to be among those that can have the resource.
    AddOwner(#[serde(with = "word")] NodeName),
    /// `CLUSCTL_RESOURCE_REMOVE_OWNER`: this node is to be among them no more.
    RemoveOwner(#[serde(with = "word")] NodeName),
    /// `CLUSCTL_RESOURCE_QUERY_DELETE`: the resource is to be deleted.
    QueryDelete,
}

/// Common properties of a resource type.
///
/// Windows: mscs/resource-type-common-properties
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TypeFacts {
    /// `Description`.
    #[serde(default)]
    pub description: String,
    /// What it gives its resources, by name.
    pub numbers: Vec<(String, u32)>,
    /// The names of the numbers that a resource has.
    #[serde(default)]
    pub of_resources: Vec<String>,
}

/// Node → Resource Monitor.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToMonitor {
    /// The first message of every node, also of a restarted one.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
        /// The name of this node, for resource DLLs that ask.
        #[serde(with = "word")]
        node: NodeName,
    },
    /// Loads the DLL where needed and calls `Open`. Answered by `Done`; on success the state is Offline.
    Open {
        /// Comes back in `Done`.
        op: OpId,
        /// The new instance.
        instance: InstanceId,
        /// The resource.
        #[serde(with = "word")]
        resource: ResourceName,
        /// Its type, as given to `Startup`.
        #[serde(with = "word")]
        type_name: TypeName,
        /// Where the type's entry points come from.
        library: Library,
        /// Private properties as configured, the contents of the `Parameters` key.
        properties: Properties,
        /// What its resource DLL has changed of its keys since.
        keys: Vec<KeyChange>,
        /// Intervals and time-outs.
        timing: Timing,
        /// Flags of `OpenV2`.
        #[serde(with = "number")]
        flags: OpenFlags,
    },
    /// Calls `Online`. Answered by `Done` when refused or when the operation ended; states are reported on the way.
    Online {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// Flags of `OnlineV2`.
        #[serde(with = "number")]
        flags: OnlineFlags,
        /// `InBuffer`, already the part meant for this resource's type.
        in_buffer: Option<Hex>,
    },
    /// Calls `Offline`. Answered as `Online`. A delayed offline ends with `Done` 170 `ERROR_BUSY` after
    /// [`FromMonitor::Delayed`].
    Offline {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// The node that will hold the resource after a move.
        #[serde(with = "optional_word")]
        destination: Option<NodeName>,
        /// Flags of `OfflineV2`.
        #[serde(with = "number")]
        flags: OfflineFlags,
        /// `InBuffer`, already the part meant for this resource's type.
        in_buffer: Option<Hex>,
        /// Why; travels in `Reserved`.
        #[serde(with = "number")]
        reason: OfflineReason,
    },
    /// Calls `Terminate`, whatever is in progress; the state afterwards is Offline. Answered by `Done`.
    Terminate {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
    },
    /// Asks the DLL to give up the pending operation. Answered by `Done` with what `Cancel` returned.
    Cancel {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
    },
    /// Treats the resource as failed, as a failed `IsAlive` would. Answered by `Done`.
    Fail {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
    },
    /// Sends a control code. Answered by `Done` with the output.
    Control {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// The full 32-bit code.
        code: u32,
        /// The input.
        in_buffer: Hex,
        /// The size of the output buffer; at most 65,536 is granted.
        out_size: u32,
    },
    /// New properties. Private ones go through `SET_PRIVATE_PROPERTIES`; `Done` carries 0, or 5024 where they
    /// take effect at the next online.
    Update {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// All private properties as configured.
        properties: Properties,
        /// What its resource DLL has changed of its keys since.
        keys: Vec<KeyChange>,
        /// Intervals and time-outs; in force at once.
        timing: Timing,
    },
    /// Begins or ends maintenance mode: no polls, and a signalled event handle is no failure.
    Maintenance {
        /// The instance.
        instance: InstanceId,
        /// True begins it.
        on: bool,
    },
    /// Calls `Close` and forgets the instance. Answered by `Done`.
    Close {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// True if the resource is being deleted: its DLL gets `CLUSCTL_RESOURCE_DELETE` first.
        deleting: bool,
    },
    /// Checks a resource type and, if `properties` are given, whether a resource may have them. Nothing is
    /// brought online. Answered by `Checked`.
    Check {
        /// Comes back in `Checked`.
        op: OpId,
        /// The resource the properties are for; any name for a check of the type alone.
        #[serde(with = "word")]
        resource: ResourceName,
        /// The type.
        #[serde(with = "word")]
        type_name: TypeName,
        /// Where its entry points come from.
        library: Library,
        /// Private properties to check.
        properties: Option<Properties>,
        /// Those that the resource has now and is to keep having, with their values of now.
        stored: Properties,
    },
    /// Sends a control code to a resource type. Answered by `Done` with the output.
    TypeControl {
        /// Comes back in `Done`.
        op: OpId,
        /// The type.
        #[serde(with = "word")]
        type_name: TypeName,
        /// Where its entry points come from.
        library: Library,
        /// Its common properties.
        common: TypeFacts,
        /// The full 32-bit code.
        code: u32,
        /// The input.
        in_buffer: Hex,
        /// The size of the output buffer; at most 65,536 is granted.
        out_size: u32,
    },
    /// Asks a resource's DLL whether something may be. Answered by `Done` with what it returned.
    Consult {
        /// Comes back in `Done`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// What.
        question: Consultation,
    },
    /// Asks a resource's DLL, if it wants to be asked (`CLUS_CHAR_OPERATION_CONTEXT`), what is to go with the departure of
    /// its group (`CLUSCTL_RESOURCE_GET_OPERATION_CONTEXT`). Answered by `Context`.
    Context {
        /// Comes back in `Context`.
        op: OpId,
        /// The instance.
        instance: InstanceId,
        /// A `RESDLL_CONTEXT_OPERATION_TYPE`.
        operation: u32,
        /// Of the group.
        priority: u32,
    },
    /// Asks a resource type whether it may be deleted (`CLUSCTL_RESOURCE_TYPE_QUERY_DELETE`). Answered by `Done` with
    /// what it returned; a type that cannot be loaded has nothing against it.
    ConsultType {
        /// Comes back in `Done`.
        op: OpId,
        /// The type.
        #[serde(with = "word")]
        type_name: TypeName,
        /// Where its entry points come from.
        library: Library,
    },
    /// Tells a resource's DLL that one of its providers changed state (`CLUSCTL_RESOURCE_PROVIDER_STATE_CHANGE`).
    ProviderChanged {
        /// The instance.
        instance: InstanceId,
        /// Its provider.
        #[serde(with = "word")]
        provider: ResourceName,
        /// The provider's new state.
        #[serde(with = "word")]
        state: ResourceState,
    },
    /// Asks for everything there is. Answered by one `Instance` for each instance, then `Done`.
    Sync {
        /// Comes back in `Done`.
        op: OpId,
    },
    /// The answer to `Ask`.
    Answered(Answered),
    /// Terminates what is not offline, closes every instance, tells the resource types
    /// (`CLUSCTL_RESOURCE_TYPE_NOTIFY_MONITOR_SHUTTING_DOWN`), and ends.
    Shutdown,
}

impl ToMonitor {
    /// The number of the request, for those that are answered.
    #[must_use]
    pub const fn op(&self) -> Option<OpId> {
        match self {
            ToMonitor::Open { op, .. }
            | ToMonitor::Online { op, .. }
            | ToMonitor::Offline { op, .. }
            | ToMonitor::Terminate { op, .. }
            | ToMonitor::Cancel { op, .. }
            | ToMonitor::Fail { op, .. }
            | ToMonitor::Control { op, .. }
            | ToMonitor::Update { op, .. }
            | ToMonitor::Close { op, .. }
            | ToMonitor::Check { op, .. }
            | ToMonitor::TypeControl { op, .. }
            | ToMonitor::Consult { op, .. }
            | ToMonitor::Context { op, .. }
            | ToMonitor::ConsultType { op, .. }
            | ToMonitor::Sync { op } => Some(*op),
            ToMonitor::Hello { .. }
            | ToMonitor::Maintenance { .. }
            | ToMonitor::ProviderChanged { .. }
            | ToMonitor::Answered(_)
            | ToMonitor::Shutdown => None,
        }
    }
}

/// Why an instance is in its state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// The node asked for it.
    Requested,
    /// The DLL's entry point said so.
    Returned,
    /// The DLL reported it through a status callback.
    Reported,
    /// No progress within the pending timeout.
    PendingTimeout,
    /// `IsAlive` said no.
    IsAlive,
    /// `SignalFailure`.
    Signalled,
    /// The total cap on a pending operation: ten times the pending timeout.
    PendingCap,
}

/// Level of a line of the cluster log. Windows: resapi/ne-resapi-log_level
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogLevel {
    /// 0
    Information,
    /// 1
    Warning,
    /// 2
    Error,
    /// 3
    Severe,
}

/// What `SignalFailure` reported beside a general failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Signal {
    /// Something inside the workload failed; the resource stays Online.
    Embedded,
    /// The network failed under the workload.
    NetworkLoss,
}

/// One thing wrong with a set of private properties.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// The property, where one is to blame.
    pub property: Option<String>,
    /// What is wrong, and what would be right.
    pub text: String,
}

/// Everything the monitor knows of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstanceReport {
    /// The instance.
    pub instance: InstanceId,
    /// The resource.
    #[serde(with = "word")]
    pub resource: ResourceName,
    /// Its state.
    #[serde(with = "word")]
    pub state: ResourceState,
    /// False while the monitor itself is still changing the state (a call, a pending operation, `Terminate`).
    pub settled: bool,
    /// The code of the last failure; 0 is none.
    #[serde(with = "number")]
    pub code: Code,
    /// The last accepted checkpoint of the pending operation.
    pub checkpoint: u32,
    /// Locked mode.
    pub locked: bool,
    /// The first process that does the resource's work, as seen from outside every namespace of ours.
    pub process: Option<u32>,
    /// True if the instance is in maintenance mode.
    pub maintenance: bool,
}

/// Resource Monitor → node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum FromMonitor {
    /// The answer to `Hello`.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
    },
    /// The state of an instance changed, or settled.
    State {
        /// The instance.
        instance: InstanceId,
        /// Its state.
        #[serde(with = "word")]
        state: ResourceState,
        /// False while the monitor itself is still changing the state: pending, or Failed while `Terminate` runs.
        settled: bool,
        /// Why it failed; 0 where it did not.
        #[serde(with = "number")]
        code: Code,
        /// `Flags` of the status report that brought this about.
        #[serde(with = "number")]
        flags: StatusFlags,
        /// Why the state changed.
        cause: Cause,
        /// The first process that does the resource's work, as seen from outside every namespace of ours.
        process: Option<u32>,
    },
    /// A pending operation made progress. Several reports may come as one; the last is never lost.
    Progress {
        /// The instance.
        instance: InstanceId,
        /// The last accepted checkpoint.
        checkpoint: u32,
    },
    /// The DLL delayed or refused an offline; the instance is Online.
    Delayed {
        /// The instance.
        instance: InstanceId,
        /// Which of the four `OFFLINE_…` flags; 0 if it just said Online.
        #[serde(with = "number")]
        flags: StatusFlags,
    },
    /// A request ended.
    Done {
        /// Of the request.
        op: OpId,
        /// How it ended.
        #[serde(with = "number")]
        code: Code,
        /// Output of `Control`.
        output: Hex,
        /// What a person should read beside the code, such as the loader's message.
        detail: Option<String>,
    },
    /// The answer to `Context`.
    Context {
        /// Of the request.
        op: OpId,
        /// What the resource DLL wants to be given to the resources of a type, by the type's name.
        buffers: BTreeMap<String, Hex>,
    },
    /// The answer to `Check`.
    Checked {
        /// Of the request.
        op: OpId,
        /// 0, or why the type cannot be used at all.
        #[serde(with = "number")]
        code: Code,
        /// What a person should read beside the code.
        detail: Option<String>,
        /// The private properties of the type: name and `CLUSPROP_FORMAT_…` number.
        formats: Vec<(String, u16)>,
        /// What is wrong with the properties.
        problems: Vec<Problem>,
    },
    /// `SetResourceLockedMode(Ex)`.
    Locked {
        /// The instance.
        instance: InstanceId,
        /// Locked or not.
        locked: bool,
        /// Application-defined.
        reason: u32,
        /// `LOCKED_MODE_FLAGS_…`.
        flags: u32,
    },
    /// `SignalFailure` of a kind that leaves the resource Online.
    Signalled {
        /// The instance.
        instance: InstanceId,
        /// Which kind.
        signal: Signal,
        /// The DLL's own code.
        code: u32,
    },
    /// A line for the cluster log.
    Log {
        /// The instance, where there is one.
        instance: Option<InstanceId>,
        /// How bad.
        level: LogLevel,
        /// At most 500 characters.
        text: String,
    },
    /// The DLL broke a rule of the interface.
    Violation {
        /// The instance, where there is one.
        instance: Option<InstanceId>,
        /// A short stable word for the rule.
        rule: String,
        /// What happened.
        text: String,
    },
    /// A call exceeded its deadline; this process ends now.
    Stuck {
        /// The culprit.
        instance: InstanceId,
        /// The entry point.
        entry: String,
    },
    /// A resource DLL wants to know or to store something. Answered by `Answered`.
    Ask {
        /// Comes back in `Answered`.
        ask: AskId,
        /// What.
        question: Question,
    },
    /// One answer to `Sync`.
    Instance(InstanceReport),
}
