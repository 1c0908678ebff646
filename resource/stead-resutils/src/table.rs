//! Property tables, read whole into owned values.
//!
//! Windows: resapi/ns-resapi-resutil_property_item

use stead_resapi::{
    ERROR_BAD_ARGUMENTS, ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER, RESUTIL_PROPERTY_ITEM, WCHAR,
};

use crate::raw;
use crate::value::{Data, Format, Shape, in_range};

/// `RESUTIL_PROPITEM_READ_ONLY`.
const READ_ONLY: u32 = 1;
/// `RESUTIL_PROPITEM_REQUIRED`.
const REQUIRED: u32 = 2;
/// `RESUTIL_PROPITEM_SIGNED`.
const SIGNED: u32 = 4;
/// `RESUTIL_PROPITEM_IN_MEMORY`.
const IN_MEMORY: u32 = 8;

/// More items than this are an unterminated table.
const LONGEST_TABLE: usize = 4096;

/// One property of a table.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    /// Without NUL.
    pub(crate) name: Vec<u16>,
    /// The name where the table has it.
    pub(crate) name_in_table: *mut WCHAR,
    /// The key below the given one that holds the value.
    pub(crate) key: Option<Vec<u16>>,
    pub(crate) format: Format,
    /// What stands for a value that is not there. Numbers always have one.
    pub(crate) default: Option<Data>,
    minimum: u64,
    maximum: u64,
    flags: u32,
    /// Where in a parameter block.
    pub(crate) offset: usize,
}

impl Item {
    pub(crate) fn read_only(&self) -> bool {
        self.flags & READ_ONLY != 0
    }

    pub(crate) fn required(&self) -> bool {
        self.flags & REQUIRED != 0
    }

    /// True if the value is in no database.
    pub(crate) fn in_memory(&self) -> bool {
        self.flags & IN_MEMORY != 0
    }

    fn signed(&self) -> bool {
        match self.format {
            Format::Long | Format::LargeInteger => true,
            Format::Dword | Format::Word => self.flags & SIGNED != 0,
            Format::Binary
            | Format::Sz
            | Format::ExpandSz
            | Format::MultiSz
            | Format::ULargeInteger
            | Format::ExpandedSz
            | Format::SecurityDescriptor
            | Format::FileTime => false,
        }
    }

    /// Reads a value of a list for this property. Without data it stands for the default: `None`.
    ///
    /// # Errors
    /// 13 where the format is another or the data does not fit it, 87 out of range.
    pub(crate) fn decode(&self, value: crate::list::Raw<'_>) -> Result<Option<Data>, u32> {
        let format = value.format().ok_or(ERROR_INVALID_DATA)?;
        let other_sign = self.signed() && format == Format::Long && self.format == Format::Dword;
        if value.syntax != format.syntax() || !(self.format.takes(format) || other_sign) {
            return Err(ERROR_INVALID_DATA);
        }
        if value.data.is_empty() {
            return Ok(None);
        }
        let data = format.decode(value.data)?;
        self.check(&data)?;
        Ok(Some(data))
    }

    /// Checks the limits of a number.
    ///
    /// # Errors
    /// 87 out of range.
    pub(crate) fn check(&self, data: &Data) -> Result<(), u32> {
        match data {
            Data::Number(number) => {
                let (width, signed) = (self.format.shape(), self.signed());
                let widen = |bits: u64| match width {
                    Shape::Number(2) if signed => bits as u16 as i16 as i64 as u64,
                    Shape::Number(4) if signed => bits as u32 as i32 as i64 as u64,
                    Shape::Number(_) | Shape::Text | Shape::Strings | Shape::Bytes => bits,
                };
                in_range(widen(*number), widen(self.minimum), widen(self.maximum), signed)
            }
            Data::Text(_) | Data::Block(_) => Ok(()),
        }
    }
}

