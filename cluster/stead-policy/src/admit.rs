//! Whether a request may be carried out at all: who is refused, with which code, and what to do about it.

use std::collections::BTreeSet;

use stead_types::{Code, GroupName, ResourceName, ResourceState};

use crate::policy::{Policy, Purpose};
use crate::request::{PlanStep, Refusal, Request};
use crate::requests::refusal;

impl Policy {
    /// The group a wish is about.
    fn wish_of(&self, request: &Request) -> Option<GroupName> {
        match request {
            Request::OnlineGroup { group, .. } | Request::OfflineGroup { group, .. } => Some(group.clone()),
            Request::OnlineResource { resource, .. }
            | Request::OfflineResource { resource, .. }
            | Request::ResourceMaintenance { resource, .. } => self.index.get(resource).cloned(),
            Request::Apply(_)
            | Request::RestartResource { .. }
            | Request::FailResource { .. }
            | Request::SettleGroup { .. }
            | Request::MoveGroup { .. }
            | Request::CancelGroup { .. }
            | Request::CancelResource { .. }
            | Request::DeleteResource { .. }
            | Request::DeleteGroup { .. }
            | Request::DeleteType { .. }
            | Request::DeleteGroupSet { .. }
            | Request::PauseNode { .. }
            | Request::ResumeNode { .. }
            | Request::Shutdown => None,
        }
    }

    /// True for a wish whose group is being written: it is looked at when that is done, so that wishes take effect in
    /// the order they came, and none is written for something that is gone by then.
    pub(crate) fn must_wait(&self, request: &Request) -> bool {
        let Some(group) = self.wish_of(request) else { return false };
        let same = |request: &Request| self.wish_of(request).is_none_or(|other| other == group);
        self.writes.values().any(|purpose| match purpose {
            Purpose::Plan(..) | Purpose::Undo(_) => true,
            Purpose::Wish(_, request, _) => same(request),
        }) || self.deferred.iter().any(|(_, request)| same(request))
    }

    /// Resources that would go down with this one, itself included.
    pub(crate) fn with_dependents(&self, group: &GroupName, name: &ResourceName) -> BTreeSet<ResourceName> {
        let mut all = BTreeSet::from([name.clone()]);
        let Some(runtime) = self.groups.get(group) else { return all };
        for candidate in &runtime.order {
            let kept = |provider: &ResourceName| {
                !all.contains(provider)
                    && runtime
                        .resources
                        .get(provider)
                        .is_some_and(|provider| provider.state == ResourceState::Online)
            };
            let active = runtime.resources.get(candidate).is_some_and(crate::runtime::Resource::active);
            if active && self.configured(candidate).is_some_and(|config| !config.dependency.satisfied(kept)) {
                all.insert(candidate.clone());
            }
        }
        all
    }

    /// Refuses what would take a locked resource along.
    fn refuse_locked(
        &self,
        what: &str,
        names: impl IntoIterator<Item = ResourceName>,
    ) -> Result<(), Refusal> {
        for name in names {
            let locked = |resource: &crate::runtime::Resource| {
                resource.locked && resource.state == ResourceState::Online
            };
            if self.resource(&name).is_some_and(locked) {
                let remedy = if what.ends_with(": delete") || what.ends_with(": apply") {
                    "take it offline with --force first"
                } else {
                    "--force goes on all the same"
                };
                let detail = format!("resource \"{name}\" is locked by its resource DLL; {remedy}");
                return Err(refusal(what, Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS, detail));
            }
        }
        Ok(())
    }

    /// Refuses what is being deleted.
    fn refuse_leaving(&self, what: &str, group: &GroupName, names: &[ResourceName]) -> Result<(), Refusal> {
        let leaving = self.leaving(group);
        match names.iter().find(|name| leaving.contains(*name)) {
            None => Ok(()),
            Some(name) => {
                let detail = format!("resource \"{name}\" is being deleted");
                Err(refusal(what, Code::ERROR_RESOURCE_NOT_AVAILABLE, detail))
            }
        }
    }

