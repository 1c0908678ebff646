//! What can be done to the nodes of a lab.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use serde_json::Value;

use super::{Cluster, Kind, said};
use crate::{etcd, stead};

/// Which way a cable is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Way {
    /// Nothing comes in.
    In,
    /// Nothing goes out.
    Out,
    /// Neither.
    Both,
}

/// Rules of a node's own firewall.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rules {
    /// Packets from and to these addresses are dropped.
    Without(Vec<String>),
    /// Nothing of etcd's comes in or goes out.
    Etcd,
    /// Nothing of what members of etcd say to each other comes in or goes out.
    Peers,
    /// So many of 100 packets that come in are dropped.
    Loss(u32),
    /// Connections with other nodes are reset.
    Reset,
    /// Longer packets are dropped, those that come in and those that go out.
    Longest(u32),
}

impl Rules {
    fn text(&self) -> String {
        let chains = |input: &str, output: &str| {
            let chain = |hook: &str, rules: &str| {
                format!("chain {hook} {{ type filter hook {hook} priority -300; policy accept; {rules} }}\n")
            };
            format!("table inet faults {{\n{}{}}}\n", chain("input", input), chain("output", output))
        };
        match self {
            Rules::Without(addresses) => {
                let set = addresses.join(", ");
                chains(&format!("ip saddr {{ {set} }} drop;"), &format!("ip daddr {{ {set} }} drop;"))
            }
            Rules::Etcd => {
                let ports = "oifname != \"lo\" tcp dport { 2379, 2380 } drop; oifname != \"lo\" tcp sport { 2379, 2380 } drop;";
                chains(&ports.replace("oifname", "iifname"), ports)
            }
            Rules::Peers => {
                let port = "oifname != \"lo\" tcp dport 2380 drop; oifname != \"lo\" tcp sport 2380 drop;";
                chains(&port.replace("oifname", "iifname"), port)
            }
            Rules::Loss(percent) => {
                chains(&format!("iifname != \"lo\" numgen random mod 100 < {percent} drop;"), "")
            }
            Rules::Reset => {
                let with = |what: &str| format!("{what} != \"lo\" meta l4proto tcp reject with tcp reset;");
                chains(&with("iifname"), &with("oifname"))
            }
            Rules::Longest(bytes) => {
                let over = |what: &str| format!("{what} != \"lo\" meta length > {bytes} drop;");
                chains(&over("iifname"), &over("oifname"))
            }
        }
    }
}

/// A second machine with everything that another one has; gone when dropped.
#[derive(Debug)]
pub struct Copy {
    child: Child,
    data: PathBuf,
}

impl Copy {
    /// Its data folder.
    #[must_use]
    pub fn data(&self) -> &Path {
        &self.data
    }
}

