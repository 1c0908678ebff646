//! A disk of its own for what a node keeps, to be filled and to fail.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::{Cluster, said};

/// The disk below a folder of a node: a file of the test with a file system in it. Gone when dropped.
#[derive(Debug)]
pub struct Disk {
    data: PathBuf,
    device: String,
}

fn run(program: &str, words: &[&str]) {
    let output = Command::new(program).args(words).output().unwrap();
    assert!(output.status.success(), "{program} {words:?}: {}", said(&output));
}

/// The device that is mounted at a place, without its folder.
fn device(at: &Path) -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap_or_default();
    let line =
        mounts.lines().rfind(|line| line.split(' ').nth(1).is_some_and(|place| at == Path::new(place)))?;
    Some(line.split(' ').next()?.rsplit('/').next()?.to_owned())
}

/// Copies everything in one folder to another.
fn copy(from: &Path, to: &Path) {
    run("cp", &["-a", &format!("{}/.", from.display()), &to.display().to_string()]);
}

/// True if disks can be made here; else it says why not, loudly.
#[must_use]
pub fn disks_possible() -> bool {
    let there = |program: &str, word: &str| Command::new(program).arg(word).output().is_ok();
    for (program, package) in [("mkfs.ext4", "e2fsprogs"), ("fsfreeze", "util-linux")] {
        if !there(program, "-V") {
            eprintln!("SKIPPED: {program} is not there (package {package})");
            return false;
        }
    }
    if !Path::new("/sys/fs/ext4/features").exists() || !Path::new("/dev/loop-control").exists() {
        eprintln!("SKIPPED: this kernel has no ext4 or no loop devices");
        return false;
    }
    true
}

impl Cluster {
    /// Moves what a node keeps to a disk of its own, of so many MiB, while its power is off.
    ///
    /// # Panics
    /// When it cannot be.
    #[must_use]
    pub fn small_disk(&self, node: &str, size: u64) -> Disk {
        self.disk_of(node, self.data(node), size)
    }

    /// The same with what its member of etcd keeps, and nothing else.
    ///
    /// # Panics
    /// When it cannot be.
    #[must_use]
    pub fn disk_of_etcd(&self, node: &str, size: u64) -> Disk {
        self.disk_of(node, self.data(node).join("etcd"), size)
    }

    fn disk_of(&self, node: &str, data: PathBuf, size: u64) -> Disk {
        let image = self.folder().join(format!("{node}.disk"));
        File::create(&image).unwrap().set_len(size << 20).unwrap();
        let (place, image) = (data.display().to_string(), image.display().to_string());
        run("mkfs.ext4", &["-q", "-m", "0", &image]);
        self.power_off(node);
        let kept = self.folder().join(format!("{node}.kept"));
        fs::create_dir(&kept).unwrap();
        copy(&data, &kept);
        run("mount", &["-o", "loop,errors=remount-ro", &image, &place]);
        let disk = Disk { device: device(&data).unwrap_or_default(), data };
        copy(&kept, &disk.data);
        self.power_on(node);
        disk
    }

    /// Gives a node another disk with what could be read of the old one, while its power is off.
    pub fn replace_disk(&self, node: &str, old: Disk) {
        self.power_off(node);
        let (data, saved) = (self.data(node), self.folder().join(format!("{node}.saved")));
        fs::create_dir(&saved).unwrap();
        copy(&data, &saved);
        drop(old);
        copy(&saved, &data);
        self.power_on(node);
    }
}

impl Disk {
    fn filler(&self) -> PathBuf {
        self.data.join("filler")
    }

    /// Leaves no room on it.
    ///
    /// # Panics
    /// When there is room all the same.
    pub fn fill(&self) {
        let mut number = 0;
        let mut size = 1 << 30;
        fs::create_dir_all(self.filler()).unwrap();
        while size >= 1024 {
            let Ok(file) = File::create(self.filler().join(number.to_string())) else { break };
            match fallocate(file.as_fd(), FallocateFlags::empty(), 0, size) {
                Ok(()) => number += 1,
                Err(_) => size /= 2,
            }
        }
        assert_eq!(self.free(), 0, "{} is not full", self.data.display());
    }

    /// How many bytes can be written.
    #[must_use]
    pub fn free(&self) -> u64 {
        let space = statvfs(&self.data).unwrap();
        space.f_bavail * space.f_frsize
    }

    /// Takes away what filled it.
    pub fn empty(&self) {
        fs::remove_dir_all(self.filler()).unwrap();
    }

    /// Lets everybody who writes to it wait.
    pub fn stall(&self) {
        run("fsfreeze", &["--freeze", &self.data.display().to_string()]);
    }

    /// Lets them go on.
    pub fn go_on(&self) {
        run("fsfreeze", &["--unfreeze", &self.data.display().to_string()]);
    }

    /// Lets everybody who writes to it wait for as long as `each`, again and again, for so long altogether.
    pub fn slow(&self, each: Duration, altogether: Duration) {
        let began = Instant::now();
        while began.elapsed() < altogether {
            self.stall();
            std::thread::sleep(each);
            self.go_on();
        }
    }

    /// Has the kernel find an error in the file system, which is read only from then on.
    pub fn fail(&self) {
        fs::write(format!("/sys/fs/ext4/{}/trigger_fs_error", self.device), "1").unwrap();
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // One that stalls would hold for ever whoever writes to it.
        let _ = Command::new("fsfreeze").arg("--unfreeze").arg(&self.data).stderr(Stdio::null()).status();
        // Whoever else still has it mounted is a namespace that ends; the device goes with the last of them.
        let _ = Command::new("umount").arg("--lazy").arg(&self.data).status();
    }
}
