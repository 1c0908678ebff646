//! `stead verify`: one flaw, one rule; and what keeps the contract is told so.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Mutex;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use stead_e2e::{Host, compile, marked, root, stead, until};

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
fn run_flawed(library: &Path, flaw: &str, more: &[&str]) -> Output {
    let mut command = Command::new(stead());
    command.arg("verify").arg(library).args(["--type", "Flawed", "--property", "Number=5"]);
    command.args(["--property", "Text=hello", "--cycles", "60"]).args(more);
    command.env("FLAW", flaw).output().unwrap()
}

/// Each flaw, the one rule that it breaks, and the exit status, which tells how bad that is.
const FLAWS: &[(&str, &str, i32)] = &[
    ("any-type", "unknown-type-refused", 1),
    ("any-version", "version-negotiated", 1),
    ("short-table", "function-table", 1),
    ("no-is-alive", "function-table", 1),
    ("half-quorum", "arbitrate-with-release", 0),
    ("picky-open", "open-without-properties", 0),
    ("silent-open", "open-error-told", 0),
    ("no-report", "final-report", 1),
    ("flat-checkpoint", "checkpoint-rises", 0),
    ("chatty", "report-only-while-pending", 1),
    ("wrong-direction", "report-valid", 1),
    ("null-status", "report-valid", 1),
    ("global-handle", "report-own-handle", 1),
    ("deaf", "stop-when-told", 1),
    ("outlives-terminate", "quiet-after-terminate", 1),
    ("late-log", "quiet-after-close", 1),
    ("online-once", "online-again", 1),
    ("picky-online", "online-flags", 1),
    ("log-level", "log-event", 0),
    ("never-alive", "alive-when-online", 1),
    ("always-alive", "is-alive-notices", 1),
    ("looks-alive", "looks-alive-notices", 0),
    ("closed-event", "event-handle", 1),
    ("endless-news", "event-handle", 1),
    ("quiet-event", "event-handle-signals", 1),
    ("slow-looks", "looks-alive-quick", 0),
    ("slow-online", "quick-calls", 0),
    ("offline-leaves", "offline-stops", 1),
    ("terminate-leaves", "terminate-stops", 1),
    ("close-leaves", "close-stops", 1),
    ("picky-offline", "offline-flags", 1),
    ("no-destination", "offline-flags", 1),
    ("leaky-descriptor", "leak-descriptors", 1),
    ("unjoined", "leak-threads", 1),
    ("zombies", "leak-processes", 1),
    ("leaky-online", "leak-memory", 1),
    ("leaky-open", "leak-memory", 1),
    ("knows-all", "unknown-control", 1),
    ("wrong-answer", "short-buffer", 1),
    ("overrun", "buffer-overrun", 1),
    ("any-list", "malformed-list", 1),
    ("any-format", "wrong-type", 0),
    ("open-read-only", "read-only-property", 0),
    ("half-enum", "properties-agree", 0),
    ("forgets", "set-then-get", 1),
    ("deletes-when-asked", "question-harmless", 1),
    ("forgets-when-asked", "question-harmless", 1),
    ("hangs-when-asked", "calls-return", 1),
    ("pending-when-asked", "question-answered", 1),
    ("undecided", "question-answered", 1),
    ("endless-control", "control-ends", 1),
    ("crash", "process-survives", 1),
    ("exit-offline", "process-survives", 1),
    ("stuck-terminate", "calls-return", 1),
    ("one-at-a-time", "parallel-instances", 1),
    ("stays-inside", "unload", 0),
    ("forged-log", "report-own-handle", 1),
    ("late-write", "late-write", 1),
    ("moves-away", "process-unchanged", 1),
    ("takes-all", "process-unchanged", 1),
    ("no-more-files", "process-unchanged", 1),
    ("deaf-process", "process-unchanged", 1),
    ("stale-key", "key-handles", 1),
];

/// What a flaw may break besides, as it happens: who reports under another's handle may do so when that one is terminated.
const MAY_BREAK: [(&str, &str); 1] = [("global-handle", "quiet-after-terminate")];

/// So many runs at once: most of them wait most of the time.
const AT_ONCE: usize = 8;

/// What is wrong with what is said of a flaw.
fn breaks(library: &Path, (flaw, rule, exit): (&str, &str, i32)) -> Option<String> {
    let output = run_flawed(library, flaw, &["--seconds", "30", "--json"]);
    let Ok(report) = serde_json::from_slice::<Value>(&output.stdout) else {
        return Some(format!("{flaw} gave no report: {output:?}"));
    };
    let mut broken = rules(&report, "broken");
    broken.retain(|also| !MAY_BREAK.contains(&(flaw, *also)));
    if broken != [rule] || output.status.code() != Some(exit) {
        return Some(format!("{flaw} must break {rule} alone: {broken:?}, {}, {report:#}", output.status));
    }
    let found = report["rules"].as_array()?.iter().find(|found| found["id"] == rule)?;
    let breach = &found["breaches"][0];
    let told = breach["text"].as_str().is_some_and(|text| !text.is_empty())
        && breach["trace"].as_array().is_some_and(|trace| !trace.is_empty())
        && found["page"].as_str().is_some_and(|page| page.starts_with("https://"));
    (!told).then(|| format!("{flaw} is not told well: {found:#}"))
}

