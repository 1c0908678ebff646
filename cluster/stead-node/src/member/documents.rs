//! What nodes tell each other, as it is stored: `own/<group>`, `node/<name>`, `state/<group>`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;
use stead_monitor_protocol::Hex;
use stead_policy::InBuffers;
use stead_policy::cluster::{
    Arrival, ArrivalKind, Cause, Drain, DrainStatus, Failover, NodeRecord, Order, Outcome, OwnerState,
    Ownership, Published, Quarantine, Release, Resume, ResumeFailback,
};
use stead_types::{Code, MoveFlags, NodeName, PauseFlags, ResourceName, TypeName};

/// `CLUSGRP_STATUS_WAITING_IN_QUEUE_FOR_MOVE`.
pub(crate) const QUEUED: u64 = 0x4;

/// `CLUSGRP_STATUS_WAITING_FOR_DEPENDENCIES`.
pub(crate) const WAITING_FOR_DEPENDENCIES: u64 = 0x1000;

/// Of the documents.
const SCHEMA: u64 = 1;

/// The key of a group's owner.
pub(crate) fn own_key(group: &stead_types::GroupName) -> String {
    format!("own/{}", group.as_str().to_ascii_lowercase())
}

/// The key of what an owner says of its group.
pub(crate) fn state_key(group: &stead_types::GroupName) -> String {
    format!("state/{}", group.as_str().to_ascii_lowercase())
}

/// The key of what a node says of its machine.
pub(crate) fn host_key(node: &NodeName) -> String {
    format!("host/{}", node.as_str().to_ascii_lowercase())
}

/// What a node says of its machine.
#[derive(Serialize, Deserialize)]
struct HostDoc {
    schema: u64,
    /// The resource types that cannot be loaded there, and why.
    cannot_host: BTreeMap<String, String>,
}

/// What is stored of the types that a node cannot load.
pub(crate) fn host_value(cannot: &BTreeMap<TypeName, String>) -> Value {
    let cannot_host = cannot.iter().map(|(of, why)| (of.to_string(), why.clone())).collect();
    serde_json::to_value(HostDoc { schema: SCHEMA, cannot_host }).unwrap_or_default()
}

/// Reads it.
pub(crate) fn host_of(value: &Value) -> Result<BTreeMap<TypeName, String>, String> {
    let doc: HostDoc = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
    doc.cannot_host.into_iter().map(|(of, why)| Ok((name(&of)?, why))).collect()
}

/// The key of what is said of a node.
pub(crate) fn node_key(node: &NodeName) -> String {
    format!("node/{}", node.as_str().to_ascii_lowercase())
}

/// A session id, with 32 hexadecimal digits.
pub(crate) fn session_text(session: u128) -> String {
    format!("{session:032x}")
}

pub(crate) fn session_of(text: &str) -> Result<u128, String> {
    u128::from_str_radix(text, 16).map_err(|_| format!("{text:?} is no session"))
}

fn name<N: std::str::FromStr<Err: std::fmt::Display>>(text: &str) -> Result<N, String> {
    text.parse().map_err(|error: N::Err| error.to_string())
}

