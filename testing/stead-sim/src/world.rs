//! The loop: one heap of events in real time, which nobody inside can see.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use stead_lease::{Guard, Machine, Mutants, Params, Profile, RequestId, Session, Sid, Watchdog};
use stead_policy::cluster::{Settings, Unwritten};
use stead_policy::{ClusterConfig, MonitorId, OpId};
use stead_types::{GroupName, NodeName, ResourceName, Time};

use crate::agenda::Agenda;
use crate::brain::{Call, Hosts, Sickness};
use crate::clock::Clock;
use crate::fault::{Fault, Kind, MILLI, SECOND};
use crate::node::{Input, Node, Process};
use crate::random::Random;
use crate::steps::Steps;
use crate::store::{Key, Own, Paper, Store};

/// Who decides about groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupsBy {
    /// A few lines, which take little time.
    Simple,
    /// The coordinator, the owner and the policy of the product.
    Production,
    /// The one or the other: production where the seed is odd.
    Seed,
}

/// What a run is made of, besides its seed.
#[derive(Clone, Debug)]
pub struct Setup {
    /// How many nodes; drawn from 2 to 16 if not given.
    pub nodes: Option<usize>,
    /// How many groups.
    pub groups: Option<usize>,
    /// For how long faults come, in seconds of real time. The run lasts longer.
    pub seconds: u64,
    /// Wrong versions of the protocol.
    pub mutants: Mutants,
    /// Every node has these timings, and successors wait for `wait` if that is given.
    pub timings: Option<(Params, Option<Duration>)>,
    /// Who decides about groups.
    pub groups_by: GroupsBy,
    /// No fault at all.
    pub quiet: bool,
    /// Everything that happens is told on standard error.
    pub trace: bool,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            nodes: None,
            groups: None,
            seconds: 100,
            mutants: Mutants::NONE,
            timings: None,
            groups_by: GroupsBy::Seed,
            quiet: false,
            trace: false,
        }
    }
}

/// A rule that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which invariant, such as `I1`.
    pub invariant: &'static str,
    /// When, in nanoseconds of real time.
    pub at: u64,
    /// What happened.
    pub what: String,
}

impl std::fmt::Display for Violation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} at {:.6} s: {}", self.invariant, self.at as f64 / SECOND as f64, self.what)
    }
}

/// What a run did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Tally {
    /// Events handled.
    pub events: u64,
    /// Real time that passed in it, in nanoseconds.
    pub nanos: u64,
    /// Times a group was started.
    pub starts: u64,
    /// Sessions marked dead by another node.
    pub takeovers: u64,
    /// Times a node lost its session or let it lapse.
    pub lapses: u64,
    /// Quarantines.
    pub quarantines: u64,
    /// Steps of the machines.
    pub steps: Steps,
}

impl Tally {
    /// Counts another run.
    pub fn add(&mut self, other: &Tally) {
        let Tally { events, nanos, starts, takeovers, lapses, quarantines, steps } = other;
        self.steps.add(steps);
        self.events += events;
        self.nanos += nanos;
        self.starts += starts;
        self.takeovers += takeovers;
        self.lapses += lapses;
        self.quarantines += quarantines;
    }
}

#[derive(Clone, Debug)]
pub(crate) enum Ask {
    Session {
        request: RequestId,
        name: usize,
        guard: Guard,
        session: Arc<Session>,
        blind: bool,
        sent: Time,
    },
    Read {
        request: RequestId,
        name: usize,
    },
    Own {
        group: usize,
        guard: u64,
        own: Own,
        blind: bool,
    },
    Papers {
        token: u64,
        guards: Vec<(Key, Option<u64>)>,
        puts: Vec<(Key, Arc<Paper>)>,
    },
    List,
    /// What became of this write. If it has not happened it never will.
    Settle {
        token: u64,
    },
}

#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) from: usize,
    pub(crate) epoch: u64,
    pub(crate) incarnation: u64,
    pub(crate) answered: bool,
    pub(crate) ask: Ask,
}

