//! What `stead node run` prints: started by the guardian, so that a terminal that does not take it stops nobody.

use std::path::Path;
use std::time::{Duration, SystemTime};

use stead_api::{Event, routes};
use tokio::signal::unix::{SignalKind, signal};

use crate::client::{Client, Lines, Trouble, standing};
use crate::exit::Exit;
use crate::show;
use crate::up::{follow, next, tell};

/// How often a node that does not answer is asked again.
const AGAIN: Duration = Duration::from_millis(100);

/// The most that happened between the start and the first answer.
const FIRST: usize = 200;

struct Teller<'a> {
    client: Client,
    data: &'a Path,
    /// In ms; what happened until then is no news. Numbers of events are those of one node process.
    told_ms: u64,
    standing: Option<String>,
}

impl Teller<'_> {
    /// The node's events, if it answers; what it says in their place, if it does not.
    async fn again(&mut self) -> Option<Lines> {
        if let Ok(lines) = self.begin().await {
            self.standing = None;
            return Some(lines);
        }
        let now = standing(self.data);
        if now != self.standing
            && let Some(text) = &now
        {
            show::problem(&format!("the node does not answer yet: {text}"));
        }
        self.standing = now.or_else(|| self.standing.take());
        None
    }

    async fn begin(&mut self) -> Result<Lines, Trouble> {
        let past: Vec<Event> = self.client.get(&format!("{}?last={FIRST}", routes::EVENTS)).await?;
        let lines = follow(&self.client, past.iter().map(|event| event.sequence).max().unwrap_or(0)).await?;
        let news: Vec<&Event> = past.iter().filter(|event| event.time_ms > self.told_ms).collect();
        for event in news {
            self.say(event);
        }
        Ok(lines)
    }

    fn say(&mut self, event: &Event) {
        tell(event);
        self.told_ms = self.told_ms.max(event.time_ms);
    }
}

/// Tells what happens on this node, until whoever started it ends.
pub(crate) async fn run(data: &Path) -> Result<Exit, Trouble> {
    let wrong = |error: std::io::Error| Trouble { exit: Exit::Failed, text: format!("signals: {error}") };
    // Ctrl-C goes to the guardian as well, and is its to hear.
    let mut interrupt = signal(SignalKind::interrupt()).map_err(wrong)?;
    let mut terminate = signal(SignalKind::terminate()).map_err(wrong)?;
    let mut hangup = signal(SignalKind::hangup()).map_err(wrong)?;
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let told_ms = u64::try_from(since.as_millis()).unwrap_or_default();
    let mut teller = Teller { client: Client::new(data), data, told_ms, standing: None };
    let mut pause = tokio::time::interval(AGAIN);
    let mut events = None;
    let mut asked = 0;
    loop {
        tokio::select! {
            _ = interrupt.recv() => {
                asked += 1;
                if asked == 1 {
                    show::say("ending: groups go to other nodes first, or offline; Ctrl-C again kills everything at once");
                }
            }
            _ = terminate.recv() => {}
            _ = hangup.recv() => {}
            _ = pause.tick(), if events.is_none() => events = teller.again().await,
            event = next(&mut events) => match event {
                Some(event) => teller.say(&event),
                None => events = None,
            },
        }
    }
}
