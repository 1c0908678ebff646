//! Groups, and what belongs to the cluster as a whole.

use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::{null, null_mut};

use stead_resapi::{
    ERROR_CALL_NOT_IMPLEMENTED, ERROR_FILE_NOT_FOUND, ERROR_GROUP_NOT_FOUND, ERROR_INVALID_DATA,
    ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, ERROR_RESOURCE_NOT_FOUND, GUID, HKEY,
};

use crate::clusapi::{
    self, ALL_ACCESS, CLUSGROUP_TYPE, CLUSTER_ROLE, CLUSTER_ROLE_STATE, ENUM_GROUP, ENUM_RESOURCE, FLAG_CORE,
    HCLUSTER, HGROUP, HRESOURCE,
};
use crate::control::{
    Cluster, Resource, ask, flags_of, given, last_error, names_in, open_group, open_resource, type_of,
};
use crate::database::Key;
use crate::raw::{self, same_name, to_units};
use crate::value::{Data, Format};

/// `ClusGroupTypeCoreCluster`.
const CORE: CLUSGROUP_TYPE = 1;
/// `ClusGroupTypeUnknown`.
const UNKNOWN: CLUSGROUP_TYPE = 9999;
/// `CLUSCTL_GROUP_GET_NAME`.
const GROUP_GET_NAME: u32 = 0x0300_0029;

/// What is asked of a group; libraries of ClusAPI that lack it load all the same.
type GroupControl =
    unsafe extern "C" fn(HGROUP, *mut c_void, u32, *const c_void, u32, *mut c_void, u32, *mut u32) -> u32;
/// The cluster of a group, as above.
type ClusterOfGroup = unsafe extern "C" fn(HGROUP) -> HCLUSTER;

unsafe extern "C" {
    fn dlopen(name: *const c_char, flags: c_int) -> *mut c_void;
    fn dlsym(library: *mut c_void, name: *const c_char) -> *mut c_void;
}

