//! What a Resource Monitor asks the node on behalf of a resource DLL, and what it is answered.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stead_types::{Code, GroupName, GroupState, NodeName, NodeState, ResourceName, ResourceState, TypeName};

use crate::monitor::InstanceId;
use crate::wire::{Hex, Properties, number, word};

/// One question of a monitor, chosen by it and never used twice; the answer carries it back. A monitor that is greeted
/// by a new node asks again what has not been answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AskId(pub u64);

/// A change of a resource's keys in the cluster database. Paths are relative to the resource's key, with `\` between
/// names; paths and names are compared without regard to case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum KeyChange {
    /// Makes a key, and those above it.
    CreateKey {
        /// The key.
        path: String,
    },
    /// Deletes a key and what is below it.
    DeleteKey {
        /// The key.
        path: String,
    },
    /// Sets a value.
    Set {
        /// The key.
        path: String,
        /// The value's name.
        name: String,
        /// Its `REG_…` number.
        kind: u32,
        /// Its bytes.
        data: Hex,
    },
    /// Deletes a value.
    Delete {
        /// The key.
        path: String,
        /// The value's name.
        name: String,
    },
}

/// Kinds of objects that have names.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Named {
    /// Resources.
    Resources,
    /// Groups.
    Groups,
    /// Resource types.
    Types,
}

/// What a monitor asks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Question {
    /// Stores changes of an instance's keys, all or none. Answered when they are durable.
    Store {
        /// The instance.
        instance: InstanceId,
        /// The changes, in order.
        changes: Vec<KeyChange>,
    },
    /// The cluster and its nodes.
    Cluster,
    /// Names in order, as many as fit, beginning behind `after`.
    Names {
        /// Of what.
        of: Named,
        /// The last name known already.
        after: Option<String>,
    },
    /// One resource.
    Resource {
        /// Its name, as given by the resource DLL.
        name: String,
    },
    /// One group.
    Group {
        /// Its name, as given by the resource DLL.
        name: String,
    },
    /// The keys of a resource that another monitor hosts.
    Keys {
        /// Its name, as given by the resource DLL.
        name: String,
    },
    /// The common properties of a resource.
    Common {
        /// Its name.
        #[serde(with = "word")]
        resource: ResourceName,
    },
    /// Checks common properties of a resource, and stores them unless `check_only`. Answered when they are durable.
    SetCommon {
        /// Its name.
        #[serde(with = "word")]
        resource: ResourceName,
        /// Those that change, by name.
        numbers: BTreeMap<String, u64>,
        /// `Description`, where it changes.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        description: Option<String>,
        /// True leaves them as they are.
        check_only: bool,
    },
    /// Sends a control code to a resource.
    Control {
        /// Its name, as given by the resource DLL.
        name: String,
        /// The full 32-bit code.
        code: u32,
        /// The input.
        in_buffer: Hex,
        /// The size of the output buffer.
        out_size: u32,
    },
}

/// What a monitor is answered beside a code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The code says it all.
    Nothing,
    /// The cluster and its nodes, this one first.
    Cluster {
        /// The cluster's name.
        name: String,
        /// The nodes.
        nodes: Vec<NodeFacts>,
    },
    /// Names.
    Names {
        /// In order.
        names: Vec<String>,
        /// True if there are more behind the last.
        more: bool,
    },
    /// A resource.
    Resource(ResourceFacts),
    /// A group.
    Group(GroupFacts),
    /// The keys of a resource.
    Keys {
        /// The configured private properties.
        properties: Properties,
        /// What its resource DLL changed.
        keys: Vec<KeyChange>,
    },
    /// Common properties.
    Common(CommonFacts),
    /// What a control code returned.
    Output(Hex),
}

/// The common properties of a resource.
///
/// Windows: mscs/resource-common-properties
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CommonFacts {
    /// `Description`.
    #[serde(default)]
    pub description: String,
    /// `PersistentState`: it, or its group, is wanted online.
    #[serde(default)]
    pub persistent_state: bool,
    /// Those that can be changed, with their values, defaults included.
    pub numbers: Vec<(String, u32)>,
    /// `CLUSRES_STATUS_…` bits.
    pub status_information: u64,
    /// The code of the last failure.
    #[serde(with = "number")]
    pub last_error: Code,
}

/// A node, as resource DLLs may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeFacts {
    /// Its name.
    #[serde(with = "word")]
    pub name: NodeName,
    /// Its state.
    #[serde(with = "word")]
    pub state: NodeState,
}

/// A resource, as resource DLLs may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResourceFacts {
    /// Its name.
    #[serde(with = "word")]
    pub name: ResourceName,
    /// Its type.
    #[serde(with = "word")]
    pub type_name: TypeName,
    /// The group it belongs to.
    #[serde(with = "word")]
    pub group: GroupName,
    /// The node that owns the group.
    #[serde(with = "word")]
    pub node: NodeName,
    /// Its state.
    #[serde(with = "word")]
    pub state: ResourceState,
    /// The resources it depends on directly.
    pub providers: Vec<String>,
    /// The resources that depend on it directly.
    pub dependents: Vec<String>,
    /// The expression it depends by.
    pub expression: String,
}

/// A group, as resource DLLs may know it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupFacts {
    /// Its name.
    #[serde(with = "word")]
    pub name: GroupName,
    /// The node that owns it.
    #[serde(with = "word")]
    pub node: NodeName,
    /// Its state.
    #[serde(with = "word")]
    pub state: GroupState,
    /// Its resources.
    pub resources: Vec<String>,
}

/// An answer on the wire.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Answered {
    /// Of the question.
    pub ask: AskId,
    /// 0, or why there is no answer; for a control code what it returned.
    #[serde(with = "number")]
    pub code: Code,
    /// The answer.
    pub answer: Answer,
}
