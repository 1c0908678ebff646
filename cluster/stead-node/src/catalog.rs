//! What is stored, and how it maps to what the policy knows. Documents keep the fields this version does not know.

mod fingerprint;
mod names;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};
use stead_api::{Config, GroupDoc, GroupSetDoc, ResourceDoc, TypeDoc};
use stead_monitor_protocol::{KeyChange, Library, Properties};
use stead_policy::cluster::{Property, Settings, SettingsChange};
use stead_policy::{
    Change, ClusterConfig, GroupConfig, GroupSetConfig, PlanProblem, PlanStep, ResourceConfig, TypeConfig,
};
use stead_store::{Entry, Guard, Operation, Revision};
use stead_store_etcd::DAMAGED;
use stead_types::{FenceClass, GroupName, NodeName, PropertyMap, ResourceName, TypeDefaults, TypeName};

use crate::common::{self, Numbers};
use crate::keys;
use crate::translate;
use names::{
    GROUP_FIELDS, RESOURCE_FIELDS, SET_FIELDS, SETTINGS, TYPE_FIELDS, comment, group_key, node_key,
    resource_key, set_key, texts, type_key, word,
};

/// Of the documents.
const SCHEMA: u64 = 1;

/// The part of a resource type that the policy does not look at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct TypeBody {
    /// The path of the resource DLL; empty for a type of stead itself.
    pub(crate) dll: String,
    pub(crate) common: Numbers,
}

/// Gives equal values equal numbers, for as long as this process lives.
#[derive(Debug)]
struct Interned<T> {
    numbers: BTreeMap<T, u64>,
    values: Vec<T>,
}

impl<T: Ord + Clone> Interned<T> {
    const fn new() -> Self {
        Interned { numbers: BTreeMap::new(), values: Vec::new() }
    }

    fn number(&mut self, value: T) -> u64 {
        if let Some(number) = self.numbers.get(&value) {
            return *number;
        }
        let number = self.values.len() as u64;
        self.values.push(value.clone());
        self.numbers.insert(value, number);
        number
    }

    fn value(&self, number: u64) -> Option<&T> {
        self.values.get(usize::try_from(number).ok()?)
    }
}

/// A document and the revision that changed it last.
type Stored = (Map<String, Value>, Revision);

/// Everything stored, in memory.
#[derive(Debug)]
pub(crate) struct Catalog {
    builtin: Vec<TypeName>,
    documents: BTreeMap<String, Map<String, Value>>,
    /// The revision that changed each document last.
    revisions: BTreeMap<String, Revision>,
    /// What a document amounts to without what resource DLLs store, and at which revision.
    fingerprints: BTreeMap<String, (Revision, u64)>,
    /// What other nodes changed, as it was before: until it is known that it can be read.
    before: BTreeMap<String, Option<Stored>>,
    properties: Interned<PropertyMap>,
    types: Interned<TypeBody>,
}

/// What a resource is opened with, beside its name.
#[derive(Clone, Debug)]
pub(crate) struct Body {
    pub(crate) library: Library,
    pub(crate) properties: Properties,
    pub(crate) keys: Vec<KeyChange>,
    pub(crate) timing: stead_monitor_protocol::Timing,
}

/// What is stored makes no sense.
#[derive(Debug)]
pub(crate) struct Unreadable(pub(crate) Vec<PlanProblem>);

impl Catalog {
    /// An empty one; `builtin` names the resource types of stead itself.
    pub(crate) fn new(builtin: impl IntoIterator<Item = TypeName>) -> Self {
        Catalog {
            builtin: builtin.into_iter().collect(),
            documents: BTreeMap::new(),
            revisions: BTreeMap::new(),
            fingerprints: BTreeMap::new(),
            before: BTreeMap::new(),
            properties: Interned::new(),
            types: Interned::new(),
        }
    }

    pub(crate) fn is_builtin(&self, name: &TypeName) -> bool {
        self.builtin.contains(name)
    }

    pub(crate) fn type_revision(&mut self, body: &TypeBody) -> u64 {
        self.types.number(body.clone())
    }

    pub(crate) fn property_revision(&mut self, properties: PropertyMap) -> u64 {
        self.properties.number(properties)
    }

    /// The private properties with this number.
    pub(crate) fn properties(&self, revision: u64) -> PropertyMap {
        self.properties.value(revision).cloned().unwrap_or_default()
    }

