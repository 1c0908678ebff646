//! Takes the callbacks of the resource DLL, answers them as the Resource Monitor does, and writes everything down.

use std::fs::File;
use std::io::Write;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use clusapi::Tree;
use stead_resapi as abi;

use crate::dll::{Callbacks, Dll, Failure, Resid};
use crate::engine::lock;
use crate::hosting::Status;

use super::trace::{Phase, Record, What};

/// The final state of an operation: state, code and flags of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Final {
    pub(crate) state: i32,
    pub(crate) code: u32,
    pub(crate) flags: u32,
}

/// One instance as its host knows it.
pub(crate) struct Slot {
    pub(crate) name: String,
    generation: u32,
    pub(crate) phase: Phase,
    pub(crate) resid: Option<Resid>,
    pub(crate) tree: Arc<Tree>,
    /// The event handle of the last online.
    pub(crate) event: i64,
    pub(crate) online: bool,
    /// The final report of the operation in progress.
    pub(crate) reported: Option<Final>,
    /// Rises with every pending report that counts.
    pub(crate) progress: u64,
    checkpoint: u32,
    /// `Online` or `Offline` is being called, whatever else is.
    pub(crate) inside: bool,
    /// Reports are answered with `ResourceExitStateTerminate`.
    pub(crate) tell_terminate: bool,
}

/// Asynchronous control calls that have ended: context and status.
type Endings = Vec<(i64, u32)>;

pub(crate) struct Recorder {
    began: Instant,
    out: Mutex<File>,
    slots: Mutex<Vec<Slot>>,
    changed: Condvar,
    calls: AtomicU32,
    endings: Mutex<Endings>,
    ended: Condvar,
    /// The type, while it is loaded: for those that ask about its instances.
    pub(crate) dll: Mutex<Option<Arc<Dll>>>,
}

fn handle_of(index: usize, generation: u32) -> u64 {
    u64::from(generation) << 32 | (index as u64 + 1)
}

impl Recorder {
    pub(crate) fn new(out: File) -> Recorder {
        Recorder {
            began: Instant::now(),
            out: Mutex::new(out),
            slots: Mutex::new(Vec::new()),
            changed: Condvar::new(),
            calls: AtomicU32::new(0),
            endings: Mutex::new(Vec::new()),
            ended: Condvar::new(),
            dll: Mutex::default(),
        }
    }

    /// Writes a record. One write each: what was written is read even if the next instruction ends the process.
    pub(crate) fn write(&self, what: What) {
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        let mut out = lock(&self.out);
        let at = u64::try_from(self.began.elapsed().as_micros()).unwrap_or(u64::MAX);
        if let Ok(mut line) = serde_json::to_vec(&Record { at, thread, what }) {
            line.push(b'\n');
            // Whoever reads has gone: then nobody is left to be told.
            let _ = out.write_all(&line);
        }
    }

