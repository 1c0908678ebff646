//! What resource DLLs ask and store through their monitors.

use stead_monitor_protocol::{
    Answer, AskId, CommonFacts, GroupFacts, Hex, MonitorKey, Named, NodeFacts, Properties, Question,
    ResourceFacts,
};
use stead_policy::{ClusterConfig, GroupView, PersistentState, Request, RequestId, ResourceView};
use stead_types::{Code, ResourceName, TypeDefaults};

use crate::apply::Structural;
use crate::common::{self, Numbers};
use crate::node::{ControlAsker, KeysToStore, Node};

/// Whom to answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Asker {
    pub(crate) monitor: MonitorKey,
    pub(crate) ask: AskId,
}

/// Common properties that a control code changes.
#[derive(Clone, Debug)]
pub(crate) struct Wanted {
    numbers: Numbers,
    description: Option<String>,
}

/// So many bytes of names go into one answer.
const NAMES_AT_ONCE: usize = 64 * 1024;

/// Names behind `after`, as many as fit.
fn page(names: impl Iterator<Item = String>, after: Option<&str>) -> Answer {
    let mut sorted: Vec<(String, String)> = names.map(|name| (name.to_lowercase(), name)).collect();
    sorted.sort();
    let after = after.map(str::to_lowercase);
    let mut rest = sorted.into_iter().filter(|(folded, _)| after.as_ref().is_none_or(|after| folded > after));
    let mut room = NAMES_AT_ONCE;
    let mut page = Vec::new();
    for (_, name) in rest.by_ref() {
        // As JSON a character takes up to six bytes.
        room = room.saturating_sub(6 * name.len() + 3);
        page.push(name);
        if room == 0 {
            break;
        }
    }
    Answer::Names { names: page, more: rest.next().is_some() }
}

impl Node {
    /// Takes in a question; the answer may come later.
    pub(crate) fn asked(&mut self, asker: Asker, question: Question) {
        let answer = match question {
            Question::Store { instance, changes } => {
                self.keys_to_store.push_back(KeysToStore { asker, instance, changes });
                return;
            }
            Question::Cluster => Ok(self.facts()),
            Question::Names { of, after } => Ok(self.names(of, after.as_deref())),
            Question::Resource { name } => self.resource_facts(&name),
            Question::Group { name } => self.group_facts(&name),
            Question::Keys { name } => self.keys_of(&name),
            Question::Common { resource } => self.common_facts(&resource),
            Question::SetCommon { resource, numbers, description, check_only } => {
                let wanted = Wanted { numbers, description };
                match self.common_changed(&resource, &wanted) {
                    Ok(_) if check_only => Ok(Answer::Nothing),
                    Ok(_) => {
                        self.queue.push_back(Structural::Common { asker, resource, wanted });
                        self.next_structural();
                        return;
                    }
                    Err(code) => Err(code),
                }
            }
            Question::Control { name, code, in_buffer, out_size } => {
                match self.control_for(&name, code, in_buffer, out_size) {
                    Ok(op) => {
                        self.controls.insert(op, ControlAsker::Monitor(asker));
                        return;
                    }
                    Err(code) => Err(code),
                }
            }
        };
        self.answer(&asker, answer);
    }

    /// Tells a monitor.
    pub(crate) fn answer(&mut self, to: &Asker, answer: Result<Answer, Code>) {
        let (code, answer) = match answer {
            Ok(answer) => (Code::SUCCESS, answer),
            Err(code) => (code, Answer::Nothing),
        };
        self.monitors.answer(&to.monitor, to.ask, code, answer);
    }

    fn facts(&self) -> Answer {
        let nodes = self.policy.view().nodes.into_iter();
        let nodes: Vec<NodeFacts> =
            nodes.map(|node| NodeFacts { name: node.name, state: node.state }).collect();
        // A cluster of one machine is called as the machine is.
        let name = nodes.first().map(|node| node.name.to_string()).unwrap_or_default();
        Answer::Cluster { name, nodes }
    }

    fn names(&self, of: Named, after: Option<&str>) -> Answer {
        let config = self.policy.config();
        match of {
            Named::Resources => {
                let all = config.groups.values().flat_map(|group| group.resources.keys());
                page(all.map(ToString::to_string), after)
            }
            Named::Groups => page(config.groups.values().map(|group| group.name.to_string()), after),
            Named::Types => page(config.types.values().map(|known| known.name.to_string()), after),
        }
    }

    fn found(&self, name: &str) -> Option<(GroupView, ResourceView)> {
        let name: ResourceName = name.parse().ok()?;
        self.policy.view().groups.into_iter().find_map(|group| {
            let resource = group.resources.iter().find(|resource| resource.name == name)?.clone();
            Some((group, resource))
        })
    }

    fn resource_facts(&self, name: &str) -> Result<Answer, Code> {
        let (group, resource) = self.found(name).ok_or(Code::ERROR_RESOURCE_NOT_FOUND)?;
        let dependents = group
            .resources
            .iter()
            .filter(|other| other.dependency.providers().any(|on| *on == resource.name));
        Ok(Answer::Resource(ResourceFacts {
            dependents: dependents.map(|other| other.name.to_string()).collect(),
            providers: resource.dependency.providers().map(ToString::to_string).collect(),
            expression: resource.dependency.to_string(),
            name: resource.name,
            type_name: resource.type_name,
            group: group.name,
            node: group.owner_node,
            state: resource.state,
        }))
    }

