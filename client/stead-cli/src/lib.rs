//! The command line: arguments -> request -> table or JSON. It speaks the node's HTTP interface over its Unix socket.

mod args;
mod buffer;
mod client;
mod cluster;
mod config;
mod doctor;
mod edit;
mod exit;
mod log;
mod nodes;
mod operate;
mod sets;
mod settings;
mod show;
mod simulate;
mod skeleton;
mod tell;
mod top;
mod up;

use std::io;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};
use hyper::Method;
use stead_api::{
    Apply, Config, Control, Controlled, DatabaseMembers, Event, Explanation, NotSimulated, Operate,
    Simulation, SimulationStep, Situation, Status, TypeDoc, routes,
};

use args::{
    Cli, Everywhere, Flags, GroupVerb, MoveFlags, OfflineFlags, ResourceVerb, TypeVerb, Verb, Waiting,
};
use client::{Client, Trouble, encode};
use cluster::args::{ClusterVerb, OfflineVerb};
pub use config::{check_file, read_config};
use exit::Exit;
use operate::Manner;

/// The whole command line; `others` are the commands that other programs of the executable carry out.
#[must_use]
pub fn command(others: Vec<Command>) -> Command {
    Cli::command().subcommands(others)
}

/// What would happen in a situation, with these members of the cluster database, if these things did.
pub type Simulator =
    fn(&Situation, Option<&DatabaseMembers>, &[SimulationStep]) -> Result<Simulation, NotSimulated>;

