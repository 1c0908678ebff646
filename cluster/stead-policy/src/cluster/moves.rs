//! Whether a move, a drain or a resume may be asked for, and where it goes.

use std::collections::BTreeMap;

use stead_types::{Code, GroupName, GroupState, MoveFlags, NodeName};

use super::place::{Wish, closed};
use super::situation::{NodeRecord, ResumeFailback, Session, Situation};
use super::survey::{Survey, hosted};
use crate::request::Refusal;

/// A drain that may begin.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drainable {
    /// Its number.
    pub id: u64,
    /// How many groups the node has.
    pub groups: usize,
}

fn refuse<T>(what: &str, code: Code, detail: impl Into<String>) -> Result<T, Refusal> {
    Err(Refusal { what: what.to_owned(), code, detail: detail.into() })
}

impl Situation {
    /// Where a move that is asked for goes: the node asked for, or the best one that is not the present one. The
    /// present owner means that there is nothing to do.
    ///
    /// Windows: clusapi/nf-clusapi-moveclustergroupex
    ///
    /// # Errors
    /// Why it cannot be.
    pub fn check_move(
        &self,
        group: &GroupName,
        to: Option<&NodeName>,
        flags: MoveFlags,
    ) -> Result<NodeName, Refusal> {
        let what = format!("group \"{group}\": move");
        let Some((name, facts)) = self.groups.get_key_value(group) else {
            return refuse(
                &what,
                Code::ERROR_GROUP_NOT_FOUND,
                "there is no such group; see `stead group list`",
            );
        };
        if let Some(to) = to
            && !self.nodes.contains_key(to)
        {
            let known: Vec<&str> = self.nodes.keys().map(NodeName::as_str).collect();
            let detail = format!("there is no node \"{to}\"; there are: {}", known.join(", "));
            return refuse(&what, Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail);
        }
        let Some(owned) = &facts.owned else {
            return refuse(&what, Code::ERROR_GROUP_NOT_AVAILABLE, "it has not been placed on any node yet");
        };
        let own = &owned.document;
        if own.moving() {
            let detail = match own.order.as_ref().and_then(|order| order.to.as_ref()) {
                Some(to) => format!("it is on its way to {to}; `stead group cancel \"{group}\"` ends that"),
                None => format!("it is on its way; `stead group cancel \"{group}\"` ends that"),
            };
            let queued = facts.current().is_some_and(|published| published.queued);
            let moving = Code::ERROR_CLUSTER_GROUP_MOVING;
            let code = if queued { Code::ERROR_CLUSTER_GROUP_QUEUED } else { moving };
            return refuse(&what, code, detail);
        }
        if to == Some(&own.node) && hosted(self, own) {
            return Ok(own.node.clone());
        }
        if !hosted(self, own) {
            let detail =
                format!("its node {} does not answer; it is placed anew when that is dead", own.node);
            return refuse(&what, Code::ERROR_CLUSTER_GROUP_MOVING, detail);
        }
        if let Some(published) = facts.current() {
            if published.state == GroupState::Pending && !flags.contains(MoveFlags::QUEUE_ENABLED) {
                let detail = "something of it is pending; --queue waits for that";
                return refuse(&what, Code::ERROR_CLUSTER_GROUP_BUSY, detail);
            }
            if let Some(locked) = published.locked.first()
                && !flags.contains(MoveFlags::IGNORE_RESOURCE_STATUS)
                && !flags.contains(MoveFlags::QUEUE_ENABLED)
            {
                let detail = format!("resource \"{locked}\" is locked; --queue waits, --force does not ask");
                return refuse(&what, Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS, detail);
            }
        }
        let ignore_affinity = flags.contains(MoveFlags::IGNORE_AFFINITY_RULE);
        let mut survey = Survey::new(self);
        survey.unsettle(name, facts);
        match to {
            Some(to) => {
                let obstacle = survey
                    .at(to)
                    .and_then(|at| survey.obstacle(name, facts, at))
                    .filter(|(code, _)| !ignore_affinity || *code != Code::ERROR_CLUSTER_AFFINITY_CONFLICT);
                match obstacle {
                    None => Ok(to.clone()),
                    Some((code, why)) => refuse(&what, code, format!("{to} {why}")),
                }
            }
            None => {
                let excluding = BTreeMap::from([(own.node.clone(), "is where it is".to_owned())]);
                let wish = Wish { excluding: Some(&excluding), cold: false, ignore_affinity };
                let placement = survey.place(name, facts, wish);
                match placement.chosen.clone() {
                    Some(to) => Ok(to),
                    None => refuse(&what, Code::ERROR_HOST_NODE_NOT_AVAILABLE, placement.obstacles()),
                }
            }
        }
    }

