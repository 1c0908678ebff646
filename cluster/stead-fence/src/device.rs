use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Where agents are looked for.
const FOLDERS: [&str; 4] = ["/usr/sbin", "/sbin", "/usr/bin", "/bin"];

/// Parameters that are ours to give.
const OURS: [&str; 3] = ["action", "option", "nodename"];

/// What all parameters together may take: less than a pipe holds, so that writing them never waits.
const LONGEST: usize = 32 << 10;

/// Agents that only pretend, or ask the victim itself, or a person: they confirm what they cannot know.
const PRETENDERS: [&str; 8] = [
    "fence_ack_manual",
    "fence_compute",
    "fence_dummy",
    "fence_evacuate",
    "fence_heuristics_ping",
    "fence_kdump",
    "fence_null",
    "fence_ssh",
];

/// Agents that cut a machine off from its disks or its network, and leave everything on it running.
const CUTTERS: [&str; 6] =
    ["fence_brocade", "fence_cisco_mds", "fence_ifmib", "fence_mpath", "fence_sanbox2", "fence_scsi"];

/// A fence device: an agent and what it has to be told.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Device {
    /// What operators call it.
    pub name: String,
    /// The agent: `fence_…`, found where systems keep it, or an absolute path.
    pub agent: String,
    /// Parameters for every node.
    pub parameters: BTreeMap<String, String>,
    /// Parameters whose values are in files that only their owner can read, by name.
    pub secrets: BTreeMap<String, PathBuf>,
    /// The nodes that it can switch off, with the parameters for each, such as `plug`.
    pub nodes: BTreeMap<String, BTreeMap<String, String>>,
    /// True to switch the machine on again after it was off.
    pub reboot: bool,
    /// How long one run of the agent may take, in milliseconds.
    pub timeout: u64,
}

impl Default for Device {
    fn default() -> Self {
        Device {
            name: String::new(),
            agent: String::new(),
            parameters: BTreeMap::new(),
            secrets: BTreeMap::new(),
            nodes: BTreeMap::new(),
            reboot: true,
            timeout: 60_000,
        }
    }
}

/// Why a device cannot be used as it is configured.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Wrong {
    /// The device.
    pub device: String,
    /// Which setting.
    pub setting: String,
    /// What is wrong with it, and what would be right.
    pub text: String,
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "fence device {:?}: {}: {}", self.device, self.setting, self.text)
    }
}

impl std::error::Error for Wrong {}

impl Device {
    pub(crate) fn wrong(&self, setting: impl Into<String>, text: impl Into<String>) -> Wrong {
        Wrong { device: self.name.clone(), setting: setting.into(), text: text.into() }
    }

    /// Checks everything that can be checked without running the agent.
    ///
    /// # Errors
    /// The first thing that is wrong.
    pub fn check(&self) -> Result<(), Wrong> {
        if self.name.is_empty() {
            return Err(self.wrong("name", "it must not be empty"));
        }
        self.program()?;
        if !(1_000..=600_000).contains(&self.timeout) {
            let text = format!("{} ms; allowed are 1000 to 600000", self.timeout);
            return Err(self.wrong("timeout", text));
        }
        if self.nodes.is_empty() {
            return Err(
                self.wrong("nodes", "it switches no node off; name those it can, with their parameters")
            );
        }
        for (node, own) in &self.nodes {
            let all = self.parameters.iter().chain(own);
            for (name, value) in all {
                self.parameter(name, value)?;
            }
            if let Some(name) = own.keys().find(|name| self.parameters.contains_key(*name)) {
                return Err(
                    self.wrong(format!("nodes.{node}.{name}"), "it is in parameters as well; keep one")
                );
            }
        }
        for name in self.secrets.keys() {
            self.parameter(name, "")?;
            let twice = |own: &BTreeMap<String, String>| own.contains_key(name);
            if twice(&self.parameters) || self.nodes.values().any(twice) {
                return Err(self.wrong(format!("secrets.{name}"), "it is in parameters as well; keep one"));
            }
            self.secret(name)?;
        }
        Ok(())
    }

