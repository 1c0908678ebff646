use std::fmt;
use std::sync::Arc;

use stead_types::{NodeName, Time};

use crate::params::Params;
use crate::session::{Identity, Session, Sid};

/// Names a request to the store, so that its answer finds back.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct RequestId(pub u64);

/// Under which condition a session document is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Guard {
    /// There is none.
    Absent,
    /// It was last changed by this revision.
    At(u64),
}

/// What the store holds under `session/<node>`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Found {
    /// Nothing, at this revision of the store.
    Nothing {
        /// Any revision of the store at which it was so: that of the list, or of the deletion.
        as_of: u64,
    },
    /// A session.
    Document {
        /// The revision that changed it last.
        revision: u64,
        /// What it says.
        session: Arc<Session>,
    },
    /// Something that is no session.
    Unreadable {
        /// The revision that changed it last.
        revision: u64,
        /// What is wrong with it.
        why: String,
    },
}

/// What became of a request.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// It happened, under this revision.
    Committed(u64),
    /// Its guard did not hold. Nothing changed, and this request never will.
    Conflict,
    /// It did not happen and never will.
    Failed,
    /// It may have happened, or may happen yet.
    Unknown,
    /// What was read.
    Read(Found),
}

/// A session that outlived the node process, as the guardian kept it: the last [`Action::Arm`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Kept {
    /// The session.
    pub sid: Sid,
    /// The revision of its document at that time.
    pub revision: u64,
    /// Its deadline.
    pub deadline: Time,
}

/// How a node begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Start {
    /// The timings. Check them first.
    pub params: Params,
    /// Which machine this is.
    pub identity: Identity,
    /// The version of the program.
    pub version: String,
    /// The incarnation of the store that was opened.
    pub incarnation: String,
    /// This node knew another incarnation of this store before, or found it at an earlier revision.
    pub incarnation_is_new: bool,
    /// This node knows no incarnation of this store, and there was one before this. If the first list shows no session of
    /// this one, nobody has waited yet for what began in that.
    pub incarnation_is_unknown: bool,
    /// A session document of the same machine with another boot id means that the machine was started anew: bare metal,
    /// or an operator says so. A virtual machine that was restored or copied may show the same.
    pub trust_reboot: bool,
    /// The session whose work still runs. Without one, **nothing** may be left of any earlier session on this machine.
    pub kept: Option<Kept>,
}

/// Everything that can happen to a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// Begin. Once, and again after [`Action::Refuse`] or a leave.
    Start(Box<Start>),
    /// [`Machine::next_timeout`](crate::Machine::next_timeout) has come. `random` is fresh from the system each time.
    Timer {
        /// 128 random bits.
        random: u128,
    },
    /// All documents under `session/`: first after [`Event::Start`], and whenever a watch begins anew.
    Listed {
        /// The revision of the list.
        as_of: u64,
        /// Each node and its document.
        sessions: Vec<(NodeName, Found)>,
    },
    /// A watch or a read shows the document of a node, this one's included. Old news does no harm.
    Seen {
        /// Whose.
        node: NodeName,
        /// What it is now.
        found: Found,
    },
    /// A request of this machine has ended. Every request is answered, sooner or later.
    Answered {
        /// Which.
        request: RequestId,
        /// How.
        answer: Answer,
    },
    /// What [`Action::KillAll`] asked for is done: everything started on this machine is verified gone.
    AllGone,
    /// The guardian has answered [`Action::AskGuardian`], and so has taken in whatever it was told before that.
    GuardianAnswered {
        /// Which question.
        question: u64,
    },
    /// Give the session up. Everything started under it must be verified gone.
    Leave,
    /// A fence agent confirmed that the machine of this very session is off, or was started anew.
    Fenced {
        /// The node.
        node: NodeName,
        /// The session it had.
        sid: Sid,
    },
    /// The store is not the one of before: restored, rebuilt, gone back in time. Nothing known holds. With the
    /// incarnation once it is known; then comes [`Event::Listed`]. Nothing the earlier store said is handed in after this:
    /// its revisions mean something else.
    Replaced {
        /// The new incarnation, after it was adopted.
        incarnation: Option<String>,
    },
}

/// What the driver has to do.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Action {
    /// Write `session/<node>` if the guard holds, and answer. Never sent twice by the driver.
    Commit {
        /// For the answer.
        request: RequestId,
        /// Whose document.
        node: NodeName,
        /// When.
        guard: Guard,
        /// What.
        session: Arc<Session>,
    },
    /// Read `session/<node>`, and answer.
    Read {
        /// For the answer.
        request: RequestId,
        /// Whose document.
        node: NodeName,
    },
    /// Tell the guardian, which keeps it and sets every guard's timer: the work may go on until this deadline.
    Arm(Kept),
    /// Ask the guardian whether it is there; then [`Event::GuardianAnswered`]. Until it has answered the session is not
    /// renewed: a guardian that is stopped takes in no deadline, so that its work ends, and another node is to begin it.
    AskGuardian {
        /// For the answer.
        question: u64,
    },
    /// Kill everything at once and verify it; then [`Event::AllGone`].
    KillAll {
        /// Why, for the log.
        why: Why,
    },
    /// This node cannot begin: end the process with this sentence.
    Refuse {
        /// The sentence.
        why: String,
    },
    /// Something an operator may want to read.
    Tell(Note),
}

/// Why everything is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Why {
    /// The deadline has come without a renewal. The guards do the same by themselves.
    Lapsed,
    /// The session is somebody else's or nobody's.
    Deposed,
    /// The store is not the one of before.
    Replaced,
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Why::Lapsed => "the session could not be renewed in time",
            Why::Deposed => "the session was ended or changed by another node or an operator",
            Why::Replaced => "the cluster database is not the one of before",
        })
    }
}

/// Something that happened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Note {
    /// The session has begun, or goes on after a restart of the node process.
    Began(Sid),
    /// After a lapse, everything is gone and the session is renewed: work may begin again.
    Again(Sid),
    /// The session was given up.
    Left,
    /// Another node's session was marked dead by this node.
    TookOver(NodeName, Sid),
    /// No session begins and none is taken over before this time.
    Quarantine(Time),
    /// The own name is in use by a session that must be waited out.
    NameInUse(Identity),
}
