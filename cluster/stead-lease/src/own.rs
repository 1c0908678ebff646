//! The own session: how it begins, is renewed, ends.

use std::sync::Arc;
use std::time::Duration;

use stead_types::Time;

use crate::event::{Action, Answer, Found, Guard, Note, RequestId, Why};
use crate::machine::{Attempt, Machine, State};
use crate::mutant::Mutant;
use crate::session::{Nonce, Session, Sid, Standing};

/// More requests with unknown outcome than this are not remembered. That one of the forgotten did happen looks like
/// somebody else's write then, which is safe.
pub(crate) const MOST_IN_DOUBT: usize = 16;

impl Machine {
    /// After a request that failed, the store is left alone for this long.
    pub(crate) fn retry(&self) -> Duration {
        self.own.params.h / 4
    }

    pub(crate) fn pause(&mut self) {
        self.own.not_before = self.now.after(self.retry());
    }

    /// Notices that the deadline has come.
    pub(crate) fn settle(&mut self) {
        match self.own.state {
            State::Active => {
                if self.now >= self.own.deadline {
                    self.own.gone = false;
                    self.own.state = State::Lapsed;
                    self.push(Action::KillAll { why: Why::Lapsed });
                }
            }
            State::Resuming => {
                if self.own.deadline > Time::ZERO && self.now >= self.own.deadline {
                    self.own.deadline = Time::ZERO;
                    self.push(Action::KillAll { why: Why::Lapsed });
                }
            }
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Lapsed
            | State::Leaving
            | State::Left
            | State::Deposed
            | State::Refused => {}
        }
    }

    pub(crate) fn depose(&mut self, why: Why) {
        self.own.attempts.clear();
        self.own.doubt = false;
        self.own.reading = None;
        self.own.deadline = Time::ZERO;
        self.own.gone = false;
        self.own.state = State::Deposed;
        self.push(Action::KillAll { why });
        if self.mutants.has(Mutant::DeposedNotVerified) {
            self.all_gone();
        }
    }

    pub(crate) fn all_gone(&mut self) {
        match self.own.state {
            State::Deposed => {
                self.own.gone = true;
                self.own.attempts.clear();
                self.own.doubt = true;
                self.own.not_before = self.now;
                self.wait_for_name();
            }
            State::Lapsed => {
                self.own.gone = true;
                self.again();
            }
            State::Resuming => self.own.gone |= self.own.deadline == Time::ZERO,
            // Said without having been asked for: nothing follows from it.
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Active
            | State::Leaving
            | State::Left
            | State::Refused => {}
        }
    }

    /// From here on the own document is anybody's.
    pub(crate) fn wait_for_name(&mut self) {
        self.own.state = State::Waiting;
        if let Some(observed) = self.observed.get_mut(&self.node) {
            observed.renewals = 0;
        }
    }

    /// The next renewal waits for the guardian to take in what this one has brought.
    fn ask_guardian(&mut self) {
        match self.own.state {
            State::Active | State::Lapsed => {
                self.own.asked += 1;
                self.push(Action::AskGuardian { question: self.own.asked });
            }
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Resuming
            | State::Leaving
            | State::Left
            | State::Deposed
            | State::Refused => {}
        }
    }

    pub(crate) fn guardian_answered(&mut self, question: u64) {
        if question <= self.own.asked {
            self.own.answered = self.own.answered.max(question);
        }
    }

    /// After a lapse, work may begin again once everything is gone and the deadline is ahead.
    fn again(&mut self) {
        if self.own.gone && self.now < self.own.deadline && !self.mutants.has(Mutant::LapseForEver) {
            self.own.state = State::Active;
            self.push(Action::Arm(self.kept()));
            self.push(Action::Tell(Note::Again(self.own.sid)));
        }
    }

    pub(crate) fn leave(&mut self) {
        match self.own.state {
            State::Active | State::Lapsed | State::Resuming | State::Beginning => {
                self.own.state = State::Leaving;
            }
            State::Stopped | State::Waiting | State::Deposed => self.left(),
            State::Leaving | State::Left | State::Refused => {}
        }
    }

    pub(crate) fn left(&mut self) {
        self.own.state = State::Left;
        self.own.attempts.clear();
        self.own.doubt = false;
        self.own.reading = None;
        self.own.deadline = Time::ZERO;
        self.push(Action::Tell(Note::Left));
    }

