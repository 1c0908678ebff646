//! One machine of the simulated cluster: its clock, its guardian with the kernel's timers, its node process.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_lease::{Answer, Found, Kept, Machine, Params, RequestId, Sid};
use stead_policy::cluster::Unwritten;
use stead_types::{ResourceName, Time};

use crate::brain::{Brain, Hosts};
use crate::clock::Clock;
use crate::store::{Key, Own, Paper, Snapshot};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Process {
    Down,
    Opening,
    Running,
}

/// A group whose work can act on this machine.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Live {
    pub(crate) sid: Sid,
    pub(crate) generation: u64,
    /// Unique, so that a late event does not kill a successor.
    pub(crate) id: u64,
    /// It is being ended, by its plugin or by force.
    pub(crate) ending: bool,
}

/// What reaches a node process.
#[derive(Clone, Debug)]
pub(crate) enum Input {
    /// The answer to a request of the lease machine.
    Answer(RequestId, Answer),
    /// The answer to a write of `own/<group>`: the revision and what is stored now, or nothing for a conflict.
    OwnWritten(usize, Option<(u64, Own)>),
    Session(usize, Found),
    /// The answer to a write of the production code.
    Wrote(u64, Result<u64, Unwritten>),
    /// What it hears of another's.
    Paper(Key, u64, Arc<Paper>),
    /// What Resource Monitors say.
    Told(Vec<stead_policy::Event>),
    Own(usize, u64, Own),
    /// The answer to opening or listing.
    Listed(Arc<Snapshot>),
    Replaced,
    AllGone,
    /// The guardian answers this question.
    GuardianAnswered(u64),
    Fenced(usize, Sid),
}

pub(crate) struct Node {
    /// The name it goes by. A clone has another machine's.
    pub(crate) name: usize,
    pub(crate) params: Params,
    pub(crate) clock: Clock,
    pub(crate) on: bool,
    /// It has lost its power for good.
    pub(crate) lost: bool,
    pub(crate) boot: u64,
    pub(crate) machine_id: u64,
    pub(crate) dmi: u64,
    pub(crate) asleep: Option<u64>,
    pub(crate) sleeps_until: u64,

    // The guardian.
    pub(crate) kept: Option<Kept>,
    pub(crate) guard_sid: Sid,
    pub(crate) guard_deadline: Time,
    pub(crate) fire_at: u64,
    pub(crate) guardian_stopped: u64,
    pub(crate) late_arm: Option<Kept>,
    pub(crate) owes_gone: bool,
    pub(crate) live: Vec<Option<Live>>,
    /// The Resource Monitors of each group.
    pub(crate) hosts: Vec<Hosts>,

    /// What failed while the node process was stopped, and when it goes on: it cannot have heard before.
    pub(crate) unheard: BTreeMap<ResourceName, u64>,

    // The node process.
    pub(crate) process: Process,
    pub(crate) epoch: u64,
    pub(crate) stopped_until: u64,
    pub(crate) machine: Machine,
    pub(crate) wake_at: u64,
    pub(crate) woke: u64,
    pub(crate) view: Vec<(u64, Own)>,
    pub(crate) pending: Vec<u64>,
    /// The groups whose document may be older than it looks: a process before this one may have written it since.
    pub(crate) confirm: Vec<bool>,
    pub(crate) leaving: bool,
    /// What decides about groups, in the world that has it.
    pub(crate) brain: Option<Box<Brain>>,
    /// Something was written that it was not told of: it lists again.
    pub(crate) stale: bool,
    /// The last revision that it was not told of: a list that is older does not make up for it.
    pub(crate) missed: u64,
    pub(crate) dirty: bool,
    pub(crate) assumed_dead: Option<(usize, Sid)>,
    /// The incarnation of the store it knows, kept on disk.
    pub(crate) knows: u64,
    /// That one is not its own yet: kept on disk until a session of it has begun, so that a process that begins meanwhile
    /// waits as the one before it did.
    pub(crate) doubted: bool,
    pub(crate) start_at: u64,

    // The way to the store.
    /// What it has sent within which second.
    pub(crate) sent: (u64, u64),
    pub(crate) requests_lost: u64,
    pub(crate) answers_lost: u64,
    pub(crate) slow: (u64, u64),
    pub(crate) twice: u64,
    pub(crate) silent: u64,
    pub(crate) stale_reads: u64,

    /// For I6: the session and the latest deadline a renewal of it that happened can grant, on the machine's clock.
    pub(crate) granted: (Sid, Time),
}

impl Node {
    pub(crate) fn now(&self, real: u64) -> Time {
        self.clock.at(real)
    }

    pub(crate) fn nothing_lives(&self) -> bool {
        self.live.iter().all(Option::is_none)
    }
}
