//! The node's session: what the lease machine wants done, and what follows from it.

use std::time::Duration;

use stead_lease::{Action, Answer, Event, Found, Kept, Note, Sid, Standing, Start, State};
use stead_monitor_protocol::HeldSession;
use stead_policy::cluster::{Session, Tenure};
use stead_policy::{Event as PolicyEvent, Level, Record};
use stead_types::{Code, GroupName, NodeName, Time};

use crate::edge::monitor::Monitors;
use crate::edge::timer;
use crate::node::Node;

/// A lease with less time left than this is not begun again: the guardian ends it that much ahead, or nearly.
const TOO_LATE: Duration = Duration::from_millis(200);

/// What the guardian keeps for the next node: beside the deadline the revision that the next renewal is guarded by.
#[derive(serde::Serialize, serde::Deserialize)]
struct KeptDoc {
    sid: Sid,
    revision: u64,
    deadline: u64,
    /// The guardian's number for it. A session that lapsed and is renewed gets another one: for the guardian what is over
    /// never comes back.
    leases: Sid,
}

/// The text that the guardian keeps.
fn blob(kept: Kept, leases: u128) -> String {
    let Kept { sid, revision, deadline } = kept;
    let doc = KeptDoc { sid, revision, deadline: deadline.as_nanos(), leases: Sid(leases) };
    serde_json::to_string(&doc).unwrap_or_default()
}

/// What an earlier node gave to the guardian, if it is of what the guardian holds.
fn kept(blob: &str, held: &HeldSession) -> Option<Kept> {
    let doc: KeptDoc = serde_json::from_str(blob).ok()?;
    let KeptDoc { sid, revision, deadline, leases } = doc;
    let deadline = Time::from_nanos(deadline);
    (leases.0 == held.session && !held.over).then_some(Kept { sid, revision, deadline })
}

fn record(id: u32, level: Level, text: String) -> Record {
    Record { id, level, group: None, resource: None, code: Code::SUCCESS, text }
}

impl Node {
    /// The guardian was greeted: the session of the node before this one goes on. Otherwise another begins, when nothing
    /// of the one before is left.
    pub(crate) fn greeted(&mut self, held: Option<&HeldSession>, text: Option<&str>) {
        let Some(member) = &mut self.member else { return };
        match (held, held.zip(text).and_then(|(held, text)| kept(text, held))) {
            (Some(held), Some(kept)) => {
                member.leases = Some(held.session);
                member.in_force = true;
                self.begin_session(Some(kept));
            }
            (Some(held), None) => {
                member.waits_for = Some(held.session);
                self.monitors.fence(held.session);
            }
            (None, _) => self.begin_anew(),
        }
    }

    /// Nothing is left of any session: another begins, once the guardian has agreed to keep its leases. The others are not
    /// to give their groups to a node on which nothing can run.
    fn begin_anew(&mut self) {
        if let Some(member) = &mut self.member {
            member.begin_leases(&mut self.monitors);
        }
    }

    fn begin_session(&mut self, kept: Option<Kept>) {
        let Some(member) = &mut self.member else { return };
        let begin = member.begin.clone();
        let start = Start {
            params: begin.params,
            identity: begin.identity,
            version: env!("CARGO_PKG_VERSION").to_owned(),
            incarnation: begin.incarnation,
            incarnation_is_new: begin.incarnation_is_new,
            incarnation_is_unknown: begin.incarnation_is_unknown,
            trust_reboot: begin.trust_reboot,
            kept,
        };
        let now = timer::now();
        let sessions: Vec<(NodeName, Found)> = std::mem::take(&mut member.sessions_at_start);
        member.machine.handle(Event::Start(Box::new(start)), now);
        member.machine.handle(Event::Listed { as_of: begin.revision, sessions }, now);
        self.drive_session();
    }

