//! Several nodes on this machine, with an etcd of somebody else, driven as users drive them.
#![allow(dead_code, reason = "no test needs all of it")]

use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use stead_e2e::{etcd, marked, stead, until};

/// What a command printed.
pub(crate) fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// An etcd, and nodes.
pub(crate) struct World {
    pub(crate) folder: tempfile::TempDir,
    program: PathBuf,
    client: String,
    peer: String,
    etcd: Option<Child>,
    nodes: Vec<(String, Child)>,
}

impl World {
    pub(crate) fn new() -> Option<World> {
        let program = etcd()?;
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = Ipv4Addr::new(127, 128 | (high & 63), low, 1);
        let port = || TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (client, peer) = (format!("http://{address}:{}", port()), format!("http://{address}:{}", port()));
        let folder = tempfile::tempdir().unwrap();
        let mut world = World { folder, program, client, peer, etcd: None, nodes: Vec::new() };
        world.start_etcd();
        Some(world)
    }

    /// A cluster of running nodes, with a group that is online on the first.
    pub(crate) fn with_nodes(names: &[&str]) -> Option<World> {
        World::with("fast", names, |_, _| {})
    }

    /// The same in a profile; `prepare` is called for each before it starts.
    pub(crate) fn with(profile: &str, names: &[&str], prepare: impl Fn(&World, &str)) -> Option<World> {
        let mut world = World::new()?;
        let client = world.client.clone();
        let mut id = String::new();
        for name in names {
            let base = ["--node", name, "--etcd", &client];
            let told = match id.is_empty() {
                true => world.ok(
                    name,
                    &[&["cluster", "create", "prod", "--profile", profile, "--json"], &base[..]].concat(),
                ),
                false => {
                    world.ok(name, &[&["cluster", "join", "prod", "--cluster-id", &id], &base[..]].concat());
                    continue;
                }
            };
            id = serde_json::from_str::<Value>(&told).unwrap()["id"].as_str().unwrap().to_owned();
        }
        for name in names {
            prepare(&world, name);
            world.start(name);
        }
        for name in names {
            world.up(name);
        }
        world.apply(names[0], &["web"]);
        world.online("web");
        world.settled(names[0], "web");
        Some(world)
    }

    pub(crate) fn data(&self, node: &str) -> PathBuf {
        self.folder.path().join(node)
    }

    pub(crate) fn start_etcd(&mut self) {
        let folder = self.folder.path().join("etcd");
        let child = Command::new(&self.program)
            .args(["--name", "other", "--data-dir"])
            .arg(folder)
            .args(["--listen-client-urls", &self.client, "--advertise-client-urls", &self.client])
            .args(["--listen-peer-urls", &self.peer, "--initial-advertise-peer-urls", &self.peer])
            .args(["--initial-cluster", &format!("other={}", self.peer), "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.etcd = Some(child);
        until("etcd to answer", || self.ctl_with(&["endpoint", "health"]).status.success().then_some(()));
    }

    pub(crate) fn stop_etcd(&mut self) {
        let mut child = self.etcd.take().unwrap();
        child.kill().unwrap();
        child.wait().unwrap();
    }

    pub(crate) fn ctl_with(&self, arguments: &[&str]) -> Output {
        let program = self.program.with_file_name("etcdctl");
        let mut command = Command::new(program);
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.client]).args(arguments).output().unwrap()
    }

    pub(crate) fn ctl(&self, arguments: &[&str]) -> String {
        let output = self.ctl_with(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    /// The bytes of a document in etcd.
    pub(crate) fn document(&self, key: &str) -> String {
        self.ctl(&["get", "--print-value-only", &format!("/stead/prod/documents/{key}")])
    }

    pub(crate) fn put(&self, key: &str, bytes: &str) {
        self.ctl(&["put", &format!("/stead/prod/documents/{key}"), "--", bytes]);
    }

    pub(crate) fn delete(&self, key: &str) {
        self.ctl(&["del", &format!("/stead/prod/documents/{key}")]);
    }

    pub(crate) fn start(&mut self, node: &str) {
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
        self.nodes.push((node.to_owned(), child));
    }

    /// What `stead node run` has printed.
    pub(crate) fn printed(&self, node: &str) -> String {
        std::fs::read_to_string(self.folder.path().join(format!("{node}.log"))).unwrap_or_default()
    }

    /// Waits until `stead node run` has printed this.
    pub(crate) fn tells(&self, node: &str, text: &str) {
        until(&format!("{node} to print {text:?}"), || self.printed(node).contains(text).then_some(()));
    }

    pub(crate) fn signal(&self, node: &str, signal: rustix::process::Signal) {
        let child = &self.nodes.iter().find(|(name, _)| name == node).unwrap().1;
        rustix::process::kill_process(rustix::process::Pid::from_child(child), signal).unwrap();
    }

    /// Waits until a node and everything of it has ended.
    pub(crate) fn ended(&mut self, node: &str) -> std::process::ExitStatus {
        let place = self.nodes.iter().position(|(name, _)| name == node).unwrap();
        let status = self.nodes.remove(place).1.wait().unwrap();
        let mark = self.data(node).display().to_string();
        until("everything of the node to end", || marked(&mark).is_empty().then_some(()));
        status
    }

    /// The node process of a node stands still: nobody renews its session.
    pub(crate) fn freeze(&self, node: &str) {
        let mark = self.data(node).display().to_string();
        let is_node = |process: &u64| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1).is_some_and(|word| word == b"node")
        };
        let process = until("the node process", || marked(&mark).into_iter().find(is_node));
        let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
        rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
    }

