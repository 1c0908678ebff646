//! Windows: synchapi/nf-synchapi-waitformultipleobjects, processenv/nf-processenv-getenvironmentvariablew
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::atomic::{AtomicBool, Ordering};

use common::{cluster, text, wide};
use resutils::*;
use stead_resapi::{CLUS_WORKER, HANDLE};

/// A generous limit that means "hung".
const LONG: u32 = 60_000;

fn event(manual: bool) -> HANDLE {
    unsafe { CreateEventW(std::ptr::null(), i32::from(manual), 0, std::ptr::null()) }
}

fn wait(handles: &[HANDLE], all: bool, milliseconds: u32) -> u32 {
    let count = u32::try_from(handles.len()).unwrap();
    unsafe { WaitForMultipleObjects(count, handles.as_ptr(), i32::from(all), milliseconds) }.0
}

#[test]
fn the_first_that_is_signalled_ends_the_wait_and_is_reset() {
    let [a, b, c] = [event(false), event(true), event(false)];
    assert_eq!(wait(&[a, b, c], false, 0), 258);
    unsafe { SetEvent(c) };
    assert_eq!(wait(&[a, b, c], false, LONG), 2);
    assert_eq!(wait(&[a, b, c], false, 0), 258, "reset by the wait it ended");
    unsafe { SetEvent(b) };
    unsafe { SetEvent(c) };
    assert_eq!((wait(&[a, b, c], false, 0), wait(&[a, b, c], false, 0)), (1, 1), "reset by hand only");
    assert_eq!(wait(&[c], false, 0), 0, "what did not end a wait stays set");
    [a, b, c].iter().for_each(|handle| assert_eq!(unsafe { CloseHandle(*handle) }, 1));
}

#[test]
fn all_means_all_and_takes_nothing_before() {
    let [a, b] = [event(false), event(false)];
    unsafe { SetEvent(a) };
    assert_eq!(wait(&[a, b], true, 10), 258);
    assert_eq!(wait(&[a], true, 0), 0, "it was not taken");
    unsafe { SetEvent(a) };
    let (first, second) = (a as usize, b as usize);
    let waiter = std::thread::spawn(move || wait(&[first as HANDLE, second as HANDLE], true, LONG));
    unsafe { SetEvent(b) };
    assert_eq!(waiter.join().unwrap(), 0);
    assert_eq!(wait(&[a, b], false, 0), 258, "both were taken");
    [a, b].iter().for_each(|handle| assert_eq!(unsafe { CloseHandle(*handle) }, 1));
}

#[test]
fn the_end_of_a_worker_is_waited_for_beside_events() {
    static GO: AtomicBool = AtomicBool::new(false);
    unsafe extern "system" fn work(_: *mut CLUS_WORKER, _: *mut c_void) -> u32 {
        while !GO.load(Ordering::Acquire) {
            std::thread::yield_now();
        }
        0
    }
    let mut worker = CLUS_WORKER { hThread: null_mut(), Terminate: 0 };
    let stop = event(true);
    assert_eq!(unsafe { ClusWorkerCreate(&raw mut worker, Some(work), null_mut()) }, 0);
    assert_eq!(wait(&[stop, worker.hThread], false, 10), 258);
    GO.store(true, Ordering::Release);
    assert_eq!(wait(&[stop, worker.hThread], false, LONG), 1);
    assert_eq!(wait(&[worker.hThread], true, 0), 0, "it stays signalled");
    unsafe { ClusWorkerTerminate(&raw mut worker) };
    unsafe { CloseHandle(stop) };
}

#[test]
fn what_cannot_be_waited_for_is_refused() {
    let good = event(true);
    let failed = |handles: &[HANDLE], code| {
        assert_eq!((wait(handles, false, LONG), cluster::last_error()), (u32::MAX, code));
    };
    failed(&[], 87);
    failed(&[good; 65], 87);
    failed(&[good, null_mut()], 6);
    failed(&[good, 0x7fff_fff0 as HANDLE], 6);
    assert_eq!(unsafe { WaitForMultipleObjects(1, std::ptr::null(), 0, 0) }.0, u32::MAX);
    assert_eq!(wait(&[good; 64], false, 0), 258);
    unsafe { CloseHandle(good) };
}

#[test]
fn the_surroundings_are_told_with_their_sizes() {
    let home = std::env::var("HOME").unwrap();
    let length = u32::try_from(home.encode_utf16().count()).unwrap();
    let mut out = vec![0u16; 300];
    let ask = |name: &str, out: &mut [u16], room: u32| unsafe {
        GetEnvironmentVariableW(wide(name).as_ptr(), out.as_mut_ptr(), room).0
    };
    assert_eq!((ask("HOME", &mut out, 300), text(out.as_ptr())), (length, home.clone()));
    assert_eq!(ask("HOME", &mut out, length), length + 1, "the size it needs");
    assert_eq!((ask("STEAD_NOT_SET", &mut out, 300), cluster::last_error()), (0, 203));
    assert_eq!((ask("A=B", &mut out, 300), cluster::last_error()), (0, 203));
    let source = wide("%HOME%/x");
    let expand =
        |out: *mut u16, room: u32| unsafe { ExpandEnvironmentStringsW(source.as_ptr(), out, room).0 };
    assert_eq!(expand(null_mut(), 0), length + 3);
    assert_eq!((expand(out.as_mut_ptr(), 300), text(out.as_ptr())), (length + 3, format!("{home}/x")));
    let mut size = 300;
    assert_eq!(unsafe { GetComputerNameW(out.as_mut_ptr(), &raw mut size) }, 1);
    assert_eq!(size as usize, text(out.as_ptr()).encode_utf16().count());
    let mut small = 1;
    assert_eq!(unsafe { GetComputerNameW(out.as_mut_ptr(), &raw mut small) }, 0);
    assert_eq!((small, cluster::last_error()), (size + 1, 111));
}
