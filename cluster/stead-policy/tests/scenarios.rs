//! Transcripts: what goes in, and what the policy does about it. `UPDATE=1` rewrites the answers.
//!
//! A line that begins with `> ` goes in; the lines under it come out.
//!
//! ```text
//! > resource NAME [on EXPRESSION] [with PROPERTY=VALUE …]     before the start
//! > start
//! > manner NAME good|slow|delays|fails CODE|open-fails CODE   how its DLL behaves from now on
//! > online|offline|restart|fail|maintenance|cancel NAME       requests; `group:NAME` for a group; flags after it
//! >                          or hangs-offline, or refuses CODE: its monitor does nothing and answers at once
//! > fails NAME CODE          a health check said no
//! > comes NAME               the pending online of a slow resource ends well
//! > locked NAME | unlocked NAME | embedded NAME CODE
//! > locks-unheard NAME       it is locked, and the news is not there yet
//! > forgotten NAME           its monitor does not know it any more
//! > lost NAME [culprit]      the monitor that hosts it dies
//! > monitors broken | monitors good
//! > disk full | disk good | disk slow       slow: nothing arrives until it is good
//! > pass MS                  time passes
//! > member                   instead of start: one node of several, which has no group yet
//! > arrives placed|moved FROM|returned FROM CODE [FLAG …] [buffer]     the group becomes this node's
//! > departs TO [failover|drain|failback] [FLAG …] [buffer]     it is to go; `departed`: that it went is stored
//! > context BYTE             what its resource DLLs want to go with that
//! > node-lost NAME           another node has died or left
//! > group                    its state, operation and status bits
//! > pause NODE [drain|to NODE] | resume NODE     requests; `paused on|off`: another node has stored it
//! > restarted [paused]       the node process starts again and finds running what runs; with start: `start paused`
//! > delete NAME | shutdown | state          `group:NAME` deletes a group with its resources
//! ```
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod world;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use stead_policy::{
    Arrival, Coming, Departure, DrainTo, Event, GroupConfig, MonitorId, News, OperationContext, Policy,
    Report, Request, ResourceConfig, ResumeFailback, Will,
};
use stead_types::{
    Code, CommonProperties, MoveFlags, PauseFlags, ResourceName, RestartAction, StatusFlags, TypeName,
};
use world::{Manner, World, config, group, name, resource};

fn common(words: &[&str]) -> CommonProperties {
    let mut common = CommonProperties::default();
    for word in words {
        let (property, value) = word.split_once('=').expect("NAME=VALUE");
        let number: u32 = value.parse().expect("a number");
        match property {
            "RestartThreshold" => common.restart_threshold = number,
            "RestartDelay" => common.restart_delay = Duration::from_millis(number.into()),
            "RestartAction" => common.restart_action = RestartAction::from_number(number).expect("0 to 2"),
            "SeparateMonitor" => common.separate_monitor = number != 0,
            other => panic!("unknown property {other}"),
        }
    }
    common
}

struct Stage {
    resources: Vec<ResourceConfig>,
    world: Option<World>,
    said: usize,
}

fn online(target: &str, flags: &[&str]) -> Request {
    let (ignore_resource_status, keep_persistent_state) = (flags.contains(&"force"), flags.contains(&"keep"));
    let in_buffers: BTreeMap<_, _> =
        if flags.contains(&"buffer") { BTreeMap::from([(name("T"), vec![7])]) } else { BTreeMap::new() };
    match target.strip_prefix("group:") {
        Some(group) => Request::OnlineGroup {
            group: name(group),
            ignore_resource_status,
            keep_persistent_state,
            in_buffers,
        },
        None => Request::OnlineResource {
            resource: name(target),
            ignore_resource_status,
            keep_persistent_state,
            in_buffers,
        },
    }
}

