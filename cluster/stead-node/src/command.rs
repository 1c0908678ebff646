//! What a client asks of the loop.

use stead_api::{Apply, Config, Control, Controlled, Explanation, Failure, Line, Setting, Situation, Status};
use stead_policy::Request;
use stead_types::NodeName;
use tokio::sync::{mpsc, oneshot};

use crate::edge::store::Written;

/// Where the lines of an answer go. A client that went away is not an error.
pub(crate) type Lines = mpsc::UnboundedSender<Line>;

/// What is to be explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Group,
    Resource,
    Any,
}

impl Kind {
    /// The kind this word names.
    pub(crate) fn from_word(word: &str) -> Option<Kind> {
        match word {
            "group" => Some(Kind::Group),
            "resource" => Some(Kind::Resource),
            "any" => Some(Kind::Any),
            _ => None,
        }
    }
}

/// What comes to the loop from other threads.
#[derive(Debug)]
pub(crate) enum Input {
    /// Of a client.
    Command(Command),
    /// Of the threads that speak with other nodes' database.
    Told(crate::member::Told),
    /// Of the store.
    Written(Written),
}

/// What is asked about a node that may be gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fencing {
    /// A person says that its machine is off.
    ConfirmDown,
    /// A device is to switch it off.
    Fence {
        /// And not on again.
        off: bool,
        /// Although it renews its session.
        force: bool,
    },
}

/// What a client asks.
#[derive(Debug)]
pub(crate) enum Command {
    Status(oneshot::Sender<Status>),
    Config(oneshot::Sender<Result<Config, String>>),
    Situation(oneshot::Sender<Situation>),
    Settings(oneshot::Sender<Vec<Setting>>),
    /// The node that has it, if that is another one.
    Owner(Kind, String, oneshot::Sender<Option<NodeName>>),
    /// The same, if that can be asked about it.
    Explainer(Kind, String, oneshot::Sender<Option<NodeName>>),
    Explain(Kind, String, oneshot::Sender<Option<Explanation>>),
    Control(stead_types::ResourceName, Control, oneshot::Sender<Result<Controlled, Failure>>),
    TypeControl(stead_types::TypeName, Control, oneshot::Sender<Result<Controlled, Failure>>),
    Apply(Apply, Lines),
    /// By whom.
    Fencing(NodeName, Fencing, String, Lines),
    Request {
        request: Request,
        no_wait: bool,
        lines: Lines,
    },
}
