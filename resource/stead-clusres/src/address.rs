//! *IP Address* and *IPv6 Address*: an address that clients find wherever its group is.

mod arp;
mod link;
mod neighbour;
mod netlink;
mod note;
mod probe;
mod wanted;

use std::io;
use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use stead_resapi as abi;
use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use crate::note::{Note, Refused};
use crate::process::readable;
use arp::Arp;
use link::{Link, links};
use netlink::{Changes, Netlink};
use note::Text;
use probe::Probe;
use wanted::{Family, Wanted};

/// The kernel's search for duplicates of an IPv6 address takes about a second; longer than this means that it does
/// not come to an end.
const DETECTION: Duration = Duration::from_secs(15);

/// A monitor that dies, or looks for leftovers, lets go of its notes within a moment.
const LET_GO: Duration = Duration::from_secs(3);

/// An IPv4 address of this node while it is online.
///
/// Online finds the interface, asks the neighbours whether anybody has the address (three ARP probes, 200 ms apart; an
/// answer, or another node that probes for it, is event 1049), configures it, and announces it (three times, 100 ms apart).
/// Offline and Terminate remove it and look that it is gone. `LooksAlive`: the interface is up and has the address.
/// `IsAlive`: and a carrier. The kernel's news about interfaces and addresses are the event handle, so that a failure is
/// seen at once.
///
/// The address is in the network namespace of the node and outlives its monitor; a note in `/run/stead/addresses`, which
/// the kernel unlocks when a monitor dies, tells the next address resource to open on this node that it is a leftover.
/// It is removed then, unless it lacks the mark (`IFA_PROTO`) with which stead configured it: what an administrator
/// has configured is never removed.
///
/// | Property | | |
/// |---|---|---|
/// | `Address` | text, required | |
/// | `PrefixLength`, `SubnetMask` | number, text | one is required; if both are given they must agree |
/// | `Interface` | text | by default the only one with a network that contains the address |
/// | `Network` | text | another name for `Interface`; on Windows a cluster network |
/// | `OverrideAddressMatch` | flag, false | the address may be outside the networks of `Interface` |
/// | `ProbePort` | number, 0 | a TCP port, on all addresses, that accepts connections while online; 0 is none |
/// | `ProbeFailureThreshold` | number, 0 | refused if it is not 0 |
/// | `EnableDhcp` | flag, false | refused if it is true |
/// | `EnableNetBIOS` | number, 0 | ignored, and the log says so |
///
/// It needs `CAP_NET_ADMIN` and `CAP_NET_RAW` over the node's network, that is root.
///
/// Windows: mscs/ip-address
pub struct IpAddress(Holder);

/// An IPv6 address of this node while it is online.
///
/// As [`IpAddress`], but the kernel looks for duplicates (RFC 4862); Online waits for its verdict. The news are
/// unsolicited neighbour advertisements.
///
/// | Property | | |
/// |---|---|---|
/// | `Address` | text, required | |
/// | `PrefixLength` | number, required | |
/// | `Interface`, `Network`, `OverrideAddressMatch`, `ProbePort`, `ProbeFailureThreshold` | | as for [`IpAddress`] |
///
/// Windows: mscs/ipv6-address
pub struct Ipv6Address(Holder);

/// An address that is configured.
struct Held {
    text: Text,
    note: Note,
    changes: Option<Changes>,
    /// Answers as long as it is kept.
    _probe: Option<Probe>,
}

struct Holder {
    context: Context,
    family: Family,
    held: Mutex<Option<Held>>,
}

/// What the kernel refuses, with the remedy where it is a matter of permission.
fn refused(what: &str, error: &io::Error) -> Failure {
    if error.kind() == io::ErrorKind::PermissionDenied {
        return Failure::on_this_node(format!(
            "{what}: not permitted; it needs CAP_NET_ADMIN and CAP_NET_RAW over this node's network: run stead as root"
        ));
    }
    Failure::new(abi::ERROR_RESOURCE_FAILED, format!("{what}: {error}"))
}

