//! What can be typed after `stead cluster`.

use std::net::IpAddr;
use std::path::PathBuf;

use clap::{Args, Subcommand};

#[derive(Debug, Args)]
pub(crate) struct Cluster {
    #[command(subcommand)]
    pub(crate) verb: ClusterVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ClusterVerb {
    #[command(flatten)]
    Offline(Box<OfflineVerb>),
    /// What all nodes go by: waits, retries, quarantine
    Settings,
    /// Change settings; `stead cluster settings` shows their names
    #[command(after_help = "\
Examples:
  stead cluster set QuarantineThreshold=5
  stead cluster set GroupDependencyTimeout=60 ClusterGroupWaitDelay=30")]
    Set {
        /// A setting and its number
        #[arg(required = true, value_name = "NAME=NUMBER")]
        settings: Vec<String>,
    },
}

/// Verbs that need no node that answers.
#[derive(Debug, Subcommand)]
pub(crate) enum OfflineVerb {
    /// Make a cluster, with this machine as its first node
    Create(Create),
    /// Make this machine a node of a cluster that is there
    Join(Join),
    /// Invite a node to a cluster whose etcd stead manages; prints a secret that is good once, for 15 minutes
    Invite(Invite),
    /// Nodes and members of etcd: who leads, how they are, what is wrong
    Status,
    /// The certificates with which nodes reach the cluster database: whose, until when
    Certificates,
    /// Make this node a new certificate; nothing is started again. Nodes do it by themselves in time
    Renew {
        /// For trials of what happens then: it ends after so many seconds
        #[arg(long, value_name = "SECONDS", hide = true)]
        seconds: Option<u32>,
    },
    /// Take this machine out of its cluster; its node must be stopped
    Leave,
    /// Say that a restored or moved database is the right one; without --yes only look at it
    #[command(after_help = "\
After a restore every node stops what it runs and refuses to begin: what the backup says of who runs what may be old. Look \
at it with `stead cluster adopt`, then adopt it on one node. The others open it by themselves; groups start when nothing \
of before can still run anywhere.")]
    Adopt {
        /// Adopt it: every group stops, and starts again after the wait
        #[arg(long)]
        yes: bool,
    },
    /// The nodes that belong to the cluster
    Members(Members),
}

#[derive(Debug, Args)]
pub(crate) struct Create {
    /// The name of the cluster
    pub(crate) name: String,
    /// The name of this node
    #[arg(long, value_name = "NAME")]
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Times of all nodes: fast (etcd on fast disks in one rack), default or patient (wide areas)
    #[arg(long, value_name = "PROFILE", default_value = "default", value_parser = profile)]
    pub(crate) profile: stead_membership::Profile,
    /// Run a member of etcd on each node, with certificates of the cluster's own authority
    #[arg(long, requires = "address", conflicts_with_all = ["etcd", "ca", "cert", "key", "user", "password_file"])]
    pub(crate) managed_etcd: bool,
    #[command(flatten)]
    pub(crate) place: Place,
    /// The member speaks in clear: whoever reaches its ports can read and change everything
    #[arg(long, requires = "managed_etcd")]
    pub(crate) insecure: bool,
    #[command(flatten)]
    pub(crate) local: Local,
}

/// Somebody else's etcd.
#[derive(Debug, Args)]
pub(crate) struct Reach {
    /// Members of etcd, such as https://10.0.0.1:2379; one that answers is enough
    #[arg(long, value_name = "URL", value_delimiter = ',')]
    pub(crate) etcd: Vec<String>,
    /// The certificates of who signs those of etcd, in PEM
    #[arg(long, value_name = "FILE")]
    pub(crate) ca: Option<PathBuf>,
    /// This node's certificate for etcd, in PEM
    #[arg(long, value_name = "FILE", requires = "key")]
    pub(crate) cert: Option<PathBuf>,
    /// Its key
    #[arg(long, value_name = "FILE", requires = "cert")]
    pub(crate) key: Option<PathBuf>,
    /// A user of etcd
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub(crate) user: Option<String>,
    /// The file with its password, which only its owner may read
    #[arg(long, value_name = "FILE", requires = "user")]
    pub(crate) password_file: Option<PathBuf>,
}

/// Where a managed member is.
#[derive(Debug, Args)]
pub(crate) struct Place {
    /// The address of the node's machine at which the others reach it, and from which it reaches them
    #[arg(long, value_name = "IP")]
    pub(crate) address: Option<IpAddr>,
    /// The port of its etcd for clients
    #[arg(long, value_name = "PORT", default_value_t = 2379)]
    pub(crate) client_port: u16,
    /// The port of its etcd for the other members
    #[arg(long, value_name = "PORT", default_value_t = 2380)]
    pub(crate) peer_port: u16,
}

/// What concerns this machine alone.
#[derive(Debug, Args)]
pub(crate) struct Local {
    /// The program of the managed member; etcd from the path by default
    #[arg(long, value_name = "FILE")]
    pub(crate) etcd_binary: Option<PathBuf>,
    /// The hardware watchdog, such as /dev/watchdog
    #[arg(long, value_name = "DEVICE")]
    pub(crate) watchdog: Option<PathBuf>,
    /// Only check, and say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Join {
    /// The name of the cluster
    #[arg(required_unless_present = "invitation", conflicts_with = "invitation")]
    pub(crate) name: Option<String>,
    /// The name of this node
    #[arg(long, value_name = "NAME", required_unless_present = "invitation", conflicts_with = "invitation")]
    pub(crate) node: Option<String>,
    /// The id of the cluster, as `stead cluster create` printed it
    #[arg(long, value_name = "ID", required_unless_present = "invitation", conflicts_with = "invitation")]
    pub(crate) cluster_id: Option<String>,
    #[command(flatten)]
    pub(crate) reach: Reach,
    /// Refuse the cluster if its times are others
    #[arg(long, value_name = "PROFILE", value_parser = profile, conflicts_with = "invitation")]
    pub(crate) profile: Option<stead_membership::Profile>,
    /// The file with the invitation that `stead cluster invite` printed; - reads it from standard input
    #[arg(long, value_name = "FILE", conflicts_with_all = ["etcd", "ca", "cert", "key", "user", "password_file"])]
    pub(crate) invitation: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) local: Local,
}

#[derive(Debug, Args)]
pub(crate) struct Invite {
    /// The name of the new node
    pub(crate) node: String,
    #[command(flatten)]
    pub(crate) place: Place,
    /// Write the invitation to this file, which only its owner may read, instead of printing it
    #[arg(long, value_name = "FILE")]
    pub(crate) out: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Members {
    #[command(subcommand)]
    pub(crate) verb: MembersVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum MembersVerb {
    /// Remove a node that is lost for good, with its member of etcd
    Remove {
        /// Its name
        node: String,
    },
}

fn profile(text: &str) -> Result<stead_membership::Profile, String> {
    text.parse()
}
