//! The store: documents that are compared and set, in one order that agrees with real time. Reads may be stale.

use std::collections::BTreeMap;
use std::sync::Arc;

use stead_lease::{Found, Guard, Session, Sid};
use stead_policy::GroupConfig;
use stead_policy::cluster::{NodeRecord, Ownership, Published};

/// Which of the documents that the production code writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Key {
    /// `own/<group>`.
    Own(usize),
    /// `state/<group>`.
    State(usize),
    /// `node/<name>`.
    Record(usize),
    /// `group/<group>`.
    Configuration(usize),
}

/// What stands in one of them; always behind an `Arc`.
#[allow(clippy::large_enum_variant, reason = "most of them are of the largest kind")]
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Paper {
    Own(Arc<Ownership>),
    State(Published),
    Record(NodeRecord),
    Configuration(Box<GroupConfig>),
}

/// Who owns a group: `own/<group>`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Own {
    pub(crate) generation: u64,
    pub(crate) node: usize,
    pub(crate) sid: Sid,
    pub(crate) released: bool,
    /// Where an operator wants it.
    pub(crate) order: Option<usize>,
}

#[derive(Clone, Debug)]
pub(crate) struct Document<T> {
    pub(crate) revision: u64,
    pub(crate) value: T,
}

/// The documents that the production code writes.
pub(crate) type Papers = BTreeMap<Key, Document<Arc<Paper>>>;

/// All documents at one revision.
#[derive(Clone, Debug)]
pub(crate) struct Snapshot {
    pub(crate) revision: u64,
    pub(crate) sessions: Vec<Document<Option<Arc<Session>>>>,
    pub(crate) own: Vec<Document<Own>>,
    /// Shared with those that were told of it, until the next write.
    pub(crate) papers: Arc<Papers>,
}

#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) now: Snapshot,
    pub(crate) incarnation: u64,
    /// What there was: taken once a second, when a fault of the run needs it.
    pub(crate) past: Vec<Snapshot>,
}

impl Store {
    pub(crate) fn new(nodes: usize, groups: usize) -> Self {
        let nobody = Own { generation: 0, node: 0, sid: Sid(0), released: true, order: None };
        let now = Snapshot {
            revision: 1,
            sessions: vec![Document { revision: 0, value: None }; nodes],
            own: vec![Document { revision: 1, value: nobody }; groups],
            papers: Arc::default(),
        };
        Store { now, incarnation: 1, past: Vec::new() }
    }

    /// Whether the guard of a session holds.
    pub(crate) fn holds(&self, name: usize, guard: Guard) -> bool {
        let document = &self.now.sessions[name];
        match guard {
            Guard::Absent => document.value.is_none(),
            Guard::At(revision) => document.value.is_some() && document.revision == revision,
        }
    }

    pub(crate) fn put_session(&mut self, name: usize, session: Option<Arc<Session>>) -> u64 {
        self.now.revision += 1;
        self.now.sessions[name] = Document { revision: self.now.revision, value: session };
        self.now.revision
    }

    /// All at one revision.
    pub(crate) fn put_papers(&mut self, puts: &[(Key, Arc<Paper>)]) -> u64 {
        self.now.revision += 1;
        let revision = self.now.revision;
        let papers = Arc::make_mut(&mut self.now.papers);
        for (key, paper) in puts {
            papers.insert(*key, Document { revision, value: Arc::clone(paper) });
        }
        revision
    }

    pub(crate) fn put_own(&mut self, group: usize, own: Own) -> u64 {
        self.now.revision += 1;
        self.now.own[group] = Document { revision: self.now.revision, value: own };
        self.now.revision
    }
}

impl Snapshot {
    pub(crate) fn found(&self, name: usize) -> Found {
        let document = &self.sessions[name];
        match &document.value {
            Some(session) => Found::Document { revision: document.revision, session: Arc::clone(session) },
            None => Found::Nothing { as_of: self.revision },
        }
    }
}
