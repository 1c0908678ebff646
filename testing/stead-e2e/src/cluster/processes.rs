//! Processes of the nodes of a lab, by what they are.

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use super::Cluster;
use crate::{alive, descendants};

/// A kind of process.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// The root of a node.
    Guardian,
    /// The node process.
    Node,
    /// The keeper of the member of etcd.
    Member,
    /// The member of etcd.
    Etcd,
    /// Above each warden, for the kernel's timer.
    Guard,
    /// Above each Resource Monitor.
    Warden,
    /// The Resource Monitor.
    Monitor,
    /// The work of a group.
    Work,
}

fn words(process: u64) -> Vec<String> {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    line.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

fn parent(process: u64) -> Option<u64> {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    stat[stat.rfind(')')? + 1..].split_whitespace().nth(1)?.parse().ok()
}

fn kind(process: u64) -> Option<Kind> {
    let words = words(process);
    let program = words.first()?.rsplit('/').next()?.to_owned();
    match (program.as_str(), words.get(1)?.as_str()) {
        ("stead", "guardian") => {
            // A guard is a guardian's child that has not become another program.
            let above = parent(process).and_then(kind);
            Some(if above == Some(Kind::Guardian) { Kind::Guard } else { Kind::Guardian })
        }
        ("stead", "node") => Some(Kind::Node),
        ("stead", "member") => Some(Kind::Member),
        ("stead", "warden") => Some(Kind::Warden),
        ("stead", "monitor") => Some(Kind::Monitor),
        ("stead-witness", _) => Some(Kind::Work),
        ("etcd", _) => Some(Kind::Etcd),
        _ => None,
    }
}

/// Sends a signal; a process that is gone already is no error.
fn signal(processes: &[u64], signal: Signal) {
    for process in processes {
        if let Some(process) = i32::try_from(*process).ok().and_then(Pid::from_raw) {
            let _ = kill_process(process, signal);
        }
    }
}

impl Cluster {
    /// Every process of a node; none if it is off.
    #[must_use]
    pub fn everything(&self, node: &str) -> Vec<u64> {
        let text = std::fs::read_to_string(self.disk(node).join("process.json")).unwrap_or_default();
        let around: Value = serde_json::from_str(&text).unwrap_or_default();
        around["id"].as_u64().map_or_else(Vec::new, descendants)
    }

    /// Processes of a node.
    #[must_use]
    pub fn processes(&self, node: &str, wanted: Kind) -> Vec<u64> {
        self.everything(node).into_iter().filter(|process| kind(*process) == Some(wanted)).collect()
    }

    /// Those of them that are a group's: its guard, warden, monitor or work.
    #[must_use]
    pub fn of_group(&self, node: &str, wanted: Kind, group: &str) -> Vec<u64> {
        let names = |process: u64| words(process).iter().any(|word| word == group);
        let below = |process: u64| descendants(process).into_iter().any(names);
        let mut all = self.processes(node, wanted);
        all.retain(|process| names(*process) || below(*process));
        all
    }

    /// Kills processes of a node at once; there must be some.
    ///
    /// # Panics
    /// When there are none.
    pub fn kill_all(&self, processes: &[u64]) {
        assert!(!processes.is_empty(), "there is nothing to kill");
        signal(processes, Signal::KILL);
        self.until("what was killed to be gone", || {
            processes.iter().all(|process| !alive(*process)).then_some(())
        });
    }

    /// Asks processes to end, and waits until they have; there must be some.
    ///
    /// # Panics
    /// When there are none.
    pub fn end_all(&self, processes: &[u64]) {
        assert!(!processes.is_empty(), "there is nothing to end");
        signal(processes, Signal::TERM);
        self.until("what was asked to end to be gone", || {
            processes.iter().all(|process| !alive(*process)).then_some(())
        });
    }

    /// Stops processes where they are; there must be some.
    ///
    /// # Panics
    /// When there are none.
    pub fn stop(&self, processes: &[u64]) {
        assert!(!processes.is_empty(), "there is nothing to stop");
        signal(processes, Signal::STOP);
    }

    /// Lets them go on.
    pub fn resume(&self, processes: &[u64]) {
        signal(processes, Signal::CONT);
    }
}
