use std::collections::HashMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use stead_resapi as abi;
use stead_sdk::Failure;

use super::exit::Exit;
use super::metadata::Metadata;
use crate::process::{Tree, readable};

/// How often a running action shows that it is being waited for.
const PROGRESS: Duration = Duration::from_secs(2);

/// The longest metadata that is read.
const LONGEST_METADATA: usize = 1 << 20;

/// What only tells something about the agent may take so long.
const QUICK: Duration = Duration::from_secs(20);

/// Where agents keep their state, by a convention of theirs; emptied at boot.
const STATE: &str = "/run/resource-agents";

/// Makes sure that the folder is there which the system makes at boot where it is run by systemd.
fn prepare_folder() {
    use std::os::unix::fs::DirBuilderExt;
    // An agent that needs it says so itself.
    let _ = fs::DirBuilder::new().mode(0o755).create(STATE);
}

/// A name that agents can put into names of files and of other things.
fn instance(name: &str) -> String {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "-_.:".contains(c);
    if name.chars().all(allowed) {
        return name.to_owned();
    }
    let plain: String = name.chars().map(|c| if allowed(c) { c } else { '_' }).collect();
    // Two names that look alike now must stay two (FNV-1a).
    let hash =
        name.bytes().fold(0x811c_9dc5_u32, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193));
    format!("{plain}-{hash:08x}")
}

/// One run of an agent.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call<'a> {
    pub(crate) action: &'a str,
    /// The name of the resource.
    pub(crate) instance: &'a str,
    pub(crate) limit: Duration,
    /// How thoroughly a monitor looks.
    pub(crate) level: u64,
    /// Nobody knows whether it is running.
    pub(crate) probe: bool,
}

/// An agent on this node.
#[derive(Clone, Debug)]
pub(crate) struct Agent {
    path: PathBuf,
    root: String,
    provider: String,
    kind: String,
}

impl Agent {
    /// Finds an agent by `ocf:PROVIDER:NAME` or by its path.
    pub(crate) fn find(name: &str, root: &str) -> Result<Agent, Failure> {
        let wrong = |text: String| Failure::new(abi::ERROR_INVALID_PARAMETER, text);
        let (path, provider, kind) = if let Some(rest) = name.strip_prefix("ocf:") {
            let (provider, kind) = rest.split_once(':').unwrap_or(("heartbeat", rest));
            if [provider, kind]
                .iter()
                .any(|part| part.is_empty() || part.contains('/') || part.starts_with('.'))
            {
                return Err(wrong(format!("{name:?} is not ocf:PROVIDER:NAME")));
            }
            (Path::new(root).join("resource.d").join(provider).join(kind), provider, kind)
        } else {
            let path = Path::new(name);
            if !path.is_absolute() {
                return Err(wrong(format!("{name:?} is neither ocf:PROVIDER:NAME nor an absolute path")));
            }
            (path.to_owned(), "stead", path.file_name().and_then(|name| name.to_str()).unwrap_or("agent"))
        };
        if !path.is_file() {
            return Err(Failure::on_this_node(format!(
                "agent {name:?} is not installed on this node: there is no file {}",
                path.display()
            )));
        }
        let (provider, kind) = (provider.to_owned(), kind.to_owned());
        Ok(Agent { path, root: root.to_owned(), provider, kind })
    }

    /// One action with everything that the standard and Pacemaker let an agent expect in its environment.
    fn command(&self, call: &Call, parameters: &[(String, String)]) -> Command {
        let mut command = Command::new(&self.path);
        command.arg(call.action).stdin(Stdio::null());
        command.env("OCF_ROOT", &self.root);
        command.env("OCF_RA_VERSION_MAJOR", "1").env("OCF_RA_VERSION_MINOR", "1");
        command.env("OCF_RESOURCE_INSTANCE", instance(call.instance));
        command.env("OCF_RESOURCE_TYPE", &self.kind).env("OCF_RESOURCE_PROVIDER", &self.provider);
        // A monitor with an interval of 0 is a probe: "not running" is an answer then, no failure.
        let interval = if call.action == "monitor" && !call.probe { "10000" } else { "0" };
        command.env("OCF_RESKEY_CRM_meta_name", call.action);
        command.env("OCF_RESKEY_CRM_meta_interval", interval);
        command.env("OCF_RESKEY_CRM_meta_timeout", call.limit.as_millis().to_string());
        if call.action == "monitor" {
            let level = call.level.to_string();
            command.env("OCF_CHECK_LEVEL", &level).env("OCF_RESKEY_OCF_CHECK_LEVEL", level);
        }
        for (name, value) in parameters {
            command.env(format!("OCF_RESKEY_{name}"), value);
        }
        command
    }

