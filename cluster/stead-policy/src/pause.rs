//! A paused node keeps what it has, and brings nothing else online.
//!
//! Windows: clusapi/nf-clusapi-pauseclusternodeex, clusapi/nf-clusapi-resumeclusternodeex

use std::collections::BTreeSet;

use stead_types::{Code, GroupName, NodeName, ResourceName, ResourceState, Time};

use crate::action::Level;
use crate::policy::Policy;
use crate::request::{DrainTo, Refusal};
use crate::requests::refusal;

impl Policy {
    /// A policy of a node that is, or is not, paused from the start.
    #[must_use]
    pub fn paused(mut self, paused: bool) -> Self {
        self.paused = paused;
        self
    }

    /// Why a resource that is wanted online is not brought online.
    pub(crate) fn why_held(&self) -> String {
        format!(
            "node \"{0}\" is paused and brings nothing online; `stead node resume \"{0}\"` ends that",
            self.node
        )
    }

    /// The node is paused, or no longer. What was held back meanwhile is then kept as it is wanted.
    pub(crate) fn pause(&mut self, paused: bool, now: Time) {
        if self.paused == paused {
            return;
        }
        self.paused = paused;
        let text = if paused {
            format!(
                "node \"{}\" is paused: what it has online stays, nothing else is brought online",
                self.node
            )
        } else {
            format!("node \"{}\" is resumed", self.node)
        };
        self.record((10_011, Level::Information), None, None, Code::SUCCESS, text);
        if paused {
            return;
        }
        let mut held: Vec<(GroupName, ResourceName)> = Vec::new();
        for (group, runtime) in &self.groups {
            let of_group = runtime.resources.iter().filter(|(_, resource)| resource.held);
            held.extend(of_group.map(|(name, _)| (group.clone(), name.clone())));
        }
        for (group, name) in &held {
            let wish = self.wish(group, name);
            if let Some(resource) = self.resource_mut(name) {
                resource.held = false;
                resource.online_wanted = wish;
                resource.why = None;
            }
        }
        let groups: BTreeSet<GroupName> = held.into_iter().map(|(group, _)| group).collect();
        for group in groups {
            self.reconcile(&group, now);
        }
    }

    /// Keeps a resource as it is wanted from now on. A paused node does not bring it online: it is held back.
    pub(crate) fn keep_as(&mut self, name: &ResourceName, online: bool) {
        let (held, why) = (self.paused && online, self.why_held());
        let Some(resource) = self.resource_mut(name) else { return };
        let was_held = resource.held;
        resource.held = held && resource.at_rest() && !resource.online_wanted;
        resource.online_wanted = online && !resource.held;
        if resource.held {
            resource.why = Some(why);
        } else if was_held {
            resource.why = None;
        }
    }

    /// Nothing of these is held back any longer: they are kept online although the node is paused.
    pub(crate) fn release_held(&mut self, names: impl IntoIterator<Item = ResourceName>) {
        for name in names {
            if let Some(resource) = self.resource_mut(&name).filter(|resource| resource.held) {
                resource.held = false;
                resource.online_wanted = true;
                resource.why = None;
            }
        }
    }

    /// Refuses to bring anything of this online on a paused node.
    pub(crate) fn refuse_paused(&self, what: &str, names: &[ResourceName]) -> Result<(), Refusal> {
        let offline = |name: &&ResourceName| {
            self.resource(name).is_some_and(|resource| resource.state != ResourceState::Online)
        };
        match names.iter().find(offline) {
            Some(name) if self.paused => {
                let detail = format!(
                    "resource \"{name}\" would have to be brought online, and node \"{0}\" is paused; first `stead node \
                     resume \"{0}\"`",
                    self.node
                );
                Err(refusal(what, Code::ERROR_SHARING_PAUSED, detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn known_node(&self, what: &str, node: &NodeName) -> Result<(), Refusal> {
        if *node == self.node {
            return Ok(());
        }
        let detail = format!("there is no node \"{node}\"; this cluster has one node, \"{}\"", self.node);
        Err(refusal(what, Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail))
    }

    /// Whether a node may be paused.
    pub(crate) fn admit_pause(
        &self,
        what: &str,
        node: &NodeName,
        drain: Option<&DrainTo>,
    ) -> Result<(), Refusal> {
        self.known_node(what, node)?;
        match drain {
            None => Ok(()),
            Some(DrainTo::Best) => {
                let detail = "no other node is up that could take its groups; without --drain they stay where they are";
                Err(refusal(what, Code::ERROR_CLUSTER_NODE_DOWN, detail))
            }
            Some(DrainTo::Node(to)) => {
                self.known_node(what, to)?;
                let detail = format!("node \"{to}\" cannot take its own groups; name another one, or none");
                Err(refusal(what, Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail))
            }
        }
    }

    /// Whether a node may be resumed.
    pub(crate) fn admit_resume(&self, what: &str, node: &NodeName, pardon: bool) -> Result<(), Refusal> {
        self.known_node(what, node)?;
        if pardon {
            let detail = "one machine by itself is never quarantined; leave --clear-quarantine out";
            return Err(refusal(what, Code::ERROR_INVALID_STATE, detail));
        }
        if self.paused {
            return Ok(());
        }
        Err(refusal(what, Code::ERROR_CLUSTER_NODE_NOT_PAUSED, format!("node \"{node}\" is not paused")))
    }
}
