//! A store that several nodes write to: every write is guarded by what it was made on.

use std::sync::Arc;

use stead_store::{Guard, Operation, Outcome, Revision, Store, StoreError, Transaction};

use super::{Keeper, Unwritten};

/// The way to a store of several nodes.
pub(crate) struct Shared(pub(crate) Arc<dyn Store>);

/// What became of a write whose end is unknown: the store has settled it before it answers, however long that takes.
fn settled(store: &dyn Store, operations: &[Operation]) -> Result<Option<Revision>, StoreError> {
    let Some(first) = operations.first() else { return Ok(None) };
    loop {
        match store.get(first.key()) {
            Ok(entry) => {
                return Ok(match (first, entry) {
                    (Operation::Put(_, value), Some(entry)) if entry.value == *value => Some(entry.modified),
                    (Operation::Delete(_), None) => Some(store.list(first.key())?.0),
                    (Operation::Put(..) | Operation::Delete(_), _) => None,
                });
            }
            Err(StoreError::Unavailable(_) | StoreError::Unknown(_)) => {}
            Err(error) => return Err(error),
        }
    }
}

impl Keeper for Shared {
    fn commit(&mut self, guards: Vec<Guard>, operations: Vec<Operation>) -> Result<Revision, Unwritten> {
        match self.0.commit(Transaction { guards, operations: operations.clone() }) {
            Ok(Outcome::Committed(revision)) => Ok(revision),
            Ok(Outcome::Conflict(key)) => Err(Unwritten::Conflict(key)),
            Err(StoreError::Unknown(text)) => match settled(&*self.0, &operations) {
                Ok(Some(revision)) => Ok(revision),
                Ok(None) => Err(Unwritten::Failed(StoreError::Unavailable(text))),
                Err(error) => Err(Unwritten::Failed(error)),
            },
            Err(error) => Err(Unwritten::Failed(error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_store::MemoryStore;

    #[test]
    fn what_somebody_else_changed_meanwhile_is_a_conflict_and_stays() {
        let store = Arc::new(MemoryStore::default());
        let mut keeper = Shared(store.clone());
        let put = |value: u64| vec![Operation::Put("group/web".to_owned(), value.into())];
        let first = keeper.commit(vec![Guard::Absent("group/web".to_owned())], put(1)).unwrap();
        let guard = || vec![Guard::ModifiedAt("group/web".to_owned(), first)];
        assert!(keeper.commit(guard(), put(2)).is_ok());
        let late = keeper.commit(guard(), put(3));
        assert_eq!(late, Err(Unwritten::Conflict("group/web".to_owned())));
        assert_eq!(store.get("group/web").unwrap().unwrap().value, 2);
    }
}
