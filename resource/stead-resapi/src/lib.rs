//! The Failover Cluster Resource API as a resource DLL and its host see it: types, numbers and property lists,
//! under Windows' own names.
//!
//! Nothing of the cluster is in here. The C headers with the same contents are in `include/`.
#![allow(unsafe_code, reason = "the ABI is function pointers and raw strings")]

/// Defines constants, and lists them by name.
macro_rules! numbers {
    ($list:ident: $type:ty { $($name:ident = $value:expr,)+ }) => {
        $(pub const $name: $type = $value;)+
        /// Every constant of this block by name, for tests that compare definitions.
        pub const $list: &[(&str, i64)] = &[$((stringify!($name), $name as i64),)+];
    };
}

mod abi;
mod constants;
mod control;
mod error;
mod log_event;
mod names;
mod proplist;
mod structures;
mod wide;

pub use abi::*;
pub use constants::*;
pub use control::*;
pub use error::*;
pub use log_event::{LogSink, log_event, set_log_sink};
pub use names::{CodesOf, control_code, nearest};
pub use proplist::{Property, PropertyList, PropertyListError, Value, decode_multi_sz, encode_multi_sz};
pub use structures::*;
pub use wide::{LONGEST_STRING, from_wide, to_wide, wide_string, wide_units};