fn offline(target: &str, flags: &[&str]) -> Request {
    let has = |flag: &str| flags.contains(&flag);
    let (ignore_resource_status, force_with_termination) = (has("force"), has("terminate"));
    let (keep_persistent_state, queue_enabled) = (has("keep"), has("queue"));
    let in_buffers: BTreeMap<_, _> =
        if has("buffer") { BTreeMap::from([(name("T"), vec![7])]) } else { BTreeMap::new() };
    match target.strip_prefix("group:") {
        Some(group) => Request::OfflineGroup {
            group: name(group),
            ignore_resource_status,
            force_with_termination,
            keep_persistent_state,
            queue_enabled,
            in_buffers,
        },
        None => Request::OfflineResource {
            resource: name(target),
            ignore_resource_status,
            force_with_termination,
            keep_persistent_state,
            queue_enabled,
            in_buffers,
        },
    }
}

fn movement(words: &[&str]) -> (MoveFlags, BTreeMap<TypeName, Vec<u8>>) {
    let flags = words.iter().filter_map(|word| MoveFlags::from_word(word));
    let buffers =
        if words.contains(&"buffer") { BTreeMap::from([(name("T"), vec![7])]) } else { BTreeMap::new() };
    (flags.fold(MoveFlags::NONE, MoveFlags::with), buffers)
}

impl Stage {
    fn world(&mut self) -> &mut World {
        self.world.as_mut().expect("`start` comes first")
    }

    fn ask(&mut self, request: Request) {
        let world = self.world();
        world.request(request);
        world.settle();
    }

    fn event(&mut self, event: Event) {
        let world = self.world();
        world.send(event);
        world.settle();
    }

    fn news(&mut self, resource: &str, news: News) {
        let world = self.world();
        world.send(Event::Report(Report { resource: name(resource), news }));
        world.settle();
    }

