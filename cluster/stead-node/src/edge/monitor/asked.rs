//! Questions of resource DLLs.

use super::*;

impl Monitors {
    pub(super) fn hear_question(&mut self, key: &MonitorKey, ask: AskId, question: Question) {
        let Some(monitor) = self.by_key.get(key) else { return };
        match monitor.phase {
            Phase::Running | Phase::Adopting { greeted: true, .. } => {
                let asker = Asker { monitor: key.clone(), ask };
                self.queue().push_back(MonitorEvent::Asked { asker, question });
            }
            // It was meant for an earlier node, and comes again behind the answer to the greeting. Taken in twice, an
            // older change could be stored over a newer one.
            Phase::Starting | Phase::Greeted | Phase::Adopting { greeted: false, .. } => {}
        }
    }

    /// The resource of which a monitor hosts this instance.
    pub(crate) fn hosted(&self, key: &MonitorKey, instance: InstanceId) -> Option<ResourceName> {
        match self.instances.get(&instance) {
            Some(known) if known.monitor == *key => Some(known.resource.clone()),
            Some(_) => None,
            None if *key == MonitorKey::Check => self.visitor(instance),
            None => None,
        }
    }

    /// Answers a question. One that is too long for a message fails with `ERROR_MORE_DATA`.
    pub(crate) fn answer(&mut self, key: &MonitorKey, ask: AskId, code: Code, answer: Answer) {
        let message = ToMonitor::Answered(Answered { ask, code, answer });
        let fits = serde_json::to_vec(&message).is_ok_and(|bytes| bytes.len() <= LONGEST_MESSAGE);
        if fits {
            self.tell(key, &message);
        } else {
            let code = Code::ERROR_MORE_DATA;
            self.tell(key, &ToMonitor::Answered(Answered { ask, code, answer: Answer::Nothing }));
        }
    }
}
