//! Cutting a file system off from its device.
#![allow(unsafe_code, reason = "an ioctl that no safe library has")]

use std::ffi::{c_int, c_ulong};
use std::io;
use std::os::fd::{AsFd, AsRawFd};

unsafe extern "C" {
    fn ioctl(fd: c_int, request: c_ulong, ...) -> c_int;
}

/// `EXT4_IOC_SHUTDOWN`, `XFS_IOC_GOINGDOWN` and `F2FS_IOC_SHUTDOWN` are one number: `_IOR('X', 125, __u32)`.
const SHUTDOWN: c_ulong = 0x8004_587d;

/// Not even the journal is written.
const NO_FLUSH: u32 = 2;

/// Shuts the file system down that a file is on: from here on nothing is written to its device, whoever still has
/// files open. What was not synced is lost, as in a power cut; the journal repairs the rest at the next mount.
///
/// # Errors
/// `ENOTTY` and its like where the file system has no such order (it is known by ext4, xfs, f2fs and others), and `EPERM`
/// without `CAP_SYS_ADMIN`.
pub fn shut_file_system_down(file: impl AsFd) -> io::Result<()> {
    let flags = NO_FLUSH;
    // SAFETY: the descriptor is open for the duration of the call, and the kernel only reads the number behind the pointer.
    let result = unsafe { ioctl(file.as_fd().as_raw_fd(), SHUTDOWN, &raw const flags) };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