    /// Whether a node may be drained.
    ///
    /// Windows: clusapi/nf-clusapi-pauseclusternodeex
    ///
    /// # Errors
    /// 5042 for an unknown node, 5962 while one is drained, 5050 where no other node is up, 5005 if the target is not.
    pub fn check_drain(&self, node: &NodeName, target: Option<&NodeName>) -> Result<Drainable, Refusal> {
        let what = format!("node \"{node}\": drain");
        let Some(facts) = self.nodes.get(node) else {
            return refuse(
                &what,
                Code::ERROR_CLUSTER_NODE_NOT_FOUND,
                "there is no such node; see `stead node list`",
            );
        };
        if facts.draining().is_some() {
            let detail = format!("it is being drained already; `stead node resume {node}` ends that");
            return refuse(&what, Code::ERROR_CLUSTER_NODE_DRAIN_IN_PROGRESS, detail);
        }
        let mut others = self.nodes.iter().filter(|(other, _)| *other != node);
        match target {
            None => {
                if !others.any(|(_, facts)| closed(facts).is_none()) {
                    let detail = "no other node is up and takes groups";
                    return refuse(&what, Code::ERROR_CLUSTER_NODE_DOWN, detail);
                }
            }
            Some(target) => match others.find(|(other, _)| *other == target) {
                None => {
                    let detail = format!("its target \"{target}\" is no other node of this cluster");
                    return refuse(&what, Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail);
                }
                Some((_, facts)) => {
                    if let Some((_, why)) = closed(facts) {
                        let detail = format!("its target {target} {why}");
                        return refuse(&what, Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail);
                    }
                }
            },
        }
        let id = facts.record.drain.as_ref().map_or(1, |last| last.id.saturating_add(1));
        let on = |owned: &super::Owned| owned.document.node == *node && hosted(self, &owned.document);
        let groups = self.groups.values().filter(|group| group.owned.as_ref().is_some_and(on)).count();
        Ok(Drainable { id, groups })
    }

    /// What is to be stored of a node that is let in again although it left too often without a word. A pause ends as well.
    /// Windows: `Start-ClusterNode -ClearQuarantine`.
    ///
    /// # Errors
    /// 5042 for an unknown node, 5023 if it is not quarantined.
    pub fn check_pardon(&self, node: &NodeName, failback: ResumeFailback) -> Result<NodeRecord, Refusal> {
        let what = format!("node \"{node}\": end its quarantine");
        let Some(facts) = self.nodes.get(node) else {
            return refuse(
                &what,
                Code::ERROR_CLUSTER_NODE_NOT_FOUND,
                "there is no such node; see `stead node list`",
            );
        };
        if facts.record.quarantine.is_none() {
            return refuse(&what, Code::ERROR_INVALID_STATE, "it is not quarantined");
        }
        let record = facts.record.pardoned(facts.session);
        Ok(if record.paused { record.resumed(facts.session.alive(), failback) } else { record })
    }

    /// Whether a node may be resumed; its session, if it has one.
    ///
    /// Windows: clusapi/nf-clusapi-resumeclusternodeex
    ///
    /// # Errors
    /// 5042 for an unknown node, 5058 if it is not paused.
    pub fn check_resume(&self, node: &NodeName) -> Result<Option<u128>, Refusal> {
        let what = format!("node \"{node}\": resume");
        let Some(facts) = self.nodes.get(node) else {
            return refuse(
                &what,
                Code::ERROR_CLUSTER_NODE_NOT_FOUND,
                "there is no such node; see `stead node list`",
            );
        };
        if !facts.record.paused {
            return refuse(&what, Code::ERROR_CLUSTER_NODE_NOT_PAUSED, "it takes groups already");
        }
        Ok(match facts.session {
            Session::Alive { sid, .. } => Some(sid),
            Session::Never | Session::Dead { .. } | Session::Left { .. } => None,
        })
    }
}
