//! Calling a routine of the caller's for each object of a cluster. What it answers ends the enumeration if it is not
//! zero, and is answered; 259 ends it without an error. The handle it is given is closed when it returns.

use std::ffi::c_void;

use stead_resapi::{ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS, HANDLE};

use crate::clusapi::{
    CLUSGROUP_TYPE, ENUM_GROUP, ENUM_NODE, ENUM_RESOURCE, GetClusterNodeState, HCLUSTER, HGROUP, HRESOURCE,
    LPGROUP_CALLBACK_EX, LPNODE_CALLBACK, LPRESOURCE_CALLBACK, LPRESOURCE_CALLBACK_EX, RESOURCE_ENUM_DEPENDS,
    RESOURCE_ENUM_PROVIDES,
};
use crate::control::{
    Cluster, given, id_of, names_around, names_in, open_group, open_node, open_resource, type_of,
};
use crate::group::type_by_name;
use crate::raw::{self, same_name};

/// What a routine's answer means: go on, or end.
fn ended(answer: u32) -> Option<Result<(), u32>> {
    match answer {
        0 => None,
        ERROR_NO_MORE_ITEMS => Some(Ok(())),
        code => Some(Err(code)),
    }
}

fn resources(
    cluster: HCLUSTER,
    own: HRESOURCE,
    kind: Option<&[u16]>,
    call: impl Fn(HRESOURCE) -> u32,
) -> Result<(), u32> {
    let own = if own.is_null() { None } else { Some(id_of(own)?) };
    for name in names_in(given(cluster)?, ENUM_RESOURCE)? {
        // One that was deleted meanwhile is not there.
        let Ok(found) = open_resource(cluster, &name) else { continue };
        let other = own.as_ref().is_none_or(|own| !id_of(found.0).is_ok_and(|id| same_name(&id, own)));
        let fits = kind.is_none_or(|kind| type_of(found.0).is_ok_and(|is| same_name(&is, kind)));
        if other
            && fits
            && let Some(end) = ended(call(found.0))
        {
            return end;
        }
    }
    Ok(())
}

fn groups(
    cluster: HCLUSTER,
    own: HGROUP,
    kind: Option<CLUSGROUP_TYPE>,
    call: impl Fn(HGROUP) -> u32,
) -> Result<(), u32> {
    let own = if own.is_null() { None } else { Some(crate::group::name_of(own)?) };
    for name in names_in(given(cluster)?, ENUM_GROUP)? {
        if own.as_ref().is_some_and(|own| same_name(own, &name)) {
            continue;
        }
        if let Some(kind) = kind
            && type_by_name(cluster, &name)? != kind
        {
            continue;
        }
        let Ok(found) = open_group(cluster, &name) else { continue };
        if let Some(end) = ended(call(found.0)) {
            return end;
        }
    }
    Ok(())
}

