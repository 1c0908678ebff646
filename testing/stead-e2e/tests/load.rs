//! Resource DLLs that cannot be loaded: refused with the reason, never a crash.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};

use stead_e2e::{Host, Trace, compile, probe};

fn load(path: &Path) -> Trace {
    Host::new(path, "Probe").run(&["open", "close"])
}

/// Refused, with the file and the reason; the text.
fn refused(path: &Path, reason: &str) -> String {
    let trace = load(path);
    let refusal = trace.of("refused").first().map(|line| (*line).clone()).unwrap_or_default();
    let text = refusal["text"].as_str().unwrap_or_default().to_owned();
    assert_eq!(refusal["command"], "load", "{trace}");
    assert!(text.contains(path.file_name().unwrap().to_str().unwrap()), "{text:?} names no file: {trace}");
    assert!(text.contains(reason), "{text:?} does not say {reason:?}: {trace}");
    assert_eq!(trace.exit, Some(1), "{trace}");
    text
}

fn source(folder: &Path, name: &str, code: &str) -> PathBuf {
    let path = folder.join(format!("{name}.c"));
    let head = "#include <windows.h>\n#include <clusapi.h>\n#include <resapi.h>\n";
    std::fs::write(&path, format!("{head}{code}")).unwrap();
    compile(&path, folder, &format!("{name}.so"), &["-Wno-unused-parameter", "-Wno-error"])
}

const STARTUP: &str = "DWORD WINAPI Startup(LPCWSTR t, DWORD a, DWORD b, PSET_RESOURCE_STATUS_ROUTINE s, \
                       PLOG_EVENT_ROUTINE l, PCLRES_FUNCTION_TABLE *f)";

#[test]
fn a_missing_file() {
    let folder = tempfile::tempdir().unwrap();
    refused(&folder.path().join("absent.so"), "No such file");
}

#[test]
fn a_folder_a_fifo_and_a_device_are_no_files() {
    let folder = tempfile::tempdir().unwrap();
    refused(folder.path(), "");
    let fifo = folder.path().join("fifo.so");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        &fifo,
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
        0,
    )
    .unwrap();
    refused(&fifo, "");
    refused(Path::new("/dev/zero"), "");
}

#[test]
fn empty_text_and_truncated_files() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bad.so");
    std::fs::write(&path, "").unwrap();
    refused(&path, "");
    std::fs::write(&path, "#!/bin/sh\nexit 0\n").unwrap();
    refused(&path, "");
    let whole = std::fs::read(probe()).unwrap();
    for length in [4, 63, 64, 200, 1_000, 4_096] {
        std::fs::write(&path, &whole[..length]).unwrap();
        let trace = load(&path);
        assert_eq!(trace.exit, Some(1), "{length}: {trace}");
        assert!(!trace.of("refused").is_empty() || !trace.of("violation").is_empty(), "{length}: {trace}");
    }
}

#[test]
fn another_architecture() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("arch.so");
    let mut bytes = std::fs::read(probe()).unwrap();
    // e_machine of the ELF header: s390.
    bytes[18] = 22;
    bytes[19] = 0;
    std::fs::write(&path, bytes).unwrap();
    refused(&path, "");
}

#[test]
fn no_startup_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let text = refused(&source(folder.path(), "empty", "int Nothing(void) { return 0; }"), "Startup");
    assert!(text.contains("StartupEx"), "{text}");
}

#[test]
fn a_library_that_needs_what_is_not_there() {
    let folder = tempfile::tempdir().unwrap();
    let code = format!("extern int Absent(void);\n{STARTUP} {{ return Absent(); }}");
    refused(&source(folder.path(), "needs", &code), "Absent");
}

#[test]
fn startup_that_refuses() {
    let folder = tempfile::tempdir().unwrap();
    let code = format!("{STARTUP} {{ return ERROR_ACCESS_DENIED; }}");
    let trace = load(&source(folder.path(), "refuses", &code));
    assert_eq!(trace.of("refused")[0]["code"], 5, "{trace}");
}

#[test]
fn startup_that_crashes_is_told_and_ends_only_its_process() {
    let folder = tempfile::tempdir().unwrap();
    let code = format!("{STARTUP} {{ *(volatile int *)16 = 1; return 0; }}");
    let trace = load(&source(folder.path(), "crashes", &code));
    assert_eq!(trace.exit, Some(1), "{trace}");
    assert!(!trace.of("violation").is_empty(), "{trace}");
}