    pub(crate) fn own_timeout(&self) -> Option<Time> {
        let own = &self.own;
        let deadline = match own.state {
            State::Active => Some(own.deadline),
            State::Resuming => (own.deadline > Time::ZERO).then_some(own.deadline),
            State::Waiting => {
                if !self.listed || own.doubt {
                    None
                } else {
                    return Some(self.free_at().max(self.quarantine));
                }
            }
            State::Beginning | State::Lapsed | State::Leaving => None,
            State::Stopped | State::Left | State::Deposed | State::Refused => return None,
        };
        let work = if let Some((_, asked)) = own.reading {
            Some(asked.after(own.params.h))
        } else if let Some(attempt) = own.attempts.iter().find(|attempt| !attempt.in_doubt) {
            Some(attempt.sent.after(own.params.h))
        } else if own.state == State::Waiting && !own.doubt {
            return None;
        } else {
            self.due()
        };
        deadline.into_iter().chain(work).min()
    }

    /// When something is asked of the store next; `None` while the guardian has not answered.
    fn due(&self) -> Option<Time> {
        let own = &self.own;
        let regular = match own.state {
            State::Active | State::Lapsed => {
                if own.doubt {
                    Time::ZERO
                } else if own.answered < own.asked {
                    return None;
                } else if own.overdue {
                    Time::ZERO
                } else {
                    own.last_sent.after(own.params.h)
                }
            }
            State::Stopped
            | State::Waiting
            | State::Beginning
            | State::Resuming
            | State::Leaving
            | State::Left
            | State::Deposed
            | State::Refused => Time::ZERO,
        };
        Some(regular.max(own.not_before))
    }

    pub(crate) fn own_timer(&mut self, random: u128) {
        match self.own.state {
            State::Stopped | State::Left | State::Deposed | State::Refused => return,
            State::Waiting
            | State::Beginning
            | State::Resuming
            | State::Active
            | State::Lapsed
            | State::Leaving => {}
        }
        self.give_up();
        let under_way =
            self.own.reading.is_some() || self.own.attempts.iter().any(|attempt| !attempt.in_doubt);
        if under_way || self.due().is_none_or(|due| self.now < due) {
            return;
        }
        if self.own.doubt {
            let request = self.request();
            self.own.reading = Some((request, self.now));
            self.push(Action::Read { request, node: self.node.clone() });
            return;
        }
        match self.own.state {
            State::Waiting => self.look(random),
            State::Beginning | State::Active | State::Lapsed | State::Leaving => self.write(Nonce(random)),
            State::Stopped | State::Resuming | State::Left | State::Deposed | State::Refused => {}
        }
    }

    /// Whoever has not been answered within h does not wait any longer.
    fn give_up(&mut self) {
        let patience = self.own.params.h;
        if self.own.reading.is_some_and(|(_, asked)| asked.after(patience) <= self.now) {
            self.own.reading = None;
        }
        let overdue = |attempt: &Attempt| !attempt.in_doubt && attempt.sent.after(patience) <= self.now;
        if let Some(request) = self.own.attempts.iter().find(|&attempt| overdue(attempt)).map(|a| a.request) {
            self.in_doubt(request);
        }
    }

    fn in_doubt(&mut self, request: RequestId) {
        if self.mutants.has(Mutant::UnknownForEver) {
            return;
        }
        for attempt in &mut self.own.attempts {
            if attempt.request == request {
                attempt.in_doubt = true;
            }
        }
        if self.own.attempts.len() > MOST_IN_DOUBT {
            self.own.attempts.remove(0);
        }
        self.own.doubt = true;
        self.own.overdue = true;
        if self.mutants.has(Mutant::DeadlineFromUnknown) && self.own.state == State::Active {
            self.own.deadline = self.own.last_sent.after(self.own.params.d);
            self.push(Action::Arm(self.kept()));
        }
    }

    /// The name is free from then on, as far as is known.
    fn free_at(&self) -> Time {
        match self.observed.get(&self.node) {
            Some(observed) => match &observed.found {
                Found::Nothing { .. } => Time::ZERO,
                Found::Unreadable { .. } => observed.first_seen.after(self.longest),
                Found::Document { session, .. } => match session.state {
                    Standing::Dead | Standing::Left => Time::ZERO,
                    Standing::Alive => {
                        let reboot = session.identity.rebooted_as(&self.own.identity);
                        let other = session.identity.boot_id != self.own.identity.boot_id;
                        if self.own.trust_reboot
                            && (reboot || other && self.mutants.has(Mutant::RebootOfAnyMachine))
                            || self.mutants.has(Mutant::NameTakenAtOnce)
                        {
                            Time::ZERO
                        } else {
                            observed.first_seen.after(observed.wait)
                        }
                    }
                },
            },
            None => Time::ZERO,
        }
    }

