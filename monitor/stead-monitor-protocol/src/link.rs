use std::fmt;
use std::io::{IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recvmsg, sendmsg, socketpair, sockopt,
};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// The longest message in bytes. Under the kernel's default limit for one packet.
pub const LONGEST_MESSAGE: usize = 160 * 1024;

/// Why a message did not pass.
#[derive(Debug)]
pub enum LinkError {
    /// Nothing to read, or no room to write, just now.
    WouldBlock,
    /// The other side is gone.
    Closed,
    /// The message is longer than [`LONGEST_MESSAGE`].
    TooLong(usize),
    /// What arrived is no message of this protocol.
    Garbage(String),
    /// The system refused.
    System(Errno),
}

impl fmt::Display for LinkError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            LinkError::WouldBlock => f.write_str("nothing to do just now"),
            LinkError::Closed => f.write_str("the other side is gone"),
            LinkError::TooLong(size) => write!(f, "a message of {size} bytes is over {LONGEST_MESSAGE}"),
            LinkError::Garbage(what) => write!(f, "not a message of this protocol: {what}"),
            LinkError::System(errno) => write!(f, "system error: {errno}"),
        }
    }
}

impl std::error::Error for LinkError {}

impl From<Errno> for LinkError {
    fn from(errno: Errno) -> Self {
        match errno {
            Errno::AGAIN => LinkError::WouldBlock,
            Errno::PIPE | Errno::CONNRESET | Errno::NOTCONN => LinkError::Closed,
            other => LinkError::System(other),
        }
    }
}

/// One end of a packet socket that carries JSON messages, and descriptors along with them.
///
/// `F` is anything that lends a descriptor: an [`OwnedFd`], or standard input.
#[derive(Debug)]
pub struct Link<F> {
    socket: F,
}

impl Link<OwnedFd> {
    /// A connected pair, close-on-exec and non-blocking on the first end only.
    ///
    /// # Errors
    /// When the process or the system is out of descriptors.
    pub fn pair() -> Result<(Link<OwnedFd>, OwnedFd), LinkError> {
        let (mine, theirs) =
            socketpair(AddressFamily::UNIX, SocketType::SEQPACKET, SocketFlags::CLOEXEC, None)?;
        // A refused size leaves the default, which is enough for one longest message.
        let _ = sockopt::set_socket_send_buffer_size(&mine, 4 * LONGEST_MESSAGE);
        let _ = sockopt::set_socket_send_buffer_size(&theirs, 4 * LONGEST_MESSAGE);
        Ok((Link { socket: mine }, theirs))
    }
}

impl<F: AsFd> Link<F> {
    /// Takes a connected `SOCK_SEQPACKET` socket.
    pub const fn new(socket: F) -> Self {
        Link { socket }
    }

    /// Sends one message without waiting.
    ///
    /// # Errors
    /// [`LinkError::WouldBlock`] if there is no room now; nothing was sent then.
    pub fn send(&self, message: &impl Serialize) -> Result<(), LinkError> {
        self.send_with(message, &[])
    }

