//! What needs unsafe code: a child in new namespaces, and descriptors that a parent left open.
#![allow(unsafe_code, reason = "clone, and descriptors by number")]

use std::ffi::c_long;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::process::Command;

use rustix::process::{Pid, Resource, Rlimit, Signal, setrlimit};

unsafe extern "C" {
    fn syscall(number: c_long, ...) -> c_long;
    fn _exit(status: i32) -> !;
    fn close(fd: i32) -> i32;
}

#[cfg(target_arch = "x86_64")]
const SYS_CLONE: c_long = 56;
#[cfg(target_arch = "aarch64")]
const SYS_CLONE: c_long = 220;

#[cfg(target_arch = "x86_64")]
const SYS_SCHED_SETSCHEDULER: c_long = 144;
#[cfg(target_arch = "aarch64")]
const SYS_SCHED_SETSCHEDULER: c_long = 119;

/// Round robin in real time, which children do not inherit.
const ROUND_ROBIN: c_long = 2 | 0x4000_0000;

const SIGCHLD: c_long = 17;

/// New namespaces of a child.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub(crate) struct Namespaces(c_long);

impl Namespaces {
    pub(crate) const NONE: Namespaces = Namespaces(0);
    pub(crate) const MOUNT: Namespaces = Namespaces(0x0002_0000);
    pub(crate) const PID: Namespaces = Namespaces(0x2000_0000);
    pub(crate) const USER: Namespaces = Namespaces(0x1000_0000);

    pub(crate) const fn with(self, other: Namespaces) -> Namespaces {
        Namespaces(self.0 | other.0)
    }
}

/// Makes a child in new namespaces that runs `child`, which must not return to the caller's work: its result is the
/// exit status.
///
/// # Errors
/// When the kernel refuses.
pub(crate) fn clone(namespaces: Namespaces, child: impl FnOnce() -> u8) -> io::Result<Pid> {
    // SAFETY: without CLONE_VM the child has a copy of everything, like after fork. This process has one thread
    // (the guardian makes no other), so no lock can be held by a thread that the child lacks.
    let made = unsafe {
        syscall(SYS_CLONE, namespaces.0 | SIGCHLD, 0 as c_long, 0 as c_long, 0 as c_long, 0 as c_long)
    };
    if made == 0 {
        let status = std::panic::catch_unwind(std::panic::AssertUnwindSafe(child)).unwrap_or(70);
        // SAFETY: ends the child without running the parent's exit handlers in it.
        unsafe { _exit(i32::from(status)) }
    }
    if made < 0 {
        return Err(io::Error::last_os_error());
    }
    i32::try_from(made).ok().and_then(Pid::from_raw).ok_or_else(|| io::Error::other("clone gave no process"))
}

/// Closes every descriptor of a child made by [`clone`] but the standard ones and `kept`. Whatever of the parent's objects
/// owned them must neither be used nor dropped in the child.
pub(crate) fn close_all_but(kept: &[RawFd]) -> io::Result<()> {
    let listed = std::fs::read_dir("/proc/self/fd")?;
    let open: Vec<RawFd> =
        listed.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2 && !kept.contains(fd)) {
        // SAFETY: the child ends without running anybody's destructors (see `clone`), and its own code owns only what it
        // names in `kept`. The number of the listing itself is closed already; closing it again does nothing.
        unsafe { close(fd) };
    }
    Ok(())
}

/// Lets this process run before all that is not in real time, with a priority from 1 to 99. False where that is not allowed.
pub(crate) fn in_time(priority: i32) -> bool {
    // SAFETY: the last argument is `sched_param`, one number, alive during the call.
    unsafe { syscall(SYS_SCHED_SETSCHEDULER, 0 as c_long, ROUND_ROBIN, &raw const priority) == 0 }
}

/// `WDIOC_SETTIMEOUT`.
const SET_TIMEOUT: rustix::ioctl::Opcode = rustix::ioctl::opcode::read_write::<i32>(b'W', 6);

/// Sets a watchdog's timeout in seconds; the one that it took.
///
/// # Errors
/// When it is no watchdog, or has one timeout only.
pub(crate) fn set_watchdog(device: impl AsFd, seconds: i32) -> io::Result<i32> {
    let mut seconds = seconds;
    // SAFETY: the call reads one number, writes another in its place, and is refused by what is no watchdog: its letter
    // and number are the kernel's for watchdogs alone.
    unsafe { rustix::ioctl::ioctl(device, rustix::ioctl::Updater::<SET_TIMEOUT, i32>::new(&mut seconds))? };
    Ok(seconds)
}

/// `EXT4_IOC_SHUTDOWN`, which is `XFS_IOC_GOINGDOWN` and `F2FS_IOC_SHUTDOWN` too.
const SHUT_DOWN: rustix::ioctl::Opcode = rustix::ioctl::opcode::read::<u32>(b'X', 125);

/// Without writing the log, or anything else.
const NO_LOG_FLUSH: u32 = 2;

/// Lets the file system on which `file` is write nothing any more, as by a power cut.
///
/// # Errors
/// When it knows no such call, or it is not permitted.
pub(crate) fn shut_down(file: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: these file systems define the call to read one 32-bit number, which the setter points to. Callers ask only
    // file systems known to have it.
    unsafe { rustix::ioctl::ioctl(file, rustix::ioctl::Setter::<SHUT_DOWN, u32>::new(NO_LOG_FLUSH))? };
    Ok(())
}

/// A descriptor that the parent left open under this number.
pub(crate) fn inherited(number: RawFd) -> io::Result<OwnedFd> {
    // SAFETY: the numbers come from the parent's command line, where each stands for a descriptor of this process
    // that nothing else owns; a number without one fails at the first use.
    let fd = unsafe { OwnedFd::from_raw_fd(number) };
    match rustix::io::fcntl_setfd(&fd, rustix::io::FdFlags::CLOEXEC) {
        Ok(()) => Ok(fd),
        Err(error) => {
            std::mem::forget(fd);
            Err(error.into())
        }
    }
}

/// Lets a command's process be killed when this one dies, in a session of its own if `session` says so.
pub(crate) fn bound_to_us(command: &mut Command, session: bool) -> &mut Command {
    let prepare = move || {
        rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
        if session {
            rustix::process::setsid()?;
        }
        Ok(())
    };
    // SAFETY: two system calls, which are allowed between fork and exec.
    unsafe { command.pre_exec(prepare) }
}

/// Lets a command's process enter control groups, by their open `cgroup.procs`, and live under limits.
pub(crate) fn limited(
    command: &mut Command,
    groups: Vec<OwnedFd>,
    limits: Vec<(Resource, Rlimit)>,
) -> &mut Command {
    let prepare = move || {
        for group in &groups {
            // A group that does not take it costs the limit, not the service.
            let _ = rustix::io::write(group, b"0");
        }
        for (resource, limit) in &limits {
            let _ = setrlimit(*resource, *limit);
        }
        Ok(())
    };
    // SAFETY: system calls only, which are allowed between fork and exec; what they need was made before.
    unsafe { command.pre_exec(prepare) }
}
