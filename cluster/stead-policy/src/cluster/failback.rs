//! What becomes of a group whose owner is there: failover, evacuation, failback, or nothing.

use stead_types::{GroupName, GroupState, MoveFlags, NodeName};

use super::coordinator::Round;
use super::failover::copied;
use super::ownership::{Cause, Ownership};
use super::place::closed;
use super::situation::{GroupFacts, NodeFacts, Owned, ResumeFailback};
use crate::config::Failback;

impl<'s> Round<'_, 's> {
    pub(super) fn hosted(&mut self, name: &'s GroupName, facts: &'s GroupFacts, owned: &'s Owned) {
        let document: &Ownership = &owned.document;
        let recent = self.recent(name, facts, document);
        if document.order.is_some() {
            return;
        }
        let current = facts.current();
        if facts.failing() {
            self.fail_over(name, facts, owned);
            return;
        }
        let evacuated = self
            .situation
            .nodes
            .get(&document.node)
            .is_some_and(|node| node.draining().is_some() || node.leaving());
        if evacuated {
            return;
        }
        if let Some(to) = self.home(name, facts, document) {
            let why = vec![format!(
                "{to}: chosen: it is back, and the group rather is there than on {}",
                document.node
            )];
            self.order(name, facts, owned, (&to, why), (Cause::Failback, MoveFlags::FAILBACK));
            return;
        }
        // What kept it is over, unless it is still kept offline for it.
        let kept = !document.arrival.start && !current.is_some_and(|published| published.served);
        let held = document.held.clone().filter(|_| kept);
        if held != document.held || recent.len() != document.failovers.len() {
            self.amend(name, owned, Ownership { held, failovers: copied(&recent), ..document.clone() });
        }
    }

    /// The node a group goes back to now.
    fn home(&mut self, name: &GroupName, facts: &GroupFacts, document: &Ownership) -> Option<NodeName> {
        let settled = facts.current().is_some_and(|published| match published.state {
            GroupState::Online | GroupState::PartialOnline => true,
            GroupState::Offline | GroupState::Failed | GroupState::Pending => false,
        });
        if !facts.wanted_online || !settled {
            return None;
        }
        let to =
            self.drained_home(name, facts, document).or_else(|| self.better_home(name, facts, document))?;
        self.may_try(name, document, Cause::Failback).then_some(to)
    }

    /// It was drained from a node that was resumed with "back at once".
    fn drained_home(&self, name: &GroupName, facts: &GroupFacts, own: &Ownership) -> Option<NodeName> {
        let Some(Cause::Drain(_)) = own.arrival.cause else { return None };
        let source = own.arrival.source.as_ref().filter(|source| **source != own.node)?;
        let at = self.survey.at(source)?;
        let place = self.survey.places.get(at)?;
        (resumed(place.facts) == Some(ResumeFailback::Immediate)
            && self.survey.obstacle(name, facts, at).is_none())
        .then(|| source.clone())
    }

    /// A node that is preferred to this one came after the group left it.
    fn better_home(&self, name: &GroupName, facts: &GroupFacts, own: &Ownership) -> Option<NodeName> {
        match facts.rules.failback {
            Failback::Prevent => return None,
            Failback::Allow { window: None } => {}
            Failback::Allow { window: Some(window) } => {
                if !within(window, self.situation.hour) {
                    return None;
                }
            }
        }
        let mut better = facts.rules.preferred_owners.iter().take_while(|owner| **owner != own.node);
        better
            .find(|owner| {
                let Some(at) = self.survey.at(owner) else { return false };
                let Some(place) = self.survey.places.get(at) else { return false };
                let session = place.facts.session.alive();
                let suspended =
                    own.arrival.suspended.iter().any(|(node, sid)| node == *owner && session == Some(*sid));
                !suspended
                    && resumed(place.facts) != Some(ResumeFailback::None)
                    && closed(place.facts).is_none()
                    && self.survey.obstacle(name, facts, at).is_none()
                    && self.survey.repelled(name, facts, at).is_none()
            })
            .cloned()
    }

    /// False while an order of the coordinator has just failed: the owner is not asked again at once, for whatever reason.
    pub(super) fn may_try(&mut self, name: &GroupName, own: &Ownership, cause: Cause) -> bool {
        let Some(last) = &own.outcome else { return true };
        let ours = last.cause != Cause::Operator;
        if !ours || last.code.is_success() || last.generation != own.generation {
            return true;
        }
        let key = (name.clone(), last.id);
        let retry = match cause {
            Cause::Failover => self.situation.settings.failover_retry,
            Cause::Operator | Cause::Drain(_) | Cause::Failback | Cause::Shutdown => {
                self.situation.settings.move_retry
            }
        };
        let again = self.memory.outcomes.entry(key).or_insert(self.now).after(retry);
        if again > self.now {
            self.memory.wake(again);
        }
        again <= self.now
    }
}

/// What the last resume said of failback, while its session lasts.
fn resumed(node: &NodeFacts) -> Option<ResumeFailback> {
    let resume = node.record.resume?;
    (node.session.alive() == Some(resume.session)).then_some(resume.failback)
}

/// True if this hour is in a window of hours, which may wrap midnight.
fn within((start, end): (u8, u8), hour: u8) -> bool {
    if start == end {
        hour == start
    } else if start < end {
        (start..end).contains(&hour)
    } else {
        hour >= start || hour < end
    }
}

#[cfg(test)]
mod tests {
    use super::within;

    #[test]
    fn a_window_may_wrap_midnight() {
        let hours = |window| (0..24).filter(|hour| within(window, *hour)).collect::<Vec<u8>>();
        assert_eq!(hours((1, 4)), [1, 2, 3]);
        assert_eq!(hours((22, 2)), [0, 1, 22, 23]);
        assert_eq!(hours((5, 5)), [5]);
    }
}
