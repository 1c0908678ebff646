//! The pure machine behind one instance: every row of its table of transitions, and its rules.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fmt::Write;
use std::time::Duration;

use stead_monitor::hosting::{After, Answer, Effect, Event, Hosting, Poll, State, Status};
use stead_monitor_protocol::{Cause, Timing};
use stead_types::{Code, OfflineFlags, StatusFlags, Time};

const IO_PENDING: Code = Code::ERROR_IO_PENDING;
const CONTINUE: u32 = 0;
const TERMINATE: u32 = 1;

/// An instance with a clock.
struct Rig {
    hosting: Hosting,
    now: Time,
    effects: Vec<Effect>,
}

fn timing() -> Timing {
    Timing { looks_alive_ms: 1_000, is_alive_ms: 10_000, pending_ms: 3_000, deadlock_ms: 5_000 }
}

fn status(state: i32, checkpoint: u32) -> Status {
    Status { state, checkpoint, ..Status::default() }
}

impl Rig {
    fn new(can_cancel: bool) -> Rig {
        Rig {
            hosting: Hosting::new(timing(), can_cancel, 0),
            now: Time::from_millis(1_000),
            effects: Vec::new(),
        }
    }

    fn on(&mut self, event: Event) -> Answer {
        self.effects.clear();
        self.hosting.handle(event, self.now, &mut self.effects)
    }

    fn report(&mut self, state: i32, checkpoint: u32) -> Answer {
        self.on(Event::Reported(status(state, checkpoint)))
    }

    fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
    }

    /// Lets time pass until the next timeout and says so.
    fn timer(&mut self) {
        self.now = self.hosting.next_timeout().expect("a timeout is planned");
        self.on(Event::Timer);
    }

    fn did(&self, effect: Effect) -> bool {
        self.effects.contains(&effect)
    }

    fn finished(&self) -> Option<(u64, Code)> {
        self.effects.iter().find_map(|effect| match effect {
            Effect::Finish(op, code) => Some((*op, *code)),
            Effect::CallOpen
            | Effect::CallOnline
            | Effect::CallOffline
            | Effect::CallPoll(_)
            | Effect::CallClose
            | Effect::CallTerminate
            | Effect::CallCancel
            | Effect::Wait(_)
            | Effect::StopWaiting
            | Effect::Report(..)
            | Effect::Progress(_)
            | Effect::Delayed(_)
            | Effect::Violation(_) => None,
        })
    }

    /// The state reported last, and its code.
    fn reported(&self) -> Option<(State, Code)> {
        self.effects.iter().rev().find_map(|effect| match effect {
            Effect::Report(state, code, ..) => Some((*state, *code)),
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
            | Effect::Finish(..)
            | Effect::Violation(_) => None,
        })
    }

    fn violated(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Violation(_)))
    }

    fn state(&self) -> State {
        self.hosting.state()
    }
}

/// An instance brought into a state by the events that lead there.
fn at(state: State) -> Rig {
    at_with(state, true, 0)
}

fn at_with(state: State, can_cancel: bool, event: i64) -> Rig {
    let mut rig = Rig::new(can_cancel);
    let open = [Event::OpenRequested(1), Event::OpenReturned(Ok(()))];
    let online = [Event::OnlineRequested(2), Event::CallReturned(Code::SUCCESS, event)];
    let pending = [Event::OnlineRequested(2), Event::CallReturned(IO_PENDING, event)];
    let offline = [Event::OfflineRequested(3, OfflineFlags::NONE)];
    let path: Vec<Event> = match state {
        State::Closed => vec![],
        State::Opening => open[..1].to_vec(),
        State::Offline => open.to_vec(),
        State::OnlineCall => [&open[..], &online[..1]].concat(),
        State::OnlinePending => [&open[..], &pending].concat(),
        State::Online => [&open[..], &online].concat(),
        State::OfflineCall => [&open[..], &online, &offline].concat(),
        State::OfflinePending => {
            [&open[..], &online, &offline, &[Event::CallReturned(IO_PENDING, 0)]].concat()
        }
        State::Terminating(After::Offline) => [&open[..], &online, &[Event::TerminateRequested(4)]].concat(),
        State::Terminating(After::Failed) => [&open[..], &online, &[Event::FailRequested(4)]].concat(),
        State::Failed => [&open[..], &online, &[Event::FailRequested(4), Event::TerminateReturned]].concat(),
        State::Closing => [&open[..], &[Event::CloseRequested(5)]].concat(),
    };
    for event in path {
        rig.on(event);
    }
    assert_eq!(rig.state(), state);
    rig
}

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
