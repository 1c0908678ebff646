//! Scenarios between nodes as transcripts: `tests/placements/*.txt`. A line `> …` is what happens, the lines below it are
//! what is decided and done until nobody has anything left to do. `UPDATE=1 cargo test -p stead-policy` writes them anew.
//!
//! ```text
//! > node n1 [AGE-IN-S]               a node that is up; `down` instead of an age: it never was
//! > group g [offline] [preferred=n1,n2] [possible=n1,n2] [priority=N] [anti=a,b] [threshold=N] [period=HOURS]
//!         [failback=any|FROM-TO] [cold=never] [after=db,web] [count=N] [delay=S] [pending]
//! > set s groups=a,b [count=N] [delay=S] [pending] [global] [waits=t]    a group set
//! > waits-for g s                    the group depends on the set
//!         [unfenced] [reset]              a resource of it has fence class F0, or F5
//! > holds g [WHY]                   another coordinator writes why it is held
//! > confirm n1 | watchdog n1          the end of its machine is confirmed; it has a watchdog
//! > dies n1 | comes n1 [AGE] | leaves n1 | shuts-down n1 | pause n1 | drain n1 [to=n2] [remain] [retry]
//! > resume n1 [none|immediate|policy] | pardon n1 | cannot-load n1 | can-load n1 | hard-affinity
//! > fails g | fails-on g n1 | good g n1 | manner g stuck|refuses|good | releases-failed g | online g | wants g on|off
//! > move g [n2] [force] [queue] [return] [affinity] [high] [buffer] | comes-online g (it is pending where it is) | locked g | pending g | new-coordinator | pass S | hour H
//! > where | explain g | waits g | place g | can-drain n1 [n2] | can-resume n1 | own g
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod transcripts;

mod coordinated;

use std::collections::BTreeSet;
use std::time::Duration;

use coordinated::{Cluster, Manner, name, rules};
use stead_policy::cluster::{
    Cause, Coordinator, GroupFacts, OrderWish, Ownership, Provider, ReadyWhen, Release, ResumeFailback,
};
use stead_policy::{ColdStart, Failback, GroupSetConfig};
use stead_types::{GroupName, GroupSetName, GroupState, MoveFlags, NodeName, PauseFlags};

fn list<N: std::str::FromStr<Err: std::fmt::Debug> + Ord>(text: &str) -> BTreeSet<N> {
    text.split(',').map(name).collect()
}

fn facts(words: &[&str]) -> GroupFacts {
    let mut rules = rules();
    let mut wanted = true;
    let (mut count, mut delay, mut ready_when) = (None, Duration::ZERO, ReadyWhen::Online);
    for word in words {
        match word.split_once('=') {
            Some(("preferred", nodes)) => rules.preferred_owners = nodes.split(',').map(name).collect(),
            Some(("possible", nodes)) => rules.possible_owners = Some(list(nodes)),
            Some(("priority", number)) => rules.priority = number.parse().unwrap(),
            Some(("anti", words)) => rules.anti_affinity = words.split(',').map(str::to_owned).collect(),
            Some(("threshold", number)) => rules.failover_threshold = number.parse().unwrap(),
            Some(("period", hours)) => {
                rules.failover_period = Duration::from_secs(hours.parse::<u64>().unwrap() * 3_600);
            }
            Some(("failback", "any")) => rules.failback = Failback::Allow { window: None },
            Some(("failback", window)) => {
                let (from, to) = window.split_once('-').unwrap();
                let window = Some((from.parse().unwrap(), to.parse().unwrap()));
                rules.failback = Failback::Allow { window };
            }
            Some(("cold", "never")) => rules.cold_start = ColdStart::DoNotStart,
            Some(("cold", "allowed")) => rules.cold_start = ColdStart::Allowed,
            Some(("count", number)) => count = Some(number.parse().unwrap()),
            Some(("delay", seconds)) => delay = Duration::from_secs(seconds.parse().unwrap()),
            Some(("after", groups)) => rules.providers.push(Provider {
                name: format!("set \"{groups}\""),
                groups: list(groups),
                ready_when,
                count,
                delay,
            }),
            None if *word == "unfenced" => rules.fence.confirmation = Some(name("Cloud Disk")),
            None if *word == "reset" => rules.fence.watchdog = Some(name("Cluster Disk")),
            None if *word == "offline" => wanted = false,
            None if *word == "pending" => ready_when = ReadyWhen::Pending,
            other => panic!("unknown property {other:?}"),
        }
    }
    GroupFacts::new(rules, wanted)
}

fn set(of: GroupSetName, words: &[&str]) -> GroupSetConfig {
    let mut set = GroupSetConfig {
        name: of,
        groups: BTreeSet::new(),
        startup_setting: ReadyWhen::Online,
        startup_count: None,
        startup_delay: Duration::ZERO,
        is_global: false,
        depends_on_set: None,
    };
    for word in words {
        match word.split_once('=') {
            Some(("groups", groups)) => set.groups = list(groups),
            Some(("count", number)) => set.startup_count = Some(number.parse().unwrap()),
            Some(("delay", seconds)) => set.startup_delay = Duration::from_secs(seconds.parse().unwrap()),
            Some(("waits", other)) => set.depends_on_set = Some(name(other)),
            None if *word == "pending" => set.startup_setting = ReadyWhen::Pending,
            None if *word == "global" => set.is_global = true,
            other => panic!("unknown property {other:?}"),
        }
    }
    set
}

