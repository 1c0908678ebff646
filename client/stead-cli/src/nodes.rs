//! Nodes: how they look, and what is asked of them.

use std::path::Path;

use hyper::Method;
use stead_api::{Node, NodeOperate, Status, routes};

use crate::args::{Machine, NodeVerb, PauseFlags};
use crate::client::{Client, Trouble, encode};
use crate::exit::Exit;
use crate::operate::{self, Manner};
use crate::show;

/// The state of a node, with what operators and the cluster say of it: `Paused, draining to n2`.
pub(crate) fn words(node: &Node) -> String {
    let mut words = vec![node.state.clone()];
    if node.paused && node.state != "Paused" {
        words.push("paused".to_owned());
    }
    // What became of a drain stays known after the pause it belonged to; by then it says nothing about the node.
    let paused = node.paused || node.state == "Paused";
    let drain = node.drain.as_ref().filter(|drain| paused || drain.status == "InProgress");
    if let Some(drain) = drain {
        let to = drain.to.as_ref().map(|to| format!(" to {to}")).unwrap_or_default();
        words.push(match drain.status.as_str() {
            "InProgress" => format!("draining{to}"),
            "Completed" => "drained".to_owned(),
            "Failed" => "drain failed".to_owned(),
            other => format!("drain {other}"),
        });
    }
    if let Some(reason) = &node.quarantine {
        let ends = match node.quarantine_ends_ms {
            Some(ms) => format!("until about {} UTC", show::minute(ms)),
            None => "until somebody ends it".to_owned(),
        };
        words.push(format!("quarantined {ends}: {reason}"));
    }
    words.join(", ")
}

/// What a table has no column for.
fn notes(node: &Node) -> String {
    let mut notes = Vec::new();
    if node.coordinator {
        notes.push("coordinator".to_owned());
    }
    if node.restarts != 0 {
        notes.push(format!("node process restarted {} times, groups ran on", node.restarts));
    }
    notes.join("; ")
}

/// The lines of a single node.
fn lines(node: &Node) -> Vec<String> {
    let restarts = match node.restarts {
        0 => String::new(),
        count => format!("; node process restarted {count} times, groups ran on"),
    };
    let mut lines = vec![format!("node {}: {}, stead {}{restarts}", node.name, words(node), node.version)];
    let told = [("containment", &node.containment), ("guarantee", &node.guarantee)];
    // What another node contains its processes with is not known here.
    let told = told.into_iter().filter(|(_, text)| !text.is_empty());
    lines.extend(told.map(|(what, text)| format!("  {what}: {text}")));
    lines
}

fn groups_on(status: &Status, node: &str) -> Vec<String> {
    let on = status.groups.iter().filter(|group| group.owner_node.eq_ignore_ascii_case(node));
    on.map(|group| group.name.clone()).collect()
}

/// A table of nodes.
fn table(status: &Status) -> String {
    let row = |node: &Node| {
        let seen = node.seen_ms_ago.map(|ms| format!("{} ago", show::age(ms))).unwrap_or_default();
        let count = groups_on(status, &node.name).len().to_string();
        vec![node.name.clone(), words(node), count, seen, node.version.clone(), notes(node)]
    };
    let names = ["NODE", "STATE", "GROUPS", "LAST SEEN", "STEAD", "NOTE"];
    show::list(&names, status.nodes.iter().map(row).collect())
}

/// One sentence once for all nodes it is true of: `guarantee: …`, or `guarantee (n1, n2): …` where they differ. Nodes of
/// which it is not known are left out.
fn sentences<'a>(what: &str, nodes: &'a [Node], of: impl Fn(&'a Node) -> &'a str) -> Vec<String> {
    let mut said: Vec<(&str, Vec<&str>)> = Vec::new();
    for node in nodes {
        let text = of(node);
        if text.is_empty() {
            continue;
        }
        match said.iter_mut().find(|(known, _)| *known == text) {
            Some((_, names)) => names.push(&node.name),
            None => said.push((text, vec![&node.name])),
        }
    }
    match said.as_slice() {
        [(text, names)] if names.len() == nodes.len() => vec![format!("{what}: {text}")],
        _ => said.iter().map(|(text, names)| format!("{what} ({}): {text}", names.join(", "))).collect(),
    }
}