    fn group_facts(&self, name: &str) -> Result<Answer, Code> {
        let name = name.parse().map_err(|_| Code::ERROR_GROUP_NOT_FOUND)?;
        let mut groups = self.policy.view().groups.into_iter();
        let group = groups.find(|group| group.name == name).ok_or(Code::ERROR_GROUP_NOT_FOUND)?;
        Ok(Answer::Group(GroupFacts {
            name: group.name,
            node: group.owner_node,
            state: group.state,
            resources: group.resources.iter().map(|resource| resource.name.to_string()).collect(),
        }))
    }

    fn keys_of(&self, name: &str) -> Result<Answer, Code> {
        let name: ResourceName = name.parse().map_err(|_| Code::ERROR_RESOURCE_NOT_FOUND)?;
        let config = self.policy.config();
        let resource = config.groups.values().find_map(|group| group.resources.get(&name));
        let resource = resource.ok_or(Code::ERROR_RESOURCE_NOT_FOUND)?;
        let properties = Properties(self.catalog.properties(resource.revision));
        Ok(Answer::Keys { properties, keys: self.catalog.keys(&name) })
    }

    fn common_facts(&self, name: &ResourceName) -> Result<Answer, Code> {
        let (_, view) = self.found(name.as_str()).ok_or(Code::ERROR_RESOURCE_NOT_FOUND)?;
        let config = self.policy.config();
        let resource = config.groups.values().find_map(|group| Some((group, group.resources.get(name)?)));
        let (group, resource) = resource.ok_or(Code::ERROR_RESOURCE_NOT_FOUND)?;
        let known = config.types.get(&resource.type_name);
        let defaults = known.map_or_else(TypeDefaults::default, |known| known.defaults);
        let wish = resource.persistent_state.or(group.persistent_state);
        Ok(Answer::Common(CommonFacts {
            description: resource.description.clone(),
            persistent_state: wish == Some(PersistentState::Online),
            numbers: common::all(&resource.common, &defaults),
            status_information: view.status_information,
            last_error: view.last_error,
        }))
    }

    /// The resource's group with other common properties.
    fn common_changed(&self, name: &ResourceName, wanted: &Wanted) -> Result<ClusterConfig, Code> {
        let config = self.policy.config();
        let group = config.groups.values().find(|group| group.resources.contains_key(name));
        let mut group = group.ok_or(Code::ERROR_RESOURCE_NOT_FOUND)?.clone();
        if let Some(resource) = group.resources.get_mut(name) {
            let given = wanted.description.as_deref().unwrap_or_default();
            let changed = common::description(given);
            changed.and_then(|()| common::change(&mut resource.common, &wanted.numbers)).map_err(|text| {
                tracing::warn!(resource = %name, "SET_COMMON_PROPERTIES: {text}");
                Code::ERROR_INVALID_PARAMETER
            })?;
            if let Some(description) = &wanted.description {
                resource.description.clone_from(description);
            }
        }
        let mut wanted = ClusterConfig::default();
        wanted.groups.insert(group.name.clone(), group);
        Ok(wanted)
    }

    /// Changes common properties for a monitor: a change of the structure like any other. The number of the request,
    /// unless it is answered already.
    pub(crate) fn set_common(
        &mut self,
        asker: Asker,
        resource: &ResourceName,
        wanted: &Wanted,
    ) -> Option<RequestId> {
        let planned = self.common_changed(resource, wanted).and_then(|wanted| {
            self.policy.plan(&wanted, false).map_err(|problems| {
                problems.first().map_or(Code::ERROR_INVALID_PARAMETER, |problem| problem.code)
            })
        });
        match planned {
            Ok(plan) if plan.steps.is_empty() => {
                self.answer(&asker, Ok(Answer::Nothing));
                None
            }
            Ok(plan) => Some(self.enter(Request::Apply(plan), crate::node::Asker::Monitor(asker))),
            Err(code) => {
                self.answer(&asker, Err(code));
                None
            }
        }
    }

    fn control_for(
        &mut self,
        name: &str,
        code: u32,
        in_buffer: Hex,
        out_size: u32,
    ) -> Result<stead_monitor_protocol::OpId, Code> {
        let name: ResourceName = name.parse().map_err(|_| Code::ERROR_RESOURCE_NOT_FOUND)?;
        if self.group_of(&name).is_none() {
            return Err(Code::ERROR_RESOURCE_NOT_FOUND);
        }
        self.monitors.control(&name, code, in_buffer, out_size).ok_or(Code::ERROR_RESOURCE_NOT_AVAILABLE)
    }

    /// What to write for keys; `None` if they are refused or stored already, which the monitor has been told. A monitor stores for what
    /// it hosts now: a write that waited while its monitor died must not come behind the next monitor's reading.
    pub(crate) fn keys_to_write(&mut self, keys: &KeysToStore) -> Option<Vec<stead_store::Operation>> {
        let KeysToStore { asker, instance, changes } = keys;
        let resource = self.monitors.hosted(&asker.monitor, *instance).ok_or(Code::ERROR_RESOURCE_NOT_FOUND);
        match resource.and_then(|resource| self.catalog.keep(&resource, changes)) {
            Ok(Some(operation)) => Some(vec![operation]),
            Ok(None) => {
                self.answer(asker, Ok(Answer::Nothing));
                None
            }
            Err(code) => {
                self.answer(asker, Err(code));
                None
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_in_pages_and_none_is_left_out() {
        let all: Vec<String> = (0..5_000).map(|number| format!("Resource-{number:05}")).collect();
        let (mut seen, mut after, mut pages) = (Vec::new(), None, 0);
        loop {
            let Answer::Names { names, more } = page(all.clone().into_iter(), after.as_deref()) else {
                panic!("no names");
            };
            pages += 1;
            after = names.last().cloned();
            seen.extend(names);
            if !more {
                break;
            }
        }
        assert_eq!(seen, all);
        assert!(pages > 1);
    }
}
