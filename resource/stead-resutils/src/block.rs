//! Parameter blocks: structures of a resource DLL's own that a property table describes.
//!
//! At a property's offset stands a number of its width, for a string a pointer, for `MULTI_SZ` and `BINARY` a pointer
//! and 8 bytes further its size in bytes as a `DWORD`. A null pointer is no value.

use std::ffi::c_void;
use std::ptr::null_mut;

use stead_resapi::{
    ERROR_BAD_ARGUMENTS, ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER, HKEY, RESUTIL_PROPERTY_ITEM,
};

use crate::database::Key;
use crate::list::{self, Builder};
use crate::memory;
use crate::raw;
use crate::table::{self, Item};
use crate::value::{Data, Shape};

/// The value of a property in a block.
///
/// # Errors
/// 13 for a `MULTI_SZ` that is none.
///
/// # Safety
/// `block` must be the block that the table of `item` describes.
pub(crate) unsafe fn get(block: *const u8, item: &Item) -> Result<Option<Data>, u32> {
    let at = block.wrapping_add(item.offset);
    // SAFETY: a block has its fields where its table says, as the caller guarantees; here and below.
    unsafe {
        Ok(match item.format.shape() {
            Shape::Number(2) => Some(Data::Number(raw::get(at.cast::<u16>())?.into())),
            Shape::Number(4) => Some(Data::Number(raw::get(at.cast::<u32>())?.into())),
            Shape::Number(_) => Some(Data::Number(raw::get(at.cast::<u64>())?)),
            Shape::Text => raw::text(raw::get(at.cast::<*const u16>())?).map(Data::Text),
            Shape::Strings | Shape::Bytes => {
                let pointer = raw::get(at.cast::<*const c_void>())?;
                let size = raw::get(at.wrapping_add(8).cast::<u32>())?;
                if pointer.is_null() || size == 0 {
                    None
                } else {
                    Some(item.format.decode(&raw::bytes(pointer, size)?)?)
                }
            }
        })
    }
}

/// What is to be written into a block: allocated before anything is changed.
struct Ready {
    offset: usize,
    shape: Shape,
    number: u64,
    pointer: *mut u8,
    size: u32,
}

fn ready(item: &Item, data: Option<&Data>) -> Result<Ready, u32> {
    let (mut number, mut pointer, mut size) = (0, null_mut(), 0);
    match data {
        None => {}
        Some(Data::Number(bits)) => number = *bits,
        Some(Data::Text(text)) => pointer = memory::string(text)?.cast(),
        Some(Data::Block(bytes)) => {
            size = u32::try_from(bytes.len()).map_err(|_| ERROR_INVALID_DATA)?;
            pointer = memory::block(bytes)?;
        }
    }
    Ok(Ready { offset: item.offset, shape: item.format.shape(), number, pointer, size })
}

/// What becomes of the pointers that stood in a block.
#[derive(Clone, Copy)]
enum Before {
    /// The block is new: what stands there is nothing of ours.
    New,
    /// They are freed, unless the block at this address has the same; null has none.
    Freed(*const u8),
}

/// # Safety
/// `block` must be the block that the table of the items describes, and so must the block of `before`.
unsafe fn write(block: *mut u8, ready: &Ready, before: Before) {
    let at = block.wrapping_add(ready.offset);
    // SAFETY: a block has its fields where its table says, as the caller guarantees; here and below.
    unsafe {
        match ready.shape {
            Shape::Number(2) => raw::put(at.cast(), ready.number as u16),
            Shape::Number(4) => raw::put(at.cast(), ready.number as u32),
            Shape::Number(_) => raw::put(at.cast(), ready.number),
            Shape::Text | Shape::Strings | Shape::Bytes => {
                forget(block, ready.offset, before);
                raw::put(at.cast(), ready.pointer);
            }
        }
        if matches!(ready.shape, Shape::Strings | Shape::Bytes) {
            raw::put(at.wrapping_add(8).cast(), ready.size);
        }
    }
}

/// Frees the pointer at an offset where that is for us to do.
///
/// # Safety
/// As [`write`].
unsafe fn forget(block: *mut u8, offset: usize, before: Before) {
    let Before::Freed(reference) = before else { return };
    // SAFETY: null, or a block with a pointer at this offset, as the caller guarantees.
    let (old, kept) = unsafe {
        let pointer = |block: *const u8| {
            if block.is_null() {
                null_mut()
            } else {
                raw::get(block.wrapping_add(offset).cast::<*mut c_void>()).unwrap_or(null_mut())
            }
        };
        (pointer(block), pointer(reference))
    };
    if old != kept || reference == block {
        memory::free(old);
    }
}

