//! One machine, a clock that is told, and a store of one document that does as it is told.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::wildcard_enum_match_arm,
    reason = "shared by several test programs, each using a part"
)]

use std::sync::Arc;

use stead_lease::{
    Action, Answer, Event, Found, Guard, Identity, Kept, Machine, Nonce, Params, Profile, RequestId, Session,
    Sid, Standing, Start, Watchdog,
};
use stead_types::{NodeName, Time};

pub(crate) fn node(name: &str) -> NodeName {
    NodeName::new(name).unwrap()
}

pub(crate) fn ms(millis: u64) -> Time {
    Time::from_millis(millis)
}

pub(crate) fn params() -> Params {
    Profile::Default.params(Watchdog::Absent)
}

pub(crate) fn identity(boot: &str, machine: &str) -> Identity {
    Identity { boot_id: boot.into(), machine_id: machine.into(), dmi_uuid: format!("dmi-{machine}") }
}

pub(crate) fn start() -> Start {
    Start {
        params: params(),
        identity: identity("boot-1", "machine-1"),
        version: "0.1.0".into(),
        incarnation: "first".into(),
        incarnation_is_new: false,
        incarnation_is_unknown: false,
        trust_reboot: false,
        kept: None,
    }
}

pub(crate) fn session(sid: u128, ctr: u64, state: Standing) -> Session {
    Session {
        sid: Sid(sid),
        ctr,
        nonce: Nonce(u128::from(ctr) + 1_000 * sid),
        identity: identity("boot-x", "machine-x"),
        version: "0.1.0".into(),
        params: params(),
        state,
        incarnation: "first".into(),
        replaces: None,
        confirmed: false,
    }
}

pub(crate) fn document(revision: u64, session: Session) -> Found {
    Found::Document { revision, session: Arc::new(session) }
}

/// A machine under test, called `n1`.
pub(crate) struct World {
    pub(crate) machine: Machine,
    pub(crate) random: u128,
    pub(crate) actions: Vec<Action>,
    /// Whether the guardian answers what it is asked, at once.
    pub(crate) guardian: bool,
    pub(crate) questions: u64,
}

impl World {
    pub(crate) fn new() -> Self {
        World {
            machine: Machine::new(node("n1")),
            random: 0x100,
            actions: Vec::new(),
            guardian: true,
            questions: 0,
        }
    }

    pub(crate) fn give(&mut self, event: Event, at: u64) -> &[Action] {
        self.machine.handle(event, ms(at));
        self.machine.check().unwrap();
        self.actions = std::iter::from_fn(|| self.machine.poll_action()).collect();
        for action in &self.actions {
            if let Action::AskGuardian { question } = action {
                self.questions = *question;
                if self.guardian {
                    self.machine.handle(Event::GuardianAnswered { question: *question }, ms(at));
                }
            }
        }
        &self.actions
    }

    pub(crate) fn timer(&mut self, at: u64) -> &[Action] {
        self.random += 1;
        let random = self.random;
        self.give(Event::Timer { random }, at)
    }

    pub(crate) fn answer(&mut self, request: RequestId, answer: Answer, at: u64) -> &[Action] {
        self.give(Event::Answered { request, answer }, at)
    }

    pub(crate) fn see(&mut self, name: &str, found: Found, at: u64) -> &[Action] {
        self.give(Event::Seen { node: node(name), found }, at)
    }

    /// Begun, with an empty store, but nothing written yet.
    pub(crate) fn waiting() -> Self {
        let mut world = World::new();
        world.give(Event::Start(Box::new(start())), 0);
        world.give(Event::Listed { as_of: 1, sessions: Vec::new() }, 0);
        world
    }

    /// Its session was sent at 1,000 ms and acknowledged at 1,010 ms, as revision 10.
    pub(crate) fn active() -> Self {
        let mut world = World::waiting();
        let (request, _, _) = world.commits(1_000);
        world.answer(request, Answer::Committed(10), 1_010);
        assert!(world.machine.may_act(ms(1_010)));
        world
    }

    /// The one write that a timer at this time asks for.
    pub(crate) fn commits(&mut self, at: u64) -> (RequestId, Guard, Arc<Session>) {
        self.timer(at);
        match self.actions.as_slice() {
            [Action::Commit { request, guard, session, .. }] => (*request, *guard, Arc::clone(session)),
            other => panic!("not one write: {other:?}"),
        }
    }

    /// The one read that a timer at this time asks for.
    pub(crate) fn reads(&mut self, at: u64) -> RequestId {
        self.timer(at);
        match self.actions.as_slice() {
            [Action::Read { request, .. }] => *request,
            other => panic!("not one read: {other:?}"),
        }
    }

    pub(crate) fn armed(&self) -> Option<Kept> {
        self.actions.iter().find_map(|action| match action {
            Action::Arm(kept) => Some(*kept),
            _ => None,
        })
    }

    pub(crate) fn killed(&self) -> bool {
        self.actions.iter().any(|action| matches!(action, Action::KillAll { .. }))
    }
}
