//! Wrong versions of the protocol. The simulator has to find each; nothing that ships can choose one.

macro_rules! mutants {
    ($($(#[$meta:meta])* $name:ident,)+) => {
        /// A wrong version of the protocol, one error each.
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
        pub enum Mutant {
            $($(#[$meta])* $name,)+
        }

        impl Mutant {
            /// All of them.
            pub const ALL: &[Mutant] = &[$(Mutant::$name,)+];
        }
    };
}

mutants! {
    /// The deadline counts from the acknowledgement, not from the send.
    DeadlineFromAck,
    /// A renewal whose outcome is unknown moves the deadline.
    DeadlineFromUnknown,
    /// A renewal that is found committed by reading counts from the reading.
    DeadlineFromReadBack,
    /// An acknowledgement counts from the send of the latest request, whichever it answers.
    DeadlineFromLatestSend,
    /// Who finds its session changed renews it all the same.
    ConflictOverwritten,
    /// A new session begins before the work of the deposed one is verified gone.
    DeposedNotVerified,
    /// A successor waits D only.
    WaitDeadlineOnly,
    /// A successor leaves out the time a kill takes.
    WaitWithoutKill,
    /// A successor leaves out how far clocks may be off.
    WaitWithoutRate,
    /// A successor computes the wait from its own timings.
    WaitFromOwnTimings,
    /// A successor goes on counting when the counter changes.
    WaitNotRestarted,
    /// A name in use is taken at once.
    NameTakenAtOnce,
    /// Any other boot id counts as a reboot, whatever machine it is.
    RebootOfAnyMachine,
    /// A fence agent's word for an earlier session counts for the present one.
    FencedAnySession,
    /// Another incarnation of the store changes nothing.
    IncarnationIgnored,
    /// After a new incarnation nobody waits.
    NoQuarantine,
    /// A session that was deleted is over.
    AbsenceFrees,
    /// A node that was not seen for two renewals is over.
    SuspicionFrees,
    /// Another session of the same node means that the earlier one is over, however it came.
    ReplacedUnasked,
    /// A session that was not seen yet counts as replaced by the one that was seen last.
    UnseenIsReplaced,
    /// The session is given up before the work is gone.
    ActsWhileLeaving,
    /// What a read shows is believed though something newer is known.
    OldNewsBelieved,
    /// Nobody takes over.
    TakeoverNever,
    /// After a lapse the session is never used again.
    LapseForEver,
    /// After an unknown outcome nothing is asked again.
    UnknownForEver,
    /// A guard takes a deadline of any session.
    GuardTakesAnySession,
    /// A guard takes any deadline.
    GuardTakesAnyDeadline,
    /// A renewal is written without its guard.
    RenewalBlind,
    /// A takeover is written without its guard.
    TakeoverBlind,
    /// Groups are assigned without a guard.
    AssignBlind,
    /// A group's start does not wait for its assignment.
    StartBeforeCommit,
    /// What looks assigned in an old list is started by a process that does not know what was before.
    StartUnconfirmed,
    /// A group is released when its end is asked for, not when it is verified.
    ReleaseBeforeGone,
    /// There is no kernel timer: the node process alone looks at the deadline.
    NoKernelTimer,
    /// The timer counts from when the guard hears of the deadline.
    TimerFromReceipt,
    /// The timer stands still while the machine sleeps.
    TimerStopsInSleep,
    /// A node process that starts again goes on with what the guardian kept, without asking the store.
    KeptUnasked,
    /// That the store is another one is forgotten by a process that ends before its session has begun.
    DoubtForgotten,
    /// Who marks a node dead starts its groups at the same time, before the mark is committed.
    AssignBeforeMark,
    /// A document that is older than the one known is believed.
    OldGenerationBelieved,
    /// Groups of a node that is silent are assigned, whatever the lease machine says of its session.
    FreedIgnored,
    /// Failovers are not counted.
    BudgetForgotten,
    /// Nodes that are paused, drained or quarantined get groups.
    PauseIgnored,
    /// How an order ended is not kept.
    OrderForgotten,
    /// What is wanted of a group stays changed although the request for it is refused.
    RefusedIsKept,
}

/// True where mutants can be chosen at all: in builds of the simulator, and of everything at once for tests. What ships
/// asserts at compile time that it is not one of those.
pub const MUTANTS: bool = cfg!(feature = "mutants");

/// Which mutants are chosen: none, without the feature `mutants`.
#[derive(Clone, Copy, Default, PartialEq, Eq, Debug)]
pub struct Mutants(u64);

impl Mutants {
    /// The protocol as it is meant.
    pub const NONE: Mutants = Mutants(0);

    /// These wrong versions together.
    #[cfg(feature = "mutants")]
    #[must_use]
    pub fn of(chosen: &[Mutant]) -> Self {
        Mutants(chosen.iter().fold(0, |bits, mutant| bits | 1 << *mutant as u64))
    }

    /// Whether this one is chosen.
    #[cfg(feature = "mutants")]
    #[must_use]
    #[inline]
    pub fn has(self, mutant: Mutant) -> bool {
        self.0 & 1 << mutant as u64 != 0
    }

    /// Whether this one is chosen: never.
    #[cfg(not(feature = "mutants"))]
    #[must_use]
    #[inline]
    pub const fn has(self, _: Mutant) -> bool {
        false
    }
}
