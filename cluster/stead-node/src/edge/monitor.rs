//! Resource Monitors and the guardian that starts them: what they say becomes [`MonitorEvent`]s, what the policy
//! wants done becomes messages.

mod adopt;
mod asked;
mod checking;
mod consult;
mod death;
mod ending;
mod lease;
mod visit;

use std::collections::{BTreeMap, VecDeque};
use std::io::{Stdin, stdin};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::Duration;

use rustix::event::{Timespec, epoll};
use stead_monitor_protocol::{
    Answer, Answered, AskId, Buffer, Cause, Containment, Death, FromGuardian, FromMonitor, HeldSession, Hex,
    InstanceId, InstanceReport, KeyChange, LONGEST_MESSAGE, Library, Link, LinkError, LogLevel, MonitorKey,
    OpId, Problem, Properties, Question, Signal, Slot, Timing, ToGuardian, ToMonitor, TypeFacts, VERSION,
};
use stead_policy::{Lost, MonitorId, News, Report};
use stead_types::{Code, GroupName, NodeName, ResourceName, Time, TypeName};

use crate::asked::Asker;
use crate::edge::timer;
pub(crate) use visit::Said;
use visit::Visit;

/// What the world of monitors brings.
#[derive(Debug)]
pub(crate) enum MonitorEvent {
    /// The guardian answered: what containment is in force. The monitors that run follow in `Adopted`.
    Contained { containment: Containment, restarts: u32, held: Option<HeldSession>, blob: Option<String> },
    /// Everything that runs is known.
    Adopted(Vec<(MonitorId, Vec<Report>)>),
    /// A monitor asked for runs.
    Started(MonitorId),
    /// A monitor is gone with all its processes.
    Lost { monitor: MonitorId, lost: Lost, output: String },
    /// News of a resource.
    Report(Report),
    /// A call ended.
    Done { op: stead_policy::OpId, code: Code, detail: Option<String> },
    /// A resource could not be opened, and somebody said why.
    NotOpened { resource: ResourceName, code: Code, text: String },
    /// A control code was answered.
    Controlled { op: OpId, code: Code, output: Hex },
    /// A resource DLL was asked whether something may be.
    Consulted { op: OpId, said: Said },
    /// What a resource DLL wants to go with the departure of its group; nothing if its monitor was lost over it.
    Context { op: OpId, buffers: BTreeMap<String, Vec<u8>> },
    /// A check of a type or of properties was answered.
    Checked(Checked),
    /// A resource DLL asks something.
    Asked { asker: Asker, question: Question },
    /// A line for the cluster log.
    Log { resource: Option<ResourceName>, level: LogLevel, text: String },
    /// A resource DLL broke a rule.
    Violation { resource: Option<ResourceName>, rule: String, text: String },
    /// The lease ran out: the guardian kills everything of groups.
    Lapsed,
    /// A dead monitor left something on the machine that could not be taken away.
    LeftBehind { group: GroupName, what: Vec<String> },
    /// What dead monitors left on the machine, as the guardian sees it; nothing if all of it is gone.
    Left { what: Vec<String> },
    /// A time of leases has begun.
    Begun { session: u128 },
    /// Nothing of any group is left of a time of leases that is over.
    Empty { session: u128 },
    /// The guardian does not do what it was told.
    Refused { error: String },
    /// The guardian has taken in everything up to this question.
    GuardianAnswered { question: u64 },
    /// The guardian wants everything offline.
    Shutdown { reason: String },
    /// The guardian is gone: nothing can be contained any more.
    GuardianGone,
}

/// The answer to a check.
#[derive(Debug)]
pub(crate) struct Checked {
    /// Of the request.
    pub(crate) op: OpId,
    /// 0, or why the type cannot be used at all.
    pub(crate) code: Code,
    /// Beside the code.
    pub(crate) detail: Option<String>,
    /// What is wrong with the properties.
    pub(crate) problems: Vec<Problem>,
}

/// What a resource is opened with.
#[derive(Clone, Debug)]
pub(crate) struct Opening {
    pub(crate) type_name: TypeName,
    pub(crate) library: Library,
    pub(crate) properties: Properties,
    pub(crate) keys: Vec<KeyChange>,
    pub(crate) timing: Timing,
}

