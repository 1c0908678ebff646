//! *OCF Agent*: the resource agents Linux already has, unchanged.

mod agent;
mod exit;
mod leftover;
mod metadata;

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use agent::{Agent, Call};
use exit::Exit;
use leftover::Start;
pub(crate) use leftover::clean;
use metadata::Metadata;

use crate::note::Note;
use crate::process::Tree;

/// A resource agent by the Open Cluster Framework: an executable with the actions `start`, `stop`, `monitor`,
/// `validate-all` and `meta-data`.
///
/// Every parameter of the agent's metadata is a private property of the resource, with its type, and required where
/// the metadata says so. Time-outs are those of the metadata unless `StartTimeout`, `StopTimeout` or `MonitorTimeout`
/// (ms, 0 is the metadata's) say otherwise. Promotable agents are refused unless `RunUnpromoted` is set: there are no
/// roles here, but some do their work without one. A stop that fails ends with every process of the agent killed.
///
/// `LooksAlive` and `IsAlive` run `monitor`, with `OCF_CHECK_LEVEL` 0 and `CheckLevel`. Before `start` a note in
/// `/run/stead/agents`, which the kernel unlocks when the monitor dies, says how to stop it; `Open` runs `monitor` and
/// `stop` for what the same resource has left behind so. What stead has not started is never stopped.
///
/// | Property | | |
/// |---|---|---|
/// | `Agent` | text, required | `ocf:PROVIDER:NAME`, or the path of an agent |
/// | `OcfRoot` | text, `/usr/lib/ocf` | where `ocf:` agents are |
/// | `StartTimeout`, `StopTimeout`, `MonitorTimeout` | ms, 0 | 0 is what the metadata says |
/// | `CheckLevel` | number, 0 | how thoroughly `IsAlive` looks; agents tell their levels as `depth` of `monitor` |
/// | `RunUnpromoted` | flag, false | run an agent that can be promoted without a role |
pub struct OcfAgent {
    context: Context,
    running: Mutex<Option<Arc<Tree>>>,
    /// What start left running.
    left: Mutex<Vec<Arc<Tree>>>,
    started: AtomicBool,
    /// How to stop it, for those who come after a monitor that died.
    note: Mutex<Option<Note>>,
}

/// The properties every agent has here; all others are the agent's own.
const OWN: &[&str] =
    &["Agent", "OcfRoot", "StartTimeout", "StopTimeout", "MonitorTimeout", "CheckLevel", "RunUnpromoted"];

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
        self.run_at(0, action, own, go_on)
    }

    /// The same, a monitor with its level.
    fn run_at(
        &self,
        level: u64,
        action: &str,
        own: &str,
        go_on: impl FnMut() -> bool,
    ) -> Result<Exit, Failure> {
        let properties = self.context.properties();
        let (agent, metadata) = find(&properties)?;
        let own = properties.milliseconds(own);
        let limit = if own.is_zero() { metadata.timeout(action) } else { own };
        let parameters = parameters(&properties);
        let set = |tree: Option<Arc<Tree>>| {
            *self.running.lock().unwrap_or_else(PoisonError::into_inner) = tree;
        };
        let name = self.context.name();
        let call = Call { action, instance: &name, limit, level, probe: false };
        let (exit, tree) = agent.run(&call, &parameters, set, go_on)?;
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        if action == "start" {
            left.push(tree);
        }
        Ok(exit)
    }

    fn monitor(&self, level: u64) -> bool {
        match self.run_at(level, "monitor", "MonitorTimeout", || true) {
            Ok(Exit::Success) => true,
            Ok(Exit::Degraded) => {
                self.context.log(Level::Warning, &format!("monitor: {}", Exit::Degraded));
                true
            }
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

    /// Replaces the note about what is running.
    fn note(&self, note: Option<Note>) {
        let before = std::mem::replace(&mut *self.note.lock().unwrap_or_else(PoisonError::into_inner), note);
        if let Some(before) = before {
            before.discard();
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
        Property::number("CheckLevel"),
        Property::flag("RunUnpromoted"),
    ];

    const OPEN_ENDED: bool = true;

    fn open(context: &Context) -> Result<Self, Failure> {
        let _ = clean(Some(&context.name()), |level, text| context.log(level, text));
        Ok(OcfAgent {
            context: context.clone(),
            running: Mutex::new(None),
            left: Mutex::new(Vec::new()),
            started: AtomicBool::new(false),
            note: Mutex::new(None),
        })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let properties = self.context.properties();
        let (_, metadata) = find(&properties)?;
        metadata.refuse_promotable(properties.flag("RunUnpromoted"))?;
        let start = Start {
            resource: self.context.name(),
            agent: properties.text("Agent"),
            root: properties.text("OcfRoot"),
            parameters: parameters(&properties),
        };
        self.note(leftover::remember(&self.context, &start));
        self.started.store(true, Ordering::Release);
        self.run("start", "StartTimeout", || operation.progress())?.into_result("start")?;
        self.run("monitor", "MonitorTimeout", || operation.progress())?.into_result("monitor after start")?;
        Ok(Online::polled())
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        self.run("stop", "StopTimeout", || operation.progress())?.into_result("stop")?;
        self.started.store(false, Ordering::Release);
        self.kill_left();
        self.note(None);
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
                Ok(Exit::Success) => self.note(None),
                Ok(exit) => self.context.log(Level::Error, &format!("stop: {exit}")),
                Err(failure) => self.context.log(Level::Error, failure.text()),
            }
        }
        self.kill_left();
    }

    fn is_alive(&self) -> bool {
        self.monitor(self.context.properties().number("CheckLevel"))
    }

    fn looks_alive(&self) -> bool {
        self.monitor(0)
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        let (agent, metadata) = match find(properties) {
            Ok(found) => found,
            Err(failure) => return vec![Problem::new("Agent", failure.text())],
        };
        if let Err(failure) = metadata.refuse_promotable(properties.flag("RunUnpromoted")) {
            return vec![Problem::new("Agent", failure.text())];
        }
        let parameters = parameters(properties);
        let mut problems = metadata.check(&parameters);
        if problems.is_empty() && metadata.has("validate-all") {
            let limit = metadata.timeout("validate-all").min(Duration::from_secs(30));
            let call = Call { action: "validate-all", instance: "validate", limit, level: 0, probe: false };
            let result = agent.run(&call, &parameters, |_| (), || true);
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
