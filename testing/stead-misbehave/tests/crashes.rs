//! What ends its process ends it alone, and is told apart from success.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::until;
use stead_misbehave::{Outcome, Yard, case};

#[test]
fn crashes() {
    let names = [
        "null-deref-in-online",
        "abort-in-is-alive",
        "stack-overflow-in-online",
        "exit-in-offline",
        "exit-from-a-thread",
        "heap-smash-in-online",
        "free-a-handle",
        "longjmp-out-of-online",
        "throw-out-of-online",
    ];
    let cases = names.map(case);
    let yard = Yard::open(&cases, &[]);
    for case in cases.iter().filter(|case| case.outcome != Outcome::Special) {
        yard.judge(case);
    }
    // An exit in Offline is no success: the monitor is lost, and that is told.
    let node = yard.node();
    node.wait("exit-in-offline", "Online");
    let _ = node.run(&["resource", "offline", "exit-in-offline"]);
    yard.judge(case("exit-in-offline"));
    until("it is offline all the same", || (node.state("exit-in-offline") == "Offline").then_some(()));
    yard.close();
}
