//! *Generic Application*, driven as a monitor would.
//!
//! Windows: mscs/generic-application
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::fs;

use common::{Place, eventually, runs};
use rustix::process::{Pid, Signal, kill_process};
use stead_clusres::GenericApplication;
use stead_sdk::PropertyValue;
use stead_sdk::testing::{Harness, Opened, State, Value};

fn app(line: &str) -> Harness<GenericApplication> {
    Harness::new("app").text("CommandLine", line)
}

fn online(harness: Harness<GenericApplication>) -> Opened<GenericApplication> {
    let app = harness.open().unwrap();
    app.online();
    assert_eq!(app.wait_settled(), State::Online, "{:?}", app.lines());
    app
}

/// Whose pidfd the event handle is: a pidfd becomes readable when that process ends.
fn watched(app: &Opened<GenericApplication>) -> String {
    let info = fs::read_to_string(format!("/proc/self/fdinfo/{}", app.event())).unwrap();
    info.lines().find_map(|line| line.strip_prefix("Pid:")).expect("a pidfd").trim().to_owned()
}

#[test]
fn the_event_handle_is_the_pidfd_of_the_program() {
    let place = Place::new();
    let line = format!("sh -c 'echo $$ > {}; exec sleep 600'", place.shown("pid"));
    let app = online(app(&line));
    let [process] = place.numbers("pid", 1)[..] else { panic!("one number") };
    assert!(app.is_alive() && app.looks_alive());
    assert_eq!(watched(&app), process.to_string());
    kill_process(Pid::from_raw(process.cast_signed()).unwrap(), Signal::KILL).unwrap();
    eventually("the death is seen", || !app.is_alive());
    assert!(app.lines().iter().any(|line| line.contains("was killed by signal 9")), "{:?}", app.lines());
}

#[test]
fn offline_sends_the_stop_signal_and_waits() {
    let place = Place::new();
    let line = format!(
        "sh -c 'trap \"echo stopped > {}; exit 0\" INT; echo $$ > {}; while :; do sleep 0.05; done'",
        place.shown("said"),
        place.shown("pid")
    );
    let app = online(app(&line).text("StopSignal", "SIGINT"));
    let process = place.numbers("pid", 1)[0];
    app.offline();
    assert_eq!(app.wait_settled(), State::Offline);
    assert_eq!(place.read("said"), "stopped\n");
    assert!(!runs(process));
    assert!(!app.is_alive());
}

#[test]
fn a_program_deaf_to_the_signal_is_killed_after_the_grace_period() {
    let place = Place::new();
    let line =
        format!("sh -c 'trap \"\" TERM; echo $$ > {}; while :; do sleep 0.05; done'", place.shown("pid"));
    let app = online(app(&line).number("StopGracePeriod", 100));
    let process = place.numbers("pid", 1)[0];
    app.offline();
    assert_eq!(app.wait_settled(), State::Offline);
    assert!(!runs(process));
}

#[test]
fn terminate_kills_children_daemons_and_what_left_the_group() {
    let place = Place::new();
    let pids = place.shown("pids");
    // A child, a child in a session of its own, and a grandchild whose parent is gone.
    let line = format!(
        "sh -c 'sleep 600 & echo $! >> {pids}; setsid sleep 600 & echo $! >> {pids}; \
         (setsid sh -c \"echo \\$\\$ >> {pids}; exec sleep 600\" &); echo $$ >> {pids}; wait'"
    );
    let app = online(app(&line));
    let all = place.numbers("pids", 4);
    assert!(all.iter().all(|process| runs(*process)), "{all:?}");
    app.terminate();
    let left: Vec<&u32> = all.iter().filter(|process| runs(**process)).collect();
    assert!(left.is_empty(), "{left:?} of {all:?} still run");
    // When nothing runs it does nothing.
    app.terminate();
}

