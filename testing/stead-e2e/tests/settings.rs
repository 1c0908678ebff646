//! What operators configure about several machines: group sets, settings of the cluster, and a quarantine that is ended.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod several;

use serde_json::Value;
use several::{World, said};
use stead_e2e::until;

fn group(world: &World, node: &str, name: &str) -> Value {
    let groups = world.status(node)["groups"].as_array().cloned().unwrap_or_default();
    groups.into_iter().find(|group| group["name"] == name).unwrap_or_default()
}

fn node(world: &World, asked: &str, name: &str) -> Value {
    let nodes = world.status(asked)["nodes"].as_array().cloned().unwrap_or_default();
    nodes.into_iter().find(|node| node["name"] == name).unwrap_or_default()
}

/// clusapi/nf-clusapi-addclustergrouptogroupsetdependency, nf-clusapi-deleteclustergroupset
#[test]
fn a_group_is_taken_over_when_the_set_it_waits_for_is_ready() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    let path = world.config(&["web", "db"]);
    let file = path.to_str().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("name = \"web\"\n", "name = \"web\"\ndepends_on_set = \"databases\"\n");
    let set = "[[group_set]]\nname = \"databases\"\ngroups = [\"db\"]\nstartup_delay = 1\n";
    std::fs::write(&path, format!("{text}{set}")).unwrap();
    let planned = said(&world.run("n1", &["apply", file, "--dry-run"]));
    assert!(planned.contains("create group set \"databases\"") && planned.contains("change group \"web\""));
    world.ok("n1", &["apply", file]);
    assert!(said(&world.run("n2", &["apply", file])).contains("nothing to change"), "n2 has heard of it");
    let listed = world.ok("n2", &["group-set", "list"]);
    assert!(listed.contains("databases") && listed.contains("all online, 1 s later"), "{listed}");
    let refused = world.run("n2", &["group-set", "remove", "databases"]);
    assert_eq!(refused.status.code(), Some(3));
    assert!(said(&refused).contains("(145): group \"web\" depends on it"), "{}", said(&refused));

    // Starts are ordered, and nothing else: web runs on without db.
    let process = world.online("web");
    world.ok("n1", &["group", "offline", "db"]);
    assert_eq!(world.online("web"), process);

    let owner = group(&world, "n1", "web")["owner_node"].as_str().unwrap().to_owned();
    let other = if owner == "n1" { "n2" } else { "n1" };
    world.murder(&owner);
    let waits = until("web to wait", || {
        let web = group(&world, other, "web");
        (web["status_information"].as_u64()? & 0x1000 != 0).then_some(web)
    });
    assert_eq!(waits["why"], "it waits until group set \"databases\" is online", "{waits}");
    assert_eq!(world.processes("web"), [0; 0]);
    // db is taken over as well, and stays offline, as it is wanted.
    until("db to be somebody's again", || {
        let asked = world.run(other, &["group", "online", "db"]);
        asked.status.success().then_some(())
    });
    world.online("web");
    world.settled(other, "web");
    assert_eq!(group(&world, other, "web")["status_information"].as_u64().unwrap() & 0x1000, 0);

    world.ok(other, &["group", "set", "web", "--depends-on-set", ""]);
    world.ok(other, &["group-set", "remove", "databases"]);
    assert_eq!(world.ok(other, &["group-set", "list", "--json"]).trim(), "[]");
}

