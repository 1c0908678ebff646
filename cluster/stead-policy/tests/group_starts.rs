//! Group sets on a machine by itself, which has no coordinator: the node waits before it starts a group.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use stead_policy::cluster::{ReadyWhen, Settings};
use stead_policy::{
    Answer, ClusterConfig, Event, GroupConfig, GroupSetConfig, PersistentState, Policy, Request,
};
use stead_types::{CommonProperties, ResourceState};
use world::{Manner, World, config, group, name, resource};

fn of(name: &str, set: Option<&str>) -> GroupConfig {
    let app = resource(&format!("{name}-app"), "", CommonProperties::default());
    GroupConfig { depends_on_set: set.map(world::name), ..group(name, vec![app]) }
}

fn whole(delay: u64, settings: Option<Settings>) -> ClusterConfig {
    let set = GroupSetConfig {
        name: name("databases"),
        groups: BTreeSet::from([name("db")]),
        startup_setting: ReadyWhen::Online,
        startup_count: None,
        startup_delay: Duration::from_secs(delay),
        is_global: false,
        depends_on_set: None,
    };
    let mut config = config(vec![of("db", None), of("web", Some("databases"))]);
    config.sets.insert(set.name.clone(), set);
    ClusterConfig { settings, ..config }
}

fn started(config: ClusterConfig) -> World {
    let mut world = World::with(Policy::new(name("n1"), config, BTreeSet::new()));
    world.manner("db-app", Manner::Slow);
    world.send(Event::Start { running: Vec::new() });
    world.settle();
    world
}

fn why(world: &World) -> String {
    let view = world.policy.view();
    let web = view.groups.into_iter().find(|group| group.name == name("web")).unwrap();
    web.why.unwrap_or_default()
}

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn a_group_is_started_when_its_set_is_online_and_its_delay_is_over() {
    let mut world = started(whole(20, None));
    assert_eq!(world.state("web-app"), ResourceState::Offline);
    assert_eq!(why(&world), "it waits until group set \"databases\" is online");
    let view = world.policy.view();
    let bits: Vec<u64> = view.groups.iter().map(|group| group.status_information).collect();
    assert_eq!(bits, [0, 0x1000], "CLUSGRP_STATUS_WAITING_FOR_DEPENDENCIES");
    world.finish_online("db-app");
    world.settle();
    assert_eq!(why(&world), "group set \"databases\" is ready; it waits a little longer");
    world.pass(seconds(19));
    assert_eq!(world.state("web-app"), ResourceState::Offline);
    world.pass(seconds(1));
    assert_eq!((world.state("web-app"), why(&world)), (ResourceState::Online, String::new()));
    // Only starts are ordered.
    world.fail("db-app", 1);
    world.settle();
    assert_eq!(world.state("web-app"), ResourceState::Online);
}

#[test]
fn it_waits_no_longer_than_group_dependency_timeout() {
    let settings = Settings { group_dependency_timeout: seconds(60), ..Settings::default() };
    let mut world = started(whole(0, Some(settings)));
    world.pass(seconds(59));
    assert_eq!(world.state("web-app"), ResourceState::Offline);
    world.pass(seconds(1));
    assert_eq!(world.state("web-app"), ResourceState::Online);
}

#[test]
fn what_somebody_asks_for_does_not_wait() {
    let mut world = started(whole(0, None));
    let online = Request::OnlineGroup {
        group: name("web"),
        ignore_resource_status: false,
        keep_persistent_state: false,
        in_buffers: Default::default(),
    };
    assert!(matches!(world.done(online), Ok(Answer::Group(_))), "{:?}", world.log);
    assert_eq!((world.state("web-app"), why(&world)), (ResourceState::Online, String::new()));
}

#[test]
fn a_group_that_is_wanted_offline_waits_for_nothing_and_nobody_starts_it() {
    let mut config = whole(0, None);
    config.groups.get_mut(&name("web")).unwrap().persistent_state = Some(PersistentState::Offline);
    let mut world = started(config);
    assert_eq!(why(&world), "");
    world.finish_online("db-app");
    world.pass(seconds(700));
    assert_eq!(world.state("web-app"), ResourceState::Offline);
}

#[test]
fn a_configuration_that_creates_both_starts_them_in_order() {
    let mut world = World::started(Vec::new());
    world.manner("db-app", Manner::Slow);
    let plan = world.policy.plan(&whole(0, None), false).unwrap();
    assert_eq!(world.done(Request::Apply(plan)), Ok(Answer::Done));
    assert_eq!(world.state("web-app"), ResourceState::Offline);
    world.finish_online("db-app");
    world.settle();
    assert_eq!(world.state("web-app"), ResourceState::Online);
}
