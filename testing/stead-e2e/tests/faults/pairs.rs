//! Row X1, two faults at once; and N6, a cable that comes and goes.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Fault, Kind, Plan, Way, instant, possible};

/// X1: pairs of faults, on one node and on two, are survived without two at once, and all is well after them.
#[test]
fn two_faults_at_once_are_no_more_than_two_faults() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let pairs = [
        (Fault::Cut(Way::Both), "n1", Fault::Stop(Kind::Node), "n1"),
        (Fault::Power, "n2", Fault::Kill(Kind::Etcd), "n1"),
        (Fault::Kill(Kind::Node), "n3", Fault::Cut(Way::In), "n3"),
        (Fault::Stop(Kind::Guardian), "n1", Fault::Kill(Kind::Node), "n1"),
        (Fault::Stop(Kind::Guard), "n2", Fault::Cut(Way::Out), "n2"),
        (Fault::Majority, "n2", Fault::Stop(Kind::Node), "n3"),
    ];
    for (one, on, other, there) in pairs {
        let since = instant();
        cluster.inflict(one, on);
        cluster.inflict(other, there);
        cluster.pass(Duration::from_secs(8));
        cluster.never_two();
        cluster.repair();
        cluster.recovered();
        let longest = cluster.groups().iter().map(|group| cluster.testimony(group).longest_gap(since));
        let longest = longest.max().unwrap_or_default();
        cluster.measured(
            "X1",
            &format!(
                "{one:?} on {on} and {other:?} on {there}: never two, silent {:.2} s at most",
                longest.as_secs_f64()
            ),
        );
    }
    cluster.end();
}

/// N6: a node whose cable comes and goes is left alone in the end.
#[test]
fn a_flapping_cable_moves_work_a_few_times_only() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { profile: "fast", groups: &["a"], ..Plan::default() });
    cluster.move_to("a", "n1");
    cluster.all_up();
    // Faster than the lease, and slower.
    for cut in [500, 1_000, 4_000, 500, 4_000, 4_000_u64] {
        cluster.partition("n1", Way::Both);
        cluster.pass(Duration::from_millis(cut));
        cluster.heal("n1");
        cluster.pass(Duration::from_millis(cut));
        cluster.never_two();
    }
    cluster.recovered();
    let lives = cluster.testimony("a").lives().len();
    cluster.measured("N6", &format!("6 times cut off: {lives} lives of its group, never two"));
    assert!(lives <= 2 + 3, "work went back to a node that is lost again and again: {lives} lives");
    cluster.end();
}
