//! Windows: mscs/resources-restartthreshold, mscs/resources-restartperiod, mscs/resources-restartaction,
//! mscs/resources-retryperiodonfailure: the restart policy to the letter.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod world;

use std::time::Duration;

use stead_types::{Code, CommonProperties, ResourceState, RestartAction};
use world::{Manner, World, group, resource};

fn world(common: CommonProperties) -> World {
    let world = World::started(vec![group("g", vec![resource("r", "", common)])]);
    assert_eq!(world.state("r"), ResourceState::Online);
    world
}

fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// Fails it now; true if it is restarted, after `RestartDelay` and not before.
fn restarted(world: &mut World) -> bool {
    let delay = CommonProperties::default().restart_delay;
    world.fail("r", 5038);
    world.settle();
    assert_eq!(world.state("r"), ResourceState::Failed);
    world.pass(delay - Duration::from_millis(1));
    assert_eq!(world.state("r"), ResourceState::Failed, "not before RestartDelay is over");
    world.pass(Duration::from_millis(1));
    world.state("r") == ResourceState::Online
}

#[test]
fn three_failures_are_restarted_and_the_fourth_within_the_period_is_not() {
    let mut world = world(CommonProperties::default());
    let delay = CommonProperties::default().restart_delay;
    assert!(restarted(&mut world), "t = 0");
    world.pass(seconds(60) - delay);
    assert!(restarted(&mut world), "t = 60 s");
    world.pass(seconds(60) - delay);
    assert!(restarted(&mut world), "t = 120 s");
    world.pass(seconds(770) - delay);
    assert!(!restarted(&mut world), "t = 890 s");
    assert!(world.why("r").contains("3 restarts within 900 s are used up"), "{}", world.why("r"));
    // RestartAction 2 fails the group over; with one node there is nowhere to go, and it says so.
    let record = world.records.iter().find(|record| record.id == 1254).expect("1254");
    assert!(
        record.text.contains("stays Failed") && record.text.contains("failover threshold is 0"),
        "{}",
        record.text
    );
}

#[test]
fn a_failure_that_has_left_the_window_does_not_count() {
    let mut world = world(CommonProperties::default());
    let delay = CommonProperties::default().restart_delay;
    assert!(restarted(&mut world), "t = 0");
    world.pass(seconds(60) - delay);
    assert!(restarted(&mut world), "t = 60 s");
    world.pass(seconds(60) - delay);
    assert!(restarted(&mut world), "t = 120 s");
    world.pass(seconds(830) - delay);
    assert!(restarted(&mut world), "t = 950 s: that of t = 0 has left");
}

#[test]
fn threshold_0_executes_the_action_at_every_failure() {
    let mut world = world(CommonProperties { restart_threshold: 0, ..CommonProperties::default() });
    assert!(!restarted(&mut world));
    assert!(world.records.iter().any(|record| record.id == 1254));
}

#[test]
fn restart_action_0_never_restarts() {
    let common =
        CommonProperties { restart_action: RestartAction::DontRestart, ..CommonProperties::default() };
    let mut world = world(common);
    assert!(!restarted(&mut world));
    assert!(world.why("r").contains("RestartAction says not to restart it"), "{}", world.why("r"));
    assert!(!world.records.iter().any(|record| record.id == 1254), "the group is not concerned");
}

#[test]
fn restart_action_1_gives_up_without_touching_the_group() {
    let common = CommonProperties {
        restart_action: RestartAction::RestartNoNotify,
        restart_threshold: 1,
        ..CommonProperties::default()
    };
    let mut world = world(common);
    assert!(restarted(&mut world));
    assert!(!restarted(&mut world));
    assert!(!world.records.iter().any(|record| record.id == 1254));
}

#[test]
fn retry_period_on_failure_tries_again_with_a_fresh_count() {
    let mut world = world(CommonProperties { restart_threshold: 1, ..CommonProperties::default() });
    assert!(restarted(&mut world));
    assert!(!restarted(&mut world));
    world.pass(seconds(3_599));
    assert_eq!(world.state("r"), ResourceState::Failed);
    world.pass(seconds(1));
    assert_eq!(world.state("r"), ResourceState::Online, "after an hour");
    assert!(restarted(&mut world), "the count began anew");
}

