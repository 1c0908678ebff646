//! The loop: everything that can happen goes into the policy, everything it wants done goes out.

use std::collections::{BTreeMap, VecDeque};
use std::process::ExitCode;
use std::sync::Arc;

use stead_api::{Controlled, Event as HistoryEvent, Explanation, Failure, Line};
use stead_monitor_protocol::{Answer as MonitorAnswer, Hex, InstanceId, KeyChange, OpId, ToMonitor};
use stead_policy::{
    Action, Answer, Change, Event, Level, News, Policy, Record, Refusal, Report, Request, RequestId, WriteId,
};
use stead_store::{Operation, Revision};
use stead_types::{Code, GroupName, NodeName, ResourceName};
use tokio::sync::oneshot;

use crate::apply::{Applying, Settling, Structural};
use crate::asked::Asker as MonitorAsker;
use crate::catalog::Catalog;
use crate::command::{Command, Input, Kind, Lines};
use crate::consult::Consulting;
use crate::edge::history::History;
use crate::edge::log::one_line;
use crate::edge::monitor::{MonitorEvent, Monitors, Opening};
use crate::edge::store::{self, Ticket, Unwritten, Writer};
use crate::edge::timer;
use crate::mailbox::Mailbox;
use crate::member::{Member, Move};
use crate::report::{self, Surroundings};

/// A request that has not ended.
#[derive(Debug)]
pub(crate) enum Asker {
    /// A resource DLL waits for the end.
    Monitor(MonitorAsker),
    /// A client reads the lines.
    Client { lines: Lines, no_wait: bool, concerns: Concerns },
    /// Part of the wait after an apply.
    Settling(u64),
    /// The node itself.
    Nobody,
}

/// Whose events a client is told while it waits.
#[derive(Debug)]
pub(crate) enum Concerns {
    Everything,
    Group(GroupName),
}

/// Who sent a control code.
#[derive(Debug)]
pub(crate) enum ControlAsker {
    /// A client.
    Client(oneshot::Sender<Result<Controlled, Failure>>),
    /// A resource DLL.
    Monitor(MonitorAsker),
}

/// What a resource DLL wants stored under its resource's keys.
#[derive(Debug)]
pub(crate) struct KeysToStore {
    pub(crate) asker: MonitorAsker,
    pub(crate) instance: InstanceId,
    pub(crate) changes: Vec<KeyChange>,
}

/// One node.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) policy: Policy,
    pub(crate) catalog: Catalog,
    pub(crate) monitors: Monitors,
    pub(crate) writer: Writer,
    pub(crate) history: Arc<History>,
    pub(crate) surroundings: Surroundings,
    /// One node among several.
    pub(crate) member: Option<Member>,
    /// The way to what other nodes have.
    pub(crate) mailbox: Option<Arc<Mailbox>>,
    pub(crate) started: bool,
    pub(crate) stopped: bool,
    /// Why the process has to end.
    pub(crate) failed: Option<String>,
    pub(crate) requests: BTreeMap<RequestId, Asker>,
    pub(crate) next_request: u64,
    /// What the policy wants stored. It comes first: whoever waits for a failover must not wait for resource DLLs that
    /// store without pause.
    pub(crate) writes: VecDeque<(WriteId, Vec<Change>)>,
    pub(crate) keys_to_store: VecDeque<KeysToStore>,
    pub(crate) writing: bool,
    pub(crate) controls: BTreeMap<OpId, ControlAsker>,
    /// Changes of the structure wait for their turn.
    pub(crate) queue: VecDeque<Structural>,
    pub(crate) applying: Option<Applying>,
    pub(crate) consulting: Option<Consulting>,
    pub(crate) structural: Option<RequestId>,
    /// What of a configuration is still to be stored.
    pub(crate) parts: Option<crate::parts::Parts>,
    pub(crate) settle_after: BTreeMap<RequestId, Vec<GroupName>>,
    pub(crate) settling: BTreeMap<u64, Settling>,
    pub(crate) next_settling: u64,
}

