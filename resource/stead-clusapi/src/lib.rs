//! `libclusapi.so`: the ClusAPI functions that resource DLLs call, under their documented names and signatures.
//!
//! What they work on, keys of the cluster database and objects of the cluster, comes from the [`Cluster`] that the
//! program around has [`connect`]ed: a Resource Monitor. Linked into a program that has connected none, opening the
//! cluster fails with `RPC_S_SERVER_UNAVAILABLE` (1722).
//!
//! Inside a Resource Monitor the functions of the executable itself are found, whichever library a resource DLL was
//! linked with, so the two can never be of different versions.
//!
//! A handle is index plus generation, never an address: a closed or invented one is refused with
//! `ERROR_INVALID_HANDLE` (6), and so is one of another kind.
#![allow(unsafe_code, reason = "C functions that take raw pointers")]

mod batch;
mod cluster;
mod enumerate;
mod error;
mod handles;
mod keys;
mod objects;
mod out;
mod refused;
mod tree;

pub use batch::*;
pub use cluster::{Cluster, GroupFacts, ResourceFacts, connect};
pub use enumerate::*;
pub use error::*;
pub use handles::watch_refused;
pub use keys::*;
pub use objects::*;
pub use refused::*;
pub use tree::{Change, InMemory, Keeper, PARAMETERS, Stored, Tree, kind};
