//! A TCP port that only the owner of the address answers, for load balancers that ask.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::thread::JoinHandle;

use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};

/// Answers until it is dropped: each connection is taken and closed.
pub(super) struct Probe {
    stop: OwnedFd,
    thread: Option<JoinHandle<()>>,
}

impl Probe {
    /// Answers on a port of every address of one family.
    pub(super) fn start(family: IpAddr, port: u16) -> io::Result<Probe> {
        let everywhere: IpAddr = match family {
            IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
            IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
        };
        let listener = TcpListener::bind((everywhere, port))?;
        listener.set_nonblocking(true)?;
        let stop = eventfd(0, EventfdFlags::CLOEXEC)?;
        let told = stop.try_clone()?;
        let thread = std::thread::Builder::new().name("probe".to_owned()).spawn(move || {
            loop {
                let mut fds = [PollFd::new(&listener, PollFlags::IN), PollFd::new(&told, PollFlags::IN)];
                let _ = poll(&mut fds, None);
                if !fds[1].revents().is_empty() {
                    return;
                }
                while listener.accept().is_ok() {}
            }
        })?;
        Ok(Probe { stop, thread: Some(thread) })
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = rustix::io::write(&self.stop, &1u64.to_ne_bytes());
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
