//! How a monitor's processes are kept together: namespaces where they can be had, else hunting.

use std::fs::{self, File};
use std::io;
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;

use rustix::fs::{Mode, OFlags, open};
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use stead_monitor_protocol::Containment;

use crate::sys::{self, Namespaces};

const fn namespaces(containment: Containment) -> Namespaces {
    let pid = Namespaces::PID.with(Namespaces::MOUNT);
    match containment {
        Containment::PidNamespace => pid,
        Containment::UserNamespace => pid.with(Namespaces::USER),
        Containment::Subreaper => Namespaces::NONE,
    }
}

/// Makes the new namespaces fit to live in: identities as outside, and a `/proc` that shows who is inside.
fn settle_in(containment: Containment, user: u32, group: u32) -> io::Result<()> {
    match containment {
        Containment::Subreaper => return Ok(()),
        Containment::UserNamespace => {
            fs::write("/proc/self/setgroups", "deny")?;
            fs::write("/proc/self/uid_map", format!("{user} {user} 1"))?;
            fs::write("/proc/self/gid_map", format!("{group} {group} 1"))?;
        }
        Containment::PidNamespace => {}
    }
    // What the host mounts arrives here; what is mounted here stays here.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    mount("proc", "/proc", "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)?;
    Ok(())
}

/// Tries for real whether a containment can be had here.
fn works(containment: Containment) -> bool {
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    let child =
        sys::clone(namespaces(containment), || u8::from(settle_in(containment, user, group).is_err()));
    let Ok(child) = child else { return false };
    match waitpid(Some(child), WaitOptions::empty()) {
        Ok(Some((_, status))) => status.exit_status() == Some(0),
        Ok(None) | Err(_) => false,
    }
}

/// The strongest containment that works here. Starts a child or two to find out, so the process must have one thread.
#[must_use]
pub fn probe() -> Containment {
    let best = [Containment::PidNamespace, Containment::UserNamespace];
    best.into_iter().find(|containment| works(*containment)).unwrap_or(Containment::Subreaper)
}

/// The host's `/proc`, for those inside who must know numbers as they are outside.
pub(crate) fn host_proc() -> io::Result<OwnedFd> {
    Ok(open("/proc", OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Starts this program anew in containment. The descriptors in `kept` stay open in it under their numbers.
pub(crate) fn start(containment: Containment, args: &[String], kept: &[&OwnedFd]) -> io::Result<Pid> {
    start_when(containment, args, kept, None)
}

/// The same; with the end of a pipe in `go` it begins only when a byte comes out, and ends when none will.
pub(crate) fn start_when(
    containment: Containment,
    args: &[String],
    kept: &[&OwnedFd],
    go: Option<&OwnedFd>,
) -> io::Result<Pid> {
    let (user, group) = (rustix::process::getuid().as_raw(), rustix::process::getgid().as_raw());
    sys::clone(namespaces(containment), || {
        // A namespace dies with its first process, at once. A subreaper must live to hunt what it has adopted: it
        // hears of the guardian's end by its link.
        let bound = match containment {
            Containment::PidNamespace | Containment::UserNamespace => Some(Signal::KILL),
            Containment::Subreaper => None,
        };
        let prepared = rustix::process::set_parent_process_death_signal(bound)
            .map_err(io::Error::from)
            .and_then(|()| settle_in(containment, user, group));
        if let Err(error) = prepared {
            note!("stead warden: containment: {error}");
            return 71;
        }
        if let Some(go) = go
            && let Err(error) = told_to_go(go, kept)
        {
            note!("stead warden: {error}");
            return 73;
        }
        for fd in kept {
            let _ = rustix::io::fcntl_setfd(fd, rustix::io::FdFlags::empty());
        }
        // Our own file, also after an upgrade has put another in its place.
        let error = Command::new("/proc/self/exe").arg0("stead").args(args).exec();
        note!("stead warden: {error}");
        72
    })
}

/// Waits for the word of a parent that blocks signals and holds the other end of this pipe.
fn told_to_go(go: &OwnedFd, kept: &[&OwnedFd]) -> io::Result<()> {
    // With our own copy of the other end open we would wait for ourselves.
    let mut open: Vec<i32> = kept.iter().map(|fd| fd.as_raw_fd()).collect();
    open.push(go.as_raw_fd());
    sys::close_all_but(&open)?;
    nix::sys::signal::SigSet::empty().thread_set_mask()?;
    match rustix::io::read(go, &mut [0; 1])? {
        1 => Ok(()),
        _ => Err(io::Error::other("the guard is gone")),
    }
}

/// Children of this process. Zombies too: one whose other threads are still dying keeps its children until the last.
pub(crate) fn children() -> Vec<Pid> {
    let me = rustix::process::getpid().as_raw_nonzero().get();
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let child = |process: i32| {
        let text = fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
        (fields.nth(1)?.parse() == Ok(me)).then(|| Pid::from_raw(process))?
    };
    entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).filter_map(child).collect()
}

/// Kills every child, and theirs as they become ours, until only `spared` are left. For subreapers.
pub(crate) fn hunt(spared: &[Pid]) {
    loop {
        while matches!(reap(spared), Some(true)) {}
        let prey: Vec<Pid> = children().into_iter().filter(|child| !spared.contains(child)).collect();
        if prey.is_empty() {
            return;
        }
        for child in prey {
            let _ = kill_process(child, Signal::KILL);
            let _ = waitpid(Some(child), WaitOptions::empty());
        }
    }
}

/// Reaps one dead child that is not spared. `None` if there are no children at all.
fn reap(spared: &[Pid]) -> Option<bool> {
    use rustix::process::{WaitId, WaitIdOptions, waitid};
    // Looking first: the status of those spared belongs to others.
    let look = WaitIdOptions::EXITED | WaitIdOptions::NOHANG | WaitIdOptions::NOWAIT;
    match waitid(WaitId::All, look) {
        Ok(Some(_)) if spared.is_empty() => {
            let _ = rustix::process::wait(WaitOptions::NOHANG);
            Some(true)
        }
        Ok(Some(_) | None) => Some(false),
        Err(_) => None,
    }
}

/// The number of an open file, for a command line.
pub(crate) fn number(fd: &impl AsRawFd) -> String {
    fd.as_raw_fd().to_string()
}

/// Opens a log file for appending, after moving one that has grown too long aside.
pub(crate) fn log_file(path: &Path) -> io::Result<File> {
    let named = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", path.display()));
    if fs::metadata(path).is_ok_and(|file| file.len() > crate::output::LONGEST_LOG) {
        fs::rename(path, path.with_extension("log.old")).map_err(named)?;
    }
    File::options().create(true).append(true).mode(0o600).open(path).map_err(named)
}