    /// Begins if the name is free; refuses if another machine uses it.
    fn look(&mut self, random: u128) {
        if !self.listed || self.now < self.quarantine {
            return;
        }
        let free = self.now >= self.free_at();
        let mut base = Guard::Absent;
        let mut replaces = None;
        if let Some(observed) = self.observed.get(&self.node) {
            match &observed.found {
                Found::Nothing { .. } => {}
                Found::Unreadable { revision, .. } => base = Guard::At(*revision),
                Found::Document { revision, session } => {
                    if !free {
                        self.in_use(&Arc::clone(session));
                        return;
                    }
                    base = Guard::At(*revision);
                    replaces = Some(session.sid);
                }
            }
        }
        // A number that was seen before is no name for a session; the next one is better.
        let known = self.observed.values().any(|observed| observed.sid() == Some(Sid(random)));
        if !free || known || random == 0 {
            return;
        }
        self.own.sid = Sid(random);
        self.own.ctr = 0;
        self.own.base = base;
        self.own.replaces = replaces;
        self.own.deadline = Time::ZERO;
        self.own.inherited = false;
        self.own.state = State::Beginning;
        self.write(Nonce(random));
    }

    pub(crate) fn in_use(&mut self, session: &Session) {
        let renewals = self.observed.get(&self.node).map_or(0, |observed| observed.renewals);
        // One renewal may have been under way when an earlier process of this node ended.
        if renewals >= 2 {
            let (theirs, ours) = (&session.identity, &self.own.identity);
            let why = format!(
                "the name {} is in use: a node with boot id {} on machine {} renews its session, and this is boot id {} on \
                 machine {}; give one of the two another name, or stop the other one",
                self.node, theirs.boot_id, theirs.machine_id, ours.boot_id, ours.machine_id
            );
            self.own.state = State::Refused;
            self.push(Action::Refuse { why });
        } else if self.own.told != Some(session.sid) {
            self.own.told = Some(session.sid);
            self.push(Action::Tell(Note::NameInUse(session.identity.clone())));
        }
    }

    /// Sends a renewal, the first one and the last one included.
    fn write(&mut self, nonce: Nonce) {
        let own = &self.own;
        let state = if own.state == State::Leaving { Standing::Left } else { Standing::Alive };
        let session = Arc::new(Session {
            sid: own.sid,
            ctr: own.ctr + 1,
            nonce,
            identity: own.identity.clone(),
            version: own.version.clone(),
            params: own.params,
            state,
            incarnation: own.incarnation.clone(),
            replaces: own.replaces,
            confirmed: false,
        });
        let guard = own.base;
        let request = self.request();
        let attempt = Attempt { request, session: Arc::clone(&session), sent: self.now, in_doubt: false };
        self.own.attempts.push(attempt);
        self.own.last_sent = self.now;
        self.push(Action::Commit { request, node: self.node.clone(), guard, session });
    }

    pub(crate) fn attempt_answered(&mut self, request: RequestId, answer: Answer) {
        let Some(index) = self.own.attempts.iter().position(|attempt| attempt.request == request) else {
            return;
        };
        match answer {
            Answer::Committed(revision) => self.committed(index, revision, false),
            Answer::Failed => {
                self.own.attempts.remove(index);
                self.own.overdue = true;
                self.pause();
            }
            Answer::Conflict => {
                self.own.attempts.remove(index);
                self.conflict();
            }
            // A read that answers a write is no answer.
            Answer::Unknown | Answer::Read(_) => {
                self.in_doubt(request);
                self.pause();
            }
        }
    }

    fn conflict(&mut self) {
        let explained = !self.own.attempts.is_empty() || self.own.inherited;
        match self.own.state {
            State::Beginning => {
                self.own.doubt = true;
                // What is read next may be old once more; the store is not asked in a circle.
                self.pause();
                if !explained {
                    self.wait_for_name();
                }
            }
            State::Active | State::Lapsed => {
                if explained || self.mutants.has(Mutant::ConflictOverwritten) {
                    self.own.doubt = true;
                } else {
                    self.depose(Why::Deposed);
                }
            }
            State::Leaving => {
                if explained {
                    self.own.doubt = true;
                } else {
                    self.left();
                }
            }
            State::Stopped
            | State::Waiting
            | State::Resuming
            | State::Left
            | State::Deposed
            | State::Refused => {}
        }
    }

