//! Moves that clients ask for and wait for, wherever the group is.

use std::sync::Arc;
use stead_api::{Event, Failure, Line};
use stead_policy::cluster::{ArrivalKind, Cause, OrderWish, Outcome, Ownership};
use stead_policy::{InBuffers, Refusal};
use stead_types::{Code, GroupName, MoveFlags, NodeName};

use super::Member;
use super::documents::StateDocument;
use crate::command::Lines;
use crate::node::Node;
use crate::report;

/// What is asked of a group's owner.
pub(crate) struct Move {
    pub(crate) group: GroupName,
    pub(crate) to: Option<NodeName>,
    pub(crate) flags: MoveFlags,
    pub(crate) in_buffers: InBuffers,
}

/// A client that waits for a move.
#[derive(Debug)]
pub(super) struct Moving {
    group: GroupName,
    order: u64,
    /// Its order is being written: until that has succeeded, one of the same number is somebody else's.
    writing: bool,
    lines: Lines,
    accepted: bool,
    /// That the order is stored is all the client wants to know.
    no_wait: bool,
}

impl Moving {
    fn failed(&self, code: Code, detail: &str) -> Line {
        Line::Failed(self.failure(code, detail))
    }

    fn failure(&self, code: Code, detail: &str) -> Failure {
        let what = format!("group \"{}\": move", self.group);
        Failure { what, error: report::code(code), detail: detail.to_owned() }
    }

    /// How the move has ended; none while it goes on.
    fn ended(&self, member: &Member) -> Option<Line> {
        let Some(owned) = member.owner.documents().get(&self.group) else {
            return Some(self.failed(Code::ERROR_GROUP_NOT_FOUND, "it was deleted"));
        };
        let document = &owned.document;
        if self.writing {
            // What is there may be what another node wrote first.
            return None;
        }
        if document.orders < self.order || document.order.as_ref().is_some_and(|order| order.id == self.order)
        {
            return None;
        }
        match document.outcome.as_ref().filter(|outcome| outcome.id == self.order) {
            Some(outcome) => self.judge(document, outcome, member),
            None => Some(self.replaced(document)),
        }
    }

    /// Another order is there instead. Where that is the failover of what failed at the destination, that is how it ended.
    fn replaced(&self, document: &Ownership) -> Line {
        let failing = document.order.as_ref().is_some_and(|order| order.cause == Cause::Failover);
        let failed = document.arrival.kind == ArrivalKind::Failover;
        if !failing && !failed {
            let detail = format!("another order took its place; it is on {}", document.node);
            return self.failed(Code::ERROR_CANCELLED, &detail);
        }
        let there = document.arrival.source.as_ref().filter(|_| failed).unwrap_or(&document.node);
        let detail = format!("it failed on {there} and fails over; it is on {}", document.node);
        self.failed(Code::ERROR_RESOURCE_FAILED, &detail)
    }

    /// How it has ended, once its resources are online where it is, or are known not to come online there.
    ///
    /// Windows: clusapi/nf-clusapi-moveclustergroupex
    /// Note: the function promises the owner alone; the command line waits for the resources as well.
    fn judge(&self, document: &Ownership, outcome: &Outcome, member: &Member) -> Option<Line> {
        if outcome.code == Code::ERROR_CANCELLED {
            return Some(Line::Cancelled);
        }
        if document.generation > outcome.generation {
            // It came where it was to go, and did not stay there.
            let (code, how) = match document.arrival.kind {
                ArrivalKind::Takeover => (Code::ERROR_HOST_NODE_NOT_AVAILABLE, "died"),
                ArrivalKind::First | ArrivalKind::Move | ArrivalKind::Return | ArrivalKind::Failover => {
                    (Code::ERROR_RESOURCE_FAILED, "did not keep it")
                }
            };
            let there = document.arrival.source.as_ref().map_or("the node it came to", NodeName::as_str);
            return Some(self.failed(code, &format!("{there} {how}; it is on {} now", document.node)));
        }
        let said = member.states.get(&self.group).filter(|said| said.generation() == document.generation);
        let arrived = said.and_then(StateDocument::arrived);
        if !outcome.code.is_success() {
            let coming_back = document.arrival.kind == ArrivalKind::Return && arrived.is_none();
            return (!coming_back).then(|| self.failed(outcome.code, &outcome.detail));
        }
        let (code, detail) = arrived?;
        Some(if code.is_success() {
            Line::Done { state: Some(format!("on {}", document.node)) }
        } else {
            self.failed(code, &format!("it is on {}: {detail}", document.node))
        })
    }
}

