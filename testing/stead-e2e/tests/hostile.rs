//! Resource DLLs that crash, hang, lie or report at the wrong time harm their own group only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::{Node, kill, probe, until};

/// A node with an innocent group, and a group with a scripted resource and a neighbour beside it.
fn node(scripts: &[(&str, &str)], common: &str) -> Node {
    let properties: Vec<String> =
        scripts.iter().map(|(entry, script)| format!("{entry} = {script:?}")).collect();
    let config = format!(
        r#"
[[type]]
name = "Probe"
dll = "{dll}"

[[group]]
name = "innocent"
[[group.resource]]
name = "innocent"
type = "Generic Application"
properties = {{ CommandLine = "sleep infinity" }}

[[group]]
name = "hostile"
[[group.resource]]
name = "neighbour"
type = "Generic Application"
common = {{ RestartDelay = 0 }}
properties = {{ CommandLine = "sleep infinity" }}
[[group.resource]]
name = "hostile"
type = "Probe"
common = {{ {common} }}
properties = {{ {properties} }}
"#,
        dll = probe().display(),
        properties = properties.join(", "),
    );
    let node = Node::up(&config);
    node.wait("innocent", "Online");
    node
}

/// The innocent group was not touched, and everything goes offline cleanly.
fn unharmed(mut node: Node) {
    let innocent = node.resource("innocent");
    assert_eq!(innocent["state"], "Online");
    let touched: Vec<String> = node
        .events()
        .into_iter()
        .filter(|text| text.contains("resource \"innocent\"") && !text.contains("Offline -> OnlinePending"))
        .collect();
    assert_eq!(touched, ["resource \"innocent\": OnlinePending -> Online"]);
    node.wait("neighbour", "Online");
    assert_eq!(node.end(), 0);
}

const ONCE: &str = "RestartDelay = 0, RestartThreshold = 1, RetryPeriodOnFailure = 4294967295";

#[test]
fn a_crash_in_online_is_isolated_and_given_up() {
    let node = node(&[("Online", "crash")], ONCE);
    let hostile = until("it is given up", || {
        let resource = node.resource("hostile");
        let why = resource["why"].as_str().unwrap_or_default();
        (resource["state"] == "Failed" && why.contains("used up")).then_some(resource)
    });
    assert_eq!(hostile["last_error"]["name"], "ERROR_EXCEPTION_IN_RESOURCE_CALL", "{hostile}");
    let lost: Vec<String> = node.events().into_iter().filter(|text| text.contains("was lost")).collect();
    assert_eq!(lost.len(), 2, "{lost:?}");
    assert!(
        lost[0].contains("Resource Monitor hostile was lost") && lost[0].contains("monitor of its own"),
        "{lost:?}"
    );
    assert!(lost[1].contains("Resource Monitor hostile/hostile was lost"), "isolated by now: {lost:?}");
    unharmed(node);
}

#[test]
fn a_call_past_its_deadline_costs_the_monitor_and_names_the_culprit() {
    let common = format!("{ONCE}, DeadlockTimeout = 1000");
    let node = node(&[("Online", "hang")], &common);
    let hostile = until("it is given up", || {
        let resource = node.resource("hostile");
        let why = resource["why"].as_str().unwrap_or_default();
        (resource["state"] == "Failed" && why.contains("used up")).then_some(resource)
    });
    assert_eq!(hostile["last_error"]["name"], "ERROR_RESOURCE_CALL_TIMED_OUT", "{hostile}");
    unharmed(node);
}

#[test]
fn an_exit_from_inside_is_a_lost_monitor() {
    let node = node(&[("Online", "return 0; sleep 100; exit 0")], ONCE);
    until("the monitor is lost", || node.events().iter().any(|text| text.contains("was lost")).then_some(()));
    unharmed(node);
}

#[test]
fn a_crash_of_a_worker_is_a_lost_monitor() {
    let node = node(&[("Online", "return 997; sleep 50; crash")], ONCE);
    until("the monitor is lost", || node.events().iter().any(|text| text.contains("was lost")).then_some(()));
    unharmed(node);
}

#[test]
fn a_hang_in_is_alive_is_found() {
    let common = format!("{ONCE}, DeadlockTimeout = 1000, IsAlivePollInterval = 100");
    let node = node(&[("IsAlive", "hang")], &common);
    until("the culprit is named", || {
        node.events()
            .iter()
            .any(|text| text.contains("DeadlockTimeout") || text.contains("5910"))
            .then_some(())
    });
    unharmed(node);
}

#[test]
fn a_hang_in_terminate_is_found() {
    let common = format!("{ONCE}, DeadlockTimeout = 1000");
    let node = node(&[("Online", "return 5"), ("Terminate", "hang")], &common);
    until("the monitor is lost", || node.events().iter().any(|text| text.contains("was lost")).then_some(()));
    unharmed(node);
}