exports! {
    /// Calls for each resource of this machine's cluster, of a type if one is given, except the caller's own, which
    /// may be null. 87 without a routine.
    ///
    /// Windows: resutils/nf-resapi-resutilenumresources
    fn ResUtilEnumResources(
        hSelf: HRESOURCE,
        lpszResTypeName: *const u16,
        pResCallBack: LPRESOURCE_CALLBACK,
        pParameter: *mut c_void,
    ) -> u32 {
        let call = pResCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        let kind = raw::text(lpszResTypeName);
        let cluster = Cluster::here()?;
        resources(cluster.0, hSelf, kind.as_deref(), |found| call(hSelf, found, pParameter))
    }

    /// As `ResUtilEnumResources`, for the cluster given.
    ///
    /// Windows: resutils/nf-resapi-resutilenumresourcesex
    fn ResUtilEnumResourcesEx(
        hCluster: HCLUSTER,
        hSelf: HRESOURCE,
        lpszResTypeName: *const u16,
        pResCallBack: LPRESOURCE_CALLBACK_EX,
        pParameter: *mut c_void,
    ) -> u32 {
        let call = pResCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        let kind = raw::text(lpszResTypeName);
        resources(hCluster, hSelf, kind.as_deref(), |found| call(hCluster, hSelf, found, pParameter))
    }

    /// As `ResUtilEnumResourcesEx`.
    ///
    /// Windows: resutils/nf-resapi-resutilenumresourcesex2
    /// Note: the access asked for is not looked at; whoever may open a resource may do all with it.
    fn ResUtilEnumResourcesEx2(
        hCluster: HCLUSTER,
        hSelf: HRESOURCE,
        lpszResTypeName: *const u16,
        pResCallBack: LPRESOURCE_CALLBACK_EX,
        pParameter: *mut c_void,
        _dwDesiredAccess: u32,
    ) -> u32 {
        let call = pResCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        let kind = raw::text(lpszResTypeName);
        resources(hCluster, hSelf, kind.as_deref(), |found| call(hCluster, hSelf, found, pParameter))
    }

    /// Calls for each group of a cluster except the caller's own, which may be null.
    ///
    /// Windows: resutils/nf-resapi-resutilenumgroups
    fn ResUtilEnumGroups(
        hCluster: HCLUSTER,
        hSelf: HGROUP,
        pResCallBack: LPGROUP_CALLBACK_EX,
        pParameter: *mut c_void,
    ) -> u32 {
        let call = pResCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        groups(hCluster, hSelf, None, |found| call(hCluster, hSelf, found, pParameter))
    }

    /// As `ResUtilEnumGroups`, for groups of one type.
    ///
    /// Windows: resutils/nf-resapi-resutilenumgroupsex
    fn ResUtilEnumGroupsEx(
        hCluster: HCLUSTER,
        hSelf: HGROUP,
        groupType: CLUSGROUP_TYPE,
        pResCallBack: LPGROUP_CALLBACK_EX,
        pParameter: *mut c_void,
    ) -> u32 {
        let call = pResCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        groups(hCluster, hSelf, Some(groupType), |found| call(hCluster, hSelf, found, pParameter))
    }

    /// Calls for each node of a cluster, with its state.
    ///
    /// Windows: resutils/nf-resapi-resutilnodeenum
    fn ResUtilNodeEnum(hCluster: HCLUSTER, pNodeCallBack: LPNODE_CALLBACK, pParameter: *mut c_void) -> u32 {
        let call = pNodeCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        for name in names_in(given(hCluster)?, ENUM_NODE)? {
            let Ok(node) = open_node(hCluster, &name) else { continue };
            let state = GetClusterNodeState(node.0);
            if let Some(end) = ended(call(hCluster, node.0, state, pParameter)) {
                return end;
            }
        }
        Ok(())
    }

    /// Calls for each resource that a resource depends on (`CLUSTER_RESOURCE_ENUM_DEPENDS`, 1), or that depends on it
    /// (`CLUSTER_RESOURCE_ENUM_PROVIDES`, 2), or both (3). 87 for another kind, since nodes are no resources.
    ///
    /// Windows: resutils/nf-resapi-resutilresourcedepenum
    fn ResUtilResourceDepEnum(
        hSelf: HRESOURCE,
        enumType: u32,
        pResCallBack: LPRESOURCE_CALLBACK_EX,
        pParameter: *mut c_void,
    ) -> u32 {
        let call = pResCallBack.ok_or(ERROR_INVALID_PARAMETER)?;
        if enumType == 0 || enumType & !(RESOURCE_ENUM_DEPENDS | RESOURCE_ENUM_PROVIDES) != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let cluster = Cluster::of(hSelf)?;
        let own: HANDLE = hSelf;
        for name in names_around(own, enumType)? {
            let Ok(found) = open_resource(cluster.0, &name) else { continue };
            if let Some(end) = ended(call(cluster.0, own, found.0, pParameter)) {
                return end;
            }
        }
        Ok(())
    }
}
