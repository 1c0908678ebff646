//! Property lists, byte for byte as on Windows.
//!
//! Windows: mscs/property-lists

use std::fmt;

use crate::{
    CLUSPROP_SYNTAX_LIST_VALUE_BINARY, CLUSPROP_SYNTAX_LIST_VALUE_DWORD,
    CLUSPROP_SYNTAX_LIST_VALUE_EXPAND_SZ, CLUSPROP_SYNTAX_LIST_VALUE_EXPANDED_SZ,
    CLUSPROP_SYNTAX_LIST_VALUE_LARGE_INTEGER, CLUSPROP_SYNTAX_LIST_VALUE_LONG,
    CLUSPROP_SYNTAX_LIST_VALUE_MULTI_SZ, CLUSPROP_SYNTAX_LIST_VALUE_SZ,
    CLUSPROP_SYNTAX_LIST_VALUE_ULARGE_INTEGER, CLUSPROP_SYNTAX_LIST_VALUE_WORD, CLUSPROP_SYNTAX_NAME,
    ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA, from_wide, to_wide,
};

/// One value of a property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// 16 bits, unsigned.
    Word(u16),
    /// 32 bits, unsigned.
    Dword(u32),
    /// 32 bits, signed.
    Long(i32),
    /// 64 bits, unsigned.
    ULargeInteger(u64),
    /// 64 bits, signed.
    LargeInteger(i64),
    /// Text.
    Sz(String),
    /// Text with environment variables in it.
    ExpandSz(String),
    /// Several texts.
    MultiSz(Vec<String>),
    /// Bytes.
    Binary(Vec<u8>),
    /// Another syntax, kept as it is. With no bytes: back to the default.
    Other(u32, Vec<u8>),
}

/// A named property with its values; usually one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Property {
    /// The name; compared without regard to case.
    pub name: String,
    /// The values, at least one.
    pub values: Vec<Value>,
}

/// A list of properties in the order of the wire.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct PropertyList(pub Vec<Property>);

/// Why bytes are no property list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PropertyListError {
    /// It ends before its own count and lengths say.
    Truncated {
        /// Where more was needed.
        at: usize,
    },
    /// Something else stands where a name, a value or an end mark must.
    Malformed {
        /// Where.
        at: usize,
    },
}

impl PropertyListError {
    /// The documented code: 122 for a truncated list, 13 for a malformed one.
    #[must_use]
    pub const fn code(self) -> u32 {
        match self {
            PropertyListError::Truncated { .. } => ERROR_INSUFFICIENT_BUFFER,
            PropertyListError::Malformed { .. } => ERROR_INVALID_DATA,
        }
    }
}

impl fmt::Display for PropertyListError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PropertyListError::Truncated { at } => write!(f, "property list ends too early at byte {at}"),
            PropertyListError::Malformed { at } => write!(f, "property list makes no sense at byte {at}"),
        }
    }
}

impl std::error::Error for PropertyListError {}

/// Several texts as one block: each with its NUL, and one more at the end.
#[must_use]
pub fn encode_multi_sz(list: &[String]) -> Vec<u16> {
    let mut units: Vec<u16> = list.iter().flat_map(|text| to_wide(text)).collect();
    // An empty list is two NULs, as every list ends with two.
    units.resize(units.len() + if list.is_empty() { 2 } else { 1 }, 0);
    units
}

/// The texts of such a block. Stops at the first empty one.
#[must_use]
pub fn decode_multi_sz(units: &[u16]) -> Vec<String> {
    units.split(|unit| *unit == 0).take_while(|text| !text.is_empty()).map(from_wide).collect()
}

fn units_to_bytes(units: &[u16]) -> Vec<u8> {
    units.iter().flat_map(|unit| unit.to_le_bytes()).collect()
}

fn bytes_to_units(bytes: &[u8]) -> Vec<u16> {
    bytes.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect()
}

impl Value {
    /// The syntax word of this value.
    #[must_use]
    pub const fn syntax(&self) -> u32 {
        match self {
            Value::Word(_) => CLUSPROP_SYNTAX_LIST_VALUE_WORD,
            Value::Dword(_) => CLUSPROP_SYNTAX_LIST_VALUE_DWORD,
            Value::Long(_) => CLUSPROP_SYNTAX_LIST_VALUE_LONG,
            Value::ULargeInteger(_) => CLUSPROP_SYNTAX_LIST_VALUE_ULARGE_INTEGER,
            Value::LargeInteger(_) => CLUSPROP_SYNTAX_LIST_VALUE_LARGE_INTEGER,
            Value::Sz(_) => CLUSPROP_SYNTAX_LIST_VALUE_SZ,
            Value::ExpandSz(_) => CLUSPROP_SYNTAX_LIST_VALUE_EXPAND_SZ,
            Value::MultiSz(_) => CLUSPROP_SYNTAX_LIST_VALUE_MULTI_SZ,
            Value::Binary(_) => CLUSPROP_SYNTAX_LIST_VALUE_BINARY,
            Value::Other(syntax, _) => *syntax,
        }
    }