    /// What runs is known: the groups of the session that goes on are adopted as they are. Those of which nothing runs are
    /// not simply started: the node before this one may have released them, and what was read may be older than that.
    pub(crate) fn adopt_groups(&mut self, running: &std::collections::BTreeSet<GroupName>) {
        let Some(member) = &mut self.member else { return };
        let may_act = member.machine.may_act(timer::now());
        let tenure = Tenure { may_act, ..member.tenure() };
        let groups = member.owner.adopt(running, tenure);
        self.policy.member(groups);
    }

    /// Carries out what the lease machine wants.
    pub(crate) fn drive_session(&mut self) {
        let now = timer::now();
        if let Some(member) = &mut self.member
            && member.machine.next_timeout().is_some_and(|at| at <= now)
        {
            member.machine.handle(Event::Timer { random: random() }, now);
        }
        while let Some(action) = self.member.as_mut().and_then(|member| member.machine.poll_action()) {
            self.session_action(action);
        }
    }

    pub(crate) fn session_event(&mut self, event: Event) {
        if let Some(member) = &mut self.member {
            let now = timer::now();
            if let Event::Answered { request, answer } = &event {
                match answer {
                    Answer::Committed(_) | Answer::Conflict | Answer::Read(_) => {
                        member.heard = now;
                        member.unheard = false;
                    }
                    Answer::Unknown | Answer::Failed => member.unheard = true,
                }
                let stored = matches!(answer, Answer::Committed(_));
                if let Some(summary) = member.renewals.answered(*request, stored, now) {
                    let ms = |time: Duration| format!("{:.1}", time.as_secs_f64() * 1_000.0);
                    tracing::info!(
                        median_ms = %ms(summary.median),
                        p99_ms = %ms(summary.p99),
                        longest_ms = %ms(summary.longest),
                        apart_ms = %ms(summary.apart),
                        "a hundred renewals answered"
                    );
                }
            }
            member.machine.handle(event, now);
        }
        self.drive_session();
        self.see_sessions();
    }

    fn session_action(&mut self, action: Action) {
        let Some(member) = &mut self.member else { return };
        match action {
            Action::Commit { request, node, guard, session } => {
                if node == member.me {
                    member.renewals.asked(request, timer::now());
                }
                member.threads.commit_session(request, node, guard, session);
            }
            Action::Read { request, node } => member.threads.read_session(request, node),
            Action::Arm(kept) => {
                member.armed = Some(kept);
                match member.leases {
                    Some(leases) if member.in_force => {
                        self.monitors.lease(leases, kept.deadline, blob(kept, leases));
                        self.settle_groups();
                    }
                    Some(_) => {}
                    None => member.begin_leases(&mut self.monitors),
                }
            }
            Action::AskGuardian { question } => self.monitors.ask_guardian(question),
            Action::KillAll { why } => {
                let text = format!("everything on node \"{}\" is killed: {why}", member.me);
                let leases = member.leases.take();
                member.renewals.forget();
                member.in_force = false;
                member.armed = None;
                // Deposed after a lapse: what that one is to end is not known to have ended yet.
                let awaited = member.waits_for.is_some();
                member.waits_for = leases.or(member.waits_for);
                self.record(record(1_177, Level::Critical, text));
                self.forget_groups();
                match leases {
                    Some(leases) => self.monitors.fence(leases),
                    None if awaited => {}
                    None => self.session_event(Event::AllGone),
                }
            }
            Action::Refuse { why } => {
                tracing::error!(text = why, "the node could not go on");
                self.failed = Some(why);
            }
            Action::Tell(note) => self.session_note(note),
        }
    }

