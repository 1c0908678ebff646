//! What others have written, and what became of this node's own writes.

use std::sync::Arc;
use stead_lease::{Event as SessionEvent, Found};
use stead_policy::cluster::{FenceNeeds, GroupFacts, GroupRules, Owned, Unwritten as NotWritten};
use stead_policy::{Event, TypeConfig};
use stead_store::{Change, Entry, News, Revision};
use stead_types::{Code, FenceClass, GroupName, NodeName, TypeName};

use super::documents::{StateDocument, node_key, own_key, ownership_of, record_of};
use super::threads::{SESSIONS, found};
use super::{Member, Purpose, Token, Told};
use crate::edge::store::Unwritten;
use crate::edge::timer;
use crate::node::Node;

/// What a key is about.
enum Key {
    Session(NodeName),
    Own(GroupName),
    State(GroupName),
    Node(NodeName),
    Host(NodeName),
    /// `group/`, `group_set/`, `resource/`, `settings/`, `type/`.
    Configuration,
    /// An event that another node has stored.
    History,
    /// Nothing the loop follows.
    Other,
}

fn key_of(key: &str, me: &NodeName) -> Key {
    let Some((folder, rest)) = key.split_once('/') else { return Key::Other };
    let of = match folder {
        "session" => rest.parse().map(Key::Session),
        "own" => rest.parse().map(Key::Own),
        "state" => rest.parse().map(Key::State),
        "node" => rest.parse().map(Key::Node),
        "host" => rest.parse().map(Key::Host),
        "group" | "group_set" | "resource" | "settings" | "type" => return Key::Configuration,
        "history" => {
            let own = rest.split_once('/').is_some_and(|(node, _)| node.eq_ignore_ascii_case(me.as_str()));
            return if own { Key::Other } else { Key::History };
        }
        _ => return Key::Other,
    };
    of.unwrap_or(Key::Other)
}

/// True if the loop needs to know this document from the beginning.
pub(crate) fn is_configuration(key: &str) -> bool {
    ["group/", "group_set/", "resource/", "settings/", "type/"].iter().any(|folder| key.starts_with(folder))
}

impl Node {
    /// A thread of the member has something to tell.
    pub(crate) fn told(&mut self, told: Told) {
        match told {
            Told::Session(request, answer) => {
                self.session_event(SessionEvent::Answered { request, answer });
            }
            Told::Wrote(token, result) => self.wrote(token, result),
            Told::News(news) => {
                if let Some(member) = &mut self.member {
                    member.held.push_back(news);
                }
            }
            Told::Fenced(node, session, report) => self.fenced(&node, session, &report),
            Told::SwitchedOn(node, run) => self.switched_on(&node, run.as_ref()),
            Told::Warning(text) => self.warn(text),
            Told::CannotHost(cannot) => self.looked(&cannot),
            Told::Replaced(text) => {
                tracing::error!(text, "the cluster database is not the one of before");
                self.session_event(SessionEvent::Replaced { incarnation: None });
                self.failed = Some(super::open::replaced(&text));
            }
        }
    }

    /// Takes in what has changed, in order; not while a write of this node's is under way that is news as well.
    pub(crate) fn take_news(&mut self, writing: bool) {
        if writing {
            return;
        }
        let mut configuration = false;
        while let Some(news) = self.member.as_mut().and_then(|member| member.held.pop_front()) {
            match news {
                News::Changes { changes, .. } => {
                    for change in changes {
                        configuration |= self.changed(change);
                    }
                }
                News::Everything { revision, entries } => configuration |= self.everything(revision, entries),
            }
        }
        if configuration {
            self.configured();
        }
    }

