//! What the coordinator decides on, as read from the cluster database.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stead_types::{GroupName, GroupState, NodeName, PauseFlags, ResourceName, TypeName};

use super::fence::FenceNeeds;
use super::ownership::Ownership;
use super::settings::Settings;
use crate::config::{ColdStart, Failback, GroupConfig, GroupSets, PersistentState, ResourceConfig};

/// The cluster at one instant. Keep one and change what changes in it.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Situation {
    /// Every node that was ever a member and is not evicted.
    pub nodes: BTreeMap<NodeName, NodeFacts>,
    /// Every group that is configured.
    pub groups: BTreeMap<GroupName, GroupFacts>,
    /// The cluster's settings.
    pub settings: Settings,
    /// The hour of the day, 0 to 23, for failback windows. Call [`super::Coordinator::decide`] when it changes.
    pub hour: u8,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeFacts {
    /// Its session.
    pub session: Session,
    /// What is stored under `node/<name>`.
    pub record: NodeRecord,
    /// The revision of that; none if nothing is stored.
    pub revision: Option<u64>,
    /// Resource types that cannot be loaded there, and why.
    pub cannot_host: BTreeMap<TypeName, String>,
    /// Its session is dead, and a fence agent or a person has confirmed that its machine is off or was started anew.
    pub confirmed: bool,
    /// It has a watchdog that the others count on.
    pub watchdog: bool,
}

/// The state of a node's session document.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Session {
    /// There is no document. That proves nothing: whatever this node owns stays its own.
    #[default]
    Never,
    /// Not marked dead. Whether it is silent is the lease machine's business.
    Alive {
        /// Which.
        sid: u128,
        /// For how long it has been renewed: renewals times their period. Counted by the node itself.
        age: Duration,
    },
    /// Marked dead after the wait that makes it so.
    Dead {
        /// Which.
        sid: u128,
    },
    /// The node left and has verified that nothing runs.
    Left {
        /// Which.
        sid: u128,
    },
}

impl Session {
    /// Whether this, in place of what was before, may change a decision. Every renewal changes a session's age; that
    /// matters only while the cluster may still be starting. See [`Settings::group_wait_delay`].
    #[must_use]
    pub fn is_news(self, before: Session, settings: &Settings) -> bool {
        let until = settings.group_wait_delay;
        match (before, self) {
            (Session::Alive { sid: was, age: older }, Session::Alive { sid, age }) if was == sid => {
                older.min(until) != age.min(until)
            }
            (
                Session::Never | Session::Alive { .. } | Session::Dead { .. } | Session::Left { .. },
                Session::Never | Session::Alive { .. } | Session::Dead { .. } | Session::Left { .. },
            ) => before != self,
        }
    }

    /// The session, if it is alive.
    #[must_use]
    pub const fn alive(self) -> Option<u128> {
        match self {
            Session::Alive { sid, .. } => Some(sid),
            Session::Never | Session::Dead { .. } | Session::Left { .. } => None,
        }
    }
}

/// The document `node/<name>`: what operators and the coordinator say of a node.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct NodeRecord {
    /// It takes no groups, and brings nothing online. Survives a restart of the node.
    pub paused: bool,
    /// The last drain, kept for its result.
    pub drain: Option<Drain>,
    /// What the last resume said of failback.
    pub resume: Option<Resume>,
    /// The session that shuts down and wants its groups moved before; void with the next session.
    pub leaving: Option<u128>,
    /// Sessions of the node that ended without a word, as far as they count for quarantine, oldest first.
    pub losses: Vec<u128>,
    /// It is kept out.
    pub quarantine: Option<Quarantine>,
}

/// A drain of a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Drain {
    /// Counts the drains of this node.
    pub id: u64,
    /// The node all groups go to; none is the best for each.
    pub target: Option<NodeName>,
    /// How.
    pub flags: PauseFlags,
    /// How far it is.
    pub status: DrainStatus,
}

/// How far a drain is. Windows: clusapi/ne-clusapi-cluster_node_drain_status
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DrainStatus {
    /// Groups are being moved.
    InProgress,
    /// None is left.
    Completed,
    /// Some could not be moved; they are where they were.
    Failed,
}

