//! What reports, logs and answers wrongly changes nothing but what is written down of it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::until;
use stead_misbehave::{Outcome, Yard, case};

#[test]
fn reports() {
    let names = [
        "close-keys-twice",
        "pending-in-silence",
        "pending-for-ever",
        "online-before-return",
        "contradicting-reports",
        "nonsense-reports",
        "nonsense-log-lines",
        "report-after-close",
        "thread-outlives-close",
        "counts-its-calls",
        "lie-about-online",
        "hang-at-exit",
        "grab-the-socket",
    ];
    let cases = names.map(case);
    let yard = Yard::open(&cases, &[]);
    for case in cases.iter().filter(|case| case.outcome != Outcome::Special) {
        yard.judge(case);
    }
    let node = yard.node();
    let evidence = yard.evidence();
    assert!(!evidence.contains("nonsense was accepted"), "{evidence}");
    assert!(evidence.lines().all(|line| !line.starts_with("2026-01-01")), "{evidence}");
    // Nothing was used as a format, nothing is longer than a line, nothing rings or clears a screen.
    assert!(evidence.lines().all(|line| line.len() < 8_192));
    assert!(
        evidence.chars().all(|c| c == '\n' || c == '\t' || !c.is_control()),
        "control characters in the log"
    );
    // What has been closed has no voice.
    for name in ["report-after-close", "thread-outlives-close"] {
        node.wait(name, "Online");
        node.ok(&["resource", "offline", name]);
        node.ok(&["resource", "delete", name]);
    }
    until("the breach is in the history", || {
        yard.evidence().contains("which no open resource has").then_some(())
    });
    // Twice the same request is one call.
    for verb in ["online", "online", "offline", "offline", "online"] {
        node.ok(&["resource", verb, "counts-its-calls"]);
    }
    yard.judge(case("counts-its-calls"));
    yard.close();
}
