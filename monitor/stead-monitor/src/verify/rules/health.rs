//! `LooksAlive`, `IsAlive` and the event handle.

use super::super::judge::{CallSeen, Evidence, Observed, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::What;
use super::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "alive-when-online",
        title: "A resource that has just come online is alive",
        page: "resapi/nc-resapi-pis_alive_routine",
        severity: Severity::Error,
        explanation: "IsAlive that says FALSE fails the resource at once.",
        remedy: "Report Online only when the checks succeed.",
        trials: &[Trial::Lifecycle],
        judge: alive,
    },
    Rule {
        id: "is-alive-notices",
        title: "IsAlive says FALSE when the workload is dead",
        page: "resapi/nc-resapi-pis_alive_routine",
        severity: Severity::Error,
        explanation: "A failure that IsAlive does not see is never repaired.",
        remedy: "Look at the work itself: is the process there, does the port answer.",
        trials: &[Trial::Kill],
        judge: is_alive_notices,
    },
    Rule {
        id: "looks-alive-notices",
        title: "LooksAlive says FALSE when the workload is dead",
        page: "resapi/nc-resapi-plooks_alive_routine",
        severity: Severity::Warning,
        explanation: "Without an event handle a dead process is found by LooksAlive; else it takes until IsAlive, a minute.",
        remedy: "Look whether the process is there: waitid with WNOHANG and WNOWAIT, or a pidfd.",
        trials: &[Trial::Kill],
        judge: looks_alive_notices,
    },
    Rule {
        id: "event-handle",
        title: "The event handle is an open descriptor, quiet while all is well",
        page: "resapi/nc-resapi-ponline_routine",
        severity: Severity::Error,
        explanation: "With an event handle LooksAlive is no longer called: one that is closed watches nothing.",
        remedy: "Hand out a pidfd or eventfd, and keep it open until Offline or Terminate; let IsAlive read what is no failure.",
        trials: &[Trial::Lifecycle],
        judge: event_valid,
    },
    Rule {
        id: "event-handle-signals",
        title: "The event handle becomes readable when the workload dies",
        page: "resapi/nc-resapi-ponline_routine",
        severity: Severity::Error,
        explanation: "That is its purpose: LooksAlive is not called any more.",
        remedy: "Hand out the pidfd of the process, or write to the eventfd when it ends.",
        trials: &[Trial::Kill],
        judge: event_signals,
    },
    Rule {
        id: "looks-alive-quick",
        title: "LooksAlive takes no longer than 50 ms",
        page: "resapi/nc-resapi-plooks_alive_routine",
        severity: Severity::Warning,
        explanation: "It is called every few seconds for every resource.",
        remedy: "Let a thread do what takes long, and return its last finding.",
        trials: &[Trial::Lifecycle],
        judge: looks_alive_quick,
    },
    Rule {
        id: "quick-calls",
        title: "Entry points return within 300 ms",
        page: "mscs/recommended-practices",
        severity: Severity::Advice,
        explanation: "What takes longer belongs on a worker thread: the call returns ERROR_IO_PENDING.",
        remedy: "Start a worker, return ERROR_IO_PENDING, and report progress.",
        trials: &[],
        judge: quick,
    },
];

/// What one routine said from a place on.
fn said<'a>(observed: &'a Observed, entry: &'a str, from: usize) -> impl Iterator<Item = CallSeen<'a>> {
    observed.calls().filter(move |call| call.entry == entry && call.from >= from && call.to.is_some())
}