/// Writes values into a block, all or, where there is no memory, none.
///
/// # Safety
/// As [`write`].
unsafe fn write_all(block: *mut u8, values: &[(&Item, Option<Data>)], before: Before) -> Result<(), u32> {
    let mut all: Vec<Ready> = Vec::with_capacity(values.len());
    for (item, data) in values {
        match ready(item, data.as_ref()) {
            Ok(one) => all.push(one),
            Err(code) => {
                all.iter().for_each(|one| {
                    memory::free(one.pointer.cast());
                });
                return Err(code);
            }
        }
    }
    // SAFETY: as the caller guarantees.
    all.iter().for_each(|one| unsafe { write(block, one, before) });
    Ok(())
}

/// Writes values into a block that may hold older ones. Strings and buffers of this library's that they replace are
/// freed, except what the block `reference` has too. A null block is not written.
///
/// # Errors
/// 8 where there is no memory; then nothing is changed.
///
/// # Safety
/// Both must be null or the block that the table of the items describes.
pub(crate) unsafe fn replace(
    block: *mut u8,
    values: &[(&Item, Option<Data>)],
    reference: *const u8,
) -> Result<(), u32> {
    if block.is_null() {
        return Ok(());
    }
    // SAFETY: as the caller guarantees.
    unsafe { write_all(block, values, Before::Freed(reference)) }
}

fn some_block(block: *const u8) -> Result<(), u32> {
    if block.is_null() { Err(ERROR_BAD_ARGUMENTS) } else { Ok(()) }
}

exports! {
    /// Reads the properties of a table from the database into a block; what is not stored gets its default. Strings
    /// and buffers of this library's that stood in the block are freed: the block must be zeroed or hold earlier
    /// values.
    ///
    /// With `bCheckForRequiredProperties`, a required property that is neither stored nor has a default is an error:
    /// 2. A stored value of another type or out of range is one too: 13. Then the block is unchanged and
    /// `pszNameOfPropInError`, which may be null, receives the property's name as the table has it; it is not to be
    /// freed. 160 for a null key, table or block.
    ///
    /// Windows: resutils/nf-resapi-resutilgetpropertiestoparameterblock
    /// Note: the page has no code for a required property that is missing; 2 is what a missing value has elsewhere.
    fn ResUtilGetPropertiesToParameterBlock(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pOutParams: *mut u8,
        bCheckForRequiredProperties: i32,
        pszNameOfPropInError: *mut *mut u16,
    ) -> u32 {
        raw::put(pszNameOfPropInError, null_mut());
        let key = Key::given(hkeyClusterKey)?;
        let items = table::read(pPropertyTable)?;
        some_block(pOutParams)?;
        let mut values = Vec::with_capacity(items.len());
        for item in &items {
            let wrong = |code| {
                raw::put(pszNameOfPropInError, item.name_in_table);
                code
            };
            let stored = key.load(item).map_err(wrong)?;
            if let Some(data) = &stored {
                item.check(data).map_err(|_| wrong(ERROR_INVALID_DATA))?;
            }
            let required = bCheckForRequiredProperties != 0 && item.required();
            // A number always has a default, so one that is required must have been stored.
            let absent = match item.format.shape() {
                Shape::Number(_) => stored.is_none(),
                Shape::Text | Shape::Strings | Shape::Bytes => stored.is_none() && item.default.is_none(),
            };
            if required && absent && !item.in_memory() {
                return Err(wrong(stead_resapi::ERROR_FILE_NOT_FOUND));
            }
            values.push((item, stored.or_else(|| item.default.clone())));
        }
        write_all(pOutParams, &values, Before::Freed(null_mut()))
    }

    /// Writes the values of a block as a property list, read-only properties included. A string or buffer that is null
    /// is left out. `pcbOutPropertyListSize` holds the room in bytes; null is no room. 234 where it is too small,
    /// with the size needed in `pcbRequired`; 160 for a null table or block, 13 for a broken `MULTI_SZ`.
    ///
    /// Windows: resutils/nf-resapi-resutilpropertylistfromparameterblock
    fn ResUtilPropertyListFromParameterBlock(
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pOutPropertyList: *mut c_void,
        pcbOutPropertyListSize: *mut u32,
        pInParams: *const u8,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let items = table::read(pPropertyTable)?;
        some_block(pInParams)?;
        let mut list = Builder::new();
        for item in &items {
            if let Some(data) = get(pInParams, item)? {
                list.add(&item.name, item.format.syntax(), &item.format.encode(&data));
            }
        }
        let room = raw::get(pcbOutPropertyListSize).unwrap_or(0);
        raw::hand_out(&list.finish(), pOutPropertyList, room, pcbBytesReturned, pcbRequired)
    }

    /// Copies a block with all strings and buffers. What stood in `pOutParams` is overwritten and not freed, so it may
    /// be new or a plain copy. 160 for a null table or block, 8 where there is no memory; then nothing is changed.
    ///
    /// Windows: resutils/nf-resapi-resutildupparameterblock
    fn ResUtilDupParameterBlock(
        pOutParams: *mut u8,
        pInParams: *const u8,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
    ) -> u32 {
        let items = table::read(pPropertyTable)?;
        some_block(pOutParams)?;
        some_block(pInParams)?;
        let values: Result<Vec<_>, u32> = items.iter().map(|item| Ok((item, get(pInParams, item)?))).collect();
        write_all(pOutParams, &values?, Before::New)
    }

    /// Frees the strings and buffers of a block, except those that the reference block `pInParams`, which may be null,
    /// has too, and sets their pointers to null. What this library did not allocate is left alone.
    ///
    /// Windows: resutils/nf-resapi-resutilfreeparameterblock
    fn ResUtilFreeParameterBlock(
        pOutParams: *mut u8,
        pInParams: *const u8,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
    ) {
        let items = table::read(pPropertyTable)?;
        some_block(pOutParams)?;
        for item in items.iter().filter(|item| !matches!(item.format.shape(), Shape::Number(_))) {
            write(pOutParams, &ready(item, None)?, Before::Freed(pInParams));
        }
        Ok(())
    }

    /// As `ResUtilSetPropertyParameterBlockEx` without `bForceWrite`.
    ///
    /// Windows: resutils/nf-resapi-resutilsetpropertyparameterblock
    fn ResUtilSetPropertyParameterBlock(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        Reserved: *mut c_void,
        pInParams: *const u8,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
        pOutParams: *mut u8,
    ) -> u32 {
        set(hkeyClusterKey, pPropertyTable, Reserved, pInParams, (pInPropertyList, cbInPropertyListSize), false,
            pOutParams)
    }

    /// Stores the values of a block, those of the list where it has them, and brings `pOutParams`, which may be null,
    /// up to date. A value without data in the list deletes the stored one. Read-only properties are never stored.
    /// Without `bForceWrite`, what is stored already is not written again.
    ///
    /// Everything is checked before anything is stored: 160 for a null key, table or block, 87 if `Reserved` is not
    /// null, 122 or 13 for a broken list, 87 for a value out of range. Properties of the list that are not in the
    /// table are ignored.
    ///
    /// Windows: resutils/nf-resapi-resutilsetpropertyparameterblockex
    /// Note: a database that fails halfway leaves what was written before; the function cannot take it back.
    fn ResUtilSetPropertyParameterBlockEx(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        Reserved: *mut c_void,
        pInParams: *const u8,
        pInPropertyList: *const c_void,
        cbInPropertyListSize: u32,
        bForceWrite: i32,
        pOutParams: *mut u8,
    ) -> u32 {
        set(hkeyClusterKey, pPropertyTable, Reserved, pInParams, (pInPropertyList, cbInPropertyListSize),
            bForceWrite != 0, pOutParams)
    }
}

