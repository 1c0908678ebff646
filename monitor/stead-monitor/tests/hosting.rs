//! The pure machine behind one instance: every row of its table of transitions, and its rules.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod rig;

use std::time::Duration;

use rig::{CONTINUE, IO_PENDING, Rig, TERMINATE, at, at_with, timing};
use stead_monitor::hosting::{After, Answer, Effect, Event, Hosting, Poll, State, Status};
use stead_monitor_protocol::Timing;
use stead_types::{Code, OfflineFlags, StatusFlags, Time};

// Section 5.2, a test a row.

#[test]
fn row_01_closed_and_needed_is_opened() {
    let mut rig = at(State::Closed);
    rig.on(Event::OpenRequested(7));
    assert_eq!(rig.state(), State::Opening);
    assert!(rig.did(Effect::CallOpen));
}

#[test]
fn row_02_open_with_a_resid_is_offline() {
    let mut rig = at(State::Opening);
    rig.on(Event::OpenReturned(Ok(())));
    assert_eq!(rig.reported(), Some((State::Offline, Code::SUCCESS)));
    assert_eq!(rig.finished(), Some((1, Code::SUCCESS)));
}

#[test]
fn row_03_open_without_one_reports_the_last_error() {
    let mut rig = at(State::Opening);
    rig.on(Event::OpenReturned(Err(Code(2))));
    assert_eq!(rig.state(), State::Closed);
    assert_eq!(rig.finished(), Some((1, Code(2))));
}

#[test]
fn row_04_an_online_request_calls_online() {
    for from in [State::Offline, State::Failed] {
        let mut rig = at(from);
        rig.on(Event::OnlineRequested(7));
        assert_eq!(rig.state(), State::OnlineCall, "{from:?}");
        assert!(rig.did(Effect::CallOnline));
    }
}

#[test]
fn row_05_online_returns_0_starts_polls_or_waits_for_the_event() {
    let mut rig = at(State::OnlineCall);
    rig.on(Event::CallReturned(Code::SUCCESS, 0));
    assert_eq!(rig.state(), State::Online);
    assert_eq!(rig.hosting.next_timeout(), Some(rig.now.after(Duration::from_millis(1_000))), "LooksAlive");
    let mut rig = at(State::OnlineCall);
    rig.on(Event::CallReturned(Code::SUCCESS, 9));
    assert!(rig.did(Effect::Wait(9)));
    rig.on(Event::EventArmed);
    assert_eq!(
        rig.hosting.next_timeout(),
        Some(rig.now.after(Duration::from_millis(10_000))),
        "IsAlive only"
    );
}

#[test]
fn row_06_online_returns_997_is_pending() {
    let mut rig = at(State::OnlineCall);
    rig.on(Event::CallReturned(IO_PENDING, 0));
    assert_eq!(rig.state(), State::OnlinePending);
    assert_eq!(rig.hosting.next_timeout(), Some(rig.now.after(Duration::from_millis(3_000))));
}

#[test]
fn row_07_online_returns_anything_else_is_terminated_and_failed() {
    let mut rig = at(State::OnlineCall);
    rig.on(Event::CallReturned(Code(5), 0));
    assert!(rig.did(Effect::CallTerminate));
    assert_eq!(rig.reported(), Some((State::Terminating(After::Failed), Code(5))));
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.state(), State::Failed);
    assert_eq!(rig.finished(), Some((2, Code(5))));
}

#[test]
fn row_08_a_status_before_997_is_held_and_applied() {
    let mut rig = at(State::OnlineCall);
    assert_eq!(rig.report(2, 1).exit, CONTINUE);
    assert_eq!(rig.state(), State::OnlineCall);
    rig.on(Event::CallReturned(IO_PENDING, 0));
    assert_eq!(rig.state(), State::Online);
    // Nonsense is not held: the final report behind it counts.
    let mut rig = at(State::OnlineCall);
    assert_eq!(rig.report(55, 1).exit, TERMINATE);
    rig.report(129, 2);
    rig.report(2, 3);
    rig.on(Event::CallReturned(IO_PENDING, 0));
    assert_eq!(rig.state(), State::Online);
    // With 0 or an error the held status is of no account.
    let mut rig = at(State::OnlineCall);
    rig.report(4, 1);
    rig.on(Event::CallReturned(Code::SUCCESS, 0));
    assert_eq!(rig.state(), State::Online);
}

#[test]
fn row_09_a_new_checkpoint_restarts_the_pending_timer() {
    let mut rig = at(State::OnlinePending);
    rig.wait(2_000);
    assert_eq!(rig.report(129, 1), Answer { exit: CONTINUE, accepted: true });
    assert!(rig.did(Effect::Progress(1)));
    assert_eq!(rig.hosting.next_timeout(), Some(rig.now.after(Duration::from_millis(3_000))));
}

