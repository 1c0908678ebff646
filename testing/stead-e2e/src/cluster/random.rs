//! Faults by chance, and two at once.

use std::process::Output;
use std::time::Duration;

use super::{Cluster, Kind, Rules, Way, said};

/// Something done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// All processes of a kind are killed at once.
    Kill(Kind),
    /// All processes of a kind are stopped.
    Stop(Kind),
    /// Everything of the node is frozen.
    Freeze,
    /// The power is cut.
    Power,
    /// The cable is cut.
    Cut(Way),
    /// It does not hear one of the others.
    Deaf,
    /// A third of what comes in is lost.
    Loss,
    /// The node and another one lose their members of etcd.
    Majority,
    /// Two operators move the same group, one to this node and one to another.
    Move,
}

impl Fault {
    /// All of them.
    pub const ALL: [Fault; 21] = [
        Fault::Kill(Kind::Guardian),
        Fault::Kill(Kind::Node),
        Fault::Kill(Kind::Member),
        Fault::Kill(Kind::Etcd),
        Fault::Kill(Kind::Guard),
        Fault::Kill(Kind::Warden),
        Fault::Kill(Kind::Monitor),
        Fault::Kill(Kind::Work),
        Fault::Stop(Kind::Guardian),
        Fault::Stop(Kind::Node),
        Fault::Stop(Kind::Etcd),
        Fault::Stop(Kind::Guard),
        Fault::Freeze,
        Fault::Power,
        Fault::Cut(Way::Both),
        Fault::Cut(Way::In),
        Fault::Cut(Way::Out),
        Fault::Deaf,
        Fault::Loss,
        Fault::Majority,
        Fault::Move,
    ];
}

/// Numbers that look random, the same for the same seed.
#[derive(Clone, Debug)]
pub struct Chance(u64);

impl Chance {
    /// Begins at a seed.
    #[must_use]
    pub fn new(seed: u64) -> Chance {
        Chance(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// A number below `end`.
    pub fn below(&mut self, end: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % end
    }

    /// One of several.
    ///
    /// # Panics
    /// When there are none.
    pub fn of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        &all[usize::try_from(self.below(all.len() as u64)).unwrap()]
    }
}

impl Cluster {
    /// Does it to a node, which may be off or hurt already. [`Cluster::repair`] undoes it.
    pub fn inflict(&self, fault: Fault, node: &str) {
        match fault {
            Fault::Kill(kind) => {
                let these = self.processes(node, kind);
                if !these.is_empty() {
                    self.kill_all(&these);
                }
            }
            Fault::Stop(kind) => {
                let these = self.processes(node, kind);
                if !these.is_empty() {
                    self.stop(&these);
                }
            }
            Fault::Freeze => {
                // Where there are no control groups it says so.
                let _ = self.freeze(node);
            }
            // One that is off already is as it should be.
            Fault::Power => drop(self.lab(&["kill", node])),
            Fault::Cut(way) => {
                if self.is_on(node) {
                    self.partition(node, way);
                }
            }
            Fault::Deaf => {
                let other = self.others(&[node])[0].clone();
                self.firewall_if_on(node, &[Rules::Without(vec![self.address_of(&other)])]);
            }
            Fault::Loss => self.firewall_if_on(node, &[Rules::Loss(33)]),
            Fault::Majority => {
                let other = self.others(&[node])[0].clone();
                for node in [node, &other] {
                    let etcd = self.processes(node, Kind::Etcd);
                    if !etcd.is_empty() {
                        self.lose_etcd(node);
                    }
                }
            }
            Fault::Move => {
                let other = self.others(&[node])[0].clone();
                let group = self.groups()[0].clone();
                let asked: [Output; 2] = std::thread::scope(|scope| {
                    let ask = |to: String| {
                        let group = &group;
                        scope.spawn(move || self.ask(&to, &["group", "move", group, "--to", &to]))
                    };
                    let both = [ask(node.to_owned()), ask(other)];
                    both.map(|asked| asked.join().unwrap())
                });
                for output in asked {
                    // Done, failed, refused, nobody answers, or given up after a while.
                    let code = output.status.code();
                    assert!(
                        matches!(code, Some(0 | 1 | 3 | 4 | 124)),
                        "group move: {code:?}: {}",
                        said(&output)
                    );
                }
            }
        }
    }

    fn firewall_if_on(&self, node: &str, rules: &[Rules]) {
        if self.is_on(node) {
            self.firewall(node, rules);
        }
    }

    /// True if a node has power.
    #[must_use]
    pub fn is_on(&self, node: &str) -> bool {
        !self.everything(node).is_empty()
    }

    /// Undoes whatever was done to any node, except that nobody's work is moved.
    pub fn repair(&self) {
        for node in self.nodes() {
            self.thaw(node);
            self.resume(&self.everything(node));
            if self.is_on(node) {
                self.heal(node);
                self.firewall(node, &[]);
            } else {
                self.power_on(node);
            }
        }
    }

    /// Waits until every group has been living where it lives for a while; nodes that were lost too often and are kept
    /// out for it are let in again, by hand, as an operator would.
    pub fn recovered(&self) {
        for node in self.nodes() {
            self.until(&format!("{node} to answer"), || {
                self.ask(node, &["status"]).status.success().then_some(())
            });
        }
        self.all_up();
        for group in self.groups() {
            self.settled(&self.nodes()[0], group);
        }
        self.pass(Duration::from_millis(200));
        self.never_two();
    }

    /// Forgets how often nodes were lost, which would keep one of them out for hours; false without etcdctl.
    pub fn forgive(&self) -> bool {
        let node = &self.nodes()[0];
        let Some(keys) = self.etcdctl(node, &["get", "", "--prefix", "--keys-only"]) else { return false };
        let records = keys.lines().filter(|key| key.contains("/node/"));
        records.for_each(|key| drop(self.etcdctl(node, &["del", key])));
        true
    }
}