    fn carry_out(&mut self, words: &[&str]) -> Vec<String> {
        match words {
            ["resource", of, rest @ ..] => {
                let with = rest.iter().position(|word| *word == "with").unwrap_or(rest.len());
                let depends_on = rest[..with].iter().skip(1).copied().collect::<Vec<_>>().join(" ");
                let properties = common(rest.get(with + 1..).unwrap_or_default());
                self.resources.push(resource(of, &depends_on, properties));
            }
            ["start", words @ ..] => {
                let priority = words.iter().find_map(|word| word.parse().ok()).unwrap_or(2_000);
                let group = group("g", std::mem::take(&mut self.resources));
                let config = config(vec![GroupConfig { priority, ..group }]);
                let policy = Policy::new(name("n1"), config, BTreeSet::new());
                let mut world = World::with(policy.paused(words.contains(&"paused")));
                world.send(Event::Start { running: Vec::new() });
                world.settle();
                self.world = Some(world);
            }
            ["restarted", paused @ ..] => {
                let world = self.world();
                let mut running: BTreeMap<MonitorId, Vec<Report>> = BTreeMap::new();
                for (resource, (monitor, state)) in &world.open {
                    let (state, why) = (*state, "");
                    let news = News::State {
                        state,
                        settled: true,
                        code: Code::SUCCESS,
                        flags: StatusFlags::NONE,
                        why,
                    };
                    let report = Report { resource: resource.clone(), news };
                    running.entry(monitor.clone()).or_default().push(report);
                }
                let policy = Policy::new(name("n1"), world.policy.config().clone(), BTreeSet::new());
                world.policy = policy.paused(!paused.is_empty());
                world.send(Event::Start { running: running.into_iter().collect() });
                world.settle();
            }
            ["member"] => {
                let group = group("g", std::mem::take(&mut self.resources));
                let mut policy = Policy::new(name("n1"), config(vec![group]), BTreeSet::new());
                policy.member([]);
                let mut world = World::with(policy);
                world.send(Event::Start { running: Vec::new() });
                world.settle();
                self.world = Some(world);
            }
            ["arrives", words @ ..] => {
                let (coming, source, rest) = match words {
                    ["placed", rest @ ..] => (Coming::Placed, None, rest),
                    ["moved", source, rest @ ..] => (Coming::Moved, Some(name(source)), rest),
                    ["returned", source, code, rest @ ..] => {
                        (Coming::Returned(Code(code.parse().unwrap())), Some(name(source)), rest)
                    }
                    other => panic!("unknown arrival {other:?}"),
                };
                let (flags, in_buffers) = movement(rest);
                let arrival =
                    Arrival { coming, source, flags, in_buffers, start: !rest.contains(&"stopped") };
                self.event(Event::Arrived { group: name("g"), arrival });
            }
            ["departs", to, rest @ ..] => {
                let (flags, in_buffers) = movement(rest);
                let will = if rest.contains(&"failover") { Will::Failover } else { Will::Operator };
                let of = |word: &&str| match *word {
                    "drain" => Some(OperationContext::Drain),
                    "failback" => Some(OperationContext::Failback),
                    _ => None,
                };
                let context = rest.iter().find_map(of);
                let departure = Departure { to: name(to), flags, in_buffers, will, context };
                self.event(Event::Depart { group: name("g"), departure });
            }
            ["node-lost", node] => self.event(Event::NodeLost(name(node))),
            ["context", byte] => {
                self.world().context = BTreeMap::from([(name("T"), vec![byte.parse().unwrap()])]);
                return Vec::new();
            }
            ["group"] => {
                let view = self.world().policy.view();
                let line = view.groups.first().map(|group| {
                    let operation = group.operation.as_deref().unwrap_or("no operation");
                    format!("{}, {operation}, status {:#x}", group.state, group.status_information)
                });
                return vec![line.expect("a group")];
            }
            ["departed"] => self.event(Event::Departed { group: name("g") }),
            ["wants-failover"] => {
                let why = self.world().policy.wants_failover(&name("g"));
                return vec![why.map_or_else(|| "no".to_owned(), |(name, why)| format!("{name}: {why}"))];
            }
            ["manner", of, manner @ ..] => {
                let manner = match manner {
                    ["good"] => Manner::Good,
                    ["slow"] => Manner::Slow,
                    ["delays"] => Manner::Delays,
                    ["hangs-offline"] => Manner::HangsOffline,
                    ["refuses", code] => Manner::Refuses(code.parse().unwrap()),
                    ["fails", code] => Manner::FailsOnline(code.parse().unwrap()),
                    ["open-fails", code] => Manner::FailsOpen(code.parse().unwrap()),
                    other => panic!("unknown manner {other:?}"),
                };
                self.world().manner(of, manner);
            }
            ["online", of, flags @ ..] => self.ask(online(of, flags)),
            ["offline", of, flags @ ..] => self.ask(offline(of, flags)),
            ["restart", of] => self.ask(Request::RestartResource { resource: name(of) }),
            ["fail", of] => self.ask(Request::FailResource { resource: name(of) }),
            ["maintenance", of, on] => {
                self.ask(Request::ResourceMaintenance { resource: name(of), on: *on == "on" })
            }
            ["cancel", of] => self.ask(match of.strip_prefix("group:") {
                Some(group) => Request::CancelGroup { group: name(group) },
                None => Request::CancelResource { resource: name(of) },
            }),
            ["move", of, words @ ..] => {
                let (flags, in_buffers) = movement(words);
                let to = words.iter().find_map(|word| word.strip_prefix("to:")).map(name);
                self.ask(Request::MoveGroup { group: name(of), to, flags, in_buffers });
            }
            ["pause", node, drain @ ..] => {
                let drain = match drain {
                    [] => None,
                    ["drain"] => Some(DrainTo::Best),
                    ["to", node] => Some(DrainTo::Node(name(node))),
                    other => panic!("unknown drain {other:?}"),
                };
                self.ask(Request::PauseNode { node: name(node), drain, flags: PauseFlags::NONE });
            }
            ["resume", node] => self.ask(Request::ResumeNode {
                node: name(node),
                failback: ResumeFailback::Policy,
                clear_quarantine: false,
            }),
            ["paused", on] => self.event(Event::Paused(*on == "on")),
            ["node"] => return vec![self.world().policy.view().nodes[0].state.to_string()],
            ["delete", of] => self.ask(match of.strip_prefix("group:") {
                Some(group) => Request::DeleteGroup { group: name(group), force: true },
                None => Request::DeleteResource { resource: name(of), force: false },
            }),
            ["shutdown"] => self.ask(Request::Shutdown),
            ["fails", of, code] => {
                let code = code.parse().unwrap();
                let world = self.world();
                world.fail(of, code);
                world.settle();
            }
            ["comes", of] => {
                let world = self.world();
                world.finish_online(of);
                world.settle();
            }
            ["forgotten", of] => {
                let (world, known) = (self.world(), name(of));
                world.open.remove(&known);
                world.waiting.remove(&known);
            }
            ["locks-unheard", of] => drop(self.world().locked.insert(name(of))),
            ["locked", of] => {
                self.world().locked.insert(name(of));
                self.news(of, News::Locked { locked: true, keep_queued: false });
            }
            ["unlocked", of] => {
                self.world().locked.remove(&name(of));
                self.news(of, News::Locked { locked: false, keep_queued: false });
            }
            ["embedded", of, code] => self.news(of, News::EmbeddedFailure(code.parse().unwrap())),
            ["lost", of, culprit @ ..] => {
                let world = self.world();
                let known: ResourceName = name(of);
                let monitor = world.open[&known].0.clone();
                let culprits = if culprit.is_empty() { Vec::new() } else { vec![known] };
                world.lose(&monitor, culprits, 5930);
                world.settle();
            }
            ["monitors", how] => self.world().no_monitors = *how == "broken",
            ["disk", "slow"] => self.world().slow_disk = true,
            ["disk", "full"] => self.world().disk = Err(Code::ERROR_DISK_FULL),
            ["disk", "good"] => {
                let world = self.world();
                world.disk = Ok(());
                world.release();
                world.settle();
            }
            ["pass", ms] => {
                let ms = ms.parse().unwrap();
                self.world().pass(Duration::from_millis(ms));
            }
            ["state"] => {
                let view = self.world().policy.view();
                let Some(group) = view.groups.first() else { return vec!["nothing is left".to_owned()] };
                return group
                    .resources
                    .iter()
                    .map(|resource| {
                        let why = resource.why.as_ref().map(|why| format!(": {why}")).unwrap_or_default();
                        format!("{} is {}{why}", resource.name, resource.state)
                    })
                    .collect();
            }
            other => panic!("unknown line {other:?}"),
        }
        let Some(world) = &self.world else { return Vec::new() };
        let new = world.log[self.said..].to_vec();
        self.said = world.log.len();
        new
    }
}

fn play(text: &str) -> String {
    let mut stage = Stage { resources: Vec::new(), world: None, said: 0 };
    let mut out = String::new();
    for line in text.lines() {
        let Some(command) = line.strip_prefix("> ") else {
            if line.starts_with('#') || line.is_empty() {
                out.push_str(line);
                out.push('\n');
            }
            continue;
        };
        out.push_str(line);
        out.push('\n');
        let words: Vec<&str> = command.split_whitespace().collect();
        for answer in stage.carry_out(&words) {
            out.push_str("  ");
            out.push_str(&answer);
            out.push('\n');
        }
    }
    out
}

#[test]
fn every_transcript_is_as_written() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scenarios");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 6, "{files:?}");
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        let played = play(&text);
        if std::env::var_os("UPDATE").is_some() {
            std::fs::write(&file, &played).unwrap();
        } else {
            let first = text.lines().zip(played.lines()).find(|(known, now)| known != now);
            assert!(text == played, "{} differs (UPDATE=1 rewrites it): {first:?}", file.display());
        }
    }
}