/// The last resume of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Resume {
    /// The session that was resumed.
    pub session: u128,
    /// What comes back.
    pub failback: ResumeFailback,
}

/// What comes back to a node that is resumed. Windows: clusapi/ne-clusapi-cluster_node_resume_failback_type
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResumeFailback {
    /// Nothing, until the node leaves and comes again.
    None,
    /// What was drained from it, at once.
    Immediate,
    /// What its failback policy brings back.
    Policy,
}

/// A node is kept out because it left too often without a word.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quarantine {
    /// The session whose end brought it about.
    pub since: u128,
    /// One sentence for people.
    pub reason: String,
    /// When it was stored, in ms since 1970, for people; no decision goes by it. None until it is.
    pub told_ms: Option<u64>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// What is configured.
    pub rules: GroupRules,
    /// Something of it is wanted online.
    pub wanted_online: bool,
    /// Who has it; none if nobody ever had.
    pub owned: Option<Owned>,
    /// What its owner last said of it.
    pub published: Option<Published>,
}

/// An ownership document and its revision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Owned {
    /// The document.
    pub document: Arc<Ownership>,
    /// What a write of it is guarded by.
    pub revision: u64,
}

/// What an owner says of a group: `state/<group>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Published {
    /// The generation it is said of. What is said of another one counts for nothing.
    pub generation: u64,
    /// Its state.
    pub state: GroupState,
    /// It has been online in this generation, if only once.
    pub served: bool,
    /// Resources that have used up their restarts and ask for a failover (`RestartNotify`).
    pub given_up: Vec<ResourceName>,
    /// Resources that are locked by their resource DLL.
    pub locked: Vec<ResourceName>,
    /// Its move waits in the queue.
    pub queued: bool,
}

/// What is configured of a group, as far as it matters between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupRules {
    /// Nodes on which all of its resources may be online; none is every node.
    pub possible_owners: Option<BTreeSet<NodeName>>,
    /// In the order in which they are preferred.
    pub preferred_owners: Vec<NodeName>,
    /// Higher starts first; 0 is not started automatically.
    pub priority: u32,
    /// Groups with a word in common repel each other. In lower case.
    pub anti_affinity: BTreeSet<String>,
    /// Failovers allowed within the period; 0xFFFFFFFF is nodes minus one.
    pub failover_threshold: u32,
    /// The window of the threshold.
    pub failover_period: Duration,
    /// Whether, and when, it returns to a preferred owner.
    pub failback: Failback,
    /// Whether it starts with the cluster.
    pub cold_start: ColdStart,
    /// The resource types it needs.
    pub types: BTreeSet<TypeName>,
    /// What must be ready before it is started on a new owner.
    pub providers: Vec<Provider>,
    /// What its resource types need beside the end of their processes.
    pub fence: FenceNeeds,
}

/// Groups another one waits for: a group set, or some groups.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Provider {
    /// For people: `set "databases"`, `group "db"`.
    pub name: String,
    /// Its groups.
    pub groups: BTreeSet<GroupName>,
    /// When a group counts.
    pub ready_when: ReadyWhen,
    /// How many must count; none is all.
    pub count: Option<u32>,
    /// How long after that.
    pub delay: Duration,
}

/// When a group of a provider counts. Windows: `StartupSetting` of a group set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum ReadyWhen {
    /// It is at least on its way online. Windows: `Delay`.
    Pending,
    /// It is online.
    #[default]
    Online,
}

impl NodeRecord {
    /// Paused, without moving anything.
    #[must_use]
    pub fn paused(&self) -> Self {
        NodeRecord { paused: true, ..self.clone() }
    }

    /// Paused, and drained from now on; `id` is what [`Situation::check_drain`] says.
    #[must_use]
    pub fn drained(&self, id: u64, target: Option<NodeName>, flags: PauseFlags) -> Self {
        let drain = Drain { id, target, flags, status: DrainStatus::InProgress };
        NodeRecord { drain: Some(drain), ..self.paused() }
    }

