//! Which file system is on a device, by the marks that file systems leave near its beginning.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

/// A mark: at which byte, which bytes, and the name by which the kernel mounts it.
const FILE_SYSTEMS: &[(u64, &[u8], &str)] = &[
    (0, b"XFSB", "xfs"),
    (0x10040, b"_BHRfS_M", "btrfs"),
    (0x400, &[0x10, 0x20, 0xf5, 0xf2], "f2fs"),
    (0, b"hsqs", "squashfs"),
    (0x400, &[0xe2, 0xe1, 0xf5, 0xe0], "erofs"),
    (0x8001, b"CD001", "iso9660"),
    (3, b"EXFAT   ", "exfat"),
    (3, b"NTFS    ", "ntfs3"),
    (0x52, b"FAT32   ", "vfat"),
    (0x36, b"FAT16   ", "vfat"),
    (0x36, b"FAT12   ", "vfat"),
];

/// What is no file system, in words.
const OTHERS: &[(u64, &[u8], &str)] = &[
    (0, b"LUKS\xba\xbe", "an encrypted volume (LUKS); open it and name the opened device"),
    (0x218, b"LVM2 001", "a physical volume of LVM; name a logical volume on it"),
    (4086, b"SWAPSPACE2", "swap space"),
    (0x1000, &[0xfc, 0x4e, 0x2b, 0xa9], "a member of a RAID array; name the array"),
];

/// ext2, ext3 and ext4 have one mark and differ by features.
fn ext(device: &File) -> io::Result<Option<&'static str>> {
    const JOURNAL: u32 = 0x4;
    /// Of incompatible features: extents, 64 bit, flexible groups.
    const FOURTH: u32 = 0x40 | 0x80 | 0x200;
    let mut block = [0; 0x68];
    if device.read_at(&mut block, 0x400)? < block.len() || block[0x38..0x3a] != [0x53, 0xef] {
        return Ok(None);
    }
    let word = |at: usize| u32::from_le_bytes([block[at], block[at + 1], block[at + 2], block[at + 3]]);
    let (compatible, incompatible) = (word(0x5c), word(0x60));
    Ok(Some(match (incompatible & FOURTH != 0, compatible & JOURNAL != 0) {
        (true, _) => "ext4",
        (false, true) => "ext3",
        (false, false) => "ext2",
    }))
}

/// The type of the file system on a device.
///
/// # Errors
/// The device cannot be read, or holds none, or one that is not known here: the text says what it holds.
pub(super) fn detect(device: &File) -> Result<&'static str, String> {
    let has = |(at, mark, _): &&(u64, &[u8], &str)| {
        let mut found = vec![0; mark.len()];
        device.read_exact_at(&mut found, *at).is_ok() && found == *mark
    };
    if let Some((_, _, what)) = OTHERS.iter().find(has) {
        return Err(format!("it holds {what}"));
    }
    if let Some(kind) = ext(device).map_err(|error| format!("it cannot be read: {error}"))? {
        return Ok(kind);
    }
    let known = FILE_SYSTEMS.iter().find(has).map(|(_, _, kind)| *kind);
    known.ok_or_else(|| "it holds no file system that is recognised; set FSType, or make one".to_owned())
}
