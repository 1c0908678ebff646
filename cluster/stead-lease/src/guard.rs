use std::time::Duration;

use stead_types::Time;

use crate::mutant::{Mutant, Mutants};
use crate::session::Sid;

/// Whether a guard may take over a new deadline: it is of the session the guard was started under, and not further away
/// than any renewal can grant. A defect in the node cannot grant more.
///
/// `d` is the [`Params::d`](crate::Params::d) the guard was started with, `now` the guard's own clock.
#[must_use]
pub fn accepts(guarded: Sid, d: Duration, sid: Sid, deadline: Time, now: Time) -> bool {
    accepts_as(Mutants::NONE, guarded, d, sid, deadline, now)
}

/// As [`accepts`], by a wrong version of it.
#[must_use]
pub fn accepts_as(mutants: Mutants, guarded: Sid, d: Duration, sid: Sid, deadline: Time, now: Time) -> bool {
    (sid == guarded || mutants.has(Mutant::GuardTakesAnySession))
        && (deadline <= now.after(d) || mutants.has(Mutant::GuardTakesAnyDeadline))
}
