//! `stead host FILE.so --type NAME`: the Resource Monitor alone, one instance, driven by hand or by a script.

mod output;
mod script;
mod session;

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::{Command as Process, ExitCode, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use clap::{Arg, ArgAction, ArgMatches, Command, value_parser};
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use stead_monitor_protocol::{Board, Timing};
use stead_types::{Code, PropertyMap, PropertyValue, ResourceName, Time};

use crate::dll::Builtin;
use crate::engine::{Source, now};
use output::{Line, Printer};

const AFTER_HELP: &str = "\
Commands on standard input, one a line; # begins a comment:
  open
  online [--in-buffer HEX] [FLAG...]
  offline [--to NODE] [--in-buffer HEX] [FLAG...]
  looks-alive | is-alive | terminate | cancel | close | quit
  control CODE [HEX]       get-private-properties or another name, or 0x01000081
  wait STATE [SECONDS]     60 seconds where none are given
  sleep MS

FLAG is a documented flag without its prefix, in lower case with dashes:
ignore-resource-status, queue-enabled, ...

A command that calls an entry point waits until the call before it has
returned; terminate, cancel, wait, sleep and quit act at once. `offline
queue-enabled` retries a delayed offline until it is done or cancelled.

Exit status: 0 if the resource DLL loaded, no command failed and no call broke
the contract; 1 otherwise; 2 for a mistake in the command line; 130 after
Ctrl-C.";

/// The command line of `stead host`.
#[must_use]
pub fn host_command() -> Command {
    Command::new("host")
        .about("Drive a resource DLL by hand: the Resource Monitor alone, one instance, no node")
        .after_help(AFTER_HELP)
        .arg(
            Arg::new("file")
                .value_name("FILE.so")
                .help("The resource DLL; `builtin` for the types shipped with stead")
                .required(true)
                .value_parser(value_parser!(PathBuf)),
        )
        .arg(Arg::new("type").long("type").value_name("NAME").help("The resource type").required(true))
        .arg(
            Arg::new("property")
                .long("property")
                .short('p')
                .value_name("K=V")
                .help("A common property (PendingTimeout, LooksAlivePollInterval, ...) or a private one; hex:00ff is bytes, [\"a\", \"b\"] a list, a number in quotes is text")
                .action(ArgAction::Append),
        )
        .arg(
            Arg::new("name")
                .long("name")
                .value_name("NAME")
                .help("The name of the resource")
                .default_value("resource"),
        )
        .arg(Arg::new("json").long("json").help("JSON lines, also on a terminal").action(ArgAction::SetTrue))
        .arg(Arg::new("child").long("child").hide(true).num_args(2))
}

/// What the command line asks for, checked.
struct Request {
    source: Source,
    type_name: String,
    name: ResourceName,
    timing: Timing,
    properties: PropertyMap,
    json: bool,
}

/// A common property: where its value goes and the smallest that is allowed.
type Common = (&'static str, fn(&mut Timing) -> Option<&mut u32>, u32);

const COMMON: &[Common] = &[
    ("LooksAlivePollInterval", |timing| Some(&mut timing.looks_alive_ms), 10),
    ("IsAlivePollInterval", |timing| Some(&mut timing.is_alive_ms), 10),
    ("PendingTimeout", |timing| Some(&mut timing.pending_ms), 10),
    ("DeadlockTimeout", |timing| Some(&mut timing.deadlock_ms), 1_000),
    // Of no effect without a node, but a script may name them.
    ("RestartAction", |_| None, 0),
    ("RestartThreshold", |_| None, 0),
    ("RestartPeriod", |_| None, 0),
    ("RestartDelay", |_| None, 0),
    ("RetryPeriodOnFailure", |_| None, 0),
    ("SeparateMonitor", |_| None, 0),
    ("EmbeddedFailureAction", |_| None, 0),
];

/// A value as it is typed.
pub(crate) fn value(text: &str) -> Result<PropertyValue, String> {
    if let Some(hex) = text.strip_prefix("hex:") {
        let bytes: stead_monitor_protocol::Hex = hex.parse().map_err(str::to_owned)?;
        return Ok(PropertyValue::Bytes(bytes.0));
    }
    // A list as configuration files have it; any other text in brackets is text.
    if let Some(list) = text.starts_with('[').then(|| serde_json::from_str(text).ok()).flatten() {
        return Ok(PropertyValue::List(list));
    }
    // In quotes a number is text.
    if let Some(inner) = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')) {
        return Ok(PropertyValue::Text(inner.to_owned()));
    }
    Ok(text
        .parse::<i64>()
        .map_or_else(|_| PropertyValue::Text(text.to_owned()), |number| PropertyValue::Number(number.into())))
}

impl Request {
    fn new(matches: &ArgMatches) -> Result<Request, String> {
        let mut timing = Timing::default();
        let mut properties = PropertyMap::new();
        for given in matches.get_many::<String>("property").into_iter().flatten() {
            let Some((name, text)) = given.split_once('=') else {
                return Err(format!("--property {given:?}: it must be NAME=VALUE"));
            };
            let Some((common, place, smallest)) =
                COMMON.iter().find(|(common, ..)| common.eq_ignore_ascii_case(name))
            else {
                let value = value(text).map_err(|error| format!("--property {given:?}: {error}"))?;
                properties.insert(name.to_owned(), value);
                continue;
            };
            let number = text.parse::<u32>().ok().filter(|number| number >= smallest);
            let Some(number) = number else {
                return Err(format!(
                    "--property {given:?}: {common} must be a number from {smallest} to 4294967295 (never)"
                ));
            };
            if let Some(place) = place(&mut timing) {
                *place = number;
            }
        }
        let file = matches.get_one::<PathBuf>("file").cloned().unwrap_or_default();
        let source =
            if file.as_os_str() == "builtin" { Source::Builtin } else { Source::File(absolute(file)) };
        let text = |name: &str| matches.get_one::<String>(name).cloned().unwrap_or_default();
        let name = ResourceName::new(&text("name")).map_err(|error| error.to_string())?;
        let json = matches.get_flag("json") || !std::io::stdout().is_terminal();
        Ok(Request { source, type_name: text("type"), name, timing, properties, json })
    }
}

/// The loader searches for a name without a slash elsewhere.
pub(crate) fn absolute(file: PathBuf) -> PathBuf {
    std::path::absolute(&file).unwrap_or(file)
}

/// Runs `stead host`.
///
/// The resource DLL is hosted by a child process: if it crashes or hangs there, this one is left to say so.
#[must_use]
pub fn host_main(matches: &ArgMatches, builtin: &'static [Builtin]) -> ExitCode {
    let request = match Request::new(matches) {
        Ok(request) => request,
        Err(error) => {
            complain!("stead host: {error}");
            return ExitCode::from(2);
        }
    };
    let inherited: Option<Vec<String>> =
        matches.get_many::<String>("child").map(|values| values.cloned().collect());
    let done = match inherited.as_deref() {
        Some([board, start]) => {
            if let Err(error) = crate::privilege::give_up() {
                complain!("stead host: {error}");
            }
            let status = session::run(request, builtin, board, start).unwrap_or_else(|error| {
                complain!("stead host: {error}");
                1
            });
            session::farewell(board, status);
            Ok(ExitCode::from(status))
        }
        Some(_) | None => supervise(&request),
    };
    done.unwrap_or_else(|error| {
        complain!("stead host: {error}");
        ExitCode::FAILURE
    })
}

/// Starts the child, waits for it, and tells how it ended if it could not tell itself.
fn supervise(request: &Request) -> Result<ExitCode, Box<dyn std::error::Error>> {
    use std::os::fd::{AsFd, AsRawFd};
    use std::os::unix::process::ExitStatusExt;
    let board = Board::new()?;
    let start = now();
    let place = format!("/proc/{}/fd/{}", std::process::id(), board.as_fd().as_raw_fd());
    // What the resource DLL starts and leaves behind comes to us.
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // Ctrl-C reaches the child too, which ends in order; this process only must not die before it.
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    let mut child = Process::new("/proc/self/exe")
        .args(std::env::args_os().skip(1))
        .args(["--child", &place, &start.as_nanos().to_string()])
        .stdin(Stdio::inherit())
        .spawn()?;
    let told = Arc::new(AtomicBool::new(false));
    let (flag, pid) = (Arc::clone(&told), Pid::from_child(&child));
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for signal in signals.forever() {
            flag.store(true, Ordering::Relaxed);
            if signal == signal_hook::consts::SIGTERM {
                // Who tells us may not tell the child.
                let _ = kill_process(pid, Signal::TERM);
            }
        }
    })?;
    let status = child.wait()?;
    let printer = Printer::new(request.json, start);
    let left = end_descendants();
    if left > 0 {
        let text = format!("processes that were left behind and have been killed: {left}");
        printer.print(Line::log(now(), 1, &text));
    }
    if let Some(farewell) = board.said_farewell()? {
        printer.finish();
        return Ok(ExitCode::from(farewell));
    }
    if told.load(Ordering::Relaxed) {
        printer.finish();
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let signal = status.signal().unwrap_or(0);
    let calls = board.calls().unwrap_or_default();
    let inside = calls.iter().map(|call| call.entry).collect::<Vec<_>>().join(", ");
    let stuck = signal == Signal::KILL.as_raw() && calls.iter().any(|call| call.deadline <= now());
    let place = if inside.is_empty() { String::new() } else { format!(" inside {inside}") };
    let (rule, code, text) = if let Some(exit) = status.code() {
        let text = format!("the resource DLL ended its monitor with exit status {exit}{place}");
        ("exit", Code::ERROR_EXCEPTION_IN_RESOURCE_CALL, text)
    } else if stuck {
        let text = format!("{inside} exceeded DeadlockTimeout; the monitor was ended");
        ("deadlock", Code::ERROR_RESOURCE_CALL_TIMED_OUT, text)
    } else {
        let text = format!("the resource DLL killed its monitor with signal {signal}{place}");
        ("crash", Code::ERROR_EXCEPTION_IN_RESOURCE_CALL, text)
    };
    printer.print(Line::violation(now(), rule, &text, Some(code)));
    printer.finish();
    Ok(ExitCode::FAILURE)
}

