//! Services are units of systemd, asked for with `systemctl`, which runs as a child under a deadline.

use std::ffi::OsString;
use std::io::Read;
use std::os::fd::{FromRawFd, OwnedFd};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::{PoisonError, RwLock};
use std::time::{Duration, Instant};

use stead_resapi::{
    ERROR_ACCESS_DENIED, ERROR_INVALID_PARAMETER, ERROR_PROCESS_ABORTED, ERROR_SERVICE_DISABLED,
    ERROR_SERVICE_DOES_NOT_EXIST, ERROR_SERVICE_NOT_ACTIVE, ERROR_SERVICE_REQUEST_TIMEOUT,
};

use crate::system::{self, Waited};

/// Where the manager of services is.
#[derive(Clone, Debug)]
pub struct Manager {
    /// The `systemctl` to run.
    pub program: OsString,
    /// The folder that is there where systemd runs, and that takes drop-ins until the next start of the machine.
    pub runtime: PathBuf,
    /// How long one command may take.
    pub patience: Duration,
}

/// Longer than systemd waits for a unit by itself, shorter than the usual `PendingTimeout` of three minutes.
const PATIENCE: Duration = Duration::from_secs(150);

static MANAGER: RwLock<Option<Manager>> = RwLock::new(None);

/// Takes another manager than the machine's, for tests.
pub fn use_manager(manager: Manager) {
    *MANAGER.write().unwrap_or_else(PoisonError::into_inner) = Some(manager);
}

/// The manager of this machine.
pub(crate) fn manager() -> Manager {
    let replaced = MANAGER.read().unwrap_or_else(PoisonError::into_inner).clone();
    replaced.unwrap_or_else(|| Manager {
        program: OsString::from("systemctl"),
        runtime: PathBuf::from("/run/systemd/system"),
        patience: PATIENCE,
    })
}

/// What went wrong, with the documented code.
#[derive(Debug)]
pub(crate) struct Trouble {
    pub(crate) code: u32,
    pub(crate) message: String,
}

fn trouble<T>(code: u32, message: String) -> Result<T, Trouble> {
    Err(Trouble { code, message })
}

/// A unit as systemd sees it.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Unit {
    active: String,
    file: String,
}

impl Unit {
    pub(crate) fn runs(&self) -> bool {
        matches!(self.active.as_str(), "active" | "reloading")
    }

    pub(crate) fn rests(&self) -> bool {
        matches!(self.active.as_str(), "inactive" | "failed")
    }

    /// True if it starts by itself with the machine.
    pub(crate) fn starts_itself(&self) -> bool {
        matches!(self.file.as_str(), "enabled" | "enabled-runtime")
    }
}

/// The unit of a service's name.
///
/// # Errors
/// 87 for a name that no unit can have.
pub(crate) fn unit_name(service: &str) -> Result<String, Trouble> {
    let allowed = |letter: char| letter.is_ascii_alphanumeric() || ":-_.\\@".contains(letter);
    if service.is_empty() || service.len() > 240 || service.starts_with('-') || !service.chars().all(allowed)
    {
        return trouble(ERROR_INVALID_PARAMETER, format!("service {service:?}: no unit can have this name"));
    }
    let kinds = [".service", ".socket", ".target", ".mount", ".timer", ".path", ".slice", ".scope"];
    let complete = kinds.iter().any(|kind| service.ends_with(kind));
    Ok(if complete { service.to_owned() } else { format!("{service}.service") })
}

fn output_of(child: &mut Child) -> String {
    let mut text = String::new();
    if let Some(mut pipe) = child.stdout.take() {
        // What is no UTF-8 is no answer of systemctl's, and is treated as none.
        pipe.read_to_string(&mut text).unwrap_or_default();
    }
    text
}

/// Root's systemctl asks systemd on a socket between the two, and believes only a process that has a number here. Inside the
/// namespace of a Resource Monitor systemd has none: there it has to be asked by the system bus.
fn needs_bus() -> bool {
    std::fs::read_to_string("/proc/1/comm").is_ok_and(|name| name.trim_end() != "systemd")
}

impl Manager {
    /// Runs one command: whether it ended well, and what it printed.
    fn run(&self, arguments: &[&str]) -> Result<(bool, String), Trouble> {
        let shown = || format!("{} {}", self.program.display(), arguments.join(" "));
        let failed =
            |what: String| Trouble { code: ERROR_ACCESS_DENIED, message: format!("{}: {what}", shown()) };
        let mut command = Command::new(&self.program);
        if needs_bus() {
            command.env("SYSTEMCTL_FORCE_BUS", "1");
        }
        let mut child = command
            .args(arguments)
            .env("LC_ALL", "C")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .map_err(|error| failed(format!("could not be run: {error}")))?;
        let ended = system::process(child.id())
            // SAFETY: a new descriptor that nobody else has; it is closed at the end of the statement's block.
            .map(|fd| (fd, unsafe { OwnedFd::from_raw_fd(fd) }))
            .map(|(fd, _open)| system::wait(fd, Some(Instant::now() + self.patience)));
        if !matches!(ended, Ok(Waited::Readable)) {
            // It is killed and waited for, so that nothing is left behind; both cannot fail for a child of ours.
            let killed = child.kill().and_then(|()| child.wait());
            let message = format!(
                "{} took longer than {:?} and was killed ({killed:?}); see the unit's own timeout",
                shown(),
                self.patience
            );
            return trouble(ERROR_SERVICE_REQUEST_TIMEOUT, message);
        }
        let status = child.wait().map_err(|error| failed(error.to_string()))?;
        Ok((status.success(), output_of(&mut child)))
    }

