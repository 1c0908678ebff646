//! File systems that a monitor mounted, shut down before it is killed.
//!
//! To kill all processes does not stop the kernel's own writes: what they wrote and nobody synchronised goes on reaching
//! the device, by the gigabyte, while another machine may begin to use it. So before a fence each file system of the
//! group is told to write no more, not even its journal: what was not synchronised is lost, as in a power cut.
//!
//! A file system is the group's if its device is mounted in the monitor's namespace and, neither now nor when the monitor
//! began, in ours. What processes of the group mount in further namespaces of their own is not found. When the guardian
//! itself is stopped at the deadline only the kernel's timer acts, and the kernel writes on until it is done, or the
//! watchdog resets the machine.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::PathBuf;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, ResolveFlags, fstat, major, minor, open, openat, openat2};
use rustix::process::{Pid, PidfdFlags, WaitOptions, pidfd_open, waitpid};

use crate::now;
use crate::sys::{self, Namespaces};

/// File systems with the call to shut them down.
const KNOWN: &[&str] = &["ext2", "ext3", "ext4", "f2fs", "xfs"];

/// Devices, as `major:minor`.
pub(crate) type Devices = BTreeSet<String>;

/// A mount of something that is on a block device.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Mounted {
    device: String,
    point: PathBuf,
    kind: String,
    source: String,
}

