//! Text between UTF-16 and UTF-8, the one other encoding there is here.

use stead_resapi::{ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER};

use crate::raw;

const CP_ACP: u32 = 0;
const CP_UTF8: u32 = 65_001;
/// Invalid characters are an error, in both directions.
const WC_ERR_INVALID_CHARS: u32 = 0x80;
const MB_ERR_INVALID_CHARS: u32 = 0x8;
const ERROR_INVALID_FLAGS: u32 = 1004;
const ERROR_NO_UNICODE_TRANSLATION: u32 = 1113;

/// The longest text, in units, that is looked at in one call.
const LONGEST: usize = 1 << 24;

fn arguments(page: u32, flags: u32, known: u32) -> Result<(), u32> {
    if page != CP_ACP && page != CP_UTF8 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if flags & !known == 0 { Ok(()) } else { Err(ERROR_INVALID_FLAGS) }
}

/// What the caller gave: so many units, or up to and with the NUL for −1.
///
/// # Safety
/// `from` must be readable for `count` units, or up to its NUL.
unsafe fn given<T: Copy + PartialEq + Default>(from: *const T, count: i32) -> Result<Vec<T>, u32> {
    if from.is_null() || count == 0 || count < -1 {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let most = usize::try_from(count).unwrap_or(LONGEST).min(LONGEST);
    let mut units = Vec::new();
    while units.len() < most {
        // SAFETY: readable for so many units or up to the NUL, as the caller guarantees.
        let unit = unsafe { from.add(units.len()).read_unaligned() };
        units.push(unit);
        if count == -1 && unit == T::default() {
            break;
        }
    }
    Ok(units)
}

/// The number of units of an answer, after they were copied if there is room for any.
///
/// # Safety
/// `to` must be null or writable for `room` units.
unsafe fn answer<T: Copy>(units: &[T], to: *mut T, room: i32) -> Result<i32, u32> {
    let room = usize::try_from(room).map_err(|_| ERROR_INVALID_PARAMETER)?;
    let count = i32::try_from(units.len()).map_err(|_| ERROR_INSUFFICIENT_BUFFER)?;
    if room == 0 {
        return Ok(count);
    }
    if to.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    if room < units.len() {
        return Err(ERROR_INSUFFICIENT_BUFFER);
    }
    for (index, unit) in units.iter().enumerate() {
        // SAFETY: writable for `room` units, which is no less than what is copied.
        unsafe { to.add(index).write_unaligned(*unit) };
    }
    Ok(count)
}

exports! {
    /// UTF-16 as UTF-8: the number of bytes, with the NUL if `cchWideChar` is −1; with a size of 0 only the number is
    /// told. Code pages are 65001 and 0, which is the same here. What is not well-formed becomes U+FFFD, or error 1113
    /// with `WC_ERR_INVALID_CHARS` (0x80). 0 with last error 87, 122 where it does not fit, 1004 for other flags.
    ///
    /// Windows: stringapiset/nf-stringapiset-widechartomultibyte
    fn WideCharToMultiByte(
        CodePage: u32,
        dwFlags: u32,
        lpWideCharStr: *const u16,
        cchWideChar: i32,
        lpMultiByteStr: *mut u8,
        cbMultiByte: i32,
        lpDefaultChar: *const u8,
        lpUsedDefaultChar: *mut i32,
    ) -> i32 {
        arguments(CodePage, dwFlags, WC_ERR_INVALID_CHARS)?;
        if CodePage == CP_UTF8 && !(lpDefaultChar.is_null() && lpUsedDefaultChar.is_null()) {
            return Err(ERROR_INVALID_PARAMETER);
        }
        raw::put(lpUsedDefaultChar, 0);
        let units = given(lpWideCharStr, cchWideChar)?;
        let text = String::from_utf16(&units);
        if text.is_err() && dwFlags & WC_ERR_INVALID_CHARS != 0 {
            return Err(ERROR_NO_UNICODE_TRANSLATION);
        }
        let text = text.unwrap_or_else(|_| String::from_utf16_lossy(&units));
        answer(text.as_bytes(), lpMultiByteStr, cbMultiByte)
    }

    /// UTF-8 as UTF-16: the number of units, with the NUL if `cbMultiByte` is −1; with a size of 0 only the number is
    /// told. Code pages are 65001 and 0, which is the same here. What is not well-formed becomes U+FFFD, or error 1113
    /// with `MB_ERR_INVALID_CHARS` (8). 0 with last error 87, 122 where it does not fit, 1004 for other flags.
    ///
    /// Windows: stringapiset/nf-stringapiset-multibytetowidechar
    fn MultiByteToWideChar(
        CodePage: u32,
        dwFlags: u32,
        lpMultiByteStr: *const u8,
        cbMultiByte: i32,
        lpWideCharStr: *mut u16,
        cchWideChar: i32,
    ) -> i32 {
        arguments(CodePage, dwFlags, MB_ERR_INVALID_CHARS)?;
        let bytes = given(lpMultiByteStr, cbMultiByte)?;
        if dwFlags & MB_ERR_INVALID_CHARS != 0 && std::str::from_utf8(&bytes).is_err() {
            return Err(ERROR_NO_UNICODE_TRANSLATION);
        }
        let units: Vec<u16> = String::from_utf8_lossy(&bytes).encode_utf16().collect();
        answer(&units, lpWideCharStr, cchWideChar)
    }
}