/// mscs/clusters-quarantinethreshold; `Start-ClusterNode -ClearQuarantine`
#[test]
fn settings_count_for_all_nodes_and_a_quarantine_is_ended_by_command() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    let refused = world.run("n1", &["cluster", "set", "QuarantineTreshold=1"]);
    assert_eq!(refused.status.code(), Some(5));
    assert!(said(&refused).contains("there are: ") && said(&refused).contains("QuarantineThreshold, "));
    world.ok("n1", &["cluster", "set", "QuarantineThreshold=1", "QuarantineDuration=4294967295"]);
    until("n2 to go by it", || {
        let told = world.run("n2", &["cluster", "settings", "--json"]);
        let settings: Value = serde_json::from_slice(&told.stdout).ok()?;
        let mut settings = settings.as_array()?.iter();
        let threshold = settings.find(|setting| setting["name"] == "QuarantineThreshold")?;
        (threshold["value"] == 1 && threshold["default"] == 3).then_some(())
    });
    // What is not named stays.
    world.ok("n2", &["cluster", "set", "GroupDependencyTimeout=60"]);
    until("n1 to hear of it", || {
        world.ok("n1", &["config"]).contains("GroupDependencyTimeout").then_some(())
    });
    assert!(world.ok("n1", &["config"]).contains("\"QuarantineThreshold\": 1"));

    let owner = group(&world, "n1", "web")["owner_node"].as_str().unwrap().to_owned();
    let other = if owner == "n1" { "n2" } else { "n1" };
    world.murder(&owner);
    world.event(other, 1672, "it left 1 times without a word");
    world.start(&owner);
    world.up(&owner);
    let shown = node(&world, other, &owner);
    assert!(shown["quarantine"].is_string() && shown["quarantine_ends_ms"].is_null(), "{shown}");
    let listed = world.ok(other, &["node", "list"]);
    assert!(listed.contains("quarantined until somebody ends it"), "{listed}");
    world.settled(other, "web");
    let refused = world.run(other, &["group", "move", "web", "--to", &owner]);
    assert!(said(&refused).contains("is quarantined"), "{}", said(&refused));
    world.ok(other, &["cluster", "set", "QuarantineDuration=7200"]);
    until("the end to be known", || node(&world, other, &owner)["quarantine_ends_ms"].as_u64().map(drop));
    let refused = world.run(other, &["node", "resume", other, "--clear-quarantine"]);
    assert!(said(&refused).contains("(5023): it is not quarantined"), "{}", said(&refused));
    world.ok(other, &["node", "resume", &owner, "--clear-quarantine"]);
    world.event(other, 10_030, "an operator has ended it");
    assert!(node(&world, other, &owner)["quarantine"].is_null());
    world.ok(other, &["group", "move", "web", "--to", &owner]);
    world.online("web");
}

/// An apply asked of a node that has nothing of the group ends when its owner acts on what was applied: with what is in the
/// way, or with nothing that is left to do.
#[test]
fn what_is_set_from_a_node_that_has_not_the_group_ends_as_on_the_owner() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    let path = world.config(&["web"]);
    let file = path.to_str().unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let resource = "[[group.resource]]\nname = \"bad\"\ntype = \"Generic Application\"\ncommon = { RestartAction = 0 }\n\
                    properties = { CommandLine = \"/absent/program\" }\n";
    std::fs::write(&path, format!("{text}{resource}")).unwrap();
    let owner = group(&world, "n1", "web")["owner_node"].as_str().unwrap().to_owned();
    let other = if owner == "n1" { "n2" } else { "n1" };
    let failed = world.run(other, &["apply", file]);
    assert!(!failed.status.success() && said(&failed).contains("resource \"bad\""), "{}", said(&failed));
    // The same again changes nothing, and is told the same.
    let failed = world.run(other, &["apply", file]);
    assert!(!failed.status.success() && said(&failed).contains("resource \"bad\""), "{}", said(&failed));
    // It stays Failed, and that is all that is wanted of it: there is nothing to wait for.
    world.ok(other, &["resource", "set", "bad", "--persistent-state", "Offline"]);
    // It is so when the command ends, and not only after its owner has heard of it.
    for (state, count) in [("Offline", 0), ("Online", 1), ("Offline", 0)] {
        world.ok(other, &["resource", "set", "web-app", "--persistent-state", state]);
        assert_eq!(world.processes("web").len(), count, "{state}");
    }
    // Nor is anything waited for where nothing else happens on the owner.
    let failed = world.run(other, &["resource", "set", "bad", "--persistent-state", "Online"]);
    assert!(!failed.status.success() && said(&failed).contains("resource \"bad\""), "{}", said(&failed));
    world.ok(other, &["resource", "set", "bad", "--persistent-state", "Offline"]);
}

