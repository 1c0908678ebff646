//! Stored properties of a table, as lists.

use std::ffi::c_void;

use stead_resapi::{ERROR_MORE_DATA, HKEY, RESUTIL_PROPERTY_ITEM};

use crate::database::Key;
use crate::list::{self, Builder};
use crate::private;
use crate::raw::{self, same_name};
use crate::table::{self, Item};
use crate::value::Format;

/// One property as it stands in a list: the stored value or the default; `None` where there is neither.
fn listed(key: &Key, item: &Item) -> Result<Option<Vec<u8>>, u32> {
    let data = key.load(item)?.or_else(|| item.default.clone());
    Ok(data.map(|data| item.format.encode(&data)))
}

/// # Safety
/// As the exported functions require.
unsafe fn properties(
    key: HKEY,
    table: *const RESUTIL_PROPERTY_ITEM,
    wanted: impl Fn(&Item) -> bool,
) -> Result<Vec<u8>, u32> {
    let key = Key::given(key)?;
    let mut list = Builder::new();
    // SAFETY: as the exported functions require.
    for item in unsafe { table::read(table) }?.iter().filter(|item| wanted(item)) {
        if let Some(data) = listed(&key, item)? {
            list.add(&item.name, item.format.syntax(), &data);
        }
    }
    Ok(list.finish())
}

