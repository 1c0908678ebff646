//! A cluster of one node and one group, with what is hosted and nothing else: for `stead host` and `stead verify`.

use std::sync::Arc;
use std::sync::mpsc::channel;

use clusapi::{Cluster, GroupFacts, ResourceFacts, Tree};
use stead_resapi as abi;
use stead_types::{GroupState, ResourceState};

use crate::asking;
use crate::control;
use crate::engine::Engine;

/// What is hosted. Names are compared without regard to case.
pub(crate) trait Hosted: Send + Sync {
    /// Names and states.
    fn resources(&self) -> Vec<(String, ResourceState)>;

    /// Sends a control code, as [`Cluster::control`] does.
    fn control(
        &self,
        resource: &str,
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> Result<(u32, Vec<u8>, u32), u32>;

    /// The keys of a resource.
    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32>;
}

/// The cluster. Its group has its name.
struct Alone<H> {
    name: &'static str,
    node: String,
    type_name: String,
    hosted: H,
}

/// Lets resource DLLs of this process ask about a cluster that has nothing but what is hosted.
pub(crate) fn connect(name: &'static str, type_name: &str, hosted: impl Hosted + 'static) {
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    clusapi::connect(Box::leak(Box::new(Alone { name, node, type_name: type_name.to_owned(), hosted })));
}

impl<H: Hosted> Cluster for Alone<H> {
    fn name(&self) -> Result<String, u32> {
        Ok(self.name.to_owned())
    }

    fn nodes(&self) -> Result<Vec<(String, i32)>, u32> {
        Ok(vec![(self.node.clone(), stead_types::NodeState::Up.number())])
    }

    fn resources(&self) -> Result<Vec<String>, u32> {
        Ok(self.hosted.resources().into_iter().map(|(name, _)| name).collect())
    }

    fn groups(&self) -> Result<Vec<String>, u32> {
        Ok(vec![self.name.to_owned()])
    }

    fn types(&self) -> Result<Vec<String>, u32> {
        Ok(vec![self.type_name.clone()])
    }

    fn resource(&self, name: &str) -> Result<ResourceFacts, u32> {
        let mut resources = self.hosted.resources().into_iter();
        let found = resources.find(|(known, _)| known.eq_ignore_ascii_case(name));
        let (name, state) = found.ok_or(abi::ERROR_RESOURCE_NOT_FOUND)?;
        Ok(ResourceFacts {
            name,
            type_name: self.type_name.clone(),
            group: self.name.to_owned(),
            node: self.node.clone(),
            state: state.number(),
            providers: Vec::new(),
            dependents: Vec::new(),
            expression: String::new(),
        })
    }

    fn group(&self, name: &str) -> Result<GroupFacts, u32> {
        if !name.eq_ignore_ascii_case(self.name) {
            return Err(abi::ERROR_GROUP_NOT_FOUND);
        }
        let (resources, states): (Vec<String>, Vec<ResourceState>) =
            self.hosted.resources().into_iter().unzip();
        Ok(GroupFacts {
            name: self.name.to_owned(),
            node: self.node.clone(),
            state: GroupState::derive(states).number(),
            resources,
        })
    }

    fn control(
        &self,
        resource: &str,
        code: u32,
        input: &[u8],
        out_size: u32,
    ) -> Result<(u32, Vec<u8>, u32), u32> {
        self.hosted.control(resource, code, input, out_size)
    }

    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32> {
        self.hosted.keys(resource)
    }
}

/// The one resource of an engine.
pub(crate) struct Single {
    pub(crate) engine: &'static Engine,
    pub(crate) resource: String,
}

impl Hosted for Single {
    fn resources(&self) -> Vec<(String, ResourceState)> {
        let instance = self.engine.named(&self.resource);
        let state = instance.map_or(ResourceState::Unknown, |instance| {
            instance.with_hosting(|hosting| hosting.state().shown())
        });
        vec![(self.resource.clone(), state)]
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
