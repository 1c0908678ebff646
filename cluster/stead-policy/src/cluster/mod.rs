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

mod coordinator;
mod decision;
mod explain;
mod failback;
mod failover;
mod moves;
mod nodes;
mod ownership;
mod place;
mod providers;
mod situation;
mod survey;

pub use coordinator::Coordinator;
pub use decision::{Decision, Freed, Guard};
pub use moves::Drainable;
pub use ownership::{
    Arrival, ArrivalKind, Cause, Failover, Order, OrderWish, Outcome, OwnerState, Ownership, Release,
};
pub use place::{Placement, Verdict};
pub use situation::{
    Drain, DrainStatus, GroupFacts, GroupRules, NodeFacts, NodeRecord, Owned, Provider, Published,
    Quarantine, ReadyWhen, Resume, ResumeFailback, Session, Settings, Situation,
};
