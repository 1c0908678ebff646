//! The highest revision seen: what etcd answers after it is never below, or it is not the database it was.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
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
    /// The revision that was written last.
    written: Number,
}

/// The highest revision seen, in memory and, if there is one, in a file.
///
/// Renewals take note of revisions, and a disk may stall for longer than a lease lasts: so that nothing waits for it, the
/// file is written on a thread of its own.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    highest: AtomicI64,
    /// Never held while the disk is waited for.
    file: Mutex<Option<File>>,
    /// One writes at a time, and what is so by then: what was written last holds.
    writing: Mutex<()>,
    /// When the file is written next, and who writes it.
    saver: Mutex<Option<(Instant, SyncSender<()>)>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
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
    /// Keeps it in a file from now on.
    pub(crate) fn keep(self: &Arc<Self>, path: &Path, content: Remembered) -> Result<(), StoreError> {
        self.note(content.revision);
        let content = Remembered { revision: self.get(), ..content };
        write(path, &content)?;
        let written = content.revision;
        *lock(&self.file) = Some(File { path: path.to_owned(), content, written });
        let mut saver = lock(&self.saver);
        if saver.is_none() {
            let (wake, woken) = sync_channel(1);
            let floor = Arc::downgrade(self);
            let work = move || save_on(&floor, &woken);
            std::thread::Builder::new()
                .name("seen".to_owned())
                .spawn(work)
                .map_err(|error| StoreError::Io(format!("{}: {error}", path.display())))?;
            *saver = Some((Instant::now() + EVERY, wake));
        }
        Ok(())
    }

    pub(crate) fn get(&self) -> Number {
        self.highest.load(Ordering::Acquire)
    }

    /// Takes note of a revision that the database has.
    pub(crate) fn note(&self, revision: Number) {
        if self.highest.fetch_max(revision, Ordering::AcqRel) >= revision {
            return;
        }
        let now = Instant::now();
        if let Some((next, wake)) = lock(&self.saver).as_mut().filter(|(next, _)| *next <= now) {
            *next = now + EVERY;
            // Where it still writes, it writes this the next time.
            let _ = wake.try_send(());
        }
    }

    /// The database is at an earlier revision than was seen: written at once, since the process ends of it.
    pub(crate) fn doubt(&self) {
        if let Some(file) = &mut *lock(&self.file) {
            file.content.doubted = true;
        }
        self.save();
    }

    fn settled(&self) {
        let doubted = lock(&self.file).as_mut().is_some_and(|file| std::mem::take(&mut file.content.doubted));
        if doubted {
            // Where this fails, the node waits once more when it starts again.
            self.save();
        }
    }

    /// Writes what is so now.
    fn save(&self) {
        let _writing = lock(&self.writing);
        let now = lock(&self.file).as_mut().map(|file| {
            file.content.revision = self.get();
            file.written = file.content.revision;
            (file.path.clone(), file.content.clone())
        });
        if let Some((path, content)) = now {
            // A full disk makes the file older, which weakens a check and breaks nothing.
            let _ = write(&path, &content);
        }
    }
}

/// Saves whenever it is woken, for as long as there is somebody who takes note of revisions.
fn save_on(floor: &Weak<Floor>, woken: &Receiver<()>) {
    while woken.recv().is_ok() {
        let Some(floor) = floor.upgrade() else { return };
        floor.save();
    }
}

impl Drop for Floor {
    fn drop(&mut self) {
        if lock(&self.file).as_ref().is_some_and(|file| file.written < self.get()) {
            self.save();
        }
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
        let floor = Arc::new(Floor::default());
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

    /// A disk that stalls, as a pipe that nobody reads: whoever opens it waits.
    #[test]
    fn who_takes_note_of_a_revision_does_not_wait_for_the_disk() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("seen");
        let floor = Arc::new(Floor::default());
        floor.keep(&path, remembered(5)).unwrap();
        let beside = path.with_extension("new");
        rustix::fs::mknodat(rustix::fs::CWD, &beside, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        lock(&floor.saver).as_mut().unwrap().0 = Instant::now();
        let (done, heard) = std::sync::mpsc::channel();
        let noting = Arc::clone(&floor);
        std::thread::spawn(move || {
            for revision in 6..1_000 {
                noting.note(revision);
                lock(&noting.saver).as_mut().unwrap().0 = Instant::now();
            }
            // Nor does a session that begins.
            noting.settled();
            done.send(noting.get()).unwrap();
        });
        assert_eq!(heard.recv_timeout(Duration::from_secs(20)), Ok(999), "it waits for the disk");
        // The disk goes on: whoever writes comes to an end, and the next writes into a file.
        drop(fs::File::options().read(true).write(true).open(&beside));
        fs::remove_file(&beside).ok();
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
