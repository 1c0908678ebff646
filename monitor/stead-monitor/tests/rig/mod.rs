//! An instance with a clock, and the ways into its states.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::time::Duration;

use stead_monitor::hosting::{After, Answer, Effect, Event, Hosting, State, Status};
use stead_monitor_protocol::Timing;
use stead_types::{Code, OfflineFlags, Time};

pub(crate) const IO_PENDING: Code = Code::ERROR_IO_PENDING;
pub(crate) const CONTINUE: u32 = 0;
pub(crate) const TERMINATE: u32 = 1;

/// An instance with a clock.
pub(crate) struct Rig {
    pub hosting: Hosting,
    pub now: Time,
    pub effects: Vec<Effect>,
}

pub(crate) fn timing() -> Timing {
    Timing { looks_alive_ms: 1_000, is_alive_ms: 10_000, pending_ms: 3_000, deadlock_ms: 5_000 }
}

pub(crate) fn status(state: i32, checkpoint: u32) -> Status {
    Status { state, checkpoint, ..Status::default() }
}

impl Rig {
    pub(crate) fn new(can_cancel: bool) -> Rig {
        Rig {
            hosting: Hosting::new(timing(), can_cancel, 0),
            now: Time::from_millis(1_000),
            effects: Vec::new(),
        }
    }

    pub(crate) fn on(&mut self, event: Event) -> Answer {
        self.effects.clear();
        self.hosting.handle(event, self.now, &mut self.effects)
    }

    pub(crate) fn report(&mut self, state: i32, checkpoint: u32) -> Answer {
        self.on(Event::Reported(status(state, checkpoint)))
    }

    pub(crate) fn wait(&mut self, ms: u64) {
        self.now = self.now.after(Duration::from_millis(ms));
    }

    /// Lets time pass until the next timeout and says so.
    pub(crate) fn timer(&mut self) {
        self.now = self.hosting.next_timeout().expect("a timeout is planned");
        self.on(Event::Timer);
    }

    pub(crate) fn did(&self, effect: Effect) -> bool {
        self.effects.contains(&effect)
    }

    pub(crate) fn finished(&self) -> Option<(u64, Code)> {
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
    pub(crate) fn reported(&self) -> Option<(State, Code)> {
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

    pub(crate) fn violated(&self) -> bool {
        self.effects.iter().any(|effect| matches!(effect, Effect::Violation(_)))
    }

    pub(crate) fn state(&self) -> State {
        self.hosting.state()
    }
}

/// An instance brought into a state by the events that lead there.
pub(crate) fn at(state: State) -> Rig {
    at_with(state, true, 0)
}

pub(crate) fn at_with(state: State, can_cancel: bool, event: i64) -> Rig {
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
