//! Row E11: other versions of etcd, and members of several at once.

use std::time::Duration;

use serde_json::Value;

use stead_e2e::cluster::{Cluster, Kind, Plan, instant, possible};
use stead_e2e::etcds;

use crate::{tell, undisturbed};

type Version = [u32; 3];

fn written([major, minor, patch]: Version) -> String {
    format!("{major}.{minor}.{patch}")
}

/// What the operator's guide asks for: 3.4.42, 3.5.28, 3.6.9 or later.
fn good(version: Version) -> bool {
    match version {
        [3, 4, patch] => patch >= 42,
        [3, 5, patch] => patch >= 28,
        [3, 6, patch] => patch >= 9,
        later => later >= [3, 7, 0],
    }
}

/// Waits until the members have these versions, in the order of the nodes, and asserts that every node warns of those that
/// are too old and of no other.
fn members_are(cluster: &Cluster, expected: &[Version]) {
    let mut old: Vec<String> =
        expected.iter().filter(|version| !good(**version)).map(|of| written(*of)).collect();
    old.sort();
    old.dedup();
    let expected: Vec<String> = expected.iter().map(|version| written(*version)).collect();
    for node in cluster.nodes() {
        let warnings = cluster.until(&format!("{node} to see members of {}", expected.join(", ")), || {
            let output = cluster.ask(node, &["cluster", "status", "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).ok()?;
            let members = status["members"].as_array()?;
            let of = |name: &String| members.iter().find(|member| member["name"] == name.as_str());
            let found: Option<Vec<&str>> =
                cluster.nodes().iter().map(|name| of(name)?["version"].as_str()).collect();
            (found? == expected).then(|| status["warnings"].clone())
        });
        let lines = warnings.as_array().unwrap();
        let mut told: Vec<&str> =
            lines.iter().filter_map(|line| line.as_str()?.strip_prefix("etcd ")?.split(' ').next()).collect();
        told.sort_unstable();
        assert_eq!(told, old, "{node}: {warnings}");
        assert!(
            lines.iter().all(|line| line.as_str().unwrap().contains("is older than")),
            "{node}: {warnings}"
        );
    }
}

fn spread(cluster: &Cluster) {
    for (group, node) in [("a", "n1"), ("b", "n2"), ("c", "n3")] {
        cluster.move_to(group, node);
    }
    cluster.all_up();
}

fn leader_killed(cluster: &Cluster, row: &str) {
    let leader = cluster.leader();
    undisturbed(cluster, row, Duration::from_secs(6), || {
        cluster.kill_all(&cluster.processes(&leader, Kind::Etcd));
    });
    cluster.all_answer(&leader);
}

/// E11: with the newest version there is here, all is as with the one of every other test.
#[test]
fn another_version_of_etcd_is_as_good() {
    if !possible() {
        return;
    }
    let all = etcds();
    let [_, .., (version, program)] = all.as_slice() else { return };
    let row = |what: &str| format!("E11, {}, {what}", written(*version));
    let cluster = Cluster::up(&Plan { etcd: Some(program.clone()), ..Plan::default() });
    members_are(&cluster, &[*version; 3]);
    spread(&cluster);
    for node in ["n2", "n3", "n1"] {
        cluster.move_to("a", node);
    }
    leader_killed(&cluster, &row("leader killed"));

    let since = instant();
    cluster.power_off("n1");
    let change = cluster.changed("a", since);
    tell(&cluster, &row("power cut"), &change);
    cluster.power_on("n1");
    cluster.all_answer("n2");
    cluster.all_up();
    cluster.move_to("a", "n1");
    cluster.end();
}

/// E11: one member after the other is restarted with a newer etcd, as etcd's manual has it. No work ends, not between
/// two members either: the leader is killed, and a node process, which then opens the database anew.
#[test]
fn an_upgrade_of_one_member_after_the_other_ends_no_work() {
    if !possible() {
        return;
    }
    let all = etcds();
    let [(oldest, first), later @ ..] = all.as_slice() else { return };
    if later.is_empty() {
        return;
    }
    let cluster = Cluster::up(&Plan { etcd: Some(first.clone()), ..Plan::default() });
    let mut versions = [*oldest; 3];
    members_are(&cluster, &versions);
    let events = cluster.ok("n1", &["events", "--last", "1000"]);
    assert_eq!(events.contains("is older than stead asks for"), !good(*oldest), "{events}");
    spread(&cluster);

    for (version, program) in later {
        for place in 0..versions.len() {
            let node = &cluster.nodes()[place].clone();
            let before = written(versions[place]);
            cluster.install_etcd(node, program);
            versions[place] = *version;
            let row = format!("E11, {before} to {}, {} of 3", written(*version), place + 1);
            undisturbed(&cluster, &row, Duration::from_secs(3), || {
                let old = cluster.processes(node, Kind::Etcd);
                cluster.end_all(&cluster.processes(node, Kind::Member));
                assert!(old.iter().all(|process| !stead_e2e::alive(*process)), "etcd outlived its keeper");
                cluster.all_answer(node);
            });
            members_are(&cluster, &versions);
            let others = cluster.others(&[node]);
            cluster.move_to("a", &others[0]);
            cluster.move_to("a", node);
            if place + 1 == versions.len() {
                continue;
            }
            leader_killed(&cluster, &format!("{row}, leader killed"));
            undisturbed(&cluster, &format!("{row}, node process killed"), Duration::from_secs(3), || {
                cluster.kill_all(&cluster.processes(node, Kind::Node));
            });
            cluster.all_up();
        }
    }
    spread(&cluster);
    cluster.end();
}
