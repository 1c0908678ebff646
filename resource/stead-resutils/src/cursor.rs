//! Reading one value of a list and moving on: `ppPropertyList` points to the value, and is moved to the next property;
//! `pcbPropertyListSize` holds how many bytes are left.
//!
//! 122 where the value reaches past what is left, 13 where it has another format or is broken, 87 out of range or for a
//! null pointer, 8 where there is no memory. Then neither the answer nor the cursor changes. The value is read where
//! `pValueStruct` points to, if the list has it; where the answer goes may be null, then the value is only checked.

use std::ffi::c_void;

use stead_resapi::{
    CLUSPROP_BINARY, CLUSPROP_DWORD, CLUSPROP_FILETIME, CLUSPROP_LONG, CLUSPROP_SZ,
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER, FILETIME,
};

use crate::list::Reader;
use crate::value::{Data, Format, in_range};
use crate::{memory, raw};

/// Where the cursor is, and where it goes.
struct Cursor {
    list: *mut *mut u8,
    left: *mut u32,
    next: *mut u8,
    rest: u32,
}

impl Cursor {
    /// # Safety
    /// The pointers it was made of must still be writable.
    unsafe fn advance(&self) {
        // SAFETY: as the caller guarantees.
        unsafe {
            raw::put(self.list, self.next);
            raw::put(self.left, self.rest);
        }
    }
}

/// Reads the value at `value`, which must lie in the list, and finds the property after it.
///
/// # Safety
/// `list` must be null or point to a pointer that is readable for as many bytes as `left` says.
unsafe fn read(
    value: *const c_void,
    formats: &[Format],
    list: *mut *mut u8,
    left: *mut u32,
) -> Result<(Data, Cursor), u32> {
    // SAFETY: as the caller guarantees.
    let (begin, size) = unsafe { (raw::get(list)?, raw::get(left)?) };
    if value.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    let offset = (value as usize).checked_sub(begin as usize).filter(|offset| *offset <= size as usize);
    let offset = offset.ok_or(ERROR_INVALID_PARAMETER)?;
    // SAFETY: as the caller guarantees.
    let bytes = unsafe { raw::bytes(begin.cast(), size) }?;
    let mut reader = Reader::new(&bytes[offset..]);
    let found = reader.value()?.ok_or(ERROR_INVALID_DATA)?;
    let format = found.format().filter(|format| found.syntax == format.syntax() && formats.contains(format));
    let data = format.ok_or(ERROR_INVALID_DATA)?.decode(found.data)?;
    // Further values of the property, and the mark that ends it, are passed over. A list that was cut behind the
    // value ends there.
    let mut end = reader.at;
    loop {
        match reader.value() {
            Ok(Some(_)) => end = reader.at,
            Ok(None) => {
                end = reader.at;
                break;
            }
            Err(ERROR_INSUFFICIENT_BUFFER) => break,
            Err(code) => return Err(code),
        }
    }
    let passed = offset + end;
    Ok((data, Cursor { list, left, next: begin.wrapping_add(passed), rest: size - passed as u32 }))
}

/// Puts a new buffer in the place of the old one, which is freed if it is this library's.
///
/// # Safety
/// `out` must be null or writable.
unsafe fn exchange(out: *mut *mut u8, new: impl FnOnce() -> Result<*mut u8, u32>) -> Result<(), u32> {
    // SAFETY: null or readable, as the caller guarantees.
    let Ok(old) = (unsafe { raw::get(out) }) else { return Ok(()) };
    let new = new()?;
    // SAFETY: as above.
    unsafe { raw::put(out, new) };
    memory::free(old.cast());
    Ok(())
}

fn number(data: &Data) -> Result<u64, u32> {
    match data {
        Data::Number(number) => Ok(*number),
        Data::Text(_) | Data::Block(_) => Err(ERROR_INVALID_DATA),
    }
}

fn time(time: FILETIME) -> u64 {
    u64::from(time.dwHighDateTime) << 32 | u64::from(time.dwLowDateTime)
}

