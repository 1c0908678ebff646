//! Typed private properties.

use std::collections::BTreeMap;
use std::time::Duration;

use stead_resapi as abi;
use stead_resapi::{PropertyList, Value, decode_multi_sz, from_wide};

/// What a private property holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Text.
    Text,
    /// A number from 0 to 4294967295.
    Number,
    /// True or false; stored as 1 or 0.
    Flag,
    /// A list of texts.
    List,
    /// Bytes.
    Bytes,
}

/// The declaration of a private property.
#[derive(Clone, Copy, Debug)]
pub struct Property {
    pub(crate) name: &'static str,
    pub(crate) format: Format,
    pub(crate) required: bool,
    pub(crate) number: u32,
    pub(crate) text: &'static str,
    pub(crate) range: (u32, u32),
}

impl Property {
    const fn new(name: &'static str, format: Format) -> Self {
        Property { name, format, required: false, number: 0, text: "", range: (0, u32::MAX) }
    }

    /// Text; empty by default.
    #[must_use]
    pub const fn text(name: &'static str) -> Self {
        Property::new(name, Format::Text)
    }

    /// A number; 0 by default.
    #[must_use]
    pub const fn number(name: &'static str) -> Self {
        Property::new(name, Format::Number)
    }

    /// True or false; false by default.
    #[must_use]
    pub const fn flag(name: &'static str) -> Self {
        let mut property = Property::new(name, Format::Flag);
        property.range = (0, 1);
        property
    }

    /// A list of texts; empty by default.
    #[must_use]
    pub const fn list(name: &'static str) -> Self {
        Property::new(name, Format::List)
    }

    /// Bytes; none by default.
    #[must_use]
    pub const fn bytes(name: &'static str) -> Self {
        Property::new(name, Format::Bytes)
    }

    /// It must be set before the resource can come online.
    #[must_use]
    pub const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    /// The text where none is set.
    #[must_use]
    pub const fn default_text(mut self, text: &'static str) -> Self {
        self.text = text;
        self
    }

    /// The number where none is set; for a flag, 1 is true.
    #[must_use]
    pub const fn default_number(mut self, number: u32) -> Self {
        self.number = number;
        self
    }

    /// The smallest and largest number allowed.
    #[must_use]
    pub const fn range(mut self, smallest: u32, largest: u32) -> Self {
        self.range = (smallest, largest);
        self
    }

    pub(crate) const fn format_number(&self) -> u32 {
        match self.format {
            Format::Text => abi::CLUSPROP_FORMAT_SZ,
            Format::Number | Format::Flag => abi::CLUSPROP_FORMAT_DWORD,
            Format::List => abi::CLUSPROP_FORMAT_MULTI_SZ,
            Format::Bytes => abi::CLUSPROP_FORMAT_BINARY,
        }
    }
}

/// The value of a private property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum PropertyValue {
    /// Text.
    Text(String),
    /// A number, or a flag.
    Number(u64),
    /// A list of texts.
    List(Vec<String>),
    /// Bytes.
    Bytes(Vec<u8>),
}

impl PropertyValue {
    /// The value as a person would write it.
    #[must_use]
    pub fn to_text(&self) -> String {
        match self {
            PropertyValue::Text(text) => text.clone(),
            PropertyValue::Number(number) => number.to_string(),
            PropertyValue::List(list) => list.join(" "),
            PropertyValue::Bytes(bytes) => bytes.iter().map(|byte| format!("{byte:02x}")).collect(),
        }
    }
}

/// A value as the cluster database stores it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Stored {
    pub(crate) kind: u32,
    pub(crate) data: Vec<u8>,
}

