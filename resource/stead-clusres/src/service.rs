//! *Generic Service*: a service of systemd.

mod leftover;
mod unit;
mod watch;

use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use stead_resapi as abi;
use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use crate::note::Note;
use crate::process::Tree;
pub(crate) use leftover::clean;
use unit::Shown;
use watch::Watch;

/// How often a job of systemd's shows that it is being waited for.
const PROGRESS: Duration = Duration::from_secs(2);

/// What systemd is only asked may take so long.
const QUICK: Duration = Duration::from_secs(20);

/// A service of systemd that runs while it is online.
///
/// Online starts the unit and waits for systemd's job; it is online when systemd calls it active. One that is active
/// already is taken over. Both health checks ask systemd whether it is active; the end of the last process of its control
/// group is the event handle. Offline stops the unit by its own rules. Terminate kills every process of it and stops it.
/// One that systemd itself is restarting counts as failed: who restarts is for one to decide, and `Restart=no` in the
/// unit leaves it to the cluster.
///
/// The processes are systemd's, not the Resource Monitor's: they survive it, and are taken over by the next. A note in
/// `/run/stead/services` tells of them, so that they can be stopped when no next one is to come here.
///
/// | Property | | |
/// |---|---|---|
/// | `ServiceName` | text, required | the unit, with or without `.service`; it should not be enabled: systemd would start it at boot |
/// | `StartupParameters` | text | the instance, where `ServiceName` is a template such as `db@.service`; else refused |
/// | `UseNetworkName` | flag, false | refused if it is true |
///
/// Windows: mscs/generic-service (there a service of the service control manager)
pub struct GenericService {
    context: Context,
    watch: Mutex<Option<Watch>>,
    /// Online has begun to start it, and nothing has stopped it since.
    started: AtomicBool,
    /// Tells of it when this monitor dies.
    note: Mutex<Option<Note>>,
}

fn unit_of(properties: &Properties) -> Result<String, Problem> {
    if properties.flag("UseNetworkName") {
        let text = "it is not supported: there is no Network Name yet; set it to false";
        return Err(Problem::new("UseNetworkName", text));
    }
    unit::name(&properties.text("ServiceName"), &properties.text("StartupParameters"))
        .map_err(|(property, text)| Problem::new(property, text))
}

/// Root's systemctl asks systemd on a socket between the two, and believes only a process that has a number here. Inside the
/// namespace of a Resource Monitor systemd has none: there it has to be asked by the system bus.
fn needs_bus() -> bool {
    std::fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim_end() != "systemd")
}

/// Runs systemctl to its end: the exit status and what it printed.
fn systemctl(
    name: &str,
    words: &[&str],
    limit: Option<Duration>,
    mut go_on: impl FnMut() -> bool,
) -> Result<(i32, String), Failure> {
    let failed = |text: String| Failure::on_this_node(text);
    if !Path::new("/run/systemd/system").exists() {
        let text = "this node is not run by systemd: there is no /run/systemd/system; use Generic Application (1041)";
        return Err(failed(text.to_owned()));
    }
    let (mut output, input) = std::io::pipe()?;
    let mut command = Command::new("systemctl");
    command.args(["--no-pager", "--no-ask-password", "--system"]).args(words);
    command.env("SYSTEMD_COLORS", "0").env("LC_ALL", "C").stdin(Stdio::null());
    command.stdout(input.try_clone()?).stderr(input);
    if needs_bus() {
        command.env("SYSTEMCTL_FORCE_BUS", "1");
    }
    let tree = Tree::start(&mut command, name)
        .map_err(|error| failed(format!("systemctl could not be run: {error} (1041)")))?;
    // Ours is the reading end alone.
    drop(command);
    let until = limit.map(|limit| Instant::now() + limit);
    loop {
        let left = until.map_or(PROGRESS, |until| until.saturating_duration_since(Instant::now()));
        if tree.wait(left.min(PROGRESS)) {
            break;
        }
        let late = left.is_zero();
        if late || !go_on() {
            tree.kill();
            let (code, why) = if late {
                (abi::ERROR_SERVICE_REQUEST_TIMEOUT, "took too long")
            } else {
                (abi::ERROR_OPERATION_ABORTED, "was cancelled")
            };
            return Err(Failure::new(code, format!("`systemctl {}` {why}", words.join(" "))));
        }
    }
    let status = tree.status();
    // Nothing it started may keep the writing end.
    tree.kill();
    let mut text = String::new();
    output.read_to_string(&mut text)?;
    Ok((status, text))
}

/// What systemd says of a unit.
fn show(name: &str, unit: &str) -> Result<Shown, Failure> {
    let words = ["show", "--property", unit::ASKED, "--", unit];
    let (status, text) = systemctl(name, &words, Some(QUICK), || true)?;
    if status != 0 {
        let hint = if needs_bus() { "; it is asked by the system bus: does dbus.socket run?" } else { "" };
        let text =
            format!("service {unit}: systemd does not answer (status {status}): {}{hint}", text.trim());
        return Err(Failure::new(abi::ERROR_SERVICE_NOT_ACTIVE, text));
    }
    Ok(Shown::read(&text))
}

impl GenericService {
    fn unit(&self) -> Result<String, Failure> {
        unit_of(&self.context.properties()).map_err(|problem| {
            Failure::on_any_node(format!("property {:?}: {}", problem.property, problem.text))
        })
    }

    fn show(&self, unit: &str) -> Result<Shown, Failure> {
        show(&self.context.name(), unit)
    }

