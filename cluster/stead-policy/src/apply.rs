//! Plans: what they delete is taken offline and closed first, then they are stored, then they are in force.

use std::collections::{BTreeMap, BTreeSet};

use stead_types::{GroupName, OfflineFlags, ResourceName, Time};

use crate::action::{Action, Change};
use crate::config::PersistentState;
use crate::event::RequestId;
use crate::policy::{CallPurpose, Parked, Policy, Purpose};
use crate::request::{Answer, InBuffers, Plan, PlanStep};
use crate::runtime::{Goal, Opened, Waiter};

impl Policy {
    /// Takes offline and closes what the plan deletes, then writes it.
    pub(crate) fn apply(&mut self, id: RequestId, plan: Plan, now: Time) {
        self.clear_way(id, Parked { plan, before: Vec::new() }, now);
    }

    fn clear_way(&mut self, id: RequestId, mut parked: Parked, now: Time) {
        let plan = &parked.plan;
        let mut leaving: Vec<(GroupName, BTreeSet<ResourceName>)> = Vec::new();
        for step in &plan.steps {
            match step {
                PlanStep::DeleteResource(group, name) => {
                    leaving.push((group.clone(), BTreeSet::from([name.clone()])))
                }
                PlanStep::DeleteGroup(group) => {
                    let names = self.groups.get(group).map(|group| group.order.iter().cloned().collect());
                    leaving.push((group.clone(), names.unwrap_or_default()));
                }
                PlanStep::SetType(_)
                | PlanStep::SetGroup(_)
                | PlanStep::DeleteType(_)
                | PlanStep::SetGroupSet(_)
                | PlanStep::DeleteGroupSet(_)
                | PlanStep::SetSettings(_) => {}
            }
        }
        leaving.retain(|(_, names)| {
            names.iter().any(|name| {
                self.resource(name)
                    .is_some_and(|resource| resource.opened != Opened::No || !resource.at_rest())
            })
        });
        let Some((group, names)) = leaving.first().cloned() else {
            let changes = plan.steps.iter().cloned().map(Change::Step).collect();
            self.write(changes, Purpose::Plan(id, parked));
            return;
        };
        let all: Vec<ResourceName> = names.iter().cloned().collect();
        parked.before.extend(self.kept(&all));
        for name in &names {
            self.want_offline(name, OfflineFlags::NONE, false, &InBuffers::new());
        }
        let before = parked.before.clone();
        self.parked.insert(id, parked);
        let what = "configuration: apply".to_owned();
        let waiter = Waiter { id, goal: Goal::Gone(names), what, before, undo: Vec::new() };
        self.wait(&group, waiter);
        self.reconcile(&group, now);
    }

    /// Some of what a plan deletes is closed: goes on with the rest.
    pub(crate) fn gone(&mut self, id: RequestId, now: Time) {
        if let Some(parked) = self.parked.remove(&id) {
            self.clear_way(id, parked, now);
        }
    }

    /// Where a stored wish has changed, what is kept follows it. Where it has not, an operator may have said otherwise
    /// for the time being.
    pub(crate) fn follow_wishes(&mut self, group: &GroupName, before: &BTreeMap<ResourceName, bool>) {
        let names = self.groups.get(group).map(|group| group.order.clone()).unwrap_or_default();
        for name in names {
            let wish = self.wish(group, &name);
            if before.get(&name).is_some_and(|before| *before != wish) {
                self.keep_as(&name, wish);
            }
        }
    }

    /// What is being deleted.
    pub(crate) fn leaving(&self, group: &GroupName) -> BTreeSet<ResourceName> {
        let waiters = self.waiters.get(group).map(Vec::as_slice).unwrap_or_default();
        let mut leaving = BTreeSet::new();
        for waiter in waiters {
            if let Goal::Gone(names) = &waiter.goal {
                leaving.extend(names.iter().cloned());
            }
        }
        leaving
    }

