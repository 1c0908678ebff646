//! Paths.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use stead_resapi::{
    ERROR_ACCESS_DENIED, ERROR_ALREADY_EXISTS, ERROR_DISK_FULL, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER,
};

use crate::raw;

/// The longest path, in bytes.
const LONGEST: usize = 4095;
/// The longest name in a path, in bytes.
const LONGEST_NAME: usize = 255;

/// The path that a string stands for, if it can be one: absolute, well-formed, no name or whole too long.
fn path(text: &[u16]) -> Option<PathBuf> {
    let path = String::from_utf16(text).ok()?;
    let fits = path.len() <= LONGEST && path.split('/').all(|name| name.len() <= LONGEST_NAME);
    (path.starts_with('/') && fits).then(|| PathBuf::from(path))
}

fn code(error: &std::io::Error) -> u32 {
    const CODES: [(ErrorKind, u32); 7] = [
        (ErrorKind::PermissionDenied, ERROR_ACCESS_DENIED),
        (ErrorKind::ReadOnlyFilesystem, ERROR_ACCESS_DENIED),
        (ErrorKind::AlreadyExists, ERROR_ALREADY_EXISTS),
        (ErrorKind::NotADirectory, ERROR_ALREADY_EXISTS),
        (ErrorKind::StorageFull, ERROR_DISK_FULL),
        (ErrorKind::QuotaExceeded, ERROR_DISK_FULL),
        (ErrorKind::NotFound, ERROR_FILE_NOT_FOUND),
    ];
    let found = CODES.iter().find(|(kind, _)| *kind == error.kind());
    found.map_or(ERROR_INVALID_PARAMETER, |(_, code)| *code)
}

exports! {
    /// Makes a folder with those above it that are missing. An existing one is no error. 87 for a path that can be
    /// none, 5 where it is not allowed, 183 where something else has the name, 112 where the disk is full.
    ///
    /// Windows: resutils/nf-resapi-resutilcreatedirectorytree
    /// Note: paths are absolute and have `/` between names, as on this system.
    fn ResUtilCreateDirectoryTree(pszPath: *const u16) -> u32 {
        let path = path(&raw::required_text(pszPath)?).ok_or(ERROR_INVALID_PARAMETER)?;
        std::fs::create_dir_all::<&Path>(&path).map_err(|error| code(&error))
    }

    /// True for a string that can be a path: absolute, well-formed, of at most 4095 bytes, its names of at most 255.
    /// Nothing needs to be there.
    ///
    /// Windows: resutils/nf-resapi-resutilispathvalid
    /// Note: there it is a path with a drive letter or a share; here it begins with `/`.
    fn ResUtilIsPathValid(pszPath: *const u16) -> i32 {
        Ok(i32::from(path(&raw::required_text(pszPath)?).is_some()))
    }
}
