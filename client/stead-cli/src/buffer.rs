//! `--in-buffer TYPE=…`: bytes for the resources of a type, given as digits, as a file or as text.

use std::collections::BTreeMap;

use crate::client::Trouble;
use crate::exit::Exit;

const WAYS: &str = "write TYPE=hex:00ff, TYPE=@FILE or TYPE=TEXT";

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The bytes of one value, in hexadecimal.
fn value(text: &str) -> Result<String, String> {
    if let Some(digits) = text.strip_prefix("hex:") {
        let even = digits.len().is_multiple_of(2) && !digits.is_empty();
        if !even || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(format!("{digits:?} is not hexadecimal, two digits a byte"));
        }
        return Ok(digits.to_ascii_lowercase());
    }
    if let Some(path) = text.strip_prefix('@') {
        return std::fs::read(path).map(|bytes| hex(&bytes)).map_err(|error| format!("{path}: {error}"));
    }
    if text.is_empty() { Err(WAYS.to_owned()) } else { Ok(hex(text.as_bytes())) }
}

/// What was given, by resource type, in hexadecimal as the node wants it.
pub(crate) fn read(given: &[String]) -> Result<BTreeMap<String, String>, Trouble> {
    let mut buffers: BTreeMap<String, String> = BTreeMap::new();
    for one in given {
        let wrong =
            |text: String| Trouble { exit: Exit::Usage, text: format!("--in-buffer {one:?}: {text}") };
        let (name, text) =
            one.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or_else(|| wrong(WAYS.to_owned()))?;
        if buffers.keys().any(|known| known.eq_ignore_ascii_case(name)) {
            return Err(wrong(format!("resource type {name:?} has one already; a type gets one buffer")));
        }
        buffers.insert(name.to_owned(), value(text).map_err(wrong)?);
    }
    Ok(buffers)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(given: &str) -> Result<String, String> {
        let read = read(&[given.to_owned()]).map_err(|trouble| trouble.text)?;
        Ok(read.into_iter().map(|(name, bytes)| format!("{name}={bytes}")).collect())
    }

    #[test]
    fn digits_files_and_text_are_bytes() {
        assert_eq!(one("Virtual Machine=hex:04000000").unwrap(), "Virtual Machine=04000000");
        assert_eq!(one("T=hex:0aFF").unwrap(), "T=0aff");
        assert_eq!(one("T=04").unwrap(), "T=3034", "text, whatever it looks like");
        assert_eq!(one("T=a=b").unwrap(), "T=613d62");
        assert_eq!(one("T=é").unwrap(), "T=c3a9");
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("buffer");
        std::fs::write(&path, [0, 255]).unwrap();
        assert_eq!(one(&format!("T=@{}", path.display())).unwrap(), "T=00ff");
        std::fs::write(&path, []).unwrap();
        assert_eq!(one(&format!("T=@{}", path.display())).unwrap(), "T=");
    }

    #[test]
    fn what_is_wrong_is_said_with_what_would_be_right() {
        for (given, says) in [
            ("T", "TYPE=@FILE"),
            ("=hex:00", "TYPE=@FILE"),
            ("T=", "TYPE=@FILE"),
            ("T=hex:", "two digits"),
            ("T=hex:0", "two digits"),
            ("T=hex:0g", "two digits"),
            ("T=@/nowhere/at/all", "/nowhere/at/all: No such file"),
        ] {
            let said = one(given).unwrap_err();
            assert!(said.contains(says) && said.contains("--in-buffer"), "{given}: {said}");
        }
        let twice = read(&["T=a".to_owned(), "t=b".to_owned()]).unwrap_err();
        assert_eq!(twice.exit, Exit::Usage);
        assert!(twice.text.contains("one already"), "{}", twice.text);
    }
}
