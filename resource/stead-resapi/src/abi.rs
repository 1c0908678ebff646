//! Types, structures and function pointers of the interface, with their sizes and offsets asserted.
//!
//! 64-bit targets only: there `extern "system"` is the C convention.
#![allow(non_camel_case_types, non_snake_case, reason = "the documented names")]
#![allow(missing_docs, reason = "fields and callbacks carry the documented names")]
#![allow(clippy::upper_case_acronyms, reason = "the documented names")]

use core::ffi::c_void;

/// Unsigned, 32 bits on every platform.
pub type DWORD = u32;
/// Zero is false, everything else true.
pub type BOOL = i32;
/// One UTF-16 code unit, also on Linux.
pub type WCHAR = u16;
/// Opaque. An event handle is a file descriptor cast to a pointer; null is none.
pub type HANDLE = *mut c_void;
/// A key of the cluster database, understood by the `ClusterReg…` functions of the host.
pub type HKEY = *mut c_void;
/// An instance, chosen by the resource DLL; null means failure.
pub type RESID = *mut c_void;
/// An instance, chosen by the Resource Monitor: index plus generation, never an address.
pub type RESOURCE_HANDLE = *mut c_void;
/// Names an asynchronous control call.
pub type RES_CTL_CTX = i64;
/// A state in a status report.
pub type CLUSTER_RESOURCE_STATE = i32;

/// A status report.
///
/// Windows: resapi/ns-resapi-resource_status
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RESOURCE_STATUS {
    pub ResourceState: i32,
    pub CheckPoint: u32,
    pub WaitHint: u32,
    pub EventHandle: HANDLE,
}
/// A status report of version 2 and later. `WaitHint` is absent in DLLs built for 2012 and is never read.
///
/// Windows: resapi/ns-resapi-resource_status_ex
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RESOURCE_STATUS_EX {
    pub ResourceState: i32,
    pub CheckPoint: u32,
    pub EventHandle: HANDLE,
    pub ApplicationSpecificErrorCode: u32,
    pub Flags: u32,
    pub WaitHint: u32,
}

/// `Open`.
///
/// Windows: resapi/nc-resapi-popen_routine
pub type OPEN = unsafe extern "system" fn(*const WCHAR, HKEY, RESOURCE_HANDLE) -> RESID;
/// `OpenV2`.
///
/// Windows: resapi/nc-resapi-popen_v2_routine
pub type OPEN_V2 = unsafe extern "system" fn(*const WCHAR, HKEY, RESOURCE_HANDLE, DWORD) -> RESID;
/// `Close`.
///
/// Windows: resapi/nc-resapi-pclose_routine
pub type CLOSE = unsafe extern "system" fn(RESID);
/// `Online`.
///
/// Windows: resapi/nc-resapi-ponline_routine
pub type ONLINE = unsafe extern "system" fn(RESID, *mut HANDLE) -> DWORD;
/// `OnlineV2`.
///
/// Windows: resapi/nc-resapi-ponline_v2_routine
pub type ONLINE_V2 = unsafe extern "system" fn(RESID, *mut HANDLE, DWORD, *mut u8, DWORD, DWORD) -> DWORD;
/// `Offline`.
///
/// Windows: resapi/nc-resapi-poffline_routine
pub type OFFLINE = unsafe extern "system" fn(RESID) -> DWORD;
/// `OfflineV2`.
///
/// Windows: resapi/nc-resapi-poffline_v2_routine
pub type OFFLINE_V2 = unsafe extern "system" fn(RESID, *const WCHAR, DWORD, *mut u8, DWORD, DWORD) -> DWORD;
/// `Terminate`.
///
/// Windows: resapi/nc-resapi-pterminate_routine
pub type TERMINATE = unsafe extern "system" fn(RESID);
/// `LooksAlive` and `IsAlive`.
///
/// Windows: resapi/nc-resapi-plooks_alive_routine, resapi/nc-resapi-pis_alive_routine
pub type ALIVE = unsafe extern "system" fn(RESID) -> BOOL;
/// Windows: resapi/nc-resapi-pquorum_resource_lost
pub type QUORUM_RESOURCE_LOST = unsafe extern "system" fn(RESOURCE_HANDLE);
/// `Arbitrate`.
///
/// Windows: resapi/nc-resapi-parbitrate_routine
pub type ARBITRATE = unsafe extern "system" fn(RESID, Option<QUORUM_RESOURCE_LOST>) -> DWORD;
/// `Release`.
///
/// Windows: resapi/nc-resapi-prelease_routine
pub type RELEASE = unsafe extern "system" fn(RESID) -> DWORD;
/// `ResourceControl`.
///
/// Windows: resapi/nc-resapi-presource_control_routine
pub type RESOURCE_CONTROL =
    unsafe extern "system" fn(RESID, DWORD, *mut c_void, DWORD, *mut c_void, DWORD, *mut DWORD) -> DWORD;
