//! Online, offline, terminate, polls: one call, its wait, and what it came to.

use std::time::{Duration, Instant};

use stead_resapi as abi;

use super::super::around;
use super::super::recorder::Final;
use super::super::trace::{Phase, What};
use super::super::usage;
use super::{Carried, Driver, Stop};

/// A buffer that means nothing to anybody.
const BUFFER: &[u8] = b"stead verify: an opaque buffer";

/// How often it is looked for who could still report …
const SLICE: Duration = Duration::from_millis(200);
/// … and how often in a row there was nobody until that is believed.
const DESERTED: u32 = 5;

/// Threads besides the one that asks.
fn workers() -> u64 {
    usage::threads().saturating_sub(1)
}

/// The node a resource is said to move to.
const DESTINATION: &str = "another-node";

impl Driver {
    /// `Online`, without waiting for what is pending: what it returned.
    pub(super) fn call_online(&self, index: u32, flags: u32, buffer: bool) -> Result<u32, Stop> {
        let (dll, resid) = (self.dll()?, self.resid(index)?);
        let _turn = around::turn(index);
        let mut bytes = buffer.then(|| BUFFER.to_vec());
        let args = match (flags, buffer) {
            (0, false) => String::new(),
            (flags, buffer) => format!("flags={flags:#x}{}", if buffer { ", a buffer" } else { "" }),
        };
        let call = {
            let mut slots = self.recorder.slots();
            let slot = &mut slots[index as usize];
            self.recorder.begin(slot, Phase::InOnline);
            slot.event = 0;
            slot.online = false;
            self.called("Online", index, &args)
        };
        let began = Instant::now();
        let (returned, event) = dll.online(resid, flags, bytes.as_mut());
        let last_error = clusapi::last_error();
        {
            let mut slots = self.recorder.slots();
            let slot = &mut slots[index as usize];
            self.returned(call, returned.into(), last_error, began, event);
            if event != 0 {
                slot.event = event;
            }
            slot.inside = false;
            if slot.phase == Phase::InOnline {
                slot.phase = match (returned, slot.reported) {
                    (abi::ERROR_IO_PENDING, None) => Phase::OnlinePending,
                    _ => Phase::Idle,
                };
            }
        }
        Ok(returned)
    }

    /// Waits for the end of a pending operation. None if patience ended first, or nobody is left who could report.
    fn wait_settled(&self, index: u32) -> Option<Final> {
        let at = index as usize;
        let patience = Duration::from_millis(self.spec.patience_ms);
        let began = Instant::now();
        let (mut progress, mut since, mut deserted) = (0, began, 0);
        loop {
            self.recorder.wait(SLICE, |slots| !slots[at].phase.reports());
            {
                let slots = self.recorder.slots();
                if !slots[at].phase.reports() {
                    return slots[at].reported;
                }
                if slots[at].progress != progress {
                    (progress, since) = (slots[at].progress, Instant::now());
                }
            }
            // A report needs a thread.
            deserted = if workers() == 0 { deserted + 1 } else { 0 };
            if deserted > DESERTED || since.elapsed() > patience || began.elapsed() > patience * 4 {
                return None;
            }
        }
    }

    /// Says where an operation has come to, and ends it by `Terminate` where the monitor would.
    fn settle(&mut self, index: u32, returned: u32, online: bool, began: Instant) -> Carried {
        let good = if online { abi::ClusterResourceOnline } else { abi::ClusterResourceOffline };
        let fin = match returned {
            abi::ERROR_SUCCESS => Some(Final { state: good, code: 0, flags: 0 }),
            abi::ERROR_IO_PENDING => self.wait_settled(index),
            code => Some(Final { state: abi::ClusterResourceFailed, code, flags: 0 }),
        };
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        let Some(Final { state, code, flags }) = fin else {
            let waited_ms = took_us / 1000;
            self.say(What::StillPending { instance: index, waited_ms, workers: workers() });
            return self.terminate(index);
        };
        self.say(What::Settled { instance: index, state, code, flags, took_us });
        self.with(index, |slot| slot.online = state == abi::ClusterResourceOnline)?;
        // A delayed offline leaves the resource as it was.
        if state != good && state != abi::ClusterResourceOnline {
            return self.terminate(index);
        }
        Ok(())
    }

    pub(super) fn online(&mut self, index: u32, flags: u32, buffer: bool) -> Carried {
        let began = Instant::now();
        let returned = self.call_online(index, flags, buffer)?;
        self.settle(index, returned, true, began)
    }

    pub(super) fn is_online(&self, index: u32) -> bool {
        self.recorder.slots().get(index as usize).is_some_and(|slot| slot.online)
    }