/// Spaces and their like are written as their number, in octal.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let octal = after.get(..3).and_then(|digits| std::str::from_utf8(digits).ok());
        match octal.and_then(|digits| u8::from_str_radix(digits, 8).ok()).filter(|_| *first == b'\\') {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[3..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn mounted(line: &str) -> Option<Mounted> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(2);
    let (device, point) = (fields.next()?, fields.nth(1)?);
    let mut fields = after.split(' ');
    let (kind, source) = (fields.next()?, unescaped(fields.next()?));
    // Devices without a number of their own are those of file systems over several.
    let block = !device.starts_with("0:") || source.starts_with("/dev/");
    block.then(|| Mounted {
        device: device.to_owned(),
        point: unescaped(point).into(),
        kind: kind.to_owned(),
        source,
    })
}

/// One mount for each device that is mounted inside and not outside.
fn own(inside: &str, outside: &Devices) -> Vec<Mounted> {
    let mut seen = outside.clone();
    inside.lines().filter_map(mounted).filter(|mounted| seen.insert(mounted.device.clone())).collect()
}

/// The devices that are mounted outside of every monitor.
pub(crate) fn outside() -> Devices {
    let ours = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
    ours.lines().filter_map(mounted).map(|mounted| mounted.device).collect()
}

/// What has been found to be shut down: the root of the namespace, and the mounts in it.
pub(crate) struct Found {
    root: OwnedFd,
    mounts: Vec<Mounted>,
}

/// Looks for the file systems of a monitor. `None` if it has none, or is dead: then they are gone with it.
pub(crate) fn find(warden: Pid, pidfd: &OwnedFd, before: &Devices) -> Option<Found> {
    let process = format!("/proc/{}", warden.as_raw_nonzero());
    let folder =
        open(process.as_str(), OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    if poll(&mut fds, Some(&at_once)).is_ok_and(|ended| ended > 0) {
        // The number may be somebody else's by now.
        return None;
    }
    let inside = fs::read_to_string(format!("/proc/self/fd/{}/mountinfo", folder.as_raw_fd())).ok()?;
    let outside = before.union(&outside()).cloned().collect();
    let mounts = own(&inside, &outside);
    if mounts.is_empty() {
        return None;
    }
    let root =
        openat(&folder, "root", OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty()).ok()?;
    Some(Found { root, mounts })
}

/// Opens something on a file system, which keeps it from being unmounted until it is shut down.
fn grasp(root: &OwnedFd, mounted: &Mounted) -> io::Result<OwnedFd> {
    if !KNOWN.contains(&mounted.kind.as_str()) {
        return Err(io::Error::new(
            io::ErrorKind::Unsupported,
            "this kind of file system has no call for it",
        ));
    }
    let point = mounted.point.strip_prefix("/").unwrap_or(&mounted.point);
    let point = if point.as_os_str().is_empty() { ".".as_ref() } else { point };
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let resolve = ResolveFlags::IN_ROOT | ResolveFlags::NO_SYMLINKS;
    let file = openat2(root, point, flags, Mode::empty(), resolve)?;
    let there = fstat(&file)?.st_dev;
    if format!("{}:{}", major(there), minor(there)) != mounted.device {
        return Err(io::Error::other("something else is mounted over it"));
    }
    Ok(file)
}

/// What a helper does: all are held before the first is shut down, since a kill may come in between.
fn help(found: &Found) -> u8 {
    sys::in_time(1);
    let grasped: Vec<io::Result<OwnedFd>> =
        found.mounts.iter().map(|mounted| grasp(&found.root, mounted)).collect();
    let mut failed = 0;
    for (mounted, file) in found.mounts.iter().zip(grasped) {
        let Mounted { source, point, kind, .. } = mounted;
        let what = format!("{source} on {} ({kind})", point.display());
        match file.and_then(|file| sys::shut_down(file.as_fd())) {
            Ok(()) => note!("stead guardian: {what} is shut down"),
            Err(error) => {
                failed = 1;
                note!(
                    "stead guardian: {what} could not be shut down, the kernel may go on writing to it: {error}"
                );
            }
        }
    }
    failed
}

/// Shuts everything down that was found, in a process of its own for each monitor: whatever hangs, the caller goes on after
/// `patience`. Processes that have not ended then go on too, and are left in `helpers`.
pub(crate) fn shut_down(found: &[Found], patience: Duration, helpers: &mut Vec<Pid>) {
    let until = now().after(patience);
    let begin = |found: &Found| {
        sys::clone(Namespaces::NONE, || {
            let _ = sys::close_all_but(&[found.root.as_raw_fd()]);
            help(found)
        })
    };
    let begun: Vec<Pid> = found.iter().filter_map(|found| begin(found).ok()).collect();
    for helper in begun {
        let patience = Timespec::try_from(until.since(now())).unwrap_or(Timespec { tv_sec: 0, tv_nsec: 0 });
        if let Ok(pidfd) = pidfd_open(helper, PidfdFlags::empty()) {
            let _ = poll(&mut [PollFd::new(&pidfd, PollFlags::IN)], Some(&patience));
        }
        helpers.push(helper);
    }
    reap(helpers);
    if !helpers.is_empty() {
        note!("stead guardian: a file system does not answer yet; its processes are killed meanwhile");
    }
}

/// Reaps those that have ended.
pub(crate) fn reap(helpers: &mut Vec<Pid>) {
    helpers.retain(|helper| matches!(waitpid(Some(*helper), WaitOptions::NOHANG), Ok(None)));
}

#[cfg(test)]
mod tests {
    use super::*;

    const INSIDE: &str = "\
36 35 98:0 / / rw,noatime shared:1 - ext4 /dev/root rw
40 36 0:21 / /proc rw - proc proc rw
41 36 7:1 / /srv/a\\040b rw - ext4 /dev/loop1 rw
42 36 7:1 /sub /srv/again rw - ext4 /dev/loop1 rw
43 36 7:2 / /srv/host rw master:3 - xfs /dev/loop2 rw
44 36 0:44 / /srv/pool rw - btrfs /dev/sdb rw
45 36 0:45 / /tmp rw - tmpfs tmpfs rw
46 36 0:46 / /net rw - nfs4 server:/export rw
47 36 7:9 / /srv/before rw - ext4 /dev/loop9 rw
broken line
";

    #[test]
    fn what_the_group_mounted_is_told_from_what_it_inherited() {
        let outside: Devices = ["98:0", "7:2", "7:9"].map(str::to_owned).into();
        let found = own(INSIDE, &outside);
        let shown: Vec<String> = found
            .iter()
            .map(|mounted| format!("{} {} {}", mounted.kind, mounted.source, mounted.point.display()))
            .collect();
        assert_eq!(shown, ["ext4 /dev/loop1 /srv/a b", "btrfs /dev/sdb /srv/pool"]);
    }

    #[test]
    fn escapes_are_read() {
        assert_eq!(unescaped("/a\\040b\\134\\011"), "/a b\\\t");
        assert_eq!(unescaped("\\04"), "\\04");
        assert_eq!(unescaped("\\999"), "\\999");
    }
}
