//! Nodes that go: by themselves, or removed by the others because they will not come back.

use std::path::Path;

use stead_store::{Guard, Operation, Outcome, Store, Transaction};
use stead_store_etcd::{Admin, EtcdMember, Options, Start};

use crate::authority;
use crate::certificate::certificate_key;
use crate::create::check_folder_is_idle;
use crate::documents::{self, MEMBER, MemberDoc, invitation_key, member_key, owned, writer};
use crate::error::{Trouble, failed, refused};
use crate::etcd::{self, with_member};
use crate::file::{LEARNED, NodeFile, PATH, SEEN};

fn check_owns_nothing(store: &dyn Store, node: &str) -> Result<(), Trouble> {
    let groups = owned(store, node)?;
    if groups.is_empty() {
        return Ok(());
    }
    Err(refused(format!(
        "node {node:?} owns {} of the groups ({}); move them to other nodes first, or wait until those have taken them over",
        groups.len(),
        groups.join(", ")
    )))
}

/// Deletes what says that the node belongs to the cluster.
fn forget(store: &dyn Store, node: &str) -> Result<(), Trouble> {
    let key = member_key(node);
    let Some(entry) = store.get(&key)? else { return Ok(()) };
    let transaction = Transaction {
        guards: vec![Guard::ModifiedAt(key.clone(), entry.modified)],
        operations: vec![
            Operation::Delete(key),
            Operation::Delete(invitation_key(node)),
            Operation::Delete(certificate_key(node)),
            Operation::Delete(format!("host/{}", node.to_ascii_lowercase())),
        ],
    };
    match store.commit(transaction)? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Conflict(_) => {
            Err(failed(format!("node {node:?} was changed by somebody else at this moment; try again")))
        }
    }
}

/// The member of a node: by its name, or by its address while it has none.
fn member_of<'a>(members: &'a [EtcdMember], node: &str, peer: Option<&str>) -> Option<&'a EtcdMember> {
    members.iter().find(|member| {
        let there = peer.is_some_and(|peer| member.peer_urls.iter().any(|url| url == peer));
        there || (!member.name.is_empty() && member.name.eq_ignore_ascii_case(node))
    })
}

/// A node that has left.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Left {
    /// What was in its file.
    pub file: NodeFile,
    /// It was the last one of its cluster.
    pub last: bool,
}

/// The last node cannot hand its groups to anybody, nor the database to another member. True if it is the last one.
fn check_last(store: &dyn Store, file: &NodeFile, data: &Path) -> Result<bool, Trouble> {
    let own = member_key(&file.node);
    let (_, members) = store.list(MEMBER)?;
    if members.iter().any(|entry| entry.key != own) {
        return Ok(false);
    }
    if file.member.is_none() && owned(store, &file.node)?.is_empty() {
        return Ok(true);
    }
    let (cluster, node, data) = (&file.cluster.name, &file.node, data.display());
    let rest = match file.member {
        Some(_) => String::new(),
        None => format!(" and, in etcd, all its keys (etcdctl del --prefix /stead/{cluster}/)"),
    };
    Err(refused(format!(
        "{node:?} is the last node of cluster {cluster:?}: nobody is left to take its groups and its configuration. To go \
         on elsewhere, let another node join first; to end the cluster for good, delete {data}{rest}"
    )))
}

