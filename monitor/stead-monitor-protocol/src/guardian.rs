use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use stead_types::{GroupName, ResourceName};

use crate::monitor::InstanceId;
use crate::wire::word;

/// The longest text for [`ToGuardian::Keep`], in bytes.
pub const LONGEST_BLOB: usize = 64 << 10;

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
    /// True if the node's session was over: its lease ran out, or `Fence` ended it.
    #[serde(default)]
    pub lapsed: bool,
    /// What the monitor left on the machine and could not be taken away, a line each: addresses, services. Looked for
    /// only while leases are in force; empty is verified.
    #[serde(default)]
    pub left: Vec<String>,
    /// The instances with a call in progress; the one whose thread crashed alone, where that is known.
    pub suspects: Vec<InstanceId>,
    /// The last output of the monitor and its children, at most 64 KiB, not cut inside a character.
    pub output: String,
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.lapsed {
            return f.write_str("killed: the lease of its node's session ended");
        }
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

/// What a guardian holds of a session, for a node that comes back.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeldSession {
    /// Which.
    #[serde(with = "word")]
    pub session: u128,
    /// The last deadline accepted, in nanoseconds of `CLOCK_BOOTTIME`; `None` before the first.
    pub deadline: Option<u64>,
    /// True once the deadline has passed or the session was fenced: it is never renewed again. Another may begin when
    /// `Empty` was said of this one.
    pub over: bool,
}

/// Node → guardian.
///
/// A node of a cluster of several machines begins with `Session`; from then on leases are in force until the guardian
/// ends: every group's monitor gets a guard, a process between guardian and warden with a kernel timer that kills it, and
/// so everything behind it, at the deadline. A node alone on its machine sends neither `Session` nor `Lease`, and has no
/// guards. The monitor that only checks ([`MonitorKey::Check`]) hosts no group and stands outside of all this.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "message", rename_all = "snake_case")]
pub enum ToGuardian {
    /// The first message of every node. Answered by `Hello`, one `Started` with socket for each running
    /// monitor, and `Listed`.
    Hello {
        /// [`crate::VERSION`] of the sender.
        version: u32,
    },
    /// Starts a Resource Monitor in containment of its own. Answered by `Started` or `NotStarted`; the latter also when
    /// leases are in force and there is no lease that has time left.
    Start {
        /// Which.
        monitor: MonitorKey,
    },
    /// Kills a monitor and all its processes. Answered by `Died` once the kernel says they are gone.
    Kill {
        /// Which.
        monitor: MonitorKey,
        /// True if nothing that is not on the disk yet may reach it any more: file systems that the monitor mounted are
        /// shut down first, as by a power cut.
        #[serde(default)]
        fence: bool,
    },
    /// Begins a session, once nothing of a group lives and nothing is left of one that did. Answered by `Begun`, after what
    /// earlier groups left behind was taken away, or `Refused`. Said again of the session that is held, and with the same
    /// terms, it is answered at once and changes nothing.
    Session {
        /// Which.
        #[serde(with = "word")]
        session: u128,
        /// D in milliseconds: no deadline farther ahead than this is accepted, neither by guardian nor by guards.
        longest: u64,
        /// W in milliseconds: the watchdog's timeout, in whole seconds.
        watchdog: u64,
        /// The watchdog's device, as `node.toml` names it; without one none is used. One that cannot be used is `Refused`:
        /// the other nodes count on it.
        device: Option<PathBuf>,
    },
    /// The session's lease was renewed. A deadline that is not later than the one held changes nothing; one too far ahead,
    /// of another session, or of one that is over, is `Refused`.
    Lease {
        /// Which.
        #[serde(with = "word")]
        session: u128,
        /// Until when work may go on, in nanoseconds of `CLOCK_BOOTTIME`.
        deadline: u64,
    },
    /// Are you there? Answered by `Answer` at once, in its turn: whatever was told before has been taken in by then. A node
    /// renews its session only while it is answered.
    Ask {
        /// For the answer.
        question: u64,
    },
    /// The session is over, at once: everything of groups is killed, file systems shut down first. Answered by a `Died` for
    /// each monitor, and `Empty`.
    Fence {
        /// Which.
        #[serde(with = "word")]
        session: u128,
    },
    /// A text for the node that comes after this one; it is in that one's `Hello`. The last one counts.
    Keep {
        /// At most [`LONGEST_BLOB`] bytes, without control characters but line ends and tabs; else `Refused`.
        blob: String,
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
        /// The session that an earlier node began, if one did.
        #[serde(default)]
        session: Option<HeldSession>,
        /// What an earlier node gave to `Keep`.
        #[serde(default)]
        blob: Option<String>,
        /// The watchdog, in words for people; `None` before a session began.
        #[serde(default)]
        watchdog: Option<String>,
    },
    /// The session is in force. Whatever was of an earlier session on this machine is gone, verified.
    Begun {
        /// Which.
        #[serde(with = "word")]
        session: u128,
        /// True if a watchdog resets this machine when W has passed.
        watchdog: bool,
    },
    /// The answer to `Ask`.
    Answer {
        /// Which question.
        question: u64,
    },
    /// A `Session`, `Lease`, `Fence` or `Keep` was not accepted, and nothing changed.
    Refused {
        /// What and why, and what would be accepted.
        error: String,
    },
    /// Nothing of any group lives on this machine, verified, and the session is over: another may begin.
    Empty {
        /// The session that is over.
        #[serde(with = "word")]
        session: u128,
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
    /// What monitors that have died left on this machine, a line each: said to a node that was not there when they died,
    /// and, with no line, to one that knows of it when it was looked and nothing is left any more.
    Left {
        /// What.
        what: Vec<String>,
    },
    /// Take everything offline, leaving the wanted state as it is, then answer `Exit`: the guardian got a signal,
    /// or the program in whose name it runs is gone.
    Shutdown {
        /// Why, for the event history.
        reason: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sessions_are_written_as_words_and_old_messages_are_read() {
        let lease = ToGuardian::Lease { session: u128::MAX, deadline: u64::MAX };
        let text = serde_json::to_string(&lease).unwrap();
        assert!(text.contains("\"340282366920938463463374607431768211455\""), "{text}");
        assert_eq!(serde_json::from_str::<ToGuardian>(&text).unwrap(), lease);
        let kill: ToGuardian = serde_json::from_str(r#"{"message": "kill", "monitor": "check"}"#).unwrap();
        assert_eq!(kill, ToGuardian::Kill { monitor: MonitorKey::Check, fence: false });
        let wrong = r#"{"message": "lease", "session": "-1", "deadline": 1}"#;
        assert!(serde_json::from_str::<ToGuardian>(wrong).is_err());
    }

    /// A text that arrives in one message leaves in one, whatever is in it.
    #[test]
    fn the_longest_text_fits_into_a_hello() {
        let hello = FromGuardian::Hello {
            version: u32::MAX,
            containment: Containment::UserNamespace,
            restarts: u32::MAX,
            session: Some(HeldSession { session: u128::MAX, deadline: Some(u64::MAX), over: true }),
            blob: Some("\"".repeat(LONGEST_BLOB)),
            watchdog: Some("w".repeat(1_000)),
        };
        assert!(serde_json::to_vec(&hello).unwrap().len() < crate::LONGEST_MESSAGE);
    }
}
