//! Runs one trial in a process of its own, reads what it writes down, and leaves nothing of it behind.

use std::collections::BTreeMap;
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, WaitOptions, WaitStatus, kill_process};

use crate::host::end_descendants;

use super::foreign;
use super::judge::Observed;
use super::plan::{Spec, Trial};
use super::trace::{Ended, Record, What};

/// How often children are looked for that have ended.
const TICK: Duration = Duration::from_millis(10);

/// So much of what is printed to standard error is kept, in bytes.
const KEPT: usize = 800;

/// Bounds of a trial.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Limits {
    /// A call that takes longer hangs.
    pub(crate) hang: Duration,
    /// The trial ends here.
    pub(crate) until: Instant,
}

/// Keeps the last of what is printed.
fn tail(mut from: impl Read) -> String {
    let (mut kept, mut buffer) = (Vec::new(), [0; 4096]);
    while let Ok(count) = from.read(&mut buffer)
        && count > 0
    {
        kept.extend_from_slice(&buffer[..count]);
        let extra = kept.len().saturating_sub(KEPT);
        kept.drain(..extra);
    }
    String::from_utf8_lossy(&kept).trim().to_owned()
}

/// Calls in progress, and since when.
#[derive(Default)]
struct Inside(BTreeMap<u32, Instant>);

/// The number of a start-up routine, which no call has.
const STARTUP: u32 = 0;

impl Inside {
    fn note(&mut self, what: &What) {
        match what {
            What::Call { call, .. } => {
                self.0.insert(*call, Instant::now());
            }
            What::Return { call, .. } => {
                self.0.remove(call);
            }
            What::StartupBegins { .. } => {
                self.0.insert(STARTUP, Instant::now());
            }
            What::Startup { .. } | What::Loaded { .. } | What::Refused { .. } => {
                self.0.remove(&STARTUP);
            }
            What::Status { .. }
            | What::Log { .. }
            | What::Callback { .. }
            | What::Settled { .. }
            | What::StillPending { .. }
            | What::Control { .. }
            | What::Usage { .. }
            | What::Workload { .. }
            | What::Killed { .. }
            | What::Questioned { .. }
            | What::Event { .. }
            | What::BadHandle { .. }
            | What::Buffers { .. }
            | What::Surroundings(_)
            | What::Skipped { .. }
            | What::Note { .. }
            | What::Done => {}
        }
    }

    fn longest(&self) -> Duration {
        self.0.values().map(Instant::elapsed).max().unwrap_or_default()
    }
}

/// Reaps what has ended. Orphans of the trial come to us: one that is not reaped looks alive to who sent it a signal.
fn reap(child: Pid, ended: &mut Option<WaitStatus>) {
    while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
        if pid == child {
            *ended = Some(status);
        }
    }
}

/// Runs a trial. None if `told` says that the run is over.
///
/// # Errors
/// When the process cannot be started.
pub(crate) fn run(
    trial: Trial,
    spec: &Spec,
    limits: Limits,
    told: &AtomicBool,
) -> io::Result<Option<Observed>> {
    let script = serde_json::to_vec(spec)?;
    let (name, value) = foreign::exact();
    let mut child = Command::new("/proc/self/exe")
        .arg0("stead")
        .args(["verify", "--trial", "-"])
        .env(name, value)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()?;
    let pid = Pid::from_child(&child);
    let (Some(mut input), Some(output), Some(errors)) =
        (child.stdin.take(), child.stdout.take(), child.stderr.take())
    else {
        return Err(io::Error::other("the trial has no pipes"));
    };
    // A child that has died already is noticed below.
    let _ = input.write_all(&script);
    drop(input);
    let (send, records) = mpsc::channel();
    let reader = std::thread::Builder::new().name("records".to_owned()).spawn(move || {
        for line in BufReader::new(output).lines() {
            let Ok(line) = line else { return };
            // A line cut off by the death of its writer is none.
            if let Ok(record) = serde_json::from_str::<Record>(&line)
                && send.send(record).is_err()
            {
                return;
            }
        }
    })?;
    let errors = std::thread::Builder::new().name("errors".to_owned()).spawn(move || tail(errors))?;
    let (mut seen, ended) = watch(pid, &records, limits, told);
    let _ = kill_process(pid, Signal::KILL);
    end_descendants();
    let _ = reader.join();
    seen.extend(records.try_iter());
    let errors = errors.join().unwrap_or_default();
    let ended = if seen.iter().any(|record| record.what == What::Done) { Some(Ended::Done) } else { ended };
    Ok(ended.map(|ended| Observed { trial, records: seen, ended, errors }))
}

/// Reads until the trial is done, ends, hangs, or time is over. None if the run was told to end.
fn watch(
    pid: Pid,
    records: &Receiver<Record>,
    limits: Limits,
    told: &AtomicBool,
) -> (Vec<Record>, Option<Ended>) {
    let (mut seen, mut inside, mut status) = (Vec::new(), Inside::default(), None);
    loop {
        let closed = match records.recv_timeout(TICK) {
            Ok(record) => {
                inside.note(&record.what);
                let done = record.what == What::Done;
                seen.push(record);
                if done {
                    return (seen, Some(Ended::Done));
                }
                false
            }
            Err(RecvTimeoutError::Timeout) => false,
            Err(RecvTimeoutError::Disconnected) => true,
        };
        reap(pid, &mut status);
        if let Some(status) = status {
            // What it wrote last may still be on its way.
            while let Ok(record) = records.recv_timeout(TICK) {
                seen.push(record);
            }
            let ended = status
                .terminating_signal()
                .map_or_else(|| Ended::Exit(status.exit_status().unwrap_or(0)), Ended::Signal);
            return (seen, Some(ended));
        }
        if told.load(Ordering::Relaxed) {
            return (seen, None);
        }
        let longest = inside.longest();
        if longest > limits.hang {
            return (seen, Some(Ended::Hung(u64::try_from(longest.as_millis()).unwrap_or(u64::MAX))));
        }
        if Instant::now() > limits.until {
            return (seen, Some(Ended::OutOfTime));
        }
        if closed {
            std::thread::park_timeout(TICK);
        }
    }
}
