//! Instances, their calls and their timers: carries out what [`crate::hosting`] decides.

mod calls;
mod leftover;
mod notices;
mod observe;
mod timers;

use std::cmp::Reverse;
use std::collections::{BTreeMap, BinaryHeap, HashMap, VecDeque};
use std::os::fd::{AsFd, OwnedFd};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, OnceLock, PoisonError, RwLock};

use clusapi::Tree;
use rustix::event::{EventfdFlags, Timespec, epoll, eventfd};
use rustix::time::{ClockId, clock_gettime};
use stead_monitor_protocol::{Board, CallRecord, InstanceId, Timing};
use stead_resapi::PropertyList;
use stead_types::{Code, OfflineFlags, OnlineFlags, ResourceName, Time};

use crate::asking::Asking;
use crate::common::Remarks;
use crate::dll::{Builtin, ControlBuffers, Dll, Resid, StartupCall};
use crate::family::Process;
use crate::hosting::{Answer, Effect, Event, Hosting, Op, Poll, State, Status};
use crate::load::{self, Identity, LoadError};
use crate::pool::Pool;

pub(crate) use calls::{inside, left};
pub(crate) use observe::{Called, CalledBack, Changed, Field, Observer};

/// Now, on `CLOCK_BOOTTIME`.
pub(crate) fn now() -> Time {
    let now = clock_gettime(ClockId::Boottime);
    Time::from_nanos(
        now.tv_sec.unsigned_abs().wrapping_mul(1_000_000_000).wrapping_add(now.tv_nsec.unsigned_abs()),
    )
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A call that waits for its turn.
enum Call {
    Open { flags: u32 },
    Close,
    Online,
    Offline,
    Poll(Poll),
    Control { code: u32, input: Vec<u8>, out_size: u32, done: ControlDone },
}

/// Who gets the answer to a control code: code, output, bytes the DLL said.
pub(crate) type ControlDone = Box<dyn FnOnce(u32, Vec<u8>, u32) + Send>;

#[derive(Clone, Copy)]
struct Running {
    entry: &'static str,
    deadline: Time,
}

#[derive(Default)]
struct Calls {
    /// Each with the turn it belongs to.
    queue: VecDeque<(u64, Call)>,
    /// Counts `Terminate`: what an earlier turn returns is nobody's answer.
    turn: u64,
    /// A thread works on the queue.
    active: bool,
    running: Option<Running>,
    terminating: Option<Running>,
    /// A notification comes before `Terminate`: no other call begins meanwhile.
    notifying: bool,
}

/// What the next `Online` is called with.
#[derive(Clone, Default)]
pub(crate) struct OnlineArguments {
    pub(crate) flags: OnlineFlags,
    pub(crate) in_buffer: Option<Vec<u8>>,
}

/// What the next `Offline` is called with.
#[derive(Clone, Default)]
pub(crate) struct OfflineArguments {
    pub(crate) destination: Option<String>,
    pub(crate) flags: OfflineFlags,
    pub(crate) in_buffer: Option<Vec<u8>>,
    pub(crate) reason: u32,
}

/// One opened resource.
pub(crate) struct Instance {
    pub(crate) id: InstanceId,
    pub(crate) name: ResourceName,
    pub(crate) dll: Arc<Dll>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) process: AtomicU32,
    /// Progress that has not been passed on yet.
    pub(crate) fresh_progress: AtomicBool,
    handle: AtomicU64,
    key: u64,
    hosting: Mutex<Hosting>,
    calls: Mutex<Calls>,
    idle: Condvar,
    resid: Mutex<Option<Resid>>,
    online: Mutex<OnlineArguments>,
    offline: Mutex<OfflineArguments>,
    open_flags: u32,
    waiting: Mutex<Option<OwnedFd>>,
    /// The event handle has been signalled since it was first waited for.
    rung: AtomicBool,
    /// Somebody new asked what there is while it was being opened.
    pub(crate) asked_after: AtomicBool,
    /// What it ran has ended, or never began; nobody else may know yet.
    stopped: AtomicBool,
    /// `CLUS_CHAR_…`, once the DLL has been asked.
    characteristics: OnceLock<u32>,
    remarks: Mutex<Remarks>,
    scheduled: Mutex<Time>,
}