/// What was on a node that is gone is explained at once by every other one, and its status says why nobody has it.
#[test]
fn a_group_that_no_node_can_take_over_says_why() {
    let Some(mut world) = World::with_nodes(&["n1", "n2", "n3"]) else { return };
    let path = world.config(&["web", "db"]);
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("name = \"web-app\"\n", "name = \"web-app\"\npossible_owners = [\"n2\"]\n");
    std::fs::write(&path, text).unwrap();
    if group(&world, "n1", "web")["owner_node"] != "n2" {
        world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    }
    world.ok("n1", &["apply", path.to_str().unwrap()]);
    assert!(world.ok("n1", &["explain", "web"]).contains("group \"web\" is Online"), "its owner explains it");
    world.murder("n2");
    for asked in ["n1", "n3"] {
        let silent = until("n2 to be missed", || {
            let why = group(&world, asked, "web")["why"].as_str()?.to_owned();
            why.contains("n2").then_some(why)
        });
        assert!(
            silent.contains("not been seen for ") || silent.contains("no node can take it: n1 "),
            "{silent}"
        );
        for of in ["web", "web-app"] {
            let explained = world.ok(asked, &["explain", of]);
            assert!(explained.starts_with("group \"web\" is wanted Online; its node n2 "), "{explained}");
            assert!(explained.contains("; no node can take it: n1 "), "{explained}");
        }
    }
    world.event("n1", 1205, "no node can take it");
    for asked in ["n1", "n3"] {
        until("the reason to be shown", || {
            let web = group(&world, asked, "web");
            web["why"].as_str().is_some_and(|why| why.starts_with("no node can take it: n1 ")).then_some(())
        });
        let explained = world.ok(asked, &["explain", "web"]);
        assert!(
            explained.starts_with("group \"web\" is wanted Online; its node n2 is gone, for "),
            "{explained}"
        );
    }

    // What is applied is stored, and nobody is waited for who does not come.
    let text = std::fs::read_to_string(&path).unwrap();
    let text = text.replace("name = \"web\"\n", "name = \"web\"\ndescription = \"the shop\"\n");
    let new = text.replace("\"db", "\"new").replace("\"web", "\"other");
    std::fs::write(&path, format!("{text}{new}")).unwrap();
    let applied = world.run("n1", &["apply", path.to_str().unwrap(), "--timeout", "30s"]);
    let told = said(&applied);
    assert_eq!(applied.status.code(), Some(1), "{told}");
    for (of, why) in
        [("web", "its node n2 is gone, for "), ("other", "no node can take it: n1 is not a possible owner")]
    {
        let line = format!("group \"{of}\": it is stored, and nobody serves it: {why}");
        assert!(told.contains(&line) && told.contains(&format!("`stead explain {of}`")), "{told}");
    }
    assert!(world.ok("n3", &["config"]).contains("the shop"));
    world.settled("n3", "new");
    // Nor for what is to be offline, and is.
    let kept = text.replace("name = \"web\"\n", "name = \"web\"\npersistent_state = \"Offline\"\n");
    std::fs::write(&path, &kept).unwrap();
    let applied = world.run("n1", &["apply", path.to_str().unwrap(), "--timeout", "30s"]);
    assert!(applied.status.success(), "{}", said(&applied));
    std::fs::write(&path, kept.replace("Offline", "Online")).unwrap();
    let applied = world.run("n1", &["apply", path.to_str().unwrap(), "--timeout", "30s"]);
    assert_eq!(applied.status.code(), Some(1), "{}", said(&applied));
    world.start("n2");
    world.settled("n1", "web");
    assert!(group(&world, "n1", "web")["why"].is_null());
}

/// The number of a setting, as a node knows it.
fn setting(world: &World, node: &str, name: &str) -> Option<u64> {
    let told: Value =
        serde_json::from_slice(&world.run(node, &["cluster", "settings", "--json"]).stdout).ok()?;
    told.as_array()?.iter().find(|setting| setting["name"] == name)?["value"].as_u64()
}