/// Kills what is left of all that was started, and its children, until nothing is. How many they were.
pub(crate) fn end_descendants() -> u32 {
    let mut count = 0;
    // What is killed hands its children over; a program cannot fork faster than this looks for long.
    for _ in 0..10_000 {
        let mut children = Vec::new();
        for task in std::fs::read_dir("/proc/self/task").into_iter().flatten().flatten() {
            let text = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            children.extend(text.split_whitespace().filter_map(|word| Pid::from_raw(word.parse().ok()?)));
        }
        if children.is_empty() {
            break;
        }
        for child in &children {
            let _ = kill_process(*child, Signal::KILL);
        }
        // Never waited for one alone: what another traces is not gone before that one is.
        let mut gone = false;
        for child in children {
            if let Ok(Some((_, status))) = waitpid(Some(child), WaitOptions::NOHANG) {
                gone = true;
                // A zombie had ended by itself.
                count += u32::from(status.terminating_signal() == Some(Signal::KILL.as_raw()));
            }
        }
        if !gone {
            std::thread::park_timeout(std::time::Duration::from_millis(1));
        }
    }
    count
}

/// The exit status after Ctrl-C.
pub(crate) const INTERRUPTED: u8 = 130;

/// The instant the parent began, so that both count from it.
fn start_of(text: &str) -> Time {
    text.parse().map_or_else(|_| now(), Time::from_nanos)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_typed_as_they_are_written() {
        let text = |text: &str| Ok(PropertyValue::Text(text.to_owned()));
        let list =
            |items: &[&str]| Ok(PropertyValue::List(items.iter().map(|&item| item.to_owned()).collect()));
        assert_eq!(value("12"), Ok(PropertyValue::Number(12)));
        assert_eq!(value("\"12\""), text("12"));
        assert_eq!(value("hex:00ff"), Ok(PropertyValue::Bytes(vec![0, 255])));
        assert!(value("hex:0").is_err());
        assert_eq!(value(r#"["a", "b c"]"#), list(&["a", "b c"]));
        assert_eq!(value("[]"), list(&[]));
        assert_eq!(value("[a] or [b]"), text("[a] or [b]"));
    }
}
