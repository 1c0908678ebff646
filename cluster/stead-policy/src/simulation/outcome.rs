//! What is as it was in the end, what is not, and what comes back.

use std::collections::{BTreeMap, BTreeSet};

use stead_types::{GroupName, GroupState, NodeName, ResourceName};

use super::world::World;
use super::{Back, Down};
use crate::cluster::ResumeFailback;
use crate::config::Failback;

/// What is online of each group of which anything is.
pub(super) type Serving = BTreeMap<GroupName, BTreeSet<ResourceName>>;

impl World {
    /// What is online now.
    pub(super) fn serving(&self) -> Serving {
        let online: BTreeSet<&ResourceName> =
            self.sites.values().flat_map(|site| site.hosts.online()).collect();
        let of = |resources: &BTreeMap<ResourceName, crate::config::ResourceConfig>| {
            resources.keys().filter(|name| online.contains(name)).cloned().collect::<BTreeSet<_>>()
        };
        self.config
            .groups
            .iter()
            .map(|(group, config)| (group.clone(), of(&config.resources)))
            .filter(|(_, online)| !online.is_empty())
            .collect()
    }

    /// The state of a group on a node, if it is there.
    pub(super) fn state_on(&self, group: &GroupName, node: &NodeName) -> Option<GroupState> {
        let view = self.sites.get(node)?.policy.view();
        view.groups.into_iter().find(|view| view.name == *group).map(|view| view.state)
    }

    /// What was online before and is not now, and why.
    pub(super) fn down(&self, before: &Serving) -> Vec<Down> {
        let now = self.serving();
        let none = BTreeSet::new();
        let mut down = Vec::new();
        for (group, was) in before.iter().filter(|(group, _)| !self.unwanted.contains(*group)) {
            let is = now.get(group).unwrap_or(&none);
            let resources: Vec<ResourceName> = was.difference(is).cloned().collect();
            if resources.is_empty() {
                continue;
            }
            let state = self.sites.keys().find_map(|node| self.state_on(group, node));
            let (why, reasons) = self.why(group, &resources);
            let state = state.unwrap_or(GroupState::Offline);
            down.push(Down { group: group.clone(), state, resources, why, reasons });
        }
        down
    }

    fn why(&self, group: &GroupName, resources: &[ResourceName]) -> (String, Vec<String>) {
        if let Some(why) = &self.no_majority {
            return (why.clone(), Vec::new());
        }
        let facts = self.situation.groups.get(group);
        let owned = facts.and_then(|facts| facts.owned.as_ref()).map(|owned| &owned.document);
        let view = self
            .sites
            .values()
            .filter(|site| self.alone || site.owner.has(group))
            .flat_map(|site| site.policy.view().groups)
            .find(|view| view.name == *group);
        let of_resources = view.as_ref().and_then(|view| {
            let lost = view.resources.iter().filter(|resource| resources.contains(&resource.name));
            lost.filter_map(|resource| {
                Some(format!("resource \"{}\": {}", resource.name, resource.why.as_ref()?))
            })
            .next()
        });
        let held = owned.and_then(|own| own.held.clone());
        let waits = || self.coordinator.waits(group).map(str::to_owned);
        let why = held.or_else(waits).or(view.and_then(|view| view.why)).or(of_resources).unwrap_or_else(
            || match (self.killed.last(), owned) {
                (Some(node), None) => format!("node {node} is down, and it is the only one"),
                (Some(_), Some(own)) if !self.sites.contains_key(&own.node) => {
                    format!("its node {} is down", own.node)
                }
                (_, Some(_)) | (None, None) => "it does not come online".to_owned(),
            },
        );
        let placement = self.situation.place(group, &BTreeMap::new());
        (why, placement.map(|placement| placement.reasons()).unwrap_or_default())
    }

    /// What comes back by itself when the nodes that were killed are up again, and those that were drained are resumed.
    pub(super) fn back(&mut self) -> Vec<Back> {
        let mut back = Vec::new();
        if self.alone || self.no_majority.is_some() {
            return back;
        }
        for node in std::mem::take(&mut self.killed) {
            self.open_step();
            self.comes(&node);
            self.came(&format!("when {node} is up again"), &mut back);
        }
        for node in std::mem::take(&mut self.drained) {
            self.open_step();
            if let Some(facts) = self.situation.nodes.get(&node) {
                let record = facts.record.resumed(facts.session.alive(), ResumeFailback::Policy);
                self.put_record(&node, record);
            }
            self.came(&format!("when {node} is resumed with --failback policy"), &mut back);
        }
        back
    }

    /// What moves, at any hour of the day.
    fn came(&mut self, when: &str, back: &mut Vec<Back>) {
        let first = self.situation.hour;
        let windows = self.config.groups.values().any(|group| match group.failback {
            Failback::Allow { window: Some(_) } => true,
            Failback::Allow { window: None } | Failback::Prevent => false,
        });
        for later in 0..if windows { 24 } else { 1 } {
            if later > 0 {
                self.open_step();
                self.put_hour((first + later) % 24);
            }
            self.rest();
            let moves = self.close_step().moves;
            let when = match later {
                0 => when.to_owned(),
                _ => format!("{when}, and it is {} o'clock", self.situation.hour),
            };
            back.extend(moves.into_iter().map(|moved| Back {
                group: moved.group,
                from: moved.from,
                to: moved.to,
                when: when.clone(),
                cause: moved.cause,
            }));
        }
        self.put_hour(first);
    }
}
