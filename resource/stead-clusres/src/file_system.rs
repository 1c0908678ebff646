//! *File System*: a device that is mounted where its group is.

mod check;
mod device;
mod holders;
mod mounts;
mod superblock;
mod wanted;

use std::ffi::CString;
use std::fs::{self, File};
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::mount::{UnmountFlags, mount, unmount};
use rustix::process::Signal;
use stead_resapi as abi;
use stead_sdk::{Context, Failure, Level, Online, Operation, Problem, Properties, Property, Resource};

use crate::process::Tree;
use check::{Check, Checker, within};
use holders::{end, holders, names};
use mounts::Mount;
use wanted::{Fsck, Wanted};

/// A mount namespace that has just died lets go of its devices within a moment.
const LET_GO: Duration = Duration::from_secs(10);

/// A killed process is gone after so long, or hangs in the kernel.
const KILLED: Duration = Duration::from_secs(10);

/// What Terminate grants an unmount before it cuts the file system off.
const LAST: Duration = Duration::from_secs(10);

/// A file system that is mounted while it is online.
///
/// Online refuses a mount point or a device that is in use, finds out the type where it is `auto`, checks the file
/// system where `FsckMode` says so, and mounts it. `LooksAlive`: it is mounted there and has not become read-only.
/// `IsAlive`: its root can be listed, `CheckFile` read, and with `CheckWrite` a file be written and synced, all within
/// `CheckTimeout`; a look that hangs is a failure. Offline unmounts it and looks that the device is free. If it is busy
/// and `ForceUnmount` is set, the processes that hold it are named in the log, get `SIGTERM`, after `StopGracePeriod`
/// `SIGKILL`. Terminate kills them at once; what cannot be unmounted even so is shut down, so that no further byte is
/// written to the device, and detached.
///
/// With namespaces, which is the normal containment, the mount is seen by the resources of the same group only: each
/// Resource Monitor has a mount namespace of its own. The kernel unmounts it when the monitor dies, which is the fence. A
/// resource with `SeparateMonitor` does not see it, nor does a shell of the node.
///
/// | Property | | |
/// |---|---|---|
/// | `Device` | text, required | a block device in `/dev`, or `UUID=`, `LABEL=`, `PARTUUID=`, `PARTLABEL=` and its value |
/// | `MountPoint` | text, required | an absolute path |
/// | `FSType` | text, `auto` | the kernel's name of it; `tmpfs` needs no device |
/// | `Options` | text | as in `fstab`, separated by commas |
/// | `FsckMode` | text, `none` | `check` changes nothing and refuses what is damaged; `repair` repairs what is safe to |
/// | `CreateMountPoint` | flag, false | make the folder if it is not there |
/// | `ForceUnmount` | flag, true | end the processes that keep it busy |
/// | `StopGracePeriod` | ms, 5000 | between `SIGTERM` and `SIGKILL` for them |
/// | `CheckFile` | text | a file below `MountPoint` that `IsAlive` reads |
/// | `CheckWrite` | flag, false | `IsAlive` writes a file in its root |
/// | `CheckTimeout` | ms, 10000 | for `IsAlive` |
///
/// Windows: mscs/physical-disk (there a disk with all its volumes, found by signature and fenced by reservations)
pub struct FileSystem {
    context: Context,
    mounted: Mutex<Option<Mounted>>,
    checker: Checker,
}

/// What is mounted.
#[derive(Clone, Debug)]
struct Mounted {
    mount: Mount,
    /// None below a file system that needs none.
    device: Option<PathBuf>,
    /// As it was asked for when it was mounted.
    wanted: Wanted,
}

/// What the kernel says to a mount or unmount, in words that help.
fn refused(what: &str, error: Errno, wanted: &Wanted, kind: &str) -> Failure {
    let why = match error {
        Errno::PERM | Errno::ACCESS => {
            let text = format!("{what}: not permitted; it needs CAP_SYS_ADMIN: run stead as root");
            return Failure::on_this_node(text);
        }
        Errno::NODEV => format!("this node's kernel does not know file system {kind:?}"),
        Errno::INVAL => format!(
            "it holds no intact {kind}, or {kind} does not know the options {:?}; the kernel's log says which",
            wanted.data
        ),
        Errno::ROFS => "the device is write-protected; set Options = \"ro\" to mount it so".to_owned(),
        Errno::UCLEAN => "it is damaged; set FsckMode = \"repair\", or repair it by hand".to_owned(),
        other => other.to_string(),
    };
    Failure::new(abi::ERROR_RESOURCE_FAILED, format!("{what}: {why} (1035)"))
}