impl Node {
    /// What is due by time, and what follows from what was heard. False if there may be more to do at once.
    pub(crate) fn step(&mut self) -> bool {
        let idle = self.member_step();
        if self.started && self.policy.next_timeout().is_some_and(|at| at <= timer::now()) {
            self.policy.handle(Event::Timer, timer::now());
        }
        idle
    }

    /// How long there is nothing to do if nothing is heard.
    pub(crate) fn patience(&self) -> Option<std::time::Duration> {
        let member = self.member.as_ref().and_then(Member::next_timeout);
        let next = [self.policy.next_timeout(), member].into_iter().flatten().min();
        timer::until(next, timer::now())
    }

    // What comes in.

    pub(crate) fn heard(&mut self, event: MonitorEvent) -> Option<ExitCode> {
        self.mark_unpublished();
        let now = timer::now();
        match event {
            MonitorEvent::Contained { containment, restarts, held, blob } => {
                self.surroundings = Surroundings { containment: containment.describe().to_owned(), restarts };
                tracing::info!(containment = containment.describe(), restarts, "guardian greeted");
                self.greeted(held.as_ref(), blob.as_deref());
            }
            MonitorEvent::Lapsed => self.lapsed(),
            MonitorEvent::LeftBehind { group, what } => self.left_behind(group, &what),
            MonitorEvent::Left { what } => self.left_on_machine(&what),
            MonitorEvent::Begun { session } => self.leases_begun(session),
            MonitorEvent::Empty { session } => self.emptied(session),
            MonitorEvent::Refused { error } => self.guardian_refused(&error),
            MonitorEvent::GuardianAnswered { question } => {
                self.session_event(stead_lease::Event::GuardianAnswered { question });
            }
            MonitorEvent::Adopted(running) => {
                let count = running.len();
                let groups = running.iter().map(|(monitor, _)| monitor.group.clone()).collect();
                self.adopt_groups(&groups);
                self.policy.handle(Event::Start { running }, now);
                self.started = true;
                let text = match (self.surroundings.restarts, count) {
                    (0, _) => "the node started".to_owned(),
                    (_, count) => {
                        format!("the node started again; {count} Resource Monitors ran on meanwhile")
                    }
                };
                self.record(Record {
                    id: 10_005,
                    level: Level::Information,
                    group: None,
                    resource: None,
                    code: Code::SUCCESS,
                    text,
                });
            }
            MonitorEvent::Started(monitor) => self.policy.handle(Event::MonitorStarted { monitor }, now),
            MonitorEvent::Lost { monitor, lost, output } => {
                if !output.is_empty() {
                    tracing::warn!(%monitor, output, "last output of a lost monitor");
                }
                self.policy.handle(Event::MonitorLost { monitor, lost }, now);
            }
            MonitorEvent::Report(report) => self.report(report),
            MonitorEvent::Done { op, code, detail } => {
                if let Some(detail) = detail {
                    tracing::info!(code = %code, detail, "call ended");
                }
                self.policy.handle(Event::Done { op, code }, now);
            }
            MonitorEvent::NotOpened { resource, code, text } => {
                let group = self.group_of(&resource);
                let text = format!("resource \"{resource}\" could not be opened: {}", one_line(&text));
                let resource = Some(resource);
                self.record(Record { id: 10_007, level: Level::Error, group, resource, code, text });
            }
            MonitorEvent::Controlled { op, code, output } => {
                match self.controls.remove(&op) {
                    Some(ControlAsker::Client(answer)) => {
                        let result = report::code(code);
                        let _ = answer.send(Ok(Controlled { result, output: output.to_string() }));
                    }
                    Some(ControlAsker::Monitor(asker)) => {
                        let output = MonitorAnswer::Output(output);
                        self.monitors.answer(&asker.monitor, asker.ask, code, output);
                    }
                    None => {}
                }
                // A code for a type may have been the last thing that the monitor which checks was there for.
                if self.applying.is_none() && self.consulting.is_none() {
                    self.monitors.end_checks();
                }
            }
            MonitorEvent::Asked { asker, question } => self.asked(asker, question),
            MonitorEvent::Checked(checked) => self.checked(checked),
            MonitorEvent::Consulted { op, said } => self.consulted(op, said),
            MonitorEvent::Context { op, buffers } => self.context_said(op, buffers),
            MonitorEvent::Log { resource, level, text } => {
                let resource = resource.map(|name| name.to_string()).unwrap_or_default();
                let text = one_line(&text);
                tracing::info!(resource, level = ?level, "{text}");
            }
            MonitorEvent::Violation { resource, rule, text } => {
                let group = resource.as_ref().and_then(|name| self.group_of(name));
                let text = format!("the resource DLL broke the rule {rule}: {text}");
                let level = Level::Warning;
                self.record(Record { id: 10_004, level, group, resource, code: Code::SUCCESS, text });
            }
            MonitorEvent::Shutdown { reason } => {
                tracing::info!(reason, "shutdown");
                self.leave(None);
            }
            MonitorEvent::GuardianGone => {
                tracing::error!("the guardian is gone: the node ends");
                return Some(ExitCode::FAILURE);
            }
        }
        None
    }

