//! Groups that other nodes have: waiting for them, showing them.

use stead_api::{Event, Failure};
use stead_policy::cluster::{GroupRules, OwnerState};
use stead_store::Entry;
use stead_types::{Code, GroupName, NodeName};

use super::Awaited;
use super::documents::{QUEUED, WAITING_FOR_DEPENDENCIES};
use crate::edge::timer;
use crate::node::Node;
use crate::report;

impl Node {
    /// An apply waits for groups, wherever they are or will be.
    pub(crate) fn await_groups(&mut self, groups: Vec<GroupName>, settling: u64) {
        if let Some(member) = &mut self.member {
            let since = timer::now();
            member.awaited.extend(groups.into_iter().map(|group| Awaited { group, settling, since }));
        }
        self.settle_elsewhere();
    }

    /// Tells applies about groups of other nodes that are as they are wanted, or cannot become so.
    pub(crate) fn settle_elsewhere(&mut self) {
        let Some(member) = &mut self.member else { return };
        let (mut over, mut here, mut waiting) = (Vec::new(), Vec::new(), Vec::new());
        for awaited in std::mem::take(&mut member.awaited) {
            if member.owner.has(&awaited.group) {
                here.push(awaited);
                continue;
            }
            let config = self.policy.config().groups.get(&awaited.group);
            let configuration = config.map(|config| self.catalog.fingerprint(config)).unwrap_or_default();
            match member.settled(&awaited.group, configuration) {
                Some(failure) => over.push((awaited.settling, failure)),
                None => waiting.push(awaited),
            }
        }
        member.awaited = waiting;
        for Awaited { group, settling, since: _ } in here {
            self.ask_settled(group, settling);
        }
        for (settling, failure) in over {
            self.settled_one(settling, failure);
        }
    }

    /// Tells applies about groups that nobody has and nobody is about to have. Looked at once in a while: it is not urgent.
    pub(crate) fn settle_forsaken(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        if member.awaited.is_empty() || member.forsaken_at > now {
            return;
        }
        let pause = member.begin.params.h * MISSED;
        member.forsaken_at = now.after(pause);
        let mut over = Vec::new();
        for awaited in std::mem::take(&mut member.awaited) {
            let late = now.since(awaited.since) >= pause;
            match member.forsaken(&awaited.group, now).filter(|_| late) {
                Some(failure) => over.push((awaited.settling, failure)),
                None => member.awaited.push(awaited),
            }
        }
        for (settling, failure) in over {
            self.settled_one(settling, failure);
        }
    }

    /// An event that another node has stored.
    pub(crate) fn event_elsewhere(&mut self, entry: Entry) {
        if let Ok(event) = serde_json::from_value::<Event>(entry.value) {
            let event = self.history.add(event);
            self.tell(&event);
        }
    }

    /// Why a group is on this node, and why it is not on another.
    pub(crate) fn explain_place(&self, kind: crate::command::Kind, name: &str) -> Vec<String> {
        use crate::command::Kind;
        let Some(member) = &self.member else { return Vec::new() };
        match (kind, name.parse::<GroupName>()) {
            (Kind::Group | Kind::Any, Ok(group)) => member.situation.explain(&group).unwrap_or_default(),
            (Kind::Resource, _) | (_, Err(_)) => Vec::new(),
        }
    }

    /// The lines about a group whose owner cannot be asked: what this node knows of it. None if the owner looks after it.
    pub(crate) fn explain_unserved(&self, group: &GroupName) -> Option<Vec<String>> {
        let config = self.policy.config().groups.get(group)?;
        let member = self.member.as_ref()?;
        let unserved = member.unserved(group, timer::now()).or_else(|| member.unheard(group))?;
        let wanted = if GroupRules::wanted_online(config) { "Online" } else { "Offline" };
        let mut lines = vec![format!("group \"{group}\" is wanted {wanted}; {unserved}")];
        lines.extend(member.situation.explain(group).unwrap_or_default());
        Some(lines)
    }

    /// True if a node renews its session, so that what is asked of it is answered.
    pub(crate) fn answers(&self, node: &NodeName) -> bool {
        let sight = self.member.as_ref().and_then(|member| member.machine.sight(node, timer::now()));
        sight == Some(stead_lease::Sight::Up)
    }

