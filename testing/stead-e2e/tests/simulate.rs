//! `stead simulate`: what it says is what happens then, and it changes nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod several;

use serde_json::Value;
use several::{World, said};
use stead_e2e::{Node, Trio, until};

fn application(name: &str, more: &str) -> String {
    format!(
        "[[group.resource]]\nname = \"{name}\"\ntype = \"Generic Application\"\n\
         properties = {{ CommandLine = \"sleep infinity\" }}\n{more}\n"
    )
}

#[test]
fn on_one_machine_it_says_what_happens_and_changes_nothing() {
    let config =
        ["[[group]]\nname = \"g\"\n", &application("r", "common = { RestartThreshold = 2 }")].concat();
    let node = Node::up(&config);
    node.wait("r", "Online");
    let (pid, before) = (node.pid("r"), node.events());
    let name = node.status()["nodes"][0]["name"].as_str().unwrap().to_owned();
    let run = |exit: i32, arguments: &[&str]| {
        let output = node.run(&[&["simulate"], arguments].concat());
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert_eq!(output.status.code(), Some(exit), "{arguments:?}: {said}");
        said
    };
    let said = run(1, &["--kill", &name]);
    assert!(said.contains("0 of 1 group would still be online; not: g"), "{said}");
    assert!(said.contains("is down, and it is the only one"), "{said}");
    let said = run(1, &["--fail", "r"]);
    assert!(said.contains("after 0.0 s, 0.5 s, 1.0 s: resource \"r\" failed"), "{said}");
    assert!(said.contains("2 restarts within 900 s are used up"), "{said}");
    let said = run(1, &["--drain", &name]);
    assert!(said.contains("would be refused: ERROR_CLUSTER_NODE_DOWN (5050)"), "{said}");
    run(0, &["--offline", "g", "--online", "g"]);
    let said = run(2, &["--kill", "n9"]);
    assert!(said.contains(&format!("there is no node \"n9\"; there are: {name}")), "{said}");
    let said = run(2, &["--fail", "x"]);
    assert!(said.contains("there is no resource \"x\"; there are: r"), "{said}");
    assert!(run(2, &[]).contains("--kill"));
    // It was words.
    assert_eq!((node.pid("r"), node.events()), (pid, before));
    assert_eq!(node.state("r"), "Online");
}

/// A node that the cluster database does not answer knows how things were, and that is not what would happen now.
#[test]
fn without_the_cluster_database_nothing_is_said() {
    let Some(mut world) = World::with_nodes(&["n1", "n2"]) else { return };
    let kill = ["simulate", "--kill", "n2"];
    let before = world.run("n1", &kill);
    assert_eq!(before.status.code(), Some(0), "{}", said(&before));
    world.stop_etcd();
    let refused = until("n1 to refuse", || {
        let output = world.run("n1", &kill);
        (output.status.code() == Some(3)).then_some(output)
    });
    assert!(refused.stdout.is_empty(), "{}", said(&refused));
    assert!(said(&refused).contains("database"), "{}", said(&refused));
    world.start_etcd();
    until("n1 to say it again", || (world.run("n1", &kill).status.code() == Some(0)).then_some(()));
}

/// What would happen, as the asked node says.
fn predict(trio: &Trio, asked: &str, exit: i32, arguments: &[&str]) -> Value {
    let said = trio.run(asked, &[&["simulate", "--json"], arguments].concat());
    assert_eq!(said.exit, Some(exit), "{said:?}");
    serde_json::from_str(&said.out).unwrap()
}

fn list<'a>(of: &'a Value, what: &str) -> &'a Vec<Value> {
    of[what].as_array().unwrap_or_else(|| panic!("{what} in {of}"))
}

