//! Single values of the cluster database. A null key or name is 87; what `Get…` hands out is freed with `LocalFree`.

use std::ptr::null_mut;

use stead_resapi::{ERROR_FILE_NOT_FOUND, ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER, HKEY};

use crate::database::Key;
use crate::environment::expand;
use crate::value::{
    Data, Format, REG_BINARY, REG_DWORD, REG_EXPAND_SZ, REG_MULTI_SZ, REG_QWORD, REG_SZ, Shape,
};
use crate::{memory, raw};

/// `CLUSREG_DATABASE_SYNC_WRITE_TO_ALL_NODES`: every write is.
const SYNCHRONOUS: u32 = 1;

/// # Safety
/// `name` must be null or a string.
unsafe fn named(key: HKEY, name: *const u16) -> Result<(Key, Vec<u16>), u32> {
    let key = Key::given(key).map_err(|_| ERROR_INVALID_PARAMETER)?;
    // SAFETY: as the caller guarantees.
    Ok((key, unsafe { raw::required_text(name) }?))
}

/// A number, or the default where nothing is stored.
///
/// # Safety
/// `name` must be null or a string.
unsafe fn number(key: HKEY, name: *const u16, format: Format, default: u64) -> Result<u64, u32> {
    // SAFETY: as the caller guarantees.
    let (key, name) = unsafe { named(key, name) }?;
    match key.value(&name)?.map(|(kind, data)| format.load(kind, &data)).transpose()? {
        None => Ok(default),
        Some(Data::Number(number)) => Ok(number),
        Some(Data::Text(_) | Data::Block(_)) => Err(ERROR_INVALID_DATA),
    }
}

/// # Safety
/// `name` must be null or a string.
unsafe fn string(key: HKEY, name: *const u16) -> Result<Vec<u16>, u32> {
    // SAFETY: as the caller guarantees.
    let (key, name) = unsafe { named(key, name) }?;
    let (kind, data) = key.value(&name)?.ok_or(ERROR_FILE_NOT_FOUND)?;
    match Format::Sz.load(kind, &data)? {
        Data::Text(text) => Ok(text),
        Data::Number(_) | Data::Block(_) => Err(ERROR_INVALID_DATA),
    }
}

/// Stores a buffer, and puts a copy in the place of the caller's old one, which is freed if it is this library's.
///
/// # Safety
/// `name` must be null or a string, `out` and `out_size` null or writable.
unsafe fn set_block(
    (key, name, kind): (HKEY, *const u16, u32),
    data: &[u8],
    out: *mut *mut u8,
    out_size: *mut u32,
) -> Result<(), u32> {
    // SAFETY: as the caller guarantees; here and below.
    let (key, name) = unsafe { named(key, name) }?;
    let copy = if out.is_null() { null_mut() } else { memory::block(data)? };
    if let Err(code) = key.set(&name, kind, data) {
        memory::free(copy.cast());
        return Err(code);
    }
    unsafe {
        if let Ok(old) = raw::get(out) {
            raw::put(out, copy);
            memory::free(old.cast());
        }
        raw::put(out_size, data.len() as u32);
    }
    Ok(())
}

/// # Safety
/// The strings must be null or strings, `out` null or writable.
unsafe fn set_text(place: (HKEY, *const u16, u32), new: *const u16, out: *mut *mut u16) -> Result<(), u32> {
    // SAFETY: as the caller guarantees.
    unsafe {
        let text = raw::terminated(&raw::required_text(new)?);
        set_block(place, &raw::to_bytes(&text), out.cast(), null_mut())
    }
}

