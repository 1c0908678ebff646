//! Online, and status reports.

use std::collections::BTreeMap;

use stead_resapi as abi;

use super::super::judge::{Evidence, Observed, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::{Phase, What};
use super::{Rule, Severity};

const STATUS_PAGE: &str = "resapi/nc-resapi-pset_resource_status_routine_ex";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "final-report",
        title: "ERROR_IO_PENDING is followed by a final report",
        page: "resapi/nc-resapi-ponline_routine",
        severity: Severity::Error,
        explanation: "Nobody but the worker can say that the operation is over: the resource stays pending until PendingTimeout.",
        remedy: "Let every path of the worker end with a report of Online, Offline or Failed.",
        trials: &[Trial::Lifecycle],
        judge: final_report,
    },
    Rule {
        id: "checkpoint-rises",
        title: "CheckPoint rises with each pending report",
        page: "resapi/ns-resapi-resource_status_ex",
        severity: Severity::Warning,
        explanation: "A report with the last CheckPoint is no progress: PendingTimeout goes on.",
        remedy: "Begin at zero for each operation and add one before each report.",
        trials: &[Trial::Lifecycle],
        judge: checkpoint,
    },
    Rule {
        id: "report-only-while-pending",
        title: "Status is reported only while an operation is in progress",
        page: STATUS_PAGE,
        severity: Severity::Error,
        explanation: "A report out of time is dropped: the monitor does not learn what it says.",
        remedy: "Report nothing after the final report; use SignalFailure for a failure while online.",
        trials: &[],
        judge: only_pending,
    },
    Rule {
        id: "report-valid",
        title: "Reports name a state that fits the operation",
        page: STATUS_PAGE,
        severity: Severity::Error,
        explanation: "A null status, an unknown state or the pending state of the other direction is ignored.",
        remedy: "Report OnlinePending during Online, OfflinePending during Offline, and then one final state.",
        trials: &[Trial::Lifecycle],
        judge: valid,
    },
    Rule {
        id: "report-own-handle",
        title: "Callbacks carry the handle of the instance they are about",
        page: "resapi/nc-resapi-popen_routine",
        severity: Severity::Error,
        explanation: "With two resources of the type the report of one ends the operation of the other; a line of the log \
                      that carries another handle is filed under no resource.",
        remedy: "Keep ResourceHandle in the instance, not in a global variable; lines about none carry NULL.",
        trials: &[Trial::TwoInstances],
        judge: own_handle,
    },
    Rule {
        id: "stop-when-told",
        title: "A worker that is answered ResourceExitStateTerminate stops reporting",
        page: "resapi/ne-resapi-resource_exit_state",
        severity: Severity::Error,
        explanation: "The monitor has given the operation up and is about to terminate the resource.",
        remedy: "Look at what the callback returns, and end the worker where it is not ResourceExitStateContinue.",
        trials: &[Trial::Told],
        judge: told,
    },
    Rule {
        id: "quiet-after-terminate",
        title: "No report comes when Terminate has returned",
        page: "resapi/nc-resapi-pterminate_routine",
        severity: Severity::Error,
        explanation: "A worker that outlives Terminate goes on to start what was to be stopped.",
        remedy: "End and join the worker in Terminate.",
        trials: &[Trial::TerminatePending, Trial::TerminateTwice],
        judge: quiet_after_terminate,
    },
    Rule {
        id: "quiet-after-close",
        title: "No callback comes when Close has returned",
        page: "resapi/nc-resapi-pclose_routine",
        severity: Severity::Error,
        explanation: "The handle is dead, and the memory behind the instance may be another's.",
        remedy: "End and join every thread of the instance in Close.",
        trials: &[Trial::Lifecycle, Trial::CloseRunning, Trial::TwoInstances],
        judge: quiet_after_close,
    },
    Rule {
        id: "online-again",
        title: "Online works again after Terminate",
        page: "resapi/nc-resapi-pterminate_routine",
        severity: Severity::Error,
        explanation: "That is how a failed resource is restarted.",
        remedy: "Leave the instance in Terminate as Open had left it.",
        trials: &[
            Trial::TerminatePending,
            Trial::TerminateOnline,
            Trial::TerminateOffline,
            Trial::TerminateTwice,
        ],
        judge: online_again,
    },
    Rule {
        id: "online-flags",
        title: "OnlineV2 works with every flag, unknown ones too, and with a buffer",
        page: "resapi/nc-resapi-ponline_v2_routine",
        severity: Severity::Error,
        explanation: "Flags say what may be ignored; bits of later versions must not make it fail.",
        remedy: "Test the bits you know, and ignore the others.",
        trials: &[Trial::OnlineFlags, Trial::Lifecycle],
        judge: online_flags,
    },
    Rule {
        id: "log-event",
        title: "LogEvent is called with a documented level",
        page: "resapi/nc-resapi-plog_event_routine",
        severity: Severity::Warning,
        explanation: "Whoever reads the log for errors does not find a line of another level.",
        remedy: "Use LOG_INFORMATION to LOG_SEVERE.",
        trials: &[],
        judge: log_event,
    },
];

