//! A process with everything it started: watched by a pidfd, stopped as a tree, and only gone when all of it is.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::process::{Child, ChildStdout, Command};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitIdStatus, kill_process, kill_process_group,
    pidfd_open, waitid,
};

/// The environment variable by which a process of a resource is known, however often it forked.
pub(crate) const MARK: &str = "STEAD_RESOURCE_MARK";

/// A running program of a resource.
pub(crate) struct Tree {
    child: Mutex<Child>,
    pid: Pid,
    pidfd: OwnedFd,
    mark: String,
}

/// A mark no other resource of this process has.
fn fresh_mark(name: &str) -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static NEXT: AtomicU64 = AtomicU64::new(1);
    format!("{}.{}.{name}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed))
}

/// Waits until the descriptor is readable. False if it was not within `limit`.
pub(crate) fn readable(fd: impl AsFd, limit: Duration) -> bool {
    let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 });
    matches!(poll(&mut [PollFd::new(&fd, PollFlags::IN)], Some(&limit)), Ok(count) if count > 0)
}

impl Tree {
    /// Starts a program in a process group of its own.
    pub(crate) fn start(command: &mut Command, name: &str) -> io::Result<Tree> {
        let mark = fresh_mark(name);
        let child = command.env(MARK, &mark).process_group(0).spawn()?;
        let pid = Pid::from_child(&child);
        let pidfd = pidfd_open(pid, PidfdFlags::empty())?;
        Ok(Tree { child: Mutex::new(child), pid, pidfd, mark })
    }

    /// The number of the main process.
    pub(crate) fn id(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// What the main process prints, where the command said that it is piped; once.
    pub(crate) fn output(&self) -> Option<ChildStdout> {
        self.child.lock().unwrap_or_else(PoisonError::into_inner).stdout.take()
    }

    /// A descriptor that becomes readable when the main process ends.
    pub(crate) fn pidfd(&self) -> io::Result<OwnedFd> {
        self.pidfd.try_clone()
    }

    /// True while the main process runs. No signal is sent and nothing is waited for.
    pub(crate) fn alive(&self) -> bool {
        !readable(&self.pidfd, Duration::ZERO)
    }

    /// A look at how the main process ended. It is not reaped: as long as it is a zombie nobody else can have its
    /// number, so that its group can still be killed safely.
    fn peek(&self) -> Option<WaitIdStatus> {
        let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
        waitid(WaitId::PidFd(self.pidfd.as_fd()), options).ok().flatten()
    }

    /// How the main process ended, in words, if it has.
    pub(crate) fn end(&self) -> Option<String> {
        let status = self.peek()?;
        Some(match (status.exit_status(), status.terminating_signal()) {
            (Some(code), _) => format!("exited with status {code}"),
            (None, Some(signal)) => format!("was killed by signal {signal}"),
            (None, None) => "ended".to_owned(),
        })
    }

    /// The exit status of the main process, which has ended; 128 and more where a signal ended it.
    pub(crate) fn status(&self) -> i32 {
        let signal = |status: &WaitIdStatus| status.terminating_signal().map_or(-1, |signal| 128 + signal);
        self.peek().map_or(-1, |status| status.exit_status().unwrap_or_else(|| signal(&status)))
    }

    /// Sends a signal to the main process.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.alive() {
            let _ = kill_process(self.pid, signal);
        }
    }

    /// Waits for the main process to end. False if it did not within `limit`.
    pub(crate) fn wait(&self, limit: Duration) -> bool {
        readable(&self.pidfd, limit)
    }

    /// Kills everything that belongs to the program and returns when nothing of it is left. False if something
    /// cannot be killed (it hangs in the kernel).
    pub(crate) fn kill(&self) -> bool {
        // The usual case, without looking further: the group goes at once.
        let _ = kill_process_group(self.pid, Signal::KILL);
        self.wait(Duration::from_secs(5));
        for _ in 0..200 {
            let left = self.members();
            if left.is_empty() {
                return true;
            }
            for member in left {
                if let Ok(pidfd) = pidfd_open(member, PidfdFlags::empty()) {
                    let _ = rustix::process::pidfd_send_signal(&pidfd, Signal::KILL);
                    readable(&pidfd, Duration::from_millis(50));
                }
            }
        }
        false
    }

    /// Every process of the program that is not a zombie: its group, its session, and all that carry its mark.
    pub(crate) fn members(&self) -> Vec<Pid> {
        let main = self.pid.as_raw_nonzero().get();
        let mark = format!("{MARK}={}", self.mark);
        let mut members = BTreeSet::new();
        let mut parents = Vec::new();
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        for entry in entries.flatten() {
            let Some(process) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
                continue;
            };
            let Some(stat) = stat_of(process) else { continue };
            if stat.state == 'Z' || stat.state == 'X' {
                continue;
            }
            let marked = || {
                let environment = fs::read(format!("/proc/{process}/environ")).unwrap_or_default();
                environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
            };
            if process == main || stat.group == main || stat.session == main || marked() {
                members.insert(process);
            } else {
                parents.push((process, stat.parent));
            }
        }
        // What they started since, in whatever order the list came.
        let mut grown = true;
        while grown {
            grown = false;
            for (process, parent) in &parents {
                grown |= members.contains(parent) && members.insert(*process);
            }
        }
        members.into_iter().filter_map(Pid::from_raw).collect()
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        // A program nobody watches must not live on; a zombie must not stay.
        if self.alive() {
            let _ = kill_process_group(self.pid, Signal::KILL);
        }
        let mut child = self.child.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = child.wait();
    }
}

struct Stat {
    state: char,
    parent: i32,
    group: i32,
    session: i32,
}

fn stat_of(process: i32) -> Option<Stat> {
    let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The name in parentheses may hold anything, so the fields are counted from its end.
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    Some(Stat {
        state: fields.next()?.chars().next()?,
        parent: fields.next()?.parse().ok()?,
        group: fields.next()?.parse().ok()?,
        session: fields.next()?.parse().ok()?,
    })
}
