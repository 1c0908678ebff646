//! Guardian, guards and wardens as real processes, with this executable in the place of node and monitor: what a lease
//! promises must hold whoever is killed or stopped.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod held;
mod roles;
mod scene;
mod storage;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Trial};
use rustix::process::Signal;
use stead_monitor_protocol::{FromGuardian, MonitorKey, ToGuardian};

use crate::roles::now;
use crate::scene::{D, K, Scene, alive, children, descendants, group, signal, until};

const MS: u64 = 1_000_000;

const NOBODY: [u32; 0] = [];

/// Nothing of a group lived later than K after its deadline, and it did live.
fn kept(scene: &Scene, name: &str, deadline: u64) {
    let last = scene.stamps(name).pop().expect("it lived");
    assert!(last < deadline + K * MS, "{} ms after the deadline", (last - deadline) / MS);
}

/// A lease that nobody renews: the group ends by itself, and the guardian tells why.
fn at_the_deadline_the_group_is_gone() {
    let scene = Scene::new();
    scene.begin(1);
    let deadline = scene.renew(1);
    scene.start("g");
    assert_eq!((scene.guards().len(), scene.groups().len()), (1, 3), "{:?}", scene.everything());
    let death = scene.died("g");
    assert!(death.lapsed && !death.requested, "{death:?}");
    assert_eq!(scene.empty(), 1);
    kept(&scene, "g", deadline);
    assert_eq!((scene.guards(), scene.groups()), (NOBODY.to_vec(), NOBODY.to_vec()));
    scene.renew(1);
    assert_eq!(scene.refused(), "session 1 is over; begin another");
    scene.say(&ToGuardian::Start { monitor: group("g") });
    assert_eq!(scene.refused(), "the lease of session 1 has run out");
    scene.begin(2);
    scene.renew(2);
    scene.start("g");
}

/// H6 to H8 of the fault matrix: whoever is stopped, the kernel's timer is not.
fn stopped_processes_hold_no_group_up() {
    type Who = fn(&Scene) -> Vec<u32>;
    let all: Who = |scene| [vec![scene.guardian(), scene.node()], scene.guards(), scene.groups()].concat();
    let cases: [(&str, Who); 4] = [
        ("node", |scene| vec![scene.node()]),
        ("guardian and node", |scene| vec![scene.guardian(), scene.node()]),
        ("guards", Scene::guards),
        ("all", all),
    ];
    for (who, stop) in cases {
        let scene = Scene::new();
        scene.begin(1);
        let deadline = scene.renew(1);
        scene.start("g");
        scene.start("h");
        let groups = scene.groups();
        let stopped = stop(&scene);
        for process in &stopped {
            signal(*process, Signal::STOP);
        }
        // What the stopped ones are told meanwhile comes too late.
        if who == "all" {
            let last = scene.stamps("g").len();
            until("the deadline passes", || (now() > deadline + 2 * MS).then_some(()));
            until("its processes end", || groups.iter().all(|process| !alive(*process)).then_some(()));
            assert!(now() < deadline + K * MS, "{who}: {} ms late", (now() - deadline) / MS);
            assert_eq!(scene.stamps("g").len(), last, "a stopped process wrote");
            scene.renew(1);
        }
        until("its processes end", || groups.iter().all(|process| !alive(*process)).then_some(()));
        kept(&scene, "g", deadline);
        kept(&scene, "h", deadline);
        for process in stopped.iter().filter(|process| alive(**process)) {
            signal(*process, Signal::CONT);
        }
        assert!(scene.died("g").lapsed && scene.died("h").lapsed, "{who}");
        assert_eq!(scene.empty(), 1, "{who}");
    }
}

fn renewals_carry_a_group_on() {
    let scene = Scene::new();
    scene.begin(1);
    let first = scene.renew(1);
    scene.start("g");
    let mut last = first;
    while now() < first + 2 * D * MS {
        last = scene.renew(1);
        let reached = scene.stamps("g").len() + 50;
        until("it lives on", || (scene.stamps("g").len() > reached).then_some(()));
    }
    assert!(
        !scene.heard(|message| matches!(message, FromGuardian::Died { .. } | FromGuardian::Refused { .. }))
    );
    assert!(scene.died("g").lapsed);
    kept(&scene, "g", last);
}

