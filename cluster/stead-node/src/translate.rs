//! From what a client sends to what the policy understands. Everything wrong is named with its place.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde_json::Value;
use stead_api::{Config, GroupDoc, GroupSetDoc, ResourceDoc, TypeDoc};
use stead_monitor_protocol::Hex;
use stead_policy::cluster::{ReadyWhen, Settings};
use stead_policy::{
    ClusterConfig, ColdStart, Failback, GroupConfig, GroupSetConfig, PersistentState, PlanProblem,
    ResourceConfig, TypeConfig,
};
use stead_types::{Code, Dependency, FenceClass, PropertyMap, PropertyValue};

use crate::catalog::{Catalog, TypeBody};
use crate::common;

/// Windows' default: nodes minus one.
const ANY_FAILOVERS: u32 = u32::MAX;

struct Translator<'a> {
    catalog: &'a mut Catalog,
    problems: Vec<PlanProblem>,
    /// Something could not be named and was left out.
    incomplete: bool,
}

/// A configuration as far as it could be read.
#[derive(Debug)]
pub(crate) struct Read {
    pub(crate) wanted: ClusterConfig,
    /// Everything that is wrong with it by itself.
    pub(crate) problems: Vec<PlanProblem>,
    /// Nothing was left out: what else is wrong can be told as well.
    pub(crate) complete: bool,
}

/// Reads a configuration.
pub(crate) fn read(config: &Config, catalog: &mut Catalog) -> Read {
    let mut translator = Translator { catalog, problems: Vec::new(), incomplete: false };
    let mut wanted = ClusterConfig::default();
    for doc in &config.types {
        let place = format!("type/{}", doc.name);
        if let Some(read) = translator.resource_type(doc, &place)
            && wanted.types.insert(read.name.clone(), read).is_some()
        {
            translator.wrong(&place, format!("resource type \"{}\" is there twice", doc.name));
        }
    }
    let mut homes: BTreeMap<String, String> = BTreeMap::new();
    for doc in &config.groups {
        let place = format!("group/{}", doc.name);
        if let Some(read) = translator.group(doc, &place, &mut homes)
            && wanted.groups.insert(read.name.clone(), read).is_some()
        {
            translator.wrong(&place, format!("group \"{}\" is there twice", doc.name));
        }
    }
    for doc in &config.group_sets {
        let place = format!("group_set/{}", doc.name);
        if let Some(read) = translator.group_set(doc, &place)
            && wanted.sets.insert(read.name.clone(), read).is_some()
        {
            translator.wrong(&place, format!("group set \"{}\" is there twice", doc.name));
        }
    }
    wanted.settings = translator.settings(&config.cluster);
    Read { wanted, problems: translator.problems, complete: !translator.incomplete }
}

/// The cluster's settings as they would be now, if any are given: those that are not named stay. What is given was read
/// before and found good.
pub(crate) fn settings(given: &BTreeMap<String, u64>, catalog: &Catalog) -> Option<Settings> {
    if given.is_empty() { None } else { Settings::read(&with_settings(given, catalog)).ok() }
}

fn with_settings(given: &BTreeMap<String, u64>, catalog: &Catalog) -> BTreeMap<String, u64> {
    let mut numbers = catalog.settings();
    numbers.retain(|known, _| !given.keys().any(|name| name.eq_ignore_ascii_case(known)));
    numbers.extend(given.clone());
    numbers
}

