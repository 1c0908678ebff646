//! Processes that the kernel holds: frozen ones, which still die, and those that wait for a device, which do not.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::mount::{MountFlags, UnmountFlags, mount, unmount};
use stead_monitor_protocol::{FromGuardian, ToGuardian};

use crate::roles::now;
use crate::scene::{Scene, alive, until};
use crate::storage::{Device, possible};
use crate::{MS, kept};

/// A control group of version 2, thawed and removed in the end.
struct Freezer(PathBuf);

impl Freezer {
    fn new() -> Option<Freezer> {
        let roots = ["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];
        let root = roots.into_iter().find(|root| Path::new(root).join("cgroup.procs").exists())?;
        let folder = Path::new(root).join(format!("stead-freezer-{}", std::process::id()));
        fs::create_dir(&folder).ok()?;
        Some(Freezer(folder))
    }

    fn set(&self, file: &str, value: &str) {
        fs::write(self.0.join(file), value).unwrap();
    }

    fn is(&self, line: &str) -> bool {
        fs::read_to_string(self.0.join("cgroup.events")).unwrap().lines().any(|found| found == line)
    }
}

impl Drop for Freezer {
    fn drop(&mut self) {
        self.set("cgroup.freeze", "0");
        self.set("cgroup.kill", "1");
        until("the control group is empty", || fs::remove_dir(&self.0).ok());
    }
}

/// H9: everything is frozen, the guards too.
pub(crate) fn frozen_processes_hold_no_group_up() {
    let Some(freezer) = Freezer::new() else {
        println!("SKIPPED: frozen processes: a control group of version 2 is needed, and root");
        return;
    };
    let scene = Scene::new();
    scene.begin(1);
    let deadline = scene.renew(1);
    scene.start("g");
    let groups = scene.groups();
    freezer.set("cgroup.procs", &scene.guardian().to_string());
    for process in scene.everything() {
        freezer.set("cgroup.procs", &process.to_string());
    }
    freezer.set("cgroup.freeze", "1");
    until("they are frozen", || freezer.is("frozen 1").then_some(()));
    assert!(now() < deadline, "frozen in time");
    until("its processes end", || groups.iter().all(|process| !alive(*process)).then_some(()));
    kept(&scene, "g", deadline);
    freezer.set("cgroup.freeze", "0");
    assert!(scene.died("g").lapsed);
    assert_eq!(scene.empty(), 1);
}

/// A file system that is mounted outside of every group and lets nobody write for a while.
struct Frozen {
    point: PathBuf,
    _device: Device,
}

impl Frozen {
    fn new(folder: &Path) -> Frozen {
        let device = Device::new(folder);
        let point = folder.join("mounted");
        mount(device.path(), &point, "ext4", MountFlags::NOATIME, None).unwrap();
        Frozen { point, _device: device }
    }

    fn freeze(&self, how: &str) -> bool {
        Command::new("fsfreeze").arg(how).arg(&self.point).status().is_ok_and(|status| status.success())
    }
}

impl Drop for Frozen {
    fn drop(&mut self) {
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.point).output();
        // What still has files there, after a test that failed, is killed with the guardian.
        let _ = unmount(&self.point, UnmountFlags::DETACH);
    }
}

/// H19: one that no signal ends is not told dead, and the session is not empty, until it is gone.
pub(crate) fn what_cannot_be_killed_is_not_told_dead() {
    if !possible() {
        return;
    }
    let scene = Scene::new();
    let folder = scene.folder.path();
    let frozen = Frozen::new(folder);
    symlink(frozen.point.join("stamps"), folder.join("g.stamps")).unwrap();
    scene.begin(1);
    scene.renew(1);
    scene.start("g");
    let workload = *scene.groups().last().unwrap();
    assert!(frozen.freeze("--freeze"));
    let state = || fs::read_to_string(format!("/proc/{workload}/stat")).unwrap_or_default();
    until("it waits for the device", || state().contains(") D ").then_some(()));
    let deadline = scene.renew(1);
    scene.say(&ToGuardian::Fence { session: 1 });
    until("its guard ends", || scene.guards().is_empty().then_some(()));
    until("the deadline passes", || (now() > deadline + 200 * MS).then_some(()));
    let told =
        |message: &FromGuardian| matches!(message, FromGuardian::Died { .. } | FromGuardian::Empty { .. });
    assert!(alive(workload) && !scene.heard(told), "{}", state());
    scene.ask(2);
    assert!(scene.refused().contains("groups of session 1 still live"));
    assert!(frozen.freeze("--unfreeze"));
    assert!(scene.died("g").lapsed);
    assert_eq!(scene.empty(), 1);
    assert!(!alive(workload));
}
