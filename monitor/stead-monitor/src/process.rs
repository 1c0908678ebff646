//! Process numbers as they are outside every namespace of ours.

use std::fs;
use std::os::fd::{AsRawFd, BorrowedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, PidfdFlags, pidfd_open};

/// The folder of the host's `/proc`, as the warden left it open.
fn host_proc() -> PathBuf {
    std::env::var_os("STEAD_HOST_PROC").map_or_else(|| PathBuf::from("/proc"), PathBuf::from)
}

/// The number of the process behind a pidfd; `None` if the descriptor is something else or the process is gone.
pub(crate) fn of_pidfd(fd: BorrowedFd<'_>) -> Option<u32> {
    let path = host_proc().join("self/fdinfo").join(fd.as_raw_fd().to_string());
    let text = fs::read_to_string(path).ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Pid:"))?;
    line.trim().parse().ok().filter(|process| *process > 0)
}

/// The outer number of a process with this number in here.
pub(crate) fn outside(process: u32) -> Option<u32> {
    if std::env::var_os("STEAD_HOST_PROC").is_none() {
        return Some(process);
    }
    let pid = Pid::from_raw(i32::try_from(process).ok()?)?;
    let fd = pidfd_open(pid, PidfdFlags::empty()).ok()?;
    of_pidfd(std::os::fd::AsFd::as_fd(&fd))
}

/// Lets the host's `/proc` end with this program: what a resource DLL starts has no use for it.
pub(crate) fn keep_host_from_children() {
    let number = std::env::var_os("STEAD_HOST_PROC");
    let number =
        number.as_deref().and_then(|path| std::path::Path::new(path).file_name()?.to_str()?.parse().ok());
    if let Some(number) = number {
        crate::fd::keep_from_children(number);
    }
}

/// This process, once [`end_copies`] has been called.
static US: AtomicU32 = AtomicU32::new(0);

/// Ends a copy of this process: a resource DLL may call `fork` and return in both. The copy has this monitor's link and
/// board, and none of its threads.
pub(crate) fn end_copies() {
    let me = std::process::id();
    let us = US.load(Ordering::Relaxed);
    if us == 0 {
        US.store(me, Ordering::Relaxed);
    } else if us != me {
        crate::monitor::end_now();
    }
}
