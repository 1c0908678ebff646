//! Objects of the cluster: opened ones that close themselves, and what they are asked.

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use stead_resapi::{
    CLUSCTL_RESOURCE_GET_CLASS_INFO, CLUSCTL_RESOURCE_GET_FLAGS, CLUSCTL_RESOURCE_GET_ID,
    CLUSCTL_RESOURCE_GET_NAME, CLUSCTL_RESOURCE_GET_RESOURCE_TYPE, ERROR_INVALID_DATA, ERROR_INVALID_HANDLE,
    ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, HANDLE,
};

use crate::clusapi::{self, HCLUSTER, HGROUP, HNODE, HRESOURCE};
use crate::raw::{terminated, to_units};

/// The most an answer may grow to, in bytes.
const MOST: usize = 64 << 20;

/// The last error of this thread, or `otherwise` if there is none.
pub(crate) fn last_error(otherwise: u32) -> u32 {
    // SAFETY: it takes nothing.
    match unsafe { clusapi::GetLastError() } {
        0 => otherwise,
        code => code,
    }
}

/// Defines an opened object.
macro_rules! opened {
    ($($(#[$meta:meta])* $name:ident closed by $close:ident;)+) => {$(
        $(#[$meta])*
        pub(crate) struct $name(pub(crate) HANDLE);

        impl $name {
            /// A handle just opened.
            ///
            /// # Errors
            /// The last error for null, or `otherwise`.
            pub(crate) fn opened(handle: HANDLE, otherwise: u32) -> Result<Self, u32> {
                if handle.is_null() { Err(last_error(otherwise)) } else { Ok($name(handle)) }
            }
        }

        impl Drop for $name {
            fn drop(&mut self) {
                // SAFETY: the handle came from ClusAPI, which refuses what it does not know.
                unsafe { clusapi::$close(self.0) };
            }
        }
    )+};
}

opened! {
    /// The cluster.
    Cluster closed by CloseCluster;
    /// A resource.
    Resource closed by CloseClusterResource;
    /// A group.
    Group closed by CloseClusterGroup;
    /// A node.
    Node closed by CloseClusterNode;
}

impl Resource {
    /// The handle, for somebody else to close.
    pub(crate) fn given_away(self) -> HRESOURCE {
        std::mem::ManuallyDrop::new(self).0
    }
}

impl Group {
    /// The handle, for somebody else to close.
    pub(crate) fn given_away(self) -> HGROUP {
        std::mem::ManuallyDrop::new(self).0
    }
}

impl Cluster {
    /// This machine's.
    pub(crate) fn here() -> Result<Cluster, u32> {
        // SAFETY: null is this machine's cluster.
        Cluster::opened(unsafe { clusapi::OpenCluster(null()) }, ERROR_INVALID_HANDLE)
    }

    /// A resource's.
    pub(crate) fn of(resource: HRESOURCE) -> Result<Cluster, u32> {
        given(resource)?;
        // SAFETY: ClusAPI refuses a handle that it does not know.
        Cluster::opened(unsafe { clusapi::GetClusterFromResource(resource) }, ERROR_INVALID_HANDLE)
    }
}

/// # Errors
/// 87 for null.
pub(crate) fn given(handle: HANDLE) -> Result<HANDLE, u32> {
    if handle.is_null() { Err(ERROR_INVALID_PARAMETER) } else { Ok(handle) }
}

pub(crate) fn open_resource(cluster: HCLUSTER, name: &[u16]) -> Result<Resource, u32> {
    let name = terminated(name);
    // SAFETY: the name is terminated; ClusAPI refuses a handle that it does not know. Here and below.
    let handle = unsafe { clusapi::OpenClusterResource(cluster, name.as_ptr()) };
    Resource::opened(handle, stead_resapi::ERROR_RESOURCE_NOT_FOUND)
}

pub(crate) fn open_group(cluster: HCLUSTER, name: &[u16]) -> Result<Group, u32> {
    let name = terminated(name);
    // SAFETY: as above.
    let handle: HGROUP = unsafe { clusapi::OpenClusterGroup(cluster, name.as_ptr()) };
    Group::opened(handle, stead_resapi::ERROR_GROUP_NOT_FOUND)
}

pub(crate) fn open_node(cluster: HCLUSTER, name: &[u16]) -> Result<Node, u32> {
    let name = terminated(name);
    // SAFETY: as above.
    let handle: HNODE = unsafe { clusapi::OpenClusterNode(cluster, name.as_ptr()) };
    Node::opened(handle, stead_resapi::ERROR_CLUSTER_NODE_NOT_FOUND)
}

/// Asks with growing room until the answer fits.
pub(crate) fn ask(question: impl Fn(*mut c_void, u32, *mut u32) -> u32) -> Result<Vec<u8>, u32> {
    let mut room = 512;
    while room <= MOST {
        let mut answer = vec![0u8; room];
        let mut size = 0;
        match question(answer.as_mut_ptr().cast(), room as u32, &raw mut size) {
            0 => {
                answer.truncate(size as usize);
                return Ok(answer);
            }
            ERROR_MORE_DATA => room = (size as usize).max(room * 2),
            code => return Err(code),
        }
    }
    Err(ERROR_MORE_DATA)
}

/// Asks a resource with a control code that takes nothing.
pub(crate) fn control(resource: HRESOURCE, code: u32) -> Result<Vec<u8>, u32> {
    given(resource)?;
    ask(|out, room, size| {
        // SAFETY: the room is as long as said; ClusAPI refuses a handle that it does not know.
        unsafe { clusapi::ClusterResourceControl(resource, null_mut(), code, null(), 0, out, room, size) }
    })
}

fn text(answer: &[u8]) -> Vec<u16> {
    let mut units = to_units(answer);
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    units.truncate(end);
    units
}

pub(crate) fn name_of(resource: HRESOURCE) -> Result<Vec<u16>, u32> {
    Ok(text(&control(resource, CLUSCTL_RESOURCE_GET_NAME)?))
}

pub(crate) fn id_of(resource: HRESOURCE) -> Result<Vec<u16>, u32> {
    Ok(text(&control(resource, CLUSCTL_RESOURCE_GET_ID)?))
}

pub(crate) fn type_of(resource: HRESOURCE) -> Result<Vec<u16>, u32> {
    Ok(text(&control(resource, CLUSCTL_RESOURCE_GET_RESOURCE_TYPE)?))
}

/// Class and subclass of a resource.
pub(crate) fn class_of(resource: HRESOURCE) -> Result<(i32, u32), u32> {
    let answer = control(resource, CLUSCTL_RESOURCE_GET_CLASS_INFO)?;
    let (class, sub) = answer.split_first_chunk::<4>().ok_or(ERROR_INVALID_DATA)?;
    let sub = sub.first_chunk::<4>().ok_or(ERROR_INVALID_DATA)?;
    Ok((i32::from_le_bytes(*class), u32::from_le_bytes(*sub)))
}

/// The flags of a resource.
pub(crate) fn flags_of(resource: HRESOURCE) -> Result<u32, u32> {
    let answer = control(resource, CLUSCTL_RESOURCE_GET_FLAGS)?;
    Ok(u32::from_le_bytes(*answer.first_chunk::<4>().ok_or(ERROR_INVALID_DATA)?))
}

/// The names that an enumeration gives, until it says that there are no more.
fn enumerate(next: impl Fn(u32, *mut u32, *mut u16, *mut u32) -> u32) -> Result<Vec<Vec<u16>>, u32> {
    let mut room = 256;
    let mut names: Vec<Vec<u16>> = Vec::new();
    while room * size_of::<u16>() <= MOST {
        let mut name = vec![0u16; room];
        let (mut kind, mut count) = (0, room as u32);
        match next(names.len() as u32, &raw mut kind, name.as_mut_ptr(), &raw mut count) {
            0 => {
                name.truncate(count as usize);
                names.push(name);
            }
            ERROR_MORE_DATA => room = (count as usize + 1).max(room * 2),
            ERROR_NO_MORE_ITEMS => return Ok(names),
            code => return Err(code),
        }
    }
    Err(ERROR_MORE_DATA)
}

/// The names of a cluster's objects of a kind.
pub(crate) fn names_in(cluster: HCLUSTER, kind: u32) -> Result<Vec<Vec<u16>>, u32> {
    // SAFETY: ClusAPI refuses a handle that it does not know; here and below.
    let list = unsafe { clusapi::ClusterOpenEnum(cluster, kind) };
    if list.is_null() {
        return Err(last_error(ERROR_INVALID_HANDLE));
    }
    // SAFETY: the room is as long as said.
    let names =
        enumerate(|at, kind, name, count| unsafe { clusapi::ClusterEnum(list, at, kind, name, count) });
    // SAFETY: the enumeration was opened above.
    unsafe { clusapi::ClusterCloseEnum(list) };
    names
}

/// The names of the resources around a resource: what it depends on, or what depends on it.
pub(crate) fn names_around(resource: HRESOURCE, kind: u32) -> Result<Vec<Vec<u16>>, u32> {
    given(resource)?;
    // SAFETY: as above.
    let list = unsafe { clusapi::ClusterResourceOpenEnum(resource, kind) };
    if list.is_null() {
        return Err(last_error(ERROR_INVALID_HANDLE));
    }
    // SAFETY: the room is as long as said.
    let names = enumerate(|at, kind, name, count| unsafe {
        clusapi::ClusterResourceEnum(list, at, kind, name, count)
    });
    // SAFETY: the enumeration was opened above.
    unsafe { clusapi::ClusterResourceCloseEnum(list) };
    names
}

/// The network name that a resource depends on.
///
/// # Errors
/// 87 for null, and what the cluster says where there is none.
pub(crate) fn network_name(resource: HRESOURCE) -> Result<Vec<u16>, u32> {
    given(resource)?;
    let mut room = 256;
    while room * size_of::<u16>() <= MOST {
        let mut name = vec![0u16; room];
        let mut count = room as u32;
        // SAFETY: the room is as long as said; ClusAPI refuses a handle that it does not know.
        let found =
            unsafe { clusapi::GetClusterResourceNetworkName(resource, name.as_mut_ptr(), &raw mut count) };
        if found != 0 {
            let end = name.iter().position(|unit| *unit == 0).unwrap_or(name.len());
            name.truncate(end);
            return Ok(name);
        }
        match last_error(ERROR_INVALID_HANDLE) {
            ERROR_MORE_DATA => room = (count as usize + 1).max(room * 2),
            code => return Err(code),
        }
    }
    Err(ERROR_MORE_DATA)
}