    /// One of the requests has happened: none of the others ever will.
    fn committed(&mut self, index: usize, revision: u64, read: bool) {
        let attempt = self.own.attempts.swap_remove(index);
        let mut from = attempt.sent;
        if self.mutants.has(Mutant::DeadlineFromAck) && !read
            || self.mutants.has(Mutant::DeadlineFromReadBack) && read
        {
            from = self.now;
        }
        if self.mutants.has(Mutant::DeadlineFromLatestSend) {
            from = self.own.last_sent;
        }
        let session = Arc::clone(&attempt.session);
        let state = session.state;
        self.own.attempts.clear();
        self.own.doubt = false;
        self.own.inherited = false;
        self.own.overdue = false;
        self.own.base = Guard::At(revision);
        self.own.ctr = session.ctr;
        self.own.deadline = self.own.deadline.max(from.after(self.own.params.d));
        self.observe(&self.node.clone(), Found::Document { revision, session });
        match self.own.state {
            State::Beginning => {
                self.own.gone = true;
                if self.now < self.own.deadline {
                    self.own.state = State::Active;
                    self.push(Action::Arm(self.kept()));
                    self.push(Action::Tell(Note::Began(self.own.sid)));
                } else {
                    self.own.state = State::Lapsed;
                }
            }
            State::Active => self.push(Action::Arm(self.kept())),
            State::Lapsed => self.again(),
            State::Leaving => {
                if state == Standing::Left {
                    self.left();
                }
            }
            State::Stopped
            | State::Waiting
            | State::Resuming
            | State::Left
            | State::Deposed
            | State::Refused => {}
        }
        self.ask_guardian();
    }

    /// What a read of the own document shows.
    pub(crate) fn own_read(&mut self, found: &Found) {
        match self.own.state {
            State::Waiting => self.own.doubt = false,
            State::Beginning | State::Resuming | State::Active | State::Lapsed | State::Leaving => {
                if !self.own_found(found) {
                    // Older than what is known to be stored; or what was kept is of a store that is no more.
                    self.pause();
                    if self.own.state == State::Resuming && self.own.gone {
                        self.own.doubt = false;
                        self.wait_for_name();
                    }
                }
            }
            State::Stopped | State::Left | State::Deposed | State::Refused => {}
        }
    }

    /// What is stored, from wherever it is known. False if it is old news.
    pub(crate) fn own_found(&mut self, found: &Found) -> bool {
        let base = match self.own.base {
            Guard::Absent => None,
            Guard::At(revision) => Some(revision),
        };
        let (revision, session) = match found {
            Found::Nothing { as_of } => (*as_of, None),
            Found::Unreadable { revision, .. } => (*revision, None),
            Found::Document { revision, session } => (*revision, Some(session)),
        };
        let deleted = matches!(found, Found::Nothing { .. });
        if base.is_none() && deleted || base == Some(revision) && !deleted {
            // Nothing has happened since, when this was read.
            if self.own.state == State::Resuming {
                self.resumed(session);
            }
            self.own.doubt = false;
            return true;
        }
        if base.is_some_and(|base| revision <= base) && !self.mutants.has(Mutant::OldNewsBelieved) {
            return false;
        }
        if let Some(session) = session.filter(|session| session.sid == self.own.sid) {
            let mine = self.own.attempts.iter().position(|attempt| attempt.session.nonce == session.nonce);
            // Marked dead by another node, it still carries the number of the last request.
            let ended = match session.state {
                Standing::Alive => false,
                Standing::Left => mine.is_none(),
                Standing::Dead => true,
            };
            if let Some(index) = mine.filter(|_| !ended) {
                self.committed(index, revision, true);
                return true;
            }
            if self.own.inherited && !ended {
                self.own.base = Guard::At(revision);
                self.own.ctr = session.ctr;
                self.own.attempts.clear();
                self.own.doubt = false;
                if self.own.state == State::Resuming {
                    self.resumed(Some(session));
                }
                return true;
            }
        }
        self.lost(revision, session.is_some());
        true
    }

    /// The session a node process before this one had is still there.
    fn resumed(&mut self, session: Option<&Arc<Session>>) {
        let Some(session) = session.filter(|session| {
            session.sid == self.own.sid
                && session.state == Standing::Alive
                && session.identity == self.own.identity
        }) else {
            self.depose(Why::Deposed);
            return;
        };
        self.own.ctr = session.ctr;
        self.own.replaces = session.replaces;
        if self.now < self.own.deadline {
            self.own.state = State::Active;
            self.push(Action::Tell(Note::Began(self.own.sid)));
        } else {
            self.own.state = State::Lapsed;
        }
    }

    /// The document is somebody else's, or there is none any more.
    fn lost(&mut self, revision: u64, stored: bool) {
        match self.own.state {
            State::Beginning => {
                self.own.attempts.clear();
                self.own.doubt = false;
                self.wait_for_name();
            }
            State::Leaving => self.left(),
            State::Active | State::Lapsed | State::Resuming => {
                if self.mutants.has(Mutant::ConflictOverwritten) {
                    self.own.base = if stored { Guard::At(revision) } else { Guard::Absent };
                    self.own.doubt = false;
                } else {
                    self.depose(Why::Deposed);
                }
            }
            State::Stopped | State::Waiting | State::Left | State::Deposed | State::Refused => {}
        }
    }
}
