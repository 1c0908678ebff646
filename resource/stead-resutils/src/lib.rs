//! `libresutils.so`: the resource utility functions of Windows' Failover Cluster API, for resource DLLs.
//!
//! Each exported function is a thin shell around a core that works on owned values: what a resource DLL passes is
//! copied before it is looked at, answers are computed whole, and only then is anything written or stored. What a
//! caller may get wrong by the documentation gets the documented code; nothing is written past the size given.
//!
//! Strings and buffers handed out are freed with `LocalFree`. Strings are UTF-16, and keep what is not well-formed.
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "on a full disk they panic")]
#![allow(unsafe_code, reason = "C functions that take raw pointers")]
#![allow(non_snake_case, non_camel_case_types, reason = "the documented names")]
#![allow(clippy::too_many_arguments, reason = "the documented signatures")]

#[macro_use]
mod fence;

mod block;
mod clusapi;
mod control;
mod cursor;
mod database;
mod dependency;
mod directory;
mod enumerate;
mod environment;
mod event;
mod find;
mod group;
mod handle;
mod list;
mod lock;
mod memory;
mod private;
mod raw;
mod refused;
mod service;
mod stored;
mod system;
mod systemd;
mod table;
mod text;
mod value;
mod values;
mod verify;
mod worker;

pub use block::*;
pub use clusapi::{
    CLUSGROUP_TYPE, CLUSTER_ROLE, CLUSTER_ROLE_STATE, HCLUSCRYPTPROVIDER, HCLUSTER, HGROUP, HNODE, HRESOURCE,
    LPGROUP_CALLBACK_EX, LPNODE_CALLBACK, LPRESOURCE_CALLBACK, LPRESOURCE_CALLBACK_EX,
};
pub use cursor::*;
pub use dependency::*;
pub use directory::*;
pub use enumerate::*;
pub use environment::*;
pub use event::*;
pub use fence::{Length, WaitResult};
pub use find::*;
pub use group::*;
pub use lock::*;
pub use memory::*;
pub use private::*;
pub use refused::*;
pub use service::*;
pub use stored::*;
pub use system::*;
pub use systemd::{Manager, use_manager};
pub use text::*;
pub use values::*;
pub use verify::*;
pub use worker::*;