impl Translator<'_> {
    fn wrong(&mut self, place: &str, text: String) {
        self.problems.push(PlanProblem {
            place: place.to_owned(),
            text,
            code: Code::ERROR_INVALID_PARAMETER,
        });
    }

    fn name<N: std::str::FromStr<Err: ToString>>(&mut self, given: &str, place: &str) -> Option<N> {
        let name = given.parse().map_err(|error: N::Err| self.wrong(place, error.to_string())).ok();
        self.incomplete |= name.is_none();
        name
    }

    fn wish(&mut self, given: Option<&str>, place: &str) -> Option<PersistentState> {
        match given? {
            "Online" => Some(PersistentState::Online),
            "Offline" => Some(PersistentState::Offline),
            other => {
                let place = format!("{place}/persistent_state");
                self.wrong(
                    &place,
                    format!("persistent_state is {other:?}; it must be \"Online\" or \"Offline\""),
                );
                None
            }
        }
    }

    /// Names, each once.
    fn names<N>(&mut self, given: &[String], place: &str) -> Vec<N>
    where
        N: std::str::FromStr<Err: ToString> + PartialEq + std::fmt::Display,
    {
        let mut names = Vec::new();
        for given in given {
            let Some(name) = self.name::<N>(given, place) else { continue };
            if names.contains(&name) {
                self.wrong(place, format!("\"{name}\" is there twice"));
            } else {
                names.push(name);
            }
        }
        names
    }

    fn anti_affinity(&mut self, given: &[String], place: &str) -> BTreeSet<String> {
        if given.iter().any(|class| class.trim().is_empty()) {
            self.wrong(&format!("{place}/anti_affinity"), "anti_affinity holds an empty text".to_owned());
        }
        given.iter().cloned().collect()
    }

    fn failback(&mut self, given: Option<&str>, place: &str) -> Failback {
        let hour = |text: &str| text.parse::<u8>().ok().filter(|hour| *hour <= 23);
        let window = |text: &str| {
            let (start, end) = text.split_once('-')?;
            Some((hour(start)?, hour(end)?))
        };
        match given {
            None | Some("Prevent") => Failback::Prevent,
            Some("Allow") => Failback::Allow { window: None },
            Some(other) => match window(other) {
                Some(window) => Failback::Allow { window: Some(window) },
                None => {
                    let text = format!(
                        "failback is {other:?}; it must be \"Prevent\", \"Allow\" or two hours from 0 to 23, such as \
                         \"22-4\""
                    );
                    self.wrong(&format!("{place}/failback"), text);
                    Failback::Prevent
                }
            },
        }
    }

    fn cold_start(&mut self, given: Option<&str>, place: &str) -> ColdStart {
        match given {
            None | Some("Always") => ColdStart::Always,
            Some("DoNotStart") => ColdStart::DoNotStart,
            Some("Allowed") => ColdStart::Allowed,
            Some(other) => {
                let text =
                    format!("cold_start is {other:?}; it must be \"Always\", \"DoNotStart\" or \"Allowed\"");
                self.wrong(&format!("{place}/cold_start"), text);
                ColdStart::Always
            }
        }
    }

    /// The cluster's settings as they would be.
    fn settings(&mut self, given: &BTreeMap<String, u64>) -> Option<Settings> {
        if given.is_empty() {
            return None;
        }
        match Settings::read(&with_settings(given, self.catalog)) {
            Ok(settings) => Some(settings),
            Err(problems) => {
                for (name, text) in problems {
                    self.wrong(&format!("cluster/{name}"), text);
                }
                None
            }
        }
    }

    fn group_set(&mut self, doc: &GroupSetDoc, place: &str) -> Option<GroupSetConfig> {
        let startup_setting = match doc.startup_setting.as_deref() {
            None | Some("Online") => ReadyWhen::Online,
            Some("Delay") => ReadyWhen::Pending,
            Some(other) => {
                let text = format!("startup_setting is {other:?}; it must be \"Online\" or \"Delay\"");
                self.wrong(&format!("{place}/startup_setting"), text);
                ReadyWhen::Online
            }
        };
        if doc.startup_count == Some(0) {
            let text = "startup_count must be at least 1; leave it out for all groups of the set".to_owned();
            self.wrong(&format!("{place}/startup_count"), text);
        }
        let groups = self.names(&doc.groups, &format!("{place}/groups"));
        let provider = format!("{place}/depends_on_set");
        let depends_on_set = doc.depends_on_set.as_deref().and_then(|name| self.name(name, &provider));
        Some(GroupSetConfig {
            name: self.name(&doc.name, place)?,
            groups: groups.into_iter().collect(),
            startup_setting,
            startup_count: doc.startup_count,
            startup_delay: Duration::from_secs(doc.startup_delay.unwrap_or(0).into()),
            is_global: doc.is_global,
            depends_on_set,
        })
    }

    fn description(&mut self, given: &str, place: &str) -> String {
        if let Err(text) = common::description(given) {
            self.wrong(&format!("{place}/description"), text);
        }
        given.to_owned()
    }

    fn resource_type(&mut self, doc: &TypeDoc, place: &str) -> Option<TypeConfig> {
        let (defaults, problems) = common::of_type(&doc.common);
        for (name, text) in problems {
            self.wrong(&format!("{place}/common/{name}"), text);
        }
        if !doc.dll.starts_with('/') {
            self.wrong(&format!("{place}/dll"), format!("dll is {:?}; it must be an absolute path", doc.dll));
        }
        let name: stead_types::TypeName = self.name(&doc.name, place)?;
        if self.catalog.is_builtin(&name) {
            self.wrong(place, format!("\"{name}\" is a resource type of stead itself; choose another name"));
        }
        let body = TypeBody { dll: doc.dll.clone(), common: doc.common.clone() };
        let (fence, accept_no_watchdog) = self.fence(doc, place);
        let revision = self.catalog.type_revision(&body);
        let description = self.description(&doc.description, place);
        Some(TypeConfig { name, description, defaults, fence, accept_no_watchdog, revision })
    }

    fn fence(&mut self, doc: &TypeDoc, place: &str) -> (FenceClass, bool) {
        let class = match doc.fence_class.as_deref().map(str::parse::<FenceClass>) {
            None => FenceClass::default(),
            Some(Ok(class)) => class,
            Some(Err(text)) => {
                self.wrong(&format!("{place}/fence_class"), text);
                FenceClass::default()
            }
        };
        if doc.accept_no_watchdog && class != FenceClass::F5 {
            let text =
                format!("accept_no_watchdog is for fence class F5, and this one is {class}; leave it out");
            self.wrong(&format!("{place}/accept_no_watchdog"), text);
        }
        (class, doc.accept_no_watchdog)
    }

    fn group(
        &mut self,
        doc: &GroupDoc,
        place: &str,
        homes: &mut BTreeMap<String, String>,
    ) -> Option<GroupConfig> {
        let name: Option<stead_types::GroupName> = self.name(&doc.name, place);
        let persistent_state = self.wish(doc.persistent_state.as_deref(), place);
        let mut resources = BTreeMap::new();
        for resource in &doc.resources {
            let place = format!("{place}/resource/{}", resource.name);
            if let Some(other) = homes.insert(resource.name.to_ascii_lowercase(), doc.name.clone()) {
                let text = format!(
                    "resource \"{}\" is in group \"{other}\" already; names are unique in the cluster",
                    resource.name
                );
                self.wrong(&place, text);
            }
            if let Some(read) = self.resource(resource, &place) {
                resources.insert(read.name.clone(), read);
            }
        }
        let preferred_owners = self.names(&doc.preferred_owners, &format!("{place}/preferred_owners"));
        let depends_on_groups = self.names(&doc.depends_on_groups, &format!("{place}/depends_on_groups"));
        let provider = format!("{place}/depends_on_set");
        let depends_on_set = doc.depends_on_set.as_deref().and_then(|name| self.name(name, &provider));
        let description = self.description(&doc.description, place);
        Some(GroupConfig {
            name: name?,
            description,
            persistent_state,
            failover_threshold: doc.failover_threshold.unwrap_or(ANY_FAILOVERS),
            failover_period_hours: doc.failover_period.unwrap_or(6),
            preferred_owners,
            anti_affinity: self.anti_affinity(&doc.anti_affinity, place),
            failback: self.failback(doc.failback.as_deref(), place),
            cold_start: self.cold_start(doc.cold_start.as_deref(), place),
            depends_on_groups: depends_on_groups.into_iter().collect(),
            depends_on_set,
            priority: doc.priority.unwrap_or(2_000),
            resources,
            revision: 0,
        })
    }

    fn resource(&mut self, doc: &ResourceDoc, place: &str) -> Option<ResourceConfig> {
        let name = self.name(&doc.name, place);
        let type_name = self.name(&doc.type_name, &format!("{place}/type"));
        let persistent_state = self.wish(doc.persistent_state.as_deref(), place);
        let dependency = Dependency::parse(&doc.depends_on)
            .map_err(|error| self.wrong(&format!("{place}/depends_on"), format!("depends_on: {error}")))
            .unwrap_or_default();
        let possible_owners = self.names(&doc.possible_owners, &format!("{place}/possible_owners"));
        let (common, problems) = common::of_resource(&doc.common);
        for (name, text) in problems {
            self.wrong(&format!("{place}/common/{name}"), text);
        }
        let mut seen = BTreeSet::new();
        let mut properties = PropertyMap::new();
        for (name, value) in &doc.properties {
            let place = format!("{place}/properties/{name}");
            if !seen.insert(name.to_ascii_lowercase()) {
                self.wrong(&place, format!("property {name} is there twice; case makes no difference"));
            }
            match property(value) {
                Ok(value) => drop(properties.insert(name.clone(), value)),
                Err(text) => self.wrong(&place, format!("property {name}: {text}")),
            }
        }
        let revision = self.catalog.property_revision(properties);
        let description = self.description(&doc.description, place);
        Some(ResourceConfig {
            name: name?,
            type_name: type_name?,
            description,
            persistent_state,
            dependency,
            possible_owners: possible_owners.into_iter().collect(),
            common,
            revision,
        })
    }
}

