//! What happens between a tree and its keeper: no lock is held, whoever keeps may call back, and at the end every handle
//! of the tree is closed.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};

use crate::common::*;

/// Tells that it was asked, and waits to be let go.
struct Slow {
    asked: Sender<()>,
    go: Mutex<Receiver<()>>,
}

impl Keeper for Slow {
    fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
        self.asked.send(()).unwrap();
        self.go.lock().unwrap().recv().unwrap();
        tree.apply(&changes);
        Ok(())
    }
}

#[test]
fn everything_goes_on_while_a_keeper_waits() {
    let (asked, was_asked) = channel();
    let (go, gone) = channel();
    let tree = Tree::new(Slow { asked, go: Mutex::new(gone) }, [("a".to_owned(), text("old"))]);
    let root = tree.root() as usize;
    let mut batch = 0;
    assert_eq!(unsafe { ClusterRegCreateBatch(root as Key, &raw mut batch) }, 0);
    let (x, data) = (wide("x"), [1u8]);
    unsafe {
        assert_eq!(
            ClusterRegBatchAddCommand(batch, CLUSREG_SET_VALUE, x.as_ptr(), 3, data.as_ptr().cast(), 1),
            0
        );
    }
    let commit = std::thread::spawn(move || unsafe { ClusterRegCloseBatch(batch, 1, std::ptr::null_mut()) });
    was_asked.recv().unwrap();

    // The tree, the batch's handle, other trees and the table of handles are free.
    let parameters = open(root as Key, "Parameters", ALL).unwrap();
    assert_eq!(query(parameters, "a").unwrap().1, text("old").data);
    assert_eq!(unsafe { ClusterRegCloseBatch(batch, 1, std::ptr::null_mut()) } as u32, INVALID_HANDLE);
    let (other, elsewhere) = crate::common::tree();
    assert_eq!(set(elsewhere, "x", 3, &[2]), 0);
    other.close_all();
    assert_eq!(query(root as Key, "x"), Err(FILE_NOT_FOUND), "not kept yet");
    tree.close_all();
    assert_eq!(open(root as Key, "", ALL), Err(INVALID_HANDLE));

    go.send(()).unwrap();
    assert_eq!(commit.join().unwrap(), 0);
    let root = tree.root() as Key;
    assert_eq!(query(root, "x"), Ok((3, vec![1])));
    tree.close_all();
}

/// Uses the same key while it keeps.
struct Curious(Mutex<Option<usize>>);

impl Keeper for Curious {
    fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
        let root = self.0.lock().unwrap().take();
        if let Some(root) = root {
            let key = open(root as Key, "Parameters", ALL).unwrap();
            assert_eq!(set(key, "inner", 3, &[1]), 0);
            assert_eq!(query(key, "inner"), Ok((3, vec![1])));
            assert_eq!(unsafe { ClusterRegCloseKey(key) }, 0);
            assert_ne!(unsafe { CloseCluster(cluster()) }, 0);
        }
        tree.apply(&changes);
        Ok(())
    }
}

#[test]
fn a_keeper_may_call_back() {
    let root = Arc::new(Mutex::new(None));
    struct Shared(Arc<Mutex<Option<Arc<Curious>>>>);
    impl Keeper for Shared {
        fn keep(&self, tree: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
            let curious = self.0.lock().unwrap().clone().unwrap();
            curious.keep(tree, changes)
        }
    }
    let tree = Tree::new(Shared(Arc::clone(&root)), []);
    let handle = tree.root();
    *root.lock().unwrap() = Some(Arc::new(Curious(Mutex::new(Some(handle as usize)))));
    assert_eq!(set(handle as Key, "outer", 3, &[2]), 0);
    assert_eq!(query(handle as Key, "outer"), Ok((3, vec![2])));
    tree.close_all();
}

/// Opens something when it is dropped.
struct Parting;

impl Keeper for Parting {
    fn keep(&self, _: &Arc<Tree>, _: Vec<Change>) -> Result<(), u32> {
        Ok(())
    }
}

impl Drop for Parting {
    fn drop(&mut self) {
        assert_ne!(unsafe { CloseCluster(cluster()) }, 0);
    }
}

#[test]
fn at_the_end_every_handle_of_the_tree_is_closed_and_no_other() {
    let tree = Tree::new(Parting, []);
    let weak = Arc::downgrade(&tree);
    let root = tree.root() as Key;
    let keys: Vec<Key> = (0..100).map(|_| open(root, "Parameters", ALL).unwrap()).collect();
    let batches: Vec<HREGBATCH> = (0..100)
        .map(|_| {
            let mut batch = 0;
            assert_eq!(unsafe { ClusterRegCreateBatch(root, &raw mut batch) }, 0);
            batch
        })
        .collect();
    let (other, elsewhere) = crate::common::tree();
    let resource = resource("app");
    tree.close_all();
    for key in keys.into_iter().chain([root]) {
        assert_eq!(query(key, "x"), Err(INVALID_HANDLE));
    }
    for batch in batches {
        assert_eq!(unsafe { ClusterRegCloseBatch(batch, 1, std::ptr::null_mut()) } as u32, INVALID_HANDLE);
    }
    assert!(open(elsewhere, "Parameters", READ).is_ok());
    assert_ne!(unsafe { CloseClusterResource(resource) }, 0);
    other.close_all();
    // The last one ends outside every lock, whatever it does then.
    drop(tree);
    assert!(weak.upgrade().is_none(), "nothing holds the tree any more");
}

#[test]
fn the_last_handle_may_be_the_end_of_its_tree() {
    let tree = Tree::new(Parting, []);
    let key = open(tree.root() as Key, "", ALL).unwrap();
    let second = Arc::clone(&tree);
    drop(tree);
    second.close_all();
    drop(second);
    assert_eq!(unsafe { ClusterRegCloseKey(key) } as u32, INVALID_HANDLE);
}
