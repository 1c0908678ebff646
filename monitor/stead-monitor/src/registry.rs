//! Keys of the cluster database as resource DLLs see them: a small tree an instance, in memory, filled by the monitor.
//! A handle is index plus generation, so a closed or invented one is refused.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use stead_resapi::{ERROR_FILE_NOT_FOUND, ERROR_INVALID_HANDLE, ERROR_NO_MORE_ITEMS};

/// A value: its `REG_…` number and its bytes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) kind: u32,
    pub(crate) data: Vec<u8>,
}

/// `REG_…` numbers.
pub(crate) mod kind {
    pub(crate) const SZ: u32 = 1;
    pub(crate) const EXPAND_SZ: u32 = 2;
    pub(crate) const BINARY: u32 = 3;
    pub(crate) const DWORD: u32 = 4;
    pub(crate) const MULTI_SZ: u32 = 7;
    pub(crate) const QWORD: u32 = 11;
}

/// The subkey that holds private properties.
pub(crate) const PARAMETERS: &str = "Parameters";

type Values = BTreeMap<String, (String, Stored)>;

/// The keys of one instance, by lower-case path; the root is the empty path.
#[derive(Debug, Default)]
pub(crate) struct Tree(Mutex<BTreeMap<String, Values>>);

#[derive(Debug)]
struct Open {
    tree: Arc<Tree>,
    path: String,
    /// The key given to `Open`, which the DLL does not close.
    root: bool,
}

#[derive(Debug, Default)]
struct Handles {
    slots: Vec<(u32, Option<Open>)>,
    free: Vec<u32>,
}

static HANDLES: Mutex<Handles> = Mutex::new(Handles { slots: Vec::new(), free: Vec::new() });

fn handles() -> std::sync::MutexGuard<'static, Handles> {
    HANDLES.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Handles {
    fn add(&mut self, open: Open) -> u64 {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((1, None));
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.1 = Some(open);
        u64::from(slot.0) << 32 | u64::from(index + 1)
    }

    fn get(&self, handle: u64) -> Option<&Open> {
        let (generation, index) = ((handle >> 32) as u32, (handle as u32).checked_sub(1)?);
        self.slots.get(index as usize).filter(|slot| slot.0 == generation)?.1.as_ref()
    }

    fn remove(&mut self, handle: u64) -> Option<Open> {
        self.get(handle)?;
        let index = (handle as u32).checked_sub(1)?;
        let slot = &mut self.slots[index as usize];
        slot.0 = slot.0.wrapping_add(1).max(1);
        self.free.push(index);
        slot.1.take()
    }
}

impl Tree {
    fn keys(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Values>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A tree with the values of `Parameters`.
    pub(crate) fn new(parameters: impl IntoIterator<Item = (String, Stored)>) -> Arc<Tree> {
        let tree = Tree::default();
        tree.keys().insert(String::new(), Values::new());
        tree.replace_parameters(parameters);
        Arc::new(tree)
    }

    /// Replaces all values of `Parameters`.
    pub(crate) fn replace_parameters(&self, parameters: impl IntoIterator<Item = (String, Stored)>) {
        let values =
            parameters.into_iter().map(|(name, stored)| (name.to_lowercase(), (name, stored))).collect();
        self.keys().insert(PARAMETERS.to_lowercase(), values);
    }

    /// The values of `Parameters`.
    pub(crate) fn parameters(&self) -> Vec<(String, Stored)> {
        let keys = self.keys();
        keys.get(&PARAMETERS.to_lowercase())
            .map(|values| values.values().cloned().collect())
            .unwrap_or_default()
    }

    /// A handle on the root, for `Open`.
    pub(crate) fn root(self: &Arc<Tree>) -> u64 {
        handles().add(Open { tree: Arc::clone(self), path: String::new(), root: true })
    }

    /// Ends the handle on the root, and every handle a DLL forgot to close.
    pub(crate) fn close_all(self: &Arc<Tree>) {
        let mut handles = handles();
        for index in 0..handles.slots.len() {
            let (generation, open) = &handles.slots[index];
            if open.as_ref().is_some_and(|open| Arc::ptr_eq(&open.tree, self)) {
                let handle = u64::from(*generation) << 32 | (index as u64 + 1);
                handles.remove(handle);
            }
        }
    }
}

fn find(handle: u64) -> Result<(Arc<Tree>, String), u32> {
    let handles = handles();
    let open = handles.get(handle).ok_or(ERROR_INVALID_HANDLE)?;
    Ok((Arc::clone(&open.tree), open.path.clone()))
}

/// Opens the key `name` below `handle`; the empty name is the key itself.
pub(crate) fn open(handle: u64, name: &str, create: bool) -> Result<u64, u32> {
    let (tree, mut path) = find(handle)?;
    let name = name.trim_matches('\\').to_lowercase();
    if !name.is_empty() {
        if !path.is_empty() {
            path.push('\\');
        }
        path.push_str(&name);
    }
    {
        let mut keys = tree.keys();
        if !keys.contains_key(&path) {
            if !create {
                return Err(ERROR_FILE_NOT_FOUND);
            }
            keys.insert(path.clone(), Values::new());
        }
    }
    Ok(handles().add(Open { tree, path, root: false }))
}

/// Closes a key. The root stays.
pub(crate) fn close(handle: u64) -> Result<(), u32> {
    let mut handles = handles();
    let root = handles.get(handle).ok_or(ERROR_INVALID_HANDLE)?.root;
    if !root {
        handles.remove(handle);
    }
    Ok(())
}

/// The value with this index, in the order of names.
pub(crate) fn value_at(handle: u64, index: usize) -> Result<(String, Stored), u32> {
    let (tree, path) = find(handle)?;
    let keys = tree.keys();
    keys.get(&path).and_then(|values| values.values().nth(index).cloned()).ok_or(ERROR_NO_MORE_ITEMS)
}

/// The value with this name.
pub(crate) fn value(handle: u64, name: &str) -> Result<Stored, u32> {
    let (tree, path) = find(handle)?;
    let keys = tree.keys();
    let found = keys.get(&path).and_then(|values| values.get(&name.to_lowercase()));
    found.map(|(_, stored)| stored.clone()).ok_or(ERROR_FILE_NOT_FOUND)
}

/// Sets a value.
pub(crate) fn set(handle: u64, name: &str, stored: Stored) -> Result<(), u32> {
    let (tree, path) = find(handle)?;
    tree.keys().entry(path).or_default().insert(name.to_lowercase(), (name.to_owned(), stored));
    Ok(())
}

/// Deletes a value.
pub(crate) fn delete(handle: u64, name: &str) -> Result<(), u32> {
    let (tree, path) = find(handle)?;
    let mut keys = tree.keys();
    let removed = keys.get_mut(&path).and_then(|values| values.remove(&name.to_lowercase()));
    removed.map(|_| ()).ok_or(ERROR_FILE_NOT_FOUND)
}
