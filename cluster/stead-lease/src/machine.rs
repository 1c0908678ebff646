use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use stead_types::{NodeName, Time};

use crate::event::{Action, Answer, Event, Guard, Kept, Note, RequestId, Start, Why};
use crate::mutant::Mutants;
use crate::observe::{Observed, Takeover};
use crate::params::{Params, Profile, Watchdog};
use crate::session::{Identity, Session, Sid};

/// How far the own session is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum State {
    /// Not begun.
    Stopped,
    /// Begins as soon as the name is free and no quarantine forbids it.
    Waiting,
    /// The document of a new session is being written.
    Beginning,
    /// A session that outlived the node process is being looked at. Its work may go on until its deadline.
    Resuming,
    /// The session is held and its work may go on until the deadline.
    Active,
    /// The deadline has come. The session is still this node's; work begins again when the old is verified gone and a
    /// renewal is acknowledged.
    Lapsed,
    /// The session is being given up.
    Leaving,
    /// It was given up.
    Left,
    /// It was taken away, or the store is another one. A new one begins when all work is verified gone.
    Deposed,
    /// The name is another machine's.
    Refused,
}

/// One request to write the own document.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Attempt {
    pub(crate) request: RequestId,
    pub(crate) session: Arc<Session>,
    pub(crate) sent: Time,
    /// Whether its outcome was given up on. It may still be told, or be seen.
    pub(crate) in_doubt: bool,
}

/// The own session.
#[derive(Clone, Debug)]
pub(crate) struct Own {
    pub(crate) state: State,
    pub(crate) params: Params,
    pub(crate) identity: Identity,
    pub(crate) version: String,
    pub(crate) incarnation: String,
    /// There was another incarnation before, of which this node knows nothing.
    pub(crate) knows_nothing: bool,
    pub(crate) trust_reboot: bool,
    pub(crate) sid: Sid,
    pub(crate) ctr: u64,
    /// What the next write is guarded by.
    pub(crate) base: Guard,
    pub(crate) replaces: Option<Sid>,
    /// All with the guard `base`: at most one of them ever happens.
    pub(crate) attempts: Vec<Attempt>,
    /// What is stored has to be read before anything is written.
    pub(crate) doubt: bool,
    pub(crate) reading: Option<(RequestId, Time)>,
    pub(crate) last_sent: Time,
    /// The last request did not renew: the next one does not wait for h.
    pub(crate) overdue: bool,
    /// Nothing is asked of the store before this time.
    pub(crate) not_before: Time,
    pub(crate) deadline: Time,
    /// A node process before this one may have a request under way.
    pub(crate) inherited: bool,
    /// After a lapse: everything is verified gone.
    pub(crate) gone: bool,
    /// How often the guardian was asked whether it is there, and which question it answered last.
    pub(crate) asked: u64,
    pub(crate) answered: u64,
    /// The machine that was told to be using the name.
    pub(crate) told: Option<Sid>,
}

/// The sessions of a cluster as one node sees them, its own one first. See the [crate] documentation.
#[derive(Clone, Debug)]
pub struct Machine {
    pub(crate) node: NodeName,
    pub(crate) now: Time,
    pub(crate) mutants: Mutants,
    pub(crate) wait: Option<Duration>,
    pub(crate) own: Own,
    pub(crate) observed: BTreeMap<NodeName, Observed>,
    pub(crate) listed: bool,
    pub(crate) quarantine: Time,
    /// The longest wait any session that was seen asks for.
    pub(crate) longest: Duration,
    pub(crate) takeover: Option<Takeover>,
    pub(crate) not_before: Time,
    actions: VecDeque<Action>,
    requests: u64,
}

impl Machine {
    /// A node that has not begun.
    #[must_use]
    pub fn new(node: NodeName) -> Self {
        let nobody = Identity { boot_id: String::new(), machine_id: String::new(), dmi_uuid: String::new() };
        let own = Own {
            state: State::Stopped,
            params: Profile::Default.params(Watchdog::Absent),
            identity: nobody,
            version: String::new(),
            incarnation: String::new(),
            knows_nothing: false,
            trust_reboot: false,
            sid: Sid(0),
            ctr: 0,
            base: Guard::Absent,
            replaces: None,
            attempts: Vec::new(),
            doubt: false,
            reading: None,
            last_sent: Time::ZERO,
            overdue: false,
            not_before: Time::ZERO,
            deadline: Time::ZERO,
            inherited: false,
            gone: true,
            asked: 0,
            answered: 0,
            told: None,
        };
        Machine {
            node,
            now: Time::ZERO,
            mutants: Mutants::NONE,
            wait: None,
            own,
            observed: BTreeMap::new(),
            listed: false,
            quarantine: Time::ZERO,
            longest: Duration::ZERO,
            takeover: None,
            not_before: Time::ZERO,
            actions: VecDeque::new(),
            requests: 0,
        }
    }