impl FileSystem {
    fn mounted(&self) -> MutexGuard<'_, Option<Mounted>> {
        self.mounted.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn log(&self, level: Level, text: &str) {
        self.context.log(level, text);
    }

    /// The folder to mount on.
    fn place(&self, wanted: &Wanted) -> Result<PathBuf, Failure> {
        let shown = wanted.place.display();
        if wanted.create && !wanted.place.exists() {
            fs::DirBuilder::new().recursive(true).mode(0o755).create(&wanted.place).map_err(|error| {
                Failure::on_this_node(format!("mount point {shown} could not be made: {error}"))
            })?;
        }
        let place = wanted.place.canonicalize().map_err(|error| {
            let text = format!("mount point {shown}: {error}; make it, or set CreateMountPoint = true");
            Failure::on_this_node(text)
        })?;
        if !place.is_dir() {
            return Err(Failure::on_this_node(format!("mount point {shown} is no folder")));
        }
        if let Some(there) = mounts::at(&place)? {
            let text = format!(
                "mount point {shown} is in use: {} ({}) is mounted there; unmount it first: `umount {shown}`",
                there.source, there.kind
            );
            return Err(Failure::new(abi::ERROR_BUSY, text));
        }
        Ok(place)
    }

    /// Waits until nothing uses the device. False if something still does.
    fn free(&self, device: &Path, operation: &Operation, limit: Duration) -> Result<bool, Failure> {
        let until = Instant::now() + limit;
        loop {
            let used = device::in_use(device)
                .map_err(|error| Failure::on_this_node(format!("device {}: {error}", device.display())))?;
            if !used || Instant::now() >= until {
                return Ok(!used);
            }
            if !operation.wait(Duration::from_millis(50)) {
                return Err(Failure::new(abi::ERROR_OPERATION_ABORTED, "cancelled"));
            }
        }
    }

    /// Runs the checker of the file system.
    fn fsck(&self, operation: &Operation, mode: Fsck, kind: &str, device: &Path) -> Result<(), Failure> {
        let (program, arguments): (&str, &[&str]) = match (mode, kind) {
            (Fsck::None, _) => return Ok(()),
            (Fsck::Check, "ext2" | "ext3" | "ext4") => ("e2fsck", &["-f", "-n"]),
            (Fsck::Repair, "ext2" | "ext3" | "ext4") => ("e2fsck", &["-p"]),
            (Fsck::Check, "xfs") => ("xfs_repair", &["-n"]),
            (Fsck::Repair, "xfs") => ("xfs_repair", &[]),
            (Fsck::Check, "btrfs") => ("btrfs", &["check", "--readonly"]),
            (Fsck::Check, "vfat") => ("fsck.vfat", &["-n"]),
            (Fsck::Repair, "vfat") => ("fsck.vfat", &["-a"]),
            (Fsck::Check | Fsck::Repair, other) => {
                let text =
                    format!("property \"FsckMode\": {other} has no such mode here; set it to \"none\"");
                return Err(Failure::on_any_node(text));
            }
        };
        let mut command = Command::new(program);
        command.args(arguments).arg(device).stdin(Stdio::null());
        let tree = Tree::start(&mut command, &self.context.name()).map_err(|error| {
            Failure::on_this_node(format!("{program}, which FsckMode needs, could not be run: {error}"))
        })?;
        while !tree.wait(Duration::from_secs(2)) {
            if !operation.progress() {
                tree.kill();
                return Err(Failure::new(abi::ERROR_OPERATION_ABORTED, format!("{program} was cancelled")));
            }
        }
        match (tree.status(), program) {
            (0, _) => Ok(()),
            (1, "e2fsck" | "fsck.vfat") if mode == Fsck::Repair => {
                self.log(Level::Warning, &format!("{program} has repaired {}", device.display()));
                Ok(())
            }
            (status, _) => Err(Failure::new(
                abi::ERROR_RESOURCE_FAILED,
                format!(
                    "{program} found {} damaged (status {status}); repair it by hand: `{program} {}` (1037)",
                    device.display(),
                    device.display()
                ),
            )),
        }
    }

    /// Everything that must be so before it is mounted: the device and the type.
    fn ready(&self, operation: &Operation, wanted: &Wanted) -> Result<(Option<PathBuf>, String), Failure> {
        if wanted.without_device() {
            return Ok((None, wanted.kind.clone()));
        }
        let device = device::find(&wanted.device)?;
        if !wanted.read_only() && !self.free(&device, operation, LET_GO)? {
            return Err(device::used(&device));
        }
        let kind = if wanted.kind == "auto" {
            let opened = File::open(&device).map_err(|error| error.to_string());
            let found = opened.and_then(|file| superblock::detect(&file));
            found.map_err(|text| {
                let text = format!("device {}: {text} (1037)", device.display());
                Failure::new(abi::ERROR_RESOURCE_FAILED, text)
            })?
        } else {
            &wanted.kind
        };
        self.fsck(operation, wanted.fsck, kind, &device)?;
        Ok((Some(device), kind.to_owned()))
    }

