//! What a resource DLL can do wrong, and what must hold all the same.
//!
//! `dll/` is one resource DLL in C with a behaviour for each entry of [`CASES`], chosen by the private property
//! `Behaviour`. [`Yard`] is a cluster with a group for each behaviour and an innocent group beside them: it waits for
//! what the table promises, and then makes sure that nobody else was harmed and that nothing is left over.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

mod judged;
mod table;
mod yard;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

pub use judged::{JUDGED, Says};
pub use table::{CASES, Case, OTHERS, Other, Outcome, case};
pub use yard::Yard;

/// The resource DLL, compiled once a process.
///
/// # Panics
/// When the compiler refuses, or warns.
pub fn library() -> &'static Path {
    static BUILT: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &BUILT
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let library = folder.path().join("misbehave.so");
            compile(&library, &[]);
            (folder, library)
        })
        .1
}

/// Compiles the resource DLL to `library`.
///
/// # Panics
/// When the compiler refuses, or warns.
pub fn compile(library: &Path, extra: &[&str]) {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let sources = ["misbehave", "crashes", "hangs", "reports", "processes", "descriptors"];
    let output = Command::new("cc")
        .args(["-Wall", "-Wextra", "-Werror", "-shared", "-fPIC", "-fshort-wchar", "-pthread", "-g"])
        // A throw and a jump go through frames of C as they go through those of C++.
        .args(["-O2", "-fexceptions", "-U_FORTIFY_SOURCE", "-D_FORTIFY_SOURCE=2"])
        .arg("-I")
        .arg(stead_e2e::root().join("resource/stead-resapi/include"))
        .args(extra)
        .args(sources.map(|name| here.join("dll").join(name).with_extension("c")))
        .arg("-o")
        .arg(library)
        .output()
        .expect("a C compiler is needed: install gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}
