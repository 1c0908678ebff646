//! A node to measure.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// `stead up`, ended when dropped.
pub(super) struct Stead {
    program: PathBuf,
    folder: PathBuf,
    up: Child,
}

impl Stead {
    /// Starts one with this configuration, and waits until it answers.
    pub(super) fn up(folder: &Path, config: &str) -> Result<Stead, String> {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        let program = super::built("stead")?;
        let file = folder.join("up.toml");
        fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let up = Command::new(&program)
            .arg("up")
            .arg(&file)
            .arg("--data")
            .arg(folder.join("data"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| format!("stead: {error}"))?;
        let stead = Stead { program, folder: folder.to_owned(), up };
        let begin = Instant::now();
        while !stead.run(&["status"])?.status.success() {
            if begin.elapsed() > Duration::from_secs(30) {
                return Err("stead up does not come up".to_owned());
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        Ok(stead)
    }

    pub(super) fn data(&self) -> PathBuf {
        self.folder.join("data")
    }

    fn run(&self, arguments: &[&str]) -> Result<Output, String> {
        let output = Command::new(&self.program).args(arguments).arg("--data").arg(self.data()).output();
        output.map_err(|error| format!("stead: {error}"))
    }

    /// Applies a configuration, and waits until everything is as it says; how long that took.
    pub(super) fn apply(&self, config: &str) -> Result<Duration, String> {
        let file = self.folder.join("apply.toml");
        fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
        let begin = Instant::now();
        let output = self.run(&["apply", &file.display().to_string(), "--json"])?;
        let took = begin.elapsed();
        if output.status.success() {
            return Ok(took);
        }
        let text = String::from_utf8_lossy(&output.stdout);
        Err(format!("apply: {}", text.lines().last().unwrap_or_default()))
    }

    fn resources(&self) -> Result<Vec<serde_json::Value>, String> {
        let output = self.run(&["resource", "list", "--json"])?;
        serde_json::from_slice(&output.stdout).map_err(|error| format!("status: {error}"))
    }

    /// How many resources are Online.
    pub(super) fn online(&self) -> Result<usize, String> {
        Ok(self.resources()?.iter().filter(|resource| resource["state"] == "Online").count())
    }

    /// The process of a resource.
    pub(super) fn process(&self, name: &str) -> Result<u32, String> {
        let resources = self.resources()?;
        let resource = resources.iter().find(|resource| resource["name"] == name);
        let process =
            resource.and_then(|resource| resource["pid"].as_u64()).and_then(|pid| pid.try_into().ok());
        process.ok_or_else(|| format!("{name} has no process"))
    }

    /// Guardian, node, wardens and monitors.
    pub(super) fn own_processes(&self) -> Result<Vec<u32>, String> {
        let data = self.data().display().to_string();
        let entries = fs::read_dir("/proc").map_err(|error| format!("/proc: {error}"))?;
        let is_guardian = |process: &u32| {
            let words = words(*process);
            words.get(1).is_some_and(|word| word == "guardian")
                && words.iter().any(|word| word.contains(&data))
        };
        let guardian = entries
            .flatten()
            .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
            .find(is_guardian)
            .ok_or("no guardian runs")?;
        Ok(tree(guardian))
    }
}

/// The command line of a process.
pub(super) fn words(process: u32) -> Vec<String> {
    let line = fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(&line).split('\0').map(ToOwned::to_owned).collect()
}

/// A guardian, and below it node, guards, wardens and monitors.
pub(super) fn tree(guardian: u32) -> Vec<u32> {
    let children = |process: u32| -> Vec<u32> {
        let tasks = fs::read_dir(format!("/proc/{process}/task")).into_iter().flatten().flatten();
        let lists = tasks.filter_map(|task| fs::read_to_string(task.path().join("children")).ok());
        lists
            .flat_map(|list| list.split_whitespace().filter_map(|word| word.parse().ok()).collect::<Vec<_>>())
            .collect()
    };
    let ours = |process: &u32| {
        let words = words(*process);
        words.get(1).is_some_and(|kind| ["node", "guard", "warden", "monitor"].contains(&kind.as_str()))
    };
    let mut found = vec![guardian];
    let mut at = 0;
    while let Some(process) = found.get(at).copied() {
        found.extend(children(process).into_iter().filter(ours));
        at += 1;
    }
    found
}

impl Drop for Stead {
    fn drop(&mut self) {
        let _ = self.run(&["shutdown"]);
        let begin = Instant::now();
        while matches!(self.up.try_wait(), Ok(None)) {
            if begin.elapsed() > Duration::from_secs(30) {
                let _ = self.up.kill();
            }
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
