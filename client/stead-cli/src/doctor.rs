//! `stead doctor`: what protects you on this machine, and what does not.

use std::fs;
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::io::Errno;
use serde::Serialize;
use stead_api::{Node, Status, routes};
use stead_membership::NodeFile;

use crate::client::{Client, Trouble};
use crate::show;

/// One thing looked at.
#[derive(Debug, Serialize)]
pub(crate) struct Finding {
    /// True if there is nothing to do about it.
    good: bool,
    what: &'static str,
    text: String,
}

fn finding(good: bool, what: &'static str, text: impl Into<String>) -> Finding {
    Finding { good, what, text: text.into() }
}

/// Looks. `containment` is what works here, and whether it is the best there is.
pub(crate) async fn examine(data: &Path, containment: (bool, &str)) -> Vec<Finding> {
    let client = Client::new(data);
    let status = client.get::<Status>(routes::STATUS).await;
    let file = NodeFile::read(data);
    let own = status.as_ref().ok().and_then(|status| own(status, file.as_ref().ok()?.as_ref()));
    let in_force = own.map(|node| node.containment.clone()).filter(|text| !text.is_empty());
    let guarantee = own.map(|node| node.guarantee.clone());
    let mut findings = vec![match in_force {
        Some(other) if other != containment.1 => {
            let best =
                if containment.0 { format!("; possible here: {}", containment.1) } else { String::new() };
            finding(false, "containment", format!("in force: {other}{best}"))
        }
        Some(_) | None => finding(containment.0, "containment", containment.1),
    }];
    let root = rustix::process::geteuid().is_root();
    findings.push(finding(
        root,
        "user",
        if root {
            "root: groups may use every user, mount and namespace"
        } else {
            "an ordinary user: resources run as this user; types that mount or own addresses need root"
        },
    ));
    findings.push(database(data));
    findings.push(node(status));
    findings.push(watchdog(Path::new("/dev/watchdog").exists(), file.as_ref().ok().and_then(Option::as_ref)));
    findings.extend(clock(&fs::read_to_string(CLOCK).unwrap_or_default()));
    findings.push(machines(file, guarantee));
    if let Ok(Some(file)) = NodeFile::read(data) {
        findings.extend(file.expiring(data).into_iter().map(|text| finding(false, "certificate", text)));
        findings.extend(fences(&file));
    }
    let memory = Path::new("/sys/fs/cgroup/cgroup.controllers").exists();
    let text = "groups share the machine's memory: one that takes it all harms the others";
    let there =
        if memory { "cgroups are here and not used yet" } else { "there is no unified cgroup hierarchy" };
    findings.push(finding(false, "memory", format!("{text}; {there}")));
    findings
}

/// This machine's node, among those of its cluster.
fn own<'s>(status: &'s Status, file: Option<&NodeFile>) -> Option<&'s Node> {
    let of = |file: &NodeFile| status.nodes.iter().find(|node| node.name.eq_ignore_ascii_case(&file.node));
    file.map_or(status.nodes.first(), of)
}

/// `there`: the usual device exists. What it is for is a cluster of several machines.
fn watchdog(there: bool, file: Option<&NodeFile>) -> Finding {
    let uncovered = "what no signal ends, such as a process that waits for a disk for ever, is not covered";
    let (good, text) = match file {
        None if there => (false, "there is one, which a single machine does not use".to_owned()),
        None => (false, "there is none".to_owned()),
        Some(file) => match (&file.watchdog, there) {
            (Some(device), _) => {
                let device = device.display();
                (
                    true,
                    format!(
                        "node.toml names {device}, so that the others wait until it has reset this machine"
                    ),
                )
            }
            (None, true) => {
                let text = "there is one, and node.toml does not name it: it is not used, and the others do not wait for it";
                (false, text.to_owned())
            }
            (None, false) => (false, format!("there is none: {uncovered}")),
        },
    };
    finding(good, "watchdog", text)
}

fn machines(file: Result<Option<NodeFile>, stead_membership::Trouble>, guarantee: Option<String>) -> Finding {
    match file {
        Ok(None) => finding(
            false,
            "machines",
            "one: what runs here does not fail over; a power cut stops it until this machine is back",
        ),
        Ok(Some(file)) => {
            let (node, cluster) = (file.node, file.cluster.name);
            let promise = guarantee.map(|text| format!("; {text}")).unwrap_or_default();
            let text = format!(
                "node {node} of cluster {cluster}{promise}; `stead cluster status` looks at the others"
            );
            finding(true, "machines", text)
        }
        Err(error) => finding(false, "machines", error.to_string()),
    }
}

/// The devices that switch other machines off.
fn fences(file: &NodeFile) -> Vec<Finding> {
    let bad: Vec<Finding> =
        file.bad_devices().into_iter().map(|text| finding(false, "fence", text)).collect();
    if file.fence.is_empty() {
        let text = "there is no device: whoever takes over from a machine that hangs waits for its lease, and a machine whose \
                    clock stands still is not covered; [[fence]] in node.toml names one";
        return vec![finding(false, "fence", text)];
    }
    if !bad.is_empty() {
        return bad;
    }
    let one = |device: &stead_fence::Device| {
        let nodes: Vec<&str> = device.nodes.keys().map(String::as_str).collect();
        format!("{} ({}) switches off {}", device.name, device.agent, nodes.join(", "))
    };
    let all: Vec<String> = file.fence.iter().map(one).collect();
    vec![finding(true, "fence", format!("{}; `stead node fence NODE --test` asks it", all.join("; ")))]
}