/// A function of ClusAPI that may be missing.
///
/// # Errors
/// 120 where it is.
fn optional(name: &CStr) -> Result<*mut c_void, u32> {
    /// `RTLD_LAZY | RTLD_NOLOAD`.
    const LOADED: c_int = 5;
    // SAFETY: the names are terminated; the library is asked for only if it is loaded, and null is the whole process.
    let found = unsafe {
        let global = dlsym(null_mut(), name.as_ptr());
        let library = dlopen(c"libclusapi.so".as_ptr(), LOADED);
        if global.is_null() && !library.is_null() { dlsym(library, name.as_ptr()) } else { global }
    };
    if found.is_null() { Err(ERROR_CALL_NOT_IMPLEMENTED) } else { Ok(found) }
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// The name of a group.
///
/// # Errors
/// 87 for null, 120 where ClusAPI cannot tell, and what it says.
pub(crate) fn name_of(group: HGROUP) -> Result<Vec<u16>, u32> {
    given(group)?;
    let found = optional(c"ClusterGroupControl")?;
    // SAFETY: the function of this name has this signature: clusapi/nf-clusapi-clustergroupcontrol.
    let control = unsafe { std::mem::transmute::<*mut c_void, GroupControl>(found) };
    let answer = ask(|out, room, size| {
        // SAFETY: the room is as long as said; ClusAPI refuses a handle that it does not know.
        unsafe { control(group, null_mut(), GROUP_GET_NAME, null(), 0, out, room, size) }
    })?;
    let mut name = to_units(&answer);
    let end = name.iter().position(|unit| *unit == 0).unwrap_or(name.len());
    name.truncate(end);
    Ok(name)
}

fn cluster_of(group: HGROUP) -> Result<Cluster, u32> {
    given(group)?;
    let found = optional(c"GetClusterFromGroup")?;
    // SAFETY: the function of this name has this signature: clusapi/nf-clusapi-getclusterfromgroup.
    let of = unsafe { std::mem::transmute::<*mut c_void, ClusterOfGroup>(found) };
    // SAFETY: ClusAPI refuses a handle that it does not know.
    Cluster::opened(unsafe { of(group) }, stead_resapi::ERROR_INVALID_HANDLE)
}

/// The root of a cluster's database.
fn database(cluster: HCLUSTER) -> Result<Key, u32> {
    // SAFETY: ClusAPI refuses a handle that it does not know.
    let key: HKEY = unsafe { clusapi::GetClusterKey(given(cluster)?, ALL_ACCESS) };
    Key::owned(key).ok_or_else(|| last_error(ERROR_INVALID_PARAMETER))
}

/// The type of a group: the value `GroupType` under the key of `Groups` whose `Name` it has; unknown where none is
/// stored.
pub(crate) fn type_by_name(cluster: HCLUSTER, name: &[u16]) -> Result<CLUSGROUP_TYPE, u32> {
    let Some(groups) = database(cluster)?.open(&wide("Groups"))? else { return Ok(UNKNOWN) };
    for id in groups.keys()? {
        let Some(key) = groups.open(&id)? else { continue };
        let stored = key.value(&wide("Name"))?;
        let named = match stored.map(|(kind, data)| Format::Sz.load(kind, &data)) {
            Some(Ok(Data::Text(stored))) => same_name(&stored, name),
            Some(Ok(Data::Number(_) | Data::Block(_)) | Err(_)) | None => same_name(&id, name),
        };
        if named {
            let kind = key.value(&wide("GroupType"))?.map(|(kind, data)| Format::Dword.load(kind, &data));
            return Ok(match kind {
                Some(Ok(Data::Number(kind))) => kind as CLUSGROUP_TYPE,
                Some(Ok(Data::Text(_) | Data::Block(_)) | Err(_)) | None => UNKNOWN,
            });
        }
    }
    Ok(UNKNOWN)
}

/// The quorum resource, if there is one.
fn quorum(cluster: HCLUSTER) -> Result<Option<Resource>, u32> {
    let mut room = 256;
    loop {
        let (mut name, mut device) = (vec![0u16; room], vec![0u16; room]);
        let (mut name_count, mut device_count, mut log) = (room as u32, room as u32, 0);
        // SAFETY: both buffers have the room said; ClusAPI refuses a handle that it does not know.
        let code = unsafe {
            clusapi::GetClusterQuorumResource(
                cluster,
                name.as_mut_ptr(),
                &raw mut name_count,
                device.as_mut_ptr(),
                &raw mut device_count,
                &raw mut log,
            )
        };
        match code {
            0 => {
                name.truncate(name.iter().position(|unit| *unit == 0).unwrap_or(room));
                return if name.is_empty() { Ok(None) } else { open_resource(cluster, &name).map(Some) };
            }
            ERROR_MORE_DATA if room < 1 << 20 => room *= 2,
            ERROR_RESOURCE_NOT_FOUND | ERROR_FILE_NOT_FOUND => return Ok(None),
            code => return Err(code),
        }
    }
}

/// The core resource of a type, if there is one.
fn core(cluster: HCLUSTER, kind: &str) -> Result<Option<Resource>, u32> {
    let kind = wide(kind);
    for name in names_in(cluster, ENUM_RESOURCE)? {
        let Ok(found) = open_resource(cluster, &name) else { continue };
        let fits = type_of(found.0).is_ok_and(|is| same_name(&is, &kind));
        if fits && flags_of(found.0).is_ok_and(|flags| flags & FLAG_CORE != 0) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

/// Hands out the core resources that are asked for: all of them, or none.
///
/// # Safety
/// The pointers must be null or writable.
unsafe fn core_resources(
    cluster: HCLUSTER,
    name: *mut HRESOURCE,
    address: *mut HRESOURCE,
    voter: *mut HRESOURCE,
) -> Result<(), u32> {
    // SAFETY: as the caller guarantees; here and below.
    [name, address, voter].into_iter().for_each(|out| unsafe { raw::put(out, null_mut()) });
    given(cluster)?;
    let wanted = |out: *mut HRESOURCE, found: Result<Option<Resource>, u32>| {
        if out.is_null() {
            Ok(None)
        } else {
            found?.ok_or(ERROR_RESOURCE_NOT_FOUND).map(|one| Some((out, one)))
        }
    };
    let all = [
        wanted(name, core(cluster, "Network Name"))?,
        wanted(address, core(cluster, "IP Address"))?,
        wanted(voter, quorum(cluster))?,
    ];
    for (out, found) in all.into_iter().flatten() {
        unsafe { raw::put(out, found.given_away()) };
    }
    Ok(())
}

/// The resource type that a role of a cluster is, in the order of `CLUSTER_ROLE`; empty where a role is no one type.
const ROLES: [&str; 32] = [
    "DHCP Service",
    "Distributed Transaction Coordinator",
    "File Server",
    "Generic Application",
    "Generic Script",
    "Generic Service",
    "Microsoft iSNS",
    "MSMQ",
    "NFS Share",
    "Print Spooler",
    "Distributed File System",
    "Volume Shadow Copy Service Task",
    "WINS Service",
    "Task Scheduler",
    "Network File System",
    "DFS Replicated Folder",
    "Distributed File System",
    "Distributed Network Name",
    "File Share",
    "File Share Witness",
    "Physical Disk",
    "IP Address",
    "IPv6 Address",
    "IPv6 Tunnel Address",
    "iSCSI Target Server",
    "Network Name",
    "Physical Disk",
    "Scale Out File Server",
    "Storage Pool",
    "Virtual Machine",
    "Virtual Machine Configuration",
    "Virtual Machine Replication Broker",
];
/// `ClusterRoleUnknown`.
const ROLE_UNKNOWN: CLUSTER_ROLE_STATE = -1;
/// `ClusterRoleClustered`.
const ROLE_CLUSTERED: CLUSTER_ROLE_STATE = 0;
/// `ClusterRoleUnclustered`.
const ROLE_UNCLUSTERED: CLUSTER_ROLE_STATE = 1;

fn role_state(cluster: HCLUSTER, role: CLUSTER_ROLE) -> Result<CLUSTER_ROLE_STATE, u32> {
    let kind = usize::try_from(role).ok().and_then(|role| ROLES.get(role)).ok_or(ERROR_INVALID_PARAMETER)?;
    let kind = wide(kind);
    for name in names_in(given(cluster)?, ENUM_RESOURCE)? {
        let Ok(found) = open_resource(cluster, &name) else { continue };
        if type_of(found.0).is_ok_and(|is| same_name(&is, &kind)) {
            return Ok(ROLE_CLUSTERED);
        }
    }
    Ok(ROLE_UNCLUSTERED)
}

/// Reads a GUID as text, in braces or not.
fn parse_guid(text: &str) -> Option<GUID> {
    let text = text.trim().trim_start_matches('{').trim_end_matches('}');
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    if lengths != [8, 4, 4, 4, 12] || !parts.iter().all(|part| part.bytes().all(|at| at.is_ascii_hexdigit()))
    {
        return None;
    }
    let number = |at: usize| u64::from_str_radix(parts[at], 16).ok();
    let tail = number(3)? << 48 | number(4)?;
    Some(GUID {
        Data1: number(0)? as u32,
        Data2: number(1)? as u16,
        Data3: number(2)? as u16,
        Data4: tail.to_be_bytes(),
    })
}

exports! {
    /// Opens the core resources of a cluster: its name, its address and the quorum resource. A pointer may be null.
    /// 5007 where one that is asked for does not exist; then none is opened.
    ///
    /// Windows: resutils/nf-resapi-resutilgetcoreclusterresources
    /// Note: a cluster needs none of them here, so 5007 is usual.
    fn ResUtilGetCoreClusterResources(
        hCluster: HCLUSTER,
        phClusterNameResource: *mut HRESOURCE,
        phClusterIPAddressResource: *mut HRESOURCE,
        phClusterQuorumResource: *mut HRESOURCE,
    ) -> u32 {
        core_resources(hCluster, phClusterNameResource, phClusterIPAddressResource, phClusterQuorumResource)
    }

    /// As `ResUtilGetCoreClusterResources`, without the address.
    ///
    /// Windows: resutils/nf-resapi-resutilgetcoreclusterresourcesex
    /// Note: the access asked for is not looked at.
    fn ResUtilGetCoreClusterResourcesEx(
        hClusterIn: HCLUSTER,
        phClusterNameResourceOut: *mut HRESOURCE,
        phClusterQuorumResourceOut: *mut HRESOURCE,
        _dwDesiredAccess: u32,
    ) -> u32 {
        core_resources(hClusterIn, phClusterNameResourceOut, null_mut(), phClusterQuorumResourceOut)
    }

    /// Opens the group of type 1, `ClusGroupTypeCoreCluster`, or the one named `Cluster Group`. Null with last error
    /// 5013 where there is neither.
    ///
    /// Windows: resutils/nf-resapi-resutilgetcoregroup
    fn ResUtilGetCoreGroup(hCluster: HCLUSTER) -> HGROUP {
        let names = names_in(given(hCluster)?, ENUM_GROUP)?;
        let usual = wide("Cluster Group");
        let typed = names.iter().find(|name| type_by_name(hCluster, name) == Ok(CORE));
        let named = typed.or_else(|| names.iter().find(|name| same_name(name, &usual)));
        Ok(open_group(hCluster, named.ok_or(ERROR_GROUP_NOT_FOUND)?)?.given_away())
    }

    /// Says whether two handles are of one group. 120 where ClusAPI cannot tell a group's name.
    ///
    /// Windows: resutils/nf-resapi-resutilgroupsequal
    fn ResUtilGroupsEqual(hSelf: HGROUP, hGroup: HGROUP, pEqual: *mut i32) -> u32 {
        raw::get(pEqual)?;
        raw::put(pEqual, 0);
        raw::put(pEqual, i32::from(same_name(&name_of(hSelf)?, &name_of(hGroup)?)));
        Ok(())
    }

    /// Opens a group once more. 120 where ClusAPI cannot tell a group's name or cluster.
    ///
    /// Windows: resutils/nf-resapi-resutildupgroup
    fn ResUtilDupGroup(group: HGROUP, copy: *mut HGROUP) -> u32 {
        if copy.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        raw::put(copy, null_mut());
        let cluster = cluster_of(group)?;
        raw::put(copy, open_group(cluster.0, &name_of(group)?)?.given_away());
        Ok(())
    }

    /// The type of a group, 9999 where none is stored. 120 where ClusAPI cannot tell a group's name or cluster.
    ///
    /// Windows: resutils/nf-resapi-resutilgetclustergrouptype
    fn ResUtilGetClusterGroupType(hGroup: HGROUP, groupType: *mut CLUSGROUP_TYPE) -> u32 {
        raw::get(groupType)?;
        let cluster = cluster_of(hGroup)?;
        raw::put(groupType, type_by_name(cluster.0, &name_of(hGroup)?)?);
        Ok(())
    }

    /// The cluster's id: the value `ClusterInstanceID` of its database. 2 where none is stored, 13 where it is no GUID.
    ///
    /// Windows: resutils/nf-resapi-resutilgetclusterid
    fn ResUtilGetClusterId(hCluster: HCLUSTER, guid: *mut GUID) -> u32 {
        raw::get(guid)?;
        let stored = database(hCluster)?.value(&wide("ClusterInstanceID"))?;
        let (kind, data) = stored.ok_or(ERROR_FILE_NOT_FOUND)?;
        let Data::Text(text) = Format::Sz.load(kind, &data)? else { return Err(ERROR_INVALID_DATA) };
        raw::put(guid, parse_guid(&raw::to_string(&text)).ok_or(ERROR_INVALID_DATA)?);
        Ok(())
    }

    /// Whether a role is clustered, that is, whether a resource of its type exists: 0 if so, 1 if not, -1 with the last
    /// error for a role there is none of and where the cluster cannot be asked.
    ///
    /// Windows: resutils/nf-resapi-resutilgetclusterrolestate
    fn ResUtilGetClusterRoleState(hCluster: HCLUSTER, eClusterRole: CLUSTER_ROLE) -> CLUSTER_ROLE_STATE {
        Ok(role_state(hCluster, eClusterRole).unwrap_or_else(|code| {
            clusapi::SetLastError(code);
            ROLE_UNKNOWN
        }))
    }
}
