//! What resource DLLs do through ClusAPI from inside a Resource Monitor.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use stead_e2e::{Node, compile, kill, root, until};

/// A resource DLL, linked with `-lclusapi`; the library it names is nowhere on the loader's way.
fn dll(folder: &Path, name: &str) -> PathBuf {
    let name_only = folder.join("libclusapi.so");
    let empty = folder.join("empty.c");
    fs::write(&empty, "").unwrap();
    let mut cc = Command::new("cc");
    cc.args(["-shared", "-nostdlib", "-Wl,-soname,libclusapi.so", "-o"]).arg(&name_only).arg(&empty);
    assert!(cc.status().unwrap().success());
    let source = root().join(format!("testing/stead-e2e/dll/{name}.c"));
    let place = format!("-L{}", folder.display());
    let dll = compile(&source, folder, &format!("{name}.so"), &[&place, "-Wl,--no-as-needed", "-lclusapi"]);
    fs::remove_file(name_only).unwrap();
    dll
}

fn config(dll: &Path, report: &Path, runs: &str) -> String {
    format!(
        r#"
[[type]]
name = "Keys"
dll = "{dll}"

[[group]]
name = "web"
[[group.resource]]
name = "provider"
type = "Generic Application"
properties = {{ CommandLine = "sleep infinity" }}
[[group.resource]]
name = "keys"
type = "Keys"
depends_on = "[provider]"
properties = {{ Report = "{report}", Gone = 7{runs} }}

[[group]]
name = "other"
[[group.resource]]
name = "elsewhere"
type = "Generic Application"
properties = {{ CommandLine = "sleep infinity" }}
"#,
        dll = dll.display(),
        report = report.display(),
    )
}

/// What the resource DLL wrote in its last online.
fn report(path: &Path) -> Vec<String> {
    until("the report is complete", || {
        let text = fs::read_to_string(path).ok()?;
        text.ends_with("end\n").then(|| text.lines().map(str::to_owned).collect())
    })
}

fn online_again(node: &Node, path: &Path) -> Vec<String> {
    node.ok(&["resource", "offline", "keys"]);
    fs::remove_file(path).unwrap();
    node.ok(&["resource", "online", "keys"]);
    report(path)
}

#[test]
fn what_a_resource_dll_stores_survives_and_what_it_asks_is_answered() {
    let folder = tempfile::tempdir().unwrap();
    let (dll, path) = (dll(folder.path(), "keys"), folder.path().join("report"));
    let mut node = Node::up(&config(&dll, &path, ""));
    node.wait("elsewhere", "Online");
    node.wait("keys", "Online");
    let lines = report(&path);
    let expected = [
        "runs 1 0",
        "inner 0 1",
        "batch 0",
        "info 0 2",
        "deleted configured 0",
        "gone 2",
        "too much 1816",
        "provider 2 web",
        "self 129 web",
        "expression [provider]",
        "enum 4 elsewhere",
        "enum 4 keys",
        "enum 4 provider",
        "enum 4 ended 259 of 3 closed 0",
        "enum 8 other",
        "enum 8 web",
        "enum 8 ended 259 of 2 closed 0",
        "unknown 0 5007",
        "type short 234 40",
        "type 0 Generic Application",
        "own control 1131",
        "elsewhere 1 set 5",
        "closed 1 1",
        "closed 1 again 0",
        "last error 6",
        "end",
    ];
    assert_eq!(lines, expected);

    // The key is there already, and the deleted value has not come back.
    let again = online_again(&node, &path);
    assert_eq!(
        again[..6],
        ["runs 2 0", "inner 0 2", "batch 0", "info 0 2", "deleted configured 2", "gone 2"]
    );

    // A node that is killed has forgotten nothing, and the monitor asks the next one.
    kill(node.processes("node")[0]);
    until("the next node answers", || node.run(&["status"]).status.success().then_some(()));
    assert_eq!(online_again(&node, &path)[0], "runs 3 0");

    // Monitors that are killed have nothing of their own to forget.
    for monitor in node.processes("monitor") {
        kill(monitor);
    }
    let fourth = until("it is online again", || {
        report(&path).first().filter(|line| line.as_str() == "runs 4 0").cloned()
    });
    assert_eq!(fourth, "runs 4 0");

    // Everything is stopped and started again.
    node.wait("keys", "Online");
    assert_eq!(node.end(), 0);
    fs::remove_file(&path).unwrap();
    node.start(&[]);
    node.wait("keys", "Online");
    let lines = report(&path);
    assert_eq!(lines[..2], ["runs 5 0", "inner 0 2"]);
    assert_eq!(lines[5], "gone 2");

    // The configuration is the operator's: what was stored beside it is no difference, and what he changes wins.
    let same = node.apply(&config(&dll, &path, ""));
    assert!(same.status.success());
    assert_eq!(online_again(&node, &path)[0], "runs 6 0");
    assert!(node.apply(&config(&dll, &path, ", Runs = 40")).status.success());
    let changed = online_again(&node, &path);
    assert_eq!(changed[0], "runs 41 0");
    // Another property says nothing of this one, although the resource DLL is told to take its properties anew.
    assert!(node.apply(&config(&dll, &path, ", Runs = 40, Other = 1")).status.success());
    assert_eq!(online_again(&node, &path)[0], "runs 42 0");

    // mscs/clusctl-resource-delete: who is deleted is told, and nobody else; what it stored is gone.
    node.ok(&["resource", "offline", "keys"]);
    let told = || fs::read_to_string(&path).unwrap().lines().filter(|line| *line == "deleted").count();
    assert_eq!(told(), 0);
    node.ok(&["resource", "delete", "keys"]);
    assert_eq!(told(), 1);
    assert!(node.apply(&config(&dll, &path, "")).status.success());
    assert_eq!(report(&path)[0], "runs 1 0");
    assert_eq!(node.end(), 0);
}

