//! How things look to people. Results go to standard output, everything else to standard error.

use anstyle::{AnsiColor, Style};
use comfy_table::presets::NOTHING;
use comfy_table::{Attribute, Cell, Color, Table};
use stead_api::{ErrorCode, Event, Failure, Group, Line, Resource, Status};

const fn colour(colour: AnsiColor) -> Style {
    Style::new().fg_color(Some(anstyle::Color::Ansi(colour)))
}

/// For what went wrong.
pub(crate) const BAD: Style = colour(AnsiColor::Red);
/// For what is worth a look.
pub(crate) const ODD: Style = colour(AnsiColor::Yellow);
/// For what is as it should be.
pub(crate) const GOOD: Style = colour(AnsiColor::Green);
/// For what is said in passing.
pub(crate) const DIM: Style = Style::new().dimmed();

/// `ERROR_CLUSTER_RESOURCE_LOCKED_STATUS (5960)`
pub(crate) fn code(error: &ErrorCode) -> String {
    match &error.name {
        Some(name) => format!("{name} ({})", error.code),
        None => format!("error {}", error.code),
    }
}

/// `resource "db": offline refused: ERROR_CLUSTER_RESOURCE_LOCKED_STATUS (5960): …`
pub(crate) fn failure(failure: &Failure, verb: &str) -> String {
    let detail = if failure.detail.is_empty() { String::new() } else { format!(": {}", failure.detail) };
    format!("{} {verb}: {}{detail}", failure.what, code(&failure.error))
}

/// The date of an event, UTC.
pub(crate) fn date(time_ms: u64) -> String {
    let at = std::time::UNIX_EPOCH + std::time::Duration::from_millis(time_ms);
    humantime::format_rfc3339_millis(at).to_string()
}

/// The date to the minute, UTC.
pub(crate) fn minute(time_ms: u64) -> String {
    date(time_ms).get(..16).unwrap_or_default().replace('T', " ")
}

/// An event in one line, without its date.
pub(crate) fn event(event: &Event) -> String {
    let style = match event.level.as_str() {
        "error" | "critical" => BAD,
        "warning" => ODD,
        _ => Style::new(),
    };
    let text = event.text.replace("-> Online", &format!("-> {GOOD}Online{GOOD:#}"));
    let text = text.replace(&format!("{GOOD}Online{GOOD:#}Pending"), "OnlinePending");
    let text = match &event.error {
        Some(error) if !text.contains(&error.code.to_string()) => format!("{text} [{}]", code(error)),
        Some(_) | None => text,
    };
    let group = event.group.as_deref().unwrap_or("-");
    let node = event.node.as_ref().map(|node| format!("{node}  ")).unwrap_or_default();
    format!("{DIM}{node}{group}{DIM:#}  {style}{text}{style:#}")
}

fn state_colour(state: &str) -> Color {
    match state {
        "Online" | "Up" => Color::Green,
        "Failed" | "Down" => Color::Red,
        "Offline" => Color::DarkGrey,
        _ => Color::Yellow,
    }
}

fn state(state: &str) -> Cell {
    Cell::new(state).fg(state_colour(state))
}

/// How long, in the largest unit that says something.
pub(crate) fn age(ms: u64) -> String {
    match ms {
        0..=9_999 => format!("{}.{} s", ms / 1_000, ms % 1_000 / 100),
        10_000..=119_999 => format!("{} s", ms / 1_000),
        120_000..=7_199_999 => format!("{} min", ms / 60_000),
        7_200_000..=172_799_999 => format!("{} h", ms / 3_600_000),
        _ => format!("{} d", ms / 86_400_000),
    }
}

fn note(resource: &Resource) -> String {
    let mut parts = Vec::new();
    if resource.state.ends_with("Pending") && resource.checkpoint != 0 {
        parts.push(format!("checkpoint {}", resource.checkpoint));
    }
    if resource.locked {
        parts.push("locked".to_owned());
    }
    if resource.maintenance {
        parts.push("in maintenance".to_owned());
    }
    if let Some(wish) = &resource.persistent_state {
        parts.push(format!("wanted {wish}"));
    }
    if let Some(next) = resource.next_attempt_in_ms {
        parts.push(format!("tried again in {}", age(next)));
    }
    match &resource.why {
        Some(why) => parts.push(short(why, &resource.name)),
        None => parts.extend(resource.last_error.iter().map(code)),
    }
    parts.join("; ")
}

/// As much of a sentence as a table bears.
fn short(text: &str, name: &str) -> String {
    const LONGEST: usize = 100;
    if text.chars().count() <= LONGEST {
        return text.to_owned();
    }
    let begin: String = text.chars().take(LONGEST).collect();
    let begin = begin.rsplit_once(' ').map_or(begin.as_str(), |(begin, _)| begin);
    format!("{begin} … (`stead explain {name}`)")
}

fn table(width: Option<u16>) -> Table {
    let mut table = Table::new();
    table.load_style(NOTHING);
    if let Some(width) = width {
        table.set_content_arrangement(comfy_table::ContentArrangement::Dynamic);
        table.set_width(width);
    }
    table
}

fn heading(names: &[&str]) -> Vec<Cell> {
    names.iter().map(|name| Cell::new(name).add_attribute(Attribute::Bold)).collect()
}

