//! What a resource depends on, and comparing resources. A handle that is answered is closed by the caller.

use std::ptr::null_mut;

use stead_resapi::{
    CLUS_RESOURCE_CLASS_INFO, CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES, ERROR_DEPENDENCY_NOT_FOUND,
    ERROR_INVALID_PARAMETER, HANDLE,
};

use crate::clusapi::{HCLUSTER, HRESOURCE, RESOURCE_ENUM_DEPENDS};
use crate::control::{
    Cluster, Resource, class_of, control, given, id_of, name_of, names_around, open_resource, type_of,
};
use crate::list;
use crate::raw::{self, same_name};
use crate::value::{Data, Format};

/// More resources than this are not one group's dependencies.
const MOST: usize = 100_000;

/// The first resource that `resource` depends on and that is `wanted`; with `recurse` also through others.
fn search(
    cluster: HCLUSTER,
    resource: HRESOURCE,
    recurse: bool,
    wanted: impl Fn(HRESOURCE) -> bool,
) -> Result<Resource, u32> {
    let mut waiting = names_around(resource, RESOURCE_ENUM_DEPENDS)?;
    waiting.reverse();
    let mut seen: Vec<Vec<u16>> = Vec::new();
    while let Some(name) = waiting.pop() {
        if seen.len() >= MOST || seen.iter().any(|one| same_name(one, &name)) {
            continue;
        }
        // One that was deleted meanwhile is none.
        if let Ok(found) = open_resource(cluster, &name) {
            if wanted(found.0) {
                return Ok(found);
            }
            if recurse {
                let mut further = names_around(found.0, RESOURCE_ENUM_DEPENDS)?;
                further.reverse();
                waiting.extend(further);
            }
        }
        seen.push(name);
    }
    Err(ERROR_DEPENDENCY_NOT_FOUND)
}

/// # Safety
/// `kind` must be null or a string.
unsafe fn by_type(
    cluster: HCLUSTER,
    resource: HRESOURCE,
    kind: *const u16,
    recurse: bool,
) -> Result<HRESOURCE, u32> {
    // SAFETY: as the caller guarantees.
    let kind = unsafe { raw::required_text(kind) }?;
    given(resource)?;
    let found = search(given(cluster)?, resource, recurse, |one| {
        type_of(one).is_ok_and(|found| same_name(&found, &kind))
    })?;
    Ok(found.given_away())
}

fn is_of_class(resource: HRESOURCE, wanted: CLUS_RESOURCE_CLASS_INFO) -> bool {
    class_of(resource)
        .is_ok_and(|(class, sub)| class == wanted.rc && (wanted.SubClass == 0 || sub == wanted.SubClass))
}

/// # Safety
/// `wanted` must be null or readable.
unsafe fn by_class(
    cluster: HCLUSTER,
    resource: HRESOURCE,
    wanted: *const CLUS_RESOURCE_CLASS_INFO,
    recurse: bool,
) -> Result<HRESOURCE, u32> {
    // SAFETY: as the caller guarantees.
    let wanted = unsafe { raw::get(wanted) }?;
    given(resource)?;
    Ok(search(given(cluster)?, resource, recurse, |one| is_of_class(one, wanted))?.given_away())
}

/// # Safety
/// Both must be null or strings.
unsafe fn of_name(name: *const u16, kind: *const u16) -> Result<HRESOURCE, u32> {
    // SAFETY: as the caller guarantees; here and below.
    let name = unsafe { raw::required_text(name) }?;
    let cluster = Cluster::here()?;
    let resource = open_resource(cluster.0, &name)?;
    unsafe { by_type(cluster.0, resource.0, kind, false) }
}

