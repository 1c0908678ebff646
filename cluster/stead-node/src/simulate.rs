//! What would happen to a cluster: its documents are read as a node reads them, and the policy's simulation does the rest.
//!
//! It runs in the process of whoever asks, never in a node: trying things out costs a cluster one answer.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;
use std::time::Duration;

use stead_api::{
    DatabaseMembers, Failure, NotSimulated, Simulated, SimulatedDown, SimulatedEvent, SimulatedMove,
    SimulatedReturn, Simulation, SimulationStep, Situation,
};
use stead_policy::cluster::{
    ArrivalKind, FenceNeeds, GroupFacts, GroupRules, NodeFacts, Owned, Published, Session,
    Situation as Decided,
};
use stead_policy::simulation::{self, Happened, Members, Moved, Seen, Snapshot, Step};
use stead_store::Entry;
use stead_types::GroupName;

use crate::catalog::{Catalog, Unreadable};
use crate::member::documents::{StateDocument, ownership_of, record_of, session_of};
use crate::member::is_configuration;
use crate::report;

fn name<N: FromStr<Err: Display>>(text: &str) -> Result<N, NotSimulated> {
    text.parse().map_err(|error: N::Err| NotSimulated::Unreadable(error.to_string()))
}

/// A name that somebody typed.
fn typed<N: FromStr<Err: Display>>(text: &str) -> Result<N, NotSimulated> {
    text.parse().map_err(|error: N::Err| NotSimulated::Unknown(error.to_string()))
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

fn step(step: &SimulationStep) -> Result<Step, NotSimulated> {
    Ok(match step {
        SimulationStep::Kill(node) => Step::Kill(typed(node)?),
        SimulationStep::Drain(node) => Step::Drain(typed(node)?),
        SimulationStep::Pause(node) => Step::Pause(typed(node)?),
        SimulationStep::Move(group, to) => Step::Move(typed(group)?, to.as_deref().map(typed).transpose()?),
        SimulationStep::Online(group) => Step::Online(typed(group)?),
        SimulationStep::Offline(group) => Step::Offline(typed(group)?),
        SimulationStep::Fail(resource) => Step::Fail(typed(resource)?),
    })
}

/// What was written below these folders, by name.
#[derive(Default)]
struct Documents {
    own: BTreeMap<GroupName, Owned>,
    published: BTreeMap<GroupName, Published>,
}

/// Fails if the node that answered does not hear the cluster itself.
fn heard(of: &Situation) -> Result<(), NotSimulated> {
    let me = of.nodes.iter().find(|node| node.name.eq_ignore_ascii_case(&of.node));
    let silent = match me {
        _ if of.alone => return Ok(()),
        Some(me) if me.session_state == "alive" => match me.silent_ms {
            None => return Ok(()),
            Some(silent) => format!("has not renewed its session for {silent} ms"),
        },
        Some(_) | None => "has no session".to_owned(),
    };
    let text = format!(
        "node {} {silent}: what it knows of the cluster may be old. Ask another node, or wait until the cluster database \
         answers it",
        of.node
    );
    Err(NotSimulated::Stale(text))
}

/// The cluster as it was told.
fn snapshot(of: &Situation, members: Option<&DatabaseMembers>) -> Result<Snapshot, NotSimulated> {
    let mut snapshot = Snapshot { alone: of.alone, ..Snapshot::default() };
    snapshot.situation.hour = of.hour;
    for node in &of.nodes {
        let sid = node.session.as_deref().map(session_of).transpose().map_err(NotSimulated::Unreadable)?;
        let session = match (node.session_state.as_str(), sid) {
            ("alive", Some(sid)) => Session::Alive { sid, age: Duration::from_millis(node.age_ms) },
            ("dead", Some(sid)) => Session::Dead { sid },
            ("left", Some(sid)) => Session::Left { sid },
            ("none", _) => Session::Never,
            (other, _) => {
                let text = format!("the session of node {} is {other:?}", node.name);
                return Err(NotSimulated::Unreadable(text));
            }
        };
        let cannot = node.cannot_host.iter().map(|(of, why)| Ok((name(of)?, why.clone())));
        let cannot_host = cannot.collect::<Result<_, NotSimulated>>()?;
        let (watchdog, confirmed) = (node.watchdog, node.confirmed);
        let known = name(&node.name)?;
        let facts = NodeFacts { session, cannot_host, watchdog, confirmed, ..NodeFacts::default() };
        if let Some(wait) = node.takeover_ms {
            snapshot.takeover.insert(name(&node.name)?, Duration::from_millis(wait));
        }
        snapshot.situation.nodes.insert(known, facts);
    }
    let mut catalog = Catalog::new(stead_api::BUILTIN_TYPES.iter().filter_map(|name| name.parse().ok()));
    let entry = |document: &stead_api::Document| Entry {
        key: document.key.clone(),
        value: document.value.clone(),
        created: document.revision,
        modified: document.revision,
    };
    let told = |document: &&stead_api::Document| of.alone || is_configuration(&document.key);
    let configuration = of.documents.iter().filter(told).map(entry).collect();
    snapshot.config = catalog.load(configuration).map_err(|Unreadable(problems)| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.place, problem.text)).collect();
        NotSimulated::Unreadable(lines.join("; "))
    })?;
    snapshot.maintenance = catalog.maintenance().collect();
    if of.alone {
        let alone = Snapshot::alone(name(&of.node)?, snapshot.config.clone());
        snapshot.situation.nodes = alone.situation.nodes;
        for (node, facts) in &mut snapshot.situation.nodes {
            facts.record.paused = catalog.paused(node);
        }
    } else {
        let documents = documents(of, &mut snapshot.situation)?;
        groups(of, &mut snapshot, documents)?;
    }
    for resource in of.groups.iter().flat_map(|group| &group.resources) {
        let state = resource.state.parse().map_err(|error: stead_types::UnknownState| {
            NotSimulated::Unreadable(format!("resource {}: {error}", resource.name))
        })?;
        snapshot.resources.insert(name(&resource.name)?, Seen { state, failures: resource.failures });
    }
    if let Some(DatabaseMembers { voters, on, elsewhere }) = members {
        let on = on.iter().map(|node| name(node)).collect::<Result<_, _>>()?;
        snapshot.members = Some(Members { voters: *voters, on, elsewhere: *elsewhere });
    }
    Ok(snapshot)
}

