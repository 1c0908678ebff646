//! Which groups this node has: they come and go by their documents, and the coordinator decides about the others'.

use stead_lease::Sid;
use stead_policy::cluster::{
    ArrivalKind, Cause, Decision, Freed, Guard as DecisionGuard, OwnerState, Ownership, Release as Released,
};
use stead_policy::{Arrival, Coming, Departure, Event, Level, Record, Release, Will};
use stead_store::Operation;
use stead_types::{Code, GroupName, NodeName, Time};

use super::documents::{node_key, own_key, ownership_value, record_value};
use super::{Having, Member, Purpose, Wish};
use crate::edge::timer;
use crate::node::Node;

/// The pause before a write that failed is tried again.
const PAUSE: std::time::Duration = std::time::Duration::from_millis(200);

/// After a decision about everything the coordinator rests for so many times as long as it took. One about few groups
/// takes no time, and waits for nothing; but when a thousand are placed, each of which is news by itself when it is
/// stored, the node must not decide a thousand times about all of them while its session waits to be renewed.
const REST: u32 = 4;

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

impl Member {
    /// True if this document says that the group is this node's, now.
    fn is_mine(&self, document: &Ownership) -> bool {
        document.node == self.me
            && document.state == OwnerState::Assigned
            && self.machine.sid() == Some(Sid(document.session))
    }

    /// The groups of the session that goes on. They may run, since that session has not ended.
    pub(super) fn groups_of_session(
        &mut self,
        running: &std::collections::BTreeSet<GroupName>,
    ) -> Vec<GroupName> {
        if !self.machine.may_act(timer::now()) {
            return Vec::new();
        }
        let mine: Vec<(GroupName, u64)> = self
            .owned
            .iter()
            .filter(|(_, owned)| self.is_mine(&owned.document))
            .map(|(group, owned)| (group.clone(), owned.document.generation))
            .collect();
        let (mine, unconfirmed): (Vec<_>, Vec<_>) =
            mine.into_iter().partition(|(group, _)| running.contains(group));
        self.unconfirmed.extend(unconfirmed.into_iter().map(|(group, _)| group));
        for (group, generation) in &mine {
            // Nobody waits for its coming any more.
            let arrived = Some((Code::SUCCESS, String::new()));
            let having = Having { generation: *generation, order: None, online: None, served: true, arrived };
            self.having.insert(group.clone(), having);
        }
        mine.into_iter().map(|(group, _)| group).collect()
    }

