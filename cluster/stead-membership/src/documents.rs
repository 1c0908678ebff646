//! What is stored about the cluster and who belongs to it.

use serde::{Deserialize, Serialize};
use stead_store::{Entry, Store, StoreError};
use stead_store_etcd::{EtcdStore, Options, Start};

use crate::error::{Trouble, failed, refused};
use crate::file::{ClusterName, NodeFile, PATH};
use crate::timers::Timers;

/// The key of [`Identity`].
pub const META: &str = "meta";

/// The keys of [`MemberDoc`] begin so; the name in lower case follows.
pub const MEMBER: &str = "member/";

/// The keys of invitations begin so; the name in lower case follows.
pub(crate) const INVITATION: &str = "invitation/";

/// Which cluster this is: written once, when it is created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identity {
    /// The version of what is stored.
    pub schema: u32,
    /// Its name.
    pub name: String,
    /// Its id.
    pub id: String,
    /// The times that every node takes over when it joins.
    pub timers: Timers,
}

/// A node that belongs to the cluster, whether it runs or not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberDoc {
    /// Its name, as it was first written.
    pub node: String,
    /// The version of stead that it joined with.
    pub version: String,
    /// The peer address of its managed etcd member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub etcd: Option<String>,
}

/// The version of what is stored.
pub(crate) const SCHEMA: u32 = 1;

pub(crate) fn member_key(node: &str) -> String {
    format!("{MEMBER}{}", node.to_ascii_lowercase())
}

pub(crate) fn invitation_key(node: &str) -> String {
    format!("{INVITATION}{}", node.to_ascii_lowercase())
}

impl MemberDoc {
    pub(crate) fn new(node: &str, etcd: Option<String>) -> Self {
        MemberDoc { node: node.to_owned(), version: env!("CARGO_PKG_VERSION").to_owned(), etcd }
    }
}

/// Commands of an operator write under a name of their own: two processes must not write under one.
pub(crate) fn writer(node: &str) -> String {
    format!("setup.{node}")
}

pub(crate) fn open(options: Options, start: Start) -> Result<(EtcdStore, Vec<String>), Trouble> {
    let store = EtcdStore::open(options, start)?;
    let warnings = store.opened().warnings.clone();
    Ok((store, warnings))
}

/// Reads a document and what it was last changed by.
pub(crate) fn read<T: serde::de::DeserializeOwned>(
    store: &dyn Store,
    key: &str,
) -> Result<Option<(T, Entry)>, Trouble> {
    let Some(entry) = store.get(key)? else { return Ok(None) };
    let document = serde_json::from_value(entry.value.clone())
        .map_err(|error| failed(format!("document {key:?} cannot be understood: {error}")))?;
    Ok(Some((document, entry)))
}

/// The identity, which must be that of the cluster with this name and, if one is given, this id.
pub(crate) fn identity(
    store: &dyn Store,
    name: &str,
    id: Option<&str>,
) -> Result<(Identity, Entry), Trouble> {
    let Some((found, entry)) = read::<Identity>(store, META)? else {
        if !store.list(MEMBER)?.1.is_empty() {
            return Err(refused(format!(
                "cluster {name:?} in etcd has no identity, although nodes belong to it: somebody deleted \
                 /stead/{name}/documents/meta. Put it back (etcdctl get --rev shows what was there, until etcd compacts it)"
            )));
        }
        return Err(refused(format!(
            "cluster {name:?} in etcd was never finished: it has no identity; create it anew under another name, or \
             delete its keys (etcdctl del --prefix /stead/{name}/)"
        )));
    };
    if found.schema != SCHEMA {
        return Err(refused(format!(
            "cluster {name:?} is stored with schema {}, this program knows {SCHEMA}; use the same version of stead on \
             all nodes",
            found.schema
        )));
    }
    match id {
        Some(id) if id != found.id => Err(refused(format!(
            "etcd holds cluster {name:?} with id {}, not {id}: it is another cluster of the same name; check the \
             endpoints, or give --cluster-id {}",
            found.id, found.id
        ))),
        Some(_) | None => Ok((found, entry)),
    }
}

/// Refuses a node that `node.toml` takes for one of this cluster, and that is none of it. What is odd about it and keeps
/// nobody from anything is returned.
///
/// # Errors
/// With a remedy.
pub fn belongs(store: &dyn Store, file: &NodeFile) -> Result<Vec<String>, Trouble> {
    let (identity, _) = identity(store, &file.cluster.name, Some(&file.cluster.id)).map_err(|trouble| {
        refused(format!("{trouble}. If that is the right cluster, put its id into [cluster] of {PATH}"))
    })?;
    let key = member_key(&file.node);
    let Some(entry) = store.get(&key)? else {
        return Err(refused(format!(
            "node {:?} does not belong to cluster {:?}: it was removed, or never joined. Delete {PATH} of this data folder \
             and `stead cluster join` again",
            file.node, file.cluster.name
        )));
    };
    let mut odd = Vec::new();
    if let Err(error) = serde_json::from_value::<MemberDoc>(entry.value) {
        odd.push(format!(
            "document {key:?} cannot be understood: {error}; `stead cluster members remove` and a new join put it right"
        ));
    }
    let own = file.timers();
    if !own.same(&identity.timers) {
        odd.push(format!(
            "the times of this node ({own}) are not those of the cluster ({}): that is safe, since others wait by its own; \
             [timers] of {PATH} has them",
            identity.timers
        ));
    }
    Ok(odd)
}

/// Refuses the name of a node that is there already.
pub(crate) fn check_free(store: &dyn Store, cluster: &ClusterName, node: &str) -> Result<(), Trouble> {
    if let Some((found, _)) = read::<MemberDoc>(store, &member_key(node))? {
        return Err(refused(format!(
            "cluster {:?} has a node {:?} already; choose another --node, or, if that machine is gone for good, \
             `stead cluster members remove {}` on another node first",
            cluster.name, found.node, found.node
        )));
    }
    let (_, sessions) = store.list("session/")?;
    let taken = sessions.iter().find(|entry| {
        let alive = entry.value.get("state").and_then(serde_json::Value::as_str) == Some("alive");
        let name = entry.key.strip_prefix("session/").unwrap_or_default();
        alive && name.eq_ignore_ascii_case(node)
    });
    match taken {
        Some(_) => Err(refused(format!(
            "cluster {:?} has a live session of a node {node:?}; end that node first, or choose another --node",
            cluster.name
        ))),
        None => Ok(()),
    }
}

/// The groups that a node owns.
pub(crate) fn owned(store: &dyn Store, node: &str) -> Result<Vec<String>, StoreError> {
    let (_, entries) = store.list("own/")?;
    let of = |entry: &&Entry| {
        let owner = entry.value.get("node").and_then(serde_json::Value::as_str);
        owner.is_some_and(|owner| owner.eq_ignore_ascii_case(node))
    };
    let name = |entry: &Entry| entry.key.strip_prefix("own/").unwrap_or_default().to_owned();
    Ok(entries.iter().filter(of).map(name).collect())
}
