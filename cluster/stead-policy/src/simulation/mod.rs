//! What would happen: the machines that decide in production, on a copy of a cluster, in virtual time.
//!
//! Every node that is up gets the [`Owner`](crate::cluster::Owner) and the [`Policy`](crate::Policy) it has in reality,
//! adopting what runs there as a restarted node process would, and one
//! [`Coordinator`](crate::cluster::Coordinator) decides for all of them. What surrounds them is made up: every write is
//! stored at once, and resource DLLs do what they are asked at once, but for resources that have failed: those go on
//! failing on the node where they did. Nothing is decided here.
//!
//! ```
//! use stead_policy::simulation::{Snapshot, Step, simulate};
//!
//! // One machine with nothing on it: its end takes nothing down.
//! let snapshot = Snapshot::alone("n1".parse().unwrap(), Default::default());
//! let simulated = simulate(snapshot, vec![Step::Kill("n1".parse().unwrap())]);
//! assert!(simulated.down.is_empty() && simulated.unknown.is_none());
//! ```

mod hosts;
mod outcome;
mod steps;
mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::time::Duration;

use stead_types::{GroupName, GroupState, NodeName, ResourceName, ResourceState};

use crate::action::Record;
use crate::cluster::{ArrivalKind, Cause, NodeFacts, Session, Situation};
use crate::config::ClusterConfig;
use crate::request::Refusal;
use world::World;

/// A cluster at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// What the coordinator decides on. On one machine there are no documents of groups in it.
    pub situation: Situation,
    /// The configuration.
    pub config: ClusterConfig,
    /// Resources in maintenance mode.
    pub maintenance: BTreeSet<ResourceName>,
    /// Resources that are open where their group is, or were when this was last heard.
    pub resources: BTreeMap<ResourceName, Seen>,
    /// How long after its last renewal a silent node is taken over from, by what it published itself.
    pub takeover: BTreeMap<NodeName, Duration>,
    /// The members of the cluster database; none where nothing is known of them: then the database outlives all nodes.
    pub members: Option<Members>,
    /// One machine with a database of its own: it has all groups, for ever.
    pub alone: bool,
}

/// A resource as it was seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Seen {
    /// Its state.
    pub state: ResourceState,
    /// Its failures within `RestartPeriod`.
    pub failures: u32,
}

/// Members of the cluster database. It works as long as more than half of those that vote answer.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Members {
    /// How many vote.
    pub voters: usize,
    /// The nodes on which one is that votes and answers.
    pub on: BTreeSet<NodeName>,
    /// How many others vote and answer.
    pub elsewhere: usize,
}

impl Snapshot {
    /// One machine on which nothing is online.
    #[must_use]
    pub fn alone(node: NodeName, config: ClusterConfig) -> Self {
        let session = Session::Alive { sid: 1, age: Duration::from_secs(3_600) };
        let facts = NodeFacts { session, ..NodeFacts::default() };
        let situation = Situation { nodes: BTreeMap::from([(node, facts)]), ..Situation::default() };
        Snapshot { situation, config, alone: true, ..Snapshot::default() }
    }
}

/// Something that might happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// A node is gone without a word: power, kernel, network.
    Kill(NodeName),
    /// Somebody drains a node.
    Drain(NodeName),
    /// Somebody pauses a node.
    Pause(NodeName),
    /// Somebody moves a group; without a node, to the best one.
    Move(GroupName, Option<NodeName>),
    /// Somebody brings a group online.
    Online(GroupName),
    /// Somebody takes a group offline.
    Offline(GroupName),
    /// A resource fails, and goes on failing on the node it is on.
    Fail(ResourceName),
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Step::Kill(node) => write!(f, "kill node {node}"),
            Step::Drain(node) => write!(f, "drain node {node}"),
            Step::Pause(node) => write!(f, "pause node {node}"),
            Step::Move(group, Some(to)) => write!(f, "move group \"{group}\" to {to}"),
            Step::Move(group, None) => write!(f, "move group \"{group}\" to the best node"),
            Step::Online(group) => write!(f, "bring group \"{group}\" online"),
            Step::Offline(group) => write!(f, "take group \"{group}\" offline"),
            Step::Fail(resource) => {
                write!(f, "resource \"{resource}\" fails, and goes on failing where it is")
            }
        }
    }
}

