//! A look at a file before it is loaded: the loader itself hangs on a FIFO and crashes on a truncated file.

use std::fmt;
use std::fs::{self, File};
use std::io::Read;
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::Path;

use stead_types::Code;

/// Why a resource DLL cannot be used.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoadError {
    /// Windows' code.
    pub code: Code,
    /// What is wrong with which file, and what would be right.
    pub text: String,
}

impl LoadError {
    pub(crate) const fn new(code: Code, text: String) -> Self {
        LoadError { code, text }
    }

    pub(crate) fn startup(entry: &str, returned: u32, type_name: &str, source: &str) -> Self {
        let code = Code(returned);
        let text = match code {
            Code::ERROR_CLUSTER_RESNAME_NOT_FOUND => {
                format!("{source}: it does not serve the resource type {type_name:?}")
            }
            Code::ERROR_REVISION_MISMATCH => {
                format!("{source}: it has no version of the interface that this monitor has (1.0 to 4.0)")
            }
            other => format!("{source}: {entry} failed: {other}"),
        };
        LoadError { code, text }
    }
}

impl fmt::Display for LoadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.text, self.code)
    }
}

impl std::error::Error for LoadError {}

#[cfg(target_arch = "x86_64")]
const MACHINE: (u16, &str) = (62, "x86-64");
#[cfg(target_arch = "aarch64")]
const MACHINE: (u16, &str) = (183, "aarch64");

/// Checks that `path` is a complete shared library for this machine that nobody else may change.
///
/// # Errors
/// What it is instead.
pub(crate) fn inspect(path: &Path) -> Result<(), LoadError> {
    let shown = path.display();
    let missing = |text: String| LoadError::new(Code::ERROR_MOD_NOT_FOUND, text);
    let bad = |text: &str| LoadError::new(Code::ERROR_BAD_EXE_FORMAT, format!("{shown}: {text}"));
    let metadata = fs::metadata(path).map_err(|error| missing(format!("{shown}: {error}")))?;
    let kind = metadata.file_type();
    if kind.is_dir() {
        return Err(bad("it is a directory, not a shared library"));
    }
    if kind.is_fifo() || kind.is_socket() || kind.is_block_device() || kind.is_char_device() {
        return Err(bad("it is a device, socket or FIFO, not a shared library"));
    }
    if metadata.mode() & 0o002 != 0 {
        return Err(LoadError::new(
            Code::ERROR_ACCESS_DENIED,
            format!("{shown}: anybody may write to it; `chmod o-w` it first"),
        ));
    }
    let mut file = File::open(path).map_err(|error| {
        LoadError::new(Code::ERROR_ACCESS_DENIED, format!("{shown}: it cannot be read: {error}"))
    })?;
    if metadata.len() == 0 {
        return Err(bad("it is empty"));
    }
    let mut header = [0; 64];
    if file.read_exact(&mut header).is_err() || !header.starts_with(b"\x7fELF") {
        return Err(bad("it is not an ELF file; compile it with `cc -shared -fPIC`"));
    }
    let half = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let word = |at: usize| header[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
    if header[4] != 2 || header[5] != 1 {
        return Err(bad("it is not a 64-bit little-endian library"));
    }
    if half(18) != MACHINE.0 {
        return Err(bad(&format!("it is for another machine (ELF machine {}), not {}", half(18), MACHINE.1)));
    }
    if half(16) != 3 {
        return Err(bad("it is not a shared library; compile it with `-shared`"));
    }
    // Every segment and the section headers must be inside the file: the loader maps them without looking.
    let (segments, size, count) = (word(32), u64::from(half(54)), half(56));
    for index in 0..u64::from(count) {
        let mut segment = [0; 56];
        if file.read_exact_at(&mut segment, segments.saturating_add(index * size)).is_err() {
            return Err(bad("it is truncated"));
        }
        let field = |at: usize| segment[at..at + 8].try_into().map_or(0, u64::from_le_bytes);
        let loaded = segment[..4] == [1, 0, 0, 0];
        if loaded && field(8).saturating_add(field(32)) > metadata.len() {
            return Err(bad("it is truncated"));
        }
    }
    Ok(())
}

/// Which file this is, and which contents as far as the file system tells: enough to see that another has taken its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Identity([u64; 5]);

impl Identity {
    /// Of the file at `path`; `None` if there is none.
    pub(crate) fn of(path: &Path) -> Option<Identity> {
        let file = fs::metadata(path).ok()?;
        let (seconds, nanos) = (file.mtime().cast_unsigned(), file.mtime_nsec().cast_unsigned());
        Some(Identity([file.dev(), file.ino(), file.len(), seconds, nanos]))
    }
}

/// Why a second resource type is not loaded from a file that is no longer the one the first came from.
pub(crate) fn replaced(path: &Path) -> LoadError {
    LoadError::new(
        Code::ERROR_REVISION_MISMATCH,
        format!(
            "{}: it was replaced since this Resource Monitor loaded it, and two versions of a file do not belong in one \
             process; give the resource SeparateMonitor=1, or end and start stead",
            path.display()
        ),
    )
}
