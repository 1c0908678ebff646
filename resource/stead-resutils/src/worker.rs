//! Worker threads: how a resource DLL does what takes longer than an entry point may.
//!
//! `hThread` of a worker is an index and a generation. What a worker structure holds is believed only as far as that
//! handle is known; the structure itself belongs to the caller, and is touched after a wait only by the one call that
//! closes the handle.

use std::cell::Cell;
use std::ffi::c_void;
use std::fs::File;
use std::io::Write;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicPtr, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use stead_resapi::{
    CLUS_WORKER, ERROR_BUSY, ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, HANDLE,
    WAIT_TIMEOUT, WORKER_START,
};

use crate::handle::{Handles, Kind};
use crate::{raw, system};

/// A thread, as long as anybody asks for it.
#[derive(Default)]
struct Thread {
    ended: Mutex<bool>,
    end: Condvar,
    /// Event descriptors to set at the end, as long as somebody waits for them.
    told: Mutex<Vec<Weak<File>>>,
    /// Set by the call that will close the handle.
    closing: AtomicBool,
}

static THREADS: Mutex<Handles<Arc<Thread>>> = Mutex::new(Handles::new(Kind::Worker));

thread_local! {
    /// The handle of the worker that runs on this thread.
    static SELF: Cell<HANDLE> = const { Cell::new(null_mut()) };
}

