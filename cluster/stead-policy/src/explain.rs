//! Why something is as it is, in sentences.

use stead_types::{GroupName, GroupState, ResourceName, ResourceState, Time};

use crate::config::PersistentState;
use crate::policy::Policy;
use crate::runtime::{Hold, Resource};

fn within(at: Time, now: Time) -> String {
    let left = at.since(now);
    if left.as_secs() >= 10 {
        format!("in {} s", left.as_secs())
    } else {
        format!("in {} ms", left.as_millis())
    }
}

fn wish(state: Option<PersistentState>) -> &'static str {
    match state {
        Some(PersistentState::Online) => "Online",
        Some(PersistentState::Offline) | None => "Offline",
    }
}

impl Policy {
    /// Why a group is where and as it is; `None` if there is no such group.
    #[must_use]
    pub fn explain_group(&self, name: &GroupName, now: Time) -> Option<Vec<String>> {
        let config = self.config.groups.get(name)?;
        let group = self.groups.get(name)?;
        let state = GroupState::derive(group.resources.values().map(|resource| resource.state));
        let mut lines =
            vec![format!("group \"{name}\" is {state}; it is wanted {}", wish(config.persistent_state))];
        if self.hosted.is_none() {
            lines.push(format!("it is on node \"{}\", the only one of this cluster", self.node));
        }
        lines.extend(group.why.clone());
        for waiter in self.waiters.get(name).into_iter().flatten() {
            lines.push(format!("in progress: {}", waiter.what));
        }
        for resource in &group.order {
            lines.extend(self.explain_resource(resource, now).unwrap_or_default());
        }
        Some(lines)
    }

    /// Why a resource is as it is; `None` if there is no such resource.
    #[must_use]
    pub fn explain_resource(&self, name: &ResourceName, now: Time) -> Option<Vec<String>> {
        let config = self.configured(name)?;
        let group = self.groups.get(self.index.get(name)?)?;
        let resource = group.resources.get(name)?;
        let mut lines = vec![format!(
            "resource \"{name}\" ({}) is {} for {} s; it is kept {}",
            config.type_name,
            resource.state,
            now.since(resource.since).as_secs(),
            if resource.online_wanted { "Online" } else { "Offline" }
        )];
        if let Some(why) = &resource.why {
            lines.push(format!("  {why}"));
        }
        if resource.online_wanted && resource.state != ResourceState::Online {
            for set in config.dependency.sets() {
                let online = |provider: &&ResourceName| {
                    group
                        .resources
                        .get(*provider)
                        .is_some_and(|provider| provider.state == ResourceState::Online)
                };
                if !set.iter().any(|provider| online(&provider)) {
                    let names: Vec<String> = set.iter().map(|provider| state_of(group, provider)).collect();
                    lines.push(format!("  it waits for {}", names.join(" or ")));
                }
            }
        }
        lines.extend(self.outlook(name, resource, now));
        Some(lines)
    }

    fn outlook(&self, name: &ResourceName, resource: &Resource, now: Time) -> Vec<String> {
        let mut lines = Vec::new();
        match resource.hold {
            Some(Hold::Until(at)) => lines.push(format!("  it is brought online {}", within(at, now))),
            Some(Hold::GaveUp(Some(at))) => lines.push(format!("  it is tried again {}", within(at, now))),
            Some(Hold::GaveUp(None)) => {
                lines.push(format!("  it is not tried again until `stead resource online \"{name}\"`"));
            }
            None => {}
        }
        if let Some(config) = self.configured(name) {
            let common = config.common;
            let recent =
                resource.failures.iter().filter(|at| now.since(**at) <= common.restart_period).count();
            if recent > 0 {
                lines.push(format!(
                    "  {recent} of {} restarts within {} s are used",
                    common.restart_threshold,
                    common.restart_period.as_secs()
                ));
            }
        }
        if resource.locked {
            lines.push("  it is locked by its resource DLL: offline is refused without --force".to_owned());
        }
        if resource.maintenance {
            lines.push("  it is in maintenance: nobody looks whether it is alive".to_owned());
        }
        if resource.isolated {
            lines
                .push("  it has a Resource Monitor of its own, because it hurt the one it shared".to_owned());
        }
        if let Some((at, _)) = resource.offline_again {
            lines.push(format!("  its offline is queued and tried again {}", within(at, now)));
        }
        lines
    }
}

fn state_of(group: &crate::runtime::Group, name: &ResourceName) -> String {
    let state = group.resources.get(name).map_or(ResourceState::Unknown, |resource| resource.state);
    format!("[{name}] ({state})")
}
