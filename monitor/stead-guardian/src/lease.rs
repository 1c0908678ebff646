//! Which session this machine works for and until when: the rules alone, without a clock or a process.
//!
//! A session is begun, gets deadlines, and is over; one that is over never comes back. Guardian and guards go by the same
//! [`accept`]: whatever the node says, no deadline is farther ahead than the session's `longest`, and none moves back.

use std::path::PathBuf;
use std::time::Duration;

use stead_monitor_protocol::HeldSession;
use stead_types::Time;

/// The guardian acts so much before the deadline, and the kernel's timers at it: file systems have to be shut down before
/// what writes to them is killed.
pub(crate) const LEAD: Duration = Duration::from_millis(100);

/// A lease that is hardly longer than [`LEAD`], or than a person's patience, is a mistake.
const ALLOWED: std::ops::RangeInclusive<Duration> = Duration::from_secs(1)..=Duration::from_secs(600);

/// The deadline to go by from now on, when this one is handed over. `held` stays if it is the later one.
///
/// # Errors
/// When it is farther ahead than `longest`.
pub(crate) fn accept(held: Option<Time>, new: Time, longest: Duration, now: Time) -> Result<Time, String> {
    if new > now.after(longest) {
        return Err(format!(
            "the deadline is {} ms ahead, and the session allows {}",
            new.since(now).as_millis(),
            longest.as_millis()
        ));
    }
    Ok(held.map_or(new, |held| held.max(new)))
}

/// What is agreed when a session begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Terms {
    pub(crate) session: u128,
    /// D.
    pub(crate) longest: Duration,
    /// W.
    pub(crate) watchdog: Duration,
    /// What keeps it.
    pub(crate) device: Option<PathBuf>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// There was no deadline yet.
    Begun,
    /// Work may go on until then.
    Live(Time),
    /// The deadline has passed, or the session was ended.
    Over,
}

#[derive(Clone, Debug)]
struct Held {
    terms: Terms,
    state: State,
    /// The last deadline accepted.
    deadline: Option<Time>,
}

/// The session that is held, if leases are in force.
#[derive(Clone, Debug, Default)]
pub(crate) struct Leases(Option<Held>);

impl Leases {
    /// Begins a session. `empty` says whether nothing of any group is left.
    ///
    /// # Errors
    /// Why not; nothing has changed then.
    pub(crate) fn begin(&mut self, terms: Terms, empty: bool) -> Result<(), String> {
        let session = terms.session;
        if !ALLOWED.contains(&terms.longest) {
            let (least, most) = (ALLOWED.start().as_millis(), ALLOWED.end().as_millis());
            let given = terms.longest.as_millis();
            return Err(format!("session {session}: longest is {given} ms; allowed are {least} to {most}"));
        }
        if let Some(held) = &self.0
            && held.terms == terms
        {
            return match held.state {
                State::Begun | State::Live(_) => Ok(()),
                State::Over => Err(format!("session {session} is over; begin another")),
            };
        }
        if !empty {
            let of = self
                .0
                .as_ref()
                .map_or_else(String::new, |held| format!(" of session {}", held.terms.session));
            return Err(format!("session {session}: groups{of} still live; wait for Empty, or stop them"));
        }
        if self.0.as_ref().is_some_and(|held| held.terms.session == session) {
            return Err(format!("session {session} has other terms already; begin another"));
        }
        self.0 = Some(Held { terms, state: State::Begun, deadline: None });
        Ok(())
    }

    /// Takes in a deadline. What is to be handed to guards and watchdog comes back: nothing if it moved nothing.
    ///
    /// # Errors
    /// Why it counts for nothing.
    pub(crate) fn renew(&mut self, session: u128, deadline: Time, now: Time) -> Result<Option<Time>, String> {
        let held = self.of(session)?;
        let before = match held.state {
            State::Begun => None,
            State::Live(before) => Some(before),
            State::Over => return Err(format!("session {session} is over; begin another")),
        };
        let next = accept(before, deadline, held.terms.longest, now)
            .map_err(|error| format!("session {session}: {error}"))?;
        if before == Some(next) {
            return Ok(None);
        }
        held.state = State::Live(next);
        held.deadline = Some(next);
        Ok(Some(next))
    }

