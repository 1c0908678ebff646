//! Drives the built `stead` as users do: `stead host` with resource DLLs compiled from C, and whole nodes.
//!
//! The program is the one in the target folder of this build, or what `STEAD_BIN` names.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test that cannot be set up fails")]

pub mod cluster;
mod host;
mod node;
mod trio;
pub mod witness;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::time::{Duration, Instant};

pub use host::{Host, Trace};
pub use node::Node;
pub use trio::{Running, Said, Trio};

/// Longer waits mean that something hangs.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The root of the workspace.
#[must_use]
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().parent().unwrap()
}

/// The built program.
///
/// # Panics
/// When it is not there and cannot be built.
pub fn stead() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        if let Some(given) = std::env::var_os("STEAD_BIN") {
            return PathBuf::from(given);
        }
        // .../target/debug/deps/test-name
        let test = std::env::current_exe().unwrap();
        let program = test.parent().unwrap().parent().unwrap().join("stead");
        if !program.exists() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--package", "stead"]).current_dir(root());
            cargo.env("CARGO_TARGET_DIR", program.parent().unwrap().parent().unwrap());
            assert!(cargo.status().unwrap().success(), "stead could not be built");
        }
        program
    })
}

/// The folder with `libresutils.so` and `libclusapi.so`, as `cargo build` leaves them beside the program.
///
/// # Panics
/// When they are not there and cannot be built.
pub fn libraries() -> &'static Path {
    static BUILT: OnceLock<PathBuf> = OnceLock::new();
    BUILT.get_or_init(|| {
        let test = std::env::current_exe().unwrap();
        let folder = test.parent().unwrap().parent().unwrap().to_owned();
        if !folder.join("libresutils.so").exists() || !folder.join("libclusapi.so").exists() {
            let mut cargo = Command::new(env!("CARGO"));
            cargo.args(["build", "--package", "stead-resutils", "--package", "stead-clusapi"]);
            cargo.current_dir(root()).env("CARGO_TARGET_DIR", folder.parent().unwrap());
            assert!(cargo.status().unwrap().success(), "the libraries could not be built");
        }
        folder
    })
}

/// Compiles a C file into a resource DLL in `folder`, as the documentation tells authors to.
///
/// # Panics
/// When the compiler refuses, or warns.
pub fn compile(source: &Path, folder: &Path, name: &str, extra: &[&str]) -> PathBuf {
    let include = root().join("resource/stead-resapi/include").display().to_string();
    let library = ["-shared", "-fPIC", "-fshort-wchar", "-pthread", "-g", "-I", &include];
    cc(source, &folder.join(name), &[&library, extra].concat())
}

/// Compiles a C source of this package into a program.
///
/// # Panics
/// When it does not compile.
pub fn compile_program(source: &Path, folder: &Path, name: &str) -> PathBuf {
    cc(source, &folder.join(name), &["-O1"])
}

fn cc(source: &Path, made: &Path, flags: &[&str]) -> PathBuf {
    let mut command = Command::new("cc");
    command.args(["-Wall", "-Wextra", "-Werror"]).args(flags).arg(source).arg("-o").arg(made);
    let output = command.output().expect("a C compiler is needed: install gcc");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    made.to_owned()
}

/// The scripted resource DLL of `dll/probe.c`, compiled once a process.
pub fn probe() -> &'static Path {
    static PROBE: OnceLock<(tempfile::TempDir, PathBuf)> = OnceLock::new();
    &PROBE
        .get_or_init(|| {
            let folder = tempfile::tempdir().unwrap();
            let source = root().join("testing/stead-e2e/dll/probe.c");
            let library = compile(&source, folder.path(), "probe.so", &[]);
            (folder, library)
        })
        .1
}

