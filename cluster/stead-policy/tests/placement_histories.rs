//! Random histories of a cluster, by seed: whatever happens, nobody gets a group that somebody may still have, no node
//! gets what it must not have, budgets hold, the same situation gives the same decisions, and when everything is quiet a
//! coordinator that remembers nothing decides nothing.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod coordinated;

use std::collections::BTreeSet;
use std::time::Duration;

use coordinated::{Cluster, Manner, name, rules};
use stead_policy::cluster::{
    Cause, Coordinator, GroupFacts, GroupRules, OrderWish, Provider, ReadyWhen, Release, ResumeFailback,
};
use stead_policy::{ColdStart, Failback};
use stead_types::{GroupName, GroupState, MoveFlags, NodeName, PauseFlags};

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn below(&mut self, limit: u64) -> u64 {
        self.next() % limit
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[usize::try_from(self.below(of.len() as u64)).unwrap()]
    }

    /// Some of them, in some order.
    fn some<N: std::str::FromStr<Err: std::fmt::Debug>>(&mut self, of: &[&str]) -> Vec<N> {
        let mut rest = of.to_vec();
        let mut some = Vec::new();
        while !rest.is_empty() && self.below(2) == 0 {
            let at = usize::try_from(self.below(rest.len() as u64)).unwrap();
            some.push(name(rest.swap_remove(at)));
        }
        some
    }
}

const NODES: [&str; 4] = ["n1", "n2", "n3", "n4"];
const GROUPS: [&str; 6] = ["a", "b", "c", "d", "e", "f"];

fn some_rules(random: &mut Random, at: usize) -> GroupRules {
    let mut rules = rules();
    rules.preferred_owners = random.some(&NODES);
    if random.below(3) == 0 {
        let possible: Vec<NodeName> = random.some(&NODES);
        rules.possible_owners = Some(possible.into_iter().collect());
    }
    rules.priority = *random.one(&[&0, &1_000, &2_000, &3_000]);
    rules.anti_affinity = random.some::<String>(&["red", "blue"]).into_iter().collect();
    rules.failover_threshold = *random.one(&[&u32::MAX, &0, &1, &2, &5]);
    rules.failover_period = Duration::from_secs(3_600 * random.below(4));
    rules.failback = match random.below(3) {
        0 => Failback::Prevent,
        1 => Failback::Allow { window: None },
        _ => Failback::Allow { window: Some((22, 4)) },
    };
    rules.cold_start = match random.below(4) {
        0 => ColdStart::DoNotStart,
        1 => ColdStart::Allowed,
        _ => ColdStart::Always,
    };
    if random.below(3) == 0 && at > 0 {
        let groups: Vec<GroupName> = random.some(&GROUPS[..at]);
        rules.providers.push(Provider {
            name: "some".to_owned(),
            groups: groups.into_iter().collect(),
            ready_when: if random.below(2) == 0 { ReadyWhen::Online } else { ReadyWhen::Pending },
            count: None,
            delay: Duration::from_secs(random.below(30)),
        });
    }
    rules
}

fn build(random: &mut Random) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.situation.settings.enforced_anti_affinity = random.below(4) == 0;
    for node in NODES {
        match random.below(4) {
            0 => drop(cluster.situation.nodes.insert(name(node), Default::default())),
            1 => cluster.comes(node, 0),
            _ => cluster.comes(node, 1_000),
        }
    }
    for (at, group) in GROUPS.iter().enumerate() {
        let facts = GroupFacts::new(some_rules(random, at), random.below(5) != 0);
        cluster.situation.groups.insert(name(group), facts);
    }
    cluster
}

fn disturb(cluster: &mut Cluster, random: &mut Random) {
    let (node, group) = (random.one(&NODES), random.one(&GROUPS));
    let known: GroupName = name(group);
    let up = cluster.node(node).session.alive();
    match random.below(19) {
        0 => cluster.dies(node),
        1 if up.is_some() => cluster.leaves(node),
        // A node may come back before anybody has noticed that it was gone.
        2 | 3 => cluster.comes(node, 0),
        4 => cluster.node(node).record.paused = true,
        5 => {
            let failback =
                *random.one(&[&ResumeFailback::None, &ResumeFailback::Immediate, &ResumeFailback::Policy]);
            let record = cluster.node(node).record.resumed(up, failback);
            cluster.node(node).record = record;
        }
        6 => {
            let target: Option<NodeName> = (random.below(3) == 0).then(|| name(random.one(&NODES)));
            if let Ok(drainable) = cluster.situation.check_drain(&name(node), target.as_ref()) {
                let flags = PauseFlags::from_bits(u32::try_from(random.below(8)).unwrap());
                let record = cluster.node(node).record.drained(drainable.id, target, flags);
                cluster.node(node).record = record;
            }
        }
        7 => cluster.node(node).record.leaving = up,
        8 => cluster.fail(group),
        9 => drop(cluster.fails_on.insert((known, name(node)))),
        10 => drop(cluster.fails_on.remove(&(known, name(node)))),
        11 => {
            let manner = *random.one(&[&Some(Manner::Stuck), &Some(Manner::Refuses), &None, &None]);
            match manner {
                Some(manner) => drop(cluster.manners.insert(known, manner)),
                None => drop(cluster.manners.remove(&known)),
            }
        }
        12 | 13 => {
            let to: NodeName = name(node);
            let flags = MoveFlags::from_bits(u32::try_from(random.below(64)).unwrap());
            let to = (random.below(4) != 0).then_some(to);
            if let Ok(to) = cluster.situation.check_move(&known, to.as_ref(), flags) {
                let own = cluster.own(group).clone();
                if own.node != to {
                    let wish = OrderWish {
                        to: (random.below(5) != 0).then_some(to),
                        flags,
                        in_buffers: Default::default(),
                        asked_by: "a history".to_owned(),
                        cause: Cause::Operator,
                        reasons: Vec::new(),
                    };
                    cluster.write(&known, own.with_order(wish));
                }
            }
        }
        14 => cluster.group(group).wanted_online ^= true,
        15 => cluster.coordinator = Coordinator::new(),
        16 => cluster.situation.hour = u8::try_from(random.below(24)).unwrap(),
        17 => {
            // An owner lets go by itself.
            let owned = cluster.situation.groups[&known].owned.clone();
            if let Some(owned) = owned.filter(|owned| cluster.hosted(&owned.document)) {
                cluster.write(&known, owned.document.released(Release::Failed));
            }
        }
        _ => {
            if let Some(published) = &mut cluster.group(group).published {
                published.state =
                    *random.one(&[&GroupState::Online, &GroupState::Pending, &GroupState::Offline]);
                published.given_up.clear();
            }
        }
    }
}

