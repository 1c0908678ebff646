//! `stead cluster`: making one, joining it, looking at it, leaving it.

pub(crate) mod args;
mod certificates;
mod status;

use std::io::{Read, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde_json::json;
use stead_api::Status;
use stead_membership as membership;
use stead_membership::{ClusterName, CreateOrder, Etcd, Invitation, InviteOrder, JoinOrder};

use crate::client::Trouble;
use crate::exit::Exit;
use crate::show;
use args::{Create, Invite, Join, MembersVerb, OfflineVerb, Place, Reach};

impl From<membership::Trouble> for Trouble {
    fn from(trouble: membership::Trouble) -> Self {
        match trouble {
            membership::Trouble::Refused(text) => Trouble { exit: Exit::Refused, text },
            membership::Trouble::BadFile(text) => Trouble { exit: Exit::BadConfig, text },
            membership::Trouble::Failed(text) => Trouble { exit: Exit::Failed, text },
        }
    }
}

fn usage(text: &str) -> Trouble {
    Trouble { exit: Exit::Usage, text: text.to_owned() }
}

/// Carries out a verb. Nothing here speaks to a node: the commands work while none runs. `heard` is what one says, if any
/// does.
pub(crate) fn run(
    data: &Path,
    verb: OfflineVerb,
    heard: Option<&Status>,
    json: bool,
) -> Result<Exit, Trouble> {
    let data = absolute(data)?;
    match verb {
        OfflineVerb::Create(given) => create(&data, given, json),
        OfflineVerb::Join(given) => join(&data, given, json),
        OfflineVerb::Invite(given) => invite(&data, &given, json),
        OfflineVerb::Status => status::status(&data, heard, json),
        OfflineVerb::Certificates => certificates::list(&data, json),
        OfflineVerb::Renew { seconds } => certificates::renew(&data, seconds, json),
        OfflineVerb::Leave => {
            let membership::Left { file, last } = membership::leave(&data)?;
            let cluster = &file.cluster.name;
            if json {
                show::json(&json!({ "left": cluster, "node": file.node, "last": last }));
            } else {
                show::out(&format!("node {} has left cluster {cluster}", file.node));
            }
            if last && !json {
                show::out(&format!(
                    "it was the last one: what is stored of the cluster stays in etcd until somebody deletes it (etcdctl del \
                     --prefix /stead/{cluster}/)"
                ));
            }
            Ok(Exit::Done)
        }
        OfflineVerb::Adopt { yes } => adopt(&data, yes, json),
        OfflineVerb::Members(args::Members { verb: MembersVerb::Remove { node } }) => {
            membership::remove_member(&data, &node)?;
            if json {
                show::json(&json!({ "removed": node }));
            } else {
                show::out(&format!(
                    "node {node} was removed; if its machine comes back, keep its node stopped and delete its data folder"
                ));
            }
            Ok(Exit::Done)
        }
    }
}

fn adopt(data: &Path, yes: bool, json: bool) -> Result<Exit, Trouble> {
    let adoption = membership::adopt(data, yes)?;
    let membership::Adoption { cluster, why, incarnation } = &adoption;
    if let (None, Some(why)) = (incarnation, why) {
        let text = format!(
            "adopt refused: {why}\nWhat was changed since that copy is lost. If it is the right database: `stead cluster \
             adopt --yes` on one node"
        );
        return Err(Trouble { exit: Exit::Refused, text });
    }
    if json {
        show::json(&json!({ "cluster": cluster, "incarnation": incarnation }));
        return Ok(Exit::Done);
    }
    if incarnation.is_some() {
        show::out(&format!("the database is that of cluster {cluster} from now on"));
        show::out(
            "its nodes begin anew by themselves, and groups start when nothing of before can still run",
        );
    } else {
        show::out(&format!(
            "the database of cluster {cluster} is the one of before for this node; there is nothing to adopt"
        ));
    }
    Ok(Exit::Done)
}

fn absolute(path: &Path) -> Result<PathBuf, Trouble> {
    std::path::absolute(path)
        .map_err(|error| Trouble { exit: Exit::Failed, text: format!("{}: {error}", path.display()) })
}

fn etcd(reach: Reach) -> Result<Etcd, Trouble> {
    // A path is meant from where the command was typed; the file outlives that.
    let path = |path: Option<PathBuf>| path.as_deref().map(absolute).transpose();
    Ok(Etcd {
        endpoints: reach.etcd,
        ca: path(reach.ca)?,
        certificate: path(reach.cert)?,
        key: path(reach.key)?,
        user: reach.user,
        password_file: path(reach.password_file)?,
    })
}

/// What the guardian has to be told in the next step.
fn start_line(data: &Path) -> String {
    format!("stead node run --data {}", shown(data))
}

/// A path as a shell wants it.
fn shown(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |c: char| c.is_ascii_alphanumeric() || "/-_.".contains(c);
    if text.chars().all(plain) { text } else { format!("'{}'", text.replace('\'', r"'\''")) }
}

fn warn(warnings: &[String]) {
    for warning in warnings {
        show::say(&format!("note: {warning}"));
    }
}

fn create(data: &Path, given: Create, json: bool) -> Result<Exit, Trouble> {
    let Place { address, client_port, peer_port } = given.place;
    if given.reach.etcd.is_empty() && !given.managed_etcd {
        return Err(usage(
            "name the members of an etcd with --etcd URL, or let stead run one with --managed-etcd --address IP",
        ));
    }
    let dry_run = given.local.dry_run;
    let order = CreateOrder {
        cluster: given.name,
        node: given.node,
        etcd: etcd(given.reach)?,
        managed: address.filter(|_| given.managed_etcd).map(|address| (address, (client_port, peer_port))),
        binary: given.local.etcd_binary.as_deref().map(absolute).transpose()?,
        insecure: given.insecure,
        timers: given.profile.times(),
        watchdog: given.local.watchdog,
        dry_run,
    };
    let created = membership::create(data, &order)?;
    let (cluster, file) = (&created.cluster, &created.file);
    let endpoints = file.etcd.endpoints.join(",");
    let join = match order.managed {
        Some(_) => format!("stead cluster invite NODE --address IP --data {}", shown(data)),
        None => format!(
            "stead cluster join {} --node NODE --etcd {endpoints} --cluster-id {}{}",
            cluster.name,
            cluster.id,
            trust(&order.etcd)
        ),
    };
    if json {
        show::json(&json!({
            "cluster": cluster.name,
            "id": cluster.id,
            "node": file.node,
            "endpoints": file.etcd.endpoints,
            "timers": file.timers(),
            "created": !dry_run,
            "join": join,
            "warnings": created.warnings,
        }));
        return Ok(Exit::Done);
    }
    warn(&created.warnings);
    if dry_run {
        show::out(&format!(
            "cluster {} could be created with node {}; nothing was changed",
            cluster.name, file.node
        ));
        return Ok(Exit::Done);
    }
    show::out(&format!("cluster {} was created; its id is {}", cluster.name, cluster.id));
    show::out(&format!("times: {}", file.timers()));
    show::out(&format!("\nstart its first node:\n  {}", start_line(data)));
    match order.managed {
        Some(_) => show::out(&format!(
            "\nwhen it runs, invite each further node, here:\n  {join}\nThree nodes survive the loss of one; two do not."
        )),
        None => show::out(&format!("\non each further node:\n  {join}")),
    };
    Ok(Exit::Done)
}

/// The options of trust, as they are typed on another node, where the files must be as well.
fn trust(etcd: &Etcd) -> String {
    let option = |name: &str, path: &Option<PathBuf>| {
        path.as_deref().map_or_else(String::new, |path| format!(" --{name} {}", shown(path)))
    };
    let user = etcd.user.as_ref().map_or_else(String::new, |user| format!(" --user {user}"));
    [
        option("ca", &etcd.ca),
        option("cert", &etcd.certificate),
        option("key", &etcd.key),
        user,
        option("password-file", &etcd.password_file),
    ]
    .concat()
}

fn read_invitation(path: &Path) -> Result<Invitation, Trouble> {
    let mut text = String::new();
    let wrong = |error: std::io::Error| Trouble {
        exit: Exit::Failed,
        text: format!("invitation {}: {error}", path.display()),
    };
    let limit = 1 << 20;
    if path == Path::new("-") {
        std::io::stdin().take(limit).read_to_string(&mut text).map_err(wrong)?;
    } else {
        let file = std::fs::File::open(path).map_err(wrong)?;
        file.take(limit).read_to_string(&mut text).map_err(wrong)?;
    }
    Ok(Invitation::read(&text)?)
}

fn join(data: &Path, given: Join, json: bool) -> Result<Exit, Trouble> {
    let dry_run = given.local.dry_run;
    let binary = given.local.etcd_binary.as_deref().map(absolute).transpose()?;
    let watchdog = given.local.watchdog;
    let joined = match (given.invitation, given.name, given.node, given.cluster_id) {
        (Some(path), ..) => {
            let invitation = read_invitation(&path)?;
            membership::join_by_invitation(data, &invitation, (binary, watchdog), dry_run)?
        }
        (None, Some(name), Some(node), Some(id)) => {
            if given.reach.etcd.is_empty() {
                return Err(usage("name the members of etcd with --etcd URL"));
            }
            let order = JoinOrder {
                cluster: ClusterName { name, id },
                node,
                etcd: etcd(given.reach)?,
                timers: given.profile.map(membership::Profile::times),
                watchdog,
                dry_run,
            };
            membership::join(data, &order)?
        }
        (None, ..) => return Err(usage("name the cluster, --node and --cluster-id, or an --invitation")),
    };
    let file = &joined.file;
    if json {
        show::json(&json!({
            "cluster": file.cluster.name,
            "id": file.cluster.id,
            "node": file.node,
            "endpoints": file.etcd.endpoints,
            "joined": !dry_run,
            "warnings": joined.warnings,
        }));
        return Ok(Exit::Done);
    }
    warn(&joined.warnings);
    if dry_run {
        show::out(&format!(
            "node {} could join cluster {}; nothing was changed",
            file.node, file.cluster.name
        ));
        return Ok(Exit::Done);
    }
    show::out(&format!("node {} belongs to cluster {} now", file.node, file.cluster.name));
    show::out(&format!("\nstart it:\n  {}", start_line(data)));
    if file.member.is_some() {
        show::out(
            "\nits member of etcd votes as soon as it runs and has caught up; `stead cluster status` shows that",
        );
    }
    Ok(Exit::Done)
}

fn invite(data: &Path, given: &Invite, json: bool) -> Result<Exit, Trouble> {
    let Some(address) = given.place.address else {
        return Err(usage("--address IP is missing: the address of the new node's machine"));
    };
    let ports = (given.place.client_port, given.place.peer_port);
    let order = InviteOrder { node: given.node.clone(), address, ports };
    let invited = membership::invite(data, &order)?;
    let text = invited.invitation.text()?;
    if let Some(out) = &given.out {
        let wrong = |error: std::io::Error| Trouble {
            exit: Exit::Failed,
            text: format!("{}: {error}", out.display()),
        };
        let mut file =
            std::fs::File::options().write(true).create_new(true).mode(0o600).open(out).map_err(wrong)?;
        writeln!(file, "{text}").map_err(wrong)?;
    }
    if json {
        let shown = given.out.is_none().then_some(&text);
        show::json(&json!({ "node": given.node, "invitation": shown, "seconds": invited.lasts }));
        return Ok(Exit::Done);
    }
    let minutes = invited.lasts / 60;
    show::say(&format!(
        "an invitation for node {}, good once and for {minutes} minutes; who has it can be that node, so keep it secret",
        given.node
    ));
    let source = match &given.out {
        Some(out) => {
            show::say(&format!("copy {} to that machine, and there:", out.display()));
            out.file_name().unwrap_or(out.as_os_str()).to_string_lossy()
        }
        None => {
            show::out(&text);
            show::say("on that machine, with the line above as standard input:");
            "-".into()
        }
    };
    show::say(&format!("  stead cluster join --invitation {source} --data DIR"));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_are_printed_as_a_shell_wants_them() {
        assert_eq!(shown(Path::new("/var/lib/stead")), "/var/lib/stead");
        assert_eq!(shown(Path::new("/my dir/o'x")), r"'/my dir/o'\''x'");
    }
}
