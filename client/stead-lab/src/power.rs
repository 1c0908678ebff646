//! Switching nodes on and off.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::mount::mount_bind;
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};
use serde::{Deserialize, Serialize};

use crate::Trouble;
use crate::lab::{Lab, Node};
use crate::network;
use crate::programs::{command, stead};

/// The kernel ends a namespace in well under this.
const HUNG: Timespec = Timespec { tv_sec: 30, tv_nsec: 0 };

/// The process around a node's namespace, and when it began: numbers are used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Process {
    pub(crate) id: i32,
    began: u64,
}

/// When a process began, in ticks since the machine did; nothing if there is no such process.
fn began(id: i32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
    let mut fields = stat[stat.rfind(')')? + 1..].split_whitespace();
    if fields.next()? == "Z" {
        return None;
    }
    fields.nth(18)?.parse().ok()
}

fn process_file(lab: &Lab, node: &Node) -> PathBuf {
    lab.disk(node).join("process.json")
}

/// The process around a node that is on.
pub(crate) fn running(lab: &Lab, node: &Node) -> Option<Process> {
    let text = fs::read_to_string(process_file(lab, node)).ok()?;
    let process: Process = serde_json::from_str(&text).ok()?;
    (began(process.id) == Some(process.began)).then_some(process)
}

/// Refusing to do something to a node that is off.
pub(crate) fn off(node: &Node) -> Trouble {
    Trouble::Refused(format!("{} is off; `stead lab start {}` switches it on", node.name, node.name))
}

/// The first process inside, by its number outside.
fn first_inside(around: Process) -> Option<Pid> {
    let children = fs::read_to_string(format!("/proc/{0}/task/{0}/children", around.id)).ok()?;
    Pid::from_raw(children.split_whitespace().next()?.parse().ok()?)
}

fn uuid() -> Result<String, Trouble> {
    fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map(|text| text.trim().to_owned())
        .map_err(|error| Trouble::Failed(format!("/proc/sys/kernel/random/uuid: {error}")))
}

/// Makes what a node keeps for as long as the lab is there.
pub(crate) fn make_disk(lab: &Lab, node: &Node) -> Result<(), Trouble> {
    let disk = lab.disk(node);
    let wrong = |error: std::io::Error| Trouble::Failed(format!("{}: {error}", disk.display()));
    fs::create_dir_all(disk.join("own")).map_err(wrong)?;
    let id = uuid()?.replace('-', "");
    fs::write(disk.join("machine-id"), format!("{id}\n")).map_err(wrong)
}

/// Switches a node on.
pub(crate) fn on(lab: &Lab, node: &Node) -> Result<(), Trouble> {
    if running(lab, node).is_some() {
        return Err(Trouble::Refused(format!("{} is on already", node.name)));
    }
    // What a node leaves that ended by itself.
    network::pull(lab, node);
    network::remove(lab, node);
    network::make(lab, node)?;
    let disk = lab.disk(node);
    let wrong = |error: std::io::Error| Trouble::Failed(format!("{}: {error}", disk.display()));
    fs::write(disk.join("boot-id"), format!("{}\n", uuid()?)).map_err(wrong)?;
    let log = fs::File::options()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(disk.join("node.log"))
        .map_err(wrong)?;
    let mut command = command("ip");
    command.args(["netns", "exec", &lab.namespace(node), "unshare"]);
    command.args(["--mount", "--uts", "--pid", "--fork", "--kill-child", "--mount-proc"]);
    command.arg(stead()?).args(["lab", "inside", &lab.name, &node.name]);
    command.stdin(Stdio::null()).stdout(log.try_clone().map_err(wrong)?).stderr(log);
    let child = command.spawn().map_err(|error| Trouble::Failed(format!("ip netns exec: {error}")))?;
    let id = i32::try_from(child.id()).unwrap_or(0);
    let Some(began) = began(id) else { return Err(ended(lab, node)) };
    let text = serde_json::json!(Process { id, began }).to_string();
    fs::write(process_file(lab, node), text).map_err(wrong)
}

