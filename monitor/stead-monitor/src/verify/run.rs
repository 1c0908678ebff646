//! The whole run: containment, one trial after another, the verdicts, the report.
#![allow(
    clippy::wildcard_enum_match_arm,
    reason = "records are filtered: each place wants a kind or two of many"
)]

use std::io::{self, IsTerminal, Write};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use clap::ArgMatches;
use rustix::mount::{MountFlags, MountPropagationFlags, mount, mount_change};
use rustix::process::{Pid, Signal, kill_process};
use signal_hook::consts::{SIGINT, SIGTERM};
use stead_monitor_protocol::Properties;
use stead_resapi as abi;
use stead_types::PropertyMap;

use crate::engine::now;
use crate::host::{INTERRUPTED, absolute, value};

use super::foreign;
use super::judge::{self, Evidence, Observed};
use super::plan::{Range, Spec, Step, Trial};
use super::report::{self, Subject, Summary};
use super::rules;
use super::supervise::{self, Limits};
use super::trace::{Ended, What};

type Outcome = Result<ExitCode, Box<dyn std::error::Error>>;

/// What the command line asks for, checked.
pub(crate) struct Request {
    file: Option<PathBuf>,
    type_name: Option<String>,
    properties: PropertyMap,
    seconds: u64,
    cycles: u32,
    workload: Vec<String>,
    rule: Option<String>,
    strict: bool,
    verbose: bool,
    json: bool,
    junit: Option<PathBuf>,
    /// This process is the one inside.
    pub(crate) contained: bool,
}

impl Request {
    pub(crate) fn new(matches: &ArgMatches) -> Result<Request, String> {
        let mut properties = PropertyMap::new();
        for given in matches.get_many::<String>("property").into_iter().flatten() {
            let Some((name, text)) = given.split_once('=').filter(|(name, _)| !name.is_empty()) else {
                return Err(format!("--property {given:?}: it must be NAME=VALUE"));
            };
            let value = value(text).map_err(|error| format!("--property {given:?}: {error}"))?;
            properties.insert(name.to_owned(), value);
        }
        let rule = matches.get_one::<String>("rule").cloned();
        if let Some(id) = &rule
            && !rules::all().any(|rule| rule.id == id)
        {
            return Err(format!("--rule {id:?}: there is no such rule; see --list-rules"));
        }
        Ok(Request {
            file: matches.get_one::<PathBuf>("file").cloned().map(absolute),
            type_name: matches.get_one::<String>("type").cloned(),
            properties,
            seconds: matches.get_one::<u64>("seconds").copied().unwrap_or(60),
            cycles: matches.get_one::<u32>("cycles").copied().unwrap_or(1000),
            workload: matches.get_many::<String>("workload-pid").into_iter().flatten().cloned().collect(),
            rule,
            strict: matches.get_flag("strict"),
            verbose: matches.get_flag("verbose"),
            json: matches.get_flag("json"),
            junit: matches.get_one::<PathBuf>("junit").cloned(),
            contained: matches.get_flag("contained"),
        })
    }

    /// The names a type may have when none is given: that of the file, without what libraries are called by.
    fn guesses(&self) -> Vec<String> {
        if let Some(name) = &self.type_name {
            return vec![name.clone()];
        }
        let stem = self.file.as_ref().and_then(|file| file.file_stem()).unwrap_or_default();
        let stem = stem.to_string_lossy().into_owned();
        let short = stem.strip_prefix("lib").unwrap_or(&stem).to_owned();
        let spaced = short.replace(['_', '-'], " ");
        let mut names = vec![stem];
        for name in [short, spaced] {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    fn selected(&self, trial: Trial) -> bool {
        let Some(id) = &self.rule else { return true };
        let rule = rules::all().find(|rule| rule.id == id);
        rule.is_none_or(|rule| {
            rule.trials.is_empty() || trial == Trial::Lifecycle || rule.trials.contains(&trial)
        })
    }
}

/// Starts this program anew in namespaces of its own, where they can be had: then its end takes everything with it.
pub(crate) fn contain(request: &Request) -> Outcome {
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    // Processes named on the command line have numbers out here.
    if !request.workload.is_empty() || !rustix::process::getuid().is_root() {
        return run(request);
    }
    // A namespace is for the children of this thread; threads cannot be made once it is there.
    let told = Arc::new(AtomicBool::new(false));
    let child = Arc::new(std::sync::OnceLock::<Pid>::new());
    let mut signals = signal_hook::iterator::Signals::new([SIGINT, SIGTERM])?;
    let (flag, inner) = (Arc::clone(&told), Arc::clone(&child));
    std::thread::Builder::new().name("signals".to_owned()).spawn(move || {
        for _ in signals.forever() {
            flag.store(true, Ordering::Relaxed);
            if let Some(pid) = inner.get() {
                let _ = kill_process(*pid, Signal::KILL);
            }
        }
    })?;
    if foreign::contain().is_err() {
        return run(request);
    }
    let mut inside = Command::new("/proc/self/exe")
        .arg0("stead")
        .args(std::env::args_os().skip(1))
        .arg("--contained")
        .process_group(0)
        .spawn()?;
    let _ = child.set(Pid::from_child(&inside));
    if told.load(Ordering::Relaxed) {
        let _ = kill_process(Pid::from_child(&inside), Signal::KILL);
    }
    let status = inside.wait()?;
    if told.load(Ordering::Relaxed) {
        drop(Progress::new(request));
        return Ok(ExitCode::from(INTERRUPTED));
    }
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::from(3), ExitCode::from))
}

