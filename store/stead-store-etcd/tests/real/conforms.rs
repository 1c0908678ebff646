//! The suite that every backend passes.

use std::sync::atomic::{AtomicUsize, Ordering};

use stead_store::conformance;

use crate::cluster::Cluster;

fn conforms(members: usize) {
    let Some(cluster) = Cluster::start(members) else { return };
    let count = AtomicUsize::new(0);
    conformance::run(&|| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Box::new(cluster.create(&format!("c{number}")))
    });
}

#[test]
fn with_one_member() {
    conforms(1);
}

#[test]
fn with_three_members() {
    conforms(3);
}
