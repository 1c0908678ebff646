//! Names as people type them: control codes by their documented names, and the known name that was probably meant.

use crate::control::CTL_U32;

/// Whose control codes are meant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CodesOf {
    /// `CLUSCTL_RESOURCE_…`
    Resources,
    /// `CLUSCTL_RESOURCE_TYPE_…`
    ResourceTypes,
}

impl CodesOf {
    const RESOURCES: &str = "CLUSCTL_RESOURCE_";
    const TYPES: &str = "CLUSCTL_RESOURCE_TYPE_";

    /// The name without its prefix, if it is one of these.
    fn short(self, name: &'static str) -> Option<&'static str> {
        match (self, name.strip_prefix(Self::TYPES)) {
            (CodesOf::Resources, None) => name.strip_prefix(Self::RESOURCES),
            (CodesOf::ResourceTypes, short) => short,
            (CodesOf::Resources, Some(_)) => None,
        }
    }

    /// All of them, short names with their numbers, in the order of the header.
    pub fn all(self) -> impl Iterator<Item = (&'static str, u32)> {
        CTL_U32.iter().filter_map(move |(name, code)| Some((self.short(name)?, u32::try_from(*code).ok()?)))
    }
}

/// A control code from its documented name, with or without its prefix, in any case and with dashes for underscores,
/// or from its number.
///
/// # Errors
/// What could have been meant.
pub fn control_code(word: &str, of: CodesOf) -> Result<u32, String> {
    const MOST: usize = 5;
    let digits = word.strip_prefix("0x").or_else(|| word.strip_prefix("0X"));
    let number = digits.map_or_else(|| word.parse().ok(), |digits| u32::from_str_radix(digits, 16).ok());
    if let Some(number) = number {
        return Ok(number);
    }
    let name = word.to_ascii_uppercase().replace('-', "_");
    let prefix = match of {
        CodesOf::Resources => CodesOf::RESOURCES,
        CodesOf::ResourceTypes => CodesOf::TYPES,
    };
    let name = name.strip_prefix(prefix).unwrap_or(&name);
    if let Some((_, code)) = of.all().find(|(known, _)| *known == name) {
        return Ok(code);
    }
    let mut near: Vec<&str> = of.all().map(|(known, _)| known).filter(|known| known.contains(name)).collect();
    near.truncate(if name.is_empty() { 0 } else { MOST });
    if near.is_empty() {
        near.extend(nearest(name, of.all().map(|(known, _)| known)));
    }
    let guess = match near.as_slice() {
        [] => String::new(),
        [last] => format!("; did you mean {last}?"),
        [rest @ .., last] => format!("; did you mean {} or {last}?", rest.join(", ")),
    };
    Err(format!(
        "{word:?} is no control code: a documented name such as GET_CHARACTERISTICS, or a number of 32 bits such as \
         0x01000005{guess}"
    ))
}

/// The known name that differs least from `word`, whatever the case, unless more than half of it differs.
pub fn nearest<'a>(word: &str, known: impl Iterator<Item = &'a str>) -> Option<&'a str> {
    let word: Vec<u8> = word.to_ascii_lowercase().into_bytes();
    let best = known.map(|name| (distance(&word, &name.to_ascii_lowercase().into_bytes()), name)).min()?;
    (best.0 <= word.len() / 2).then_some(best.1)
}

/// How many bytes to insert, remove or exchange.
fn distance(a: &[u8], b: &[u8]) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (line, x) in a.iter().enumerate() {
        let mut corner = row[0];
        row[0] = line + 1;
        for (at, y) in b.iter().enumerate() {
            let change = corner + usize::from(x != y);
            corner = row[at + 1];
            row[at + 1] = change.min(corner + 1).min(row[at] + 1);
        }
    }
    row[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_are_known_by_name_and_number() {
        for word in ["GET_NAME", "get-name", "CLUSCTL_RESOURCE_GET_NAME", "0x01000029", "16777257"] {
            assert_eq!(control_code(word, CodesOf::Resources), Ok(0x0100_0029), "{word}");
        }
        for word in ["QUERY_DELETE", "clusctl_resource_type_query_delete"] {
            assert_eq!(control_code(word, CodesOf::ResourceTypes), Ok(0x0200_01B9), "{word}");
        }
        assert!(CodesOf::Resources.all().all(|(name, _)| !name.starts_with("TYPE_")));
    }

    #[test]
    fn a_wrong_name_brings_up_what_was_meant() {
        let said = |word: &str, of| control_code(word, of).unwrap_err();
        assert!(said("GET_NAEM", CodesOf::Resources).contains("did you mean GET_NAME?"));
        assert!(said("DEPENDENCY", CodesOf::Resources).contains("ADD_DEPENDENCY or REMOVE_DEPENDENCY?"));
        assert!(!said("xyzzy", CodesOf::Resources).contains("did you mean"));
        assert!(!said("", CodesOf::Resources).contains("did you mean"));
        assert!(said("0x100000000", CodesOf::Resources).contains("32 bits"));
        assert!(said("GET_NAME", CodesOf::ResourceTypes).contains("is no control code"), "types have none");
    }
}
