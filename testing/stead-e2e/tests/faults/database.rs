//! Rows E: the cluster database is hurt, lost, emptied and restored.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Kind, Plan, instant, possible};

use crate::{seconds, tell, undisturbed};

/// E1, E2, E3, E5, E6 and E10: etcd loses its leader, its majority, and its past.
#[test]
fn members_of_etcd_come_and_go() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan::default());
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();

    let leader = cluster.leader();
    undisturbed(&cluster, "E1", Duration::from_secs(6), || {
        cluster.kill_all(&cluster.processes(&leader, Kind::Etcd));
    });
    cluster.all_answer(&leader);

    let leader = cluster.leader();
    undisturbed(&cluster, "E2", Duration::from_secs(2), || {
        let etcd = cluster.processes(&leader, Kind::Etcd);
        cluster.stop(&etcd);
        cluster.pass(Duration::from_secs(10));
        cluster.resume(&etcd);
    });
    cluster.all_answer(&leader);

    if let Some(status) = cluster.etcdctl("n1", &["endpoint", "status", "--write-out", "json"]) {
        let status: serde_json::Value = serde_json::from_str(&status).unwrap();
        let revision = status[0]["Status"]["header"]["revision"].to_string();
        undisturbed(&cluster, "E5", Duration::from_secs(3), || {
            cluster.etcdctl("n1", &["compact", &revision]).unwrap();
        });
        cluster.move_to("a", "n2");
        cluster.move_to("a", "n1");

        // E6: what stops a member for a moment. E10: a member that has no vote comes and goes.
        undisturbed(&cluster, "E6, defragmentation and snapshot", Duration::from_secs(2), || {
            for node in cluster.nodes() {
                cluster.etcdctl(node, &["defrag"]).unwrap();
            }
            let file = cluster.folder().join("snapshot");
            cluster.etcdctl("n1", &["snapshot", "save", file.to_str().unwrap()]).unwrap();
        });
        undisturbed(&cluster, "E10, a learner", Duration::from_secs(2), || {
            let peer = format!("--peer-urls=https://{}:2380", cluster.address(99));
            let said = cluster.etcdctl("n1", &["member", "add", "--learner", "n99", &peer]).unwrap();
            let id = said.split_whitespace().nth(1).unwrap().to_owned();
            cluster.pass(Duration::from_secs(3));
            cluster.etcdctl("n1", &["member", "remove", &id]).unwrap();
        });
    }

    // E3: no majority, for a moment that nobody notices, and for too long.
    let pair = ["n1", "n2"];
    undisturbed(&cluster, "E3, 1 s", Duration::from_secs(5), || {
        let etcds: Vec<u64> = pair.iter().flat_map(|node| cluster.processes(node, Kind::Etcd)).collect();
        cluster.stop(&etcds);
        cluster.pass(Duration::from_secs(1));
        cluster.resume(&etcds);
    });
    let since = instant();
    for node in pair {
        cluster.lose_etcd(node);
    }
    for group in ["a", "b", "c"] {
        cluster.silent(group);
    }
    let last = |group: &&str| cluster.testimony(group).lives().last().unwrap().last;
    let ended = ["a", "b", "c"].iter().map(last).max().unwrap();
    let ended = Duration::from_nanos(ended - since);
    cluster.measured("E3", &format!("the last work ended after {}", seconds(ended)));
    cluster.pass(Duration::from_secs(10));
    let back = instant();
    for node in pair {
        cluster.return_etcd(node);
    }
    for group in ["a", "b", "c"] {
        let change = cluster.changed(group, since);
        let began = Duration::from_nanos((since + u64::try_from(change.began.as_nanos()).unwrap()) - back);
        cluster.measured("E3", &format!("{group} began {} after the majority was back", seconds(began)));
    }
    cluster.all_answer("n1");
    cluster.all_up();
    cluster.end();
}

/// E7: a session that somebody deletes is over, and what it had ends and begins anew.
#[test]
fn documents_deleted_by_hand_end_what_they_were_for() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a"], ..Plan::default() });
    cluster.move_to("a", "n1");
    let Some(keys) = cluster.etcdctl("n2", &["get", "", "--prefix", "--keys-only"]) else { return };
    let session = keys.lines().find(|key| key.ends_with("session/n1")).unwrap();
    let since = instant();
    cluster.etcdctl("n2", &["del", session]).unwrap();
    let change = cluster.changed("a", since);
    tell(&cluster, "E7", &change);
    cluster.all_up();
    cluster.end();
}

/// E9: the files of etcd are replaced by older ones, below nodes that run. Nothing begins on what they say; with the
/// right ones back, everything does.
#[test]
fn an_older_database_begins_nothing() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    let copy = |from: &str, to: &str| {
        for node in cluster.nodes() {
            let (from, to) = (cluster.data(node).join(from), cluster.data(node).join(to));
            let mut command = std::process::Command::new("cp");
            assert!(command.arg("-a").arg(from).arg(to).status().unwrap().success());
        }
    };
    let replace = |with: &str| {
        for node in cluster.nodes() {
            std::fs::remove_dir_all(cluster.data(node).join("etcd")).unwrap();
        }
        copy(with, "etcd");
    };
    let all = || -> Vec<u64> {
        cluster.nodes().iter().flat_map(|node| cluster.processes(node, Kind::Etcd)).collect()
    };
    // Taken while nothing is written.
    cluster.stop(&all());
    copy("etcd", "older");
    cluster.resume(&all());
    cluster.all_answer("n1");
    cluster.all_up();
    cluster.move_to("a", "n2");
    cluster.move_to("a", "n3");
    for group in ["a", "b"] {
        cluster.settled("n1", group);
    }

    let since = instant();
    for node in cluster.nodes() {
        cluster.lose_etcd(node);
    }
    for group in ["a", "b"] {
        cluster.silent(group);
    }
    copy("etcd", "newest");
    replace("older");
    let lives = || ["a", "b"].map(|group| cluster.testimony(group).lives().len());
    let before = lives();
    for node in cluster.nodes() {
        cluster.return_etcd(node);
    }
    // They say what they see, and what to do.
    for node in cluster.nodes() {
        cluster.until(&format!("{node} to see that the database went back"), || {
            let log = std::fs::read_to_string(cluster.data(node).join("log/node.log")).unwrap_or_default();
            let outside = std::fs::read_to_string(cluster.disk(node).join("node.log")).unwrap_or_default();
            (log + &outside).contains("stead cluster adopt").then_some(())
        });
    }
    cluster.pass(Duration::from_secs(10));
    assert_eq!(lives(), before, "something began on an older database");
    cluster.measured("E9", "all nodes refuse, name the command, and begin nothing");

    for node in cluster.nodes() {
        cluster.lose_etcd(node);
    }
    replace("newest");
    for node in cluster.nodes() {
        cluster.return_etcd(node);
    }
    for group in ["a", "b"] {
        cluster.changed(group, since);
    }
    cluster.all_up();
    cluster.end();
}