fn what_would_weaken_a_lease_is_refused() {
    let scene = Scene::new();
    scene.renew(1);
    assert_eq!(scene.refused(), "session 1 was never begun");
    scene.begin(1);
    scene.say(&ToGuardian::Start { monitor: group("g") });
    assert_eq!(scene.refused(), "session 1 has no lease yet");
    scene.say(&ToGuardian::Lease { session: 1, deadline: now() + 3 * D * MS });
    assert!(scene.refused().contains("ms ahead, and the session allows 3000"));
    let deadline = scene.renew(1);
    scene.start("g");
    scene.say(&ToGuardian::Lease { session: 2, deadline: now() + D * MS });
    assert_eq!(scene.refused(), "session 2 is not the one held, which is 1");
    scene.ask(2);
    assert!(scene.refused().contains("groups of session 1 still live"));
    scene.say(&ToGuardian::Fence { session: 2 });
    assert_eq!(scene.refused(), "session 2 is not the one held, which is 1");
    // Not to move back is no error: answers overtake each other.
    scene.say(&ToGuardian::Lease { session: 1, deadline: now() + MS });
    scene.died("g");
    let last = *scene.stamps("g").last().unwrap();
    assert!(last > deadline - 500 * MS, "it ended {} ms early", (deadline - last) / MS);
}

/// What a node is deposed for, or an operator asks for.
fn a_fence_ends_everything_at_once() {
    let scene = Scene::new();
    scene.begin(1);
    let deadline = scene.renew(1);
    scene.start("g");
    scene.start("h");
    scene.say(&ToGuardian::Fence { session: 1 });
    assert!(scene.died("g").lapsed && scene.died("h").lapsed);
    assert_eq!(scene.empty(), 1);
    assert_eq!(scene.groups(), NOBODY);
    assert!(now() < deadline, "it did not take the deadline");
    scene.say(&ToGuardian::Fence { session: 1 });
    assert_eq!(scene.empty(), 1, "asked again, told again");
}

/// H2 and H3: the node is gone, guards keep their timers, and the next node goes on where this one was.
fn a_node_that_comes_back_goes_on_with_its_session() {
    let mut scene = Scene::new();
    assert_eq!(scene.greeting(), (None, None));
    scene.begin(1);
    scene.say(&ToGuardian::Keep { blob: "{\"ctr\": 7}".to_owned() });
    scene.renew(1);
    scene.start("g");
    let deadline = scene.renew(1);
    let (held, blob) = scene.replace_node();
    let held = held.unwrap();
    assert_eq!((held.session, held.deadline, held.over), (1, Some(deadline), false));
    assert_eq!(blob.as_deref(), Some("{\"ctr\": 7}"));
    scene.hear("what runs", |message| {
        matches!(message, FromGuardian::Started { monitor, .. } if *monitor == group("g")).then_some(())
    });
    scene.begin(1);
    until("half of the lease has passed", || (now() > deadline - D / 2 * MS).then_some(()));
    let next = scene.renew(1);
    until("the first deadline passes", || (now() > deadline).then_some(()));
    assert!(!scene.groups().is_empty(), "{}", scene.log());
    // This time nobody renews; the node that comes then is told.
    until("the next deadline passes", || (now() > next).then_some(()));
    let (held, blob) = scene.replace_node();
    assert!(held.unwrap().over && blob.is_some());
    assert_eq!(scene.empty(), 1);
    scene.say(&ToGuardian::Keep { blob: "\u{1b}".to_owned() });
    assert!(scene.refused().contains("control characters"));
}

/// H5 and M3: with a guard or a warden its group goes at once, and no other.
fn a_guard_or_a_warden_takes_its_group_along() {
    let scene = Scene::new();
    scene.begin(1);
    scene.renew(1);
    scene.start("other");
    for what in ["guard", "warden"] {
        scene.renew(1);
        scene.start("g");
        let guard = scene.guard_of("g");
        let behind = descendants(guard);
        signal(if what == "guard" { guard } else { behind[0] }, Signal::KILL);
        let death = scene.died("g");
        assert!(!death.lapsed && !death.requested && death.signal == Some(9), "{what}: {death:?}");
        assert!(behind.len() == 3 && behind.iter().all(|process| !alive(*process)), "{what}: {behind:?}");
        assert_eq!(scene.guards(), [scene.guard_of("other")], "{what}: the other is not concerned");
    }
    scene.start("g");
    scene.say(&ToGuardian::Kill { monitor: group("g"), fence: false });
    assert!(scene.died("g").requested);
    assert!(!scene.heard(|message| matches!(message, FromGuardian::Died { .. })));
}

