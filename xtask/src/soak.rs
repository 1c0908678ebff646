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

/// How often, and which subjects; all if none is named.
fn wanted<'a>(words: &'a [&'a str]) -> Result<(usize, Vec<&'a str>), String> {
    let (mut runs, mut names) = (10, Vec::new());
    let mut words = words.iter();
    while let Some(word) = words.next() {
        match *word {
            "--runs" => {
                let number = words.next().ok_or("--runs needs a number")?;
                runs = number.parse().map_err(|_| format!("--runs {number}: it must be a whole number"))?;
            }
            name => names.push(name),
        }
    }
    if runs == 0 { Err("--runs 0: nothing would be run".to_owned()) } else { Ok((runs, names)) }
}

/// Runs `stead verify` over every subject so often idle, and as often under load, and prints a table.
///
/// # Errors
/// What could not be built, or that a rule was broken.
pub(crate) fn verify(words: &[&str]) -> Result<(), String> {
    let (runs, names) = wanted(words)?;
    run("cargo", &["build", "--package", "stead", "--package", "resource-rust"])?;
    let folder = std::env::temp_dir().join(format!("stead-soak-{}", std::process::id()));
    std::fs::create_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let done = over_all(runs, &names, &folder);
    std::fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    match done? {
        0 => Ok(()),
        alarms => Err(format!("{alarms} runs found a rule broken that resource types here keep")),
    }
}

fn over_all(runs: usize, names: &[&str], folder: &Path) -> Result<usize, String> {
    let stead = built("stead")?;
    let (subjects, _disk) = subjects::all(&stead, folder)?;
    if let Some(unknown) = names.iter().find(|name| !subjects.iter().any(|known| known.name == **name)) {
        let known: Vec<&str> = subjects.iter().map(|subject| subject.name).collect();
        return Err(format!("there is no type {unknown:?} here; there are: {}", known.join(", ")));
    }
    println!("{:<24}{:>10}{:>10}{:>16}{:>16}", "type", "runs", "alarms", "idle median", "busy median");
    let mut alarms = 0;
    for subject in subjects.iter().filter(|known| names.is_empty() || names.contains(&known.name)) {
        let (mut idle, mut busy) = (Vec::new(), Vec::new());
        for _ in 0..runs {
            idle.push(once(&stead, subject)?);
            let load = Load::start();
            busy.push(once(&stead, subject)?);
            drop(load);
        }
        let alarmed: Vec<&Done> = idle.iter().chain(&busy).filter(|done| !done.alarms.is_empty()).collect();
        for text in alarmed.iter().flat_map(|done| &done.alarms) {
            println!("{}: {text}", subject.name);
        }
        alarms += alarmed.len();
        let median = |all: &[Done]| median(all.iter().map(|done| done.took).collect());
        let (idle_median, busy_median) = (median(&idle), median(&busy));
        let missed = if busy_median > TARGET { "  MISSED" } else { "" };
        println!(
            "{:<24}{:>10}{:>10}{:>14.1} s{:>14.1} s{missed}",
            subject.name,
            idle.len() + busy.len(),
            alarmed.len(),
            idle_median.as_secs_f64(),
            busy_median.as_secs_f64()
        );
    }
    Ok(alarms)
}

/// The file of a program or library of the build.
fn built(name: &str) -> Result<PathBuf, String> {
    let program = std::env::current_exe().map_err(|error| format!("this program has no place: {error}"))?;
    Ok(program.with_file_name(name))
}

fn median(mut all: Vec<Duration>) -> Duration {
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
        assert_eq!(wanted(&[]), Ok((10, vec![])));
        assert_eq!(wanted(&["--runs", "3", "OCF Agent"]), Ok((3, vec!["OCF Agent"])));
        for wrong in [&["--runs"][..], &["--runs", "x"], &["--runs", "0"]] {
            assert!(wanted(wrong).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn a_median_is_the_middle_one() {
        let seconds = |all: &[u64]| median(all.iter().map(|s| Duration::from_secs(*s)).collect());
        assert_eq!(seconds(&[9, 1, 5]), Duration::from_secs(5));
        assert_eq!(seconds(&[]), Duration::ZERO);
    }
}
