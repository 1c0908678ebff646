//! Nodes that are switched off: by an operator, or because their session has fallen silent. And what an operator says of a
//! machine that no device can switch off.
//!
//! Nothing here is needed for safety: whoever waits long enough takes over without it. What a device confirms, or a person,
//! only ends the wait for that very session.

use std::collections::BTreeMap;
use std::time::Duration;

use stead_fence::{Report, Run, succeeded};
use stead_lease::{Event as SessionEvent, Sid, Sight, Standing, State};
use stead_policy::{Level, Record, Refusal};
use stead_types::{Code, NodeName, Time};

use super::Member;
use crate::command::{Fencing, Lines};
use crate::edge::timer;
use crate::node::Node;
use crate::report;

/// What is under way.
#[derive(Debug)]
struct Running {
    node: NodeName,
    lines: Option<Lines>,
}

/// What this node knows of fencing.
#[derive(Debug, Default)]
pub(super) struct Fences {
    /// One at a time.
    running: Option<Running>,
    /// Sessions that are silent while a majority is heard, and since when.
    suspects: BTreeMap<NodeName, (Sid, Time)>,
    /// Nobody tries these before.
    not_before: BTreeMap<NodeName, Time>,
}

fn record(id: u32, level: Level, text: String) -> Record {
    Record { id, level, group: None, resource: None, code: Code::SUCCESS, text }
}

/// What is known of a node that is to be fenced.
struct Victim {
    /// The session that is alive, or dead without anybody having confirmed that.
    session: Option<Sid>,
    sight: Option<Sight>,
}

impl Member {
    fn victim(&self, node: &NodeName, now: Time) -> Option<Victim> {
        let known = self.situation.nodes.contains_key(node);
        let session = self.machine.nodes().find(|(name, _)| *name == node).map(|(_, session)| session);
        let open = session.filter(|session| match session.state {
            Standing::Alive => true,
            Standing::Dead => !session.confirmed,
            Standing::Left => false,
        });
        let session_open = open.map(|session| session.sid);
        let sight = self.machine.sight(node, now);
        (known || session.is_some()).then_some(Victim { session: session_open, sight })
    }

    /// Sessions that are not over, and how many of them are heard of. This node's own counts.
    fn heard(&self, now: Time) -> (usize, usize) {
        let alive = self.machine.nodes().filter(|(_, session)| session.state == Standing::Alive);
        let (mut heard, mut all) = (0, 0);
        for (node, _) in alive {
            all += 1;
            heard += usize::from(*node == self.me || self.machine.sight(node, now) == Some(Sight::Up));
        }
        (heard, all)
    }

    /// The node that is to be fenced now: its session has been silent for two renewals, and for those `FenceAfterRenewals`
    /// counts beyond them, during which a majority was heard. After a pause of the database everybody is silent at first, and nobody is to blame.
    fn silent(&mut self, now: Time) -> Option<(NodeName, Sid)> {
        let may = self.decides() && self.machine.may_act(now) && self.machine.quarantine().is_none();
        let (heard, all) = self.heard(now);
        if !may || heard * 2 <= all {
            self.fences.suspects.clear();
            return None;
        }
        let silent: Vec<(NodeName, Sid, Duration)> = self
            .machine
            .nodes()
            .filter(|(node, session)| **node != self.me && session.state == Standing::Alive)
            .filter(|(node, _)| matches!(self.machine.sight(node, now), Some(Sight::NotSeen(_))))
            .map(|(node, session)| (node.clone(), session.sid, session.params.h))
            .collect();
        let more = self.situation.settings.fence_after_renewals.saturating_sub(2);
        let before = std::mem::take(&mut self.fences.suspects);
        let mut due = None;
        for (node, sid, h) in silent {
            let since = before.get(&node).filter(|(known, _)| *known == sid).map_or(now, |(_, since)| *since);
            let waits = self.fences.not_before.get(&node).is_some_and(|at| *at > now);
            if since.after(h.saturating_mul(more)) <= now && !waits && due.is_none() {
                due = Some((node.clone(), sid));
            }
            self.fences.suspects.insert(node, (sid, since));
        }
        due.filter(|_| self.fences.running.is_none())
    }
}

impl Node {
    /// Fences a node whose session has fallen silent, if there is a device for it.
    pub(crate) fn fence_silent(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        let Some((node, sid)) = member.silent(now) else { return };
        if member.begin.file.device(node.as_str()).is_none() {
            return;
        }
        let text = format!("node \"{node}\" is silent while the others are not: it is fenced");
        self.record(record(10_047, Level::Critical, text));
        self.fence(node, Some(sid), false, None);
    }

