//! The suite that every backend passes.

use std::sync::atomic::{AtomicUsize, Ordering};

use stead_store::conformance;

use crate::cluster::{Cluster, installed, others};

fn conforms(cluster: &Cluster) {
    let count = AtomicUsize::new(0);
    conformance::run(&|| {
        let number = count.fetch_add(1, Ordering::Relaxed);
        Box::new(cluster.create(&format!("c{number}")))
    });
}

#[test]
fn with_one_member() {
    let Some(cluster) = Cluster::start(1) else { return };
    conforms(&cluster);
}

#[test]
fn with_three_members() {
    let Some(cluster) = Cluster::start(3) else { return };
    conforms(&cluster);
}

#[test]
fn with_three_members_of_another_version() {
    for program in others() {
        conforms(&Cluster::start_of(&[program.clone(), program.clone(), program]));
    }
}

#[test]
fn with_members_of_several_versions() {
    let (Some(installed), others) = (installed(), others()) else { return };
    if !others.is_empty() {
        let versions: Vec<_> = [installed].into_iter().chain(others).collect();
        let three: Vec<_> = versions.into_iter().cycle().take(3).collect();
        conforms(&Cluster::start_of(&three));
    }
}
