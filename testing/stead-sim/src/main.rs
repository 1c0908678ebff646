//! `stead-sim`: seeds, one seed, the wrong versions, or the speed.

use std::process::ExitCode;
use std::time::Duration;

use stead_lease::{Mutant, Mutants};
use stead_sim::{
    Cover, GroupsBy, Setup, Tally, covered, run, run_with, search_directed, search_without, shrink, survey,
};

const USAGE: &str = "\
usage: stead-sim [--seeds N] [--from SEED]     that many seeds; the first that breaks a rule is shrunk and shown
                                               with [--mutant NAME[+NAME…]]: of that wrong version
       stead-sim --seed SEED [--mutant NAME] [--trace]
                                               one seed, shrunk if it breaks a rule, and everything that happened then
                                               each with [--nodes N] [--groups N] [--seconds N]
       stead-sim --mutants [--seeds N]         every wrong version must be found, or covered by what the table names
       stead-sim --speed [--seeds N]           simulated cluster-hours an hour of one processor
with --world simple|production|both            who decides about groups: a few lines, the product, or by turns
     --jobs N                                  so many seeds at the same time
Seeds that break no rule are followed by the steps of the machines, a state and an event, that none of them took.
";

/// The words after the name of the program.
struct Words(Vec<String>);

impl Words {
    const KNOWN: &[&str] = &[
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
        "--world",
        "--jobs",
    ];

    fn has(&self, flag: &str) -> bool {
        self.0.iter().any(|word| word == flag)
    }

    fn value(&self, flag: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == flag)?;
        self.0.get(at + 1).map(String::as_str)
    }

    fn number<N: std::str::FromStr>(&self, flag: &str) -> Result<Option<N>, String> {
        if !self.has(flag) {
            return Ok(None);
        }
        let text = self.value(flag).unwrap_or_default();
        text.parse().map(Some).map_err(|_| format!("{flag}: {text:?} is no number"))
    }

    fn world(&self, otherwise: GroupsBy) -> Result<GroupsBy, String> {
        match self.value("--world") {
            None if self.has("--world") => Err("--world: simple, production or both is missing".to_owned()),
            None => Ok(otherwise),
            Some("simple") => Ok(GroupsBy::Simple),
            Some("production") => Ok(GroupsBy::Production),
            Some("both") => Ok(GroupsBy::Seed),
            Some(other) => Err(format!("--world: {other:?} is not simple, production or both")),
        }
    }
}

fn main() -> ExitCode {
    let words = Words(std::env::args().skip(1).collect());
    if words.0.iter().any(|word| word.starts_with("--") && !Words::KNOWN.contains(&word.as_str())) {
        eprint!("{USAGE}");
        return ExitCode::from(2);
    }
    match wanted(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("stead-sim: {error}");
            ExitCode::FAILURE
        }
    }
}

fn wanted(words: &Words) -> Result<(), String> {
    let here = std::thread::available_parallelism().map_or(1, usize::from);
    let jobs = words.number("--jobs")?.unwrap_or(here);
    let mut setup = Setup {
        nodes: words.number("--nodes")?,
        groups: words.number("--groups")?,
        seconds: words.number("--seconds")?.unwrap_or(100),
        groups_by: words.world(GroupsBy::Seed)?,
        ..Setup::default()
    };
    if let Some(names) = words.value("--mutant") {
        setup.mutants = chosen(names)?;
    }
    let seeds = words.number("--seeds")?;
    if words.has("--speed") {
        speed(seeds.unwrap_or(20), words.world(GroupsBy::Production)?);
        Ok(())
    } else if words.has("--mutants") {
        mutants(seeds.unwrap_or(2_000), jobs, &setup)
    } else if let Some(seed) = words.number("--seed")? {
        one(seed, words.has("--trace"), setup)
    } else {
        many(words.number("--from")?.unwrap_or(0), seeds.unwrap_or(2_000), jobs, &setup)
    }
}

fn many(from: u64, seeds: u64, jobs: usize, setup: &Setup) -> Result<(), String> {
    let (sum, broken) = survey(from..from + seeds, setup, jobs);
    if let Some((seed, _)) = broken {
        return one(seed, false, setup.clone());
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
    for untaken in sum.steps.untaken() {
        println!("{untaken}");
    }
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

fn mutants(seeds: u64, jobs: usize, setup: &Setup) -> Result<(), String> {
    let (mut found, mut survivors) = (0, Vec::new());
    for mutant in Mutant::ALL {
        let wrong = Setup { mutants: Mutants::of(&[*mutant]), ..setup.clone() };
        if let Some((seed, violation)) = survey(0..seeds, &wrong, jobs).1 {
            println!("{mutant:?}: seed {seed}: {violation}");
            found += 1;
            continue;
        }
        if let Some((seed, violation)) = search_directed(0..200, *mutant, wrong.mutants) {
            println!("{mutant:?}: in its scenario, seed {seed}: {violation}");
            found += 1;
            continue;
        }
        match covered(*mutant).map(|covered| (covered.by, covered.why)) {
            Some((Cover::Test(file, name), why)) => {
                println!("{mutant:?}: covered by the test {name} in {file}: {why}");
            }
            Some((Cover::Without(cover), why)) => match search_without(0..seeds, setup, *mutant, cover) {
                Some((seed, violation)) => {
                    println!(
                        "{mutant:?}: matters where {cover:?} is wrong too: seed {seed}: {violation}: {why}"
                    );
                }
                None => {
                    println!("{mutant:?}: not found, and changes nothing where {cover:?} is wrong too");
                    survivors.push(format!("{mutant:?}"));
                }
            },
            None => {
                println!("{mutant:?}: not found");
                survivors.push(format!("{mutant:?}"));
            }
        }
    }
    println!("{found} of {} found", Mutant::ALL.len());
    if survivors.is_empty() { Ok(()) } else { Err(format!("not found: {}", survivors.join(", "))) }
}

fn speed(seeds: u64, groups_by: GroupsBy) {
    let setup = Setup { nodes: Some(5), groups: Some(20), seconds: 600, groups_by, ..Setup::default() };
    let mut sum = Tally::default();
    let before = cpu();
    for seed in 0..seeds {
        let (tally, _) = run(seed, &setup);
        sum.add(&tally);
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
