//! `DllMain`, which the loader of Windows calls by itself. Here the Resource Monitor does.

use std::collections::BTreeSet;
use std::ffi::c_void;
use std::sync::{Mutex, PoisonError};

use libloading::os::unix::Library;

/// `DLL_PROCESS_ATTACH` and `DLL_PROCESS_DETACH`.
const ATTACH: u32 = 1;
const DETACH: u32 = 0;

/// Windows: dlls/dllmain
type DllMain = unsafe extern "system" fn(*mut c_void, u32, *mut c_void) -> i32;

/// The libraries that were told that they are loaded, by the loader's handle: one that is loaded again is the same.
static ATTACHED: Mutex<BTreeSet<usize>> = Mutex::new(BTreeSet::new());

/// The loader's handle of a library.
fn handle_of(library: Library) -> (usize, Library) {
    let handle = library.into_raw();
    // SAFETY: the handle comes from a library that was not closed.
    (handle as usize, unsafe { Library::from_raw(handle) })
}

fn call(library: &Library, handle: usize, reason: u32) -> bool {
    // SAFETY: the symbol is called with the documented signature, as an exporter of that name promises.
    let found = unsafe { library.get::<DllMain>(b"DllMain\0") };
    found.map_or(true, |main| {
        // SAFETY: as above. The last argument is null where a library is loaded at run time.
        unsafe { main(handle as *mut c_void, reason, std::ptr::null_mut()) != 0 }
    })
}

/// Tells a library that it has been loaded, once. False where its `DllMain` says that it cannot be used.
pub(crate) fn attach(library: Library) -> (bool, Library) {
    let (handle, library) = handle_of(library);
    let mut attached = ATTACHED.lock().unwrap_or_else(PoisonError::into_inner);
    let good = attached.contains(&handle) || call(&library, handle, ATTACH);
    if good {
        attached.insert(handle);
    }
    (good, library)
}

/// Tells a library that it is about to be unloaded, and unloads it.
pub(crate) fn detach(library: Library) {
    let (handle, library) = handle_of(library);
    if ATTACHED.lock().unwrap_or_else(PoisonError::into_inner).remove(&handle) {
        call(&library, handle, DETACH);
    }
    drop(library);
}
