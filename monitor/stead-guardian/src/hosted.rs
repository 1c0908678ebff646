//! One Resource Monitor as the guardian sees it: its warden, the guard above it if there is one, and what is known of its
//! end.

use std::os::fd::OwnedFd;

use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};
use stead_monitor_protocol::{Board, Death, Link, LinkError, MonitorKey};

use crate::cgroup::Made;
use crate::guard::{Ending, Guard};
use crate::storage::Devices;

/// A warden and what is behind it.
pub(crate) struct Hosted {
    /// The warden.
    pub(crate) pid: Pid,
    pub(crate) pidfd: OwnedFd,
    /// Where leases are in force.
    pub(crate) guard: Option<Guard>,
    pub(crate) control: Link<OwnedFd>,
    /// Kept for a node that comes back.
    pub(crate) node_end: OwnedFd,
    pub(crate) board: Board,
    pub(crate) death: Option<Death>,
    pub(crate) requested: bool,
    pub(crate) groups: Made,
    /// What was mounted outside when it began.
    pub(crate) outside: Devices,
}

impl Hosted {
    /// The warden's number, as seen here.
    pub(crate) fn process(&self) -> u32 {
        self.pid.as_raw_nonzero().get().unsigned_abs()
    }

    /// Kills everything of it. [`Hosted::buried`] says when that is done.
    pub(crate) fn kill(&self) {
        if let Some(guard) = &self.guard {
            guard.kill();
        }
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// What to wait for before [`Hosted::buried`] is asked again.
    pub(crate) fn end(&self) -> &OwnedFd {
        match &self.guard {
            Some(guard) if !guard.ended() => &guard.pidfd,
            Some(_) | None => &self.pidfd,
        }
    }

    /// How the warden ended, once nothing of it is left.
    pub(crate) fn buried(&mut self, monitor: &MonitorKey) -> Option<Ending> {
        match self.control.receive::<Death>() {
            Ok((death, _)) => self.death = Some(death),
            Err(LinkError::WouldBlock | LinkError::Closed) => {}
            Err(error) => note!("stead guardian: warden of {monitor}: {error}"),
        }
        if let Some(guard) = &mut self.guard {
            return guard.buried(&self.pidfd);
        }
        let (_, status) = waitpid(Some(self.pid), WaitOptions::NOHANG).ok()??;
        Some((status.exit_status(), status.terminating_signal()))
    }

    /// Waits until nothing is left of what was killed.
    pub(crate) fn bury(&mut self) {
        match &mut self.guard {
            Some(guard) => guard.bury(&self.pidfd),
            None => drop(waitpid(Some(self.pid), WaitOptions::empty())),
        }
        self.groups.remove();
    }

    /// What the warden reported with its last breath, or what can be told without it.
    pub(crate) fn into_death(self, (exit, signal): Ending) -> Death {
        let mut death = match self.control.receive::<Death>() {
            Ok((death, _)) => death,
            Err(_) => self.death.unwrap_or_else(|| Death {
                exit,
                signal,
                suspects: self.board.calls().unwrap_or_default().iter().map(|call| call.instance).collect(),
                ..nothing_known()
            }),
        };
        death.requested = self.requested;
        death
    }
}

/// The death of a monitor nobody knows.
pub(crate) fn nothing_known() -> Death {
    Death {
        exit: None,
        signal: None,
        requested: false,
        stuck: None,
        stopped: false,
        lapsed: false,
        left: Vec::new(),
        suspects: Vec::new(),
        output: String::new(),
    }
}
