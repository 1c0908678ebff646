//! Simulations as transcripts: `tests/simulations/*.txt`. Lines that begin with a word describe a cluster, a line `> …`
//! is a simulation of it, and the lines below that are what it says. `UPDATE=1 cargo test -p stead-policy` writes them
//! anew.
//!
//! ```text
//! alone | voters n1,n2,n3 | witness (a voter elsewhere)
//! node n1 [down] [paused] [wait=S] [cannot-load]
//! group g NODE [offline] [preferred=n1,n2] [possible=n1,n2] [priority=N] [threshold=N] [failback=any|FROM-TO] [anti=a]
//!         [after=g2] [restarts=N] [notify=no] [failures=N] [failed] [locked]
//! hour H
//! > kill n1 | drain n1 | pause n1 | move g [n2] | online g | offline g | fail g ; …
//! ```
//!
//! The one resource of group `g` is `g-r`.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod transcripts;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stead_policy::cluster::{
    Arrival, ArrivalKind, GroupFacts, GroupRules, NodeFacts, NodeRecord, Owned, OwnerState, Ownership,
    Published, Session,
};
use stead_policy::simulation::{Members, Seen, Simulated, Snapshot, Step, simulate};
use stead_policy::{
    ClusterConfig, ColdStart, Failback, GroupConfig, GroupSets, Level, PersistentState, ResourceConfig,
    TypeConfig,
};
use stead_types::{
    CommonProperties, Dependency, GroupState, MoveFlags, ResourceName, ResourceState, RestartAction,
    TypeDefaults,
};

fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().unwrap()
}

fn list<N: std::str::FromStr<Err: std::fmt::Debug>, L: FromIterator<N>>(text: &str) -> L {
    text.split(',').map(name).collect()
}

/// An empty cluster.
fn cluster() -> Snapshot {
    let known = TypeConfig {
        name: name("T"),
        description: String::new(),
        defaults: TypeDefaults::default(),
        fence: stead_types::FenceClass::F1,
        accept_no_watchdog: false,
        revision: 0,
    };
    let types = BTreeMap::from([(known.name.clone(), known)]);
    Snapshot { config: ClusterConfig { types, ..ClusterConfig::default() }, ..Snapshot::default() }
}

fn node(cluster: &mut Snapshot, of: &str, words: &[&str]) {
    let sid = cluster.situation.nodes.len() as u128 + 1;
    let mut facts = NodeFacts {
        session: Session::Alive { sid, age: Duration::from_secs(3_600) },
        ..NodeFacts::default()
    };
    let mut wait = 7_500;
    for word in words {
        match word.split_once('=') {
            Some(("wait", ms)) => wait = ms.parse().unwrap(),
            None if *word == "down" => facts.session = Session::Dead { sid },
            None if *word == "paused" => facts.record = NodeRecord::default().paused(),
            None if *word == "cannot-load" => {
                drop(facts.cannot_host.insert(name("T"), "there is no file".to_owned()))
            }
            other => panic!("unknown property {other:?}"),
        }
    }
    cluster.takeover.insert(name(of), Duration::from_millis(wait));
    cluster.situation.nodes.insert(name(of), facts);
}

