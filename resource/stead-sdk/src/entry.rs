//! The entry points, each with a panic fence, and the function tables they are handed out in.
#![allow(unsafe_code, reason = "functions that the host calls with raw pointers")]

use std::any::TypeId;
use std::collections::HashMap;
use std::ffi::c_void;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::ptr::null_mut;
use std::sync::{Mutex, PoisonError};

use stead_resapi as abi;
use stead_resapi::{
    BOOL, CLRES_CALLBACK_FUNCTION_TABLE, CLRES_FUNCTION_TABLE, CLRES_FUNCTIONS, CLRES_V1_FUNCTIONS,
    CLRES_V2_FUNCTIONS, DWORD, HANDLE, HKEY, RESID, RESOURCE_HANDLE, WCHAR, wide_string,
};

use crate::Resource;
use crate::control::{self, Reply};
use crate::ffi;
use crate::live::{self, Arguments, Live};
use crate::operation::{Context, Level};

/// A fence for entry points: a panic of our own code must not unwind into the host.
fn fence<R>(otherwise: R, call: impl FnOnce() -> R) -> R {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or(otherwise)
}

unsafe extern "system" fn open<T: Resource>(name: *const WCHAR, key: HKEY, handle: RESOURCE_HANDLE) -> RESID {
    fence(null_mut(), || {
        // SAFETY: the host passes a terminated name.
        let name = unsafe { wide_string(name) }.unwrap_or_default();
        let context = Context::new(name, handle as u64, key as u64, T::PROPERTIES);
        match Live::<T>::open(context.clone()) {
            Ok(driver) => live::add(driver) as RESID,
            Err(failure) => {
                context.log(Level::Error, failure.text());
                ffi::set_last_error(failure.code());
                null_mut()
            }
        }
    })
}

unsafe extern "system" fn open_v2<T: Resource>(
    name: *const WCHAR,
    key: HKEY,
    handle: RESOURCE_HANDLE,
    _flags: DWORD,
) -> RESID {
    // SAFETY: the same arguments.
    unsafe { open::<T>(name, key, handle) }
}

unsafe extern "system" fn close(resid: RESID) {
    fence((), || {
        if let Some(driver) = live::remove(resid as u64) {
            driver.terminate();
        }
    });
}

fn bytes_of(buffer: *const u8, size: u32) -> Vec<u8> {
    if buffer.is_null() || size == 0 {
        return Vec::new();
    }
    // SAFETY: the host lends `size` readable bytes for the duration of the call.
    unsafe { std::slice::from_raw_parts(buffer, size as usize) }.to_vec()
}

unsafe extern "system" fn online(resid: RESID, event: *mut HANDLE) -> DWORD {
    // SAFETY: the same arguments, and none where the older form has none.
    unsafe { online_v2(resid, event, 0, null_mut(), 0, 0) }
}

unsafe extern "system" fn online_v2(
    resid: RESID,
    event: *mut HANDLE,
    flags: DWORD,
    buffer: *mut u8,
    size: DWORD,
    _reserved: DWORD,
) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        let Some(driver) = live::find(resid as u64) else { return abi::ERROR_RESOURCE_NOT_FOUND };
        let arguments = Arguments { flags, in_buffer: bytes_of(buffer, size), ..Arguments::default() };
        let (code, handle) = driver.online(arguments);
        if handle > 0 && !event.is_null() {
            // SAFETY: not null, and the host's own variable.
            unsafe { event.write(handle as usize as HANDLE) };
        }
        code
    })
}

unsafe extern "system" fn offline(resid: RESID) -> DWORD {
    // SAFETY: the same argument, and none where the older form has none.
    unsafe { offline_v2(resid, std::ptr::null(), 0, null_mut(), 0, 0) }
}

