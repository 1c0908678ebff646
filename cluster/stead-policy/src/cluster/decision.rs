use std::sync::Arc;

use stead_types::{GroupName, NodeName};

use super::ownership::Ownership;
use super::situation::NodeRecord;
use crate::action::Record;

/// What a write is guarded by. If it no longer holds nothing is written, and the next decision sees why.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// There is no document.
    Absent,
    /// The document is as it was at this revision.
    At(u64),
}

/// Why a group may be assigned: the fact that nobody else has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Freed {
    /// Nobody ever had it.
    Never,
    /// Its owner wrote that nothing of it is left.
    Released,
    /// The session it was assigned to is over: marked dead, left, or replaced by another one of the same node.
    SessionOver {
        /// The node.
        node: NodeName,
        /// Its session.
        session: u128,
    },
}

/// One thing to do. Documents are whole: whoever carries it out has no choice left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Gives a group to a node: `own/<group>` becomes this.
    Assign {
        /// Which.
        group: GroupName,
        /// Of `own/<group>`.
        guard: Guard,
        /// Why it may be.
        freed: Freed,
        /// The next generation.
        document: Arc<Ownership>,
    },
    /// Asks a group's owner to move it: `own/<group>` becomes this.
    Order {
        /// Which.
        group: GroupName,
        /// Of `own/<group>`.
        guard: Guard,
        /// With the order.
        document: Arc<Ownership>,
    },
    /// Says why a group is not placed otherwise, or that this is over, or forgets failovers past their period:
    /// `own/<group>` becomes this. The group stays where and as it is.
    Amend {
        /// Which.
        group: GroupName,
        /// Of `own/<group>`.
        guard: Guard,
        /// With other words or fewer failovers.
        document: Arc<Ownership>,
    },
    /// Something about a node changes: `node/<name>` becomes this.
    Node {
        /// Which.
        node: NodeName,
        /// Of `node/<name>`.
        guard: Guard,
        /// As it becomes.
        record: Box<NodeRecord>,
    },
    /// Adds a line to the event history, after the decision before it was carried out; not if that failed.
    Record(Record),
}

impl Decision {
    /// The group whose ownership document it writes.
    #[must_use]
    pub const fn group(&self) -> Option<&GroupName> {
        match self {
            Decision::Assign { group, .. }
            | Decision::Order { group, .. }
            | Decision::Amend { group, .. } => Some(group),
            Decision::Node { .. } | Decision::Record(_) => None,
        }
    }
}
