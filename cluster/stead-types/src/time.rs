use std::fmt;
use std::time::Duration;

/// An instant on `CLOCK_BOOTTIME`, in nanoseconds since the machine started.
///
/// Only differences mean anything, and only on one machine. Wall-clock time takes part in no decision.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Time(u64);

impl Time {
    /// The instant the clock started.
    pub const ZERO: Time = Time(0);
    /// Later than every other instant: a deadline that never comes.
    pub const NEVER: Time = Time(u64::MAX);

    /// An instant `nanos` nanoseconds after the clock started.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Time(nanos)
    }

    /// An instant `millis` milliseconds after the clock started, or [`Time::NEVER`] past the range.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Time(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the clock started.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the clock started.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// How long after `earlier` this instant is; zero if it is not after it.
    #[must_use]
    pub const fn since(self, earlier: Time) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// The instant `duration` later. Past the range this is [`Time::NEVER`], and `NEVER` stays `NEVER`.
    #[must_use]
    pub fn after(self, duration: Duration) -> Self {
        match u64::try_from(duration.as_nanos()) {
            Ok(nanos) => Time(self.0.saturating_add(nanos)),
            Err(_) => Time::NEVER,
        }
    }
}

impl fmt::Debug for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if *self == Time::NEVER {
            f.write_str("never")
        } else {
            write!(f, "{}.{:06}s", self.0 / 1_000_000_000, self.0 / 1_000 % 1_000_000)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_never() {
        assert_eq!(Time::from_millis(5).after(Duration::from_millis(7)), Time::from_millis(12));
        assert_eq!(Time::NEVER.after(Duration::from_secs(1)), Time::NEVER);
        assert_eq!(Time::from_millis(1).after(Duration::MAX), Time::NEVER);
        assert_eq!(Time::from_millis(1).since(Time::from_millis(9)), Duration::ZERO);
    }
}
