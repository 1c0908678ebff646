//! Bad input to a cluster of several nodes: what is refused, what is survived, and what the operator is told. The nodes run
//! on one machine, with an etcd of somebody else.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod several;

use std::path::Path;
use std::process::Command;

use serde_json::json;
use several::{World, said};
use stead_e2e::until;

fn copy(from: &Path, to: &Path) {
    let done = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
    assert!(done.success());
}

#[test]
fn a_copy_of_a_node_is_refused_while_the_node_runs() {
    let Some(mut world) = World::with_nodes(&["n1"]) else { return };
    let process = world.online("web");
    copy(&world.data("n1"), &world.data("clone"));
    world.start("clone");
    world.tells("clone", "the name \"n1\" is in use by a machine with boot id");
    world.tells("clone", "it cannot begin:");
    // Not at the moment when its node process is started anew.
    until("the reason in the status", || {
        let told = said(&world.run("clone", &["status"]));
        (told.contains("n1") && told.contains("machine")).then_some(())
    });
    assert_eq!(world.online("web"), process, "the node itself goes on");
    world.up("n1");
}

#[test]
fn a_node_with_a_wrong_identity_is_refused_with_the_remedy() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    world.stop("n2");
    let good = std::fs::read_to_string(world.data("n2").join("node.toml")).unwrap();

    // The id of another cluster of the same name.
    world.edit("n2", |text| {
        let line = text.lines().find(|line| line.starts_with("id = ")).unwrap();
        text.replace(line, "id = \"00ff\"")
    });
    world.start("n2");
    world.tells("n2", "it cannot begin: etcd holds cluster \"prod\" with id");
    let told = world.run("n2", &["status"]);
    assert_eq!(told.status.code(), Some(4), "{}", said(&told));
    assert!(
        said(&told).contains("not 00ff") && said(&told).contains("[cluster] of node.toml"),
        "{}",
        said(&told)
    );
    // Putting it right is enough.
    std::fs::write(world.data("n2").join("node.toml"), &good).unwrap();
    world.up("n2");
    world.tells("n2", "node \"n2\" joined");
    world.stop("n2");

    // Times that cannot be kept are refused before anything is started, with their line.
    world.edit("n2", |text| text.replace("profile = \"fast\"", "renewal_ms = 1000\ndeadline_ms = 2500"));
    let told = world.run("n2", &["node", "run"]);
    assert_eq!(told.status.code(), Some(5), "{}", said(&told));
    for part in ["node.toml:", "renewal_ms = 1000, deadline_ms = 2500", "3.1 s is needed"] {
        assert!(said(&told).contains(part), "{} lacks {part}", said(&told));
    }
    // Others than the cluster's are told, and harmless: who takes over goes by them.
    std::fs::write(world.data("n2").join("node.toml"), good.replace("\"fast\"", "\"default\"")).unwrap();
    world.start("n2");
    world.event("n2", 10_046, "are not those of the cluster");
    world.up("n2");
    world.stop("n2");
    std::fs::write(world.data("n2").join("node.toml"), &good).unwrap();

    // The others have removed it.
    world.ok("n1", &["cluster", "members", "remove", "n2"]);
    world.start("n2");
    world.tells("n2", "it cannot begin: node \"n2\" does not belong to cluster \"prod\"");
    world.tells("n2", "`stead cluster join` again");
    assert_eq!(world.processes("web").len(), 1);
}

