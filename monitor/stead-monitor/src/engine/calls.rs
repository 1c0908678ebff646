//! Calls of entry points: queued, made on threads of a pool, timed from outside.

use std::cell::Cell;
use std::time::Duration;

use super::*;

thread_local! {
    static INSIDE: Cell<Option<(InstanceId, Time)>> = const { Cell::new(None) };
}

/// The instance of which this thread is inside an entry point.
pub(crate) fn inside() -> Option<InstanceId> {
    INSIDE.get().map(|(instance, _)| instance)
}

/// How long the call this thread is inside may still last.
pub(crate) fn left() -> Option<Duration> {
    INSIDE.get().map(|(_, deadline)| deadline.since(now()))
}

impl Engine {
    pub(super) fn enqueue(&'static self, instance: &Arc<Instance>, call: Call) {
        let mut calls = lock(&instance.calls);
        let turn = calls.turn;
        calls.queue.push_back((turn, call));
        if !calls.active {
            calls.active = true;
            let (engine, instance) = (self, Arc::clone(instance));
            self.pool.run(Box::new(move |worker| engine.work(&instance, worker)));
        }
    }

    /// Makes the calls of one instance, one after the other.
    pub(super) fn work(&'static self, instance: &Arc<Instance>, worker: u32) {
        notices::works_on(Some(instance.id));
        loop {
            let (turn, call) = {
                let mut calls = lock(&instance.calls);
                while calls.notifying {
                    calls = instance.idle.wait(calls).unwrap_or_else(PoisonError::into_inner);
                }
                calls.running = None;
                match calls.queue.pop_front() {
                    Some(call) => call,
                    None => {
                        calls.active = false;
                        instance.idle.notify_all();
                        notices::works_on(None);
                        return;
                    }
                }
            };
            self.make(instance, turn, call, worker);
        }
    }

    /// Notes that a call begins: on the board for the warden, and for our own timer.
    pub(super) fn begin(&'static self, instance: &Arc<Instance>, entry: &'static str, worker: u32) -> Time {
        self.enter();
        let at = self.observer.begins();
        let deadline = at.after(instance.with_hosting(Hosting::call_limit));
        INSIDE.set(Some((instance.id, deadline)));
        let running = Running { entry, deadline };
        {
            let mut calls = lock(&instance.calls);
            if entry == "Terminate" {
                calls.terminating = Some(running)
            } else {
                calls.running = Some(running)
            }
        }
        crate::process::end_copies();
        if let Some(board) = &self.board {
            let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
            // A board that cannot be written costs evidence, not service.
            let _ = board
                .begin(worker, &CallRecord { instance: instance.id, since: at, deadline, entry, thread });
        }
        self.plan(instance, deadline);
        at
    }

    /// Notes that a call has returned.
    pub(super) fn end(&'static self, worker: u32) {
        INSIDE.set(None);
        self.leave();
        crate::process::end_copies();
        if let Some(board) = &self.board {
            let _ = board.end(worker);
        }
    }