fn final_report(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let mut slow = None;
    for (observed, at, what) in evidence.records() {
        match what {
            What::StillPending { instance, waited_ms, workers } => {
                let from = began(observed, at, *instance);
                // What was said under another handle is another rule.
                let strayed = observed.records[from..at]
                    .iter()
                    .any(|record| matches!(&record.what, What::Status { instance: other, .. } if *other != Some(*instance)));
                if strayed {
                } else if *workers == 0 {
                    let text = format!(
                        "still pending after {waited_ms} ms, and no thread is left that could report"
                    );
                    tally.breach(observed, from, at, text);
                } else {
                    slow = Some(format!(
                        "still pending after {waited_ms} ms without progress, and it has a thread that may report \
                         yet; give it more time with --seconds"
                    ));
                }
            }
            What::Settled { instance, .. } => {
                let from = began(observed, at, *instance);
                let reported = observed.records[from..at]
                    .iter()
                    .any(|record| matches!(record.what, What::Return { value: 997, .. }));
                if reported {
                    tally.keep();
                }
            }
            _ => {}
        }
    }
    if let (Some(text), true) = (&slow, tally.is_clean()) {
        return Verdict::NotReached(text.clone());
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "no operation was pending"))
}

/// Where the operation that ended here had begun.
fn began(observed: &Observed, at: usize, instance: u32) -> usize {
    let begins = |what: &What| {
        matches!(what, What::Call { entry, instance: other, .. }
            if *other == instance && (entry == "Online" || entry == "Offline"))
    };
    observed.records[..at].iter().rposition(|record| begins(&record.what)).unwrap_or(0)
}

fn checkpoint(evidence: &Evidence) -> Verdict {
    if let Verdict::Broken(_) = quiet_after_terminate(evidence) {
        return Verdict::NotReached("reports of an operation that was terminated come between".to_owned());
    }
    let mut tally = Tally::default();
    // Where two instances are pending at once, a wrong handle is another rule.
    let single = |observed: &&Observed| !matches!(observed.trial, Trial::TwoInstances | Trial::Parallel);
    for observed in evidence.trials.iter().filter(single) {
        let mut last: BTreeMap<u32, (u32, usize)> = BTreeMap::new();
        for (at, record) in observed.records.iter().enumerate() {
            match &record.what {
                What::Call { entry, instance, .. } if entry == "Online" || entry == "Offline" => {
                    last.remove(instance);
                }
                What::Status {
                    instance: Some(instance), state, checkpoint, before: Some(before), ..
                } if before.reports()
                    && [abi::ClusterResourceOnlinePending, abi::ClusterResourceOfflinePending]
                        .contains(state) =>
                {
                    if let Some((before, from)) = last.get(instance) {
                        tally.case(checkpoint > before, observed, (*from, at), || {
                            format!("a pending report with CheckPoint {checkpoint} follows one with {before}")
                        });
                    } else {
                        tally.keep();
                    }
                    last.insert(*instance, (*checkpoint, at));
                }
                _ => {}
            }
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "no pending state was reported"))
}

pub(super) fn only_pending(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        let What::Status { instance: Some(instance), state, before: Some(before), .. } = what else {
            continue;
        };
        match before {
            Phase::Idle => {
                // With another instance pending it is the wrong handle that is to blame.
                if !other_pending(observed, at, *instance) {
                    let from = at.saturating_sub(4);
                    tally.breach(
                        observed,
                        from,
                        at,
                        format!("state {state} was reported with no operation in progress"),
                    );
                }
            }
            Phase::InOnline | Phase::OnlinePending | Phase::InOffline | Phase::OfflinePending => tally.keep(),
            // A worker may be overtaken by Terminate; what comes later is another rule.
            Phase::InTerminate | Phase::Terminated | Phase::InClose | Phase::Closed => {}
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "no status was reported"))
}

