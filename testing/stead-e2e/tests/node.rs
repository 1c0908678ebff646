//! Whole nodes, as operators use them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeMap;

use serde_json::Value;
use stead_e2e::{Node, alive, kill, probe, root, until};

const TWO: &str = r#"
[[group]]
name = "a"
[[group.resource]]
name = "first"
type = "Generic Application"
common = { RestartDelay = 0 }
properties = { CommandLine = "sleep infinity" }
[[group.resource]]
name = "second"
type = "Generic Application"
depends_on = "[first]"
common = { RestartDelay = 0 }
properties = { CommandLine = "sleep infinity" }

[[group]]
name = "b"
[[group.resource]]
name = "other"
type = "Generic Application"
common = { RestartDelay = 0 }
properties = { CommandLine = "sleep infinity" }
"#;

fn up(config: &str, resources: &[&str]) -> Node {
    let node = Node::up(config);
    for resource in resources {
        node.wait(resource, "Online");
    }
    node
}

fn two() -> Node {
    up(TWO, &["first", "second", "other"])
}

fn pids(node: &Node) -> BTreeMap<&'static str, u64> {
    ["first", "second", "other"].into_iter().map(|name| (name, node.pid(name))).collect()
}

/// Where a text stands in the history.
fn position(events: &[String], text: &str) -> usize {
    events
        .iter()
        .position(|event| event.contains(text))
        .unwrap_or_else(|| panic!("no {text:?} in {events:?}"))
}

#[test]
fn the_quickstart_comes_online_in_order_and_goes_offline_in_order() {
    let text = std::fs::read_to_string(root().join("examples/quickstart.toml")).unwrap();
    let folder = root().join("examples").display().to_string();
    let mut node =
        up(&text.replace("${CONFIG_DIR}", &folder), &["spool", "feed-a", "feed-b", "site", "ticker"]);
    let status = node.status();
    let groups: Vec<&str> =
        status["groups"].as_array().unwrap().iter().map(|group| group["state"].as_str().unwrap()).collect();
    assert_eq!(groups, ["Online", "Online"], "{status}");
    let events = node.events();
    let online = |name: &str| position(&events, &format!("resource \"{name}\": OnlinePending -> Online"));
    let begun = |name: &str| position(&events, &format!("resource \"{name}\": Offline -> OnlinePending"));
    assert!(online("spool") < begun("feed-a") && online("spool") < begun("feed-b"));
    assert!(online("feed-a").min(online("feed-b")) < begun("site"));
    assert_eq!(node.end(), 0);
    let said = node.said();
    let lines: Vec<String> = said.lines().map(str::to_owned).collect();
    assert!(
        position(&lines, "\"site\": OfflinePending -> Offline")
            < position(&lines, "\"feed-b\": Online -> OfflinePending"),
        "{said}"
    );
    assert!(
        position(&lines, "\"feed-a\": OfflinePending -> Offline")
            < position(&lines, "\"spool\": Online -> OfflinePending"),
        "{said}"
    );
}

