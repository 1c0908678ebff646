//! Common properties by their documented names: the one place that knows them.

use std::collections::BTreeMap;
use std::time::Duration;

use stead_types::{CommonProperties, EmbeddedFailureAction, RestartAction, TypeDefaults};

/// "As the type says" for intervals and timeouts, "never" for `RetryPeriodOnFailure`.
const UNSET: u32 = u32::MAX;

/// Common properties by name, in ms where they are times.
pub(crate) type Numbers = BTreeMap<String, u64>;

/// A common property of a resource.
///
/// Windows: mscs/resource-common-properties
struct Property {
    name: &'static str,
    smallest: u32,
    largest: u32,
    get: fn(&CommonProperties) -> u32,
    set: fn(&mut CommonProperties, u32),
}

fn ms(duration: Duration) -> u32 {
    u32::try_from(duration.as_millis()).unwrap_or(UNSET)
}

fn optional_ms(duration: Option<Duration>) -> u32 {
    duration.map_or(UNSET, ms)
}

fn duration(ms: u32) -> Duration {
    Duration::from_millis(ms.into())
}

fn optional(ms: u32) -> Option<Duration> {
    (ms != UNSET).then(|| duration(ms))
}

const PROPERTIES: &[Property] = &[
    Property {
        name: "LooksAlivePollInterval",
        smallest: 10,
        largest: UNSET,
        get: |common| optional_ms(common.looks_alive_poll_interval),
        set: |common, value| common.looks_alive_poll_interval = optional(value),
    },
    Property {
        name: "IsAlivePollInterval",
        smallest: 10,
        largest: UNSET,
        get: |common| optional_ms(common.is_alive_poll_interval),
        set: |common, value| common.is_alive_poll_interval = optional(value),
    },
    Property {
        name: "PendingTimeout",
        smallest: 10,
        largest: UNSET,
        get: |common| optional_ms(common.pending_timeout),
        set: |common, value| common.pending_timeout = optional(value),
    },
    Property {
        name: "DeadlockTimeout",
        smallest: 1_000,
        largest: UNSET,
        get: |common| optional_ms(common.deadlock_timeout),
        set: |common, value| common.deadlock_timeout = optional(value),
    },
    Property {
        name: "RestartAction",
        smallest: 0,
        largest: 2,
        get: |common| common.restart_action.number(),
        set: |common, value| common.restart_action = RestartAction::from_number(value).unwrap_or_default(),
    },
    Property {
        name: "RestartThreshold",
        smallest: 0,
        largest: UNSET,
        get: |common| common.restart_threshold,
        set: |common, value| common.restart_threshold = value,
    },
    Property {
        name: "RestartPeriod",
        smallest: 0,
        largest: UNSET,
        get: |common| ms(common.restart_period),
        set: |common, value| common.restart_period = duration(value),
    },
    Property {
        name: "RestartDelay",
        smallest: 0,
        largest: UNSET,
        get: |common| ms(common.restart_delay),
        set: |common, value| common.restart_delay = duration(value),
    },
    Property {
        name: "RetryPeriodOnFailure",
        smallest: 0,
        largest: UNSET,
        get: |common| optional_ms(common.retry_period_on_failure),
        set: |common, value| common.retry_period_on_failure = optional(value),
    },
    Property {
        name: "SeparateMonitor",
        smallest: 0,
        largest: 1,
        get: |common| u32::from(common.separate_monitor),
        set: |common, value| common.separate_monitor = value != 0,
    },
    Property {
        name: "EmbeddedFailureAction",
        smallest: 0,
        largest: 2,
        get: |common| common.embedded_failure_action.number(),
        set: |common, value| {
            common.embedded_failure_action = EmbeddedFailureAction::from_number(value).unwrap_or_default();
        },
    },
];

/// A comment is read by people, and goes into answers of 64 KiB with everything else.
const LONGEST_DESCRIPTION: usize = 4_096;

/// Whether a text can be the `Description` of something; what is wrong with it. Windows: mscs/resources-description
///
/// Note: no limit is documented.
pub(crate) fn description(text: &str) -> Result<(), String> {
    if text.len() > LONGEST_DESCRIPTION {
        return Err(format!(
            "the description is {} bytes long; it must be at most {LONGEST_DESCRIPTION}",
            text.len()
        ));
    }
    if text.contains('\0') {
        return Err("the description holds a character 0, which ends a text for resource DLLs".to_owned());
    }
    Ok(())
}

/// The names of those that a resource has.
pub(crate) fn names() -> Vec<String> {
    PROPERTIES.iter().map(|property| property.name.to_owned()).collect()
}

/// The four a resource type may give its resources.
const OF_TYPES: usize = 4;

fn ranged(known: &Property, value: u64) -> Result<u32, String> {
    match u32::try_from(value) {
        Ok(value) if value >= known.smallest && value <= known.largest => Ok(value),
        Ok(_) | Err(_) => {
            Err(format!("{} is {value}; it must be from {} to {}", known.name, known.smallest, known.largest))
        }
    }
}

fn find<'a>(known: &'a [Property], name: &str) -> Result<&'a Property, String> {
    known.iter().find(|property| property.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let names: Vec<&str> = known.iter().map(|property| property.name).collect();
        format!("unknown common property {name:?}; there are: {}", names.join(", "))
    })
}

