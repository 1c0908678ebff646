//! Which groups this node has: what the owner's machine wants is carried out, and the coordinator decides about all groups.

use std::cell::Cell;

use stead_lease::Sid;
use stead_policy::cluster::{Document, NodeRecord, OwnerAction, Ownership, Tenure, Unwritten, commits};
use stead_policy::{Event, Level, Record, Release};
use stead_store::Operation;
use stead_types::{Code, GroupName, NodeName};

use super::documents::{node_key, own_key, ownership_value, record_value};
use super::{Member, Purpose};
use crate::edge::timer;
use crate::node::Node;

/// After a decision about everything the coordinator rests for so many times as long as it took. One about few groups
/// takes no time, and waits for nothing; but when a thousand are placed, each of which is news by itself when it is
/// stored, the node must not decide a thousand times about all of them while its session waits to be renewed.
const REST: u32 = 4;

impl Member {
    /// What the session allows now.
    pub(super) fn tenure(&self) -> Tenure {
        let session = self.machine.sid().map(|sid| sid.0);
        Tenure { session, may_act: self.in_force && self.machine.may_act(timer::now()) }
    }
}

impl Node {
    /// Looks at all groups.
    pub(crate) fn settle_groups(&mut self) {
        let Some(member) = &self.member else { return };
        let groups: Vec<GroupName> =
            member.owner.documents().keys().chain(member.owner.groups()).cloned().collect();
        for group in groups {
            self.settle_group(&group);
        }
    }

    /// Brings what runs here in line with the group's document.
    pub(crate) fn settle_group(&mut self, group: &GroupName) {
        let configured = self.policy.config().groups.contains_key(group);
        let Some(member) = &mut self.member else { return };
        let tenure = member.tenure();
        member.owner.settle(group, configured, tenure, &member.situation);
        self.drive_owner();
    }

    /// Carries out what the owner's machine wants.
    pub(crate) fn drive_owner(&mut self) {
        while let Some(action) = self.member.as_mut().and_then(|member| member.owner.poll_action()) {
            let Some(member) = &mut self.member else { return };
            match action {
                OwnerAction::Tell(event) => {
                    if let Event::Departed { group } = &event {
                        member.published.remove(group);
                    }
                    // That it waits in the queue is no event.
                    let departs = matches!(event, Event::Depart { .. });
                    self.policy.handle(event, timer::now());
                    if departs {
                        self.mark_unpublished();
                    }
                }
                OwnerAction::Write { group, revision, document, records } => {
                    member.store_own(group, revision, &document, records);
                }
                OwnerAction::Kill(group) => self.monitors.kill_group(&group),
                OwnerAction::Record(record) => self.record(record),
            }
        }
    }

    /// The policy says that nothing of a group is left here.
    pub(crate) fn released(&mut self, group: GroupName, release: Release) {
        if let Some(member) = &mut self.member {
            member.owner.released(group, release);
        }
    }

    /// A dead monitor left something of its group on this machine.
    pub(crate) fn left_behind(&mut self, group: GroupName, what: &[String]) {
        let what = what.join("; ");
        let text = format!(
            "something of group \"{group}\" is still on node \"{}\" and could not be taken away: {what}. The group does not \
             leave this node before it is gone: take it away, and the group may leave by itself",
            self.name()
        );
        if let Some(member) = &mut self.member {
            member.owner.left_behind(group.clone());
        }
        let (id, level, code) = (10_035, Level::Critical, Code::ERROR_INVALID_STATE);
        self.record(Record { id, level, group: Some(group), resource: None, code, text });
    }

    /// What the guardian says is left of monitors that died before this process began, or that nothing is any more. Of whom
    /// it is cannot be told from it, so that no group leaves while there is something.
    pub(crate) fn left_on_machine(&mut self, what: &[String]) {
        let Some(member) = &mut self.member else { return };
        if what.is_empty() {
            member.owner.left_nothing();
            let text = "what groups had left on this machine is gone; they may leave it again".to_owned();
            let (id, level, code) = (10_035, Level::Information, Code::SUCCESS);
            return self.record(Record { id, level, group: None, resource: None, code, text });
        }
        let of = |owned: &stead_policy::cluster::Owned| owned.document.node == member.me;
        let mine = member.owner.documents().iter().filter(|(_, owned)| of(owned));
        for group in mine.map(|(group, _)| group.clone()).collect::<Vec<_>>() {
            self.left_behind(group, what);
        }
    }

