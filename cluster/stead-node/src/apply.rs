//! Applying a configuration: everything is checked, by the resource DLLs as well, before anything changes.

use std::collections::BTreeMap;

use stead_api::{Apply, Line};
use stead_monitor_protocol::{Library, OpId, Properties};
use stead_policy::cluster::{Property, unwatched};
use stead_policy::{ClusterConfig, Plan, PlanProblem, PlanStep, Request, ResourceConfig};
use stead_types::{Code, GroupName, PropertyMap, ResourceName, TypeName};

use crate::asked::{Asker, Wanted};
use crate::command::Lines;
use crate::consult::Then;
use crate::edge::monitor::Checked;
use crate::node::Node;
use crate::parts::{self, Parts};
use crate::{report, translate};

/// What changes the structure of the configuration: one at a time.
#[derive(Debug)]
pub(crate) enum Structural {
    Apply(Apply, Lines),
    Request {
        request: Request,
        no_wait: bool,
        lines: Lines,
    },
    /// Common properties, changed by a control code.
    Common {
        asker: Asker,
        resource: ResourceName,
        wanted: Wanted,
    },
}

/// A configuration whose checks are under way.
#[derive(Debug)]
pub(crate) struct Applying {
    wanted: ClusterConfig,
    apply: Apply,
    lines: Lines,
    /// Checks asked for, and the place of what each checks.
    waiting: BTreeMap<OpId, String>,
    problems: Vec<PlanProblem>,
    /// Resource DLLs have been asked, and have nothing against it.
    consulted: bool,
}

/// What a resource DLL has to look at.
struct Check {
    place: String,
    resource: ResourceName,
    type_name: TypeName,
    library: Library,
    properties: Option<Properties>,
    /// What the resource has now.
    stored: PropertyMap,
}

/// An applied configuration whose groups are on their way.
#[derive(Debug)]
pub(crate) struct Settling {
    pub(crate) lines: Lines,
    pub(crate) left: usize,
    pub(crate) failures: Vec<stead_api::Failure>,
}

impl Settling {
    /// The last line.
    pub(crate) fn end(mut self) {
        let last = match self.failures.len() {
            0 => Line::Done { state: None },
            _ => {
                let rest: Vec<String> =
                    self.failures[1..].iter().map(|failure| failure.detail.clone()).collect();
                let mut first = self.failures.swap_remove(0);
                for detail in rest {
                    first.detail = format!("{}; {detail}", first.detail);
                }
                Line::Failed(first)
            }
        };
        let _ = self.lines.send(last);
    }
}

impl Node {
    /// Takes the next change of the structure, if none is under way.
    pub(crate) fn next_structural(&mut self) {
        while self.applying.is_none() && self.consulting.is_none() && self.structural.is_none() {
            self.end_visits();
            match self.queue.pop_front() {
                None => return,
                Some(Structural::Request { request, no_wait, lines }) => {
                    self.consult_deletion(request, no_wait, lines);
                }
                Some(Structural::Apply(apply, lines)) => self.begin_apply(apply, lines),
                Some(Structural::Common { asker, resource, wanted }) => {
                    self.structural = self.set_common(asker, &resource, &wanted);
                }
            }
        }
    }

    /// Closes what was opened to be asked: what it was asked about has become true, or will not.
    fn end_visits(&mut self) {
        let config = self.policy.config();
        let exists =
            |name: &ResourceName| config.groups.values().any(|group| group.resources.contains_key(name));
        self.monitors.end_visits(|name| !exists(name));
    }

    fn begin_apply(&mut self, apply: Apply, lines: Lines) {
        let translate::Read { wanted, mut problems, complete } =
            translate::read(&apply.config, &mut self.catalog);
        if complete && let Err(more) = self.policy.plan(&wanted, apply.prune) {
            let told: std::collections::BTreeSet<String> =
                problems.iter().map(|problem| problem.place.to_ascii_lowercase()).collect();
            problems.extend(
                more.into_iter().filter(|problem| !told.contains(&problem.place.to_ascii_lowercase())),
            );
        }
        if let Some(member) = self.member.as_ref().filter(|_| complete) {
            problems.extend(unwatched(&wanted, self.policy.config(), &member.watchdogs()));
        }
        if !problems.is_empty() {
            let _ = lines.send(report::problems(problems));
            return;
        }
        let mut waiting = BTreeMap::new();
        for Check { place, resource, type_name, library, properties, stored } in self.checks(&wanted) {
            let op = self.monitors.check(resource, type_name, library, properties, stored);
            waiting.insert(op, place);
        }
        self.applying =
            Some(Applying { wanted, apply, lines, waiting, problems: Vec::new(), consulted: false });
        self.finish_checks();
    }