/// Takes this machine, whose node is to be stopped, out of its cluster.
///
/// # Errors
/// Why not.
pub fn leave(data: &Path) -> Result<Left, Trouble> {
    let file = NodeFile::read_present(data)?;
    check_folder_is_idle(data)?;
    let options = file.options(data, &writer(&file.node))?;
    let go = |options: Options| {
        let admin = Admin::new(options.clone())?;
        let (store, _) = documents::open(options, Start::Existing)?;
        let last = check_last(&store, &file, data)?;
        check_owns_nothing(&store, &file.node)?;
        check_session(&store, &file.node)?;
        let Some(member) = &file.member else { return forget(&store, &file.node).map(|()| last) };
        let (_, members) = admin.list()?;
        let own = member_of(&members, &member.name, Some(&member.peer_url));
        let voters = members.iter().filter(|member| !member.learner).count();
        if own.is_some_and(|own| !own.learner) && voters == 1 {
            return Err(refused(format!(
                "this is the last member of etcd of cluster {:?}: the database ends with it; to end the cluster, delete {}",
                file.cluster.name,
                data.display()
            )));
        }
        forget(&store, &file.node)?;
        drop(store);
        own.map_or(Ok(()), |own| admin.remove(own.id).map_err(Trouble::from))?;
        Ok(last)
    };
    let last = match &file.member {
        // Its vote may be needed for its own removal.
        Some(member) => with_member((&file, member, data), options, go)?,
        None => go(options)?,
    };
    let wrong = |what: &str, error: std::io::Error| failed(format!("{}: {error}", data.join(what).display()));
    std::fs::remove_file(data.join(PATH)).map_err(|error| wrong(PATH, error))?;
    for memory in [LEARNED, SEEN] {
        let _ = std::fs::remove_file(data.join(memory));
    }
    if file.member.is_some() {
        for folder in [etcd::FOLDER, authority::FOLDER] {
            match std::fs::remove_dir_all(data.join(folder)) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(wrong(folder, error));
                }
                Ok(()) | Err(_) => {}
            }
        }
    }
    Ok(Left { file, last })
}

fn check_session(store: &dyn Store, node: &str) -> Result<(), Trouble> {
    let session = store.get(&format!("session/{node}"))?;
    let alive = session
        .is_some_and(|entry| entry.value.get("state").and_then(serde_json::Value::as_str) == Some("alive"));
    match alive {
        true => Err(refused(format!(
            "the session of node {node:?} is alive: end the node in order (`stead shutdown`), or wait until the others \
             have seen that it is gone"
        ))),
        false => Ok(()),
    }
}

/// Removes a node that is lost: its member of etcd, and its name. To be done on another node.
///
/// # Errors
/// Why not; in particular when the members that are left would be no majority.
pub fn remove_member(data: &Path, node: &str) -> Result<(), Trouble> {
    let file = NodeFile::read_present(data)?;
    if node.eq_ignore_ascii_case(&file.node) {
        return Err(refused(format!("{node:?} is this node; stop it and use `stead cluster leave`")));
    }
    let options = file.options(data, &writer(&file.node))?;
    let admin = Admin::new(options.clone())?;
    let (store, _) = documents::open(options, Start::Existing)?;
    let known = documents::read::<MemberDoc>(&store, &member_key(node))?.map(|(found, _)| found);
    let members = if file.member.is_some() { admin.list()?.1 } else { Vec::new() };
    let peer = known.as_ref().and_then(|found| found.etcd.as_deref());
    let member = member_of(&members, node, peer);
    if known.is_none() && member.is_none() {
        return Err(refused(format!(
            "cluster {:?} has no node {node:?}; `stead cluster status` lists them",
            file.cluster.name
        )));
    }
    if let Some(member) = member {
        let voters: Vec<&EtcdMember> =
            members.iter().filter(|other| !other.learner && other.id != member.id).collect();
        let well = voters.iter().filter(|other| {
            other.client_urls.iter().any(|url| admin.health(url).is_ok_and(|health| health.leader != 0))
        });
        let (well, all) = (well.count(), voters.len());
        if !member.learner && well * 2 <= all {
            return Err(refused(format!(
                "without {node:?} there are {all} members of etcd, of which {well} answer: no majority; bring another one \
                 back first"
            )));
        }
    }
    check_owns_nothing(&store, node)?;
    check_session(&store, node)?;
    if let Some(member) = member {
        admin.remove(member.id)?;
    }
    forget(&store, node)
}
