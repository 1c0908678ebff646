//! The cluster, its resources, groups and nodes.
//!
//! Handles are opened by name. A resource that is renamed or deleted afterwards is not found any more: functions
//! answer 5007 `ERROR_RESOURCE_NOT_FOUND`. Access rights are taken as granted: whoever runs inside a monitor may
//! read everything here; nothing here changes anything but [`ClusterResourceControl`], whose codes carry their own.
#![allow(non_snake_case, reason = "the documented names")]

use std::ffi::c_void;
use std::sync::Arc;

use stead_resapi::{
    ERROR_CLUSTER_NODE_NOT_FOUND, ERROR_DEPENDENCY_NOT_FOUND, ERROR_INVALID_FUNCTION,
    ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, HKEY, RPC_S_CALL_FAILED, RPC_S_SERVER_UNAVAILABLE, from_wide,
};

use crate::cluster::{ResourceFacts, cluster};
use crate::error::set_last_error;
use crate::handles::{self, Object};
use crate::keys::{self, name_of};
use crate::out::{self, code, fenced, put};
use crate::tree::PARAMETERS;

/// Any of `HCLUSTER`, `HRESOURCE`, `HGROUP`, `HNODE`.
pub(crate) type Handle = *mut c_void;

/// The largest output of a control code that is asked for.
const LARGEST_OUTPUT: u32 = 65_536;
/// The largest input of a control code.
const LARGEST_INPUT: u32 = 65_536;
/// `GENERIC_ALL`, told where a caller asks what was granted.
const GRANTED: u32 = 0x1000_0000;

/// A handle, or null after the last error was set.
fn handle(opened: Result<Object, u32>) -> Handle {
    match opened {
        Ok(object) => handles::add(object) as Handle,
        Err(code) => {
            set_last_error(code);
            std::ptr::null_mut()
        }
    }
}

/// TRUE, or FALSE after the last error was set.
fn truth(result: Result<(), u32>) -> i32 {
    match result {
        Ok(()) => 1,
        Err(code) => {
            set_last_error(code);
            0
        }
    }
}

pub(crate) fn is_cluster(object: &Object) -> Option<()> {
    matches!(object, Object::Cluster).then_some(())
}

fn resource_of(object: &Object) -> Option<Arc<str>> {
    if let Object::Resource(name) = object { Some(Arc::clone(name)) } else { None }
}

fn group_of(object: &Object) -> Option<Arc<str>> {
    if let Object::Group(name) = object { Some(Arc::clone(name)) } else { None }
}

fn node_of(object: &Object) -> Option<Arc<str>> {
    if let Object::Node(name) = object { Some(Arc::clone(name)) } else { None }
}

/// The resource a handle stands for, as it is now.
pub(crate) fn resource(handle: Handle) -> Result<ResourceFacts, u32> {
    let name = handles::get(handle as u64, resource_of)?;
    cluster()?.resource(&name)
}

/// The group a handle stands for.
pub(crate) fn group(handle: Handle) -> Result<crate::GroupFacts, u32> {
    let name = handles::get(handle as u64, group_of)?;
    cluster()?.group(&name)
}

/// Connects to the cluster this process serves. `name` may be null, `.`, the cluster's name, or that of one of its
/// nodes. Null with last error 1722 for another cluster, and outside a Resource Monitor.
///
/// Windows: clusapi/nf-clusapi-opencluster
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenCluster(name: *const u16) -> Handle {
    fenced(std::ptr::null_mut(), || {
        handle((|| {
            // SAFETY: as the caller guarantees.
            let name = unsafe { name_of(name) };
            let cluster = cluster()?;
            let known = name.is_empty()
                || name == "."
                || cluster.name()?.eq_ignore_ascii_case(&name)
                || cluster.nodes()?.iter().any(|(node, _)| node.eq_ignore_ascii_case(&name));
            if known { Ok(Object::Cluster) } else { Err(RPC_S_SERVER_UNAVAILABLE) }
        })())
    })
}

/// As [`OpenCluster`]; everything is granted.
///
/// Windows: clusapi/nf-clusapi-openclusterex
///
/// # Safety
/// As [`OpenCluster`]; `granted` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterEx(name: *const u16, _access: u32, granted: *mut u32) -> Handle {
    // SAFETY: as the caller guarantees.
    let opened = unsafe { OpenCluster(name) };
    // SAFETY: as the caller guarantees.
    unsafe { put(granted, if opened.is_null() { 0 } else { GRANTED }) };
    opened
}

