//! How long the session's renewals take: a deadline is kept for as long as they are answered, so that this is the first
//! number to look at when a node lost its session.

use std::time::Duration;

use stead_lease::RequestId;
use stead_types::Time;

/// So many are told of at once.
const TOLD: usize = 100;

/// Some renewals, told of.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Summary {
    /// Half of them were answered within this time.
    pub(super) median: Duration,
    /// All but one in a hundred were.
    pub(super) p99: Duration,
    /// All of them were.
    pub(super) longest: Duration,
    /// The longest time from the begin of one to the begin of the next.
    pub(super) apart: Duration,
}

/// The renewals since the last summary.
#[derive(Debug, Default)]
pub(super) struct Renewals {
    asked: Vec<(RequestId, Time)>,
    /// When the last one that was answered had been asked.
    last: Option<Time>,
    took: Vec<Duration>,
    apart: Duration,
}

impl Renewals {
    /// The session begins, or has ended: what was before says nothing.
    pub(super) fn forget(&mut self) {
        *self = Renewals::default();
    }

    /// One is asked.
    pub(super) fn asked(&mut self, request: RequestId, now: Time) {
        self.asked.push((request, now));
    }

    /// Something was answered, and with success or not: of every so many renewals a summary.
    pub(super) fn answered(&mut self, request: RequestId, stored: bool, now: Time) -> Option<Summary> {
        let place = self.asked.iter().position(|(asked, _)| *asked == request)?;
        let (_, asked) = self.asked.remove(place);
        if !stored {
            return None;
        }
        self.took.push(now.since(asked));
        if let Some(last) = self.last {
            self.apart = self.apart.max(asked.since(last));
        }
        self.last = Some(asked);
        if self.took.len() < TOLD {
            return None;
        }
        let mut took = std::mem::take(&mut self.took);
        took.sort_unstable();
        let at = |place: usize| took.get(place).copied().unwrap_or_default();
        Some(Summary {
            median: at(TOLD / 2),
            p99: at(TOLD - 2),
            longest: at(TOLD - 1),
            apart: std::mem::take(&mut self.apart),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(ms: u64) -> Time {
        Time::from_nanos(ms * 1_000_000)
    }

    #[test]
    fn a_hundred_renewals_are_summed_up_and_what_failed_is_none_of_them() {
        let mut renewals = Renewals::default();
        let mut told = Vec::new();
        for number in 0..200_u64 {
            let (request, at) = (RequestId(number), number * 1_000);
            renewals.asked(request, ms(at));
            // Each takes a millisecond longer, and the fifth one fails.
            told.extend(renewals.answered(request, number != 4, ms(at + number % 100)));
        }
        let [summary] = told.as_slice() else { panic!("one summary, not {told:?}") };
        let all = (summary.median.as_millis(), summary.p99.as_millis(), summary.longest.as_millis());
        // 0, 0, 1, 2, 3, 5, …, 99: the failed one is not there, and the hundredth is the first of the next hundred.
        assert_eq!(all, (50, 98, 99));
        assert_eq!(summary.apart, Duration::from_secs(2), "around the one that failed");
    }

    #[test]
    fn what_was_asked_before_the_session_ended_is_not_counted() {
        let mut renewals = Renewals::default();
        renewals.asked(RequestId(1), ms(0));
        renewals.forget();
        for number in 2..101 {
            renewals.asked(RequestId(number), ms(number));
            assert_eq!(renewals.answered(RequestId(number), true, ms(number)), None);
        }
        assert_eq!(renewals.answered(RequestId(1), true, ms(500)), None, "the hundredth, if it counted");
    }
}
