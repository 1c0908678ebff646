//! The monitor in which resource types are loaded to be checked and asked, apart from everything that runs.

use stead_types::PropertyMap;

use super::*;

/// The largest check. An `Open` with the same properties says a little more, and everything under the keys.
const LARGEST_CHECK: usize = LONGEST_MESSAGE - crate::keys::MOST - 1_024;

/// Of what a check says beside the properties.
const REST_OF_A_CHECK: usize = 2_048;

fn length(what: &impl serde::Serialize) -> usize {
    serde_json::to_vec(what).map_or(0, |bytes| bytes.len())
}

impl Monitors {
    /// Has a type and, where given, properties checked; `stored` are those the resource has now. `Checked` carries the
    /// number returned here.
    pub(crate) fn check(
        &mut self,
        resource: ResourceName,
        type_name: TypeName,
        library: Library,
        properties: Option<Properties>,
        mut stored: PropertyMap,
    ) -> OpId {
        let op = OpId(self.number());
        let names = properties.as_ref().map(|Properties(wanted)| wanted);
        stored.retain(|name, _| names.is_some_and(|names| names.contains_key(name)));
        let mut stored = Properties(stored);
        if length(&stored) + length(&properties) + REST_OF_A_CHECK > LONGEST_MESSAGE {
            // Both do not fit into one message: it is checked as if it were new.
            stored.0.clear();
        }
        let message = ToMonitor::Check { op, resource, type_name, library, properties, stored };
        self.give_to_check(op, message);
        op
    }

    pub(super) fn give_to_check(&mut self, op: OpId, message: ToMonitor) {
        if self.checks_end {
            // The one that runs is on its way out; the next one gets it.
            self.checks.push((op, message));
        } else {
            self.send_check(op, &message);
        }
    }

    pub(super) fn send_check(&mut self, op: OpId, message: &ToMonitor) {
        let key = MonitorKey::Check;
        if !self.by_key.contains_key(&key) {
            self.start_key(key.clone());
        }
        let (pending, largest) = match message {
            ToMonitor::Check { .. } => (Pending::Check, LARGEST_CHECK),
            ToMonitor::ConsultType { .. } | ToMonitor::Consult { .. } => (Pending::Consult, LARGEST_CHECK),
            // What has been accepted is opened as it is anywhere else.
            ToMonitor::Open { resource, .. } => (Pending::Visit(resource.clone()), LONGEST_MESSAGE),
            ToMonitor::Close { .. } => (Pending::Leave, LARGEST_CHECK),
            ToMonitor::Hello { .. }
            | ToMonitor::Online { .. }
            | ToMonitor::Offline { .. }
            | ToMonitor::Terminate { .. }
            | ToMonitor::Cancel { .. }
            | ToMonitor::Fail { .. }
            | ToMonitor::Control { .. }
            | ToMonitor::Context { .. }
            | ToMonitor::TypeControl { .. }
            | ToMonitor::Update { .. }
            | ToMonitor::Maintenance { .. }
            | ToMonitor::ProviderChanged { .. }
            | ToMonitor::Sync { .. }
            | ToMonitor::Answered(_)
            | ToMonitor::Shutdown => (Pending::Control, LARGEST_CHECK),
        };
        self.pending.insert(op, (key.clone(), pending));
        // What is accepted here is opened together with what the resource DLL has stored.
        let before = if let ToMonitor::Check { stored, .. } = message { length(stored) } else { 0 };
        let size = length(message).saturating_sub(before);
        if size > largest {
            let text = format!(
                "the properties take {size} bytes, and {largest} are the most a resource is opened with; \
                 keep what is large in a file and name the file here"
            );
            self.too_long(op, text);
        } else {
            self.tell(&key, message);
        }
    }

    /// Ends the monitor that checks, if it runs and nobody waits for it.
    pub(crate) fn end_checks(&mut self) {
        let waiting = self.pending.values().any(|(key, _)| *key == MonitorKey::Check);
        if !waiting
            && self.visits.is_empty()
            && !self.checks_end
            && self.by_key.contains_key(&MonitorKey::Check)
        {
            self.checks_end = true;
            self.end(MonitorKey::Check);
        }
    }
}
