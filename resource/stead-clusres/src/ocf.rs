//! *OCF Agent*: the resource agents Linux already has, unchanged.

mod agent;
mod exit;
mod metadata;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use agent::Agent;
use exit::Exit;
use metadata::Metadata;

use crate::process::Tree;

/// A resource agent by the Open Cluster Framework: an executable with the actions `start`, `stop`, `monitor`,
/// `validate-all` and `meta-data`.
///
/// Every parameter of the agent's metadata is a private property of the resource, with its type, and required where
/// the metadata says so. Time-outs are those of the metadata unless `StartTimeout`, `StopTimeout` or `MonitorTimeout`
/// (ms, 0 is the metadata's) say otherwise. Promotable agents are refused. A stop that fails ends with every process
/// of the agent killed.
///
/// | Property | | |
/// |---|---|---|
/// | `Agent` | text, required | `ocf:PROVIDER:NAME`, or the path of an agent |
/// | `OcfRoot` | text, `/usr/lib/ocf` | where `ocf:` agents are |
/// | `StartTimeout`, `StopTimeout`, `MonitorTimeout` | ms | |
pub struct OcfAgent {
    context: Context,
    running: Mutex<Option<Arc<Tree>>>,
    /// What start left running.
    left: Mutex<Vec<Arc<Tree>>>,
    started: AtomicBool,
}

/// The properties every agent has here; all others are the agent's own.
const OWN: &[&str] = &["Agent", "OcfRoot", "StartTimeout", "StopTimeout", "MonitorTimeout"];

fn parameters(properties: &Properties) -> Vec<(String, String)> {
    let own = |name: &str| OWN.iter().any(|own| own.eq_ignore_ascii_case(name));
    properties
        .iter()
        .filter(|(name, _)| !own(name))
        .map(|(name, value)| (name.to_owned(), value.to_text()))
        .collect()
}

fn find(properties: &Properties) -> Result<(Agent, Metadata), Failure> {
    let agent = Agent::find(&properties.text("Agent"), &properties.text("OcfRoot"))?;
    let metadata = agent.metadata()?;
    Ok((agent, metadata))
}

impl OcfAgent {
    /// Runs one action to its end.
    fn run(&self, action: &str, own: &str, go_on: impl FnMut() -> bool) -> Result<Exit, Failure> {
        let properties = self.context.properties();
        let (agent, metadata) = find(&properties)?;
        let own = properties.milliseconds(own);
        let limit = if own.is_zero() { metadata.timeout(action) } else { own };
        let parameters = parameters(&properties);
        let set = |tree: Option<Arc<Tree>>| {
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = tree;
        };
        let (exit, tree) = agent.run(action, &self.context.name(), &parameters, limit, set, go_on)?;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if action == "start" {
            left.push(tree);
        }
        Ok(exit)
    }

    fn monitor(&self) -> bool {
        match self.run("monitor", "MonitorTimeout", || true) {
            Ok(Exit::Success | Exit::Degraded) => true,
            Ok(exit) => {
                self.context.log(Level::Warning, &format!("monitor: {exit}"));
                false
            }
            Err(failure) => {
                self.context.log(Level::Error, failure.text());
                false
            }
        }
    }

    fn kill_left(&self) {
        for tree in std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner)) {
            tree.kill();
        }
    }
}

impl Resource for OcfAgent {
    const TYPE_NAME: &'static str = "OCF Agent";

    const PROPERTIES: &'static [Property] = &[
        Property::text("Agent").required(),
        Property::text("OcfRoot").default_text("/usr/lib/ocf"),
        Property::number("StartTimeout"),
        Property::number("StopTimeout"),
        Property::number("MonitorTimeout"),
    ];

    const OPEN_ENDED: bool = true;

    fn open(context: &Context) -> Result<Self, Failure> {
        Ok(OcfAgent {
            context: context.clone(),
            running: Mutex::new(None),
            left: Mutex::new(Vec::new()),
            started: AtomicBool::new(false),
        })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let (_, metadata) = find(&self.context.properties())?;
        metadata.refuse_promotable()?;
        self.started.store(true, Ordering::Release);
        self.run("start", "StartTimeout", || operation.progress())?.into_result("start")?;
        self.run("monitor", "MonitorTimeout", || operation.progress())?.into_result("monitor after start")?;
        Ok(Online::polled())
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        self.run("stop", "StopTimeout", || operation.progress())?.into_result("stop")?;
        self.started.store(false, Ordering::Release);
        self.kill_left();
        Ok(())
    }

    fn terminate(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tree) = running {
            tree.kill();
        }
        if self.started.swap(false, Ordering::AcqRel) {
            // The agent knows best how to stop; what it cannot is killed.
            match self.run("stop", "StopTimeout", || true) {
                Ok(Exit::Success) => {}
                Ok(exit) => self.context.log(Level::Error, &format!("stop: {exit}")),
                Err(failure) => self.context.log(Level::Error, failure.text()),
            }
        }
        self.kill_left();
    }

    fn is_alive(&self) -> bool {
        self.monitor()
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        let (agent, metadata) = match find(properties) {
            Ok(found) => found,
            Err(failure) => return vec![Problem::new("Agent", failure.text())],
        };
        if let Err(failure) = metadata.refuse_promotable() {
            return vec![Problem::new("Agent", failure.text())];
        }
        let parameters = parameters(properties);
        let mut problems = metadata.check(&parameters);
        if problems.is_empty() && metadata.has("validate-all") {
            let limit = metadata.timeout("validate-all").min(Duration::from_secs(30));
            let result = agent.run("validate-all", "validate", &parameters, limit, |_| (), || true);
            let failure = match result {
                Ok((Exit::Success, _)) => return problems,
                // What is missing on this node may be there on another, or later.
                Ok((Exit::NotInstalled, _)) => return problems,
                Ok((exit, _)) => format!("validate-all: {exit}"),
                Err(failure) => failure.text().to_owned(),
            };
            problems.push(Problem::new("Agent", failure));
        }
        problems
    }
}
