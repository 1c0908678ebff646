//! Living instances: what the entry points act on, whatever the type.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::thread::{self, JoinHandle};

use stead_resapi as abi;

use crate::Resource;
use crate::control::{self, Control, Reply};
use crate::ffi;
use crate::operation::{Context, Failure, Level, Online, Operation, Stop};

/// Arguments of an online or offline.
#[derive(Default)]
pub(crate) struct Arguments {
    pub(crate) flags: u32,
    pub(crate) in_buffer: Vec<u8>,
    pub(crate) destination: Option<String>,
    pub(crate) reason: u32,
}

/// An instance of any type.
pub(crate) trait Driver: Send + Sync {
    /// The code to return, and the event handle.
    fn online(self: Arc<Self>, arguments: Arguments) -> (u32, i32);
    fn offline(self: Arc<Self>, arguments: Arguments) -> u32;
    fn terminate(&self);
    fn cancel(&self) -> u32;
    fn looks_alive(&self) -> bool;
    fn is_alive(&self) -> bool;
    fn control(&self, code: u32, input: &[u8]) -> Reply;
}

/// An instance of one type.
pub(crate) struct Live<T> {
    context: Context,
    resource: T,
    worker: Mutex<Option<(JoinHandle<()>, Arc<Stop>)>>,
    /// Keeps the event handle open while the resource is online.
    event: Mutex<Option<Online>>,
    online: std::sync::atomic::AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    text.or_else(|| panic.downcast_ref::<String>().cloned()).unwrap_or_else(|| "no message".to_owned())
}

/// Runs `call`; a panic becomes a failure.
pub(crate) fn fenced<R>(what: &str, call: impl FnOnce() -> Result<R, Failure>) -> Result<R, Failure> {
    catch_unwind(AssertUnwindSafe(call)).unwrap_or_else(|panic| {
        let text = format!("{what} panicked: {}", panic_text(&*panic));
        Err(Failure::new(abi::ERROR_EXCEPTION_IN_RESOURCE_CALL, text))
    })
}

impl<T: Resource> Live<T> {
    /// Makes an instance.
    pub(crate) fn open(context: Context) -> Result<Arc<dyn Driver>, Failure> {
        let resource = fenced("open", || T::open(&context))?;
        Ok(Arc::new(Live {
            context,
            resource,
            worker: Mutex::new(None),
            event: Mutex::new(None),
            online: false.into(),
        }))
    }

    fn complain(&self, failure: &Failure) {
        if !failure.text.is_empty() {
            self.context.log(Level::Error, &failure.text);
        }
    }

    fn operation(&self, arguments: Arguments, pending: Option<i32>, stop: &Arc<Stop>) -> Operation {
        Operation {
            context: self.context.clone(),
            flags: arguments.flags,
            in_buffer: arguments.in_buffer,
            destination: arguments.destination,
            reason: arguments.reason,
            pending,
            checkpoint: AtomicU32::new(0),
            stop: Arc::clone(stop),
        }
    }

    /// Ends the worker of an operation that is in progress, or was.
    fn join(&self) {
        let worker = lock(&self.worker).take();
        if let Some((thread, stop)) = worker {
            stop.stop();
            // Its panic was caught inside.
            let _ = thread.join();
        }
    }

    fn run_online(&self, operation: &Operation) -> Result<Online, Failure> {
        let problems = self.context.properties().problems(T::OPEN_ENDED, true);
        if let Some(problem) = problems.into_iter().next() {
            return Err(Failure { code: abi::ERROR_INVALID_PARAMETER, ..Failure::on_any_node(problem.text) });
        }
        fenced("online", || self.resource.online(operation))
    }

    fn keep(&self, online: Online) -> i32 {
        let event = online.event();
        *lock(&self.event) = Some(online);
        self.online.store(true, std::sync::atomic::Ordering::Release);
        event
    }

    fn drop_event(&self) {
        self.online.store(false, std::sync::atomic::Ordering::Release);
        *lock(&self.event) = None;
    }

    /// Runs `work` on a thread of its own, whose report counts unless it was stopped.
    fn spawn(
        self: &Arc<Self>,
        operation: Operation,
        work: impl FnOnce(&Self, &Operation) + Send + 'static,
    ) -> u32 {
        let stop = Arc::clone(&operation.stop);
        let live = Arc::clone(self);
        let mut worker = lock(&self.worker);
        match thread::Builder::new().name("resource".to_owned()).spawn(move || work(&live, &operation)) {
            Ok(thread) => {
                *worker = Some((thread, stop));
                abi::ERROR_IO_PENDING
            }
            Err(_) => abi::ERROR_NO_SYSTEM_RESOURCES,
        }
    }
}

/// The last report of an operation.
fn report(operation: &Operation, state: i32, event: i32, code: u32, flags: u32) {
    operation.stop.finish();
    if !operation.stop.stopped() {
        let checkpoint = operation.checkpoint.load(std::sync::atomic::Ordering::Relaxed) + 1;
        ffi::report(operation.context.handle(), state, checkpoint, event, code, flags);
    }
}

impl<T: Resource> Driver for Live<T> {
    fn online(self: Arc<Self>, arguments: Arguments) -> (u32, i32) {
        self.join();
        let stop = Arc::<Stop>::default();
        if T::QUICK_ONLINE {
            let operation = self.operation(arguments, None, &stop);
            return match self.run_online(&operation) {
                Ok(online) => (abi::ERROR_SUCCESS, self.keep(online)),
                Err(failure) => {
                    self.complain(&failure);
                    (failure.code, 0)
                }
            };
        }
        let operation = self.operation(arguments, Some(abi::ClusterResourceOnlinePending), &stop);
        let code = self.spawn(operation, |live, operation| match live.run_online(operation) {
            Ok(online) => {
                let event = live.keep(online);
                report(operation, abi::ClusterResourceOnline, event, 0, 0);
            }
            Err(failure) => {
                live.complain(&failure);
                report(operation, failure.state, 0, failure.code, failure.flags);
            }
        });
        (code, 0)
    }

