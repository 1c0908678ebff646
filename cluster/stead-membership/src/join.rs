//! Making this machine a node of a cluster that is there.

use std::path::{Path, PathBuf};

use stead_store::{Entry, Guard, Operation, Outcome, Store, Transaction};
use stead_store_etcd::{Admin, EtcdMember, Options, Start};

use crate::authority::{self, Pair};
use crate::create::{Begun, check_folder, left_alone};
use crate::documents::{self, Identity, META, MemberDoc, check_free, invitation_key, member_key, writer};
use crate::error::{Trouble, failed, refused};
use crate::etcd;
use crate::file::{ClusterName, Etcd, Member, NodeFile};
use crate::invitation::{Guest, Invitation, Luggage, unseal};
use crate::name::check_name;
use crate::secret;
use crate::timers::Timers;

/// What is asked for, where etcd is somebody else's.
#[derive(Clone, Debug)]
pub struct JoinOrder {
    /// The cluster.
    pub cluster: ClusterName,
    /// This node's name.
    pub node: String,
    /// How etcd is reached.
    pub etcd: Etcd,
    /// Times that the operator expects; those of the cluster without.
    pub timers: Option<Timers>,
    /// The device of the watchdog.
    pub watchdog: Option<PathBuf>,
    /// Only look.
    pub dry_run: bool,
}

/// What came of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Joined {
    /// What is in the file.
    pub file: NodeFile,
    /// What an operator should be told.
    pub warnings: Vec<String>,
}

fn check_timers(identity: &Identity, expected: Option<&Timers>) -> Result<(), Trouble> {
    match expected {
        Some(expected) if !expected.same(&identity.timers) => Err(refused(format!(
            "cluster {:?} has the times {}; this node was to have {expected}; leave the profile out to take over those \
             of the cluster",
            identity.name, identity.timers
        ))),
        Some(_) | None => Ok(()),
    }
}

/// Adds the node to those that belong to the cluster, guarded by what was read; `also` goes with it.
fn enter(
    store: &dyn Store,
    (node, etcd): (&str, Option<String>),
    identity: &Entry,
    also: (Vec<Guard>, Vec<Operation>),
) -> Result<(), Trouble> {
    let key = member_key(node);
    let (mut guards, mut operations) = also;
    guards.push(Guard::ModifiedAt(META.to_owned(), identity.modified));
    guards.push(Guard::Absent(key.clone()));
    operations.push(Operation::Put(key, serde_json::json!(MemberDoc::new(node, etcd))));
    match store.commit(Transaction { guards, operations })? {
        Outcome::Committed(_) => Ok(()),
        Outcome::Conflict(_) => Err(refused(format!(
            "node {node:?} was not added: somebody else joined under this name, or used the invitation, at this moment"
        ))),
    }
}

/// Joins a cluster in somebody else's etcd.
///
/// # Errors
/// Why not; nothing was changed then.
pub fn join(data: &Path, order: &JoinOrder) -> Result<Joined, Trouble> {
    check_name("cluster", &order.cluster.name)?;
    check_name("node", &order.node)?;
    order.etcd.check_given()?;
    check_folder(data)?;
    let options = order.etcd.options(data, &order.cluster.name, &writer(&order.node))?;
    let (store, mut warnings) = documents::open(options, Start::Existing)?;
    warnings.extend(left_alone(data));
    let (identity, entry) = documents::identity(&store, &order.cluster.name, Some(&order.cluster.id))?;
    check_timers(&identity, order.timers.as_ref())?;
    check_free(&store, &order.cluster, &order.node)?;
    let mut file = NodeFile::new(&order.node, order.cluster.clone(), order.etcd.clone(), &identity.timers);
    file.watchdog.clone_from(&order.watchdog);
    if !order.dry_run {
        secret::folder(data)?;
        let nothing = (Vec::new(), Vec::new());
        file.write_with(data, || enter(&store, (&order.node, None), &entry, nothing))?;
    }
    Ok(Joined { file, warnings })
}

/// The guest's files, for as long as they are needed.
struct GuestFiles {
    etcd: Etcd,
    folder: PathBuf,
}

impl GuestFiles {
    fn new(data: &Path, invitation: &Invitation) -> Result<Self, Trouble> {
        let folder = data.join("joining");
        let etcd = Etcd { endpoints: invitation.endpoints.clone(), ..Etcd::default() };
        let mut files = GuestFiles { etcd, folder: folder.clone() };
        let Some(Guest { ca, certificate, key }) = &invitation.tls else { return Ok(files) };
        secret::folder(&folder)?;
        for (name, content) in [("ca.pem", ca), ("guest.crt", certificate), ("guest.key", key)] {
            secret::write(&folder.join(name), content.as_bytes())?;
        }
        files.etcd.ca = Some(folder.join("ca.pem"));
        files.etcd.certificate = Some(folder.join("guest.crt"));
        files.etcd.key = Some(folder.join("guest.key"));
        Ok(files)
    }
}

