use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::{Entry, Guard, Operation, Outcome, Revision, Store, StoreError, Transaction};

/// A store in memory, for tests.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<(Revision, BTreeMap<String, Entry>)>);

impl MemoryStore {
    fn lock(&self) -> MutexGuard<'_, (Revision, BTreeMap<String, Entry>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Store for MemoryStore {
    fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        Ok(self.lock().1.get(key).cloned())
    }

    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        let store = self.lock();
        let found = store.1.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Ok((store.0, found.map(|(_, entry)| entry.clone()).collect()))
    }

    fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        transaction.check()?;
        let mut store = self.lock();
        for guard in &transaction.guards {
            let (key, holds) = match guard {
                Guard::Absent(key) => (key, !store.1.contains_key(key)),
                Guard::ModifiedAt(key, at) => {
                    (key, store.1.get(key).is_some_and(|entry| entry.modified == *at))
                }
            };
            if !holds {
                return Ok(Outcome::Conflict(key.clone()));
            }
        }
        store.0 += 1;
        let revision = store.0;
        for operation in Transaction::effective(transaction.operations) {
            match operation {
                Operation::Put(key, value) => {
                    let created = store.1.get(&key).map_or(revision, |entry| entry.created);
                    let entry = Entry { key: key.clone(), value, created, modified: revision };
                    store.1.insert(key, entry);
                }
                Operation::Delete(key) => drop(store.1.remove(&key)),
            }
        }
        Ok(Outcome::Committed(revision))
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
