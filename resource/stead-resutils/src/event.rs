//! Events, and waiting. An event handle is a file descriptor cast to `HANDLE`, which becomes readable when it is set:
//! it goes into a status report, into `poll` and into `WaitForSingleObject` alike.

use std::collections::HashMap;
use std::ffi::{c_int, c_void};
use std::fs::File;
use std::io::{ErrorKind, Read, Write};
use std::mem::ManuallyDrop;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use stead_resapi::{
    ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NO_SYSTEM_RESOURCES, ERROR_NOT_SUPPORTED, HANDLE,
    WAIT_TIMEOUT,
};

use crate::clusapi::SetLastError;
use crate::fence::WaitResult;
use crate::system::{self, Waited};
use crate::worker;

/// `WAIT_OBJECT_0`.
const SIGNALLED: u32 = 0;
/// `WAIT_FAILED`.
const FAILED: u32 = u32::MAX;

/// An event made here; closed with its last user.
struct Event {
    file: File,
    manual: bool,
}

/// Events made here, by descriptor.
static EVENTS: Mutex<Option<HashMap<c_int, Event>>> = Mutex::new(None);

fn events() -> MutexGuard<'static, Option<HashMap<c_int, Event>>> {
    EVENTS.lock().unwrap_or_else(PoisonError::into_inner)
}

fn descriptor(handle: HANDLE) -> Option<c_int> {
    // 0 is no handle: a null `HANDLE` means that there is none.
    c_int::try_from(handle as isize).ok().filter(|fd| *fd > 0)
}

/// True for an event descriptor, whoever made it. Nothing is written to anything else.
fn is_event(fd: c_int) -> bool {
    std::fs::read_link(format!("/proc/self/fd/{fd}"))
        .is_ok_and(|what| what.as_os_str() == "anon_inode:[eventfd]")
}

/// Does something with an event's descriptor, which stays open.
fn with<T>(fd: c_int, action: impl FnOnce(&mut &File) -> T) -> Result<T, u32> {
    let ours = events();
    if let Some(event) = ours.as_ref().and_then(|events| events.get(&fd)) {
        return Ok(action(&mut &event.file));
    }
    drop(ours);
    if !is_event(fd) {
        return Err(ERROR_INVALID_HANDLE);
    }
    // SAFETY: it was open a moment ago; it is not closed here, and a wrong number fails.
    let file = ManuallyDrop::new(unsafe { File::from_raw_fd(fd) });
    Ok(action(&mut &*file))
}

/// Takes the signal of an event; false if there was none. A descriptor that blocks is asked first.
fn take(fd: c_int) -> Result<bool, u32> {
    with(fd, |file| {
        system::wait(fd, system::deadline(0)) == Waited::Readable && file.read(&mut [0; 8]).is_ok()
    })
}

exports! {
    /// Makes an event. Null with last error 50 for a name, since events are of one process; 1450 where the system has
    /// no more. The attributes are not looked at.
    ///
    /// Windows: synchapi/nf-synchapi-createeventw
    fn CreateEventW(
        _lpEventAttributes: *const c_void,
        bManualReset: i32,
        bInitialState: i32,
        lpName: *const u16,
    ) -> HANDLE {
        if !lpName.is_null() {
            return Err(ERROR_NOT_SUPPORTED);
        }
        let made = |signalled| {
            // SAFETY: a new descriptor that nobody else has.
            system::event(signalled).map(|fd| (fd, unsafe { OwnedFd::from_raw_fd(fd) }))
        };
        let (mut fd, mut owned) = made(bInitialState != 0).map_err(|_| ERROR_NO_SYSTEM_RESOURCES)?;
        if fd == 0 {
            // Descriptor 0 would be a null handle, so a second one is made while the first takes that number.
            let (other, second) = made(bInitialState != 0).map_err(|_| ERROR_NO_SYSTEM_RESOURCES)?;
            (fd, owned) = (other, second);
        }
        let event = Event { file: File::from(owned), manual: bManualReset != 0 };
        events().get_or_insert_default().insert(fd, event);
        Ok(fd as isize as HANDLE)
    }

    /// Sets an event. Also for an `eventfd` that was not made here; false with last error 6 for anything else.
    ///
    /// Windows: synchapi/nf-synchapi-setevent
    fn SetEvent(hEvent: HANDLE) -> i32 {
        let fd = descriptor(hEvent).ok_or(ERROR_INVALID_HANDLE)?;
        match with(fd, |file| file.write(&1u64.to_ne_bytes()))? {
            Ok(_) => Ok(1),
            // It counts as far as it can and is set all the same.
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(1),
            Err(_) => Err(ERROR_INVALID_HANDLE),
        }
    }

    /// Resets an event. As `SetEvent`.
    ///
    /// Windows: synchapi/nf-synchapi-resetevent
    fn ResetEvent(hEvent: HANDLE) -> i32 {
        take(descriptor(hEvent).ok_or(ERROR_INVALID_HANDLE)?)?;
        Ok(1)
    }

    /// Closes an event of `CreateEventW`, or a worker's `hThread`, whose thread goes on. False with last error 6 for
    /// anything else: a descriptor that was not made here is closed with `close`.
    ///
    /// Windows: handleapi/nf-handleapi-closehandle
    fn CloseHandle(hObject: HANDLE) -> i32 {
        let ours = descriptor(hObject).and_then(|fd| events().as_mut()?.remove(&fd)).is_some();
        if ours || worker::close(hObject) { Ok(1) } else { Err(ERROR_INVALID_HANDLE) }
    }
}