    /// The policy says how the coming or going of a group has ended.
    pub(crate) fn moved(&mut self, group: GroupName, code: Code, detail: String) {
        let Some(member) = &mut self.member else { return };
        if member.owner.has(&group) {
            member.owner.moved(group, code, detail);
            member.hurry();
        }
    }

    /// Writes what this node wishes of its groups.
    pub(crate) fn write_wishes(&mut self) {
        let Some(member) = &mut self.member else { return };
        let session = member.machine.sid().map(|sid| sid.0);
        member.owner.write_wishes(session, timer::now());
        self.drive_owner();
    }

    /// Decides what is to be decided, if this node is the one that does.
    pub(crate) fn decide(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        if !member.owner.began() || !member.decides() || !member.machine.may_act(now) {
            return;
        }
        let due = member.coordinator.next_timeout().is_some_and(|at| at <= now);
        let again = member.undecided && !member.owner.rests(now);
        let hour = timer::hour_of_day();
        if member.situation.hour != hour {
            member.situation.hour = hour;
            member.decide = true;
        }
        if (!member.decide || member.decide_at > now) && !due && !again {
            return;
        }
        member.decide = false;
        member.undecided = false;
        let decisions = member.coordinator.decide(&member.situation, now);
        let decided = timer::now();
        member.decide_at = decided.after(decided.since(now).saturating_mul(REST));
        let withheld = Cell::new(false);
        let over = |node: &NodeName, session, named_at| {
            let over = member.machine.is_over(node, Sid(session), named_at);
            withheld.set(withheld.get() || !over);
            over
        };
        let commits = commits(decisions, over);
        member.withheld = withheld.get();
        for commit in commits {
            let begun = match commit.document {
                Document::Own(group, document) => {
                    member.owner.write(group, commit.revision, document, commit.records)
                }
                Document::Node(node, record) => {
                    member.write_node(&node, commit.revision, *record, commit.records)
                }
            };
            member.held_up |= !begun;
        }
        self.drive_owner();
    }

    /// The name of this node.
    pub(crate) fn name(&self) -> NodeName {
        self.policy.node().clone()
    }
}

impl Member {
    /// Writes a group's document. The owner's machine sees to it that one write of it is under way at a time.
    fn store_own(
        &mut self,
        group: GroupName,
        revision: Option<u64>,
        document: &Ownership,
        records: Vec<Record>,
    ) {
        let key = own_key(&group);
        let guard = Member::guard(&key, revision);
        let token = self.token();
        self.threads.write(token, vec![guard], vec![Operation::Put(key, ownership_value(document))]);
        self.writes.insert(token, Purpose::Own { group, records });
    }

    /// Writes a node's document. False, and nothing happens, while it is being written.
    pub(super) fn write_node(
        &mut self,
        node: &NodeName,
        revision: Option<u64>,
        mut record: NodeRecord,
        records: Vec<Record>,
    ) -> bool {
        if let Some(quarantine) = &mut record.quarantine {
            quarantine.told_ms.get_or_insert_with(timer::wall_clock_ms);
        }
        if !self.busy.insert(node.clone()) {
            return false;
        }
        let key = node_key(node);
        let guard = Member::guard(&key, revision);
        let token = self.token();
        self.threads.write(token, vec![guard], vec![Operation::Put(key, record_value(&record))]);
        self.writes.insert(token, Purpose::Node { node: node.clone(), record: Box::new(record), records });
        true
    }

    /// A write failed: it is decided anew a little later, or when it is seen what was written first.
    pub(super) fn failed(&mut self, why: Unwritten) {
        self.undecided = true;
        self.owner.failed(why, timer::now());
    }
}