    /// Adds other nodes to a status, and what they say of their groups.
    pub(crate) fn add_elsewhere(&self, status: &mut stead_api::Status) {
        let Some(member) = &self.member else { return };
        let (now, now_ms) = (timer::now(), timer::wall_clock_ms());
        let groups = &self.policy.config().groups;
        let elsewhere = groups.values().filter(|config| !member.owner.has(&config.name));
        status.groups.extend(elsewhere.map(|config| member.shown(config, now_ms)));
        status.groups.sort_by_key(|group| group.name.to_lowercase());
        let own = std::mem::take(&mut status.nodes).pop();
        let (containment, restarts) = own.map(|own| (own.containment, own.restarts)).unwrap_or_default();
        status.nodes = member.nodes_shown(now);
        for node in status.nodes.iter_mut().filter(|node| node.name == member.me.as_str()) {
            node.containment.clone_from(&containment);
            node.restarts = restarts;
        }
        status.nodes.sort_by_key(|node| node.name.to_lowercase());
        status.no_contact_since_ms = member
            .no_contact(now)
            .map(|silent| now_ms.saturating_sub(u64::try_from(silent.as_millis()).unwrap_or(u64::MAX)));
    }
}

/// So many periods of renewal without an answer are no slow answer any more.
const MISSED: u32 = 2;

impl super::Member {
    /// The node that has a group, if that is another one.
    pub(crate) fn owner_elsewhere(&self, group: &GroupName) -> Option<NodeName> {
        let owner = &self.owner.documents().get(group)?.document.node;
        (*owner != self.me && !self.owner.has(group)).then(|| owner.clone())
    }

    /// For how long the cluster database has not answered, if that is longer than a slow answer takes.
    fn no_contact(&self, now: stead_types::Time) -> Option<std::time::Duration> {
        let silent = now.since(self.heard);
        (self.unheard && silent > self.begin.params.h * MISSED).then_some(silent)
    }

    /// Which nodes have a watchdog that the others count on.
    pub(crate) fn watchdogs(&self) -> std::collections::BTreeMap<NodeName, bool> {
        self.machine.nodes().map(|(node, session)| (node.clone(), session.params.watched())).collect()
    }

    /// What is promised of a node, and what an operator has accepted there.
    fn promise(&self, node: &NodeName, session: &stead_lease::Session) -> String {
        let mut text = session.params.guarantee();
        for of in &self.unfenced {
            text.push_str(&format!(
                "; resource type \"{of}\" (F0) is taken over only when the end of its machine is confirmed"
            ));
        }
        for of in self.accepted.iter().filter(|_| !session.params.watched()) {
            text.push_str(&format!("; ACCEPTED: resource type \"{of}\" (F5) without a watchdog on {node}"));
        }
        text
    }

    /// All nodes, as this one sees them.
    fn nodes_shown(&self, now: stead_types::Time) -> Vec<stead_api::Node> {
        use stead_lease::Sight;
        use stead_policy::cluster::DrainStatus;
        let coordinator = self.coordinator_name();
        let shown = self.machine.nodes().map(|(node, session)| {
            let record = self.situation.nodes.get(node).map(|facts| facts.record.clone()).unwrap_or_default();
            let ms = |of: std::time::Duration| u64::try_from(of.as_millis()).unwrap_or(u64::MAX);
            let (seen, renewed) = match self.machine.sight(node, now) {
                Some(Sight::NotSeen(since)) => (Some(ms(since)), Some(ms(since))),
                Some(Sight::Up) => (None, self.machine.unchanged_since(node).map(|at| ms(now.since(at)))),
                Some(Sight::Left | Sight::Down | Sight::Deleted | Sight::Unreadable(_)) | None => {
                    (None, None)
                }
            };
            stead_api::Node {
                name: node.to_string(),
                state: self.node_state(node, now),
                version: session.version.clone(),
                containment: String::new(),
                guarantee: self.promise(node, session),
                restarts: 0,
                paused: record.paused,
                drain: record.drain.map(|drain| stead_api::Drain {
                    status: match drain.status {
                        DrainStatus::InProgress => "InProgress",
                        DrainStatus::Completed => "Completed",
                        DrainStatus::Failed => "Failed",
                    }
                    .to_owned(),
                    to: drain.target.map(|target| target.to_string()),
                }),
                quarantine_ends_ms: record.quarantine.as_ref().and_then(|quarantine| {
                    let lasts = self.situation.settings.quarantine_duration?;
                    Some(quarantine.told_ms?.saturating_add(u64::try_from(lasts.as_millis()).ok()?))
                }),
                quarantine: record.quarantine.map(|quarantine| quarantine.reason),
                session: Some(session.sid.to_string()),
                seen_ms_ago: seen,
                renewed_ms_ago: renewed,
                renewed_every_ms: renewed.map(|_| ms(session.params.h)),
                coordinator: coordinator.as_ref() == Some(node),
            }
        });
        shown.collect()
    }