/// The program etcd: installed, or unpacked by `cargo xtask test`. Without it the test is skipped, and says so.
#[must_use]
pub fn etcd() -> Option<PathBuf> {
    let unpacked = root().join("target/tools/usr/bin/etcd");
    let found = [PathBuf::from("/usr/bin/etcd"), PathBuf::from("/usr/local/bin/etcd"), unpacked]
        .into_iter()
        .find(|path| path.exists());
    if found.is_none() {
        eprintln!("SKIPPED: etcd is not there; apt-get install etcd-server, or cargo xtask test");
    }
    found
}

/// The version of an etcd, as numbers; none if it is not one that runs here.
fn version(program: &Path) -> Option<[u32; 3]> {
    let output = Command::new(program).arg("--version").output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let words = text.lines().find_map(|line| line.strip_prefix("etcd Version:"))?;
    let mut numbers = words.trim().split(['.', '-', '+']).map_while(|number| number.parse().ok());
    Some([numbers.next()?, numbers.next()?, numbers.next()?])
}

/// Every version of etcd there is here, with its program, the oldest first: the one of [`etcd`], and those of other
/// releases of Debian that `cargo xtask test` has unpacked. If there is only one, it says so, loudly.
#[must_use]
pub fn etcds() -> Vec<([u32; 3], PathBuf)> {
    let unpacked =
        ["trixie", "sid"].map(|release| root().join("target/tools").join(release).join("usr/bin/etcd"));
    let all = etcd().into_iter().chain(unpacked);
    let mut found: Vec<_> = all.filter_map(|path| Some((version(&path)?, path))).collect();
    found.sort();
    found.dedup_by_key(|(version, _)| *version);
    if found.len() < 2 {
        eprintln!(
            "SKIPPED: there is no second version of etcd; cargo xtask test unpacks those of Debian's trixie and sid below \
             target/tools if apt-get reaches http://deb.debian.org"
        );
    }
    found
}

/// Looks again and again until `look` finds something.
///
/// # Panics
/// After [`PATIENCE`].
pub fn until<T>(what: &str, mut look: impl FnMut() -> Option<T>) -> T {
    let began = Instant::now();
    loop {
        if let Some(found) = look() {
            return found;
        }
        assert!(began.elapsed() < PATIENCE, "waited in vain for: {what}");
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// True if there is such a process and it is not only what is left of one.
#[must_use]
pub fn alive(process: u64) -> bool {
    let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).unwrap_or_default();
    let state = stat.rfind(')').and_then(|end| stat[end + 1..].split_whitespace().next());
    state.is_some_and(|state| state != "Z" && state != "X")
}

/// Kills a process at once.
pub fn kill(process: u64) {
    let process = rustix::process::Pid::from_raw(i32::try_from(process).unwrap()).unwrap();
    rustix::process::kill_process(process, rustix::process::Signal::KILL).unwrap();
}

/// Processes whose command line or environment holds `mark`, but this one.
#[must_use]
pub fn marked(mark: &str) -> Vec<u64> {
    let me = u64::from(std::process::id());
    let holds = |process: u64, file: &str| {
        std::fs::read(format!("/proc/{process}/{file}"))
            .is_ok_and(|bytes| String::from_utf8_lossy(&bytes).contains(mark))
    };
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|process| *process != me && alive(*process))
        .filter(|process| holds(*process, "cmdline") || holds(*process, "environ"))
        .collect()
}

/// Children, and theirs, of a process.
#[must_use]
pub fn descendants(root: u64) -> Vec<u64> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let parent = |process: u64| -> Option<u64> {
        let stat = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
        stat[stat.rfind(')')? + 1..].split_whitespace().nth(1)?.parse().ok()
    };
    let all: Vec<(u64, u64)> = entries
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter_map(|process| Some((process, parent(process)?)))
        .collect();
    let mut found = vec![root];
    let mut at = 0;
    while let Some(next) = found.get(at).copied() {
        found.extend(all.iter().filter(|(_, parent)| *parent == next).map(|(process, _)| *process));
        at += 1;
    }
    found.remove(0);
    found
}
