//! What is printed.

use std::io::Write;

use serde_json::json;

use crate::lab::Lab;
use crate::network::{self, Way};
use crate::power;

/// A result. That nobody reads it any more is no error.
pub(crate) fn out(text: &str) {
    let _ = writeln!(anstream::stdout().lock(), "{text}");
}

/// Something about what is going on.
pub(crate) fn say(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "{text}");
}

pub(crate) fn problem(text: &str) {
    let _ = writeln!(anstream::stderr().lock(), "stead: {text}");
}

/// Which nodes are on, and which are cut off.
pub(crate) fn status(lab: &Lab, json: bool) {
    let row = |node: &crate::lab::Node| {
        let on = power::running(lab, node).is_some();
        let way = if on { network::cut(lab, node) } else { None };
        (node.clone(), on, way)
    };
    let rows: Vec<_> = lab.nodes.iter().map(row).collect();
    if json {
        let node = |(node, on, way): &(crate::lab::Node, bool, Option<Way>)| {
            json!({
                "name": node.name,
                "address": node.address,
                "on": on,
                "partition": way.map(Way::words),
                "data": lab.data(node),
            })
        };
        let nodes: Vec<_> = rows.iter().map(node).collect();
        out(&json!({ "lab": lab.name, "nodes": nodes }).to_string());
        return;
    }
    out(&format!("lab {} of {}; this machine is {}", lab.name, lab.file.display(), lab.host));
    for (node, on, way) in rows {
        let state = match (on, way) {
            (false, _) => "off",
            (true, None) => "on",
            (true, Some(way)) => way.words(),
        };
        out(&format!("  {:8} {:15} {:16} {}", node.name, node.address, state, lab.data(&node).display()));
    }
}

/// What to try first.
pub(crate) fn next(lab: &Lab) {
    let Some(first) = lab.nodes.first() else { return };
    let (first, data) = (&first.name, lab.data(first));
    out(&format!(
        "\n  stead status --data {}\n  stead lab exec {first} -- ip address\n  stead lab kill {first}\n  stead lab down",
        data.display()
    ));
}
