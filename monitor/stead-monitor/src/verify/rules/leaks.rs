//! What is left after many cycles.

use super::super::judge::{Evidence, Observed, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::{Ended, Usage, What};
use super::{Rule, Severity};

const TRIALS: &[Trial] = &[Trial::Cycles];
const PAGE: &str = "resapi/nc-resapi-pclose_routine";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "leak-descriptors",
        title: "No descriptor is lost from cycle to cycle",
        page: PAGE,
        severity: Severity::Error,
        explanation: "The monitor of a group runs for months, and holds all its resources.",
        remedy: "Close in Offline, Terminate and Close what Online and Open have opened.",
        trials: TRIALS,
        judge: descriptors,
    },
    Rule {
        id: "leak-threads",
        title: "No thread is lost from cycle to cycle, and none is left unjoined",
        page: PAGE,
        severity: Severity::Error,
        explanation: "A thread that nobody joins keeps its stack, eight megabytes of address space.",
        remedy: "Join every worker, or create it detached.",
        trials: TRIALS,
        judge: threads,
    },
    Rule {
        id: "leak-processes",
        title: "No process and no zombie is lost from cycle to cycle",
        page: PAGE,
        severity: Severity::Error,
        explanation: "A child that nobody waits for stays in the process table.",
        remedy: "Wait for every child: waitpid.",
        trials: TRIALS,
        judge: processes,
    },
    Rule {
        id: "leak-memory",
        title: "No memory is lost from cycle to cycle",
        page: PAGE,
        severity: Severity::Error,
        explanation: "The monitor of a group runs for months, and holds all its resources.",
        remedy: "Free in Close what Open has allocated, and in Offline and Terminate what Online has.",
        trials: TRIALS,
        judge: memory,
    },
];

/// Fewer cycles say nothing.
pub(in super::super) const LEAST: usize = 8;

fn median(values: &mut [u64]) -> u64 {
    values.sort_unstable();
    values.get(values.len() / 2).copied().unwrap_or(0)
}

/// What is added from cycle to cycle, if it is added all the time: the medians of the four quarters rise, each step
/// being of the same order. What an allocator or a pool takes while it warms up is not.
pub(super) fn growth(values: &[u64]) -> Option<f64> {
    let quarter = values.len() / 4;
    if values.len() < LEAST {
        return None;
    }
    let medians: Vec<u64> =
        (0..4).map(|part| median(&mut values[part * quarter..(part + 1) * quarter].to_vec())).collect();
    let steps: Vec<f64> = medians.windows(2).map(|pair| pair[1] as f64 - pair[0] as f64).collect();
    let least = steps.iter().copied().fold(f64::INFINITY, f64::min);
    let most = steps.iter().copied().fold(0.0, f64::max);
    if least <= 0.0 || least < most / 2.0 {
        return Some(0.0);
    }
    Some(steps.iter().sum::<f64>() / (3 * quarter) as f64)
}

/// The measurements of one kind of cycle, with the places of the first and the last.
fn series(observed: &Observed, wanted: &str) -> Option<(Vec<Usage>, usize, usize)> {
    let found: Vec<(usize, Usage)> = observed
        .records
        .iter()
        .enumerate()
        .filter_map(|(at, record)| match &record.what {
            What::Usage { point, usage, .. } if point == wanted => Some((at, *usage)),
            _ => None,
        })
        .collect();
    let (first, last) = (found.first()?.0, found.last()?.0);
    Some((found.into_iter().map(|(_, usage)| usage).collect(), first, last))
}

/// What is lost, and how much of it a cycle must lose at least, for so many cycles, to be told from noise.
struct Kind {
    what: &'static str,
    of: fn(&Usage) -> u64,
    least: fn(usize) -> f64,
}

fn leak(evidence: &Evidence, kinds: &[Kind]) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Cycles) {
        for point in ["cycles", "open-close"] {
            let Some((series, first, last)) = series(observed, point) else { continue };
            let cycles = series.len();
            let settled = self::series(observed, &format!("{point}-settled"))
                .and_then(|(series, ..)| series.first().copied());
            let mut told = false;
            for Kind { what, of, least } in kinds {
                let values: Vec<u64> = series.iter().map(of).collect();
                let Some(growth) = growth(&values) else { continue };
                // The first kind that tells is enough.
                if told {
                    continue;
                }
                // What has gone by itself a moment after the last cycle was not lost; nobody knows of a process that is
                // no more.
                let stays = settled.map_or(observed.ended == Ended::Done, |settled| {
                    of(&settled) as f64 - values[0] as f64 >= growth * cycles as f64 / 2.0
                });
                told = stays && growth >= least(cycles);
                tally.case(!told, observed, (first.max(last.saturating_sub(8)), last), || {
                    let name = if point == "cycles" { "online and offline" } else { "open and close" };
                    let (from, to) = (values[0], values[cycles - 1]);
                    format!("{what}: {from} after the first cycle of {name}, {to} after {cycles} ({growth:.1} a cycle)")
                });
            }
        }
    }
    tally.verdict(|| {
        evidence.why_not(TRIALS, "too few cycles were possible; give it more time with --seconds")
    })
}

/// Things that are counted: a hundredth a cycle shows in a thousand cycles, in few only one every second cycle.
fn counted(cycles: usize) -> f64 {
    (4.0 / cycles as f64).max(0.01)
}

fn descriptors(evidence: &Evidence) -> Verdict {
    leak(evidence, &[Kind { what: "open descriptors", of: |usage| usage.descriptors, least: counted }])
}

fn threads(evidence: &Evidence) -> Verdict {
    const STACK: f64 = 1_000_000.0;
    leak(
        evidence,
        &[
            Kind { what: "threads", of: |usage| usage.threads, least: counted },
            Kind {
                what: "address space, as stacks of unjoined threads take it",
                of: |usage| usage.mapped,
                least: |_| STACK,
            },
        ],
    )
}

fn processes(evidence: &Evidence) -> Verdict {
    leak(evidence, &[Kind { what: "children, zombies included", of: |usage| usage.children, least: counted }])
}

fn memory(evidence: &Evidence) -> Verdict {
    if let Verdict::Broken(_) = threads(evidence) {
        return Verdict::NotReached("every thread that is lost takes memory with it".to_owned());
    }
    if let Verdict::Broken(_) = super::reports::quiet_after_close(evidence) {
        return Verdict::NotReached("threads that outlive Close keep their memory".to_owned());
    }
    // Stacks are mapped too, but nearly none of their pages is resident.
    leak(
        evidence,
        &[
            Kind {
                what: "bytes handed out by the allocator",
                of: |usage| usage.heap,
                least: |cycles| (2_048.0 / cycles as f64).max(8.0),
            },
            Kind {
                what: "resident bytes",
                of: |usage| usage.resident,
                least: |cycles| (4_194_304.0 / cycles as f64).max(16_384.0),
            },
        ],
    )
}