    /// What the resource DLLs have to look at: types and resources that are new or changed.
    fn checks(&self, wanted: &ClusterConfig) -> Vec<Check> {
        let have = self.policy.config();
        let mut checks = Vec::new();
        for (name, config) in &wanted.types {
            let same = have.types.get(name).is_some_and(|old| old.revision == config.revision);
            // The name of a type is good enough for a resource that does not exist.
            if let (false, Ok(resource)) = (same, name.as_str().parse()) {
                checks.push(Check {
                    place: format!("type/{name}/dll"),
                    resource,
                    type_name: name.clone(),
                    library: self.catalog.library(config),
                    properties: None,
                    stored: PropertyMap::new(),
                });
            }
        }
        for (group, config) in &wanted.groups {
            let old = have.groups.get(group);
            for (name, resource) in &config.resources {
                let type_name = &resource.type_name;
                let known = wanted.types.get(type_name).or_else(|| have.types.get(type_name));
                let old = old.and_then(|old| old.resources.get(name));
                let same = |old: &ResourceConfig| {
                    let type_same = wanted.types.get(type_name).is_none_or(|wanted| {
                        have.types.get(type_name).is_some_and(|have| have.revision == wanted.revision)
                    });
                    old.revision == resource.revision && old.type_name == *type_name && type_same
                };
                if let (Some(known), false) = (known, old.is_some_and(same)) {
                    let before = old.filter(|old| old.type_name == *type_name);
                    checks.push(Check {
                        place: format!("group/{group}/resource/{name}"),
                        resource: name.clone(),
                        type_name: type_name.clone(),
                        library: self.catalog.library(known),
                        properties: Some(Properties(self.catalog.properties(resource.revision))),
                        stored: before.map(|old| self.catalog.properties(old.revision)).unwrap_or_default(),
                    });
                }
            }
        }
        checks
    }

    /// A resource DLL has looked.
    pub(crate) fn checked(&mut self, checked: Checked) {
        let Some(applying) = &mut self.applying else { return };
        let Some(place) = applying.waiting.remove(&checked.op) else { return };
        if !checked.code.is_success() {
            let text = checked.detail.unwrap_or_else(|| checked.code.to_string());
            applying.problems.push(PlanProblem { place: place.clone(), text, code: checked.code });
        }
        for problem in checked.problems {
            let place = match &problem.property {
                Some(property) => format!("{place}/properties/{property}"),
                None => format!("{place}/properties"),
            };
            let code = Code::ERROR_INVALID_PARAMETER;
            applying.problems.push(PlanProblem { place, text: problem.text, code });
        }
        self.finish_checks();
    }

    /// What the configuration was to become is refused by resource DLLs, or by nobody.
    pub(crate) fn apply_consulted(&mut self, refused: Vec<PlanProblem>) {
        if let Some(applying) = &mut self.applying {
            applying.problems.extend(refused);
        }
        self.finish_checks();
    }

    fn finish_checks(&mut self) {
        if self.applying.as_ref().is_none_or(|applying| !applying.waiting.is_empty()) {
            return;
        }
        let Some(mut applying) = self.applying.take() else { return };
        self.monitors.end_checks();
        if !applying.problems.is_empty() {
            let _ = applying.lines.send(report::problems(applying.problems));
            self.next_structural();
            return;
        }
        // Looked at once more: an operator may have changed something in the meantime.
        applying.wanted.settings = translate::settings(&applying.apply.config.cluster, &self.catalog);
        let plan = match self.policy.plan(&applying.wanted, applying.apply.prune) {
            Ok(plan) => plan,
            Err(problems) => {
                let _ = applying.lines.send(report::problems(problems));
                self.next_structural();
                return;
            }
        };
        if !applying.consulted && !applying.apply.dry_run {
            applying.consulted = true;
            let questions = self.questions(&plan);
            if self.consult(questions, Then::Apply) {
                self.applying = Some(applying);
                return;
            }
        }
        if self.member.is_some() {
            let problems = parts::too_large(&self.catalog, &plan);
            if !problems.is_empty() {
                let _ = applying.lines.send(report::problems(problems));
                self.next_structural();
                return;
            }
        }
        let strangers = self.strangers(&applying.wanted);
        if !strangers.is_empty() {
            let _ = applying.lines.send(Line::Warnings(strangers));
        }
        let _ = applying.lines.send(Line::Plan(self.sentences(&plan)));
        if applying.apply.dry_run {
            let _ = applying.lines.send(Line::Done { state: None });
            self.next_structural();
            return;
        }
        let groups: Vec<GroupName> = applying.wanted.groups.keys().cloned().collect();
        if plan.steps.is_empty() {
            let _ = applying.lines.send(Line::Accepted);
            self.settle(groups, applying.apply.no_wait, applying.lines);
            self.next_structural();
            return;
        }
        let settle = if applying.apply.no_wait { Vec::new() } else { groups };
        self.store_part(plan, Parts::new(applying.wanted, applying.apply, applying.lines, settle));
    }

