//! What clients and the node say to each other: HTTP/1.1 with JSON over the node's Unix socket.
//!
//! Requests that change something answer with a stream of JSON lines ([`Line`]): accepted, progress, and one last line.
//! The OpenAPI document is served at [`routes::OPENAPI`] and checked in as `openapi.json`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use stead_types::FenceClass;
use utoipa::{OpenApi, ToSchema};

/// Where things are.
pub mod routes {
    /// `GET`: [`crate::Status`].
    pub const STATUS: &str = "/v1/status";
    /// `GET`: [`crate::Config`] as it is stored.
    pub const CONFIG: &str = "/v1/config";
    /// `POST` [`crate::Apply`]: lines.
    pub const APPLY: &str = "/v1/apply";
    /// `POST` [`crate::Operate`]: lines. The verb is one of [`crate::GROUP_VERBS`].
    pub const GROUP: &str = "/v1/groups/{name}/{verb}";
    /// `POST` [`crate::Operate`]: lines. The verb is one of [`crate::RESOURCE_VERBS`].
    pub const RESOURCE: &str = "/v1/resources/{name}/{verb}";
    /// `POST` [`crate::NodeOperate`]: lines. The verb is one of [`crate::NODE_VERBS`].
    pub const NODE: &str = "/v1/nodes/{name}/{verb}";
    /// `POST` [`crate::Control`]: [`crate::Controlled`].
    pub const CONTROL: &str = "/v1/control/{name}";
    /// `POST` [`crate::Control`]: [`crate::Controlled`]. For a resource type.
    pub const TYPE_CONTROL: &str = "/v1/types/{name}/control";
    /// `DELETE`: lines.
    pub const TYPE: &str = "/v1/types/{name}";
    /// `DELETE`: lines.
    pub const GROUP_SET: &str = "/v1/group-sets/{name}";
    /// `GET`: a list of [`crate::Setting`].
    pub const SETTINGS: &str = "/v1/settings";
    /// `GET`: [`crate::Explanation`]. The kind is `group`, `resource` or `any`.
    pub const EXPLAIN: &str = "/v1/explain/{kind}/{name}";
    /// `GET`: [`crate::Situation`]. It changes nothing.
    pub const SITUATION: &str = "/v1/situation";
    /// `GET`: a list of [`crate::Event`]; with `follow=true` JSON lines without end.
    pub const EVENTS: &str = "/v1/events";
    /// `POST`: lines. Everything offline, then the node and the guardian end.
    pub const SHUTDOWN: &str = "/v1/shutdown";
    /// `GET`: the OpenAPI document.
    pub const OPENAPI: &str = "/v1/openapi.json";
}

/// Beside the socket, while the node cannot answer there: a line that says why, after the word "it".
pub const STANDING: &str = "standing";

/// The version of this interface.
pub const VERSION: &str = "1";

/// The resource types of stead itself; there is nothing to register for them.
pub const BUILTIN_TYPES: &[&str] = &[
    "Generic Application",
    "Generic Script",
    "Generic Service",
    "File System",
    "IP Address",
    "IPv6 Address",
    "OCF Agent",
];

/// The fence class of a type of stead itself.
#[must_use]
pub fn builtin_fence_class(type_name: &str) -> FenceClass {
    let is = |names: &[&str]| names.iter().any(|name| name.eq_ignore_ascii_case(type_name));
    if is(&["File System"]) {
        FenceClass::F2
    } else if is(&["Generic Service"]) {
        FenceClass::F3
    } else if is(&["IP Address", "IPv6 Address", "OCF Agent"]) {
        FenceClass::F4
    } else {
        FenceClass::F1
    }
}

/// What ends a resource of a type when its node loses its session, and what that does not reach. `registered` is the type's
/// document; without one it is of stead itself.
#[must_use]
pub fn fence_class(type_name: &str, registered: Option<&TypeDoc>) -> (FenceClass, &'static str) {
    let Some(doc) = registered else {
        let class = builtin_fence_class(type_name);
        let words = match class {
            FenceClass::F2 => {
                "its mount, which goes with its namespace; ext4 and XFS are shut down first, others may write on"
            }
            FenceClass::F0 | FenceClass::F1 | FenceClass::F3 | FenceClass::F4 | FenceClass::F5 => {
                class.describe()
            }
        };
        return (class, words);
    };
    match doc.fence_class.as_deref().map(str::parse::<FenceClass>) {
        None | Some(Err(_)) => {
            (FenceClass::F1, "its processes alone: what its DLL leaves outside of them stays")
        }
        Some(Ok(FenceClass::F5)) if doc.accept_no_watchdog => (
            FenceClass::F5,
            "a reset of the machine; ACCEPTED on nodes without a watchdog, where nothing ends it",
        ),
        Some(Ok(class)) => (class, class.describe()),
    }
}

