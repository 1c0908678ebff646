//! Every target over its corpus and thousands of changes to it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use stead_fuzz::{TARGETS, mutations};

/// Enough for seconds, not for minutes.
const COUNT: usize = 4_000;

fn fuzz() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap().join("fuzz")
}

fn seeds(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = fuzz().join("corpus").join(target);
    let mut files: Vec<PathBuf> = std::fs::read_dir(&folder)
        .unwrap_or_else(|error| panic!("{}: {error}", folder.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    assert!(!files.is_empty(), "{} is empty", folder.display());
    files.into_iter().map(|file| (file.clone(), std::fs::read(file).unwrap())).collect()
}

fn run(name: &str) {
    let (_, target) = TARGETS.iter().find(|(known, _)| *known == name).expect("a target of this name");
    let seeds = seeds(name);
    for (file, bytes) in &seeds {
        assert!(catch_unwind(|| target(bytes)).is_ok(), "{} breaks {name}", file.display());
    }
    let seeds: Vec<Vec<u8>> = seeds.into_iter().map(|(_, bytes)| bytes).collect();
    for (number, bytes) in mutations(&seeds, 0x5EED_0001, COUNT).enumerate() {
        let shown = String::from_utf8_lossy(&bytes);
        assert!(catch_unwind(|| target(&bytes)).is_ok(), "change {number} breaks {name}: {bytes:?}\n{shown}");
    }
}

#[test]
fn property_lists() {
    run("property_list");
}

#[test]
fn multi_strings() {
    run("multi_string");
}

#[test]
fn dependencies() {
    run("dependency");
}

#[test]
fn configurations() {
    run("config");
}

#[test]
fn node_files_and_invitations() {
    run("membership");
}

#[test]
fn frames() {
    run("frame");
}

#[test]
fn status_sequences() {
    run("hosting");
}

#[test]
fn http_bodies() {
    run("http");
}

#[test]
fn each_target_has_a_program_and_a_corpus() {
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = std::fs::read_dir(fuzz().join(folder)).unwrap();
        entries.map(|entry| entry.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned()).collect()
    };
    let targets: BTreeSet<String> = TARGETS.iter().map(|(name, _)| (*name).to_owned()).collect();
    assert_eq!(names("fuzz_targets"), targets);
    assert_eq!(names("corpus"), targets);
}

#[test]
fn changes_are_the_same_everywhere_and_differ() {
    let seeds = vec![b"[a] and [b]".to_vec(), b"([c] or [d])".to_vec()];
    let first: Vec<Vec<u8>> = mutations(&seeds, 7, 500).collect();
    assert_eq!(first, mutations(&seeds, 7, 500).collect::<Vec<_>>());
    assert!(first.iter().collect::<BTreeSet<_>>().len() > 300);
}

/// A corpus that is refused from the first byte on would test nothing.
#[test]
fn what_is_in_the_corpus_is_what_it_says() {
    use stead_monitor_protocol::{FromGuardian, FromMonitor, ToGuardian, ToMonitor};
    for (file, bytes) in seeds("frame") {
        let known = serde_json::from_slice::<ToMonitor>(&bytes).is_ok()
            || serde_json::from_slice::<FromMonitor>(&bytes).is_ok()
            || serde_json::from_slice::<ToGuardian>(&bytes).is_ok()
            || serde_json::from_slice::<FromGuardian>(&bytes).is_ok();
        assert!(known, "{} is no message", file.display());
    }
    for (file, bytes) in seeds("http") {
        let known = serde_json::from_slice::<stead_api::Apply>(&bytes).is_ok()
            || serde_json::from_slice::<stead_api::Operate>(&bytes).is_ok()
            || serde_json::from_slice::<stead_api::Control>(&bytes).is_ok();
        assert!(known, "{} is no body", file.display());
    }
    for (file, bytes) in seeds("config") {
        let read = stead_cli::read_config(std::str::from_utf8(&bytes).unwrap());
        let wrong = file.ends_with("wrong.toml");
        assert_eq!(read.is_err(), wrong, "{}: {read:?}", file.display());
    }
}