/// Default, minimum and maximum of an item.
///
/// # Safety
/// The pointers of the item must be null or what its format says.
unsafe fn limits(item: &RESUTIL_PROPERTY_ITEM, format: Format) -> Result<(Option<Data>, u64, u64), u32> {
    // SAFETY: every bit pattern is a number.
    let bits = unsafe { item.Anonymous.DefaultPtr };
    let (minimum, maximum) = (u64::from(item.Minimum), u64::from(item.Maximum));
    Ok(match format {
        Format::Dword | Format::Long => (Some(Data::Number(bits as u32 as u64)), minimum, maximum),
        Format::Word => (Some(Data::Number(bits as u16 as u64)), minimum, maximum),
        Format::ULargeInteger | Format::LargeInteger | Format::FileTime => {
            // Three numbers of 64 bits in the order default, minimum, maximum, whichever of the structures it is.
            // SAFETY: null or readable, as the caller guarantees; a FILETIME is the low half first.
            match unsafe { raw::get(bits as *const [u64; 3]) } {
                Ok([default, minimum, maximum]) => (Some(Data::Number(default)), minimum, maximum),
                Err(_) if format == Format::LargeInteger => {
                    (Some(Data::Number(0)), i64::MIN as u64, i64::MAX as u64)
                }
                Err(_) => (Some(Data::Number(0)), 0, u64::MAX),
            }
        }
        Format::Sz | Format::ExpandSz | Format::ExpandedSz => {
            // SAFETY: null or a string, as the caller guarantees.
            (unsafe { raw::text(bits as *const u16) }.map(Data::Text), 0, 0)
        }
        Format::MultiSz | Format::Binary | Format::SecurityDescriptor => {
            if bits == 0 {
                (None, 0, 0)
            } else {
                // SAFETY: not null, and readable for `Minimum` bytes as the caller guarantees.
                let bytes = unsafe { raw::bytes(bits as *const _, item.Minimum) }?;
                (Some(format.decode(&bytes).map_err(|_| ERROR_BAD_ARGUMENTS)?), 0, 0)
            }
        }
    })
}

/// Reads one item.
///
/// # Errors
/// 160 for null, an item without a name, a format no property can have, or a default that is broken.
///
/// # Safety
/// `item` must be null or readable, with what it points to.
pub(crate) unsafe fn item(item: *const RESUTIL_PROPERTY_ITEM) -> Result<Item, u32> {
    // SAFETY: null or readable, as the caller guarantees.
    let item = unsafe { raw::get(item) }.map_err(|_| ERROR_BAD_ARGUMENTS)?;
    let format = Format::read(item.Format).ok_or(ERROR_BAD_ARGUMENTS)?;
    // SAFETY: null or a string, as the caller guarantees.
    let name = unsafe { raw::text(item.Name) }.ok_or(ERROR_BAD_ARGUMENTS)?;
    // SAFETY: as the caller guarantees.
    let (default, minimum, maximum) = unsafe { limits(&item, format) }?;
    Ok(Item {
        name,
        name_in_table: item.Name,
        // SAFETY: null or a string, as the caller guarantees.
        key: unsafe { raw::text(item.KeyName) }.filter(|key| !key.is_empty()),
        format,
        default,
        minimum,
        maximum,
        flags: item.Flags,
        offset: item.Offset as usize,
    })
}

/// Reads a table up to the item without a name that ends it.
///
/// # Errors
/// 160 for null and for what [`item`] refuses, 87 for a table without an end.
///
/// # Safety
/// `table` must be null or a table, with what its items point to.
pub(crate) unsafe fn read(table: *const RESUTIL_PROPERTY_ITEM) -> Result<Vec<Item>, u32> {
    let mut items = Vec::new();
    while items.len() < LONGEST_TABLE {
        let at = table.wrapping_add(items.len());
        // SAFETY: null, or not past the item that ends the table, as the caller guarantees.
        if unsafe { raw::get(at) }.map_err(|_| ERROR_BAD_ARGUMENTS)?.Name.is_null() {
            return Ok(items);
        }
        // SAFETY: as above.
        items.push(unsafe { item(at) }?);
    }
    Err(ERROR_INVALID_PARAMETER)
}
