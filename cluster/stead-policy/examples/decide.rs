//! How long a decision takes: 10,000 resources in 1,000 groups, one of them fails. Run by `cargo xtask bench`.
#![allow(clippy::disallowed_types, reason = "this measures time; the policy does not")]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use stead_policy::{
    Action, ClusterConfig, Event, GroupConfig, MonitorId, News, PersistentState, Policy, Report,
    ResourceConfig,
};
use stead_types::{
    Code, CommonProperties, Dependency, GroupName, NodeName, ResourceName, ResourceState, StatusFlags, Time,
    TypeName,
};

fn report(resource: &ResourceName, state: ResourceState, settled: bool) -> Report {
    let news = News::State { state, settled, code: Code::SUCCESS, flags: StatusFlags::NONE, why: "measured" };
    Report { resource: resource.clone(), news }
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let (groups, resources) = (1_000, 10);
    let type_name = TypeName::new("T")?;
    let mut config = ClusterConfig::default();
    let mut running = Vec::new();
    let mut all = Vec::new();
    for group in 0..groups {
        let name = GroupName::new(&format!("group {group}"))?;
        let mut members = BTreeMap::new();
        let mut reports = Vec::new();
        for resource in 0..resources {
            let known = ResourceName::new(&format!("resource {group} {resource}"))?;
            let provider =
                if resource == 0 { String::new() } else { format!("[resource {group} {}]", resource - 1) };
            members.insert(
                known.clone(),
                ResourceConfig {
                    name: known.clone(),
                    type_name: type_name.clone(),
                    description: String::new(),
                    persistent_state: None,
                    dependency: Dependency::parse(&provider)?,
                    possible_owners: BTreeSet::new(),
                    common: CommonProperties::default(),
                    revision: 0,
                },
            );
            reports.push(report(&known, ResourceState::Online, true));
            all.push(known);
        }
        let shown = GroupConfig {
            name: name.clone(),
            description: String::new(),
            persistent_state: Some(PersistentState::Online),
            failover_threshold: u32::MAX,
            failover_period_hours: 6,
            preferred_owners: Vec::new(),
            anti_affinity: BTreeSet::new(),
            failback: stead_policy::Failback::Prevent,
            cold_start: stead_policy::ColdStart::Always,
            depends_on_groups: BTreeSet::new(),
            depends_on_set: None,
            priority: 2_000,
            resources: members,
            revision: 0,
        };
        config.groups.insert(name.clone(), shown);
        running.push((MonitorId { group: name, separate: None }, reports));
    }
    let mut policy = Policy::new(NodeName::new("n1")?, config, BTreeSet::new());
    let now = Time::from_millis(1_000);
    policy.handle(Event::Start { running }, now);
    while policy.poll_action().is_some() {}
    let mut took = Vec::new();
    // A different group each time; the failed resource carries half of its group.
    for name in all.iter().skip(5).step_by(resources) {
        let begin = Instant::now();
        policy.handle(Event::Report(report(name, ResourceState::Failed, true)), now);
        let mut decided = 0;
        while let Some(action) = policy.poll_action() {
            decided += usize::from(matches!(action, Action::Offline { .. } | Action::Record(_)));
        }
        took.push(begin.elapsed());
        if decided == 0 {
            return Err("nothing was decided".into());
        }
    }
    took.sort();
    println!("{} {}", took[took.len() / 2].as_nanos(), took[took.len() * 99 / 100].as_nanos());
    Ok(())
}
