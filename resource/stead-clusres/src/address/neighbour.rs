//! IPv6 neighbours: the news that an address is here now. The kernel itself looks for duplicates.

use std::io;
use std::net::{Ipv6Addr, SocketAddrV6};

use rustix::net::{AddressFamily, SendFlags, SocketFlags, SocketType, ipproto, sockopt};

use super::link::Link;

/// Neighbour advertisement, RFC 4861 section 4.4.
const ADVERTISEMENT: u8 = 136;
/// What neighbours have cached is overridden.
const OVERRIDE: u8 = 0x20;
/// The option that carries the hardware address, of one unit of eight bytes.
const HARDWARE: [u8; 2] = [2, 1];

/// Every node on the link.
const EVERYBODY: Ipv6Addr = Ipv6Addr::new(0xff02, 0, 0, 0, 0, 0, 0, 1);

/// Tells all neighbours that the address is here now.
pub(super) fn announce(link: &Link, address: Ipv6Addr) -> io::Result<()> {
    let Some(hardware) = link.hardware else { return Ok(()) };
    let socket = rustix::net::socket_with(
        AddressFamily::INET6,
        SocketType::RAW,
        SocketFlags::CLOEXEC,
        Some(ipproto::ICMPV6),
    )?;
    // A receiver takes the packet for real only if no router has passed it on.
    sockopt::set_ipv6_multicast_hops(&socket, 255)?;
    sockopt::set_ipv6_multicast_if(&socket, link.index)?;
    rustix::net::bind(&socket, &SocketAddrV6::new(address, 0, 0, link.index))?;
    // The kernel fills in the checksum.
    let mut packet = vec![ADVERTISEMENT, 0, 0, 0, OVERRIDE, 0, 0, 0];
    packet.extend(address.octets());
    packet.extend(HARDWARE);
    packet.extend(hardware);
    let all = SocketAddrV6::new(EVERYBODY, 0, 0, link.index);
    rustix::net::sendto(&socket, &packet, SendFlags::empty(), &all)?;
    Ok(())
}
