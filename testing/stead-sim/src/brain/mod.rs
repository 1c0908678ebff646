//! What a node decides with: the production coordinator, owner and policy, driven as the node's loop drives them.

mod configuration;
mod documents;
mod hosts;
mod operators;
mod think;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stead_policy::cluster::{Coordinator, NodeRecord, Owner, OwnerState, Published, Situation, Tenure};
use stead_policy::{Action, ClusterConfig, Event, Policy, RequestId, WriteId};
use stead_types::{GroupName, NodeName, Time};

use crate::steps::Tenant;
use crate::store::Key;

pub(crate) use configuration::{configuration, settings};
pub(crate) use hosts::{Call, Hosts};

/// A group and a node may be sick together until some time: the group does not come online there.
pub(crate) type Sickness = BTreeMap<(usize, usize), u64>;

/// What a write under way is for.
#[derive(Clone, Debug)]
pub(crate) enum Purpose {
    Own(GroupName),
    Record(usize, Box<NodeRecord>),
    State(Vec<(GroupName, Published)>),
    Configuration(WriteId, Vec<usize>),
}

/// How far a node that leaves is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Leaving {
    /// Its groups are moved, until then.
    Moving(u64),
    Stopping,
    Saying,
}

/// A request of an operator.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) group: usize,
    pub(crate) online: bool,
    pub(crate) accepted: bool,
    /// How many changes of what is wanted of the group had been stored when it was asked.
    pub(crate) stored: usize,
}

/// The deciding part of a node process. It ends with the process.
pub(crate) struct Brain {
    pub(crate) owner: Owner,
    pub(crate) policy: Policy,
    pub(crate) coordinator: Coordinator,
    pub(crate) situation: Situation,
    /// The newest revision of each document that was seen.
    pub(crate) seen: BTreeMap<Key, u64>,
    pub(crate) said: BTreeMap<GroupName, Published>,
    /// Writes under way, and until when they are waited for.
    pub(crate) writes: BTreeMap<u64, (Purpose, u64)>,
    /// When something was said of groups last, that there may be more to say, and when there will be.
    pub(crate) said_at: Time,
    pub(crate) unsaid: bool,
    pub(crate) say_at: Option<Time>,
    /// The policy has been told something and was not looked at since.
    pub(crate) touched: bool,
    /// Groups or resources may have come or gone since.
    pub(crate) rebuilt: bool,
    /// The lease machine may see the nodes differently.
    pub(crate) heard: bool,
    /// What the session allowed when all groups were settled last; none if they are to be settled.
    pub(crate) settled: Option<Tenure>,
    pub(crate) busy: BTreeSet<usize>,
    pub(crate) decide: bool,
    /// It rests until then, in real time.
    pub(crate) decide_at: u64,
    pub(crate) undecided: bool,
    pub(crate) held_up: bool,
    /// Something was decided that the lease machine did not allow yet.
    pub(crate) withheld: bool,
    pub(crate) paused: bool,
    pub(crate) leaving: Option<Leaving>,
    pub(crate) asked: BTreeMap<RequestId, Asked>,
    /// What the policy wants and was looked at already.
    pub(crate) undone: VecDeque<Action>,
    pub(crate) next: u64,
    /// When it looks again although nothing has happened.
    pub(crate) think_at: u64,
}

impl Brain {
    pub(crate) fn new(me: &NodeName, config: ClusterConfig, situation: Situation) -> Self {
        Brain {
            owner: Owner::new(me.clone()),
            policy: Policy::new(me.clone(), config, BTreeSet::new()),
            coordinator: Coordinator::new(),
            situation,
            seen: BTreeMap::new(),
            said: BTreeMap::new(),
            writes: BTreeMap::new(),
            said_at: Time::ZERO,
            unsaid: true,
            say_at: None,
            touched: true,
            rebuilt: true,
            heard: true,
            settled: None,
            busy: BTreeSet::new(),
            decide: true,
            decide_at: 0,
            undecided: false,
            held_up: false,
            withheld: false,
            paused: false,
            leaving: None,
            asked: BTreeMap::new(),
            undone: VecDeque::new(),
            next: 0,
            think_at: 0,
        }
    }

    /// Tells the policy.
    pub(crate) fn tell(&mut self, event: Event, now: Time) {
        self.touched = true;
        self.rebuilt |= match &event {
            Event::Start { .. }
            | Event::Configured(_)
            | Event::Request { .. }
            | Event::Written { .. }
            | Event::Arrived { .. }
            | Event::Depart { .. }
            | Event::Departed { .. }
            | Event::NodeLost(_) => true,
            Event::Report(_)
            | Event::Done { .. }
            | Event::MonitorStarted { .. }
            | Event::MonitorLost { .. }
            | Event::ContextKnown { .. }
            | Event::Paused(_)
            | Event::Timer => false,
        };
        self.policy.handle(event, now);
    }

    /// The next thing the policy wants.
    pub(crate) fn poll_action(&mut self) -> Option<Action> {
        self.undone.pop_front().or_else(|| self.policy.poll_action())
    }

    pub(crate) fn number(&mut self) -> u64 {
        self.next += 1;
        self.next
    }

    /// How a group stands with the owner, by what the owner knows.
    pub(crate) fn tenant(&self, group: &GroupName, session: Option<u128>) -> Tenant {
        let Some(owned) = self.owner.documents().get(group) else { return Tenant::Unknown };
        let document = &owned.document;
        if self.owner.has(group) {
            return if document.order.is_some() { Tenant::Ordered } else { Tenant::Had };
        }
        if document.node != *self.policy.node() {
            return Tenant::Elsewhere;
        }
        let assigned = document.state == OwnerState::Assigned && session == Some(document.session);
        if assigned { Tenant::Assigned } else { Tenant::Past }
    }

    /// A write of the configuration is under way: what others change of it waits.
    pub(crate) fn configuring(&self) -> bool {
        self.writes.values().any(|(purpose, _)| matches!(purpose, Purpose::Configuration(..)))
    }
}
