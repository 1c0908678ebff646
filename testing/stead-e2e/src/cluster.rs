//! A cluster of several nodes in namespaces of this machine, by `stead lab`, with a witness in each group.

mod clocks;
mod disks;
mod faults;
mod processes;
mod random;
mod wires;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use serde_json::Value;

pub use clocks::{Clock, clocks_possible};
pub use disks::{Disk, disks_possible};
pub use faults::{Copy, Rules, Way};
pub use processes::Kind;
pub use random::{Chance, Fault};
pub use wires::{Wire, Wired};

use crate::witness::{self, Change, Testimony, now, testimony};
use crate::{etcd, marked, stead};

/// Longer waits mean that something hangs: a takeover takes seconds, also where many tests run at once.
const PATIENCE: Duration = Duration::from_secs(90);

/// True if a cluster of several nodes can be had here; else it says why not, loudly.
#[must_use]
pub fn possible() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can make network namespaces");
        return false;
    }
    let programs = [("nft", "--version", "nftables"), ("ip", "-V", "iproute2"), ("tc", "-V", "iproute2")];
    for (program, version, package) in programs {
        if Command::new(program).arg(version).output().is_err() {
            eprintln!("SKIPPED: {program} is not there (package {package})");
            return false;
        }
    }
    if etcd().is_none() {
        return false;
    }
    let mut namespaces = Command::new("unshare");
    namespaces.args(["--net", "--pid", "--mount", "--fork", "true"]);
    if !namespaces.status().is_ok_and(|status| status.success()) {
        eprintln!("SKIPPED: no namespaces can be made here");
        return false;
    }
    true
}

/// What a cluster is to be.
#[derive(Clone, Debug)]
pub struct Plan {
    /// fast, default or patient.
    pub profile: &'static str,
    /// How many nodes: n1, n2 and so on.
    pub nodes: usize,
    /// The groups; each has a witness as its work.
    pub groups: &'static [&'static str],
    /// More of the configuration file.
    pub more: String,
    /// The program of the members of etcd; the one that is installed without.
    pub etcd: Option<PathBuf>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { profile: "default", nodes: 3, groups: &["a", "b", "c"], more: String::new(), etcd: None }
    }
}

/// A cluster. Taken away when dropped, also by a test that fails; then it shows what its nodes logged.
#[derive(Debug)]
pub struct Cluster {
    name: String,
    folder: tempfile::TempDir,
    nodes: Vec<String>,
    groups: Vec<String>,
    net: u32,
    etcd: PathBuf,
}

/// The program of the witness, beside this one.
fn witness_program() -> PathBuf {
    let me = std::env::current_exe().unwrap();
    let found = me.ancestors().map(|folder| folder.join("stead-witness")).find(|path| path.is_file());
    found.expect("stead-witness is not built: cargo build -p stead-e2e --bins")
}

impl Cluster {
    /// Makes a cluster and waits until every group is online and its witness lives.
    ///
    /// # Panics
    /// When it does not come to that.
    #[must_use]
    pub fn up(plan: &Plan) -> Cluster {
        let nodes = (1..=plan.nodes).map(|number| format!("n{number}")).collect();
        let groups = plan.groups.iter().map(|group| (*group).to_owned()).collect();
        // Several tests may run at once, in several processes or in one.
        static MADE: AtomicU32 = AtomicU32::new(0);
        let (process, made) = (std::process::id(), MADE.fetch_add(1, Ordering::Relaxed));
        let mut cluster = Cluster {
            name: format!("f{}-{made}", process % 10_000),
            folder: tempfile::tempdir().unwrap(),
            nodes,
            groups,
            net: (process * 7 + made) % 250,
            etcd: plan.etcd.clone().or_else(etcd).unwrap(),
        };
        // Another lab may have the subnet.
        for attempt in 0.. {
            std::fs::write(cluster.file(), cluster.configuration(plan)).unwrap();
            let file = cluster.file().display().to_string();
            let output = cluster.lab(&["up", &file]);
            if output.status.success() {
                break;
            }
            let said = String::from_utf8_lossy(&output.stderr).into_owned();
            assert!(attempt < 5 && said.contains("is in use"), "stead lab up: {said}");
            cluster.net = (cluster.net + 1) % 250;
        }
        for group in cluster.groups.clone() {
            cluster.serves(&group);
        }
        cluster
    }

    fn configuration(&self, plan: &Plan) -> String {
        let mut text = format!(
            "[lab]\nname = \"{}\"\nnodes = {:?}\nsubnet = \"10.90.{}.0/24\"\nprofile = \"{}\"\n",
            self.name, self.nodes, self.net, plan.profile
        );
        let (program, notes) = (witness_program(), self.folder.path().display().to_string());
        for group in &self.groups {
            text += &format!(
                "[[group]]\nname = \"{group}\"\nfailover_threshold = 1000\n[[group.resource]]\nname = \"work-{group}\"\n\
                 type = \"Generic Application\"\ncommon = {{ RestartDelay = 0, RestartThreshold = 1000 }}\n\
                 properties = {{ CommandLine = \"{} {notes} {group}\" }}\n",
                program.display()
            );
        }
        text + &plan.more.replace("NET", &format!("10.90.{}", self.net))
    }

