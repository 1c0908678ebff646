//! Group sets as a configuration may have them: what they name is there, and nothing waits for itself.

use std::collections::{BTreeMap, BTreeSet};

use stead_types::{Code, GroupName, GroupSetName};

use crate::cluster::awaited;
use crate::config::{ClusterConfig, GroupConfig, GroupSetConfig};
use crate::policy::Policy;
use crate::request::{PlanProblem, PlanStep, Refusal};
use crate::requests::refusal;

/// What waits, or is waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Thing<'a> {
    Group(&'a GroupName),
    Set(&'a GroupSetName),
}

/// Everything wrong with what waits for what, in a configuration as it would be. Only what `wanted` names is told of.
pub(crate) fn problems(wanted: &ClusterConfig, merged: &ClusterConfig) -> Vec<PlanProblem> {
    let mut problems = Vec::new();
    let mut wrong =
        |place: String, code: Code, text: String| problems.push(PlanProblem { place, text, code });
    for set in wanted.sets.values() {
        let of = |field: &str| format!("group_set/{}/{field}", set.name);
        for group in set.groups.iter().filter(|group| !merged.groups.contains_key(*group)) {
            wrong(of("groups"), Code::ERROR_GROUP_NOT_FOUND, format!("there is no group \"{group}\""));
        }
        if set.groups.is_empty()
            && let Some(dependent) = dependent(merged, &set.name)
        {
            let text = format!("{dependent} waits for this set, which would have no group");
            wrong(of("groups"), Code::ERROR_INVALID_PARAMETER, text);
        }
        if let Some(provider) = &set.depends_on_set {
            if let Some((code, text)) = no_provider(merged, provider) {
                wrong(of("depends_on_set"), code, text);
            } else if set.is_global && merged.sets.get(provider).is_some_and(|provider| !provider.is_global) {
                let text = format!(
                    "everything waits for global set \"{}\"; it cannot wait for \"{provider}\", which is not global",
                    set.name
                );
                wrong(of("depends_on_set"), Code::ERROR_INVALID_PARAMETER, text);
            }
        }
        // Said of the set that is no longer global as well.
        let global = merged.sets.values().find(|other| {
            other.is_global
                && other.depends_on_set.as_ref() == Some(&set.name)
                && !wanted.sets.contains_key(&other.name)
        });
        if let (false, Some(global)) = (set.is_global, global) {
            let text = format!("global set \"{}\" waits for it, so that it must be global too", global.name);
            wrong(of("is_global"), Code::ERROR_INVALID_PARAMETER, text);
        }
    }
    for group in wanted.groups.values() {
        let place = |field: &str| format!("group/{}/{field}", group.name);
        for provider in group.depends_on_groups.iter().filter(|name| !merged.groups.contains_key(*name)) {
            let text = format!("there is no group \"{provider}\"");
            wrong(place("depends_on_groups"), Code::ERROR_GROUP_NOT_FOUND, text);
        }
        if let Some((code, text)) =
            group.depends_on_set.as_ref().and_then(|provider| no_provider(merged, provider))
        {
            wrong(place("depends_on_set"), code, text);
        }
    }
    if problems.is_empty() { circles(wanted, merged) } else { problems }
}

/// Why nothing can wait for this set.
fn no_provider(merged: &ClusterConfig, provider: &GroupSetName) -> Option<(Code, String)> {
    match merged.sets.get(provider) {
        None => Some((Code::ERROR_GROUPSET_NOT_FOUND, format!("there is no group set \"{provider}\""))),
        Some(set) if set.groups.is_empty() => {
            let text = format!("group set \"{provider}\" has no group: there is nothing to wait for");
            Some((Code::ERROR_INVALID_PARAMETER, text))
        }
        Some(_) => None,
    }
}

/// What says by name that it waits for this set.
fn dependent(config: &ClusterConfig, set: &GroupSetName) -> Option<String> {
    let sets = config.sets.values().filter(|other| other.depends_on_set.as_ref() == Some(set));
    let groups = config.groups.values().filter(|group| group.depends_on_set.as_ref() == Some(set));
    let sets = sets.map(|other| format!("group set \"{}\"", other.name));
    sets.chain(groups.map(|group| format!("group \"{}\"", group.name))).next()
}

/// What would wait for itself, whatever is between.
fn circles(wanted: &ClusterConfig, merged: &ClusterConfig) -> Vec<PlanProblem> {
    let mut waits: BTreeMap<Thing<'_>, Vec<Thing<'_>>> = BTreeMap::new();
    for group in merged.groups.values() {
        let groups = group.depends_on_groups.iter().map(Thing::Group);
        let sets = awaited(group, &merged.sets).into_iter().map(Thing::Set);
        waits.insert(Thing::Group(&group.name), groups.chain(sets).collect());
    }
    for set in merged.sets.values() {
        let groups = set.groups.iter().map(Thing::Group);
        waits
            .insert(Thing::Set(&set.name), groups.chain(set.depends_on_set.iter().map(Thing::Set)).collect());
    }
    let in_circle = |start: Thing<'_>| {
        let (mut reached, mut next) = (BTreeSet::new(), vec![start]);
        while let Some(thing) = next.pop() {
            for further in waits.get(&thing).into_iter().flatten() {
                if reached.insert(*further) {
                    next.push(*further);
                }
            }
        }
        reached.contains(&start)
    };
    let mut problems = Vec::new();
    for group in wanted.groups.values().filter(|group| in_circle(Thing::Group(&group.name))) {
        let field = if group.depends_on_groups.is_empty() { "depends_on_set" } else { "depends_on_groups" };
        problems.push(PlanProblem {
            place: format!("group/{}/{field}", group.name),
            text: format!("group \"{}\" would wait for itself; take one of these waits away", group.name),
            code: Code::ERROR_INVALID_PARAMETER,
        });
    }
    // What makes a group wait may be a set that nothing waits for.
    let blamed = |set: &&GroupSetConfig| {
        in_circle(Thing::Set(&set.name)) || set.groups.iter().any(|group| in_circle(Thing::Group(group)))
    };
    for set in wanted.sets.values().filter(blamed) {
        let field = if set.depends_on_set.is_some() { "depends_on_set" } else { "groups" };
        problems.push(PlanProblem {
            place: format!("group_set/{}/{field}", set.name),
            text: format!("group set \"{}\" would wait for itself; take one of these waits away", set.name),
            code: Code::ERROR_INVALID_PARAMETER,
        });
    }
    problems
}

