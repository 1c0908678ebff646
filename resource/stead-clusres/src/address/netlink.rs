//! Addresses of this node, by rtnetlink.

use std::io;
use std::net::IpAddr;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use netlink_packet_core::{
    NLM_F_ACK, NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload,
};
use netlink_packet_route::address::{AddressAttribute, AddressFlags, AddressMessage, AddressProtocol};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage};
use rustix::net::netlink::SocketAddrNetlink;
use rustix::net::{AddressFamily as Family, RecvFlags, SendFlags, SocketFlags, SocketType};

/// The protocol number that addresses of the cluster carry (`IFA_PROTO`, Linux 5.18 and later): the kernel keeps it
/// with the address, and what an administrator configures does not have it.
pub(super) const MARK: u8 = 0xfc;

/// A dump that was disturbed by a change is begun anew.
const NLM_F_DUMP_INTR: u16 = 0x10;

/// Multicast groups: changes of links, IPv4 and IPv6 addresses (`RTMGRP_LINK`, `RTMGRP_IPV4_IFADDR`,
/// `RTMGRP_IPV6_IFADDR`).
const CHANGES: u32 = 0x1 | 0x10 | 0x100;

/// An address an interface has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Bound {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    /// The number of the interface.
    pub(super) index: u32,
    /// It carries [`MARK`].
    pub(super) marked: bool,
    /// Duplicate address detection is still running.
    pub(super) tentative: bool,
    /// Duplicate address detection found another owner.
    pub(super) duplicate: bool,
}

/// A socket to the kernel's tables of addresses.
pub(super) struct Netlink(OwnedFd);

fn socket(groups: u32, flags: SocketFlags) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | flags;
    // Protocol 0, which is none elsewhere, is NETLINK_ROUTE here.
    let socket = rustix::net::socket_with(Family::NETLINK, SocketType::RAW, flags, None)?;
    rustix::net::bind(&socket, &SocketAddrNetlink::new(0, groups))?;
    Ok(socket)
}

fn family(address: IpAddr) -> AddressFamily {
    if address.is_ipv4() { AddressFamily::Inet } else { AddressFamily::Inet6 }
}

impl Netlink {
    pub(super) fn new() -> io::Result<Netlink> {
        socket(0, SocketFlags::empty()).map(Netlink)
    }

    /// Asks the kernel for something; what it answers. `None` if the answer was disturbed.
    fn ask(&self, message: RouteNetlinkMessage, flags: u16) -> io::Result<Option<Vec<RouteNetlinkMessage>>> {
        let mut request = NetlinkMessage::from(message);
        request.header.flags = NLM_F_REQUEST | flags;
        request.header.sequence_number = 1;
        request.finalize();
        let mut bytes = vec![0; request.buffer_len()];
        request.serialize(&mut bytes);
        rustix::net::send(&self.0, &bytes, SendFlags::empty())?;
        let bad = |text: String| io::Error::new(io::ErrorKind::InvalidData, text);
        let mut answers = Vec::new();
        let mut whole = true;
        let mut buffer = vec![0; 1 << 16];
        loop {
            let (size, _) = rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty())?;
            let mut rest = &buffer[..size];
            while !rest.is_empty() {
                let part = NetlinkMessage::<RouteNetlinkMessage>::deserialize(rest)
                    .map_err(|error| bad(format!("the kernel's answer cannot be read: {error}")))?;
                whole &= part.header.flags & NLM_F_DUMP_INTR == 0;
                // Messages are aligned to four bytes.
                let length = (part.header.length as usize).next_multiple_of(4).clamp(4, rest.len());
                rest = &rest[length..];
                #[allow(clippy::wildcard_enum_match_arm, reason = "an enum of another crate that may grow")]
                match part.payload {
                    NetlinkPayload::InnerMessage(message) => answers.push(message),
                    NetlinkPayload::Error(error) if error.code.is_some() => return Err(error.to_io()),
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(whole.then_some(answers)),
                    NetlinkPayload::Overrun(_) => return Ok(None),
                    _ => {}
                }
            }
        }
    }

    /// Every address of this node.
    ///
    /// # Errors
    /// Of the kernel.
    pub(super) fn addresses(&self) -> io::Result<Vec<Bound>> {
        for _ in 0..16 {
            let request = RouteNetlinkMessage::GetAddress(AddressMessage::default());
            if let Some(answers) = self.ask(request, NLM_F_DUMP)? {
                return Ok(answers.into_iter().filter_map(bound).collect());
            }
        }
        Err(io::Error::other("the addresses of this node change too fast to be read"))
    }

    /// Gives an address to an interface.
    ///
    /// # Errors
    /// Of the kernel: it exists already, there is no such interface, no permission.
    pub(super) fn add(&self, address: IpAddr, prefix: u8, index: u32) -> io::Result<()> {
        let mut message = message(address, prefix, index);
        if let IpAddr::V4(v4) = address
            && prefix < 31
        {
            let host = u32::MAX.checked_shr(prefix.into()).unwrap_or(0);
            message.attributes.push(AddressAttribute::Broadcast((v4.to_bits() | host).into()));
        }
        message.attributes.push(AddressAttribute::Protocol(AddressProtocol::Other(MARK)));
        let flags = NLM_F_ACK | NLM_F_CREATE | NLM_F_EXCL;
        self.ask(RouteNetlinkMessage::NewAddress(message), flags).map(|_| ())
    }

    /// Takes an address from an interface.
    ///
    /// # Errors
    /// Of the kernel.
    pub(super) fn remove(&self, address: IpAddr, prefix: u8, index: u32) -> io::Result<()> {
        let message = message(address, prefix, index);
        self.ask(RouteNetlinkMessage::DelAddress(message), NLM_F_ACK).map(|_| ())
    }
}