/// Removes the address and looks that it is gone; one that is not ours stays.
fn take_away(netlink: &Netlink, text: &Text) -> io::Result<bool> {
    let ours = |netlink: &Netlink| {
        let bound = netlink.addresses()?;
        Ok::<bool, io::Error>(bound.iter().any(|bound| {
            (bound.address, bound.index) == (text.address, text.index) && (bound.marked || !text.marked)
        }))
    };
    if !ours(netlink)? {
        return Ok(false);
    }
    let removed = netlink.remove(text.address, text.prefix, text.index);
    if ours(netlink)? {
        return Err(removed.err().unwrap_or_else(|| io::Error::other("the kernel still has it")));
    }
    Ok(true)
}

/// Removes what monitors that died have left. What could not be removed comes back, a line each.
pub(crate) fn sweep(log: impl Fn(Level, &str)) -> Vec<String> {
    let mut left = Vec::new();
    let mut swept = || -> io::Result<()> {
        let orphans = note::orphans()?;
        if orphans.is_empty() {
            return Ok(());
        }
        let netlink = Netlink::new()?;
        for (note, text) in orphans {
            let Some(text) = text else {
                note.discard();
                continue;
            };
            let what = format!("address {}, which resource {:?} left behind", text.address, text.resource);
            match take_away(&netlink, &text) {
                Ok(removed) => {
                    if removed {
                        log(Level::Warning, &format!("{what} when its monitor died, is removed"));
                    }
                    note.discard();
                }
                Err(error) => {
                    let line = format!("{what}, could not be removed: {error}");
                    log(Level::Error, &line);
                    left.push(line);
                }
            }
        }
        Ok(())
    };
    // Without the permission to look there is none to configure either, and Online says so.
    if let Err(error) = swept()
        && error.kind() != io::ErrorKind::PermissionDenied
    {
        let line = format!("what other monitors left could not be looked for: {error}");
        log(Level::Warning, &line);
        left.push(line);
    }
    left
}

fn hardware(address: [u8; 6]) -> String {
    address.map(|byte| format!("{byte:02x}")).join(":")
}

impl Holder {
    fn open(context: &Context, family: Family) -> Holder {
        let _ = sweep(|level, text| context.log(level, text));
        Holder { context: context.clone(), family, held: Mutex::new(None) }
    }

