//! Control codes about common properties: the monitor does the work, the node has the values.
//!
//! Windows: mscs/resource-common-properties

use std::collections::BTreeMap;
use std::time::Instant;

use stead_monitor_protocol::{Answer, CommonFacts, Question};
use stead_resapi as abi;
use stead_resapi::{
    CLUSPROP_FORMAT_DWORD, CLUSPROP_FORMAT_SZ, CLUSPROP_SYNTAX_LIST_VALUE_SZ, Property, PropertyList, Value,
    encode_multi_sz,
};
use stead_types::{Code, ResourceName};

use crate::asking::{Asking, Sort, patience};

/// The one that is a text.
pub(crate) const DESCRIPTION: &str = "Description";

/// A resource, as its read-only common properties tell it.
pub(crate) struct Of {
    pub(crate) name: ResourceName,
    pub(crate) type_name: String,
    pub(crate) remarks: Remarks,
}

/// What a resource DLL says of its resource on this node, for as long as it is open.
///
/// Windows: mscs/resources-resourcespecificdata1, mscs/resources-resourcespecificstatus
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Remarks {
    data: [u64; 2],
    status: String,
}

impl Remarks {
    /// Takes what a list says; other properties are nothing to anybody.
    ///
    /// # Errors
    /// 13 for a value in a format that the property does not have; then nothing has changed.
    pub(crate) fn take(&mut self, list: &PropertyList) -> Result<(), Code> {
        let mut changed = self.clone();
        for property in &list.0 {
            let is = |name: &str| property.name.eq_ignore_ascii_case(name);
            match property.values.first() {
                Some(Value::ULargeInteger(number)) if is(DATA[0]) => changed.data[0] = *number,
                Some(Value::ULargeInteger(number)) if is(DATA[1]) => changed.data[1] = *number,
                Some(Value::Sz(text)) if is(STATUS) => changed.status.clone_from(text),
                Some(_) | None if is(DATA[0]) || is(DATA[1]) || is(STATUS) => {
                    return Err(Code::ERROR_INVALID_DATA);
                }
                Some(_) | None => {}
            }
        }
        *self = changed;
        Ok(())
    }
}

const DATA: [&str; 2] = ["ResourceSpecificData1", "ResourceSpecificData2"];
const STATUS: &str = "ResourceSpecificStatus";

/// Their names.
const READ_ONLY: &[&str] = &[
    "Name",
    "Type",
    "PersistentState",
    "MonitorProcessId",
    "StatusInformation",
    "LastOperationStatusCode",
    DATA[0],
    DATA[1],
    STATUS,
];

fn read_only(of: &Of, facts: &CommonFacts) -> PropertyList {
    let me = std::process::id();
    let values = [
        Value::Sz(of.name.to_string()),
        Value::Sz(of.type_name.clone()),
        Value::Dword(facts.persistent_state.into()),
        Value::Dword(crate::process::outside(me).unwrap_or(me)),
        Value::ULargeInteger(facts.status_information),
        Value::ULargeInteger(facts.last_error.0.into()),
        Value::ULargeInteger(of.remarks.data[0]),
        Value::ULargeInteger(of.remarks.data[1]),
        Value::Sz(of.remarks.status.clone()),
    ];
    PropertyList(READ_ONLY.iter().zip(values).map(|(name, value)| Property::new(name, value)).collect())
}

/// Those that can be changed.
fn read_write(facts: &CommonFacts) -> PropertyList {
    let one = |(name, number): &(String, u32)| Property::new(name, Value::Dword(*number));
    let description = Property::new(DESCRIPTION, Value::Sz(facts.description.clone()));
    PropertyList([description].into_iter().chain(facts.numbers.iter().map(one)).collect())
}

/// Their formats.
fn formats(facts: &CommonFacts) -> PropertyList {
    let one = |(name, _): &(String, u32)| Property::new(name, Value::Dword(CLUSPROP_FORMAT_DWORD));
    let description = Property::new(DESCRIPTION, Value::Dword(CLUSPROP_FORMAT_SZ));
    PropertyList([description].into_iter().chain(facts.numbers.iter().map(one)).collect())
}

