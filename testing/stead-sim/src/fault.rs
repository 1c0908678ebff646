use crate::random::Random;

/// A second, in nanoseconds.
pub(crate) const SECOND: u64 = 1_000_000_000;
pub(crate) const MILLI: u64 = 1_000_000;

/// What goes wrong, or what an operator does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// The node process is stopped and goes on after a while; the kernel's timers do not care.
    ProcessStopped,
    /// The node process is killed; another one adopts what runs.
    ProcessKilled,
    /// The guardian is killed and everything of the machine with it; it is started again.
    GuardianKilled,
    /// The guardian is stopped: it hears of new deadlines late.
    GuardianStopped,
    /// The machine loses its power, and gets it back.
    PowerCut,
    /// The machine loses its power and does not get it back.
    PowerLost,
    /// A fence agent switches the machine off and says so, now and again much later; then it is started.
    Fenced,
    /// The machine sleeps.
    Suspended,
    /// Nothing passes between the node and the store.
    Partition,
    /// What the node asks arrives, the answers do not.
    AnswersLost,
    /// What the node asks does not arrive.
    RequestsLost,
    /// Everything between the node and the store takes long.
    Slow,
    /// Requests arrive twice, the second time much later.
    Duplicates,
    /// The node's watch is silent; it lists again afterwards.
    WatchSilent,
    /// Reads and lists show what was.
    StaleReads,
    /// The store does not answer; what was asked is lost, or waits.
    StoreDown,
    /// The store refuses at once.
    StoreRefuses,
    /// The store is restored from a backup.
    Restored,
    /// Somebody deletes a node's session.
    SessionDeleted,
    /// Somebody writes other timings into a node's session.
    SessionEdited,
    /// Another machine with the same name is started, and taken away again.
    Cloned,
    /// The node is shut down in good order and started again.
    Left,
    /// An operator moves a group.
    Move,
    /// An operator pauses a node.
    Paused,
    /// An operator drains a node.
    Drained,
    /// An operator resumes a node.
    Resumed,
    /// An operator wants a group offline.
    GroupOffline,
    /// An operator wants a group online.
    GroupOnline,
    /// A resource fails where it is.
    ResourceFails,
    /// A group does not come online on a node for some time.
    Sick,
}

impl Kind {
    /// All of them.
    pub const ALL: &[Kind] = &[
        Kind::ProcessStopped,
        Kind::ProcessKilled,
        Kind::GuardianKilled,
        Kind::GuardianStopped,
        Kind::PowerCut,
        Kind::PowerLost,
        Kind::Fenced,
        Kind::Suspended,
        Kind::Partition,
        Kind::AnswersLost,
        Kind::RequestsLost,
        Kind::Slow,
        Kind::Duplicates,
        Kind::WatchSilent,
        Kind::StaleReads,
        Kind::StoreDown,
        Kind::StoreRefuses,
        Kind::Restored,
        Kind::SessionDeleted,
        Kind::SessionEdited,
        Kind::Cloned,
        Kind::Left,
        Kind::Move,
    ];

    /// What else comes up where the production code decides about groups.
    pub const OF_GROUPS: &[Kind] = &[
        Kind::Move,
        Kind::Paused,
        Kind::Drained,
        Kind::Resumed,
        Kind::GroupOffline,
        Kind::GroupOnline,
        Kind::ResourceFails,
        Kind::Sick,
    ];
}

/// One fault of a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What.
    pub kind: Kind,
    /// Which node, or which group.
    pub at_node: usize,
    /// When, in nanoseconds of real time.
    pub from: u64,
    /// For how long.
    pub lasts: u64,
    /// Whatever else the kind needs.
    pub value: u64,
}

/// A swarm: some kinds of fault, many of each.
pub(crate) fn plan(random: &mut Random, nodes: usize, seconds: u64, calm: Option<u64>) -> Vec<Fault> {
    if let Some(longest) = calm {
        return (0..seconds / 12)
            .map(|index| Fault {
                kind: Kind::StoreDown,
                at_node: 0,
                from: (5 + index * 12) * SECOND + random.extreme(0, SECOND),
                lasts: random.extreme(longest / 4, longest),
                value: random.next(),
            })
            .collect();
    }
    let share = random.extreme(2, 8);
    let drawn = |kind: &Kind| *kind != Kind::PowerLost;
    let kinds: Vec<Kind> =
        Kind::ALL.iter().copied().filter(drawn).filter(|_| random.next() % 10 < share).collect();
    if kinds.is_empty() {
        return Vec::new();
    }
    let mut faults = Vec::new();
    let mut at = 4 * SECOND;
    let pace = random.extreme(2, 12) * SECOND;
    while at < seconds * SECOND {
        let kind = kinds[random.below(kinds.len())];
        let lasts = match kind {
            Kind::Move
            | Kind::Paused
            | Kind::Drained
            | Kind::Resumed
            | Kind::GroupOffline
            | Kind::GroupOnline
            | Kind::ResourceFails
            | Kind::SessionDeleted
            | Kind::SessionEdited
            | Kind::PowerLost
            | Kind::Restored => 0,
            Kind::Sick => random.extreme(SECOND, 20 * SECOND),
            Kind::ProcessKilled => random.extreme(10 * MILLI, 6 * SECOND),
            Kind::Cloned => random.extreme(SECOND, 25 * SECOND),
            Kind::ProcessStopped
            | Kind::GuardianKilled
            | Kind::GuardianStopped
            | Kind::PowerCut
            | Kind::Fenced
            | Kind::Suspended
            | Kind::Partition
            | Kind::AnswersLost
            | Kind::RequestsLost
            | Kind::Slow
            | Kind::Duplicates
            | Kind::WatchSilent
            | Kind::StaleReads
            | Kind::StoreDown
            | Kind::StoreRefuses
            | Kind::Left => random.extreme(300 * MILLI, 14 * SECOND),
        };
        faults.push(Fault { kind, at_node: random.below(nodes), from: at, lasts, value: random.next() });
        at += random.extreme(20 * MILLI, pace);
    }
    faults
}

/// In some runs one machine is lost for good: what it had must come up elsewhere, not only when it is back.
pub(crate) fn lost_for_good(random: &mut Random, nodes: usize, seconds: u64) -> Option<Fault> {
    let from = random.extreme(4 * SECOND, seconds.max(4) * SECOND);
    let fault =
        Fault { kind: Kind::PowerLost, at_node: random.below(nodes), from, lasts: 0, value: random.next() };
    random.once_in(6).then_some(fault)
}

/// What operators ask and what fails inside groups, in a run where the production code decides about them.
pub(crate) fn of_groups(random: &mut Random, nodes: usize, seconds: u64) -> Vec<Fault> {
    let share = random.extreme(2, 8);
    let some = |random: &mut Random| random.next() % 10 < share;
    let kinds: Vec<Kind> = Kind::OF_GROUPS.iter().copied().filter(|_| some(random)).collect();
    let mut faults = Vec::new();
    let mut at = 4 * SECOND;
    let pace = random.extreme(2, 12) * SECOND;
    while at < seconds * SECOND && !kinds.is_empty() {
        let kind = kinds[random.below(kinds.len())];
        let lasts = if kind == Kind::Sick { random.extreme(SECOND, 20 * SECOND) } else { 0 };
        faults.push(Fault { kind, at_node: random.below(nodes), from: at, lasts, value: random.next() });
        at += random.extreme(20 * MILLI, pace);
    }
    faults
}
