//! The owner's side of the documents: which groups a node has, how they come and go, and what it writes about them.
//!
//! A machine between three others: documents and answers to writes come in, and go out as events for the node's
//! [`Policy`](crate::Policy) and as guarded writes. Nothing is believed but what is stored: a group is this node's when
//! its document says so, in the session there is, and no sooner.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use stead_types::{Code, GroupName, GroupState, NodeName, Time};

use super::ownership::{ArrivalKind, Cause, OwnerState, Ownership, Release as Released};
use super::situation::{Owned, Published, Situation};
use crate::action::{Level, Record};
use crate::event::Event;
use crate::hosting::{Arrival, Coming, Departure, OperationContext, Release, Will};
use crate::policy::{Looks, Policy};

/// The pause before a write that failed is tried again.
const PAUSE: Duration = Duration::from_millis(200);

/// A group that fails sooner after it came online has not served: the node is no good for it.
const SERVED: Duration = Duration::from_secs(10);

/// What the node's session allows at this instant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tenure {
    /// The session, if there is one.
    pub session: Option<u128>,
    /// It is in force: what is begun now is begun within it.
    pub may_act: bool,
}

/// What is to be done for the groups of a node, in this order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum OwnerAction {
    /// Goes to the node's policy.
    Tell(Event),
    /// `own/<group>` becomes this, if it is still as it was at that revision; without one if there is none. Answered by
    /// [`Owner::written`].
    Write {
        /// Which.
        group: GroupName,
        /// The guard.
        revision: Option<u64>,
        /// As it becomes.
        document: Arc<Ownership>,
        /// What is told once it is stored.
        records: Vec<Record>,
    },
    /// Everything of the group is killed here, at once.
    Kill(GroupName),
    /// Adds a line to the event history.
    Record(Record),
}

/// Why a write changed nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unwritten {
    /// Something else was written first.
    Conflict,
    /// The database did not do it, or nobody knows.
    Failed,
}

/// What an owner may say of a group it has.
struct Serving {
    generation: u64,
    /// It was online in it for long enough to say so.
    served: bool,
    /// When it will have been, if it stays online.
    later: Option<Time>,
}

/// A group that this node has.
#[derive(Debug)]
struct Having {
    generation: u64,
    /// The order it is being taken away for.
    order: Option<u64>,
    /// Since when it is online.
    online: Option<Time>,
    /// It has served in this generation: it was online for long enough to say so.
    served: bool,
    /// How its coming here has ended: all that is wanted is online, or what is in the way.
    arrived: Option<(Code, String)>,
}

/// What the owner of a group wants written into its document.
#[derive(Clone, Debug)]
enum Wish {
    /// Nothing of it is left here.
    Released(Release),
    /// The order has ended without a move.
    Ended(Code, String),
    /// The node leaves.
    Left,
}

/// The groups of one node.
#[derive(Debug)]
pub struct Owner {
    me: NodeName,
    /// What runs here is known.
    began: bool,
    /// The node leaves: no group becomes its own any more.
    leaving: bool,
    /// The documents of all groups, also of such as are not configured.
    documents: BTreeMap<GroupName, Owned>,
    having: BTreeMap<GroupName, Having>,
    /// The session that the process before this one had: whatever is given to it that does not run here may have been
    /// released by that process, and what was read may be older than that.
    resumed: Option<u128>,
    /// Groups that were written by this process: what was read of them is so.
    confirmed: BTreeSet<GroupName>,
    /// Groups that were this node's when its session lapsed, and do not run: they may have been released since.
    unconfirmed: BTreeSet<GroupName>,
    /// Groups of which something is left on this machine that could not be taken away.
    behind: BTreeSet<GroupName>,
    /// Their releases, until that is gone.
    withheld: BTreeMap<GroupName, Release>,
    wishes: BTreeMap<GroupName, Wish>,
    /// Documents that are being written, and what they become; nothing if they are deleted.
    writing: BTreeMap<GroupName, Option<Arc<Ownership>>>,
    /// Writes that failed are tried again then, and why they failed.
    again: Option<(Time, Unwritten)>,
    actions: VecDeque<OwnerAction>,
}

