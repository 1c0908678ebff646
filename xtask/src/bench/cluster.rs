//! Several nodes on this machine, with one etcd between them, each with a guardian of its own.

use std::collections::BTreeMap;
use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// Longer means that something hangs.
const HUNG: Duration = Duration::from_secs(120);

/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(20);

/// The nodes, ended when dropped.
pub(super) struct Cluster {
    program: PathBuf,
    folder: PathBuf,
    url: String,
    etcd: Child,
    nodes: BTreeMap<String, Child>,
}

/// Looks until there is something to see.
pub(super) fn until<T>(what: &str, mut look: impl FnMut() -> Result<Option<T>, String>) -> Result<T, String> {
    let begin = Instant::now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if begin.elapsed() > HUNG {
            return Err(format!("waited {} s in vain for {what}", HUNG.as_secs()));
        }
        std::thread::sleep(LOOK);
    }
}

fn text(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

fn done(output: Output, what: &str) -> Result<Output, String> {
    if output.status.success() { Ok(output) } else { Err(format!("{what}: {}", text(&output))) }
}

impl Cluster {
    /// Starts so many nodes, with the timings of this profile, and waits until all of them are up.
    pub(super) fn start(folder: &Path, count: usize, profile: &str) -> Result<Cluster, String> {
        let (heartbeat, election) = if profile == "fast" { ("50", "500") } else { ("100", "1000") };
        let port = || -> Result<u16, String> {
            let listener = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
            listener.map(|address| address.port()).map_err(|error| format!("127.0.0.1: {error}"))
        };
        let (url, peer) = (format!("http://127.0.0.1:{}", port()?), format!("http://127.0.0.1:{}", port()?));
        let etcd = Command::new("etcd")
            .args(["--name", "bench", "--data-dir"])
            .arg(folder.join("etcd"))
            .args(["--listen-client-urls", &url, "--advertise-client-urls", &url])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("bench={peer}"), "--log-level", "error"])
            .args(["--heartbeat-interval", heartbeat, "--election-timeout", election])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("etcd: {error} (Debian: apt-get install etcd-server)"))?;
        let program = super::built("stead")?;
        let mut cluster = Cluster { program, folder: folder.to_owned(), url, etcd, nodes: BTreeMap::new() };
        let url = cluster.url.clone();
        let create = ["cluster", "create", "bench", "--node", "n01", "--etcd", &url, "--profile", profile];
        let create = [&create[..], &["--json"]].concat();
        let created = until("etcd to answer", || {
            let output = cluster.run("n01", &create)?;
            Ok(output.status.success().then_some(output))
        })?;
        let created: Value =
            serde_json::from_slice(&created.stdout).map_err(|error| format!("cluster create: {error}"))?;
        let id = created["id"].as_str().unwrap_or_default().to_owned();
        for number in 2..=count {
            let name = format!("n{number:02}");
            let join = ["cluster", "join", "bench", "--node", &name, "--cluster-id", &id, "--etcd", &url];
            done(cluster.run(&name, &join)?, "cluster join")?;
        }
        for number in 1..=count {
            cluster.on(&format!("n{number:02}"))?;
        }
        cluster.up(count)?;
        Ok(cluster)
    }

    /// Waits until the first node that runs sees so many up.
    pub(super) fn up(&self, count: usize) -> Result<(), String> {
        until("all nodes to be up", || {
            let status = self.status()?;
            let nodes = status["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
            let up = nodes.iter().filter(|node| node["state"] == "Up").count();
            Ok((up == count).then_some(()))
        })
    }

    pub(super) fn data(&self, node: &str) -> PathBuf {
        self.folder.join(node)
    }

    /// Switches a node on.
    pub(super) fn on(&mut self, node: &str) -> Result<(), String> {
        let child = Command::new(&self.program)
            .args(["node", "run", "--data"])
            .arg(self.data(node))
            .env_remove("STEAD_DATA")
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("stead: {error}"))?;
        self.nodes.insert(node.to_owned(), child);
        Ok(())
    }

    /// Kills guardian, node, and with the guardian all guards and what they hold, at once; when it was begun.
    pub(super) fn cut(&mut self, node: &str) -> Result<Instant, String> {
        let mut child = self.nodes.remove(node).ok_or_else(|| format!("{node} does not run"))?;
        let processes = super::stead::tree(child.id());
        let begin = Instant::now();
        super::machine::kill_all(&processes)?;
        child.wait().map_err(|error| format!("{node}: {error}"))?;
        Ok(begin)
    }

    /// The node process of a node, which is not its guardian.
    pub(super) fn node_process(&self, node: &str) -> Result<u32, String> {
        let guardian = self.nodes.get(node).ok_or_else(|| format!("{node} does not run"))?.id();
        let found = super::stead::tree(guardian).into_iter().find(|process| {
            *process != guardian && super::stead::words(*process).get(1).is_some_and(|word| word == "node")
        });
        found.ok_or_else(|| format!("{node} has no node process"))
    }

    pub(super) fn run(&self, node: &str, arguments: &[&str]) -> Result<Output, String> {
        let mut command = Command::new(&self.program);
        command.args(arguments).arg("--data").arg(self.data(node)).env_remove("STEAD_DATA");
        command.output().map_err(|error| format!("stead: {error}"))
    }

    /// Applies a configuration and waits for it, as the command does.
    pub(super) fn apply(&self, config: &str) -> Result<Duration, String> {
        let file = self.folder.join("apply.toml");
        fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let begin = Instant::now();
        done(self.run(self.first()?, &["apply", &file.display().to_string(), "--json"])?, "apply")?;
        Ok(begin.elapsed())
    }

    /// The first node that runs.
    pub(super) fn first(&self) -> Result<&str, String> {
        self.nodes.keys().next().map(String::as_str).ok_or_else(|| "no node runs".to_owned())
    }

    /// The cluster as the first node that runs sees it; nothing while it does not answer.
    pub(super) fn status(&self) -> Result<Value, String> {
        let output = self.run(self.first()?, &["status", "--json"])?;
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// What etcd counts its changes with.
    pub(super) fn etcdctl(&self) -> Command {
        let mut command = Command::new("etcdctl");
        command.env("ETCDCTL_API", "3").args(["--endpoints", &self.url]);
        command
    }

    /// The names of the nodes that run.
    pub(super) fn names(&self) -> Vec<String> {
        self.nodes.keys().cloned().collect()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for child in self.nodes.values_mut() {
            let _ = super::machine::kill_all(&super::stead::tree(child.id()));
            let _ = child.wait();
        }
        let _ = self.etcd.kill();
        let _ = self.etcd.wait();
    }
}
