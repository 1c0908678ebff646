//! *Generic Application*: a program that is kept running.

use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use rustix::process::Signal;
use stead_resapi as abi;
use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use crate::command;
use crate::process::Tree;

/// How often a stopping program shows that it is being waited for.
const PROGRESS: Duration = Duration::from_secs(5);

/// A program that is kept running. Online when it has been started; alive while its main process exists.
///
/// Offline sends `StopSignal` to the main process, waits up to `StopGracePeriod`, then kills whatever is left: the
/// whole process tree, daemons included. It is offline when the tree is empty.
///
/// | Property | | |
/// |---|---|---|
/// | `CommandLine` | text, required | program and arguments, quoted as in a shell; no shell runs |
/// | `CurrentDirectory` | text, `/` | where it starts; Windows requires it |
/// | `Environment` | list of `NAME=VALUE` | added to the node's own |
/// | `User` | text | name or number; needs root; the program gets that user's groups, `HOME`, `USER`, `LOGNAME`, `SHELL` |
/// | `StopSignal` | text, `TERM` | sent first |
/// | `StopGracePeriod` | ms, 10000 | until `KILL` |
///
/// Windows: mscs/generic-application
pub struct GenericApplication {
    context: Context,
    running: Mutex<Option<Arc<Tree>>>,
}

impl GenericApplication {
    fn running(&self) -> Option<Arc<Tree>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn set(&self, tree: Option<Arc<Tree>>) -> Option<Arc<Tree>> {
        std::mem::replace(&mut *self.running.lock().unwrap_or_else(PoisonError::into_inner), tree)
    }
}

fn wrong(property: &str, text: &str) -> Failure {
    Failure::new(abi::ERROR_INVALID_PARAMETER, format!("property {property:?}: {text}"))
}

fn command_of(properties: &Properties) -> Result<Command, Failure> {
    let words =
        command::split(&properties.text("CommandLine")).map_err(|text| wrong("CommandLine", &text))?;
    let (program, arguments) =
        words.split_first().ok_or_else(|| wrong("CommandLine", "it names no program"))?;
    let mut command = Command::new(program);
    command.args(arguments).current_dir(properties.text("CurrentDirectory")).stdin(Stdio::null());
    let name = properties.text("User");
    if !name.is_empty() {
        command::user(&name)
            .and_then(|user| command::run_as(&mut command, &user))
            .map_err(|text| wrong("User", &text))?;
    }
    for text in properties.list("Environment") {
        let (name, value) = command::variable(&text).map_err(|text| wrong("Environment", &text))?;
        command.env(name, value);
    }
    Ok(command)
}

impl Resource for GenericApplication {
    const TYPE_NAME: &'static str = "Generic Application";

    const PROPERTIES: &'static [Property] = &[
        Property::text("CommandLine").required(),
        Property::text("CurrentDirectory").default_text("/"),
        Property::list("Environment"),
        Property::text("User"),
        Property::text("StopSignal").default_text("TERM"),
        Property::number("StopGracePeriod").default_number(10_000),
    ];

    const QUICK_ONLINE: bool = true;

    fn open(context: &Context) -> Result<Self, Failure> {
        Ok(GenericApplication { context: context.clone(), running: Mutex::new(None) })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let properties = operation.context().properties();
        let mut command = command_of(&properties)?;
        let tree = Tree::start(&mut command, &self.context.name()).map_err(|error| {
            let line = properties.text("CommandLine");
            let place = properties.text("CurrentDirectory");
            let text = format!("{line:?} could not be started in {place:?}: {error}");
            Failure::new(Failure::from(error).code(), text)
        })?;
        let event = tree.pidfd()?;
        self.set(Some(Arc::new(tree)));
        Ok(Online::watched(event))
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        let Some(tree) = self.running() else { return Ok(()) };
        let properties = operation.context().properties();
        let signal = command::signal(&properties.text("StopSignal")).unwrap_or(Signal::TERM);
        let until = Instant::now() + properties.milliseconds("StopGracePeriod");
        tree.signal(signal);
        loop {
            let left = until.saturating_duration_since(Instant::now());
            if tree.wait(left.min(PROGRESS)) || left.is_zero() {
                break;
            }
            if !operation.progress() {
                break;
            }
        }
        if !tree.kill() {
            let text = "a process hangs in the kernel and cannot be killed";
            return Err(Failure::new(abi::ERROR_BUSY, text));
        }
        self.set(None);
        Ok(())
    }

    fn terminate(&self) {
        if let Some(tree) = self.set(None)
            && !tree.kill()
        {
            self.context.log(Level::Error, "a process hangs in the kernel and cannot be killed");
        }
    }

    fn is_alive(&self) -> bool {
        let Some(tree) = self.running() else { return false };
        let alive = tree.alive();
        if !alive && let Some(end) = tree.end() {
            self.context.log(Level::Error, &format!("process {} {end}", tree.id()));
        }
        alive
    }

    fn processes(&self) -> Vec<u32> {
        self.running().map(|tree| vec![tree.id()]).unwrap_or_default()
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        let mut problems = Vec::new();
        if let Err(text) = command::split(&properties.text("CommandLine")) {
            problems.push(Problem::new("CommandLine", text));
        }
        let folder = properties.text("CurrentDirectory");
        if !folder.starts_with('/') {
            let text = format!("{folder:?} must be an absolute path");
            problems.push(Problem::new("CurrentDirectory", text));
        }
        for text in properties.list("Environment") {
            if let Err(text) = command::variable(&text) {
                problems.push(Problem::new("Environment", text));
            }
        }
        if let Err(text) = command::signal(&properties.text("StopSignal")) {
            problems.push(Problem::new("StopSignal", text));
        }
        let user = properties.text("User");
        if !user.is_empty() {
            match command::user(&user) {
                Err(text) => problems.push(Problem::new("User", text)),
                Ok(user)
                    if user.id != rustix::process::getuid().as_raw()
                        && !rustix::process::getuid().is_root() =>
                {
                    problems.push(Problem::new("User", "only root can run a program as another user"));
                }
                Ok(_) => {}
            }
        }
        problems
    }
}
