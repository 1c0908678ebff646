//! What needs unsafe code: start-up by hand, control calls with buffers that are watched, the allocator's numbers.
#![allow(unsafe_code, reason = "this is the boundary to foreign code")]

use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::Mutex;

use rustix::mm::{MapFlags, MprotectFlags, ProtFlags, mmap_anonymous, mprotect, munmap};
use rustix::thread::{UnshareFlags, unshare_unsafe};
use stead_resapi as abi;
use stead_resapi::{CLRES_FUNCTION_TABLE, to_wide};

use crate::dll::{Dll, Exports, RawBuffers, Resid, callback_table, set_resource_status};

use super::trace::TableSeen;

/// Calls `StartupEx` or `Startup`: what it returned, and the table if it handed one out.
pub(crate) fn start_up(
    exports: Exports,
    ex: bool,
    type_name: &str,
    (min, max): (u32, u32),
) -> Option<(u32, Option<TableSeen>)> {
    let name = to_wide(type_name);
    let mut table: *mut CLRES_FUNCTION_TABLE = null_mut();
    clusapi::set_last_error(0);
    // SAFETY: start-up routines with their documented arguments; name and tables outlive the calls.
    let returned = unsafe {
        if ex {
            exports.startup_ex?(name.as_ptr(), min, max, callback_table(), &raw mut table)
        } else {
            let status: abi::SET_RESOURCE_STATUS = set_resource_status;
            exports.startup?(name.as_ptr(), min, max, Some(status), Some(abi::log_event()), &raw mut table)
        }
    };
    if returned != 0 || table.is_null() {
        return Some((returned, None));
    }
    // SAFETY: start-up succeeded with a table, of which the 8-byte header exists in every version.
    let (size, version) = unsafe {
        ((&raw const (*table).TableSize).read_unaligned(), (&raw const (*table).Version).read_unaligned())
    };
    let members = match version {
        abi::CLRES_VERSION_V1_00 => 11,
        abi::CLRES_VERSION_V2_00 | abi::CLRES_VERSION_V3_00 => 12,
        abi::CLRES_VERSION_V4_00 => 14,
        _ => 0,
    };
    let there = members.min(size as usize / size_of::<usize>());
    let present = (0..there)
        .map(|index| {
            // SAFETY: TableSize says that this pointer is there; all members are pointers of one size.
            let member = unsafe { (&raw const (*table).F).cast::<usize>().add(index).read_unaligned() };
            member != 0
        })
        .collect();
    Some((returned, Some(TableSeen { size, version, present })))
}

/// Bytes around an output buffer that must stay as they are.
const BORDER: usize = 512;
const MARK: u8 = 0xA5;

/// An input buffer that ends where memory ends: whoever reads behind it is noticed.
struct Guarded {
    base: *mut c_void,
    length: usize,
    start: *mut u8,
}

impl Guarded {
    fn new(bytes: &[u8]) -> Option<Guarded> {
        let page = rustix::param::page_size();
        let body = bytes.len().next_multiple_of(page).max(page);
        // SAFETY: a new mapping at a place the kernel chooses.
        let base = unsafe {
            mmap_anonymous(null_mut(), body + page, ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE)
        }
        .ok()?;
        // SAFETY: the last page of the mapping just made.
        unsafe { mprotect(base.cast::<u8>().add(body).cast(), page, MprotectFlags::empty()) }.ok()?;
        // Buffers are aligned for any value, so up to seven bytes lie between the end and the border.
        // SAFETY: inside the mapping: the rounded length is no more than the body.
        let start = unsafe { base.cast::<u8>().add(body - bytes.len().next_multiple_of(8)) };
        // SAFETY: the body has room for the bytes from `start`.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), start, bytes.len()) };
        Some(Guarded { base, length: body + page, start })
    }
}

impl Drop for Guarded {
    fn drop(&mut self) {
        // SAFETY: the mapping is ours and nobody uses it any more.
        let _ = unsafe { munmap(self.base, self.length) };
    }
}

/// The buffers of one control call.
pub(crate) struct Watched {
    input: Option<Guarded>,
    in_size: u32,
    output: Vec<u8>,
    out_size: u32,
    returned: Box<u32>,
}

// SAFETY: the DLL alone touches the buffers during the call; they are read when it has ended.
unsafe impl Send for Watched {}

/// What a control call left in its buffers.
pub(crate) struct Left {
    pub(crate) output: Vec<u8>,
    pub(crate) bytes: u32,
    pub(crate) overrun: u32,
}

impl Watched {
    pub(crate) fn new(input: &[u8], out_size: u32) -> Watched {
        let size = if out_size == 0 { 0 } else { out_size as usize + 2 * BORDER };
        Watched {
            input: if input.is_empty() { None } else { Guarded::new(input) },
            in_size: input.len() as u32,
            output: vec![MARK; size],
            out_size,
            returned: Box::new(0),
        }
    }

    fn raw(&mut self) -> RawBuffers {
        let output = match self.output.get_mut(BORDER..) {
            Some(output) if self.out_size > 0 => output.as_mut_ptr().cast(),
            Some(_) | None => null_mut(),
        };
        let input = self.input.as_ref().map_or(null_mut(), |input| input.start.cast());
        RawBuffers {
            input: (input, if input.is_null() { 0 } else { self.in_size }),
            output: (output, self.out_size),
            returned: &raw mut *self.returned,
        }
    }

