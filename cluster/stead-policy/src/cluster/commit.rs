//! Decisions as writes: what is stored, under which guard, and what is told once it is.

use std::sync::Arc;

use stead_types::{GroupName, NodeName};

use super::decision::{Decision, Freed, Guard};
use super::ownership::Ownership;
use super::situation::NodeRecord;
use crate::action::Record;

/// A document that a decision writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Document {
    /// `own/<group>`.
    Own(GroupName, Arc<Ownership>),
    /// `node/<name>`.
    Node(NodeName, Box<NodeRecord>),
}

/// One write, and what is told when it is stored. What is not written now is decided again, and told then.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Commit {
    /// What is written.
    pub document: Document,
    /// The revision it is guarded by; none if there must be no such document.
    pub revision: Option<u64>,
    /// What is told once it is stored.
    pub records: Vec<Record>,
}

/// What is to be written for these decisions, in order. `over` is asked whether a session is over, as far as a document
/// of this revision can know: the coordinator goes by what it was shown, and the lease machine has the last word.
pub fn commits(
    decisions: impl IntoIterator<Item = Decision>,
    over: impl Fn(&NodeName, u128, u64) -> bool,
) -> Vec<Commit> {
    let mut commits: Vec<Commit> = Vec::new();
    // What is told belongs to the decision before it.
    let mut follows = false;
    for decision in decisions {
        let (document, guard) = match decision {
            Decision::Assign { group, guard, freed, document } => {
                let free = match freed {
                    Freed::Never | Freed::Released => true,
                    Freed::SessionOver { node, session } => {
                        over(&node, session, revision(guard).unwrap_or(u64::MAX))
                    }
                };
                follows = free;
                if !free {
                    continue;
                }
                (Document::Own(group, document), guard)
            }
            Decision::Order { group, guard, document } | Decision::Amend { group, guard, document } => {
                (Document::Own(group, document), guard)
            }
            Decision::Node { node, guard, record } => (Document::Node(node, record), guard),
            Decision::Record(record) => {
                if let Some(commit) = commits.last_mut().filter(|_| follows) {
                    commit.records.push(record);
                }
                continue;
            }
        };
        follows = true;
        commits.push(Commit { document, revision: revision(guard), records: Vec::new() });
    }
    commits
}

const fn revision(guard: Guard) -> Option<u64> {
    match guard {
        Guard::Absent => None,
        Guard::At(revision) => Some(revision),
    }
}
