//! What was acknowledged is never lost: conformance, kill -9, power loss, and damage.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeMap;
use std::io;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use redb::StorageBackend;
use serde_json::json;
use stead_store::{Operation, Outcome, Store, StoreError, Transaction, conformance};
use stead_store_embedded::EmbeddedStore;

fn put(key: &str, value: u64) -> Transaction {
    Transaction { guards: Vec::new(), operations: vec![Operation::Put(key.to_owned(), json!(value))] }
}

#[test]
fn conforms() {
    let folder = tempfile::tempdir().unwrap();
    let count = Mutex::new(0);
    conformance::run(&|| {
        let mut count = count.lock().unwrap();
        *count += 1;
        Box::new(EmbeddedStore::open(&folder.path().join(format!("{count}.redb"))).unwrap())
    });
}

#[test]
fn a_second_opening_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let first = EmbeddedStore::open(&path).unwrap();
    assert!(matches!(EmbeddedStore::open(&path), Err(StoreError::InUse(_))));
    drop(first);
    assert!(EmbeddedStore::open(&path).is_ok());
}

/// The child of the next test: commits for ever and says so.
#[test]
fn child_that_commits_until_it_is_killed() {
    let Some(path) = std::env::var_os("STEAD_TEST_STORE") else { return };
    let store = EmbeddedStore::open(path.as_ref()).unwrap();
    let from = store.get("count").unwrap().map_or(0, |entry| entry.value.as_u64().unwrap());
    for number in from + 1.. {
        store.commit(put("count", number)).unwrap();
        println!("acknowledged {number}");
    }
}

#[test]
fn kill_9_loses_nothing_acknowledged() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    let mut last = 0;
    for _ in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "child_that_commits_until_it_is_killed", "--nocapture"])
            .env("STEAD_TEST_STORE", &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut seen = 0;
        while seen < 25 {
            let line = lines.next().expect("the child ended").unwrap();
            if let Some((_, number)) = line.split_once("acknowledged ") {
                last = number.trim().parse().unwrap();
                seen += 1;
            }
        }
        child.kill().unwrap();
        child.wait().unwrap();
        let stored =
            EmbeddedStore::open(&path).unwrap().get("count").unwrap().unwrap().value.as_u64().unwrap();
        assert!(stored >= last, "{last} was acknowledged, {stored} is there");
        last = stored;
    }
    assert!(last >= 200);
}

/// A disk that loses power: what was written since the last synchronisation is lost in part, by a seed.
#[derive(Clone, Debug, Default)]
struct Disk(Arc<Mutex<Platter>>);

#[derive(Debug, Default)]
struct Platter {
    safe: Vec<u8>,
    cache: BTreeMap<u64, Vec<u8>>,
    length: u64,
    synchronises: bool,
    /// Operations until the disk fails, where it will.
    fails_in: Option<(u32, io::ErrorKind)>,
}