/// As it is stored; nothing for what is so without a word.
pub(crate) fn failback_word(failback: Failback) -> Option<String> {
    match failback {
        Failback::Prevent => None,
        Failback::Allow { window: None } => Some("Allow".to_owned()),
        Failback::Allow { window: Some((start, end)) } => Some(format!("{start}-{end}")),
    }
}

/// As it is stored; nothing for what is so without a word.
pub(crate) fn cold_start_word(cold_start: ColdStart) -> Option<&'static str> {
    match cold_start {
        ColdStart::Always => None,
        ColdStart::DoNotStart => Some("DoNotStart"),
        ColdStart::Allowed => Some("Allowed"),
    }
}

/// As it is stored; nothing for what is so without a word.
pub(crate) const fn startup_word(setting: ReadyWhen) -> Option<&'static str> {
    match setting {
        ReadyWhen::Online => None,
        ReadyWhen::Pending => Some("Delay"),
    }
}

/// The value of a private property.
fn property(value: &Value) -> Result<PropertyValue, String> {
    match value {
        Value::Bool(yes) => Ok(PropertyValue::Number(i128::from(*yes))),
        Value::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(number), _) => Ok(PropertyValue::Number(number.into())),
            (None, Some(number)) => Ok(PropertyValue::Number(number.into())),
            (None, None) => Err(format!("{number} is no whole number")),
        },
        Value::String(text) => Ok(PropertyValue::Text(text.clone())),
        Value::Array(list) => list
            .iter()
            .map(|item| {
                item.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| format!("{item} is no text; a list holds texts"))
            })
            .collect::<Result<_, _>>()
            .map(PropertyValue::List),
        Value::Object(object) => match (object.len(), object.get("hex").and_then(Value::as_str)) {
            (1, Some(hex)) => {
                hex.parse::<Hex>().map(|bytes| PropertyValue::Bytes(bytes.0)).map_err(str::to_owned)
            }
            (_, _) => Err("a table is written { hex = \"00ff\" }".to_owned()),
        },
        Value::Null => Err("there is no value".to_owned()),
    }
}

