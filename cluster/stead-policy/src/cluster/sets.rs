//! What a group waits for: groups, the set it depends on, what its own sets depend on, and global sets.

use std::collections::BTreeSet;
use std::time::Duration;

use stead_types::GroupSetName;

use super::situation::{Provider, ReadyWhen};
use crate::config::{GroupConfig, GroupSets};

/// The sets a group waits for. What is in a global set waits for no other one by that alone.
///
/// Windows: clusapi/nf-clusapi-addclustergrouptogroupsetdependency
/// Windows: clusapi/nf-clusapi-addclustergroupsetdependency
pub(crate) fn awaited<'a>(group: &'a GroupConfig, sets: &'a GroupSets) -> BTreeSet<&'a GroupSetName> {
    let own: Vec<_> = sets.values().filter(|set| set.groups.contains(&group.name)).collect();
    let mut awaited: BTreeSet<&GroupSetName> =
        group.depends_on_set.iter().chain(own.iter().filter_map(|set| set.depends_on_set.as_ref())).collect();
    if !own.iter().any(|set| set.is_global) {
        awaited.extend(sets.values().filter(|set| set.is_global).map(|set| &set.name));
    }
    awaited
}

/// What must be ready before a group is started.
pub(super) fn providers(group: &GroupConfig, sets: &GroupSets) -> Vec<Provider> {
    let groups = group.depends_on_groups.iter().map(|name| Provider {
        name: format!("group \"{name}\""),
        groups: BTreeSet::from([name.clone()]),
        ready_when: ReadyWhen::Online,
        count: None,
        delay: Duration::ZERO,
    });
    // A set that was deleted meanwhile is not waited for.
    let sets = awaited(group, sets).into_iter().filter_map(|name| sets.get(name)).map(|set| Provider {
        name: format!("group set \"{}\"", set.name),
        groups: set.groups.clone(),
        ready_when: set.startup_setting,
        count: set.startup_count,
        delay: set.startup_delay,
    });
    groups.chain(sets).collect()
}