fn node_record(cluster: &mut Cluster, words: &[&str]) {
    match words {
        ["pause", of] => {
            let record = cluster.node(of).record.paused();
            cluster.node(of).record = record;
        }
        ["pardon", of] => {
            let node = cluster.node(of);
            node.record = node.record.pardoned(node.session);
        }
        ["drain", of, rest @ ..] => {
            let mut flags = PauseFlags::NONE;
            let mut target = None;
            for word in rest {
                match word.split_once('=') {
                    Some(("to", node)) => target = Some(name(node)),
                    None if *word == "remain" => {
                        flags = flags.with(PauseFlags::REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR);
                    }
                    None if *word == "retry" => flags = flags.with(PauseFlags::RETRY_DRAIN_ON_FAILURE),
                    other => panic!("unknown flag {other:?}"),
                }
            }
            let id = cluster.situation.check_drain(&name(of), target.as_ref()).unwrap().id;
            let record = cluster.node(of).record.drained(id, target, flags);
            cluster.node(of).record = record;
        }
        ["resume", of, rest @ ..] => {
            let session = cluster.situation.check_resume(&name(of)).unwrap();
            let failback = match rest {
                ["none"] | [] => ResumeFailback::None,
                ["immediate"] => ResumeFailback::Immediate,
                ["policy"] => ResumeFailback::Policy,
                other => panic!("unknown failback {other:?}"),
            };
            let record = cluster.node(of).record.resumed(session, failback);
            cluster.node(of).record = record;
        }
        other => panic!("unknown line {other:?}"),
    }
}

fn flags(words: &[&str]) -> MoveFlags {
    words.iter().fold(MoveFlags::NONE, |flags, word| {
        flags.with(match *word {
            "force" => MoveFlags::IGNORE_RESOURCE_STATUS,
            "queue" => MoveFlags::QUEUE_ENABLED,
            "return" => MoveFlags::RETURN_TO_SOURCE_NODE_ON_ERROR,
            "affinity" => MoveFlags::IGNORE_AFFINITY_RULE,
            "high" => MoveFlags::HIGH_PRIORITY_START,
            "buffer" => MoveFlags::NONE,
            other => panic!("unknown flag {other:?}"),
        })
    })
}

fn asked(cluster: &mut Cluster, group: &str, words: &[&str]) -> Option<String> {
    let to: Option<NodeName> = words.first().filter(|word| word.starts_with('n')).map(|word| name(word));
    let flags = flags(&words[usize::from(to.is_some())..]);
    let group: GroupName = name(group);
    match cluster.situation.check_move(&group, to.as_ref(), flags) {
        Err(refusal) => Some(refusal.to_string()),
        Ok(to) => {
            let own = cluster.situation.groups[&group].owned.as_ref().unwrap().document.clone();
            if own.node == to {
                return Some(format!("it is on {to} already"));
            }
            let asked_by = "a test".to_owned();
            let cause = Cause::Operator;
            let buffer = words.contains(&"buffer").then(|| (name("T"), vec![1]));
            let in_buffers = buffer.into_iter().collect();
            let reasons = Vec::new();
            let wish = OrderWish { to: Some(to), flags, in_buffers, asked_by, cause, reasons };
            cluster.write(&group, own.with_order(wish));
            None
        }
    }
}

fn told(cluster: &mut Cluster, words: &[&str]) -> Option<Vec<String>> {
    let situation = &cluster.situation;
    Some(match words {
        ["where"] => situation
            .groups
            .iter()
            .map(|(group, facts)| match (&facts.owned, facts.current()) {
                (None, _) => format!("{group}: nowhere"),
                (Some(owned), Some(published)) => {
                    format!("{group}: {} {}", owned.document.node, published.state)
                }
                (Some(owned), None) => format!("{group}: {} unheard of", owned.document.node),
            })
            .collect(),
        ["explain", group] => situation.explain(&name(group)).unwrap(),
        ["waits", group] => {
            vec![cluster.coordinator.waits(&name(group)).unwrap_or("it does not wait").to_owned()]
        }
        ["place", group] => situation.place(&name(group), &Default::default()).unwrap().reasons(),
        ["can-drain", node, rest @ ..] => {
            let target = rest.first().map(|target| name(target));
            vec![match situation.check_drain(&name(node), target.as_ref()) {
                Ok(drainable) => format!("drain {} of {} groups", drainable.id, drainable.groups),
                Err(refusal) => refusal.to_string(),
            }]
        }
        ["can-resume", node] => vec![match situation.check_resume(&name(node)) {
            Ok(_) => "yes".to_owned(),
            Err(refusal) => refusal.to_string(),
        }],
        ["own", group] => {
            let own = cluster.own(group);
            let outcome = own.outcome.as_ref().map_or("no order has ended".to_owned(), |last| {
                format!("order {} ({}) ended with {}: {}", last.id, last.cause, last.code, last.detail)
            });
            let arrival = &own.arrival;
            let buffers = if arrival.in_buffers.is_empty() { "" } else { ", with its buffer" };
            let came = (!arrival.flags.is_empty() || !buffers.is_empty())
                .then(|| format!("arrived as {:?}, {:?}{buffers}", arrival.kind, arrival.flags));
            let first = format!("generation {}, failovers {}", own.generation, own.failovers.len());
            [Some(first), came, Some(outcome)].into_iter().flatten().collect()
        }
        _ => return None,
    })
}

