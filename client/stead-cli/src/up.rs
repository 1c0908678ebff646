//! `stead up`: guardian, node and monitors in the background, their changes on the screen, Ctrl-C to end.

use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use hyper::Method;
use stead_api::{Apply, Event, Line, routes};
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, ChildStdin, Command};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::args::{Machine, Up};
use crate::client::{Client, Lines, Trouble};
use crate::config::File;
use crate::exit::Exit;
use crate::show;

/// `ERROR_CLUSTER_SHUTTING_DOWN`
const SHUTTING_DOWN: u32 = 5022;

/// A guardian that lives shorter than this may not live longer the next time.
const SHORT_LIFE: Duration = Duration::from_secs(5);

/// So many short lives in a row are enough.
const SHORT_LIVES: u32 = 5;

/// The processes behind `stead up`. When this goes, its end of the lifeline closes, and everything ends.
struct Stead {
    guardian: Child,
    /// Waiting for the guardian would close this if it were left there.
    _lifeline: Option<ChildStdin>,
    born: Instant,
}

fn failed(text: String) -> Trouble {
    Trouble { exit: Exit::Failed, text }
}

/// The last line of the guardian's log: why it did not start.
fn last_words(data: &Path) -> String {
    let text = std::fs::read_to_string(data.join("log/guardian.log")).unwrap_or_default();
    let last = text.lines().next_back().unwrap_or_default();
    last.split_once("stead guardian: ").map_or(last, |(_, words)| words).to_owned()
}

/// What asks for the end.
struct Signals([Signal; 3]);

impl Signals {
    fn new() -> Result<Signals, Trouble> {
        let listen = |kind| signal(kind).map_err(|error| failed(format!("signals: {error}")));
        Ok(Signals([
            listen(SignalKind::interrupt())?,
            listen(SignalKind::terminate())?,
            listen(SignalKind::hangup())?,
        ]))
    }

    async fn next(&mut self) {
        let [int, term, hup] = &mut self.0;
        tokio::select! {
            _ = int.recv() => {}
            _ = term.recv() => {}
            _ = hup.recv() => {}
        }
    }
}

impl Stead {
    async fn start(data: &Path, machine: &Machine, signals: &mut Signals) -> Result<Stead, Trouble> {
        let wrong = |what: &str, error: io::Error| failed(format!("{what}: {error}"));
        // What is in it may be secret: command lines, environments, what programs print.
        std::fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(data.join("log"))
            .map_err(|error| wrong(&data.display().to_string(), error))?;
        let log = data.join("log/guardian.log");
        let log = std::fs::File::options()
            .create(true)
            .write(true)
            .truncate(true)
            .mode(0o600)
            .open(&log)
            .map_err(|error| wrong(&log.display().to_string(), error))?;
        let program = std::env::current_exe().map_err(|error| wrong("stead", error))?;
        let mut command = Command::new(program);
        command.arg("guardian").arg("--data").arg(data).arg("--lifeline");
        command.args(machine.arguments());
        if let Some(name) = &machine.node_name {
            command.args(["--node-name", name]);
        }
        // Its own process group: Ctrl-C is ours to hear, and everything goes offline in order.
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::from(log)).process_group(0);
        let mut guardian = command.spawn().map_err(|error| wrong("stead guardian", error))?;
        let mut said =
            BufReader::new(guardian.stdout.take().ok_or_else(|| failed("no pipe".to_owned()))?).lines();
        let mut stead = Stead { _lifeline: guardian.stdin.take(), guardian, born: Instant::now() };
        tokio::select! {
            line = said.next_line() => {
                if line.is_ok_and(|line| line.is_some_and(|line| line == "ready")) {
                    // What it says later is of no interest, but it must not meet a closed pipe.
                    tokio::spawn(async move { while let Ok(Some(_)) = said.next_line().await {} });
                    return Ok(stead);
                }
                let _ = stead.guardian.wait().await;
                Err(failed(format!("could not start: {}", last_words(data))))
            }
            () = signals.next() => {
                stead.kill().await;
                Err(Trouble { exit: Exit::Interrupted, text: "interrupted".to_owned() })
            }
        }
    }

    /// Everything dies with the guardian: the kernel sees to it.
    async fn kill(&mut self) {
        let _ = self.guardian.kill().await;
    }
}

