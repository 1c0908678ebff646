//! What does not come back is ended from outside, and named.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::until;
use stead_misbehave::{Outcome, Yard, case};

#[test]
fn hangs_at_the_beginning() {
    let names = [
        "block-in-open",
        "block-in-online",
        "block-in-looks-alive",
        "block-in-is-alive",
        "spin-in-online",
        "waits-for-itself",
        "terminate-beside-online",
        "raise-sigstop",
        "swallow-faults",
        "block-all-signals",
        "pthread-exit-in-online",
    ];
    let cases = names.map(case);
    let yard = Yard::open(&cases, &[]);
    for case in &cases {
        yard.judge(case);
    }
    // Terminate may come while Online runs, and then Online's answer is nobody's.
    let node = yard.node();
    node.ok(&["resource", "offline", "terminate-beside-online", "--terminate"]);
    assert_eq!(node.state("terminate-beside-online"), "Offline");
    assert!(!yard.evidence().contains("Resource Monitor terminate-beside-online was lost"));
    yard.close();
}

#[test]
fn hangs_at_the_end() {
    let cases = ["block-in-offline", "block-in-terminate", "block-in-close"].map(case);
    let yard = Yard::open(&cases, &[]);
    let node = yard.node();
    for case in &cases {
        node.wait(case.name, "Online");
    }
    let _ = node.run(&["resource", "offline", "block-in-offline", "--no-wait"]);
    let _ = node.run(&["resource", "offline", "block-in-terminate", "--terminate", "--no-wait"]);
    node.ok(&["resource", "offline", "block-in-close"]);
    let _ = node.run(&["resource", "delete", "block-in-close"]);
    for case in cases.iter().filter(|case| case.outcome == Outcome::Special && case.number != 12) {
        yard.judge(case);
    }
    // Everything of them is dead, so they are offline whatever they say; and the delete went through.
    until("it is offline", || (node.state("block-in-offline") == "Offline").then_some(()));
    until("it is offline", || (node.state("block-in-terminate") == "Offline").then_some(()));
    until("it is deleted", || node.resource("block-in-close").is_null().then_some(()));
    yard.close();
}
