//! Watches: a task each, which moves on to another member when one fails and resumes after what it told last.

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use stead_store::{Change, News, Revision, StoreError, Watch};
use tokio::sync::{Mutex, mpsc};
use tokio::time::{MissedTickBehavior, interval, sleep, timeout};
use tonic::Streaming;
use tonic::codegen::http::uri::PathAndQuery;
use tonic_prost::ProstCodec;

use crate::database::Database;
use crate::failure::{Failure, Kind};
use crate::keys::{end_of, number, revision};
use crate::members::{Member, Members};
use crate::runtime::Runner;
use crate::wire::{AskProgress, CreateWatch, DELETED, Event, FromWatch, Number, ToWatch, WatchRequest};

const WATCH: &str = "/etcdserverpb.Watch/Watch";

/// So much news waits for who asks; then etcd waits.
const MOST_WAITING: usize = 256;

/// How many times a silent member that is asked whether it is there may miss the answer.
const MISSED: u32 = 3;

/// The pauses after a member that failed, which grow up to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(20), Duration::from_millis(500));

type Told = Result<News, StoreError>;

/// A watch; the task that serves it ends with it.
#[derive(Debug)]
pub(crate) struct EtcdWatch {
    runner: Runner,
    news: Arc<Mutex<mpsc::Receiver<Told>>>,
}

impl Watch for EtcdWatch {
    fn next(&mut self, patience: Duration) -> Result<Option<News>, StoreError> {
        let news = Arc::clone(&self.news);
        self.runner.wait(async move {
            match timeout(patience, async { news.lock().await.recv().await }).await {
                Ok(Some(told)) => told.map(Some),
                Ok(None) => Err(StoreError::Io("the watch is over; begin another".to_owned())),
                Err(_) => Ok(None),
            }
        })
    }
}

/// Why a stream of one member ended.
enum End {
    /// Another member, or the same again, after a pause.
    Retry(Failure),
    /// The history is gone: everything has to be told.
    Compacted,
    /// The watch is over.
    Over(StoreError),
    /// Nobody listens any more.
    Unheard,
}

struct Task {
    database: Arc<Database>,
    prefix: String,
    told: Number,
    out: mpsc::Sender<Told>,
}

/// Begins a watch.
pub(crate) fn begin(database: &Arc<Database>, runner: &Runner, prefix: &str, after: Revision) -> EtcdWatch {
    let (out, news) = mpsc::channel(MOST_WAITING);
    let told = number(after).max(0);
    let task = Task { database: Arc::clone(database), prefix: prefix.to_owned(), told, out };
    runner.spawn(task.run());
    EtcdWatch { runner: runner.clone(), news: Arc::new(Mutex::new(news)) }
}

impl Task {
    async fn run(mut self) {
        let error = self.follow().await;
        if let Some(error) = error {
            // An error means that nobody listens.
            let _ = self.out.send(Err(error)).await;
        }
    }

    async fn tell(&mut self, news: News) -> Result<(), End> {
        self.told = number(news.revision());
        self.out.send(Ok(news)).await.map_err(|_| End::Unheard)
    }

    /// Follows until the watch is over; the error that ended it, if somebody is there to hear it.
    async fn follow(&mut self) -> Option<StoreError> {
        let mut member = self.database.members.preferred();
        let mut pause = PAUSES.0;
        loop {
            if self.out.is_closed() {
                return None;
            }
            let Some(now) = member.clone() else {
                return Some(StoreError::Unavailable("etcd: no member is known".to_owned()));
            };
            let before = self.told;
            let end = match self.stream(&now).await {
                Ok(never) => match never {},
                Err(End::Compacted) => match self.everything().await {
                    Ok(()) => continue,
                    Err(end) => end,
                },
                Err(end) => end,
            };
            match end {
                End::Retry(failure) => {
                    if failure.kind == Kind::LoginExpired {
                        self.database.members.forget_login();
                    }
                    self.database.members.renew_trust();
                    pause = if self.told == before { (pause * 2).min(PAUSES.1) } else { PAUSES.0 };
                    sleep(pause).await;
                    member = self.database.members.after(&now);
                }
                End::Over(error) => return Some(error),
                End::Unheard => return None,
                // Compacted again while everything was read: at once again.
                End::Compacted => {}
            }
        }
    }

    async fn everything(&mut self) -> Result<(), End> {
        match self.database.list(&self.prefix).await {
            Ok((revision, entries)) => self.tell(News::Everything { revision, entries }).await,
            // Who cannot be listed now may be later.
            Err(StoreError::Unavailable(text)) => Err(End::Retry(Failure::new(Kind::Lost, "", text))),
            Err(error) => Err(End::Over(error)),
        }
    }

