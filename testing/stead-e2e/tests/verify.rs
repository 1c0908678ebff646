//! `stead verify`: one flaw, one rule; and what keeps the contract is told so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stead_e2e::{compile, marked, root, stead, until};

fn flawed(folder: &Path) -> PathBuf {
    compile(&root().join("testing/stead-e2e/dll/flawed.c"), folder, "flawed.so", &[])
}

fn verify(arguments: &[&str]) -> Output {
    Command::new(stead()).arg("verify").args(arguments).output().unwrap()
}

fn report(output: &Output) -> Value {
    serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|error| panic!("{error}: {}", String::from_utf8_lossy(&output.stderr)))
}

/// The rules with one verdict.
fn rules<'a>(report: &'a Value, verdict: &str) -> Vec<&'a str> {
    let rules = report["rules"].as_array().unwrap().iter();
    rules.filter(|rule| rule["verdict"] == verdict).map(|rule| rule["id"].as_str().unwrap()).collect()
}

/// A run on the DLL with a flaw, or without one.
fn run_flawed(flaw: &str, more: &[&str]) -> Output {
    let folder = tempfile::tempdir().unwrap();
    let library = flawed(folder.path());
    let mut command = Command::new(stead());
    command.arg("verify").arg(&library).args(["--type", "Flawed", "--property", "Number=5"]);
    command.args(["--property", "Text=hello", "--cycles", "120"]).args(more);
    command.env("FLAW", flaw).output().unwrap()
}

/// The flaw breaks exactly one rule, and the exit status tells how bad that is.
fn breaks(flaw: &str, rule: &str, exit: i32) {
    let output = run_flawed(flaw, &["--seconds", "30", "--json"]);
    let report = report(&output);
    assert_eq!(rules(&report, "broken"), [rule], "{report:#}");
    assert_eq!(output.status.code(), Some(exit), "{}", String::from_utf8_lossy(&output.stderr));
    let broken = report["rules"].as_array().unwrap().iter().find(|found| found["id"] == rule).unwrap();
    let breach = &broken["breaches"][0];
    assert!(!breach["text"].as_str().unwrap().is_empty() && !breach["trace"].as_array().unwrap().is_empty());
    assert!(broken["page"].as_str().unwrap().starts_with("https://"), "{broken}");
}

macro_rules! flaws {
    ($($name:ident: $flaw:literal breaks $rule:literal, exit $exit:literal;)+) => {
        $(#[test]
        fn $name() {
            breaks($flaw, $rule, $exit);
        })+

        const BROKEN: &[&str] = &[$($rule),+];
    };
}

