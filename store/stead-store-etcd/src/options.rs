//! What has to be known to reach a cluster database in etcd.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use stead_store::{StoreError, check_key};

use crate::floor::Memory;

/// How to reach the database, and as whom.
#[derive(Clone, Debug)]
pub struct Options {
    /// The addresses of etcd members, such as `https://10.0.0.1:2379`. One that answers is enough: it names the others.
    pub endpoints: Vec<String>,
    /// The name of this cluster; its keys are under `/stead/<cluster>/`.
    pub cluster: String,
    /// The name of this node. Two processes must not write under one name: they would take each other's lost answers
    /// for unknown ones.
    pub writer: String,
    /// How members are checked, and this node to them. Needed for `https`.
    pub tls: Option<Tls>,
    /// A user of etcd, if it asks for one.
    pub login: Option<Login>,
    /// What this node remembers of the database while it is down.
    pub memory: Option<Memory>,
    /// How long a call may take in all.
    pub deadline: Duration,
    /// How long one member may take to answer before another is asked.
    pub attempt: Duration,
    /// After so long without an answer the next member is asked for the same as well, and so on until one answers. None:
    /// one member is asked at a time.
    pub hedge: Option<Duration>,
    /// How often a silent member that is followed is asked whether it is there. The fourth time without an answer
    /// another one is followed, and preferred for everything else.
    pub beat: Duration,
}

/// Files, in PEM, of what TLS needs.
#[derive(Clone, Debug)]
pub struct Tls {
    /// The certificates of who may sign those of members.
    pub authority: PathBuf,
    /// The certificate of this node and its key, if etcd asks for one.
    pub identity: Option<(PathBuf, PathBuf)>,
}

/// A user of etcd.
#[derive(Clone)]
pub struct Login {
    /// Its name.
    pub user: String,
    /// Its password, which is never printed.
    pub password: String,
}

impl fmt::Debug for Login {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Login").field("user", &self.user).finish_non_exhaustive()
    }
}

/// What is expected of the database when it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// The cluster is new: nothing of that name is there.
    Create,
    /// The cluster is there and the same as before.
    Existing,
    /// The cluster is there, whatever became of it: to look at what is stored before somebody decides.
    AsItIs,
    /// The cluster is there, and an operator says that it is right that it was restored or moved: it becomes a new
    /// incarnation, and every other node that has it open must open it again.
    Adopt,
}

impl Options {
    /// Options with the timings that suit etcd's own defaults: 5 s for a call, 1 s for a member.
    #[must_use]
    pub fn new(endpoints: Vec<String>, cluster: &str, writer: &str) -> Self {
        Options {
            endpoints,
            cluster: cluster.to_owned(),
            writer: writer.to_owned(),
            tls: None,
            login: None,
            memory: None,
            deadline: Duration::from_secs(5),
            attempt: Duration::from_secs(1),
            hedge: None,
            beat: Duration::from_secs(1),
        }
    }

    pub(crate) fn check(&self) -> Result<(), StoreError> {
        for (what, name) in [("cluster", &self.cluster), ("node", &self.writer)] {
            check_key(name)?;
            if name.contains('/') {
                return Err(StoreError::BadKey(format!("{what} name {name:?} holds a slash")));
            }
        }
        if self.endpoints.is_empty() {
            let text = "no etcd endpoint is given; name one, such as https://10.0.0.1:2379";
            return Err(StoreError::Io(text.to_owned()));
        }
        for endpoint in &self.endpoints {
            match (endpoint.split_once("://"), &self.tls) {
                (Some(("https", _)), Some(_)) | (Some(("http", _)), None) => {}
                (Some(("https", _)), None) => {
                    let text =
                        format!("etcd endpoint {endpoint}: https needs the file of a certificate authority");
                    return Err(StoreError::Io(text));
                }
                (Some(("http", _)), Some(_)) => {
                    let text =
                        format!("etcd endpoint {endpoint}: TLS is set up, so it must begin with https://");
                    return Err(StoreError::Io(text));
                }
                (Some(_) | None, _) => {
                    let text = format!("etcd endpoint {endpoint:?}: it must begin with https:// or http://");
                    return Err(StoreError::Io(text));
                }
            }
        }
        if self.attempt.is_zero() || self.deadline < self.attempt {
            let text = format!(
                "etcd timings: {:?} for one member must be above 0 and not above the {:?} of a whole call",
                self.attempt, self.deadline
            );
            return Err(StoreError::Io(text));
        }
        if self.hedge.is_some_and(|hedge| hedge.is_zero()) {
            let text = "etcd timings: another member cannot be asked after 0 s";
            return Err(StoreError::Io(text.to_owned()));
        }
        if self.beat.is_zero() {
            let text = "etcd timings: a silent member cannot be asked every 0 s whether it is there";
            return Err(StoreError::Io(text.to_owned()));
        }
        Ok(())
    }
}
