//! What the fence class of a resource type allows: who may take its group over, and where it may be at all.

use std::collections::{BTreeMap, BTreeSet};

use stead_types::{Code, FenceClass, GroupName, NodeName, TypeName};

use super::coordinator::{Gift, Round};
use super::situation::{GroupFacts, GroupRules, Owned, Session};
use crate::config::{ClusterConfig, GroupConfig, TypeConfig};
use crate::request::PlanProblem;

/// The types of a group's resources that need more than the end of what runs for them.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct FenceNeeds {
    /// The first of class F0: nothing on its machine ends it.
    pub confirmation: Option<TypeName>,
    /// The first of class F5, unless an operator has accepted that a watchdog may be missing.
    pub watchdog: Option<TypeName>,
}

impl FenceNeeds {
    /// What a group needs, with these types.
    #[must_use]
    pub fn of(group: &GroupConfig, types: &BTreeMap<TypeName, TypeConfig>) -> Self {
        let first = |wanted: &dyn Fn(&TypeConfig) -> bool| {
            let mut used = group.resources.values().filter_map(|resource| types.get(&resource.type_name));
            used.find(|config| wanted(config)).map(|config| config.name.clone())
        };
        FenceNeeds {
            confirmation: first(&|config| config.fence == FenceClass::F0),
            watchdog: first(&|config| config.fence == FenceClass::F5 && !config.accept_no_watchdog),
        }
    }
}

/// What is wrong with a configuration on these nodes, of which each has a watchdog that the others count on or has none:
/// a type that only a reset ends is on a node that nothing resets. `have` is what is configured already.
#[must_use]
pub fn unwatched(
    wanted: &ClusterConfig,
    have: &ClusterConfig,
    nodes: &BTreeMap<NodeName, bool>,
) -> Vec<PlanProblem> {
    let mut types = have.types.clone();
    types.extend(wanted.types.clone());
    let mut groups = have.groups.clone();
    groups.extend(wanted.groups.clone());
    let mut problems = Vec::new();
    for (name, group) in &groups {
        let Some(of) = FenceNeeds::of(group, &types).watchdog else { continue };
        let possible: Option<BTreeSet<NodeName>> = GroupRules::of(group, &wanted.sets).possible_owners;
        let may = |node: &NodeName| possible.as_ref().is_none_or(|possible| possible.contains(node));
        let bare: Vec<&str> = nodes
            .iter()
            .filter(|(node, watchdog)| !**watchdog && may(node))
            .map(|(node, _)| node.as_str())
            .collect();
        if bare.is_empty() {
            continue;
        }
        let text = format!(
            "its resource type \"{of}\" has fence class F5: only a reset of the machine ends it, and there is no watchdog on {}; \
             name one in node.toml there, leave the node out of possible_owners, or accept the risk with \
             accept_no_watchdog = true of the type",
            bare.join(", ")
        );
        problems.push(PlanProblem {
            place: format!("group/{name}"),
            text,
            code: Code::ERROR_INVALID_PARAMETER,
        });
    }
    problems
}

/// Why a group waits for the node that had it.
pub(super) fn unconfirmed(node: &NodeName, of: &TypeName) -> String {
    format!(
        "nothing there ends resource type \"{of}\" (fence class F0): it waits until {node} is back, or its end is \
         confirmed by a fence agent or `stead node confirm-down {node}`"
    )
}

impl<'s> Round<'_, 's> {
    /// A group whose owner is gone, and of which something may live on outside of that machine: it goes back where it was
    /// if that machine is back, and waits for a confirmation otherwise. True if this is such a group.
    pub(super) fn held_for_confirmation(
        &mut self,
        name: &'s GroupName,
        facts: &'s GroupFacts,
        owned: &'s Owned,
        gift: &mut Option<Gift>,
    ) -> bool {
        let Some(of) = &facts.rules.fence.confirmation else { return false };
        let document = &owned.document;
        let node = &document.node;
        let Some(at) = self.survey.at(node) else { return false };
        let Some(place) = self.survey.places.get(at) else { return false };
        match place.facts.session {
            // It left in order: everything of it was taken offline by its resource DLL.
            Session::Left { .. } | Session::Never => return false,
            Session::Dead { sid } if sid == document.session && place.facts.confirmed => return false,
            Session::Dead { .. } | Session::Alive { .. } => {}
        }
        let why = match self.survey.obstacle(name, facts, at) {
            None => {
                let Some(gift) = gift.take() else { return true };
                let reasons = vec![format!("{node}: chosen: type \"{of}\" (F0) may live on where it was")];
                self.give(name, facts, &node.clone(), reasons, gift);
                return true;
            }
            Some((_, why)) => why,
        };
        let why = format!("it was on {node}, which {why}, and {}", unconfirmed(node, of));
        self.hold((name, facts, owned), why, (1205, Code::ERROR_HOST_NODE_NOT_AVAILABLE));
        true
    }
}