/// True if another instance waits for a report here.
fn other_pending(observed: &Observed, at: usize, instance: u32) -> bool {
    let mut pending: BTreeMap<u32, bool> = BTreeMap::new();
    for record in &observed.records[..at] {
        match &record.what {
            What::Call { entry, instance, .. } => {
                pending.insert(*instance, entry == "Online" || entry == "Offline");
            }
            What::Settled { instance, .. } => {
                pending.insert(*instance, false);
            }
            _ => {}
        }
    }
    pending.iter().any(|(other, pending)| *other != instance && *pending)
}

fn valid(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        let What::Status { null, state, before: Some(before), .. } = what else { continue };
        let here = (at.saturating_sub(4), at);
        if *null {
            tally.breach(observed, here.0, here.1, "the status pointer is null".to_owned());
            continue;
        }
        let online = match before {
            Phase::InOnline | Phase::OnlinePending => true,
            Phase::InOffline | Phase::OfflinePending => false,
            Phase::Idle | Phase::InTerminate | Phase::Terminated | Phase::InClose | Phase::Closed => continue,
        };
        let fits = match *state {
            abi::ClusterResourceOnlinePending => online,
            abi::ClusterResourceOfflinePending => !online,
            abi::ClusterResourceCannotComeOnlineOnAnyNode
            | abi::ClusterResourceCannotComeOnlineOnThisNode => online,
            abi::ClusterResourceOnline
            | abi::ClusterResourceOffline
            | abi::ClusterResourceFailed
            | abi::ClusterResourceStateUnknown => true,
            _ => false,
        };
        tally.case(fits, observed, here, || format!("state {state} was reported {}", before.describe()));
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "no status was reported"))
}

fn own_handle(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in &evidence.trials {
        let mut known: BTreeMap<u64, u32> = BTreeMap::new();
        for (at, record) in observed.records.iter().enumerate() {
            let here = (at.saturating_sub(4), at);
            // Without a handle it is about none, and that is allowed.
            if let What::Log { instance: None, handle: handle @ 1.., text, .. } = &record.what {
                let text = format!("the line {text:?} carries the handle {handle:#x}, which no instance has");
                tally.breach(observed, here.0, here.1, text);
                continue;
            }
            if let What::Callback { instance: None, handle: handle @ 1.., name, .. } = &record.what {
                let text = format!("{name} carries the handle {handle:#x}, which no instance has");
                tally.breach(observed, here.0, here.1, text);
                continue;
            }
            let What::Status { instance, handle, before, state, .. } = &record.what else { continue };
            match (instance, before) {
                (None, _) => {
                    // A handle that was good once is another rule.
                    if !known.contains_key(handle) {
                        let text = format!(
                            "state {state} was reported for handle {handle:#x}, which no instance has"
                        );
                        tally.breach(observed, here.0, here.1, text);
                    }
                }
                (Some(instance), Some(before)) => {
                    known.insert(*handle, *instance);
                    if observed.trial == Trial::TwoInstances {
                        let astray = !before.reports() && other_pending(observed, at, *instance);
                        tally.case(!astray, observed, (0, at), || {
                            format!("the report of one instance (state {state}) carries the handle of instance {instance}")
                        });
                    }
                }
                (Some(_), None) => {}
            }
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::TwoInstances], "no status was reported"))
}

fn told(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for observed in evidence.during(Trial::Told) {
        // The same thread has read the answer; another may have been on its way already.
        let mut stopped: BTreeMap<u32, usize> = BTreeMap::new();
        for (at, record) in observed.records.iter().enumerate() {
            let What::Status { answer, before: Some(before), null: false, .. } = &record.what else {
                continue;
            };
            if let Some(from) = stopped.get(&record.thread) {
                let text =
                    "the same thread reported again although it had been answered Terminate".to_owned();
                tally.breach(observed, *from, at, text);
            } else if *answer == 1 && before.reports() {
                stopped.insert(record.thread, at);
                tally.keep();
            }
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Told], "no status was reported"))
}

fn quiet_after_terminate(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        match what {
            What::Status { before: Some(Phase::Terminated), state, .. } => {
                let ended = |what: &What| matches!(what, What::Call { entry, .. } if entry == "Terminate");
                let from = observed.records[..at].iter().rposition(|record| ended(&record.what)).unwrap_or(0);
                let text = format!("state {state} was reported after Terminate had returned");
                tally.breach(observed, from.saturating_sub(3), at, text);
            }
            What::Call { entry, .. } if entry == "Terminate" => tally.keep(),
            _ => {}
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::TerminatePending], "Terminate was not called"))
}

