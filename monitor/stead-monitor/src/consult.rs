//! What resource DLLs are asked before something becomes true, and told after it has: codes and what goes with them.

use std::collections::BTreeMap;

use stead_monitor_protocol::{Consultation, InstanceId, Timing};
use stead_resapi as abi;
use stead_resapi::{PropertyList, Value, to_wide};
use stead_types::{Code, ResourceName, ResourceState, TypeName};

use crate::engine::{Engine, Source};

fn wide(name: &str) -> Vec<u8> {
    to_wide(name).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// The control code of a question, and its input.
///
/// Windows: mscs/resource-control-codes
pub(crate) fn code_of(question: &Consultation) -> (u32, Vec<u8>) {
    match question {
        Consultation::AddDependency(provider) => {
            (abi::CLUSCTL_RESOURCE_ADD_DEPENDENCY, wide(provider.as_str()))
        }
        Consultation::RemoveDependency(provider) => {
            (abi::CLUSCTL_RESOURCE_REMOVE_DEPENDENCY, wide(provider.as_str()))
        }
        Consultation::AddOwner(node) => (abi::CLUSCTL_RESOURCE_ADD_OWNER, wide(node.as_str())),
        Consultation::RemoveOwner(node) => (abi::CLUSCTL_RESOURCE_REMOVE_OWNER, wide(node.as_str())),
        Consultation::QueryDelete => (abi::CLUSCTL_RESOURCE_QUERY_DELETE, Vec::new()),
    }
}

/// A `CLUS_PROVIDER_STATE_CHANGE_INFO`.
///
/// Windows: clusapi/ns-clusapi-clus_provider_state_change_info
/// Note: the id of a resource is its name, as `CLUSCTL_RESOURCE_GET_ID` says. `dwSize` counts the whole of it.
pub(crate) fn provider_change(provider: &ResourceName, state: ResourceState) -> Vec<u8> {
    let id = wide(provider.as_str());
    let size = u32::try_from(8 + id.len()).unwrap_or(u32::MAX);
    let mut info = size.to_le_bytes().to_vec();
    info.extend(state.number().to_le_bytes());
    info.extend(id);
    info
}

/// A `GET_OPERATION_CONTEXT_PARAMS`.
pub(crate) fn context(operation: u32, priority: u32) -> Vec<u8> {
    let version = abi::CLUSCTL_GET_OPERATION_CONTEXT_PARAMS_VERSION_1;
    [16, version, operation, priority].into_iter().flat_map(u32::to_le_bytes).collect()
}

/// What a resource DLL wants to go with an operation: a property list with `Flags`, which is required, and a property for
/// each resource type that is to be given something, by its name.
///
/// Windows: mscs/resource-control-codes (`GET_OPERATION_CONTEXT`)
/// Note: what `Flags` does is documented nowhere; nothing follows from it.
///
/// # Errors
/// What is wrong with the list.
pub(crate) fn context_of(output: &[u8]) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let list = PropertyList::decode(output)
        .map_err(|error| format!("what it answered is no property list: {error}"))?;
    if !matches!(list.get("Flags"), Some(Value::Dword(_))) {
        return Err("what it answered has no DWORD named Flags".to_owned());
    }
    let others = list.0.into_iter().filter(|property| !property.name.eq_ignore_ascii_case("Flags"));
    Ok(others.filter_map(|property| Some((property.name, property.values.first()?.data()))).collect())
}

/// What a resource type has against being deleted. One that cannot be loaded has nothing against it.
pub(crate) fn type_deletion(
    engine: &'static Engine,
    worker: u32,
    id: InstanceId,
    type_name: &TypeName,
    source: &Source,
) -> Code {
    match engine.load(worker, id, Timing::default(), source, type_name.as_str()) {
        Ok(dll) => {
            let code = abi::CLUSCTL_RESOURCE_TYPE_QUERY_DELETE;
            Code(engine.type_control(worker, id, &dll, (code, Vec::new(), 0)).0)
        }
        Err(_) => Code::SUCCESS,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use stead_resapi::Property;

    #[test]
    fn a_context_needs_its_flags_and_may_have_a_value_for_every_type() {
        assert_eq!(context(1, 3_000), [16, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0xb8, 0x0b, 0, 0]);
        let list = |properties: &[(&str, Value)]| {
            let new = |(name, value): &(&str, Value)| Property::new(name, value.clone());
            PropertyList(properties.iter().map(new).collect()).encode()
        };
        let all = list(&[
            ("Virtual Machine", Value::Dword(4)),
            ("flags", Value::Dword(6)),
            ("My Type", Value::Binary(vec![1, 2])),
        ]);
        let read = context_of(&all).unwrap();
        let expected = [("My Type".to_owned(), vec![1, 2]), ("Virtual Machine".to_owned(), vec![4, 0, 0, 0])];
        assert_eq!(read, BTreeMap::from(expected));
        for wrong in [list(&[("My Type", Value::Dword(4))]), list(&[("Flags", Value::Sz("6".to_owned()))])] {
            assert!(context_of(&wrong).unwrap_err().contains("Flags"));
        }
        assert!(context_of(&all[..9]).unwrap_err().contains("no property list"));
    }

    #[test]
    fn a_change_of_a_provider_is_laid_out_as_documented() {
        let provider = "ip".parse().unwrap();
        let expected = [14, 0, 0, 0, 4, 0, 0, 0, b'i', 0, b'p', 0, 0, 0];
        assert_eq!(provider_change(&provider, ResourceState::Failed), expected);
    }
}
