//! How long the coordinator takes: 1,000 groups on 16 nodes, at rest and when a node dies. Run by `cargo xtask bench`.
#![allow(clippy::disallowed_types, reason = "this measures time; the policy does not")]

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use stead_policy::cluster::{
    Coordinator, Decision, GroupFacts, GroupRules, NodeFacts, Owned, Published, Session, Situation,
};
use stead_policy::{ColdStart, Failback};
use stead_types::{GroupName, GroupState, NodeName, Time};

fn rules(group: usize, nodes: &[NodeName]) -> GroupRules {
    let preferred = [group % nodes.len(), (group * 7 + 3) % nodes.len()];
    GroupRules {
        possible_owners: None,
        preferred_owners: preferred.iter().filter_map(|at| nodes.get(*at).cloned()).collect(),
        priority: 1_000,
        anti_affinity: BTreeSet::from([format!("class {}", group % 100)]),
        failover_threshold: u32::MAX,
        failover_period: Duration::from_secs(6 * 3_600),
        failback: Failback::Allow { window: None },
        cold_start: ColdStart::Always,
        types: BTreeSet::new(),
        providers: Vec::new(),
        fence: Default::default(),
    }
}

/// Carries out what is decided; says how many groups were assigned.
fn carry_out(situation: &mut Situation, decisions: Vec<Decision>) -> usize {
    let mut assigned = 0;
    for decision in decisions {
        let Decision::Assign { group, document, .. } = decision else { continue };
        let Some(facts) = situation.groups.get_mut(&group) else { continue };
        let generation = document.generation;
        let state = GroupState::Online;
        let (given_up, locked) = (Vec::new(), Vec::new());
        facts.published =
            Some(Published { generation, state, served: true, given_up, locked, queued: false });
        facts.owned = Some(Owned { document, revision: generation });
        assigned += 1;
    }
    assigned
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut situation = Situation::default();
    let mut nodes = Vec::new();
    for node in 1..=16u8 {
        let name = NodeName::new(&format!("node{node}"))?;
        let session = Session::Alive { sid: node.into(), age: Duration::from_secs(3_600) };
        situation.nodes.insert(name.clone(), NodeFacts { session, ..NodeFacts::default() });
        nodes.push(name);
    }
    for group in 0..1_000 {
        let facts = GroupFacts::new(rules(group, &nodes), true);
        situation.groups.insert(GroupName::new(&format!("group {group}"))?, facts);
    }
    let now = Time::from_millis(1_000);
    let decisions = Coordinator::new().decide(&situation, now);
    if carry_out(&mut situation, decisions) != 1_000 {
        return Err("not every group was placed".into());
    }
    let (mut rest, mut dies) = (Vec::new(), Vec::new());
    for round in 0..200 {
        let mut coordinator = Coordinator::new();
        let begin = Instant::now();
        let decisions = coordinator.decide(&situation, now);
        rest.push(begin.elapsed());
        if !decisions.is_empty() {
            return Err("something was decided at rest".into());
        }
        let mut without = situation.clone();
        let Some(facts) = nodes.get(round % 16).and_then(|node| without.nodes.get_mut(node)) else {
            continue;
        };
        facts.session = Session::Dead { sid: facts.session.alive().unwrap_or_default() };
        let begin = Instant::now();
        let decisions = coordinator.decide(&without, now);
        dies.push(begin.elapsed());
        if carry_out(&mut without, decisions) < 30 {
            return Err("the groups of the dead node were not placed".into());
        }
    }
    for took in [&mut rest, &mut dies] {
        took.sort();
    }
    println!("{} {}", rest[rest.len() / 2].as_nanos(), dies[dies.len() * 99 / 100].as_nanos());
    Ok(())
}
