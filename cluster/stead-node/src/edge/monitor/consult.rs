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