#[test]
fn row_10_the_same_checkpoint_is_ignored_and_the_timer_runs_on() {
    let mut rig = at(State::OnlinePending);
    let due = rig.hosting.next_timeout();
    rig.wait(2_000);
    assert_eq!(rig.report(129, 0), Answer { exit: CONTINUE, accepted: false });
    assert_eq!(rig.hosting.next_timeout(), due);
}

#[test]
fn row_11_status_online_takes_the_event_handle() {
    let mut rig = at(State::OnlinePending);
    let answer = rig.on(Event::Reported(Status { state: 2, event: 11, ..Status::default() }));
    assert_eq!(answer, Answer { exit: CONTINUE, accepted: true });
    assert_eq!(rig.state(), State::Online);
    assert!(rig.did(Effect::Wait(11)));
    // None in the report does not cancel one given earlier.
    let mut rig = at_with(State::OnlinePending, true, 12);
    rig.report(2, 1);
    assert!(rig.did(Effect::Wait(12)));
}

#[test]
fn row_12_a_bad_final_status_terminates() {
    let cases = [
        (4, Code::ERROR_RESOURCE_FAILED),
        (3, Code::ERROR_RESOURCE_FAILED),
        (-1, Code(87)),
        (126, Code::ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR),
        (127, Code::ERROR_NODE_CANT_HOST_RESOURCE),
    ];
    for (state, code) in cases {
        let mut rig = at(State::OnlinePending);
        let answer = rig.on(Event::Reported(Status { state, last_error: 87, ..Status::default() }));
        assert_eq!(answer.exit, TERMINATE, "{state}");
        assert!(rig.did(Effect::CallTerminate));
        rig.on(Event::TerminateReturned);
        assert_eq!(rig.reported(), Some((State::Failed, code)), "{state}");
    }
    let mut rig = at(State::OnlinePending);
    rig.on(Event::Reported(Status { state: 4, code: 1234, ..Status::default() }));
    assert_eq!(rig.hosting.code(), Code(1234), "ApplicationSpecificErrorCode");
}

#[test]
fn row_13_the_pending_timer_terminates() {
    let mut rig = at(State::OnlinePending);
    rig.timer();
    assert_eq!(rig.reported(), Some((State::Terminating(After::Failed), Code::ERROR_TIMEOUT)));
    assert!(rig.did(Effect::CallTerminate));
}

#[test]
fn row_14_an_offline_of_a_pending_online_cancels_or_terminates() {
    let mut rig = at(State::OnlinePending);
    rig.on(Event::OfflineRequested(7, OfflineFlags::NONE));
    assert!(rig.did(Effect::CallCancel) && !rig.did(Effect::CallTerminate));
    rig.report(4, 1);
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.state(), State::Offline);
    let mut rig = at_with(State::OnlinePending, false, 0);
    rig.on(Event::OfflineRequested(7, OfflineFlags::NONE));
    assert!(rig.did(Effect::CallTerminate));
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.state(), State::Offline);
    // What came online all the same is taken offline.
    let mut rig = at(State::OnlinePending);
    rig.on(Event::OfflineRequested(7, OfflineFlags::NONE));
    rig.report(2, 1);
    assert!(rig.did(Effect::CallOffline));
    assert_eq!(rig.state(), State::OfflineCall);
}

#[test]
fn row_15_looks_alive_true_changes_nothing() {
    let mut rig = at(State::Online);
    rig.timer();
    assert!(rig.did(Effect::CallPoll(Poll::LooksAlive)));
    rig.on(Event::PollReturned(Poll::LooksAlive, true));
    assert_eq!(rig.state(), State::Online);
    assert!(rig.effects.is_empty());
}

#[test]
fn row_16_looks_alive_false_asks_is_alive_at_once() {
    let mut rig = at(State::Online);
    rig.timer();
    rig.on(Event::PollReturned(Poll::LooksAlive, false));
    assert_eq!(rig.state(), State::Online);
    assert!(rig.did(Effect::CallPoll(Poll::IsAlive)));
}

#[test]
fn row_17_the_event_handle_asks_is_alive_at_once() {
    let mut rig = at_with(State::Online, true, 9);
    rig.on(Event::EventArmed);
    rig.on(Event::EventSignalled);
    assert_eq!(rig.state(), State::Online);
    assert!(rig.did(Effect::CallPoll(Poll::IsAlive)));
}

#[test]
fn row_18_is_alive_true_after_the_event_waits_again_or_polls() {
    let mut rig = at_with(State::Online, true, 9);
    rig.on(Event::EventArmed);
    rig.on(Event::EventSignalled);
    rig.on(Event::PollReturned(Poll::IsAlive, true));
    assert!(rig.did(Effect::Wait(9)));
    // While it stays signalled LooksAlive is polled.
    assert_eq!(rig.hosting.next_timeout(), Some(rig.now.after(Duration::from_millis(1_000))));
}