    fn session_note(&mut self, note: Note) {
        let me = self.name();
        let line = match note {
            Note::Began(sid) => {
                // Not before: a node that starts again while it waits has to wait anew.
                if let Some(member) = &self.member {
                    member.begin.memory.settled();
                }
                record(10_040, Level::Information, format!("node \"{me}\" joined, session {sid}"))
            }
            Note::Again(_) => {
                let text = format!("node \"{me}\" renewed its session; its groups start again");
                record(10_041, Level::Warning, text)
            }
            Note::Left => record(10_042, Level::Information, format!("node \"{me}\" left")),
            // That the node is lost is told once, by whoever decides, with the count of its losses.
            Note::TookOver(node, session) => {
                tracing::warn!(%node, %session, "marked as down: its session was not renewed, and everything of it has ended");
                return self.settle_groups();
            }
            Note::Quarantine(until) => {
                let seconds = until.since(timer::now()).as_secs();
                let text = format!(
                    "the cluster database is another one than before: nothing begins for {seconds} s"
                );
                record(10_043, Level::Critical, text)
            }
            Note::NameInUse(identity) => {
                let text = format!(
                    "the name \"{me}\" is in use by a machine with boot id {} and machine id {}: waiting until it is gone",
                    identity.boot_id, identity.machine_id
                );
                record(10_044, Level::Error, text)
            }
        };
        self.record(line);
        self.settle_groups();
        if let Some(member) = &mut self.member {
            member.left |= member.machine.state() == State::Left;
            if member.left {
                self.failed = member.refused.take().or(self.failed.take());
            }
        }
    }

    /// The situation follows what is known of sessions.
    pub(crate) fn see_sessions(&mut self) {
        let Some(member) = &mut self.member else { return };
        let seen: Vec<(NodeName, Session, bool, bool)> = member
            .machine
            .nodes()
            .map(|(node, session)| {
                let sid = session.sid.0;
                let over = member.machine.is_over(node, session.sid, 0);
                let state = match session.state {
                    Standing::Alive => {
                        let renewals = u32::try_from(session.ctr).unwrap_or(u32::MAX);
                        Session::Alive { sid, age: session.params.h.saturating_mul(renewals) }
                    }
                    Standing::Dead if over => Session::Dead { sid },
                    Standing::Left if over => Session::Left { sid },
                    // Nothing is taken over yet: the database is another one than before.
                    Standing::Dead | Standing::Left => Session::Never,
                };
                (node.clone(), state, session.confirmed && over, session.params.watched())
            })
            .collect();
        let mut lost = Vec::new();
        let mut ends = false;
        for (node, session, confirmed, watchdog) in seen {
            let facts = member.node_mut(&node);
            if (facts.confirmed, facts.watchdog) != (confirmed, watchdog) {
                (facts.confirmed, facts.watchdog) = (confirmed, watchdog);
                member.decide = true;
            }
            let facts = member.node_mut(&node);
            if facts.session == session {
                continue;
            }
            let before = std::mem::replace(&mut facts.session, session);
            ends |= before.alive().is_some() != session.alive().is_some();
            member.decide |= member.withheld || session.is_news(before, &member.situation.settings);
            // Letters to a session that has ended are not answered any more.
            if before.alive().is_some_and(|sid| session.alive() != Some(sid))
                && let Some(mailbox) = &self.mailbox
            {
                mailbox.lost(node.clone(), "its session has ended");
            }
            if before.alive().is_some() && session.alive().is_none() {
                lost.push(node);
            }
        }
        for node in lost {
            self.policy.handle(PolicyEvent::NodeLost(node), timer::now());
        }
        if ends {
            // Who may have a group without an owner depends on who lives.
            self.refresh_all();
        }
    }

    /// Nothing of any group is left here, and none is this node's to start.
    fn forget_groups(&mut self) {
        let Some(member) = &mut self.member else { return };
        member.owner.forget();
        member.published.clear();
        self.drive_owner();
    }

