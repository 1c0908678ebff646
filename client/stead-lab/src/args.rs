//! What can be typed after `stead lab`.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

use crate::network::Way;

/// A cluster of several nodes on this machine, to break on purpose. Needs root.
#[derive(Debug, Parser)]
#[command(
    name = "lab",
    about = "A cluster of several nodes on this machine, to break on purpose; needs root"
)]
pub(crate) struct Cli {
    /// The lab; only needed if there are several
    #[arg(long, global = true)]
    pub(crate) name: Option<String>,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Make the nodes of the file's [lab], let them be a cluster, and apply the file
    Up {
        /// The configuration, with a table [lab]
        file: PathBuf,
    },
    /// Which nodes are on, and which are cut off
    Status {
        /// JSON instead of text
        #[arg(long)]
        json: bool,
    },
    /// Cut a node's power: everything in it is gone at once, and its cable is silent
    Kill {
        /// The node
        node: String,
    },
    /// Switch a node on again
    Start {
        /// The node
        node: String,
    },
    /// Cut a node off from the others, while it runs on
    Partition {
        /// The node
        node: String,
        /// Only what comes in, or only what goes out
        #[arg(long, value_name = "in|out", default_value = "both", hide_default_value = true, value_parser = way)]
        one_way: Way,
    },
    /// Undo a partition, or all of them
    Heal {
        /// The node
        node: Option<String>,
    },
    /// Run a command in a node
    Exec {
        /// The node
        node: String,
        /// The command and its arguments
        #[arg(last = true, required = true)]
        command: Vec<String>,
    },
    /// End everything, and leave nothing behind
    Down,
    /// Ask an address again and again, and print for how long it did not answer
    Watch {
        /// IP:PORT, or IP for port 80
        address: String,
        /// Stop after this time, such as 30s; without it, at Ctrl-C
        #[arg(long = "for", value_name = "TIME", value_parser = humantime::parse_duration)]
        duration: Option<Duration>,
        /// JSON lines instead of text
        #[arg(long)]
        json: bool,
    },
    /// What a node begins with
    #[command(hide = true)]
    Inside {
        /// The lab
        lab: String,
        /// The node
        node: String,
    },
}

fn way(text: &str) -> Result<Way, String> {
    match text {
        "in" => Ok(Way::In),
        "out" => Ok(Way::Out),
        "both" => Ok(Way::Both),
        other => Err(format!("{other:?} is no way; there are: in, out")),
    }
}