pub(super) fn quiet_after_close(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        let late = match what {
            What::Status { before: Some(Phase::Closed), .. } => Some("a status report"),
            What::Log { before: Some(Phase::Closed), .. } => Some("a log line"),
            What::Callback { before: Some(Phase::Closed), name, .. } => Some(name.as_str()),
            What::Call { entry, .. } if entry == "Close" => {
                tally.keep();
                None
            }
            _ => None,
        };
        if let Some(late) = late {
            let ended = |what: &What| matches!(what, What::Call { entry, .. } if entry == "Close");
            let from = observed.records[..at].iter().rposition(|record| ended(&record.what)).unwrap_or(0);
            tally.breach(observed, from, at, format!("{late} came after Close had returned"));
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "Close was not called"))
}

/// How an online ended.
struct Came<'a> {
    from: usize,
    to: usize,
    state: i32,
    code: u32,
    args: &'a str,
    /// `Terminate` had come before.
    after: bool,
}

/// How the onlines of a trial ended. One that failed and worked when it was tried once more is left out: that was the
/// workload.
fn onlines(observed: &Observed) -> Vec<Came<'_>> {
    let mut all: Vec<Came> = Vec::new();
    for (to, record) in observed.records.iter().enumerate() {
        let What::Settled { instance, state, code, .. } = &record.what else { continue };
        let from = began(observed, to, *instance);
        let What::Call { entry, args, .. } = &observed.records[from].what else { continue };
        if entry != "Online" {
            continue;
        }
        let online = *state == abi::ClusterResourceOnline;
        if online
            && all.last().is_some_and(|last| last.state != abi::ClusterResourceOnline && last.args == args)
        {
            all.pop();
        }
        let terminate = |what: &What| matches!(what, What::Call { entry, .. } if entry == "Terminate");
        let after = observed.records[..from].iter().any(|record| terminate(&record.what));
        all.push(Came { from, to, state: *state, code: *code, args, after });
    }
    all
}

fn online_again(evidence: &Evidence) -> Verdict {
    const TRIALS: &[Trial] = &[
        Trial::TerminatePending,
        Trial::TerminateOnline,
        Trial::TerminateOffline,
        Trial::TerminateTwice,
        Trial::Kill,
    ];
    // It counts only for a type that can come online at all.
    let able = evidence.of(Trial::Lifecycle).is_some_and(Observed::came_online);
    let mut tally = Tally::default();
    for observed in TRIALS.iter().filter(|_| able).filter_map(|trial| evidence.of(*trial)) {
        for Came { from, to, state, code, .. } in onlines(observed).into_iter().filter(|came| came.after) {
            tally.case(state == abi::ClusterResourceOnline, observed, (from.saturating_sub(4), to), || {
                let code = stead_types::Code(code);
                format!("Online after Terminate came to state {state} with {code}, twice")
            });
        }
    }
    tally.verdict(|| evidence.why_not(TRIALS, "it never came online"))
}

fn online_flags(evidence: &Evidence) -> Verdict {
    if let Verdict::Broken(_) = online_again(evidence) {
        return Verdict::NotReached("it comes online only once".to_owned());
    }
    let able = evidence.of(Trial::Lifecycle).is_some_and(Observed::came_online);
    let mut tally = Tally::default();
    for observed in evidence.of(Trial::OnlineFlags).into_iter().filter(|_| able) {
        for Came { from, to, state, code, args, .. } in onlines(observed) {
            tally.case(state == abi::ClusterResourceOnline, observed, (from, to), || {
                format!("Online with {args} came to state {state} with {}", stead_types::Code(code))
            });
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::OnlineFlags], "its table is of version 1, which has no flags"))
}

fn log_event(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        let What::Log { level, text, .. } = what else { continue };
        let here = (at.saturating_sub(2), at);
        if !(abi::LOG_INFORMATION..=abi::LOG_SEVERE).contains(level) {
            tally.breach(observed, here.0, here.1, format!("level {level} of the line {text:?} is none"));
        } else {
            tally.keep();
        }
    }
    tally.verdict(|| evidence.why_not(&[Trial::Lifecycle], "it logged nothing"))
}
