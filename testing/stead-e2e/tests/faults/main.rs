//! Real faults against real clusters: nodes in namespaces, members of etcd, and a witness outside stead in every group.
//! The rows are those of `book/faults.md`; `MEASURED` lines are what its tables show.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod database;
mod network;
mod operators;
mod processes;
mod witness;

use std::time::Duration;

use stead_e2e::cluster::{Cluster, instant};
use stead_e2e::witness::Change;

/// Seconds, as the tables of the book write them.
fn seconds(time: Duration) -> String {
    format!("{:.2} s", time.as_secs_f64())
}

/// Tells what a takeover measured.
fn tell(cluster: &Cluster, row: &str, change: &Change) {
    cluster.measured(
        row,
        &format!(
            "work ended after {}, began after {} ({} to {})",
            seconds(change.ended),
            seconds(change.began),
            change.from,
            change.to
        ),
    );
}

/// Asserts that no work of any group ends while something happens, and for a while after it.
fn undisturbed(cluster: &Cluster, row: &str, after: Duration, fault: impl FnOnce()) {
    let lives = || -> Vec<usize> {
        cluster.groups().iter().map(|group| cluster.testimony(group).lives().len()).collect()
    };
    let before = lives();
    let since = instant();
    fault();
    cluster.pass(after);
    for group in cluster.groups() {
        cluster.serves(group);
    }
    assert_eq!(lives(), before, "{row}: work ended");
    cluster.never_two();
    let silent = cluster.groups().iter().map(|group| cluster.testimony(group).longest_gap(since)).max();
    assert!(silent.unwrap_or_default() < Duration::from_secs(60), "{row}: {silent:?}");
    cluster.measured(row, "no work ended");
}
