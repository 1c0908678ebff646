//! What a resource leaves running although it says that it is offline: ended before anybody is told so.
//!
//! Everything in the containment of a monitor belongs to all its resources, and nobody knows to which. So it is looked at
//! when the last of them stops: then nothing may be left but what was there before the first of them came online.

use std::cell::RefCell;
use std::sync::RwLockReadGuard;
use std::time::Duration;

use super::*;
use crate::family::{self, Process};

/// What is on its way out has so long to end by itself, and what was killed to be gone.
const GRACE: Duration = Duration::from_secs(1);

thread_local! {
    static CALLING: RefCell<Option<RwLockReadGuard<'static, ()>>> = const { RefCell::new(None) };
}

impl Engine {
    /// An entry point is about to be called on this thread: what it starts is not looked at meanwhile.
    pub(super) fn enter(&'static self) {
        let guard = self.entered.read().unwrap_or_else(PoisonError::into_inner);
        CALLING.set(Some(guard));
    }

    /// The entry point has returned.
    pub(super) fn leave(&'static self) {
        CALLING.set(None);
    }

    /// True if no resource runs, or may have begun to.
    fn all_stopped(&'static self) -> bool {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let instances: Vec<Arc<Instance>> =
            slots.slots.iter().filter_map(|(_, instance)| instance.clone()).collect();
        drop(slots);
        instances.iter().all(|instance| {
            instance.stopped.load(Ordering::Acquire)
                || match instance.with_hosting(Hosting::state) {
                    State::Closed | State::Opening | State::Offline | State::Failed | State::Closing => true,
                    State::OnlineCall
                    | State::OnlinePending
                    | State::Online
                    | State::OfflineCall
                    | State::OfflinePending
                    | State::Terminating(_) => false,
                }
        })
    }

    /// Notes what runs before the first resource comes online: helpers of the resource DLL itself.
    pub(super) fn begin_to_run(&'static self, instance: &Instance) {
        if !self.observer.in_a_node() {
            return;
        }
        let mut before = lock(&self.before);
        if self.all_stopped() {
            *before = family::family();
        }
        instance.stopped.store(false, Ordering::Release);
    }

    /// Ends what is left of the resources of this monitor, if the last of them has stopped.
    pub(super) fn end_leftovers(&'static self, instance: &Instance) {
        if !self.observer.in_a_node() {
            return;
        }
        instance.stopped.store(true, Ordering::Release);
        // The last of two that stop at once sees both.
        let before = lock(&self.before);
        // What another entry point has started just now is not ours to judge; the next that stops does it.
        let Ok(_calls) = self.entered.try_write() else { return };
        if !self.all_stopped() {
            return;
        }
        let left = |before: &Vec<Process>| {
            let mut family = family::family();
            family.retain(|process| !before.iter().any(|known| known.same(process)));
            family
        };
        let found = left(&before);
        if found.is_empty() {
            return;
        }
        family::wait_for_end(&found, GRACE);
        let found = left(&before);
        if found.is_empty() {
            return;
        }
        let names: Vec<String> = found.iter().map(Process::shown).collect();
        for process in &found {
            process.kill();
        }
        family::wait_for_end(&found, GRACE);
        let text = format!(
            "{}: it said that it is offline, and this still ran and was killed: {}",
            instance.name,
            names.join(", ")
        );
        self.observer.violation(Some(instance), "a process left behind", text);
    }
}
