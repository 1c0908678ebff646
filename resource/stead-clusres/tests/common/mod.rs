//! Folders with executables, and waiting for what programs do.
#![allow(dead_code, reason = "each test file uses its own part")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use tempfile::TempDir;

/// A wait longer than this is a hang.
const HUNG: Duration = Duration::from_secs(30);

pub(crate) struct Place(PathBuf, Option<TempDir>);

impl Place {
    pub(crate) fn new() -> Place {
        let folder = tempfile::tempdir().unwrap();
        Place(folder.path().to_owned(), Some(folder))
    }

    /// A folder that somebody else removes.
    pub(crate) fn at(folder: String) -> Place {
        Place(folder.into(), None)
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn shown(&self, name: &str) -> String {
        self.path(name).display().to_string()
    }

    /// An executable shell script.
    pub(crate) fn script(&self, name: &str, text: &str) -> String {
        let path = self.path(name);
        // It is written under another name and linked: a file that somebody just wrote may be "busy" for exec.
        let fresh = self.path(&format!("{name}.new"));
        fs::write(&fresh, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&fresh, fs::Permissions::from_mode(0o755)).unwrap();
        fs::rename(&fresh, &path).unwrap();
        path.display().to_string()
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// The numbers in a file, once there are so many.
    pub(crate) fn numbers(&self, name: &str, count: usize) -> Vec<u32> {
        let mut numbers = Vec::new();
        eventually(&format!("{count} numbers in {name}"), || {
            let text = self.read(name);
            numbers = text.split_whitespace().filter_map(|word| word.parse().ok()).collect();
            numbers.len() >= count && text.ends_with('\n')
        });
        numbers
    }
}

/// Looks again and again until it is so.
pub(crate) fn eventually(what: &str, mut so: impl FnMut() -> bool) {
    let until = Instant::now() + HUNG;
    while !so() {
        assert!(Instant::now() < until, "{what}: not after {HUNG:?}");
        std::thread::yield_now();
    }
}

/// True if the process exists and is no zombie.
pub(crate) fn runs(process: u32) -> bool {
    let stat = fs::read_to_string(Path::new("/proc").join(process.to_string()).join("stat"));
    stat.is_ok_and(|stat| !stat[stat.rfind(')').unwrap_or(0)..].starts_with(") Z"))
}

/// Says that something goes untested here, and why.
pub(crate) fn skip(why: &str) {
    println!("SKIPPED: {why}");
}

/// The variable by which a test that runs itself again knows that it is inside.
const INSIDE: &str = "STEAD_TEST_INSIDE";

/// The test binary again, for one test, with more words in front.
pub(crate) fn again(before: &[&str], test: &str, inside: &str) -> Command {
    let mut words: Vec<String> = before.iter().map(|word| (*word).to_owned()).collect();
    words.push(std::env::current_exe().unwrap().display().to_string());
    words.extend(["--exact", test, "--nocapture", "--test-threads=1"].map(str::to_owned));
    let mut command = Command::new(&words[0]);
    command.args(&words[1..]).env(INSIDE, inside);
    command
}

/// What a test that was run again is to do.
pub(crate) fn inside() -> Option<String> {
    std::env::var(INSIDE).ok()
}

/// Runs a test again in namespaces of its own, as root, with a `/run` of its own. True inside; false for the caller,
/// who returns: the test has run, or was skipped.
pub(crate) fn alone(test: &str, namespaces: &[&str]) -> bool {
    if inside().is_some() {
        return true;
    }
    if !rustix::process::getuid().is_root() {
        skip(&format!("{test}: only root can make namespaces and addresses in them"));
        return false;
    }
    let mut before = vec!["unshare", "--mount", "--propagation", "private"];
    before.extend(namespaces);
    before.extend(["sh", "-c", "mount -t tmpfs none /run && exec \"$@\"", "sh"]);
    let output = again(&before, test, "yes").output().expect("unshare is needed: install util-linux");
    let text =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    println!("{text}");
    assert!(output.status.success(), "{test}, in namespaces of its own:\n{text}");
    false
}

/// Runs a program and returns what it prints.
pub(crate) fn sh(line: &str) -> String {
    let output = Command::new("sh").args(["-ec", line]).output().unwrap();
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{line}: {text}{}", String::from_utf8_lossy(&output.stderr));
    text
}
