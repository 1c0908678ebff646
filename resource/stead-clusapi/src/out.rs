//! Copying out into buffers of the caller, never past their size.

use stead_resapi::{ERROR_INVALID_PARAMETER, ERROR_MORE_DATA, to_wide};

/// Runs the body of an exported function; a panic in it becomes `otherwise`, never crosses into C.
pub(crate) fn fenced<T>(otherwise: T, body: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(body)).unwrap_or(otherwise)
}

/// The code of a result: 0 or the error.
pub(crate) fn code(result: Result<(), u32>) -> u32 {
    result.err().unwrap_or(0)
}

/// Writes one value where the caller wants it; null means that he does not.
///
/// # Safety
/// `out` must be null or writable; it may be misaligned.
pub(crate) unsafe fn put<T>(out: *mut T, value: T) {
    if !out.is_null() {
        // SAFETY: not null, and writable as the caller guarantees.
        unsafe { out.write_unaligned(value) };
    }
}

/// Copies a text and its NUL. `size` is in units: in, the room with the NUL; out, the length without it.
///
/// # Errors
/// 234 if it does not fit: then nothing but `*size` is written. 87 for null pointers.
///
/// # Safety
/// `size` must be null or writable, `text` null or writable for `*size` units.
pub(crate) unsafe fn text(from: &str, text: *mut u16, size: *mut u32) -> Result<(), u32> {
    if size.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let wide = to_wide(from);
    // SAFETY: not null, and readable and writable as the caller guarantees.
    let room = unsafe { size.read_unaligned() } as usize;
    // SAFETY: as above.
    unsafe { size.write_unaligned(u32::try_from(wide.len() - 1).unwrap_or(u32::MAX)) };
    if text.is_null() || room < wide.len() {
        return Err(ERROR_MORE_DATA);
    }
    for (index, unit) in wide.iter().enumerate() {
        // SAFETY: `text` has room for `room` units, which is no less than what is copied.
        unsafe { text.add(index).write_unaligned(*unit) };
    }
    Ok(())
}

/// As [`text`], where the caller may not want the text at all: both null.
///
/// # Errors
/// As [`text`].
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn optional_text(from: &str, to: *mut u16, size: *mut u32) -> Result<(), u32> {
    if to.is_null() && size.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller guarantees.
    unsafe { text(from, to, size) }
}

/// Copies bytes. `size` is in bytes: in, the room; out, what is needed. A null `data` asks for the size alone.
///
/// # Errors
/// 234 if it does not fit: then nothing but `*size` is written. 87 for data without a size.
///
/// # Safety
/// `size` must be null or writable, `data` null or writable for `*size` bytes.
pub(crate) unsafe fn bytes(from: &[u8], data: *mut u8, size: *mut u32) -> Result<(), u32> {
    if size.is_null() {
        return if data.is_null() { Ok(()) } else { Err(ERROR_INVALID_PARAMETER) };
    }
    // SAFETY: not null, and readable and writable as the caller guarantees.
    let room = unsafe { size.read_unaligned() } as usize;
    // SAFETY: as above.
    unsafe { size.write_unaligned(u32::try_from(from.len()).unwrap_or(u32::MAX)) };
    if data.is_null() {
        return Ok(());
    }
    if room < from.len() {
        return Err(ERROR_MORE_DATA);
    }
    // SAFETY: `data` has room for `room` bytes, which is no less than what is copied.
    unsafe { std::ptr::copy_nonoverlapping(from.as_ptr(), data, from.len()) };
    Ok(())
}
