//! A store that is opened again after a failure, such as a full disk, and then asked what became of the write.

use stead_store::{Guard, Operation, Outcome, Revision, Store, StoreError, Transaction};

use super::{Keeper, Unwritten};

/// Opens the store.
pub(crate) type Open = Box<dyn Fn() -> Result<Box<dyn Store>, StoreError> + Send>;

/// The store, closed while it cannot be opened.
pub(crate) struct Reopening {
    store: Option<Box<dyn Store>>,
    open: Open,
    /// A write whose end is unknown was told as refused: if it turns out to have happened, this undoes it.
    undo: Vec<Operation>,
}

fn commit(store: &dyn Store, operations: Vec<Operation>) -> Result<Revision, StoreError> {
    // The store is locked by this process, which is the only writer: there is nothing to guard against.
    match store.commit(Transaction { guards: Vec::<Guard>::new(), operations })? {
        Outcome::Committed(revision) => Ok(revision),
        Outcome::Conflict(key) => {
            Err(StoreError::Corrupt(format!("a write without guards met a conflict at {key}")))
        }
    }
}

/// What would bring back what is stored now.
fn opposite(store: &dyn Store, operations: &[Operation]) -> Result<Vec<Operation>, StoreError> {
    let before = |operation: &Operation| match operation {
        Operation::Put(key, _) | Operation::Delete(key) => Ok(match store.get(key)? {
            Some(entry) => Operation::Put(key.clone(), entry.value),
            None => Operation::Delete(key.clone()),
        }),
    };
    operations.iter().map(before).collect()
}

/// True if everything is stored as these operations leave it.
fn happened(store: &dyn Store, operations: &[Operation]) -> Result<bool, StoreError> {
    for operation in operations {
        let as_written = match operation {
            Operation::Put(key, value) => store.get(key)?.is_some_and(|entry| entry.value == *value),
            Operation::Delete(key) => store.get(key)?.is_none(),
        };
        if !as_written {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Reopening {
    /// Takes an open store, and how to open it again.
    pub(crate) fn new(store: Box<dyn Store>, open: Open) -> Self {
        Reopening { store: Some(store), open, undo: Vec::new() }
    }

    /// The open store, with nothing in it that was told as refused.
    fn get(&mut self) -> Result<&dyn Store, StoreError> {
        if self.store.is_none() {
            let store = (self.open)()?;
            if !self.undo.is_empty() {
                commit(&*store, self.undo.clone())?;
                self.undo.clear();
            }
            tracing::info!("the cluster database is open again");
            self.store = Some(store);
        }
        self.store.as_deref().ok_or_else(|| StoreError::Io("it is not open".to_owned()))
    }

    fn write(&mut self, operations: Vec<Operation>) -> Result<Revision, StoreError> {
        let store = self.get()?;
        let undo = opposite(store, &operations)?;
        let error = match commit(store, operations.clone()) {
            Ok(revision) => return Ok(revision),
            Err(error) => error,
        };
        if let StoreError::BadKey(_) = error {
            return Err(error);
        }
        // How it ended is unknown: opened again, the store tells. Closing it first frees its lock.
        self.store = None;
        self.undo = undo;
        let told = (self.open)().and_then(|store| happened(&*store, &operations).map(|yes| (store, yes)));
        match told {
            Ok((store, yes)) => {
                self.store = Some(store);
                self.undo.clear();
                // Nobody else writes: the revision is the last one there is.
                if yes { self.get()?.list("group/").map(|(revision, _)| revision) } else { Err(error) }
            }
            Err(_) => Err(error),
        }
    }
}

impl Keeper for Reopening {
    fn commit(&mut self, _: Vec<Guard>, operations: Vec<Operation>) -> Result<Revision, Unwritten> {
        self.write(operations).map_err(Unwritten::Failed)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    use stead_store::{Entry, MemoryStore, Revision, Watch};

    use super::*;

    /// A store that outlives its openings.
    #[derive(Clone)]
    struct Shared(Arc<MemoryStore>);

    impl Store for Shared {
        fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
            self.0.get(key)
        }

        fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
            self.0.list(prefix)
        }

        fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
            self.0.commit(transaction)
        }

        fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
            self.0.watch(prefix, after)
        }
    }

    /// A store whose commits fail, after they happened or before.
    struct Failing(Shared, bool);

    impl Store for Failing {
        fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
            self.0.get(key)
        }

        fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
            self.0.list(prefix)
        }

        fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
            if self.1 {
                self.0.commit(transaction)?;
            }
            Err(StoreError::NoSpace("full".to_owned()))
        }

        fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
            self.0.watch(prefix, after)
        }
    }

    fn put(value: u64) -> Vec<Operation> {
        vec![Operation::Put("group/web".to_owned(), value.into())]
    }

    #[test]
    fn after_a_failure_the_store_itself_tells_what_became_of_the_write() {
        for happens in [true, false] {
            let shared = Shared(Arc::default());
            let again = shared.clone();
            let failing = Box::new(Failing(shared.clone(), happens));
            let mut store = Reopening::new(failing, Box::new(move || Ok(Box::new(again.clone()))));
            assert_eq!(store.write(put(1)).is_ok(), happens);
            assert_eq!(shared.get("group/web").unwrap().is_some(), happens);
            assert!(store.write(put(2)).is_ok(), "the next one goes to the store opened again");
        }
    }

    #[test]
    fn what_was_told_as_refused_is_undone_when_the_store_is_back() {
        let shared = Shared(Arc::default());
        shared.commit(Transaction { guards: vec![], operations: put(7) }).unwrap();
        let (again, full) = (shared.clone(), Arc::new(AtomicBool::new(true)));
        let still = full.clone();
        let open: Open = Box::new(move || {
            if still.load(Ordering::Relaxed) {
                return Err(StoreError::NoSpace("still full".to_owned()));
            }
            Ok(Box::new(again.clone()))
        });
        let mut store = Reopening::new(Box::new(Failing(shared.clone(), true)), open);
        assert!(store.write(put(1)).is_err(), "it happened, but nobody can tell");
        assert!(store.write(put(2)).is_err());
        full.store(false, Ordering::Relaxed);
        store.write(vec![Operation::Put("group/other".to_owned(), 3.into())]).unwrap();
        assert_eq!(shared.get("group/web").unwrap().unwrap().value, 7);
    }
}
