//! Processes that get away, that copy their monitor, or that go for others.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_misbehave::{Yard, case};

#[test]
fn processes() {
    let names = [
        "daemon-by-double-fork",
        "fork-and-return-in-both",
        "leave-the-cgroup",
        "deaf-child",
        "trace-and-stop-siblings",
        "kill-everything",
        "offline-with-living-process",
    ];
    let cases = names.map(case);
    let yard = Yard::open(&cases, &[]);
    for case in &cases {
        yard.judge(case);
    }
    let node = yard.node();
    // It is believed, and its process is found when everything ends.
    node.ok(&["resource", "offline", "offline-with-living-process"]);
    assert_eq!(node.state("offline-with-living-process"), "Offline");
    yard.close();
}
