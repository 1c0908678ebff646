//! `stead monitor`: the Resource Monitor of a group, driven by the node.

use std::collections::{BTreeMap, VecDeque};
use std::convert::Infallible;
use std::ffi::OsString;
use std::io::stdin;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use rustix::event::{EventfdFlags, PollFd, PollFlags, Timespec, eventfd, poll};
use stead_monitor_protocol::{
    Board, Buffer, FromMonitor, Hex, InstanceId, InstanceReport, KeyChange, Library, Link, LinkError,
    LogLevel, OpId, Properties, Signal, Timing, ToMonitor, VERSION,
};
use stead_resapi as abi;
use stead_types::{Code, OpenFlags, ResourceName, ResourceState, StatusFlags, Time};

use crate::asking::{Around, Asking, ByNode};
use crate::check;
use crate::consult;
use crate::control;
use crate::dll::{Builtin, Dll};
use crate::engine::{
    Called, CalledBack, Changed, Engine, Instance, NewInstance, Observer, OfflineArguments, OnlineArguments,
    Source, lock, now,
};
use crate::hosting::{Event, Hosting, Op, State};
use crate::load::LoadError;
use crate::type_control;

/// Progress is passed on at most this often.
const PROGRESS_EVERY: Duration = Duration::from_millis(100);

/// While so many messages wait to be sent, lines for the log are left out.
const MANY: usize = 1_024;

/// Lines for the log in one burst, and a second after that; what is more is counted.
const BURST: u32 = 2_000;
const LINES_A_SECOND: u32 = 200;

/// The way to the node.
struct Node {
    link: Link<OwnedFd>,
    out: Mutex<Out>,
    wake: OwnedFd,
}

#[derive(Default)]
struct Out {
    queue: VecDeque<Vec<u8>>,
    /// Instances with progress to tell.
    fresh: Vec<Arc<Instance>>,
    /// Resource types that have been loaded, or could not be, for the instances that waited for them.
    loaded: Vec<(InstanceId, Result<Arc<Dll>, LoadError>)>,
    lines: Lines,
}

/// How many lines for the log may be sent.
#[derive(Default)]
struct Lines {
    sent: u32,
    since: Time,
    left_out: u64,
}

impl Lines {
    /// True if another line may go; then also how many before it could not.
    fn allow(&mut self, now: Time) -> Option<u64> {
        let earned = now.since(self.since).as_millis() * u128::from(LINES_A_SECOND) / 1_000;
        if earned > 0 {
            self.sent = self.sent.saturating_sub(u32::try_from(earned).unwrap_or(u32::MAX));
            self.since = now;
        }
        if self.sent >= BURST {
            self.left_out += 1;
            return None;
        }
        self.sent += 1;
        Some(std::mem::take(&mut self.left_out))
    }
}

/// An instance whose resource type is being loaded.
struct Loading {
    op: OpId,
    resource: ResourceName,
    properties: Properties,
    keys: Vec<KeyChange>,
    timing: Timing,
    flags: OpenFlags,
    /// A new node has asked what there is meanwhile.
    asked_after: bool,
}

impl Node {
    fn send(&self, message: &FromMonitor) {
        crate::process::end_copies();
        let Ok(bytes) = serde_json::to_vec(message) else { return };
        self.send_bytes(bytes);
    }

    fn send_bytes(&self, bytes: Vec<u8>) {
        let mut out = lock(&self.out);
        if out.queue.is_empty() && self.pass(&bytes) {
            return;
        }
        out.queue.push_back(bytes);
        self.wake();
    }

    /// Sends what was written. False if there is no room now. A link that carries nothing any more, because a resource
    /// DLL has closed or replaced it, is the end of this process: nobody would ever hear of its resources again.
    fn pass(&self, bytes: &[u8]) -> bool {
        match self.link.send_bytes(bytes, &[]) {
            Ok(()) => true,
            Err(LinkError::WouldBlock) => false,
            Err(error @ LinkError::TooLong(_)) => {
                complain!("stead monitor: left out: {error}");
                true
            }
            Err(error @ (LinkError::Closed | LinkError::Garbage(_) | LinkError::System(_))) => {
                complain!("stead monitor: the link to the node is lost: {error}");
                // A crash like any other: one of the resources in here is to blame.
                std::process::abort()
            }
        }
    }