    /// Where a type's entry points come from.
    pub(crate) fn library(&self, config: &TypeConfig) -> Library {
        match self.types.value(config.revision) {
            Some(body) if !body.dll.is_empty() => Library::File(body.dll.clone()),
            Some(_) | None => Library::Builtin,
        }
    }

    /// The files of all resource types that have one.
    pub(crate) fn files(&self, config: &ClusterConfig) -> Vec<(TypeName, String)> {
        let file = |config: &TypeConfig| match self.library(config) {
            Library::File(file) => Some((config.name.clone(), file)),
            Library::Builtin => None,
        };
        config.types.values().filter_map(file).collect()
    }

    /// What a resource is opened with.
    pub(crate) fn body(&self, config: &ClusterConfig, resource: &ResourceConfig) -> Body {
        let known = config.types.get(&resource.type_name);
        let defaults = known.map_or_else(TypeDefaults::default, |known| known.defaults);
        Body {
            library: known.map_or(Library::Builtin, |known| self.library(known)),
            properties: Properties(self.properties(resource.revision)),
            keys: self.keys(&resource.name),
            timing: common::timing(&resource.common, &defaults),
        }
    }

    /// What the resource DLL has changed of its resource's keys.
    pub(crate) fn keys(&self, resource: &ResourceName) -> Vec<KeyChange> {
        self.documents.get(&resource_key(resource)).map(keys::changes).unwrap_or_default()
    }

    /// What to store for changes that a resource DLL makes of its resource's keys; nothing if that is stored already.
    ///
    /// # Errors
    /// 5007 if the resource is gone, 1816 if it would store too much.
    pub(crate) fn keep(
        &self,
        resource: &ResourceName,
        changes: &[KeyChange],
    ) -> Result<Option<Operation>, stead_types::Code> {
        let key = resource_key(resource);
        let document = self.documents.get(&key).ok_or(stead_types::Code::ERROR_RESOURCE_NOT_FOUND)?;
        let changed = keys::changed(document, changes)?;
        let same = document.get(keys::FIELD).unwrap_or(&Value::Null) == &changed;
        Ok((!same).then(|| self.put(key, json!({ keys::FIELD: changed }))))
    }

    /// Takes in what the store holds.
    ///
    /// # Errors
    /// What of it cannot be read.
    pub(crate) fn load(&mut self, entries: Vec<Entry>) -> Result<ClusterConfig, Unreadable> {
        let mut problems = Vec::new();
        let mut wrong = |place: &str, text: String| {
            let code = stead_types::Code::ERROR_INVALID_DATA;
            problems.push(PlanProblem { place: place.to_owned(), text, code });
        };
        for Entry { key, value, modified, .. } in entries {
            let document = match value {
                Value::Object(document) => document,
                Value::String(text) if text == DAMAGED => {
                    wrong(&key, text);
                    continue;
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                    wrong(&key, "it is no JSON object".to_owned());
                    continue;
                }
            };
            let schema = document.get("schema").and_then(Value::as_u64);
            if schema.is_none_or(|schema| schema > SCHEMA) {
                let schema = schema.map_or("none".to_owned(), |schema| schema.to_string());
                wrong(&key, format!("its schema is {schema}; this version reads up to {SCHEMA}"));
                continue;
            }
            self.revisions.insert(key.clone(), modified);
            self.documents.insert(key, document);
        }
        if !problems.is_empty() {
            return Err(Unreadable(problems));
        }
        self.read()
    }

    /// The configuration that the documents are.
    fn read(&mut self) -> Result<ClusterConfig, Unreadable> {
        let config = self.documented().map_err(|text| {
            let code = stead_types::Code::ERROR_INVALID_DATA;
            Unreadable(vec![PlanProblem { place: "cluster database".to_owned(), text, code }])
        })?;
        let translate::Read { wanted: mut read, problems, complete: _ } = translate::read(&config, self);
        if !problems.is_empty() {
            return Err(Unreadable(problems));
        }
        for name in self.builtin.clone() {
            let revision = self.type_revision(&TypeBody { dll: String::new(), common: Numbers::new() });
            let (defaults, fence) = (TypeDefaults::default(), stead_api::builtin_fence_class(name.as_str()));
            let description = String::new();
            let config = TypeConfig {
                name: name.clone(),
                description,
                defaults,
                fence,
                accept_no_watchdog: false,
                revision,
            };
            read.types.insert(name, config);
        }
        Ok(read)
    }

