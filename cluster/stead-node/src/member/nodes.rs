//! What operators ask of nodes: pause, drain, resume.

use std::collections::BTreeSet;

use stead_api::{Failure, Line, Problem};
use stead_policy::cluster::{DrainStatus, NodeRecord, ResumeFailback};
use stead_policy::{ClusterConfig, DrainTo, Event, Level, Record, Refusal, Request};
use stead_types::{Code, NodeName};

use crate::command::Lines;
use crate::edge::timer;
use crate::node::Node;
use crate::report;

/// A client that waits for what it asked of a node.
#[derive(Debug)]
pub(super) struct Asked {
    node: NodeName,
    what: String,
    lines: Lines,
    /// The drain it waits for.
    drain: Option<u64>,
    /// What it asked is stored.
    stored: bool,
}

const fn failback(of: stead_policy::ResumeFailback) -> ResumeFailback {
    match of {
        stead_policy::ResumeFailback::None => ResumeFailback::None,
        stead_policy::ResumeFailback::Immediate => ResumeFailback::Immediate,
        stead_policy::ResumeFailback::Policy => ResumeFailback::Policy,
    }
}

impl Node {
    /// The nodes of the cluster, as far as they are known here; this one alone if it is not one of several.
    pub(crate) fn node_names(&self) -> BTreeSet<NodeName> {
        match &self.member {
            None => BTreeSet::from([self.name()]),
            Some(member) => {
                let sessions = member.machine.nodes().map(|(node, _)| node);
                sessions.chain(member.situation.nodes.keys()).cloned().collect()
            }
        }
    }

    /// Where a configuration names nodes that nobody knows. They may join later; more often it is a slip.
    pub(crate) fn strangers(&self, wanted: &ClusterConfig) -> Vec<Problem> {
        if self.member.is_none() {
            return Vec::new();
        }
        let known = self.node_names();
        let names = known.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let stranger = |node: &NodeName, place: String| {
            (!known.contains(node)).then(|| Problem {
                place,
                text: format!("\"{node}\" is no node of this cluster so far; there are: {names}"),
                error: report::code(Code::ERROR_CLUSTER_NODE_NOT_FOUND),
            })
        };
        let mut all = Vec::new();
        for group in wanted.groups.values() {
            let place = || format!("group/{}/preferred_owners", group.name);
            all.extend(group.preferred_owners.iter().filter_map(|node| stranger(node, place())));
            for resource in group.resources.values() {
                let place = || format!("group/{}/resource/{}/possible_owners", group.name, resource.name);
                all.extend(resource.possible_owners.iter().filter_map(|node| stranger(node, place())));
            }
        }
        all
    }

    /// Pauses or resumes a node, this one or another. The answer comes when that has ended.
    pub(crate) fn ask_node(&mut self, request: Request, no_wait: bool, lines: Lines) {
        let Some(member) = &mut self.member else { return };
        let what = stead_policy::describe(&request);
        let changed = match &request {
            Request::PauseNode { node, drain, flags } => {
                let target = match drain {
                    Some(DrainTo::Node(target)) => Some(target),
                    Some(DrainTo::Best) | None => None,
                };
                match drain {
                    None => member.paused(&what, node).map(|record| (node.clone(), record, None)),
                    Some(_) => member.situation.check_drain(node, target).map(|drainable| {
                        let facts = member.situation.nodes.get(node).cloned().unwrap_or_default();
                        let record = facts.record.drained(drainable.id, target.cloned(), *flags);
                        (node.clone(), record, Some(drainable.id))
                    }),
                }
            }
            Request::ResumeNode { node, failback: comes, clear_quarantine: true } => member
                .situation
                .check_pardon(node, failback(*comes))
                .map(|record| (node.clone(), record, None)),
            Request::ResumeNode { node, failback: comes, clear_quarantine: false } => {
                member.situation.check_resume(node).map(|session| {
                    let facts = member.situation.nodes.get(node).cloned().unwrap_or_default();
                    (node.clone(), facts.record.resumed(session, failback(*comes)), None)
                })
            }
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
            | Request::DeleteResource { .. }
            | Request::DeleteGroup { .. }
            | Request::DeleteType { .. }
            | Request::DeleteGroupSet { .. }
            | Request::Shutdown => return,
        };
        let (node, record, drain) = match changed {
            Ok(changed) => changed,
            Err(refused) => return drop(lines.send(report::answer(Err(refused)))),
        };
        let facts = member.situation.nodes.get(&node);
        let revision = facts.and_then(|facts| facts.revision);
        let pardoned =
            facts.is_some_and(|facts| facts.record.quarantine.is_some() && record.quarantine.is_none());
        let records = pardoned.then(|| Record {
            id: 10_030,
            level: Level::Information,
            group: None,
            resource: None,
            code: Code::SUCCESS,
            text: format!("node {node} is no longer quarantined: an operator has ended it"),
        });
        if !member.write_node(&node, revision, record, records.into_iter().collect()) {
            let detail = "something else is being stored about it; ask again".to_owned();
            let refused = Refusal { what, code: Code::ERROR_BUSY, detail };
            return drop(lines.send(report::answer(Err(refused))));
        }
        let drain = drain.filter(|_| !no_wait);
        member.asked.push(Asked { node, what, lines, drain, stored: false });
    }

