//! Shipped types that change the machine, in a whole node with a network and mounts of the test's own.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::io::{Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;

use stead_e2e::{Node, kill, root, until};

/// Runs a test again as root in namespaces of its own. True inside.
fn alone(test: &str) -> bool {
    const INSIDE: &str = "STEAD_TEST_INSIDE";
    if std::env::var_os(INSIDE).is_some() {
        return true;
    }
    if !rustix::process::getuid().is_root() {
        println!("SKIPPED: {test}: only root can configure addresses and mount devices");
        return false;
    }
    let output = Command::new("unshare")
        .args(["--net", "--mount", "--propagation", "private", "sh", "-c"])
        .args(["mount -t tmpfs none /run && ip link set lo up && exec \"$@\"", "sh"])
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", test, "--nocapture", "--test-threads=1"])
        .env(INSIDE, "yes")
        .output()
        .expect("unshare is needed: install util-linux");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{test}, in namespaces of its own:\n{text}");
    false
}

fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A loop device; detached at the end, once nothing has it mounted.
struct Disk(String);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

#[test]
fn an_address_and_a_file_system_survive_their_monitor() {
    if !alone("an_address_and_a_file_system_survive_their_monitor") {
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let shown = folder.path().display();
    sh(&format!("truncate -s 64M {shown}/image; mkfs.ext4 -q {shown}/image; mkdir {shown}/mnt"));
    let disk = sh(&format!("losetup --find --show {shown}/image")).trim().to_owned();
    let _detached = Disk(disk.clone());
    sh("ip link add near type veth peer name far; ip link set near up; ip link set far up
        ip address add 10.7.0.1/24 dev near");
    let config = format!(
        "[[group]]\nname = \"g\"\n\
         [[group.resource]]\nname = \"ip\"\ntype = \"IP Address\"\ncommon = {{ RestartDelay = 0 }}\n\
         properties = {{ Address = \"10.7.0.50\", PrefixLength = 24 }}\n\
         [[group.resource]]\nname = \"data\"\ntype = \"File System\"\ncommon = {{ RestartDelay = 0 }}\n\
         properties = {{ Device = \"{disk}\", MountPoint = \"{shown}/mnt\" }}\n\
         [[group.resource]]\nname = \"app\"\ntype = \"Generic Application\"\ndepends_on = \"[ip] and [data]\"\n\
         common = {{ RestartDelay = 0 }}\n\
         properties = {{ CommandLine = \"sh -c 'echo x >> lines; cp lines {shown}/seen.new; mv {shown}/seen.new {shown}/seen; exec sleep 600'\", \
         CurrentDirectory = \"{shown}/mnt\" }}\n"
    );
    let mut node = Node::up(&config);
    let seen = || std::fs::read_to_string(folder.path().join("seen")).unwrap_or_default();
    let here = || sh("ip address show dev near").contains("10.7.0.50/24");
    node.wait("app", "Online");
    until("the program has written to the device", || (seen() == "x\n").then_some(()));
    assert!(here());
    assert!(!folder.path().join("mnt/lines").exists(), "the mount is the group's alone");
    // The address is taken away: missed at once, not at the next poll of a minute.
    sh("ip address del 10.7.0.50/24 dev near");
    until("the address is back", || here().then_some(()));
    node.wait("app", "Online");
    until("the program has begun anew", || (seen() == "x\nx\n").then_some(()));
    // The monitor is killed: the address it leaves does not keep the group from coming back.
    let before = node.processes("monitor");
    before.iter().for_each(|monitor| kill(*monitor));
    until("another monitor", || {
        let now = node.processes("monitor");
        (!now.is_empty() && now.iter().all(|monitor| !before.contains(monitor))).then_some(())
    });
    until("the program has begun anew", || (seen() == "x\nx\nx\n").then_some(()));
    node.wait("app", "Online");
    node.wait("ip", "Online");
    assert!(here());
    // What is wrong is refused before anything changes, with the remedy.
    let said = node.apply(&config.replace("PrefixLength = 24", "PrefixLength = 24, Interface = \"eth7\""));
    let said = String::from_utf8_lossy(&said.stderr).into_owned();
    assert!(said.contains("eth7") && said.contains("near"), "{said}");
    node.ok(&["group", "offline", "g"]);
    assert!(!here());
    assert_eq!(node.end(), 0);
}

#[test]
fn the_example_of_a_web_server_with_an_address_works() {
    const TEST: &str = "the_example_of_a_web_server_with_an_address_works";
    if !Path::new("/usr/sbin/nginx").exists() {
        println!("SKIPPED: {TEST}: nginx is not installed (package nginx-light)");
        return;
    }
    if !alone(TEST) {
        return;
    }
    let examples = root().join("examples");
    let config = std::fs::read_to_string(examples.join("web-ip.toml")).unwrap();
    let mut node = Node::up(&config.replace("${CONFIG_DIR}", examples.to_str().unwrap()));
    node.wait("nginx", "Online");
    let mut connection = until("nginx answers", || TcpStream::connect("10.99.0.50:8080").ok());
    connection.write_all(b"GET / HTTP/1.0\r\n\r\n").unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(answer.ends_with("served at the address of the cluster\n"), "{answer}");
    assert_eq!(node.end(), 0);
    assert!(!sh("ip address show dev lo").contains("10.99.0.50"));
}