    /// Another node has written a document. True if that is news.
    pub(crate) fn changed(&mut self, entry: Entry) -> bool {
        let Entry { key, value, modified, .. } = entry;
        if self.revisions.get(&key).is_some_and(|known| *known >= modified) {
            return false;
        }
        self.remember(&key);
        self.revisions.insert(key.clone(), modified);
        // What is no object cannot be read either; nothing is said of it here.
        let document = match value {
            Value::Object(document) => document,
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => {
                Map::new()
            }
        };
        self.documents.insert(key, document);
        true
    }

    /// Another node has deleted a document. True if that is news.
    pub(crate) fn deleted(&mut self, key: &str) -> bool {
        if !self.documents.contains_key(key) {
            return false;
        }
        self.remember(key);
        self.documents.remove(key);
        self.revisions.remove(key);
        self.fingerprints.remove(key);
        true
    }

    fn remember(&mut self, key: &str) {
        let known = self.documents.get(key).cloned().zip(self.revisions.get(key).copied());
        self.before.entry(key.to_owned()).or_insert(known);
    }

    /// The configuration after other nodes have changed it.
    ///
    /// # Errors
    /// What of it cannot be read; then what was good last counts on.
    pub(crate) fn read_again(&mut self) -> Result<ClusterConfig, Unreadable> {
        let mut problems = Vec::new();
        for key in self.before.keys() {
            let schema =
                self.documents.get(key).map(|document| document.get("schema").and_then(Value::as_u64));
            if let Some(schema) = schema
                && schema.is_none_or(|schema| schema > SCHEMA)
            {
                let text = format!(
                    "it is no document of a schema up to {SCHEMA}: it was changed by hand, or damaged"
                );
                let code = stead_types::Code::ERROR_INVALID_DATA;
                problems.push(PlanProblem { place: key.clone(), text, code });
            }
        }
        let read = if problems.is_empty() { self.read() } else { Err(Unreadable(problems)) };
        let before = std::mem::take(&mut self.before);
        if read.is_err() {
            for (key, known) in before {
                match known {
                    Some((document, revision)) => {
                        self.documents.insert(key.clone(), document);
                        self.revisions.insert(key, revision);
                    }
                    None => {
                        self.documents.remove(&key);
                        self.revisions.remove(&key);
                    }
                }
            }
        }
        read
    }

    /// The keys of everything that is stored.
    pub(crate) fn keys_stored(&self) -> impl Iterator<Item = String> {
        self.documents.keys().cloned()
    }

    /// Everything that is stored, with the revisions that changed it last.
    pub(crate) fn stored(&self) -> impl Iterator<Item = (&str, Revision, Value)> {
        self.documents.iter().map(|(key, document)| {
            let revision = self.revisions.get(key).copied().unwrap_or_default();
            (key.as_str(), revision, Value::Object(document.clone()))
        })
    }

    /// Resources in maintenance mode.
    pub(crate) fn maintenance(&self) -> impl Iterator<Item = ResourceName> {
        self.documents
            .iter()
            .filter(|(key, document)| {
                key.starts_with("resource/") && document.get("maintenance") == Some(&json!(true))
            })
            .filter_map(|(_, document)| document.get("name")?.as_str()?.parse().ok())
    }

    /// Whether a node is paused.
    pub(crate) fn paused(&self, node: &NodeName) -> bool {
        let document = self.documents.get(&node_key(node));
        document.is_some_and(|document| document.get("paused") == Some(&json!(true)))
    }

