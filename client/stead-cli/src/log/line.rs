//! One line of a log file, understood.

use crate::args::Level;

/// A line of the cluster log.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Entry {
    /// UTC, with microseconds; they sort as text.
    pub(crate) time: String,
    /// `node`, `guardian`, or `group-NAME` for what was printed in a monitor of that group.
    pub(crate) source: String,
    /// How bad.
    pub(crate) level: Level,
    /// The group, where the line says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) group: Option<String>,
    /// The resource, where the line says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) resource: Option<String>,
    /// The rest.
    pub(crate) text: String,
}

/// A date in front, `2026-01-01T00:00:00.000000Z `, and what follows it.
fn stamped(line: &str) -> Option<(&str, &str)> {
    const STAMP: &str = "0000-00-00T00:00:00.000000Z";
    let (time, rest) = line.split_at_checked(STAMP.len())?;
    let like = time.bytes().zip(STAMP.bytes()).all(|(byte, like)| match like {
        b'0' => byte.is_ascii_digit(),
        _ => byte == like,
    });
    like.then(|| (time, rest.strip_prefix(' ').unwrap_or(rest)))
}

/// What is printed must not move the cursor or look like another line.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c.is_control() && c != '\t' { out.extend(c.escape_default()) } else { out.push(c) }
    }
    out
}

/// Takes ` name=value` off the end of a line. A text is in quotes, with backslashes before those in it.
fn field(line: &str) -> Option<(&str, &str, String)> {
    let start = match line.strip_suffix('"') {
        Some(open) => {
            let quote = open.rmatch_indices("=\"").map(|(at, _)| at).find(|at| {
                let name = open[..*at].rsplit(' ').next().unwrap_or_default();
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_')
            })?;
            open[..quote].rfind(' ')?
        }
        None => line.rfind(' ')?,
    };
    let (name, value) = line[start + 1..].split_once('=')?;
    let known = !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let value = value.trim_matches('"').replace("\\\"", "\"").replace("\\\\", "\\");
    known.then_some((&line[..start], name, value))
}

fn level_of(word: &str) -> Option<Level> {
    match word {
        "TRACE" | "DEBUG" | "INFO" | "Information" => Some(Level::Information),
        "WARN" | "Warning" => Some(Level::Warning),
        "ERROR" | "Error" | "Severe" => Some(Level::Error),
        _ => None,
    }
}

/// Reads a line of the log of `source`. One without a date has that of the line before it, `earlier`.
pub(crate) fn read(source: &str, line: &str, earlier: &str) -> Entry {
    let (time, rest) = stamped(line).unwrap_or((earlier, line));
    let mut entry = Entry {
        time: time.to_owned(),
        source: source.to_owned(),
        level: Level::Information,
        group: None,
        resource: None,
        text: String::new(),
    };
    let mut rest = rest;
    if source == "node"
        && let Some((word, text)) = rest.trim_start().split_once(' ')
        && let Some(level) = level_of(word)
    {
        entry.level = level;
        rest = text.trim_start();
        while let Some((before, name, value)) = field(rest) {
            match name {
                "group" => entry.group = Some(value).filter(|name| !name.is_empty()),
                "resource" => entry.resource = Some(value).filter(|name| !name.is_empty()),
                // What a resource DLL says of its own line.
                "level" => entry.level = level_of(&value).unwrap_or(entry.level),
                "id" | "error" => {}
                _ => break,
            }
            rest = before;
        }
    }
    entry.text = plain(rest.strip_prefix("stead guardian: ").unwrap_or(rest));
    entry
}

/// A name as it is in the name of a log file.
fn in_file(name: &str) -> String {
    let kept = |c: char| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' };
    name.chars().map(kept).collect::<String>().to_lowercase()
}

/// True if the source is a monitor of this group.
pub(crate) fn printed_in(source: &str, group: &str) -> bool {
    let source = source.to_lowercase();
    let (Some(source), group) = (source.strip_prefix("group-"), in_file(group)) else { return false };
    source == group || source.strip_prefix(&group).is_some_and(|rest| rest.starts_with('_'))
}

/// True if the source is a monitor that this resource has to itself.
pub(crate) fn printed_by(source: &str, resource: &str) -> bool {
    source.starts_with("group-") && source.to_lowercase().ends_with(&format!("_{}", in_file(resource)))
}

#[cfg(test)]
mod tests {
    use super::*;

    const AT: &str = "2026-11-21T15:18:44.385138Z";

    #[test]
    fn a_line_of_the_node_is_understood() {
        let line = format!(
            "{AT} ERROR resource \"a b\" failed: it said x=\"1\" id=1069 group=\"we b\" resource=\"a b\" error=5038"
        );
        let entry = read("node", &line, "");
        assert_eq!(entry.time, AT);
        assert_eq!((entry.group.as_deref(), entry.resource.as_deref()), (Some("we b"), Some("a b")));
        assert_eq!(
            (entry.level, entry.text.as_str()),
            (Level::Error, "resource \"a b\" failed: it said x=\"1\"")
        );
        let entry = read("node", &format!("{AT}  INFO disk is slow resource=\"r\" level=Warning"), "");
        assert_eq!((entry.level, entry.text.as_str()), (Level::Warning, "disk is slow"));
        let entry = read("node", &format!("{AT}  INFO monitor runs monitor=web process=7777"), "");
        assert_eq!(entry.text, "monitor runs monitor=web process=7777");
        let empty = read(
            "node",
            &format!("{AT}  INFO the node started id=10005 group=\"\" resource=\"\" error=0"),
            "",
        );
        assert_eq!((empty.group, empty.resource, empty.text.as_str()), (None, None, "the node started"));
    }

    #[test]
    fn what_programs_print_is_taken_as_it_is_and_does_no_harm() {
        let entry = read("group-web", &format!("{AT} ERROR \u{1b}[2J level=Error"), "");
        assert_eq!((entry.level, entry.text.as_str()), (Level::Information, "ERROR \\u{1b}[2J level=Error"));
        let old = read("group-web", "without a date", AT);
        assert_eq!((old.time.as_str(), old.text.as_str()), (AT, "without a date"));
        assert_eq!(read("guardian", &format!("{AT} stead guardian: killed"), "").text, "killed");
        assert_eq!(read("group-web", "2026-1é-21T15:18:44.385138Z", AT).time, AT, "cut at no character");
    }

    #[test]
    fn log_files_are_those_of_their_groups() {
        assert!(printed_in("group-web", "Web") && printed_in("group-web_app", "web"));
        assert!(!printed_in("group-website", "web") && !printed_in("node", "node"));
        assert!(printed_by("group-my_web_an_app", "an app") && !printed_by("group-web", "app"));
    }
}
