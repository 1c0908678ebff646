use stead_lease::Mutant;

use crate::world::GroupsBy;

/// A seed that broke a rule once, by a defect or by a wrong version that was hard to find.
#[derive(Clone, Copy, Debug)]
pub struct Failed {
    /// The seed, with the setup as it comes.
    pub seed: u64,
    /// The wrong version it breaks still, if it was one.
    pub mutant: Option<Mutant>,
    /// The world it was found in.
    pub groups_by: GroupsBy,
    /// The invariant the mutant breaks, or what the defect was.
    pub what: &'static str,
}

const fn found(mutant: Mutant, seed: u64, invariant: &'static str) -> Failed {
    Failed { seed, mutant: Some(mutant), groups_by: GroupsBy::Simple, what: invariant }
}

/// By the production code for groups.
const fn in_production(mutant: Mutant, seed: u64, invariant: &'static str) -> Failed {
    Failed { groups_by: GroupsBy::Production, ..found(mutant, seed, invariant) }
}

const fn fixed(seed: u64, what: &'static str) -> Failed {
    Failed { seed, mutant: None, groups_by: GroupsBy::Simple, what }
}

const fn fixed_in_production(seed: u64, what: &'static str) -> Failed {
    Failed { groups_by: GroupsBy::Production, ..fixed(seed, what) }
}

/// Every seed that ever failed, replayed by the tests: without its mutant it must break no rule.
pub const CORPUS: &[Failed] = &[
    fixed(28, "a session too new to be seen was taken for one that was replaced: a group lived twice"),
    fixed(256, "a session kept over a restart of the store was looked for in the new one for ever"),
    fixed(
        244,
        "timings that somebody wrote into a session shortened the wait of a node that never saw the old ones",
    ),
    fixed(
        2538,
        "a list that showed what was before was not followed by what a watch tells: a start was missed for good",
    ),
    fixed(
        101_685,
        "two sessions were deleted by hand, and who had seen only the first marked that: it took the second for one before",
    ),
    fixed(
        51_272,
        "a process that began after another one had heard of a new store did not wait as that one would have",
    ),
    fixed(19_294, "what was written while a node listed was missed for good"),
    found(Mutant::DeadlineFromAck, 0, "I6"),
    found(Mutant::DeadlineFromUnknown, 0, "I6"),
    found(Mutant::DeadlineFromReadBack, 0, "I6"),
    found(Mutant::DeadlineFromLatestSend, 27, "I6"),
    found(Mutant::ConflictOverwritten, 6, "I1"),
    found(Mutant::WaitDeadlineOnly, 0, "I4"),
    found(Mutant::WaitWithoutKill, 0, "I4"),
    found(Mutant::WaitWithoutRate, 14, "I4"),
    found(Mutant::WaitFromOwnTimings, 7, "I4"),
    found(Mutant::WaitNotRestarted, 0, "I4"),
    found(Mutant::NameTakenAtOnce, 2, "I4"),
    found(Mutant::RebootOfAnyMachine, 2, "I4"),
    found(Mutant::FencedAnySession, 21, "I4"),
    found(Mutant::IncarnationIgnored, 3, "I12"),
    found(Mutant::NoQuarantine, 62, "I1"),
    found(Mutant::AbsenceFrees, 68, "I1"),
    found(Mutant::SuspicionFrees, 0, "I1"),
    found(Mutant::ReplacedUnasked, 396, "I1"),
    found(Mutant::UnseenIsReplaced, 173, "I1"),
    found(Mutant::ActsWhileLeaving, 0, "I4"),
    found(Mutant::TakeoverNever, 13, "I12"),
    found(Mutant::LapseForEver, 1, "I12"),
    found(Mutant::UnknownForEver, 16, "I12"),
    found(Mutant::RenewalBlind, 9, "I4"),
    found(Mutant::TakeoverBlind, 13, "I4"),
    found(Mutant::AssignBlind, 0, "I2"),
    found(Mutant::StartBeforeCommit, 0, "I3"),
    found(Mutant::ReleaseBeforeGone, 7, "I4"),
    found(Mutant::NoKernelTimer, 0, "I5"),
    found(Mutant::TimerFromReceipt, 0, "I6"),
    found(Mutant::TimerStopsInSleep, 30, "I4"),
    found(Mutant::AssignBeforeMark, 13, "I1"),
    found(Mutant::StartUnconfirmed, 1602, "I2"),
    fixed_in_production(25, "after a conflict the same write was sent again as fast as the store answered"),
    fixed_in_production(47, "a resource that was killed here was online again by its own last words"),
    fixed_in_production(645, "a session that lapsed and was renewed took back what it had released before"),
    fixed_in_production(
        151,
        "a group came to a node that was leaving, and was killed there although nothing of it ran",
    ),
    fixed_in_production(
        2158,
        "a write of the configuration was told to have failed before that was known: what was asked next was not stored",
    ),
    fixed_in_production(
        1413,
        "a stopped process that goes on was to know at once of a provider that had failed in between",
    ),
    fixed_in_production(
        4537,
        "a resource that its monitor did not know any more was asked to go offline again and again at one instant",
    ),
    fixed_in_production(
        5647,
        "what the kernel had killed while its node process was stopped was said to be taken while it runs",
    ),
    fixed_in_production(
        51_687,
        "a machine that knew no store before began at once in one that had just been restored from before all sessions",
    ),
    fixed_in_production(
        40_212,
        "a session that had lapsed when its process began was renewed: what the process before had released was started",
    ),
    fixed_in_production(
        47_196,
        "the answer of a monitor that was killed since opened a resource that is in none",
    ),
    fixed_in_production(4650, "a write that came late was stored, and who had written it never heard of it"),
    in_production(Mutant::AssignBlind, 0, "I2"),
    in_production(Mutant::StartBeforeCommit, 0, "I3"),
    in_production(Mutant::ReleaseBeforeGone, 0, "I4"),
    in_production(Mutant::OldNewsBelieved, 3613, "I12"),
    in_production(Mutant::OldGenerationBelieved, 3, "I1"),
    in_production(Mutant::FreedIgnored, 0, "I4"),
    in_production(Mutant::PauseIgnored, 1, "I10"),
    in_production(Mutant::OrderForgotten, 0, "I7"),
    in_production(Mutant::BudgetForgotten, 3, "I11"),
    in_production(Mutant::RefusedIsKept, 65, "I15"),
];