#[test]
fn row_19_is_alive_false_reports_failed_first_then_terminates() {
    let mut rig = at(State::Online);
    rig.wait(10_000);
    rig.on(Event::Timer);
    assert!(rig.did(Effect::CallPoll(Poll::IsAlive)), "IsAlive alone where both are due");
    rig.on(Event::PollReturned(Poll::IsAlive, false));
    let report = rig.effects.iter().position(|effect| matches!(effect, Effect::Report(..))).unwrap();
    let terminate = rig.effects.iter().position(|effect| *effect == Effect::CallTerminate).unwrap();
    assert!(report < terminate);
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.state(), State::Failed);
}

#[test]
fn row_20_a_signalled_failure_is_like_is_alive_false() {
    let mut rig = at(State::Online);
    rig.on(Event::FailureSignalled(77));
    assert_eq!(rig.reported(), Some((State::Terminating(After::Failed), Code(77))));
    assert!(rig.did(Effect::CallTerminate));
}

#[test]
fn row_21_a_failure_inside_the_workload_is_reported_and_changes_no_state() {
    let rig = at(State::Online);
    assert_eq!(rig.hosting.may_signal(), Code::SUCCESS);
    assert_eq!(rig.state(), State::Online);
    for state in State::ALL {
        let expected = if state == State::Online { Code::SUCCESS } else { Code::ERROR_RESOURCE_NOT_ONLINE };
        assert_eq!(at(state).hosting.may_signal(), expected, "{state:?}");
    }
}

#[test]
fn row_22_a_status_while_online_is_illegal() {
    let mut rig = at(State::Online);
    assert_eq!(rig.report(4, 1), Answer { exit: TERMINATE, accepted: false });
    assert!(rig.violated());
    assert_eq!(rig.state(), State::Online);
    rig.report(4, 2);
    assert!(!rig.violated(), "said once an instance");
}

#[test]
fn row_23_an_offline_request_ends_polls_and_calls_offline() {
    let mut rig = at_with(State::Online, true, 9);
    rig.on(Event::OfflineRequested(7, OfflineFlags::NONE));
    assert!(rig.did(Effect::StopWaiting) && rig.did(Effect::CallOffline));
    assert_eq!(rig.state(), State::OfflineCall);
    assert_eq!(rig.hosting.next_timeout(), None);
}

#[test]
fn row_24_an_offline_request_of_a_locked_resource_is_refused_5960() {
    let mut rig = at(State::Online);
    assert_eq!(rig.hosting.set_locked(true), Code::SUCCESS);
    rig.on(Event::OfflineRequested(7, OfflineFlags::NONE));
    assert_eq!(rig.finished(), Some((7, Code(5960))));
    assert_eq!(rig.state(), State::Online);
    rig.on(Event::OfflineRequested(8, OfflineFlags::IGNORE_RESOURCE_STATUS));
    assert_eq!(rig.state(), State::OfflineCall);
}

#[test]
fn row_25_offline_returns_0_is_offline() {
    let mut rig = at(State::OfflineCall);
    rig.on(Event::CallReturned(Code::SUCCESS, 0));
    assert_eq!(rig.reported(), Some((State::Offline, Code::SUCCESS)));
    assert_eq!(rig.finished(), Some((3, Code::SUCCESS)));
}

#[test]
fn row_26_offline_returns_997_is_pending() {
    let mut rig = at(State::OfflineCall);
    rig.on(Event::CallReturned(IO_PENDING, 0));
    assert_eq!(rig.state(), State::OfflinePending);
    assert!(rig.hosting.next_timeout().is_some());
}

#[test]
fn row_27_offline_returns_anything_else_is_terminated_and_offline() {
    let mut rig = at(State::OfflineCall);
    rig.on(Event::CallReturned(Code(5), 0));
    assert!(rig.did(Effect::CallTerminate));
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.reported(), Some((State::Offline, Code(5))));
}

#[test]
fn row_28_a_new_checkpoint_restarts_the_timer_of_an_offline() {
    let mut rig = at(State::OfflinePending);
    rig.wait(2_999);
    assert_eq!(rig.report(130, 5), Answer { exit: CONTINUE, accepted: true });
    assert_eq!(rig.hosting.next_timeout(), Some(rig.now.after(Duration::from_millis(3_000))));
}

#[test]
fn row_29_status_offline_ends_it() {
    let mut rig = at(State::OfflinePending);
    assert_eq!(rig.report(3, 0), Answer { exit: CONTINUE, accepted: true });
    assert_eq!(rig.reported(), Some((State::Offline, Code::SUCCESS)));
}

