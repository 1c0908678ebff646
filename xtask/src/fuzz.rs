//! `cargo xtask fuzz`: the targets of `stead-fuzz` under libFuzzer.

use std::path::Path;

use crate::run::{output, run, works};

/// Runs one target, or each in turn, for so many minutes each.
///
/// # Errors
/// What has to be installed, which targets there are, or what was found.
pub(crate) fn run_all(words: &[&str]) -> Result<(), String> {
    let mut minutes = 5u64;
    let mut chosen = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        if *word == "--minutes" {
            let value = words.next().ok_or("--minutes needs a number")?;
            minutes = value.parse().map_err(|_| format!("--minutes {value}: it must be a whole number"))?;
        } else {
            chosen.push(*word);
        }
    }
    let known = targets(&crate::root())?;
    for name in &chosen {
        if !known.iter().any(|target| target == name) {
            return Err(format!("there is no target {name:?}; there are: {}", known.join(", ")));
        }
    }
    needed()?;
    let time = format!("-max_total_time={}", minutes.saturating_mul(60));
    for target in known.iter().filter(|target| chosen.is_empty() || chosen.contains(&target.as_str())) {
        // New inputs go to a folder that git does not keep; the corpus beside it is read.
        let (found, corpus) = (format!("fuzz/target/found/{target}"), format!("fuzz/corpus/{target}"));
        std::fs::create_dir_all(crate::root().join(&found)).map_err(|error| format!("{found}: {error}"))?;
        // Without the sanitizer: there is no unsafe code below, and it costs half the speed and a C++ runtime.
        let before = ["+nightly", "fuzz", "run", "--sanitizer", "none", target, &found, &corpus, "--", &time];
        run("cargo", &[&before[..], &["-max_len=65536", "-timeout=10", "-print_final_stats=1"]].concat()).map_err(
            |error| {
                format!(
                    "{error}\nwhat breaks it is below fuzz/artifacts/{target}: make a smaller one with `cargo +nightly \
                     fuzz tmin {target} FILE`, put it into {corpus} and mend the code"
                )
            },
        )?;
    }
    Ok(())
}

/// The names of the programs.
fn targets(root: &Path) -> Result<Vec<String>, String> {
    let folder = root.join("fuzz/fuzz_targets");
    let entries = std::fs::read_dir(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut names: Vec<String> =
        entries.filter_map(|entry| Some(entry.ok()?.path().file_stem()?.to_str()?.to_owned())).collect();
    names.sort();
    Ok(names)
}

/// Makes sure that what libFuzzer needs is there.
fn needed() -> Result<(), String> {
    let mut missing = Vec::new();
    if !output("rustup", &["toolchain", "list"]).is_ok_and(|list| list.contains("nightly")) {
        missing.push("a nightly compiler: rustup toolchain install nightly");
    }
    if !works("cargo", &["fuzz", "--version"]) {
        missing.push("cargo-fuzz: cargo install cargo-fuzz --locked");
    }
    if !works("c++", &["--version"]) {
        missing.push("a C++ compiler: apt install g++");
    }
    if missing.is_empty() { Ok(()) } else { Err(format!("please install\n  {}", missing.join("\n  "))) }
}