#[test]
fn a_restored_database_stops_every_node_until_it_is_adopted() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    let nothing = world.run("n1", &["cluster", "adopt", "--yes"]);
    assert_eq!(nothing.status.code(), Some(3), "{}", said(&nothing));
    assert!(said(&nothing).contains("nothing to adopt"), "{}", said(&nothing));
    let process = world.online("web");

    // An older copy of its folder is put in the place of the database, under the same id.
    let folder = world.folder.path().join("etcd");
    let old = world.folder.path().join("old");
    world.stop_etcd();
    copy(&folder, &old);
    world.start_etcd();
    world.up("n1");
    world.apply("n1", &["web", "new"]);
    let before = world.online("new");
    world.stop_etcd();
    std::fs::remove_dir_all(&folder).unwrap();
    std::fs::rename(&old, &folder).unwrap();
    world.start_etcd();
    for node in ["n1", "n2"] {
        world.tells(node, "stead cluster adopt");
    }
    until("everything to have ended", || {
        (world.processes("web").is_empty() && world.processes("new").is_empty()).then_some(())
    });
    let told = world.run("n1", &["cluster", "adopt"]);
    assert_eq!(told.status.code(), Some(3), "{}", said(&told));
    assert!(said(&told).contains("adopt refused:") && said(&told).contains("--yes"), "{}", said(&told));
    assert!(world.processes("web").is_empty(), "a look changes nothing");
    world.ok("n1", &["cluster", "adopt", "--yes"]);
    for node in ["n1", "n2"] {
        world.tells(node, "the cluster database is another one than before: nothing begins for");
        world.up(node);
    }
    let after = world.online("web");
    assert!(after != process && world.processes("new").is_empty(), "new {before} was not in the copy");
}

#[test]
fn documents_that_make_no_sense_stop_nothing() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    let process = world.online("web");
    let keys = ["group/web", "resource/web-app", "own/web", "state/web", "node/n1", "type/odd"];
    let good: Vec<(&str, String)> = keys.into_iter().map(|key| (key, world.document(key))).collect();
    for nonsense in ["{", "\"text\"", "{\"sum\":\"0\",\"value\":{}}"] {
        for (key, _) in &good {
            world.put(key, nonsense);
        }
    }
    for key in keys {
        for node in ["n1", "n2"] {
            world.event(node, 10_034, key);
        }
    }
    assert_eq!(world.online("web"), process, "it runs on");
    world.up("n1");
    world.up("n2");
    // Nobody begins with what cannot be read.
    world.stop("n2");
    world.start("n2");
    world.tells("n2", "it cannot begin: the cluster database cannot be used: ");
    let told = said(&world.run("n2", &["status"]));
    assert!(told.contains("group/web") && told.contains("changed by hand, or damaged"), "{told}");
    for (key, bytes) in &good {
        if bytes.is_empty() { world.delete(key) } else { world.put(key, bytes.trim_end()) }
    }
    world.up("n2");
    assert_eq!(world.online("web"), process, "it runs on");
    world.settled("n1", "web");
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    assert_ne!(world.online("web"), process);
}

/// Every kind of document that there is, with nonsense in it, one after the other. What runs goes on, or begins again where
/// the document was the node's right to run it; nothing runs twice; and the log has a line for each change and no more.
#[test]
fn nonsense_in_any_document_is_told_once_and_survived() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    let lines = |node: &str, part: &str| {
        let path = world.data(node).join("log/node.log");
        let text = std::fs::read_to_string(path).unwrap_or_default();
        text.lines().filter(|line| line.contains(part)).count()
    };
    let all = world.ctl(&["get", "--prefix", "--keys-only", "/stead/prod/documents/"]);
    let folder = |key: &str| key.split('/').next().unwrap().to_owned();
    let keys: Vec<String> =
        all.lines().filter_map(|key| Some(key.split_once("/documents/")?.1.to_owned())).collect();
    let mut folders: Vec<String> = keys.iter().map(|key| folder(key)).collect();
    folders.sort();
    folders.dedup();
    for kind in ["group", "history", "member", "meta", "own", "resource", "session", "state"] {
        assert!(folders.iter().any(|known| known == kind), "there is no {kind}: {folders:?}");
    }
    let made =
        ["host/n1", "mail/n1/letter/n2.1.1", "mail/n2/reply/n2.1.1", "type/odd", "certificate/n1", "node/n2"];
    let keys = keys.into_iter().chain(made.into_iter().map(str::to_owned));
    for key in keys.filter(|key| !key.starts_with("session/")) {
        let before = world.document(&key);
        let process = world.online("web");
        for nonsense in ["{", "{\"schema\":1,\"node\":7}"] {
            world.put(&key, nonsense);
        }
        let told =
            ["group", "host", "node", "own", "resource", "state", "type"].contains(&folder(&key).as_str());
        if told {
            world.event("n1", 10_034, &key);
            world.event("n2", 10_034, &key);
        }
        assert_eq!(world.online("web"), process, "{key}: it runs on");
        match before.trim_end() {
            "" => world.delete(&key),
            bytes => world.put(&key, bytes),
        }
        world.up("n1");
        for node in ["n1", "n2"] {
            let count = lines(node, &format!("{key} in the cluster database cannot be read"));
            assert!(count <= 2, "{key}: {count} lines in the log of {node}, for two changes");
            assert_eq!(count > 0, told, "{key}: {count} lines in the log of {node}");
        }
    }
    world.settled("n2", "web");
    let process = world.online("web");
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    assert_ne!(world.online("web"), process, "all is as before");
}