    /// The configuration as clients see it.
    ///
    /// # Errors
    /// Which document cannot be read, and why.
    pub(crate) fn documented(&self) -> Result<Config, String> {
        fn read<T: serde::de::DeserializeOwned>(
            key: &str,
            document: &Map<String, Value>,
            fields: &[&str],
        ) -> Result<T, String> {
            let known = document.iter().filter(|(field, _)| fields.contains(&field.as_str()));
            let known: Map<String, Value> =
                known.map(|(field, value)| (field.clone(), value.clone())).collect();
            serde_json::from_value(Value::Object(known)).map_err(|error| format!("{key}: {error}"))
        }
        let mut config = Config::default();
        let mut members: BTreeMap<String, Vec<ResourceDoc>> = BTreeMap::new();
        for (key, document) in &self.documents {
            if key.starts_with("resource/") {
                let doc = read(key, document, RESOURCE_FIELDS)?;
                let group = document.get("group").and_then(Value::as_str).unwrap_or_default();
                members.entry(group.to_ascii_lowercase()).or_default().push(doc);
            } else if key.starts_with("type/") {
                config.types.push(read::<TypeDoc>(key, document, TYPE_FIELDS)?);
            } else if key.starts_with("group_set/") {
                config.group_sets.push(read::<GroupSetDoc>(key, document, SET_FIELDS)?);
            } else if key == SETTINGS {
                let names: Vec<&str> = Property::ALL.iter().map(|property| property.name).collect();
                config.cluster = read(key, document, &names)?;
            } else if key.starts_with("group/") {
                config.groups.push(read::<GroupDoc>(key, document, GROUP_FIELDS)?);
            }
        }
        for group in &mut config.groups {
            group.resources = members.remove(&group.name.to_ascii_lowercase()).unwrap_or_default();
        }
        match members.into_iter().next() {
            None => Ok(config),
            Some((group, _)) => {
                Err(format!("there are resources of a group \"{group}\" that does not exist"))
            }
        }
    }

    /// The document with the known fields put in, and the operation that stores it.
    fn put(&self, key: String, known: Value) -> Operation {
        let mut document = self.documents.get(&key).cloned().unwrap_or_default();
        if let Value::Object(known) = known {
            for (field, value) in known {
                if value.is_null() {
                    document.remove(&field);
                } else {
                    document.insert(field, value);
                }
            }
        }
        document.insert("schema".to_owned(), SCHEMA.into());
        Operation::Put(key, Value::Object(document))
    }

    fn put_resource(&self, group: &GroupName, resource: &ResourceConfig) -> Operation {
        let properties = self.properties(resource.revision);
        let properties: Map<String, Value> =
            properties.iter().map(|(name, value)| (name.clone(), translate::json(value))).collect();
        let key = resource_key(&resource.name);
        let kept = self.documents.get(&key).map(|document| keys::without_changed(document, &properties));
        let stored = self.documents.get(&key).and_then(|document| document.get("persistent_state").cloned());
        let wish = resource.persistent_state.map(|state| json!(word(state))).or(stored);
        self.put(
            key,
            json!({
                "name": resource.name.as_str(),
                "group": group.as_str(),
                "type": resource.type_name.as_str(),
                "description": comment(&resource.description),
                "depends_on": resource.dependency.to_string(),
                "possible_owners": texts(resource.possible_owners.iter()),
                "persistent_state": wish,
                "common": common::numbers(&resource.common),
                "properties": properties,
                keys::FIELD: kept,
            }),
        )
    }

    fn put_group(&self, group: &GroupConfig) -> Operation {
        let key = group_key(&group.name);
        let stored = self.documents.get(&key).and_then(|document| document.get("persistent_state").cloned());
        let wish = group.persistent_state.map(|state| json!(word(state))).or(stored);
        self.put(
            key,
            json!({
                "name": group.name.as_str(),
                "description": comment(&group.description),
                "persistent_state": wish.unwrap_or_else(|| json!("Online")),
                "failover_threshold": group.failover_threshold,
                "failover_period": group.failover_period_hours,
                "preferred_owners": texts(group.preferred_owners.iter()),
                "anti_affinity": texts(group.anti_affinity.iter()),
                "failback": translate::failback_word(group.failback),
                "cold_start": translate::cold_start_word(group.cold_start),
                "depends_on_groups": texts(group.depends_on_groups.iter()),
                "depends_on_set": group.depends_on_set.as_ref().map(ToString::to_string),
                "priority": group.priority,
            }),
        )
    }

    fn put_set(&self, set: &GroupSetConfig) -> Operation {
        let delay = Some(set.startup_delay.as_secs()).filter(|seconds| *seconds > 0);
        self.put(
            set_key(&set.name),
            json!({
                "name": set.name.as_str(),
                "groups": texts(set.groups.iter()),
                "startup_setting": translate::startup_word(set.startup_setting),
                "startup_count": set.startup_count,
                "startup_delay": delay,
                "is_global": set.is_global,
                "depends_on_set": set.depends_on_set.as_ref().map(ToString::to_string),
            }),
        )
    }

