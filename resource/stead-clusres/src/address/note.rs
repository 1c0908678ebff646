//! What the note of an address says.

use std::fs;
use std::io;
use std::net::IpAddr;
use std::os::unix::fs::MetadataExt;

use crate::note::{self, Note, Refused};

/// The folder of notes about addresses.
const KIND: &str = "addresses";

/// What a note says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Text {
    pub(super) resource: String,
    pub(super) address: IpAddr,
    pub(super) prefix: u8,
    /// The number of the interface.
    pub(super) index: u32,
    /// The kernel keeps our mark with the address: one without it is not ours.
    pub(super) marked: bool,
}

impl Text {
    pub(super) fn write(&self) -> String {
        format!("{} {} {} {}\n{}\n", self.address, self.prefix, self.index, self.marked, self.resource)
    }

    pub(super) fn read(text: &str) -> Option<Text> {
        let (first, resource) = text.split_once('\n')?;
        let mut words = first.split(' ');
        Some(Text {
            address: words.next()?.parse().ok()?,
            prefix: words.next()?.parse().ok()?,
            index: words.next()?.parse().ok()?,
            marked: words.next()?.parse().ok()?,
            resource: resource.trim_end_matches('\n').to_owned(),
        })
    }
}

/// Addresses belong to a network namespace; its number begins the names of its notes.
fn prefix() -> io::Result<String> {
    Ok(format!("{}-", fs::metadata("/proc/self/ns/net")?.ino()))
}

/// Takes the note of an address. A note of before comes back, if a monitor that died has left one.
pub(super) fn take(address: IpAddr) -> Result<(Note, Option<Text>), Refused> {
    let name = format!("{}{address}", prefix().map_err(Refused::Failed)?);
    let (note, before) = Note::take(KIND, &name)?;
    Ok((note, Text::read(&before)))
}

/// The notes of monitors that are gone, of this network.
pub(super) fn orphans() -> io::Result<Vec<(Note, Option<Text>)>> {
    let prefix = prefix()?;
    let found = note::orphans(KIND, |name, _| name.starts_with(&prefix))?;
    // What cannot be read was not written to its end: the address was not configured then.
    Ok(found.into_iter().map(|(note, text)| (note, Text::read(&text))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_was_written() {
        let text = Text {
            resource: "web ip".to_owned(),
            address: "fd00::5".parse().unwrap(),
            prefix: 64,
            index: 3,
            marked: true,
        };
        assert_eq!(Text::read(&text.write()), Some(text.clone()));
        let whole = text.write();
        assert_eq!(Text::read(&whole[..whole.len() / 3]), None);
        assert_eq!(Text::read(""), None);
    }
}