/// The two documents that say whose database it is. Without the one nobody can write, and everything ends as when there is no
/// database, until an operator says that it is the right one; without the other nobody can begin, and what runs goes on.
#[test]
fn deleted_identities_are_told_with_what_to_do() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    let process = world.online("web");
    let identity = world.document("meta");
    world.delete("meta");
    world.stop("n2");
    world.start("n2");
    world.tells("n2", "it cannot begin: ");
    world.tells("n2", "has no identity");
    assert_eq!(world.online("web"), process, "it runs on");
    world.put("meta", identity.trim_end());
    world.up("n2");

    world.ctl(&["del", "/stead/prod/meta"]);
    for node in ["n1", "n2"] {
        world.tells(node, "stead cluster adopt");
    }
    until("everything to have ended", || world.processes("web").is_empty().then_some(()));
    let told = world.ok("n1", &["cluster", "adopt", "--yes"]);
    assert!(told.contains("is that of cluster prod from now on"), "{told}");
    world.up("n1");
    world.up("n2");
    assert_ne!(world.online("web"), process);
}

/// Who asks for something that a damaged document stands in the way of is told which, and what to do; nothing is lost.
#[test]
fn an_order_that_meets_a_damaged_document_is_refused_with_its_key() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    let process = world.online("web");
    for key in ["group/web", "resource/web-app"] {
        let good = world.document(key);
        world.put(key, "{ no document");
        world.event("n1", 10_034, key);
        for order in [&["group", "offline", "web"][..], &["group", "delete", "web", "--force"]] {
            let output = world.run("n1", order);
            let told = said(&output);
            assert!(!output.status.success(), "{key}, {order:?}: {told}");
            assert!(told.contains(key) && told.contains("Put it right"), "{key}, {order:?}: {told}");
            assert_eq!(world.online("web"), process, "{key}, {order:?}: it runs on");
        }
        world.put(key, good.trim_end());
        until("the documents to be good again", || {
            let config = world.run("n1", &["config"]);
            config.status.success().then_some(())
        });
    }
    world.ok("n1", &["group", "offline", "web"]);
    until("its process to end", || world.processes("web").is_empty().then_some(()));
    world.ok("n1", &["group", "delete", "web", "--force"]);
    for key in ["group/web", "resource/web-app", "own/web", "state/web"] {
        until(&format!("{key} to go"), || world.document(key).is_empty().then_some(()));
    }
}

#[test]
fn a_session_that_makes_no_sense_ends_its_node_alone() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    world.put("session/n1", "nonsense");
    world.event("n2", 10_034, "session/n1");
    world.delete("session/n1");
    world.up("n1");
    world.online("web");
}

