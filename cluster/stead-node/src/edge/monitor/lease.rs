//! The lease that the guardian keeps: until when the kernel lets what runs here run.

use std::path::PathBuf;
use std::time::Duration;

use stead_types::Time;

use super::*;

impl Monitors {
    /// Begins a time of leases under a number that was never used. Nothing of any group may be left.
    /// `device` is the watchdog's.
    pub(crate) fn begin_leases(
        &mut self,
        number: u128,
        (longest, watchdog): (Duration, Duration),
        device: Option<PathBuf>,
    ) {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let (longest, watchdog) = (ms(longest), ms(watchdog));
        self.tell_guardian(&ToGuardian::Session { session: number, longest, watchdog, device });
    }

    /// Asks the guardian whether it is there: it answers when it has taken in what it was told before.
    pub(crate) fn ask_guardian(&mut self, question: u64) {
        self.tell_guardian(&ToGuardian::Ask { question });
    }

    /// Everything may run until `deadline`. `blob` is for the node that comes after this one.
    pub(crate) fn lease(&mut self, number: u128, deadline: Time, blob: String) {
        // First what the next node must know of this deadline.
        self.tell_guardian(&ToGuardian::Keep { blob });
        self.tell_guardian(&ToGuardian::Lease { session: number, deadline: deadline.as_nanos() });
    }

    /// Ends everything that runs under this number. Answered by [`MonitorEvent::Empty`].
    pub(crate) fn fence(&mut self, number: u128) {
        self.tell_guardian(&ToGuardian::Fence { session: number });
    }

    /// True until the guardian has verified that nothing of a group is left here.
    pub(crate) fn has_group(&self, group: &GroupName) -> bool {
        self.by_key.keys().any(|key| match key {
            MonitorKey::Group { group: of, .. } => of == group,
            MonitorKey::Check => false,
        })
    }

    /// Ends a group's monitors with everything in them, and lets nothing of it reach a disk any more.
    pub(crate) fn kill_group(&mut self, group: &GroupName) {
        let keys: Vec<MonitorKey> = self
            .by_key
            .keys()
            .filter(|key| match key {
                MonitorKey::Group { group: of, .. } => of == group,
                MonitorKey::Check => false,
            })
            .cloned()
            .collect();
        for monitor in keys {
            self.tell_guardian(&ToGuardian::Kill { monitor, fence: true });
        }
    }
}