    /// A node's document was stored, or was not: those who asked are told.
    pub(super) fn node_stored(&mut self, node: &NodeName, stored: bool) {
        let Some(member) = &mut self.member else { return };
        let mut kept = Vec::new();
        for mut asked in std::mem::take(&mut member.asked) {
            if asked.node != *node || asked.stored {
                kept.push(asked);
                continue;
            }
            if !stored {
                let detail =
                    "something else happened to it first, or the database could not store it; ask again";
                let (code, detail) = (Code::ERROR_BUSY, detail.to_owned());
                let refused = Refusal { what: asked.what, code, detail };
                let _ = asked.lines.send(report::answer(Err(refused)));
                continue;
            }
            let _ = asked.lines.send(Line::Accepted);
            asked.stored = true;
            kept.push(asked);
        }
        member.asked = kept;
        self.settle_nodes();
    }

    /// Tells those who wait how drains have ended, and the policy whether this node is paused.
    pub(super) fn settle_nodes(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        let mut kept = Vec::new();
        for asked in std::mem::take(&mut member.asked) {
            let record = member.situation.nodes.get(&asked.node).map(|facts| facts.record.clone());
            let drain = record.unwrap_or_default().drain.filter(|drain| Some(drain.id) == asked.drain);
            let line = match (asked.stored, asked.drain, drain.map(|drain| drain.status)) {
                (false, ..) | (true, Some(_), Some(DrainStatus::InProgress)) => None,
                (true, None, _) | (true, Some(_), Some(DrainStatus::Completed)) => {
                    Some(Line::Done { state: None })
                }
                (true, Some(_), Some(DrainStatus::Failed)) => Some(Line::Failed(Failure {
                    what: asked.what.clone(),
                    error: report::code(Code::ERROR_HOST_NODE_NOT_AVAILABLE),
                    detail: "not all of its groups could be moved; `stead events` says which".to_owned(),
                })),
                (true, Some(_), None) => Some(Line::Cancelled),
            };
            match line {
                Some(line) => drop(asked.lines.send(line)),
                None => kept.push(asked),
            }
        }
        member.asked = kept;
        let me = member.me.clone();
        let paused = member.situation.nodes.get(&me).is_some_and(|facts| facts.record.paused);
        if member.paused != paused {
            member.paused = paused;
            self.policy.handle(Event::Paused(paused), now);
        }
    }
}

impl super::Member {
    fn paused(&self, what: &str, node: &NodeName) -> Result<NodeRecord, Refusal> {
        match self.situation.nodes.get(node) {
            Some(facts) => Ok(facts.record.paused()),
            None => {
                let known: Vec<&str> = self.situation.nodes.keys().map(NodeName::as_str).collect();
                let detail = format!("there is no node \"{node}\"; there are: {}", known.join(", "));
                Err(Refusal { what: what.to_owned(), code: Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail })
            }
        }
    }
}
