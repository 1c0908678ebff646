//! What resource DLLs store under the keys of their resources: the field `keys` of a resource's document.
//!
//! Under `Parameters` stands only what differs from the configured properties; null is a configured property that the
//! resource DLL deleted. The configuration stays as the operator wrote it, and what he changes later wins.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};
use stead_monitor_protocol::{Hex, KeyChange};
use stead_types::Code;

/// The field of the document.
pub(crate) const FIELD: &str = "keys";

/// The key that holds private properties.
const PARAMETERS: &str = "Parameters";

/// The most that a resource may store under its keys: the bytes of the message that brings them to a monitor.
pub(crate) const MOST: usize = 64 * 1024;

/// So many keys may be below each other. Each is kept with its whole path.
const DEEPEST: usize = 512;

/// More keys do not fit into [`MOST`], however short their names.
const MOST_KEYS: usize = MOST / 24;

const SZ: u32 = 1;
const EXPAND_SZ: u32 = 2;
const BINARY: u32 = 3;
const DWORD: u32 = 4;
const MULTI_SZ: u32 = 7;
const QWORD: u32 = 11;

type Object = Map<String, Value>;

fn same(one: &str, other: &str) -> bool {
    one.to_lowercase() == other.to_lowercase()
}

fn spelt<T>(of: &BTreeMap<String, T>, name: &str) -> Option<String> {
    of.keys().find(|known| same(known, name)).cloned()
}

/// Values by name.
type Values = BTreeMap<String, Value>;
/// Keys by path.
type Keys = BTreeMap<String, Values>;

/// Keys that are being changed.
struct Draft {
    keys: Keys,
    /// How each path is spelt, by its lower case.
    spelling: BTreeMap<String, String>,
}

impl Draft {
    fn new(keys: Keys) -> Self {
        let spelling = keys.keys().map(|path| (path.to_lowercase(), path.clone())).collect();
        Draft { keys, spelling }
    }

    /// The values of a key, if it is there.
    fn get(&mut self, path: &str) -> Option<&mut Values> {
        self.keys.get_mut(self.spelling.get(&path.to_lowercase())?)
    }

    /// The values of a key, which is made if it is not there.
    fn key(&mut self, path: &str) -> &mut Values {
        let known = self.spelling.entry(path.to_lowercase()).or_insert_with(|| path.to_owned());
        self.keys.entry(known.clone()).or_default()
    }

    /// As [`Draft::key`], with the keys above it.
    fn made(&mut self, path: &str) -> &mut Values {
        for (end, _) in path.match_indices('\\') {
            self.key(&path[..end]);
        }
        self.key(path)
    }

    fn delete(&mut self, path: &str) {
        let path = path.to_lowercase();
        let below = format!("{path}\\");
        let keys = &mut self.keys;
        self.spelling.retain(|folded, known| {
            let stays = *folded != path && !folded.starts_with(&below);
            if !stays {
                keys.remove(known);
            }
            stays
        });
    }
}

fn object(document: &Object, field: &str) -> Values {
    let object = document.get(field).and_then(Value::as_object).cloned().unwrap_or_default();
    object.into_iter().collect()
}

fn of(document: &Object) -> Keys {
    let values = |value: Value| match value {
        Value::Object(values) => values.into_iter().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => Values::new(),
    };
    object(document, FIELD).into_iter().map(|(path, of)| (path, values(of))).collect()
}

/// The field of the document; null where nothing is left. `Parameters` is there in any case, so it needs no place.
fn field(mut keys: Keys) -> Value {
    if let Some(known) = spelt(&keys, PARAMETERS)
        && keys[&known].is_empty()
    {
        keys.remove(&known);
    }
    if keys.is_empty() { Value::Null } else { json!(keys) }
}

/// A terminated text that reads back as the same bytes.
fn text(data: &[u8]) -> Option<String> {
    let (units, rest) = data.as_chunks::<2>();
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let (last, before) = units.split_last()?;
    if !rest.is_empty() || *last != 0 || before.contains(&0) {
        return None;
    }
    String::from_utf16(before).ok()
}

