//! Enumerations: a list taken when it was opened, read by index.
#![allow(non_snake_case, reason = "the documented names")]

use std::ffi::c_void;
use std::sync::Arc;

use stead_resapi::{ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS, RPC_S_CALL_FAILED};

use crate::cluster::cluster;
use crate::error::set_last_error;
use crate::handles::{self, Enumerated, Object};
use crate::objects::{Handle, group, is_cluster, resource};
use crate::out::{self, code, fenced, put};

/// Any of `HCLUSENUM`, `HRESENUM`, `HGROUPENUM`.
type Enumeration = *mut c_void;

const CLUSTER_ENUM_NODE: u32 = 1;
const CLUSTER_ENUM_RESTYPE: u32 = 2;
const CLUSTER_ENUM_RESOURCE: u32 = 4;
const CLUSTER_ENUM_GROUP: u32 = 8;
/// With networks and interfaces, of which there are none.
const CLUSTER_ENUM_ALL: u32 = 63;
const CLUSTER_RESOURCE_ENUM_DEPENDS: u32 = 1;
const CLUSTER_RESOURCE_ENUM_PROVIDES: u32 = 2;
const CLUSTER_RESOURCE_ENUM_NODES: u32 = 4;
const CLUSTER_RESOURCE_ENUM_ALL: u32 = 7;
const CLUSTER_GROUP_ENUM_CONTAINS: u32 = 1;
const CLUSTER_GROUP_ENUM_NODES: u32 = 2;
const CLUSTER_GROUP_ENUM_ALL: u32 = 3;

fn opened(family: Enumerated, list: Result<Vec<(u32, String)>, u32>) -> Enumeration {
    match list {
        Ok(list) => handles::add(Object::Enumeration(family, Arc::new(list))) as Enumeration,
        Err(code) => {
            set_last_error(code);
            std::ptr::null_mut()
        }
    }
}

fn kinds(wanted: u32, known: u32) -> Result<(), u32> {
    if wanted == 0 || wanted & !known != 0 { Err(ERROR_INVALID_PARAMETER) } else { Ok(()) }
}

fn names(kind: u32, names: Vec<String>) -> impl Iterator<Item = (u32, String)> {
    names.into_iter().map(move |name| (kind, name))
}

fn node_names() -> Result<Vec<String>, u32> {
    Ok(cluster()?.nodes()?.into_iter().map(|(node, _)| node).collect())
}

fn of(family: Enumerated) -> impl Fn(&Object) -> Option<Arc<Vec<(u32, String)>>> {
    move |object| match object {
        Object::Enumeration(of, list) if *of == family => Some(Arc::clone(list)),
        Object::Enumeration(..)
        | Object::Cluster
        | Object::Resource(_)
        | Object::Group(_)
        | Object::Node(_)
        | Object::Key(_)
        | Object::Batch(_) => None,
    }
}

fn count(family: Enumerated, handle: Enumeration) -> u32 {
    fenced(0, || {
        handles::get(handle as u64, of(family)).map_or_else(
            |code| {
                set_last_error(code);
                0
            },
            |list| list.len() as u32,
        )
    })
}

/// # Safety
/// As [`ClusterEnum`].
unsafe fn item(
    family: Enumerated,
    handle: Enumeration,
    index: u32,
    kind: *mut u32,
    name: *mut u16,
    units: *mut u32,
) -> u32 {
    fenced(RPC_S_CALL_FAILED, || {
        code((|| {
            let list = handles::get(handle as u64, of(family))?;
            let (found, called) = list.get(index as usize).ok_or(ERROR_NO_MORE_ITEMS)?;
            // SAFETY: as the caller guarantees.
            unsafe { put(kind, *found) };
            // SAFETY: as the caller guarantees.
            unsafe { out::text(called, name, units) }
        })())
    })
}

fn closed(family: Enumerated, handle: Enumeration) -> u32 {
    fenced(RPC_S_CALL_FAILED, || code(handles::close(handle as u64, of(family)).map(drop)))
}

/// Begins an enumeration of the cluster's objects: any of nodes (1), resource types (2), resources (4), groups (8);
/// networks and interfaces (16, 32) are accepted, and there are none. Null with last error 6, 87.
///
/// Windows: clusapi/nf-clusapi-clusteropenenum
#[unsafe(no_mangle)]
pub extern "C" fn ClusterOpenEnum(from: Handle, wanted: u32) -> Enumeration {
    fenced(std::ptr::null_mut(), || {
        opened(
            Enumerated::Cluster,
            (|| {
                handles::get(from as u64, is_cluster)?;
                kinds(wanted, CLUSTER_ENUM_ALL)?;
                let mut list = Vec::new();
                if wanted & CLUSTER_ENUM_NODE != 0 {
                    list.extend(names(CLUSTER_ENUM_NODE, node_names()?));
                }
                if wanted & CLUSTER_ENUM_RESTYPE != 0 {
                    list.extend(names(CLUSTER_ENUM_RESTYPE, cluster()?.types()?));
                }
                if wanted & CLUSTER_ENUM_RESOURCE != 0 {
                    list.extend(names(CLUSTER_ENUM_RESOURCE, cluster()?.resources()?));
                }
                if wanted & CLUSTER_ENUM_GROUP != 0 {
                    list.extend(names(CLUSTER_ENUM_GROUP, cluster()?.groups()?));
                }
                Ok(list)
            })(),
        )
    })
}

/// How many objects an enumeration has; 0 with last error 6 if it is none.
///
/// Windows: clusapi/nf-clusapi-clustergetenumcount
#[unsafe(no_mangle)]
pub extern "C" fn ClusterGetEnumCount(handle: Enumeration) -> u32 {
    count(Enumerated::Cluster, handle)
}

