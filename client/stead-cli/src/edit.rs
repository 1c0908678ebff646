//! `create`, `set`, `register`: a change of the stored configuration, applied as a whole file would be.

use std::collections::BTreeMap;

use serde_json::Value;
use stead_api::{Apply, Config, GroupDoc, ResourceDoc, TypeDoc, routes};

use crate::args::{GroupSettings, ResourceSettings};
use crate::client::{Client, Trouble};
use crate::exit::Exit;
use crate::operate::{self, Manner};

fn usage(text: String) -> Trouble {
    Trouble { exit: Exit::Refused, text }
}

fn pair<'a>(given: &'a str, option: &str) -> Result<(&'a str, &'a str), Trouble> {
    given
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or_else(|| usage(format!("{option} {given:?}: write NAME=VALUE")))
}

/// The value of a property as TOML would read it; what is no number, truth value, list or quoted text is text.
fn value(text: &str) -> Value {
    let whole = format!("v = {text}");
    let read: Option<toml::Table> = toml::from_str(&whole).ok();
    match read.as_ref().and_then(|table| table.get("v")) {
        Some(toml::Value::Integer(number)) => (*number).into(),
        Some(toml::Value::Boolean(yes)) => (*yes).into(),
        Some(toml::Value::String(text)) => text.as_str().into(),
        Some(toml::Value::Array(list)) if list.iter().all(toml::Value::is_str) => {
            list.iter().filter_map(toml::Value::as_str).collect::<Vec<_>>().into()
        }
        Some(toml::Value::Table(table)) if table.get("hex").is_some_and(toml::Value::is_str) => {
            serde_json::json!({ "hex": table.get("hex").and_then(toml::Value::as_str) })
        }
        Some(_) | None => text.into(),
    }
}

fn common(given: &[String], into: &mut BTreeMap<String, u64>) -> Result<(), Trouble> {
    for given in given {
        let (name, number) = pair(given, "--common")?;
        let number = number
            .parse()
            .map_err(|_| usage(format!("--common {given:?}: {number:?} is no number from 0")))?;
        into.retain(|known, _| !known.eq_ignore_ascii_case(name));
        into.insert(name.to_owned(), number);
    }
    Ok(())
}

async fn apply(client: &Client, config: Config, no_wait: bool, manner: Manner) -> Result<Exit, Trouble> {
    let apply = Apply { config, dry_run: false, prune: false, no_wait };
    operate::run(client, (hyper::Method::POST, routes::APPLY), &apply, manner, operate::plainly).await
}

async fn stored(client: &Client) -> Result<Config, Trouble> {
    client.get(routes::CONFIG).await
}

fn set_group(group: &mut GroupDoc, settings: GroupSettings) {
    group.persistent_state = settings.persistent_state;
    group.description = settings.description.unwrap_or(std::mem::take(&mut group.description));
    group.priority = settings.priority.or(group.priority);
    group.failover_threshold = settings.failover_threshold.or(group.failover_threshold);
    group.failover_period = settings.failover_period.or(group.failover_period);
    group.failback = settings.failback.or(group.failback.take());
    group.cold_start = settings.cold_start.or(group.cold_start.take());
    set_list(&mut group.preferred_owners, settings.preferred_owners);
    set_list(&mut group.anti_affinity, settings.anti_affinity);
    set_list(&mut group.depends_on_groups, settings.depends_on_groups);
    if let Some(set) = settings.depends_on_set {
        group.depends_on_set = Some(set).filter(|name| !name.is_empty());
    }
}

/// A list that is given takes the place of the one there is; an empty text empties it.
fn set_list(list: &mut Vec<String>, given: Option<Vec<String>>) {
    if let Some(given) = given {
        *list = given.into_iter().filter(|item| !item.is_empty()).collect();
    }
}

fn set_resource(resource: &mut ResourceDoc, settings: &ResourceSettings) -> Result<(), Trouble> {
    for given in &settings.property {
        let (name, text) = pair(given, "--property")?;
        resource.properties.retain(|known, _| !known.eq_ignore_ascii_case(name));
        resource.properties.insert(name.to_owned(), value(text));
    }
    common(&settings.common, &mut resource.common)?;
    if let Some(expression) = &settings.depends_on {
        resource.depends_on.clone_from(expression);
    }
    if let Some(description) = &settings.description {
        resource.description.clone_from(description);
    }
    set_list(&mut resource.possible_owners, settings.possible_owners.clone());
    resource.persistent_state.clone_from(&settings.persistent_state);
    Ok(())
}

fn only(group: GroupDoc) -> Config {
    Config { groups: vec![group], ..Config::default() }
}

