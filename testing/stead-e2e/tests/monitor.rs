//! A Resource Monitor alone: the test is its node, on the link that the guardian would have given it.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::os::fd::OwnedFd;
use std::process::{Child, Command, Stdio};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{AddressFamily, RecvFlags, SendFlags, SocketFlags, SocketType, recv, send, socketpair};
use serde_json::{Value, json};
use stead_e2e::{PATIENCE, stead};

/// Windows: winerror, `ERROR_INVALID_STATE`.
const INVALID_STATE: u64 = 5023;

struct Monitor {
    program: Child,
    link: OwnedFd,
    asked: u64,
}

impl Monitor {
    fn start() -> Self {
        let (link, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None).unwrap();
        let mut command = Command::new(stead());
        command.args(["monitor", "--name", "alone"]).stdin(Stdio::from(theirs)).stderr(Stdio::null());
        Monitor { program: command.spawn().unwrap(), link, asked: 0 }
    }

    /// Sends a message and waits for its `Done`; with it comes what was said before.
    fn ask(&mut self, mut message: Value) -> (u64, Vec<Value>) {
        self.asked += 1;
        message["op"] = self.asked.into();
        send(&self.link, message.to_string().as_bytes(), SendFlags::NOSIGNAL).unwrap();
        let mut heard = Vec::new();
        let mut room = vec![0; 1 << 20];
        loop {
            let mut fds = [PollFd::new(&self.link, PollFlags::IN)];
            let patience = Timespec::try_from(PATIENCE).unwrap();
            assert_ne!(poll(&mut fds, Some(&patience)).unwrap(), 0, "no answer to {message}");
            let (got, _) = recv(&self.link, &mut room[..], RecvFlags::empty()).unwrap();
            let said: Value =
                serde_json::from_slice(&room[..got]).unwrap_or_else(|_| panic!("it ended at {message}"));
            if said["message"] == "done" && said["op"] == self.asked {
                return (said["code"].as_u64().unwrap(), heard);
            }
            heard.push(said);
        }
    }

    fn of(&mut self, message: &str) -> u64 {
        self.ask(json!({ "message": message, "instance": 1, "flags": 0, "reason": 0, "deleting": false })).0
    }

    /// The state of the instance, if the monitor still has it.
    fn state(&mut self) -> Option<String> {
        let (_, heard) = self.ask(json!({ "message": "sync" }));
        let known = heard.iter().find(|said| said["message"] == "instance" && said["instance"] == 1)?;
        known["state"].as_str().map(str::to_owned)
    }
}

impl Drop for Monitor {
    fn drop(&mut self) {
        let _ = self.program.kill();
        let _ = self.program.wait();
    }
}

/// A `Close` that is refused closes nothing: the monitor goes on with the instance, tells of it, opens no other beside it,
/// and takes it offline and closes it when it is asked properly.
#[test]
fn what_is_not_closed_is_not_forgotten() {
    let mut monitor = Monitor::start();
    let open = json!({
        "message": "open", "instance": 1, "resource": "web", "type_name": "Generic Application", "library": "builtin",
        "properties": { "CommandLine": "sleep 1000" }, "keys": [], "flags": 0,
        "timing": { "looks_alive_ms": 5000, "is_alive_ms": 60000, "pending_ms": 60000, "deadlock_ms": 60000 },
    });
    assert_eq!(monitor.ask(open.clone()).0, 0);
    assert_eq!(monitor.of("online"), 0);
    assert_eq!(monitor.of("close"), INVALID_STATE);
    assert_eq!(monitor.state().as_deref(), Some("Online"), "it is forgotten, and runs");
    let mut again = open;
    again["instance"] = 2.into();
    assert_eq!(monitor.ask(again).0, 5010, "opened twice");
    assert_eq!(monitor.of("terminate"), 0);
    assert_eq!(monitor.of("close"), 0);
    assert_eq!(monitor.state(), None);
}