    fn fence(&mut self, node: NodeName, session: Option<Sid>, off: bool, lines: Option<Lines>) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        let Some((device, name)) = member.begin.file.device(node.as_str()) else { return };
        let mut device = device.clone();
        device.reboot &= !off;
        let again = now.after(member.situation.settings.fence_retry);
        member.fences.not_before.insert(node.clone(), again);
        let name = name.to_owned();
        let started = member.threads.fence(device, name, node.clone(), session);
        member.fences.running = Some(Running { node: node.clone(), lines });
        if let Err(error) = started {
            self.fencing_over(&node, Err(format!("thread: {error}")));
        }
    }

    /// A device has been asked to switch a node off.
    pub(crate) fn fenced(&mut self, node: &NodeName, session: Option<Sid>, report: &Report) {
        let level = if report.confirmed() { Level::Critical } else { Level::Error };
        self.record(record(10_048, level, report.to_string()));
        if let (true, Some(sid)) = (report.confirmed(), session) {
            self.session_event(SessionEvent::Fenced { node: node.clone(), sid });
        }
        if !report.confirmed() {
            self.fencing_over(node, Err(report.to_string()));
        }
    }

    /// Nothing is asked of the device any more.
    pub(crate) fn switched_on(&mut self, node: &NodeName, run: Option<&Run>) {
        if let Some(run) = run {
            let (level, how) = if succeeded(run) {
                (Level::Information, "was switched on again")
            } else {
                (Level::Error, "is off and could not be switched on again; do it by hand")
            };
            self.record(record(10_049, level, format!("node \"{node}\" {how}: {run}")));
        }
        self.fencing_over(node, Ok(()));
    }

    fn fencing_over(&mut self, node: &NodeName, how: Result<(), String>) {
        let Some(member) = &mut self.member else { return };
        let Some(running) = member.fences.running.take_if(|running| running.node == *node) else { return };
        let Some(lines) = running.lines else { return };
        let line = match how {
            Ok(()) => stead_api::Line::Done { state: None },
            Err(detail) => stead_api::Line::Failed(stead_api::Failure {
                what: format!("node \"{node}\": fence"),
                error: report::code(Code::ERROR_HOST_NODE_NOT_AVAILABLE),
                detail,
            }),
        };
        let _ = lines.send(line);
    }

    /// What an operator asks about a node that may be gone.
    pub(crate) fn ask_fencing(&mut self, node: NodeName, ask: Fencing, by: &str, lines: Lines) {
        let now = timer::now();
        let verb = match ask {
            Fencing::ConfirmDown => "confirm-down",
            Fencing::Fence { .. } => "fence",
        };
        let what = format!("node \"{node}\": {verb}");
        let refuse = |code, detail: String| report::answer(Err(Refusal { what: what.clone(), code, detail }));
        let Some(member) = &mut self.member else {
            let detail = "this machine is a cluster by itself: there is nobody to take over from".to_owned();
            return drop(lines.send(refuse(Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail)));
        };
        let Some(Victim { session, sight }) = member.victim(&node, now) else {
            let known: Vec<&str> = member.situation.nodes.keys().map(NodeName::as_str).collect();
            let detail = format!("there is no node \"{node}\"; there are: {}", known.join(", "));
            return drop(lines.send(refuse(Code::ERROR_CLUSTER_NODE_NOT_FOUND, detail)));
        };
        let refused = if node == member.me {
            Some("this is the node that was asked; ask another one".to_owned())
        } else if member.machine.state() != State::Active {
            Some(format!("this node, {}, has no session itself; ask a node that is up", member.me))
        } else {
            match ask {
                Fencing::ConfirmDown if sight == Some(Sight::Up) => {
                    Some("it renews its session: it is not down. Stop it, or `stead node fence` it".to_owned())
                }
                Fencing::Fence { force: false, .. } if sight == Some(Sight::Up) => Some(
                    "it renews its session: it is up. `stead node pause --drain` moves its groups away first; --force fences \
                     it as it is"
                        .to_owned(),
                ),
                Fencing::Fence { .. } if member.begin.file.device(node.as_str()).is_none() => Some(
                    "no [[fence]] of node.toml on this node names it under nodes; switch its machine off yourself, then \
                     `stead node confirm-down`"
                        .to_owned(),
                ),
                Fencing::Fence { .. } => member
                    .fences
                    .running
                    .as_ref()
                    .map(|running| format!("node \"{}\" is being fenced; wait for that", running.node)),
                Fencing::ConfirmDown => None,
            }
        };
        if let Some(detail) = refused {
            return drop(lines.send(refuse(Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail)));
        }
        let _ = lines.send(stead_api::Line::Accepted);
        match ask {
            Fencing::ConfirmDown => {
                if let Some(sid) = session {
                    let text = format!(
                        "node \"{node}\" was confirmed down by {by}: what it owned is taken over at once. If its machine still \
                         runs, its groups may run twice until its own deadline"
                    );
                    self.record(record(10_050, Level::Critical, text));
                    self.session_event(SessionEvent::Fenced { node, sid });
                }
                let _ = lines.send(stead_api::Line::Done { state: None });
            }
            Fencing::Fence { off, .. } => {
                let text = format!("node \"{node}\" is fenced, as {by} asks");
                self.record(record(10_047, Level::Critical, text));
                self.fence(node, session, off, Some(lines));
            }
        }
    }
}
