//! The node's log: standard output, which is a file, moved aside when it has grown too long.
//!
//! It is written on a thread of its own: a disk may stall for longer than a lease lasts, and what the node does must not
//! wait for it.

use std::fs::{self, File};
use std::io::{self, Write, stdout};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, SyncSender, TrySendError, channel, sync_channel};
use std::time::Duration;

/// A longer log is moved aside; there are at most two.
const LONGEST: u64 = 16 << 20;

/// So many lines wait for the disk; more are lost.
const MOST_WAITING: usize = 1_024;

/// So long the end of the process waits for its last lines.
const LAST_WORDS: Duration = Duration::from_secs(1);

enum Job {
    Line(Vec<u8>),
    /// Everything before this has been written.
    Written(Sender<()>),
}

/// The way to the log.
#[derive(Clone, Debug)]
pub(crate) struct Log {
    jobs: SyncSender<Job>,
    lost: u64,
}

impl Log {
    /// The log at `path`, which standard output writes to.
    ///
    /// # Errors
    /// When the system gives no thread.
    pub(crate) fn start(path: PathBuf) -> io::Result<Self> {
        let written = fs::metadata(&path).map_or(0, |file| file.len());
        Log::with(Output { path, written })
    }

    fn with(output: impl Write + Send + 'static) -> io::Result<Self> {
        let (jobs, todo) = sync_channel(MOST_WAITING);
        std::thread::Builder::new().name("log".to_owned()).spawn(move || work(output, &todo))?;
        Ok(Log { jobs, lost: 0 })
    }

    /// Waits until what was said is written, but not for a disk that does not answer.
    pub(crate) fn flush_soon(&self) {
        let (written, done) = channel();
        if self.jobs.try_send(Job::Written(written)).is_ok() {
            let _ = done.recv_timeout(LAST_WORDS);
        }
    }
}

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut line = Vec::with_capacity(bytes.len());
        if self.lost != 0 {
            line.extend(
                format!("{} lines are lost: the disk of this log did not answer\n", self.lost).into_bytes(),
            );
        }
        line.extend(bytes);
        match self.jobs.try_send(Job::Line(line)) {
            Ok(()) => self.lost = 0,
            Err(TrySendError::Full(_) | TrySendError::Disconnected(_)) => self.lost += 1,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn work(mut output: impl Write, todo: &Receiver<Job>) {
    for job in todo {
        match job {
            // A line that cannot be written is lost, and nothing else.
            Job::Line(line) => drop(output.write_all(&line).and_then(|()| output.flush())),
            Job::Written(done) => drop(done.send(())),
        }
    }
}

/// Standard output, and the file behind it.
struct Output {
    path: PathBuf,
    written: u64,
}

impl Output {
    fn move_aside(&self) -> io::Result<()> {
        fs::rename(&self.path, self.path.with_extension("log.old"))?;
        let fresh = File::options().create(true).append(true).mode(0o600).open(&self.path)?;
        rustix::stdio::dup2_stdout(&fresh)?;
        rustix::stdio::dup2_stderr(&fresh)?;
        Ok(())
    }
}

impl Write for Output {
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
    use std::sync::{Arc, Mutex};

    /// A disk that answers when it is let go on.
    struct Stalled(Receiver<()>, Arc<Mutex<Vec<u8>>>);

    impl Write for Stalled {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.lock().unwrap().extend(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn who_writes_a_line_does_not_wait_for_the_disk() {
        let (go_on, stalls) = channel();
        let file = Arc::new(Mutex::new(Vec::new()));
        let mut log = Log::with(Stalled(stalls, Arc::clone(&file))).unwrap();
        let lines = MOST_WAITING + 100;
        for number in 0..lines {
            log.write_all(format!("{number}\n").as_bytes()).unwrap();
        }
        assert!(file.lock().unwrap().is_empty());
        drop(go_on);
        let written = || file.lock().unwrap().split(|byte| *byte == b'\n').count();
        while written() < MOST_WAITING {
            std::thread::yield_now();
        }
        log.flush_soon();
        // Room again: what was lost is said.
        log.write_all(b"afterwards\n").unwrap();
        log.flush_soon();
        let text = String::from_utf8(file.lock().unwrap().clone()).unwrap();
        let kept = text.lines().filter(|line| line.parse::<usize>().is_ok()).count();
        let lost =
            format!("{} lines are lost: the disk of this log did not answer\nafterwards\n", lines - kept);
        assert!(kept >= MOST_WAITING && text.ends_with(&lost), "{kept} kept: {text}");
    }

    #[test]
    fn nobody_writes_a_line_of_ours() {
        assert_eq!(one_line("took 3 s\n"), "took 3 s");
        let forged = one_line("x\n2026-01-01T00:00:00Z ERROR node is gone\r\u{1b}[2J\u{9b}\n\n");
        assert_eq!(forged, "x\\n2026-01-01T00:00:00Z ERROR node is gone\\r\\u{1b}[2J\\u{9b}");
        assert_eq!(one_line("späte Überraschung \\n"), "späte Überraschung \\n");
    }
}
