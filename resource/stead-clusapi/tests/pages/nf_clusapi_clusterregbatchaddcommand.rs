//! clusapi/nf-clusapi-clusterregcreatebatch, nf-clusapi-clusterregbatchaddcommand, nf-clusapi-clusterregclosebatch.

use std::sync::{Arc, Mutex};

use crate::common::*;

fn begin(key: Key) -> HREGBATCH {
    let mut batch = 0;
    assert_eq!(unsafe { ClusterRegCreateBatch(key, &raw mut batch) }, 0);
    batch
}

fn add(batch: HREGBATCH, command: CLUSTER_REG_COMMAND, name: &str, number: u32, data: &[u8]) -> u32 {
    let (name, size) = (wide(name), data.len() as u32);
    unsafe {
        ClusterRegBatchAddCommand(batch, command, name.as_ptr(), number, data.as_ptr().cast(), size) as u32
    }
}

fn end(batch: HREGBATCH, commit: i32) -> (u32, i32) {
    let mut failed = 77;
    let code = unsafe { ClusterRegCloseBatch(batch, commit, &raw mut failed) };
    (code as u32, failed)
}

#[test]
fn nothing_is_changed_before_the_end_and_everything_then() {
    let (tree, root) = tree();
    assert_eq!(set(root, "old", 4, &[1]), 0);
    create(root, "gone").unwrap();
    let batch = begin(root);
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", kind::BINARY, &[1, 2]), 0);
    assert_eq!(add(batch, CLUSREG_DELETE_VALUE, "old", 0, &[]), 0);
    assert_eq!(add(batch, CLUSREG_DELETE_KEY, "gone", 0, &[]), 0);
    assert_eq!(add(batch, CLUSREG_CREATE_KEY, "a\\b", 0, &[]), 0);
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "y", kind::BINARY, &[3]), 0);
    assert_eq!((query(root, "x"), query(root, "old")), (Err(FILE_NOT_FOUND), Ok((4, vec![1]))));
    assert_eq!(end(batch, 1), (0, -1));
    assert_eq!((query(root, "x"), query(root, "old")), (Ok((3, vec![1, 2])), Err(FILE_NOT_FOUND)));
    assert_eq!(query(open(root, "a\\b", READ).unwrap(), "y"), Ok((3, vec![3])));
    assert_eq!(open(root, "gone", READ), Err(FILE_NOT_FOUND));
    assert_eq!(end(batch, 1).0, INVALID_HANDLE);
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", 3, &[]), INVALID_HANDLE);
    tree.close_all();
}

#[test]
fn a_batch_that_is_given_up_changes_nothing() {
    let (tree, root) = tree();
    let batch = begin(root);
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", 4, &[1]), 0);
    assert_eq!(end(batch, 0), (0, -1));
    assert_eq!(query(root, "x"), Err(FILE_NOT_FOUND));
    assert_eq!(unsafe { ClusterRegCloseBatch(begin(root), 1, std::ptr::null_mut()) }, 0);
    tree.close_all();
}

#[test]
fn wrong_commands_are_refused_and_the_others_stay() {
    let (tree, root) = tree();
    let batch = begin(root);
    for command in [CLUSREG_COMMAND_NONE, 5, 20, -1, i32::MAX] {
        assert_eq!(add(batch, command, "x", 4, &[1]), INVALID_PARAMETER, "{command}");
    }
    for nothing in ["", "\\", "\\\\"] {
        assert_eq!(add(batch, CLUSREG_DELETE_KEY, nothing, 0, &[]), INVALID_PARAMETER, "{nothing:?}");
    }
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", 3, &vec![0; 65_537]), NOT_ENOUGH_QUOTA);
    assert_eq!(add(batch, CLUSREG_CREATE_KEY, &"n".repeat(256), 0, &[]), INVALID_PARAMETER);
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", 4, &[1]), 0);
    assert_eq!(end(batch, 1), (0, -1));
    assert_eq!(query(root, "x"), Ok((4, vec![1])));
    assert!(open(root, "Parameters", READ).is_ok(), "the key itself is there");
    let reader = open(root, "", READ).unwrap();
    let mut batch = 7;
    unsafe {
        assert_eq!(ClusterRegCreateBatch(reader, &raw mut batch) as u32, ACCESS_DENIED);
        assert_eq!(ClusterRegCreateBatch(root, std::ptr::null_mut()) as u32, INVALID_PARAMETER);
        assert_eq!(ClusterRegCreateBatch(std::ptr::null_mut(), &raw mut batch) as u32, INVALID_HANDLE);
    }
    assert_eq!(batch, 7);
    tree.close_all();
}

#[test]
fn paths_with_empty_names_are_those_without_them() {
    let (tree, root) = tree();
    let (key, _) = create(root, "k").unwrap();
    let batch = begin(key);
    assert_eq!(add(batch, CLUSREG_CREATE_KEY, "\\a\\\\b\\", 0, &[]), 0);
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", 4, &[1]), 0);
    assert_eq!(end(batch, 1), (0, -1));
    assert_eq!(query(open(root, "k\\a\\b", READ).unwrap(), "x"), Ok((4, vec![1])));
    let batch = begin(key);
    assert_eq!(add(batch, CLUSREG_DELETE_KEY, "a\\\\b", 0, &[]), 0);
    assert_eq!(end(batch, 1), (0, -1));
    assert_eq!(open(root, "k\\a\\b", READ), Err(FILE_NOT_FOUND));
    assert!(open(root, "k\\a", READ).is_ok());
    tree.close_all();
}

#[test]
fn a_batch_has_an_end() {
    let (tree, root) = tree();
    let batch = begin(root);
    for _ in 0..1_024 {
        assert_eq!(add(batch, CLUSREG_SET_VALUE, "x", 4, &[1]), 0);
    }
    assert_eq!(add(batch, CLUSREG_SET_VALUE, "y", 4, &[1]), INVALID_PARAMETER);
    assert_eq!(end(batch, 1), (0, -1));
    assert_eq!((query(root, "x"), query(root, "y")), (Ok((4, vec![1])), Err(FILE_NOT_FOUND)));
    tree.close_all();
}

/// Takes what it is given, and keeps none of it.
struct Refusing(Arc<Mutex<Vec<usize>>>);

impl Keeper for Refusing {
    fn keep(&self, _: &Arc<Tree>, changes: Vec<Change>) -> Result<(), u32> {
        self.0.lock().unwrap().push(changes.len());
        Err(112)
    }
}

#[test]
fn a_batch_goes_as_one_and_fails_as_one() {
    let asked = Arc::new(Mutex::new(Vec::new()));
    let tree = Tree::new(Refusing(Arc::clone(&asked)), []);
    let root = tree.root() as Key;
    let batch = begin(root);
    for name in ["x", "y", "z"] {
        assert_eq!(add(batch, CLUSREG_SET_VALUE, name, 4, &[1]), 0);
    }
    assert_eq!(end(batch, 1), (112, 0));
    assert_eq!(*asked.lock().unwrap(), [3]);
    assert_eq!(query(root, "x"), Err(FILE_NOT_FOUND));
    tree.close_all();
}
