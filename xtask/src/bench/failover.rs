//! Power cuts: from the kill of a whole node, with its member of etcd, to the first thing that runs on the successor.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::until;
use super::{Row, built, median, percentile};

/// So many power cuts of each profile.
const CUTS: usize = 30;

/// What a lab is called: so far from the name of any that an operator made.
const NAMES: [(&str, &str); 2] = [("fast", "bfast"), ("default", "bdef")];

/// Three nodes in network namespaces, each with a member of etcd, taken away when dropped.
struct Lab {
    program: PathBuf,
    name: &'static str,
}

impl Lab {
    fn run(&self, arguments: &[&str]) -> Result<Output, String> {
        let output = Command::new(&self.program).args(["lab", "--name", self.name]).args(arguments).output();
        let output = output.map_err(|error| format!("stead lab: {error}"))?;
        if output.status.success() {
            return Ok(output);
        }
        Err(format!("stead lab {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr)))
    }

    /// What a node says of the cluster; nothing while it does not answer.
    fn status(&self, node: &str, words: &[&str]) -> Result<Value, String> {
        let data = format!("/run/stead-lab/{}/{node}/data", self.name);
        let output = Command::new(&self.program).args(words).args(["--json", "--data", &data]).output();
        let output = output.map_err(|error| format!("stead: {error}"))?;
        Ok(serde_json::from_slice(&output.stdout).unwrap_or_default())
    }

    /// Waits until three nodes are up, three members of etcd answer, and the group is online; its owner.
    fn whole(&self) -> Result<String, String> {
        until("the whole lab to be up", || {
            let mut owner = None;
            for node in ["n1", "n2", "n3"] {
                let status = self.status(node, &["status"])?;
                let nodes = status["nodes"].as_array().map(Vec::as_slice).unwrap_or_default();
                let up = nodes.iter().filter(|node| node["state"] == "Up").count();
                let group = &status["groups"][0];
                if up != 3 || group["state"] != "Online" {
                    return Ok(None);
                }
                owner = group["owner_node"].as_str().map(ToOwned::to_owned);
            }
            let members = self.status("n1", &["cluster", "status"])?;
            Ok(owner.filter(|_| members["answering"] == 3 && members["voters"] == 3))
        })
    }
}

impl Drop for Lab {
    fn drop(&mut self) {
        let _ = self.run(&["down"]);
    }
}

fn failover(
    folder: &Path,
    profile: &str,
    what: &'static str,
    limit: (&'static str, u64),
) -> Result<Vec<Row>, String> {
    let name = NAMES.iter().find(|(known, _)| *known == profile).map_or("bench", |(_, name)| name);
    let socket = folder.join("said");
    let heard = UnixDatagram::bind(&socket).map_err(|error| format!("socket: {error}"))?;
    let file = folder.join("lab.toml");
    let subnet = if profile == "fast" { "10.93.1.0/24" } else { "10.93.2.0/24" };
    let config = format!(
        "[lab]\nname = \"{name}\"\nnodes = [\"n1\", \"n2\", \"n3\"]\nsubnet = \"{subnet}\"\nprofile = \"{profile}\"\n\
         [[group]]\nname = \"g\"\nfailover_threshold = 1000000\n[[group.resource]]\nname = \"r\"\n\
         type = \"Generic Application\"\n\
         properties = {{ CommandLine = \"{} bench --workload {}\", Environment = [\"CARGO_MANIFEST_DIR=/\"] }}\n",
        built("xtask")?.display(),
        socket.display()
    );
    fs::write(&file, config).map_err(|error| format!("{}: {error}", file.display()))?;
    let program = built("stead")?;
    let lab = Lab { program, name };
    lab.run(&["up", &file.display().to_string()])?;
    let mut took = Vec::new();
    for cut in 0..CUTS {
        let owner = lab.whole()?;
        // The phase of the renewals must not be always the same.
        std::thread::sleep(Duration::from_millis((cut as u64 * 377) % 1_000));
        let wrong = |error: std::io::Error| format!("socket: {error}");
        heard.set_nonblocking(true).map_err(wrong)?;
        while heard.recv(&mut [0; 4]).is_ok() {}
        heard.set_nonblocking(false).map_err(wrong)?;
        heard.set_read_timeout(Some(Duration::from_secs(60))).map_err(wrong)?;
        let begin = Instant::now();
        lab.run(&["kill", &owner])?;
        heard.recv(&mut [0; 4]).map_err(|error| format!("nobody took over from {owner}: {error}"))?;
        let after = begin.elapsed();
        eprintln!("cut {} of {CUTS}, of {owner}: {:.2} s", cut + 1, after.as_secs_f64());
        took.push(after);
        lab.run(&["start", &owner])?;
    }
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    let (middle, late) = (median(took.clone()), percentile(took.clone(), 99));
    let least = percentile(took, 0);
    Ok(vec![Row {
        what,
        target: limit.0,
        measured: format!("{} ({} to {}, {CUTS} cuts)", seconds(middle), seconds(least), seconds(late)),
        met: late <= Duration::from_millis(limit.1),
    }])
}

pub(super) fn fast(folder: &Path) -> Result<Vec<Row>, String> {
    failover(folder, "fast", "power cut to main() on the successor, fast profile", ("p99 < 3.7 s", 3_700))
}

pub(super) fn default(folder: &Path) -> Result<Vec<Row>, String> {
    failover(
        folder,
        "default",
        "power cut to main() on the successor, default profile",
        ("p99 < 6.8 s", 6_800),
    )
}