    /// Sends one message and descriptors (at most 4) along with it, without waiting.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn send_with(&self, message: &impl Serialize, fds: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        let bytes = serde_json::to_vec(message).map_err(|error| LinkError::Garbage(error.to_string()))?;
        self.send_bytes(&bytes, fds)
    }

    /// Sends one packet that [`serde_json`] already wrote.
    ///
    /// # Errors
    /// As [`Link::send`].
    pub fn send_bytes(&self, bytes: &[u8], fds: &[BorrowedFd<'_>]) -> Result<(), LinkError> {
        if bytes.len() > LONGEST_MESSAGE {
            return Err(LinkError::TooLong(bytes.len()));
        }
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        if !fds.is_empty() && !control.push(SendAncillaryMessage::ScmRights(fds)) {
            return Err(LinkError::System(Errno::TOOMANYREFS));
        }
        let flags = SendFlags::DONTWAIT | SendFlags::NOSIGNAL;
        sendmsg(&self.socket, &[IoSlice::new(bytes)], &mut control, flags)?;
        Ok(())
    }

    /// Receives one message and the descriptors along with it, without waiting.
    ///
    /// # Errors
    /// [`LinkError::WouldBlock`] if there is none now, [`LinkError::Closed`] at the end.
    pub fn receive<T: DeserializeOwned>(&self) -> Result<(T, Vec<OwnedFd>), LinkError> {
        let mut buffer = Buffer::default();
        self.receive_with(&mut buffer)
    }

    /// As [`Link::receive`], with a buffer kept by the caller.
    ///
    /// # Errors
    /// As [`Link::receive`].
    pub fn receive_with<T: DeserializeOwned>(
        &self,
        buffer: &mut Buffer,
    ) -> Result<(T, Vec<OwnedFd>), LinkError> {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let room = buffer.room();
        let got = loop {
            match recvmsg(&self.socket, &mut [IoSliceMut::new(room)], &mut control, flags) {
                Err(Errno::INTR) => {}
                other => break other?,
            }
        };
        let mut fds = Vec::new();
        for message in control.drain() {
            if let RecvAncillaryMessage::ScmRights(rights) = message {
                fds.extend(rights);
            }
        }
        if got.bytes == 0 {
            return Err(LinkError::Closed);
        }
        if got.flags.contains(ReturnFlags::TRUNC) {
            return Err(LinkError::TooLong(got.bytes));
        }
        let message = serde_json::from_slice(&room[..got.bytes.min(room.len())])
            .map_err(|error| LinkError::Garbage(error.to_string()))?;
        Ok((message, fds))
    }
}

/// Room for one packet, kept between two [`Link::receive_with`].
#[derive(Debug, Default)]
pub struct Buffer(Vec<u8>);

impl Buffer {
    fn room(&mut self) -> &mut [u8] {
        if self.0.is_empty() {
            self.0 = vec![0; LONGEST_MESSAGE];
        }
        &mut self.0
    }
}

impl<F: AsFd> AsFd for Link<F> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{FromGuardian, MonitorKey, ToGuardian};

    #[test]
    fn messages_and_descriptors_pass_whole() {
        let (mine, theirs) = Link::pair().unwrap();
        let theirs = Link::new(theirs);
        let sent = ToGuardian::Start { monitor: MonitorKey::Check };
        theirs.send(&sent).unwrap();
        let (got, fds): (ToGuardian, _) = mine.receive().unwrap();
        assert_eq!((got, fds.len()), (sent, 0));
        let started = FromGuardian::Started { monitor: MonitorKey::Check, process: 7 };
        mine.send_with(&started, &[mine.as_fd()]).unwrap();
        let (got, fds): (FromGuardian, _) = theirs.receive().unwrap();
        assert_eq!((got, fds.len()), (started, 1));
    }

    #[test]
    fn bad_packets_are_named() {
        let (mine, theirs) = Link::pair().unwrap();
        let theirs = Link::new(theirs);
        assert!(matches!(mine.receive::<ToGuardian>(), Err(LinkError::WouldBlock)));
        theirs.send_bytes(b"{\"message\":\"nonsense\"}", &[]).unwrap();
        assert!(matches!(mine.receive::<ToGuardian>(), Err(LinkError::Garbage(_))));
        assert!(matches!(mine.send(&"x".repeat(LONGEST_MESSAGE)), Err(LinkError::TooLong(_))));
        mine.send(&"x".repeat(LONGEST_MESSAGE - 2)).unwrap();
        assert_eq!(theirs.receive::<String>().unwrap().0.len(), LONGEST_MESSAGE - 2);
        drop(theirs);
        assert!(matches!(mine.receive::<ToGuardian>(), Err(LinkError::Closed)));
        assert!(matches!(mine.send(&1), Err(LinkError::Closed)));
    }
}