impl Policy {
    /// Windows: clusapi/nf-clusapi-deleteclustergroupset
    pub(crate) fn admit_set_deletion(&self, what: &str, set: &GroupSetName) -> Result<(), Refusal> {
        if !self.config.sets.contains_key(set) {
            let known: Vec<&str> = self.config.sets.keys().map(GroupSetName::as_str).collect();
            let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
            let detail = format!("there is no group set \"{set}\"; there are: {known}");
            return Err(refusal(what, Code::ERROR_GROUPSET_NOT_FOUND, detail));
        }
        match dependent(&self.config, set) {
            None => Ok(()),
            Some(dependent) => {
                let detail = format!("{dependent} depends on it; take that away first");
                Err(refusal(what, Code::ERROR_DIR_NOT_EMPTY, detail))
            }
        }
    }

    /// Refuses while groups name this one as what they wait for: they would name what is not there. As of a set, whatever
    /// is forced.
    ///
    /// Note: of sets it is documented, of groups nothing is.
    pub(crate) fn refuse_awaited(&self, what: &str, group: &GroupName) -> Result<(), Refusal> {
        let waiting = self.config.groups.values().filter(|of| of.depends_on_groups.contains(group));
        let waiting: Vec<String> = waiting.map(|of| format!("\"{}\"", of.name)).collect();
        let detail = match waiting.as_slice() {
            [] => return Ok(()),
            [one] => format!("group {one} depends on it; take that away first"),
            [_, ..] => format!("groups {} depend on it; take that away first", waiting.join(", ")),
        };
        Err(refusal(what, Code::ERROR_DIR_NOT_EMPTY, detail))
    }

    /// The sets a group is in, without it: it is about to be deleted.
    pub(crate) fn sets_without(&self, group: &GroupName) -> Vec<PlanStep> {
        let of = self.config.sets.values().filter(|set| set.groups.contains(group));
        let without = |set: &GroupSetConfig| {
            let mut groups = set.groups.clone();
            groups.remove(group);
            PlanStep::SetGroupSet(GroupSetConfig { groups, ..set.clone() })
        };
        of.map(without).collect()
    }
}

/// True if a stored group waits for the same.
pub(crate) fn waits_alike(old: &GroupConfig, wanted: &GroupConfig) -> bool {
    old.depends_on_groups == wanted.depends_on_groups && old.depends_on_set == wanted.depends_on_set
}
