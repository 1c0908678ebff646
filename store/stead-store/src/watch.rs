//! Following what changes, and what backends of one process share to offer it.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use crate::{Entry, Revision, StoreError};

/// What happened to one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// It was created or replaced.
    Put(Entry),
    /// It was deleted.
    Deleted(String),
}

impl Change {
    /// The document's key.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Change::Put(entry) => &entry.key,
            Change::Deleted(key) => key,
        }
    }
}

/// What a watch tells.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum News {
    /// What one transaction changed.
    Changes {
        /// The revision of that transaction, above that of all news before.
        revision: Revision,
        /// Its changes of watched documents; a key is there once.
        changes: Vec<Change>,
    },
    /// The history since the last news is gone: these are all watched documents, and what is not among them was deleted.
    Everything {
        /// The revision they are of.
        revision: Revision,
        /// The documents, in the order of keys.
        entries: Vec<Entry>,
    },
}

impl News {
    /// The revision that a watch resumes after.
    #[must_use]
    pub fn revision(&self) -> Revision {
        match self {
            News::Changes { revision, .. } | News::Everything { revision, .. } => *revision,
        }
    }
}

/// Follows the documents under a prefix: no change is left out and none is told twice.
pub trait Watch: Send {
    /// Waits for news, at most as long as `patience`; none is not an error.
    ///
    /// # Errors
    /// When the store can no longer be followed. The watch is over then; a new one resumes after the revision of
    /// the last news.
    fn next(&mut self, patience: Duration) -> Result<Option<News>, StoreError>;
}

/// So many transactions wait for a watch that does not ask; after that it gets everything anew.
const MOST_WAITING: usize = 1024;

#[derive(Debug, Default)]
struct Waiting {
    news: VecDeque<(Revision, Vec<Change>)>,
    /// Too much was waiting; it was thrown away.
    overflown: bool,
    /// The store is gone.
    closed: bool,
}

#[derive(Debug)]
struct Mailbox {
    prefix: String,
    waiting: Mutex<Waiting>,
    arrived: Condvar,
}

impl Mailbox {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Tells the watches of this process what was committed, for backends that only one process writes. When it is
/// dropped, its watches end.
#[derive(Debug, Default)]
pub struct Feed(Mutex<Vec<Weak<Mailbox>>>);

/// Lists the documents under a prefix, unless the store is gone.
pub type List = Box<dyn Fn(&str) -> Result<(Revision, Vec<Entry>), StoreError> + Send>;

impl Feed {
    fn mailboxes(&self) -> Vec<Arc<Mailbox>> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|mailbox| mailbox.strong_count() != 0);
        all.iter().filter_map(Weak::upgrade).collect()
    }

    /// Tells what was committed. Called in the order of revisions, after `list` can see it.
    pub fn publish(&self, revision: Revision, changes: &[Change]) {
        for mailbox in self.mailboxes() {
            let watched: Vec<Change> =
                changes.iter().filter(|change| change.key().starts_with(&mailbox.prefix)).cloned().collect();
            if watched.is_empty() {
                continue;
            }
            let mut waiting = mailbox.lock();
            if waiting.news.len() == MOST_WAITING {
                waiting.news.clear();
                waiting.overflown = true;
            }
            waiting.news.push_back((revision, watched));
            drop(waiting);
            mailbox.arrived.notify_all();
        }
    }

    /// Ends every watch.
    pub fn close(&self) {
        for mailbox in self.mailboxes() {
            mailbox.lock().closed = true;
            mailbox.arrived.notify_all();
        }
    }

    /// A watch of what happens under `prefix` after the revision `after`; `list` reads the store.
    ///
    /// # Errors
    /// When the store cannot be listed.
    pub fn watch(&self, prefix: &str, after: Revision, list: List) -> Result<FeedWatch, StoreError> {
        let mailbox = Arc::new(Mailbox {
            prefix: prefix.to_owned(),
            waiting: Mutex::default(),
            arrived: Condvar::new(),
        });
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(Arc::downgrade(&mailbox));
        // Listed only now: what is committed from here on is in the mailbox.
        let (revision, entries) = list(prefix)?;
        let first = (revision != after).then_some(News::Everything { revision, entries });
        Ok(FeedWatch { mailbox, list, first, told: revision })
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.close();
    }
}

/// A watch on a [`Feed`].
pub struct FeedWatch {
    mailbox: Arc<Mailbox>,
    list: List,
    first: Option<News>,
    told: Revision,
}

impl fmt::Debug for FeedWatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("FeedWatch").field("mailbox", &self.mailbox).field("told", &self.told).finish()
    }
}

impl Watch for FeedWatch {
    fn next(&mut self, patience: Duration) -> Result<Option<News>, StoreError> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        let until = Instant::now() + patience;
        let mut waiting = self.mailbox.lock();
        loop {
            if waiting.overflown {
                waiting.news.clear();
                waiting.overflown = false;
                drop(waiting);
                let (revision, entries) = (self.list)(&self.mailbox.prefix)?;
                self.told = revision;
                return Ok(Some(News::Everything { revision, entries }));
            }
            while let Some((revision, changes)) = waiting.news.pop_front() {
                // What a listing has shown already came into the mailbox as well.
                if revision > self.told {
                    self.told = revision;
                    return Ok(Some(News::Changes { revision, changes }));
                }
            }
            if waiting.closed {
                let text = "it was closed under a watch; open it and watch again";
                return Err(StoreError::Io(text.to_owned()));
            }
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return Ok(None);
            }
            waiting =
                self.mailbox.arrived.wait_timeout(waiting, left).unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}
