use std::collections::BTreeMap;

use stead_types::{CommonProperties, Dependency, GroupName, NodeName, ResourceName, TypeDefaults, TypeName};

/// The wanted state, as stored. Windows: mscs/resources-persistentstate
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersistentState {
    /// Kept offline.
    Offline,
    /// Kept online, and brought online when the node starts.
    Online,
}

/// The part of the configuration that decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ClusterConfig {
    /// Registered resource types.
    pub types: BTreeMap<TypeName, TypeConfig>,
    /// Groups with their resources.
    pub groups: BTreeMap<GroupName, GroupConfig>,
}

/// A resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeConfig {
    /// Its name.
    pub name: TypeName,
    /// What its resources get where they say nothing.
    pub defaults: TypeDefaults,
    /// Changes whenever the stored document changes; opaque.
    pub revision: u64,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name.
    pub name: GroupName,
    /// The wanted state; `None` in a plan keeps what is stored, and is `Online` for a new group.
    pub persistent_state: Option<PersistentState>,
    /// Failovers allowed within `failover_period_hours`; 0xFFFFFFFF is "nodes - 1".
    pub failover_threshold: u32,
    /// The window of `failover_threshold`, in hours, at most 1193.
    pub failover_period_hours: u32,
    /// Nodes in the order in which they are preferred; empty is any.
    pub preferred_owners: Vec<NodeName>,
    /// Higher starts first; 0 is not started automatically. Windows' numbers: 1000, 2000, 3000.
    pub priority: u32,
    /// Its resources.
    pub resources: BTreeMap<ResourceName, ResourceConfig>,
    /// Changes whenever the stored document changes; opaque.
    pub revision: u64,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceConfig {
    /// Its name, unique in the cluster.
    pub name: ResourceName,
    /// Its type.
    pub type_name: TypeName,
    /// The wanted state; `None` means the group's.
    pub persistent_state: Option<PersistentState>,
    /// What it depends on.
    pub dependency: Dependency,
    /// Common properties.
    pub common: CommonProperties,
    /// Changes whenever private properties change; opaque. They take effect at the next online.
    pub revision: u64,
}
