//! IPv4 neighbours: is an address taken, and the news that it is here now.

use std::io;
use std::net::Ipv4Addr;
use std::os::fd::{AsRawFd, OwnedFd};
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, Protocol, RecvFlags, SendFlags, SocketFlags, SocketType};

use super::link::Link;
use crate::process::readable;

const ETHERNET: u16 = 1;
const IPV4: u16 = 0x0800;
const ARP: u16 = 0x0806;
const REQUEST: u16 = 1;
const EVERYBODY: [u8; 6] = [0xff; 6];
const NOBODY: [u8; 6] = [0; 6];

/// Between two questions, and after the last.
pub(super) const PAUSE: Duration = Duration::from_millis(200);

/// How often the question is asked and the news are told.
pub(super) const TIMES: u32 = 3;

/// A conversation with the neighbours of one interface.
pub(super) struct Arp {
    socket: OwnedFd,
    own: [u8; 6],
}

/// One frame: a request for `target`, from `sender`.
fn frame(own: [u8; 6], sender: Ipv4Addr, target: Ipv4Addr) -> Vec<u8> {
    let mut frame = Vec::with_capacity(42);
    frame.extend(EVERYBODY);
    frame.extend(own);
    for word in [ARP, ETHERNET, IPV4] {
        frame.extend(word.to_be_bytes());
    }
    frame.extend([6, 4]);
    frame.extend(REQUEST.to_be_bytes());
    frame.extend(own);
    frame.extend(sender.octets());
    frame.extend(NOBODY);
    frame.extend(target.octets());
    frame
}

/// Who claims `wanted` with this frame: its owner, or another who is about to take it.
fn claimant(frame: &[u8], wanted: Ipv4Addr) -> Option<[u8; 6]> {
    let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
    if (word(12)?, word(14)?, word(16)?) != (ARP, ETHERNET, IPV4) || frame.get(18..20)? != [6, 4] {
        return None;
    }
    let hardware = *frame.get(22..28)?.first_chunk::<6>()?;
    let address = |at: usize| frame.get(at..at + 4)?.first_chunk::<4>().map(|bytes| Ipv4Addr::from(*bytes));
    let (sender, target) = (address(28)?, address(38)?);
    let probes = sender.is_unspecified() && word(20)? == REQUEST && target == wanted;
    (sender == wanted || probes).then_some(hardware)
}

impl Arp {
    pub(super) fn new(link: &Link) -> io::Result<Arp> {
        let own = link.hardware.ok_or_else(|| io::Error::other("the interface has no hardware address"))?;
        let protocol = Protocol::from_raw(std::num::NonZeroU32::from(
            std::num::NonZeroU16::new(ARP.to_be()).unwrap_or(std::num::NonZeroU16::MIN),
        ));
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let socket = rustix::net::socket_with(AddressFamily::PACKET, SocketType::RAW, flags, Some(protocol))?;
        nix::sys::socket::bind(socket.as_raw_fd(), &link.place)?;
        Ok(Arp { socket, own })
    }

    /// Asks who has the address. One question; see [`Arp::answer`].
    pub(super) fn ask(&self, wanted: Ipv4Addr) -> io::Result<()> {
        let question = frame(self.own, Ipv4Addr::UNSPECIFIED, wanted);
        rustix::net::send(&self.socket, &question, SendFlags::empty())?;
        Ok(())
    }

    /// Listens for so long: who else claims the address. `own` are the hardware addresses of this node.
    pub(super) fn answer(
        &self,
        wanted: Ipv4Addr,
        own: &[[u8; 6]],
        limit: Duration,
    ) -> io::Result<Option<[u8; 6]>> {
        let until = Instant::now() + limit;
        let mut buffer = [0; 128];
        while readable(&self.socket, until.saturating_duration_since(Instant::now())) {
            let size = match rustix::net::recv(&self.socket, &mut buffer[..], RecvFlags::empty()) {
                Ok((size, _)) => size,
                Err(rustix::io::Errno::AGAIN | rustix::io::Errno::INTR) => continue,
                Err(error) => return Err(error.into()),
            };
            if let Some(claimant) = claimant(&buffer[..size], wanted)
                && !own.contains(&claimant)
            {
                return Ok(Some(claimant));
            }
        }
        Ok(None)
    }

    /// Tells all neighbours that the address is here now.
    pub(super) fn announce(&self, address: Ipv4Addr) -> io::Result<()> {
        rustix::net::send(&self.socket, &frame(self.own, address, address), SendFlags::empty())?;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_claims_an_address() {
        let (other, wanted) = ([2, 0, 0, 0, 0, 7], Ipv4Addr::new(10, 0, 0, 5));
        let elsewhere = Ipv4Addr::new(10, 0, 0, 9);
        assert_eq!(claimant(&frame(other, wanted, wanted), wanted), Some(other), "announced");
        assert_eq!(claimant(&frame(other, wanted, elsewhere), wanted), Some(other), "uses it");
        assert_eq!(claimant(&frame(other, Ipv4Addr::UNSPECIFIED, wanted), wanted), Some(other), "probes");
        assert_eq!(claimant(&frame(other, elsewhere, wanted), wanted), None, "only asks for it");
        assert_eq!(claimant(&frame(other, elsewhere, elsewhere), wanted), None);
        let whole = frame(other, wanted, wanted);
        for length in 0..whole.len() {
            assert_eq!(claimant(&whole[..length], wanted), None, "{length} bytes");
        }
    }
}
