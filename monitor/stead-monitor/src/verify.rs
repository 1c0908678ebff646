//! `stead verify FILE.so`: does a resource DLL keep the contract? Trials, each in a process that may be lost, then a
//! verdict on every rule.
//!
//! [`plan`] says what is tried and `judge` what it means; both are pure. `driver` carries out a trial, `supervise`
//! keeps its process.

mod around;
mod driver;
mod foreign;
mod judge;
mod plan;
mod recorder;
mod report;
mod rules;
mod run;
mod supervise;
mod trace;
mod usage;

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};

use crate::dll::Builtin;

const AFTER_HELP: &str = "\
Each trial runs in a process of its own: a crash, a hang or an exit of the
resource DLL is a finding, and nothing is left behind. Give it properties with
which it can come online, or most rules are not reached.

Exit status: 0 if no rule is broken (warnings and advice do not count without
--strict); 1 if one is; 2 for a mistake in the command line; 3 if the DLL could
not be judged, since it cannot be loaded or never came online; 130 after Ctrl-C.";

/// The command line of `stead verify`.
#[must_use]
pub fn verify_command() -> Command {
    let value = |name: &'static str, value: &'static str, help: &'static str| {
        Arg::new(name).long(name).value_name(value).help(help)
    };
    let flag = |name: &'static str, help: &'static str| {
        Arg::new(name).long(name).help(help).action(ArgAction::SetTrue)
    };
    Command::new("verify")
        .about("Judge a resource DLL: does it keep the contract of the Resource API?")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("file")
                .value_name("FILE.so")
                .help("The resource DLL")
                .required_unless_present_any(["builtin", "list-rules", "trial"])
                .conflicts_with("builtin")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("builtin", "A type shipped with stead instead of a file").requires("type"))
        .arg(value("type", "NAME", "The resource type; the name of the file by default"))
        .arg(
            value(
                "property",
                "K=V",
                "A private property; hex:00ff is bytes, [\"a\", \"b\"] a list, a number in quotes is text",
            )
            .short('p')
            .action(ArgAction::Append),
        )
        .arg(
            value("seconds", "N", "The time for everything; a slow type needs more")
                .default_value("60")
                .value_parser(value_parser!(u64).range(5..=86_400)),
        )
        .arg(
            value("cycles", "N", "So many cycles of online and offline, if time allows")
                .default_value("1000")
                .value_parser(value_parser!(u32).range(1..=1_000_000)),
        )
        .arg(
            value(
                "workload-pid",
                "PID",
                "A process of the workload that is no descendant, or a file that holds its number",
            )
            .action(ArgAction::Append),
        )
        .arg(value("rule", "ID", "Judge this rule only").action(ArgAction::Set))
        .arg(flag("list-rules", "Print all rules with their pages, and end"))
        .arg(flag("strict", "Warnings and advice count as errors"))
        .arg(flag("verbose", "Tell also which rules were kept, and why others were not reached").short('v'))
        .arg(
            value("junit", "FILE", "Write the report as JUnit's XML, too")
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(flag("json", "JSON instead of text"))
        .arg(value("trial", "SCRIPT", "").hide(true))
        .arg(flag("contained", "").hide(true))
}

/// Runs `stead verify`.
#[must_use]
pub fn verify_main(matches: &ArgMatches, builtin: &'static [Builtin]) -> ExitCode {
    if matches.contains_id("trial") {
        return driver::trial_main(builtin);
    }
    if matches.get_flag("list-rules") {
        if matches.get_flag("json") {
            report::print(&format!("{:#}\n", report::rule_json()));
        } else {
            report::print(&report::rule_list());
        }
        return ExitCode::SUCCESS;
    }
    let request = match run::Request::new(matches) {
        Ok(request) => request,
        Err(error) => {
            complain!("stead verify: {error}");
            return ExitCode::from(2);
        }
    };
    let done = if request.contained { run::run(&request) } else { run::contain(&request) };
    match done {
        Ok(code) => code,
        Err(error) => {
            complain!("stead verify: {error}");
            ExitCode::from(3)
        }
    }
}