    /// Looks at a unit.
    ///
    /// # Errors
    /// 1060 where there is none or no systemd, 1058 for a masked one.
    pub(crate) fn look(&self, unit: &str) -> Result<Unit, Trouble> {
        if !self.runtime.is_dir() {
            let message = format!(
                "service {unit}: systemd does not run here ({} is not there), so there are no services",
                self.runtime.display()
            );
            return trouble(ERROR_SERVICE_DOES_NOT_EXIST, message);
        }
        let (_, text) = self.run(&["show", "--property=LoadState,ActiveState,UnitFileState", "--", unit])?;
        let value = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
            line.unwrap_or_default().trim().to_owned()
        };
        match value("LoadState").as_str() {
            "loaded" => Ok(Unit { active: value("ActiveState"), file: value("UnitFileState") }),
            "masked" => {
                let message = format!("service {unit} is masked; allow it with: systemctl unmask {unit}");
                trouble(ERROR_SERVICE_DISABLED, message)
            }
            state => {
                let message = format!("service {unit}: systemd has no such unit (LoadState {state:?})");
                trouble(ERROR_SERVICE_DOES_NOT_EXIST, message)
            }
        }
    }

    /// Starts a unit and waits until it runs.
    ///
    /// # Errors
    /// As [`Manager::look`]; 1053 where it took too long, 1067 where it failed.
    pub(crate) fn start(&self, unit: &str) -> Result<(), Trouble> {
        if self.look(unit)?.runs() {
            return Ok(());
        }
        let (well, _) = self.run(&["start", "--", unit])?;
        if well && self.look(unit)?.runs() {
            return Ok(());
        }
        trouble(ERROR_PROCESS_ABORTED, format!("service {unit} did not start; see: systemctl status {unit}"))
    }

    /// Stops a unit and waits until it rests.
    ///
    /// # Errors
    /// As [`Manager::look`]; 1053 where it took too long or runs on.
    pub(crate) fn stop(&self, unit: &str) -> Result<(), Trouble> {
        if self.look(unit)?.rests() {
            return Ok(());
        }
        self.run(&["stop", "--", unit])?;
        if self.look(unit)?.rests() {
            return Ok(());
        }
        trouble(
            ERROR_SERVICE_REQUEST_TIMEOUT,
            format!("service {unit} did not stop; see: systemctl status {unit}"),
        )
    }

    /// Says whether a unit runs.
    ///
    /// # Errors
    /// As [`Manager::look`]; 1062 where it does not run.
    pub(crate) fn verify(&self, unit: &str) -> Result<(), Trouble> {
        let seen = self.look(unit)?;
        if seen.runs() {
            return Ok(());
        }
        trouble(ERROR_SERVICE_NOT_ACTIVE, format!("service {unit} does not run: it is {}", seen.active))
    }

    fn drop_in(&self, unit: &str, name: &str) -> PathBuf {
        self.runtime.join(format!("{unit}.d")).join(name)
    }

    /// Writes a drop-in of a unit and makes systemd read it.
    fn write(&self, unit: &str, name: &str, text: &str) -> Result<(), Trouble> {
        let path = self.drop_in(unit, name);
        let written =
            path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        if let Err(error) = written {
            return trouble(ERROR_ACCESS_DENIED, format!("{} could not be written: {error}", path.display()));
        }
        self.reload()
    }

    fn reload(&self) -> Result<(), Trouble> {
        match self.run(&["daemon-reload"])? {
            (true, _) => Ok(()),
            (false, _) => {
                trouble(ERROR_ACCESS_DENIED, "systemctl daemon-reload failed; is this root?".to_owned())
            }
        }
    }

    /// Leaves starting and restarting of a unit to the cluster.
    ///
    /// # Errors
    /// As [`Manager::look`]; 5 where it is not allowed.
    pub(crate) fn take_over(&self, unit: &str) -> Result<(), Trouble> {
        if self.look(unit)?.starts_itself() && !self.run(&["disable", "--", unit])?.0 {
            return trouble(
                ERROR_ACCESS_DENIED,
                format!("service {unit} could not be disabled; is this root?"),
            );
        }
        self.write(unit, "stead-restart.conf", "[Service]\nRestart=no\n")
    }

    /// Gives a unit a computer name in its environment.
    ///
    /// # Errors
    /// As [`Manager::look`]; 5 where it is not allowed.
    pub(crate) fn name_computer(&self, unit: &str, computer: &str) -> Result<(), Trouble> {
        self.look(unit)?;
        let quoted: String = computer
            .chars()
            .filter(|letter| !letter.is_control())
            .flat_map(|letter| match letter {
                '"' | '\\' => vec!['\\', letter],
                '%' => vec!['%', '%'],
                _ => vec![letter],
            })
            .collect();
        self.write(
            unit,
            "stead-environment.conf",
            &format!("[Service]\nEnvironment=\"COMPUTERNAME={quoted}\"\n"),
        )
    }

    /// Takes that name away again; without one, nothing.
    ///
    /// # Errors
    /// As [`Manager::look`]; 5 where it is not allowed.
    pub(crate) fn forget_computer(&self, unit: &str) -> Result<(), Trouble> {
        self.look(unit)?;
        let path = self.drop_in(unit, "stead-environment.conf");
        match std::fs::remove_file(&path) {
            Ok(()) => self.reload(),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(error) => {
                trouble(ERROR_ACCESS_DENIED, format!("{} could not be removed: {error}", path.display()))
            }
        }
    }
}
