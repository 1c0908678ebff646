//! The members of an etcd cluster as who runs it sees them: who they are, how they are, added and removed.

use std::sync::Arc;

use prost::Message;
use stead_store::StoreError;
use tokio::time::Instant;

use crate::failure::Failure;
use crate::members::{Attempts, Member, Members, Next};
use crate::options::Options;
use crate::runtime::Runtime;
use crate::version;
use crate::wire::{
    AddMember, Alarms, AskAlarms, AskMembers, AskStatus, Header, MemberId, MemberList, MemberStatus,
};

const LIST: &str = "/etcdserverpb.Cluster/MemberList";
const ADD: &str = "/etcdserverpb.Cluster/MemberAdd";
const REMOVE: &str = "/etcdserverpb.Cluster/MemberRemove";
const PROMOTE: &str = "/etcdserverpb.Cluster/MemberPromote";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";
const ALARM: &str = "/etcdserverpb.Maintenance/Alarm";

/// A member of the etcd cluster, as the others know it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EtcdMember {
    /// Its number, for the other calls.
    pub id: u64,
    /// Its name; empty if it was added and has never been started.
    pub name: String,
    /// Where other members reach it.
    pub peer_urls: Vec<String>,
    /// Where clients reach it.
    pub client_urls: Vec<String>,
    /// It receives everything and has no vote yet.
    pub learner: bool,
}

/// How one member is, as it says itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// Its version.
    pub version: String,
    /// The size of its database on disk, in bytes.
    pub size: u64,
    /// How much of that is in use, in bytes; 0 if it does not say.
    pub used: u64,
    /// The number of the leader; 0 if it knows of none.
    pub leader: u64,
    /// What it complains of.
    pub errors: Vec<String>,
    /// What an operator should know of its version.
    pub warning: Option<String>,
}

/// What can be asked of and done to the members. Nothing here reads or writes a document.
#[derive(Debug)]
pub struct Admin {
    members: Arc<Members>,
    runtime: Runtime,
}

fn all_of(list: MemberList) -> Vec<EtcdMember> {
    let mut members: Vec<EtcdMember> = list
        .members
        .into_iter()
        .map(|member| EtcdMember {
            id: member.id,
            name: member.name,
            peer_urls: member.peer_urls,
            client_urls: member.client_urls,
            learner: member.learner,
        })
        .collect();
    members.sort_by(|one, other| (&one.name, one.id).cmp(&(&other.name, other.id)));
    members
}