#[test]
fn each_flaw_breaks_its_rule_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let library = flawed(folder.path());
    let (left, wrong) = (Mutex::new(FLAWS.iter()), Mutex::new(Vec::new()));
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                loop {
                    let next = left.lock().unwrap().next();
                    let Some(case) = next else { break };
                    let found = breaks(&library, *case);
                    wrong.lock().unwrap().extend(found);
                }
            });
        }
    });
    let wrong = wrong.into_inner().unwrap();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_rule_has_a_flaw_that_breaks_it() {
    let list: Value = serde_json::from_slice(&verify(&["--list-rules", "--json"]).stdout).unwrap();
    for rule in list.as_array().unwrap() {
        let id = rule["id"].as_str().unwrap();
        assert!(FLAWS.iter().any(|(_, rule, _)| *rule == id), "no flaw breaks {id}");
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
    let folder = tempfile::tempdir().unwrap();
    let library = flawed(folder.path());
    let keeps_all = &|flaw: &str| {
        let output = run_flawed(&library, flaw, &["--json"]);
        assert_eq!(output.status.code(), Some(0), "{flaw}: {}", String::from_utf8_lossy(&output.stderr));
        let report = report(&output);
        assert_eq!(rules(&report, "broken"), [""; 0], "{report:#}");
        let missing = rules(&report, "not-reached");
        assert!(missing == ["control-ends"] || flaw == "asynchronous", "{missing:?}");
        assert!(flaw != "asynchronous" || rules(&report, "kept").contains(&"control-ends"), "{report:#}");
    };
    // One that goes for its parent is not taken for an interrupted run, nor harmless news for a failure. A panic of one
    // thread is one of the test.
    std::thread::scope(|scope| {
        for flaw in ["", "asynchronous", "kills-parent", "news"] {
            scope.spawn(move || keeps_all(flaw));
        }
    });
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
    let strict =
        run_flawed(Path::new(library), "half-quorum", &["--strict", "--rule", "arbitrate-with-release"]);
    assert_eq!(strict.status.code(), Some(1));
}

#[test]
fn the_report_of_a_broken_rule_tells_all_that_is_needed() {
    let folder = tempfile::tempdir().unwrap();
    let output = run_flawed(&flawed(folder.path()), "offline-leaves", &["--rule", "offline-stops"]);
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
    let arguments = ["--junit", file.to_str().unwrap(), "--json"];
    let output = run_flawed(&flawed(folder.path()), "forgets", &arguments);
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
fn a_workload_has_the_environment_that_the_run_was_given() {
    const NAME: &str = "GLIBC_TUNABLES";
    let folder = tempfile::tempdir().unwrap();
    let seen = folder.path().join("seen");
    let line = format!("CommandLine=sh -c 'env > {}; exec sleep 1000'", seen.display());
    for given in [None, Some("glibc.malloc.perturb=7")] {
        let mut command = Command::new(stead());
        command.args(["verify", "--builtin", "--type", "Generic Application", "--property", &line]);
        command.args(["--rule", "final-report"]).env_remove(NAME);
        if let Some(given) = given {
            command.env(NAME, given);
        }
        assert!(command.output().unwrap().status.success());
        let text = std::fs::read_to_string(&seen).unwrap();
        assert_eq!(text.lines().find_map(|line| line.strip_prefix(&format!("{NAME}="))), given);
    }
}

#[test]
fn a_constructor_that_hangs_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let source = folder.path().join("hangs.c");
    std::fs::write(
        &source,
        "#include <unistd.h>\n__attribute__((constructor)) static void hang(void) { for (;;) pause(); }\n",
    )
    .unwrap();
    let library = compile(&source, folder.path(), "hangs.so", &[]);
    let output =
        verify(&[library.to_str().unwrap(), "--type", "Hangs", "--seconds", "5", "--rule", "calls-return"]);
    let said = String::from_utf8_lossy(&output.stdout);
    assert!(said.contains("dlopen had not returned"), "{said}");
    assert_eq!(output.status.code(), Some(1));
}

/// What a resource DLL is told of the cluster around it, without the names that differ from run to run.
fn told(report: &Path, names: &[&str]) -> String {
    let text = std::fs::read_to_string(report).unwrap();
    names.iter().fold(text.to_lowercase(), |text, name| text.replace(name, "…"))
}

#[test]
fn a_resource_dll_is_told_of_the_same_cluster_as_by_stead_host() {
    let folder = tempfile::tempdir().unwrap();
    let library = compile(&root().join("testing/stead-e2e/dll/around.c"), folder.path(), "around.so", &[]);
    let (verified, hosted) = (folder.path().join("verified"), folder.path().join("hosted"));
    let property = format!("Report={}", verified.display());
    let output =
        verify(&[library.to_str().unwrap(), "--type", "Around", "-p", &property, "--rule", "final-report"]);
    assert_eq!(output.status.code(), Some(0), "{}", String::from_utf8_lossy(&output.stdout));
    let host = Host::new(&library, "Around").property("Report", hosted.to_str().unwrap());
    let trace = host.run(&["open", "online", "wait Online 20", "offline", "close"]);
    assert_eq!(trace.exit, Some(0), "{}", trace.errors);
    let text = std::fs::read_to_string(&verified).unwrap();
    let name = text.lines().find_map(|line| line.strip_prefix("enum 4 ")).unwrap();
    let wanted = "cluster 1 self 1\nstate 129 of group …\nenum 2 around\nenum 4 …\nenum 8 …\nnobody 0 5007\n\
                  own control inside online 1131\ntype with little room 234 14\ntype 0 around\nend\n";
    assert_eq!(told(&verified, &[name, "verify"]), wanted);
    assert_eq!(told(&hosted, &["host", "enum 4 resource"]).replace("…\nenum 8", "enum 4 …\nenum 8"), wanted);
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
