//! Control codes: what the monitor does itself where the resource DLL does not.
//!
//! Windows: mscs/resource-control-codes

use std::sync::Arc;

use clusapi::{Change, Keeper, PARAMETERS, Stored, Tree, kind};
use stead_monitor_protocol::KeyChange;
use stead_resapi as abi;
use stead_resapi::{Property, PropertyList, Value, decode_multi_sz, encode_multi_sz, to_wide};
use stead_types::{Code, PropertyFormat, PropertyMap, PropertyValue};

use crate::asking;
use crate::common;
use crate::dll::Dll;
use crate::engine::{Engine, Instance};

/// The formats of a type's private properties, by lower-case name.
pub(crate) type Formats = Vec<(String, PropertyFormat)>;

/// The formats of a type's private properties, asked for once. Empty where it does not say.
pub(crate) fn formats_of(dll: &Dll) -> &Formats {
    dll.formats.get_or_init(|| private_formats(dll))
}

fn private_formats(dll: &Dll) -> Formats {
    let code = abi::CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS;
    let mut size = 4_096;
    for _ in 0..2 {
        let (returned, output, count) = dll.type_control(code, Vec::new(), size);
        if returned == abi::ERROR_MORE_DATA && count > size && count <= 1 << 20 {
            size = count;
            continue;
        }
        if returned != 0 {
            break;
        }
        let Ok(list) = PropertyList::decode(&output[..(count as usize).min(output.len())]) else { break };
        return list
            .0
            .iter()
            .filter_map(|property| match property.values.first() {
                Some(Value::Dword(format)) => {
                    let format = PropertyFormat::from_number(u16::try_from(*format).ok()?)?;
                    Some((property.name.clone(), format))
                }
                Some(_) | None => None,
            })
            .collect();
    }
    Vec::new()
}

fn format_of(name: &str, value: &PropertyValue, formats: &Formats) -> PropertyFormat {
    let said = formats.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, format)| *format);
    said.unwrap_or(match value {
        PropertyValue::Number(number) if u32::try_from(*number).is_ok() => PropertyFormat::Dword,
        PropertyValue::Number(number) if *number < 0 => PropertyFormat::LargeInteger,
        PropertyValue::Number(_) => PropertyFormat::ULargeInteger,
        PropertyValue::Text(_) => PropertyFormat::Sz,
        PropertyValue::List(_) => PropertyFormat::MultiSz,
        PropertyValue::Bytes(_) => PropertyFormat::Binary,
    })
}

/// A value in a format, if it fits.
pub(crate) fn fit(value: &PropertyValue, format: PropertyFormat) -> Option<Value> {
    Some(match (format, value) {
        (PropertyFormat::Dword, PropertyValue::Number(number)) => Value::Dword(u32::try_from(*number).ok()?),
        (PropertyFormat::Dword, PropertyValue::Text(text)) if text == "true" => Value::Dword(1),
        (PropertyFormat::Dword, PropertyValue::Text(text)) if text == "false" => Value::Dword(0),
        (PropertyFormat::Word, PropertyValue::Number(number)) => Value::Word(u16::try_from(*number).ok()?),
        (PropertyFormat::Long, PropertyValue::Number(number)) => Value::Long(i32::try_from(*number).ok()?),
        (PropertyFormat::ULargeInteger, PropertyValue::Number(number)) => {
            Value::ULargeInteger(u64::try_from(*number).ok()?)
        }
        (PropertyFormat::LargeInteger, PropertyValue::Number(number)) => {
            Value::LargeInteger(i64::try_from(*number).ok()?)
        }
        (PropertyFormat::Sz, PropertyValue::Text(text)) => Value::Sz(text.clone()),
        (PropertyFormat::Sz, PropertyValue::Number(number)) => Value::Sz(number.to_string()),
        (PropertyFormat::ExpandSz, PropertyValue::Text(text)) => Value::ExpandSz(text.clone()),
        (PropertyFormat::MultiSz, PropertyValue::List(list)) => Value::MultiSz(list.clone()),
        (PropertyFormat::MultiSz, PropertyValue::Text(text)) => Value::MultiSz(vec![text.clone()]),
        (PropertyFormat::Binary, PropertyValue::Bytes(bytes)) => Value::Binary(bytes.clone()),
        (
            PropertyFormat::Binary
            | PropertyFormat::Dword
            | PropertyFormat::Sz
            | PropertyFormat::ExpandSz
            | PropertyFormat::MultiSz
            | PropertyFormat::ULargeInteger
            | PropertyFormat::Long
            | PropertyFormat::LargeInteger
            | PropertyFormat::Word,
            PropertyValue::Number(_)
            | PropertyValue::Text(_)
            | PropertyValue::List(_)
            | PropertyValue::Bytes(_),
        ) => return None,
    })
}

