//! Functions that resource DLLs link with and that have no meaning here: each fails with its documented code.
#![allow(non_snake_case, reason = "the documented names")]

use std::ffi::c_void;

use stead_resapi::{ERROR_CALL_NOT_IMPLEMENTED, HKEY};

use crate::error::set_last_error;

/// The quorum is the cluster database's own affair; there is no quorum resource. Fails with 120.
///
/// Windows: clusapi/nf-clusapi-getclusterquorumresource
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterQuorumResource(
    _cluster: *mut c_void,
    _name: *mut u16,
    _units: *mut u32,
    _device: *mut u16,
    _device_units: *mut u32,
    _log_size: *mut u32,
) -> u32 {
    ERROR_CALL_NOT_IMPLEMENTED
}

/// Only the keys of resources can be opened by resource DLLs. Null, with last error 120.
///
/// Windows: clusapi/nf-clusapi-getclusterkey
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterKey(_cluster: *mut c_void, _access: u32) -> HKEY {
    set_last_error(ERROR_CALL_NOT_IMPLEMENTED);
    std::ptr::null_mut()
}

/// As [`GetClusterKey`].
///
/// Windows: clusapi/nf-clusapi-getclustergroupkey
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterGroupKey(_group: *mut c_void, _access: u32) -> HKEY {
    set_last_error(ERROR_CALL_NOT_IMPLEMENTED);
    std::ptr::null_mut()
}

/// As [`GetClusterKey`].
///
/// Windows: clusapi/nf-clusapi-getclusterresourcetypekey
#[unsafe(no_mangle)]
pub extern "C" fn GetClusterResourceTypeKey(
    _cluster: *mut c_void,
    _type_name: *const u16,
    _access: u32,
) -> HKEY {
    set_last_error(ERROR_CALL_NOT_IMPLEMENTED);
    std::ptr::null_mut()
}

/// Keys have no security descriptors: fails with 120.
///
/// Windows: clusapi/nf-clusapi-clusterreggetkeysecurity
#[unsafe(no_mangle)]
pub extern "C" fn ClusterRegGetKeySecurity(
    _key: HKEY,
    _information: u32,
    _descriptor: *mut c_void,
    _size: *mut u32,
) -> i32 {
    ERROR_CALL_NOT_IMPLEMENTED as i32
}

/// Keys have no security descriptors: fails with 120.
///
/// Windows: clusapi/nf-clusapi-clusterregsetkeysecurity
#[unsafe(no_mangle)]
pub extern "C" fn ClusterRegSetKeySecurity(_key: HKEY, _information: u32, _descriptor: *mut c_void) -> i32 {
    ERROR_CALL_NOT_IMPLEMENTED as i32
}
