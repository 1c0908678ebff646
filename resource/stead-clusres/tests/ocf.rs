//! *OCF Agent*, driven as a monitor would, with agents that do what the test wants.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::io::{BufRead, BufReader};
use std::process::Stdio;

use common::{Place, again, alone, eventually, inside, runs};
use stead_clusres::OcfAgent;
use stead_sdk::testing::{Harness, Opened, State, Value};

const METADATA: &str = r#"<?xml version="1.0"?>
<resource-agent name="lamp"><parameters>
<parameter name="watts" required="1"><content type="integer"/></parameter>
<parameter name="colour"><content type="string"/></parameter>
</parameters><actions>
<action name="start" timeout="20s"/><action name="stop" timeout="20s"/><action name="monitor" timeout="20s"/>
<action name="validate-all" timeout="20s"/></actions></resource-agent>"#;

/// An agent that writes down each action; `body` may exit with another status than the usual one.
fn agent(place: &Place, body: &str) -> Harness<OcfAgent> {
    let folder = place.shown("");
    let text = format!(
        "cd {folder}\nif [ $1 = meta-data ]; then cat <<'END'\n{METADATA}\nEND\nexit 0; fi\n\
         echo $1 >> actions\n{body}\n\
         case $1 in start) touch on;; stop) rm -f on;; monitor) [ -e on ] || exit 7;; esac\nexit 0"
    );
    Harness::new("lamp").text("Agent", &place.script("agent", &text)).number("watts", 40)
}

fn settled(harness: Harness<OcfAgent>) -> (Opened<OcfAgent>, State) {
    let agent = harness.open().unwrap();
    agent.online();
    let state = agent.wait_settled();
    (agent, state)
}

fn said(agent: &Opened<OcfAgent>, word: &str) -> bool {
    agent.lines().iter().any(|line| line.contains(word))
}

#[test]
fn a_life_is_an_action_a_step() {
    let place = Place::new();
    let (agent, state) = settled(agent(&place, ""));
    assert_eq!(state, State::Online, "{:?}", agent.lines());
    assert!(agent.is_alive());
    std::fs::remove_file(place.path("on")).unwrap();
    assert!(!agent.is_alive());
    agent.offline();
    assert_eq!(agent.wait_settled(), State::Offline);
    let actions = place.read("actions");
    assert_eq!(
        actions.split_whitespace().collect::<Vec<_>>(),
        ["start", "monitor", "monitor", "monitor", "stop"]
    );
}

#[test]
fn parameters_become_variables_as_the_metadata_spells_them() {
    let place = Place::new();
    let body = "env | grep ^OCF_ | sort > seen";
    let (agent, state) = settled(agent(&place, body).text("COLOUR", "dark red"));
    assert_eq!(state, State::Online);
    let seen = place.read("seen");
    for line in [
        "OCF_RESKEY_watts=40",
        "OCF_RESKEY_colour=dark red",
        "OCF_RESOURCE_INSTANCE=lamp",
        "OCF_RA_VERSION_MAJOR=1",
        "OCF_RA_VERSION_MINOR=1",
        "OCF_RESOURCE_TYPE=agent",
        "OCF_RESOURCE_PROVIDER=stead",
        "OCF_CHECK_LEVEL=0",
        "OCF_RESKEY_CRM_meta_name=monitor",
        "OCF_RESKEY_CRM_meta_interval=10000",
        "OCF_RESKEY_CRM_meta_timeout=20000",
        "OCF_ROOT=/usr/lib/ocf",
    ] {
        assert!(seen.lines().any(|known| known == line), "{line} is not in {seen}");
    }
    agent.terminate();
}

#[test]
fn every_exit_status_of_start_is_told_apart() {
    for (status, word, code) in [
        (1, "(1)", 5038),
        (2, "(2)", 87),
        (3, "(3)", 120),
        (4, "(4)", 5071),
        (5, "(5)", 5071),
        (6, "(6)", 5943),
        (7, "(7)", 5038),
        (99, "99", 5038),
    ] {
        let place = Place::new();
        let (agent, state) = settled(agent(&place, &format!("[ $1 != start ] || exit {status}")));
        assert_eq!(state, State::Failed, "{status}");
        let reports = agent.reports();
        let last = reports.last().expect("a report of the failure");
        assert!(said(&agent, word), "{status}: {:?}", agent.lines());
        assert_eq!(last.code, code, "{status}");
        agent.terminate();
    }
}

