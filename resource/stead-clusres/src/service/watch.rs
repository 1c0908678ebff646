//! Notices that the last process of a control group has ended.

use std::fs::File;
use std::io::{self, Read, Seek};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

/// Where systemd keeps the hierarchy of version 2: alone, or beside those of version 1.
pub(super) const ROOTS: &[&str] = &["/sys/fs/cgroup", "/sys/fs/cgroup/unified"];

/// Watches until it is dropped.
pub(super) struct Watch {
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

fn ring(bell: &OwnedFd) {
    let _ = rustix::io::write(bell, &1u64.to_ne_bytes());
}

impl Watch {
    /// Watches a control group. The descriptor becomes readable when no process is left in it.
    pub(super) fn start(group: &str) -> io::Result<(Watch, OwnedFd)> {
        let place = |root: &&str| Path::new(root).join(group.trim_start_matches('/')).join("cgroup.events");
        let mut found = ROOTS.iter().map(|root| File::open(place(root)));
        let mut events = found.find_map(Result::ok).ok_or(io::ErrorKind::NotFound)?;
        let bell = eventfd(0, EventfdFlags::CLOEXEC)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let (told, ringing) = (stop.try_clone()?, bell.try_clone()?);
        let thread = std::thread::Builder::new().name("service".to_owned()).spawn(move || {
            loop {
                // What changes after this is told by poll.
                let mut text = String::new();
                let read = events.rewind().and_then(|()| events.read_to_string(&mut text));
                let populated = read.is_ok() && text.contains("populated 1");
                if !populated {
                    return ring(&ringing);
                }
                let mut fds = [PollFd::new(&events, PollFlags::PRI), PollFd::new(&told, PollFlags::IN)];
                let _ = poll(&mut fds, None);
                if !fds[1].revents().is_empty() {
                    return;
                }
            }
        })?;
        Ok((Watch { stop, thread: Some(thread) }, bell))
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        ring(&self.stop);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
