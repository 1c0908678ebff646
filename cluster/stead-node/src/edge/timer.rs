//! The only clock decisions are made by, and the wall clock people read.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::time::{ClockId, clock_gettime};
use stead_types::Time;

/// Now, on `CLOCK_BOOTTIME`.
pub(crate) fn now() -> Time {
    let now = clock_gettime(ClockId::Boottime);
    let seconds = u64::try_from(now.tv_sec).unwrap_or(0);
    let nanos = u64::try_from(now.tv_nsec).unwrap_or(0);
    Time::from_nanos(seconds.saturating_mul(1_000_000_000).saturating_add(nanos))
}

/// How long to wait for `at`; `None` is for ever.
pub(crate) fn until(at: Option<Time>, now: Time) -> Option<Duration> {
    at.filter(|at| *at != Time::NEVER).map(|at| at.since(now))
}

/// The hour of the day here, for windows in which people allow something.
pub(crate) fn hour_of_day() -> u8 {
    u8::try_from(jiff::Zoned::now().hour()).unwrap_or(0)
}

/// Milliseconds since 1970, for people. No decision depends on it.
pub(crate) fn wall_clock_ms() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