    /// Sends what waits, as far as there is room.
    fn flush(&self) {
        let mut out = lock(&self.out);
        while out.queue.front().is_some_and(|bytes| self.pass(bytes)) {
            out.queue.pop_front();
        }
    }

    /// Sends a line for the log, unless there are too many.
    fn line(&self, message: &FromMonitor) {
        let left_out = {
            let mut out = lock(&self.out);
            let full = out.queue.len() >= MANY;
            if full {
                out.lines.left_out += 1;
                return;
            }
            match out.lines.allow(now()) {
                Some(left_out) => left_out,
                None => return,
            }
        };
        if left_out > 0 {
            let text = format!("{left_out} lines were left out: resource DLLs log too much");
            self.send(&FromMonitor::Log { instance: None, level: LogLevel::Warning, text });
        }
        self.send(message);
    }

    fn wake(&self) {
        let _ = rustix::io::write(&self.wake, &1u64.to_ne_bytes());
    }

    fn failed_to_open(&self, instance: InstanceId, code: Code) {
        self.send(&FromMonitor::State {
            instance,
            state: ResourceState::Failed,
            settled: true,
            code,
            flags: StatusFlags::NONE,
            cause: stead_monitor_protocol::Cause::Returned,
            process: None,
        });
    }

    fn done(&self, op: OpId, code: Code, detail: Option<String>) {
        self.send(&FromMonitor::Done { op, code, output: Hex::default(), detail });
    }
}

