//! What other nodes do: they change the configuration, and have groups that are none of this node's business.

use std::collections::{BTreeMap, BTreeSet};

use stead_types::{Code, GroupName, ResourceName, Time};

use crate::action::Level;
use crate::config::ClusterConfig;
use crate::policy::Policy;
use crate::request::{PlanStep, Refusal, Request};
use crate::requests::refusal;

impl Policy {
    /// The group a request acts on, if it is one.
    fn acts_on(&self, request: &Request) -> Option<GroupName> {
        match request {
            Request::OnlineGroup { group, .. }
            | Request::OfflineGroup { group, .. }
            | Request::CancelGroup { group }
            | Request::SettleGroup { group }
            | Request::DeleteGroup { group, .. } => Some(group.clone()),
            Request::OnlineResource { resource, .. }
            | Request::OfflineResource { resource, .. }
            | Request::RestartResource { resource }
            | Request::FailResource { resource }
            | Request::ResourceMaintenance { resource, .. }
            | Request::CancelResource { resource }
            | Request::DeleteResource { resource, .. } => self.index.get(resource).cloned(),
            Request::MoveGroup { .. }
            | Request::Apply(_)
            | Request::DeleteType { .. }
            | Request::DeleteGroupSet { .. }
            | Request::PauseNode { .. }
            | Request::ResumeNode { .. }
            | Request::Shutdown => None,
        }
    }

    /// Refuses what another node has to do, and what cannot be done to a group that is on its way.
    pub(crate) fn refuse_elsewhere(&self, what: &str, request: &Request) -> Result<(), Refusal> {
        let elsewhere = |group: &GroupName, remedy: &str| {
            let detail = format!("group \"{group}\" is on another node; {remedy}");
            Err(refusal(what, Code::ERROR_HOST_NODE_NOT_GROUP_OWNER, detail))
        };
        if let Request::Apply(plan) = request {
            for step in &plan.steps {
                match step {
                    PlanStep::DeleteResource(group, name) if !self.has(group) => {
                        return elsewhere(group, &format!("first `stead resource delete \"{name}\"`"));
                    }
                    PlanStep::DeleteGroup(group) if !self.has(group) => {
                        return elsewhere(group, &format!("first `stead group delete \"{group}\" --force`"));
                    }
                    PlanStep::DeleteResource(..)
                    | PlanStep::DeleteGroup(_)
                    | PlanStep::SetType(_)
                    | PlanStep::SetGroup(_)
                    | PlanStep::DeleteType(_)
                    | PlanStep::SetGroupSet(_)
                    | PlanStep::DeleteGroupSet(_)
                    | PlanStep::SetSettings(_) => {}
                }
            }
        }
        let Some(group) = self.acts_on(request).filter(|group| self.config.groups.contains_key(group)) else {
            return Ok(());
        };
        if !self.has(&group) {
            return elsewhere(&group, "ask again");
        }
        let harmless = matches!(request, Request::CancelGroup { .. } | Request::SettleGroup { .. });
        match self.departing(&group) {
            Some(departure) if !harmless => {
                let detail = format!(
                    "it is moving to node \"{}\"; wait, or `stead group cancel \"{group}\"`",
                    departure.to
                );
                let code = if self.queued_to_move(&group) {
                    Code::ERROR_CLUSTER_GROUP_QUEUED
                } else {
                    Code::ERROR_CLUSTER_GROUP_MOVING
                };
                Err(refusal(what, code, detail))
            }
            Some(_) | None => Ok(()),
        }
    }

    /// Another node has changed the configuration. What runs here cannot be taken out of it from elsewhere: that is
    /// kept as it was, and said.
    pub(crate) fn configured_elsewhere(&mut self, mut config: ClusterConfig, now: Time) {
        let wishes: BTreeMap<ResourceName, bool> =
            self.index.iter().map(|(name, group)| (name.clone(), self.wish(group, name))).collect();
        self.keep_what_runs(&mut config);
        let names: BTreeSet<GroupName> =
            self.config.groups.keys().chain(config.groups.keys()).cloned().collect();
        let touched: BTreeSet<GroupName> = names
            .into_iter()
            .filter(|name| self.config.groups.get(name) != config.groups.get(name))
            .collect();
        let mut updated = Vec::new();
        for name in &touched {
            let (Some(old), Some(new)) = (self.config.groups.get(name), config.groups.get(name)) else {
                continue;
            };
            updated.extend(new.resources.values().filter_map(|resource| {
                let old = old.resources.get(&resource.name)?;
                (old.common != resource.common || old.revision != resource.revision)
                    .then(|| resource.name.clone())
            }));
        }
        self.config = config;
        for group in &touched {
            self.rebuild(group, now);
            self.follow_wishes(group, &wishes);
        }
        self.take_over(updated);
        for group in touched {
            self.reconcile(&group, now);
        }
    }

    /// Resources in maintenance mode, as they are stored. Of what runs here this node knows better.
    pub fn maintained_elsewhere(&mut self, stored: BTreeSet<ResourceName>) {
        let here: BTreeSet<ResourceName> = self
            .maintenance
            .iter()
            .filter(|name| self.index.get(*name).is_some_and(|group| self.has(group)))
            .cloned()
            .collect();
        let elsewhere =
            stored.into_iter().filter(|name| !self.index.get(name).is_some_and(|group| self.has(group)));
        let all = elsewhere.chain(here).collect();
        self.maintenance = all;
    }

    /// Puts back what the new configuration lacks and this node has running.
    fn keep_what_runs(&mut self, config: &mut ClusterConfig) {
        let mut kept = Vec::new();
        for (group, runtime) in self.groups.iter().filter(|(group, _)| self.has(group)) {
            let Some(old) = self.config.groups.get(group) else { continue };
            for (name, resource) in &runtime.resources {
                let there = config.groups.get(group).is_some_and(|group| group.resources.contains_key(name));
                if there || (resource.at_rest() && resource.opened == crate::runtime::Opened::No) {
                    continue;
                }
                let Some(resource) = old.resources.get(name) else { continue };
                let bare = || {
                    let mut bare = old.clone();
                    bare.resources.clear();
                    bare
                };
                let into = config.groups.entry(group.clone()).or_insert_with(bare);
                into.resources.insert(name.clone(), resource.clone());
                kept.push((group.clone(), name.clone()));
            }
        }
        for (group, name) in kept {
            let text = format!(
                "resource \"{name}\" was taken out of the cluster database while it runs here; it is kept. Put it back, \
                 or take it offline and delete it"
            );
            self.record((10_032, Level::Critical), Some(&group), Some(&name), Code::ERROR_INVALID_DATA, text);
        }
    }
}
