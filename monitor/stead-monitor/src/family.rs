//! The processes that resources have started.

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, getpid, getppid, pidfd_open, pidfd_send_signal};

use crate::process::outside;

/// A process, told from a later one with its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    number: i32,
    parent: i32,
    /// In ticks since the machine started.
    began: u64,
    name: String,
}

impl Process {
    /// Reads `/proc/N/stat`. `None` for one that has ended.
    fn read(number: i32) -> Option<Process> {
        let stat = std::fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
        let (open, close) = (stat.find('(')?, stat.rfind(')')?);
        let mut fields = stat.get(close + 1..)?.split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        // starttime is the 22nd field, the 20th behind the name.
        let began = fields.nth(17)?.parse().ok()?;
        let ended = matches!(state, "Z" | "X");
        (!ended).then(|| Process { number, parent, began, name: stat[open + 1..close].to_owned() })
    }

    /// As two readings of one process agree: its parent may have ended, and its program may be another.
    pub(crate) fn same(&self, other: &Process) -> bool {
        (self.number, self.began) == (other.number, other.began)
    }

    /// The name of its program, and its number as it is seen from outside.
    pub(crate) fn shown(&self) -> String {
        let number = self.number.unsigned_abs();
        format!("{} ({})", self.name, outside(number).unwrap_or(number))
    }

    fn handle(&self) -> Option<OwnedFd> {
        let handle = pidfd_open(Pid::from_raw(self.number)?, PidfdFlags::empty()).ok()?;
        // The number may have gone to another one before the handle was made.
        Process::read(self.number).is_some_and(|now| now.same(self)).then_some(handle)
    }

    pub(crate) fn kill(&self) {
        if let Some(handle) = self.handle() {
            let _ = pidfd_send_signal(&handle, Signal::KILL);
        }
    }
}

/// Every process that the parent of this one has to answer for, but itself and this one.
pub(crate) fn family() -> Vec<Process> {
    let Some(warden) = getppid().map(|warden| warden.as_raw_nonzero().get()) else { return Vec::new() };
    let names = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let all: Vec<Process> =
        names.filter_map(|entry| Process::read(entry.file_name().to_str()?.parse().ok()?)).collect();
    let mut inside = vec![warden, getpid().as_raw_nonzero().get()];
    let mut family: Vec<Process> = Vec::new();
    loop {
        let more: Vec<&Process> = all
            .iter()
            .filter(|process| inside.contains(&process.parent) && !inside.contains(&process.number))
            .collect();
        if more.is_empty() {
            return family;
        }
        inside.extend(more.iter().map(|process| process.number));
        family.extend(more.into_iter().cloned());
    }
}

/// Waits until all of these have ended, but no longer than that.
pub(crate) fn wait_for_end(processes: &[Process], longest: Duration) {
    let until = Instant::now() + longest;
    for process in processes {
        let Some(handle) = process.handle() else { continue };
        let left = until.saturating_duration_since(Instant::now());
        let timeout = Timespec::try_from(left).unwrap_or_default();
        let _ = poll(&mut [PollFd::new(&handle, PollFlags::IN)], Some(&timeout));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::process::Command;

    #[test]
    fn children_and_their_children_are_family_until_they_have_ended() {
        let mut child = Command::new("sh").args(["-c", "sleep 1000 & wait"]).spawn().unwrap();
        let ours = || -> Vec<Process> {
            let all = family();
            let root = i32::try_from(child.id()).unwrap();
            all.into_iter().filter(|process| process.number == root || process.parent == root).collect()
        };
        let began = Instant::now();
        while ours().len() < 2 {
            assert!(began.elapsed() < Duration::from_secs(60), "hung");
        }
        let found = ours();
        assert!(found.iter().any(|process| process.shown().starts_with("sleep (")), "{found:?}");
        for process in &found {
            process.kill();
        }
        wait_for_end(&found, Duration::from_secs(60));
        child.wait().unwrap();
        assert!(
            found.iter().all(|process| Process::read(process.number).is_none_or(|now| !now.same(process)))
        );
    }
}
