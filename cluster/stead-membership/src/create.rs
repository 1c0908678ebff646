//! A new cluster, with this machine as its first node.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};

use stead_store::{Guard, Operation, Outcome, Store, Transaction};
use stead_store_etcd::{Options, Start};

use crate::authority::{self, Authority};
use crate::documents::{self, Identity, META, MemberDoc, SCHEMA, member_key, writer};
use crate::error::{Trouble, failed, refused};
use crate::etcd::{self, with_member};
use crate::file::{ClusterName, Etcd, Member, NodeFile};
use crate::name::check_name;
use crate::secret;
use crate::timers::Timers;

/// What is asked for.
#[derive(Clone, Debug)]
pub struct CreateOrder {
    /// The cluster's name.
    pub cluster: String,
    /// This node's name.
    pub node: String,
    /// Somebody else's etcd; without endpoints a managed member is made.
    pub etcd: Etcd,
    /// Where the managed member is to be: its address, and the ports for clients and members.
    pub managed: Option<(IpAddr, (u16, u16))>,
    /// The managed member's program; `etcd` without.
    pub binary: Option<PathBuf>,
    /// The managed member speaks in clear.
    pub insecure: bool,
    /// The times of all nodes.
    pub timers: Timers,
    /// The device of the watchdog.
    pub watchdog: Option<PathBuf>,
    /// Only look.
    pub dry_run: bool,
}

/// What was made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Created {
    /// The cluster.
    pub cluster: ClusterName,
    /// What is in the file.
    pub file: NodeFile,
    /// What an operator should be told.
    pub warnings: Vec<String>,
}

/// Refuses a data folder that is a node's already, or whose node runs.
pub(crate) fn check_folder(data: &Path) -> Result<(), Trouble> {
    if let Some(file) = NodeFile::read(data)? {
        return Err(refused(format!(
            "{} is node {:?} of cluster {:?} already; `stead cluster leave` ends that, --data names another folder",
            data.display(),
            file.node,
            file.cluster.name
        )));
    }
    check_folder_is_idle(data)
}

/// Refuses a folder whose node runs: it would not take notice.
pub(crate) fn check_folder_is_idle(data: &Path) -> Result<(), Trouble> {
    let lock = data.join("lock");
    if let Ok(lock) = fs::File::open(&lock)
        && rustix::fs::flock(&lock, rustix::fs::FlockOperation::NonBlockingLockShared).is_err()
    {
        return Err(refused(format!("a node runs on {}; `stead shutdown` ends it", data.display())));
    }
    Ok(())
}

/// What was made in a folder, taken back unless it is kept.
pub(crate) struct Begun {
    made: Vec<PathBuf>,
}

impl Begun {
    /// Refuses what is there already.
    pub(crate) fn new(paths: &[PathBuf]) -> Result<Self, Trouble> {
        match paths.iter().find(|path| path.exists()) {
            Some(path) => Err(refused(format!(
                "{} is there, left by a cluster of before; delete it, or name another folder with --data",
                path.display()
            ))),
            None => Ok(Begun { made: paths.to_vec() }),
        }
    }

    pub(crate) fn keep(mut self) {
        self.made.clear();
    }
}

impl Drop for Begun {
    fn drop(&mut self) {
        for path in &self.made {
            // Each is a folder of ours that was not there before.
            let _ = fs::remove_dir_all(path);
        }
    }
}

fn new_id() -> Result<String, Trouble> {
    let mut bytes = [0; 8];
    match rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty()) {
        Ok(count) if count == bytes.len() => Ok(format!("{:016x}", u64::from_ne_bytes(bytes))),
        Ok(_) | Err(_) => Err(failed("random numbers of the system: none")),
    }
}

/// Creates a cluster.
///
/// # Errors
/// Why not; nothing is left of it in the folder then.
pub fn create(data: &Path, order: &CreateOrder) -> Result<Created, Trouble> {
    check_name("cluster", &order.cluster)?;
    check_name("node", &order.node)?;
    order.timers.check(order.watchdog.is_some()).map_err(|text| refused(format!("timers: {text}")))?;
    check_folder(data)?;
    let cluster = ClusterName { name: order.cluster.clone(), id: new_id()? };
    match order.managed {
        None => external(data, order, cluster),
        Some((address, ports)) => managed(data, order, cluster, (address, ports)),
    }
}