#[derive(Debug)]
enum Phase {
    /// The guardian was asked to start it.
    Starting,
    /// It runs and has been greeted.
    Greeted,
    /// It ran before this node did; it is telling what it hosts. `greeted` once it has answered this node's greeting.
    Adopting { greeted: bool, reports: Vec<Report> },
    /// It hosts.
    Running,
}

#[derive(Debug)]
struct Monitor {
    token: u64,
    link: Option<Link<OwnedFd>>,
    out: VecDeque<Vec<u8>>,
    phase: Phase,
    /// Its own last words about a call past its deadline.
    stuck: Option<InstanceId>,
    /// Why it is killed for what it said.
    broke: Option<String>,
    /// It was told to end; it is killed at this instant.
    ending: Option<Time>,
}

#[derive(Debug)]
struct Instance {
    resource: ResourceName,
    monitor: MonitorKey,
    process: Option<u32>,
}

#[derive(Debug)]
enum Pending {
    Policy(stead_policy::OpId),
    Open(stead_policy::OpId, InstanceId),
    Close(stead_policy::OpId, InstanceId),
    Control,
    Consult,
    /// It is opened for a question.
    Visit(ResourceName),
    /// It was open for a question.
    Leave,
    Context,
    Sync,
    Check,
}

/// So many messages of one monitor are taken in before others have their turn.
const AT_ONCE: usize = 64;

const GUARDIAN: u64 = 0;
/// The token of the descriptor with which other threads wake the loop.
pub(crate) const WAKE: u64 = 1;

/// Everything the node has to do with the guardian and the monitors.
#[derive(Debug)]
pub(crate) struct Monitors {
    node: NodeName,
    epoll: OwnedFd,
    guardian: Link<Stdin>,
    guardian_out: VecDeque<Vec<u8>>,
    guardian_gone: bool,
    listed: bool,
    adopted: bool,
    by_key: BTreeMap<MonitorKey, Monitor>,
    by_token: BTreeMap<u64, MonitorKey>,
    instances: BTreeMap<InstanceId, Instance>,
    open: BTreeMap<ResourceName, InstanceId>,
    /// Those that are open for a question only.
    visits: BTreeMap<ResourceName, Visit>,
    pending: BTreeMap<OpId, (MonitorKey, Pending)>,
    next_token: u64,
    next_number: u64,
    buffer: Buffer,
    events: VecDeque<MonitorEvent>,
    /// What monitors that ran before this node did have told so far.
    running: BTreeMap<MonitorId, Vec<Report>>,
    /// The monitor that checks is being ended.
    checks_end: bool,
    /// Checks for the next one.
    checks: Vec<(OpId, ToMonitor)>,
    /// News that came before everything that runs was known; it follows `Adopted`.
    held: VecDeque<MonitorEvent>,
}

fn key_of(monitor: &MonitorId) -> MonitorKey {
    let slot = match &monitor.separate {
        None => Slot::Shared,
        Some(resource) => Slot::Separate(resource.clone()),
    };
    MonitorKey::Group { group: monitor.group.clone(), slot }
}

fn id_of(key: &MonitorKey) -> Option<MonitorId> {
    match key {
        MonitorKey::Check => None,
        MonitorKey::Group { group, slot } => Some(MonitorId {
            group: group.clone(),
            separate: match slot {
                Slot::Shared => None,
                Slot::Separate(resource) => Some(resource.clone()),
            },
        }),
    }
}

fn why(cause: Cause) -> &'static str {
    match cause {
        Cause::Requested => "an operator asked for it",
        Cause::Returned => "the resource DLL's entry point returned an error",
        Cause::Reported => "the resource DLL reported it",
        Cause::PendingTimeout => "no progress within PendingTimeout",
        Cause::IsAlive => "IsAlive said no",
        Cause::Signalled => "the resource DLL signalled a failure",
        Cause::PendingCap => "it stayed pending for ten times PendingTimeout",
    }
}