    pub(super) fn told(
        &'static self,
        instance: &Instance,
        entry: &'static str,
        at: Time,
        returned: Option<Field>,
        args: impl FnOnce() -> Vec<(&'static str, Field)>,
    ) {
        let took = now().since(at);
        if took > std::time::Duration::from_millis(300) && !matches!(entry, "Terminate") {
            let text =
                format!("{entry} took {} ms; entry points should return within 300 ms", took.as_millis());
            self.observer.log(Some(instance), 1, text);
        }
        if self.observer.wants_calls() {
            self.observer.called(Some(instance), Called { entry, args: args(), returned, at, took });
        }
    }

    pub(super) fn make(&'static self, instance: &Arc<Instance>, turn: u64, call: Call, worker: u32) {
        let dll = &instance.dll;
        let resid = *lock(&instance.resid);
        match (call, resid) {
            (Call::Open { flags }, _) => {
                let exclusive = lock(&dll.exclusive);
                let at = self.begin(instance, "Open", worker);
                let opened = dll.open(instance.name.as_str(), instance.key, instance.handle(), flags);
                self.end(worker);
                drop(exclusive);
                let silent = opened == Err(Code::ERROR_RESMON_CREATE_FAILED) && clusapi::last_error() == 0;
                let entry = if dll.v2() { "OpenV2" } else { "Open" };
                let returned =
                    Field::Hex(opened.ok().map(|resid| (resid.as_ptr() as u64).to_be_bytes().to_vec()));
                self.told(instance, entry, at, Some(returned), || {
                    let mut args = vec![
                        ("ResourceName", Field::Text(Some(instance.name.as_str().to_owned()))),
                        ("ResourceKey", Field::Handle(instance.key)),
                        ("ResourceHandle", Field::Handle(instance.handle())),
                    ];
                    if dll.v2() {
                        args.push(("OpenFlags", Field::Number(flags.into())));
                    }
                    args
                });
                if silent {
                    let text = format!("{}: Open returned NULL without SetLastError", instance.name);
                    self.observer.violation(Some(instance), "no last error after a failed Open", text);
                }
                *lock(&instance.resid) = opened.ok();
                self.step(instance, Event::OpenReturned(opened.map(|_| ())));
            }
            (Call::Online, Some(resid)) => {
                let mut arguments = std::mem::take(&mut *lock(&instance.online));
                self.begin_to_run(instance);
                let at = self.begin(instance, "Online", worker);
                let (returned, event) =
                    dll.online(resid, arguments.flags.bits(), arguments.in_buffer.as_mut());
                self.end(worker);
                let entry = if dll.v2() { "OnlineV2" } else { "Online" };
                self.told(instance, entry, at, Some(Field::Number(returned.into())), || {
                    let mut args = vec![("EventHandle", Field::Number(event))];
                    if dll.v2() {
                        args.push(("OnlineFlags", Field::Number(arguments.flags.bits().into())));
                        args.extend(buffer_args(arguments.in_buffer));
                        args.push(("Reserved", Field::Number(0)));
                    }
                    args
                });
                let started = matches!(Code(returned), Code::SUCCESS | Code::ERROR_IO_PENDING);
                if !self.step_in(instance, turn, Event::CallReturned(Code(returned), event)) && started {
                    self.terminate_again(instance, resid, worker);
                }
            }
            (Call::Offline, Some(resid)) => {
                let mut arguments = std::mem::take(&mut *lock(&instance.offline));
                self.tell_reason(instance, resid, arguments.reason, worker);
                if lock(&instance.calls).turn != turn {
                    // `Terminate` has taken its place meanwhile.
                    return;
                }
                let at = self.begin(instance, "Offline", worker);
                let returned = dll.offline(
                    resid,
                    arguments.destination.as_deref(),
                    arguments.flags.bits(),
                    arguments.in_buffer.as_mut(),
                    arguments.reason,
                );
                self.end(worker);
                let entry = if dll.v2() { "OfflineV2" } else { "Offline" };
                self.told(instance, entry, at, Some(Field::Number(returned.into())), || {
                    if !dll.v2() {
                        return Vec::new();
                    }
                    let mut args = vec![
                        ("DestinationNodeName", Field::Text(arguments.destination)),
                        ("OfflineFlags", Field::Number(arguments.flags.bits().into())),
                    ];
                    args.extend(buffer_args(arguments.in_buffer));
                    args.push(("Reserved", Field::Number(arguments.reason.into())));
                    args
                });
                if returned == stead_resapi::ERROR_SUCCESS {
                    self.end_leftovers(instance);
                }
                self.step_in(instance, turn, Event::CallReturned(Code(returned), 0));
            }
            (Call::Poll(poll), Some(resid)) => {
                let entry = match poll {
                    Poll::LooksAlive => "LooksAlive",
                    Poll::IsAlive => "IsAlive",
                };
                let at = self.begin(instance, entry, worker);
                let returned = match poll {
                    Poll::LooksAlive => dll.looks_alive(resid),
                    Poll::IsAlive => dll.is_alive(resid),
                };
                self.end(worker);
                self.told(instance, entry, at, Some(Field::Number(returned.into())), Vec::new);
                self.step_in(instance, turn, Event::PollReturned(poll, returned != 0));
            }
            (Call::Close, Some(resid)) => {
                let exclusive = lock(&dll.exclusive);
                let at = self.begin(instance, "Close", worker);
                dll.close(resid);
                self.end(worker);
                drop(exclusive);
                *lock(&instance.resid) = None;
                self.told(instance, "Close", at, None, Vec::new);
                self.remove(instance);
                self.step(instance, Event::CloseReturned);
            }
            (Call::Control { code, input, out_size, done }, Some(resid)) => {
                self.make_control(instance, resid, (code, input, out_size), done, worker);
            }
            (Call::Control { done, .. }, None) => done(Code::ERROR_RESOURCE_NOT_FOUND.0, Vec::new(), 0),
            (Call::Close, None) => {
                self.remove(instance);
                self.step(instance, Event::CloseReturned);
            }
            (Call::Online | Call::Offline | Call::Poll(_), None) => {}
        }
    }

    pub(super) fn make_control(
        &'static self,
        instance: &Arc<Instance>,
        resid: Resid,
        (code, input, out_size): (u32, Vec<u8>, u32),
        done: ControlDone,
        worker: u32,
    ) {
        let context = self.contexts.fetch_add(1, Ordering::Relaxed) as i64;
        let shown = input.clone();
        let buffers = Arc::new(ControlBuffers::new(input, out_size));
        let at = self.begin(instance, "ResourceControl", worker);
        let deadline = at.after(instance.with_hosting(Hosting::call_limit));
        // Known before the call: the DLL may end it on another thread before the call returns.
        let entry = Outstanding {
            buffers: Arc::clone(&buffers),
            instance: Arc::clone(instance),
            done: Some(done),
            deadline,
        };
        lock(&self.outstanding).insert(context, entry);
        let (returned, later) = instance.dll.control(resid, code, &buffers, context);
        self.end(worker);
        let name = if instance.dll.version >= stead_resapi::CLRES_VERSION_V3_00 {
            "BeginResourceControl"
        } else {
            "ResourceControl"
        };
        self.told(instance, name, at, Some(Field::Number(returned.into())), || {
            vec![
                ("ControlCode", Field::Number(code.into())),
                ("InBuffer", Field::Hex(Some(shown))),
                ("OutBufferSize", Field::Number(out_size.into())),
            ]
        });
        if !later {
            self.control_ended(context, returned);
        }
    }

    /// Ends a control call. False if there is none with this context.
    pub(crate) fn control_ended(&'static self, context: i64, status: u32) -> bool {
        let Some(ended) = lock(&self.outstanding).remove(&context) else { return false };
        let (mut output, count) = ended.buffers.take();
        output.truncate(count as usize);
        if let Some(done) = ended.done {
            done(status, output, count);
        }
        true
    }

    /// Gives an outstanding control call a new limit from now.
    pub(crate) fn control_extended(&'static self, context: i64, limit_ms: u32) -> bool {
        let mut outstanding = lock(&self.outstanding);
        let Some(call) = outstanding.get_mut(&context) else { return false };
        call.deadline = now().after(std::time::Duration::from_millis(limit_ms.into()));
        let (instance, deadline) = (Arc::clone(&call.instance), call.deadline);
        drop(outstanding);
        self.plan(&instance, deadline);
        true
    }

    pub(super) fn terminate(&'static self, instance: &Arc<Instance>) {
        let notify = {
            let mut calls = lock(&instance.calls);
            // Control calls that wait are answered; health checks and operations are overtaken.
            let dropped = std::mem::take(&mut calls.queue);
            for (turn, call) in dropped {
                match call {
                    Call::Control { .. } => calls.queue.push_back((turn, call)),
                    Call::Open { .. } | Call::Close | Call::Online | Call::Offline | Call::Poll(_) => {}
                }
            }
            calls.turn += 1;
            calls.terminating = Some(Running { entry: "Terminate", deadline: Time::NEVER });
            self.claim(instance, &mut calls)
        };
        let (engine, instance) = (self, Arc::clone(instance));
        self.pool.run(Box::new(move |worker| {
            let resid = *lock(&instance.resid);
            if notify {
                engine.tell_termination(&instance, resid, worker);
            }
            if let Some(resid) = resid {
                let at = engine.begin(&instance, "Terminate", worker);
                instance.dll.terminate(resid);
                engine.end(worker);
                engine.told(&instance, "Terminate", at, None, Vec::new);
                engine.end_leftovers(&instance);
            }
            {
                let mut calls = lock(&instance.calls);
                calls.terminating = None;
            }
            engine.step(&instance, Event::TerminateReturned);
            instance.idle.notify_all();
        }));
    }

    /// An `Online` that `Terminate` overtook has started something all the same, perhaps after `Terminate` had looked:
    /// it is ended before anything else is called.
    fn terminate_again(&'static self, instance: &Arc<Instance>, resid: Resid, worker: u32) {
        let mut calls = lock(&instance.calls);
        while calls.terminating.is_some() {
            calls = instance.idle.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
        drop(calls);
        let at = self.begin(instance, "Terminate", worker);
        instance.dll.terminate(resid);
        self.end(worker);
        lock(&instance.calls).terminating = None;
        self.told(instance, "Terminate", at, None, Vec::new);
        instance.idle.notify_all();
    }

    pub(super) fn call_cancel(&'static self, instance: &Arc<Instance>) {
        let resid = *lock(&instance.resid);
        if let Some(resid) = resid {
            let at = self.observer.begins();
            let returned = instance.dll.cancel(resid);
            self.told(instance, "Cancel", at, Some(Field::Number(returned.into())), || {
                vec![("CancelFlags_RESERVED", Field::Number(0))]
            });
        }
    }
}