#[test]
fn one_provider_of_an_or_is_enough() {
    let config = r#"
[[group]]
name = "g"
[[group.resource]]
name = "a"
type = "Generic Application"
common = { RestartAction = 0 }
properties = { CommandLine = "sleep infinity" }
[[group.resource]]
name = "b"
type = "Generic Application"
properties = { CommandLine = "sleep infinity" }
[[group.resource]]
name = "c"
type = "Generic Application"
depends_on = "[a] or [b]"
properties = { CommandLine = "sleep infinity" }
"#;
    let mut node = up(config, &["a", "b", "c"]);
    let c = node.pid("c");
    kill(node.pid("a"));
    node.wait("a", "Failed");
    assert_eq!((node.pid("c"), node.state("c")), (c, "Online".to_owned()), "b carries it");
    let group = &node.status()["groups"][0];
    assert_eq!(group["state"], "Failed", "{group}");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_killed_process_is_replaced_and_its_dependents_with_it() {
    let mut node = two();
    let before = pids(&node);
    kill(before["first"]);
    let after = until("both are replaced", || {
        let first = node.resource("first");
        let second = node.resource("second");
        let new = |resource: &Value, name: &str| {
            resource["state"] == "Online" && resource["pid"].as_u64().is_some_and(|pid| pid != before[name])
        };
        (new(&first, "first") && new(&second, "second")).then(|| pids(&node))
    });
    assert_eq!(after["other"], before["other"], "another group is not concerned");
    assert!(node.events().iter().any(|text| text.contains("resource \"first\" failed")));
    assert_eq!(node.end(), 0);
}

#[test]
fn a_killed_node_process_costs_no_resource_a_moment() {
    let mut node = two();
    let before = pids(&node);
    for round in 1..=3 {
        kill(node.processes("node")[0]);
        until("the node is back", || {
            let status = node.run(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&status.stdout).ok()?;
            (status["nodes"][0]["restarts"] == round).then_some(())
        });
        assert_eq!(pids(&node), before, "adopted, not touched");
    }
    // It is in charge again.
    kill(before["other"]);
    until("other is replaced", || {
        node.resource("other")["pid"].as_u64().filter(|process| *process != before["other"]).map(drop)
    });
    assert_eq!(node.end(), 0);
}

#[test]
fn a_node_process_killed_in_the_middle_of_things_loses_no_wish() {
    let config = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"slow\"\ntype = \"Probe\"\n\
         properties = {{ Online = \"return 997; statusex 129 1; sleep 1500; statusex 2 2\" }}\n",
        probe().display()
    );
    let mut node = Node::up(&config);
    node.wait("slow", "OnlinePending");
    kill(node.processes("node")[0]);
    node.wait("slow", "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_stopped_monitor_has_died() {
    let mut node = two();
    let monitors = node.processes("monitor");
    let before = pids(&node);
    for monitor in &monitors {
        let monitor = rustix::process::Pid::from_raw(i32::try_from(*monitor).unwrap()).unwrap();
        rustix::process::kill_process(monitor, rustix::process::Signal::STOP).unwrap();
    }
    until("others run", || {
        let running = node.processes("monitor");
        (running.len() == monitors.len() && running.iter().all(|now| !monitors.contains(now))).then_some(())
    });
    for name in before.keys() {
        node.wait(name, "Online");
    }
    assert!(node.events().iter().any(|text| text.contains("a signal had stopped it")), "{:?}", node.events());
    assert_eq!(node.end(), 0);
}

#[test]
fn a_killed_monitor_takes_its_own_processes_and_comes_back() {
    let mut node = two();
    let before = pids(&node);
    let monitor = |name: &str| {
        let monitors = node.processes("monitor");
        let of = |process: &&u64| {
            let line = std::fs::read_to_string(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.contains(&format!("--name\0{name}\0"))
        };
        *monitors.iter().find(of).unwrap_or_else(|| panic!("no monitor of {name}"))
    };
    kill(monitor("a"));
    until("a is back", || {
        let new = |name: &str| {
            let resource = node.resource(name);
            resource["state"] == "Online" && resource["pid"].as_u64().is_some_and(|pid| pid != before[name])
        };
        (new("first") && new("second")).then_some(())
    });
    assert!(!alive(before["first"]) && !alive(before["second"]));
    assert_eq!(node.pid("other"), before["other"]);
    assert_eq!(node.end(), 0);
}

#[test]
fn a_killed_warden_takes_everything_behind_it_and_comes_back() {
    let mut node = two();
    let before = pids(&node);
    for warden in node.processes("warden") {
        kill(warden);
    }
    until("everything is back", || {
        let new = |name: &str| {
            let resource = node.resource(name);
            resource["state"] == "Online" && resource["pid"].as_u64().is_some_and(|pid| pid != before[name])
        };
        (new("first") && new("second") && new("other")).then_some(())
    });
    assert!(before.values().all(|process| !alive(*process)));
    assert_eq!(node.end(), 0);
}

#[test]
fn a_killed_guardian_leaves_no_orphan_and_comes_back() {
    for containment in ["auto", "subreaper"] {
        let mut node = Node::up_with(TWO, &["--containment", containment]);
        for name in ["first", "second", "other"] {
            node.wait(name, "Online");
        }
        let before = node.everything();
        kill(node.processes("guardian")[0]);
        until("everything of before is gone", || before.iter().all(|process| !alive(*process)).then_some(()));
        until("everything is back", || {
            let status = node.run(&["status", "--json"]);
            let status: Value = serde_json::from_slice(&status.stdout).ok()?;
            let groups = status["groups"].as_array()?;
            (groups.len() == 2 && groups.iter().all(|group| group["state"] == "Online")).then_some(())
        });
        assert_eq!(node.end(), 0);
    }
}

#[test]
fn when_stead_up_itself_is_killed_everything_goes_offline() {
    let mut node = two();
    let everything = node.everything();
    node.kill_up();
    until("everything is gone", || everything.iter().all(|process| !alive(*process)).then_some(()));
    // And may be started again, with what was stored.
    node.start(&[]);
    node.wait("second", "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn wishes_survive_a_restart() {
    let mut node = two();
    assert_eq!(node.ok(&["group", "offline", "b"]).trim(), "Offline");
    node.ok(&["resource", "offline", "second"]);
    assert_eq!(node.end(), 0);
    node.start(&[]);
    node.wait("first", "Online");
    assert_eq!((node.state("second"), node.state("other")), ("Offline".to_owned(), "Offline".to_owned()));
    // One that is not to be remembered is not.
    node.ok(&["group", "online", "b"]);
    node.ok(&["group", "offline", "b", "--keep-persistent-state"]);
    assert_eq!(node.state("other"), "Offline");
    assert_eq!(node.end(), 0);
    node.start(&[]);
    node.wait("other", "Online");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_locked_resource_is_refused_by_name_and_number_and_forced() {
    let config = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"db\"\ntype = \"Probe\"\n\
         properties = {{ Online = \"lock 1\" }}\n",
        probe().display()
    );
    let mut node = up(&config, &["db"]);
    until("it is locked", || (node.resource("db")["locked"] == true).then_some(()));
    let said = node.fails(3, &["resource", "offline", "db"]);
    assert!(
        said.contains("resource \"db\": offline refused: ERROR_CLUSTER_RESOURCE_LOCKED_STATUS (5960)"),
        "{said}"
    );
    node.fails(3, &["group", "offline", "g"]);
    assert_eq!(node.state("db"), "Online");
    node.ok(&["resource", "offline", "db", "--force"]);
    assert_eq!(node.state("db"), "Offline");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_delayed_offline_fails_is_queued_or_is_cancelled() {
    let config = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"db\"\ntype = \"Probe\"\n\
         properties = {{ Offline = \"return 997; statusex 2 1 0 1\" }}\n",
        probe().display()
    );
    let mut node = up(&config, &["db"]);
    let said = node.fails(1, &["resource", "offline", "db"]);
    assert!(said.contains("ERROR_CLUSTER_RESOURCE_VETOED_CALL (5955)"), "{said}");
    assert_eq!(node.state("db"), "Online");
    node.ok(&["group", "offline", "g", "--queue", "--no-wait"]);
    until("it is queued", || {
        let group = node.status()["groups"][0].clone();
        group["operation"].as_str().is_some_and(|operation| operation.contains("queued")).then_some(())
    });
    let said = node.fails(3, &["group", "online", "g"]);
    assert!(said.contains("5959"), "{said}");
    node.ok(&["group", "cancel", "g"]);
    until("it is no longer queued", || node.status()["groups"][0]["operation"].is_null().then_some(()));
    assert_eq!(node.state("db"), "Online");
    node.ok(&["group", "offline", "g", "--terminate"]);
    assert_eq!(node.state("db"), "Offline");
    assert_eq!(node.end(), 0);
}

#[test]
fn bad_configurations_are_refused_with_file_line_and_what_is_allowed() {
    let mut node = two();
    let before = node.ok(&["config"]);
    let group = "[[group]]\nname = \"c\"\n[[group.resource]]\nname = \"x\"\n";
    let app = "type = \"Generic Application\"\n";
    let cases = [
        (format!("{group}typ = \"T\"\n"), "cluster.toml:5:1: unknown key \"typ\""),
        (format!("{group}type = \"Generic Aplication\"\n"), "cluster.toml:5:8: unknown resource type"),
        (format!("{group}{app}properties = {{ CommandLne = \"x\" }}\n"), "CommandLne"),
        (format!("{group}{app}properties = {{ CommandLine = 5 }}\n"), "cluster.toml:6:30"),
        (format!("{group}{app}"), "CommandLine"),
        (
            format!("{group}{app}depends_on = \"[x]\"\nproperties = {{ CommandLine = \"true\" }}\n"),
            "depends on itself",
        ),
        (
            format!("{group}{app}depends_on = \"[other]\"\nproperties = {{ CommandLine = \"true\" }}\n"),
            "cluster.toml:6:14: [other] is in group \"b\"",
        ),
        (
            format!(
                "{group}{app}common = {{ PendingTimeout = 1 }}\nproperties = {{ CommandLine = \"true\" }}\n"
            ),
            "PendingTimeout is 1; it must be from 10",
        ),
        (
            format!("{group}{app}properties = {{ CommandLine = \"true\", StopSignal = \"NONSENSE\" }}\n"),
            "StopSignal",
        ),
        ("[[group]]\nname = \"a/b\"\n".to_owned(), "cluster.toml:2:8: \"a/b\" is no group name"),
        ("[[group]]\nname = \"c\"\nname = \"d\"\n".to_owned(), "cluster.toml:3:1"),
        ("[[group]\n".to_owned(), "cluster.toml:1:"),
        (
            format!(
                "[[group]]\nname = \"c\"\n[[group.resource]]\nname = \"other\"\n{app}properties = {{ CommandLine = \"true\" }}\n"
            ),
            "names are unique in the cluster",
        ),
    ];
    for (config, expected) in cases {
        for arguments in [&["apply"][..], &["apply", "--dry-run"]] {
            std::fs::write(node.config(), &config).unwrap();
            let file = node.config().display().to_string();
            let said = node.fails(5, &[arguments, &[&file]].concat());
            assert!(said.contains(expected), "{expected:?} is not in:\n{said}\nfor\n{config}");
        }
    }
    assert_eq!(node.ok(&["config"]), before, "nothing was changed");
    let said = node.fails(5, &["apply", "/no/such/file.toml"]);
    assert!(said.contains("/no/such/file.toml"), "{said}");
    assert_eq!(node.end(), 0);
}

#[test]
fn applying_is_idempotent_and_a_dry_run_changes_nothing() {
    let mut node = two();
    let (before, processes) = (node.ok(&["config"]), pids(&node));
    let output = node.apply(TWO);
    assert!(output.status.success());
    assert!(String::from_utf8_lossy(&output.stderr).contains("nothing to change"));
    let changed = TWO.replace("[first]\"", "[first]\"\npersistent_state = \"Online\"");
    std::fs::write(node.config(), changed.replacen("sleep infinity", "sleep 7777", 1)).unwrap();
    let file = node.config().display().to_string();
    let output = node.run(&["apply", "--dry-run", &file]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(said.contains("CommandLine \"sleep infinity\" -> \"sleep 7777\""), "{said}");
    assert_eq!((node.ok(&["config"]), pids(&node)), (before, processes));
    // What is no longer named is deleted only when asked.
    let only_a = TWO.split("[[group]]\nname = \"b\"").next().unwrap();
    assert!(node.apply(only_a).status.success());
    assert_eq!(node.status()["groups"].as_array().unwrap().len(), 2);
    node.ok(&["apply", "--prune", &file]);
    assert_eq!(node.status()["groups"].as_array().unwrap().len(), 1);
    assert_eq!(node.end(), 0);
}

#[test]
fn restarts_are_counted_and_the_group_says_why_it_stays_failed() {
    let config = r#"
[[group]]
name = "g"
[[group.resource]]
name = "bad"
type = "Generic Application"
common = { RestartDelay = 0, RestartThreshold = 2 }
properties = { CommandLine = "sh -c 'sleep 0.05; exit 3'" }
"#;
    let mut node = Node::up(config);
    let bad = until("restarts are used up", || {
        let bad = node.resource("bad");
        bad["why"].as_str().unwrap_or_default().contains("used up").then_some(bad)
    });
    assert_eq!(bad["state"], "Failed");
    let failures = node.events().iter().filter(|text| text.contains("resource \"bad\" failed")).count();
    assert_eq!(failures, 3, "two restarts, then the end");
    let explained = node.ok(&["explain", "g"]);
    assert!(explained.contains("2 restarts within 900 s are used up"), "{explained}");
    assert!(explained.contains("failover threshold is 0"), "{explained}");
    assert!(bad["next_attempt_in_ms"].as_u64().unwrap() > 3_500_000, "RetryPeriodOnFailure: {bad}");
    assert_eq!(node.end(), 0);
}

#[test]
fn maintenance_and_embedded_failures() {
    let config = format!(
        "[[type]]\nname = \"Probe\"\ndll = \"{}\"\n[[group]]\nname = \"g\"\n[[group.resource]]\nname = \"db\"\ntype = \"Probe\"\n\
         properties = {{ Online = \"return 0; sleep 300; signal 1 99\" }}\n[[group.resource]]\nname = \"app\"\n\
         type = \"Generic Application\"\ncommon = {{ IsAlivePollInterval = 50, LooksAlivePollInterval = 50 }}\n\
         properties = {{ CommandLine = \"sleep infinity\" }}\n",
        probe().display()
    );
    let mut node = up(&config, &["db", "app"]);
    until("the embedded failure was recovered", || {
        let events = node.events();
        let failed = events.iter().position(|text| text.contains("failure inside its workload (code 99)"))?;
        events[failed..].iter().any(|text| text.contains("\"db\": OnlinePending -> Online")).then_some(())
    });
    node.ok(&["resource", "maintenance", "app", "on"]);
    assert_eq!(node.resource("app")["maintenance"], true);
    let process = node.pid("app");
    kill(process);
    until("it is dead", || (!alive(process)).then_some(()));
    // Maintenance survives the node.
    kill(node.processes("node")[0]);
    until("the node is back", || node.run(&["status"]).status.success().then_some(()));
    assert_eq!(node.resource("app")["maintenance"], true);
    let refused = node.fails(3, &["group", "maintenance", "nosuch", "off"]);
    assert!(refused.contains("ERROR_GROUP_NOT_FOUND (5013)"), "{refused}");
    node.ok(&["group", "maintenance", "g", "off"]);
    assert_eq!(node.resource("app")["maintenance"], false);
    until("the failure is found", || {
        node.events().iter().any(|text| text.contains("\"app\" failed")).then_some(())
    });
    // It was dead all the time that another node took to come up, and nobody asked.
    let events = node.events();
    let ended = position(&events, "maintenance of resource \"app\" ends");
    assert!(ended < position(&events, "\"app\" failed"), "no polls, no failure: {events:?}");
    assert_eq!(node.end(), 0);
}

#[test]
fn a_second_start_on_the_same_folder_is_refused() {
    let mut node = two();
    let file = node.config().display().to_string();
    let said = node.fails(3, &["up", &file]);
    assert!(said.contains("a node runs on") && said.contains("stead apply"), "{said}");
    assert_eq!(node.end(), 0);
    let said = node.fails(4, &["status"]);
    assert!(said.contains("stead up FILE"), "{said}");
}

#[test]
fn shutdown_by_another_command_ends_stead_up() {
    let mut node = two();
    node.ok(&["shutdown"]);
    until("everything has ended", || node.everything().is_empty().then_some(()));
    assert_eq!(node.end(), 0);
}

#[test]
fn a_folder_with_a_long_name_works() {
    let folder = tempfile::tempdir().unwrap();
    let deep = folder.path().join("d".repeat(120)).join("e".repeat(60));
    let config = folder.path().join("c.toml");
    std::fs::write(&config, TWO).unwrap();
    let data = deep.to_str().unwrap();
    let mut up = std::process::Command::new(stead_e2e::stead())
        .args(["up", config.to_str().unwrap(), "--data", data])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let run = |arguments: &[&str]| {
        std::process::Command::new(stead_e2e::stead())
            .args(arguments)
            .args(["--data", data])
            .output()
            .unwrap()
    };
    until("it answers", || run(&["status"]).status.success().then_some(()));
    assert!(run(&["shutdown"]).status.success());
    assert_eq!(up.wait().unwrap().code(), Some(0));
}

#[test]
fn a_full_disk_refuses_the_change_and_the_groups_run_on() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: a file system of its own can be mounted by root only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let disk = folder.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=24m", "tmpfs", disk.to_str().unwrap()])
        .status()
        .unwrap();
    assert!(mounted.success());
    let data = disk.join("data");
    let config = folder.path().join("c.toml");
    std::fs::write(&config, TWO).unwrap();
    let data = data.to_str().unwrap().to_owned();
    let mut up = std::process::Command::new(stead_e2e::stead())
        .args(["up", config.to_str().unwrap(), "--data", &data])
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let run = |arguments: &[&str]| {
        let output = std::process::Command::new(stead_e2e::stead())
            .args(arguments)
            .args(["--data", &data])
            .output()
            .unwrap();
        (
            output.status.code(),
            String::from_utf8_lossy(&output.stdout).into_owned(),
            String::from_utf8_lossy(&output.stderr).into_owned(),
        )
    };
    until("it is online", || run(&["status"]).1.contains("other").then_some(()));
    until("all online", || (run(&["group", "list"]).1.matches("Online").count() == 2).then_some(()));
    let filler = disk.join("filler");
    let mut file = std::fs::File::create(&filler).unwrap();
    while std::io::Write::write_all(&mut file, &[0; 4_096]).is_ok() {}
    drop(file);
    // A document that does not fit into what the database has in reserve.
    let big: String = (0..200)
        .map(|number| {
            format!(
                "[[group.resource]]\nname = \"r{number}\"\ntype = \"Generic Application\"\npersistent_state = \"Offline\"\n\
                 properties = {{ CommandLine = \"true {}\" }}\n",
                "x".repeat(60_000)
            )
        })
        .collect();
    std::fs::write(&config, format!("[[group]]\nname = \"big\"\n{big}")).unwrap();
    let (code, _, said) = run(&["apply", config.to_str().unwrap()]);
    assert_eq!(code, Some(3), "{said}");
    assert!(said.contains("ERROR_DISK_FULL (112)"), "{said}");
    let (_, status, _) = run(&["group", "list"]);
    assert!(status.matches("Online").count() == 2 && !status.contains("big"), "{status}");
    // With room again, it works again.
    std::fs::remove_file(&filler).unwrap();
    let small = "[[group]]\nname = \"small\"\n";
    std::fs::write(&config, small).unwrap();
    let (code, _, said) = run(&["apply", config.to_str().unwrap()]);
    assert_eq!(code, Some(0), "{said}");
    let (code, _, said) = run(&["shutdown"]);
    assert_eq!(code, Some(0), "{said}");
    assert_eq!(up.wait().unwrap().code(), Some(0));
    assert!(std::process::Command::new("umount").arg(&disk).status().unwrap().success());
}

#[test]
fn an_ordinary_user_has_it_too() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: the other tests run as an ordinary user already");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let own = |path: &std::path::Path| std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    own(folder.path());
    let program = folder.path().join("stead");
    std::fs::copy(stead_e2e::stead(), &program).unwrap();
    let config = folder.path().join("c.toml");
    std::fs::write(&config, TWO).unwrap();
    let data = folder.path().join("data");
    for containment in ["auto", "subreaper"] {
        let mut up = std::process::Command::new("setpriv")
            .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
            .arg(&program)
            .args(["up", config.to_str().unwrap(), "--containment", containment, "--data"])
            .arg(&data)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let run = |arguments: &[&str]| {
            let mut command = std::process::Command::new(stead_e2e::stead());
            let output = command.args(arguments).arg("--data").arg(&data).output().unwrap();
            (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
        };
        until("all online", || (run(&["group", "list"]).1.matches("Online").count() == 2).then_some(()));
        assert!(run(&["shutdown"]).0);
        assert_eq!(up.wait().unwrap().code(), Some(0));
        assert_eq!(stead_e2e::marked(&data.display().to_string()), Vec::<u64>::new());
    }
}

#[test]
fn another_user_may_not_speak_to_the_node() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can become another user");
        return;
    }
    let mut node = two();
    // Although the permissions of the files would let it.
    for path in [node.folder().to_owned(), node.data(), node.data().join("node.sock")] {
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o777)).unwrap();
    }
    let program = node.folder().join("stead");
    std::fs::copy(stead_e2e::stead(), &program).unwrap();
    let output = std::process::Command::new("setpriv")
        .args(["--reuid", "65534", "--regid", "65534", "--clear-groups"])
        .arg(&program)
        .args(["status", "--data"])
        .arg(node.data())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(3), "{said}");
    assert!(said.contains("ERROR_ACCESS_DENIED (5)"), "{said}");
    assert_eq!(node.end(), 0);
}