fn threads() -> MutexGuard<'static, Handles<Arc<Thread>>> {
    THREADS.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Thread {
    fn has_ended(&self) -> bool {
        *self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the end; false if that took too long.
    fn wait(&self, until: Option<Instant>) -> bool {
        let mut ended = self.ended.lock().unwrap_or_else(PoisonError::into_inner);
        while !*ended {
            ended = match until {
                None => self.end.wait(ended).unwrap_or_else(PoisonError::into_inner),
                Some(until) => {
                    let left = until.saturating_duration_since(Instant::now());
                    if left.is_zero() {
                        return false;
                    }
                    self.end.wait_timeout(ended, left).unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
        true
    }
}

/// Sets the event of somebody who may have gone.
fn tell(file: &Weak<File>) {
    if let Some(file) = file.upgrade() {
        // An event that counts no further is set.
        let _ = (&*file).write(&1u64.to_ne_bytes());
    }
}

/// Says that a thread has ended, also if what it ran unwinds.
struct Ending(Arc<Thread>);

impl Drop for Ending {
    fn drop(&mut self) {
        *self.0.ended.lock().unwrap_or_else(PoisonError::into_inner) = true;
        self.0.end.notify_all();
        self.0.told.lock().unwrap_or_else(PoisonError::into_inner).drain(..).for_each(|file| tell(&file));
    }
}

/// Closes a worker's handle; false for another kind of handle.
pub(crate) fn close(handle: HANDLE) -> bool {
    threads().remove(handle).is_some()
}

/// Waits for a worker's thread: whether it ended. `None` for another kind of handle.
pub(crate) fn wait_for_handle(handle: HANDLE, until: Option<Instant>) -> Option<bool> {
    let thread = threads().get(handle).cloned()?;
    Some(SELF.get() != handle && thread.wait(until))
}

/// Has an event descriptor set when a worker's thread ends, or now if it has ended. False for another kind of handle.
pub(crate) fn tell_end(handle: HANDLE, event: &Arc<File>) -> bool {
    let Some(thread) = threads().get(handle).cloned() else { return false };
    let mut told = thread.told.lock().unwrap_or_else(PoisonError::into_inner);
    told.retain(|file| file.strong_count() > 0);
    if thread.has_ended() {
        tell(&Arc::downgrade(event));
    } else {
        // The thread ends first and tells then, so that it finds this.
        told.push(Arc::downgrade(event));
    }
    true
}

/// A worker structure of the caller's, read and written as whole words, also while its thread does so too.
#[derive(Clone, Copy)]
struct Worker(*mut CLUS_WORKER);

impl Worker {
    fn given(worker: *mut CLUS_WORKER) -> Result<Worker, u32> {
        if worker.is_null() { Err(ERROR_INVALID_PARAMETER) } else { Ok(Worker(worker)) }
    }

    /// # Safety
    /// The structure must still be there; here and below.
    unsafe fn handle(self) -> HANDLE {
        // SAFETY: not null, and there as the caller guarantees. Aligned where it is read as an atomic; here and below.
        unsafe {
            let place = &raw mut (*self.0).hThread;
            if place.is_aligned() {
                AtomicPtr::from_ptr(place).load(Ordering::Acquire)
            } else {
                place.read_unaligned()
            }
        }
    }

    unsafe fn set_handle(self, handle: HANDLE) {
        // SAFETY: as in `handle`.
        unsafe {
            let place = &raw mut (*self.0).hThread;
            if place.is_aligned() {
                AtomicPtr::from_ptr(place).store(handle, Ordering::Release);
            } else {
                place.write_unaligned(handle);
            }
        }
    }

    unsafe fn terminate(self) -> bool {
        // SAFETY: as in `handle`.
        unsafe {
            let place = &raw mut (*self.0).Terminate;
            if place.is_aligned() {
                AtomicI32::from_ptr(place).load(Ordering::Acquire) != 0
            } else {
                place.read_unaligned() != 0
            }
        }
    }

    unsafe fn set_terminate(self, terminate: bool) {
        // SAFETY: as in `handle`.
        unsafe {
            let place = &raw mut (*self.0).Terminate;
            if place.is_aligned() {
                AtomicI32::from_ptr(place).store(terminate.into(), Ordering::Release);
            } else {
                place.write_unaligned(terminate.into());
            }
        }
    }

    /// The worker's thread; `None` where it has none.
    ///
    /// # Errors
    /// 6 for a handle that is not known.
    unsafe fn thread(self) -> Result<Option<(HANDLE, Arc<Thread>)>, u32> {
        // SAFETY: as in `handle`.
        let handle = unsafe { self.handle() };
        if handle.is_null() {
            return Ok(None);
        }
        threads().get(handle).cloned().map(|thread| Some((handle, thread))).ok_or(ERROR_INVALID_HANDLE)
    }

    /// Closes the handle of a thread that has ended, if nobody else will.
    unsafe fn finish(self, handle: HANDLE, thread: &Thread) {
        if !thread.closing.swap(true, Ordering::AcqRel) {
            close(handle);
            // SAFETY: as in `handle`; whoever frees the structure waits for the call that closes.
            unsafe { self.set_handle(null_mut()) };
        }
    }
}

/// What a new thread is given; both belong to the resource DLL, which shares them among its threads.
struct Start(Worker, WORKER_START, *mut c_void);

// SAFETY: the resource DLL hands both pointers to `ClusWorkerCreate` for use on the new thread.
unsafe impl Send for Start {}

impl Start {
    fn run(self) {
        // SAFETY: the resource DLL's own routine with what it asked for; the structure stays until the thread ends.
        unsafe { self.1(self.0.0, self.2) };
    }
}

exports! {
    /// Starts a worker thread: fills `hThread`, clears `Terminate` and runs the routine. The worker must be zeroed or
    /// have ended, and stay where it is until the thread has. 87 for a null worker or routine, 170 while its thread
    /// runs, 8 where the system has no more threads.
    ///
    /// Windows: resutils/nf-resapi-clusworkercreate
    fn ClusWorkerCreate(
        lpWorker: *mut CLUS_WORKER,
        lpStartAddress: Option<WORKER_START>,
        lpParameter: *mut c_void,
    ) -> u32 {
        let worker = Worker::given(lpWorker)?;
        let start = lpStartAddress.ok_or(ERROR_INVALID_PARAMETER)?;
        if let Ok(Some((handle, thread))) = worker.thread() {
            if !thread.has_ended() {
                return Err(ERROR_BUSY);
            }
            close(handle);
        }
        let thread = Arc::new(Thread::default());
        let handle = threads().add(Arc::clone(&thread));
        // The routine may look at its worker at once.
        worker.set_terminate(false);
        worker.set_handle(handle);
        let (start, handle_value) = (Start(worker, start, lpParameter), handle as usize);
        let spawned = std::thread::Builder::new().name("worker".to_owned()).spawn(move || {
            let _ending = Ending(thread);
            SELF.set(handle_value as HANDLE);
            start.run();
        });
        if spawned.is_err() {
            close(handle);
            worker.set_handle(null_mut());
            return Err(ERROR_NOT_ENOUGH_MEMORY);
        }
        Ok(())
    }

    /// True when the worker is to end. For null too, so that a loop that asks ends.
    ///
    /// Windows: resutils/nf-resapi-clusworkercheckterminate
    fn ClusWorkerCheckTerminate(lpWorker: *mut CLUS_WORKER) -> i32 {
        Ok(i32::from(Worker::given(lpWorker).map_or(true, |worker| worker.terminate())))
    }

    /// Asks the worker to end, waits until it has, without limit, and closes its handle. Without a thread, nothing. A
    /// second call at the same time waits as well, and does not touch the worker when it returns.
    ///
    /// Windows: resutils/nf-resapi-clusworkerterminate
    /// Note: called by the worker itself, it asks and returns, since to wait would be for ever.
    fn ClusWorkerTerminate(lpWorker: *mut CLUS_WORKER) {
        let worker = Worker::given(lpWorker)?;
        let Some((handle, thread)) = worker.thread()? else { return Ok(()) };
        worker.set_terminate(true);
        if SELF.get() == handle {
            return Ok(());
        }
        let first = !thread.closing.swap(true, Ordering::AcqRel);
        thread.wait(None);
        if first {
            close(handle);
            worker.set_handle(null_mut());
        }
        Ok(())
    }

    /// Waits for the worker for so many milliseconds; `INFINITE` is without limit. Has it ended, its handle is closed:
    /// 0, as for a worker without a thread. Otherwise 258, and unless `WaitOnly` it is asked to end, at the end of the
    /// time and without waiting further. 87 for null, 6 for a handle that is not known. A worker that waits for itself
    /// is told 258 at once.
    ///
    /// Windows: resutils/nf-resapi-clusworkerterminateex
    fn ClusWorkerTerminateEx(ClusWorker: *mut CLUS_WORKER, TimeoutInMilliseconds: u32, WaitOnly: i32) -> u32 {
        end(&[Worker::given(ClusWorker)?], TimeoutInMilliseconds, WaitOnly != 0)
    }

    /// As `ClusWorkerTerminateEx` for several workers and one time for all. Null workers are passed over; 258 if any
    /// is still running; 87 for a null array with a count, or a count no array can have.
    ///
    /// Windows: resutils/nf-resapi-clusworkersterminate
    fn ClusWorkersTerminate(
        ClusWorkers: *mut *mut CLUS_WORKER,
        ClusWorkersCount: usize,
        TimeoutInMilliseconds: u32,
        WaitOnly: i32,
    ) -> u32 {
        const MOST: usize = 1 << 20;
        if ClusWorkersCount > MOST {
            return Err(ERROR_INVALID_PARAMETER);
        }
        let workers: Result<Vec<_>, u32> =
            (0..ClusWorkersCount).map(|at| raw::get(ClusWorkers.wrapping_add(at))).collect();
        let workers: Vec<Worker> = workers?.into_iter().filter_map(|one| Worker::given(one).ok()).collect();
        end(&workers, TimeoutInMilliseconds, WaitOnly != 0)
    }
}

/// # Safety
/// The structures must be there until this returns.
unsafe fn end(workers: &[Worker], timeout: u32, wait_only: bool) -> Result<(), u32> {
    let until = system::deadline(timeout);
    let mut threads = Vec::new();
    for worker in workers {
        // SAFETY: as the caller guarantees; here and below.
        if let Some((handle, thread)) = unsafe { worker.thread() }? {
            threads.push((worker, handle, thread));
        }
    }
    let mut running = Vec::new();
    for (worker, handle, thread) in threads {
        if SELF.get() != handle && thread.wait(until) {
            unsafe { worker.finish(handle, &thread) };
        } else {
            running.push(worker);
        }
    }
    if running.is_empty() {
        return Ok(());
    }
    if !wait_only {
        running.into_iter().for_each(|worker| unsafe { worker.set_terminate(true) });
    }
    Err(WAIT_TIMEOUT)
}
