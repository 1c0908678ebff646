//! A configuration that is more than the cluster database takes in one transaction is stored part by part: what is used
//! before what uses it, each part whole or not at all, and the first one that fails is the last.

use std::collections::BTreeSet;

use stead_api::Apply;
use stead_policy::{Answer, Change, ClusterConfig, Plan, PlanProblem, PlanStep, Refusal, Request, RequestId};
use stead_store::Operation;
use stead_types::{Code, GroupName};

use crate::catalog::Catalog;
use crate::command::Lines;
use crate::node::Node;
use crate::{report, translate};

/// etcd takes 127 changes at once and, of 128 comparisons, 126 of ours.
const DOCUMENTS: usize = 120;

/// etcd takes 1.5 MiB at once, keys and frames included.
const BYTES: usize = 1_000_000;

/// A configuration on its way.
#[derive(Debug)]
pub(crate) struct Parts {
    pub(crate) wanted: ClusterConfig,
    /// What was asked for, as it was given.
    apply: Apply,
    pub(crate) lines: Lines,
    /// What is waited for when everything is stored.
    pub(crate) settle: Vec<GroupName>,
    /// The part that is being stored, if others follow it.
    request: Option<RequestId>,
    /// Steps that are stored, and under way.
    stored: usize,
    asked: usize,
}

/// What a step costs: documents, and bytes.
fn cost(catalog: &Catalog, step: &PlanStep) -> (usize, usize) {
    let operations = catalog.operations(&[Change::Step(step.clone())]);
    let bytes = operations.iter().map(|operation| match operation {
        Operation::Put(key, value) => key.len() + value.to_string().len(),
        Operation::Delete(key) => key.len(),
    });
    (operations.len(), bytes.sum())
}

/// The steps in an order in which each part makes sense by itself: a group comes after those it depends on.
fn ordered(plan: Plan) -> Plan {
    let (mut steps, mut groups, mut last) = (Vec::new(), Vec::new(), Vec::new());
    for step in plan.steps {
        match step {
            PlanStep::SetGroup(group) => groups.push(group),
            // Nothing depends on it any more when the groups are stored.
            PlanStep::DeleteGroupSet(_) => last.push(step),
            // A set is there before what waits for it, even if not all of its groups are.
            PlanStep::SetGroupSet(_) | PlanStep::SetSettings(_) => steps.push(step),
            PlanStep::SetType(_)
            | PlanStep::DeleteResource(..)
            | PlanStep::DeleteGroup(_)
            | PlanStep::DeleteType(_) => steps.push(step),
        }
    }
    while !groups.is_empty() {
        let later: BTreeSet<GroupName> = groups.iter().map(|group| group.name.clone()).collect();
        let (waiting, ready): (Vec<_>, Vec<_>) =
            groups.into_iter().partition(|group| !group.depends_on_groups.is_disjoint(&later));
        // A circle is refused before; if there were one, it would not be waited for.
        let none_ready = ready.is_empty();
        let (now, then) = if none_ready { (waiting, ready) } else { (ready, waiting) };
        steps.extend(now.into_iter().map(PlanStep::SetGroup));
        groups = then;
    }
    steps.extend(last);
    Plan { steps }
}

/// As many of the first steps as are stored at once; at least one.
fn first_part(catalog: &Catalog, plan: Plan) -> Plan {
    let (mut documents, mut bytes) = (0, 0);
    let fits = |step: &PlanStep| {
        let (more_documents, more_bytes) = cost(catalog, step);
        documents += more_documents;
        bytes += more_bytes;
        documents <= DOCUMENTS && bytes <= BYTES
    };
    let mut steps = ordered(plan).steps;
    let count = steps.iter().map(fits).take_while(|fits| *fits).count().max(1);
    steps.truncate(count);
    Plan { steps }
}

/// Groups that are too large to be stored at all.
pub(crate) fn too_large(catalog: &Catalog, plan: &Plan) -> Vec<PlanProblem> {
    let problem = |step: &PlanStep| {
        let (documents, bytes) = cost(catalog, step);
        let place = match step {
            PlanStep::SetGroup(group) => format!("group/{}", group.name),
            PlanStep::SetType(config) => format!("type/{}", config.name),
            // Deleting says nothing but keys.
            PlanStep::DeleteResource(..)
            | PlanStep::DeleteGroup(_)
            | PlanStep::DeleteType(_)
            | PlanStep::DeleteGroupSet(_) => return None,
            PlanStep::SetGroupSet(set) => format!("group_set/{}", set.name),
            PlanStep::SetSettings(_) => "cluster".to_owned(),
        };
        let what = if documents > DOCUMENTS {
            format!("{} resources; a group of a cluster may have {}", documents - 1, DOCUMENTS - 1)
        } else if bytes > BYTES {
            format!("{bytes} bytes; the cluster database takes {BYTES} at once")
        } else {
            return None;
        };
        let text = format!("it has {what}: split it");
        Some(PlanProblem { place, text, code: Code::ERROR_INVALID_PARAMETER })
    };
    plan.steps.iter().filter_map(problem).collect()
}

