//! The node's log: standard output, which is a file, moved aside when it has grown too long.

use std::fs::{self, File};
use std::io::{self, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

/// A longer log is moved aside; there are at most two.
const LONGEST: u64 = 16 << 20;

/// Writes to standard output and keeps the file behind it short.
#[derive(Debug)]
pub(crate) struct Log {
    path: PathBuf,
    written: u64,
}

impl Log {
    /// The log at `path`, which standard output writes to.
    pub(crate) fn new(path: PathBuf) -> Self {
        let written = fs::metadata(&path).map_or(0, |file| file.len());
        Log { path, written }
    }

    fn move_aside(&mut self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("log.old"))?;
        let fresh = File::options().create(true).append(true).mode(0o600).open(&self.path)?;
        rustix::stdio::dup2_stdout(&fresh)?;
        rustix::stdio::dup2_stderr(&fresh)?;
        Ok(())
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.written > LONGEST {
            // A log that cannot be moved is no reason not to write.
            let _ = self.move_aside();
            self.written = 0;
        }
        let count = stdout().write(bytes)?;
        self.written += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        stdout().flush()
    }
}

/// What a resource DLL says, as part of one line: it must not write lines that look like ours.
pub(crate) fn one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.trim_end().chars() {
        if c.is_control() { line.extend(c.escape_default()) } else { line.push(c) }
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_writes_a_line_of_ours() {
        assert_eq!(one_line("took 3 s\n"), "took 3 s");
        let forged = one_line("x\n2026-01-01T00:00:00Z ERROR node is gone\r\u{1b}[2J\u{9b}\n\n");
        assert_eq!(forged, "x\\n2026-01-01T00:00:00Z ERROR node is gone\\r\\u{1b}[2J\\u{9b}");
        assert_eq!(one_line("späte Überraschung \\n"), "späte Überraschung \\n");
    }
}
