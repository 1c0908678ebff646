//! What operators ask, at any node; and what fails inside groups.

use std::sync::Arc;

use stead_lease::Mutant;
use stead_policy::cluster::{Cause, OrderWish, ResumeFailback};
use stead_policy::{Action, Event, InBuffers, PersistentState, Request, RequestId};
use stead_types::{MoveFlags, PauseFlags};

use super::{Asked, Brain};
use crate::fault::{Fault, Kind};
use crate::world::World;

const FLAGS: [MoveFlags; 4] = [
    MoveFlags::NONE,
    MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR,
    MoveFlags::IGNORE_RESOURCE_STATUS,
    MoveFlags::QUEUE_ENABLED,
];

fn part(value: u64, of: u32) -> usize {
    usize::try_from(value >> (8 * of) & 0xff).unwrap_or(0)
}

impl World {
    /// An operator asks something of the node process on a machine.
    pub(crate) fn operate(&mut self, fault: Fault) {
        let node = fault.at_node.min(self.names.len() - 1);
        if self.held(node).is_some() {
            return;
        }
        let Some(mut brain) = self.nodes[node].brain.take() else { return };
        self.asks(node, &mut brain, fault);
        self.nodes[node].brain = Some(brain);
        self.think(node);
    }

    fn asks(&mut self, node: usize, brain: &mut Brain, Fault { kind, value, .. }: Fault) {
        let group = part(value, 0) % self.groups.len();
        let other = part(value, 1) % self.names.len();
        let flags = FLAGS[part(value, 2) % FLAGS.len()];
        match kind {
            Kind::Move => {
                let name = self.groups[group].clone();
                let to = Some(&self.names[other]).filter(|_| !part(value, 3).is_multiple_of(4));
                // Looking whether it may be can change nothing, by its signature.
                if let Ok(to) = brain.situation.check_move(&name, to, flags) {
                    let Some(owned) = brain.owner.documents().get(&name).cloned() else { return };
                    let wish = OrderWish {
                        to: Some(to.clone()),
                        flags,
                        in_buffers: InBuffers::new(),
                        asked_by: "operator".to_owned(),
                        cause: Cause::Operator,
                        reasons: Vec::new(),
                    };
                    if owned.document.node != to {
                        let next = owned.document.with_order(wish);
                        brain.owner.write(name, Some(owned.revision), Arc::new(next), Vec::new());
                    }
                }
            }
            Kind::Paused => {
                let facts = brain.situation.nodes.get(&self.names[other]).cloned().unwrap_or_default();
                self.write_record((node, brain), other, facts.revision, facts.record.paused());
            }
            Kind::Drained => {
                let name = self.names[other].clone();
                let retry = part(value, 3).is_multiple_of(2);
                let flags = if retry { PauseFlags::RETRY_DRAIN_ON_FAILURE } else { PauseFlags::NONE };
                if let Ok(drainable) = brain.situation.check_drain(&name, None) {
                    let facts = brain.situation.nodes.get(&name).cloned().unwrap_or_default();
                    let record = facts.record.drained(drainable.id, None, flags);
                    self.write_record((node, brain), other, facts.revision, record);
                }
            }
            Kind::Resumed => {
                let name = self.names[other].clone();
                let back = [ResumeFailback::None, ResumeFailback::Immediate, ResumeFailback::Policy];
                if let Ok(session) = brain.situation.check_resume(&name) {
                    let facts = brain.situation.nodes.get(&name).cloned().unwrap_or_default();
                    let record = facts.record.resumed(session, back[part(value, 3) % 3]);
                    self.write_record((node, brain), other, facts.revision, record);
                }
            }
            Kind::GroupOnline | Kind::GroupOffline => self.wants(node, brain, kind, group),
            Kind::ResourceFails
            | Kind::Sick
            | Kind::ProcessStopped
            | Kind::ProcessKilled
            | Kind::GuardianKilled
            | Kind::GuardianStopped
            | Kind::PowerCut
            | Kind::PowerLost
            | Kind::Fenced
            | Kind::Suspended
            | Kind::Partition
            | Kind::AnswersLost
            | Kind::RequestsLost
            | Kind::Slow
            | Kind::Duplicates
            | Kind::WatchSilent
            | Kind::StaleReads
            | Kind::StoreDown
            | Kind::StoreRefuses
            | Kind::Restored
            | Kind::SessionDeleted
            | Kind::SessionEdited
            | Kind::Cloned
            | Kind::Left => {}
        }
    }

