//! Sessions and leases: what the node says of them, and what is done when one is over.

use std::time::Duration;

use stead_monitor_protocol::{FromGuardian, LONGEST_BLOB, MonitorKey};
use stead_types::Time;

use super::Guardian;
use crate::lease::{LEAD, Terms};
use crate::now;
use crate::storage;
use crate::sys;
use crate::undo;
use crate::watchdog;

/// A fence that somebody ordered waits so long for file systems to be shut down; the kernel's timers wait for nobody.
pub(super) const ORDERED: Duration = Duration::from_millis(500);

/// The guardian's priority among what runs in real time.
const PRIORITY: i32 = 10;

/// So long a guardian that ends waits for what is left to be taken away.
const LAST_LOOK: Duration = Duration::from_secs(10);

impl Guardian {
    /// True while anything of a group may live.
    fn groups_live(&self) -> bool {
        self.wardens.keys().any(|monitor| *monitor != MonitorKey::Check) || !self.helpers.is_empty()
    }

    /// True once it was seen that nothing of any group is on this machine.
    fn empty(&self) -> bool {
        !self.groups_live() && self.undo.clean()
    }

    fn refuse(&mut self, error: String) {
        note!("stead guardian: refused: {error}");
        self.node.send(FromGuardian::Refused { error }, None);
    }

    pub(super) fn begin_session(&mut self, terms: Terms) {
        if let Err(why) = self.containment_suffices() {
            return self.refuse(format!("session {}: {why}", terms.session));
        }
        if self.leases.held().is_some_and(|held| held.session == terms.session)
            || self.groups_live()
            || self.empty()
        {
            return self.decide(terms);
        }
        // Groups of an earlier guardian may have left something.
        self.wanted = Some(terms);
        self.undo.look(now());
    }

    fn decide(&mut self, terms: Terms) {
        let session = terms.session;
        let before = self.leases.held().map(|held| held.session);
        let mut next = self.leases.clone();
        if let Err(error) = next.begin(terms.clone(), self.empty()) {
            return self.refuse(error);
        }
        if before != Some(session) {
            if let Err(error) = self.prepare(&terms) {
                return self.refuse(format!("session {session}: {error}"));
            }
            self.leases = next;
            self.told_empty = false;
            let longest = terms.longest.as_millis();
            note!("stead guardian: session {session}: leases are in force, of {longest} ms");
        }
        self.node.send(FromGuardian::Begun { session, watchdog: self.watchdog.is_some() }, None);
    }

    /// Opens the watchdog, and keeps this process from being late: under leases to be late is to die.
    fn prepare(&mut self, terms: &Terms) -> Result<(), String> {
        if let Some(watchdog) = self.watchdog.take() {
            // Another session may have another W.
            watchdog.release();
        }
        let (watchdog, words) = watchdog::choose(terms.device.as_deref(), terms.watchdog, now())?;
        note!("stead guardian: {words}");
        self.watchdog = watchdog;
        if self.watchdog_words.replace(words).is_none() && rustix::process::geteuid().is_root() {
            // Whoever is not root has little memory to lock, and then none to allocate.
            let all = rustix::mm::MlockAllFlags::CURRENT | rustix::mm::MlockAllFlags::FUTURE;
            if let Err(error) = rustix::mm::mlockall(all) {
                note!("stead guardian: its memory cannot be locked: {error}");
            }
            if !sys::in_time(PRIORITY) {
                note!("stead guardian: it cannot run in real time");
            }
        }
        Ok(())
    }

    /// True while the lease has time left, or it is verified that nothing of any group is here.
    pub(super) fn safe(&self) -> bool {
        self.leases.live(now()) || self.empty()
    }

    pub(super) fn mind_watchdog(&mut self) {
        let safe = self.safe();
        if let Some(watchdog) = &mut self.watchdog {
            watchdog.mind(now(), safe);
        }
    }

