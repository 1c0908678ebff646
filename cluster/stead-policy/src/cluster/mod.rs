//! The coordinator: which node every group belongs to. `decide(situation, now) -> decisions`.
//!
//! Pure like the rest of this crate. It runs on every node and is listened to on the elected one, which may be another
//! at any moment: what it decides on is in the [`Situation`], read from the cluster database, and what it remembers
//! beside that (when it first saw something) it may lose. Losing it only ever makes it wait longer.
//!
//! Safety does not rest on it. Every decision that changes `own/<group>` names the revision it was made on
//! ([`Guard`]), and a group is given to a node only when [`Freed`] says why nobody else has it. Two coordinators at
//! once therefore cost conflicts, nothing else.
//!
//! How a group gets from one node to another, always the same way:
//!
//! 1. somebody writes an [`Order`] into its ownership document: an operator through [`Situation::check_move`] and
//!    [`Ownership::with_order`], or this coordinator ([`Decision::Order`]);
//! 2. the owner takes the group offline and, when all of it is verified gone, writes [`OwnerState::Released`];
//! 3. the coordinator writes [`Decision::Assign`]: the next generation, with how it came there ([`Arrival`]);
//! 4. the new owner brings online what is wanted online, unless [`Arrival::start`] says no.
//!
//! When the owner's session is dead steps 1 and 2 fall away.
//!
//! ```
//! use std::time::Duration;
//! use stead_policy::cluster::{Coordinator, Decision, GroupFacts, GroupRules, NodeFacts, Session, Situation};
//! use stead_policy::{ColdStart, Failback, GroupConfig, PersistentState};
//! use stead_types::Time;
//!
//! // What the database holds; kept up to date by whoever watches it.
//! let mut situation = Situation::default();
//! let session = Session::Alive { sid: 7, age: Duration::from_secs(900) };
//! situation.nodes.insert("n1".parse().unwrap(), NodeFacts { session, ..NodeFacts::default() });
//! let web = GroupConfig {
//!     name: "web".parse().unwrap(),
//!     description: String::new(),
//!     persistent_state: Some(PersistentState::Online),
//!     failover_threshold: u32::MAX,
//!     failover_period_hours: 6,
//!     preferred_owners: Vec::new(),
//!     anti_affinity: Default::default(),
//!     failback: Failback::Prevent,
//!     cold_start: ColdStart::Always,
//!     depends_on_groups: Default::default(),
//!     depends_on_set: None,
//!     priority: 2_000,
//!     resources: Default::default(),
//!     revision: 0,
//! };
//! let facts = GroupFacts::new(GroupRules::of(&web, &Default::default()), GroupRules::wanted_online(&web));
//! situation.groups.insert(web.name.clone(), facts);
//!
//! let mut coordinator = Coordinator::new();
//! let decisions = coordinator.decide(&situation, Time::from_millis(1));
//! // Written to `own/web` if there is still no such document; then it is in the next situation.
//! let Some(Decision::Assign { group, document, .. }) = decisions.first() else { panic!("{decisions:?}") };
//! assert_eq!((group.as_str(), document.node.as_str(), document.session), ("web", "n1", 7));
//! ```

mod commit;
mod coordinator;
mod decision;
mod explain;
mod failback;
mod failover;
mod fence;
mod moves;
mod nodes;
mod owner;
mod ownership;
mod place;
mod providers;
mod sets;
mod settings;
mod situation;
mod survey;

pub use commit::{Commit, Document, commits};
pub use coordinator::Coordinator;
pub use decision::{Decision, Freed, Guard};
pub use fence::{FenceNeeds, unwatched};
pub use moves::Drainable;
pub use owner::{Owner, OwnerAction, Tenure, Unwritten};
pub use ownership::{
    Arrival, ArrivalKind, Cause, Failover, Order, OrderWish, Outcome, OwnerState, Ownership, Release,
};
pub use place::{Merit, Placement, Verdict};
pub(crate) use providers::{ready, said};
pub(crate) use sets::awaited;
pub use settings::{Property, Settings, SettingsChange};
pub use situation::{
    Drain, DrainStatus, GroupFacts, GroupRules, NodeFacts, NodeRecord, Owned, Provider, Published,
    Quarantine, ReadyWhen, Resume, ResumeFailback, Session, Situation,
};
