//! What a cluster writes while nothing happens.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;

use super::cluster::Cluster;
use super::{Row, sleepers};

/// Between two looks at the store.
const WATCHED: Duration = Duration::from_secs(60);

/// How many changes of each kind come within a minute.
fn changes(cluster: &Cluster, folder: &Path) -> Result<(u64, BTreeMap<String, u64>), String> {
    let wrong =
        |error: &dyn std::fmt::Display| format!("etcdctl: {error} (Debian: apt-get install etcd-client)");
    // A file, since nobody reads a pipe meanwhile.
    let path = folder.join("changes");
    let file = fs::File::create(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut watch = cluster.etcdctl();
    watch.args(["watch", "", "--prefix", "-w", "json"]).stdout(file).stderr(Stdio::null());
    let mut watch = watch.spawn().map_err(|error| wrong(&error))?;
    let before = revision(cluster)?;
    std::thread::sleep(WATCHED);
    let after = revision(cluster)?;
    watch.kill().map_err(|error| wrong(&error))?;
    watch.wait().map_err(|error| wrong(&error))?;
    let said = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let mut kinds: BTreeMap<String, u64> = BTreeMap::new();
    for line in said.lines() {
        let Ok(said) = serde_json::from_str::<Value>(line) else { continue };
        for event in said["Events"].as_array().into_iter().flatten() {
            let key = event["kv"]["key"].as_str().unwrap_or_default();
            let key = String::from_utf8(decode(key)).unwrap_or_default();
            // A writer's own key is moved by each of its transactions, in the same revision.
            let kind = match key.split_once("/documents/") {
                Some((_, document)) => document.split('/').next().unwrap_or_default(),
                None if key.contains("/writers/") => "writers",
                None => &key,
            };
            *kinds.entry(kind.to_owned()).or_default() += 1;
        }
    }
    Ok((after - before, kinds))
}

/// The bytes behind base64, as etcdctl prints keys.
fn decode(text: &str) -> Vec<u8> {
    let (mut bytes, mut bits, mut held) = (Vec::new(), 0_u32, 0);
    for letter in text.bytes() {
        let value = match letter {
            b'A'..=b'Z' => letter - b'A',
            b'a'..=b'z' => letter - b'a' + 26,
            b'0'..=b'9' => letter - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            _ => break,
        };
        bits = bits << 6 | u32::from(value);
        held += 6;
        if held >= 8 {
            held -= 8;
            bytes.push((bits >> held & 0xff) as u8);
        }
    }
    bytes
}

fn revision(cluster: &Cluster) -> Result<u64, String> {
    let output = cluster.etcdctl().args(["endpoint", "status", "-w", "json"]).output();
    let output = output.map_err(|error| format!("etcdctl: {error}"))?;
    let said: Value = serde_json::from_slice(&output.stdout).map_err(|error| format!("etcdctl: {error}"))?;
    said[0]["Status"]["header"]["revision"].as_u64().ok_or_else(|| "etcdctl told no revision".to_owned())
}

/// Three nodes with groups online, left alone.
pub(super) fn quiet(folder: &Path) -> Result<Vec<Row>, String> {
    let cluster = Cluster::start(folder, 3, "default")?;
    cluster.apply(&sleepers(12, 2, "Online"))?;
    // Ten seconds after it came online a group has served, and that is said once.
    std::thread::sleep(Duration::from_secs(15));
    let (revisions, kinds) = changes(&cluster, folder)?;
    let renewals = kinds.get("session").copied().unwrap_or_default();
    let others: Vec<String> = kinds
        .iter()
        .filter(|(kind, _)| *kind != "session" && *kind != "writers")
        .map(|(kind, count)| format!("{count} {kind}"))
        .collect();
    let others = if others.is_empty() { "nothing else".to_owned() } else { others.join(", ") };
    Ok(vec![Row {
        what: "three idle nodes, 12 groups online: revisions of etcd in a minute",
        target: "180, renewals",
        measured: format!("{revisions}: {renewals} renewals, {others}"),
        // A minute may hold one more of each node, or one less; the watch begins and ends beside it.
        met: others == "nothing else" && revisions <= 183 && renewals <= 189,
    }])
}
