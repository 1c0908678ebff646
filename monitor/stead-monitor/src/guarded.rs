//! Memory that is lent to a resource DLL for one call: it ends where nothing is, and is gone after the call.
#![allow(unsafe_code, reason = "memory by its pages")]

use std::ffi::c_void;
use std::ptr::null_mut;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};

const PAGE: usize = 4096;

/// Buffers begin at multiples of this, as those of a heap do; one whose size is no multiple ends so much too early.
const ALIGNED: usize = 8;

/// Zeroed bytes before a page that nobody may touch. Who writes past their end crashes at once and not later, in
/// somebody else's memory; so does who writes when they are gone.
pub(crate) struct Guarded {
    base: *mut c_void,
    /// Of the whole mapping.
    length: usize,
    start: *mut u8,
    size: usize,
}

// SAFETY: the mapping belongs to this value alone, like the contents of a `Vec`.
unsafe impl Send for Guarded {}

impl Guarded {
    /// So many bytes; none at all where the system has no memory for them.
    pub(crate) fn new(size: usize) -> Guarded {
        let none = Guarded { base: null_mut(), length: 0, start: null_mut(), size: 0 };
        if size == 0 {
            return none;
        }
        let room = size.next_multiple_of(ALIGNED);
        let before_guard = room.next_multiple_of(PAGE);
        let length = before_guard + PAGE;
        let protection = ProtFlags::READ | ProtFlags::WRITE;
        // SAFETY: a new anonymous mapping wherever the kernel likes; it takes nobody's place.
        let Ok(base) = (unsafe { mmap_anonymous(null_mut(), length, protection, MapFlags::PRIVATE) }) else {
            return none;
        };
        // SAFETY: the last page of the mapping just made, which has `length` bytes.
        let guarded = unsafe { mprotect(base.byte_add(before_guard), PAGE, MprotectFlags::empty()) };
        // SAFETY: `room` is at most `before_guard`, so this is inside the mapping.
        let start = unsafe { base.cast::<u8>().add(before_guard - room) };
        let made = Guarded { base, length, start, size };
        if guarded.is_ok() { made } else { none }
    }

    /// Where the bytes are; null if there are none.
    pub(crate) const fn start(&self) -> *mut u8 {
        self.start
    }

    /// How many they are.
    pub(crate) const fn size(&self) -> usize {
        self.size
    }

    /// A copy of the first `count` bytes, or of all where that is more.
    pub(crate) fn copy(&self, count: usize) -> Vec<u8> {
        if self.start.is_null() {
            return Vec::new();
        }
        // SAFETY: `size` bytes are mapped and readable from `start` on, for as long as this value lives.
        unsafe { std::slice::from_raw_parts(self.start, self.size.min(count)) }.to_vec()
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        if !self.base.is_null() {
            // SAFETY: the mapping made in `new`, of which nobody holds a reference: DLLs were lent it for the call.
            let _ = unsafe { munmap(self.base, self.length) };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_end_at_the_guard_and_are_zero() {
        for size in [1, 7, 8, 256, 4_095, 4_096, 4_097, 65_536] {
            let guarded = Guarded::new(size);
            assert_eq!(guarded.size(), size);
            assert_eq!(guarded.copy(usize::MAX), vec![0; size]);
            let end = guarded.start() as usize + size.next_multiple_of(ALIGNED);
            assert_eq!((end % PAGE, guarded.start() as usize % ALIGNED), (0, 0), "{size}");
            // SAFETY: the last of the `size` bytes.
            unsafe { guarded.start().add(size - 1).write(7) };
            assert_eq!(guarded.copy(size).last(), Some(&7));
            assert!(guarded.copy(0).is_empty());
            let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
            let guard = format!("{end:x}-{:x} ---p", end + PAGE);
            assert!(
                maps.lines().any(|line| line.trim_start_matches('0').starts_with(&guard)),
                "{guard}\n{maps}"
            );
        }
        let none = Guarded::new(0);
        assert!(none.start().is_null() && none.copy(5).is_empty());
    }
}
