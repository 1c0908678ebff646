//! The end of a monitor: it is told, so that its resource types can be, and killed if it takes too long.

use super::*;

/// So long a monitor may take to end after it was told to: its resource types are notified meanwhile.
const LAST_WORDS: Duration = Duration::from_secs(5);

impl Monitors {
    /// Ends a monitor with everything in it.
    pub(crate) fn stop(&mut self, monitor: &MonitorId) {
        self.end(key_of(monitor));
    }

    /// Tells a monitor to end where it can be told. It is killed all the same if it does not.
    pub(super) fn end(&mut self, key: MonitorKey) {
        let told = self.by_key.get_mut(&key).filter(|monitor| {
            monitor.link.is_some() && matches!(monitor.phase, Phase::Running) && monitor.ending.is_none()
        });
        match told {
            Some(monitor) => {
                monitor.ending = Some(timer::now().after(LAST_WORDS));
                self.tell(&key, &ToMonitor::Shutdown);
            }
            None => self.tell_guardian(&ToGuardian::Kill { monitor: key, fence: false }),
        }
    }

    /// When the next monitor is killed that was told to end.
    pub(super) fn next_kill(&self) -> Option<Time> {
        self.by_key.values().filter_map(|monitor| monitor.ending).min()
    }

    pub(super) fn kill_late(&mut self) {
        let now = timer::now();
        let late = |monitor: &Monitor| monitor.ending.is_some_and(|at| at <= now);
        let keys: Vec<MonitorKey> =
            self.by_key.iter().filter(|(_, monitor)| late(monitor)).map(|(key, _)| key.clone()).collect();
        for key in keys {
            if let Some(monitor) = self.by_key.get_mut(&key) {
                monitor.ending = Some(Time::NEVER);
            }
            tracing::warn!(monitor = %key, "monitor did not end when told to and is killed");
            self.tell_guardian(&ToGuardian::Kill { monitor: key, fence: false });
        }
    }
}
