//! The child of `stead host`: one instance, and the commands for it.

use std::collections::BTreeMap;
use std::io::{BufRead, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{self, Receiver, Sender};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use clusapi::InMemory;
use stead_monitor_protocol::{Board, InstanceId};
use stead_resapi as abi;
use stead_types::{Code, OfflineFlags, ResourceState, StatusFlags, Time};

use super::output::{Line, Printer};
use super::script::{self, Command};
use super::{Request, start_of};
use crate::alone::{self, Single};
use crate::control;
use crate::dll::Builtin;
use crate::engine::{
    Called, CalledBack, Changed, Engine, Instance, NewInstance, Observer, OfflineArguments, OnlineArguments,
    lock, now,
};
use crate::hosting::{Event, Op, Poll, State};

/// The pauses between two tries of a delayed offline: doubling, from the first to the last.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LAST_PAUSE: Duration = Duration::from_secs(5);

/// Terminating and closing after Ctrl-C may take so long.
const LONGEST_END: Duration = Duration::from_secs(3);

/// A request that has not ended.
#[derive(Clone, Debug)]
struct Pending {
    command: &'static str,
    /// Its command is being carried out this moment: an end now is a refusal.
    fresh: bool,
    flags: OfflineFlags,
}

#[derive(Default)]
struct Shared {
    state: Option<ResourceState>,
    pending: BTreeMap<Op, Pending>,
    delayed: StatusFlags,
    /// A delayed offline waits for its next try.
    queued: bool,
    ending: bool,
}

/// Prints everything and remembers what the exit status depends on.
pub(super) struct Witness {
    printer: Printer,
    failed: AtomicBool,
    shared: Mutex<Shared>,
    changed: Condvar,
    retries: Mutex<Sender<()>>,
}

impl Witness {
    fn fail(&self, line: Line) {
        self.failed.store(true, Ordering::Relaxed);
        self.printer.print(line);
    }

    fn refuse(&self, command: &str, code: Code, text: Option<String>) {
        self.fail(Line::ended(now(), "refused", command, code, text));
    }
}

/// Windows' code for a delay without a queue.
fn code_of_delay(flags: StatusFlags) -> Code {
    if flags.contains(StatusFlags::OFFLINE_DESTINATION_REJECTED) {
        Code::ERROR_CLUSTER_RESOURCE_VETOED_MOVE_INCOMPATIBLE_NODES
    } else if flags.contains(StatusFlags::OFFLINE_DESTINATION_THROTTLED) {
        Code::ERROR_CLUSTER_RESOURCE_VETOED_MOVE_NOT_ENOUGH_RESOURCES_ON_DESTINATION
    } else if flags.contains(StatusFlags::OFFLINE_SOURCE_THROTTLED) {
        Code::ERROR_CLUSTER_RESOURCE_VETOED_MOVE_NOT_ENOUGH_RESOURCES_ON_SOURCE
    } else {
        Code::ERROR_CLUSTER_RESOURCE_VETOED_CALL
    }
}

impl Observer for &'static Witness {
    fn begins(&self) -> Time {
        self.printer.begins()
    }

    fn called(&self, _: Option<&Instance>, call: Called) {
        self.printer.ended(call.at, &Line::call(call));
    }

    fn called_back(&self, _: Option<&Instance>, call: CalledBack) {
        self.printer.ended(call.at, &Line::callback(call));
    }

    fn wants_calls(&self) -> bool {
        true
    }

    fn changed(&self, _: &Instance, change: Changed) {
        lock(&self.shared).state = Some(change.to.shown());
        self.changed.notify_all();
        if change.from.shown() != change.to.shown() {
            self.printer.print(Line::state(&change));
        }
    }

    fn progress(&self, instance: &Arc<Instance>, _: u32) {
        instance.fresh_progress.store(false, Ordering::Release);
    }

    fn delayed(&self, _: &Instance, flags: StatusFlags) {
        lock(&self.shared).delayed = flags;
    }

    fn finished(&self, _: &Instance, op: Op, code: Code) {
        let mut shared = lock(&self.shared);
        let Some(pending) = shared.pending.remove(&op) else { return };
        let queue = pending.flags.contains(OfflineFlags::QUEUE_ENABLED);
        let delayed = code == Code::ERROR_BUSY || code == Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS;
        let flags = shared.delayed;
        if queue && delayed && !shared.ending {
            shared.queued = true;
            let _ = lock(&self.retries).send(());
        }
        let kept = shared.queued;
        drop(shared);
        self.changed.notify_all();
        // What `terminate` overtook was not asked to succeed; what is queued has not ended.
        if code.is_success() || code == Code::ERROR_OPERATION_ABORTED || (queue && delayed && kept) {
            return;
        }
        if code == Code::ERROR_BUSY {
            self.refuse(pending.command, code_of_delay(flags), None);
        } else {
            let event = if pending.fresh { "refused" } else { "failed" };
            self.fail(Line::ended(now(), event, pending.command, code, None));
        }
    }

    fn locked(&self, _: &Instance, _: bool, _: u32, _: u32) {}

    fn signalled(&self, _: &Instance, _: bool, _: u32) {}

    fn log(&self, _: Option<&Instance>, level: i32, text: String) {
        self.printer.print(Line::log(now(), level, &text));
    }

    fn violation(&self, _: Option<&Instance>, rule: &'static str, text: String) {
        self.fail(Line::violation(now(), rule, &text, None));
    }

    fn stuck(&self, _: &Instance, _: &'static str) {
        // The parent sees what the board says and tells it.
        self.printer.finish();
        crate::monitor::end_now();
    }

    fn process_known(&self, _: &Instance) {}
}

