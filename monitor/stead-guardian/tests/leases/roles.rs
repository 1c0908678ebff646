//! What this executable is when the guardian starts it: a node that hands its link to the test, and a Resource Monitor whose
//! resources write down when they live.

use std::ffi::OsString;
use std::io::Write;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use stead_monitor_protocol::Link;

/// The folder of the test, for everything it starts.
pub(crate) const FOLDER: &str = "STEAD_TEST_FOLDER";

/// The clock of deadlines, in nanoseconds.
pub(crate) fn now() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(now.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(now.tv_nsec).unwrap()
}

fn folder() -> PathBuf {
    std::env::var_os(FOLDER).unwrap().into()
}

fn this(word: &str) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command.arg(word);
    command
}

/// Waits, for ever or for a workload's next turn.
fn pause(duration: Option<Duration>) {
    let timeout = duration.map(|duration| Timespec::try_from(duration).unwrap());
    let _ = poll(&mut [], timeout.as_ref());
}

/// Plays a role, if the first word is one.
pub(crate) fn play(mut args: Vec<OsString>) -> Option<ExitCode> {
    let role = args.get(1)?.to_str()?.to_owned();
    args.drain(..2);
    match role.as_str() {
        "guardian" => Some(stead_guardian::guardian_main(args)),
        "warden" => Some(stead_guardian::warden_main(args)),
        "node" => Some(node()),
        "monitor" => Some(monitor(args[1].to_str().unwrap())),
        "undo" => Some(undo()),
        "orphan" => Some(orphan(&args[0])),
        "stamp" => stamp(Path::new(&args[0])),
        _ => None,
    }
}

/// Hands standard input, the link to the guardian, to the test.
fn node() -> ExitCode {
    let socket = socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
    connect(&socket, &SocketAddrUnix::new(folder().join("test.sock")).unwrap()).unwrap();
    let link = Link::new(socket);
    link.send_with(&std::process::id(), &[std::io::stdin().as_fd()]).unwrap();
    let _ = poll(&mut [PollFd::new(&link, PollFlags::empty())], None);
    ExitCode::SUCCESS
}

/// Finds what the test says is left.
fn undo() -> ExitCode {
    let left = std::fs::read_to_string(folder().join("left")).unwrap_or_default();
    print!("{left}");
    ExitCode::from(u8::from(!left.is_empty()))
}

/// Hosts what its group's name says.
fn monitor(name: &str) -> ExitCode {
    let stamps = folder().join(format!("{name}.stamps"));
    // One that has left the session and has no parent in it.
    assert!(this("orphan").arg(&stamps).status().unwrap().success());
    if name == "ends" {
        return ExitCode::from(7);
    }
    if let Some(device) = name.strip_prefix("dirty-") {
        crate::storage::soil(&folder(), device);
    }
    pause(None);
    ExitCode::SUCCESS
}

#[allow(clippy::zombie_processes, reason = "an orphan is what is wanted; the warden reaps it")]
fn orphan(stamps: &OsString) -> ExitCode {
    rustix::process::setsid().unwrap();
    this("stamp").arg(stamps).spawn().unwrap();
    ExitCode::SUCCESS
}

/// Says that it lives, again and again.
fn stamp(file: &Path) -> ! {
    rustix::process::setsid().unwrap();
    let mut file = std::fs::File::options().create(true).append(true).open(file).unwrap();
    loop {
        writeln!(file, "{}", now()).unwrap();
        pause(Some(Duration::from_millis(2)));
    }
}
