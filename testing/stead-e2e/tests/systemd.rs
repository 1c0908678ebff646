//! *Generic Service* under a systemd that is one: process 1 of a namespace of its own, with units that exist nowhere else.
//!
//! The test starts itself again as a service of that systemd; what is asserted is asserted in there.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use stead_e2e::{Node, alive, kill, until};

/// Said to the copy that runs as a service.
const INSIDE: &str = "STEAD_E2E_INSIDE";

/// Where systemd is.
const PROGRAMS: [&str; 2] = ["/lib/systemd/systemd", "/usr/lib/systemd/systemd"];

/// Longer means that something hangs.
const LONGEST: Duration = Duration::from_secs(240);

/// What process 1 is before it becomes systemd. Nothing is mounted, written or changed outside the namespaces.
const SETTLE: &str = r#"
set -e
mount --make-rprivate /
mount -t proc proc /proc
mount --bind /proc/sys /proc/sys && mount -o remount,bind,ro /proc/sys
mount --bind /etc /etc && mount -o remount,bind,ro /etc
umount -R /sys/fs/cgroup 2>/dev/null || true
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mount -t tmpfs tmpfs /run
mkdir -p /run/lock /run/systemd/system /run/units
cp "$FOLDER"/units/* /run/units/
: > "$FOLDER/console"
mount --bind "$FOLDER/console" /dev/console
export container=stead-e2e SYSTEMD_UNIT_PATH=/run/units
exec "$SYSTEMD" --system --log-level=info --log-target=console < /dev/null
"#;

/// A folder of control groups that goes with what is in it.
struct Groups(String);

impl Drop for Groups {
    fn drop(&mut self) {
        let found = Command::new("find").args([&self.0, "-depth", "-type", "d"]).output().unwrap();
        for folder in String::from_utf8_lossy(&found.stdout).lines() {
            let _ = fs::remove_dir(folder);
        }
    }
}

/// The folder in which control groups of version 2 are mounted.
fn unified() -> Option<String> {
    let mounts = fs::read_to_string("/proc/self/mounts").ok()?;
    let mut mounts = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    mounts.find(|fields| fields.get(2) == Some(&"cgroup2")).map(|fields| fields[1].to_owned())
}

/// Why there can be no systemd of our own here.
fn impossible() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("only root can make namespaces".to_owned());
    }
    if !PROGRAMS.iter().any(|program| Path::new(program).exists()) {
        return Some("systemd is not installed (package systemd)".to_owned());
    }
    if Command::new("dbus-daemon").arg("--version").output().is_err() {
        return Some("dbus-daemon is not installed (package dbus)".to_owned());
    }
    if unified().is_none() {
        return Some("no control groups of version 2 are mounted".to_owned());
    }
    let mut namespaces = Command::new("unshare");
    namespaces.args(["--pid", "--mount", "--cgroup", "--uts", "--ipc", "--net", "--fork", "true"]);
    if !namespaces.status().is_ok_and(|status| status.success()) {
        return Some("no namespaces can be made here".to_owned());
    }
    None
}

fn unit(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join("units").join(name), text).unwrap();
}

#[test]
fn generic_service_under_systemd() {
    if std::env::var_os(INSIDE).is_some() {
        inside();
        return;
    }
    if let Some(why) = impossible() {
        eprintln!("SKIPPED: {why}");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let place = folder.path().display().to_string();
    fs::create_dir(folder.path().join("units")).unwrap();
    for target in ["sysinit.target", "basic.target", "shutdown.target", "umount.target"] {
        unit(folder.path(), target, "[Unit]\nDefaultDependencies=no\n");
    }
    unit(folder.path(), "default.target", "[Unit]\nDefaultDependencies=no\nWants=trial.service\n");
    let program = std::env::current_exe().unwrap();
    let trial = format!(
        "[Unit]\nDefaultDependencies=no\nWants=dbus.service\nAfter=dbus.service\nSuccessAction=exit-force\nFailureAction=exit-force\n\
         [Service]\nType=exec\nEnvironment={INSIDE}=1 PATH={}\nStandardOutput=file:{place}/said\n\
         StandardError=file:{place}/said\nDelegate=yes\n\
         ExecStart={} --exact generic_service_under_systemd --nocapture\n",
        std::env::var("PATH").unwrap(),
        program.display()
    );
    unit(folder.path(), "trial.service", &trial);
    // As the package has them: a Resource Monitor asks systemd by the bus.
    let socket = "[Socket]\nListenStream=/run/dbus/system_bus_socket\n";
    unit(folder.path(), "dbus.socket", &format!("[Unit]\nDefaultDependencies=no\n{socket}"));
    let bus = "Type=notify\nNotifyAccess=main\n\
               ExecStart=dbus-daemon --system --address=systemd: --nofork --nopidfile --systemd-activation\n";
    unit(
        folder.path(),
        "dbus.service",
        &format!("[Unit]\nDefaultDependencies=no\nRequires=dbus.socket\n[Service]\n{bus}"),
    );
    let plain = "[Unit]\nDefaultDependencies=no\n[Service]\n";
    unit(folder.path(), "pulse.service", &format!("{plain}ExecStart=/bin/sleep infinity\n"));
    unit(folder.path(), "broken.service", &format!("{plain}Type=oneshot\nExecStart=/bin/false\n"));
    let deaf = "ExecStart=/bin/sh -c 'trap \"\" TERM; while :; do sleep 1; done'\nTimeoutStopSec=1\n";
    unit(folder.path(), "deaf.service", &format!("{plain}{deaf}"));
    let base = format!("{}/stead-e2e-{}", unified().unwrap(), std::process::id());
    fs::create_dir(&base).unwrap();
    let groups = Groups(base);
    let systemd = PROGRAMS.iter().find(|program| Path::new(program).exists()).unwrap();
    // Its root of control groups is the group in which the namespace is made.
    let enter = format!(
        "echo $$ > {}/cgroup.procs; exec unshare --pid --fork --kill-child=KILL --mount --cgroup --uts --ipc \
         --net sh -c \"$SETTLE\"",
        groups.0
    );
    let output = fs::File::create(folder.path().join("output")).unwrap();
    let mut pid1 = Command::new("sh")
        .args(["-c", &enter])
        .envs([("SETTLE", SETTLE), ("FOLDER", &place), ("SYSTEMD", systemd)])
        .stdin(Stdio::null())
        .stdout(output.try_clone().unwrap())
        .stderr(output)
        .spawn()
        .unwrap();
    let began = Instant::now();
    let ended = loop {
        if let Some(status) = pid1.try_wait().unwrap() {
            break Some(status);
        }
        if began.elapsed() > LONGEST {
            // With it goes everything in its namespace.
            pid1.kill().unwrap();
            pid1.wait().unwrap();
            break None;
        }
        std::thread::sleep(Duration::from_millis(50));
    };
    let told = ["output", "console", "said"].map(|name| {
        let text = fs::read_to_string(folder.path().join(name)).unwrap_or_default();
        format!("--- {name}\n{text}")
    });
    assert!(ended.is_some_and(|status| status.success()), "{ended:?}\n{}", told.join("\n"));
    assert!(told[2].contains("1 passed"), "{}", told.join("\n"));
}

const CONFIG: &str = r#"
[[group]]
name = "service"
[[group.resource]]
name = "pulse"
type = "Generic Service"
common = { RestartDelay = 0, LooksAlivePollInterval = 200, RestartThreshold = 100 }
properties = { ServiceName = "pulse" }
"#;

fn one(name: &str) -> String {
    format!(
        "\n[[group]]\nname = \"{name}\"\n[[group.resource]]\nname = \"{name}\"\ntype = \"Generic Service\"\n\
         common = {{ RestartThreshold = 0, RetryPeriodOnFailure = 4294967295 }}\n\
         properties = {{ ServiceName = \"{name}\" }}\n"
    )
}

fn systemctl(arguments: &[&str]) -> String {
    let output = Command::new("systemctl").args(arguments).output().unwrap();
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

/// The main process of a unit that is active.
fn main_process(unit: &str) -> Option<u64> {
    let active = systemctl(&["is-active", unit]) == "active";
    let process: u64 = systemctl(&["show", "--property", "MainPID", "--value", unit]).parse().unwrap();
    (active && process != 0).then_some(process)
}

/// Waits until the unit has another main process than `old`, and its resource knows.
fn another(node: &Node, old: u64) -> u64 {
    until("the unit runs again", || {
        let process = main_process("pulse.service").filter(|process| *process != old)?;
        (node.state("pulse") == "Online" && alive(process)).then_some(process)
    })
}

fn inside() {
    assert_eq!(fs::read_to_string("/proc/1/comm").unwrap().trim(), "systemd");
    let mut node = Node::up(CONFIG);
    node.wait("pulse", "Online");
    let first = main_process("pulse.service").expect("the unit is active");
    assert!(!node.everything().contains(&first), "it is systemd's process, not ours");
    // Its process dies.
    kill(first);
    let second = another(&node, first);
    // Somebody stops it behind the cluster's back.
    systemctl(&["stop", "pulse.service"]);
    let third = another(&node, second);
    assert!(!alive(second));
    // The Resource Monitor dies: the next one takes over what systemd runs, or starts it again, and never has two.
    kill(node.processes("monitor")[0]);
    until("the monitor is another", || {
        node.events().iter().any(|text| text.contains("was lost")).then_some(())
    });
    let fourth = another(&node, 0);
    assert!(fourth == third || !alive(third));
    // What is asked for by people.
    node.ok(&["resource", "offline", "pulse"]);
    assert_eq!(systemctl(&["is-active", "pulse.service"]), "inactive");
    assert!(!alive(fourth));
    node.ok(&["resource", "online", "pulse"]);
    let fifth = main_process("pulse.service").expect("the unit is active");
    node.ok(&["resource", "restart", "pulse"]);
    let sixth = another(&node, fifth);
    assert!(!alive(fifth));
    // Units that cannot be started, or do not exist, are named with the reason; one that is deaf is stopped by systemd.
    let config = format!("{CONFIG}{}{}{}", one("broken"), one("missing"), one("deaf"));
    fs::write(node.config(), &config).unwrap();
    node.run(&["apply", node.config().to_str().unwrap(), "--no-wait"]);
    node.wait("deaf", "Online");
    for (name, why) in [("broken", "could not be started"), ("missing", "systemd knows no such unit")] {
        node.wait(name, "Failed");
        until("the log says why", || {
            let log = fs::read_to_string(node.data().join("log/node.log")).unwrap();
            log.lines()
                .any(|line| line.contains(&format!("{name}.service")) && line.contains(why))
                .then_some(())
        });
    }
    let deaf = main_process("deaf.service").expect("the unit is active");
    node.ok(&["resource", "offline", "deaf"]);
    assert!(!alive(deaf));
    node.ok(&["resource", "online", "deaf"]);
    assert_eq!(main_process("pulse.service"), Some(sixth), "nobody else was touched");
    // The end of the cluster is the end of its services.
    assert_eq!(node.end(), 0);
    for unit in ["pulse.service", "deaf.service", "broken.service"] {
        assert!(main_process(unit).is_none(), "{unit} still runs");
    }
}