/// What a node was told is done stays, whatever another one was on its way to change at that time.
#[test]
fn of_two_that_change_different_settings_neither_takes_the_other_back() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    // Planned before, stored after: what is to be deleted takes its time to go offline.
    let path = world.config(&["web"]);
    let kept = std::fs::read_to_string(&path).unwrap();
    let slow = format!(
        "[[group]]\nname = \"slow\"\n[[group.resource]]\nname = \"slow-app\"\ntype = \"Generic Application\"\n\
         properties = {{ CommandLine = \"sh -c 'trap \\\"sleep 4; exit\\\" TERM; while :; do sleep 0.1; done' {}\" }}\n",
        world.number("slow")
    );
    std::fs::write(&path, format!("{kept}{slow}")).unwrap();
    let file = path.to_str().unwrap();
    world.ok("n1", &["apply", file]);
    until("slow to be online", || (group(&world, "n1", "slow")["state"] == "Online").then_some(()));
    let owner = group(&world, "n1", "slow")["owner_node"].as_str().unwrap().to_owned();
    let other = if owner == "n1" { "n2" } else { "n1" };
    std::fs::write(&path, format!("{kept}[cluster]\nQuarantineThreshold = 7\n")).unwrap();
    std::thread::scope(|scope| {
        let applied = scope.spawn(|| world.run(&owner, &["apply", file, "--prune"]));
        until("slow to go offline", || {
            (group(&world, &owner, "slow")["resources"][0]["state"] == "OfflinePending").then_some(())
        });
        world.ok(other, &["cluster", "set", "GroupDependencyTimeout=61"]);
        let applied = applied.join().unwrap();
        assert!(applied.status.success(), "{}", said(&applied));
    });
    for node in ["n1", "n2"] {
        until("both to be known", || {
            let both = (
                setting(&world, node, "QuarantineThreshold")?,
                setting(&world, node, "GroupDependencyTimeout")?,
            );
            assert!(
                both.0 != 7 || both.1 == 61,
                "{node}: what {other} was told is done is taken back: {both:?}"
            );
            (both == (7, 61)).then_some(())
        });
    }

    // At once, again and again: what is not done is said not to be.
    let writer = |node: &'static str, name: &'static str| {
        let world = &world;
        move || {
            let mut done = None;
            for number in 100..120 {
                let told = world.run(node, &["cluster", "set", &format!("{name}={number}")]);
                match told.status.code() {
                    Some(0) => done = Some(number),
                    Some(3) => assert!(said(&told).contains("at the same time"), "{}", said(&told)),
                    code => panic!("{code:?}: {}", said(&told)),
                }
                if let Some(done) = done {
                    // This node knows what it has stored itself.
                    assert_eq!(setting(world, node, name), Some(done));
                }
            }
            done.expect("something to be done")
        }
    };
    let (first, second) = std::thread::scope(|scope| {
        let first = scope.spawn(writer("n1", "GroupDependencyTimeout"));
        let second = scope.spawn(writer("n2", "ClusterGroupWaitDelay"));
        (first.join().unwrap(), second.join().unwrap())
    });
    for node in ["n1", "n2"] {
        until("the last that were done", || {
            let known = (
                setting(&world, node, "GroupDependencyTimeout")?,
                setting(&world, node, "ClusterGroupWaitDelay")?,
            );
            (known == (first, second)).then_some(())
        });
    }
}

/// Members of etcd answer, and a node does not renew its session: it is named, with what to look at.
#[test]
fn a_silent_node_is_named_where_the_members_are_shown() {
    let Some(world) = World::with_nodes(&["n1", "n2"]) else { return };
    let shown = world.ok("n1", &["cluster", "status"]);
    assert!(shown.contains("RENEWED") && shown.contains(" s ago") && !shown.contains("SILENT"), "{shown}");
    world.freeze("n2");
    let told = until("n2 to be silent", || {
        let told = said(&world.run("n1", &["cluster", "status"]));
        told.contains("node n2 is SILENT: its session was renewed ").then_some(told)
    });
    assert!(told.contains("alive, SILENT") && told.contains("ping -M do"), "{told}");
}