/// Tells the node.
struct Teller(&'static Node);

fn process_of(instance: &Instance) -> Option<u32> {
    Some(instance.process.load(Ordering::Relaxed)).filter(|process| *process != 0)
}

impl Observer for Teller {
    fn begins(&self) -> stead_types::Time {
        now()
    }

    fn called(&self, _: Option<&Instance>, _: Called) {}

    fn called_back(&self, _: Option<&Instance>, _: CalledBack) {}

    fn wants_calls(&self) -> bool {
        false
    }

    fn in_a_node(&self) -> bool {
        true
    }

    fn changed(&self, instance: &Instance, change: Changed) {
        if change.to.shown() == ResourceState::Initializing {
            // An open that failed is the answer to its request, unless whoever made that is gone.
            if change.to == State::Closed && instance.asked_after.load(Ordering::Relaxed) {
                self.0.failed_to_open(instance.id, change.code);
            }
            return;
        }
        self.0.send(&FromMonitor::State {
            instance: instance.id,
            state: change.to.shown(),
            settled: change.to.settled(),
            code: change.code,
            flags: change.flags,
            cause: change.cause,
            process: process_of(instance),
        });
    }

    fn progress(&self, instance: &Arc<Instance>, _: u32) {
        lock(&self.0.out).fresh.push(Arc::clone(instance));
        self.0.wake();
    }

    fn delayed(&self, instance: &Instance, flags: StatusFlags) {
        self.0.send(&FromMonitor::Delayed { instance: instance.id, flags });
    }

    fn finished(&self, _: &Instance, op: Op, code: Code) {
        self.0.done(OpId(op), code, None);
    }

    fn locked(&self, instance: &Instance, locked: bool, reason: u32, flags: u32) {
        self.0.send(&FromMonitor::Locked { instance: instance.id, locked, reason, flags });
    }

    fn signalled(&self, instance: &Instance, embedded: bool, code: u32) {
        let signal = if embedded { Signal::Embedded } else { Signal::NetworkLoss };
        self.0.send(&FromMonitor::Signalled { instance: instance.id, signal, code });
    }

    fn log(&self, instance: Option<&Instance>, level: i32, text: String) {
        if let Some(instance) = instance
            && check::caught(instance.id, level, &text)
        {
            return;
        }
        let level = match level {
            0 => LogLevel::Information,
            1 => LogLevel::Warning,
            2 => LogLevel::Error,
            _ => LogLevel::Severe,
        };
        self.0.line(&FromMonitor::Log { instance: instance.map(|instance| instance.id), level, text });
    }

    fn violation(&self, instance: Option<&Instance>, rule: &'static str, text: String) {
        let instance = instance.map(|instance| instance.id);
        self.0.line(&FromMonitor::Violation { instance, rule: rule.to_owned(), text });
    }

    fn stuck(&self, instance: &Instance, entry: &'static str) {
        self.0.send(&FromMonitor::Stuck { instance: instance.id, entry: entry.to_owned() });
        end_now();
    }

    fn process_known(&self, instance: &Instance) {
        // Sent while the state cannot change, so that it does not come after the next one.
        instance.with_hosting(|hosting| {
            if hosting.state() == State::Online {
                self.0.send(&FromMonitor::State {
                    instance: instance.id,
                    state: ResourceState::Online,
                    settled: true,
                    code: Code::SUCCESS,
                    flags: StatusFlags::NONE,
                    cause: stead_monitor_protocol::Cause::Reported,
                    process: process_of(instance),
                });
            }
        });
    }
}

/// Ends this process without running anything of a resource DLL: no exit handler, no destructor.
pub(crate) fn end_now() {
    let _ = rustix::process::kill_process(rustix::process::getpid(), rustix::process::Signal::KILL);
}

struct Monitor {
    engine: &'static Engine,
    node: &'static Node,
    asking: &'static Asking,
    instances: BTreeMap<InstanceId, Arc<Instance>>,
    loading: BTreeMap<InstanceId, Loading>,
}

fn board_of(args: &[OsString]) -> Option<Board> {
    let at = args.iter().position(|arg| arg == "--board-fd")?;
    let fd = args.get(at + 1)?.to_str()?;
    crate::fd::keep_from_children(fd.parse().ok()?);
    Board::open(&Path::new("/proc/self/fd").join(fd)).ok()
}

/// Takes the link away from standard input: what a resource DLL starts inherits that, and must neither read what the
/// node says nor speak in this monitor's name.
fn link() -> Result<Link<OwnedFd>, rustix::io::Errno> {
    let link = rustix::io::fcntl_dupfd_cloexec(stdin(), 3)?;
    let null = rustix::fs::open("/dev/null", rustix::fs::OFlags::RDONLY, rustix::fs::Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(Link::new(link))
}

/// Runs a Resource Monitor: `stead monitor --name NAME --board-fd N`, with the node's link as standard input.
#[must_use]
pub fn monitor_main(args: Vec<OsString>, builtin: &'static [Builtin]) -> ExitCode {
    let Err(error) = run(&args, builtin);
    complain!("stead monitor: {error}");
    ExitCode::FAILURE
}

fn run(args: &[OsString], builtin: &'static [Builtin]) -> Result<Infallible, Box<dyn std::error::Error>> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
    let node: &'static Node = Box::leak(Box::new(Node { link: link()?, out: Mutex::default(), wake }));
    crate::process::keep_host_from_children();
    if let Err(error) = crate::privilege::give_up() {
        complain!("stead monitor: {error}");
    }
    let board = board_of(args);
    if let Some(board) = &board {
        crate::crash::note_on(board)?;
    }
    let engine = Engine::start(Box::new(Teller(node)), builtin, board)?;
    let asking: &'static Asking = Box::leak(Box::new(Asking::new(|bytes| node.send_bytes(bytes))));
    engine.ask_through(asking);
    clusapi::connect(Box::leak(Box::new(Around { asking, engine })));
    Monitor { engine, node, asking, instances: BTreeMap::new(), loading: BTreeMap::new() }.serve()
}

impl Monitor {
    fn serve(&mut self) -> Result<Infallible, Box<dyn std::error::Error>> {
        let mut buffer = Buffer::default();
        let mut progress_at = None;
        loop {
            self.node.flush();
            let waiting = !lock(&self.node.out).queue.is_empty();
            let mut flags = PollFlags::IN;
            if waiting {
                flags |= PollFlags::OUT;
            }
            let timeout = progress_at.map(|at: stead_types::Time| at.since(now()));
            let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
            let mut fds = [
                PollFd::from_borrowed_fd(self.node.link.as_fd(), flags),
                PollFd::new(&self.node.wake, PollFlags::IN),
            ];
            match poll(&mut fds, timeout.as_ref()) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let _ = rustix::io::read(&self.node.wake, &mut [0; 8]);
            self.take_loaded();
            let fresh = !lock(&self.node.out).fresh.is_empty();
            match progress_at {
                None if fresh => progress_at = Some(now().after(PROGRESS_EVERY)),
                Some(at) if at <= now() => {
                    progress_at = None;
                    self.tell_progress();
                }
                None | Some(_) => {}
            }
            loop {
                match self.node.link.receive_with(&mut buffer) {
                    Ok((message, _)) => self.take(message),
                    Err(LinkError::WouldBlock) => break,
                    // The guardian holds the other end too, so this is the end of everything.
                    Err(LinkError::Closed) => end_now(),
                    Err(error) => return Err(error.into()),
                }
            }
        }
    }

    fn tell_progress(&self) {
        let fresh = std::mem::take(&mut lock(&self.node.out).fresh);
        for instance in fresh {
            if !instance.fresh_progress.swap(false, Ordering::AcqRel) {
                continue;
            }
            instance.with_hosting(|hosting| {
                if hosting.state().shown().is_pending() {
                    let checkpoint = hosting.checkpoint();
                    self.node.send(&FromMonitor::Progress { instance: instance.id, checkpoint });
                }
            });
        }
    }

    fn with(&self, op: OpId, instance: InstanceId, act: impl FnOnce(&Arc<Instance>)) {
        match self.instances.get(&instance) {
            Some(instance) => act(instance),
            None => self.node.done(op, Code::ERROR_RESOURCE_NOT_FOUND, None),
        }
    }

    /// Takes one message in.
    fn take(&mut self, message: ToMonitor) {
        let engine = self.engine;
        match message {
            ToMonitor::Hello { .. } => {
                self.asking.again(&FromMonitor::Hello { version: VERSION });
            }
            ToMonitor::Answered(answered) => self.asking.answered(answered),
            ToMonitor::Open {
                op,
                instance,
                resource,
                type_name,
                library,
                properties,
                keys,
                timing,
                flags,
            } => {
                // The last fence against running anything twice.
                self.forget_closed();
                let mut open = self.instances.values().map(|open| &open.name);
                if open.any(|open| *open == resource)
                    || self.loading.values().any(|loading| loading.resource == resource)
                {
                    let text = format!("resource \"{resource}\" is open in this monitor already");
                    self.node.done(op, Code::ERROR_OBJECT_ALREADY_EXISTS, Some(text));
                    return;
                }
                let loading = Loading { op, resource, properties, keys, timing, flags, asked_after: false };
                let source = source(&library);
                match engine.loaded(&source, type_name.as_str()) {
                    Some(dll) => self.open(instance, loading, dll),
                    None => {
                        // It runs code of the file: not on the thread that everybody needs.
                        self.loading.insert(instance, loading);
                        let node = self.node;
                        engine.aside(move |worker| {
                            let dll = engine.load(worker, instance, timing, &source, type_name.as_str());
                            lock(&node.out).loaded.push((instance, dll));
                            node.wake();
                        });
                    }
                }
            }
            ToMonitor::Online { op, instance, flags, in_buffer } => {
                let in_buffer = in_buffer.map(|bytes| bytes.0);
                self.with(op, instance, |instance| {
                    engine.online(instance, op.0, OnlineArguments { flags, in_buffer });
                });
            }
            ToMonitor::Offline { op, instance, destination, flags, in_buffer, reason } => {
                let arguments = OfflineArguments {
                    destination: destination.map(|node| node.as_str().to_owned()),
                    flags,
                    in_buffer: in_buffer.map(|bytes| bytes.0),
                    reason: reason.bits(),
                };
                self.with(op, instance, |instance| engine.offline(instance, op.0, arguments));
            }
            ToMonitor::Terminate { op, instance } => self.with(op, instance, |instance| {
                engine.step(instance, Event::TerminateRequested(op.0));
            }),
            ToMonitor::Cancel { op, instance } => self.with(op, instance, |instance| {
                engine.step(instance, Event::CancelRequested(op.0));
            }),
            ToMonitor::Fail { op, instance } => self.with(op, instance, |instance| {
                engine.step(instance, Event::FailRequested(op.0));
            }),
            ToMonitor::Control { op, instance, code, in_buffer, out_size } => {
                let node = self.node;
                self.with(op, instance, |instance| {
                    let answer = move |code, output| {
                        node.send(&FromMonitor::Done { op, code, output: Hex(output), detail: None });
                    };
                    control::send(engine, instance, code, in_buffer.0, out_size.min(65_536), answer);
                });
            }
            ToMonitor::Update { op, instance, properties, keys, timing } => {
                let node = self.node;
                self.with(op, instance, |instance| {
                    engine.set_timing(instance, timing);
                    let answer = move |code| node.done(op, code, None);
                    control::set_private(engine, instance, &properties.0, &keys, answer);
                });
            }
            ToMonitor::Maintenance { instance, on } => {
                if let Some(instance) = self.instances.get(&instance) {
                    engine.set_maintenance(instance, on);
                }
            }
            ToMonitor::Close { op, instance, deleting } => {
                let mut closes = false;
                self.with(op, instance, |instance| {
                    if deleting && instance.with_hosting(|hosting| hosting.state().closes()) {
                        // Whatever the DLL answers, it is closed next.
                        let code = (abi::CLUSCTL_RESOURCE_DELETE, "CLUSCTL_RESOURCE_DELETE");
                        engine.notify(instance, code, Vec::new());
                    }
                    engine.step(instance, Event::CloseRequested(op.0));
                    closes = instance.with_hosting(|hosting| hosting.state().ends());
                });
                // One that is not closed is still this monitor's: the node asks for it, and none is opened beside it.
                if closes {
                    self.instances.remove(&instance);
                }
            }
            ToMonitor::Check { op, resource, type_name, library, properties, stored } => {
                let node = self.node;
                let source = source(&library);
                engine.aside(move |worker| {
                    let wanted = properties
                        .map(|Properties(properties)| check::Wanted { properties, stored: stored.0 });
                    node.send(&check::run(engine, worker, op, resource, &type_name, &source, wanted));
                });
            }
            ToMonitor::TypeControl { op, type_name, library, common, code, in_buffer, out_size } => {
                let node = self.node;
                engine.aside(move |worker| {
                    let asked = type_control::Asked {
                        type_name: &type_name,
                        library: &library,
                        common: &common,
                        code,
                        input: in_buffer.0,
                        out_size: out_size.min(65_536),
                    };
                    let (code, output, detail) =
                        type_control::ask(engine, worker, check::temporary(op), &asked);
                    node.send(&FromMonitor::Done { op, code, output: Hex(output), detail });
                });
            }
            ToMonitor::Consult { op, instance, question } => {
                let node = self.node;
                self.with(op, instance, |instance| {
                    let (code, input) = consult::code_of(&question);
                    let done = Box::new(move |code, _, _| node.done(op, Code(code), None));
                    engine.control(instance, code, input, 0, done);
                });
            }
            ToMonitor::Context { op, instance, operation, priority } => {
                let node = self.node;
                let told = move |buffers: BTreeMap<String, Vec<u8>>| {
                    let buffers = buffers.into_iter().map(|(name, bytes)| (name, Hex(bytes))).collect();
                    node.send(&FromMonitor::Context { op, buffers });
                };
                match self.instances.get(&instance) {
                    Some(instance) => engine.ask_context(instance, (operation, priority), told),
                    None => told(BTreeMap::new()),
                }
            }
            ToMonitor::ConsultType { op, type_name, library } => {
                let node = self.node;
                engine.aside(move |worker| {
                    let id = check::temporary(op);
                    node.done(
                        op,
                        consult::type_deletion(engine, worker, id, &type_name, &source(&library)),
                        None,
                    );
                });
            }
            ToMonitor::ProviderChanged { instance, provider, state } => {
                if let Some(instance) = self.instances.get(&instance) {
                    let code = abi::CLUSCTL_RESOURCE_PROVIDER_STATE_CHANGE;
                    let name = "CLUSCTL_RESOURCE_PROVIDER_STATE_CHANGE";
                    engine.notify(instance, (code, name), consult::provider_change(&provider, state));
                }
            }
            ToMonitor::Sync { op } => {
                self.forget_closed();
                for (id, instance) in &self.instances {
                    // Sent while the state cannot change, so that it does not come after the next one.
                    instance.with_hosting(|hosting| {
                        if hosting.state() == State::Opening {
                            instance.asked_after.store(true, Ordering::Relaxed);
                        }
                        self.node.send(&FromMonitor::Instance(snapshot(*id, instance, hosting)));
                    });
                }
                for (id, loading) in &mut self.loading {
                    loading.asked_after = true;
                    self.node.send(&FromMonitor::Instance(InstanceReport {
                        instance: *id,
                        resource: loading.resource.clone(),
                        state: ResourceState::Initializing,
                        settled: false,
                        code: Code::SUCCESS,
                        checkpoint: 0,
                        locked: false,
                        process: None,
                        maintenance: false,
                    }));
                }
                self.node.done(op, Code::SUCCESS, None);
            }
            ToMonitor::Shutdown => self.shut_down(),
        }
    }

    /// Forgets instances whose `Open` failed.
    fn forget_closed(&mut self) {
        let engine = self.engine;
        self.instances.retain(|_, instance| {
            let closed = instance.with_hosting(|hosting| hosting.state() == State::Closed);
            if closed {
                engine.remove(instance);
            }
            !closed
        });
    }

    /// Goes on with those whose resource type has been loaded.
    fn take_loaded(&mut self) {
        let loaded = std::mem::take(&mut lock(&self.node.out).loaded);
        for (id, dll) in loaded {
            let Some(loading) = self.loading.remove(&id) else { continue };
            match dll {
                Ok(dll) => self.open(id, loading, dll),
                Err(LoadError { code, text }) => {
                    if loading.asked_after {
                        self.node.failed_to_open(id, code);
                    }
                    self.node.done(loading.op, code, Some(text));
                }
            }
        }
    }

    fn open(&mut self, id: InstanceId, loading: Loading, dll: Arc<Dll>) {
        let Loading { op, resource, properties, keys, timing, flags, asked_after } = loading;
        let keeper = ByNode { asking: self.asking, instance: id };
        let tree = control::tree(keeper, resource.as_str(), &dll, &properties.0, &keys);
        let new = NewInstance { id, name: resource, dll, tree, timing, open_flags: flags.bits() };
        let opened = self.engine.add(new);
        opened.asked_after.store(asked_after, Ordering::Relaxed);
        self.instances.insert(id, Arc::clone(&opened));
        self.engine.step(&opened, Event::OpenRequested(op.0));
    }

    /// Ends everything, then this process. On another thread: what resource DLLs ask meanwhile is answered.
    fn shut_down(&self) {
        let (engine, node) = (self.engine, self.node);
        let instances: Vec<Arc<Instance>> = self.instances.values().cloned().collect();
        engine.begin_to_end();
        engine.aside(move |worker| {
            for instance in &instances {
                instance.wait_for_calls();
                if instance.with_hosting(|hosting| hosting.state().shown() != ResourceState::Offline) {
                    engine.step(instance, Event::TerminateRequested(0));
                    instance.wait_for_calls();
                }
                engine.step(instance, Event::CloseRequested(0));
                instance.wait_for_calls();
            }
            engine.tell_ending(worker, check::temporary(OpId(0)));
            node.flush();
            end_now();
        });
    }
}

fn source(library: &Library) -> Source {
    match library {
        Library::Builtin => Source::Builtin,
        Library::File(path) => Source::File(PathBuf::from(path)),
    }
}

fn snapshot(id: InstanceId, instance: &Instance, hosting: &Hosting) -> InstanceReport {
    InstanceReport {
        instance: id,
        resource: instance.name.clone(),
        state: hosting.state().shown(),
        settled: hosting.state().settled(),
        code: hosting.code(),
        checkpoint: hosting.checkpoint(),
        locked: hosting.locked(),
        process: process_of(instance),
        maintenance: hosting.maintenance(),
    }
}
