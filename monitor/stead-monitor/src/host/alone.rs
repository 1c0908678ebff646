//! The cluster of `stead host`: one node, one group, the resource that is hosted.

use std::sync::Arc;
use std::sync::mpsc::channel;

use clusapi::{Cluster, GroupFacts, ResourceFacts, Tree};
use stead_resapi as abi;
use stead_types::GroupState;

use crate::asking;
use crate::control;
use crate::engine::Engine;

const CLUSTER: &str = "host";
const GROUP: &str = "host";

/// The only resource there is.
pub(super) struct Alone {
    pub(super) engine: &'static Engine,
    pub(super) node: String,
    pub(super) resource: String,
    pub(super) type_name: String,
}

impl Alone {
    fn is(&self, name: &str) -> Result<(), u32> {
        if name.eq_ignore_ascii_case(&self.resource) { Ok(()) } else { Err(abi::ERROR_RESOURCE_NOT_FOUND) }
    }

    fn state(&self) -> stead_types::ResourceState {
        let instance = self.engine.named(&self.resource);
        instance.map_or(stead_types::ResourceState::Unknown, |instance| {
            instance.with_hosting(|hosting| hosting.state().shown())
        })
    }
}

impl Cluster for Alone {
    fn name(&self) -> Result<String, u32> {
        Ok(CLUSTER.to_owned())
    }

    fn nodes(&self) -> Result<Vec<(String, i32)>, u32> {
        Ok(vec![(self.node.clone(), stead_types::NodeState::Up.number())])
    }

    fn resources(&self) -> Result<Vec<String>, u32> {
        Ok(vec![self.resource.clone()])
    }

    fn groups(&self) -> Result<Vec<String>, u32> {
        Ok(vec![GROUP.to_owned()])
    }

    fn types(&self) -> Result<Vec<String>, u32> {
        Ok(vec![self.type_name.clone()])
    }

    fn resource(&self, name: &str) -> Result<ResourceFacts, u32> {
        self.is(name)?;
        Ok(ResourceFacts {
            name: self.resource.clone(),
            type_name: self.type_name.clone(),
            group: GROUP.to_owned(),
            node: self.node.clone(),
            state: self.state().number(),
            providers: Vec::new(),
            dependents: Vec::new(),
            expression: String::new(),
        })
    }

    fn group(&self, name: &str) -> Result<GroupFacts, u32> {
        if !name.eq_ignore_ascii_case(GROUP) {
            return Err(abi::ERROR_GROUP_NOT_FOUND);
        }
        Ok(GroupFacts {
            name: GROUP.to_owned(),
            node: self.node.clone(),
            state: GroupState::derive([self.state()]).number(),
            resources: vec![self.resource.clone()],
        })
    }

    fn control(
        &self,
        resource: &str,
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> Result<(u32, Vec<u8>, u32), u32> {
        let instance = self.engine.named(resource).ok_or(abi::ERROR_RESOURCE_NOT_FOUND)?;
        asking::not_inside(&instance)?;
        let (tell, told) = channel();
        control::send(self.engine, &instance, code, input.to_vec(), out_size, move |code, output| {
            let _ = tell.send((code, output));
        });
        let (code, output) = told.recv_timeout(asking::patience()).map_err(|_| abi::ERROR_TIMEOUT)?;
        Ok(asking::controlled(code, output))
    }

    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32> {
        let instance = self.engine.named(resource).ok_or(abi::ERROR_RESOURCE_NOT_FOUND)?;
        Ok(Arc::clone(&instance.tree))
    }
}
