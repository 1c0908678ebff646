//! The libraries that resource DLLs are linked with, as names.
//!
//! Their functions are in this executable, which the loader searches first. For the loader to be content with a
//! `NEEDED` entry it is enough that a library of that name is loaded: so an empty one is, from memory. It makes
//! resource DLLs run where nothing but the executable is installed, and no library of another version can come
//! between.

// Nothing here calls it: resource DLLs do, by name.
use resutils as _;

use std::ffi::CString;
use std::io;
use std::sync::OnceLock;

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use rustix::fd::{AsRawFd, OwnedFd};
use rustix::fs::MemfdFlags;

const LIBRARIES: &[(&str, &[u8])] = &[
    ("libclusapi.so", include_bytes!(concat!(env!("OUT_DIR"), "/libclusapi.so"))),
    ("libresutils.so", include_bytes!(concat!(env!("OUT_DIR"), "/libresutils.so"))),
];

/// Makes the names known to the loader, once a process.
///
/// # Errors
/// What could not be loaded, and why.
pub(crate) fn make_known() -> Result<(), String> {
    static KNOWN: OnceLock<Result<(), String>> = OnceLock::new();
    KNOWN
        .get_or_init(|| {
            // The loader knows a file by its path, and that is made of the number of the descriptor: a number that
            // is free again would make the second library a second handle of the first. So all stay open.
            let mut files = Vec::new();
            for (name, bytes) in LIBRARIES {
                let file =
                    load(name, bytes).map_err(|error| format!("{name} could not be provided: {error}"))?;
                files.push(file);
            }
            Ok(())
        })
        .clone()
}

/// Loads one library for as long as the process lives. Its file is still open then.
fn load(name: &str, bytes: &[u8]) -> Result<OwnedFd, Box<dyn std::error::Error>> {
    let file = rustix::fs::memfd_create(CString::new(name)?, MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        rest = &rest[written..];
    }
    // Spelt as nobody else does: a resource DLL that loads a file of its own this way must not get ours.
    let path = format!("/proc/self/./fd/{}", file.as_raw_fd());
    // SAFETY: the library is ours and empty: loading it runs nothing.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
    // It stays for as long as the process.
    let _ = library.into_raw();
    Ok(file)
}
