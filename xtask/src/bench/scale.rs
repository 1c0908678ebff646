//! Sixteen nodes and a thousand groups.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use super::cluster::{Cluster, until};
use super::{Row, ms};

const NODES: usize = 16;
const GROUPS: usize = 1_000;
/// So many of them are online: each costs a warden, a monitor and a program.
const ONLINE: usize = 200;

/// T of the default profile without a watchdog: what a successor waits for after it saw the last renewal.
const WAIT: Duration = Duration::from_millis(5_100);

fn groups() -> String {
    (0..GROUPS)
        .map(|group| {
            let state = if group < ONLINE { "Online" } else { "Offline" };
            format!(
                "[[group]]\nname = \"g{group}\"\npersistent_state = \"{state}\"\nfailover_threshold = 1000000\n{}",
                super::sleeper(group, 0)
            )
        })
        .collect()
}

/// The groups that a node has, and how many of them are online.
fn of(status: &Value, node: &str) -> Vec<(String, bool)> {
    let groups = status["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
    let own = groups.iter().filter(|group| group["owner_node"] == node);
    own.map(|group| (group["name"].as_str().unwrap_or_default().to_owned(), group["state"] == "Online"))
        .collect()
}

/// The longest that a node may take for two hundred renewals.
const RENEWED: Duration = Duration::from_secs(600);

/// What each node wrote about its renewals, a hundred at a time: the p99 and the longest of each hundred.
fn renewals(cluster: &Cluster, node: &str) -> Result<Vec<(Duration, Duration)>, String> {
    let path = cluster.data(node).join("log/node.log");
    let text = fs::read_to_string(&path).map_err(|error| format!("{}: {error}", path.display()))?;
    let lines = text.lines().filter(|line| line.contains("a hundred renewals answered"));
    lines
        .map(|line| {
            let number = |name: &str| -> Option<Duration> {
                let rest = line.split_once(&format!("{name}="))?.1;
                let number: f64 = rest.split_whitespace().next()?.parse().ok()?;
                Some(Duration::from_secs_f64(number / 1e3))
            };
            let both = number("p99_ms").zip(number("longest_ms"));
            both.ok_or_else(|| format!("{}: {line:?} lacks numbers", path.display()))
        })
        .collect()
}

/// A hundred renewals of each node, all of them after this was called: the worst of each number.
fn quiet_renewals(cluster: &Cluster) -> Result<(Duration, Duration), String> {
    let begin = Instant::now();
    let mut worst = (Duration::ZERO, Duration::ZERO);
    let names = cluster.names();
    let counts = names.iter().map(|node| renewals(cluster, node).map(|told| told.len()));
    let counts = counts.collect::<Result<Vec<_>, _>>()?;
    for (node, before) in names.iter().zip(counts) {
        // The hundred that is under way now began before.
        let (p99, longest) = loop {
            if let Some(numbers) = renewals(cluster, node)?.get(before + 1) {
                break *numbers;
            }
            if begin.elapsed() > RENEWED {
                return Err(format!(
                    "{node} says nothing of two hundred renewals in {} s",
                    RENEWED.as_secs()
                ));
            }
            std::thread::sleep(Duration::from_secs(1));
        };
        worst = (worst.0.max(p99), worst.1.max(longest));
    }
    Ok(worst)
}

pub(super) fn scale(folder: &Path) -> Result<Vec<Row>, String> {
    let mut cluster = Cluster::start(folder, NODES, "default")?;
    let applied = cluster.apply(&groups())?;
    let whole = |status: &Value| {
        let groups = status["groups"].as_array().map(Vec::as_slice).unwrap_or_default();
        groups.len() == GROUPS && groups.iter().filter(|group| group["state"] == "Online").count() == ONLINE
    };
    until("all groups to be online", || Ok(whole(&cluster.status()?).then_some(())))?;
    let (p99, longest) = quiet_renewals(&cluster)?;
    let status = cluster.status()?;
    let lost = cluster.names().last().cloned().unwrap_or_default();
    let groups = of(&status, &lost);
    let online = groups.iter().filter(|(_, online)| *online).count();
    let begin: Instant = cluster.cut(&lost)?;
    let after_wait = |begin: Instant| begin.elapsed().saturating_sub(WAIT);
    let assigned = until("the groups of the lost node to be assigned", || {
        Ok(of(&cluster.status()?, &lost).is_empty().then(|| after_wait(begin)))
    })?;
    let back = until("the groups of the lost node to be online", || {
        Ok(whole(&cluster.status()?).then(|| after_wait(begin)))
    })?;
    let seconds = |duration: Duration| format!("{:.2} s", duration.as_secs_f64());
    let count = groups.len();
    Ok(vec![
        Row {
            what: "16 nodes, 1,000 groups, 200 of them online: apply",
            target: "none",
            measured: seconds(applied),
            met: true,
        },
        Row {
            what: "16 nodes, 1,000 groups: renewals, worst node",
            target: "p99 < 50 ms",
            measured: format!("p99 {} (longest {})", ms(p99), ms(longest)),
            met: p99 < Duration::from_millis(50),
        },
        Row {
            what: "the same, a node is lost: after T all its groups are assigned",
            target: "< 2 s",
            measured: format!("{} ({count} groups)", seconds(assigned)),
            met: assigned < Duration::from_secs(2),
        },
        Row {
            what: "the same: after T all that were online are online",
            target: "none",
            measured: format!("{} ({online} groups)", seconds(back)),
            met: true,
        },
    ])
}
