//! The guard of one Resource Monitor, where leases are in force: a process between guardian and warden that the kernel kills
//! when the lease runs out, and with it the warden, the namespace, and everything in it.
//!
//! It is a copy of the guardian that runs nothing but [`keep`]. Its timer is the kernel's (`CLOCK_BOOTTIME`, absolute,
//! SIGKILL): it fires also when the guard, the guardian and the node are stopped, and right after the machine wakes up.
//! The timer is not the warden's own: from inside its namespace the first process takes no SIGKILL.
//!
//! The guard tells the guardian the warden (its number, with a descriptor), and at the end how the warden ended. The
//! guardian tells the guard deadlines.

use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::time::Duration;

use nix::sys::signal::{SigEvent, SigSet, SigevNotify, Signal as NixSignal};
use nix::sys::timer::{Expiration, Timer, TimerSetTimeFlags};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{
    Pid, PidfdFlags, Signal, WaitId, WaitIdOptions, WaitOptions, getppid, kill_process, pidfd_open,
    pidfd_send_signal, waitid, waitpid,
};
use stead_monitor_protocol::{Containment, Link, LinkError};
use stead_types::Time;

use crate::contain;
use crate::lease::accept;
use crate::now;
use crate::sys::{self, Namespaces};

/// A guard that has not made its warden by then is killed: making it takes milliseconds.
const PATIENCE: Duration = Duration::from_secs(1);

/// How a process ended: exit status, or signal.
pub(crate) type Ending = (Option<i32>, Option<i32>);

/// A guard as the guardian sees it.
pub(crate) struct Guard {
    pid: Pid,
    pub(crate) pidfd: OwnedFd,
    link: Link<OwnedFd>,
    /// How it ended, once it is reaped.
    ended: Option<Ending>,
    /// How the warden ended, if the guard lived to say it.
    warden_ended: Option<Ending>,
}

/// What a guard has to keep.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Duty {
    pub(crate) deadline: Time,
    pub(crate) longest: Duration,
}

/// Starts a warden under a guard. The descriptors in `kept` stay open in it under their numbers.
///
/// # Errors
/// When it could not be started; nothing of it is left then.
pub(crate) fn start(
    containment: Containment,
    args: &[String],
    kept: &[&OwnedFd],
    duty: Duty,
) -> io::Result<(Guard, Pid, OwnedFd)> {
    let (link, theirs) = Link::pair().map_err(io::Error::other)?;
    let guardian = rustix::process::getpid();
    let pid =
        sys::clone(Namespaces::NONE, || match keep(guardian, &theirs, containment, args, kept, duty) {
            Ok(()) => 0,
            Err(error) => {
                note!("stead guard: {error}");
                73
            }
        })?;
    drop(theirs);
    let guard =
        Guard { pid, pidfd: pidfd_open(pid, PidfdFlags::empty())?, link, ended: None, warden_ended: None };
    match guard.warden(now().after(PATIENCE)) {
        Ok((number, pidfd)) => Ok((guard, number, pidfd)),
        Err(error) => {
            guard.kill();
            let _ = waitpid(Some(guard.pid), WaitOptions::empty());
            // It may have said so with its last breath; then the warden is our child now, and dies with it.
            if let Ok((_, pidfd)) = guard.told() {
                let _ = waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED);
            }
            Err(error)
        }
    }
}

