use std::time::Duration;

use roxmltree::{Document, ParsingOptions};
use stead_resapi as abi;
use stead_sdk::{Failure, Problem};

/// Where the metadata gives no time-out.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(20);

/// What an agent says of itself.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub(crate) struct Metadata {
    pub(crate) name: String,
    parameters: Vec<Parameter>,
    actions: Vec<(String, Duration)>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Parameter {
    name: String,
    required: bool,
    kind: String,
    options: Vec<String>,
}

/// Reads `20s`, `20`, `500ms`, `2m`, `1h`; a bare number is seconds.
fn duration(text: &str) -> Option<Duration> {
    let text = text.trim();
    let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
    let number: u64 = text[..digits].parse().ok()?;
    Some(match text[digits..].trim().to_ascii_lowercase().as_str() {
        "" | "s" | "sec" => Duration::from_secs(number),
        "ms" | "msec" => Duration::from_millis(number),
        "m" | "min" => Duration::from_secs(number * 60),
        "h" | "hr" => Duration::from_secs(number * 3600),
        _ => return None,
    })
}

impl Metadata {
    /// Reads what `meta-data` printed.
    pub(crate) fn parse(text: &str) -> Result<Metadata, String> {
        let options = ParsingOptions { allow_dtd: true, ..ParsingOptions::default() };
        let document = Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
        let root = document.root_element();
        if root.tag_name().name() != "resource-agent" {
            return Err(format!("<resource-agent> expected, <{}> found", root.tag_name().name()));
        }
        let nodes = |name: &'static str| root.descendants().filter(move |node| node.has_tag_name(name));
        let parameters = nodes("parameter").filter_map(|node| {
            let content = node.children().find(|child| child.has_tag_name("content"));
            let options = content.into_iter().flat_map(|content| content.children());
            Some(Parameter {
                name: node.attribute("name")?.to_owned(),
                required: matches!(node.attribute("required"), Some("1" | "true" | "yes")),
                kind: content.and_then(|content| content.attribute("type")).unwrap_or("string").to_owned(),
                options: options
                    .filter(|option| option.has_tag_name("option"))
                    .filter_map(|option| option.attribute("value").map(str::to_owned))
                    .collect(),
            })
        });
        let actions = nodes("action").filter_map(|node| {
            let limit = node.attribute("timeout").and_then(duration).unwrap_or(DEFAULT_TIMEOUT);
            Some((node.attribute("name")?.to_owned(), limit))
        });
        Ok(Metadata {
            name: root.attribute("name").unwrap_or_default().to_owned(),
            parameters: parameters.collect(),
            actions: actions.collect(),
        })
    }

    /// True if the agent knows this action.
    pub(crate) fn has(&self, action: &str) -> bool {
        self.actions.iter().any(|(name, _)| name == action)
    }

    /// The time-out of an action; where there are several of a name, the longest.
    pub(crate) fn timeout(&self, action: &str) -> Duration {
        let limits = self.actions.iter().filter(|(name, _)| name == action).map(|(_, limit)| *limit);
        limits.max().unwrap_or(DEFAULT_TIMEOUT)
    }

    /// Promotable agents need roles that groups here do not have; some do well without.
    pub(crate) fn refuse_promotable(&self, unpromoted: bool) -> Result<(), Failure> {
        if !unpromoted && (self.has("promote") || self.has("demote")) {
            let text = format!(
                "agent {} is promotable (it has promote and demote), and roles are not supported; set RunUnpromoted = \
                 true if it does its work without one, as pgsql and redis do on one node",
                self.name
            );
            return Err(Failure::new(abi::ERROR_NOT_SUPPORTED, text));
        }
        Ok(())
    }

    /// Checks parameters against the metadata: names, required ones, types.
    pub(crate) fn check(&self, parameters: &[(String, String)]) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, value) in parameters {
            let Some(known) = self.parameters.iter().find(|known| known.name.eq_ignore_ascii_case(name))
            else {
                let names: Vec<&str> = self.parameters.iter().map(|known| known.name.as_str()).collect();
                let hint = closest(name, &names)
                    .map_or_else(String::new, |name| format!("; did you mean {name:?}?"));
                let text = format!(
                    "agent {} has no parameter {name:?}{hint}; it has: {}",
                    self.name,
                    names.join(", ")
                );
                problems.push(Problem::new(name, text));
                continue;
            };
            let expected = match known.kind.as_str() {
                "integer" if value.trim().parse::<i64>().is_err() => "a whole number".to_owned(),
                "second" | "time" if duration(value).is_none() => "a time, such as 20s".to_owned(),
                "boolean" if !is_boolean(value) => "true or false".to_owned(),
                "select" if !known.options.is_empty() && !known.options.contains(value) => {
                    format!("one of {}", known.options.join(", "))
                }
                _ => continue,
            };
            problems.push(Problem::new(name, format!("property {name:?} must be {expected}, not {value:?}")));
        }
        for known in self.parameters.iter().filter(|known| known.required) {
            if !parameters.iter().any(|(name, _)| name.eq_ignore_ascii_case(&known.name)) {
                let text =
                    format!("property {:?} is required by agent {} and not set", known.name, self.name);
                problems.push(Problem::new(&known.name, text));
            }
        }
        problems
    }

    /// The name of a parameter as the metadata spells it.
    pub(crate) fn spelling(&self, name: &str) -> String {
        let known = self.parameters.iter().find(|known| known.name.eq_ignore_ascii_case(name));
        known.map_or_else(|| name.to_owned(), |known| known.name.clone())
    }
}