/// Closes a cluster handle. FALSE with last error 6 for anything else.
///
/// Windows: clusapi/nf-clusapi-closecluster
#[unsafe(no_mangle)]
pub extern "C" fn CloseCluster(cluster: Handle) -> i32 {
    fenced(0, || truth(handles::close(cluster as u64, is_cluster)))
}

/// `CLUSTERVERSIONINFO`.
#[repr(C)]
struct VersionInfo {
    size: u32,
    major: u16,
    minor: u16,
    build: u16,
    vendor: [u16; 64],
    service_pack: [u16; 64],
    highest: u32,
    lowest: u32,
    flags: u32,
    reserved: u32,
}

/// The cluster's name, and its version where `info` is not null: that of stead, with vendor `stead`. Errors: 6, 87
/// where `info` does not say its size, 234.
///
/// Windows: clusapi/nf-clusapi-getclusterinformation
///
/// # Safety
/// `units` must be null or writable, `name` null or writable for `*units` units, `info` null or a
/// `CLUSTERVERSIONINFO`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetClusterInformation(
    handle: Handle,
    name: *mut u16,
    units: *mut u32,
    info: *mut c_void,
) -> u32 {
    fenced(RPC_S_CALL_FAILED, || {
        code((|| {
            handles::get(handle as u64, is_cluster)?;
            let cluster = cluster()?;
            if !info.is_null() {
                let info = info.cast::<VersionInfo>();
                // SAFETY: not null, and its first word is readable as the caller guarantees.
                let size = unsafe { info.cast::<u32>().read_unaligned() };
                if (size as usize) < size_of::<VersionInfo>() {
                    return Err(ERROR_INVALID_PARAMETER);
                }
                let mut vendor = [0; 64];
                for (to, from) in vendor.iter_mut().zip("stead".encode_utf16()) {
                    *to = from;
                }
                let part = |text: &str| text.parse().unwrap_or(0);
                let told = VersionInfo {
                    size,
                    major: part(env!("CARGO_PKG_VERSION_MAJOR")),
                    minor: part(env!("CARGO_PKG_VERSION_MINOR")),
                    build: part(env!("CARGO_PKG_VERSION_PATCH")),
                    vendor,
                    service_pack: [0; 64],
                    highest: 0,
                    lowest: 0,
                    flags: 0,
                    reserved: 0,
                };
                // SAFETY: it is as large as it says it is, as the caller guarantees.
                unsafe { info.write_unaligned(told) };
            }
            // SAFETY: as the caller guarantees.
            unsafe { out::text(&cluster.name()?, name, units) }
        })())
    })
}

/// Opens a resource by name. Null with last error 6, 87 without a name, 5007 if there is none.
///
/// Windows: clusapi/nf-clusapi-openclusterresource
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterResource(from: Handle, name: *const u16) -> Handle {
    fenced(std::ptr::null_mut(), || {
        handle((|| {
            handles::get(from as u64, is_cluster)?;
            if name.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            // SAFETY: as the caller guarantees.
            let found = cluster()?.resource(&unsafe { name_of(name) })?;
            Ok(Object::Resource(found.name.into()))
        })())
    })
}

/// As [`OpenClusterResource`]; everything is granted.
///
/// Windows: clusapi/nf-clusapi-openclusterresourceex
///
/// # Safety
/// As [`OpenClusterResource`]; `granted` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterResourceEx(
    from: Handle,
    name: *const u16,
    _access: u32,
    granted: *mut u32,
) -> Handle {
    // SAFETY: as the caller guarantees.
    let opened = unsafe { OpenClusterResource(from, name) };
    // SAFETY: as the caller guarantees.
    unsafe { put(granted, if opened.is_null() { 0 } else { GRANTED }) };
    opened
}

/// Closes a resource handle. FALSE with last error 6 for anything else.
///
/// Windows: clusapi/nf-clusapi-closeclusterresource
#[unsafe(no_mangle)]
pub extern "C" fn CloseClusterResource(resource: Handle) -> i32 {
    fenced(0, || truth(handles::close(resource as u64, resource_of).map(drop)))
}

/// The cluster of a resource, as a new handle which the caller closes. Null with last error 6.
///
/// Windows: clusapi/nf-clusapi-getclusterfromresource
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterFromResource(resource: Handle) -> Handle {
    fenced(std::ptr::null_mut(), || {
        handle(handles::get(resource as u64, resource_of).map(|_| Object::Cluster))
    })
}

