//! The table `[lab]` of a configuration file; the rest of it is for `stead apply`.

use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use toml::Spanned;

use crate::Trouble;

/// What a lab is to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Wanted {
    pub(crate) name: String,
    pub(crate) nodes: Vec<String>,
    pub(crate) subnet: Subnet,
    pub(crate) profile: String,
    /// The whole path of the file.
    pub(crate) file: PathBuf,
}

/// A network of the lab.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Subnet {
    pub(crate) address: Ipv4Addr,
    pub(crate) prefix: u8,
}

#[derive(Deserialize)]
struct Whole {
    lab: Option<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    name: Option<Spanned<String>>,
    nodes: Spanned<Vec<String>>,
    subnet: Spanned<String>,
    profile: Option<Spanned<String>>,
}

/// The longest name of a lab: it is part of the names of interfaces, of which 15 bytes are kept.
const LONGEST_LAB: usize = 8;

/// The longest name of a node.
const LONGEST_NODE: usize = 32;

/// More is no lab any more.
const MOST_NODES: usize = 9;

/// Addresses of nodes begin after so many.
const FIRST: u32 = 11;

impl Subnet {
    fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("{text:?} is no subnet; write one such as \"10.77.0.0/24\"");
        let (address, prefix) = text.split_once('/').ok_or_else(wrong)?;
        let address: Ipv4Addr = address.parse().map_err(|_| wrong())?;
        let prefix: u8 = prefix.parse().map_err(|_| wrong())?;
        if !(8..=27).contains(&prefix) {
            return Err(format!("subnet {text}: its prefix must be from 8 to 27"));
        }
        let subnet = Subnet { address, prefix };
        if u32::from(address) & !subnet.mask() != 0 {
            let network = Ipv4Addr::from(u32::from(address) & subnet.mask());
            return Err(format!(
                "subnet {text}: {address} is an address in it; write \"{network}/{prefix}\""
            ));
        }
        if !address.is_private() {
            return Err(format!("subnet {text}: it must be private, such as 10.77.0.0/24"));
        }
        Ok(subnet)
    }

    fn mask(self) -> u32 {
        u32::MAX << (32 - u32::from(self.prefix))
    }

    /// This machine's address in it.
    pub(crate) fn host(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) + 1)
    }

    /// The address of a node by its place.
    pub(crate) fn node(self, place: usize) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) + FIRST + u32::try_from(place).unwrap_or(0))
    }

    /// True if an address is in it, or it is in the network of this address.
    pub(crate) fn meets(self, address: Ipv4Addr, prefix: u8) -> bool {
        let prefix = prefix.min(self.prefix);
        let mask = u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0);
        u32::from(address) & mask == u32::from(self.address) & mask
    }
}

fn position(text: &str, at: usize) -> (usize, usize) {
    let before = text.get(..at).unwrap_or(text);
    let line = before.matches('\n').count() + 1;
    (line, before.rsplit('\n').next().unwrap_or_default().chars().count() + 1)
}

fn check_name(what: &str, name: &str, longest: usize) -> Result<(), String> {
    let good = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if !name.is_empty() && name.len() <= longest && name.chars().all(good) && !name.starts_with('-') {
        return Ok(());
    }
    Err(format!(
        "{name:?} is no name of a {what}: 1 to {longest} of the characters a to z, 0 to 9 and dash, the first no dash"
    ))
}

/// Reads the table of a file.
pub(crate) fn read(path: &Path, name: Option<&str>) -> Result<Wanted, Trouble> {
    let whole = |text: String| Trouble::BadFile(format!("{}: {text}", path.display()));
    let file = std::path::absolute(path).map_err(|error| whole(error.to_string()))?;
    let text = std::fs::read_to_string(path).map_err(|error| whole(error.to_string()))?;
    parse(file, path, &text, name)
}

