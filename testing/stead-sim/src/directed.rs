//! A scenario for a wrong version that random faults meet rarely: what has to come together is brought together.

use stead_lease::{Mutant, Mutants};

use crate::fault::{Fault, Kind, MILLI, SECOND};
use crate::world::{GroupsBy, Setup};

const ROUNDS: u64 = 8;
const APART: u64 = 15 * SECOND;
const NODES: u64 = 3;
const GROUPS: u64 = 4;

/// The faults of a round.
type Round = fn(u64) -> Vec<Fault>;

const SCENARIOS: [(Mutant, Round); 2] =
    [(Mutant::StartUnconfirmed, released_and_forgotten), (Mutant::DoubtForgotten, restored_and_forgotten)];

/// The scenario in which a wrong version is found, where it has one: the setup without it, and the faults.
#[must_use]
pub fn directed(mutant: Mutant) -> Option<(Setup, Vec<Fault>)> {
    let setup = Setup {
        nodes: usize::try_from(NODES).ok(),
        groups: usize::try_from(GROUPS).ok(),
        seconds: (ROUNDS + 1) * APART / SECOND,
        mutants: Mutants::NONE,
        groups_by: GroupsBy::Simple,
        quiet: true,
        ..Setup::default()
    };
    let (_, round) = SCENARIOS.iter().find(|(of, _)| *of == mutant)?;
    Some((setup, (1..=ROUNDS).flat_map(round).collect()))
}

/// Groups are moved, then the store is restored from a backup that is older than any session, while one node is cut off from it.
/// The others are just leaving in good order, and come back at once.
fn restored_and_forgotten(round: u64) -> Vec<Fault> {
    let begin = round * APART;
    let fault =
        |kind, at_node, after, lasts, value| Fault { kind, at_node, from: begin + after, lasts, value };
    let cut = (round % NODES) as usize;
    let moves =
        (0..GROUPS).map(|group| fault(Kind::Move, 0, group * 20 * MILLI, 0, (cut as u64) << 32 | group));
    let parted = fault(Kind::Partition, cut, 2 * SECOND, 5 * SECOND, 0);
    let restored = fault(Kind::Restored, 0, 2_100 * MILLI, 0, APART / SECOND + 1);
    let others = (0..NODES as usize).filter(move |node| *node != cut);
    let leave = others.map(|node| fault(Kind::Left, node, 2_110 * MILLI, 200 * MILLI, 0));
    moves.chain([parted, restored]).chain(leave).collect()
}

/// Groups are moved, and the processes that have released them are killed; those that follow are shown what was before.
fn released_and_forgotten(round: u64) -> Vec<Fault> {
    let begin = round * APART;
    let fault =
        |kind, at_node, after, lasts, value| Fault { kind, at_node, from: begin + after, lasts, value };
    let to = |group| (round + group) % NODES;
    let moves = (0..GROUPS).map(|group| fault(Kind::Move, 0, group * 20 * MILLI, 0, to(group) << 32 | group));
    let killed = 1_000 * MILLI + 100 * MILLI * round;
    let kills = (0..NODES as usize).map(|node| fault(Kind::ProcessKilled, node, killed, 50 * MILLI, 0));
    let misled = fault(Kind::StaleReads, 0, 100 * MILLI, 8 * SECOND, 0);
    moves.chain([misled]).chain(kills).collect()
}