/// Asks one member after the other until one answers.
async fn ask<Q, R>(members: &Arc<Members>, path: &'static str, message: Q) -> Result<R, StoreError>
where
    Q: Message + Clone + 'static,
    R: Message + Default + 'static,
{
    let until = Instant::now() + members.options.deadline;
    let mut attempts = Attempts::default();
    loop {
        let Some(member) = members.preferred() else {
            return Err(attempts.error(members.options.deadline));
        };
        let answer: Result<R, Failure> = members.ask(&member, path, message.clone()).await;
        match answer {
            Ok(answer) => return Ok(answer),
            Err(failure) => match members.failed(&mut attempts, &member, failure, until).await {
                Next::Again => {}
                Next::End(error) => return Err(error),
            },
        }
    }
}

impl Admin {
    /// Knows how to reach the members of the options; asks nobody yet.
    ///
    /// # Errors
    /// What is wrong with the options or the files they name.
    pub fn new(options: Options) -> Result<Self, StoreError> {
        options.check()?;
        let runtime = Runtime::start()?;
        let members = runtime.runner().wait(async move { Members::new(options).map(Arc::new) })?;
        Ok(Admin { members, runtime })
    }

    fn wait<Q, R>(&self, path: &'static str, message: Q) -> Result<R, StoreError>
    where
        Q: Message + Clone + 'static,
        R: Message + Default + 'static,
    {
        let members = Arc::clone(&self.members);
        self.runtime.runner().wait(async move { ask(&members, path, message).await })
    }

    /// The id of the etcd cluster, and its members by name.
    ///
    /// # Errors
    /// As [`StoreError`] says; nothing was changed.
    pub fn list(&self) -> Result<(u64, Vec<EtcdMember>), StoreError> {
        let list: MemberList = self.wait(LIST, AskMembers {})?;
        Ok((list.header.map_or(0, |header: Header| header.cluster), all_of(list)))
    }

    /// How the member with this address is.
    ///
    /// # Errors
    /// Why it does not answer.
    pub fn health(&self, url: &str) -> Result<Health, StoreError> {
        let (members, url) = (Arc::clone(&self.members), url.to_owned());
        self.runtime.runner().wait(async move {
            let member: Member = members.member(&url, false)?;
            let answer: Result<MemberStatus, Failure> = members.ask(&member, STATUS, AskStatus {}).await;
            let status = answer.map_err(Failure::into_error)?;
            Ok(Health {
                warning: version::warning(&[(url, status.version.clone())]),
                version: status.version,
                size: u64::try_from(status.size).unwrap_or(0),
                used: u64::try_from(status.used).unwrap_or(0),
                leader: status.leader,
                errors: status.errors,
            })
        })
    }

    /// The alarms that are raised: the number of the member, and what it is.
    ///
    /// # Errors
    /// As [`StoreError`] says.
    pub fn alarms(&self) -> Result<Vec<(u64, String)>, StoreError> {
        let found: Alarms = self.wait(ALARM, AskAlarms {})?;
        let name = |kind: i32| match kind {
            1 => "no space".to_owned(),
            2 => "corrupt".to_owned(),
            other => format!("alarm {other}"),
        };
        Ok(found.alarms.iter().map(|alarm| (alarm.member, name(alarm.kind))).collect())
    }

    /// Adds a member without a vote; its number. If one with this address was added and never started, that one.
    ///
    /// # Errors
    /// Why etcd refuses, or [`StoreError::Unavailable`], after which it may have happened.
    pub fn add_learner(&self, peer_url: &str) -> Result<u64, StoreError> {
        let waiting = |members: Vec<EtcdMember>| {
            let same = |member: &EtcdMember| {
                member.name.is_empty() && member.learner && member.peer_urls == [peer_url]
            };
            members.into_iter().find(same).map(|member| member.id)
        };
        if let Some(id) = waiting(self.list()?.1) {
            return Ok(id);
        }
        let message = AddMember { peer_urls: vec![peer_url.to_owned()], learner: true };
        let added: Result<MemberList, StoreError> = self.wait(ADD, message);
        // A lost answer, asked for again, is refused as a double; the list tells.
        match (added, waiting(self.list()?.1)) {
            (_, Some(id)) => Ok(id),
            (Err(error), None) => Err(error),
            (Ok(_), None) => {
                Err(StoreError::Io(format!("etcd: the member {peer_url} was added and is not listed")))
            }
        }
    }

    /// Gives a learner its vote.
    ///
    /// # Errors
    /// Why not: mostly that it has not caught up yet.
    pub fn promote(&self, id: u64) -> Result<(), StoreError> {
        let promoted: Result<MemberList, StoreError> = self.wait(PROMOTE, MemberId { id });
        match promoted {
            Ok(_) => Ok(()),
            Err(error) => match self.list()?.1.iter().find(|member| member.id == id) {
                Some(member) if !member.learner => Ok(()),
                Some(_) | None => Err(error),
            },
        }
    }

    /// Removes a member, which may not come back under this number. One that is not there is removed already.
    ///
    /// # Errors
    /// Why etcd refuses, or [`StoreError::Unavailable`], after which it may have happened.
    pub fn remove(&self, id: u64) -> Result<(), StoreError> {
        let removed: Result<MemberList, StoreError> = self.wait(REMOVE, MemberId { id });
        match removed {
            Ok(_) => Ok(()),
            Err(error) => match self.list()?.1.iter().any(|member| member.id == id) {
                true => Err(error),
                false => Ok(()),
            },
        }
    }
}
