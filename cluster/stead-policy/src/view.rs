use stead_types::{
    Code, Dependency, GroupName, GroupState, NodeName, NodeState, ResourceName, ResourceState, Time, TypeName,
};

use crate::config::PersistentState;

/// Everything a status shows, at one instant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct View {
    /// The nodes.
    pub nodes: Vec<NodeView>,
    /// The groups, by name.
    pub groups: Vec<GroupView>,
}

/// A node in a [`View`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeView {
    /// Its name.
    pub name: NodeName,
    /// Its state.
    pub state: NodeState,
}

/// A group in a [`View`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupView {
    /// Its name.
    pub name: GroupName,
    /// Derived from its resources.
    pub state: GroupState,
    /// The wanted state.
    pub persistent_state: PersistentState,
    /// The node it is on.
    pub owner_node: NodeName,
    /// `CLUSGRP_STATUS_…` bits.
    pub status_information: u64,
    /// The operation in progress, queued or waiting: `online`, `offline (queued)`.
    pub operation: Option<String>,
    /// Why the group is as it is, where it is not simply as wanted.
    pub why: Option<String>,
    /// Its resources, providers first.
    pub resources: Vec<ResourceView>,
}

/// A resource in a [`View`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceView {
    /// Its name.
    pub name: ResourceName,
    /// Its type.
    pub type_name: TypeName,
    /// Its state.
    pub state: ResourceState,
    /// When it entered this state.
    pub since: Time,
    /// The wanted state, as stored; `None` means the group's.
    pub persistent_state: Option<PersistentState>,
    /// The last checkpoint of the pending operation.
    pub checkpoint: u32,
    /// The last failure; 0 is none since it was last online.
    pub last_error: Code,
    /// `CLUSRES_STATUS_…` bits.
    pub status_information: u64,
    /// True in maintenance mode.
    pub maintenance: bool,
    /// What it depends on.
    pub dependency: Dependency,
    /// When the next restart or retry comes, if one is planned.
    pub next_attempt: Option<Time>,
    /// Failures counted within `RestartPeriod`.
    pub failures: u32,
    /// Why it is as it is, where it is not simply as wanted.
    pub why: Option<String>,
}
