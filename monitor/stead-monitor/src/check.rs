//! Whether a resource type can be used, and whether a resource may have certain private properties.

use std::collections::BTreeMap;
use std::sync::mpsc;
use std::sync::{Arc, Mutex};

use clusapi::InMemory;
use stead_monitor_protocol::{FromMonitor, InstanceId, OpId, Problem, Timing};
use stead_resapi as abi;
use stead_types::{Code, PropertyFormat, PropertyMap, PropertyValue, ResourceName, TypeName};

use crate::control::{self, Formats};
use crate::dll::Dll;
use crate::engine::{Engine, Instance, NewInstance, Source, lock};
use crate::hosting::{Event, State};

/// Log lines of temporary instances: what a DLL says of properties it refuses is what the operator should read.
static LINES: Mutex<BTreeMap<u64, Vec<String>>> = Mutex::new(BTreeMap::new());

/// Numbers of temporary instances, far from those of the node.
const TEMPORARY: u64 = 1 << 63;

/// The instance that stands for a request which is about no instance of the node.
pub(crate) const fn temporary(op: OpId) -> InstanceId {
    InstanceId(TEMPORARY | op.0)
}

/// Somebody waits for a check: a call in it that takes longer is a hang.
const LONGEST_CALL_MS: u32 = 60_000;

/// Takes a log line of a temporary instance. False if the instance is a real one.
pub(crate) fn caught(instance: InstanceId, level: i32, text: &str) -> bool {
    if instance.0 < TEMPORARY {
        return false;
    }
    if level >= abi::LOG_WARNING {
        lock(&LINES).entry(instance.0).or_default().push(text.to_owned());
    }
    true
}

/// What a command line may write for short, and a configuration may not: a number for text, a text for a list.
fn lenient(value: &PropertyValue, format: PropertyFormat) -> bool {
    match format {
        PropertyFormat::Sz | PropertyFormat::ExpandSz => matches!(value, PropertyValue::Number(_)),
        PropertyFormat::MultiSz => matches!(value, PropertyValue::Text(_)),
        PropertyFormat::Binary
        | PropertyFormat::Dword
        | PropertyFormat::ULargeInteger
        | PropertyFormat::Long
        | PropertyFormat::LargeInteger
        | PropertyFormat::Word => false,
    }
}

/// A value as a configuration file would have it.
fn shown(value: &PropertyValue) -> String {
    match value {
        PropertyValue::Number(number) => number.to_string(),
        PropertyValue::Text(text) => format!("{text:?}"),
        PropertyValue::List(list) => format!("{list:?}"),
        PropertyValue::Bytes(bytes) => format!("{} bytes", bytes.len()),
    }
}

fn against_formats(properties: &PropertyMap, formats: &Formats) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (name, value) in properties {
        let known = formats.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
        let text = match known {
            None => {
                let names: Vec<&str> = formats.iter().map(|(name, _)| name.as_str()).collect();
                let guess = abi::nearest(name, formats.iter().map(|(known, _)| known.as_str()))
                    .map(|near| format!(" (did you mean {near:?}?)"));
                let guess = guess.unwrap_or_default();
                format!("unknown property {name:?}{guess}; allowed here: {}", names.join(", "))
            }
            Some((_, format)) if lenient(value, *format) || control::fit(value, *format).is_none() => {
                let format: PropertyFormat = *format;
                format!("property {name:?} must be {}, not {}", format.describe(), shown(value))
            }
            Some(_) => continue,
        };
        problems.push(Problem { property: Some(name.clone()), text });
    }
    problems
}

/// Private properties that a resource is to have.
pub(crate) struct Wanted {
    pub(crate) properties: PropertyMap,
    /// What it has now of those.
    pub(crate) stored: PropertyMap,
}

/// Checks a type and, where given, properties. Nothing is brought online.
pub(crate) fn run(
    engine: &'static Engine,
    worker: u32,
    op: OpId,
    resource: ResourceName,
    type_name: &TypeName,
    source: &Source,
    wanted: Option<Wanted>,
) -> FromMonitor {
    let timing = Timing { deadlock_ms: LONGEST_CALL_MS, ..Timing::default() };
    let id = temporary(op);
    let dll = match engine.load(worker, id, timing, source, type_name.as_str()) {
        Ok(dll) => dll,
        Err(error) => {
            let (code, detail) = (error.code, Some(error.text));
            return FromMonitor::Checked { op, code, detail, formats: Vec::new(), problems: Vec::new() };
        }
    };
    let formats = control::formats_of(&dll).clone();
    let shown = formats.iter().map(|(name, format)| (name.clone(), format.number())).collect();
    let mut problems = Vec::new();
    if let Some(wanted) = wanted {
        if !formats.is_empty() {
            problems = against_formats(&wanted.properties, &formats);
        }
        // A type may have properties that only it can judge, and only with an instance before it.
        let open_ended = formats.iter().any(|(name, _)| name == "*");
        if open_ended {
            problems.clear();
        }
        if problems.is_empty() {
            problems = by_the_dll(engine, op, &resource, &dll, &wanted, &formats);
        }
    }
    FromMonitor::Checked { op, code: Code::SUCCESS, detail: None, formats: shown, problems }
}

