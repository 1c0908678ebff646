//! The cluster log: the files that node, guardian and wardens write, merged by time.

mod files;
mod line;

use std::collections::BTreeSet;
use std::path::Path;

use stead_api::Status;
use stead_api::routes;

use crate::args;
use crate::client::{Client, Trouble};
use crate::exit::Exit;
use crate::show;
use files::Folder;
use line::Entry;

/// Without --since and --last.
const LAST: usize = 1_000;

/// The resources of a group, in lower case, as far as a node is there to tell.
pub(crate) async fn resources_of(client: &Client, group: Option<&str>) -> BTreeSet<String> {
    let Some(group) = group else { return BTreeSet::new() };
    let Ok(status) = client.get::<Status>(routes::STATUS).await else { return BTreeSet::new() };
    let groups = status.groups.into_iter().filter(|known| known.name.eq_ignore_ascii_case(group));
    groups.flat_map(|group| group.resources).map(|resource| resource.name.to_ascii_lowercase()).collect()
}

/// What is shown.
struct Filter<'a> {
    which: &'a args::Log,
    since: Option<String>,
    resources: &'a BTreeSet<String>,
}

impl Filter<'_> {
    fn takes(&self, entry: &Entry) -> bool {
        let same = |wanted: &str, has: &Option<String>| {
            has.as_deref().is_some_and(|has| has.eq_ignore_ascii_case(wanted))
        };
        let group = |wanted: &String| {
            same(wanted, &entry.group)
                || entry.resource.as_ref().is_some_and(|of| self.resources.contains(&of.to_ascii_lowercase()))
                || line::printed_in(&entry.source, wanted)
        };
        let resource =
            |wanted: &String| same(wanted, &entry.resource) || line::printed_by(&entry.source, wanted);
        self.since.as_ref().is_none_or(|since| entry.time >= *since)
            && entry.level >= self.which.level
            && self.which.group.as_ref().is_none_or(group)
            && self.which.resource.as_ref().is_none_or(resource)
    }
}

/// Prints a line. False if nobody reads any more.
fn tell(entry: &Entry, json: bool) -> bool {
    if json {
        return show::json_line(entry);
    }
    let style = match entry.level {
        args::Level::Information => anstyle::Style::new(),
        args::Level::Warning => show::ODD,
        args::Level::Error => show::BAD,
    };
    let dim = show::DIM;
    show::out(&format!("{dim}{}  {:<8}{dim:#}  {style}{}{style:#}", entry.time, entry.source, entry.text))
}

/// Prints the log, and with --follow what comes until nobody reads any more.
pub(crate) fn run(
    data: &Path,
    which: &args::Log,
    resources: &BTreeSet<String>,
    json: bool,
) -> Result<Exit, Trouble> {
    let path = data.join("log");
    let failed = |error: std::io::Error| Trouble {
        exit: Exit::Failed,
        text: format!("{}: {error}; is --data the folder of a node?", path.display()),
    };
    let since = which.since.map(|since| humantime::format_rfc3339_micros(since).to_string());
    let filter = Filter { which, since, resources };
    let mut folder = Folder::open(&path).map_err(failed)?;
    let mut entries = folder.read().map_err(failed)?;
    entries.retain(|entry| filter.takes(entry));
    let most = which.last.unwrap_or(if which.since.is_some() { usize::MAX } else { LAST });
    let skip = entries.len().saturating_sub(most);
    if !entries.iter().skip(skip).all(|entry| tell(entry, json)) {
        return Ok(Exit::Done);
    }
    if !which.follow {
        return Ok(Exit::Done);
    }
    loop {
        folder.wait().map_err(failed)?;
        let entries = folder.read().map_err(failed)?;
        if !entries.iter().filter(|entry| filter.takes(entry)).all(|entry| tell(entry, json)) {
            return Ok(Exit::Done);
        }
    }
}
