//! `stead cluster` with real etcd processes: somebody else's, and members that stead manages.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use stead_e2e::{alive, etcd, kill, marked, stead, until};

/// A folder, and whatever was started in it.
struct World {
    folder: tempfile::TempDir,
    children: Vec<(String, Child)>,
}

/// An address of its own for each process of this test run and each number.
fn address(number: u8) -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), low, number)
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

impl World {
    fn new() -> World {
        World { folder: tempfile::tempdir().unwrap(), children: Vec::new() }
    }

    fn data(&self, node: &str) -> PathBuf {
        self.folder.path().join(node)
    }

    fn run_with(&self, node: &str, arguments: &[&str], input: &str) -> Output {
        let mut command = Command::new(stead());
        command.args(arguments).arg("--data").arg(self.data(node)).env_remove("STEAD_DATA");
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        child.wait_with_output().unwrap()
    }

    fn run(&self, node: &str, arguments: &[&str]) -> Output {
        self.run_with(node, arguments, "")
    }

    fn ok(&self, node: &str, arguments: &[&str]) -> String {
        let output = self.run(node, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    fn json(&self, node: &str, arguments: &[&str]) -> Value {
        serde_json::from_str(&self.ok(node, &[arguments, &["--json"]].concat())).unwrap()
    }

    /// Must be refused with this code, saying this; and leave no node behind.
    fn refused(&self, node: &str, arguments: &[&str], code: i32, expected: &str) {
        let before = std::fs::read(self.data(node).join("node.toml")).ok();
        let output = self.run(node, arguments);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {told}");
        assert!(told.contains(expected), "{told}\nnot {expected}");
        assert_eq!(std::fs::read(self.data(node).join("node.toml")).ok(), before, "{arguments:?}");
    }

    /// An etcd of somebody else.
    fn etcd(&mut self, program: &Path) -> String {
        let address = address(1);
        let port = || TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (client, peer) = (format!("http://{address}:{}", port()), format!("http://{address}:{}", port()));
        let child = Command::new(program)
            .args(["--name", "other", "--data-dir"])
            .arg(self.data("other"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("other={peer}"), "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.children.push(("other".to_owned(), child));
        client
    }

    /// `stead node run`.
    fn start(&mut self, node: &str) {
        let log = std::fs::File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{node}.log")))
            .unwrap();
        let child = Command::new(stead())
            .args(["node", "run", "--data"])
            .arg(self.data(node))
            .env_remove("STEAD_DATA")
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.children.push((node.to_owned(), child));
    }

    /// Takes a node's process out of the list.
    fn take(&mut self, node: &str) -> Child {
        let place = self.children.iter().position(|(name, _)| name == node).unwrap();
        self.children.remove(place).1
    }

    /// SIGTERM, and nothing may be left.
    fn stop(&mut self, node: &str) {
        let mut child = self.take(node);
        rustix::process::kill_process(
            rustix::process::Pid::from_child(&child),
            rustix::process::Signal::TERM,
        )
        .unwrap();
        child.wait().unwrap();
        self.gone(node);
    }

    /// SIGKILL to the guardian, which takes everything with it.
    fn murder(&mut self, node: &str) {
        let mut child = self.take(node);
        child.kill().unwrap();
        child.wait().unwrap();
        self.gone(node);
    }

    fn gone(&self, node: &str) {
        let mark = self.data(node).display().to_string();
        until("everything of the node to end", || marked(&mark).is_empty().then_some(()));
    }

    fn status(&self, node: &str) -> Value {
        serde_json::from_slice(&self.run(node, &["cluster", "status", "--json"]).stdout).unwrap_or_default()
    }

    /// Waits until so many of so many voters answer.
    fn voters(&self, node: &str, answering: u64, voters: u64) -> Value {
        until(&format!("{answering} of {voters} voters"), || {
            let status = self.status(node);
            (status["answering"] == answering && status["voters"] == voters).then_some(status)
        })
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (_, child) in &mut self.children {
            let _ = child.kill();
            let _ = child.wait();
        }
        if std::thread::panicking() {
            for node in ["n1", "n2", "n3"] {
                let path = self.data(node).join("log/etcd.log");
                let text = std::fs::read_to_string(path).unwrap_or_default();
                let last: Vec<&str> = text.lines().rev().take(5).collect();
                let _ = writeln!(std::io::stderr(), "etcd of {node}: {last:#?}");
            }
        }
    }
}

#[test]
fn a_cluster_in_an_etcd_that_is_there_is_created_joined_and_left() {
    let Some(program) = etcd() else { return };
    let mut world = World::new();
    let url = world.etcd(&program);
    until("etcd to answer", || {
        let dry = ["cluster", "create", "prod", "--node", "n1", "--etcd", &url, "--dry-run"];
        world.run("n1", &dry).status.success().then_some(())
    });
    assert!(!world.data("n1").join("node.toml").exists());
    let create = ["cluster", "create", "prod", "--node", "n1", "--etcd", &url, "--profile", "fast"];
    let created = world.json("n1", &create);
    let id = created["id"].as_str().unwrap();
    let file = world.data("n1").join("node.toml");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);

    // What it printed is the very line that is to be typed.
    let line = created["join"].as_str().unwrap().replace("NODE", "n2");
    let words: Vec<&str> = line.split_whitespace().skip(1).collect();
    let dry: Vec<&str> = words.iter().copied().chain(["--dry-run"]).collect();
    world.ok("n2", &dry);
    assert!(!world.data("n2").join("node.toml").exists());
    world.ok("n2", &words);
    let text = std::fs::read_to_string(world.data("n2").join("node.toml")).unwrap();
    assert!(text.contains("profile = \"fast\"") && text.contains(id), "{text}");
    let status = world.voters("n2", 1, 1);
    let nodes: Vec<&str> =
        status["nodes"].as_array().unwrap().iter().map(|node| node[0].as_str().unwrap()).collect();
    assert_eq!(nodes, ["n1", "n2"]);

    let join = |name: &'static str, node: &'static str, id: &str, url: &str| {
        ["cluster", "join", name, "--node", node, "--cluster-id", id, "--etcd", url].map(ToOwned::to_owned)
    };
    let refused = |name, node, given: &str, url: &str, more: &[&str], code, expected: &str| {
        let words = join(name, node, given, url);
        let words: Vec<&str> = words.iter().map(String::as_str).chain(more.iter().copied()).collect();
        world.refused("n9", &words, code, expected);
    };
    refused("prod", "N2", id, &url, &[], 3, "has a node \"n2\" already");
    refused("prod", "n3", "abcd", &url, &[], 3, &format!("with id {id}, not abcd"));
    refused("prod", "n3", id, &url, &["--profile", "patient"], 3, "leave the profile out");
    refused("prod", "n/3", id, &url, &[], 3, "\"n/3\" is no node name");
    refused("other", "n3", id, &url, &[], 1, "has no cluster \"other\"");
    refused("prod", "n3", id, "http://127.0.0.1:1", &[], 1, "no etcd member answered");
    refused("prod", "n3", id, "ftp://127.0.0.1:1", &[], 3, "must begin with https:// or http://");
    world.refused("n9", &["cluster", "create", "prod", "--node", "n9", "--etcd", &url], 3, id);
    world.refused("n2", &words, 3, "is node \"n2\" of cluster \"prod\" already");
    world.refused("n9", &["cluster", "create", "x", "--node", "n9"], 2, "--managed-etcd");
    world.refused("n9", &["cluster", "status"], 3, "is no node of a cluster");
    world.refused(
        "n1",
        &["cluster", "invite", "n3", "--address", "10.0.0.3"],
        3,
        &format!("--cluster-id {id}"),
    );

    std::fs::write(world.data("n2").join("node.toml"), text.replace("endpoints", "endpionts")).unwrap();
    let told = world.run("n2", &["node", "run"]);
    assert_eq!(told.status.code(), Some(5), "{}", said(&told));
    assert!(said(&told).contains("node.toml:10:1: unknown field `endpionts`"), "{}", said(&told));
    std::fs::write(world.data("n2").join("node.toml"), text).unwrap();
    world.refused("n2", &["node", "run", "--node-name", "n7"], 3, "leave --node-name out");

    world.ok("n2", &["cluster", "leave"]);
    assert!(!world.data("n2").join("node.toml").exists());
    world.ok("n2", &words);
    world.refused("n1", &["cluster", "members", "remove", "n1"], 3, "is this node");
    world.refused("n1", &["cluster", "members", "remove", "n8"], 3, "has no node \"n8\"");
    world.ok("n1", &["cluster", "members", "remove", "N2"]);
    assert_eq!(world.status("n1")["nodes"].as_array().unwrap().len(), 1);
}

#[test]
fn three_managed_members_survive_the_loss_of_one() {
    let Some(program) = etcd() else { return };
    let program = program.display().to_string();
    let mut world = World::new();
    let place = |number: u8| address(number).to_string();
    let first = place(11);
    world.refused(
        "n1",
        &["cluster", "create", "prod", "--node", "n1", "--managed-etcd", "--address", "0.0.0.0"],
        3,
        "--address",
    );
    let absent = [
        "cluster",
        "create",
        "prod",
        "--node",
        "n1",
        "--managed-etcd",
        "--address",
        &first,
        "--etcd-binary",
        "/absent",
    ];
    world.refused("n1", &absent, 3, "apt-get install etcd-server");
    let create = ["cluster", "create", "prod", "--node", "n1", "--managed-etcd", "--address", &first];
    let output = world.ok("n1", &[&create[..], &["--etcd-binary", &program]].concat());
    assert!(output.contains("stead cluster invite NODE --address IP"), "{output}");
    world.gone("n1");
    for secret in ["tls/ca.key", "tls/node.key"] {
        let mode = std::fs::metadata(world.data("n1").join(secret)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{secret}");
    }
    world.start("n1");
    world.voters("n1", 1, 1);

    // Who has no certificate of the cluster's authority is not let in.
    let ca = world.data("n1").join("tls/ca.pem").display().to_string();
    let id = world.status("n1")["id"].as_str().unwrap().to_owned();
    let url = format!("https://{first}:2379");
    let stranger =
        ["cluster", "join", "prod", "--node", "n9", "--cluster-id", &id, "--etcd", &url, "--ca", &ca];
    world.refused("n9", &stranger, 3, "certificate");

    // Who has one may keep another cluster there, if nobody else may read the key.
    let tls = |file: &str| world.data("n1").join("tls").join(file).display().to_string();
    let (certificate, key) = (tls("node.crt"), tls("node.key"));
    let second = ["cluster", "create", "second", "--node", "x1", "--etcd", &url, "--ca", &ca];
    let second = [&second[..], &["--cert", &certificate, "--key", &key]].concat();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o640)).unwrap();
    world.refused("x1", &second, 5, "chmod 600");
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
    let created = world.json("x1", &second);
    assert!(
        created["join"].as_str().unwrap().contains(&format!("--cert {certificate} --key {key}")),
        "{created}"
    );
    assert_ne!(created["id"], id);
    let told = world.ok("x1", &["cluster", "leave"]);
    assert!(told.contains("it was the last one") && told.contains("/stead/second/"), "{told}");

    let mut old = String::new();
    for (number, node) in [(12, "n2"), (13, "n3")] {
        let address = place(number);
        old = world.ok("n1", &["cluster", "invite", node, "--address", &address]);
        let invitation = world.ok("n1", &["cluster", "invite", node, "--address", &address]);
        let join = ["cluster", "join", "--invitation", "-", "--etcd-binary", &program];
        let late = world.run_with(node, &join, &old);
        assert_eq!(late.status.code(), Some(3), "{}", said(&late));
        assert!(said(&late).contains("was replaced by a later one"), "{}", said(&late));
        let joined = world.run_with(node, &join, &invitation);
        assert!(joined.status.success(), "{}", said(&joined));
        assert!(!world.data(node).join("joining").exists());
        // One that waits for its start counts for nothing.
        world.voters("n1", u64::from(number) - 11, u64::from(number) - 11);
        world.start(node);
        world.voters("n1", u64::from(number) - 10, u64::from(number) - 10);
        old = invitation;
    }
    let again =
        world.run_with("n9", &["cluster", "join", "--invitation", "-", "--etcd-binary", &program], &old);
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    assert!(said(&again).contains("already"), "{}", said(&again));
    assert!(!world.data("n9").join("node.toml").exists());

    // A member that dies is started again.
    let etcds = || -> Vec<u64> {
        let name =
            |process: &u64| std::fs::read_to_string(format!("/proc/{process}/comm")).unwrap_or_default();
        marked(&world.data("n2").display().to_string())
            .into_iter()
            .filter(|process| name(process) == "etcd\n")
            .collect()
    };
    let before = until("etcd of n2", || etcds().first().copied());
    kill(before);
    until("another etcd of n2", || etcds().first().copied().filter(|now| *now != before));
    assert!(!alive(before));
    let status = world.voters("n1", 3, 3);
    assert_eq!(status["may_lose"], 1, "{status}");

    // A machine is lost: two go on, and know the others' addresses though they were never told.
    world.murder("n3");
    world.voters("n1", 2, 3);
    world.refused("n1", &["cluster", "members", "remove", "n2"], 3, "no majority");
    world.murder("n2");
    let alone = until("n1 to notice", || {
        let output = world.run("n1", &["cluster", "status"]);
        (output.status.code() == Some(1)).then_some(output)
    });
    assert!(said(&alone).contains("NO MAJORITY") || said(&alone).contains("etcd"), "{}", said(&alone));
    world.start("n2");
    world.voters("n1", 2, 3);
    // Its session is over when the others have waited for it.
    until("n3 to be removed", || {
        world.run("n1", &["cluster", "members", "remove", "n3"]).status.success().then_some(())
    });
    world.voters("n2", 2, 2);
    // Its name is free again; the invitation it once used is not.
    let join = ["cluster", "join", "--invitation", "-", "--etcd-binary", &program];
    let again = world.run_with("n9", &join, &old);
    assert_eq!(again.status.code(), Some(3), "{}", said(&again));
    assert!(said(&again).contains("was used already"), "{}", said(&again));
    // One that has joined and will never start is no obstacle.
    let fourth = place(14);
    let invitation = world.ok("n1", &["cluster", "invite", "n4", "--address", &fourth]);
    assert!(world.run_with("n4", &join, &invitation).status.success());
    assert_eq!(world.voters("n1", 2, 2)["members"].as_array().unwrap().len(), 3);
    world.ok("n1", &["cluster", "members", "remove", "n4"]);
    let status = world.voters("n1", 2, 2);
    assert_eq!(
        (status["members"].as_array().unwrap().len(), status["nodes"].as_array().unwrap().len()),
        (2, 2)
    );

    world.refused("n2", &["cluster", "leave"], 3, "a node runs on");
    world.stop("n2");
    world.ok("n2", &["cluster", "leave"]);
    world.gone("n2");
    assert!(!world.data("n2").join("tls").exists() && !world.data("n2").join("etcd").exists());
    world.voters("n1", 1, 1);
    world.stop("n1");
    world.refused("n1", &["cluster", "leave"], 3, "is the last node of cluster \"prod\"");
    world.gone("n1");
}

#[test]
fn a_configuration_larger_than_a_transaction_of_etcd_is_stored_in_parts() {
    let Some(program) = etcd() else { return };
    let mut world = World::new();
    let url = world.etcd(&program);
    let create = ["cluster", "create", "prod", "--node", "n1", "--etcd", &url];
    until("etcd to answer", || world.run("n1", &create).status.success().then_some(()));
    world.start("n1");
    until("the node to answer", || world.run("n1", &["status"]).status.success().then_some(()));
    let resource = |name: String| {
        format!(
            "[[group.resource]]\nname = \"{name}\"\ntype = \"Generic Application\"\n\
             properties = {{ CommandLine = \"sleep infinity\" }}\n"
        )
    };
    let group = |name: String, resources: usize| {
        let members: String = (0..resources).map(|number| resource(format!("{name}-{number}"))).collect();
        format!("[[group]]\nname = \"{name}\"\npersistent_state = \"Offline\"\n{members}")
    };
    let file = world.folder.path().join("many.toml");
    let file = file.display().to_string();
    // 200 groups and 200 resources, where etcd takes 127 documents at once; the first one depends on the last.
    let mut many: String = (0..200).map(|number| group(format!("g{number}"), 1)).collect();
    many = many.replace("name = \"g0\"\n", "name = \"g0\"\ndepends_on_groups = [\"g99\"]\n");
    std::fs::write(&file, &many).unwrap();
    world.ok("n1", &["apply", &file]);
    assert_eq!(world.json("n1", &["group", "list"]).as_array().unwrap().len(), 200);
    let left = said(&world.run("n1", &["apply", &file, "--dry-run"]));
    assert!(left.contains("nothing to change"), "{left}");

    // One group that can never be stored whole: nothing is, not even what would have fitted.
    std::fs::write(&file, format!("{}{}", group("more".to_owned(), 1), group("large".to_owned(), 130)))
        .unwrap();
    world.refused(
        "n1",
        &["apply", &file],
        5,
        "it has 130 resources; a group of a cluster may have 119: split it",
    );
    assert_eq!(world.json("n1", &["group", "list"]).as_array().unwrap().len(), 200);

    // What is taken away takes as many parts.
    std::fs::write(&file, group("g7".to_owned(), 1)).unwrap();
    world.ok("n1", &["apply", &file, "--prune"]);
    assert_eq!(world.json("n1", &["group", "list"]).as_array().unwrap().len(), 1);
    world.stop("n1");
}
