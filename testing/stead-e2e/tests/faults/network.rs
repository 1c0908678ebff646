//! Rows N: cables are cut, both ways and one way, and bad.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Kind, Plan, Rules, Way, Wire, instant, possible, said};

use crate::{seconds, tell, undisturbed};

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

/// N2, N8, N11 and N13: a bad network alone ends nothing.
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
    // A node whose work did end could not come back on such a cable before another try.
    let lease = Duration::from_secs(5);
    undisturbed(&cluster, "N8, 30 %", lease, || {
        cluster.firewall(&others[0], &[Rules::Loss(30)]);
        cluster.pass(long);
        cluster.firewall(&others[0], &[]);
    });
    cluster.all_answer(&leader);
    undisturbed(&cluster, "N11", lease, || {
        cluster.narrow(&others[0], 64);
        cluster.pass(long);
        cluster.widen(&others[0]);
    });
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

/// N7 and N9: what goes over a cable arrives late, twice, and in another order. As long as answers come within three quarters
/// of a renewal period, a second here, nothing ends; when they come later the node's work ends, and nothing lives twice.
#[test]
fn a_cable_that_is_slow_doubles_and_disorders_makes_no_two() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let leader = cluster.leader();
    let others = cluster.others(&[&leader]);
    for (group, node) in [("a", &leader), ("b", &others[0]), ("c", &others[1])] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    let long = Duration::from_secs(10);
    // Each way: the answer to a question comes after twice as long.
    let late = |ms| Wire { delay: (ms, ms), doubled: 0 };
    let disordered = Wire { delay: (0, 20), doubled: 5 };
    for (row, node, wire) in [
        ("N7, 100 ms, a follower", &others[0], late(100)),
        ("N7, 250 ms, a follower", &others[0], late(250)),
        ("N7, 100 ms, the leader", &leader, late(100)),
        ("N9, a follower", &others[0], disordered),
        ("N9, the leader", &leader, disordered),
    ] {
        let mut wired = None;
        undisturbed(&cluster, row, long, || {
            wired = None;
            wired = Some(cluster.wire(node, wire));
        });
        drop(wired);
        cluster.all_answer(&others[1]);
    }

    for (row, node, group, ms) in [
        ("N7, 500 ms, a follower", &others[0], "b", 500),
        ("N7, 3 s, a follower", &others[0], "b", 3_000),
        ("N7, 3 s, the leader", &leader, "a", 3_000),
    ] {
        let since = instant();
        let wired = cluster.wire(node, late(ms));
        let change = cluster.changed(group, since);
        cluster.pass(Duration::from_secs(3));
        cluster.never_two();
        tell(&cluster, row, &change);
        drop(wired);
        cluster.all_answer(&others[1]);
        cluster.all_up();
        cluster.move_to(group, node);
        cluster.all_up();
    }
    cluster.end();
}

/// N15: a cable on which long packets vanish, of a node that follows and of the one that leads etcd. Short ones still come
/// through, so nothing is cut: who keeps its lease keeps its work, and who loses it loses its work in order.
#[test]
fn a_cable_that_loses_long_packets_makes_no_two() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let lives = |group: &str| cluster.testimony(group).lives().len();
    // Longer than a packet may be, and with the row in it.
    let describe = |node: &str, row: &str| {
        let long = format!("{row} {}", "long ".repeat(800));
        cluster.ask(node, &["group", "set", "c", "--description", &long])
    };
    let narrow = |row: &str, on: &str| {
        let others = cluster.others(&[on]);
        cluster.move_to("a", on);
        cluster.move_to("b", &others[0]);
        cluster.move_to("c", &others[1]);
        cluster.all_up();
        let before = ["a", "b", "c"].map(lives);
        let since = instant();
        cluster.firewall(on, &[Rules::Longest(1200)]);
        let told = describe(&others[1], row);
        // Done, or not and said so.
        assert!(matches!(told.status.code(), Some(0 | 1 | 3 | 4 | 124)), "{row}: {}", said(&told));
        cluster.pass(Duration::from_secs(10));
        cluster.never_two();
        cluster.firewall(on, &[]);
        for node in cluster.nodes() {
            cluster.all_answer(node);
        }
        cluster.all_up();
        for group in cluster.groups() {
            cluster.settled(on, group);
        }
        cluster.never_two();
        let ended = ["a", "b", "c"].map(lives).into_iter().zip(before).map(|(now, before)| now - before);
        let ended: Vec<usize> = ended.collect();
        let down = |group: &String| cluster.testimony(group).down(since);
        let down = cluster.groups().iter().map(down).max().unwrap_or_default();
        let code = told.status.code().unwrap_or_default();
        let seen = format!("works of a, b, c begun anew: {ended:?}; down for {} at most", seconds(down));
        cluster.measured(row, &format!("{seen}; the long order ended with {code}"));
        if ended != [0, 0, 0] {
            let events = said(&cluster.ask(on, &["events", "--last", "1000"]));
            let told = ["could not be renewed in time", "is down: it left without a word"];
            assert!(told.iter().any(|told| events.contains(told)), "{row}: why is not told: {events}");
        }
        // Long documents are written again.
        cluster.until("a long document to be written", || {
            describe(on, "afterwards").status.success().then_some(())
        });
    };
    let leader = cluster.leader();
    narrow("N15, it follows", &cluster.others(&[&leader])[0]);
    let leader = cluster.leader();
    narrow("N15, it leads", &leader);
    cluster.end();
}

/// N2, of members of etcd: one does not reach the others, nor they it, and everybody reaches all nodes and all members. Whoever
/// it is, and whether it led or not, its node goes on with the others, and hears what is asked of it.
#[test]
fn a_member_cut_off_from_the_others_costs_its_node_nothing() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    // n1 began when its member was the only one.
    for (part, leader) in [("it follows", "n2"), ("it leads", "n1")] {
        let alone = format!("N2, a member, {part}");
        let begin = || {
            cluster.firewall("n1", &[]);
            for node in cluster.nodes() {
                cluster.all_answer(node);
            }
            // Without etcdctl, which it says, whoever leads.
            let _ = cluster.lead(leader);
        };
        undisturbed(&cluster, &alone, Duration::from_secs(8), || {
            begin();
            cluster.firewall("n1", &[Rules::Peers]);
        });
        // Its node listens to it when it has just begun.
        begin();
        cluster.kill_all(&cluster.processes("n1", Kind::Node));
        cluster.all_answer("n1");
        cluster.all_up();
        cluster.firewall("n1", &[Rules::Peers]);
        for (group, to) in [("b", "n1"), ("a", "n2"), ("b", "n2"), ("a", "n1")] {
            let began = std::time::Instant::now();
            cluster.move_to(group, to);
            cluster.measured(&alone, &format!("{group} was on {to} after {}", seconds(began.elapsed())));
        }
    }
    cluster.firewall("n1", &[]);
    cluster.all_answer("n1");
    cluster.end();
}
