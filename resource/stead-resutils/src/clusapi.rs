//! The functions of `libclusapi.so` that this library calls, and their types. Which library defines them is the
//! loader's matter.

use std::ffi::c_void;

use stead_resapi::{FILETIME, HANDLE, HKEY};

/// An opened cluster.
pub type HCLUSTER = HANDLE;
/// An opened resource.
pub type HRESOURCE = HANDLE;
/// An opened group.
pub type HGROUP = HANDLE;
/// An opened node.
pub type HNODE = HANDLE;
/// A cryptographic provider.
pub type HCLUSCRYPTPROVIDER = HANDLE;
/// `CLUSGROUP_TYPE`.
pub type CLUSGROUP_TYPE = i32;
/// `CLUSTER_ROLE`.
pub type CLUSTER_ROLE = i32;
/// `CLUSTER_ROLE_STATE`.
pub type CLUSTER_ROLE_STATE = i32;
/// Called for each resource: the caller's own resource, the one found, the parameter. Not zero ends it.
pub type LPRESOURCE_CALLBACK = Option<unsafe extern "C" fn(HRESOURCE, HRESOURCE, *mut c_void) -> u32>;
/// As [`LPRESOURCE_CALLBACK`], with the cluster in front.
pub type LPRESOURCE_CALLBACK_EX =
    Option<unsafe extern "C" fn(HCLUSTER, HRESOURCE, HRESOURCE, *mut c_void) -> u32>;
/// Called for each group: the cluster, the caller's own group, the one found, the parameter. Not zero ends it.
pub type LPGROUP_CALLBACK_EX = Option<unsafe extern "C" fn(HCLUSTER, HGROUP, HGROUP, *mut c_void) -> u32>;
/// Called for each node: the cluster, the node, its state, the parameter. Not zero ends it.
pub type LPNODE_CALLBACK = Option<unsafe extern "C" fn(HCLUSTER, HNODE, i32, *mut c_void) -> u32>;

/// `CLUSTER_ENUM_NODE`.
pub(crate) const ENUM_NODE: u32 = 1;
/// `CLUSTER_ENUM_RESOURCE`.
pub(crate) const ENUM_RESOURCE: u32 = 4;
/// `CLUSTER_ENUM_GROUP`.
pub(crate) const ENUM_GROUP: u32 = 8;
/// `CLUSTER_RESOURCE_ENUM_DEPENDS`.
pub(crate) const RESOURCE_ENUM_DEPENDS: u32 = 1;
/// `CLUSTER_RESOURCE_ENUM_PROVIDES`.
pub(crate) const RESOURCE_ENUM_PROVIDES: u32 = 2;
/// `CLUS_FLAG_CORE`.
pub(crate) const FLAG_CORE: u32 = 1;
/// `KEY_ALL_ACCESS`.
pub(crate) const ALL_ACCESS: u32 = 0xF_003F;

unsafe extern "C" {
    pub(crate) fn SetLastError(code: u32);
    pub(crate) fn GetLastError() -> u32;

    pub(crate) fn ClusterRegOpenKey(key: HKEY, name: *const u16, access: u32, out: *mut HKEY) -> i32;
    pub(crate) fn ClusterRegCreateKey(
        key: HKEY,
        name: *const u16,
        options: u32,
        access: u32,
        security: *const c_void,
        out: *mut HKEY,
        disposition: *mut u32,
    ) -> i32;
    pub(crate) fn ClusterRegCloseKey(key: HKEY) -> i32;
    pub(crate) fn ClusterRegDeleteKey(key: HKEY, name: *const u16) -> i32;
    pub(crate) fn ClusterRegEnumKey(
        key: HKEY,
        index: u32,
        name: *mut u16,
        count: *mut u32,
        written: *mut FILETIME,
    ) -> i32;
    pub(crate) fn ClusterRegEnumValue(
        key: HKEY,
        index: u32,
        name: *mut u16,
        count: *mut u32,
        kind: *mut u32,
        data: *mut u8,
        size: *mut u32,
    ) -> u32;
    pub(crate) fn ClusterRegQueryValue(
        key: HKEY,
        name: *const u16,
        kind: *mut u32,
        data: *mut u8,
        size: *mut u32,
    ) -> i32;
    pub(crate) fn ClusterRegSetValue(
        key: HKEY,
        name: *const u16,
        kind: u32,
        data: *const u8,
        size: u32,
    ) -> u32;
    pub(crate) fn ClusterRegDeleteValue(key: HKEY, name: *const u16) -> u32;

    pub(crate) fn OpenCluster(name: *const u16) -> HCLUSTER;
    pub(crate) fn CloseCluster(cluster: HCLUSTER) -> i32;
    pub(crate) fn GetClusterKey(cluster: HCLUSTER, access: u32) -> HKEY;
    pub(crate) fn ClusterOpenEnum(cluster: HCLUSTER, kind: u32) -> HANDLE;
    pub(crate) fn ClusterEnum(
        list: HANDLE,
        index: u32,
        kind: *mut u32,
        name: *mut u16,
        count: *mut u32,
    ) -> u32;
    pub(crate) fn ClusterCloseEnum(list: HANDLE) -> u32;
    pub(crate) fn GetClusterQuorumResource(
        cluster: HCLUSTER,
        name: *mut u16,
        name_count: *mut u32,
        device: *mut u16,
        device_count: *mut u32,
        log_size: *mut u32,
    ) -> u32;

    pub(crate) fn OpenClusterResource(cluster: HCLUSTER, name: *const u16) -> HRESOURCE;
    pub(crate) fn CloseClusterResource(resource: HRESOURCE) -> i32;
    pub(crate) fn GetClusterFromResource(resource: HRESOURCE) -> HCLUSTER;
    pub(crate) fn GetClusterResourceNetworkName(resource: HRESOURCE, name: *mut u16, count: *mut u32) -> i32;
    pub(crate) fn ClusterResourceControl(
        resource: HRESOURCE,
        node: HNODE,
        code: u32,
        input: *const c_void,
        input_size: u32,
        output: *mut c_void,
        output_size: u32,
        returned: *mut u32,
    ) -> u32;
    pub(crate) fn ClusterResourceOpenEnum(resource: HRESOURCE, kind: u32) -> HANDLE;
    pub(crate) fn ClusterResourceEnum(
        list: HANDLE,
        index: u32,
        kind: *mut u32,
        name: *mut u16,
        count: *mut u32,
    ) -> u32;
    pub(crate) fn ClusterResourceCloseEnum(list: HANDLE) -> u32;

    pub(crate) fn OpenClusterGroup(cluster: HCLUSTER, name: *const u16) -> HGROUP;
    pub(crate) fn CloseClusterGroup(group: HGROUP) -> i32;

    pub(crate) fn OpenClusterNode(cluster: HCLUSTER, name: *const u16) -> HNODE;
    pub(crate) fn CloseClusterNode(node: HNODE) -> i32;
    pub(crate) fn GetClusterNodeState(node: HNODE) -> i32;
}
