//! *Generic Script*, driven as a monitor would.
//!
//! Windows: mscs/generic-script
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use common::{Place, eventually, runs};
use stead_clusres::GenericScript;
use stead_sdk::PropertyValue;
use stead_sdk::testing::{Harness, Opened, State, Value};

/// A script that writes down each verb, and then does what `body` says.
fn script(place: &Place, body: &str) -> Harness<GenericScript> {
    let text = format!("cd {}; echo \"$@\" >> verbs\n{body}", place.shown(""));
    Harness::new("script").text("ScriptFilepath", &place.script("script", &text))
}

fn online(harness: Harness<GenericScript>) -> Opened<GenericScript> {
    let script = harness.open().unwrap();
    script.online();
    assert_eq!(script.wait_settled(), State::Online, "{:?}", script.lines());
    script
}

#[test]
fn a_life_is_a_verb_a_step() {
    let place = Place::new();
    let script = online(script(&place, "exit 0"));
    assert!(script.looks_alive());
    assert!(script.is_alive());
    script.offline();
    assert_eq!(script.wait_settled(), State::Offline);
    let verbs = place.read("verbs");
    assert_eq!(
        verbs.split_whitespace().collect::<Vec<_>>(),
        ["Open", "Online", "LooksAlive", "IsAlive", "Offline", "Close"]
    );
}

#[test]
fn status_3_means_nothing_to_do_but_not_healthy() {
    let place = Place::new();
    let script = online(script(&place, "exit 3"));
    assert!(!script.looks_alive());
    assert!(!script.is_alive());
    script.offline();
    assert_eq!(script.wait_settled(), State::Offline);
}

#[test]
fn any_other_status_fails_the_verb() {
    let place = Place::new();
    let script = script(&place, "[ $1 != Online ] || exit 7").open().unwrap();
    script.online();
    assert_eq!(script.wait_settled(), State::Failed);
    assert!(script.lines().iter().any(|line| line.contains("Online exited with status 7")));
    script.terminate();
    assert_eq!(place.read("verbs"), "Open\nOnline\nTerminate\n");
}

#[test]
fn properties_and_arguments_are_handed_over() {
    let place = Place::new();
    let body = "echo \"$STEAD_RESOURCE_NAME/$STEAD_RESOURCE_TYPE/$STEAD_PROPERTY_Volume\" > said";
    let list = PropertyValue::List(vec!["one".to_owned(), "two words".to_owned()]);
    let script =
        online(script(&place, body).property("Arguments", list).text("Volume", "a \"b\" $c").number("N", 4));
    assert_eq!(place.read("said"), "script/Generic Script/a \"b\" $c\n");
    assert!(place.read("verbs").contains("Online one two words\n"));
    script.terminate();
}

#[test]
fn a_verb_that_takes_too_long_is_killed_with_its_children_and_not_run_again() {
    let place = Place::new();
    let body = "case $1 in IsAlive) sleep 600 & echo $! $$ > pids; wait;; esac";
    let script = online(script(&place, body).number("ScriptTimeout", 300));
    assert!(!script.is_alive());
    let pids = place.numbers("pids", 2);
    assert!(pids.iter().all(|process| !runs(*process)), "{pids:?}");
    assert!(script.lines().iter().any(|line| line.contains("ScriptTimeout of 300 ms")));
    // Not asked again: the last verb stays the one that hung.
    assert!(!script.looks_alive());
    assert!(place.read("verbs").ends_with("IsAlive\n"));
    script.terminate();
    assert!(place.read("verbs").ends_with("Terminate\n"));
    // From then on it is.
    script.online();
    assert_eq!(script.wait_settled(), State::Online);
    script.terminate();
}

#[test]
fn what_online_leaves_running_lives_until_offline_or_terminate() {
    let place = Place::new();
    let body = "case $1 in Online) sleep 600 & echo $! >> pids;; esac";
    let script = online(script(&place, body));
    let first = place.numbers("pids", 1)[0];
    assert!(runs(first));
    script.offline();
    assert_eq!(script.wait_settled(), State::Offline);
    assert!(!runs(first));
    script.online();
    assert_eq!(script.wait_settled(), State::Online);
    let second = place.numbers("pids", 2)[1];
    assert!(runs(second));
    script.terminate();
    assert!(!runs(second));
}

#[test]
fn terminate_ends_a_running_verb() {
    let place = Place::new();
    let script = script(&place, "case $1 in Online) echo $$ > pid; exec sleep 600;; esac").open().unwrap();
    assert_eq!(script.online(), 997);
    let process = place.numbers("pid", 1)[0];
    script.terminate();
    eventually("the verb is gone", || !runs(process));
    assert!(!runs(process));
}

#[test]
fn what_is_no_script_is_refused() {
    let place = Place::new();
    std::fs::write(place.path("plain"), "").unwrap();
    let script = script(&place, "").open().unwrap();
    for (path, word) in [
        (place.shown("none"), "No such file"),
        (place.shown(""), "is no file"),
        (place.shown("plain"), "chmod +x"),
        ("script".to_owned(), "script"),
    ] {
        let (code, said) = script.validate(&[("ScriptFilepath", Value::Sz(path.clone()))]);
        assert_ne!(code, 0, "{path}");
        assert!(said.iter().any(|text| text.contains(word)), "{path}: {said:?}");
    }
}
