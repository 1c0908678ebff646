//! What resource DLLs may ask about while they are judged: a cluster that has nothing but their own instances.

use std::cell::Cell;
use std::collections::BTreeSet;
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::time::{Duration, Instant};

use clusapi::Tree;
use stead_resapi as abi;
use stead_types::{Code, ResourceState};

use crate::alone::{self, Hosted};
use crate::asking;
use crate::control::{self, Owner};
use crate::dll::{Dll, Resid};
use crate::engine::lock;

use super::foreign::{self, Watched};
use super::recorder::{Recorder, Slot};
use super::trace::{Phase, What};

/// The cluster, its group and its node's only neighbour are called so.
const NAME: &str = "verify";

/// How long a control call that the resource DLL itself asked for waits for its turn, and for its end where it goes on.
const PATIENCE: Duration = Duration::from_secs(30);

thread_local! {
    /// The instance of which this thread is inside an entry point.
    static INSIDE: Cell<Option<u32>> = const { Cell::new(None) };
}

/// The instances of which an entry point is being called, other than `Terminate` and `Cancel`: one at a time.
static TURNS: Mutex<BTreeSet<u32>> = Mutex::new(BTreeSet::new());
static FREED: Condvar = Condvar::new();

/// The right to call an entry point of one instance.
pub(super) struct Turn(u32);

/// Waits until no other call of the instance is in progress. None if that takes too long.
fn turn_within(index: u32, limit: Duration) -> Option<Turn> {
    let busy = FREED.wait_timeout_while(lock(&TURNS), limit, |turns| turns.contains(&index));
    let (mut turns, _) = busy.unwrap_or_else(PoisonError::into_inner);
    turns.insert(index).then_some(Turn(index))
}

/// Waits until no other call of the instance is in progress. A call that hangs ends the trial from outside.
pub(super) fn turn(index: u32) -> Turn {
    loop {
        if let Some(turn) = turn_within(index, PATIENCE) {
            return turn;
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        lock(&TURNS).remove(&self.0);
        FREED.notify_all();
    }
}

/// This thread is inside an entry point of this instance now, or of none.
pub(super) fn enter(instance: Option<u32>) {
    INSIDE.set(instance);
}

/// Lets the resource DLL ask, and notes the handles that ClusAPI refuses.
pub(super) fn connect(recorder: &'static Recorder, type_name: &str) {
    alone::connect(NAME, type_name, Instances(recorder));
    clusapi::watch_refused(|handle| {
        // Nothing is what a call that failed has given: closing it harms nobody.
        if handle != 0 {
            recorder.write(What::BadHandle { handle });
        }
    });
}

/// The instances of this trial.
struct Instances(&'static Recorder);

fn state(slot: &Slot) -> ResourceState {
    match slot.phase {
        Phase::InOnline | Phase::OnlinePending => ResourceState::OnlinePending,
        Phase::InOffline | Phase::OfflinePending => ResourceState::OfflinePending,
        Phase::Idle if slot.online => ResourceState::Online,
        Phase::Idle | Phase::InTerminate | Phase::Terminated | Phase::InClose | Phase::Closed => {
            ResourceState::Offline
        }
    }
}

/// An instance that is open, and what is needed to call it.
struct Found {
    index: u32,
    name: String,
    tree: Arc<Tree>,
    resid: Option<Resid>,
}

impl Instances {
    fn find(&self, name: &str) -> Result<Found, u32> {
        let slots = self.0.slots();
        let mut open = (0..).zip(slots.iter()).filter(|(_, slot)| slot.phase != Phase::Closed);
        let found = open.find(|(_, slot)| slot.name.eq_ignore_ascii_case(name));
        let (index, slot) = found.ok_or(abi::ERROR_RESOURCE_NOT_FOUND)?;
        Ok(Found { index, name: slot.name.clone(), tree: Arc::clone(&slot.tree), resid: slot.resid })
    }

    /// What the DLL answers: code, output, the bytes it wanted to return.
    fn call(
        &self,
        dll: &Dll,
        (index, resid): (u32, Resid),
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> (u32, Vec<u8>, u32) {
        let recorder = self.0;
        let mut watched = Watched::new(input, out_size);
        let (call, began) = (recorder.number(), Instant::now());
        let (entry, args) = ("ResourceControl".to_owned(), format!("code={code:#010x}, by ClusAPI"));
        recorder.write(What::Call { call, entry, instance: index, args });
        let outer = INSIDE.replace(Some(index));
        let (returned, later) = foreign::control(dll, resid, code, &mut watched, i64::from(call));
        INSIDE.set(outer);
        let took_us = u64::try_from(began.elapsed().as_micros()).unwrap_or(u64::MAX);
        recorder.write(What::Return { call, value: returned.into(), last_error: 0, took_us, event: 0 });
        let ended = later.then(|| recorder.ending(i64::from(call), PATIENCE)).flatten();
        let left = watched.left();
        foreign::lend(call, watched);
        let lost = if later { abi::ERROR_TIMEOUT } else { returned };
        (ended.unwrap_or(lost), left.output, left.bytes)
    }
}

impl Hosted for Instances {
    fn resources(&self) -> Vec<(String, ResourceState)> {
        let slots = self.0.slots();
        let open = slots.iter().filter(|slot| slot.phase != Phase::Closed);
        open.map(|slot| (slot.name.clone(), state(slot))).collect()
    }

    fn control(
        &self,
        resource: &str,
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> Result<(u32, Vec<u8>, u32), u32> {
        let Found { index, name, tree, resid } = self.find(resource)?;
        if INSIDE.get() == Some(index) {
            return Err(asking::POSSIBLE_DEADLOCK);
        }
        if !control::of_resources(code) {
            return Ok((abi::ERROR_INVALID_PARAMETER, Vec::new(), 0));
        }
        let dll = lock(&self.0.dll).clone();
        let (Some(dll), Some(resid)) = (dll, resid) else { return Err(abi::ERROR_RESOURCE_NOT_AVAILABLE) };
        let Some(_turn) = turn_within(index, PATIENCE) else { return Err(abi::ERROR_TIMEOUT) };
        let answer = self.call(&dll, (index, resid), code, input, out_size);
        if answer.0 != abi::ERROR_INVALID_FUNCTION {
            return Ok(answer);
        }
        let owner = Owner { name: &name, dll: &dll, tree: &tree };
        let (code, output) = match control::default(&owner, code, input) {
            Some(result) => control::fitted(result, code, out_size),
            None => (Code(abi::ERROR_INVALID_FUNCTION), Vec::new()),
        };
        Ok(asking::controlled(code, output))
    }

    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32> {
        self.find(resource).map(|found| found.tree)
    }
}