exports! {
    /// The names of the properties of a table, as `MULTI_SZ`. Sizes are in bytes. 234 where the room is too small, with
    /// the size needed in `pcbRequired`; 160 for a null table.
    ///
    /// Windows: resutils/nf-resapi-resutilenumproperties
    fn ResUtilEnumProperties(
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pszOutProperties: *mut u16,
        cbOutPropertiesSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let names: Vec<Vec<u16>> = table::read(pPropertyTable)?.into_iter().map(|item| item.name).collect();
        raw::hand_out(&private::multi_sz(&names), pszOutProperties.cast(), cbOutPropertiesSize, pcbBytesReturned,
            pcbRequired)
    }

    /// The stored values of the properties of a table that are not read-only, as a property list; the default where
    /// nothing is stored. A string or buffer with neither is left out. 234 where the room is too small, with the size
    /// needed in `pcbRequired`; 160 for a null key or table; 13 where a stored value has another type.
    ///
    /// Windows: resutils/nf-resapi-resutilgetproperties
    fn ResUtilGetProperties(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pOutPropertyList: *mut c_void,
        cbOutPropertyListSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let list = properties(hkeyClusterKey, pPropertyTable, |item| !item.read_only())?;
        raw::hand_out(&list, pOutPropertyList, cbOutPropertyListSize, pcbBytesReturned, pcbRequired)
    }

    /// As `ResUtilGetProperties`, with the read-only properties.
    ///
    /// Windows: resutils/nf-resapi-resutilgetallproperties
    fn ResUtilGetAllProperties(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pOutPropertyList: *mut c_void,
        cbOutPropertyListSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let list = properties(hkeyClusterKey, pPropertyTable, |_| true)?;
        raw::hand_out(&list, pOutPropertyList, cbOutPropertyListSize, pcbBytesReturned, pcbRequired)
    }

    /// How many bytes one property takes in a list, and how many properties that is: one, or none where nothing is
    /// stored and there is no default. Either pointer may be null. 160 for a null key or item.
    ///
    /// Windows: resutils/nf-resapi-resutilgetpropertysize
    /// Note: both numbers are of this property alone, without the count that begins a list.
    fn ResUtilGetPropertySize(
        hkeyClusterKey: HKEY,
        pPropertyTableItem: *const RESUTIL_PROPERTY_ITEM,
        pcbOutPropertyListSize: *mut u32,
        pnPropertyCount: *mut u32,
    ) -> u32 {
        let key = Key::given(hkeyClusterKey)?;
        let item = table::item(pPropertyTableItem)?;
        let data = listed(&key, &item)?;
        let size = data.as_ref().map_or(0, |data| list::property(&item.name, item.format.syntax(), data).len());
        raw::put(pcbOutPropertyListSize, size as u32);
        raw::put(pnPropertyCount, u32::from(data.is_some()));
        Ok(())
    }

    /// Writes one property, name and value and end mark, where `pOutPropertyItem` points to a pointer to, moves that
    /// pointer behind it, and takes what was written off `pcbOutPropertyItemSize`, the room in bytes. 234 where the
    /// room is too small: then nothing is written and the size needed is told. 87 for a null pointer, 160 for a null
    /// key or item, 2 where nothing is stored and there is no default.
    ///
    /// Windows: resutils/nf-resapi-resutilgetproperty
    /// Note: the page leaves open what becomes of the pointer; it moves, so that calls can be strung together.
    fn ResUtilGetProperty(
        hkeyClusterKey: HKEY,
        pPropertyTableItem: *const RESUTIL_PROPERTY_ITEM,
        pOutPropertyItem: *mut *mut c_void,
        pcbOutPropertyItemSize: *mut u32,
    ) -> u32 {
        let key = Key::given(hkeyClusterKey)?;
        let item = table::item(pPropertyTableItem)?;
        let (out, room) = (raw::get(pOutPropertyItem)?, raw::get(pcbOutPropertyItemSize)?);
        let data = listed(&key, &item)?.ok_or(stead_resapi::ERROR_FILE_NOT_FOUND)?;
        let bytes = list::property(&item.name, item.format.syntax(), &data);
        raw::hand_out(&bytes, out, room, std::ptr::null_mut(), std::ptr::null_mut()).inspect_err(|_| {
            raw::put(pcbOutPropertyItemSize, bytes.len() as u32);
        })?;
        raw::put(pOutPropertyItem, out.cast::<u8>().wrapping_add(bytes.len()).cast());
        raw::put(pcbOutPropertyItemSize, room - bytes.len() as u32);
        Ok(())
    }

    /// Appends the stored values that are not in the table to the list that `ResUtilGetProperties` wrote to the same
    /// buffer: `pcbBytesReturned` holds its size and receives the new one, 0 is an empty list. Where the room is too
    /// small, 234: the list stays, and `pcbRequired` tells the size of the whole; it may also hold the size that the
    /// call before asked for. 160 for a null key or table, 87 without `pcbBytesReturned` or `pcbRequired`.
    ///
    /// Windows: resutils/nf-resapi-resutiladdunknownproperties
    fn ResUtilAddUnknownProperties(
        hkeyClusterKey: HKEY,
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pOutPropertyList: *mut c_void,
        pcbOutPropertyListSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let key = Key::given(hkeyClusterKey)?;
        let items = table::read(pPropertyTable)?;
        let (there, asked) = (raw::get(pcbBytesReturned)?, raw::get(pcbRequired)?);
        if there > pcbOutPropertyListSize {
            return Err(stead_resapi::ERROR_INVALID_PARAMETER);
        }
        let before = if there == 0 { vec![0; 4] } else { raw::bytes(pOutPropertyList, there)? };
        let (entries, size) = list::read_with_size(&before)?;
        let mut list = Builder::after(entries.len() as u32, &before[..size]);
        for (name, (kind, data)) in key.values()? {
            let known = items.iter().any(|item| same_name(&item.name, &name) && item.key.is_none());
            if !known && list::find(&entries, &name).is_none() {
                private::add(&mut list, &name, kind, &data);
            }
        }
        let list = list.finish();
        // The list before did not fit: what it needs and what is added is needed.
        if there == 0 && asked as usize > before.len() {
            raw::put(pcbRequired, asked.saturating_add((list.len() - size) as u32));
            return Err(ERROR_MORE_DATA);
        }
        let mut returned = 0;
        raw::hand_out(&list, pOutPropertyList, pcbOutPropertyListSize, &raw mut returned, pcbRequired)?;
        raw::put(pcbBytesReturned, returned);
        Ok(())
    }

    /// The formats of the properties of a table: a list whose values are `CLUSPROP_FORMAT_…` numbers as `DWORD`. 234
    /// where the room is too small, with the size needed in `pcbRequired`; 160 for a null table.
    ///
    /// Windows: resutils/nf-resapi-resutilgetpropertyformats
    fn ResUtilGetPropertyFormats(
        pPropertyTable: *const RESUTIL_PROPERTY_ITEM,
        pOutPropertyFormatList: *mut c_void,
        cbPropertyFormatListSize: u32,
        pcbBytesReturned: *mut u32,
        pcbRequired: *mut u32,
    ) -> u32 {
        let mut list = Builder::new();
        for item in table::read(pPropertyTable)? {
            list.add(&item.name, Format::Dword.syntax(), &item.format.number().to_le_bytes());
        }
        raw::hand_out(&list.finish(), pOutPropertyFormatList, cbPropertyFormatListSize, pcbBytesReturned,
            pcbRequired)
    }
}
