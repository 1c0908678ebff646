//! The cluster around a resource DLL, as far as it may ask about it.

use std::sync::{Arc, PoisonError, RwLock};

use stead_resapi::RPC_S_SERVER_UNAVAILABLE;

use crate::tree::Tree;

/// What is known of a resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ResourceFacts {
    /// The resource, as it is spelt.
    pub name: String,
    /// Its type.
    pub type_name: String,
    /// The group it belongs to.
    pub group: String,
    /// The node that owns the group.
    pub node: String,
    /// A `CLUSTER_RESOURCE_STATE`.
    pub state: i32,
    /// The resources it depends on directly, by name.
    pub providers: Vec<String>,
    /// The resources that depend on it directly, by name.
    pub dependents: Vec<String>,
    /// The expression it depends by, such as `([a] or [b]) and [c]`; empty if it depends on nothing.
    pub expression: String,
}

/// What is known of a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupFacts {
    /// The group, as it is spelt.
    pub name: String,
    /// The node that owns it.
    pub node: String,
    /// A `CLUSTER_GROUP_STATE`.
    pub state: i32,
    /// Its resources, by name.
    pub resources: Vec<String>,
}

/// What answers the questions of resource DLLs. Every error is a Windows code. Names are compared without regard to
/// case.
pub trait Cluster: Send + Sync {
    /// The name of the cluster.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn name(&self) -> Result<String, u32>;

    /// The nodes, with their `CLUSTER_NODE_STATE`; the first is the one this process runs on.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn nodes(&self) -> Result<Vec<(String, i32)>, u32>;

    /// The names of all resources.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn resources(&self) -> Result<Vec<String>, u32>;

    /// The names of all groups.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn groups(&self) -> Result<Vec<String>, u32>;

    /// The names of all resource types.
    ///
    /// # Errors
    /// When nobody can be asked.
    fn types(&self) -> Result<Vec<String>, u32>;

    /// One resource.
    ///
    /// # Errors
    /// 5007 if there is none.
    fn resource(&self, name: &str) -> Result<ResourceFacts, u32>;

    /// One group.
    ///
    /// # Errors
    /// 5013 if there is none.
    fn group(&self, name: &str) -> Result<GroupFacts, u32>;

    /// Sends a control code to a resource. The answer is the code returned, the output, and the number of bytes it
    /// wanted to return, which is more than the output has after 234.
    ///
    /// # Errors
    /// When it could not be sent: 5007 if there is no such resource, 1131 if the caller would wait for himself.
    fn control(
        &self,
        resource: &str,
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> Result<(u32, Vec<u8>, u32), u32>;

    /// The keys of a resource.
    ///
    /// # Errors
    /// 5007 if there is no such resource.
    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32>;
}

static CLUSTER: RwLock<Option<&'static dyn Cluster>> = RwLock::new(None);

/// Sets who answers the questions of resource DLLs in this process.
pub fn connect(cluster: &'static dyn Cluster) {
    *CLUSTER.write().unwrap_or_else(PoisonError::into_inner) = Some(cluster);
}

/// Who answers.
///
/// # Errors
/// 1722 in a process that has connected nobody.
pub(crate) fn cluster() -> Result<&'static dyn Cluster, u32> {
    CLUSTER.read().unwrap_or_else(PoisonError::into_inner).ok_or(RPC_S_SERVER_UNAVAILABLE)
}