#[test]
fn row_30_status_failed_or_unknown_terminates_and_is_offline() {
    for state in [4, -1] {
        let mut rig = at(State::OfflinePending);
        assert_eq!(rig.report(state, 1).exit, TERMINATE);
        assert!(rig.did(Effect::CallTerminate));
        rig.on(Event::TerminateReturned);
        assert_eq!(rig.state(), State::Offline);
    }
}

#[test]
fn row_31_status_online_with_a_delay_flag_stays_online() {
    let mut rig = at(State::OfflinePending);
    let flags = StatusFlags::OFFLINE_BUSY;
    rig.on(Event::Reported(Status { state: 2, flags, ..Status::default() }));
    assert_eq!(rig.state(), State::Online);
    assert!(rig.did(Effect::Delayed(flags)));
    assert_eq!(rig.finished(), Some((3, Code::ERROR_BUSY)));
    assert!(rig.hosting.next_timeout().is_some(), "polls go on");
}

#[test]
fn row_32_the_pending_timer_of_an_offline_terminates() {
    let mut rig = at(State::OfflinePending);
    rig.timer();
    assert!(rig.did(Effect::CallTerminate));
    rig.on(Event::TerminateReturned);
    assert_eq!(rig.reported(), Some((State::Offline, Code::ERROR_TIMEOUT)));
}

#[test]
fn row_33_a_forced_offline_terminates_in_every_state_that_can_run() {
    let running = [
        State::Offline,
        State::OnlineCall,
        State::OnlinePending,
        State::Online,
        State::OfflineCall,
        State::OfflinePending,
        State::Failed,
    ];
    for from in running {
        let mut rig = at(from);
        rig.on(Event::TerminateRequested(7));
        assert!(rig.did(Effect::CallTerminate), "{from:?}");
        assert_eq!(rig.reported().unwrap().0.shown().to_string(), "OfflinePending");
        rig.on(Event::TerminateReturned);
        assert_eq!(rig.reported(), Some((State::Offline, Code::SUCCESS)), "{from:?}");
        assert!(rig.did(Effect::Finish(7, Code::SUCCESS)));
    }
}

#[test]
fn row_34_what_is_at_rest_is_closed() {
    for from in [State::Offline, State::Failed] {
        let mut rig = at(from);
        rig.on(Event::CloseRequested(7));
        assert!(rig.did(Effect::CallClose));
        rig.on(Event::CloseReturned);
        assert_eq!((rig.state(), rig.finished()), (State::Closed, Some((7, Code::SUCCESS))));
    }
    let mut rig = at(State::Online);
    rig.on(Event::CloseRequested(7));
    assert_eq!(rig.finished(), Some((7, Code::ERROR_INVALID_STATE)));
}

// Section 5.3.

#[test]
fn rule_checkpoints_start_from_0_at_every_operation() {
    let mut rig = at(State::OnlinePending);
    rig.report(129, 7);
    rig.report(2, 8);
    rig.on(Event::OfflineRequested(9, OfflineFlags::NONE));
    rig.on(Event::CallReturned(IO_PENDING, 0));
    assert_eq!(rig.hosting.checkpoint(), 0);
    assert!(rig.report(130, 7).accepted, "the value of the operation before is new again");
}

#[test]
fn rule_a_final_state_needs_no_new_checkpoint() {
    let mut rig = at(State::OnlinePending);
    rig.report(129, 3);
    rig.report(2, 3);
    assert_eq!(rig.state(), State::Online);
}

#[test]
fn rule_an_operation_may_stay_pending_while_it_makes_progress_up_to_the_cap() {
    let mut rig = at(State::OnlinePending);
    let began = rig.now;
    for checkpoint in 1.. {
        rig.wait(2_900);
        if rig.hosting.next_timeout().is_none_or(|at| at <= rig.now) {
            rig.on(Event::Timer);
            break;
        }
        assert!(rig.report(129, checkpoint).accepted);
    }
    assert_eq!(rig.reported(), Some((State::Terminating(After::Failed), Code::ERROR_TIMEOUT)));
    assert!(rig.now.since(began) >= Duration::from_secs(30), "ten pending timeouts");
}

#[test]
fn rule_the_smaller_of_pending_and_deadlock_timeout_counts() {
    let timing = Timing { pending_ms: 9_000, deadlock_ms: 2_000, ..timing() };
    let mut rig = Rig { hosting: Hosting::new(timing, true, 0), now: Time::ZERO, effects: Vec::new() };
    for event in [
        Event::OpenRequested(1),
        Event::OpenReturned(Ok(())),
        Event::OnlineRequested(2),
        Event::CallReturned(IO_PENDING, 0),
    ] {
        rig.on(event);
    }
    assert_eq!(rig.hosting.next_timeout(), Some(Time::from_millis(2_000)));
}
