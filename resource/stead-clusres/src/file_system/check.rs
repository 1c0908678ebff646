//! Looking whether a file system answers, without being caught by one that does not.

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Duration;

/// Runs something that may hang in the kernel on a thread of its own. `None` if it is not done in time; the thread
/// ends when the kernel lets it.
pub(super) fn within<T: Send + 'static>(
    limit: Duration,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    let (done, result) = mpsc::channel();
    let started = std::thread::Builder::new().name("file system".to_owned()).spawn(move || {
        // Nobody may be waiting any more.
        let _ = done.send(work());
    });
    started.ok()?;
    result.recv_timeout(limit).ok()
}

/// What is looked at.
#[derive(Clone, Debug)]
pub(super) struct Check {
    pub(super) root: PathBuf,
    pub(super) read: Option<PathBuf>,
    /// A file to write, sync and remove.
    pub(super) write: Option<PathBuf>,
}

impl Check {
    fn run(&self) -> Result<(), String> {
        let wrong = |what: String| move |error: io::Error| format!("{what}: {error}");
        let root = self.root.display();
        let mut entries = fs::read_dir(&self.root).map_err(wrong(format!("{root} cannot be read")))?;
        entries.next().transpose().map_err(wrong(format!("{root} cannot be listed")))?;
        rustix::fs::statvfs(&self.root)
            .map_err(io::Error::from)
            .map_err(wrong(format!("{root} does not tell its size")))?;
        if let Some(path) = &self.read {
            let read = || File::open(path)?.read(&mut [0; 4096]);
            read().map_err(wrong(format!("CheckFile {} cannot be read", path.display())))?;
        }
        if let Some(path) = &self.write {
            let write = || {
                let mut file = File::create(path)?;
                file.write_all(b"stead\n")?;
                file.sync_all()?;
                fs::remove_file(path)
            };
            write().map_err(wrong(format!("{} cannot be written and synced", path.display())))?;
        }
        Ok(())
    }
}

/// At most one look at a time: one that hangs says enough.
#[derive(Default)]
pub(super) struct Checker(Arc<AtomicBool>);

impl Checker {
    /// What is wrong with the file system, if anything is.
    pub(super) fn trouble(&self, check: Check, limit: Duration) -> Option<String> {
        if self.0.swap(true, Ordering::AcqRel) {
            return Some(format!("{} has not answered an earlier look yet", check.root.display()));
        }
        let (busy, root) = (Arc::clone(&self.0), check.root.clone());
        let result = within(limit, move || {
            let result = check.run();
            busy.store(false, Ordering::Release);
            result
        });
        match result {
            Some(result) => result.err(),
            None => Some(format!("{} does not answer within {} ms", root.display(), limit.as_millis())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_hangs_is_left_behind_and_asked_once() {
        let (release, held) = mpsc::channel::<()>();
        assert_eq!(within(Duration::from_millis(10), move || held.recv()), None);
        drop(release);
        assert_eq!(within(Duration::from_secs(30), || 7), Some(7));
        let checker = Checker::default();
        let check = |root: &str| Check { root: root.into(), read: None, write: None };
        assert_eq!(checker.trouble(check("/"), Duration::from_secs(30)), None);
        assert!(checker.trouble(check("/no/such"), Duration::from_secs(30)).unwrap().contains("/no/such"));
        checker.0.store(true, Ordering::Release);
        assert!(checker.trouble(check("/"), Duration::from_secs(30)).unwrap().contains("earlier"));
    }
}