unsafe extern "system" fn offline_v2(
    resid: RESID,
    destination: *const WCHAR,
    flags: DWORD,
    buffer: *mut u8,
    size: DWORD,
    reserved: DWORD,
) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        let Some(driver) = live::find(resid as u64) else { return abi::ERROR_RESOURCE_NOT_FOUND };
        // SAFETY: null or a terminated name.
        let destination = unsafe { wide_string(destination) };
        driver.offline(Arguments { flags, in_buffer: bytes_of(buffer, size), destination, reason: reserved })
    })
}

unsafe extern "system" fn terminate(resid: RESID) {
    fence((), || {
        if let Some(driver) = live::find(resid as u64) {
            driver.terminate();
        }
    });
}

unsafe extern "system" fn looks_alive(resid: RESID) -> BOOL {
    fence(0, || live::find(resid as u64).is_some_and(|driver| driver.looks_alive()).into())
}

unsafe extern "system" fn is_alive(resid: RESID) -> BOOL {
    fence(0, || live::find(resid as u64).is_some_and(|driver| driver.is_alive()).into())
}

unsafe extern "system" fn cancel(resid: RESID, _flags: DWORD) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        live::find(resid as u64).map_or(abi::ERROR_RESOURCE_NOT_FOUND, |driver| driver.cancel())
    })
}

/// Hands an answer out under the rules for short buffers.
fn hand_out(reply: &Reply, out: *mut c_void, out_size: DWORD, returned: *mut DWORD) -> DWORD {
    let length = reply.output.len() as u32;
    if !returned.is_null() {
        // SAFETY: not null, and the host's own variable.
        unsafe { returned.write(if reply.code == abi::ERROR_SUCCESS { length } else { 0 }) };
    }
    if reply.code != abi::ERROR_SUCCESS || length == 0 {
        return reply.code;
    }
    if out.is_null() || out_size < length {
        return abi::ERROR_MORE_DATA;
    }
    // SAFETY: the host's buffer has `out_size` bytes, which is no less than what is copied.
    unsafe { std::ptr::copy_nonoverlapping(reply.output.as_ptr(), out.cast::<u8>(), reply.output.len()) };
    abi::ERROR_SUCCESS
}

unsafe extern "system" fn resource_control(
    resid: RESID,
    code: DWORD,
    input: *mut c_void,
    in_size: DWORD,
    out: *mut c_void,
    out_size: DWORD,
    returned: *mut DWORD,
) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        let Some(driver) = live::find(resid as u64) else { return abi::ERROR_RESOURCE_NOT_FOUND };
        let reply = driver.control(code, &bytes_of(input.cast(), in_size));
        hand_out(&reply, out, out_size, returned)
    })
}

unsafe extern "system" fn type_control<T: Resource>(
    _name: *const WCHAR,
    code: DWORD,
    _input: *mut c_void,
    _in_size: DWORD,
    out: *mut c_void,
    out_size: DWORD,
    returned: *mut DWORD,
) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        hand_out(&control::type_wide::<T>(code), out, out_size, returned)
    })
}

/// The function table of a type, made once a process and version.
fn table<T: Resource>(version: u32) -> *mut CLRES_FUNCTION_TABLE {
    static TABLES: Mutex<Option<HashMap<(TypeId, u32), usize>>> = Mutex::new(None);
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    let tables = tables.get_or_insert_with(HashMap::new);
    let place = tables.entry((TypeId::of::<T>(), version)).or_insert_with(|| {
        let (size, functions) = if version == abi::CLRES_VERSION_V1_00 {
            let v1 = CLRES_V1_FUNCTIONS {
                Open: Some(open::<T>),
                Close: Some(close),
                Online: Some(online),
                Offline: Some(offline),
                Terminate: Some(terminate),
                LooksAlive: Some(looks_alive),
                IsAlive: Some(is_alive),
                Arbitrate: None,
                Release: None,
                ResourceControl: Some(resource_control),
                ResourceTypeControl: Some(type_control::<T>),
            };
            (size_of::<CLRES_V1_FUNCTIONS>(), CLRES_FUNCTIONS { V1: v1 })
        } else {
            let v2 = CLRES_V2_FUNCTIONS {
                Open: Some(open_v2::<T>),
                Close: Some(close),
                Online: Some(online_v2),
                Offline: Some(offline_v2),
                Terminate: Some(terminate),
                LooksAlive: Some(looks_alive),
                IsAlive: Some(is_alive),
                Arbitrate: None,
                Release: None,
                ResourceControl: Some(resource_control),
                ResourceTypeControl: Some(type_control::<T>),
                Cancel: Some(cancel),
            };
            (size_of::<CLRES_V2_FUNCTIONS>(), CLRES_FUNCTIONS { V2: v2 })
        };
        let table = CLRES_FUNCTION_TABLE { TableSize: size as u32, Version: version, F: functions };
        Box::into_raw(Box::new(table)) as usize
    });
    *place as *mut CLRES_FUNCTION_TABLE
}

