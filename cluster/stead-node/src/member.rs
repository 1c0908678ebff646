//! One node among several: its session, the groups it has, and the cluster as it sees it.
//!
//! Everything between nodes goes through the cluster database. What others write comes as news; what this node decides
//! is written guarded by what it was decided on, and takes effect when it is stored. The three machines that decide are
//! pure and elsewhere: the lease (`stead-lease`), the coordinator and the policy (`stead-policy`).

mod context;
pub(crate) mod documents;
mod elsewhere;
mod fencing;
mod machine;
mod moving;
mod news;
mod nodes;
mod odd;
mod open;
mod ownership;
mod publish;
mod renewals;
mod session;
mod shutdown;
mod situation;
mod threads;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stead_lease::{Identity, Machine, Params};
use stead_membership::NodeFile;
use stead_policy::Record;
use stead_policy::cluster::{Coordinator, NodeFacts, NodeRecord, Owner, Situation};
use stead_store::{Entry, Guard, News, Revision};
use stead_store_etcd::Memory;
use stead_types::{Code, GroupName, NodeName, Time, TypeName};

use documents::StateDocument;
pub(crate) use machine::Machinery;
pub(crate) use moving::Move;
pub(crate) use news::is_configuration;
pub(crate) use open::{history, history_folder, open};
pub(crate) use threads::{Threads, Token, Told};

use crate::node::Node;

/// What this node knows before it begins.
#[derive(Clone, Debug)]
pub(crate) struct Beginning {
    /// The timings of its session.
    pub(crate) params: Params,
    /// Which machine it is.
    pub(crate) identity: Identity,
    /// That a session of this machine is from before a reboot is believed.
    pub(crate) trust_reboot: bool,
    /// The incarnation of the cluster database.
    pub(crate) incarnation: String,
    /// It was another one when this node last looked, or at an earlier revision.
    pub(crate) incarnation_is_new: bool,
    pub(crate) incarnation_is_unknown: bool,
    /// What this machine remembers of the cluster database.
    pub(crate) memory: Memory,
    /// The revision everything was read at.
    pub(crate) revision: Revision,
    /// What this machine is in the cluster, and how it switches others off.
    pub(crate) file: Box<NodeFile>,
}

/// What a write under way is for.
#[derive(Debug)]
enum Purpose {
    /// A group's document, and what to say when it is stored.
    Own { group: GroupName, records: Vec<Record> },
    /// A node's document.
    Node { node: NodeName, record: Box<NodeRecord>, records: Vec<Record> },
    /// What is said of groups.
    State(Vec<(GroupName, StateDocument)>),
    /// What this machine cannot load.
    Host,
    /// The documents of a group that is no more.
    Leftover(GroupName),
}

/// An apply that waits for a group of another node.
#[derive(Debug)]
struct Awaited {
    group: GroupName,
    settling: u64,
    since: Time,
}

/// A node among several.
#[derive(Debug)]
pub(crate) struct Member {
    me: NodeName,
    machine: Machine,
    threads: Threads,
    /// Who looks at this machine's files.
    machinery: Machinery,
    /// What this machine cannot load is being written.
    telling_host: bool,
    /// The revision of what is stored of that; none if nothing is.
    host_revision: Option<Revision>,
    begin: Beginning,
    coordinator: Coordinator,
    situation: Situation,
    /// Which groups this node has.
    owner: Owner,
    states: BTreeMap<GroupName, StateDocument>,
    /// Writes under way, and the nodes whose documents they change.
    writes: BTreeMap<Token, Purpose>,
    busy: BTreeSet<NodeName>,
    next: u64,
    /// The situation has changed since the last decision.
    decide: bool,
    /// It is not decided again before.
    decide_at: Time,
    /// What was decided last could not all be written.
    undecided: bool,
    /// Something was decided about a document that is being written: it is decided again when a write has ended.
    held_up: bool,
    /// Something was decided that the lease machine did not allow yet: it is decided again with what it hears next.
    withheld: bool,
    /// When something was published last, and when something may have to be.
    published_at: Time,
    publish_at: Option<Time>,
    published: BTreeMap<GroupName, StateDocument>,
    /// News that wait until a write of this node's has become the configuration.
    held: VecDeque<News>,
    /// What makes no sense in the database, and what was said of it.
    odd: BTreeMap<String, String>,
    moving: Vec<moving::Moving>,
    awaited: Vec<Awaited>,
    /// When it is looked again whether nobody will have one of them.
    forsaken_at: Time,
    asked: Vec<nodes::Asked>,
    /// Questions to resource DLLs what is to go with the departure of their group.
    contexts: BTreeMap<GroupName, context::Context>,
    fences: fencing::Fences,
    /// This node is paused, as the policy knows it.
    paused: bool,
    /// The revision of the last news.
    revision: Revision,
    /// Sessions as they were when this node began.
    sessions_at_start: Vec<(NodeName, stead_lease::Found)>,
    /// The guardian's number for the leases in force.
    leases: Option<u128>,
    /// The guardian has begun them.
    in_force: bool,
    /// Why the guardian did not: the process ends with this when the session is given up.
    refused: Option<String>,
    renewals: renewals::Renewals,
    /// When the cluster database last answered anything about the session.
    heard: Time,
    /// It was asked again since, and did not answer.
    unheard: bool,
    /// The last deadline of the session.
    armed: Option<stead_lease::Kept>,
    /// Everything under this number has to be gone before anything begins.
    waits_for: Option<u128>,
    /// Resource types of which an operator has accepted that they are on nodes without a watchdog.
    accepted: Vec<TypeName>,
    /// Resource types that nothing on their machine ends.
    unfenced: Vec<TypeName>,
    /// The session was given up.
    left: bool,
    leaving: Option<shutdown::Leaving>,
}

