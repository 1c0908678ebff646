//! How a node begins: with a database of its own, or as one of several.

use std::collections::{BTreeMap, VecDeque};
use std::io;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use stead_membership::NodeFile;
use stead_policy::{ClusterConfig, Policy};
use stead_store::{Entry, Store};
use stead_store_embedded::EmbeddedStore;
use stead_types::NodeName;
use tokio::sync::watch;

use crate::catalog::{Catalog, Unreadable};
use crate::command::Input;
use crate::edge::api::{Api, Way};
use crate::edge::elsewhere::Letters;
use crate::edge::history::History;
use crate::edge::monitor::Monitors;
use crate::edge::store::{self, HISTORY, Keeper, Reopening, Shared, Writer};
use crate::member::{self, Member};
use crate::node::Node;
use crate::report::Surroundings;
use crate::standing;

/// Runs the node until everything is offline, or it must end. The folder says whether it is one of several.
///
/// # Errors
/// Why it could not begin.
pub(crate) fn run(data: &Path, name: NodeName) -> Result<ExitCode, String> {
    match NodeFile::read(data).map_err(|error| error.to_string())? {
        Some(file) => member(data, &file),
        // Alone it would know nothing of the groups that others have.
        None if NodeFile::had_member(data) => Err(format!(
            "{}: it is gone, but this machine is a node of a cluster; put the file back, or take the whole folder away \
             if the machine is to be a node of nothing",
            data.join(stead_membership::PATH).display()
        )),
        None => alone(data, name),
    }
}

/// What the loop waits for, and the interface.
struct Around {
    todo: Receiver<Input>,
    wake: Arc<OwnedFd>,
    api: Api,
}

fn channels(history: Arc<History>) -> Result<(Way, Receiver<Input>, watch::Sender<bool>), String> {
    let wake = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK);
    let wake = Arc::new(wake.map_err(|error| format!("eventfd: {error}"))?);
    let (inputs, todo) = channel();
    let (end, ends) = watch::channel(false);
    Ok((Way { inputs, wake, history, end: ends, mailbox: None }, todo, end))
}

fn wrong(what: &str) -> impl Fn(io::Error) -> String {
    move |error| format!("{what}: {error}")
}

fn configuration(entries: Vec<Entry>) -> Result<(Catalog, ClusterConfig), String> {
    let mut catalog = Catalog::new(stead_api::BUILTIN_TYPES.iter().filter_map(|name| name.parse().ok()));
    let config = catalog.load(entries).map_err(|Unreadable(problems)| {
        let lines: Vec<String> =
            problems.iter().map(|problem| format!("{}: {}", problem.place, problem.text)).collect();
        let lines = lines.join("; ");
        format!("the cluster database cannot be used: {lines}. Put each right, or delete it; this node goes on by itself")
    })?;
    Ok((catalog, config))
}

/// One machine, with a database of its own.
fn alone(data: &Path, name: NodeName) -> Result<ExitCode, String> {
    let path = data.join("cluster.redb");
    let open: store::Open = Box::new(move || Ok(Box::new(EmbeddedStore::open(&path)?)));
    let store: Box<dyn Store> = open().map_err(|error| error.to_string())?;
    let mut entries = Vec::new();
    for prefix in ["group/", "group_set/", "node/", "resource/", "settings/", "type/"] {
        entries.extend(store.list(prefix).map_err(|error| error.to_string())?.1);
    }
    let (catalog, config) = configuration(entries)?;
    let history = Arc::new(History::new(store::events(&*store).map_err(|error| error.to_string())?));
    let (way, todo, end) = channels(history)?;
    let keeper = Box::new(Reopening::new(store, open));
    let paused = catalog.paused(&name);
    let policy = Policy::new(name, config, catalog.maintenance().collect()).paused(paused);
    let around = around(data, &way, None, todo, end)?;
    node(policy, catalog, keeper, HISTORY.to_owned(), &way)?.turn(&around)
}

