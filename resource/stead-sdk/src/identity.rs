//! Programs that run as another user.
#![allow(unsafe_code, reason = "what happens between fork and exec is only reachable so")]

use std::io;
use std::os::unix::process::CommandExt;
use std::process::Command;

unsafe extern "C" {
    fn setgroups(count: usize, groups: *const u32) -> i32;
    fn setgid(group: u32) -> i32;
    fn setuid(user: u32) -> i32;
}

fn done(result: i32) -> io::Result<()> {
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Makes a program run as another user, with a main group and all supplementary groups given here. The standard
/// library's `uid` drops the supplementary ones.
///
/// It needs root: without, starting the program fails with `EPERM` and nothing runs.
pub fn run_as(command: &mut Command, user: u32, group: u32, groups: Vec<u32>) {
    // SAFETY: between fork and exec only these three system calls are made; nothing is allocated and no lock is taken.
    // The list lives in the closure, which the command owns.
    unsafe {
        command.pre_exec(move || {
            done(setgroups(groups.len(), groups.as_ptr()))?;
            done(setgid(group))?;
            done(setuid(user))
        });
    }
}
