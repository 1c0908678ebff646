//! Inviting a node to a cluster whose etcd is managed.

use std::net::IpAddr;
use std::path::Path;

use stead_store::{Guard, Operation, Outcome, Store, Transaction};
use stead_store_etcd::Start;

use crate::authority::Authority;
use crate::documents::{self, check_free, invitation_key, writer};
use crate::error::{Trouble, refused};
use crate::etcd;
use crate::file::NodeFile;
use crate::invitation::{Certificates, Guest, Invitation, LASTS, Luggage, seal};
use crate::name::check_name;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct InviteOrder {
    /// The new node's name.
    pub node: String,
    /// Its address.
    pub address: IpAddr,
    /// The ports of its etcd member, for clients and members.
    pub ports: (u16, u16),
}

/// An invitation that was made.
pub struct Invited {
    /// What the new node is given. It is a secret.
    pub invitation: Invitation,
    /// How long it can be used, in seconds.
    pub lasts: u64,
}

/// Invites a node. An invitation of before for the same node is void then.
///
/// # Errors
/// Why not.
pub fn invite(data: &Path, order: &InviteOrder) -> Result<Invited, Trouble> {
    check_name("node", &order.node)?;
    let file = NodeFile::read_present(data)?;
    if file.member.is_none() {
        return Err(refused(format!(
            "etcd of cluster {:?} is not managed by stead, so no invitation is needed: on the new node, `stead cluster \
             join {} --node {} --etcd {} --cluster-id {}`, with its own --ca, --cert and --key",
            file.cluster.name,
            file.cluster.name,
            order.node,
            file.etcd.endpoints.join(","),
            file.cluster.id
        )));
    }
    let insecure = file.etcd.ca.is_none();
    let urls = etcd::urls(order.address, order.ports, insecure)?;
    let (certificates, tls) = if insecure {
        (None, None)
    } else {
        let authority = Authority::read(data, &file.cluster.name)?;
        let node = authority.node(&order.node, order.address)?;
        let guest = authority.guest(&format!("join {}", order.node), LASTS)?;
        let Authority { pair, .. } = authority;
        let tls = Guest { ca: pair.certificate.clone(), certificate: guest.certificate, key: guest.key };
        let certificates = Certificates {
            ca: pair.certificate,
            ca_key: pair.key,
            certificate: node.certificate,
            key: node.key,
        };
        (Some(certificates), Some(tls))
    };
    let (secret, sealed) = seal(&Luggage { client_url: urls.client, peer_url: urls.peer, certificates })?;
    let (store, _) = documents::open(file.options(data, &writer(&file.node))?, Start::Existing)?;
    documents::identity(&store, &file.cluster.name, Some(&file.cluster.id))?;
    check_free(&store, &file.cluster, &order.node)?;
    let key = invitation_key(&order.node);
    let guard = match store.get(&key)? {
        Some(entry) => Guard::ModifiedAt(key.clone(), entry.modified),
        None => Guard::Absent(key.clone()),
    };
    let operations = vec![Operation::Put(key, serde_json::json!({ "sealed": sealed }))];
    match store.commit(Transaction { guards: vec![guard], operations })? {
        Outcome::Committed(_) => {}
        Outcome::Conflict(_) => {
            return Err(refused(format!(
                "node {:?} was invited by somebody else at this moment",
                order.node
            )));
        }
    }
    let invitation = Invitation {
        cluster: file.cluster.clone(),
        node: order.node.clone(),
        endpoints: file.endpoints(data),
        tls,
        secret,
    };
    Ok(Invited { invitation, lasts: LASTS.as_secs() })
}