    /// The process of the guardian.
    pub(crate) fn guardian(&self, node: &str) -> u32 {
        self.nodes.iter().find(|(name, _)| name == node).unwrap().1.id()
    }

    /// Kills a node with everything on it.
    pub(crate) fn murder(&mut self, node: &str) {
        self.signal(node, rustix::process::Signal::KILL);
        self.ended(node);
    }

    pub(crate) fn stop(&mut self, node: &str) {
        self.signal(node, rustix::process::Signal::TERM);
        self.ended(node);
    }

    pub(crate) fn run(&self, node: &str, arguments: &[&str]) -> Output {
        Command::new(stead())
            .args(arguments)
            .arg("--data")
            .arg(self.data(node))
            .env_remove("STEAD_DATA")
            .stdin(Stdio::null())
            .output()
            .unwrap()
    }

    pub(crate) fn ok(&self, node: &str, arguments: &[&str]) -> String {
        let output = self.run(node, arguments);
        assert!(output.status.success(), "{arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }

    pub(crate) fn status(&self, node: &str) -> Value {
        serde_json::from_slice(&self.run(node, &["status", "--json"]).stdout).unwrap_or_default()
    }

    /// Waits until a node has its session.
    pub(crate) fn up(&self, node: &str) {
        until(&format!("{node} is up"), || {
            let status = self.status(node);
            let nodes = status["nodes"].as_array()?;
            nodes.iter().any(|of| of["name"] == node && of["state"] == "Up").then_some(())
        });
    }

    pub(crate) fn config(&self, groups: &[&str]) -> PathBuf {
        let path = self.folder.path().join("cluster.toml");
        let text: String = groups
            .iter()
            .map(|name| {
                format!(
                    "[[group]]\nname = \"{name}\"\n[[group.resource]]\nname = \"{name}-app\"\ntype = \"Generic \
                     Application\"\nproperties = {{ CommandLine = \"sleep {}\" }}\n",
                    self.number(name)
                )
            })
            .collect();
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What tells a group's process from all others.
    pub(crate) fn number(&self, group: &str) -> String {
        let own: u32 = group.bytes().map(u32::from).sum();
        format!("{}{own:04}", std::process::id())
    }

    /// Processes of a group, anywhere.
    pub(crate) fn processes(&self, group: &str) -> Vec<u64> {
        let line = format!("sleep\0{}\0", self.number(group));
        marked(&self.number(group))
            .into_iter()
            .filter(|process| {
                std::fs::read_to_string(format!("/proc/{process}/cmdline")).is_ok_and(|is| is == line)
            })
            .collect()
    }

    pub(crate) fn apply(&self, node: &str, groups: &[&str]) {
        let path = self.config(groups);
        self.ok(node, &["apply", path.to_str().unwrap()]);
    }

    /// Waits until a group has its process, which is the only one.
    pub(crate) fn online(&self, group: &str) -> u64 {
        until(&format!("{group} runs"), || match self.processes(group)[..] {
            [] => None,
            [process] => Some(process),
            [..] => panic!("{group} runs twice"),
        })
    }

    /// Waits until a group is said to be online.
    pub(crate) fn settled(&self, node: &str, group: &str) {
        until(&format!("{group} is online, {node} says"), || {
            let status = self.status(node);
            let groups = status["groups"].as_array()?;
            groups.iter().any(|of| of["name"] == group && of["state"] == "Online").then_some(())
        });
    }

    /// The history; empty while the node does not answer.
    pub(crate) fn events(&self, node: &str) -> Vec<Value> {
        let output = self.run(node, &["events", "--json", "--last", "10000"]);
        let lines = if output.status.success() { output.stdout } else { Vec::new() };
        String::from_utf8(lines).unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Waits for an event that says this.
    pub(crate) fn event(&self, node: &str, id: u64, text: &str) {
        until(&format!("event {id} with {text:?} on {node}"), || {
            let says = |event: &Value| event["id"] == id && event["text"].as_str().unwrap().contains(text);
            self.events(node).iter().any(says).then_some(())
        });
    }

    pub(crate) fn edit(&self, node: &str, change: impl Fn(String) -> String) {
        let path = self.data(node).join("node.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, change(text)).unwrap();
    }
}

impl Drop for World {
    fn drop(&mut self) {
        for (_, child) in &mut self.nodes {
            let _ = child.kill();
            let _ = child.wait();
        }
        if let Some(etcd) = &mut self.etcd {
            let _ = etcd.kill();
            let _ = etcd.wait();
        }
        if std::thread::panicking() {
            for node in ["n1", "n2", "n3", "clone"] {
                if self.data(node).exists() {
                    let _ = writeln!(std::io::stderr(), "{node} printed:\n{}", self.printed(node));
                }
            }
        }
    }
}