#[test]
fn retry_period_0xffffffff_never_tries_again() {
    let common = CommonProperties {
        restart_threshold: 0,
        retry_period_on_failure: None,
        ..CommonProperties::default()
    };
    let mut world = world(common);
    assert!(!restarted(&mut world));
    world.pass(seconds(1_000_000));
    assert_eq!(world.state("r"), ResourceState::Failed);
    assert_eq!(world.policy.next_timeout(), None);
}

#[test]
fn restart_delay_0_restarts_at_once() {
    let mut world = world(CommonProperties { restart_delay: Duration::ZERO, ..CommonProperties::default() });
    world.fail("r", 5038);
    world.settle();
    assert_eq!(world.state("r"), ResourceState::Online);
}

#[test]
fn failures_of_online_count_like_any_other() {
    let mut world = World::new(vec![group("g", vec![resource("r", "", CommonProperties::default())])]);
    world.manner("r", Manner::FailsOnline(2));
    world.send(stead_policy::Event::Start { running: Vec::new() });
    world.settle();
    world.pass(seconds(10));
    let failed = world.records.iter().filter(|record| record.id == 1069).count();
    assert_eq!(failed, 4, "the first try and three restarts");
    assert_eq!(world.state("r"), ResourceState::Failed);
    assert!(world.why("r").contains("used up"));
}

#[test]
fn a_configuration_error_is_not_tried_again_before_the_retry_period() {
    for code in [Code::ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR, Code::ERROR_NODE_CANT_HOST_RESOURCE] {
        let mut world = world(CommonProperties::default());
        world.fail("r", code.0);
        world.settle();
        world.pass(seconds(100));
        assert_eq!(world.state("r"), ResourceState::Failed, "{code}");
        assert!(world.why("r").contains("cannot come online here"), "{}", world.why("r"));
    }
}

#[test]
fn an_operators_online_forgives_what_was() {
    let mut world = world(CommonProperties { restart_threshold: 1, ..CommonProperties::default() });
    assert!(restarted(&mut world));
    assert!(!restarted(&mut world));
    let answer = world.done(world::online("r"));
    assert_eq!(answer, Ok(stead_policy::Answer::Resource(ResourceState::Online)));
    assert!(restarted(&mut world), "the count began anew");
}

#[test]
fn a_lost_monitor_counts_against_the_culprit_alone() {
    let one = CommonProperties {
        restart_threshold: 1,
        restart_delay: Duration::ZERO,
        ..CommonProperties::default()
    };
    let mut world =
        World::started(vec![group("g", vec![resource("bad", "", one), resource("good", "", one)])]);
    for _ in 0..5 {
        let monitor = world.open[&world::name::<stead_types::ResourceName>("bad")].0.clone();
        world.lose(&monitor, vec![world::name("bad")], 5930);
        world.settle();
        world.pass(seconds(1));
        if world.state("bad") == ResourceState::Failed {
            break;
        }
        let home = world.open[&world::name::<stead_types::ResourceName>("bad")].0.clone();
        assert!(home.separate.is_some(), "the culprit gets a monitor of its own");
    }
    assert_eq!(world.state("bad"), ResourceState::Failed);
    assert_eq!(world.state("good"), ResourceState::Online);
    assert!(!world.records.iter().any(|record| record.id == 1069 && record.text.contains("good")));
}

#[test]
fn a_monitor_that_says_online_of_what_it_closes_is_not_believed() {
    let mut world = World::started(vec![group("g", vec![resource("a", "", CommonProperties::default())])]);
    world.request(stead_policy::Request::Shutdown);
    while !world.log.iter().any(|line| line == "close a") {
        assert!(world.step(), "{:?}", world.log);
    }
    world.report("a", ResourceState::Online, true, 0);
    world.settle();
    assert_eq!(world.policy.check(), Ok(()));
    assert_eq!(world.state("a"), ResourceState::Offline);
    assert!(world.stopped, "{:?}", world.log);
}