fn parse(file: PathBuf, path: &Path, text: &str, name: Option<&str>) -> Result<Wanted, Trouble> {
    let at = |place: usize, what: &str| {
        let (line, column) = position(text, place);
        Trouble::BadFile(format!("{}:{line}:{column}: {what}", path.display()))
    };
    let whole: Whole = toml::from_str(text)
        .map_err(|error| at(error.span().map_or(0, |span| span.start), error.message()))?;
    let Some(table) = whole.lab else {
        let text = "there is no table [lab]; write one such as [lab] nodes = [\"n1\", \"n2\", \"n3\"] subnet = \
                    \"10.77.0.0/24\"";
        return Err(at(0, text));
    };
    let subnet =
        Subnet::parse(table.subnet.get_ref()).map_err(|what| at(table.subnet.span().start, &what))?;
    let nodes_at = table.nodes.span().start;
    let nodes = table.nodes.into_inner();
    if nodes.is_empty() || nodes.len() > MOST_NODES {
        return Err(at(nodes_at, &format!("a lab has 1 to {MOST_NODES} nodes, not {}", nodes.len())));
    }
    for (place, node) in nodes.iter().enumerate() {
        check_name("node", node, LONGEST_NODE).map_err(|what| at(nodes_at, &what))?;
        if nodes[..place].contains(node) {
            return Err(at(nodes_at, &format!("node {node:?} is there twice")));
        }
    }
    let profile = match &table.profile {
        Some(profile) if !["fast", "default", "patient"].contains(&profile.get_ref().as_str()) => {
            let what = format!("{:?} is no profile; there are: fast, default, patient", profile.get_ref());
            return Err(at(profile.span().start, &what));
        }
        Some(profile) => profile.get_ref().clone(),
        None => "default".to_owned(),
    };
    let (name, place) = match (name, &table.name) {
        (Some(name), _) => (name.to_owned(), 0),
        (None, Some(name)) => (name.get_ref().clone(), name.span().start),
        (None, None) => ("lab".to_owned(), 0),
    };
    check_name("lab", &name, LONGEST_LAB).map_err(|what| at(place, &what))?;
    Ok(Wanted { name, nodes, subnet, profile, file })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Wanted, String> {
        parse(PathBuf::from("/c.toml"), Path::new("c.toml"), text, None)
            .map_err(|trouble| trouble.text().to_owned())
    }

    const GOOD: &str = "[lab]\nname = \"three\"\nnodes = [\"n1\", \"n2\"]\nsubnet = \"10.77.0.0/24\"\n[[group]]\nname = \"g\"\n";

    #[test]
    fn a_lab_is_read_and_the_rest_left_alone() {
        let wanted = read_text(GOOD).unwrap();
        assert_eq!((wanted.name.as_str(), wanted.profile.as_str()), ("three", "default"));
        assert_eq!(wanted.subnet.host().to_string(), "10.77.0.1");
        assert_eq!(wanted.subnet.node(1).to_string(), "10.77.0.12");
    }

    #[test]
    fn everything_wrong_has_its_line() {
        for (from, to, expected) in [
            ("[lab]", "[labor]", "c.toml:1:1: there is no table [lab]"),
            ("nodes", "notes", "c.toml:3:1: unknown field `notes`"),
            ("\"n2\"", "\"n1\"", "c.toml:3:9: node \"n1\" is there twice"),
            ("\"n2\"", "\"N2\"", "c.toml:3:9: \"N2\" is no name of a node"),
            ("[\"n1\", \"n2\"]", "[]", "c.toml:3:9: a lab has 1 to 9 nodes, not 0"),
            ("three", "threethree", "c.toml:2:8: \"threethree\" is no name of a lab"),
            (
                "10.77.0.0/24",
                "10.77.0.5/24",
                "c.toml:4:10: subnet 10.77.0.5/24: 10.77.0.5 is an address in it; write \"10.77.0.0/24\"",
            ),
            ("10.77.0.0/24", "8.8.8.0/24", "c.toml:4:10: subnet 8.8.8.0/24: it must be private"),
            ("10.77.0.0/24", "10.77.0.0/30", "its prefix must be from 8 to 27"),
            ("10.77.0.0/24", "10.77.0.0", "c.toml:4:10: \"10.77.0.0\" is no subnet"),
            ("subnet", "profile = \"quick\"\nsubnet", "c.toml:4:11: \"quick\" is no profile"),
        ] {
            let told = read_text(&GOOD.replacen(from, to, 1)).unwrap_err();
            assert!(told.contains(expected), "{told}\nnot {expected}");
        }
    }

    #[test]
    fn subnets_meet_when_one_holds_the_other() {
        let subnet = Subnet::parse("10.77.0.0/24").unwrap();
        for (address, prefix, meets) in [
            ("10.77.0.9", 24, true),
            ("10.1.2.3", 8, true),
            ("10.77.1.1", 24, false),
            ("192.168.0.1", 16, false),
            ("10.77.0.7", 32, true),
        ] {
            assert_eq!(subnet.meets(address.parse().unwrap(), prefix), meets, "{address}/{prefix}");
        }
    }
}
