//! clusapi/nf-clusapi-clusterregcreatekey, nf-clusapi-clusterregopenkey, nf-clusapi-clusterregclosekey.

use crate::common::*;

#[test]
fn a_key_is_made_once_and_opened_then() {
    let (tree, root) = tree();
    let (first, new) = create(root, "a\\b").unwrap();
    let (second, old) = create(root, "A\\B").unwrap();
    assert_eq!((new, old), (1, 2));
    assert_ne!(first, second);
    assert_eq!(set(first, "x", kind::DWORD, &[1, 0, 0, 0]), 0);
    assert_eq!(query(second, "X"), Ok((kind::DWORD, vec![1, 0, 0, 0])));
    assert_eq!(query(open(root, "a", READ).unwrap(), "x"), Err(FILE_NOT_FOUND));
    tree.close_all();
}

#[test]
fn what_cannot_be_opened_or_made_is_told() {
    let (tree, root) = tree();
    assert_eq!(open(root, "nothing", ALL), Err(FILE_NOT_FOUND));
    assert_eq!(open(std::ptr::null_mut(), "", ALL), Err(INVALID_HANDLE));
    let parameters = open(root, "Parameters", READ).unwrap();
    assert_eq!(create(parameters, "below"), Err(ACCESS_DENIED));
    let null: Key = std::ptr::null_mut();
    let name = wide("Parameters");
    unsafe {
        assert_eq!(ClusterRegOpenKey(root, name.as_ptr(), ALL, null.cast()) as u32, INVALID_PARAMETER);
        let (mut out, none): (Key, _) = (null, std::ptr::null());
        let made = ClusterRegCreateKey(root, null.cast(), 0, ALL, none, &raw mut out, null.cast());
        assert_eq!(made as u32, INVALID_PARAMETER);
        // The disposition is optional; an existing key may be opened by whoever only reads.
        let made =
            ClusterRegCreateKey(parameters, wide("").as_ptr(), 0, READ, none, &raw mut out, null.cast());
        assert_eq!(made, 0);
    }
    tree.close_all();
}

#[test]
fn only_documented_rights_allow_changes() {
    let (tree, root) = tree();
    for access in [0, 0x1, 0x8, 0x10, READ, 0x8000_0000, 0x2000_0000] {
        let key = open(root, "Parameters", access).unwrap();
        assert_eq!(set(key, "x", 4, &[0; 4]), ACCESS_DENIED, "{access:#x}");
        assert_eq!(query(key, "x"), Err(FILE_NOT_FOUND), "{access:#x}");
    }
    for access in [0x2, ALL, 0x20006, 0x0200_0000, 0x1000_0000, 0x4000_0000] {
        let key = open(root, "Parameters", access).unwrap();
        assert_eq!(set(key, "x", 4, &[0; 4]), 0, "{access:#x}");
        assert_eq!(unsafe { ClusterRegDeleteValue(key, wide("x").as_ptr()) }, 0);
    }
    tree.close_all();
}

#[test]
fn a_closed_key_is_no_key_and_the_key_of_open_stays() {
    let (tree, root) = tree();
    let key = open(root, "Parameters", ALL).unwrap();
    unsafe {
        assert_eq!(ClusterRegCloseKey(key), 0);
        assert_eq!(ClusterRegCloseKey(key) as u32, INVALID_HANDLE);
        assert_eq!(ClusterRegCloseKey(root), 0);
    }
    assert_eq!(set(key, "x", 4, &[0; 4]), INVALID_HANDLE);
    assert!(open(root, "", ALL).is_ok());
    tree.close_all();
    assert_eq!(open(root, "", ALL), Err(INVALID_HANDLE));
}

#[test]
fn names_have_the_limits_of_a_registry() {
    let (tree, root) = tree();
    let long = "n".repeat(255);
    assert!(create(root, &long).is_ok());
    assert_eq!(create(root, &format!("{long}n")), Err(INVALID_PARAMETER));
    assert_eq!(create(root, &format!("a\\{long}n\\b")), Err(INVALID_PARAMETER));
    assert_eq!(open(root, "a", READ), Err(FILE_NOT_FOUND), "nothing was made on the way");
    assert!(create(root, &["d"; 512].join("\\")).is_ok());
    assert_eq!(create(root, &["d"; 513].join("\\")), Err(INVALID_PARAMETER));
    // Empty names do not count, wherever they are.
    let (_, disposition) = create(root, "\\\\d\\\\\\d\\").unwrap();
    assert_eq!(disposition, 2);
    tree.close_all();
}
