//! What must hold of everything that reads bytes from elsewhere: whatever they are, it neither panics nor grows beyond
//! them, what it accepts it can write and read again, and what it refuses it refuses with a place or a reason.
//!
//! [`TARGETS`] are ordinary functions: the tests here run them over the corpus and thousands of [`mutations`] of it in
//! seconds, `cargo xtask fuzz` runs the same functions under libFuzzer for as long as one likes.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a property that does not hold is a panic")]

mod machine;
mod mutate;

use std::fmt::Debug;
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;
use stead_membership::{Invitation, NodeFile};
use stead_monitor_protocol::{FromGuardian, FromMonitor, ToGuardian, ToMonitor};
use stead_resapi::{PropertyList, decode_multi_sz, encode_multi_sz};
use stead_types::{Dependency, DependencyError};

pub use machine::hosting;
pub use mutate::mutations;

/// What must hold of some bytes; it panics when it does not.
pub type Target = fn(&[u8]);

/// What is fuzzed, by name: the folder of its corpus, and its program below `fuzz/fuzz_targets`.
pub const TARGETS: &[(&str, Target)] = &[
    ("property_list", property_list),
    ("multi_string", multi_string),
    ("dependency", dependency),
    ("config", config),
    ("membership", membership),
    ("frame", frame),
    ("hosting", hosting),
    ("http", http),
];

/// Property lists, as they come from resource DLLs and operators.
///
/// # Panics
/// When a property does not hold.
pub fn property_list(bytes: &[u8]) {
    match PropertyList::decode(bytes) {
        Ok(list) => {
            let written = list.encode();
            // A character that is none becomes one of the same length; a string may have lost what followed its end.
            assert!(written.len() <= 2 * bytes.len() + 4, "{} bytes of {}", written.len(), bytes.len());
            assert_eq!(PropertyList::decode(&written).as_ref(), Ok(&list));
            for property in &list.0 {
                assert!(list.get(&property.name).is_some());
            }
        }
        Err(error) => {
            assert!([13, 122].contains(&error.code()));
            let text = error.to_string();
            let at: usize = text.rsplit(' ').next().unwrap().parse().unwrap();
            assert!(at <= bytes.len(), "{text}, of {}", bytes.len());
        }
    }
}

/// Several texts in one block.
///
/// # Panics
/// When a property does not hold.
pub fn multi_string(bytes: &[u8]) {
    let (pairs, _) = bytes.as_chunks::<2>();
    let units: Vec<u16> = pairs.iter().map(|pair| u16::from_le_bytes(*pair)).collect();
    let list = decode_multi_sz(&units);
    assert!(list.iter().all(|text| !text.is_empty() && !text.contains('\0')));
    let written = encode_multi_sz(&list);
    assert!(written.len() <= units.len() + 2);
    assert_eq!(decode_multi_sz(&written), list);
}

/// Dependency expressions.
///
/// # Panics
/// When a property does not hold.
pub fn dependency(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    match Dependency::parse(&text) {
        Ok(read) => {
            assert!(read.sets().iter().all(|set| !set.is_empty()));
            assert_eq!(Dependency::parse(&read.to_string()).as_ref(), Ok(&read), "{read}");
            assert!(read.satisfied(|_| true) && (read.is_empty() || !read.satisfied(|_| false)));
        }
        Err(error) => {
            if let DependencyError::Syntax { at, expected } = &error {
                assert!(*at <= text.len() && text.is_char_boundary(*at) && !expected.is_empty());
            }
            assert!(!error.to_string().is_empty());
        }
    }
}

/// Configuration files.
///
/// # Panics
/// When a property does not hold.
pub fn config(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match stead_cli::read_config(text) {
        Ok(config) => again(&config),
        Err(wrong) => {
            assert!(!wrong.is_empty());
            for line in wrong {
                let mut parts = line.splitn(4, ':');
                assert_eq!(parts.next(), Some("cluster.toml"), "{line}");
                let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
                assert!(number() >= 1 && number() >= 1, "{line}");
                assert!(parts.next().unwrap().len() > 3, "{line}");
            }
        }
    }
}

/// `node.toml` and invitations, as people hand them about.
///
/// # Panics
/// When a property does not hold.
pub fn membership(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    match NodeFile::parse(Path::new("node.toml"), text) {
        Ok(file) => {
            assert_eq!(file.timers().check(file.watchdog.is_some()), Ok(()));
            again(&file);
        }
        Err(error) => {
            let told = error.to_string();
            let mut parts = told.splitn(4, ':');
            assert_eq!(parts.next(), Some("node.toml"), "{told}");
            let mut number = || parts.next().unwrap().parse::<usize>().unwrap();
            assert!(number() >= 1 && number() >= 1, "{told}");
            assert!(parts.next().unwrap().len() > 3, "{told}");
        }
    }
    match Invitation::read(text) {
        Ok(invitation) => {
            let written = invitation.text().unwrap();
            assert!(Invitation::read(&written).is_ok_and(|read| read == invitation), "{written}");
        }
        Err(error) => assert!(error.to_string().contains("no invitation"), "{error}"),
    }
}

/// Written and read again it is the same.
fn again<T: Serialize + DeserializeOwned>(value: &T) {
    let written = serde_json::to_vec(value).unwrap();
    let read: T = serde_json::from_slice(&written).unwrap();
    let value = serde_json::to_value(value).unwrap();
    assert_eq!(serde_json::to_value(&read).unwrap(), value);
}

fn message<T: Serialize + DeserializeOwned + PartialEq + Debug>(bytes: &[u8]) {
    match serde_json::from_slice::<T>(bytes) {
        Ok(message) => {
            let written = serde_json::to_vec(&message).unwrap();
            assert_eq!(serde_json::from_slice::<T>(&written).unwrap(), message);
        }
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

/// Messages between node, guardian and Resource Monitor.
///
/// # Panics
/// When a property does not hold.
pub fn frame(bytes: &[u8]) {
    message::<ToMonitor>(bytes);
    message::<FromMonitor>(bytes);
    message::<ToGuardian>(bytes);
    message::<FromGuardian>(bytes);
}

fn body<T: Serialize + DeserializeOwned>(bytes: &[u8]) {
    match serde_json::from_slice::<T>(bytes) {
        Ok(body) => again(&body),
        Err(error) => assert!(error.line() <= bytes.len() + 1 && !error.to_string().is_empty()),
    }
}

/// Bodies of requests to the node.
///
/// # Panics
/// When a property does not hold.
pub fn http(bytes: &[u8]) {
    body::<stead_api::Apply>(bytes);
    body::<stead_api::Operate>(bytes);
    body::<stead_api::Control>(bytes);
}
