use crate::fault::Fault;
use crate::world::{Setup, Violation};
use crate::{faults, run_with};

/// The fewest faults of a seed that still break a rule, found by leaving out halves, quarters and so on to single ones;
/// and the rule they break. Nothing, if the seed breaks none.
#[must_use]
pub fn shrink(seed: u64, setup: &Setup) -> Option<(Vec<Fault>, Violation)> {
    let mut kept = faults(seed, setup);
    let mut violation = run_with(seed, setup, &kept)?;
    let mut size = kept.len().div_ceil(2).max(1);
    loop {
        let mut from = 0;
        let mut smaller = false;
        while from < kept.len() {
            let mut fewer = kept.clone();
            fewer.drain(from..(from + size).min(fewer.len()));
            if let Some(found) = run_with(seed, setup, &fewer) {
                (kept, violation, smaller) = (fewer, found, true);
            } else {
                from += size;
            }
        }
        if size == 1 && !smaller {
            return Some((kept, violation));
        }
        size = (size / 2).max(1);
    }
}
