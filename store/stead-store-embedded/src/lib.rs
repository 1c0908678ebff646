//! The embedded cluster database, for one machine: one file, power-safe.
//!
//! Every commit is written in two phases and synchronised before it is acknowledged. A failed synchronisation is never
//! tried again: the store refuses everything until it is opened anew, which reads what really is on the disk.

use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::{
    Database, DatabaseError, Durability, ReadableDatabase, ReadableTable, StorageBackend, StorageError,
    TableDefinition,
};
use rustix::fs::{FlockOperation, flock};
use serde_json::{Value, json};
use stead_store::{
    Change, Entry, Feed, Guard, Operation, Outcome, Revision, Store, StoreError, Transaction, Watch,
};

const DOCUMENTS: TableDefinition<'_, &str, &[u8]> = TableDefinition::new("documents");
const META: TableDefinition<'_, &str, u64> = TableDefinition::new("meta");

/// The version of what is stored.
const SCHEMA: u64 = 1;

/// An open embedded database. There is at most one for a file, in all processes together.
#[derive(Debug)]
pub struct EmbeddedStore {
    feed: Feed,
    /// Watches hold it weakly: the file is free as soon as the store is dropped.
    file: Arc<DatabaseFile>,
    /// Held from before a write until watches have heard of it, so that they hear of revisions in their order.
    writing: Mutex<()>,
}

#[derive(Debug)]
struct DatabaseFile {
    database: Database,
    _lock: Option<File>,
    poisoned: Mutex<Option<String>>,
}

fn of_io(error: &io::Error) -> StoreError {
    if error.kind() == io::ErrorKind::StorageFull || error.kind() == io::ErrorKind::QuotaExceeded {
        StoreError::NoSpace(error.to_string())
    } else {
        StoreError::Io(error.to_string())
    }
}

#[allow(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow")]
fn of_redb(error: redb::Error) -> StoreError {
    match error {
        redb::Error::Io(error) => of_io(&error),
        redb::Error::Corrupted(text) => StoreError::Corrupt(text),
        redb::Error::DatabaseAlreadyOpen => StoreError::InUse("another process has it open".to_owned()),
        redb::Error::PreviousIo => StoreError::Poisoned("an earlier write failed".to_owned()),
        other => StoreError::Io(other.to_string()),
    }
}

fn failed(error: impl Into<redb::Error>) -> StoreError {
    of_redb(error.into())
}

/// One stored record: a sum over the document guards it against what a disk may do to it.
fn encode(value: &Value, created: Revision, modified: Revision) -> Vec<u8> {
    let text = value.to_string();
    let record = json!({ "created": created, "modified": modified, "sum": sum(&text), "value": value });
    record.to_string().into_bytes()
}

fn sum(text: &str) -> u64 {
    text.bytes()
        .fold(0xCBF2_9CE4_8422_2325, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}

fn decode(key: &str, bytes: &[u8]) -> Result<Entry, StoreError> {
    let bad = || StoreError::Corrupt(format!("document {key:?}"));
    let mut record: Value = serde_json::from_slice(bytes).map_err(|_| bad())?;
    let number = |name: &str| record[name].as_u64();
    let (created, modified, sum_then) = (number("created"), number("modified"), number("sum"));
    let value = record["value"].take();
    if sum_then != Some(sum(&value.to_string())) {
        return Err(bad());
    }
    let (Some(created), Some(modified)) = (created, modified) else { return Err(bad()) };
    Ok(Entry { key: key.to_owned(), value, created, modified })
}

impl EmbeddedStore {
    /// Opens the database in `path`, or makes it.
    ///
    /// # Errors
    /// [`StoreError::InUse`] if another process has it, [`StoreError::Corrupt`] if it is damaged.
    pub fn open(path: &Path) -> Result<EmbeddedStore, StoreError> {
        let named = |error: &dyn std::fmt::Display| format!("{}: {error}", path.display());
        let lock = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .mode(0o600)
            .open(path.with_extension("lock"))
            .map_err(|error| StoreError::Io(named(&error)))?;
        if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
            return Err(StoreError::InUse(format!("{}: another process has it open", path.display())));
        }
        let new = !path.exists();
        if new {
            // Made before the database is: what is in it is nobody else's business.
            File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .mode(0o600)
                .open(path)
                .map_err(|error| StoreError::Io(named(&error)))?;
        }
        #[allow(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow")]
        let database = Database::create(path).map_err(|error| match error {
            DatabaseError::Storage(StorageError::Io(error)) if error.kind() == io::ErrorKind::InvalidData => {
                StoreError::Corrupt(named(&error))
            }
            error => failed(error),
        })?;
        if new && let Some(Ok(folder)) = path.parent().map(File::open) {
            // The name of a new file is only safe when its folder is.
            folder.sync_all().map_err(|error| of_io(&error))?;
        }
        EmbeddedStore::prepare(database, Some(lock))
    }

    /// Opens a database on another backend, for tests of what disks do.
    ///
    /// # Errors
    /// As [`EmbeddedStore::open`].
    pub fn with_backend(backend: impl StorageBackend) -> Result<EmbeddedStore, StoreError> {
        let database = Database::builder().create_with_backend(backend).map_err(failed)?;
        EmbeddedStore::prepare(database, None)
    }

    fn prepare(database: Database, lock: Option<File>) -> Result<EmbeddedStore, StoreError> {
        let file = DatabaseFile { database, _lock: lock, poisoned: Mutex::new(None) };
        let write = file.begin()?;
        {
            let mut meta = write.open_table(META).map_err(failed)?;
            let schema = meta.get("schema").map_err(failed)?.map(|schema| schema.value());
            match schema {
                None => drop(meta.insert("schema", SCHEMA).map_err(failed)?),
                Some(SCHEMA) => {}
                Some(other) => {
                    let text = format!("it has schema {other}, this program knows {SCHEMA}");
                    return Err(StoreError::Corrupt(text));
                }
            }
            write.open_table(DOCUMENTS).map_err(failed)?;
        }
        write.commit().map_err(failed)?;
        Ok(EmbeddedStore { feed: Feed::default(), file: Arc::new(file), writing: Mutex::new(()) })
    }
}

