//! `stead log`: what node, guardian and the programs of resources wrote, merged.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use serde_json::Value;
use stead_e2e::{Node, compile, root, stead, until};

const CONFIG: &str = r#"
[[group]]
name = "web"
[[group.resource]]
name = "app"
type = "Generic Application"
properties = { CommandLine = "sh -c 'echo hello; exec sleep infinity'" }
[[group]]
name = "other"
[[group.resource]]
name = "broken"
type = "Generic Application"
common = { RestartAction = 0, RetryPeriodOnFailure = 4294967295 }
properties = { CommandLine = "/nonexistent" }
"#;

fn lines(node: &Node, arguments: &[&str]) -> Vec<Value> {
    let said = node.ok(&[&["--json", "log"], arguments].concat());
    said.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn logs_are_merged_filtered_and_read_without_a_node() {
    let mut node = Node::up(CONFIG);
    node.wait("app", "Online");
    node.wait("broken", "Failed");
    until("what it printed is there", || {
        lines(&node, &[])
            .iter()
            .any(|line| line["source"] == "group-web" && line["text"] == "hello")
            .then_some(())
    });
    let all = lines(&node, &[]);
    let times: Vec<&str> = all.iter().map(|line| line["time"].as_str().unwrap()).collect();
    assert!(times.is_sorted(), "{times:?}");
    for source in ["guardian", "node", "group-web"] {
        assert!(all.iter().any(|line| line["source"] == source), "{source}: {all:?}");
    }
    let web = lines(&node, &["--group", "WEB"]);
    assert!(web.iter().any(|line| line["text"] == "hello"));
    assert!(web.iter().any(|line| line["resource"] == "app" && line["group"] == "web"));
    assert!(web.iter().all(|line| line["group"] != "other" && line["source"] != "guardian"), "{web:?}");
    let bad = lines(&node, &["--resource", "broken", "--level", "error"]);
    assert!(!bad.is_empty());
    assert!(bad.iter().all(|line| line["level"] == "error" && line["resource"] == "broken"), "{bad:?}");
    assert_eq!(lines(&node, &["-n", "1"]).len(), 1);
    assert_eq!(lines(&node, &["--since", "2h"]).len(), lines(&node, &["--since", "2020-01-01"]).len());
    assert!(lines(&node, &["--since", "2100-01-01"]).is_empty());
    let said = node.fails(2, &["log", "--since", "yesterday"]);
    assert!(said.contains("10min"), "{said}");

    assert_eq!(node.end(), 0);
    assert!(node.ok(&["log"]).contains("hello"), "files are read");
    let said = Command::new(stead()).args(["log", "--data", "/nonexistent"]).output().unwrap();
    assert!(!said.status.success());
    assert!(String::from_utf8_lossy(&said.stderr).contains("--data"), "{said:?}");
}

#[test]
fn it_goes_on_with_what_comes() {
    let mut node = Node::up(CONFIG);
    node.wait("app", "Online");
    let mut log = Command::new(stead())
        .args(["log", "--follow", "--resource", "app", "--data"])
        .arg(node.data())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut followed = BufReader::new(log.stdout.take().unwrap()).lines();
    assert!(followed.by_ref().any(|line| line.unwrap().contains("OnlinePending -> Online")));
    node.ok(&["resource", "offline", "app"]);
    assert!(followed.by_ref().any(|line| line.unwrap().contains("OfflinePending -> Offline")));
    log.kill().unwrap();
    log.wait().unwrap();
    assert_eq!(node.end(), 0);
}

#[test]
fn the_end_in_the_middle_of_an_apply_is_no_failure() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("testing/stead-e2e/dll/probe.c");
    let renamed = folder.path().join("slow.c");
    fs::write(&renamed, fs::read_to_string(&source).unwrap().replace("L\"Probe\"", "L\"Slow\"")).unwrap();
    let dll = compile(&source, folder.path(), "probe.so", &[]);
    let slow = compile(&renamed, folder.path(), "slow.so", &[]);
    let hang = folder.path().join("slow.so.hang");
    let first = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"r\"\n\
         type = \"Probe\"\nproperties = {{ Offline = \"return 997; sleep 1500; statusex 3 1\" }}\n",
        dll.display()
    );
    let mut node = Node::up(&first);
    node.wait("r", "Online");
    assert_eq!(node.end(), 0);
    // The next start brings back what is stored, while a new type takes its time.
    fs::write(&hang, "").unwrap();
    let second = format!("{first}[[type]]\nname = \"Slow\"\ndll = \"{}\"\n", slow.display());
    fs::write(node.config(), second).unwrap();
    node.start(&[]);
    node.wait("r", "Online");
    let said = node.folder().join("up.log");
    let goes_on = std::thread::spawn(move || {
        until("the end has begun", || {
            fs::read_to_string(&said).unwrap_or_default().contains("-> OfflinePending").then_some(())
        });
        fs::remove_file(hang).unwrap();
    });
    assert_eq!(node.end(), 0);
    goes_on.join().unwrap();
    assert!(node.said().contains("the end came first"), "{}", node.said());
}