    /// One document has changed. True if it belongs to the configuration, and is news.
    pub(crate) fn changed(&mut self, change: Change) -> bool {
        let Some(member) = &mut self.member else { return false };
        // Another document under this key: if it is as bad, that is news again.
        member.odd.remove(change.key());
        match (key_of(change.key(), &member.me), change) {
            (Key::Session(node), Change::Put(entry)) => {
                let found = found(&entry);
                if let Found::Unreadable { why, .. } = &found {
                    self.nonsense(&entry.key, why, None);
                }
                self.session_event(SessionEvent::Seen { node, found });
            }
            (Key::Session(node), Change::Deleted(_)) => {
                let found = Found::Nothing { as_of: member.revision };
                self.session_event(SessionEvent::Seen { node, found });
            }
            (Key::Own(group), Change::Put(entry)) => self.own_changed(&group, Some(entry)),
            (Key::Own(group), Change::Deleted(_)) => self.own_changed(&group, None),
            (Key::State(group), Change::Put(entry)) => self.state_changed(group, Some(entry)),
            (Key::State(group), Change::Deleted(_)) => self.state_changed(group, None),
            (Key::Node(node), Change::Put(entry)) => self.node_changed(&node, Some(entry)),
            (Key::Node(node), Change::Deleted(_)) => self.node_changed(&node, None),
            (Key::Host(node), Change::Put(entry)) => self.host_changed(&node, Some(&entry)),
            (Key::Host(node), Change::Deleted(_)) => self.host_changed(&node, None),
            (Key::Configuration, Change::Put(entry)) => return self.catalog.changed(entry),
            (Key::Configuration, Change::Deleted(key)) => return self.catalog.deleted(&key),
            (Key::History, Change::Put(entry)) => self.event_elsewhere(entry),
            (Key::History | Key::Other, _) => {}
        }
        false
    }

    /// The history of changes is not kept so far back: this is all there is.
    fn everything(&mut self, revision: Revision, entries: Vec<Entry>) -> bool {
        let Some(member) = &mut self.member else { return false };
        member.revision = revision;
        let sessions = entries.iter().filter(|entry| entry.key.starts_with(SESSIONS)).filter_map(|entry| {
            let node = entry.key.strip_prefix(SESSIONS)?.parse().ok()?;
            Some((node, found(entry)))
        });
        let sessions = sessions.collect();
        let there = |key: &str| entries.iter().any(|entry| entry.key == key);
        let gone: Vec<GroupName> =
            member.owner.documents().keys().filter(|group| !there(&own_key(group))).cloned().collect();
        let nodes: Vec<NodeName> =
            member.situation.nodes.keys().filter(|node| !there(&node_key(node))).cloned().collect();
        let loads = |node: &&NodeName| !there(&super::documents::host_key(node));
        let hosts: Vec<NodeName> = member.situation.nodes.keys().filter(loads).cloned().collect();
        let documents: Vec<String> = self.catalog.keys_stored().filter(|key| !there(key)).collect();
        self.session_event(SessionEvent::Listed { as_of: revision, sessions });
        for group in gone {
            self.own_changed(&group, None);
        }
        for node in nodes {
            self.node_changed(&node, None);
        }
        for node in hosts {
            self.host_changed(&node, None);
        }
        let mut configuration = false;
        for key in documents {
            configuration |= self.catalog.deleted(&key);
        }
        for entry in entries {
            if !entry.key.starts_with(SESSIONS) && !entry.key.starts_with("history/") {
                configuration |= self.changed(Change::Put(entry));
            }
        }
        configuration
    }

    fn own_changed(&mut self, group: &GroupName, entry: Option<Entry>) {
        let Some(member) = &mut self.member else { return };
        let known = member.owner.documents().get(group).map(|owned| owned.revision);
        let owned = match entry {
            Some(entry) if known.is_some_and(|known| known >= entry.modified) => return,
            Some(entry) => match ownership_of(&entry.value) {
                Ok(document) => Some(Owned { document: Arc::new(document), revision: entry.modified }),
                Err(text) => {
                    // What was good last is kept; nobody can write over it, since its revision is unknown here.
                    self.nonsense(&entry.key, &text, Some(group.clone()));
                    return;
                }
            },
            None => None,
        };
        if member.owner.seen(group, owned) {
            self.own_known(group);
        }
    }

    /// What follows from a group's document that is news.
    fn own_known(&mut self, group: &GroupName) {
        self.refresh(group);
        self.settle_group(group);
        self.settle_moves();
    }

    fn state_changed(&mut self, group: GroupName, entry: Option<Entry>) {
        let Some(member) = &mut self.member else { return };
        match entry {
            Some(entry) => match StateDocument::read(&entry.value) {
                Ok(state) => drop(member.states.insert(group.clone(), state)),
                Err(text) => {
                    self.nonsense(&entry.key, &text, Some(group));
                    return;
                }
            },
            None => drop(member.states.remove(&group)),
        }
        self.refresh(&group);
        self.settle_elsewhere();
        self.settle_moves();
    }

