//! A cluster of real etcd processes on loopback, which dies with the test.

use std::fs::File;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use stead_store::{Guard, Operation, Outcome, Store, StoreError, Transaction};
use stead_store_etcd::{EtcdStore, Options, Start};

/// What takes longer hangs.
pub(crate) const HUNG: Duration = Duration::from_secs(60);

/// A program, installed or unpacked by `cargo xtask test`.
fn program(name: &str) -> Option<PathBuf> {
    let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/usr/bin").join(name);
    let version = if name == "etcdctl" { "version" } else { "--version" };
    [PathBuf::from(name), unpacked].into_iter().find(|path| runs(path, version))
}

/// True if that program tells its version, and so is there and one for this machine.
fn runs(program: &Path, version: &str) -> bool {
    let quiet = Command::new(program).arg(version).env("ETCDCTL_API", "3").stdout(Stdio::null()).status();
    quiet.is_ok_and(|status| status.success())
}

/// The etcd that every other test is against; without it, it is said.
pub(crate) fn installed() -> Option<PathBuf> {
    let (Some(program), Some(_)) = (program("etcd"), program("etcdctl")) else {
        eprintln!("SKIPPED: etcd is not there; apt-get install etcd-server etcd-client, or cargo xtask test");
        return None;
    };
    Some(program)
}

/// The etcd of other releases of Debian, as `cargo xtask test` unpacks them; without any it is said.
pub(crate) fn others() -> Vec<PathBuf> {
    let tools = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools");
    let all = ["trixie", "sid"].map(|release| tools.join(release).join("usr/bin/etcd"));
    let found: Vec<PathBuf> = all.into_iter().filter(|path| runs(path, "--version")).collect();
    if found.is_empty() {
        eprintln!(
            "SKIPPED: no other version of etcd is there; cargo xtask test unpacks those of Debian's trixie and sid below \
             target/tools if apt-get reaches http://deb.debian.org"
        );
    }
    found
}

fn free_port(address: Ipv4Addr) -> u16 {
    TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port()
}

struct Member {
    program: PathBuf,
    name: String,
    client: String,
    peer: String,
    process: Option<Child>,
}

/// The members. All are killed when it is dropped.
pub(crate) struct Cluster {
    folder: tempfile::TempDir,
    members: Vec<Member>,
    flags: Vec<String>,
}

impl Cluster {
    /// A running cluster, or nothing, said loudly, where etcd is not installed.
    pub(crate) fn start(members: usize) -> Option<Self> {
        Cluster::start_with(members, "http", |_, _| Vec::new())
    }

    /// A running cluster whose members are these programs.
    pub(crate) fn start_of(programs: &[PathBuf]) -> Self {
        Cluster::make(programs, "http", |_, _| Vec::new())
    }

    /// The same with more flags, made from the cluster's folder and the members' addresses, and `http` or `https` for
    /// clients.
    pub(crate) fn start_with(
        members: usize,
        scheme: &str,
        flags: impl FnOnce(&Path, &[String]) -> Vec<String>,
    ) -> Option<Self> {
        let program = installed()?;
        Some(Cluster::make(&vec![program; members], scheme, flags))
    }

    fn make(programs: &[PathBuf], scheme: &str, flags: impl FnOnce(&Path, &[String]) -> Vec<String>) -> Self {
        static ADDRESSES: AtomicUsize = AtomicUsize::new(1);
        let folder = tempfile::tempdir().unwrap();
        let addresses: Vec<Ipv4Addr> = programs
            .iter()
            .map(|_| {
                // An address of their own keeps the ports free while a member is down.
                let [_, _, high, low] = std::process::id().to_be_bytes();
                let last = ADDRESSES.fetch_add(1, Ordering::Relaxed);
                Ipv4Addr::new(127, 128 | high, low, u8::try_from(last % 250 + 1).unwrap())
            })
            .collect();
        let names: Vec<String> = addresses.iter().map(ToString::to_string).collect();
        let flags = flags(folder.path(), &names);
        let member = |number: usize| {
            let address = addresses[number];
            Member {
                program: programs[number].clone(),
                name: format!("m{number}"),
                client: format!("{scheme}://{address}:{}", free_port(address)),
                peer: format!("http://{address}:{}", free_port(address)),
                process: None,
            }
        };
        let members = (0..programs.len()).map(member).collect();
        let mut cluster = Cluster { folder, members, flags };
        for number in 0..cluster.members.len() {
            cluster.run(number);
        }
        cluster
    }

    fn data(&self, number: usize) -> PathBuf {
        self.folder.path().join(&self.members[number].name)
    }