/// `as last stored, no contact with the cluster database since 18:03:05 UTC`
fn no_contact(since_ms: u64) -> String {
    let date = show::date(since_ms);
    let time = date.get(11..19).unwrap_or(&date).to_owned();
    format!("as last stored, no contact with the cluster database since {time} UTC")
}

/// The nodes, as the status begins: one in full, several as a table.
pub(crate) fn head(status: &Status) -> Vec<String> {
    if let ([node], None) = (status.nodes.as_slice(), status.no_contact_since_ms) {
        return lines(node);
    }
    let mut head: Vec<String> = status.no_contact_since_ms.map(no_contact).into_iter().collect();
    head.extend(table(status).lines().map(str::to_owned));
    head.extend(sentences("containment", &status.nodes, |node| &node.containment));
    head.extend(sentences("guarantee", &status.nodes, |node| &node.guarantee));
    head
}

/// Everything about one node.
fn about(status: &Status, node: &Node) -> String {
    let mut all = lines(node);
    let optional = [
        ("session", node.session.clone()),
        ("last seen", node.seen_ms_ago.map(|ms| format!("{} ago", show::age(ms)))),
        ("coordinator", node.coordinator.then(|| "it plans where groups go".to_owned())),
    ];
    for (name, value) in optional {
        all.extend(value.map(|value| format!("  {name}: {value}")));
    }
    let groups = groups_on(status, &node.name);
    all.push(format!("  groups: {}", if groups.is_empty() { "none".to_owned() } else { groups.join(", ") }));
    all.join("\n")
}

async fn status(client: &Client, name: Option<&str>, json: bool) -> Result<Exit, Trouble> {
    let status: Status = client.get(routes::STATUS).await?;
    let wanted = |node: &&Node| name.is_none_or(|name| node.name.eq_ignore_ascii_case(name));
    let nodes: Vec<&Node> = status.nodes.iter().filter(wanted).collect();
    if let (Some(name), true) = (name, nodes.is_empty()) {
        let known: Vec<&str> = status.nodes.iter().map(|node| node.name.as_str()).collect();
        let text = format!("there is no node {name:?}; there are: {}", known.join(", "));
        return Err(Trouble { exit: Exit::Refused, text });
    }
    if json {
        show::json(&nodes);
    } else {
        let texts: Vec<String> = nodes.into_iter().map(|node| about(&status, node)).collect();
        show::out(&texts.join("\n"));
    }
    Ok(Exit::Done)
}

async fn ask(
    client: &Client,
    (name, verb): (&str, &str),
    body: &NodeOperate,
    manner: Manner,
) -> Result<Exit, Trouble> {
    let path = format!("/v1/nodes/{}/{verb}", encode(name));
    operate::run(client, (Method::POST, &path), body, manner, operate::plainly).await
}

/// The name that is typed once more; whoever does has read what it means.
fn typed(name: &str) -> Result<String, Trouble> {
    show::say(&format!(
        "This says that the machine of node {name} is off or cut off for good: what it ran starts elsewhere at once. If that \
         is not true, it runs twice. Type the node's name to say so:"
    ));
    let mut line = String::new();
    std::io::stdin()
        .read_line(&mut line)
        .map_err(|error| Trouble { exit: Exit::Failed, text: format!("standard input: {error}") })?;
    Ok(line.trim_end_matches(['\r', '\n']).to_owned())
}

/// Asks a node's fence device whether its machine is on. No node has to answer.
fn test(data: &Path, name: &str, json: bool) -> Result<Exit, Trouble> {
    let file = stead_membership::NodeFile::read_present(data)?;
    let Some((device, known)) = file.device(name) else {
        let text = format!(
            "fence refused: no [[fence]] of {} names node {name:?} under nodes",
            data.join(stead_membership::PATH).display()
        );
        return Err(Trouble { exit: Exit::Refused, text });
    };
    let (power, run) = stead_fence::power(device, known);
    let (exit, word) = match power {
        stead_fence::Power::On => (Exit::Done, "on"),
        stead_fence::Power::Off => (Exit::Done, "off"),
        stead_fence::Power::Unknown => (Exit::Failed, "unknown"),
    };
    if json {
        show::json(&serde_json::json!({ "node": name, "device": device.name, "power": word, "run": run }));
    } else {
        show::out(&format!("device {}: the machine of node {name} is {word} ({run})", device.name));
    }
    Ok(exit)
}