struct Session {
    engine: &'static Engine,
    witness: &'static Witness,
    request: Request,
    dll: Arc<crate::dll::Dll>,
    instance: Option<Arc<Instance>>,
    ops: AtomicU64,
    offline: Arc<Mutex<OfflineArguments>>,
}

/// Runs the child.
pub(super) fn run(
    request: Request,
    builtin: &'static [Builtin],
    board: &str,
    start: &str,
) -> Result<u8, Box<dyn std::error::Error>> {
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::TERM))?;
    let start = start_of(start);
    let (retry, retries) = mpsc::channel();
    let witness: &'static Witness = Box::leak(Box::new(Witness {
        printer: Printer::new(request.json, start),
        failed: AtomicBool::new(false),
        shared: Mutex::default(),
        changed: Condvar::new(),
        retries: Mutex::new(retry),
    }));
    if request.json {
        // What the resource DLL prints is no line of ours.
        rustix::stdio::dup2_stdout(std::io::stderr())?;
    }
    let own_board = Board::open(Path::new(board)).ok();
    if let Some(board) = &own_board {
        crate::crash::note_on(board)?;
    }
    let engine = Engine::start(Box::new(witness), builtin, own_board)?;
    alone::connect("host", &request.type_name, Single { engine, resource: request.name.to_string() });
    let loaded = {
        let _limit = Limit::new(crate::hosting::limit(request.timing.deadlock_ms))?;
        // Nothing else is called meanwhile, so that any line of the board will do.
        engine.load(0, InstanceId(0), request.timing, &request.source, &request.type_name)
    };
    let dll = match loaded {
        Ok(dll) => dll,
        Err(error) => {
            witness.refuse("load", error.code, Some(error.text));
            witness.printer.finish();
            return Ok(1);
        }
    };
    let session = Arc::new(Mutex::new(Session {
        engine,
        witness,
        request,
        dll,
        instance: None,
        ops: AtomicU64::new(1),
        offline: Arc::default(),
    }));
    let (interrupted, place) = (Arc::clone(&session), board.to_owned());
    let mut signals =
        signal_hook::iterator::Signals::new([signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM])?;
    thread::Builder::new().name("signals".to_owned()).spawn(move || {
        if signals.forever().next().is_some() {
            // A call that hangs is not waited for, and what is left is the parent's to end.
            let _limit = Limit::new(LONGEST_END);
            // A command that waits holds the session; ending must not wait for it.
            let instance = interrupted.try_lock().ok().and_then(|session| session.instance.clone());
            let instance = instance.or_else(|| engine.any());
            end(engine, witness, instance);
            witness.printer.finish();
            farewell(&place, super::INTERRUPTED);
            std::process::exit(super::INTERRUPTED.into());
        }
    })?;
    let again = Arc::clone(&session);
    thread::Builder::new().name("retries".to_owned()).spawn(move || retry_loop(&retries, witness, &again))?;
    let mut quit = false;
    for line in Input::new() {
        match script::parse(&line) {
            Ok(None) => {}
            Ok(Some(Command::Quit)) => {
                quit = true;
                break;
            }
            Ok(Some(Command::Sleep(pause))) => thread::sleep(pause),
            Ok(Some(Command::Wait { state, limit })) => wait(witness, state, limit),
            Ok(Some(command)) => lock(&session).execute(command),
            Err((command, text)) => witness.refuse(&command, Code::ERROR_INVALID_PARAMETER, Some(text)),
        }
    }
    let instance = lock(&session).instance.clone();
    if !quit && let Some(instance) = &instance {
        // The end of the input does not interrupt the last command.
        instance.wait_for_calls();
    }
    end(engine, witness, instance);
    witness.printer.finish();
    Ok(u8::from(witness.failed.load(Ordering::Relaxed)))
}

/// Tells the parent that the end is our own.
pub(super) fn farewell(board: &str, status: u8) {
    // Without it the parent says that something else ended us, which then is so.
    let _ = Board::open(Path::new(board)).and_then(|board| board.farewell(status));
}