/// What can be asked of a group.
pub const GROUP_VERBS: &[&str] = &["online", "offline", "move", "cancel", "delete"];

/// What can be asked of a resource.
pub const RESOURCE_VERBS: &[&str] =
    &["online", "offline", "restart", "fail", "maintenance-on", "maintenance-off", "cancel", "delete"];

/// What can be asked of a node.
pub const NODE_VERBS: &[&str] = &["pause", "resume", "fence", "confirm-down"];

/// What comes back to a node that is resumed: nothing, what was drained from it at once, or what its failback policy
/// brings back.
pub const FAILBACKS: &[&str] = &["none", "now", "policy"];

/// A Windows status code with its name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ErrorCode {
    /// The number.
    pub code: u32,
    /// The documented name, where it has one.
    pub name: Option<String>,
}

/// Everything at one instant.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Status {
    /// The nodes of the cluster.
    pub nodes: Vec<Node>,
    /// The groups, by name.
    pub groups: Vec<Group>,
    /// Since when the node that answers has not reached the cluster database, in milliseconds since 1970, if it does not:
    /// then everything is as it was stored last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_contact_since_ms: Option<u64>,
}

/// A node.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Node {
    /// Its name.
    pub name: String,
    /// `Up`, `Down`, `Paused`, `Joining`.
    pub state: String,
    /// The version of stead it runs.
    pub version: String,
    /// How processes are contained, and what that does not cover.
    pub containment: String,
    /// What keeps a group from running twice.
    pub guarantee: String,
    /// How often the node process was started again under running groups.
    pub restarts: u32,
    /// An operator has paused it: it takes no groups and brings nothing online.
    #[serde(default)]
    pub paused: bool,
    /// The last drain, while it is in progress and for its result.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<Drain>,
    /// Why it is kept out of the cluster, if it is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine: Option<String>,
    /// About when that ends by itself, in ms since 1970; none if somebody has to end it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quarantine_ends_ms: Option<u64>,
    /// Its session, where there are several nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session: Option<String>,
    /// When the node that answers last saw a sign of its life, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seen_ms_ago: Option<u64>,
    /// How long ago its session was renewed, as the node that answers has heard, in ms; none where it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_ms_ago: Option<u64>,
    /// How often it is renewed, in ms.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub renewed_every_ms: Option<u64>,
    /// It is the one that plans where groups go.
    #[serde(default)]
    pub coordinator: bool,
}

/// A drain of a node: its groups are moved away.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Drain {
    /// `InProgress`, `Completed`, `Failed`.
    pub status: String,
    /// The node all of them go to; none is the best for each.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// `Online`, `Offline`, `Failed`, `PartialOnline`, `Pending`; derived from its resources.
    pub state: String,
    /// The wanted state: `Online` or `Offline`.
    pub persistent_state: String,
    /// The node it is on.
    pub owner_node: String,
    /// The operation in progress, or queued.
    pub operation: Option<String>,
    /// Why it is as it is, where it is not simply as wanted.
    pub why: Option<String>,
    /// `CLUSGRP_STATUS_…` bits.
    pub status_information: u64,
    /// Its resources, providers first.
    pub resources: Vec<Resource>,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Resource {
    /// Its name.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// `Offline`, `OnlinePending`, `Online`, `OfflinePending`, `Failed`, `Initializing`.
    pub state: String,
    /// The last checkpoint of the pending operation.
    pub checkpoint: u32,
    /// The last failure since it was online.
    pub last_error: Option<ErrorCode>,
    /// The main process that does its work, where its type says so.
    pub pid: Option<u32>,
    /// The wanted state of its own; `null` means the group's.
    pub persistent_state: Option<String>,
    /// What it depends on.
    pub depends_on: String,
    /// For how long it is in this state, in ms.
    pub for_ms: u64,
    /// Failures counted within `RestartPeriod`.
    pub failures: u32,
    /// When it is tried again, in ms from now.
    pub next_attempt_in_ms: Option<u64>,
    /// Locked by its resource DLL.
    pub locked: bool,
    /// In maintenance.
    pub maintenance: bool,
    /// `CLUSRES_STATUS_…` bits.
    pub status_information: u64,
    /// Why it is as it is, where it is not simply as wanted.
    pub why: Option<String>,
}

/// A configuration: resource types and groups.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Resource types from resource DLLs.
    #[serde(default)]
    pub types: Vec<TypeDoc>,
    /// Groups.
    #[serde(default)]
    pub groups: Vec<GroupDoc>,
    /// Group sets.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub group_sets: Vec<GroupSetDoc>,
    /// Settings of the cluster by their names ([`Setting`]); those that are not named stay as they are.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub cluster: BTreeMap<String, u64>,
}

