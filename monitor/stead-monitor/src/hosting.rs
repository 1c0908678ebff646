//! What a Resource Monitor does with one instance: pure, `(state, event, now) -> state, effects`.
//!
//! The table in `tests/snapshots/hosting.txt` is this module run over every state and event. Rows and rules are those
//! of resapi/nc-resapi-pset_resource_status_routine, mscs/resource-dll-entry-point-functions and
//! mscs/resource-common-properties; where the pages are silent the reading is written beside the arm.

mod steps;
mod table;
mod words;

use std::time::Duration;

use stead_monitor_protocol::Timing;
use stead_types::{Code, Time};

pub use words::{After, Answer, Effect, Event, Op, Poll, State, Status};

/// A pending operation may go on making progress for this many pending timeouts, then it has failed.
pub const PENDING_CAP: u32 = 10;

const NEVER_MS: u32 = u32::MAX;

/// One instance as the monitor sees it.
#[derive(Clone, Debug)]
pub struct Hosting {
    state: State,
    timing: Timing,
    can_cancel: bool,
    spread: u32,
    /// The request the current operation serves.
    op: Option<Op>,
    /// An offline asked for while coming online: carried out as soon as that has ended.
    then_offline: Option<Op>,
    /// Requests that end when `Terminate` has returned.
    waiters: Vec<Op>,
    checkpoint: u32,
    pending_until: Time,
    capped_at: Time,
    held: Option<Status>,
    event: i64,
    armed: bool,
    polling: Option<Poll>,
    next_looks_alive: Time,
    next_is_alive: Time,
    code: Code,
    locked: bool,
    maintenance: bool,
    blamed: bool,
}

impl Hosting {
    /// A new instance. `can_cancel`: the table has `Cancel`. `spread` (any number, best a hash) shifts polls a little
    /// later, so that instances brought online together are not polled together.
    #[must_use]
    pub fn new(timing: Timing, can_cancel: bool, spread: u32) -> Self {
        Hosting {
            state: State::Closed,
            timing,
            can_cancel,
            spread,
            op: None,
            then_offline: None,
            waiters: Vec::new(),
            checkpoint: 0,
            pending_until: Time::NEVER,
            capped_at: Time::NEVER,
            held: None,
            event: 0,
            armed: false,
            polling: None,
            next_looks_alive: Time::NEVER,
            next_is_alive: Time::NEVER,
            code: Code::SUCCESS,
            locked: false,
            maintenance: false,
            blamed: false,
        }
    }

    /// The state.
    #[must_use]
    pub const fn state(&self) -> State {
        self.state
    }

    /// The last accepted checkpoint of the current operation.
    #[must_use]
    pub const fn checkpoint(&self) -> u32 {
        self.checkpoint
    }

    /// The code of the last failure, 0 after a success.
    #[must_use]
    pub const fn code(&self) -> Code {
        self.code
    }

    /// Locked mode.
    #[must_use]
    pub const fn locked(&self) -> bool {
        self.locked
    }

    /// Maintenance mode.
    #[must_use]
    pub const fn maintenance(&self) -> bool {
        self.maintenance
    }

    /// The time limit of one entry point.
    #[must_use]
    pub fn call_limit(&self) -> Duration {
        limit(self.timing.deadlock_ms)
    }

    /// Begins or ends locked mode. Refused with 5004 unless Online, or OnlinePending.
    ///
    /// Windows: resapi/nc-resapi-pset_resource_locked_mode_routine
    pub fn set_locked(&mut self, locked: bool) -> Code {
        match self.state {
            State::Online | State::OnlineCall | State::OnlinePending => {
                self.locked = locked;
                Code::SUCCESS
            }
            State::Closed
            | State::Opening
            | State::Offline
            | State::OfflineCall
            | State::OfflinePending
            | State::Terminating(_)
            | State::Failed
            | State::Closing => Code::ERROR_RESOURCE_NOT_ONLINE,
        }
    }

    /// Whether a failure may be signalled. Refused with 5004 unless Online. One inside the workload is passed on and
    /// changes no state; a general one is [`Event::FailureSignalled`].
    ///
    /// Windows: resapi/nc-resapi-psignal_failure_routine
    #[must_use]
    pub const fn may_signal(&self) -> Code {
        if matches!(self.state, State::Online) { Code::SUCCESS } else { Code::ERROR_RESOURCE_NOT_ONLINE }
    }

    /// Begins or ends maintenance mode: while it lasts there are no polls.
    pub fn set_maintenance(&mut self, on: bool, now: Time) {
        self.maintenance = on;
        if !on && self.state == State::Online {
            self.schedule_polls(now);
        }
    }

    /// New intervals and limits, in force from the next time each is used.
    pub fn set_timing(&mut self, timing: Timing, now: Time) {
        self.timing = timing;
        if self.state == State::Online {
            self.schedule_polls(now);
        }
    }

    /// When [`Event::Timer`] is due.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let at = match self.state {
            State::OnlinePending | State::OfflinePending => self.pending_until.min(self.capped_at),
            State::Online if self.polling.is_none() && !self.maintenance => {
                let looks = if self.event != 0 && self.armed { Time::NEVER } else { self.next_looks_alive };
                looks.min(self.next_is_alive)
            }
            State::Online
            | State::Closed
            | State::Opening
            | State::Offline
            | State::OnlineCall
            | State::OfflineCall
            | State::Terminating(_)
            | State::Failed
            | State::Closing => Time::NEVER,
        };
        (at != Time::NEVER).then_some(at)
    }

    /// Takes an event in. The answer matters for [`Event::Reported`] only.
    pub fn handle(&mut self, event: Event, now: Time, out: &mut Vec<Effect>) -> Answer {
        match self.state {
            State::Closed => self.when_closed(event, out),
            State::Opening => self.when_opening(event, out),
            State::Offline => self.when_offline(event, out),
            State::OnlineCall => self.when_online_call(event, now, out),
            State::OnlinePending => self.when_online_pending(event, now, out),
            State::Online => self.when_online(event, now, out),
            State::OfflineCall => self.when_offline_call(event, now, out),
            State::OfflinePending => self.when_offline_pending(event, now, out),
            State::Terminating(after) => self.when_terminating(after, event, out),
            State::Failed => self.when_failed(event, out),
            State::Closing => self.when_closing(event, out),
        }
    }
}

/// A time limit; the largest number is none.
pub(crate) fn limit(ms: u32) -> Duration {
    if ms == NEVER_MS { Duration::MAX } else { Duration::from_millis(ms.into()) }
}

fn refuse(op: Op, code: Code, out: &mut Vec<Effect>) -> Answer {
    out.push(Effect::Finish(op, code));
    Answer::IGNORED
}