pub(crate) fn tell(event: &Event) {
    show::out(&format!("{}{}{:#}  {}", show::DIM, show::clock(event.time_ms), show::DIM, show::event(event)));
}

/// Follows events; a node that went away is waited for by the caller.
pub(crate) async fn follow(client: &Client, after: u64) -> Result<Lines, Trouble> {
    client.lines(Method::GET, &format!("{}?follow=true&after={after}", routes::EVENTS), &()).await
}

async fn summary(client: &Client) {
    if let Ok(status) = client.get::<stead_api::Status>(routes::STATUS).await {
        show::out(&format!("\n{}\n", show::status(&status, None)));
    }
}

/// What the apply came to.
enum Applied {
    Settled(Line),
    Lost,
}

async fn apply(client: Client, body: Apply) -> Applied {
    let Ok(mut lines) = client.lines(Method::POST, routes::APPLY, &body).await else { return Applied::Lost };
    loop {
        match lines.next::<Line>().await {
            Ok(Some(Line::Accepted | Line::Progress(_) | Line::Warnings(_) | Line::Plan(_))) => {}
            Ok(Some(last)) => return Applied::Settled(last),
            Ok(None) | Err(_) => return Applied::Lost,
        }
    }
}

/// Runs until Ctrl-C.
pub(crate) async fn run(data: &Path, up: &Up, json: bool) -> Result<Exit, Trouble> {
    let file = match crate::operate::read(&up.file) {
        Ok(file) => file,
        Err(exit) => return Ok(exit),
    };
    let data: PathBuf = std::path::absolute(data).map_err(|error| failed(error.to_string()))?;
    let client = Client::new(&data);
    if client.answers().await {
        let text = format!(
            "up refused: a node runs on {} already; `stead apply {}` changes it, `stead shutdown` ends it",
            data.display(),
            up.file.display()
        );
        return Err(Trouble { exit: Exit::Refused, text });
    }
    // From here on none is missed.
    let mut signals = Signals::new()?;
    let mut stead = Stead::start(&data, &up.machine, &mut signals).await?;
    let outcome = Session { data, client, json }.stay(&mut stead, &file, up, &mut signals).await;
    stead.kill().await;
    outcome
}

struct Session {
    data: PathBuf,
    client: Client,
    json: bool,
}

impl Session {
    fn tell(&self, event: &Event) {
        if self.json {
            show::json_line(event);
        } else {
            tell(event);
        }
    }

    async fn stay(
        &self,
        stead: &mut Stead,
        file: &File,
        up: &Up,
        signals: &mut Signals,
    ) -> Result<Exit, Trouble> {
        if let Ok(status) = self.client.get::<stead_api::Status>(routes::STATUS).await
            && let Some(node) = status.nodes.first()
            && !self.json
        {
            show::out(&format!(
                "node {} is up in {}; Ctrl-C takes everything offline",
                node.name,
                self.data.display()
            ));
            show::out(&format!("containment: {}", node.containment));
        }
        let body = Apply { config: file.config.clone(), dry_run: false, prune: up.prune, no_wait: false };
        let mut applying = Some(tokio::spawn(apply(self.client.clone(), body)));
        let past: Vec<Event> = self.client.get(&format!("{}?last=1", routes::EVENTS)).await?;
        let mut seen = past.last().map_or(0, |event| event.sequence);
        let mut events = Some(follow(&self.client, seen).await?);
        let mut asked = 0;
        let mut short_lives = 0;
        let mut bad = None;
        loop {
            tokio::select! {
                biased;
                ended = stead.guardian.wait() => {
                    self.drain(events.take(), seen).await;
                    if asked > 0 {
                        return Ok(bad.unwrap_or(Exit::Done));
                    }
                    if ended.as_ref().is_ok_and(std::process::ExitStatus::success) {
                        show::say("everything was taken offline by another command");
                        return Ok(Exit::Done);
                    }
                    let how = ended.map_or_else(|error| error.to_string(), |status| status.to_string());
                    short_lives = if stead.born.elapsed() < SHORT_LIFE { short_lives + 1 } else { 0 };
                    if short_lives >= SHORT_LIVES {
                        let text = format!("the guardian ended ({how}): {}", last_words(&self.data));
                        return Err(failed(text));
                    }
                    show::problem(&format!("the guardian ended ({how}), and everything with it; starting again"));
                    *stead = Stead::start(&self.data, &up.machine, signals).await?;
                    events = follow(&self.client, seen).await.ok();
                }
                () = signals.next() => self.end(stead, &mut asked).await,
                event = next(&mut events) => match event {
                    Some(event) => {
                        seen = seen.max(event.sequence);
                        self.tell(&event);
                    }
                    // The node went away: the guardian starts it again, and its events go on from here.
                    None => events = self.again(stead, seen).await,
                },
                applied = finished(&mut applying), if applying.is_some() => {
                    applying = None;
                    match applied {
                        Some(Applied::Settled(last)) => bad = self.applied(&last, file, &mut asked).await,
                        Some(Applied::Lost) | None => {
                            if asked == 0 {
                                show::problem("the node went away while the configuration was applied; `stead apply` it again");
                            }
                        }
                    }
                }
            }
        }
    }

