//! How the words of `stead-types`, which know nothing of serialisation, are written in messages.

use std::fmt;

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use stead_types::{PropertyMap, PropertyValue};

/// Anything with `Display` and `FromStr`: names and states.
pub(crate) mod word {
    use super::{Deserialize, Deserializer, Error, Serializer, fmt};

    pub(crate) fn serialize<T: fmt::Display, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(value)
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<T, D::Error>
    where
        T: std::str::FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        String::deserialize(from)?.parse().map_err(D::Error::custom)
    }
}

/// As [`word`], where there may be none.
pub(crate) mod optional_word {
    use super::{Deserialize, Deserializer, Error, Serializer, fmt};

    pub(crate) fn serialize<T: fmt::Display, S: Serializer>(
        value: &Option<T>,
        to: S,
    ) -> Result<S::Ok, S::Error> {
        match value {
            Some(value) => to.collect_str(value),
            None => to.serialize_none(),
        }
    }

    pub(crate) fn deserialize<'de, T, D>(from: D) -> Result<Option<T>, D::Error>
    where
        T: std::str::FromStr<Err: fmt::Display>,
        D: Deserializer<'de>,
    {
        match Option::<String>::deserialize(from)? {
            Some(text) => text.parse().map(Some).map_err(D::Error::custom),
            None => Ok(None),
        }
    }
}

/// Codes and flag words, as their number.
pub(crate) mod number {
    use super::{Deserialize, Deserializer, Serializer};
    use stead_types::{Code, OfflineFlags, OfflineReason, OnlineFlags, OpenFlags, StatusFlags};

    pub(crate) trait Number: Sized + Copy {
        fn get(self) -> u32;
        fn make(number: u32) -> Self;
    }

    macro_rules! numbers {
        ($($name:ty: $get:expr, $make:expr;)+) => {$(
            impl Number for $name {
                fn get(self) -> u32 {
                    let get: fn($name) -> u32 = $get;
                    get(self)
                }
                fn make(number: u32) -> Self {
                    let make: fn(u32) -> $name = $make;
                    make(number)
                }
            }
        )+};
    }

    numbers! {
        Code: |code| code.0, Code;
        OpenFlags: OpenFlags::bits, OpenFlags::from_bits;
        OnlineFlags: OnlineFlags::bits, OnlineFlags::from_bits;
        OfflineFlags: OfflineFlags::bits, OfflineFlags::from_bits;
        OfflineReason: OfflineReason::bits, OfflineReason::from_bits;
        StatusFlags: StatusFlags::bits, StatusFlags::from_bits;
    }

    pub(crate) fn serialize<T: Number, S: Serializer>(value: &T, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u32(value.get())
    }

    pub(crate) fn deserialize<'de, T: Number, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
        u32::deserialize(from).map(T::make)
    }
}

/// Bytes, written in hexadecimal.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Hex(pub Vec<u8>);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hex({self})")
    }
}

impl std::str::FromStr for Hex {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digit = |byte: u8| match byte {
            b'0'..=b'9' => Ok(byte - b'0'),
            b'a'..=b'f' => Ok(byte - b'a' + 10),
            b'A'..=b'F' => Ok(byte - b'A' + 10),
            _ => Err("only hexadecimal digits may stand here"),
        };
        let (pairs, rest) = text.as_bytes().as_chunks::<2>();
        if !rest.is_empty() {
            return Err("an even number of hexadecimal digits must stand here");
        }
        pairs
            .iter()
            .map(|[high, low]| Ok(digit(*high)? << 4 | digit(*low)?))
            .collect::<Result<_, _>>()
            .map(Hex)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hex {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(|_| D::Error::invalid_value(Unexpected::Str(&text), &"hexadecimal digits"))
    }
}

/// Private properties on the wire: numbers, texts and lists as JSON's own, bytes as `{"hex": "…"}`.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct Properties(pub PropertyMap);

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum Value {
    Number(i64),
    Large(u64),
    Text(String),
    List(Vec<String>),
    Bytes { hex: Hex },
}

impl Serialize for Properties {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_map(self.0.iter().map(|(name, value)| {
            let value = match value {
                PropertyValue::Number(number) => match (i64::try_from(*number), u64::try_from(*number)) {
                    (Ok(number), _) => Value::Number(number),
                    (Err(_), Ok(number)) => Value::Large(number),
                    (Err(_), Err(_)) => Value::Text(number.to_string()),
                },
                PropertyValue::Text(text) => Value::Text(text.clone()),
                PropertyValue::List(list) => Value::List(list.clone()),
                PropertyValue::Bytes(bytes) => Value::Bytes { hex: Hex(bytes.clone()) },
            };
            (name, value)
        }))
    }
}

impl<'de> Deserialize<'de> for Properties {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let map = std::collections::BTreeMap::<String, Value>::deserialize(from)?;
        Ok(Properties(
            map.into_iter()
                .map(|(name, value)| {
                    let value = match value {
                        Value::Number(number) => PropertyValue::Number(number.into()),
                        Value::Large(number) => PropertyValue::Number(number.into()),
                        Value::Text(text) => PropertyValue::Text(text),
                        Value::List(list) => PropertyValue::List(list),
                        Value::Bytes { hex } => PropertyValue::Bytes(hex.0),
                    };
                    (name, value)
                })
                .collect(),
        ))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn properties_round_trip() {
        let map = PropertyMap::from([
            ("Big".to_owned(), PropertyValue::Number(i128::from(u64::MAX))),
            ("Bytes".to_owned(), PropertyValue::Bytes(vec![0, 255])),
            ("Hosts".to_owned(), PropertyValue::List(vec!["a".to_owned()])),
            ("Negative".to_owned(), PropertyValue::Number(-1)),
            ("Path".to_owned(), PropertyValue::Text("/x".to_owned())),
        ]);
        let text = serde_json::to_string(&Properties(map.clone())).unwrap();
        assert_eq!(
            text,
            r#"{"Big":18446744073709551615,"Bytes":{"hex":"00ff"},"Hosts":["a"],"Negative":-1,"Path":"/x"}"#
        );
        assert_eq!(serde_json::from_str::<Properties>(&text).unwrap().0, map);
        assert!(serde_json::from_str::<Hex>("\"0g\"").is_err());
        assert!(serde_json::from_str::<Hex>("\"012\"").is_err());
    }
}
