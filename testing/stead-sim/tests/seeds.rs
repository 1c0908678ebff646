//! A small budget of seeds, the seeds that failed once, the bound, and the wrong versions that must be found.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::time::Duration;

use stead_lease::{Mutant, Mutants, Profile, Watchdog};
use stead_sim::{
    CORPUS, COVERED, Cover, Covered, Fault, GroupsBy, Kind, Setup, faults, run, run_with, search,
    search_directed, search_without, shrink,
};

fn wrong(mutants: &[Mutant]) -> Setup {
    Setup { mutants: Mutants::of(mutants), ..Setup::default() }
}

#[test]
fn no_rule_is_broken() {
    assert_eq!(search(0..150, &Setup::default()), None);
}

#[test]
fn large_and_long_runs_break_no_rule() {
    let setup = Setup { nodes: Some(16), groups: Some(20), seconds: 200, ..Setup::default() };
    assert_eq!(search(0..6, &setup), None);
}

#[test]
fn a_run_follows_from_its_seed() {
    for seed in 0..10 {
        assert_eq!(run(seed, &Setup::default()), run(seed, &Setup::default()));
    }
}

#[test]
fn without_faults_every_group_starts_once_and_stays() {
    let setup = Setup { nodes: Some(5), groups: Some(20), quiet: true, ..Setup::default() };
    for seed in 0..10 {
        for groups_by in [GroupsBy::Simple, GroupsBy::Production] {
            let (tally, violation) = run(seed, &Setup { groups_by, ..setup.clone() });
            assert_eq!(violation, None);
            let counted = (tally.starts, tally.takeovers, tally.lapses);
            // In production some fail back to a preferred owner that comes up later than the others.
            assert!(tally.starts >= 20 && (groups_by == GroupsBy::Production || tally.starts == 20));
            assert_eq!((counted.1, counted.2), (0, 0), "seed {seed}");
        }
    }
}

#[test]
fn every_fault_and_every_protocol_step_comes_up() {
    let mut kinds: Vec<stead_sim::Kind> = Vec::new();
    let (mut takeovers, mut lapses, mut quarantines) = (0, 0, 0);
    for seed in 0..60 {
        let (tally, _) = run(seed, &Setup::default());
        takeovers += tally.takeovers;
        lapses += tally.lapses;
        quarantines += tally.quarantines;
        kinds.extend(faults(seed, &Setup::default()).iter().map(|fault| fault.kind));
    }
    kinds.sort_unstable();
    kinds.dedup();
    let mut all: Vec<Kind> = Kind::ALL.iter().chain(Kind::OF_GROUPS).copied().collect();
    all.sort_unstable();
    all.dedup();
    assert_eq!(kinds, all);
    assert!(takeovers > 100 && lapses > 100 && quarantines > 20);
}

#[test]
fn the_corpus_of_failed_seeds() {
    assert!(CORPUS.iter().filter(|failed| failed.mutant.is_some()).count() >= 25);
    for failed in CORPUS {
        let groups_by = failed.groups_by;
        assert_eq!(run(failed.seed, &Setup { groups_by, ..Setup::default() }).1, None, "{failed:?}");
        if let Some(mutant) = failed.mutant {
            let setup = Setup { groups_by, ..wrong(&[mutant]) };
            let found = run(failed.seed, &setup).1.map(|violation| violation.invariant);
            assert_eq!(found, Some(failed.what), "{failed:?}");
        }
    }
}

/// Everybody has the same timings, and successors wait for this long, whatever was computed.
fn waiting(wait: Duration) -> Setup {
    let params = Profile::Fast.params(Watchdog::Absent);
    let groups_by = GroupsBy::Simple;
    Setup { timings: Some((params, Some(wait))), nodes: Some(3), groups_by, ..Setup::default() }
}

#[test]
fn a_wait_under_the_bound_is_caught_and_the_bound_holds() {
    let bound = Profile::Fast.params(Watchdog::Absent).bound(5_000);
    for short in [5, 15, 50, 200] {
        let setup = waiting(bound - Duration::from_millis(short));
        assert!(search(0..300, &setup).is_some(), "{short} ms under the bound of {bound:?} is not found");
    }
    assert_eq!(search(0..300, &waiting(bound)), None);
}

#[test]
fn a_layer_that_another_covers_matters_when_that_one_is_off() {
    for Covered { mutant, by, why: _ } in COVERED {
        match by {
            Cover::Without(cover) => {
                let matters = search_without(0..600, &Setup::default(), *mutant, *cover);
                assert!(matters.is_some(), "{mutant:?} changes nothing without {cover:?}");
            }
            Cover::Test(file, name) => {
                let path = format!("{}/../../{file}", env!("CARGO_MANIFEST_DIR"));
                let text = std::fs::read_to_string(&path).unwrap();
                let before = text.split(&format!("fn {name}()")).next().unwrap_or_default();
                assert!(
                    before.len() < text.len() && before.trim_end().ends_with("#[test]"),
                    "{name} in {file}"
                );
            }
        }
    }
}

#[test]
fn a_scenario_finds_what_random_faults_meet_rarely() {
    for mutant in [Mutant::StartUnconfirmed, Mutant::DoubtForgotten] {
        let (none, wrong) = (Mutants::NONE, Mutants::of(&[mutant]));
        assert_eq!(search_directed(0..100, mutant, none), None);
        assert!(search_directed(0..20, mutant, wrong).is_some(), "{mutant:?}");
    }
}

/// I14: the node process is killed and comes back before the deadline; what runs goes on as it is.
#[test]
fn the_loss_of_the_brain_moves_and_restarts_nothing() {
    let setup = Setup {
        nodes: Some(3),
        groups: Some(8),
        quiet: true,
        groups_by: GroupsBy::Production,
        ..Setup::default()
    };
    let faults: Vec<Fault> = (0..12)
        .map(|at| {
            let from = (40 + 5 * at) * 1_000_000_000;
            Fault {
                kind: Kind::ProcessKilled,
                at_node: (at % 3) as usize,
                from,
                lasts: 100_000_000,
                value: at,
            }
        })
        .collect();
    for seed in 0..10 {
        assert_eq!(run_with(seed, &setup, &faults), None, "seed {seed}");
    }
}

#[test]
fn a_failed_seed_is_shrunk_to_what_it_needs() {
    let setup = wrong(&[Mutant::NoKernelTimer]);
    let (seed, _) = search(0..50, &setup).unwrap();
    let (few, violation) = shrink(seed, &setup).unwrap();
    assert!(few.len() < faults(seed, &setup).len(), "{few:?}");
    assert_eq!(run_with(seed, &setup, &few), Some(violation));
    for left_out in 0..few.len() {
        let mut fewer = few.clone();
        fewer.remove(left_out);
        assert_eq!(run_with(seed, &setup, &fewer), None, "each of them is needed");
    }
}
