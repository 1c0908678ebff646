//! What a monitor and its children print: the last of it kept for evidence, all of it in a log file of bounded size,
//! and never so slowly that the printer waits for ever.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::contain;
use crate::stamp::Stamps;

/// A log file longer than this is moved aside; there are at most two.
pub(crate) const LONGEST_LOG: u64 = 1 << 20;

/// So much of the last output is kept as evidence.
const TAIL: usize = 64 << 10;

/// At most this much is written to the log between two rests; the rest is counted.
const BURST: usize = 1 << 20;

/// A monitor's output.
pub(crate) struct Output {
    pipe: OwnedFd,
    tail: VecDeque<u8>,
    path: PathBuf,
    file: Option<File>,
    written: u64,
    burst: usize,
    dropped: u64,
    stamps: Stamps,
}

impl Output {
    pub(crate) fn new(pipe: OwnedFd, path: PathBuf) -> Self {
        let file = contain::log_file(&path).ok();
        let written = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len());
        Output {
            pipe,
            tail: VecDeque::new(),
            path,
            file,
            written,
            burst: 0,
            dropped: 0,
            stamps: Stamps::new(),
        }
    }

    pub(crate) const fn pipe(&self) -> &OwnedFd {
        &self.pipe
    }

    /// Takes in what there is, at most a few pages at a time. False at the end.
    pub(crate) fn drain(&mut self) -> bool {
        let mut buffer = [0; 16 << 10];
        for _ in 0..8 {
            match rustix::io::read(&self.pipe, &mut buffer) {
                Ok(0) => return false,
                Ok(count) => self.take(&buffer[..count]),
                Err(_) => return true,
            }
        }
        true
    }

    fn take(&mut self, bytes: &[u8]) {
        self.tail.extend(bytes);
        let over = self.tail.len().saturating_sub(TAIL);
        self.tail.drain(..over);
        self.burst += bytes.len();
        if self.burst > BURST {
            self.dropped += bytes.len() as u64;
            return;
        }
        let stamped = self.stamps.before(bytes);
        self.burst += stamped.len() - bytes.len();
        let bytes = stamped;
        self.written += bytes.len() as u64;
        if self.written > LONGEST_LOG {
            self.file = contain::log_file(&self.path).ok();
            self.written = bytes.len() as u64;
        }
        // A full disk costs the log, not the group.
        if let Some(file) = &mut self.file {
            let _ = file.write_all(&bytes);
        }
    }

    /// Called about once a second: the next burst may be written.
    pub(crate) fn rest(&mut self) {
        self.burst = 0;
        if self.dropped > 0 {
            let line = format!("\n[stead: {} bytes of output were dropped]\n", self.dropped);
            self.dropped = 0;
            self.take(line.as_bytes());
        }
    }

    /// The last output, as much of it as fits into a message: control characters are dots, and what is longer when it
    /// is written in a message counts as long as it is there.
    pub(crate) fn tail(&mut self) -> String {
        let text = String::from_utf8_lossy(self.tail.make_contiguous());
        let mut room = TAIL;
        let fits = |c: &char| {
            let length = if matches!(c, '"' | '\\' | '\n' | '\t') { 2 } else { c.len_utf8() };
            room = room.saturating_sub(length);
            room > 0
        };
        let shown = |c: char| if c.is_control() && c != '\n' && c != '\t' { '.' } else { c };
        let last: Vec<char> = text.chars().rev().map(shown).take_while(fits).collect();
        last.into_iter().rev().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tail_of(bytes: &[u8]) -> String {
        let (pipe, _) = rustix::pipe::pipe().unwrap();
        let folder = std::env::temp_dir().join(format!("stead-output-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        let mut output = Output::new(pipe, folder.join("log"));
        output.take(bytes);
        std::fs::remove_dir_all(&folder).unwrap();
        output.tail()
    }

    #[test]
    fn the_tail_fits_into_a_message_whatever_was_printed() {
        assert_eq!(tail_of(b"one\ntwo \"three\"\n"), "one\ntwo \"three\"\n");
        for byte in [0, 0xFF, b'"', b'\\', b'x', 0x1B] {
            let tail = tail_of(&vec![byte; 3 * TAIL]);
            assert!(!tail.is_empty());
            let quotes = tail.matches(['"', '\\', '\n', '\t']).count();
            assert!(tail.len() + quotes <= TAIL, "{byte}: {} bytes", tail.len());
            assert!(!tail.contains('\0') && !tail.contains('\u{1b}'));
        }
        let cut = tail_of("ä".repeat(TAIL).as_bytes());
        assert!(cut.ends_with("ä") && cut.len() > TAIL / 2);
    }
}