/// Makes the namespaces fit to live in.
fn settle_in() -> rustix::io::Result<()> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))?;
    // What the host mounts arrives here; what is mounted here stays here.
    mount_change("/", MountPropagationFlags::DOWNSTREAM | MountPropagationFlags::REC)?;
    mount("proc", "/proc", "proc", MountFlags::NOSUID | MountFlags::NODEV | MountFlags::NOEXEC, None)
}

/// A line that is written over.
struct Progress(bool);

impl Progress {
    fn new(request: &Request) -> Progress {
        Progress(!request.json && io::stderr().is_terminal())
    }

    fn show(&self, text: &str) {
        if self.0 {
            let _ = write!(io::stderr(), "\r\x1b[2K{text}");
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.show("");
    }
}

/// What trials need to know of those before.
struct Course<'a> {
    request: &'a Request,
    began: Instant,
    type_name: String,
    name: String,
    version: u32,
    online_ms: u64,
    able: bool,
    hung: bool,
}

impl Course<'_> {
    fn left(&self) -> Duration {
        Duration::from_secs(self.request.seconds).saturating_sub(self.began.elapsed())
    }

    fn spec(&self, steps: Vec<Step>) -> Spec {
        let request = self.request;
        let seconds = request.seconds;
        let reserve = Duration::from_secs(2);
        let share = Duration::from_secs((seconds / 4).max(2));
        let cycles = self.left().saturating_sub(reserve).min(share);
        Spec {
            file: request.file.clone(),
            type_name: self.type_name.clone(),
            name: self.name.clone(),
            properties: Properties(request.properties.clone()),
            steps,
            able: self.able,
            patience_ms: (seconds * 1000 / 6).clamp(1_000, 30_000),
            linger_ms: (self.online_ms * 3 / 2 + 150).clamp(250, 3_000),
            cycles: request.cycles,
            cycles_ms: u64::try_from(cycles.as_millis()).unwrap_or(u64::MAX),
            workload: request.workload.clone(),
        }
    }

    fn limits(&self) -> Limits {
        let seconds = self.request.seconds;
        let hang = if self.hung { 3 } else { (seconds / 4).clamp(3, 15) };
        let most = Duration::from_secs((seconds / 2).max(5));
        Limits { hang: Duration::from_secs(hang), until: Instant::now() + self.left().min(most) }
    }

    fn learn(&mut self, observed: &Observed) {
        self.hung |= matches!(observed.ended, Ended::Hung(_));
        if observed.trial != Trial::Lifecycle {
            return;
        }
        for record in &observed.records {
            match &record.what {
                What::Loaded { version } => self.version = *version,
                What::Settled { state: abi::ClusterResourceOnline, took_us, .. } => {
                    self.able = true;
                    self.online_ms = took_us / 1000;
                }
                _ => {}
            }
        }
    }
}

/// Trials that say something of a type that cannot come online.
fn without_online(trial: Trial) -> bool {
    match trial {
        Trial::Lifecycle
        | Trial::UnknownType
        | Trial::Versions
        | Trial::OldestVersion
        | Trial::Bare
        | Trial::NoKey
        | Trial::Controls
        | Trial::Questions
        | Trial::TerminatePending
        | Trial::TerminateOnline
        | Trial::Told => true,
        Trial::Kill
        | Trial::TerminateOffline
        | Trial::TerminateTwice
        | Trial::CloseRunning
        | Trial::OnlineFlags
        | Trial::OfflineFlags
        | Trial::TwoInstances
        | Trial::Parallel
        | Trial::Cycles
        | Trial::Unload => false,
    }
}

/// Why the DLL cannot be judged, if the first trial says so.
fn unusable(first: &Observed) -> Option<String> {
    let refused = first.records.iter().find_map(|record| match &record.what {
        What::Refused { text, .. } => Some(text.clone()),
        _ => None,
    })?;
    let answered = first.records.iter().find_map(|record| match &record.what {
        What::Startup { returned, .. } => Some(*returned),
        _ => None,
    });
    // A table that is wrong is a finding; a file or a type that is, is not.
    (answered != Some(abi::ERROR_SUCCESS)).then_some(refused)
}

/// The name under which the DLL serves a type, by asking; the first guess if it serves none.
fn find_type(request: &Request, told: &AtomicBool) -> io::Result<Option<String>> {
    let guesses = request.guesses();
    if guesses.len() > 1 {
        for name in &guesses {
            let course = Course::new(request, name.clone());
            let spec = course.spec(vec![Step::Startup(true, Range::Usual)]);
            let Some(observed) = supervise::run(Trial::Lifecycle, &spec, course.limits(), told)? else {
                return Ok(None);
            };
            let served = observed
                .records
                .iter()
                .any(|record| matches!(record.what, What::Startup { returned: abi::ERROR_SUCCESS, .. }));
            if served {
                return Ok(Some(name.clone()));
            }
        }
    }
    Ok(guesses.into_iter().next())
}