fn names(facts: &CommonFacts) -> Vec<u8> {
    let fixed = READ_ONLY.iter().chain([&DESCRIPTION]).map(|name| (*name).to_owned());
    let names: Vec<String> = fixed.chain(facts.numbers.iter().map(|(name, _)| name.clone())).collect();
    encode_multi_sz(&names).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

/// What a list wants changed.
///
/// # Errors
/// 13 or 122 for a list that is none, 13 for a value in a format that the property does not have, 5089 for a property that
/// is read-only.
fn wanted(input: &[u8]) -> Result<(BTreeMap<String, u64>, Option<String>), Code> {
    let list = PropertyList::decode(input).map_err(|error| Code(error.code()))?;
    let (mut numbers, mut description) = (BTreeMap::new(), None);
    for property in list.0 {
        if READ_ONLY.iter().any(|known| known.eq_ignore_ascii_case(&property.name)) {
            return Err(Code(abi::ERROR_RESOURCE_PROPERTY_UNCHANGEABLE));
        }
        let is_text = property.name.eq_ignore_ascii_case(DESCRIPTION);
        match property.values.first() {
            Some(Value::Sz(text)) if is_text => description = Some(text.clone()),
            // Without bytes a value means the default.
            Some(Value::Other(CLUSPROP_SYNTAX_LIST_VALUE_SZ, bytes)) if is_text && bytes.is_empty() => {
                description = Some(String::new());
            }
            Some(Value::Dword(number)) if !is_text => drop(numbers.insert(property.name, (*number).into())),
            Some(_) | None => return Err(Code::ERROR_INVALID_DATA),
        }
    }
    Ok((numbers, description))
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
        abi::CLUSCTL_RESOURCE_GET_COMMON_PROPERTIES => |_, facts| read_write(facts).encode(),
        abi::CLUSCTL_RESOURCE_GET_COMMON_PROPERTY_FMTS => |_, facts| formats(facts).encode(),
        abi::CLUSCTL_RESOURCE_VALIDATE_COMMON_PROPERTIES | abi::CLUSCTL_RESOURCE_SET_COMMON_PROPERTIES => {
            let check_only = code == abi::CLUSCTL_RESOURCE_VALIDATE_COMMON_PROPERTIES;
            match wanted(input) {
                Err(code) => answer(Err(code)),
                Ok((numbers, description)) => {
                    let question =
                        Question::SetCommon { resource: of.name, numbers, description, check_only };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remarks_are_taken_whole_or_not_at_all() {
        let list = |properties: &[(&str, Value)]| {
            PropertyList(properties.iter().map(|(name, value)| Property::new(name, value.clone())).collect())
        };
        let mut remarks = Remarks::default();
        let fine = list(&[
            ("resourcespecificdata2", Value::ULargeInteger(1 << 40)),
            ("ResourceSpecificStatus", Value::Sz("fine".to_owned())),
            ("Other", Value::Dword(1)),
        ]);
        assert_eq!(remarks.take(&fine), Ok(()));
        let known = Remarks { data: [0, 1 << 40], status: "fine".to_owned() };
        assert_eq!(remarks, known);
        let wrong = list(&[
            ("ResourceSpecificStatus", Value::Sz("new".to_owned())),
            ("ResourceSpecificData1", Value::Dword(1)),
        ]);
        assert_eq!(remarks.take(&wrong), Err(Code::ERROR_INVALID_DATA));
        assert_eq!(remarks, known);
    }

    #[test]
    fn what_a_list_wants_is_checked_before_anybody_is_asked() {
        let list = |name: &str, value: Value| PropertyList(vec![Property::new(name, value)]).encode();
        let text = |text: &str| Value::Sz(text.to_owned());
        let described = |input: &[u8]| wanted(input).map(|(_, description)| description);
        assert_eq!(described(&list("description", text("the shop"))), Ok(Some("the shop".to_owned())));
        let none = Value::Other(CLUSPROP_SYNTAX_LIST_VALUE_SZ, Vec::new());
        assert_eq!(described(&list("Description", none)), Ok(Some(String::new())), "the default");
        assert_eq!(described(&list("Description", Value::Dword(1))), Err(Code::ERROR_INVALID_DATA));
        assert_eq!(described(&list("RestartAction", text("1"))), Err(Code::ERROR_INVALID_DATA));
        for name in READ_ONLY {
            let refused = Code(abi::ERROR_RESOURCE_PROPERTY_UNCHANGEABLE);
            assert_eq!(described(&list(name, text("1"))), Err(refused), "{name}");
        }
    }
}