    /// Ends the session. True if it was not over before.
    ///
    /// # Errors
    /// When another session is held, or none.
    pub(crate) fn end(&mut self, session: u128) -> Result<bool, String> {
        let held = self.of(session)?;
        let before = std::mem::replace(&mut held.state, State::Over);
        Ok(before != State::Over)
    }

    /// True once, when it is time to act because the lease runs out.
    pub(crate) fn lapse(&mut self, now: Time) -> bool {
        let Some(held) = &mut self.0 else { return false };
        match held.state {
            State::Begun | State::Over => false,
            State::Live(deadline) if now.after(LEAD) < deadline => false,
            State::Live(_) => {
                held.state = State::Over;
                true
            }
        }
    }

    /// When [`Leases::lapse`] has to be asked at the latest.
    pub(crate) fn next(&self) -> Option<Time> {
        match self.0.as_ref()?.state {
            State::Begun | State::Over => None,
            State::Live(deadline) => {
                let lead = LEAD.as_nanos().try_into().unwrap_or(u64::MAX);
                Some(Time::from_nanos(deadline.as_nanos().saturating_sub(lead)))
            }
        }
    }

    /// What a guard that is started now has to keep: deadline and `longest`. `None` where leases are not in force.
    ///
    /// # Errors
    /// Why nothing may be started.
    pub(crate) fn admit(&self, now: Time) -> Result<Option<(Time, Duration)>, String> {
        let Some(held) = &self.0 else { return Ok(None) };
        let session = held.terms.session;
        match held.state {
            State::Live(deadline) if now.after(LEAD) < deadline => Ok(Some((deadline, held.terms.longest))),
            State::Live(_) | State::Over => Err(format!("the lease of session {session} has run out")),
            State::Begun => Err(format!("session {session} has no lease yet")),
        }
    }

    /// True while there is time left.
    pub(crate) fn live(&self, now: Time) -> bool {
        matches!(&self.0, Some(Held { state: State::Live(deadline), .. }) if now < *deadline)
    }

    /// The longest lease of the session that is held, if it is not over.
    pub(crate) fn longest(&self) -> Option<Duration> {
        let held = self.0.as_ref()?;
        match held.state {
            State::Begun | State::Live(_) => Some(held.terms.longest),
            State::Over => None,
        }
    }

    /// The session that is over, if it is.
    pub(crate) fn over(&self) -> Option<u128> {
        let held = self.0.as_ref()?;
        match held.state {
            State::Over => Some(held.terms.session),
            State::Begun | State::Live(_) => None,
        }
    }

    /// What is held, for a node that comes back.
    pub(crate) fn held(&self) -> Option<HeldSession> {
        self.0.as_ref().map(|held| HeldSession {
            session: held.terms.session,
            deadline: held.deadline.map(Time::as_nanos),
            over: held.state == State::Over,
        })
    }