    /// Unmounts once. True if it is not mounted any more.
    fn unmount(place: &Path) -> Result<bool, Errno> {
        match unmount(place, UnmountFlags::NOFOLLOW) {
            // Nothing is mounted there: somebody else was faster.
            Ok(()) | Err(Errno::INVAL | Errno::NOENT) => Ok(true),
            Err(Errno::BUSY) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Is the mount that we made still there?
    fn still_there(mounted: &Mounted) -> bool {
        mounts::mounts().is_ok_and(|mounts| mounts.iter().any(|mount| mount.id == mounted.mount.id))
    }

    /// What keeps it busy, in words.
    fn busy(place: &Path) -> String {
        let below: Vec<String> = mounts::mounts()
            .unwrap_or_default()
            .into_iter()
            .filter(|mount| mount.place != place && mount.place.starts_with(place))
            .map(|mount| mount.place.display().to_string())
            .collect();
        let mounts = if below.is_empty() {
            String::new()
        } else {
            format!("; mounted below it: {}", below.join(", "))
        };
        format!("{}{mounts}", names(&holders(place)))
    }

    fn take_down(&self, operation: &Operation, wanted: &Wanted, place: &Path) -> Result<(), Failure> {
        let what = format!("unmounting {}", place.display());
        for signal in [Signal::TERM, Signal::KILL, Signal::KILL] {
            if Self::unmount(place).map_err(|error| refused(&what, error, wanted, &wanted.kind))? {
                return Ok(());
            }
            if !wanted.force {
                break;
            }
            let found = holders(place);
            let text = format!(
                "{} is busy: SIG{} to {}",
                place.display(),
                if signal == Signal::TERM { "TERM" } else { "KILL" },
                names(&found)
            );
            self.log(Level::Warning, &text);
            let limit = if signal == Signal::TERM { wanted.grace } else { KILLED };
            end(&found, signal, limit, || operation.progress());
        }
        if Self::unmount(place).map_err(|error| refused(&what, error, wanted, &wanted.kind))? {
            return Ok(());
        }
        let text = format!("{what}: it is busy: {}", Self::busy(place));
        Err(Failure::new(abi::ERROR_BUSY, text))
    }

    /// Unmounts by any means; for Terminate.
    fn tear_down(&self, mounted: &Mounted) {
        let place = mounted.mount.place.clone();
        let shown = place.display().to_string();
        for _ in 0..3 {
            let unmounting = place.clone();
            match within(LAST, move || Self::unmount(&unmounting)) {
                Some(Ok(true)) => return,
                Some(Ok(false)) => {
                    let found = holders(&place);
                    self.log(Level::Warning, &format!("{shown} is busy: SIGKILL to {}", names(&found)));
                    end(&found, Signal::KILL, Duration::from_secs(2), || true);
                }
                Some(Err(error)) => {
                    self.log(Level::Error, &format!("unmounting {shown}: {error}"));
                    break;
                }
                None => {
                    self.log(
                        Level::Error,
                        &format!("unmounting {shown} takes longer than {} s", LAST.as_secs()),
                    );
                    break;
                }
            }
        }
        if !Self::still_there(mounted) {
            return;
        }
        // Nothing may be written any more when another node mounts it: first the fence, then out of sight.
        let (fenced, shutting) = (place.clone(), shown.clone());
        let cut = within(LAST, move || File::open(fenced).and_then(stead_sdk::shut_file_system_down));
        let text = match cut {
            Some(Ok(())) => format!(
                "{shutting} could not be unmounted and is shut down: nothing is written to it any more"
            ),
            Some(Err(error)) => format!("{shutting} could not be unmounted, nor shut down: {error}"),
            None => format!("{shutting} could not be unmounted, nor shut down: it does not answer"),
        };
        self.log(Level::Error, &text);
        if let Err(error) = unmount(&place, UnmountFlags::DETACH | UnmountFlags::NOFOLLOW) {
            self.log(Level::Error, &format!("{shown} could not be detached: {error}"));
        }
    }

    fn looks(&self) -> Result<Mounted, String> {
        let Some(mounted) = self.mounted().clone() else { return Err("it is not mounted".to_owned()) };
        let now = mounts::at(&mounted.mount.place).map_err(|error| error.to_string())?;
        match now {
            Some(now) if now.id != mounted.mount.id => {
                Err(format!("something else is mounted over it: {} ({})", now.source, now.kind))
            }
            Some(now) if now.read_only && !mounted.wanted.read_only() => {
                Err("the kernel has made it read-only after an error".to_owned())
            }
            Some(_) => Ok(mounted),
            None => Err("somebody has unmounted it".to_owned()),
        }
    }

    fn trouble(&self, text: &str) {
        let place = self.context.properties().text("MountPoint");
        self.log(Level::Error, &format!("{place}: {text} (1038)"));
    }
}

/// What is wrong, in one text.
fn first(problems: Vec<Problem>) -> Failure {
    let text: Vec<String> =
        problems.iter().map(|problem| format!("property {:?}: {}", problem.property, problem.text)).collect();
    Failure::on_any_node(text.join("; "))
}

impl Resource for FileSystem {
    const TYPE_NAME: &'static str = "File System";

    const PROPERTIES: &'static [Property] = &[
        Property::text("Device").required(),
        Property::text("MountPoint").required(),
        Property::text("FSType").default_text("auto"),
        Property::text("Options"),
        Property::text("FsckMode").default_text("none"),
        Property::flag("CreateMountPoint"),
        Property::flag("ForceUnmount").default_number(1),
        Property::number("StopGracePeriod").default_number(5000),
        Property::text("CheckFile"),
        Property::flag("CheckWrite"),
        Property::number("CheckTimeout").default_number(10_000).range(100, u32::MAX),
    ];

    fn open(context: &Context) -> Result<Self, Failure> {
        Ok(FileSystem { context: context.clone(), mounted: Mutex::new(None), checker: Checker::default() })
    }

    fn online(&self, operation: &Operation) -> Result<Online, Failure> {
        let wanted = wanted::read(&self.context.properties()).map_err(first)?;
        let place = self.place(&wanted)?;
        let (device, kind) = self.ready(operation, &wanted)?;
        if !operation.progress() {
            return Err(Failure::new(abi::ERROR_OPERATION_ABORTED, "cancelled"));
        }
        let source = device.clone().unwrap_or_else(|| PathBuf::from(&wanted.device));
        let what = format!("mounting {} at {}", source.display(), place.display());
        let data = CString::new(wanted.data.as_str()).map_err(io::Error::other)?;
        let data = (!wanted.data.is_empty()).then_some(data.as_c_str());
        mount(&source, &place, kind.as_str(), wanted.flags, data)
            .map_err(|error| refused(&what, error, &wanted, &kind))?;
        let mount = mounts::at(&place)?.ok_or_else(|| {
            Failure::new(abi::ERROR_RESOURCE_FAILED, format!("{what}: it is not there afterwards (1035)"))
        })?;
        *self.mounted() = Some(Mounted { mount, device, wanted });
        Ok(Online::polled())
    }

    fn offline(&self, operation: &Operation) -> Result<(), Failure> {
        let Some(mounted) = self.mounted().clone() else { return Ok(()) };
        // ForceUnmount may have been set since.
        let wanted = wanted::read(&self.context.properties()).unwrap_or_else(|_| mounted.wanted.clone());
        if Self::still_there(&mounted) {
            self.take_down(operation, &wanted, &mounted.mount.place)?;
        }
        *self.mounted() = None;
        match mounted.device {
            Some(device) if !mounted.wanted.read_only() && !self.free(&device, operation, LET_GO)? => {
                Err(device::used(&device))
            }
            Some(_) | None => Ok(()),
        }
    }

    fn terminate(&self) {
        let mounted = self.mounted().take();
        if let Some(mounted) = mounted
            && Self::still_there(&mounted)
        {
            self.tear_down(&mounted);
        }
    }

    fn is_alive(&self) -> bool {
        let mounted = match self.looks() {
            Ok(mounted) => mounted,
            Err(text) => {
                self.trouble(&text);
                return false;
            }
        };
        let Mounted { mount, wanted, .. } = mounted;
        let root = mount.place;
        // Names of resources may hold anything, names of files not.
        let own: String =
            self.context.name().chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect();
        let write =
            (wanted.check_write && !wanted.read_only()).then(|| root.join(format!(".stead-check-{own}")));
        let trouble = self.checker.trouble(Check { root, read: wanted.check_file, write }, wanted.patience);
        if let Some(text) = &trouble {
            self.trouble(text);
        }
        trouble.is_none()
    }

    fn looks_alive(&self) -> bool {
        self.looks().is_ok()
    }

    fn validate(properties: &Properties) -> Vec<Problem> {
        wanted::read(properties).err().unwrap_or_default()
    }
}
