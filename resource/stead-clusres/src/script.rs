//! *Generic Script*: any executable that knows the verbs.

use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use stead_resapi as abi;
use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use crate::process::{Tree, readable};

/// How often a running verb shows that it is being waited for.
const PROGRESS: Duration = Duration::from_secs(2);

/// An executable that is run with one verb as its argument: `Open`, `Online`, `Offline`, `LooksAlive`, `IsAlive`,
/// `Terminate` or `Close`.
///
/// Exit status 0 is success, or healthy. `LooksAlive` and `IsAlive` must be known; for any other verb status 3 means
/// "nothing to do" and counts as success. The script sees `STEAD_RESOURCE_NAME`, `STEAD_RESOURCE_TYPE` and each
/// private property as `STEAD_PROPERTY_NAME`; what it prints goes to the group's log. A verb that takes longer than
/// `ScriptTimeout` is killed with all it started, and the script is not run again until the resource is terminated.
/// What `Online` leaves running belongs to the script; `Terminate` kills what the script did not stop.
///
/// Windows: mscs/generic-script, mscs/scripting-entry-points (there a script engine, here an executable)
pub struct GenericScript {
    context: Context,
    running: Mutex<Option<Arc<Tree>>>,
    /// Trees of verbs that have ended but may have left processes behind.
    left: Mutex<Vec<Arc<Tree>>>,
    hung: AtomicBool,
}

const UNIMPLEMENTED: i32 = 3;

impl GenericScript {
    fn command(&self, verb: &str) -> (Command, Duration) {
        let properties = self.context.properties();
        let mut command = Command::new(properties.text("ScriptFilepath"));
        command.arg(verb).args(properties.list("Arguments")).stdin(Stdio::null());
        command.env("STEAD_RESOURCE_NAME", self.context.name());
        command.env("STEAD_RESOURCE_TYPE", Self::TYPE_NAME);
        for (name, value) in properties.iter() {
            command.env(format!("STEAD_PROPERTY_{name}"), value.to_text());
        }
        (command, properties.milliseconds("ScriptTimeout"))
    }

    /// Runs one verb to its end; its exit status.
    fn run(&self, verb: &str, mut go_on: impl FnMut() -> bool) -> Result<i32, Failure> {
        if self.hung.load(Ordering::Acquire) {
            let text = "the script exceeded ScriptTimeout before and is not run again until it is terminated";
            return Err(Failure::new(abi::ERROR_TIMEOUT, text));
        }
        let (mut command, limit) = self.command(verb);
        let tree = Arc::new(Tree::start(&mut command, &self.context.name()).map_err(|error| {
            let text = format!("{:?} could not be run: {error}", command.get_program());
            Failure::new(Failure::from(error).code(), text)
        })?);
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::clone(&tree));
        let until = Instant::now() + limit;
        let ended = loop {
            let left = until.saturating_duration_since(Instant::now());
            if readable(tree.pidfd()?, left.min(PROGRESS)) {
                break true;
            }
            if left.is_zero() || !go_on() {
                break false;
            }
        };
        *self.running.lock().unwrap_or_else(PoisonError::into_inner) = None;
        if !ended {
            tree.kill();
            if Instant::now() >= until {
                self.hung.store(true, Ordering::Release);
                let text =
                    format!("{verb} exceeded ScriptTimeout of {} ms and was killed", limit.as_millis());
                return Err(Failure::new(abi::ERROR_TIMEOUT, text));
            }
            return Err(Failure::new(abi::ERROR_OPERATION_ABORTED, format!("{verb} was cancelled")));
        }
        let status = tree.status();
        let mut left = self.left.lock().unwrap_or_else(PoisonError::into_inner);
        // What has left nothing behind need not be remembered.
        left.retain(|tree| !tree.members().is_empty());
        left.push(tree);
        Ok(status)
    }

    fn optional(&self, verb: &str, go_on: impl FnMut() -> bool) -> Result<(), Failure> {
        match self.run(verb, go_on)? {
            0 | UNIMPLEMENTED => Ok(()),
            status => {
                Err(Failure::new(abi::ERROR_RESOURCE_FAILED, format!("{verb} exited with status {status}")))
            }
        }
    }

    fn healthy(&self, verb: &str) -> bool {
        match self.run(verb, || true) {
            Ok(0) => true,
            Ok(status) => {
                self.context.log(Level::Warning, &format!("{verb} exited with status {status}"));
                false
            }
            Err(failure) => {
                self.context.log(Level::Error, failure.text());
                false
            }
        }
    }
}

impl Resource for GenericScript {
    const TYPE_NAME: &'static str = "Generic Script";

    const PROPERTIES: &'static [Property] = &[
        Property::text("ScriptFilepath").required(),
        Property::list("Arguments"),
        Property::number("ScriptTimeout").default_number(60_000).range(10, u32::MAX),
    ];

    const OPEN_ENDED: bool = true;

    fn open(context: &Context) -> Result<Self, Failure> {
        Ok(GenericScript {
            context: context.clone(),
            running: Mutex::new(None),
            left: Mutex::new(Vec::new()),
            hung: AtomicBool::new(false),
        })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        self.hung.store(false, Ordering::Release);
        self.optional("Open", || operation.progress())?;
        self.optional("Online", || operation.progress())?;
        Ok(Online::polled())
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        self.optional("Offline", || operation.progress())?;
        self.optional("Close", || operation.progress())?;
        for tree in std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner)) {
            tree.kill();
        }
        Ok(())
    }

    fn terminate(&self) {
        let running = self.running.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(tree) = running {
            tree.kill();
        }
        self.hung.store(false, Ordering::Release);
        let script = self.context.properties().text("ScriptFilepath");
        if Path::new(&script).exists()
            && let Err(failure) = self.optional("Terminate", || true)
        {
            self.context.log(Level::Error, failure.text());
        }
        for tree in std::mem::take(&mut *self.left.lock().unwrap_or_else(PoisonError::into_inner)) {
            tree.kill();
        }
    }

    fn is_alive(&self) -> bool {
        self.healthy("IsAlive")
    }

    fn looks_alive(&self) -> bool {
        self.healthy("LooksAlive")
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        let script = properties.text("ScriptFilepath");
        let text = match std::fs::metadata(&script) {
            Err(error) => format!("{script:?}: {error}"),
            Ok(_) if !script.starts_with('/') => format!("{script:?} must be an absolute path"),
            Ok(file) if !file.is_file() => format!("{script:?} is no file"),
            Ok(file) if std::os::unix::fs::MetadataExt::mode(&file) & 0o111 == 0 => {
                format!("{script:?} is not executable; `chmod +x` it")
            }
            Ok(_) => return Vec::new(),
        };
        vec![Problem::new("ScriptFilepath", text)]
    }
}
