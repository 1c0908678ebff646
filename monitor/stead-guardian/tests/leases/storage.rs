//! A file system that a group mounted: what reaches its device once the group is fenced.

use std::ffi::CString;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use rustix::mount::{MountFlags, mount};
use stead_monitor_protocol::ToGuardian;

use crate::scene::{Scene, group, until};

/// So much is written, and not synchronised.
const DIRTY: usize = 64 << 20;

/// The call itself ends the journal by a mark of one block, which is on the device before the call returns.
const MARK: u64 = 4_096;

/// What the monitor does: mounts the device, soils it, and says so.
pub(crate) fn soil(folder: &Path, device: &str) {
    let point = folder.join("mounted");
    // The journal's own time to write is far off.
    let data = CString::new("commit=300").unwrap();
    mount(format!("/dev/{device}"), &point, "ext4", MountFlags::NOATIME, data.as_c_str()).unwrap();
    let mut file = std::fs::File::create(point.join("dirt")).unwrap();
    let block = vec![0xD1; 1 << 20];
    for _ in 0..DIRTY >> 20 {
        file.write_all(&block).unwrap();
    }
    std::fs::write(folder.join("soiled"), "").unwrap();
}

/// A loop device with a new file system, taken away in the end.
pub(crate) struct Device(String);

impl Device {
    pub(crate) fn new(folder: &Path) -> Device {
        let image = folder.join("image");
        std::fs::File::create(&image).unwrap().set_len(256 << 20).unwrap();
        let run = |program: &str, arguments: &[&str], path: &Path| {
            let output = Command::new(program).args(arguments).arg(path).output().unwrap();
            assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8(output.stdout).unwrap().trim().to_owned()
        };
        run("mkfs.ext4", &["-q", "-E", "lazy_itable_init=0,lazy_journal_init=0"], &image);
        let path = run("losetup", &["--find", "--show"], &image);
        std::fs::create_dir(folder.join("mounted")).unwrap();
        Device(path.strip_prefix("/dev/").unwrap().to_owned())
    }

    pub(crate) fn path(&self) -> String {
        format!("/dev/{}", self.0)
    }

    /// Bytes written to it since it was made.
    fn written(&self) -> u64 {
        let stat = std::fs::read_to_string(format!("/sys/block/{}/stat", self.0)).unwrap();
        stat.split_whitespace().nth(6).unwrap().parse::<u64>().unwrap() * 512
    }
}

impl Drop for Device {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.path()]).status();
    }
}

/// True if loop devices can be mounted here; else the test says that it is skipped.
pub(crate) fn possible() -> bool {
    let there = |program: &str| Command::new(program).arg("--version").output().is_ok();
    let tools = there("losetup") && Command::new("mkfs.ext4").arg("-V").output().is_ok();
    let root = rustix::process::getuid().is_root() && Path::new("/dev/loop-control").exists();
    if !(tools && root) {
        println!("SKIPPED: file systems: root, loop devices, losetup and mkfs.ext4 are needed");
    }
    tools && root
}

/// H21: after the order to fence nothing reaches the device but that mark; without it the kernel writes on after the kill.
pub(crate) fn nothing_reaches_the_device_after_a_fence() {
    if !possible() {
        return;
    }
    for (case, silent) in [("kill with fence", true), ("lease", true), ("fence", true), ("kill alone", false)]
    {
        let scene = Scene::new();
        let device = Device::new(scene.folder.path());
        let name = format!("dirty-{}", device.0);
        scene.begin(1);
        scene.renew(1);
        scene.start(&name);
        let soiled = scene.folder.path().join("soiled");
        until("the file is written", || {
            scene.renew(1);
            soiled.exists().then_some(())
        });
        let before = device.written();
        match case {
            "kill with fence" => scene.say(&ToGuardian::Kill { monitor: group(&name), fence: true }),
            "kill alone" => scene.say(&ToGuardian::Kill { monitor: group(&name), fence: false }),
            "fence" => scene.say(&ToGuardian::Fence { session: 1 }),
            _ => {}
        }
        let death = scene.died(&name);
        assert_eq!(death.requested, case.starts_with("kill"), "{case}");
        // The namespace is gone, and with it the mount: what comes now comes from nobody we know.
        let after = device.written() - before;
        println!("{case}: {after} bytes were written after the order");
        if silent {
            assert!(after <= MARK, "{case}: {after}\n{}", scene.log());
            assert!(scene.log().contains("(ext4) is shut down"), "{case}");
        } else {
            assert!(after >= DIRTY as u64 / 2, "the witness sees what the kernel writes: {after}");
        }
    }
}
