//! Row E12: the certificate of a node ends while it has work.

use std::time::Duration;

use stead_e2e::cluster::{Cluster, Kind, Plan, Rules, instant, possible, said};

use crate::{tell, undisturbed};

/// E12: a connection that is open is not looked at again; from the first that breaks on, the node is cut off from the
/// database. Its work ends in time and begins elsewhere, people are told whose certificate it is, and a new one is enough.
#[test]
fn a_node_whose_certificate_ended_is_told_and_comes_back_with_a_new_one() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    let on = "n3";
    cluster.move_to("a", on);
    cluster.move_to("b", "n1");
    cluster.all_up();

    // Renewed while everything runs, and every connection made anew: nobody notices.
    undisturbed(&cluster, "E12, renewed in time", Duration::from_secs(5), || {
        let told = cluster.ok(on, &["cluster", "renew"]);
        assert!(told.contains("the certificate of n3 is good until"), "{told}");
        cluster.firewall(on, &[Rules::Reset]);
        cluster.pass(Duration::from_millis(500));
        cluster.firewall(on, &[]);
    });
    cluster.all_answer(on);
    cluster.all_up();
    cluster.move_to("a", on);

    // Without the key of the authority the node cannot renew it, and says so.
    let key = cluster.data(on).join("tls/ca.key");
    let away = cluster.folder().join("ca.key");
    cluster.ok(on, &["cluster", "renew", "--seconds", "5"]);
    std::fs::rename(&key, &away).unwrap();
    let listed = cluster.ok("n1", &["cluster", "certificates"]);
    assert!(listed.contains("stead cluster") && listed.contains("n2"), "{listed}");
    cluster.pass(Duration::from_secs(6));
    assert_eq!(cluster.online("n1", "a"), on, "what is connected stays so");

    let since = instant();
    // Its own member, whose connections to the others and to the node on the same machine no firewall resets.
    cluster.kill_all(&cluster.processes(on, Kind::Etcd));
    cluster.firewall(on, &[Rules::Reset]);
    // Longer than it takes until every connection is used: one that says nothing is not reset.
    cluster.pass(Duration::from_millis(1_500));
    cluster.firewall(on, &[]);
    let change = cluster.changed("a", since);
    tell(&cluster, "E12", &change);
    assert_ne!(change.to, on);
    cluster.never_two();
    let log = || std::fs::read_to_string(cluster.data(on).join("log/node.log")).unwrap_or_default();
    let line = cluster.until("the node to say whose certificate ended", || {
        log().lines().find(|line| line.contains("the certificate of n3 ended on")).map(str::to_owned)
    });
    assert!(line.contains("tls/node.crt") && line.contains("`stead cluster renew`"), "{line}");
    cluster.measured("E12", &format!("it says: {line}"));
    let refused = cluster.ask(on, &["cluster", "status"]);
    assert!(said(&refused).contains("the certificate of n3 ended on"), "{}", said(&refused));
    let kept = cluster.ask(on, &["cluster", "renew"]);
    assert_eq!(kept.status.code(), Some(3), "{}", said(&kept));
    assert!(said(&kept).contains("copy it from another node"), "{}", said(&kept));

    // With the key it does it by itself.
    std::fs::rename(&away, &key).unwrap();
    cluster.until("the node to be heard again", || {
        let status = cluster.ask("n1", &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&status.stdout).ok()?;
        let of = status["nodes"].as_array()?.iter().find(|node| node["name"] == on)?.clone();
        (of["state"] == "Up" && of["seen_ms_ago"].is_null()).then_some(())
    });
    cluster.all_answer(on);
    cluster.all_up();
    cluster.move_to("a", on);
    let listed = cluster.ok("n1", &["cluster", "certificates", "--json"]);
    let listed: serde_json::Value = serde_json::from_str(&listed).unwrap();
    let of =
        listed["certificates"].as_array().unwrap().iter().find(|line| line["whose"] == on).unwrap().clone();
    cluster.measured("E12", &format!("n1 knows of the new one: {of}"));
    cluster.end();
}
