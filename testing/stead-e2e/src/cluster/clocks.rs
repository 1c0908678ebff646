//! A clock of its own for a member of etcd, and a wrong one.

use std::fs::{self, File, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};

use super::{Cluster, Kind};
use crate::{compile, root};

/// The system clock of a node's member of etcd, and of nothing else.
#[derive(Debug)]
pub struct Clock(File);

impl Clock {
    /// Sets it wrong by so many seconds, at once.
    ///
    /// # Panics
    /// When the file it is read from cannot be written.
    pub fn wrong_by(&self, seconds: i64) {
        self.0.write_all_at(&seconds.to_ne_bytes(), 0).unwrap();
    }
}

/// True if members of etcd can have clocks of their own here; else it says why not, loudly.
#[must_use]
pub fn clocks_possible() -> bool {
    let possible = cfg!(target_arch = "x86_64");
    if !possible {
        eprintln!(
            "SKIPPED: the clock of a Go program is replaced by machine code of x86-64 (dll/wrong_clock.c)"
        );
    }
    possible
}

impl Cluster {
    /// Gives a node's member of etcd a clock of its own, which is right until it is set, by restarting it.
    ///
    /// # Panics
    /// When it cannot be.
    #[must_use]
    pub fn own_clock(&self, node: &str) -> Clock {
        let source = root().join("testing/stead-e2e/dll/wrong_clock.c");
        let library = compile(&source, self.folder(), "wrong_clock.so", &[]);
        let (wrong, program) = (self.folder().join(format!("{node}.clock")), self.folder().join("etcd"));
        fs::write(&wrong, [0; 8]).unwrap();
        let clock = Clock(File::options().write(true).open(&wrong).unwrap());
        let preload = format!("WRONG_CLOCK={} LD_PRELOAD={}", wrong.display(), library.display());
        fs::write(&program, format!("#!/bin/sh\n{preload} exec {} \"$@\"\n", self.etcd.display())).unwrap();
        fs::set_permissions(&program, Permissions::from_mode(0o755)).unwrap();
        self.install_etcd(node, &program);
        self.end_all(&self.processes(node, Kind::Member));
        self.all_answer(node);
        let of = self.processes(node, Kind::Etcd);
        let maps = |process: &u64| fs::read_to_string(format!("/proc/{process}/maps")).unwrap_or_default();
        assert!(of.iter().any(|process| maps(process).contains("wrong_clock.so")), "etcd has its old clock");
        clock
    }
}
