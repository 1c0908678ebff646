//! How long a planned move of five resources that do nothing takes: 200 of them, between two of three nodes.
//!
//! Prints four numbers in microseconds: median and 99th percentile of the whole command, from the start of `stead group move`
//! to its end, and of the time in which not everything of the group was online, by the events of both nodes. What happened
//! during the slowest goes to standard error.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a measurement that cannot be taken fails")]

use std::time::{Duration, Instant, SystemTime};

use serde_json::Value;
use stead_e2e::{Trio, compile, root, until};

const MOVES: usize = 200;

fn percentiles(mut all: Vec<u64>) -> String {
    all.sort_unstable();
    format!("{} {}", all[all.len() / 2], all[all.len() * 99 / 100])
}

/// The times between the first resource that went and the last that came, of each move, by the clock of the events.
fn outages(events: &str) -> Vec<u64> {
    let mut events: Vec<(u64, String)> = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .map(|event| (event["time_ms"].as_u64().unwrap(), event["text"].as_str().unwrap().to_owned()))
        .collect();
    events.sort();
    let mut went = None;
    let mut all = Vec::new();
    for (at, text) in events {
        if text == "resource \"r5\": Online -> OfflinePending" {
            went = Some(at);
        } else if let ("resource \"r5\": OnlinePending -> Online", Some(since)) = (text.as_str(), went) {
            all.push((at - since) * 1_000);
            went = None;
        }
    }
    all
}

/// The time of day, as events have it.
fn now_ms() -> u64 {
    u64::try_from(SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// The events of all nodes between two times, each with how long after the first time it was.
fn between(events: &str, from: u64, to: u64) -> Vec<String> {
    let told = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()).filter_map(|event| {
        let at = event["time_ms"].as_u64().unwrap();
        let (node, text) = (event["node"].as_str().unwrap_or_default(), event["text"].as_str().unwrap());
        (from..=to).contains(&at).then(|| format!("+{} ms  {node}  {text}", at - from))
    });
    let mut told: Vec<String> = told.collect();
    told.dedup();
    told
}

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("testing/stead-e2e/dll/noop.c");
    let library = compile(&source, folder.path(), "noop.so", &["-O2"]);
    let Some(trio) = Trio::bare() else { return };
    let mut config = format!(
        "[[type]]\nname = \"Noop\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\npreferred_owners = [\"n1\"]\n",
        library.display()
    );
    for number in 1..=5 {
        config += &format!("[[group.resource]]\nname = \"r{number}\"\ntype = \"Noop\"\n");
        if number > 1 {
            config += &format!("depends_on = \"[r{}]\"\n", number - 1);
        }
    }
    trio.apply(&config);
    trio.online("g", "n1");
    let mut commands = Vec::new();
    let mut slowest: Option<(usize, u64, Duration)> = None;
    for number in 0..MOVES {
        let to = if number % 2 == 0 { "n2" } else { "n1" };
        let (begin, at) = (Instant::now(), now_ms());
        trio.ok("n3", &["group", "move", "g", "--to", to]);
        commands.push(u64::try_from(begin.elapsed().as_micros()).unwrap());
        if slowest.is_none_or(|(_, _, took)| took < begin.elapsed()) {
            slowest = Some((number, at, begin.elapsed()));
        }
    }
    let (events, outages) = until("the events of all moves", || {
        let events = trio.ok("n3", &["events", "--json", "--last", "1000000"]).out;
        let outages = outages(&events);
        (outages.len() == MOVES).then_some((events, outages))
    });
    if let Some((number, at, took)) = slowest {
        let took = u64::try_from(took.as_millis()).unwrap();
        eprintln!(
            "the slowest, move {number}, took {took} ms:\n{}",
            between(&events, at, at + took).join("\n")
        );
    }
    println!("{} {}", percentiles(commands), percentiles(outages));
}
