//! A child that sleeps in the kernel and cannot be killed: its file system is frozen.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stead_e2e::{Node, alive, kill, until};

fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success())
}

/// A file system of its own, thawed and gone when it is dropped.
struct Disk {
    mount: PathBuf,
    device: String,
}

impl Disk {
    fn new(folder: &Path) -> Option<Disk> {
        let (image, mount) = (folder.join("image"), folder.join("mount"));
        fs::File::create(&image).unwrap().set_len(32 << 20).unwrap();
        fs::create_dir(&mount).unwrap();
        let shown = image.display().to_string();
        let made = Command::new("losetup").args(["--find", "--show", &shown]).output().ok()?;
        let device = String::from_utf8_lossy(&made.stdout).trim().to_owned();
        if !made.status.success() || device.is_empty() {
            return None;
        }
        let disk = Disk { mount, device };
        let ready = works("mkfs.ext4", &["-q", &disk.device])
            && works("mount", &[&disk.device, &disk.mount.display().to_string()]);
        ready.then_some(disk)
    }

    fn freeze(&self) -> bool {
        works("fsfreeze", &["--freeze", &self.mount.display().to_string()])
    }

    fn thaw(&self) -> bool {
        works("fsfreeze", &["--unfreeze", &self.mount.display().to_string()])
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        self.thaw();
        works("umount", &["--lazy", &self.mount.display().to_string()]);
        works("losetup", &["--detach", &self.device]);
    }
}

fn sleeps_in_the_kernel(process: u64) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    stat.rsplit(") ").next().is_some_and(|rest| rest.starts_with('D'))
}

#[test]
fn what_cannot_be_killed_is_not_started_twice() {
    let folder = tempfile::tempdir().unwrap();
    let Some(disk) = Disk::new(folder.path()) else {
        eprintln!("SKIPPED: no ext4 file system can be mounted here (root, loop devices, e2fsprogs)");
        return;
    };
    let go = folder.path().join("go");
    let line = format!(
        "sh -c 'while [ ! -e {go} ]; do sleep 0.01; done; echo x > {file}; exec sleep infinity'",
        go = go.display(),
        file = disk.mount.join("file").display()
    );
    let mut node = Node::up(&format!(
        "[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"app\"\ntype = \"Generic Application\"\n\
         common = {{ RestartDelay = 0 }}\nproperties = {{ CommandLine = {line:?} }}\n"
    ));
    node.wait("app", "Online");
    let process = node.pid("app");
    assert!(disk.freeze(), "ext4 can be frozen");
    fs::write(&go, "").unwrap();
    until("it sleeps in the kernel", || sleeps_in_the_kernel(process).then_some(()));
    let monitor = node.processes("monitor")[0];
    kill(monitor);
    until("the monitor is gone", || (!alive(monitor)).then_some(()));
    // Everything of it that can die is dead, and still the group is nobody else's.
    for _ in 0..20 {
        assert_eq!(node.processes("monitor"), Vec::<u64>::new());
        assert!(alive(process));
    }
    assert!(!node.events().iter().any(|text| text.contains("was lost")));

    assert!(disk.thaw());
    until("its end is seen", || node.events().iter().any(|text| text.contains("was lost")).then_some(()));
    assert!(!alive(process));
    let next = until("it runs again", || node.resource("app")["pid"].as_u64().filter(|pid| *pid != process));
    assert!(alive(next));
    assert_eq!(node.end(), 0);
}
