//! A whole cluster in one thread, with virtual time: the production lease machine on every node, a store, guardians with
//! the kernel's timers, and everything that can go wrong. A run follows from its seed.
//!
//! # What is simulated
//!
//! - **Machines** with a clock of their own, off by as much as the timings allow, that lose their power, sleep, are copied.
//! - **Guardians**: the kernel's timer ends everything at the deadline, within K, whatever the node process does; what a
//!   node process leaves behind is adopted by the next.
//! - **Node processes** that are stopped, killed, started again. They run [`stead_lease::Machine`], the very one.
//! - **The store**: guarded writes in one order; reads that show what was; silence, refusals, requests and answers that are
//!   lost, late or doubled; watches that miss things; restores from a backup; documents deleted or edited by hand.
//! - **Groups** with ownership documents. In half of the seeds a few lines decide about them, which is fast; in the other
//!   half it is the production code: the coordinator, the owner's machine and the policy, with Resource Monitors that take
//!   their time and fail, and operators that move, pause, drain, resume and take offline.
//!
//! # What is checked, after each event, in real time, which nobody inside can see
//!
//! | | |
//! |---|---|
//! | I1 | no group lives on two machines |
//! | I2 | generations only grow, and none is started after a newer one |
//! | I3 | nothing starts before its assignment is committed |
//! | I4 | who is released, left, marked dead or replaced has nothing alive |
//! | I5 | no work outlives its deadline and K |
//! | I6 | no guard is armed beyond what a renewal that happened can grant |
//! | I7 | an order that is stored ends once, and its end is told; what was accepted is stored |
//! | I8 | nothing is online before its providers, and no provider goes before its dependents |
//! | I9 | the machines' own invariants |
//! | I10 | no group is given to a node that cannot have it, or is paused, drained, quarantined |
//! | I11 | failovers stay within their budget |
//! | I12 | time goes on, and when the faults are over every node has a session and every group lives once |
//! | I14 | nothing is taken from a node that runs it |
//! | I15 | who is refused has changed nothing |
//! | I13 | where nothing but the store is silent, for less than the timings allow, nobody stops anything |
//!
//! I7, I8, I10, I11, I14 and I15 are about requests, resources and placement: they are checked where the production code
//! decides.

mod agenda;
mod brain;
mod clock;
mod corpus;
mod cover;
mod directed;
mod fault;
mod groups;
mod guardian;
mod node;
mod process;
mod random;
mod shrink;
mod steps;
mod store;
mod trouble;
mod wire;
mod world;
#[cfg(test)]
mod wrong;

use std::sync::atomic::{AtomicU64, Ordering};

use stead_lease::{Mutant, Mutants};

pub use corpus::{CORPUS, Failed};
pub use cover::{COVERED, Cover, Covered, covered};
pub use directed::directed;
pub use fault::{Fault, Kind};
pub use shrink::shrink;
pub use steps::{Steps, Untaken};
pub use world::{GroupsBy, Setup, Tally, Violation};

use world::World;

/// Runs one seed.
#[must_use]
pub fn run(seed: u64, setup: &Setup) -> (Tally, Option<Violation>) {
    let (tally, _, violation) = World::run(seed, setup, None);
    (tally, violation)
}

/// The faults of a seed.
#[must_use]
pub fn faults(seed: u64, setup: &Setup) -> Vec<Fault> {
    World::run(seed, setup, None).1
}

/// Runs one seed with these faults instead of its own.
#[allow(clippy::must_use_candidate, reason = "with a trace it is run for what it tells")]
pub fn run_with(seed: u64, setup: &Setup, faults: &[Fault]) -> Option<Violation> {
    World::run(seed, setup, Some(faults)).2
}

/// The first of these seeds that breaks a rule, and which.
#[must_use]
pub fn search(seeds: std::ops::Range<u64>, setup: &Setup) -> Option<(u64, Violation)> {
    seeds.into_iter().find_map(|seed| run(seed, setup).1.map(|violation| (seed, violation)))
}

/// The first of these seeds that breaks a rule in the scenario for this wrong version, and which rule; nothing where it has
/// none. `mutants` are those that run: the one, or none.
#[must_use]
pub fn search_directed(
    seeds: std::ops::Range<u64>,
    mutant: Mutant,
    mutants: Mutants,
) -> Option<(u64, Violation)> {
    let (setup, faults) = directed(mutant)?;
    let setup = Setup { mutants, ..setup };
    seeds.into_iter().find_map(|seed| run_with(seed, &setup, &faults).map(|violation| (seed, violation)))
}

/// The first of these seeds that breaks a rule only if both of these versions are wrong, and which rule.
#[must_use]
pub fn search_without(
    seeds: std::ops::Range<u64>,
    setup: &Setup,
    mutant: Mutant,
    cover: Mutant,
) -> Option<(u64, Violation)> {
    let one = Setup { mutants: Mutants::of(&[cover]), ..setup.clone() };
    let both = Setup { mutants: Mutants::of(&[mutant, cover]), ..setup.clone() };
    seeds.into_iter().find_map(|seed| {
        let violation = run(seed, &both).1?;
        run(seed, &one).1.is_none().then_some((seed, violation))
    })
}

/// Runs these seeds, so many at the same time, up to the first that breaks a rule: what they did, and that seed.
#[must_use]
pub fn survey(seeds: std::ops::Range<u64>, setup: &Setup, jobs: usize) -> (Tally, Option<(u64, Violation)>) {
    let next = AtomicU64::new(seeds.start);
    let work = || {
        let mut sum = Tally::default();
        loop {
            let seed = next.fetch_add(1, Ordering::Relaxed);
            if seed >= seeds.end {
                return (sum, None);
            }
            let (tally, violation) = run(seed, setup);
            sum.add(&tally);
            if let Some(violation) = violation {
                // Those before it have been taken already.
                next.fetch_max(seeds.end, Ordering::Relaxed);
                return (sum, Some((seed, violation)));
            }
        }
    };
    let ended: Vec<_> = std::thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs.max(1)).map(|_| scope.spawn(work)).collect();
        workers.into_iter().map(std::thread::ScopedJoinHandle::join).collect()
    });
    let mut sum = Tally::default();
    let mut first = None;
    for worker in ended {
        let (tally, found) = worker.unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        sum.add(&tally);
        first = [first, found].into_iter().flatten().min_by_key(|(seed, _)| *seed);
    }
    (sum, first)
}
