//! Before dependencies or possible owners change and things are deleted the resource DLLs concerned are asked, and may refuse.
//!
//! Windows: mscs/resource-control-codes (`ADD_DEPENDENCY`, `REMOVE_DEPENDENCY`, `ADD_OWNER`, `REMOVE_OWNER`,
//! `QUERY_DELETE`)
//! Note: a resource that is not open is opened for it, by the node that has its group, and closed when the change is made
//! or refused.

use std::collections::{BTreeMap, BTreeSet};

use stead_api::{Failure, Line};
use stead_monitor_protocol::{Consultation, OpId};
use stead_policy::{Plan, PlanProblem, PlanStep, Request, ResourceConfig};
use stead_types::{Code, NodeName, ResourceName, TypeName};

use crate::command::Lines;
use crate::edge::monitor::Said;
use crate::node::Node;
use crate::report;

/// Who is asked what.
#[derive(Clone, Debug)]
pub(crate) enum Asked {
    Resource { resource: ResourceName, question: Consultation, place: String },
    Type(TypeName),
}

impl Asked {
    /// What is refused, for people; and its place in a configuration.
    fn refused(&self, code: Code) -> PlanProblem {
        let (place, what) = match self {
            Asked::Resource { resource, question, place } => {
                let what = match question {
                    Consultation::AddDependency(provider) => {
                        format!("the resource DLL of \"{resource}\" does not let it depend on \"{provider}\"")
                    }
                    Consultation::RemoveDependency(provider) => {
                        format!("the resource DLL of \"{resource}\" does not let go of \"{provider}\"")
                    }
                    Consultation::AddOwner(node) => {
                        format!("the resource DLL of \"{resource}\" does not let node \"{node}\" have it")
                    }
                    Consultation::RemoveOwner(node) => {
                        format!(
                            "the resource DLL of \"{resource}\" does not let it be kept from node \"{node}\""
                        )
                    }
                    Consultation::QueryDelete => {
                        format!("the resource DLL of \"{resource}\" does not let it be deleted")
                    }
                };
                (place.clone(), what)
            }
            Asked::Type(name) => (
                format!("type/{name}"),
                format!("the resource DLL of type \"{name}\" does not let it be deleted"),
            ),
        };
        PlanProblem { place, text: format!("{what}: {code}"), code }
    }

    /// What is refused because it could not be asked; nothing if that holds nothing up: dependencies and owners can be changed
    /// back.
    fn unasked(&self, code: Code, text: &str) -> Option<PlanProblem> {
        match self {
            Asked::Resource { resource, question: Consultation::QueryDelete, place } => {
                let text = format!(
                    "resource \"{resource}\" could not be opened to be asked whether it may be deleted: {text}; mend \
                     what keeps it from that, or delete it unasked: `stead resource delete \"{resource}\" --force`"
                );
                Some(PlanProblem { place: place.clone(), text, code })
            }
            Asked::Resource {
                question:
                    Consultation::AddDependency(_)
                    | Consultation::RemoveDependency(_)
                    | Consultation::AddOwner(_)
                    | Consultation::RemoveOwner(_),
                ..
            }
            | Asked::Type(_) => None,
        }
    }

    /// What takes back a consent that came to nothing.
    fn opposite(&self) -> Option<(ResourceName, Consultation)> {
        match self {
            Asked::Resource { resource, question: Consultation::AddDependency(provider), .. } => {
                Some((resource.clone(), Consultation::RemoveDependency(provider.clone())))
            }
            Asked::Resource { resource, question: Consultation::RemoveDependency(provider), .. } => {
                Some((resource.clone(), Consultation::AddDependency(provider.clone())))
            }
            Asked::Resource { resource, question: Consultation::AddOwner(node), .. } => {
                Some((resource.clone(), Consultation::RemoveOwner(node.clone())))
            }
            Asked::Resource { resource, question: Consultation::RemoveOwner(node), .. } => {
                Some((resource.clone(), Consultation::AddOwner(node.clone())))
            }
            Asked::Resource { question: Consultation::QueryDelete, .. } | Asked::Type(_) => None,
        }
    }
}

/// What goes on when all have answered.
#[derive(Debug)]
pub(crate) enum Then {
    /// The apply that is under way.
    Apply,
    /// A deletion.
    Request { request: Request, no_wait: bool, lines: Lines },
}

