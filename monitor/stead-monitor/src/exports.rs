//! Functions that resource DLLs find in the executable that loads them: the last error of a thread, and keys of the
//! cluster database. `exported-symbols.txt` lists them for the linker.
#![allow(unsafe_code, reason = "C functions that take raw pointers")]
#![allow(non_snake_case, reason = "the documented names")]
#![allow(unreachable_pub, reason = "resource DLLs reach them by name")]

use std::cell::Cell;

use stead_resapi as abi;
use stead_resapi::{HKEY, to_wide, wide_string};

use crate::registry::{self, Stored};

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// The last error of this thread.
pub(crate) fn last_error() -> u32 {
    LAST_ERROR.get()
}

/// Sets the last error of this thread.
pub(crate) fn set_last_error(code: u32) {
    LAST_ERROR.set(code);
}

/// Keeps the exported functions from being dropped by the linker.
#[used]
#[allow(clippy::type_complexity, reason = "a list of signatures")]
static KEEP: (
    extern "C" fn(u32),
    extern "C" fn() -> u32,
    unsafe extern "C" fn(HKEY, *const u16, u32, *mut HKEY) -> i32,
    unsafe extern "C" fn(HKEY, *const u16, u32, u32, *mut u8, *mut HKEY, *mut u32) -> i32,
    extern "C" fn(HKEY) -> i32,
    unsafe extern "C" fn(HKEY, u32, *mut u16, *mut u32, *mut u32, *mut u8, *mut u32) -> i32,
    unsafe extern "C" fn(HKEY, *const u16, *mut u32, *mut u8, *mut u32) -> i32,
    unsafe extern "C" fn(HKEY, *const u16, u32, *const u8, u32) -> u32,
    unsafe extern "C" fn(HKEY, *const u16) -> u32,
) = (
    SetLastError,
    GetLastError,
    ClusterRegOpenKey,
    ClusterRegCreateKey,
    ClusterRegCloseKey,
    ClusterRegEnumValue,
    ClusterRegQueryValue,
    ClusterRegSetValue,
    ClusterRegDeleteValue,
);

/// Windows: errhandlingapi/nf-errhandlingapi-setlasterror
#[unsafe(no_mangle)]
pub extern "C" fn SetLastError(code: u32) {
    LAST_ERROR.set(code);
}

/// Windows: errhandlingapi/nf-errhandlingapi-getlasterror
#[unsafe(no_mangle)]
pub extern "C" fn GetLastError() -> u32 {
    LAST_ERROR.get()
}

fn code(result: Result<(), u32>) -> u32 {
    result.err().unwrap_or(abi::ERROR_SUCCESS)
}

/// Opens a key below another.
///
/// Windows: clusapi/nf-clusapi-clusterregopenkey
///
/// # Safety
/// `name` must be null or a terminated string, `out` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegOpenKey(key: HKEY, name: *const u16, _access: u32, out: *mut HKEY) -> i32 {
    // SAFETY: a terminated string, as the caller guarantees.
    let name = unsafe { wide_string(name) }.unwrap_or_default();
    if out.is_null() {
        return abi::ERROR_INVALID_PARAMETER as i32;
    }
    match registry::open(key as u64, &name, false) {
        Ok(opened) => {
            // SAFETY: not null, and writable as the caller guarantees.
            unsafe { out.write_unaligned(opened as HKEY) };
            0
        }
        Err(code) => code as i32,
    }
}

/// Opens a key below another, creating it where it is missing.
///
/// Windows: clusapi/nf-clusapi-clusterregcreatekey
///
/// # Safety
/// As [`ClusterRegOpenKey`]; `disposition` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegCreateKey(
    key: HKEY,
    name: *const u16,
    _options: u32,
    _access: u32,
    _security: *mut u8,
    out: *mut HKEY,
    disposition: *mut u32,
) -> i32 {
    // SAFETY: a terminated string, as the caller guarantees.
    let name = unsafe { wide_string(name) }.unwrap_or_default();
    if out.is_null() {
        return abi::ERROR_INVALID_PARAMETER as i32;
    }
    let existed = registry::open(key as u64, &name, false).map(registry::close).is_ok();
    match registry::open(key as u64, &name, true) {
        Ok(opened) => {
            // SAFETY: not null, and writable as the caller guarantees.
            unsafe { out.write_unaligned(opened as HKEY) };
            if !disposition.is_null() {
                // SAFETY: not null, and writable as the caller guarantees. 1 is a new key, 2 an existing one.
                unsafe { disposition.write_unaligned(if existed { 2 } else { 1 }) };
            }
            0
        }
        Err(code) => code as i32,
    }
}

