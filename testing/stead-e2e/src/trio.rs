use std::collections::BTreeMap;
use std::io::Write;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;

use crate::{compile, etcd, marked, root, stead, until};

/// The nodes there are.
const NODES: [&str; 3] = ["n1", "n2", "n3"];

/// Three nodes on one machine, with one etcd on the loopback. Ended, and looked after, when dropped.
///
/// They share the network, so nothing can be cut off here: `stead lab` is for that. What they lack in that they have in
/// speed. Their groups have resources of `dll/recorder.c`, which writes every call of every node down.
#[derive(Debug)]
pub struct Trio {
    folder: tempfile::TempDir,
    etcd: Option<Child>,
    nodes: BTreeMap<&'static str, Child>,
}

/// What a command said and how it ended.
#[derive(Clone, Debug)]
pub struct Said {
    /// The exit code.
    pub exit: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error.
    pub err: String,
}

impl Said {
    /// The last line: of the output where it was done, else of the errors.
    #[must_use]
    pub fn last(&self) -> &str {
        let text = if self.exit == Some(0) && !self.out.is_empty() { &self.out } else { &self.err };
        text.lines().last().unwrap_or_default()
    }
}

impl From<Output> for Said {
    fn from(output: Output) -> Said {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Said { exit: output.status.code(), out: text(&output.stdout), err: text(&output.stderr) }
    }
}

/// A command that runs on.
#[derive(Debug)]
pub struct Running(Child);

impl Running {
    /// Waits for its end.
    ///
    /// # Panics
    /// When it does not end.
    #[must_use]
    pub fn end(mut self) -> Said {
        until("the command to end", || self.0.try_wait().unwrap());
        self.0.wait_with_output().unwrap().into()
    }
}

/// The recording resource DLL of `dll/recorder.c`, compiled once a process.
fn recorder() -> &'static Path {
    static RECORDER: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &RECORDER
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let source = root().join("testing/stead-e2e/dll/recorder.c");
            let library = compile(&source, folder.path(), "recorder.so", &[]);
            (folder, library)
        })
        .1
}

/// An address of its own for each process of this test run.
fn address() -> Ipv4Addr {
    let [_, _, high, low] = std::process::id().to_be_bytes();
    Ipv4Addr::new(127, 64 | (high & 63), low, 1)
}

