use stead_types::Time;

const MILLION: u64 = 1_000_000;

/// A node's `CLOCK_BOOTTIME`: real time at a rate that is a little off. It counts while the machine sleeps.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    /// Real time at which the machine started, and what the clock shows then.
    from: u64,
    shows: u64,
    /// Millionths of its rate: a million is right.
    rate: u64,
}

impl Clock {
    pub(crate) fn new(from: u64, shows: u64, rate: u64) -> Self {
        Clock { from, shows, rate }
    }

    /// What it shows at this instant of real time.
    #[inline]
    pub(crate) fn at(&self, real: u64) -> Time {
        let passed = real.saturating_sub(self.from);
        Time::from_nanos(self.shows + passed / MILLION * self.rate + passed % MILLION * self.rate / MILLION)
    }

    /// The first instant of real time at which it shows at least this.
    #[inline]
    pub(crate) fn real(&self, local: Time) -> u64 {
        let passed = local.as_nanos().saturating_sub(self.shows);
        let mut real = self.from + passed / self.rate * MILLION + passed % self.rate * MILLION / self.rate;
        while self.at(real) < local {
            real += 1;
        }
        real
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_is_off_by_its_rate_and_can_be_turned_round() {
        for rate in [995_000, 1_000_000, 1_005_000] {
            let clock = Clock::new(7_000, 123, rate);
            assert_eq!(clock.at(1_000_000_000_000 + 7_000).as_nanos(), 123 + rate * 1_000_000);
            for nanos in [124, 5_000, 999_999_999, 77_777_777_777] {
                let local = Time::from_nanos(nanos);
                let real = clock.real(local);
                assert!(clock.at(real) >= local);
                assert!(clock.at(real - 1) < local);
            }
        }
    }
}