impl Guard {
    /// Waits for the guard to name the warden.
    fn warden(&self, until: Time) -> io::Result<(Pid, OwnedFd)> {
        loop {
            let patience =
                Timespec::try_from(until.since(now())).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
            let mut fds = [PollFd::new(&self.link, PollFlags::IN)];
            let count = match poll(&mut fds, Some(&patience)) {
                Err(rustix::io::Errno::INTR) => continue,
                other => other?,
            };
            if count == 0 {
                return Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    "the guard did not make a warden in time",
                ));
            }
            return self.told();
        }
    }

    /// The warden as the guard named it.
    fn told(&self) -> io::Result<(Pid, OwnedFd)> {
        let (number, mut fds) = self.link.receive::<i32>().map_err(|error| match error {
            LinkError::Closed => {
                io::Error::other("the guard ended before there was a warden; see the log above")
            }
            LinkError::WouldBlock | LinkError::TooLong(_) | LinkError::Garbage(_) | LinkError::System(_) => {
                io::Error::other(error)
            }
        })?;
        let pid = Pid::from_raw(number);
        pid.zip(fds.pop()).ok_or_else(|| io::Error::other("the guard named no warden"))
    }

    /// Hands over a deadline. A guard that cannot take it keeps the one it has.
    pub(crate) fn renew(&self, deadline: Time) {
        let _ = self.link.send(&deadline.as_nanos());
    }

    pub(crate) fn kill(&self) {
        let _ = pidfd_send_signal(&self.pidfd, Signal::KILL);
    }

    /// How the warden ended, once nothing of it or of the guard is left. The kernel lets a warden be reaped only when its
    /// namespace is empty.
    pub(crate) fn buried(&mut self, warden: &OwnedFd) -> Option<Ending> {
        let ended = match self.ended {
            Some(ended) => ended,
            None => {
                let (_, status) = waitpid(Some(self.pid), WaitOptions::NOHANG).ok()??;
                *self.ended.insert((status.exit_status(), status.terminating_signal()))
            }
        };
        if let Ok((ending, _)) = self.link.receive::<Ending>() {
            self.warden_ended = Some(ending);
        }
        // A guard that was killed leaves its warden to us; one that ended has reaped it.
        match waitid(WaitId::PidFd(warden.as_fd()), WaitIdOptions::EXITED | WaitIdOptions::NOHANG) {
            Ok(Some(status)) => Some((status.exit_status(), status.terminating_signal())),
            Ok(None) => None,
            Err(_) => Some(self.warden_ended.unwrap_or(ended)),
        }
    }

    /// True once the guard is reaped: then the end of the warden is what to wait for.
    pub(crate) const fn ended(&self) -> bool {
        self.ended.is_some()
    }

    /// Waits for the end of a guard that was killed, and of its warden.
    pub(crate) fn bury(&mut self, warden: &OwnedFd) {
        if self.ended.is_none() {
            let _ = waitpid(Some(self.pid), WaitOptions::empty());
        }
        let _ = waitid(WaitId::PidFd(warden.as_fd()), WaitIdOptions::EXITED);
    }
}

fn expiration(deadline: Time) -> Expiration {
    // Nothing would switch the timer off.
    let nanos = deadline.as_nanos().max(1);
    Expiration::OneShot(Duration::from_nanos(nanos).into())
}

/// What the guard does, from its first to its last moment.
fn keep(
    guardian: Pid,
    link: &OwnedFd,
    containment: Containment,
    args: &[String],
    kept: &[&OwnedFd],
    duty: Duty,
) -> io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    if getppid() != Some(guardian) {
        return Err(io::Error::other("the guardian is gone"));
    }
    // Signals are the guardian's business, also those of a terminal; SIGKILL is nobody's to keep off.
    let _ = SigSet::all().thread_block();
    let _ = rustix::process::setsid();
    let mut open: Vec<i32> = kept.iter().map(|fd| fd.as_raw_fd()).collect();
    open.push(link.as_raw_fd());
    sys::close_all_but(&open)?;
    let notify = SigevNotify::SigevSignal { signal: NixSignal::SIGKILL, si_value: 0 };
    let mut timer = Timer::new(nix::time::ClockId::CLOCK_BOOTTIME, SigEvent::new(notify))?;
    let absolute = TimerSetTimeFlags::TFD_TIMER_ABSTIME;
    timer.set(expiration(duty.deadline), absolute)?;
    // The warden waits for a word, or for our end: it might miss the latter until it has asked to be killed with us.
    let (go, gone) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let warden = contain::start_when(containment, args, kept, Some(&go))?;
    let pidfd = pidfd_open(warden, PidfdFlags::empty())?;
    let link = Link::new(link);
    let number = warden.as_raw_nonzero().get();
    link.send_with(&number, &[pidfd.as_fd()]).map_err(io::Error::other)?;
    rustix::io::write(&gone, b"!")?;
    drop((go, gone));
    sys::close_all_but(&[link.as_fd().as_raw_fd(), pidfd.as_raw_fd()])?;
    let mut deadline = duty.deadline;
    loop {
        let mut fds = [PollFd::new(&link, PollFlags::IN), PollFd::new(&pidfd, PollFlags::IN)];
        match poll(&mut fds, None) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        let warden_ended = !fds[1].revents().is_empty();
        loop {
            match link.receive::<u64>() {
                Ok((nanos, _)) => {
                    match accept(Some(deadline), Time::from_nanos(nanos), duty.longest, now()) {
                        Ok(next) => {
                            deadline = next;
                            timer.set(expiration(deadline), absolute)?;
                        }
                        Err(error) => note!("stead guard: {error}"),
                    }
                }
                Err(LinkError::WouldBlock) => break,
                Err(error) => {
                    let _ = kill_process(warden, Signal::KILL);
                    return Err(io::Error::other(error));
                }
            }
        }
        if warden_ended && let Some((_, status)) = waitpid(Some(warden), WaitOptions::NOHANG)? {
            let _ = link.send(&(status.exit_status(), status.terminating_signal()));
            return Ok(());
        }
    }
}