impl Trio {
    /// Starts the nodes, and groups of these names, each with the resources `NAME-ip` and, on top of it, `NAME-db`. Of the
    /// second the type is `Other Recorder`. None if there is no etcd; then it has been said.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn up(groups: &[&str]) -> Option<Trio> {
        Trio::up_with(groups, "")
    }

    /// The same with these lines in each group.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn up_with(groups: &[&str], lines: &str) -> Option<Trio> {
        let trio = Trio::bare()?;
        let mut config = format!("[[type]]\nname = \"Recorder\"\ndll = \"{0}\"\n", recorder().display());
        config += &format!("[[type]]\nname = \"Other Recorder\"\ndll = \"{0}\"\n", recorder().display());
        let folder = trio.folder.path().display();
        for name in groups {
            // A failure is a failure: nothing is restarted in place.
            let properties =
                format!("common = {{ RestartThreshold = 0 }}\nproperties = {{ Folder = \"{folder}\" }}\n");
            config += &format!(
                "[[group]]\nname = \"{name}\"\npreferred_owners = [\"n1\", \"n2\", \"n3\"]\n{lines}\n\
                 [[group.resource]]\nname = \"{name}-ip\"\ntype = \"Recorder\"\n{properties}\
                 [[group.resource]]\nname = \"{name}-db\"\ntype = \"Other Recorder\"\ndepends_on = \"[{name}-ip]\"\n\
                 {properties}"
            );
        }
        trio.apply(&config);
        for group in groups {
            trio.online(group, "n1");
        }
        trio.forget();
        Some(trio)
    }

    /// Starts the nodes, without any group.
    ///
    /// # Panics
    /// When they do not come up.
    #[must_use]
    pub fn bare() -> Option<Trio> {
        let program = etcd()?;
        // In memory where that can be: none of these tests is about the disk of etcd.
        let memory = Path::new("/dev/shm");
        let folder = tempfile::tempdir_in(memory).or_else(|_| tempfile::tempdir()).unwrap();
        let mut trio = Trio { folder, etcd: None, nodes: BTreeMap::new() };
        let url = trio.start_etcd(&program);
        until("etcd to answer", || {
            let dry = ["cluster", "create", "trio", "--node", "n1", "--etcd", &url, "--dry-run"];
            (trio.run("n1", &dry).exit == Some(0)).then_some(())
        });
        let created =
            trio.ok("n1", &["cluster", "create", "trio", "--node", "n1", "--etcd", &url, "--json"]).out;
        let created: Value = serde_json::from_str(&created).unwrap();
        let join = created["join"].as_str().unwrap();
        for node in ["n2", "n3"] {
            let line = join.replace("NODE", node);
            let words: Vec<&str> = line.split_whitespace().skip(1).collect();
            trio.ok(node, &words);
        }
        for node in NODES {
            trio.start(node);
        }
        until("all nodes to be up", || {
            let nodes = trio.status("n1")["nodes"].as_array()?.clone();
            (nodes.len() == 3 && nodes.iter().all(|node| node["state"] == "Up")).then_some(())
        });
        Some(trio)
    }

    /// Applies a configuration.
    ///
    /// # Panics
    /// When it is refused.
    pub fn apply(&self, config: &str) {
        let file = self.folder.path().join("cluster.toml");
        std::fs::write(&file, config).unwrap();
        self.ok("n1", &["apply", file.to_str().unwrap()]);
    }

    fn start_etcd(&mut self, program: &Path) -> String {
        let address = address();
        let port = || TcpListener::bind((address, 0)).unwrap().local_addr().unwrap().port();
        let (client, peer) = (format!("http://{address}:{}", port()), format!("http://{address}:{}", port()));
        let child = Command::new(program)
            .args(["--name", "trio", "--data-dir"])
            .arg(self.folder.path().join("etcd"))
            .args(["--listen-client-urls", &client, "--advertise-client-urls", &client])
            .args(["--listen-peer-urls", &peer, "--initial-advertise-peer-urls", &peer])
            .args(["--initial-cluster", &format!("trio={peer}"), "--log-level", "error"])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        self.etcd = Some(child);
        client
    }

    fn data(&self, node: &str) -> PathBuf {
        self.folder.path().join(node).join("data")
    }

    /// Starts a node.
    ///
    /// # Panics
    /// When there is no such program.
    pub fn start(&mut self, node: &'static str) {
        let log = self.folder.path().join(node).join("run.log");
        let log = std::fs::File::options().create(true).append(true).open(log).unwrap();
        let child = Command::new(stead())
            .args(["node", "run", "--data"])
            .arg(self.data(node))
            .env_remove("STEAD_DATA")
            .env("STEAD_E2E_NODE", node)
            .stdin(Stdio::null())
            .stdout(log.try_clone().unwrap())
            .stderr(log)
            .spawn()
            .unwrap();
        self.nodes.insert(node, child);
    }

    /// Kills everything of a node at once.
    ///
    /// # Panics
    /// When something of it lives on.
    pub fn kill(&mut self, node: &str) {
        let mut guardian = self.nodes.remove(node).unwrap();
        guardian.kill().unwrap();
        guardian.wait().unwrap();
        let mark = self.data(node).display().to_string();
        until("everything of the node to end", || marked(&mark).is_empty().then_some(()));
    }

    /// Stops the process that decides for a node, and nothing else of it: it answers nobody and renews nothing.
    ///
    /// # Panics
    /// When there is none.
    pub fn stop(&self, node: &str) {
        let data = self.data(node).display().to_string();
        let is_node = |process: &u64| {
            let line = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
            line.split(|byte| *byte == 0).nth(1).is_some_and(|word| word == b"node")
        };
        let processes: Vec<u64> = marked(&data).into_iter().filter(is_node).collect();
        let children =
            processes.iter().filter(|process| **process != u64::from(self.nodes[node].id())).copied();
        let mut stopped = 0;
        for process in children {
            let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
            rustix::process::kill_process(process, rustix::process::Signal::STOP).unwrap();
            stopped += 1;
        }
        assert_eq!(stopped, 1, "the process that decides for {node}");
    }

    fn command(&self, node: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(stead());
        command.args(arguments).arg("--data").arg(self.data(node)).env_remove("STEAD_DATA");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Asks a node.
    ///
    /// # Panics
    /// When there is no such program.
    #[must_use]
    pub fn run(&self, node: &str, arguments: &[&str]) -> Said {
        self.command(node, arguments).output().unwrap().into()
    }

    /// Asks a node something that must be done.
    ///
    /// # Panics
    /// When it is not.
    pub fn ok(&self, node: &str, arguments: &[&str]) -> Said {
        let said = self.run(node, arguments);
        assert_eq!(said.exit, Some(0), "{arguments:?}: {said:?}");
        said
    }

    /// What a route of a node's interface answers; null if it does not answer.
    #[must_use]
    pub fn get(&self, node: &str, route: &str) -> Value {
        use std::io::Read;
        let ask = || -> std::io::Result<Value> {
            let mut stream = std::os::unix::net::UnixStream::connect(self.data(node).join("node.sock"))?;
            write!(stream, "GET {route} HTTP/1.0\r\nhost: stead\r\n\r\n")?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            let body = answer.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
            Ok(serde_json::from_str(body).unwrap_or_default())
        };
        ask().unwrap_or_default()
    }

    /// Asks a node, and does not wait.
    ///
    /// # Panics
    /// When there is no such program.
    #[must_use]
    pub fn ask(&self, node: &str, arguments: &[&str]) -> Running {
        Running(self.command(node, arguments).spawn().unwrap())
    }

    /// The status as a node sees it; null if it does not answer.
    #[must_use]
    pub fn status(&self, node: &str) -> Value {
        serde_json::from_str(&self.run(node, &["status", "--json"]).out).unwrap_or_default()
    }

    /// A node that lives.
    fn witness(&self) -> &'static str {
        self.nodes.keys().next_back().copied().unwrap_or("n1")
    }

    /// A group, as a node that lives sees it.
    #[must_use]
    pub fn group(&self, name: &str) -> Value {
        let status = self.status(self.witness());
        let groups = status["groups"].as_array().cloned().unwrap_or_default();
        groups.into_iter().find(|group| group["name"] == name).unwrap_or_default()
    }

    /// Waits until a group is online on a node and is going nowhere.
    pub fn online(&self, name: &str, node: &str) {
        let what = format!("{name} to be online on {node}");
        until(&what, || {
            let group = self.group(name);
            let there = group["owner_node"] == node && group["state"] == "Online";
            (there && group["operation"].is_null()).then_some(())
        });
    }

    /// Waits until a group says something of this in its reason or operation.
    pub fn says(&self, name: &str, text: &str) {
        until(&format!("{name} to say {text:?}"), || {
            let group = self.group(name);
            let said = |field: &str| group[field].as_str().is_some_and(|said| said.contains(text));
            (said("why") || said("operation")).then_some(())
        });
    }

    /// Tells a resource how a call shall end on a node; none ends that.
    ///
    /// # Panics
    /// When it cannot be written.
    pub fn tell(&self, node: &str, resource: &str, call: &str, how: Option<&str>) {
        let path = self.folder.path().join(node).join(format!("{resource}.{call}"));
        match how {
            None => std::fs::remove_file(path).unwrap(),
            Some(how) => {
                // Never half written.
                let fresh = path.with_extension("new");
                std::fs::write(&fresh, how).unwrap();
                std::fs::rename(fresh, path).unwrap();
            }
        }
    }

    /// The calls of a group's resources on all nodes, in order, since the beginning or the last [`forget`](Trio::forget).
    #[must_use]
    pub fn calls(&self, group: &str) -> Vec<String> {
        let text = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
        let of =
            |line: &&str| line.split(' ').nth(1).is_some_and(|name| name.starts_with(&format!("{group}-")));
        let without = |line: &str| line.replacen(&format!(" {group}-"), " ", 1);
        text.lines().filter(of).map(without).collect()
    }

    /// Waits for a call.
    pub fn called(&self, group: &str, call: &str) {
        until(&format!("{call:?} of {group}"), || {
            self.calls(group).iter().any(|line| line == call).then_some(())
        });
    }

    /// Asserts what the resource DLLs of a group were called with, all of it and in order. Opens and closes, which have no
    /// parameters, are left out.
    ///
    /// # Panics
    /// When it was otherwise.
    pub fn expect(&self, group: &str, expected: &[&str]) {
        let calls: Vec<String> = self
            .calls(group)
            .into_iter()
            .filter(|line| !line.ends_with(" Open") && !line.ends_with(" Close"))
            .collect();
        assert_eq!(calls, expected, "{group}");
    }

    /// Forgets the calls so far.
    ///
    /// # Panics
    /// When the file cannot be emptied.
    pub fn forget(&self) {
        std::fs::write(self.folder.path().join("calls"), "").unwrap();
    }

    /// The history as a node that lives sees it, as sentences about a group.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub fn events(&self, group: &str) -> Vec<String> {
        let lines = self.ok(self.witness(), &["events", "--json", "--last", "10000"]).out;
        let events = lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of = events.filter(|event| event["group"] == group);
        of.map(|event| event["text"].as_str().unwrap_or_default().to_owned()).collect()
    }

    /// Waits for an event of a group that says this.
    pub fn event(&self, group: &str, text: &str) {
        until(&format!("an event of {group} that says {text:?}"), || {
            self.events(group).iter().any(|event| event.contains(text)).then_some(())
        });
    }

    /// No group was ever online at two nodes at once, by what its DLLs wrote down.
    ///
    /// # Panics
    /// When one was.
    pub fn exactly_once(&self, group: &str) {
        let mut there: BTreeMap<String, String> = BTreeMap::new();
        for line in self.calls(group) {
            let mut words = line.split(' ');
            let (node, resource, call) = (words.next(), words.next(), words.next());
            let (Some(node), Some(resource), Some(call)) = (node, resource, call) else { continue };
            match call {
                "Open" => {
                    let other = there.insert(resource.to_owned(), node.to_owned());
                    let dead = other.as_deref().is_none_or(|other| !self.nodes.contains_key(other));
                    assert!(dead, "{group}-{resource} was opened on {node} and on {other:?}");
                }
                "Close" => drop(there.remove(resource)),
                _ => {}
            }
        }
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for guardian in self.nodes.values_mut().chain(&mut self.etcd) {
            let _ = guardian.kill();
            let _ = guardian.wait();
        }
        let mark = self.folder.path().display().to_string();
        if std::thread::panicking() {
            let mut err = std::io::stderr();
            let calls = std::fs::read_to_string(self.folder.path().join("calls")).unwrap_or_default();
            let _ = writeln!(err, "calls:\n{calls}");
            for node in NODES {
                let log = std::fs::read_to_string(self.data(node).join("log/node.log")).unwrap_or_default();
                let last: Vec<&str> = log.lines().rev().take(40).collect();
                let _ = writeln!(err, "the log of {node}, last first:\n{}", last.join("\n"));
            }
        } else {
            until("everything of the nodes to end", || marked(&mark).is_empty().then_some(()));
        }
    }
}
