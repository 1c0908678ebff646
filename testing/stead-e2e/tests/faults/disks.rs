//! Rows D: the disk of one node of several.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Plan, disks_possible, possible, said};

use crate::undisturbed;

/// D1 and D4: the disk with the data folder is full, and then fails, so that the kernel lets nobody write to it.
#[test]
fn a_full_disk_and_a_failing_one_end_no_work() {
    if !possible() || !disks_possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let disk = cluster.small_disk("n1", 512);
    cluster.all_answer("n1");
    cluster.all_up();
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    let data = cluster.data("n1").display().to_string();
    let doctor = || said(&cluster.ask("n1", &["doctor"]));

    // D1: its member of etcd ends, the node goes on with the others, and the work with it.
    undisturbed(&cluster, "D1", Duration::from_secs(10), || disk.fill());
    let told = format!("{data}: 0 MiB free");
    assert!(doctor().contains(&told), "{}", doctor());
    // Orders are taken and done, also when their lines find no room in the log any more.
    for node in ["n2", "n1", "n2", "n1", "n2", "n1"] {
        cluster.move_to("a", node);
    }
    cluster.measured("D1", &format!("moved there and back three times; told: {told}"));
    disk.empty();
    cluster.all_answer("n1");
    cluster.all_up();

    // D4
    undisturbed(&cluster, "D4", Duration::from_secs(10), || disk.fail());
    let told = format!("{data} cannot be written to");
    assert!(doctor().contains(&told), "{}", doctor());
    let log = std::fs::read_to_string(cluster.disk("n1").join("node.log")).unwrap();
    let why = format!("the member of etcd could not be started: {data}/log/etcd.log: Read-only");
    assert!(log.contains(&why), "{log}");
    cluster.move_to("a", "n2");
    cluster.move_to("a", "n1");
    cluster.measured("D4", &format!("moved away and back; told: {told}"));
    assert!(cluster.ask("n1", &["status"]).status.success(), "the node does not answer");
    cluster.never_two();

    // With another disk all is as before.
    cluster.replace_disk("n1", disk);
    for node in cluster.nodes() {
        cluster.all_answer(node);
    }
    cluster.all_up();
    cluster.move_to("a", "n2");
    cluster.move_to("a", "n1");
    cluster.end();
}
