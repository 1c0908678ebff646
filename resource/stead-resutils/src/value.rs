//! One value of a property: in a list, in the cluster database, in a parameter block.

use stead_resapi as abi;
use stead_resapi::{ERROR_INVALID_DATA, ERROR_INVALID_PARAMETER};

use crate::raw::{terminated, to_bytes, to_units};

/// `REG_SZ`.
pub(crate) const REG_SZ: u32 = 1;
/// `REG_EXPAND_SZ`.
pub(crate) const REG_EXPAND_SZ: u32 = 2;
/// `REG_BINARY`.
pub(crate) const REG_BINARY: u32 = 3;
/// `REG_DWORD`.
pub(crate) const REG_DWORD: u32 = 4;
/// `REG_MULTI_SZ`.
pub(crate) const REG_MULTI_SZ: u32 = 7;
/// `REG_QWORD`.
pub(crate) const REG_QWORD: u32 = 11;

/// A `CLUSPROP_FORMAT_…` that a value can have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Format {
    Binary,
    Dword,
    Sz,
    ExpandSz,
    MultiSz,
    ULargeInteger,
    Long,
    ExpandedSz,
    SecurityDescriptor,
    LargeInteger,
    Word,
    FileTime,
}

/// How the values of a format look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Shape {
    /// A number of this many bytes.
    Number(usize),
    /// A string.
    Text,
    /// Strings, each with its NUL, and one more NUL.
    Strings,
    /// Bytes.
    Bytes,
}

/// A value without its format. Numbers are kept as the bits they have in their width.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Data {
    Number(u64),
    /// Without NUL. What is not well-formed UTF-16 is kept.
    Text(Vec<u16>),
    /// The bytes of a `MULTI_SZ` with all its NULs, or of a `BINARY`.
    Block(Vec<u8>),
}

impl Format {
    /// The format a number stands for.
    pub(crate) const fn read(number: u32) -> Option<Format> {
        Some(match number {
            abi::CLUSPROP_FORMAT_BINARY => Format::Binary,
            abi::CLUSPROP_FORMAT_DWORD => Format::Dword,
            abi::CLUSPROP_FORMAT_SZ => Format::Sz,
            abi::CLUSPROP_FORMAT_EXPAND_SZ => Format::ExpandSz,
            abi::CLUSPROP_FORMAT_MULTI_SZ => Format::MultiSz,
            abi::CLUSPROP_FORMAT_ULARGE_INTEGER => Format::ULargeInteger,
            abi::CLUSPROP_FORMAT_LONG => Format::Long,
            abi::CLUSPROP_FORMAT_EXPANDED_SZ => Format::ExpandedSz,
            abi::CLUSPROP_FORMAT_SECURITY_DESCRIPTOR => Format::SecurityDescriptor,
            abi::CLUSPROP_FORMAT_LARGE_INTEGER => Format::LargeInteger,
            abi::CLUSPROP_FORMAT_WORD => Format::Word,
            abi::CLUSPROP_FORMAT_FILETIME => Format::FileTime,
            _ => return None,
        })
    }

    /// The number of this format.
    pub(crate) const fn number(self) -> u32 {
        match self {
            Format::Binary => abi::CLUSPROP_FORMAT_BINARY,
            Format::Dword => abi::CLUSPROP_FORMAT_DWORD,
            Format::Sz => abi::CLUSPROP_FORMAT_SZ,
            Format::ExpandSz => abi::CLUSPROP_FORMAT_EXPAND_SZ,
            Format::MultiSz => abi::CLUSPROP_FORMAT_MULTI_SZ,
            Format::ULargeInteger => abi::CLUSPROP_FORMAT_ULARGE_INTEGER,
            Format::Long => abi::CLUSPROP_FORMAT_LONG,
            Format::ExpandedSz => abi::CLUSPROP_FORMAT_EXPANDED_SZ,
            Format::SecurityDescriptor => abi::CLUSPROP_FORMAT_SECURITY_DESCRIPTOR,
            Format::LargeInteger => abi::CLUSPROP_FORMAT_LARGE_INTEGER,
            Format::Word => abi::CLUSPROP_FORMAT_WORD,
            Format::FileTime => abi::CLUSPROP_FORMAT_FILETIME,
        }
    }

    /// The syntax of a value of this format in a property list.
    pub(crate) const fn syntax(self) -> u32 {
        (abi::CLUSPROP_TYPE_LIST_VALUE as u32) << 16 | self.number()
    }

    pub(crate) const fn shape(self) -> Shape {
        match self {
            Format::Word => Shape::Number(2),
            Format::Dword | Format::Long => Shape::Number(4),
            Format::ULargeInteger | Format::LargeInteger | Format::FileTime => Shape::Number(8),
            Format::Sz | Format::ExpandSz | Format::ExpandedSz => Shape::Text,
            Format::MultiSz => Shape::Strings,
            Format::Binary | Format::SecurityDescriptor => Shape::Bytes,
        }
    }

    /// True where a list may give a value of `other` for a property of this format: the same, or text for text.
    pub(crate) fn takes(self, other: Format) -> bool {
        self == other || self.shape() == Shape::Text && other.shape() == Shape::Text
    }