/// How a monitor ended is told as it is without a guard.
fn the_guardian_learns_how_a_monitor_ended() {
    let scene = Scene::new();
    scene.begin(1);
    scene.renew(1);
    scene.say(&ToGuardian::Start { monitor: group("ends") });
    let death = scene.died("ends");
    assert_eq!((death.exit, death.signal, death.lapsed), (Some(7), None, false));
    assert_eq!((scene.guards(), scene.groups()), (NOBODY.to_vec(), NOBODY.to_vec()), "nothing is left of it");
}

/// H4: the kernel kills whatever the guardian held, guards too.
fn with_the_guardian_goes_everything() {
    let mut scene = Scene::new();
    scene.begin(1);
    scene.renew(1);
    scene.start("g");
    let all = scene.everything();
    assert!(all.len() >= 5, "node, guard, warden, monitor, workload: {all:?}");
    scene.kill_guardian();
    until("all are gone", || all.iter().all(|process| !alive(*process)).then_some(()));
}

/// On one machine there is no lease, and nobody is between guardian and warden.
fn one_machine_needs_no_guard() {
    let scene = Scene::new();
    scene.start("g");
    assert_eq!(scene.guards(), NOBODY);
    assert!(children(scene.guardian()).contains(&scene.groups()[0]), "the warden is the guardian's child");
    scene.ask(1);
    assert!(scene.refused().contains("groups still live"));
    scene.say(&ToGuardian::Kill { monitor: group("g"), fence: false });
    let death = scene.died("g");
    assert!(death.requested && !death.lapsed, "{death:?}");
}

/// A note among those of the resource types, gone with this.
struct Note(std::path::PathBuf);

impl Note {
    fn make() -> Option<Note> {
        let folder = std::path::PathBuf::from(format!("/run/stead/test-{}", std::process::id()));
        if let Err(error) = std::fs::create_dir_all(&folder) {
            println!("SKIPPED: {}: {error}", folder.display());
            return None;
        }
        std::fs::write(folder.join("address"), "").unwrap();
        Some(Note(folder))
    }
}

