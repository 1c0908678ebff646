//! What the calls of a store and its watches share.

use std::sync::Arc;

use stead_store::{Entry, Outcome, Revision, StoreError, Transaction, check_key};
use tokio::time::Instant;

use crate::keys::{Keys, end_of, revision};
use crate::members::{Members, Trouble};
use crate::meta::{self, Opened, random_name};
use crate::options::{Options, Start};
use crate::wire::{Found, Header, Number, Range};
use crate::writer::{RANGE, Writer, range_of};

/// Listings come in pages of so many documents, all of one revision.
const PAGE: Number = 1000;

/// An open database, on the runtime.
#[derive(Debug)]
pub(crate) struct Database {
    pub(crate) members: Arc<Members>,
    pub(crate) keys: Keys,
    pub(crate) writer: Writer,
}

impl Database {
    pub(crate) async fn open(options: Options, start: Start) -> Result<(Self, Opened), StoreError> {
        options.check()?;
        let keys = Keys::new(&options.cluster);
        let members = Arc::new(Members::new(options)?);
        let (meta, opened) = meta::open(&members, &keys, start).await?;
        let writer = Writer::new(Arc::clone(&members), keys.clone(), meta, random_name()?);
        Ok((Database { members, keys, writer }, opened))
    }

    fn until(&self) -> Instant {
        Instant::now() + self.members.options.deadline
    }

    pub(crate) async fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        // What no document can have as its key is not there.
        if check_key(key).is_err() {
            return Ok(None);
        }
        let until = self.until();
        self.writer.ready(until).await?;
        let range = range_of(self.keys.document(key));
        let (found, _): (Found, Header) = self.read(range, until).await?;
        Ok(found.entries.first().map(|entry| self.keys.entry(entry)))
    }

    /// Reads; that everybody is behind what was read before means that the database has gone back.
    async fn read(&self, range: Range, until: Instant) -> Result<(Found, Header), Trouble> {
        let answer = self.members.read(RANGE, range, until).await;
        answer.map_err(|trouble| match trouble {
            Trouble::Error(StoreError::Replaced(text)) => Trouble::Error(self.writer.broken(text)),
            Trouble::Error(_) | Trouble::Compacted => trouble,
        })
    }

    pub(crate) async fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        let until = self.until();
        self.writer.ready(until).await?;
        loop {
            match self.pages(prefix, until).await {
                // The revision of the first page was compacted meanwhile: from the beginning.
                Err(Trouble::Compacted) if Instant::now() < until => {}
                other => return Ok(other?),
            }
        }
    }

    async fn pages(&self, prefix: &str, until: Instant) -> Result<(Revision, Vec<Entry>), Trouble> {
        let begin = self.keys.document(prefix);
        let end = end_of(&begin);
        let mut range = Range { key: begin, end, limit: PAGE, ..Range::default() };
        let mut entries = Vec::new();
        loop {
            let (found, header) = self.read(range.clone(), until).await?;
            if range.revision == 0 {
                range.revision = header.revision;
            }
            for entry in &found.entries {
                entries.push(self.keys.entry(entry));
            }
            match found.entries.last() {
                Some(last) if found.more => {
                    range.key = last.key.clone();
                    range.key.push(0);
                }
                Some(_) | None => return Ok((revision(range.revision), entries)),
            }
        }
    }

    /// The revision of the database at this moment.
    pub(crate) async fn revision(&self) -> Result<Number, StoreError> {
        self.writer.health()?;
        let range = Range { keys_only: true, ..range_of(self.keys.meta()) };
        Ok(self.read(range, self.until()).await?.1.revision)
    }

    pub(crate) async fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        self.writer.commit(transaction).await
    }
}
