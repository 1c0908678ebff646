//! Row E14: the clock of a member of etcd is wrong.

use std::time::{Duration, SystemTime};

use stead_e2e::cluster::{Cluster, Plan, Rules, clocks_possible, possible, said};

use crate::undisturbed;

const HOUR: i64 = 60 * 60;
const YEAR: i64 = 365 * 24 * HOUR;

/// The years in which a member of etcd wrote lines of its log.
fn years(cluster: &Cluster, node: &str) -> Vec<u64> {
    let log = std::fs::read_to_string(cluster.data(node).join("log/etcd.log")).unwrap();
    let year = |line: &str| line.split_once("\"ts\":\"")?.1.split('-').next()?.parse().ok();
    log.lines().filter_map(year).collect()
}

/// E14: an hour ahead, an hour behind, to and fro, and so far ahead that no certificate is good; of a member that follows,
/// and of the one that leads. Nothing in etcd that stead relies on reads that clock but the check of certificates, and a
/// member that trusts nobody is one that is not there.
#[test]
fn a_wrong_clock_of_a_member_of_etcd_ends_no_work() {
    if !possible() || !clocks_possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    let clock = cluster.own_clock("n1");
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
    // Without etcdctl, which it says.
    if !cluster.lead("n2") {
        return cluster.end();
    }
    let moves = || {
        for (group, to) in [("a", "n2"), ("a", "n1"), ("b", "n1"), ("b", "n2")] {
            cluster.move_to(group, to);
        }
    };
    for (part, leader) in [("it follows", "n2"), ("it leads", "n1")] {
        let row = |what: &str| format!("E14, {part}, {what}");
        let right = || {
            clock.wrong_by(0);
            for node in cluster.nodes() {
                cluster.all_answer(node);
            }
            cluster.all_up();
            assert!(cluster.lead(leader));
        };
        for (what, by) in [("an hour ahead", HOUR), ("an hour behind", -HOUR)] {
            undisturbed(&cluster, &row(what), Duration::from_secs(5), || {
                right();
                clock.wrong_by(by);
            });
            moves();
            assert_eq!(cluster.leader(), leader, "{what}: nobody has a reason to lead in its place");
        }
        undisturbed(&cluster, &row("to and fro"), Duration::from_secs(1), || {
            right();
            for turn in 0..50 {
                clock.wrong_by(if turn % 2 == 0 { YEAR } else { -YEAR });
                cluster.pass(Duration::from_millis(100));
            }
        });
        // Connections that are there go on; new ones do not come to be.
        undisturbed(
            &cluster,
            &row("twenty years ahead, all connections made anew"),
            Duration::from_secs(5),
            || {
                right();
                clock.wrong_by(20 * YEAR);
                cluster.firewall("n1", &[Rules::Reset]);
                cluster.pass(Duration::from_millis(500));
                cluster.firewall("n1", &[]);
            },
        );
        // etcd may carry out transactions and answer no reads while one of its members has half of its connections: an order
        // is done, or not done until the clock is right.
        let told = cluster.ask("n2", &["group", "move", "a", "--to", "n2"]);
        assert!(matches!(told.status.code(), Some(0 | 1 | 3 | 4 | 124)), "{}", said(&told));
        let code = told.status.code().unwrap_or_default();
        cluster.measured(&row("twenty years ahead"), &format!("an order ended with {code}"));
        cluster.never_two();
        right();
        for group in cluster.groups() {
            cluster.settled("n2", group);
        }
        cluster.move_to("a", "n1");
    }
    let seconds = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    let now = 1970 + seconds / YEAR.unsigned_abs();
    let told = years(&cluster, "n1");
    assert!(told.iter().any(|year| *year > now + 15), "its clock was never wrong: {told:?}");
    assert!(years(&cluster, "n2").iter().all(|year| *year < now + 15), "the clock of another one was");
    cluster.end();
}
