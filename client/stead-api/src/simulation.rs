//! A cluster as it is, and what would happen to it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{Failure, Group};

/// Everything that decisions are made on, at one instant, as the node that answers knows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Situation {
    /// The node that answers.
    pub node: String,
    /// It is one machine with a database of its own.
    pub alone: bool,
    /// The hour of the day there, for windows of failback.
    pub hour: u8,
    /// The nodes, with their sessions.
    pub nodes: Vec<SituatedNode>,
    /// What is stored: configuration, owners, what is said of nodes and groups.
    pub documents: Vec<Document>,
    /// Groups that nobody may have for now.
    pub awaiting: Vec<String>,
    /// The groups as a status shows them.
    pub groups: Vec<Group>,
}

/// A node and its session.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct SituatedNode {
    /// Its name.
    pub name: String,
    /// `alive`, `dead`, `left`, `none`.
    pub session_state: String,
    /// Which session, with 32 hexadecimal digits.
    pub session: Option<String>,
    /// For how long it has been renewed, in ms.
    pub age_ms: u64,
    /// How long after its last renewal it is taken over from, in ms.
    pub takeover_ms: Option<u64>,
    /// For how long it has not been heard, in ms, if it is missed.
    pub silent_ms: Option<u64>,
    /// Resource types that cannot be loaded there, and why.
    pub cannot_host: BTreeMap<String, String>,
    /// It has a watchdog that the others count on.
    pub watchdog: bool,
    /// Its session is dead, and it is confirmed that its machine is off or was started anew.
    pub confirmed: bool,
}

/// A stored document.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Document {
    /// Its key, below the prefix of the cluster.
    pub key: String,
    /// The revision that changed it last.
    pub revision: u64,
    /// What it says.
    pub value: serde_json::Value,
}

/// The members of the cluster database, of which more than half have to answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseMembers {
    /// How many vote.
    pub voters: usize,
    /// Nodes on which one is that votes and answers.
    pub on: Vec<String>,
    /// How many others vote and answer.
    pub elsewhere: usize,
}

/// Something that might happen.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SimulationStep {
    /// A node is gone without a word.
    Kill(String),
    /// A node is drained.
    Drain(String),
    /// A node is paused.
    Pause(String),
    /// A group is moved, to the best node if none is named.
    Move(String, Option<String>),
    /// A group is brought online.
    Online(String),
    /// A group is taken offline.
    Offline(String),
    /// A resource fails, and goes on failing where it is.
    Fail(String),
}

/// Why nothing could be simulated.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotSimulated {
    /// A step names something that is not there.
    Unknown(String),
    /// The node that answered does not hear the cluster: what it knows is old.
    Stale(String),
    /// The situation makes no sense.
    Unreadable(String),
}

/// What would happen.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulation {
    /// What is under way by itself, before the first step.
    pub under_way: Simulated,
    /// What each step brings about.
    pub steps: Vec<Simulated>,
    /// Groups that would not be as they were.
    pub down: Vec<SimulatedDown>,
    /// Groups that come back by themselves.
    pub back: Vec<SimulatedReturn>,
    /// How many groups have something online before the first step.
    pub online: usize,
    /// All that was online would be online, and nothing would be refused.
    pub holds: bool,
}

/// What a step brings about.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Simulated {
    /// The step in words.
    pub what: String,
    /// Why it would be refused, if it would be.
    pub refused: Option<Failure>,
    /// The groups that go from a node to another, in this order.
    pub moves: Vec<SimulatedMove>,
    /// What the cluster would tell of it beside the moves.
    pub events: Vec<SimulatedEvent>,
    /// How long until the last of it, in ms, without the time that resources take.
    pub takes_ms: u64,
    /// What more has to be said.
    pub notes: Vec<String>,
}

/// A group that goes from a node to another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedMove {
    /// Which.
    pub group: String,
    /// Where it was.
    pub from: Option<String>,
    /// Where it comes.
    pub to: String,
    /// In a word or two: `takeover`, `move (drain)`.
    pub how: String,
    /// One line a node: why there, and why not elsewhere.
    pub reasons: Vec<String>,
    /// How long after the step, in ms.
    pub after_ms: u64,
    /// Its state there in the end; none if it goes on from there.
    pub state: Option<String>,
}

/// An event that would be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedEvent {
    /// How long after the step, in ms.
    pub after_ms: u64,
    /// As in the event history.
    pub id: u32,
    /// `information`, `warning`, `error`, `critical`.
    pub level: String,
    /// The group, where there is one.
    pub group: Option<String>,
    /// The resource, where there is one.
    pub resource: Option<String>,
    /// One sentence.
    pub text: String,
}

/// A group that would not be as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedDown {
    /// Which.
    pub group: String,
    /// Its state in the end.
    pub state: String,
    /// What of it was online and would not be.
    pub resources: Vec<String>,
    /// Why.
    pub why: String,
    /// One line a node.
    pub reasons: Vec<String>,
}

/// A group that comes back by itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SimulatedReturn {
    /// Which.
    pub group: String,
    /// Where it is till then.
    pub from: Option<String>,
    /// Where it comes.
    pub to: String,
    /// `when n2 is up again`.
    pub when: String,
}
