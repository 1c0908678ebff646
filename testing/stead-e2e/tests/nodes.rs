//! What operators say of nodes, and moves, on one machine: what is done, and what is refused with which code.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::{Node, until};

const CONFIG: &str = "[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"r\"\ntype = \"Generic Application\"\n\
                      properties = { CommandLine = \"sleep infinity\" }\n\
                      [[group]]\nname = \"h\"\npersistent_state = \"Offline\"\n\
                      [[group.resource]]\nname = \"s\"\ntype = \"Generic Application\"\n\
                      properties = { CommandLine = \"sleep infinity\" }\n";

const ARGUMENTS: &[&str] = &["--node-name", "n1"];

fn node() -> Node {
    let node = Node::up_with(CONFIG, ARGUMENTS);
    node.wait("r", "Online");
    node
}

#[test]
fn a_paused_node_keeps_what_it_has_and_brings_nothing_online() {
    let mut node = node();
    node.ok(&["node", "pause", "N1"]);
    node.ok(&["node", "pause", "n1"]);
    assert!(node.ok(&["status"]).starts_with("node n1: Paused, stead "), "{}", node.ok(&["status"]));
    assert_eq!(node.status()["nodes"][0]["paused"], true);
    assert_eq!(node.state("r"), "Online");
    for arguments in
        [&["group", "online", "h"][..], &["resource", "online", "s"], &["resource", "restart", "r"]]
    {
        let said = node.fails(3, arguments);
        assert!(said.contains("ERROR_SHARING_PAUSED (70)") && said.contains("stead node resume"), "{said}");
    }
    // A group that comes by a file is created, and waits.
    let more = format!(
        "{CONFIG}[[group]]\nname = \"new\"\n[[group.resource]]\nname = \"t\"\ntype = \"Generic Application\"\n\
         properties = {{ CommandLine = \"sleep infinity\" }}\n"
    );
    assert!(node.apply(&more).status.success());
    assert_eq!(node.state("t"), "Offline");
    assert!(node.ok(&["explain", "t"]).contains("node \"n1\" is paused"), "{}", node.ok(&["explain", "t"]));
    // A node process that starts again finds r running and s still waiting.
    let process = node.pid("r");
    for node_process in node.processes("node") {
        stead_e2e::kill(node_process);
    }
    until("the next node process answers", || {
        let output = node.run(&["status", "--json"]);
        let status: serde_json::Value = serde_json::from_slice(&output.stdout).ok()?;
        (status["nodes"][0]["restarts"] == 1).then_some(())
    });
    assert_eq!(node.status()["nodes"][0]["state"], "Paused");
    assert_eq!((node.state("t").as_str(), node.pid("r")), ("Offline", process));
    // The whole machine starts again: what was online waits like the rest.
    assert_eq!(node.end(), 0);
    node.start(ARGUMENTS);
    assert_eq!(node.status()["nodes"][0]["state"], "Paused");
    assert_eq!((node.state("r").as_str(), node.state("t").as_str()), ("Offline", "Offline"));
    node.ok(&["node", "resume", "n1", "--failback", "now"]);
    node.wait("r", "Online");
    node.wait("t", "Online");
    assert_eq!(node.state("s"), "Offline", "nobody wants it online");
    assert!(node.ok(&["status"]).starts_with("node n1: Up, stead "));
    let said = node.fails(3, &["node", "resume", "n1"]);
    assert!(said.contains("ERROR_CLUSTER_NODE_NOT_PAUSED (5058)"), "{said}");
    let events = node.events().join("\n");
    assert!(events.contains("is paused") && events.contains("is resumed"), "{events}");
    assert_eq!(node.end(), 0);
}

#[test]
fn with_one_node_there_is_nowhere_to_go() {
    let mut node = node();
    let state = node.status();
    for (arguments, code) in [
        (&["node", "pause", "n2"][..], "ERROR_CLUSTER_NODE_NOT_FOUND (5042)"),
        (&["node", "resume", "n2"], "ERROR_CLUSTER_NODE_NOT_FOUND (5042)"),
        (&["node", "pause", "n1", "--drain"], "ERROR_CLUSTER_NODE_DOWN (5050)"),
        (&["node", "pause", "n1", "--drain", "--to", "n2"], "ERROR_CLUSTER_NODE_NOT_FOUND (5042)"),
        (&["node", "pause", "n1", "--drain", "--to", "n1"], "ERROR_HOST_NODE_NOT_AVAILABLE (5005)"),
        (&["node", "resume", "n1"], "ERROR_CLUSTER_NODE_NOT_PAUSED (5058)"),
        (&["group", "move", "g"], "ERROR_HOST_NODE_NOT_AVAILABLE (5005)"),
        (&["group", "move", "g", "--to", "n2", "--queue"], "ERROR_CLUSTER_NODE_NOT_FOUND (5042)"),
        (&["group", "move", "nosuch", "--to", "n1"], "ERROR_GROUP_NOT_FOUND (5013)"),
    ] {
        let said = node.fails(3, arguments);
        assert!(said.contains(code), "{arguments:?}: {said}");
    }
    assert_eq!(node.status()["nodes"], state["nodes"], "nothing was changed");
    let flags = ["--queue", "--force", "--return-on-error", "--high-priority", "--ignore-affinity"];
    let to_itself =
        [&["group", "move", "g", "--to", "n1", "--in-buffer", "My Type=hex:00ff"][..], &flags].concat();
    node.ok(&to_itself);
    for (arguments, says) in [
        (&["group", "move", "g", "--in-buffer", "T"][..], "TYPE=@FILE"),
        (&["group", "move", "g", "--in-buffer", "T=@/no/such/file"], "/no/such/file"),
        (&["group", "online", "g", "--to", "n1"], "--to"),
        (&["group", "move", "g", "--keep-persistent-state"], "--keep-persistent-state"),
        (&["node", "pause", "n1", "--to", "n2"], "--drain"),
        (&["node", "resume", "n1", "--failback", "soon"], "policy"),
    ] {
        let said = node.fails(2, arguments);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
    assert_eq!(node.end(), 0);
}

#[test]
fn nodes_are_listed_and_told_about() {
    let mut node = node();
    let list = node.ok(&["node", "list"]);
    let words: Vec<Vec<&str>> = list.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(words[0][..3], ["NODE", "STATE", "GROUPS"]);
    assert_eq!(words[1][..3], ["n1", "Up", "2"]);
    let about = node.ok(&["node", "status", "n1"]);
    assert!(about.contains("guarantee: ") && about.contains("groups: g, h"), "{about}");
    // The name of the folder may stand before the verb too.
    let folder = node.data();
    assert_eq!(node.ok(&["node", "--data", folder.to_str().unwrap(), "list"]), list);
    let said = node.fails(3, &["node", "status", "n7"]);
    assert!(said.contains("\"n7\"") && said.contains("n1"), "{said}");
    for arguments in [&["node", "list"][..], &["node", "status"], &["node", "status", "n1"]] {
        let text = node.ok(&[arguments, &["--json"]].concat());
        let nodes: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(nodes[0]["name"], "n1", "{text}");
        for key in ["drain", "quarantine", "session", "seen_ms_ago"] {
            assert!(nodes[0].get(key).is_none(), "{key} is of several nodes: {text}");
        }
        assert_eq!(nodes[0]["coordinator"], false);
    }
    let lines = node.ok(&["node", "pause", "n1", "--json"]);
    assert!(lines.lines().next_back().unwrap().contains("done"), "{lines}");
    assert_eq!(node.end(), 0);
}
