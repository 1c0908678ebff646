use std::fmt;

use serde::{Deserialize, Serialize};
use stead_types::{GroupName, ResourceName};

use crate::monitor::InstanceId;
use crate::wire::word;

/// Which of a group's Resource Monitors.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Slot {
    /// The one that hosts the group's resources.
    Shared,
    /// One that hosts this resource alone.
    Separate(#[serde(with = "word")] ResourceName),
}

/// Which Resource Monitor.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MonitorKey {
    /// One of a group's.
    Group {
        /// The group.
        #[serde(with = "word")]
        group: GroupName,
        /// Which of its monitors.
        slot: Slot,
    },
    /// The one that checks types and properties and never brings anything online.
    Check,
}

impl fmt::Display for MonitorKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            MonitorKey::Group { group, slot: Slot::Shared } => write!(f, "{group}"),
            MonitorKey::Group { group, slot: Slot::Separate(resource) } => write!(f, "{group}/{resource}"),
            MonitorKey::Check => f.write_str("(check)"),
        }
    }
}

/// How a group's processes are kept together and killed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Containment {
    /// A pid namespace made by root: the kernel kills every process of a monitor with its warden.
    PidNamespace,
    /// The same, inside an unprivileged user namespace.
    UserNamespace,
    /// A child subreaper that hunts descendants down. A process that forks faster than it is hunted escapes.
    Subreaper,
}

impl Containment {
    /// One line for people: what it is and what it does not cover.
    #[must_use]
    pub const fn describe(self) -> &'static str {
        match self {
            Containment::PidNamespace => {
                "pid namespace: the kernel kills every process of a monitor together with its warden"
            }
            Containment::UserNamespace => {
                "pid namespace inside an unprivileged user namespace: as with root, but resources run as you, \
                 and files of other users show the owner nobody"
            }
            Containment::Subreaper => {
                "child subreaper: the warden hunts down every descendant; not covered: a process that forks \
                 faster than it is hunted, and a guardian and warden killed at the same moment"
            }
        }
    }
}

/// How a Resource Monitor ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Death {
    /// The exit status, if it exited.
    pub exit: Option<i32>,
    /// The signal, if one killed it.
    pub signal: Option<i32>,
    /// True if the guardian was told to end it, or it ended after `Shutdown`.
    pub requested: bool,
    /// Set by the warden when it killed the monitor for a call past its deadline: the entry point.
    pub stuck: Option<String>,
    /// Set by the warden when it killed the monitor because a signal had stopped it.
    pub stopped: bool,
    /// The instances with a call in progress; the one whose thread crashed alone, where that is known.
    pub suspects: Vec<InstanceId>,
    /// The last output of the monitor and its children, at most 64 KiB, not cut inside a character.
    pub output: String,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(entry) = &self.stuck {
            return write!(f, "killed: {entry} exceeded its deadline");
        }
        if self.stopped {
            return f.write_str("killed: a signal had stopped it");
        }
        match (self.signal, self.exit) {
            (Some(signal), _) => write!(f, "killed by signal {signal}"),
            (None, Some(status)) => write!(f, "exited with status {status}"),
            (None, None) => f.write_str("gone"),
        }
    }
}

/// Node → guardian.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToGuardian {
    /// The first message of every node. Answered by `Hello`, one `Started` with socket for each running
    /// monitor, and `Listed`.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
    },
    /// Starts a Resource Monitor in containment of its own. Answered by `Started` or `NotStarted`.
    Start {
        /// Which.
        monitor: MonitorKey,
    },
    /// Kills a monitor and all its processes. Answered by `Died` once the kernel says they are gone.
    Kill {
        /// Which.
        monitor: MonitorKey,
    },
    /// Everything is offline and written: kill what is left, end the node, exit.
    Exit,
}

/// Guardian → node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum FromGuardian {
    /// The answer to `Hello`.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
        /// Containment in force for every monitor.
        containment: Containment,
        /// How often the node was started before in this guardian's life.
        restarts: u32,
    },
    /// A monitor runs; the socket to it comes along.
    Started {
        /// Which.
        monitor: MonitorKey,
        /// The monitor's process, as seen by the guardian.
        process: u32,
    },
    /// The list that follows `Hello` is complete.
    Listed,
    /// A monitor could not be started.
    NotStarted {
        /// Which.
        monitor: MonitorKey,
        /// Why.
        error: String,
    },
    /// A monitor ended and none of its processes is left.
    Died {
        /// Which.
        monitor: MonitorKey,
        /// How.
        death: Death,
    },
    /// Take everything offline, leaving the wanted state as it is, then answer `Exit`: the guardian got a signal,
    /// or the program in whose name it runs is gone.
    Shutdown {
        /// Why, for the event history.
        reason: String,
    },
}
