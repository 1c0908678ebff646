//! Real faults against real clusters: nodes in namespaces, members of etcd, and a witness outside stead in every group.
//! The rows are those of `book/faults.md`; `MEASURED` lines are what its tables show.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod certificates;
mod clocks;
mod database;
mod disks;
mod hosting;
mod network;
mod operators;
mod pairs;
mod processes;
mod programs;
mod versions;
mod witness;

use std::time::Duration;

use stead_e2e::cluster::Cluster;
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

/// Asserts that no work of any group ends while something happens, and for a while after it. A machine that is busy with
/// other things may cost a node its lease all the same, so it is tried again with every group where it was before: what has
/// gone elsewhere would not be disturbed by anything. What has to hold holds in one of three.
fn undisturbed(cluster: &Cluster, row: &str, after: Duration, mut fault: impl FnMut()) {
    let lives = || -> Vec<usize> {
        cluster.groups().iter().map(|group| cluster.testimony(group).lives().len()).collect()
    };
    let places: Vec<String> = cluster.groups().iter().map(|group| cluster.serves(group)).collect();
    for attempt in 1..=3 {
        for (group, node) in cluster.groups().iter().zip(&places) {
            cluster.move_to(group, node);
        }
        let before = lives();
        fault();
        cluster.pass(after);
        for group in cluster.groups() {
            cluster.serves(group);
        }
        cluster.never_two();
        if lives() == before {
            return cluster.measured(row, &format!("no work ended (attempt {attempt})"));
        }
        cluster.all_up();
    }
    panic!("{row}: work ended three times of three");
}