    /// The `CLUSPROP_FORMAT_…` number: the low half of the syntax.
    #[must_use]
    pub const fn format(&self) -> u16 {
        (self.syntax() & 0xFFFF) as u16
    }

    /// The value as it is in a list, without syntax and length.
    #[must_use]
    pub fn data(&self) -> Vec<u8> {
        match self {
            Value::Word(word) => word.to_le_bytes().to_vec(),
            Value::Dword(number) => number.to_le_bytes().to_vec(),
            Value::Long(number) => number.to_le_bytes().to_vec(),
            Value::ULargeInteger(number) => number.to_le_bytes().to_vec(),
            Value::LargeInteger(number) => number.to_le_bytes().to_vec(),
            Value::Sz(text) | Value::ExpandSz(text) => units_to_bytes(&to_wide(text)),
            Value::MultiSz(list) => units_to_bytes(&encode_multi_sz(list)),
            Value::Binary(bytes) | Value::Other(_, bytes) => bytes.clone(),
        }
    }

    /// Reads data of a known syntax; `None` if the length does not fit it or a string is not terminated.
    fn read(syntax: u32, data: &[u8]) -> Option<Value> {
        if data.is_empty() {
            return Some(Value::Other(syntax, Vec::new()));
        }
        let text = || {
            let units = bytes_to_units(data);
            (data.len().is_multiple_of(2) && units.contains(&0)).then(|| from_wide(&units))
        };
        Some(match syntax {
            CLUSPROP_SYNTAX_LIST_VALUE_WORD => Value::Word(u16::from_le_bytes(data.try_into().ok()?)),
            CLUSPROP_SYNTAX_LIST_VALUE_DWORD => Value::Dword(u32::from_le_bytes(data.try_into().ok()?)),
            CLUSPROP_SYNTAX_LIST_VALUE_LONG => Value::Long(i32::from_le_bytes(data.try_into().ok()?)),
            CLUSPROP_SYNTAX_LIST_VALUE_ULARGE_INTEGER => {
                Value::ULargeInteger(u64::from_le_bytes(data.try_into().ok()?))
            }
            CLUSPROP_SYNTAX_LIST_VALUE_LARGE_INTEGER => {
                Value::LargeInteger(i64::from_le_bytes(data.try_into().ok()?))
            }
            CLUSPROP_SYNTAX_LIST_VALUE_SZ | CLUSPROP_SYNTAX_LIST_VALUE_EXPANDED_SZ => Value::Sz(text()?),
            CLUSPROP_SYNTAX_LIST_VALUE_EXPAND_SZ => Value::ExpandSz(text()?),
            CLUSPROP_SYNTAX_LIST_VALUE_MULTI_SZ => {
                let units = bytes_to_units(data);
                if !data.len().is_multiple_of(2) || units.last() != Some(&0) {
                    return None;
                }
                Value::MultiSz(decode_multi_sz(&units))
            }
            CLUSPROP_SYNTAX_LIST_VALUE_BINARY => Value::Binary(data.to_vec()),
            other => Value::Other(other, data.to_vec()),
        })
    }
}

impl Property {
    /// A property with one value.
    #[must_use]
    pub fn new(name: &str, value: Value) -> Self {
        Property { name: name.to_owned(), values: vec![value] }
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn word(&mut self) -> Result<u32, PropertyListError> {
        let word = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let word = word.ok_or(PropertyListError::Truncated { at: self.at })?;
        self.at += 4;
        Ok(u32::from_le_bytes(*word))
    }

    /// Length, data and padding behind a syntax word.
    fn data(&mut self) -> Result<&'a [u8], PropertyListError> {
        let at = self.at;
        let length = self.word()? as usize;
        let truncated = PropertyListError::Truncated { at };
        let end = self.at.checked_add(length).ok_or(truncated)?;
        let data = self.bytes.get(self.at..end).ok_or(truncated)?;
        let padded = end.checked_add(3).ok_or(truncated)? & !3;
        if padded > self.bytes.len() {
            return Err(truncated);
        }
        self.at = padded;
        Ok(data)
    }
}