exports! {
    /// The resource of a type that a resource depends on. Null with last error 5002 where there is none, 87 for null.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependency
    fn ResUtilGetResourceDependency(hSelf: HANDLE, lpszResourceType: *const u16) -> HRESOURCE {
        let cluster = Cluster::of(hSelf)?;
        by_type(cluster.0, hSelf, lpszResourceType, false)
    }

    /// As `ResUtilGetResourceDependency`.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependencyex
    /// Note: the access asked for is not looked at; whoever may open a resource may do all with it.
    fn ResUtilGetResourceDependencyEx(
        hSelf: HANDLE,
        lpszResourceType: *const u16,
        _dwDesiredAccess: u32,
    ) -> HRESOURCE {
        let cluster = Cluster::of(hSelf)?;
        by_type(cluster.0, hSelf, lpszResourceType, false)
    }

    /// As `ResUtilGetResourceDependency`; with `bRecurse` also what those depend on, nearest first along each path.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependencybyname
    fn ResUtilGetResourceDependencyByName(
        hCluster: HCLUSTER,
        hSelf: HANDLE,
        lpszResourceType: *const u16,
        bRecurse: i32,
    ) -> HRESOURCE {
        by_type(hCluster, hSelf, lpszResourceType, bRecurse != 0)
    }

    /// As `ResUtilGetResourceDependencyByName`.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependencybynameex
    /// Note: the access asked for is not looked at.
    fn ResUtilGetResourceDependencyByNameEx(
        hCluster: HCLUSTER,
        hSelf: HANDLE,
        lpszResourceType: *const u16,
        bRecurse: i32,
        _dwDesiredAccess: u32,
    ) -> HRESOURCE {
        by_type(hCluster, hSelf, lpszResourceType, bRecurse != 0)
    }

    /// As `ResUtilGetResourceDependencyByName`, for a resource class; a subclass of 0 is any.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependencybyclass
    fn ResUtilGetResourceDependencyByClass(
        hCluster: HCLUSTER,
        hSelf: HANDLE,
        prci: *mut CLUS_RESOURCE_CLASS_INFO,
        bRecurse: i32,
    ) -> HRESOURCE {
        by_class(hCluster, hSelf, prci, bRecurse != 0)
    }

    /// As `ResUtilGetResourceDependencyByClass`.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependencybyclassex
    /// Note: the access asked for is not looked at.
    fn ResUtilGetResourceDependencyByClassEx(
        hCluster: HCLUSTER,
        hSelf: HANDLE,
        prci: *mut CLUS_RESOURCE_CLASS_INFO,
        bRecurse: i32,
        _dwDesiredAccess: u32,
    ) -> HRESOURCE {
        by_class(hCluster, hSelf, prci, bRecurse != 0)
    }

    /// As `ResUtilGetResourceDependency`, for a resource of this machine's cluster by its name.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcenamedependency
    fn ResUtilGetResourceNameDependency(
        lpszResourceName: *const u16,
        lpszResourceType: *const u16,
    ) -> HRESOURCE {
        of_name(lpszResourceName, lpszResourceType)
    }

    /// As `ResUtilGetResourceNameDependency`.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcenamedependencyex
    /// Note: the access asked for is not looked at.
    fn ResUtilGetResourceNameDependencyEx(
        lpszResourceName: *const u16,
        lpszResourceType: *const u16,
        _dwDesiredAccess: u32,
    ) -> HRESOURCE {
        of_name(lpszResourceName, lpszResourceType)
    }

    /// True if two handles are of one resource. False with the last error where one cannot be asked.
    ///
    /// Windows: resutils/nf-resapi-resutilresourcesequal
    fn ResUtilResourcesEqual(hSelf: HRESOURCE, hResource: HRESOURCE) -> i32 {
        Ok(i32::from(same_name(&id_of(hSelf)?, &id_of(hResource)?)))
    }

    /// True if a resource is of a type. False with the last error where it cannot be asked.
    ///
    /// Windows: resutils/nf-resapi-resutilresourcetypesequal
    fn ResUtilResourceTypesEqual(lpszResourceTypeName: *const u16, hResource: HRESOURCE) -> i32 {
        Ok(i32::from(same_name(&raw::required_text(lpszResourceTypeName)?, &type_of(hResource)?)))
    }

    /// True if a resource is of a class; a subclass of 0 is any. False with last error 87 for null.
    ///
    /// Windows: resutils/nf-resapi-resutilisresourceclassequal
    fn ResUtilIsResourceClassEqual(prci: *mut CLUS_RESOURCE_CLASS_INFO, hResource: HRESOURCE) -> i32 {
        Ok(i32::from(is_of_class(given(hResource)?, raw::get(prci)?)))
    }

    /// Opens a resource once more.
    ///
    /// Windows: resutils/nf-resapi-resutildupresource
    fn ResUtilDupResource(group: HRESOURCE, copy: *mut HRESOURCE) -> u32 {
        if copy.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        raw::put(copy, null_mut());
        let cluster = Cluster::of(group)?;
        raw::put(copy, open_resource(cluster.0, &name_of(group)?)?.given_away());
        Ok(())
    }

    /// The name of a resource. `pcchResourceNameInOut` holds the room in units and receives the length without the
    /// NUL; 234 where the room is too small.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcename
    fn ResUtilGetResourceName(
        hResource: HRESOURCE,
        pszResourceName: *mut u16,
        pcchResourceNameInOut: *mut u32,
    ) -> u32 {
        raw::get(pcchResourceNameInOut)?;
        raw::hand_out_text(&name_of(hResource)?, pszResourceName, pcchResourceNameInOut)
    }

    /// Address, subnet mask and network of the `IP Address` that a resource depends on, also through others. Each
    /// count holds the room in units and receives the length without the NUL; 234 if one is too small, with all the
    /// lengths told; 5002 where there is no such dependency; a property that is not set is empty.
    ///
    /// Windows: resutils/nf-resapi-resutilgetresourcedependentipaddressprops
    fn ResUtilGetResourceDependentIPAddressProps(
        hResource: HRESOURCE,
        pszAddress: *mut u16,
        pcchAddress: *mut u32,
        pszSubnetMask: *mut u16,
        pcchSubnetMask: *mut u32,
        pszNetwork: *mut u16,
        pcchNetwork: *mut u32,
    ) -> u32 {
        let wanted = [("Address", pszAddress, pcchAddress), ("SubnetMask", pszSubnetMask, pcchSubnetMask),
            ("Network", pszNetwork, pcchNetwork)];
        wanted.iter().try_for_each(|(_, _, count)| raw::get(*count).map(drop))?;
        let cluster = Cluster::of(hResource)?;
        let kind: Vec<u16> = "IP Address".encode_utf16().collect();
        let found = search(cluster.0, hResource, true, |one| type_of(one).is_ok_and(|is| same_name(&is, &kind)))?;
        let properties = control(found.0, CLUSCTL_RESOURCE_GET_PRIVATE_PROPERTIES)?;
        let entries = list::read(&properties)?;
        let mut result = Ok(());
        for (name, out, count) in wanted {
            let name: Vec<u16> = name.encode_utf16().collect();
            let value = list::find(&entries, &name).map(|entry| entry.value);
            let text = match value.map(|value| Format::Sz.decode(value.data)).transpose()? {
                Some(Data::Text(text)) => text,
                Some(Data::Number(_) | Data::Block(_)) | None => Vec::new(),
            };
            result = result.and(raw::hand_out_text(&text, out, count));
        }
        result
    }
}
