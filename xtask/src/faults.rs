//! `cargo xtask soak`: a cluster in namespaces, faults by chance, and a witness that must never have seen two.

use crate::run::run;

/// Runs it for so long, with a seed where one is given.
///
/// # Errors
/// What could not be built, or that the soak failed: it has said why.
pub(crate) fn soak(words: &[&str]) -> Result<(), String> {
    run("cargo", &["build"])?;
    run("cargo", &["build", "--package", "stead-e2e", "--bins"])?;
    let folder = std::env::current_exe().map_err(|error| format!("this program has no place: {error}"))?;
    let program = folder.with_file_name("stead-soak");
    let stead = folder.with_file_name("stead");
    let variable = format!("STEAD_BIN={}", stead.display());
    let program = program.display().to_string();
    run("env", &[&[variable.as_str(), program.as_str()], words].concat())
}
