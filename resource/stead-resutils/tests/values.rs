//! Windows: resutils/nf-resapi-resutilfindszproperty, resutils/nf-resapi-resutilgetdwordproperty, resutils/nf-resapi-resutilgetszvalue
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use common::{cluster, text, wide};
use resutils::*;
use stead_resapi::{FILETIME, Property, PropertyList, Value};

fn list() -> Vec<u8> {
    PropertyList(vec![
        Property::new("Sz", Value::Sz("first".to_owned())),
        Property::new("SZ", Value::Sz("last".to_owned())),
        Property::new("Expand", Value::ExpandSz("<%STEAD_TEST_WORD%|%NO_SUCH_WORD%|100%>".to_owned())),
        Property::new("Dword", Value::Dword(7)),
        Property::new("Long", Value::Long(-7)),
        Property::new("Large", Value::ULargeInteger(1 << 40)),
        Property::new("Time", Value::Other(0x1_000C, vec![1, 0, 0, 0, 2, 0, 0, 0])),
        Property::new("Bytes", Value::Binary(vec![1, 2, 3])),
        Property::new("Many", Value::MultiSz(vec!["a".to_owned(), "bc".to_owned()])),
    ])
    .encode()
}

#[test]
fn each_format_is_found_and_no_other() {
    // SAFETY: no other thread of this test's process reads the environment meanwhile.
    unsafe { std::env::set_var("STEAD_TEST_WORD", "wörd") };
    let bytes = list();
    let (list, size): (*const c_void, u32) = (bytes.as_ptr().cast(), bytes.len() as u32);
    let (mut out, mut number, mut long, mut large, mut length) = (null_mut(), 0, 0, 0, 0);
    let mut time = FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 };
    let mut block = null_mut();
    let name = |name| wide(name);
    unsafe {
        assert_eq!(ResUtilFindSzProperty(list, size, name("sz").as_ptr(), &raw mut out), 0);
        assert_eq!(text(out), "last");
        assert_eq!(LocalSize(out.cast()), 10);
        assert!(LocalFree(out.cast()).is_null());
        assert_eq!(ResUtilFindExpandSzProperty(list, size, name("Expand").as_ptr(), &raw mut out), 0);
        assert!(text(out).starts_with("<%STEAD_TEST_WORD%"));
        assert_eq!(ResUtilFindExpandedSzProperty(list, size, name("Expand").as_ptr(), &raw mut out), 0);
        assert_eq!(text(out), "<wörd|%NO_SUCH_WORD%|100%>");
        assert_eq!(ResUtilFindDwordProperty(list, size, name("Dword").as_ptr(), &raw mut number), 0);
        assert_eq!(ResUtilFindLongProperty(list, size, name("Long").as_ptr(), &raw mut long), 0);
        assert_eq!(ResUtilFindULargeIntegerProperty(list, size, name("Large").as_ptr(), &raw mut large), 0);
        assert_eq!((number, long, large), (7, -7, 1 << 40));
        assert_eq!(ResUtilFindFileTimeProperty(list, size, name("Time").as_ptr(), &raw mut time), 0);
        assert_eq!((time.dwLowDateTime, time.dwHighDateTime), (1, 2));
        let bytes = name("Bytes");
        assert_eq!(ResUtilFindBinaryProperty(list, size, bytes.as_ptr(), &raw mut block, &raw mut length), 0);
        assert_eq!(std::slice::from_raw_parts(block, length as usize), [1, 2, 3]);
        let many = name("Many");
        assert_eq!(ResUtilFindMultiSzProperty(list, size, many.as_ptr(), &raw mut out, &raw mut length), 0);
        assert_eq!((text(out).as_str(), length), ("a", 12));
        assert_eq!(ResUtilFindDwordProperty(list, size, name("Long").as_ptr(), &raw mut number), 13);
        assert_eq!(ResUtilFindSzProperty(list, size, name("Dword").as_ptr(), &raw mut out), 13);
        assert_eq!(ResUtilFindSzProperty(list, size, name("None").as_ptr(), &raw mut out), 2);
        assert_eq!(ResUtilFindSzProperty(list, size - 1, name("sz").as_ptr(), &raw mut out), 122);
        assert_eq!(ResUtilFindSzProperty(null(), size, name("sz").as_ptr(), &raw mut out), 87);
        assert_eq!(ResUtilFindSzProperty(list, size, null(), &raw mut out), 87);
    }
}

