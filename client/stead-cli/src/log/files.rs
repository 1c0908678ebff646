//! The files of the log folder, read from where the last reading ended, also when they have been moved aside meanwhile.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, BufRead, BufReader};
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::inotify;

use super::line::{self, Entry};

/// A file that is open, and how far it has been read.
struct Open {
    reader: BufReader<File>,
    file: (u64, u64),
    /// The beginning of a line whose end has not been written yet.
    half: Vec<u8>,
    /// The date of the line before.
    time: String,
}

/// The log folder.
pub(crate) struct Folder {
    path: PathBuf,
    changes: OwnedFd,
    open: BTreeMap<String, Open>,
}

/// Whose log a file is; `None` for what is no log.
fn source(name: &str) -> Option<&str> {
    name.strip_suffix(".log")
}

fn identity(file: &fs::Metadata) -> (u64, u64) {
    (file.dev(), file.ino())
}

impl Open {
    fn at(path: &Path) -> io::Result<Open> {
        let file = File::open(path)?;
        let id = identity(&file.metadata()?);
        let time = String::from("0000-00-00T00:00:00.000000Z");
        Ok(Open { reader: BufReader::new(file), file: id, half: Vec::new(), time })
    }

    fn read(&mut self, source: &str, entries: &mut Vec<Entry>) -> io::Result<()> {
        while self.reader.read_until(b'\n', &mut self.half)? > 0 {
            if !self.half.ends_with(b"\n") {
                return Ok(());
            }
            let bytes = std::mem::take(&mut self.half);
            let text = String::from_utf8_lossy(&bytes);
            if text.trim().is_empty() {
                continue;
            }
            let entry = line::read(source, &text, &self.time);
            self.time.clone_from(&entry.time);
            entries.push(entry);
        }
        Ok(())
    }
}

impl Folder {
    /// Opens it.
    ///
    /// # Errors
    /// When there is none.
    pub(crate) fn open(path: &Path) -> io::Result<Folder> {
        fs::read_dir(path)?;
        let changes = inotify::init(inotify::CreateFlags::CLOEXEC)?;
        let what = inotify::WatchFlags::MODIFY | inotify::WatchFlags::CREATE | inotify::WatchFlags::MOVED_TO;
        inotify::add_watch(&changes, path, what)?;
        Ok(Folder { path: path.to_owned(), changes, open: BTreeMap::new() })
    }

    /// Everything that has been written since the last time, oldest first; at first what was moved aside too.
    ///
    /// # Errors
    /// When a file cannot be read.
    pub(crate) fn read(&mut self) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for found in fs::read_dir(&self.path)? {
            let name = found?.file_name();
            let Some(name) = name.to_str() else { continue };
            let Some(source) = source(name) else { continue };
            let path = self.path.join(name);
            let now = match fs::metadata(&path) {
                Ok(now) => identity(&now),
                // Moved aside just now: the next reading finds the new one.
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            };
            match self.open.get_mut(name) {
                Some(open) if open.file == now => open.read(source, &mut entries)?,
                Some(moved) => {
                    moved.read(source, &mut entries)?;
                    let mut fresh = Open::at(&path)?;
                    fresh.read(source, &mut entries)?;
                    self.open.insert(name.to_owned(), fresh);
                }
                None => {
                    if let Ok(mut old) = Open::at(&path.with_extension("log.old")) {
                        old.read(source, &mut entries)?;
                    }
                    let mut fresh = Open::at(&path)?;
                    fresh.read(source, &mut entries)?;
                    self.open.insert(name.to_owned(), fresh);
                }
            }
        }
        // Lines of one file keep their order.
        entries.sort_by(|a, b| a.time.cmp(&b.time));
        Ok(entries)
    }

    /// Waits until something is written.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub(crate) fn wait(&mut self) -> io::Result<()> {
        let mut room = [MaybeUninit::<u8>::uninit(); 4096];
        match inotify::Reader::new(&self.changes, &mut room).next() {
            Ok(_) | Err(rustix::io::Errno::INTR) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;

    fn texts(entries: &[Entry]) -> Vec<&str> {
        entries.iter().map(|entry| entry.text.as_str()).collect()
    }

    #[test]
    fn files_are_merged_by_time_and_followed_through_a_rotation() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let write = |name: &str, text: &str| {
            let mut file = File::options().create(true).append(true).open(path(name)).unwrap();
            file.write_all(text.as_bytes()).unwrap();
        };
        let at = |second: u32, text: &str| format!("2026-01-01T00:00:{second:02}.000000Z {text}\n");
        write("node.log.old", &at(1, " INFO one"));
        write("node.log", &at(3, " INFO three"));
        write("group-web.log", &(at(2, "two") + "and a half\n"));
        write("ignored.txt", &at(2, "no log"));
        let mut log = Folder::open(folder.path()).unwrap();
        assert_eq!(texts(&log.read().unwrap()), ["one", "two", "and a half", "three"]);
        assert!(log.read().unwrap().is_empty());

        write("node.log", at(4, " INFO four").trim_end());
        assert!(log.read().unwrap().is_empty(), "half a line");
        write("node.log", "!\n");
        fs::rename(path("node.log"), path("node.log.old")).unwrap();
        write("node.log", &at(5, " INFO five"));
        log.wait().unwrap();
        assert_eq!(texts(&log.read().unwrap()), ["four!", "five"]);
    }
}
