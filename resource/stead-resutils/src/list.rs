//! Property lists, read without copying values and written byte for byte as on Windows.
//!
//! Windows: mscs/property-lists

use std::collections::HashSet;

use stead_resapi::{
    CLUSPROP_SYNTAX_ENDMARK, CLUSPROP_SYNTAX_NAME, ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_DATA,
};

use crate::raw::{folded, same_name, terminated, to_units};
use crate::value::Format;

/// One value: syntax and data.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Raw<'a> {
    pub(crate) syntax: u32,
    pub(crate) data: &'a [u8],
}

impl Raw<'_> {
    /// The format, if it is one a value can have.
    pub(crate) fn format(self) -> Option<Format> {
        Format::read(self.syntax & 0xFFFF)
    }
}

/// A property of a list.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Entry<'a> {
    /// Without NUL.
    pub(crate) name: Vec<u16>,
    /// The first value.
    pub(crate) value: Raw<'a>,
    /// True if more values follow.
    pub(crate) several: bool,
}

/// A cursor in a list or in a part of one.
pub(crate) struct Reader<'a> {
    bytes: &'a [u8],
    pub(crate) at: usize,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Reader { bytes, at: 0 }
    }

    /// The next 32 bits.
    ///
    /// # Errors
    /// 122 at the end.
    pub(crate) fn word(&mut self) -> Result<u32, u32> {
        let word = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        self.at += 4;
        word.map(|word| u32::from_le_bytes(*word)).ok_or(ERROR_INSUFFICIENT_BUFFER)
    }

    /// Length, data and padding behind a syntax word.
    fn data(&mut self) -> Result<&'a [u8], u32> {
        let length = self.word()? as usize;
        let padded = length.checked_add(3).ok_or(ERROR_INSUFFICIENT_BUFFER)? & !3;
        let end = self.at.checked_add(padded).ok_or(ERROR_INSUFFICIENT_BUFFER)?;
        let data = self.bytes.get(self.at..end).ok_or(ERROR_INSUFFICIENT_BUFFER)?;
        self.at = end;
        Ok(&data[..length])
    }

    /// The next value, or `None` at an end mark.
    ///
    /// # Errors
    /// 122 where the bytes end too early.
    pub(crate) fn value(&mut self) -> Result<Option<Raw<'a>>, u32> {
        let syntax = self.word()?;
        if syntax == CLUSPROP_SYNTAX_ENDMARK {
            return Ok(None);
        }
        Ok(Some(Raw { syntax, data: self.data()? }))
    }

    fn entry(&mut self) -> Result<Entry<'a>, u32> {
        if self.word()? != CLUSPROP_SYNTAX_NAME {
            return Err(ERROR_INVALID_DATA);
        }
        let name = self.data()?;
        let mut units = to_units(name);
        let end = units.iter().position(|unit| *unit == 0).ok_or(ERROR_INVALID_DATA)?;
        if !name.len().is_multiple_of(2) {
            return Err(ERROR_INVALID_DATA);
        }
        units.truncate(end);
        let value = self.value()?.ok_or(ERROR_INVALID_DATA)?;
        let mut several = false;
        while self.value()?.is_some() {
            several = true;
        }
        Ok(Entry { name: units, value, several })
    }
}

/// The properties of a list. Bytes behind the last are ignored.
///
/// # Errors
/// 122 where it ends too early, 13 where something else stands where a name or value must.
pub(crate) fn read(bytes: &[u8]) -> Result<Vec<Entry<'_>>, u32> {
    Ok(read_with_size(bytes)?.0)
}

/// As [`read`], with the size of the list in bytes.
pub(crate) fn read_with_size(bytes: &[u8]) -> Result<(Vec<Entry<'_>>, usize), u32> {
    let mut reader = Reader::new(bytes);
    let count = reader.word()?;
    // The smallest property takes 24 bytes, so a huge count reserves little.
    let mut entries = Vec::with_capacity((count as usize).min(bytes.len() / 24));
    for _ in 0..count {
        entries.push(reader.entry()?);
    }
    Ok((entries, reader.at))
}

/// The property of a name; the last of several.
pub(crate) fn find<'a, 'b>(entries: &'b [Entry<'a>], name: &[u16]) -> Option<&'b Entry<'a>> {
    entries.iter().rev().find(|entry| same_name(&entry.name, name))
}

/// The properties without those that a later one of the same name overrules, in order.
pub(crate) fn last_of_each<'a, 'b>(entries: &'b [Entry<'a>]) -> Vec<&'b Entry<'a>> {
    let mut seen = HashSet::with_capacity(entries.len());
    let mut last: Vec<_> = entries.iter().rev().filter(|entry| seen.insert(folded(&entry.name))).collect();
    last.reverse();
    last
}

/// A list that is being written.
pub(crate) struct Builder {
    count: u32,
    bytes: Vec<u8>,
}

fn push(bytes: &mut Vec<u8>, syntax: u32, data: &[u8]) {
    bytes.extend(syntax.to_le_bytes());
    bytes.extend((data.len() as u32).to_le_bytes());
    bytes.extend(data);
    bytes.resize(bytes.len().next_multiple_of(4), 0);
}

fn push_property(bytes: &mut Vec<u8>, name: &[u16], syntax: u32, data: &[u8]) {
    push(bytes, CLUSPROP_SYNTAX_NAME, &crate::raw::to_bytes(&terminated(name)));
    push(bytes, syntax, data);
    bytes.extend(CLUSPROP_SYNTAX_ENDMARK.to_le_bytes());
}

/// One property with one value, as it stands in a list.
pub(crate) fn property(name: &[u16], syntax: u32, data: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    push_property(&mut bytes, name, syntax, data);
    bytes
}

impl Builder {
    pub(crate) fn new() -> Self {
        Builder { count: 0, bytes: vec![0; 4] }
    }

    /// Goes on with a list that has `count` properties already.
    pub(crate) fn after(count: u32, bytes: &[u8]) -> Self {
        Builder { count, bytes: bytes.to_vec() }
    }

    pub(crate) fn add(&mut self, name: &[u16], syntax: u32, data: &[u8]) {
        push_property(&mut self.bytes, name, syntax, data);
        self.count += 1;
    }

    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.bytes[..4].copy_from_slice(&self.count.to_le_bytes());
        self.bytes
    }
}