    /// Follows one member.
    async fn stream(&mut self, member: &Member) -> Result<std::convert::Infallible, End> {
        let members = Arc::clone(&self.database.members);
        self.still_there().await?;
        let (ask, asked) = mpsc::channel::<ToWatch>(4);
        let every = members.options.beat;
        let mut beat = interval(every);
        beat.set_missed_tick_behavior(MissedTickBehavior::Delay);
        // Beats since it was last where the database was at the beginning of them. One whose disk stands still, or that the
        // others cannot reach, may answer for as long as that lasts and hear of nothing.
        let (mut silent, mut wanted) = (0, members.floor.get());
        let mut stream = self.open(&members, member, &ask, asked).await.map_err(End::Retry)?;
        loop {
            tokio::select! {
                message = stream.message() => {
                    match message {
                        Ok(Some(message)) => {
                            if self.take(&members, member, message).await? >= wanted {
                                (silent, wanted) = (0, members.floor.get());
                            }
                        }
                        Ok(None) => {
                            return Err(End::Retry(Failure::new(Kind::Lost, &member.url, "it ended a watch")));
                        }
                        Err(status) => return Err(End::Retry(Failure::of(&member.url, &status))),
                    }
                }
                _ = beat.tick() => {
                    self.database.writer.health().map_err(End::Over)?;
                    silent += 1;
                    if silent > MISSED {
                        // What is written next would wait for it in vain as well.
                        members.turn_from(&member.url);
                        let seconds = (every * MISSED).as_secs_f64();
                        let text = format!("it has told nothing for {seconds} s, or is behind the others for so long");
                        return Err(End::Retry(Failure::new(Kind::Lost, &member.url, text)));
                    }
                    // What it answers is only a sign of life: the revision in it may be ahead of events that are
                    // still on their way. A full queue means that it does not read, which is a sign as well.
                    let _ = ask.try_send(ToWatch { request: Some(WatchRequest::Progress(AskProgress {})) });
                }
                () = self.out.closed() => return Err(End::Unheard),
            }
        }
    }

    /// A database that has gone back would be silent until it has caught up, and what it held until then be missed.
    async fn still_there(&self) -> Result<(), End> {
        let now = match self.database.revision().await {
            Ok(now) => now,
            Err(StoreError::Unavailable(text)) => return Err(End::Retry(Failure::new(Kind::Lost, "", text))),
            Err(error) => return Err(End::Over(error)),
        };
        if now < self.told {
            let text = format!("etcd is at revision {now}, but a watch was told {} already", self.told);
            return Err(End::Over(self.database.writer.broken(text)));
        }
        Ok(())
    }

    async fn open(
        &self,
        members: &Members,
        member: &Member,
        ask: &mpsc::Sender<ToWatch>,
        asked: mpsc::Receiver<ToWatch>,
    ) -> Result<Streaming<FromWatch>, Failure> {
        let login = members.login(member).await?;
        let key = self.database.keys.document(&self.prefix);
        let create = CreateWatch { end: end_of(&key), key, start: self.told + 1 };
        let create = ToWatch { request: Some(WatchRequest::Create(create)) };
        ask.try_send(create).map_err(|error| Failure::new(Kind::NotSent, &member.url, error.to_string()))?;
        let requests =
            stream::unfold(asked, |mut asked| async move { asked.recv().await.map(|next| (next, asked)) });
        let mut grpc = Members::grpc(member);
        let work = async {
            grpc.ready().await.map_err(|error| tonic::Status::from_error(Box::new(error)))?;
            let path = PathAndQuery::from_static(WATCH);
            grpc.streaming(members.request(requests, login), path, ProstCodec::default()).await
        };
        match timeout(members.options.attempt, work).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(Failure::of(&member.url, &status)),
            Err(_) => Err(Failure::silent(&member.url, members.options.attempt.as_secs_f64())),
        }
    }

    /// Takes a message in, and says at which revision the member was that sent it.
    async fn take(&mut self, members: &Members, member: &Member, message: FromWatch) -> Result<Number, End> {
        let header = members.check_cluster(member, message.header).map_err(End::Retry)?;
        if message.compacted != 0 {
            return Err(End::Compacted);
        }
        if message.cancelled {
            let reason = message.reason;
            if reason.contains("permission denied") {
                return Err(End::Over(Failure::new(Kind::Refused, &member.url, reason).into_error()));
            }
            let kind = if reason.contains("auth") { Kind::LoginExpired } else { Kind::Lost };
            return Err(End::Retry(Failure::new(kind, &member.url, format!("it ended a watch: {reason}"))));
        }
        for news in self.news(message.events) {
            self.tell(news).await?;
        }
        Ok(header.revision)
    }

    /// Events by transaction; etcd never divides one, nor gives them out of order. What was told already is left out.
    fn news(&self, events: Vec<Event>) -> Vec<News> {
        let mut all: Vec<News> = Vec::new();
        for event in events {
            let Some(entry) = event.entry else { continue };
            if entry.modified <= self.told {
                continue;
            }
            let change = if event.kind == DELETED {
                Change::Deleted(self.database.keys.name(&entry.key))
            } else {
                Change::Put(self.database.keys.entry(&entry))
            };
            let at = revision(entry.modified);
            match all.last_mut() {
                Some(News::Changes { revision, changes }) if *revision == at => changes.push(change),
                Some(_) | None => all.push(News::Changes { revision: at, changes: vec![change] }),
            }
        }
        all
    }
}
