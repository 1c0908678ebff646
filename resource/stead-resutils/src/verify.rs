//! Checking a property list against a table, and storing what passed.

use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::null;

use stead_resapi::{ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER, HKEY, RESUTIL_PROPERTY_ITEM};

use crate::block;
use crate::database::Key;
use crate::list::{self, Entry, last_of_each};
use crate::private;
use crate::raw::{self, folded, same_name};
use crate::table::{self, Item};
use crate::value::Data;

/// What a list that passed asks for.
struct Verified<'a, 'b> {
    /// Properties of the table, with `None` for back to the default.
    known: Vec<(&'a Item, Option<Data>)>,
    /// The others.
    unknown: Vec<&'b Entry<'b>>,
}

/// Checks a list against a table.
///
/// # Errors
/// 13 for another format, broken data or several values, 87 out of range, for a read-only property, for a required
/// one that would be without a value, and for one that is not in the table unless `allow_unknown`.
fn verify<'a, 'b>(
    items: &'a [Item],
    entries: &'b [Entry<'b>],
    allow_unknown: bool,
) -> Result<Verified<'a, 'b>, u32> {
    // Of two items with one name the first counts.
    let by_name: HashMap<Vec<u16>, &Item> =
        items.iter().rev().map(|item| (folded(&item.name), item)).collect();
    let mut verified = Verified { known: Vec::new(), unknown: Vec::new() };
    for entry in entries {
        let item = by_name.get(&folded(&entry.name)).copied();
        if entry.several {
            return Err(ERROR_INVALID_DATA);
        }
        match item {
            Some(item) if item.read_only() => return Err(ERROR_INVALID_PARAMETER),
            Some(item) => {
                let data = item.decode(entry.value)?;
                if data.is_none() && item.required() && item.default.is_none() {
                    return Err(ERROR_INVALID_PARAMETER);
                }
            }
            None if allow_unknown => private::check(entry)?,
            None => return Err(ERROR_INVALID_PARAMETER),
        }
    }
    for entry in last_of_each(entries) {
        match by_name.get(&folded(&entry.name)).copied() {
            Some(item) => verified.known.push((item, item.decode(entry.value)?)),
            None => verified.unknown.push(entry),
        }
    }
    Ok(verified)
}

/// Values as a block holds them: the default where there is none.
fn for_block<'a>(known: &[(&'a Item, Option<Data>)]) -> Vec<(&'a Item, Option<Data>)> {
    known.iter().map(|(item, data)| (*item, data.clone().or_else(|| item.default.clone()))).collect()
}

fn nothing_reserved(reserved: *const c_void) -> Result<(), u32> {
    if reserved.is_null() { Ok(()) } else { Err(ERROR_INVALID_PARAMETER) }
}

exports! {
    /// Checks a property list against a table, and copies the values into a block if one is given: a value without
    /// data stands for the default. Strings and buffers of this library's that stood in the block are freed, so it
    /// must be zeroed or hold earlier values, not a plain copy of a block that lives on.
    ///
    /// 122 for a list that ends too early, 13 for one that makes no sense, for another format than the table's and
    /// for several values of one property, 87 for a value out of range, a read-only property, a null list, `Reserved`
    /// that is not null, and a property that is not in the table unless `bAllowUnknownProperties`; 160 for a null
    /// table. Then the block is unchanged.
    ///
    /// Windows: resutils/nf-resapi-resutilverifypropertytable
    fn ResUtilVerifyPropertyTable(
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        Reserved: *const c_void,
        bAllowUnknownProperties: i32,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
        pOutParams: *mut u8,
    ) -> u32 {
        let items = table::read(pPropertyTable)?;
        nothing_reserved(Reserved)?;
        let bytes = raw::bytes(pInPropertyList, cbInPropertyListSize)?;
        let entries = list::read(&bytes)?;
        let verified = verify(&items, &entries, bAllowUnknownProperties != 0)?;
        block::replace(pOutParams, &for_block(&verified.known), null())
    }

    /// As `ResUtilSetPropertyTableEx` without `bForceWrite`.
    ///
    /// Windows: resutils/nf-resapi-resutilsetpropertytable
    fn ResUtilSetPropertyTable(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        Reserved: *const c_void,
        bAllowUnknownProperties: i32,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
        pOutParams: *mut u8,
    ) -> u32 {
        set(hkeyClusterKey, pPropertyTable, Reserved, bAllowUnknownProperties != 0,
            (pInPropertyList, cbInPropertyListSize), false, pOutParams)
    }

    /// Checks a list as `ResUtilVerifyPropertyTable` does and stores what differs from what is stored, or everything
    /// with `bForceWrite`, with the properties that are not in the table if they are allowed. A value without data
    /// deletes the stored one. `pOutParams`, if given, receives the values.
    ///
    /// Not to be called from `Open`, `Close`, `Online`, `Offline` or `Terminate`. Everything is checked before
    /// anything is stored; 160 for a null key.
    ///
    /// Windows: resutils/nf-resapi-resutilsetpropertytableex
    /// Note: a database that fails halfway leaves what was written before; the function cannot take it back.
    fn ResUtilSetPropertyTableEx(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        Reserved: *const c_void,
        bAllowUnknownProperties: i32,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
        bForceWrite: i32,
        pOutParams: *mut u8,
    ) -> u32 {
        set(hkeyClusterKey, pPropertyTable, Reserved, bAllowUnknownProperties != 0,
            (pInPropertyList, cbInPropertyListSize), bForceWrite != 0, pOutParams)
    }

    /// Stores the properties of a list that are not in the table; the others are neither checked nor stored. Codes as
    /// for `ResUtilSetPrivatePropertyList`, and 160 for a null table.
    ///
    /// Windows: resutils/nf-resapi-resutilsetunknownproperties
    fn ResUtilSetUnknownProperties(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
    ) -> u32 {
        let key = Key::given(hkeyClusterKey)?;
        let items = table::read(pPropertyTable)?;
        let bytes = raw::bytes(pInPropertyList, cbInPropertyListSize)?;
        let entries = list::read(&bytes)?;
        let unknown: Vec<&Entry<'_>> = last_of_each(&entries)
            .into_iter()
            .filter(|entry| !items.iter().any(|item| same_name(&item.name, &entry.name)))
            .collect();
        unknown.iter().try_for_each(|entry| private::check(entry))?;
        unknown.iter().try_for_each(|entry| private::store(&key, entry, false))
    }
}

/// # Safety
/// As the exported functions require.
unsafe fn set(
    key: HKEY,
    table: *const RESUTIL_PROPERTY_ITEM,
    reserved: *const c_void,
    allow_unknown: bool,
    (list, size): (*const c_void, u32),
    force: bool,
    to: *mut u8,
) -> Result<(), u32> {
    let key = Key::given(key)?;
    // SAFETY: as the exported functions require.
    let items = unsafe { table::read(table) }?;
    nothing_reserved(reserved)?;
    // SAFETY: as the exported functions require.
    let bytes = unsafe { raw::bytes(list, size) }?;
    let entries = list::read(&bytes)?;
    let verified = verify(&items, &entries, allow_unknown)?;
    for (item, data) in &verified.known {
        key.save(item, data.as_ref(), force)?;
    }
    for entry in &verified.unknown {
        private::store(&key, entry, force)?;
    }
    // SAFETY: as the exported functions require.
    unsafe { block::replace(to, &for_block(&verified.known), null()) }
}
