//! `cargo xtask test`: every check and every test, ending with the runner's own summary.

use std::path::Path;

use crate::packages;
use crate::run::{run, works};
use crate::tidy;

/// Runs everything.
///
/// # Errors
/// The first check or test that fails.
pub(crate) fn all() -> Result<(), String> {
    packages::install();
    run("cargo", &["fmt", "--all", "--check"])?;
    tidy::run(false)?;
    run("cargo", &["clippy", "--workspace", "--all-targets", "--", "--deny", "warnings"])?;
    if packages::cargo_tool(
        "cargo-deny",
        &["deny", "--version"],
        "licences, bans and sources of dependencies",
    ) {
        // It looks at the crates of every platform, also those that no build here has downloaded.
        run("cargo", &["fetch", "--locked", "--quiet"])?;
        // Advisories need a database from outside, which a closed network does not give; `cargo deny check
        // advisories` is for those who have one.
        run("cargo", &["deny", "--offline", "check", "bans", "licenses", "sources"])?;
    }
    // The end-to-end tests run the built program.
    run("cargo", &["build", "--workspace", "--bins", "--examples"])?;
    run("cargo", &["build", "--package", "resource-rust"])?;
    run("cargo", &["test", "--workspace", "--doc"])?;
    // What the witness of the end-to-end tests notes there is not forgiven when a second try passes.
    let twice = crate::root().join("target/twice");
    let _ = std::fs::remove_file(&twice);
    let tests = if works("cargo", &["nextest", "--version"]) {
        run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        eprintln!("xtask: cargo-nextest is not installed: running cargo test, one summary a test file");
        run("cargo", &["test", "--workspace", "--all-targets", "--no-fail-fast"])
    };
    unless_noted(&twice, tests)
}

/// How the tests ended, unless something is noted there.
fn unless_noted(twice: &Path, tests: Result<(), String>) -> Result<(), String> {
    match std::fs::read_to_string(twice) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => tests,
        Err(error) => Err(format!("{}: {error}", twice.display())),
        Ok(text) => Err(format!("the safety rule was broken, whatever a second try said: {text}")),
    }
}

#[cfg(test)]
mod verdict {
    use super::unless_noted;

    #[test]
    fn what_ran_twice_at_once_fails_a_run_whose_second_tries_passed() {
        let note = std::env::temp_dir().join(format!("stead-xtask-twice-{}", std::process::id()));
        assert_eq!(unless_noted(&note, Ok(())), Ok(()));
        assert_eq!(unless_noted(&note, Err("one test".to_owned())), Err("one test".to_owned()));
        std::fs::write(&note, "group g lived twice at once").unwrap();
        let told = unless_noted(&note, Ok(()));
        std::fs::remove_file(&note).unwrap();
        assert!(told.unwrap_err().contains("group g lived twice"));
    }
}