    /// The last act of a guardian under leases, when nothing lives any more: what was left is taken away. If that cannot be
    /// done a watchdog does it.
    pub(super) fn leave_clean(&mut self) {
        if self.leases.held().is_none() {
            return;
        }
        let left = if self.undo.clean() { Vec::new() } else { undo::at_once(LAST_LOOK) };
        left.iter().for_each(|line| note!("stead guardian: left behind: {line}"));
        if let Some(watchdog) = self.watchdog.take()
            && left.is_empty()
        {
            watchdog.release();
        }
    }

    /// Takes away what dead monitors left; then they are told, and a session that waits may begin.
    pub(super) fn tidy_up(&mut self) {
        for (monitor, death) in self.undo.step(now()) {
            self.tell(monitor, death);
        }
        if !self.undo.busy()
            && let Some(terms) = self.wanted.take()
        {
            if self.undo.left().is_empty() {
                self.decide(terms);
            } else {
                let left = self.undo.left().join("; ");
                self.refuse(format!("session {}: earlier groups left behind: {left}", terms.session));
            }
        }
    }

    /// A lease promises that the kernel ends everything in time, also when nothing of ours runs. Hunting cannot.
    fn containment_suffices(&self) -> Result<(), &'static str> {
        use stead_monitor_protocol::Containment::{PidNamespace, Subreaper, UserNamespace};
        match self.containment {
            PidNamespace | UserNamespace => Ok(()),
            Subreaper => {
                Err("one of several machines needs pid namespaces; run as root, or allow user namespaces")
            }
        }
    }

    pub(super) fn renew(&mut self, session: u128, deadline: u64) {
        match self.leases.renew(session, Time::from_nanos(deadline), now()) {
            Err(error) => self.refuse(error),
            Ok(None) => {}
            Ok(Some(deadline)) => {
                for guard in self.wardens.values().filter_map(|hosted| hosted.guard.as_ref()) {
                    guard.renew(deadline);
                }
            }
        }
    }

    pub(super) fn fence(&mut self, session: u128) {
        match self.leases.end(session) {
            Err(error) => self.refuse(error),
            Ok(true) => {
                note!("stead guardian: session {session} is ended; everything of groups is killed");
                self.kill_groups(ORDERED);
            }
            Ok(false) => self.told_empty = false,
        }
    }

    pub(super) fn keep(&mut self, blob: String) {
        if blob.len() > LONGEST_BLOB {
            return self.refuse(format!("a text to keep has {} bytes, more than {LONGEST_BLOB}", blob.len()));
        }
        if blob.chars().any(|c| c.is_control() && c != '\n' && c != '\t') {
            return self.refuse("a text to keep holds control characters".to_owned());
        }
        self.blob = Some(blob);
    }

    /// Ends what has to end because a lease runs out.
    pub(super) fn lapse(&mut self) {
        if self.leases.lapse(now()) {
            note!("stead guardian: the lease runs out; everything of groups is killed");
            self.kill_groups(LEAD);
        }
    }

    /// Tells when everything of a session that is over is gone.
    pub(super) fn tell_empty(&mut self) {
        if let Some(session) = self.leases.over()
            && !self.told_empty
            && self.empty()
            && self.node.greeted()
        {
            self.told_empty = true;
            self.node.send(FromGuardian::Empty { session }, None);
        }
    }

    fn kill_groups(&mut self, patience: Duration) {
        let of_group = |monitor: &MonitorKey| *monitor != MonitorKey::Check;
        self.shut_down(patience, of_group);
        self.kill(of_group);
    }

    /// Shuts down the file systems that these monitors mounted.
    pub(super) fn shut_down(&mut self, patience: Duration, which: impl Fn(&MonitorKey) -> bool) {
        let these = self.wardens.iter().filter(|(monitor, _)| which(monitor));
        let found: Vec<storage::Found> = these
            .filter_map(|(_, hosted)| storage::find(hosted.pid, &hosted.pidfd, &hosted.outside))
            .collect();
        if !found.is_empty() {
            storage::shut_down(&found, patience, &mut self.helpers);
        }
    }

    pub(super) fn kill(&self, which: impl Fn(&MonitorKey) -> bool) {
        self.wardens.iter().filter(|(monitor, _)| which(monitor)).for_each(|(_, hosted)| hosted.kill());
    }
}