    fn held(&self) -> MutexGuard<'_, Option<Held>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn ending(&self) -> Failure {
        Failure::new(abi::ERROR_OPERATION_ABORTED, "cancelled")
    }

    /// Takes the note of the address, waiting a moment for a monitor that is just dying.
    fn note(&self, operation: &Operation, address: IpAddr) -> Result<(Note, Option<Text>), Failure> {
        let until = Instant::now() + LET_GO;
        loop {
            match note::take(address) {
                Ok(note) => return Ok(note),
                Err(Refused::Failed(error)) => {
                    return Err(refused(&format!("the note of address {address} in /run/stead"), &error));
                }
                Err(Refused::Held(text)) if Instant::now() >= until => {
                    let owner = Text::read(&text).map_or_else(String::new, |text| text.resource);
                    let text = format!("address {address} is held by resource {owner:?} on this node (1049)");
                    return Err(Failure::new(abi::ERROR_CLUSTER_IPADDR_IN_USE, text));
                }
                Err(Refused::Held(_)) => {
                    if !operation.wait(Duration::from_millis(50)) {
                        return Err(self.ending());
                    }
                }
            }
        }
    }

    /// Asks the neighbours on the link whether somebody has an IPv4 address.
    fn detect(&self, operation: &Operation, link: &Link, arp: &Arp, wanted: IpAddr) -> Result<(), Failure> {
        let IpAddr::V4(v4) = wanted else { return Ok(()) };
        let what = format!("asking on {} whether {wanted} is in use", link.name);
        let own: Vec<[u8; 6]> = links()
            .map_err(|error| refused(&what, &error))?
            .iter()
            .filter_map(|link| link.hardware)
            .collect();
        for _ in 0..arp::TIMES {
            arp.ask(v4).map_err(|error| refused(&what, &error))?;
            if let Some(owner) = arp.answer(v4, &own, arp::PAUSE).map_err(|error| refused(&what, &error))? {
                return Err(Failure::new(
                    abi::ERROR_CLUSTER_IPADDR_IN_USE,
                    format!(
                        "address {wanted} is in use: {} on {} answers for it (1049)",
                        hardware(owner),
                        link.name
                    ),
                ));
            }
            if !operation.progress() {
                return Err(self.ending());
            }
        }
        Ok(())
    }

    /// Waits until the kernel has looked for duplicates of an IPv6 address.
    fn settle(
        &self,
        operation: &Operation,
        netlink: &Netlink,
        text: &Text,
        changes: &Changes,
    ) -> Result<(), Failure> {
        let what = format!("reading back address {}", text.address);
        let until = Instant::now() + DETECTION;
        loop {
            changes.drain();
            let bound = netlink.addresses().map_err(|error| refused(&what, &error))?;
            let found = bound.iter().find(|b| (b.address, b.index) == (text.address, text.index));
            let wrong = match found {
                None => "it was removed while it came online".to_owned(),
                Some(bound) if bound.duplicate => "another node has it (1049)".to_owned(),
                Some(bound) if !bound.tentative => return Ok(()),
                Some(_) if Instant::now() >= until => {
                    format!(
                        "the kernel has not finished looking for duplicates after {} s",
                        DETECTION.as_secs()
                    )
                }
                Some(_) => {
                    if !operation.progress() {
                        return Err(self.ending());
                    }
                    readable(changes, Duration::from_millis(200));
                    continue;
                }
            };
            let text = format!("address {}: {wrong}", text.address);
            return Err(Failure::new(abi::ERROR_CLUSTER_IPADDR_IN_USE, text));
        }
    }

    fn announce(&self, operation: &Operation, link: &Link, address: IpAddr) {
        let tell = || -> io::Result<()> {
            let arp = if address.is_ipv4() { Some(Arp::new(link)?) } else { None };
            for turn in 0..arp::TIMES {
                // A neighbour that misses all of them asks again when its own entry has aged.
                if turn > 0 && !operation.wait(Duration::from_millis(100)) {
                    break;
                }
                match (address, &arp) {
                    (IpAddr::V4(v4), Some(arp)) => arp.announce(v4)?,
                    (IpAddr::V6(v6), _) => neighbour::announce(link, v6)?,
                    (IpAddr::V4(_), None) => {}
                }
            }
            Ok(())
        };
        if let Err(error) = tell() {
            let text = format!("address {address} could not be announced on {}: {error}", link.name);
            self.context.log(Level::Warning, &text);
        }
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let properties = self.context.properties();
        let first = |problems: Vec<Problem>| {
            let text: Vec<String> = problems
                .iter()
                .map(|problem| format!("property {:?}: {}", problem.property, problem.text))
                .collect();
            Failure::on_any_node(text.join("; "))
        };
        let wanted = Wanted::read(self.family, &properties).map_err(first)?;
        if self.family == Family::V4 && properties.number("EnableNetBIOS") != 0 {
            self.context
                .log(Level::Information, "property \"EnableNetBIOS\" is ignored: there is no NetBIOS here");
        }
        let _ = sweep(|level, text| self.context.log(level, text));
        let address = wanted.address;
        let (note, before) = self.note(operation, address)?;
        let netlink = Netlink::new().map_err(|error| refused("the table of addresses", &error))?;
        if let Some(before) = before {
            // Its monitor died between our looking for leftovers and now.
            take_away(&netlink, &before).map_err(|error| refused(&format!("leftover {address}"), &error))?;
        }
        let bound = netlink.addresses().map_err(|error| refused("the addresses of this node", &error))?;
        let links = links().map_err(|error| refused("the interfaces of this node", &error))?;
        if let Some(bound) = bound.iter().find(|bound| bound.address == address) {
            let name = links.iter().find(|link| link.index == bound.index).map_or("?", |link| &link.name);
            note.discard();
            return Err(Failure::new(
                abi::ERROR_CLUSTER_IPADDR_IN_USE,
                format!(
                    "interface {name} of this node has address {address} already, and not from stead; remove it there: \
                     `ip address del {address}/{} dev {name}` (1049)",
                    bound.prefix
                ),
            ));
        }
        let link = match wanted.place(&links, &bound) {
            Ok(link) => link,
            Err(problem) => {
                note.discard();
                let text = format!("property {:?}: {}", problem.property, problem.text);
                return Err(Failure::on_this_node(text));
            }
        };
        let resource = self.context.name();
        let mut text = Text { resource, address, prefix: wanted.prefix, index: link.index, marked: true };
        let ready = self.ready(operation, link, &wanted, &note, &text);
        let probe = match ready {
            Ok(probe) => probe,
            Err(failure) => {
                note.discard();
                return Err(failure);
            }
        };
        let what = format!("address {address}/{} on {}", wanted.prefix, link.name);
        let changes = Changes::new().map_err(|error| refused("news of addresses", &error))?;
        if let Err(error) = netlink.add(address, wanted.prefix, link.index) {
            note.discard();
            return Err(refused(&what, &error));
        }
        // From here on it is ours: Terminate, which follows every failure, takes it away.
        let here = netlink.addresses().unwrap_or_default();
        text.marked = here.iter().any(|bound| bound.address == address && bound.marked);
        let said = note.say(&text.write());
        *self.held() = Some(Held { text: text.clone(), note, changes: None, _probe: probe });
        said.map_err(|error| refused(&format!("the note of {what}"), &error))?;
        self.settle(operation, &netlink, &text, &changes)?;
        if link.neighbours {
            self.announce(operation, link, address);
        }
        let event = changes.event()?;
        if let Some(held) = self.held().as_mut() {
            held.changes = Some(changes);
        }
        self.context.log(Level::Information, &format!("{what} is configured"));
        Ok(Online::watched(event))
    }

    /// Everything that must be so before the address is configured.
    fn ready(
        &self,
        operation: &Operation,
        link: &Link,
        wanted: &Wanted,
        note: &Note,
        text: &Text,
    ) -> Result<Option<Probe>, Failure> {
        let name = &link.name;
        if !link.up {
            let text = format!("interface {name} is down; set it up: `ip link set {name} up` (1048)");
            return Err(Failure::on_this_node(text));
        }
        if !link.carrier {
            let text = format!("interface {name} has no carrier: nothing is connected to it (1048)");
            return Err(Failure::on_this_node(text));
        }
        if link.neighbours && wanted.address.is_ipv4() {
            let arp =
                Arp::new(link).map_err(|error| refused(&format!("a packet socket on {name}"), &error))?;
            self.detect(operation, link, &arp, wanted.address)?;
        }
        let probe = wanted.probe_port.map(|port| {
            Probe::start(wanted.address, port).map_err(|error| {
                let text = format!("property \"ProbePort\": port {port} cannot be answered: {error}");
                Failure::new(Failure::from(error).code(), text)
            })
        });
        let probe = probe.transpose()?;
        note.say(&text.write()).map_err(|error| refused("the note of the address", &error))?;
        Ok(probe)
    }

    fn remove(&self) -> Result<(), Failure> {
        let mut held = self.held();
        let Some(current) = held.take() else { return Ok(()) };
        let Text { address, .. } = current.text;
        match Netlink::new().and_then(|netlink| take_away(&netlink, &current.text)) {
            Ok(_) => {
                current.note.discard();
                Ok(())
            }
            Err(error) => {
                *held = Some(current);
                Err(refused(&format!("address {address} could not be removed"), &error))
            }
        }
    }

    /// What is wrong with the address, if anything is.
    fn trouble(&self, thorough: bool) -> Option<String> {
        let held = self.held();
        let Some(held) = held.as_ref() else { return Some("it is not configured".to_owned()) };
        // What happens from here on is news again.
        if thorough && let Some(changes) = &held.changes {
            changes.drain();
        }
        let Text { address, index, .. } = held.text;
        let now = || Ok::<_, io::Error>((links()?, Netlink::new()?.addresses()?));
        let (links, bound) = match now() {
            Ok(now) => now,
            Err(error) => return Some(format!("the addresses of this node cannot be read: {error}")),
        };
        let Some(link) = links.iter().find(|link| link.index == index) else {
            return Some("its interface is gone".to_owned());
        };
        if !link.up {
            return Some(format!("interface {} is down", link.name));
        }
        let Some(bound) = bound.iter().find(|bound| (bound.address, bound.index) == (address, index)) else {
            return Some(format!("somebody removed it from {}", link.name));
        };
        if bound.duplicate {
            return Some("another node has it too (1049)".to_owned());
        }
        (thorough && !link.carrier).then(|| format!("interface {} has no carrier", link.name))
    }

    fn alive(&self, thorough: bool) -> bool {
        let trouble = self.trouble(thorough);
        if thorough && let Some(trouble) = &trouble {
            let address = self.context.properties().text("Address");
            self.context.log(Level::Error, &format!("address {address}: {trouble} (1077)"));
        }
        trouble.is_none()
    }
}

