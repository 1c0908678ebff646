//! clusapi/nf-clusapi-clusterregdeletekey, nf-clusapi-clusterregenumkey, nf-clusapi-clusterregqueryinfokey.

use crate::common::*;

fn delete(key: Key, name: &str) -> u32 {
    unsafe { ClusterRegDeleteKey(key, wide(name).as_ptr()) as u32 }
}

fn names(key: Key) -> Vec<String> {
    let mut names = Vec::new();
    loop {
        let (mut name, mut units, mut written) = ([0; 64], 64, unsafe { std::mem::zeroed() });
        let index = names.len() as u32;
        match unsafe { ClusterRegEnumKey(key, index, name.as_mut_ptr(), &raw mut units, &raw mut written) } {
            0 => {
                assert_eq!(narrow(&name).len(), units as usize);
                names.push(narrow(&name));
            }
            code => {
                assert_eq!(code as u32, NO_MORE_ITEMS);
                return names;
            }
        }
    }
}

#[test]
fn a_key_with_keys_below_it_is_not_deleted() {
    let (tree, root) = tree();
    create(root, "a\\b").unwrap();
    assert_eq!(delete(root, "a"), ACCESS_DENIED);
    assert_eq!(delete(root, "a\\b"), 0);
    assert_eq!(delete(root, "A"), 0);
    assert_eq!(delete(root, "a"), FILE_NOT_FOUND);
    for nothing in ["", "\\", "\\\\"] {
        assert_eq!(delete(root, nothing), INVALID_PARAMETER);
    }
    assert_eq!(unsafe { ClusterRegDeleteKey(root, std::ptr::null()) as u32 }, INVALID_PARAMETER);
    assert_eq!(delete(open(root, "", READ).unwrap(), "Parameters"), ACCESS_DENIED);
    assert_eq!(names(root), ["Parameters"]);
    tree.close_all();
}

#[test]
fn everything_with_a_deleted_key_fails() {
    let (tree, root) = tree();
    let (key, _) = create(root, "a").unwrap();
    assert_eq!(set(key, "x", 4, &[1]), 0);
    assert_eq!(delete(root, "a"), 0);
    assert_eq!(set(key, "x", 4, &[1]), KEY_DELETED);
    assert_eq!(query(key, "x"), Err(KEY_DELETED));
    assert_eq!(open(key, "", ALL), Err(KEY_DELETED));
    let null: Key = std::ptr::null_mut();
    unsafe {
        assert_eq!(ClusterRegDeleteValue(key, wide("x").as_ptr()), KEY_DELETED);
        let none = std::ptr::null();
        assert_eq!(
            ClusterRegQueryInfoKey(key, none, none, none, none, none, none, none.cast()) as u32,
            KEY_DELETED
        );
        let (mut name, mut units) = ([0; 8], 8);
        assert_eq!(
            ClusterRegEnumKey(key, 0, name.as_mut_ptr(), &raw mut units, null.cast()) as u32,
            KEY_DELETED
        );
        assert_eq!(ClusterRegCloseKey(key), 0, "the handle is there all the same");
    }
    assert_eq!(names(root), ["Parameters"], "nothing has come back");
    tree.close_all();
}

#[test]
fn names_come_in_order_and_too_little_room_is_told() {
    let (tree, root) = tree();
    for name in ["b", "B\\inner", "ccc"] {
        create(root, name).unwrap();
    }
    assert_eq!(names(root), ["b", "ccc", "Parameters"]);
    for (room, expected) in [(0, MORE_DATA), (3, MORE_DATA), (4, 0), (u32::MAX, 0)] {
        let edge = Edge::new(8);
        let mut units = room;
        let code = unsafe { ClusterRegEnumKey(root, 1, edge.at(), &raw mut units, std::ptr::null_mut()) };
        assert_eq!((code as u32, units), (expected, 3), "{room}");
        assert!(edge.before().iter().all(|byte| *byte == FILL));
        assert_eq!(edge.bytes().iter().all(|byte| *byte == FILL), expected != 0, "{room}");
    }
    let null: Key = std::ptr::null_mut();
    let (mut name, mut units) = ([0; 8], 8);
    unsafe {
        assert_eq!(
            ClusterRegEnumKey(root, 0, null.cast(), &raw mut units, null.cast()) as u32,
            INVALID_PARAMETER
        );
        assert_eq!(
            ClusterRegEnumKey(root, 0, name.as_mut_ptr(), null.cast(), null.cast()) as u32,
            INVALID_PARAMETER
        );
    }
    tree.close_all();
}

#[test]
fn sizes_are_those_that_buffers_need() {
    let (tree, root) = tree();
    let (key, _) = create(root, "k").unwrap();
    create(key, "one").unwrap();
    create(key, "three").unwrap();
    assert_eq!(set(key, "ab", kind::BINARY, &[0; 7]), 0);
    assert_eq!(set(key, "abcd", kind::BINARY, &[0; 3]), 0);
    let mut told = [u32::MAX; 6];
    let mut written = windows_sys::Win32::Foundation::FILETIME { dwLowDateTime: 1, dwHighDateTime: 1 };
    let at = told.as_mut_ptr();
    unsafe {
        let code = ClusterRegQueryInfoKey(
            key,
            at,
            at.add(1),
            at.add(2),
            at.add(3),
            at.add(4),
            at.add(5),
            &raw mut written,
        );
        assert_eq!(code, 0);
        let none = std::ptr::null();
        assert_eq!(ClusterRegQueryInfoKey(key, none, none, none, none, none, none, none.cast()), 0);
    }
    assert_eq!(told, [2, 5, 2, 4, 7, 0]);
    assert_eq!((written.dwLowDateTime, written.dwHighDateTime), (0, 0));
    tree.close_all();
}
