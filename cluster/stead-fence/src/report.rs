use std::fmt;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use crate::agent;
use crate::device::Device;

/// How one run of an agent ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ended {
    /// With this exit status.
    Exited(i32),
    /// By this signal.
    Killed(i32),
    /// It took too long and was killed.
    TooLong,
    /// It could not be run: why.
    NotRun(String),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Ended::Exited(code) => write!(f, "exited with status {code}"),
            Ended::Killed(signal) => write!(f, "was killed by signal {signal}"),
            Ended::TooLong => f.write_str("took too long and was killed"),
            Ended::NotRun(why) => write!(f, "could not be run: {why}"),
        }
    }
}

/// One run of an agent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What it was asked for: `off`, `status`, `on`.
    pub action: String,
    /// How it ended.
    pub ended: Ended,
    /// What it printed, at most 64 KiB, with secrets replaced.
    pub said: String,
    /// How long it took, in milliseconds.
    pub took: u64,
}

impl fmt::Display for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.action, self.ended)?;
        match self.said.lines().rev().find(|line| !line.trim().is_empty()) {
            Some(line) => write!(f, ": {}", line.trim()),
            None => Ok(()),
        }
    }
}

/// What a device says of a machine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Power {
    /// It is on.
    On,
    /// It is off.
    Off,
    /// The device does not know, or does not answer.
    Unknown,
}

/// What became of an attempt to fence a node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Report {
    /// The device.
    pub device: String,
    /// The node.
    pub node: String,
    /// The session that was to be ended, as decimal digits.
    pub session: String,
    /// What the device said after `off`; `Off` confirms.
    pub power: Power,
    /// What was run, in order.
    pub runs: Vec<Run>,
}

impl Report {
    /// True if the machine was off after the attempt began: nothing of the session runs any more.
    #[must_use]
    pub fn confirmed(&self) -> bool {
        self.power == Power::Off
    }
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (node, device) = (&self.node, &self.device);
        if self.confirmed() {
            write!(f, "node {node:?} was switched off by fence device {device:?}, and seen to be off")?;
        } else {
            write!(f, "fence device {device:?} did not confirm that node {node:?} is off")?;
        }
        self.runs.iter().try_for_each(|run| write!(f, "; {run}"))
    }
}

fn run(device: &Device, node: &str, action: &str) -> Run {
    let began = Instant::now();
    let done = |ended, said, took: Duration| Run {
        action: action.to_owned(),
        ended,
        said,
        took: u64::try_from(took.as_millis()).unwrap_or(u64::MAX),
    };
    let prepared = device.check().and_then(|()| Ok((device.program()?, device.input(action, node)?)));
    let (program, (input, hidden)) = match prepared {
        Ok(prepared) => prepared,
        Err(wrong) => return done(Ended::NotRun(wrong.to_string()), String::new(), Duration::ZERO),
    };
    match agent::run(&program, &input, device.limit()) {
        Ok((ended, said)) => {
            let said = hidden.iter().fold(said, |said, secret| said.replace(secret.as_str(), "***"));
            done(ended, said, began.elapsed())
        }
        Err(error) => {
            let why = format!("{}: {error}", program.display());
            done(Ended::NotRun(why), String::new(), began.elapsed())
        }
    }
}

fn judge(run: &Run) -> Power {
    let says = |word: &str| {
        run.said.lines().any(|line| {
            let status = line.trim().to_ascii_uppercase();
            status.strip_prefix("STATUS:").is_some_and(|rest| rest.trim() == word)
        })
    };
    match run.ended {
        Ended::Exited(2) if says("OFF") && !says("ON") => Power::Off,
        Ended::Exited(0) if !says("OFF") => Power::On,
        Ended::Exited(_) | Ended::Killed(_) | Ended::TooLong | Ended::NotRun(_) => Power::Unknown,
    }
}

/// Asks a device whether a node's machine is on. Blocks for at most the device's timeout.
#[must_use]
pub fn power(device: &Device, node: &str) -> (Power, Run) {
    let asked = run(device, node, "status");
    (judge(&asked), asked)
}

/// Switches a node's machine off, and looks that it is off. Whoever waits for that is told before it is switched on again,
/// which [`switch_on`] does. Blocks for at most twice the device's timeout. `session` is the node's, and only goes into the report.
///
/// An `off` that fails is not looked after: what `status` says then is of a moment before somebody else's `off`, or of no
/// moment at all.
#[must_use]
pub fn fence(device: &Device, node: &str, session: u128) -> Report {
    let off = run(device, node, "off");
    let mut report = Report {
        device: device.name.clone(),
        node: node.to_owned(),
        session: session.to_string(),
        power: Power::Unknown,
        runs: vec![],
    };
    let done = off.ended == Ended::Exited(0);
    report.runs.push(off);
    if done {
        let (power, asked) = power(device, node);
        report.power = power;
        report.runs.push(asked);
    }
    report
}

/// Switches a machine on again that [`fence`] has switched off. That it does not come back is a pity, and no danger.
#[must_use]
pub fn switch_on(device: &Device, node: &str) -> Run {
    run(device, node, "on")
}

/// True if the agent said that it did what it was asked.
#[must_use]
pub fn succeeded(run: &Run) -> bool {
    run.ended == Ended::Exited(0)
}