impl Stored {
    fn read(&self) -> PropertyValue {
        let units: Vec<u16> =
            self.data.as_chunks::<2>().0.iter().map(|unit| u16::from_le_bytes(*unit)).collect();
        // The numbers are REG_SZ, REG_EXPAND_SZ, REG_DWORD, REG_MULTI_SZ and REG_QWORD.
        match self.kind {
            1 | 2 => PropertyValue::Text(from_wide(&units)),
            4 => PropertyValue::Number(
                self.data.first_chunk().map_or(0, |bytes| u64::from(u32::from_le_bytes(*bytes))),
            ),
            7 => PropertyValue::List(decode_multi_sz(&units)),
            11 => {
                PropertyValue::Number(self.data.first_chunk().map_or(0, |bytes| u64::from_le_bytes(*bytes)))
            }
            _ => PropertyValue::Bytes(self.data.clone()),
        }
    }
}

/// Something wrong with a private property.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// The property.
    pub property: String,
    /// What is wrong, and what would be right.
    pub text: String,
}

impl Problem {
    /// A problem with one property.
    pub fn new(property: &str, text: impl Into<String>) -> Self {
        Problem { property: property.to_owned(), text: text.into() }
    }
}

/// The private properties of an instance: what is set, over the declared defaults.
#[derive(Clone, Debug, Default)]
pub struct Properties {
    declared: &'static [Property],
    set: BTreeMap<String, (String, PropertyValue)>,
}

impl Properties {
    pub(crate) fn from_stored(declared: &'static [Property], values: Vec<(String, Stored)>) -> Self {
        let set =
            values.into_iter().map(|(name, stored)| (name.to_lowercase(), (name, stored.read()))).collect();
        Properties { declared, set }
    }

    pub(crate) fn from_list(declared: &'static [Property], list: &PropertyList) -> Self {
        let values = list.0.iter().filter_map(|property| {
            let value = match property.values.first()? {
                Value::Word(number) => PropertyValue::Number((*number).into()),
                Value::Dword(number) => PropertyValue::Number((*number).into()),
                Value::Long(number) => PropertyValue::Text(number.to_string()),
                Value::ULargeInteger(number) => PropertyValue::Number(*number),
                Value::LargeInteger(number) => PropertyValue::Text(number.to_string()),
                Value::Sz(text) | Value::ExpandSz(text) => PropertyValue::Text(text.clone()),
                Value::MultiSz(list) => PropertyValue::List(list.clone()),
                Value::Binary(bytes) => PropertyValue::Bytes(bytes.clone()),
                // No bytes: back to the default.
                Value::Other(_, bytes) if bytes.is_empty() => return None,
                Value::Other(_, bytes) => PropertyValue::Bytes(bytes.clone()),
            };
            Some((property.name.to_lowercase(), (property.name.clone(), value)))
        });
        Properties { declared, set: values.collect() }
    }

