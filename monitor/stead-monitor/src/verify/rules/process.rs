//! What a resource DLL must never do to the process that hosts it.

use super::super::judge::{Evidence, Observed, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::{Ended, Surroundings, What};
use super::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "process-survives",
        title: "No call ends the process: no crash, no exit, no exception",
        page: "mscs/recommended-practices",
        severity: Severity::Error,
        explanation: "Every other resource of the group dies with its monitor.",
        remedy: "Return an error code instead; run the trial under a debugger with `stead host`.",
        trials: &[],
        judge: survives,
    },
    Rule {
        id: "process-unchanged",
        title: "What belongs to the whole process stays as it is: folder, file mask, limits, ignored signals",
        page: "mscs/recommended-practices",
        severity: Severity::Error,
        explanation: "Every other resource of the group lives in the same process.",
        remedy: "Use absolute paths; change folder, mask, limits and signals in the child, between fork and exec.",
        trials: &[],
        judge: unchanged,
    },
    Rule {
        id: "key-handles",
        title: "Functions of ClusAPI are called with handles that are open",
        page: "clusapi/nf-clusapi-clusterregclosekey",
        severity: Severity::Error,
        explanation: "A handle that is closed may be another's by now, and one that was never given out means nothing.",
        remedy: "Close each handle once, before Close returns, and forget it then.",
        trials: &[],
        judge: handles,
    },
    Rule {
        id: "calls-return",
        title: "Every call returns",
        page: "mscs/recommended-practices",
        severity: Severity::Error,
        explanation: "The monitor is ended after DeadlockTimeout, and every resource in it is restarted.",
        remedy: "Hold no lock across a callback or a wait; in Terminate and Close, wait for nothing that may not come.",
        trials: &[],
        judge: calls_return,
    },
    Rule {
        id: "parallel-instances",
        title: "Two instances can be called at once from two threads",
        page: "mscs/recommended-practices",
        severity: Severity::Error,
        explanation: "Only calls for one resource follow one another; a group may have several of the type.",
        remedy: "Keep what belongs to an instance in the instance, and guard the rest with a lock.",
        trials: &[Trial::Parallel, Trial::TwoInstances],
        judge: parallel,
    },
    Rule {
        id: "unload",
        title: "The library can be unloaded when the last instance is closed",
        page: "mscs/implementing-close",
        severity: Severity::Advice,
        explanation: "stead never unloads a library, other hosts may: a thread left in it crashes the process then.",
        remedy: "Join every thread in Close.",
        trials: &[Trial::Unload],
        judge: unload,
    },
];

/// How a trial's process ended, if it was not at the end of its script.
fn death(observed: &Observed) -> Option<String> {
    let inside = observed.inside();
    let place = if inside.is_empty() {
        "between two calls".to_owned()
    } else {
        format!("inside {}", inside.iter().map(|(entry, _)| *entry).collect::<Vec<_>>().join(" and "))
    };
    let errors = observed.errors.trim();
    let said = if errors.is_empty() { String::new() } else { format!("; it had printed: {errors}") };
    match observed.ended {
        Ended::Exit(code) => Some(format!("it ended the process with exit status {code}, {place}{said}")),
        Ended::Signal(signal) => Some(format!("it ended the process with signal {signal}, {place}{said}")),
        Ended::Done | Ended::Hung(_) | Ended::OutOfTime => None,
    }
}

fn last_records(observed: &Observed) -> (usize, usize) {
    let last = observed.records.len().saturating_sub(1);
    (last.saturating_sub(8), last)
}

/// Trials in which a death has a rule of its own.
fn unloading(observed: &Observed) -> bool {
    observed.trial == Trial::Unload && observed.inside().iter().any(|(entry, _)| *entry == "dlclose")
}

fn survives(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let own = |observed: &&Observed| observed.trial != Trial::Parallel && !unloading(observed);
    for observed in evidence.trials.iter().filter(own) {
        let (from, to) = last_records(observed);
        match death(observed) {
            Some(text) => tally.breach(observed, from, to, text),
            None => tally.keep(),
        }
    }
    tally.verdict(|| evidence.missing.clone())
}