/// # Safety
/// As the exported functions require.
unsafe fn set(
    key: HKEY,
    table: *const RESUTIL_PROPERTY_ITEM,
    reserved: *const c_void,
    from: *const u8,
    (list, size): (*const c_void, u32),
    force: bool,
    to: *mut u8,
) -> Result<(), u32> {
    let key = Key::given(key)?;
    // SAFETY: as the exported functions require.
    let items = unsafe { table::read(table) }?;
    some_block(from)?;
    if !reserved.is_null() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: as the exported functions require.
    let bytes = if list.is_null() { None } else { Some(unsafe { raw::bytes(list, size) }?) };
    let entries = bytes.as_deref().map(list::read).transpose()?;
    let mut changes: Vec<(&Item, Option<Data>)> = Vec::new();
    for item in items.iter().filter(|item| !item.read_only()) {
        let listed = entries.as_ref().and_then(|entries| list::find(entries, &item.name));
        let data = match listed {
            // Without data in it: back to the default, so nothing is stored.
            Some(entry) => item.decode(entry.value)?,
            // SAFETY: as the exported functions require.
            None => unsafe { get(from, item) }?,
        };
        if let Some(data) = &data {
            item.check(data)?;
        }
        changes.push((item, data));
    }
    for (item, data) in &changes {
        key.save(item, data.as_ref(), force)?;
    }
    let kept = changes.into_iter().map(|(item, data)| (item, data.or_else(|| item.default.clone())));
    // SAFETY: as the exported functions require.
    unsafe { replace(to, &kept.collect::<Vec<_>>(), from) }
}
