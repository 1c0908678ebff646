//! What may happen, and how it begins: as the requests of operators do, and as nodes end.

use stead_types::{Code, GroupName, MoveFlags, NodeName, PauseFlags, ResourceName};

use super::world::World;
use super::{Happened, Snapshot, Step, Unknown};
use crate::cluster::{Cause, OrderWish};
use crate::request::{DrainTo, InBuffers, Refusal, Request};

/// What the drained groups are asked: what fails elsewhere goes by its failover policy there.
const DRAINED_WITH: PauseFlags = PauseFlags::NONE;

/// The first name in these steps that there is not.
pub(super) fn unknown(snapshot: &Snapshot, steps: &[Step]) -> Option<Unknown> {
    let names = |names: &mut dyn Iterator<Item = String>| {
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    let node = |name: &NodeName| {
        (!snapshot.situation.nodes.contains_key(name)).then(|| Unknown {
            what: format!("node \"{name}\""),
            known: names(&mut snapshot.situation.nodes.keys().map(ToString::to_string)),
        })
    };
    let group = |name: &GroupName| {
        (!snapshot.config.groups.contains_key(name)).then(|| Unknown {
            what: format!("group \"{name}\""),
            known: names(&mut snapshot.config.groups.keys().map(ToString::to_string)),
        })
    };
    let resource = |name: &ResourceName| {
        let all = || snapshot.config.groups.values().flat_map(|group| group.resources.keys());
        (!all().any(|known| known == name)).then(|| Unknown {
            what: format!("resource \"{name}\""),
            known: names(&mut all().map(ToString::to_string)),
        })
    };
    steps.iter().find_map(|step| match step {
        Step::Kill(of) | Step::Drain(of) | Step::Pause(of) => node(of),
        Step::Move(of, to) => group(of).or_else(|| node(to.as_ref()?)),
        Step::Online(of) | Step::Offline(of) => group(of),
        Step::Fail(of) => resource(of),
    })
}

impl World {
    /// A step, and all that follows from it.
    pub(super) fn take(&mut self, step: &Step) -> Happened {
        self.open_step();
        match step {
            Step::Kill(node) => self.kill(node),
            Step::Drain(node) => self.drain_node(node),
            Step::Pause(node) => self.pause_node(node),
            Step::Move(group, to) => self.move_group(group, to.as_ref()),
            Step::Online(group) => {
                self.unwanted.remove(group);
                let request = Request::OnlineGroup {
                    group: group.clone(),
                    ignore_resource_status: false,
                    keep_persistent_state: false,
                    in_buffers: InBuffers::new(),
                };
                self.operate(group, format!("group \"{group}\": online"), request);
            }
            Step::Offline(group) => {
                let request = Request::OfflineGroup {
                    group: group.clone(),
                    ignore_resource_status: false,
                    force_with_termination: false,
                    keep_persistent_state: false,
                    queue_enabled: false,
                    in_buffers: InBuffers::new(),
                };
                if self.operate(group, format!("group \"{group}\": offline"), request) {
                    self.unwanted.insert(group.clone());
                }
            }
            Step::Fail(resource) => self.fail(resource),
        }
        self.rest();
        self.close_step()
    }

    fn refuse(&mut self, what: String, code: Code, detail: String) {
        self.happened.refused = Some(Refusal { what, code, detail });
    }

    /// Asks whoever has a group. False if that is refused.
    fn operate(&mut self, group: &GroupName, what: String, request: Request) -> bool {
        if !self.ask(group, request) {
            let detail = "no node that is up has it".to_owned();
            self.refuse(what, Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail);
        }
        self.settle();
        self.happened.refused.is_none()
    }

    fn kill(&mut self, node: &NodeName) {
        if !self.sites.contains_key(node) {
            self.note(format!("node {node} is down already"));
            return;
        }
        self.goes(node);
        self.killed.push(node.clone());
        if self.alone || self.end_without_majority() {
            return;
        }
        self.settle();
        if self.sites.is_empty() {
            self.note("no node is left to take anything over".to_owned());
            return;
        }
        match self.takeover.get(node).copied() {
            Some(wait) => self.until(wait),
            None => self.note(format!("how long {node} is waited for is not known")),
        }
        self.dead(node);
    }

    /// Where most members of the database are gone nothing is stored any more: every node ends what it has at the
    /// deadline of its session.
    fn end_without_majority(&mut self) -> bool {
        let Some(members) = &self.members else { return false };
        let on = members.on.iter().filter(|node| self.sites.contains_key(*node)).count();
        let (all, left) = (members.voters, on + members.elsewhere);
        if all == 0 || left * 2 > all {
            return false;
        }
        let text = format!(
            "the cluster database has no majority any more: {left} of its {all} members are left. Every node that is still up ends \
             what it has when its session runs out, and nobody takes anything over"
        );
        self.note(text);
        self.no_majority = Some(format!("the cluster database has no majority: {left} of {all} members"));
        for node in self.sites.keys().cloned().collect::<Vec<_>>() {
            self.goes(&node);
        }
        true
    }

    fn pause_node(&mut self, node: &NodeName) {
        if self.alone {
            let (drain, flags) = (None, PauseFlags::NONE);
            self.ask_alone(Request::PauseNode { node: node.clone(), drain, flags });
        } else if let Some(facts) = self.situation.nodes.get(node) {
            let record = facts.record.paused();
            self.put_record(node, record);
        }
    }

    fn drain_node(&mut self, node: &NodeName) {
        if self.alone {
            let (drain, flags) = (Some(DrainTo::Best), DRAINED_WITH);
            self.ask_alone(Request::PauseNode { node: node.clone(), drain, flags });
            return;
        }
        match self.situation.check_drain(node, None) {
            Err(refusal) => self.happened.refused = Some(refusal),
            Ok(drainable) => {
                let Some(facts) = self.situation.nodes.get(node) else { return };
                let record = facts.record.drained(drainable.id, None, DRAINED_WITH);
                self.put_record(node, record);
                self.drained.push(node.clone());
            }
        }
    }

    /// The only node is asked something.
    fn ask_alone(&mut self, request: Request) {
        // Any group's node is this one.
        let what = crate::requests::describe(&request);
        let any: Option<GroupName> = "any".parse().ok();
        if !any.is_some_and(|any| self.ask(&any, request)) {
            self.refuse(what, Code::ERROR_CLUSTER_NODE_DOWN, "it is down".to_owned());
        }
    }

    fn move_group(&mut self, group: &GroupName, to: Option<&NodeName>) {
        let flags = MoveFlags::NONE;
        if self.alone {
            let in_buffers = InBuffers::new();
            let request = Request::MoveGroup { group: group.clone(), to: to.cloned(), flags, in_buffers };
            self.operate(group, format!("group \"{group}\": move"), request);
            return;
        }
        let destination = match self.situation.check_move(group, to, flags) {
            Err(refusal) => {
                self.happened.refused = Some(refusal);
                return;
            }
            Ok(destination) => destination,
        };
        let owned = self.situation.groups.get(group).and_then(|facts| facts.owned.clone());
        let Some(owned) = owned else { return };
        if owned.document.node == destination {
            self.note(format!("group \"{group}\" is on {destination} already"));
            return;
        }
        let excluding = [(owned.document.node.clone(), "is where it is".to_owned())].into();
        let reasons = match to {
            Some(_) => Vec::new(),
            None => self.situation.place(group, &excluding).map(|place| place.reasons()).unwrap_or_default(),
        };
        let wish = OrderWish {
            to: Some(destination),
            flags,
            in_buffers: InBuffers::new(),
            asked_by: "operator".to_owned(),
            cause: Cause::Operator,
            reasons,
        };
        self.order(group, owned.document.with_order(wish));
    }

    fn fail(&mut self, resource: &ResourceName) {
        let group = self
            .config
            .groups
            .iter()
            .find(|(_, config)| config.resources.contains_key(resource))
            .map(|(name, _)| name.clone());
        let Some(group) = group else { return };
        if let Some(site) = self.site_of(&group) {
            site.hosts.sick.insert(resource.clone());
        }
        let what = format!("resource \"{resource}\": fail");
        let request = Request::FailResource { resource: resource.clone() };
        if !self.operate(&group, what, request)
            && let Some(site) = self.site_of(&group)
        {
            site.hosts.sick.remove(resource);
        }
    }
}
