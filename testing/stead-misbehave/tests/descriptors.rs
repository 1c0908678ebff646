//! Descriptors, memory, output and what belongs to the whole process.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_misbehave::{Outcome, Yard, case};

#[test]
fn descriptors() {
    let names = [
        "close-all-descriptors",
        "garbage-into-all-descriptors",
        "cover-the-link",
        "read-others-messages",
        "lock-memory",
        "flood-of-output",
        "change-the-process",
        "change-the-clock",
        "restart-the-machine",
    ];
    let cases = names.map(case);
    let yard = Yard::open(&cases, &[]);
    for case in cases.iter().filter(|case| case.outcome != Outcome::Special) {
        yard.judge(case);
    }
    // What it made unusable is its own.
    yard.judge(case("change-the-process"));
    // What was printed is cut to a bounded log.
    let log = yard.node().data().join("log/group-flood-of-output.log");
    let old = log.with_extension("log.old");
    let size: u64 =
        [log, old].iter().filter_map(|file| std::fs::metadata(file).ok()).map(|file| file.len()).sum();
    assert!(size < 8 << 20, "{size} bytes of log");
    yard.close();
}