    fn report(&mut self, report: Report) {
        if let News::Checkpoint(checkpoint) = &report.news {
            let text = format!("resource \"{}\": checkpoint {checkpoint}", report.resource);
            let event = self.event(&Record {
                id: 10_006,
                level: Level::Information,
                group: self.group_of(&report.resource),
                resource: Some(report.resource.clone()),
                code: Code::SUCCESS,
                text,
            });
            self.history.mention(event.clone());
            self.tell(&event);
        }
        self.policy.handle(Event::Report(report), timer::now());
    }

    pub(crate) fn group_of(&self, resource: &ResourceName) -> Option<GroupName> {
        let groups = &self.policy.config().groups;
        groups.values().find(|group| group.resources.contains_key(resource)).map(|group| group.name.clone())
    }

    pub(crate) fn input(&mut self, input: Input) {
        match input {
            Input::Written((ticket, result)) => self.written(ticket, result),
            Input::Command(command) => self.command(command),
            Input::Told(told) => self.told(told),
        }
    }

    fn command(&mut self, command: Command) {
        match command {
            Command::Status(answer) => {
                let _ = answer.send(self.status());
            }
            Command::Config(answer) => drop(answer.send(self.catalog.documented())),
            Command::Situation(answer) => drop(answer.send(self.situation())),
            Command::Settings(answer) => {
                let settings = self.policy.config().settings.clone().unwrap_or_default();
                let _ = answer.send(report::settings(&settings));
            }
            Command::Owner(kind, name, answer) => drop(answer.send(self.elsewhere(kind, &name))),
            Command::Explainer(kind, name, answer) => {
                let asked = self.elsewhere(kind, &name).filter(|node| self.answers(node));
                drop(answer.send(asked));
            }
            Command::Explain(kind, name, answer) => drop(answer.send(self.explain(kind, &name))),
            Command::Control(resource, control, answer) => self.control(&resource, &control, answer),
            Command::TypeControl(name, control, answer) => self.type_control(&name, &control, answer),
            Command::Apply(apply, lines) => {
                self.queue.push_back(Structural::Apply(apply, lines));
                self.next_structural();
            }
            Command::Fencing(node, ask, by, lines) => self.ask_fencing(node, ask, &by, lines),
            Command::Request { request, no_wait, lines } => self.requested(request, no_wait, lines),
        }
    }

    fn requested(&mut self, request: Request, no_wait: bool, lines: Lines) {
        if let Some(refusal) = self.stands_in_the_way(&request) {
            let _ = lines.send(report::answer(Err(refusal)));
            return;
        }
        match request {
            Request::DeleteGroup { .. }
            | Request::DeleteResource { .. }
            | Request::DeleteType { .. }
            | Request::DeleteGroupSet { .. } => {
                self.queue.push_back(Structural::Request { request, no_wait, lines });
                self.next_structural();
            }
            Request::Apply(_)
            | Request::OnlineResource { .. }
            | Request::OfflineResource { .. }
            | Request::RestartResource { .. }
            | Request::FailResource { .. }
            | Request::ResourceMaintenance { .. }
            | Request::OnlineGroup { .. }
            | Request::OfflineGroup { .. }
            | Request::CancelGroup { .. }
            | Request::SettleGroup { .. }
            | Request::CancelResource { .. } => drop(self.ask(request, no_wait, Some(lines))),
            Request::MoveGroup { group, to, flags, in_buffers } if self.member.is_some() => {
                self.ask_move(Move { group, to, flags, in_buffers }, no_wait, lines);
            }
            Request::PauseNode { .. } | Request::ResumeNode { .. } if self.member.is_some() => {
                self.ask_node(request, no_wait, lines);
            }
            Request::MoveGroup { .. } | Request::PauseNode { .. } | Request::ResumeNode { .. } => {
                self.ask(request, no_wait, Some(lines));
            }
            Request::Shutdown => self.leave(Some(lines)),
        }
    }

