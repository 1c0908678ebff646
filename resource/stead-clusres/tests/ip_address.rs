//! *IP Address* and *IPv6 Address*, driven as a monitor would, in a network of the test's own.
//!
//! Windows: mscs/ip-address, mscs/ipv6-address
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::process::Stdio;

use common::{again, alone, eventually, inside, sh};
use stead_clusres::{IpAddress, Ipv6Address};
use stead_resapi as abi;
use stead_sdk::Resource;
use stead_sdk::testing::{Harness, Opened, State, Value};

/// Two interfaces that are two ends of one cable; the far end is in another network namespace.
fn cable() {
    sh("ip link set lo up; ip netns add far; ip link add near type veth peer name far netns far
        ip address add 10.9.0.1/24 dev near; ip address add fd09::1/64 dev near nodad; ip link set near up
        ip -n far address add 10.9.0.2/24 dev far; ip -n far address add fd09::2/64 dev far nodad
        ip -n far link set far up");
}

fn v4(name: &str) -> Harness<IpAddress> {
    Harness::new(name).text("Address", "10.9.0.50").number("PrefixLength", 24)
}

fn v6(name: &str) -> Harness<Ipv6Address> {
    Harness::new(name).text("Address", "fd09::50").number("PrefixLength", 64)
}

fn settled<T: Resource>(harness: Harness<T>) -> (Opened<T>, State) {
    let address = harness.open().unwrap();
    address.online();
    let state = address.wait_settled();
    (address, state)
}

fn online<T: Resource>(harness: Harness<T>) -> Opened<T> {
    let (address, state) = settled(harness);
    assert_eq!(state, State::Online, "{:?}", address.lines());
    address
}

fn here(address: &str) -> bool {
    sh("ip address").contains(&format!("{address}/"))
}

fn said<T>(address: &Opened<T>, words: &[&str]) -> bool
where
    T: Resource,
{
    address.lines().iter().any(|line| words.iter().all(|word| line.contains(word)))
}

/// The failure's code.
fn code<T: Resource>(address: &Opened<T>) -> u32 {
    address.reports().last().expect("a report").code
}

#[test]
fn the_address_is_there_while_it_is_online() {
    if !alone("the_address_is_there_while_it_is_online", &["--net"]) {
        return;
    }
    cable();
    let address = v4("ip").open().unwrap();
    assert!(!address.is_alive());
    assert_eq!(address.online(), abi::ERROR_IO_PENDING);
    assert_eq!(address.wait_settled(), State::Online, "{:?}", address.lines());
    assert!(sh("ip address show dev near").contains("inet 10.9.0.50/24 brd 10.9.0.255"));
    assert!(address.is_alive() && address.looks_alive());
    sh(
        "ip netns exec far ping -c 1 -W 5 10.9.0.50 || ip netns exec far sh -c 'command -v ping && exit 1 || exit 0'",
    );
    address.offline();
    assert_eq!(address.wait_settled(), State::Offline);
    assert!(!here("10.9.0.50") && here("10.9.0.1"));
    // Again, with a mask, by name of the interface; terminated, and once more when nothing is there.
    drop(address);
    let harness = Harness::<IpAddress>::new("ip").text("Address", "10.9.0.50").text("Network", "near");
    let address = online(harness.text("SubnetMask", "255.255.255.0"));
    assert!(here("10.9.0.50"));
    address.terminate();
    address.terminate();
    assert!(!here("10.9.0.50"));
    assert_eq!(sh("ls /run/stead/addresses"), "", "no note is left");
}

#[test]
fn an_ipv6_address_is_there_when_the_kernel_has_looked_for_duplicates() {
    if !alone("an_ipv6_address_is_there_when_the_kernel_has_looked_for_duplicates", &["--net"]) {
        return;
    }
    cable();
    let address = online(v6("ip6"));
    let shown = sh("ip -6 address show dev near");
    let line = shown.lines().find(|line| line.contains("fd09::50/64")).expect("the address");
    assert!(!line.contains("tentative"), "{line}");
    assert!(address.is_alive() && address.looks_alive());
    address.offline();
    assert_eq!(address.wait_settled(), State::Offline);
    assert!(!here("fd09::50") && here("fd09::1"));
    // Taken by the far end: the kernel says so, and nothing stays.
    sh("ip -n far address add fd09::50/64 dev far nodad");
    address.online();
    assert_eq!(address.wait_settled(), State::Failed);
    assert_eq!(code(&address), abi::ERROR_CLUSTER_IPADDR_IN_USE);
    assert!(said(&address, &["fd09::50", "1049"]), "{:?}", address.lines());
    address.terminate();
    assert!(!here("fd09::50"));
}

#[test]
fn an_address_somebody_else_has_is_not_taken() {
    if !alone("an_address_somebody_else_has_is_not_taken", &["--net"]) {
        return;
    }
    cable();
    sh("ip -n far address add 10.9.0.50/24 dev far; ip -n far link set far address 02:00:00:00:00:07");
    let (address, state) = settled(v4("ip"));
    assert_eq!(state, State::Failed);
    assert_eq!(code(&address), abi::ERROR_CLUSTER_IPADDR_IN_USE);
    assert!(said(&address, &["10.9.0.50", "02:00:00:00:00:07", "1049"]), "{:?}", address.lines());
    address.terminate();
    assert!(!here("10.9.0.50"));
    // The same, configured here by an administrator: it stays, whatever happens to the resource.
    sh("ip -n far address del 10.9.0.50/24 dev far; ip address add 10.9.0.50/24 dev near");
    address.online();
    assert_eq!(address.wait_settled(), State::Failed);
    assert!(said(&address, &["ip address del 10.9.0.50/24 dev near"]), "{:?}", address.lines());
    address.terminate();
    drop(address);
    assert!(here("10.9.0.50"));
    // Another resource of this node, in whatever group: it stays where it is online.
    sh("ip address del 10.9.0.50/24 dev near");
    let first = online(v4("first"));
    let (second, state) = settled(v4("second"));
    assert_eq!(state, State::Failed);
    assert!(said(&second, &["held by resource \"first\""]), "{:?}", second.lines());
    second.terminate();
    assert!(first.is_alive());
}

#[test]
fn neighbours_that_knew_the_old_owner_are_told() {
    if !alone("neighbours_that_knew_the_old_owner_are_told", &["--net"]) {
        return;
    }
    cable();
    // A neighbour believes news only of entries older than its locktime.
    sh("ip netns exec far sh -c 'echo 0 > /proc/sys/net/ipv4/neigh/far/locktime'
        ip -n far neigh add 10.9.0.50 lladdr 02:00:00:00:00:66 dev far nud stale
        ip -n far neigh add fd09::50 lladdr 02:00:00:00:00:66 dev far nud stale");
    let own = sh("cat /proc/self/net/dev >/dev/null; ip -o link show near");
    let own = own.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap().to_owned();
    let known = |address: &str| sh(&format!("ip -n far neigh show {address}"));
    let first = online(v4("ip"));
    eventually("the far end knows the new owner", || known("10.9.0.50").contains(&own));
    let second = online(v6("ip6"));
    eventually("the far end knows the new owner", || known("fd09::50").contains(&own));
    drop((first, second));
}

#[test]
fn what_happens_to_the_address_is_seen_at_once() {
    if !alone("what_happens_to_the_address_is_seen_at_once", &["--net"]) {
        return;
    }
    cable();
    for (harm, repair, word) in [
        ("ip address del 10.9.0.50/24 dev near", "true", "removed it from near"),
        ("ip link set near down", "ip link set near up", "near is down"),
        ("ip -n far link set far down", "ip -n far link set far up", "no carrier"),
    ] {
        let address = online(v4("ip"));
        assert!(address.is_alive());
        sh(harm);
        eventually(word, || !address.is_alive());
        assert!(said(&address, &[word, "1077"]), "{word}: {:?}", address.lines());
        address.terminate();
        assert!(!here("10.9.0.50"), "{harm}");
        sh(repair);
        eventually("the carrier is back", || sh("ip link show near").contains("LOWER_UP"));
    }
    sh("ip link add name other type veth peer name another; ip link set other up; ip link set another up");
    let address = online(v4("ip").text("Interface", "other").number("OverrideAddressMatch", 1));
    sh("ip link del other");
    assert!(!address.is_alive());
    assert!(said(&address, &["interface is gone"]), "{:?}", address.lines());
    address.terminate();
}

#[test]
fn a_monitor_killed_leaves_an_address_that_the_next_one_removes() {
    const TEST: &str = "a_monitor_killed_leaves_an_address_that_the_next_one_removes";
    if inside().as_deref() == Some("hold") {
        // The monitor that is going to be killed.
        let _address = online(v4("ip"));
        let _second = online(v6("ip6"));
        println!("HELD");
        std::thread::park();
    }
    if !alone(TEST, &["--net"]) {
        return;
    }
    cable();
    let hold = || {
        let mut child = again(&["env"], TEST, "hold").stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        assert!(lines.map_while(Result::ok).any(|line| line.contains("HELD")), "the address is held");
        child
    };
    let kill = |mut child: std::process::Child| {
        child.kill().unwrap();
        child.wait().unwrap();
    };
    let first = hold();
    // While it lives its address is nobody's leftover.
    let other = Harness::<IpAddress>::new("other").text("Address", "10.9.0.51").number("PrefixLength", 24);
    let other = other.open().unwrap();
    assert!(here("10.9.0.50") && here("fd09::50"));
    kill(first);
    assert!(here("10.9.0.50") && here("fd09::50"), "an address outlives its monitor");
    // The next to open cleans up: the same resource, or any.
    let next = v4("ip").open().unwrap();
    assert!(!here("10.9.0.50") && !here("fd09::50"));
    assert!(said(&next, &["10.9.0.50", "\"ip\"", "left behind"]), "{:?}", next.lines());
    next.online();
    assert_eq!(next.wait_settled(), State::Online, "{:?}", next.lines());
    next.terminate();
    // Opened before the monitor died: coming online finds the leftover.
    kill(hold());
    other.online();
    assert_eq!(other.wait_settled(), State::Online, "{:?}", other.lines());
    assert!(!here("10.9.0.50") && here("10.9.0.51"));
    // With nobody to open, `stead undo` cleans up, and leaves alone what is online.
    kill(hold());
    assert!(here("10.9.0.50") && here("fd09::50"));
    assert_eq!(stead_clusres::undo(|_, _| ()), Vec::<String>::new());
    assert!(!here("10.9.0.50") && !here("fd09::50") && here("10.9.0.51"));
    // What an administrator has configured since is his.
    kill(hold());
    sh("ip address del 10.9.0.50/24 dev near; ip address add 10.9.0.50/24 dev near");
    drop(v4("ip").open().unwrap());
    assert!(here("10.9.0.50"));
    assert!(!here("fd09::50"));
}

#[test]
fn the_probe_port_is_answered_while_it_is_online() {
    if !alone("the_probe_port_is_answered_while_it_is_online", &["--net"]) {
        return;
    }
    cable();
    let address = online(v4("ip").number("ProbePort", 59_999));
    drop(TcpStream::connect("10.9.0.50:59999").unwrap());
    drop(TcpStream::connect("10.9.0.1:59999").unwrap());
    address.offline();
    assert_eq!(address.wait_settled(), State::Offline);
    assert!(TcpStream::connect("10.9.0.1:59999").is_err());
}

#[test]
fn interfaces_are_found_or_asked_for() {
    if !alone("interfaces_are_found_or_asked_for", &["--net"]) {
        return;
    }
    cable();
    let opened = v4("ip").open().unwrap();
    let text = |text: &str| Value::Sz(text.to_owned());
    let ip = ("Address", text("10.9.0.50"));
    let length = ("PrefixLength", Value::Dword(24));
    assert_eq!(opened.validate(&[ip.clone(), length.clone()]), (0, Vec::new()));
    sh("ip link add spare type veth peer name spare2; ip link set spare up; ip link set spare2 up");
    let elsewhere = ("Address", text("10.77.0.5"));
    for (list, words) in [
        (
            vec![elsewhere.clone(), length.clone()],
            vec!["Interface", "10.77.0.5", "near (10.9.0.1/24)", "1048"],
        ),
        (
            vec![ip.clone(), length.clone(), ("Interface", text("eth7"))],
            vec!["\"eth7\"", "near (10.9.0.1/24)"],
        ),
        (
            vec![elsewhere.clone(), length.clone(), ("Interface", text("near"))],
            vec!["10.77.0.5", "near", "OverrideAddressMatch", "1360"],
        ),
    ] {
        let (code, said) = opened.validate(&list);
        assert_ne!(code, 0, "{list:?}");
        assert!(words.iter().all(|word| said.iter().any(|line| line.contains(word))), "{words:?}: {said:?}");
    }
    let anyway = ("OverrideAddressMatch", Value::Dword(1));
    let near = ("Interface", text("near"));
    assert_eq!(opened.validate(&[elsewhere, length.clone(), near, anyway]).0, 0);
    sh("ip address add 10.9.0.3/24 dev spare");
    let (code, said) = opened.validate(&[ip, length]);
    assert_ne!(code, 0);
    assert!(said.iter().any(|line| line.contains("several") && line.contains("near, spare")), "{said:?}");
    // An interface that is down, or has lost its cable, says so.
    sh("ip address del 10.9.0.3/24 dev spare; ip link set near down");
    let (address, state) = settled(v4("ip").text("Interface", "near"));
    assert_eq!(state, State::Failed);
    assert!(said_remedy(&address), "{:?}", address.lines());
}

fn said_remedy(address: &Opened<IpAddress>) -> bool {
    said(address, &["near is down", "ip link set near up"])
}

#[test]
fn impossible_properties_are_refused() {
    let opened = v4("ip").open().unwrap();
    let text = |text: &str| Value::Sz(text.to_owned());
    let number = |number: u32| Value::Dword(number);
    for (list, words) in [
        (vec![("PrefixLength", number(24))], vec!["Address", "required"]),
        (vec![("Address", text("10.9.0.500")), ("PrefixLength", number(24))], vec!["10.9.0.500", "1047"]),
        (vec![("Address", text("fd00::1")), ("PrefixLength", number(24))], vec!["IPv4"]),
        (vec![("Address", text("0.0.0.0")), ("PrefixLength", number(24))], vec!["0.0.0.0"]),
        (vec![("Address", text("224.0.0.1")), ("PrefixLength", number(24))], vec!["one node"]),
        (vec![("Address", text("10.9.0.50"))], vec!["PrefixLength", "SubnetMask"]),
        (vec![("Address", text("10.9.0.50")), ("PrefixLength", number(33))], vec!["PrefixLength", "0 to 32"]),
        (
            vec![("Address", text("10.9.0.50")), ("SubnetMask", text("255.0.255.0"))],
            vec!["SubnetMask", "1046"],
        ),
        (
            vec![
                ("Address", text("10.9.0.50")),
                ("SubnetMask", text("255.255.0.0")),
                ("PrefixLength", number(24)),
            ],
            vec!["SubnetMask", "prefix of 16", "24"],
        ),
        (vec![("Address", text("10.9.0.0")), ("PrefixLength", number(24))], vec!["the network itself"]),
        (vec![("Address", text("10.9.0.255")), ("PrefixLength", number(24))], vec!["broadcast"]),
        (
            vec![("Address", text("10.9.0.5")), ("PrefixLength", number(24)), ("EnableDhcp", number(1))],
            vec!["EnableDhcp", "DHCP"],
        ),
        (
            vec![
                ("Address", text("10.9.0.5")),
                ("PrefixLength", number(24)),
                ("ProbeFailureThreshold", number(3)),
            ],
            vec!["ProbeFailureThreshold"],
        ),
        (
            vec![
                ("Address", text("10.9.0.5")),
                ("PrefixLength", number(24)),
                ("Interface", text("a")),
                ("Network", text("b")),
            ],
            vec!["Network", "Interface alone"],
        ),
    ] {
        let (code, said) = opened.validate(&list);
        assert_ne!(code, 0, "{list:?}");
        assert!(words.iter().all(|word| said.iter().any(|line| line.contains(word))), "{words:?}: {said:?}");
    }
    let opened = v6("ip6").open().unwrap();
    for (list, word) in [
        (vec![("Address", text("10.9.0.50")), ("PrefixLength", number(64))], "IPv6"),
        (vec![("Address", text("fd09::50"))], "PrefixLength"),
        (vec![("Address", text("ff02::1")), ("PrefixLength", number(64))], "one node"),
    ] {
        let (code, said) = opened.validate(&list);
        assert_ne!(code, 0, "{list:?}");
        assert!(said.iter().any(|line| line.contains(word)), "{word}: {said:?}");
    }
}

#[test]
fn without_the_permission_it_says_which() {
    const TEST: &str = "without_the_permission_it_says_which";
    if inside().as_deref() == Some("powerless") {
        let harness =
            Harness::<IpAddress>::new("ip").text("Address", "10.99.0.50").number("PrefixLength", 32);
        let harness = harness.text("Interface", "lo").number("OverrideAddressMatch", 1);
        let (address, state) = settled(harness);
        assert_eq!(state, State::Failed);
        assert!(said(&address, &["CAP_NET_ADMIN", "root"]), "{:?}", address.lines());
        return;
    }
    if !alone(TEST, &["--net"]) {
        return;
    }
    sh("ip link set lo up");
    // Root of a user namespace of its own has no power over the network it came with.
    for before in [
        vec!["unshare", "--user", "--map-root-user"],
        vec!["setpriv", "--bounding-set", "-net_admin,-net_raw", "--inh-caps", "-net_admin,-net_raw"],
    ] {
        let output = again(&before, TEST, "powerless").output().unwrap();
        let text =
            String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{before:?}: {text}");
    }
    assert!(!here("10.99.0.50"));
}
