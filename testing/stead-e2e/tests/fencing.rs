//! Nodes that fall silent: switched off by a fence device, or confirmed down by a person.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod several;

use std::os::unix::fs::PermissionsExt;

use several::{World, said};
use stead_e2e::until;

/// An agent as ClusterLabs' are: it reads what it is told, and its machines are guardians whose number is in a file.
const AGENT: &str = r#"#!/bin/sh
while IFS='=' read -r name value; do
    case "$name" in
        action) action=$value ;;
        folder) folder=$value ;;
        plug) plug=$value ;;
    esac
done
echo "$action" >> "$folder/asked"
case "$action" in
    off) kill -9 "$(cat "$folder/$plug")"; echo OFF > "$folder/power"; exit 0 ;;
    on) echo ON > "$folder/power"; exit 0 ;;
    status)
        state=$(cat "$folder/power" 2>/dev/null || echo ON)
        echo "Status: $state"
        if [ "$state" = OFF ]; then exit 2; else exit 0; fi ;;
    *) exit 1 ;;
esac
"#;

fn with_device(world: &World, node: &str) {
    let folder = world.folder.path();
    let agent = folder.join("fence_test");
    std::fs::write(&agent, AGENT).unwrap();
    std::fs::set_permissions(&agent, std::fs::Permissions::from_mode(0o755)).unwrap();
    world.edit(node, |text| {
        format!(
            "{text}\n[[fence]]\nname = \"rack\"\nagent = {:?}\nparameters = {{ folder = {:?} }}\nnodes = {{ n2 = {{ plug = \
             \"plug-n2\" }} }}\n",
            agent.display().to_string(),
            folder.display().to_string()
        )
    });
}

fn asked(world: &World) -> Vec<String> {
    let text = std::fs::read_to_string(world.folder.path().join("asked")).unwrap_or_default();
    text.lines().map(ToOwned::to_owned).collect()
}

#[test]
fn a_silent_node_is_switched_off_by_one_of_the_others() {
    let Some(mut world) = World::with("default", &["n1", "n2", "n3"], with_device) else { return };
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    let before = world.online("web");
    std::fs::write(world.folder.path().join("plug-n2"), world.guardian("n2").to_string()).unwrap();
    let test = world.ok("n1", &["node", "fence", "n2", "--test"]);
    assert!(test.contains("the machine of node n2 is on"), "{test}");
    let told = world.run("n1", &["node", "fence", "n2"]);
    assert_eq!(told.status.code(), Some(3), "{}", said(&told));
    assert!(said(&told).contains("it renews its session"), "{}", said(&told));
    let told = world.run("n1", &["node", "fence", "n3"]);
    assert!(said(&told).contains("it renews its session"), "{}", said(&told));
    assert_eq!(asked(&world), ["status"]);
    world.freeze("n2");
    world.event("n1", 10_047, "node \"n2\" is silent while the others are not: it is fenced");
    world.ended("n2");
    world.event("n1", 10_048, "node \"n2\" was switched off by fence device \"rack\", and seen to be off");
    world.event("n1", 1_135, "node \"n2\" is down");
    world.event("n1", 10_049, "node \"n2\" was switched on again");
    assert_ne!(world.online("web"), before);
    assert_eq!(asked(&world), ["status", "off", "status", "on"], "once, by one of them");
    let doctor = world.ok("n1", &["doctor"]);
    assert!(doctor.contains("switches off n2"), "{doctor}");
}

#[test]
fn two_nodes_do_not_fence_each_other_by_themselves_but_an_operator_may() {
    let Some(mut world) = World::with("fast", &["n1", "n2"], with_device) else { return };
    std::fs::write(world.folder.path().join("plug-n2"), world.guardian("n2").to_string()).unwrap();
    world.freeze("n2");
    world.event("n1", 1_135, "node \"n2\" is down");
    assert!(asked(&world).is_empty(), "{:?}", asked(&world));
    world.ok("n1", &["node", "fence", "n2", "--off"]);
    world.ended("n2");
    assert_eq!(asked(&world), ["off", "status"]);
    world.event("n1", 10_047, "is fenced, as user 0 asks");
}

