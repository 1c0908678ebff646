//! Groups that wait for other groups: what a configuration may say.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod world;

use std::collections::BTreeSet;

use stead_policy::cluster::GroupRules;
use stead_policy::{ClusterConfig, GroupConfig, GroupSets, Policy, ResourceConfig};
use stead_types::{Code, CommonProperties, NodeName};
use world::{config, group, name, resource};

fn waits(of: &str, providers: &[&str]) -> GroupConfig {
    GroupConfig { depends_on_groups: providers.iter().map(|of| name(of)).collect(), ..group(of, Vec::new()) }
}

fn problems(groups: Vec<GroupConfig>) -> Vec<(String, Code, String)> {
    let policy = Policy::new(name::<NodeName>("n1"), ClusterConfig::default(), BTreeSet::new());
    match policy.plan(&config(groups), false) {
        Ok(_) => Vec::new(),
        Err(problems) => {
            problems.into_iter().map(|problem| (problem.place, problem.code, problem.text)).collect()
        }
    }
}

#[test]
fn a_group_waits_for_groups_that_are_there_and_never_for_itself() {
    assert_eq!(problems(vec![waits("web", &["db"]), waits("db", &[])]), []);
    let unknown = problems(vec![waits("web", &["db"])]);
    let place = "group/web/depends_on_groups".to_owned();
    assert_eq!(
        unknown,
        [(place.clone(), Code::ERROR_GROUP_NOT_FOUND, "there is no group \"db\"".to_owned())]
    );
    let circle = problems(vec![waits("web", &["db"]), waits("db", &["lan"]), waits("lan", &["web"])]);
    assert_eq!(circle.len(), 3, "{circle:?}");
    assert!(circle.iter().all(|(_, code, _)| *code == Code::ERROR_INVALID_PARAMETER));
    assert_eq!(circle[2].0, place);
    assert!(circle[2].2.contains("would wait for itself"), "{circle:?}");
}

#[test]
fn a_group_may_be_where_all_of_its_resources_that_are_wanted_online_may_be() {
    let on = |of: &str, nodes: &[&str]| {
        let possible_owners: BTreeSet<NodeName> = nodes.iter().map(|node| name(node)).collect();
        ResourceConfig { possible_owners, ..resource(of, "", CommonProperties::default()) }
    };
    let possible = |resources: Vec<ResourceConfig>| {
        let shown = GroupRules::of(&group("g", resources), &GroupSets::new()).possible_owners?;
        Some(shown.iter().map(ToString::to_string).collect::<Vec<_>>())
    };
    assert_eq!(possible(vec![on("a", &[]), on("b", &[])]), None);
    assert_eq!(possible(vec![on("a", &["n1", "n2"]), on("b", &[])]).unwrap(), ["n1", "n2"]);
    assert_eq!(possible(vec![on("a", &["n1", "n2"]), on("b", &["n2", "n3"])]).unwrap(), ["n2"]);
    assert_eq!(possible(vec![on("a", &["n1"]), on("b", &["n2"])]).unwrap(), [""; 0]);
    let offline =
        ResourceConfig { persistent_state: Some(stead_policy::PersistentState::Offline), ..on("b", &["n3"]) };
    assert_eq!(possible(vec![on("a", &["n1"]), offline.clone()]).unwrap(), ["n1"]);
    assert_eq!(possible(vec![offline]).unwrap(), ["n3"]);
    let none = GroupRules::of(&group("g", Vec::new()), &GroupSets::new());
    assert_eq!((none.possible_owners, none.types), (None, BTreeSet::new()));
}
