//! The cluster database of several machines, kept in etcd.
//!
//! etcd is used as a register that is compared and set, and for nothing else: its leases, locks and clocks take no part.
//!
//! # What is guaranteed
//!
//! - **A transaction happens at most once**, whatever is lost, delayed or delivered twice on the way, and its guards are
//!   compared in etcd at the moment it happens.
//! - **`Committed` and `Conflict` are never guesses.** When an answer is lost, the store finds out what happened with a
//!   second guarded transaction before it does anything else (see `writer.rs`); if that cannot be done before the
//!   deadline either, it says [`StoreError::Unknown`] and settles it before it answers any later call.
//! - **Any other error of `commit` means that nothing changed** and nothing will, but for [`StoreError::Replaced`],
//!   after which what the database of before holds cannot be asked.
//! - **Reads are linearizable**, and a listing is of one revision however long it is. An answer that is older than
//!   what this store has seen is never given, whoever gives it.
//! - **A watch leaves nothing out and repeats nothing.** It goes on with another member after the revision it told
//!   last; after a compaction it tells everything.
//! - **Another database is noticed**: every transaction is guarded by the identity of the cluster, every answer is
//!   checked for the id of the etcd cluster and for a revision that has gone back, also across restarts of this
//!   process if it was given a file to remember. [`StoreError::Replaced`] then ends the store.
//!
//! # What is assumed
//!
//! - Committed transactions of etcd are durable and form one order that agrees with real time. Reads may be as wrong as
//!   some versions make them: they decide nothing, since what is decided on them is guarded by their revisions.
//! - No two processes write under one name at a time. If they do, nothing happens twice, but they may hear `Unknown`.
//! - Nobody writes below `/stead/<cluster>/` but stead. What was changed by hand is read as
//!   the text [`DAMAGED`] under its key, which is no document of stead; all others are read as ever.
//!
//! # What is where
//!
//! `/stead/<cluster>/meta` says whose database it is; `documents/<key>` hold the documents, each with a sum;
//! `writers/<node>/<n>` are changed by each transaction of that node. A transaction takes at most [`MOST_OPERATIONS`]
//! changes, [`MOST_GUARDS`] guards and [`MOST_BYTES`] bytes, as etcd does unless it is told otherwise; more is refused,
//! since it cannot be divided without being two transactions.

mod admin;
mod certificate;
mod database;
mod failure;
mod floor;
mod hedge;
mod keys;
mod members;
mod meta;
mod options;
mod runtime;
mod trust;
mod version;
mod watching;
mod wire;
mod writer;

use std::sync::Arc;

use stead_store::{Entry, Outcome, Revision, Store, StoreError, Transaction, Watch};

use crate::database::Database;
use crate::runtime::Runtime;
pub use admin::{Admin, EtcdMember, Health};
pub use certificate::{Certificate, moment};
pub use floor::Memory;
pub use keys::DAMAGED;
pub use meta::Opened;
pub use options::{Login, Options, Start, Tls};

/// The most changes in a transaction.
pub const MOST_OPERATIONS: usize = writer::MOST_OPERATIONS;

/// The most guards of a transaction.
pub const MOST_GUARDS: usize = writer::MOST_GUARDS;

/// The most that keys and documents of a transaction may take, in bytes as they are sent.
pub const MOST_BYTES: usize = writer::MOST_BYTES;

/// An open cluster database in etcd. Calls wait on the calling thread; the work is done on a thread of its own.
#[derive(Debug)]
pub struct EtcdStore {
    database: Arc<Database>,
    opened: Opened,
    runtime: Runtime,
}

impl EtcdStore {
    /// Opens the database of a cluster, or makes or adopts it.
    ///
    /// # Errors
    /// [`StoreError::Replaced`] if it is not the one that was here before, [`StoreError::InUse`] if one is to be made
    /// that exists, [`StoreError::Refused`] and [`StoreError::Unavailable`] as they say.
    pub fn open(options: Options, start: Start) -> Result<Self, StoreError> {
        let runtime = Runtime::start()?;
        let (database, opened) = runtime.runner().wait(Database::open(options, start))?;
        Ok(EtcdStore { database: Arc::new(database), opened, runtime })
    }

    /// What the opening found out.
    #[must_use]
    pub fn opened(&self) -> &Opened {
        &self.opened
    }

    /// The addresses of the members that are known by now.
    #[must_use]
    pub fn members(&self) -> Vec<String> {
        self.database.members.urls()
    }
}

impl Store for EtcdStore {
    fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        let (database, key) = (Arc::clone(&self.database), key.to_owned());
        self.runtime.runner().wait(async move { database.get(&key).await })
    }

    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        let (database, prefix) = (Arc::clone(&self.database), prefix.to_owned());
        self.runtime.runner().wait(async move { database.list(&prefix).await })
    }

    fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        let database = Arc::clone(&self.database);
        self.runtime.runner().wait(async move { database.commit(transaction).await })
    }

    fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        self.database.writer.health()?;
        Ok(Box::new(watching::begin(&self.database, &self.runtime.runner(), prefix, after)))
    }
}