    fn node_changed(&mut self, node: &NodeName, entry: Option<Entry>) {
        let Some(member) = &mut self.member else { return };
        let (record, revision) = match entry {
            None => (stead_policy::cluster::NodeRecord::default(), None),
            Some(entry) => match record_of(&entry.value) {
                Ok(record) => (record, Some(entry.modified)),
                Err(text) => return self.nonsense(&entry.key, &text, None),
            },
        };
        let facts = member.node_mut(node);
        facts.record = record;
        facts.revision = revision;
        member.decide = true;
        self.settle_nodes();
    }

    /// What the coordinator is told of a group.
    pub(crate) fn refresh(&mut self, group: &GroupName) {
        let stored = self.policy.config();
        let config = stored.groups.get(group);
        let of = |which: &dyn Fn(&TypeConfig) -> bool| -> Vec<TypeName> {
            let these = stored.types.values().filter(|config| which(config));
            these.map(|config| config.name.clone()).collect()
        };
        let accepted = of(&|config| config.accept_no_watchdog);
        let unfenced = of(&|config| config.fence == FenceClass::F0);
        let Some(member) = &mut self.member else { return };
        (member.accepted, member.unfenced) = (accepted, unfenced);
        let Some(config) = config else {
            member.situation.groups.remove(group);
            return;
        };
        if member.awaits_owner(group) {
            member.situation.groups.remove(group);
            return;
        }
        let facts = GroupFacts {
            rules: GroupRules::of(config, &stored.sets).with(FenceNeeds::of(config, &stored.types)),
            wanted_online: GroupRules::wanted_online(config),
            owned: member.owner.documents().get(group).cloned(),
            published: member.states.get(group).and_then(|state| state.published().ok()),
        };
        if member.situation.groups.get(group) != Some(&facts) {
            member.situation.groups.insert(config.name.clone(), facts);
            member.decide = true;
        }
    }

    /// What the coordinator is told of all groups, and the settings it goes by.
    pub(crate) fn refresh_all(&mut self) {
        let settings = self.policy.config().settings.clone().unwrap_or_default();
        if let Some(member) = self.member.as_mut().filter(|member| member.situation.settings != settings) {
            member.situation.settings = settings;
            member.decide = true;
        }
        let mut groups: std::collections::BTreeSet<GroupName> =
            self.policy.config().groups.keys().cloned().collect();
        let Some(member) = &self.member else { return };
        groups.extend(member.situation.groups.keys().cloned());
        for group in groups {
            self.refresh(&group);
        }
    }

    /// Another node has changed the configuration.
    fn configured(&mut self) {
        match self.catalog.read_again() {
            Ok(config) => {
                self.policy.maintained_elsewhere(self.catalog.maintenance().collect());
                self.policy.handle(Event::Configured(config), timer::now());
                self.refresh_all();
                // Even if there is nothing to do about it: who waits for it hears that this node knows of it.
                self.mark_unpublished();
                self.settle_groups();
                self.remove_leftovers();
                self.look_at_files();
            }
            Err(crate::catalog::Unreadable(problems)) => {
                for problem in problems {
                    self.nonsense(&problem.place, &problem.text, None);
                }
            }
        }
    }