    fn parameter(&self, name: &str, value: &str) -> Result<(), Wrong> {
        let letters = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || !name.chars().all(letters) {
            let text = "names of parameters have letters, digits, - and _";
            return Err(self.wrong(format!("parameter {name:?}"), text));
        }
        if OURS.contains(&name) {
            return Err(self.wrong(format!("parameter {name}"), "it is given by stead; take it out"));
        }
        if value.chars().any(char::is_control) {
            let text = "a value is one line without control characters";
            return Err(self.wrong(format!("parameter {name}"), text));
        }
        Ok(())
    }

    /// The agent's file.
    pub(crate) fn program(&self) -> Result<PathBuf, Wrong> {
        let wrong = |text: String| self.wrong("agent", text);
        let name = Path::new(&self.agent).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.is_empty() {
            return Err(wrong(format!("{:?} is no program; name one, such as fence_ipmilan", self.agent)));
        }
        let instead = "use an agent for its power supply, management board or hypervisor";
        if PRETENDERS.contains(&name) || name == "ssh" {
            return Err(wrong(format!(
                "{name} asks the machine itself, a person, or nobody; what it confirms says nothing: {instead}"
            )));
        }
        if CUTTERS.contains(&name) {
            return Err(wrong(format!(
                "{name} cuts the machine off from something, and its processes and addresses live on: {instead}"
            )));
        }
        let path = if self.agent.starts_with('/') {
            PathBuf::from(&self.agent)
        } else if self.agent.contains('/') {
            return Err(wrong(format!("{:?}: a path must begin with /", self.agent)));
        } else {
            let mut there = FOLDERS.iter().map(|folder| Path::new(folder).join(name));
            there.find(|path| path.exists()).ok_or_else(|| {
                wrong(format!(
                    "{name} is not installed in {}; `apt install fence-agents`",
                    FOLDERS.join(", ")
                ))
            })?
        };
        let file = fs::metadata(&path).map_err(|error| wrong(format!("{}: {error}", path.display())))?;
        if !file.is_file() || file.mode() & 0o111 == 0 {
            return Err(wrong(format!("{} is no program", path.display())));
        }
        let ours = file.uid() == 0 || file.uid() == rustix::process::geteuid().as_raw();
        if !ours || file.mode() & 0o022 != 0 {
            let text =
                format!("{}: others could change it; `chown root` and `chmod go-w` it", path.display());
            return Err(wrong(text));
        }
        Ok(path)
    }

    /// A secret's value.
    fn secret(&self, name: &str) -> Result<String, Wrong> {
        let Some(path) = self.secrets.get(name) else { return Ok(String::new()) };
        let wrong =
            |text: String| self.wrong(format!("secrets.{name}"), format!("{}: {text}", path.display()));
        let file = fs::metadata(path).map_err(|error| wrong(error.to_string()))?;
        if file.mode() & 0o077 != 0 {
            return Err(wrong("others can read it; `chmod 600` it".to_owned()));
        }
        let text = fs::read_to_string(path).map_err(|error| wrong(error.to_string()))?;
        let text = text.trim_end_matches(['\n', '\r']);
        if text.is_empty() || text.chars().any(char::is_control) {
            return Err(wrong("it must hold one line, the value".to_owned()));
        }
        Ok(text.to_owned())
    }

    /// What the agent reads for an action on a node, and which of the values must never be shown.
    pub(crate) fn input(&self, action: &str, node: &str) -> Result<(String, Vec<String>), Wrong> {
        let own = self.nodes.get(node).ok_or_else(|| {
            let known: Vec<&str> = self.nodes.keys().map(String::as_str).collect();
            self.wrong("nodes", format!("it does not switch {node:?} off; it does: {}", known.join(", ")))
        })?;
        let mut text = format!("action={action}\nnodename={node}\n");
        for (name, value) in self.parameters.iter().chain(own) {
            text.push_str(&format!("{name}={value}\n"));
        }
        let mut hidden = Vec::new();
        for name in self.secrets.keys() {
            let value = self.secret(name)?;
            text.push_str(&format!("{name}={value}\n"));
            hidden.push(value);
        }
        if text.len() > LONGEST {
            return Err(self.wrong("parameters", format!("{} bytes; at most {LONGEST}", text.len())));
        }
        Ok((text, hidden))
    }

    pub(crate) const fn limit(&self) -> Duration {
        Duration::from_millis(self.timeout)
    }
}
