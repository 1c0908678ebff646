//! Critical sections. The structure is the caller's 40 bytes; the lock itself is here, by a handle that stands in them.

use std::ffi::c_void;
use std::sync::atomic::{AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};
use std::thread::{self, ThreadId};

use stead_resapi::{ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER};

use crate::handle::{Handles, Kind};

/// Who is inside, and how often it entered.
#[derive(Default)]
struct Lock {
    inside: Mutex<Option<(ThreadId, u32)>>,
    left: Condvar,
}

static LOCKS: RwLock<Handles<Arc<Lock>>> = RwLock::new(Handles::new(Kind::Lock));

/// A critical section: 40 bytes as on Windows, of which the first 8 hold a handle. Zeroed, it initialises itself.
#[repr(C)]
pub struct CRITICAL_SECTION {
    handle: AtomicPtr<c_void>,
    reserved: [u64; 4],
}

const _: () = assert!(size_of::<CRITICAL_SECTION>() == 40);

/// The handle in a critical section.
///
/// # Safety
/// `section` must be null or a critical section.
unsafe fn place<'a>(section: *mut CRITICAL_SECTION) -> Result<&'a AtomicPtr<c_void>, u32> {
    if section.is_null() || !section.is_aligned() {
        return Err(ERROR_INVALID_PARAMETER);
    }
    // SAFETY: not null, aligned, and a critical section as the caller guarantees.
    Ok(unsafe { &(*section).handle })
}

/// The lock of a critical section.
///
/// # Errors
/// 87 for null or misaligned, 6 for one that was deleted or never initialised.
///
/// # Safety
/// As [`place`].
unsafe fn find(section: *mut CRITICAL_SECTION) -> Result<Arc<Lock>, u32> {
    // SAFETY: as the caller guarantees.
    let place = unsafe { place(section) }?;
    let handle = place.load(Ordering::Acquire);
    if !handle.is_null() {
        let locks = LOCKS.read().unwrap_or_else(PoisonError::into_inner);
        return locks.get(handle).cloned().ok_or(ERROR_INVALID_HANDLE);
    }
    let mut locks = LOCKS.write().unwrap_or_else(PoisonError::into_inner);
    let new = locks.add(Arc::default());
    let none = std::ptr::null_mut();
    let handle = match place.compare_exchange(none, new, Ordering::AcqRel, Ordering::Acquire) {
        Ok(_) => new,
        Err(other) => {
            locks.remove(new);
            other
        }
    };
    locks.get(handle).cloned().ok_or(ERROR_INVALID_HANDLE)
}

fn enter(lock: &Lock, wait: bool) -> bool {
    let me = thread::current().id();
    let mut inside = lock.inside.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match *inside {
            None => {
                *inside = Some((me, 1));
                return true;
            }
            Some((owner, depth)) if owner == me => {
                *inside = Some((me, depth.saturating_add(1)));
                return true;
            }
            Some(_) if !wait => return false,
            Some(_) => inside = lock.left.wait(inside).unwrap_or_else(PoisonError::into_inner),
        }
    }
}

exports! {
    /// Prepares a critical section. One that is in use must not be prepared again.
    ///
    /// Windows: synchapi/nf-synchapi-initializecriticalsection
    fn InitializeCriticalSection(lpCriticalSection: *mut CRITICAL_SECTION) {
        let place = place(lpCriticalSection)?;
        let handle = LOCKS.write().unwrap_or_else(PoisonError::into_inner).add(Arc::default());
        place.store(handle, Ordering::Release);
        Ok(())
    }

    /// Enters; the thread that is inside may enter again. One that was deleted or is null is not entered.
    ///
    /// Windows: synchapi/nf-synchapi-entercriticalsection
    fn EnterCriticalSection(lpCriticalSection: *mut CRITICAL_SECTION) {
        enter(&*find(lpCriticalSection)?, true);
        Ok(())
    }

    /// Enters if no other thread is inside; says whether it did.
    ///
    /// Windows: synchapi/nf-synchapi-tryentercriticalsection
    fn TryEnterCriticalSection(lpCriticalSection: *mut CRITICAL_SECTION) -> i32 {
        Ok(i32::from(enter(&*find(lpCriticalSection)?, false)))
    }

    /// Leaves, once for each time it was entered. A thread that is not inside changes nothing.
    ///
    /// Windows: synchapi/nf-synchapi-leavecriticalsection
    fn LeaveCriticalSection(lpCriticalSection: *mut CRITICAL_SECTION) {
        let lock = find(lpCriticalSection)?;
        let mut inside = lock.inside.lock().unwrap_or_else(PoisonError::into_inner);
        match *inside {
            Some((owner, depth)) if owner == thread::current().id() => {
                *inside = (depth > 1).then(|| (owner, depth - 1));
                lock.left.notify_one();
            }
            Some(_) | None => {}
        }
        Ok(())
    }

    /// Ends a critical section that nobody is in.
    ///
    /// Windows: synchapi/nf-synchapi-deletecriticalsection
    fn DeleteCriticalSection(lpCriticalSection: *mut CRITICAL_SECTION) {
        let handle = place(lpCriticalSection)?.swap(std::ptr::null_mut(), Ordering::AcqRel);
        LOCKS.write().unwrap_or_else(PoisonError::into_inner).remove(handle);
        Ok(())
    }
}