/// How the end of a part that did not succeed is told, when others have been stored before it.
fn amended(answer: Result<Answer, Refusal>, stored: usize, asked: &str) -> Result<Answer, Refusal> {
    let tell = |detail: String| {
        format!(
            "{stored} changes before it are stored and in force; {asked} and what follows are not: {detail}; apply \
             again for the rest"
        )
    };
    match answer {
        _ if stored == 0 => answer,
        Err(Refusal { what, code, detail }) => Ok(Answer::Failed {
            what,
            code,
            detail: tell(if detail.is_empty() { code.to_string() } else { detail }),
        }),
        Ok(Answer::Failed { what, code, detail }) => Ok(Answer::Failed { what, code, detail: tell(detail) }),
        Ok(Answer::Resource(_) | Answer::Group(_) | Answer::Done | Answer::Cancelled) => answer,
    }
}

fn named(step: &PlanStep) -> String {
    match step {
        PlanStep::SetType(config) => format!("type \"{}\"", config.name),
        PlanStep::SetGroup(config) => format!("group \"{}\"", config.name),
        PlanStep::DeleteResource(_, name) => format!("the deletion of resource \"{name}\""),
        PlanStep::DeleteGroup(name) => format!("the deletion of group \"{name}\""),
        PlanStep::DeleteType(name) => format!("the deletion of type \"{name}\""),
        PlanStep::SetGroupSet(set) => format!("group set \"{}\"", set.name),
        PlanStep::DeleteGroupSet(name) => format!("the deletion of group set \"{name}\""),
        PlanStep::SetSettings(_) => "the cluster's settings".to_owned(),
    }
}

impl Parts {
    pub(crate) const fn new(
        wanted: ClusterConfig,
        apply: Apply,
        lines: Lines,
        settle: Vec<GroupName>,
    ) -> Self {
        Parts { wanted, apply, lines, settle, request: None, stored: 0, asked: 0 }
    }
}

impl Node {
    /// Stores a plan, or as much of it as the cluster database takes at once.
    pub(crate) fn store_part(&mut self, plan: Plan, mut parts: Parts) {
        let all = plan.steps.len();
        let part = if self.member.is_some() { first_part(&self.catalog, plan) } else { plan };
        let count = part.steps.len();
        parts.asked = count;
        let id = self.ask(Request::Apply(part), false, Some(parts.lines.clone()));
        self.structural = Some(id);
        if count == all {
            self.settle_after.insert(id, std::mem::take(&mut parts.settle));
        }
        if count < all || parts.stored > 0 {
            parts.request = Some(id);
            self.parts = Some(parts);
        }
    }

