//! clusapi/nf-clusapi-clusterregsetvalue, nf-clusapi-clusterregdeletevalue.

use crate::common::*;

#[test]
fn every_kind_of_value_is_kept_as_it_is() {
    let (tree, root) = tree();
    // Kinds nobody knows, bytes that are no text, and text that is no Unicode.
    for (number, data) in [
        (0, vec![]),
        (kind::SZ, vec![0x00, 0xD8, 0, 0]),
        (kind::SZ, vec![1]),
        (kind::DWORD, vec![1, 2, 3]),
        (kind::MULTI_SZ, vec![0x61, 0, 0, 0, 0, 0]),
        (u32::MAX, vec![9; 65_536]),
    ] {
        assert_eq!(set(root, "value", number, &data), 0);
        assert_eq!(query(root, "VALUE"), Ok((number, data)));
    }
    tree.close_all();
}

#[test]
fn too_large_a_value_changes_nothing() {
    let (tree, root) = tree();
    assert_eq!(set(root, "x", kind::BINARY, &[1]), 0);
    assert_eq!(set(root, "x", kind::BINARY, &vec![0; 65_537]), NOT_ENOUGH_QUOTA);
    let data = [0u8; 1];
    unsafe {
        // The size is judged before a byte is read.
        assert_eq!(
            ClusterRegSetValue(root, wide("x").as_ptr(), 3, data.as_ptr(), u32::MAX),
            NOT_ENOUGH_QUOTA
        );
        assert_eq!(ClusterRegSetValue(root, wide("x").as_ptr(), 3, std::ptr::null(), 1), INVALID_PARAMETER);
    }
    assert_eq!(query(root, "x"), Ok((kind::BINARY, vec![1])));
    unsafe {
        assert_eq!(ClusterRegSetValue(root, wide("x").as_ptr(), 3, std::ptr::null(), 0), 0);
    }
    assert_eq!(query(root, "x"), Ok((kind::BINARY, vec![])));
    tree.close_all();
}

#[test]
fn null_and_the_empty_name_are_one_value() {
    let (tree, root) = tree();
    unsafe {
        assert_eq!(ClusterRegSetValue(root, std::ptr::null(), 4, [5u8, 0, 0, 0].as_ptr(), 4), 0);
    }
    assert_eq!(query(root, ""), Ok((4, vec![5, 0, 0, 0])));
    unsafe {
        assert_eq!(ClusterRegDeleteValue(root, std::ptr::null()), 0);
        assert_eq!(ClusterRegDeleteValue(root, std::ptr::null()), FILE_NOT_FOUND);
    }
    tree.close_all();
}

#[test]
fn a_backslash_in_the_name_of_a_value_is_part_of_it() {
    let (tree, root) = tree();
    assert_eq!(set(root, "Parameters\\x", 4, &[1]), 0);
    assert_eq!(query(root, "Parameters\\x"), Ok((4, vec![1])));
    assert_eq!(query(open(root, "Parameters", READ).unwrap(), "x"), Err(FILE_NOT_FOUND));
    tree.close_all();
}

#[test]
fn deleting_takes_the_value_and_nothing_else() {
    let (tree, root) = tree();
    assert_eq!(set(root, "x", 4, &[1]), 0);
    assert_eq!(set(root, "xx", 4, &[2]), 0);
    let reader = open(root, "", READ).unwrap();
    let name = wide("X");
    unsafe {
        assert_eq!(ClusterRegDeleteValue(reader, name.as_ptr()), ACCESS_DENIED);
        assert_eq!(ClusterRegDeleteValue(root, name.as_ptr()), 0);
        assert_eq!(ClusterRegDeleteValue(root, name.as_ptr()), FILE_NOT_FOUND);
    }
    assert_eq!(query(root, "xx"), Ok((4, vec![2])));
    tree.close_all();
}
