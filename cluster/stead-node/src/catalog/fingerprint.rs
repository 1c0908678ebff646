//! Numbers by which nodes tell each other which configuration of a group they mean.

use stead_policy::GroupConfig;

use super::Catalog;
use super::names::{group_key, resource_key};
use crate::keys;

/// Where FNV-1a begins: the hash of the standard library may be another one in another version.
const FNV: u64 = 0xcbf2_9ce4_8422_2325;

fn fnv(number: u64, bytes: impl IntoIterator<Item = u8>) -> u64 {
    bytes.into_iter().fold(number, |number, byte| (number ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

impl Catalog {
    /// The same number on every node for the same configuration of a group. What resource DLLs store is none of it.
    pub(crate) fn fingerprint(&mut self, config: &GroupConfig) -> u64 {
        let resources = config.resources.keys().map(resource_key);
        let keys = std::iter::once(group_key(&config.name)).chain(resources);
        keys.fold(FNV, |number, key| fnv(number, self.fingerprint_of(key).to_be_bytes()))
    }

    fn fingerprint_of(&mut self, key: String) -> u64 {
        let Some((document, revision)) = self.documents.get(&key).zip(self.revisions.get(&key)) else {
            return FNV;
        };
        if let Some((of, number)) = self.fingerprints.get(&key)
            && of == revision
        {
            return *number;
        }
        let fields = document.iter().filter(|(name, _)| *name != keys::FIELD);
        let number = fields.fold(FNV, |number, (name, value)| {
            fnv(number, name.bytes().chain(value.to_string().into_bytes()))
        });
        self.fingerprints.insert(key, (*revision, number));
        number
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};
    use stead_store::Entry;

    use super::*;

    #[test]
    fn a_configuration_has_one_number_everywhere_whatever_resource_dlls_store() {
        let entry =
            |key: &str, value: Value, modified| Entry { key: key.to_owned(), value, created: 1, modified };
        let resource = |line: &str, modified| {
            let properties = json!({ "CommandLine": line });
            let value = json!({ "schema": 1, "name": "db", "group": "web", "type": "Generic Application",
                "properties": properties, (keys::FIELD): { "modified": modified } });
            entry("resource/db", value, modified)
        };
        let read = |revision| {
            let mut catalog = Catalog::new(["Generic Application".parse().unwrap()]);
            let group = entry("group/web", json!({ "schema": 1, "name": "web" }), revision);
            let config = catalog.load(vec![group, resource("sleep 1", revision)]).unwrap();
            (catalog, config.groups.values().next().unwrap().clone())
        };
        let ((mut catalog, config), (mut another, _)) = (read(1), read(7));
        let first = catalog.fingerprint(&config);
        assert_eq!(another.fingerprint(&config), first, "not of the revision");
        assert!(catalog.changed(resource("sleep 1", 8)));
        assert_eq!(catalog.fingerprint(&config), first, "not of what a resource DLL stored");
        assert!(catalog.changed(resource("sleep 2", 9)));
        let second = catalog.fingerprint(&config);
        assert_ne!(second, first);
        assert!(catalog.changed(entry(
            "group/web",
            json!({ "schema": 1, "name": "web", "priority": 1 }),
            10
        )));
        assert_ne!(catalog.fingerprint(&config), second);
        assert!(catalog.deleted("resource/db"));
        assert!(catalog.changed(resource("sleep 1", 11)));
        assert!(catalog.changed(entry("group/web", json!({ "schema": 1, "name": "web" }), 12)));
        assert_eq!(catalog.fingerprint(&config), first, "as before, the number of before");
    }
}
