//! Keys and values of the cluster database, as one resource sees them.
//!
//! A tree is in memory. What a resource DLL changes goes to the tree's [`Keeper`] first, and into the tree when that
//! has it safe.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stead_resapi::{ERROR_FILE_NOT_FOUND, ERROR_NO_MORE_ITEMS};

use crate::handles::{self, Object};
use crate::keys::OpenKey;

/// A value: its `REG_…` number and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    /// One of [`kind`], or any other number.
    pub kind: u32,
    /// The bytes; texts are UTF-16 with their NULs.
    pub data: Vec<u8>,
}

/// `REG_…` numbers.
pub mod kind {
    /// Text.
    pub const SZ: u32 = 1;
    /// Text with environment variables in it.
    pub const EXPAND_SZ: u32 = 2;
    /// Bytes.
    pub const BINARY: u32 = 3;
    /// 32 bits.
    pub const DWORD: u32 = 4;
    /// Several texts.
    pub const MULTI_SZ: u32 = 7;
    /// 64 bits.
    pub const QWORD: u32 = 11;
}

/// The subkey that holds private properties.
pub const PARAMETERS: &str = "Parameters";

/// `ERROR_KEY_DELETED`.
pub(crate) const KEY_DELETED: u32 = 1018;

/// One change of a tree. Paths are relative to the resource's key, with `\` between names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// Makes a key, and those above it.
    CreateKey {
        /// The key.
        path: String,
    },
    /// Deletes a key and what is below it.
    DeleteKey {
        /// The key.
        path: String,
    },
    /// Sets a value.
    Set {
        /// The key.
        path: String,
        /// The value's name.
        name: String,
        /// The value.
        value: Stored,
    },
    /// Deletes a value.
    Delete {
        /// The key.
        path: String,
        /// The value's name.
        name: String,
    },
}

/// Keeps what resource DLLs change.
pub trait Keeper: Send + Sync {
    /// Makes `changes` safe, all or none, and then calls [`Tree::apply`] with them.
    ///
    /// # Errors
    /// Windows' code; then nothing has changed.
    fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32>;
}

/// Keeps in memory only.
#[derive(Clone, Copy, Debug, Default)]
pub struct InMemory;

impl Keeper for InMemory {
    fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
        tree.apply(&changes);
        Ok(())
    }
}

#[derive(Debug, Default)]
struct Key {
    /// As written by whoever made it.
    path: String,
    /// By lower-case name.
    values: BTreeMap<String, (String, Stored)>,
}

/// The keys of one resource; the root is the empty path.
pub struct Tree {
    /// By lower-case path.
    keys: Mutex<BTreeMap<String, Key>>,
    keeper: Box<dyn Keeper>,
}

impl fmt::Debug for Tree {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tree").field("keys", &self.keys).finish_non_exhaustive()
    }
}

/// A path as it is looked up.
fn folded(path: &str) -> String {
    path.to_lowercase()
}

impl Tree {
    /// A tree with the values of `Parameters`, whose changes go to `keeper`.
    #[must_use]
    pub fn new(
        keeper: impl Keeper + 'static,
        parameters: impl IntoIterator<Item = (String, Stored)>,
    ) -> Arc<Tree> {
        let tree = Tree { keys: Mutex::default(), keeper: Box::new(keeper) };
        tree.keys().insert(String::new(), Key::default());
        tree.replace_parameters(parameters, &[]);
        Arc::new(tree)
    }

    /// A tree without the key `Parameters`, as a resource has that was never given any.
    #[must_use]
    pub fn bare(keeper: impl Keeper + 'static) -> Arc<Tree> {
        let tree = Tree { keys: Mutex::default(), keeper: Box::new(keeper) };
        tree.keys().insert(String::new(), Key::default());
        Arc::new(tree)
    }