/// `ResourceTypeControl`.
///
/// Windows: resapi/nc-resapi-presource_type_control_routine
pub type RESOURCE_TYPE_CONTROL = unsafe extern "system" fn(
    *const WCHAR,
    DWORD,
    *mut c_void,
    DWORD,
    *mut c_void,
    DWORD,
    *mut DWORD,
) -> DWORD;
/// `Cancel`.
///
/// Windows: resapi/nc-resapi-pcancel_routine
pub type CANCEL = unsafe extern "system" fn(RESID, DWORD) -> DWORD;
/// `BeginResourceControl`.
///
/// Windows: resapi/nc-resapi-pbegin_rescall_routine
pub type BEGIN_RESCALL = unsafe extern "system" fn(
    RESID,
    DWORD,
    *mut c_void,
    DWORD,
    *mut c_void,
    DWORD,
    *mut DWORD,
    RES_CTL_CTX,
    *mut BOOL,
) -> DWORD;
/// `BeginResourceTypeControl`.
///
/// Windows: resapi/nc-resapi-pbegin_restypecall_routine
pub type BEGIN_RESTYPECALL = unsafe extern "system" fn(
    *const WCHAR,
    DWORD,
    *mut c_void,
    DWORD,
    *mut c_void,
    DWORD,
    *mut DWORD,
    RES_CTL_CTX,
    *mut BOOL,
) -> DWORD;
/// `BeginResourceControlAsUser`.
///
/// Windows: resapi/nc-resapi-pbegin_rescall_as_user_routine
pub type BEGIN_RESCALL_AS_USER = unsafe extern "system" fn(
    RESID,
    HANDLE,
    DWORD,
    *mut c_void,
    DWORD,
    *mut c_void,
    DWORD,
    *mut DWORD,
    RES_CTL_CTX,
    *mut BOOL,
) -> DWORD;
/// `BeginResourceTypeControlAsUser`.
///
/// Windows: resapi/nc-resapi-pbegin_restypecall_as_user_routine
pub type BEGIN_RESTYPECALL_AS_USER = unsafe extern "system" fn(
    *const WCHAR,
    HANDLE,
    DWORD,
    *mut c_void,
    DWORD,
    *mut c_void,
    DWORD,
    *mut DWORD,
    RES_CTL_CTX,
    *mut BOOL,
) -> DWORD;

