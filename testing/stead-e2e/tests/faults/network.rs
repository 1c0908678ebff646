//! Rows N: cables are cut, both ways and one way, and bad.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Plan, Rules, Way, instant, possible};

use crate::{tell, undisturbed};

/// N1, N3, N4, N5 and N12: a node that is cut off from the majority loses its work, and it begins elsewhere.
#[test]
fn a_node_cut_off_loses_its_work() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let cut = |row: &str, on: &str, cut: &dyn Fn(), heal: &dyn Fn()| {
        cluster.move_to("a", on);
        let others = cluster.others(&[on]);
        cluster.move_to("b", &others[0]);
        cluster.move_to("c", &others[1]);
        cluster.all_up();
        let lives = |group: &str| cluster.testimony(group).lives().len();
        let before = (lives("b"), lives("c"));
        let since = instant();
        cut();
        let change = cluster.changed("a", since);
        tell(&cluster, row, &change);
        assert_ne!(change.to, on, "{row}");
        cluster.never_two();
        heal();
        cluster.all_answer(on);
        cluster.all_up();
        assert_eq!((lives("b"), lives("c")), before, "{row}: work of the majority ended");
        assert_eq!(cluster.testimony("a").lives().last().unwrap().node, change.to, "{row}");
    };
    let way = |row: &str, on: &str, way: Way| {
        cut(row, on, &|| cluster.partition(on, way), &|| cluster.heal(on));
    };
    way("N1 N12", "n1", Way::Both);
    way("N4", "n2", Way::In);
    way("N5", "n3", Way::Out);
    // N3: only etcd's ports, the others answer to everything else.
    let ports = || cluster.firewall("n1", &[Rules::Etcd]);
    cut("N3", "n1", &ports, &|| cluster.firewall("n1", &[]));
    cluster.end();
}

/// N2, N8, N11, N13 and N15: a bad network alone ends nothing.
#[test]
fn a_bad_network_ends_no_work() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    let long = Duration::from_secs(10);
    let leader = cluster.leader();
    let others = cluster.others(&[&leader]);

    // N2: two nodes do not reach each other, and both reach the third: the leader, or not.
    undisturbed(&cluster, "N2, the leader reaches both", long, || {
        cluster.firewall(&others[0], &[Rules::Without(vec![cluster.address_of(&others[1])])]);
    });
    cluster.firewall(&others[0], &[]);
    cluster.all_answer(&leader);
    undisturbed(&cluster, "N8, 30 %", long, || cluster.firewall(&others[0], &[Rules::Loss(30)]));
    cluster.firewall(&others[0], &[]);
    cluster.all_answer(&leader);
    undisturbed(&cluster, "N11", long, || cluster.narrow(&others[0], 64));
    cluster.widen(&others[0]);
    cluster.all_answer(&leader);
    // N13: every connection is reset, for less than the database may be silent.
    undisturbed(&cluster, "N13", long, || {
        cluster.firewall(&others[1], &[Rules::Reset]);
        cluster.pass(Duration::from_millis(500));
        cluster.firewall(&others[1], &[]);
    });
    cluster.all_answer(&leader);
    cluster.end();
}