/// Several texts that read back as the same bytes.
fn texts(data: &[u8]) -> Option<Vec<String>> {
    let inner = data.strip_suffix(&[0, 0])?;
    let (units, rest) = inner.as_chunks::<2>();
    if !rest.is_empty() {
        return None;
    }
    let units: Vec<u16> = units.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    let list: Option<Vec<String>> = units
        .split_inclusive(|unit| *unit == 0)
        .map(|part| match part.split_last() {
            Some((0, text)) if !text.is_empty() => String::from_utf16(text).ok(),
            Some(_) | None => None,
        })
        .collect();
    list.filter(|list| !list.is_empty())
}

fn wide(text: &str) -> impl Iterator<Item = u8> {
    text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes)
}

/// A value as an operator reads it.
fn shown(kind: u32, data: &[u8]) -> Value {
    let plain = match kind {
        DWORD => data.try_into().ok().map(|bytes| json!({ "dword": u32::from_le_bytes(bytes) })),
        QWORD => data.try_into().ok().map(|bytes| json!({ "qword": u64::from_le_bytes(bytes) })),
        SZ => text(data).map(|text| json!({ "sz": text })),
        EXPAND_SZ => text(data).map(|text| json!({ "expand_sz": text })),
        MULTI_SZ => texts(data).map(|list| json!({ "multi_sz": list })),
        BINARY => Some(json!({ "binary": Hex(data.to_vec()) })),
        _ => None,
    };
    plain.unwrap_or_else(|| json!({ "type": kind, "hex": Hex(data.to_vec()) }))
}

/// The value an operator reads, as the resource DLL does. `None` if it is none of ours.
fn read(value: &Value) -> Option<(u32, Vec<u8>)> {
    let object = value.as_object()?;
    let hex = |field: &str| Some(object.get(field)?.as_str()?.parse::<Hex>().ok()?.0);
    if let Some(kind) = object.get("type") {
        return Some((u32::try_from(kind.as_u64()?).ok()?, hex("hex")?));
    }
    let (format, value) = object.iter().next()?;
    Some(match format.as_str() {
        "dword" => (DWORD, u32::try_from(value.as_u64()?).ok()?.to_le_bytes().to_vec()),
        "qword" => (QWORD, value.as_u64()?.to_le_bytes().to_vec()),
        "sz" => (SZ, wide(value.as_str()?).collect()),
        "expand_sz" => (EXPAND_SZ, wide(value.as_str()?).collect()),
        "multi_sz" => {
            let list: Option<Vec<&str>> = value.as_array()?.iter().map(Value::as_str).collect();
            (MULTI_SZ, list?.into_iter().flat_map(wide).chain([0, 0]).collect())
        }
        "binary" => (BINARY, hex("binary")?),
        _ => return None,
    })
}

/// The field after `changes`; null where nothing is left.
///
/// # Errors
/// 1816 `ERROR_NOT_ENOUGH_QUOTA` if it would be too much.
pub(crate) fn changed(document: &Object, changes: &[KeyChange]) -> Result<Value, Code> {
    let mut draft = Draft::new(of(document));
    let configured = object(document, "properties");
    for change in changes {
        let (KeyChange::CreateKey { path }
        | KeyChange::DeleteKey { path }
        | KeyChange::Set { path, .. }
        | KeyChange::Delete { path, .. }) = change;
        if path.matches('\\').count() >= DEEPEST {
            return Err(Code::ERROR_NOT_ENOUGH_QUOTA);
        }
        match change {
            KeyChange::CreateKey { path } => {
                draft.made(path);
            }
            KeyChange::Set { path, name, kind, data } => {
                let values = draft.made(path);
                let name = spelt(values, name).unwrap_or_else(|| name.clone());
                values.insert(name, shown(*kind, &data.0));
            }
            KeyChange::Delete { path, name } => {
                // A key that is not there does not come from taking a value out of it.
                if let Some(values) = draft.get(path) {
                    values.retain(|known, _| !same(known, name));
                }
                if same(path, PARAMETERS)
                    && let Some(name) = spelt(&configured, name)
                {
                    draft.key(path).insert(name, Value::Null);
                }
            }
            KeyChange::DeleteKey { path } => {
                draft.delete(path);
                if same(path, PARAMETERS) {
                    let deleted = configured.keys().map(|name| (name.clone(), Value::Null));
                    draft.key(PARAMETERS).extend(deleted);
                }
            }
        }
        if draft.keys.len() > MOST_KEYS {
            return Err(Code::ERROR_NOT_ENOUGH_QUOTA);
        }
    }
    let sent = serde_json::to_string(&to_changes(&draft.keys)).map_or(usize::MAX, |text| text.len());
    if sent > MOST { Err(Code::ERROR_NOT_ENOUGH_QUOTA) } else { Ok(field(draft.keys)) }
}

