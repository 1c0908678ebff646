//! `stead-sim`: seeds, one seed, the wrong versions, or the speed.

use std::process::ExitCode;
use std::time::Duration;

use stead_lease::{Mutant, Mutants};
use stead_sim::{Setup, Tally, run, run_with, search, shrink};

const USAGE: &str = "\
usage: stead-sim [--seeds N] [--from SEED]     that many seeds; the first that breaks a rule is shrunk and shown
                                               with [--mutant NAME[+NAME…]]: of that wrong version
       stead-sim --seed SEED [--mutant NAME] [--trace]
                                               one seed, shrunk if it breaks a rule, and everything that happened then
                                               each with [--nodes N] [--groups N] [--seconds N]
       stead-sim --mutants [--seeds N]         every wrong version must be found
       stead-sim --speed                       simulated cluster-hours an hour of one processor
";

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args().skip(1).collect();
    let value = |flag: &str| {
        words.iter().position(|word| word == flag).and_then(|index| words.get(index + 1)).cloned()
    };
    let number = |flag: &str, otherwise: u64| match value(flag) {
        Some(text) => text.parse().map_err(|_| format!("{flag}: {text:?} is no number")),
        None => Ok(otherwise),
    };
    let setup = Setup {
        nodes: value("--nodes").and_then(|text| text.parse().ok()),
        groups: value("--groups").and_then(|text| text.parse().ok()),
        seconds: number("--seconds", 100).unwrap_or(100),
        ..Setup::default()
    };
    let known = [
        "--nodes",
        "--groups",
        "--seconds",
        "--seeds",
        "--from",
        "--seed",
        "--mutant",
        "--mutants",
        "--speed",
        "--trace",
    ];
    if words.iter().any(|word| word.starts_with("--") && !known.contains(&word.as_str())) {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    }
    let has = |flag: &str| words.iter().any(|word| word == flag);
    let done = wanted(&has, &number, value("--mutant").as_deref(), setup);
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stead-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wanted(
    has: &dyn Fn(&str) -> bool,
    number: &dyn Fn(&str, u64) -> Result<u64, String>,
    mutant: Option<&str>,
    mut setup: Setup,
) -> Result<(), String> {
    if let Some(names) = mutant {
        setup.mutants = chosen(names)?;
    }
    if has("--speed") {
        speed(number("--seeds", 200)?);
        Ok(())
    } else if has("--mutants") {
        mutants(number("--seeds", 2_000)?)
    } else if has("--seed") {
        one(number("--seed", 0)?, has("--trace"), setup)
    } else {
        many(number("--from", 0)?, number("--seeds", 2_000)?, &setup)
    }
}

fn many(from: u64, seeds: u64, setup: &Setup) -> Result<(), String> {
    let mut sum = Tally::default();
    for seed in from..from + seeds {
        let (tally, violation) = run(seed, setup);
        sum.events += tally.events;
        sum.nanos += tally.nanos;
        sum.starts += tally.starts;
        sum.takeovers += tally.takeovers;
        sum.lapses += tally.lapses;
        sum.quarantines += tally.quarantines;
        if violation.is_some() {
            return one(seed, false, setup.clone());
        }
    }
    println!(
        "{seeds} seeds, {} cluster-hours, {} events: no rule broken ({} starts, {} takeovers, {} lapses, {} quarantines)",
        sum.nanos / 3_600_000_000_000,
        sum.events,
        sum.starts,
        sum.takeovers,
        sum.lapses,
        sum.quarantines
    );
    Ok(())
}

fn chosen(names: &str) -> Result<Mutants, String> {
    let find = |name: &str| {
        let known = Mutant::ALL.iter().find(|mutant| format!("{mutant:?}") == name);
        known.copied().ok_or_else(|| format!("no mutant is called {name:?}"))
    };
    let all: Result<Vec<Mutant>, String> = names.split('+').map(find).collect();
    Ok(Mutants::of(&all?))
}

fn one(seed: u64, trace: bool, setup: Setup) -> Result<(), String> {
    if trace && run(seed, &Setup { trace, ..setup.clone() }).1.is_none() {
        return Ok(());
    }
    let Some((faults, violation)) = shrink(seed, &setup) else {
        println!("seed {seed} breaks no rule");
        return Ok(());
    };
    if trace {
        run_with(seed, &Setup { trace, ..setup }, &faults);
    }
    for fault in &faults {
        println!(
            "  {:?} of {} at {:.3} s for {:.3} s ({})",
            fault.kind,
            fault.at_node,
            fault.from as f64 / 1e9,
            fault.lasts as f64 / 1e9,
            fault.value
        );
    }
    Err(format!("seed {seed} breaks {violation}"))
}

fn mutants(seeds: u64) -> Result<(), String> {
    let mut survivors = Vec::new();
    for mutant in Mutant::ALL {
        let setup = Setup { mutants: Mutants::of(&[*mutant]), ..Setup::default() };
        match search(0..seeds, &setup) {
            Some((seed, violation)) => println!("{mutant:?}: seed {seed}: {violation}"),
            None => {
                println!("{mutant:?}: not found");
                survivors.push(format!("{mutant:?}"));
            }
        }
    }
    if survivors.is_empty() { Ok(()) } else { Err(format!("not found: {}", survivors.join(", "))) }
}

fn speed(seeds: u64) {
    let setup = Setup { nodes: Some(5), groups: Some(20), seconds: 600, ..Setup::default() };
    let mut sum = Tally::default();
    let before = cpu();
    for seed in 0..seeds {
        let (tally, _) = run(seed, &setup);
        sum.events += tally.events;
        sum.nanos += tally.nanos;
    }
    let spent = cpu().saturating_sub(before);
    println!(
        "{:.0} cluster-hours a processor-hour, {:.2} million events a second",
        sum.nanos as f64 / spent.as_nanos() as f64,
        sum.events as f64 / spent.as_secs_f64() / 1e6
    );
}

/// Processor time of this process: user and system, in ticks of a hundredth of a second.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        after.split_whitespace().skip(11).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 10)
}
