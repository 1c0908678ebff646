//! How long a property list of 100 properties takes: written and read as values, and written from a parameter block
//! and checked against its table. Run by `cargo xtask bench`.
#![allow(clippy::unwrap_used, reason = "it ends if anything is wrong")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]
#![allow(non_snake_case, reason = "the imitation has the documented names")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::hint::black_box;
use std::ptr::null;
use std::time::Instant;

use common::{Item, Table};
use stead_resapi::{Property, PropertyList, Value};

const ROUNDS: usize = 2_000;
const PROPERTIES: usize = 100;

/// Median of a call, in nanoseconds.
fn median(mut call: impl FnMut()) -> u128 {
    let mut took: Vec<u128> = (0..ROUNDS)
        .map(|_| {
            let begin = Instant::now();
            call();
            begin.elapsed().as_nanos()
        })
        .collect();
    took.sort_unstable();
    took[ROUNDS / 2]
}

fn main() {
    let list = PropertyList(
        (0..PROPERTIES).map(|at| Property::new(&format!("Property{at}"), Value::Dword(at as u32))).collect(),
    );
    let values = median(|| {
        let bytes = black_box(&list).encode();
        black_box(PropertyList::decode(&bytes).unwrap());
    });
    let table = (0..PROPERTIES).fold(Table::default(), |table, at| {
        table.add(Item { name: &format!("Property{at}"), offset: at as u32 * 4, ..Item::default() })
    });
    let table = table.end();
    let mut block = [7u32; PROPERTIES];
    let mut bytes = [0u8; 16 << 10];
    let tables = median(|| unsafe {
        let (mut room, mut returned, mut required) = (bytes.len() as u32, 0, 0);
        let (out, to) = (bytes.as_mut_ptr().cast(), block.as_mut_ptr().cast::<u8>());
        let (got, need) = (&raw mut returned, &raw mut required);
        let table = table.pointer();
        let written =
            resutils::ResUtilPropertyListFromParameterBlock(table, out, &raw mut room, to, got, need);
        let read = resutils::ResUtilVerifyPropertyTable(table, null(), 0, out, returned, to);
        assert_eq!((written, read), (0, 0));
    });
    println!("{values} {tables}");
}
