//! Windows: resutils/nf-resapi-resutilverifypropertytable, resutils/nf-resapi-resutilsetpropertytable
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

use common::{Item, Table, cluster, list, text, wide};
use resutils::*;
use stead_resapi::{Property, PropertyList, Value};

/// What the table describes.
#[repr(C)]
struct Block {
    port: u32,
    level: i32,
    word: u16,
    quota: u64,
    time: u64,
    path: *mut u16,
    hosts: *mut u16,
    hosts_size: u32,
    data: *mut u8,
    data_size: u32,
    wait: u32,
}

impl Block {
    fn new() -> Self {
        unsafe { std::mem::zeroed() }
    }

    fn pointer(&mut self) -> *mut u8 {
        (&raw mut *self).cast()
    }
}

const SZ: u32 = 3;
const MULTI_SZ: u32 = 5;
const ULARGE: u32 = 6;
const LONG: u32 = 7;
const WORD: u32 = 11;
const FILETIME: u32 = 12;
const BINARY: u32 = 1;
const READ_ONLY: u32 = 1;
const REQUIRED: u32 = 2;

static QUOTA: [u64; 3] = [5, 1, 1 << 40];

fn table() -> Table {
    let mut table = Table::default();
    let path = table.string("/default");
    let (hosts, hosts_size) = table.strings("one\0two\0\0");
    let at = |offset| offset as u32;
    use std::mem::offset_of as o;
    table
        .add(Item {
            name: "Port",
            limits: (1, 100),
            default: 80,
            offset: at(o!(Block, port)),
            ..Item::default()
        })
        .add(Item {
            name: "Level",
            format: LONG,
            limits: (-5i32 as u32, 5),
            default: -1i32 as u32 as usize,
            offset: at(o!(Block, level)),
            ..Item::default()
        })
        .add(Item {
            name: "Word",
            format: WORD,
            limits: (0, 999),
            offset: at(o!(Block, word)),
            ..Item::default()
        })
        .add(Item {
            name: "Quota",
            format: ULARGE,
            default: QUOTA.as_ptr() as usize,
            offset: at(o!(Block, quota)),
            ..Item::default()
        })
        .add(Item { name: "Time", format: FILETIME, offset: at(o!(Block, time)), ..Item::default() })
        .add(Item { name: "Path", format: SZ, default: path, offset: at(o!(Block, path)), ..Item::default() })
        .add(Item {
            name: "Hosts",
            format: MULTI_SZ,
            default: hosts,
            limits: (hosts_size, 0),
            offset: at(o!(Block, hosts)),
            ..Item::default()
        })
        .add(Item { name: "Data", format: BINARY, offset: at(o!(Block, data)), ..Item::default() })
        .add(Item {
            name: "Wait",
            key: Some("Timing"),
            default: 7,
            offset: at(o!(Block, wait)),
            ..Item::default()
        })
        .end()
}

fn bytes(properties: &[(&str, Value)]) -> Vec<u8> {
    PropertyList(properties.iter().map(|(name, value)| Property::new(name, value.clone())).collect()).encode()
}

fn verify(table: &Table, bytes: &[u8], block: *mut u8) -> u32 {
    let (list, size) = list(bytes);
    unsafe { ResUtilVerifyPropertyTable(table.pointer(), null(), 0, list, size, block) }
}

fn read(function: impl Fn(*mut c_void, u32, *mut u32, *mut u32) -> u32) -> PropertyList {
    let (mut returned, mut required) = (9, 9);
    assert_eq!(function(null_mut(), 0, &raw mut returned, &raw mut required), 234);
    assert_eq!(returned, 0);
    // One byte behind the buffer tells whether more was written than said.
    let mut buffer = vec![0xAA; required as usize + 1];
    let short = required - 1;
    assert_eq!(function(buffer.as_mut_ptr().cast(), short, &raw mut returned, &raw mut required), 234);
    assert!(buffer.iter().all(|byte| *byte == 0xAA), "a buffer that is too small is not written");
    let room = required;
    assert_eq!(function(buffer.as_mut_ptr().cast(), room, &raw mut returned, &raw mut required), 0);
    assert_eq!((returned, required, buffer[room as usize]), (room, room, 0xAA));
    PropertyList::decode(&buffer[..room as usize]).unwrap()
}

