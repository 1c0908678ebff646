//! Resource DLLs that crash, hang, lie or report at the wrong time harm their own group only.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::{Node, probe, until};

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
    // The first report comes before 997 has come back and is held; it is a failure, so this one fails.
    let node = node(&[("Online", script)], ONCE);
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
