//! Windows: resutils/nf-resapi-clusworkercreate, resutils/nf-resapi-clusworkerterminateex
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::mpsc::{Receiver, Sender, channel};

use resutils::*;
use stead_resapi::CLUS_WORKER;

const INFINITE: u32 = u32::MAX;

fn worker() -> CLUS_WORKER {
    CLUS_WORKER { hThread: null_mut(), Terminate: 0 }
}

/// What a thread says and waits for.
struct Talk {
    said: Sender<u32>,
    go: Receiver<()>,
}

/// Says that it runs, and ends when it is let go.
unsafe extern "system" fn until_let_go(_: *mut CLUS_WORKER, talk: *mut c_void) -> u32 {
    let talk = unsafe { &*talk.cast::<Talk>() };
    talk.said.send(1).unwrap();
    talk.go.recv().unwrap_or_default();
    0
}

unsafe extern "system" fn until_asked(worker: *mut CLUS_WORKER, _: *mut c_void) -> u32 {
    while unsafe { ClusWorkerCheckTerminate(worker) } == 0 {
        std::thread::yield_now();
    }
    0
}

unsafe extern "system" fn for_itself(worker: *mut CLUS_WORKER, talk: *mut c_void) -> u32 {
    let talk = unsafe { &*talk.cast::<Talk>() };
    unsafe {
        talk.said.send(ClusWorkerTerminateEx(worker, INFINITE, 1)).unwrap();
        talk.said.send(WaitForSingleObject((*worker).hThread, INFINITE)).unwrap();
        talk.said.send(ClusWorkersTerminate(&raw const worker as *mut _, 1, INFINITE, 1)).unwrap();
        ClusWorkerTerminate(worker);
        talk.said.send(ClusWorkerCheckTerminate(worker) as u32).unwrap();
    }
    talk.go.recv().unwrap_or_default();
    0
}

fn talk() -> (Talk, Receiver<u32>, Sender<()>) {
    let ((said, hear), (let_go, go)) = (channel(), channel());
    (Talk { said, go }, hear, let_go)
}

#[test]
fn a_worker_is_asked_to_end_waited_for_and_can_be_used_again() {
    let mut worker = worker();
    for _ in 0..50 {
        assert_eq!(unsafe { ClusWorkerCreate(&raw mut worker, Some(until_asked), null_mut()) }, 0);
        assert!(!worker.hThread.is_null());
        unsafe { ClusWorkerTerminate(&raw mut worker) };
        assert!(worker.hThread.is_null());
        assert_eq!(worker.Terminate, 1);
    }
}

#[test]
fn the_time_ends_first_and_only_then_is_it_asked() {
    let (mut talk, hear, let_go) = talk();
    let mut worker = worker();
    let start = |worker: &mut CLUS_WORKER, talk: &mut Talk| unsafe {
        ClusWorkerCreate(worker, Some(until_let_go), (&raw mut *talk).cast())
    };
    assert_eq!(start(&mut worker, &mut talk), 0);
    assert_eq!(hear.recv(), Ok(1));
    assert_eq!(start(&mut worker, &mut talk), 170, "its thread runs");
    unsafe {
        assert_eq!(ClusWorkerTerminateEx(&raw mut worker, 1, 1), 258);
        assert_eq!(ClusWorkerCheckTerminate(&raw mut worker), 0, "only waited for");
        assert_eq!(ClusWorkerTerminateEx(&raw mut worker, 0, 0), 258);
        assert_eq!(ClusWorkerCheckTerminate(&raw mut worker), 1);
        let_go.send(()).unwrap();
        assert_eq!(ClusWorkerTerminateEx(&raw mut worker, INFINITE, 1), 0);
        assert!(worker.hThread.is_null());
        assert_eq!(ClusWorkerTerminateEx(&raw mut worker, INFINITE, 1), 0, "without a thread");
    }
}

