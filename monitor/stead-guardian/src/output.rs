//! What a monitor and its children print: the last of it kept for evidence, all of it in a log file of bounded size,
//! and never so slowly that the printer waits for ever.

use std::collections::VecDeque;
use std::fs::File;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

use crate::contain;

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
}

impl Output {
    pub(crate) fn new(pipe: OwnedFd, path: PathBuf) -> Self {
        let file = contain::log_file(&path).ok();
        let written = file.as_ref().and_then(|file| file.metadata().ok()).map_or(0, |file| file.len());
        Output { pipe, tail: VecDeque::new(), path, file, written, burst: 0, dropped: 0 }
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
        self.written += bytes.len() as u64;
        if self.written > LONGEST_LOG {
            self.file = contain::log_file(&self.path).ok();
            self.written = bytes.len() as u64;
        }
        // A full disk costs the log, not the group.
        if let Some(file) = &mut self.file {
            let _ = file.write_all(bytes);
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

    /// The last output, not cut inside a character.
    pub(crate) fn tail(&mut self) -> String {
        let bytes = self.tail.make_contiguous();
        let begin = bytes.iter().take(4).position(|byte| byte & 0xC0 != 0x80).unwrap_or(0);
        String::from_utf8_lossy(&bytes[begin..]).into_owned()
    }
}