#[test]
fn what_does_not_run_after_start_has_not_started() {
    let place = Place::new();
    let (agent, state) = settled(agent(&place, "[ $1 != monitor ] || exit 7"));
    assert_eq!(state, State::Failed);
    assert!(said(&agent, "monitor after start"), "{:?}", agent.lines());
    agent.terminate();
    assert!(place.read("actions").ends_with("stop\n"));
}

#[test]
fn a_slow_action_is_killed_with_its_children() {
    let place = Place::new();
    let body = "case $1 in start) sleep 600 & echo $! $$ > pids; wait;; esac";
    let (agent, state) = settled(agent(&place, body).number("StartTimeout", 300));
    assert_eq!(state, State::Failed);
    assert!(said(&agent, "took longer than 300 ms"), "{:?}", agent.lines());
    let pids = place.numbers("pids", 2);
    eventually("both are gone", || pids.iter().all(|process| !runs(*process)));
    agent.terminate();
}

#[test]
fn a_stop_that_fails_fails_the_offline_and_terminate_kills_what_start_left() {
    let place = Place::new();
    let body = "case $1 in start) sleep 600 & echo $! > pids;; stop) exit 1;; esac";
    let (agent, state) = settled(agent(&place, body));
    assert_eq!(state, State::Online, "{:?}", agent.lines());
    let process = place.numbers("pids", 1)[0];
    agent.offline();
    assert_eq!(agent.wait_settled(), State::Failed);
    assert!(runs(process));
    agent.terminate();
    assert!(!runs(process));
    // A stop that has never come through is made up for as soon as the agent can.
    drop(agent);
    let mended = self::agent(&place, "").open().unwrap();
    if rustix::process::getuid().is_root() {
        assert!(said(&mended, "outlived its monitor"), "{:?}", mended.lines());
        assert!(place.read("actions").ends_with("monitor\nstop\n"));
    }
}

#[test]
fn parameters_and_agents_are_checked_before_anything_starts() {
    let place = Place::new();
    let opened = agent(&place, "[ $1 != validate-all ] || [ \"$OCF_RESKEY_watts\" -lt 100 ] || exit 6")
        .open()
        .unwrap();
    let text = |text: &str| Value::Sz(text.to_owned());
    let path = place.shown("agent");
    let check = |list: &[(&str, Value)]| {
        let mut all = vec![("Agent", text(&path))];
        all.extend(list.iter().cloned());
        opened.validate(&all)
    };
    assert_eq!(check(&[("watts", Value::Dword(60))]).0, 0);
    for (list, word) in [
        (vec![], "\"watts\" is required"),
        (vec![("watts", text("many"))], "a whole number"),
        (vec![("watts", Value::Dword(60)), ("volts", Value::Dword(1))], "it has: watts, colour"),
        (vec![("watts", Value::Dword(60)), ("color", text("red"))], "did you mean \"colour\"?"),
        (vec![("watts", Value::Dword(100))], "validate-all"),
    ] {
        let (code, said) = check(&list);
        assert_ne!(code, 0, "{list:?}");
        assert!(said.iter().any(|line| line.contains(word)), "{list:?}: {said:?}");
    }
    let promotable = place.script(
        "promotable",
        "echo '<resource-agent name=\"p\"><actions><action name=\"promote\"/></actions></resource-agent>'",
    );
    for (agent, word) in [
        ("ocf:heartbeat:NoSuchAgent", "not installed"),
        ("ocf:../../etc:passwd", "ocf:"),
        ("relative", "absolute"),
        ("/etc/passwd", "ermission"),
        (&promotable, "promotable"),
        (&place.script("silent", "exit 0"), "meta-data"),
        (&place.script("wrong", "exit 5"), "exited with status 5"),
    ] {
        let (code, said) = opened.validate(&[("Agent", text(agent))]);
        assert_ne!(code, 0, "{agent}");
        assert!(said.iter().any(|line| line.contains(word)), "{agent}: {said:?}");
    }
}

