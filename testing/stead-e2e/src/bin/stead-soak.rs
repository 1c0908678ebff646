//! `stead-soak --minutes N [--seed S]`: faults by chance on a cluster with a witness in every group, by `cargo xtask soak`.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use stead_e2e::cluster::{Chance, Cluster, Fault, Plan, instant, possible};

fn number(words: &[String], name: &str, otherwise: u64) -> Option<u64> {
    match words.iter().position(|word| word == name) {
        Some(place) => words.get(place + 1)?.parse().ok(),
        None => Some(otherwise),
    }
}

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let seed = number(&words, "--seed", instant());
    let (Some(minutes @ 1..), Some(seed)) = (number(&words, "--minutes", 10), seed) else {
        eprintln!("usage: stead-soak [--minutes N] [--seed S], whole numbers");
        return ExitCode::from(2);
    };
    if !possible() {
        return ExitCode::FAILURE;
    }
    soak(Duration::from_secs(minutes * 60), seed);
    ExitCode::SUCCESS
}

fn soak(time: Duration, seed: u64) {
    println!("seed {seed}");
    let mut chance = Chance::new(seed);
    let cluster = Cluster::up(&Plan { groups: &["a", "b", "c", "d"], ..Plan::default() });
    let (begin, since) = (Instant::now(), instant());
    let mut done: BTreeMap<String, u32> = BTreeMap::new();
    while begin.elapsed() < time {
        // Every third time two at once, on the same node or on two.
        let faults = if chance.below(3) == 0 { 2 } else { 1 };
        for _ in 0..faults {
            let (fault, node) = (*chance.of(&Fault::ALL), chance.of(cluster.nodes()).clone());
            println!("{:6.1} s  {node}: {fault:?}", begin.elapsed().as_secs_f64());
            cluster.inflict(fault, &node);
            *done.entry(format!("{fault:?}")).or_default() += 1;
        }
        cluster.pass(Duration::from_millis(500 + chance.below(12_000)));
        cluster.repair();
        let repaired = Instant::now();
        cluster.recovered();
        cluster.forgive();
        println!(
            "{:6.1} s  all is well, {:.1} s after the repair",
            begin.elapsed().as_secs_f64(),
            repaired.elapsed().as_secs_f64()
        );
        cluster.pass(Duration::from_millis(chance.below(5_000)));
    }
    println!("faults:");
    for (fault, times) in &done {
        println!("  {times:4}  {fault}");
    }
    let all = Duration::from_nanos(instant() - since);
    for group in cluster.groups() {
        let testimony = cluster.testimony(group);
        let down = testimony.down(since);
        println!(
            "group {group}: {} lives, never two at once; down {:.1} s of {:.0} s, the longest {:.1} s",
            testimony.lives().len(),
            down.as_secs_f64(),
            all.as_secs_f64(),
            testimony.longest_gap(since).as_secs_f64()
        );
    }
    cluster.end();
}