/// What is different, if anything is that others depend on.
fn difference(before: &Surroundings, after: &Surroundings) -> Option<String> {
    if before.folder != after.folder {
        return Some(format!("the current folder was {:?} and is {:?}", before.folder, after.folder));
    }
    if before.mask != after.mask {
        return Some(format!("the file mask was {} and is {}", before.mask, after.mask));
    }
    // More than before harms nobody: some runtimes take all descriptors that they are allowed.
    for ((name, was), (_, is)) in before.limits.iter().zip(&after.limits) {
        if is < was {
            return Some(format!("the limit on {name} was {was} and is {is}"));
        }
    }
    // Whoever writes to sockets ignores this one, and nobody depends on dying of it.
    const PIPE: u32 = 13;
    let new: Vec<String> = (after.ignored.iter())
        .filter(|signal| **signal != PIPE && !before.ignored.contains(signal))
        .map(u32::to_string)
        .collect();
    (!new.is_empty()).then(|| format!("signals that were not ignored are now: {}", new.join(", ")))
}

fn unchanged(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in &evidence.trials {
        let looks = observed.records.iter().enumerate().filter_map(|(at, record)| match &record.what {
            What::Surroundings(surroundings) => Some((at, surroundings)),
            _ => None,
        });
        let looks: Vec<(usize, &Surroundings)> = looks.collect();
        let [(_, before), .., (at, after)] = looks.as_slice() else { continue };
        match difference(before, after) {
            Some(text) => tally.breach(observed, at.saturating_sub(8), *at, text),
            None => tally.keep(),
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "no trial came to its end"))
}

fn handles(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        match what {
            What::BadHandle { handle } => {
                let text =
                    format!("ClusAPI was given the handle {handle:#x}, which is not open or of another kind");
                tally.breach(observed, at.saturating_sub(4), at, text);
            }
            What::Call { entry, .. } if entry == "Open" => tally.keep(),
            _ => {}
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "Open was not called"))
}

fn calls_return(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.trials.iter().filter(|observed| observed.trial != Trial::Parallel) {
        let Ended::Hung(after) = observed.ended else {
            tally.keep();
            continue;
        };
        let inside: Vec<&str> = observed.inside().iter().map(|(entry, _)| *entry).collect();
        let (from, to) = last_records(observed);
        tally.breach(
            observed,
            from,
            to,
            format!("{} had not returned after {after} ms", inside.join(" and ")),
        );
    }
    tally.verdict(|| evidence.missing.clone())
}

fn parallel(evidence: &Evidence) -> Verdict {
    // A type that does not survive a single instance says nothing about two.
    if let Verdict::Broken(_) = survives(evidence) {
        return Verdict::NotReached("it does not survive a single instance".to_owned());
    }
    if let Verdict::Broken(_) = calls_return(evidence) {
        return Verdict::NotReached("a call hangs with a single instance already".to_owned());
    }
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Parallel) {
        let (from, to) = last_records(observed);
        let hung = match observed.ended {
            Ended::Hung(after) => Some(format!("a call had not returned after {after} ms")),
            Ended::Done | Ended::Exit(_) | Ended::Signal(_) | Ended::OutOfTime => None,
        };
        let both = observed.calls().any(|call| call.instance == 1 && call.entry == "Online");
        match death(observed).or(hung) {
            Some(text) => tally.breach(observed, from, to, text),
            None if both && observed.ended == Ended::Done => tally.keep(),
            None => {}
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Parallel], "two instances could not be opened"))
}

fn unload(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Unload) {
        let (from, to) = last_records(observed);
        if unloading(observed) {
            if let Some(text) = death(observed) {
                tally.breach(observed, from, to, text);
            }
            continue;
        }
        for (at, record) in observed.records.iter().enumerate() {
            match &record.what {
                What::Note { text } if text.starts_with("threads left") => {
                    tally.breach(observed, at.saturating_sub(4), at, text.clone());
                }
                _ => {}
            }
        }
        if observed.calls().any(|call| call.entry == "dlclose" && call.to.is_some()) {
            tally.keep();
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Unload], "it was not unloaded"))
}
