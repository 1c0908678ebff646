//! The documents of letters and replies, and their keys.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stead_types::NodeName;

use super::{Answer, Letter};

/// Of these documents.
const SCHEMA: u64 = 1;

/// Where all mail is.
pub(super) const ALL: &str = "mail/";

/// A node's name in keys, where upper and lower case are one.
pub(super) fn boxed(node: &NodeName) -> String {
    node.as_str().to_ascii_lowercase()
}

/// Everything for a node.
pub(super) fn box_of(node: &NodeName) -> String {
    format!("{ALL}{}/", boxed(node))
}

pub(super) fn letter_key(to: &NodeName, id: &str) -> String {
    format!("{}letter/{id}", box_of(to))
}

pub(super) fn reply_key(from: &NodeName, id: &str) -> String {
    format!("{}reply/{id}", box_of(from))
}

/// What a key is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Letter,
    Reply,
}

/// Whose box a document is in, by its name in keys, what it is, and its id.
pub(super) fn read_key(key: &str) -> Option<(&str, Kind, &str)> {
    let mut parts = key.strip_prefix(ALL)?.splitn(3, '/');
    let (node, kind, id) = (parts.next()?, parts.next()?, parts.next()?);
    match kind {
        "letter" => Some((node, Kind::Letter, id)),
        "reply" => Some((node, Kind::Reply, id)),
        _ => None,
    }
}

#[derive(Serialize, Deserialize)]
struct Sent {
    schema: u64,
    from: String,
    path: String,
    #[serde(default)]
    body: Value,
}

pub(super) fn write_letter(from: &NodeName, letter: &Letter) -> Value {
    serde_json::json!(Sent {
        schema: SCHEMA,
        from: from.as_str().to_owned(),
        path: letter.path.clone(),
        body: letter.body.clone(),
    })
}

/// None for what is no letter, or one of a later version.
pub(super) fn read_letter(value: &Value) -> Option<(NodeName, Letter)> {
    let Sent { schema, from, path, body } = Sent::deserialize(value).ok()?;
    let known = schema <= SCHEMA;
    known.then(|| Some((from.parse().ok()?, Letter { path, body }))).flatten()
}

/// How an answer ends.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum End {
    /// With this line.
    Last(Value),
    /// Nothing was done.
    NotDone(String),
    /// It is not known whether it was done.
    Unknown(String),
}

impl From<End> for Answer {
    fn from(end: End) -> Answer {
        match end {
            End::Last(line) => Answer::Last(line),
            End::NotDone(why) => Answer::NotDone(why),
            End::Unknown(why) => Answer::Unknown(why),
        }
    }
}

/// What is answered so far: the last lines, and the end.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(super) struct Reply {
    pub(super) schema: u64,
    /// The node that took the letter.
    pub(super) by: String,
    /// Which process of it.
    pub(super) taker: String,
    /// The number of the first line that is still here.
    #[serde(default)]
    pub(super) first: u64,
    #[serde(default)]
    pub(super) lines: Vec<Value>,
    #[serde(default)]
    pub(super) end: Option<End>,
}

impl Reply {
    /// Nothing is said yet.
    pub(super) fn new(by: &NodeName, taker: &str) -> Self {
        let (by, taker) = (by.as_str().to_owned(), taker.to_owned());
        Reply { schema: SCHEMA, by, taker, first: 0, lines: Vec::new(), end: None }
    }

    pub(super) fn write(&self) -> Value {
        serde_json::json!(self)
    }

    /// What cannot be read says that nobody knows.
    pub(super) fn read(value: &Value) -> Self {
        let read = Reply::deserialize(value).ok().filter(|reply| reply.schema <= SCHEMA);
        read.unwrap_or_else(|| Reply {
            schema: SCHEMA,
            by: String::new(),
            taker: String::new(),
            first: 0,
            lines: Vec::new(),
            end: Some(End::Unknown("the node's answer is of a later version of stead".to_owned())),
        })
    }
}