exports! {
    /// A copy of a string, freed with `LocalFree`. Null with last error 87 for null, 8 where there is no memory.
    ///
    /// Windows: resutils/nf-resapi-resutildupstring
    fn ResUtilDupString(pszInString: *const u16) -> *mut u16 {
        memory::string(&raw::required_text(pszInString)?)
    }

    /// Reads bytes: a copy and its size in bytes, which may be null. 2 where nothing is stored, 13 where it is of
    /// another type.
    ///
    /// Windows: resutils/nf-resapi-resutilgetbinaryvalue
    fn ResUtilGetBinaryValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        ppbOutValue: *mut *mut u8,
        pcbOutValueSize: *mut u32,
    ) -> u32 {
        let (key, name) = named(hkeyClusterKey, pszValueName)?;
        if ppbOutValue.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let (kind, data) = key.value(&name)?.ok_or(ERROR_FILE_NOT_FOUND)?;
        if kind != REG_BINARY {
            return Err(ERROR_INVALID_DATA);
        }
        raw::put(ppbOutValue, memory::block(&data)?);
        raw::put(pcbOutValueSize, data.len() as u32);
        Ok(())
    }

    /// Reads a string. Null with last error 2 where nothing is stored, 13 where it is no string.
    ///
    /// Windows: resutils/nf-resapi-resutilgetszvalue
    fn ResUtilGetSzValue(hkeyClusterKey: HKEY, pszValueName: *const u16) -> *mut u16 {
        memory::string(&string(hkeyClusterKey, pszValueName)?)
    }

    /// As `ResUtilGetSzValue`; with `bExpand`, the values of environment variables are put in.
    ///
    /// Windows: resutils/nf-resapi-resutilgetexpandszvalue
    fn ResUtilGetExpandSzValue(hkeyClusterKey: HKEY, pszValueName: *const u16, bExpand: i32) -> *mut u16 {
        let text = string(hkeyClusterKey, pszValueName)?;
        memory::string(&if bExpand == 0 { text } else { expand(&text) })
    }

    /// Reads a `DWORD`, the default where nothing is stored. 13 where it is of another type.
    ///
    /// Windows: resutils/nf-resapi-resutilgetdwordvalue
    fn ResUtilGetDwordValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        pdwOutValue: *mut u32,
        dwDefaultValue: u32,
    ) -> u32 {
        raw::get(pdwOutValue)?;
        let value = number(hkeyClusterKey, pszValueName, Format::Dword, dwDefaultValue.into())?;
        raw::put(pdwOutValue, value as u32);
        Ok(())
    }

    /// Reads a `QWORD`, the default where nothing is stored. 13 where it is of another type.
    ///
    /// Windows: resutils/nf-resapi-resutilgetqwordvalue
    fn ResUtilGetQwordValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        pqwOutValue: *mut u64,
        qwDefaultValue: u64,
    ) -> u32 {
        raw::get(pqwOutValue)?;
        let value = number(hkeyClusterKey, pszValueName, Format::ULargeInteger, qwDefaultValue)?;
        raw::put(pqwOutValue, value);
        Ok(())
    }

    /// Stores bytes. `ppbOutValue`, if given, receives a copy; what it pointed to is freed if it is this library's.
    ///
    /// Windows: resutils/nf-resapi-resutilsetbinaryvalue
    fn ResUtilSetBinaryValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        pbNewValue: *const u8,
        cbNewValueSize: u32,
        ppbOutValue: *mut *mut u8,
        pcbOutValueSize: *mut u32,
    ) -> u32 {
        let data = raw::bytes(pbNewValue.cast(), cbNewValueSize)?;
        set_block((hkeyClusterKey, pszValueName, REG_BINARY), &data, ppbOutValue, pcbOutValueSize)
    }

    /// Stores a string. `ppszOutString`, if given, receives a copy; what it pointed to is freed if it is this
    /// library's.
    ///
    /// Windows: resutils/nf-resapi-resutilsetszvalue
    fn ResUtilSetSzValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        pszNewValue: *const u16,
        ppszOutString: *mut *mut u16,
    ) -> u32 {
        set_text((hkeyClusterKey, pszValueName, REG_SZ), pszNewValue, ppszOutString)
    }

    /// Stores a string with environment variables in it. As `ResUtilSetSzValue`.
    ///
    /// Windows: resutils/nf-resapi-resutilsetexpandszvalue
    fn ResUtilSetExpandSzValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        pszNewValue: *const u16,
        ppszOutString: *mut *mut u16,
    ) -> u32 {
        set_text((hkeyClusterKey, pszValueName, REG_EXPAND_SZ), pszNewValue, ppszOutString)
    }

    /// Stores strings; the size is in bytes, with both closing NULs, without which it is 13. As
    /// `ResUtilSetBinaryValue`.
    ///
    /// Windows: resutils/nf-resapi-resutilsetmultiszvalue
    fn ResUtilSetMultiSzValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        pszNewValue: *const u16,
        cbNewValueSize: u32,
        ppszOutValue: *mut *mut u16,
        pcbOutValueSize: *mut u32,
    ) -> u32 {
        let data = raw::bytes(pszNewValue.cast(), cbNewValueSize)?;
        Format::MultiSz.decode(&data)?;
        set_block((hkeyClusterKey, pszValueName, REG_MULTI_SZ), &data, ppszOutValue.cast(), pcbOutValueSize)
    }

    /// Stores a `DWORD`; `pdwOutValue`, if given, receives it.
    ///
    /// Windows: resutils/nf-resapi-resutilsetdwordvalue
    fn ResUtilSetDwordValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        dwNewValue: u32,
        pdwOutValue: *mut u32,
    ) -> u32 {
        let (key, name) = named(hkeyClusterKey, pszValueName)?;
        key.set(&name, REG_DWORD, &dwNewValue.to_le_bytes())?;
        raw::put(pdwOutValue, dwNewValue);
        Ok(())
    }

    /// Stores a `QWORD`; `pqwOutValue`, if given, receives it.
    ///
    /// Windows: resutils/nf-resapi-resutilsetqwordvalue
    fn ResUtilSetQwordValue(
        hkeyClusterKey: HKEY,
        pszValueName: *const u16,
        qwNewValue: u64,
        pqwOutValue: *mut u64,
    ) -> u32 {
        let (key, name) = named(hkeyClusterKey, pszValueName)?;
        key.set(&name, REG_QWORD, &qwNewValue.to_le_bytes())?;
        raw::put(pqwOutValue, qwNewValue);
        Ok(())
    }

    /// Stores a value of a type; the size is in bytes. Numbers must have their size, strings their NULs: 13
    /// otherwise. `flags` must be 0 or ask for a synchronous write, which every write is: 87 otherwise.
    ///
    /// Windows: resutils/nf-resapi-resutilsetvalueex
    fn ResUtilSetValueEx(
        hkeyClusterKey: HKEY,
        valueName: *const u16,
        valueType: u32,
        valueData: *const u8,
        valueSize: u32,
        flags: u32,
    ) -> u32 {
        let (key, name) = named(hkeyClusterKey, valueName)?;
        if flags & !SYNCHRONOUS != 0 {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let data = raw::bytes(valueData.cast(), valueSize)?;
        let format = Format::of_stored(valueType);
        if format.shape() != Shape::Bytes {
            format.decode(&data)?;
        }
        key.set(&name, valueType, &data)
    }

    /// Deletes a key with everything below it. Where there is none, 2 with `treatNoKeyAsError`, else 0.
    ///
    /// Windows: resutils/nf-resapi-resutilsdeletekeytree
    fn ResUtilsDeleteKeyTree(key: HKEY, keyName: *const u16, treatNoKeyAsError: i32) -> u32 {
        let (key, name) = named(key, keyName)?;
        if name.is_empty() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        match delete_tree(&key, &name, 0) {
            Err(ERROR_FILE_NOT_FOUND) if treatNoKeyAsError == 0 => Ok(()),
            result => result,
        }
    }
}

/// Keys deeper than this are a loop.
const DEEPEST: usize = 512;

fn delete_tree(parent: &Key, name: &[u16], depth: usize) -> Result<(), u32> {
    if depth > DEEPEST {
        return Err(ERROR_INVALID_DATA);
    }
    let key = parent.open(name)?.ok_or(ERROR_FILE_NOT_FOUND)?;
    for below in key.keys()? {
        match delete_tree(&key, &below, depth + 1) {
            Ok(()) | Err(ERROR_FILE_NOT_FOUND) => {}
            Err(code) => return Err(code),
        }
    }
    drop(key);
    parent.delete_key(name)
}
