//! What is mounted, as this process sees it.

use std::fs;
use std::io;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

/// One mount.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Mount {
    /// The kernel's number of it, which no other living mount has.
    pub(super) id: u64,
    /// Major and minor number of what is mounted.
    pub(super) device: String,
    pub(super) place: PathBuf,
    pub(super) kind: String,
    pub(super) source: String,
    /// The file system itself is read-only, whatever the mount says.
    pub(super) read_only: bool,
}

/// Undoes the escapes of white space: a backslash and three octal digits.
fn unescape(text: &str) -> Vec<u8> {
    let mut plain = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let escaped =
            after.get(..3).filter(|digits| *first == b'\\' && digits.iter().all(u8::is_ascii_digit));
        let octal = |digits: &[u8]| {
            digits.iter().fold(0u8, |sum, digit| sum.wrapping_mul(8).wrapping_add(digit - b'0'))
        };
        plain.push(escaped.map_or(*first, octal));
        rest = if escaped.is_some() { &after[3..] } else { after };
    }
    plain
}

fn parse(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut words = mount.split(' ');
    let id = words.next()?.parse().ok()?;
    let device = words.nth(1)?.to_owned();
    let place = PathBuf::from(std::ffi::OsString::from_vec(unescape(words.nth(1)?)));
    let mut words = file_system.split(' ');
    let kind = words.next()?.to_owned();
    let source = String::from_utf8_lossy(&unescape(words.next()?)).into_owned();
    let read_only = words.next().is_some_and(|options| options.split(',').any(|option| option == "ro"));
    Some(Mount { id, device, place, kind, source, read_only })
}

/// Every mount, in the order they were made.
///
/// # Errors
/// `/proc` is not there.
pub(super) fn mounts() -> io::Result<Vec<Mount>> {
    Ok(fs::read_to_string("/proc/self/mountinfo")?.lines().filter_map(parse).collect())
}

/// The uppermost mount at a place, if there is one.
pub(super) fn at(place: &Path) -> io::Result<Option<Mount>> {
    Ok(mounts()?.into_iter().rfind(|mount| mount.place == place))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_mountinfo() {
        let line = "36 35 98:0 /mnt1 /mnt/a\\040b rw,noatime shared:1 master:2 - ext4 /dev/ro\\134ot ro,errors=continue";
        let mount = parse(line).unwrap();
        assert_eq!((mount.id, mount.device.as_str(), mount.read_only), (36, "98:0", true));
        assert_eq!(mount.place, Path::new("/mnt/a b"));
        assert_eq!((mount.kind.as_str(), mount.source.as_str()), ("ext4", "/dev/ro\\ot"));
        assert_eq!(parse("36 35 98:0"), None);
        assert!(mounts().unwrap().iter().any(|mount| mount.place == Path::new("/proc")));
    }
}
