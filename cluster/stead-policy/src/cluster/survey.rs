//! An index of a situation, made once a decision and kept up to date with what is decided meanwhile.

use std::collections::BTreeMap;

use stead_types::{GroupName, NodeName};

use super::ownership::{OwnerState, Ownership};
use super::situation::{GroupFacts, NodeFacts, Session, Situation};

/// A node and what is on its way to it.
#[derive(Clone, Debug)]
pub(super) struct Place<'a> {
    pub(super) name: &'a NodeName,
    pub(super) facts: &'a NodeFacts,
    /// Groups that are wanted online there, or will be.
    pub(super) load: usize,
    /// Quarantined by this very decision.
    pub(super) kept_out: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Survey<'a> {
    pub(super) situation: &'a Situation,
    /// In the order of their names.
    pub(super) places: Vec<Place<'a>>,
    /// For each anti-affinity class, where its groups are.
    classes: BTreeMap<&'a str, Vec<(&'a GroupName, usize)>>,
}

/// What is known of the session a group was assigned to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Tenancy {
    /// It is alive.
    There,
    /// It is over.
    Over,
    /// Nothing. It may be alive.
    Unknown,
}

/// What is known of the session of this node that a group was assigned to.
fn tenancy_in(node: Option<&NodeFacts>, document: &Ownership) -> Tenancy {
    match node.map(|node| node.session) {
        // Absence proves nothing.
        None | Some(Session::Never) => Tenancy::Unknown,
        Some(Session::Alive { sid, .. }) if sid == document.session => Tenancy::There,
        // Another session of the same node can only begin when the one before it is over.
        Some(Session::Alive { .. } | Session::Dead { .. } | Session::Left { .. }) => Tenancy::Over,
    }
}

pub(super) fn tenancy(situation: &Situation, document: &Ownership) -> Tenancy {
    tenancy_in(situation.nodes.get(&document.node), document)
}

/// Whether the session a group was assigned to is over.
pub(super) fn over(situation: &Situation, document: &Ownership) -> bool {
    tenancy(situation, document) == Tenancy::Over
}

/// True if the owner is there and has the group.
pub(super) fn hosted(situation: &Situation, document: &Ownership) -> bool {
    document.state == OwnerState::Assigned && tenancy(situation, document) == Tenancy::There
}

impl<'a> Survey<'a> {
    pub(super) fn new(situation: &'a Situation) -> Self {
        let places: Vec<Place<'a>> = situation
            .nodes
            .iter()
            .map(|(name, facts)| Place { name, facts, load: 0, kept_out: false })
            .collect();
        let mut survey = Survey { situation, places, classes: BTreeMap::new() };
        for (name, facts) in &situation.groups {
            if let Some(at) = survey.home(facts) {
                survey.settle(name, facts, at);
            }
        }
        survey
    }

    /// The node a group is on, or on its way to.
    fn home(&self, facts: &GroupFacts) -> Option<usize> {
        let document = &facts.owned.as_ref()?.document;
        let heading = document.order.as_ref().and_then(|order| order.to.as_ref());
        match heading.and_then(|to| self.at(to)) {
            Some(at) => Some(at),
            None => self.at(&document.node).filter(|at| {
                let node = self.places.get(*at).map(|place| place.facts);
                document.state == OwnerState::Assigned && tenancy_in(node, document) == Tenancy::There
            }),
        }
    }

    /// Counts a group on a node.
    pub(super) fn settle(&mut self, name: &'a GroupName, facts: &'a GroupFacts, at: usize) {
        if !facts.wanted_online {
            return;
        }
        if let Some(place) = self.places.get_mut(at) {
            place.load += 1;
        }
        for class in &facts.rules.anti_affinity {
            self.classes.entry(class).or_default().push((name, at));
        }
    }

    /// No longer counts a group where it is.
    pub(super) fn unsettle(&mut self, name: &GroupName, facts: &'a GroupFacts) {
        if !facts.wanted_online {
            return;
        }
        if let Some(place) = self.home(facts).and_then(|at| self.places.get_mut(at)) {
            place.load = place.load.saturating_sub(1);
        }
        for class in &facts.rules.anti_affinity {
            if let Some(members) = self.classes.get_mut(class.as_str()) {
                members.retain(|(member, _)| *member != name);
            }
        }
    }

    pub(super) fn at(&self, node: &NodeName) -> Option<usize> {
        self.places.binary_search_by(|place| place.name.cmp(node)).ok()
    }

    /// A group on this node that the other one must not be beside.
    pub(super) fn repelled(&self, name: &GroupName, facts: &GroupFacts, at: usize) -> Option<&'a GroupName> {
        facts
            .rules
            .anti_affinity
            .iter()
            .filter_map(|class| self.classes.get(class.as_str()))
            .flatten()
            .find(|(member, home)| *home == at && *member != name)
            .map(|(member, _)| *member)
    }
}