    /// The group of this name, or the one of the resource of this name.
    fn group_meant(&self, kind: Kind, name: &str) -> Option<GroupName> {
        let named: Option<GroupName> = name.parse().ok();
        let named = named.filter(|group| self.policy.config().groups.contains_key(group));
        let of_resource = || self.group_of(&name.parse().ok()?);
        match kind {
            Kind::Group => named,
            Kind::Resource => of_resource(),
            Kind::Any => named.or_else(of_resource),
        }
    }

    /// The node that has a group or a resource, if that is another one.
    fn elsewhere(&self, kind: Kind, name: &str) -> Option<NodeName> {
        self.member.as_ref()?.owner_elsewhere(&self.group_meant(kind, name)?)
    }

    /// Everything as it is now.
    pub(crate) fn status(&self) -> stead_api::Status {
        let mut status = report::status(self.policy.view(), timer::now(), &self.surroundings, |name| {
            self.monitors.process(name)
        });
        self.add_elsewhere(&mut status);
        status
    }

    fn explain(&self, kind: Kind, name: &str) -> Option<Explanation> {
        if let Some(lines) = self.group_meant(kind, name).and_then(|group| self.explain_unserved(&group)) {
            return Some(Explanation { lines });
        }
        let now = timer::now();
        let group = || self.policy.explain_group(&name.parse().ok()?, now);
        let resource = || self.policy.explain_resource(&name.parse().ok()?, now);
        let lines = match kind {
            Kind::Group => group(),
            Kind::Resource => resource(),
            Kind::Any => group().or_else(resource),
        };
        lines.map(|mut lines| {
            lines.extend(self.explain_place(kind, name));
            Explanation { lines }
        })
    }

    /// Asks the policy; the answer goes to `lines`.
    pub(crate) fn ask(&mut self, request: Request, no_wait: bool, lines: Option<Lines>) -> RequestId {
        let asker = match lines {
            None => Asker::Nobody,
            Some(lines) => {
                let group = match &request {
                    Request::OnlineGroup { group, .. }
                    | Request::OfflineGroup { group, .. }
                    | Request::MoveGroup { group, .. }
                    | Request::CancelGroup { group }
                    | Request::SettleGroup { group }
                    | Request::DeleteGroup { group, .. } => Some(group.clone()),
                    Request::OnlineResource { resource, .. }
                    | Request::OfflineResource { resource, .. }
                    | Request::RestartResource { resource }
                    | Request::FailResource { resource }
                    | Request::ResourceMaintenance { resource, .. }
                    | Request::CancelResource { resource }
                    | Request::DeleteResource { resource, .. } => self.group_of(resource),
                    Request::Apply(_)
                    | Request::DeleteType { .. }
                    | Request::DeleteGroupSet { .. }
                    | Request::PauseNode { .. }
                    | Request::ResumeNode { .. }
                    | Request::Shutdown => None,
                };
                let concerns = group.map_or(Concerns::Everything, Concerns::Group);
                Asker::Client { lines, no_wait, concerns }
            }
        };
        self.enter(request, asker)
    }

    /// Asks whether a group is as wanted, for an apply.
    pub(crate) fn ask_settled(&mut self, group: GroupName, settling: u64) {
        self.enter(Request::SettleGroup { group }, Asker::Settling(settling));
    }

    pub(crate) fn enter(&mut self, request: Request, asker: Asker) -> RequestId {
        self.next_request += 1;
        let id = RequestId(self.next_request);
        self.requests.insert(id, asker);
        self.policy.handle(Event::Request { id, request }, timer::now());
        id
    }