#[test]
fn a_list_is_checked_and_copied_into_a_block() {
    let (table, mut block) = (table(), Block::new());
    let all = bytes(&[
        ("port", Value::Dword(100)),
        ("LEVEL", Value::Long(-5)),
        ("Word", Value::Word(999)),
        ("Quota", Value::ULargeInteger(1 << 40)),
        ("Path", Value::Sz("/x".to_owned())),
        ("Hosts", Value::MultiSz(vec!["a".to_owned()])),
        ("Data", Value::Binary(vec![1, 2, 3])),
    ]);
    assert_eq!(verify(&table, &all, block.pointer()), 0);
    assert_eq!((block.port, block.level, block.word, block.quota), (100, -5, 999, 1 << 40));
    assert_eq!((text(block.path).as_str(), text(block.hosts).as_str(), block.hosts_size), ("/x", "a", 6));
    assert_eq!(unsafe { std::slice::from_raw_parts(block.data, block.data_size as usize) }, [1, 2, 3]);
    let (old, back) = (block.path, Value::Other(0x1_0003, Vec::new()));
    assert_eq!(verify(&table, &bytes(&[("Path", back)]), block.pointer()), 0);
    assert_eq!(text(block.path), "/default", "a value without data is the default");
    assert_eq!(unsafe { LocalSize(old.cast()) }, 0, "what was replaced is freed");
    unsafe { ResUtilFreeParameterBlock(block.pointer(), null(), table.pointer()) };
    assert!(block.path.is_null() && block.hosts.is_null() && block.data.is_null());
}

#[test]
fn what_is_wrong_gets_its_code_and_changes_nothing() {
    let table = table();
    let wrong: &[(u32, &[(&str, Value)])] = &[
        (87, &[("Port", Value::Dword(0))]),
        (87, &[("Port", Value::Dword(101))]),
        (87, &[("Level", Value::Long(-6))]),
        (87, &[("Level", Value::Long(6))]),
        (87, &[("Word", Value::Word(1000))]),
        (87, &[("Quota", Value::ULargeInteger(0))]),
        (87, &[("Quota", Value::ULargeInteger((1 << 40) + 1))]),
        (87, &[("Unknown", Value::Dword(1))]),
        (13, &[("Port", Value::Long(1))]),
        (13, &[("Port", Value::Sz("1".to_owned()))]),
        (13, &[("Port", Value::Other(0x1_0002, vec![1, 0]))]),
        (13, &[("Path", Value::Other(0x1_0003, vec![b'x', 0]))]),
        (13, &[("Path", Value::Other(0x1_0003, vec![b'x', 0, 0]))]),
        (13, &[("Hosts", Value::Other(0x1_0005, vec![b'x', 0, 0, 0]))]),
        (13, &[("Port", Value::Other(0x2_0002, vec![1, 0, 0, 0]))]),
    ];
    for (code, properties) in wrong {
        let mut block = Block::new();
        let mut list = vec![("Path", Value::Sz("/good".to_owned()))];
        list.extend(properties.iter().cloned());
        assert_eq!(verify(&table, &bytes(&list), block.pointer()), *code, "{properties:?}");
        assert!(block.path.is_null() && block.port == 0, "{properties:?}");
        let key = cluster::key();
        let list = bytes(&list);
        let result = unsafe {
            let list = (list.as_ptr().cast(), list.len() as u32);
            ResUtilSetPropertyTable(key, table.pointer(), null(), 0, list.0, list.1, block.pointer())
        };
        assert_eq!(result, *code);
        assert_eq!(cluster::stored(key, "Path"), None, "nothing is stored before all is checked");
    }
    let twice = Property { name: "Port".to_owned(), values: vec![Value::Dword(1), Value::Dword(2)] };
    assert_eq!(verify(&table, &PropertyList(vec![twice]).encode(), null_mut()), 13);
    let good = bytes(&[("Port", Value::Dword(1))]);
    for length in 0..good.len() {
        assert_eq!(verify(&table, &good[..length], null_mut()), 122, "{length} bytes");
    }
    unsafe {
        let (list, size) = list(&good);
        assert_eq!(ResUtilVerifyPropertyTable(null(), null(), 0, list, size, null_mut()), 160);
        assert_eq!(ResUtilVerifyPropertyTable(table.pointer(), list, 0, list, size, null_mut()), 87);
        assert_eq!(ResUtilVerifyPropertyTable(table.pointer(), null(), 0, null(), size, null_mut()), 87);
    }
}

