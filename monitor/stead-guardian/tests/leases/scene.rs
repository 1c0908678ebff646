//! A guardian, and the test in the place of its node.

use std::cell::RefCell;
use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with,
};
use rustix::process::{Pid, Signal, kill_process};
use stead_monitor_protocol::{
    Death, FromGuardian, HeldSession, Link, LinkError, MonitorKey, Slot, ToGuardian, VERSION,
};

use crate::roles::{FOLDER, now};

/// Longer waits mean that something hangs.
const PATIENCE: Duration = Duration::from_secs(60);

/// D of the sessions here.
pub(crate) const D: u64 = 3_000;

/// K: what is killed at the deadline must have ended so soon after.
pub(crate) const K: u64 = 1_000;

pub(crate) struct Scene {
    pub(crate) folder: tempfile::TempDir,
    guardian: Child,
    listener: OwnedFd,
    met: Met,
    heard: RefCell<VecDeque<FromGuardian>>,
}

pub(crate) fn group(name: &str) -> MonitorKey {
    MonitorKey::Group { group: name.parse().unwrap(), slot: Slot::Shared }
}

pub(crate) fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 2_000_000 }));
    }
}

fn stat(process: u32) -> Option<(String, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

pub(crate) fn alive(process: u32) -> bool {
    stat(process).is_some_and(|(state, _)| state != "Z" && state != "X")
}

pub(crate) fn signal(process: u32, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(process).unwrap()).unwrap(), signal).unwrap();
}

/// The first word of a process's arguments.
fn role(process: u32) -> String {
    let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
    String::from_utf8_lossy(line.split(|byte| *byte == 0).nth(1).unwrap_or_default()).into_owned()
}

pub(crate) fn children(parent: u32) -> Vec<u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let all = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    all.filter(|process| stat(*process).is_some_and(|(_, of)| of == parent)).collect()
}

pub(crate) fn descendants(root: u32) -> Vec<u32> {
    let mut found = vec![root];
    let mut at = 0;
    while let Some(next) = found.get(at).copied() {
        found.extend(children(next));
        at += 1;
    }
    found.remove(0);
    found
}

impl Scene {
    pub(crate) fn new() -> Scene {
        Scene::with(&[])
    }

