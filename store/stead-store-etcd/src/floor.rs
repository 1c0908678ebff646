//! The highest revision seen: what etcd answers after it is never below, or it is not the database it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Mutex, PoisonError};
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

fn write(file: &File) -> Result<(), StoreError> {
    let failed = |error: std::io::Error| StoreError::Io(format!("{}: {error}", file.path.display()));
    // Renamed into place, but not synchronised: a power cut may lose a second, and never makes it too high.
    let beside = file.path.with_extension("new");
    fs::write(&beside, serde_json::json!(file.content).to_string()).map_err(failed)?;
    fs::rename(&beside, &file.path).map_err(failed)
}

impl Floor {
    /// Keeps it in a file from now on.
    pub(crate) fn keep(&self, path: &Path, content: Remembered) -> Result<(), StoreError> {
        self.note(content.revision);
        let file = File { path: path.to_owned(), content, written: Instant::now() };
        write(&file)?;
        *self.file.lock().unwrap_or_else(PoisonError::into_inner) = Some(file);
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

    fn save(&self, every: Duration) {
        let mut guard = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = &mut *guard
            && file.written.elapsed() >= every
            && file.content.revision < self.get()
        {
            file.content.revision = self.get();
            file.written = Instant::now();
            // A full disk makes the file older, which weakens a check and breaks nothing.
            let _ = write(file);
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

    #[test]
    fn the_highest_revision_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        assert_eq!(read(&path), Ok(None));
        let content = Remembered { cluster: "c".to_owned(), incarnation: "i".to_owned(), revision: 5 };
        let floor = Floor::default();
        floor.keep(&path, content.clone()).unwrap();
        for revision in [9, 7] {
            floor.note(revision);
        }
        assert_eq!(floor.get(), 9);
        drop(floor);
        assert_eq!(read(&path), Ok(Some(Remembered { revision: 9, ..content })));
        fs::write(&path, "{").unwrap();
        assert!(matches!(read(&path), Err(StoreError::Corrupt(_))));
    }
}
