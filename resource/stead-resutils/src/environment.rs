//! Environment variables: put into strings, and as blocks for new processes.

use std::ffi::c_void;
use std::os::unix::ffi::OsStrExt;

use stead_resapi::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED};

use crate::clusapi::HRESOURCE;
use crate::control::network_name;
use crate::fence::Length;
use crate::{memory, raw};

/// Puts the values of environment variables in: `%NAME%` is replaced where the variable is set, and stays otherwise.
pub(crate) fn expand(text: &[u16]) -> Vec<u16> {
    const PERCENT: u16 = b'%' as u16;
    let mut out = Vec::with_capacity(text.len());
    let mut rest = text;
    while let Some(begin) = rest.iter().position(|unit| *unit == PERCENT) {
        out.extend(&rest[..begin]);
        let after = &rest[begin + 1..];
        let name_end = after.iter().position(|unit| *unit == PERCENT);
        let value = name_end.and_then(|end| {
            let name = String::from_utf16(&after[..end]).ok()?;
            // The system's own look-up panics at names that cannot be.
            let possible = !name.is_empty() && !name.contains(['=', '\0']);
            possible.then(|| std::env::var_os(&name)).flatten().map(|value| (end, value))
        });
        match value {
            Some((end, value)) => {
                out.extend(String::from_utf8_lossy(value.as_bytes()).encode_utf16());
                rest = &after[end + 1..];
            }
            None => {
                // The second percent sign may begin a name of its own.
                out.push(PERCENT);
                rest = after;
            }
        }
    }
    out.extend(rest);
    out
}

/// The environment of this process with a computer name, as a block: `NAME=value` with a NUL each, and one more.
fn block(computer: &[u16]) -> Vec<u16> {
    const NAME: &str = "COMPUTERNAME";
    let mut units: Vec<u16> = Vec::new();
    for (name, value) in std::env::vars_os() {
        if name.as_bytes() != NAME.as_bytes() {
            let line = [name.as_bytes(), b"=", value.as_bytes()].concat();
            units.extend(String::from_utf8_lossy(&line).encode_utf16().chain([0]));
        }
    }
    units.extend(format!("{NAME}=").encode_utf16());
    units.extend(computer.iter().copied().chain([0, 0]));
    units
}

/// The length of a copy of units and a NUL in a buffer; where that is too small, the size it must have.
///
/// # Safety
/// `out` must be null or writable for `room` units.
unsafe fn copied(units: &[u16], out: *mut u16, room: u32) -> Result<u32, u32> {
    let mut count = room;
    // SAFETY: writable for as many units as the caller guarantees.
    match unsafe { raw::hand_out_text(units, out, &raw mut count) } {
        Ok(()) => Ok(count),
        Err(_) => Ok(count.saturating_add(1)),
    }
}

exports! {
    /// The value of an environment variable, and its length without the NUL; where the buffer is too small, the size it
    /// must have in units. 0 with last error 203 if it is not set, 87 for null.
    ///
    /// Windows: processenv/nf-processenv-getenvironmentvariablew
    fn GetEnvironmentVariableW(lpName: *const u16, lpBuffer: *mut u16, nSize: u32) -> Length {
        const ERROR_ENVVAR_NOT_FOUND: u32 = 203;
        let name = String::from_utf16(&raw::required_text(lpName)?).map_err(|_| ERROR_ENVVAR_NOT_FOUND)?;
        // The system's own look-up panics at names that cannot be.
        let possible = !name.is_empty() && !name.contains(['=', '\0']);
        let value = possible.then(|| std::env::var_os(&name)).flatten().ok_or(ERROR_ENVVAR_NOT_FOUND)?;
        let units: Vec<u16> = String::from_utf8_lossy(value.as_bytes()).encode_utf16().collect();
        copied(&units, lpBuffer, nSize)
    }

    /// A string with the values of environment variables in place of `%NAME%`, and its size in units with the NUL; where
    /// the buffer is too small, the size it must have. What is not set stays as it stands. 0 with last error 87 for null.
    ///
    /// Windows: processenv/nf-processenv-expandenvironmentstringsw
    fn ExpandEnvironmentStringsW(lpSrc: *const u16, lpDst: *mut u16, nSize: u32) -> Length {
        let units = expand(&raw::required_text(lpSrc)?);
        copied(&units, lpDst, nSize)?;
        u32::try_from(units.len() + 1).map_err(|_| ERROR_INVALID_PARAMETER)
    }

    /// The name of this machine. `nSize` holds the room in units and receives the length without the NUL; false with
    /// last error 111 and the size it must have where the room is too small.
    ///
    /// Windows: winbase/nf-winbase-getcomputernamew
    fn GetComputerNameW(lpBuffer: *mut u16, nSize: *mut u32) -> i32 {
        const ERROR_BUFFER_OVERFLOW: u32 = 111;
        let name = std::fs::read_to_string("/proc/sys/kernel/hostname").map_err(|_| ERROR_NOT_SUPPORTED)?;
        let units: Vec<u16> = name.trim_end().encode_utf16().collect();
        raw::get(nSize)?;
        raw::hand_out_text(&units, lpBuffer, nSize).map_err(|_| {
            raw::put(nSize, u32::try_from(units.len() + 1).unwrap_or(u32::MAX));
            ERROR_BUFFER_OVERFLOW
        })?;
        Ok(1)
    }

    /// A copy of a string with the values of environment variables in place of `%NAME%`, freed with `LocalFree`. What
    /// is not set stays as it stands. Null with last error 87 for null.
    ///
    /// Windows: resutils/nf-resapi-resutilexpandenvironmentstrings
    fn ResUtilExpandEnvironmentStrings(pszSrc: *const u16) -> *mut u16 {
        memory::string(&expand(&raw::required_text(pszSrc)?))
    }

    /// The environment of this process with `COMPUTERNAME` set to the network name the resource depends on: an UTF-16
    /// block, freed with `ResUtilFreeEnvironment`. Null with the last error where the resource has no network name.
    ///
    /// Windows: resutils/nf-resapi-resutilgetenvironmentwithnetname
    fn ResUtilGetEnvironmentWithNetName(hResource: HRESOURCE) -> *mut c_void {
        Ok(memory::block(&raw::to_bytes(&block(&network_name(hResource)?)))?.cast())
    }

    /// Frees such a block. 87 for null, 6 for what is none.
    ///
    /// Windows: resutils/nf-resapi-resutilfreeenvironment
    fn ResUtilFreeEnvironment(lpEnvironment: *mut c_void) -> u32 {
        if lpEnvironment.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        if memory::free(lpEnvironment) { Ok(()) } else { Err(ERROR_INVALID_HANDLE) }
    }
}