/// True if a readable descriptor is the caller's now: an event that is not reset by hand goes to one waiter only.
fn claim(fd: c_int) -> bool {
    let automatic = events().as_ref().and_then(|events| events.get(&fd)).is_some_and(|event| !event.manual);
    // Another thread may have been faster.
    !automatic || take(fd) != Ok(false)
}

/// One of the objects that are waited for together.
struct Waitable {
    fd: c_int,
    /// Set at the end of a worker's thread, and open for that.
    _end: Option<Arc<File>>,
}

impl Waitable {
    fn new(handle: HANDLE) -> Result<Waitable, u32> {
        if let Some(fd) =
            descriptor(handle).filter(|fd| system::wait(*fd, system::deadline(0)) != Waited::Invalid)
        {
            return Ok(Waitable { fd, _end: None });
        }
        let fd = system::event(false).map_err(|_| ERROR_NO_SYSTEM_RESOURCES)?;
        // SAFETY: a new descriptor that nobody else has.
        let end = Arc::new(unsafe { File::from_raw_fd(fd) });
        if worker::tell_end(handle, &end) {
            Ok(Waitable { fd, _end: Some(end) })
        } else {
            Err(ERROR_INVALID_HANDLE)
        }
    }

    fn is_signalled(&self) -> bool {
        system::wait(self.fd, system::deadline(0)) == Waited::Readable
    }
}

/// Claims all of them, or none.
fn claim_all(objects: &[Waitable]) -> bool {
    for (at, object) in objects.iter().enumerate() {
        if !(object.is_signalled() && claim(object.fd)) {
            for taken in &objects[..at] {
                // What was not taken is set already.
                let _ = with(taken.fd, |file| file.write(&1u64.to_ne_bytes()));
            }
            return false;
        }
    }
    true
}

exports! {
    /// Waits for one or for all of up to 64 events, other descriptors and threads of workers. The answer is the index
    /// of the first that was signalled, 0 for all, or 258 after so many milliseconds; `0xFFFFFFFF` with last error 87
    /// for a wrong number of handles or null, 6 for what is no handle. Events that are not reset by hand are reset by
    /// the wait they end, and only by that. A worker never sees its own end.
    ///
    /// Windows: synchapi/nf-synchapi-waitformultipleobjects
    fn WaitForMultipleObjects(
        nCount: u32,
        lpHandles: *const HANDLE,
        bWaitAll: i32,
        dwMilliseconds: u32,
    ) -> WaitResult {
        const MOST: u32 = 64;
        if nCount == 0 || nCount > MOST || lpHandles.is_null() {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let until = system::deadline(dwMilliseconds);
        // SAFETY: as many handles as said, as the caller promises.
        let handle = |at: u32| unsafe { lpHandles.add(at as usize).read_unaligned() };
        let objects = (0..nCount).map(|at| Waitable::new(handle(at))).collect::<Result<Vec<_>, u32>>()?;
        let fds: Vec<c_int> = objects.iter().map(|object| object.fd).collect();
        loop {
            let waited = if bWaitAll == 0 {
                let first = objects.iter().position(|object| object.is_signalled() && claim(object.fd));
                if let Some(first) = first {
                    return Ok(first as u32);
                }
                system::wait_any(&fds, until)
            } else {
                if claim_all(&objects) {
                    return Ok(SIGNALLED);
                }
                let missing = objects.iter().find(|object| !object.is_signalled());
                missing.map_or(Waited::Readable, |object| system::wait(object.fd, until))
            };
            match waited {
                Waited::Readable => {}
                Waited::TimedOut => return Ok(WAIT_TIMEOUT),
                Waited::Invalid => return Err(ERROR_INVALID_HANDLE),
            }
        }
    }
}

/// Waits for an event, any other descriptor, or the end of a worker's thread. 0 when it is signalled, 258 after so
/// many milliseconds, `0xFFFFFFFF` with last error 6 for what is no handle. An event that is not reset by hand is
/// reset by the wait it ends. A worker that waits for itself is told 258 at once.
///
/// Windows: synchapi/nf-synchapi-waitforsingleobject
#[unsafe(no_mangle)]
pub extern "C" fn WaitForSingleObject(hHandle: HANDLE, dwMilliseconds: u32) -> u32 {
    let until = system::deadline(dwMilliseconds);
    if let Some(ended) = worker::wait_for_handle(hHandle, until) {
        return if ended { SIGNALLED } else { WAIT_TIMEOUT };
    }
    loop {
        let waited = descriptor(hHandle).map_or(Waited::Invalid, |fd| system::wait(fd, until));
        match (waited, descriptor(hHandle)) {
            (Waited::TimedOut, _) => return WAIT_TIMEOUT,
            (Waited::Readable, Some(fd)) => {
                if claim(fd) {
                    return SIGNALLED;
                }
            }
            (Waited::Readable, None) | (Waited::Invalid, _) => {
                // SAFETY: it takes a number and has no other requirement.
                unsafe { SetLastError(ERROR_INVALID_HANDLE) };
                return FAILED;
            }
        }
    }
}
