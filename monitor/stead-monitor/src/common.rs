//! Control codes about common properties: the monitor does the work, the node has the values.
//!
//! Windows: mscs/resource-common-properties

use std::collections::BTreeMap;
use std::time::Instant;

use stead_monitor_protocol::{Answer, CommonFacts, Question};
use stead_resapi as abi;
use stead_resapi::{CLUSPROP_FORMAT_DWORD, Property, PropertyList, Value, encode_multi_sz};
use stead_types::{Code, ResourceName};

use crate::asking::{Asking, Sort, patience};

/// A resource, as its read-only common properties tell it.
pub(crate) struct Of {
    pub(crate) name: ResourceName,
    pub(crate) type_name: String,
}

/// Their names.
const READ_ONLY: &[&str] =
    &["Name", "Type", "MonitorProcessId", "StatusInformation", "LastOperationStatusCode"];

fn read_only(of: &Of, facts: &CommonFacts) -> PropertyList {
    let values = [
        Value::Sz(of.name.to_string()),
        Value::Sz(of.type_name.clone()),
        Value::Dword(std::process::id()),
        Value::ULargeInteger(facts.status_information),
        Value::ULargeInteger(facts.last_error.0.into()),
    ];
    PropertyList(READ_ONLY.iter().zip(values).map(|(name, value)| Property::new(name, value)).collect())
}

/// Those that can be changed, with what `value` makes of each.
fn read_write(facts: &CommonFacts, value: impl Fn(u32) -> u32) -> PropertyList {
    let one = |(name, number): &(String, u32)| Property::new(name, Value::Dword(value(*number)));
    PropertyList(facts.numbers.iter().map(one).collect())
}

fn names(facts: &CommonFacts) -> Vec<u8> {
    let fixed = READ_ONLY.iter().map(|name| (*name).to_owned());
    let names: Vec<String> = fixed.chain(facts.numbers.iter().map(|(name, _)| name.clone())).collect();
    encode_multi_sz(&names).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// What a list wants changed.
///
/// # Errors
/// 13 or 122 for a list that is none, 13 for a value that is no DWORD, 5089 for a property that is read-only.
fn wanted(input: &[u8]) -> Result<BTreeMap<String, u64>, Code> {
    let list = PropertyList::decode(input).map_err(|error| Code(error.code()))?;
    let mut numbers = BTreeMap::new();
    for property in list.0 {
        if READ_ONLY.iter().any(|known| known.eq_ignore_ascii_case(&property.name)) {
            return Err(Code(abi::ERROR_RESOURCE_PROPERTY_UNCHANGEABLE));
        }
        match property.values.first() {
            Some(Value::Dword(number)) => drop(numbers.insert(property.name, (*number).into())),
            Some(_) | None => return Err(Code::ERROR_INVALID_DATA),
        }
    }
    Ok(numbers)
}

/// Answers a control code about common properties, when the node has: a change of timing reaches the resource by the
/// way that this call came, so nothing may wait for it here. Gives `answer` back if the code is another one.
pub(crate) fn answer<F>(asking: &Asking, of: Of, code: u32, input: &[u8], answer: F) -> Option<F>
where
    F: FnOnce(Result<Vec<u8>, Code>) + Send + 'static,
{
    let told: fn(&Of, &CommonFacts) -> Vec<u8> = match code {
        abi::CLUSCTL_RESOURCE_ENUM_COMMON_PROPERTIES => |_, facts| names(facts),
        abi::CLUSCTL_RESOURCE_GET_RO_COMMON_PROPERTIES => |of, facts| read_only(of, facts).encode(),
        abi::CLUSCTL_RESOURCE_GET_COMMON_PROPERTIES => |_, facts| read_write(facts, |number| number).encode(),
        abi::CLUSCTL_RESOURCE_GET_COMMON_PROPERTY_FMTS => {
            |_, facts| read_write(facts, |_| CLUSPROP_FORMAT_DWORD).encode()
        }
        abi::CLUSCTL_RESOURCE_VALIDATE_COMMON_PROPERTIES | abi::CLUSCTL_RESOURCE_SET_COMMON_PROPERTIES => {
            let check_only = code == abi::CLUSCTL_RESOURCE_VALIDATE_COMMON_PROPERTIES;
            match wanted(input) {
                Err(code) => answer(Err(code)),
                Ok(numbers) => {
                    let question = Question::SetCommon { resource: of.name, numbers, check_only };
                    let sort = if check_only { Sort::Reads } else { Sort::Acts };
                    asking.ask(question, sort, Instant::now() + patience(), move |code, _| {
                        answer(if code.is_success() { Ok(Vec::new()) } else { Err(code) });
                    });
                }
            }
            return None;
        }
        _ => return Some(answer),
    };
    let question = Question::Common { resource: of.name.clone() };
    asking.ask(question, Sort::Reads, Instant::now() + patience(), move |code, facts| {
        answer(if let Answer::Common(facts) = facts { Ok(told(&of, &facts)) } else { Err(code) });
    });
    None
}