    pub(crate) fn slots(&self) -> MutexGuard<'_, Vec<Slot>> {
        lock(&self.slots)
    }

    /// A number for a call.
    pub(crate) fn number(&self) -> u32 {
        self.calls.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// Makes the instance anew, and its handle.
    pub(crate) fn fresh(&self, index: usize, name: &str, tree: Arc<Tree>) -> u64 {
        let mut slots = self.slots();
        let slot = |generation, tree| Slot {
            name: name.to_owned(),
            generation,
            phase: Phase::Idle,
            resid: None,
            tree,
            event: 0,
            online: false,
            reported: None,
            progress: 0,
            checkpoint: 0,
            inside: false,
            tell_terminate: false,
        };
        while slots.len() <= index {
            slots.push(Slot { phase: Phase::Closed, ..slot(0, Arc::clone(&tree)) });
        }
        let generation = slots[index].generation + 1;
        slots[index] = slot(generation, tree);
        handle_of(index, generation)
    }

    /// Waits until `ready` says so, or time is over. False if it is.
    pub(crate) fn wait(&self, limit: Duration, ready: impl Fn(&[Slot]) -> bool) -> bool {
        let slots = self.slots();
        let result = self.changed.wait_timeout_while(slots, limit, |slots| !ready(slots));
        result.is_ok_and(|(slots, _)| ready(&slots))
    }

    /// Lets time pass.
    pub(crate) fn pause(&self, limit: Duration) {
        self.wait(limit, |_| false);
    }

    /// Forgets the checkpoint and the final report: an operation begins.
    pub(crate) fn begin(&self, slot: &mut Slot, phase: Phase) {
        slot.phase = phase;
        slot.inside = true;
        slot.reported = None;
        slot.checkpoint = 0;
    }

    /// Something about the instances has changed.
    pub(crate) fn notify(&self) {
        self.changed.notify_all();
    }

    /// The status with which an asynchronous control call ended, if it did in time.
    pub(crate) fn ending(&self, context: i64, limit: Duration) -> Option<u32> {
        let find = |endings: &Endings| {
            endings.iter().find(|(known, _)| *known == context).map(|(_, status)| *status)
        };
        let endings = lock(&self.endings);
        let result = self.ended.wait_timeout_while(endings, limit, |endings| find(endings).is_none());
        result.ok().and_then(|(endings, _)| find(&endings))
    }

    /// The instance of a handle and what it is in; closed if the handle is one of a former life of it.
    fn find(slots: &[Slot], handle: u64) -> Option<(usize, Phase)> {
        let index = usize::try_from(handle & 0xffff_ffff).ok()?.checked_sub(1)?;
        let slot = slots.get(index)?;
        if handle_of(index, slot.generation) == handle {
            return Some((index, slot.phase));
        }
        let former = (handle >> 32) as u32;
        (1..slot.generation).contains(&former).then_some((index, Phase::Closed))
    }

    fn other(&self, name: &str, handle: u64, detail: i64, answer: impl FnOnce(Option<&Slot>) -> u32) -> u32 {
        let slots = self.slots();
        let found = Recorder::find(&slots, handle);
        let living = found.filter(|(_, before)| *before != Phase::Closed);
        let answer = answer(living.map(|(index, _)| &slots[index]));
        let (instance, before) = (found.map(|(index, _)| index as u32), found.map(|(_, before)| before));
        let name = name.to_owned();
        self.write(What::Callback { name, instance, handle, detail, answer, before });
        answer
    }
}

/// The answer to a report, and the final state if it is one.
fn judge(slot: &Slot, status: &Status) -> (u32, Option<Final>) {
    const GO_ON: u32 = 0;
    const STOP: u32 = 1;
    let fin = Some(Final { state: status.state, code: status.code, flags: status.flags.bits() });
    let online = matches!(slot.phase, Phase::InOnline | Phase::OnlinePending);
    if !slot.phase.reports() || slot.reported.is_some() {
        return (STOP, None);
    }
    let answer = if slot.tell_terminate { STOP } else { GO_ON };
    match status.state {
        abi::ClusterResourceOnlinePending | abi::ClusterResourceOfflinePending => (answer, None),
        abi::ClusterResourceOnline => (answer, fin),
        abi::ClusterResourceOffline if !online => (answer, fin),
        abi::ClusterResourceStateUnknown
        | abi::ClusterResourceOffline
        | abi::ClusterResourceFailed
        | abi::ClusterResourceCannotComeOnlineOnAnyNode
        | abi::ClusterResourceCannotComeOnlineOnThisNode => (STOP, fin),
        _ => (STOP, None),
    }
}

