//! What the tests need from the machine.

use crate::run::{run, works};

/// A Debian package, how to tell that it is there, and what goes untested without it.
struct Package {
    name: &'static str,
    probe: (&'static str, &'static [&'static str]),
    without: &'static str,
}

const PACKAGES: &[Package] = &[
    Package {
        name: "gcc",
        probe: ("cc", &["--version"]),
        without: "resource DLLs written in C, the C headers and the LogEvent shim (stead itself needs it too)",
    },
    Package { name: "g++", probe: ("c++", &["--version"]), without: "the headers as C++" },
    Package {
        name: "util-linux",
        probe: ("setpriv", &["--version"]),
        without: "containment as an ordinary user",
    },
    Package { name: "e2fsprogs", probe: ("mkfs.ext4", &["-V"]), without: "File System" },
    Package { name: "mount", probe: ("losetup", &["-V"]), without: "File System" },
    Package { name: "iproute2", probe: ("ip", &["-V"]), without: "IP Address and IPv6 Address" },
    Package {
        name: "procps",
        probe: ("ps", &["--version"]),
        without: "nothing but the readability of failures",
    },
];

/// Installs what is missing where that is allowed, and says what could not be.
pub(crate) fn install() {
    let missing: Vec<&Package> =
        PACKAGES.iter().filter(|package| !works(package.probe.0, package.probe.1)).collect();
    if missing.is_empty() {
        return;
    }
    let names: Vec<&str> = missing.iter().map(|package| package.name).collect();
    let allowed = works("apt-get", &["--version"]) && works("test", &["-w", "/var/lib/dpkg"]);
    if allowed {
        let mut args = vec!["install", "--yes", "--no-install-recommends"];
        args.extend(&names);
        let updated = run("apt-get", &["update", "--quiet"]);
        if let Err(error) = updated.and_then(|()| run("apt-get", &args)) {
            eprintln!("xtask: {error}");
        }
    }
    for package in missing {
        if !works(package.probe.0, package.probe.1) {
            eprintln!(
                "xtask: NOT INSTALLED: Debian package {}; untested without it: {}",
                package.name, package.without
            );
        }
    }
}

/// Installs a cargo tool where it is missing. False, and said so, if that failed.
pub(crate) fn cargo_tool(name: &str, probe: &[&str], without: &str) -> bool {
    if works("cargo", probe) {
        return true;
    }
    // Unoptimised, since it runs for a second and would build for minutes.
    let args = ["install", "--locked", "--debug", name];
    match run("cargo", &args) {
        Ok(()) => true,
        Err(error) => {
            eprintln!("xtask: NOT INSTALLED: {name} ({error}); unchecked without it: {without}");
            false
        }
    }
}
