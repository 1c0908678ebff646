//! Groups that wait for others: a group is started on a new owner when what it depends on is ready.

use stead_types::{GroupName, GroupState};

use super::coordinator::Round;
use super::situation::{GroupFacts, Provider, ReadyWhen, Situation};
use super::survey::hosted;

impl Situation {
    /// What a group would wait for now, in a sentence; nothing if all its providers are ready, delays left aside.
    #[must_use]
    pub fn awaited(&self, group: &GroupName) -> Option<String> {
        let facts = self.groups.get(group)?;
        facts.rules.providers.iter().find(|provider| !self.ready(provider)).map(said)
    }

    fn ready(&self, provider: &Provider) -> bool {
        ready(provider, |group| {
            let facts = self.groups.get(group)?;
            let owned = facts.owned.as_ref().is_some_and(|owned| hosted(self, &owned.document));
            facts.current().filter(|_| owned).map(|published| published.state)
        })
    }
}

/// Whether enough groups of a provider count, by their states.
pub(crate) fn ready(provider: &Provider, state: impl Fn(&GroupName) -> Option<GroupState>) -> bool {
    let counts = |group: &&GroupName| match state(group) {
        Some(GroupState::Online) => true,
        Some(GroupState::Pending | GroupState::PartialOnline) => provider.ready_when == ReadyWhen::Pending,
        Some(GroupState::Offline | GroupState::Failed) | None => false,
    };
    let all = provider.groups.len();
    let needed = provider.count.and_then(|count| usize::try_from(count).ok()).unwrap_or(all).min(all);
    provider.groups.iter().filter(counts).count() >= needed
}

/// What is waited for, in a sentence.
pub(crate) fn said(provider: &Provider) -> String {
    let name = match provider.count {
        Some(count) if (count as usize) < provider.groups.len() => {
            format!("{count} of {}", provider.name)
        }
        Some(_) | None => provider.name.clone(),
    };
    match provider.ready_when {
        ReadyWhen::Pending => format!("it waits until {name} is on its way online"),
        ReadyWhen::Online => format!("it waits until {name} is online"),
    }
}

impl Round<'_, '_> {
    /// True if a group has to wait for what it depends on; that is remembered as the reason.
    pub(super) fn waits_for_providers(&mut self, name: &GroupName, facts: &GroupFacts) -> bool {
        let missing = self.providers_missing(name, facts);
        missing.map(|why| self.memory.waits.insert(name.clone(), why)).is_some()
    }

    /// Why a group has to wait for what it depends on. It waits so long and no longer.
    pub(super) fn providers_missing(&mut self, name: &GroupName, facts: &GroupFacts) -> Option<String> {
        if facts.rules.providers.is_empty() {
            return None;
        }
        let since = *self.memory.waiting.entry(name.clone()).or_insert(self.now);
        let gives_up = since.after(self.situation.settings.group_dependency_timeout);
        let mut missing = None;
        for provider in &facts.rules.providers {
            let key = (name.clone(), provider.name.clone());
            if !self.situation.ready(provider) {
                self.memory.ready.remove(&key);
                missing = missing.or(Some((said(provider), gives_up)));
                continue;
            }
            let from = self.memory.ready.entry(key).or_insert(self.now).after(provider.delay);
            if from > self.now {
                missing =
                    missing.or(Some((format!("{} is ready; it waits a little longer", provider.name), from)));
            }
        }
        let (why, until) = missing?;
        if gives_up <= self.now {
            return None;
        }
        self.memory.wake(until.min(gives_up));
        Some(why)
    }
}
