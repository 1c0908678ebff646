//! What can be typed.

use std::path::PathBuf;
use std::time::SystemTime;

use clap::{Args, Parser, Subcommand};
use stead_resapi::{CodesOf, control_code};

/// A failover cluster for Linux, on one machine: groups of resources are kept online in the order they depend on each
/// other.
#[derive(Debug, Parser)]
#[command(
    name = "stead",
    version,
    about = "A failover cluster whose plugins are resource DLLs",
    after_help = crate::exit::HELP,
    subcommand_required = true,
    arg_required_else_help = true
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) everywhere: Everywhere,
    #[command(subcommand)]
    pub(crate) verb: Verb,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Everywhere {
    /// The folder of the node: its database, logs and socket
    #[arg(long, value_name = "DIR", default_value = "stead-data", env = "STEAD_DATA", global = true)]
    pub(crate) data: PathBuf,
    /// JSON instead of text
    #[arg(long, global = true)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Verb {
    /// Start everything on this machine, apply a file, and stay until Ctrl-C
    Up(Up),
    /// Nodes, groups and resources
    Status(Status),
    /// The status, refreshed; q ends it
    Top,
    /// Make the configuration what a file says
    Apply(ApplyFile),
    /// Groups: create, set, online, offline, move, maintenance, cancel, delete, list
    Group(Group),
    /// Groups that others wait for together: list, create, set, add, remove-group, remove
    GroupSet(crate::sets::GroupSet),
    /// Resources: create, set, online, offline, restart, fail, maintenance, cancel, control, delete, list
    Resource(Resource),
    /// Resource types: register, unregister, list
    Type(Type),
    /// Why something is as it is
    Explain(Explain),
    /// What would happen: nodes killed or drained, groups moved, resources failing; nothing is changed
    Simulate(crate::simulate::Simulate),
    /// What happened
    Events(Events),
    /// The cluster log: what node, guardian and monitors wrote, merged by time
    Log(Log),
    /// What protects you on this machine, and what does not
    Doctor,
    /// Take everything offline in order, and end the node
    Shutdown(Waiting),
    /// Nodes: list, status, pause, resume, fence, confirm-down; run, for a service manager
    Node(Node),
    /// Several machines: create, join, invite, status, leave, adopt, members; and the settings of the cluster: settings, set
    Cluster(crate::cluster::args::Cluster),
    /// What happens on this node, for `stead node run`
    #[command(hide = true)]
    Tell,
    /// The configuration as it is stored
    Config,
    /// The OpenAPI document of the node's interface
    Openapi,
    /// Completions for a shell
    Completions {
        /// bash, elvish, fish, powershell or zsh
        shell: clap_complete::Shell,
    },
    /// Man pages: to standard output, or a page a command into a folder
    Man {
        /// The folder
        #[arg(long, value_name = "DIR")]
        dir: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Up {
    /// The configuration
    pub(crate) file: PathBuf,
    /// Delete groups and resources that the file does not name
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) machine: Machine,
}

#[derive(Debug, Args)]
pub(crate) struct Machine {
    /// The name of this node; the machine's by default
    #[arg(long = "node-name", value_name = "NAME")]
    pub(crate) node_name: Option<String>,
    /// How processes are kept together
    #[arg(long, value_name = "KIND", default_value = "auto", value_parser = ["auto", "pid", "user", "subreaper"])]
    pub(crate) containment: String,
    /// What one Resource Monitor and all its processes may use: pids, memory, cpu (a weight), and for each process
    /// nofile, core, fsize, memlock; such as memory=2G, or pids=none; may be given again
    #[arg(long = "limit", value_name = "NAME=VALUE")]
    pub(crate) limits: Vec<String>,
}

impl Machine {
    /// As arguments of the guardian.
    pub(crate) fn arguments(&self) -> Vec<&str> {
        let mut arguments = vec!["--containment", &self.containment];
        arguments.extend(self.limits.iter().flat_map(|limit| ["--limit", limit]));
        arguments
    }
}

#[derive(Debug, Args)]
pub(crate) struct Status {
    /// Only this group, or the group of this resource
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct ApplyFile {
    /// The configuration
    #[arg(required_unless_present = "file_option", conflicts_with = "file_option")]
    pub(crate) file: Option<PathBuf>,
    /// The configuration
    #[arg(short = 'f', long = "file", value_name = "FILE", id = "file_option")]
    pub(crate) file_option: Option<PathBuf>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
    /// Delete groups and resources that the file does not name
    #[arg(long)]
    pub(crate) prune: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Waiting {
    /// Do not wait for the end
    #[arg(long)]
    pub(crate) no_wait: bool,
    /// Wait so long at most, such as 30s or 5min; the operation goes on
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    pub(crate) timeout: Option<std::time::Duration>,
}

/// Flags of the Resource API, by the words of this command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct Flags {
    /// Although locked (IGNORE_RESOURCE_STATUS)
    #[arg(long)]
    pub(crate) force: bool,
    /// Leave the wanted state as it is (DO_NOT_UPDATE_PERSISTENT_STATE)
    #[arg(long)]
    pub(crate) keep_persistent_state: bool,
    #[command(flatten)]
    pub(crate) buffers: Buffers,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct Buffers {
    /// InBuffer for resources of a type: hex:00ff, @FILE, or text as it stands; may be given again
    #[arg(long, value_name = "TYPE=VALUE")]
    pub(crate) in_buffer: Vec<String>,
}

/// Flags of a move, by the words of this command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct MoveFlags {
    /// The node; by default the best there is
    #[arg(long, value_name = "NODE")]
    pub(crate) to: Option<String>,
    /// Although locked (IGNORE_RESOURCE_STATUS)
    #[arg(long)]
    pub(crate) force: bool,
    /// Retry a move that a resource delays until it is done or cancelled (QUEUE_ENABLED)
    #[arg(long)]
    pub(crate) queue: bool,
    /// If a resource fails there, come back (RETURN_TO_SOURCE_NODE_ON_ERROR)
    #[arg(long)]
    pub(crate) return_on_error: bool,
    /// Start ahead of other groups there (HIGH_PRIORITY_START)
    #[arg(long)]
    pub(crate) high_priority: bool,
    /// Although anti-affinity speaks against it (IGNORE_AFFINITY_RULE)
    #[arg(long)]
    pub(crate) ignore_affinity: bool,
    #[command(flatten)]
    pub(crate) buffers: Buffers,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Clone, Debug, Args)]
pub(crate) struct OfflineFlags {
    /// Terminate instead of Offline (FORCE_WITH_TERMINATION)
    #[arg(long)]
    pub(crate) terminate: bool,
    /// Retry a delayed offline until it is done or cancelled (QUEUE_ENABLED)
    #[arg(long)]
    pub(crate) queue: bool,
    #[command(flatten)]
    pub(crate) flags: Flags,
}

#[derive(Debug, Args)]
pub(crate) struct Group {
    #[command(subcommand)]
    pub(crate) verb: GroupVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum GroupVerb {
    /// All groups
    List,
    /// Create an empty group
    Create {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: GroupSettings,
    },
    /// Change a group
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: GroupSettings,
    },
    /// Bring all resources online, providers first
    Online {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Take all resources offline, dependents first
    Offline {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: OfflineFlags,
    },
    /// Move to another node
    #[command(after_help = "\
Examples:
  stead group move web --to n2                      wait until it is online there
  stead group move web --return-on-error            to the best node; back if it fails there
  stead group move vm --queue --no-wait             when its resources allow it
  stead group move vm --in-buffer \"My VM=hex:04000000\"")]
    Move {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: MoveFlags,
    },
    /// Begin or end maintenance mode of all its resources: no polls, no failures
    Maintenance {
        /// Its name
        name: String,
        /// Begin or end
        #[arg(value_parser = ["on", "off"])]
        mode: String,
    },
    /// Give up what is queued or pending
    Cancel {
        /// Its name
        name: String,
    },
    /// Delete the group
    Delete {
        /// Its name
        name: String,
        /// With its resources, which are taken offline first
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
}

#[derive(Debug, Args)]
pub(crate) struct GroupSettings {
    /// A comment, for people; "" is none
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// The wanted state: Online or Offline
    #[arg(long, value_name = "STATE")]
    pub(crate) persistent_state: Option<String>,
    /// Higher starts first: 1000 low, 2000 medium, 3000 high
    #[arg(long)]
    pub(crate) priority: Option<u32>,
    /// Failovers allowed within the failover period
    #[arg(long)]
    pub(crate) failover_threshold: Option<u32>,
    /// In hours
    #[arg(long)]
    pub(crate) failover_period: Option<u32>,
    /// Nodes in the order in which they are preferred, with commas between them; "" is none
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub(crate) preferred_owners: Option<Vec<String>>,
    /// Words; groups that share one are kept on different nodes where that is possible; "" is none
    #[arg(long, value_name = "WORDS", value_delimiter = ',')]
    pub(crate) anti_affinity: Option<Vec<String>>,
    /// Whether it returns to a preferred owner that is back: Prevent, Allow, or hours such as 22-4
    #[arg(long, value_name = "WHEN")]
    pub(crate) failback: Option<String>,
    /// Whether it starts with the whole cluster: Always, DoNotStart or Allowed
    #[arg(long, value_name = "SETTING")]
    pub(crate) cold_start: Option<String>,
    /// Groups that must be online before it is started on a new owner, with commas between them; "" is none
    #[arg(long, value_name = "GROUPS", value_delimiter = ',')]
    pub(crate) depends_on_groups: Option<Vec<String>>,
    /// The group set that must be ready before that; "" is none
    #[arg(long, value_name = "SET")]
    pub(crate) depends_on_set: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Resource {
    #[command(subcommand)]
    pub(crate) verb: ResourceVerb,
}

#[derive(Debug, Args)]
pub(crate) struct ResourceSettings {
    /// A comment, for people; "" is none
    #[arg(long, value_name = "TEXT")]
    pub(crate) description: Option<String>,
    /// A private property; may be given again. VALUE is a number, true, false, a list ["a", "b"], else text
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) property: Vec<String>,
    /// A common property such as RestartDelay=0, times in ms; may be given again
    #[arg(long, value_name = "NAME=NUMBER")]
    pub(crate) common: Vec<String>,
    /// A dependency expression: [a] and ([b] or [c])
    #[arg(long, value_name = "EXPRESSION")]
    pub(crate) depends_on: Option<String>,
    /// The nodes on which it may be online, with commas between them; "" is every node
    #[arg(long, value_name = "NODES", value_delimiter = ',')]
    pub(crate) possible_owners: Option<Vec<String>>,
    /// The wanted state: Online or Offline
    #[arg(long, value_name = "STATE")]
    pub(crate) persistent_state: Option<String>,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Debug, Subcommand)]
