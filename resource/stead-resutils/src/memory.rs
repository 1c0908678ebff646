//! Memory that crosses the interface: what this library hands out, resource DLLs free with `LocalFree`, and they may
//! allocate the same way.
//!
//! Every live block is on record, so that a pointer that is none, or was freed before, is refused instead of believed.

use std::alloc::{Layout, alloc, alloc_zeroed, dealloc};
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_resapi::{ERROR_INVALID_HANDLE, ERROR_NOT_ENOUGH_MEMORY, HANDLE};

/// Addresses and sizes of live blocks, in parts that are locked apart.
static LIVE: [Mutex<Option<HashMap<usize, usize>>>; 16] = [const { Mutex::new(None) }; 16];

const ALIGNMENT: usize = 16;
/// `LMEM_ZEROINIT`.
const LOCAL_ZERO: u32 = 0x40;
/// `HEAP_ZERO_MEMORY`.
const HEAP_ZERO: u32 = 8;
/// What `GetProcessHeap` answers; it is no address.
const HEAP: usize = 0x7E00_0000_0000_0001;

fn part(address: usize) -> MutexGuard<'static, Option<HashMap<usize, usize>>> {
    LIVE[(address / ALIGNMENT) % LIVE.len()].lock().unwrap_or_else(PoisonError::into_inner)
}

fn layout(size: usize) -> Result<Layout, u32> {
    Layout::from_size_align(size.max(1), ALIGNMENT).map_err(|_| ERROR_NOT_ENOUGH_MEMORY)
}

/// A new block.
///
/// # Errors
/// 8 where there is no memory.
pub(crate) fn allocate(size: usize, zeroed: bool) -> Result<*mut u8, u32> {
    let layout = layout(size)?;
    // SAFETY: the layout's size is not zero.
    let block = unsafe { if zeroed { alloc_zeroed(layout) } else { alloc(layout) } };
    if block.is_null() {
        return Err(ERROR_NOT_ENOUGH_MEMORY);
    }
    part(block as usize).get_or_insert_default().insert(block as usize, size);
    Ok(block)
}

/// The size of a live block; `None` for anything else.
pub(crate) fn size(block: *const c_void) -> Option<usize> {
    part(block as usize).as_ref()?.get(&(block as usize)).copied()
}

/// Frees a live block. False for anything else, which is left alone.
pub(crate) fn free(block: *mut c_void) -> bool {
    let Some(size) = part(block as usize).as_mut().and_then(|live| live.remove(&(block as usize))) else {
        return false;
    };
    if let Ok(layout) = layout(size) {
        // SAFETY: it was on record, so `allocate` made it with this layout and nobody has freed it since.
        unsafe { dealloc(block.cast(), layout) };
    }
    true
}

fn reallocate(block: *mut c_void, to: usize, zeroed: bool) -> Result<*mut u8, u32> {
    let from = size(block).ok_or(ERROR_INVALID_HANDLE)?;
    let new = allocate(to, zeroed)?;
    // SAFETY: both blocks are live and at least this long; a new block overlaps no live one.
    unsafe { std::ptr::copy_nonoverlapping(block.cast::<u8>(), new, from.min(to)) };
    free(block);
    Ok(new)
}

/// A copy of `bytes` to hand out.
///
/// # Errors
/// 8 where there is no memory.
pub(crate) fn block(bytes: &[u8]) -> Result<*mut u8, u32> {
    let block = allocate(bytes.len(), false)?;
    // SAFETY: the block was just made and is this long.
    unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), block, bytes.len()) };
    Ok(block)
}

/// A NUL-terminated copy of `units` to hand out.
///
/// # Errors
/// 8 where there is no memory.
pub(crate) fn string(units: &[u16]) -> Result<*mut u16, u32> {
    Ok(block(&crate::raw::to_bytes(&crate::raw::terminated(units)))?.cast())
}

fn process_heap(heap: HANDLE) -> Result<(), u32> {
    if heap as usize == HEAP { Ok(()) } else { Err(ERROR_INVALID_HANDLE) }
}

exports! {
    /// Allocates `bytes` bytes, aligned to 16. `LMEM_ZEROINIT` (0x40) is the only flag that matters: blocks never
    /// move. Null and last error 8 where there is no memory.
    ///
    /// Windows: winbase/nf-winbase-localalloc
    fn LocalAlloc(flags: u32, bytes: usize) -> *mut c_void {
        Ok(allocate(bytes, flags & LOCAL_ZERO != 0)?.cast())
    }

    /// Frees what `LocalAlloc` or this library handed out. Answers null; a pointer that is no live block is left
    /// alone and answered itself, with last error 6. Null is no error.
    ///
    /// Windows: winbase/nf-winbase-localfree
    fn LocalFree(memory: *mut c_void) -> *mut c_void {
        if memory.is_null() || free(memory) {
            return Ok(null_mut());
        }
        crate::clusapi::SetLastError(ERROR_INVALID_HANDLE);
        Ok(memory)
    }

    /// Changes the size of a block, which may move. Null and last error 6 for what is no live block, 8 where there is
    /// no memory; then the block stays as it was.
    ///
    /// Windows: winbase/nf-winbase-localrealloc
    fn LocalReAlloc(memory: *mut c_void, bytes: usize, flags: u32) -> *mut c_void {
        Ok(reallocate(memory, bytes, flags & LOCAL_ZERO != 0)?.cast())
    }

    /// The size of a block in bytes; 0 and last error 6 for what is no live block.
    ///
    /// Windows: winbase/nf-winbase-localsize
    fn LocalSize(memory: *mut c_void) -> usize {
        size(memory).ok_or(ERROR_INVALID_HANDLE)
    }

    /// The one heap there is.
    ///
    /// Windows: heapapi/nf-heapapi-getprocessheap
    fn GetProcessHeap() -> *mut c_void {
        Ok(HEAP as *mut c_void)
    }

    /// As `LocalAlloc`, on the process heap; the flag is `HEAP_ZERO_MEMORY` (8).
    ///
    /// Windows: heapapi/nf-heapapi-heapalloc
    fn HeapAlloc(heap: HANDLE, flags: u32, bytes: usize) -> *mut c_void {
        process_heap(heap)?;
        Ok(allocate(bytes, flags & HEAP_ZERO != 0)?.cast())
    }

    /// Frees a block. False and last error 6 for what is no live block; null is no error.
    ///
    /// Windows: heapapi/nf-heapapi-heapfree
    fn HeapFree(heap: HANDLE, _flags: u32, memory: *mut c_void) -> i32 {
        process_heap(heap)?;
        if memory.is_null() || free(memory) { Ok(1) } else { Err(ERROR_INVALID_HANDLE) }
    }

    /// As `LocalReAlloc`, on the process heap.
    ///
    /// Windows: heapapi/nf-heapapi-heaprealloc
    fn HeapReAlloc(heap: HANDLE, flags: u32, memory: *mut c_void, bytes: usize) -> *mut c_void {
        process_heap(heap)?;
        Ok(reallocate(memory, bytes, flags & HEAP_ZERO != 0)?.cast())
    }
}