    /// Only what is not as it is without a word is stored. What does not change is as it is by now, and not as it was when
    /// this was planned: another node may have changed it since.
    fn put_settings(&self, change: &SettingsChange) -> Operation {
        let plain = Settings::default();
        let field = |(property, _, number): (&Property, u32, u32)| {
            let stored = (number != property.of(&plain)).then_some(number);
            (property.name.to_owned(), json!(stored))
        };
        self.put(SETTINGS.to_owned(), Value::Object(change.changed().map(field).collect()))
    }

    /// The cluster's settings, as far as they are stored.
    pub(crate) fn settings(&self) -> BTreeMap<String, u64> {
        let document = self.documents.get(SETTINGS);
        let stored =
            |property: &Property| Some((property.name.to_owned(), document?.get(property.name)?.as_u64()?));
        Property::ALL.iter().filter_map(stored).collect()
    }

    fn members(&self, group: &GroupName) -> Vec<String> {
        let of = |document: &Map<String, Value>| {
            document
                .get("group")
                .and_then(Value::as_str)
                .is_some_and(|of| of.eq_ignore_ascii_case(group.as_str()))
        };
        let members =
            self.documents.iter().filter(|(key, document)| key.starts_with("resource/") && of(document));
        members.map(|(key, _)| key.clone()).collect()
    }

    /// What to store for these changes, which take effect here by [`Catalog::take`].
    pub(crate) fn operations(&self, changes: &[Change]) -> Vec<Operation> {
        let mut operations = Vec::new();
        for change in changes {
            match change {
                Change::Step(PlanStep::SetType(config)) => {
                    let Some(body) = self.types.value(config.revision) else { continue };
                    let key = type_key(&config.name);
                    let fence = (config.fence != FenceClass::default()).then(|| config.fence.to_string());
                    let known = json!({
                        "name": config.name.as_str(),
                        "description": comment(&config.description),
                        "dll": body.dll,
                        "common": body.common,
                        "fence_class": fence,
                        "accept_no_watchdog": config.accept_no_watchdog.then_some(true),
                    });
                    operations.push(self.put(key, known));
                }
                Change::Step(PlanStep::SetGroup(config)) => {
                    operations.push(self.put_group(config));
                    operations.extend(
                        config.resources.values().map(|resource| self.put_resource(&config.name, resource)),
                    );
                }
                Change::Step(PlanStep::DeleteResource(_, name)) => {
                    operations.push(Operation::Delete(resource_key(name)))
                }
                Change::Step(PlanStep::DeleteGroup(name)) => {
                    operations.extend(self.members(name).into_iter().map(Operation::Delete));
                    operations.push(Operation::Delete(group_key(name)));
                }
                Change::Step(PlanStep::DeleteType(name)) => {
                    operations.push(Operation::Delete(type_key(name)))
                }
                Change::Step(PlanStep::SetGroupSet(set)) => operations.push(self.put_set(set)),
                Change::Step(PlanStep::DeleteGroupSet(name)) => {
                    operations.push(Operation::Delete(set_key(name)))
                }
                Change::Step(PlanStep::SetSettings(change)) => operations.push(self.put_settings(change)),
                Change::GroupPersistentState(name, state) => {
                    operations
                        .extend(self.amend(group_key(name), json!({ "persistent_state": state.map(word) })));
                }
                Change::ResourcePersistentState(name, state) => {
                    operations.extend(
                        self.amend(resource_key(name), json!({ "persistent_state": state.map(word) })),
                    );
                }
                Change::ResourceMaintenance(name, on) => {
                    let on = if *on { json!(true) } else { Value::Null };
                    operations.extend(self.amend(resource_key(name), json!({ "maintenance": on })));
                }
                Change::NodePaused(name, paused) => {
                    let known = json!({ "name": name.as_str(), "paused": paused });
                    operations.push(self.put(node_key(name), known));
                }
            }
        }
        operations
    }

    /// Changes fields of a document; of one that is gone nothing, since half a document could not be read again.
    fn amend(&self, key: String, fields: Value) -> Option<Operation> {
        self.documents.contains_key(&key).then(|| self.put(key, fields))
    }

    /// What was stored under this revision is so.
    pub(crate) fn take(&mut self, operations: Vec<Operation>, revision: Revision) {
        for operation in operations {
            match operation {
                Operation::Put(key, Value::Object(document)) => {
                    self.revisions.insert(key.clone(), revision);
                    self.documents.insert(key, document);
                }
                Operation::Put(..) => {}
                Operation::Delete(key) => {
                    self.fingerprints.remove(&key);
                    self.revisions.remove(&key);
                    self.documents.remove(&key);
                }
            }
        }
    }