    /// Resumed in this session, if it has one. A drain in progress ends: groups whose move has begun still go. The
    /// number of the last drain stays, so that the next one is another.
    #[must_use]
    pub fn resumed(&self, session: Option<u128>, failback: ResumeFailback) -> Self {
        let drain = self.drain.clone().map(|drain| match drain.status {
            DrainStatus::InProgress => Drain { status: DrainStatus::Failed, ..drain },
            DrainStatus::Completed | DrainStatus::Failed => drain,
        });
        let resume = session.map(|session| Resume { session, failback });
        NodeRecord { paused: false, drain, resume, ..self.clone() }
    }

    /// It is let in again, and what it did is forgotten, but for a session that is over and not followed by another.
    #[must_use]
    pub fn pardoned(&self, session: Session) -> Self {
        let mut record = NodeRecord { quarantine: None, ..self.clone() };
        record.losses.retain(|sid| session == Session::Dead { sid: *sid });
        record
    }
}

impl NodeFacts {
    /// True if the node shuts down and wants its groups moved.
    #[must_use]
    pub fn leaving(&self) -> bool {
        self.session.alive().is_some_and(|sid| self.record.leaving == Some(sid))
    }

    /// The drain in progress.
    #[must_use]
    pub fn draining(&self) -> Option<&Drain> {
        self.record.drain.as_ref().filter(|drain| drain.status == DrainStatus::InProgress)
    }
}

impl GroupFacts {
    /// A group nobody ever had.
    #[must_use]
    pub fn new(rules: GroupRules, wanted_online: bool) -> Self {
        GroupFacts { rules, wanted_online, owned: None, published: None }
    }

    /// It is wanted online, and its owner has given up on some of it.
    pub(super) fn failing(&self) -> bool {
        self.wanted_online && self.current().is_some_and(|published| !published.given_up.is_empty())
    }

    /// What the owner says of the generation it has.
    #[must_use]
    pub fn current(&self) -> Option<&Published> {
        let generation = self.owned.as_ref()?.document.generation;
        self.published.as_ref().filter(|published| published.generation == generation)
    }
}

impl GroupRules {
    /// The rules of a configured group, among all group sets. Resources that are kept offline do not narrow where it may be,
    /// unless all are.
    #[must_use]
    pub fn of(group: &GroupConfig, sets: &GroupSets) -> Self {
        let any_wanted = GroupRules::wanted_online(group);
        let counts = |resource: &ResourceConfig| !any_wanted || kept_online(group, resource.persistent_state);
        let mut possible_owners: Option<BTreeSet<NodeName>> = None;
        for resource in group.resources.values().filter(|resource| counts(resource)) {
            if !resource.possible_owners.is_empty() {
                possible_owners = Some(match possible_owners {
                    None => resource.possible_owners.clone(),
                    Some(so_far) => so_far.intersection(&resource.possible_owners).cloned().collect(),
                });
            }
        }
        let types = group.resources.values().map(|resource| resource.type_name.clone()).collect();
        GroupRules {
            possible_owners,
            preferred_owners: group.preferred_owners.clone(),
            priority: group.priority,
            anti_affinity: group.anti_affinity.iter().map(|class| class.to_lowercase()).collect(),
            failover_threshold: group.failover_threshold,
            failover_period: Duration::from_secs(u64::from(group.failover_period_hours) * 3_600),
            failback: group.failback,
            cold_start: group.cold_start,
            types,
            providers: super::sets::providers(group, sets),
            fence: FenceNeeds::default(),
        }
    }

    /// The same, with what its resource types need.
    #[must_use]
    pub fn with(self, fence: FenceNeeds) -> Self {
        GroupRules { fence, ..self }
    }

    /// Something of the group is wanted online.
    #[must_use]
    pub fn wanted_online(group: &GroupConfig) -> bool {
        if group.resources.is_empty() {
            return kept_online(group, None);
        }
        group.resources.values().any(|resource| kept_online(group, resource.persistent_state))
    }
}

fn kept_online(group: &GroupConfig, resource: Option<PersistentState>) -> bool {
    resource.or(group.persistent_state) == Some(PersistentState::Online)
}
