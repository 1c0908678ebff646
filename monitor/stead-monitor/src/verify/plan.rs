//! The trials: short scripts of steps, each carried out in a process of its own. Data, no IO.

use serde::{Deserialize, Serialize};
use stead_resapi as abi;

/// What is tried. The order is the order of the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Trial {
    /// Online, polls, offline.
    Lifecycle,
    /// Start-up for a type that does not exist.
    UnknownType,
    /// Start-up with versions nobody has.
    Versions,
    /// Start-up with version 1 only.
    OldestVersion,
    /// Open and online without a single property.
    Bare,
    /// Open without the key of the properties.
    NoKey,
    /// The workload is killed.
    Kill,
    /// Terminate as soon as `Online` has returned.
    TerminatePending,
    /// Terminate while `Online` runs.
    TerminateOnline,
    /// Terminate while `Offline` runs.
    TerminateOffline,
    /// Terminate when nothing runs, and twice.
    TerminateTwice,
    /// The host says that the operation is over.
    Told,
    /// Close while online.
    CloseRunning,
    /// Online with flags and a buffer.
    OnlineFlags,
    /// Offline with flags, a destination and a buffer.
    OfflineFlags,
    /// Properties and control codes.
    Controls,
    /// Questions before something becomes true.
    Questions,
    /// Two instances, one online.
    TwoInstances,
    /// Two instances at once from two threads.
    Parallel,
    /// Online and offline, over and over.
    Cycles,
    /// Unloading after the last instance has gone.
    Unload,
}

/// Which properties an instance is opened with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Given {
    /// Those of the command line.
    All,
    /// None.
    Nothing,
    /// Not even the key that holds them.
    NoKey,
}

/// The range of versions given to a start-up routine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Range {
    /// What the monitor gives.
    Usual,
    /// Versions that do not exist.
    Future,
    /// Version 1 only.
    Oldest,
}

/// One step. Numbers are instances.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Step {
    /// Calls the start-up routines and looks at the table, no more. `true`: for the type of the command line.
    Startup(bool, Range),
    /// Negotiates as the monitor does. The trial ends here if that fails.
    Load,
    /// Opens. The trial ends here if that fails.
    Open(u32, Given),
    /// Puts the properties of the command line under the key now.
    Give(u32),
    /// Brings online with these flags, and a buffer if so, and waits for the end.
    Online(u32, u32, bool),
    /// The same, but what comes of it does not matter.
    TryOnline(u32),
    /// The trial goes to its end if the instance is not online.
    NeedOnline(u32),
    /// Calls `Online` and does not wait for the end of what is pending.
    OnlineOnly(u32),
    /// Calls `Online` on another thread, and `Terminate` at once.
    OnlineAgainstTerminate(u32),
    /// Takes offline with these flags, and a destination and a buffer if so, and waits for the end.
    Offline(u32, u32, bool),
    /// Calls `Offline` on another thread, and `Terminate` at once.
    OfflineAgainstTerminate(u32),
    /// From now on reports are answered with `ResourceExitStateTerminate`.
    AnswerTerminate(u32),
    /// `Terminate`, unless the instance was never open.
    Terminate(u32),
    /// `Close`.
    Close(u32),
    /// So many calls of `LooksAlive`.
    LooksAlive(u32, u32),
    /// So many calls of `IsAlive`.
    IsAlive(u32, u32),
    /// `Cancel`, where the table has it.
    Cancel(u32),
    /// Looks at the event handle.
    LookAtEvent(u32),
    /// Looks for the processes of the workload.
    LookForWorkload(Point),
    /// Kills the workload, and watches what the instance says of it.
    KillWorkload(u32),
    /// Waits as long as a thread that was forgotten would need to show itself.
    Linger,
    /// Everything about properties and control codes.
    Controls(u32),
    /// Asks whether it may be deleted, and what else it may refuse.
    Questions(u32),
    /// Calls into two instances from two threads at once.
    Together,
    /// Online and offline until the cycles or the time are used up, measured after each.
    Cycles(u32),
    /// Open and close, as long.
    OpenCloseCycles,
    /// Unloads the library.
    Unload,
}

/// Where the workload is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Point {
    Online,
    AfterOffline,
    AfterTerminate,
    AfterClose,
}

impl Point {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Point::Online => "online",
            Point::AfterOffline => "after-offline",
            Point::AfterTerminate => "after-terminate",
            Point::AfterClose => "after-close",
        }
    }
}

