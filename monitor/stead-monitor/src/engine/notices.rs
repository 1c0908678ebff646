//! Notifications that a monitor sends by itself: why a state is about to change, and that the monitor ends. What a
//! resource DLL answers to them changes nothing. Those of the node come through here as well.

use std::cell::Cell;
use std::collections::BTreeMap;

use stead_resapi as abi;
use stead_types::OfflineReason;

use super::*;
use crate::consult;

/// So much may a DLL say that is to go with an operation.
const LONGEST_CONTEXT: u32 = 65_536;

thread_local! {
    static WORKING: Cell<Option<InstanceId>> = const { Cell::new(None) };
}

/// Says of which instance this thread makes the calls.
pub(super) fn works_on(instance: Option<InstanceId>) {
    WORKING.set(instance);
}

/// `eReason` for what is told of an `Offline`.
fn reason_of(reason: u32) -> i32 {
    if reason == OfflineReason::MOVING.bits() {
        abi::eResourceStateChangeReasonMove
    } else if reason == OfflineReason::SHUTTING_DOWN.bits() {
        abi::eResourceStateChangeReasonShutdown
    } else {
        abi::eResourceStateChangeReasonUnknown
    }
}

impl Engine {
    /// Asks the DLL once for its characteristics, where anything depends on them.
    pub(super) fn ask_for_characteristics(&'static self, instance: &Arc<Instance>) {
        if !self.observer.in_a_node()
            || !instance.dll.has_control()
            || instance.characteristics.get().is_some()
        {
            return;
        }
        let asked = Arc::clone(instance);
        let done = Box::new(move |code: u32, output: Vec<u8>, _: u32| {
            let said = output.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
            let _ = asked.characteristics.set(said.filter(|_| code == 0).unwrap_or(0));
        });
        let code = abi::CLUSCTL_RESOURCE_GET_CHARACTERISTICS;
        self.enqueue(instance, Call::Control { code, input: Vec::new(), out_size: 4, done });
    }

    fn wants_reasons(instance: &Instance) -> bool {
        let wanted = instance.characteristics.get().copied().unwrap_or(0);
        wanted & abi::CLUS_CHAR_REQUIRES_STATE_CHANGE_REASON != 0
    }

    /// Tells a DLL that wants to know it why it is taken offline next.
    ///
    /// Windows: clusapi/ns-clusapi-clusctl_resource_state_change_reason_struct
    pub(super) fn tell_reason(
        &'static self,
        instance: &Arc<Instance>,
        resid: Resid,
        offline_reason: u32,
        worker: u32,
    ) {
        if Self::wants_reasons(instance) {
            self.send_reason(instance, resid, reason_of(offline_reason), worker);
        }
    }

    fn send_reason(&'static self, instance: &Arc<Instance>, resid: Resid, reason: i32, worker: u32) {
        const VERSION: i32 = 1;
        let input: Vec<u8> =
            [12, VERSION, reason].iter().flat_map(|field: &i32| field.to_le_bytes()).collect();
        let code = abi::CLUSCTL_RESOURCE_STATE_CHANGE_REASON;
        let done = self.only_noted(instance, "CLUSCTL_RESOURCE_STATE_CHANGE_REASON");
        self.make_control(instance, resid, (code, input, 0), done, worker);
    }

    /// The answer to a notification: an error is a line in the log.
    fn only_noted(&'static self, instance: &Arc<Instance>, name: &'static str) -> ControlDone {
        let told = Arc::clone(instance);
        Box::new(move |code, _, _| {
            if code != abi::ERROR_SUCCESS && code != abi::ERROR_INVALID_FUNCTION {
                let text = format!("{name} was answered with {}; nothing depends on it", Code(code));
                self.observer.log(Some(&told), 1, text);
            }
        })
    }

    /// Asks a DLL that wants to be asked what is to go with the departure of its group, by the name of the type whose
    /// resources get it. `operation` is a `RESDLL_CONTEXT_OPERATION_TYPE`, `priority` that of the group.
    pub(crate) fn ask_context(
        &'static self,
        instance: &Arc<Instance>,
        (operation, priority): (u32, u32),
        told: impl FnOnce(BTreeMap<String, Vec<u8>>) + Send + 'static,
    ) {
        let wanted = instance.characteristics.get().copied().unwrap_or(0);
        if wanted & abi::CLUS_CHAR_OPERATION_CONTEXT == 0 {
            return told(BTreeMap::new());
        }
        let asked = Arc::clone(instance);
        let done = Box::new(move |code: u32, output: Vec<u8>, _: u32| {
            let read = match code {
                abi::ERROR_SUCCESS => consult::context_of(&output),
                code => Err(format!("it was answered with {}", Code(code))),
            };
            told(read.unwrap_or_else(|why| {
                let text =
                    format!("CLUSCTL_RESOURCE_GET_OPERATION_CONTEXT: {why}; nothing goes with the operation");
                self.observer.log(Some(&asked), 1, text);
                BTreeMap::new()
            }));
        });
        let code = abi::CLUSCTL_RESOURCE_GET_OPERATION_CONTEXT;
        self.control(instance, code, consult::context(operation, priority), LONGEST_CONTEXT, done);
    }

    /// Sends a notification when no other call runs.
    pub(crate) fn notify(
        &'static self,
        instance: &Arc<Instance>,
        (code, name): (u32, &'static str),
        input: Vec<u8>,
    ) {
        let done = self.only_noted(instance, name);
        self.control(instance, code, input, 0, done);
    }

    /// Claims the right to send a notification before `Terminate`, which calls no entry point but `Cancel` may run
    /// beside: true if none does, and then none begins before [`Engine::tell_termination`] is through.
    pub(super) fn claim(&'static self, instance: &Instance, calls: &mut Calls) -> bool {
        let between = WORKING.get() == Some(instance.id) && inside().is_none();
        calls.notifying = Self::wants_reasons(instance) && (between || !calls.active);
        calls.notifying
    }

    /// Tells a DLL that wants to know it why it is terminated next.
    pub(super) fn tell_termination(
        &'static self,
        instance: &Arc<Instance>,
        resid: Option<Resid>,
        worker: u32,
    ) {
        if let Some(resid) = resid {
            let rundown = self.ending.load(Ordering::Relaxed);
            let reason = if rundown {
                abi::eResourceStateChangeReasonRundown
            } else {
                abi::eResourceStateChangeReasonUnknown
            };
            self.send_reason(instance, resid, reason, worker);
        }
        let mut calls = lock(&instance.calls);
        calls.running = None;
        calls.notifying = false;
        instance.idle.notify_all();
    }

    /// Tells every resource type in this process that it ends, because its node wants it to.
    ///
    /// Windows: mscs/resource-type-control-codes
    /// Note: the input of this code is documented nowhere; it is the flag of the header as a DWORD.
    pub(crate) fn tell_ending(&'static self, worker: u32, instance: InstanceId) {
        let places: Vec<Arc<Mutex<Option<Arc<Dll>>>>> = lock(&self.dlls).values().cloned().collect();
        for place in places {
            // One that is being loaded has nothing to end yet.
            let Some(dll) = place.try_lock().ok().and_then(|dll| dll.clone()) else { continue };
            let code = abi::CLUSCTL_RESOURCE_TYPE_NOTIFY_MONITOR_SHUTTING_DOWN;
            let input = abi::RESTYPE_MONITOR_SHUTTING_DOWN_NODE_STOP.to_le_bytes().to_vec();
            self.type_control(worker, instance, &dll, (code, input, 0));
        }
    }
}