impl Instance {
    /// The value the DLL knows this instance by.
    pub(crate) fn handle(&self) -> u64 {
        self.handle.load(Ordering::Relaxed)
    }

    /// What the resource DLL has said of it.
    pub(crate) fn remarks(&self) -> Remarks {
        lock(&self.remarks).clone()
    }

    /// Takes what the resource DLL says of it.
    ///
    /// # Errors
    /// As [`Remarks::take`].
    pub(crate) fn remark(&self, list: &PropertyList) -> Result<(), Code> {
        lock(&self.remarks).take(list)
    }

    /// A look at the state.
    pub(crate) fn with_hosting<T>(&self, look: impl FnOnce(&Hosting) -> T) -> T {
        look(&lock(&self.hosting))
    }

    /// Waits until no entry point but `Terminate` and `Cancel` runs or waits for its turn.
    pub(crate) fn wait_for_calls(&self) {
        let mut calls = lock(&self.calls);
        while calls.active || calls.terminating.is_some() {
            calls = self.idle.wait(calls).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

#[derive(Default)]
struct Slots {
    slots: Vec<(u32, Option<Arc<Instance>>)>,
    free: Vec<u32>,
}

#[derive(Default)]
struct Timers {
    heap: BinaryHeap<Reverse<(Time, u64)>>,
    /// When the loop wakes by itself.
    next: Time,
}

struct Outstanding {
    buffers: Arc<ControlBuffers>,
    instance: Arc<Instance>,
    done: Option<ControlDone>,
    deadline: Time,
}

/// Resource types by file and lower-case name; those of the executable have no file.
type Dlls = BTreeMap<(Option<PathBuf>, String), Arc<Mutex<Option<Arc<Dll>>>>>;

/// Everything in one monitor process.
pub(crate) struct Engine {
    observer: Box<dyn Observer>,
    builtin: &'static [Builtin],
    board: Option<Board>,
    pool: Pool,
    slots: RwLock<Slots>,
    timers: Mutex<Timers>,
    wake: OwnedFd,
    epoll: OwnedFd,
    dlls: Mutex<Dlls>,
    /// Files that resource types came from, as they were.
    files: Mutex<BTreeMap<PathBuf, Identity>>,
    contexts: AtomicU64,
    outstanding: Mutex<HashMap<i64, Outstanding>>,
    asking: OnceLock<&'static Asking>,
    /// This process ends because its node wants it to.
    ending: AtomicBool,
    /// Read while an entry point runs.
    entered: RwLock<()>,
    /// Processes that were there before the first resource came online.
    before: Mutex<Vec<Process>>,
}

/// Where a resource type's entry points come from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Builtin,
    File(PathBuf),
}

/// What an instance is made of.
pub(crate) struct NewInstance {
    pub(crate) id: InstanceId,
    pub(crate) name: ResourceName,
    pub(crate) dll: Arc<Dll>,
    pub(crate) tree: Arc<Tree>,
    pub(crate) timing: Timing,
    pub(crate) open_flags: u32,
}

const WAKE: u64 = 0;

fn hash(text: &str) -> u32 {
    text.bytes().fold(0x811C_9DC5, |hash, byte| (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193))
}

impl Engine {
    /// An engine that lives as long as the process, and takes the callbacks of every DLL in it.
    pub(crate) fn start(
        observer: Box<dyn Observer>,
        builtin: &'static [Builtin],
        board: Option<Board>,
    ) -> std::io::Result<&'static Engine> {
        let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        let engine: &'static Engine = Box::leak(Box::new(Engine {
            observer,
            builtin,
            board,
            pool: Pool::default(),
            slots: RwLock::default(),
            timers: Mutex::new(Timers { heap: BinaryHeap::new(), next: Time::NEVER }),
            wake,
            epoll,
            dlls: Mutex::default(),
            files: Mutex::default(),
            contexts: AtomicU64::new(1),
            outstanding: Mutex::default(),
            asking: OnceLock::new(),
            ending: AtomicBool::new(false),
            entered: RwLock::new(()),
            before: Mutex::default(),
        }));
        crate::dll::set_callbacks(engine);
        std::thread::Builder::new().name("events".to_owned()).spawn(|| engine.watch())?;
        Ok(engine)
    }

    pub(crate) fn observer(&'static self) -> &'static dyn Observer {
        &*self.observer
    }

    /// Runs something that may take long beside everything else. It is given the number of its thread.
    pub(crate) fn aside(&'static self, job: impl FnOnce(u32) + Send + 'static) {
        self.pool.run(Box::new(job));
    }

    fn place_of(&'static self, source: &Source, type_name: &str) -> Arc<Mutex<Option<Arc<Dll>>>> {
        let path = match source {
            Source::Builtin => None,
            Source::File(path) => Some(path.clone()),
        };
        Arc::clone(lock(&self.dlls).entry((path, type_name.to_lowercase())).or_default())
    }

    /// A resource type that is ready for use, if nothing has to be waited for.
    pub(crate) fn loaded(&'static self, source: &Source, type_name: &str) -> Option<Arc<Dll>> {
        let place = self.place_of(source, type_name);
        let dll = place.try_lock().ok()?.clone();
        dll.filter(|dll| dll.formats.get().is_some())
    }

    /// Loads a resource type and asks it what there is to know, on thread `worker` and timed from outside as a call
    /// for instance `id`.
    pub(crate) fn load(
        &'static self,
        worker: u32,
        id: InstanceId,
        timing: Timing,
        source: &Source,
        type_name: &str,
    ) -> Result<Arc<Dll>, LoadError> {
        self.begin_type(worker, id, timing, "Startup");
        let loaded = self.dll(source, type_name);
        if let Ok(dll) = &loaded {
            self.begin_type(worker, id, timing, "ResourceTypeControl");
            crate::control::formats_of(dll);
        }
        self.end(worker);
        loaded
    }

    /// Notes for the warden that a call of a resource type begins.
    fn begin_type(&'static self, worker: u32, id: InstanceId, timing: Timing, entry: &'static str) {
        let Some(board) = &self.board else { return };
        let since = now();
        let deadline = since.after(crate::hosting::limit(timing.deadlock_ms));
        let thread = rustix::thread::gettid().as_raw_nonzero().get().unsigned_abs();
        // A board that cannot be written costs evidence, not service.
        let _ = board.begin(worker, &CallRecord { instance: id, since, deadline, entry, thread });
    }

    /// Sends a control code to a resource type, on thread `worker` and timed from outside: code, output, and the bytes
    /// the DLL said.
    pub(crate) fn type_control(
        &'static self,
        worker: u32,
        id: InstanceId,
        dll: &Dll,
        (code, input, out_size): (u32, Vec<u8>, u32),
    ) -> (u32, Vec<u8>, u32) {
        self.begin_type(worker, id, Timing::default(), "ResourceTypeControl");
        let (returned, mut output, count) = dll.type_control(code, input, out_size);
        self.end(worker);
        output.truncate(count as usize);
        (returned, output, count)
    }

    /// A resource type, loaded and negotiated with once a process.
    pub(crate) fn dll(&'static self, source: &Source, type_name: &str) -> Result<Arc<Dll>, LoadError> {
        let place = self.place_of(source, type_name);
        let mut known = lock(&place);
        if let Some(dll) = &*known {
            return Ok(Arc::clone(dll));
        }
        let mut at = now();
        let mut watch = |call: StartupCall| {
            let mut args = vec![
                ("ResourceType", Field::Text(Some(type_name.to_owned()))),
                ("MinVersionSupported", Field::Number(call.min.into())),
                ("MaxVersionSupported", Field::Number(call.max.into())),
            ];
            if let Some(version) = call.version {
                args.push(("Version", Field::Number(version.into())));
            }
            let returned = Some(Field::Number(call.returned.into()));
            let took = now().since(at);
            self.observer.called(None, Called { entry: call.entry, args, returned, at, took });
            at = now();
        };
        let dll = match source {
            Source::File(path) => {
                let identity = Identity::of(path);
                let known = lock(&self.files).get(path).copied();
                if known.is_some() && known != identity {
                    return Err(load::replaced(path));
                }
                let dll = Dll::load(path, type_name, &mut watch)?;
                if let Some(identity) = identity {
                    lock(&self.files).insert(path.clone(), identity);
                }
                dll
            }
            Source::Builtin => {
                let found = self.builtin.iter().find(|known| known.type_name.eq_ignore_ascii_case(type_name));
                let builtin = found.ok_or_else(|| {
                    let names: Vec<&str> = self.builtin.iter().map(|known| known.type_name).collect();
                    let text =
                        format!("no resource type {type_name:?} is shipped; there are: {}", names.join(", "));
                    LoadError::new(Code::ERROR_CLUSTER_RESOURCE_TYPE_NOT_FOUND, text)
                })?;
                Dll::builtin(builtin, builtin.type_name, &mut watch)?
            }
        };
        let dll = Arc::new(dll);
        *known = Some(Arc::clone(&dll));
        Ok(dll)
    }

    /// Makes an instance known. It is Closed; `OpenRequested` opens it.
    pub(crate) fn add(&'static self, new: NewInstance) -> Arc<Instance> {
        let can_cancel = new.dll.can_cancel();
        let instance = Arc::new(Instance {
            id: new.id,
            handle: AtomicU64::new(0),
            key: new.tree.root(),
            hosting: Mutex::new(Hosting::new(new.timing, can_cancel, hash(new.name.as_str()))),
            name: new.name,
            dll: new.dll,
            tree: new.tree,
            process: AtomicU32::new(0),
            fresh_progress: AtomicBool::new(false),
            calls: Mutex::default(),
            idle: Condvar::new(),
            resid: Mutex::new(None),
            online: Mutex::default(),
            offline: Mutex::default(),
            open_flags: new.open_flags,
            waiting: Mutex::new(None),
            rung: AtomicBool::new(false),
            asked_after: AtomicBool::new(false),
            stopped: AtomicBool::new(true),
            characteristics: OnceLock::new(),
            remarks: Mutex::default(),
            scheduled: Mutex::new(Time::NEVER),
        });
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        let index = slots.free.pop().unwrap_or_else(|| {
            slots.slots.push((1, None));
            slots.slots.len() as u32 - 1
        });
        let slot = &mut slots.slots[index as usize];
        slot.1 = Some(Arc::clone(&instance));
        instance.handle.store(u64::from(slot.0) << 32 | u64::from(index + 1), Ordering::Relaxed);
        instance
    }

    /// Forgets an instance: its handle is dead from now on.
    pub(crate) fn remove(&'static self, instance: &Instance) {
        let handle = instance.handle();
        let mut slots = self.slots.write().unwrap_or_else(PoisonError::into_inner);
        if slots.find(handle).is_some() {
            let index = handle as u32 - 1;
            let slot = &mut slots.slots[index as usize];
            slot.0 = slot.0.wrapping_add(1).max(1);
            slot.1 = None;
            slots.free.push(index);
        }
        drop(slots);
        instance.tree.close_all();
    }

    /// The living instance behind a handle.
    pub(crate) fn find(&'static self, handle: u64) -> Option<Arc<Instance>> {
        self.slots.read().unwrap_or_else(PoisonError::into_inner).find(handle).cloned()
    }

    /// Says where questions go. Without it nobody answers them.
    pub(crate) fn ask_through(&'static self, asking: &'static Asking) {
        let _ = self.asking.set(asking);
    }

    /// Where questions go.
    pub(crate) fn asking(&'static self) -> Option<&'static Asking> {
        self.asking.get().copied()
    }

    /// The living instance of a resource.
    pub(crate) fn named(&'static self, name: &str) -> Option<Arc<Instance>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        let mut instances = slots.slots.iter().filter_map(|(_, instance)| instance.as_ref());
        instances.find(|instance| instance.name.as_str().eq_ignore_ascii_case(name)).cloned()
    }

    /// Any living instance; for those who have one.
    pub(crate) fn any(&'static self) -> Option<Arc<Instance>> {
        let slots = self.slots.read().unwrap_or_else(PoisonError::into_inner);
        slots.slots.iter().find_map(|(_, instance)| instance.clone())
    }

    /// Brings an instance online.
    pub(crate) fn online(&'static self, instance: &Arc<Instance>, op: Op, arguments: OnlineArguments) {
        let mut hosting = lock(&instance.hosting);
        if matches!(hosting.state(), State::Offline | State::Failed) {
            *lock(&instance.online) = arguments;
        }
        self.step_locked(instance, &mut hosting, Event::OnlineRequested(op));
    }

    /// Takes an instance offline.
    pub(crate) fn offline(&'static self, instance: &Arc<Instance>, op: Op, arguments: OfflineArguments) {
        let flags = arguments.flags;
        let mut hosting = lock(&instance.hosting);
        if matches!(hosting.state(), State::Online | State::OnlineCall | State::OnlinePending) {
            *lock(&instance.offline) = arguments;
        }
        self.step_locked(instance, &mut hosting, Event::OfflineRequested(op, flags));
    }

    /// Runs a health check now, whatever the timers say; its answer counts.
    pub(crate) fn poll_now(&'static self, instance: &Arc<Instance>, poll: Poll) {
        self.enqueue(instance, Call::Poll(poll));
    }

    /// Sends a control code, when no other call runs.
    pub(crate) fn control(
        &'static self,
        instance: &Arc<Instance>,
        code: u32,
        input: Vec<u8>,
        out_size: u32,
        done: ControlDone,
    ) {
        self.enqueue(instance, Call::Control { code, input, out_size, done });
    }

    /// New intervals.
    pub(crate) fn set_timing(&'static self, instance: &Arc<Instance>, timing: Timing) {
        let mut hosting = lock(&instance.hosting);
        hosting.set_timing(timing, now());
        self.schedule(instance, &hosting);
    }

    /// Maintenance mode.
    pub(crate) fn set_maintenance(&'static self, instance: &Arc<Instance>, on: bool) {
        let mut hosting = lock(&instance.hosting);
        hosting.set_maintenance(on, now());
        self.schedule(instance, &hosting);
    }

    /// Takes an event in and carries out what follows.
    pub(crate) fn step(&'static self, instance: &Arc<Instance>, event: Event) -> Answer {
        self.step_locked(instance, &mut lock(&instance.hosting), event)
    }

    /// As [`Engine::step`], unless `Terminate` has been called for since turn `turn`. False if it has.
    fn step_in(&'static self, instance: &Arc<Instance>, turn: u64, event: Event) -> bool {
        let mut hosting = lock(&instance.hosting);
        // The turn changes under this lock only.
        let same = lock(&instance.calls).turn == turn;
        if same {
            self.step_locked(instance, &mut hosting, event);
        }
        same
    }

    fn step_locked(&'static self, instance: &Arc<Instance>, hosting: &mut Hosting, event: Event) -> Answer {
        let mut effects = Vec::new();
        let mut from = hosting.state();
        let answer = hosting.handle(event, now(), &mut effects);
        let mut effects = VecDeque::from(effects);
        while let Some(effect) = effects.pop_front() {
            if let Some(event) = self.carry_out(instance, &mut from, effect) {
                let mut more = Vec::new();
                hosting.handle(event, now(), &mut more);
                effects.extend(more);
            }
        }
        self.schedule(instance, hosting);
        answer
    }

    /// Carries one effect out. Returns what follows from it at once.
    fn carry_out(&'static self, instance: &Arc<Instance>, from: &mut State, effect: Effect) -> Option<Event> {
        match effect {
            Effect::CallOpen => self.enqueue(instance, Call::Open { flags: instance.open_flags }),
            Effect::CallOnline => self.enqueue(instance, Call::Online),
            Effect::CallOffline => self.enqueue(instance, Call::Offline),
            Effect::CallPoll(poll) => self.enqueue(instance, Call::Poll(poll)),
            Effect::CallClose => self.enqueue(instance, Call::Close),
            Effect::CallTerminate => self.terminate(instance),
            Effect::CallCancel => {
                let instance = Arc::clone(instance);
                let engine = self;
                self.pool.run(Box::new(move |_| engine.call_cancel(&instance)));
            }
            Effect::Wait(handle) => return self.wait_for(instance, handle),
            Effect::StopWaiting => self.stop_waiting(instance),
            Effect::Report(to, code, flags, cause) => {
                if to.shown() != stead_types::ResourceState::Online {
                    instance.process.store(0, Ordering::Relaxed);
                }
                instance.fresh_progress.store(false, Ordering::Relaxed);
                let change = Changed { from: *from, to, code, flags, cause, at: now() };
                self.observer.changed(instance, change);
                *from = to;
                if to == State::Online {
                    self.ask_for_characteristics(instance);
                }
                if to == State::Online && instance.process.load(Ordering::Relaxed) == 0 {
                    self.ask_for_process(instance);
                }
            }
            Effect::Progress(checkpoint) => {
                if !instance.fresh_progress.swap(true, Ordering::AcqRel) {
                    self.observer.progress(instance, checkpoint);
                }
            }
            Effect::Delayed(flags) => self.observer.delayed(instance, flags),
            Effect::Finish(op, code) => self.observer.finished(instance, op, code),
            Effect::Violation(rule) => {
                let text = format!("{}: {rule}", instance.name);
                self.observer.violation(Some(instance), rule, text);
            }
        }
        None
    }

    /// What follows follows from the end of this process.
    pub(crate) fn begin_to_end(&'static self) {
        self.ending.store(true, Ordering::Relaxed);
    }

    /// Locked mode, from a callback.
    pub(crate) fn set_locked(&'static self, instance: &Arc<Instance>, locked: bool) -> Code {
        lock(&instance.hosting).set_locked(locked)
    }
}

impl Slots {
    fn find(&self, handle: u64) -> Option<&Arc<Instance>> {
        let (generation, index) = ((handle >> 32) as u32, (handle as u32).checked_sub(1)?);
        self.slots.get(index as usize).filter(|slot| slot.0 == generation)?.1.as_ref()
    }
}

fn buffer_args(in_buffer: Option<Vec<u8>>) -> [(&'static str, Field); 2] {
    let size = in_buffer.as_ref().map_or(0, Vec::len);
    [("InBuffer", Field::Hex(in_buffer)), ("InBufferSize", Field::Number(size as i64))]
}

/// Takes a status report in, from whatever thread.
pub(crate) fn report(engine: &'static Engine, instance: &Arc<Instance>, status: Status) -> Answer {
    let offline = status.state == stead_resapi::ClusterResourceOffline;
    if offline && instance.with_hosting(Hosting::state) == State::OfflinePending {
        engine.end_leftovers(instance);
    }
    engine.step(instance, Event::Reported(status))
}