impl Member {
    /// One that has not begun.
    pub(crate) fn new(me: NodeName, begin: Beginning, threads: Threads, machinery: Machinery) -> Self {
        Member {
            machine: Machine::new(me.clone()),
            owner: Owner::new(me.clone()),
            me,
            threads,
            machinery,
            telling_host: false,
            host_revision: None,
            revision: begin.revision,
            begin,
            coordinator: Coordinator::new(),
            situation: Situation::default(),
            states: BTreeMap::new(),
            writes: BTreeMap::new(),
            busy: BTreeSet::new(),
            next: 0,
            decide: true,
            decide_at: Time::ZERO,
            undecided: false,
            held_up: false,
            withheld: false,
            published_at: Time::ZERO,
            publish_at: Some(Time::ZERO),
            published: BTreeMap::new(),
            held: VecDeque::new(),
            odd: BTreeMap::new(),
            moving: Vec::new(),
            awaited: Vec::new(),
            forsaken_at: Time::ZERO,
            asked: Vec::new(),
            contexts: BTreeMap::new(),
            fences: fencing::Fences::default(),
            paused: false,
            sessions_at_start: Vec::new(),
            leases: None,
            in_force: false,
            renewals: renewals::Renewals::default(),
            heard: crate::edge::timer::now(),
            unheard: false,
            armed: None,
            waits_for: None,
            refused: None,
            accepted: Vec::new(),
            unfenced: Vec::new(),
            left: false,
            leaving: None,
        }
    }

    fn token(&mut self) -> Token {
        self.next += 1;
        Token(self.next)
    }

    /// The guard of a document that was last seen at this revision.
    fn guard(key: &str, revision: Option<Revision>) -> Guard {
        match revision {
            Some(revision) => Guard::ModifiedAt(key.to_owned(), revision),
            None => Guard::Absent(key.to_owned()),
        }
    }

    fn node_mut(&mut self, node: &NodeName) -> &mut NodeFacts {
        self.situation.nodes.entry(node.clone()).or_default()
    }

    /// When something is due.
    pub(crate) fn next_timeout(&self) -> Option<Time> {
        let rest = Some(self.decide_at).filter(|_| self.decide);
        let may_act = || self.machine.may_act(crate::edge::timer::now());
        let coordinator = if self.owner.began() && self.decides() && may_act() {
            [self.coordinator.next_timeout(), rest].into_iter().flatten().min()
        } else {
            None
        };
        let leaving = self.leaving.as_ref().and_then(shutdown::Leaving::timeout);
        let publish = self.publish_at.filter(|_| self.in_force);
        let all = [self.machine.next_timeout(), coordinator, self.owner.next_timeout(), publish, leaving];
        all.into_iter().flatten().min()
    }

    /// True if this node is the one that decides: of those that are up, the first by name. That two think so at once costs
    /// conflicts and nothing else.
    fn decides(&self) -> bool {
        self.machine.state() == stead_lease::State::Active
            && self.coordinator_name().is_none_or(|coordinator| coordinator == self.me)
    }

    /// The node that decides, as seen from here.
    fn coordinator_name(&self) -> Option<NodeName> {
        use stead_lease::Sight;
        let now = crate::edge::timer::now();
        let up = self.machine.nodes().map(|(node, _)| node);
        up.filter(|node| self.machine.sight(node, now) == Some(Sight::Up)).min().cloned()
    }
}

impl Node {
    /// Becomes one of several. `entries` is everything in the database but the configuration.
    pub(crate) fn join(&mut self, mut member: Member, entries: Vec<Entry>) {
        member.sessions_at_start = entries
            .iter()
            .filter_map(|entry| {
                let node = entry.key.strip_prefix(threads::SESSIONS)?.parse().ok()?;
                Some((node, threads::found(entry)))
            })
            .collect();
        self.policy.member([]);
        self.member = Some(member);
        for entry in entries {
            if !entry.key.starts_with(threads::SESSIONS) && !entry.key.starts_with("history/") {
                self.changed(stead_store::Change::Put(entry));
            }
        }
        self.refresh_all();
        self.look_at_files();
    }

    /// Tells people something they should know.
    pub(crate) fn warn(&mut self, text: String) {
        let (id, level, code) = (10_046, stead_policy::Level::Warning, Code::SUCCESS);
        self.record(Record { id, level, group: None, resource: None, code, text });
    }

    /// What follows from what was heard and from the time. False if there may be more to do at once.
    pub(crate) fn member_step(&mut self) -> bool {
        if self.member.is_none() {
            return true;
        }
        self.take_news(self.writing);
        self.drive_session();
        self.see_sessions();
        self.fence_silent();
        self.leave_on();
        self.give_back();
        self.settle_forsaken();
        self.decide();
        self.write_wishes();
        self.publish();
        true
    }
}
