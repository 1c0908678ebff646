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
use rustix::fd::AsRawFd;
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
            LIBRARIES.iter().try_for_each(|(name, bytes)| {
                load(name, bytes).map_err(|error| format!("{name} could not be provided: {error}"))
            })
        })
        .clone()
}

fn load(name: &str, bytes: &[u8]) -> Result<(), Box<dyn std::error::Error>> {
    let file = rustix::fs::memfd_create(CString::new(name)?, MemfdFlags::CLOEXEC)?;
    let mut rest = bytes;
    while !rest.is_empty() {
        let written = rustix::io::write(&file, rest)?;
        if written == 0 {
            return Err(io::Error::from(io::ErrorKind::WriteZero).into());
        }
        rest = &rest[written..];
    }
    let path = format!("/proc/self/fd/{}", file.as_raw_fd());
    // SAFETY: the library is ours and empty: loading it runs nothing.
    let library = unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }?;
    // It stays for as long as the process.
    let _ = library.into_raw();
    Ok(())
}