    pub(super) fn need_online(&self, index: u32) -> Carried {
        if self.is_online(index) { Ok(()) } else { Err(Stop("it did not come online".to_owned())) }
    }

    pub(super) fn call_offline(&self, index: u32, flags: u32, destination: bool) -> Result<u32, Stop> {
        let (dll, resid) = (self.dll()?, self.resid(index)?);
        let _turn = around::turn(index);
        let mut bytes = destination.then(|| BUFFER.to_vec());
        let node = destination.then_some(DESTINATION);
        let args = match (flags, destination) {
            (0, false) => String::new(),
            (flags, false) => format!("flags={flags:#x}"),
            (flags, true) => format!("flags={flags:#x}, destination={DESTINATION:?}, a buffer"),
        };
        let call = {
            let mut slots = self.recorder.slots();
            self.recorder.begin(&mut slots[index as usize], Phase::InOffline);
            self.called("Offline", index, &args)
        };
        let began = Instant::now();
        let returned = dll.offline(resid, node, flags, bytes.as_mut(), 0);
        let last_error = clusapi::last_error();
        let mut slots = self.recorder.slots();
        let slot = &mut slots[index as usize];
        self.returned(call, returned.into(), last_error, began, 0);
        slot.inside = false;
        if slot.phase == Phase::InOffline {
            slot.phase = match (returned, slot.reported) {
                (abi::ERROR_IO_PENDING, None) => Phase::OfflinePending,
                _ => Phase::Idle,
            };
        }
        Ok(returned)
    }

    pub(super) fn offline(&mut self, index: u32, flags: u32, destination: bool) -> Carried {
        // Offline is for what is online.
        if !self.is_online(index) {
            return Ok(());
        }
        let began = Instant::now();
        let returned = self.call_offline(index, flags, destination)?;
        self.settle(index, returned, false, began)
    }

    pub(super) fn terminate(&self, index: u32) -> Carried {
        let Ok(resid) = self.resid(index) else { return Ok(()) };
        let dll = self.dll()?;
        let (call, beside) = {
            let mut slots = self.recorder.slots();
            let slot = &mut slots[index as usize];
            slot.phase = Phase::InTerminate;
            slot.online = false;
            slot.event = 0;
            (self.called("Terminate", index, ""), slot.inside)
        };
        self.recorder.notify();
        let began = Instant::now();
        dll.terminate(resid);
        let mut slots = self.recorder.slots();
        let slot = &mut slots[index as usize];
        self.returned(call, 0, 0, began, 0);
        // What a call beside it starts when Terminate has looked already is not to blame on Terminate, even if that call
        // has returned by now.
        if slot.phase == Phase::InTerminate && !slot.inside && !beside {
            slot.phase = Phase::Terminated;
        }
        Ok(())
    }

    /// Calls `Online` or `Offline` on another thread and `Terminate` on this one, at once.
    pub(super) fn against_terminate(&self, index: u32, online: bool) -> Carried {
        self.resid(index)?;
        let entered = self.recorder.slots()[index as usize].phase;
        let driver = self;
        std::thread::scope(|scope| {
            let caller = scope.spawn(move || {
                let done = if online {
                    driver.call_online(index, 0, false)
                } else {
                    driver.call_offline(index, 0, false)
                };
                done.map(|_| ())
            });
            let at = index as usize;
            driver.recorder.wait(Duration::from_millis(2), |slots| slots[at].phase != entered);
            let terminated = driver.terminate(index);
            let called =
                caller.join().unwrap_or_else(|_| Err(Stop("a thread of the trial failed".to_owned())));
            terminated.and(called)
        })
    }

    /// `LooksAlive` or `IsAlive`: what it said.
    pub(super) fn poll(&self, index: u32, looks: bool) -> Result<bool, Stop> {
        let (dll, resid) = (self.dll()?, self.resid(index)?);
        let _turn = around::turn(index);
        let call = self.called(if looks { "LooksAlive" } else { "IsAlive" }, index, "");
        let began = Instant::now();
        let said = if looks { dll.looks_alive(resid) } else { dll.is_alive(resid) };
        self.returned(call, said.into(), 0, began, 0);
        Ok(said != 0)
    }

    pub(super) fn cancel(&self, index: u32) -> Carried {
        let (dll, resid) = (self.dll()?, self.resid(index)?);
        if !dll.can_cancel() {
            return Ok(());
        }
        let call = self.called("Cancel", index, "");
        let began = Instant::now();
        let returned = dll.cancel(resid);
        self.returned(call, returned.into(), 0, began, 0);
        Ok(())
    }
}