    /// What the agent says of itself; read once for each version of the file.
    pub(crate) fn metadata(&self) -> Result<Metadata, Failure> {
        type Known = HashMap<PathBuf, (SystemTime, Metadata)>;
        static KNOWN: Mutex<Option<Known>> = Mutex::new(None);
        let changed = fs::metadata(&self.path)?.modified()?;
        let known = || KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((at, metadata)) = known().as_ref().and_then(|known| known.get(&self.path))
            && *at == changed
        {
            return Ok(metadata.clone());
        }
        let bad = |text: String| {
            Failure::on_any_node(format!(
                "agent {}: its meta-data cannot be used: {text}",
                self.path.display()
            ))
        };
        let text = self.printed("meta-data").map_err(bad)?;
        let metadata = Metadata::parse(&text).map_err(bad)?;
        known().get_or_insert_default().insert(self.path.clone(), (changed, metadata.clone()));
        Ok(metadata)
    }

    /// What a quick action prints. The agent is killed if it takes longer than [`QUICK`].
    fn printed(&self, action: &str) -> Result<String, String> {
        let call = Call { action, instance: action, limit: QUICK, level: 0, probe: true };
        let mut command = self.command(&call, &[]);
        command.stdout(Stdio::piped()).stderr(Stdio::null());
        let tree = Tree::start(&mut command, action).map_err(|error| error.to_string())?;
        let mut output = tree.output().ok_or("its output is lost")?;
        let until = Instant::now() + QUICK;
        let mut printed = Vec::new();
        let mut part = [0; 4096];
        let result = loop {
            if !readable(&output, until.saturating_duration_since(Instant::now())) {
                break Err(format!("{action} took longer than {} s and was killed", QUICK.as_secs()));
            }
            match output.read(&mut part) {
                Ok(0) => break Ok(()),
                Ok(read) => printed.extend(&part[..read]),
                Err(error) => break Err(error.to_string()),
            }
            if printed.len() > LONGEST_METADATA {
                break Err(format!("{action} prints more than {LONGEST_METADATA} bytes"));
            }
        };
        let ended = tree.wait(until.saturating_duration_since(Instant::now()));
        let status = tree.end();
        tree.kill();
        result?;
        match (ended, tree.status()) {
            (true, 0) => {
                String::from_utf8(printed).map_err(|_| format!("{action} prints something that is not text"))
            }
            (true, _) => Err(format!("{action} {}", status.unwrap_or_default())),
            (false, _) => Err(format!("{action} took longer than {} s and was killed", QUICK.as_secs())),
        }
    }

    /// Runs an action to its end. `running` is told the process while it runs; the action is killed with all it
    /// started when `go_on` says no or `limit` is over.
    pub(crate) fn run(
        &self,
        call: &Call,
        parameters: &[(String, String)],
        running: impl Fn(Option<Arc<Tree>>),
        mut go_on: impl FnMut() -> bool,
    ) -> Result<(Exit, Arc<Tree>), Failure> {
        let metadata = self.metadata()?;
        let spelt: Vec<(String, String)> =
            parameters.iter().map(|(name, value)| (metadata.spelling(name), value.clone())).collect();
        let Call { action, limit, .. } = *call;
        prepare_folder();
        let mut command = self.command(call, &spelt);
        let tree = Tree::start(&mut command, call.instance).map_err(|error| {
            let text = format!("agent {} could not be run: {error}", self.path.display());
            Failure::new(Failure::from(error).code(), text)
        })?;
        let tree = Arc::new(tree);
        running(Some(Arc::clone(&tree)));
        let until = Instant::now() + limit;
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if tree.wait(left.min(PROGRESS)) {
                running(None);
                return Ok((Exit::from_status(tree.status()), tree));
            }
            let late = left.is_zero();
            if late || !go_on() {
                running(None);
                tree.kill();
                let (code, why) = if late {
                    (abi::ERROR_TIMEOUT, format!("took longer than {} ms", limit.as_millis()))
                } else {
                    (abi::ERROR_OPERATION_ABORTED, "was cancelled".to_owned())
                };
                return Err(Failure::new(code, format!("{action} {why} and was killed")));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_instances_are_fit_for_files_and_stay_different() {
        assert_eq!(instance("web-ip.1"), "web-ip.1");
        let (space, under) = (instance("web ip"), instance("web_ip"));
        assert!(space.starts_with("web_ip-"), "{space}");
        assert_ne!(space, under);
        assert_ne!(instance("web ip"), instance("web+ip"));
    }
}