fn validate(family: Family, properties: &Properties) -> Vec<Problem> {
    let wanted = match Wanted::read(family, properties) {
        Ok(wanted) => wanted,
        Err(problems) => return problems,
    };
    // A node that cannot be looked at now says what is wrong when the resource comes online.
    let now = || Ok::<_, io::Error>((links()?, Netlink::new()?.addresses()?));
    match now() {
        Ok((links, bound)) => wanted.place(&links, &bound).err().into_iter().collect(),
        Err(_) => Vec::new(),
    }
}

/// The methods of both types, which differ in their properties only.
macro_rules! address {
    ($type:ident, $family:expr, $name:literal, $properties:expr) => {
        impl Resource for $type {
            const TYPE_NAME: &'static str = $name;

            const PROPERTIES: &'static [Property] = $properties;

            fn open(context: &Context) -> Result<Self, Failure> {
                Ok($type(Holder::open(context, $family)))
            }

            fn online(&self, operation: &Operation) -> Result<Online, Failure> {
                self.0.online(operation)
            }

            fn offline(&self, _: &Operation) -> Result<(), Failure> {
                self.0.remove()
            }

            fn terminate(&self) {
                if let Err(failure) = self.0.remove() {
                    self.0.context.log(Level::Error, failure.text());
                }
            }

            fn looks_alive(&self) -> bool {
                self.0.alive(false)
            }

            fn is_alive(&self) -> bool {
                self.0.alive(true)
            }

            fn validate(properties: &Properties) -> Vec<Problem> {
                validate($family, properties)
            }
        }
    };
}

address!(
    IpAddress,
    Family::V4,
    "IP Address",
    &[
        Property::text("Address").required(),
        Property::number("PrefixLength").range(0, 32),
        Property::text("SubnetMask"),
        Property::text("Interface"),
        Property::text("Network"),
        Property::flag("OverrideAddressMatch"),
        Property::number("ProbePort").range(0, 65_535),
        Property::number("ProbeFailureThreshold"),
        Property::flag("EnableDhcp"),
        Property::number("EnableNetBIOS").range(0, 2),
    ]
);

address!(
    Ipv6Address,
    Family::V6,
    "IPv6 Address",
    &[
        Property::text("Address").required(),
        Property::number("PrefixLength").range(0, 128),
        Property::text("Interface"),
        Property::text("Network"),
        Property::flag("OverrideAddressMatch"),
        Property::number("ProbePort").range(0, 65_535),
        Property::number("ProbeFailureThreshold"),
    ]
);