    /// Closes what is at rest and leaves the configuration.
    pub(crate) fn close_leaving(&mut self, group: &GroupName) {
        for name in self.leaving(group) {
            let ready = self
                .resource(&name)
                .is_some_and(|resource| resource.opened == Opened::Yes && resource.at_rest());
            if ready {
                if let Some(resource) = self.resource_mut(&name) {
                    resource.opened = Opened::Closing;
                }
                let resource = name.clone();
                self.call(&name, CallPurpose::Close, |op| Action::Close { op, resource, deleting: true });
            }
        }
    }

    /// A plan is durable: it becomes the configuration.
    pub(crate) fn adopt(&mut self, id: RequestId, plan: Plan, now: Time) {
        self.act(Action::Accept { id });
        let wishes: BTreeMap<ResourceName, bool> =
            self.index.iter().map(|(name, group)| (name.clone(), self.wish(group, name))).collect();
        let mut touched: BTreeSet<GroupName> = BTreeSet::new();
        let mut updated: Vec<ResourceName> = Vec::new();
        let mut created: Vec<GroupName> = Vec::new();
        for step in plan.steps {
            match step {
                PlanStep::SetType(config) => {
                    self.config.types.insert(config.name.clone(), *config);
                }
                PlanStep::DeleteType(name) => {
                    self.config.types.remove(&name);
                }
                PlanStep::SetGroupSet(set) => drop(self.config.sets.insert(set.name.clone(), set)),
                PlanStep::DeleteGroupSet(name) => drop(self.config.sets.remove(&name)),
                PlanStep::SetSettings(change) => {
                    let have = self.config.settings.take().unwrap_or_default();
                    self.config.settings = Some(change.on(&have));
                }
                PlanStep::SetGroup(mut wanted) => {
                    let name = wanted.name.clone();
                    let new = !self.config.groups.contains_key(&name);
                    if let Some(old) = self.config.groups.get(&name) {
                        wanted.persistent_state = wanted.persistent_state.or(old.persistent_state);
                        for (resource, config) in &old.resources {
                            match wanted.resources.get_mut(resource) {
                                Some(fresh) => {
                                    fresh.persistent_state =
                                        fresh.persistent_state.or(config.persistent_state);
                                    if fresh.common != config.common || fresh.revision != config.revision {
                                        updated.push(resource.clone());
                                    }
                                }
                                None => drop(wanted.resources.insert(resource.clone(), config.clone())),
                            }
                        }
                    }
                    created.extend(new.then(|| name.clone()));
                    if new && wanted.persistent_state.is_none() {
                        wanted.persistent_state = Some(PersistentState::Online);
                    }
                    self.config.groups.insert(name.clone(), *wanted);
                    touched.insert(name);
                }
                PlanStep::DeleteResource(group, name) => {
                    if let Some(config) = self.config.groups.get_mut(&group) {
                        config.resources.remove(&name);
                    }
                    touched.insert(group);
                }
                PlanStep::DeleteGroup(group) => {
                    self.config.groups.remove(&group);
                    self.stop_monitors(&group);
                    touched.insert(group);
                }
            }
        }
        for group in &touched {
            self.rebuild(group, now);
            self.follow_wishes(group, &wishes);
        }
        self.hold_starts(&created, now);
        self.take_over(updated);
        let mut by_priority: Vec<GroupName> = touched.into_iter().collect();
        by_priority.sort_by_key(|group| {
            std::cmp::Reverse(self.config.groups.get(group).map_or(0, |group| group.priority))
        });
        for group in by_priority {
            self.reconcile(&group, now);
        }
        self.finish(id, Ok(Answer::Done));
    }

    /// Changed properties: what failed may come up as it is now, and what is open is told.
    pub(crate) fn take_over(&mut self, updated: Vec<ResourceName>) {
        for name in updated {
            if let Some(runtime) = self.resource_mut(&name) {
                runtime.hold = None;
                runtime.failures.clear();
            }
            if self.resource(&name).is_some_and(|resource| resource.opened == Opened::Yes) {
                let resource = name.clone();
                self.call(&name, CallPurpose::Other, |op| Action::Update { op, resource });
                if let Some(runtime) = self.resource_mut(&name) {
                    runtime.stale = runtime.active();
                }
            }
        }
    }
}