#[test]
fn the_worked_example_is_read_from_its_184_bytes() {
    let list = PropertyList(vec![
        Property::new("RestartAction", Value::Dword(2)),
        Property::new("Path", Value::Sz("C:\\d".to_owned())),
        Property::new("Hosts", Value::MultiSz(vec!["a".to_owned(), "bc".to_owned()])),
        Property::new("Quota", Value::ULargeInteger(0x1_0000_0002)),
    ])
    .encode();
    assert_eq!(list.len(), 184);
    let table = common::Table::default()
        .add(common::Item { name: "RestartAction", ..common::Item::default() })
        .add(common::Item { name: "Path", format: 3, offset: 8, ..common::Item::default() })
        .add(common::Item { name: "Hosts", format: 5, offset: 16, ..common::Item::default() })
        .add(common::Item { name: "Quota", format: 6, offset: 32, ..common::Item::default() })
        .end();
    let (mut block, mut again) = ([0u64; 5], [0u8; 184]);
    let (mut room, mut returned, mut required) = (184, 0, 0);
    unsafe {
        let (bytes, size) = (list.as_ptr().cast(), 184);
        let to = block.as_mut_ptr().cast();
        assert_eq!(ResUtilVerifyPropertyTable(table.pointer(), null(), 0, bytes, size, to), 0);
        let out = again.as_mut_ptr().cast();
        let (got, need) = (&raw mut returned, &raw mut required);
        let from = block.as_ptr().cast();
        let table = table.pointer();
        assert_eq!(ResUtilPropertyListFromParameterBlock(table, out, &raw mut room, from, got, need), 0);
        let (mut quota, name) = (0, wide("quota"));
        assert_eq!(ResUtilFindULargeIntegerProperty(out, 184, name.as_ptr(), &raw mut quota), 0);
        assert_eq!(quota, 0x1_0000_0002);
    }
    assert_eq!(again[..], list[..], "byte for byte");
}

/// The cursor at the first value of a list with one property.
fn cursor(value: Value) -> (Vec<u8>, usize) {
    let list = PropertyList(vec![Property::new("N", value), Property::new("M", Value::Dword(1))]).encode();
    (list, 4 + 8 + 4)
}

#[test]
fn one_value_is_read_and_the_cursor_moves_to_the_next_property() {
    let (mut list, at) = cursor(Value::Dword(7));
    let begin = list.as_mut_ptr();
    let (mut place, mut left, mut out) = (begin.wrapping_add(at), (list.len() - at) as u32, 0);
    unsafe {
        let value = place.cast();
        let get = |minimum, maximum, out, place, left| {
            ResUtilGetDwordProperty(out, value, 0, minimum, maximum, place, left)
        };
        assert_eq!(get(8, 9, &raw mut out, &raw mut place, &raw mut left), 87);
        assert_eq!((place, out), (begin.wrapping_add(at), 0), "nothing moves after an error");
        assert_eq!(get(0, 9, &raw mut out, &raw mut place, &raw mut left), 0);
        assert_eq!((out, place), (7, begin.wrapping_add(at + 16)));
        assert_eq!(left as usize, list.len() - at - 16);
        assert_eq!(place.cast::<u32>().read_unaligned(), 0x4_0003, "the name of the next property");
        let mut short = 11;
        place = begin.wrapping_add(at);
        assert_eq!(get(0, 9, &raw mut out, &raw mut place, &raw mut short), 122);
        let mut all = left;
        let mut text = null_mut();
        assert_eq!(
            ResUtilGetSzProperty(&raw mut text, value.cast(), null(), &raw mut place, &raw mut all),
            13
        );
        assert_eq!(get(0, 9, &raw mut out, null_mut(), &raw mut all), 87);
    }
}

#[test]
fn a_string_replaces_the_old_one_unless_it_is_equal() {
    let (mut list, at) = cursor(Value::Sz("new".to_owned()));
    let (old, mut out) = (wide("old"), null_mut());
    let begin = list.as_mut_ptr().wrapping_add(at);
    let size = (list.len() - at) as u32;
    let get = |out: *mut *mut u16, old: *const u16| unsafe {
        let (mut place, mut left) = (begin, size);
        ResUtilGetSzProperty(out, begin.cast(), old, &raw mut place, &raw mut left)
    };
    assert_eq!(get(&raw mut out, old.as_ptr()), 0);
    assert_eq!(text(out), "new");
    let first = out;
    assert_eq!(get(&raw mut out, wide("new").as_ptr()), 0);
    assert_eq!(out, first, "equal to the old value");
    assert_eq!(get(&raw mut out, old.as_ptr()), 0);
    assert_eq!(text(out), "new");
    assert_eq!(get(null_mut(), old.as_ptr()), 0, "only checked");
}