    /// A request has ended. If that was part of something larger, the next part follows; `None` then.
    pub(crate) fn part_ended(
        &mut self,
        id: RequestId,
        answer: Result<Answer, Refusal>,
    ) -> Option<Result<Answer, Refusal>> {
        let Some(mut parts) = self.parts.take_if(|parts| parts.request == Some(id)) else {
            return Some(answer);
        };
        // Looked at anew: another node may have changed something in the meantime.
        parts.wanted.settings = translate::settings(&parts.apply.config.cluster, &self.catalog);
        let plan = self.policy.plan(&parts.wanted, parts.apply.prune);
        if answer != Ok(Answer::Done) {
            let first = plan.ok().and_then(|plan| ordered(plan).steps.first().map(named));
            return Some(amended(answer, parts.stored, &first.unwrap_or_else(|| "the rest".to_owned())));
        }
        parts.stored += parts.asked;
        if self.settle_after.contains_key(&id) {
            return Some(answer);
        }
        match plan {
            Ok(plan) if plan.steps.is_empty() => {
                self.settle_after.insert(id, parts.settle);
                Some(answer)
            }
            Ok(plan) => {
                self.requests.remove(&id);
                self.store_part(plan, parts);
                None
            }
            Err(problems) => {
                self.requests.remove(&id);
                let _ = parts.lines.send(report::problems(problems));
                self.structural = None;
                self.next_structural();
                None
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
mod tests {
    use super::*;

    /// Groups with so many resources each, and what they depend on.
    fn plan(groups: &[(&str, usize, &[&str])], text: &str) -> (Catalog, Plan) {
        let groups: Vec<serde_json::Value> = groups
            .iter()
            .map(|(name, count, depends)| {
                let resources: Vec<serde_json::Value> = (0..*count)
                    .map(|number| {
                        serde_json::json!({ "name": format!("{name}-{number}"), "type": "Generic Application",
                            "properties": { "CommandLine": text } })
                    })
                    .collect();
                serde_json::json!({ "name": name, "depends_on_groups": depends, "resources": resources })
            })
            .collect();
        let config = serde_json::from_value(serde_json::json!({ "groups": groups })).unwrap();
        let mut catalog = Catalog::new(["Generic Application".parse().unwrap()]);
        let read = translate::read(&config, &mut catalog);
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        let steps = read.wanted.groups.into_values().map(Box::new).map(PlanStep::SetGroup).collect();
        (catalog, Plan { steps })
    }

    fn names(plan: &Plan) -> Vec<String> {
        plan.steps.iter().map(named).collect()
    }

    #[test]
    fn a_part_is_what_etcd_takes_at_once() {
        let many: Vec<(String, usize)> = (0..200).map(|number| (format!("g{number:03}"), 2)).collect();
        let many: Vec<(&str, usize, &[&str])> =
            many.iter().map(|(name, count)| (name.as_str(), *count, &[][..])).collect();
        let (catalog, mut left) = plan(&many, "sleep 1");
        let mut sizes = Vec::new();
        while !left.steps.is_empty() {
            let part = first_part(&catalog, left.clone());
            assert_eq!(names(&part), names(&left)[..part.steps.len()]);
            sizes.push(part.steps.len());
            left.steps.drain(..part.steps.len());
        }
        assert_eq!(sizes, [40, 40, 40, 40, 40], "a group and two resources are three documents of 120");
    }

    #[test]
    fn large_documents_make_small_parts() {
        let text = "x".repeat(300_000);
        let (catalog, left) = plan(&[("a", 1, &[]), ("b", 1, &[]), ("c", 1, &[]), ("d", 1, &[])], &text);
        assert_eq!(first_part(&catalog, left).steps.len(), 3);
    }

    #[test]
    fn a_group_comes_after_those_it_depends_on() {
        let (catalog, left) =
            plan(&[("a", 100, &["b", "c"]), ("b", 100, &["d"]), ("c", 1, &[]), ("d", 1, &[])], "sleep 1");
        assert_eq!(names(&ordered(left.clone())), ["c", "d", "b", "a"].map(|name| format!("group {name:?}")));
        assert_eq!(first_part(&catalog, left).steps.len(), 3);
    }

    #[test]
    fn what_can_never_be_stored_is_told_with_the_remedy() {
        let (catalog, left) = plan(&[("a", 119, &[]), ("b", 120, &[]), ("c", 1, &[])], "sleep 1");
        let problems = too_large(&catalog, &left);
        let [problem] = problems.as_slice() else { panic!("one problem, not {problems:?}") };
        assert_eq!(problem.place, "group/b");
        assert_eq!(problem.text, "it has 120 resources; a group of a cluster may have 119: split it");
        let (catalog, left) = plan(&[("a", 4, &[])], &"x".repeat(300_000));
        assert!(too_large(&catalog, &left)[0].text.contains("bytes"), "{:?}", too_large(&catalog, &left));
    }

    #[test]
    fn the_first_failure_tells_what_is_stored() {
        let refused = || {
            Err(Refusal {
                what: "configuration: apply".to_owned(),
                code: Code::ERROR_REVISION_MISMATCH,
                detail: "nothing was changed".to_owned(),
            })
        };
        assert_eq!(amended(refused(), 0, "group \"b\""), refused());
        let Ok(Answer::Failed { detail, code, .. }) = amended(refused(), 40, "group \"b\"") else {
            panic!("part of it is in force: it failed, and was not refused")
        };
        assert_eq!(code, Code::ERROR_REVISION_MISMATCH);
        assert_eq!(
            detail,
            "40 changes before it are stored and in force; group \"b\" and what follows are not: nothing was changed; \
             apply again for the rest"
        );
    }
}
