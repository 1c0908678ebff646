use std::fs::File;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rustix::fs::{MemfdFlags, memfd_create};
use stead_types::Time;

use crate::monitor::InstanceId;

/// One call into a resource DLL that is in progress.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CallRecord {
    /// The instance called.
    pub instance: InstanceId,
    /// When the call began.
    pub since: Time,
    /// When it must have returned.
    pub deadline: Time,
    /// The entry point, one of [`Board::ENTRIES`].
    pub entry: &'static str,
    /// The thread inside the call, as the monitor's own kernel number.
    pub thread: u32,
}

/// What a crashing monitor wrote with its last breath.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The thread that crashed.
    pub thread: u32,
    /// The signal.
    pub signal: u32,
}

/// Where a Resource Monitor writes its calls in progress and its warden reads them, also when the monitor is
/// stopped, spins or is dead: an anonymous file of fixed records, read and written by position.
///
/// Layout, native byte order: one header of 40 bytes (u32 crashed thread, u32 signal, u32 exit status and one, rest
/// zero), then one record
/// of 40 bytes a worker thread: u64 instance, u64 since, u64 deadline (0: no call), u32 entry, u32 thread, u64 check.
#[derive(Debug)]
pub struct Board(File);

const RECORD: u64 = 40;
const FAREWELL: u64 = 8;
const MARK: u64 = 0x7374_6561_6462_6f61;