    /// What these operations are made on.
    pub(crate) fn guards(&self, operations: &[Operation]) -> Vec<Guard> {
        let keys: BTreeSet<&str> = operations.iter().map(Operation::key).collect();
        let guard = |key: &str| match self.revisions.get(key) {
            Some(revision) => Guard::ModifiedAt(key.to_owned(), *revision),
            None => Guard::Absent(key.to_owned()),
        };
        keys.into_iter().map(guard).collect()
    }
}

#[cfg(test)]
mod tests {
    use stead_policy::PersistentState;

    use super::*;

    fn entry(key: &str, value: Value) -> Entry {
        Entry { key: key.to_owned(), value, created: 1, modified: 1 }
    }

    fn catalog() -> (Catalog, ClusterConfig) {
        let mut catalog = Catalog::new(["Generic Application".parse().unwrap()]);
        let config = catalog
            .load(vec![
                entry("group/web", json!({ "schema": 1, "name": "Web", "colour": "red" })),
                entry(
                    "resource/db",
                    json!({ "schema": 1, "name": "db", "group": "Web", "type": "Generic Application",
                        "properties": { "CommandLine": "sleep 1" }, "note": "from a later version" }),
                ),
            ])
            .unwrap();
        (catalog, config)
    }

    #[test]
    fn what_says_where_a_group_belongs_survives_the_way_to_the_store_and_back() {
        let given = json!({ "groups": [{
            "name": "web", "description": "the shop", "preferred_owners": ["n2", "n1"], "anti_affinity": ["Red"], "failback": "22-4",
            "cold_start": "DoNotStart", "depends_on_groups": ["db"], "depends_on_set": "databases",
            "resources": [{ "name": "x", "type": "Generic Application", "possible_owners": ["n1", "n2"],
                "description": "its \"server\"" }],
        }] });
        let given: Config = serde_json::from_value(given).unwrap();
        let mut catalog = Catalog::new(["Generic Application".parse().unwrap()]);
        let read = translate::read(&given, &mut catalog);
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        let steps: Vec<Change> = read
            .wanted
            .groups
            .values()
            .cloned()
            .map(|group| Change::Step(PlanStep::SetGroup(Box::new(group))))
            .collect();
        let operations = catalog.operations(&steps);
        catalog.take(operations, 2);
        let shown = catalog.documented().unwrap();
        let (shown, group) = (&shown.groups[0], &given.groups[0]);
        assert_eq!((&shown.description, "the shop"), (&group.description, shown.description.as_str()));
        assert_eq!(shown.resources[0].description, "its \"server\"");
        assert_eq!(shown.preferred_owners, group.preferred_owners);
        assert_eq!(shown.anti_affinity, group.anti_affinity);
        assert_eq!((&shown.failback, &shown.cold_start), (&group.failback, &group.cold_start));
        assert_eq!(shown.depends_on_groups, group.depends_on_groups);
        assert_eq!(shown.depends_on_set, group.depends_on_set);
        assert_eq!(shown.resources[0].possible_owners, group.resources[0].possible_owners);
    }

    #[test]
    fn group_sets_and_settings_survive_the_way_to_the_store_and_back() {
        let given = json!({
            "group_sets": [
                { "name": "databases", "groups": ["db1", "db2"], "startup_setting": "Delay", "startup_count": 1,
                    "startup_delay": 20, "depends_on_set": "networks" },
                { "name": "networks", "groups": ["lan"], "is_global": true },
            ],
            "cluster": { "QuarantineThreshold": 5, "GroupDependencyTimeout": 60 },
        });
        let given: Config = serde_json::from_value(given).unwrap();
        let mut catalog = Catalog::new([]);
        let read = translate::read(&given, &mut catalog);
        assert!(read.problems.is_empty(), "{:?}", read.problems);
        let store = |catalog: &mut Catalog, wanted: ClusterConfig| {
            let sets = wanted.sets.into_values().map(PlanStep::SetGroupSet);
            let have = Settings::read(&catalog.settings()).unwrap();
            let settings =
                wanted.settings.map(|to| PlanStep::SetSettings(Box::new(SettingsChange::new(have, to))));
            let steps: Vec<Change> = sets.chain(settings).map(Change::Step).collect();
            let operations = catalog.operations(&steps);
            catalog.take(operations, 2);
        };
        store(&mut catalog, read.wanted);
        assert_eq!(catalog.documented().unwrap(), given);
        assert_eq!(catalog.read().unwrap().settings.unwrap().quarantine_threshold, 5);
        // What is not named stays; what is as it is without a word is no longer stored; what is not known is kept.
        catalog.documents.get_mut(SETTINGS).unwrap().insert("FromALaterVersion".to_owned(), json!(7));
        let less = json!({ "cluster": { "quarantinethreshold": 3 } });
        let read = translate::read(&serde_json::from_value(less).unwrap(), &mut catalog);
        store(&mut catalog, read.wanted);
        let stored = &catalog.documents[SETTINGS];
        assert_eq!(stored.get("QuarantineThreshold"), None);
        assert_eq!(
            (&stored["GroupDependencyTimeout"], &stored["FromALaterVersion"]),
            (&json!(60), &json!(7))
        );
    }

