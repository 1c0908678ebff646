//! The example resource types, built as their READMEs tell, by hand and in a group.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};

use stead_e2e::{Host, Node, compile, root, stead, until};

fn heartbeat(folder: &Path) -> PathBuf {
    compile(&root().join("examples/resource-c/heartbeat.c"), folder, "heartbeat.so", &[])
}

fn greeter() -> PathBuf {
    let library = stead().parent().unwrap().join("libresource_rust.so");
    if !library.exists() {
        let mut cargo = std::process::Command::new(env!("CARGO"));
        cargo.args(["build", "--package", "resource-rust"]).current_dir(root());
        cargo.env("CARGO_TARGET_DIR", library.parent().unwrap().parent().unwrap());
        assert!(cargo.status().unwrap().success());
    }
    library
}

fn port() -> u16 {
    TcpListener::bind(("127.0.0.1", 0)).unwrap().local_addr().unwrap().port()
}

#[test]
fn the_c_example_keeps_the_contract_by_hand() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("beat-ä");
    let host = Host::new(&heartbeat(folder.path()), "Heartbeat")
        .property("Path", file.to_str().unwrap())
        .property("Interval", "20");
    let trace = host.run(&[
        "open",
        "online",
        "wait Online 20",
        "looks-alive",
        "is-alive",
        "sleep 100",
        "offline",
        "wait Offline 20",
        "online",
        "wait Online 20",
        "terminate",
        "terminate",
        "wait Offline 20",
        "close",
    ]);
    assert_eq!(trace.exit, Some(0), "{trace}");
    assert!(trace.of("violation").is_empty(), "{trace}");
    assert!(trace.calls("IsAlive").iter().all(|call| call["returned"] == 1), "{trace}");
    assert!(!file.exists());
    // Without its property it says so and fails for good.
    let trace =
        Host::new(&heartbeat(folder.path()), "Heartbeat").run(&["open", "online", "wait Failed 20", "close"]);
    let failed = trace.find("state", |line| line["to"] == "Failed");
    assert_eq!(failed["name"], "ERROR_CLUSTER_RESOURCE_CONFIGURATION_ERROR", "{trace}");
}

#[test]
fn the_rust_example_keeps_the_contract_by_hand() {
    let port = port().to_string();
    let host = Host::new(&greeter(), "Greeter").property("Port", &port);
    let trace = host.run(&[
        "open",
        "online",
        "wait Online 20",
        "looks-alive",
        "is-alive",
        "sleep 50",
        "offline",
        "wait Offline 20",
        "online",
        "wait Online 20",
        "terminate",
        "wait Offline 20",
        "close",
    ]);
    assert_eq!(trace.exit, Some(0), "{trace}");
    assert!(trace.of("violation").is_empty(), "{trace}");
}

#[test]
fn both_serve_in_one_group() {
    let folder = tempfile::tempdir().unwrap();
    let (port, file) = (port(), folder.path().join("beat"));
    let config = format!(
        "[[type]]\nname = \"Heartbeat\"\ndll = \"{}\"\n[[type]]\nname = \"Greeter\"\ndll = \"{}\"\n\
         [[group]]\nname = \"g\"\n[[group.resource]]\nname = \"beat\"\ntype = \"Heartbeat\"\nproperties = {{ Path = \"{}\" }}\n\
         [[group.resource]]\nname = \"greet\"\ntype = \"Greeter\"\ndepends_on = \"[beat]\"\n\
         properties = {{ Port = {port}, Greeting = \"good day\" }}\n",
        heartbeat(folder.path()).display(),
        greeter().display(),
        file.display(),
    );
    let mut node = Node::up(&config);
    node.wait("greet", "Online");
    let mut text = String::new();
    TcpStream::connect(("127.0.0.1", port)).unwrap().read_to_string(&mut text).unwrap();
    assert_eq!(text, "good day\n");
    let said = node.apply(&config.replace(&format!("Port = {port}"), "Port = 99999"));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("Port") && said.contains("65535"), "{said}");
    node.ok(&["group", "offline", "g"]);
    until("the file is gone", || (!file.exists()).then_some(()));
    assert_eq!(node.end(), 0);
}
