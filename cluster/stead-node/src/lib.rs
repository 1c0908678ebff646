//! A node's daemon (Windows: Cluster service): one event loop around policy, monitors, store and interface.
//!
//! It is started by the guardian, with the link to it on standard input, and may die and be started again at any time:
//! groups run on, and the next one adopts them without touching a resource.
#![warn(clippy::print_stdout, clippy::print_stderr, reason = "on a full disk they panic")]

mod apply;
mod asked;
mod begin;
mod catalog;
mod command;
mod common;
mod consult;
mod control;
mod edge;
mod heard;
mod keys;
pub mod mailbox;
mod member;
mod node;
mod parts;
mod report;
mod simulate;
mod standing;
mod translate;

use std::ffi::OsString;
use std::io::Write;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Mutex;

pub use simulate::simulate;
use stead_types::NodeName;

// A build of everything at once for tests has the simulator's features in it. What is optimised may be installed.
const _: () = assert!(
    cfg!(debug_assertions) || !stead_lease::MUTANTS,
    "wrong versions of the lease protocol are built in: build the product alone, `cargo build --release -p stead`"
);

/// Runs a node: `--data DIR [--name NAME]`. The name of the machine is the default.
///
/// Ends with 1 if it cannot begin, and 2 on wrong arguments.
#[must_use]
pub fn node_main(args: Vec<OsString>) -> ExitCode {
    let (data, name) = match arguments(args) {
        Ok(read) => read,
        Err(text) => {
            // One that cannot be written changes nothing.
            let _ = writeln!(std::io::stderr(), "stead node: {text}");
            return ExitCode::from(2);
        }
    };
    // One line an event, into the log the guardian opened.
    let log = match edge::log::Log::start(data.join("log/node.log")) {
        Ok(log) => log,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "stead node: its log: {error}");
            return ExitCode::FAILURE;
        }
    };
    // A line that cannot be written is lost, and nothing else: of the failure there would be told on standard error, which
    // is the same file, and that would panic.
    let lines = tracing_subscriber::fmt().with_ansi(false).with_target(false).log_internal_errors(false);
    lines.with_writer(Mutex::new(log.clone())).init();
    let last = log.clone();
    std::panic::set_hook(Box::new(move |panic| {
        tracing::error!(%panic, "the node cannot go on");
        last.flush_soon();
        std::process::abort();
    }));
    let code = match begin::run(&data, name) {
        Ok(code) => code,
        Err(text) => {
            tracing::error!(text, "the node could not go on");
            standing::say(&data, &format!("it cannot begin: {text}"));
            ExitCode::FAILURE
        }
    };
    log.flush_soon();
    code
}

fn arguments(args: Vec<OsString>) -> Result<(PathBuf, NodeName), String> {
    let (mut data, mut name) = (None, None);
    let mut args = args.into_iter();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--data") => data = args.next(),
            Some("--name") => name = args.next(),
            Some(_) | None => {
                return Err(format!("{} is not known; a node takes --data and --name", arg.display()));
            }
        }
    }
    let data = data.ok_or("--data DIR is missing")?;
    let name = match name {
        Some(name) => name.into_string().map_err(|name| format!("{} is no name", name.display()))?,
        None => rustix::system::uname().nodename().to_string_lossy().into_owned(),
    };
    Ok((PathBuf::from(data), name.parse().map_err(|error: stead_types::NameError| error.to_string())?))
}
