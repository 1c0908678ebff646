//! The managed member of etcd as the guardian sees it: a child that is started again whenever it ends.
//!
//! The guardian does not know what is in `node.toml`: `stead member` reads it, and ends with 0 if there is no member to
//! run.

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, kill_process, pidfd_open};
use stead_types::Time;

use crate::contain;
use crate::sys;

const FIRST_PAUSE: Duration = Duration::from_millis(200);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// One that lived this long was well.
const WELL: Duration = Duration::from_secs(30);

/// It hands its leadership over before it ends, which takes a second or so.
const PATIENCE: Timespec = Timespec { tv_sec: 5, tv_nsec: 0 };

struct Running {
    child: Child,
    pidfd: OwnedFd,
    since: Time,
}

/// The member's process.
pub(crate) struct Member {
    data: PathBuf,
    /// This machine is a node of a cluster: its node may have to wait for the others for as long as that takes.
    pub(crate) in_cluster: bool,
    running: Option<Running>,
    pause: Duration,
    pub(crate) start_at: Option<Time>,
}

impl Member {
    /// One that starts now if this machine is a node of a cluster.
    pub(crate) fn new(data: &Path, now: Time) -> Self {
        let in_cluster = data.join("node.toml").exists();
        let start_at = in_cluster.then_some(now);
        Member { data: data.to_owned(), in_cluster, running: None, pause: Duration::ZERO, start_at }
    }

    /// Starts it if it is time.
    pub(crate) fn start(&mut self, now: Time) {
        if self.start_at.is_none_or(|at| at > now) {
            return;
        }
        self.start_at = None;
        if let Err(error) = self.spawn(now) {
            note!("stead guardian: the member of etcd could not be started: {error}");
            self.again(now);
        }
    }

    fn spawn(&mut self, now: Time) -> io::Result<()> {
        let log = contain::log_file(&self.data.join("log/etcd.log"))?;
        let mut command = Command::new("/proc/self/exe");
        command.arg0("stead").arg("member").arg("--data").arg(&self.data);
        command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
        let child = sys::bound_to_us(&mut command, true).spawn()?;
        let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
        self.running = Some(Running { child, pidfd, since: now });
        Ok(())
    }

    fn again(&mut self, now: Time) {
        self.pause = (self.pause * 2).clamp(FIRST_PAUSE, LAST_PAUSE);
        self.start_at = Some(now.after(self.pause));
    }

    /// What to wait for: its end.
    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.running.as_ref().map(|running| &running.pidfd)
    }

    pub(crate) fn pid(&self) -> Option<Pid> {
        self.running.as_ref().map(|running| Pid::from_child(&running.child))
    }

    /// Takes in that it ended, if it has, and plans the next start.
    pub(crate) fn check(&mut self, now: Time) {
        let Some(running) = &mut self.running else { return };
        let Ok(Some(status)) = running.child.try_wait() else { return };
        if now.since(running.since) >= WELL {
            self.pause = Duration::ZERO;
        }
        self.running = None;
        if status.success() {
            // There is none to run, or the others have removed it.
            return;
        }
        self.again(now);
        note!(
            "stead guardian: the member of etcd ended ({status}), see log/etcd.log; it starts again in {} ms",
            self.pause.as_millis()
        );
    }

    /// Ends it: in order if it goes in time.
    pub(crate) fn end(&mut self) {
        let Some(mut running) = self.running.take() else { return };
        let _ = kill_process(Pid::from_child(&running.child), Signal::TERM);
        let mut fds = [PollFd::new(&running.pidfd, PollFlags::IN)];
        if !poll(&mut fds, Some(&PATIENCE)).is_ok_and(|count| count > 0) {
            // What it acknowledged is on disk; the kernel ends etcd with it.
            let _ = running.child.kill();
        }
        let _ = running.child.wait();
    }
}
