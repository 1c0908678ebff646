//! The last error of a thread.
#![allow(non_snake_case, reason = "the documented names")]

use std::cell::Cell;

thread_local! {
    static LAST_ERROR: Cell<u32> = const { Cell::new(0) };
}

/// The last error of this thread.
#[must_use]
pub fn last_error() -> u32 {
    LAST_ERROR.get()
}

/// Sets the last error of this thread.
pub fn set_last_error(code: u32) {
    LAST_ERROR.set(code);
}

/// Sets the last error of this thread.
///
/// Windows: errhandlingapi/nf-errhandlingapi-setlasterror
#[unsafe(no_mangle)]
pub extern "C" fn SetLastError(code: u32) {
    LAST_ERROR.set(code);
}

/// The last error of this thread; functions that succeed leave it as it was.
///
/// Windows: errhandlingapi/nf-errhandlingapi-getlasterror
#[unsafe(no_mangle)]
pub extern "C" fn GetLastError() -> u32 {
    LAST_ERROR.get()
}