/// A name in a step that the cluster does not have.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unknown {
    /// `node "n9"`.
    pub what: String,
    /// The names there are.
    pub known: Vec<String>,
}

impl fmt::Display for Unknown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let known = if self.known.is_empty() { "none".to_owned() } else { self.known.join(", ") };
        write!(f, "there is no {}; there are: {known}", self.what)
    }
}

/// What would happen.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Simulated {
    /// A step names something that is not there. Then nothing was simulated.
    pub unknown: Option<Unknown>,
    /// What is under way by itself, before the first step.
    pub under_way: Happened,
    /// What each step brings about.
    pub steps: Vec<(Step, Happened)>,
    /// Groups with something online before the first step, and the resources of each that would not be online in the end,
    /// but for those that a step takes offline.
    pub down: Vec<Down>,
    /// How many groups have something online before the first step.
    pub online: usize,
    /// What comes back when the nodes do.
    pub back: Vec<Back>,
}

impl Simulated {
    /// All that was online would be online, and nothing that was asked would be refused.
    #[must_use]
    pub fn holds(&self) -> bool {
        let refused = self.steps.iter().any(|(_, happened)| happened.refused.is_some());
        self.unknown.is_none() && self.down.is_empty() && !refused
    }
}

/// What a step brings about.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Happened {
    /// It would be refused, and nothing would happen.
    pub refused: Option<Refusal>,
    /// Groups that go from a node to another, in this order.
    pub moves: Vec<Moved>,
    /// What the cluster would tell of it, and when, but for what the moves say.
    pub records: Vec<(Duration, Record)>,
    /// How long until the last of it, without the time that resources take to go offline and come online.
    pub takes: Duration,
    /// What more has to be said of it.
    pub notes: Vec<String>,
}

/// A group that goes from a node to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moved {
    /// Which.
    pub group: GroupName,
    /// Where it was; none if it was nowhere.
    pub from: Option<NodeName>,
    /// Where it comes.
    pub to: NodeName,
    /// How.
    pub kind: ArrivalKind,
    /// Why it was asked to go, where it was.
    pub cause: Option<Cause>,
    /// Why there: one line a node.
    pub reasons: Vec<String>,
    /// How long after the step.
    pub after: Duration,
    /// Its state there, when everything has come to rest.
    pub state: Option<GroupState>,
}

/// A group that would not be as it was.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Down {
    /// Which.
    pub group: GroupName,
    /// Its state in the end.
    pub state: GroupState,
    /// What of it was online and is not.
    pub resources: Vec<ResourceName>,
    /// Why.
    pub why: String,
    /// What is said of each node.
    pub reasons: Vec<String>,
}

/// A group that comes back by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Back {
    /// Which.
    pub group: GroupName,
    /// Where it is till then.
    pub from: Option<NodeName>,
    /// Where it comes.
    pub to: NodeName,
    /// `when n2 is up again`.
    pub when: String,
    /// Why.
    pub cause: Option<Cause>,
}

/// What would happen if these things did, one after the other, each when what the one before brought about is over.
#[must_use]
pub fn simulate(snapshot: Snapshot, steps: Vec<Step>) -> Simulated {
    if let Some(unknown) = steps::unknown(&snapshot, &steps) {
        return Simulated { unknown: Some(unknown), ..Simulated::default() };
    }
    let mut world = World::new(snapshot);
    let mut before = world.serving();
    let under_way = world.begin();
    for (group, online) in world.serving() {
        before.entry(group).or_default().extend(online);
    }
    let mut happened = Vec::new();
    for step in steps {
        let what = world.take(&step);
        happened.push((step, what));
    }
    let down = world.down(&before);
    let online = before.len();
    let back = world.back();
    Simulated { unknown: None, under_way, steps: happened, down, online, back }
}
