//! What resource DLLs are asked before something becomes true, and told after it has.

use stead_monitor_protocol::Consultation;
use stead_types::ResourceState;

use super::*;

impl Monitors {
    /// Asks an open resource's DLL whether something may be; `Consulted` carries the number returned here. `None` if the
    /// resource is not open, not even for another question.
    pub(crate) fn consult(&mut self, resource: &ResourceName, question: Consultation) -> Option<OpId> {
        let Some((instance, key)) = self.instance(resource) else {
            let instance = self.visited(resource)?;
            let op = OpId(self.number());
            self.give_to_check(op, ToMonitor::Consult { op, instance, question });
            return Some(op);
        };
        let op = self.pending(&key, Pending::Consult);
        self.tell(&key, &ToMonitor::Consult { op, instance, question });
        Some(op)
    }

    /// Asks a resource type whether it may be deleted, where types are checked; `Consulted` carries the number returned
    /// here.
    pub(crate) fn consult_type(&mut self, type_name: TypeName, library: Library) -> OpId {
        let op = OpId(self.number());
        self.give_to_check(op, ToMonitor::ConsultType { op, type_name, library });
        op
    }

    /// Asks an open resource's DLL what is to go with the departure of its group; `Context` carries the number returned
    /// here. `None` if the resource is not open.
    pub(crate) fn ask_context(
        &mut self,
        resource: &ResourceName,
        operation: u32,
        priority: u32,
    ) -> Option<OpId> {
        let (instance, key) = self.instance(resource)?;
        let op = self.pending(&key, Pending::Context);
        self.tell(&key, &ToMonitor::Context { op, instance, operation, priority });
        Some(op)
    }

    pub(super) fn context(&mut self, op: OpId, buffers: BTreeMap<String, Hex>) {
        if self.pending.remove(&op).is_some() {
            let buffers = buffers.into_iter().map(|(name, Hex(bytes))| (name, bytes)).collect();
            self.events.push_back(MonitorEvent::Context { op, buffers });
        }
    }

    pub(super) fn no_context(&mut self, op: OpId) {
        self.events.push_back(MonitorEvent::Context { op, buffers: BTreeMap::new() });
    }

    /// Tells an open resource's DLL that one of its providers changed state.
    pub(crate) fn provider_changed(
        &mut self,
        resource: &ResourceName,
        provider: ResourceName,
        state: ResourceState,
    ) {
        if let Some((instance, key)) = self.instance(resource) {
            self.tell(&key, &ToMonitor::ProviderChanged { instance, provider, state });
        }
    }
}
