//! What node, guardian, warden and Resource Monitor say to each other on one machine.
//!
//! - node ↔ Resource Monitor: [`ToMonitor`], [`FromMonitor`];
//! - node ↔ guardian: [`ToGuardian`], [`FromGuardian`], with the monitor's socket passed along;
//! - monitor → warden: the [`Board`], on which calls in progress stand, so that a deadline is kept by a
//!   process outside the one that may hang.
//!
//! Every message is one JSON object in one packet of a `SOCK_SEQPACKET` socket ([`Link`]): a process killed in
//! the middle leaves no half message behind, and a restarted node goes on with the next whole one. After a
//! restart the node sends [`ToMonitor::Sync`]; what its predecessor read and did not act on is in the answer.

mod asking;
mod board;
mod guardian;
mod link;
mod monitor;
mod wire;

pub use asking::{
    Answer, Answered, AskId, CommonFacts, GroupFacts, KeyChange, Named, NodeFacts, Question, ResourceFacts,
};
pub use board::{Board, CallRecord, Fault};
pub use guardian::{
    Containment, Death, FromGuardian, HeldSession, LONGEST_BLOB, MonitorKey, Slot, ToGuardian,
};
pub use link::{Buffer, LONGEST_MESSAGE, Link, LinkError};
pub use monitor::{
    Cause, Consultation, FromMonitor, InstanceId, InstanceReport, Library, LogLevel, OpId, Problem, Signal,
    Timing, ToMonitor, TypeFacts,
};
pub use wire::{Hex, Properties};

/// The version of all messages here. Both sides say hello with theirs and part when they differ.
pub const VERSION: u32 = 4;
