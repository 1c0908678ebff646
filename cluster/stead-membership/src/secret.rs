//! Files that hold secrets, and files that must be whole or not there.

use std::fs::{self, DirBuilder, File};
use std::io::Write;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::Path;

use crate::error::{Trouble, failed};

/// The longest secret that is read.
const LONGEST: u64 = 1 << 20;

fn wrong(path: &Path, error: &std::io::Error) -> Trouble {
    failed(format!("{}: {error}", path.display()))
}

/// Makes a folder for this user alone; one that is there stays as it is.
pub(crate) fn folder(path: &Path) -> Result<(), Trouble> {
    DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(|error| wrong(path, &error))
}

/// Writes a file for this user alone: whole, on disk, or not at all.
pub(crate) fn write(path: &Path, content: &[u8]) -> Result<(), Trouble> {
    let beside = path.with_extension("new");
    let write = || {
        let _ = fs::remove_file(&beside);
        let mut file = File::options().write(true).create_new(true).mode(0o600).open(&beside)?;
        file.write_all(content)?;
        file.sync_all()?;
        fs::rename(&beside, path)?;
        match path.parent() {
            Some(folder) => File::open(folder)?.sync_all(),
            None => Ok(()),
        }
    };
    write().map_err(|error| wrong(path, &error))
}

/// Reads a file that nobody but its owner may read, and that is this user's or root's.
///
/// # Errors
/// What is wrong with it and how to mend it.
pub(crate) fn read(what: &str, path: &Path) -> Result<Vec<u8>, Trouble> {
    let shown = path.display();
    let bad = |text: String| Trouble::BadFile(format!("{what} {shown}: {text}"));
    let about = fs::metadata(path).map_err(|error| bad(error.to_string()))?;
    if !about.is_file() || about.len() > LONGEST {
        return Err(bad("it is no file, or far too long for a secret".to_owned()));
    }
    if about.mode() & 0o077 != 0 {
        return Err(bad(format!(
            "others than its owner may read it (mode {:04o}); chmod 600 {shown}",
            about.mode() & 0o7777
        )));
    }
    let me = rustix::process::geteuid().as_raw();
    if about.uid() != 0 && about.uid() != me {
        return Err(bad(format!("it belongs to user {}; chown root {shown}", about.uid())));
    }
    fs::read(path).map_err(|error| bad(error.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn a_secret_that_others_may_read_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("password");
        write(&path, b"x").unwrap();
        assert_eq!(read("password file", &path).unwrap(), b"x");
        for mode in [0o640, 0o604, 0o610] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            let told = read("password file", &path).unwrap_err().to_string();
            assert!(told.contains("chmod 600"), "{told}");
        }
        assert!(read("password file", folder.path()).is_err());
    }
}
