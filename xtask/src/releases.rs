//! etcd of other releases of Debian, unpacked beside the one that is installed, never over it: what upgrades are tested
//! with.

use std::fs;
use std::path::{Path, PathBuf};

use crate::packages::{self, TOOLS};
use crate::run::{run, works};

/// A stable one, and the newest there is.
const RELEASES: &[&str] = &["trixie", "sid"];

/// Where they come from, and by whose keys that is known. Every Debian has the keys of the releases after it.
const ARCHIVE: &str = "http://deb.debian.org/debian";
const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Where one is; the tests look there.
fn folder(release: &str) -> PathBuf {
    crate::root().join(TOOLS).join(release)
}

fn there(release: &str) -> bool {
    works(&folder(release).join("usr/bin/etcd").display().to_string(), &["--version"])
}

/// Gets what is missing, and says what could not be had.
pub(crate) fn unpack() {
    let missing: Vec<&str> = RELEASES.iter().copied().filter(|release| !there(release)).collect();
    if missing.is_empty() {
        return;
    }
    let lists = crate::root().join(TOOLS).join("releases");
    let got = get(&missing, &lists);
    // They are large, and of no more use.
    let _ = fs::remove_dir_all(&lists);
    if let Err(error) = got {
        eprintln!("xtask: {error}");
    }
    for release in missing.into_iter().filter(|release| !there(release)) {
        eprintln!(
            "xtask: NOT UNPACKED: Debian package etcd-server of {release} ({ARCHIVE}, {KEYS}); untested without it: another \
             version of etcd, and members of several"
        );
    }
}

/// The words that have apt know these releases and nothing else, and keep everything of that in a folder.
fn options(lists: &Path) -> Vec<String> {
    let at = |name: &str, to: &str| format!("{name}={}", lists.join(to).display());
    let options = [
        at("Dir::Etc::SourceList", "sources.list"),
        "Dir::Etc::SourceParts=/dev/null".to_owned(),
        at("Dir::State::Lists", "lists"),
        at("Dir::Cache", "cache"),
        "Acquire::Languages=none".to_owned(),
        // The user that apt becomes may not write below the workspace.
        "APT::Sandbox::User=root".to_owned(),
    ];
    options.into_iter().flat_map(|option| ["--option".to_owned(), option]).collect()
}

fn get(releases: &[&str], lists: &Path) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", lists.display());
    for folder in ["lists/partial", "cache/archives/partial"] {
        fs::create_dir_all(lists.join(folder)).map_err(failed)?;
    }
    let line = |release: &&str| format!("deb [signed-by={KEYS}] {ARCHIVE} {release} main\n");
    fs::write(lists.join("sources.list"), releases.iter().map(line).collect::<String>()).map_err(failed)?;
    let options = options(lists);
    let options: Vec<&str> = options.iter().map(String::as_str).collect();
    run("apt-get", &[&["update", "--quiet"], &options[..]].concat())?;
    let unpack = |release: &&str| {
        packages::unpack(&folder(release), "etcd-server", &format!("etcd-server/{release}"), &options)
    };
    let failures: Vec<String> = releases.iter().filter_map(|release| unpack(release).err()).collect();
    if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) }
}
