//! Properties without a table: what is stored under a key as it is.

use std::ffi::c_void;

use stead_resapi::{ERROR_INVALID_DATA, HKEY};

use crate::database::Key;
use crate::list::{self, Builder, Entry, last_of_each};
use crate::raw;
use crate::value::Format;

/// Checks a property by itself.
///
/// # Errors
/// 13 where its syntax is none that can be stored, the data does not fit it, or it has several values.
pub(crate) fn check(entry: &Entry<'_>) -> Result<(), u32> {
    let format = entry.value.format().ok_or(ERROR_INVALID_DATA)?;
    if entry.several || entry.value.syntax != format.syntax() || entry.name.is_empty() {
        return Err(ERROR_INVALID_DATA);
    }
    if entry.value.data.is_empty() { Ok(()) } else { format.decode(entry.value.data).map(drop) }
}

/// Stores a property that was checked, if it differs from what is stored, or always with `force`.
///
/// # Errors
/// What the database says.
pub(crate) fn store(key: &Key, entry: &Entry<'_>, force: bool) -> Result<(), u32> {
    let format = entry.value.format().ok_or(ERROR_INVALID_DATA)?;
    if entry.value.data.is_empty() {
        return key.delete(&entry.name);
    }
    let new = (format.stored(), format.store(&format.decode(entry.value.data)?));
    if !force && key.value(&entry.name)?.as_ref() == Some(&new) {
        return Ok(());
    }
    key.set(&entry.name, new.0, &new.1)
}

/// Adds stored values to a list, as their types say. Broken ones are listed as bytes.
pub(crate) fn add(list: &mut Builder, name: &[u16], kind: u32, data: &[u8]) {
    let format = Format::of_stored(kind);
    match format.load(kind, data) {
        Ok(value) => list.add(name, format.syntax(), &format.encode(&value)),
        Err(_) => list.add(name, Format::Binary.syntax(), data),
    }
}

exports! {
    /// The names of all values stored under a key, as `MULTI_SZ`. Sizes are in bytes. 234 where the room is too small,
    /// with the size needed in `pcbRequired`; 160 for a null key.
    ///
    /// Windows: resutils/nf-resapi-resutilenumprivateproperties
    fn ResUtilEnumPrivateProperties(
        hkeyClusterKey: HKEY,
        pszOutProperties: *mut u16,
        cbOutPropertiesSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let names = Key::given(hkeyClusterKey)?.names()?;
        raw::hand_out(&multi_sz(&names), pszOutProperties.cast(), cbOutPropertiesSize, pcbBytesReturned,
            pcbRequired)
    }

    /// All values stored under a key as a property list. 234 where the room is too small, with the size needed in
    /// `pcbRequired`; 160 for a null key.
    ///
    /// Windows: resutils/nf-resapi-resutilgetprivateproperties
    fn ResUtilGetPrivateProperties(
        hkeyClusterKey: HKEY,
        pOutPropertyList: *mut c_void,
        cbOutPropertyListSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let mut list = Builder::new();
        for (name, (kind, data)) in Key::given(hkeyClusterKey)?.values()? {
            add(&mut list, &name, kind, &data);
        }
        raw::hand_out(&list.finish(), pOutPropertyList, cbOutPropertyListSize, pcbBytesReturned, pcbRequired)
    }

    /// Checks a list without a table: 122 where it ends too early, 13 where it makes no sense, has several values for
    /// a property or a format that cannot be stored, 87 for null.
    ///
    /// Windows: resutils/nf-resapi-resutilverifyprivatepropertylist
    fn ResUtilVerifyPrivatePropertyList(pInPropertyList: *const c_void, cbInPropertyListSize: u32) -> u32 {
        let bytes = raw::bytes(pInPropertyList, cbInPropertyListSize)?;
        list::read(&bytes)?.iter().try_for_each(check)
    }

    /// Stores a list without a table. A value without data deletes the stored one; of several properties with one
    /// name the last counts. Everything is checked before anything is stored: codes as for
    /// `ResUtilVerifyPrivatePropertyList`, and 160 for a null key.
    ///
    /// Windows: resutils/nf-resapi-resutilsetprivatepropertylist
    fn ResUtilSetPrivatePropertyList(
        hkeyClusterKey: HKEY,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
    ) -> u32 {
        let key = Key::given(hkeyClusterKey)?;
        let bytes = raw::bytes(pInPropertyList, cbInPropertyListSize)?;
        let entries = list::read(&bytes)?;
        entries.iter().try_for_each(check)?;
        last_of_each(&entries).into_iter().try_for_each(|entry| store(&key, entry, false))
    }
}

/// Names as `MULTI_SZ`: each with its NUL, and one more. No name at all is two NULs.
pub(crate) fn multi_sz(names: &[Vec<u16>]) -> Vec<u8> {
    let mut units: Vec<u16> = names.iter().flat_map(|name| raw::terminated(name)).collect();
    units.resize(units.len() + if names.is_empty() { 2 } else { 1 }, 0);
    raw::to_bytes(&units)
}