    pub(crate) fn with(arguments: &[&str]) -> Scene {
        let folder = tempfile::tempdir().unwrap();
        let listener =
            socket_with(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        bind(&listener, &SocketAddrUnix::new(folder.path().join("test.sock")).unwrap()).unwrap();
        listen(&listener, 4).unwrap();
        let log = std::fs::File::create(folder.path().join("guardian.log")).unwrap();
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.arg("guardian").arg("--data").arg(folder.path().join("data")).args(arguments);
        command.env(FOLDER, folder.path()).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        let guardian = command.spawn().unwrap();
        let met = meet(&listener);
        let scene = Scene { folder, guardian, listener, met, heard: RefCell::default() };
        scene.say(&ToGuardian::Hello { version: VERSION });
        scene
    }

    pub(crate) fn guardian(&self) -> u32 {
        self.guardian.id()
    }

    pub(crate) fn node(&self) -> u32 {
        self.met.node
    }

    /// What the guardian logged.
    pub(crate) fn log(&self) -> String {
        std::fs::read_to_string(self.folder.path().join("guardian.log")).unwrap_or_default()
    }

    /// Kills the node, and is the next one. What the guardian holds comes back.
    pub(crate) fn replace_node(&mut self) -> (Option<HeldSession>, Option<String>) {
        signal(self.node(), Signal::KILL);
        self.met = meet(&self.listener);
        self.heard.borrow_mut().clear();
        self.say(&ToGuardian::Hello { version: VERSION });
        self.greeting()
    }

    pub(crate) fn greeting(&self) -> (Option<HeldSession>, Option<String>) {
        self.hear("a hello", |message| {
            let FromGuardian::Hello { session, blob, .. } = message else { return None };
            Some((session.clone(), blob.clone()))
        })
    }

    pub(crate) fn say(&self, message: &ToGuardian) {
        self.met.link.send(message).unwrap();
    }

    fn listen(&self) {
        loop {
            match self.met.link.receive::<FromGuardian>() {
                Ok((message, _)) => self.heard.borrow_mut().push_back(message),
                Err(LinkError::WouldBlock) => return,
                Err(error) => panic!("{error}\n{}", self.log()),
            }
        }
    }

    /// The first message not heard before in which `find` finds something.
    pub(crate) fn hear<T>(&self, what: &str, find: impl Fn(&FromGuardian) -> Option<T>) -> T {
        let began = Instant::now();
        loop {
            self.listen();
            let mut heard = self.heard.borrow_mut();
            let found = heard.iter().enumerate().find_map(|(at, message)| Some((at, find(message)?)));
            if let Some((at, found)) = found {
                heard.remove(at);
                return found;
            }
            assert!(
                began.elapsed() < PATIENCE,
                "waited in vain for: {what}; heard {heard:?}\n{}",
                self.log()
            );
            drop(heard);
            let _ = poll(
                &mut [PollFd::new(&self.met.link, PollFlags::IN)],
                Some(&Timespec { tv_sec: 1, tv_nsec: 0 }),
            );
        }
    }

    /// True if such a message came and was not asked for.
    pub(crate) fn heard(&self, is: impl Fn(&FromGuardian) -> bool) -> bool {
        self.listen();
        self.heard.borrow().iter().any(is)
    }

    pub(crate) fn refused(&self) -> String {
        self.hear("a refusal", |message| {
            let (FromGuardian::Refused { error } | FromGuardian::NotStarted { error, .. }) = message else {
                return None;
            };
            Some(error.clone())
        })
    }

    pub(crate) fn died(&self, name: &str) -> Death {
        self.hear(&format!("the death of {name}"), |message| {
            let FromGuardian::Died { monitor, death } = message else { return None };
            (*monitor == group(name)).then(|| death.clone())
        })
    }

    pub(crate) fn empty(&self) -> u128 {
        self.hear("empty", |message| {
            let FromGuardian::Empty { session } = message else { return None };
            Some(*session)
        })
    }

    /// Begins a session; waits until it is in force.
    pub(crate) fn begin(&self, session: u128) {
        self.ask(session);
        self.hear("begun", |message| {
            if let FromGuardian::Refused { error } = message {
                panic!("{error}\n{}", self.log());
            }
            matches!(message, FromGuardian::Begun { session: begun, .. } if *begun == session).then_some(())
        });
    }

    /// Asks for a session.
    pub(crate) fn ask(&self, session: u128) {
        self.ask_with(session, None);
    }

    /// Asks for a session with this watchdog.
    pub(crate) fn ask_with(&self, session: u128, device: Option<&str>) {
        let device = device.map(Into::into);
        self.say(&ToGuardian::Session { session, longest: D, watchdog: 1_000, device });
    }

    /// Renews for all of D; the deadline.
    pub(crate) fn renew(&self, session: u128) -> u64 {
        let deadline = now() + D * 1_000_000;
        self.say(&ToGuardian::Lease { session, deadline });
        deadline
    }

    /// Starts a group's monitor, and waits until its workload lives.
    pub(crate) fn start(&self, name: &str) {
        let before = self.stamps(name).len();
        self.say(&ToGuardian::Start { monitor: group(name) });
        self.hear(&format!("{name} started"), |message| {
            if let FromGuardian::NotStarted { error, .. } = message {
                panic!("{error}\n{}", self.log());
            }
            matches!(message, FromGuardian::Started { monitor, .. } if *monitor == group(name)).then_some(())
        });
        until("the workload lives", || (self.stamps(name).len() > before).then_some(()));
    }

    /// When the group's workload said that it lived.
    pub(crate) fn stamps(&self, name: &str) -> Vec<u64> {
        let text = std::fs::read_to_string(self.folder.path().join(format!("{name}.stamps")));
        let text = text.unwrap_or_default();
        text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')?.parse().ok()).collect()
    }

    /// The guards, where there are any: they look like the guardian, of which they are copies.
    pub(crate) fn guards(&self) -> Vec<u32> {
        children(self.guardian()).into_iter().filter(|process| role(*process) == "guardian").collect()
    }

    /// The guard of a group.
    pub(crate) fn guard_of(&self, name: &str) -> u32 {
        let named = format!("--name\0{name}\0");
        let is = |warden: &u32| {
            let line = std::fs::read(format!("/proc/{warden}/cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&line).contains(&named)
        };
        self.guards().into_iter().find(|guard| children(*guard).iter().any(is)).unwrap()
    }

    /// Everything of groups that lives: wardens, monitors, workloads.
    pub(crate) fn groups(&self) -> Vec<u32> {
        let of = |process: &u32| ["warden", "monitor", "orphan", "stamp"].contains(&role(*process).as_str());
        descendants(self.guardian()).into_iter().filter(|process| alive(*process)).filter(of).collect()
    }

    /// Everything behind the guardian.
    pub(crate) fn everything(&self) -> Vec<u32> {
        descendants(self.guardian())
    }

    /// The guardian, killed.
    pub(crate) fn kill_guardian(&mut self) {
        self.guardian.kill().unwrap();
        self.guardian.wait().unwrap();
    }
}

impl Drop for Scene {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the guardian said:\n{}", self.log());
        }
        let all = self.everything();
        let _ = self.guardian.kill();
        let _ = self.guardian.wait();
        let left = || all.iter().filter(|process| alive(**process)).count();
        let began = Instant::now();
        while left() > 0 && began.elapsed() < PATIENCE {
            let _ = poll(&mut [], Some(&Timespec { tv_sec: 0, tv_nsec: 2_000_000 }));
        }
    }
}

/// A node, which lives until this is dropped.
struct Met {
    node: u32,
    link: Link<OwnedFd>,
    _meeting: Link<OwnedFd>,
}

fn meet(listener: &OwnedFd) -> Met {
    let mut fds = [PollFd::new(listener, PollFlags::IN)];
    let patience = Timespec::try_from(PATIENCE).unwrap();
    assert_eq!(poll(&mut fds, Some(&patience)).unwrap(), 1, "the guardian starts a node");
    let meeting = Link::new(accept(listener).unwrap());
    let (node, link) = until("the node hands over its link", || {
        let (node, mut fds) = meeting.receive::<u32>().ok()?;
        Some((node, Link::new(fds.pop().unwrap())))
    });
    Met { node, link, _meeting: meeting }
}