#[test]
fn forged_handles_early_late_and_double_reports_change_nothing() {
    let script = "statusex 4 1; forged deadbeef 4; return 997; statusex 2 1; statusex 4 2; statusex 2 3; sleep 50; statusex 3 4";
    // The first report comes before 997 has come back and is held; it is a failure, so this one fails. It is not
    // restarted: a thread that is late would report about the next Online, and no report says which it is about.
    let node = node(&[("Online", script)], "RestartThreshold = 0, RetryPeriodOnFailure = 4294967295");
    until("it is given up", || (node.state("hostile") == "Failed").then_some(()));
    unharmed(node);
    let script =
        "return 997; forged deadbeef 4; statusex 2 1; statusex 4 2; statusex 2 3; sleep 50; statusex 3 4";
    let node = self::node(&[("Online", script)], ONCE);
    node.wait("hostile", "Online");
    until("the breach is in the history", || {
        node.events().iter().any(|text| text.contains("broke the rule")).then_some(())
    });
    assert_eq!(node.state("hostile"), "Online");
    unharmed(node);
}

#[test]
fn a_report_from_a_thread_after_close_is_nobodys() {
    let node = node(&[("Close", "return 0; sleep 100; statusex 4 1")], "");
    node.wait("hostile", "Online");
    node.ok(&["resource", "offline", "hostile"]);
    node.ok(&["resource", "delete", "hostile"]);
    until("the breach is in the history", || {
        node.events().iter().any(|text| text.contains("which no open resource has")).then_some(())
    });
    unharmed(node);
}

#[test]
fn a_flood_of_reports_slows_nobody() {
    let node = node(&[("Online", "return 997; flood 300000; statusex 2 300001")], "");
    node.wait("hostile", "Online");
    unharmed(node);
}

/// A file in a folder of its own, and the folder.
fn file() -> (tempfile::TempDir, String) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file").display().to_string();
    (folder, path)
}

#[test]
fn a_failed_open_says_why_every_time_and_may_succeed_later() {
    let (_folder, path) = file();
    let script = format!("unless {path}; lasterror 1234; return 1");
    let node = node(&[("Open", &script)], ONCE);
    let hostile = until("it is given up", || {
        let resource = node.resource("hostile");
        let why = resource["why"].as_str().unwrap_or_default();
        (resource["state"] == "Failed" && why.contains("used up")).then_some(resource)
    });
    assert_eq!(hostile["last_error"]["code"], 1234, "{hostile}");
    std::fs::write(&path, "").unwrap();
    node.ok(&["resource", "online", "hostile"]);
    assert_eq!(node.state("hostile"), "Online");
    unharmed(node);
}

#[test]
fn a_node_killed_while_an_open_fails_learns_of_it() {
    let (_folder, path) = file();
    let script = format!("unless {path}; sleep 1500; lasterror 1234; return 1");
    let mut node = node(&[("Open", &script)], "RestartDelay = 100, RestartThreshold = 100");
    let process = node.processes("node")[0];
    kill(process);
    until("another node answers", || node.processes("node").iter().any(|now| *now != process).then_some(()));
    until("the failure is known", || {
        let resource = node.run(&["status", "--json"]);
        let text = String::from_utf8_lossy(&resource.stdout).into_owned();
        text.contains("1234").then_some(())
    });
    std::fs::write(&path, "").unwrap();
    node.wait("hostile", "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_hang_in_startup_is_found_and_holds_nobody_up() {
    let folder = tempfile::tempdir().unwrap();
    let dll = folder.path().join("probe.so");
    std::fs::copy(probe(), &dll).unwrap();
    let config = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"good\"\n\
         type = \"Generic Application\"\nproperties = {{ CommandLine = \"sleep infinity\" }}\n\
         [[group.resource]]\nname = \"bad\"\ntype = \"Probe\"\npersistent_state = \"Offline\"\n\
         common = {{ {ONCE}, DeadlockTimeout = 1000 }}\n",
        dll.display()
    );
    let mut node = Node::up(&config);
    node.wait("good", "Online");
    let hang = folder.path().join("probe.so.hang");
    std::fs::write(&hang, "").unwrap();
    node.ok(&["resource", "online", "bad", "--no-wait"]);
    // While it hangs its neighbour in the same monitor can be used.
    node.ok(&["resource", "offline", "good"]);
    node.ok(&["resource", "online", "good"]);
    until("the culprit is named", || {
        let bad = node.resource("bad");
        (bad["last_error"]["name"] == "ERROR_RESOURCE_CALL_TIMED_OUT").then_some(())
    });
    std::fs::remove_file(&hang).unwrap();
    node.ok(&["resource", "online", "bad"]);
    assert_eq!((node.state("bad"), node.state("good")), ("Online".to_owned(), "Online".to_owned()));
    assert_eq!(node.end(), 0);
}