fn group(cluster: &mut Snapshot, of: &str, on: &str, words: &[&str]) {
    let mut resource = ResourceConfig {
        name: name(&format!("{of}-r")),
        description: String::new(),
        type_name: name("T"),
        persistent_state: None,
        dependency: Dependency::parse("").unwrap(),
        possible_owners: BTreeSet::new(),
        common: CommonProperties {
            restart_action: RestartAction::RestartNotify,
            restart_threshold: 1,
            ..CommonProperties::default()
        },
        revision: 0,
    };
    let mut config = GroupConfig {
        name: name(of),
        description: String::new(),
        persistent_state: Some(PersistentState::Online),
        failover_threshold: u32::MAX,
        failover_period_hours: 6,
        preferred_owners: Vec::new(),
        anti_affinity: BTreeSet::new(),
        failback: Failback::Prevent,
        cold_start: ColdStart::Always,
        depends_on_groups: BTreeSet::new(),
        depends_on_set: None,
        priority: 2_000,
        resources: BTreeMap::new(),
        revision: 0,
    };
    let mut seen = Seen { state: ResourceState::Online, failures: 0 };
    let mut locked: Vec<ResourceName> = Vec::new();
    for word in words {
        match word.split_once('=') {
            Some(("preferred", nodes)) => config.preferred_owners = list(nodes),
            Some(("possible", nodes)) => resource.possible_owners = list(nodes),
            Some(("priority", number)) => config.priority = number.parse().unwrap(),
            Some(("threshold", number)) => config.failover_threshold = number.parse().unwrap(),
            Some(("anti", word)) => config.anti_affinity = BTreeSet::from([word.to_owned()]),
            Some(("after", groups)) => config.depends_on_groups = list(groups),
            Some(("failback", "any")) => config.failback = Failback::Allow { window: None },
            Some(("failback", window)) => {
                let (from, to) = window.split_once('-').unwrap();
                let window = Some((from.parse().unwrap(), to.parse().unwrap()));
                config.failback = Failback::Allow { window };
            }
            Some(("restarts", number)) => resource.common.restart_threshold = number.parse().unwrap(),
            Some(("notify", "no")) => resource.common.restart_action = RestartAction::RestartNoNotify,
            Some(("failures", number)) => seen.failures = number.parse().unwrap(),
            None if *word == "failed" => seen.state = ResourceState::Failed,
            None if *word == "locked" => locked.push(resource.name.clone()),
            None if *word == "offline" => {
                config.persistent_state = Some(PersistentState::Offline);
                seen.state = ResourceState::Offline;
            }
            other => panic!("unknown property {other:?}"),
        }
    }
    if seen.state != ResourceState::Offline {
        cluster.resources.insert(resource.name.clone(), seen);
    }
    config.resources.insert(resource.name.clone(), resource);
    let mut facts =
        GroupFacts::new(GroupRules::of(&config, &GroupSets::new()), GroupRules::wanted_online(&config));
    cluster.config.groups.insert(config.name.clone(), config);
    if cluster.alone {
        return;
    }
    let session = match cluster.situation.nodes[&name(on)].session {
        Session::Never => 0,
        Session::Alive { sid, .. } | Session::Dead { sid } | Session::Left { sid } => sid,
    };
    let document = Ownership {
        generation: 1,
        node: name(on),
        session,
        state: OwnerState::Assigned,
        arrival: Arrival {
            kind: ArrivalKind::First,
            source: None,
            cause: None,
            flags: MoveFlags::NONE,
            in_buffers: BTreeMap::new(),
            start: true,
            suspended: Vec::new(),
        },
        order: None,
        outcome: None,
        orders: 0,
        failovers: Vec::new(),
        reasons: Vec::new(),
        held: None,
    };
    facts.owned = Some(Owned { document: document.into(), revision: 1 });
    facts.published = Some(Published {
        generation: 1,
        state: GroupState::derive([seen.state]),
        served: true,
        given_up: Vec::new(),
        locked,
        queued: false,
    });
    cluster.situation.groups.insert(name(of), facts);
}

fn step(text: &str) -> Step {
    match text.split_whitespace().collect::<Vec<_>>().as_slice() {
        ["kill", node] => Step::Kill(name(node)),
        ["drain", node] => Step::Drain(name(node)),
        ["pause", node] => Step::Pause(name(node)),
        ["move", group] => Step::Move(name(group), None),
        ["move", group, node] => Step::Move(name(group), Some(name(node))),
        ["online", group] => Step::Online(name(group)),
        ["offline", group] => Step::Offline(name(group)),
        ["fail", group] => Step::Fail(name(&format!("{group}-r"))),
        other => panic!("unknown step {other:?}"),
    }
}

fn ms(of: Duration) -> String {
    format!("{} ms", of.as_millis())
}

