use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::{alive, descendants, marked, stead, until};

/// A node started by `stead up`, with everything behind it. Ended, and looked after, when dropped.
#[derive(Debug)]
pub struct Node {
    up: Option<Child>,
    folder: tempfile::TempDir,
    variables: Vec<(String, String)>,
}

impl Node {
    /// Starts a node with this configuration and waits until it answers.
    ///
    /// # Panics
    /// When it does not.
    #[must_use]
    pub fn up(config: &str) -> Node {
        Node::up_with(config, &[])
    }

    /// The same with more arguments.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn up_with(config: &str, arguments: &[&str]) -> Node {
        Node::up_under(config, arguments, &[])
    }

    /// The same with more environment variables.
    ///
    /// # Panics
    /// When it does not answer.
    #[must_use]
    pub fn up_under(config: &str, arguments: &[&str], variables: &[(&str, &str)]) -> Node {
        let folder = tempfile::tempdir().unwrap();
        let variables =
            variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let mut node = Node { up: None, folder, variables };
        std::fs::write(node.config(), config).unwrap();
        node.start(arguments);
        node
    }

    /// Starts it, after it has been ended.
    ///
    /// # Panics
    /// When it does not answer.
    pub fn start(&mut self, arguments: &[&str]) {
        let output = std::fs::File::create(self.folder.path().join("up.log")).unwrap();
        let mut command = Command::new(stead());
        command.arg("up").arg(self.config()).arg("--data").arg(self.data()).args(arguments);
        // Whatever it starts can be told by this, whatever it calls itself.
        command.env("STEAD_E2E", self.folder.path());
        command.envs(self.variables.iter().map(|(name, value)| (name, value)));
        command.stdin(Stdio::null()).stdout(output.try_clone().unwrap()).stderr(output);
        self.up = Some(command.spawn().unwrap());
        until("the node answers", || {
            let ended = self.up.as_mut().unwrap().try_wait().unwrap();
            assert!(ended.is_none(), "stead up ended: {}", self.said());
            self.run(&["status", "--json"]).status.success().then_some(())
        });
    }

    /// The folder of the test.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> PathBuf {
        self.folder.path().join("cluster.toml")
    }

    /// The folder of the node.
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    /// What `stead up` has printed so far.
    #[must_use]
    pub fn said(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("up.log")).unwrap_or_default()
    }

    /// Runs a command against the node.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn run(&self, arguments: &[&str]) -> Output {
        Command::new(stead()).args(arguments).arg("--data").arg(self.data()).output().unwrap()
    }

    /// Runs a command that must succeed; what it printed.
    ///
    /// # Panics
    /// When it does not.
    pub fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {}\n{out}{err}\n{}", output.status, self.said());
        out.into_owned()
    }

    /// Runs a command that must fail with this exit code; what it said.
    ///
    /// # Panics
    /// When it ends otherwise.
    pub fn fails(&self, code: i32, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let err = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}: {err}");
        err
    }

    /// Writes another configuration and applies it.
    pub fn apply(&self, config: &str) -> Output {
        std::fs::write(self.config(), config).unwrap();
        let file = self.config();
        self.run(&["apply", file.to_str().unwrap()])
    }

    /// The status.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn status(&self) -> Value {
        serde_json::from_str(&self.ok(&["status", "--json"])).unwrap()
    }

    /// A resource in the status; null if there is none of this name, or no node.
    #[must_use]
    pub fn resource(&self, name: &str) -> Value {
        let output = self.run(&["status", "--json"]);
        let status: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        let mut all = groups.iter().filter_map(|group| group["resources"].as_array()).flatten();
        all.find(|resource| resource["name"] == name).cloned().unwrap_or_default()
    }

    /// The state of a resource.
    #[must_use]
    pub fn state(&self, name: &str) -> String {
        self.resource(name)["state"].as_str().unwrap_or_default().to_owned()
    }

    /// Waits until a resource is in a state.
    pub fn wait(&self, name: &str, state: &str) -> Value {
        until(&format!("{name} is {state}"), || {
            let resource = self.resource(name);
            (resource["state"] == state).then_some(resource)
        })
    }

    /// The process of a resource.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn pid(&self, name: &str) -> u64 {
        self.resource(name)["pid"].as_u64().unwrap_or_else(|| panic!("{name} has no process"))
    }

    /// The history, as sentences.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn events(&self) -> Vec<String> {
        let lines = self.ok(&["events", "--json", "--last", "10000"]);
        let text = |line: &str| {
            let event: Value = serde_json::from_str(line).unwrap();
            event["text"].as_str().unwrap().to_owned()
        };
        lines.lines().map(text).collect()
    }

    /// Processes of stead of one kind: `guardian`, `node`, `warden`, `monitor`.
    #[must_use]
    pub fn processes(&self, kind: &str) -> Vec<u64> {
        let of = |process: &u64| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1).is_some_and(|word| word == kind.as_bytes())
        };
        let up = self.up.as_ref().map_or(0, |up| u64::from(up.id()));
        descendants(up).into_iter().filter(of).collect()
    }

    /// Every process behind `stead up`.
    #[must_use]
    pub fn everything(&self) -> Vec<u64> {
        self.up.as_ref().map_or_else(Vec::new, |up| descendants(u64::from(up.id())))
    }

    /// Ctrl-C, once; how `stead up` ended.
    ///
    /// # Panics
    /// When it does not end, or leaves something behind.
    pub fn end(&mut self) -> i32 {
        let Some(mut up) = self.up.take() else { return 0 };
        let before = descendants(u64::from(up.id()));
        let _ = kill_process(Pid::from_child(&up), Signal::INT);
        let status = until("stead up ends after Ctrl-C", || up.try_wait().unwrap());
        let left: Vec<u64> = before.into_iter().filter(|process| alive(*process)).collect();
        assert!(left.is_empty(), "left behind: {left:?}");
        let mark = self.folder.path().display().to_string();
        assert_eq!(marked(&mark), Vec::<u64>::new(), "left behind, by its command line or environment");
        status.code().unwrap_or(-1)
    }

    /// Kills `stead up` itself.
    ///
    /// # Panics
    /// When it cannot be killed.
    pub fn kill_up(&mut self) {
        let mut up = self.up.take().unwrap();
        up.kill().unwrap();
        up.wait().unwrap();
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(up) = &mut self.up {
            let all = descendants(u64::from(up.id()));
            let _ = up.kill();
            let _ = up.wait();
            for process in all.into_iter().filter(|process| alive(*process)) {
                let process = i32::try_from(process).ok().and_then(Pid::from_raw);
                let _ = process.map(|process| kill_process(process, Signal::KILL));
            }
        }
        if std::thread::panicking() {
            let _ = writeln!(std::io::stderr(), "stead up said:\n{}", self.said());
            let log = std::fs::read_to_string(self.data().join("log/node.log")).unwrap_or_default();
            let _ = writeln!(std::io::stderr(), "the node's log:\n{log}");
        }
    }
}
