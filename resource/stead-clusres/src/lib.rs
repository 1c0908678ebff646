//! Resource types shipped with stead, built with the SDK and reached through the same function tables as any other.
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "on a full disk they panic")]

mod address;
mod application;
mod command;
mod file_system;
mod note;
mod ocf;
mod process;
mod script;
mod service;
mod undo;

use std::sync::OnceLock;

use stead_resapi::STARTUP_EX;

pub use address::{IpAddress, Ipv6Address};
pub use application::GenericApplication;
pub use file_system::FileSystem;
pub use ocf::OcfAgent;
pub use script::GenericScript;
pub use service::GenericService;
pub use undo::{undo, undo_main};

/// Every shipped type: its name and its start-up routine.
#[must_use]
pub fn builtin() -> &'static [(&'static str, STARTUP_EX)] {
    static TYPES: OnceLock<[(&'static str, STARTUP_EX); 7]> = OnceLock::new();
    TYPES.get_or_init(|| {
        [
            stead_sdk::builtin::<GenericApplication>(),
            stead_sdk::builtin::<GenericScript>(),
            stead_sdk::builtin::<GenericService>(),
            stead_sdk::builtin::<FileSystem>(),
            stead_sdk::builtin::<IpAddress>(),
            stead_sdk::builtin::<Ipv6Address>(),
            stead_sdk::builtin::<OcfAgent>(),
        ]
    })
}
