//! Choosing the node: who may, who should, and why.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fmt::{self, Write as _};

use stead_types::{Code, GroupName, NodeName, TypeName};

use super::situation::{GroupFacts, NodeFacts, Session, Situation};
use super::survey::{Place, Survey};

/// Where a group goes, and why not elsewhere.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Placement {
    /// The node; none if no node can take it.
    pub chosen: Option<NodeName>,
    /// What is said of each node, by name.
    pub verdicts: Vec<(NodeName, Verdict)>,
}

/// What is said of a node as the place of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It is the one.
    Chosen(Merit),
    /// It could take it, and another is better.
    Possible(Merit),
    /// It cannot take it.
    Impossible {
        /// Windows' code for it.
        code: Code,
        /// Why.
        why: Cow<'static, str>,
    },
}

/// What speaks for a node as the place of a group, and against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Merit {
    /// Its place among the preferred owners, from 0.
    pub preferred: Option<usize>,
    /// The group was there last, and that counts.
    pub last: bool,
    /// So many groups are there.
    pub load: usize,
    /// A group there, beside which it rather is not.
    pub beside: Option<GroupName>,
}

impl Merit {
    fn rank(&self) -> Rank {
        (self.beside.is_some(), self.preferred.unwrap_or(usize::MAX), !self.last, self.load)
    }
}

impl fmt::Display for Merit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(position) = self.preferred {
            write!(f, "preferred owner {}, ", position + 1)?;
        }
        if self.last {
            f.write_str("it was there last, ")?;
        }
        let groups = if self.load == 1 { "group" } else { "groups" };
        write!(f, "{} {groups} there", self.load)?;
        if let Some(other) = &self.beside {
            write!(f, ", beside group \"{other}\", which it rather is not")?;
        }
        Ok(())
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Verdict::Chosen(merit) => write!(f, "chosen: {merit}"),
            Verdict::Possible(merit) => write!(f, "possible: {merit}"),
            Verdict::Impossible { code: _, why } => write!(f, "impossible: {why}"),
        }
    }
}

/// Most lines are no longer than this.
const ONE_LINE: usize = 64;

impl Placement {
    /// One line a node.
    #[must_use]
    pub fn reasons(&self) -> Vec<String> {
        let said = |(node, verdict): &(NodeName, Verdict)| {
            let mut said = String::with_capacity(ONE_LINE);
            // Writing into a string does not fail.
            let _ = write!(said, "{node}: {verdict}");
            said
        };
        self.verdicts.iter().map(said).collect()
    }

    /// Why no node can take the group, in one line.
    #[must_use]
    pub fn obstacles(&self) -> String {
        let mut said = String::new();
        for (node, verdict) in &self.verdicts {
            match verdict {
                Verdict::Impossible { code: _, why } => {
                    let before = if said.is_empty() { "" } else { "; " };
                    // Writing into a string does not fail.
                    let _ = write!(said, "{before}{node} {why}");
                }
                Verdict::Chosen(_) | Verdict::Possible(_) => {}
            }
        }
        if said.is_empty() { "there is no node".to_owned() } else { said }
    }
}

/// What a placement takes into account beside the situation.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wish<'a> {
    /// Nodes it must not go to, and why.
    pub(super) excluding: Option<&'a BTreeMap<NodeName, String>>,
    /// The cluster starts: the last owner comes before any other that is not preferred.
    pub(super) cold: bool,
    /// Anti-affinity does not count.
    pub(super) ignore_affinity: bool,
}

/// Smaller is better: conflict, preference, last owner, load.
type Rank = (bool, usize, bool, usize);

/// Why a node takes no group at all.
pub(super) fn closed(facts: &NodeFacts) -> Option<(Code, &'static str)> {
    match facts.session {
        Session::Never => return Some((Code::ERROR_CLUSTER_NODE_DOWN, "was never up")),
        Session::Dead { .. } => return Some((Code::ERROR_CLUSTER_NODE_DOWN, "is down")),
        Session::Left { .. } => return Some((Code::ERROR_CLUSTER_NODE_DOWN, "has left")),
        Session::Alive { .. } => {}
    }
    if facts.leaving() {
        Some((Code::ERROR_CLUSTER_NODE_SHUTTING_DOWN, "is shutting down"))
    } else if facts.record.quarantine.is_some() {
        Some((Code::ERROR_CLUSTER_NODE_QUARANTINED, "is quarantined"))
    } else if facts.draining().is_some() {
        Some((Code::ERROR_CLUSTER_NODE_PAUSED, "is being drained"))
    } else if facts.record.paused {
        Some((Code::ERROR_CLUSTER_NODE_PAUSED, "is paused"))
    } else {
        None
    }
}