/// Carries out a verb of a node. What runs one needs none that answers.
pub(crate) async fn carry_out(
    (client, data): (&Client, &Path),
    verb: NodeVerb,
    run: impl FnOnce(&Machine) -> Result<Exit, Trouble>,
    json: bool,
) -> Result<Exit, Trouble> {
    match verb {
        NodeVerb::Fence { name, test: true, .. } => test(data, &name, json),
        NodeVerb::Fence { name, off, reboot: _, test: false, force } => {
            let body = NodeOperate { off, force, ..NodeOperate::default() };
            ask(client, (&name, "fence"), &body, Manner { json, timeout: None }).await
        }
        NodeVerb::ConfirmDown { name, typed: given } => {
            let confirm = match given {
                Some(given) => given,
                None => typed(&name)?,
            };
            let body = NodeOperate { confirm: Some(confirm), ..NodeOperate::default() };
            ask(client, (&name, "confirm-down"), &body, Manner { json, timeout: None }).await
        }
        NodeVerb::Run { machine } => run(&machine),
        NodeVerb::List => {
            let status: Status = client.get(routes::STATUS).await?;
            if json {
                show::json(&status.nodes);
            } else {
                show::out(&table(&status));
            }
            Ok(Exit::Done)
        }
        NodeVerb::Status { name } => self::status(client, name.as_deref(), json).await,
        NodeVerb::Pause { name, flags } => {
            let PauseFlags { drain, to, keep_on_error, retry, waiting } = flags;
            let no_wait = waiting.no_wait;
            let body = NodeOperate { drain, to, keep_on_error, retry, no_wait, ..NodeOperate::default() };
            ask(client, (&name, "pause"), &body, Manner { json, timeout: waiting.timeout }).await
        }
        NodeVerb::Resume { name, failback, clear_quarantine, waiting } => {
            let no_wait = waiting.no_wait;
            let failback = Some(failback);
            let body = NodeOperate { failback, clear_quarantine, no_wait, ..NodeOperate::default() };
            ask(client, (&name, "resume"), &body, Manner { json, timeout: waiting.timeout }).await
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::args::{Cli, Verb};

    fn node(name: &str) -> Node {
        Node {
            name: name.to_owned(),
            state: "Up".to_owned(),
            version: "0.1.0".to_owned(),
            containment: "namespaces".to_owned(),
            guarantee: "one machine".to_owned(),
            restarts: 0,
            paused: false,
            drain: None,
            quarantine: None,
            quarantine_ends_ms: None,
            session: None,
            seen_ms_ago: None,
            renewed_ms_ago: None,
            renewed_every_ms: None,
            coordinator: false,
        }
    }

    fn drain(status: &str, to: Option<&str>) -> Option<stead_api::Drain> {
        Some(stead_api::Drain { status: status.to_owned(), to: to.map(str::to_owned) })
    }

    fn group(name: &str, owner: &str) -> stead_api::Group {
        stead_api::Group {
            name: name.to_owned(),
            state: "Online".to_owned(),
            persistent_state: "Online".to_owned(),
            owner_node: owner.to_owned(),
            operation: None,
            why: None,
            status_information: 0,
            resources: Vec::new(),
        }
    }

    #[test]
    fn a_node_is_told_in_words() {
        let with = |change: fn(&mut Node)| {
            let mut node = node("n1");
            change(&mut node);
            words(&node)
        };
        assert_eq!(with(|_| {}), "Up");
        assert_eq!(with(|node| (node.state, node.paused) = ("Paused".to_owned(), true)), "Paused");
        assert_eq!(with(|node| (node.state, node.paused) = ("Down".to_owned(), true)), "Down, paused");
        let text = with(|node| {
            (node.state, node.paused, node.drain) =
                ("Paused".to_owned(), true, drain("InProgress", Some("n2")));
        });
        assert_eq!(text, "Paused, draining to n2");
        let text = with(|node| (node.state, node.drain) = ("Paused".to_owned(), drain("Completed", None)));
        assert_eq!(text, "Paused, drained");
        let text = with(|node| (node.state, node.drain) = ("Paused".to_owned(), drain("Failed", None)));
        assert_eq!(text, "Paused, drain failed");
        let text = with(|node| node.drain = drain("Completed", None));
        assert_eq!(text, "Up", "it was resumed since");
        let text = with(|node| {
            (node.state, node.quarantine) =
                ("Down".to_owned(), Some("it left 3 times within 1 h".to_owned()));
        });
        assert_eq!(text, "Down, quarantined until somebody ends it: it left 3 times within 1 h");
        let text = with(|node| {
            node.quarantine = Some("it left 3 times within 1 h".to_owned());
            node.quarantine_ends_ms = Some(1_774_114_920_000);
        });
        assert_eq!(text, "Up, quarantined until about 2026-03-21 17:42 UTC: it left 3 times within 1 h");
    }

    #[test]
    fn one_node_is_told_in_full_and_several_as_a_table() {
        let one = Status { nodes: vec![node("n1")], groups: Vec::new(), no_contact_since_ms: None };
        assert_eq!(
            head(&one),
            ["node n1: Up, stead 0.1.0", "  containment: namespaces", "  guarantee: one machine"]
        );
        let second = Node {
            containment: String::new(),
            guarantee: "lease: 4 s".to_owned(),
            seen_ms_ago: Some(1_200),
            coordinator: true,
            restarts: 2,
            ..node("n2")
        };
        let groups = vec![group("db", "N2"), group("web", "n2"), group("x", "n1")];
        assert_eq!(
            no_contact(1_800_000_185_000),
            "as last stored, no contact with the cluster database since 08:03:05 UTC"
        );
        let several = Status { nodes: vec![node("n1"), second], groups, no_contact_since_ms: None };
        let lines: Vec<String> =
            head(&several).iter().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" ")).collect();
        assert_eq!(
            lines,
            [
                "NODE STATE GROUPS LAST SEEN STEAD NOTE",
                "n1 Up 1 0.1.0",
                "n2 Up 2 1.2 s ago 0.1.0 coordinator; node process restarted 2 times, groups ran on",
                "containment (n1): namespaces",
                "guarantee (n1): one machine",
                "guarantee (n2): lease: 4 s",
            ]
        );
        let about = about(&several, &several.nodes[1]);
        for line in ["  last seen: 1.2 s ago", "  coordinator: it plans where groups go", "  groups: db, web"]
        {
            assert!(about.lines().any(|known| known == line), "{about}");
        }
        assert!(!about.contains("containment"), "n2's is not known: {about}");
        assert!(super::about(&one, &one.nodes[0]).ends_with("groups: none"));
    }

    fn parse(arguments: &[&str]) -> Result<NodeVerb, clap::error::ErrorKind> {
        let whole = ["stead", "node"].into_iter().chain(arguments.iter().copied());
        let parsed = Cli::try_parse_from(whole).map_err(|error| error.kind())?;
        let Verb::Node(crate::args::Node { verb }) = parsed.verb else { panic!("{parsed:?}") };
        Ok(verb)
    }

    #[test]
    fn how_a_node_is_drained_needs_a_drain() {
        use clap::error::ErrorKind::{InvalidValue, MissingRequiredArgument};
        for arguments in [
            &["pause", "n1", "--to", "n2"][..],
            &["pause", "n1", "--retry"],
            &["pause", "n1", "--keep-on-error"],
        ] {
            assert_eq!(parse(arguments).unwrap_err(), MissingRequiredArgument, "{arguments:?}");
        }
        let whole = ["pause", "n1", "--drain", "--to", "n2", "--keep-on-error", "--retry"];
        let NodeVerb::Pause { name, flags } = parse(&whole).unwrap() else { panic!("another verb") };
        assert_eq!((name.as_str(), flags.to.as_deref()), ("n1", Some("n2")));
        assert!(flags.drain && flags.keep_on_error && flags.retry && !flags.waiting.no_wait);
        let NodeVerb::Resume { failback, .. } = parse(&["resume", "n1"]).unwrap() else {
            panic!("another verb")
        };
        assert_eq!(failback, "policy");
        assert_eq!(parse(&["resume", "n1", "--failback", "soon"]).unwrap_err(), InvalidValue);
    }
}
