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
    // Its process is found and ended before anybody hears that it is offline.
    let process = node.pid("offline-with-living-process");
    assert!(stead_e2e::alive(process));
    node.ok(&["resource", "offline", "offline-with-living-process"]);
    assert!(!stead_e2e::alive(process));
    let told = format!("sleep ({process})");
    let events = node.events();
    assert!(
        events.iter().any(|text| text.contains("a process left behind") && text.contains(&told)),
        "{told}: {events:?}"
    );
    yard.close();
}