/// Questions that have not all been answered.
#[derive(Debug)]
pub(crate) struct Consulting {
    waiting: BTreeMap<OpId, Asked>,
    /// What cannot be asked is deleted all the same.
    force: bool,
    agreed: Vec<Asked>,
    refused: Vec<PlanProblem>,
    then: Then,
}

impl Node {
    /// Whom a plan concerns.
    pub(crate) fn questions(&self, plan: &Plan) -> Vec<Asked> {
        let have = self.policy.config();
        let nodes = self.node_names();
        let mut questions = Vec::new();
        for step in &plan.steps {
            match step {
                PlanStep::SetGroup(wanted) => {
                    let Some(old) = have.groups.get(&wanted.name) else { continue };
                    for resource in wanted.resources.values() {
                        if let Some(old) = old.resources.get(&resource.name) {
                            let place = format!("group/{}/resource/{}", wanted.name, resource.name);
                            questions.extend(dependencies(old, resource, &format!("{place}/depends_on")));
                            let place = format!("{place}/possible_owners");
                            questions.extend(owners(old, resource, &nodes, &place));
                        }
                    }
                }
                PlanStep::DeleteResource(group, name) => {
                    let place = format!("group/{group}/resource/{name}");
                    questions.push(deletion(name.clone(), place));
                }
                PlanStep::DeleteGroup(group) => {
                    let names = have.groups.get(group).into_iter().flat_map(|group| group.resources.keys());
                    questions.extend(names.map(|name| deletion(name.clone(), format!("group/{group}"))));
                }
                PlanStep::DeleteType(name) => questions.push(Asked::Type(name.clone())),
                PlanStep::SetType(_)
                | PlanStep::SetGroupSet(_)
                | PlanStep::DeleteGroupSet(_)
                | PlanStep::SetSettings(_) => {}
            }
        }
        questions
    }

    /// Asks; what follows comes when all have answered. False if there is nobody to ask.
    pub(crate) fn consult(&mut self, questions: Vec<Asked>, then: Then) -> bool {
        let mut waiting = BTreeMap::new();
        for asked in questions {
            let op = match &asked {
                Asked::Resource { resource, question, .. } => self
                    .monitors
                    .consult(resource, question.clone())
                    .or_else(|| self.visit(resource, question.clone())),
                Asked::Type(name) => {
                    let known = self.policy.config().types.get(name);
                    let library = known.map(|known| self.catalog.library(known));
                    library.map(|library| self.monitors.consult_type(name.clone(), library))
                }
            };
            waiting.extend(op.map(|op| (op, asked)));
        }
        if waiting.is_empty() {
            self.skip_consultation(then);
            return false;
        }
        let force = match &then {
            Then::Request { request: Request::DeleteResource { force, .. }, .. }
            | Then::Request { request: Request::DeleteGroup { force, .. }, .. } => *force,
            Then::Request { .. } | Then::Apply => false,
        };
        self.consulting = Some(Consulting { waiting, force, agreed: Vec::new(), refused: Vec::new(), then });
        true
    }

    /// Opens a resource to ask it. `None` where another node has its group: there it would be asked.
    fn visit(&mut self, resource: &ResourceName, question: Consultation) -> Option<OpId> {
        let group = self.group_of(resource)?;
        if !self.policy.has(&group) {
            return None;
        }
        let opening = self.opening(resource)?;
        Some(self.monitors.visit(resource, question, opening))
    }

    fn skip_consultation(&mut self, then: Then) {
        match then {
            Then::Apply => {}
            Then::Request { request, no_wait, lines } => {
                let id = self.ask(request, no_wait, Some(lines));
                self.structural = Some(id);
            }
        }
    }