    /// Tells what is left to tell.
    async fn drain(&self, events: Option<Lines>, seen: u64) {
        let Some(mut events) = events else { return };
        while let Ok(Some(event)) = events.next::<Event>().await {
            if event.sequence > seen {
                self.tell(&event);
            }
        }
    }

    /// The events again, once the node is back; none if the guardian ends first.
    async fn again(&self, stead: &mut Stead, seen: u64) -> Option<Lines> {
        let mut pause = tokio::time::interval(Duration::from_millis(50));
        loop {
            tokio::select! {
                _ = stead.guardian.wait() => return None,
                _ = pause.tick() => {
                    if let Ok(events) = follow(&self.client, seen).await {
                        return Some(events);
                    }
                }
            }
        }
    }

    /// The first Ctrl-C asks, the second forces, the third kills.
    async fn end(&self, stead: &mut Stead, asked: &mut u32) {
        match *asked {
            0 => show::say("taking everything offline; Ctrl-C again terminates what is slow"),
            1 => show::say("terminating; Ctrl-C again kills everything at once"),
            _ => {
                stead.kill().await;
                return;
            }
        }
        self.ask_to_end(asked);
    }

    fn ask_to_end(&self, asked: &mut u32) {
        *asked += 1;
        let client = self.client.clone();
        tokio::spawn(async move { client.lines(Method::POST, routes::SHUTDOWN, &()).await.map(drop) });
    }

    /// The configuration is in force, or was refused: then nothing is left to stay for.
    async fn applied(&self, last: &Line, file: &File, asked: &mut u32) -> Option<Exit> {
        let describe = crate::operate::in_file(file);
        let exit = match last {
            Line::Problems(problems) => {
                for problem in problems {
                    show::problem(&describe(problem));
                }
                show::say("the configuration was not applied; nothing was changed");
                Some(Exit::BadConfig)
            }
            // What was asked to end in the middle of it has not failed.
            Line::Refused(failure) if *asked > 0 && failure.error.code == SHUTTING_DOWN => {
                show::say("the configuration was not applied: the end came first");
                None
            }
            Line::Refused(failure) => {
                show::problem(&show::failure(failure, "refused"));
                Some(Exit::Refused)
            }
            Line::Failed(failure) => {
                show::problem(&show::failure(failure, "failed"));
                None
            }
            Line::Accepted
            | Line::Progress(_)
            | Line::Warnings(_)
            | Line::Plan(_)
            | Line::Done { .. }
            | Line::Cancelled => None,
        };
        match exit {
            Some(exit) => {
                // Asked once more it would terminate what is slow.
                if *asked == 0 {
                    self.ask_to_end(asked);
                }
                Some(exit)
            }
            None => {
                if !self.json && *asked == 0 {
                    summary(&self.client).await;
                }
                None
            }
        }
    }
}

pub(crate) async fn next(events: &mut Option<Lines>) -> Option<Event> {
    match events {
        Some(lines) => lines.next::<Event>().await.ok().flatten(),
        None => std::future::pending().await,
    }
}

async fn finished(applying: &mut Option<tokio::task::JoinHandle<Applied>>) -> Option<Applied> {
    match applying {
        Some(task) => task.await.ok(),
        None => std::future::pending().await,
    }
}