    /// The type of a value of this format in the database.
    pub(crate) const fn stored(self) -> u32 {
        match self {
            Format::Word | Format::Dword | Format::Long => REG_DWORD,
            Format::ULargeInteger | Format::LargeInteger | Format::FileTime => REG_QWORD,
            Format::Sz | Format::ExpandedSz => REG_SZ,
            Format::ExpandSz => REG_EXPAND_SZ,
            Format::MultiSz => REG_MULTI_SZ,
            Format::Binary | Format::SecurityDescriptor => REG_BINARY,
        }
    }

    /// The format that a stored value without a table is listed with.
    pub(crate) const fn of_stored(kind: u32) -> Format {
        match kind {
            REG_SZ => Format::Sz,
            REG_EXPAND_SZ => Format::ExpandSz,
            REG_DWORD => Format::Dword,
            REG_MULTI_SZ => Format::MultiSz,
            REG_QWORD => Format::ULargeInteger,
            _ => Format::Binary,
        }
    }

    /// Reads the data of a value in a list.
    ///
    /// # Errors
    /// 13 where the length does not fit the format, or a string is not terminated.
    pub(crate) fn decode(self, data: &[u8]) -> Result<Data, u32> {
        match self.shape() {
            Shape::Number(width) if data.len() == width => {
                let mut bits = [0; 8];
                bits[..width].copy_from_slice(data);
                Ok(Data::Number(u64::from_le_bytes(bits)))
            }
            Shape::Number(_) => Err(ERROR_INVALID_DATA),
            Shape::Text => {
                let mut units = to_units(data);
                let end = units.iter().position(|unit| *unit == 0);
                let end = end.filter(|_| data.len().is_multiple_of(2)).ok_or(ERROR_INVALID_DATA)?;
                units.truncate(end);
                Ok(Data::Text(units))
            }
            Shape::Strings => {
                // A reader looks for two NULs, or for one at the very beginning.
                let ends = data.len().is_multiple_of(2) && (data.ends_with(&[0; 4]) || data == [0; 2]);
                if ends { Ok(Data::Block(data.to_vec())) } else { Err(ERROR_INVALID_DATA) }
            }
            Shape::Bytes => Ok(Data::Block(data.to_vec())),
        }
    }

    /// The data of a value in a list.
    pub(crate) fn encode(self, data: &Data) -> Vec<u8> {
        match (data, self.shape()) {
            (Data::Number(bits), Shape::Number(width)) => bits.to_le_bytes()[..width].to_vec(),
            (Data::Number(bits), Shape::Text | Shape::Strings | Shape::Bytes) => bits.to_le_bytes().to_vec(),
            (Data::Text(text), _) => to_bytes(&terminated(text)),
            (Data::Block(bytes), _) => bytes.clone(),
        }
    }

    /// Reads a stored value.
    ///
    /// # Errors
    /// 13 where it is of another type, or broken.
    pub(crate) fn load(self, kind: u32, data: &[u8]) -> Result<Data, u32> {
        match self.shape() {
            Shape::Number(width) => {
                let stored_width = match kind {
                    REG_DWORD => 4,
                    REG_QWORD => 8,
                    REG_BINARY if data.len() == width => width,
                    _ => return Err(ERROR_INVALID_DATA),
                };
                if data.len() != stored_width || stored_width > width && width != 2 {
                    return Err(ERROR_INVALID_DATA);
                }
                let mut bits = [0; 8];
                bits[..stored_width].copy_from_slice(data);
                let number = u64::from_le_bytes(bits);
                if width == 2 && number > u64::from(u16::MAX) {
                    return Err(ERROR_INVALID_DATA);
                }
                Ok(Data::Number(number))
            }
            Shape::Text if matches!(kind, REG_SZ | REG_EXPAND_SZ) => {
                let mut units = to_units(data);
                let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
                units.truncate(end);
                Ok(Data::Text(units))
            }
            Shape::Strings if kind == REG_MULTI_SZ => {
                // Whatever was stored, what is handed out ends in two NULs.
                let mut units = to_units(data);
                while units.last() == Some(&0) {
                    units.pop();
                }
                units.extend([0, 0]);
                Ok(Data::Block(to_bytes(&units)))
            }
            Shape::Bytes if kind == REG_BINARY => Ok(Data::Block(data.to_vec())),
            Shape::Text | Shape::Strings | Shape::Bytes => Err(ERROR_INVALID_DATA),
        }
    }

    /// The bytes of a value as it is stored.
    pub(crate) fn store(self, data: &Data) -> Vec<u8> {
        match (data, self.stored()) {
            (Data::Number(bits), REG_DWORD) => (*bits as u32).to_le_bytes().to_vec(),
            (Data::Number(_) | Data::Text(_) | Data::Block(_), _) => self.encode(data),
        }
    }
}

/// Checks a number against its limits, signed where `signed`.
///
/// # Errors
/// 87 where it lies outside.
pub(crate) fn in_range(number: u64, minimum: u64, maximum: u64, signed: bool) -> Result<(), u32> {
    let inside = if signed {
        (minimum as i64..=maximum as i64).contains(&(number as i64))
    } else {
        (minimum..=maximum).contains(&number)
    };
    if inside { Ok(()) } else { Err(ERROR_INVALID_PARAMETER) }
}