/// Entry points of version 1.
///
/// Windows: resapi/ns-resapi-clres_v1_functions
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CLRES_V1_FUNCTIONS {
    pub Open: Option<OPEN>,
    pub Close: Option<CLOSE>,
    pub Online: Option<ONLINE>,
    pub Offline: Option<OFFLINE>,
    pub Terminate: Option<TERMINATE>,
    pub LooksAlive: Option<ALIVE>,
    pub IsAlive: Option<ALIVE>,
    pub Arbitrate: Option<ARBITRATE>,
    pub Release: Option<RELEASE>,
    pub ResourceControl: Option<RESOURCE_CONTROL>,
    pub ResourceTypeControl: Option<RESOURCE_TYPE_CONTROL>,
}
/// Entry points of version 2.
///
/// Windows: resapi/ns-resapi-clres_v2_functions
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CLRES_V2_FUNCTIONS {
    pub Open: Option<OPEN_V2>,
    pub Close: Option<CLOSE>,
    pub Online: Option<ONLINE_V2>,
    pub Offline: Option<OFFLINE_V2>,
    pub Terminate: Option<TERMINATE>,
    pub LooksAlive: Option<ALIVE>,
    pub IsAlive: Option<ALIVE>,
    pub Arbitrate: Option<ARBITRATE>,
    pub Release: Option<RELEASE>,
    pub ResourceControl: Option<RESOURCE_CONTROL>,
    pub ResourceTypeControl: Option<RESOURCE_TYPE_CONTROL>,
    pub Cancel: Option<CANCEL>,
}
/// Entry points of version 3.
///
/// Windows: resapi/ns-resapi-clres_v3_functions
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CLRES_V3_FUNCTIONS {
    pub Open: Option<OPEN_V2>,
    pub Close: Option<CLOSE>,
    pub Online: Option<ONLINE_V2>,
    pub Offline: Option<OFFLINE_V2>,
    pub Terminate: Option<TERMINATE>,
    pub LooksAlive: Option<ALIVE>,
    pub IsAlive: Option<ALIVE>,
    pub Arbitrate: Option<ARBITRATE>,
    pub Release: Option<RELEASE>,
    pub BeginResourceControl: Option<BEGIN_RESCALL>,
    pub BeginResourceTypeControl: Option<BEGIN_RESTYPECALL>,
    pub Cancel: Option<CANCEL>,
}
/// Entry points of version 4.
///
/// Windows: resapi/ns-resapi-clres_v4_functions
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CLRES_V4_FUNCTIONS {
    pub Open: Option<OPEN_V2>,
    pub Close: Option<CLOSE>,
    pub Online: Option<ONLINE_V2>,
    pub Offline: Option<OFFLINE_V2>,
    pub Terminate: Option<TERMINATE>,
    pub LooksAlive: Option<ALIVE>,
    pub IsAlive: Option<ALIVE>,
    pub Arbitrate: Option<ARBITRATE>,
    pub Release: Option<RELEASE>,
    pub BeginResourceControl: Option<BEGIN_RESCALL>,
    pub BeginResourceTypeControl: Option<BEGIN_RESTYPECALL>,
    pub Cancel: Option<CANCEL>,
    pub BeginResourceControlAsUser: Option<BEGIN_RESCALL_AS_USER>,
    pub BeginResourceTypeControlAsUser: Option<BEGIN_RESTYPECALL_AS_USER>,
}
/// The entry points; `Version` says which.
#[repr(C)]
#[derive(Clone, Copy)]
pub union CLRES_FUNCTIONS {
    pub V1: CLRES_V1_FUNCTIONS,
    pub V2: CLRES_V2_FUNCTIONS,
    pub V3: CLRES_V3_FUNCTIONS,
    pub V4: CLRES_V4_FUNCTIONS,
}
/// What a start-up routine hands out.
///
/// Windows: resapi/ns-resapi-clres_function_table
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CLRES_FUNCTION_TABLE {
    pub TableSize: DWORD,
    pub Version: DWORD,
    pub F: CLRES_FUNCTIONS,
}

/// Windows: resapi/nc-resapi-pset_resource_status_routine
pub type SET_RESOURCE_STATUS = unsafe extern "system" fn(RESOURCE_HANDLE, *mut RESOURCE_STATUS) -> DWORD;
/// Windows: resapi/nc-resapi-pset_resource_status_routine_ex
pub type SET_RESOURCE_STATUS_EX =
    unsafe extern "system" fn(RESOURCE_HANDLE, *mut RESOURCE_STATUS_EX) -> DWORD;
