//! Event handles: descriptors of foreign code.
#![allow(unsafe_code, reason = "a number from a resource DLL becomes a descriptor")]

use std::os::fd::{BorrowedFd, OwnedFd, RawFd};

/// A copy of our own of the descriptor an event handle is. `None` if it is none.
pub(crate) fn duplicate(handle: i64) -> Option<OwnedFd> {
    let fd = RawFd::try_from(handle).ok().filter(|fd| *fd > 0)?;
    // SAFETY: the descriptor is only duplicated, which fails cleanly where there is none; it is borrowed no longer.
    let borrowed = unsafe { BorrowedFd::borrow_raw(fd) };
    rustix::io::fcntl_dupfd_cloexec(borrowed, 3).ok()
}

/// Lets the descriptor with this number end with this program, if there is one.
pub(crate) fn keep_from_children(number: i32) {
    if number < 0 {
        return;
    }
    // SAFETY: borrowed for one call, which refuses a number that no descriptor has.
    let fd = unsafe { BorrowedFd::borrow_raw(number) };
    let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::CLOEXEC);
}
