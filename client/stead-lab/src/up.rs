//! A whole lab: made, and taken away.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::Trouble;
use crate::file::Wanted;
use crate::lab::{Lab, Node, ROOT};
use crate::network;
use crate::power;
use crate::programs::{Interrupt, command, done, output, stead};
use crate::show;

/// How often something is looked at that is waited for.
const LOOK: Duration = Duration::from_millis(100);

/// Longer means that something hangs.
const HUNG: Duration = Duration::from_secs(90);

/// Makes a lab. What was made of it is taken away if that fails, or at Ctrl-C.
pub(crate) fn run(wanted: &Wanted, interrupt: &mut Interrupt) -> Result<(), Trouble> {
    let lab = Lab::new(wanted);
    network::check(wanted.subnet)?;
    lab.begin()?;
    match make(&lab, interrupt) {
        Ok(()) => {
            show::status(&lab, false);
            if let Some(first) = lab.nodes.first() {
                let mut status = command_of(&stead()?);
                let text = done(status.args(["status", "--data"]).arg(lab.data(first)), "")?;
                show::out(&format!("\n{}", text.trim_end()));
            }
            show::next(&lab);
            Ok(())
        }
        Err(trouble) => {
            show::say("taking the lab away again");
            down(&lab)?;
            Err(trouble)
        }
    }
}

fn make(lab: &Lab, interrupt: &mut Interrupt) -> Result<(), Trouble> {
    network::make_bridge(lab)?;
    let Some((first, others)) = lab.nodes.split_first() else { return Ok(()) };
    for node in &lab.nodes {
        power::make_disk(lab, node)?;
    }
    show::say(&format!("{}: creating cluster {}", first.name, lab.name));
    network::make(lab, first)?;
    let address = first.address.to_string();
    let create = ["create", &lab.name, "--node", &first.name, "--managed-etcd", "--address", &address];
    in_namespace(lab, first, &create, &["--profile", &lab.profile], "")?;
    power::on(lab, first)?;
    wait_for_voters(lab, first, 1, interrupt)?;
    for (place, node) in others.iter().enumerate() {
        show::say(&format!("{}: joining", node.name));
        let address = node.address.to_string();
        let mut invite = cluster(lab, first)?;
        let invitation = done(invite.args(["invite", &node.name, "--address", &address]), "")?;
        network::make(lab, node)?;
        in_namespace(lab, node, &["join", "--invitation", "-"], &[], &invitation)?;
        power::on(lab, node)?;
        wait_for_voters(lab, node, place + 2, interrupt)?;
    }
    for node in &lab.nodes {
        wait(lab, node, "its node to answer", interrupt, || {
            let mut status = Command::new(stead()?);
            Ok(output(status.args(["status", "--data"]).arg(lab.data(node)), "")?.status.success())
        })?;
    }
    show::say(&format!("applying {}", lab.file.display()));
    let mut apply = command_of(&stead()?);
    done(apply.arg("apply").arg(&lab.file).arg("--data").arg(lab.data(first)), "").map(drop)
}

fn command_of(program: &Path) -> Command {
    command(&program.display().to_string())
}

/// `stead cluster`, for a node.
fn cluster(lab: &Lab, node: &Node) -> Result<Command, Trouble> {
    let mut command = command_of(&stead()?);
    command.arg("cluster").arg("--data").arg(lab.data(node));
    Ok(command)
}

/// The same, where the node's address is.
fn in_namespace(lab: &Lab, node: &Node, words: &[&str], more: &[&str], input: &str) -> Result<(), Trouble> {
    let mut command = command("ip");
    command.args(["netns", "exec", &lab.namespace(node)]).arg(stead()?);
    command.arg("cluster").args(words).args(more).arg("--data").arg(lab.data(node));
    done(&mut command, input).map(drop)
}

/// What may keep nodes from hearing each other: firewalls that look at bridges, as container managers set them up.
fn suspicion(lab: &Lab) -> String {
    let seen = |name: &str| {
        fs::read_to_string(Path::new("/proc/sys/net/bridge").join(name)).is_ok_and(|text| text.trim() == "1")
    };
    if !seen("bridge-nf-call-iptables") {
        return String::new();
    }
    format!(
        "; this machine's firewall sees what crosses bridges: if it drops that, allow {} (iptables -I FORWARD -i {} -j \
         ACCEPT)",
        lab.bridge(),
        lab.bridge()
    )
}

fn wait(
    lab: &Lab,
    node: &Node,
    what: &str,
    interrupt: &mut Interrupt,
    mut look: impl FnMut() -> Result<bool, Trouble>,
) -> Result<(), Trouble> {
    let begin = Instant::now();
    loop {
        interrupt.pause(Duration::ZERO)?;
        if look()? {
            return Ok(());
        }
        if power::running(lab, node).is_none() {
            return Err(power::ended(lab, node));
        }
        if begin.elapsed() > HUNG {
            let text = format!("{}: waited {} s in vain for {what}", node.name, HUNG.as_secs());
            return Err(Trouble::Failed(text + &suspicion(lab)));
        }
        interrupt.pause(LOOK)?;
    }
}

/// Waits until so many members vote and answer.
fn wait_for_voters(lab: &Lab, node: &Node, voters: usize, interrupt: &mut Interrupt) -> Result<(), Trouble> {
    wait(lab, node, "its member of etcd to vote", interrupt, || {
        let mut status = cluster(lab, node)?;
        let said = output(status.args(["status", "--json"]), "")?.stdout;
        let status: Value = serde_json::from_slice(&said).unwrap_or_default();
        let number = |name: &str| status[name].as_u64().and_then(|number| usize::try_from(number).ok());
        Ok(number("voters") == Some(voters) && number("answering") == Some(voters))
    })
}

/// Takes everything of a lab away, whatever of it is there.
pub(crate) fn down(lab: &Lab) -> Result<(), Trouble> {
    for node in &lab.nodes {
        network::pull(lab, node);
        power::kill(lab, node)?;
        network::remove(lab, node);
    }
    network::remove_bridge(lab);
    let folder = lab.folder();
    fs::remove_dir_all(&folder).map_err(|error| Trouble::Failed(format!("{}: {error}", folder.display())))?;
    // Others may be in it.
    let _ = fs::remove_dir(ROOT);
    Ok(())
}
