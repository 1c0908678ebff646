//! The node as the guardian sees it: a child that is started again whenever it ends.

use std::collections::VecDeque;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stead_monitor_protocol::{FromGuardian, Link, LinkError, ToGuardian};
use stead_types::Time;

use crate::contain;
use crate::sys;

const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// A node that lived this long was well: the next one starts at once.
const WELL: Duration = Duration::from_secs(10);

/// A node that never was well is given up after so many tries.
const MOST_TRIES: u32 = 3;

struct Running {
    child: Child,
    pidfd: OwnedFd,
    link: Link<OwnedFd>,
    since: Time,
    greeted: bool,
}

/// The node process and the way to it.
pub(crate) struct Node {
    data: PathBuf,
    name: Option<String>,
    running: Option<Running>,
    out: VecDeque<(FromGuardian, Option<OwnedFd>)>,
    pub(crate) restarts: u32,
    /// One has been well since this guardian began.
    ever_greeted: bool,
    pause: Duration,
    pub(crate) start_at: Option<Time>,
}

impl Node {
    pub(crate) fn new(data: &Path, name: Option<String>, now: Time) -> Self {
        Node {
            data: data.to_owned(),
            name,
            running: None,
            out: VecDeque::new(),
            restarts: 0,
            ever_greeted: false,
            pause: Duration::ZERO,
            start_at: Some(now),
        }
    }

    /// Starts the node. It holds `lock` for as long as it lives.
    pub(crate) fn start(&mut self, now: Time, lock: &File) -> io::Result<()> {
        self.start_at = None;
        let (mine, theirs) = Link::pair().map_err(io::Error::other)?;
        let log = contain::log_file(&self.data.join("log/node.log"))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("stead").arg("node").arg("--data").arg(&self.data);
        if let Some(name) = &self.name {
            command.args(["--name", name]);
        }
        command.stdin(Stdio::from(theirs)).stdout(log.try_clone()?).stderr(log);
        let shared = lock.try_clone()?;
        rustix::io::fcntl_setfd(&shared, rustix::io::FdFlags::empty())?;
        let child = sys::bound_to_us(&mut command, true).spawn()?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        self.out.clear();
        self.running = Some(Running { child, pidfd, link: mine, since: now, greeted: false });
        Ok(())
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        self.running.as_ref().map(|running| Pid::from_child(&running.child))
    }

    /// Why the node cannot begin, once it has tried often enough. One that has been well is always tried again.
    pub(crate) fn hopeless(&self) -> Option<String> {
        if self.ever_greeted || self.restarts < MOST_TRIES {
            return None;
        }
        let log = std::fs::read_to_string(self.data.join("log/node.log")).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or("it ended without a word; see log/node.log");
        Some(last.split_once("text=").map_or(last, |(_, text)| text.trim_matches('"')).to_owned())
    }

    /// What to wait for: the link, and the end of the process.
    pub(crate) fn fds(&self) -> Option<(BorrowedFd<'_>, &OwnedFd)> {
        self.running.as_ref().map(|running| (running.link.as_fd(), &running.pidfd))
    }

    /// True if something waits to be sent.
    pub(crate) fn waiting(&self) -> bool {
        !self.out.is_empty()
    }

    /// True once the node has said hello: before, there is nobody to tell anything.
    pub(crate) fn greeted(&self) -> bool {
        self.running.as_ref().is_some_and(|running| running.greeted)
    }

    pub(crate) fn greet(&mut self) {
        if let Some(running) = &mut self.running {
            running.greeted = true;
            self.ever_greeted = true;
        }
    }

    /// Sends a message, later if there is no room now.
    pub(crate) fn send(&mut self, message: FromGuardian, fd: Option<OwnedFd>) {
        self.out.push_back((message, fd));
        self.flush();
    }

    pub(crate) fn flush(&mut self) {
        let Some(running) = &self.running else { return };
        while let Some((message, fd)) = self.out.front() {
            let sent = match fd {
                Some(fd) => running.link.send_with(message, &[fd.as_fd()]),
                None => running.link.send(message),
            };
            match sent {
                Err(LinkError::WouldBlock) => return,
                Ok(()) | Err(_) => drop(self.out.pop_front()),
            }
        }
    }

    /// The next message of the node.
    pub(crate) fn receive(&mut self) -> Option<ToGuardian> {
        let running = self.running.as_ref()?;
        match running.link.receive() {
            Ok((message, _)) => Some(message),
            Err(LinkError::WouldBlock | LinkError::Closed) => None,
            Err(error) => {
                note!("stead guardian: node broke the protocol and is ended: {error}");
                self.kill();
                None
            }
        }
    }

    pub(crate) fn kill(&mut self) {
        if let Some(running) = &mut self.running {
            let _ = running.child.kill();
        }
    }

    /// Ends it for good: nothing is left for it to do.
    pub(crate) fn end(&mut self) {
        self.kill();
        if let Some(mut running) = self.running.take() {
            let _ = running.child.wait();
        }
    }

    /// Takes in that the process ended, and plans the next start. While leases of at most `lease` are in force that is well
    /// before they end: nobody else renews them.
    pub(crate) fn ended(&mut self, now: Time, lease: Option<Duration>) {
        let Some(mut running) = self.running.take() else { return };
        let status = running.child.wait();
        self.out.clear();
        self.restarts += 1;
        let first = self.pause.is_zero() && self.restarts == 1;
        self.pause = if first || now.since(running.since) >= WELL {
            Duration::ZERO
        } else {
            let last = lease.map_or(LAST_PAUSE, |lease| (lease / 8).max(FIRST_PAUSE));
            (self.pause * 2).clamp(FIRST_PAUSE, last)
        };
        self.start_at = Some(now.after(self.pause));
        let how = status.map_or_else(|error| error.to_string(), |status| status.to_string());
        note!(
            "stead guardian: node ended ({how}); groups run on; it starts again in {} ms",
            self.pause.as_millis()
        );
    }
}
