//! Questions of resource DLLs.

use super::*;

impl Monitors {
    pub(super) fn hear_question(&mut self, key: &MonitorKey, ask: AskId, question: Question) {
        let asker = Asker { monitor: key.clone(), ask };
        if let Question::Store { instance, .. } = &question {
            // A monitor stores for what it hosts; during adoption that is not known yet, and it comes again.
            let mine = self.instances.get(instance).filter(|known| known.monitor == *key);
            let resource = mine.map(|known| known.resource.clone());
            self.queue().push_back(MonitorEvent::Asked { asker, resource, question });
        } else {
            self.queue().push_back(MonitorEvent::Asked { asker, resource: None, question });
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