#[test]
fn folder_and_environment_are_the_programs() {
    let place = Place::new();
    let line = "sh -c 'echo \"$PWD $COLOUR $TWO\" > said; exec sleep 600'";
    let list = PropertyValue::List(vec!["COLOUR=red".to_owned(), "TWO=a=b".to_owned()]);
    let folder = place.path("").canonicalize().unwrap().display().to_string();
    let app = online(app(line).text("CurrentDirectory", &folder).property("Environment", list));
    eventually("it has said it", || place.read("said").ends_with('\n'));
    assert_eq!(place.read("said"), format!("{folder} red a=b\n"));
    app.terminate();
}

#[test]
fn another_user_comes_with_groups_and_home() {
    if !rustix::process::getuid().is_root() {
        println!("SKIPPED: only root can run a program as another user");
        return;
    }
    let place = Place::new();
    let said = place.path("said");
    fs::write(&said, "").unwrap();
    std::os::unix::fs::chown(&said, Some(65_534), Some(65_534)).unwrap();
    std::os::unix::fs::chown(place.path(""), Some(65_534), Some(65_534)).unwrap();
    let line = format!(
        "sh -c 'echo \"$(id -u) $(id -g) $(id -G) $HOME $USER $LOGNAME\" > {}; exec sleep 600'",
        said.display()
    );
    let app = online(app(&line).text("User", "nobody"));
    eventually("it has said it", || place.read("said").ends_with('\n'));
    let home = fs::read_to_string("/etc/passwd").unwrap();
    let home = home.lines().find_map(|line| line.strip_prefix("nobody:")).unwrap().split(':').nth(4).unwrap();
    assert_eq!(place.read("said"), format!("65534 65534 65534 {home} nobody nobody\n"));
    app.terminate();
}

#[test]
fn what_cannot_be_started_says_so() {
    for (line, folder, word) in [
        ("/no/such/program", "/", "No such file"),
        ("/etc/passwd", "/", "Permission denied"),
        ("sleep 1", "/no/such/folder", "/no/such/folder"),
    ] {
        let app = app(line).text("CurrentDirectory", folder).open().unwrap();
        assert_ne!(app.online(), 0, "{line}");
        assert_eq!(app.wait_settled(), State::Failed);
        assert!(app.lines().iter().any(|text| text.contains(word)), "{line}: {:?}", app.lines());
    }
}

#[test]
fn impossible_properties_are_refused() {
    let app = app("sleep 600").open().unwrap();
    let text = |text: &str| Value::Sz(text.to_owned());
    let line = ("CommandLine", text("sleep 600"));
    assert_eq!(app.validate(std::slice::from_ref(&line)), (0, Vec::new()));
    for (name, value) in [
        ("CommandLine", text("sleep '600")),
        ("CommandLine", text("")),
        ("CommandLine", Value::Dword(4)),
        ("StopSignal", text("NOSUCH")),
        ("CurrentDirectory", text("relative")),
        ("User", text("nobody-of-that-name")),
        ("Environment", Value::MultiSz(vec!["=x".to_owned()])),
        ("NoSuchProperty", text("x")),
    ] {
        let all = if name == "CommandLine" { vec![(name, value)] } else { vec![line.clone(), (name, value)] };
        let (code, said) = app.validate(&all);
        assert_ne!(code, 0, "{all:?}");
        assert!(said.iter().any(|text| text.contains(name)), "{all:?}: {said:?}");
    }
}

#[test]
fn instances_do_not_touch_each_other() {
    let (first, second) = (online(app("sleep 600")), online(app("sleep 600")));
    first.terminate();
    assert!(!first.is_alive());
    assert!(second.is_alive());
    assert_ne!(watched(&second), "-1");
    second.terminate();
}

#[test]
fn a_program_that_ends_by_itself_is_not_alive() {
    let app = app("true").open().unwrap();
    app.online();
    assert_eq!(app.wait_settled(), State::Online);
    eventually("its end is seen", || !app.is_alive());
    assert!(app.lines().iter().any(|line| line.contains("exited with status 0")), "{:?}", app.lines());
}
