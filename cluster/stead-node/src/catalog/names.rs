//! What documents and their fields are called, and the words in them.

use stead_policy::PersistentState;
use stead_types::{GroupName, GroupSetName, NodeName, ResourceName, TypeName};

pub(super) fn word(state: PersistentState) -> &'static str {
    match state {
        PersistentState::Online => "Online",
        PersistentState::Offline => "Offline",
    }
}

pub(super) fn group_key(name: &GroupName) -> String {
    format!("group/{}", name.as_str().to_ascii_lowercase())
}

pub(super) fn resource_key(name: &ResourceName) -> String {
    format!("resource/{}", name.as_str().to_ascii_lowercase())
}

pub(super) fn node_key(name: &NodeName) -> String {
    format!("node/{}", name.as_str().to_ascii_lowercase())
}

pub(super) fn set_key(name: &GroupSetName) -> String {
    format!("group_set/{}", name.as_str().to_ascii_lowercase())
}

/// Where the cluster's settings are.
pub(super) const SETTINGS: &str = "settings/cluster";

pub(super) fn type_key(name: &TypeName) -> String {
    format!("type/{}", name.as_str().to_ascii_lowercase())
}

/// A description as it is stored: none is nothing.
pub(super) fn comment(description: &str) -> Option<&str> {
    (!description.is_empty()).then_some(description)
}

pub(super) fn texts<T: ToString>(items: impl Iterator<Item = T>) -> Vec<String> {
    items.map(|item| item.to_string()).collect()
}

pub(super) const GROUP_FIELDS: &[&str] = &[
    "name",
    "description",
    "persistent_state",
    "failover_threshold",
    "failover_period",
    "preferred_owners",
    "anti_affinity",
    "failback",
    "cold_start",
    "depends_on_groups",
    "depends_on_set",
    "priority",
];
pub(super) const SET_FIELDS: &[&str] =
    &["name", "groups", "startup_setting", "startup_count", "startup_delay", "is_global", "depends_on_set"];
pub(super) const RESOURCE_FIELDS: &[&str] = &[
    "name",
    "type",
    "description",
    "depends_on",
    "possible_owners",
    "persistent_state",
    "common",
    "properties",
];
pub(super) const TYPE_FIELDS: &[&str] =
    &["name", "description", "dll", "common", "fence_class", "accept_no_watchdog"];