#[test]
fn read_only_and_required_properties() {
    let table = Table::default()
        .add(Item { name: "Fixed", flags: READ_ONLY, default: 3, ..Item::default() })
        .add(Item { name: "Needed", format: SZ, flags: REQUIRED, offset: 8, ..Item::default() })
        .end();
    let mut block = [0u64; 2];
    assert_eq!(verify(&table, &bytes(&[("Fixed", Value::Dword(1))]), null_mut()), 87);
    assert_eq!(verify(&table, &bytes(&[("Needed", Value::Other(0x1_0003, Vec::new()))]), null_mut()), 87);
    let (key, mut wrong) = (cluster::key(), null_mut());
    let fill = |check, wrong: *mut *mut u16, block: *mut u64| unsafe {
        ResUtilGetPropertiesToParameterBlock(key, table.pointer(), block.cast(), check, wrong)
    };
    assert_eq!(fill(0, null_mut(), block.as_mut_ptr()), 0);
    assert_eq!(block, [3, 0]);
    assert_eq!(fill(1, &raw mut wrong, block.as_mut_ptr()), 2);
    assert_eq!(text(wrong), "Needed");
    cluster::store(key, "Fixed", 1, b"x\0\0\0");
    assert_eq!(fill(0, &raw mut wrong, block.as_mut_ptr()), 13, "another type is stored");
    assert_eq!(text(wrong), "Fixed");
    let all = read(|out, room, returned, required| unsafe {
        cluster::store(key, "Fixed", 4, &9u32.to_le_bytes());
        ResUtilGetAllProperties(key, table.pointer(), out, room, returned, required)
    });
    assert_eq!(all.get("Fixed"), Some(&Value::Dword(9)));
    let writable = read(|out, room, returned, required| unsafe {
        cluster::store(key, "Needed", 1, b"y\0\0\0");
        ResUtilGetProperties(key, table.pointer(), out, room, returned, required)
    });
    assert_eq!(writable, PropertyList(vec![Property::new("Needed", Value::Sz("y".to_owned()))]));
}

#[test]
fn what_passed_is_stored_where_the_table_says_and_only_if_it_changed() {
    let (table, key, mut block) = (table(), cluster::key(), Block::new());
    let set = |properties: &[(&str, Value)], force, unknown, block: *mut u8| unsafe {
        let bytes = bytes(properties);
        let (list, size) = list(&bytes);
        ResUtilSetPropertyTableEx(key, table.pointer(), null_mut(), unknown, list, size, force, block)
    };
    let changes =
        [("Port", Value::Dword(5)), ("Wait", Value::Dword(6)), ("Extra", Value::Sz("e".to_owned()))];
    assert_eq!(set(&changes, 0, 0, null_mut()), 87);
    assert_eq!(set(&changes, 0, 1, block.pointer()), 0);
    assert_eq!((block.port, block.wait), (5, 6));
    assert_eq!(cluster::stored(key, "Port"), Some((4, vec![5, 0, 0, 0])));
    assert_eq!(cluster::stored(key, "Timing\\Wait"), Some((4, vec![6, 0, 0, 0])));
    assert_eq!(cluster::stored(key, "Extra"), Some((1, b"e\0\0\0".to_vec())));
    let before = cluster::writes();
    assert_eq!(set(&changes, 0, 1, null_mut()), 0);
    assert_eq!(cluster::writes(), before, "what is stored already is not written again");
    assert_eq!(set(&changes, 1, 1, null_mut()), 0);
    assert_eq!(cluster::writes(), before + 3);
    let twice = [("Port", Value::Dword(8)), ("PORT", Value::Dword(9))];
    assert_eq!(set(&twice, 0, 0, null_mut()), 0);
    assert_eq!(cluster::stored(key, "Port"), Some((4, vec![9, 0, 0, 0])), "the last counts");
    assert_eq!(set(&[("Port", Value::Other(0x1_0002, Vec::new()))], 0, 0, block.pointer()), 0);
    assert_eq!((cluster::stored(key, "Port"), block.port), (None, 80), "back to the default");
    cluster::fail_after(0);
    assert_eq!(set(&[("Port", Value::Dword(1))], 0, 0, block.pointer()), 5);
    assert_eq!(block.port, 80, "a block follows what is stored");
    assert_eq!(cluster::open_handles(), 0);
}

