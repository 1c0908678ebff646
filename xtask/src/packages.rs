//! What the tests need from the machine.

use std::fs;
use std::path::Path;

use crate::releases;
use crate::run::{run, run_in, works};

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
    Package {
        name: "resource-agents",
        probe: ("test", &["-e", "/usr/lib/ocf/resource.d/heartbeat/Dummy"]),
        without: "OCF Agent with agents that others wrote",
    },
    Package { name: "kmod", probe: ("modprobe", &["-V"]), without: "OCF Agent with Filesystem" },
    Package { name: "nginx-light", probe: ("nginx", &["-v"]), without: "OCF Agent with nginx" },
    Package {
        name: "redis-server",
        probe: ("redis-server", &["--version"]),
        without: "OCF Agent with redis",
    },
    Package {
        name: "postgresql",
        probe: ("test", &["-e", "/usr/lib/postgresql"]),
        without: "OCF Agent with pgsql",
    },
    Package { name: "iproute2", probe: ("ip", &["-V"]), without: "IP Address, IPv6 Address and stead lab" },
    Package { name: "nftables", probe: ("nft", &["--version"]), without: "stead lab" },
    Package {
        name: "procps",
        probe: ("ps", &["--version"]),
        without: "nothing but the readability of failures",
    },
];

/// While it lives no package starts a daemon: that is what Debian asks this file.
struct NoDaemons {
    ours: bool,
}

impl NoDaemons {
    const POLICY: &str = "/usr/sbin/policy-rc.d";

    fn begin() -> NoDaemons {
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        // One that is there has its own opinion.
        let file = std::fs::File::options().write(true).create_new(true).mode(0o755).open(Self::POLICY);
        NoDaemons { ours: file.and_then(|mut file| file.write_all(b"#!/bin/sh\nexit 101\n")).is_ok() }
    }
}

impl Drop for NoDaemons {
    fn drop(&mut self) {
        if self.ours {
            let _ = std::fs::remove_file(Self::POLICY);
        }
    }
}

/// Programs of Debian packages that are unpacked below `target`, never installed: their packages would start a daemon.
const UNPACKED: &[Package] = &[
    Package {
        name: "etcd-server",
        probe: ("etcd", &["--version"]),
        without: "the cluster database of several machines",
    },
    Package {
        name: "etcd-client",
        probe: ("etcdctl", &["--help"]),
        without: "the cluster database of several machines",
    },
];

/// Where they are; the tests look there too.
pub(crate) const TOOLS: &str = "target/tools";

fn there(package: &Package) -> bool {
    let (program, args) = package.probe;
    let unpacked = crate::root().join(TOOLS).join("usr/bin").join(program);
    works(program, args) || works(&unpacked.display().to_string(), args)
}

/// Downloads a package as apt is asked for it, and unpacks it into a folder. Needs no rights.
///
/// # Errors
/// What could not be done.
pub(crate) fn unpack(folder: &Path, name: &str, asked: &str, options: &[&str]) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(folder).map_err(failed)?;
    let shown = folder.display().to_string();
    let begin = format!("{name}_");
    // The file comes into the folder, and so does what is in it.
    run_in(folder, "apt-get", &[&["download", asked], options].concat())?;
    for file in fs::read_dir(folder).map_err(failed)? {
        let file = file.map_err(failed)?;
        if file.file_name().to_string_lossy().starts_with(&begin) {
            run("dpkg-deb", &["--extract", &file.path().display().to_string(), &shown])?;
            fs::remove_file(file.path()).map_err(failed)?;
        }
    }
    Ok(())
}

/// Gets what is missing where that is allowed, and says what could not be.
pub(crate) fn install() {
    install_packages();
    for package in UNPACKED.iter().filter(|package| !there(package)) {
        if let Err(error) = unpack(&crate::root().join(TOOLS), package.name, package.name, &[]) {
            eprintln!("xtask: {error}");
        }
        if !there(package) {
            eprintln!(
                "xtask: NOT UNPACKED: Debian package {}; untested without it: {}",
                package.name, package.without
            );
        }
    }
    releases::unpack();
}

/// Installs what is missing where that is allowed, and says what could not be.
fn install_packages() {
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
        let policy = NoDaemons::begin();
        if let Err(error) = updated.and_then(|()| run("apt-get", &args)) {
            eprintln!("xtask: {error}");
        }
        drop(policy);
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