fn message(address: IpAddr, prefix: u8, index: u32) -> AddressMessage {
    let mut message = AddressMessage::default();
    message.header.family = family(address);
    message.header.prefix_len = prefix;
    message.header.index = index;
    message.attributes = vec![AddressAttribute::Local(address), AddressAttribute::Address(address)];
    message
}

fn bound(message: RouteNetlinkMessage) -> Option<Bound> {
    let RouteNetlinkMessage::NewAddress(message) = message else { return None };
    let mut flags = AddressFlags::from_bits_retain(u32::from(message.header.flags.bits()));
    let (mut local, mut address, mut marked) = (None, None, false);
    for attribute in &message.attributes {
        #[allow(
            clippy::wildcard_enum_match_arm,
            reason = "an enum of another crate that grows with the kernel"
        )]
        match attribute {
            AddressAttribute::Local(value) => local = Some(*value),
            AddressAttribute::Address(value) => address = Some(*value),
            AddressAttribute::Flags(value) => flags = *value,
            AddressAttribute::Protocol(value) => marked = u8::from(*value) == MARK,
            _ => {}
        }
    }
    Some(Bound {
        address: local.or(address)?,
        prefix: message.header.prefix_len,
        index: message.header.index,
        marked,
        tentative: flags.contains(AddressFlags::Tentative) && !flags.contains(AddressFlags::Optimistic),
        duplicate: flags.contains(AddressFlags::Dadfailed),
    })
}

/// Tells that links or addresses have changed.
pub(super) struct Changes(OwnedFd);

impl Changes {
    pub(super) fn new() -> io::Result<Changes> {
        socket(CHANGES, SocketFlags::NONBLOCK).map(Changes)
    }

    /// A second descriptor, for another to wait for.
    pub(super) fn event(&self) -> io::Result<OwnedFd> {
        self.0.try_clone()
    }

    /// Forgets what has been told so far. That some of it was lost does not matter.
    pub(super) fn drain(&self) {
        let mut buffer = [0; 8192];
        loop {
            match rustix::net::recv(&self.0, &mut buffer[..], RecvFlags::empty()) {
                Ok((0, _)) => return,
                Ok(_) | Err(rustix::io::Errno::NOBUFS | rustix::io::Errno::INTR) => {}
                Err(_) => return,
            }
        }
    }
}

impl AsFd for Changes {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