/// Closes a key. The key given to `Open` belongs to the monitor and stays open.
///
/// Windows: clusapi/nf-clusapi-clusterregclosekey
#[unsafe(no_mangle)]
pub extern "C" fn ClusterRegCloseKey(key: HKEY) -> i32 {
    code(registry::close(key as u64)) as i32
}

/// Copies a value out under the rules for short buffers: the size needed is always told, 234 where it was too small.
///
/// # Safety
/// `kind` and `size` must be null or writable, `data` null or writable for `*size` bytes.
unsafe fn hand_out(stored: &Stored, kind: *mut u32, data: *mut u8, size: *mut u32) -> u32 {
    if !kind.is_null() {
        // SAFETY: writable, as the caller guarantees.
        unsafe { kind.write_unaligned(stored.kind) };
    }
    if size.is_null() {
        return if data.is_null() { abi::ERROR_SUCCESS } else { abi::ERROR_INVALID_PARAMETER };
    }
    let needed = stored.data.len() as u32;
    // SAFETY: readable and writable, as the caller guarantees.
    let room = unsafe { size.read_unaligned() };
    // SAFETY: as above.
    unsafe { size.write_unaligned(needed) };
    if data.is_null() {
        return abi::ERROR_SUCCESS;
    }
    if room < needed {
        return abi::ERROR_MORE_DATA;
    }
    // SAFETY: `data` has room for `room` bytes, which is no less than what is copied.
    unsafe { std::ptr::copy_nonoverlapping(stored.data.as_ptr(), data, stored.data.len()) };
    abi::ERROR_SUCCESS
}

/// Reads a value by its index.
///
/// Windows: clusapi/nf-clusapi-clusterregenumvalue
///
/// # Safety
/// `name` must be writable for `*name_units` units; the rest as the documentation says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegEnumValue(
    key: HKEY,
    index: u32,
    name: *mut u16,
    name_units: *mut u32,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> i32 {
    if name.is_null() || name_units.is_null() {
        return abi::ERROR_INVALID_PARAMETER as i32;
    }
    let (found, stored) = match registry::value_at(key as u64, index as usize) {
        Ok(found) => found,
        Err(code) => return code as i32,
    };
    let wide = to_wide(&found);
    // SAFETY: not null, and readable as the caller guarantees.
    let room = unsafe { name_units.read_unaligned() };
    // SAFETY: as above. The count excludes the NUL.
    unsafe { name_units.write_unaligned(wide.len() as u32 - 1) };
    if (room as usize) < wide.len() {
        return abi::ERROR_MORE_DATA as i32;
    }
    // SAFETY: `name` has room for `room` units, which is no less than what is copied.
    unsafe { std::ptr::copy_nonoverlapping(wide.as_ptr(), name, wide.len()) };
    // SAFETY: as the caller guarantees.
    (unsafe { hand_out(&stored, kind, data, size) }) as i32
}

/// Reads a value by its name.
///
/// Windows: clusapi/nf-clusapi-clusterregqueryvalue
///
/// # Safety
/// `name` must be null or a terminated string; the rest as the documentation says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegQueryValue(
    key: HKEY,
    name: *const u16,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> i32 {
    // SAFETY: a terminated string, as the caller guarantees.
    let name = unsafe { wide_string(name) }.unwrap_or_default();
    match registry::value(key as u64, &name) {
        // SAFETY: as the caller guarantees.
        Ok(stored) => (unsafe { hand_out(&stored, kind, data, size) }) as i32,
        Err(code) => code as i32,
    }
}

/// Sets a value; it lasts as long as the instance.
///
/// Windows: clusapi/nf-clusapi-clusterregsetvalue
///
/// # Safety
/// `name` must be null or a terminated string, `data` null or readable for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegSetValue(
    key: HKEY,
    name: *const u16,
    kind: u32,
    data: *const u8,
    size: u32,
) -> u32 {
    // SAFETY: a terminated string, as the caller guarantees.
    let name = unsafe { wide_string(name) }.unwrap_or_default();
    let data = if data.is_null() {
        Vec::new()
    } else {
        // SAFETY: readable for `size` bytes, as the caller guarantees.
        unsafe { std::slice::from_raw_parts(data, size as usize) }.to_vec()
    };
    code(registry::set(key as u64, &name, Stored { kind, data }))
}

/// Deletes a value.
///
/// Windows: clusapi/nf-clusapi-clusterregdeletevalue
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegDeleteValue(key: HKEY, name: *const u16) -> u32 {
    // SAFETY: a terminated string, as the caller guarantees.
    let name = unsafe { wide_string(name) }.unwrap_or_default();
    code(registry::delete(key as u64, &name))
}