    /// A group is asked to be online or offline, at the node that has one: the others would hand it on.
    fn wants(&mut self, node: usize, brain: &mut Brain, kind: Kind, group: usize) {
        let group = (0..self.groups.len())
            .map(|more| (group + more) % self.groups.len())
            .find(|group| brain.owner.has(&self.groups[*group]));
        let Some(group) = group else { return };
        let name = self.groups[group].clone();
        let online = kind == Kind::GroupOnline;
        let request = if online {
            Request::OnlineGroup {
                group: name,
                ignore_resource_status: false,
                keep_persistent_state: false,
                in_buffers: InBuffers::new(),
            }
        } else {
            Request::OfflineGroup {
                group: name,
                ignore_resource_status: false,
                force_with_termination: false,
                keep_persistent_state: false,
                queue_enabled: false,
                in_buffers: InBuffers::new(),
            }
        };
        let id = self.ask(node, brain, request);
        let asked = Asked { group, online, accepted: false, stored: self.wishes[group] };
        brain.asked.insert(id, asked);
    }

    /// Hands a request to the policy. I15: one that it refuses leaves everything as it was, and asks for nothing.
    pub(crate) fn ask(&mut self, node: usize, brain: &mut Brain, request: Request) -> RequestId {
        let id = RequestId(brain.number());
        brain.undone.extend(std::iter::from_fn(|| brain.policy.poll_action()));
        let before = (brain.policy.config().clone(), brain.policy.view());
        let now = self.nodes[node].now(self.now);
        brain.tell(Event::Request { id, request: request.clone() }, now);
        let answered: Vec<Action> = std::iter::from_fn(|| brain.policy.poll_action()).collect();
        let refused = answered.iter().find_map(|action| {
            let Action::Finish { id: of, answer: Err(refused) } = action else { return None };
            (*of == id).then(|| refused.to_string())
        });
        if let Some(refused) = refused {
            if self.mutants.has(Mutant::RefusedIsKept) {
                let mut all = before.0.clone();
                if let Request::OnlineGroup { group, .. } | Request::OfflineGroup { group, .. } = &request
                    && let Some(config) = all.groups.get_mut(group)
                {
                    let online = matches!(request, Request::OnlineGroup { .. });
                    let wish = if online { PersistentState::Online } else { PersistentState::Offline };
                    config.persistent_state = Some(wish);
                }
                brain.tell(Event::Configured(all), now);
            }
            let same = before == (brain.policy.config().clone(), brain.policy.view());
            if !same || answered.len() > 1 {
                self.broken("I15", format!("{refused}, and something has changed"));
            }
        }
        brain.undone.extend(answered);
        id
    }

    /// Something of a group fails, wherever it lives.
    pub(crate) fn resource_fails(&mut self, value: u64) {
        let group = part(value, 0) % self.groups.len().max(1);
        let Some(name) = self.groups.get(group) else { return };
        let Some(config) = self.config.groups.get(name) else { return };
        let resources: Vec<_> = config.resources.keys().cloned().collect();
        let resource = resources[part(value, 1) % resources.len()].clone();
        for node in 0..self.nodes.len() {
            self.fails(node, &resource);
        }
    }

    /// A group does not come online on a node for some time.
    pub(crate) fn sickens(&mut self, node: usize, value: u64, until: u64) {
        let group = part(value, 0) % self.started.len().max(1);
        self.sick.insert((group, node), until);
        self.resource_fails(value);
    }
}
