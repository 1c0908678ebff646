//! Notes about addresses that are held, so that none is lost when a monitor dies.
//!
//! An address outlives the process that configured it. Before one is configured a file says so, and the monitor keeps
//! that file locked. The kernel drops the lock with the process, however it ended: a note that can be locked is of a
//! monitor that is gone, and its address is a leftover, whoever finds it. A note that cannot be locked is of a resource
//! that is online. The folder is emptied at boot, as the addresses are.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::net::IpAddr;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where the notes are.
const FOLDER: &str = "/run/stead/addresses";

/// What a note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) resource: String,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    /// The number of the interface.
    pub(super) index: u32,
    /// The kernel keeps our mark with the address: one without it is not ours.
    pub(super) marked: bool,
}

impl Text {
    fn write(&self) -> String {
        format!("{} {} {} {}\n{}\n", self.address, self.prefix, self.index, self.marked, self.resource)
    }

    fn read(text: &str) -> Option<Text> {
        let (first, resource) = text.split_once('\n')?;
        let mut words = first.split(' ');
        Some(Text {
            address: words.next()?.parse().ok()?,
            prefix: words.next()?.parse().ok()?,
            index: words.next()?.parse().ok()?,
            marked: words.next()?.parse().ok()?,
            resource: resource.trim_end_matches('\n').to_owned(),
        })
    }
}

/// A note that this process holds.
pub(super) struct Note {
    file: File,
    path: PathBuf,
}

/// Why there is no note.
pub(super) enum Refused {
    /// A resource that is online holds it; its name.
    Held(String),
    /// The folder or file cannot be used.
    Failed(io::Error),
}

/// Addresses belong to a network namespace; its number begins the names of its notes.
fn prefix() -> io::Result<String> {
    Ok(format!("{}-", fs::metadata("/proc/self/ns/net")?.ino()))
}

fn try_lock(path: &Path, create: bool) -> io::Result<Option<File>> {
    loop {
        let file = File::options().read(true).write(true).create(create).mode(0o600).open(path)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
        // Whoever held it may have removed the file between our open and our lock.
        match fs::metadata(path) {
            Ok(there) if there.ino() == file.metadata()?.ino() => return Ok(Some(file)),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound && create => {}
            Err(error) => return Err(error),
        }
    }
}

fn text_of(mut file: &File) -> String {
    let mut text = String::new();
    // What cannot be read was not written to its end: the address was not configured then.
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
    text
}

impl Note {
    /// Takes the note of an address. An unlocked note of before comes back as text.
    pub(super) fn take(address: IpAddr) -> Result<(Note, Option<Text>), Refused> {
        let open = || {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(FOLDER)?;
            let path = Path::new(FOLDER).join(format!("{}{address}", prefix()?));
            Ok((try_lock(&path, true)?, path))
        };
        let (file, path) = open().map_err(Refused::Failed)?;
        match file {
            Some(file) => {
                let before = Text::read(&text_of(&file));
                Ok((Note { file, path }, before))
            }
            None => {
                let text = fs::read_to_string(&path).unwrap_or_default();
                Err(Refused::Held(Text::read(&text).map_or_else(String::new, |text| text.resource)))
            }
        }
    }

    /// Says what is about to be done, or has been done.
    pub(super) fn say(&self, text: &Text) -> io::Result<()> {
        let mut file = &self.file;
        file.rewind()?;
        file.set_len(0)?;
        file.write_all(text.write().as_bytes())
    }

    /// There is nothing left to be remembered.
    pub(super) fn discard(self) {
        // Locked until the name is gone, so that nobody takes a file without a name.
        let _ = fs::remove_file(&self.path);
    }
}

/// The notes of monitors that are gone.
pub(super) fn orphans() -> io::Result<Vec<(Note, Text)>> {
    let prefix = prefix()?;
    let entries = match fs::read_dir(FOLDER) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut orphans = Vec::new();
    for entry in entries.flatten() {
        if !entry.file_name().to_string_lossy().starts_with(&prefix) {
            continue;
        }
        let path = entry.path();
        match try_lock(&path, false) {
            Ok(Some(file)) => {
                let note = Note { file, path };
                match Text::read(&text_of(&note.file)) {
                    Some(text) => orphans.push((note, text)),
                    None => note.discard(),
                }
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(orphans)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_was_written() {
        let text = Text {
            resource: "web ip".to_owned(),
            address: "fd00::5".parse().unwrap(),
            prefix: 64,
            index: 3,
            marked: true,
        };
        assert_eq!(Text::read(&text.write()), Some(text.clone()));
        let whole = text.write();
        assert_eq!(Text::read(&whole[..whole.len() / 3]), None);
        assert_eq!(Text::read(""), None);
    }
}