#[test]
fn several_workers_share_one_time() {
    let (mut slow, hear, let_go) = talk();
    let (mut one, mut two) = (worker(), worker());
    unsafe {
        assert_eq!(ClusWorkerCreate(&raw mut one, Some(until_let_go), (&raw mut slow).cast()), 0);
        assert_eq!(hear.recv(), Ok(1));
        assert_eq!(ClusWorkerCreate(&raw mut two, Some(until_asked), null_mut()), 0);
        let mut all = [&raw mut one, null_mut(), &raw mut two];
        assert_eq!(ClusWorkersTerminate(all.as_mut_ptr(), 3, 1, 1), 258);
        assert_eq!(ClusWorkersTerminate(all.as_mut_ptr(), 3, 1, 0), 258);
        let_go.send(()).unwrap();
        assert_eq!(ClusWorkersTerminate(all.as_mut_ptr(), 3, INFINITE, 1), 0);
        assert!(one.hThread.is_null() && two.hThread.is_null());
        assert_eq!(ClusWorkersTerminate(null_mut(), 1, 0, 0), 87);
        assert_eq!(ClusWorkersTerminate(null_mut(), 0, 0, 0), 0);
        assert_eq!(ClusWorkersTerminate(all.as_mut_ptr(), usize::MAX, 0, 0), 87);
    }
}

#[test]
fn a_worker_that_waits_for_itself_is_told_so() {
    let (mut talk, hear, let_go) = talk();
    let mut worker = worker();
    unsafe {
        assert_eq!(ClusWorkerCreate(&raw mut worker, Some(for_itself), (&raw mut talk).cast()), 0);
        assert_eq!(hear.iter().take(4).collect::<Vec<_>>(), [258, 258, 258, 1]);
        let_go.send(()).unwrap();
        ClusWorkerTerminate(&raw mut worker);
    }
    assert!(worker.hThread.is_null());
}

#[test]
fn two_threads_may_end_one_worker() {
    for _ in 0..50 {
        let mut worker = worker();
        assert_eq!(unsafe { ClusWorkerCreate(&raw mut worker, Some(until_asked), null_mut()) }, 0);
        let place = &raw mut worker as usize;
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(move || unsafe { ClusWorkerTerminate(place as *mut CLUS_WORKER) });
            }
        });
        assert!(worker.hThread.is_null());
    }
}

#[test]
fn forged_and_stale_handles_are_refused() {
    let mut forged = CLUS_WORKER { hThread: 0x0100_0001_0000_0063 as *mut c_void, Terminate: 0 };
    unsafe {
        assert_eq!(ClusWorkerTerminateEx(&raw mut forged, 0, 0), 6);
        ClusWorkerTerminate(&raw mut forged);
        let mut worker = worker();
        assert_eq!(ClusWorkerCreate(&raw mut worker, Some(until_asked), null_mut()), 0);
        let stale = worker.hThread;
        ClusWorkerTerminate(&raw mut worker);
        assert_eq!(WaitForSingleObject(stale, 0), u32::MAX);
        assert_eq!((CloseHandle(stale), common::cluster::last_error()), (0, 6));
        assert_eq!(
            ClusWorkerCreate(&raw mut forged, Some(until_asked), null_mut()),
            0,
            "garbage is no thread"
        );
        let handle = forged.hThread;
        assert_eq!(WaitForSingleObject(handle, 1), 258);
        (&raw mut forged.Terminate).write_volatile(1);
        assert_eq!(WaitForSingleObject(handle, INFINITE), 0);
        assert_eq!(CloseHandle(handle), 1);
        assert_eq!(ClusWorkerCreate(null_mut(), Some(until_asked), null_mut()), 87);
        assert_eq!(ClusWorkerCreate(&raw mut worker, None, null_mut()), 87);
        assert_eq!(ClusWorkerCheckTerminate(null_mut()), 1);
        assert_eq!(ClusWorkerTerminateEx(null_mut(), 0, 0), 87);
        ClusWorkerTerminate(null_mut());
    }
}