    fn keys(&self) -> MutexGuard<'_, BTreeMap<String, Key>> {
        self.keys.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Replaces all values of `Parameters` and makes `changes`, without asking the keeper. Nobody sees the one without
    /// the other.
    pub fn replace_parameters(
        &self,
        parameters: impl IntoIterator<Item = (String, Stored)>,
        changes: &[Change],
    ) {
        let values =
            parameters.into_iter().map(|(name, stored)| (name.to_lowercase(), (name, stored))).collect();
        let mut keys = self.keys();
        keys.insert(folded(PARAMETERS), Key { path: PARAMETERS.to_owned(), values });
        make(&mut keys, changes);
    }

    /// The values of `Parameters`.
    #[must_use]
    pub fn parameters(&self) -> Vec<(String, Stored)> {
        self.values(PARAMETERS).unwrap_or_default()
    }

    /// A handle on the root, for `Open`: the resource DLL may do everything with it but close it.
    #[must_use]
    pub fn root(self: &Arc<Tree>) -> u64 {
        handles::add(Object::Key(OpenKey {
            tree: Arc::clone(self),
            path: String::new(),
            root: true,
            write: true,
        }))
    }

    /// Ends the handle on the root, and every handle a resource DLL forgot to close: keys, and batches, of which nothing
    /// is made then.
    pub fn close_all(self: &Arc<Tree>) {
        handles::close_all(|object| match object {
            Object::Key(key) => Arc::ptr_eq(&key.tree, self),
            Object::Batch(batch) => Arc::ptr_eq(&batch.root.tree, self),
            Object::Cluster
            | Object::Resource(_)
            | Object::Group(_)
            | Object::Node(_)
            | Object::Enumeration(..) => false,
        });
    }

    /// Changes the tree itself, without asking the keeper. What is there already stays as it is.
    pub fn apply(&self, changes: &[Change]) {
        make(&mut self.keys(), changes);
    }

    /// Has the keeper make changes. It is asked even if nothing would change here: what was not answered in time may
    /// yet be made, and must not come behind a change that was acknowledged.
    ///
    /// # Errors
    /// What the keeper says.
    pub fn change(self: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
        if changes.is_empty() { Ok(()) } else { self.keeper.keep(self, changes) }
    }

    /// True if there is a key of this path.
    pub(crate) fn has(&self, path: &str) -> bool {
        self.keys().contains_key(&folded(path))
    }

    /// The names right below a key, in order.
    ///
    /// # Errors
    /// 1018 if the key is gone.
    pub(crate) fn subkeys(&self, path: &str) -> Result<Vec<String>, u32> {
        let keys = self.keys();
        let path = folded(path);
        if !keys.contains_key(&path) {
            return Err(KEY_DELETED);
        }
        let below = if path.is_empty() { String::new() } else { format!("{path}\\") };
        let names = keys.iter().filter_map(|(key, found)| {
            let rest = key.strip_prefix(&below)?;
            let direct = !rest.is_empty() && !rest.contains('\\');
            direct.then(|| found.path.rsplit('\\').next().unwrap_or_default().to_owned())
        });
        Ok(names.collect())
    }

    /// The values of a key, in the order of their names.
    ///
    /// # Errors
    /// 1018 if the key is gone.
    pub(crate) fn values(&self, path: &str) -> Result<Vec<(String, Stored)>, u32> {
        let keys = self.keys();
        let key = keys.get(&folded(path)).ok_or(KEY_DELETED)?;
        Ok(key.values.values().cloned().collect())
    }

    /// The value with this index.
    ///
    /// # Errors
    /// 259 behind the last one, 1018 if the key is gone.
    pub(crate) fn value_at(&self, path: &str, index: u32) -> Result<(String, Stored), u32> {
        let keys = self.keys();
        let key = keys.get(&folded(path)).ok_or(KEY_DELETED)?;
        key.values.values().nth(index as usize).cloned().ok_or(ERROR_NO_MORE_ITEMS)
    }

    /// The value with this name.
    ///
    /// # Errors
    /// 2 if there is none, 1018 if the key is gone.
    pub(crate) fn value(&self, path: &str, name: &str) -> Result<Stored, u32> {
        let keys = self.keys();
        let key = keys.get(&folded(path)).ok_or(KEY_DELETED)?;
        key.values.get(&name.to_lowercase()).map(|(_, stored)| stored.clone()).ok_or(ERROR_FILE_NOT_FOUND)
    }
}