    fn offline(self: Arc<Self>, arguments: Arguments) -> u32 {
        self.join();
        let stop = Arc::<Stop>::default();
        if T::QUICK_OFFLINE {
            let operation = self.operation(arguments, None, &stop);
            match fenced("offline", || self.resource.offline(&operation)) {
                Ok(()) => {
                    self.drop_event();
                    return abi::ERROR_SUCCESS;
                }
                Err(failure) if failure.state != abi::ClusterResourceOnline => {
                    self.complain(&failure);
                    return failure.code;
                }
                // A delay can only be reported.
                Err(failure) => {
                    let operation = self.operation(Arguments::default(), None, &stop);
                    return self.spawn(operation, move |_, operation| {
                        report(operation, failure.state, 0, 0, failure.flags);
                    });
                }
            }
        }
        let operation = self.operation(arguments, Some(abi::ClusterResourceOfflinePending), &stop);
        self.spawn(operation, |live, operation| {
            match fenced("offline", || live.resource.offline(operation)) {
                Ok(()) => {
                    live.drop_event();
                    report(operation, abi::ClusterResourceOffline, 0, 0, 0);
                }
                Err(failure) if failure.state == abi::ClusterResourceOnline => {
                    report(operation, failure.state, 0, 0, failure.flags);
                }
                Err(failure) => {
                    live.complain(&failure);
                    report(operation, abi::ClusterResourceFailed, 0, failure.code, failure.flags);
                }
            }
        })
    }

    fn terminate(&self) {
        let working = lock(&self.worker).as_ref().is_some_and(|(thread, stop)| {
            let working = !stop.finished() && !thread.is_finished();
            stop.stop();
            working
        });
        let terminate = || {
            self.resource.terminate();
            Ok(())
        };
        if let Err(failure) = fenced("terminate", terminate) {
            self.complain(&failure);
        }
        // What the worker started after that must go too.
        self.join();
        if working && let Err(failure) = fenced("terminate", terminate) {
            self.complain(&failure);
        }
        self.drop_event();
    }

    fn cancel(&self) -> u32 {
        if let Some((_, stop)) = lock(&self.worker).as_ref() {
            stop.cancel();
        }
        abi::ERROR_SUCCESS
    }

    fn looks_alive(&self) -> bool {
        fenced("looks_alive", || Ok(self.resource.looks_alive())).unwrap_or_else(|failure| {
            self.complain(&failure);
            false
        })
    }

    fn is_alive(&self) -> bool {
        fenced("is_alive", || Ok(self.resource.is_alive())).unwrap_or_else(|failure| {
            self.complain(&failure);
            false
        })
    }

    fn control(&self, code: u32, input: &[u8]) -> Reply {
        let online = self.online.load(std::sync::atomic::Ordering::Acquire);
        let own = || match fenced("control", || Ok(self.resource.control(code, input))) {
            Ok(Control::NotHandled) => None,
            Ok(Control::Done(output)) => Some(Reply { code: abi::ERROR_SUCCESS, output }),
            Ok(Control::Refused(code)) => Some(Reply { code, output: Vec::new() }),
            Err(failure) => {
                self.complain(&failure);
                Some(Reply { code: failure.code, output: Vec::new() })
            }
        };
        own().unwrap_or_else(|| {
            control::instance::<T>(&self.context, online, || self.resource.processes(), code, input)
        })
    }
}

#[derive(Default)]
struct Slots {
    slots: Vec<(u32, Option<Arc<dyn Driver>>)>,
    free: Vec<u32>,
}

static INSTANCES: RwLock<Slots> = RwLock::new(Slots { slots: Vec::new(), free: Vec::new() });

/// Makes an instance known; its RESID is index plus generation, never an address.
pub(crate) fn add(driver: Arc<dyn Driver>) -> u64 {
    let mut instances = INSTANCES.write().unwrap_or_else(PoisonError::into_inner);
    let index = instances.free.pop().unwrap_or_else(|| {
        instances.slots.push((1, None));
        instances.slots.len() as u32 - 1
    });
    let slot = &mut instances.slots[index as usize];
    slot.1 = Some(driver);
    u64::from(slot.0) << 32 | u64::from(index + 1)
}

/// The instance with this RESID.
pub(crate) fn find(resid: u64) -> Option<Arc<dyn Driver>> {
    let instances = INSTANCES.read().unwrap_or_else(PoisonError::into_inner);
    let (generation, index) = ((resid >> 32) as u32, (resid as u32).checked_sub(1)?);
    instances.slots.get(index as usize).filter(|slot| slot.0 == generation)?.1.clone()
}

/// Forgets the instance with this RESID.
pub(crate) fn remove(resid: u64) -> Option<Arc<dyn Driver>> {
    find(resid)?;
    let mut instances = INSTANCES.write().unwrap_or_else(PoisonError::into_inner);
    let index = (resid as u32).checked_sub(1)?;
    let slot = instances.slots.get_mut(index as usize)?;
    slot.0 = slot.0.wrapping_add(1).max(1);
    let driver = slot.1.take();
    instances.free.push(index);
    driver
}
