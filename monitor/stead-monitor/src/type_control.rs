//! Control codes of a resource type: the resource DLL first, then what the monitor does itself.
//!
//! Windows: mscs/resource-type-control-codes

use stead_monitor_protocol::{InstanceId, Library, Timing, TypeFacts};
use stead_resapi as abi;
use stead_resapi::{
    CLUSPROP_FORMAT_DWORD, CLUSPROP_FORMAT_SZ, Property, PropertyList, Value, encode_multi_sz,
};
use stead_types::{Code, TypeName};

use crate::common::DESCRIPTION;
use crate::control;
use crate::dll::Dll;
use crate::engine::{Engine, Source};

/// What is asked of which type.
pub(crate) struct Asked<'a> {
    pub(crate) type_name: &'a TypeName,
    pub(crate) library: &'a Library,
    pub(crate) common: &'a TypeFacts,
    pub(crate) code: u32,
    pub(crate) input: Vec<u8>,
    pub(crate) out_size: u32,
}

fn texts(names: &[String]) -> Vec<u8> {
    encode_multi_sz(names).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// What the monitor answers where the DLL answered 1. `None`: there is no default, the caller gets the 1.
///
/// Types have no private properties of their own here, and their common ones are changed by the configuration.
fn default(dll: &Dll, asked: &Asked<'_>) -> Option<Result<Vec<u8>, Code>> {
    let TypeFacts { description, numbers, of_resources } = asked.common;
    let listed = |first: Value, numbers: Vec<(&String, u32)>| {
        let numbers = numbers.into_iter().map(|(name, number)| Property::new(name, Value::Dword(number)));
        Ok(PropertyList([Property::new(DESCRIPTION, first)].into_iter().chain(numbers).collect()).encode())
    };
    let formats = |names: Vec<&String>| {
        let text = Value::Dword(CLUSPROP_FORMAT_SZ);
        listed(text, names.into_iter().map(|name| (name, CLUSPROP_FORMAT_DWORD)).collect())
    };
    let file = match asked.library {
        Library::Builtin => String::new(),
        Library::File(path) => path.clone(),
    };
    Some(match asked.code {
        abi::CLUSCTL_RESOURCE_TYPE_GET_CHARACTERISTICS => {
            let quorum = if dll.can_arbitrate() { abi::CLUS_CHAR_QUORUM } else { 0 };
            Ok(quorum.to_le_bytes().to_vec())
        }
        abi::CLUSCTL_RESOURCE_TYPE_GET_FLAGS | abi::CLUSCTL_RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES => {
            Ok(vec![0; 4])
        }
        abi::CLUSCTL_RESOURCE_TYPE_GET_CLASS_INFO => Ok(vec![0; 8]),
        abi::CLUSCTL_RESOURCE_TYPE_ENUM_COMMON_PROPERTIES => {
            let fixed = ["Name", "DllName", DESCRIPTION].into_iter().map(str::to_owned);
            let own = numbers.iter().map(|(name, _)| name.clone());
            Ok(texts(&fixed.chain(own).collect::<Vec<_>>()))
        }
        abi::CLUSCTL_RESOURCE_TYPE_GET_RO_COMMON_PROPERTIES => {
            let name = Value::Sz(asked.type_name.to_string());
            let fixed = vec![Property::new("Name", name), Property::new("DllName", Value::Sz(file))];
            Ok(PropertyList(fixed).encode())
        }
        abi::CLUSCTL_RESOURCE_TYPE_GET_COMMON_PROPERTIES => {
            let numbers = numbers.iter().map(|(name, number)| (name, *number)).collect();
            listed(Value::Sz(description.clone()), numbers)
        }
        abi::CLUSCTL_RESOURCE_TYPE_GET_COMMON_PROPERTY_FMTS => {
            formats(numbers.iter().map(|(name, _)| name).collect())
        }
        abi::CLUSCTL_RESOURCE_TYPE_GET_COMMON_RESOURCE_PROPERTY_FMTS => {
            formats(of_resources.iter().collect())
        }
        abi::CLUSCTL_RESOURCE_TYPE_ENUM_PRIVATE_PROPERTIES
        | abi::CLUSCTL_RESOURCE_TYPE_GET_REGISTRY_CHECKPOINTS
        | abi::CLUSCTL_RESOURCE_TYPE_GET_CRYPTO_CHECKPOINTS => Ok(texts(&[])),
        abi::CLUSCTL_RESOURCE_TYPE_GET_RO_PRIVATE_PROPERTIES
        | abi::CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_PROPERTIES
        | abi::CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_PROPERTY_FMTS => Ok(PropertyList::default().encode()),
        abi::CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS => {
            Ok(control::format_list(control::formats_of(dll)).encode())
        }
        abi::CLUSCTL_RESOURCE_TYPE_VALIDATE_PRIVATE_PROPERTIES
        | abi::CLUSCTL_RESOURCE_TYPE_VALIDATE_COMMON_PROPERTIES => match PropertyList::decode(&asked.input) {
            Ok(_) => Ok(Vec::new()),
            Err(error) => Err(Code(error.code())),
        },
        abi::CLUSCTL_RESOURCE_TYPE_QUERY_DELETE => Ok(Vec::new()),
        _ => return None,
    })
}

/// Loads the type where needed and asks it: code, output, and what a person should read beside the code.
pub(crate) fn ask(
    engine: &'static Engine,
    worker: u32,
    id: InstanceId,
    asked: &Asked<'_>,
) -> (Code, Vec<u8>, Option<String>) {
    const RESOURCE_TYPE: u32 = 2;
    if asked.code >> 24 != RESOURCE_TYPE {
        let text = "it is no control code of a resource type".to_owned();
        return (Code::ERROR_INVALID_PARAMETER, Vec::new(), Some(text));
    }
    let source = match asked.library {
        Library::Builtin => Source::Builtin,
        Library::File(path) => Source::File(path.into()),
    };
    let loaded = engine.load(worker, id, Timing::default(), &source, asked.type_name.as_str());
    let dll = match loaded {
        Ok(dll) => dll,
        Err(error) => return (error.code, Vec::new(), Some(error.text)),
    };
    let (returned, output, count) =
        engine.type_control(worker, id, &dll, (asked.code, asked.input.clone(), asked.out_size));
    match returned {
        abi::ERROR_MORE_DATA => (Code(returned), count.to_le_bytes().to_vec(), None),
        abi::ERROR_INVALID_FUNCTION => match default(&dll, asked) {
            None => (Code(returned), Vec::new(), None),
            Some(Err(code)) => (code, Vec::new(), None),
            Some(Ok(output)) if output.len() > asked.out_size as usize => {
                let size = u32::try_from(output.len()).unwrap_or(u32::MAX);
                (Code::ERROR_MORE_DATA, size.to_le_bytes().to_vec(), None)
            }
            Some(Ok(output)) => (Code::SUCCESS, output, None),
        },
        _ => (Code(returned), output, None),
    }
}