    // What goes out.

    pub(crate) fn carry_out(&mut self, action: Action) {
        self.mark_unpublished();
        match action {
            Action::Accept { id } => {
                if let Some(Asker::Client { lines, no_wait, .. }) = self.requests.get(&id) {
                    let _ = lines.send(Line::Accepted);
                    if *no_wait {
                        let _ = lines.send(Line::Done { state: None });
                        self.requests.insert(id, Asker::Nobody);
                    }
                }
            }
            Action::Finish { id, answer } => self.finished(id, answer),
            Action::Write { write, changes } => self.writes.push_back((write, changes)),
            Action::StartMonitor { monitor } => self.monitors.start(&monitor),
            Action::StopMonitor { monitor } => self.monitors.stop(&monitor),
            Action::Open { op, monitor, resource } => match self.opening(&resource) {
                Some(opening) => self.monitors.open(op, &monitor, &resource, opening),
                None => {
                    self.policy.handle(Event::Done { op, code: Code::ERROR_RESOURCE_NOT_FOUND }, timer::now())
                }
            },
            Action::Close { op, resource, deleting } => self.monitors.close(op, &resource, deleting),
            Action::Online { op, resource, flags, in_buffer } => {
                self.monitors.call(op, &resource, |op, instance| ToMonitor::Online {
                    op,
                    instance,
                    flags,
                    in_buffer: in_buffer.map(Hex),
                })
            }
            Action::Offline { op, resource, flags, destination, in_buffer, reason } => {
                self.monitors.call(op, &resource, |op, instance| ToMonitor::Offline {
                    op,
                    instance,
                    destination,
                    flags,
                    in_buffer: in_buffer.map(Hex),
                    reason,
                });
            }
            Action::Terminate { op, resource } => {
                self.monitors.call(op, &resource, |op, instance| ToMonitor::Terminate { op, instance });
            }
            Action::Cancel { op, resource } => {
                self.monitors.call(op, &resource, |op, instance| ToMonitor::Cancel { op, instance });
            }
            Action::Fail { op, resource } => {
                self.monitors.call(op, &resource, |op, instance| ToMonitor::Fail { op, instance });
            }
            Action::Maintenance { resource, on } => self.monitors.maintenance(&resource, on),
            Action::Update { op, resource } => {
                let Some(Opening { properties, keys, timing, .. }) = self.opening(&resource) else { return };
                self.monitors.call(op, &resource, |op, instance| ToMonitor::Update {
                    op,
                    instance,
                    properties,
                    keys,
                    timing,
                });
            }
            Action::AskContext { group, context } => self.ask_context(&group, context),
            Action::Release { group, release } => self.released(group, release),
            Action::Moved { group, code, detail } => self.moved(group, code, detail),
            Action::ProviderChanged { resource, provider, state } => {
                self.monitors.provider_changed(&resource, provider, state);
            }
            Action::Record(record) => self.record(record),
            Action::Stopped => self.all_offline(),
        }
    }

    pub(crate) fn opening(&self, name: &ResourceName) -> Option<Opening> {
        let config = self.policy.config();
        let resource = config.groups.values().find_map(|group| group.resources.get(name))?;
        let body = self.catalog.body(config, resource);
        Some(Opening {
            type_name: resource.type_name.clone(),
            library: body.library,
            properties: body.properties,
            keys: body.keys,
            timing: body.timing,
        })
    }

