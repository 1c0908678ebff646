//! The highest revision seen: what etcd answers after it is never below, or it is not the database it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use stead_store::StoreError;

use crate::wire::Number;

/// The file is at most so much behind, so that it costs nothing.
const EVERY: Duration = Duration::from_secs(1);

/// What the file holds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Remembered {
    pub(crate) cluster: String,
    pub(crate) incarnation: String,
    pub(crate) revision: Number,
    /// The database was another one, or at an earlier revision, and nobody has waited yet for what began because of that
    /// to end. It stays so also where somebody writes to an older copy until its revision is high enough.
    #[serde(default)]
    pub(crate) doubted: bool,
}

/// What a node remembers of its database, in a file: the highest revision seen, so that a database that went back in time
/// is noticed even if it did while the node was down. The handles of one node share it.
#[derive(Clone, Debug)]
pub struct Memory {
    path: PathBuf,
    pub(crate) floor: Arc<Floor>,
}

impl Memory {
    /// Kept at this path; nothing is read or written before a database is opened with it.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Memory { path, floor: Arc::default() }
    }

    /// The file.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database is the one of this node from now on: whatever may have begun in another one has ended. Until this is
    /// said, each opening tells [`Opened::is_new`](crate::Opened::is_new) again.
    pub fn settled(&self) {
        self.floor.settled();
    }
}

#[derive(Debug)]
struct File {
    path: PathBuf,
    content: Remembered,
    written: Instant,
}

/// The highest revision seen, in memory and, if there is one, in a file.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    highest: AtomicI64,
    file: Mutex<Option<File>>,
}

/// What is in the file; nothing if it is not there.
pub(crate) fn read(path: &Path) -> Result<Option<Remembered>, StoreError> {
    match fs::read(path) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(|error| {
            let text = "it holds the highest revision seen; if the database is known to be right, delete it";
            StoreError::Corrupt(format!("{}: {error}; {text}", path.display()))
        }),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(StoreError::Io(format!("{}: {error}", path.display()))),
    }
}

fn write(path: &Path, content: &Remembered) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", path.display()));
    // Renamed into place, but not synchronised: a power cut may lose a second, and never makes it too high.
    let beside = path.with_extension("new");
    fs::write(&beside, serde_json::json!(content).to_string()).map_err(failed)?;
    fs::rename(&beside, path).map_err(failed)
}

/// Notes in the file that the database was seen at an earlier revision. A full disk weakens a check and breaks nothing.
pub(crate) fn doubt(path: &Path, content: &Remembered) {
    let _ = write(path, &Remembered { doubted: true, ..content.clone() });
}

impl Floor {
    fn file(&self) -> MutexGuard<'_, Option<File>> {
        self.file.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keeps it in a file from now on.
    pub(crate) fn keep(&self, path: &Path, content: Remembered) -> Result<(), StoreError> {
        self.note(content.revision);
        let mut file = self.file();
        let content = Remembered { revision: self.get(), ..content };
        write(path, &content)?;
        *file = Some(File { path: path.to_owned(), content, written: Instant::now() });
        Ok(())
    }

    pub(crate) fn get(&self) -> Number {
        self.highest.load(Ordering::Acquire)
    }

    /// Takes note of a revision that the database has.
    pub(crate) fn note(&self, revision: Number) {
        if self.highest.fetch_max(revision, Ordering::AcqRel) < revision {
            self.save(EVERY);
        }
    }

    /// The database is at an earlier revision than was seen: written at once, since the process ends of it.
    pub(crate) fn doubt(&self) {
        if let Some(file) = &mut *self.file() {
            file.content.revision = self.get();
            file.content.doubted = true;
            doubt(&file.path, &file.content);
        }
    }

    fn settled(&self) {
        if let Some(file) = &mut *self.file()
            && std::mem::take(&mut file.content.doubted)
        {
            file.content.revision = self.get();
            // Where this fails, the node waits once more when it starts again.
            let _ = write(&file.path, &file.content);
        }
    }

    fn save(&self, every: Duration) {
        if let Some(file) = &mut *self.file()
            && file.written.elapsed() >= every
            && file.content.revision < self.get()
        {
            file.content.revision = self.get();
            file.written = Instant::now();
            // A full disk makes the file older, which weakens a check and breaks nothing.
            let _ = write(&file.path, &file.content);
        }
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        self.save(Duration::ZERO);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn remembered(revision: Number) -> Remembered {
        Remembered { cluster: "c".to_owned(), incarnation: "i".to_owned(), revision, doubted: false }
    }

    #[test]
    fn the_highest_revision_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        assert_eq!(read(&path), Ok(None));
        let floor = Floor::default();
        floor.keep(&path, remembered(5)).unwrap();
        for revision in [9, 7] {
            floor.note(revision);
        }
        assert_eq!(floor.get(), 9);
        drop(floor);
        assert_eq!(read(&path), Ok(Some(remembered(9))));
        fs::write(&path, "{").unwrap();
        assert!(matches!(read(&path), Err(StoreError::Corrupt(_))));
    }

    #[test]
    fn a_doubt_is_written_at_once_and_stays_until_the_database_is_settled() {
        let folder = tempfile::tempdir().unwrap();
        let memory = Memory::new(folder.path().join("seen"));
        memory.floor.keep(memory.path(), remembered(5)).unwrap();
        memory.floor.note(9);
        assert_eq!(read(memory.path()), Ok(Some(remembered(5))), "at most a second behind");
        memory.floor.doubt();
        assert_eq!(read(memory.path()), Ok(Some(Remembered { doubted: true, ..remembered(9) })));
        memory.settled();
        assert_eq!(read(memory.path()), Ok(Some(remembered(9))));
        // A file of an earlier version says nothing of doubts.
        fs::write(memory.path(), r#"{"cluster":"c","incarnation":"i","revision":7}"#).unwrap();
        assert_eq!(read(memory.path()), Ok(Some(remembered(7))));
    }
}