impl Callbacks for Recorder {
    fn status(&'static self, handle: u64, status: Option<Status>, ex: bool) -> u32 {
        let mut slots = self.slots();
        let found = Recorder::find(&slots, handle);
        let (index, before) = (found.map(|(index, _)| index), found.map(|(_, before)| before));
        let mut answer = abi::ResourceExitStateTerminate.unsigned_abs();
        if let (Some((index, before)), Some(status)) = (found, &status)
            && before != Phase::Closed
        {
            let slot = &mut slots[index];
            let fin;
            (answer, fin) = judge(slot, status);
            if slot.phase.reports() && status.checkpoint != slot.checkpoint {
                slot.checkpoint = status.checkpoint;
                slot.progress += 1;
            }
            if let Some(fin) = fin {
                slot.reported = Some(fin);
                if fin.state == abi::ClusterResourceOnline && status.event != 0 {
                    slot.event = status.event;
                }
                if matches!(slot.phase, Phase::OnlinePending | Phase::OfflinePending) {
                    slot.phase = Phase::Idle;
                }
            }
        }
        let null = status.is_none();
        let status = status.unwrap_or_default();
        self.write(What::Status {
            instance: index.map(|index| index as u32),
            handle,
            ex,
            null,
            state: status.state,
            checkpoint: status.checkpoint,
            event: status.event,
            code: status.code,
            flags: status.flags.bits(),
            before,
            answer,
        });
        drop(slots);
        self.notify();
        answer
    }

    fn log(&'static self, handle: u64, level: i32, text: &[u16]) {
        let slots = self.slots();
        let found = Recorder::find(&slots, handle);
        let (index, before) = (found.map(|(index, _)| index), found.map(|(_, before)| before));
        let text = String::from_utf16_lossy(text).trim_end().to_owned();
        self.write(What::Log { instance: index.map(|index| index as u32), handle, level, text, before });
    }

    fn locked(&'static self, handle: u64, locked: bool, _: u32, _: Option<u32>) -> u32 {
        self.other("SetResourceLockedMode", handle, i64::from(locked), |slot| match slot {
            Some(slot) if slot.online => abi::ERROR_SUCCESS,
            Some(_) => abi::ERROR_RESOURCE_NOT_ONLINE,
            None => abi::ERROR_INVALID_HANDLE,
        })
    }

    fn signal(&'static self, handle: u64, failure: Failure, _: u32) -> u32 {
        let kind = match failure {
            Failure::General => abi::FAILURE_TYPE_GENERAL,
            Failure::Embedded => abi::FAILURE_TYPE_EMBEDDED,
            Failure::NetworkLoss => abi::FAILURE_TYPE_NETWORK_LOSS,
            Failure::Unknown(other) => other,
        };
        self.other("SignalFailure", handle, kind.into(), |slot| match slot {
            Some(slot) if slot.online => abi::ERROR_SUCCESS,
            Some(_) => abi::ERROR_RESOURCE_NOT_ONLINE,
            None => abi::ERROR_INVALID_HANDLE,
        })
    }

    fn in_memory_properties(&'static self, handle: u64, list: Option<&[u8]>) -> u32 {
        let size = list.map_or(-1, |list| i64::try_from(list.len()).unwrap_or(i64::MAX));
        self.other("SetResourceInMemoryNodeLocalProperties", handle, size, |slot| match slot {
            Some(_) => abi::ERROR_SUCCESS,
            None => abi::ERROR_INVALID_HANDLE,
        })
    }

    fn end_control(&'static self, name: &'static str, context: i64, status: u32) -> u32 {
        let mut endings = lock(&self.endings);
        let known = endings.iter().any(|(other, _)| *other == context);
        if !known {
            endings.push((context, status));
        }
        drop(endings);
        self.ended.notify_all();
        let answer = if known { abi::ERROR_INVALID_PARAMETER } else { abi::ERROR_SUCCESS };
        let name = name.to_owned();
        self.write(What::Callback { name, instance: None, handle: 0, detail: context, answer, before: None });
        answer
    }

    fn extend_control(&'static self, name: &'static str, context: i64, _: u32) -> u32 {
        let name = name.to_owned();
        self.write(What::Callback {
            name,
            instance: None,
            handle: 0,
            detail: context,
            answer: 0,
            before: None,
        });
        abi::ERROR_SUCCESS
    }

    fn internal_state(&'static self, handle: u64, kind: i32, _: bool) -> u32 {
        self.other("SetInternalState", handle, kind.into(), |slot| match slot {
            Some(_) => abi::ERROR_SUCCESS,
            None => abi::ERROR_INVALID_HANDLE,
        })
    }

    fn noted(&'static self, name: &'static str, handle: u64) -> u32 {
        self.other(name, handle, 0, |_| abi::ERROR_SUCCESS)
    }
}