    fn of(&mut self, session: u128) -> Result<&mut Held, String> {
        let held = self.0.as_mut().ok_or_else(|| format!("session {session} was never begun"))?;
        let mine = held.terms.session;
        if mine == session {
            Ok(held)
        } else {
            Err(format!("session {session} is not the one held, which is {mine}"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const D: Duration = Duration::from_secs(4);

    fn ms(millis: u64) -> Time {
        Time::from_millis(millis)
    }

    fn terms(session: u128) -> Terms {
        Terms { session, longest: D, watchdog: Duration::from_secs(2), device: None }
    }

    fn begun() -> Leases {
        let mut leases = Leases::default();
        leases.begin(terms(1), true).unwrap();
        leases
    }

    #[test]
    fn without_a_session_nothing_is_asked_for() {
        let mut leases = Leases::default();
        assert!(!leases.lapse(ms(u64::MAX / 2_000_000)));
        assert_eq!((leases.admit(ms(0)), leases.next(), leases.held()), (Ok(None), None, None));
        assert_eq!(leases.renew(1, ms(1), ms(0)).unwrap_err(), "session 1 was never begun");
    }

    /// Reliability 1.3: a guard accepts a deadline only if <= now + D, only of its own session, only forward.
    #[test]
    fn deadlines_are_bounded_and_only_move_forward() {
        let mut leases = begun();
        assert_eq!(leases.admit(ms(0)).unwrap_err(), "session 1 has no lease yet");
        let error = leases.renew(1, ms(5_001), ms(1_000)).unwrap_err();
        assert_eq!(error, "session 1: the deadline is 4001 ms ahead, and the session allows 4000");
        assert_eq!(leases.held().unwrap().deadline, None, "what is refused changes nothing");
        assert_eq!(leases.renew(1, ms(5_000), ms(1_000)), Ok(Some(ms(5_000))));
        assert_eq!(leases.renew(1, ms(4_000), ms(1_000)), Ok(None), "never back");
        assert_eq!(leases.renew(1, ms(5_000), ms(1_000)), Ok(None));
        assert_eq!(leases.admit(ms(1_000)), Ok(Some((ms(5_000), D))));
        let error = leases.renew(2, ms(5_000), ms(1_000)).unwrap_err();
        assert_eq!(error, "session 2 is not the one held, which is 1");
    }

    #[test]
    fn the_guardian_acts_before_the_kernel_does_and_once() {
        let mut leases = begun();
        leases.renew(1, ms(5_000), ms(1_000)).unwrap();
        assert_eq!(leases.next(), Some(ms(4_900)));
        assert!(!leases.lapse(ms(4_899)));
        leases.renew(1, ms(5_500), ms(2_000)).unwrap();
        assert!(!leases.lapse(ms(4_900)));
        assert!(leases.lapse(ms(5_400)) && !leases.lapse(ms(5_400)));
        assert_eq!((leases.next(), leases.over()), (None, Some(1)));
        assert_eq!(
            leases.held(),
            Some(HeldSession { session: 1, deadline: Some(5_500_000_000), over: true })
        );
    }

    #[test]
    fn what_is_over_stays_over() {
        let mut leases = begun();
        leases.renew(1, ms(5_000), ms(1_000)).unwrap();
        assert_eq!((leases.end(1), leases.end(1)), (Ok(true), Ok(false)));
        assert_eq!(leases.renew(1, ms(6_000), ms(2_000)).unwrap_err(), "session 1 is over; begin another");
        assert_eq!(leases.admit(ms(2_000)).unwrap_err(), "the lease of session 1 has run out");
        assert_eq!(leases.begin(terms(1), true).unwrap_err(), "session 1 is over; begin another");
        assert!(leases.begin(terms(2), false).unwrap_err().contains("groups of session 1 still live"));
        assert_eq!(leases.over(), Some(1));
        leases.begin(terms(2), true).unwrap();
        assert_eq!((leases.over(), leases.held().unwrap().session), (None, 2));
    }

    #[test]
    fn a_session_begins_once_and_alone() {
        let mut leases = Leases::default();
        assert!(leases.begin(terms(1), false).unwrap_err().contains("groups still live"));
        assert_eq!(leases.held(), None);
        leases.begin(terms(1), true).unwrap();
        leases.begin(terms(1), false).expect("said again, by the next node");
        let other = Terms { longest: D * 2, ..terms(1) };
        assert!(leases.begin(other, true).unwrap_err().contains("has other terms already"));
        for longest in [Duration::from_millis(999), Duration::from_secs(601)] {
            let error = leases.begin(Terms { longest, ..terms(3) }, true).unwrap_err();
            assert!(error.contains("allowed are 1000 to 600000"), "{error}");
        }
        assert_eq!(leases.held().unwrap().session, 1);
    }

    #[test]
    fn nothing_starts_in_the_last_moments() {
        let mut leases = begun();
        leases.renew(1, ms(5_000), ms(1_000)).unwrap();
        assert!(leases.admit(ms(4_899)).is_ok());
        assert_eq!(leases.admit(ms(4_900)).unwrap_err(), "the lease of session 1 has run out");
    }
}
