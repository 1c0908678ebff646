//! The device below a file system.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{major, minor};
use stead_resapi as abi;
use stead_sdk::Failure;

use super::mounts;
use super::wanted::by;

/// Finds the device that an operator names, on this node.
pub(super) fn find(name: &str) -> Result<PathBuf, Failure> {
    let path = match name.split_once('=').and_then(|(kind, value)| Some((by(kind)?, value))) {
        Some((folder, value)) => Path::new(folder).join(value),
        None => PathBuf::from(name),
    };
    let missing = |error: io::Error| {
        let text = format!("device {name:?} is not on this node: {}: {error} (1034)", path.display());
        Failure::on_this_node(text)
    };
    let device = path.canonicalize().map_err(missing)?;
    let kind = fs::metadata(&device).map_err(missing)?.file_type();
    if !kind.is_block_device() {
        let text = format!(
            "device {name:?} is no block device; for a file, attach a loop device first: `losetup --find --show {}`",
            device.display()
        );
        return Err(Failure::on_this_node(text));
    }
    Ok(device)
}

/// Whether anything uses the device: a mount in whatever namespace, a volume manager, an array, swap.
pub(super) fn in_use(device: &Path) -> io::Result<bool> {
    // What the kernel itself has claimed cannot be opened exclusively.
    let exclusive = rustix::fs::OFlags::EXCL.bits().cast_signed();
    match File::options().read(true).custom_flags(exclusive).open(device) {
        Ok(_) => Ok(false),
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::BUSY.raw_os_error()) => Ok(true),
        Err(error) => Err(error),
    }
}

/// A refusal that says who uses the device, as far as it can be seen from here.
pub(super) fn used(device: &Path) -> Failure {
    let number = fs::metadata(device).map(|file| format!("{}:{}", major(file.rdev()), minor(file.rdev())));
    let number = number.unwrap_or_default();
    let place = mounts::mounts()
        .unwrap_or_default()
        .into_iter()
        .find(|mount| mount.device == number || Path::new(&mount.source) == device);
    let who = place.map_or_else(
        || "in another mount namespace of this node, or by LVM, RAID or swap".to_owned(),
        |mount| format!("at {}", mount.place.display()),
    );
    let text = format!("device {} is in use already: {who}; free it first", device.display());
    Failure::new(abi::ERROR_BUSY, text)
}