/// A resource's state, its owner node and its group. −1 with last error 6, 234, 5007 where it cannot be told; sizes
/// are told in any case.
///
/// Windows: clusapi/nf-clusapi-getclusterresourcestate
///
/// # Safety
/// Each buffer must be null or writable for its number of units, each number null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetClusterResourceState(
    handle: Handle,
    node: *mut u16,
    node_units: *mut u32,
    group: *mut u16,
    group_units: *mut u32,
) -> i32 {
    fenced(-1, || {
        let told = resource(handle).and_then(|facts| {
            // SAFETY: as the caller guarantees. Both sizes are told even if one is too short.
            let (owner, of) = unsafe {
                (
                    out::optional_text(&facts.node, node, node_units),
                    out::optional_text(&facts.group, group, group_units),
                )
            };
            owner.and(of).map(|()| facts.state)
        });
        told.unwrap_or_else(|code| {
            set_last_error(code);
            -1
        })
    })
}

/// Sends a control code to a resource; on one machine `node` is not looked at. Errors: 6, 87, 234 with the size
/// needed in `returned`, 1131 `ERROR_POSSIBLE_DEADLOCK` when the call would wait for the entry point it is made from,
/// 1460 without an answer in time, 1726 when the node ended meanwhile and a code that changes something may or may
/// not have arrived, 5007; else what the resource DLL returned.
///
/// Windows: clusapi/nf-clusapi-clusterresourcecontrol
///
/// # Safety
/// `input` must be null or readable for `input_size` bytes, `output` null or writable for `output_size`, `returned`
/// null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterResourceControl(
    handle: Handle,
    _node: Handle,
    control: u32,
    input: *const c_void,
    input_size: u32,
    output: *mut c_void,
    output_size: u32,
    returned: *mut u32,
) -> u32 {
    fenced(RPC_S_CALL_FAILED, || {
        // SAFETY: as the caller guarantees.
        unsafe { put(returned, 0) };
        let answer = (|| {
            let name = handles::get(handle as u64, resource_of)?;
            let given = match (input.is_null(), input_size) {
                (_, 0) => &[][..],
                (true, _) => return Err(ERROR_INVALID_PARAMETER),
                (false, size) if size > LARGEST_INPUT => return Err(ERROR_INVALID_PARAMETER),
                // SAFETY: readable for so many bytes, as the caller guarantees; bytes have no alignment.
                (false, size) => unsafe { std::slice::from_raw_parts(input.cast::<u8>(), size as usize) },
            };
            let room = if output.is_null() { 0 } else { output_size };
            let (answered, bytes, wanted) =
                cluster()?.control(&name, control, given, room.min(LARGEST_OUTPUT))?;
            // SAFETY: as the caller guarantees.
            unsafe { put(returned, wanted) };
            let fits = bytes.len().min(room as usize);
            // SAFETY: `output` has room for `room` bytes, which is no less than what is copied.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), output.cast::<u8>(), fits) };
            Ok(answered)
        })();
        answer.unwrap_or_else(|code| code)
    })
}

/// The key of a resource, which the caller closes. Null with last error 6, 5007. The key of a resource that another
/// Resource Monitor hosts is a copy, as it was when it was opened: changes of it fail with 5.
///
/// Windows: clusapi/nf-clusapi-getclusterresourcekey
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterResourceKey(resource: Handle, access: u32) -> HKEY {
    fenced(std::ptr::null_mut(), || {
        let opened = handles::get(resource as u64, resource_of).and_then(|name| cluster()?.keys(&name));
        opened.map_or_else(
            |code| {
                set_last_error(code);
                std::ptr::null_mut()
            },
            |tree| keys::open_root(tree, access),
        )
    })
}

