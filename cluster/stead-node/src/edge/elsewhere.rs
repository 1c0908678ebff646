//! What another node has: asked there through the mailbox, and answered as if it were here.

use std::io;
use std::sync::Arc;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use stead_api::{Control, ErrorCode, Event, Failure, Line, Operate};
use stead_policy::Request;
use stead_store::Store;
use stead_types::{Code, NodeName};
use tokio::sync::mpsc;

use crate::command::{Command, Kind};
use crate::edge::api::{Way, answer};
use crate::edge::request;
use crate::mailbox::{Answer, Answering, Letter, Mailbox, PATIENCE, Received};
use crate::report;

/// Letters of other nodes, to be carried out here.
pub(crate) type Letters = mpsc::UnboundedReceiver<Received>;

impl Way {
    /// With a mailbox in the database that all nodes have. What comes is for [`serve`].
    ///
    /// # Errors
    /// When the mailbox cannot be opened.
    pub(crate) fn with_mailbox(self, store: Arc<dyn Store>, me: NodeName) -> io::Result<(Way, Letters)> {
        let (given, letters) = mpsc::unbounded_channel();
        let mailbox = Mailbox::start(store, me, move |received| drop(given.send(received)))?;
        Ok((Way { mailbox: Some(Arc::new(mailbox)), ..self }, letters))
    }
}

/// Events that were left out.
pub(crate) fn missed(count: u64) -> Event {
    Event {
        sequence: 0,
        node: None,
        time_ms: crate::edge::timer::wall_clock_ms(),
        id: 10_051,
        level: "warning".to_owned(),
        group: None,
        resource: None,
        error: None,
        text: format!("{count} events were missed: they came faster than they were read"),
    }
}

/// The node that has something, and the way to it.
#[derive(Debug)]
pub(crate) struct Elsewhere {
    mailbox: Arc<Mailbox>,
    node: NodeName,
}

/// Where something lives, if that is another node.
pub(crate) async fn elsewhere(way: &Way, kind: Kind, name: &str) -> Option<Elsewhere> {
    let mailbox = way.mailbox.clone()?;
    let node = answer(way, |sender| Command::Owner(kind, name.to_owned(), sender)).await??;
    Some(Elsewhere { mailbox, node })
}

/// Where something is explained best, if that is another node.
pub(crate) async fn explainer(way: &Way, kind: Kind, name: &str) -> Option<Elsewhere> {
    let mailbox = way.mailbox.clone()?;
    let node = answer(way, |sender| Command::Explainer(kind, name.to_owned(), sender)).await??;
    Some(Elsewhere { mailbox, node })
}

fn not_done(what: &str, why: &str) -> Failure {
    let detail = format!("{why}; nothing was done");
    Failure { what: what.to_owned(), error: report::code(Code::ERROR_HOST_NODE_NOT_AVAILABLE), detail }
}

fn unknown(what: &str, why: &str) -> Failure {
    let detail = format!("it is not known whether it was done: {why}; `stead status` shows how it is");
    let error: ErrorCode = report::code(Code::RPC_S_CALL_FAILED);
    Failure { what: what.to_owned(), error, detail }
}

fn letter(path: String, body: &impl Serialize) -> Letter {
    Letter { path, body: serde_json::to_value(body).unwrap_or(Value::Null) }
}

impl Elsewhere {
    /// Asks there, and gives the lines of the answer as they come.
    pub(crate) fn lines(
        self,
        what: String,
        path: String,
        body: &impl Serialize,
    ) -> mpsc::UnboundedReceiver<Line> {
        let (sender, receiver) = mpsc::unbounded_channel();
        let not_understood = || unknown(&what, "the answer is of another version of stead");
        let not_understood = not_understood();
        let hear = move |answer| {
            let read = |line: Value| serde_json::from_value::<Line>(line).ok();
            let line = match answer {
                // What is not understood is said at the end.
                Answer::Line(line) => read(line),
                Answer::Missed(count) => Some(Line::Progress(missed(count))),
                Answer::Last(line) => {
                    let last = read(line).filter(Line::is_last);
                    Some(last.unwrap_or_else(|| Line::Failed(not_understood.clone())))
                }
                Answer::NotDone(why) => Some(Line::Refused(not_done(&what, &why))),
                Answer::Unknown(why) => Some(Line::Failed(unknown(&what, &why))),
            };
            if let Some(line) = line {
                let _ = sender.send(line);
            }
        };
        self.mailbox.send(self.node, letter(path, body), PATIENCE, hear);
        receiver
    }

