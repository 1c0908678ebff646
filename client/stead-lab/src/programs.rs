//! Programs that are run, and Ctrl-C.

use std::io::{Read, Write};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::Trouble;

/// What a lab needs, and the Debian package it is in.
const NEEDED: &[(&str, &str)] = &[
    ("ip", "iproute2"),
    ("nft", "nftables"),
    ("unshare", "util-linux"),
    ("nsenter", "util-linux"),
    ("etcd", "etcd-server"),
];

/// Refuses to go on without root: namespaces of the network and their cables belong to it.
pub(crate) fn check_root() -> Result<(), Trouble> {
    if rustix::process::geteuid().is_root() {
        return Ok(());
    }
    let text = "a lab needs root, for network namespaces; try sudo, in a virtual machine if you like: nothing outside \
                /run/stead-lab and its own namespaces and bridge is touched";
    Err(Trouble::Refused(text.to_owned()))
}

fn on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let sbin = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    std::env::split_paths(&path).chain(sbin).any(|folder| folder.join(name).is_file())
}

/// Refuses to go on without root or a program.
pub(crate) fn check() -> Result<(), Trouble> {
    check_root()?;
    let missing: Vec<&(&str, &str)> = NEEDED.iter().filter(|(name, _)| !on_path(name)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let names: Vec<&str> = missing.iter().map(|(name, _)| *name).collect();
    let mut packages: Vec<&str> = missing.iter().map(|(_, package)| *package).collect();
    packages.dedup();
    Err(Trouble::Refused(format!(
        "a lab needs {}, not found; on Debian: apt-get install {}",
        names.join(" and "),
        packages.join(" ")
    )))
}

/// This program.
pub(crate) fn stead() -> Result<PathBuf, Trouble> {
    std::env::current_exe().map_err(|error| Trouble::Failed(format!("the path of stead: {error}")))
}

/// A program by name; also where root's path of a plain `su` does not look.
pub(crate) fn command(program: &str) -> Command {
    let known = ["/usr/sbin", "/sbin"].map(|folder| Path::new(folder).join(program));
    let mut command = match known.iter().find(|path| path.is_file()) {
        Some(path) => Command::new(path),
        None => Command::new(program),
    };
    // Ctrl-C is ours to hear: what is half done is undone in order.
    command.process_group(0);
    command
}

/// Runs a command to its end.
pub(crate) fn output(command: &mut Command, input: &str) -> Result<Output, Trouble> {
    let shown = format!("{command:?}").replace('"', "");
    let failed = |error: std::io::Error| Trouble::Failed(format!("{shown}: {error}"));
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // One that does not read says why by how it ends.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output().map_err(failed)
}

/// Runs a command that must succeed; what it printed.
pub(crate) fn done(command: &mut Command, input: &str) -> Result<String, Trouble> {
    let output = output(command, input)?;
    if output.status.success() {
        return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
    }
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let shown = format!("{command:?}").replace('"', "");
    Err(Trouble::Failed(format!("{shown}: {} ({})", said.trim(), output.status)))
}

/// Ctrl-C and its like.
pub(crate) struct Interrupt {
    signals: UnixStream,
    asked: bool,
}

impl Interrupt {
    pub(crate) fn new() -> Result<Self, Trouble> {
        let failed = |error: std::io::Error| Trouble::Failed(format!("signals: {error}"));
        let (signals, write) = UnixStream::pair().map_err(failed)?;
        signals.set_nonblocking(true).map_err(failed)?;
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, write.try_clone().map_err(failed)?)
                .map_err(failed)?;
        }
        Ok(Interrupt { signals, asked: false })
    }

    /// Waits a moment, or until Ctrl-C.
    pub(crate) fn pause(&mut self, moment: Duration) -> Result<(), Trouble> {
        let timeout = Timespec::try_from(moment).ok();
        let mut fds = [PollFd::new(&self.signals, PollFlags::IN)];
        let _ = poll(&mut fds, timeout.as_ref());
        let mut bytes = [0; 16];
        self.asked |= self.signals.read(&mut bytes).unwrap_or(0) > 0;
        if self.asked { Err(Trouble::Interrupted) } else { Ok(()) }
    }
}
