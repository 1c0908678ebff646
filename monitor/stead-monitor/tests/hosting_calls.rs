//! The pure machine behind one instance: polls, Terminate, late reports, and the whole table.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod rig;

use std::fmt::Write;
use std::time::Duration;

use rig::{CONTINUE, IO_PENDING, TERMINATE, at, at_with, status, timing};
use stead_monitor::hosting::{After, Answer, Effect, Event, Hosting, Poll, State, Status};
use stead_monitor_protocol::Cause;
use stead_types::{Code, OfflineFlags, StatusFlags, Time};

// Section 5.5.

#[test]
fn polls_never_overlap_each_other_or_an_operation() {
    let mut rig = at(State::Online);
    rig.timer();
    assert_eq!(rig.hosting.next_timeout(), None, "nothing is due while a poll runs");
    rig.wait(100_000);
    rig.on(Event::Timer);
    assert!(rig.effects.is_empty());
    rig.on(Event::OfflineRequested(7, OfflineFlags::NONE));
    rig.on(Event::PollReturned(Poll::LooksAlive, false));
    assert!(rig.effects.is_empty(), "a poll that ran when the offline began is of no account");
}

#[test]
fn polls_go_on_in_locked_mode_and_stop_in_maintenance() {
    let mut rig = at(State::Online);
    rig.hosting.set_locked(true);
    assert!(rig.hosting.next_timeout().is_some());
    let now = rig.now;
    rig.hosting.set_maintenance(true, now);
    assert_eq!(rig.hosting.next_timeout(), None);
    rig.on(Event::EventSignalled);
    assert!(rig.effects.is_empty());
    rig.hosting.set_maintenance(false, now);
    assert!(rig.hosting.next_timeout().is_some());
}

#[test]
fn polls_of_many_are_spread_and_never_early() {
    let due = |spread: u32| {
        let mut hosting = Hosting::new(timing(), true, spread);
        let mut out = Vec::new();
        for event in [
            Event::OpenRequested(1),
            Event::OpenReturned(Ok(())),
            Event::OnlineRequested(2),
            Event::CallReturned(Code::SUCCESS, 0),
        ] {
            hosting.handle(event, Time::ZERO, &mut out);
        }
        hosting.next_timeout().unwrap()
    };
    let mut times: Vec<Time> = (0..100).map(due).collect();
    assert!(times.iter().all(|at| *at >= Time::from_millis(1_000) && *at <= Time::from_millis(1_100)));
    times.sort();
    times.dedup();
    assert_eq!(times.len(), 100);
}

// Section 5.6.

#[test]
fn terminate_paths_report_what_the_table_says() {
    // Cause, state shown while Terminate runs, state after.
    let mut rig = at(State::OnlineCall);
    rig.on(Event::CallReturned(Code(1), 0));
    assert_eq!(rig.state().shown().to_string(), "Failed");
    let mut rig = at(State::OfflinePending);
    rig.timer();
    assert_eq!(rig.state().shown().to_string(), "OfflinePending");
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.state().shown().to_string(), "Offline");
}

#[test]
fn the_result_of_a_call_that_terminate_overtook_is_ignored() {
    let mut rig = at(State::OnlineCall);
    rig.on(Event::TerminateRequested(7));
    rig.on(Event::CallReturned(Code::SUCCESS, 9));
    assert_eq!(rig.state(), State::Terminating(After::Offline));
    rig.on(Event::TerminateReturned);
    rig.on(Event::CallReturned(Code::SUCCESS, 9));
    assert_eq!(rig.state(), State::Offline);
}

#[test]
fn terminate_may_be_asked_for_twice() {
    let mut rig = at(State::Online);
    rig.on(Event::TerminateRequested(7));
    rig.on(Event::TerminateRequested(8));
    assert!(!rig.did(Effect::CallTerminate), "one call is enough");
    rig.on(Event::TerminateReturned);
    assert!(rig.did(Effect::Finish(7, Code::SUCCESS)) && rig.did(Effect::Finish(8, Code::SUCCESS)));
}

// Section 5.7.

#[test]
fn a_pended_operation_is_not_in_a_call() {
    let rig = at(State::OnlinePending);
    assert_eq!(rig.hosting.call_limit(), Duration::from_secs(5));
    assert_eq!(
        rig.hosting.next_timeout(),
        Some(rig.now.after(Duration::from_secs(3))),
        "PendingTimeout alone"
    );
}

// Section 5.10.

#[test]
fn late_and_illegal_reports_are_answered_as_the_table_says() {
    for state in [State::Offline, State::Online, State::Failed] {
        let mut rig = at(state);
        assert_eq!(rig.report(2, 1), Answer { exit: TERMINATE, accepted: false }, "{state:?}");
        assert!(rig.violated());
    }
    for after in [After::Offline, After::Failed] {
        let mut rig = at(State::Terminating(after));
        assert_eq!(rig.report(2, 1), Answer { exit: TERMINATE, accepted: false });
        assert!(!rig.violated(), "a race, no breach");
    }
    let mut rig = at(State::OnlinePending);
    let due = rig.hosting.next_timeout();
    rig.wait(10);
    assert_eq!(rig.report(130, 1), Answer { exit: CONTINUE, accepted: false }, "wrong direction");
    assert_eq!(rig.hosting.next_timeout(), due);
    let mut rig = at(State::OnlinePending);
    assert_eq!(rig.report(55, 1), Answer { exit: TERMINATE, accepted: false }, "unknown number");
    let mut rig = at(State::OfflinePending);
    rig.report(2, 1);
    assert!(rig.did(Effect::Delayed(StatusFlags::NONE)), "Online without a flag: a refused offline");
}

