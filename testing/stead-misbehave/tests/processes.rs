//! Processes that get away, that copy their monitor, or that go for others.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::until;
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
    // The copy of the monitor is gone: it speaks for nobody.
    let node = yard.node();
    until("the copy has ended", || {
        let of = |process: &u64| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains("fork-and-return-in-both")
        };
        (node.processes("monitor").iter().filter(|process| of(process)).count() == 1).then_some(())
    });
    // It is believed, and its process is found when everything ends.
    node.ok(&["resource", "offline", "offline-with-living-process"]);
    assert_eq!(node.state("offline-with-living-process"), "Offline");
    yard.close();
}
