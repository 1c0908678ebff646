//! Against real etcd processes: conformance, faults, trust, identity.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod certificates;
mod cluster;
mod conforms;
mod faults;
mod hedge;

mod identity;
mod limits;
mod proxy;

mod trust;
mod watch;