    /// The configuration file.
    #[must_use]
    pub fn file(&self) -> PathBuf {
        self.folder.path().join("cluster.toml")
    }

    /// The folder of the test, with what the witnesses note.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The names of the nodes.
    #[must_use]
    pub fn nodes(&self) -> &[String] {
        &self.nodes
    }

    /// The names of the groups.
    #[must_use]
    pub fn groups(&self) -> &[String] {
        &self.groups
    }

    /// The nodes but these.
    #[must_use]
    pub fn others(&self, but: &[&str]) -> Vec<String> {
        self.nodes.iter().filter(|node| !but.contains(&node.as_str())).cloned().collect()
    }

    /// An address of the lab's network.
    #[must_use]
    pub fn address(&self, last: u8) -> String {
        format!("10.90.{}.{last}", self.net)
    }

    /// The address of a node.
    ///
    /// # Panics
    /// When there is no such node.
    #[must_use]
    pub fn address_of(&self, node: &str) -> String {
        let place = self.nodes.iter().position(|known| known == node).unwrap();
        self.address(u8::try_from(11 + place).unwrap())
    }

    /// Runs `stead lab`.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn lab(&self, arguments: &[&str]) -> Output {
        self.lab_command(arguments).output().unwrap()
    }

    fn lab_command(&self, arguments: &[&str]) -> Command {
        let etcd = self.etcd.parent().unwrap().display();
        let path = format!("{etcd}:{}", std::env::var("PATH").unwrap_or_default());
        let mut command = Command::new(stead());
        command.args(["lab", "--name", &self.name]).args(arguments);
        command.env("PATH", path).env_remove("STEAD_DATA");
        command
    }

    /// Runs `stead lab`, which must succeed; what it printed.
    ///
    /// # Panics
    /// When it does not.
    pub fn lab_ok(&self, arguments: &[&str]) -> String {
        let output = self.lab(arguments);
        assert!(output.status.success(), "stead lab {arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What the lab keeps of a node.
    #[must_use]
    pub fn disk(&self, node: &str) -> PathBuf {
        Path::new("/run/stead-lab").join(&self.name).join(node)
    }

    /// The data folder of a node.
    #[must_use]
    pub fn data(&self, node: &str) -> PathBuf {
        self.disk(node).join("data")
    }

    /// Runs a command of `stead` that asks a node. One that does not answer in 20 s is asked no longer.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn ask(&self, node: &str, arguments: &[&str]) -> Output {
        let mut command = Command::new("timeout");
        command.arg("20").arg(stead()).args(arguments).arg("--data").arg(self.data(node));
        command.output().unwrap()
    }

    /// The same, which must succeed; what it printed.
    ///
    /// # Panics
    /// When it does not.
    pub fn ok(&self, node: &str, arguments: &[&str]) -> String {
        let output = self.ask(node, arguments);
        assert!(output.status.success(), "{node}: {arguments:?}: {}", said(&output));
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// Asks until it is not said any more that something else is under way and to ask again; the last answer.
    pub fn order(&self, node: &str, arguments: &[&str]) -> Output {
        self.until(&format!("{node} to take {arguments:?}"), || {
            let output = self.ask(node, arguments);
            let busy = output.status.code() == Some(3) && said(&output).contains("ask again");
            (!busy).then_some(output)
        })
    }

    /// What a node says of a group; null if it does not answer.
    #[must_use]
    pub fn group(&self, node: &str, group: &str) -> Value {
        let output = self.ask(node, &["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        groups.into_iter().find(|known| known["name"] == group).unwrap_or_default()
    }

    /// What the witness of a group noted.
    #[must_use]
    pub fn testimony(&self, group: &str) -> Testimony {
        testimony(self.folder.path(), group)
    }

    /// Waits until the witness of a group lives; where.
    pub fn serves(&self, group: &str) -> String {
        self.until(&format!("the work of {group} to live"), || {
            self.testimony(group).lives_on().map(ToOwned::to_owned)
        })
    }

    /// Waits until the work of a group has ended and begun anew after `since`.
    pub fn changed(&self, group: &str, since: u64) -> Change {
        self.until(&format!("the work of {group} to begin anew"), || self.testimony(group).change(since))
    }

    /// Waits until no witness of a group lives.
    pub fn silent(&self, group: &str) -> Duration {
        self.until(&format!("the work of {group} to end"), || {
            let testimony = self.testimony(group);
            let last = testimony.lives().last()?.last;
            testimony.lives_on().is_none().then_some(Duration::from_nanos(last))
        })
    }

    /// Waits until a node says that a group is online on a node.
    pub fn online(&self, asked: &str, group: &str) -> String {
        self.until(&format!("{asked} to say that {group} is online"), || {
            let found = self.group(asked, group);
            let owner = found["owner_node"].as_str()?;
            (found["state"] == "Online").then(|| owner.to_owned())
        })
    }

    /// Waits until a node says that a group is online where its work lives; where that is.
    pub fn settled(&self, asked: &str, group: &str) -> String {
        self.until(&format!("{asked} to say that {group} is online where its work lives"), || {
            let owner = self.online(asked, group);
            (self.testimony(group).lives_on() == Some(&owner)).then_some(owner)
        })
    }

    /// Moves a group, and waits until its work lives there.
    ///
    /// # Panics
    /// When it is refused or fails.
    pub fn move_to(&self, group: &str, node: &str) {
        let from = self.serves(group);
        if from == node {
            return;
        }
        // Who has just come back may not have heard yet where the group went meanwhile.
        self.until(&format!("{node} to know that {group} is on {from}"), || {
            (self.group(node, group)["owner_node"] == from.as_str()).then_some(())
        });
        let output = self.order(node, &["group", "move", group, "--to", node]);
        assert!(output.status.success(), "{group} to {node}: {}", said(&output));
        self.until(&format!("{group} to live on {node}"), || (self.serves(group) == node).then_some(()));
    }

    /// Waits until every member of etcd answers, as one node sees it.
    pub fn all_answer(&self, node: &str) {
        let wanted = self.nodes.len();
        self.until(&format!("{node} to hear {wanted} members"), || {
            let output = self.ask(node, &["cluster", "status", "--json"]);
            let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
            (status["answering"] == wanted).then_some(())
        });
    }

    /// Waits until every node says of every node that it is up.
    pub fn all_up(&self) {
        for asked in &self.nodes {
            self.until(&format!("{asked} to say that all are up"), || {
                let output = self.ask(asked, &["status", "--json"]);
                let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
                let nodes = status["nodes"].as_array()?;
                let up = nodes.iter().filter(|node| node["state"] == "Up").count();
                (up == self.nodes.len()).then_some(())
            });
        }
    }

    /// The node whose member leads etcd.
    pub fn leader(&self) -> String {
        self.until("etcd to have a leader", || {
            self.nodes.iter().find_map(|node| {
                let output = self.ask(node, &["cluster", "status", "--json"]);
                let status: Value = serde_json::from_slice(&output.stdout).ok()?;
                let members = status["members"].as_array()?;
                let leads = members.iter().find(|member| member["state"] == "leader")?;
                Some(leads["name"].as_str()?.to_owned())
            })
        })
    }

    /// Looks again and again until `look` finds something.
    ///
    /// # Panics
    /// When it takes so long that something hangs.
    pub fn until<T>(&self, what: &str, mut look: impl FnMut() -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            if let Some(found) = look() {
                return found;
            }
            assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Lets time pass: for faults that last, and for showing that nothing happens.
    pub fn pass(&self, time: Duration) {
        std::thread::sleep(time);
    }

    /// Asserts that never two witnesses of a group lived at once.
    ///
    /// # Panics
    /// When they did: the promise that everything here is for is broken.
    pub fn never_two(&self) {
        for group in &self.groups {
            let overlaps = self.testimony(group).overlaps();
            if !overlaps.is_empty() {
                let text = format!("group {group} lived twice at once: {overlaps:#?}");
                witness::twice(&text);
                panic!("{text}");
            }
        }
    }

    /// Tells what was measured of a row of the matrix, for `book/faults.md`.
    pub fn measured(&self, row: &str, what: &str) {
        let _ = writeln!(std::io::stderr(), "MEASURED {row}: {what}");
    }

    /// Ends the cluster, and asserts that never two lived at once and nothing is left.
    ///
    /// # Panics
    /// When something is.
    pub fn end(self) {
        self.never_two();
        self.lab_ok(&["down"]);
        assert_eq!(self.left(), Vec::<String>::new(), "left behind");
    }

    /// Whatever bears the lab's name.
    fn left(&self) -> Vec<String> {
        let printed = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().unwrap();
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let mut left = Vec::new();
        for text in [
            printed("ip", &["netns", "list"]),
            printed("ip", &["-brief", "link", "show"]),
            std::fs::read_to_string("/proc/self/mounts").unwrap_or_default(),
        ] {
            left.extend(text.lines().filter(|line| line.contains(&self.name)).map(ToOwned::to_owned));
        }
        let marks = [format!("/run/stead-lab/{}/", self.name), self.folder.path().display().to_string()];
        let processes = marks.iter().flat_map(|mark| marked(mark));
        left.extend(processes.map(|process| format!("process {process}")));
        left
    }
}

/// What a command printed.
#[must_use]
pub fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// The instant of a fault.
#[must_use]
pub fn instant() -> u64 {
    now()
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let mut out = std::io::stderr();
            for group in &self.groups {
                let _ = writeln!(out, "witness of {group}: {:#?}", self.testimony(group).lives());
            }
            for node in &self.nodes {
                for log in ["log/node.log", "../node.log"] {
                    let text = std::fs::read_to_string(self.data(node).join(log)).unwrap_or_default();
                    let _ = writeln!(out, "--- {node} {log}\n{text}");
                }
            }
        }
        for node in &self.nodes {
            self.thaw(node);
        }
        // A second panic would hide the first.
        let _ = self.lab_command(&["down"]).output();
    }
}
