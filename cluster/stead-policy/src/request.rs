use std::collections::BTreeMap;
use std::fmt;

use stead_types::{
    Code, GroupName, GroupSetName, GroupState, MoveFlags, NodeName, PauseFlags, ResourceName, ResourceState,
    TypeName,
};

use crate::cluster::SettingsChange;
use crate::config::{GroupConfig, GroupSetConfig, TypeConfig};

/// The `InBuffer` of a request, filed under the name of the resource type it is meant for.
pub type InBuffers = BTreeMap<TypeName, Vec<u8>>;

/// What a client can ask for. Flag fields carry the client-side names (`CLUSAPI_…`).
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// Carries out a plan made by [`crate::Policy::plan`], if what it was made on is still so.
    Apply(Plan),
    /// Windows: clusapi/nf-clusapi-onlineclusterresourceex
    OnlineResource {
        /// Which.
        resource: ResourceName,
        /// Although locked, providers included.
        ignore_resource_status: bool,
        /// Leaves the wanted state as it is.
        keep_persistent_state: bool,
        /// Handed to the DLLs.
        in_buffers: InBuffers,
    },
    /// Windows: clusapi/nf-clusapi-offlineclusterresourceex
    OfflineResource {
        /// Which.
        resource: ResourceName,
        /// Although locked, dependents included.
        ignore_resource_status: bool,
        /// `Terminate` instead of `Offline`.
        force_with_termination: bool,
        /// Leaves the wanted state as it is.
        keep_persistent_state: bool,
        /// A delayed offline is retried until it is done or cancelled.
        queue_enabled: bool,
        /// Handed to the DLLs.
        in_buffers: InBuffers,
    },
    /// Offline and back to the wanted state. Windows: clusapi/nf-clusapi-restartclusterresource
    RestartResource {
        /// Which.
        resource: ResourceName,
    },
    /// As if a health check had failed. Windows: clusapi/nf-clusapi-failclusterresource
    FailResource {
        /// Which.
        resource: ResourceName,
    },
    /// Begins or ends maintenance mode: no polls, no failure.
    ResourceMaintenance {
        /// Which.
        resource: ResourceName,
        /// Begins or ends.
        on: bool,
    },
    /// Windows: clusapi/nf-clusapi-onlineclustergroupex
    OnlineGroup {
        /// Which.
        group: GroupName,
        /// Although locked.
        ignore_resource_status: bool,
        /// Leaves the wanted state as it is.
        keep_persistent_state: bool,
        /// Handed to the DLLs.
        in_buffers: InBuffers,
    },
    /// Windows: clusapi/nf-clusapi-offlineclustergroupex
    OfflineGroup {
        /// Which.
        group: GroupName,
        /// Although locked.
        ignore_resource_status: bool,
        /// `Terminate` instead of `Offline`.
        force_with_termination: bool,
        /// Leaves the wanted state as it is.
        keep_persistent_state: bool,
        /// A delayed offline is retried until it is done or cancelled.
        queue_enabled: bool,
        /// Handed to the DLLs.
        in_buffers: InBuffers,
    },
    /// Windows: clusapi/nf-clusapi-moveclustergroupex. With one node: to itself is done, elsewhere is 5042.
    MoveGroup {
        /// Which.
        group: GroupName,
        /// Where to; `None` is the best node.
        to: Option<NodeName>,
        /// How.
        flags: MoveFlags,
        /// Handed to the DLLs, where it is and where it goes.
        in_buffers: InBuffers,
    },
    /// Ends the operation queued or pending for the group. Windows: clusapi/nf-clusapi-cancelclustergroupoperation
    CancelGroup {
        /// Which.
        group: GroupName,
    },
    /// Changes nothing: answered when every resource of the group is as it is kept, or cannot become so.
    SettleGroup {
        /// Which.
        group: GroupName,
    },
    /// As `CancelGroup`, for one resource's operation.
    CancelResource {
        /// Which.
        resource: ResourceName,
    },
    /// Windows: clusapi/nf-clusapi-deleteclusterresource
    DeleteResource {
        /// Which; it must be Offline or Failed.
        resource: ResourceName,
        /// Also if it cannot be opened to be asked.
        force: bool,
    },
    /// Windows: clusapi/nf-clusapi-deleteclustergroup
    DeleteGroup {
        /// Which.
        group: GroupName,
        /// With its resources, which are taken offline first.
        force: bool,
    },
    /// Deletes a group set nothing depends on.
    DeleteGroupSet {
        /// Which.
        set: GroupSetName,
    },
    /// Deletes a resource type no resource has.
    DeleteType {
        /// Which.
        type_name: TypeName,
    },
    /// The node takes no more groups and brings nothing online; what it has online stays, unless it is drained. With one
    /// node a drain is 5050. Windows: clusapi/nf-clusapi-pauseclusternodeex
    PauseNode {
        /// Which.
        node: NodeName,
        /// Moves its groups away.
        drain: Option<DrainTo>,
        /// How it is drained.
        flags: PauseFlags,
    },
    /// Ends a pause. Windows: clusapi/nf-clusapi-resumeclusternodeex
    ResumeNode {
        /// Which.
        node: NodeName,
        /// What comes back of what was drained.
        failback: ResumeFailback,
        /// It is let in again although it left too often without a word.
        clear_quarantine: bool,
    },
    /// Everything offline in order, wanted states unchanged; then no more is begun.
    Shutdown,
}

