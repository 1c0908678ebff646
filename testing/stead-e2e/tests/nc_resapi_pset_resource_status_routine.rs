//! Windows: resapi/nc-resapi-pset_resource_status_routine, a test a sentence, with a real resource DLL.
//!
//! The DLL exports `Startup` alone, so that it is given this form of the callback.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::{Path, PathBuf};

use stead_e2e::{Host, Trace, compile, root};

struct Dll {
    _folder: tempfile::TempDir,
    path: PathBuf,
}

impl Dll {
    fn new() -> Dll {
        let folder = tempfile::tempdir().unwrap();
        let source: &Path = &root().join("testing/stead-e2e/dll/probe.c");
        let path = compile(source, folder.path(), "startup.so", &["-DONLY_STARTUP"]);
        Dll { _folder: folder, path }
    }

    fn run(&self, properties: &[(&str, &str)], commands: &[&str]) -> Trace {
        let host = Host::new(&self.path, "Probe");
        let host = properties.iter().fold(host, |host, (name, value)| host.property(name, value));
        host.run(commands)
    }
}

#[test]
fn it_is_called_to_update_the_status_of_a_resource() {
    let trace = Dll::new().run(
        &[("Online", "return 997; status 129 1; status 2 2")],
        &["open", "online", "wait Online 20", "terminate", "close"],
    );
    assert_eq!(trace.reports(), vec![(129, 0, true), (2, 0, true)], "{trace}");
    assert_eq!(trace.states()[..3], ["Offline", "OnlinePending", "Online"], "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn the_handle_is_the_one_of_open() {
    let trace = Dll::new().run(
        &[("Online", "return 997; status 2 1")],
        &["open", "online", "wait Online 20", "terminate", "close"],
    );
    let given = &trace.calls("Open")[0]["args"]["ResourceHandle"];
    let used = &trace.of("callback")[0]["args"]["ResourceHandle"];
    assert_eq!(given, used, "{trace}");
    // Any other is nobody's: answered Terminate, and nothing happens.
    let trace = Dll::new().run(
        &[("Online", "return 997; forged 7f0000001 2; status 129 1; status 2 2")],
        &["open", "online", "wait Online 20", "terminate", "close"],
    );
    assert_eq!(trace.reports()[0], (2, 1, false), "{trace}");
    assert_eq!(trace.of("violation")[0]["rule"], "unknown resource handle", "{trace}");
    assert_eq!(trace.exit, Some(1), "a forged handle breaks the contract: {trace}");
}

#[test]
fn the_structure_says_the_state() {
    for (number, name) in [(2, "Online"), (4, "Failed"), (3, "Failed")] {
        let script = format!("return 997; status {number} 1");
        let wait = format!("wait {name} 20");
        let trace = Dll::new().run(&[("Online", &script)], &["open", "online", &wait, "terminate", "close"]);
        assert_eq!(trace.states()[2], name, "{trace}");
    }
}

#[test]
fn continue_0_says_that_it_has_not_been_terminated_and_workers_may_go_on() {
    let trace = Dll::new().run(
        &[
            ("Online", "return 997; status 129 1; status 129 2; status 129 3; status 2 4"),
            ("Offline", "return 997; status 130 1; status 130 2; status 3 3"),
        ],
        &["open", "online", "wait Online 20", "offline", "wait Offline 20", "close"],
    );
    assert_eq!(trace.reports().len(), 7, "{trace}");
    assert!(trace.reports().iter().all(|(_, returned, accepted)| *returned == 0 && *accepted), "{trace}");
}

#[test]
fn terminate_1_says_that_it_has_been_terminated() {
    let trace = Dll::new().run(
        &[("Online", "return 997; gate; status 129 1; status 129 2; status 2 3")],
        &["open", "online", "sleep 100", "terminate", "wait Offline 20", "sleep 200", "close"],
    );
    assert_eq!(trace.reports().len(), 3, "{trace}");
    assert!(trace.reports().iter().all(|(_, returned, accepted)| *returned == 1 && !*accepted), "{trace}");
    assert!(!trace.states().contains(&"Online".to_owned()), "a late report changes nothing: {trace}");
}

#[test]
fn the_report_of_a_failure_is_answered_1_since_terminate_follows() {
    let trace = Dll::new().run(
        &[("Online", "return 997; sleep 50; status 4 1")],
        &["open", "online", "wait Failed 20", "close"],
    );
    assert_eq!(trace.reports(), vec![(4, 1, true)], "{trace}");
    let (failed, terminate) =
        (trace.find("state", |line| line["to"] == "Failed"), trace.calls("Terminate")[0]);
    assert!(
        Trace::at(failed) <= Trace::at(terminate),
        "Failed is reported before Terminate is called: {trace}"
    );
}

#[test]
fn it_is_called_after_the_entry_point_returned_io_pending() {
    // A worker may be faster than the return: its report waits for it.
    let trace = Dll::new().run(
        &[("Online", "status 129 1; status 2 2; sleep 50; return 997")],
        &["open", "online", "wait Online 20", "terminate", "close"],
    );
    let returned =
        Trace::at(trace.calls("Online")[0]) + trace.calls("Online")[0]["took_us"].as_u64().unwrap();
    let online = Trace::at(trace.find("state", |line| line["to"] == "Online"));
    assert!(online + 1_000 >= returned, "Online only once 997 has come back: {trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn it_must_not_be_called_at_any_other_time() {
    // A report from inside Online or Offline is the worker that was faster than the return.
    for (name, script) in [("Open", "status 2 1"), ("IsAlive", "status 4 1"), ("Terminate", "status 2 1")] {
        let trace = Dll::new().run(
            &[(name, script)],
            &[
                "open",
                "online",
                "wait Online 20",
                "is-alive",
                "sleep 200",
                "terminate",
                "wait Offline",
                "close",
            ],
        );
        let (_, returned, accepted) = trace.reports()[0];
        assert_eq!((returned, accepted), (1, false), "{name}: {trace}");
        assert!(trace.states().contains(&"Online".to_owned()), "{name}: {trace}");
    }
    let trace = Dll::new().run(
        &[("IsAlive", "status 4 1")],
        &["open", "online", "wait Online 20", "is-alive", "sleep 200", "terminate", "close"],
    );
    assert_eq!(trace.of("violation")[0]["rule"], "status while no operation is pending", "{trace}");
    assert_eq!(trace.exit, Some(1), "{trace}");
}

#[test]
fn the_pointer_is_passed_to_startup() {
    let trace = Dll::new()
        .run(&[("Online", "return 997; status 2 1")], &["open", "online", "wait Online 20", "terminate"]);
    assert_eq!(trace.calls("Startup").len(), 1, "{trace}");
    assert_eq!(trace.of("callback")[0]["name"], "SetResourceStatus", "{trace}");
}

#[test]
fn pending_reports_raise_the_checkpoint_and_restart_the_pending_timeout() {
    let script = "return 997; sleep 300; status 129 1; sleep 300; status 129 2; sleep 300; status 129 3; sleep 300; status 2 4";
    let trace = Dll::new().run(
        &[("Online", script), ("PendingTimeout", "600")],
        &["open", "online", "wait Online 20", "terminate", "close"],
    );
    assert_eq!(trace.exit, Some(0), "1.2 s with a timeout of 0.6 s, counted from the last report: {trace}");
}

#[test]
fn an_unchanged_checkpoint_is_no_progress() {
    let script = "return 997; sleep 150; status 129 1; sleep 150; status 129 1; sleep 150; status 129 1; sleep 5000; status 2 2";
    let trace = Dll::new().run(
        &[("Online", script), ("PendingTimeout", "400")],
        &["open", "online", "wait Failed 20", "close"],
    );
    assert_eq!(trace.reports()[..2], [(129, 0, true), (129, 0, false)], "{trace}");
    let failed = trace.find("state", |line| line["to"] == "Failed");
    assert_eq!(failed["name"], "ERROR_TIMEOUT", "{trace}");
    let first = Trace::at(trace.of("callback")[0]);
    assert!(Trace::at(failed) >= first + 400_000, "{trace}");
}

#[test]
fn the_wait_hint_is_of_no_account() {
    // The page says to raise it; resapi/ns-resapi-resource_status calls it unused.
    let trace = Dll::new().run(
        &[("Online", "return 997; status 129 1 600000; sleep 5000; status 2 2"), ("PendingTimeout", "300")],
        &["open", "online", "wait Failed 20", "close"],
    );
    assert_eq!(trace.find("state", |line| line["to"] == "Failed")["name"], "ERROR_TIMEOUT", "{trace}");
}

#[test]
fn it_is_called_until_the_resource_is_online_or_offline() {
    let trace = Dll::new().run(
        &[
            ("Online", "return 997; status 129 1; status 2 2; sleep 50; status 129 3"),
            ("Offline", "return 997; status 130 1; status 3 2; sleep 50; status 130 3"),
        ],
        &[
            "open",
            "online",
            "wait Online 20",
            "sleep 200",
            "offline",
            "wait Offline 20",
            "sleep 200",
            "close",
        ],
    );
    assert_eq!(trace.reports()[2], (129, 1, false), "after Online: {trace}");
    assert_eq!(trace.reports()[5], (130, 1, false), "after Offline: {trace}");
}

#[test]
fn or_until_the_pending_timeout_is_exceeded() {
    let trace = Dll::new().run(
        &[("Online", "return 997; gate; sleep 50; status 2 1"), ("PendingTimeout", "200")],
        &["open", "online", "wait Failed 20", "sleep 300", "close"],
    );
    assert_eq!(trace.calls("Terminate").len(), 1, "{trace}");
    assert_eq!(trace.reports(), vec![(2, 1, false)], "what comes after it is answered Terminate: {trace}");
    assert_eq!(trace.states().last().unwrap(), "Failed", "{trace}");
}

#[test]
fn there_is_no_need_to_report_the_pending_state_the_monitor_sets_it() {
    let trace = Dll::new().run(
        &[("Online", "return 997; sleep 100; status 2 1"), ("Offline", "return 997; sleep 100; status 3 1")],
        &[
            "open",
            "online",
            "wait OnlinePending 20",
            "wait Online 20",
            "offline",
            "wait OfflinePending 20",
            "wait Offline 20",
            "close",
        ],
    );
    assert_eq!(trace.exit, Some(0), "{trace}");
    assert_eq!(
        trace.states(),
        ["Offline", "OnlinePending", "Online", "OfflinePending", "Offline"],
        "{trace}"
    );
}