/// Creates or changes a group.
pub(crate) async fn group(
    client: &Client,
    name: &str,
    settings: GroupSettings,
    create: bool,
    manner: Manner,
) -> Result<Exit, Trouble> {
    let config = stored(client).await?;
    let known = config.groups.into_iter().find(|group| group.name.eq_ignore_ascii_case(name));
    let mut group = match (known, create) {
        (Some(group), false) => GroupDoc { resources: Vec::new(), ..group },
        (None, true) => GroupDoc {
            name: name.to_owned(),
            description: String::new(),
            persistent_state: None,
            failover_threshold: None,
            failover_period: None,
            preferred_owners: Vec::new(),
            anti_affinity: Vec::new(),
            failback: None,
            cold_start: None,
            depends_on_groups: Vec::new(),
            depends_on_set: None,
            priority: None,
            resources: Vec::new(),
        },
        (Some(_), true) => {
            return Err(usage(format!(
                "group \"{name}\": create refused: ERROR_OBJECT_ALREADY_EXISTS (5010)"
            )));
        }
        (None, false) => {
            return Err(usage(format!(
                "group \"{name}\": set refused: ERROR_GROUP_NOT_FOUND (5013): there is no such group; see `stead status`"
            )));
        }
    };
    set_group(&mut group, settings);
    apply(client, only(group), false, manner).await
}

/// Creates a resource; `place` is its group and type.
pub(crate) async fn create_resource(
    client: &Client,
    name: &str,
    (group, type_name): (&str, &str),
    settings: &ResourceSettings,
    manner: Manner,
) -> Result<Exit, Trouble> {
    let config = stored(client).await?;
    let mut all = config.groups.iter().flat_map(|group| &group.resources);
    if all.any(|resource| resource.name.eq_ignore_ascii_case(name)) {
        return Err(usage(format!(
            "resource \"{name}\": create refused: ERROR_OBJECT_ALREADY_EXISTS (5010)"
        )));
    }
    let known = config.groups.into_iter().find(|known| known.name.eq_ignore_ascii_case(group));
    let Some(group) = known else {
        let text = format!(
            "resource \"{name}\": create refused: ERROR_GROUP_NOT_FOUND (5013): there is no group \"{group}\""
        );
        return Err(usage(text));
    };
    let mut resource = ResourceDoc {
        name: name.to_owned(),
        type_name: type_name.to_owned(),
        description: String::new(),
        depends_on: String::new(),
        possible_owners: Vec::new(),
        persistent_state: None,
        common: BTreeMap::new(),
        properties: BTreeMap::new(),
    };
    set_resource(&mut resource, settings)?;
    let group = GroupDoc { resources: vec![resource], persistent_state: None, ..group };
    apply(client, only(group), settings.waiting.no_wait, manner).await
}

/// Changes a resource.
pub(crate) async fn set_existing(
    client: &Client,
    name: &str,
    settings: &ResourceSettings,
    manner: Manner,
) -> Result<Exit, Trouble> {
    let config = stored(client).await?;
    for mut group in config.groups {
        if let Some(at) = group.resources.iter().position(|resource| resource.name.eq_ignore_ascii_case(name))
        {
            let mut resource = group.resources.swap_remove(at);
            set_resource(&mut resource, settings)?;
            let group = GroupDoc { resources: vec![resource], persistent_state: None, ..group };
            return apply(client, only(group), settings.waiting.no_wait, manner).await;
        }
    }
    Err(usage(format!(
        "resource \"{name}\": set refused: ERROR_RESOURCE_NOT_FOUND (5007): there is no such resource; see `stead status`"
    )))
}

/// Registers a resource type.
pub(crate) async fn register(
    client: &Client,
    mut doc: TypeDoc,
    given: &[String],
    manner: Manner,
) -> Result<Exit, Trouble> {
    let dll = std::path::absolute(&doc.dll).map_err(|error| usage(error.to_string()))?;
    doc.dll = dll.display().to_string();
    common(given, &mut doc.common)?;
    apply(client, Config { types: vec![doc], ..Config::default() }, false, manner).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_read_as_a_file_would() {
        let shown = |text: &str| value(text).to_string();
        assert_eq!(shown("80"), "80");
        assert_eq!(shown("true"), "true");
        assert_eq!(shown("\"80\""), "\"80\"");
        assert_eq!(shown("sleep 60"), "\"sleep 60\"");
        assert_eq!(shown("[\"a\", \"b\"]"), "[\"a\",\"b\"]");
        assert_eq!(shown("{ hex = \"00ff\" }"), "{\"hex\":\"00ff\"}");
        assert_eq!(shown("1.5"), "\"1.5\"");
        assert_eq!(shown("a\nb = 2"), "\"a\\nb = 2\"");
    }
}
