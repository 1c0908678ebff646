//! *OCF Agent* with agents of Debian's `resource-agents` and the programs they run, as they are installed.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod common;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use common::{Place, alone, eventually, sh, skip};
use stead_clusres::OcfAgent;
use stead_sdk::testing::{Harness, Opened, State};

/// True inside, where the agent and what it needs are installed.
fn ready(test: &str, agent: &str, programs: &[&str]) -> bool {
    if !Path::new("/usr/lib/ocf/resource.d/heartbeat").join(agent).exists() {
        skip(&format!("{test}: ocf:heartbeat:{agent} is not installed (package resource-agents)"));
        return false;
    }
    if let Some(missing) = programs.iter().find(|program| !Path::new(program).exists()) {
        skip(&format!("{test}: {missing} is not installed"));
        return false;
    }
    if !alone(test, &["--net"]) {
        return false;
    }
    sh("ip link set lo up");
    true
}

fn harness(agent: &str) -> Harness<OcfAgent> {
    Harness::new("real one").text("Agent", &format!("ocf:heartbeat:{agent}"))
}

fn online(harness: Harness<OcfAgent>) -> Opened<OcfAgent> {
    let agent = harness.open().unwrap();
    agent.online();
    assert_eq!(agent.wait_settled(), State::Online, "{:?}", agent.lines());
    agent
}

/// A whole life: online, healthy, harmed and seen to be, terminated, online again, offline.
fn live(agent: &Opened<OcfAgent>, works: impl Fn() -> bool, harm: impl Fn()) {
    assert!(agent.is_alive() && agent.looks_alive(), "{:?}", agent.lines());
    assert!(works());
    harm();
    eventually("the harm is seen", || !agent.is_alive());
    agent.terminate();
    assert!(!works());
    agent.online();
    assert_eq!(agent.wait_settled(), State::Online, "{:?}", agent.lines());
    assert!(works());
    agent.offline();
    assert_eq!(agent.wait_settled(), State::Offline, "{:?}", agent.lines());
    assert!(!works() && !agent.is_alive());
}

/// Kills the process in a file of its number, and waits until it is gone.
fn kill(pid_file: &Path) {
    let text = fs::read_to_string(pid_file).unwrap();
    let process: u32 = text.lines().next().unwrap().trim().parse().unwrap();
    sh(&format!("kill -9 {process}"));
    eventually("it is dead", || !common::runs(process));
}

#[test]
fn dummy() {
    if !ready("dummy", "Dummy", &[]) {
        return;
    }
    let place = Place::new();
    let state = place.path("state");
    let agent = online(harness("Dummy").text("state", &place.shown("state")));
    live(&agent, || state.exists(), || fs::remove_file(&state).unwrap());
    // By default its state is where agents keep theirs, under a name that is fit for a file.
    let agent = online(harness("Dummy"));
    let list = sh("ls /run/resource-agents");
    assert!(list.contains("Dummy-real_one-"), "{list}");
    agent.terminate();
}

