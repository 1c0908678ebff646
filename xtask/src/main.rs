//! Tasks of the project: `cargo xtask test`, `tidy`, `bench`, `sim`, `fuzz`, `soak`, `soak-verify`.

mod bench;
mod coverage;
mod faults;
mod functions;
mod fuzz;
mod listings;
mod packages;
mod releases;
mod run;
mod soak;
mod tests;
mod tidy;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask TASK

  test             install what the tests need where that is allowed, then every check and every test
  tidy [--fix]     dependency edges, source pages, file sizes; --fix rewrites book/coverage.md
  bench [NAME…]    measure, and print a table; release build
  sim [--seeds N] [--mutants] [--seed SEED] …
                   the cluster in virtual time: seeds must break no rule, every wrong protocol must; optimised build
  fuzz [TARGET…] [--minutes N]
                   the targets of stead-fuzz under libFuzzer, N minutes each (5); needs a nightly compiler
  soak [--minutes N] [--seed S]
                   faults by chance on a cluster of three nodes in namespaces, for N minutes (10); needs root
  soak-verify [--runs N] [--at-once] [TYPE…]
                   `stead verify` over every type that behaves well, N times idle and N times busy (10), or
                   2 N times all at once
";

/// The folder of the workspace.
fn root() -> PathBuf {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.parent().unwrap_or(here).to_owned()
}

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = args.iter().map(String::as_str).collect();
    let done = match words.as_slice() {
        ["test"] => tests::all(),
        ["tidy"] => tidy::run(false),
        ["tidy", "--fix"] => tidy::run(true),
        ["fuzz", words @ ..] => fuzz::run_all(words),
        ["soak", words @ ..] => faults::soak(words),
        ["soak-verify", words @ ..] => soak::verify(words),
        ["sim", words @ ..] => run::run(
            "cargo",
            &[&["run", "--profile", "sim", "--quiet", "-p", "stead-sim", "--"], words].concat(),
        ),
        ["bench", names @ ..] => bench::run_all(names),
        _ => {
            eprint!("{USAGE}");
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
