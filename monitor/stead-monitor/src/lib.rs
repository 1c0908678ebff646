//! The Resource Monitor: hosts resource DLLs, calls their entry points, times every call, and takes their callbacks.
//!
//! [`hosting`] decides and is pure; `engine` carries out; `dll` holds what is unsafe. Two programs are made of them:
//! the monitor of a group, driven by the node ([`monitor_main`]), and `stead host`, driven by hand. `verify` judges a
//! resource DLL; it shares `dll` with them and makes calls that a monitor makes only on a bad day.
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "on a full disk they panic")]

/// Writes a line to standard error. One that cannot be written, as on a full disk, is lost: nothing ends for it.
macro_rules! complain {
    ($($text:tt)*) => {{
        let _ = std::io::Write::write_fmt(&mut std::io::stderr(), format_args!("{}\n", format_args!($($text)*)));
    }};
}

mod alone;
mod asking;
mod callbacks;
mod check;
mod common;
mod consult;
mod control;
mod crash;
mod dll;
#[allow(unsafe_code, reason = "calls a library's own main routine")]
mod dll_main;
mod engine;
mod family;
mod fd;
mod guarded;
mod host;
pub mod hosting;
mod load;
mod monitor;
#[allow(unsafe_code, reason = "loads a library")]
mod names;
mod pool;
mod privilege;
mod process;
mod type_control;
mod verify;

pub use dll::Builtin;
pub use host::{host_command, host_main};
pub use load::LoadError;
pub use monitor::monitor_main;
pub use verify::{verify_command, verify_main};
