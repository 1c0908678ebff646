//! What the properties of an address ask for, and the interface of this node that fits.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use stead_sdk::{Problem, Properties};

use super::link::Link;
use super::netlink::Bound;

/// The version of the Internet protocol.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// An address as it is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    /// The interface, where the operator names one.
    pub(super) interface: Option<String>,
    /// The address need not be in a network of the interface.
    pub(super) anywhere: bool,
    pub(super) probe_port: Option<u16>,
}

/// The part of an address that names its network.
fn network(address: IpAddr, prefix: u8) -> u128 {
    let (bits, width) = match address {
        IpAddr::V4(v4) => (u128::from(v4.to_bits()), 32),
        IpAddr::V6(v6) => (v6.to_bits(), 128),
    };
    bits.checked_shr(width - u32::from(prefix).min(width)).unwrap_or(0)
}

/// True if `address` is in the network of `bound`.
fn in_network(address: IpAddr, bound: &Bound) -> bool {
    address.is_ipv4() == bound.address.is_ipv4()
        && network(address, bound.prefix) == network(bound.address, bound.prefix)
}

/// The length of a mask, whose ones must come first.
fn mask_length(mask: Ipv4Addr) -> Option<u8> {
    let bits = mask.to_bits();
    (bits.leading_ones() + bits.trailing_zeros() >= 32 && bits != 0)
        .then(|| u8::try_from(bits.leading_ones()).unwrap_or(32))
}

fn address_of(family: Family, text: &str) -> Result<IpAddr, String> {
    let address: IpAddr = match family {
        Family::V4 => text
            .parse::<Ipv4Addr>()
            .map(IpAddr::from)
            .map_err(|_| format!("{text:?} is no IPv4 address, such as 10.20.0.50"))?,
        Family::V6 => text
            .parse::<Ipv6Addr>()
            .map(IpAddr::from)
            .map_err(|_| format!("{text:?} is no IPv6 address, such as fd00:20::50"))?,
    };
    let all_ones = address == IpAddr::V4(Ipv4Addr::BROADCAST);
    if address.is_unspecified() || address.is_multicast() || all_ones {
        return Err(format!("{text} cannot be the address of one node"));
    }
    Ok(address)
}

fn prefix_of(family: Family, address: Option<IpAddr>, properties: &Properties) -> Result<u8, Problem> {
    let length = properties.number("PrefixLength");
    let mask = properties.text("SubnetMask");
    if family == Family::V6 {
        return match u8::try_from(length) {
            Ok(0) => Err(Problem::new(
                "PrefixLength",
                "it is required: the length of the network's part, such as 64",
            )),
            Ok(length) if length <= 128 => Ok(length),
            Ok(_) | Err(_) => Err(Problem::new("PrefixLength", format!("{length} is over 128"))),
        };
    }
    let of_mask = if mask.is_empty() {
        None
    } else {
        let parsed = mask.parse().ok().and_then(mask_length);
        let wrong = || format!("{mask:?} is no subnet mask, such as 255.255.255.0 (1046)");
        Some(parsed.ok_or_else(|| Problem::new("SubnetMask", wrong()))?)
    };
    let given = u8::try_from(length).ok().filter(|length| *length > 0);
    let prefix = match (given, of_mask) {
        (Some(length), Some(mask_length)) if length != mask_length => {
            let text = format!(
                "{mask} is a prefix of {mask_length}, but PrefixLength is {length}; set one of the two, or both alike"
            );
            return Err(Problem::new("SubnetMask", text));
        }
        (Some(length), _) | (None, Some(length)) => length,
        (None, None) => {
            let text = "set PrefixLength, such as 24, or SubnetMask, such as 255.255.255.0";
            return Err(Problem::new("PrefixLength", text));
        }
    };
    if let Some(IpAddr::V4(v4)) = address
        && prefix < 31
    {
        let host = u32::MAX >> prefix;
        if v4.to_bits() & host == 0 || v4.to_bits() & host == host {
            let what = if v4.to_bits() & host == 0 { "the network itself" } else { "its broadcast address" };
            let text = format!("{v4}/{prefix} is {what}, not an address of a node (1047)");
            return Err(Problem::new("Address", text));
        }
    }
    Ok(prefix)
}

