//! Offline, Terminate and Close: when they have returned, nothing runs.

use stead_resapi as abi;

use super::super::judge::{Evidence, Observed, Tally, Verdict};
use super::super::plan::{Point, Trial};
use super::super::trace::What;
use super::{Rule, Severity};

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "offline-stops",
        title: "Nothing of the workload runs when Offline has succeeded",
        page: "resapi/nc-resapi-poffline_routine",
        severity: Severity::Error,
        explanation: "The next node starts the resource then: what is left here runs beside it.",
        remedy: "Wait for the end of every process before returning or reporting Offline.",
        trials: &[Trial::Lifecycle, Trial::OfflineFlags],
        judge: offline_stops,
    },
    Rule {
        id: "terminate-stops",
        title: "Nothing of the workload runs when Terminate has returned",
        page: "resapi/nc-resapi-pterminate_routine",
        severity: Severity::Error,
        explanation: "Terminate is the last resort; after it the resource counts as stopped.",
        remedy: "Kill every process and wait for its end, also when an online or offline is pending.",
        trials: &[
            Trial::TerminateTwice,
            Trial::TerminatePending,
            Trial::TerminateOnline,
            Trial::TerminateOffline,
            Trial::Told,
            Trial::Kill,
        ],
        judge: terminate_stops,
    },
    Rule {
        id: "close-stops",
        title: "Close stops what still runs",
        page: "resapi/nc-resapi-pclose_routine",
        severity: Severity::Error,
        explanation: "Close may come for a resource that is online; afterwards nobody knows what it left.",
        remedy: "Do in Close what Terminate does, and then free the instance.",
        trials: &[Trial::CloseRunning],
        judge: close_stops,
    },
    Rule {
        id: "offline-flags",
        title: "OfflineV2 works with every flag, unknown ones too, with a destination and a buffer",
        page: "resapi/nc-resapi-poffline_v2_routine",
        severity: Severity::Error,
        explanation: "A resource that cannot go offline with a flag cannot be moved, drained or failed back.",
        remedy: "Test the bits you know, ignore the others; to delay, report Online with CLUSRESDLL_STATUS_OFFLINE_….",
        trials: &[Trial::OfflineFlags, Trial::Lifecycle],
        judge: offline_flags,
    },
];

/// The states in which an offline may be reported as delayed or refused.
const DELAYED: u32 = abi::CLUSRESDLL_STATUS_OFFLINE_BUSY
    | abi::CLUSRESDLL_STATUS_OFFLINE_SOURCE_THROTTLED
    | abi::CLUSRESDLL_STATUS_OFFLINE_DESTINATION_THROTTLED
    | abi::CLUSRESDLL_STATUS_OFFLINE_DESTINATION_REJECTED;

/// Looks for processes that are left at `point` in one trial.
fn left(tally: &mut Tally, observed: &Observed, point: Point, entry: &str) {
    for (at, record) in observed.records.iter().enumerate() {
        let What::Workload { point: where_, pids } = &record.what else { continue };
        if where_ != point.name() {
            continue;
        }
        let called = |what: &What| matches!(what, What::Call { entry: other, .. } if other == entry);
        let from = observed.records[..at].iter().rposition(|record| called(&record.what));
        let Some(from) = from else { continue };
        let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
        tally.case(pids.is_empty(), observed, (from.saturating_sub(2), at), || {
            format!("{entry} had returned, and a second later these processes still ran: {}", pids.join(", "))
        });
    }
}

/// True if the last operation before `at` ended with the resource offline.
fn went_offline(observed: &Observed, at: usize) -> bool {
    observed.records[..at].iter().rev().find_map(|record| match &record.what {
        What::Settled { state, .. } => Some(*state == abi::ClusterResourceOffline),
        What::StillPending { .. } => Some(false),
        _ => None,
    }) == Some(true)
}

fn offline_stops(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in &evidence.trials {
        let all = observed.records.iter().enumerate();
        let good = all.filter(|(at, record)| match &record.what {
            What::Workload { point, .. } => {
                point == Point::AfterOffline.name() && went_offline(observed, *at)
            }
            _ => false,
        });
        for (at, record) in good {
            let What::Workload { pids, .. } = &record.what else { continue };
            let called = |what: &What| matches!(what, What::Call { entry, .. } if entry == "Offline");
            let from = observed.records[..at].iter().rposition(|record| called(&record.what)).unwrap_or(0);
            let pids: Vec<String> = pids.iter().map(u32::to_string).collect();
            tally.case(pids.is_empty(), observed, (from, at), || {
                format!(
                    "Offline had succeeded, and a second later these processes still ran: {}",
                    pids.join(", ")
                )
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "Offline never succeeded"))
}

fn terminate_stops(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in &evidence.trials {
        left(&mut tally, observed, Point::AfterTerminate, "Terminate");
    }
    tally.verdict(|| evidence.why_not(&[Trial::TerminateTwice], "Terminate was not called"))
}

fn close_stops(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::CloseRunning) {
        left(&mut tally, observed, Point::AfterClose, "Close");
    }
    tally.verdict(|| evidence.why_not(&[Trial::CloseRunning], "Close was not called while online"))
}

/// How the offlines of a trial ended: begin, end, state, code, flags, arguments.
fn offlines(observed: &Observed) -> impl Iterator<Item = (usize, usize, i32, u32, u32, &str)> {
    observed.records.iter().enumerate().filter_map(|(at, record)| {
        let What::Settled { instance, state, code, flags, .. } = &record.what else { return None };
        let call = |what: &What| {
            matches!(what, What::Call { entry, instance: other, .. }
            if other == instance && (entry == "Online" || entry == "Offline"))
        };
        let from = observed.records[..at].iter().rposition(|record| call(&record.what))?;
        let What::Call { entry, args, .. } = &observed.records[from].what else { return None };
        (entry == "Offline").then_some((from, at, *state, *code, *flags, args.as_str()))
    })
}

fn offline_flags(evidence: &Evidence) -> Verdict {
    if let Verdict::Broken(_) = super::reports::only_pending(evidence) {
        return Verdict::NotReached(
            "reports come out of time, so that an offline cannot be told from them".to_owned(),
        );
    }
    let plain = evidence.of(Trial::Lifecycle);
    let able = plain.is_some_and(|plain| offlines(plain).any(|end| end.2 == abi::ClusterResourceOffline));
    let mut tally = Tally::default();
    for observed in evidence.of(Trial::OfflineFlags).into_iter().filter(|_| able) {
        for (from, at, state, code, flags, args) in offlines(observed) {
            let delayed = state == abi::ClusterResourceOnline && flags & DELAYED != 0;
            tally.case(state == abi::ClusterResourceOffline || delayed, observed, (from, at), || {
                format!("Offline with {args} came to state {state} with {}", stead_types::Code(code))
            });
        }
    }
    tally
        .verdict(|| evidence.why_not(&[Trial::OfflineFlags], "its table is of version 1, which has no flags"))
}
