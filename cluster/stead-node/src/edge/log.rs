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
