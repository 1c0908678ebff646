//! Services that were started for monitors that died. The next monitor takes such a service over; where another machine is
//! to run it, it has to be stopped.

use std::fs::{self, File};
use std::io::{self, Read, Seek};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use stead_sdk::{Context, Failure, Level};

use super::watch::ROOTS;
use super::{QUICK, show, systemctl};
use crate::note::{self, Note, Refused};

/// The folder of notes about services.
const KIND: &str = "services";

/// So long may processes take to end that were sent SIGKILL.
const AT_ONCE: Duration = Duration::from_secs(2);

/// Notes down that the service is about to be started. Nothing is noted where that is not permitted, nor where another
/// resource has the same service and told of it already.
pub(super) fn remember(context: &Context, unit: &str) -> Option<Note> {
    let noted =
        Note::take(KIND, unit).and_then(|(note, _)| match note.say(&format!("{}\n", context.name())) {
            Ok(()) => Ok(note),
            Err(error) => Err(Refused::Failed(error)),
        });
    match noted {
        Ok(note) => Some(note),
        Err(Refused::Failed(error)) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            let text = format!("service {unit} could not be noted in /run/stead: {error}");
            context.log(Level::Warning, &text);
            None
        }
        Err(Refused::Failed(_) | Refused::Held(_)) => None,
    }
}

/// Notes down where the processes of the service are, so that they can be killed without asking systemd.
pub(super) fn remember_group(context: &Context, note: &Note, group: &str) {
    if let Err(error) = note.say(&format!("{}\n{group}\n", context.name())) {
        context
            .log(Level::Warning, &format!("control group {group} could not be noted in /run/stead: {error}"));
    }
}

/// Kills every process of a unit's control group and of those below it, and waits until none is left. Nothing is done
/// where the kernel cannot (before 5.14), nor to a group that is not the unit's own: systemd is asked for that afterwards.
fn kill(roots: &[&str], group: &str, unit: &str) -> io::Result<()> {
    let path = Path::new(group.trim_start_matches('/'));
    if path.file_name().is_none_or(|last| last != unit)
        || path.components().any(|part| part.as_os_str() == "..")
    {
        return Ok(());
    }
    let Some(folder) =
        roots.iter().map(|root| Path::new(root).join(path)).find(|at| at.join("cgroup.kill").exists())
    else {
        return Ok(());
    };
    fs::write(folder.join("cgroup.kill"), "1")?;
    let mut events = File::open(folder.join("cgroup.events"))?;
    let until = Instant::now() + AT_ONCE;
    loop {
        let mut text = String::new();
        events.rewind()?;
        events.read_to_string(&mut text)?;
        if !text.contains("populated 1") {
            return Ok(());
        }
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Err(io::Error::other(format!("processes of {} outlive SIGKILL", folder.display())));
        }
        let left = Timespec::try_from(left).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        poll(&mut [PollFd::new(&events, PollFlags::PRI)], Some(&left))?;
    }
}

/// Stops the services of monitors that died, by force if they do not end. What could not be stopped comes back, a line each.
pub(crate) fn clean(log: impl Fn(Level, &str)) -> Vec<String> {
    let mut left = Vec::new();
    for unit in note::names(KIND) {
        for (note, resource) in note::orphans(KIND, |name, _| name == unit).unwrap_or_default() {
            let (resource, group) = resource.split_once('\n').unwrap_or((&resource, ""));
            let what = format!("service {unit}, which resource {resource:?} left behind");
            // Another machine waits, and systemd may be slow: the processes first, then the unit.
            if let Err(error) = kill(ROOTS, group.trim_end(), &unit) {
                log(Level::Error, &format!("{what}: its control group could not be killed: {error}"));
            }
            match stop(&unit) {
                Ok(stopped) => {
                    if stopped {
                        log(Level::Warning, &format!("{what} when its monitor died, is stopped"));
                    }
                    note.discard();
                }
                Err(why) => {
                    let line = format!("{what}, could not be stopped: {why}");
                    log(Level::Error, &line);
                    left.push(line);
                }
            }
        }
    }
    left
}

/// True if there was something to stop.
fn stop(unit: &str) -> Result<bool, String> {
    let text = |failure: Failure| failure.text().to_owned();
    if show("undo", unit).map_err(text)?.ended() {
        return Ok(false);
    }
    // Another machine waits: there is no time for the unit's own rules.
    for words in [["stop", "--no-block", "--", unit].as_slice(), &["kill", "--signal", "KILL", "--", unit]] {
        systemctl("undo", words, Some(QUICK), || true).map_err(text)?;
    }
    let (status, said) = systemctl("undo", &["stop", "--", unit], Some(QUICK), || true).map_err(text)?;
    let shown = show("undo", unit).map_err(text)?;
    if shown.ended() { Ok(true) } else { Err(format!("{} (status {status}) {}", shown.words(), said.trim())) }
}

#[cfg(test)]
mod tests {
    use std::process::{Command, Stdio};

    use super::*;

    /// Where control groups of version 2 are, if this process may make some there.
    fn hierarchy() -> Option<std::path::PathBuf> {
        let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
        let line = mounts.lines().find(|line| line.split(' ').nth(2) == Some("cgroup2"))?;
        let root = Path::new(line.split(' ').nth(1)?).to_owned();
        root.join("cgroup.kill").exists().then_some(()).or_else(|| {
            // The root itself cannot be killed; those below it can, where the kernel knows how.
            let probe = root.join(format!("stead-probe-{}", std::process::id()));
            let made = fs::create_dir(&probe).is_ok() && probe.join("cgroup.kill").exists();
            let _ = fs::remove_dir(&probe);
            made.then_some(())
        })?;
        Some(root)
    }

    #[test]
    fn the_control_group_of_a_unit_is_killed_and_no_other() {
        let Some(root) = hierarchy() else {
            eprintln!("SKIPPED: no control groups of version 2 that can be made and killed here");
            return;
        };
        let unit = format!("stead-test-{}.service", std::process::id());
        let folder = root.join(&unit);
        fs::create_dir(&folder).unwrap();
        let mut child = Command::new("sleep").arg("600").stdin(Stdio::null()).spawn().unwrap();
        fs::write(folder.join("cgroup.procs"), child.id().to_string()).unwrap();
        let roots = [root.to_str().unwrap()];
        for (group, of) in
            [(format!("/{unit}"), "other.service"), (format!("/../{unit}"), &unit), (String::new(), &unit)]
        {
            kill(&roots, &group, of).unwrap();
            assert!(child.try_wait().unwrap().is_none(), "{group} is not the control group of {of}");
        }
        // One that systemd has cleaned away.
        kill(&roots, "/gone.service", "gone.service").unwrap();
        kill(&roots, &format!("/{unit}"), &unit).unwrap();
        assert!(!child.wait().unwrap().success());
        fs::remove_dir(&folder).unwrap();
    }
}
