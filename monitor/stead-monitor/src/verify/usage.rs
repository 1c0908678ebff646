//! What the process of a trial holds, and which processes it started.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::FileExt;

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};

use super::foreign;
use super::trace::{Surroundings, Usage};

/// A line of the process table: number, parent, and whether it is only what is left of a process.
struct Process {
    pid: u32,
    parent: u32,
    zombie: bool,
}

fn processes() -> Vec<Process> {
    let read = |pid: u32| {
        let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        let mut fields = text[text.rfind(')')? + 1..].split_whitespace();
        let state = fields.next()?;
        let parent = fields.next()?.parse().ok()?;
        Some(Process { pid, parent, zombie: state == "Z" || state == "X" })
    };
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| read(entry.file_name().to_str()?.parse().ok()?)).collect()
}

/// Finds the processes of the workload.
pub(crate) struct World {
    me: u32,
    /// Whoever started the trial; orphans come to it.
    parent: u32,
    /// Processes that were there before the first online.
    before: BTreeSet<u32>,
    hints: Vec<String>,
}

impl World {
    pub(crate) fn new(hints: Vec<String>) -> World {
        let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs());
        World { me: std::process::id(), parent, before: BTreeSet::new(), hints }
    }

    /// What runs now was there before the workload.
    pub(crate) fn settle(&mut self) {
        self.before = self.all();
    }

    fn all(&self) -> BTreeSet<u32> {
        let table = processes();
        let mut found: BTreeSet<u32> = BTreeSet::new();
        let mut parents: BTreeSet<u32> = BTreeSet::from([self.me, self.parent]);
        loop {
            let next: BTreeSet<u32> = table
                .iter()
                .filter(|process| parents.contains(&process.parent) && process.pid != self.me)
                .filter(|process| process.pid != self.parent && !found.contains(&process.pid))
                .map(|process| process.pid)
                .collect();
            if next.is_empty() {
                break;
            }
            found.extend(next.iter().copied());
            parents.extend(next);
        }
        let alive = |pid: &u32| table.iter().any(|process| process.pid == *pid && !process.zombie);
        found.retain(alive);
        let hinted = self.hints.iter().filter_map(|hint| {
            hint.parse().ok().or_else(|| fs::read_to_string(hint).ok()?.trim().parse::<u32>().ok())
        });
        found.extend(hinted.filter(alive));
        found
    }

    /// The processes of the workload that run now.
    pub(crate) fn workload(&self) -> BTreeSet<u32> {
        self.all().difference(&self.before).copied().collect()
    }
}

/// Kills processes. Those that have gone already are left alone.
pub(crate) fn kill(pids: &BTreeSet<u32>) {
    for pid in pids {
        if let Some(pid) = i32::try_from(*pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::KILL);
        }
    }
}

fn count(folder: &str) -> u64 {
    fs::read_dir(folder).map_or(0, |entries| entries.count() as u64)
}

/// Threads of this process.
pub(crate) fn threads() -> u64 {
    count("/proc/self/task")
}

/// What this process holds now.
pub(crate) fn measure() -> Usage {
    let me = std::process::id();
    let children = processes().iter().filter(|process| process.parent == me).count() as u64;
    let sizes = fs::read_to_string("/proc/self/statm").unwrap_or_default();
    let page = rustix::param::page_size() as u64;
    let mut sizes = sizes.split_whitespace().map(|word| word.parse::<u64>().unwrap_or(0) * page);
    let (mapped, resident) = (sizes.next().unwrap_or(0), sizes.next().unwrap_or(0));
    Usage {
        // The listing itself takes one.
        descriptors: count("/proc/self/fd").saturating_sub(1),
        threads: threads(),
        children,
        heap: foreign::heap(),
        resident,
        mapped,
    }
}

/// Limits that a resource DLL must not lower for others.
const LIMITS: [(&str, Resource); 6] = [
    ("open files", Resource::Nofile),
    ("processes", Resource::Nproc),
    ("size of a file", Resource::Fsize),
    ("data", Resource::Data),
    ("address space", Resource::As),
    ("processor time", Resource::Cpu),
];

/// Looks at what belongs to the whole process. It holds what it needs for that: there may be no descriptors later.
pub(crate) struct Watch(Option<File>);

impl Watch {
    pub(crate) fn new() -> Watch {
        Watch(File::open("/proc/self/status").ok())
    }

    /// A line of `/proc/self/status`.
    fn line(&self, name: &str) -> String {
        let mut bytes = [0; 8192];
        let read = self.0.as_ref().and_then(|file| file.read_at(&mut bytes, 0).ok()).unwrap_or(0);
        let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
        let found = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
        found.unwrap_or_default().trim().to_owned()
    }

    pub(crate) fn look(&self) -> Surroundings {
        let folder = rustix::process::getcwd(Vec::new());
        let ignored = u64::from_str_radix(&self.line("SigIgn"), 16).unwrap_or(0);
        Surroundings {
            folder: folder.map_or_else(|_| String::new(), |folder| folder.to_string_lossy().into_owned()),
            mask: self.line("Umask"),
            limits: LIMITS
                .map(|(name, limit)| (name.to_owned(), getrlimit(limit).current.unwrap_or(u64::MAX)))
                .to_vec(),
            ignored: (1..=64).filter(|signal| ignored >> (signal - 1) & 1 != 0).collect(),
        }
    }
}
