//! The document `own/<group>`: who has a group, how it came there, and where it is asked to go.

use std::fmt;

use stead_types::{Code, MoveFlags, NodeName};

use crate::request::InBuffers;

/// Who has a group. One document holds the owner and the move in progress, so that one guard covers both.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ownership {
    /// Grows by one with every assignment; what acts for an older one is stale.
    pub generation: u64,
    /// The owner.
    pub node: NodeName,
    /// The owner's session it was assigned to. Another session of the same node is not the owner.
    pub session: u128,
    /// Whether the owner still has it.
    pub state: OwnerState,
    /// How it came to this owner.
    pub arrival: Arrival,
    /// A move asked of the owner and not carried out yet.
    pub order: Option<Order>,
    /// How the last order ended.
    pub outcome: Option<Outcome>,
    /// The number of the last order; the next one gets the next.
    pub orders: u64,
    /// Generations that came by a failure, oldest first.
    pub failovers: Vec<Failover>,
    /// Why it is on this node: one line for each node there is.
    pub reasons: Vec<String>,
    /// Why it is not placed otherwise although it does not serve; nothing if there is no such reason.
    pub held: Option<String>,
}

/// Whether the owner still has the group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OwnerState {
    /// It has, and may have any part of it running as long as its session is valid.
    Assigned,
    /// It has verified that nothing of it is left, and will not touch it again in this generation.
    Released(Release),
}

/// Why an owner released a group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Release {
    /// The order in the document was carried out.
    Ordered,
    /// It failed here, and nothing of it runs.
    Failed,
    /// It failed after a move that asks to go back to the source then.
    Returning {
        /// What it failed with.
        code: Code,
    },
    /// The node leaves, and nobody could take it before.
    Leaving,
}

/// How a group came to its owner. What the owner hands to `OnlineV2` follows from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arrival {
    /// In short.
    pub kind: ArrivalKind,
    /// Where it was before.
    pub source: Option<NodeName>,
    /// Why it was moved, where it was.
    pub cause: Option<Cause>,
    /// The flags of the move.
    pub flags: MoveFlags,
    /// The in-buffers of the move.
    pub in_buffers: InBuffers,
    /// False: it stays offline here until someone asks for it, although it is wanted online: it has priority 0, it is
    /// not started at a cold start, or its failovers are used up.
    pub start: bool,
    /// Nodes that are preferred to this one and were there when it came here, with their sessions: it does not fail
    /// back to them while these sessions last. Else every move away from a preferred node would be undone.
    pub suspended: Vec<(NodeName, u128)>,
}

/// How a group came to its owner, in short.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum ArrivalKind {
    /// It was never anywhere.
    First,
    /// A planned move: an operator, a drain, a failback, a shutdown.
    Move,
    /// Back to where it was, after a move that failed.
    Return,
    /// It failed where it was, and was released there.
    Failover,
    /// Its owner's session is dead, or left with it.
    Takeover,
}

/// Why a group is asked to move.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Cause {
    /// Someone asked.
    Operator,
    /// Its node is drained; the number is the drain's.
    Drain(u64),
    /// A node it rather is on is back.
    Failback,
    /// It has used up its restarts.
    Failover,
    /// Its node shuts down.
    Shutdown,
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Cause::Operator => "asked for",
            Cause::Drain(_) => "drain",
            Cause::Failback => "failback",
            Cause::Failover => "failover",
            Cause::Shutdown => "shutdown of its node",
        })
    }
}

/// A move asked of the owner.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Order {
    /// Counts the orders of this group.
    pub id: u64,
    /// Where to; none is the best node at the time it is released.
    pub to: Option<NodeName>,
    /// How.
    pub flags: MoveFlags,
    /// For the resource DLLs of each type.
    pub in_buffers: InBuffers,
    /// Who asked: `coordinator`, or a name for people.
    pub asked_by: String,
    /// Why.
    pub cause: Cause,
    /// Why there: one line for each node that was looked at.
    pub reasons: Vec<String>,
}

/// An order before it has a number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OrderWish {
    /// Where to; none is the best node at the time it is released.
    pub to: Option<NodeName>,
    /// How.
    pub flags: MoveFlags,
    /// For the resource DLLs of each type.
    pub in_buffers: InBuffers,
    /// Who asks.
    pub asked_by: String,
    /// Why.
    pub cause: Cause,
    /// Why there: one line for each node that was looked at.
    pub reasons: Vec<String>,
}

/// How an order ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Its number.
    pub id: u64,
    /// Where it was to go.
    pub to: Option<NodeName>,
    /// Why it was asked.
    pub cause: Cause,
    /// 0: the group belongs to the destination. Whether its resources come online is seen in their states.
    pub code: Code,
    /// The generation it ended in: for an order that was not carried out, the one it was asked in.
    pub generation: u64,
    /// One sentence for people.
    pub detail: String,
}

/// A generation that came by a failure.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Failover {
    /// The generation that began with it.
    pub generation: u64,
    /// Where the group failed.
    pub from: NodeName,
    /// It had been online there before it failed: this failure has nothing to do with those before it.
    pub served: bool,
}

impl Ownership {
    /// True while an order is not carried out, or the group is released and not assigned anew.
    #[must_use]
    pub const fn moving(&self) -> bool {
        self.order.is_some() || matches!(self.state, OwnerState::Released(_))
    }

    /// This document with an order, which gets the next number. An order that is there already is replaced, and ends
    /// with 1223 (cancelled).
    #[must_use]
    pub fn with_order(&self, wish: OrderWish) -> Ownership {
        let OrderWish { to, flags, in_buffers, asked_by, cause, reasons } = wish;
        let id = self.orders.saturating_add(1);
        let outcome = match &self.order {
            Some(replaced) => {
                Some(replaced.ended(Code::ERROR_CANCELLED, self.generation, "another order took its place"))
            }
            None => self.outcome.clone(),
        };
        let order = Some(Order { id, to, flags, in_buffers, asked_by, cause, reasons });
        Ownership { order, outcome, orders: id, ..self.clone() }
    }

    /// This document after its order has ended without a move: refused, cancelled, given up. Nothing changes if there
    /// is none.
    #[must_use]
    pub fn with_order_ended(&self, code: Code, detail: &str) -> Ownership {
        match &self.order {
            Some(order) => {
                let outcome = Some(order.ended(code, self.generation, detail));
                Ownership { order: None, outcome, ..self.clone() }
            }
            None => self.clone(),
        }
    }

    /// This document after the owner has verified that nothing of the group is left.
    #[must_use]
    pub fn released(&self, release: Release) -> Ownership {
        Ownership { state: OwnerState::Released(release), ..self.clone() }
    }
}

impl Order {
    /// How it ended.
    #[must_use]
    pub fn ended(&self, code: Code, generation: u64, detail: &str) -> Outcome {
        let (to, detail) = (self.to.clone(), detail.to_owned());
        Outcome { id: self.id, to, cause: self.cause, code, generation, detail }
    }
}