    fn known_resource(&self, what: &str, name: &ResourceName) -> Result<GroupName, Refusal> {
        self.index.get(name).cloned().ok_or_else(|| {
            refusal(
                what,
                Code::ERROR_RESOURCE_NOT_FOUND,
                format!("there is no resource \"{name}\"; see `stead status`"),
            )
        })
    }

    fn known_group(&self, what: &str, name: &GroupName) -> Result<(), Refusal> {
        if self.groups.contains_key(name) {
            return Ok(());
        }
        Err(refusal(
            what,
            Code::ERROR_GROUP_NOT_FOUND,
            format!("there is no group \"{name}\"; see `stead status`"),
        ))
    }

    fn pending(&self, what: &str, name: &ResourceName) -> Result<(), Refusal> {
        if self.resource(name).is_some_and(|resource| resource.state.is_pending() || !resource.settled) {
            let state = self.resource(name).map_or(ResourceState::Unknown, |resource| resource.state);
            let detail = format!("resource \"{name}\" is {state}; wait, or cancel first");
            return Err(refusal(what, Code::ERROR_INVALID_STATE, detail));
        }
        Ok(())
    }

    fn queued(&self, what: &str, group: &GroupName) -> Result<(), Refusal> {
        let queued = self.groups.get(group).into_iter().flat_map(|group| group.resources.values());
        if queued.into_iter().any(crate::runtime::Resource::queued) {
            let detail =
                format!("an operation of group \"{group}\" is queued; `stead group cancel {group}` ends it");
            return Err(refusal(what, Code::ERROR_CLUSTER_GROUP_QUEUED, detail));
        }
        Ok(())
    }

    /// Why a request would be refused at this instant.
    #[must_use]
    pub fn refuses(&self, request: &Request) -> Option<Refusal> {
        self.admit(&crate::requests::describe(request), request).err()
    }

