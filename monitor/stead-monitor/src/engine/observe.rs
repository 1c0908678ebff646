//! What an engine tells about itself.

use std::sync::Arc;

use stead_monitor_protocol::Cause;
use stead_types::{Code, StatusFlags, Time};

use super::Instance;
use crate::hosting::{Op, State};

/// A value in the record of a call or callback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    Number(i64),
    Hex(Option<Vec<u8>>),
    Text(Option<String>),
    Handle(u64),
}

/// A finished call of an entry point.
#[derive(Clone, Debug)]
pub(crate) struct Called {
    pub(crate) entry: &'static str,
    pub(crate) args: Vec<(&'static str, Field)>,
    pub(crate) returned: Option<Field>,
    pub(crate) at: Time,
    pub(crate) took: std::time::Duration,
}

/// A callback and how it was answered.
#[derive(Clone, Debug)]
pub(crate) struct CalledBack {
    pub(crate) name: &'static str,
    pub(crate) args: Vec<(&'static str, Field)>,
    pub(crate) returned: u32,
    pub(crate) accepted: bool,
    pub(crate) at: Time,
}

/// A change of state, with what brought it about.
#[derive(Clone, Debug)]
pub(crate) struct Changed {
    pub(crate) from: State,
    pub(crate) to: State,
    pub(crate) code: Code,
    pub(crate) flags: StatusFlags,
    pub(crate) cause: Cause,
    pub(crate) at: Time,
}

/// Who is told what happens. Called with locks held: it must be quick and must not call back.
pub(crate) trait Observer: Send + Sync {
    /// A call or a status callback begins: its instant, which the record that follows carries.
    fn begins(&self) -> Time;
    fn called(&self, instance: Option<&Instance>, call: Called);
    fn called_back(&self, instance: Option<&Instance>, call: CalledBack);
    fn wants_calls(&self) -> bool;
    /// True in a node: resource DLLs are notified, and what they leave running is ended.
    fn in_a_node(&self) -> bool {
        false
    }
    fn changed(&self, instance: &Instance, change: Changed);
    fn progress(&self, instance: &Arc<Instance>, checkpoint: u32);
    fn delayed(&self, instance: &Instance, flags: StatusFlags);
    fn finished(&self, instance: &Instance, op: Op, code: Code);
    fn locked(&self, instance: &Instance, locked: bool, reason: u32, flags: u32);
    fn signalled(&self, instance: &Instance, embedded: bool, code: u32);
    fn log(&self, instance: Option<&Instance>, level: i32, text: String);
    fn violation(&self, instance: Option<&Instance>, rule: &'static str, text: String);
    fn stuck(&self, instance: &Instance, entry: &'static str);
    /// A process that does the instance's work became known after it had come online.
    fn process_known(&self, instance: &Instance);
}
