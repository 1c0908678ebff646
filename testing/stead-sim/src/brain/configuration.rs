//! The groups of a run, drawn from its seed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stead_policy::cluster::Settings;
use stead_policy::{
    ClusterConfig, ColdStart, Failback, GroupConfig, PersistentState, ResourceConfig, TypeConfig,
};
use stead_types::{CommonProperties, Dependency, FenceClass, NodeName, RestartAction, TypeDefaults};

use crate::random::Random;

/// A name that is right by construction.
pub(crate) fn name<N: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> N {
    match text.parse() {
        Ok(name) => name,
        Err(error) => unreachable!("{text}: {error}"),
    }
}

fn resource(of: &str, depends_on: &str, owners: &BTreeSet<NodeName>, random: &mut Random) -> ResourceConfig {
    let dependency = match Dependency::parse(depends_on) {
        Ok(dependency) => dependency,
        Err(error) => unreachable!("{depends_on}: {error}"),
    };
    let common = CommonProperties {
        restart_action: RestartAction::RestartNotify,
        restart_threshold: u32::try_from(random.below(3)).unwrap_or(0),
        restart_delay: Duration::from_millis(200),
        retry_period_on_failure: Some(Duration::from_secs(5)),
        pending_timeout: Some(Duration::from_secs(30)),
        separate_monitor: random.once_in(6),
        ..CommonProperties::default()
    };
    ResourceConfig {
        name: name(of),
        type_name: name("T"),
        description: String::new(),
        persistent_state: None,
        dependency,
        possible_owners: owners.clone(),
        common,
        revision: 0,
    }
}

/// The configuration of a run: chains of up to three resources, some of them choosy about their nodes.
pub(crate) fn configuration(random: &mut Random, nodes: &[NodeName], groups: usize) -> ClusterConfig {
    let known = TypeConfig {
        name: name("T"),
        description: String::new(),
        defaults: TypeDefaults::default(),
        fence: FenceClass::F1,
        accept_no_watchdog: false,
        revision: 0,
    };
    let mut config =
        ClusterConfig { types: BTreeMap::from([(known.name.clone(), known)]), ..ClusterConfig::default() };
    for group in 0..groups {
        let first = random.below(nodes.len());
        let some = |count: usize| (0..count).map(|at| nodes[(first + at) % nodes.len()].clone());
        let choosy = nodes.len() > 2 && random.once_in(4);
        let owners: BTreeSet<NodeName> =
            if choosy { some(nodes.len() - 1).collect() } else { BTreeSet::new() };
        let length = 1 + random.below(3);
        let resources: Vec<ResourceConfig> = (0..length)
            .map(|at| {
                let before = if at == 0 { String::new() } else { format!("[g{group}-{}]", at - 1) };
                resource(&format!("g{group}-{at}"), &before, &owners, random)
            })
            .collect();
        let of = GroupConfig {
            name: name(&format!("g{group}")),
            description: String::new(),
            persistent_state: Some(PersistentState::Online),
            failover_threshold: [u32::MAX, 0, 1, 3][random.below(4)],
            failover_period_hours: 1,
            preferred_owners: if random.once_in(3) {
                some(1 + random.below(2)).collect()
            } else {
                Vec::new()
            },
            anti_affinity: if random.once_in(4) {
                BTreeSet::from(["apart".to_owned()])
            } else {
                BTreeSet::new()
            },
            failback: if random.once_in(4) { Failback::Allow { window: None } } else { Failback::Prevent },
            cold_start: ColdStart::Always,
            depends_on_groups: BTreeSet::new(),
            depends_on_set: None,
            priority: [2_000, 3_000][random.below(2)],
            resources: resources.into_iter().map(|resource| (resource.name.clone(), resource)).collect(),
            revision: 0,
        };
        config.groups.insert(of.name.clone(), of);
    }
    config
}

/// Settings that come to their ends within a run.
pub(crate) fn settings(random: &mut Random) -> Settings {
    Settings {
        group_wait_delay: Duration::from_secs(2),
        group_dependency_timeout: Duration::from_secs(5),
        quarantine_threshold: [3, 100][random.below(2)],
        quarantine_window: Duration::from_secs(60),
        quarantine_duration: Some(Duration::from_secs(15)),
        move_retry: Duration::from_secs(10),
        failover_retry: Duration::from_secs(5),
        ..Settings::default()
    }
}
