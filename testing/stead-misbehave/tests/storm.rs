//! Reports and log lines from 64 threads, as fast as they come.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_misbehave::{Yard, case};

#[test]
fn storm() {
    let storm = case("callback-storm");
    let yard = Yard::open(&[storm], &[]);
    let node = yard.node();
    // Whoever asks meanwhile is answered, and what is asked for is done.
    for _ in 0..10 {
        node.ok(&["status"]);
    }
    let added = "\n[[group]]\nname = \"late\"\n[[group.resource]]\nname = \"late\"\n\
                 type = \"Generic Application\"\nproperties = { CommandLine = \"sleep infinity\" }\n";
    let config = std::fs::read_to_string(node.config()).unwrap();
    std::fs::write(node.config(), format!("{config}{added}")).unwrap();
    node.ok(&["apply", node.config().to_str().unwrap(), "--no-wait"]);
    node.wait("late", "Online");
    yard.judge(storm);
    let log = std::fs::read_to_string(node.data().join("log/node.log")).unwrap();
    assert!(log.contains("lines were left out"), "nothing was left out of {} bytes", log.len());
    assert!(log.len() < 8 << 20, "{} bytes of log", log.len());
    yard.close();
}
