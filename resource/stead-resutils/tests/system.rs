//! Windows: winbase/nf-winbase-localalloc, synchapi/nf-synchapi-createeventw, synchapi/nf-synchapi-entercriticalsection
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;

use std::ffi::c_void;
use std::io::Read;
use std::os::fd::AsRawFd;
use std::ptr::{null, null_mut};
use std::sync::mpsc::channel;

use common::{cluster, wide};
use resutils::*;

#[test]
fn blocks_are_allocated_changed_and_freed_once() {
    unsafe {
        let block = LocalAlloc(0x40, 100);
        assert_eq!((LocalSize(block), block as usize % 16), (100, 0));
        assert!(std::slice::from_raw_parts(block.cast::<u8>(), 100).iter().all(|byte| *byte == 0));
        block.cast::<u8>().write(7);
        let grown = LocalReAlloc(block, 1000, 0x40);
        let bytes = std::slice::from_raw_parts(grown.cast::<u8>(), 1000);
        assert_eq!((bytes[0], bytes[999], LocalSize(grown)), (7, 0, 1000));
        assert!(LocalFree(grown).is_null());
        assert_eq!((LocalFree(grown), cluster::last_error()), (grown, 6), "freed before");
        assert!(LocalFree(null_mut()).is_null());
        let inside = LocalAlloc(0, 64);
        let middle = inside.wrapping_byte_add(16);
        assert_eq!(LocalFree(middle), middle, "not the beginning of a block");
        for garbage in [1usize, 15, 16, 4096, usize::MAX, usize::MAX - 15] {
            let garbage = garbage as *mut c_void;
            assert_eq!((LocalFree(garbage), LocalSize(garbage)), (garbage, 0));
            assert!(LocalReAlloc(garbage, 8, 0).is_null());
        }
        assert_eq!((LocalAlloc(0, usize::MAX), cluster::last_error()), (null_mut(), 8));
        let empty = LocalAlloc(0, 0);
        assert!(!empty.is_null() && LocalFree(empty).is_null());
        let heap = GetProcessHeap();
        let block = HeapAlloc(heap, 8, 10);
        let block = HeapReAlloc(heap, 0, block, 20);
        assert_eq!((HeapFree(heap, 0, block), HeapFree(heap, 0, block)), (1, 0));
        assert!(HeapAlloc(null_mut(), 0, 10).is_null());
    }
}

#[test]
fn events_are_descriptors_that_are_reset_by_hand_or_not() {
    unsafe {
        let (manual, automatic) = (CreateEventW(null(), 1, 0, null()), CreateEventW(null(), 0, 1, null()));
        assert_eq!((WaitForSingleObject(manual, 0), WaitForSingleObject(automatic, 0)), (258, 0));
        assert_eq!(WaitForSingleObject(automatic, 0), 258, "reset by the wait");
        assert_eq!((SetEvent(manual), SetEvent(manual), WaitForSingleObject(manual, 0)), (1, 1, 0));
        assert_eq!((WaitForSingleObject(manual, 0), ResetEvent(manual)), (0, 1));
        assert_eq!(WaitForSingleObject(manual, 1), 258);
        let (waiting, handle) = (channel(), automatic as usize);
        let thread = std::thread::spawn(move || {
            waiting.0.send(()).unwrap();
            (WaitForSingleObject(handle as *mut c_void, 30_000), waiting)
        });
        assert_eq!(SetEvent(automatic), 1);
        assert_eq!(thread.join().unwrap().0, 0);
        assert_eq!((CloseHandle(manual), CloseHandle(manual)), (1, 0), "closed once");
        assert_eq!((WaitForSingleObject(manual, 0), cluster::last_error()), (u32::MAX, 6));
        assert_eq!(CloseHandle(automatic), 1);
        let named = wide("name");
        assert!(CreateEventW(null(), 0, 0, named.as_ptr()).is_null());
        assert_eq!(cluster::last_error(), 50);
        for garbage in [0usize, usize::MAX, 1 << 20, 0x0100_0001_0000_0001] {
            let garbage = garbage as *mut c_void;
            assert_eq!((SetEvent(garbage), ResetEvent(garbage), CloseHandle(garbage)), (0, 0, 0));
            assert_eq!(WaitForSingleObject(garbage, 0), u32::MAX);
        }
    }
}

#[test]
fn other_descriptors_are_waited_for_but_never_written_or_closed() {
    let (mut end, other) = std::io::pipe().unwrap();
    let handle = other.as_raw_fd() as isize as *mut c_void;
    unsafe {
        assert_eq!((SetEvent(handle), cluster::last_error(), CloseHandle(handle)), (0, 6, 0));
        let reading = end.as_raw_fd() as isize as *mut c_void;
        assert_eq!(WaitForSingleObject(reading, 0), 258);
        drop(other);
        assert_eq!(WaitForSingleObject(reading, 30_000), 0);
    }
    assert_eq!(end.read(&mut [0]).unwrap(), 0, "nothing was written");
}

#[test]
fn a_critical_section_lets_one_thread_in_as_often_as_it_likes() {
    let mut section: CRITICAL_SECTION = unsafe { std::mem::zeroed() };
    let place = &raw mut section as usize;
    let at = move || place as *mut CRITICAL_SECTION;
    unsafe {
        InitializeCriticalSection(at());
        EnterCriticalSection(at());
        assert_eq!(TryEnterCriticalSection(at()), 1);
        let elsewhere = || std::thread::spawn(move || TryEnterCriticalSection(at())).join().unwrap();
        assert_eq!(elsewhere(), 0);
        std::thread::spawn(move || LeaveCriticalSection(at())).join().unwrap();
        LeaveCriticalSection(at());
        assert_eq!(elsewhere(), 0, "entered twice");
        let waiting = std::thread::spawn(move || {
            EnterCriticalSection(at());
            LeaveCriticalSection(at());
        });
        LeaveCriticalSection(at());
        waiting.join().unwrap();
        DeleteCriticalSection(at());
    }
    let count = std::sync::atomic::AtomicU32::new(0);
    std::thread::scope(|scope| {
        for _ in 0..4 {
            scope.spawn(|| {
                for _ in 0..1000 {
                    // Zeroed again, it initialises itself, once.
                    unsafe { EnterCriticalSection(at()) };
                    let value = count.load(std::sync::atomic::Ordering::Relaxed);
                    count.store(value + 1, std::sync::atomic::Ordering::Relaxed);
                    unsafe { LeaveCriticalSection(at()) };
                }
            });
        }
    });
    assert_eq!(count.into_inner(), 4000);
    unsafe { DeleteCriticalSection(at()) };
}

#[test]
fn clocks_and_numbers() {
    let (before, short) = (GetTickCount64(), GetTickCount());
    Sleep(2);
    assert!(GetTickCount64() >= before + 2);
    assert!(short.wrapping_sub(before as u32) < 60_000);
    assert_eq!(GetCurrentProcessId(), std::process::id());
    let other = std::thread::spawn(|| GetCurrentThreadId()).join().unwrap();
    assert_ne!(other, GetCurrentThreadId());
}
