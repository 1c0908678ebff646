//! A node's session: how long its work may go on, and when others may take over. One pure machine a node.
//!
//! Nothing here reads a clock, draws a random number, or does IO. The store is used as a register that is compared and
//! set, and nothing else of it: not its leases, not its clocks, not the order in which its news arrive.
//!
//! - A node holds **one session**, the document `session/<node>`, and renews it once every `h`, guarded by the revision it
//!   knows. Its work may go on until `D` after the **send** of the last renewal that is known to have happened.
//! - Another node marks the session dead when it has seen the same document for `T`, which it computes from the timings
//!   published there ([`Params::wait`]), guarded by that document's revision. By then the work is gone:
//!   `T/(1+rho) > (D+K)/(1-rho)`.
//! - The name of a session that is not over is waited for in the same way; a name that is being used is refused.
//! - In a store that was restored every session is void, and for the longest `T` nothing begins and nothing is taken over.
//!
//! # Driving it
//!
//! ```
//! use std::sync::Arc;
//! use stead_lease::{Action, Answer, Event, Identity, Machine, Profile, Start, Watchdog};
//! use stead_types::{NodeName, Time};
//!
//! # fn boottime() -> Time { Time::from_millis(1) }
//! # fn random() -> u128 { 0x5eed }
//! let mut machine = Machine::new(NodeName::new("n1")?);
//! let params = Profile::Default.params(Watchdog::Absent);
//! params.check()?;
//! machine.handle(Event::Start(Box::new(Start {
//!     params,
//!     identity: Identity { boot_id: "b".into(), machine_id: "m".into(), dmi_uuid: "d".into() },
//!     version: "0.1.0".into(),
//!     incarnation: "of the store".into(),     // from opening the store, as is the next
//!     incarnation_is_new: false,
//!     incarnation_is_unknown: false,
//!     trust_reboot: true,                     // not in a virtual machine
//!     kept: None,                             // or what the guardian kept of Action::Arm
//! })), boottime());
//! // List `session/` and watch it: all of it once, then each change.
//! machine.handle(Event::Listed { as_of: 7, sessions: vec![] }, boottime());
//!
//! // The loop: wait for an event or for the timeout, hand it in, carry out what comes out.
//! if machine.next_timeout().is_some_and(|at| at <= boottime()) {
//!     machine.handle(Event::Timer { random: random() }, boottime());
//! }
//! while let Some(action) = machine.poll_action() {
//!     match action {
//!         // A transaction with this one guard and this one put; the same request is never sent twice.
//!         Action::Commit { request, node, guard, session } => {
//!             let answer = Answer::Committed(8);  // Conflict; Unknown for StoreError::Unknown; Failed for Unavailable
//!             machine.handle(Event::Answered { request, answer }, boottime());
//!         }
//!         Action::Read { request, node } => { /* get, then Answered with Answer::Read */ }
//!         Action::Arm(kept) => { /* the guardian keeps it, and sets the timers of all guards */ }
//!         Action::AskGuardian { question } => {
//!             // Once it has answered, having taken in what it was told before:
//!             machine.handle(Event::GuardianAnswered { question }, boottime());
//!         }
//!         Action::KillAll { why } => { /* the guardian kills and verifies; then Event::AllGone */ }
//!         Action::Refuse { why } => { /* end the process with this sentence */ }
//!         Action::Tell(note) => { /* the log and the events of the cluster */ }
//!     }
//! }
//! assert!(machine.may_act(boottime()));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! - `now` is read after what is told has happened, never before: an acknowledgement may be handed in late, not early.
//! - A session is renewed only while the guardian answers: what it does not hear of ends, and is another node's to begin.
//! - Every request is answered in the end; who has no answer says [`Answer::Unknown`]. The machine itself waits for `h`.
//! - `StoreError::Replaced` is [`Event::Replaced`] without an incarnation; after it was adopted and opened again, with it.
//! - Before anything of a group is started the node asks [`Machine::may_act`]; what a group was assigned to is
//!   [`Machine::sid`]. [`Machine::is_over`] says of another session whether its groups may be assigned anew.
//! - After [`Action::KillAll`] for a lapse the session is still this node's: its groups stay assigned and begin again after
//!   [`Note::Again`]. After the other reasons they are the coordinator's to place, under a new session.

mod event;
mod guard;
mod machine;
mod mutant;
mod observe;
mod own;
mod params;
mod session;

pub use event::{Action, Answer, Event, Found, Guard, Kept, Note, RequestId, Start, Why};
pub use guard::{accepts, accepts_as};
pub use machine::{Machine, State};
pub use mutant::{MUTANTS, Mutant, Mutants};
pub use observe::Sight;
pub use params::{BadParams, Params, Profile, Watchdog};
pub use session::{Identity, Nonce, Session, Sid, Standing};