/// Ends this process if it lives longer than it may: what it guards cannot be ended otherwise.
struct Limit {
    _over: Sender<()>,
}

impl Limit {
    fn new(limit: Duration) -> std::io::Result<Limit> {
        let (over, is_over) = mpsc::channel();
        thread::Builder::new().name("limit".to_owned()).spawn(move || {
            if is_over.recv_timeout(limit) == Err(mpsc::RecvTimeoutError::Timeout) {
                crate::monitor::end_now();
            }
        })?;
        Ok(Limit { _over: over })
    }
}

/// Terminates and closes what is left.
fn end(engine: &'static Engine, witness: &Witness, instance: Option<Arc<Instance>>) {
    {
        let mut shared = lock(&witness.shared);
        shared.ending = true;
        shared.queued = false;
    }
    let Some(instance) = instance else { return };
    let state = instance.with_hosting(|hosting| hosting.state());
    match state {
        State::Closed => return,
        State::Offline | State::Failed => {}
        State::Opening
        | State::OnlineCall
        | State::OnlinePending
        | State::Online
        | State::OfflineCall
        | State::OfflinePending
        | State::Terminating(_)
        | State::Closing => {
            engine.step(&instance, Event::TerminateRequested(0));
        }
    }
    instance.wait_for_calls();
    engine.step(&instance, Event::CloseRequested(0));
    instance.wait_for_calls();
}

fn wait(witness: &Witness, state: ResourceState, limit: Duration) {
    let until = Instant::now() + limit;
    let mut shared = lock(&witness.shared);
    while shared.state != Some(state) {
        let left = until.saturating_duration_since(Instant::now());
        if left.is_zero() {
            let now = shared.state.map_or("nothing", ResourceState::as_str);
            let text = format!("the resource is {now}, not {state}, after {} ms", limit.as_millis());
            drop(shared);
            witness.refuse("wait", Code::ERROR_TIMEOUT, Some(text));
            return;
        }
        shared = witness.changed.wait_timeout(shared, left).unwrap_or_else(PoisonError::into_inner).0;
    }
}