#[test]
fn ipaddr2() {
    if !ready("ipaddr2", "IPaddr2", &["/usr/sbin/ip"]) {
        return;
    }
    sh("ip link add near type veth peer name far; ip link set near up; ip link set far up
        ip address add 10.8.0.1/24 dev near");
    let harness = harness("IPaddr2").text("ip", "10.8.0.50").number("cidr_netmask", 24).text("nic", "near");
    let agent = online(harness);
    let works = || sh("ip address show dev near").contains("10.8.0.50/24");
    live(&agent, works, || drop(sh("ip address del 10.8.0.50/24 dev near")));
}

#[test]
fn filesystem() {
    if !ready("filesystem", "Filesystem", &["/usr/sbin/mkfs.ext4", "/usr/sbin/losetup", "/sbin/modprobe"]) {
        return;
    }
    let place = Place::new();
    let (image, folder) = (place.shown("image"), place.shown("mnt"));
    sh(&format!("truncate -s 64M {image}; mkfs.ext4 -q {image}; mkdir {folder}"));
    let disk = sh(&format!("losetup --find --show {image}")).trim().to_owned();
    let harness =
        harness("Filesystem").text("device", &disk).text("directory", &folder).text("fstype", "ext4");
    let agent = online(harness);
    let works = || fs::read_to_string("/proc/self/mountinfo").unwrap().contains(&folder);
    live(&agent, works, || drop(sh(&format!("umount {folder}"))));
    sh(&format!("losetup --detach {disk}"));
}

#[test]
fn nginx() {
    if !ready("nginx", "nginx", &["/usr/sbin/nginx"]) {
        return;
    }
    let place = Place::new();
    let folder = place.shown("");
    let config = format!(
        "user root;\npid {folder}/pid;\nerror_log {folder}/error.log;\nevents {{}}\nhttp {{\n access_log off;\n \
         client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fast;\n \
         uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;\n server {{ listen 127.0.0.1:8080; return 200 ok; }}\n}}\n"
    );
    fs::write(place.path("nginx.conf"), config).unwrap();
    let agent = online(
        harness("nginx")
            .text("configfile", &place.shown("nginx.conf"))
            .text("httpd", "/usr/sbin/nginx")
            .number("port", 8080),
    );
    let works = || std::net::TcpStream::connect("127.0.0.1:8080").is_ok();
    // Killed outright, its workers would serve on: they are nobody's children and have overwritten their environment.
    live(&agent, works, || {
        sh(&format!("kill $(cat {folder}/pid)"));
        eventually("it has ended", || !works());
    });
}

#[test]
fn redis() {
    if !ready("redis", "redis", &["/usr/bin/redis-server", "/usr/bin/redis-cli"]) {
        return;
    }
    let place = Place::new();
    let folder = place.shown("");
    fs::write(place.path("redis.conf"), format!("bind 127.0.0.1\nport 6390\ndir {folder}\nsave \"\"\n"))
        .unwrap();
    sh(&format!("chmod 755 {folder}; chown -R redis {folder}"));
    let agent = online(
        harness("redis")
            .number("RunUnpromoted", 1)
            .text("config", &place.shown("redis.conf"))
            .text("rundir", &place.shown("run"))
            .text("port", "6390"),
    );
    let works = || std::net::TcpStream::connect("127.0.0.1:6390").is_ok();
    live(&agent, works, || kill(&place.path("run/redis-server.pid")));
}

#[test]
fn pgsql() {
    // Debian keeps a folder a version.
    let folders = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let newest: Option<PathBuf> = folders.map(|folder| folder.path().join("bin")).max();
    let binaries = newest.unwrap_or_else(|| "/usr/lib/postgresql/bin".into());
    let pg_ctl = binaries.join("pg_ctl").display().to_string();
    if !ready("pgsql", "pgsql", &[&pg_ctl]) {
        return;
    }
    let place = Place::new();
    let data = place.shown("data");
    sh(&format!(
        "chmod 755 {0}; mkdir {0}/sockets; chown -R postgres {0}; \
         setpriv --reuid postgres --regid postgres --init-groups {1}/initdb -D {data} > /dev/null",
        place.shown(""),
        binaries.display()
    ));
    sh(&format!("echo \"unix_socket_directories = '{}'\" >> {data}/postgresql.conf", place.shown("sockets")));
    let agent = online(
        harness("pgsql")
            .number("RunUnpromoted", 1)
            .text("pgctl", &pg_ctl)
            .text("pgdata", &data)
            .text("config", &format!("{data}/postgresql.conf"))
            .text("socketdir", &place.shown("sockets"))
            .text("logfile", &place.shown("log"))
            .number("pgport", 5490),
    );
    let works = || std::net::TcpStream::connect("127.0.0.1:5490").is_ok();
    live(&agent, works, || kill(&place.path("data/postmaster.pid")));
    let left = Command::new("pgrep").args(["-f", &data]).output().unwrap();
    assert!(left.stdout.is_empty(), "{}", String::from_utf8_lossy(&left.stdout));
}
