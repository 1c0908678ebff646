//! `stead cluster settings` and `stead cluster set`: what all nodes go by.

use std::collections::BTreeMap;

use hyper::Method;
use stead_api::{Apply, Config, Setting, routes};

use crate::client::{Client, Trouble};
use crate::exit::Exit;
use crate::operate::{self, Manner};
use crate::show;

/// Shows all settings.
pub(crate) async fn list(client: &Client, json: bool) -> Result<Exit, Trouble> {
    let settings: Vec<Setting> = client.get(routes::SETTINGS).await?;
    if json {
        show::json(&settings);
    } else {
        show::out(&table(&settings));
    }
    Ok(Exit::Done)
}

fn table(settings: &[Setting]) -> String {
    let row = |setting: &Setting| {
        let unit = if setting.unit.is_empty() { String::new() } else { format!(" {}", setting.unit) };
        let default = if setting.value == setting.default {
            String::new()
        } else {
            format!("default {}", setting.default)
        };
        vec![setting.name.clone(), format!("{}{unit}", setting.value), default, setting.about.clone()]
    };
    show::list(&["SETTING", "VALUE", "", "WHAT IT DOES"], settings.iter().map(row).collect())
}

/// `NAME=NUMBER`, each once.
fn read(given: &[String]) -> Result<BTreeMap<String, u64>, Trouble> {
    let usage = |text: String| Trouble { exit: Exit::Usage, text };
    let mut numbers = BTreeMap::new();
    for given in given {
        let Some((name, number)) = given.split_once('=').filter(|(name, _)| !name.is_empty()) else {
            return Err(usage(format!(
                "{given:?}: write NAME=NUMBER; `stead cluster settings` shows the names"
            )));
        };
        let number =
            number.parse().map_err(|_| usage(format!("{given:?}: {number:?} is no number from 0")))?;
        if numbers.insert(name.to_owned(), number).is_some() {
            return Err(usage(format!("{name} is there twice")));
        }
    }
    Ok(numbers)
}

/// Changes settings; the others stay.
pub(crate) async fn set(client: &Client, given: &[String], json: bool) -> Result<Exit, Trouble> {
    let config = Config { cluster: read(given)?, ..Config::default() };
    let apply = Apply { config, ..Apply::default() };
    let manner = Manner { json, timeout: None };
    operate::run(client, (Method::POST, routes::APPLY), &apply, manner, operate::plainly).await
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test may fail")]
mod tests {
    use super::*;

    #[test]
    fn settings_are_names_and_numbers() {
        let given = |texts: &[&str]| read(&texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>());
        let numbers = given(&["QuarantineThreshold=5", "MoveRetryDelay=60"]).unwrap();
        assert_eq!(
            numbers.into_iter().collect::<Vec<_>>(),
            [("MoveRetryDelay".to_owned(), 60), ("QuarantineThreshold".to_owned(), 5)]
        );
        for wrong in [&["x"][..], &["=5"], &["x=-1"], &["x=five"], &["x=1", "x=2"]] {
            assert!(given(wrong).is_err(), "{wrong:?}");
        }
    }
}