/// Tries a delayed offline again, after growing pauses, until it is done or cancelled.
fn retry_loop(retries: &Receiver<()>, witness: &'static Witness, session: &Mutex<Session>) {
    let mut pause = FIRST_PAUSE;
    while retries.recv().is_ok() {
        let until = Instant::now() + pause;
        let mut shared = lock(&witness.shared);
        while shared.queued {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            shared = witness.changed.wait_timeout(shared, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        let go_on = std::mem::take(&mut shared.queued);
        drop(shared);
        pause = if go_on { (pause * 2).min(LAST_PAUSE) } else { FIRST_PAUSE };
        if go_on {
            let session = lock(session);
            let arguments = lock(&session.offline).clone();
            session.offline(arguments);
        } else if !lock(&witness.shared).ending {
            witness.refuse("offline", Code::ERROR_CANCELLED, None);
        }
    }
}

impl Session {
    /// A new request; `fresh` until its command has been handed over.
    fn ask(&self, command: &'static str, flags: OfflineFlags, hand_over: impl FnOnce(Op)) {
        let op = self.ops.fetch_add(1, Ordering::Relaxed);
        lock(&self.witness.shared).pending.insert(op, Pending { command, fresh: true, flags });
        hand_over(op);
        if let Some(pending) = lock(&self.witness.shared).pending.get_mut(&op) {
            pending.fresh = false;
        }
    }

    fn offline(&self, arguments: OfflineArguments) {
        if let Some(instance) = &self.instance {
            let flags = arguments.flags;
            self.ask("offline", flags, |op| self.engine.offline(instance, op, arguments));
        }
    }

    fn execute(&mut self, command: Command) {
        let (engine, witness) = (self.engine, self.witness);
        let instance = match (&command, self.instance.clone()) {
            (Command::Open, None) => return self.open(),
            (_, Some(instance)) => instance,
            (other, None) => {
                let text = Some("open comes first".to_owned());
                return witness.refuse(word(other), Code::ERROR_RESOURCE_NOT_FOUND, text);
            }
        };
        let none = OfflineFlags::NONE;
        match command {
            Command::Terminate => {
                lock(&witness.shared).queued = false;
                witness.changed.notify_all();
                self.ask("terminate", none, |op| {
                    let _ = engine.step(&instance, Event::TerminateRequested(op));
                });
                return;
            }
            Command::Cancel => {
                let mut shared = lock(&witness.shared);
                let queued = std::mem::take(&mut shared.queued);
                drop(shared);
                witness.changed.notify_all();
                if !queued {
                    self.ask("cancel", none, |op| {
                        let _ = engine.step(&instance, Event::CancelRequested(op));
                    });
                }
                return;
            }
            Command::Open
            | Command::Online { .. }
            | Command::Offline { .. }
            | Command::LooksAlive
            | Command::IsAlive
            | Command::Control { .. }
            | Command::Close
            | Command::Wait { .. }
            | Command::Sleep(_)
            | Command::Quit => {}
        }
        // One call at a time: what comes next waits for the one in progress.
        instance.wait_for_calls();
        match command {
            Command::Open => {
                self.ask("open", none, |op| {
                    let _ = engine.step(&instance, Event::OpenRequested(op));
                });
            }
            Command::Online { flags, in_buffer } => self.ask("online", none, |op| {
                engine.online(&instance, op, OnlineArguments { flags, in_buffer });
            }),
            Command::Offline { to, flags, in_buffer } => {
                let reason = abi::CLUSAPI_RESOURCE_OFFLINE_REASON_USER_REQUESTED;
                let reason = if to.is_some() { abi::CLUSAPI_RESOURCE_OFFLINE_REASON_MOVING } else { reason };
                let arguments = OfflineArguments { destination: to, flags, in_buffer, reason };
                *lock(&self.offline) = arguments.clone();
                self.offline(arguments);
            }
            Command::LooksAlive => self.poll(&instance, Poll::LooksAlive, "looks-alive"),
            Command::IsAlive => self.poll(&instance, Poll::IsAlive, "is-alive"),
            Command::Control { code, input } => {
                control::send(engine, &instance, code, input, 65_536, move |returned, output| {
                    let line = Line::control(now(), code, returned, output);
                    if returned.is_success() || returned == Code::ERROR_RESOURCE_PROPERTIES_STORED {
                        witness.printer.print(line);
                    } else {
                        witness.fail(line);
                    }
                });
            }
            Command::Close => {
                self.ask("close", none, |op| {
                    let _ = engine.step(&instance, Event::CloseRequested(op));
                });
                instance.wait_for_calls();
                if instance.with_hosting(|hosting| hosting.state()) == State::Closed {
                    self.instance = None;
                }
            }
            Command::Terminate
            | Command::Cancel
            | Command::Wait { .. }
            | Command::Sleep(_)
            | Command::Quit => {}
        }
    }

    fn open(&mut self) {
        let new = NewInstance {
            id: InstanceId(self.ops.fetch_add(1, Ordering::Relaxed)),
            name: self.request.name.clone(),
            dll: Arc::clone(&self.dll),
            tree: control::tree(
                InMemory,
                self.request.name.as_str(),
                &self.dll,
                &self.request.properties,
                &[],
            ),
            timing: self.request.timing,
            open_flags: 0,
        };
        let instance = self.engine.add(new);
        let engine = self.engine;
        self.ask("open", OfflineFlags::NONE, |op| {
            let _ = engine.step(&instance, Event::OpenRequested(op));
        });
        instance.wait_for_calls();
        if instance.with_hosting(|hosting| hosting.state()) == State::Closed {
            self.engine.remove(&instance);
        } else {
            self.instance = Some(instance);
        }
    }

    fn poll(&self, instance: &Arc<Instance>, poll: Poll, command: &'static str) {
        if instance.with_hosting(|hosting| hosting.state()) == State::Online {
            self.engine.poll_now(instance, poll);
        } else {
            self.witness.refuse(command, Code::ERROR_RESOURCE_NOT_ONLINE, None);
        }
    }
}

fn word(command: &Command) -> &'static str {
    match command {
        Command::Open => "open",
        Command::Online { .. } => "online",
        Command::Offline { .. } => "offline",
        Command::LooksAlive => "looks-alive",
        Command::IsAlive => "is-alive",
        Command::Terminate => "terminate",
        Command::Cancel => "cancel",
        Command::Control { .. } => "control",
        Command::Close => "close",
        Command::Wait { .. } => "wait",
        Command::Sleep(_) => "sleep",
        Command::Quit => "quit",
    }
}

/// Lines from a prompt on a terminal, else from standard input.
enum Input {
    Prompt(Box<rustyline::DefaultEditor>),
    Lines(std::io::Lines<std::io::StdinLock<'static>>),
}

impl Input {
    fn new() -> Input {
        if std::io::stdin().is_terminal()
            && let Ok(editor) = rustyline::DefaultEditor::new()
        {
            return Input::Prompt(Box::new(editor));
        }
        Input::Lines(std::io::stdin().lock().lines())
    }
}

impl Iterator for Input {
    type Item = String;

    fn next(&mut self) -> Option<String> {
        match self {
            Input::Lines(lines) => lines.next()?.ok(),
            Input::Prompt(editor) => {
                let line = editor.readline("stead host> ").ok()?;
                let _ = editor.add_history_entry(&line);
                Some(line)
            }
        }
    }
}
