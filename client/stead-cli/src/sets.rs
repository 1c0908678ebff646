//! `stead group-set`: groups that others wait for together.

use clap::{Args, Subcommand};
use hyper::Method;
use stead_api::{Apply, Config, GroupSetDoc, Operate, routes};

use crate::client::{Client, Trouble, encode};
use crate::exit::Exit;
use crate::operate::{self, Manner};
use crate::show;

#[derive(Debug, Args)]
pub(crate) struct GroupSet {
    #[command(subcommand)]
    pub(crate) verb: GroupSetVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupSetVerb {
    /// All group sets
    List,
    /// Create a group set
    #[command(after_help = "\
Examples:
  stead group-set create databases --groups db1,db2
  stead group set web --depends-on-set databases              web starts when db1 and db2 are online
  stead group-set create dns --groups resolver --is-global true    everything else waits for it")]
    Create {
        /// Its name
        name: String,
        /// Its groups, with commas between them
        #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
        groups: Vec<String>,
        #[command(flatten)]
        settings: Settings,
    },
    /// Change a group set
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: Settings,
    },
    /// Put groups into a set
    Add {
        /// The set
        name: String,
        /// The groups
        #[arg(required = true)]
        groups: Vec<String>,
    },
    /// Take groups out of a set; they stay as they are
    RemoveGroup {
        /// The set
        name: String,
        /// The groups
        #[arg(required = true)]
        groups: Vec<String>,
    },
    /// Delete a group set; its groups stay as they are
    #[command(alias = "delete")]
    Remove {
        /// Its name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Settings {
    /// When one of its groups counts: Online, or Delay: as soon as it is on its way online
    #[arg(long, value_name = "SETTING", value_parser = ["Online", "Delay"])]
    pub(crate) startup_setting: Option<String>,
    /// How many of its groups must count, or all
    #[arg(long, value_name = "COUNT", value_parser = count)]
    pub(crate) startup_count: Option<Count>,
    /// How long it is waited after that, in seconds
    #[arg(long, value_name = "SECONDS")]
    pub(crate) startup_delay: Option<u32>,
    /// Every group that is in no global set waits for it
    #[arg(long, value_name = "YES", value_parser = clap::value_parser!(bool))]
    pub(crate) is_global: Option<bool>,
    /// The set its groups wait for; "" is none
    #[arg(long, value_name = "SET")]
    pub(crate) depends_on_set: Option<String>,
}

/// How many groups of a set must count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Count {
    All,
    Some(u32),
}

fn count(text: &str) -> Result<Count, String> {
    match text.parse() {
        Ok(number) => Ok(Count::Some(number)),
        Err(_) if text == "all" => Ok(Count::All),
        Err(_) => Err("it must be a number of groups, or all".to_owned()),
    }
}

fn change(set: &mut GroupSetDoc, settings: Settings) {
    let Settings { startup_setting, startup_count, startup_delay, is_global, depends_on_set } = settings;
    set.startup_setting = startup_setting.or(set.startup_setting.take());
    set.startup_delay = startup_delay.or(set.startup_delay);
    set.is_global = is_global.unwrap_or(set.is_global);
    match startup_count {
        None => {}
        Some(Count::All) => set.startup_count = None,
        Some(Count::Some(count)) => set.startup_count = Some(count),
    }
    if let Some(provider) = depends_on_set {
        set.depends_on_set = Some(provider).filter(|name| !name.is_empty());
    }
}

fn refused(name: &str, what: &str, why: &str) -> Trouble {
    Trouble { exit: Exit::Refused, text: format!("group set \"{name}\": {what} refused: {why}") }
}

async fn stored(client: &Client) -> Result<Vec<GroupSetDoc>, Trouble> {
    Ok(client.get::<Config>(routes::CONFIG).await?.group_sets)
}

async fn existing(client: &Client, name: &str, what: &str) -> Result<GroupSetDoc, Trouble> {
    let sets = stored(client).await?;
    let known: Vec<String> = sets.iter().map(|set| set.name.clone()).collect();
    sets.into_iter().find(|set| set.name.eq_ignore_ascii_case(name)).ok_or_else(|| {
        let known = if known.is_empty() { "there is none".to_owned() } else { known.join(", ") };
        refused(
            name,
            what,
            &format!("ERROR_GROUPSET_NOT_FOUND (5992): there is no such set; there are: {known}"),
        )
    })
}

async fn store(client: &Client, set: GroupSetDoc, manner: Manner) -> Result<Exit, Trouble> {
    let config = Config { group_sets: vec![set], ..Config::default() };
    let apply = Apply { config, ..Apply::default() };
    operate::run(client, (Method::POST, routes::APPLY), &apply, manner, operate::plainly).await
}