/// What nodes have written of groups and nodes.
fn documents(of: &Situation, situation: &mut Decided) -> Result<Documents, NotSimulated> {
    let mut read = Documents::default();
    for document in &of.documents {
        let wrong = |text: String| NotSimulated::Unreadable(format!("{}: {text}", document.key));
        match document.key.split_once('/') {
            Some(("own", group)) => {
                let owned = ownership_of(&document.value).map_err(wrong)?;
                read.own
                    .insert(name(group)?, Owned { document: Arc::new(owned), revision: document.revision });
            }
            Some(("state", group)) => {
                let state = StateDocument::read(&document.value).map_err(wrong)?;
                let published = state
                    .published()
                    .map_err(|text| NotSimulated::Unreadable(format!("{}: {text}", document.key)))?;
                read.published.insert(name(group)?, published);
            }
            Some(("node", node)) => {
                let facts = situation.nodes.entry(name(node)?).or_default();
                facts.record = record_of(&document.value).map_err(wrong)?;
                facts.revision = Some(document.revision);
            }
            Some(_) | None => {}
        }
    }
    Ok(read)
}

/// The groups, as the coordinator is shown them.
fn groups(of: &Situation, snapshot: &mut Snapshot, mut documents: Documents) -> Result<(), NotSimulated> {
    snapshot.situation.settings = snapshot.config.settings.clone().unwrap_or_default();
    let awaiting: Vec<GroupName> = of.awaiting.iter().map(|group| name(group)).collect::<Result<_, _>>()?;
    for (group, config) in &snapshot.config.groups {
        if awaiting.contains(group) {
            continue;
        }
        let facts = GroupFacts {
            rules: GroupRules::of(config, &snapshot.config.sets)
                .with(FenceNeeds::of(config, &snapshot.config.types)),
            wanted_online: GroupRules::wanted_online(config),
            owned: documents.own.remove(group),
            published: documents.published.remove(group),
        };
        snapshot.situation.groups.insert(group.clone(), facts);
    }
    Ok(())
}

fn how(moved: &Moved) -> String {
    let kind = match moved.kind {
        ArrivalKind::First => "placed first",
        ArrivalKind::Move => "moved",
        ArrivalKind::Return => "back: the move failed",
        ArrivalKind::Failover => "failed over",
        ArrivalKind::Takeover => "taken over",
    };
    match moved.cause.filter(|_| moved.kind == ArrivalKind::Move) {
        Some(cause) => format!("{kind} ({cause})"),
        None => kind.to_owned(),
    }
}

fn told(what: String, happened: Happened) -> Simulated {
    let refused = happened.refused.map(|refusal| Failure {
        what: refusal.what,
        error: report::code(refusal.code),
        detail: refusal.detail,
    });
    let moves = happened.moves.into_iter().map(|moved| SimulatedMove {
        how: how(&moved),
        group: moved.group.to_string(),
        from: moved.from.map(|node| node.to_string()),
        to: moved.to.to_string(),
        reasons: moved.reasons,
        after_ms: ms(moved.after),
        state: moved.state.map(|state| state.to_string()),
    });
    let events = happened.records.into_iter().map(|(after, record)| SimulatedEvent {
        after_ms: ms(after),
        id: record.id,
        level: report::level(record.level).to_owned(),
        group: record.group.map(|group| group.to_string()),
        resource: record.resource.map(|resource| resource.to_string()),
        text: record.text,
    });
    Simulated {
        what,
        refused,
        moves: moves.collect(),
        events: events.collect(),
        takes_ms: ms(happened.takes),
        notes: happened.notes,
    }
}

