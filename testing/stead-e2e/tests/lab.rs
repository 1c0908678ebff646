//! `stead lab`: three nodes in network namespaces, broken on purpose, and nothing left of them.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use serde_json::Value;
use stead_e2e::{etcd, marked, root, stead, until};

/// True if a lab can be had here; else it says why not.
fn possible() -> bool {
    if !rustix::process::geteuid().is_root() {
        eprintln!("SKIPPED: only root can make network namespaces");
        return false;
    }
    for (program, version, package) in [("nft", "--version", "nftables"), ("ip", "-V", "iproute2")] {
        if Command::new(program).arg(version).output().is_err() {
            eprintln!("SKIPPED: {program} is not there (package {package})");
            return false;
        }
    }
    etcd().is_some()
}

struct Lab {
    name: String,
    folder: tempfile::TempDir,
    child: Option<Child>,
}

impl Lab {
    fn new(letter: char, net: u8) -> Lab {
        let name = format!("{letter}{}", std::process::id() % 1_000_000);
        let folder = tempfile::tempdir().unwrap();
        let text = format!(
            "[lab]\nname = \"{name}\"\nnodes = [\"n1\", \"n2\", \"n3\"]\nsubnet = \"10.{}.{net}.0/24\"\nprofile = \"fast\"\n\
             [[group]]\nname = \"web\"\n[[group.resource]]\nname = \"app\"\ntype = \"Generic Application\"\n\
             properties = {{ CommandLine = \"sleep 1000000\" }}\n",
            64 + std::process::id() % 128
        );
        std::fs::write(folder.path().join("cluster.toml"), text).unwrap();
        Lab { name, folder, child: None }
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(stead());
        let tools = etcd().unwrap().parent().unwrap().display().to_string();
        let path = format!("{}:{tools}", std::env::var("PATH").unwrap_or_default());
        command
            .args(["lab", "--name", &self.name])
            .args(arguments)
            .env("PATH", path)
            .env_remove("STEAD_DATA");
        command
    }

    fn run(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    fn ok(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments);
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{arguments:?}: {out}{err}");
        out.into_owned()
    }

    fn file(&self) -> String {
        self.folder.path().join("cluster.toml").display().to_string()
    }

    /// What one node hears of the members.
    fn members(&self, node: &str) -> Value {
        let program = stead().display().to_string();
        let output = self.run(&["exec", node, "--", &program, "cluster", "status", "--json"]);
        serde_json::from_slice(&output.stdout).unwrap_or_default()
    }

    fn answering(&self, node: &str, expected: u64) {
        until(&format!("{node} to hear {expected}"), || {
            (self.members(node)["answering"] == expected).then_some(())
        });
    }

    fn state(&self, node: &str) -> (bool, String) {
        let status: Value = serde_json::from_str(&self.ok(&["status", "--json"])).unwrap();
        let found = status["nodes"].as_array().unwrap().iter().find(|found| found["name"] == node).unwrap();
        (found["on"] == true, found["partition"].as_str().unwrap_or_default().to_owned())
    }

    /// Whatever bears the lab's name.
    fn left(&self) -> Vec<String> {
        let printed = |program: &str, arguments: &[&str]| {
            let output = Command::new(program).args(arguments).output().unwrap();
            String::from_utf8(output.stdout).unwrap()
        };
        let mut left = Vec::new();
        for text in [
            printed("ip", &["netns", "list"]),
            printed("ip", &["-brief", "link", "show"]),
            std::fs::read_to_string("/proc/self/mounts").unwrap(),
        ] {
            left.extend(text.lines().filter(|line| line.contains(&self.name)).map(ToOwned::to_owned));
        }
        left.extend(
            marked(&format!("/run/stead-lab/{}/", self.name))
                .iter()
                .map(|process| format!("process {process}")),
        );
        if Path::new("/run/stead-lab").join(&self.name).exists() {
            left.push("its folder".to_owned());
        }
        left
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let _ = self.run(&["down"]);
    }
}

