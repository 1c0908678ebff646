use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stead_types::{
    CommonProperties, Dependency, FenceClass, GroupName, GroupSetName, NodeName, ResourceName, TypeDefaults,
    TypeName,
};

use crate::cluster::{ReadyWhen, Settings};

/// The wanted state, as stored. Windows: mscs/resources-persistentstate
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum PersistentState {
    /// Kept offline.
    Offline,
    /// Kept online, and brought online when the node starts.
    Online,
}

/// Whether a group returns to a preferred owner that is back. Windows: mscs/groups-autofailbacktype
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Failback {
    /// It stays where it is.
    #[default]
    Prevent,
    /// It returns, at once or within a window of hours.
    Allow {
        /// The first hour of the day in which it may return and the one in which it no longer may, both 0 to 23. It may
        /// wrap midnight; equal numbers are that one hour. None is at any time.
        window: Option<(u8, u8)>,
    },
}

/// Whether a group is started when the whole cluster starts. Windows: clusapi/ne-clusapi-clus_group_start_setting
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ColdStart {
    /// As wanted.
    #[default]
    Always,
    /// It stays offline until someone asks for it.
    DoNotStart,
    /// As wanted, where there is no reason against it.
    Allowed,
}

/// The part of the configuration that decisions depend on.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct ClusterConfig {
    /// Registered resource types.
    pub types: BTreeMap<TypeName, TypeConfig>,
    /// Groups with their resources.
    pub groups: BTreeMap<GroupName, GroupConfig>,
    /// Group sets.
    pub sets: GroupSets,
    /// The cluster's settings; `None` in a plan keeps what is stored, and is what every cluster begins with.
    pub settings: Option<Settings>,
}

/// Group sets, by name.
pub type GroupSets = BTreeMap<GroupSetName, GroupSetConfig>;

/// Groups that others wait for together. It orders starts only: nothing is stopped when they fail later.
///
/// Windows: clusapi/nf-clusapi-createclustergroupset
/// Note: of a set without a word all groups have to be online, and nothing is waited for after that. Windows' pages
/// disagree on the delay: 0 s on one, 20 s on another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSetConfig {
    /// Its name.
    pub name: GroupSetName,
    /// Its groups; they may be on different nodes.
    pub groups: BTreeSet<GroupName>,
    /// When one of its groups counts.
    pub startup_setting: ReadyWhen,
    /// How many of its groups must count; none is all. More than there are is all.
    pub startup_count: Option<u32>,
    /// How long it is waited after that.
    pub startup_delay: Duration,
    /// Every group that is in no global set waits for it.
    pub is_global: bool,
    /// The set its groups wait for.
    pub depends_on_set: Option<GroupSetName>,
}

/// A resource type.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TypeConfig {
    /// Its name.
    pub name: TypeName,
    /// A comment, for people.
    pub description: String,
    /// What its resources get where they say nothing.
    pub defaults: TypeDefaults,
    /// What ends its resources when their node loses its session.
    pub fence: FenceClass,
    /// Of class F5: an operator accepts that it may be on a node without a watchdog.
    pub accept_no_watchdog: bool,
    /// Changes whenever the stored document changes; opaque.
    pub revision: u64,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupConfig {
    /// Its name.
    pub name: GroupName,
    /// A comment, for people.
    pub description: String,
    /// The wanted state; `None` in a plan keeps what is stored, and is `Online` for a new group.
    pub persistent_state: Option<PersistentState>,
    /// Failovers allowed within `failover_period_hours`; 0xFFFFFFFF is "nodes - 1".
    pub failover_threshold: u32,
    /// The window of `failover_threshold`, in hours, at most 1193.
    pub failover_period_hours: u32,
    /// Nodes in the order in which they are preferred; empty is any.
    pub preferred_owners: Vec<NodeName>,
    /// Groups that share one of these words are kept on different nodes where that is possible. Case makes no
    /// difference. Windows: mscs/groups-antiaffinityclassnames
    pub anti_affinity: BTreeSet<String>,
    /// Whether it returns to a preferred owner that is back.
    pub failback: Failback,
    /// Whether it is started when the cluster starts.
    pub cold_start: ColdStart,
    /// Groups that must be online before this one is started on a new owner.
    pub depends_on_groups: BTreeSet<GroupName>,
    /// The group set that must be ready before that.
    pub depends_on_set: Option<GroupSetName>,
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
    /// A comment, for people. Windows: mscs/resources-description
    pub description: String,
    /// The wanted state; `None` means the group's.
    pub persistent_state: Option<PersistentState>,
    /// What it depends on.
    pub dependency: Dependency,
    /// The nodes on which it may be online; empty is every node.
    pub possible_owners: BTreeSet<NodeName>,
    /// Common properties.
    pub common: CommonProperties,
    /// Changes whenever private properties change; opaque. They take effect at the next online.
    pub revision: u64,
}
