//! `cargo xtask soak-verify`: `stead verify` over every resource type that behaves well, again and again, on an idle
//! machine and on a busy one. Any broken rule is a false alarm, or a defect that has to be mended.

mod subjects;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::run::run;
use subjects::Subject;

/// A run that takes longer misses its target.
const TARGET: Duration = Duration::from_secs(60);

/// So many cycles a run: enough for the rules about leaks.
const CYCLES: &str = "30";

/// A run of a subject: how long it took, and what was broken.
struct Done {
    took: Duration,
    alarms: Vec<String>,
}

/// Keeps every processor busy twice over until it is dropped.
struct Load {
    over: &'static AtomicBool,
    threads: Vec<thread::JoinHandle<()>>,
}

impl Load {
    fn start() -> Load {
        let over: &'static AtomicBool = Box::leak(Box::new(AtomicBool::new(false)));
        let count = thread::available_parallelism().map_or(2, std::num::NonZero::get) * 2;
        let spin = move || {
            while !over.load(Ordering::Relaxed) {
                std::hint::spin_loop();
            }
        };
        Load { over, threads: (0..count).map(|_| thread::spawn(spin)).collect() }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

/// What is asked for.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    /// How often idle, and as often busy.
    runs: usize,
    /// All types at the same time, each twice as often: they are each other's load.
    at_once: bool,
    /// Which types; all if none is named.
    names: Vec<&'a str>,
}

fn wanted<'a>(words: &'a [&'a str]) -> Result<Wanted<'a>, String> {
    let mut wanted = Wanted { runs: 10, at_once: false, names: Vec::new() };
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--runs" => {
                let number = words.next().ok_or("--runs needs a number")?;
                wanted.runs =
                    number.parse().map_err(|_| format!("--runs {number}: it must be a whole number"))?;
            }
            "--at-once" => wanted.at_once = true,
            name => wanted.names.push(name),
        }
    }
    if wanted.runs == 0 { Err("--runs 0: nothing would be run".to_owned()) } else { Ok(wanted) }
}