    /// A node's state, as people read it.
    fn node_state(&self, node: &NodeName, now: stead_types::Time) -> String {
        use stead_lease::Sight;
        use stead_types::NodeState;
        let record = self.situation.nodes.get(node).map(|facts| &facts.record);
        let up = if record.is_some_and(|record| record.paused) { NodeState::Paused } else { NodeState::Up };
        let state = match self.machine.sight(node, now) {
            Some(Sight::Up | Sight::NotSeen(_)) => up,
            Some(Sight::Left | Sight::Down) => NodeState::Down,
            Some(Sight::Deleted | Sight::Unreadable(_)) | None => NodeState::Joining,
        };
        state.to_string()
    }

    /// None while it is on its way to what the configuration with this fingerprint wants; the failure where there is one.
    fn settled(&self, group: &GroupName, configuration: u64) -> Option<Option<Failure>> {
        let facts = self.situation.groups.get(group)?;
        let owned = facts.owned.as_ref()?;
        if owned.document.moving() {
            return None;
        }
        let said = facts.current()?;
        let state = self.states.get(group)?;
        // What its owner said while it acted on another configuration says nothing of this one. The state alone would not
        // do: it is Online before the owner has heard of the change, and Failed with what is not wanted any more.
        if let Some(acts_on) = state.configuration() {
            let (code, detail) = state.settlement().filter(|_| acts_on == configuration)?;
            return Some((!code.is_success()).then(|| Failure {
                what: format!("group \"{group}\": apply"),
                error: report::code(code),
                detail: detail.to_owned(),
            }));
        }
        // An owner of a version that does not say: all there is to go by.
        let wanted = facts.wanted_online && owned.document.arrival.start;
        let there = match said.state {
            stead_types::GroupState::Online => wanted,
            stead_types::GroupState::Offline => !wanted,
            stead_types::GroupState::PartialOnline => wanted,
            stead_types::GroupState::Pending | stead_types::GroupState::Failed => false,
        };
        there.then_some(None)
    }

    /// The end of waiting for a group that nobody looks after and, as things are, nobody is about to: the failure, where it
    /// is wanted online. None while somebody has it, or is to have it sooner or later.
    fn forsaken(&self, group: &GroupName, now: stead_types::Time) -> Option<Option<Failure>> {
        use stead_lease::Sight;
        let facts = self.situation.groups.get(group)?;
        let why = match &facts.owned {
            None => {
                let placement = self.situation.place(group, &std::collections::BTreeMap::new())?;
                let nobody = placement.chosen.is_none() && self.situation.awaited(group).is_none();
                nobody.then(|| format!("no node can take it: {}", placement.obstacles()))?
            }
            Some(owned) => {
                let node = &owned.document.node;
                let why = self.unserved(group, now)?;
                let comes = match self.machine.sight(node, now) {
                    None | Some(Sight::Unreadable(_)) => false,
                    // It comes back, or is soon gone.
                    Some(Sight::NotSeen(_) | Sight::Deleted) if self.machine.over_at(node).is_some() => true,
                    Some(Sight::Up | Sight::NotSeen(_) | Sight::Left | Sight::Down | Sight::Deleted) => {
                        let waits = self.situation.awaited(group).is_some() && facts.wanted_online;
                        waits || matches!(self.situation.successor(group), Some(Ok(_)))
                    }
                };
                (!comes).then_some(why)?
            }
        };
        Some(facts.wanted_online.then(|| Failure {
            what: format!("group \"{group}\": apply"),
            error: report::code(Code::ERROR_HOST_NODE_NOT_AVAILABLE),
            detail: format!(
                "group \"{group}\": it is stored, and nobody serves it: {why}; it begins as soon as a node can have it, see \
                 `stead explain {group}`"
            ),
        }))
    }