/// Private properties as a property list.
pub(crate) fn list_of(properties: &PropertyMap, formats: &Formats) -> PropertyList {
    let values = properties
        .iter()
        .filter_map(|(name, value)| Some(Property::new(name, fit(value, format_of(name, value, formats))?)));
    PropertyList(values.collect())
}

fn store(value: &Value) -> Stored {
    let wide = |units: Vec<u16>| units.iter().flat_map(|unit| unit.to_le_bytes()).collect::<Vec<u8>>();
    let (kind, data) = match value {
        Value::Word(number) => (kind::DWORD, u32::from(*number).to_le_bytes().to_vec()),
        Value::Dword(number) => (kind::DWORD, number.to_le_bytes().to_vec()),
        Value::Long(number) => (kind::DWORD, number.to_le_bytes().to_vec()),
        Value::ULargeInteger(number) => (kind::QWORD, number.to_le_bytes().to_vec()),
        Value::LargeInteger(number) => (kind::QWORD, number.to_le_bytes().to_vec()),
        Value::Sz(text) => (kind::SZ, wide(to_wide(text))),
        Value::ExpandSz(text) => (kind::EXPAND_SZ, wide(to_wide(text))),
        Value::MultiSz(list) => (kind::MULTI_SZ, wide(encode_multi_sz(list))),
        Value::Binary(bytes) | Value::Other(_, bytes) => (kind::BINARY, bytes.clone()),
    };
    Stored { kind, data }
}

fn read(stored: &Stored) -> Value {
    let units: Vec<u16> =
        stored.data.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
    match stored.kind {
        kind::DWORD => stored.data.first_chunk().map_or_else(
            || Value::Binary(stored.data.clone()),
            |bytes| Value::Dword(u32::from_le_bytes(*bytes)),
        ),
        kind::QWORD => stored.data.first_chunk().map_or_else(
            || Value::Binary(stored.data.clone()),
            |bytes| Value::ULargeInteger(u64::from_le_bytes(*bytes)),
        ),
        kind::SZ => Value::Sz(abi::from_wide(&units)),
        kind::EXPAND_SZ => Value::ExpandSz(abi::from_wide(&units)),
        kind::MULTI_SZ => Value::MultiSz(decode_multi_sz(&units)),
        _ => Value::Binary(stored.data.clone()),
    }
}

/// Private properties as values of the `Parameters` key.
pub(crate) fn stored(properties: &PropertyMap, formats: &Formats) -> Vec<(String, Stored)> {
    list_of(properties, formats)
        .0
        .iter()
        .filter_map(|property| property.values.first().map(|value| (property.name.clone(), store(value))))
        .collect()
}

/// What storing a property list changes of the keys.
pub(crate) fn changes_of(list: &PropertyList) -> Vec<Change> {
    let changes = list.0.iter().filter_map(|property| {
        let (path, name) = (PARAMETERS.to_owned(), property.name.clone());
        let value = property.values.first()?;
        // Without a byte: back to the default.
        let reset = matches!(value, Value::Other(_, bytes) if bytes.is_empty());
        Some(if reset {
            Change::Delete { path, name }
        } else {
            Change::Set { path, name, value: store(value) }
        })
    });
    changes.collect()
}

