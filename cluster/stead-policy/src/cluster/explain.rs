//! Why a group is on the node it is on, in sentences.

use std::collections::BTreeMap;

use stead_types::{GroupName, NodeName};

use super::coordinator::nobody;
use super::fence::unconfirmed;
use super::ownership::{ArrivalKind, OwnerState, Ownership};
use super::situation::{Session, Situation};
use super::survey::{hosted, over};

impl Situation {
    /// Why a group is where it is, and what is said of each node; none if there is no such group.
    #[must_use]
    pub fn explain(&self, group: &GroupName) -> Option<Vec<String>> {
        let facts = self.groups.get(group)?;
        let mut lines = Vec::new();
        match &facts.owned {
            None => lines.push(format!("group \"{group}\" has never been on a node")),
            Some(owned) => self.owner(group, &owned.document, &mut lines),
        }
        lines.extend(
            self.awaited(group)
                .filter(|_| facts.owned.as_ref().is_none_or(|owned| !hosted(self, &owned.document))),
        );
        if let Some(placement) = self.place(group, &BTreeMap::new()) {
            lines.push("if it had to be placed now:".to_owned());
            lines.extend(placement.reasons().into_iter().map(|line| format!("  {line}")));
        }
        Some(lines)
    }

    /// Which node is to have a group when its owner is gone, or why none can have it; none if it never had an owner.
    #[must_use]
    pub fn successor(&self, group: &GroupName) -> Option<Result<NodeName, String>> {
        let facts = self.groups.get(group)?;
        let own = &facts.owned.as_ref()?.document;
        if let (Some(of), OwnerState::Assigned) = (&facts.rules.fence.confirmation, own.state) {
            let place = self.nodes.get(&own.node)?;
            match place.session {
                Session::Alive { sid, .. } if sid != own.session => return Some(Ok(own.node.clone())),
                Session::Dead { sid } if sid == own.session && place.confirmed => {}
                Session::Left { .. } => {}
                Session::Alive { .. } | Session::Dead { .. } | Session::Never => {
                    return Some(Err(unconfirmed(&own.node, of)));
                }
            }
        }
        // What is asked is what comes after it.
        let silent = hosted(self, own).then(|| (own.node.clone(), "does not answer".to_owned()));
        let placement = self.place(group, &silent.into_iter().collect())?;
        Some(placement.chosen.clone().ok_or_else(|| nobody(&placement)))
    }

    fn owner(&self, group: &GroupName, own: &Ownership, lines: &mut Vec<String>) {
        let node = &own.node;
        let how = match (own.arrival.kind, &own.arrival.source) {
            (ArrivalKind::First, _) | (_, None) => "since it was placed first".to_owned(),
            (ArrivalKind::Move, Some(from)) => format!("moved there from {from}"),
            (ArrivalKind::Return, Some(from)) => format!("back there because it failed on {from}"),
            (ArrivalKind::Failover, Some(from)) => format!("failed over from {from}"),
            (ArrivalKind::Takeover, Some(from)) => format!("taken over from {from}, which was gone"),
        };
        let cause = own.arrival.cause.map_or_else(String::new, |cause| format!(" ({cause})"));
        lines.push(format!("group \"{group}\" is on {node}, {how}{cause}; generation {}", own.generation));
        if !own.reasons.is_empty() {
            lines.push("what was said of each node then:".to_owned());
            lines.extend(own.reasons.iter().map(|line| format!("  {line}")));
        }
        match own.state {
            OwnerState::Released(_) => lines.push(format!("{node} has released it; it is being placed")),
            OwnerState::Assigned if over(self, own) => {
                lines.push(format!("{node} is gone; it is being placed"));
            }
            OwnerState::Assigned => {}
        }
        if matches!(self.nodes.get(node).map(|node| node.session), None | Some(Session::Never)) {
            lines.push(format!(
                "nothing is known of {node}'s session: {node} may still have it, so that nobody else gets it"
            ));
        }
        if let Some(order) = &own.order {
            let to = order.to.as_ref().map_or("the best node".to_owned(), ToString::to_string);
            lines.push(format!("it is asked to go to {to} ({}, by {})", order.cause, order.asked_by));
        }
        if let Some(last) = own.outcome.as_ref().filter(|last| !last.code.is_success()) {
            lines.push(format!("its last move ended with {}: {}", last.code, last.detail));
        }
        if !own.arrival.start {
            lines.push(format!("it was not started there by itself; `stead group online \"{group}\"`"));
        }
        lines.extend(own.held.clone());
        if !own.failovers.is_empty() {
            let from: Vec<String> = own.failovers.iter().map(|failover| failover.from.to_string()).collect();
            lines.push(format!("failovers that count: {} (from {})", from.len(), from.join(", ")));
        }
    }
}
