//! What this node says of the groups it has, for the coordinator and for whoever asks any node.

use std::time::Duration;

use stead_store::Operation;
use stead_types::{GroupName, Time};

use super::documents::{StateDocument, own_key, state_key};
use super::{Member, Purpose};
use crate::edge::timer;
use crate::node::Node;
use crate::report;

/// What changes faster than this is said once.
const PAUSE: Duration = Duration::from_millis(50);

/// So many groups go into one write.
const AT_ONCE: usize = 100;

/// The same group without what passes by itself.
fn still(document: &StateDocument) -> StateDocument {
    let mut document = document.clone();
    document.said_ms = 0;
    for resource in &mut document.group.resources {
        resource.for_ms = 0;
        resource.next_attempt_in_ms = None;
    }
    document
}

impl Node {
    /// Says what has changed, at most every so often.
    pub(crate) fn publish(&mut self) {
        let now = timer::now();
        let Some(member) = &mut self.member else { return };
        if member.publish_at.is_none_or(|at| at > now) || !member.in_force || !member.machine.may_act(now) {
            return;
        }
        member.published_at = now;
        member.publish_at = None;
        let view = self.policy.view();
        let mut states: Vec<(GroupName, StateDocument)> = Vec::new();
        let mut later = None;
        for group in view.groups {
            let name = group.name.clone();
            let Some(member) = &mut self.member else { return };
            let Some((published, at)) = member.owner.says(&self.policy, &name, now) else { continue };
            if let Some(at) = at {
                later = Some(later.map_or(at, |before: Time| before.min(at)));
            }
            let shown = report::group(group, now, &|name| self.monitors.process(name));
            let mut document = StateDocument::new(&published, member.owner.arrived(&name), shown);
            if let Some(config) = self.policy.config().groups.get(&name) {
                document.settle(self.catalog.fingerprint(config), self.policy.settled(&name));
            }
            let same = member.published.get(&name).is_some_and(|said| still(said) == still(&document));
            if !same {
                states.push((name, document));
            }
        }
        let Some(member) = &mut self.member else { return };
        member.publish_at = later;
        for some in states.chunks(AT_ONCE) {
            member.say(some.to_vec());
        }
    }

    /// Something has happened that others may want to know.
    pub(crate) fn mark_unpublished(&mut self) {
        if let Some(member) = &mut self.member {
            member.mark();
        }
    }
}

impl Member {
    fn say(&mut self, states: Vec<(GroupName, StateDocument)>) {
        let token = self.token();
        let operations =
            states.iter().map(|(group, state)| Operation::Put(state_key(group), state.value())).collect();
        for (group, state) in &states {
            self.published.insert(group.clone(), state.clone());
        }
        // Only while the group is this node's: what an owner of before says late must not be heard.
        let guards = states.iter().filter_map(|(group, _)| {
            Some(Member::guard(&own_key(group), Some(self.owner.documents().get(group)?.revision)))
        });
        self.threads.say(token, guards.collect(), operations);
        self.writes.insert(token, Purpose::State(states));
    }

    /// What was said is stored, or is to be said again.
    pub(super) fn stated(&mut self, states: Vec<(GroupName, StateDocument)>, stored: bool) {
        if stored {
            return;
        }
        for (group, state) in states {
            if self.published.get(&group) == Some(&state) {
                self.published.remove(&group);
            }
        }
        self.mark();
    }

    /// Somebody may wait for what is to be said: it is said with the next turn of the loop.
    pub(super) fn hurry(&mut self) {
        self.publish_at = Some(Time::ZERO);
    }

    fn mark(&mut self) {
        let soon = self.published_at.after(PAUSE);
        self.publish_at = Some(self.publish_at.map_or(soon, |at| at.min(soon)));
    }
}