/// Opens a temporary instance with these properties stored. `None` if it cannot be opened.
fn opened(
    engine: &'static Engine,
    id: InstanceId,
    resource: &ResourceName,
    dll: &Arc<Dll>,
    stored: &PropertyMap,
) -> Option<Arc<Instance>> {
    let tree = control::tree(InMemory, resource.as_str(), dll, stored, &[]);
    let timing = Timing { deadlock_ms: LONGEST_CALL_MS, ..Timing::default() };
    let (name, dll) = (resource.clone(), Arc::clone(dll));
    let instance = engine.add(NewInstance { id, name, dll, tree, timing, open_flags: 0 });
    engine.step(&instance, Event::OpenRequested(0));
    instance.wait_for_calls();
    if instance.with_hosting(|hosting| hosting.state()) == State::Offline {
        return Some(instance);
    }
    engine.remove(&instance);
    None
}

/// Opens a temporary instance as the resource is now, asks it to validate the properties, and closes it. To the DLL
/// they are candidates: what is stored is what was there before, as when Windows changes them.
fn by_the_dll(
    engine: &'static Engine,
    op: OpId,
    resource: &ResourceName,
    dll: &Arc<Dll>,
    wanted: &Wanted,
    formats: &Formats,
) -> Vec<Problem> {
    let id = temporary(op);
    let Wanted { properties, stored } = wanted;
    let instance = opened(engine, id, resource, dll, stored).or_else(|| {
        // One that cannot be opened with less than it needs.
        lock(&LINES).remove(&id.0);
        opened(engine, id, resource, dll, properties)
    });
    let (mut refused, mut alone) = (None, Vec::new());
    // A type whose `Open` fails may still come up later: only what it says of properties counts.
    if let Some(instance) = instance {
        let validate = |properties: &PropertyMap| {
            let (tell, told) = mpsc::channel();
            let list = control::list_of(properties, formats).encode();
            let code = abi::CLUSCTL_RESOURCE_VALIDATE_PRIVATE_PROPERTIES;
            control::send(engine, &instance, code, list, 0, move |code, _| {
                let _ = tell.send(code);
            });
            let code = told.recv().unwrap_or(Code::RPC_S_CALL_FAILED);
            (!code.is_success() && code != Code::ERROR_INVALID_FUNCTION).then_some(code)
        };
        refused = validate(properties);
        if refused.is_some() && lock(&LINES).get(&id.0).is_none_or(Vec::is_empty) {
            // It says nothing: a code is all that the resource utility functions give. Which one is it?
            // What is stored would be refused with each: it begins with what is stored.
            instance.tree.replace_parameters(Vec::new(), &[]);
            for (name, value) in properties {
                let only = PropertyMap::from([(name.clone(), value.clone())]);
                alone.extend(validate(&only).map(|code| (name.clone(), code)));
            }
            lock(&LINES).remove(&id.0);
            // A type that wants some properties together refuses each.
            if alone.len() == properties.len() && alone.len() > 1 {
                alone.clear();
            }
        }
        engine.step(&instance, Event::CloseRequested(0));
        instance.wait_for_calls();
    }
    let lines = lock(&LINES).remove(&id.0).unwrap_or_default();
    match refused {
        None => Vec::new(),
        Some(_) if !alone.is_empty() => alone
            .into_iter()
            .map(|(name, code)| Problem {
                text: format!("the resource type refuses this value of {name:?}: {code}"),
                property: Some(name),
            })
            .collect(),
        Some(code) if lines.is_empty() => {
            vec![Problem {
                property: None,
                text: format!("the resource type refuses these properties: {code}"),
            }]
        }
        Some(_) => lines
            .into_iter()
            .map(|text| {
                let property = properties.keys().find(|name| text.contains(&format!("{name:?}"))).cloned();
                Problem { property, text }
            })
            .collect(),
    }
}