impl<'a> Course<'a> {
    fn new(request: &'a Request, type_name: String) -> Course<'a> {
        Course {
            request,
            began: Instant::now(),
            type_name,
            name: format!("stead-verify-{:x}", now().as_nanos()),
            version: 0,
            online_ms: 0,
            able: false,
            hung: false,
        }
    }
}

/// All trials, and the report.
pub(crate) fn run(request: &Request) -> Outcome {
    if request.contained {
        settle_in()?;
    }
    let told = Arc::new(AtomicBool::new(false));
    // The first process of a namespace gets no signal from inside that it does not ask for: a resource DLL that ends its
    // parent ends nothing. Whoever is outside ends it with everything else in the namespace.
    if !request.contained {
        for signal in [SIGINT, SIGTERM] {
            signal_hook::flag::register(signal, Arc::clone(&told))?;
        }
    }
    let interrupted = || Ok(ExitCode::from(INTERRUPTED));
    let progress = Progress::new(request);
    progress.show("stead verify: loading");
    let Some(type_name) = find_type(request, &told)? else { return interrupted() };
    let mut course = Course::new(request, type_name);
    let mut evidence = Evidence {
        trials: Vec::new(),
        missing: "the time was over before; give it more with --seconds".to_owned(),
    };
    for (number, trial) in Trial::ALL.iter().enumerate().filter(|(_, trial)| request.selected(**trial)) {
        if *trial != Trial::Lifecycle && !course.able && !without_online(*trial) {
            "it never came online".clone_into(&mut evidence.missing);
            continue;
        }
        if course.left() < Duration::from_millis(500) {
            continue;
        }
        progress.show(&format!("stead verify: {}/{} {}", number + 1, Trial::ALL.len(), trial.describe()));
        let spec = course.spec(trial.steps(course.version, course.online_ms > 300));
        let Some(observed) = supervise::run(*trial, &spec, course.limits(), &told)? else {
            return interrupted();
        };
        course.learn(&observed);
        let first = *trial == Trial::Lifecycle;
        let unusable = if first { unusable(&observed) } else { None };
        evidence.trials.push(observed);
        if let Some(text) = unusable {
            drop(progress);
            return Err(text.into());
        }
    }
    drop(progress);
    conclude(request, &course, &evidence)
}

fn conclude(request: &Request, course: &Course<'_>, evidence: &Evidence) -> Outcome {
    let judged = judge::judge(evidence, request.rule.as_deref());
    let cycles = evidence
        .records()
        .filter(|(_, _, what)| matches!(what, What::Usage { point, .. } if point == "cycles"));
    let shipped = || "(shipped with stead)".to_owned();
    let subject = Subject {
        file: request.file.as_ref().map_or_else(shipped, |file| file.display().to_string()),
        type_name: course.type_name.clone(),
        seconds: course.began.elapsed().as_secs_f64(),
        trials: evidence.trials.len(),
        cycles: cycles.count(),
        came_online: course.able,
    };
    if request.json {
        report::print(&format!("{:#}\n", report::json(&subject, evidence, &judged)));
    } else {
        report::print(&report::text(&subject, evidence, &judged, request.verbose || request.rule.is_some()));
    }
    if let Some(path) = &request.junit {
        let text = report::junit(&subject, evidence, &judged);
        std::fs::write(path, text).map_err(|error| format!("--junit {}: {error}", path.display()))?;
    }
    let Summary { errors, warnings, advice, .. } = report::summary(&judged);
    if errors > 0 || (request.strict && warnings + advice > 0) {
        return Ok(ExitCode::from(1));
    }
    if !course.able {
        let why = last_failure(evidence);
        complain!(
            "stead verify: it never came online{why}: most rules could not be judged; give it the properties it needs with --property"
        );
        return Ok(ExitCode::from(3));
    }
    Ok(ExitCode::SUCCESS)
}

/// Why the first online failed, and what the DLL said of it.
fn last_failure(evidence: &Evidence) -> String {
    let Some(first) = evidence.of(Trial::Lifecycle) else { return String::new() };
    let code = first.records.iter().find_map(|record| match &record.what {
        What::Settled { code, .. } if *code != 0 => Some(format!(" ({})", stead_types::Code(*code))),
        What::Return { value: 0, last_error, .. } if *last_error != 0 => {
            Some(format!(" ({})", stead_types::Code(*last_error)))
        }
        _ => None,
    });
    let said = first.records.iter().rev().find_map(|record| match &record.what {
        What::Log { text, level, .. } if *level >= abi::LOG_WARNING => Some(format!("; it said: {text}")),
        _ => None,
    });
    format!("{}{}", code.unwrap_or_default(), said.unwrap_or_default())
}
