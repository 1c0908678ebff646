//! Control groups: what the processes of one Resource Monitor may use together, where the machine lets us say so.
//!
//! Version 2 with its controllers handed to us, or the controllers `pids` and `cpu` of version 1. Memory of version 1 is
//! left alone: it charges what a process used before it came to the group it came from.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::limits::Limits;

/// A controller and the folder below which groups for it are made.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Place {
    folder: PathBuf,
    controllers: Vec<&'static str>,
    version2: bool,
}

/// Where control groups can be made.
#[derive(Debug, Default)]
pub(crate) struct Cgroups {
    places: Vec<Place>,
    made: u64,
}

/// The control groups of one monitor: one folder for each place.
#[derive(Debug, Default)]
pub(crate) struct Made(Vec<PathBuf>);

impl Made {
    /// The folders, for the warden's command line.
    pub(crate) fn folders(&self) -> &[PathBuf] {
        &self.0
    }

    /// Removes them. Nothing may live in them any more.
    pub(crate) fn remove(&self) {
        for folder in &self.0 {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// A mount of control groups, from a line of `/proc/self/mountinfo`: where, from which folder on, which version, options.
fn mount(line: &str) -> Option<(PathBuf, PathBuf, bool, String)> {
    let (before, after) = line.split_once(" - ")?;
    let mut fields = before.split(' ').skip(3);
    let (root, point) = (fields.next()?, fields.next()?);
    let mut kind = after.split(' ');
    let version2 = match kind.next()? {
        "cgroup2" => true,
        "cgroup" => false,
        _ => return None,
    };
    Some((point.into(), root.into(), version2, kind.nth(1)?.to_owned()))
}

/// The folders of this process for the controllers that we use, by what the kernel says of mounts and of ourselves.
fn places(mountinfo: &str, own: &str) -> Vec<Place> {
    let mut places = Vec::new();
    for (point, root, version2, options) in mountinfo.lines().filter_map(mount) {
        let path = own.lines().find_map(|line| {
            let mut fields = line.splitn(3, ':');
            let (number, names, path) = (fields.next()?, fields.next()?, fields.next()?);
            let ours = if version2 {
                number == "0" && names.is_empty()
            } else {
                !names.is_empty()
                    && names.split(',').all(|name| options.split(',').any(|known| known == name))
            };
            ours.then(|| path.to_owned())
        });
        // A path outside of what is mounted cannot be reached.
        let Some(below) =
            path.as_deref().and_then(|path| Path::new(path).strip_prefix(&root).ok().map(Path::to_owned))
        else {
            continue;
        };
        let folder = point.join(below);
        let controllers = if version2 {
            let there = fs::read_to_string(folder.join("cgroup.controllers")).unwrap_or_default();
            ["pids", "memory", "cpu"]
                .into_iter()
                .filter(|name| there.split_whitespace().any(|word| word == *name))
                .collect()
        } else {
            ["pids", "cpu"]
                .into_iter()
                .filter(|name| options.split(',').any(|word| word == *name))
                .collect::<Vec<_>>()
        };
        if !controllers.is_empty() {
            places.push(Place { folder, controllers, version2 });
        }
    }
    places
}

/// Hands the controllers of version 2 down. A group that has processes of its own may not: ours move one down first.
fn hand_down(place: &Place) -> io::Result<()> {
    let control = place.folder.join("cgroup.subtree_control");
    let words = place.controllers.iter().map(|name| format!("+{name}")).collect::<Vec<_>>().join(" ");
    if fs::write(&control, &words).is_ok() {
        return Ok(());
    }
    let own = place.folder.join("stead-guardian");
    match fs::create_dir(&own) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::write(own.join("cgroup.procs"), "0")?;
    fs::write(&control, &words).inspect_err(|_| {
        let _ = fs::write(place.folder.join("cgroup.procs"), "0");
        let _ = fs::remove_dir(&own);
    })
}

impl Cgroups {
    /// Finds out what can be had here.
    pub(crate) fn find() -> Cgroups {
        let read = |name: &str| fs::read_to_string(name).unwrap_or_default();
        let found = places(&read("/proc/self/mountinfo"), &read("/proc/self/cgroup"));
        let mut cgroups = Cgroups::default();
        for place in found {
            if place.version2
                && let Err(error) = hand_down(&place)
            {
                note!("stead guardian: {}: its controllers cannot be used: {error}", place.folder.display());
                continue;
            }
            clean(&place.folder);
            let name = format!("stead-{}-0", std::process::id());
            // One that we cannot make, or not fill, is none.
            if make(&place, &name, &Limits::default()).is_ok_and(|folder| fs::remove_dir(folder).is_ok()) {
                cgroups.places.push(place);
            }
        }
        cgroups
    }

    /// True if this controller limits what a monitor's processes use together.
    pub(crate) fn has(&self, controller: &str) -> bool {
        self.places.iter().any(|place| place.controllers.contains(&controller))
    }

    /// A line for the log: what is limited together, and what is not and why.
    pub(crate) fn describe(&self, limits: &Limits) -> String {
        let mut missing: Vec<&str> = Vec::new();
        for (name, most) in [("pids", limits.pids), ("cpu", limits.cpu), ("memory", limits.memory)] {
            if most.is_some() && !self.has(name) {
                missing.push(name);
            }
        }
        let mut line = format!("limits of each Resource Monitor: {limits}");
        if !missing.is_empty() {
            line.push_str("; NOT IN FORCE for its processes together: ");
            line.push_str(&missing.join(", "));
            line.push_str(" (no control group with that controller may be made here");
            if missing.contains(&"memory") {
                line.push_str("; memory is limited for each process by itself");
            }
            line.push(')');
        }
        line
    }

    /// Makes the control groups of one monitor.
    pub(crate) fn make(&mut self, limits: &Limits) -> Made {
        self.made += 1;
        let name = format!("stead-{}-{}", std::process::id(), self.made);
        let folder = |place: &Place| {
            make(place, &name, limits)
                .inspect_err(|error| note!("stead guardian: {}: {error}", place.folder.join(&name).display()))
                .ok()
        };
        Made(self.places.iter().filter_map(folder).collect())
    }
}

/// Makes one control group with its limits.
fn make(place: &Place, name: &str, limits: &Limits) -> io::Result<PathBuf> {
    let folder = place.folder.join(name);
    fs::create_dir(&folder)?;
    let set = |controller: &str, file: &str, value: Option<String>| match value {
        Some(value) if place.controllers.contains(&controller) => fs::write(folder.join(file), value),
        Some(_) | None => Ok(()),
    };
    // Version 1 counts shares of the processors in 1/1024, version 2 in 1/100.
    let (cpu, weight) = if place.version2 {
        ("cpu.weight", limits.cpu)
    } else {
        ("cpu.shares", limits.cpu.map(|weight| (weight * 1_024 / 100).max(2)))
    };
    set("pids", "pids.max", limits.pids.map(|most| most.to_string()))
        .and_then(|()| set("cpu", cpu, weight.map(|weight| weight.to_string())))
        .and_then(|()| set("memory", "memory.max", limits.memory.map(|most| most.to_string())))
        .inspect_err(|_| {
            let _ = fs::remove_dir(&folder);
        })?;
    Ok(folder)
}

/// Removes what guardians left behind that were killed. One that is in use cannot be removed.
fn clean(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let guardian = name.to_str().and_then(|name| name.strip_prefix("stead-")?.split_once('-'));
        let dead = |number: &str| number.parse::<u32>().is_ok() && !Path::new("/proc").join(number).exists();
        if guardian.is_some_and(|(guardian, _)| dead(guardian)) {
            let _ = fs::remove_dir(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_of_both_versions_are_found() {
        let folder = std::env::temp_dir().join(format!("stead-cgroup-{}", std::process::id()));
        let own = folder.join("system.slice/stead.service");
        fs::create_dir_all(&own).unwrap();
        fs::write(own.join("cgroup.controllers"), "cpuset cpu io memory pids\n").unwrap();
        let mountinfo =
            format!("35 24 0:29 / {} rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n", folder.display());
        let found = places(&mountinfo, "0::/system.slice/stead.service\n");
        let place = Place { folder: own.clone(), controllers: vec!["pids", "memory", "cpu"], version2: true };
        assert_eq!(found.as_slice(), std::slice::from_ref(&place));
        let limits: Limits = "memory=1G,pids=7".parse().unwrap();
        let made = make(&place, "stead-1-1", &limits).unwrap();
        let read = |name: &str| fs::read_to_string(made.join(name)).unwrap();
        let told = [read("memory.max"), read("pids.max"), read("cpu.weight")];
        assert_eq!(told, ["1073741824", "7", "100"]);
        fs::remove_dir_all(&folder).unwrap();
        let hybrid = "30 25 0:26 / /sys/fs/cgroup/pids rw - cgroup cgroup rw,pids\n\
                      31 25 0:27 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n\
                      32 25 0:28 /a /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
                      33 25 0:29 / /tmp rw - tmpfs tmpfs rw\n";
        let found = places(hybrid, "3:pids:/x\n2:cpu,cpuacct:/\n4:memory:/a/b\n0::/\n");
        let shown: Vec<String> =
            found.iter().map(|place| format!("{} {:?}", place.folder.display(), place.controllers)).collect();
        assert_eq!(shown, ["/sys/fs/cgroup/pids/x [\"pids\"]", "/sys/fs/cgroup/cpu,cpuacct/ [\"cpu\"]"]);
        assert_eq!(places("", "0::/\n"), []);
    }

    #[test]
    fn what_is_not_in_force_is_said_aloud() {
        let none = Cgroups::default();
        let line = none.describe(&"memory=1G".parse().unwrap());
        assert!(line.contains("NOT IN FORCE for its processes together: pids, cpu, memory"), "{line}");
        let quiet = none.describe(&"pids=none,cpu=none".parse().unwrap());
        assert!(!quiet.contains("NOT IN FORCE"), "{quiet}");
    }
}