fn names<N: std::str::FromStr<Err: std::fmt::Display>>(texts: &[String]) -> Result<Vec<N>, String> {
    texts.iter().map(|text| name(text)).collect()
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum StateDoc {
    Assigned,
    Ordered,
    Failed,
    Returning { code: u32 },
    Leaving,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum KindDoc {
    First,
    Move,
    Return,
    Failover,
    Takeover,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum CauseDoc {
    Operator,
    Drain { number: u64 },
    Failback,
    Failover,
    Shutdown,
}

#[derive(Serialize, Deserialize)]
struct ArrivalDoc {
    kind: KindDoc,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    source: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    cause: Option<CauseDoc>,
    flags: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    in_buffers: BTreeMap<String, Hex>,
    start: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    suspended: Vec<(String, String)>,
}

#[derive(Serialize, Deserialize)]
struct OrderDoc {
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    flags: u32,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    in_buffers: BTreeMap<String, Hex>,
    asked_by: String,
    cause: CauseDoc,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
}

#[derive(Serialize, Deserialize)]
struct OutcomeDoc {
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<String>,
    cause: CauseDoc,
    code: u32,
    generation: u64,
    detail: String,
}

#[derive(Serialize, Deserialize)]
struct FailoverDoc {
    generation: u64,
    from: String,
    served: bool,
}

#[derive(Serialize, Deserialize)]
struct OwnershipDoc {
    schema: u64,
    generation: u64,
    node: String,
    session: String,
    state: StateDoc,
    arrival: ArrivalDoc,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    order: Option<OrderDoc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    outcome: Option<OutcomeDoc>,
    orders: u64,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    failovers: Vec<FailoverDoc>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    reasons: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<String>,
}

fn buffers_doc(buffers: &InBuffers) -> BTreeMap<String, Hex> {
    buffers.iter().map(|(name, bytes)| (name.to_string(), Hex(bytes.clone()))).collect()
}

fn buffers_of(doc: BTreeMap<String, Hex>) -> Result<InBuffers, String> {
    doc.into_iter().map(|(of, bytes)| Ok((name(&of)?, bytes.0))).collect()
}

const fn cause_doc(cause: Cause) -> CauseDoc {
    match cause {
        Cause::Operator => CauseDoc::Operator,
        Cause::Drain(number) => CauseDoc::Drain { number },
        Cause::Failback => CauseDoc::Failback,
        Cause::Failover => CauseDoc::Failover,
        Cause::Shutdown => CauseDoc::Shutdown,
    }
}

const fn cause_of(doc: &CauseDoc) -> Cause {
    match doc {
        CauseDoc::Operator => Cause::Operator,
        CauseDoc::Drain { number } => Cause::Drain(*number),
        CauseDoc::Failback => Cause::Failback,
        CauseDoc::Failover => Cause::Failover,
        CauseDoc::Shutdown => Cause::Shutdown,
    }
}

/// An ownership as it is stored.
pub(crate) fn ownership_value(of: &Ownership) -> Value {
    let doc = OwnershipDoc {
        schema: SCHEMA,
        generation: of.generation,
        node: of.node.to_string(),
        session: session_text(of.session),
        state: match of.state {
            OwnerState::Assigned => StateDoc::Assigned,
            OwnerState::Released(Release::Ordered) => StateDoc::Ordered,
            OwnerState::Released(Release::Failed) => StateDoc::Failed,
            OwnerState::Released(Release::Returning { code }) => StateDoc::Returning { code: code.0 },
            OwnerState::Released(Release::Leaving) => StateDoc::Leaving,
        },
        arrival: ArrivalDoc {
            kind: match of.arrival.kind {
                ArrivalKind::First => KindDoc::First,
                ArrivalKind::Move => KindDoc::Move,
                ArrivalKind::Return => KindDoc::Return,
                ArrivalKind::Failover => KindDoc::Failover,
                ArrivalKind::Takeover => KindDoc::Takeover,
            },
            source: of.arrival.source.as_ref().map(ToString::to_string),
            cause: of.arrival.cause.map(cause_doc),
            flags: of.arrival.flags.bits(),
            in_buffers: buffers_doc(&of.arrival.in_buffers),
            start: of.arrival.start,
            suspended: of
                .arrival
                .suspended
                .iter()
                .map(|(node, session)| (node.to_string(), session_text(*session)))
                .collect(),
        },
        order: of.order.as_ref().map(|order| OrderDoc {
            id: order.id,
            to: order.to.as_ref().map(ToString::to_string),
            flags: order.flags.bits(),
            in_buffers: buffers_doc(&order.in_buffers),
            asked_by: order.asked_by.clone(),
            cause: cause_doc(order.cause),
            reasons: order.reasons.clone(),
        }),
        outcome: of.outcome.as_ref().map(|outcome| OutcomeDoc {
            id: outcome.id,
            to: outcome.to.as_ref().map(ToString::to_string),
            cause: cause_doc(outcome.cause),
            code: outcome.code.0,
            generation: outcome.generation,
            detail: outcome.detail.clone(),
        }),
        orders: of.orders,
        failovers: of
            .failovers
            .iter()
            .map(|failover| FailoverDoc {
                generation: failover.generation,
                from: failover.from.to_string(),
                served: failover.served,
            })
            .collect(),
        reasons: of.reasons.clone(),
        held: of.held.clone(),
    };
    serde_json::to_value(doc).unwrap_or(Value::Null)
}

fn read<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, String> {
    if let Some(text) = value.as_str() {
        // So the store tells what is no document at all.
        return Err(text.to_owned());
    }
    let schema = value.get("schema").and_then(Value::as_u64);
    if schema.is_none_or(|schema| schema > SCHEMA) {
        let schema = schema.map_or("none".to_owned(), |schema| schema.to_string());
        return Err(format!("its schema is {schema}; this version reads up to {SCHEMA}"));
    }
    T::deserialize(value).map_err(|error| error.to_string())
}

/// What a stored ownership says.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn ownership_of(value: &Value) -> Result<Ownership, String> {
    let doc: OwnershipDoc = read(value)?;
    let order = doc.order.map(|order| {
        Ok::<Order, String>(Order {
            id: order.id,
            to: order.to.as_deref().map(name).transpose()?,
            flags: MoveFlags::from_bits(order.flags),
            in_buffers: buffers_of(order.in_buffers)?,
            asked_by: order.asked_by,
            cause: cause_of(&order.cause),
            reasons: order.reasons,
        })
    });
    let outcome = doc.outcome.map(|outcome| {
        Ok::<Outcome, String>(Outcome {
            id: outcome.id,
            to: outcome.to.as_deref().map(name).transpose()?,
            cause: cause_of(&outcome.cause),
            code: Code(outcome.code),
            generation: outcome.generation,
            detail: outcome.detail,
        })
    });
    let failovers = doc.failovers.into_iter().map(|failover| {
        let from = name(&failover.from)?;
        Ok(Failover { generation: failover.generation, from, served: failover.served })
    });
    let suspended =
        doc.arrival.suspended.iter().map(|(node, session)| Ok((name(node)?, session_of(session)?)));
    Ok(Ownership {
        generation: doc.generation,
        node: name(&doc.node)?,
        session: session_of(&doc.session)?,
        state: match doc.state {
            StateDoc::Assigned => OwnerState::Assigned,
            StateDoc::Ordered => OwnerState::Released(Release::Ordered),
            StateDoc::Failed => OwnerState::Released(Release::Failed),
            StateDoc::Returning { code } => OwnerState::Released(Release::Returning { code: Code(code) }),
            StateDoc::Leaving => OwnerState::Released(Release::Leaving),
        },
        arrival: Arrival {
            kind: match doc.arrival.kind {
                KindDoc::First => ArrivalKind::First,
                KindDoc::Move => ArrivalKind::Move,
                KindDoc::Return => ArrivalKind::Return,
                KindDoc::Failover => ArrivalKind::Failover,
                KindDoc::Takeover => ArrivalKind::Takeover,
            },
            source: doc.arrival.source.as_deref().map(name).transpose()?,
            cause: doc.arrival.cause.as_ref().map(cause_of),
            flags: MoveFlags::from_bits(doc.arrival.flags),
            suspended: suspended.collect::<Result<_, String>>()?,
            in_buffers: buffers_of(doc.arrival.in_buffers)?,
            start: doc.arrival.start,
        },
        order: order.transpose()?,
        outcome: outcome.transpose()?,
        orders: doc.orders,
        failovers: failovers.collect::<Result<_, String>>()?,
        reasons: doc.reasons,
        held: doc.held,
    })
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum DrainStatusDoc {
    InProgress,
    Completed,
    Failed,
}

#[derive(Serialize, Deserialize)]
struct DrainDoc {
    id: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    target: Option<String>,
    flags: u32,
    status: DrainStatusDoc,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum FailbackDoc {
    None,
    Immediate,
    Policy,
}

#[derive(Serialize, Deserialize)]
struct ResumeDoc {
    session: String,
    failback: FailbackDoc,
}

#[derive(Serialize, Deserialize)]
struct QuarantineDoc {
    since: String,
    reason: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    told_ms: Option<u64>,
}

#[derive(Serialize, Deserialize)]
struct NodeDoc {
    schema: u64,
    #[serde(default)]
    paused: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    drain: Option<DrainDoc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    resume: Option<ResumeDoc>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    leaving: Option<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    losses: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    quarantine: Option<QuarantineDoc>,
}

/// What is said of a node, as it is stored.
pub(crate) fn record_value(of: &NodeRecord) -> Value {
    let doc = NodeDoc {
        schema: SCHEMA,
        paused: of.paused,
        drain: of.drain.as_ref().map(|drain| DrainDoc {
            id: drain.id,
            target: drain.target.as_ref().map(ToString::to_string),
            flags: drain.flags.bits(),
            status: match drain.status {
                DrainStatus::InProgress => DrainStatusDoc::InProgress,
                DrainStatus::Completed => DrainStatusDoc::Completed,
                DrainStatus::Failed => DrainStatusDoc::Failed,
            },
        }),
        resume: of.resume.map(|resume| ResumeDoc {
            session: session_text(resume.session),
            failback: match resume.failback {
                ResumeFailback::None => FailbackDoc::None,
                ResumeFailback::Immediate => FailbackDoc::Immediate,
                ResumeFailback::Policy => FailbackDoc::Policy,
            },
        }),
        leaving: of.leaving.map(session_text),
        losses: of.losses.iter().copied().map(session_text).collect(),
        quarantine: of.quarantine.as_ref().map(|quarantine| QuarantineDoc {
            since: session_text(quarantine.since),
            reason: quarantine.reason.clone(),
            told_ms: quarantine.told_ms,
        }),
    };
    serde_json::to_value(doc).unwrap_or(Value::Null)
}

/// What is stored of a node.
///
/// # Errors
/// What is wrong with it.
pub(crate) fn record_of(value: &Value) -> Result<NodeRecord, String> {
    let doc: NodeDoc = read(value)?;
    let drain = doc.drain.map(|drain| {
        Ok::<Drain, String>(Drain {
            id: drain.id,
            target: drain.target.as_deref().map(name).transpose()?,
            flags: PauseFlags::from_bits(drain.flags),
            status: match drain.status {
                DrainStatusDoc::InProgress => DrainStatus::InProgress,
                DrainStatusDoc::Completed => DrainStatus::Completed,
                DrainStatusDoc::Failed => DrainStatus::Failed,
            },
        })
    });
    let resume = doc.resume.map(|resume| {
        Ok::<Resume, String>(Resume {
            session: session_of(&resume.session)?,
            failback: match resume.failback {
                FailbackDoc::None => ResumeFailback::None,
                FailbackDoc::Immediate => ResumeFailback::Immediate,
                FailbackDoc::Policy => ResumeFailback::Policy,
            },
        })
    });
    let quarantine = doc.quarantine.map(|quarantine| {
        let since = session_of(&quarantine.since)?;
        let QuarantineDoc { reason, told_ms, .. } = quarantine;
        Ok::<Quarantine, String>(Quarantine { since, reason, told_ms })
    });
    Ok(NodeRecord {
        paused: doc.paused,
        drain: drain.transpose()?,
        resume: resume.transpose()?,
        leaving: doc.leaving.as_deref().map(session_of).transpose()?,
        losses: doc.losses.iter().map(|session| session_of(session)).collect::<Result<_, String>>()?,
        quarantine: quarantine.transpose()?,
    })
}

/// How a group stands to what is wanted of it, while nothing is on its way: success, or what is in the way.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Settlement {
    code: u32,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    detail: String,
}

/// What an owner says of a group: for the coordinator, and for whoever asks any node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct StateDocument {
    schema: u64,
    generation: u64,
    served: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    given_up: Vec<String>,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    locked: Vec<String>,
    /// Its coming to this owner is over, with this code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    arrived: Option<u32>,
    /// What was in the way of its resources.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    obstacle: String,
    /// The fingerprint of the configuration that its owner acts on. Versions before this one say nothing of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    configuration: Option<u64>,
    /// By that configuration; none while something is on its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    settlement: Option<Settlement>,
    /// When it was said, by the clock people read, so that others can show how long something lasts.
    #[serde(default)]
    pub(crate) said_ms: u64,
    /// As the interface shows it.
    pub(crate) group: stead_api::Group,
}

impl StateDocument {
    /// Of what was seen at one instant.
    pub(crate) fn new(of: &Published, arrived: Option<&(Code, String)>, group: stead_api::Group) -> Self {
        StateDocument {
            schema: SCHEMA,
            generation: of.generation,
            served: of.served,
            given_up: of.given_up.iter().map(ToString::to_string).collect(),
            locked: of.locked.iter().map(ToString::to_string).collect(),
            arrived: arrived.map(|(code, _)| code.0),
            obstacle: arrived.map(|(_, detail)| detail.clone()).unwrap_or_default(),
            configuration: None,
            settlement: None,
            said_ms: crate::edge::timer::wall_clock_ms(),
            group,
        }
    }

    /// The fingerprint of the configuration that its owner acts on, and how it stands to that.
    pub(crate) fn settle(&mut self, configuration: u64, settlement: Option<(Code, String)>) {
        self.configuration = Some(configuration);
        self.settlement = settlement.map(|(code, detail)| Settlement { code: code.0, detail });
    }

    /// The fingerprint of the configuration that its owner acts on, if its version of stead says that.
    pub(crate) const fn configuration(&self) -> Option<u64> {
        self.configuration
    }

    /// How it stands to that configuration; none while something is on its way.
    pub(crate) fn settlement(&self) -> Option<(Code, &str)> {
        self.settlement.as_ref().map(|of| (Code(of.code), of.detail.as_str()))
    }

    /// The generation it is said of.
    pub(crate) const fn generation(&self) -> u64 {
        self.generation
    }

    /// How its coming to this owner has ended; none while it goes on.
    pub(crate) fn arrived(&self) -> Option<(Code, &str)> {
        self.arrived.map(|code| (Code(code), self.obstacle.as_str()))
    }

    /// As it is stored.
    pub(crate) fn value(&self) -> Value {
        serde_json::to_value(self).unwrap_or(Value::Null)
    }

    /// What is stored.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn read(value: &Value) -> Result<Self, String> {
        read(value)
    }

    /// What the coordinator reads of it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub(crate) fn published(&self) -> Result<Published, String> {
        Ok(Published {
            generation: self.generation,
            state: self.group.state.parse().map_err(|error: stead_types::UnknownState| error.to_string())?,
            served: self.served,
            given_up: names::<ResourceName>(&self.given_up)?,
            locked: names::<ResourceName>(&self.locked)?,
            queued: self.group.status_information & QUEUED != 0,
        })
    }
}