#[allow(
    clippy::large_enum_variant,
    reason = "most of them are of the largest kinds, and none is moved about"
)]
#[derive(Clone, Debug)]
pub(crate) enum Happening {
    Wake {
        node: usize,
    },
    Tick {
        node: usize,
        epoch: u64,
    },
    Arrive(Request),
    Deliver {
        node: usize,
        epoch: u64,
        incarnation: u64,
        input: Input,
    },
    GuardFires {
        node: usize,
    },
    Dead {
        node: usize,
        group: usize,
        id: u64,
    },
    Begin(usize),
    End(usize),
    PowerOn {
        node: usize,
    },
    StartProcess {
        node: usize,
    },
    FencedAgain {
        name: usize,
        sid: Sid,
    },
    Snapshot,
    /// The brain of a node looks again.
    Think {
        node: usize,
        epoch: u64,
    },
    /// A Resource Monitor has ended.
    MonitorGone {
        node: usize,
        group: usize,
        id: u64,
        monitor: MonitorId,
    },
    /// A call into one has come to its end.
    Called {
        node: usize,
        epoch: u64,
        id: u64,
        op: OpId,
        resource: ResourceName,
        call: Call,
    },
}

/// A cluster and the world around it.
pub(crate) struct World {
    pub(crate) now: u64,
    pub(crate) agenda: Agenda,
    pub(crate) random: Random,
    pub(crate) mutants: Mutants,
    pub(crate) wait: Option<Duration>,
    pub(crate) names: Vec<NodeName>,
    pub(crate) numbers: BTreeMap<NodeName, usize>,
    pub(crate) nodes: Vec<Node>,
    pub(crate) store: Store,
    pub(crate) faults: Vec<Fault>,
    pub(crate) down: (u64, u64),
    pub(crate) refuses: u64,
    pub(crate) latency: u64,
    pub(crate) contend: bool,
    pub(crate) trust_reboot: bool,
    pub(crate) calm: bool,
    pub(crate) trace: bool,
    pub(crate) remember: bool,
    pub(crate) ids: u64,
    /// The highest generation of each group that was ever started.
    pub(crate) started: Vec<u64>,
    /// What was ever committed, by group: generation, node and session.
    pub(crate) committed: Vec<BTreeSet<(u64, usize, Sid)>>,
    /// The production code decides about groups.
    pub(crate) production: bool,
    pub(crate) config: ClusterConfig,
    pub(crate) settings: Settings,
    pub(crate) groups: Vec<GroupName>,
    pub(crate) group_numbers: BTreeMap<GroupName, usize>,
    /// Which group each resource is in.
    pub(crate) resource_groups: BTreeMap<ResourceName, usize>,
    /// For how long a coordinator rests after it has decided.
    pub(crate) rest: u64,
    pub(crate) sick: Sickness,
    /// The generations of each group that came by a failover.
    pub(crate) failovers: Vec<BTreeSet<u64>>,
    /// What became of each write of the configuration, by node, its process and number: it happens at most once.
    pub(crate) settled: BTreeMap<(usize, u64, u64), Result<u64, Unwritten>>,
    /// How many changes of what is wanted of each group were stored.
    pub(crate) wishes: Vec<usize>,
    pub(crate) violation: Option<Violation>,
    pub(crate) tally: Tally,
}

/// More events than this at one instant are no cluster at work: something is asked again and again.
pub(crate) const MOST_AT_ONCE: u64 = 200_000;

/// More requests than this of one node within a second of its time are none either: the database would have no rest.
pub(crate) const MOST_A_SECOND: u64 = 2_000;

/// A node that its supervisor starts again waits for this long.
pub(crate) const RESTART: u64 = 2 * SECOND;

impl World {
    pub(crate) fn run(
        seed: u64,
        setup: &Setup,
        faults: Option<&[Fault]>,
    ) -> (Tally, Vec<Fault>, Option<Violation>) {
        let mut world = World::new(seed, setup, faults);
        let last_fault = world.faults.iter().map(|fault| fault.from + fault.lasts).max().unwrap_or(0);
        let longest = world.nodes.iter().map(|node| node.params.wait(node.params.rho_ppm)).max();
        let longest = longest.map_or(0, |wait| u64::try_from(wait.as_nanos()).unwrap_or(0));
        // A quarantine, a name that is waited for, a takeover; twice, since the last clone may be refused in between.
        let edited = world.faults.iter().any(|fault| fault.kind == Kind::SessionEdited);
        // Timings that make no sense, or that nobody knows any more, are waited for as if they were the longest.
        let restored = world.faults.iter().any(|fault| fault.kind == Kind::Restored);
        let longest = if edited || restored { longest.max(25 * SECOND) } else { longest };
        let end = last_fault.max(setup.seconds * SECOND) + 5 * longest + 15 * SECOND;
        world.go_on(end);
        if world.violation.is_none() {
            world.now = end;
            world.finish();
        }
        world.tally.nanos = world.now;
        (world.tally, world.faults, world.violation)
    }

