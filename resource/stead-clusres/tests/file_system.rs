//! *File System*, driven as a monitor would, with loop devices in a mount namespace of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};

use common::{Place, alone, eventually, runs, sh, skip};
use stead_clusres::FileSystem;
use stead_resapi as abi;
use stead_sdk::testing::{Harness, Opened, State, Value};

/// A loop device; detached at the end.
struct Disk(String);

impl Disk {
    /// A device of 64 MiB with an ext4.
    fn ext4(place: &Place) -> Disk {
        let disk = Disk::blank(place);
        sh(&format!("mkfs.ext4 -q {}", disk.0));
        disk
    }

    fn blank(place: &Place) -> Disk {
        let image = place.shown("image");
        sh(&format!("truncate -s 64M {image}"));
        Disk(sh(&format!("losetup --find --show {image}")).trim().to_owned())
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

fn ready(test: &str) -> bool {
    let has = |program: &str| Command::new(program).arg("-V").output().is_ok();
    if !has("mkfs.ext4") || !has("losetup") {
        skip(&format!("{test}: it needs mkfs.ext4 (e2fsprogs) and losetup (mount)"));
        return false;
    }
    alone(test, &[])
}

fn file_system(place: &Place, disk: &Disk) -> Harness<FileSystem> {
    fs::create_dir_all(place.path("mnt")).unwrap();
    Harness::new("data").text("Device", &disk.0).text("MountPoint", &place.shown("mnt"))
}

fn settled(harness: Harness<FileSystem>) -> (Opened<FileSystem>, State) {
    let opened = harness.open().unwrap();
    opened.online();
    let state = opened.wait_settled();
    (opened, state)
}

fn online(harness: Harness<FileSystem>) -> Opened<FileSystem> {
    let (opened, state) = settled(harness);
    assert_eq!(state, State::Online, "{:?}", opened.lines());
    opened
}

fn offline(opened: &Opened<FileSystem>) -> State {
    opened.offline();
    opened.wait_settled()
}

fn said(opened: &Opened<FileSystem>, words: &[&str]) -> bool {
    opened.lines().iter().any(|line| words.iter().all(|word| line.contains(word)))
}

fn mounted(place: &Place) -> bool {
    fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&place.shown("mnt"))
}

/// A program that works in the file system and is deaf to SIGTERM if `deaf`.
fn worker(place: &Place, deaf: bool) -> Child {
    let ready = place.shown("ready");
    let trap = if deaf { "trap '' TERM;" } else { "" };
    let line = format!("{trap} echo here > {ready}; while :; do sleep 0.05; done");
    let child = Command::new("sh").args(["-c", &line]).current_dir(place.path("mnt")).spawn().unwrap();
    eventually("it works there", || place.read("ready") == "here\n");
    fs::remove_file(place.path("ready")).unwrap();
    child
}

#[test]
fn it_is_mounted_while_it_is_online() {
    if !ready("it_is_mounted_while_it_is_online") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let opened = online(file_system(&place, &disk).text("Options", "noatime,errors=remount-ro"));
    let info = fs::read_to_string("/proc/self/mountinfo").unwrap();
    let line = info.lines().find(|line| line.contains(&place.shown("mnt"))).expect("mounted");
    assert!(
        line.contains("noatime") && line.contains("- ext4") && line.contains("errors=remount-ro"),
        "{line}"
    );
    fs::write(place.path("mnt/file"), "kept").unwrap();
    assert!(opened.is_alive() && opened.looks_alive());
    assert_eq!(offline(&opened), State::Offline, "{:?}", opened.lines());
    assert!(!mounted(&place) && !opened.is_alive());
    opened.online();
    assert_eq!(opened.wait_settled(), State::Online, "{:?}", opened.lines());
    assert_eq!(place.read("mnt/file"), "kept");
    opened.terminate();
    opened.terminate();
    assert!(!mounted(&place));
    // Read-only, by a type that is named.
    let opened = online(file_system(&place, &disk).text("Options", "ro").text("FSType", "ext4"));
    assert!(fs::write(place.path("mnt/file"), "changed").is_err());
    assert!(opened.is_alive());
    assert_eq!(offline(&opened), State::Offline);
}

#[test]
fn who_keeps_it_busy_is_named_and_ended() {
    if !ready("who_keeps_it_busy_is_named_and_ended") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let opened = online(file_system(&place, &disk).number("StopGracePeriod", 300));
    let (mut tame, mut deaf) = (worker(&place, false), worker(&place, true));
    // A program with nothing but an open file.
    let file = File::create(place.path("mnt/open")).unwrap();
    let mut quiet = Command::new("sleep").arg("600").stdin(Stdio::from(file)).spawn().unwrap();
    let held: Vec<String> = [&tame, &deaf].map(|child| format!("sh ({})", child.id())).into();
    assert_eq!(offline(&opened), State::Offline, "{:?}", opened.lines());
    assert!(
        said(&opened, &["SIGTERM", &held[0], &held[1], &format!("sleep ({})", quiet.id())]),
        "{:?}",
        opened.lines()
    );
    assert!(said(&opened, &["SIGKILL", &held[1]]), "{:?}", opened.lines());
    assert!(!mounted(&place));
    for child in [&mut tame, &mut deaf, &mut quiet] {
        assert!(!runs(child.id()));
        child.wait().unwrap();
    }
}

#[test]
fn without_force_it_stays_and_says_who_holds_it() {
    if !ready("without_force_it_stays_and_says_who_holds_it") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let opened = online(file_system(&place, &disk).number("ForceUnmount", 0));
    let mut child = worker(&place, false);
    assert_eq!(offline(&opened), State::Failed);
    assert_eq!(opened.reports().last().unwrap().code, abi::ERROR_BUSY);
    assert!(said(&opened, &["busy", &format!("sh ({})", child.id())]), "{:?}", opened.lines());
    assert!(mounted(&place) && runs(child.id()));
    // Terminate asks nobody.
    opened.terminate();
    assert!(!mounted(&place) && !runs(child.id()));
    child.wait().unwrap();
}

#[test]
fn what_cannot_be_unmounted_is_cut_off_from_its_device() {
    if !ready("what_cannot_be_unmounted_is_cut_off_from_its_device") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let opened = online(file_system(&place, &disk));
    fs::write(place.path("mnt/synced"), "kept").unwrap();
    sh("sync");
    // Held by the monitor itself, which is not killed.
    let mut file = File::create(place.path("mnt/late")).unwrap();
    opened.terminate();
    assert!(said(&opened, &["shut down", "nothing is written"]), "{:?}", opened.lines());
    assert!(!mounted(&place));
    let write = file.write_all(&[7; 1 << 16]).and_then(|()| file.sync_all());
    assert!(write.is_err(), "no byte may reach the device any more");
    drop(file);
    // The next owner finds what was synced.
    opened.online();
    assert_eq!(opened.wait_settled(), State::Online, "{:?}", opened.lines());
    assert_eq!(place.read("mnt/synced"), "kept");
    assert!(opened.is_alive());
    opened.terminate();
}

#[test]
fn what_is_in_use_is_refused() {
    if !ready("what_is_in_use_is_refused") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let refused = |words: &[&str], harness: Harness<FileSystem>| {
        let (opened, state) = settled(harness);
        assert_eq!(state, State::Failed, "{words:?}");
        assert!(said(&opened, words), "{words:?}: {:?}", opened.lines());
        opened.terminate();
    };
    let mnt = place.shown("mnt");
    sh(&format!("mkdir -p {mnt}; mount -t tmpfs other {mnt}"));
    refused(&[&mnt, "in use", "other (tmpfs)", "umount"], file_system(&place, &disk));
    assert!(mounted(&place), "what others have mounted stays");
    sh(&format!("umount {mnt}; mkdir {0}; mount {1} {0}", place.shown("else"), disk.0));
    refused(&[&disk.0, "in use", &place.shown("else")], file_system(&place, &disk));
    // Mounted where it cannot be seen from here: nobody may write twice.
    let said_so = place.shown("said");
    let line = format!("echo yes > {said_so}; exec sleep 600");
    let mut hidden = Command::new("unshare").args(["--mount", "sh", "-c", &line]).spawn().unwrap();
    eventually("it is in a namespace of its own", || place.read("said") == "yes\n");
    sh(&format!("umount {}", place.shown("else")));
    refused(&[&disk.0, "in use", "another mount namespace"], file_system(&place, &disk));
    hidden.kill().unwrap();
    hidden.wait().unwrap();
    drop(online(file_system(&place, &disk)));
    // A device that is none, and devices without a file system.
    let missing = Harness::new("data").text("MountPoint", &mnt);
    refused(&["/dev/no-such", "1034"], missing.text("Device", "/dev/no-such"));
    let label = Harness::new("data").text("MountPoint", &mnt).text("Device", "LABEL=no-such");
    refused(&["LABEL=no-such", "/dev/disk/by-label"], label);
    refused(&["no block device"], Harness::new("data").text("MountPoint", &mnt).text("Device", "/dev/null"));
    let nowhere = place.shown("no/where");
    let elsewhere = || Harness::new("data").text("Device", &disk.0).text("MountPoint", &nowhere);
    refused(&[&nowhere, "CreateMountPoint"], elsewhere());
    drop(online(elsewhere().number("CreateMountPoint", 1)));
    refused(&["intact xfs", "1035"], file_system(&place, &disk).text("FSType", "xfs"));
    refused(&["nosuchfs", "kernel does not know"], file_system(&place, &disk).text("FSType", "nosuchfs"));
    refused(&["does not know the options", "gaga"], file_system(&place, &disk).text("Options", "gaga"));
    sh(&format!("wipefs --quiet --all {}", disk.0));
    refused(&["no file system", "FSType"], file_system(&place, &disk));
    sh(&format!("mkswap -q {}", disk.0));
    refused(&["swap space"], file_system(&place, &disk));
}

#[test]
fn what_happens_to_it_is_seen() {
    if !ready("what_happens_to_it_is_seen") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let mnt = place.shown("mnt");
    for (harm, word) in [
        (format!("umount {mnt}"), "unmounted it"),
        (format!("mount -o remount,ro {mnt}"), "read-only"),
        (format!("mount -t tmpfs other {mnt}"), "mounted over it"),
    ] {
        let opened = online(file_system(&place, &disk));
        assert!(opened.looks_alive());
        sh(&harm);
        assert!(!opened.looks_alive(), "{harm}");
        assert!(!opened.is_alive(), "{harm}");
        assert!(said(&opened, &[word, "1038"]), "{word}: {:?}", opened.lines());
        sh(&format!("umount {mnt} || true"));
        opened.terminate();
    }
    // The device is gone: what is in memory still looks well, but nothing can be written.
    let check = place.shown("mnt/check");
    let opened = online(file_system(&place, &disk).text("CheckFile", &check).number("CheckWrite", 1));
    assert!(!opened.is_alive());
    assert!(said(&opened, &["CheckFile", &check]), "{:?}", opened.lines());
    fs::write(&check, "here").unwrap();
    assert!(opened.is_alive());
    assert_eq!(
        fs::read_dir(place.path("mnt"))
            .unwrap()
            .flatten()
            .filter(|e| e.file_name().to_string_lossy().contains("stead"))
            .count(),
        0
    );
    stead_sdk::shut_file_system_down(File::open(&mnt).unwrap()).unwrap();
    assert!(!opened.is_alive());
    opened.terminate();
    assert!(!mounted(&place));
}

#[test]
fn damage_is_found_and_repaired_where_that_is_wanted() {
    if !ready("damage_is_found_and_repaired_where_that_is_wanted") {
        return;
    }
    let place = Place::new();
    let disk = Disk::ext4(&place);
    let opened = online(file_system(&place, &disk).text("FsckMode", "check"));
    assert_eq!(offline(&opened), State::Offline);
    drop(opened);
    let debugfs = |request: &str| sh(&format!("debugfs -w -R '{request}' {} 2>/dev/null", disk.0));
    debugfs("set_inode_field <2> links_count 9");
    // As after a crash: what was left clean is not looked at.
    debugfs("set_super_value state 0");
    let (opened, state) = settled(file_system(&place, &disk).text("FsckMode", "check"));
    assert_eq!(state, State::Failed);
    assert!(said(&opened, &["e2fsck", "damaged", "1037"]), "{:?}", opened.lines());
    assert!(!mounted(&place));
    drop(opened);
    let opened = online(file_system(&place, &disk).text("FsckMode", "repair"));
    assert!(said(&opened, &["e2fsck has repaired"]), "{:?}", opened.lines());
    drop(opened);
    drop(online(file_system(&place, &disk).text("FsckMode", "check")));
    // What is not safe to repair is left to people.
    debugfs("clri <2>");
    debugfs("set_super_value state 0");
    let (opened, state) = settled(file_system(&place, &disk).text("FsckMode", "repair"));
    assert_eq!(state, State::Failed);
    assert!(said(&opened, &["by hand"]), "{:?}", opened.lines());
}

#[test]
fn impossible_properties_are_refused() {
    let opened = Harness::<FileSystem>::new("data").open().unwrap();
    let text = |text: &str| Value::Sz(text.to_owned());
    let (device, place) = (("Device", text("/dev/sdz1")), ("MountPoint", text("/srv/data")));
    assert_eq!(opened.validate(&[device.clone(), place.clone()]), (0, Vec::new()));
    for (list, words) in [
        (vec![device.clone()], vec!["MountPoint", "required"]),
        (vec![place.clone()], vec!["Device", "required"]),
        (vec![("Device", text("sdz1")), place.clone()], vec!["Device", "/dev"]),
        (vec![("Device", text("nas:/export")), place.clone()], vec!["ocf:heartbeat:Filesystem"]),
        (vec![device.clone(), place.clone(), ("FSType", text("nfs4"))], vec!["ocf:heartbeat:Filesystem"]),
        (vec![device.clone(), ("MountPoint", text("srv"))], vec!["MountPoint", "absolute"]),
        (vec![device.clone(), ("MountPoint", text("/srv/../etc"))], vec!["MountPoint", ".."]),
        (vec![device.clone(), ("MountPoint", text("/"))], vec!["MountPoint", "root"]),
        (vec![device.clone(), place.clone(), ("FsckMode", text("force"))], vec!["none, check, repair"]),
        (vec![device.clone(), place.clone(), ("Options", text("bind"))], vec!["Options", "bind"]),
        (vec![device.clone(), place.clone(), ("CheckFile", text("/etc/passwd"))], vec!["CheckFile", "below"]),
        (
            vec![device.clone(), place.clone(), ("Options", text("ro")), ("CheckWrite", Value::Dword(1))],
            vec!["CheckWrite", "ro"],
        ),
    ] {
        let (code, said) = opened.validate(&list);
        assert_ne!(code, 0, "{list:?}");
        assert!(words.iter().all(|word| said.iter().any(|line| line.contains(word))), "{words:?}: {said:?}");
    }
}