pub(crate) enum ResourceVerb {
    /// All resources
    List,
    /// Create a resource in a group
    Create {
        /// Its name, unique in the cluster
        name: String,
        /// The group
        #[arg(long, value_name = "GROUP")]
        group: String,
        /// The resource type
        #[arg(long = "type", value_name = "TYPE")]
        type_name: String,
        #[command(flatten)]
        settings: ResourceSettings,
    },
    /// Change a resource
    Set {
        /// Its name
        name: String,
        #[command(flatten)]
        settings: ResourceSettings,
    },
    /// Bring online, providers first
    Online {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: Flags,
    },
    /// Take offline, dependents first
    Offline {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: OfflineFlags,
    },
    /// Offline, and back to the wanted state
    Restart {
        /// Its name
        name: String,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// As if a health check had failed
    Fail {
        /// Its name
        name: String,
    },
    /// Begin or end maintenance mode: no polls, no failures
    Maintenance {
        /// Its name
        name: String,
        /// Begin or end
        #[arg(value_parser = ["on", "off"])]
        mode: String,
    },
    /// Give up what is queued or pending
    Cancel {
        /// Its name
        name: String,
    },
    /// Send a control code, and print the output in hexadecimal
    #[command(after_long_help = codes(CodesOf::Resources))]
    Control {
        /// Its name
        name: String,
        /// The code: its documented name such as GET_CHARACTERISTICS, or its number
        #[arg(value_parser = resource_code)]
        code: u32,
        /// The input, in hexadecimal
        #[arg(default_value = "")]
        in_buffer: String,
    },
    /// Delete the resource; it must be offline
    Delete {
        /// Its name
        name: String,
        /// Also if its resource DLL cannot be asked; one that is asked and refuses is obeyed
        #[arg(long)]
        force: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
}

fn resource_code(text: &str) -> Result<u32, String> {
    control_code(text, CodesOf::Resources)
}

fn type_code(text: &str) -> Result<u32, String> {
    control_code(text, CodesOf::ResourceTypes)
}

/// The control codes there are, for the end of a help text.
fn codes(of: CodesOf) -> String {
    let lines: Vec<String> = of.all().map(|(name, code)| format!("  {code:#010x}  {name}")).collect();
    format!("Control codes:\n{}", lines.join("\n"))
}

#[derive(Debug, Args)]
pub(crate) struct Type {
    #[command(subcommand)]
    pub(crate) verb: TypeVerb,
}

#[derive(Debug, Subcommand)]
pub(crate) enum TypeVerb {
    /// Resource types there are
    List,
    /// Register a type of a resource DLL
    Register {
        /// The name, as the DLL knows it
        name: String,
        /// The DLL
        dll: PathBuf,
        /// What its resources get where they say nothing, such as PendingTimeout=60000; may be given again
        #[arg(long, value_name = "NAME=NUMBER")]
        common: Vec<String>,
        /// What ends its resources when their node loses its session: F0 nothing, F1 (without this) the end of their
        /// processes, F2 that and their namespace, F3 a control group, F4 the guardian, F5 a reset by the watchdog
        #[arg(long, value_name = "CLASS", value_parser = ["F0", "F1", "F2", "F3", "F4", "F5"])]
        fence_class: Option<String>,
        /// A comment, for people
        #[arg(long, value_name = "TEXT", default_value = "")]
        description: String,
    },
    /// Send a control code to a resource type, and print the output in hexadecimal
    #[command(after_long_help = codes(CodesOf::ResourceTypes))]
    Control {
        /// The type
        name: String,
        /// The code: its documented name such as GET_CLASS_INFO, or its number
        #[arg(value_parser = type_code)]
        code: u32,
        /// The input, in hexadecimal
        #[arg(default_value = "")]
        in_buffer: String,
    },
    /// Begin a resource type of your own: a folder with everything that is needed
    New {
        /// The name of the type, such as "Print Queue"
        name: String,
        /// The language
        #[arg(long, value_parser = ["c", "rust"])]
        lang: String,
        /// The folder to make; by default the name in lower case with dashes
        #[arg(long)]
        dir: Option<PathBuf>,
    },
    /// Forget a type that no resource has
    Unregister {
        /// The name
        name: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// A group or a resource
    pub(crate) name: String,
    /// What it is, where a group and a resource have one name
    #[arg(long, default_value = "any", value_parser = ["any", "group", "resource"])]
    pub(crate) kind: String,
}

#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// The last so many
    #[arg(long, short = 'n', default_value_t = 100)]
    pub(crate) last: usize,
    /// Only of this group
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Only of this resource
    #[arg(long)]
    pub(crate) resource: Option<String>,
}

/// The files of the data folder are read: it works without a node as well.
#[derive(Debug, Args)]
pub(crate) struct Log {
    /// Go on with what comes
    #[arg(long, short)]
    pub(crate) follow: bool,
    /// Only what was written since then: a date such as 2026-01-31T10:00:00Z, or how long ago, such as 10min
    #[arg(long, value_name = "WHEN", value_parser = since)]
    pub(crate) since: Option<SystemTime>,
    /// The last so many; 1000, or with --since all
    #[arg(long, short = 'n')]
    pub(crate) last: Option<usize>,
    /// Only this bad or worse
    #[arg(long, value_enum, default_value = "information")]
    pub(crate) level: Level,
    /// Only of this group, with what its resources printed
    #[arg(long)]
    pub(crate) group: Option<String>,
    /// Only of this resource; what it printed is there if it has a monitor of its own
    #[arg(long)]
    pub(crate) resource: Option<String>,
}

/// How bad a line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum, serde::Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Good to know
    Information,
    /// Worth a look
    Warning,
    /// Something failed
    Error,
}

fn since(text: &str) -> Result<SystemTime, String> {
    let day = format!("{text}T00:00:00Z");
    if let Ok(date) = humantime::parse_rfc3339_weak(text).or_else(|_| humantime::parse_rfc3339_weak(&day)) {
        return Ok(date);
    }
    let ago = humantime::parse_duration(text).ok();
    ago.and_then(|ago| SystemTime::now().checked_sub(ago)).ok_or_else(|| {
        "a date such as 2026-01-31T10:00:00Z, or how long ago, such as 90s, 10min or 2h".to_owned()
    })
}

#[derive(Debug, Args)]
pub(crate) struct Node {
    #[command(subcommand)]
    pub(crate) verb: NodeVerb,
}

/// Flags of a pause, by the words of this command line.
#[derive(Clone, Debug, Args)]
pub(crate) struct PauseFlags {
    /// Move its groups to other nodes
    #[arg(long)]
    pub(crate) drain: bool,
    /// The node all of them go to; by default the best for each
    #[arg(long, value_name = "NODE", requires = "drain")]
    pub(crate) to: Option<String>,
    /// A group that fails where it goes comes back and keeps running (REMAIN_ON_PAUSED_NODE_ON_MOVE_ERROR)
    #[arg(long, requires = "drain")]
    pub(crate) keep_on_error: bool,
    /// Try a group that could not be moved again (RETRY_DRAIN_ON_FAILURE)
    #[arg(long, requires = "drain")]
    pub(crate) retry: bool,
    #[command(flatten)]
    pub(crate) waiting: Waiting,
}

#[derive(Debug, Subcommand)]
pub(crate) enum NodeVerb {
    /// All nodes
    List,
    /// Everything about a node, or about all
    Status {
        /// Its name
        name: Option<String>,
    },
    /// Take no more groups and bring nothing online; what is online stays, unless it is drained
    #[command(after_help = "\
Examples:
  stead node pause n1                  it keeps what it has
  stead node pause n1 --drain          its groups move away, one by one by priority
  stead node pause n1 --drain --to n2 --keep-on-error")]
    Pause {
        /// Its name
        name: String,
        #[command(flatten)]
        flags: PauseFlags,
    },
    /// End a pause
    #[command(after_help = "\
Examples:
  stead node resume n1                       groups come back as their failback policy says
  stead node resume n1 --failback now        what was drained from it comes back at once
  stead node resume n1 --clear-quarantine    it is let in again, before its quarantine is over")]
    Resume {
        /// Its name
        name: String,
        /// What comes back of what was drained: nothing, all of it now, or what its failback policy says
        #[arg(long, value_name = "WHAT", default_value = "policy",
            value_parser = clap::builder::PossibleValuesParser::new(stead_api::FAILBACKS))]
        failback: String,
        /// Let it in again although it left too often without a word
        #[arg(long)]
        clear_quarantine: bool,
        #[command(flatten)]
        waiting: Waiting,
    },
    /// Switch a node's machine off with its fence device, see that it is off, and switch it on again
    #[command(after_help = "\
Examples:
  stead node fence n2 --test          ask the device whether n2's machine is on; nothing is switched
  stead node fence n2                 n2 does not answer: power-cycle it; its groups start elsewhere at once
  stead node fence n2 --off           and leave it off
Devices are [[fence]] tables of node.toml: name, agent, parameters, secrets, nodes.")]
    Fence {
        /// Its name
        name: String,
        /// Leave it off
        #[arg(long)]
        off: bool,
        /// Switch it on again, as it is done without
        #[arg(long, conflicts_with = "off")]
        reboot: bool,
        /// Only ask whether it is on
        #[arg(long, conflicts_with_all = ["off", "reboot", "force"])]
        test: bool,
        /// Although it is up
        #[arg(long)]
        force: bool,
    },
    /// Say that a node's machine is off, which you have seen: its groups start elsewhere without waiting
    #[command(after_help = "\
If the machine still runs, its groups may run twice. Its name has to be typed once more; scripts give it with --typed.")]
    ConfirmDown {
        /// Its name
        name: String,
        /// Its name once more
        #[arg(long, value_name = "NAME")]
        typed: Option<String>,
    },
    /// Run guardian and node in the foreground until SIGTERM
    Run {
        #[command(flatten)]
        machine: Machine,
    },
}
