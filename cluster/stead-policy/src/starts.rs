//! What a group waits for before a machine by itself starts it. Of several machines the coordinator waits: a group that
//! has to wait is nobody's until then.
//!
//! Only starts are held back: what runs goes on, and what somebody asks for is done at once.

use std::collections::BTreeMap;

use stead_types::{GroupName, GroupState, Time};

use crate::cluster::{GroupRules, ready, said};
use crate::policy::Policy;
use crate::request::Request;
use crate::runtime::Resource;

/// A group that is held back.
#[derive(Debug)]
pub(crate) struct Start {
    since: Time,
    /// Since when each of its providers is ready.
    ready: BTreeMap<String, Time>,
    /// When it may be let go although nothing happens.
    wake: Option<Time>,
}

impl Policy {
    /// Holds back what of these waits for other groups, on a machine by itself.
    pub(crate) fn hold_starts<'a>(&mut self, groups: impl IntoIterator<Item = &'a GroupName>, now: Time) {
        if self.hosted.is_some() {
            return;
        }
        for group in groups {
            let (Some(config), Some(runtime)) = (self.config.groups.get(group), self.groups.get(group))
            else {
                continue;
            };
            let mut resources = runtime.resources.values();
            let running = resources.clone().any(Resource::active);
            let wanted = resources.any(|resource| resource.online_wanted || resource.held);
            if wanted && !running && !GroupRules::of(config, &self.config.sets).providers.is_empty() {
                let start = Start { since: now, ready: BTreeMap::new(), wake: None };
                self.starts.insert(group.clone(), start);
            }
        }
    }

    /// True if the group is not started yet because it waits for others.
    pub(crate) fn held_back(&self, group: &GroupName) -> bool {
        self.starts.contains_key(group)
    }

    /// What somebody asks for waits no longer.
    pub(crate) fn asked_to_start(&mut self, request: &Request) {
        let group = match request {
            Request::OnlineGroup { group, .. } => Some(group),
            Request::OnlineResource { resource, .. } => self.index.get(resource),
            Request::Apply(_)
            | Request::OfflineResource { .. }
            | Request::RestartResource { .. }
            | Request::FailResource { .. }
            | Request::ResourceMaintenance { .. }
            | Request::OfflineGroup { .. }
            | Request::MoveGroup { .. }
            | Request::CancelGroup { .. }
            | Request::SettleGroup { .. }
            | Request::CancelResource { .. }
            | Request::DeleteResource { .. }
            | Request::DeleteGroup { .. }
            | Request::DeleteGroupSet { .. }
            | Request::DeleteType { .. }
            | Request::PauseNode { .. }
            | Request::ResumeNode { .. }
            | Request::Shutdown => None,
        };
        if let Some(group) = group.filter(|group| self.held_back(group)).cloned() {
            self.let_go(&group);
        }
    }

    fn let_go(&mut self, group: &GroupName) {
        self.starts.remove(group);
        if let Some(runtime) = self.groups.get_mut(group) {
            runtime.why = None;
        }
    }

    /// When a group may be let go although nothing happens.
    pub(crate) fn next_start(&self) -> Option<Time> {
        self.starts.values().filter_map(|start| start.wake).min()
    }

    /// Starts what has waited long enough.
    pub(crate) fn check_starts(&mut self, now: Time) {
        let waiting: Vec<GroupName> = self.starts.keys().cloned().collect();
        for group in waiting {
            match self.start_missing(&group, now) {
                Some(why) => {
                    if let Some(runtime) = self.groups.get_mut(&group) {
                        runtime.why = Some(why);
                    }
                }
                None => {
                    self.let_go(&group);
                    self.reconcile(&group, now);
                }
            }
        }
    }

    /// What a group that is held back still waits for.
    fn start_missing(&mut self, group: &GroupName, now: Time) -> Option<String> {
        let providers = GroupRules::of(self.config.groups.get(group)?, &self.config.sets).providers;
        let timeout = self.config.settings.clone().unwrap_or_default().group_dependency_timeout;
        let groups = &self.groups;
        // It is wanted offline meanwhile.
        if !groups.get(group)?.resources.values().any(|resource| resource.online_wanted || resource.held) {
            return None;
        }
        let state = |name: &GroupName| {
            let states = groups.get(name)?.resources.values().map(|resource| resource.state);
            Some(GroupState::derive(states))
        };
        let start = self.starts.get_mut(group)?;
        let gives_up = start.since.after(timeout);
        let mut missing = None;
        for provider in &providers {
            if !ready(provider, state) {
                start.ready.remove(&provider.name);
                missing = missing.or(Some((said(provider), gives_up)));
                continue;
            }
            let from = start.ready.entry(provider.name.clone()).or_insert(now).after(provider.delay);
            if from > now {
                let why = format!("{} is ready; it waits a little longer", provider.name);
                missing = missing.or(Some((why, from)));
            }
        }
        let (why, until) = missing?;
        start.wake = Some(until.min(gives_up));
        (gives_up > now).then_some(why)
    }
}
