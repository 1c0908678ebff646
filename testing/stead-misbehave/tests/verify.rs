//! `stead verify` is not fooled: what it says of each behaviour.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::process::{Command, Output};
use std::sync::Mutex;

use serde_json::Value;
use stead_e2e::{marked, stead};
use stead_misbehave::{CASES, JUDGED, Says, library};

/// So many runs at once: most of them wait most of the time.
const AT_ONCE: usize = 6;

fn verify(folder: &str, name: &str, arguments: &[&str]) -> Output {
    let mut command = Command::new(stead());
    command.arg("verify").arg(library()).args(["--type", "Misbehave", "--json", "--cycles", "40"]);
    command.args(["-p", &format!("Behaviour={name}"), "-p", &format!("File={folder}/file-{name}")]);
    command.args(["-p", &format!("Program={}", stead().display()), "-p", &format!("Data={folder}")]);
    // It goes for others only where it is told that it has a namespace.
    let host = std::env::var_os("STEAD_HOST_PROC").unwrap_or_else(|| "/proc".into());
    command.env("STEAD_HOST_PROC", host).env("STEAD_TEST_MARK", folder).args(arguments).output().unwrap()
}

/// The rules that are broken, and whether an error is among them.
fn broken(report: &Value) -> (Vec<&str>, bool) {
    let rules = report["rules"].as_array().unwrap().iter();
    let broken: Vec<&Value> = rules.filter(|rule| rule["verdict"] == "broken").collect();
    let error = broken.iter().any(|rule| rule["severity"] == "error");
    (broken.into_iter().map(|rule| rule["id"].as_str().unwrap()).collect(), error)
}

/// What is wrong with what is said of a behaviour.
fn judged(folder: &str, name: &str, says: Says) -> Option<String> {
    let seconds = match says {
        Says::NotTried(_) => return None,
        // What hangs is found when the time is over.
        Says::Broken(["calls-return"]) | Says::NeverOnline(_) => ["--seconds", "12"],
        Says::Broken(_) | Says::Clean(_) | Says::Warned(_) => ["--seconds", "60"],
    };
    let output = verify(folder, name, &seconds);
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Some(format!("{name} gave no report: {output:?}"));
    };
    let (rules, error) = broken(&report);
    let good = match says {
        Says::Broken(wanted) => {
            error && output.status.code() == Some(1) && wanted.iter().all(|rule| rules.contains(rule))
        }
        Says::Warned(wanted) => rules.contains(&wanted) && output.status.code() != Some(0),
        // A machine that is busy with other tests makes any call slow: that is advice, and no error.
        Says::Clean(_) => rules.iter().all(|rule| *rule == "quick-calls") && output.status.code() == Some(0),
        Says::NeverOnline(_) => rules.is_empty() && output.status.code() == Some(3),
        Says::NotTried(_) => true,
    };
    (!good).then(|| format!("{name} must come to {says:?}: {} with {rules:?}", output.status))
}

#[test]
fn what_breaks_the_contract_is_named_and_the_rest_is_not() {
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    let left = Mutex::new(JUDGED.iter());
    let wrong = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some((name, says)) = next else { break };
                    if judged(&place, name, *says).is_some() {
                        wrong.lock().unwrap().push((name, *says));
                    }
                }
            });
        }
    });
    // Those that take the whole machine take it from each other as well: what counts is what is said of one by itself.
    let alone = wrong.into_inner().unwrap().into_iter();
    let wrong: Vec<String> = alone.filter_map(|(name, says)| judged(&place, name, says)).collect();
    assert_eq!(wrong, [""; 0]);
    assert_eq!(marked(&place), [0; 0], "nothing is left behind");
}

#[test]
fn the_part_that_behaves_well_keeps_every_rule() {
    let folder = tempfile::tempdir().unwrap();
    let output = verify(&folder.path().display().to_string(), "none", &["--strict"]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(broken(&report).0, [""; 0], "{report:#}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn every_behaviour_has_its_verdict_and_the_book_tells_it() {
    let names: Vec<&str> = CASES.iter().map(|case| case.name).collect();
    let path = stead_e2e::root().join("book/hostile-plugins.md");
    let book = std::fs::read_to_string(path).unwrap();
    for (name, says) in JUDGED {
        assert!(names.contains(name), "{name} is no behaviour");
        let row = book.lines().find(|line| line.contains(&format!("| `{name}` |"))).unwrap();
        let wanted = format!(" | {} |", says.words());
        assert!(row.ends_with(&wanted), "the row of {name} in the book does not end with{wanted}");
    }
    assert_eq!(JUDGED.len(), names.len());
    let mut unique: Vec<&str> = JUDGED.iter().map(|(name, _)| *name).collect();
    unique.sort_unstable();
    unique.dedup();
    assert_eq!(unique.len(), names.len());
}
