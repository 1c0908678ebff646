//! Control codes that every type built with this crate answers.
//!
//! Windows: mscs/resource-control-codes

use stead_resapi as abi;
use stead_resapi::{Property as ListProperty, PropertyList, Value, encode_multi_sz, from_wide};

use crate::Resource;
use crate::operation::{Context, Level};
use crate::property::{Problem, Properties};

/// How a resource answers a control code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Control {
    /// Not one of its own.
    NotHandled,
    /// Done, with this output.
    Done(Vec<u8>),
    /// Refused, with this code.
    Refused(u32),
}

/// The answer to a control code.
pub(crate) struct Reply {
    pub(crate) code: u32,
    pub(crate) output: Vec<u8>,
}

impl Reply {
    const fn code(code: u32) -> Reply {
        Reply { code, output: Vec::new() }
    }

    const fn done(output: Vec<u8>) -> Reply {
        Reply { code: abi::ERROR_SUCCESS, output }
    }
}

/// Names of the properties there are, and of those that an open-ended type has been given.
fn names<T: Resource>(context: &Context) -> Vec<u8> {
    let mut names: Vec<String> = T::PROPERTIES.iter().map(|property| property.name.to_owned()).collect();
    let given = context.properties().to_list().0.into_iter().map(|property| property.name);
    let more: Vec<String> =
        given.filter(|name| !names.iter().any(|known| known.eq_ignore_ascii_case(name))).collect();
    names.extend(more);
    encode_multi_sz(&names).iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

fn formats<T: Resource>() -> Vec<u8> {
    let mut list: Vec<ListProperty> = T::PROPERTIES
        .iter()
        .map(|property| ListProperty::new(property.name, Value::Dword(property.format_number())))
        .collect();
    if T::OPEN_ENDED {
        // A name no property can have says that there may be others.
        list.push(ListProperty::new("*", Value::Dword(abi::CLUSPROP_FORMAT_SZ)));
    }
    PropertyList(list).encode()
}

/// A property list as it was sent; what is wrong with it is logged.
fn decode(context: &Context, input: &[u8]) -> Result<PropertyList, Reply> {
    PropertyList::decode(input).map_err(|error| {
        context.log(Level::Error, &error.to_string());
        Reply::code(error.code())
    })
}

/// What the properties are when those of `list` have been set.
fn merged(context: &Context, list: PropertyList) -> PropertyList {
    let mut all = context.properties().to_list().0;
    all.retain(|known| !list.0.iter().any(|new| new.name.eq_ignore_ascii_case(&known.name)));
    all.extend(list.0);
    PropertyList(all)
}

/// Checks a whole list of private properties; what is wrong is logged, a line a problem.
fn validate<T: Resource>(context: &Context, list: &PropertyList) -> Reply {
    let properties = Properties::from_list(T::PROPERTIES, list);
    let mut problems = properties.problems(T::OPEN_ENDED, true);
    if problems.is_empty() {
        problems = crate::live::fenced("validate", || Ok(T::validate(&properties)))
            .unwrap_or_else(|failure| vec![Problem::new("", failure.text())]);
    }
    for problem in &problems {
        let named = problem.text.contains(&format!("{:?}", problem.property)) || problem.property.is_empty();
        let prefix = if named { String::new() } else { format!("property {:?}: ", problem.property) };
        context.log(Level::Error, &format!("{prefix}{}", problem.text));
    }
    Reply::code(if problems.is_empty() { abi::ERROR_SUCCESS } else { abi::ERROR_INVALID_PARAMETER })
}

/// Answers a control code sent to an instance.
pub(crate) fn instance<T: Resource>(
    context: &Context,
    online: bool,
    processes: impl FnOnce() -> Vec<u32>,
    code: u32,
    input: &[u8],
) -> Reply {
    match code {
        abi::CLUSCTL_RESOURCE_UNKNOWN => Reply::code(abi::ERROR_SUCCESS),
        abi::CLUSCTL_RESOURCE_ENUM_PRIVATE_PROPERTIES => Reply::done(names::<T>(context)),
        abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTY_FMTS => Reply::done(formats::<T>()),
        abi::CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES => Reply::done(context.properties().to_list().encode()),
        abi::CLUSCTL_RESOURCE_GET_RO_PRIVATE_PROPERTIES => Reply::done(PropertyList::default().encode()),
        abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES => match decode(context, input) {
            Ok(list) => validate::<T>(context, &list),
            Err(reply) => reply,
        },
        abi::CLUSCTL_RESOURCE_SET_PRIVATE_PROPERTIES => {
            let reply = match decode(context, input) {
                // A part of the properties may be set; the others stay.
                Ok(list) => validate::<T>(context, &merged(context, list)),
                Err(reply) => reply,
            };
            if reply.code != abi::ERROR_SUCCESS {
                return reply;
            }
            // The host stores the values; what runs keeps the old ones until it comes online again.
            Reply::code(if online {
                abi::ERROR_RESOURCE_PROPERTIES_STORED
            } else {
                abi::ERROR_INVALID_FUNCTION
            })
        }
        abi::CLUSCTL_RESOURCE_GET_REQUIRED_DEPENDENCIES => Reply::done(vec![0; 4]),
        abi::CLUSCTL_RESOURCE_SET_NAME => {
            let units: Vec<u16> =
                input.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
            context.rename(from_wide(&units));
            Reply::code(abi::ERROR_SUCCESS)
        }
        abi::CLUSCTL_RESOURCE_GET_LOADBAL_PROCESS_LIST => {
            Reply::done(processes().iter().flat_map(|process| process.to_le_bytes()).collect())
        }
        _ => Reply::code(abi::ERROR_INVALID_FUNCTION),
    }
}

/// Answers a control code sent to a type.
pub(crate) fn type_wide<T: Resource>(code: u32) -> Reply {
    match code {
        abi::CLUSCTL_RESOURCE_TYPE_UNKNOWN => Reply::code(abi::ERROR_SUCCESS),
        abi::CLUSCTL_RESOURCE_TYPE_GET_PRIVATE_RESOURCE_PROPERTY_FMTS => Reply::done(formats::<T>()),
        abi::CLUSCTL_RESOURCE_TYPE_GET_REQUIRED_DEPENDENCIES => Reply::done(vec![0; 4]),
        _ => Reply::code(abi::ERROR_INVALID_FUNCTION),
    }
}
