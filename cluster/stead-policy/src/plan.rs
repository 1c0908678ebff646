//! From a wanted configuration to a checked list of steps: everything wrong is named before anything changes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stead_types::{Code, CommonProperties, GroupName, ResourceName};

use crate::cluster::SettingsChange;
use crate::config::{ClusterConfig, GroupConfig, ResourceConfig};
use crate::policy::Policy;
use crate::request::{Plan, PlanProblem, PlanStep};
use crate::sets;

/// Dependency trees may be this deep.
const DEEPEST: usize = 100;

/// The resources of a group, providers first; those of a cycle are left out.
pub(crate) fn order(group: &GroupConfig) -> Vec<ResourceName> {
    let mut done: BTreeSet<ResourceName> = BTreeSet::new();
    let mut order = Vec::with_capacity(group.resources.len());
    loop {
        let before = order.len();
        for (name, resource) in &group.resources {
            let ready = resource
                .dependency
                .providers()
                .all(|provider| done.contains(provider) || !group.resources.contains_key(provider));
            if ready && !done.contains(name) {
                done.insert(name.clone());
                order.push(name.clone());
            }
        }
        if order.len() == before {
            return order;
        }
    }
}

/// How many providers deep the deepest resource stands.
fn depth(group: &GroupConfig, order: &[ResourceName]) -> usize {
    let mut depths: BTreeMap<&ResourceName, usize> = BTreeMap::new();
    for name in order {
        let providers = group.resources.get(name).map(|resource| resource.dependency.providers());
        let below = providers.into_iter().flatten().filter_map(|provider| depths.get(provider)).max();
        let here = below.map_or(1, |below| below + 1);
        depths.insert(name, here);
    }
    depths.into_values().max().unwrap_or(0)
}

struct Checker<'a> {
    have: &'a ClusterConfig,
    wanted: &'a ClusterConfig,
    problems: Vec<PlanProblem>,
}

impl Checker<'_> {
    fn wrong(&mut self, place: String, code: Code, text: String) {
        self.problems.push(PlanProblem { place, text, code });
    }

    fn group(&mut self, group: &GroupConfig, homes: &BTreeMap<ResourceName, GroupName>) {
        let name = &group.name;
        if group.failover_period_hours > 1193 {
            let text = "FailoverPeriod is in hours, at most 1193".to_owned();
            self.wrong(
                format!("group/{name}/failover_period"),
                Code::ERROR_CLUSTER_PARAMETER_OUT_OF_BOUNDS,
                text,
            );
        }
        for resource in group.resources.values() {
            self.resource(group, resource, homes);
        }
        let order = order(group);
        if order.len() < group.resources.len() {
            let cycle: Vec<String> = group
                .resources
                .keys()
                .filter(|name| !order.contains(name))
                .map(|name| format!("[{name}]"))
                .collect();
            if let Some(first) = group.resources.keys().find(|name| !order.contains(name)) {
                let text = format!("the dependencies form a cycle: {}", cycle.join(", "));
                let place = format!("group/{name}/resource/{first}/depends_on");
                self.wrong(place, Code::ERROR_CIRCULAR_DEPENDENCY, text);
            }
        } else if depth(group, &order) > DEEPEST {
            let text = format!("the dependencies are more than {DEEPEST} deep");
            self.wrong(format!("group/{name}"), Code::ERROR_DEPENDENCY_TREE_TOO_COMPLEX, text);
        }
    }

    fn resource(
        &mut self,
        group: &GroupConfig,
        resource: &ResourceConfig,
        homes: &BTreeMap<ResourceName, GroupName>,
    ) {
        let name = &resource.name;
        let place = format!("group/{}/resource/{name}", group.name);
        if homes.get(name) != Some(&group.name) {
            let other = homes.get(name).map(ToString::to_string).unwrap_or_default();
            let text = format!(
                "resource \"{name}\" is in group \"{other}\" already; names are unique in the cluster"
            );
            self.wrong(place.clone(), Code::ERROR_OBJECT_ALREADY_EXISTS, text);
        }
        let known =
            self.wanted.types.get(&resource.type_name).or_else(|| self.have.types.get(&resource.type_name));
        if known.is_none() {
            let mut names: BTreeSet<String> =
                self.have.types.keys().map(|name| format!("\"{name}\"")).collect();
            names.extend(self.wanted.types.keys().map(|name| format!("\"{name}\"")));
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            let text = format!("unknown resource type \"{}\"; there are: {names}", resource.type_name);
            self.wrong(format!("{place}/type"), Code::ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, text);
        }
        if let Some(old) = self.have.groups.get(&group.name).and_then(|group| group.resources.get(name))
            && old.type_name != resource.type_name
        {
            let text = format!(
                "resource \"{name}\" is of type \"{}\", which cannot change; delete it first",
                old.type_name
            );
            self.wrong(format!("{place}/type"), Code::ERROR_RESOURCE_PROPERTY_UNCHANGEABLE, text);
        }
        for provider in resource.dependency.providers() {
            let place = format!("{place}/depends_on");
            if provider == name {
                self.wrong(place, Code::ERROR_CIRCULAR_DEPENDENCY, format!("[{name}] depends on itself"));
            } else if !group.resources.contains_key(provider) {
                match homes.get(provider) {
                    Some(other) => {
                        let text = format!(
                            "[{provider}] is in group \"{other}\"; dependencies are within one group only"
                        );
                        self.wrong(place, Code::ERROR_INVALID_PARAMETER, text);
                    }
                    None => {
                        let text = format!("there is no resource [{provider}]");
                        self.wrong(place, Code::ERROR_DEPENDENCY_NOT_FOUND, text);
                    }
                }
            }
        }
        self.common(&place, &resource.common);
    }

    fn common(&mut self, place: &str, common: &CommonProperties) {
        let at_least = [
            ("LooksAlivePollInterval", common.looks_alive_poll_interval, 10),
            ("IsAlivePollInterval", common.is_alive_poll_interval, 10),
            ("PendingTimeout", common.pending_timeout, 10),
            ("DeadlockTimeout", common.deadlock_timeout, 1_000),
        ];
        for (name, value, smallest) in at_least {
            if value.is_some_and(|value| value < Duration::from_millis(smallest)) {
                let text = format!("{name} must be at least {smallest} ms");
                self.wrong(
                    format!("{place}/common/{name}"),
                    Code::ERROR_CLUSTER_PARAMETER_OUT_OF_BOUNDS,
                    text,
                );
            }
        }
        if common.retry_period_on_failure.is_some_and(|retry| retry < common.restart_period) {
            let text = "RetryPeriodOnFailure must not be shorter than RestartPeriod".to_owned();
            let place = format!("{place}/common/RetryPeriodOnFailure");
            self.wrong(place, Code::ERROR_CLUSTER_PARAMETER_MISMATCH, text);
        }
    }
}