impl Platter {
    fn step(&mut self) -> io::Result<()> {
        match &mut self.fails_in {
            Some((0, kind)) => Err((*kind).into()),
            Some((left, _)) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn settle(&mut self, mut keep: impl FnMut() -> bool) {
        let length = usize::try_from(self.length).unwrap();
        self.safe.resize(length.max(self.safe.len()), 0);
        for (at, bytes) in std::mem::take(&mut self.cache) {
            if keep() {
                let at = usize::try_from(at).unwrap();
                let end = (at + bytes.len()).min(self.safe.len());
                if at < end {
                    self.safe[at..end].copy_from_slice(&bytes[..end - at]);
                }
            }
        }
        self.safe.truncate(length);
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().length)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let platter = self.0.lock().unwrap();
        let mut view = platter.safe.clone();
        view.resize(usize::try_from(platter.length).unwrap(), 0);
        for (at, bytes) in &platter.cache {
            let at = usize::try_from(*at).unwrap();
            let end = (at + bytes.len()).min(view.len());
            if at < end {
                view[at..end].copy_from_slice(&bytes[..end - at]);
            }
        }
        let at = usize::try_from(offset).unwrap();
        out.copy_from_slice(view.get(at..at + out.len()).ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.step()?;
        platter.length = length;
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.step()?;
        if platter.synchronises {
            platter.settle(|| true);
        }
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let mut platter = self.0.lock().unwrap();
        platter.step()?;
        // Half pages, so that a write can be torn.
        let (mut at, mut rest) = (offset, data);
        while !rest.is_empty() {
            let cut = rest.len().min(512);
            platter.cache.insert(at, rest[..cut].to_vec());
            at += cut as u64;
            rest = &rest[cut..];
        }
        Ok(())
    }
}

/// Commits, cuts the power, opens again: how many acknowledged commits were lost.
fn cut_power(seed: u64, synchronises: bool) -> u64 {
    let mut random = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1;
    let mut next = move || {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        random
    };
    let disk = Disk::default();
    disk.0.lock().unwrap().synchronises = synchronises;
    let store = EmbeddedStore::with_backend(disk.clone()).unwrap();
    let acknowledged = 1 + next() % 5;
    for number in 1..=acknowledged {
        assert!(matches!(store.commit(put("count", number)), Ok(Outcome::Committed(_))));
    }
    std::mem::forget(store);
    let mut platter = disk.0.lock().unwrap();
    platter.settle(|| next() % 2 == 0);
    let after = Platter {
        safe: platter.safe.clone(),
        length: platter.length,
        synchronises: true,
        ..Platter::default()
    };
    drop(platter);
    // A file that was never synchronised may be so torn that the database library panics.
    let read = std::panic::catch_unwind(|| {
        let opened = EmbeddedStore::with_backend(Disk(Arc::new(Mutex::new(after))));
        opened.and_then(|store| store.get("count"))
    });
    let stored = read.ok().and_then(Result::ok).flatten().and_then(|entry| entry.value.as_u64()).unwrap_or(0);
    acknowledged.saturating_sub(stored)
}

#[test]
fn power_loss_loses_nothing_acknowledged() {
    for seed in 1..=40 {
        assert_eq!(cut_power(seed, true), 0, "seed {seed}");
    }
}

#[test]
fn a_disk_that_does_not_synchronise_is_caught_by_that_test() {
    let lost: u64 = (1..=20).map(|seed| cut_power(seed, false)).sum();
    assert!(lost > 0, "the test above could never fail");
}

#[test]
fn every_single_failure_leaves_old_or_new_and_is_told() {
    for kind in [io::ErrorKind::StorageFull, io::ErrorKind::Other] {
        let mut outcomes = (0, 0);
        for nth in 0..200 {
            let disk = Disk::default();
            disk.0.lock().unwrap().synchronises = true;
            let store = EmbeddedStore::with_backend(disk.clone()).unwrap();
            store.commit(put("count", 1)).unwrap();
            disk.0.lock().unwrap().fails_in = Some((nth, kind));
            let result = store.commit(put("count", 2));
            disk.0.lock().unwrap().fails_in = None;
            std::mem::forget(store);
            let platter = disk.0.lock().unwrap();
            let safe = Platter {
                safe: platter.safe.clone(),
                length: platter.length,
                synchronises: true,
                ..Platter::default()
            };
            drop(platter);
            let reopened = EmbeddedStore::with_backend(Disk(Arc::new(Mutex::new(safe)))).unwrap();
            let stored = reopened.get("count").unwrap().unwrap().value.as_u64();
            match result {
                Ok(_) => {
                    assert_eq!(stored, Some(2));
                    outcomes.0 += 1;
                    break;
                }
                Err(error) => {
                    assert!(stored == Some(1) || stored == Some(2), "{error}");
                    if kind == io::ErrorKind::StorageFull {
                        assert!(matches!(error, StoreError::NoSpace(_) | StoreError::Poisoned(_)), "{error}");
                    }
                    outcomes.1 += 1;
                }
            }
        }
        assert!(outcomes.0 == 1 && outcomes.1 > 2, "{outcomes:?}");
    }
}

#[test]
fn damage_is_refused_or_harmless_never_a_crash() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("store.redb");
    {
        let store = EmbeddedStore::open(&path).unwrap();
        for number in 0..20 {
            store.commit(put(&format!("document/{number}"), number)).unwrap();
        }
    }
    let whole = std::fs::read(&path).unwrap();
    let (mut refused, mut right) = (0, 0);
    for at in (0..whole.len()).step_by(whole.len() / 97) {
        let mut damaged = whole.clone();
        damaged[at] ^= 0xFF;
        std::fs::write(&path, &damaged).unwrap();
        let opened =
            std::panic::catch_unwind(|| EmbeddedStore::open(&path).and_then(|store| store.list("document/")));
        match opened {
            Ok(Ok((_, entries))) => {
                assert_eq!(entries.len(), 20, "byte {at}");
                assert!(
                    entries.iter().all(|entry| entry.key == format!("document/{}", entry.value)),
                    "byte {at}"
                );
                right += 1;
            }
            Ok(Err(_)) | Err(_) => refused += 1,
        }
    }
    assert!(right > 0 && refused > 0, "{right} harmless, {refused} refused");
}
