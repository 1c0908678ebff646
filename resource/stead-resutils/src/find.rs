//! Finding one property in a list.
//!
//! A property is found whatever the case of its name, the last of several. 2 where it is not there, 13 where the list
//! makes no sense or the property has another format, 122 where the list ends too early, 87 for a null list or name.
//! The place for the answer may be null to ask only whether it is there.

use std::ffi::c_void;

use stead_resapi::{ERROR_FILE_NOT_FOUND, ERROR_INVALID_DATA, FILETIME};

use crate::environment::expand;
use crate::value::{Data, Format};
use crate::{list, memory, raw};

/// # Safety
/// `list` must be null or readable for `size` bytes, `name` null or a string.
unsafe fn find(list: *const c_void, size: u32, name: *const u16, formats: &[Format]) -> Result<Data, u32> {
    // SAFETY: as the caller guarantees.
    let (name, bytes) = unsafe { (raw::required_text(name)?, raw::bytes(list, size)?) };
    let entries = list::read(&bytes)?;
    let value = list::find(&entries, &name).ok_or(ERROR_FILE_NOT_FOUND)?.value;
    let format = value.format().filter(|format| value.syntax == format.syntax() && formats.contains(format));
    format.ok_or(ERROR_INVALID_DATA)?.decode(value.data)
}

fn number(data: Data) -> Result<u64, u32> {
    match data {
        Data::Number(number) => Ok(number),
        Data::Text(_) | Data::Block(_) => Err(ERROR_INVALID_DATA),
    }
}

fn units(data: Data) -> Result<Vec<u16>, u32> {
    match data {
        Data::Text(text) => Ok(text),
        Data::Number(_) | Data::Block(_) => Err(ERROR_INVALID_DATA),
    }
}

fn block(data: Data) -> Result<Vec<u8>, u32> {
    match data {
        Data::Block(bytes) => Ok(bytes),
        Data::Number(_) | Data::Text(_) => Err(ERROR_INVALID_DATA),
    }
}

/// # Safety
/// `out` must be null or writable.
unsafe fn give_text(text: &[u16], out: *mut *mut u16) -> Result<(), u32> {
    if !out.is_null() {
        // SAFETY: not null, and writable as the caller guarantees.
        unsafe { raw::put(out, memory::string(text)?) };
    }
    Ok(())
}

/// # Safety
/// `out` and `size` must be null or writable.
unsafe fn give_block(bytes: &[u8], out: *mut *mut u8, size: *mut u32) -> Result<(), u32> {
    // SAFETY: null or writable, as the caller guarantees.
    unsafe {
        if !out.is_null() {
            raw::put(out, memory::block(bytes)?);
        }
        raw::put(size, bytes.len() as u32);
    }
    Ok(())
}

exports! {
    /// Finds a string. It is a copy, freed with `LocalFree`.
    ///
    /// Windows: resutils/nf-resapi-resutilfindszproperty
    fn ResUtilFindSzProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pszPropertyValue: *mut *mut u16,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::Sz])?;
        give_text(&units(found)?, pszPropertyValue)
    }

    /// Finds a string with environment variables in it, as it is. It is a copy, freed with `LocalFree`.
    ///
    /// Windows: resutils/nf-resapi-resutilfindexpandszproperty
    fn ResUtilFindExpandSzProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pszPropertyValue: *mut *mut u16,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::ExpandSz])?;
        give_text(&units(found)?, pszPropertyValue)
    }

    /// Finds a string with environment variables in it, and puts in their values. It is freed with `LocalFree`.
    ///
    /// Windows: resutils/nf-resapi-resutilfindexpandedszproperty
    fn ResUtilFindExpandedSzProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pszPropertyValue: *mut *mut u16,
    ) -> u32 {
        let formats = [Format::ExpandSz, Format::ExpandedSz];
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &formats)?;
        give_text(&expand(&units(found)?), pszPropertyValue)
    }

    /// Finds a `DWORD`.
    ///
    /// Windows: resutils/nf-resapi-resutilfinddwordproperty
    fn ResUtilFindDwordProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pdwPropertyValue: *mut u32,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::Dword])?;
        raw::put(pdwPropertyValue, number(found)? as u32);
        Ok(())
    }

    /// Finds bytes. They are a copy, freed with `LocalFree`; the size is in bytes.
    ///
    /// Windows: resutils/nf-resapi-resutilfindbinaryproperty
    fn ResUtilFindBinaryProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pbPropertyValue: *mut *mut u8,
        pcbPropertyValueSize: *mut u32,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::Binary])?;
        give_block(&block(found)?, pbPropertyValue, pcbPropertyValueSize)
    }

    /// Finds strings, with both closing NULs. They are a copy, freed with `LocalFree`; the size is in bytes.
    ///
    /// Windows: resutils/nf-resapi-resutilfindmultiszproperty
    fn ResUtilFindMultiSzProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pszPropertyValue: *mut *mut u16,
        pcbPropertyValueSize: *mut u32,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::MultiSz])?;
        give_block(&block(found)?, pszPropertyValue.cast(), pcbPropertyValueSize)
    }

    /// Finds a `LONG`.
    ///
    /// Windows: resutils/nf-resapi-resutilfindlongproperty
    fn ResUtilFindLongProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        plPropertyValue: *mut i32,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::Long])?;
        raw::put(plPropertyValue, number(found)? as i32);
        Ok(())
    }

    /// Finds a `ULARGE_INTEGER`.
    ///
    /// Windows: resutils/nf-resapi-resutilfindulargeintegerproperty
    fn ResUtilFindULargeIntegerProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        plPropertyValue: *mut u64,
    ) -> u32 {
        let found = find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::ULargeInteger])?;
        raw::put(plPropertyValue, number(found)?);
        Ok(())
    }

    /// Finds a `FILETIME`.
    ///
    /// Windows: resutils/nf-resapi-resutilfindfiletimeproperty
    fn ResUtilFindFileTimeProperty(
        pPropertyList: *const c_void,
        cbPropertyListSize: u32,
        pszPropertyName: *const u16,
        pftPropertyValue: *mut FILETIME,
    ) -> u32 {
        let found = number(find(pPropertyList, cbPropertyListSize, pszPropertyName, &[Format::FileTime])?)?;
        let time = FILETIME { dwLowDateTime: found as u32, dwHighDateTime: (found >> 32) as u32 };
        raw::put(pftPropertyValue, time);
        Ok(())
    }
}