/// The numbers behind `word`, with the error that follows, where one does.
fn counted(lines: &[String], word: &str) -> Vec<(u32, Option<u32>)> {
    let numbers = |line: &String| {
        let parts: Vec<&str> = line.split(' ').collect();
        assert_eq!(parts[0], word, "{line}");
        (parts[1].parse().unwrap(), parts.get(3).map(|error| error.parse().unwrap()))
    };
    lines.iter().filter(|line| *line != "end").map(numbers).collect()
}

fn storm(dll: &Path, report: &Path, more: &str) -> String {
    format!(
        r#"
[[type]]
name = "Storm"
dll = "{}"
[[group]]
name = "g"
[[group.resource]]
name = "storm"
type = "Storm"
{more}
properties = {{ Report = "{}" }}
"#,
        dll.display(),
        report.display()
    )
}

fn signal(process: u64, signal: rustix::process::Signal) {
    let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, signal).unwrap();
}

#[test]
fn a_node_that_is_away_costs_no_entry_point_its_monitor() {
    let folder = tempfile::tempdir().unwrap();
    let (dll, path) = (dll(folder.path(), "storm"), folder.path().join("report"));
    let quick =
        "common = { DeadlockTimeout = 4000, LooksAlivePollInterval = 100, IsAlivePollInterval = 100 }";
    let mut node = Node::up(&storm(&dll, &path, quick));
    node.wait("storm", "Online");
    let (process, monitors) = (node.processes("node")[0], node.processes("monitor"));
    signal(process, rustix::process::Signal::STOP);
    let told = until("IsAlive is told that nobody answers", || {
        let text = fs::read_to_string(&path).unwrap();
        text.starts_with("alive").then_some(text)
    });
    signal(process, rustix::process::Signal::CONT);
    assert_eq!(told, "alive 1460\nend\n");
    assert_eq!(node.processes("monitor"), monitors);
    node.ok(&["resource", "offline", "storm"]);
    assert_eq!(node.end(), 0);
}

#[test]
fn writes_that_a_killed_node_did_not_answer_are_made_by_the_next_one() {
    let folder = tempfile::tempdir().unwrap();
    let (dll, path) = (dll(folder.path(), "storm"), folder.path().join("report"));
    let config = storm(&dll, &path, "");
    let mut node = Node::up(&config);
    node.wait("storm", "Online");
    assert_eq!(counted(&report(&path), "found"), [(0, None); 4]);
    for _ in 0..4 {
        let process = node.processes("node")[0];
        kill(process);
        until("the next node answers", || {
            node.run(&["status"])
                .status
                .success()
                .then_some(())
                .filter(|()| node.processes("node") != [process])
        });
    }
    node.ok(&["resource", "offline", "storm"]);
    let acknowledged = counted(&report(&path), "acknowledged");
    assert!(acknowledged.iter().all(|(count, error)| *count > 0 && *error == Some(0)), "{acknowledged:?}");
    let expected: Vec<(u32, Option<u32>)> = acknowledged.iter().map(|(count, _)| (*count, None)).collect();
    // The monitor's copy, and what the database has.
    node.ok(&["resource", "online", "storm"]);
    assert_eq!(counted(&report(&path), "found"), expected);
    node.ok(&["resource", "offline", "storm"]);
    let acknowledged = counted(&report(&path), "acknowledged");
    assert_eq!(node.end(), 0);
    fs::remove_file(&path).unwrap();
    node.start(&[]);
    node.ok(&["resource", "online", "storm"]);
    let expected: Vec<(u32, Option<u32>)> = acknowledged.iter().map(|(count, _)| (*count, None)).collect();
    assert_eq!(counted(&report(&path), "found"), expected);
    assert_eq!(node.end(), 0);
}

#[test]
fn properties_leave_room_for_what_a_resource_dll_stores() {
    let folder = tempfile::tempdir().unwrap();
    let (dll, path) = (dll(folder.path(), "keys"), folder.path().join("report"));
    let mut node = Node::up(&config(&dll, &path, ""));
    node.wait("keys", "Online");
    let with = |size: usize| config(&dll, &path, &format!(", Long = \"{}\"", "x".repeat(size)));
    let refused = node.apply(&with(120_000));
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success());
    assert!(text.contains("cluster.toml:") && text.contains("keep what is large in a file"), "{text}");
    // Nothing has changed, and what is accepted can be opened again.
    assert_eq!(online_again(&node, &path)[0], "runs 2 0");
    assert!(node.apply(&with(90_000)).status.success());
    for monitor in node.processes("monitor") {
        kill(monitor);
    }
    until("it is online again", || report(&path).first().filter(|line| line.as_str() == "runs 3 0").cloned());
    assert_eq!(node.end(), 0);
}

#[test]
fn every_function_of_the_list_is_exported_by_the_executable() {
    let output = Command::new("nm").args(["-D", "--defined-only"]).arg(stead_e2e::stead()).output().unwrap();
    let symbols = String::from_utf8(output.stdout).unwrap();
    let list: String = ["stead-clusapi", "stead-resutils"]
        .map(|name| root().join("resource").join(name).join("exported-symbols.txt"))
        .map(|path| fs::read_to_string(path).unwrap())
        .concat();
    let missing: Vec<&str> = list
        .lines()
        .filter(|name| !symbols.lines().any(|line| line.ends_with(&format!(" T {name}"))))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
    assert!(list.lines().count() > 180);
}