impl Policy {
    /// Checks a wanted configuration and makes a plan of it. Groups and resources absent from it stay as they are,
    /// unless `prune` says to delete them. Nothing is changed.
    ///
    /// # Errors
    /// Everything that is wrong, each with its place.
    pub fn plan(&self, wanted: &ClusterConfig, prune: bool) -> Result<Plan, Vec<PlanProblem>> {
        // What the configuration would be: a group's resources that are not named stay.
        let mut merged = wanted.clone();
        if !prune {
            for (name, old) in &self.config.sets {
                merged.sets.entry(name.clone()).or_insert_with(|| old.clone());
            }
            for (name, old) in &self.config.groups {
                match merged.groups.get_mut(name) {
                    None => drop(merged.groups.insert(name.clone(), old.clone())),
                    Some(group) => {
                        for (resource, config) in &old.resources {
                            group.resources.entry(resource.clone()).or_insert_with(|| config.clone());
                        }
                    }
                }
            }
        }
        let mut homes = BTreeMap::new();
        for (name, group) in &merged.groups {
            for resource in group.resources.keys() {
                homes.entry(resource.clone()).or_insert_with(|| name.clone());
            }
        }
        let mut checker = Checker { have: &self.config, wanted, problems: Vec::new() };
        for name in wanted.groups.keys() {
            if let Some(group) = merged.groups.get(name) {
                checker.group(group, &homes);
            }
        }
        checker.problems.extend(sets::problems(wanted, &merged));
        if !checker.problems.is_empty() {
            return Err(checker.problems);
        }
        Ok(self.steps(wanted, prune))
    }

    fn steps(&self, wanted: &ClusterConfig, prune: bool) -> Plan {
        let mut steps = Vec::new();
        for (name, config) in &wanted.types {
            if self.config.types.get(name) != Some(config) {
                steps.push(PlanStep::SetType(Box::new(config.clone())));
            }
        }
        let have = self.config.settings.clone().unwrap_or_default();
        if let Some(settings) = wanted.settings.as_ref().filter(|settings| **settings != have) {
            steps.push(PlanStep::SetSettings(Box::new(SettingsChange::new(have, settings.clone()))));
        }
        for (name, set) in &wanted.sets {
            if self.config.sets.get(name) != Some(set) {
                steps.push(PlanStep::SetGroupSet(set.clone()));
            }
        }
        if prune {
            for (name, group) in &self.config.groups {
                match wanted.groups.get(name) {
                    None => steps.push(PlanStep::DeleteGroup(name.clone())),
                    Some(kept) => {
                        let gone =
                            group.resources.keys().filter(|resource| !kept.resources.contains_key(*resource));
                        steps.extend(
                            gone.map(|resource| PlanStep::DeleteResource(name.clone(), resource.clone())),
                        );
                    }
                }
            }
        }
        for (name, group) in &wanted.groups {
            if self.config.groups.get(name).is_none_or(|old| differs(old, group)) {
                steps.push(PlanStep::SetGroup(Box::new(group.clone())));
            }
        }
        if prune {
            let gone = self.config.sets.keys().filter(|name| !wanted.sets.contains_key(*name));
            steps.extend(gone.cloned().map(PlanStep::DeleteGroupSet));
        }
        Plan { steps }
    }
}

/// True if the wanted document says anything that is not so already.
fn differs(old: &GroupConfig, wanted: &GroupConfig) -> bool {
    let same_resource = |name: &ResourceName, wanted: &ResourceConfig| {
        old.resources.get(name).is_some_and(|old| {
            old.type_name == wanted.type_name
                && old.description == wanted.description
                && old.dependency == wanted.dependency
                && old.possible_owners == wanted.possible_owners
                && old.common == wanted.common
                && old.revision == wanted.revision
                && (wanted.persistent_state.is_none() || wanted.persistent_state == old.persistent_state)
        })
    };
    !(old.description == wanted.description
        && old.failover_threshold == wanted.failover_threshold
        && old.failover_period_hours == wanted.failover_period_hours
        && old.preferred_owners == wanted.preferred_owners
        && old.anti_affinity == wanted.anti_affinity
        && old.failback == wanted.failback
        && old.cold_start == wanted.cold_start
        && sets::waits_alike(old, wanted)
        && old.priority == wanted.priority
        && (wanted.persistent_state.is_none() || wanted.persistent_state == old.persistent_state)
        && wanted.resources.iter().all(|(name, resource)| same_resource(name, resource)))
}