    /// Whether a request may be carried out at all.
    pub(crate) fn admit(&self, what: &str, request: &Request) -> Result<(), Refusal> {
        match request {
            Request::OnlineResource { resource, ignore_resource_status, .. } => {
                let group = self.known_resource(what, resource)?;
                let names = self.with_providers(resource);
                self.refuse_leaving(what, &group, &names)?;
                self.queued(what, &group)?;
                self.pending(what, resource)?;
                self.refuse_paused(what, &names)?;
                if *ignore_resource_status { Ok(()) } else { self.refuse_locked(what, names) }
            }
            Request::OfflineResource {
                resource,
                ignore_resource_status,
                force_with_termination,
                queue_enabled,
                ..
            } => {
                let group = self.known_resource(what, resource)?;
                if !force_with_termination {
                    self.queued(what, &group)?;
                    self.pending(what, resource)?;
                }
                if *ignore_resource_status || *queue_enabled {
                    Ok(())
                } else {
                    self.refuse_locked(what, self.with_dependents(&group, resource))
                }
            }
            Request::OnlineGroup { group, ignore_resource_status, .. } => {
                self.known_group(what, group)?;
                let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
                self.refuse_leaving(what, group, &names)?;
                self.queued(what, group)?;
                self.refuse_paused(what, &names)?;
                if *ignore_resource_status { Ok(()) } else { self.refuse_locked(what, names) }
            }
            Request::OfflineGroup {
                group,
                ignore_resource_status,
                force_with_termination,
                queue_enabled,
                ..
            } => {
                self.known_group(what, group)?;
                if !force_with_termination {
                    self.queued(what, group)?;
                }
                let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
                if *ignore_resource_status || *queue_enabled {
                    Ok(())
                } else {
                    self.refuse_locked(what, names)
                }
            }
            Request::RestartResource { resource } => {
                let group = self.known_resource(what, resource)?;
                self.refuse_leaving(what, &group, std::slice::from_ref(resource))?;
                self.queued(what, &group)?;
                self.pending(what, resource)?;
                if self.paused {
                    let detail = format!(
                        "it could not be brought online again: node \"{0}\" is paused; first `stead node resume \"{0}\"`",
                        self.node
                    );
                    return Err(refusal(what, Code::ERROR_SHARING_PAUSED, detail));
                }
                self.refuse_locked(what, self.with_dependents(&group, resource))
            }
            Request::FailResource { resource } => {
                self.known_resource(what, resource)?;
                if self.resource(resource).is_some_and(|resource| resource.state == ResourceState::Online) {
                    return Ok(());
                }
                let detail = "only an online resource can be failed";
                Err(refusal(what, Code::ERROR_RESMON_INVALID_STATE, detail))
            }
            Request::ResourceMaintenance { resource, .. } | Request::CancelResource { resource } => {
                self.known_resource(what, resource).map(|_| ())
            }
            Request::CancelGroup { group } | Request::SettleGroup { group } => self.known_group(what, group),
            Request::MoveGroup { group, to, .. } => {
                self.known_group(what, group)?;
                match to {
                    Some(node) if *node != self.node => {
                        let detail = format!(
                            "there is no node \"{node}\"; this cluster has one node, \"{}\"",
                            self.node
                        );
                        Err(refusal(what, Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail))
                    }
                    Some(_) => Ok(()),
                    None => {
                        let detail = "this cluster has one node; there is nowhere to move to";
                        Err(refusal(what, Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail))
                    }
                }
            }
            Request::DeleteResource { resource, .. } => {
                let group = self.known_resource(what, resource)?;
                if self.resource(resource).is_some_and(|resource| !resource.at_rest()) {
                    let detail = format!("take it offline first: `stead resource offline \"{resource}\"`");
                    return Err(refusal(what, Code::ERROR_INVALID_STATE, detail));
                }
                let dependents = self.groups.get(&group).and_then(|group| group.dependents.get(resource));
                match dependents.and_then(|names| names.first()) {
                    None => Ok(()),
                    Some(first) => {
                        let detail = format!("resource \"{first}\" depends on it");
                        Err(refusal(what, Code::ERROR_DEPENDENT_RESOURCE_EXISTS, detail))
                    }
                }
            }
            Request::DeleteGroup { group, force } => {
                self.known_group(what, group)?;
                self.refuse_awaited(what, group)?;
                let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
                if names.is_empty() || *force {
                    self.refuse_leaving(what, group, &names)?;
                    return self.refuse_locked(what, names);
                }
                let detail = "it has resources; --force takes them offline and deletes them too";
                Err(refusal(what, Code::ERROR_DIR_NOT_EMPTY, detail))
            }
            Request::DeleteGroupSet { set } => self.admit_set_deletion(what, set),
            Request::DeleteType { type_name } => {
                if !self.config.types.contains_key(type_name) {
                    let detail = format!("there is no registered resource type \"{type_name}\"");
                    return Err(refusal(what, Code::ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, detail));
                }
                let resources = self.config.groups.values().flat_map(|group| group.resources.values());
                match resources.into_iter().find(|resource| resource.type_name == *type_name) {
                    None => Ok(()),
                    Some(used) => {
                        let detail = format!("resource \"{}\" is of this type", used.name);
                        Err(refusal(what, Code::ERROR_DIR_NOT_EMPTY, detail))
                    }
                }
            }
            Request::Apply(plan) => {
                for step in &plan.steps {
                    match step {
                        PlanStep::DeleteResource(group, name) => {
                            self.refuse_locked(what, self.with_dependents(group, name))?;
                        }
                        PlanStep::DeleteGroup(group) => {
                            let group = self.groups.get(group);
                            self.refuse_locked(
                                what,
                                group.map(|group| group.order.clone()).unwrap_or_default(),
                            )?;
                        }
                        PlanStep::SetType(_)
                        | PlanStep::SetGroup(_)
                        | PlanStep::DeleteType(_)
                        | PlanStep::SetGroupSet(_)
                        | PlanStep::DeleteGroupSet(_)
                        | PlanStep::SetSettings(_) => {}
                    }
                }
                Ok(())
            }
            Request::PauseNode { node, drain, .. } => self.admit_pause(what, node, drain.as_ref()),
            Request::ResumeNode { node, clear_quarantine, .. } => {
                self.admit_resume(what, node, *clear_quarantine)
            }
            Request::Shutdown => Ok(()),
        }
    }
}
