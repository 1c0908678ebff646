//! A node that leaves: its groups go to others first, what is left is taken offline, then it says so.

use std::time::Duration;

use stead_lease::{Event as SessionEvent, State};
use stead_policy::cluster::NodeRecord;
use stead_policy::{Level, Record, Request};
use stead_types::{Code, Time};

use crate::command::Lines;
use crate::edge::timer;
use crate::node::Node;

/// A database that does not answer is not waited for any longer: the others wait until the session is over by itself.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// How far it is.
#[derive(Debug)]
enum Phase {
    /// Groups are being moved.
    Moving,
    /// What is left is taken offline.
    Stopping,
    /// That nothing runs is being stored.
    Saying,
}

/// A node that is about to leave.
#[derive(Debug)]
pub(super) struct Leaving {
    phase: Phase,
    until: Time,
    clients: Vec<Lines>,
}

impl Leaving {
    pub(super) fn timeout(&self) -> Option<Time> {
        match self.phase {
            Phase::Moving | Phase::Saying => Some(self.until),
            Phase::Stopping => None,
        }
    }
}

impl Node {
    /// Begins to leave. Asked twice, everything is taken offline at once.
    pub(crate) fn leave(&mut self, lines: Option<Lines>) {
        let now = timer::now();
        let Some(member) = &mut self.member else {
            self.ask(Request::Shutdown, false, lines);
            return;
        };
        match &mut member.leaving {
            Some(leaving) => {
                leaving.clients.extend(lines);
                leaving.until = now;
            }
            None => {
                // Groups that are not with others by then are taken offline here.
                let until = now.after(member.situation.settings.shutdown_move_timeout);
                let clients = lines.into_iter().collect();
                member.leaving = Some(Leaving { phase: Phase::Moving, until, clients });
                let me = member.me.clone();
                let text = format!("node \"{me}\" leaves: its groups are moved first");
                let (id, level, code) = (10_045, Level::Information, Code::SUCCESS);
                self.record(Record { id, level, group: None, resource: None, code, text });
            }
        }
    }

    /// Goes on with leaving.
    pub(crate) fn leave_on(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        let Some(leaving) = &mut member.leaving else { return };
        match leaving.phase {
            Phase::Moving => {
                let others = member.situation.nodes.iter().any(|(node, facts)| {
                    *node != member.me
                        && facts.session.alive().is_some()
                        && !facts.record.paused
                        && facts.record.leaving != facts.session.alive()
                });
                let active = member.machine.state() == State::Active;
                let over =
                    leaving.until <= now || !others || !active || member.owner.groups().next().is_none();
                if !over {
                    self.say_leaving();
                    return;
                }
                leaving.phase = Phase::Stopping;
                let clients = std::mem::take(&mut leaving.clients);
                if clients.is_empty() {
                    self.ask(Request::Shutdown, false, None);
                }
                for lines in clients {
                    self.ask(Request::Shutdown, false, Some(lines));
                }
            }
            Phase::Stopping => {}
            Phase::Saying => {
                // Who leaves says that nothing is left.
                let said = member.owner.may_leave() && member.writes.is_empty();
                if said && !member.left && member.machine.state() == State::Active {
                    member.machine.handle(SessionEvent::Leave, now);
                    self.drive_session();
                }
                let Some(member) = &mut self.member else { return };
                let late = member.leaving.as_ref().is_none_or(|leaving| leaving.until <= now);
                let nothing = !matches!(member.machine.state(), State::Active | State::Leaving);
                if member.left || late || nothing {
                    member.leaving = None;
                    self.stopped = true;
                }
            }
        }
    }

    /// Asks for this node's groups to be moved.
    fn say_leaving(&mut self) {
        let Some(member) = &mut self.member else { return };
        let me = member.me.clone();
        let Some(sid) = member.machine.sid() else { return };
        if member.owner.rests(timer::now()) {
            return;
        }
        let facts = member.node_mut(&me);
        if facts.record.leaving == Some(sid.0) {
            return;
        }
        let record = NodeRecord { leaving: Some(sid.0), ..facts.record.clone() };
        let revision = facts.revision;
        member.write_node(&me, revision, record, Vec::new());
    }

    /// The policy has taken everything offline.
    pub(crate) fn all_offline(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else {
            self.stopped = true;
            return;
        };
        member.owner.leave();
        let until = now.after(LAST_WORDS);
        match &mut member.leaving {
            Some(leaving) => {
                leaving.phase = Phase::Saying;
                leaving.until = until;
            }
            None => member.leaving = Some(Leaving { phase: Phase::Saying, until, clients: Vec::new() }),
        }
    }
}