    /// The guardian does not do what it was told. Where it is the leases that were to begin, nothing can run here: the
    /// session is given up, if there is one, so that others take the groups over, and the process ends. The next one tries
    /// again.
    pub(crate) fn guardian_refused(&mut self, error: &str) {
        let text = format!("the guardian of node \"{}\" refused: {error}", self.name());
        let Some(member) = &mut self.member else { return self.record(record(10_053, Level::Error, text)) };
        // Whatever else it refuses, it is not under a number that is to come into force.
        let begins = member.leases.filter(|_| !member.in_force);
        if begins.is_some_and(|number| error.contains(&format!("session {number}"))) {
            if member.machine.state() == State::Stopped {
                self.failed = Some(text);
                return;
            }
            // Leases begin when everything that was under others before is verified gone.
            member.refused = Some(text.clone());
            member.machine.handle(Event::Leave, timer::now());
            self.drive_session();
        }
        self.record(record(10_053, Level::Error, text));
    }

    /// The guardian has begun a time of leases: nothing of an earlier one is left.
    pub(crate) fn leases_begun(&mut self, number: u128) {
        let Some(member) = &mut self.member else { return };
        if member.waits_for == Some(number) {
            // It was to end before it had begun, and the guardian could not end then what it did not have yet.
            self.monitors.fence(number);
            return;
        }
        if member.leases != Some(number) {
            return;
        }
        member.in_force = true;
        if member.machine.state() == State::Stopped {
            return self.begin_session(None);
        }
        if let Some(kept) = member.armed {
            self.monitors.lease(number, kept.deadline, blob(kept, number));
        }
        self.settle_groups();
    }

    /// The guardian has verified that everything of a time of leases is gone.
    pub(crate) fn emptied(&mut self, leases: u128) {
        let Some(member) = &mut self.member else { return };
        if member.leases == Some(leases) {
            // The guardian's clock came first. Where the session was renewed at the last moment, it goes on.
            member.leases = None;
            self.lapsed();
            self.arm_again();
            return;
        }
        if member.waits_for != Some(leases) {
            return;
        }
        member.waits_for = None;
        if member.machine.state() == State::Stopped {
            self.begin_anew();
        } else {
            self.session_event(Event::AllGone);
        }
    }

    /// The guardian kills everything, since its lease ran out: nothing of it is to be started again under that lease.
    pub(crate) fn lapsed(&mut self) {
        if let Some(member) = &mut self.member {
            member.in_force = false;
            self.forget_groups();
        }
    }

    /// Begins a time of leases for a session that is held.
    fn arm_again(&mut self) {
        let Some(member) = &mut self.member else { return };
        // What is as good as over would be ended by the guardian at once, again and again.
        if member.armed.is_none() || !member.machine.may_act(timer::now().after(TOO_LATE)) {
            return;
        }
        member.begin_leases(&mut self.monitors);
    }
}

impl super::Member {
    /// Asks the guardian for leases under a number that was never used.
    fn begin_leases(&mut self, guardian: &mut Monitors) {
        let (number, params) = (random(), self.begin.params);
        self.leases = Some(number);
        guardian.begin_leases(number, (params.d, params.w), self.begin.file.watchdog.clone());
    }
}

fn random() -> u128 {
    let mut bytes = [0; 16];
    let mut filled = 0;
    while filled < bytes.len() {
        match rustix::rand::getrandom(&mut bytes[filled..], rustix::rand::GetRandomFlags::empty()) {
            Ok(count) => filled += count,
            Err(rustix::io::Errno::INTR) => {}
            // Without randomness no session can be told from another: the process ends, and with it the session.
            Err(error) => panic!("the system gives no random numbers: {error}"),
        }
    }
    u128::from_ne_bytes(bytes)
}

/// How long one request of a session may take. The machine itself waits for h; what is found out before that saves it
/// from looking.
pub(crate) fn patience(params: &stead_lease::Params) -> Duration {
    params.h.mul_f64(0.75).max(Duration::from_millis(200))
}

/// After so long without an answer another member of etcd is asked to renew as well. Short, so that neither a member that
/// is stopped nor what an election swallowed costs a renewal; not so short that a busy etcd gets much more to do.
pub(crate) fn hedge(params: &stead_lease::Params) -> Duration {
    (params.h / 10).clamp(Duration::from_millis(50), Duration::from_millis(300))
}
