//! Bridge, cables, namespaces; and cutting them off.

use std::net::Ipv4Addr;

use crate::Trouble;
use crate::file::Subnet;
use crate::lab::{Lab, Node};
use crate::power;
use crate::programs::{command, done, output};

/// Which way a partition goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Way {
    /// Nothing comes in.
    In,
    /// Nothing goes out.
    Out,
    /// Neither.
    Both,
}

impl Way {
    /// For people.
    pub(crate) fn words(self) -> &'static str {
        match self {
            Way::In => "nothing comes in",
            Way::Out => "nothing goes out",
            Way::Both => "cut off",
        }
    }
}

/// The table of our rules, in families that see everything a node says: addresses and who has them.
const TABLE: &str = "stead_lab";
const FAMILIES: [&str; 2] = ["inet", "arp"];

fn ip(arguments: &[&str]) -> Result<String, Trouble> {
    done(command("ip").args(arguments), "")
}

/// Refuses a subnet that this machine is in already.
pub(crate) fn check(subnet: Subnet) -> Result<(), Trouble> {
    let text = ip(&["-json", "-4", "address", "show"])?;
    let interfaces: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
    for interface in interfaces.as_array().into_iter().flatten() {
        for info in interface["addr_info"].as_array().into_iter().flatten() {
            let address = info["local"].as_str().and_then(|text| text.parse::<Ipv4Addr>().ok());
            let prefix = info["prefixlen"].as_u64().and_then(|prefix| u8::try_from(prefix).ok());
            if let (Some(address), Some(prefix)) = (address, prefix)
                && subnet.meets(address, prefix)
            {
                return Err(Trouble::Refused(format!(
                    "the subnet {}/{} is in use: interface {} has {address}/{prefix}; choose another in [lab]",
                    subnet.address,
                    subnet.prefix,
                    interface["ifname"].as_str().unwrap_or("?")
                )));
            }
        }
    }
    Ok(())
}

/// Makes the bridge, on which this machine is as well.
pub(crate) fn make_bridge(lab: &Lab) -> Result<(), Trouble> {
    let bridge = lab.bridge();
    ip(&["link", "add", &bridge, "type", "bridge"])?;
    ip(&["address", "add", &format!("{}/{}", lab.host, lab.prefix), "dev", &bridge])?;
    ip(&["link", "set", &bridge, "up"]).map(drop)
}

pub(crate) fn remove_bridge(lab: &Lab) {
    let _ = output(command("ip").args(["link", "del", &lab.bridge()]), "");
}

/// Makes a node's namespace and lays its cable.
pub(crate) fn make(lab: &Lab, node: &Node) -> Result<(), Trouble> {
    let (namespace, cable, bridge) = (lab.namespace(node), lab.cable(node), lab.bridge());
    ip(&["netns", "add", &namespace])?;
    // A machine has the same card after it was off, so that nobody looks for it under another number.
    let card = format!("02:73:74:65:61:{:02x}", node.number);
    let peer = ["peer", "name", "eth0", "address", &card, "netns", &namespace];
    ip(&[&["link", "add", &cable, "type", "veth"], &peer[..]].concat())?;
    ip(&["link", "set", &cable, "master", &bridge, "up"])?;
    let address = format!("{}/{}", node.address, lab.prefix);
    let inside: [&[&str]; 4] = [
        &["address", "add", &address, "dev", "eth0"],
        &["link", "set", "lo", "up"],
        &["link", "set", "eth0", "up"],
        &["route", "add", "default", "via", &lab.host.to_string()],
    ];
    inside
        .into_iter()
        .try_for_each(|arguments| done(command("ip").args(["-n", &namespace]).args(arguments), "").map(drop))
}

/// Pulls a node's cable: not a word more comes out of it.
pub(crate) fn pull(lab: &Lab, node: &Node) {
    let _ = output(command("ip").args(["link", "del", &lab.cable(node)]), "");
}

/// Removes a node's namespace; everything the kernel kept for it goes too.
pub(crate) fn remove(lab: &Lab, node: &Node) {
    let _ = output(command("ip").args(["netns", "del", &lab.namespace(node)]), "");
}

fn rules(way: Way) -> String {
    let mut text = String::new();
    for family in FAMILIES {
        let drop = |hook: &str, interface: &str| {
            format!(
                "  chain {hook} {{ type filter hook {hook} priority -400; policy accept; {interface} != \"lo\" drop; }}\n"
            )
        };
        let (input, output) = (drop("input", "iifname"), drop("output", "oifname"));
        let chains = match way {
            Way::In => input,
            Way::Out => output,
            Way::Both => input + &output,
        };
        text.push_str(&format!("table {family} {TABLE} {{\n{chains}}}\n"));
    }
    text
}

/// What takes the rules away, if there are any.
fn nothing() -> String {
    FAMILIES
        .iter()
        .map(|family| format!("add table {family} {TABLE}\ndelete table {family} {TABLE}\n"))
        .collect()
}

fn nft(lab: &Lab, node: &Node, rules: &str) -> Result<(), Trouble> {
    if power::running(lab, node).is_none() {
        return Err(power::off(node));
    }
    let namespace = lab.namespace(node);
    let mut command = command("ip");
    done(command.args(["netns", "exec", &namespace, "nft", "-f", "-"]), rules).map(drop)
}

/// Cuts a node off; a partition of before is replaced.
pub(crate) fn partition(lab: &Lab, node: &Node, way: Way) -> Result<(), Trouble> {
    nft(lab, node, &(nothing() + &rules(way)))
}

pub(crate) fn heal(lab: &Lab, node: &Node) -> Result<(), Trouble> {
    nft(lab, node, &nothing())
}

/// How a node that is on is cut off.
pub(crate) fn cut(lab: &Lab, node: &Node) -> Option<Way> {
    let namespace = lab.namespace(node);
    let mut command = command("ip");
    let list = ["netns", "exec", &namespace, "nft", "list", "table", "inet", TABLE];
    let text = done(command.args(list), "").ok()?;
    match (text.contains("hook input"), text.contains("hook output")) {
        (true, true) => Some(Way::Both),
        (true, false) => Some(Way::In),
        (false, true) => Some(Way::Out),
        (false, false) => None,
    }
}