flaws! {
    any_type: "any-type" breaks "unknown-type-refused", exit 1;
    any_version: "any-version" breaks "version-negotiated", exit 1;
    short_table: "short-table" breaks "function-table", exit 1;
    no_is_alive: "no-is-alive" breaks "function-table", exit 1;
    half_quorum: "half-quorum" breaks "arbitrate-with-release", exit 0;
    picky_open: "picky-open" breaks "open-without-properties", exit 0;
    silent_open: "silent-open" breaks "open-error-told", exit 0;
    no_report: "no-report" breaks "final-report", exit 1;
    flat_checkpoint: "flat-checkpoint" breaks "checkpoint-rises", exit 0;
    chatty: "chatty" breaks "report-only-while-pending", exit 1;
    wrong_direction: "wrong-direction" breaks "report-valid", exit 1;
    null_status: "null-status" breaks "report-valid", exit 1;
    global_handle: "global-handle" breaks "report-own-handle", exit 1;
    deaf: "deaf" breaks "stop-when-told", exit 1;
    outlives_terminate: "outlives-terminate" breaks "quiet-after-terminate", exit 1;
    late_log: "late-log" breaks "quiet-after-close", exit 1;
    online_once: "online-once" breaks "online-again", exit 1;
    picky_online: "picky-online" breaks "online-flags", exit 1;
    log_level: "log-level" breaks "log-event", exit 0;
    never_alive: "never-alive" breaks "alive-when-online", exit 1;
    always_alive: "always-alive" breaks "is-alive-notices", exit 1;
    looks_alive: "looks-alive" breaks "looks-alive-notices", exit 0;
    closed_event: "closed-event" breaks "event-handle", exit 1;
    quiet_event: "quiet-event" breaks "event-handle-signals", exit 1;
    slow_looks: "slow-looks" breaks "looks-alive-quick", exit 0;
    slow_online: "slow-online" breaks "quick-calls", exit 0;
    offline_leaves: "offline-leaves" breaks "offline-stops", exit 1;
    terminate_leaves: "terminate-leaves" breaks "terminate-stops", exit 1;
    close_leaves: "close-leaves" breaks "close-stops", exit 1;
    picky_offline: "picky-offline" breaks "offline-flags", exit 1;
    no_destination: "no-destination" breaks "offline-flags", exit 1;
    leaky_descriptor: "leaky-descriptor" breaks "leak-descriptors", exit 1;
    unjoined: "unjoined" breaks "leak-threads", exit 1;
    zombies: "zombies" breaks "leak-processes", exit 1;
    leaky_online: "leaky-online" breaks "leak-memory", exit 1;
    leaky_open: "leaky-open" breaks "leak-memory", exit 1;
    knows_all: "knows-all" breaks "unknown-control", exit 1;
    wrong_answer: "wrong-answer" breaks "short-buffer", exit 1;
    overrun: "overrun" breaks "buffer-overrun", exit 1;
    any_list: "any-list" breaks "malformed-list", exit 1;
    any_format: "any-format" breaks "wrong-type", exit 0;
    open_read_only: "open-read-only" breaks "read-only-property", exit 0;
    half_enum: "half-enum" breaks "properties-agree", exit 0;
    forgets: "forgets" breaks "set-then-get", exit 1;
    endless_control: "endless-control" breaks "control-ends", exit 1;
    crash: "crash" breaks "process-survives", exit 1;
    exit_offline: "exit-offline" breaks "process-survives", exit 1;
    stuck_terminate: "stuck-terminate" breaks "calls-return", exit 1;
    one_at_a_time: "one-at-a-time" breaks "parallel-instances", exit 1;
    stays_inside: "stays-inside" breaks "unload", exit 0;
}

#[test]
fn every_rule_has_a_flaw_that_breaks_it() {
    let list: Value = serde_json::from_slice(&verify(&["--list-rules", "--json"]).stdout).unwrap();
    for rule in list.as_array().unwrap() {
        let id = rule["id"].as_str().unwrap();
        assert!(BROKEN.contains(&id), "no flaw breaks {id}");
    }
}

/// Nothing is broken, not even advice, however often it is asked.
fn clean(arguments: &[&str], rounds: usize) {
    for _ in 0..rounds {
        let output = verify(&[arguments, &["--strict", "--cycles", "30", "--json"]].concat());
        let report = report(&output);
        assert_eq!(rules(&report, "broken"), [""; 0], "{report:#}");
        assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(report["subject"]["came_online"], true);
        assert!(rules(&report, "kept").len() >= 28, "{report:#}");
    }
}

#[test]
fn a_type_without_a_flaw_keeps_all() {
    for flaw in ["", "asynchronous"] {
        let report = report(&run_flawed(flaw, &["--json"]));
        assert_eq!(rules(&report, "broken"), [""; 0], "{report:#}");
        let missing = rules(&report, "not-reached");
        assert!(missing == ["control-ends"] || missing.is_empty() || flaw == "asynchronous", "{missing:?}");
        assert!(flaw.is_empty() || rules(&report, "kept").contains(&"control-ends"), "{report:#}");
    }
}