/// All of `OfflineV2`, with a bit that means nothing yet.
const EVERY_OFFLINE: u32 = 0x7f;
/// A bit that no version of the interface defines.
const UNDEFINED: u32 = 0x4000_0000;

/// What does not assume that something runs already, and a bit that means nothing yet.
const EVERY_ONLINE: u32 = abi::CLUS_RESDLL_ONLINE_IGNORE_RESOURCE_STATUS
    | abi::CLUS_RESDLL_ONLINE_RETURN_TO_SOURCE_NODE_ON_ERROR
    | abi::CLUS_RESDLL_ONLINE_IGNORE_NETWORK_CONNECTIVITY;

impl Trial {
    /// All of them, in the order of the run.
    pub(crate) const ALL: &'static [Trial] = &[
        Trial::Lifecycle,
        Trial::UnknownType,
        Trial::Versions,
        Trial::OldestVersion,
        Trial::Bare,
        Trial::NoKey,
        Trial::Controls,
        Trial::Questions,
        Trial::Kill,
        Trial::TerminatePending,
        Trial::TerminateOnline,
        Trial::TerminateOffline,
        Trial::TerminateTwice,
        Trial::Told,
        Trial::CloseRunning,
        Trial::OnlineFlags,
        Trial::OfflineFlags,
        Trial::TwoInstances,
        Trial::Parallel,
        Trial::Unload,
        Trial::Cycles,
    ];

    /// For people.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Trial::Lifecycle => "online, polls, offline",
            Trial::UnknownType => "start-up for an unknown type",
            Trial::Versions => "start-up with future versions",
            Trial::OldestVersion => "start-up with version 1 only",
            Trial::Bare => "open without properties",
            Trial::NoKey => "open without a key",
            Trial::Kill => "the workload is killed",
            Trial::TerminatePending => "terminate while online is pending",
            Trial::TerminateOnline => "terminate against online",
            Trial::TerminateOffline => "terminate against offline",
            Trial::TerminateTwice => "terminate twice",
            Trial::Told => "a report is answered with terminate",
            Trial::CloseRunning => "close while online",
            Trial::OnlineFlags => "flags of online",
            Trial::OfflineFlags => "flags of offline",
            Trial::Controls => "properties and control codes",
            Trial::Questions => "questions before a deletion",
            Trial::TwoInstances => "two instances",
            Trial::Parallel => "two instances at once",
            Trial::Cycles => "cycles",
            Trial::Unload => "unload",
        }
    }

    /// The steps. `version`: of the table, as a trial before has found it; `brief`: coming online takes long.
    pub(crate) fn steps(self, version: u32, brief: bool) -> Vec<Step> {
        use Step::{Close, Linger, Load, LookForWorkload, NeedOnline, Offline, Online, Open, Terminate};
        let open = [Load, Open(0, Given::All)];
        let up = [Online(0, 0, false), NeedOnline(0)];
        let down = [Offline(0, 0, false), LookForWorkload(Point::AfterOffline)];
        let end = [Close(0), LookForWorkload(Point::AfterClose)];
        match self {
            Trial::UnknownType => vec![Step::Startup(false, Range::Usual)],
            Trial::Versions => vec![Step::Startup(true, Range::Future)],
            Trial::OldestVersion => vec![Step::Startup(true, Range::Oldest)],
            Trial::Lifecycle => [
                &[Step::Startup(true, Range::Usual)][..],
                &open,
                &up,
                &[
                    LookForWorkload(Point::Online),
                    Step::LookAtEvent(0),
                    Step::LooksAlive(0, 15),
                    Step::IsAlive(0, 7),
                ],
                &[Step::LookAtEvent(0)],
                &down,
                &end,
                &[Linger],
            ]
            .concat(),
            Trial::Bare => vec![
                Load,
                Open(0, Given::Nothing),
                Step::TryOnline(0),
                Terminate(0),
                Step::Give(0),
                Step::TryOnline(0),
                Terminate(0),
                Close(0),
            ],
            Trial::NoKey => vec![Load, Open(0, Given::NoKey), Close(0)],
            Trial::Kill => [
                &open[..],
                &up,
                &[LookForWorkload(Point::Online), Step::KillWorkload(0), Terminate(0)],
                &[LookForWorkload(Point::AfterTerminate), Online(0, 0, false), NeedOnline(0)],
                &down,
                &end,
            ]
            .concat(),
            Trial::TerminatePending => [
                &open[..],
                &[Step::OnlineOnly(0), Terminate(0), LookForWorkload(Point::AfterTerminate), Linger],
                &up,
                &down,
                &end,
            ]
            .concat(),
            Trial::TerminateOnline => [
                &open[..],
                &[Step::OnlineAgainstTerminate(0), Terminate(0), LookForWorkload(Point::AfterTerminate)],
                &up,
                &down,
                &end,
            ]
            .concat(),
            Trial::TerminateOffline => [
                &open[..],
                &up,
                &[Step::OfflineAgainstTerminate(0), Terminate(0), LookForWorkload(Point::AfterTerminate)],
                &up,
                &down,
                &end,
            ]
            .concat(),
            Trial::TerminateTwice => [
                &open[..],
                &[Terminate(0), Step::Cancel(0)],
                &up,
                &[Terminate(0), LookForWorkload(Point::AfterTerminate), Terminate(0)],
                &up,
                &[Terminate(0), LookForWorkload(Point::AfterTerminate), Linger],
                &end,
            ]
            .concat(),
            Trial::Told => [
                &open[..],
                &[Step::AnswerTerminate(0), Step::OnlineOnly(0), Linger, Terminate(0)],
                &[LookForWorkload(Point::AfterTerminate)],
                &end,
            ]
            .concat(),
            Trial::CloseRunning => [&open[..], &up, &end, &[Linger]].concat(),
            Trial::OnlineFlags => {
                let mut steps = open.to_vec();
                if version >= abi::CLRES_VERSION_V2_00 {
                    for (flags, buffer) in [(EVERY_ONLINE, true), (UNDEFINED, false)] {
                        steps.extend([Online(0, flags, buffer), Offline(0, 0, false), Terminate(0)]);
                    }
                }
                steps.extend(end);
                steps
            }
            Trial::OfflineFlags => {
                let mut steps = open.to_vec();
                if version >= abi::CLRES_VERSION_V2_00 {
                    let mut words = vec![(EVERY_OFFLINE, true), (EVERY_OFFLINE | UNDEFINED, false)];
                    if !brief {
                        words.extend((0..7).map(|bit| (1 << bit, bit % 2 == 0)));
                    }
                    for (flags, destination) in words {
                        steps.extend(up);
                        steps.extend([Offline(0, flags, destination), LookForWorkload(Point::AfterOffline)]);
                        steps.push(Terminate(0));
                    }
                }
                steps.extend(end);
                steps
            }
            Trial::Controls => vec![Load, Open(0, Given::All), Step::Controls(0), Close(0)],
            Trial::Questions => {
                [&open[..], &[Step::Questions(0)], &up, &[Step::Questions(0)], &down, &end].concat()
            }
            Trial::TwoInstances => [
                &open[..],
                &[Open(1, Given::All)],
                &up,
                &[Close(1), Step::LooksAlive(0, 3)],
                &down,
                &end,
                &[Linger],
            ]
            .concat(),
            Trial::Parallel => [
                &open[..],
                &[Open(1, Given::All), Step::Together, Terminate(0), Terminate(1), Close(1)],
                &end,
            ]
            .concat(),
            Trial::Cycles => {
                [&[Load, Step::OpenCloseCycles][..], &[Open(0, Given::All), Step::Cycles(0)], &end].concat()
            }
            Trial::Unload => [&open[..], &up, &down, &end, &[Step::Unload]].concat(),
        }
    }
}

/// Everything a trial's process is told.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// None: the types shipped with stead.
    pub(crate) file: Option<std::path::PathBuf>,
    pub(crate) type_name: String,
    /// The beginning of the names of all resources: two runs at once must not meet in a folder named after one.
    pub(crate) name: String,
    pub(crate) properties: stead_monitor_protocol::Properties,
    pub(crate) steps: Vec<Step>,
    /// It has come online before.
    pub(crate) able: bool,
    /// How long an operation may be pending without progress, in milliseconds.
    pub(crate) patience_ms: u64,
    /// How long forgotten threads are waited for, in milliseconds.
    pub(crate) linger_ms: u64,
    /// At most so many cycles …
    pub(crate) cycles: u32,
    /// … for at most so many milliseconds.
    pub(crate) cycles_ms: u64,
    /// Processes of the workload that are found elsewhere: numbers, or files that hold one.
    pub(crate) workload: Vec<String>,
}
