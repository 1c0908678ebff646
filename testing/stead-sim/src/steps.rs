//! Which steps of the machines a run has taken: a state, and what happened in it. What no run takes, no run finds wrong.

use stead_lease::{Answer, Event, State};

const LEASE: Table = Table {
    machine: "lease machine",
    states: &[
        "Stopped",
        "Waiting",
        "Beginning",
        "Resuming",
        "Active",
        "Lapsed",
        "Leaving",
        "Left",
        "Deposed",
        "Refused",
    ],
    events: &[
        "start",
        "timer",
        "list",
        "own document",
        "another's document",
        "committed",
        "conflict",
        "failed",
        "unknown",
        "read",
        "all gone",
        "guardian answers",
        "leave",
        "fenced",
        "store replaced",
    ],
};

const OWNER: Table = Table {
    machine: "owner",
    states: &["no document", "another's", "past", "assigned", "had", "ordered away"],
    events: &["adopt", "document", "stored", "conflict", "unwritten", "released", "moved", "forget", "leave"],
};

struct Table {
    machine: &'static str,
    states: &'static [&'static str],
    events: &'static [&'static str],
}

/// How a group stands with the owner of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tenant {
    /// Nothing is stored of it.
    Unknown,
    /// Another node has it.
    Elsewhere,
    /// It was this node's: in another session, or it is released.
    Past,
    /// It is assigned to this session, and not had yet.
    Assigned,
    /// This node has it.
    Had,
    /// This node has it, and is asked to move it.
    Ordered,
}

/// What happens to an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Occurrence {
    Adopt,
    Document,
    Stored,
    Conflict,
    Unwritten,
    Released,
    Moved,
    Forget,
    Leave,
}

/// The steps that were taken: for each state, a bit for each event.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Steps {
    lease: [u32; LEASE.states.len()],
    owner: [u32; OWNER.states.len()],
}

/// What was never done of a machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Untaken {
    /// Which.
    pub machine: &'static str,
    /// How many steps there are, those included that nothing brings about.
    pub of: usize,
    /// Those that were not taken: the state, and what did not happen in it.
    pub steps: Vec<(&'static str, &'static str)>,
}

impl Steps {
    /// A session's machine in this state is told of this; `own` if it is about its own document.
    pub(crate) fn lease(&mut self, state: State, event: &Event, own: bool) {
        let state = match state {
            State::Stopped => 0,
            State::Waiting => 1,
            State::Beginning => 2,
            State::Resuming => 3,
            State::Active => 4,
            State::Lapsed => 5,
            State::Leaving => 6,
            State::Left => 7,
            State::Deposed => 8,
            State::Refused => 9,
        };
        let event = match event {
            Event::Start(_) => 0,
            Event::Timer { .. } => 1,
            Event::Listed { .. } => 2,
            Event::Seen { .. } if own => 3,
            Event::Seen { .. } => 4,
            Event::Answered { answer: Answer::Committed(_), .. } => 5,
            Event::Answered { answer: Answer::Conflict, .. } => 6,
            Event::Answered { answer: Answer::Failed, .. } => 7,
            Event::Answered { answer: Answer::Unknown, .. } => 8,
            Event::Answered { answer: Answer::Read(_), .. } => 9,
            Event::AllGone => 10,
            Event::GuardianAnswered { .. } => 11,
            Event::Leave => 12,
            Event::Fenced { .. } => 13,
            Event::Replaced { .. } => 14,
        };
        self.lease[state] |= 1 << event;
    }

    /// This happens to an owner with which a group stands so.
    pub(crate) fn owner(&mut self, tenant: Tenant, occurrence: Occurrence) {
        self.owner[tenant as usize] |= 1 << occurrence as u32;
    }

    /// Adds those of another run.
    pub fn add(&mut self, other: &Steps) {
        let Steps { lease, owner } = other;
        self.lease.iter_mut().zip(lease).for_each(|(to, from)| *to |= from);
        self.owner.iter_mut().zip(owner).for_each(|(to, from)| *to |= from);
    }

    /// What was never done, machine by machine.
    #[must_use]
    pub fn untaken(&self) -> [Untaken; 2] {
        [LEASE.untaken(&self.lease), OWNER.untaken(&self.owner)]
    }
}

impl Table {
    fn untaken(&self, taken: &[u32]) -> Untaken {
        let mut steps = Vec::new();
        for (state, taken) in self.states.iter().zip(taken) {
            let missing = self.events.iter().enumerate().filter(|(event, _)| taken & 1 << event == 0);
            steps.extend(missing.map(|(_, event)| (*state, *event)));
        }
        Untaken { machine: self.machine, of: self.states.len() * self.events.len(), steps }
    }
}

impl std::fmt::Display for Untaken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}: {} of {} steps never taken", self.machine, self.steps.len(), self.of)?;
        let mut state = "";
        for (at, what) in &self.steps {
            if at == &state {
                write!(f, ", {what}")?;
            } else {
                write!(f, "\n  {at}: {what}")?;
            }
            state = at;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_never_done_is_named() {
        let mut steps = Steps::default();
        for tenant in [Tenant::Unknown, Tenant::Elsewhere, Tenant::Past, Tenant::Assigned, Tenant::Had] {
            steps.owner(tenant, Occurrence::Leave);
        }
        let mut other = Steps::default();
        other.lease(State::Refused, &Event::Replaced { incarnation: None }, false);
        other.owner(Tenant::Ordered, Occurrence::Adopt);
        steps.add(&other);
        let [lease, owner] = steps.untaken();
        assert_eq!((lease.of, lease.steps.len()), (150, 149));
        assert!(!lease.steps.contains(&("Refused", "store replaced")));
        assert_eq!((owner.of, owner.steps.len()), (54, 48));
        assert!(owner.steps.contains(&("ordered away", "leave")) && owner.steps.contains(&("had", "adopt")));
        assert!(owner.to_string().ends_with(
            "\n  ordered away: document, stored, conflict, unwritten, released, moved, forget, leave"
        ));
    }
}
