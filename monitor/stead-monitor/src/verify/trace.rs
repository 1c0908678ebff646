//! What a trial writes down: one record a line, in the order in which it happened.

use serde::{Deserialize, Serialize};

/// What an instance is in, as its host sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Phase {
    /// Open, with no operation in progress: offline, online or failed.
    Idle,
    /// `Online` has not returned yet.
    InOnline,
    /// `Online` returned `ERROR_IO_PENDING`.
    OnlinePending,
    /// `Offline` has not returned yet.
    InOffline,
    /// `Offline` returned `ERROR_IO_PENDING`.
    OfflinePending,
    /// `Terminate` has not returned yet.
    InTerminate,
    /// `Terminate` has returned, and nothing was asked for since.
    Terminated,
    /// `Close` has not returned yet.
    InClose,
    /// `Close` has returned.
    Closed,
}

impl Phase {
    /// True while a report is what the contract asks for, or allows.
    pub(crate) const fn reports(self) -> bool {
        match self {
            Phase::InOnline | Phase::OnlinePending | Phase::InOffline | Phase::OfflinePending => true,
            Phase::Idle | Phase::InTerminate | Phase::Terminated | Phase::InClose | Phase::Closed => false,
        }
    }

    /// For people.
    pub(crate) const fn describe(self) -> &'static str {
        match self {
            Phase::Idle => "no operation in progress",
            Phase::InOnline => "inside Online",
            Phase::OnlinePending => "online pending",
            Phase::InOffline => "inside Offline",
            Phase::OfflinePending => "offline pending",
            Phase::InTerminate => "inside Terminate",
            Phase::Terminated => "Terminate has returned",
            Phase::InClose => "inside Close",
            Phase::Closed => "closed",
        }
    }
}

/// What a start-up routine handed out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct TableSeen {
    pub(crate) size: u32,
    pub(crate) version: u32,
    /// Which pointers are there, in the order of the table; empty where the version is not known.
    pub(crate) present: Vec<bool>,
}

/// What a control call was for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Purpose {
    /// Enough room for the output.
    Full,
    /// No output buffer at all, then one that is one byte too short.
    Short,
    /// A code that nobody has defined.
    Unknown,
    /// A list that is none; the word says how.
    Malformed(String),
    /// A property in a format that it does not have.
    WrongType(String),
    /// A property that may only be read.
    ReadOnly(String),
    /// The list that was read, with another value of this property; or as it was.
    Set(String),
    /// What is read after that.
    ReadBack,
    /// Whether something may be.
    Question,
}

/// How much the process holds.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Usage {
    pub(crate) descriptors: u64,
    pub(crate) threads: u64,
    /// Direct children, zombies included.
    pub(crate) children: u64,
    /// Bytes the allocator has handed out.
    pub(crate) heap: u64,
    /// Bytes.
    pub(crate) resident: u64,
    /// Bytes of address space.
    pub(crate) mapped: u64,
}

/// What belongs to the whole process, and every resource in it depends on.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Surroundings {
    /// The current folder.
    pub(crate) folder: String,
    /// What the creation of files leaves out, in octal digits.
    pub(crate) mask: String,
    /// The soft limits: name and value, the largest number where there is none.
    pub(crate) limits: Vec<(String, u64)>,
    /// The numbers of the signals that are ignored.
    pub(crate) ignored: Vec<u32>,
}

/// One thing that happened.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "kebab-case")]
pub(crate) enum What {
    /// A start-up routine is called.
    StartupBegins { entry: String, type_name: String, min: u32, max: u32 },
    /// It has returned. `null_table`: it succeeded without a table.
    Startup { entry: String, type_name: String, min: u32, max: u32, returned: u32, table: Option<TableSeen> },
    /// The type can be used: the version of its table.
    Loaded { version: u32 },
    /// The file or the type cannot be used.
    Refused { code: u32, text: String },
    /// An entry point is called.
    Call { call: u32, entry: String, instance: u32, args: String },
    /// It has returned.
    Return { call: u32, value: i64, last_error: u32, took_us: u64, event: i64 },
    /// A status report. `before`: what the instance was in; none for a handle that no instance has.
    Status {
        instance: Option<u32>,
        handle: u64,
        ex: bool,
        null: bool,
        state: i32,
        checkpoint: u32,
        event: i64,
        code: u32,
        flags: u32,
        before: Option<Phase>,
        answer: u32,
    },
    /// A line of the log.
    Log { instance: Option<u32>, handle: u64, level: i32, text: String, before: Option<Phase> },
    /// Another callback.
    Callback {
        name: String,
        instance: Option<u32>,
        handle: u64,
        detail: i64,
        answer: u32,
        before: Option<Phase>,
    },
    /// An operation has come to its end: `state` is what the resource is in now, by its number; `code` why.
    Settled { instance: u32, state: i32, code: u32, flags: u32, took_us: u64 },
    /// An operation was still pending when patience ended. `workers`: threads that could end it.
    StillPending { instance: u32, waited_ms: u64, workers: u64 },
    /// A control call, with everything it did.
    Control {
        call: u32,
        code: u32,
        purpose: Purpose,
        in_size: u32,
        out_size: u32,
        returned: u32,
        bytes: u32,
        /// Bytes changed outside the output buffer.
        overrun: u32,
        /// It went on asynchronously; whether it ended, with which status.
        later: bool,
        ended: Option<u32>,
        /// In hexadecimal.
        input: String,
        /// In hexadecimal.
        output: String,
    },
    /// A look at the output buffers of all control calls that are over: those that were changed since, and by how many
    /// bytes.
    Buffers { late: Vec<(u32, u32)> },
    /// What the process has in common for everything in it.
    Surroundings(Surroundings),
    /// What the process holds, after so many cycles.
    Usage { point: String, cycle: u32, usage: Usage },
    /// Processes of the workload.
    Workload { point: String, pids: Vec<u32> },
    /// What became of a resource that was asked whether something may be. Pairs are before and after; `changed`:
    /// properties.
    Questioned {
        code: u32,
        online: bool,
        alive: (bool, bool),
        workload: (Vec<u32>, Vec<u32>),
        changed: Vec<String>,
    },
    /// They have been killed.
    Killed { pids: Vec<u32> },
    /// A look at an event handle: `invalid`, `quiet` or `signalled`.
    Event { instance: u32, point: String, look: String },
    /// ClusAPI was given a handle that it has not given out, or that is closed.
    BadHandle { handle: u64 },
    /// A step was left out, and why.
    Skipped { text: String },
    /// Something that explains what follows.
    Note { text: String },
    /// The trial has come to its end.
    Done,
}

/// One thing that happened, when and on which thread.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// Microseconds since the trial began.
    pub(crate) at: u64,
    /// The thread, by the kernel's number.
    pub(crate) thread: u32,
    #[serde(flatten)]
    pub(crate) what: What,
}

/// How the process of a trial ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Ended {
    /// All steps were done.
    Done,
    /// With an exit status, before that.
    Exit(i32),
    /// By a signal.
    Signal(i32),
    /// It was killed, because a call did not return for so many milliseconds.
    Hung(u64),
    /// It was killed, because the time of the whole run was over.
    OutOfTime,
}
