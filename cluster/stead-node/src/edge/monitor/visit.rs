//! Resources that are not open are opened for a question, where types are checked, and closed when what they were asked
//! about has become true, or will not.

use stead_monitor_protocol::Consultation;

use super::*;

/// A call of a resource that was opened for a question may take so long, whatever its own deadline: somebody waits.
const LONGEST_CALL_MS: u32 = 30_000;

/// A resource that is open for a question.
#[derive(Debug)]
pub(super) struct Visit {
    pub(super) instance: InstanceId,
    /// `Open` has succeeded.
    opened: bool,
    /// What it is asked when it has.
    waiting: Vec<(OpId, Consultation)>,
}

/// What came of a question.
#[derive(Debug)]
pub(crate) enum Said {
    /// The resource DLL returned this.
    Code(Code),
    /// Its monitor was lost over the question.
    Lost,
    /// The resource could not be opened to be asked.
    NotOpened(Code, String),
}

impl Monitors {
    /// Asks a resource that is not open: opens it, if no earlier question has. `Consulted` carries the number returned
    /// here.
    pub(crate) fn visit(
        &mut self,
        resource: &ResourceName,
        question: Consultation,
        mut opening: Opening,
    ) -> OpId {
        let op = OpId(self.number());
        if let Some(visit) = self.visits.get_mut(resource) {
            let (instance, opened) = (visit.instance, visit.opened);
            if opened {
                self.give_to_check(op, ToMonitor::Consult { op, instance, question });
            } else {
                visit.waiting.push((op, question));
            }
            return op;
        }
        let (instance, open) = (InstanceId(self.number()), OpId(self.number()));
        let visit = Visit { instance, opened: false, waiting: vec![(op, question)] };
        self.visits.insert(resource.clone(), visit);
        opening.timing.deadlock_ms = opening.timing.deadlock_ms.min(LONGEST_CALL_MS);
        let message = ToMonitor::Open {
            op: open,
            instance,
            resource: resource.clone(),
            type_name: opening.type_name,
            library: opening.library,
            properties: opening.properties,
            keys: opening.keys,
            timing: opening.timing,
            flags: stead_types::OpenFlags::NONE,
        };
        self.give_to_check(open, message);
        op
    }

    /// The instance of a resource that is open for a question.
    pub(super) fn visited(&self, resource: &ResourceName) -> Option<InstanceId> {
        self.visits.get(resource).filter(|visit| visit.opened).map(|visit| visit.instance)
    }

    /// The resource of an instance that is open for a question.
    pub(super) fn visitor(&self, instance: InstanceId) -> Option<ResourceName> {
        self.visits.iter().find(|(_, visit)| visit.instance == instance).map(|(resource, _)| resource.clone())
    }

    /// `Open` has returned.
    pub(super) fn entered(&mut self, resource: &ResourceName, code: Code, detail: Option<String>) {
        if !code.is_success() {
            self.kept_out(resource, code, &detail.unwrap_or_else(|| code.to_string()));
            return;
        }
        let Some(visit) = self.visits.get_mut(resource) else { return };
        visit.opened = true;
        let (instance, waiting) = (visit.instance, std::mem::take(&mut visit.waiting));
        for (op, question) in waiting {
            self.give_to_check(op, ToMonitor::Consult { op, instance, question });
        }
    }

    /// It cannot be opened: nobody waits for it any longer.
    pub(super) fn kept_out(&mut self, resource: &ResourceName, code: Code, text: &str) {
        let Some(visit) = self.visits.remove(resource) else { return };
        for (op, _) in visit.waiting {
            let said = Said::NotOpened(code, text.to_owned());
            self.events.push_back(MonitorEvent::Consulted { op, said });
        }
    }

    /// The monitor of those that are open is gone.
    pub(super) fn thrown_out(&mut self) {
        self.visits.retain(|_, visit| !visit.opened);
    }

    /// Closes what was opened for questions. What `deleted` says is gone is told so first.
    pub(crate) fn end_visits(&mut self, deleted: impl Fn(&ResourceName) -> bool) {
        for (resource, visit) in std::mem::take(&mut self.visits) {
            let (op, instance) = (OpId(self.number()), visit.instance);
            let deleting = deleted(&resource) && !self.open.contains_key(&resource);
            self.give_to_check(op, ToMonitor::Close { op, instance, deleting });
        }
    }
}