    /// A wrong version, and perhaps a successor's wait other than the computed one: for the simulator.
    #[cfg(feature = "mutants")]
    pub fn mutate(&mut self, mutants: Mutants, wait: Option<Duration>) {
        self.mutants = mutants;
        self.wait = wait;
    }

    /// Takes in what has happened. `now` is read from `CLOCK_BOOTTIME` after it happened, never before.
    pub fn handle(&mut self, event: Event, now: Time) {
        self.now = self.now.max(now);
        match event {
            Event::Start(start) => self.start(*start),
            Event::Timer { random } => {
                self.settle();
                self.own_timer(random);
                self.take_over();
            }
            Event::Listed { as_of, sessions } => self.list(as_of, sessions),
            Event::Seen { node, found } => self.seen(&node, found),
            Event::Answered { request, answer } => self.answered(request, answer),
            Event::AllGone => self.all_gone(),
            Event::GuardianAnswered { question } => self.guardian_answered(question),
            Event::Leave => self.leave(),
            Event::Fenced { node, sid } => self.fenced(&node, sid),
            Event::Replaced { incarnation } => self.replaced(incarnation),
        }
        self.settle();
    }

    /// The next thing to do, in order.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    /// When [`Event::Timer`] has to come, at the latest. It may come earlier.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        let own = self.own_timeout();
        let others = self.takeover_timeout();
        match (own, others) {
            (Some(own), Some(others)) => Some(own.min(others)),
            (own, others) => own.or(others),
        }
    }

    /// Whether work may be begun or go on at this instant: the session is held and its deadline has not come.
    #[must_use]
    pub fn may_act(&self, now: Time) -> bool {
        let held = match self.own.state {
            State::Active | State::Resuming => true,
            State::Leaving => self.mutants.has(crate::mutant::Mutant::ActsWhileLeaving),
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Lapsed
            | State::Left
            | State::Deposed
            | State::Refused => false,
        };
        held && now < self.own.deadline
    }

    /// How far the own session is.
    #[must_use]
    pub fn state(&self) -> State {
        self.own.state
    }

    /// The own session, while there is one: the one to write into what this node owns.
    #[must_use]
    pub fn sid(&self) -> Option<Sid> {
        match self.own.state {
            State::Resuming | State::Active | State::Lapsed | State::Leaving => Some(self.own.sid),
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Left
            | State::Deposed
            | State::Refused => None,
        }
    }

    /// Until when the work may go on: [`Time::ZERO`] before the first acknowledgement.
    #[must_use]
    pub fn deadline(&self) -> Time {
        self.own.deadline
    }

    /// Until when no session begins and none is taken over, if that is still to come.
    #[must_use]
    pub fn quarantine(&self) -> Option<Time> {
        (self.quarantine > self.now).then_some(self.quarantine)
    }

    /// What is promised with this node's timings, in one line for `stead status`.
    #[must_use]
    pub fn guarantee(&self) -> String {
        self.own.params.guarantee()
    }

    /// What must hold at every instant.
    ///
    /// # Errors
    /// What does not.
    pub fn check(&self) -> Result<(), String> {
        let own = &self.own;
        if own.attempts.iter().filter(|attempt| !attempt.in_doubt).count() > 1 {
            return Err("two requests to write the session are under way".to_owned());
        }
        if own.attempts.len() > crate::own::MOST_IN_DOUBT + 1 {
            return Err(format!("{} requests are in doubt", own.attempts.len()));
        }
        let held = match own.state {
            State::Active | State::Lapsed => true,
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Resuming
            | State::Leaving
            | State::Left
            | State::Deposed
            | State::Refused => false,
        };
        if held && own.base == Guard::Absent {
            return Err("a session is held that was never stored".to_owned());
        }
        if own.state == State::Active && own.deadline <= self.now {
            return Err("the session is active past its deadline".to_owned());
        }
        if self.takeover.is_some() && self.quarantine > self.now {
            return Err("a session is taken over in quarantine".to_owned());
        }
        Ok(())
    }

    pub(crate) fn push(&mut self, action: Action) {
        self.actions.push_back(action);
    }

    pub(crate) fn request(&mut self) -> RequestId {
        self.requests += 1;
        RequestId(self.requests)
    }

    fn start(&mut self, start: Start) {
        match self.own.state {
            State::Stopped | State::Left | State::Refused => {}
            State::Waiting
            | State::Beginning
            | State::Resuming
            | State::Active
            | State::Lapsed
            | State::Leaving
            | State::Deposed => return,
        }
        let own = &mut self.own;
        own.params = start.params;
        own.identity = start.identity;
        own.version = start.version;
        own.incarnation = start.incarnation;
        own.knows_nothing = start.incarnation_is_unknown;
        own.trust_reboot = start.trust_reboot;
        own.attempts.clear();
        own.doubt = false;
        own.overdue = true;
        own.reading = None;
        own.not_before = self.now;
        own.gone = true;
        own.inherited = false;
        own.state = State::Waiting;
        self.listed = false;
        self.longest = self.longest.max(self.wait_for(&start.params));
        for other in self.observed.values_mut() {
            other.renewals = 0;
        }
        if start.incarnation_is_new {
            self.isolate();
        }
        if let Some(kept) = start.kept {
            self.own.sid = kept.sid;
            self.own.base = Guard::At(kept.revision);
            self.own.deadline = kept.deadline;
            self.own.gone = false;
            self.own.inherited = true;
            if start.incarnation_is_new {
                self.depose(Why::Replaced);
            } else {
                self.own.doubt = true;
                self.own.state = State::Resuming;
                if self.mutants.has(crate::mutant::Mutant::KeptUnasked) {
                    self.own.doubt = false;
                    self.own.state = State::Active;
                }
            }
        }
    }

    /// From now on, long enough for whatever is under way anywhere to be gone, nothing begins and nothing is taken over.
    pub(crate) fn isolate(&mut self) {
        if self.mutants.has(crate::mutant::Mutant::NoQuarantine) {
            return;
        }
        // Whose sessions the database does not show any more, and with what timings, nobody can say.
        let slowest = self.wait_for(&Profile::Patient.params(Watchdog::Strict));
        let until = self.now.after(self.longest.max(slowest));
        if until > self.quarantine {
            self.quarantine = until;
            self.push(Action::Tell(Note::Quarantine(until)));
        }
    }

    fn replaced(&mut self, incarnation: Option<String>) {
        if self.mutants.has(crate::mutant::Mutant::IncarnationIgnored) {
            if let Some(incarnation) = incarnation {
                self.own.incarnation = incarnation;
            }
            self.observed.values_mut().for_each(|observed| observed.revision = 0);
            return;
        }
        if let Some(incarnation) = incarnation {
            self.own.incarnation = incarnation;
        }
        self.listed = false;
        self.takeover = None;
        self.observed.clear();
        self.own.reading = None;
        self.own.doubt = false;
        match self.own.state {
            State::Stopped | State::Left | State::Refused | State::Waiting | State::Deposed => {
                self.own.attempts.clear();
            }
            State::Leaving => {
                self.own.attempts.clear();
                self.left();
            }
            State::Beginning | State::Resuming | State::Active | State::Lapsed => {
                self.depose(Why::Replaced);
            }
        }
        self.isolate();
    }

    fn answered(&mut self, request: RequestId, answer: Answer) {
        if let Answer::Read(found) = &answer
            && self.own.reading.is_some_and(|(reading, _)| reading == request)
        {
            self.own.reading = None;
            let found = found.clone();
            self.observe(&self.node.clone(), found.clone());
            self.own_read(&found);
            return;
        }
        if self.own.reading.is_some_and(|(reading, _)| reading == request) {
            self.own.reading = None;
            self.pause();
            return;
        }
        if self.takeover.as_ref().is_some_and(|takeover| takeover.request == request) {
            self.takeover_answered(answer);
            return;
        }
        self.attempt_answered(request, answer);
    }

    pub(crate) fn kept(&self) -> Kept {
        let revision = match self.own.base {
            Guard::At(revision) => revision,
            Guard::Absent => 0,
        };
        Kept { sid: self.own.sid, revision, deadline: self.own.deadline }
    }

    /// How long a successor of a session with these timings waits, on this node's clock.
    pub(crate) fn wait_for(&self, params: &Params) -> Duration {
        use crate::mutant::Mutant as M;
        let own = &self.own.params;
        if self.mutants.has(M::WaitDeadlineOnly) {
            return params.d;
        }
        if self.mutants.has(M::WaitWithoutKill) {
            let million = 1_000_000;
            return params.d * (million + own.rho_ppm) / (million - params.rho_ppm);
        }
        if self.mutants.has(M::WaitWithoutRate) {
            return params.gone_after();
        }
        if self.mutants.has(M::WaitFromOwnTimings) {
            return own.wait(own.rho_ppm);
        }
        if let Some(wait) = self.wait {
            return wait;
        }
        let wait = params.wait(own.rho_ppm);
        if params.check().is_err() {
            // No node begins with these: somebody wrote them there, and what it really keeps is not known.
            let longest = Profile::Patient.params(Watchdog::Strict).wait(own.rho_ppm);
            return wait.max(longest).max(self.longest);
        }
        wait
    }
}