#[test]
fn a_block_makes_the_round_through_list_and_database() {
    let (table, key, mut block) = (table(), cluster::key(), Block::new());
    assert_eq!(
        unsafe { ResUtilGetPropertiesToParameterBlock(key, table.pointer(), block.pointer(), 1, null_mut()) },
        0
    );
    assert_eq!((block.port, block.level, block.quota, text(block.path).as_str()), (80, -1, 5, "/default"));
    assert_eq!((block.hosts_size, block.data_size, block.wait), (18, 0, 7));
    let mut copy = Block::new();
    assert_eq!(unsafe { ResUtilDupParameterBlock(copy.pointer(), block.pointer(), table.pointer()) }, 0);
    assert_ne!(copy.path, block.path);
    let shown = read(|out, room, returned, required| unsafe {
        let mut room = room;
        let from = (&raw const block).cast();
        ResUtilPropertyListFromParameterBlock(table.pointer(), out, &raw mut room, from, returned, required)
    });
    assert_eq!(shown.get("Port"), Some(&Value::Dword(80)));
    assert_eq!(shown.get("Hosts"), Some(&Value::MultiSz(vec!["one".to_owned(), "two".to_owned()])));
    assert_eq!(shown.get("Data"), None);
    // As the documentation tells authors to handle SET_PRIVATE_PROPERTIES.
    let change = bytes(&[("Path", Value::Sz("/new".to_owned()))]);
    assert_eq!(verify(&table, &change, copy.pointer()), 0);
    let result = unsafe {
        let (list, size) = list(&change);
        let (from, to) = ((&raw const copy).cast(), block.pointer());
        ResUtilSetPropertyParameterBlock(key, table.pointer(), null_mut(), from, list, size, to)
    };
    assert_eq!((result, text(block.path).as_str(), text(copy.path).as_str()), (0, "/new", "/new"));
    assert_eq!(cluster::stored(key, "Path"), Some((1, "/\0n\0e\0w\0\0\0".as_bytes().to_vec())));
    assert_eq!(cluster::stored(key, "Port"), Some((4, vec![80, 0, 0, 0])));
    // A plain copy shares pointers with its reference, which keeps them.
    let mut plain = unsafe { std::ptr::read(&raw const block) };
    unsafe { ResUtilFreeParameterBlock(plain.pointer(), (&raw const block).cast(), table.pointer()) };
    assert_eq!((text(block.path).as_str(), plain.path), ("/new", null_mut()));
    for block in [&mut block, &mut copy] {
        unsafe { ResUtilFreeParameterBlock(block.pointer(), null(), table.pointer()) };
    }
    assert_eq!(cluster::open_handles(), 0);
}

#[test]
fn names_formats_sizes_and_single_properties() {
    let (table, key) = (table(), cluster::key());
    let mut names = [0u16; 64];
    let (mut returned, mut required) = (0, 0);
    let result = unsafe {
        let out = names.as_mut_ptr();
        ResUtilEnumProperties(table.pointer(), out, 128, &raw mut returned, &raw mut required)
    };
    let expected: Vec<u16> =
        "Port\0Level\0Word\0Quota\0Time\0Path\0Hosts\0Data\0Wait\0\0".encode_utf16().collect();
    assert_eq!((result, returned as usize, &names[..expected.len()]), (0, expected.len() * 2, &expected[..]));
    let formats = read(|out, room, returned, required| unsafe {
        ResUtilGetPropertyFormats(table.pointer(), out, room, returned, required)
    });
    assert_eq!(formats.get("Time"), Some(&Value::Dword(FILETIME)));
    assert_eq!(formats.0.len(), 9);
    let (mut size, mut count) = (0, 0);
    assert_eq!(unsafe { ResUtilGetPropertySize(key, table.pointer(), &raw mut size, &raw mut count) }, 0);
    assert_eq!((size, count), (8 + 12 + 12 + 4, 1));
    let mut buffer = [0u8; 64];
    let mut at: *mut c_void = buffer.as_mut_ptr().cast();
    let mut room = size - 1;
    let get =
        |at: *mut *mut c_void, room: *mut u32| unsafe { ResUtilGetProperty(key, table.pointer(), at, room) };
    assert_eq!((get(&raw mut at, &raw mut room), room), (234, 36));
    room = 40;
    assert_eq!((get(&raw mut at, &raw mut room), room), (0, 4));
    assert_eq!(at as usize - buffer.as_ptr() as usize, 36);
    assert_eq!(buffer[20..24], [2, 0, 1, 0]);
}

