use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::{probe, stead};

/// A run of `stead host`.
#[derive(Clone, Debug)]
pub struct Host {
    library: PathBuf,
    type_name: String,
    properties: Vec<String>,
    environment: Vec<(String, String)>,
}

/// What a run printed and how it ended.
#[derive(Clone, Debug)]
pub struct Trace {
    /// The lines.
    pub lines: Vec<Value>,
    /// The exit code; none if it was killed.
    pub exit: Option<i32>,
    /// Standard error.
    pub errors: String,
}

impl Host {
    /// Hosts the scripted DLL; `scripts` are an entry point and its script each.
    #[must_use]
    pub fn probe(scripts: &[(&str, &str)]) -> Host {
        let host = Host::new(probe(), "Probe");
        scripts.iter().fold(host, |host, (entry, script)| host.property(entry, script))
    }

    /// Hosts a type of a DLL.
    #[must_use]
    pub fn new(library: &Path, type_name: &str) -> Host {
        Host {
            library: library.to_owned(),
            type_name: type_name.to_owned(),
            properties: Vec::new(),
            environment: Vec::new(),
        }
    }

    /// Another type.
    #[must_use]
    pub fn of_type(mut self, type_name: &str) -> Host {
        type_name.clone_into(&mut self.type_name);
        self
    }

    /// A property more.
    #[must_use]
    pub fn property(mut self, name: &str, value: &str) -> Host {
        self.properties.push(format!("{name}={value}"));
        self
    }

    /// An environment variable more.
    #[must_use]
    pub fn variable(mut self, name: &str, value: &str) -> Host {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs commands to the end.
    ///
    /// # Panics
    /// When it cannot be run or prints what is no JSON.
    #[must_use]
    pub fn run(&self, commands: &[&str]) -> Trace {
        let mut command = Command::new(stead());
        command.arg("host").arg(&self.library).args(["--type", &self.type_name]);
        for property in &self.properties {
            command.args(["--property", property]);
        }
        command.envs(self.environment.iter().cloned());
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("stead host runs");
        let mut input = child.stdin.take().unwrap();
        for line in commands {
            // A program that ended already has said why.
            if writeln!(input, "{line}").is_err() {
                break;
            }
        }
        drop(input);
        let mut errors = child.stderr.take().unwrap();
        let errors = std::thread::spawn(move || {
            let mut text = String::new();
            errors.read_to_string(&mut text).map(|_| text)
        });
        let mut text = String::new();
        child.stdout.take().unwrap().read_to_string(&mut text).unwrap();
        let exit = child.wait().unwrap().code();
        let parse = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
        let lines = text.lines().map(parse).collect();
        Trace { lines, exit, errors: errors.join().unwrap().unwrap_or_default() }
    }
}

impl Trace {
    /// Lines of one kind.
    #[must_use]
    pub fn of(&self, event: &str) -> Vec<&Value> {
        self.lines.iter().filter(|line| line["event"] == event).collect()
    }

    /// The states gone through.
    #[must_use]
    pub fn states(&self) -> Vec<String> {
        self.of("state").iter().map(|line| line["to"].as_str().unwrap().to_owned()).collect()
    }

    /// Calls of one entry point.
    #[must_use]
    pub fn calls(&self, entry: &str) -> Vec<&Value> {
        self.of("call").into_iter().filter(|line| line["entry"] == entry).collect()
    }

    /// The status reports: state, what was returned, whether it was accepted.
    #[must_use]
    pub fn reports(&self) -> Vec<(i64, i64, bool)> {
        let report = |line: &&Value| {
            let state = line["args"]["ResourceState"].as_i64()?;
            Some((state, line["returned"].as_i64()?, line["accepted"].as_bool()?))
        };
        self.of("callback").iter().filter_map(report).collect()
    }

    /// The instant of a line, in microseconds.
    #[must_use]
    pub fn at(line: &Value) -> u64 {
        line["at_us"].as_u64().unwrap()
    }

    /// The first line of a kind that `wanted` takes.
    ///
    /// # Panics
    /// When there is none; the whole trace is shown.
    #[must_use]
    pub fn find(&self, event: &str, wanted: impl Fn(&Value) -> bool) -> &Value {
        self.of(event)
            .into_iter()
            .find(|line| wanted(line))
            .unwrap_or_else(|| panic!("no such {event}: {self}"))
    }
}

impl std::fmt::Display for Trace {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for line in &self.lines {
            writeln!(f, "{line}")?;
        }
        write!(f, "exit {:?}\n{}", self.exit, self.errors)
    }
}
