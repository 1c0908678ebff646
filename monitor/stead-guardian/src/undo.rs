//! What dead monitors left on the machine (addresses, services), taken away by `stead undo`, a process that ends.
//!
//! Where leases are in force a death is told only when that has been tried: another machine may begin with the group as
//! soon as this one says that nothing is left. What could not be taken away is tried again every [`PAUSE`].
//!
//! Whatever outlives a monitor is noted below [`NOTES`] before it is made. Where there is no note at all, of the dead and
//! of the living, there is nothing to take away, and no process is started to find that out: a move waits for it.

use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use stead_monitor_protocol::{Death, MonitorKey};
use stead_types::Time;

use crate::sys;

/// Where the notes are, a folder a kind.
const NOTES: &str = "/run/stead";

/// Between two tries.
const PAUSE: Duration = Duration::from_secs(2);

/// A monitor's death.
pub(crate) type Told = (MonitorKey, Death);

struct Run {
    child: Child,
    pidfd: OwnedFd,
    /// The deaths it is for.
    of: Vec<Told>,
}

/// The runs of `stead undo`, one at a time.
#[derive(Default)]
pub(crate) struct Undo {
    run: Option<Run>,
    /// Deaths after the run began.
    waiting: Vec<Told>,
    /// What could not be taken away the last time.
    left: Vec<String>,
    again: Option<Time>,
    /// It has been looked, and nothing was left.
    verified: bool,
}

impl Undo {
    /// A monitor has died: it is told by [`Undo::step`], later.
    pub(crate) fn take(&mut self, death: Told, now: Time) {
        self.waiting.push(death);
        self.look(now);
    }

    /// Looks for what is left, now or after the run in progress.
    pub(crate) fn look(&mut self, now: Time) {
        self.verified = false;
        self.again = Some(now);
    }

    /// True once nothing is left, and nothing has died since that was seen.
    pub(crate) const fn clean(&self) -> bool {
        self.verified
    }

    /// True while a first look is not over.
    pub(crate) fn busy(&self) -> bool {
        self.run.is_some() || self.again.is_some() && self.left.is_empty()
    }

    /// What could not be taken away.
    pub(crate) fn left(&self) -> &[String] {
        &self.left
    }

    /// When to go on, if not by [`Undo::fd`].
    pub(crate) fn next(&self) -> Option<Time> {
        self.again.filter(|_| self.run.is_none())
    }

    /// What to wait for.
    pub(crate) fn fd(&self) -> Option<&OwnedFd> {
        self.run.as_ref().map(|run| &run.pidfd)
    }

    /// Takes in the end of a run and begins the next one. What can be told now comes back.
    pub(crate) fn step(&mut self, now: Time) -> Vec<Told> {
        let mut told = Vec::new();
        if let Some(run) = self.run.take_if(|run| ended(&run.pidfd)) {
            let (of, left) = finish(run);
            self.judge(left, now);
            told.extend(of.into_iter().map(|(monitor, death)| (monitor, self.with_left(death))));
        }
        if self.run.is_none() && self.again.is_some_and(|at| at <= now) {
            self.again = None;
            let of = std::mem::take(&mut self.waiting);
            if self.left.is_empty() && !noted(Path::new(NOTES)) {
                self.judge(Vec::new(), now);
                told.extend(of);
                return told;
            }
            match begin() {
                Ok((child, pidfd)) => self.run = Some(Run { child, pidfd, of }),
                Err(error) => {
                    self.judge(
                        vec![format!("what is left could not be looked for: stead undo: {error}")],
                        now,
                    );
                    told.extend(of.into_iter().map(|(monitor, death)| (monitor, self.with_left(death))));
                }
            }
        }
        told
    }

    fn with_left(&self, death: Death) -> Death {
        Death { left: self.left.clone(), ..death }
    }

    fn judge(&mut self, left: Vec<String>, now: Time) {
        if left != self.left {
            left.iter().for_each(|line| note!("stead guardian: left behind: {line}"));
        }
        self.left = left;
        if self.left.is_empty() {
            // Unless somebody died meanwhile.
            self.verified = self.again.is_none();
        } else {
            self.again.get_or_insert(now.after(PAUSE));
        }
    }
}

/// True unless it is certain that there is no note.
fn noted(folder: &Path) -> bool {
    let entries = |folder: &Path| match std::fs::read_dir(folder) {
        Ok(entries) => entries.collect::<io::Result<Vec<_>>>(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error),
    };
    let kinds = match entries(folder) {
        Ok(kinds) => kinds,
        Err(_) => return true,
    };
    kinds.iter().any(|kind| !entries(&kind.path()).is_ok_and(|notes| notes.is_empty()))
}

/// Runs it once and waits, at most for `limit`. What is left, a line each.
pub(crate) fn at_once(limit: Duration) -> Vec<String> {
    if !noted(Path::new(NOTES)) {
        return Vec::new();
    }
    let (child, pidfd) = match begin() {
        Ok(begun) => begun,
        Err(error) => return vec![format!("stead undo: {error}")],
    };
    let mut run = Run { child, pidfd, of: Vec::new() };
    let limit = Timespec::try_from(limit).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
    let _ = poll(&mut [PollFd::new(&run.pidfd, PollFlags::IN)], Some(&limit));
    if !ended(&run.pidfd) {
        let _ = run.child.kill();
    }
    finish(run).1
}

fn ended(pidfd: &OwnedFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(pidfd, PollFlags::IN)], Some(&at_once)).is_ok_and(|count| count > 0)
}

fn begin() -> std::io::Result<(Child, OwnedFd)> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("stead").arg("undo").stdin(Stdio::null()).stdout(Stdio::piped());
    let child = sys::bound_to_us(&mut command, true).spawn()?;
    let pidfd = pidfd_open(Pid::from_child(&child), PidfdFlags::empty())?;
    Ok((child, pidfd))
}

/// What a run that has ended says is left, a line each.
fn finish(mut run: Run) -> (Vec<Told>, Vec<String>) {
    let status = run.child.wait();
    let mut text = String::new();
    if let Some(output) = run.child.stdout.take() {
        // It ended, and its children have no business with our pipe: what is not there will not come.
        let _ = rustix::io::ioctl_fionbio(&output, true);
        let _ = output.take(1 << 16).read_to_string(&mut text);
    }
    let mut left: Vec<String> = text.lines().map(str::to_owned).collect();
    match status {
        Ok(status) if status.success() || !left.is_empty() => {}
        Ok(status) => left.push(format!("what is left could not be looked for: stead undo: {status}")),
        Err(error) => left.push(format!("what is left could not be looked for: stead undo: {error}")),
    }
    (run.of, left)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whether_there_are_notes_is_doubted_where_it_cannot_be_seen() {
        let folder = tempfile::tempdir().unwrap();
        let notes = folder.path().join("stead");
        assert!(!noted(&notes), "nobody has ever noted anything");
        std::fs::create_dir_all(notes.join("address")).unwrap();
        std::fs::create_dir_all(notes.join("service")).unwrap();
        assert!(!noted(&notes));
        std::fs::write(notes.join("service/web.service"), "").unwrap();
        assert!(noted(&notes), "also one that says nothing yet");
        std::fs::remove_file(notes.join("service/web.service")).unwrap();
        assert!(!noted(&notes));
        std::fs::write(notes.join("what"), "is this").unwrap();
        assert!(noted(&notes), "it cannot be listed");
        assert!(noted(&notes.join("what")));
    }
}
