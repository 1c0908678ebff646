//! The cluster's words and the interface's numbers, which neither crate may take from the other, are the same.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use stead_resapi as abi;
use stead_types::{Code, OfflineFlags, OfflineReason, OnlineFlags, OpenFlags, ResourceState, StatusFlags};

/// Compares a set of flags with the constants whose names begin so; each must be in both.
fn same(words: &[(&str, u32)], prefix: &str) {
    let name = |word: &str| format!("{prefix}{}", word.to_ascii_uppercase().replace('-', "_"));
    let ours: BTreeSet<(String, i64)> =
        words.iter().map(|(word, bits)| (name(word), i64::from(*bits))).collect();
    let theirs: BTreeSet<(String, i64)> = abi::FLAG_U32
        .iter()
        .chain(abi::ENUM_I32)
        .filter(|(name, value)| name.starts_with(prefix) && *value != 0)
        .map(|(name, value)| ((*name).to_owned(), *value))
        .collect();
    assert!(!ours.is_empty());
    assert_eq!(ours, theirs, "{prefix}");
}

macro_rules! bits {
    ($flags:ty) => {
        &<$flags>::WORDS.iter().map(|(word, flag)| (*word, flag.bits())).collect::<Vec<_>>()
    };
}

#[test]
fn flags_are_the_documented_numbers_under_the_documented_names() {
    same(bits!(OpenFlags), "CLUS_RESDLL_OPEN_");
    same(bits!(OnlineFlags), "CLUS_RESDLL_ONLINE_");
    same(bits!(OfflineFlags), "CLUS_RESDLL_OFFLINE_");
    same(bits!(StatusFlags), "CLUSRESDLL_STATUS_");
    same(bits!(OfflineReason), "CLUSAPI_RESOURCE_OFFLINE_REASON_");
}

#[test]
fn codes_are_the_documented_numbers() {
    for (code, name) in Code::NAMED {
        let known = abi::ERROR_U32.iter().find(|(known, _)| known == name);
        assert_eq!(known.map(|(_, value)| *value), Some(i64::from(code.0)), "{name}");
    }
}

#[test]
fn states_are_the_documented_numbers() {
    for (state, number) in [
        (ResourceState::Unknown, abi::ClusterResourceStateUnknown),
        (ResourceState::Inherited, abi::ClusterResourceInherited),
        (ResourceState::Initializing, abi::ClusterResourceInitializing),
        (ResourceState::Online, abi::ClusterResourceOnline),
        (ResourceState::Offline, abi::ClusterResourceOffline),
        (ResourceState::Failed, abi::ClusterResourceFailed),
        (ResourceState::OnlinePending, abi::ClusterResourceOnlinePending),
        (ResourceState::OfflinePending, abi::ClusterResourceOfflinePending),
    ] {
        assert_eq!(state.number(), number, "{state:?}");
    }
}