fn happened(of: &stead_policy::simulation::Happened) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(of.refused.as_ref().map(|refusal| format!("  {refusal}")));
    for moved in &of.moves {
        let from = moved.from.as_ref().map_or("nowhere".to_owned(), ToString::to_string);
        let cause = moved.cause.map_or_else(String::new, |cause| format!(" ({cause})"));
        let state = moved.state.map_or("gone on".to_owned(), |state| state.to_string());
        lines.push(format!(
            "  {} {from} -> {} {:?}{cause} after {}: {state}",
            moved.group,
            moved.to,
            moved.kind,
            ms(moved.after)
        ));
        lines.extend(moved.reasons.iter().map(|reason| format!("    {reason}")));
    }
    let worth =
        of.records.iter().filter(|(_, record)| record.level > Level::Information && record.id != 10_001);
    lines.extend(worth.map(|(after, record)| format!("  {}: {}: {}", ms(*after), record.id, record.text)));
    lines.extend(of.notes.iter().map(|note| format!("  note: {note}")));
    if !of.takes.is_zero() || !of.moves.is_empty() {
        lines.push(format!("  takes {}", ms(of.takes)));
    }
    lines
}

fn told(simulated: &Simulated) -> Vec<String> {
    let mut lines = Vec::new();
    lines.extend(simulated.unknown.as_ref().map(|unknown| format!("  {unknown}")));
    let under_way = happened(&simulated.under_way);
    if !simulated.under_way.moves.is_empty() {
        lines.push("  under way".to_owned());
        lines.extend(under_way);
    }
    for (step, what) in &simulated.steps {
        lines.push(format!("  {step}"));
        lines.extend(happened(what).into_iter().map(|line| format!("  {line}")));
    }
    for down in &simulated.down {
        lines.push(format!("  down: {} {}: {}", down.group, down.state, down.why));
        lines.extend(down.reasons.iter().map(|reason| format!("    {reason}")));
    }
    for back in &simulated.back {
        let from = back.from.as_ref().map_or("nowhere".to_owned(), ToString::to_string);
        lines.push(format!("  back: {} {from} -> {} {}", back.group, back.to, back.when));
    }
    let holds = if simulated.holds() { "holds" } else { "does not hold" };
    lines.push(format!(
        "  {} of {} stay: {holds}",
        simulated.online - simulated.down.len(),
        simulated.online
    ));
    lines
}

fn play(text: &str) -> String {
    let mut cluster = cluster();
    let mut out = String::new();
    for line in text.lines() {
        if line.starts_with(' ') {
            continue;
        }
        out.push_str(line);
        out.push('\n');
        if line.starts_with('#') {
            cluster = self::cluster();
        }
        if let Some(steps) = line.strip_prefix("> ") {
            let steps = || steps.split(';').map(step).collect();
            let simulated = simulate(cluster.clone(), steps());
            assert_eq!(simulated, simulate(cluster.clone(), steps()), "{line} gives the same every time");
            for line in told(&simulated) {
                out.push_str(&line);
                out.push('\n');
            }
            continue;
        }
        match line.split_whitespace().collect::<Vec<_>>().as_slice() {
            [] | ["#", ..] => {}
            ["alone"] => cluster.alone = true,
            ["voters", nodes] => {
                let on: BTreeSet<_> = list(nodes);
                cluster.members = Some(Members { voters: on.len(), on, elsewhere: 0 });
            }
            ["witness"] => {
                let members = cluster.members.as_mut().unwrap();
                members.voters += 1;
                members.elsewhere += 1;
            }
            ["hour", hour] => cluster.situation.hour = hour.parse().unwrap(),
            ["node", of, rest @ ..] => node(&mut cluster, of, rest),
            ["group", of, on, rest @ ..] => group(&mut cluster, of, on, rest),
            other => panic!("unknown line {other:?}"),
        }
    }
    out
}

#[test]
fn every_transcript_is_as_written() {
    transcripts::check("simulations", 20, play);
}