#[test]
fn the_c_example_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let library =
        compile(&root().join("examples/resource-c/heartbeat.c"), folder.path(), "heartbeat.so", &[]);
    let path = format!("Path={}", folder.path().join("beat").display());
    // The type is found by the name of the file.
    clean(&[library.to_str().unwrap(), "--property", &path, "--property", "Interval=20"], 3);
}

#[test]
fn the_rust_example_keeps_the_contract() {
    let library = stead().parent().unwrap().join("libresource_rust.so");
    if !library.exists() {
        let mut cargo = Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "resource-rust"]).current_dir(root());
        cargo.env("CARGO_TARGET_DIR", library.parent().unwrap().parent().unwrap());
        assert!(cargo.status().unwrap().success());
    }
    let port = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port();
    clean(&[library.to_str().unwrap(), "--type", "Greeter", "--property", &format!("Port={port}")], 3);
}

#[test]
fn generic_application_keeps_the_contract() {
    let line = "CommandLine=sleep 1000";
    clean(&["--builtin", "--type", "Generic Application", "--property", line], 3);
}

#[test]
fn generic_script_and_ocf_agent_keep_the_contract() {
    let script = format!("ScriptFilepath={}", root().join("examples/agents/spool.sh").display());
    clean(&["--builtin", "--type", "Generic Script", "--property", &script], 1);
    let folder = tempfile::tempdir().unwrap();
    let agents = folder.path().join("resource.d/heartbeat");
    std::fs::create_dir_all(&agents).unwrap();
    std::fs::copy(root().join("examples/agents/ticker"), agents.join("ticker")).unwrap();
    let place = format!("OcfRoot={}", folder.path().display());
    let state = format!("state={}", folder.path().join("ticks").display());
    let agent = ["--property", "Agent=ocf:heartbeat:ticker", "--property", &place, "--property", &state];
    clean(&[&["--builtin", "--type", "OCF Agent"], &agent[..]].concat(), 1);
}