/// No group failed over more often within its period than it may.
fn budgets(cluster: &Cluster, seed: u64) {
    for group in GROUPS {
        let known: GroupName = name(group);
        let rules = &cluster.situation.groups[&known].rules;
        let limit = match rules.failover_threshold {
            u32::MAX => NODES.len() - 1,
            threshold => usize::try_from(threshold).unwrap(),
        };
        let times: Vec<_> =
            cluster.failovers.iter().filter(|(of, _)| *of == known).map(|(_, at)| *at).collect();
        for (first, at) in times.iter().enumerate() {
            let period = rules.failover_period.max(Duration::from_secs(900));
            let within = times[first..].iter().filter(|later| later.since(*at) < period).count();
            assert!(within <= limit, "seed {seed}: {group} failed over {within} times, {limit} are allowed");
        }
    }
}

#[test]
fn three_hundred_histories_keep_every_promise() {
    let (mut assignments, mut quarantines) = (0, 0);
    for seed in 1..=300u64 {
        let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
        let mut cluster = build(&mut random);
        cluster.settle();
        for _ in 0..random.below(60) {
            for _ in 0..=random.below(2) {
                disturb(&mut cluster, &mut random);
            }
            if random.below(3) == 0 {
                cluster.pass(Duration::from_secs(random.below(5_000)));
            } else {
                cluster.settle();
            }
        }
        budgets(&cluster, seed);
        let kept_out =
            cluster.situation.nodes.values().filter(|node| node.record.quarantine.is_some()).count();
        assert!(kept_out <= 1, "seed {seed}: {kept_out} of 4 nodes are quarantined");
        quarantines += kept_out;
        assignments += cluster.assignments;
        // What only time can change is left to it; then nobody has anything to do, whatever they remember.
        cluster.pass(Duration::from_secs(100_000));
        let settled = cluster.log.len();
        cluster.coordinator = Coordinator::new();
        let decisions = cluster.coordinator.decide(&cluster.situation, cluster.now);
        assert!(decisions.is_empty(), "seed {seed}: a new coordinator decides {decisions:#?}");
        assert_eq!(cluster.log.len(), settled);
    }
    assert!(assignments > 3_000 && quarantines > 0, "{assignments} assignments, {quarantines} quarantines");
}

#[test]
fn in_the_end_every_group_that_can_be_online_is_online() {
    for seed in 1..=300u64 {
        let mut random = Random(seed.wrapping_mul(0xD134_2543_DE82_EF95) | 1);
        let mut cluster = build(&mut random);
        cluster.situation.settings.enforced_anti_affinity = false;
        cluster.settle();
        for _ in 0..random.below(30) {
            disturb(&mut cluster, &mut random);
            cluster.settle();
        }
        // Everything becomes good, and every node comes again.
        cluster.fails_on.clear();
        cluster.manners.clear();
        cluster.settle();
        for node in NODES {
            cluster.dies(node);
            let facts = cluster.node(node);
            facts.record = Default::default();
            facts.cannot_host.clear();
        }
        cluster.settle();
        for node in NODES {
            cluster.comes(node, 0);
            cluster.node(node).record.losses.clear();
        }
        cluster.pass(Duration::from_secs(5_000));
        let nodes: BTreeSet<NodeName> = cluster.situation.nodes.keys().cloned().collect();
        for (group, facts) in &cluster.situation.groups {
            let possible = facts.rules.possible_owners.as_ref().unwrap_or(&nodes);
            if possible.is_empty() {
                continue;
            }
            let own = &facts.owned.as_ref().unwrap().document;
            assert!(cluster.hosted(own), "seed {seed}: {group} is nowhere");
            let state = facts.current().map(|published| published.state);
            let started = facts.wanted_online && own.arrival.start;
            let expected = if started { GroupState::Online } else { GroupState::Offline };
            assert_eq!(state, Some(expected), "seed {seed}: {group} on {}", own.node);
            assert!(
                started
                    || !facts.wanted_online
                    || facts.rules.priority == 0
                    || own.arrival.start
                    || facts.rules.cold_start == ColdStart::DoNotStart,
                "seed {seed}: {group} is kept offline: {own:?}"
            );
        }
    }
}