    /// What the document becomes by what this node wishes.
    fn wished(&self, group: &GroupName, wish: &Wish) -> Option<Ownership> {
        let document = &self.owned.get(group)?.document;
        if !self.is_mine(document) {
            return None;
        }
        match wish {
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
}

impl Node {
    /// Looks at all groups.
    pub(crate) fn settle_groups(&mut self) {
        let Some(member) = &self.member else { return };
        let groups: Vec<GroupName> = member.owned.keys().chain(member.having.keys()).cloned().collect();
        for group in groups {
            self.settle_group(&group);
        }
    }

    /// Brings what runs here in line with the group's document.
    pub(crate) fn settle_group(&mut self, group: &GroupName) {
        let now = timer::now();
        let configured = self.policy.config().groups.contains_key(group);
        let Some(member) = &mut self.member else { return };
        if !member.began {
            return;
        }
        let document = member.owned.get(group).map(|owned| owned.document.clone());
        let mine = document.as_ref().filter(|document| member.is_mine(document));
        let may_act = member.in_force && member.machine.may_act(now);
        match (mine, member.having.get_mut(group)) {
            (Some(document), None) if may_act && configured && member.unconfirmed.contains(group) => {
                // Written as it is: if that succeeds, what was read is so.
                let document = document.clone();
                let revision = member.owned.get(group).map(|owned| owned.revision);
                member.write_own(group.clone(), revision, document, Vec::new());
            }
            (Some(document), None) if may_act && configured => {
                let generation = document.generation;
                let having = Having { generation, order: None, online: None, served: false, arrived: None };
                member.having.insert(group.clone(), having);
                let arrival = arrival(document);
                self.policy.handle(Event::Arrived { group: group.clone(), arrival }, now);
                self.follow_order(group, now);
            }
            (Some(document), Some(having)) if having.generation == document.generation => {
                self.follow_order(group, now);
            }
            (None, None) | (Some(_), None) => {}
            (Some(_) | None, Some(_)) => self.lost(group, document.as_ref(), now),
        }
    }

    /// The group is not this node's any more.
    fn lost(&mut self, group: &GroupName, document: Option<&Ownership>, now: Time) {
        let Some(member) = &mut self.member else { return };
        member.having.remove(group);
        member.published.remove(group);
        let wish = member.wishes.remove(group);
        let released = matches!(wish, Some(Wish::Released(_) | Wish::Left));
        if !released {
            // Nobody may change this document but for this node; who did it by hand gets what it says: at once.
            let text = match document {
                Some(document) => format!(
                    "group \"{group}\" was given to node \"{}\" while it runs here; it is killed here",
                    document.node
                ),
                None => format!(
                    "the owner of group \"{group}\" was deleted while it runs here; it is killed here"
                ),
            };
            let code = Code::ERROR_HOST_NODE_NOT_GROUP_OWNER;
            let (id, level, lost) = (10_033, Level::Critical, group.clone());
            self.record(Record { id, level, group: Some(lost.clone()), resource: None, code, text });
            self.monitors.kill_group(&lost);
        }
        self.policy.handle(Event::Departed { group: group.clone() }, now);
    }

    /// Carries out the order in a group's document.
    fn follow_order(&mut self, group: &GroupName, now: Time) {
        let Some(member) = &mut self.member else { return };
        let Some(order) = member.owned.get(group).and_then(|owned| owned.document.order.clone()) else {
            return;
        };
        let me = member.me.clone();
        let Some(having) = member.having.get_mut(group) else { return };
        if having.order == Some(order.id) {
            return;
        }
        having.order = Some(order.id);
        let best = || {
            let excluding = std::collections::BTreeMap::from([(me.clone(), "is where it is".to_owned())]);
            member.situation.place(group, &excluding).and_then(|placement| placement.chosen)
        };
        let Some(to) = order.to.clone().or_else(best) else {
            let detail = "no other node can take it now".to_owned();
            member.wishes.insert(group.clone(), Wish::Ended(Code::ERROR_HOST_NODE_NOT_AVAILABLE, detail));
            return;
        };
        let will = match order.cause {
            Cause::Operator | Cause::Drain(_) | Cause::Failback => Will::Operator,
            Cause::Failover | Cause::Shutdown => Will::Failover,
        };
        let departure = Departure { to, flags: order.flags, in_buffers: order.in_buffers, will };
        self.policy.handle(Event::Depart { group: group.clone(), departure }, now);
        // That it waits in the queue is no event.
        self.mark_unpublished();
    }

    /// The policy says that nothing of a group is left here.
    pub(crate) fn released(&mut self, group: GroupName, release: Release) {
        let Some(member) = &mut self.member else { return };
        // What is still on this machine must not come up on another: it is not released, whatever that costs.
        if !member.behind.contains(&group) {
            member.wishes.insert(group, Wish::Released(release));
        }
    }

    /// A dead monitor left something of its group on this machine.
    pub(crate) fn left_behind(&mut self, group: GroupName, what: &[String]) {
        let what = what.join("; ");
        let text = format!(
            "something of group \"{group}\" is still on node \"{}\" and could not be taken away: {what}. The group does not \
             leave this node before it is gone: take it away and start stead on this node anew",
            self.name()
        );
        if let Some(member) = &mut self.member {
            member.behind.insert(group.clone());
        }
        let (id, level, code) = (10_035, Level::Critical, Code::ERROR_INVALID_STATE);
        self.record(Record { id, level, group: Some(group), resource: None, code, text });
    }

    /// The policy says how the coming or going of a group has ended.
    pub(crate) fn moved(&mut self, group: GroupName, code: Code, detail: String) {
        let Some(member) = &mut self.member else { return };
        let Some(having) = member.having.get_mut(&group) else { return };
        if having.order.is_some() {
            // An order ends a coming as well.
            having.arrived.get_or_insert((Code::SUCCESS, String::new()));
            if !code.is_success() {
                member.wishes.insert(group, Wish::Ended(code, detail));
            }
        } else {
            having.arrived = Some((code, detail));
        }
        member.hurry();
    }

    /// Writes what this node wishes of its groups.
    pub(crate) fn write_wishes(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        if member.again.is_some_and(|at| at > now) {
            return;
        }
        member.again = None;
        let mut void = Vec::new();
        for (group, wish) in member.wishes.clone() {
            if member.busy.contains(&own_key(&group)) {
                continue;
            }
            match member.wished(&group, &wish) {
                Some(document) => {
                    let revision = member.owned.get(&group).map(|owned| owned.revision);
                    member.write_own(group, revision, document, Vec::new());
                }
                None => void.push(group),
            }
        }
        for group in void {
            // Its document says that it is not this node's, or that there is no order any more.
            if !member.having.contains_key(&group)
                || matches!(member.wishes.get(&group), Some(Wish::Ended(..)))
            {
                member.wishes.remove(&group);
            }
        }
    }

    /// Decides what is to be decided, if this node is the one that does.
    pub(crate) fn decide(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        if !member.began || !member.decides() || !member.machine.may_act(now) {
            return;
        }
        let due = member.coordinator.next_timeout().is_some_and(|at| at <= now);
        if (!member.decide || member.decide_at > now) && !due {
            return;
        }
        member.decide = false;
        member.situation.hour = timer::hour_of_day();
        let decisions = member.coordinator.decide(&member.situation, now);
        let decided = timer::now();
        member.decide_at = decided.after(decided.since(now).saturating_mul(REST));
        // What is told belongs to the decision before it. What is not written now is decided again, and told then.
        let mut follows: Option<super::Token> = None;
        for decision in decisions {
            let revision = |guard| match guard {
                DecisionGuard::Absent => None,
                DecisionGuard::At(revision) => Some(revision),
            };
            match decision {
                Decision::Assign { group, guard, freed, document } => {
                    let free = match freed {
                        Freed::Never | Freed::Released => true,
                        Freed::SessionOver { node, session } => {
                            let named_at = revision(guard).unwrap_or(u64::MAX);
                            member.machine.is_over(&node, Sid(session), named_at)
                        }
                    };
                    follows = free
                        .then(|| member.write_own(group, revision(guard), *document, Vec::new()))
                        .flatten();
                }
                Decision::Order { group, guard, document } | Decision::Amend { group, guard, document } => {
                    follows = member.write_own(group, revision(guard), *document, Vec::new());
                }
                Decision::Node { node, guard, record } => {
                    follows = member.write_node(&node, revision(guard), *record);
                }
                Decision::Record(record) => match follows.and_then(|token| member.writes.get_mut(&token)) {
                    Some(Purpose::Own { records, .. } | Purpose::Node { records, .. }) => {
                        records.push(record)
                    }
                    Some(Purpose::State(_) | Purpose::Leftover(_)) | None => {}
                },
            }
        }
    }

    /// The name of this node.
    pub(crate) fn name(&self) -> NodeName {
        self.policy.node().clone()
    }
}

impl Member {
    /// Writes a group's document, unless it is being written.
    pub(super) fn write_own(
        &mut self,
        group: GroupName,
        revision: Option<u64>,
        document: Ownership,
        records: Vec<Record>,
    ) -> Option<super::Token> {
        let key = own_key(&group);
        if !self.busy.insert(key.clone()) {
            return None;
        }
        let guard = Member::guard(&key, revision);
        let token = self.token();
        self.threads.write(token, vec![guard], vec![Operation::Put(key, ownership_value(&document))]);
        self.writes.insert(token, Purpose::Own { group, document: Box::new(document), records });
        Some(token)
    }

    /// Writes a node's document, unless it is being written.
    pub(super) fn write_node(
        &mut self,
        node: &NodeName,
        revision: Option<u64>,
        record: stead_policy::cluster::NodeRecord,
    ) -> Option<super::Token> {
        let key = node_key(node);
        if !self.busy.insert(key.clone()) {
            return None;
        }
        let guard = Member::guard(&key, revision);
        let token = self.token();
        self.threads.write(token, vec![guard], vec![Operation::Put(key, record_value(&record))]);
        self.writes.insert(
            token,
            Purpose::Node { node: node.clone(), record: Box::new(record), records: Vec::new() },
        );
        Some(token)
    }

    /// A write failed: it is decided anew, a little later if the store was the reason.
    pub(super) fn failed(&mut self, conflict: bool) {
        self.decide = true;
        if !conflict {
            self.again = Some(timer::now().after(PAUSE));
        }
    }
}