#[test]
fn exit_codes_have_one_cause_each() {
    let folder = tempfile::tempdir().unwrap();
    let library = flawed(folder.path());
    let library = library.to_str().unwrap();
    let text = folder.path().join("text.so");
    std::fs::write(&text, "no library").unwrap();
    let code = |arguments: &[&str]| {
        let output = verify(arguments);
        (output.status.code().unwrap(), String::from_utf8_lossy(&output.stderr).into_owned())
    };
    for wrong in [
        vec![],
        vec![library, "--property", "novalue"],
        vec![library, "--seconds", "1"],
        vec![library, "--rule", "no-such-rule"],
        vec!["--builtin"],
    ] {
        assert_eq!(code(&wrong).0, 2, "{wrong:?}");
    }
    let (status, said) = code(&[text.to_str().unwrap()]);
    assert!(status == 3 && said.contains("not an ELF file"), "{status}: {said}");
    let (status, said) = code(&["/no/such/file.so"]);
    assert!(status == 3 && said.contains("/no/such/file.so"), "{status}: {said}");
    let (status, said) = code(&[library, "--type", "Another"]);
    assert!(status == 3 && said.contains("does not serve the resource type \"Another\""), "{status}: {said}");
    // It never comes online: a green light would be a lie.
    let (status, said) = code(&["--builtin", "--type", "Generic Application", "--seconds", "20"]);
    assert!(
        status == 3 && said.contains("never came online") && said.contains("CommandLine"),
        "{status}: {said}"
    );
    // Warnings count only where they are asked to.
    let strict = run_flawed("half-quorum", &["--strict", "--rule", "arbitrate-with-release"]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn the_report_of_a_broken_rule_tells_all_that_is_needed() {
    let output = run_flawed("offline-leaves", &["--rule", "offline-stops"]);
    let text = String::from_utf8(output.stdout).unwrap();
    for part in [
        "error offline-stops",
        "still ran",
        "Offline(instance 0) called",
        "fix:",
        "page: https://",
        "1 broken",
    ] {
        assert!(text.contains(part), "{part:?} is not in {text}");
    }
    // No colours where there is no terminal.
    assert!(!text.contains('\u{1b}'), "{text}");
}

#[test]
fn junit_is_well_formed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("report.xml");
    let output = run_flawed("forgets", &["--junit", file.to_str().unwrap(), "--json"]);
    let report = report(&output);
    let text = std::fs::read_to_string(&file).unwrap();
    let document = roxmltree::Document::parse(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    let count = |name: &str| document.descendants().filter(|node| node.has_tag_name(name)).count();
    assert_eq!(count("testcase"), report["rules"].as_array().unwrap().len());
    assert_eq!(count("failure"), 1);
    assert_eq!(count("skipped"), rules(&report, "not-reached").len());
    let suite = document.descendants().find(|node| node.has_tag_name("testsuite")).unwrap();
    assert_eq!(suite.attribute("failures"), Some("1"));
}

fn started(mark: &str, folder: &Path) -> std::process::Child {
    let library = flawed(folder);
    let child = Command::new(stead())
        .arg("verify")
        .arg(library)
        .args(["--property", "Number=5", "--property", "Text=hello"])
        .env("STEAD_TEST_MARK", mark)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    // The workload of a trial.
    let sleeping = |process: u64| {
        std::fs::read(format!("/proc/{process}/cmdline")).is_ok_and(|line| line.starts_with(b"sleep\0"))
    };
    until("a workload runs", || marked(mark).into_iter().any(sleeping).then_some(()));
    child
}

#[test]
fn an_interrupted_run_leaves_nothing() {
    for (signal, code) in [(Signal::INT, Some(130)), (Signal::TERM, Some(130)), (Signal::KILL, None)] {
        let folder = tempfile::tempdir().unwrap();
        let mark = folder.path().display().to_string();
        let mut child = started(&mark, folder.path());
        kill_process(Pid::from_child(&child), signal).unwrap();
        assert_eq!(child.wait().unwrap().code(), code);
        until("all is gone", || marked(&mark).is_empty().then_some(()));
    }
}

#[test]
fn a_run_leaves_nothing_whatever_the_dll_does() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().display().to_string();
    let library = flawed(folder.path());
    for flaw in ["close-leaves", "exit-offline"] {
        let output = Command::new(stead())
            .arg("verify")
            .arg(&library)
            .args(["--property", "Text=hello", "--cycles", "5"])
            .env("STEAD_TEST_MARK", &mark)
            .env("FLAW", flaw)
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(marked(&mark), [0; 0], "{flaw}");
    }
}

#[test]
fn the_book_has_every_rule() {
    let list: Value = serde_json::from_slice(&verify(&["--list-rules", "--json"]).stdout).unwrap();
    let mut table = String::from("| Rule | | What it says | Page |\n|---|---|---|---|\n");
    for rule in list.as_array().unwrap() {
        let part = |name: &str| rule[name].as_str().unwrap().to_owned();
        let page = part("page");
        let name = page.rsplit('/').next().unwrap();
        table +=
            &format!("| `{}` | {} | {} | [{name}]({page}) |\n", part("id"), part("severity"), part("title"));
    }
    let path = root().join("book/verify.md");
    let book = std::fs::read_to_string(&path).unwrap();
    let (before, rest) = book.split_once("<!-- rules -->\n").expect("the beginning of the table is marked");
    let (_, after) = rest.split_once("<!-- end of rules -->").expect("its end is marked");
    let wanted = format!("{before}<!-- rules -->\n{table}<!-- end of rules -->{after}");
    if std::env::var_os("UPDATE").is_some() {
        std::fs::write(&path, &wanted).unwrap();
    }
    assert!(
        book == wanted || std::env::var_os("UPDATE").is_some(),
        "book/verify.md is old; run with UPDATE=1"
    );
}