    /// What is in the buffers now. Only after the call has ended.
    pub(crate) fn left(&self) -> Left {
        // SAFETY: the box is ours; read raw since the DLL wrote to it behind the compiler's back.
        let bytes = unsafe { (&raw const *self.returned).read_volatile() };
        if self.out_size == 0 {
            return Left { output: Vec::new(), bytes, overrun: 0 };
        }
        let end = BORDER + self.out_size as usize;
        let changed = |part: &[u8]| part.iter().filter(|byte| **byte != MARK).count() as u32;
        let overrun = changed(&self.output[..BORDER]) + changed(&self.output[end..]);
        let used = (bytes as usize).min(self.out_size as usize);
        Left { output: self.output[BORDER..BORDER + used].to_vec(), bytes, overrun }
    }
}

/// The buffers of a call, and what was in the output buffer and around it when the call had ended.
struct Lent {
    call: u32,
    watched: Watched,
    then: Vec<u8>,
}

/// Buffers are never freed: a resource DLL may still write to them, in a call that did not end or after one that did.
static LENT: Mutex<Vec<Lent>> = Mutex::new(Vec::new());

/// Keeps the buffers of a call that has ended.
pub(crate) fn lend(call: u32, watched: Watched) {
    let then = watched.output.clone();
    crate::engine::lock(&LENT).push(Lent { call, watched, then });
}

/// Keeps the buffers of a call that did not end.
pub(crate) fn keep(call: u32, watched: Watched) {
    // Nothing to compare with: such a call may write whenever it likes.
    crate::engine::lock(&LENT).push(Lent { call, watched, then: Vec::new() });
}

/// The calls whose output buffers were changed after they had ended, and how many bytes of each.
pub(crate) fn written_late() -> Vec<(u32, u32)> {
    let lent = crate::engine::lock(&LENT);
    let changed = lent.iter().map(|Lent { call, watched, then }| {
        let pairs = watched.output.iter().zip(then);
        (*call, pairs.filter(|(now, then)| now != then).count() as u32)
    });
    changed.filter(|(_, bytes)| *bytes > 0).collect()
}

/// `ResourceControl` or its asynchronous form: what it returned, and whether it goes on. The buffers must be kept
/// until it has ended.
pub(crate) fn control(
    dll: &Dll,
    resid: Resid,
    code: u32,
    watched: &mut Watched,
    context: i64,
) -> (u32, bool) {
    let raw = watched.raw();
    // SAFETY: the caller keeps the buffers until the call has ended, or for ever.
    unsafe { dll.control_with(resid, code, &raw, context) }
}

/// The numbers of glibc's `mallinfo2`.
#[repr(C)]
#[derive(Default)]
struct Mallinfo2 {
    arena: usize,
    ordblks: usize,
    smblks: usize,
    hblks: usize,
    hblkhd: usize,
    usmblks: usize,
    fsmblks: usize,
    uordblks: usize,
    fordblks: usize,
    keepcost: usize,
}

unsafe extern "C" {
    fn mallinfo2() -> Mallinfo2;
}

/// Bytes that the allocator has handed out and not got back.
pub(crate) fn heap() -> u64 {
    // SAFETY: no arguments, and a structure of numbers comes back.
    let info = unsafe { mallinfo2() };
    (info.uordblks + info.hblkhd) as u64
}

/// The variable of the C library by which its allocator is told what to do.
const TUNABLES: &str = "GLIBC_TUNABLES";

/// Nothing is kept back for the next request of a thread: what is freed is seen to be freed. What threads keep fills up
/// over hundreds of cycles, and looks like a leak.
const EXACT: &str = "glibc.malloc.tcache_count=0:glibc.malloc.arena_max=1";

/// The variable for the process of a trial, with what it holds already.
pub(crate) fn exact() -> (&'static str, String) {
    let given = std::env::var(TUNABLES).unwrap_or_default();
    (TUNABLES, if given.is_empty() { EXACT.to_owned() } else { format!("{given}:{EXACT}") })
}

/// Puts the variable back to what it was: the allocator has read it, and the workload shall live as elsewhere.
pub(crate) fn forget_exact() {
    let value = std::env::var(TUNABLES).unwrap_or_default();
    let given = value.strip_suffix(EXACT).map(|given| given.trim_end_matches(':'));
    // SAFETY: called at the beginning of the process, which has one thread and no resource DLL yet.
    unsafe {
        match given {
            Some("") => std::env::remove_var(TUNABLES),
            Some(given) => std::env::set_var(TUNABLES, given),
            None => {}
        }
    }
}

/// Lets the next children of this thread live in a process namespace and a mount namespace of their own.
pub(crate) fn contain() -> rustix::io::Result<()> {
    // SAFETY: descriptors are not unshared, and the calling program starts one child and then only waits.
    unsafe { unshare_unsafe(UnshareFlags::NEWPID | UnshareFlags::NEWNS) }
}
