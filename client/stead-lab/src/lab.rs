//! What is known of a lab: a document below `/run/stead-lab/<name>/`, gone after a reboot as the lab is.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::file::Wanted;

/// Where all labs are.
pub(crate) const ROOT: &str = "/run/stead-lab";

/// A lab.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Lab {
    pub(crate) name: String,
    pub(crate) file: PathBuf,
    pub(crate) profile: String,
    pub(crate) host: Ipv4Addr,
    pub(crate) prefix: u8,
    pub(crate) nodes: Vec<Node>,
}

/// One of its nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Node {
    pub(crate) name: String,
    pub(crate) address: Ipv4Addr,
    /// Its place, from 1.
    pub(crate) number: usize,
}

impl Lab {
    pub(crate) fn new(wanted: &Wanted) -> Self {
        let node = |(place, name): (usize, &String)| Node {
            name: name.clone(),
            address: wanted.subnet.node(place),
            number: place + 1,
        };
        Lab {
            name: wanted.name.clone(),
            file: wanted.file.clone(),
            profile: wanted.profile.clone(),
            host: wanted.subnet.host(),
            prefix: wanted.subnet.prefix,
            nodes: wanted.nodes.iter().enumerate().map(node).collect(),
        }
    }

    /// The one with this name, or the only one there is.
    pub(crate) fn open(name: Option<&str>) -> Result<Self, Trouble> {
        let mut names: Vec<String> = fs::read_dir(ROOT)
            .into_iter()
            .flatten()
            .flatten()
            .filter(|entry| entry.path().join("lab.json").exists())
            .filter_map(|entry| entry.file_name().into_string().ok())
            .collect();
        names.sort();
        let name = match (name, names.as_slice()) {
            (Some(name), _) if names.iter().any(|known| known == name) => name,
            (Some(name), _) => {
                return Err(Trouble::Refused(format!("there is no lab {name:?}; {}", known(&names))));
            }
            (None, [only]) => only,
            (None, []) => return Err(Trouble::Refused(known(&names))),
            (None, _) => {
                return Err(Trouble::Refused(format!("which lab? name it with --name; {}", known(&names))));
            }
        };
        let path = Path::new(ROOT).join(name).join("lab.json");
        let wrong = |error: &dyn std::fmt::Display| Trouble::Failed(format!("{}: {error}", path.display()));
        let text = fs::read_to_string(&path).map_err(|error| wrong(&error))?;
        serde_json::from_str(&text).map_err(|error| wrong(&error))
    }

    /// Writes it down for the first time.
    pub(crate) fn begin(&self) -> Result<(), Trouble> {
        let folder = self.folder();
        if folder.exists() {
            return Err(Trouble::Refused(format!(
                "there is a lab {:?} already; `stead lab down --name {}` ends it, --name makes another",
                self.name, self.name
            )));
        }
        let wrong = |error: &dyn std::fmt::Display| Trouble::Failed(format!("{}: {error}", folder.display()));
        let mut builder = fs::DirBuilder::new();
        builder.recursive(true).mode(0o700);
        builder.create(folder.join("own")).map_err(|error| wrong(&error))?;
        let text = serde_json::to_string_pretty(self).map_err(|error| wrong(&error))?;
        fs::write(folder.join("lab.json"), text).map_err(|error| wrong(&error))
    }

    pub(crate) fn folder(&self) -> PathBuf {
        Path::new(ROOT).join(&self.name)
    }

    /// In each node, its own folder is here.
    pub(crate) fn own(&self) -> PathBuf {
        self.folder().join("own")
    }

    pub(crate) fn node(&self, name: &str) -> Result<&Node, Trouble> {
        self.nodes.iter().find(|node| node.name == name).ok_or_else(|| {
            let names: Vec<&str> = self.nodes.iter().map(|node| node.name.as_str()).collect();
            let text = format!("lab {:?} has no node {name:?}; there are: {}", self.name, names.join(", "));
            Trouble::Refused(text)
        })
    }

    /// Everything of a node, which outlives a power cut as a disk does.
    pub(crate) fn disk(&self, node: &Node) -> PathBuf {
        self.folder().join(&node.name)
    }

    /// The data folder of a node.
    pub(crate) fn data(&self, node: &Node) -> PathBuf {
        self.disk(node).join("data")
    }

    pub(crate) fn bridge(&self) -> String {
        format!("stl-{}", self.name)
    }

    /// The end of a node's cable at the bridge.
    pub(crate) fn cable(&self, node: &Node) -> String {
        format!("stl-{}-{}", self.name, node.number)
    }

    pub(crate) fn namespace(&self, node: &Node) -> String {
        format!("stead-{}-{}", self.name, node.name)
    }
}

fn known(names: &[String]) -> String {
    match names {
        [] => "there is no lab; `stead lab up FILE` makes one".to_owned(),
        names => format!("there are: {}", names.join(", ")),
    }
}
