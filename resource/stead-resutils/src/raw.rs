//! Reading and writing through pointers that a resource DLL gave. Nothing needs to be aligned.

use std::ffi::c_void;

pub(crate) use stead_resapi::wide_units as text;
use stead_resapi::{ERROR_INVALID_PARAMETER, ERROR_MORE_DATA};

/// What `from` points to.
///
/// # Errors
/// 87 for a null pointer.
///
/// # Safety
/// `from` must be null or readable.
pub(crate) unsafe fn get<T: Copy>(from: *const T) -> Result<T, u32> {
    if from.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: not null, and readable as the caller guarantees.
    Ok(unsafe { from.read_unaligned() })
}

/// Writes `value` unless `to` is null.
///
/// # Safety
/// `to` must be null or writable.
pub(crate) unsafe fn put<T>(to: *mut T, value: T) {
    if !to.is_null() {
        // SAFETY: not null, and writable as the caller guarantees.
        unsafe { to.write_unaligned(value) };
    }
}

/// The units of a string without its NUL, where null is an error.
///
/// # Errors
/// 87 for null.
///
/// # Safety
/// As [`text`].
pub(crate) unsafe fn required_text(string: *const u16) -> Result<Vec<u16>, u32> {
    // SAFETY: as the caller guarantees.
    unsafe { text(string) }.ok_or(ERROR_INVALID_PARAMETER)
}

/// A copy of `size` bytes.
///
/// # Errors
/// 87 for null with a size.
///
/// # Safety
/// `from` must be null or readable for `size` bytes.
pub(crate) unsafe fn bytes(from: *const c_void, size: u32) -> Result<Vec<u8>, u32> {
    if size == 0 && !from.is_null() {
        return Ok(Vec::new());
    }
    if from.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: not null, and readable for this many bytes as the caller guarantees. Bytes have no alignment.
    Ok(unsafe { std::slice::from_raw_parts(from.cast::<u8>(), size as usize) }.to_vec())
}

/// Copies an answer out. `required` always tells its size, `returned` how much was copied.
///
/// # Errors
/// 234 where there is no room; then nothing is copied.
///
/// # Safety
/// `out` must be null or writable for `room` bytes; the others null or writable.
pub(crate) unsafe fn hand_out(
    answer: &[u8],
    out: *mut c_void,
    room: u32,
    returned: *mut u32,
    required: *mut u32,
) -> Result<(), u32> {
    let size = u32::try_from(answer.len()).unwrap_or(u32::MAX);
    let fits = !out.is_null() && size <= room;
    // SAFETY: null or writable, as the caller guarantees.
    unsafe {
        put(required, size);
        put(returned, if fits { size } else { 0 });
    }
    if !fits {
        return Err(ERROR_MORE_DATA);
    }
    // SAFETY: `out` is not null and has room for `room` bytes, which is no less than the answer.
    unsafe { std::ptr::copy_nonoverlapping(answer.as_ptr(), out.cast::<u8>(), answer.len()) };
    Ok(())
}

/// Copies a string with its NUL out. `count` holds the room in units, and receives the length without the NUL.
///
/// # Errors
/// 87 without a count, 234 where there is no room; then nothing is copied and `count` holds the length.
///
/// # Safety
/// `count` must be null or writable, `out` null or writable for as many units as it says.
pub(crate) unsafe fn hand_out_text(text: &[u16], out: *mut u16, count: *mut u32) -> Result<(), u32> {
    // SAFETY: null or readable, as the caller guarantees.
    let room = unsafe { get(count) }? as usize;
    // SAFETY: not null, and writable as the caller guarantees.
    unsafe { put(count, u32::try_from(text.len()).unwrap_or(u32::MAX)) };
    if out.is_null() || room <= text.len() {
        return Err(ERROR_MORE_DATA);
    }
    for (at, unit) in text.iter().chain([&0]).enumerate() {
        // SAFETY: `out` has room for more units than the text is long, as was just checked.
        unsafe { out.add(at).write_unaligned(*unit) };
    }
    Ok(())
}

/// The bytes of UTF-16 units.
pub(crate) fn to_bytes(units: &[u16]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(units.len() * 2);
    units.iter().for_each(|unit| bytes.extend_from_slice(&unit.to_le_bytes()));
    bytes
}

/// The UTF-16 units in bytes; an odd byte at the end is dropped.
pub(crate) fn to_units(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|pair| u16::from_le_bytes(*pair)).collect()
}

/// A string as ours, for names that other programs must understand.
pub(crate) fn to_string(units: &[u16]) -> String {
    String::from_utf16_lossy(units)
}

fn fold(unit: u16) -> u16 {
    if unit < 0x80 {
        return u16::from((unit as u8).to_ascii_uppercase());
    }
    let Some(letter) = char::from_u32(u32::from(unit)) else { return unit };
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(one), None) => u16::try_from(u32::from(one)).unwrap_or(unit),
        (Some(_), Some(_)) | (None, _) => unit,
    }
}

/// True if two names are equal without regard to case.
pub(crate) fn same_name(left: &[u16], right: &[u16]) -> bool {
    left.len() == right.len() && left.iter().zip(right).all(|(a, b)| a == b || fold(*a) == fold(*b))
}

/// A name as it is looked up: the same for all that [`same_name`] takes for equal.
pub(crate) fn folded(name: &[u16]) -> Vec<u16> {
    name.iter().map(|unit| fold(*unit)).collect()
}

/// A NUL-terminated copy.
pub(crate) fn terminated(units: &[u16]) -> Vec<u16> {
    let mut all = Vec::with_capacity(units.len() + 1);
    all.extend_from_slice(units);
    all.push(0);
    all
}