impl Board {
    /// The entry points, in the order of their number on the board.
    pub const ENTRIES: &'static [&'static str] = &[
        "Startup",
        "Open",
        "Close",
        "Online",
        "Offline",
        "Terminate",
        "LooksAlive",
        "IsAlive",
        "Cancel",
        "ResourceControl",
        "ResourceTypeControl",
    ];

    /// An empty board.
    ///
    /// # Errors
    /// When the system is out of memory or descriptors.
    pub fn new() -> io::Result<Board> {
        let file = File::from(memfd_create("stead-board", MemfdFlags::CLOEXEC)?);
        file.write_all_at(&[0; RECORD as usize], 0)?;
        Ok(Board(file))
    }

    /// Opens the board that a parent left open, by its path below `/proc/self/fd`.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(path: &Path) -> io::Result<Board> {
        File::options().read(true).write(true).open(path).map(Board)
    }

    /// Another handle on the same board.
    ///
    /// # Errors
    /// When the process is out of descriptors.
    pub fn try_clone(&self) -> io::Result<Board> {
        self.0.try_clone().map(Board)
    }

    /// Notes that worker `worker` begins a call. `entry` must be one of [`Board::ENTRIES`]; another name is
    /// noted as the first.
    ///
    /// # Errors
    /// When the board cannot grow.
    pub fn begin(&self, worker: u32, call: &CallRecord) -> io::Result<()> {
        let entry = Board::ENTRIES.iter().position(|name| *name == call.entry).unwrap_or(0) as u32;
        let mut record = [0; RECORD as usize];
        record[..8].copy_from_slice(&call.instance.0.to_ne_bytes());
        record[8..16].copy_from_slice(&call.since.as_nanos().to_ne_bytes());
        record[16..24].copy_from_slice(&call.deadline.as_nanos().max(1).to_ne_bytes());
        record[24..28].copy_from_slice(&entry.to_ne_bytes());
        record[28..32].copy_from_slice(&call.thread.to_ne_bytes());
        record[32..].copy_from_slice(&(MARK ^ call.since.as_nanos()).to_ne_bytes());
        self.0.write_all_at(&record, (u64::from(worker) + 1) * RECORD)
    }

    /// Notes that worker `worker` is back.
    ///
    /// # Errors
    /// When the board is gone.
    pub fn end(&self, worker: u32) -> io::Result<()> {
        self.0.write_all_at(&[0; RECORD as usize], (u64::from(worker) + 1) * RECORD)
    }

    /// The calls in progress.
    ///
    /// # Errors
    /// When the board is gone.
    pub fn calls(&self) -> io::Result<Vec<CallRecord>> {
        let length = self.0.metadata()?.len().min(RECORD * 65_536);
        let mut bytes = vec![0; usize::try_from(length).unwrap_or(0)];
        let got = self.0.read_at(&mut bytes, 0)?;
        let (records, _) = bytes[..got].as_chunks::<{ RECORD as usize }>();
        let word = |record: &[u8; RECORD as usize], at: usize| {
            record[at..at + 8].try_into().map_or(0, u64::from_ne_bytes)
        };
        let half = |record: &[u8; RECORD as usize], at: usize| {
            record[at..at + 4].try_into().map_or(0, u32::from_ne_bytes)
        };
        let calls = records.iter().skip(1).filter(|record| {
            // A record torn by a concurrent write, or scribbled on by a plugin, fails the check.
            word(record, 16) != 0 && word(record, 32) == MARK ^ word(record, 8)
        });
        Ok(calls
            .map(|record| CallRecord {
                instance: InstanceId(word(record, 0)),
                since: Time::from_nanos(word(record, 8)),
                deadline: Time::from_nanos(word(record, 16)),
                entry: Board::ENTRIES.get(half(record, 24) as usize).copied().unwrap_or("?"),
                thread: half(record, 28),
            })
            .collect())
    }

    /// The crash, if the monitor noted one.
    ///
    /// # Errors
    /// When the board is gone.
    pub fn fault(&self) -> io::Result<Option<Fault>> {
        let mut bytes = [0; 8];
        self.0.read_exact_at(&mut bytes, 0)?;
        let [a, b, c, d, e, f, g, h] = bytes;
        let fault =
            Fault { thread: u32::from_ne_bytes([a, b, c, d]), signal: u32::from_ne_bytes([e, f, g, h]) };
        Ok((fault.thread != 0).then_some(fault))
    }

    /// Notes that the monitor ends because it wants to, with this exit status: a resource DLL may call `exit` too.
    ///
    /// # Errors
    /// When the board is gone.
    pub fn farewell(&self, status: u8) -> io::Result<()> {
        self.0.write_all_at(&(u32::from(status) + 1).to_ne_bytes(), FAREWELL)
    }

    /// The exit status the monitor said it would end with, if it did.
    ///
    /// # Errors
    /// When the board is gone.
    pub fn said_farewell(&self) -> io::Result<Option<u8>> {
        let mut bytes = [0; 4];
        self.0.read_exact_at(&mut bytes, FAREWELL)?;
        Ok(u32::from_ne_bytes(bytes).checked_sub(1).and_then(|status| u8::try_from(status).ok()))
    }

    /// The bytes to write at offset 0 when `thread` crashes with `signal`: all that a signal handler may do.
    #[must_use]
    pub fn fault_bytes(fault: Fault) -> [u8; 8] {
        let mut bytes = [0; 8];
        bytes[..4].copy_from_slice(&fault.thread.to_ne_bytes());
        bytes[4..].copy_from_slice(&fault.signal.to_ne_bytes());
        bytes
    }
}

impl AsFd for Board {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

impl From<Board> for OwnedFd {
    fn from(board: Board) -> OwnedFd {
        board.0.into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_in_progress_are_seen_by_another_handle() {
        let board = Board::new().unwrap();
        let reader = board.try_clone().unwrap();
        let call = CallRecord {
            instance: InstanceId(9),
            since: Time::from_millis(5),
            deadline: Time::from_millis(6),
            entry: "IsAlive",
            thread: 77,
        };
        board.begin(3, &call).unwrap();
        assert_eq!(reader.calls().unwrap(), [call]);
        board.end(3).unwrap();
        assert_eq!(reader.calls().unwrap(), []);
        assert_eq!(reader.fault().unwrap(), None);
        assert_eq!(reader.said_farewell().unwrap(), None);
        board.farewell(0).unwrap();
        assert_eq!(reader.said_farewell().unwrap(), Some(0));
        let fault = Fault { thread: 77, signal: 11 };
        board.0.write_all_at(&Board::fault_bytes(fault), 0).unwrap();
        assert_eq!(reader.fault().unwrap(), Some(fault));
    }

    #[test]
    fn scribbles_are_no_calls() {
        let board = Board::new().unwrap();
        board.0.write_all_at(&[0xAB; 400], RECORD).unwrap();
        assert_eq!(board.calls().unwrap(), []);
    }
}
