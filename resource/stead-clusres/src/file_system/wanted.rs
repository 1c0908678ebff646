//! What the properties of a file system ask for.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::mount::MountFlags;
use stead_sdk::{Problem, Properties};

/// What is done before it is mounted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Fsck {
    None,
    Check,
    Repair,
}

/// A file system as it is asked for.
#[derive(Clone, Debug)]
pub(super) struct Wanted {
    pub(super) device: String,
    pub(super) place: PathBuf,
    /// `auto`, or the kernel's name of it.
    pub(super) kind: String,
    pub(super) flags: MountFlags,
    /// What the file system itself understands, separated by commas.
    pub(super) data: String,
    pub(super) fsck: Fsck,
    pub(super) create: bool,
    pub(super) force: bool,
    pub(super) grace: Duration,
    pub(super) patience: Duration,
    /// A file in it that must be readable.
    pub(super) check_file: Option<PathBuf>,
    pub(super) check_write: bool,
}

impl Wanted {
    pub(super) fn read_only(&self) -> bool {
        self.flags.contains(MountFlags::RDONLY)
    }

    /// True if there is no device below it.
    pub(super) fn without_device(&self) -> bool {
        self.kind == "tmpfs"
    }
}

const FLAGS: &[(&str, MountFlags)] = &[
    ("ro", MountFlags::RDONLY),
    ("nosuid", MountFlags::NOSUID),
    ("nodev", MountFlags::NODEV),
    ("noexec", MountFlags::NOEXEC),
    ("sync", MountFlags::SYNCHRONOUS),
    ("dirsync", MountFlags::DIRSYNC),
    ("noatime", MountFlags::NOATIME),
    ("nodiratime", MountFlags::NODIRATIME),
    ("relatime", MountFlags::RELATIME),
    ("strictatime", MountFlags::STRICTATIME),
    ("lazytime", MountFlags::LAZYTIME),
    ("silent", MountFlags::SILENT),
];

/// What fstab knows and no kernel needs.
const FSTAB: &[&str] = &[
    "defaults", "rw", "suid", "dev", "exec", "async", "atime", "diratime", "auto", "noauto", "nofail",
    "_netdev", "user", "nouser", "users",
];

/// What would not mount a device, or is not for a cluster to decide.
const REFUSED: &[&str] =
    &["bind", "rbind", "move", "remount", "loop", "shared", "slave", "private", "unbindable"];

fn options(text: &str) -> Result<(MountFlags, String), String> {
    let (mut flags, mut data) = (MountFlags::empty(), Vec::new());
    for word in text.split(',').map(str::trim).filter(|word| !word.is_empty()) {
        if let Some((_, flag)) = FLAGS.iter().find(|(name, _)| *name == word) {
            flags |= *flag;
        } else if REFUSED.contains(&word) || word.starts_with("loop=") {
            return Err(format!("option {word:?} is not supported"));
        } else if !FSTAB.contains(&word) && !word.starts_with("x-") && !word.starts_with("comment=") {
            data.push(word);
        }
    }
    Ok((flags, data.join(",")))
}

/// File systems of other machines: mounting them takes a helper.
const REMOTE: &[&str] = &["nfs", "nfs4", "cifs", "smb3", "ceph", "glusterfs", "sshfs", "ocfs2", "gfs2"];

fn absolute(text: &str) -> Result<PathBuf, String> {
    let path = Path::new(text);
    let plain = path
        .components()
        .all(|part| matches!(part, std::path::Component::RootDir | std::path::Component::Normal(_)));
    if !path.is_absolute() || !plain {
        return Err(format!("{text:?} must be an absolute path without `..`"));
    }
    // Without a slash at its end.
    Ok(path.components().collect())
}

/// What the properties ask for, or everything that is wrong with them.
pub(super) fn read(properties: &Properties) -> Result<Wanted, Vec<Problem>> {
    let mut problems = Vec::new();
    let mut wrong = |name: &str, text: String| problems.push(Problem::new(name, text));
    let kind = properties.text("FSType");
    let device = properties.text("Device");
    let remote = REMOTE.contains(&kind.as_str()) || (device.contains(":/") && !device.starts_with('/'));
    if remote {
        let text = "file systems of other machines and shared ones are not mounted by this type; use OCF Agent with \
                    Agent = \"ocf:heartbeat:Filesystem\"";
        wrong("FSType", text.to_owned());
    } else if kind.is_empty() || kind.contains(['/', ',', ' ']) {
        wrong("FSType", format!("{kind:?} is no type of a file system, such as ext4; auto finds out"));
    }
    let named = device.split_once('=').is_some_and(|(name, value)| by(name).is_some() && !value.is_empty());
    if !remote && kind != "tmpfs" && !named && !device.starts_with("/dev/") {
        let text = format!(
            "{device:?} must be a block device in /dev, or UUID=, LABEL=, PARTUUID= or PARTLABEL= and its value"
        );
        wrong("Device", text);
    }
    let place = absolute(&properties.text("MountPoint")).and_then(|place| {
        if place == Path::new("/") { Err("/ is the root of this node".to_owned()) } else { Ok(place) }
    });
    let place = place.map_err(|text| wrong("MountPoint", text)).unwrap_or_default();
    let (flags, data) = options(&properties.text("Options"))
        .map_err(|text| wrong("Options", text))
        .unwrap_or((MountFlags::empty(), String::new()));
    let fsck = match properties.text("FsckMode").as_str() {
        "none" => Fsck::None,
        "check" => Fsck::Check,
        "repair" => Fsck::Repair,
        other => {
            wrong("FsckMode", format!("{other:?} is none of: none, check, repair"));
            Fsck::None
        }
    };
    let check_file = properties.text("CheckFile");
    if !check_file.is_empty() {
        match absolute(&check_file) {
            Ok(path) if path.starts_with(&place) => {}
            Ok(_) => {
                wrong("CheckFile", format!("{check_file:?} must be below MountPoint {}", place.display()))
            }
            Err(text) => wrong("CheckFile", text),
        }
    }
    if properties.flag("CheckWrite") && flags.contains(MountFlags::RDONLY) {
        wrong("CheckWrite", "Options says ro: nothing can be written".to_owned());
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    Ok(Wanted {
        device,
        place,
        kind,
        flags,
        data,
        fsck,
        create: properties.flag("CreateMountPoint"),
        force: properties.flag("ForceUnmount"),
        grace: properties.milliseconds("StopGracePeriod"),
        patience: properties.milliseconds("CheckTimeout"),
        check_file: (!check_file.is_empty()).then(|| check_file.into()),
        check_write: properties.flag("CheckWrite"),
    })
}

/// Where udev keeps devices by such a name.
pub(super) fn by(name: &str) -> Option<&'static str> {
    Some(match name {
        "UUID" => "/dev/disk/by-uuid",
        "LABEL" => "/dev/disk/by-label",
        "PARTUUID" => "/dev/disk/by-partuuid",
        "PARTLABEL" => "/dev/disk/by-partlabel",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_split_between_mount_and_file_system() {
        let (flags, data) =
            options("noatime, ro,errors=remount-ro,nofail,x-systemd.automount,data=journal").unwrap();
        assert_eq!(flags, MountFlags::NOATIME | MountFlags::RDONLY);
        assert_eq!(data, "errors=remount-ro,data=journal");
        assert_eq!(options("").unwrap(), (MountFlags::empty(), String::new()));
        assert!(options("noatime,bind").unwrap_err().contains("bind"));
        assert!(options("loop=/dev/loop3").is_err());
    }
}
