//! The messages of etcd's version 3 interface that stead uses, with the numbers of their fields as etcd documents them.
//!
//! They are declared by hand: there are few of them, they never change (etcd only adds fields), and so nobody who builds
//! stead needs the compiler for them.

use prost::{Message, Oneof};

/// The first revision is 1; 0 means none.
pub(crate) type Number = i64;

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Header {
    #[prost(uint64, tag = "1")]
    pub(crate) cluster: u64,
    #[prost(int64, tag = "3")]
    pub(crate) revision: Number,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct KeyValue {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(int64, tag = "2")]
    pub(crate) created: Number,
    #[prost(int64, tag = "3")]
    pub(crate) modified: Number,
    #[prost(bytes = "vec", tag = "5")]
    pub(crate) value: Vec<u8>,
}

/// A read; linearizable, since the field that makes it another kind is not even declared.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Range {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    /// The first key after the range; empty for one key.
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) end: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) limit: Number,
    #[prost(int64, tag = "4")]
    pub(crate) revision: Number,
    #[prost(bool, tag = "8")]
    pub(crate) keys_only: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Found {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) entries: Vec<KeyValue>,
    #[prost(bool, tag = "3")]
    pub(crate) more: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Put {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Delete {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum Request {
    #[prost(message, tag = "1")]
    Range(Range),
    #[prost(message, tag = "2")]
    Put(Put),
    #[prost(message, tag = "3")]
    Delete(Delete),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Step {
    #[prost(oneof = "Request", tags = "1, 2, 3")]
    pub(crate) request: Option<Request>,
}

impl From<Request> for Step {
    fn from(request: Request) -> Self {
        Step { request: Some(request) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Answer {
    /// The answer to a read; those to puts and deletes have nothing to tell.
    #[prost(message, optional, tag = "1")]
    pub(crate) found: Option<Found>,
}

/// "Is changed last by this revision", where 0 is the revision of what is not there.
#[derive(Clone, PartialEq, Message)]
pub(crate) struct Compare {
    /// 0 means equal.
    #[prost(int32, tag = "1")]
    pub(crate) result: i32,
    /// What is compared: [`MODIFIED`].
    #[prost(int32, tag = "2")]
    pub(crate) target: i32,
    #[prost(bytes = "vec", tag = "3")]
    pub(crate) key: Vec<u8>,
    /// Optional, since one of several is always sent, also when it is 0.
    #[prost(int64, optional, tag = "6")]
    pub(crate) modified: Option<Number>,
}

const MODIFIED: i32 = 2;

impl Compare {
    pub(crate) fn at(key: Vec<u8>, revision: Number) -> Self {
        Compare { result: 0, target: MODIFIED, key, modified: Some(revision) }
    }
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Txn {
    #[prost(message, repeated, tag = "1")]
    pub(crate) compare: Vec<Compare>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) success: Vec<Step>,
    #[prost(message, repeated, tag = "3")]
    pub(crate) failure: Vec<Step>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Done {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(bool, tag = "2")]
    pub(crate) succeeded: bool,
    #[prost(message, repeated, tag = "3")]
    pub(crate) answers: Vec<Answer>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct CreateWatch {
    #[prost(bytes = "vec", tag = "1")]
    pub(crate) key: Vec<u8>,
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) end: Vec<u8>,
    #[prost(int64, tag = "3")]
    pub(crate) start: Number,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AskProgress {}

#[derive(Clone, PartialEq, Oneof)]
pub(crate) enum WatchRequest {
    #[prost(message, tag = "1")]
    Create(CreateWatch),
    #[prost(message, tag = "3")]
    Progress(AskProgress),
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct ToWatch {
    #[prost(oneof = "WatchRequest", tags = "1, 3")]
    pub(crate) request: Option<WatchRequest>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Event {
    /// 0 is a put, [`DELETED`] a deletion.
    #[prost(int32, tag = "1")]
    pub(crate) kind: i32,
    #[prost(message, optional, tag = "2")]
    pub(crate) entry: Option<KeyValue>,
}

/// The kind of an event that deletes.
pub(crate) const DELETED: i32 = 1;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct FromWatch {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(bool, tag = "4")]
    pub(crate) cancelled: bool,
    /// Not 0: what was asked for is compacted up to here.
    #[prost(int64, tag = "5")]
    pub(crate) compacted: Number,
    #[prost(string, tag = "6")]
    pub(crate) reason: String,
    #[prost(message, repeated, tag = "11")]
    pub(crate) events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Login {
    #[prost(string, tag = "1")]
    pub(crate) user: String,
    #[prost(string, tag = "2")]
    pub(crate) password: String,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct LoggedIn {
    #[prost(string, tag = "2")]
    pub(crate) token: String,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AskMembers {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberInfo {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
    /// Empty until the member has been started once.
    #[prost(string, tag = "2")]
    pub(crate) name: String,
    #[prost(string, repeated, tag = "3")]
    pub(crate) peer_urls: Vec<String>,
    #[prost(string, repeated, tag = "4")]
    pub(crate) client_urls: Vec<String>,
    #[prost(bool, tag = "5")]
    pub(crate) learner: bool,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberList {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) members: Vec<MemberInfo>,
}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AskStatus {}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct MemberStatus {
    #[prost(string, tag = "2")]
    pub(crate) version: String,
    #[prost(int64, tag = "3")]
    pub(crate) size: i64,
    /// The id of the leader; 0 if the member knows of none.
    #[prost(uint64, tag = "4")]
    pub(crate) leader: u64,
    #[prost(string, repeated, tag = "8")]
    pub(crate) errors: Vec<String>,
    #[prost(int64, tag = "9")]
    pub(crate) used: i64,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct AddMember {
    #[prost(string, repeated, tag = "1")]
    pub(crate) peer_urls: Vec<String>,
    #[prost(bool, tag = "2")]
    pub(crate) learner: bool,
}

/// Removes a member, or makes a learner a voter.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct MemberId {
    #[prost(uint64, tag = "1")]
    pub(crate) id: u64,
}

/// Asks for the alarms of all members: the action 0 and the member 0 are not sent.
#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct AskAlarms {}

#[derive(Clone, Copy, PartialEq, Message)]
pub(crate) struct Alarm {
    #[prost(uint64, tag = "1")]
    pub(crate) member: u64,
    /// 1: no space; 2: corrupt.
    #[prost(int32, tag = "2")]
    pub(crate) kind: i32,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Alarms {
    #[prost(message, optional, tag = "1")]
    pub(crate) header: Option<Header>,
    #[prost(message, repeated, tag = "2")]
    pub(crate) alarms: Vec<Alarm>,
}
