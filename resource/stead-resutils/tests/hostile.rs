//! What callers get wrong: null, misaligned, short and unterminated input, and buffers at the end of memory.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;
#[path = "common/functions.rs"]
mod functions;

use std::ffi::{c_int, c_void};
use std::ptr::{null, null_mut};

use common::{Item, Table, cluster, wide};
use resutils::*;
use stead_resapi::{FILETIME, Property, PropertyList, Value};

/// What is passed for each argument.
#[derive(Clone, Copy)]
enum Way {
    Nothing,
    /// Pointers to zeros at an odd address, and a small number.
    Odd(*mut u8, u32),
}

trait Argument {
    fn make(way: Way) -> Self;
}

macro_rules! numbers {
    ($($type:ty)+) => {$(
        impl Argument for $type {
            fn make(way: Way) -> Self {
                match way {
                    Way::Nothing => 0,
                    Way::Odd(_, number) => number as $type,
                }
            }
        }
    )+};
}

numbers! { u32 i32 u64 usize }

impl<T> Argument for *const T {
    fn make(way: Way) -> Self {
        match way {
            Way::Nothing => null(),
            Way::Odd(place, _) => place.cast(),
        }
    }
}

impl<T> Argument for *mut T {
    fn make(way: Way) -> Self {
        match way {
            Way::Nothing => null_mut(),
            Way::Odd(place, _) => place.cast(),
        }
    }
}

impl<T> Argument for Option<T> {
    fn make(_: Way) -> Self {
        None
    }
}

impl Argument for FILETIME {
    fn make(_: Way) -> Self {
        FILETIME { dwLowDateTime: 0, dwHighDateTime: 0 }
    }
}

trait Call {
    unsafe fn call(self, way: Way);
}

macro_rules! calls {
    ($(($($argument:ident),*))+) => {$(
        impl<$($argument: Argument,)* Answer> Call for unsafe extern "C" fn($($argument),*) -> Answer {
            unsafe fn call(self, way: Way) {
                unsafe { self($($argument::make(way)),*) };
            }
        }
    )+};
}

calls! {
    (A)
    (A, B)
    (A, B, C)
    (A, B, C, D)
    (A, B, C, D, E)
    (A, B, C, D, E, F)
    (A, B, C, D, E, F, G)
    (A, B, C, D, E, F, G, H)
}

fn everything(way: Way) -> usize {
    let mut count = 0;
    macro_rules! call {
        ($($name:ident($($blank:tt),*))+) => {$(
            let function = $name as unsafe extern "C" fn($($blank),*) -> _;
            // A number given to this one is a process to be killed, and it may exist.
            let kills = stringify!($name) == "ResUtilTerminateServiceProcessFromResDll";
            unsafe { function.call(if kills { Way::Nothing } else { way }) };
            count += 1;
        )+};
    }
    functions::every_function!(call);
    call! { ResUtilGetExpandSzValue(_, _, _) }
    count
}

#[test]
fn null_everywhere_is_survived() {
    assert_eq!(everything(Way::Nothing), 110);
    assert_eq!(cluster::open_handles(), 0, "nothing was opened for nothing");
}

#[test]
fn misaligned_zeros_and_short_sizes_are_survived() {
    for number in [0, 1, 2, 3, 4, 5, 63] {
        let mut place = vec![0u8; 4096];
        assert_eq!(everything(Way::Odd(place.as_mut_ptr().wrapping_add(1), number)), 110);
    }
}

#[test]
fn a_string_without_an_end_is_cut() {
    let endless = vec![u16::from(b'x'); stead_resapi::LONGEST_STRING];
    unsafe {
        let copy = ResUtilDupString(endless.as_ptr());
        assert_eq!(LocalSize(copy.cast()), stead_resapi::LONGEST_STRING * 2 + 2);
        LocalFree(copy.cast());
        assert_eq!(ResUtilIsPathValid(endless.as_ptr()), 0);
        assert_eq!(ResUtilVerifyResourceService(endless.as_ptr()), 87);
    }
}

#[test]
fn huge_lengths_inside_a_list_are_refused() {
    let good = PropertyList(vec![Property::new("Name", Value::Dword(1))]).encode();
    for at in (0..good.len()).step_by(4) {
        for huge in [u32::MAX, u32::MAX - 3, i32::MAX as u32, 1 << 31, 1 << 20] {
            let mut list = good.clone();
            list[at..at + 4].copy_from_slice(&huge.to_le_bytes());
            let code = unsafe { ResUtilVerifyPrivatePropertyList(list.as_ptr().cast(), list.len() as u32) };
            assert!([0, 13, 122].contains(&code), "{huge} at {at}: {code}");
            // The characters of the name, the padding behind them, and the number may be anything.
            assert!(code != 0 || [12, 16, 20, 32].contains(&at), "{huge} at {at} was accepted");
        }
    }
}

