//! `stead type new`: what it writes builds without a warning, comes online and leaves nothing behind.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Command, Output};

use stead_e2e::{Host, Node, root, stead};

fn new(folder: &Path, language: &str) -> Output {
    let mut command = Command::new(stead());
    command.args(["type", "new", "Print Queue", "--lang", language, "--dir"]).arg(folder);
    command.output().unwrap()
}

fn run(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
    assert!(!said.contains("warning:"), "{said}");
    said
}

#[test]
fn a_type_in_c_builds_and_runs_in_a_node() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("queue");
    assert!(new(&place, "c").status.success());
    run(&place, "make", &[]);
    let mark = place.join("beat");
    let config = std::fs::read_to_string(place.join("cluster.toml")).unwrap();
    let config = config
        .replace("\"/tmp/print-queue\"", &format!("{:?}", mark.display().to_string()))
        .replace("\"print-queue.so\"", &format!("{:?}", place.join("print-queue.so").display().to_string()));
    let mut node = Node::up(&config);
    node.wait("print-queue", "Online");
    assert!(mark.exists());
    // The property table is what `apply` checks against.
    let said = node.apply(&config.replace("Interval = 500", "Interval = 5"));
    assert!(!said.status.success());
    let said = node.apply(&config.replace("Interval = 500", "Intervall = 500"));
    assert!(String::from_utf8_lossy(&said.stderr).contains("did you mean \"Interval\""), "{said:?}");
    assert_eq!(node.end(), 0);
    assert!(!mark.exists(), "Offline leaves nothing");
}

#[test]
fn a_type_in_rust_builds_and_passes_its_own_test() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().join("queue");
    assert!(new(&place, "rust").status.success());
    // What it needs was fetched for this workspace already.
    std::fs::copy(root().join("Cargo.lock"), place.join("Cargo.lock")).unwrap();
    run(&place, env!("CARGO"), &["test", "--quiet", "--offline"]);
    run(&place, env!("CARGO"), &["build", "--quiet", "--offline"]);
    let library = place.join("target/debug/libprint_queue.so");
    let trace = Host::new(&library, "Print Queue")
        .property("Program", "/bin/sleep")
        .property("Arguments", "infinity")
        .run(&["open", "online", "wait Online 20", "is-alive", "offline", "wait Offline 20", "close"]);
    assert_eq!(trace.states(), ["Offline", "OnlinePending", "Online", "OfflinePending", "Offline"]);
    // What README.md tells to do, word by word but for the profile.
    let readme = std::fs::read_to_string(place.join("README.md")).unwrap();
    let told = readme.lines().find(|line| line.starts_with("stead verify")).unwrap();
    let script = format!("{} --seconds 20 --cycles 20", told.replace("target/release", "target/debug"));
    let script = script.replacen("stead", &stead().display().to_string(), 1);
    let said = run(&place, "sh", &["-c", &script]);
    assert!(said.contains("0 broken"), "{said}");
}

#[test]
fn a_folder_with_something_in_it_and_a_name_that_fits_nowhere_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine"), "precious").unwrap();
    let refused = new(folder.path(), "c");
    assert_eq!(refused.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&refused.stderr).contains("not empty"));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
    let mut command = Command::new(stead());
    let refused =
        command.args(["type", "new", "a\"b", "--lang", "c"]).current_dir(folder.path()).output().unwrap();
    assert_eq!(refused.status.code(), Some(2));
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "nothing was written");
}