fn serves<T: Resource>(resource_type: *const WCHAR) -> bool {
    // SAFETY: the host passes a terminated name.
    unsafe { wide_string(resource_type) }.is_some_and(|name| name.eq_ignore_ascii_case(T::TYPE_NAME))
}

/// `StartupEx` for one type: a table of version 2, the newest whose calls are all synchronous.
///
/// # Safety
/// Called with the documented arguments of a start-up routine.
#[doc(hidden)]
pub unsafe extern "system" fn __startup_ex<T: Resource>(
    resource_type: *const WCHAR,
    min: DWORD,
    max: DWORD,
    callbacks: *mut CLRES_CALLBACK_FUNCTION_TABLE,
    out: *mut *mut CLRES_FUNCTION_TABLE,
) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        if !serves::<T>(resource_type) {
            return abi::ERROR_CLUSTER_RESNAME_NOT_FOUND;
        }
        if callbacks.is_null() || out.is_null() {
            return abi::ERROR_INVALID_PARAMETER;
        }
        let version =
            if max >= abi::CLRES_VERSION_V2_00 { abi::CLRES_VERSION_V2_00 } else { abi::CLRES_VERSION_V1_00 };
        if !(min..=max).contains(&version) {
            return abi::ERROR_REVISION_MISMATCH;
        }
        // The five oldest callbacks exist in every host that has a table.
        // SAFETY: not null, and of the first five members every host has.
        let (log, status_ex, locked, signal) = unsafe {
            (
                (&raw const (*callbacks).LogEvent).read(),
                (&raw const (*callbacks).SetResourceStatusEx).read(),
                (&raw const (*callbacks).SetResourceLockedMode).read(),
                (&raw const (*callbacks).SignalFailure).read(),
            )
        };
        ffi::keep(ffi::Callbacks { log, status: None, status_ex, locked, signal });
        // SAFETY: not null, and the host's own variable.
        unsafe { out.write(table::<T>(version)) };
        abi::ERROR_SUCCESS
    })
}

/// `Startup` for one type: a table of version 1.
///
/// # Safety
/// Called with the documented arguments of a start-up routine.
#[doc(hidden)]
pub unsafe extern "system" fn __startup<T: Resource>(
    resource_type: *const WCHAR,
    min: DWORD,
    max: DWORD,
    status: Option<abi::SET_RESOURCE_STATUS>,
    log: Option<abi::LOG_EVENT>,
    out: *mut *mut CLRES_FUNCTION_TABLE,
) -> DWORD {
    fence(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, || {
        if !serves::<T>(resource_type) {
            return abi::ERROR_CLUSTER_RESNAME_NOT_FOUND;
        }
        if out.is_null() {
            return abi::ERROR_INVALID_PARAMETER;
        }
        if !(min..=max).contains(&abi::CLRES_VERSION_V1_00) {
            return abi::ERROR_REVISION_MISMATCH;
        }
        ffi::keep(ffi::Callbacks { log, status, status_ex: None, locked: None, signal: None });
        // SAFETY: not null, and the host's own variable.
        unsafe { out.write(table::<T>(abi::CLRES_VERSION_V1_00)) };
        abi::ERROR_SUCCESS
    })
}