fn happens(cluster: &mut Cluster, words: &[&str]) -> Option<String> {
    match words {
        ["node", of, "down"] => drop(cluster.situation.nodes.insert(name(of), Default::default())),
        ["node", of] => cluster.comes(of, 0),
        ["node" | "comes", of, age] => cluster.comes(of, age.parse().unwrap()),
        ["comes", of] => cluster.comes(of, 0),
        ["set", of, rest @ ..] => {
            let set = set(name(of), rest);
            cluster.sets.insert(set.name.clone(), set);
            cluster.configured();
        }
        ["waits-for", of, set] => {
            cluster.waits.insert(name(of), name(set));
            cluster.configured();
        }
        ["group", of, rest @ ..] => drop(cluster.situation.groups.insert(name(of), facts(rest))),
        ["dies", of] => cluster.dies(of),
        ["confirm", of] => cluster.node(of).confirmed = true,
        ["watchdog", of] => cluster.node(of).watchdog = true,
        ["shuts-down", of] => {
            let session = cluster.node(of).session.alive();
            cluster.node(of).record.leaving = session;
        }
        ["leaves", of] => cluster.leaves(of),
        ["pause" | "drain" | "resume" | "pardon", ..] => node_record(cluster, words),
        ["cannot-load", of] => {
            let why = format!("file /opt/t.so is not on {of}");
            drop(cluster.node(of).cannot_host.insert(name("T"), why));
        }
        ["can-load", of] => cluster.node(of).cannot_host.clear(),
        ["hard-affinity"] => cluster.situation.settings.enforced_anti_affinity = true,
        ["fails", of] => cluster.fail(of),
        ["fails-on", of, node] => drop(cluster.fails_on.insert((name(of), name(node)))),
        ["good", of, node] => drop(cluster.fails_on.remove(&(name(of), name(node)))),
        ["manner", of, manner] => {
            let manner = match *manner {
                "stuck" => Some(Manner::Stuck),
                "refuses" => Some(Manner::Refuses),
                _ => None,
            };
            match manner {
                Some(manner) => drop(cluster.manners.insert(name(of), manner)),
                None => drop(cluster.manners.remove(&name(of))),
            }
        }
        // Another coordinator, which sees something else.
        ["holds", of, why @ ..] => {
            let held = (!why.is_empty()).then(|| why.join(" "));
            let own = Ownership { held, ..cluster.own(of).clone() };
            cluster.write(&name(of), own);
        }
        ["releases-failed", of] => {
            let own = cluster.own(of).released(Release::Failed);
            cluster.write(&name(of), own);
        }
        ["online", of] => {
            let published = cluster.group(of).published.as_mut().unwrap();
            published.state = GroupState::Online;
            published.served = true;
            published.given_up.clear();
        }
        ["wants", of, on] => cluster.group(of).wanted_online = *on == "on",
        ["locked", of] => cluster.group(of).published.as_mut().unwrap().locked = vec![name("r")],
        ["pending", of] => cluster.group(of).published.as_mut().unwrap().state = GroupState::Pending,
        ["comes-online", of] => {
            let published = cluster.group(of).published.as_mut().unwrap();
            (published.state, published.served) = (GroupState::Pending, false);
        }
        ["new-coordinator"] => cluster.coordinator = Coordinator::new(),
        ["hour", hour] => cluster.situation.hour = hour.parse().unwrap(),
        ["pass", seconds] => cluster.pass(Duration::from_secs(seconds.parse().unwrap())),
        ["move", of, rest @ ..] => return asked(cluster, of, rest),
        other => panic!("unknown line {other:?}"),
    }
    None
}

fn play(text: &str) -> String {
    let mut cluster = Cluster::new();
    let mut said = 0;
    let mut out = String::new();
    for line in text.lines() {
        let Some(command) = line.strip_prefix("> ") else {
            if line.starts_with('#') || line.is_empty() {
                if line.starts_with("# Case") {
                    (cluster, said) = (Cluster::new(), 0);
                }
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        out.push_str(line);
        out.push('\n');
        let words: Vec<&str> = command.split_whitespace().collect();
        let answers = told(&mut cluster, &words).unwrap_or_else(|| {
            let answer = happens(&mut cluster, &words);
            cluster.settle();
            let new = cluster.log[said..].to_vec();
            said = cluster.log.len();
            answer.into_iter().chain(new).collect()
        });
        for answer in answers {
            out.push_str("  ");
            out.push_str(&answer);
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_transcript_is_as_written() {
    transcripts::check("placements", 60, play);
}