    /// Everything up to that instant, or up to the first rule that is broken.
    pub(crate) fn go_on(&mut self, end: u64) {
        let mut at_once = 0;
        while self.violation.is_none() {
            let Some((at, happening)) = self.agenda.pop(end) else { return };
            at_once = if at == self.now { at_once + 1 } else { 0 };
            self.now = at;
            if at_once == MOST_AT_ONCE {
                let what = format!("time stands still: {MOST_AT_ONCE} events, the last is {happening:?}");
                self.broken("I12", what);
            }
            self.tally.events += 1;
            self.say(|| format!("{happening:?}"));
            self.happen(happening);
        }
    }

    pub(crate) fn new(seed: u64, setup: &Setup, faults: Option<&[Fault]>) -> World {
        let mut random = Random::new(seed);
        let count = setup.nodes.unwrap_or_else(|| match random.next() % 4 {
            0 => 2,
            1 => 3,
            2 => 5,
            _ => 2 + random.below(15),
        });
        let groups = setup.groups.unwrap_or_else(|| 1 + random.below(4));
        let calm = random.once_in(20);
        let mixed = random.once_in(2);
        let profiles = [Profile::Fast, Profile::Default, Profile::Patient];
        let dogs = [Watchdog::Absent, Watchdog::Absent, Watchdog::Used];
        let shared = (profiles[random.below(2)], dogs[random.below(3)]);
        let steps = (random.extreme(0, 100), random.extreme(1, 20 * 1_000));
        let mut nodes = Vec::new();
        for index in 0..=count {
            let (profile, dog) =
                if mixed { (profiles[random.below(3)], dogs[random.below(3)]) } else { shared };
            let params = setup.timings.map_or_else(|| profile.params(dog), |(params, _)| params);
            let rho = u64::from(params.rho_ppm);
            let rate = 1_000_000 - rho + random.extreme(0, 2 * rho);
            let clock = Clock::new(0, random.extreme(SECOND, 900 * SECOND), rate);
            nodes.push(Self::node(index, params, clock, groups));
        }
        let names: Vec<NodeName> =
            (0..count).filter_map(|index| NodeName::new(&format!("n{index}")).ok()).collect();
        let numbers = names.iter().cloned().enumerate().map(|(index, name)| (name, index)).collect();
        let survives = nodes.iter().map(|node| node.params.survives()).min().unwrap_or_default();
        let longest = u64::try_from(survives.as_nanos()).unwrap_or(0).saturating_sub(100 * MILLI);
        let mut planner = Random::new(seed ^ 0x000f_a017);
        let planned = if setup.quiet {
            Vec::new()
        } else {
            crate::fault::plan(&mut planner, count, setup.seconds, calm.then_some(longest))
        };
        let production = match setup.groups_by {
            GroupsBy::Simple => false,
            GroupsBy::Production => true,
            GroupsBy::Seed => seed % 2 == 1,
        };
        let mut planned = planned;
        if production && !setup.quiet && !calm {
            planned.extend(crate::fault::of_groups(&mut planner, count, setup.seconds));
        }
        if !setup.quiet && !calm {
            planned.extend(crate::fault::lost_for_good(&mut planner, count, setup.seconds));
            planned.sort_by_key(|fault| fault.from);
        }
        let (mut config, mut settings) = (ClusterConfig::default(), Settings::default());
        if production {
            config = crate::brain::configuration(&mut planner, &names, groups);
            settings = crate::brain::settings(&mut planner);
        }
        let faults = faults.map_or(planned, <[Fault]>::to_vec);
        let remember = faults.iter().any(|fault| matches!(fault.kind, Kind::Restored | Kind::StaleReads));
        let mut world = World {
            now: 0,
            agenda: Agenda::default(),
            mutants: setup.mutants,
            wait: setup.timings.and_then(|(_, wait)| wait),
            names,
            numbers,
            nodes,
            store: Store::new(count, groups),
            faults,
            down: (0, 0),
            refuses: 0,
            latency: if calm { 1 + steps.0 } else { 1_000 * (1 + steps.1) },
            contend: random.once_in(3),
            trust_reboot: random.once_in(2),
            calm: calm && !setup.quiet,
            trace: setup.trace,
            remember,
            ids: 0,
            started: vec![0; groups],
            committed: vec![BTreeSet::new(); groups],
            production,
            groups: config.groups.keys().cloned().collect(),
            group_numbers: config.groups.keys().cloned().enumerate().map(|(at, name)| (name, at)).collect(),
            resource_groups: config
                .groups
                .values()
                .enumerate()
                .flat_map(|(at, group)| group.resources.keys().map(move |name| (name.clone(), at)))
                .collect(),
            rest: planner.extreme(0, 20 * MILLI),
            config,
            settings,
            sick: Sickness::new(),
            failovers: vec![BTreeSet::new(); groups],
            settled: BTreeMap::new(),
            wishes: vec![0; groups],
            violation: None,
            tally: Tally::default(),
            random,
        };
        for index in 0..world.faults.len() {
            let fault = world.faults[index];
            world.push(fault.from, Happening::Begin(index));
        }
        if world.remember {
            world.push(SECOND, Happening::Snapshot);
        }
        for node in 0..count {
            let at = world.random.extreme(0, SECOND);
            world.push(at, Happening::PowerOn { node });
        }
        world
    }