impl Node {
    /// Asks for a move, wherever the group is. The answer comes when it has ended.
    pub(crate) fn ask_move(&mut self, wanted: Move, no_wait: bool, lines: Lines) {
        let Some(member) = &mut self.member else { return };
        let Move { group, to, flags, in_buffers } = wanted;
        let what = format!("group \"{group}\": move");
        let refuse =
            |code, detail: &str| Err(Refusal { what: what.clone(), code, detail: detail.to_owned() });
        let to = match member.situation.check_move(&group, to.as_ref(), flags) {
            Ok(to) => to,
            Err(refused) => return drop(lines.send(report::answer(Err(refused)))),
        };
        if let Some(stead_lease::Sight::NotSeen(since)) = member.machine.sight(&to, crate::edge::timer::now())
        {
            let detail = format!("node \"{to}\" was not heard for {} ms", since.as_millis());
            return drop(lines.send(report::answer(refuse(Code::ERROR_CLUSTER_NODE_DOWN, &detail))));
        }
        let Some(owned) = member.owner.documents().get(&group).cloned() else { return };
        if owned.document.node == to {
            let _ = lines.send(Line::Accepted);
            return drop(lines.send(Line::Done { state: Some(format!("on {to}")) }));
        }
        let wish = OrderWish {
            to: Some(to),
            flags,
            in_buffers,
            asked_by: "operator".to_owned(),
            cause: Cause::Operator,
            reasons: Vec::new(),
        };
        let document = owned.document.with_order(wish);
        let order = document.orders;
        if !member.owner.write(group.clone(), Some(owned.revision), Arc::new(document), Vec::new()) {
            let detail = "its owner is being written; ask again";
            return drop(lines.send(report::answer(refuse(Code::ERROR_CLUSTER_GROUP_BUSY, detail))));
        }
        member.moving.push(Moving { group, order, writing: true, lines, accepted: false, no_wait });
        self.drive_owner();
    }

    /// Tells those who wait for moves how these have ended.
    pub(crate) fn settle_moves(&mut self) {
        let Some(member) = &mut self.member else { return };
        let mut waiting = Vec::new();
        for mut moving in std::mem::take(&mut member.moving) {
            let written = member.owner.documents().get(&moving.group).map(|owned| owned.document.orders);
            let stored = written.is_some_and(|orders| orders >= moving.order);
            if !moving.writing && !moving.accepted && stored {
                moving.accepted = true;
                let _ = moving.lines.send(Line::Accepted);
            }
            let ended = match moving.ended(member) {
                None if moving.accepted && moving.no_wait => Some(Line::Done { state: None }),
                ended => ended,
            };
            match ended {
                Some(line) => drop(moving.lines.send(line)),
                None => waiting.push(moving),
            }
        }
        member.moving = waiting;
    }

    /// What happens to a group is told to those who wait for its move, on whichever node it happens.
    pub(crate) fn tell_movers(&self, event: &Event) {
        let moving = self.member.iter().flat_map(|member| &member.moving);
        let of = |group: &GroupName| {
            event.group.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(group.as_str()))
        };
        for moving in moving.filter(|moving| of(&moving.group)) {
            let _ = moving.lines.send(Line::Progress(event.clone()));
        }
    }

    /// The write of an order has succeeded: what is said of that number from now on is said of this order.
    pub(crate) fn order_written(&mut self, group: &GroupName) {
        let Some(member) = &mut self.member else { return };
        // Only one write of a group's document is under way at a time.
        for moving in member.moving.iter_mut().filter(|moving| moving.group == *group) {
            moving.writing = false;
        }
        self.settle_moves();
    }

    /// The write of an order has failed: those who wait for it are told.
    pub(crate) fn order_unwritten(&mut self, group: &GroupName, code: Code, detail: &str) {
        let Some(member) = &mut self.member else { return };
        let (over, kept): (Vec<Moving>, Vec<Moving>) = std::mem::take(&mut member.moving)
            .into_iter()
            .partition(|moving| moving.group == *group && moving.writing);
        member.moving = kept;
        for moving in over {
            let _ = moving.lines.send(Line::Refused(moving.failure(code, detail)));
        }
    }
}