/// Windows: resapi/nc-resapi-plog_event_routine
pub type LOG_EVENT = unsafe extern "C" fn(RESOURCE_HANDLE, i32, *const WCHAR, ...);
/// Windows: resapi/nc-resapi-pset_resource_locked_mode_routine
pub type SET_LOCKED_MODE = unsafe extern "system" fn(RESOURCE_HANDLE, BOOL, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-pset_resource_locked_mode_ex_routine
pub type SET_LOCKED_MODE_EX = unsafe extern "system" fn(RESOURCE_HANDLE, BOOL, DWORD, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-psignal_failure_routine
pub type SIGNAL_FAILURE = unsafe extern "system" fn(RESOURCE_HANDLE, i32, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-pset_resource_inmemory_nodelocal_properties_routine
pub type SET_INMEMORY_PROPS = unsafe extern "system" fn(RESOURCE_HANDLE, *mut u8, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-pend_control_call, resapi/nc-resapi-pend_type_control_call
pub type END_CALL = unsafe extern "system" fn(RES_CTL_CTX, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-pextend_res_control_call, resapi/nc-resapi-pextend_res_type_control_call
pub type EXTEND_CALL = unsafe extern "system" fn(RES_CTL_CTX, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-praise_res_type_notification
pub type RAISE_TYPE_NOTIFICATION = unsafe extern "system" fn(*const WCHAR, *const u8, DWORD) -> DWORD;
/// Windows: resapi/nc-resapi-pchange_resource_process_for_dumps
pub type CHANGE_RES_PROCESS = unsafe extern "system" fn(RESOURCE_HANDLE, *const WCHAR, DWORD, BOOL) -> DWORD;
/// Windows: resapi/nc-resapi-pchange_res_type_process_for_dumps
pub type CHANGE_TYPE_PROCESS = unsafe extern "system" fn(*const WCHAR, *const WCHAR, DWORD, BOOL) -> DWORD;
/// Windows: resapi/nc-resapi-pset_internal_state
pub type SET_INTERNAL_STATE = unsafe extern "system" fn(RESOURCE_HANDLE, i32, BOOL) -> DWORD;
/// In the newest headers only; no page.
pub type REQUEST_DUMP = unsafe extern "system" fn(RESOURCE_HANDLE, BOOL, DWORD) -> DWORD;
/// In the newest headers only; no page.
pub type SET_WPR_POLICY = unsafe extern "system" fn(RESOURCE_HANDLE, DWORD) -> DWORD;
/// In the newest headers only; no page.
pub type ARM_WPR_WATCHDOG = unsafe extern "system" fn(RESOURCE_HANDLE, u64) -> DWORD;

/// The callbacks handed to `StartupEx`, all 17 always filled.
///
/// Windows: resapi/ns-resapi-clres_callback_function_table
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CLRES_CALLBACK_FUNCTION_TABLE {
    pub LogEvent: Option<LOG_EVENT>,
    pub SetResourceStatusEx: Option<SET_RESOURCE_STATUS_EX>,
    pub SetResourceLockedMode: Option<SET_LOCKED_MODE>,
    pub SignalFailure: Option<SIGNAL_FAILURE>,
    pub SetResourceInMemoryNodeLocalProperties: Option<SET_INMEMORY_PROPS>,
    pub EndControlCall: Option<END_CALL>,
    pub EndTypeControlCall: Option<END_CALL>,
    pub ExtendControlCall: Option<EXTEND_CALL>,
    pub ExtendTypeControlCall: Option<EXTEND_CALL>,
    pub RaiseResTypeNotification: Option<RAISE_TYPE_NOTIFICATION>,
    pub ChangeResourceProcessForDumps: Option<CHANGE_RES_PROCESS>,
    pub ChangeResTypeProcessForDumps: Option<CHANGE_TYPE_PROCESS>,
    pub SetInternalState: Option<SET_INTERNAL_STATE>,
    pub SetResourceLockedModeEx: Option<SET_LOCKED_MODE_EX>,
    pub RequestDump: Option<REQUEST_DUMP>,
    pub SetResourceWprPolicy: Option<SET_WPR_POLICY>,
    pub ArmWprWatchdogForCurrentResourceCall: Option<ARM_WPR_WATCHDOG>,
}

/// `Startup`.
///
/// Windows: resapi/nc-resapi-pstartup_routine
pub type STARTUP = unsafe extern "system" fn(
    *const WCHAR,
    DWORD,
    DWORD,
    Option<SET_RESOURCE_STATUS>,
    Option<LOG_EVENT>,
    *mut *mut CLRES_FUNCTION_TABLE,
) -> DWORD;
/// `StartupEx`.
///
/// Windows: resapi/nc-resapi-pstartup_ex_routine
pub type STARTUP_EX = unsafe extern "system" fn(
    *const WCHAR,
    DWORD,
    DWORD,
    *mut CLRES_CALLBACK_FUNCTION_TABLE,
    *mut *mut CLRES_FUNCTION_TABLE,
) -> DWORD;

/// A worker thread.
///
/// Windows: resapi/ns-resapi-clus_worker
/// The body of a worker thread.
///
/// Windows: resapi/nc-resapi-pworker_start_routine
#[repr(C)]
pub struct CLUS_WORKER {
    pub hThread: HANDLE,
    pub Terminate: BOOL,
}
pub type WORKER_START = unsafe extern "system" fn(*mut CLUS_WORKER, *mut c_void) -> DWORD;

const _: () = {
    use core::mem::{offset_of as o, size_of as s};
    assert!(s::<RESOURCE_STATUS>() == 24 && o!(RESOURCE_STATUS, EventHandle) == 16);
    assert!(
        s::<RESOURCE_STATUS_EX>() == 32
            && o!(RESOURCE_STATUS_EX, EventHandle) == 8
            && o!(RESOURCE_STATUS_EX, WaitHint) == 24
    );
    assert!(s::<CLRES_V1_FUNCTIONS>() == 88 && s::<CLRES_V2_FUNCTIONS>() == 96);
    assert!(s::<CLRES_V3_FUNCTIONS>() == 96 && s::<CLRES_V4_FUNCTIONS>() == 112);
    assert!(s::<CLRES_FUNCTION_TABLE>() == 120 && o!(CLRES_FUNCTION_TABLE, F) == 8);
    assert!(s::<CLRES_CALLBACK_FUNCTION_TABLE>() == 136);
    assert!(o!(CLRES_CALLBACK_FUNCTION_TABLE, SetInternalState) == 96);
    assert!(s::<CLUS_WORKER>() == 16);
};
