//! What a resource is asked before something becomes true.

use stead_resapi as abi;

use super::super::judge::{Evidence, Tally, Verdict};
use super::super::plan::Trial;
use super::super::trace::{Purpose, What};
use super::controls::{name, seen};
use super::{Rule, Severity};

const TRIALS: &[Trial] = &[Trial::Questions];
const PAGE: &str = "mscs/clusctl-resource-query-delete";

pub(super) const RULES: &[Rule] = &[
    Rule {
        id: "question-answered",
        title: "Whether something may be is answered with ERROR_INVALID_FUNCTION, consent or a refusal, and the same twice",
        page: PAGE,
        severity: Severity::Error,
        explanation: "Anything but consent and ERROR_INVALID_FUNCTION keeps the resource from being deleted, or changed.",
        remedy: "Return ERROR_SUCCESS, ERROR_INVALID_FUNCTION or an error that says why not. Decide it inside the call.",
        trials: TRIALS,
        judge: answered,
    },
    Rule {
        id: "question-harmless",
        title: "A resource that is asked whether something may be stays as it is",
        page: PAGE,
        severity: Severity::Error,
        explanation: "Others may refuse after it has agreed: then nothing has happened.",
        remedy: "Take things down in Offline and Close, and forget them when CLUSCTL_RESOURCE_DELETE comes.",
        trials: TRIALS,
        judge: harmless,
    },
];

fn answered(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    let mut last: Option<(u32, bool)> = None;
    for call in seen(evidence).filter(|call| *call.purpose == Purpose::Question) {
        let none = [abi::ERROR_IO_PENDING, abi::ERROR_MORE_DATA, abi::ERROR_INSUFFICIENT_BUFFER];
        call.case(&mut tally, !none.contains(&call.returned), || {
            format!("{} was answered with {}, which is no answer", name(call.code), call.answer())
        });
        let agrees = matches!(call.returned, abi::ERROR_SUCCESS | abi::ERROR_INVALID_FUNCTION);
        let same = last.is_none_or(|(code, before)| code != call.code || before == agrees);
        call.case(&mut tally, same, || {
            let word = if agrees { "agreed to" } else { "refused" };
            format!("{} was {word}, and a moment before it was not", name(call.code))
        });
        last = Some((call.code, agrees));
    }
    tally.verdict(|| evidence.why_not(TRIALS, "it was asked nothing"))
}

fn harmless(evidence: &Evidence) -> Verdict {
    let mut tally = Tally::default();
    for (observed, at, what) in evidence.records() {
        let What::Questioned { code, online, alive, workload, changed } = what else { continue };
        let (before, after) = workload;
        let harm = if *online && alive.0 && !alive.1 {
            Some("was not alive any more".to_owned())
        } else if *online && !before.is_empty() && after.is_empty() {
            Some("had no process any more".to_owned())
        } else if !*online && before.is_empty() && !after.is_empty() {
            Some(format!("was offline and had processes: {after:?}"))
        } else {
            changed.first().map(|property| format!("had another value of the property {property:?}"))
        };
        // The question, its return, its answer, and the looks that followed.
        tally.case(harm.is_none(), observed, (at.saturating_sub(8), at), || {
            format!("after {} the resource {}", name(*code), harm.unwrap_or_default())
        });
    }
    tally.verdict(|| evidence.why_not(TRIALS, "it was asked nothing"))
}
