//! Running other programs.

use std::path::Path;
use std::process::{Command, Stdio};

/// Runs a program in the workspace's folder and shows what it prints.
///
/// # Errors
/// What was run and how it ended, if not well.
pub(crate) fn run(program: &str, args: &[&str]) -> Result<(), String> {
    run_in(&crate::root(), program, args)
}

/// The same in another folder.
///
/// # Errors
/// What was run and how it ended, if not well.
pub(crate) fn run_in(folder: &Path, program: &str, args: &[&str]) -> Result<(), String> {
    println!("$ {program} {}", args.join(" "));
    let status = Command::new(program)
        .args(args)
        .current_dir(folder)
        .status()
        .map_err(|error| format!("{program} could not be run: {error}"))?;
    if status.success() { Ok(()) } else { Err(format!("{program} {} failed: {status}", args.join(" "))) }
}

/// Runs a program and takes its standard output.
///
/// # Errors
/// What was run and how it ended, if not well.
pub(crate) fn output(program: &str, args: &[&str]) -> Result<String, String> {
    let output = Command::new(program)
        .args(args)
        .current_dir(crate::root())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| format!("{program} could not be run: {error}"))?;
    if !output.status.success() {
        return Err(format!("{program} {} failed: {}", args.join(" "), output.status));
    }
    String::from_utf8(output.stdout).map_err(|_| format!("{program} printed something that is not text"))
}

/// True if the program can be run with these arguments and ends well, quietly.
pub(crate) fn works(program: &str, args: &[&str]) -> bool {
    Command::new(program)
        .args(args)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}