#[test]
fn a_flood_of_log_lines_is_cut_and_counted_and_slows_nobody() {
    let node = node(&[("Online", "return 997; shout 300000; statusex 2 1; shout 300000")], "");
    node.wait("hostile", "Online");
    until("the lines left out are counted", || {
        let log = std::fs::read_to_string(node.data().join("log/node.log")).unwrap_or_default();
        log.contains("lines were left out").then_some(())
    });
    let log = std::fs::metadata(node.data().join("log/node.log")).unwrap();
    assert!(log.len() < 4 << 20, "{} bytes of log", log.len());
    unharmed(node);
}

#[test]
fn an_event_handle_that_stays_signalled_is_left_to_the_polls() {
    let scripts = [("Online", "event; return 0; sleep 50; fire"), ("IsAlive", "log asked")];
    let node = node(&scripts, "LooksAlivePollInterval = 1000, IsAlivePollInterval = 4294967295");
    node.wait("hostile", "Online");
    let asked = || {
        let log = std::fs::read_to_string(node.data().join("log/node.log")).unwrap_or_default();
        log.matches("asked").count()
    };
    until("it was asked", || (asked() > 0).then_some(()));
    // Asked once for the event, and not again and again: what else goes on meanwhile takes a while.
    for _ in 0..20 {
        node.ok(&["resource", "restart", "neighbour"]);
    }
    assert!(asked() < 5, "IsAlive was called {} times", asked());
    unharmed(node);
}

#[test]
fn what_returns_after_terminate_is_not_the_answer_to_the_next_call() {
    let (_folder, path) = file();
    // The first Online ends well, but long after it was terminated.
    let online = format!("log went in; unless {path}; gate; sleep 500; log came out");
    let node = node(&[("Online", &online), ("Terminate", "log terminated")], "");
    let lines = || -> Vec<String> {
        let log = std::fs::read_to_string(node.data().join("log/node.log")).unwrap_or_default();
        let words = ["went in", "came out", "terminated"];
        let line =
            |line: &str| words.iter().find(|word| line.contains(**word)).map(|word| (*word).to_owned());
        log.lines().filter_map(line).collect()
    };
    until("it is inside", || (lines() == ["went in"]).then_some(()));
    node.ok(&["resource", "offline", "hostile", "--terminate"]);
    assert_eq!(node.state("hostile"), "Offline");
    std::fs::write(&path, "").unwrap();
    node.ok(&["resource", "online", "hostile"]);
    assert_eq!(node.state("hostile"), "Online");
    // What it may have started after Terminate had looked is terminated before the second call.
    assert_eq!(lines(), ["went in", "terminated", "came out", "terminated", "went in"]);
    unharmed(node);
}

#[test]
fn only_the_thread_that_crashed_is_blamed() {
    // The neighbour of the crash is inside IsAlive nearly all the time.
    let config = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n\
         [[group.resource]]\nname = \"asked\"\ntype = \"Probe\"\ncommon = {{ IsAlivePollInterval = 10 }}\n\
         properties = {{ IsAlive = \"sleep 200\" }}\n\
         [[group.resource]]\nname = \"crashes\"\ntype = \"Probe\"\ncommon = {{ {ONCE} }}\n\
         properties = {{ Online = \"return 997; statusex 2 1; sleep 300; crash\" }}\n",
        probe().display()
    );
    let mut node = Node::up(&config);
    // Twice nobody knows; then each is by itself, and it is known.
    let why = until("the culprit is given up", || {
        let why = node.resource("crashes")["why"].as_str().unwrap_or_default().to_owned();
        why.contains("used up").then_some(why)
    });
    assert!(why.contains("5930"), "{why}");
    node.wait("asked", "Online");
    let blamed: Vec<String> =
        node.events().into_iter().filter(|text| text.contains("resource \"asked\" failed")).collect();
    assert_eq!(blamed, [""; 0]);
    assert_eq!(node.end(), 0);
}

#[test]
fn a_type_that_does_not_load_is_refused_before_anything_changes() {
    let node = node(&[], "");
    let before = node.ok(&["config"]);
    for (dll, expected) in
        [("/no/such/file.so", "No such file"), ("/etc/passwd", "ELF"), ("/tmp", "directory")]
    {
        let config = format!("[[type]]\nname = \"Bad\"\ndll = \"{dll}\"\n");
        let output = node.apply(&config);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(5), "{text}");
        assert!(text.contains(expected) && text.contains("cluster.toml:3:7"), "{text}");
    }
    assert_eq!(node.ok(&["config"]), before);
    unharmed(node);
}