impl Drop for Note {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

/// What a dead monitor left on the machine is taken away before its death is told; where it cannot be, that is said, and the
/// session is not empty before it is.
fn what_is_left_behind_keeps_a_session_from_being_empty() {
    // Without a note of what a monitor has made nobody would look.
    let Some(note) = Note::make() else { return };
    let scene = Scene::new();
    let left = scene.folder.path().join("left");
    std::fs::write(&left, "address 10.0.0.5\n").unwrap();
    scene.ask(1);
    assert_eq!(scene.refused(), "session 1: earlier groups left behind: address 10.0.0.5");
    std::fs::remove_file(&left).unwrap();
    scene.begin(1);
    scene.renew(1);
    scene.start("g");
    std::fs::write(&left, "address 10.0.0.6\n").unwrap();
    scene.say(&ToGuardian::Fence { session: 1 });
    assert_eq!(scene.died("g").left, ["address 10.0.0.6"]);
    scene.ask(2);
    assert!(scene.refused().contains("left behind: address 10.0.0.6"));
    assert!(!scene.heard(|message| matches!(message, FromGuardian::Empty { .. })));
    std::fs::remove_file(&left).unwrap();
    assert_eq!(scene.empty(), 1, "it is tried again");
    scene.begin(2);
    scene.renew(2);
    scene.start("g");
    signal(scene.guard_of("g"), Signal::KILL);
    assert_eq!(scene.died("g").left, Vec::<String>::new());
    drop(note);
}

/// A watchdog that was named and cannot be had is no watchdog that may be done without.
fn a_watchdog_that_is_named_must_work() {
    let scene = Scene::new();
    scene.ask_with(1, Some("/dev/null"));
    let refused = scene.refused();
    assert!(refused.starts_with("session 1: watchdog /dev/null: "), "{refused}");
    scene.start("g");
    assert_eq!(scene.guards(), NOBODY, "nothing has changed");
    let mut scene = Scene::new();
    scene.begin(1);
    scene.replace_node();
    assert!(scene.log().contains("no watchdog: node.toml names none"));
}

/// It hosts no group: what it checks must be checkable when there is no lease.
fn the_monitor_that_checks_needs_no_lease() {
    let scene = Scene::new();
    scene.begin(1);
    scene.say(&ToGuardian::Start { monitor: MonitorKey::Check });
    scene.hear("it started", |message| {
        matches!(message, FromGuardian::Started { monitor: MonitorKey::Check, .. }).then_some(())
    });
    // A warden is a copy of the guardian for as long as it has not begun its own program.
    until("no guard for what checks", || (scene.guards() == NOBODY).then_some(()));
    scene.say(&ToGuardian::Fence { session: 1 });
    assert_eq!(scene.empty(), 1);
    assert!(!scene.heard(|message| matches!(message, FromGuardian::Died { .. })));
}

/// Hunting promises nothing while the hunter is stopped.
fn without_namespaces_there_is_no_session() {
    let scene = Scene::with(&["--containment", "subreaper"]);
    scene.ask(1);
    let refused = scene.refused();
    assert!(refused.contains("needs pid namespaces; run as root"), "{refused}");
    scene.start("g");
}

fn main() -> ExitCode {
    if let Some(code) = roles::play(std::env::args_os().collect()) {
        return code;
    }
    let mut arguments = Arguments::from_args();
    // Deadlines of a second and a half, on whatever machine this is.
    arguments.test_threads.get_or_insert(2);
    type Test = (&'static str, fn());
    let always: [Test; 1] =
        [("without_namespaces_there_is_no_session", without_namespaces_there_is_no_session)];
    let namespaces: [Test; 16] = [
        ("at_the_deadline_the_group_is_gone", at_the_deadline_the_group_is_gone),
        ("stopped_processes_hold_no_group_up", stopped_processes_hold_no_group_up),
        ("renewals_carry_a_group_on", renewals_carry_a_group_on),
        ("what_would_weaken_a_lease_is_refused", what_would_weaken_a_lease_is_refused),
        ("a_fence_ends_everything_at_once", a_fence_ends_everything_at_once),
        ("a_node_that_comes_back_goes_on_with_its_session", a_node_that_comes_back_goes_on_with_its_session),
        ("a_guard_or_a_warden_takes_its_group_along", a_guard_or_a_warden_takes_its_group_along),
        ("the_guardian_learns_how_a_monitor_ended", the_guardian_learns_how_a_monitor_ended),
        ("with_the_guardian_goes_everything", with_the_guardian_goes_everything),
        ("one_machine_needs_no_guard", one_machine_needs_no_guard),
        (
            "what_is_left_behind_keeps_a_session_from_being_empty",
            what_is_left_behind_keeps_a_session_from_being_empty,
        ),
        ("a_watchdog_that_is_named_must_work", a_watchdog_that_is_named_must_work),
        ("the_monitor_that_checks_needs_no_lease", the_monitor_that_checks_needs_no_lease),
        ("frozen_processes_hold_no_group_up", held::frozen_processes_hold_no_group_up),
        ("what_cannot_be_killed_is_not_told_dead", held::what_cannot_be_killed_is_not_told_dead),
        ("nothing_reaches_the_device_after_a_fence", storage::nothing_reaches_the_device_after_a_fence),
    ];
    let mut trials: Vec<Trial> = Vec::new();
    let contained = stead_guardian::probe() != stead_guardian::Containment::Subreaper;
    for (name, test) in always.into_iter().chain(namespaces) {
        let needs = namespaces.iter().any(|(known, _)| *known == name);
        trials.push(Trial::test(name, move || {
            if needs && !contained {
                println!("SKIPPED: {name}: no namespaces can be made here");
                return Ok(());
            }
            test();
            Ok(())
        }));
    }
    libtest_mimic::run(&arguments, trials).exit_code()
}
