//! What one group uses up is missing in that group only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::Path;

use stead_misbehave::{Case, Yard, case};

#[test]
fn limits() {
    let mut cases: Vec<&'static Case> = ["many-descriptors", "memory-leak", "fill-the-disk"].map(case).into();
    let arguments = ["nofile=4096", "memory=512M", "fsize=16M", "memlock=64M", "pids=300"];
    let arguments: Vec<&str> = arguments.into_iter().flat_map(|limit| ["--limit", limit]).collect();
    // A bomb goes off only where something holds it.
    let first = Yard::open(&[], &arguments);
    let said = std::fs::read_to_string(first.node().data().join("log/guardian.log")).unwrap();
    let line = said.lines().find(|line| line.contains("limits of each Resource Monitor")).unwrap();
    first.close();
    if line.contains("NOT IN FORCE for its processes together: pids") {
        eprintln!("SKIPPED: fork-bomb: no control group may be made on this machine: {line}");
    } else {
        cases.push(case("fork-bomb"));
    }
    let yard = Yard::open(&cases, &arguments);
    for case in &cases {
        yard.judge(case);
    }
    let guardian = yard.node().processes("guardian")[0];
    yard.close();
    for folder in ["/sys/fs/cgroup", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"] {
        let entries = std::fs::read_dir(Path::new(folder)).into_iter().flatten().flatten();
        let ours = entries
            .filter(|entry| entry.file_name().to_string_lossy().starts_with(&format!("stead-{guardian}-")));
        assert_eq!(ours.count(), 0, "control groups are left in {folder}");
    }
}

#[test]
fn a_limit_that_is_none_is_refused_with_the_names() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("cluster.toml");
    std::fs::write(&file, "").unwrap();
    let output = std::process::Command::new(stead_e2e::stead())
        .arg("up")
        .arg(&file)
        .args(["--limit", "memroy=1G", "--data"])
        .arg(folder.path().join("data"))
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success());
    assert!(text.contains("no limit \"memroy\"") && text.contains("pids, memory, cpu"), "{text}");
}