    /// Whether the service can be started at all.
    fn installed(unit: &str, shown: &Shown) -> Result<(), Failure> {
        let (code, text) = match shown.get("LoadState") {
            "loaded" => return Ok(()),
            "not-found" => (
                abi::ERROR_SERVICE_DOES_NOT_EXIST,
                format!("service {unit} is not installed on this node: systemd knows no such unit (1040)"),
            ),
            "masked" => (
                abi::ERROR_SERVICE_DISABLED,
                format!("service {unit} is masked on this node; `systemctl unmask {unit}` (1040)"),
            ),
            other => (
                abi::ERROR_SERVICE_NOT_ACTIVE,
                format!(
                    "service {unit} cannot be used: its unit is {other} {}; see `systemctl status {unit}` (1040)",
                    shown.get("LoadError")
                ),
            ),
        };
        Err(Failure::new(code, text))
    }

    fn keep(&self, watch: Option<Watch>) {
        *self.watch.lock().unwrap_or_else(PoisonError::into_inner) = watch;
    }

    fn stop(&self, unit: &str, limit: Option<Duration>, go_on: impl FnMut() -> bool) -> Result<(), Failure> {
        let (status, text) = systemctl(&self.context.name(), &["stop", "--", unit], limit, go_on)?;
        let shown = self.show(unit)?;
        // One that was removed meanwhile has no processes either.
        if shown.ended() {
            self.started.store(false, Ordering::Release);
            let note = self.note.lock().unwrap_or_else(PoisonError::into_inner).take();
            note.into_iter().for_each(Note::discard);
            return Ok(());
        }
        let text = format!(
            "service {unit} could not be stopped: {} (status {status}) {}",
            shown.words(),
            text.trim()
        );
        Err(Failure::new(abi::ERROR_BUSY, text))
    }
}

impl Resource for GenericService {
    const TYPE_NAME: &'static str = "Generic Service";

    const PROPERTIES: &'static [Property] = &[
        Property::text("ServiceName").required(),
        Property::text("StartupParameters"),
        Property::flag("UseNetworkName"),
    ];

    fn open(context: &Context) -> Result<Self, Failure> {
        Ok(GenericService {
            context: context.clone(),
            watch: Mutex::new(None),
            started: AtomicBool::new(false),
            note: Mutex::new(None),
        })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let unit = self.unit()?;
        let before = self.show(&unit)?;
        Self::installed(&unit, &before)?;
        if before.get("UnitFileState") == "enabled" {
            let text = format!(
                "service {unit} is enabled: systemd starts it at boot, on every node, whatever the cluster wants; \
                 `systemctl disable {unit}`"
            );
            self.context.log(Level::Warning, &text);
        }
        if before.active() {
            self.context.log(Level::Warning, &format!("service {unit} is active already and is taken over"));
        }
        let mut held = self.note.lock().unwrap_or_else(PoisonError::into_inner);
        if held.is_none() {
            *held = leftover::remember(&self.context, &unit);
        }
        drop(held);
        self.started.store(true, Ordering::Release);
        let (status, said) =
            systemctl(&self.context.name(), &["start", "--", &unit], None, || operation.progress())?;
        let shown = self.show(&unit)?;
        if status != 0 || !shown.active() {
            let hint = if status == 0 && shown.get("Type") == "oneshot" {
                "; a unit of Type=oneshot stays active only with RemainAfterExit=yes"
            } else {
                ""
            };
            let text = format!(
                "service {unit} could not be started: {}{hint} {} (1041)",
                shown.words(),
                said.trim()
            );
            return Err(Failure::new(abi::ERROR_SERVICE_NOT_ACTIVE, text));
        }
        let group = shown.get("ControlGroup");
        if let Some(note) = &*self.note.lock().unwrap_or_else(PoisonError::into_inner) {
            leftover::remember_group(&self.context, note, group);
        }
        // A service without processes, and a node without control groups of version 2, are polled.
        match Watch::start(group) {
            Ok((watch, event)) if !group.is_empty() && shown.get("MainPID") != "0" => {
                self.keep(Some(watch));
                Ok(Online::watched(event))
            }
            Ok(_) | Err(_) => Ok(Online::polled()),
        }
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        let unit = self.unit()?;
        self.keep(None);
        self.stop(&unit, None, || operation.progress())
    }

    fn terminate(&self) {
        self.keep(None);
        if !self.started.load(Ordering::Acquire) {
            return;
        }
        let ended = self.unit().and_then(|unit| {
            let name = self.context.name();
            // A job that is waiting to start it would win over what follows.
            systemctl(&name, &["stop", "--no-block", "--", &unit], Some(QUICK), || true)?;
            systemctl(&name, &["kill", "--signal", "KILL", "--", &unit], Some(QUICK), || true)?;
            self.stop(&unit, Some(QUICK), || true)
        });
        if let Err(failure) = ended {
            self.context.log(Level::Error, failure.text());
        }
    }

    fn is_alive(&self) -> bool {
        let shown = self.unit().and_then(|unit| Ok((self.show(&unit)?, unit)));
        match shown {
            Ok((shown, _)) if shown.active() => true,
            Ok((shown, unit)) => {
                self.context.log(Level::Error, &format!("service {unit}: {} (1042)", shown.words()));
                false
            }
            Err(failure) => {
                self.context.log(Level::Error, failure.text());
                false
            }
        }
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        unit_of(properties).err().into_iter().collect()
    }
}
