//! The cluster and the members of its etcd, as they are now.

use std::collections::BTreeSet;
use std::path::Path;

use serde::Serialize;
use stead_store::Store;
use stead_store_etcd::{Admin, Options, Start};

use crate::documents::{self, MEMBER, MemberDoc, writer};
use crate::error::Trouble;
use crate::file::NodeFile;

/// One member of etcd.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct MemberLine {
    /// Its name; empty if it has never been started.
    pub name: String,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// `leader`, `follower`, `learner`, `not started` or `no answer`.
    pub state: String,
    /// Its version, if it answers.
    pub version: Option<String>,
    /// The size of its database on disk, in bytes.
    pub size: Option<u64>,
    /// How much of that is in use, in bytes.
    pub used: Option<u64>,
    /// Its alarms, and what it complains of.
    pub alarms: Vec<String>,
}

/// The cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct ClusterStatus {
    /// Its name.
    pub cluster: String,
    /// Its id.
    pub id: String,
    /// This node.
    pub node: String,
    /// The session's times.
    pub timers: String,
    /// Nodes that belong to the cluster, and the state of their sessions: `alive`, `dead`, `left` or `none`.
    pub nodes: Vec<(String, String)>,
    /// The members of etcd.
    pub members: Vec<MemberLine>,
    /// Members that vote, those of them that answer, and how many more may be lost.
    pub voters: usize,
    /// See above.
    pub answering: usize,
    /// See above.
    pub may_lose: usize,
    /// Why the database could not be read, or what is odd about it.
    pub warnings: Vec<String>,
}

impl ClusterStatus {
    /// True if a majority of the members answers.
    #[must_use]
    pub fn works(&self) -> bool {
        self.voters > 0 && self.answering * 2 > self.voters
    }
}

/// Looks at everything.
///
/// # Errors
/// When `node.toml` is wrong, or not one member can be asked for the list of members.
pub fn status(data: &Path) -> Result<ClusterStatus, Trouble> {
    let file = NodeFile::read_present(data)?;
    let options = file.options(data, &writer(&file.node))?;
    let admin = Admin::new(options.clone())?;
    let (_, members) = admin.list()?;
    let alarms = admin.alarms().unwrap_or_default();
    let mut warnings = Vec::new();
    let mut lines = Vec::new();
    // Members mostly have one version, and what is to be said of it is long.
    let mut warned = BTreeSet::new();
    let (mut voters, mut answering) = (0, 0);
    for member in members {
        let health = member.client_urls.iter().find_map(|url| admin.health(url).ok());
        let state = match &health {
            None if member.name.is_empty() => "not started",
            None => "no answer",
            Some(_) if member.learner => "learner",
            Some(health) if health.leader == member.id => "leader",
            Some(_) => "follower",
        };
        if !member.learner {
            voters += 1;
            // One that knows no leader answers, and is of no use.
            answering += usize::from(health.as_ref().is_some_and(|health| health.leader != 0));
        }
        let mut told: Vec<String> =
            alarms.iter().filter(|(of, _)| *of == member.id).map(|(_, alarm)| alarm.clone()).collect();
        if let Some(health) = &health {
            told.extend(health.errors.clone());
            if warned.insert(health.version.clone()) {
                warnings.extend(health.warning.clone());
            }
        }
        lines.push(MemberLine {
            name: member.name,
            client_urls: member.client_urls,
            state: state.to_owned(),
            version: health.as_ref().map(|health| health.version.clone()),
            size: health.as_ref().map(|health| health.size),
            used: health.as_ref().map(|health| health.used).filter(|used| *used != 0),
            alarms: told,
        });
    }
    let nodes = nodes(options, &file).unwrap_or_else(|error| {
        warnings.push(error.to_string());
        Vec::new()
    });
    warnings.extend(crate::certificate::ending(data, &file));
    Ok(ClusterStatus {
        timers: file.timers().to_string(),
        cluster: file.cluster.name,
        id: file.cluster.id,
        node: file.node,
        nodes,
        members: lines,
        voters,
        answering,
        may_lose: answering.saturating_sub(voters / 2 + 1),
        warnings,
    })
}

fn nodes(options: Options, file: &NodeFile) -> Result<Vec<(String, String)>, Trouble> {
    let (store, _) = documents::open(options, Start::Existing)?;
    documents::identity(&store, &file.cluster.name, Some(&file.cluster.id))?;
    let (_, members) = store.list(MEMBER)?;
    let (_, sessions) = store.list("session/")?;
    let session = |node: &str| {
        let found = sessions.iter().find(|entry| {
            entry.key.strip_prefix("session/").is_some_and(|name| name.eq_ignore_ascii_case(node))
        });
        let state = found.and_then(|entry| entry.value.get("state")?.as_str().map(ToOwned::to_owned));
        state.unwrap_or_else(|| "none".to_owned())
    };
    let node = |entry: stead_store::Entry| {
        let found: Option<MemberDoc> = serde_json::from_value(entry.value).ok();
        let name = found.map_or_else(
            || entry.key.strip_prefix(MEMBER).unwrap_or_default().to_owned(),
            |found| found.node,
        );
        let state = session(&name);
        (name, state)
    };
    Ok(members.into_iter().map(node).collect())
}
