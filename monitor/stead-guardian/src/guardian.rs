//! `stead guardian`: one thread, one loop, no plugin, no database.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Pid, PidfdFlags, pidfd_open};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use stead_monitor_protocol::{
    Board, Containment, Death, FromGuardian, Link, MonitorKey, ToGuardian, VERSION,
};
use stead_types::Time;

use crate::cgroup::Cgroups;
use crate::contain;
use crate::guard::{self, Duty};
use crate::hosted::{Hosted, nothing_known};
use crate::lease::{Leases, Terms};
use crate::limits::Limits;
use crate::member::Member;
use crate::node::Node;
use crate::now;
use crate::storage;
use crate::sys;
use crate::undo::Undo;
use crate::watchdog::{Kernel, Watchdog};

mod session;

/// An orderly shutdown that takes longer is ended by force.
const PATIENCE: Duration = Duration::from_secs(600);

/// File systems that do not answer are looked after this often.
const LOOK: Duration = Duration::from_millis(50);

/// Signals that come within this time are one.
const TOGETHER: Duration = Duration::from_millis(500);

struct Args {
    data: PathBuf,
    name: Option<String>,
    lifeline: bool,
    tell: bool,
    containment: Option<Containment>,
    limits: Limits,
}

fn parse(args: &[OsString]) -> Result<Args, String> {
    let mut parsed = Args {
        data: PathBuf::from("stead-data"),
        name: None,
        lifeline: false,
        tell: false,
        containment: None,
        limits: Limits::default(),
    };
    let mut words = args.iter();
    while let Some(word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{} needs a value", word.display()));
        match word.to_str() {
            Some("--data") => parsed.data = value()?.into(),
            Some("--node-name") => parsed.name = Some(value()?.to_string_lossy().into_owned()),
            Some("--limit") => parsed.limits.set(&value()?.to_string_lossy())?,
            Some("--lifeline") => parsed.lifeline = true,
            Some("--tell") => parsed.tell = true,
            Some("--containment") => {
                parsed.containment = match value()?.to_str() {
                    Some("auto") => None,
                    Some("pid") => Some(Containment::PidNamespace),
                    Some("user") => Some(Containment::UserNamespace),
                    Some("subreaper") => Some(Containment::Subreaper),
                    Some(_) | None => {
                        return Err("--containment: allowed are auto, pid, user, subreaper".to_owned());
                    }
                }
            }
            Some(_) | None => return Err(format!("unknown argument {}", word.display())),
        }
    }
    Ok(parsed)
}

/// Runs the guardian: `stead guardian --data DIR [--lifeline] [--tell] [--node-name NAME] [--containment KIND]
/// [--limit NAME=VALUE]...`.
///
/// With `--lifeline` the end of standard input is the order to take everything offline and end. With `--tell` another
/// process prints what happens; it may block on a terminal, which the guardian must not.
#[must_use]
pub fn guardian_main(args: Vec<OsString>) -> ExitCode {
    match parse(&args)
        .map_err(io::Error::other)
        .and_then(Guardian::new)
        .and_then(|mut guardian| guardian.run())
    {
        Ok(code) => code,
        Err(error) => {
            note!("stead guardian: {error}");
            // Refused, or failed.
            ExitCode::from(if error.kind() == io::ErrorKind::ResourceBusy { 3 } else { 1 })
        }
    }
}

/// True if there is such a process, and not only what is left of one.
fn alive(process: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Takes the data directory for this guardian alone.
fn take(data: &Path) -> io::Result<File> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true).mode(0o700);
    let wrong = |error: io::Error| io::Error::new(error.kind(), format!("{}: {error}", data.display()));
    builder.create(data).map_err(wrong)?;
    builder.create(data.join("log")).map_err(wrong)?;
    let mut lock = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .mode(0o600)
        .open(data.join("lock"))
        .map_err(wrong)?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        let mut holder = String::new();
        let _ = lock.read_to_string(&mut holder);
        let holder = holder.trim();
        if holder.is_empty() || alive(holder) {
            let text = format!("another stead runs on {} (guardian {holder})", data.display());
            return Err(io::Error::new(io::ErrorKind::ResourceBusy, text));
        }
        // The guardian that had it is dead; what it left behind holds the lock until the last of it is gone.
        note!("stead guardian: waiting for the end of what guardian {holder} left behind");
        flock(&lock, FlockOperation::LockExclusive)?;
    }
    lock.set_len(0)?;
    lock.rewind()?;
    writeln!(lock, "{}", std::process::id())?;
    Ok(lock)
}