/// Waits until every move of the only step is as it was said, and compares what was said of each node.
fn comes_true(trio: &Trio, asked: &str, prediction: &Value) -> usize {
    let moves = list(&list(prediction, "steps")[0], "moves");
    for moved in moves {
        let (group, to) = (moved["group"].as_str().unwrap(), moved["to"].as_str().unwrap());
        assert_eq!(moved["state"], "Online", "{moved}");
        trio.online(group, to);
        let explained: Value =
            serde_json::from_str(&trio.ok(asked, &["explain", group, "--json"]).out).unwrap();
        let lines: Vec<&str> = list(&explained, "lines").iter().filter_map(Value::as_str).collect();
        let then = lines.iter().position(|line| *line == "what was said of each node then:").unwrap();
        let reasons = list(moved, "reasons");
        let said: Vec<String> =
            lines[then + 1..=then + reasons.len()].iter().map(|line| line.trim().to_owned()).collect();
        assert_eq!(said, reasons.iter().filter_map(Value::as_str).collect::<Vec<_>>(), "{group}: {lines:#?}");
    }
    moves.len()
}

/// Where every group is.
fn places(trio: &Trio, asked: &str) -> Vec<(String, String)> {
    let status = trio.status(asked);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    list(&status, "groups").iter().map(|group| (text(&group["name"]), text(&group["owner_node"]))).collect()
}

#[test]
fn what_is_said_of_a_kill_and_a_drain_is_what_happens() {
    let Some(mut trio) = Trio::bare() else { return };
    let group = |name: &str, lines: &str, of_resource: &str| {
        format!("[[group]]\nname = \"{name}\"\n{lines}\n{}", application(&format!("{name}-r"), of_resource))
    };
    let config = [
        group("back", "preferred_owners = [\"n2\"]\nfailback = \"Allow\"", ""),
        group("stays", "preferred_owners = [\"n2\", \"n3\"]", ""),
        group("bound", "", "possible_owners = [\"n2\"]"),
        group("first", "preferred_owners = [\"n1\", \"n3\"]", ""),
        group("last", "preferred_owners = [\"n3\", \"n1\"]", ""),
    ];
    trio.apply(&config.concat());
    for (group, node) in [("back", "n2"), ("stays", "n2"), ("bound", "n2"), ("first", "n1"), ("last", "n3")] {
        trio.online(group, node);
    }
    // A node that is lost before its session was renewed once is lost while the cluster starts, which is another matter.
    until("all sessions to be renewed", || {
        let situation = trio.get("n1", "/v1/situation");
        let renewed = |node: &Value| node["age_ms"].as_u64().is_some_and(|age| age >= 2_000);
        situation["nodes"].as_array()?.iter().all(renewed).then_some(())
    });
    let before = places(&trio, "n1");

    // A node that does not decide.
    let said = predict(&trio, "n1", 1, &["--kill", "n2"]);
    let elsewhere = predict(&trio, "n3", 1, &["--kill", "n2"]);
    assert_eq!(said, elsewhere, "every node says the same");
    assert_eq!(places(&trio, "n1"), before, "nothing was changed");
    trio.kill("n2");
    assert_eq!(comes_true(&trio, "n1", &said), 2);
    let down = list(&said, "down");
    assert_eq!((down.len(), &down[0]["group"]), (1, &Value::from("bound")), "{said}");
    trio.event("bound", down[0]["why"].as_str().unwrap());
    // It comes again, and with it what would come back: the one with failback, and the one that is nowhere else.
    let back = list(&said, "back");
    let groups: Vec<&str> = back.iter().filter_map(|back| back["group"].as_str()).collect();
    assert_eq!(groups, ["bound", "back"], "{said}");
    trio.start("n2");
    for back in back {
        trio.online(back["group"].as_str().unwrap(), back["to"].as_str().unwrap());
    }
    assert_eq!(trio.group("stays")["owner_node"], "n3");

    let said = predict(&trio, "n2", 0, &["--drain", "n3"]);
    trio.ok("n2", &["node", "pause", "--drain", "n3"]);
    assert_eq!(comes_true(&trio, "n2", &said), 2);
    trio.ok("n2", &["node", "resume", "n3"]);
    until("n3 to be up", || {
        let status = trio.status("n2");
        list(&status, "nodes").iter().all(|node| node["state"] == "Up").then_some(())
    });

    // The one that decides.
    let said = predict(&trio, "n3", 0, &["--kill", "n1"]);
    trio.kill("n1");
    assert!(comes_true(&trio, "n3", &said) >= 2, "{said}");
}
