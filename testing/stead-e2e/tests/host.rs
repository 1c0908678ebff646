//! `stead host` is left alone by what it hosts: its output, its exit code, its end.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stead_e2e::{Host, compile, marked, probe, stead};

#[test]
fn what_a_dll_prints_is_no_line_of_the_output() {
    // Every line of standard output was JSON, or the run could not have been read.
    let trace = Host::probe(&[("Online", "print")]).run(&["open", "online", "is-alive", "offline", "close"]);
    assert_eq!(trace.exit, Some(0), "{trace}");
    assert!(trace.errors.contains("not a line of the monitor"), "{}", trace.errors);
}

#[test]
fn a_dll_that_exits_breaks_the_contract_whatever_its_status() {
    for status in [0, 3] {
        let trace = Host::probe(&[("Online", &format!("exit {status}"))]).run(&["open", "online", "close"]);
        assert_eq!(trace.exit, Some(1), "{trace}");
        let violation = trace.find("violation", |line| line["rule"] == "exit");
        let text = violation["text"].as_str().unwrap();
        assert!(text.contains(&format!("exit status {status} inside Online")), "{text}");
    }
}

#[test]
fn what_a_dll_leaves_behind_is_ended_and_told() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().display().to_string();
    let host = Host::probe(&[("Online", "fork"), ("Unused", &mark)]);
    let trace = host.run(&["open", "online", "offline", "close"]);
    let line =
        trace.find("log", |line| line["text"].as_str().is_some_and(|text| text.contains("left behind")));
    assert!(line["text"].as_str().unwrap().ends_with(": 1"), "{line}");
    assert_eq!(trace.exit, Some(0), "{trace}");
    assert_eq!(marked(&mark), Vec::<u64>::new());
}

#[test]
fn the_end_of_the_input_does_not_interrupt_the_last_call() {
    let trace = Host::probe(&[("Online", "sleep 300")]).run(&["open", "online"]);
    assert_eq!(trace.calls("OnlineV2").len(), 1, "{trace}");
    assert_eq!(trace.calls("OnlineV2")[0]["returned"], 0, "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn a_hang_while_loading_ends_with_deadlock_timeout() {
    let folder = tempfile::tempdir().unwrap();
    let library = folder.path().join("probe.so");
    std::fs::copy(probe(), &library).unwrap();
    std::fs::write(folder.path().join("probe.so.hang"), "").unwrap();
    let trace = Host::new(&library, "Probe").property("DeadlockTimeout", "1000").run(&["open"]);
    let violation = trace.find("violation", |line| line["rule"] == "deadlock");
    assert!(violation["text"].as_str().unwrap().contains("Startup"), "{trace}");
    assert_eq!(trace.exit, Some(1), "{trace}");
}

#[test]
fn a_signal_ends_it_also_while_a_call_hangs() {
    let mut child = Command::new(stead())
        .arg("host")
        .arg(probe())
        .args(["--type", "Probe", "--property", "Online=hang"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = child.stdin.take().unwrap();
    std::io::Write::write_all(&mut input, b"open\nonline\n").unwrap();
    let mut output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    while !line.contains("OnlinePending") {
        line.clear();
        assert!(std::io::BufRead::read_line(&mut output, &mut line).unwrap() > 0, "it is inside Online");
    }
    let process = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(process, rustix::process::Signal::TERM).unwrap();
    let began = Instant::now();
    assert_eq!(child.wait().unwrap().code(), Some(130));
    assert!(began.elapsed() < Duration::from_secs(30), "it hung with the call");
    drop(input);
}

#[test]
fn the_header_alone_compiles_as_c() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("empty.c");
    std::fs::write(&source, "#include <resapi.h>\n#include <clusapi.h>\n#include <windows.h>\nint unused;\n")
        .unwrap();
    compile(&source, folder.path(), "empty.so", &[]);
}
