//! What is waited for: deadlines, polls, and the event handles of resource DLLs.

use rustix::event::{PollFd, PollFlags, poll};

use super::*;

impl Engine {
    /// Watches the event handle from here on, with a descriptor of our own: the DLL may close its. One that stays
    /// signalled although the resource is alive is not waited for: the polls go on instead.
    pub(super) fn wait_for(&'static self, instance: &Arc<Instance>, handle: i64) -> Option<Event> {
        self.unwatch(instance);
        let Some(fd) = crate::fd::duplicate(handle) else { return Some(Event::EventUnusable) };
        let mut now = [PollFd::new(&fd, PollFlags::IN)];
        let signalled = poll(&mut now, Some(&Timespec::default())).is_ok_and(|count| count > 0);
        if signalled && instance.rung.load(Ordering::Relaxed) {
            return None;
        }
        instance.rung.store(false, Ordering::Relaxed);
        if instance.process.load(Ordering::Relaxed) == 0
            && let Some(process) = crate::process::of_pidfd(fd.as_fd())
        {
            instance.process.store(process, Ordering::Relaxed);
        }
        let flags = epoll::EventFlags::IN | epoll::EventFlags::ONESHOT;
        if epoll::add(&self.epoll, &fd, epoll::EventData::new_u64(instance.handle()), flags).is_err() {
            return Some(Event::EventUnusable);
        }
        // If it is readable already the loop says so at once, and IsAlive decides.
        *lock(&instance.waiting) = Some(fd);
        Some(Event::EventArmed)
    }

    pub(super) fn stop_waiting(&'static self, instance: &Instance) {
        instance.rung.store(false, Ordering::Relaxed);
        self.unwatch(instance);
    }

    fn unwatch(&'static self, instance: &Instance) {
        if let Some(fd) = lock(&instance.waiting).take() {
            let _ = epoll::delete(&self.epoll, &fd);
        }
    }

    /// Asks the DLL which processes do the work, where it can be asked.
    pub(super) fn ask_for_process(&'static self, instance: &Arc<Instance>) {
        if !instance.dll.has_control() {
            return;
        }
        let (engine, asked) = (self, Arc::clone(instance));
        let done = Box::new(move |code: u32, output: Vec<u8>, _: u32| {
            let first = output.first_chunk::<4>().map(|bytes| u32::from_le_bytes(*bytes));
            if code == 0
                && let Some(process) = first.and_then(crate::process::outside)
            {
                asked.process.store(process, Ordering::Relaxed);
                engine.observer.process_known(&asked);
            }
        });
        let code = stead_resapi::CLUSCTL_RESOURCE_GET_LOADBAL_PROCESS_LIST;
        self.enqueue(instance, Call::Control { code, input: Vec::new(), out_size: 256, done });
    }

    // Timers: one heap entry an instance, early enough; what it is for is looked up when it comes.

    pub(super) fn schedule(&'static self, instance: &Instance, hosting: &Hosting) {
        if let Some(at) = hosting.next_timeout() {
            self.plan(instance, at);
        }
    }

    pub(super) fn plan(&'static self, instance: &Instance, at: Time) {
        let mut scheduled = lock(&instance.scheduled);
        if at >= *scheduled {
            return;
        }
        *scheduled = at;
        let mut timers = lock(&self.timers);
        timers.heap.push(Reverse((at, instance.handle())));
        if at < timers.next {
            timers.next = at;
            let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
        }
    }

    /// The loop of the thread that waits for timers and event handles.
    pub(super) fn watch(&'static self) {
        let blank = epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) };
        let mut ready = [blank; 32];
        loop {
            let timeout = self.run_timers().map(|at| {
                Timespec::try_from(at.since(now())).unwrap_or(Timespec { tv_sec: 3600, tv_nsec: 0 })
            });
            let count = epoll::wait(&self.epoll, &mut ready[..], timeout.as_ref()).unwrap_or(0);
            for event in &ready[..count] {
                if event.data.u64() == WAKE {
                    let _ = rustix::io::read(&self.wake, &mut [0; 8]);
                } else if let Some(instance) = self.find(event.data.u64()) {
                    instance.rung.store(true, Ordering::Relaxed);
                    self.step(&instance, Event::EventSignalled);
                }
            }
        }
    }

    pub(super) fn run_timers(&'static self) -> Option<Time> {
        loop {
            let handle = {
                let mut timers = lock(&self.timers);
                match timers.heap.peek() {
                    None => {
                        timers.next = Time::NEVER;
                        return None;
                    }
                    Some(Reverse((at, _))) if *at > now() => {
                        timers.next = *at;
                        return Some(timers.next);
                    }
                    Some(Reverse((_, handle))) => {
                        let handle = *handle;
                        timers.heap.pop();
                        handle
                    }
                }
            };
            if let Some(instance) = self.find(handle) {
                self.timer(&instance);
            }
        }
    }

    pub(super) fn timer(&'static self, instance: &Arc<Instance>) {
        *lock(&instance.scheduled) = Time::NEVER;
        let at = now();
        let due = instance.with_hosting(Hosting::next_timeout).is_some_and(|due| due <= at);
        if due {
            self.step(instance, Event::Timer);
        } else {
            instance.with_hosting(|hosting| self.schedule(instance, hosting));
        }
        let (running, terminating) = {
            let calls = lock(&instance.calls);
            (calls.running, calls.terminating)
        };
        for call in [running, terminating].into_iter().flatten() {
            if call.deadline <= at {
                self.observer.stuck(instance, call.entry);
            } else if call.deadline != Time::NEVER {
                self.plan(instance, call.deadline);
            }
        }
        self.late_controls(instance, at);
    }

    pub(super) fn late_controls(&'static self, instance: &Arc<Instance>, at: Time) {
        let mut late = false;
        let mut next = Time::NEVER;
        for call in lock(&self.outstanding).values().filter(|call| Arc::ptr_eq(&call.instance, instance)) {
            late |= call.deadline <= at;
            next = next.min(call.deadline);
        }
        if late {
            self.observer.stuck(instance, "ResourceControl");
        } else if next != Time::NEVER {
            self.plan(instance, next);
        }
    }
}
