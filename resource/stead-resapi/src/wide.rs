//! UTF-16 strings as they cross the interface.

/// The longest string read from a raw pointer, in code units. A longer one is cut.
pub const LONGEST_STRING: usize = 32_767;

/// A NUL-terminated UTF-16 copy of `text`.
#[must_use]
pub fn to_wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The text in `units` up to the first NUL. What is not UTF-16 becomes U+FFFD.
#[must_use]
pub fn from_wide(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).unwrap_or(units.len());
    String::from_utf16_lossy(&units[..end])
}

/// The units of a NUL-terminated string without the NUL; `None` for null. At most [`LONGEST_STRING`] units are read.
///
/// # Safety
/// `string` must be null or readable up to its NUL or for [`LONGEST_STRING`] units. It may be misaligned.
#[must_use]
pub unsafe fn wide_units(string: *const u16) -> Option<Vec<u16>> {
    if string.is_null() {
        return None;
    }
    let mut units = Vec::new();
    while units.len() < LONGEST_STRING {
        // SAFETY: the caller guarantees that the string is readable up to its NUL or this many units.
        let unit = unsafe { string.add(units.len()).read_unaligned() };
        if unit == 0 {
            break;
        }
        units.push(unit);
    }
    Some(units)
}

/// The text a NUL-terminated string pointer stands for; `None` for null. What is not UTF-16 becomes U+FFFD.
///
/// # Safety
/// As [`wide_units`].
#[must_use]
pub unsafe fn wide_string(string: *const u16) -> Option<String> {
    // SAFETY: as the caller guarantees.
    unsafe { wide_units(string) }.map(|units| String::from_utf16_lossy(&units))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn strings_round_trip() {
        let wide = to_wide("Käse 🧀");
        assert_eq!(wide.last(), Some(&0));
        assert_eq!(from_wide(&wide), "Käse 🧀");
        // SAFETY: `wide` is NUL-terminated.
        assert_eq!(unsafe { wide_string(wide.as_ptr()) }.as_deref(), Some("Käse 🧀"));
        // SAFETY: null is allowed.
        assert_eq!(unsafe { wide_string(std::ptr::null()) }, None);
        assert_eq!(from_wide(&[0xD800, 0]), "\u{FFFD}");
    }
}