impl Monitors {
    /// Greets the guardian on standard input and watches it and `wake`.
    ///
    /// # Errors
    /// When standard input is no link to a guardian.
    pub(crate) fn new(node: NodeName, wake: BorrowedFd<'_>) -> Result<Self, LinkError> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        let guardian = Link::new(stdin());
        epoll::add(&epoll, &guardian, epoll::EventData::new_u64(GUARDIAN), epoll::EventFlags::IN)?;
        epoll::add(&epoll, wake, epoll::EventData::new_u64(WAKE), epoll::EventFlags::IN)?;
        let mut monitors = Monitors {
            node,
            epoll,
            guardian,
            guardian_out: VecDeque::new(),
            guardian_gone: false,
            listed: false,
            adopted: false,
            by_key: BTreeMap::new(),
            by_token: BTreeMap::new(),
            instances: BTreeMap::new(),
            open: BTreeMap::new(),
            visits: BTreeMap::new(),
            pending: BTreeMap::new(),
            next_token: WAKE + 1,
            next_number: 1,
            buffer: Buffer::default(),
            events: VecDeque::new(),
            running: BTreeMap::new(),
            checks_end: false,
            checks: Vec::new(),
            held: VecDeque::new(),
        };
        monitors.tell_guardian(&ToGuardian::Hello { version: VERSION });
        Ok(monitors)
    }

