//! What decisions are made on, for whoever wants to try some.

use stead_api::{Document, SituatedNode, Situation};
use stead_lease::Sight;
use stead_policy::cluster::Session;

use super::Member;
use super::documents::{node_key, own_key, ownership_value, record_value, session_text, state_key};
use crate::edge::timer;
use crate::node::Node;

fn ms(duration: std::time::Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

impl Node {
    /// Everything decisions are made on now.
    pub(crate) fn situation(&self) -> Situation {
        let stored = self.catalog.stored();
        let document =
            |(key, revision, value): (&str, u64, _)| Document { key: key.to_owned(), revision, value };
        let mut situation = Situation {
            node: self.name().to_string(),
            alone: self.member.is_none(),
            hour: timer::hour_of_day(),
            nodes: Vec::new(),
            documents: stored.map(document).collect(),
            awaiting: Vec::new(),
            groups: self.status().groups,
        };
        if let Some(member) = &self.member {
            member.situate(&mut situation);
            let configured = self.policy.config().groups.keys();
            let awaiting = configured.filter(|group| !member.situation.groups.contains_key(group));
            situation.awaiting = awaiting.map(ToString::to_string).collect();
        }
        situation
    }
}

impl Member {
    fn situate(&self, situation: &mut Situation) {
        let now = timer::now();
        let documents = &mut situation.documents;
        for (group, owned) in self.owner.documents() {
            let (key, value) = (own_key(group), ownership_value(&owned.document));
            documents.push(Document { key, revision: owned.revision, value });
        }
        for (group, state) in &self.states {
            // Nobody guards anything by its revision.
            documents.push(Document { key: state_key(group), revision: 0, value: state.value() });
        }
        for (node, facts) in &self.situation.nodes {
            if let Some(revision) = facts.revision {
                let value = record_value(&facts.record);
                documents.push(Document { key: node_key(node), revision, value });
            }
            let (state, sid, age) = match facts.session {
                Session::Never => ("none", None, std::time::Duration::ZERO),
                Session::Alive { sid, age } => ("alive", Some(sid), age),
                Session::Dead { sid } => ("dead", Some(sid), std::time::Duration::ZERO),
                Session::Left { sid } => ("left", Some(sid), std::time::Duration::ZERO),
            };
            let published = self.machine.nodes().find(|(name, _)| *name == node).map(|(_, session)| session);
            let silent = match self.machine.sight(node, now) {
                Some(Sight::NotSeen(since)) => Some(ms(since)),
                Some(Sight::Up | Sight::Left | Sight::Down | Sight::Deleted | Sight::Unreadable(_))
                | None => None,
            };
            situation.nodes.push(SituatedNode {
                name: node.to_string(),
                session_state: state.to_owned(),
                session: sid.map(session_text),
                age_ms: ms(age),
                takeover_ms: published.map(|session| ms(session.params.wait(self.begin.params.rho_ppm))),
                silent_ms: silent,
                cannot_host: facts
                    .cannot_host
                    .iter()
                    .map(|(of, why)| (of.to_string(), why.clone()))
                    .collect(),
                watchdog: facts.watchdog,
                confirmed: facts.confirmed,
            });
        }
    }
}