    pub(crate) fn node(index: usize, params: Params, clock: Clock, groups: usize) -> Node {
        let nobody = Own { generation: 0, node: 0, sid: Sid(0), released: true, order: None };
        Node {
            name: index,
            params,
            clock,
            on: false,
            lost: false,
            boot: 0,
            machine_id: index as u64,
            dmi: index as u64,
            asleep: None,
            sleeps_until: 0,
            kept: None,
            guard_sid: Sid(0),
            guard_deadline: Time::ZERO,
            fire_at: 0,
            guardian_stopped: 0,
            late_arm: None,
            owes_gone: false,
            live: vec![None; groups],
            hosts: vec![Hosts::new(); groups],
            unheard: BTreeMap::new(),
            brain: None,
            process: Process::Down,
            epoch: 0,
            stopped_until: 0,
            machine: Machine::new(placeholder()),
            wake_at: 0,
            woke: 0,
            view: vec![(0, nobody); groups],
            pending: vec![0; groups],
            confirm: vec![false; groups],
            leaving: false,
            stale: false,
            missed: 0,
            dirty: false,
            assumed_dead: None,
            knows: 0,
            doubted: false,
            start_at: 0,
            sent: (0, 0),
            requests_lost: 0,
            answers_lost: 0,
            slow: (0, 0),
            twice: 0,
            silent: 0,
            stale_reads: 0,
            granted: (Sid(0), Time::ZERO),
        }
    }

    pub(crate) fn push(&mut self, at: u64, happening: Happening) {
        self.agenda.push(at.max(self.now), happening);
    }

    pub(crate) fn broken(&mut self, invariant: &'static str, what: String) {
        if self.violation.is_none() {
            self.violation = Some(Violation { invariant, at: self.now, what });
        }
    }

    /// Tells what happens, when somebody asked for it.
    pub(crate) fn say(&self, what: impl FnOnce() -> String) {
        if self.trace {
            eprintln!("{:12.6} {}", self.now as f64 / SECOND as f64, what());
        }
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::Wake { node } => self.wake(node),
            Happening::Tick { node, epoch } => self.tick(node, epoch),
            Happening::Arrive(request) => self.arrive(request),
            Happening::Deliver { node, epoch, incarnation, input } => {
                self.deliver(node, epoch, incarnation, input);
            }
            Happening::GuardFires { node } => self.guard_fires(node),
            Happening::Dead { node, group, id } => self.dead(node, group, id),
            Happening::Begin(fault) => self.begin(fault),
            Happening::End(fault) => self.end(fault),
            Happening::PowerOn { node } => self.power_on(node),
            Happening::StartProcess { node } => self.start_process(node),
            Happening::FencedAgain { name, sid } => self.tell_fenced(name, sid),
            Happening::Think { node, epoch } => {
                let of = &self.nodes[node];
                if of.epoch == epoch && of.process == Process::Running {
                    match self.held(node) {
                        Some(until) => self.push(until, Happening::Think { node, epoch }),
                        None => self.drive(node),
                    }
                }
            }
            Happening::MonitorGone { node, group, id, monitor } => {
                self.monitor_gone(node, group, id, monitor);
            }
            Happening::Called { node, epoch, id, op, resource, call } => {
                self.called((node, epoch, id), op, resource, call);
            }
            Happening::Snapshot => {
                let now = self.store.now.clone();
                self.store.past.push(now);
                self.push(self.now + SECOND, Happening::Snapshot);
            }
        }
    }
}

fn placeholder() -> NodeName {
    match NodeName::new("none") {
        Ok(name) => name,
        Err(error) => unreachable!("{error}"),
    }
}