fn alive(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Lifecycle) {
        let online = observed
            .records
            .iter()
            .rposition(|record| matches!(&record.what, What::Workload { point, .. } if point == "online"));
        let Some(online) = online else { continue };
        for entry in ["LooksAlive", "IsAlive"] {
            let calls: Vec<CallSeen> = said(observed, entry, online).collect();
            let (Some(first), Some(last)) = (calls.first(), calls.last()) else { continue };
            let dead = calls.iter().filter(|call| call.value == 0).count();
            // LooksAlive may be wrong: IsAlive is asked then.
            let good = dead == 0 || (entry == "LooksAlive" && dead < calls.len());
            tally.case(good, observed, (online.min(first.from), last.from + 1), || {
                format!("{entry} said FALSE {dead} of {} times right after Online", calls.len())
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "it never came online"))
}

/// Where the workload was killed, and whether new processes were there at the end.
fn killed(observed: &Observed) -> Option<(usize, usize, bool)> {
    let from = observed.records.iter().position(|record| matches!(record.what, What::Killed { .. }))?;
    let (to, again) =
        observed.records.iter().enumerate().skip(from).find_map(|(at, record)| match &record.what {
            What::Workload { point, pids } if point == "after-kill" => Some((at, !pids.is_empty())),
            _ => None,
        })?;
    Some((from, to, again))
}

fn notices(evidence: &Evidence, entry: &str) -> Verdict {
    let mut tally = Tally::default();
    let mut again = false;
    for observed in evidence.during(Trial::Kill) {
        let Some((from, to, new)) = killed(observed) else { continue };
        let noticed = said(observed, entry, from).any(|call| call.from < to && call.value == 0);
        if !noticed && new {
            again = true;
            continue;
        }
        // Both are asked in turn for seconds: the first few answers and the last show enough.
        tally.case(noticed, observed, (from, to.min(from + 12)), || {
            format!("every process of the workload was killed, and for five seconds {entry} said TRUE")
        });
    }
    let otherwise =
        if again { "it has started its workload again by itself" } else { "no workload was found" };
    tally.verdict(|| if again { otherwise.to_owned() } else { evidence.why_not(&[Trial::Kill], otherwise) })
}

fn is_alive_notices(evidence: &Evidence) -> Verdict {
    notices(evidence, "IsAlive")
}

fn looks_alive_notices(evidence: &Evidence) -> Verdict {
    // What IsAlive does not see LooksAlive need not see: that is reported once.
    if let Verdict::Broken(_) = notices(evidence, "IsAlive") {
        return Verdict::NotReached("IsAlive does not notice it either".to_owned());
    }
    notices(evidence, "LooksAlive")
}

fn event_valid(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Lifecycle) {
        for (at, record) in observed.records.iter().enumerate() {
            let What::Event { look, point, .. } = &record.what else { continue };
            if point != "online" {
                continue;
            }
            let from = observed.records[..at]
                .iter()
                .rposition(|record| matches!(record.what, What::Settled { .. }))
                .unwrap_or(0);
            tally.case(look == "quiet", observed, (from.saturating_sub(3), at), || {
                if look == "invalid" {
                    "the event handle is no open descriptor".to_owned()
                } else {
                    "the event handle stays readable although the resource is online and IsAlive was asked why"
                        .to_owned()
                }
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "it hands out no event handle, so it is polled"))
}

fn event_signals(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let mut again = false;
    for observed in evidence.during(Trial::Kill) {
        let new = killed(observed).is_some_and(|(_, _, new)| new);
        for (at, record) in observed.records.iter().enumerate() {
            let What::Event { look, point, .. } = &record.what else { continue };
            if point != "after-kill" || look == "invalid" {
                continue;
            }
            if look != "signalled" && new {
                again = true;
                continue;
            }
            tally.case(look == "signalled", observed, (at.saturating_sub(1), at), || {
                "every process of the workload was killed, and for five seconds the event handle stayed quiet"
                    .to_owned()
            });
        }
    }
    let otherwise = if again {
        "it has started its workload again by itself"
    } else {
        "it hands out no event handle, so it is polled"
    };
    tally.verdict(|| evidence.why_not(&[Trial::Kill], otherwise))
}

/// The shortest but for a quarter of the durations: what a busy machine adds is not in it. None for few calls.
fn lower_quarter(mut took: Vec<u64>, least: usize) -> Option<u64> {
    took.sort_unstable();
    if took.len() < least { None } else { took.get(took.len() / 4).copied() }
}

fn looks_alive_quick(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Lifecycle) {
        let calls: Vec<CallSeen> = said(observed, "LooksAlive", 0).collect();
        // One that starts a process waits for a processor more than once: on a machine that has many to do, most of its
        // calls are slow, and none says what it needs but the quickest.
        let quickest = calls.iter().map(|call| call.took_us).min().filter(|_| calls.len() >= 5);
        let Some(quickest) = quickest else { continue };
        let (first, last) = (calls[0].from, calls[calls.len() - 1].from + 1);
        tally.case(quickest <= 50_000, observed, (first, last.min(first + 8)), || {
            format!("each of {} calls of LooksAlive took longer than {} ms", calls.len(), quickest / 1000)
        });
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "it never came online"))
}

/// Terminate may take longer: its callers have no other way.
const QUICK: [&str; 7] = ["Open", "Close", "Online", "Offline", "IsAlive", "ResourceControl", "Cancel"];

fn quick(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for entry in QUICK {
        // The rare path of a missing property is not the usual one.
        let calls: Vec<CallSeen> = evidence
            .calls()
            .filter(|call| call.entry == entry && call.to.is_some() && call.trial != Trial::Bare)
            .collect();
        let Some(quarter) = lower_quarter(calls.iter().map(|call| call.took_us).collect(), 3) else {
            continue;
        };
        let slow = calls.iter().find(|call| call.took_us >= quarter);
        let Some((slow, observed)) = slow.and_then(|slow| Some((slow, evidence.of(slow.trial)?))) else {
            continue;
        };
        tally.case(quarter <= 300_000, observed, (slow.from, slow.to.unwrap_or(slow.from)), || {
            format!("three of four calls of {entry} took longer than {} ms", quarter / 1000)
        });
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "too few calls to tell"))
}
