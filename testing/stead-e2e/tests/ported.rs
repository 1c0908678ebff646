//! A resource DLL written from Windows' documentation alone compiles, links with the two libraries, keeps the contract,
//! and runs in a node.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};
use std::process::Command;

use stead_e2e::{Host, Node, alive, compile, kill, libraries, root, stead, until};

const TYPE: &str = "Ported Daemon";

fn source(name: &str) -> PathBuf {
    root().join("testing/stead-e2e/dll").join(name)
}

/// Compiled and linked as on Windows: with the libraries it names.
fn dll(folder: &Path) -> PathBuf {
    let place = format!("-L{}", libraries().display());
    compile(
        &source("ported.c"),
        folder,
        "ported.so",
        &[&place, "-Wl,--no-as-needed", "-lresutils", "-lclusapi"],
    )
}

fn config(dll: &Path, more: &str) -> String {
    format!(
        r#"
[[type]]
name = "{TYPE}"
dll = "{}"
[[group]]
name = "g"
[[group.resource]]
name = "app"
type = "Generic Application"
properties = {{ CommandLine = "sleep infinity" }}
[[group.resource]]
name = "daemon"
type = "{TYPE}"
depends_on = "[app]"
properties = {{ CommandLine = "/bin/sleep", Arguments = ["infinity"], WorkingDirectory = "%HOME%", Priority = 5, Cookie = {{ hex = "0102" }}{more} }}
"#,
        dll.display()
    )
}

#[test]
fn it_is_good_cpp_too() {
    let output = Command::new("c++")
        .args([
            "-x",
            "c++",
            "-Wall",
            "-Wextra",
            "-Werror",
            "-Wno-write-strings",
            "-fshort-wchar",
            "-fsyntax-only",
            "-I",
        ])
        .arg(root().join("resource/stead-resapi/include"))
        .arg(source("ported.c"))
        .output()
        .expect("a C++ compiler is needed: install g++");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn its_property_code_is_tested_by_a_program_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let program = folder.path().join("unit");
    let place = libraries();
    let output = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-fshort-wchar", "-I"])
        .arg(root().join("resource/stead-resapi/include"))
        .arg(source("ported_unit.c"))
        .arg(format!("-L{}", place.display()))
        .args(["-lresutils", "-lclusapi", "-o"])
        .arg(&program)
        .output()
        .expect("a C compiler is needed: install gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let output = Command::new(&program).env("LD_LIBRARY_PATH", place).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn it_keeps_the_contract() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(stead())
        .arg("verify")
        .arg(dll(folder.path()))
        .args(["--type", TYPE, "-p", "CommandLine=/bin/sleep", "-p", "Arguments=[\"infinity\"]"])
        .args(["--strict", "--cycles", "100"])
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_dll_main_that_refuses_makes_the_load_fail() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("refuses.c");
    let startup = "DWORD WINAPI Startup(LPCWSTR t, DWORD a, DWORD b, PSET_RESOURCE_STATUS_ROUTINE s, PLOG_EVENT_ROUTINE l,\n\
                   PCLRES_FUNCTION_TABLE *f)\n\
                   { (void)t; (void)a; (void)b; (void)s; (void)l; (void)f; return ERROR_REVISION_MISMATCH; }\n";
    let main = "BOOL WINAPI DllMain(HINSTANCE h, DWORD r, LPVOID p);\n\
                BOOL WINAPI DllMain(HINSTANCE h, DWORD r, LPVOID p) { return h == NULL || r != DLL_PROCESS_ATTACH || p != NULL; }\n";
    std::fs::write(&file, format!("#include <resapi.h>\n{main}{startup}")).unwrap();
    let trace = Host::new(&compile(&file, folder.path(), "refuses.so", &[]), "Refuses").run(&["open"]);
    let refused = trace.find("refused", |line| line["command"] == "load");
    assert_eq!(refused["name"], "ERROR_DLL_INIT_FAILED");
    assert!(refused["text"].as_str().unwrap().contains("refuses.so: its DllMain refused"), "{refused}");
}

#[test]
fn its_log_lines_and_event_reach_the_host() {
    let folder = tempfile::tempdir().unwrap();
    let trace = Host::new(&dll(folder.path()), TYPE)
        .property("CommandLine", "/bin/sleep")
        .property("Arguments", "[\"0.1\"]")
        .run(&[
            "open",
            "online",
            "wait Online 20",
            "wait Failed 20",
            "control get-ro-private-properties",
            "close",
        ]);
    let logged = |text: &str| trace.of("log").iter().any(|line| line["text"] == text);
    assert!(logged("Open: 'resource' opened, 1 in this process."), "the end of line is not text: {trace}");
    assert!(
        trace.of("log").iter().any(|line| line["text"].as_str().unwrap().ends_with("cookie 2 bytes.")),
        "{trace}"
    );
    assert_eq!(
        trace.states(),
        ["Offline", "OnlinePending", "Online", "Failed"],
        "the event says so, no poll"
    );
}

#[test]
fn it_runs_in_a_node_and_survives() {
    let folder = tempfile::tempdir().unwrap();
    let dll = dll(folder.path());
    let mut node = Node::up(&config(&dll, ""));
    node.wait("daemon", "Online");

    // What its property code refuses is refused before anything changes, and the property is named.
    let pid = node.pid("daemon");
    let refused = node.fails(5, &["resource", "set", "daemon", "--property", "StopTimeout=9000"]);
    assert!(refused.contains("daemon/properties/StopTimeout"), "{refused}");
    let refused = node.fails(5, &["resource", "set", "daemon", "--property", "CommandLine=sleep"]);
    assert!(refused.contains("'sleep' is not an absolute path."), "{refused}");
    // 5024: stored, and effective at the next online.
    node.ok(&["resource", "set", "daemon", "--property", "StopTimeout=4"]);
    assert_eq!(node.pid("daemon"), pid);
    until("the note", || node.resource("daemon")["why"].as_str()?.contains("next online").then_some(()));
    node.ok(&["resource", "restart", "daemon"]);
    let after = node.pid("daemon");
    assert_ne!(after, pid);

    // The daemon is killed: noticed by its event, long before a poll.
    kill(after);
    let next = until("it runs again", || node.resource("daemon")["pid"].as_u64().filter(|pid| *pid != after));
    node.wait("daemon", "Online");
    // The node: nothing happens to the daemon.
    kill(node.processes("node")[0]);
    node.wait("daemon", "Online");
    assert_eq!(node.pid("daemon"), next);
    // Its Resource Monitor: it is started again by another.
    kill(node.processes("monitor")[0]);
    until("it runs again", || node.resource("daemon")["pid"].as_u64().filter(|pid| *pid != next));
    node.wait("daemon", "Online");
    assert!(!alive(next));
    // Everything.
    assert_eq!(node.end(), 0);
    node.start(&[]);
    node.wait("daemon", "Online");
    assert_eq!(node.end(), 0);
}