#[test]
fn locked_mode_needs_an_online_resource_5004() {
    for state in State::ALL {
        let mut rig = at(state);
        let allowed = matches!(state, State::Online | State::OnlineCall | State::OnlinePending);
        let expected = if allowed { Code::SUCCESS } else { Code::ERROR_RESOURCE_NOT_ONLINE };
        assert_eq!(rig.hosting.set_locked(true), expected, "{state:?}");
    }
}

#[test]
fn an_online_that_also_reports_online_counts_once() {
    let mut rig = at(State::Online);
    rig.report(2, 1);
    assert_eq!(rig.reported(), None);
}

// The whole table, as a snapshot.

fn events() -> Vec<(&'static str, Event)> {
    let report = |state| Event::Reported(status(state, 1));
    let delayed = Event::Reported(Status { state: 2, flags: StatusFlags::OFFLINE_BUSY, ..Status::default() });
    vec![
        ("open requested", Event::OpenRequested(9)),
        ("open returned", Event::OpenReturned(Ok(()))),
        ("open failed", Event::OpenReturned(Err(Code(2)))),
        ("online requested", Event::OnlineRequested(9)),
        ("offline requested", Event::OfflineRequested(9, OfflineFlags::NONE)),
        ("terminate requested", Event::TerminateRequested(9)),
        ("cancel requested", Event::CancelRequested(9)),
        ("fail requested", Event::FailRequested(9)),
        ("close requested", Event::CloseRequested(9)),
        ("call returned 0", Event::CallReturned(Code::SUCCESS, 0)),
        ("call returned 997", Event::CallReturned(IO_PENDING, 0)),
        ("call returned 5", Event::CallReturned(Code(5), 0)),
        ("LooksAlive true", Event::PollReturned(Poll::LooksAlive, true)),
        ("LooksAlive false", Event::PollReturned(Poll::LooksAlive, false)),
        ("IsAlive true", Event::PollReturned(Poll::IsAlive, true)),
        ("IsAlive false", Event::PollReturned(Poll::IsAlive, false)),
        ("terminate returned", Event::TerminateReturned),
        ("close returned", Event::CloseReturned),
        ("status Online", report(2)),
        ("status Online, busy", delayed),
        ("status Offline", report(3)),
        ("status Failed", report(4)),
        ("status Unknown", report(-1)),
        ("status 126", report(126)),
        ("status 127", report(127)),
        ("status OnlinePending", report(129)),
        ("status OfflinePending", report(130)),
        ("status 55", report(55)),
        ("failure signalled", Event::FailureSignalled(7)),
        ("event signalled", Event::EventSignalled),
        ("event armed", Event::EventArmed),
        ("event unusable", Event::EventUnusable),
        ("timer", Event::Timer),
    ]
}

fn shown(effect: Effect) -> String {
    match effect {
        Effect::Report(state, code, flags, cause) => {
            let mut text = format!("report {state:?}");
            if !code.is_success() {
                write!(text, " {}", code.0).unwrap();
            }
            if flags != StatusFlags::NONE {
                write!(text, " {flags:?}").unwrap();
            }
            let cause: Cause = cause;
            write!(text, " ({cause:?})").unwrap();
            text
        }
        Effect::Finish(op, code) => format!("finish {op}: {}", code.0),
        Effect::CallOpen
        | Effect::CallOnline
        | Effect::CallOffline
        | Effect::CallPoll(_)
        | Effect::CallClose
        | Effect::CallTerminate
        | Effect::CallCancel
        | Effect::Wait(_)
        | Effect::StopWaiting
        | Effect::Progress(_)
        | Effect::Delayed(_)
        | Effect::Violation(_) => format!("{effect:?}"),
    }
}

/// `UPDATE=1` rewrites the snapshot.
#[test]
fn the_table_is_the_snapshot() {
    let mut table =
        String::from("Every state, every event: the answer to a report, the effects, the next state.\n");
    for state in State::ALL {
        writeln!(table, "\n{state:?}").unwrap();
        for (name, event) in events() {
            let mut rig = at_with(state, true, 3);
            // A timer comes when it is due, where one is planned.
            if event == Event::Timer
                && let Some(due) = rig.hosting.next_timeout()
            {
                rig.now = due;
            }
            let answer = rig.on(event);
            let effects: Vec<String> = rig.effects.iter().map(|effect| shown(*effect)).collect();
            let report = matches!(event, Event::Reported(_));
            let exit = if report { format!(" [exit {}]", answer.exit) } else { String::new() };
            let next = if rig.state() == state { "-".to_owned() } else { format!("{:?}", rig.state()) };
            writeln!(table, "  {name:<22}{next:<22}{}{exit}", effects.join("; ")).unwrap();
        }
    }
    let table: String = table.lines().map(|line| format!("{}\n", line.trim_end())).collect();
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/snapshots/hosting.txt");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(path, &table).unwrap();
    }
    let known = std::fs::read_to_string(path).unwrap_or_default();
    let differs = known.lines().zip(table.lines()).find(|(known, now)| known != now);
    assert!(known == table, "tests/snapshots/hosting.txt differs (UPDATE=1 rewrites it): {differs:?}");
}