    /// Waits until something can be read or `timeout` has passed, and takes it in. True if `wake` was the reason.
    ///
    /// # Errors
    /// When the system refuses to wait.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> Result<bool, LinkError> {
        let mut ready =
            [epoll::Event { flags: epoll::EventFlags::empty(), data: epoll::EventData::new_u64(0) }; 64];
        let kill = timer::until(self.next_kill(), timer::now());
        let timeout = timeout.into_iter().chain(kill).min();
        let timeout = timeout.map(|timeout| {
            Timespec::try_from(timeout).unwrap_or(Timespec { tv_sec: i64::MAX / 2, tv_nsec: 0 })
        });
        let count = match epoll::wait(&self.epoll, &mut ready[..], timeout.as_ref()) {
            Ok(count) => count,
            Err(rustix::io::Errno::INTR) => 0,
            Err(error) => return Err(error.into()),
        };
        self.kill_late();
        let mut woken = false;
        for event in &ready[..count] {
            match event.data.u64() {
                GUARDIAN => {
                    self.flush_guardian();
                    self.hear_guardian();
                }
                WAKE => woken = true,
                token => {
                    if let Some(key) = self.by_token.get(&token).cloned() {
                        self.flush(&key);
                        self.hear(&key, AT_ONCE);
                    }
                }
            }
        }
        Ok(woken)
    }

    /// The next event taken in by [`Monitors::wait`].
    pub(crate) fn poll_event(&mut self) -> Option<MonitorEvent> {
        self.events.pop_front()
    }

    /// The process that does a resource's work, where its resource DLL says so.
    pub(crate) fn process(&self, resource: &ResourceName) -> Option<u32> {
        self.instances.get(self.open.get(resource)?)?.process
    }

    /// Starts a monitor.
    pub(crate) fn start(&mut self, monitor: &MonitorId) {
        self.start_key(key_of(monitor));
    }

    fn start_key(&mut self, key: MonitorKey) {
        self.next_token += 1;
        let monitor = Monitor {
            token: self.next_token,
            link: None,
            out: VecDeque::new(),
            phase: Phase::Starting,
            stuck: None,
            broke: None,
            ending: None,
        };
        self.by_token.insert(monitor.token, key.clone());
        self.by_key.insert(key.clone(), monitor);
        self.tell_guardian(&ToGuardian::Start { monitor: key });
    }

    /// Tells the guardian that everything is done.
    pub(crate) fn exit(&mut self) {
        self.tell_guardian(&ToGuardian::Exit);
    }

    /// Opens a resource.
    pub(crate) fn open(
        &mut self,
        op: stead_policy::OpId,
        monitor: &MonitorId,
        resource: &ResourceName,
        opening: Opening,
    ) {
        let key = key_of(monitor);
        let instance = InstanceId(self.number());
        self.instances
            .insert(instance, Instance { resource: resource.clone(), monitor: key.clone(), process: None });
        self.open.insert(resource.clone(), instance);
        let op = self.pending(&key, Pending::Open(op, instance));
        let message = ToMonitor::Open {
            op,
            instance,
            resource: resource.clone(),
            type_name: opening.type_name,
            library: opening.library,
            properties: opening.properties,
            keys: opening.keys,
            timing: opening.timing,
            flags: stead_types::OpenFlags::NONE,
        };
        self.tell(&key, &message);
    }

    /// Sends the message `make` makes for the resource's instance. If the resource is not open the call ends at
    /// once with `ERROR_RESOURCE_NOT_FOUND`.
    pub(crate) fn call(
        &mut self,
        op: stead_policy::OpId,
        resource: &ResourceName,
        make: impl FnOnce(OpId, InstanceId) -> ToMonitor,
    ) {
        let Some((instance, key)) = self.instance(resource) else {
            let code = Code::ERROR_RESOURCE_NOT_FOUND;
            self.events.push_back(MonitorEvent::Done { op, code, detail: None });
            return;
        };
        let op = self.pending(&key, Pending::Policy(op));
        self.tell(&key, &make(op, instance));
    }

    /// Closes a resource.
    pub(crate) fn close(&mut self, op: stead_policy::OpId, resource: &ResourceName, deleting: bool) {
        let Some((instance, key)) = self.instance(resource) else {
            self.events.push_back(MonitorEvent::Done { op, code: Code::SUCCESS, detail: None });
            return;
        };
        let op = self.pending(&key, Pending::Close(op, instance));
        self.tell(&key, &ToMonitor::Close { op, instance, deleting });
    }

    /// Begins or ends maintenance mode.
    pub(crate) fn maintenance(&mut self, resource: &ResourceName, on: bool) {
        if let Some((instance, key)) = self.instance(resource) {
            self.tell(&key, &ToMonitor::Maintenance { instance, on });
        }
    }

    /// Sends a control code; `Controlled` carries the number returned here. `None` if the resource is not open.
    pub(crate) fn control(
        &mut self,
        resource: &ResourceName,
        code: u32,
        in_buffer: Hex,
        out_size: u32,
    ) -> Option<OpId> {
        let (instance, key) = self.instance(resource)?;
        let op = self.pending(&key, Pending::Control);
        self.tell(&key, &ToMonitor::Control { op, instance, code, in_buffer, out_size });
        Some(op)
    }

    /// Sends a control code to a resource type, where types are checked; `Controlled` carries the number returned here.
    pub(crate) fn type_control(
        &mut self,
        type_name: TypeName,
        library: Library,
        common: TypeFacts,
        (code, in_buffer, out_size): (u32, Hex, u32),
    ) -> OpId {
        let op = OpId(self.number());
        self.give_to_check(
            op,
            ToMonitor::TypeControl { op, type_name, library, common, code, in_buffer, out_size },
        );
        op
    }

    fn instance(&self, resource: &ResourceName) -> Option<(InstanceId, MonitorKey)> {
        let instance = *self.open.get(resource)?;
        Some((instance, self.instances.get(&instance)?.monitor.clone()))
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn pending(&mut self, key: &MonitorKey, pending: Pending) -> OpId {
        let op = OpId(self.number());
        self.pending.insert(op, (key.clone(), pending));
        op
    }

    fn tell(&mut self, key: &MonitorKey, message: &ToMonitor) {
        match serde_json::to_vec(message) {
            Ok(bytes) if bytes.len() > LONGEST_MESSAGE => {
                let text = format!(
                    "{} bytes are more than a Resource Monitor can be sent at once ({LONGEST_MESSAGE})",
                    bytes.len()
                );
                if let Some(op) = message.op() {
                    self.too_long(op, text);
                }
            }
            Ok(bytes) => {
                if let Some(monitor) = self.by_key.get_mut(key) {
                    monitor.out.push_back(bytes);
                }
            }
            Err(error) => tracing::error!(monitor = %key, %error, "message could not be written"),
        }
        self.flush(key);
    }

    /// Sends what waits, as far as there is room, and asks to be told when there is more.
    fn flush(&mut self, key: &MonitorKey) {
        let Some(monitor) = self.by_key.get_mut(key) else { return };
        let Some(link) = &monitor.link else { return };
        if matches!(monitor.phase, Phase::Starting) {
            return;
        }
        let had = !monitor.out.is_empty();
        while let Some(bytes) = monitor.out.front() {
            match link.send_bytes(bytes, &[]) {
                Ok(()) => drop(monitor.out.pop_front()),
                Err(LinkError::WouldBlock) => break,
                // The guardian will tell that it died.
                Err(
                    LinkError::TooLong(_) | LinkError::Closed | LinkError::Garbage(_) | LinkError::System(_),
                ) => {
                    monitor.out.clear();
                    break;
                }
            }
        }
        if had {
            let mut flags = epoll::EventFlags::IN;
            if !monitor.out.is_empty() {
                flags |= epoll::EventFlags::OUT;
            }
            let data = epoll::EventData::new_u64(monitor.token);
            if let Err(error) = epoll::modify(&self.epoll, link, data, flags) {
                tracing::warn!(monitor = %key, %error, "link could not be watched");
            }
        }
    }

    fn tell_guardian(&mut self, message: &ToGuardian) {
        match serde_json::to_vec(message) {
            Ok(bytes) => self.guardian_out.push_back(bytes),
            Err(error) => tracing::error!(%error, "message to the guardian could not be written"),
        }
        self.flush_guardian();
    }

    fn flush_guardian(&mut self) {
        while let Some(bytes) = self.guardian_out.front() {
            match self.guardian.send_bytes(bytes, &[]) {
                Ok(()) => drop(self.guardian_out.pop_front()),
                Err(LinkError::WouldBlock) => break,
                Err(_) => {
                    self.lose_guardian();
                    return;
                }
            }
        }
        let mut flags = epoll::EventFlags::IN;
        if !self.guardian_out.is_empty() {
            flags |= epoll::EventFlags::OUT;
        }
        if let Err(error) =
            epoll::modify(&self.epoll, &self.guardian, epoll::EventData::new_u64(GUARDIAN), flags)
        {
            tracing::warn!(%error, "link to the guardian could not be watched");
        }
    }

    fn lose_guardian(&mut self) {
        if !self.guardian_gone {
            self.guardian_gone = true;
            self.guardian_out.clear();
            self.events.push_back(MonitorEvent::GuardianGone);
        }
    }

    fn hear_guardian(&mut self) {
        loop {
            match self.guardian.receive_with(&mut self.buffer) {
                Ok((message, fds)) => self.guardian_said(message, fds),
                Err(LinkError::WouldBlock) => return,
                Err(error) => {
                    tracing::error!(%error, "link to the guardian broke");
                    self.lose_guardian();
                    return;
                }
            }
        }
    }

    fn guardian_said(&mut self, message: FromGuardian, mut fds: Vec<OwnedFd>) {
        match message {
            FromGuardian::Hello { version, containment, restarts, session: held, blob, watchdog: _ } => {
                if version == VERSION {
                    // Numbers of an earlier life of the node must never be met again.
                    self.next_number = (u64::from(restarts) + 1) << 40;
                    self.events.push_back(MonitorEvent::Contained { containment, restarts, held, blob });
                } else {
                    tracing::error!(version, mine = VERSION, "guardian speaks another version");
                    self.lose_guardian();
                }
            }
            FromGuardian::Started { monitor, process } => {
                tracing::info!(%monitor, process, "monitor runs");
                match fds.pop() {
                    Some(socket) => self.attach(monitor, Link::new(socket)),
                    None => tracing::error!(%monitor, "the guardian sent no socket"),
                }
            }
            FromGuardian::Listed => {
                self.listed = true;
                self.finish_adoption();
            }
            FromGuardian::NotStarted { monitor, error } => {
                self.forget(&monitor, &error);
                self.report_lost(&monitor, Lost::NotStarted { text: error }, String::new());
            }
            FromGuardian::Died { monitor, death } => self.died(&monitor, death),
            FromGuardian::Left { what } => self.events.push_back(MonitorEvent::Left { what }),
            FromGuardian::Refused { error } => self.events.push_back(MonitorEvent::Refused { error }),
            FromGuardian::Begun { session, watchdog } => {
                tracing::info!(watchdog, "leases are in force");
                self.events.push_back(MonitorEvent::Begun { session });
            }
            FromGuardian::Answer { question } => {
                self.events.push_back(MonitorEvent::GuardianAnswered { question });
            }
            FromGuardian::Empty { session } => self.events.push_back(MonitorEvent::Empty { session }),
            FromGuardian::Shutdown { reason } => self.events.push_back(MonitorEvent::Shutdown { reason }),
        }
    }

    /// Takes in at most `most` messages: one monitor that talks without end must not keep the others waiting. What is
    /// left wakes the loop again.
    fn hear(&mut self, key: &MonitorKey, most: usize) {
        for _ in 0..most {
            let Some(link) = self.by_key.get(key).and_then(|monitor| monitor.link.as_ref()) else { return };
            match link.receive_with(&mut self.buffer) {
                Ok((message, _)) => self.hear_one(key, message),
                Err(LinkError::WouldBlock) => return,
                Err(LinkError::Closed) => {
                    // Dead, or about to be: the guardian tells how. Until then the link would only wake us.
                    self.unwatch(key);
                    return;
                }
                Err(error) => {
                    self.unwatch(key);
                    self.kill_for(key, format!("it broke the protocol: {error}"));
                    return;
                }
            }
        }
    }

    /// Kills a monitor for what it said; that is a death like any other.
    fn kill_for(&mut self, key: &MonitorKey, why: String) {
        tracing::error!(monitor = %key, why, "monitor is killed");
        if let Some(monitor) = self.by_key.get_mut(key) {
            monitor.broke = Some(why);
        }
        self.tell_guardian(&ToGuardian::Kill { monitor: key.clone(), fence: false });
    }

    fn unwatch(&mut self, key: &MonitorKey) {
        if let Some(link) = self.by_key.get_mut(key).and_then(|monitor| monitor.link.take()) {
            // Closing the last handle would do, but the guardian may share ours.
            let _ = epoll::delete(&self.epoll, &link);
        }
    }

    fn hear_one(&mut self, key: &MonitorKey, message: FromMonitor) {
        match message {
            FromMonitor::Hello { version } => self.greeted(key, version),
            FromMonitor::State { instance, state, settled, code, flags, cause, process } => {
                if let Some(known) = self.instances.get_mut(&instance) {
                    if process.is_some() || state != stead_types::ResourceState::Online {
                        known.process = process;
                    }
                    let news = News::State { state, settled, code, flags, why: why(cause) };
                    self.news(instance, news);
                }
            }
            FromMonitor::Progress { instance, checkpoint } => {
                self.news(instance, News::Checkpoint(checkpoint))
            }
            FromMonitor::Delayed { instance, flags } => self.news(instance, News::Delayed(flags)),
            FromMonitor::Locked { instance, locked, reason: _, flags } => {
                self.news(instance, News::Locked { locked, keep_queued: flags & 1 != 0 });
            }
            FromMonitor::Signalled { instance, signal, code } => self.news(
                instance,
                match signal {
                    Signal::Embedded => News::EmbeddedFailure(code),
                    Signal::NetworkLoss => News::NetworkLoss(code),
                },
            ),
            FromMonitor::Done { op, code, output, detail } => self.done(op, code, output, detail),
            FromMonitor::Context { op, buffers } => self.context(op, buffers),
            FromMonitor::Checked { op, code, detail, formats: _, problems } => {
                if self.pending.remove(&op).is_some() {
                    self.events.push_back(MonitorEvent::Checked(Checked { op, code, detail, problems }));
                }
            }
            FromMonitor::Log { instance, level, text } => {
                let resource = instance.and_then(|instance| self.named(instance));
                self.events.push_back(MonitorEvent::Log { resource, level, text });
            }
            FromMonitor::Violation { instance, rule, text } => {
                let resource = instance.and_then(|instance| self.named(instance));
                self.events.push_back(MonitorEvent::Violation { resource, rule, text });
            }
            FromMonitor::Stuck { instance, entry } => {
                tracing::error!(monitor = %key, %entry, "call exceeded its deadline");
                if let Some(monitor) = self.by_key.get_mut(key) {
                    monitor.stuck = Some(instance);
                }
            }
            FromMonitor::Ask { ask, question } => self.hear_question(key, ask, question),
            FromMonitor::Instance(report) => self.adopt(key, &report),
        }
    }

    fn greeted(&mut self, key: &MonitorKey, version: u32) {
        if version != VERSION {
            self.kill_for(key, format!("it speaks version {version} of the protocol, not {VERSION}"));
            return;
        }
        let Some(monitor) = self.by_key.get_mut(key) else { return };
        match &mut monitor.phase {
            Phase::Starting | Phase::Greeted => {
                monitor.phase = Phase::Running;
                if let Some(id) = id_of(key) {
                    self.events.push_back(MonitorEvent::Started(id));
                }
            }
            Phase::Adopting { greeted, .. } => *greeted = true,
            Phase::Running => {}
        }
    }

    fn done(&mut self, op: OpId, code: Code, output: Hex, detail: Option<String>) {
        // An answer to an earlier life of the node finds nothing here.
        let Some((key, pending)) = self.pending.remove(&op) else { return };
        match pending {
            Pending::Policy(op) => self.events.push_back(MonitorEvent::Done { op, code, detail }),
            Pending::Open(op, instance) => {
                if !code.is_success() {
                    if let (Some(resource), Some(text)) = (self.resource(instance), detail.clone()) {
                        self.events.push_back(MonitorEvent::NotOpened { resource, code, text });
                    }
                    self.forget_instance(instance);
                }
                self.events.push_back(MonitorEvent::Done { op, code, detail });
            }
            Pending::Close(op, instance) => {
                // Refused, it is open as before.
                if code != Code::ERROR_INVALID_STATE {
                    self.forget_instance(instance);
                }
                self.events.push_back(MonitorEvent::Done { op, code, detail });
            }
            Pending::Control => self.events.push_back(MonitorEvent::Controlled { op, code, output }),
            Pending::Consult => {
                self.events.push_back(MonitorEvent::Consulted { op, said: Said::Code(code) });
            }
            Pending::Visit(resource) => self.entered(&resource, code, detail),
            Pending::Leave => self.end_checks(),
            Pending::Context => self.no_context(op),
            Pending::Check => {}
            Pending::Sync => {
                if let Some(monitor) = self.by_key.get_mut(&key) {
                    let phase = std::mem::replace(&mut monitor.phase, Phase::Running);
                    if let (Phase::Adopting { reports, .. }, Some(id)) = (phase, id_of(&key)) {
                        self.running.insert(id, reports);
                    }
                }
                self.finish_adoption();
            }
        }
    }

    /// Ends a call whose message cannot be sent.
    fn too_long(&mut self, op: OpId, text: String) {
        let Some((_, pending)) = self.pending.remove(&op) else { return };
        let (code, detail) = (Code::ERROR_INVALID_PARAMETER, Some(text.clone()));
        match pending {
            Pending::Policy(op) => self.events.push_back(MonitorEvent::Done { op, code, detail }),
            Pending::Open(op, instance) | Pending::Close(op, instance) => {
                self.forget_instance(instance);
                self.events.push_back(MonitorEvent::Done { op, code, detail });
            }
            Pending::Control => {
                self.events.push_back(MonitorEvent::Controlled { op, code, output: Hex::default() });
            }
            Pending::Consult => {
                self.events.push_back(MonitorEvent::Consulted { op, said: Said::Code(code) });
            }
            Pending::Visit(resource) => self.kept_out(&resource, code, &text),
            Pending::Context => self.no_context(op),
            Pending::Check => {
                let problems = vec![Problem { property: None, text }];
                let checked = Checked { op, code: Code::SUCCESS, detail: None, problems };
                self.events.push_back(MonitorEvent::Checked(checked));
            }
            Pending::Sync | Pending::Leave => {}
        }
    }

    /// Where news goes: behind `Adopted` until that has been said.
    fn queue(&mut self) -> &mut VecDeque<MonitorEvent> {
        if self.adopted { &mut self.events } else { &mut self.held }
    }

    fn resource(&self, instance: InstanceId) -> Option<ResourceName> {
        self.instances.get(&instance).map(|known| known.resource.clone())
    }

    /// Also of one that is open for a question only, of whose states nobody hears.
    fn named(&self, instance: InstanceId) -> Option<ResourceName> {
        self.resource(instance).or_else(|| self.visitor(instance))
    }

    fn news(&mut self, instance: InstanceId, news: News) {
        // News during adoption is in the answer to `Sync` too; news of a closed instance is nobody's.
        if let Some(resource) = self.resource(instance) {
            self.queue().push_back(MonitorEvent::Report(Report { resource, news }));
        }
    }
}

impl AsFd for Monitors {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
