//! Wrong versions that break no rule alone, because another layer stands behind: which one, or which test has them.

use stead_lease::Mutant;

/// Where a wrong version is found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cover {
    /// Here, in a run in which this one is wrong too; alone that one breaks nothing there.
    Without(Mutant),
    /// By a test: its file in the workspace, and its name.
    Test(&'static str, &'static str),
}

/// A wrong version that the simulator does not have to find by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Covered {
    /// Which.
    pub mutant: Mutant,
    /// Where it is found.
    pub by: Cover,
    /// Why no run can show it alone.
    pub why: &'static str,
}

/// The guardian's own rules: what a guard of the product takes.
const GUARDIAN: &str = "monitor/stead-guardian/src/lease.rs";

/// All of them.
pub const COVERED: &[Covered] = &[
    Covered {
        mutant: Mutant::KeptUnasked,
        by: Cover::Without(Mutant::DoubtForgotten),
        why: "in a store that is another one the doubt voids what was kept, and in the same one its timer ends it",
    },
    Covered {
        mutant: Mutant::DeposedNotVerified,
        by: Cover::Without(Mutant::NameTakenAtOnce),
        why: "whoever begins anew waits until its own name is free, which is longer than the kernel takes to kill",
    },
    Covered {
        mutant: Mutant::OldNewsBelieved,
        by: Cover::Without(Mutant::RenewalBlind),
        why: "whoever renews by what it read of old is refused by the guard of its write",
    },
    Covered {
        mutant: Mutant::GuardTakesAnySession,
        by: Cover::Test(GUARDIAN, "deadlines_are_bounded_and_only_move_forward"),
        why: "the guard is there for a defect of the node; the machine never hands on another session's deadline",
    },
    Covered {
        mutant: Mutant::GuardTakesAnyDeadline,
        by: Cover::Test(GUARDIAN, "deadlines_are_bounded_and_only_move_forward"),
        why: "the guard is there for a defect of the node; the machine never asks for more than D from now",
    },
];

/// What covers a wrong version, if it is one of those.
#[must_use]
pub fn covered(mutant: Mutant) -> Option<&'static Covered> {
    COVERED.iter().find(|covered| covered.mutant == mutant)
}