/// What would happen in this situation if these things did, one after the other. `members` are those of the cluster
/// database, where something is known of them.
///
/// # Errors
/// Names that there are not, and a situation that is old or cannot be read.
pub fn simulate(
    of: &Situation,
    members: Option<&DatabaseMembers>,
    steps: &[SimulationStep],
) -> Result<Simulation, NotSimulated> {
    heard(of)?;
    let steps: Vec<Step> = steps.iter().map(step).collect::<Result<_, _>>()?;
    let mut simulated = simulation::simulate(snapshot(of, members)?, steps);
    if let Some(unknown) = simulated.unknown.take() {
        return Err(NotSimulated::Unknown(unknown.to_string()));
    }
    let holds = simulated.holds();
    let mut under_way = told("what is under way by itself".to_owned(), simulated.under_way);
    for node in of.nodes.iter().filter(|node| node.session_state == "alive") {
        if let Some(silent) = node.silent_ms {
            let text = format!("node {} was not heard for {silent} ms; it is taken to be up", node.name);
            under_way.notes.push(text);
        }
    }
    let down = simulated.down.into_iter().map(|down| SimulatedDown {
        group: down.group.to_string(),
        state: down.state.to_string(),
        resources: down.resources.iter().map(ToString::to_string).collect(),
        why: down.why,
        reasons: down.reasons,
    });
    let back = simulated.back.into_iter().map(|back| SimulatedReturn {
        group: back.group.to_string(),
        from: back.from.map(|node| node.to_string()),
        to: back.to.to_string(),
        when: back.when,
    });
    Ok(Simulation {
        under_way,
        steps: simulated.steps.into_iter().map(|(step, what)| told(step.to_string(), what)).collect(),
        down: down.collect(),
        back: back.collect(),
        online: simulated.online,
        holds,
    })
}

#[cfg(test)]
mod tests {
    use stead_api::SituatedNode;

    use super::*;

    fn situation(silent_ms: Option<u64>, state: &str) -> Situation {
        let node = SituatedNode {
            name: "n1".to_owned(),
            session_state: state.to_owned(),
            session: Some(format!("{:032x}", 7)),
            age_ms: 900_000,
            takeover_ms: Some(5_100),
            silent_ms,
            cannot_host: BTreeMap::new(),
            watchdog: false,
            confirmed: false,
        };
        Situation {
            node: "N1".to_owned(),
            alone: false,
            hour: 12,
            nodes: vec![node],
            documents: Vec::new(),
            awaiting: Vec::new(),
            groups: Vec::new(),
        }
    }

    fn pause(of: &Situation) -> Result<bool, NotSimulated> {
        simulate(of, None, &[SimulationStep::Pause("n1".to_owned())]).map(|simulation| simulation.holds)
    }

    #[test]
    fn who_does_not_hear_the_cluster_says_nothing_of_it() {
        assert_eq!(pause(&situation(None, "alive")), Ok(true));
        for (silent, state) in [(Some(4_000), "alive"), (None, "dead"), (None, "none")] {
            let said = pause(&situation(silent, state));
            assert!(
                matches!(&said, Err(NotSimulated::Stale(text)) if text.starts_with("node N1 ha")),
                "{said:?}"
            );
        }
    }

    #[test]
    fn what_is_stored_is_read_as_a_node_reads_it() {
        let mut of = situation(None, "alive");
        let document = |key: &str, value| stead_api::Document { key: key.to_owned(), revision: 3, value };
        of.documents.push(document("group/web", serde_json::json!({ "schema": 1, "name": "web" })));
        of.documents.push(document("node/n1", serde_json::json!({ "schema": 1, "paused": true })));
        let read = snapshot(&of, None).unwrap();
        assert_eq!(read.config.groups.len(), 1);
        assert!(read.situation.nodes.values().all(|facts| facts.record.paused && facts.revision == Some(3)));
        assert_eq!(read.takeover.values().copied().collect::<Vec<_>>(), [Duration::from_millis(5_100)]);
        of.documents.push(document("own/web", serde_json::json!({ "schema": 99 })));
        let said = snapshot(&of, None).unwrap_err();
        assert!(
            matches!(&said, NotSimulated::Unreadable(text) if text.starts_with("own/web: its schema is 99")),
            "{said:?}"
        );
    }
}