/// A group set: groups that others wait for together.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupSetDoc {
    /// Its name.
    pub name: String,
    /// Its groups.
    #[serde(default)]
    pub groups: Vec<String>,
    /// When one of its groups counts: `Online` (as without it), or `Delay`: as soon as it is on its way online.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_setting: Option<String>,
    /// How many of its groups must count; none is all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_count: Option<u32>,
    /// How long it is waited after that, in seconds; 0 without it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub startup_delay: Option<u32>,
    /// Every group that is in no global set waits for it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_global: bool,
    /// The set its groups wait for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on_set: Option<String>,
}

/// A setting of the cluster.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Setting {
    /// Its name.
    pub name: String,
    /// As it is.
    pub value: u64,
    /// As it is without a word.
    pub default: u64,
    /// The smallest number it takes.
    pub smallest: u64,
    /// The largest.
    pub largest: u64,
    /// What the number counts; empty for 0 or 1.
    pub unit: String,
    /// What it does, in a sentence.
    pub about: String,
}

/// A resource type from a resource DLL.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TypeDoc {
    /// Its name, as the DLL knows it.
    pub name: String,
    /// The absolute path of the DLL.
    pub dll: String,
    /// A comment, for people. Windows: `Description`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// Common properties of the type: `LooksAlivePollInterval` and its like, in ms.
    #[serde(default)]
    pub common: BTreeMap<String, u64>,
    /// What ends its resources when their node loses its session, `F0` to `F5`; `F1`, the end of its processes, without.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fence_class: Option<String>,
    /// Of class `F5`: it may be on a node without a watchdog, where nothing ends it for certain.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub accept_no_watchdog: bool,
}

/// A group.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct GroupDoc {
    /// Its name.
    pub name: String,
    /// A comment, for people. Windows: `Description`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// The wanted state, `Online` or `Offline`; none keeps what is stored, `Online` for a new group.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_state: Option<String>,
    /// Failovers allowed within `failover_period` hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_threshold: Option<u32>,
    /// In hours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failover_period: Option<u32>,
    /// Nodes in the order in which they are preferred.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub preferred_owners: Vec<String>,
    /// Groups that share one of these words are kept on different nodes where that is possible.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub anti_affinity: Vec<String>,
    /// Whether it returns to a preferred owner that is back: `Prevent` (as without it), `Allow`, or hours between which
    /// it may, such as `22-4`: from 22:00 until 3:59.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failback: Option<String>,
    /// Whether it starts with the whole cluster: `Always` (as without it), `DoNotStart`, `Allowed`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cold_start: Option<String>,
    /// Groups that must be online before it is started on a new owner.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub depends_on_groups: Vec<String>,
    /// The group set that must be ready before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub depends_on_set: Option<String>,
    /// Higher starts first: 1000 low, 2000 medium, 3000 high.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub priority: Option<u32>,
    /// Its resources.
    #[serde(default)]
    pub resources: Vec<ResourceDoc>,
}

/// A resource.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResourceDoc {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Its type.
    #[serde(rename = "type")]
    pub type_name: String,
    /// A comment, for people. Windows: `Description`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub description: String,
    /// A dependency expression: `[disk] and ([ip1] or [ip2])`.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub depends_on: String,
    /// The nodes on which it may be online; none is every node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub possible_owners: Vec<String>,
    /// The wanted state of its own, `Online` or `Offline`; none means the group's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub persistent_state: Option<String>,
    /// Common properties by their documented names; intervals in ms.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub common: BTreeMap<String, u64>,
    /// Private properties: numbers, true and false, texts, lists of texts, `{"hex": "00ff"}`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, Object>)]
    pub properties: BTreeMap<String, serde_json::Value>,
}

/// A configuration to apply.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Apply {
    /// The wanted configuration.
    pub config: Config,
    /// Only say what would be done.
    #[serde(default)]
    pub dry_run: bool,
    /// Delete groups and resources that are not in it.
    #[serde(default)]
    pub prune: bool,
    /// Answer as soon as it is stored, not when every group is as wanted.
    #[serde(default)]
    pub no_wait: bool,
}

/// How an operation is to be done. What only a move knows is refused elsewhere, and the other way round; other flags
/// without meaning for the verb are ignored.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct Operate {
    /// Although locked (`IGNORE_RESOURCE_STATUS`). A group is deleted with its resources, a resource also if its resource
    /// DLL cannot be asked.
    pub force: bool,
    /// Leaves the wanted state as it is (`DO_NOT_UPDATE_PERSISTENT_STATE`).
    pub keep_persistent_state: bool,
    /// `Terminate` instead of `Offline` (`FORCE_WITH_TERMINATION`).
    pub terminate: bool,
    /// Retry a delayed offline until it is done or cancelled (`QUEUE_ENABLED`).
    pub queue: bool,
    /// The destination of a move; none is the best node.
    pub to: Option<String>,
    /// Of a move: a resource that fails at the destination brings the group back (`RETURN_TO_SOURCE_NODE_ON_ERROR`).
    pub return_on_error: bool,
    /// Of a move: started ahead of others at the destination (`HIGH_PRIORITY_START`).
    pub high_priority: bool,
    /// Of a move: although anti-affinity speaks against it (`IGNORE_AFFINITY_RULE`).
    pub ignore_affinity: bool,
    /// `InBuffer` in hexadecimal, by the resource type it is meant for.
    pub in_buffer: BTreeMap<String, String>,
    /// Answer as soon as the request is accepted.
    pub no_wait: bool,
}

