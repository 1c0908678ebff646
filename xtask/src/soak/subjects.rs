//! The resource types that behave well, with what each needs to come online.

use std::fs;
use std::net::{Ipv4Addr, TcpListener};
use std::path::Path;
use std::process::Command;

use crate::root;
use crate::run::{output, run, works};

/// What is judged: the program that is started before `stead`, if any, and the arguments of `stead verify`.
pub(super) struct Subject {
    pub(super) name: &'static str,
    pub(super) before: Vec<String>,
    pub(super) arguments: Vec<String>,
}

/// A loop device, detached when it is dropped.
pub(super) struct Disk(String);

impl Drop for Disk {
    fn drop(&mut self) {
        let _ = Command::new("losetup").args(["--detach", &self.0]).status();
    }
}

/// A network of its own, in which the address under test may come and go.
const NETWORK: &str = "ip link set lo up && ip link add near type veth peer name far && ip link set near up && \
                       ip link set far up && ip address add 10.7.0.1/24 dev near && \
                       ip address add fd00:7::1/64 dev near nodad && exec \"$@\"";

fn subject(name: &'static str, first: &[&str], properties: &[(&str, String)]) -> Subject {
    let mut arguments: Vec<String> = first.iter().map(|&word| word.to_owned()).collect();
    for (key, value) in properties {
        arguments.extend(["--property".to_owned(), format!("{key}={value}")]);
    }
    Subject { name, before: Vec::new(), arguments }
}

fn shipped(name: &'static str, properties: &[(&str, String)]) -> Subject {
    subject(name, &["--builtin", "--type", name], properties)
}

fn networked(subject: Subject) -> Subject {
    let before = ["unshare", "--net", "sh", "-c", NETWORK, "sh"].map(str::to_owned).to_vec();
    Subject { before, ..subject }
}

fn write(path: &Path, text: &str) -> Result<(), String> {
    fs::write(path, text).map_err(|error| format!("{}: {error}", path.display()))
}

/// Everything that can run on this machine; what cannot is told.
///
/// # Errors
/// What could not be built.
pub(super) fn all(stead: &Path, folder: &Path) -> Result<(Vec<Subject>, Option<Disk>), String> {
    let mut all = own(stead, folder)?;
    let text = |path: &Path| path.display().to_string();
    all.push(shipped("Generic Application", &[("CommandLine", "sleep 1000".to_owned())]));
    let agents = root().join("examples/agents");
    all.push(shipped("Generic Script", &[("ScriptFilepath", text(&agents.join("spool.sh")))]));
    let place = folder.join("ocf/resource.d/heartbeat");
    fs::create_dir_all(&place).map_err(|error| format!("{}: {error}", place.display()))?;
    fs::copy(agents.join("ticker"), place.join("ticker")).map_err(|error| format!("ticker: {error}"))?;
    let ticker = [
        ("Agent", "ocf:heartbeat:ticker".to_owned()),
        ("OcfRoot", text(&folder.join("ocf"))),
        ("state", text(&folder.join("ticks"))),
    ];
    all.push(shipped("OCF Agent", &ticker));
    let length = |length: &str| ("PrefixLength", length.to_owned());
    if works("unshare", &["--net", "sh", "-c", NETWORK, "sh", "true"]) {
        let address = ("Address", "10.7.0.50".to_owned());
        all.push(networked(shipped("IP Address", &[address, length("24")])));
        let address = ("Address", "fd00:7::50".to_owned());
        all.push(networked(shipped("IPv6 Address", &[address, length("64")])));
    } else {
        println!(
            "SKIPPED: IP Address, IPv6 Address: a network namespace cannot be made here (root, iproute2)"
        );
    }
    let disk = disk(folder);
    match &disk {
        Ok(Disk(device)) => {
            let mount = folder.join("mnt");
            fs::create_dir_all(&mount).map_err(|error| format!("{}: {error}", mount.display()))?;
            let properties = [("Device", device.clone()), ("MountPoint", text(&mount))];
            all.push(shipped("File System", &properties));
        }
        Err(error) => println!("SKIPPED: File System: no loop device can be had here: {error}"),
    }
    println!("SKIPPED: Generic Service: its unit belongs to the machine; judge one of your own by hand");
    Ok((all, disk.ok()))
}

/// The examples, and what `stead type new` writes.
fn own(stead: &Path, folder: &Path) -> Result<Vec<Subject>, String> {
    let (root, stead) = (root(), stead.display().to_string());
    let place = |name: &str| folder.join(name).display().to_string();
    let include = root.join("resource/stead-resapi/include").display().to_string();
    let (source, heartbeat) =
        (root.join("examples/resource-c/heartbeat.c").display().to_string(), place("heartbeat.so"));
    let flags = ["-shared", "-fPIC", "-fshort-wchar", "-pthread", "-I", &include, &source, "-o", &heartbeat];
    run("cc", &flags)?;
    let beat = [("Path", place("beat")), ("Interval", "20".to_owned())];
    let mut all = vec![subject("examples/resource-c", &[&heartbeat], &beat)];
    let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).and_then(|listener| listener.local_addr());
    let port = free.map_err(|error| format!("there is no free port: {error}"))?.port();
    let greeter = super::built("libresource_rust.so")?.display().to_string();
    all.push(subject(
        "examples/resource-rust",
        &[&greeter, "--type", "Greeter"],
        &[("Port", port.to_string())],
    ));
    for language in ["c", "rust"] {
        let made = place(language);
        run(&stead, &["type", "new", "Print Queue", "--lang", language, "--dir", &made])?;
        if language == "c" {
            run("make", &["--quiet", "-C", &made])?;
            let library = format!("{made}/print-queue.so");
            let properties = [("Path", place("queue-beat")), ("Interval", "50".to_owned())];
            all.push(subject("skeleton in C", &[&library, "--type", "Print Queue"], &properties));
            continue;
        }
        // What it needs was fetched for this workspace already.
        let lock =
            fs::read_to_string(root.join("Cargo.lock")).map_err(|error| format!("Cargo.lock: {error}"))?;
        write(&folder.join("rust/Cargo.lock"), &lock)?;
        let manifest = format!("{made}/Cargo.toml");
        let target = format!("{made}/target");
        let words = ["build", "--quiet", "--offline", "--manifest-path", &manifest, "--target-dir", &target];
        run("cargo", &words)?;
        let library = format!("{target}/debug/libprint_queue.so");
        let properties = [("Program", "/bin/sleep".to_owned()), ("Arguments", "infinity".to_owned())];
        all.push(subject("skeleton in Rust", &[&library, "--type", "Print Queue"], &properties));
    }
    Ok(all)
}

/// A small file system on a loop device.
fn disk(folder: &Path) -> Result<Disk, String> {
    let image = folder.join("image");
    let file = fs::File::create(&image).and_then(|file| file.set_len(64 << 20));
    file.map_err(|error| format!("{}: {error}", image.display()))?;
    let image = image.display().to_string();
    run("mkfs.ext4", &["-q", &image])?;
    Ok(Disk(output("losetup", &["--find", "--show", &image])?.trim().to_owned()))
}