exports! {
    /// Reads bytes. `ppbOutValue` receives a copy, freed with `LocalFree`, in place of the old one, which is freed if
    /// it is this library's; where the bytes are equal to the old value's and there is an answer already, it stays.
    ///
    /// Windows: resutils/nf-resapi-resutilgetbinaryproperty
    fn ResUtilGetBinaryProperty(
        ppbOutValue: *mut *mut u8,
        pcbOutValueSize: *mut u32,
        pValueStruct: *const CLUSPROP_BINARY,
        pbOldValue: *const u8,
        cbOldValueSize: u32,
        ppPropertyList: *mut *mut u8,
        pcbPropertyListSize: *mut u32,
    ) -> u32 {
        let (data, cursor) = read(pValueStruct.cast(), &[Format::Binary], ppPropertyList, pcbPropertyListSize)?;
        give_block(data, (pbOldValue, cbOldValueSize), ppbOutValue, pcbOutValueSize)?;
        cursor.advance();
        Ok(())
    }

    /// Reads a string. `ppszOutValue` receives a copy, freed with `LocalFree`, in place of the old one, which is freed
    /// if it is this library's; where the text is equal to the old value and there is an answer already, it stays.
    ///
    /// Windows: resutils/nf-resapi-resutilgetszproperty
    fn ResUtilGetSzProperty(
        ppszOutValue: *mut *mut u16,
        pValueStruct: *const CLUSPROP_SZ,
        pszOldValue: *const u16,
        ppPropertyList: *mut *mut u8,
        pcbPropertyListSize: *mut u32,
    ) -> u32 {
        let formats = [Format::Sz, Format::ExpandSz, Format::ExpandedSz];
        let (data, cursor) = read(pValueStruct.cast(), &formats, ppPropertyList, pcbPropertyListSize)?;
        let Data::Text(new) = data else { return Err(ERROR_INVALID_DATA) };
        let there = raw::get(ppszOutValue).is_ok_and(|out| !out.is_null());
        if !there || raw::text(pszOldValue).as_ref() != Some(&new) {
            exchange(ppszOutValue.cast(), || Ok(memory::string(&new)?.cast()))?;
        }
        cursor.advance();
        Ok(())
    }

    /// Reads strings, with both closing NULs. As `ResUtilGetBinaryProperty`.
    ///
    /// Windows: resutils/nf-resapi-resutilgetmultiszproperty
    fn ResUtilGetMultiSzProperty(
        ppszOutValue: *mut *mut u16,
        pcbOutValueSize: *mut u32,
        pValueStruct: *const CLUSPROP_SZ,
        pszOldValue: *const u16,
        cbOldValueSize: u32,
        ppPropertyList: *mut *mut u8,
        pcbPropertyListSize: *mut u32,
    ) -> u32 {
        let (data, cursor) = read(pValueStruct.cast(), &[Format::MultiSz], ppPropertyList, pcbPropertyListSize)?;
        give_block(data, (pszOldValue.cast(), cbOldValueSize), ppszOutValue.cast(), pcbOutValueSize)?;
        cursor.advance();
        Ok(())
    }

    /// Reads a `DWORD` between two limits.
    ///
    /// Windows: resutils/nf-resapi-resutilgetdwordproperty
    fn ResUtilGetDwordProperty(
        pdwOutValue: *mut u32,
        pValueStruct: *const CLUSPROP_DWORD,
        _dwOldValue: u32,
        dwMinimum: u32,
        dwMaximum: u32,
        ppPropertyList: *mut *mut u8,
        pcbPropertyListSize: *mut u32,
    ) -> u32 {
        let (data, cursor) = read(pValueStruct.cast(), &[Format::Dword], ppPropertyList, pcbPropertyListSize)?;
        let number = number(&data)?;
        in_range(number, dwMinimum.into(), dwMaximum.into(), false)?;
        raw::put(pdwOutValue, number as u32);
        cursor.advance();
        Ok(())
    }

    /// Reads a `LONG` between two limits.
    ///
    /// Windows: resutils/nf-resapi-resutilgetlongproperty
    fn ResUtilGetLongProperty(
        plOutValue: *mut i32,
        pValueStruct: *const CLUSPROP_LONG,
        _lOldValue: i32,
        lMinimum: i32,
        lMaximum: i32,
        ppPropertyList: *mut *mut u8,
        pcbPropertyListSize: *mut u32,
    ) -> u32 {
        let (data, cursor) = read(pValueStruct.cast(), &[Format::Long], ppPropertyList, pcbPropertyListSize)?;
        let number = number(&data)? as i32;
        in_range(number as i64 as u64, lMinimum as i64 as u64, lMaximum as i64 as u64, true)?;
        raw::put(plOutValue, number);
        cursor.advance();
        Ok(())
    }

    /// Reads a `FILETIME` between two limits.
    ///
    /// Windows: resutils/nf-resapi-resutilgetfiletimeproperty
    fn ResUtilGetFileTimeProperty(
        pftOutValue: *mut FILETIME,
        pValueStruct: *const CLUSPROP_FILETIME,
        _ftOldValue: FILETIME,
        ftMinimum: FILETIME,
        ftMaximum: FILETIME,
        ppPropertyList: *mut *mut u8,
        pcbPropertyListSize: *mut u32,
    ) -> u32 {
        let (data, cursor) = read(pValueStruct.cast(), &[Format::FileTime], ppPropertyList, pcbPropertyListSize)?;
        let number = number(&data)?;
        in_range(number, time(ftMinimum), time(ftMaximum), false)?;
        let value = FILETIME { dwLowDateTime: number as u32, dwHighDateTime: (number >> 32) as u32 };
        raw::put(pftOutValue, value);
        cursor.advance();
        Ok(())
    }
}

/// # Safety
/// `out` and `size` must be null or writable, `old` null or readable for its size.
unsafe fn give_block(
    data: Data,
    old: (*const u8, u32),
    out: *mut *mut u8,
    size: *mut u32,
) -> Result<(), u32> {
    let Data::Block(new) = data else { return Err(ERROR_INVALID_DATA) };
    // SAFETY: as the caller guarantees.
    unsafe {
        let there = raw::get(out).is_ok_and(|out| !out.is_null());
        let same = !old.0.is_null() && raw::bytes(old.0.cast(), old.1)? == new;
        if !(there && same) {
            exchange(out, || memory::block(&new))?;
        }
        raw::put(size, new.len() as u32);
    }
    Ok(())
}