fn to_changes(keys: &Keys) -> Vec<KeyChange> {
    let mut changes = Vec::new();
    for (path, values) in keys {
        changes.push(KeyChange::CreateKey { path: path.clone() });
        for (name, value) in values {
            let (path, name) = (path.clone(), name.clone());
            if value.is_null() {
                changes.push(KeyChange::Delete { path, name });
            } else if let Some((kind, data)) = read(value) {
                changes.push(KeyChange::Set { path, name, kind, data: Hex(data) });
            }
        }
    }
    changes
}

/// What leads from the configured properties to what the resource DLL left. Values that cannot be read are left out.
pub(crate) fn changes(document: &Object) -> Vec<KeyChange> {
    to_changes(&of(document))
}

/// The field without the properties that an operator changes from what `document` has to `properties`.
pub(crate) fn without_changed(document: &Object, properties: &Object) -> Value {
    let mut keys = of(document);
    let before = object(document, "properties");
    let after: Values = properties.clone().into_iter().collect();
    let value = |of: &Values, name: &str| spelt(of, name).and_then(|name| of.get(&name).cloned());
    if let Some(values) = spelt(&keys, PARAMETERS).and_then(|known| keys.get_mut(&known)) {
        values.retain(|name, _| value(&before, name) == value(&after, name));
    }
    field(keys)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Object {
        serde_json::from_str(text).unwrap()
    }

    fn set(path: &str, name: &str, kind: u32, data: &[u8]) -> KeyChange {
        let (path, name) = (path.to_owned(), name.to_owned());
        KeyChange::Set { path, name, kind, data: Hex(data.to_vec()) }
    }

    #[test]
    fn every_kind_of_value_reads_back_as_the_same_bytes() {
        let cases: &[(u32, &[u8], &str)] = &[
            (DWORD, &[1, 0, 0, 0], r#"{"dword":1}"#),
            (DWORD, &[1], r#"{"type":4,"hex":"01"}"#),
            (QWORD, &[0, 0, 0, 0, 1, 0, 0, 0], r#"{"qword":4294967296}"#),
            (SZ, &[0x61, 0, 0, 0], r#"{"sz":"a"}"#),
            (SZ, &[0x61, 0], r#"{"type":1,"hex":"6100"}"#),
            (SZ, &[0x61, 0, 0, 0, 0, 0], r#"{"type":1,"hex":"610000000000"}"#),
            (SZ, &[0, 0xd8, 0, 0], r#"{"type":1,"hex":"00d80000"}"#),
            (EXPAND_SZ, &[0x25, 0, 0, 0], r#"{"expand_sz":"%"}"#),
            (MULTI_SZ, &[0x61, 0, 0, 0, 0x62, 0, 0, 0, 0, 0], r#"{"multi_sz":["a","b"]}"#),
            (MULTI_SZ, &[0, 0, 0, 0], r#"{"type":7,"hex":"00000000"}"#),
            (BINARY, &[7, 8], r#"{"binary":"0708"}"#),
            (99, &[], r#"{"type":99,"hex":""}"#),
        ];
        for (kind, data, json) in cases {
            let value = shown(*kind, data);
            assert_eq!(value.to_string(), *json);
            assert_eq!(read(&value), Some((*kind, data.to_vec())), "{json}");
        }
    }

    #[test]
    fn what_is_stored_leads_back_to_the_same() {
        let before = document(r#"{"properties":{"Port":1,"Host":"a"}}"#);
        let stored = changed(
            &before,
            &[
                set("Parameters", "Lease", DWORD, &[5, 0, 0, 0]),
                KeyChange::Delete { path: "PARAMETERS".to_owned(), name: "port".to_owned() },
                set("State\\Inner", "x", BINARY, &[1]),
                set("State\\Other", "y", BINARY, &[1]),
                KeyChange::DeleteKey { path: "state\\other".to_owned() },
            ],
        )
        .unwrap();
        let expected = r#"{"Parameters":{"Lease":{"dword":5},"Port":null},"State":{},
            "State\\Inner":{"x":{"binary":"01"}}}"#;
        assert_eq!(stored, serde_json::from_str::<Value>(expected).unwrap());
        let mut after = before;
        after.insert(FIELD.to_owned(), stored);
        assert_eq!(
            changes(&after),
            [
                KeyChange::CreateKey { path: "Parameters".to_owned() },
                set("Parameters", "Lease", DWORD, &[5, 0, 0, 0]),
                KeyChange::Delete { path: "Parameters".to_owned(), name: "Port".to_owned() },
                KeyChange::CreateKey { path: "State".to_owned() },
                KeyChange::CreateKey { path: "State\\Inner".to_owned() },
                set("State\\Inner", "x", BINARY, &[1]),
            ]
        );
    }

    #[test]
    fn keys_are_there_after_a_restart_exactly_if_they_were_before() {
        let create = |path: &str| KeyChange::CreateKey { path: path.to_owned() };
        let delete_key = |path: &str| KeyChange::DeleteKey { path: path.to_owned() };
        let delete = |path: &str| KeyChange::Delete { path: path.to_owned(), name: "x".to_owned() };
        // What is above a deleted key stays.
        let stored = changed(&Object::new(), &[create("a\\b\\c"), delete_key("A\\B")]).unwrap();
        assert_eq!(stored.to_string(), r#"{"a":{}}"#);
        // Deleting a value makes no key.
        assert_eq!(changed(&Object::new(), &[delete("ghost"), delete("Parameters")]).unwrap(), Value::Null);
        let stored = changed(&Object::new(), &[set("A\\B", "x", BINARY, &[1]), delete("a\\b")]).unwrap();
        assert_eq!(stored.to_string(), r#"{"A":{},"A\\B":{}}"#);
    }

    #[test]
    fn what_an_operator_changes_wins_over_what_the_resource_dll_stored() {
        let stored = document(
            r#"{"properties":{"Port":1,"Host":"a"},
                "keys":{"Parameters":{"port":{"dword":2},"Host":{"sz":"b"},"Lease":{"dword":5}}}}"#,
        );
        let kept = without_changed(&stored, &document(r#"{"Port":3,"Host":"a"}"#));
        assert_eq!(kept.to_string(), r#"{"Parameters":{"Host":{"sz":"b"},"Lease":{"dword":5}}}"#);
        let removed = without_changed(&stored, &document(r#"{"Lease":9}"#));
        assert_eq!(removed, Value::Null);
    }

    #[test]
    fn too_much_is_refused_with_1816() {
        let large = vec![0; MOST / 2];
        assert_eq!(
            changed(&Object::new(), &[set("a", "b", BINARY, &large)]),
            Err(Code::ERROR_NOT_ENOUGH_QUOTA)
        );
        assert!(changed(&Object::new(), &[set("a", "b", BINARY, &large[..8_000])]).is_ok());
        // Thousands of keys in one path, and again and again: the loop of the node has others to serve.
        let deep = KeyChange::CreateKey { path: ["a"; 50_000].join("\\") };
        assert_eq!(changed(&Object::new(), &[deep]), Err(Code::ERROR_NOT_ENOUGH_QUOTA));
        let many: Vec<KeyChange> = (0..1_024)
            .map(|number| KeyChange::CreateKey { path: format!("{number}{}", "\\b".repeat(60)) })
            .collect();
        assert_eq!(changed(&Object::new(), &many), Err(Code::ERROR_NOT_ENOUGH_QUOTA));
    }
}