    /// Starts a member, again if it ran before.
    pub(crate) fn run(&mut self, number: usize) {
        let all: Vec<String> =
            self.members.iter().map(|member| format!("{}={}", member.name, member.peer)).collect();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join(format!("{number}.log")))
            .unwrap();
        let member = &self.members[number];
        let process = Command::new(&member.program)
            .args(["--name", &member.name])
            .arg("--data-dir")
            .arg(self.data(number))
            .args(["--listen-client-urls", &member.client, "--advertise-client-urls", &member.client])
            .args(["--listen-peer-urls", &member.peer, "--initial-advertise-peer-urls", &member.peer])
            .args(["--initial-cluster", &all.join(","), "--initial-cluster-state", "new"])
            .args(["--logger", "zap", "--log-level", "error"])
            .args(&self.flags)
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .unwrap();
        self.members[number].process = Some(process);
    }

    fn pid(&self, number: usize) -> Pid {
        Pid::from_child(self.members[number].process.as_ref().expect("it runs"))
    }

    pub(crate) fn kill(&mut self, number: usize) {
        let mut process = self.members[number].process.take().expect("it runs");
        process.kill().unwrap();
        process.wait().unwrap();
    }

    pub(crate) fn freeze(&self, number: usize) {
        kill_process(self.pid(number), Signal::STOP).unwrap();
    }

    pub(crate) fn thaw(&self, number: usize) {
        kill_process(self.pid(number), Signal::CONT).unwrap();
    }

    pub(crate) fn endpoints(&self) -> Vec<String> {
        self.members.iter().map(|member| member.client.clone()).collect()
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Which member leads.
    pub(crate) fn leader(&self) -> usize {
        let begin = Instant::now();
        loop {
            let text = self.try_ctl(&["endpoint", "status", "--write-out", "json"]).unwrap_or_default();
            let status: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            let found = status.as_array().and_then(|all| {
                let leads = |one: &&serde_json::Value| {
                    let status = &one["Status"];
                    status["leader"] != 0 && status["leader"] == status["header"]["member_id"]
                };
                all.iter().find(leads).and_then(|one| one["Endpoint"].as_str())
            });
            if let Some(url) = found {
                return self.members.iter().position(|member| member.client == url).unwrap();
            }
            assert!(begin.elapsed() < HUNG, "no leader: {text}");
        }
    }

    fn try_ctl(&self, args: &[&str]) -> Result<String, String> {
        let all = self.endpoints().join(",");
        let output = Command::new(program("etcdctl").unwrap())
            .env("ETCDCTL_API", "3")
            .args(["--command-timeout", "5s"])
            .args(if args.contains(&"--endpoints") { Vec::new() } else { vec!["--endpoints", &all] })
            .args(args)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        if output.status.success() {
            Ok(text)
        } else {
            Err(format!("{text}{}", String::from_utf8_lossy(&output.stderr)))
        }
    }

    /// Runs etcdctl, as an operator would.
    pub(crate) fn ctl(&self, args: &[&str]) -> String {
        let begin = Instant::now();
        loop {
            match self.try_ctl(args) {
                Ok(text) => return text,
                Err(text) => assert!(begin.elapsed() < HUNG, "etcdctl {args:?}: {text}"),
            }
        }
    }

    /// Restores every member from a snapshot, as etcd's manual tells; they are to be killed before.
    pub(crate) fn restore(&mut self, snapshot: &Path) {
        for number in 0..self.members.len() {
            std::fs::remove_dir_all(self.data(number)).unwrap();
            let member = &self.members[number];
            let all: Vec<String> =
                self.members.iter().map(|member| format!("{}={}", member.name, member.peer)).collect();
            let status = Command::new(program("etcdctl").unwrap())
                .env("ETCDCTL_API", "3")
                .args(["snapshot", "restore"])
                .arg(snapshot)
                .args(["--name", &member.name, "--initial-cluster", &all.join(",")])
                .args(["--initial-cluster-token", "restored"])
                .args(["--initial-advertise-peer-urls", &member.peer, "--data-dir"])
                .arg(self.data(number))
                .stdout(Stdio::null())
                .stderr(Stdio::null())
                .status()
                .unwrap();
            assert!(status.success());
        }
    }

    /// Copies the data of the member `number`, which is to be killed before, from one folder to another.
    pub(crate) fn copy(&self, number: usize, out: bool) {
        let (data, kept) = (self.data(number), self.folder.path().join("kept"));
        let (from, to) = if out { (&data, &kept) } else { (&kept, &data) };
        if to.exists() {
            std::fs::remove_dir_all(to).unwrap();
        }
        let status = Command::new("cp").arg("-a").arg(from).arg(to).status().unwrap();
        assert!(status.success());
    }

    /// Options for the cluster `name` and a node `writer`, patient enough for elections on a slow machine.
    pub(crate) fn options(&self, name: &str, writer: &str) -> Options {
        Options { deadline: Duration::from_secs(30), ..Options::new(self.endpoints(), name, writer) }
    }

    /// A new cluster database.
    pub(crate) fn create(&self, name: &str) -> EtcdStore {
        EtcdStore::open(self.options(name, "n1"), Start::Create).unwrap()
    }

    pub(crate) fn open(&self, name: &str, writer: &str) -> EtcdStore {
        EtcdStore::open(self.options(name, writer), Start::Existing).unwrap()
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for member in &mut self.members {
            if let Some(mut process) = member.process.take() {
                let _ = process.kill();
                let _ = process.wait();
            }
        }
    }
}

pub(crate) fn put(key: &str, value: u64) -> Transaction {
    Transaction { guards: Vec::new(), operations: vec![Operation::Put(key.to_owned(), json!(value))] }
}

/// Adds one to a counter, guarded by what it was decided on; what it is afterwards.
pub(crate) fn increment(store: &dyn Store, key: &str) -> Result<Option<u64>, StoreError> {
    let entry = store.get(key)?;
    let (guard, next) = match entry {
        None => (Guard::Absent(key.to_owned()), 1),
        Some(entry) => (Guard::ModifiedAt(key.to_owned(), entry.modified), entry.value.as_u64().unwrap() + 1),
    };
    match store.commit(Transaction { guards: vec![guard], ..put(key, next) })? {
        Outcome::Committed(_) => Ok(Some(next)),
        Outcome::Conflict(_) => Ok(None),
    }
}
