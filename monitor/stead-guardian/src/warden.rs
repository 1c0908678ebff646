//! `stead warden`: pid 1 of a Resource Monitor's namespace, or a subreaper where there is none.

use std::ffi::OsString;
use std::fs::File;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, ExitStatus, Stdio};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, kill_process, pidfd_open};
use stead_monitor_protocol::{Board, Death, InstanceId, Link};
use stead_types::Time;

use crate::contain;
use crate::limits::Limits;
use crate::now;
use crate::output::Output;
use crate::sys;

/// A call may be this much later than its deadline before the warden steps in: the monitor does so itself first.
const GRACE: Duration = Duration::from_secs(1);

/// The warden looks this often, and when a call it has seen is due: a call that began since is the monitor's own
/// business for so long.
const LOOK: Duration = Duration::from_secs(5);

/// A monitor that a signal has stopped answers nobody and polls nothing: after this long it has died.
const LONGEST_STOP: Duration = Duration::from_secs(4);

struct Args {
    name: String,
    log: String,
    control: OwnedFd,
    node: OwnedFd,
    board: String,
    host_proc: String,
    subreaper: bool,
    limits: Limits,
    /// Control groups, by their folders.
    groups: Vec<PathBuf>,
    /// True if a control group limits memory.
    memory: bool,
    /// Held while anything of this monitor may live: the next guardian waits for it.
    _lock: OwnedFd,
}

fn parse(args: &[OsString]) -> Option<Args> {
    let value = |name: &str| {
        let at = args.iter().position(|arg| arg == name)?;
        args.get(at + 1)?.to_str().map(str::to_owned)
    };
    let fd = |name: &str| value(name)?.parse().ok().and_then(|number| sys::inherited(number).ok());
    Some(Args {
        name: value("--name")?,
        log: value("--log")?,
        control: fd("--control-fd")?,
        node: fd("--node-fd")?,
        board: value("--board-fd")?,
        host_proc: value("--host-proc-fd")?,
        _lock: fd("--lock-fd")?,
        subreaper: args.iter().any(|arg| arg == "--subreaper"),
        limits: value("--limit")?.parse().ok()?,
        groups: args.windows(2).filter(|pair| pair[0] == "--cgroup").map(|pair| (&pair[1]).into()).collect(),
        memory: args.iter().any(|arg| arg == "--memory-is-limited"),
    })
}

/// Runs a warden. Started by the guardian; of no use by hand.
#[must_use]
pub fn warden_main(args: Vec<OsString>) -> ExitCode {
    let Some(args) = parse(&args) else {
        note!("stead warden: started by the guardian only");
        return ExitCode::from(2);
    };
    match run(args) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note!("stead warden: {error}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args, node: OwnedFd, output: OwnedFd) -> io::Result<Child> {
    let errors = output.try_clone()?;
    let mut command = Command::new("/proc/self/exe");
    command
        .arg0("stead")
        .args(["monitor", "--name", &args.name, "--board-fd", &args.board])
        .stdin(Stdio::from(node))
        .stdout(Stdio::from(output))
        .stderr(Stdio::from(errors));
    if args.subreaper {
        command.env_remove("STEAD_HOST_PROC");
    } else {
        command.env("STEAD_HOST_PROC", format!("/proc/self/fd/{}", args.host_proc));
    }
    let open =
        |folder: &PathBuf| File::options().write(true).open(folder.join("cgroup.procs")).map(OwnedFd::from);
    let groups = args.groups.iter().filter_map(|folder| {
        open(folder).inspect_err(|error| note!("stead warden: {}: {error}", folder.display())).ok()
    });
    sys::limited(&mut command, groups.collect(), args.limits.of_process(args.memory));
    sys::bound_to_us(&mut command, true).spawn()
}

fn run(mut args: Args) -> Result<(), Box<dyn std::error::Error>> {
    if args.subreaper {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    }
    let board = Board::open(&Path::new("/proc/self/fd").join(&args.board))?;
    let (read, write) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&read, true)?;
    let null = std::fs::File::open("/dev/null")?;
    let node = std::mem::replace(&mut args.node, null.into());
    let child = start(&args, node, write)?;
    let control = std::mem::replace(&mut args.control, std::fs::File::open("/dev/null")?.into());
    let link = Link::new(control);
    let mut output = Output::new(read, args.log.clone().into());
    // An evil child may have a score of its own; the guardian and the node are worth more than a monitor.
    let _ = std::fs::write(format!("/proc/{}/oom_score_adj", child.id()), "500");
    let monitor = Pid::from_child(&child);
    let (status, Verdict { stuck, stopped }) = watch(monitor, &link, &board, &mut output)?;
    let calls = board.calls().unwrap_or_default();
    let fault = board.fault().ok().flatten();
    let mut suspects: Vec<InstanceId> = calls
        .iter()
        .filter(|call| fault.is_none_or(|fault| fault.thread == call.thread))
        .map(|call| call.instance)
        .collect();
    suspects.dedup();
    output.drain();
    if args.subreaper {
        contain::hunt(&[]);
    }
    let death = Death {
        exit: status.code(),
        signal: status.signal(),
        requested: false,
        stuck,
        stopped,
        lapsed: false,
        left: Vec::new(),
        suspects,
        output: output.tail(),
    };
    // The guardian may be gone; then nobody asks.
    let _ = link.send(&death);
    Ok(())
}

