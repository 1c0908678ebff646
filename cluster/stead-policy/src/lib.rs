//! The brain of a node: one pure machine, `(event, now) -> actions`.
//!
//! Nothing here reads a clock, draws a random number, or does IO. Whoever drives it feeds it everything that can
//! happen with [`Policy::handle`], carries out what [`Policy::poll_action`] returns, and calls
//! [`Policy::handle`] with [`Event::Timer`] when [`Policy::next_timeout`] has come.
//!
//! It works from what is to what is wanted: after every event the group concerned is looked at as a whole, and every
//! call that can be made now is made. Independent branches therefore go in parallel, and nothing has to remember how
//! far a sequence has come.

mod action;
mod admit;
mod apply;
pub mod cluster;
mod config;
mod elsewhere;
mod event;
mod explain;
mod happen;
mod hosting;
mod pause;
mod plan;
mod policy;
mod reconcile;
mod request;
mod requests;
mod runtime;
mod sets;
pub mod simulation;
mod starts;
mod view;

pub use action::{Action, Change, Level, Record};
pub use config::{
    ClusterConfig, ColdStart, Failback, GroupConfig, GroupSetConfig, GroupSets, PersistentState,
    ResourceConfig, TypeConfig,
};
pub use event::{Event, Lost, MonitorId, News, OpId, Report, RequestId, WriteId};
pub use hosting::{Arrival, Coming, Departure, OperationContext, Release, Will};
pub use policy::Policy;
pub use request::{
    Answer, DrainTo, InBuffers, Plan, PlanProblem, PlanStep, Refusal, Request, ResumeFailback,
};
pub use requests::describe;
pub use view::{GroupView, NodeView, ResourceView, View};