#[test]
fn tables_that_make_no_sense() {
    let folder = tempfile::tempdir().unwrap();
    let entries = "static RESID O(LPCWSTR n, HKEY k, RESOURCE_HANDLE h) { return (RESID)1; }\n\
                   static void V(RESID r) { }\n\
                   static DWORD On(RESID r, LPHANDLE e) { return 0; }\n\
                   static DWORD Of(RESID r) { return 0; }\n\
                   static BOOL A(RESID r) { return 1; }\n";
    let table = |size: &str, version: &str, online: &str| {
        format!(
            "{entries}static CLRES_FUNCTION_TABLE T = {{ {size}, {version}, {{ .V1Functions = {{ O, V, {online}, Of, \
             V, A, A, 0, 0, 0, 0 }} }} }};\n{STARTUP} {{ *f = &T; return 0; }}"
        )
    };
    let good = table("CLRES_V1_FUNCTION_SIZE", "CLRES_VERSION_V1_00", "On");
    let trace = load(&source(folder.path(), "good", &good));
    assert_eq!(trace.exit, Some(0), "the others differ from this one by one thing each: {trace}");
    let null = format!("{STARTUP} {{ *f = 0; return 0; }}");
    refused(&source(folder.path(), "null", &null), "table");
    refused(&source(folder.path(), "version", &table("CLRES_V1_FUNCTION_SIZE", "0x777", "On")), "version");
    refused(&source(folder.path(), "size", &table("3", "CLRES_VERSION_V1_00", "On")), "size");
    refused(
        &source(folder.path(), "missing", &table("CLRES_V1_FUNCTION_SIZE", "CLRES_VERSION_V1_00", "0")),
        "Online",
    );
}

#[test]
fn an_unknown_type_is_refused_by_the_dll() {
    let trace = Host::probe(&[]).of_type("Nonsense").run(&["open", "close"]);
    assert_eq!(trace.of("refused")[0]["name"], "ERROR_CLUSTER_RESNAME_NOT_FOUND", "{trace}");
}

#[test]
fn every_version_of_the_table_is_taken() {
    for (name, version, open, online) in [
        ("Probe 1", 0x100, "Open", "Online"),
        ("Probe 2", 0x200, "OpenV2", "OnlineV2"),
        ("Probe 3", 0x300, "OpenV2", "OnlineV2"),
        ("Probe 4", 0x400, "OpenV2", "OnlineV2"),
    ] {
        let trace = Host::probe(&[]).of_type(name).run(&[
            "open",
            "online",
            "wait Online 20",
            "offline",
            "wait Offline 20",
            "close",
        ]);
        assert_eq!(trace.exit, Some(0), "{name}: {trace}");
        assert_eq!(trace.calls("StartupEx")[0]["args"]["Version"], version, "{name}: {trace}");
        assert_eq!((trace.calls(open).len(), trace.calls(online).len()), (1, 1), "{name}: {trace}");
    }
}

#[test]
fn bad_command_lines_say_what_is_allowed() {
    for (property, expected) in [
        ("PendingTimeout", "NAME=VALUE"),
        ("PendingTimeout=5", "must be a number from 10"),
        ("DeadlockTimeout=x", "must be a number from 1000"),
    ] {
        let output = std::process::Command::new(stead_e2e::stead())
            .args(["host", probe().to_str().unwrap(), "--type", "Probe", "--property", property])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        let text =
            String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(!output.status.success() && text.contains(expected), "{property}: {text}");
    }
    for (command, expected) in [
        ("onlin", "allowed: open, online"),
        ("online sideways", "unknown flag"),
        ("wait Up", "Online"),
        ("control x", ""),
        ("offline --in-buffer 0", "hexadecimal"),
        ("sleep long", ""),
    ] {
        let trace = Host::probe(&[]).run(&["open", command, "close"]);
        let refused = trace.of("refused").first().map(|line| (*line).clone()).unwrap_or_default();
        assert!(refused["text"].as_str().unwrap_or_default().contains(expected), "{command}: {trace}");
        assert_eq!(trace.exit, Some(1), "{command}: {trace}");
    }
}