/// What the monitor was killed for, if the warden did it.
#[derive(Default)]
struct Verdict {
    stuck: Option<String>,
    stopped: bool,
}

/// Watches the monitor until it ends: how, and why the warden ended it.
fn watch(
    monitor: Pid,
    link: &Link<OwnedFd>,
    board: &Board,
    output: &mut Output,
) -> Result<(ExitStatus, Verdict), Box<dyn std::error::Error>> {
    let pidfd = pidfd_open(monitor, PidfdFlags::empty())?;
    let mut verdict = Verdict::default();
    let mut open = true;
    let mut rested = now();
    let mut next = rested.after(LOOK);
    // Since when a signal keeps the monitor from running.
    let mut stopped: Option<Time> = None;
    loop {
        // Orphans of the namespace become ours; so does the monitor when it ends.
        let changes = WaitOptions::NOHANG | WaitOptions::UNTRACED | WaitOptions::CONTINUED;
        while let Ok(Some((pid, status))) = rustix::process::wait(changes) {
            if pid != monitor {
                continue;
            }
            if status.stopped() {
                stopped.get_or_insert_with(now);
            } else if status.continued() {
                stopped = None;
            } else {
                output.drain();
                return Ok((ExitStatus::from_raw(status.as_raw()), verdict));
            }
        }
        let mut fds = vec![
            PollFd::from_borrowed_fd(link.as_fd(), PollFlags::empty()),
            PollFd::new(&pidfd, PollFlags::IN),
        ];
        if open {
            fds.push(PollFd::new(output.pipe(), PollFlags::IN));
        }
        let patience = Timespec::try_from(next.since(now())).unwrap_or(Timespec { tv_sec: 1, tv_nsec: 0 });
        let _ = poll(&mut fds, Some(&patience));
        let guardian_gone = fds[0].revents().intersects(PollFlags::HUP | PollFlags::ERR);
        if guardian_gone {
            // With the guardian goes everything.
            let _ = kill_process(monitor, Signal::KILL);
            contain::hunt(&[]);
            std::process::exit(1);
        }
        if open {
            open = output.drain();
        }
        let at = now();
        if at >= next || at.since(rested) >= Duration::from_secs(1) {
            rested = at;
            output.rest();
            let calls = board.calls().unwrap_or_default();
            if let Some(call) = calls.iter().find(|call| call.deadline.after(GRACE) <= rested) {
                verdict.stuck.get_or_insert_with(|| call.entry.to_owned());
                let _ = kill_process(monitor, Signal::KILL);
            } else if stopped.is_some_and(|since| rested.since(since) > LONGEST_STOP) {
                verdict.stopped = true;
                let _ = kill_process(monitor, Signal::KILL);
            }
            let due = calls.iter().map(|call| call.deadline.after(GRACE)).min();
            next = rested.after(LOOK);
            next = due.map_or(next, |due| due.max(rested.after(Duration::from_millis(100))).min(next));
        }
    }
}
