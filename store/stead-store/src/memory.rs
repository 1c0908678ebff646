use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::{
    Change, Entry, Feed, Guard, Operation, Outcome, Revision, Store, StoreError, Transaction, Watch,
};

#[derive(Debug, Default)]
struct Documents {
    revision: Revision,
    entries: BTreeMap<String, Entry>,
}

impl Documents {
    fn list(&self, prefix: &str) -> (Revision, Vec<Entry>) {
        let found = self.entries.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        (self.revision, found.map(|(_, entry)| entry.clone()).collect())
    }
}

/// A store in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryStore {
    documents: Arc<Mutex<Documents>>,
    feed: Feed,
}

fn lock(documents: &Mutex<Documents>) -> MutexGuard<'_, Documents> {
    documents.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        Ok(lock(&self.documents).entries.get(key).cloned())
    }

    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        Ok(lock(&self.documents).list(prefix))
    }

    fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        transaction.check()?;
        let mut documents = lock(&self.documents);
        for guard in &transaction.guards {
            let holds = match guard {
                Guard::Absent(key) => !documents.entries.contains_key(key),
                Guard::ModifiedAt(key, at) => {
                    documents.entries.get(key).is_some_and(|entry| entry.modified == *at)
                }
            };
            if !holds {
                return Ok(Outcome::Conflict(guard.key().to_owned()));
            }
        }
        documents.revision += 1;
        let revision = documents.revision;
        let mut changes = Vec::new();
        for operation in Transaction::effective(transaction.operations) {
            match operation {
                Operation::Put(key, value) => {
                    let created = documents.entries.get(&key).map_or(revision, |entry| entry.created);
                    let entry = Entry { key: key.clone(), value, created, modified: revision };
                    changes.push(Change::Put(entry.clone()));
                    documents.entries.insert(key, entry);
                }
                Operation::Delete(key) => {
                    if documents.entries.remove(&key).is_some() {
                        changes.push(Change::Deleted(key));
                    }
                }
            }
        }
        // Still locked, so that watches hear of revisions in their order.
        self.feed.publish(revision, &changes);
        Ok(Outcome::Committed(revision))
    }

    fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        let documents = Arc::clone(&self.documents);
        let list = move |prefix: &str| Ok(lock(&documents).list(prefix));
        Ok(Box::new(self.feed.watch(prefix, after, Box::new(list))?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conforms() {
        crate::conformance::run(&|| Box::new(MemoryStore::default()));
    }
}