#[test]
fn who_confirms_a_node_down_ends_the_wait_for_it() {
    let Some(mut world) = World::with("patient", &["n1", "n2"], |_, _| {}) else { return };
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    world.online("web");
    let told = world.run("n1", &["node", "confirm-down", "n2", "--typed", "n2"]);
    assert!(said(&told).contains("it is not down"), "{}", said(&told));
    let told = world.run("n1", &["node", "fence", "n2", "--force"]);
    assert!(said(&told).contains("`stead node confirm-down`"), "{}", said(&told));
    world.murder("n2");
    let told = world.run("n1", &["node", "confirm-down", "n2", "--typed", "N2"]);
    assert_eq!(told.status.code(), Some(3), "{}", said(&told));
    assert!(said(&told).contains("it must be the node's name"), "{}", said(&told));
    until("n2 to be silent", || {
        world.run("n1", &["node", "confirm-down", "n2", "--typed", "n2"]).status.success().then_some(())
    });
    world.event("n1", 10_050, "node \"n2\" was confirmed down by user 0");
    world.event("n1", 1_135, "node \"n2\" is down");
    world.online("web");
    let at = |id: u64| {
        let events = world.events("n1");
        events.iter().find(|event| event["id"] == id).unwrap()["time_ms"].as_u64().unwrap()
    };
    // Without the word it would have been ten seconds more.
    let took = at(1_135).saturating_sub(at(10_050));
    assert!(took < 5_000, "{took} ms");
}

/// A configuration of one group whose resource has a type with these lines.
fn of_class(world: &World, lines: &str) -> String {
    let folder = world.folder.path();
    let source = stead_e2e::root().join("testing/stead-e2e/dll/recorder.c");
    let dll = stead_e2e::compile(&source, folder, "recorder.so", &[]);
    let text = format!(
        "[[type]]\nname = \"Recorder\"\ndll = \"{}\"\n{lines}\n[[group]]\nname = \"far\"\npreferred_owners = [\"n2\"]\n\
         [[group.resource]]\nname = \"far-disk\"\ntype = \"Recorder\"\nproperties = {{ Folder = \"{}\" }}\n",
        dll.display(),
        folder.display()
    );
    let file = folder.join("far.toml");
    std::fs::write(&file, text).unwrap();
    file.display().to_string()
}

/// Where a group is, and in which state, as a node says it.
fn far(world: &World, node: &str) -> (String, String) {
    let status = world.status(node);
    let groups = status["groups"].as_array().cloned().unwrap_or_default();
    let of = groups.into_iter().find(|of| of["name"] == "far").unwrap_or_default();
    let text = |key: &str| of[key].as_str().unwrap_or_default().to_owned();
    (text("owner_node"), text("state"))
}

#[test]
fn what_nothing_on_its_machine_ends_waits_for_a_confirmation() {
    let Some(mut world) = World::with("fast", &["n1", "n2"], |_, _| {}) else { return };
    world.ok("n1", &["apply", &of_class(&world, "fence_class = \"F0\"")]);
    world.settled("n1", "far");
    assert_eq!(far(&world, "n1").0, "n2");
    let types = world.ok("n1", &["type", "list"]);
    assert!(types.contains("F0") && types.contains("when the end of its machine is confirmed"), "{types}");
    assert!(world.ok("n1", &["status"]).contains("\"Recorder\" (F0) is taken over only when"));
    world.ok("n1", &["group", "move", "web", "--to", "n2"]);
    world.murder("n2");
    world.event("n1", 1_135, "node \"n2\" is down");
    world.online("web");
    world.event("n1", 1_205, "fence class F0");
    assert_ne!(far(&world, "n1").1, "Online", "nobody has confirmed that its machine is off");
    let status = world.status("n1").to_string();
    assert!(status.contains("stead node confirm-down n2"), "{status}");
    world.ok("n1", &["node", "confirm-down", "n2", "--typed", "n2"]);
    world.settled("n1", "far");
    assert_eq!(far(&world, "n1").0, "n1");
}

#[test]
fn what_only_a_reset_ends_needs_a_watchdog_or_an_operators_word() {
    let Some(world) = World::with("fast", &["n1", "n2"], |_, _| {}) else { return };
    let told = world.run("n1", &["apply", &of_class(&world, "fence_class = \"F5\"")]);
    assert_eq!(told.status.code(), Some(5), "{}", said(&told));
    assert!(said(&told).contains("there is no watchdog on n1, n2"), "{}", said(&told));
    let told = world.run("n1", &["apply", &of_class(&world, "fence_class = \"F9\"")]);
    assert!(said(&told).contains("it must be one of F0, F1, F2, F3, F4 and F5"), "{}", said(&told));
    assert!(!world.ok("n1", &["status"]).contains("far"), "nothing has changed");
    let file = of_class(&world, "fence_class = \"F5\"\naccept_no_watchdog = true");
    world.ok("n1", &["apply", &file]);
    world.settled("n1", "far");
    let status = world.ok("n1", &["status"]);
    assert!(status.contains("ACCEPTED: resource type \"Recorder\" (F5) without a watchdog"), "{status}");
    assert!(world.ok("n1", &["doctor"]).contains("ACCEPTED"));
}