/// One of several, with the database of all of them.
fn member(data: &Path, file: &NodeFile) -> Result<ExitCode, String> {
    let opened = member::open(data, file)?;
    let me: NodeName = file.node.parse().map_err(|error: stead_types::NameError| error.to_string())?;
    let (configured, others): (Vec<Entry>, Vec<Entry>) =
        opened.entries.into_iter().partition(|entry| member::is_configuration(&entry.key));
    let (catalog, config) = configuration(configured)?;
    let history = Arc::new(History::merged(member::history(&others, &me)));
    let (way, todo, end) = channels(history)?;
    let folder = member::history_folder(&me);
    let machinery =
        member::Machinery::start(Arc::clone(&opened.configuration), file.clone(), data.to_owned(), &way)
            .map_err(wrong("thread that looks at files"))?;
    let keeper = Box::new(Shared(opened.configuration));
    let policy = Policy::new(me.clone(), config, catalog.maintenance().collect());
    let (way, letters) =
        way.with_mailbox(Arc::clone(&opened.groups), me.clone()).map_err(wrong("mailbox"))?;
    let around = around(data, &way, Some(letters), todo, end)?;
    let mut node = node(policy, catalog, keeper, folder, &way)?;
    let threads = member::Threads::start(opened.sessions, opened.groups, opened.begin.revision, &way)
        .map_err(wrong("threads of the cluster database"))?;
    node.join(Member::new(me, opened.begin, threads, machinery), others);
    for warning in opened.warnings {
        node.warn(warning);
    }
    node.turn(&around)
}

fn around(
    data: &Path,
    way: &Way,
    letters: Option<Letters>,
    todo: Receiver<Input>,
    end: watch::Sender<bool>,
) -> Result<Around, String> {
    let wake = way.wake.clone();
    // Before the guardian is greeted: it tells clients when to come.
    let api = Api::start(data, way.clone(), letters, end).map_err(wrong("node.sock"))?;
    standing::over(data);
    Ok(Around { todo, wake, api })
}

fn node(
    policy: Policy,
    catalog: Catalog,
    keeper: Box<dyn Keeper>,
    folder: String,
    way: &Way,
) -> Result<Node, String> {
    use std::os::fd::AsFd;
    let back = way.clone();
    let writer = Writer::start(keeper, folder, move |written| back.send(Input::Written(written)))
        .map_err(wrong("thread of the store"))?;
    let monitors = Monitors::new(policy.node().clone(), way.wake.as_fd())
        .map_err(|error| format!("guardian: {error}"))?;
    Ok(Node {
        policy,
        catalog,
        monitors,
        writer,
        history: way.history.clone(),
        surroundings: Surroundings { containment: "unknown".to_owned(), restarts: 0 },
        member: None,
        mailbox: way.mailbox.clone(),
        started: false,
        stopped: false,
        failed: None,
        requests: BTreeMap::new(),
        next_request: 0,
        writes: VecDeque::new(),
        keys_to_store: VecDeque::new(),
        writing: false,
        controls: BTreeMap::new(),
        queue: VecDeque::new(),
        applying: None,
        consulting: None,
        structural: None,
        parts: None,
        settle_after: BTreeMap::new(),
        settling: BTreeMap::new(),
        next_settling: 0,
    })
}

impl Node {
    fn turn(&mut self, around: &Around) -> Result<ExitCode, String> {
        let Around { todo, wake, api } = around;
        loop {
            while let Some(event) = self.monitors.poll_event() {
                if let Some(code) = self.heard(event) {
                    self.writer.end();
                    return Ok(code);
                }
            }
            // Nothing is decided before it is known what runs already; of a session not even that is waited for.
            if self.started || self.member.is_some() {
                while let Ok(input) = todo.try_recv() {
                    self.input(input);
                }
            }
            let mut idle = self.step();
            while let Some(action) = self.policy.poll_action() {
                idle = false;
                self.carry_out(action);
            }
            self.next_write();
            if let Some(why) = self.failed.take() {
                return Err(why);
            }
            if self.stopped {
                self.writer.end();
                api.end();
                self.monitors.exit();
                self.stopped = false;
            }
            let timeout = if idle { self.patience() } else { Some(std::time::Duration::ZERO) };
            if self.monitors.wait(timeout).map_err(|error| format!("waiting: {error}"))? {
                let _ = rustix::io::read(wake, &mut [0; 8]);
            }
        }
    }
}
