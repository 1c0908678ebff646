//! The time before each line of a log, so that logs can be read side by side. No decision depends on it.

use std::fmt::Arguments;
use std::io::{self, Write};
use std::time::SystemTime;

/// Now, as `stead-node` writes it in its log.
fn now() -> impl std::fmt::Display {
    humantime::format_rfc3339_micros(SystemTime::now())
}

/// Writes a line to standard error, which is the log. One that cannot be written, as on a full disk, is lost: nothing that
/// runs may end for it.
pub(crate) fn say(text: Arguments<'_>) {
    let _ = writeln!(io::stderr(), "{} {text}", now());
}

/// Puts the time before each line of what comes in pieces.
#[derive(Debug)]
pub(crate) struct Stamps {
    /// The next byte begins a line.
    begins: bool,
}

impl Stamps {
    pub(crate) const fn new() -> Self {
        Stamps { begins: true }
    }

    /// The bytes, with what belongs before them.
    pub(crate) fn before(&mut self, bytes: &[u8]) -> Vec<u8> {
        let stamp = format!("{} ", now());
        let mut out = Vec::with_capacity(bytes.len() + stamp.len());
        for line in bytes.split_inclusive(|byte| *byte == b'\n') {
            if self.begins {
                out.extend(stamp.as_bytes());
            }
            out.extend(line);
            self.begins = line.ends_with(b"\n");
        }
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_has_a_time_and_no_line_two() {
        let mut stamps = Stamps::new();
        let mut all = Vec::new();
        for piece in ["a\nb", "c\n", "\nd"] {
            all.extend(stamps.before(piece.as_bytes()));
        }
        let text = String::from_utf8(all).unwrap();
        let lines: Vec<(&str, &str)> = text.lines().map(|line| line.split_once(' ').unwrap()).collect();
        assert_eq!(lines.iter().map(|(_, text)| *text).collect::<Vec<_>>(), ["a", "bc", "", "d"]);
        assert!(lines.iter().all(|(stamp, _)| stamp.len() == "2026-01-01T00:00:00.000000Z".len()), "{text}");
    }
}