fn make(keys: &mut BTreeMap<String, Key>, changes: &[Change]) {
    for change in changes {
        match change {
            Change::CreateKey { path } => create(keys, path),
            Change::DeleteKey { path } => {
                let (path, below) = (folded(path), format!("{}\\", folded(path)));
                keys.retain(|key, _| *key != path && !key.starts_with(&below));
            }
            Change::Set { path, name, value } => {
                create(keys, path);
                if let Some(key) = keys.get_mut(&folded(path)) {
                    key.values.insert(name.to_lowercase(), (name.clone(), value.clone()));
                }
            }
            Change::Delete { path, name } => {
                if let Some(key) = keys.get_mut(&folded(path)) {
                    key.values.remove(&name.to_lowercase());
                }
            }
        }
    }
}

fn create(keys: &mut BTreeMap<String, Key>, path: &str) {
    let mut made = String::new();
    for name in path.split('\\').filter(|name| !name.is_empty()) {
        if !made.is_empty() {
            made.push('\\');
        }
        made.push_str(name);
        keys.entry(folded(&made)).or_insert_with(|| Key { path: made.clone(), values: BTreeMap::new() });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dword(number: u32) -> Stored {
        Stored { kind: kind::DWORD, data: number.to_le_bytes().to_vec() }
    }

    fn set(path: &str, name: &str, number: u32) -> Change {
        Change::Set { path: path.to_owned(), name: name.to_owned(), value: dword(number) }
    }

    #[test]
    fn paths_and_names_are_compared_without_regard_to_case() {
        let tree = Tree::new(InMemory, [("Port".to_owned(), dword(1))]);
        tree.change(vec![set("A\\b", "X", 7)]).unwrap();
        assert_eq!(tree.value("a\\B", "x"), Ok(dword(7)));
        assert_eq!(tree.subkeys(""), Ok(vec!["A".to_owned(), "Parameters".to_owned()]));
        assert_eq!(tree.subkeys("a"), Ok(vec!["b".to_owned()]));
        assert_eq!(tree.value("parameters", "PORT"), Ok(dword(1)));
    }

    #[test]
    fn a_deleted_key_takes_what_is_below_it_and_nothing_beside_it() {
        let tree = Tree::new(InMemory, []);
        tree.apply(&[set("A\\B", "x", 1), set("AB", "y", 2)]);
        tree.apply(&[Change::DeleteKey { path: "a".to_owned() }]);
        assert_eq!(tree.value("A\\B", "x"), Err(KEY_DELETED));
        assert_eq!(tree.value("AB", "y"), Ok(dword(2)));
    }

    #[derive(Default)]
    struct Counting(Arc<Mutex<Vec<Vec<Change>>>>);

    impl Keeper for Counting {
        fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
            self.0.lock().unwrap().push(changes.clone());
            if changes.iter().any(|change| matches!(change, Change::Set { name, .. } if name == "refused")) {
                return Err(112);
            }
            tree.apply(&changes);
            Ok(())
        }
    }

    #[test]
    fn the_keeper_is_always_asked_and_what_is_not_kept_is_not_changed() {
        let kept = Arc::new(Mutex::new(Vec::new()));
        let tree = Tree::new(Counting(Arc::clone(&kept)), [("a".to_owned(), dword(1))]);
        // It is so already, as far as this tree knows.
        tree.change(vec![set(PARAMETERS, "A", 1)]).unwrap();
        tree.change(vec![]).unwrap();
        assert_eq!(kept.lock().unwrap().len(), 1);
        assert_eq!(tree.change(vec![set(PARAMETERS, "refused", 1)]), Err(112));
        assert_eq!(tree.value(PARAMETERS, "refused"), Err(2));
        tree.change(vec![set(PARAMETERS, "a", 2), set(PARAMETERS, "a", 1)]).unwrap();
        assert_eq!(kept.lock().unwrap().last().map(Vec::len), Some(2));
    }
}