/// The keys of a resource: its name and type, private properties as configured, and what its resource DLL changed.
pub(crate) fn tree(
    keeper: impl Keeper + 'static,
    name: &str,
    dll: &Dll,
    properties: &PropertyMap,
    keys: &[KeyChange],
) -> Arc<Tree> {
    let tree = Tree::new(keeper, stored(properties, formats_of(dll)));
    let text = |name: &str, text: &str| Change::Set {
        path: String::new(),
        name: name.to_owned(),
        value: store(&Value::Sz(text.to_owned())),
    };
    tree.apply(&[text("Name", name), text("Type", &dll.type_name)]);
    tree.apply(&asking::from_wire(keys));
    tree
}

/// Formats as a list: name, and `CLUSPROP_FORMAT_…` as a DWORD.
pub(crate) fn format_list(formats: &Formats) -> PropertyList {
    let formats = formats.iter().filter(|(name, _)| name != "*");
    PropertyList(
        formats.map(|(name, format)| Property::new(name, Value::Dword(format.number().into()))).collect(),
    )
}

fn texts(list: impl IntoIterator<Item = String>) -> Vec<u8> {
    let list: Vec<String> = list.into_iter().collect();
    encode_multi_sz(&list).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// An instance, as far as the monitor needs to know it to answer in place of its DLL.
pub(crate) struct Owner<'a> {
    pub(crate) name: &'a str,
    pub(crate) dll: &'a Dll,
    pub(crate) tree: &'a Arc<Tree>,
}

/// What the monitor answers where the DLL answered 1. `None`: there is no default, the caller gets the 1.
pub(crate) fn default(instance: &Owner<'_>, code: u32, input: &[u8]) -> Option<Result<Vec<u8>, Code>> {
    let text = |text: &str| Ok(to_wide(text).iter().flat_map(|unit| unit.to_le_bytes()).collect());
    let parameters = || {
        let values = instance.tree.parameters();
        PropertyList(values.iter().map(|(name, stored)| Property::new(name, read(stored))).collect())
    };
    Some(match code {
        // As with groups, the name is the id as well: it is unique, and stays the same when the resource is opened again.
        abi::CLUSCTL_RESOURCE_GET_NAME | abi::CLUSCTL_RESOURCE_GET_ID => text(instance.name),
        abi::CLUSCTL_RESOURCE_GET_RESOURCE_TYPE => text(&instance.dll.type_name),
        abi::CLUSCTL_RESOURCE_GET_CHARACTERISTICS | abi::CLUSCTL_RESOURCE_GET_FLAGS => Ok(vec![0; 4]),
        abi::CLUSCTL_RESOURCE_GET_CLASS_INFO => Ok(vec![0; 8]),
        abi::CLUSCTL_RESOURCE_GET_REQUIRED_DEPENDENCIES => Ok(vec![0; 4]),
        abi::CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES => {
            Ok(texts(instance.tree.parameters().into_iter().map(|(name, _)| name)))
        }
        abi::CLUSCTL_RESOURCE_GET_RO_PRIVATE_PROPERTIES => Ok(PropertyList::default().encode()),
        abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES => Ok(parameters().encode()),
        abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES => match PropertyList::decode(input) {
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(Code(error.code())),
        },
        abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES => match PropertyList::decode(input) {
            Ok(list) => instance.tree.change(changes_of(&list)).map(|()| Vec::new()).map_err(Code),
            Err(error) => Err(Code(error.code())),
        },
        abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS => Ok(format_list(formats_of(instance.dll)).encode()),
        abi::CLUSCTL_RESOURCE_QUERY_DELETE => Ok(Vec::new()),
        _ => return None,
    })
}