impl Situation {
    /// Where a group would go now if it had to. `excluding` names nodes that are out of the question, and why. None if
    /// there is no such group.
    #[must_use]
    pub fn place(&self, group: &GroupName, excluding: &BTreeMap<NodeName, String>) -> Option<Placement> {
        let (name, facts) = self.groups.get_key_value(group)?;
        let mut survey = Survey::new(self);
        survey.unsettle(name, facts);
        Some(survey.place(name, facts, Wish { excluding: Some(excluding), ..Wish::default() }))
    }
}

impl Survey<'_> {
    /// Why a node cannot have a group, whatever others could.
    pub(super) fn obstacle(
        &self,
        name: &GroupName,
        facts: &GroupFacts,
        at: usize,
    ) -> Option<(Code, Cow<'static, str>)> {
        let place = self.places.get(at)?;
        let kept_out = (Code::ERROR_CLUSTER_NODE_QUARANTINED, "is quarantined");
        if let Some((code, why)) = closed(place.facts).or(place.kept_out.then_some(kept_out)) {
            return Some((code, why.into()));
        }
        self.unfit(facts, at).map(|why| (Code::ERROR_NODE_CANT_HOST_RESOURCE, why)).or_else(|| {
            let repelled = self.repelled(name, facts, at)?;
            self.situation.settings.enforced_anti_affinity.then(|| {
                (
                    Code::ERROR_CLUSTER_AFFINITY_CONFLICT,
                    format!("has group \"{repelled}\", beside which it must not be").into(),
                )
            })
        })
    }

    /// Why a node could not have a group even if it were up.
    pub(super) fn unfit(&self, facts: &GroupFacts, at: usize) -> Option<Cow<'static, str>> {
        let place = self.places.get(at)?;
        if facts.rules.possible_owners.as_ref().is_some_and(|possible| !possible.contains(place.name)) {
            return Some("is not a possible owner".into());
        }
        if let Some(of) = facts.rules.fence.watchdog.as_ref().filter(|_| !place.facts.watchdog) {
            return Some(format!("has no watchdog, which resource type \"{of}\" needs").into());
        }
        let cannot = |of: &TypeName| Some((of.clone(), place.facts.cannot_host.get(of)?));
        let (missing, why) = facts.rules.types.iter().find_map(cannot)?;
        Some(format!("cannot load resource type \"{missing}\": {why}").into())
    }

    /// Where a group goes that counts nowhere.
    pub(super) fn place(&self, name: &GroupName, facts: &GroupFacts, wish: Wish<'_>) -> Placement {
        let mut verdicts = Vec::with_capacity(self.places.len());
        let mut best: Option<(Rank, usize)> = None;
        for (at, place) in self.places.iter().enumerate() {
            let excluded = wish.excluding.and_then(|excluding| excluding.get(place.name));
            let obstacle = match excluded {
                Some(why) => Some((Code::ERROR_NODE_CANT_HOST_RESOURCE, why.clone().into())),
                None => self.obstacle(name, facts, at).filter(|(code, _)| {
                    !wish.ignore_affinity || *code != Code::ERROR_CLUSTER_AFFINITY_CONFLICT
                }),
            };
            let verdict = match obstacle {
                Some((code, why)) => Verdict::Impossible { code, why },
                None => {
                    let merit = self.merit(name, facts, (at, place), wish);
                    if best.is_none_or(|(so_far, _)| merit.rank() < so_far) {
                        best = Some((merit.rank(), at));
                    }
                    Verdict::Possible(merit)
                }
            };
            verdicts.push((place.name.clone(), verdict));
        }
        let chosen = best.map(|(_, at)| at);
        if let Some((_, verdict)) = chosen.and_then(|at| verdicts.get_mut(at))
            && let Verdict::Possible(merit) = verdict
        {
            *verdict = Verdict::Chosen(merit.clone());
        }
        Placement { chosen: chosen.and_then(|at| self.places.get(at)).map(|at| at.name.clone()), verdicts }
    }

    fn merit(
        &self,
        name: &GroupName,
        facts: &GroupFacts,
        (at, place): (usize, &Place<'_>),
        wish: Wish<'_>,
    ) -> Merit {
        let beside = if wish.ignore_affinity { None } else { self.repelled(name, facts, at) };
        Merit {
            preferred: facts.rules.preferred_owners.iter().position(|owner| owner == place.name),
            last: wish.cold && facts.owned.as_ref().is_some_and(|owned| owned.document.node == *place.name),
            load: place.load,
            beside: beside.cloned(),
        }
    }
}