/// Runs `stead verify` over every subject so often idle, and as often under load, and prints a table.
///
/// # Errors
/// What could not be built, or that a rule was broken.
pub(crate) fn verify(words: &[&str]) -> Result<(), String> {
    let wanted = wanted(words)?;
    let mut build = vec!["build", "--package", "stead", "--package", "resource-rust"];
    // What is judged is of the same build as this program.
    if !cfg!(debug_assertions) {
        build.push("--release");
    }
    run("cargo", &build)?;
    let folder = std::env::temp_dir().join(format!("stead-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let done = over_all(&wanted, &folder);
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    match done? {
        0 => Ok(()),
        alarms => Err(format!("{alarms} runs found a rule broken that resource types here keep")),
    }
}

fn over_all(wanted: &Wanted, folder: &Path) -> Result<usize, String> {
    let Wanted { runs, at_once, names } = wanted;
    let stead = built("stead")?;
    let (subjects, _disk) = subjects::all(&stead, folder)?;
    if let Some(unknown) = names.iter().find(|name| !subjects.iter().any(|known| known.name == **name)) {
        let known: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
        return Err(format!("there is no type {unknown:?} here; there are: {}", known.join(", ")));
    }
    let chosen = subjects.iter().filter(|known| names.is_empty() || names.contains(&known.name));
    if *at_once {
        println!("{:<24}{:>10}{:>10}{:>16}{:>16}", "type", "runs", "alarms", "median", "longest");
        let stead = &stead;
        let judge = |subject| move || at_once_with_others(stead, subject, runs * 2);
        return thread::scope(|scope| {
            let threads: Vec<_> = chosen.map(|subject| scope.spawn(judge(subject))).collect();
            let ended = threads.into_iter().map(|thread| match thread.join() {
                Ok(alarms) => alarms,
                Err(panic) => std::panic::resume_unwind(panic),
            });
            ended.sum()
        });
    }
    println!("{:<24}{:>10}{:>10}{:>16}{:>16}", "type", "runs", "alarms", "idle median", "busy median");
    let mut alarms = 0;
    for subject in chosen {
        let (mut idle, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..*runs {
            idle.push(once(&stead, subject)?);
            let load = Load::start();
            busy.push(once(&stead, subject)?);
            drop(load);
        }
        let alarmed = told(subject, idle.iter().chain(&busy));
        alarms += alarmed;
        let (idle_median, busy_median) = (median(&idle), median(&busy));
        let missed = if busy_median > TARGET { "  MISSED" } else { "" };
        println!(
            "{:<24}{:>10}{:>10}{:>14.1} s{:>14.1} s{missed}",
            subject.name,
            idle.len() + busy.len(),
            alarmed,
            idle_median.as_secs_f64(),
            busy_median.as_secs_f64()
        );
    }
    Ok(alarms)
}

/// Judges a subject so often while others are judged; how many of the runs found something.
fn at_once_with_others(stead: &Path, subject: &Subject, runs: usize) -> Result<usize, String> {
    let done = (0..runs).map(|_| once(stead, subject)).collect::<Result<Vec<Done>, String>>()?;
    let alarmed = told(subject, done.iter());
    let longest = done.iter().map(|done| done.took).max().unwrap_or_default();
    println!(
        "{:<24}{:>10}{:>10}{:>14.1} s{:>14.1} s",
        subject.name,
        runs,
        alarmed,
        median(&done).as_secs_f64(),
        longest.as_secs_f64()
    );
    Ok(alarmed)
}

/// Prints what was found; in how many runs something was.
fn told<'a>(subject: &Subject, done: impl Iterator<Item = &'a Done>) -> usize {
    let mut alarmed = 0;
    for done in done.filter(|done| !done.alarms.is_empty()) {
        alarmed += 1;
        for text in &done.alarms {
            println!("{}: {text}", subject.name);
        }
    }
    alarmed
}

/// The file of a program or library of the build.
fn built(name: &str) -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program has no place: {error}"))?;
    Ok(program.with_file_name(name))
}

fn median(done: &[Done]) -> Duration {
    let mut all: Vec<Duration> = done.iter().map(|done| done.took).collect();
    all.sort();
    all.get(all.len() / 2).copied().unwrap_or_default()
}

/// Judges a subject once.
fn once(stead: &Path, subject: &Subject) -> Result<Done, String> {
    let mut words = subject.before.clone();
    words.push(stead.display().to_string());
    words.extend(["verify", "--strict", "--json", "--cycles", CYCLES].map(str::to_owned));
    words.extend(subject.arguments.iter().cloned());
    let began = Instant::now();
    let output = Command::new(&words[0])
        .args(&words[1..])
        .output()
        .map_err(|error| format!("{} could not be run: {error}", words[0]))?;
    let took = began.elapsed();
    let report: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
    let mut alarms: Vec<String> = (report["rules"].as_array().into_iter().flatten())
        .filter(|rule| rule["verdict"] == "broken")
        .map(|rule| format!("{} is said to be broken: {:#}", rule["id"], rule["breaches"]))
        .collect();
    if alarms.is_empty() && !output.status.success() {
        alarms.push(format!("{}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(Done { took, alarms })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_a_number_of_runs_and_names_or_refused() {
        assert_eq!(wanted(&[]), Ok(Wanted { runs: 10, at_once: false, names: vec![] }));
        let some = wanted(&["--runs", "3", "OCF Agent", "--at-once"]);
        assert_eq!(some, Ok(Wanted { runs: 3, at_once: true, names: vec!["OCF Agent"] }));
        for wrong in [&["--runs"][..], &["--runs", "x"], &["--runs", "0"]] {
            assert!(wanted(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_median_is_the_middle_one() {
        let done = |s: &u64| Done { took: Duration::from_secs(*s), alarms: Vec::new() };
        let seconds = |all: &[u64]| median(&all.iter().map(done).collect::<Vec<Done>>());
        assert_eq!(seconds(&[9, 1, 5]), Duration::from_secs(5));
        assert_eq!(seconds(&[]), Duration::ZERO);
    }
}