unsafe extern "C" {
    fn mmap(place: *mut c_void, size: usize, access: c_int, flags: c_int, fd: c_int, at: i64) -> *mut c_void;
    fn mprotect(place: *mut c_void, size: usize, access: c_int) -> c_int;
    fn munmap(place: *mut c_void, size: usize) -> c_int;
}

/// A page behind which nothing can be read or written.
struct Edge(*mut u8);

const PAGE: usize = 4096;

impl Edge {
    fn new() -> Self {
        // Readable and writable, private, anonymous.
        let place = unsafe { mmap(null_mut(), PAGE * 2, 3, 0x22, -1, 0) };
        assert_ne!(place as isize, -1);
        assert_eq!(unsafe { mprotect(place.wrapping_byte_add(PAGE), PAGE, 0) }, 0);
        Edge(place.cast())
    }

    /// The last `size` bytes.
    fn last(&self, size: usize) -> *mut u8 {
        self.0.wrapping_add(PAGE - size)
    }

    fn put(&self, bytes: &[u8]) -> *mut u8 {
        let place = self.last(bytes.len());
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) };
        place
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        unsafe { munmap(self.0.cast(), PAGE * 2) };
    }
}

/// A read or write past the size given would end the process.
#[test]
fn nothing_is_read_or_written_past_its_size() {
    let edge = Edge::new();
    let table = Table::default()
        .add(Item { name: "Number", default: 3, ..Item::default() })
        .add(Item { name: "Text", format: 3, offset: 8, ..Item::default() })
        .end();
    let list = PropertyList(vec![
        Property::new("Number", Value::Dword(1)),
        Property::new("Text", Value::Sz("odd".to_owned())),
    ])
    .encode();
    let name = wide("Text");
    for length in 0..=list.len() {
        let place: *const c_void = edge.put(&list[..length]).cast();
        let size = length as u32;
        let expected = if length == list.len() { 0 } else { 122 };
        let mut text = null_mut();
        unsafe {
            let table = table.pointer();
            assert_eq!(ResUtilVerifyPropertyTable(table, null(), 0, place, size, null_mut()), expected);
            assert_eq!(ResUtilFindSzProperty(place, size, name.as_ptr(), &raw mut text), expected);
            LocalFree(text.cast());
        }
    }
    let key = cluster::key();
    let (mut returned, mut required, block) = (0, 0, [0u64; 2]);
    for room in 0..64u32 {
        let out = edge.last(room as usize);
        unsafe {
            let (table, got, need) = (table.pointer(), &raw mut returned, &raw mut required);
            let mut size = room;
            let codes = [
                ResUtilGetProperties(key, table, out.cast(), room, got, need),
                ResUtilGetPropertyFormats(table, out.cast(), room, got, need),
                ResUtilEnumProperties(table, out.cast(), room, got, need),
                ResUtilPropertyListFromParameterBlock(
                    table,
                    out.cast(),
                    &raw mut size,
                    block.as_ptr().cast(),
                    got,
                    need,
                ),
            ];
            assert!(codes.iter().all(|code| [0, 234].contains(code)), "{codes:?}");
        }
    }
    let units = edge.put(&name.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<_>>());
    let copy = unsafe { ResUtilDupString(units.cast()) };
    assert_eq!(common::text(copy), "Text");
}

#[test]
fn tables_that_make_no_sense_are_refused() {
    let broken = [
        Item { name: "Format", format: 0, ..Item::default() },
        Item { name: "Format", format: 99, ..Item::default() },
        Item {
            name: "Default",
            format: 5,
            default: [1u8; 4].as_ptr() as usize,
            limits: (3, 0),
            ..Item::default()
        },
    ];
    for item in broken {
        let table = Table::default().add(item).end();
        let (mut returned, mut required) = (0, 0);
        let code = unsafe {
            ResUtilEnumProperties(table.pointer(), null_mut(), 0, &raw mut returned, &raw mut required)
        };
        assert_eq!(code, 160);
    }
    let endless =
        (0..4096).fold(Table::default(), |table, _| table.add(Item { name: "Same", ..Item::default() }));
    let code = unsafe { ResUtilEnumProperties(endless.pointer(), null_mut(), 0, null_mut(), null_mut()) };
    assert_eq!(code, 87, "a table without an end is given up");
}