/// Makes the database, and writes who the cluster and its first node are.
fn found(
    options: Options,
    order: &CreateOrder,
    cluster: &ClusterName,
    etcd: Option<String>,
) -> Result<Vec<String>, Trouble> {
    let (store, warnings) = documents::open(options.clone(), Start::Create).or_else(|error| {
        // A creation that was cut off has left a database that nobody belongs to: it is finished.
        let (store, warnings) = documents::open(options, Start::Existing).map_err(|_| error.clone())?;
        match documents::read::<Identity>(&store, META) {
            Ok(Some((there, _))) => Err(refused(format!(
                "etcd holds a cluster {:?} already, its id is {}; `stead cluster join` joins it, another name makes \
                 another cluster",
                there.name, there.id
            ))),
            Ok(None) => Ok((store, warnings)),
            Err(_) => Err(error),
        }
    })?;
    let identity =
        Identity { schema: SCHEMA, name: cluster.name.clone(), id: cluster.id.clone(), timers: order.timers };
    let member = MemberDoc::new(&order.node, etcd);
    let transaction = Transaction {
        guards: vec![Guard::Absent(META.to_owned())],
        operations: vec![
            Operation::Put(META.to_owned(), serde_json::json!(identity)),
            Operation::Put(member_key(&order.node), serde_json::json!(member)),
        ],
    };
    match store.commit(transaction)? {
        Outcome::Committed(_) => Ok(warnings),
        Outcome::Conflict(_) => Err(refused(format!(
            "cluster {:?} was created by another node at this moment; join it",
            cluster.name
        ))),
    }
}

fn external(data: &Path, order: &CreateOrder, cluster: ClusterName) -> Result<Created, Trouble> {
    order.etcd.check_given()?;
    let mut file = NodeFile::new(&order.node, cluster.clone(), order.etcd.clone(), &order.timers);
    file.watchdog.clone_from(&order.watchdog);
    let options = order.etcd.options(data, &cluster.name, &writer(&order.node))?;
    if order.dry_run {
        let warnings = look(options, &cluster.name)?;
        return Ok(Created { cluster, file, warnings });
    }
    secret::folder(data)?;
    let mut warnings = file.write_with(data, || found(options, order, &cluster, None))?;
    warnings.extend(left_alone(data));
    Ok(Created { cluster, file, warnings })
}

/// Whether the cluster could be created, without doing it.
fn look(options: Options, name: &str) -> Result<Vec<String>, Trouble> {
    let admin = stead_store_etcd::Admin::new(options.clone())?;
    admin.list()?;
    match documents::open(options, Start::Existing) {
        Ok((store, _)) => match documents::identity(&store, name, None) {
            Ok((there, _)) => Err(refused(format!(
                "etcd holds a cluster {name:?} already, its id is {}; `stead cluster join` joins it",
                there.id
            ))),
            Err(_) => Ok(Vec::new()),
        },
        Err(_) => Ok(Vec::new()),
    }
}

fn managed(
    data: &Path,
    order: &CreateOrder,
    cluster: ClusterName,
    (address, ports): (IpAddr, (u16, u16)),
) -> Result<Created, Trouble> {
    let insecure = order.insecure;
    let urls = etcd::urls(address, ports, insecure)?;
    etcd::check_program(order.binary.as_deref())?;
    let etcd = etcd::paths(vec![urls.client.clone()], insecure);
    let mut file = NodeFile::new(&order.node, cluster.clone(), etcd, &order.timers);
    file.watchdog.clone_from(&order.watchdog);
    let member = Member {
        name: order.node.clone(),
        client_url: urls.client,
        initial_cluster: format!("{}={}", order.node, urls.peer),
        peer_url: urls.peer,
        data: PathBuf::from(etcd::FOLDER),
        existing: false,
        binary: order.binary.clone(),
    };
    file.member = Some(member.clone());
    let begun = Begun::new(&[data.join(authority::FOLDER), data.join(etcd::FOLDER)])?;
    if order.dry_run {
        return Ok(Created { cluster, file, warnings: Vec::new() });
    }
    secret::folder(data)?;
    if !insecure {
        let authority = Authority::new(&cluster.name)?;
        let node = authority.node(&order.node, address)?;
        authority::write(data, &authority.pair, &node)?;
    }
    let options = file.options(data, &writer(&order.node))?;
    let peer = Some(member.peer_url.clone());
    let mut warnings =
        with_member((&file, &member, data), options, |options| found(options, order, &cluster, peer))?;
    // Last: nobody else knows of the cluster yet, so what is broken off before is no node of anything.
    file.write(data)?;
    begun.keep();
    if insecure && !address.is_loopback() {
        warnings.push(in_clear());
    }
    warnings.extend(left_alone(data));
    Ok(Created { cluster, file, warnings })
}

/// What is to be said of the database of a machine that was a cluster by itself so far.
pub(crate) fn left_alone(data: &Path) -> Option<String> {
    let database = data.join("cluster.redb");
    database.exists().then(|| {
        format!(
            "the groups this machine had by itself stay in {} and are not the cluster's; apply their file to the cluster",
            database.display()
        )
    })
}

/// What `--insecure` means.
pub(crate) fn in_clear() -> String {
    "etcd speaks in clear: whoever reaches its ports can read and change everything, and so decide what runs where as root"
        .to_owned()
}
