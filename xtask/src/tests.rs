//! `cargo xtask test`: every check and every test, ending with the runner's own summary.

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
    if works("cargo", &["nextest", "--version"]) {
        run("cargo", &["nextest", "run", "--workspace", "--no-fail-fast"])
    } else {
        eprintln!("xtask: cargo-nextest is not installed: running cargo test, one summary a test file");
        run("cargo", &["test", "--workspace", "--all-targets", "--no-fail-fast"])
    }
}
