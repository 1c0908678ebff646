//! The cluster database: a small transactional store of JSON documents, ordered by revision.
//!
//! One [`Store`] trait, several backends: [`MemoryStore`] here, for tests, and others in crates of their own.
//! The same [`conformance`] suite passes on all. A revision number orders all changes, and every write is a
//! transaction guarded by the revisions of what it was decided on. A [`Watch`] tells what changed, in that order.

pub mod conformance;
mod memory;
mod watch;

use std::collections::BTreeSet;
use std::fmt;

use serde_json::Value;

pub use memory::MemoryStore;
pub use watch::{Change, Feed, FeedWatch, List, News, Watch};

/// Orders all changes; the first is 1.
pub type Revision = u64;

/// The longest key, in bytes.
pub const LONGEST_KEY: usize = 1024;

/// A document and when it came and changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its key, such as `group/web`.
    pub key: String,
    /// The document.
    pub value: Value,
    /// The revision that created it.
    pub created: Revision,
    /// The revision that changed it last.
    pub modified: Revision,
}

/// What must hold for a transaction to happen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Guard {
    /// There is no such document.
    Absent(String),
    /// The document was last changed by this revision.
    ModifiedAt(String, Revision),
}

impl Guard {
    /// The document it is about.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Guard::Absent(key) | Guard::ModifiedAt(key, _) => key,
        }
    }
}

/// A change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Operation {
    /// Creates or replaces a document.
    Put(String, Value),
    /// Deletes a document; that there is none is no error.
    Delete(String),
}

impl Operation {
    /// The document it changes.
    #[must_use]
    pub fn key(&self) -> &str {
        match self {
            Operation::Put(key, _) | Operation::Delete(key) => key,
        }
    }
}

/// Changes that happen together or not at all, and when they may.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Transaction {
    /// All must hold.
    pub guards: Vec<Guard>,
    /// All happen, in order, under one revision. Of several for one key the last counts, as if it stood alone: a document
    /// deleted and put in one transaction is changed, not created.
    pub operations: Vec<Operation>,
}

/// How a transaction went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// It happened and is durable, under this revision.
    Committed(Revision),
    /// A guard did not hold, for this key; nothing changed.
    Conflict(String),
}

/// Why the store could not answer. Nothing was changed, unless it says so.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StoreError {
    /// The disk is full.
    NoSpace(String),
    /// Another process has the store open.
    InUse(String),
    /// What is stored makes no sense.
    Corrupt(String),
    /// A key is empty, too long, or holds what it must not.
    BadKey(String),
    /// A write failed half way; whether it happened is unknown until the store is opened again, and until then every
    /// call is refused.
    Poisoned(String),
    /// A transaction holds more than the backend takes at once.
    TooLarge(String),
    /// Nobody who could answer did, or there is no majority to decide.
    Unavailable(String),
    /// Whether a transaction happened, or still will, is not known: the answer was lost, and nobody could be asked.
    /// It is settled before the store answers anything again, so what is read next is the truth.
    Unknown(String),
    /// The database does not let us: certificate, user, password, permission.
    Refused(String),
    /// This is not the database that was here before, or it has gone back in time. Every call is refused, and what was
    /// under way may have happened in the one of before.
    Replaced(String),
    /// The system refused.
    Io(String),
}

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::NoSpace(text) => write!(f, "no space left for the cluster database: {text}"),
            StoreError::InUse(text) => write!(f, "the cluster database is in use: {text}"),
            StoreError::Corrupt(text) => write!(f, "the cluster database is damaged: {text}"),
            StoreError::BadKey(text) => write!(f, "not a key: {text}"),
            StoreError::Poisoned(text) => write!(f, "the cluster database must be opened again: {text}"),
            StoreError::TooLarge(text) => write!(f, "too much for one transaction: {text}"),
            StoreError::Unavailable(text) => write!(f, "the cluster database does not answer: {text}"),
            StoreError::Unknown(text) => write!(f, "it is not known whether a change happened: {text}"),
            StoreError::Refused(text) => write!(f, "the cluster database refuses this node: {text}"),
            StoreError::Replaced(text) => write!(f, "this is not the cluster database of before: {text}"),
            StoreError::Io(text) => write!(f, "the cluster database: {text}"),
        }
    }
}

impl std::error::Error for StoreError {}

/// A cluster database.
pub trait Store: Send + Sync {
    /// The document with this key.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn get(&self, key: &str) -> Result<Option<Entry>, StoreError>;

    /// The documents whose keys begin with `prefix`, in the order of keys, and the revision they are of.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError>;

    /// Carries out a transaction. When it returns `Committed`, the change survives power loss.
    ///
    /// # Errors
    /// When it cannot be written; nothing was changed then, except perhaps after [`StoreError::Poisoned`],
    /// [`StoreError::Unknown`] and [`StoreError::Replaced`].
    fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError>;

    /// Follows the documents under `prefix` from what they were at the revision `after` on. If the history since then
    /// is not kept, the first news is everything.
    ///
    /// # Errors
    /// When the store cannot be read.
    fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError>;
}

/// Checks a key: not empty, at most [`LONGEST_KEY`] bytes, no control characters.
///
/// # Errors
/// The rule it breaks.
pub fn check_key(key: &str) -> Result<(), StoreError> {
    if key.is_empty() {
        Err(StoreError::BadKey("it is empty".to_owned()))
    } else if key.len() > LONGEST_KEY {
        Err(StoreError::BadKey(format!("{} bytes are over {LONGEST_KEY}", key.len())))
    } else if key.chars().any(char::is_control) {
        Err(StoreError::BadKey(format!("{key:?} holds control characters")))
    } else {
        Ok(())
    }
}

impl Transaction {
    /// The operations that count: of several for one key the last.
    #[must_use]
    pub fn effective(operations: Vec<Operation>) -> Vec<Operation> {
        let mut seen = BTreeSet::new();
        let mut last: Vec<Operation> = operations
            .into_iter()
            .rev()
            .filter(|operation| seen.insert(operation.key().to_owned()))
            .collect();
        last.reverse();
        last
    }

    /// Checks every key.
    ///
    /// # Errors
    /// The first that is none.
    pub fn check(&self) -> Result<(), StoreError> {
        self.guards.iter().try_for_each(|guard| check_key(guard.key()))?;
        self.operations.iter().try_for_each(|operation| check_key(operation.key()))
    }
}