/// The private property `Name` of the Network Name resource that a resource depends on, directly or through others.
/// FALSE with last error 6, 234, 5002 if there is none, 5007.
///
/// Windows: clusapi/nf-clusapi-getclusterresourcenetworkname
///
/// # Safety
/// `units` must be null or writable, `name` null or writable for `*units` units.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetClusterResourceNetworkName(
    handle: Handle,
    name: *mut u16,
    units: *mut u32,
) -> i32 {
    fenced(0, || {
        truth((|| {
            let cluster = cluster()?;
            let mut todo = resource(handle)?.providers;
            let mut seen: Vec<String> = Vec::new();
            while let Some(provider) = todo.pop() {
                if seen.contains(&provider) {
                    continue;
                }
                let facts = cluster.resource(&provider)?;
                if facts.type_name.eq_ignore_ascii_case("Network Name") {
                    let stored = cluster.keys(&provider)?.value(PARAMETERS, "Name")?;
                    let wide: Vec<u16> =
                        stored.data.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
                    // SAFETY: as the caller guarantees.
                    return unsafe { out::text(&from_wide(&wide), name, units) };
                }
                todo.extend(facts.providers);
                seen.push(provider);
            }
            Err(ERROR_DEPENDENCY_NOT_FOUND)
        })())
    })
}

/// The expression a resource depends by, such as `([a] or [b]) and [c]`. Errors: 6, 87, 234, 5007.
///
/// Windows: clusapi/nf-clusapi-getclusterresourcedependencyexpression
///
/// # Safety
/// `units` must be null or writable, `expression` null or writable for `*units` units.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetClusterResourceDependencyExpression(
    handle: Handle,
    expression: *mut u16,
    units: *mut u32,
) -> u32 {
    // SAFETY: as the caller guarantees.
    fenced(RPC_S_CALL_FAILED, || {
        code(resource(handle).and_then(|facts| unsafe { out::text(&facts.expression, expression, units) }))
    })
}

/// Opens a group by name. Null with last error 6, 87 without a name, 5013 if there is none.
///
/// Windows: clusapi/nf-clusapi-openclustergroup
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterGroup(from: Handle, name: *const u16) -> Handle {
    fenced(std::ptr::null_mut(), || {
        handle((|| {
            handles::get(from as u64, is_cluster)?;
            if name.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            // SAFETY: as the caller guarantees.
            Ok(Object::Group(cluster()?.group(&unsafe { name_of(name) })?.name.into()))
        })())
    })
}

/// As [`OpenClusterGroup`]; everything is granted.
///
/// Windows: clusapi/nf-clusapi-openclustergroupex
///
/// # Safety
/// As [`OpenClusterGroup`]; `granted` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterGroupEx(
    from: Handle,
    name: *const u16,
    _access: u32,
    granted: *mut u32,
) -> Handle {
    // SAFETY: as the caller guarantees.
    let opened = unsafe { OpenClusterGroup(from, name) };
    // SAFETY: as the caller guarantees.
    unsafe { put(granted, if opened.is_null() { 0 } else { GRANTED }) };
    opened
}

/// Closes a group handle. FALSE with last error 6 for anything else.
///
/// Windows: clusapi/nf-clusapi-closeclustergroup
#[unsafe(no_mangle)]
pub extern "C" fn CloseClusterGroup(group: Handle) -> i32 {
    fenced(0, || truth(handles::close(group as u64, group_of).map(drop)))
}

/// The cluster of a group, as a new handle which the caller closes. Null with last error 6.
///
/// Windows: clusapi/nf-clusapi-getclusterfromgroup
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterFromGroup(group: Handle) -> Handle {
    fenced(std::ptr::null_mut(), || handle(handles::get(group as u64, group_of).map(|_| Object::Cluster)))
}

/// A group's state and owner node. −1 with last error 6, 234, 5013.
///
/// Windows: clusapi/nf-clusapi-getclustergroupstate
///
/// # Safety
/// `units` must be null or writable, `node` null or writable for `*units` units.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetClusterGroupState(handle: Handle, node: *mut u16, units: *mut u32) -> i32 {
    fenced(-1, || {
        let told = group(handle).and_then(|facts| {
            // SAFETY: as the caller guarantees.
            unsafe { out::optional_text(&facts.node, node, units) }.map(|()| facts.state)
        });
        told.unwrap_or_else(|code| {
            set_last_error(code);
            -1
        })
    })
}