    /// Answers when all these groups are as wanted, or cannot become so.
    pub(crate) fn settle(&mut self, groups: Vec<GroupName>, no_wait: bool, lines: Lines) {
        if groups.is_empty() || no_wait {
            let _ = lines.send(Line::Done { state: None });
            return;
        }
        self.next_settling += 1;
        let number = self.next_settling;
        self.settling.insert(number, Settling { lines, left: groups.len(), failures: Vec::new() });
        if self.member.is_some() {
            self.await_groups(groups, number);
        } else {
            for group in groups {
                self.ask_settled(group, number);
            }
        }
    }

    /// One group that an apply waits for is as wanted, or cannot become so.
    pub(crate) fn settled_one(&mut self, number: u64, failure: Option<stead_api::Failure>) {
        let Some(settling) = self.settling.get_mut(&number) else { return };
        settling.left -= 1;
        settling.failures.extend(failure);
        if settling.left == 0
            && let Some(settling) = self.settling.remove(&number)
        {
            settling.end();
        }
    }

    fn sentences(&self, plan: &Plan) -> Vec<String> {
        let have = self.policy.config();
        let exists = |step: &PlanStep| match step {
            PlanStep::SetType(config) => have.types.contains_key(&config.name),
            PlanStep::SetGroup(config) => have.groups.contains_key(&config.name),
            PlanStep::SetGroupSet(set) => have.sets.contains_key(&set.name),
            PlanStep::DeleteResource(..)
            | PlanStep::DeleteGroup(_)
            | PlanStep::DeleteType(_)
            | PlanStep::DeleteGroupSet(_)
            | PlanStep::SetSettings(_) => true,
        };
        let changed = |step: &PlanStep| {
            if let PlanStep::SetSettings(change) = step {
                let line =
                    |(known, from, to): (&Property, u32, u32)| format!("  {} {from} -> {to}", known.name);
                return change.changed().map(line).collect();
            }
            let PlanStep::SetGroup(config) = step else { return Vec::new() };
            let old = have.groups.get(&config.name);
            let lines = config.resources.values().filter_map(|resource| {
                let old = old.and_then(|old| old.resources.get(&resource.name));
                self.difference(old, resource)
            });
            lines.collect()
        };
        report::plan(plan, exists, changed)
    }

    /// What is new about a resource, in a sentence.
    fn difference(&self, old: Option<&ResourceConfig>, new: &ResourceConfig) -> Option<String> {
        let Some(old) = old else {
            return Some(format!("  create resource \"{}\" ({})", new.name, new.type_name));
        };
        let mut parts = Vec::new();
        if old.dependency != new.dependency {
            parts.push(format!("depends_on \"{}\" -> \"{}\"", old.dependency, new.dependency));
        }
        if old.description != new.description {
            parts.push(format!("description \"{}\" -> \"{}\"", old.description, new.description));
        }
        let (before, after) = (crate::common::numbers(&old.common), crate::common::numbers(&new.common));
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let shown = |value: Option<&u64>| value.map_or("default".to_owned(), ToString::to_string);
            let (was, is) = (before.get(name), after.get(name));
            if was != is {
                parts.push(format!("{name} {} -> {}", shown(was), shown(is)));
            }
        }
        let (before, after) = (self.catalog.properties(old.revision), self.catalog.properties(new.revision));
        let names: std::collections::BTreeSet<&String> = before.keys().chain(after.keys()).collect();
        for name in names {
            let shown = |value: Option<&stead_types::PropertyValue>| match value {
                Some(value) => format!("\"{value}\""),
                None => "default".to_owned(),
            };
            let (was, is) = (before.get(name), after.get(name));
            if was != is {
                parts.push(format!("{name} {} -> {}", shown(was), shown(is)));
            }
        }
        if new.persistent_state.is_some() && new.persistent_state != old.persistent_state {
            parts.push("persistent_state".to_owned());
        }
        (!parts.is_empty()).then(|| format!("  change resource \"{}\": {}", new.name, parts.join(", ")))
    }
}