#[test]
fn stored_values_that_are_not_in_the_table_are_added() {
    let (table, key) = (table(), cluster::key());
    cluster::store(key, "Extra", 11, &7u64.to_le_bytes());
    cluster::store(key, "port", 4, &7u32.to_le_bytes());
    let mut buffer = [0u8; 1024];
    let (mut returned, mut required) = (0, 0);
    unsafe {
        let out: *mut c_void = buffer.as_mut_ptr().cast();
        let (table, got, need) = (table.pointer(), &raw mut returned, &raw mut required);
        assert_eq!(ResUtilGetProperties(key, table, out, 16, got, need), 234);
        let known = required;
        assert_eq!(ResUtilAddUnknownProperties(key, table, out, 16, got, need), 234);
        let whole = required;
        assert!(whole > known);
        assert_eq!(ResUtilGetProperties(key, table, out, whole, got, need), 0);
        assert_eq!(ResUtilAddUnknownProperties(key, table, out, whole - 1, got, need), 234);
        assert_eq!((returned, required), (known, whole));
        assert_eq!(ResUtilAddUnknownProperties(key, table, out, whole, got, need), 0);
        assert_eq!((returned, required), (whole, whole));
    }
    let list = PropertyList::decode(&buffer[..returned as usize]).unwrap();
    assert_eq!(list.get("Extra"), Some(&Value::ULargeInteger(7)));
    assert_eq!(list.get("Port"), Some(&Value::Dword(7)));
    let unknown = bytes(&[("Port", Value::Sz("no number".to_owned())), ("Other", Value::Dword(1))]);
    let (list, size) = common::list(&unknown);
    assert_eq!(unsafe { ResUtilSetUnknownProperties(key, table.pointer(), list, size) }, 0);
    assert_eq!(cluster::stored(key, "port"), Some((4, vec![7, 0, 0, 0])));
    assert_eq!(cluster::stored(key, "Other"), Some((4, vec![1, 0, 0, 0])));
}

#[test]
fn private_properties_need_no_table_and_keep_lone_surrogates() {
    let key = cluster::key();
    let lone = [0x00, 0xD8, b'x', 0, 0, 0];
    let list = bytes(&[("Text", Value::Other(0x1_0003, lone.to_vec())), ("Number", Value::Dword(3))]);
    let (pointer, size) = common::list(&list);
    unsafe {
        assert_eq!(ResUtilVerifyPrivatePropertyList(pointer, size), 0);
        assert_eq!(ResUtilSetPrivatePropertyList(key, pointer, size), 0);
    }
    assert_eq!(cluster::stored(key, "Text"), Some((1, lone.to_vec())));
    let mut buffer = [0u8; 256];
    let (mut returned, mut required) = (0, 0);
    unsafe {
        let out: *mut c_void = buffer.as_mut_ptr().cast();
        assert_eq!(ResUtilGetPrivateProperties(key, out, 256, &raw mut returned, &raw mut required), 0);
        let mut found = null_mut();
        let name = wide("TEXT");
        assert_eq!(ResUtilFindSzProperty(out, returned, name.as_ptr(), &raw mut found), 0);
        assert_eq!(std::slice::from_raw_parts(found, 3), [0xD800, u16::from(b'x'), 0]);
        assert!(LocalFree(found.cast()).is_null());
        let mut names = [0u16; 32];
        let out = names.as_mut_ptr();
        assert_eq!(ResUtilEnumPrivateProperties(key, out, 64, &raw mut returned, &raw mut required), 0);
        assert_eq!(String::from_utf16_lossy(&names[..returned as usize / 2]), "Number\0Text\0\0");
        let bad = bytes(&[("Number", Value::Dword(4)), ("Text", Value::Other(0x1_0003, vec![1]))]);
        let (pointer, size) = common::list(&bad);
        assert_eq!(ResUtilSetPrivatePropertyList(key, pointer, size), 13);
        assert_eq!(cluster::stored(key, "Number"), Some((4, vec![3, 0, 0, 0])));
        let gone = bytes(&[("number", Value::Other(0x1_0002, Vec::new()))]);
        let (pointer, size) = common::list(&gone);
        assert_eq!(ResUtilSetPrivatePropertyList(key, pointer, size), 0);
        assert_eq!(cluster::stored(key, "Number"), None);
    }
}