/// The whole status as one screen. With `width`, long notes are wrapped.
pub(crate) fn status(status: &Status, width: Option<u16>) -> String {
    let mut lines = crate::nodes::head(status);
    lines.push(String::new());
    if status.groups.is_empty() {
        lines.push("no groups yet: `stead apply FILE` brings some".to_owned());
        return lines.join("\n");
    }
    let mut table = table(width);
    table.set_header(heading(&["GROUP / RESOURCE", "STATE", "FOR", "PID", "TYPE", "NOTE"]));
    for group in &status.groups {
        add_group(&mut table, group);
    }
    let shown: Vec<String> = table.lines().map(|line| line.trim_end().to_owned()).collect();
    lines.extend(shown);
    lines.join("\n")
}

fn add_group(table: &mut Table, group: &Group) {
    let mut notes = Vec::new();
    if group.persistent_state != group.state {
        notes.push(format!("wanted {}", group.persistent_state));
    }
    notes.extend(group.operation.as_ref().map(|operation| format!("in progress: {operation}")));
    notes.extend(group.why.as_ref().map(|why| short(why, &group.name)));
    table.add_row(vec![
        Cell::new(&group.name).add_attribute(Attribute::Bold),
        state(&group.state),
        Cell::new(""),
        Cell::new(""),
        Cell::new(format!("on {}", group.owner_node)),
        Cell::new(notes.join("; ")),
    ]);
    for resource in &group.resources {
        table.add_row(vec![
            Cell::new(format!("  {}", resource.name)),
            state(&resource.state),
            Cell::new(age(resource.for_ms)),
            Cell::new(resource.pid.map(|pid| pid.to_string()).unwrap_or_default()),
            Cell::new(&resource.type_name),
            Cell::new(note(resource)),
        ]);
    }
}

/// A list with a heading.
pub(crate) fn list(names: &[&str], rows: Vec<Vec<String>>) -> String {
    let mut table = table(None);
    table.set_header(heading(names));
    for row in rows {
        table.add_row(row);
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect::<Vec<_>>().join("\n")
}

/// Prints JSON for programs.
pub(crate) fn json(value: &impl serde::Serialize) {
    match serde_json::to_string_pretty(value) {
        Ok(text) => drop(out(&text)),
        Err(error) => problem(&error.to_string()),
    }
}

/// Prints one line of JSON.
pub(crate) fn json_line(value: &impl serde::Serialize) -> bool {
    match serde_json::to_string(value) {
        Ok(text) => out(&text),
        Err(error) => {
            problem(&error.to_string());
            true
        }
    }
}

/// Prints a result. False if the reader has gone away, which is no error.
pub(crate) fn out(text: &str) -> bool {
    use std::io::Write;
    let mut to = anstream::stdout().lock();
    writeln!(to, "{text}").and_then(|()| to.flush()).is_ok()
}

/// Says something beside the result.
pub(crate) fn say(text: &str) {
    use std::io::Write;
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

/// Says what went wrong.
pub(crate) fn problem(text: &str) {
    say(&format!("{BAD}stead:{BAD:#} {text}"));
}

/// Says what may be wrong.
pub(crate) fn warning(text: &str) {
    say(&format!("{ODD}warning:{ODD:#} {text}"));
}

/// Prints a line of an answer that is not the last.
pub(crate) fn progress(line: &Line) {
    match line {
        Line::Progress(progress) => {
            say(&format!("{DIM}{}{DIM:#}  {}", clock(progress.time_ms), event(progress)))
        }
        Line::Plan(steps) if steps.is_empty() => say("nothing to change"),
        Line::Plan(steps) => steps.iter().for_each(|step| say(step)),
        Line::Accepted
        | Line::Warnings(_)
        | Line::Done { .. }
        | Line::Failed(_)
        | Line::Refused(_)
        | Line::Problems(_)
        | Line::Cancelled => {}
    }
}

/// The time of day of an event, UTC.
pub(crate) fn clock(time_ms: u64) -> String {
    date(time_ms).get(11..23).unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn failures_name_the_thing_the_code_and_its_name() {
        let locked = Failure {
            what: "resource \"db\": offline".to_owned(),
            error: ErrorCode { code: 5960, name: Some("ERROR_CLUSTER_RESOURCE_LOCKED_STATUS".to_owned()) },
            detail: String::new(),
        };
        assert_eq!(
            failure(&locked, "refused"),
            "resource \"db\": offline refused: ERROR_CLUSTER_RESOURCE_LOCKED_STATUS (5960)"
        );
        assert_eq!(code(&ErrorCode { code: 31, name: None }), "error 31");
    }

    #[test]
    fn an_event_names_its_node_where_there_are_several() {
        let text = r#"{"sequence": 1, "time_ms": 0, "id": 1, "level": "information", "group": "g", "text": "it is so"}"#;
        let mut told: Event = serde_json::from_str(text).unwrap();
        let bare = |told: &Event| anstream::adapter::strip_str(&event(told)).to_string();
        assert_eq!(bare(&told), "g  it is so");
        told.node = Some("n2".to_owned());
        assert_eq!(bare(&told), "n2  g  it is so");
    }

    #[test]
    fn ages_have_one_unit() {
        assert_eq!(age(0), "0.0 s");
        assert_eq!(age(9_950), "9.9 s");
        assert_eq!(age(61_000), "61 s");
        assert_eq!(age(3_600_000), "60 min");
        assert_eq!(age(7_200_000), "2 h");
        assert_eq!(age(200_000_000), "2 d");
    }
}