/// A private property as JSON.
pub(crate) fn json(value: &PropertyValue) -> Value {
    match value {
        PropertyValue::Number(number) => match (i64::try_from(*number), u64::try_from(*number)) {
            (Ok(number), _) => number.into(),
            (Err(_), Ok(number)) => number.into(),
            (Err(_), Err(_)) => number.to_string().into(),
        },
        PropertyValue::Text(text) => text.as_str().into(),
        PropertyValue::List(list) => list.as_slice().into(),
        PropertyValue::Bytes(bytes) => serde_json::json!({ "hex": Hex(bytes.clone()).to_string() }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_wrong_is_named_at_once_with_its_place() {
        let config: Config = serde_json::from_value(serde_json::json!({
            "types": [{ "name": "Generic Script", "dll": "x.so" }],
            "groups": [
                { "name": "a/b" },
                { "name": "web", "persistent_state": "online", "resources": [
                    { "name": "x", "type": "Generic Application", "depends_on": "[a] and [b] or [c]" },
                    { "name": "X", "type": "", "common": { "RestartAction": 9 }, "properties": { "P": 1.5, "Q": [1], "q": null } },
                ] },
                { "name": "WEB" },
                { "name": "far", "failback": "24-1", "cold_start": "never", "anti_affinity": [" "],
                    "preferred_owners": ["n1", "N1", ""], "depends_on_groups": ["a/b"],
                    "depends_on_set": "", "resources": [{ "name": "y", "type": "T", "possible_owners": ["n/1"] }] },
            ],
            "group_sets": [
                { "name": "s", "groups": ["a", "A"], "startup_setting": "Soon", "startup_count": 0 },
                { "name": "S", "depends_on_set": "t/u" },
            ],
            "cluster": { "QuarantineTreshold": 4, "ClusterGroupWaitDelay": 3601 },
        }))
        .unwrap();
        let mut catalog = Catalog::new(["Generic Script"].map(|name| name.parse().unwrap()));
        let problems = read(&config, &mut catalog).problems;
        let shown: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.place, problem.text)).collect();
        let shown = shown.join("\n");
        for expected in [
            "type/Generic Script/dll: dll is \"x.so\"; it must be an absolute path",
            "type/Generic Script: \"Generic Script\" is a resource type of stead itself",
            "group/a/b: \"a/b\" is no group name",
            "group/web/persistent_state: persistent_state is \"online\"; it must be \"Online\" or \"Offline\"",
            "group/web/resource/x/depends_on: depends_on: ",
            "group/web/resource/X: resource \"X\" is in group \"web\" already",
            "group/web/resource/X/type: ",
            "group/web/resource/X/common/RestartAction: RestartAction is 9; it must be from 0 to 2",
            "group/web/resource/X/properties/P: property P: 1.5 is no whole number",
            "group/web/resource/X/properties/Q: property Q: 1 is no text",
            "group/web/resource/X/properties/q: property q is there twice",
            "group/WEB: group \"WEB\" is there twice",
            "group/far/failback: failback is \"24-1\"; it must be \"Prevent\", \"Allow\" or two hours from 0 to 23",
            "group/far/cold_start: cold_start is \"never\"; it must be \"Always\"",
            "group/far/anti_affinity: anti_affinity holds an empty text",
            "group/far/preferred_owners: \"N1\" is there twice",
            "group/far/preferred_owners: \"\" is no node name: it must not be empty",
            "group/far/depends_on_groups: \"a/b\" is no group name",
            "group/far/resource/y/possible_owners: \"n/1\" is no node name",
            "group/far/depends_on_set: \"\" is no group set name",
            "group_set/s/groups: \"A\" is there twice",
            "group_set/s/startup_setting: startup_setting is \"Soon\"; it must be \"Online\" or \"Delay\"",
            "group_set/s/startup_count: startup_count must be at least 1",
            "group_set/S: group set \"S\" is there twice",
            "group_set/S/depends_on_set: \"t/u\" is no group set name",
            "cluster/QuarantineTreshold: there is no setting QuarantineTreshold; there are: ",
            "cluster/ClusterGroupWaitDelay: ClusterGroupWaitDelay is 3601; it must be from 0 to 3600",
        ] {
            assert!(shown.contains(expected), "{expected:?} is missing in:\n{shown}");
        }
    }

    #[test]
    fn properties_survive_the_way_to_json_and_back() {
        for text in [r#"1"#, r#"-5"#, "18446744073709551615", r#""x""#, r#"["a","b"]"#, r#"{"hex":"00ff"}"#] {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(json(&property(&value).unwrap()), value);
        }
        assert_eq!(property(&Value::Bool(true)).unwrap(), PropertyValue::Number(1));
    }
}
