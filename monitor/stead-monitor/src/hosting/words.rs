//! States, events and effects of one instance.

use stead_monitor_protocol::Cause;
use stead_types::{Code, OfflineFlags, ResourceState, StatusFlags};

/// What is going on between the monitor and one instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// No instance.
    Closed,
    /// `Open` runs.
    Opening,
    /// Open, not serving.
    Offline,
    /// `Online` runs.
    OnlineCall,
    /// `Online` returned `ERROR_IO_PENDING`.
    OnlinePending,
    /// Serving, polled.
    Online,
    /// `Offline` runs.
    OfflineCall,
    /// `Offline` returned `ERROR_IO_PENDING`.
    OfflinePending,
    /// `Terminate` runs; the state it leads to.
    Terminating(After),
    /// A failure, and `Terminate` has returned.
    Failed,
    /// `Close` runs.
    Closing,
}

/// Where `Terminate` leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum After {
    /// It was asked for, or ended an offline.
    Offline,
    /// It followed a failure.
    Failed,
}

impl State {
    /// Every state, for tables.
    pub const ALL: [State; 12] = [
        State::Closed,
        State::Opening,
        State::Offline,
        State::OnlineCall,
        State::OnlinePending,
        State::Online,
        State::OfflineCall,
        State::OfflinePending,
        State::Terminating(After::Offline),
        State::Terminating(After::Failed),
        State::Failed,
        State::Closing,
    ];

    /// True where `Close` is not refused.
    #[must_use]
    pub const fn closes(self) -> bool {
        match self {
            State::Closed | State::Offline | State::Failed => true,
            State::Opening
            | State::OnlineCall
            | State::OnlinePending
            | State::Online
            | State::OfflineCall
            | State::OfflinePending
            | State::Terminating(_)
            | State::Closing => false,
        }
    }

    /// True if there is no instance, or soon will be none, whatever happens.
    #[must_use]
    pub const fn ends(self) -> bool {
        match self {
            State::Closed | State::Closing => true,
            State::Opening
            | State::Offline
            | State::OnlineCall
            | State::OnlinePending
            | State::Online
            | State::OfflineCall
            | State::OfflinePending
            | State::Terminating(_)
            | State::Failed => false,
        }
    }

    /// The state people and the node see. Pending is shown from the start of the call, so that nobody sees Offline
    /// while a call runs.
    #[must_use]
    pub const fn shown(self) -> ResourceState {
        match self {
            State::Closed | State::Opening => ResourceState::Initializing,
            State::Offline | State::Closing => ResourceState::Offline,
            State::OnlineCall | State::OnlinePending => ResourceState::OnlinePending,
            State::Online => ResourceState::Online,
            State::OfflineCall | State::OfflinePending | State::Terminating(After::Offline) => {
                ResourceState::OfflinePending
            }
            State::Terminating(After::Failed) | State::Failed => ResourceState::Failed,
        }
    }

    /// True if the monitor itself is not changing the state.
    #[must_use]
    pub const fn settled(self) -> bool {
        matches!(self, State::Closed | State::Offline | State::Online | State::Failed)
    }
}

/// A request of the node or of a person; how it ended is told by [`Effect::Finish`].
pub type Op = u64;

/// A status report of the resource DLL, from either form of the callback.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Status {
    /// `ResourceState` as it stands there.
    pub state: i32,
    /// `CheckPoint`.
    pub checkpoint: u32,
    /// `EventHandle`; 0 is none.
    pub event: i64,
    /// `ApplicationSpecificErrorCode`; 0 from the older form.
    pub code: u32,
    /// `Flags`; none from the older form.
    pub flags: StatusFlags,
    /// The last error of the reporting thread, which state -1 refers to.
    pub last_error: u32,
}

/// Which health check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Poll {
    /// The cheap one.
    LooksAlive,
    /// The thorough one.
    IsAlive,
}