fn teller(data: &Path) -> io::Result<Child> {
    let mut command = Command::new("/proc/self/exe");
    command.arg0("stead").arg("tell").arg("--data").arg(data).stdin(Stdio::null());
    // In our session: Ctrl-C is told to it as well.
    sys::bound_to_us(&mut command, false).spawn()
}

struct Guardian {
    data: PathBuf,
    lock: File,
    containment: Containment,
    limits: Limits,
    cgroups: Cgroups,
    node: Node,
    member: Member,
    wardens: BTreeMap<MonitorKey, Hosted>,
    leases: Leases,
    /// A session that begins when nothing is left of earlier ones.
    wanted: Option<Terms>,
    undo: Undo,
    watchdog: Option<Watchdog<Kernel>>,
    /// What came of it, once a session has begun.
    watchdog_words: Option<String>,
    /// The node was told that nothing of the session that is over is left.
    told_empty: bool,
    /// For the next node.
    blob: Option<String>,
    /// Prints what happens. It ends with the guardian, and is not missed before.
    teller: Option<Child>,
    /// Processes that shut file systems down and have not ended.
    helpers: Vec<Pid>,
    /// Deaths nobody could be told of yet.
    untold: Vec<(MonitorKey, Death)>,
    signals: UnixStream,
    lifeline: bool,
    shutdown: Option<(String, Time)>,
    /// When the first signal came.
    told: Option<Time>,
    exiting: bool,
    /// The node knows that something was left behind.
    told_left: bool,
}

impl Guardian {
    fn new(args: Args) -> io::Result<Guardian> {
        let lock = take(&args.data)?;
        let data = fs::canonicalize(&args.data)?;
        let containment = args.containment.unwrap_or_else(crate::probe);
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let (signals, write) = UnixStream::pair()?;
        signals.set_nonblocking(true)?;
        for signal in [SIGTERM, SIGINT, SIGHUP] {
            signal_hook::low_level::pipe::register(signal, write.try_clone()?)?;
        }
        // What holds everything together is the last to go when memory runs out; only root may say so.
        let _ = fs::write("/proc/self/oom_score_adj", "-1000");
        note!("stead guardian: {}", containment.describe());
        let _ = fs::remove_file(data.join("standing"));
        let teller = args.tell.then(|| teller(&data)).transpose()?;
        let cgroups = Cgroups::find();
        note!("stead guardian: {}", cgroups.describe(&args.limits));
        Ok(Guardian {
            node: Node::new(&data, args.name, now()),
            member: Member::new(&data, now()),
            data,
            lock,
            containment,
            limits: args.limits,
            cgroups,
            wardens: BTreeMap::new(),
            leases: Leases::default(),
            wanted: None,
            undo: Undo::default(),
            watchdog: None,
            watchdog_words: None,
            told_empty: false,
            blob: None,
            teller,
            helpers: Vec::new(),
            untold: Vec::new(),
            signals,
            lifeline: args.lifeline,
            shutdown: None,
            told: None,
            exiting: false,
            told_left: false,
        })
    }

    fn run(&mut self) -> io::Result<ExitCode> {
        loop {
            if self.exiting {
                return Ok(self.exit(ExitCode::SUCCESS));
            }
            self.member.start(now());
            if self.node.start_at.is_some_and(|at| at <= now())
                && let Err(error) = self.node.start(now(), &self.lock)
            {
                note!("stead guardian: node could not be started: {error}");
                self.node.start_at = Some(now().after(Duration::from_secs(1)));
            }
            if self.shutdown.is_some() && self.wardens.is_empty() && !self.node.greeted() {
                // Nothing runs, and there is nobody to take it offline.
                return Ok(self.exit(ExitCode::SUCCESS));
            }
            // In a cluster the node may have come before the majority; giving it up would end the member of etcd, and
            // so keep the majority from ever coming.
            if !self.member.in_cluster
                && let Some(why) = self.node.hopeless()
            {
                note!("stead guardian: the node cannot begin: {why}");
                return Ok(self.exit(ExitCode::FAILURE));
            }
            if self.shutdown.as_ref().is_some_and(|(_, until)| *until <= now()) {
                note!("stead guardian: the shutdown takes too long; everything is killed");
                return Ok(self.exit(ExitCode::FAILURE));
            }
            self.wait()?;
            // First: after a pause of our own nothing that waits may pass for being in time.
            self.lapse();
            if let Some(code) = self.signalled() {
                return Ok(self.exit(code));
            }
            self.node.flush();
            while let Some(message) = self.node.receive() {
                self.take(message);
            }
            self.bury();
            self.tidy_up();
            self.tell_empty();
            self.tell_left();
            self.mind_watchdog();
            self.check_node();
            self.member.check(now());
        }
    }

