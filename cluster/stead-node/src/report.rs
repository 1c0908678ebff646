//! What the policy says, as clients read it.

use stead_api::{ErrorCode, Failure, Group, Line, Node, Problem, Resource, Setting, Status};
use stead_policy::cluster::{Property, Settings};
use stead_policy::{
    Answer, GroupConfig, GroupView, Level, PersistentState, Plan, PlanProblem, PlanStep, Refusal,
    ResourceView, View,
};
use stead_types::{Code, NodeState, ResourceName, Time};

/// A code with its name.
pub(crate) fn code(code: Code) -> ErrorCode {
    ErrorCode { code: code.0, name: code.name().map(str::to_owned) }
}

/// None where nothing went wrong.
pub(crate) fn error(of: Code) -> Option<ErrorCode> {
    (!of.is_success()).then(|| code(of))
}

/// What of a node the policy does not know.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) containment: String,
    pub(crate) restarts: u32,
}

const GUARANTEE: &str = "one machine: the cluster database is locked by one node, and a group starts again only after \
                         the guardian saw its last process end";

fn wish(state: PersistentState) -> String {
    match state {
        PersistentState::Online => "Online".to_owned(),
        PersistentState::Offline => "Offline".to_owned(),
    }
}

/// The whole status.
pub(crate) fn status(
    view: View,
    now: Time,
    surroundings: &Surroundings,
    process: impl Fn(&ResourceName) -> Option<u32>,
) -> Status {
    Status {
        nodes: view
            .nodes
            .into_iter()
            .map(|node| Node {
                name: node.name.to_string(),
                state: node.state.to_string(),
                version: env!("CARGO_PKG_VERSION").to_owned(),
                containment: surroundings.containment.clone(),
                guarantee: GUARANTEE.to_owned(),
                restarts: surroundings.restarts,
                paused: node.state == NodeState::Paused,
                drain: None,
                quarantine: None,
                quarantine_ends_ms: None,
                session: None,
                seen_ms_ago: None,
                renewed_ms_ago: None,
                renewed_every_ms: None,
                coordinator: false,
            })
            .collect(),
        groups: view.groups.into_iter().map(|view| group(view, now, &process)).collect(),
        no_contact_since_ms: None,
    }
}

pub(crate) fn group(view: GroupView, now: Time, process: &impl Fn(&ResourceName) -> Option<u32>) -> Group {
    Group {
        name: view.name.to_string(),
        state: view.state.to_string(),
        persistent_state: wish(view.persistent_state),
        owner_node: view.owner_node.to_string(),
        operation: view.operation,
        why: view.why,
        status_information: view.status_information,
        resources: view.resources.into_iter().map(|view| resource(view, now, process)).collect(),
    }
}

/// A group of which nothing is known but what is configured.
pub(crate) fn unknown_group(config: &GroupConfig) -> Group {
    let unknown = stead_types::ResourceState::Unknown.to_string();
    Group {
        name: config.name.to_string(),
        state: unknown.clone(),
        persistent_state: wish(config.persistent_state.unwrap_or(PersistentState::Online)),
        owner_node: String::new(),
        operation: None,
        why: None,
        status_information: 0,
        resources: config
            .resources
            .values()
            .map(|resource| Resource {
                pid: None,
                name: resource.name.to_string(),
                type_name: resource.type_name.to_string(),
                state: unknown.clone(),
                checkpoint: 0,
                last_error: None,
                persistent_state: resource.persistent_state.map(wish),
                depends_on: resource.dependency.to_string(),
                for_ms: 0,
                failures: 0,
                next_attempt_in_ms: None,
                locked: false,
                maintenance: false,
                status_information: 0,
                why: None,
            })
            .collect(),
    }
}

fn resource(view: ResourceView, now: Time, process: &impl Fn(&ResourceName) -> Option<u32>) -> Resource {
    let ms = |duration: std::time::Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    Resource {
        pid: process(&view.name),
        name: view.name.to_string(),
        type_name: view.type_name.to_string(),
        state: view.state.to_string(),
        checkpoint: view.checkpoint,
        last_error: error(view.last_error),
        persistent_state: view.persistent_state.map(wish),
        depends_on: view.dependency.to_string(),
        for_ms: ms(now.since(view.since)),
        failures: view.failures,
        next_attempt_in_ms: view.next_attempt.map(|at| ms(at.since(now))),
        locked: view.status_information & 1 != 0,
        maintenance: view.maintenance,
        status_information: view.status_information,
        why: view.why,
    }
}

/// The last line of an answer.
pub(crate) fn answer(answer: Result<Answer, Refusal>) -> Line {
    match answer {
        Ok(Answer::Resource(state)) => Line::Done { state: Some(state.to_string()) },
        Ok(Answer::Group(state)) => Line::Done { state: Some(state.to_string()) },
        Ok(Answer::Done) => Line::Done { state: None },
        Ok(Answer::Failed { what, code: why, detail }) => {
            Line::Failed(Failure { what, error: code(why), detail })
        }
        Ok(Answer::Cancelled) => Line::Cancelled,
        Err(Refusal { what, code: why, detail }) => Line::Refused(Failure { what, error: code(why), detail }),
    }
}

/// Problems of a configuration.
pub(crate) fn problems(problems: Vec<PlanProblem>) -> Line {
    let one = |problem: PlanProblem| Problem {
        place: problem.place,
        text: problem.text,
        error: code(problem.code),
    };
    Line::Problems(problems.into_iter().map(one).collect())
}

/// A plan in sentences; `exists` tells a change from a creation.
pub(crate) fn plan(
    plan: &Plan,
    exists: impl Fn(&PlanStep) -> bool,
    changed: impl Fn(&PlanStep) -> Vec<String>,
) -> Vec<String> {
    plan.steps
        .iter()
        .flat_map(|step| {
            let verb = if exists(step) { "change" } else { "create" };
            let mut lines = vec![match step {
                PlanStep::SetType(config) => format!("{verb} resource type \"{}\"", config.name),
                PlanStep::SetGroup(config) => format!("{verb} group \"{}\"", config.name),
                PlanStep::DeleteResource(group, name) => {
                    format!("take offline and delete resource \"{name}\" of group \"{group}\"")
                }
                PlanStep::DeleteGroup(name) => {
                    format!("take offline and delete group \"{name}\" with its resources")
                }
                PlanStep::DeleteType(name) => format!("delete resource type \"{name}\""),
                PlanStep::SetGroupSet(set) => format!("{verb} group set \"{}\"", set.name),
                PlanStep::DeleteGroupSet(name) => format!("delete group set \"{name}\""),
                PlanStep::SetSettings(_) => "change the cluster's settings".to_owned(),
            }];
            lines.extend(changed(step));
            lines
        })
        .collect()
}

/// The cluster's settings, with what can be known of each.
pub(crate) fn settings(settings: &Settings) -> Vec<Setting> {
    let plain = Settings::default();
    let shown = |property: &Property| Setting {
        name: property.name.to_owned(),
        value: property.of(settings).into(),
        default: property.of(&plain).into(),
        smallest: property.smallest.into(),
        largest: property.largest.into(),
        unit: property.unit.to_owned(),
        about: property.about.to_owned(),
    };
    Property::ALL.iter().map(shown).collect()
}

/// A level as people read it.
pub(crate) const fn level(level: Level) -> &'static str {
    match level {
        Level::Information => "information",
        Level::Warning => "warning",
        Level::Error => "error",
        Level::Critical => "critical",
    }
}
