//! The host's functions: callbacks of start-up, and those found by name in the executable.
#![allow(unsafe_code, reason = "calls into the host")]

use std::ffi::{CStr, c_char, c_void};
use std::ptr::null_mut;
use std::sync::{OnceLock, RwLock};

use stead_resapi as abi;
use stead_resapi::{HKEY, RESOURCE_HANDLE, from_wide, to_wide};

use crate::property::Stored;

unsafe extern "C" {
    fn dlsym(handle: *mut c_void, name: *const c_char) -> *mut c_void;
}

type OpenKey = unsafe extern "C" fn(HKEY, *const u16, u32, *mut HKEY) -> i32;
type CloseKey = unsafe extern "C" fn(HKEY) -> i32;
type EnumValue = unsafe extern "C" fn(HKEY, u32, *mut u16, *mut u32, *mut u32, *mut u8, *mut u32) -> i32;
type SetLastError = unsafe extern "C" fn(u32);

fn symbol(name: &CStr) -> *mut c_void {
    // SAFETY: a null handle asks for the whole process; the name is terminated.
    unsafe { dlsym(null_mut(), name.as_ptr()) }
}

/// Where private properties come from instead of the host: the test harness's map from key to values.
type Replacement = fn(key: u64) -> Option<Vec<(String, Stored)>>;

static REPLACEMENT: RwLock<Option<Replacement>> = RwLock::new(None);

/// Lets the test harness answer for keys.
pub(crate) fn replace_keys(replacement: Replacement) {
    if let Ok(mut slot) = REPLACEMENT.write() {
        *slot = Some(replacement);
    }
}

/// The values of the `Parameters` key below `key`.
pub(crate) fn parameters(key: u64) -> Vec<(String, Stored)> {
    if let Some(replacement) = REPLACEMENT.read().ok().and_then(|slot| *slot)
        && let Some(values) = replacement(key)
    {
        return values;
    }
    static FOUND: OnceLock<Option<(OpenKey, CloseKey, EnumValue)>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let names = [c"ClusterRegOpenKey", c"ClusterRegCloseKey", c"ClusterRegEnumValue"].map(symbol);
        if names.iter().any(|name| name.is_null()) {
            return None;
        }
        let [open, close, enumerate] = names;
        // SAFETY: functions of these names have these signatures: clusapi/nf-clusapi-clusterregopenkey and the like.
        Some(unsafe {
            (
                std::mem::transmute::<*mut c_void, OpenKey>(open),
                std::mem::transmute::<*mut c_void, CloseKey>(close),
                std::mem::transmute::<*mut c_void, EnumValue>(enumerate),
            )
        })
    });
    let Some((open, close, enumerate)) = found else { return Vec::new() };
    const KEY_READ: u32 = 0x20019;
    let name = to_wide("Parameters");
    let mut opened: HKEY = null_mut();
    // SAFETY: the key is the host's own, the name is terminated, the result has room.
    if unsafe { open(key as HKEY, name.as_ptr(), KEY_READ, &raw mut opened) } != 0 {
        return Vec::new();
    }
    let mut values = Vec::new();
    let mut name = vec![0u16; 512];
    let mut data = vec![0u8; 4096];
    let mut index = 0;
    loop {
        let (mut units, mut kind, mut size) = (name.len() as u32, 0u32, data.len() as u32);
        // SAFETY: the buffers have the sizes given along.
        let code = unsafe {
            enumerate(
                opened,
                index,
                name.as_mut_ptr(),
                &raw mut units,
                &raw mut kind,
                data.as_mut_ptr(),
                &raw mut size,
            )
        } as u32;
        match code {
            0 => {
                let text = from_wide(&name[..(units as usize).min(name.len())]);
                values.push((text, Stored { kind, data: data[..(size as usize).min(data.len())].to_vec() }));
                index += 1;
            }
            abi::ERROR_MORE_DATA if name.len() < 1 << 16 && data.len() < 1 << 24 => {
                name.resize(name.len().max(units as usize + 1), 0);
                data.resize(data.len().max(size as usize), 0);
                if (units as usize) < name.len() && (size as usize) <= 4096 {
                    name.resize(name.len() * 2, 0);
                }
            }
            _ => break,
        }
    }
    // SAFETY: opened above.
    unsafe { close(opened) };
    values
}

