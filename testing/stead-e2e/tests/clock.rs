//! The system clock takes part in no decision: what it jumps by changes nothing but the times that people read.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::time::{Duration, Instant};

use serde_json::Value;
use stead_e2e::{Node, compile, kill, root, until};

const YEAR_MS: u64 = 365 * 24 * 60 * 60 * 1_000;

const CONFIG: &str = r#"
[[group]]
name = "work"
[[group.resource]]
name = "work"
type = "Generic Application"
common = { LooksAlivePollInterval = 100, RestartDelay = 2000, RestartThreshold = 1, RetryPeriodOnFailure = 4294967295 }
properties = { CommandLine = "sleep infinity" }
"#;

#[test]
fn a_system_clock_that_jumps_by_years_moves_no_deadline_and_no_delay() {
    let folder = tempfile::tempdir().unwrap();
    let source = root().join("testing/stead-e2e/dll/jumping_clock.c");
    let library = compile(&source, folder.path(), "jumping_clock.so", &[]);
    let preload = library.display().to_string();
    let mut node = Node::up_under(CONFIG, &[], &[("LD_PRELOAD", &preload)]);
    node.wait("work", "Online");
    for kind in ["guardian", "node", "warden", "monitor"] {
        let processes = node.processes(kind);
        assert!(!processes.is_empty(), "there is no {kind}");
        for process in processes {
            let maps = std::fs::read_to_string(format!("/proc/{process}/maps")).unwrap();
            assert!(maps.contains("jumping_clock.so"), "the clock of the {kind} does not jump");
        }
    }
    // The delay is neither left out nor longer.
    let first = node.pid("work");
    let died = Instant::now();
    kill(first);
    let second = until("another process is there", || {
        let resource = node.resource("work");
        resource["pid"].as_u64().filter(|pid| *pid != first && resource["state"] == "Online")
    });
    assert!(died.elapsed() >= Duration::from_millis(2_000), "{:?}", died.elapsed());
    // A year ago in one reading of the clock, the first failure is inside the period all the same.
    kill(second);
    let resource = node.wait("work", "Failed");
    assert!(resource["why"].as_str().unwrap().contains("used up"), "{resource}");
    // People read what the clock says, and it did jump.
    let lines = node.ok(&["events", "--json", "--last", "10000"]);
    let times: Vec<u64> = lines
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["time_ms"].as_u64().unwrap())
        .collect();
    assert!(times.iter().max().unwrap() - times.iter().min().unwrap() > YEAR_MS, "{times:?}");
    assert_eq!(node.end(), 0);
}
