//! Who keeps a file system busy.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use crate::process::readable;

/// A process that has something of a file system open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Holder {
    pub(super) process: i32,
    pub(super) name: String,
}

/// True if a link of `/proc` leads into the file system at `place`, which has the number `device`.
fn leads(link: &Path, place: &Path, device: u64) -> bool {
    fs::metadata(link).is_ok_and(|file| file.dev() == device)
        || fs::read_link(link).is_ok_and(|target| target.starts_with(place))
}

fn holds(process: i32, place: &Path, device: u64) -> bool {
    let folder = Path::new("/proc").join(process.to_string());
    let open = || {
        let files = fs::read_dir(folder.join("fd")).into_iter().flatten().flatten();
        files.into_iter().any(|file| leads(&file.path(), place, device))
    };
    let mapped = || {
        let maps = fs::read_to_string(folder.join("maps")).unwrap_or_default();
        // Address, permissions, offset, device, inode, then the path.
        maps.lines().any(|line| {
            line.splitn(6, ' ').nth(5).is_some_and(|path| Path::new(path.trim_start()).starts_with(place))
        })
    };
    ["cwd", "root", "exe"].iter().any(|name| leads(&folder.join(name), place, device)) || open() || mapped()
}

/// Every process but this one that keeps the file system at `place` busy.
pub(super) fn holders(place: &Path) -> Vec<Holder> {
    let Ok(device) = fs::metadata(place).map(|root| root.dev()) else { return Vec::new() };
    let own = rustix::process::getpid().as_raw_nonzero().get();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok())
        .filter(|process| *process != own && holds(*process, place, device))
        .map(|process| Holder {
            process,
            name: fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default().trim().to_owned(),
        })
        .collect()
}

/// The list as people read it.
pub(super) fn names(holders: &[Holder]) -> String {
    if holders.is_empty() {
        return "no process that can be seen from here".to_owned();
    }
    let list: Vec<String> =
        holders.iter().map(|holder| format!("{} ({})", holder.name, holder.process)).collect();
    list.join(", ")
}

/// Sends a signal to all, and waits until they have ended or the time is over. `go_on` is asked now and then.
pub(super) fn end(holders: &[Holder], signal: Signal, limit: Duration, mut go_on: impl FnMut() -> bool) {
    let pidfds: Vec<_> = holders
        .iter()
        .filter_map(|holder| pidfd_open(Pid::from_raw(holder.process)?, PidfdFlags::empty()).ok())
        .collect();
    for pidfd in &pidfds {
        // One that has ended since needs no signal.
        let _ = pidfd_send_signal(pidfd, signal);
    }
    let until = Instant::now() + limit;
    for pidfd in &pidfds {
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if readable(pidfd, left.min(Duration::from_secs(1))) {
                break;
            }
            if left.is_zero() || !go_on() {
                return;
            }
        }
    }
}