/// The node that has the group does not hear of it, and what it runs lives until its lease ends.
#[test]
fn nobody_begins_with_a_group_whose_owner_was_deleted_while_it_lives() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    let before = world.online("web");
    world.settled("n1", "web");
    world.freeze("n2");
    world.delete("own/web");
    until("web to run elsewhere", || {
        let all = world.processes("web");
        assert!(all.len() < 2, "it runs twice: {all:?}");
        all.first().copied().filter(|now| *now != before)
    });
}

#[test]
fn keys_that_somebody_deletes_cost_at_most_a_restart() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    // The one that decides is not the one that has it: nobody begins before that one has ended it.
    for turn in 1..=5 {
        let before = world.online("web");
        world.delete("own/web");
        until("web runs anew", || {
            let all = world.processes("web");
            assert!(all.len() < 2, "it runs twice, the {turn}. time");
            all.first().copied().filter(|now| *now != before)
        });
        world.settled("n1", "web");
    }
    world.delete("state/web");
    world.delete("node/n1");
    let began = world.document("session/n1");
    world.delete("session/n1");
    until("n1 has another session", || {
        let now = world.document("session/n1");
        (!now.is_empty() && now != began).then_some(())
    });
    world.event("n2", 1_177, "the session was ended or changed by another node or an operator");
    world.up("n1");
    world.online("web");
    // What runs is kept although its documents are gone, until somebody says what is meant.
    let process = world.online("web");
    let keys = ["resource/web-app", "group/web"];
    let good = keys.map(|key| world.document(key));
    keys.iter().for_each(|key| world.delete(key));
    world.event("n2", 10_032, "was taken out of the cluster database while it runs here; it is kept");
    for (key, bytes) in keys.iter().zip(&good).rev() {
        world.put(key, bytes.trim_end());
    }
    world.settled("n1", "web");
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    assert_ne!(world.online("web"), process);
}

#[test]
fn who_runs_a_node_is_told_what_it_does_and_ends_it_in_order() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    world.tells("n1", "node \"n1\" joined, session");
    world.stop("n2");
    world.stop_etcd();
    world.start("n2");
    world.tells("n2", "it waits for the cluster database: ");
    let told = said(&world.run("n2", &["status"]));
    assert!(told.contains("it waits for the cluster database"), "{told}");
    world.start_etcd();
    world.up("n1");
    world.up("n2");
    let before = world.online("web");
    // Ctrl-C: what it has goes to the other first.
    world.signal("n1", rustix::process::Signal::INT);
    assert!(world.ended("n1").success(), "{}", world.printed("n1"));
    let after = world.online("web");
    assert_ne!(before, after);
    let owner = world.document("own/web");
    assert!(owner.contains("\"node\":\"n2\""), "{owner}");
    let doctor = world.ok("n2", &["doctor"]);
    assert!(doctor.contains("node n2 of cluster prod"), "{doctor}");
    assert_eq!(json!(world.status("n2")["groups"][0]["owner_node"]), "n2");
}

/// Where the guardian keeps no leases nothing can run: such a node has no session, gets no group, says why, and comes by
/// itself when it is mended.
#[test]
fn a_node_whose_watchdog_cannot_be_used_is_given_nothing() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    world.stop("n2");
    world.online("web");
    world.settled("n1", "web");
    world.edit("n2", |text| format!("watchdog = \"/dev/null\"\n{text}"));
    let before = world.document("session/n2");
    assert!(before.contains("\"left\""), "{before}");
    world.start("n2");
    until("n2 to say why", || {
        let told = said(&world.run("n2", &["status"]));
        let refused = told.contains("it cannot begin: the guardian of node \"n2\" refused: session ");
        (refused && told.contains("/dev/null")).then_some(())
    });
    assert_eq!(world.document("session/n2"), before, "it has a session, and can run nothing");
    let refused = world.run("n1", &["group", "move", "web", "--to", "n2"]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("n2 has left"), "{}", said(&refused));
    world.online("web");
    world.edit("n2", |text| text.replace("watchdog = \"/dev/null\"\n", ""));
    world.up("n2");
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    world.online("web");
}