/// The known name that differs least from a wrong one, if one is near.
fn closest<'a>(wrong: &str, known: &[&'a str]) -> Option<&'a str> {
    let distance = |name: &str| {
        // The number of characters to insert, remove or exchange.
        let name: Vec<char> = name.to_lowercase().chars().collect();
        let mut row: Vec<usize> = (0..=name.len()).collect();
        for (line, a) in wrong.to_lowercase().chars().enumerate() {
            let mut corner = row[0];
            row[0] = line + 1;
            for (at, b) in name.iter().enumerate() {
                let exchanged = corner + usize::from(a != *b);
                corner = row[at + 1];
                row[at + 1] = exchanged.min(row[at] + 1).min(corner + 1);
            }
        }
        row[name.len()]
    };
    let near = known.iter().map(|name| (distance(name), *name)).min_by_key(|(distance, _)| *distance)?;
    (near.0 <= 1 + wrong.chars().count() / 4).then_some(near.1)
}

fn is_boolean(value: &str) -> bool {
    let known = ["true", "false", "yes", "no", "on", "off", "1", "0", "y", "n"];
    known.contains(&value.to_ascii_lowercase().as_str())
}

#[cfg(test)]
mod tests {
    use super::*;

    const DUMMY: &str = r#"<?xml version="1.0"?>
<!DOCTYPE resource-agent SYSTEM "ra-api-1.dtd">
<resource-agent name="Lamp" version="1.0">
<parameters>
<parameter name="state" unique="1" required="1"><content type="string" default=""/></parameter>
<parameter name="watts"><content type="integer"/></parameter>
<parameter name="dim"><content type="boolean"/></parameter>
<parameter name="colour"><content type="select"><option value="red"/><option value="green"/></content></parameter>
</parameters>
<actions>
<action name="start" timeout="90s"/><action name="stop" timeout="2m"/>
<action name="monitor" timeout="500ms" interval="10"/><action name="monitor" timeout="20" depth="10"/>
<action name="validate-all"/>
</actions>
</resource-agent>"#;

    #[test]
    fn metadata_becomes_parameters_and_timeouts() {
        let metadata = Metadata::parse(DUMMY).unwrap();
        assert_eq!(metadata.timeout("start"), Duration::from_secs(90));
        assert_eq!(metadata.timeout("stop"), Duration::from_secs(120));
        assert_eq!(metadata.timeout("monitor"), Duration::from_secs(20));
        assert_eq!(metadata.timeout("validate-all"), DEFAULT_TIMEOUT);
        assert!(metadata.refuse_promotable(false).is_ok());
        assert_eq!(metadata.spelling("WATTS"), "watts");
    }

    #[test]
    fn parameters_are_checked_by_name_type_and_presence() {
        let metadata = Metadata::parse(DUMMY).unwrap();
        let check = |list: &[(&str, &str)]| {
            let list: Vec<_> =
                list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            metadata.check(&list).into_iter().map(|problem| problem.text).collect::<Vec<_>>()
        };
        assert_eq!(check(&[("State", "/x"), ("watts", "4"), ("dim", "yes"), ("colour", "red")]), [""; 0]);
        assert_eq!(check(&[]), ["property \"state\" is required by agent Lamp and not set"]);
        let bad =
            check(&[("state", "x"), ("watts", "many"), ("dim", "maybe"), ("colour", "blue"), ("volts", "1")]);
        assert_eq!(bad.len(), 4);
        assert!(bad[2].contains("one of red, green"));
        assert!(bad[3].contains("it has: state, watts, dim, colour"), "{bad:?}");
        assert!(!bad[3].contains("did you mean"), "{bad:?}");
        assert!(check(&[("state", "x"), ("wats", "1")])[0].contains("\"wats\"; did you mean \"watts\"?"));
    }

    #[test]
    fn promotable_agents_and_nonsense_are_refused() {
        let promotable = DUMMY.replace("validate-all", "promote");
        let promotable = Metadata::parse(&promotable).unwrap();
        assert!(promotable.refuse_promotable(false).is_err());
        assert!(promotable.refuse_promotable(true).is_ok());
        assert!(Metadata::parse("<html/>").is_err());
        assert!(Metadata::parse("no xml").is_err());
        assert_eq!(duration("5 parsecs"), None);
    }
}