impl Drop for Copy {
    fn drop(&mut self) {
        // Its namespace, and everything in it, goes with it.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Cluster {
    /// Starts a copy of a node, at the address of another one.
    ///
    /// # Panics
    /// When it cannot be.
    #[must_use]
    pub fn copy_of(&self, node: &str, at: &str) -> Copy {
        let data = self.folder.path().join("copy");
        // One of an earlier try.
        let _ = std::fs::remove_dir_all(&data);
        assert!(Command::new("cp").arg("-a").arg(self.data(node)).arg(&data).status().unwrap().success());
        std::fs::remove_dir_all(data.join("log")).unwrap();
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(at), "unshare"]);
        command.args(["--mount", "--pid", "--fork", "--kill-child", "--mount-proc"]);
        command.arg(stead()).args(["node", "run", "--node-name", node, "--data"]).arg(&data);
        let log = std::fs::File::create(self.folder.path().join("copy.log")).unwrap();
        command.stdin(Stdio::null()).stdout(log.try_clone().unwrap()).stderr(log);
        Copy { child: command.spawn().unwrap(), data }
    }

    fn namespace(&self, node: &str) -> String {
        format!("stead-{}-{node}", self.name)
    }

    fn in_network(&self, node: &str, words: &[&str], input: &str) {
        let mut command = Command::new("ip");
        command.args(["netns", "exec", &self.namespace(node)]).args(words);
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success(), "{words:?} {input}: {}", said(&output));
    }

    /// Cuts a node's power.
    pub fn power_off(&self, node: &str) {
        self.lab_ok(&["kill", node]);
    }

    /// Switches it on again.
    pub fn power_on(&self, node: &str) {
        self.lab_ok(&["start", node]);
    }

    /// Cuts a node off.
    pub fn partition(&self, node: &str, way: Way) {
        let way = match way {
            Way::In => "in",
            Way::Out => "out",
            Way::Both => "both",
        };
        self.lab_ok(&["partition", node, "--one-way", way]);
    }

    /// Undoes it.
    pub fn heal(&self, node: &str) {
        self.lab_ok(&["heal", node]);
    }

    /// Gives a node's firewall these rules instead of those it had from here.
    pub fn firewall(&self, node: &str, rules: &[Rules]) {
        let text: String = rules.iter().map(Rules::text).collect();
        self.in_network(
            node,
            &["nft", "-f", "-"],
            &format!("add table inet faults\ndelete table inet faults\n{text}"),
        );
    }

    /// Limits what a node may send.
    pub fn narrow(&self, node: &str, kbit: u32) {
        let rate = format!("{kbit}kbit");
        let words = ["tc", "qdisc", "replace", "dev", "eth0", "root", "tbf", "rate", &rate];
        self.in_network(node, &[&words[..], &["burst", "4kb", "latency", "400ms"]].concat(), "");
    }

    /// Lets it send as it likes.
    pub fn widen(&self, node: &str) {
        self.in_network(node, &["tc", "qdisc", "del", "dev", "eth0", "root"], "");
    }

    /// Kills what is wanted of a node: its member of etcd stays away, since its keeper is stopped.
    pub fn lose_etcd(&self, node: &str) {
        self.stop(&self.processes(node, Kind::Member));
        self.kill_all(&self.processes(node, Kind::Etcd));
    }

    /// Gives it back.
    pub fn return_etcd(&self, node: &str) {
        self.resume(&self.processes(node, Kind::Member));
    }

    /// Has a node's member lead etcd; false if etcdctl is not installed.
    #[must_use]
    pub fn lead(&self, node: &str) -> bool {
        let Some(status) = self.etcdctl(node, &["endpoint", "status", "--write-out", "json"]) else {
            return false;
        };
        let status: Value = serde_json::from_str(&status).unwrap();
        let id = status[0]["Status"]["header"]["member_id"].as_u64().unwrap();
        let leader = self.leader();
        if leader != node {
            self.etcdctl(&leader, &["move-leader", &format!("{id:x}")]).unwrap();
        }
        self.until(&format!("{node} to lead etcd"), || (self.leader() == node).then_some(()));
        true
    }

    /// Names another etcd in a node's `node.toml`: its member is that one from its next start on.
    ///
    /// # Panics
    /// When the file has no member.
    pub fn install_etcd(&self, node: &str, program: &Path) {
        let path = self.data(node).join("node.toml");
        let text = std::fs::read_to_string(&path).unwrap();
        let lines = text.lines().filter(|line| !line.starts_with("binary = "));
        let text: String = lines.map(|line| format!("{line}\n")).collect();
        let named = format!("[member]\nbinary = {:?}\n", program.display().to_string());
        assert!(text.contains("[member]\n"), "{text}");
        std::fs::write(path, text.replace("[member]\n", &named)).unwrap();
    }

    fn freezer(&self, node: &str) -> PathBuf {
        let roots = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(PathBuf::from);
        let root = roots.into_iter().find(|root| root.join("cgroup.procs").exists());
        root.unwrap_or_default().join(format!("{}-{node}", self.name))
    }

    /// Freezes everything of a node, by a control group of version 2; false if there is none here.
    #[must_use]
    pub fn freeze(&self, node: &str) -> bool {
        let group = self.freezer(node);
        if std::fs::create_dir(&group).is_err() || !group.join("cgroup.freeze").exists() {
            let _ = std::fs::remove_dir(&group);
            eprintln!("SKIPPED: freezing needs control groups of version 2, which are not there or not ours");
            return false;
        }
        for process in self.everything(node) {
            // One that has ended meanwhile needs no freezing.
            let _ = std::fs::write(group.join("cgroup.procs"), process.to_string());
        }
        std::fs::write(group.join("cgroup.freeze"), "1").unwrap();
        true
    }

    /// Lets what is frozen of a node go on, if anything is.
    pub fn thaw(&self, node: &str) {
        let group = self.freezer(node);
        if !group.join("cgroup.freeze").exists() {
            return;
        }
        let _ = std::fs::write(group.join("cgroup.freeze"), "0");
        let procs = std::fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default();
        for process in procs.lines() {
            let _ = std::fs::write(group.with_file_name("cgroup.procs"), process);
        }
        let _ = std::fs::remove_dir(&group);
    }

    /// Runs etcdctl with a node's certificate against a node's member; nothing if it is not installed.
    #[must_use]
    pub fn etcdctl(&self, node: &str, words: &[&str]) -> Option<String> {
        let tls = self.data(node).join("tls");
        let file = |name: &str| tls.join(name).display().to_string();
        let endpoint = format!("https://{}:2379", self.address_of(node));
        // Beside etcd, which may be one that was unpacked for the tests.
        let beside = etcd().unwrap().with_file_name("etcdctl");
        let mut command = Command::new(if beside.exists() { beside } else { "etcdctl".into() });
        command.env("ETCDCTL_API", "3").args(["--endpoints", &endpoint, "--cacert", &file("ca.pem")]);
        command.args(["--cert", &file("node.crt"), "--key", &file("node.key")]).args(words);
        let Ok(output) = command.output() else {
            eprintln!("SKIPPED: etcdctl is not there (package etcd-client)");
            return None;
        };
        assert!(output.status.success(), "etcdctl {words:?}: {}", said(&output));
        Some(String::from_utf8_lossy(&output.stdout).into_owned())
    }
}