impl Drop for GuestFiles {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

fn advise(error: Trouble) -> Trouble {
    let text = error.to_string();
    if text.contains("certificate") {
        return refused(format!(
            "{text}; an invitation is good for 15 minutes: `stead cluster invite` on a node of the cluster makes another"
        ));
    }
    error
}

/// Joins a cluster whose etcd is managed, by an invitation: this machine gets a member of etcd of its own, which has no
/// vote until it runs and has caught up.
///
/// # Errors
/// Why not; what was begun was taken back then.
pub fn join_by_invitation(
    data: &Path,
    invitation: &Invitation,
    (binary, watchdog): (Option<PathBuf>, Option<PathBuf>),
    dry_run: bool,
) -> Result<Joined, Trouble> {
    check_name("cluster", &invitation.cluster.name)?;
    check_name("node", &invitation.node)?;
    check_folder(data)?;
    etcd::check_program(binary.as_deref())?;
    let begun = Begun::new(&[data.join(authority::FOLDER), data.join(etcd::FOLDER)])?;
    secret::folder(data)?;
    let guest = GuestFiles::new(data, invitation)?;
    guest.etcd.check_given()?;
    let options = guest.etcd.options(data, &invitation.cluster.name, &writer(&invitation.node))?;
    let (store, mut warnings) = documents::open(options.clone(), Start::Existing).map_err(advise)?;
    warnings.extend(left_alone(data));
    let (identity, entry) =
        documents::identity(&store, &invitation.cluster.name, Some(&invitation.cluster.id))?;
    check_free(&store, &invitation.cluster, &invitation.node)?;
    let (luggage, waiting) = luggage(&store, invitation)?;
    let insecure = luggage.certificates.is_none();
    let mut endpoints = invitation.endpoints.clone();
    endpoints.push(luggage.client_url.clone());
    let mut file = NodeFile::new(
        &invitation.node,
        invitation.cluster.clone(),
        etcd::paths(endpoints, insecure),
        &identity.timers,
    );
    file.watchdog = watchdog;
    if dry_run {
        return Ok(Joined { file, warnings });
    }
    if let Some(found) = &luggage.certificates {
        let authority = Pair { certificate: found.ca.clone(), key: found.ca_key.clone() };
        let node = Pair { certificate: found.certificate.clone(), key: found.key.clone() };
        authority::write(data, &authority, &node)?;
    }
    let admin = Admin::new(Options { deadline: etcd::PATIENCE, ..options })?;
    let id = admin.add_learner(&luggage.peer_url).map_err(|error| too_many(error.to_string()))?;
    let entered = initial_cluster(&admin, &invitation.node, &luggage.peer_url).and_then(|initial_cluster| {
        file.member = Some(Member {
            name: invitation.node.clone(),
            client_url: luggage.client_url.clone(),
            peer_url: luggage.peer_url.clone(),
            data: PathBuf::from(etcd::FOLDER),
            initial_cluster,
            existing: true,
            binary,
        });
        let key = invitation_key(&invitation.node);
        let used = (vec![Guard::ModifiedAt(key.clone(), waiting.modified)], vec![Operation::Delete(key)]);
        let peer = Some(luggage.peer_url.clone());
        file.write_with(data, || enter(&store, (&invitation.node, peer), &entry, used))
    });
    if let Err(error) = entered {
        return match admin.remove(id) {
            Ok(()) => Err(error),
            Err(kept) => Err(failed(format!(
                "{error}; its etcd member {id:x} could not be taken back ({kept}): `stead cluster members remove {}` on \
                 another node",
                invitation.node
            ))),
        };
    }
    begun.keep();
    Ok(Joined { file, warnings })
}

fn too_many(text: String) -> Trouble {
    if text.contains("too many learner") {
        return refused(format!(
            "{text}: another node that joined has not caught up yet; start it, wait until `stead cluster status` shows no \
             learner, and try again"
        ));
    }
    failed(text)
}

/// Opens the document of the invitation.
fn luggage(store: &dyn Store, invitation: &Invitation) -> Result<(Luggage, Entry), Trouble> {
    let void = |why: &str| {
        refused(format!(
            "the invitation of node {:?} {why}; `stead cluster invite {}` on a node of the cluster makes another",
            invitation.node, invitation.node
        ))
    };
    let Some(entry) = store.get(&invitation_key(&invitation.node))? else {
        return Err(void("was used already, or is none of this cluster"));
    };
    let sealed = entry.value.get("sealed").and_then(serde_json::Value::as_str).unwrap_or_default();
    match unseal(&invitation.secret, sealed) {
        Some(luggage) => Ok((luggage, entry)),
        None => Err(void("was replaced by a later one")),
    }
}

/// What the new member is told of the others.
fn initial_cluster(admin: &Admin, node: &str, own: &str) -> Result<String, Trouble> {
    let (_, members) = admin.list()?;
    let named = |member: &EtcdMember| {
        let name = if member.peer_urls.iter().any(|url| url == own) { node } else { &member.name };
        let pair = |url: &String| format!("{name}={url}");
        member.peer_urls.iter().map(pair).collect::<Vec<_>>()
    };
    Ok(members.iter().flat_map(named).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::authority::Authority;
    use crate::create::{CreateOrder, create};
    use crate::etcd::Running;
    use crate::invite::{InviteOrder, invite};

    /// The program, installed or unpacked by `cargo xtask test`.
    fn program() -> Option<PathBuf> {
        let unpacked = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/tools/usr/bin/etcd");
        let found = [PathBuf::from("etcd"), unpacked]
            .into_iter()
            .find(|path| etcd::check_program(Some(path)).is_ok());
        if found.is_none() {
            eprintln!("SKIPPED: etcd is not there; apt-get install etcd-server, or cargo xtask test");
        }
        found
    }

    #[test]
    fn an_invitation_that_has_expired_or_is_for_another_cluster_is_refused() {
        let Some(binary) = program() else { return };
        let folder = tempfile::tempdir().unwrap();
        let (first, second) = (folder.path().join("n1"), folder.path().join("n2"));
        let [_, _, high, low] = std::process::id().to_be_bytes();
        let address = |last: u8| std::net::IpAddr::from([127, 32 | (high & 31), low, last]);
        let order = CreateOrder {
            cluster: "prod".to_owned(),
            node: "n1".to_owned(),
            etcd: Etcd::default(),
            managed: Some((address(1), (2379, 2380))),
            binary: Some(binary.clone()),
            insecure: false,
            timers: Timers::default(),
            watchdog: None,
            dry_run: false,
        };
        let created = create(&first, &order).unwrap();
        let _running = Running::start(&created.file, created.file.member.as_ref().unwrap(), &first).unwrap();
        let asked = InviteOrder { node: "n2".to_owned(), address: address(2), ports: (2379, 2380) };
        let good = loop {
            // Until the member has begun to answer.
            match invite(&first, &asked) {
                Ok(invited) => break invited.invitation,
                Err(error) => assert!(matches!(error, Trouble::Failed(_)), "{error}"),
            }
        };
        let join = |invitation: &Invitation| {
            let told = join_by_invitation(&second, invitation, (Some(binary.clone()), None), false);
            let told = told.unwrap_err();
            let left: Vec<_> = std::fs::read_dir(&second).into_iter().flatten().collect();
            assert!(matches!(told, Trouble::Refused(_)) && left.is_empty(), "{told}: {left:?}");
            told.to_string()
        };

        let authority = Authority::read(&first, "prod").unwrap();
        let guest = authority.guest("join n2", Duration::ZERO).unwrap();
        let mut expired = good.clone();
        expired.tls =
            Some(Guest { ca: authority.pair.certificate, certificate: guest.certificate, key: guest.key });
        assert!(join(&expired).contains("good for 15 minutes"));

        let mut other = good.clone();
        other.cluster.id = "abcd".to_owned();
        assert!(join(&other).contains("not abcd"));

        let mut renamed = good.clone();
        renamed.node = "n3".to_owned();
        assert!(join(&renamed).contains("was used already"));

        let joined = join_by_invitation(&second, &good, (Some(binary.clone()), None), true).unwrap();
        assert_eq!(joined.file.node, "n2");
        assert_eq!(NodeFile::read(&second), Ok(None));

        // Once, and never again: what was sealed is gone.
        join_by_invitation(&second, &good, (Some(binary.clone()), None), false).unwrap();
        let options = created.file.options(&first, "test").unwrap();
        let (store, _) = documents::open(options, Start::Existing).unwrap();
        let told = luggage(&store, &good).err().unwrap().to_string();
        assert!(told.contains("was used already"), "{told}");
    }
}
