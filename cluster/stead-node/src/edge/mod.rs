//! The edges of the loop. Each has two halves: what comes from outside becomes an event, what the policy wants
//! done goes outside. Nothing else in this crate does IO.

pub(crate) mod api;
pub(crate) mod elsewhere;
pub(crate) mod history;
pub(crate) mod log;
pub(crate) mod monitor;
pub(crate) mod request;
pub(crate) mod store;
pub(crate) mod timer;
