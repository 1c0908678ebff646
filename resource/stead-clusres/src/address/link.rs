//! The network interfaces of this node.

use std::collections::BTreeMap;
use std::io;

use nix::ifaddrs::getifaddrs;
use nix::net::if_::InterfaceFlags;
use nix::sys::socket::LinkAddr;

/// An interface as it is now.
#[derive(Clone, Debug)]
pub(super) struct Link {
    pub(super) name: String,
    pub(super) index: u32,
    /// An administrator has set it up.
    pub(super) up: bool,
    /// Something is connected to it.
    pub(super) carrier: bool,
    /// Neighbours find each other on it by asking all: there can be duplicates, and news must be announced.
    pub(super) neighbours: bool,
    pub(super) hardware: Option<[u8; 6]>,
    /// Where packet sockets are bound to.
    pub(super) place: LinkAddr,
}

/// Every interface, by name.
///
/// # Errors
/// Of the kernel.
pub(super) fn links() -> io::Result<Vec<Link>> {
    let mut links = BTreeMap::new();
    for entry in getifaddrs()? {
        let Some(place) = entry.address.as_ref().and_then(|address| address.as_link_addr()) else { continue };
        let flags = entry.flags;
        let silent =
            InterfaceFlags::IFF_LOOPBACK | InterfaceFlags::IFF_NOARP | InterfaceFlags::IFF_POINTOPOINT;
        links.insert(
            entry.interface_name.clone(),
            Link {
                name: entry.interface_name.clone(),
                index: u32::try_from(place.ifindex()).unwrap_or(0),
                up: flags.contains(InterfaceFlags::IFF_UP),
                carrier: flags.contains(InterfaceFlags::IFF_LOWER_UP),
                neighbours: !flags.intersects(silent) && place.halen() == 6,
                hardware: place.addr(),
                place: *place,
            },
        );
    }
    Ok(links.into_values().collect())
}
