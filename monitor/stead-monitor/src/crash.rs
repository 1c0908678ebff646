//! The last breath of a monitor: which thread crashed, written on the board before the signal ends the process.
#![allow(unsafe_code, reason = "a signal handler")]

use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::sync::atomic::{AtomicI32, Ordering};

use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use stead_monitor_protocol::{Board, Fault};

/// The board's descriptor; it is never closed.
static BOARD: AtomicI32 = AtomicI32::new(-1);

/// Signals that code raises by being wrong.
const CRASHES: [Signal; 5] =
    [Signal::SIGSEGV, Signal::SIGBUS, Signal::SIGILL, Signal::SIGFPE, Signal::SIGABRT];

extern "C" fn crashed(signal: i32) {
    let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
    let bytes = Board::fault_bytes(Fault { thread, signal: signal.unsigned_abs() });
    // SAFETY: the descriptor was leaked when the handler was installed, so it is open as long as the process lives.
    let board = unsafe { BorrowedFd::borrow_raw(BOARD.load(Ordering::Relaxed)) };
    let _ = rustix::io::pwrite(board, &bytes, 0);
    // The handler was installed for one time: now the signal does what it does by default.
    if let Ok(signal) = Signal::try_from(signal) {
        let _ = raise(signal);
    }
}

/// Notes crashes on this board from now on.
///
/// # Errors
/// When the process is out of descriptors or the system refuses a handler.
pub(crate) fn note_on(board: &Board) -> io::Result<()> {
    let fd = board.try_clone()?;
    BOARD.store(fd.as_fd().as_raw_fd(), Ordering::Relaxed);
    std::mem::forget(fd);
    let flags = SaFlags::SA_ONSTACK | SaFlags::SA_RESETHAND | SaFlags::SA_NODEFER;
    let action = SigAction::new(SigHandler::Handler(crashed), flags, SigSet::empty());
    for signal in CRASHES {
        // SAFETY: the handler makes three system calls and touches one atomic, which is all that a signal handler may do.
        unsafe { sigaction(signal, &action) }?;
    }
    Ok(())
}
