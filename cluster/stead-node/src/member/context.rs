//! Before a group departs the resource DLLs that want to be asked say what is to go with that.
//!
//! Windows: mscs/resource-control-codes (`GET_OPERATION_CONTEXT`)

use std::collections::{BTreeMap, BTreeSet};

use stead_monitor_protocol::OpId;
use stead_policy::{Event, InBuffers, OperationContext};
use stead_types::GroupName;

use crate::edge::timer;
use crate::node::Node;

/// Questions that have not all been answered.
#[derive(Debug, Default)]
pub(super) struct Context {
    waiting: BTreeSet<OpId>,
    buffers: InBuffers,
}

impl Node {
    /// Asks the resource DLLs of a group. The answers to what was asked before are nobody's any more.
    pub(crate) fn ask_context(&mut self, group: &GroupName, context: OperationContext) {
        let Some(config) = self.policy.config().groups.get(group) else { return };
        let (priority, resources) = (config.priority, config.resources.keys());
        let monitors = &mut self.monitors;
        let asked = resources.filter_map(|name| monitors.ask_context(name, context.number(), priority));
        let waiting: BTreeSet<OpId> = asked.collect();
        let Some(member) = &mut self.member else { return };
        member.contexts.insert(group.clone(), Context { waiting, buffers: InBuffers::new() });
        self.context_settled(group);
    }

    /// A resource DLL has answered. Where two want something given to the same type, the later answer counts.
    pub(crate) fn context_said(&mut self, op: OpId, buffers: BTreeMap<String, Vec<u8>>) {
        let Some(member) = &mut self.member else { return };
        let of =
            |(group, context): (&GroupName, &Context)| context.waiting.contains(&op).then(|| group.clone());
        let Some(group) = member.contexts.iter().find_map(of) else { return };
        let Some(context) = member.contexts.get_mut(&group) else { return };
        context.waiting.remove(&op);
        // What is no name of a type is no type's.
        let named = buffers.into_iter().filter_map(|(name, bytes)| Some((name.parse().ok()?, bytes)));
        context.buffers.extend(named);
        self.context_settled(&group);
    }

    fn context_settled(&mut self, group: &GroupName) {
        let Some(member) = &mut self.member else { return };
        if member.contexts.get(group).is_some_and(|context| context.waiting.is_empty())
            && let Some(Context { buffers, .. }) = member.contexts.remove(group)
        {
            self.policy.handle(Event::ContextKnown { group: group.clone(), buffers }, timer::now());
        }
    }
}