/// Kind and name of the object with this index. `units`: in, the room with the NUL; out, the length without it.
/// Errors: 6, 87, 234, 259 behind the last one.
///
/// Windows: clusapi/nf-clusapi-clusterenum
///
/// # Safety
/// `kind` and `units` must be null or writable, `name` null or writable for `*units` units.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterEnum(
    handle: Enumeration,
    index: u32,
    kind: *mut u32,
    name: *mut u16,
    units: *mut u32,
) -> u32 {
    // SAFETY: as the caller guarantees.
    unsafe { item(Enumerated::Cluster, handle, index, kind, name, units) }
}

/// Ends an enumeration. Error: 6.
///
/// Windows: clusapi/nf-clusapi-clustercloseenum
#[unsafe(no_mangle)]
pub extern "C" fn ClusterCloseEnum(handle: Enumeration) -> u32 {
    closed(Enumerated::Cluster, handle)
}

/// Begins an enumeration of what a resource is connected with: any of the resources it depends on (1), those that
/// depend on it (2), the nodes that may own it (4). Null with last error 6, 87, 5007.
///
/// Windows: clusapi/nf-clusapi-clusterresourceopenenum
#[unsafe(no_mangle)]
pub extern "C" fn ClusterResourceOpenEnum(handle: Handle, wanted: u32) -> Enumeration {
    fenced(std::ptr::null_mut(), || {
        opened(
            Enumerated::Resource,
            (|| {
                let facts = resource(handle)?;
                kinds(wanted, CLUSTER_RESOURCE_ENUM_ALL)?;
                let mut list = Vec::new();
                if wanted & CLUSTER_RESOURCE_ENUM_DEPENDS != 0 {
                    list.extend(names(CLUSTER_RESOURCE_ENUM_DEPENDS, facts.providers));
                }
                if wanted & CLUSTER_RESOURCE_ENUM_PROVIDES != 0 {
                    list.extend(names(CLUSTER_RESOURCE_ENUM_PROVIDES, facts.dependents));
                }
                if wanted & CLUSTER_RESOURCE_ENUM_NODES != 0 {
                    list.extend(names(CLUSTER_RESOURCE_ENUM_NODES, node_names()?));
                }
                Ok(list)
            })(),
        )
    })
}

/// As [`ClusterGetEnumCount`].
///
/// Windows: clusapi/nf-clusapi-clusterresourcegetenumcount
#[unsafe(no_mangle)]
pub extern "C" fn ClusterResourceGetEnumCount(handle: Enumeration) -> u32 {
    count(Enumerated::Resource, handle)
}

/// As [`ClusterEnum`].
///
/// Windows: clusapi/nf-clusapi-clusterresourceenum
///
/// # Safety
/// As [`ClusterEnum`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterResourceEnum(
    handle: Enumeration,
    index: u32,
    kind: *mut u32,
    name: *mut u16,
    units: *mut u32,
) -> u32 {
    // SAFETY: as the caller guarantees.
    unsafe { item(Enumerated::Resource, handle, index, kind, name, units) }
}

/// Ends an enumeration. Error: 6.
///
/// Windows: clusapi/nf-clusapi-clusterresourcecloseenum
#[unsafe(no_mangle)]
pub extern "C" fn ClusterResourceCloseEnum(handle: Enumeration) -> u32 {
    closed(Enumerated::Resource, handle)
}

/// Begins an enumeration of a group's resources (1) and the nodes that may own it (2). Null with last error 6, 87,
/// 5013.
///
/// Windows: clusapi/nf-clusapi-clustergroupopenenum
#[unsafe(no_mangle)]
pub extern "C" fn ClusterGroupOpenEnum(handle: Handle, wanted: u32) -> Enumeration {
    fenced(std::ptr::null_mut(), || {
        opened(
            Enumerated::Group,
            (|| {
                let facts = group(handle)?;
                kinds(wanted, CLUSTER_GROUP_ENUM_ALL)?;
                let mut list = Vec::new();
                if wanted & CLUSTER_GROUP_ENUM_CONTAINS != 0 {
                    list.extend(names(CLUSTER_GROUP_ENUM_CONTAINS, facts.resources));
                }
                if wanted & CLUSTER_GROUP_ENUM_NODES != 0 {
                    list.extend(names(CLUSTER_GROUP_ENUM_NODES, node_names()?));
                }
                Ok(list)
            })(),
        )
    })
}

/// As [`ClusterGetEnumCount`].
///
/// Windows: clusapi/nf-clusapi-clustergroupgetenumcount
#[unsafe(no_mangle)]
pub extern "C" fn ClusterGroupGetEnumCount(handle: Enumeration) -> u32 {
    count(Enumerated::Group, handle)
}

/// As [`ClusterEnum`].
///
/// Windows: clusapi/nf-clusapi-clustergroupenum
///
/// # Safety
/// As [`ClusterEnum`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterGroupEnum(
    handle: Enumeration,
    index: u32,
    kind: *mut u32,
    name: *mut u16,
    units: *mut u32,
) -> u32 {
    // SAFETY: as the caller guarantees.
    unsafe { item(Enumerated::Group, handle, index, kind, name, units) }
}

/// Ends an enumeration. Error: 6.
///
/// Windows: clusapi/nf-clusapi-clustergroupcloseenum
#[unsafe(no_mangle)]
pub extern "C" fn ClusterGroupCloseEnum(handle: Enumeration) -> u32 {
    closed(Enumerated::Group, handle)
}
