//! Which cluster a database is of: made once, checked at every opening, and a guard of every transaction.

use std::sync::Arc;

use rustix::rand::{GetRandomFlags, getrandom};
use serde::{Deserialize, Serialize};
use stead_store::StoreError;
use tokio::time::Instant;

use crate::failure::Kind;
use crate::floor::{self, Memory, Remembered};
use crate::keys::{Keys, decode, encode, end_of};
use crate::members::{Attempts, Members, Next};
use crate::options::Start;
use crate::wire::{Compare, Done, Found, Header, Number, Put, Range, Request, Txn};
use crate::writer::{RANGE, TXN, range_of};

/// The version of what is stored.
const SCHEMA: u32 = 1;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Meta {
    schema: u32,
    cluster: String,
    incarnation: String,
    /// The id of the etcd cluster; another one after a restore from a backup.
    etcd_cluster: String,
    /// There was another incarnation before this one.
    #[serde(default)]
    adopted: bool,
}

/// What an opening found out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Opened {
    /// Another one after the database was made or adopted.
    pub incarnation: String,
    /// This node knew another incarnation before, or found it at an earlier revision since: what it knew of other nodes'
    /// sessions does not hold. So until [`Memory::settled`](crate::Memory::settled).
    pub is_new: bool,
    /// This node knew no incarnation, and there was one before this: what began in that may run yet.
    pub is_unknown: bool,
    /// What an operator should be told, such as members that run an etcd with known defects.
    pub warnings: Vec<String>,
}

/// A random name.
pub(crate) fn random_name() -> Result<String, StoreError> {
    let mut bytes = [0; 16];
    let count = getrandom(&mut bytes, GetRandomFlags::empty())
        .map_err(|error| StoreError::Io(format!("random numbers of the system: {error}")))?;
    if count != bytes.len() {
        return Err(StoreError::Io("random numbers of the system: too few".to_owned()));
    }
    Ok(format!("{:032x}", u128::from_ne_bytes(bytes)))
}

struct Seen {
    meta: Option<(Meta, Number)>,
    header: Header,
}

struct Opening<'a> {
    members: &'a Arc<Members>,
    keys: &'a Keys,
    until: Instant,
}

