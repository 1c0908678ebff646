//! Notes about what outlives the process that made it, so that none of it is lost when a monitor dies.
//!
//! Before something is made a file says so, and the monitor keeps that file locked. The kernel drops the lock with the
//! process, however it ended: a note that can be locked is of a monitor that is gone, and what it tells of is a leftover.
//! A note that cannot be locked is of a resource that is online. The folder is emptied at boot, as what the notes tell of.

use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};

/// Where the notes are, a folder a kind.
const FOLDER: &str = "/run/stead";

/// A note that this process holds.
pub(crate) struct Note {
    file: File,
    path: PathBuf,
}

/// Why there is no note.
pub(crate) enum Refused {
    /// A resource that is online holds it; what it says.
    Held(String),
    /// The folder or file cannot be used.
    Failed(io::Error),
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
    // What cannot be read was not written to its end: nothing had been made then.
    let _ = file.rewind().and_then(|()| file.read_to_string(&mut text));
    text
}

impl Note {
    /// Takes the note of this name. What an unlocked note of before says comes back; empty where there is none.
    pub(crate) fn take(kind: &str, name: &str) -> Result<(Note, String), Refused> {
        let folder = Path::new(FOLDER).join(kind);
        let path = folder.join(name);
        let open = || {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(FOLDER)?;
            // What is noted may be secret.
            fs::DirBuilder::new().recursive(true).mode(0o700).create(&folder)?;
            try_lock(&path, true)
        };
        match open().map_err(Refused::Failed)? {
            Some(file) => {
                let before = text_of(&file);
                Ok((Note { file, path }, before))
            }
            None => Err(Refused::Held(fs::read_to_string(&path).unwrap_or_default())),
        }
    }

    /// Says what is about to be done, or has been done.
    pub(crate) fn say(&self, text: &str) -> io::Result<()> {
        let mut file = &self.file;
        // At no moment is it empty, wherever this process is killed.
        file.rewind()?;
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    }

    /// There is nothing left to be remembered.
    pub(crate) fn discard(self) {
        // Locked until the name is gone, so that nobody takes a file without a name.
        let _ = fs::remove_file(&self.path);
    }
}

/// The names of all notes of a kind.
pub(crate) fn names(kind: &str) -> Vec<String> {
    let entries = fs::read_dir(Path::new(FOLDER).join(kind)).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

/// The notes of monitors that are gone whose name and text fit.
pub(crate) fn orphans(kind: &str, fits: impl Fn(&str, &str) -> bool) -> io::Result<Vec<(Note, String)>> {
    let entries = match fs::read_dir(Path::new(FOLDER).join(kind)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error),
    };
    let mut orphans = Vec::new();
    for entry in entries.flatten() {
        let (path, name) = (entry.path(), entry.file_name().to_string_lossy().into_owned());
        if !fits(&name, &fs::read_to_string(&path).unwrap_or_default()) {
            continue;
        }
        match try_lock(&path, false) {
            Ok(Some(file)) => {
                let text = text_of(&file);
                orphans.push((Note { file, path }, text));
            }
            Ok(None) => {}
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(orphans)
}
