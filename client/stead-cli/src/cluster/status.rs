//! `stead cluster status`: members of etcd as they answer now, and nodes as the one on this machine hears of them.

use std::path::Path;

use serde_json::json;
use stead_api::{Node, Status};
use stead_membership as membership;
use stead_membership::ClusterStatus;

use super::warn;
use crate::client::Trouble;
use crate::exit::Exit;
use crate::show;

/// What finds a path that loses long packets.
const LONG: &str = "do long packets get through? `ping -M do -s 1472 ADDRESS` tries a packet of 1500 bytes; where it does not \
                    come back, give the interfaces a smaller MTU, or set net.ipv4.tcp_mtu_probing=1";

/// `heard` is what the node on this machine says, if one answers.
pub(super) fn status(data: &Path, heard: Option<&Status>, json: bool) -> Result<Exit, Trouble> {
    let mut status = membership::status(data)?;
    let exit = if status.works() { Exit::Done } else { Exit::Failed };
    status.warnings.extend(silence(&status, heard));
    if json {
        let mut shown = json!(status);
        let renewed = heard.iter().flat_map(|heard| &heard.nodes);
        let renewed: serde_json::Map<String, serde_json::Value> =
            renewed.filter_map(|node| Some((node.name.clone(), node.renewed_ms_ago?.into()))).collect();
        shown["renewed_ms_ago"] = renewed.into();
        show::json(&shown);
        return Ok(exit);
    }
    tell(&status, heard);
    Ok(exit)
}

/// Who is not heard of, though members of etcd answer, and what to do about it.
fn silence(status: &ClusterStatus, heard: Option<&Status>) -> Vec<String> {
    let Some(heard) = heard else { return Vec::new() };
    if let Some(since) = heard.no_contact_since_ms {
        let date = show::date(since);
        let (node, time) = (&status.node, date.get(11..19).unwrap_or(&date));
        let hint = if status.works() {
            format!("members of etcd answer short questions from here: {LONG}")
        } else {
            "a majority of the members of etcd has to answer".to_owned()
        };
        return vec![format!(
            "node {node} has NO CONTACT with the cluster database since {time} UTC, and ends what it runs at its deadline; {hint}"
        )];
    }
    let silent = |node: &Node| {
        let (ago, every) = (node.seen_ms_ago?, node.renewed_every_ms?);
        Some(format!(
            "node {} is SILENT: its session was renewed {} ago, and should be every {}; if that lasts, it ends what it runs, and \
             others take over. Look there at `stead status` and `stead log`; if its machine is well: {LONG}",
            node.name,
            show::age(ago),
            show::age(every)
        ))
    };
    heard.nodes.iter().filter_map(silent).collect()
}

fn mib(bytes: Option<u64>) -> String {
    bytes.map_or_else(String::new, |bytes| format!("{:.1} MiB", bytes as f64 / 1_048_576.0))
}

/// A line of the table of nodes.
fn row(name: &str, session: &str, heard: Option<&Status>) -> Vec<String> {
    let node = heard.and_then(|heard| heard.nodes.iter().find(|node| node.name.eq_ignore_ascii_case(name)));
    let alone = heard.is_some_and(|heard| heard.no_contact_since_ms.is_some());
    let silent = !alone && node.is_some_and(|node| node.seen_ms_ago.is_some());
    let session = if silent { format!("{session}, SILENT") } else { session.to_owned() };
    let renewed = node.and_then(|node| node.renewed_ms_ago).map(|ms| format!("{} ago", show::age(ms)));
    vec![name.to_owned(), session, renewed.unwrap_or_default()]
}

fn tell(status: &ClusterStatus, heard: Option<&Status>) {
    let ClusterStatus { cluster, id, node, timers, voters, answering, may_lose, .. } = status;
    show::out(&format!("cluster {cluster}, id {id}; this is node {node}"));
    show::out(&format!("times: {timers}"));
    let more = match (status.works(), may_lose) {
        (false, _) => {
            "NO MAJORITY: nothing can be changed, and every node ends what it runs at its deadline".to_owned()
        }
        (true, 0) => "no further one may be lost".to_owned(),
        (true, 1) => "one more may be lost".to_owned(),
        (true, many) => format!("{many} more may be lost"),
    };
    show::out(&format!("etcd: {answering} of {voters} voting members answer; {more}\n"));
    let rows = status.nodes.iter().map(|(name, session)| row(name, session, heard)).collect();
    show::out(&show::list(&["NODE", "SESSION", "RENEWED"], rows));
    let rows = status
        .members
        .iter()
        .map(|member| {
            let name = if member.name.is_empty() { "(never started)" } else { &member.name };
            vec![
                name.to_owned(),
                member.state.clone(),
                member.client_urls.join(" "),
                member.version.clone().unwrap_or_default(),
                mib(member.size),
                mib(member.used),
                member.alarms.join("; "),
            ]
        })
        .collect();
    show::out("");
    show::out(&show::list(&["MEMBER", "STATE", "ADDRESS", "VERSION", "SIZE", "IN USE", "ALARMS"], rows));
    warn(&status.warnings);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(name: &str, silent: bool, renewed_ms_ago: Option<u64>) -> Node {
        let plain = json!({ "name": name, "state": "Up", "version": "", "containment": "", "guarantee": "", "restarts": 0 });
        let node: Node = serde_json::from_value(plain).unwrap();
        let seen_ms_ago = renewed_ms_ago.filter(|_| silent);
        Node { seen_ms_ago, renewed_ms_ago, renewed_every_ms: renewed_ms_ago.map(|_| 500), ..node }
    }

    fn cluster(answering: usize) -> ClusterStatus {
        ClusterStatus {
            cluster: "prod".to_owned(),
            id: String::new(),
            node: "n1".to_owned(),
            timers: String::new(),
            nodes: Vec::new(),
            members: Vec::new(),
            voters: 3,
            answering,
            may_lose: 0,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn who_is_silent_is_named_with_what_to_do() {
        let nodes =
            vec![node("n1", false, Some(200)), node("n2", true, Some(6_200)), node("n3", false, None)];
        let mut heard = Status { nodes, groups: Vec::new(), no_contact_since_ms: None };
        let rows = |heard: &Status| ["n1", "N2", "n3"].map(|name| row(name, "alive", Some(heard)).join("|"));
        assert_eq!(rows(&heard), ["n1|alive|0.2 s ago", "N2|alive, SILENT|6.2 s ago", "n3|alive|"]);
        let told = silence(&cluster(3), Some(&heard));
        let [line] = told.as_slice() else { panic!("one line, not {told:?}") };
        assert!(
            line.starts_with(
                "node n2 is SILENT: its session was renewed 6.2 s ago, and should be every 0.5 s"
            )
        );
        assert!(line.contains("ping -M do -s 1472"), "{line}");

        // Who hears nothing says nothing of others.
        heard.no_contact_since_ms = Some(1_800_000_185_000);
        assert_eq!(rows(&heard)[1], "N2|alive|6.2 s ago");
        let told = silence(&cluster(3), Some(&heard));
        let [line] = told.as_slice() else { panic!("one line, not {told:?}") };
        assert!(
            line.starts_with("node n1 has NO CONTACT with the cluster database since 08:03:05 UTC"),
            "{line}"
        );
        assert!(line.contains("answer short questions") && line.contains("tcp_mtu_probing"), "{line}");
        assert!(
            silence(&cluster(1), Some(&heard))[0].contains("a majority"),
            "short ones are not answered either"
        );
        assert_eq!(silence(&cluster(3), None), [""; 0]);
    }
}
