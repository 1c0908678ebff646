//! What resource DLLs are asked before something becomes true, and told after it has: codes and what goes with them.

use stead_monitor_protocol::{Consultation, InstanceId, Timing};
use stead_resapi as abi;
use stead_resapi::to_wide;
use stead_types::{Code, ResourceName, ResourceState, TypeName};

use crate::engine::{Engine, Source};

fn wide(name: &ResourceName) -> Vec<u8> {
    to_wide(name.as_str()).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// The control code of a question, and its input.
///
/// Windows: mscs/resource-control-codes
pub(crate) fn code_of(question: &Consultation) -> (u32, Vec<u8>) {
    match question {
        Consultation::AddDependency(provider) => (abi::CLUSCTL_RESOURCE_ADD_DEPENDENCY, wide(provider)),
        Consultation::RemoveDependency(provider) => (abi::CLUSCTL_RESOURCE_REMOVE_DEPENDENCY, wide(provider)),
        Consultation::QueryDelete => (abi::CLUSCTL_RESOURCE_QUERY_DELETE, Vec::new()),
    }
}

/// A `CLUS_PROVIDER_STATE_CHANGE_INFO`.
///
/// Windows: clusapi/ns-clusapi-clus_provider_state_change_info
/// Note: the id of a resource is its name, as `CLUSCTL_RESOURCE_GET_ID` says. `dwSize` counts the whole of it.
pub(crate) fn provider_change(provider: &ResourceName, state: ResourceState) -> Vec<u8> {
    let id = wide(provider);
    let size = u32::try_from(8 + id.len()).unwrap_or(u32::MAX);
    let mut info = size.to_le_bytes().to_vec();
    info.extend(state.number().to_le_bytes());
    info.extend(id);
    info
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

    #[test]
    fn a_change_of_a_provider_is_laid_out_as_documented() {
        let provider = "ip".parse().unwrap();
        let expected = [14, 0, 0, 0, 4, 0, 0, 0, b'i', 0, b'p', 0, 0, 0];
        assert_eq!(provider_change(&provider, ResourceState::Failed), expected);
    }
}
