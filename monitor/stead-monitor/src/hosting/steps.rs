//! What the transitions do.

use std::time::Duration;

use stead_monitor_protocol::Cause;
use stead_types::{Code, StatusFlags, Time};

use super::words::{Meaning, meaning};
use super::{
    After, Answer, Effect, Event, Hosting, NEVER_MS, Op, PENDING_CAP, Poll, State, Status, limit, refuse,
};

impl Hosting {
    pub(super) fn finish(&mut self, code: Code, out: &mut Vec<Effect>) {
        if let Some(op) = self.op.take() {
            out.push(Effect::Finish(op, code));
        }
    }

    pub(super) fn begin_operation(&mut self, state: State) {
        self.state = state;
        self.checkpoint = 0;
        self.held = None;
        self.then_offline = None;
    }

    pub(super) fn begin_pending(&mut self, state: State, now: Time) {
        self.state = state;
        let limit = self.pending_limit();
        self.pending_until = now.after(limit);
        self.capped_at = now.after(limit.saturating_mul(PENDING_CAP));
    }

    pub(super) fn pending_limit(&self) -> Duration {
        limit(self.timing.pending_ms.min(self.timing.deadlock_ms))
    }

    /// A report that came before the entry point returned waits for what it returns. One is kept: a final one, else
    /// the latest.
    pub(super) fn hold(&mut self, status: Status, out: &mut Vec<Effect>) -> Answer {
        // Held, it would keep out the final report that may follow.
        if let Meaning::Nonsense = meaning(status.state) {
            return self.blame("status with a state that is not for reports", out);
        }
        let pending = |status: &Status| {
            matches!(meaning(status.state), Meaning::OnlinePending | Meaning::OfflinePending)
        };
        if self.held.as_ref().is_none_or(pending) {
            self.held = Some(status);
            Answer::TAKEN
        } else {
            Answer::IGNORED
        }
    }

    pub(super) fn release_held(&mut self, now: Time, out: &mut Vec<Effect>) -> Answer {
        match self.held.take() {
            Some(status) => self.handle(Event::Reported(status), now, out),
            None => Answer::TAKEN,
        }
    }

    /// Acts on a pending report only if its checkpoint differs from the last one seen.
    pub(super) fn progress(&mut self, status: Status, now: Time, out: &mut Vec<Effect>) -> Answer {
        if status.checkpoint == self.checkpoint {
            return Answer::IGNORED;
        }
        self.checkpoint = status.checkpoint;
        self.pending_until = now.after(self.pending_limit());
        out.push(Effect::Progress(status.checkpoint));
        Answer::TAKEN
    }

    pub(super) fn wrong_direction(&mut self, out: &mut Vec<Effect>) -> Answer {
        if !std::mem::replace(&mut self.blamed, true) {
            out.push(Effect::Violation("pending status of the wrong direction"));
        }
        Answer::IGNORED
    }

    /// Ignores a report that must not be; says so once an instance.
    pub(super) fn blame(&mut self, rule: &'static str, out: &mut Vec<Effect>) -> Answer {
        if !std::mem::replace(&mut self.blamed, true) {
            out.push(Effect::Violation(rule));
        }
        Answer::STOP
    }

    pub(super) fn come_online(&mut self, flags: StatusFlags, cause: Cause, now: Time, out: &mut Vec<Effect>) {
        self.state = State::Online;
        self.code = Code::SUCCESS;
        self.polling = None;
        self.armed = false;
        self.schedule_polls(now);
        if self.event != 0 {
            out.push(Effect::Wait(self.event));
        }
        out.push(Effect::Report(self.state, Code::SUCCESS, flags, cause));
        self.finish(Code::SUCCESS, out);
        if let Some(op) = self.then_offline.take() {
            self.op = Some(op);
            self.leave_online(State::OfflineCall, out);
            out.push(Effect::Report(self.state, Code::SUCCESS, StatusFlags::NONE, Cause::Requested));
            out.push(Effect::CallOffline);
        }
    }

    pub(super) fn come_offline(
        &mut self,
        code: Code,
        flags: StatusFlags,
        cause: Cause,
        out: &mut Vec<Effect>,
    ) {
        self.state = State::Offline;
        self.code = code;
        self.locked = false;
        self.event = 0;
        out.push(Effect::Report(self.state, code, flags, cause));
        self.finish(code, out);
    }