/// Which clock the kernel goes by.
const CLOCK: &str = "/sys/devices/system/clocksource/clocksource0/current_clocksource";

/// A lease is kept by the machine's own clock: one that stands still while the machine is paused keeps nothing.
fn clock(source: &str) -> Option<Finding> {
    let text = "kvm-clock: it stands still while the hypervisor pauses this machine, and so do the timers that end what runs \
                here when its lease has run out; as one of several machines it needs a fence agent";
    (source.trim() == "kvm-clock").then(|| finding(false, "clock", text))
}

fn database(data: &Path) -> Finding {
    let existing = data.ancestors().find(|folder| folder.exists() && !folder.as_os_str().is_empty());
    let folder = existing.unwrap_or(Path::new("."));
    let allowed = rustix::fs::access(folder, rustix::fs::Access::WRITE_OK).is_ok();
    // A file system that has failed may say that it can be written to and refuse all the same: a file without a name tells.
    let (flags, mode) = (OFlags::TMPFILE | OFlags::WRONLY | OFlags::CLOEXEC, Mode::RUSR | Mode::WUSR);
    let refuses = matches!(rustix::fs::open(folder, flags, mode), Err(Errno::ROFS | Errno::IO));
    let writable = allowed && !refuses;
    let space = rustix::fs::statvfs(folder).map(|space| space.f_bavail.saturating_mul(space.f_frsize));
    let volatile = fs::read_to_string("/proc/self/mountinfo").is_ok_and(|mounts| {
        let real = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
        let of = |line: &str| {
            let mut fields = line.split(' ');
            let point = fields.nth(4)?.to_owned();
            let kind = line.split(" - ").nth(1)?.split(' ').next()?.to_owned();
            real.starts_with(&point).then_some((point.len(), kind))
        };
        mounts.lines().filter_map(of).max().is_some_and(|(_, kind)| kind == "tmpfs" || kind == "ramfs")
    });
    let shown = folder.display();
    match (writable, space) {
        (false, _) => {
            finding(false, "database", format!("{shown} cannot be written to; choose another --data"))
        }
        (true, Err(error)) => finding(false, "database", format!("{shown}: {error}")),
        (true, Ok(_)) if volatile => {
            finding(false, "database", format!("{shown} is in memory: a reboot loses the configuration"))
        }
        (true, Ok(bytes)) => {
            let mib = bytes >> 20;
            finding(
                mib >= 64,
                "database",
                format!("{shown}: {mib} MiB free; what is acknowledged survives power loss"),
            )
        }
    }
}

fn node(status: Result<Status, Trouble>) -> Finding {
    match status {
        Ok(status) => {
            let online = status.groups.iter().filter(|group| group.state == "Online").count();
            let restarts = status.nodes.first().map_or(0, |node| node.restarts);
            let text = format!(
                "it answers; {online} of {} groups are Online; its process was restarted {restarts} times",
                status.groups.len()
            );
            finding(restarts == 0, "node", text)
        }
        Err(trouble) => finding(false, "node", trouble.text),
    }
}

/// Prints what was found.
pub(crate) fn print(findings: &[Finding], json: bool) {
    if json {
        show::json(&findings);
        return;
    }
    for Finding { good, what, text } in findings {
        let (style, word) = if *good { (show::GOOD, "good") } else { (show::ODD, "note") };
        show::out(&format!("{style}{word}{style:#}  {what}: {text}"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clock_that_a_hypervisor_stops_is_told() {
        let found = clock("kvm-clock\n").unwrap();
        assert!(!found.good && found.text.contains("fence agent"), "{}", found.text);
        assert!(clock("tsc\n").is_none() && clock("").is_none());
    }

    fn node_file(watchdog: &str) -> NodeFile {
        let text = format!(
            "node = \"n2\"\n{watchdog}\n[cluster]\nname = \"prod\"\nid = \"ab\"\n[etcd]\nendpoints = [\"http://10.0.0.1:2379\"]"
        );
        NodeFile::parse(Path::new("node.toml"), &text).unwrap()
    }

    #[test]
    fn of_several_nodes_the_one_of_this_machine_is_looked_at() {
        let node = |name: &str| Node {
            name: name.to_owned(),
            state: "Up".to_owned(),
            version: String::new(),
            containment: String::new(),
            guarantee: String::new(),
            restarts: 0,
            paused: false,
            drain: None,
            quarantine: None,
            quarantine_ends_ms: None,
            session: None,
            seen_ms_ago: None,
            renewed_ms_ago: None,
            renewed_every_ms: None,
            coordinator: false,
        };
        let status =
            Status { nodes: vec![node("n1"), node("n2")], groups: Vec::new(), no_contact_since_ms: None };
        let name = |file: Option<&NodeFile>| own(&status, file).map(|node| node.name.as_str());
        assert_eq!((name(Some(&node_file(""))), name(None)), (Some("n2"), Some("n1")));
        let told = machines(Ok(Some(node_file(""))), Some("it ends in time".to_owned()));
        assert!(told.good && told.text.contains("prod; it ends in time;"), "{}", told.text);
    }

    #[test]
    fn a_watchdog_that_others_do_not_count_on_is_told() {
        assert!(watchdog(true, None).text.contains("single machine"));
        let named = node_file("watchdog = \"/dev/watchdog1\"");
        assert!(watchdog(false, Some(&named)).good);
        let unnamed = watchdog(true, Some(&node_file("")));
        assert!(!unnamed.good && unnamed.text.contains("do not wait"), "{}", unnamed.text);
        assert!(watchdog(false, Some(&node_file(""))).text.contains("not covered"));
    }
}