    /// Waits until there is something to do.
    fn wait(&mut self) -> io::Result<()> {
        let mut fds = vec![PollFd::new(&self.signals, PollFlags::IN)];
        let stdin = io::stdin();
        if self.lifeline {
            fds.push(PollFd::new(&stdin, PollFlags::IN));
        }
        if let Some((link, pidfd)) = self.node.fds() {
            let mut flags = PollFlags::IN;
            if self.node.waiting() {
                flags |= PollFlags::OUT;
            }
            fds.push(PollFd::from_borrowed_fd(link, flags));
            fds.push(PollFd::new(pidfd, PollFlags::IN));
        }
        fds.extend(self.member.fd().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        fds.extend(self.undo.fd().map(|pidfd| PollFd::new(pidfd, PollFlags::IN)));
        fds.extend(self.wardens.values().map(|warden| PollFd::new(warden.end(), PollFlags::IN)));
        let shutdown = self.shutdown.as_ref().map(|(_, until)| *until);
        let helpers = (!self.helpers.is_empty()).then(|| now().after(LOOK));
        let (node, member) = (self.node.start_at, self.member.start_at);
        let watchdog = self.watchdog.as_ref().filter(|_| self.safe()).map(Watchdog::next);
        let deadlines = [node, member, shutdown, self.leases.next(), helpers, self.undo.next(), watchdog];
        let timeout = deadlines.into_iter().flatten().min().map(|at| at.since(now()));
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        match poll(&mut fds, timeout.as_ref()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        if self.lifeline && fds[1].revents().intersects(PollFlags::IN | PollFlags::HUP) {
            let mut byte = [0; 64];
            if matches!(rustix::io::read(&stdin, &mut byte), Ok(0) | Err(_)) {
                self.lifeline = false;
                self.begin_shutdown("the program that started stead is gone");
            }
        }
        Ok(())
    }

    /// Signals: the first asks for a shutdown, a later one forces it. What comes together counts once: many a sender
    /// tells the process and its group.
    fn signalled(&mut self) -> Option<ExitCode> {
        let mut bytes = [0; 16];
        let count = self.signals.read(&mut bytes).unwrap_or(0);
        if count == 0 {
            return None;
        }
        let told = *self.told.get_or_insert_with(now);
        if now().since(told) < TOGETHER {
            self.begin_shutdown("the guardian was told to end");
            return None;
        }
        if self.shutdown.is_some() {
            note!("stead guardian: told twice; everything is killed");
            return Some(ExitCode::FAILURE);
        }
        self.begin_shutdown("the guardian was told to end");
        None
    }

    fn begin_shutdown(&mut self, reason: &str) {
        if self.shutdown.is_none() {
            self.shutdown = Some((reason.to_owned(), now().after(PATIENCE)));
            if self.node.greeted() {
                self.node.send(FromGuardian::Shutdown { reason: reason.to_owned() }, None);
            }
        }
    }

    fn take(&mut self, message: ToGuardian) {
        match message {
            ToGuardian::Hello { version } => self.greet(version),
            ToGuardian::Start { monitor } => {
                if self.wardens.contains_key(&monitor) {
                    let error = "it runs already".to_owned();
                    self.node.send(FromGuardian::NotStarted { monitor, error }, None);
                    return;
                }
                match self.start(&monitor) {
                    Ok(warden) => {
                        let process = warden.process();
                        let fd = warden.node_end.try_clone().ok();
                        self.wardens.insert(monitor.clone(), warden);
                        self.node.send(FromGuardian::Started { monitor, process }, fd);
                    }
                    Err(error) => {
                        let error = error.to_string();
                        self.node.send(FromGuardian::NotStarted { monitor, error }, None);
                    }
                }
            }
            ToGuardian::Kill { monitor, fence } => match self.wardens.get_mut(&monitor) {
                Some(warden) => {
                    warden.requested = true;
                    if fence {
                        self.shut_down(session::ORDERED, |of| *of == monitor);
                    }
                    self.kill(|of| *of == monitor);
                }
                None => {
                    let death = Death { requested: true, ..nothing_known() };
                    self.node.send(FromGuardian::Died { monitor, death }, None);
                }
            },
            ToGuardian::Session { session, longest, watchdog, device } => self.begin_session(Terms {
                session,
                longest: Duration::from_millis(longest),
                watchdog: Duration::from_millis(watchdog),
                device,
            }),
            ToGuardian::Lease { session, deadline } => self.renew(session, deadline),
            ToGuardian::Ask { question } => self.node.send(FromGuardian::Answer { question }, None),
            ToGuardian::Fence { session } => self.fence(session),
            ToGuardian::Keep { blob } => self.keep(blob),
            ToGuardian::Exit => self.exiting = true,
        }
    }

    fn greet(&mut self, version: u32) {
        if version != VERSION {
            note!("stead guardian: node speaks version {version}, not {VERSION}");
        }
        self.node.greet();
        let hello = FromGuardian::Hello {
            version: VERSION,
            containment: self.containment,
            restarts: self.node.restarts,
            session: self.leases.held(),
            blob: self.blob.clone(),
            watchdog: self.watchdog_words.clone(),
        };
        self.told_empty = false;
        self.node.send(hello, None);
        for (monitor, warden) in &self.wardens {
            let process = warden.process();
            let message = FromGuardian::Started { monitor: monitor.clone(), process };
            self.node.send(message, warden.node_end.try_clone().ok());
        }
        self.node.send(FromGuardian::Listed, None);
        if self.lifeline {
            // Whoever holds the lifeline waits for this; that it went away is heard elsewhere.
            let _ = writeln!(io::stdout(), "ready");
        }
        for (monitor, death) in std::mem::take(&mut self.untold) {
            self.node.send(FromGuardian::Died { monitor, death }, None);
        }
        self.told_left = !self.undo.left().is_empty();
        if self.told_left {
            self.node.send(FromGuardian::Left { what: self.undo.left().to_vec() }, None);
        }
        if let Some((reason, _)) = &self.shutdown {
            self.node.send(FromGuardian::Shutdown { reason: reason.clone() }, None);
        }
    }

    /// What was left behind is gone: the node that was told of it is told of that.
    fn tell_left(&mut self) {
        if self.told_left && self.undo.clean() && self.node.greeted() {
            self.told_left = false;
            self.node.send(FromGuardian::Left { what: Vec::new() }, None);
        }
    }

    fn start(&mut self, monitor: &MonitorKey) -> io::Result<Hosted> {
        let duty = match monitor {
            MonitorKey::Check => None,
            MonitorKey::Group { .. } => self.leases.admit(now()).map_err(io::Error::other)?,
        };
        let (control, control_end) = Link::pair().map_err(io::Error::other)?;
        let (node_link, monitor_end) = Link::pair().map_err(io::Error::other)?;
        let node_end = node_link.as_fd().try_clone_to_owned()?;
        let board = Board::new()?;
        let board_fd = OwnedFd::from(board.try_clone()?);
        let host_proc = contain::host_proc()?;
        let lock: OwnedFd = self.lock.try_clone()?.into();
        let name = monitor.to_string();
        let plain: String =
            name.chars().map(|c| if c.is_alphanumeric() || "-_.".contains(c) { c } else { '_' }).collect();
        let log = self.data.join("log").join(format!("group-{plain}.log"));
        let mut args: Vec<String> = [
            ("--name", name),
            ("--log", log.display().to_string()),
            ("--control-fd", contain::number(&control_end)),
            ("--node-fd", contain::number(&monitor_end)),
            ("--board-fd", contain::number(&board_fd)),
            ("--host-proc-fd", contain::number(&host_proc)),
            ("--lock-fd", contain::number(&lock)),
        ]
        .into_iter()
        .flat_map(|(name, value)| [name.to_owned(), value])
        .collect();
        args.insert(0, "warden".to_owned());
        if self.containment == Containment::Subreaper {
            args.push("--subreaper".to_owned());
        }
        let groups = self.cgroups.make(&self.limits);
        args.extend(["--limit".to_owned(), self.limits.to_string()]);
        for folder in groups.folders() {
            args.extend(["--cgroup".to_owned(), folder.display().to_string()]);
        }
        if self.cgroups.has("memory") {
            args.push("--memory-is-limited".to_owned());
        }
        let outside = storage::outside();
        let kept = [&control_end, &monitor_end, &board_fd, &host_proc, &lock];
        let started = match duty {
            Some((deadline, longest)) => {
                guard::start(self.containment, &args, &kept, Duty { deadline, longest })
                    .map(|(guard, pid, pidfd)| (Some(guard), pid, pidfd))
            }
            None => contain::start(self.containment, &args, &kept)
                .and_then(|pid| Ok((None, pid, pidfd_open(pid, PidfdFlags::empty())?))),
        };
        let (guard, pid, pidfd) = started.inspect_err(|_| groups.remove())?;
        let (death, requested) = (None, false);
        Ok(Hosted { pid, pidfd, guard, control, node_end, board, death, requested, groups, outside })
    }

    /// Takes in which wardens have ended; with them everything behind them.
    fn bury(&mut self) {
        storage::reap(&mut self.helpers);
        let mut dead = Vec::new();
        for (monitor, warden) in &mut self.wardens {
            if let Some(ending) = warden.buried(monitor) {
                dead.push((monitor.clone(), ending));
            }
        }
        for (monitor, ending) in dead {
            let Some(warden) = self.wardens.remove(&monitor) else { continue };
            if self.containment == Containment::Subreaper {
                // What a killed warden left behind is ours now.
                let spared: Vec<Pid> = self
                    .wardens
                    .values()
                    .map(|warden| warden.pid)
                    .chain(self.node.pid())
                    .chain(self.member.pid())
                    .chain(self.teller.as_ref().map(Pid::from_child))
                    .collect();
                contain::hunt(&spared);
            }
            warden.groups.remove();
            let mut death = warden.into_death(ending);
            death.lapsed = !death.requested && monitor != MonitorKey::Check && self.leases.over().is_some();
            if !death.requested {
                note!("stead guardian: monitor {monitor}: {death}");
            }
            if self.leases.held().is_some() && monitor != MonitorKey::Check {
                self.undo.take((monitor, death), now());
            } else {
                self.tell(monitor, death);
            }
        }
    }

    fn tell(&mut self, monitor: MonitorKey, death: Death) {
        if self.node.greeted() {
            self.told_left |= !death.left.is_empty();
            self.node.send(FromGuardian::Died { monitor, death }, None);
        } else {
            self.untold.push((monitor, death));
        }
    }

    fn check_node(&mut self) {
        let Some((_, pidfd)) = self.node.fds() else { return };
        let mut fds = [PollFd::new(pidfd, PollFlags::IN)];
        let ended = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 0 })).is_ok_and(|count| count > 0);
        if ended {
            // Its last word may be that all is done: one that says so and ends is not started again.
            while let Some(message) = self.node.receive() {
                self.take(message);
            }
            if self.exiting {
                return;
            }
            // The next one asks for itself.
            self.wanted = None;
            self.node.ended(now(), self.leases.longest());
        }
    }

    /// Kills what is left and ends.
    fn exit(&mut self, code: ExitCode) -> ExitCode {
        if self.leases.held().is_some() {
            // What still lives was not taken offline, and another machine may begin when we are gone.
            self.shut_down(session::ORDERED, |monitor| *monitor != MonitorKey::Check);
        }
        self.kill(|_| true);
        for warden in self.wardens.values_mut() {
            warden.bury();
        }
        self.node.end();
        // After the node, which may still have had something to store.
        self.member.end();
        contain::hunt(&[]);
        self.leave_clean();
        for left in ["node.sock", "standing"] {
            let _ = fs::remove_file(self.data.join(left));
        }
        code
    }
}
