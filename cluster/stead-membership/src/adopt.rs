//! A database that was restored or moved, and that an operator takes for the right one.

use std::path::Path;

use stead_store::StoreError;
use stead_store_etcd::{EtcdStore, Memory, Options, Start};

use crate::documents::{self, writer};
use crate::error::{Trouble, refused};
use crate::file::{NodeFile, SEEN};

/// What an adoption is about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Adoption {
    /// The cluster.
    pub cluster: String,
    /// Why its nodes do not take the database for the one of before; nothing if they do.
    pub why: Option<String>,
    /// The new incarnation; nothing if it was only looked at.
    pub incarnation: Option<String>,
}

/// Makes the database that is there the cluster's, if `really`; otherwise only says what is odd about it. Every node
/// then stops what it runs, opens the database again and waits until nothing of before can still run anywhere.
///
/// # Errors
/// Why not; also if the database is the one of before, where an adoption would only stop everything.
pub fn adopt(data: &Path, really: bool) -> Result<Adoption, Trouble> {
    let file = NodeFile::read_present(data)?;
    let options = file.options(data, &writer(&file.node))?;
    let cluster = file.cluster.name.clone();
    // A copy: this look must not make this node forget what it has seen.
    let seen = std::fs::read(data.join(SEEN)).ok();
    let (store, _) = documents::open(options.clone(), Start::AsItIs)?;
    documents::identity(&store, &cluster, Some(&file.cluster.id))?;
    drop(store);
    let why = match look(options.clone(), data, seen.as_deref()) {
        Ok(()) => None,
        Err(StoreError::Replaced(text)) => Some(text),
        Err(error) => return Err(error.into()),
    };
    if !really {
        return Ok(Adoption { cluster, why, incarnation: None });
    }
    if why.is_none() {
        return Err(refused(format!(
            "the database of cluster {cluster:?} is the one of before for this node: there is nothing to adopt, and adopting \
             it would stop every group. If another node refuses it, adopt it there"
        )));
    }
    let (store, _) = documents::open(options, Start::Adopt)?;
    let incarnation = store.opened().incarnation.clone();
    Ok(Adoption { cluster, why, incarnation: Some(incarnation) })
}

/// Opens it as the node does: whether this is the one of before.
fn look(options: Options, data: &Path, seen: Option<&[u8]>) -> Result<(), StoreError> {
    let Some(seen) = seen else { return EtcdStore::open(options, Start::Existing).map(drop) };
    let copy = data.join(SEEN).with_extension("look");
    std::fs::write(&copy, seen).map_err(|error| StoreError::Io(format!("{}: {error}", copy.display())))?;
    let opened =
        EtcdStore::open(Options { memory: Some(Memory::new(copy.clone())), ..options }, Start::Existing)
            .map(drop);
    let _ = std::fs::remove_file(&copy);
    opened
}