impl Opening<'_> {
    fn cluster(&self) -> &str {
        &self.members.options.cluster
    }

    async fn look(&self) -> Result<Seen, StoreError> {
        let (found, header): (Found, Header) =
            self.members.read(RANGE, range_of(self.keys.meta()), self.until).await?;
        let Some(entry) = found.entries.first() else { return Ok(Seen { meta: None, header }) };
        let meta = decode(&entry.value).and_then(|value| serde_json::from_value::<Meta>(value).ok());
        let meta = meta.ok_or_else(|| {
            let key = String::from_utf8_lossy(&entry.key).into_owned();
            StoreError::Corrupt(format!("etcd key {key:?}, which says whose database it is"))
        })?;
        if meta.schema != SCHEMA || meta.cluster != self.cluster() {
            let text = format!(
                "etcd holds cluster {:?} with schema {} there; this program wants {:?} with schema {SCHEMA}",
                meta.cluster,
                meta.schema,
                self.cluster()
            );
            return Err(StoreError::Corrupt(text));
        }
        Ok(Seen { meta: Some((meta, entry.modified)), header })
    }

    /// Writes who the cluster is, if that was last changed at `at`; then it looks again, however that ended.
    async fn write(&self, meta: &Meta, at: Number) -> Result<Seen, StoreError> {
        let mut attempts = Attempts::default();
        loop {
            let value = encode(serde_json::json!(meta));
            let txn = Txn {
                compare: vec![Compare::at(self.keys.meta(), at)],
                success: vec![Request::Put(Put { key: self.keys.meta(), value }).into()],
                failure: Vec::new(),
            };
            let Some(member) = self.members.preferred() else {
                return Err(attempts.error(self.members.options.deadline));
            };
            let answer: Result<Done, _> = self.members.ask(&member, TXN, txn).await;
            match answer {
                Ok(_) => return self.look().await,
                Err(failure) if failure.kind == Kind::Lost => {
                    // Guarded and always the same, so it may be sent again: a second one changes nothing.
                    let next = self.members.failed(&mut attempts, &member, failure, self.until).await;
                    if let Next::End(error) = next {
                        return Err(StoreError::Unknown(error.to_string()));
                    }
                }
                Err(failure) => {
                    let next = self.members.failed(&mut attempts, &member, failure, self.until).await;
                    if let Next::End(error) = next {
                        return Err(error);
                    }
                }
            }
        }
    }

    fn absent(&self, remembered: Option<&Remembered>) -> StoreError {
        let endpoints = self.members.options.endpoints.join(", ");
        let cluster = self.cluster();
        match remembered {
            Some(remembered) => StoreError::Replaced(format!(
                "etcd {endpoints}: cluster {cluster:?} is gone, which was there at revision {}; restore it from a \
                 backup and adopt it",
                remembered.revision
            )),
            None => StoreError::Io(format!(
                "etcd {endpoints} has no cluster {cluster:?}; create it, or check its name and the endpoints"
            )),
        }
    }

    async fn create(&self, seen: &Seen) -> Result<Seen, StoreError> {
        let endpoints = self.members.options.endpoints.join(", ");
        let exists = || {
            let text = format!(
                "etcd {endpoints} has a cluster {:?} already; join it, or choose another name",
                self.cluster()
            );
            StoreError::InUse(text)
        };
        if seen.meta.is_some() {
            return Err(exists());
        }
        let root = self.keys.root();
        let range = Range { end: end_of(&root), limit: 1, keys_only: true, ..range_of(root) };
        let (found, _): (Found, Header) = self.members.read(RANGE, range, self.until).await?;
        if !found.entries.is_empty() {
            if self.look().await?.meta.is_some() {
                return Err(exists());
            }
            let text = format!(
                "etcd {endpoints} has keys of a cluster {:?} but not the one that names it; remove them or restore it",
                self.cluster()
            );
            return Err(StoreError::Corrupt(text));
        }
        let meta = self.new_meta(&seen.header)?;
        let now = self.write(&meta, 0).await?;
        match &now.meta {
            Some((found, _)) if *found == meta => Ok(now),
            Some(_) | None => Err(exists()),
        }
    }

    fn new_meta(&self, header: &Header) -> Result<Meta, StoreError> {
        Ok(Meta {
            schema: SCHEMA,
            cluster: self.cluster().to_owned(),
            incarnation: random_name()?,
            etcd_cluster: format!("{:x}", header.cluster),
            adopted: false,
        })
    }

    /// True if documents of the cluster are there, whether what says whose they are is or not.
    async fn holds_documents(&self) -> Result<bool, StoreError> {
        let key = self.keys.document("");
        let range = Range { end: end_of(&key), limit: 1, keys_only: true, ..range_of(key) };
        let (found, _): (Found, Header) = self.members.read(RANGE, range, self.until).await?;
        Ok(!found.entries.is_empty())
    }

    async fn adopt(&self, seen: &Seen, remembered: Option<&Remembered>) -> Result<Seen, StoreError> {
        let at = match &seen.meta {
            Some((_, at)) => *at,
            // Somebody deleted the one key: whose the others are, the operator says.
            None if self.holds_documents().await? => 0,
            None => return Err(self.absent(remembered)),
        };
        let meta = Meta { adopted: true, ..self.new_meta(&seen.header)? };
        let now = self.write(&meta, at).await?;
        match &now.meta {
            Some((found, _)) if *found == meta => Ok(now),
            Some(_) | None => {
                let text = format!(
                    "cluster {:?} was adopted by another node at this moment; open it",
                    self.cluster()
                );
                Err(StoreError::InUse(text))
            }
        }
    }

    fn check(&self, seen: &Seen, remembered: Option<&Remembered>) -> Result<(), StoreError> {
        let Some((meta, _)) = &seen.meta else { return Err(self.absent(remembered)) };
        let (cluster, now) = (self.cluster(), format!("{:x}", seen.header.cluster));
        let advice = "if that is right, adopt it";
        if meta.etcd_cluster != now {
            return Err(StoreError::Replaced(format!(
                "cluster {cluster:?} was made in etcd cluster {}, this is etcd cluster {now}: it was restored from a \
                 backup or moved; {advice}",
                meta.etcd_cluster
            )));
        }
        match remembered {
            Some(then) if then.incarnation == meta.incarnation && then.revision > seen.header.revision => {
                if let Some(memory) = &self.members.options.memory {
                    floor::doubt(memory.path(), then);
                }
                Err(StoreError::Replaced(format!(
                    "cluster {cluster:?} is at revision {}, but this node has seen {}: an older copy was put in its \
                     place; {advice}",
                    seen.header.revision, then.revision
                )))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// Finds the cluster, or makes it; what is known of it afterwards guards every transaction.
pub(crate) async fn open(
    members: &Arc<Members>,
    keys: &Keys,
    start: Start,
) -> Result<(Number, Opened), StoreError> {
    let options = &members.options;
    let opening = Opening { members, keys, until: Instant::now() + options.deadline };
    let path = options.memory.as_ref().map(Memory::path);
    let remembered = path.map(floor::read).transpose()?.flatten();
    if let (Some(then), Some(path)) = (&remembered, path)
        && then.cluster != options.cluster
    {
        let text = format!("{} is of cluster {:?}, not {:?}", path.display(), then.cluster, options.cluster);
        return Err(StoreError::Replaced(text));
    }
    let mut seen = opening.look().await?;
    match start {
        Start::Create => seen = opening.create(&seen).await?,
        Start::Adopt => seen = opening.adopt(&seen, remembered.as_ref()).await?,
        Start::Existing | Start::AsItIs => {}
    }
    if start != Start::AsItIs {
        opening.check(&seen, remembered.as_ref().filter(|_| start == Start::Existing))?;
    }
    if start == Start::AsItIs && seen.meta.is_none() && opening.holds_documents().await? {
        // To be looked at; whatever is written is guarded by that nobody has made it another cluster's meanwhile.
        let nobody = Meta { incarnation: String::new(), ..opening.new_meta(&seen.header)? };
        seen.meta = Some((nobody, 0));
    }
    let Seen { meta: Some((meta, at)), header } = seen else { return Err(opening.absent(None)) };
    members.expect(header.cluster);
    let is_unknown = remembered.is_none() && meta.adopted;
    let is_new = remembered.is_some_and(|then| then.doubted || then.incarnation != meta.incarnation);
    if let Some(path) = path {
        let content = Remembered {
            cluster: options.cluster.clone(),
            incarnation: meta.incarnation.clone(),
            revision: header.revision,
            doubted: is_new || is_unknown,
        };
        members.floor.keep(path, content)?;
    }
    members.learn().await;
    let mut warnings: Vec<String> = members.version_warning().await.into_iter().collect();
    if options.login.is_some() && options.tls.is_none() {
        warnings
            .push("the password for etcd crosses the network in clear; use https:// endpoints".to_owned());
    }
    Ok((at, Opened { incarnation: meta.incarnation, is_new, is_unknown, warnings }))
}
