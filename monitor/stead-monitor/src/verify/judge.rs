//! From what was observed to a verdict on each rule. Pure: no clock, no IO.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "records are filtered: each place wants a kind or two of many"
)]

use serde::Serialize;

use super::plan::Trial;
use super::rules::{self, Rule};
use super::trace::{Ended, Record, What};

/// One trial as it went.
#[derive(Clone, Debug)]
pub(crate) struct Observed {
    pub(crate) trial: Trial,
    pub(crate) records: Vec<Record>,
    pub(crate) ended: Ended,
    /// The last that was printed to standard error.
    pub(crate) errors: String,
}

/// A call of an entry point.
#[derive(Clone, Copy, Debug)]
pub(crate) struct CallSeen<'a> {
    pub(crate) trial: Trial,
    pub(crate) entry: &'a str,
    pub(crate) instance: u32,
    /// Where it begins in the trial's records.
    pub(crate) from: usize,
    /// Where it ends, if it did.
    pub(crate) to: Option<usize>,
    pub(crate) value: i64,
    pub(crate) last_error: u32,
    pub(crate) took_us: u64,
}

impl Observed {
    /// All calls in the order in which they began.
    pub(crate) fn calls(&self) -> impl Iterator<Item = CallSeen<'_>> {
        self.records.iter().enumerate().filter_map(|(from, record)| {
            let What::Call { call, entry, instance, .. } = &record.what else { return None };
            let mut seen = CallSeen {
                trial: self.trial,
                entry,
                instance: *instance,
                from,
                to: None,
                value: 0,
                last_error: 0,
                took_us: 0,
            };
            for (to, later) in self.records.iter().enumerate().skip(from) {
                if let What::Return { call: other, value, last_error, took_us, .. } = &later.what
                    && other == call
                {
                    let (value, last_error, took_us) = (*value, *last_error, *took_us);
                    seen = CallSeen { to: Some(to), value, last_error, took_us, ..seen };
                    break;
                }
            }
            Some(seen)
        })
    }

    /// Calls that had not returned when the trial ended, and a start-up routine that had not.
    pub(crate) fn inside(&self) -> Vec<(&str, usize)> {
        let mut inside: Vec<(&str, usize)> =
            self.calls().filter(|call| call.to.is_none()).map(|call| (call.entry, call.from)).collect();
        let starting = self.records.iter().enumerate().rev().find_map(|(at, record)| match &record.what {
            What::StartupBegins { entry, .. } => Some(Some((entry.as_str(), at))),
            What::Startup { .. } | What::Loaded { .. } | What::Refused { .. } => Some(None),
            _ => None,
        });
        inside.extend(starting.flatten());
        inside
    }

    /// True if an operation brought an instance online.
    pub(crate) fn came_online(&self) -> bool {
        self.records.iter().any(|record| {
            matches!(record.what, What::Settled { state: stead_resapi::ClusterResourceOnline, .. })
        })
    }

    /// Why steps were left out.
    pub(crate) fn skipped(&self) -> Option<&str> {
        self.records.iter().find_map(|record| match &record.what {
            What::Skipped { text } => Some(text.as_str()),
            _ => None,
        })
    }
}

/// Everything that was observed.
#[derive(Clone, Debug, Default)]
pub(crate) struct Evidence {
    pub(crate) trials: Vec<Observed>,
    /// Why the trials that are missing are missing.
    pub(crate) missing: String,
}

impl Evidence {
    pub(crate) fn of(&self, trial: Trial) -> Option<&Observed> {
        self.trials.iter().find(|observed| observed.trial == trial)
    }

    /// The same, for loops.
    pub(crate) fn during(&self, trial: Trial) -> impl Iterator<Item = &Observed> {
        self.trials.iter().filter(move |observed| observed.trial == trial)
    }

    pub(crate) fn calls(&self) -> impl Iterator<Item = CallSeen<'_>> {
        self.trials.iter().flat_map(Observed::calls)
    }

    /// All records with their trial and place.
    pub(crate) fn records(&self) -> impl Iterator<Item = (&Observed, usize, &What)> {
        self.trials.iter().flat_map(|observed| {
            observed.records.iter().enumerate().map(move |(at, record)| (observed, at, &record.what))
        })
    }

    /// Why a rule that needs one of these trials was not reached.
    pub(crate) fn why_not(&self, trials: &[Trial], otherwise: &str) -> String {
        let found: Vec<&Observed> = trials.iter().filter_map(|trial| self.of(*trial)).collect();
        if found.is_empty() {
            return self.missing.clone();
        }
        for observed in found {
            match &observed.ended {
                Ended::Done => {}
                Ended::Exit(_) | Ended::Signal(_) => {
                    return format!("the process did not survive \"{}\"", observed.trial.describe());
                }
                Ended::Hung(_) => return format!("a call hung in \"{}\"", observed.trial.describe()),
                Ended::OutOfTime => {
                    let trial = observed.trial.describe();
                    return format!("the time was over in \"{trial}\"; give it more with --seconds");
                }
            }
            if let Some(text) = observed.skipped() {
                return text.to_owned();
            }
        }
        otherwise.to_owned()
    }
}

/// One case in which a rule was broken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Breach {
    pub(crate) text: String,
    pub(crate) trial: Trial,
    /// The records that show it.
    pub(crate) from: usize,
    pub(crate) to: usize,
}

/// What became of a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// So many cases, all good.
    Kept(usize),
    /// At least one case was not.
    Broken(Vec<Breach>),
    /// No case, and why.
    NotReached(String),
}

/// Gathers cases.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    kept: usize,
    breaches: Vec<Breach>,
}

impl Tally {
    pub(crate) fn keep(&mut self) {
        self.kept += 1;
    }

    pub(crate) fn breach(&mut self, observed: &Observed, from: usize, to: usize, text: String) {
        self.breaches.push(Breach { text, trial: observed.trial, from, to });
    }

    /// True while nothing was broken.
    pub(crate) fn is_clean(&self) -> bool {
        self.breaches.is_empty()
    }

    /// Breaks or keeps.
    pub(crate) fn case(
        &mut self,
        good: bool,
        observed: &Observed,
        at: (usize, usize),
        text: impl FnOnce() -> String,
    ) {
        if good {
            self.keep();
        } else {
            self.breach(observed, at.0, at.1, text());
        }
    }

    pub(crate) fn verdict(self, why_not: impl FnOnce() -> String) -> Verdict {
        if !self.breaches.is_empty() {
            Verdict::Broken(self.breaches)
        } else if self.kept > 0 {
            Verdict::Kept(self.kept)
        } else {
            Verdict::NotReached(why_not())
        }
    }
}

/// A rule and what became of it.
#[derive(Clone, Debug)]
pub(crate) struct Judged {
    pub(crate) rule: &'static Rule,
    pub(crate) verdict: Verdict,
}

/// Judges all rules, or one.
pub(crate) fn judge(evidence: &Evidence, only: Option<&str>) -> Vec<Judged> {
    rules::all()
        .filter(|rule| only.is_none_or(|id| rule.id == id))
        .map(|rule| Judged { rule, verdict: (rule.judge)(evidence) })
        .collect()
}