fn push(bytes: &mut Vec<u8>, syntax: u32, data: &[u8]) {
    bytes.extend(syntax.to_le_bytes());
    bytes.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_le_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

impl PropertyList {
    /// Reads a list. Bytes behind the last property are ignored.
    ///
    /// # Errors
    /// Where it ends too early or makes no sense.
    pub fn decode(bytes: &[u8]) -> Result<Self, PropertyListError> {
        let mut reader = Reader { bytes, at: 0 };
        let count = reader.word()?;
        // The smallest property takes 24 bytes, so a huge count cannot make us reserve much.
        let mut list = Vec::with_capacity((count as usize).min(bytes.len() / 24));
        for _ in 0..count {
            let at = reader.at;
            if reader.word()? != CLUSPROP_SYNTAX_NAME {
                return Err(PropertyListError::Malformed { at });
            }
            let name = bytes_to_units(reader.data()?);
            if !name.contains(&0) {
                return Err(PropertyListError::Malformed { at });
            }
            let mut values = Vec::with_capacity(1);
            loop {
                let at = reader.at;
                let syntax = reader.word()?;
                if syntax == 0 {
                    break;
                }
                let data = reader.data()?;
                values.push(Value::read(syntax, data).ok_or(PropertyListError::Malformed { at })?);
            }
            if values.is_empty() {
                return Err(PropertyListError::Malformed { at });
            }
            list.push(Property { name: from_wide(&name), values });
        }
        Ok(PropertyList(list))
    }

    /// Writes the list.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = u32::try_from(self.0.len()).unwrap_or(u32::MAX).to_le_bytes().to_vec();
        for property in &self.0 {
            push(&mut bytes, CLUSPROP_SYNTAX_NAME, &units_to_bytes(&to_wide(&property.name)));
            for value in &property.values {
                push(&mut bytes, value.syntax(), &value.data());
            }
            bytes.extend(0u32.to_le_bytes());
        }
        bytes
    }

    /// The first value of the last property with this name, whatever its case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        let found = self.0.iter().rev().find(|property| property.name.eq_ignore_ascii_case(name));
        found.and_then(|property| property.values.first())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> PropertyList {
        PropertyList(vec![
            Property::new("RestartAction", Value::Dword(2)),
            Property::new("Path", Value::Sz("C:\\d".to_owned())),
            Property::new("Hosts", Value::MultiSz(vec!["a".to_owned(), "bc".to_owned()])),
            Property::new("Quota", Value::ULargeInteger(0x1_0000_0002)),
        ])
    }

    /// The worked example that two independent encoders agree on.
    const BYTES: &[u8] = &[
        4, 0, 0, 0, 3, 0, 4, 0, 0x1c, 0, 0, 0, 0x52, 0, 0x65, 0, 0x73, 0, 0x74, 0, 0x61, 0, 0x72, 0, 0x74, 0,
        0x41, 0, 0x63, 0, 0x74, 0, 0x69, 0, 0x6f, 0, 0x6e, 0, 0, 0, 2, 0, 1, 0, 4, 0, 0, 0, 2, 0, 0, 0, 0, 0,
        0, 0, 3, 0, 4, 0, 0x0a, 0, 0, 0, 0x50, 0, 0x61, 0, 0x74, 0, 0x68, 0, 0, 0, 0, 0, 3, 0, 1, 0, 0x0a, 0,
        0, 0, 0x43, 0, 0x3a, 0, 0x5c, 0, 0x64, 0, 0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0x0c, 0, 0, 0, 0x48, 0,
        0x6f, 0, 0x73, 0, 0x74, 0, 0x73, 0, 0, 0, 5, 0, 1, 0, 0x0c, 0, 0, 0, 0x61, 0, 0, 0, 0x62, 0, 0x63, 0,
        0, 0, 0, 0, 0, 0, 0, 0, 3, 0, 4, 0, 0x0c, 0, 0, 0, 0x51, 0, 0x75, 0, 0x6f, 0, 0x74, 0, 0x61, 0, 0, 0,
        6, 0, 1, 0, 8, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0,
    ];

    #[test]
    fn the_worked_example_is_equal_byte_for_byte() {
        assert_eq!(BYTES.len(), 184);
        assert_eq!(example().encode(), BYTES);
        assert_eq!(PropertyList::decode(BYTES), Ok(example()));
        assert_eq!(PropertyList::default().encode(), [0; 4]);
    }

    #[test]
    fn every_truncation_is_refused_with_122() {
        for length in 0..BYTES.len() {
            let error = PropertyList::decode(&BYTES[..length]).unwrap_err();
            assert_eq!(error.code(), 122, "{length} bytes: {error}");
        }
    }

    #[test]
    fn no_flipped_bit_panics_and_what_is_accepted_is_written_again() {
        let mut refused = 0;
        for at in 0..BYTES.len() {
            for bit in 0..8 {
                let mut bytes = BYTES.to_vec();
                bytes[at] ^= 1 << bit;
                match PropertyList::decode(&bytes) {
                    Ok(list) => assert_eq!(PropertyList::decode(&list.encode()), Ok(list)),
                    Err(error) => {
                        refused += 1;
                        assert!([13, 122].contains(&error.code()));
                    }
                }
            }
        }
        assert!(refused > 200, "only {refused} flips were refused");
    }

    #[test]
    fn wrong_content_is_refused_with_13() {
        let mut bytes = BYTES.to_vec();
        bytes[4] = 2;
        assert_eq!(PropertyList::decode(&bytes), Err(PropertyListError::Malformed { at: 4 }));
        let mut unterminated = BYTES.to_vec();
        unterminated[92] = 1;
        assert_eq!(PropertyList::decode(&unterminated).unwrap_err().code(), 13);
    }

    #[test]
    fn names_are_found_whatever_their_case_and_the_last_wins() {
        let mut list = example();
        list.0.push(Property::new("PATH", Value::Sz("/x".to_owned())));
        assert_eq!(list.get("path"), Some(&Value::Sz("/x".to_owned())));
        assert_eq!(list.get("nothing"), None);
        assert_eq!(decode_multi_sz(&encode_multi_sz(&[])), Vec::<String>::new());
    }
}