/// How a node is to be paused, resumed or fenced. What belongs to the other verb is refused.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub struct NodeOperate {
    /// Pause: its groups are moved to other nodes.
    pub drain: bool,
    /// Of a drain: the node all of them go to; none is the best for each.
    pub to: Option<String>,
    /// Of a drain: a group that fails where it goes comes back and keeps running
    /// (`REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR`).
    pub keep_on_error: bool,
    /// Of a drain: a group that could not be moved is tried again (`RETRY_DRAIN_ON_FAILURE`).
    pub retry: bool,
    /// Resume: one of [`FAILBACKS`]; `policy` by default.
    pub failback: Option<String>,
    /// Resume: it is let in again although it left too often without a word (`Start-ClusterNode -ClearQuarantine`).
    pub clear_quarantine: bool,
    /// Confirm-down: the node's name once more, by who has seen that its machine is off.
    pub confirm: Option<String>,
    /// Fence: its machine stays off.
    pub off: bool,
    /// Fence: although it renews its session.
    pub force: bool,
    /// Answer as soon as the request is accepted.
    pub no_wait: bool,
}

/// A control code for a resource.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Control {
    /// The full 32-bit code.
    pub code: u32,
    /// The input, in hexadecimal.
    #[serde(default)]
    pub in_buffer: String,
}

/// The answer to a control code.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Controlled {
    /// How it ended.
    pub result: ErrorCode,
    /// The output, in hexadecimal.
    pub output: String,
}

/// One line of the answer to a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Line {
    /// The request was accepted and its intent is stored.
    Accepted,
    /// A resource changed while the request was carried out.
    Progress(Event),
    /// What of a configuration is allowed and may not be meant; it is applied as it is.
    Warnings(Vec<Problem>),
    /// What applying a configuration does, or would do, a step each.
    Plan(Vec<String>),
    /// The last line: it was done.
    Done {
        /// The state reached, where there is one.
        state: Option<String>,
    },
    /// The last line: it was carried out and failed.
    Failed(Failure),
    /// The last line: it will not be carried out; nothing was changed.
    Refused(Failure),
    /// The last line: the configuration is wrong; nothing was changed.
    Problems(Vec<Problem>),
    /// The last line: somebody cancelled it.
    Cancelled,
}

impl Line {
    /// True if nothing comes after it.
    #[must_use]
    pub const fn is_last(&self) -> bool {
        match self {
            Line::Accepted | Line::Progress(_) | Line::Warnings(_) | Line::Plan(_) => false,
            Line::Done { .. } | Line::Failed(_) | Line::Refused(_) | Line::Problems(_) | Line::Cancelled => {
                true
            }
        }
    }
}

/// Why something failed or was refused.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// What was asked of what: `resource "db": offline`.
    pub what: String,
    /// Windows' code.
    pub error: ErrorCode,
    /// What a person should read beside it.
    pub detail: String,
}

/// Something wrong with a configuration.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// Where: `group/web/resource/db/properties/Port`.
    pub place: String,
    /// What is wrong, and what would be right.
    pub text: String,
    /// Windows' code.
    pub error: ErrorCode,
}

/// A line of the event history.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Event {
    /// Rises with every event of a node.
    pub sequence: u64,
    /// The node it happened on, where there are several.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<String>,
    /// Milliseconds since 1970, by the node's wall clock.
    pub time_ms: u64,
    /// What kind: Windows' id where it has one, ours from 10000.
    pub id: u32,
    /// `information`, `warning`, `error`, `critical`.
    pub level: String,
    /// The group, where there is one.
    pub group: Option<String>,
    /// The resource, where there is one.
    pub resource: Option<String>,
    /// Windows' code, where there is one.
    pub error: Option<ErrorCode>,
    /// One sentence.
    pub text: String,
}

/// Why something is as it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// Sentences.
    pub lines: Vec<String>,
}

mod openapi;
mod simulation;

pub use simulation::{
    DatabaseMembers, Document, NotSimulated, Simulated, SimulatedDown, SimulatedEvent, SimulatedMove,
    SimulatedReturn, Simulation, SimulationStep, SituatedNode, Situation,
};

/// The OpenAPI document of this interface.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    openapi::Document::openapi()
}
