//! Where things are in etcd, and how documents are written there.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stead_store::{Entry, Revision};

use crate::wire::{KeyValue, Number};

/// The keys of one cluster, all under `/stead/<cluster>/`.
#[derive(Clone, Debug)]
pub(crate) struct Keys {
    root: String,
}

impl Keys {
    pub(crate) fn new(cluster: &str) -> Self {
        Keys { root: format!("/stead/{cluster}/") }
    }

    /// The beginning of all of them.
    pub(crate) fn root(&self) -> Vec<u8> {
        self.root.clone().into_bytes()
    }

    /// What says that the cluster is here, and which one.
    pub(crate) fn meta(&self) -> Vec<u8> {
        format!("{}meta", self.root).into_bytes()
    }

    /// One of the keys that a writer changes with each of its transactions.
    pub(crate) fn lane(&self, writer: &str, number: usize) -> Vec<u8> {
        format!("{}writers/{writer}/{number}", self.root).into_bytes()
    }

    /// A document, or the beginning of the keys of several.
    pub(crate) fn document(&self, key: &str) -> Vec<u8> {
        format!("{}documents/{key}", self.root).into_bytes()
    }

    /// The key of a document as the store's user knows it.
    pub(crate) fn name(&self, key: &[u8]) -> String {
        let text = String::from_utf8_lossy(key);
        let name = text.strip_prefix(&self.root).and_then(|rest| rest.strip_prefix("documents/"));
        name.unwrap_or(&text).to_owned()
    }

    /// A document. One that was changed by hand, or damaged, is told as [`DAMAGED`]: a single one must not keep anybody
    /// from reading the others.
    pub(crate) fn entry(&self, found: &KeyValue) -> Entry {
        let value = decode(&found.value).unwrap_or_else(|| Value::from(DAMAGED));
        let (created, modified) = (revision(found.created), revision(found.modified));
        Entry { key: self.name(&found.key), value, created, modified }
    }
}

/// What is read where bytes in etcd are no document of this store. No document of stead is a text, so that whoever reads it
/// says what is wrong.
pub const DAMAGED: &str = "it was changed by hand, or damaged; put it anew";

/// The first key after all that begin with `prefix`, which is not empty and has a byte under 255: it is text.
pub(crate) fn end_of(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    if let Some(last) = end.last_mut() {
        *last += 1;
    }
    end
}

/// Revisions of etcd are positive.
pub(crate) fn revision(number: Number) -> Revision {
    u64::try_from(number).unwrap_or(0)
}

/// A revision for etcd to compare with; what no document can have stays so.
pub(crate) fn number(revision: Revision) -> Number {
    i64::try_from(revision).ok().filter(|number| *number != 0).unwrap_or(-1)
}

/// A document as it is stored: a sum guards it against what a disk, or a hand, may do to it.
#[derive(Serialize, Deserialize)]
struct Record {
    sum: String,
    value: Value,
}

fn sum(text: &str) -> String {
    let sum = text
        .bytes()
        .fold(0xCBF2_9CE4_8422_2325_u64, |sum, byte| (sum ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3));
    format!("{sum:016x}")
}

pub(crate) fn encode(value: Value) -> Vec<u8> {
    let record = Record { sum: sum(&value.to_string()), value };
    serde_json::json!(record).to_string().into_bytes()
}

pub(crate) fn decode(bytes: &[u8]) -> Option<Value> {
    let record: Record = serde_json::from_slice(bytes).ok()?;
    (sum(&record.value.to_string()) == record.sum).then_some(record.value)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_changed_document_is_damaged() {
        let bytes = encode(json!({ "name": "web", "share": 0.1 }));
        assert_eq!(decode(&bytes), Some(json!({ "name": "web", "share": 0.1 })));
        for place in 0..bytes.len() {
            for bit in 0..8 {
                let mut bad = bytes.clone();
                bad[place] ^= 1 << bit;
                let read = decode(&bad);
                assert!(
                    read.is_none() || read == decode(&bytes),
                    "{:?} is taken for good",
                    String::from_utf8_lossy(&bad)
                );
            }
        }
    }

    #[test]
    fn what_is_no_document_is_told_with_its_key() {
        let keys = Keys::new("c");
        let found = |key: &[u8], value: &[u8]| KeyValue {
            key: key.to_vec(),
            value: value.to_vec(),
            created: 1,
            modified: 2,
        };
        let entry = keys.entry(&found(b"/stead/c/documents/group/web", b"{}"));
        assert_eq!((entry.key.as_str(), entry.value, entry.modified), ("group/web", json!(DAMAGED), 2));
        let entry = keys.entry(&found(b"/stead/c/documents/\xff", &encode(json!({ "a": 1 }))));
        assert_eq!((entry.key.as_str(), entry.value), ("\u{fffd}", json!({ "a": 1 })));
    }

    #[test]
    fn a_range_ends_after_its_prefix() {
        assert_eq!(end_of(b"/stead/a/documents/"), b"/stead/a/documents0");
    }

    #[test]
    fn no_guard_means_absent_by_accident() {
        assert_eq!((number(0), number(7), number(u64::MAX)), (-1, 7, -1));
    }
}