    /// A group of another node, or of none.
    fn shown(&self, config: &stead_policy::GroupConfig, now_ms: u64) -> stead_api::Group {
        let owned = self.owner.documents().get(&config.name).map(|owned| &owned.document);
        let alive = owned.is_some_and(|owned| {
            let facts = self.situation.nodes.get(&owned.node);
            facts.is_some_and(|facts| facts.session.alive() == Some(owned.session))
        });
        // What an owner said that is gone since is no longer so, or nobody knows.
        let said = self
            .states
            .get(&config.name)
            .filter(|_| alive)
            .filter(|state| owned.is_some_and(|owned| owned.generation == state.generation()));
        let mut group = match said {
            Some(said) => {
                let passed = now_ms.saturating_sub(said.said_ms);
                let mut group = said.group.clone();
                for resource in &mut group.resources {
                    resource.for_ms = resource.for_ms.saturating_add(passed);
                    resource.next_attempt_in_ms =
                        resource.next_attempt_in_ms.map(|ms| ms.saturating_sub(passed));
                }
                group
            }
            None => report::unknown_group(config),
        };
        if let Some(owned) = owned {
            group.owner_node = owned.node.to_string();
            if let Some(why) = self.unserved(&config.name, timer::now()) {
                group.why = Some(owned.held.clone().filter(|_| !alive).unwrap_or(why));
            }
            if let Some(order) = &owned.order {
                let to = order.to.as_ref().map_or_else(|| "another node".to_owned(), ToString::to_string);
                let queued = if group.status_information & QUEUED != 0 { " (queued)" } else { "" };
                group.operation = Some(format!("move to {to}{queued}"));
            }
            group.why = group.why.or_else(|| owned.held.clone());
        } else {
            group.owner_node = String::new();
            group.why = self.coordinator.waits(&config.name).map(str::to_owned);
        }
        if let Some(why) = self.awaits(&config.name) {
            group.why = Some(why);
            group.status_information |= WAITING_FOR_DEPENDENCIES;
        }
        group
    }

    /// Why nothing is known of a group that another node has: nothing is heard here.
    fn unheard(&self, group: &GroupName) -> Option<String> {
        let node = self.owner_elsewhere(group)?;
        let silent = self.no_contact(timer::now())?;
        Some(format!(
            "{node} has it, as far as is known: the cluster database has not answered this node for {} s",
            silent.as_secs()
        ))
    }

    /// Why the owner of a group does not look after it, as seen from here, and what comes of that; none if it does.
    pub(crate) fn unserved(&self, group: &GroupName, now: stead_types::Time) -> Option<String> {
        use stead_lease::Sight;
        let owned = &self.owner.documents().get(group)?.document;
        let node = &owned.node;
        let released = matches!(owned.state, OwnerState::Released(_));
        if self.owner.has(group) || released && owned.order.is_some() {
            return None;
        }
        let session = self.situation.nodes.get(node).and_then(|facts| facts.session.alive());
        let seconds = |of: std::time::Duration| of.as_secs_f64().ceil();
        let ago = || {
            let since = self.machine.unchanged_since(node).map(|since| seconds(now.since(since)));
            since.map_or_else(String::new, |since| format!(", for {since} s"))
        };
        let gone = match self.machine.sight(node, now) {
            Some(_) | None if released => format!("{node} has released it"),
            Some(Sight::Up) if session == Some(owned.session) => return None,
            // Then it is this node that nobody hears, and it says so itself.
            Some(Sight::NotSeen(_)) if self.no_contact(now).is_some() => return None,
            Some(Sight::NotSeen(since)) => {
                let over = self.machine.over_at(node).map(|at| seconds(at.since(now)));
                let over = over.map_or_else(String::new, |over| format!(", and counts as gone in {over} s"));
                format!("its node {node} has not been seen for {} s{over}", seconds(since))
            }
            Some(Sight::Up) => format!("its node {node} has begun anew"),
            Some(Sight::Left) => format!("its node {node} left{}", ago()),
            Some(Sight::Down) => format!("its node {node} is gone{}", ago()),
            Some(Sight::Deleted) => format!("the session of its node {node} was deleted{}", ago()),
            Some(Sight::Unreadable(why)) => {
                return Some(format!(
                    "the session of its node {node} cannot be read ({why}): nobody takes it over"
                ));
            }
            None => {
                return Some(format!("nothing is known of its node {node}, so that nobody takes it over"));
            }
        };
        let wanted = self.situation.groups.get(group).is_some_and(|facts| facts.wanted_online);
        let next = match (self.situation.awaited(group).filter(|_| wanted), self.situation.successor(group)) {
            (Some(waits), _) => waits,
            (None, Some(Ok(next))) => format!("then {next} takes it over"),
            (None, Some(Err(why))) => why,
            (None, None) => return Some(gone),
        };
        Some(format!("{gone}; {next}"))
    }

    /// What a group that nobody has, and that is wanted online, waits for.
    fn awaits(&self, group: &GroupName) -> Option<String> {
        let facts = self.situation.groups.get(group)?;
        let nobody = facts.owned.as_ref().is_none_or(|owned| {
            let session =
                self.situation.nodes.get(&owned.document.node).and_then(|node| node.session.alive());
            let released = matches!(owned.document.state, OwnerState::Released(_));
            owned.document.order.is_none() && (released || session != Some(owned.document.session))
        });
        self.situation.awaited(group).filter(|_| nobody && facts.wanted_online)
    }
}