#[test]
fn single_values_of_the_database() {
    let (key, name) = (cluster::key(), wide("Value"));
    let name = name.as_ptr();
    let (mut number, mut large, mut block, mut size) = (0, 0, null_mut(), 0);
    unsafe {
        assert_eq!(ResUtilGetDwordValue(key, name, &raw mut number, 42), 0);
        assert_eq!(ResUtilGetQwordValue(key, name, &raw mut large, 43), 0);
        assert_eq!((number, large), (42, 43));
        assert!(ResUtilGetSzValue(key, name).is_null());
        assert_eq!(cluster::last_error(), 2);
        assert_eq!(ResUtilGetBinaryValue(key, name, &raw mut block, &raw mut size), 2);
        assert_eq!(ResUtilSetDwordValue(key, name, 5, &raw mut number), 0);
        assert_eq!(ResUtilGetDwordValue(key, name, &raw mut number, 42), 0);
        assert_eq!(number, 5);
        assert_eq!(ResUtilGetBinaryValue(key, name, &raw mut block, &raw mut size), 13);
        assert!(ResUtilGetSzValue(key, name).is_null());
        assert_eq!(cluster::last_error(), 13);
        assert_eq!(ResUtilSetQwordValue(key, name, 1 << 33, null_mut()), 0);
        assert_eq!(ResUtilGetQwordValue(key, name, &raw mut large, 0), 0);
        assert_eq!(large, 1 << 33);
        let mut out = null_mut();
        assert_eq!(ResUtilSetSzValue(key, name, wide("one").as_ptr(), &raw mut out), 0);
        let first = out;
        assert_eq!(ResUtilSetExpandSzValue(key, name, wide("%HOME%").as_ptr(), &raw mut out), 0);
        assert_eq!((LocalSize(first.cast()), text(out).as_str()), (0, "%HOME%"));
        assert_eq!(cluster::stored(key, "Value").unwrap().0, 2);
        let whole = ResUtilGetExpandSzValue(key, name, 0);
        assert_eq!(text(whole), "%HOME%");
        assert_eq!(ResUtilSetMultiSzValue(key, name, wide("a").as_ptr(), 4, null_mut(), null_mut()), 13);
        assert_eq!(ResUtilSetMultiSzValue(key, name, wide("a\0").as_ptr(), 6, null_mut(), &raw mut size), 0);
        assert_eq!((cluster::stored(key, "Value"), size), (Some((7, b"a\0\0\0\0\0".to_vec())), 6));
        assert_eq!(ResUtilSetBinaryValue(key, name, [1u8, 2].as_ptr(), 2, &raw mut block, &raw mut size), 0);
        assert_eq!(std::slice::from_raw_parts(block, size as usize), [1, 2]);
        assert_eq!(ResUtilSetValueEx(key, name, 4, [1u8, 2].as_ptr(), 2, 0), 13);
        assert_eq!(ResUtilSetValueEx(key, name, 3, [1u8, 2].as_ptr(), 2, 8), 87);
        assert_eq!(ResUtilSetValueEx(key, name, 3, [1u8, 2].as_ptr(), 2, 1), 0);
        assert_eq!(ResUtilGetDwordValue(null_mut(), name, &raw mut number, 1), 87);
        let copy = ResUtilDupString(wide("käse").as_ptr());
        assert_eq!(text(copy), "käse");
        assert!(ResUtilDupString(null()).is_null());
    }
}

#[test]
fn a_key_is_deleted_with_everything_below() {
    let key = cluster::key();
    let table = common::Table::default()
        .add(common::Item { name: "Deep", key: Some("Tree"), ..common::Item::default() })
        .end();
    let list = PropertyList(vec![Property::new("Deep", Value::Dword(1))]).encode();
    let tree = wide("Tree");
    unsafe {
        let (list, size) = common::list(&list);
        assert_eq!(ResUtilSetPropertyTable(key, table.pointer(), null(), 0, list, size, null_mut()), 0);
        assert!(cluster::stored(key, "Tree\\Deep").is_some());
        assert_eq!(ResUtilsDeleteKeyTree(key, tree.as_ptr(), 1), 0);
        assert_eq!(cluster::stored(key, "Tree\\Deep"), None);
        assert_eq!(ResUtilsDeleteKeyTree(key, tree.as_ptr(), 1), 2);
        assert_eq!(ResUtilsDeleteKeyTree(key, tree.as_ptr(), 0), 0);
        assert_eq!(ResUtilsDeleteKeyTree(key, wide("").as_ptr(), 0), 87);
    }
    assert_eq!(cluster::open_handles(), 0);
}

#[test]
fn paths() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("a/b/ä");
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let call = |path: &str| unsafe { ResUtilCreateDirectoryTree(wide(path).as_ptr()) };
    let valid = |path: &str| unsafe { ResUtilIsPathValid(wide(path).as_ptr()) };
    assert_eq!((call(deep.to_str().unwrap()), deep.is_dir()), (0, true));
    assert_eq!(call(deep.to_str().unwrap()), 0);
    assert_eq!(call(file.join("below").to_str().unwrap()), 183);
    assert_eq!((call("relative"), call("")), (87, 87));
    assert_eq!(
        (valid("/srv/x"), valid("C:\\x"), valid(""), valid(&format!("/{}", "x".repeat(256)))),
        (1, 0, 0, 0)
    );
    assert_eq!(unsafe { ResUtilIsPathValid(null()) }, 0);
}