impl Wanted {
    /// What the properties ask for, or everything that is wrong with them.
    pub(super) fn read(family: Family, properties: &Properties) -> Result<Wanted, Vec<Problem>> {
        let mut problems = Vec::new();
        let text = properties.text("Address");
        let address = address_of(family, text.trim())
            .map_err(|text| problems.push(Problem::new("Address", format!("{text} (1047)"))))
            .ok();
        let prefix = prefix_of(family, address, properties).map_err(|problem| problems.push(problem)).ok();
        let (interface, network) = (properties.text("Interface"), properties.text("Network"));
        if !interface.is_empty() && !network.is_empty() && interface != network {
            let text = format!(
                "{network:?} and Interface = {interface:?} are two names of one thing here; set Interface alone"
            );
            problems.push(Problem::new("Network", text));
        }
        if properties.flag("EnableDhcp") {
            let text = "addresses from DHCP are not supported; set Address, and EnableDhcp = false";
            problems.push(Problem::new("EnableDhcp", text));
        }
        if properties.number("ProbeFailureThreshold") != 0 {
            let text = "it is not supported; the probe port is answered while the resource is online";
            problems.push(Problem::new("ProbeFailureThreshold", text));
        }
        let named = if interface.is_empty() { network } else { interface };
        match (address, prefix) {
            (Some(address), Some(prefix)) if problems.is_empty() => Ok(Wanted {
                address,
                prefix,
                interface: (!named.is_empty()).then_some(named),
                anywhere: properties.flag("OverrideAddressMatch"),
                probe_port: u16::try_from(properties.number("ProbePort")).ok().filter(|port| *port > 0),
            }),
            _ => Err(problems),
        }
    }

    /// The interface it belongs on: the one that is named, or the only one with a network that contains it. The name
    /// of the property to change comes with a refusal.
    pub(super) fn place<'a>(&self, links: &'a [Link], bound: &[Bound]) -> Result<&'a Link, Problem> {
        let others = || bound.iter().filter(|other| other.address != self.address);
        let networks = |link: &Link| {
            let list: Vec<String> = others()
                .filter(|other| {
                    other.index == link.index && other.address.is_ipv4() == self.address.is_ipv4()
                })
                .map(|other| format!("{}/{}", other.address, other.prefix))
                .collect();
            if list.is_empty() { "no address".to_owned() } else { list.join(", ") }
        };
        let fits =
            |link: &Link| others().any(|other| other.index == link.index && in_network(self.address, other));
        let all = || {
            let list: Vec<String> =
                links.iter().map(|link| format!("{} ({})", link.name, networks(link))).collect();
            list.join("; ")
        };
        if let Some(name) = &self.interface {
            let Some(link) = links.iter().find(|link| link.name == *name) else {
                let text = format!("this node has no interface {name:?}; it has: {} (1048)", all());
                return Err(Problem::new("Interface", text));
            };
            if !self.anywhere && !fits(link) {
                let text = format!(
                    "{} is in no network of interface {name} ({}); set OverrideAddressMatch = true if that is meant (1360)",
                    self.address,
                    networks(link)
                );
                return Err(Problem::new("Address", text));
            }
            return Ok(link);
        }
        let candidates: Vec<&Link> = links.iter().filter(|link| fits(link)).collect();
        match candidates[..] {
            [link] => Ok(link),
            [] => {
                let text = format!(
                    "no interface of this node has a network that contains {}; set it to one of: {} (1048)",
                    self.address,
                    all()
                );
                Err(Problem::new("Interface", text))
            }
            _ => {
                let names: Vec<&str> = candidates.iter().map(|link| link.name.as_str()).collect();
                let text = format!(
                    "several interfaces have a network that contains {}; set it to one of: {}",
                    self.address,
                    names.join(", ")
                );
                Err(Problem::new("Interface", text))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn masks_and_networks() {
        let length = |text: &str| mask_length(text.parse().unwrap());
        assert_eq!(length("255.255.255.0"), Some(24));
        assert_eq!(length("255.255.255.255"), Some(32));
        assert_eq!(length("128.0.0.0"), Some(1));
        assert_eq!(length("255.0.255.0"), None);
        assert_eq!(length("0.0.0.0"), None);
        let bound = |address: &str, prefix| Bound {
            address: address.parse().unwrap(),
            prefix,
            index: 1,
            marked: false,
            tentative: false,
            duplicate: false,
        };
        let fits = |address: &str, bound: &Bound| in_network(address.parse().unwrap(), bound);
        assert!(fits("10.0.0.5", &bound("10.0.0.1", 24)));
        assert!(!fits("10.0.1.5", &bound("10.0.0.1", 24)));
        assert!(fits("10.0.1.5", &bound("10.0.0.1", 0)));
        assert!(!fits("10.0.0.5", &bound("10.0.0.1", 32)));
        assert!(fits("fd00::5", &bound("fd00::1", 64)));
        assert!(!fits("fd00:0:0:1::5", &bound("fd00::1", 64)));
        assert!(!fits("10.0.0.5", &bound("::1", 0)));
    }
}