/// That a node has ended by itself, with what it said last.
pub(crate) fn ended(lab: &Lab, node: &Node) -> Trouble {
    let path = lab.disk(node).join("node.log");
    let text = fs::read_to_string(&path).unwrap_or_default();
    let last = text.lines().next_back().unwrap_or("it said nothing");
    Trouble::Failed(format!("{} has ended: {last}", node.name))
}

/// Inside: makes the machine look like one of its own, and becomes the node.
pub(crate) fn become_node(lab: &Lab, name: &str) -> Result<(), Trouble> {
    let node = lab.node(name)?;
    let failed = |what: &str, error: &dyn std::fmt::Display| Trouble::Failed(format!("{what}: {error}"));
    if std::process::id() != 1 {
        return Err(Trouble::Refused("this is what a node of a lab begins with, not for people".to_owned()));
    }
    // Nobody's terminal is ours.
    let _ = rustix::process::setsid();
    rustix::system::sethostname(node.name.as_bytes()).map_err(|error| failed("host name", &error))?;
    let disk = lab.disk(node);
    for (own, place) in [
        ("machine-id", Path::new("/etc/machine-id")),
        ("boot-id", Path::new("/proc/sys/kernel/random/boot_id")),
        ("own", &lab.own()),
    ] {
        // A machine without the file has nothing to be told apart by.
        if place.exists() {
            mount_bind(disk.join(own), place)
                .map_err(|error| failed(&place.display().to_string(), &error))?;
        }
    }
    let mut command = Command::new("/proc/self/exe");
    command.arg0("stead").args(["node", "run", "--node-name", &node.name, "--data"]).arg(lab.data(node));
    Err(failed("stead node run", &command.exec()))
}

/// A command to be run inside a node.
pub(crate) fn inside(lab: &Lab, node: &Node, words: &[String]) -> Result<Command, Trouble> {
    let first = running(lab, node).and_then(first_inside).ok_or_else(|| off(node))?;
    let mut command = Command::new("nsenter");
    command.args(["--target", &first.as_raw_nonzero().to_string()]);
    command.args(["--mount", "--uts", "--net", "--pid", "--"]);
    command.args(words).env("STEAD_DATA", lab.data(node));
    Ok(command)
}

/// Kills everything of a node at once and waits until the kernel has taken it all away.
pub(crate) fn kill(lab: &Lab, node: &Node) -> Result<(), Trouble> {
    let Some(around) = running(lab, node) else { return Ok(()) };
    let hold = |pid: Option<Pid>| pid.and_then(|pid| pidfd_open(pid, PidfdFlags::empty()).ok());
    // The first process of the namespace: with it goes all of it. The one around ends when that is done.
    let fds: [Option<OwnedFd>; 2] = [hold(first_inside(around)), hold(Pid::from_raw(around.id))];
    // Between the look and the hold it may have gone, and the number be another's.
    if running(lab, node).is_none() {
        return Ok(());
    }
    for fd in fds.iter().flatten() {
        let _ = pidfd_send_signal(fd, Signal::KILL);
    }
    for fd in fds.iter().flatten() {
        let mut polled = [PollFd::new(fd, PollFlags::IN)];
        if poll(&mut polled, Some(&HUNG)) == Ok(0) {
            return Err(Trouble::Failed(format!(
                "{}: not everything has ended; a process may hang in the kernel",
                node.name
            )));
        }
    }
    Ok(())
}

/// Cuts a node's power.
pub(crate) fn cut(lab: &Lab, node: &Node) -> Result<(), Trouble> {
    if running(lab, node).is_none() {
        return Err(off(node));
    }
    // First, or the kernel says goodbye to everybody it speaks with.
    network::pull(lab, node);
    kill(lab, node)?;
    network::remove(lab, node);
    Ok(())
}