    /// A write of this node's has ended.
    fn wrote(&mut self, token: Token, result: Result<Revision, Unwritten>) {
        let Some(member) = &mut self.member else { return };
        let Some(purpose) = member.writes.remove(&token) else { return };
        if let Err(Unwritten::Failed(error)) = &result {
            tracing::warn!(%error, "a write failed; nothing was changed");
        }
        let result = result.map_err(|error| match error {
            Unwritten::Conflict(_) => NotWritten::Conflict,
            Unwritten::Failed(_) => NotWritten::Failed,
        });
        if let Err(why) = result {
            match purpose {
                // Nothing is decided by what is said of groups, and it is said again with what is known by then.
                Purpose::State(_) => {}
                // Of documents of groups the owner's machine knows whether what was in the way has been seen already.
                Purpose::Own { .. } | Purpose::Leftover(_) => member.undecided = true,
                Purpose::Node { .. } | Purpose::Host => member.failed(why),
            }
        }
        // The news of a write may be here before its answer: what was decided on them had to wait for this. A write that
        // failed has a pause behind it, which this must not cut short.
        member.decide |= std::mem::take(&mut member.held_up) && result.is_ok();
        let revision = result.ok();
        match purpose {
            Purpose::Own { group, records } => {
                let news = member.owner.written(&group, result, timer::now());
                if let Err(why) = result {
                    let detail = match why {
                        NotWritten::Conflict => "something else happened to it first; ask again",
                        NotWritten::Failed => "the cluster database could not store it",
                    };
                    return self.order_unwritten(&group, Code::ERROR_CLUSTER_GROUP_BUSY, detail);
                }
                if news {
                    self.own_known(&group);
                }
                self.order_written(&group);
                for record in records {
                    self.record(record);
                }
            }
            Purpose::Node { node, record, records } => {
                member.busy.remove(&node);
                let Some(revision) = revision else { return self.node_stored(&node, false) };
                let facts = member.node_mut(&node);
                if facts.revision.is_none_or(|seen| seen < revision) {
                    facts.record = *record;
                    facts.revision = Some(revision);
                    member.decide = true;
                }
                self.node_stored(&node, true);
                for record in records {
                    self.record(record);
                }
            }
            Purpose::State(states) => member.stated(states, revision.is_some()),
            // The next look says it again if it was not stored.
            Purpose::Host => {
                member.telling_host = false;
                member.host_revision = member.host_revision.max(revision);
            }
            Purpose::Leftover(group) => drop(member.owner.written(&group, result, timer::now())),
        }
    }

    /// The owner of a group was deleted by hand while this node had it. When nothing of it is left here, what this node said
    /// of it goes as well: that is the word the others wait for.
    pub(crate) fn give_back(&mut self) {
        let Some(member) = &mut self.member else { return };
        if !member.in_force || !member.machine.may_act(timer::now()) {
            return;
        }
        let mine = |group: &&GroupName| {
            member.awaits_owner(group)
                && member
                    .states
                    .get(*group)
                    .is_some_and(|state| state.group.owner_node.eq_ignore_ascii_case(member.me.as_str()))
        };
        let gone: Vec<GroupName> = member
            .states
            .keys()
            .filter(mine)
            .filter(|group| !self.monitors.has_group(group))
            .cloned()
            .collect();
        for group in gone {
            member.remove_state(&group);
        }
    }

    /// Documents of groups that are configured no more, and that this node had: they go.
    pub(crate) fn remove_leftovers(&mut self) {
        let groups = &self.policy.config().groups;
        let Some(member) = &mut self.member else { return };
        member.owner.forget_deleted(|group| groups.contains_key(group));
        let gone: Vec<(GroupName, Revision)> = member
            .owner
            .documents()
            .iter()
            .filter(|(group, owned)| !groups.contains_key(*group) && owned.document.node == member.me)
            .map(|(group, owned)| (group.clone(), owned.revision))
            .collect();
        for (group, revision) in gone {
            member.remove_own(&group, revision);
        }
        self.drive_owner();
    }
}

impl Member {
    /// True if nobody may have this group, although it has no owner: somebody deleted that, and the node that had it lives.
    /// It ends what runs and says so ([`Node::give_back`]), or its session ends.
    fn awaits_owner(&self, group: &GroupName) -> bool {
        if self.owner.documents().contains_key(group) {
            return false;
        }
        let Some(state) = self.states.get(group) else { return false };
        let Ok(node) = state.group.owner_node.parse::<NodeName>() else { return false };
        self.situation.nodes.get(&node).is_some_and(|facts| facts.session.alive().is_some())
    }

    /// Deletes what this node said of a group that has no owner.
    fn remove_state(&mut self, group: &GroupName) {
        use stead_store::Operation;
        if !self.owner.remove(group) {
            return;
        }
        let key = super::documents::state_key(group);
        let token = self.token();
        let guards = vec![Member::guard(&own_key(group), None)];
        self.threads.write(token, guards, vec![Operation::Delete(key)]);
        self.writes.insert(token, Purpose::Leftover(group.clone()));
    }

    /// Deletes the documents of a group that does not exist any more.
    fn remove_own(&mut self, group: &GroupName, revision: Revision) {
        use stead_store::Operation;
        if !self.owner.remove(group) {
            return;
        }
        let key = own_key(group);
        let token = self.token();
        let operations =
            vec![Operation::Delete(key.clone()), Operation::Delete(super::documents::state_key(group))];
        self.threads.write(token, vec![Member::guard(&key, Some(revision))], operations);
        self.writes.insert(token, Purpose::Leftover(group.clone()));
    }
}