impl DatabaseFile {
    fn begin(&self) -> Result<redb::WriteTransaction, StoreError> {
        let mut write = self.database.begin_write().map_err(failed)?;
        write.set_durability(Durability::Immediate).map_err(failed)?;
        write.set_two_phase_commit(true);
        Ok(write)
    }

    fn poisoned(&self) -> MutexGuard<'_, Option<String>> {
        self.poisoned.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn healthy(&self) -> Result<(), StoreError> {
        match &*self.poisoned() {
            Some(text) => Err(StoreError::Poisoned(text.clone())),
            None => Ok(()),
        }
    }

    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        self.healthy()?;
        let read = self.database.begin_read().map_err(failed)?;
        let meta = read.open_table(META).map_err(failed)?;
        let revision = meta.get("revision").map_err(failed)?.map_or(0, |revision| revision.value());
        let documents = read.open_table(DOCUMENTS).map_err(failed)?;
        let mut entries = Vec::new();
        for found in documents.range(prefix..).map_err(failed)? {
            let (key, bytes) = found.map_err(failed)?;
            if !key.value().starts_with(prefix) {
                break;
            }
            entries.push(decode(key.value(), bytes.value())?);
        }
        Ok((revision, entries))
    }
}

impl Store for EmbeddedStore {
    fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        self.file.healthy()?;
        let read = self.file.database.begin_read().map_err(failed)?;
        let documents = read.open_table(DOCUMENTS).map_err(failed)?;
        let found = documents.get(key).map_err(failed)?;
        found.map(|bytes| decode(key, bytes.value())).transpose()
    }

    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        self.file.list(prefix)
    }

    fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        self.file.healthy()?;
        transaction.check()?;
        let _in_order = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let write = self.file.begin()?;
        let mut changes = Vec::new();
        let revision;
        {
            let mut meta = write.open_table(META).map_err(failed)?;
            revision = meta.get("revision").map_err(failed)?.map_or(0, |revision| revision.value()) + 1;
            let mut documents = write.open_table(DOCUMENTS).map_err(failed)?;
            for guard in &transaction.guards {
                let (key, wanted) = match guard {
                    Guard::Absent(key) => (key, None),
                    Guard::ModifiedAt(key, at) => (key, Some(*at)),
                };
                let found = documents.get(key.as_str()).map_err(failed)?;
                let found = found.map(|bytes| decode(key, bytes.value())).transpose()?;
                if found.map(|entry| entry.modified) != wanted {
                    return Ok(Outcome::Conflict(key.clone()));
                }
            }
            for operation in Transaction::effective(transaction.operations) {
                match operation {
                    Operation::Put(key, value) => {
                        let old = documents.get(key.as_str()).map_err(failed)?;
                        let old = old.map(|bytes| decode(&key, bytes.value())).transpose()?;
                        let created = old.map_or(revision, |entry| entry.created);
                        let bytes = encode(&value, created, revision);
                        documents.insert(key.as_str(), bytes.as_slice()).map_err(failed)?;
                        changes.push(Change::Put(Entry { key, value, created, modified: revision }));
                    }
                    Operation::Delete(key) => {
                        if documents.remove(key.as_str()).map_err(failed)?.is_some() {
                            changes.push(Change::Deleted(key));
                        }
                    }
                }
            }
            meta.insert("revision", revision).map_err(failed)?;
        }
        write.commit().map_err(|error| {
            let error = failed(error);
            // Whether it is on the disk is not known now; only opening again tells.
            *self.file.poisoned() = Some(error.to_string());
            self.feed.close();
            error
        })?;
        self.feed.publish(revision, &changes);
        Ok(Outcome::Committed(revision))
    }

    fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        let file = Arc::downgrade(&self.file);
        let list = move |prefix: &str| match file.upgrade() {
            Some(file) => file.list(prefix),
            None => Err(StoreError::Io("it was closed under a watch; open it and watch again".to_owned())),
        };
        Ok(Box::new(self.feed.watch(prefix, after, Box::new(list))?))
    }
}