    /// Asks there for one document.
    ///
    /// # Errors
    /// Why there is none.
    pub(crate) async fn one<T: DeserializeOwned>(
        self,
        what: &str,
        path: String,
        body: &impl Serialize,
    ) -> Result<T, Failure> {
        let (sender, mut receiver) = mpsc::unbounded_channel();
        let hear = move |answer| drop(sender.send(answer));
        self.mailbox.send(self.node, letter(path, body), PATIENCE, hear);
        loop {
            return match receiver.recv().await {
                Some(Answer::Line(_) | Answer::Missed(_)) => continue,
                Some(Answer::Last(line)) => {
                    let read = serde_json::from_value::<Result<T, Failure>>(line);
                    read.unwrap_or_else(|_| Err(unknown(what, "the answer is of another version of stead")))
                }
                Some(Answer::NotDone(why)) => Err(not_done(what, &why)),
                Some(Answer::Unknown(why)) => Err(unknown(what, &why)),
                None => Err(unknown(what, "this node is ending")),
            };
        }
    }
}

/// Carries out what other nodes ask, each request for itself, until nobody can ask any more.
pub(crate) async fn serve(way: Way, mut letters: Letters) {
    while let Some(received) = letters.recv().await {
        tokio::spawn(carry_out(way.clone(), received));
    }
}

async fn carry_out(way: Way, received: Received) {
    let Received { from, letter: Letter { path, body }, reply } = received;
    tracing::info!(from = from.as_str(), path, "asked by another node");
    let parts: Vec<&str> = path.split('/').collect();
    match parts.as_slice() {
        ["groups", name, verb] => {
            let what = format!("group \"{name}\": {verb}");
            operate(&way, what, body, reply, |given| request::group(name, verb, given)).await;
        }
        ["resources", name, verb] => {
            let what = format!("resource \"{name}\": {verb}");
            operate(&way, what, body, reply, |given| request::resource(name, verb, given)).await;
        }
        ["control", name] => {
            let (Ok(name), Ok(given)) = (name.parse(), serde_json::from_value::<Control>(body)) else {
                return reply
                    .not_done("this node does not understand it; do all nodes have one version of stead?");
            };
            // Without an answer the node is ending, and what it did is not known.
            if let Some(result) = answer(&way, |sender| Command::Control(name, given, sender)).await {
                reply.last(serde_json::json!(result));
            }
        }
        ["explain", kind, name] => {
            let Some(kind) = Kind::from_word(kind) else {
                return reply
                    .not_done("this node does not understand it; do all nodes have one version of stead?");
            };
            if let Some(found) =
                answer(&way, |sender| Command::Explain(kind, (*name).to_owned(), sender)).await
            {
                reply.last(serde_json::json!(Ok::<_, Failure>(found)));
            }
        }
        _ => {
            reply.not_done("this node does not know such a request; do all nodes have one version of stead?")
        }
    }
}

async fn operate(
    way: &Way,
    what: String,
    body: Value,
    reply: Answering,
    make: impl FnOnce(&Operate) -> Result<Request, String>,
) {
    let given = serde_json::from_value::<Operate>(body).map_err(|error| format!("the body: {error}"));
    let made = given.and_then(|given| Ok((make(&given)?, given.no_wait)));
    let (request, no_wait) = match made {
        Ok(made) => made,
        Err(detail) => {
            let error = report::code(Code::ERROR_INVALID_PARAMETER);
            return reply.last(serde_json::json!(Line::Refused(Failure { what, error, detail })));
        }
    };
    let (sender, mut lines) = mpsc::unbounded_channel();
    way.ask(Command::Request { request, no_wait, lines: sender });
    while let Some(line) = lines.recv().await {
        if line.is_last() {
            return reply.last(serde_json::json!(line));
        }
        reply.line(serde_json::json!(line));
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
mod tests;
