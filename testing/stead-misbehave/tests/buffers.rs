//! Buffers that are lent for one call, and what is written into them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_misbehave::{Yard, case};

#[test]
fn buffers() {
    let cases = ["nonsense-lists", "write-past-the-buffer", "write-after-return"].map(case);
    let yard = Yard::open(&cases, &[]);
    for case in &cases {
        yard.judge(case);
    }
    // Asked outright, it is the caller who gets what there is, and no more than there was room for.
    let out = yard.node().ok(&["resource", "control", "nonsense-lists", "0x01000059"]);
    assert!(out.trim().chars().all(|c| c == '4' || c == '1' || c.is_whitespace()), "{out}");
    yard.close();
}
