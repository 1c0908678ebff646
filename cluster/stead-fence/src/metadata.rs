//! What an agent says of itself.

use crate::agent;
use crate::device::{Device, Wrong};
use crate::report::Ended;

/// Names in the metadata: of elements `element` that have a name.
fn names<'a>(document: &'a roxmltree::Document<'_>, element: &str) -> Vec<&'a str> {
    let all = document.descendants().filter(|node| node.has_tag_name(element));
    all.filter_map(|node| node.attribute("name")).collect()
}

/// Checks a device against what its agent says of itself: that it can switch off and tell the status, and knows the
/// parameters. Runs the agent, which touches no machine for that; blocks for at most the device's timeout.
///
/// # Errors
/// The first thing that is wrong.
pub fn validate(device: &Device) -> Result<(), Wrong> {
    device.check()?;
    let program = device.program()?;
    let wrong = |text: String| device.wrong("agent", format!("{}: {text}", program.display()));
    let (ended, said) = agent::run(&program, "action=metadata\n", device.limit())
        .map_err(|error| wrong(format!("it could not be run: {error}")))?;
    if ended != Ended::Exited(0) {
        return Err(wrong(format!("metadata {ended}")));
    }
    let document = roxmltree::Document::parse(said.trim())
        .map_err(|error| wrong(format!("its metadata cannot be read: {error}")))?;
    let actions = names(&document, "action");
    if let Some(missing) = ["off", "status"].into_iter().find(|needed| !actions.contains(needed)) {
        return Err(wrong(format!(
            "it knows no action {missing:?}, which is needed to confirm; it knows: {}",
            actions.join(", ")
        )));
    }
    let known = names(&document, "parameter");
    let own = device.nodes.values().flat_map(|own| own.keys());
    for name in device.parameters.keys().chain(device.secrets.keys()).chain(own) {
        if !known.contains(&name.as_str()) {
            return Err(device.wrong(
                format!("parameter {name}"),
                format!("{} knows no such parameter; it knows: {}", device.agent, known.join(", ")),
            ));
        }
    }
    Ok(())
}
