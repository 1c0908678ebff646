//! What follows when a monitor is gone.

use super::*;

/// Signals that code raises by being wrong: ILL, TRAP, ABRT, BUS, FPE, SEGV, SYS.
const CRASHES: [i32; 7] = [4, 5, 6, 7, 8, 11, 31];

impl Monitors {
    pub(super) fn forget_instance(&mut self, instance: InstanceId) {
        if let Some(known) = self.instances.remove(&instance)
            && self.open.get(&known.resource) == Some(&instance)
        {
            self.open.remove(&known.resource);
        }
    }

    pub(super) fn forget(&mut self, key: &MonitorKey, how: &str) {
        if let Some(monitor) = self.by_key.remove(key) {
            self.by_token.remove(&monitor.token);
        }
        if *key == MonitorKey::Check {
            self.thrown_out();
        }
        let gone: Vec<InstanceId> = self
            .instances
            .iter()
            .filter(|(_, known)| known.monitor == *key)
            .map(|(instance, _)| *instance)
            .collect();
        for instance in gone {
            self.forget_instance(instance);
        }
        let lost: Vec<OpId> =
            self.pending.iter().filter(|(_, (of, _))| of == key).map(|(op, _)| *op).collect();
        for op in lost {
            let (code, output) = (Code::RPC_S_CALL_FAILED, Hex::default());
            match self.pending.remove(&op) {
                Some((_, Pending::Control)) => {
                    self.events.push_back(MonitorEvent::Controlled { op, code, output });
                }
                Some((_, Pending::Consult)) => {
                    self.events.push_back(MonitorEvent::Consulted { op, said: Said::Lost });
                }
                Some((_, Pending::Visit(resource))) => {
                    let text = format!("the resource DLL ended the process that opened it, which {how}");
                    self.kept_out(&resource, code, &text);
                }
                Some((_, Pending::Context)) => self.no_context(op),
                Some((_, Pending::Check)) => {
                    let detail =
                        Some(format!("the resource DLL ended the process that checked it, which {how}"));
                    let checked = Checked { op, code, detail, problems: Vec::new() };
                    self.events.push_back(MonitorEvent::Checked(checked));
                }
                // The policy hears of the loss itself.
                Some((
                    _,
                    Pending::Policy(_)
                    | Pending::Open(..)
                    | Pending::Close(..)
                    | Pending::Leave
                    | Pending::Sync,
                ))
                | None => {}
            }
        }
    }

    pub(super) fn died(&mut self, key: &MonitorKey, death: Death) {
        // What it said before it died comes first; the socket holds no more than this.
        self.hear(key, 1 << 16);
        let broke = self.by_key.get_mut(key).and_then(|monitor| monitor.broke.take());
        let ending = self.by_key.get(key).is_some_and(|monitor| monitor.ending.is_some());
        let stuck = self.by_key.get(key).and_then(|monitor| monitor.stuck);
        let suspects: Vec<InstanceId> =
            stuck.map_or_else(|| death.suspects.clone(), |instance| vec![instance]);
        let mut culprits: Vec<ResourceName> = if broke.is_some() {
            // Any thread may have written what was not understood, not only one with a call in progress.
            Vec::new()
        } else {
            suspects.iter().filter_map(|instance| self.resource(*instance)).collect()
        };
        // A thread that the resource DLL made itself: where only one is at home, it was that one.
        let by_itself = broke.is_some()
            || death.exit.is_some()
            || death.signal.is_some_and(|signal| CRASHES.contains(&signal));
        if culprits.is_empty() && by_itself {
            let at_home: Vec<&Instance> =
                self.instances.values().filter(|known| known.monitor == *key).collect();
            if let [only] = at_home.as_slice() {
                culprits.push(only.resource.clone());
            }
        }
        let lost = if let Some(text) = broke {
            Lost::Died { culprits, code: Code::RPC_S_CALL_FAILED, text }
        } else if death.requested || ending {
            Lost::Stopped
        } else {
            let code = if stuck.is_some() || death.stuck.is_some() {
                Code::ERROR_RESOURCE_CALL_TIMED_OUT
            } else if culprits.is_empty() {
                Code::RPC_S_CALL_FAILED
            } else {
                Code::ERROR_EXCEPTION_IN_RESOURCE_CALL
            };
            let text = match stuck {
                Some(_) => "a call exceeded its DeadlockTimeout".to_owned(),
                None => death.to_string(),
            };
            Lost::Died { culprits, code, text }
        };
        self.forget(key, &death.to_string());
        if *key == MonitorKey::Check {
            self.checks_end = false;
            for (op, message) in std::mem::take(&mut self.checks) {
                self.send_check(op, &message);
            }
        }
        if death.lapsed {
            self.queue().push_back(MonitorEvent::Lapsed);
        }
        if let (Some(monitor), false) = (id_of(key), death.left.is_empty()) {
            let group = monitor.group;
            self.queue().push_back(MonitorEvent::LeftBehind { group, what: death.left });
        }
        self.report_lost(key, lost, death.output);
        self.finish_adoption();
    }

    pub(super) fn report_lost(&mut self, key: &MonitorKey, lost: Lost, output: String) {
        if let Some(monitor) = id_of(key) {
            self.queue().push_back(MonitorEvent::Lost { monitor, lost, output });
        }
    }
}