/// The answer to a control code from what was found for it: what does not fit is told by its size.
pub(crate) fn fitted(result: Result<Vec<u8>, Code>, code: u32, out_size: u32) -> (Code, Vec<u8>) {
    match result {
        Err(code) => (code, Vec::new()),
        Ok(output) if output.len() > out_size as usize => {
            let size = u32::try_from(output.len()).unwrap_or(u32::MAX);
            let characteristics = code == abi::CLUSCTL_RESOURCE_GET_CHARACTERISTICS && out_size == 0;
            let code = if characteristics { Code::SUCCESS } else { Code::ERROR_MORE_DATA };
            (code, size.to_le_bytes().to_vec())
        }
        Ok(output) => (Code::SUCCESS, output),
    }
}

/// True for the control codes of resources.
pub(crate) const fn of_resources(code: u32) -> bool {
    const RESOURCE: u32 = 1;
    code >> 24 == RESOURCE
}

/// Sends a control code to the DLL first, then to the default where there is one.
pub(crate) fn send(
    engine: &'static Engine,
    instance: &Arc<Instance>,
    code: u32,
    input: Vec<u8>,
    out_size: u32,
    answer: impl FnOnce(Code, Vec<u8>) + Send + 'static,
) {
    if !of_resources(code) {
        answer(Code::ERROR_INVALID_PARAMETER, Vec::new());
        return;
    }
    let (kept, owner) = (input.clone(), Arc::clone(instance));
    let done = move |returned: u32, output: Vec<u8>, count: u32| {
        if returned != abi::ERROR_INVALID_FUNCTION {
            // A DLL that asks for more room says how much.
            let output = if returned == abi::ERROR_MORE_DATA { count.to_le_bytes().to_vec() } else { output };
            answer(Code(returned), output);
            return;
        }
        let answered = move |result: Result<Vec<u8>, Code>| {
            let (code, output) = fitted(result, code, out_size);
            answer(code, output);
        };
        let asked = Owner { name: owner.name.as_str(), dll: &owner.dll, tree: &owner.tree };
        if let Some(result) = default(&asked, code, &kept) {
            answered(result);
            return;
        }
        let of = common::Of {
            name: owner.name.clone(),
            type_name: owner.dll.type_name.clone(),
            remarks: owner.remarks(),
        };
        let left = match engine.asking() {
            Some(asking) => common::answer(asking, of, code, &kept, answered),
            None => Some(answered),
        };
        if let Some(answered) = left {
            answered(Err(Code(returned)));
        }
    };
    engine.control(instance, code, input, out_size, Box::new(done));
}

/// Hands new private properties to the DLL, without those in whose place it has stored something else: these have not
/// changed. The `Parameters` key has them in any case, for the next online.
pub(crate) fn set_private(
    engine: &'static Engine,
    instance: &Arc<Instance>,
    properties: &PropertyMap,
    keys: &[KeyChange],
    answer: impl FnOnce(Code) + Send + 'static,
) {
    let formats = formats_of(&instance.dll);
    instance.tree.replace_parameters(stored(properties, formats), &asking::from_wire(keys));
    let list = list_of(&not_replaced(properties, keys), formats).encode();
    let done = move |returned: u32, _, _| {
        // Where the DLL does nothing, nothing is left to do.
        let told = if returned == abi::ERROR_INVALID_FUNCTION { 0 } else { returned };
        answer(Code(told));
    };
    engine.control(instance, abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES, list, 0, Box::new(done));
}

/// The properties in whose place the resource DLL has stored nothing.
fn not_replaced(properties: &PropertyMap, keys: &[KeyChange]) -> PropertyMap {
    let replaced = |property: &str| {
        keys.iter().any(|change| match change {
            KeyChange::Set { path, name, .. } | KeyChange::Delete { path, name } => {
                path.eq_ignore_ascii_case(PARAMETERS) && name.to_lowercase() == property.to_lowercase()
            }
            KeyChange::CreateKey { .. } | KeyChange::DeleteKey { .. } => false,
        })
    };
    properties
        .iter()
        .filter(|(name, _)| !replaced(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
