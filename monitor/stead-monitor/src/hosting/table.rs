//! The transitions: state first, then event, every pair spelled out.

use stead_monitor_protocol::Cause;
use stead_types::{Code, OfflineFlags, StatusFlags, Time};

use super::words::{Meaning, failure_code, meaning};
use super::{After, Answer, Effect, Event, Hosting, Poll, State, refuse};

impl Hosting {
    pub(super) fn when_closed(&mut self, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::OpenRequested(op) => {
                self.op = Some(op);
                self.state = State::Opening;
                out.push(Effect::Report(self.state, Code::SUCCESS, StatusFlags::NONE, Cause::Requested));
                out.push(Effect::CallOpen);
                Answer::TAKEN
            }
            Event::CloseRequested(op) | Event::TerminateRequested(op) => {
                out.push(Effect::Finish(op, Code::SUCCESS));
                Answer::TAKEN
            }
            Event::OnlineRequested(op)
            | Event::OfflineRequested(op, _)
            | Event::CancelRequested(op)
            | Event::FailRequested(op) => refuse(op, Code::ERROR_RESOURCE_NOT_FOUND, out),
            Event::Reported(_) => self.blame("status after Close", out),
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }

    pub(super) fn when_opening(&mut self, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::OpenReturned(Ok(())) => {
                self.state = State::Offline;
                out.push(Effect::Report(self.state, Code::SUCCESS, StatusFlags::NONE, Cause::Returned));
                self.finish(Code::SUCCESS, out);
                Answer::TAKEN
            }
            Event::OpenReturned(Err(code)) => {
                self.state = State::Closed;
                out.push(Effect::Report(self.state, code, StatusFlags::NONE, Cause::Returned));
                self.finish(code, out);
                Answer::TAKEN
            }
            // `Terminate` never overlaps `Open`.
            Event::OpenRequested(op)
            | Event::OnlineRequested(op)
            | Event::OfflineRequested(op, _)
            | Event::TerminateRequested(op)
            | Event::CancelRequested(op)
            | Event::CloseRequested(op) => refuse(op, Code::ERROR_INVALID_STATE, out),
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            Event::Reported(_) => self.blame("status while no operation is pending", out),
            Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }

    pub(super) fn when_offline(&mut self, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::OfflineRequested(op, _) => {
                out.push(Effect::Finish(op, Code::SUCCESS));
                Answer::TAKEN
            }
            Event::OpenRequested(_)
            | Event::OpenReturned(_)
            | Event::OnlineRequested(_)
            | Event::TerminateRequested(_)
            | Event::CancelRequested(_)
            | Event::FailRequested(_)
            | Event::CloseRequested(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::Reported(_)
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => self.when_at_rest(event, out),
        }
    }

    pub(super) fn when_failed(&mut self, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::OfflineRequested(op, _) => refuse(op, Code::ERROR_RESOURCE_FAILED, out),
            Event::OpenRequested(_)
            | Event::OpenReturned(_)
            | Event::OnlineRequested(_)
            | Event::TerminateRequested(_)
            | Event::CancelRequested(_)
            | Event::FailRequested(_)
            | Event::CloseRequested(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::Reported(_)
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => self.when_at_rest(event, out),
        }
    }

    /// What Offline and Failed have in common.
    pub(super) fn when_at_rest(&mut self, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::OnlineRequested(op) => {
                self.op = Some(op);
                self.begin_operation(State::OnlineCall);
                self.event = 0;
                self.code = Code::SUCCESS;
                out.push(Effect::Report(self.state, Code::SUCCESS, StatusFlags::NONE, Cause::Requested));
                out.push(Effect::CallOnline);
                Answer::TAKEN
            }
            Event::TerminateRequested(op) => self.terminate_on_request(op, out),
            Event::CloseRequested(op) => {
                self.op = Some(op);
                self.state = State::Closing;
                out.push(Effect::CallClose);
                Answer::TAKEN
            }
            Event::CancelRequested(op) | Event::OfflineRequested(op, _) => {
                out.push(Effect::Finish(op, Code::SUCCESS));
                Answer::TAKEN
            }
            Event::OpenRequested(op) => refuse(op, Code::ERROR_INVALID_STATE, out),
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            Event::Reported(_) => self.blame("status while no operation is pending", out),
            // The result of a call that `Terminate` overtook is ignored.
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }

    pub(super) fn when_online_call(&mut self, event: Event, now: Time, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::CallReturned(Code::SUCCESS, handle) => {
                self.held = None;
                if handle != 0 {
                    self.event = handle;
                }
                self.come_online(StatusFlags::NONE, Cause::Returned, now, out);
                Answer::TAKEN
            }
            Event::CallReturned(Code::ERROR_IO_PENDING, handle) => {
                self.event = handle;
                self.begin_pending(State::OnlinePending, now);
                self.release_held(now, out)
            }
            Event::CallReturned(code, _) => {
                self.fail(code, StatusFlags::NONE, Cause::Returned, out);
                Answer::TAKEN
            }
            Event::Reported(status) => self.hold(status, out),
            Event::TerminateRequested(op) => self.terminate_on_request(op, out),
            Event::OfflineRequested(op, _) => self.offline_while_coming_online(op, out),
            Event::CancelRequested(op) => self.cancel(op, out),
            Event::OpenRequested(op) | Event::OnlineRequested(op) | Event::CloseRequested(op) => {
                refuse(op, Code::ERROR_INVALID_STATE, out)
            }
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            Event::OpenReturned(_)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }

    pub(super) fn when_online_pending(&mut self, event: Event, now: Time, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::Reported(status) => match meaning(status.state) {
                Meaning::OnlinePending => self.progress(status, now, out),
                Meaning::OfflinePending => self.wrong_direction(out),
                Meaning::Online => {
                    if status.event != 0 {
                        self.event = status.event;
                    }
                    self.come_online(status.flags, Cause::Reported, now, out);
                    Answer::TAKEN
                }
                // Offline during an online is a failure, like the states that say so.
                Meaning::Failed
                | Meaning::Offline
                | Meaning::Unknown
                | Meaning::NoNode
                | Meaning::NotThisNode => {
                    self.fail(failure_code(status), status.flags, Cause::Reported, out);
                    Answer::LAST
                }
                Meaning::Nonsense => self.blame("status with a state that is not for reports", out),
            },
            Event::Timer => {
                if now >= self.pending_until {
                    self.fail(Code::ERROR_TIMEOUT, StatusFlags::NONE, Cause::PendingTimeout, out);
                } else if now >= self.capped_at {
                    self.fail(Code::ERROR_TIMEOUT, StatusFlags::NONE, Cause::PendingCap, out);
                }
                Answer::TAKEN
            }
            Event::TerminateRequested(op) => self.terminate_on_request(op, out),
            Event::OfflineRequested(op, _) => self.offline_while_coming_online(op, out),
            Event::CancelRequested(op) => self.cancel(op, out),
            Event::OpenRequested(op) | Event::OnlineRequested(op) | Event::CloseRequested(op) => {
                refuse(op, Code::ERROR_INVALID_STATE, out)
            }
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable => Answer::STOP,
        }
    }

    pub(super) fn when_online(&mut self, event: Event, now: Time, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::OfflineRequested(op, flags) => {
                if self.locked && !flags.contains(OfflineFlags::IGNORE_RESOURCE_STATUS) {
                    return refuse(op, Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS, out);
                }
                self.op = Some(op);
                self.leave_online(State::OfflineCall, out);
                out.push(Effect::Report(self.state, Code::SUCCESS, StatusFlags::NONE, Cause::Requested));
                out.push(Effect::CallOffline);
                Answer::TAKEN
            }
            Event::Timer => {
                if self.polling.is_none() && !self.maintenance {
                    if now >= self.next_is_alive {
                        self.poll(Poll::IsAlive, out);
                    } else if now >= self.next_looks_alive && !(self.event != 0 && self.armed) {
                        self.poll(Poll::LooksAlive, out);
                    }
                }
                Answer::TAKEN
            }
            Event::EventSignalled => {
                self.armed = false;
                if self.polling != Some(Poll::IsAlive) && !self.maintenance {
                    self.poll(Poll::IsAlive, out);
                }
                Answer::TAKEN
            }
            Event::PollReturned(Poll::LooksAlive, false) => {
                self.poll(Poll::IsAlive, out);
                Answer::TAKEN
            }
            Event::PollReturned(Poll::IsAlive, false) => {
                self.fail(Code::ERROR_RESOURCE_FAILED, StatusFlags::NONE, Cause::IsAlive, out);
                Answer::TAKEN
            }
            Event::PollReturned(poll, true) => {
                self.polling = None;
                // A poll begins one interval after the end of the last; LooksAlive counts after IsAlive too.
                self.next_looks_alive = self.after(self.timing.looks_alive_ms, now);
                match poll {
                    Poll::IsAlive => self.next_is_alive = self.after(self.timing.is_alive_ms, now),
                    Poll::LooksAlive => {}
                }
                if self.event != 0 && !self.armed {
                    out.push(Effect::Wait(self.event));
                }
                Answer::TAKEN
            }
            Event::EventArmed => {
                self.armed = true;
                Answer::TAKEN
            }
            Event::EventUnusable => {
                self.event = 0;
                self.armed = false;
                out.push(Effect::Violation("the event handle cannot be waited for"));
                Answer::TAKEN
            }
            Event::FailureSignalled(code) => {
                let code = if code == 0 { Code::ERROR_RESOURCE_FAILED } else { Code(code) };
                self.fail(code, StatusFlags::NONE, Cause::Signalled, out);
                Answer::TAKEN
            }
            Event::FailRequested(op) => {
                out.push(Effect::Finish(op, Code::SUCCESS));
                self.fail(Code::ERROR_RESOURCE_FAILED, StatusFlags::NONE, Cause::Requested, out);
                Answer::TAKEN
            }
            Event::TerminateRequested(op) => self.terminate_on_request(op, out),
            Event::OnlineRequested(op) | Event::CancelRequested(op) => {
                out.push(Effect::Finish(op, Code::SUCCESS));
                Answer::TAKEN
            }
            Event::OpenRequested(op) | Event::CloseRequested(op) => {
                refuse(op, Code::ERROR_INVALID_STATE, out)
            }
            Event::Reported(_) => self.blame("status while no operation is pending", out),
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned => Answer::STOP,
        }
    }

    pub(super) fn when_offline_call(&mut self, event: Event, now: Time, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::CallReturned(Code::SUCCESS, _) => {
                self.held = None;
                self.come_offline(Code::SUCCESS, StatusFlags::NONE, Cause::Returned, out);
                Answer::TAKEN
            }
            Event::CallReturned(Code::ERROR_IO_PENDING, _) => {
                self.begin_pending(State::OfflinePending, now);
                self.release_held(now, out)
            }
            Event::CallReturned(code, _) => {
                self.give_up_offline(code, StatusFlags::NONE, Cause::Returned, out);
                Answer::TAKEN
            }
            Event::Reported(status) => self.hold(status, out),
            Event::TerminateRequested(op) => self.terminate_on_request(op, out),
            Event::CancelRequested(op) => self.cancel(op, out),
            Event::OpenRequested(op)
            | Event::OnlineRequested(op)
            | Event::OfflineRequested(op, _)
            | Event::CloseRequested(op) => refuse(op, Code::ERROR_INVALID_STATE, out),
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            // A health check that ran when the offline was asked for returns before `Offline` is called.
            Event::PollReturned(..)
            | Event::OpenReturned(_)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }

    pub(super) fn when_offline_pending(&mut self, event: Event, now: Time, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::Reported(status) => match meaning(status.state) {
                Meaning::OfflinePending => self.progress(status, now, out),
                Meaning::OnlinePending => self.wrong_direction(out),
                Meaning::Offline => {
                    self.come_offline(Code::SUCCESS, status.flags, Cause::Reported, out);
                    Answer::TAKEN
                }
                Meaning::Online => {
                    self.stay_online(status.flags, now, out);
                    Answer::TAKEN
                }
                Meaning::Failed | Meaning::Unknown | Meaning::NoNode | Meaning::NotThisNode => {
                    self.give_up_offline(failure_code(status), status.flags, Cause::Reported, out);
                    Answer::LAST
                }
                Meaning::Nonsense => self.blame("status with a state that is not for reports", out),
            },
            Event::Timer => {
                if now >= self.pending_until {
                    self.give_up_offline(Code::ERROR_TIMEOUT, StatusFlags::NONE, Cause::PendingTimeout, out);
                } else if now >= self.capped_at {
                    self.give_up_offline(Code::ERROR_TIMEOUT, StatusFlags::NONE, Cause::PendingCap, out);
                }
                Answer::TAKEN
            }
            Event::TerminateRequested(op) => self.terminate_on_request(op, out),
            Event::CancelRequested(op) => self.cancel(op, out),
            Event::OpenRequested(op)
            | Event::OnlineRequested(op)
            | Event::OfflineRequested(op, _)
            | Event::CloseRequested(op) => refuse(op, Code::ERROR_INVALID_STATE, out),
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable => Answer::STOP,
        }
    }

    pub(super) fn when_terminating(&mut self, after: After, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::TerminateReturned => {
                self.state = match after {
                    After::Offline => State::Offline,
                    After::Failed => State::Failed,
                };
                out.push(Effect::Report(self.state, self.code, StatusFlags::NONE, Cause::Returned));
                for op in std::mem::take(&mut self.waiters) {
                    out.push(Effect::Finish(op, Code::SUCCESS));
                }
                self.finish(self.code, out);
                Answer::TAKEN
            }
            Event::TerminateRequested(op) => {
                self.waiters.push(op);
                self.state = State::Terminating(After::Offline);
                Answer::TAKEN
            }
            Event::Reported(_) => Answer::STOP,
            Event::CancelRequested(op) => {
                out.push(Effect::Finish(op, Code::SUCCESS));
                Answer::TAKEN
            }
            Event::OpenRequested(op)
            | Event::OnlineRequested(op)
            | Event::OfflineRequested(op, _)
            | Event::CloseRequested(op) => refuse(op, Code::ERROR_INVALID_STATE, out),
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            // What `Terminate` overtook.
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::CloseReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }

    pub(super) fn when_closing(&mut self, event: Event, out: &mut Vec<Effect>) -> Answer {
        match event {
            Event::CloseReturned => {
                self.state = State::Closed;
                self.finish(Code::SUCCESS, out);
                Answer::TAKEN
            }
            Event::OpenRequested(op)
            | Event::OnlineRequested(op)
            | Event::OfflineRequested(op, _)
            | Event::TerminateRequested(op)
            | Event::CancelRequested(op)
            | Event::CloseRequested(op) => refuse(op, Code::ERROR_INVALID_STATE, out),
            Event::FailRequested(op) => refuse(op, Code::ERROR_RESMON_INVALID_STATE, out),
            Event::Reported(_) => self.blame("status while no operation is pending", out),
            Event::OpenReturned(_)
            | Event::CallReturned(..)
            | Event::PollReturned(..)
            | Event::TerminateReturned
            | Event::FailureSignalled(_)
            | Event::EventSignalled
            | Event::EventArmed
            | Event::EventUnusable
            | Event::Timer => Answer::STOP,
        }
    }
}