#[test]
fn a_lab_is_made_broken_mended_and_taken_away() {
    if !possible() {
        return;
    }
    let lab = Lab::new('a', 1);
    lab.ok(&["up", &lab.file()]);
    assert_eq!(lab.run(&["up", &lab.file()]).status.code(), Some(3), "it is there already");
    let status: Value = serde_json::from_str(&{
        let program = stead().display().to_string();
        lab.ok(&["exec", "n1", "--", &program, "status", "--json"])
    })
    .unwrap();
    assert_eq!(status["groups"][0]["name"], "web", "{status}");
    lab.answering("n1", 3);

    // Each is a machine of its own.
    let own = |file: &str| {
        let of = |node: &str| lab.ok(&["exec", node, "--", "cat", file]);
        (of("n1"), of("n2"))
    };
    let (one, other) = own("/proc/sys/kernel/random/boot_id");
    assert_ne!(one, other);
    assert_eq!(lab.ok(&["exec", "n3", "--", "cat", "/proc/sys/kernel/hostname"]), "n3\n");
    assert_eq!(lab.run(&["exec", "n1", "--", "false"]).status.code(), Some(1));

    lab.ok(&["partition", "n3"]);
    assert_eq!(lab.state("n3"), (true, "cut off".to_owned()));
    lab.answering("n1", 2);
    lab.ok(&["partition", "n3", "--one-way", "in"]);
    assert_eq!(lab.state("n3"), (true, "nothing comes in".to_owned()));
    lab.ok(&["partition", "n3", "--one-way", "out"]);
    assert_eq!(lab.state("n3"), (true, "nothing goes out".to_owned()));
    lab.answering("n1", 2);
    lab.ok(&["heal"]);
    assert_eq!(lab.state("n3"), (true, String::new()));
    lab.answering("n1", 3);

    lab.ok(&["kill", "n2"]);
    assert_eq!(lab.state("n2"), (false, String::new()));
    assert_eq!(marked(&format!("/run/stead-lab/{}/n2/", lab.name)), Vec::<u64>::new());
    lab.answering("n1", 2);
    for refused in [
        &["kill", "n2"][..],
        &["partition", "n2"],
        &["exec", "n2", "--", "true"],
        &["start", "n1"],
        &["kill", "n7"],
    ] {
        assert_eq!(lab.run(refused).status.code(), Some(3), "{refused:?}");
    }
    lab.ok(&["start", "n2"]);
    lab.answering("n2", 3);
    assert_ne!(own("/proc/sys/kernel/random/boot_id").1, other, "a start is a boot");

    assert_ne!(lab.left(), Vec::<String>::new(), "the search for what is left finds nothing at all");
    lab.ok(&["down"]);
    assert_eq!(lab.left(), Vec::<String>::new());
    assert_eq!(lab.run(&["status"]).status.code(), Some(3));
}

#[test]
fn what_is_half_made_is_taken_away_again() {
    if !possible() {
        return;
    }
    let mut lab = Lab::new('b', 2);
    // Wrong files and subnets change nothing.
    let good = std::fs::read_to_string(lab.file()).unwrap();
    for (from, to, code) in
        [("\"n2\"", "\"n 2\"", 5), ("CommandLine =", "CommandLine", 5), ("[lab]", "[lob]", 5)]
    {
        std::fs::write(lab.file(), good.replacen(from, to, 1)).unwrap();
        assert_eq!(lab.run(&["up", &lab.file()]).status.code(), Some(code), "{to}");
        assert_eq!(lab.left(), Vec::<String>::new());
    }
    let used =
        good.lines().map(|line| if line.starts_with("subnet") { "subnet = \"127.0.0.0/8\"" } else { line });
    std::fs::write(lab.file(), used.collect::<Vec<_>>().join("\n")).unwrap();
    assert_eq!(lab.run(&["up", &lab.file()]).status.code(), Some(5), "not private");
    std::fs::write(lab.file(), &good).unwrap();

    // Ctrl-C when the first node is there.
    let mut command = lab.command(&["up", &lab.file()]);
    let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let pid = rustix::process::Pid::from_child(&child);
    lab.child = Some(child);
    let process = Path::new("/run/stead-lab").join(&lab.name).join("n1/process.json");
    until("the first node", || process.exists().then_some(()));
    rustix::process::kill_process(pid, rustix::process::Signal::INT).unwrap();
    let status = until("it to end", || lab.child.as_mut().unwrap().try_wait().unwrap());
    assert_eq!(status.code(), Some(130));
    assert_eq!(lab.left(), Vec::<String>::new());
}

#[test]
fn the_example_is_a_configuration_with_a_lab() {
    let text = std::fs::read_to_string(root().join("examples/three-nodes/cluster.toml")).unwrap();
    assert!(text.contains("[lab]"));
    let readme = std::fs::read_to_string(root().join("examples/three-nodes/README.md")).unwrap();
    for verb in ["up", "watch", "kill", "start", "partition", "heal", "exec", "status", "down"] {
        assert!(readme.contains(&format!("stead lab {verb}")), "{verb}");
        let help = Command::new(stead()).args(["lab", verb, "--help"]).output().unwrap();
        assert!(help.status.success(), "{verb}");
    }
}