/// What the standard and the agents of Linux expect of whoever runs them, written down by an agent that records every
/// call.
#[test]
fn a_recording_agent_finds_nothing_amiss() {
    let place = Place::new();
    let record = "printf '%s level=%s interval=%s limit=%s argc=%s stdin=%s\\n' \"$1\" \"${OCF_CHECK_LEVEL-none}\" \\
        \"$OCF_RESKEY_CRM_meta_interval\" \"$OCF_RESKEY_CRM_meta_timeout\" $# \"$(readlink /proc/self/fd/0)\" >> calls";
    let harness = agent(&place, record).number("CheckLevel", 10).number("StopTimeout", 7000);
    let (agent, state) = settled(harness);
    assert_eq!(state, State::Online, "{:?}", agent.lines());
    assert!(agent.looks_alive() && agent.is_alive());
    agent.offline();
    assert_eq!(agent.wait_settled(), State::Offline);
    let calls = place.read("calls");
    let expected = [
        "start level=none interval=0 limit=20000 argc=1 stdin=/dev/null",
        "monitor level=0 interval=10000 limit=20000 argc=1 stdin=/dev/null",
        "monitor level=0 interval=10000 limit=20000 argc=1 stdin=/dev/null",
        "monitor level=10 interval=10000 limit=20000 argc=1 stdin=/dev/null",
        "stop level=none interval=0 limit=7000 argc=1 stdin=/dev/null",
    ];
    assert_eq!(calls.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn every_exit_status_of_monitor_is_health_or_not() {
    for (status, healthy) in [
        (0, true),
        (190, true),
        (1, false),
        (2, false),
        (5, false),
        (6, false),
        (7, false),
        (8, false),
        (9, false),
        (191, false),
    ] {
        let place = Place::new();
        let body =
            format!("[ $1 != monitor ] || [ ! -e later ] || exit {status}; [ $1 != monitor ] || touch later");
        let (agent, state) = settled(agent(&place, &body));
        assert_eq!(state, State::Online, "{:?}", agent.lines());
        assert_eq!(agent.is_alive(), healthy, "{status}");
        assert!(status == 0 || said(&agent, &format!("({status})")), "{status}: {:?}", agent.lines());
        agent.terminate();
    }
}

#[test]
fn a_promotable_agent_runs_without_a_role_where_that_is_wanted() {
    let place = Place::new();
    let path = place.script(
        "both",
        "[ $1 != meta-data ] || echo '<resource-agent name=\"p\"><actions><action name=\"promote\"/></actions></resource-agent>'",
    );
    let harness = || Harness::<OcfAgent>::new("both").text("Agent", &path);
    let (refused, state) = settled(harness());
    assert_eq!(state, State::Failed);
    assert!(said(&refused, "RunUnpromoted"), "{:?}", refused.lines());
    let (agent, state) = settled(harness().number("RunUnpromoted", 1));
    assert_eq!(state, State::Online, "{:?}", agent.lines());
    agent.terminate();
}

#[test]
fn what_a_monitor_that_died_has_left_is_stopped_when_the_resource_is_opened() {
    const TEST: &str = "what_a_monitor_that_died_has_left_is_stopped_when_the_resource_is_opened";
    if let Some(folder) = inside().filter(|inside| inside != "yes") {
        let (_agent, state) = settled(agent(&Place::at(folder), "").text("colour", "red"));
        assert_eq!(state, State::Online);
        println!("HELD");
        std::thread::park();
    }
    if !alone(TEST, &[]) {
        return;
    }
    let place = Place::new();
    let mut child = again(&["env"], TEST, &place.shown("")).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.contains("HELD")));
    // While it lives it is nobody's leftover.
    drop(agent(&place, "").open().unwrap());
    assert!(place.path("on").exists());
    child.kill().unwrap();
    child.wait().unwrap();
    // It is stopped with the parameters it was started with, whatever they are now.
    let body = "env | grep RESKEY_colour > \"was.$1\"";
    let next = agent(&place, body).text("colour", "blue").open().unwrap();
    assert!(said(&next, "outlived its monitor"), "{:?}", next.lines());
    assert_eq!(place.read("was.stop"), "OCF_RESKEY_colour=red\n");
    assert!(!place.path("on").exists());
    drop(next);
    // Once. What others run is not touched.
    std::fs::write(place.path("on"), "").unwrap();
    drop(agent(&place, body).open().unwrap());
    assert!(place.path("on").exists());
}
