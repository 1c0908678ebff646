//! Documents that make no sense: people are told, once for each change of one, and who asks for something that would write
//! over it is refused with its key.

use stead_policy::{Level, Record, Refusal, Request};
use stead_types::{Code, GroupName, ResourceName};

use crate::node::Node;

/// What a request would write to, and what it is called.
enum Writes<'r> {
    Group(&'r GroupName, &'static str),
    Resource(&'r ResourceName, &'static str),
    /// No document of a group or resource.
    Nothing,
}

fn writes(request: &Request) -> Writes<'_> {
    let unless = |kept: &bool, writes| if *kept { Writes::Nothing } else { writes };
    match request {
        Request::OnlineGroup { group, keep_persistent_state, .. } => {
            unless(keep_persistent_state, Writes::Group(group, "online"))
        }
        Request::OfflineGroup { group, keep_persistent_state, .. } => {
            unless(keep_persistent_state, Writes::Group(group, "offline"))
        }
        Request::OnlineResource { resource, keep_persistent_state, .. } => {
            unless(keep_persistent_state, Writes::Resource(resource, "online"))
        }
        Request::OfflineResource { resource, keep_persistent_state, .. } => {
            unless(keep_persistent_state, Writes::Resource(resource, "offline"))
        }
        Request::DeleteGroup { group, .. } => Writes::Group(group, "delete"),
        Request::DeleteResource { resource, .. } => Writes::Resource(resource, "delete"),
        Request::ResourceMaintenance { resource, .. } => Writes::Resource(resource, "maintenance"),
        Request::MoveGroup { .. }
        | Request::CancelGroup { .. }
        | Request::SettleGroup { .. }
        | Request::RestartResource { .. }
        | Request::FailResource { .. }
        | Request::CancelResource { .. }
        | Request::Apply(_)
        | Request::DeleteType { .. }
        | Request::DeleteGroupSet { .. }
        | Request::PauseNode { .. }
        | Request::ResumeNode { .. }
        | Request::Shutdown => Writes::Nothing,
    }
}

impl Node {
    /// Something in the database makes no sense: what was good last counts, and people are told, once for each
    /// change of it, however often it is met.
    pub(super) fn nonsense(&mut self, key: &str, text: &str, group: Option<GroupName>) {
        if let Some(member) = &mut self.member
            && member.odd.insert(key.to_owned(), text.to_owned()).as_deref() == Some(text)
        {
            return;
        }
        let text = format!(
            "{key} in the cluster database cannot be read: {text}; what it said before counts on. Put it right, or delete it"
        );
        let (id, level, code) = (10_034, Level::Critical, Code::ERROR_INVALID_DATA);
        self.record(Record { id, level, group, resource: None, code, text });
    }

    /// Why a request is refused that would write to documents of a group of which one makes no sense.
    pub(crate) fn stands_in_the_way(&self, request: &Request) -> Option<Refusal> {
        let odd = &self.member.as_ref()?.odd;
        let (group, what) = match writes(request) {
            Writes::Group(group, verb) => (group.clone(), format!("group \"{group}\": {verb}")),
            Writes::Resource(resource, verb) => {
                (self.group_of(resource)?, format!("resource \"{resource}\": {verb}"))
            }
            Writes::Nothing => return None,
        };
        let key = |folder: &str, name: &str| format!("{folder}/{}", name.to_ascii_lowercase());
        let members =
            self.policy.config().groups.get(&group).into_iter().flat_map(|group| group.resources.keys());
        let mut keys = members.map(|resource| key("resource", resource.as_str()));
        let (key, text) = std::iter::once(key("group", group.as_str()))
            .chain(&mut keys)
            .find_map(|key| odd.get(&key).map(|text| (key.clone(), text)))?;
        let detail = format!(
            "{key} in the cluster database cannot be read: {text}. Put it right first; with the wanted state kept as it is \
             (--keep-persistent-state) the group can be brought online and offline all the same"
        );
        Some(Refusal { what, code: Code::ERROR_INVALID_DATA, detail })
    }
}