/// Where the groups of a node go that is drained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DrainTo {
    /// Each to the node that is best for it.
    Best,
    /// All to this one.
    Node(NodeName),
}

/// What comes back to a node that is resumed. Windows: clusapi/ne-clusapi-cluster_node_resume_failback_type
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeFailback {
    /// Nothing.
    None,
    /// What was drained from it, at once.
    Immediate,
    /// What its failback policy brings back.
    Policy,
}

/// A checked list of steps from the configuration as it is to the one wanted.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Plan {
    /// What to do, in order. Empty: there is nothing to do.
    pub steps: Vec<PlanStep>,
}

/// One step of a [`Plan`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PlanStep {
    /// Creates a type or replaces its document.
    SetType(Box<TypeConfig>),
    /// Creates a group or replaces its document, resources included: resources absent from it stay as they are,
    /// those in it are created or replaced.
    SetGroup(Box<GroupConfig>),
    /// Deletes a resource, taking it offline first.
    DeleteResource(GroupName, ResourceName),
    /// Deletes a group with its resources, taking them offline first.
    DeleteGroup(GroupName),
    /// Deletes a type.
    DeleteType(TypeName),
    /// Creates a group set or replaces its document.
    SetGroupSet(GroupSetConfig),
    /// Deletes a group set.
    DeleteGroupSet(GroupSetName),
    /// Changes settings of the cluster; the others stay.
    SetSettings(Box<SettingsChange>),
}

/// One thing wrong with a wanted configuration.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PlanProblem {
    /// Where: `group/web`, `group/web/resource/db`, `group/web/resource/db/depends_on`, `type/My Type`.
    pub place: String,
    /// What is wrong, and what would be right.
    pub text: String,
    /// Windows' code for it.
    pub code: Code,
}

/// A request that will not be carried out. An answer, not an error.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked, on what: `resource "db": offline`.
    pub what: String,
    /// Windows' code for it.
    pub code: Code,
    /// What a person should read beside it: who is locked, what to do instead. May be empty.
    pub detail: String,
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} refused: {}", self.what, self.code)?;
        if !self.detail.is_empty() {
            write!(f, ": {}", self.detail)?;
        }
        Ok(())
    }
}

/// How a request ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Answer {
    /// The resource is in this state, which is the one asked for.
    Resource(ResourceState),
    /// The group is in this state, which is the one asked for.
    Group(GroupState),
    /// Done; there is no state to tell.
    Done,
    /// It was carried out and failed: the end state, and why.
    Failed {
        /// What was asked, on what: `group "web": online`.
        what: String,
        /// Windows' code.
        code: Code,
        /// Which resource, why.
        detail: String,
    },
    /// It was cancelled.
    Cancelled,
}
