//! Files of resource DLLs: those that hang when they are loaded, those that change, those that do not get along.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::Path;
use std::process::Command;

use stead_e2e::{Node, until};
use stead_misbehave::compile;

const ONCE: &str = "RestartDelay = 0, RestartThreshold = 1, RetryPeriodOnFailure = 4294967295";

/// A configuration: types by name and file, and resources of one group by name, type and common properties.
fn config(types: &[(&str, &Path)], resources: &[(&str, &str, &str)]) -> String {
    let types = types.iter().map(|(name, dll)| format!("[[type]]\nname = \"{name}\"\ndll = {dll:?}\n"));
    let resources = resources.iter().map(|(name, kind, common)| {
        format!(
            "[[group.resource]]\nname = \"{name}\"\ntype = \"{kind}\"\ncommon = {{ {ONCE}, {common} }}\n\
             properties = {{ Behaviour = \"none\" }}\n"
        )
    });
    let (types, resources): (String, String) = (types.collect(), resources.collect());
    format!(
        "{types}[[group]]\nname = \"innocent\"\n[[group.resource]]\nname = \"innocent\"\n\
         type = \"Generic Application\"\nproperties = {{ CommandLine = \"sleep infinity\" }}\n\
         [[group]]\nname = \"g\"\n{resources}"
    )
}

/// The last error of a resource, and why it is as it is.
fn why(node: &Node, name: &str) -> String {
    let resource = node.resource(name);
    format!("{} {}", resource["why"].as_str().unwrap_or_default(), resource["last_error"]["name"])
}

/// True if a line of the history names this and says that.
fn said(node: &Node, name: &str, words: &str) -> bool {
    node.events().iter().any(|line| line.contains(name) && line.contains(words))
}

#[test]
fn a_constructor_that_hangs_is_ended_by_its_deadline() {
    let folder = tempfile::tempdir().unwrap();
    let dll = folder.path().join("slow.so");
    compile(&dll, &["-DANY_TYPE", "-DHANG_IN_CONSTRUCTOR"]);
    let types = [("Slow", dll.as_path())];
    let config = config(&types, &[("slow", "Slow", "DeadlockTimeout = 1000")]);
    let config = config.replace("name = \"slow\"\n", "name = \"slow\"\npersistent_state = \"Offline\"\n");
    let mut node = Node::up(&config);
    node.wait("innocent", "Online");
    let innocent = node.pid("innocent");
    let hang = folder.path().join("slow.so.hang");
    std::fs::write(&hang, "").unwrap();
    node.ok(&["resource", "online", "slow", "--no-wait"]);
    until("the culprit is named", || {
        why(&node, "slow").contains("ERROR_RESOURCE_CALL_TIMED_OUT").then_some(())
    });
    std::fs::remove_file(&hang).unwrap();
    node.ok(&["resource", "online", "slow"]);
    assert_eq!(node.pid("innocent"), innocent);
    assert_eq!(node.end(), 0);
}

#[test]
fn a_file_that_is_replaced_is_not_mixed_with_the_one_in_use() {
    let folder = tempfile::tempdir().unwrap();
    let dll = folder.path().join("changing.so");
    compile(&dll, &["-DANY_TYPE"]);
    let types = [("One", dll.as_path()), ("Two", dll.as_path())];
    let mut node = Node::up(&config(&types, &[("first", "One", "")]));
    node.wait("first", "Online");
    node.wait("innocent", "Online");
    let (first, innocent) = (node.pid("first"), node.pid("innocent"));
    let fresh = folder.path().join("fresh.so");
    compile(&fresh, &["-DANY_TYPE", "-DANOTHER_VERSION"]);
    std::fs::rename(&fresh, &dll).unwrap();
    let both = config(&types, &[("first", "One", ""), ("second", "Two", "")]);
    std::fs::write(node.config(), &both).unwrap();
    let _ = node.run(&["apply", node.config().to_str().unwrap(), "--no-wait"]);
    until("the second is refused", || said(&node, "\"second\"", "it was replaced").then_some(()));
    assert!(said(&node, "\"second\"", "SeparateMonitor=1"));
    assert_eq!(node.pid("first"), first, "what runs runs on");
    // The remedy is one.
    let apart = config(&types, &[("first", "One", ""), ("second", "Two", "SeparateMonitor = 1")]);
    std::fs::write(node.config(), &apart).unwrap();
    let _ = node.run(&["apply", node.config().to_str().unwrap(), "--no-wait"]);
    let _ = node.run(&["resource", "online", "second"]);
    node.wait("second", "Online");
    assert_eq!((node.pid("first"), node.pid("innocent")), (first, innocent));
    // Cut short under the feet of those who use it: they crash, and the file is refused from then on.
    std::fs::File::options().write(true).truncate(true).open(&dll).unwrap();
    let _ = node.run(&["resource", "restart", "second", "--no-wait"]);
    until("it is refused", || said(&node, "\"second\"", "it is empty").then_some(()));
    assert_eq!(node.pid("innocent"), innocent);
    assert_eq!(node.end(), 0);
}

#[test]
fn two_versions_of_a_dependency_live_in_two_monitors() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for version in ["1", "2"] {
        let home = folder.path().join(version);
        std::fs::create_dir(&home).unwrap();
        let source = home.join("dependency.c");
        std::fs::write(&source, format!("int dependency_version(void) {{ return {version}; }}\n")).unwrap();
        let library = home.join("libdependency.so");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-Wl,-soname,libdependency.so.1", "-o"])
            .arg(home.join("libdependency.so.1"))
            .arg(&source)
            .status()
            .unwrap();
        assert!(built.success());
        std::fs::copy(home.join("libdependency.so.1"), &library).unwrap();
        let dll = home.join("needs.so");
        let (place, run) = (format!("-L{}", home.display()), format!("-Wl,-rpath,{}", home.display()));
        let library = format!("{}", library.display());
        compile(&dll, &["-DANY_TYPE", "-DWITH_DEPENDENCY", &place, &run, "-Wl,--no-as-needed", &library]);
        files.push(dll);
    }
    let types = [("One", files[0].as_path()), ("Two", files[1].as_path())];
    let resources = [("first", "One", ""), ("second", "Two", "SeparateMonitor = 1")];
    let mut node = Node::up(&config(&types, &resources));
    node.wait("first", "Online");
    node.wait("second", "Online");
    let log = std::fs::read_to_string(node.data().join("log/node.log")).unwrap();
    for (resource, version) in [("first", 1), ("second", 2)] {
        let said = format!("the dependency is version {version} resource=\"{resource}\"");
        assert!(log.contains(&said), "{said}: {log}");
    }
    assert_eq!(node.end(), 0);
}