/// Common properties of a resource; what is wrong by property.
pub(crate) fn of_resource(numbers: &Numbers) -> (CommonProperties, Vec<(String, String)>) {
    let mut common = CommonProperties::default();
    let mut problems = Vec::new();
    for (name, value) in numbers {
        match find(PROPERTIES, name).and_then(|known| Ok((known, ranged(known, *value)?))) {
            Ok((known, value)) => (known.set)(&mut common, value),
            Err(problem) => problems.push((name.clone(), problem)),
        }
    }
    (common, problems)
}

/// What of them is not the default, by name.
pub(crate) fn numbers(common: &CommonProperties) -> Numbers {
    let plain = CommonProperties::default();
    PROPERTIES
        .iter()
        .filter(|property| (property.get)(common) != (property.get)(&plain))
        .map(|property| (property.name.to_owned(), (property.get)(common).into()))
        .collect()
}

/// All of them with their values, in the documented order. Timeouts that the type decides are told as they are; for the
/// intervals there is a documented number that says so.
pub(crate) fn all(common: &CommonProperties, defaults: &TypeDefaults) -> Vec<(String, u32)> {
    let common = CommonProperties {
        pending_timeout: common.pending_timeout.or(Some(defaults.pending_timeout)),
        deadlock_timeout: common.deadlock_timeout.or(Some(defaults.deadlock_timeout)),
        ..*common
    };
    PROPERTIES.iter().map(|property| (property.name.to_owned(), (property.get)(&common))).collect()
}

/// What a type gives its resources, with their values.
pub(crate) fn all_of_type(defaults: &TypeDefaults) -> Vec<(String, u32)> {
    let common = CommonProperties {
        looks_alive_poll_interval: Some(defaults.looks_alive_poll_interval),
        is_alive_poll_interval: Some(defaults.is_alive_poll_interval),
        pending_timeout: Some(defaults.pending_timeout),
        deadlock_timeout: Some(defaults.deadlock_timeout),
        ..CommonProperties::default()
    };
    all(&common, defaults).into_iter().take(OF_TYPES).collect()
}

/// Changes some of them; what is wrong with the first that cannot be.
pub(crate) fn change(common: &mut CommonProperties, numbers: &Numbers) -> Result<(), String> {
    let mut changed = *common;
    for (name, value) in numbers {
        let known = find(PROPERTIES, name)?;
        (known.set)(&mut changed, ranged(known, *value)?);
    }
    *common = changed;
    Ok(())
}

/// What a resource type gives its resources; what is wrong by property.
pub(crate) fn of_type(numbers: &Numbers) -> (TypeDefaults, Vec<(String, String)>) {
    let mut common = CommonProperties::default();
    let mut problems = Vec::new();
    for (name, value) in numbers {
        match find(&PROPERTIES[..OF_TYPES], name).and_then(|known| Ok((known, ranged(known, *value)?))) {
            Ok((known, value)) => (known.set)(&mut common, value),
            Err(problem) => problems.push((name.clone(), problem)),
        }
    }
    let plain = TypeDefaults::default();
    let defaults = TypeDefaults {
        looks_alive_poll_interval: common
            .looks_alive_poll_interval
            .unwrap_or(plain.looks_alive_poll_interval),
        is_alive_poll_interval: common.is_alive_poll_interval.unwrap_or(plain.is_alive_poll_interval),
        pending_timeout: common.pending_timeout.unwrap_or(plain.pending_timeout),
        deadlock_timeout: common.deadlock_timeout.unwrap_or(plain.deadlock_timeout),
    };
    (defaults, problems)
}

/// The intervals in force for a resource.
pub(crate) fn timing(common: &CommonProperties, defaults: &TypeDefaults) -> stead_monitor_protocol::Timing {
    stead_monitor_protocol::Timing {
        looks_alive_ms: ms(common.looks_alive_poll_interval.unwrap_or(defaults.looks_alive_poll_interval)),
        is_alive_ms: ms(common.is_alive_poll_interval.unwrap_or(defaults.is_alive_poll_interval)),
        pending_ms: ms(common.pending_timeout.unwrap_or(defaults.pending_timeout)),
        deadlock_ms: ms(common.deadlock_timeout.unwrap_or(defaults.deadlock_timeout)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_property_survives_the_way_to_the_store_and_back() {
        for property in PROPERTIES {
            let value = if property.largest == UNSET { 12_345 } else { 1 };
            let given = Numbers::from([(property.name.to_owned(), value)]);
            let (common, problems) = of_resource(&given);
            assert!(problems.is_empty(), "{problems:?}");
            let back = numbers(&common);
            let default = (property.get)(&CommonProperties::default());
            assert!(back == given || u64::from(default) == value, "{}: {back:?}", property.name);
        }
    }

    #[test]
    fn resource_common_properties_outside_their_range_are_named_with_it() {
        let (_, problems) = of_resource(&Numbers::from([("restartaction".to_owned(), 3)]));
        assert_eq!(problems[0].1, "RestartAction is 3; it must be from 0 to 2");
        let (_, problems) = of_resource(&Numbers::from([("RestartDelai".to_owned(), 3)]));
        assert!(problems[0].1.starts_with("unknown common property \"RestartDelai\"; there are: LooksAlive"));
        let (_, problems) = of_type(&Numbers::from([("RestartDelay".to_owned(), 3)]));
        assert_eq!(problems.len(), 1);
        let (_, problems) =
            of_resource(&Numbers::from([("PendingTimeout".to_owned(), u64::from(UNSET) + 1)]));
        assert_eq!(problems.len(), 1);
    }
}