    /// The DLL delayed or refused the offline: it never stopped.
    pub(super) fn stay_online(&mut self, flags: StatusFlags, now: Time, out: &mut Vec<Effect>) {
        self.state = State::Online;
        self.schedule_polls(now);
        if self.event != 0 {
            out.push(Effect::Wait(self.event));
        }
        out.push(Effect::Report(self.state, Code::SUCCESS, flags, Cause::Reported));
        out.push(Effect::Delayed(flags));
        self.finish(Code::ERROR_BUSY, out);
    }

    pub(super) fn leave_online(&mut self, state: State, out: &mut Vec<Effect>) {
        self.begin_operation(state);
        self.polling = None;
        if self.event != 0 {
            self.armed = false;
            out.push(Effect::StopWaiting);
        }
    }

    pub(super) fn fail(&mut self, code: Code, flags: StatusFlags, cause: Cause, out: &mut Vec<Effect>) {
        let after = if self.then_offline.is_some() { After::Offline } else { After::Failed };
        let then = self.then_offline.take();
        self.waiters.extend(then);
        self.leave_online(State::Terminating(after), out);
        self.event = 0;
        self.locked = false;
        self.code = code;
        // Failed is reported first, then `Terminate` is called.
        out.push(Effect::Report(self.state, code, flags, cause));
        out.push(Effect::CallTerminate);
    }

    /// An offline that failed or took too long ends with `Terminate`, after which it is offline all the same.
    pub(super) fn give_up_offline(
        &mut self,
        code: Code,
        flags: StatusFlags,
        cause: Cause,
        out: &mut Vec<Effect>,
    ) {
        self.state = State::Terminating(After::Offline);
        self.held = None;
        self.locked = false;
        self.event = 0;
        self.code = code;
        out.push(Effect::Report(self.state, code, flags, cause));
        out.push(Effect::CallTerminate);
    }

    pub(super) fn terminate_on_request(&mut self, op: Op, out: &mut Vec<Effect>) -> Answer {
        let interrupted = self.op.take();
        let then = self.then_offline.take();
        self.leave_online(State::Terminating(After::Offline), out);
        self.event = 0;
        self.locked = false;
        self.code = Code::SUCCESS;
        self.waiters.push(op);
        self.waiters.extend(then);
        out.push(Effect::Report(self.state, Code::SUCCESS, StatusFlags::NONE, Cause::Requested));
        if let Some(interrupted) = interrupted {
            out.push(Effect::Finish(interrupted, Code::ERROR_OPERATION_ABORTED));
        }
        out.push(Effect::CallTerminate);
        Answer::TAKEN
    }

    /// An offline asked for on the way online: the DLL is asked to stop where it can be, else terminated.
    pub(super) fn offline_while_coming_online(&mut self, op: Op, out: &mut Vec<Effect>) -> Answer {
        if self.then_offline.is_some() {
            return refuse(op, Code::ERROR_INVALID_STATE, out);
        }
        if !self.can_cancel {
            return self.terminate_on_request(op, out);
        }
        self.then_offline = Some(op);
        out.push(Effect::CallCancel);
        Answer::TAKEN
    }

    pub(super) fn cancel(&mut self, op: Op, out: &mut Vec<Effect>) -> Answer {
        if self.can_cancel {
            out.push(Effect::CallCancel);
            out.push(Effect::Finish(op, Code::SUCCESS));
            Answer::TAKEN
        } else {
            refuse(op, Code::ERROR_CALL_NOT_IMPLEMENTED, out)
        }
    }

    pub(super) fn poll(&mut self, poll: Poll, out: &mut Vec<Effect>) {
        self.polling = Some(poll);
        out.push(Effect::CallPoll(poll));
    }

    pub(super) fn schedule_polls(&mut self, now: Time) {
        self.next_looks_alive = self.after(self.timing.looks_alive_ms, now);
        self.next_is_alive = self.after(self.timing.is_alive_ms, now);
    }

    /// One interval from now, later by up to a tenth of it: a poll may be late, never early.
    pub(super) fn after(&self, interval_ms: u32, now: Time) -> Time {
        if interval_ms == NEVER_MS {
            return Time::NEVER;
        }
        let interval = Duration::from_millis(interval_ms.into());
        now.after(interval + interval / 1_000 * (self.spread % 100))
    }
}
