//! The small part of the system that portable resource DLLs ask for by Windows' names, and what of libc this library
//! calls itself.

use std::ffi::{c_int, c_long, c_void};
use std::io::Error;
use std::time::{Duration, Instant};

/// `INFINITE`.
pub(crate) const INFINITE: u32 = u32::MAX;
/// `POLLIN`.
const READABLE: i16 = 1;
/// `POLLNVAL`.
const INVALID: i16 = 0x20;
/// `CLOCK_BOOTTIME`.
const CLOCK_BOOTTIME: c_int = 7;
/// `EINTR`.
const INTERRUPTED: i32 = 4;
/// `EFD_CLOEXEC | EFD_NONBLOCK`.
const EVENT_FLAGS: c_int = 0o2_000_000 | 0o4000;

#[repr(C)]
struct PollFd {
    fd: c_int,
    events: i16,
    revents: i16,
}

#[repr(C)]
#[derive(Default)]
struct TimeSpec {
    seconds: c_long,
    nanoseconds: c_long,
}

unsafe extern "C" {
    fn poll(fds: *mut PollFd, count: u64, timeout: c_int) -> c_int;
    fn clock_gettime(clock: c_int, time: *mut TimeSpec) -> c_int;
    fn gettid() -> c_int;
    fn eventfd(initial: u32, flags: c_int) -> c_int;
    fn syscall(number: c_long, ...) -> c_long;
}

/// `pidfd_open` and `pidfd_send_signal` have these numbers on every 64-bit Linux.
const PIDFD_OPEN: c_long = 434;
const PIDFD_SEND_SIGNAL: c_long = 424;

/// A new event descriptor, not blocking.
///
/// # Errors
/// Why the system gave none.
pub(crate) fn event(signalled: bool) -> Result<c_int, Error> {
    // SAFETY: it takes numbers.
    let fd = unsafe { eventfd(u32::from(signalled), EVENT_FLAGS) };
    if fd < 0 { Err(Error::last_os_error()) } else { Ok(fd) }
}

/// A descriptor of a process.
///
/// # Errors
/// That there is none, or why the system gave none.
pub(crate) fn process(pid: u32) -> Result<c_int, Error> {
    // SAFETY: it takes numbers.
    let fd = unsafe { syscall(PIDFD_OPEN, pid as c_int, 0) };
    if fd < 0 { Err(Error::last_os_error()) } else { Ok(fd as c_int) }
}

/// Kills the process of a descriptor.
///
/// # Errors
/// Why not.
pub(crate) fn kill(process: c_int) -> Result<(), Error> {
    const KILL: c_int = 9;
    // SAFETY: it takes numbers, and no information is given with the signal.
    let result = unsafe { syscall(PIDFD_SEND_SIGNAL, process, KILL, std::ptr::null::<c_void>(), 0) };
    if result < 0 { Err(Error::last_os_error()) } else { Ok(()) }
}

/// How waiting for a descriptor ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Waited {
    Readable,
    TimedOut,
    /// It is no open descriptor.
    Invalid,
}

/// When a time in milliseconds is over; `None` is never.
pub(crate) fn deadline(milliseconds: u32) -> Option<Instant> {
    (milliseconds != INFINITE).then(|| Instant::now() + Duration::from_millis(milliseconds.into()))
}

/// Waits until a descriptor is readable.
pub(crate) fn wait(fd: c_int, until: Option<Instant>) -> Waited {
    wait_any(&[fd], until)
}

/// Waits until one of some descriptors is readable. One that is not open is told before any other.
pub(crate) fn wait_any(fds: &[c_int], until: Option<Instant>) -> Waited {
    let mut asked: Vec<PollFd> =
        fds.iter().map(|fd| PollFd { fd: *fd, events: READABLE, revents: 0 }).collect();
    loop {
        let left = until.map(|until| until.saturating_duration_since(Instant::now()));
        let left = left.map_or(-1, |left| left.as_micros().div_ceil(1000).min(i32::MAX as u128) as c_int);
        // SAFETY: as many structures as said.
        let ready = unsafe { poll(asked.as_mut_ptr(), asked.len() as u64, left) };
        match ready {
            0 if left < c_int::MAX => return Waited::TimedOut,
            0 => {}
            1.. if asked.iter().any(|asked| asked.revents & INVALID != 0) => return Waited::Invalid,
            1.. => return Waited::Readable,
            _ if Error::last_os_error().raw_os_error() == Some(INTERRUPTED) => {}
            _ => return Waited::Invalid,
        }
    }
}

fn since_start() -> u64 {
    let mut time = TimeSpec::default();
    // SAFETY: the clock exists and the structure is writable.
    unsafe { clock_gettime(CLOCK_BOOTTIME, &raw mut time) };
    time.seconds as u64 * 1000 + time.nanoseconds as u64 / 1_000_000
}

/// Milliseconds since the machine started, sleep included.
///
/// Windows: sysinfoapi/nf-sysinfoapi-gettickcount64
#[unsafe(no_mangle)]
pub extern "C" fn GetTickCount64() -> u64 {
    since_start()
}

/// As `GetTickCount64`, begins again at 0 after 49.7 days.
///
/// Windows: sysinfoapi/nf-sysinfoapi-gettickcount
#[unsafe(no_mangle)]
pub extern "C" fn GetTickCount() -> u32 {
    since_start() as u32
}

/// The number of the calling thread.
///
/// Windows: processthreadsapi/nf-processthreadsapi-getcurrentthreadid
#[unsafe(no_mangle)]
pub extern "C" fn GetCurrentThreadId() -> u32 {
    // SAFETY: it takes nothing.
    (unsafe { gettid() }) as u32
}

/// The number of the calling process, in its namespace.
///
/// Windows: processthreadsapi/nf-processthreadsapi-getcurrentprocessid
#[unsafe(no_mangle)]
pub extern "C" fn GetCurrentProcessId() -> u32 {
    std::process::id()
}

/// Lets the calling thread rest for so many milliseconds; `INFINITE` is for ever.
///
/// Windows: synchapi/nf-synchapi-sleep
#[unsafe(no_mangle)]
pub extern "C" fn Sleep(milliseconds: u32) {
    if milliseconds == INFINITE {
        loop {
            std::thread::park();
        }
    }
    std::thread::sleep(Duration::from_millis(milliseconds.into()));
}