/// `CLUSCTL_GROUP_GET_NAME` (0x03000029) and `CLUSCTL_GROUP_GET_ID` (0x03000039): the group's name, which is its id as
/// well. Errors: 1 for every other code, 6, 234 with the size needed in `returned`, 5013.
///
/// Windows: clusapi/nf-clusapi-clustergroupcontrol
///
/// # Safety
/// `output` must be null or writable for `output_size` bytes, `returned` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterGroupControl(
    handle: Handle,
    _node: Handle,
    control: u32,
    _input: *const c_void,
    _input_size: u32,
    output: *mut c_void,
    output_size: u32,
    returned: *mut u32,
) -> u32 {
    const GET_NAME: u32 = 0x0300_0029;
    const GET_ID: u32 = 0x0300_0039;
    fenced(RPC_S_CALL_FAILED, || {
        // SAFETY: as the caller guarantees.
        unsafe { put(returned, 0) };
        code((|| {
            let name = group(handle)?.name;
            if control != GET_NAME && control != GET_ID {
                return Err(ERROR_INVALID_FUNCTION);
            }
            let bytes: Vec<u8> = name.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
            let room = if output.is_null() { 0 } else { output_size as usize };
            // SAFETY: as the caller guarantees.
            unsafe { put(returned, u32::try_from(bytes.len()).unwrap_or(u32::MAX)) };
            if room < bytes.len() {
                return Err(ERROR_MORE_DATA);
            }
            // SAFETY: `output` has room for `room` bytes, which is no less than what is copied.
            unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), output.cast::<u8>(), bytes.len()) };
            Ok(())
        })())
    })
}

/// Opens a node by name; null is the one this process runs on. Null with last error 6, 5042 if there is none.
///
/// Windows: clusapi/nf-clusapi-openclusternode
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterNode(from: Handle, name: *const u16) -> Handle {
    fenced(std::ptr::null_mut(), || {
        handle((|| {
            handles::get(from as u64, is_cluster)?;
            // SAFETY: as the caller guarantees.
            let name = unsafe { name_of(name) };
            let nodes = cluster()?.nodes()?;
            let mut found =
                nodes.into_iter().filter(|(node, _)| name.is_empty() || node.eq_ignore_ascii_case(&name));
            found.next().map(|(node, _)| Object::Node(node.into())).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)
        })())
    })
}

/// As [`OpenClusterNode`]; everything is granted.
///
/// Windows: clusapi/nf-clusapi-openclusternodeex
///
/// # Safety
/// As [`OpenClusterNode`]; `granted` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn OpenClusterNodeEx(
    from: Handle,
    name: *const u16,
    _access: u32,
    granted: *mut u32,
) -> Handle {
    // SAFETY: as the caller guarantees.
    let opened = unsafe { OpenClusterNode(from, name) };
    // SAFETY: as the caller guarantees.
    unsafe { put(granted, if opened.is_null() { 0 } else { GRANTED }) };
    opened
}

/// Closes a node handle. FALSE with last error 6 for anything else.
///
/// Windows: clusapi/nf-clusapi-closeclusternode
#[unsafe(no_mangle)]
pub extern "C" fn CloseClusterNode(node: Handle) -> i32 {
    fenced(0, || truth(handles::close(node as u64, node_of).map(drop)))
}

/// A node's `CLUSTER_NODE_STATE`. −1 with last error 6, 5042.
///
/// Windows: clusapi/nf-clusapi-getclusternodestate
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterNodeState(node: Handle) -> i32 {
    fenced(-1, || {
        let told = handles::get(node as u64, node_of).and_then(|name| {
            let nodes = cluster()?.nodes()?;
            let found = nodes.into_iter().find(|(node, _)| node.eq_ignore_ascii_case(&name));
            found.map(|(_, state)| state).ok_or(ERROR_CLUSTER_NODE_NOT_FOUND)
        });
        told.unwrap_or_else(|code| {
            set_last_error(code);
            -1
        })
    })
}

/// Whether this machine is in a cluster that runs: 19 `ClusterStateRunning` inside a Resource Monitor, else 3
/// `ClusterStateNotRunning`. `node` must be null: another machine cannot be asked, which is error 1722.
///
/// Windows: clusapi/nf-clusapi-getnodeclusterstate
///
/// # Safety
/// `node` must be null or a terminated string, `state` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn GetNodeClusterState(node: *const u16, state: *mut u32) -> u32 {
    const RUNNING: u32 = 19;
    const NOT_RUNNING: u32 = 3;
    fenced(RPC_S_CALL_FAILED, || {
        // SAFETY: as the caller guarantees.
        if !unsafe { name_of(node) }.is_empty() {
            return RPC_S_SERVER_UNAVAILABLE;
        }
        if state.is_null() {
            return ERROR_INVALID_PARAMETER;
        }
        let running = cluster().and_then(|cluster| cluster.name()).is_ok();
        // SAFETY: as the caller guarantees.
        unsafe { put(state, if running { RUNNING } else { NOT_RUNNING }) };
        0
    })
}