/// When what waits for a set is started, in words.
fn ready(set: &GroupSetDoc) -> String {
    let count = match set.startup_count {
        None => "all".to_owned(),
        Some(count) => count.to_string(),
    };
    let state =
        if set.startup_setting.as_deref() == Some("Delay") { "on their way online" } else { "online" };
    let delay = match set.startup_delay {
        None | Some(0) => String::new(),
        Some(seconds) => format!(", {seconds} s later"),
    };
    format!("{count} {state}{delay}")
}

fn table(sets: Vec<GroupSetDoc>) -> String {
    let row = |set: GroupSetDoc| {
        let ready = ready(&set);
        let global = if set.is_global { "yes" } else { "" };
        let provider = set.depends_on_set.unwrap_or_default();
        vec![set.name, set.groups.join(", "), ready, provider, global.to_owned()]
    };
    let rows = sets.into_iter().map(row).collect();
    show::list(&["GROUP SET", "GROUPS", "READY WHEN", "WAITS FOR", "GLOBAL"], rows)
}

/// Carries out a verb.
pub(crate) async fn carry_out(client: &Client, verb: GroupSetVerb, json: bool) -> Result<Exit, Trouble> {
    let manner = Manner { json, timeout: None };
    match verb {
        GroupSetVerb::List => {
            let sets = stored(client).await?;
            if json {
                show::json(&sets);
            } else {
                show::out(&table(sets));
            }
            Ok(Exit::Done)
        }
        GroupSetVerb::Create { name, groups, settings } => {
            if stored(client).await?.iter().any(|set| set.name.eq_ignore_ascii_case(&name)) {
                return Err(refused(&name, "create", "ERROR_OBJECT_ALREADY_EXISTS (5010)"));
            }
            let mut set = GroupSetDoc { name, groups, ..GroupSetDoc::default() };
            set.groups.retain(|group| !group.is_empty());
            change(&mut set, settings);
            store(client, set, manner).await
        }
        GroupSetVerb::Set { name, settings } => {
            let mut set = existing(client, &name, "set").await?;
            change(&mut set, settings);
            store(client, set, manner).await
        }
        GroupSetVerb::Add { name, groups } => {
            let mut set = existing(client, &name, "add").await?;
            for group in groups {
                if set.groups.iter().any(|known| known.eq_ignore_ascii_case(&group)) {
                    let why = format!("ERROR_OBJECT_IN_LIST (5011): group \"{group}\" is in it already");
                    return Err(refused(&name, "add", &why));
                }
                set.groups.push(group);
            }
            store(client, set, manner).await
        }
        GroupSetVerb::RemoveGroup { name, groups } => {
            let mut set = existing(client, &name, "remove-group").await?;
            for group in groups {
                let before = set.groups.len();
                set.groups.retain(|known| !known.eq_ignore_ascii_case(&group));
                if set.groups.len() == before {
                    let why = format!(
                        "ERROR_GROUP_NOT_FOUND (5013): group \"{group}\" is not in it; there are: {}",
                        set.groups.join(", ")
                    );
                    return Err(refused(&name, "remove-group", &why));
                }
            }
            store(client, set, manner).await
        }
        GroupSetVerb::Remove { name } => {
            let path = format!("/v1/group-sets/{}", encode(&name));
            operate::run(client, (Method::DELETE, &path), &Operate::default(), manner, operate::plainly).await
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain() -> Settings {
        let (startup_setting, startup_count, startup_delay) = (None, None, None);
        Settings { startup_setting, startup_count, startup_delay, is_global: None, depends_on_set: None }
    }

    #[test]
    fn what_is_not_said_stays() {
        let mut set = GroupSetDoc {
            name: "s".to_owned(),
            startup_setting: Some("Delay".to_owned()),
            startup_count: Some(2),
            startup_delay: Some(20),
            is_global: true,
            depends_on_set: Some("t".to_owned()),
            ..GroupSetDoc::default()
        };
        let before = set.clone();
        change(&mut set, plain());
        assert_eq!(set, before);
        assert_eq!(ready(&set), "2 on their way online, 20 s later");
        let none = Some(String::new());
        let all = Some(Count::All);
        change(&mut set, Settings { startup_count: all, depends_on_set: none, ..plain() });
        change(&mut set, Settings { is_global: Some(false), startup_delay: Some(0), ..plain() });
        change(&mut set, Settings { startup_setting: Some("Online".to_owned()), ..plain() });
        assert_eq!((set.startup_count, &set.depends_on_set, set.is_global), (None, &None, false));
        assert_eq!(ready(&set), "all online");
    }

    #[test]
    fn a_count_is_a_number_or_all() {
        assert_eq!(count("all"), Ok(Count::All));
        assert_eq!(count("2"), Ok(Count::Some(2)));
        assert!(count("most").is_err());
    }
}