/// Everything that can happen to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Event {
    /// Bring the instance into being.
    OpenRequested(Op),
    /// `Open` returned: an instance, or none and a last error.
    OpenReturned(Result<(), Code>),
    /// Bring it online.
    OnlineRequested(Op),
    /// Take it offline.
    OfflineRequested(Op, OfflineFlags),
    /// Stop it at once.
    TerminateRequested(Op),
    /// Ask the DLL to give up the pending operation.
    CancelRequested(Op),
    /// Treat it as failed.
    FailRequested(Op),
    /// End it.
    CloseRequested(Op),
    /// `Online` or `Offline` returned; `Online` with its event handle.
    CallReturned(Code, i64),
    /// A health check returned.
    PollReturned(Poll, bool),
    /// `Terminate` returned.
    TerminateReturned,
    /// `Close` returned.
    CloseReturned,
    /// A status report.
    Reported(Status),
    /// `SignalFailure(FAILURE_TYPE_GENERAL)` with the DLL's code.
    FailureSignalled(u32),
    /// The event handle became readable.
    EventSignalled,
    /// The event handle is quiet again and is waited for.
    EventArmed,
    /// The event handle cannot be waited for.
    EventUnusable,
    /// The instant of [`Hosting::next_timeout`] has come.
    Timer,
}

/// What is to be done. In order.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Effect {
    /// Call `Open`, when no other call runs.
    CallOpen,
    /// Call `Online`, when no other call runs.
    CallOnline,
    /// Call `Offline`, when no other call runs.
    CallOffline,
    /// Call a health check, when no other call runs.
    CallPoll(Poll),
    /// Call `Close`, when no other call runs.
    CallClose,
    /// Call `Terminate` now, whatever runs; what waits for its turn is dropped.
    CallTerminate,
    /// Call `Cancel` now, whatever runs.
    CallCancel,
    /// Wait for the event handle; say `EventArmed` or, if it is readable already, poll on.
    Wait(i64),
    /// Stop waiting for it.
    StopWaiting,
    /// The state changed to this, or settled in it.
    Report(State, Code, StatusFlags, Cause),
    /// The pending operation made progress.
    Progress(u32),
    /// The DLL delayed or refused the offline.
    Delayed(StatusFlags),
    /// A request ended.
    Finish(Op, Code),
    /// The DLL broke a rule.
    Violation(&'static str),
}

/// What a status callback returns, and whether the report was acted on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// `ResourceExitStateContinue` 0 or `ResourceExitStateTerminate` 1.
    pub exit: u32,
    /// True if the report changed anything.
    pub accepted: bool,
}

impl Answer {
    pub(super) const TAKEN: Answer = Answer { exit: 0, accepted: true };
    pub(super) const IGNORED: Answer = Answer { exit: 0, accepted: false };
    pub(super) const STOP: Answer = Answer { exit: 1, accepted: false };
    pub(super) const LAST: Answer = Answer { exit: 1, accepted: true };
}

/// What a state number means in a report.
pub(super) enum Meaning {
    Online,
    Offline,
    Failed,
    OnlinePending,
    OfflinePending,
    /// -1: ask the last error.
    Unknown,
    /// 126: cannot come online on any node.
    NoNode,
    /// 127: cannot come online on this node.
    NotThisNode,
    /// Not for reports.
    Nonsense,
}

pub(super) fn meaning(state: i32) -> Meaning {
    match state {
        2 => Meaning::Online,
        3 => Meaning::Offline,
        4 => Meaning::Failed,
        129 => Meaning::OnlinePending,
        130 => Meaning::OfflinePending,
        -1 => Meaning::Unknown,
        126 => Meaning::NoNode,
        127 => Meaning::NotThisNode,
        _ => Meaning::Nonsense,
    }
}

pub(super) fn failure_code(status: Status) -> Code {
    match meaning(status.state) {
        Meaning::NoNode => Code::ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR,
        Meaning::NotThisNode => Code::ERROR_NODE_CANT_HOST_RESOURCE,
        Meaning::Unknown if status.last_error != 0 => Code(status.last_error),
        Meaning::Unknown
        | Meaning::Online
        | Meaning::Offline
        | Meaning::Failed
        | Meaning::OnlinePending
        | Meaning::OfflinePending
        | Meaning::Nonsense => {
            if status.code == 0 {
                Code::ERROR_RESOURCE_FAILED
            } else {
                Code(status.code)
            }
        }
    }
}