    fn finished(&mut self, id: RequestId, answer: Result<Answer, Refusal>) {
        let Some(answer) = self.part_ended(id, answer) else { return };
        let asker = self.requests.remove(&id);
        let settle = self.settle_after.remove(&id);
        match (asker, settle) {
            (Some(Asker::Client { lines, .. }), Some(groups)) if answer == Ok(Answer::Done) => {
                self.settle(groups, false, lines);
            }
            (Some(Asker::Client { lines, .. }), _) => drop(lines.send(report::answer(answer))),
            (Some(Asker::Settling(number)), _) => {
                let failure = match report::answer(answer) {
                    Line::Failed(failure) | Line::Refused(failure) => Some(failure),
                    Line::Accepted
                    | Line::Progress(_)
                    | Line::Warnings(_)
                    | Line::Plan(_)
                    | Line::Done { .. }
                    | Line::Problems(_)
                    | Line::Cancelled => None,
                };
                self.settled_one(number, failure);
            }
            (Some(Asker::Monitor(asker)), _) => {
                let answer = match answer {
                    Ok(Answer::Failed { code, .. }) => Err(code),
                    Ok(Answer::Cancelled) => Err(Code::ERROR_CANCELLED),
                    Ok(Answer::Resource(_) | Answer::Group(_) | Answer::Done) => Ok(MonitorAnswer::Nothing),
                    Err(Refusal { code, .. }) => Err(code),
                };
                self.answer(&asker, answer);
            }
            (Some(Asker::Nobody) | None, _) => {}
        }
        if self.structural == Some(id) {
            self.structural = None;
            self.next_structural();
        }
    }

    /// One write at a time: each is made from what the last one left.
    pub(crate) fn next_write(&mut self) {
        while !self.writing {
            let (ticket, operations) = if let Some((write, changes)) = self.writes.pop_front() {
                (Ticket::Policy(write), self.catalog.operations(&changes))
            } else if let Some(keys) = self.keys_to_store.pop_front() {
                let Some(operations) = self.keys_to_write(&keys) else { continue };
                (Ticket::Keys(keys.asker), operations)
            } else {
                return;
            };
            self.writing = true;
            let guards = self.catalog.guards(&operations);
            self.writer.write(ticket, guards, operations);
        }
    }

    fn written(&mut self, ticket: Ticket, result: Result<(Revision, Vec<Operation>), Unwritten>) {
        self.writing = false;
        let result = match result {
            Ok((revision, operations)) => {
                self.catalog.take(operations, revision);
                Ok(())
            }
            Err(error) => Err(store::code_of(&error)),
        };
        match ticket {
            Ticket::Policy(write) => {
                self.policy.handle(Event::Written { write, result }, timer::now());
                self.refresh_all();
                self.remove_leftovers();
            }
            Ticket::Keys(asker) => self.answer(&asker, result.map(|()| MonitorAnswer::Nothing)),
        }
    }

    fn event(&self, record: &Record) -> HistoryEvent {
        HistoryEvent {
            sequence: 0,
            node: self.member.is_some().then(|| self.name().to_string()),
            time_ms: timer::wall_clock_ms(),
            id: record.id,
            level: report::level(record.level).to_owned(),
            group: record.group.as_ref().map(ToString::to_string),
            resource: record.resource.as_ref().map(ToString::to_string),
            error: report::error(record.code),
            text: record.text.clone(),
        }
    }

    pub(crate) fn record(&mut self, record: Record) {
        let event = self.history.add(self.event(&record));
        let group = record.group.as_ref().map(ToString::to_string).unwrap_or_default();
        let resource = record.resource.as_ref().map(ToString::to_string).unwrap_or_default();
        let error = record.code.0;
        match record.level {
            Level::Information => tracing::info!(id = record.id, group, resource, error, "{}", record.text),
            Level::Warning => tracing::warn!(id = record.id, group, resource, error, "{}", record.text),
            Level::Error | Level::Critical => {
                tracing::error!(id = record.id, group, resource, error, "{}", record.text)
            }
        }
        self.tell(&event);
        self.writer.event(event);
    }

    /// Tells clients that wait for something about it.
    pub(crate) fn tell(&self, event: &HistoryEvent) {
        for asker in self.requests.values() {
            if let Asker::Client { lines, concerns, .. } = asker {
                let told = match concerns {
                    Concerns::Everything => true,
                    Concerns::Group(group) => {
                        event.group.as_deref().is_some_and(|of| of.eq_ignore_ascii_case(group.as_str()))
                    }
                };
                if told {
                    let _ = lines.send(Line::Progress(event.clone()));
                }
            }
        }
        for settling in self.settling.values() {
            let _ = settling.lines.send(Line::Progress(event.clone()));
        }
        self.tell_movers(event);
    }
}