/// What other programs of the executable know.
#[derive(Clone, Copy, Debug)]
pub struct Others {
    /// Which containment works on this machine, and whether it is the best there is. It is called before any thread is
    /// started.
    pub containment: fn() -> (bool, &'static str),
    /// What would happen in a situation.
    pub simulate: Simulator,
}

/// Carries out a command. `command` is the whole command line, for completions and man pages.
#[must_use]
pub fn run(matches: &ArgMatches, command: Command, others: Others) -> ExitCode {
    let cli = match Cli::from_arg_matches(matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let json = cli.everywhere.json;
    match carry_out(cli, command, others) {
        Ok(exit) => exit.into(),
        Err(trouble) => {
            if json {
                show::json_line(
                    &serde_json::json!({ "error": trouble.text, "exit_code": trouble.exit.code() }),
                );
            } else {
                show::problem(&trouble.text);
            }
            trouble.exit.into()
        }
    }
}

fn failed(error: &impl ToString) -> Trouble {
    Trouble { exit: Exit::Failed, text: error.to_string() }
}

fn carry_out(cli: Cli, mut command: Command, others: Others) -> Result<Exit, Trouble> {
    let Cli { everywhere: Everywhere { data, json }, verb } = cli;
    // Before the first thread.
    let contained = if matches!(verb, Verb::Doctor) { (others.containment)() } else { (false, "") };
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build().map_err(|error| failed(&error))?;
    let client = Client::new(&data);
    match verb {
        Verb::Up(up) => runtime.block_on(up::run(&data, &up, json)),
        Verb::Status(args::Status { name }) => runtime.block_on(status(&client, name.as_deref(), json)),
        Verb::Tell => runtime.block_on(tell::run(&data)),
        Verb::Top => top::run(&runtime, &client),
        Verb::Apply(apply) => runtime.block_on(apply_file(&client, &apply, json)),
        Verb::GroupSet(sets::GroupSet { verb }) => runtime.block_on(sets::carry_out(&client, verb, json)),
        Verb::Group(args::Group { verb }) => runtime.block_on(group(&client, verb, json)),
        Verb::Resource(args::Resource { verb }) => runtime.block_on(resource(&client, verb, json)),
        Verb::Type(args::Type { verb }) => runtime.block_on(resource_type(&client, verb, json)),
        Verb::Explain(args::Explain { name, kind }) => runtime.block_on(explain(&client, &kind, &name, json)),
        Verb::Simulate(given) => simulate::run((&runtime, &client, &data), &given, others.simulate, json),
        Verb::Events(which) => runtime.block_on(events(&client, &which, json)),
        Verb::Log(which) => {
            let resources = runtime.block_on(log::resources_of(&client, which.group.as_deref()));
            log::run(&data, &which, &resources, json)
        }
        Verb::Doctor => {
            let findings = runtime.block_on(doctor::examine(&data, contained));
            doctor::print(&findings, json);
            Ok(Exit::Done)
        }
        Verb::Shutdown(waiting) => runtime.block_on(shutdown(&client, &waiting, json)),
        Verb::Cluster(cluster::args::Cluster { verb: ClusterVerb::Settings }) => {
            runtime.block_on(settings::list(&client, json))
        }
        Verb::Cluster(cluster::args::Cluster { verb: ClusterVerb::Set { settings } }) => {
            runtime.block_on(settings::set(&client, &settings, json))
        }
        Verb::Cluster(cluster::args::Cluster { verb: ClusterVerb::Offline(verb) }) => {
            let heard = match *verb {
                OfflineVerb::Status => runtime.block_on(client.soon::<Status>(routes::STATUS)),
                OfflineVerb::Create(_)
                | OfflineVerb::Join(_)
                | OfflineVerb::Invite(_)
                | OfflineVerb::Leave
                | OfflineVerb::Adopt { .. }
                | OfflineVerb::Certificates
                | OfflineVerb::Renew { .. }
                | OfflineVerb::Members(_) => None,
            };
            cluster::run(&data, *verb, heard.as_ref(), json)
        }
        Verb::Node(args::Node { verb }) => {
            let run = |machine: &args::Machine| node_run(&data, machine);
            runtime.block_on(nodes::carry_out((&client, &data), verb, run, json))
        }
        Verb::Config => runtime.block_on(async {
            show::json(&client.get::<Config>(routes::CONFIG).await?);
            Ok(Exit::Done)
        }),
        Verb::Openapi => {
            show::json(&stead_api::openapi());
            Ok(Exit::Done)
        }
        Verb::Completions { shell } => {
            clap_complete::generate(shell, &mut command, "stead", &mut io::stdout());
            Ok(Exit::Done)
        }
        Verb::Man { dir } => man(command, dir.as_deref()),
    }
}

fn man(command: Command, folder: Option<&Path>) -> Result<Exit, Trouble> {
    match folder {
        Some(folder) => {
            std::fs::create_dir_all(folder)
                .map_err(|error| failed(&format!("{}: {error}", folder.display())))?;
            clap_mangen::generate_to(command, folder)
                .map_err(|error| failed(&format!("{}: {error}", folder.display())))?;
        }
        None => {
            let mut page = Vec::new();
            clap_mangen::Man::new(command).render(&mut page).map_err(|error| failed(&error))?;
            show::out(&String::from_utf8_lossy(&page));
        }
    }
    Ok(Exit::Done)
}

/// Becomes the guardian.
fn node_run(data: &Path, machine: &args::Machine) -> Result<Exit, Trouble> {
    let program = std::env::current_exe().map_err(|error| failed(&error))?;
    // Looked at before anything runs: what is wrong with it is told here and not in a log.
    let file = stead_membership::NodeFile::read(data)?;
    let name = match (&machine.node_name, file.map(|file| file.node)) {
        (Some(given), Some(written)) if *given != written => {
            let text = format!(
                "--node-name {given} refused: {} says that this node is {written:?}; leave --node-name out",
                data.join(stead_membership::PATH).display()
            );
            return Err(Trouble { exit: Exit::Refused, text });
        }
        (given, written) => written.or_else(|| given.clone()),
    };
    let mut guardian = std::process::Command::new(program);
    guardian.arg("guardian").arg("--tell").arg("--data").arg(data).args(machine.arguments());
    if let Some(name) = &name {
        guardian.args(["--node-name", name]);
    }
    Err(failed(&guardian.exec()))
}

async fn status(client: &Client, name: Option<&str>, json: bool) -> Result<Exit, Trouble> {
    let mut status: Status = client.get(routes::STATUS).await?;
    if let Some(name) = name {
        status.groups.retain(|group| {
            let same = |other: &str| other.eq_ignore_ascii_case(name);
            same(&group.name) || group.resources.iter().any(|resource| same(&resource.name))
        });
        if status.groups.is_empty() {
            let text = format!("status of \"{name}\" refused: there is no group or resource of this name");
            return Err(Trouble { exit: Exit::Refused, text });
        }
    }
    if json {
        show::json(&status);
    } else {
        show::out(&show::status(&status, None));
    }
    Ok(Exit::Done)
}

async fn apply_file(client: &Client, given: &args::ApplyFile, json: bool) -> Result<Exit, Trouble> {
    let Some(path) = given.file.as_ref().or(given.file_option.as_ref()) else { return Ok(Exit::BadConfig) };
    let file = match operate::read(path) {
        Ok(file) => file,
        Err(exit) => return Ok(exit),
    };
    let apply = Apply {
        config: file.config.clone(),
        dry_run: given.dry_run,
        prune: given.prune,
        no_wait: given.waiting.no_wait,
    };
    operate::apply(client, &file, apply, manner(json, &given.waiting)).await
}

fn manner(json: bool, waiting: &Waiting) -> Manner {
    Manner { json, timeout: waiting.timeout }
}

fn operation(flags: &Flags) -> Result<Operate, Trouble> {
    let in_buffer = buffer::read(&flags.buffers.in_buffer)?;
    Ok(Operate {
        force: flags.force,
        keep_persistent_state: flags.keep_persistent_state,
        in_buffer,
        no_wait: flags.waiting.no_wait,
        ..Operate::default()
    })
}

fn offline(given: &OfflineFlags) -> Result<Operate, Trouble> {
    Ok(Operate { terminate: given.terminate, queue: given.queue, ..operation(&given.flags)? })
}

fn movement(flags: MoveFlags) -> Result<Operate, Trouble> {
    let MoveFlags { to, force, queue, return_on_error, high_priority, ignore_affinity, buffers, waiting } =
        flags;
    Ok(Operate {
        to,
        force,
        queue,
        return_on_error,
        high_priority,
        ignore_affinity,
        in_buffer: buffer::read(&buffers.in_buffer)?,
        no_wait: waiting.no_wait,
        ..Operate::default()
    })
}

/// The command that gives up what was asked, where there is one.
fn cancelling(kind: &str, name: &str, verb: &str) -> Option<String> {
    let kind = kind.trim_end_matches('s');
    let name = shlex::try_quote(name).ok()?;
    ["online", "offline", "move"].contains(&verb).then(|| format!("stead {kind} cancel {name}"))
}

async fn operate_on(
    client: &Client,
    (kind, name, verb): (&str, &str, &str),
    body: &Operate,
    manner: Manner,
) -> Result<Exit, Trouble> {
    let path = format!("/v1/{kind}/{}/{verb}", encode(name));
    let cancel = cancelling(kind, name, verb);
    let with = (manner, cancel.as_deref());
    operate::run_with(client, (Method::POST, &path), body, with, operate::plainly).await
}

async fn group(client: &Client, verb: GroupVerb, json: bool) -> Result<Exit, Trouble> {
    let plain = Manner { json, timeout: None };
    match verb {
        GroupVerb::List => {
            let status: Status = client.get(routes::STATUS).await?;
            if json {
                show::json(&status.groups);
            } else {
                let row = |group: stead_api::Group| {
                    vec![group.name, group.state, group.owner_node, group.resources.len().to_string()]
                };
                let rows = status.groups.into_iter().map(row).collect();
                show::out(&show::list(&["GROUP", "STATE", "OWNER NODE", "RESOURCES"], rows));
            }
            Ok(Exit::Done)
        }
        GroupVerb::Create { name, settings } => edit::group(client, &name, settings, true, plain).await,
        GroupVerb::Set { name, settings } => edit::group(client, &name, settings, false, plain).await,
        GroupVerb::Online { name, flags } => {
            let body = operation(&flags)?;
            operate_on(client, ("groups", &name, "online"), &body, manner(json, &flags.waiting)).await
        }
        GroupVerb::Offline { name, flags } => {
            let body = offline(&flags)?;
            operate_on(client, ("groups", &name, "offline"), &body, manner(json, &flags.flags.waiting)).await
        }
        GroupVerb::Move { name, flags } => {
            let manner = manner(json, &flags.waiting);
            operate_on(client, ("groups", &name, "move"), &movement(flags)?, manner).await
        }
        GroupVerb::Maintenance { name, mode } => maintain(client, &name, &mode, plain).await,
        GroupVerb::Cancel { name } => {
            operate_on(client, ("groups", &name, "cancel"), &Operate::default(), plain).await
        }
        GroupVerb::Delete { name, force, waiting } => {
            let body = Operate { force, no_wait: waiting.no_wait, ..Operate::default() };
            operate_on(client, ("groups", &name, "delete"), &body, manner(json, &waiting)).await
        }
    }
}

/// Maintenance of every resource of a group; the first one that is refused ends it.
async fn maintain(client: &Client, name: &str, mode: &str, manner: Manner) -> Result<Exit, Trouble> {
    let status: Status = client.get(routes::STATUS).await?;
    let Some(group) = status.groups.into_iter().find(|group| group.name.eq_ignore_ascii_case(name)) else {
        let text = format!(
            "group \"{name}\": maintenance refused: ERROR_GROUP_NOT_FOUND (5013): there is no such group; see `stead status`"
        );
        return Err(Trouble { exit: Exit::Refused, text });
    };
    let verb = if mode == "on" { "maintenance-on" } else { "maintenance-off" };
    for resource in group.resources {
        let exit =
            operate_on(client, ("resources", &resource.name, verb), &Operate::default(), manner).await?;
        if exit != Exit::Done {
            return Ok(exit);
        }
    }
    Ok(Exit::Done)
}

async fn resource(client: &Client, verb: ResourceVerb, json: bool) -> Result<Exit, Trouble> {
    let plain = Manner { json, timeout: None };
    let on = |name: String, verb: &'static str, body: Operate, manner: Manner| async move {
        operate_on(client, ("resources", &name, verb), &body, manner).await
    };
    match verb {
        ResourceVerb::List => {
            let status: Status = client.get(routes::STATUS).await?;
            let resources = status.groups.into_iter().flat_map(|group| {
                let name = group.name;
                group.resources.into_iter().map(move |resource| (name.clone(), resource))
            });
            if json {
                show::json(&resources.map(|(_, resource)| resource).collect::<Vec<_>>());
            } else {
                let row = |(group, resource): (String, stead_api::Resource)| {
                    vec![resource.name, resource.state, group, resource.type_name, resource.depends_on]
                };
                let rows = resources.map(row).collect();
                show::out(&show::list(&["RESOURCE", "STATE", "GROUP", "TYPE", "DEPENDS ON"], rows));
            }
            Ok(Exit::Done)
        }
        ResourceVerb::Create { name, group, type_name, settings } => {
            let manner = manner(json, &settings.waiting);
            edit::create_resource(client, &name, (&group, &type_name), &settings, manner).await
        }
        ResourceVerb::Set { name, settings } => {
            let manner = manner(json, &settings.waiting);
            edit::set_existing(client, &name, &settings, manner).await
        }
        ResourceVerb::Online { name, flags } => {
            on(name, "online", operation(&flags)?, manner(json, &flags.waiting)).await
        }
        ResourceVerb::Offline { name, flags } => {
            on(name, "offline", offline(&flags)?, manner(json, &flags.flags.waiting)).await
        }
        ResourceVerb::Restart { name, waiting } => {
            let body = Operate { no_wait: waiting.no_wait, ..Operate::default() };
            on(name, "restart", body, manner(json, &waiting)).await
        }
        ResourceVerb::Fail { name } => on(name, "fail", Operate::default(), plain).await,
        ResourceVerb::Maintenance { name, mode } => {
            let verb = if mode == "on" { "maintenance-on" } else { "maintenance-off" };
            on(name, verb, Operate::default(), plain).await
        }
        ResourceVerb::Cancel { name } => on(name, "cancel", Operate::default(), plain).await,
        ResourceVerb::Control { name, code, in_buffer } => {
            let (what, path) = (format!("resource \"{name}\""), format!("/v1/control/{}", encode(&name)));
            control(client, (&what, &path), code, in_buffer, json).await
        }
        ResourceVerb::Delete { name, force, waiting } => {
            let body = Operate { force, no_wait: waiting.no_wait, ..Operate::default() };
            on(name, "delete", body, manner(json, &waiting)).await
        }
    }
}

async fn control(
    client: &Client,
    (what, path): (&str, &str),
    code: u32,
    in_buffer: String,
    json: bool,
) -> Result<Exit, Trouble> {
    let controlled: Controlled = client.exchange(path, &Control { code, in_buffer }).await?;
    if json {
        show::json(&controlled);
    } else if controlled.result.code == 0 {
        show::out(&controlled.output);
    }
    if controlled.result.code == 0 {
        return Ok(Exit::Done);
    }
    if !json {
        show::problem(&format!("{what}: control {code:#010x} failed: {}", show::code(&controlled.result)));
    }
    Ok(Exit::Failed)
}

async fn resource_type(client: &Client, verb: TypeVerb, json: bool) -> Result<Exit, Trouble> {
    let plain = Manner { json, timeout: None };
    match verb {
        TypeVerb::List => {
            let config: Config = client.get(routes::CONFIG).await?;
            if json {
                let own = stead_api::BUILTIN_TYPES.iter().map(|name| (*name, None));
                let all = own.chain(config.types.iter().map(|doc| (doc.name.as_str(), Some(doc))));
                let classes: std::collections::BTreeMap<&str, String> =
                    all.map(|(name, doc)| (name, stead_api::fence_class(name, doc).0.to_string())).collect();
                show::json(&serde_json::json!({
                    "builtin": stead_api::BUILTIN_TYPES,
                    "registered": config.types,
                    "fence_classes": classes,
                }));
            } else {
                let row = |name: &str, doc: Option<&TypeDoc>| {
                    let (class, reaches) = stead_api::fence_class(name, doc);
                    let dll = doc.map_or("of stead itself", |doc| doc.dll.as_str());
                    vec![name.to_owned(), dll.to_owned(), class.to_string(), reaches.to_owned()]
                };
                let own = stead_api::BUILTIN_TYPES.iter().map(|name| row(name, None));
                let rows = own.chain(config.types.iter().map(|doc| row(&doc.name, Some(doc)))).collect();
                show::out(&show::list(&["TYPE", "RESOURCE DLL", "FENCE", "WHAT ENDS AT THE DEADLINE"], rows));
            }
            Ok(Exit::Done)
        }
        TypeVerb::Register { name, dll, common, fence_class, description } => {
            let (dll, accept_no_watchdog) = (dll.display().to_string(), false);
            let common_of = std::collections::BTreeMap::new();
            let doc = TypeDoc { name, description, dll, common: common_of, fence_class, accept_no_watchdog };
            edit::register(client, doc, &common, plain).await
        }
        TypeVerb::Control { name, code, in_buffer } => {
            let what = format!("resource type \"{name}\"");
            let path = format!("/v1/types/{}/control", encode(&name));
            control(client, (&what, &path), code, in_buffer, json).await
        }
        TypeVerb::New { name, lang, dir } => skeleton::new(&name, lang == "rust", dir, json),
        TypeVerb::Unregister { name } => {
            let path = format!("/v1/types/{}", encode(&name));
            operate::run(client, (Method::DELETE, &path), &Operate::default(), plain, operate::plainly).await
        }
    }
}

async fn explain(client: &Client, kind: &str, name: &str, json: bool) -> Result<Exit, Trouble> {
    let explanation: Explanation = client.get(&format!("/v1/explain/{kind}/{}", encode(name))).await?;
    if json {
        show::json(&explanation);
    } else {
        let _ = explanation.lines.iter().all(|line| show::out(line));
    }
    Ok(Exit::Done)
}

async fn events(client: &Client, which: &args::Events, json: bool) -> Result<Exit, Trouble> {
    let tell = |event: &Event| {
        if json {
            show::json_line(event)
        } else {
            show::out(&format!("{}  {:>5}  {}", show::date(event.time_ms), event.id, show::event(event)))
        }
    };
    let mut path = format!("{}?last={}&follow={}", routes::EVENTS, which.last, which.follow);
    for (name, value) in [("group", &which.group), ("resource", &which.resource)] {
        if let Some(value) = value {
            path.push_str(&format!("&{name}={}", encode(value)));
        }
    }
    if !which.follow {
        let events: Vec<Event> = client.get(&path).await?;
        // Until the reader goes away.
        let _ = events.iter().all(tell);
        return Ok(Exit::Done);
    }
    let mut lines = client.lines(Method::GET, &path, &()).await?;
    loop {
        tokio::select! {
            event = lines.next::<Event>() => match event? {
                Some(event) => if !tell(&event) {
                    return Ok(Exit::Done);
                },
                None => return Ok(Exit::Done),
            },
            _ = tokio::signal::ctrl_c() => return Ok(Exit::Done),
        }
    }
}

async fn shutdown(client: &Client, waiting: &Waiting, json: bool) -> Result<Exit, Trouble> {
    let body = Operate { no_wait: waiting.no_wait, ..Operate::default() };
    operate::run(client, (Method::POST, routes::SHUTDOWN), &body, manner(json, waiting), operate::plainly)
        .await
}