    /// Every property that is set: name and value.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &PropertyValue)> {
        self.set.values().map(|(name, value)| (name.as_str(), value))
    }

    /// The value set under this name, whatever its case.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&PropertyValue> {
        self.set.get(&name.to_lowercase()).map(|(_, value)| value)
    }

    fn declared(&self, name: &str) -> Option<&'static Property> {
        self.declared.iter().find(|property| property.name.eq_ignore_ascii_case(name))
    }

    /// A text property.
    #[must_use]
    pub fn text(&self, name: &str) -> String {
        let default = || self.declared(name).map_or_else(String::new, |property| property.text.to_owned());
        self.get(name).map_or_else(default, PropertyValue::to_text)
    }

    /// A number property. What is set and no number counts as not set; validation refuses it before.
    #[must_use]
    pub fn number(&self, name: &str) -> u64 {
        let set = match self.get(name) {
            Some(PropertyValue::Number(number)) => Some(*number),
            Some(PropertyValue::Text(text)) => text.parse().ok(),
            Some(PropertyValue::List(_) | PropertyValue::Bytes(_)) | None => None,
        };
        set.unwrap_or_else(|| self.declared(name).map_or(0, |property| property.number.into()))
    }

    /// A number property as milliseconds.
    #[must_use]
    pub fn milliseconds(&self, name: &str) -> Duration {
        Duration::from_millis(self.number(name))
    }

    /// A flag property.
    #[must_use]
    pub fn flag(&self, name: &str) -> bool {
        self.number(name) != 0
    }

    /// A list property; a text that is set counts as a list of one.
    #[must_use]
    pub fn list(&self, name: &str) -> Vec<String> {
        match self.get(name) {
            Some(PropertyValue::List(list)) => list.clone(),
            Some(PropertyValue::Text(text)) => vec![text.clone()],
            Some(PropertyValue::Number(number)) => vec![number.to_string()],
            Some(PropertyValue::Bytes(_)) | None => Vec::new(),
        }
    }

    /// What is wrong with names, formats and ranges; with `complete`, also what is missing.
    pub(crate) fn problems(&self, open_ended: bool, complete: bool) -> Vec<Problem> {
        let mut problems = Vec::new();
        for (name, value) in self.iter() {
            let Some(property) = self.declared(name) else {
                if !open_ended {
                    let names: Vec<&str> = self.declared.iter().map(|property| property.name).collect();
                    let text = format!("unknown property {name:?}; allowed here: {}", names.join(", "));
                    problems.push(Problem::new(name, text));
                }
                continue;
            };
            let expected = match (property.format, value) {
                (Format::Text, PropertyValue::Text(_))
                | (Format::List, PropertyValue::List(_) | PropertyValue::Text(_))
                | (Format::Bytes, PropertyValue::Bytes(_)) => continue,
                (Format::Number | Format::Flag, PropertyValue::Number(number)) => {
                    let (smallest, largest) = property.range;
                    if (u64::from(smallest)..=u64::from(largest)).contains(number) {
                        continue;
                    }
                    format!("a number from {smallest} to {largest}, not {number}")
                }
                (Format::Text, PropertyValue::Number(number)) => {
                    format!("text, such as \"{number}\" in quotes")
                }
                (Format::Text, _) => "text".to_owned(),
                (Format::Number, _) => "a number".to_owned(),
                (Format::Flag, _) => "true or false".to_owned(),
                (Format::List, _) => "a list of texts".to_owned(),
                (Format::Bytes, _) => "bytes".to_owned(),
            };
            problems.push(Problem::new(name, format!("property {name:?} must be {expected}")));
        }
        if complete {
            for property in self.declared.iter().filter(|property| property.required) {
                if self.get(property.name).is_none_or(|value| value.to_text().is_empty()) {
                    let text = format!("property {:?} is required and not set", property.name);
                    problems.push(Problem::new(property.name, text));
                }
            }
        }
        problems
    }

    /// As a property list, defaults included.
    pub(crate) fn to_list(&self) -> PropertyList {
        let mut list: Vec<abi::Property> = Vec::new();
        for property in self.declared {
            let value = match property.format {
                Format::Text => Value::Sz(self.text(property.name)),
                Format::Number | Format::Flag => Value::Dword(self.number(property.name) as u32),
                Format::List => Value::MultiSz(self.list(property.name)),
                Format::Bytes => match self.get(property.name) {
                    Some(PropertyValue::Bytes(bytes)) => Value::Binary(bytes.clone()),
                    Some(_) | None => Value::Binary(Vec::new()),
                },
            };
            list.push(abi::Property::new(property.name, value));
        }
        for (name, value) in self.iter().filter(|(name, _)| self.declared(name).is_none()) {
            let value = match value {
                PropertyValue::Text(text) => Value::Sz(text.clone()),
                PropertyValue::Number(number) => Value::ULargeInteger(*number),
                PropertyValue::List(list) => Value::MultiSz(list.clone()),
                PropertyValue::Bytes(bytes) => Value::Binary(bytes.clone()),
            };
            list.push(abi::Property::new(name, value));
        }
        PropertyList(list)
    }
}
