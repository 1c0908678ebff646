//! Rows O: people at the keyboard, two at once, and wrong.

use std::thread;
use std::time::Duration;

use stead_e2e::cluster::{Cluster, Plan, instant, possible, said};

use crate::{tell, undisturbed};

/// O1, O2 and O3: moves that contradict each other, that are given up, and groups that are deleted.
#[test]
fn two_operators_at_once_have_one_result() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    cluster.move_to("a", "n1");
    cluster.all_up();

    // O1, five times: to two nodes at once, asked of two nodes.
    for _ in 0..5 {
        let on = cluster.settled("n1", "a");
        let others = cluster.others(&[&on]);
        let ended: Vec<(String, std::process::Output)> = thread::scope(|scope| {
            let asks: Vec<_> = others
                .iter()
                .map(|to| {
                    let cluster = &cluster;
                    scope.spawn(move || (to.clone(), cluster.ask(to, &["group", "move", "a", "--to", to])))
                })
                .collect();
            asks.into_iter().map(|ask| ask.join().unwrap()).collect()
        });
        let won = ended.iter().filter(|(_, output)| output.status.success()).count();
        assert!(won >= 1, "{:?}", ended.iter().map(|(_, output)| said(output)).collect::<Vec<_>>());
        let at = cluster.settled("n1", "a");
        assert!(others.contains(&at), "it is on {at}");
        for (to, output) in &ended {
            assert!(won == 2 || *to == at || !output.status.success(), "{to} was told that it is there");
            if !output.status.success() {
                assert!(matches!(output.status.code(), Some(1 | 3)), "{to}: {}", said(output));
                assert!(!said(output).trim().is_empty());
            }
        }
        cluster.never_two();
        cluster.measured("O1", &format!("{won} of 2 were done, in one order; never two"));
    }

    // O2: a move that is given up at once ends here or there, and nowhere else.
    for _ in 0..5 {
        let on = cluster.settled("n1", "a");
        let to = cluster.others(&[&on])[0].clone();
        let taken = cluster.order(&on, &["group", "move", "a", "--to", &to, "--no-wait"]);
        assert!(taken.status.success(), "{}", said(&taken));
        let _ = cluster.ask(&on, &["group", "cancel", "a"]);
        let at = cluster.settled(&on, "a");
        assert!(at == on || at == to, "it is on {at}");
    }
    cluster.measured("O2", "here or there, online");

    // O3: a group that is online is not deleted without being told to; while it moves neither half is left.
    let refused = cluster.ask("n1", &["group", "delete", "b"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    let on = cluster.settled("n1", "b");
    let to = cluster.others(&[&on])[0].clone();
    cluster.order(&on, &["group", "move", "b", "--to", &to, "--no-wait"]);
    // Only the owner deletes, and in the middle of a move there is none: the others refuse and change nothing.
    cluster.until("the deletion to be taken", || {
        cluster.nodes().iter().find_map(|node| {
            let output = cluster.ask(node, &["group", "delete", "b", "--force"]);
            assert!(matches!(output.status.code(), Some(0 | 3)), "{}", said(&output));
            output.status.success().then_some(())
        })
    });
    for node in cluster.nodes() {
        cluster.until(&format!("{node} to know no group b"), || {
            cluster.group(node, "b").is_null().then_some(())
        });
    }
    cluster.silent("b");
    cluster.measured("O3", "refused; with --force gone on all nodes, its work ended");
    cluster.end();
}

/// O6, O7 and O9: a node that somebody has seen to be down, one that is emptied for work on it, and one that is removed.
#[test]
fn a_node_is_confirmed_down_drained_and_removed() {
    if !possible() {
        return;
    }
    let plan = Plan { profile: "patient", groups: &["a", "b"], ..Plan::default() };
    let cluster = Cluster::up(&plan);
    let events = |text: &str| cluster.ok("n1", &["events", "--json", "--last", "1000"]).contains(text);
    let confirmed = |node: &str| {
        cluster.until(&format!("{node} to be confirmed down"), || {
            let said = cluster.ask("n1", &["node", "confirm-down", node, "--typed", node]);
            said.status.success().then_some(())
        });
    };

    // O6: not one that is up, not by another name; then at once.
    cluster.move_to("a", "n3");
    cluster.move_to("b", "n2");
    cluster.all_up();
    undisturbed(&cluster, "O6", Duration::from_secs(1), || {
        for (typed, says) in [("n3", "it renews its session"), ("N3", "it must be the node's name")] {
            let refused = cluster.ask("n1", &["node", "confirm-down", "n3", "--typed", typed]);
            assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
            assert!(said(&refused).contains(says), "{}", said(&refused));
        }
    });
    let since = instant();
    cluster.power_off("n3");
    confirmed("n3");
    let change = cluster.changed("a", since);
    tell(&cluster, "O6", &change);
    assert_eq!(change.from, "n3");
    assert!(events("\\\"n3\\\" was confirmed down by"), "it is not in the history");
    cluster.power_on("n3");
    cluster.all_up();

    // O7: everything leaves the node and nothing comes to it; then everything comes back.
    cluster.move_to("a", "n2");
    cluster.move_to("b", "n2");
    cluster.ok("n1", &["node", "pause", "n2", "--drain"]);
    for group in ["a", "b"] {
        assert_ne!(cluster.settled("n1", group), "n2");
    }
    let refused = cluster.ask("n1", &["group", "move", "a", "--to", "n2"]);
    assert!(said(&refused).contains("is paused"), "{}", said(&refused));
    assert!(cluster.ok("n3", &["node", "list"]).contains("Paused, drained"));
    cluster.ok("n3", &["node", "resume", "n2", "--failback", "now"]);
    cluster.until("what was drained to come back", || {
        ["a", "b"].iter().all(|group| cluster.serves(group) == "n2").then_some(())
    });
    cluster.measured("O7", "all groups away one after another, nothing came; back after resume");

    // O9: a node that is up is not removed; one that is gone is, and the others do not mind.
    let refused = cluster.ask("n1", &["cluster", "members", "remove", "n3"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    cluster.move_to("a", "n1");
    let lives = || ["a", "b"].map(|group| cluster.testimony(group).lives().len());
    let before = lives();
    cluster.power_off("n3");
    confirmed("n3");
    cluster.until("n3 to be removed", || {
        cluster.ask("n1", &["cluster", "members", "remove", "n3"]).status.success().then_some(())
    });
    cluster.until("n3 to be forgotten", || {
        let output = cluster.ask("n2", &["cluster", "status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["nodes"].as_array()?.len() == 2).then_some(())
    });
    // Two are a cluster that moves its groups as before.
    cluster.move_to("a", "n2");
    cluster.move_to("a", "n1");
    let ended: usize = lives().iter().zip(before).map(|(now, before)| now - before).sum();
    cluster.measured("O9", &format!("removed; {ended} works began anew, 2 of them by moves"));
    cluster.end();
}

/// O4, O5, D5, D7, U5 and H13: wrong configurations, documents and files, and a machine that was copied.
#[test]
fn what_is_wrong_is_refused_and_changes_nothing() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    cluster.move_to("a", "n1");
    cluster.move_to("b", "n2");
    cluster.all_up();

    // O4
    let good = std::fs::read_to_string(cluster.file()).unwrap();
    let wrong = cluster.folder().join("wrong.toml");
    undisturbed(&cluster, "O4", Duration::from_secs(1), || {
        for (from, to) in [
            ("Generic Application", "Generic Aplication"),
            ("RestartDelay = 0", "RestartDelay = -1"),
            ("name = \"work-a\"", "name = \"work-a\"\ndepends_on = \"[work-a]\""),
            ("name = \"work-b\"", "name = \"work-a\""),
            ("failover_threshold", "failover_treshold"),
        ] {
            std::fs::write(&wrong, good.replacen(from, to, 1)).unwrap();
            let output = cluster.ask("n1", &["apply", wrong.to_str().unwrap()]);
            assert_eq!(output.status.code(), Some(5), "{to}: {}", said(&output));
            assert!(said(&output).contains("wrong.toml:"), "{to}: it has no place: {}", said(&output));
        }
    });

    // O5: a document of the configuration is made unreadable by hand. What runs goes on, and the nodes say so.
    if let Some(keys) = cluster.etcdctl("n1", &["get", "", "--prefix", "--keys-only"]) {
        let key = keys.lines().find(|key| key.contains("/resource/") && key.contains("work-b")).unwrap();
        let before = cluster.etcdctl("n1", &["get", key, "--print-value-only"]).unwrap();
        undisturbed(&cluster, "O5", Duration::from_secs(5), || {
            cluster.etcdctl("n1", &["put", key, "{ no document"]).unwrap();
        });
        cluster.etcdctl("n1", &["put", key, before.trim_end()]).unwrap();
        cluster.until("the nodes to answer", || {
            let ok = |node: &String| cluster.ask(node, &["status"]).status.success();
            cluster.nodes().iter().all(ok).then_some(())
        });
    }

    let session = || {
        let output = cluster.ask("n1", &["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        let n3 = status["nodes"].as_array()?.iter().find(|node| node["name"] == "n3")?.clone();
        n3["session"].as_str().map(str::to_owned)
    };
    let before = session().unwrap_or_default();

    // D5 and D7: the node's own file is cut short, and then away. It does not begin, and says why.
    cluster.power_off("n3");
    let file = cluster.data("n3").join("node.toml");
    let text = std::fs::read_to_string(&file).unwrap();
    let log = || std::fs::read_to_string(cluster.disk("n3").join("node.log")).unwrap_or_default();
    for (row, broken) in [("D5", Some(&text[..text.len() / 2])), ("D7", None)] {
        match broken {
            Some(broken) => std::fs::write(&file, broken).unwrap(),
            None => std::fs::remove_file(&file).unwrap(),
        }
        let before = log().len();
        cluster.power_on("n3");
        let told = cluster.until(&format!("{row}: the node to say why it does not begin"), || {
            let told = log()[before..].to_owned();
            told.contains("node.toml").then_some(told)
        });
        let line = told.lines().find(|line| line.contains("node.toml")).unwrap_or_default().to_owned();
        cluster.measured(row, &format!("refused: {line}"));
        cluster.lab(&["kill", "n3"]);
    }

    // U5: one node has other timings than the others. Who takes over goes by what the lost one had said.
    std::fs::write(&file, text.replace("profile = \"default\"", "profile = \"patient\"")).unwrap();
    cluster.power_on("n3");
    cluster.all_answer("n3");
    cluster.all_up();
    // It waits until the session it had before is over; what is moved to that one comes back.
    cluster.until("another session of n3", || session().filter(|now| *now != before));
    cluster.all_up();
    cluster.move_to("b", "n3");
    let since = instant();
    cluster.power_off("n3");
    let change = cluster.changed("b", since);
    tell(&cluster, "U5", &change);
    assert!(change.began > Duration::from_secs(9), "taken over before a patient node's work has ended");
    cluster.end();
}

/// H13: a copy of a machine waits for as long as the other one lives, and changes nothing for it.
#[test]
fn the_copy_of_a_node_waits() {
    if !possible() {
        return;
    }
    let cluster = Cluster::up(&Plan { groups: &["a", "b"], ..Plan::default() });
    cluster.move_to("a", "n1");
    cluster.all_up();
    undisturbed(&cluster, "H13", Duration::from_secs(1), || {
        let copy = cluster.copy_of("n1", "n2");
        cluster.until("the copy to say that its name is in use", || {
            let log = std::fs::read_to_string(copy.data().join("log/node.log")).unwrap_or_default();
            log.contains("is in use by a machine").then_some(())
        });
        cluster.pass(Duration::from_secs(8));
        assert_eq!(cluster.online("n1", "a"), "n1");
    });
    cluster.end();
}