    /// Asks before a deletion that would be carried out otherwise.
    pub(crate) fn consult_deletion(&mut self, request: Request, no_wait: bool, lines: Lines) {
        let steps = match &request {
            Request::DeleteResource { resource, .. } => self
                .group_of(resource)
                .map(|group| PlanStep::DeleteResource(group, resource.clone()))
                .into_iter()
                .collect(),
            Request::DeleteGroup { group, .. } => vec![PlanStep::DeleteGroup(group.clone())],
            Request::DeleteType { type_name } => vec![PlanStep::DeleteType(type_name.clone())],
            Request::DeleteGroupSet { set } => vec![PlanStep::DeleteGroupSet(set.clone())],
            Request::Apply(_)
            | Request::OnlineResource { .. }
            | Request::OfflineResource { .. }
            | Request::RestartResource { .. }
            | Request::FailResource { .. }
            | Request::ResourceMaintenance { .. }
            | Request::OnlineGroup { .. }
            | Request::OfflineGroup { .. }
            | Request::MoveGroup { .. }
            | Request::CancelGroup { .. }
            | Request::SettleGroup { .. }
            | Request::CancelResource { .. }
            | Request::PauseNode { .. }
            | Request::ResumeNode { .. }
            | Request::Shutdown => Vec::new(),
        };
        let questions = match self.policy.refuses(&request) {
            None => self.questions(&Plan { steps }),
            Some(_) => Vec::new(),
        };
        self.consult(questions, Then::Request { request, no_wait, lines });
    }

    /// A resource DLL has answered. One whose monitor was lost over the question holds nothing up.
    pub(crate) fn consulted(&mut self, op: OpId, said: Said) {
        let Some(consulting) = &mut self.consulting else { return };
        let Some(asked) = consulting.waiting.remove(&op) else { return };
        match said {
            Said::Lost => tracing::warn!(?asked, "a monitor was lost over a question of its node"),
            Said::Code(Code::SUCCESS | Code::ERROR_INVALID_FUNCTION) => consulting.agreed.push(asked),
            Said::Code(code) => consulting.refused.push(asked.refused(code)),
            Said::NotOpened(code, text) => {
                tracing::warn!(?asked, %code, text, "a resource could not be opened to be asked");
                let force = consulting.force;
                consulting.refused.extend(asked.unasked(code, &text).filter(|_| !force));
            }
        }
        if !consulting.waiting.is_empty() {
            return;
        }
        let Some(Consulting { agreed, refused, then, .. }) = self.consulting.take() else { return };
        if !refused.is_empty() {
            // In the order opposite to that of the questions.
            for (resource, question) in agreed.iter().rev().filter_map(Asked::opposite) {
                self.monitors.consult(&resource, question);
            }
        }
        match then {
            Then::Apply => self.apply_consulted(refused),
            Then::Request { request, no_wait, lines } => match refused.into_iter().next() {
                None => {
                    let id = self.ask(request, no_wait, Some(lines));
                    self.structural = Some(id);
                }
                Some(problem) => {
                    let what = stead_policy::describe(&request);
                    let failure = Failure { what, error: report::code(problem.code), detail: problem.text };
                    let _ = lines.send(Line::Refused(failure));
                }
            },
        }
        if self.applying.is_none() {
            self.monitors.end_checks();
        }
        self.next_structural();
    }
}

fn deletion(resource: ResourceName, place: String) -> Asked {
    Asked::Resource { resource, question: Consultation::QueryDelete, place }
}

/// What is asked about the dependencies that change.
fn dependencies(old: &ResourceConfig, new: &ResourceConfig, place: &str) -> Vec<Asked> {
    let has =
        |config: &ResourceConfig, name: &ResourceName| config.dependency.providers().any(|on| on == name);
    let asked = |question| Asked::Resource { resource: new.name.clone(), question, place: place.to_owned() };
    let mut questions: Vec<Asked> = Vec::new();
    let mut seen = BTreeSet::new();
    for provider in new.dependency.providers().filter(|name| !has(old, name)) {
        if seen.insert(provider) {
            questions.push(asked(Consultation::AddDependency(provider.clone())));
        }
    }
    for provider in old.dependency.providers().filter(|name| !has(new, name)) {
        if seen.insert(provider) {
            questions.push(asked(Consultation::RemoveDependency(provider.clone())));
        }
    }
    questions
}

/// What is asked about the nodes that can have it and could not, or the other way round. Without possible owners every node
/// can.
fn owners(old: &ResourceConfig, new: &ResourceConfig, nodes: &BTreeSet<NodeName>, place: &str) -> Vec<Asked> {
    let of = |config: &ResourceConfig| {
        if config.possible_owners.is_empty() { nodes.clone() } else { config.possible_owners.clone() }
    };
    let (before, after) = (of(old), of(new));
    let added = after.difference(&before).cloned().map(Consultation::AddOwner);
    let removed = before.difference(&after).cloned().map(Consultation::RemoveOwner);
    added
        .chain(removed)
        .map(|question| Asked::Resource { resource: new.name.clone(), question, place: place.to_owned() })
        .collect()
}