/// How the policy is told of an arrival.
fn arrival(document: &Ownership) -> Arrival {
    let of = &document.arrival;
    let coming = match of.kind {
        ArrivalKind::First | ArrivalKind::Failover | ArrivalKind::Takeover => Coming::Placed,
        ArrivalKind::Move => Coming::Moved,
        ArrivalKind::Return => {
            let failed =
                document.outcome.as_ref().map_or(Code::ERROR_RESOURCE_FAILED, |outcome| outcome.code);
            Coming::Returned(failed)
        }
    };
    Arrival {
        coming,
        start: of.start,
        source: of.source.clone(),
        flags: of.flags,
        in_buffers: of.in_buffers.clone(),
    }
}

impl Owner {
    /// One that has no group and does nothing until [`Owner::adopt`].
    #[must_use]
    pub fn new(me: NodeName) -> Self {
        Owner {
            me,
            began: false,
            leaving: false,
            documents: BTreeMap::new(),
            having: BTreeMap::new(),
            resumed: None,
            confirmed: BTreeSet::new(),
            unconfirmed: BTreeSet::new(),
            behind: BTreeSet::new(),
            withheld: BTreeMap::new(),
            wishes: BTreeMap::new(),
            writing: BTreeMap::new(),
            again: None,
            actions: VecDeque::new(),
        }
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<OwnerAction> {
        self.actions.pop_front()
    }

    /// When what was not written is due again. Until then nothing is to be decided on what was known before.
    #[must_use]
    pub fn next_timeout(&self) -> Option<Time> {
        self.again.map(|(at, _)| at)
    }

    /// True while nothing is to be written: a write has just failed.
    #[must_use]
    pub fn rests(&self, now: Time) -> bool {
        self.again.is_some_and(|(at, _)| at > now)
    }

    /// The documents of all groups, as they were last seen.
    #[must_use]
    pub const fn documents(&self) -> &BTreeMap<GroupName, Owned> {
        &self.documents
    }

    /// True if this node has the group: it runs here, or may.
    #[must_use]
    pub fn has(&self, group: &GroupName) -> bool {
        self.having.contains_key(group)
    }

    /// The groups this node has.
    pub fn groups(&self) -> impl Iterator<Item = &GroupName> {
        self.having.keys()
    }

    /// What runs here is known.
    #[must_use]
    pub const fn began(&self) -> bool {
        self.began
    }

    /// True if nothing has to be written that is not.
    #[must_use]
    pub fn is_settled(&self) -> bool {
        self.wishes.is_empty() && self.writing.is_empty()
    }

    /// True if the session may end in good order: everything is written, and nothing of any group is left here.
    #[must_use]
    pub fn may_leave(&self) -> bool {
        self.is_settled() && self.behind.is_empty()
    }

    /// How the coming of a group that this node has came to an end; none while it goes on.
    #[must_use]
    pub fn arrived(&self, group: &GroupName) -> Option<&(Code, String)> {
        self.having.get(group)?.arrived.as_ref()
    }

    /// True if this document says that the group is this node's, now.
    fn is_mine(&self, document: &Ownership, session: Option<u128>) -> bool {
        document.node == self.me
            && document.state == OwnerState::Assigned
            && session == Some(document.session)
    }

    /// What runs here is known. The groups of the session that goes on are this node's as they are, and returned: that
    /// session has not ended. Those of which nothing runs are not simply started: the process before this one may have
    /// released them, and what was read may be older than that. Nor is anything, where the session has lapsed already and
    /// is renewed as the same one later.
    pub fn adopt(&mut self, running: &BTreeSet<GroupName>, tenure: Tenure) -> Vec<GroupName> {
        self.began = true;
        self.resumed = tenure.session;
        if !tenure.may_act {
            return Vec::new();
        }
        let mine: Vec<(GroupName, u64)> = self
            .documents
            .iter()
            .filter(|(group, owned)| {
                self.is_mine(&owned.document, tenure.session) && running.contains(*group)
            })
            .map(|(group, owned)| (group.clone(), owned.document.generation))
            .collect();
        for (group, generation) in &mine {
            // Nobody waits for its coming any more.
            let arrived = Some((Code::SUCCESS, String::new()));
            let having = Having { generation: *generation, order: None, online: None, served: true, arrived };
            self.having.insert(group.clone(), having);
        }
        mine.into_iter().map(|(group, _)| group).collect()
    }

    /// True if a group that is this node's by its document may have been released since.
    fn is_unconfirmed(&self, group: &GroupName, session: Option<u128>) -> bool {
        let resumed = self.resumed.is_some() && self.resumed == session;
        self.unconfirmed.contains(group) || resumed && !self.confirmed.contains(group)
    }

    /// A document was seen, or its end. False if it is old news, and nothing changes.
    pub fn seen(&mut self, group: &GroupName, owned: Option<Owned>) -> bool {
        match owned {
            Some(owned) => {
                if self.documents.get(group).is_some_and(|have| have.revision >= owned.revision) {
                    return false;
                }
                self.documents.insert(group.clone(), owned);
            }
            None => drop(self.documents.remove(group)),
        }
        // This may be what was in the way.
        self.again = self.again.filter(|(_, why)| *why == Unwritten::Failed);
        true
    }

    /// Brings what runs here in line with a group's document.
    pub fn settle(&mut self, group: &GroupName, configured: bool, tenure: Tenure, situation: &Situation) {
        if !self.began {
            return;
        }
        // What is given to a session that ends is the next one's, and was never begun here.
        let takes = tenure.may_act && configured && !self.leaving;
        let owned = self.documents.get(group);
        let mine = owned.filter(|owned| self.is_mine(&owned.document, tenure.session));
        let generation = mine.map(|owned| owned.document.generation);
        match (mine, self.having.get(group).map(|having| having.generation)) {
            (Some(owned), None) if takes && self.is_unconfirmed(group, tenure.session) => {
                // Written as it is: if that succeeds, what was read is so.
                let Owned { document, revision } = owned.clone();
                self.write(group.clone(), Some(revision), document, Vec::new());
            }
            (Some(owned), None) if takes => {
                let generation = owned.document.generation;
                let arrival = arrival(&owned.document);
                let having = Having { generation, order: None, online: None, served: false, arrived: None };
                self.having.insert(group.clone(), having);
                self.withheld.remove(group);
                self.tell(Event::Arrived { group: group.clone(), arrival });
                self.follow_order(group, situation);
            }
            (Some(_), Some(having)) if generation == Some(having) => self.follow_order(group, situation),
            (None, None) | (Some(_), None) => {}
            (Some(_) | None, Some(_)) => {
                let given_to = owned.map(|owned| owned.document.node.clone());
                self.lost(group, given_to.as_ref());
            }
        }
    }

    /// The group is not this node's any more.
    fn lost(&mut self, group: &GroupName, given_to: Option<&NodeName>) {
        self.having.remove(group);
        self.withheld.remove(group);
        let wish = self.wishes.remove(group);
        let released = matches!(wish, Some(Wish::Released(_) | Wish::Left));
        if !released {
            // Nobody may change this document but for this node; who did it by hand gets what it says: at once.
            let text = match given_to {
                Some(node) => {
                    format!(
                        "group \"{group}\" was given to node \"{node}\" while it runs here; it is killed here"
                    )
                }
                None => format!(
                    "the owner of group \"{group}\" was deleted while it runs here; it is killed here"
                ),
            };
            let code = Code::ERROR_HOST_NODE_NOT_GROUP_OWNER;
            let (id, level, lost) = (10_033, Level::Critical, Some(group.clone()));
            let record = Record { id, level, group: lost, resource: None, code, text };
            self.actions.push_back(OwnerAction::Record(record));
            self.actions.push_back(OwnerAction::Kill(group.clone()));
        }
        self.tell(Event::Departed { group: group.clone() });
    }

    /// Carries out the order in a group's document.
    fn follow_order(&mut self, group: &GroupName, situation: &Situation) {
        let order = self.documents.get(group).and_then(|owned| owned.document.order.as_ref());
        let (Some(order), Some(having)) = (order, self.having.get_mut(group)) else { return };
        if having.order == Some(order.id) {
            return;
        }
        let order = order.clone();
        having.order = Some(order.id);
        let best = || {
            let excluding = BTreeMap::from([(self.me.clone(), "is where it is".to_owned())]);
            situation.place(group, &excluding).and_then(|placement| placement.chosen)
        };
        let Some(to) = order.to.clone().or_else(best) else {
            let detail = "no other node can take it now".to_owned();
            self.wishes.insert(group.clone(), Wish::Ended(Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail));
            return;
        };
        let will = match order.cause {
            Cause::Operator | Cause::Drain(_) | Cause::Failback => Will::Operator,
            Cause::Failover | Cause::Shutdown => Will::Failover,
        };
        let context = match order.cause {
            Cause::Drain(_) => Some(OperationContext::Drain),
            Cause::Failback => Some(OperationContext::Failback),
            Cause::Operator | Cause::Failover | Cause::Shutdown => None,
        };
        let departure = Departure { to, flags: order.flags, in_buffers: order.in_buffers, will, context };
        self.tell(Event::Depart { group: group.clone(), departure });
    }

    /// The policy says that nothing of a group is left here. What is still on this machine must not come up on another:
    /// it is not released before that is gone, whatever that costs.
    pub fn released(&mut self, group: GroupName, release: Release) {
        if self.behind.contains(&group) {
            self.withheld.insert(group, release);
        } else {
            self.wishes.insert(group, Wish::Released(release));
        }
    }

    /// It was looked, and nothing of any group is left on this machine any more: what was withheld is released.
    pub fn left_nothing(&mut self) {
        self.behind.clear();
        for (group, release) in std::mem::take(&mut self.withheld) {
            self.wishes.insert(group, Wish::Released(release));
        }
    }

    /// Something of a group is left on this machine and could not be taken away: the group does not leave this node, and
    /// the node does not say that it has left.
    pub fn left_behind(&mut self, group: GroupName) {
        self.behind.insert(group);
    }

    /// The policy says how the coming or going of a group has ended.
    pub fn moved(&mut self, group: GroupName, code: Code, detail: String) {
        let Some(having) = self.having.get_mut(&group) else { return };
        if having.order.is_none() {
            having.arrived = Some((code, detail));
            return;
        }
        // An order ends a coming as well.
        having.arrived.get_or_insert((Code::SUCCESS, String::new()));
        if !code.is_success() {
            self.wishes.insert(group, Wish::Ended(code, detail));
        }
    }

    /// Nothing of any group is left here but of those that left something behind, and the node leaves.
    pub fn leave(&mut self) {
        self.leaving = true;
        for group in self.having.keys().filter(|group| !self.behind.contains(*group)) {
            self.wishes.insert(group.clone(), Wish::Left);
        }
    }

    /// Groups that are configured no more are not this node's any more, whatever their documents say: those go, see
    /// [`Owner::remove`]. A group that gets such a name later is another one, and is not released for this one.
    pub fn forget_deleted(&mut self, configured: impl Fn(&GroupName) -> bool) {
        let deleted: Vec<GroupName> =
            self.having.keys().filter(|group| !configured(group)).cloned().collect();
        for group in deleted {
            self.having.remove(&group);
            self.withheld.remove(&group);
            self.wishes.remove(&group);
            self.tell(Event::Departed { group });
        }
    }

    /// The session is given up or has lapsed: nothing of any group will be left here, and none is this node's to start.
    /// If it is renewed as the same one, what it had is confirmed first: a release that was written before and not
    /// answered may be stored, and the group another node's.
    pub fn forget(&mut self) {
        self.wishes.clear();
        self.withheld.clear();
        for group in std::mem::take(&mut self.having).into_keys() {
            self.unconfirmed.insert(group.clone());
            self.tell(Event::Departed { group });
        }
    }

    /// What may be said of a group that this node has, and that is in this state now.
    fn serving(&mut self, group: &GroupName, state: GroupState, now: Time) -> Option<Serving> {
        let having = self.having.get_mut(group)?;
        let since = (state == GroupState::Online).then(|| having.online.unwrap_or(now));
        having.online = since;
        having.served |= since.is_some_and(|since| now.since(since) >= SERVED);
        let later = since.filter(|_| !having.served).map(|since| since.after(SERVED));
        Some(Serving { generation: having.generation, served: having.served, later })
    }

    /// What this node says of a group that it has, as it is now, and when there may be more to say although nothing has
    /// happened.
    pub fn says(
        &mut self,
        policy: &Policy,
        group: &GroupName,
        now: Time,
    ) -> Option<(Published, Option<Time>)> {
        if !self.has(group) {
            return None;
        }
        let Looks { state, locked, queued } = policy.looks(group)?;
        let Serving { generation, served, later } = self.serving(group, state, now)?;
        let given_up = policy.wants_failover(group).map(|(resource, _)| resource).into_iter().collect();
        Some((Published { generation, state, served, given_up, locked, queued }, later))
    }

    /// What the document becomes by what this node wishes.
    fn wished(&self, group: &GroupName, wish: &Wish, session: Option<u128>) -> Option<Ownership> {
        let document = &self.documents.get(group)?.document;
        if !self.is_mine(document, session) {
            return None;
        }
        match wish {
            // It was released before something turned out to be left.
            Wish::Released(_) | Wish::Left if self.behind.contains(group) => None,
            Wish::Released(release) => Some(document.released(match &release.returning {
                Some((code, _)) => Released::Returning { code: *code },
                None => Released::Ordered,
            })),
            Wish::Ended(code, detail) => {
                document.order.as_ref().map(|_| document.with_order_ended(*code, detail))
            }
            Wish::Left => Some(document.released(Released::Leaving)),
        }
    }

    /// Writes what this node wishes of its groups. Call it whenever something has happened, and at
    /// [`Owner::next_timeout`].
    pub fn write_wishes(&mut self, session: Option<u128>, now: Time) {
        if self.rests(now) {
            return;
        }
        self.again = None;
        let mut void = Vec::new();
        for (group, wish) in self.wishes.clone() {
            if self.writing.contains_key(&group) {
                continue;
            }
            match self.wished(&group, &wish, session) {
                Some(document) => {
                    let revision = self.documents.get(&group).map(|owned| owned.revision);
                    self.write(group, revision, Arc::new(document), Vec::new());
                }
                None => void.push(group),
            }
        }
        for group in void {
            // Its document says that it is not this node's, or that there is no order any more.
            if !self.having.contains_key(&group) || matches!(self.wishes.get(&group), Some(Wish::Ended(..))) {
                self.wishes.remove(&group);
            }
        }
    }

    /// Writes a group's document, for whatever reason. False, and nothing happens, while it is being written.
    pub fn write(
        &mut self,
        group: GroupName,
        revision: Option<u64>,
        document: Arc<Ownership>,
        records: Vec<Record>,
    ) -> bool {
        if self.writing.contains_key(&group) {
            return false;
        }
        self.writing.insert(group.clone(), Some(Arc::clone(&document)));
        self.actions.push_back(OwnerAction::Write { group, revision, document, records });
        true
    }

    /// The document of a group that is configured no more is about to be deleted. False while it is being written, or
    /// if the group is here still.
    pub fn remove(&mut self, group: &GroupName) -> bool {
        if self.having.contains_key(group) || self.writing.contains_key(group) {
            return false;
        }
        self.writing.insert(group.clone(), None);
        true
    }

    /// A write has ended: the document is stored at this revision, or nothing was changed. True if that is news.
    pub fn written(&mut self, group: &GroupName, result: Result<u64, Unwritten>, now: Time) -> bool {
        let document = self.writing.remove(group).flatten();
        match (result, document) {
            (Ok(revision), Some(document)) => {
                self.unconfirmed.remove(group);
                self.confirmed.insert(group.clone());
                self.seen(group, Some(Owned { document, revision }))
            }
            (Ok(_), None) => false,
            (Err(why), _) => {
                self.failed(why, now);
                false
            }
        }
    }

    /// A write failed, of whatever document: it is tried anew a little later, or when it is seen what was written first.
    /// At once would be the same write again, as fast as the database answers, for as long as the news of it do not come.
    pub fn failed(&mut self, why: Unwritten, now: Time) {
        self.again = Some((now.after(PAUSE), why));
    }

    fn tell(&mut self, event: Event) {
        self.actions.push_back(OwnerAction::Tell(event));
    }
}
