//! Resource Monitors and resource DLLs that do what they are asked, at once.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use stead_types::{Code, OfflineFlags, ResourceName, ResourceState, StatusFlags};

use crate::event::{Event, Lost, MonitorId, News, OpId, Report};

const FAILED: Code = Code::ERROR_RESOURCE_FAILED;

/// The monitors of a node, and what they have to say.
#[derive(Debug, Default)]
pub(super) struct Hosts {
    open: BTreeMap<ResourceName, (MonitorId, ResourceState)>,
    /// Resources that do not come online here.
    pub(super) sick: BTreeSet<ResourceName>,
    /// Resources whose DLL does not let them go offline.
    pub(super) locked: BTreeSet<ResourceName>,
    pub(super) events: VecDeque<Event>,
}

fn report(resource: &ResourceName, state: ResourceState, settled: bool, code: Code) -> Report {
    let why = if state == ResourceState::Failed { "it is assumed to fail" } else { "" };
    let news = News::State { state, settled, code, flags: StatusFlags::NONE, why };
    Report { resource: resource.clone(), news }
}

impl Hosts {
    /// What ran already. What is on its way is taken to arrive.
    pub(super) fn adopt(
        &mut self,
        monitor: &MonitorId,
        resource: &ResourceName,
        seen: ResourceState,
    ) -> Report {
        let (state, code) = match seen {
            ResourceState::Online | ResourceState::OnlinePending => (ResourceState::Online, Code::SUCCESS),
            ResourceState::Failed => (ResourceState::Failed, FAILED),
            ResourceState::Offline
            | ResourceState::OfflinePending
            | ResourceState::Initializing
            | ResourceState::Inherited
            | ResourceState::Unknown => (ResourceState::Offline, Code::SUCCESS),
        };
        if state == ResourceState::Failed {
            self.sick.insert(resource.clone());
        }
        self.open.insert(resource.clone(), (monitor.clone(), state));
        report(resource, state, true, code)
    }

    /// The resources that are online.
    pub(super) fn online(&self) -> impl Iterator<Item = &ResourceName> {
        let online =
            |(_, (_, state)): &(&ResourceName, &(MonitorId, ResourceState))| *state == ResourceState::Online;
        self.open.iter().filter(online).map(|(resource, _)| resource)
    }

    fn state(&self, resource: &ResourceName) -> Option<ResourceState> {
        self.open.get(resource).map(|(_, state)| *state)
    }

    pub(super) fn stop(&mut self, monitor: MonitorId) {
        self.open.retain(|_, (home, _)| *home != monitor);
        self.events.push_back(Event::MonitorLost { monitor, lost: Lost::Stopped });
    }

    pub(super) fn open(&mut self, op: OpId, monitor: MonitorId, resource: ResourceName) {
        self.open.insert(resource, (monitor, ResourceState::Offline));
        self.done(op, Code::SUCCESS);
    }

    pub(super) fn close(&mut self, op: OpId, resource: &ResourceName) {
        self.open.remove(resource);
        self.done(op, Code::SUCCESS);
    }

    pub(super) fn done(&mut self, op: OpId, code: Code) {
        self.events.push_back(Event::Done { op, code });
    }

    fn becomes(&mut self, resource: &ResourceName, states: &[(ResourceState, bool)], code: Code) {
        for (state, settled) in states {
            if let Some((_, known)) = self.open.get_mut(resource) {
                *known = *state;
            }
            self.events.push_back(Event::Report(report(resource, *state, *settled, code)));
        }
    }

    pub(super) fn bring_online(&mut self, op: OpId, resource: &ResourceName) {
        let code = match self.state(resource) {
            Some(ResourceState::Offline | ResourceState::Failed) if self.sick.contains(resource) => {
                self.becomes(resource, &[(ResourceState::OnlinePending, false)], Code::SUCCESS);
                self.becomes(
                    resource,
                    &[(ResourceState::Failed, false), (ResourceState::Failed, true)],
                    FAILED,
                );
                FAILED
            }
            Some(ResourceState::Offline | ResourceState::Failed) => {
                let states = [(ResourceState::OnlinePending, false), (ResourceState::Online, true)];
                self.becomes(resource, &states, Code::SUCCESS);
                Code::SUCCESS
            }
            Some(ResourceState::Online) => Code::SUCCESS,
            Some(
                ResourceState::OnlinePending
                | ResourceState::OfflinePending
                | ResourceState::Initializing
                | ResourceState::Inherited
                | ResourceState::Unknown,
            )
            | None => Code::ERROR_INVALID_STATE,
        };
        self.done(op, code);
    }

    pub(super) fn take_offline(&mut self, op: OpId, resource: &ResourceName, flags: OfflineFlags) {
        let code = match self.state(resource) {
            Some(ResourceState::Online)
                if self.locked.contains(resource)
                    && !flags.contains(OfflineFlags::IGNORE_RESOURCE_STATUS) =>
            {
                Code::ERROR_CLUSTER_RESOURCE_LOCKED_STATUS
            }
            Some(ResourceState::Online) => {
                let states = [(ResourceState::OfflinePending, false), (ResourceState::Offline, true)];
                self.becomes(resource, &states, Code::SUCCESS);
                Code::SUCCESS
            }
            Some(ResourceState::Offline) => Code::SUCCESS,
            Some(ResourceState::Failed) => FAILED,
            Some(
                ResourceState::OnlinePending
                | ResourceState::OfflinePending
                | ResourceState::Initializing
                | ResourceState::Inherited
                | ResourceState::Unknown,
            )
            | None => Code::ERROR_INVALID_STATE,
        };
        self.done(op, code);
    }

    pub(super) fn terminate(&mut self, op: OpId, resource: &ResourceName) {
        let states = [(ResourceState::OfflinePending, false), (ResourceState::Offline, true)];
        self.becomes(resource, &states, Code::SUCCESS);
        self.done(op, Code::SUCCESS);
    }

    pub(super) fn fail(&mut self, op: OpId, resource: &ResourceName) {
        self.done(op, Code::SUCCESS);
        self.becomes(resource, &[(ResourceState::Failed, false), (ResourceState::Failed, true)], FAILED);
    }
}