    #[test]
    fn unknown_fields_survive_a_rewrite() {
        let (mut catalog, config) = catalog();
        let group = config.groups.values().next().unwrap().clone();
        let operations = catalog.operations(&[Change::Step(PlanStep::SetGroup(Box::new(group)))]);
        catalog.take(operations, 2);
        assert_eq!(catalog.documents["group/web"]["colour"], "red");
        assert_eq!(catalog.documents["resource/db"]["note"], "from a later version");
        assert_eq!(catalog.documents["resource/db"]["properties"]["CommandLine"], "sleep 1");
    }

    #[test]
    fn a_wish_and_maintenance_change_nothing_else() {
        let (mut catalog, _) = catalog();
        let before = catalog.documents["resource/db"].clone();
        let name: ResourceName = "DB".parse().unwrap();
        let changes = [
            Change::ResourcePersistentState(name.clone(), Some(PersistentState::Offline)),
            Change::ResourceMaintenance(name.clone(), true),
        ];
        for change in changes {
            let operations = catalog.operations(&[change]);
            catalog.take(operations, 2);
        }
        assert_eq!(catalog.maintenance().collect::<Vec<_>>(), vec![name.clone()]);
        let operations = catalog.operations(&[Change::ResourceMaintenance(name, false)]);
        catalog.take(operations, 2);
        let mut after = catalog.documents["resource/db"].clone();
        assert_eq!(after.remove("persistent_state"), Some(json!("Offline")));
        assert_eq!(after, before);
    }

    #[test]
    fn a_pause_is_a_document_of_its_own_and_keeps_what_others_say_of_the_node() {
        let (mut catalog, _) = catalog();
        let (name, before) = ("N1".parse::<NodeName>().unwrap(), catalog.documented().unwrap());
        assert!(!catalog.paused(&name));
        let operations = catalog.operations(&[Change::NodePaused(name.clone(), true)]);
        catalog.take(operations, 2);
        assert!(catalog.paused(&"n1".parse().unwrap()));
        catalog.documents.get_mut("node/n1").unwrap().insert("quarantine".to_owned(), json!("from another"));
        let operations = catalog.operations(&[Change::NodePaused(name.clone(), false)]);
        catalog.take(operations, 2);
        assert!(!catalog.paused(&name));
        assert_eq!(catalog.documents["node/n1"]["quarantine"], "from another");
        assert_eq!(catalog.documented().unwrap(), before, "it is no configuration");
    }

    #[test]
    fn a_newer_schema_and_nonsense_are_refused_by_key() {
        let mut catalog = Catalog::new([]);
        let refused = catalog.load(vec![entry("group/a", json!({ "schema": 2 })), entry("type/b", json!(7))]);
        let Unreadable(problems) = refused.unwrap_err();
        assert_eq!(problems[0].text, "its schema is 2; this version reads up to 1");
        assert_eq!(problems[1].place, "type/b");
        let mut catalog = Catalog::new([]);
        let orphan = json!({ "schema": 1, "name": "x", "group": "gone", "type": "T" });
        let Unreadable(problems) = catalog.load(vec![entry("resource/x", orphan)]).unwrap_err();
        assert!(problems[0].text.contains("does not exist"), "{problems:?}");
    }

    #[test]
    fn deleting_a_group_deletes_its_resources() {
        let (mut catalog, _) = catalog();
        let operations = catalog.operations(&[Change::Step(PlanStep::DeleteGroup("WEB".parse().unwrap()))]);
        catalog.take(operations, 2);
        assert!(catalog.documents.is_empty());
    }
}