/// Sets the last error of this thread, which the host reads after a failed `Open`.
pub(crate) fn set_last_error(code: u32) {
    static FOUND: OnceLock<Option<SetLastError>> = OnceLock::new();
    let found = FOUND.get_or_init(|| {
        let found = symbol(c"SetLastError");
        // SAFETY: a function of this name has this signature: errhandlingapi/nf-errhandlingapi-setlasterror.
        (!found.is_null()).then(|| unsafe { std::mem::transmute::<*mut c_void, SetLastError>(found) })
    });
    if let Some(set) = found {
        // SAFETY: takes any number.
        unsafe { set(code) };
    }
}

/// The callbacks that came with start-up.
#[derive(Clone, Copy)]
pub(crate) struct Callbacks {
    pub(crate) log: Option<abi::LOG_EVENT>,
    pub(crate) status: Option<abi::SET_RESOURCE_STATUS>,
    pub(crate) status_ex: Option<abi::SET_RESOURCE_STATUS_EX>,
    pub(crate) locked: Option<abi::SET_LOCKED_MODE>,
    pub(crate) signal: Option<abi::SIGNAL_FAILURE>,
}

static CALLBACKS: OnceLock<Callbacks> = OnceLock::new();

/// Keeps the callbacks of the first start-up; a host has one set.
pub(crate) fn keep(callbacks: Callbacks) {
    let _ = CALLBACKS.set(callbacks);
}

/// Reports a status. True if the worker must stop.
pub(crate) fn report(handle: u64, state: i32, checkpoint: u32, event: i32, code: u32, flags: u32) -> bool {
    let Some(callbacks) = CALLBACKS.get() else { return false };
    let handle = handle as RESOURCE_HANDLE;
    let event = i64::from(event.max(0)) as usize as abi::HANDLE;
    let exit = if let Some(report) = callbacks.status_ex {
        let mut status = abi::RESOURCE_STATUS_EX {
            ResourceState: state,
            CheckPoint: checkpoint,
            EventHandle: event,
            ApplicationSpecificErrorCode: code,
            Flags: flags,
            WaitHint: 0,
        };
        // SAFETY: the host's callback with its own handle and a structure that outlives the call.
        unsafe { report(handle, &raw mut status) }
    } else if let Some(report) = callbacks.status {
        let mut status = abi::RESOURCE_STATUS {
            ResourceState: state,
            CheckPoint: checkpoint,
            WaitHint: 0,
            EventHandle: event,
        };
        // SAFETY: as above.
        unsafe { report(handle, &raw mut status) }
    } else {
        0
    };
    exit == abi::ResourceExitStateTerminate as u32
}

/// Writes a line to the cluster log.
pub(crate) fn log(handle: u64, level: i32, text: &str) {
    if let Some(log) = CALLBACKS.get().and_then(|callbacks| callbacks.log) {
        let (format, text) = (to_wide("%1!ws!"), to_wide(text));
        // SAFETY: the format asks for one wide string, which is given and outlives the call.
        unsafe { log(handle as RESOURCE_HANDLE, level, format.as_ptr(), text.as_ptr()) };
    }
}

/// Begins or ends locked mode; the code the host answers, 120 where it has no such callback.
pub(crate) fn set_locked(handle: u64, locked: bool, reason: u32) -> u32 {
    CALLBACKS.get().and_then(|callbacks| callbacks.locked).map_or(abi::ERROR_CALL_NOT_IMPLEMENTED, |set| {
        // SAFETY: the host's callback with its own handle.
        unsafe { set(handle as RESOURCE_HANDLE, locked.into(), reason) }
    })
}

/// Reports a failure of an online instance.
pub(crate) fn signal(handle: u64, kind: i32, code: u32) -> u32 {
    CALLBACKS.get().and_then(|callbacks| callbacks.signal).map_or(abi::ERROR_CALL_NOT_IMPLEMENTED, |signal| {
        // SAFETY: the host's callback with its own handle.
        unsafe { signal(handle as RESOURCE_HANDLE, kind, code) }
    })
}
