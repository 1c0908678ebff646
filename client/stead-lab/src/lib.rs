//! `stead lab`: a cluster of several nodes on one machine, to break on purpose.
//!
//! Each node is a network namespace on a bridge, with an address, a host name, a `/etc/machine-id` and a boot id of its
//! own, and one pid namespace around everything that runs in it: guardian, member of etcd, node, resources. So a power
//! cut is one SIGKILL, and `down` leaves nothing behind. Everything a lab consists of is below `/run/stead-lab/<name>/`.
//!
//! The nodes are driven by the same commands as any cluster's: `stead cluster create`, `invite`, `join`, `stead node
//! run`. The programs `ip`, `nft`, `unshare` and `nsenter` are run with lists of arguments, never by a shell.

mod args;
mod file;
mod lab;
mod network;
mod power;
mod programs;
mod show;
mod up;
mod watch;

use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::ExitCode;

use clap::{ArgMatches, Command, CommandFactory, FromArgMatches};

use args::{Cli, Verb};
use lab::Lab;
use programs::Interrupt;

/// Looks at a configuration file; everything that is wrong with it.
pub type Check = fn(&Path) -> Result<(), Vec<String>>;

/// Why something did not happen, with the exit code of `stead`.
#[derive(Debug)]
pub(crate) enum Trouble {
    /// It was tried and failed.
    Failed(String),
    /// Wrong arguments.
    Usage(String),
    /// It may not be; nothing was changed.
    Refused(String),
    /// The file is wrong; nothing was changed.
    BadFile(String),
    /// Ctrl-C.
    Interrupted,
}

impl Trouble {
    fn code(&self) -> u8 {
        match self {
            Trouble::Failed(_) => 1,
            Trouble::Usage(_) => 2,
            Trouble::Refused(_) => 3,
            Trouble::BadFile(_) => 5,
            Trouble::Interrupted => 130,
        }
    }

    fn text(&self) -> &str {
        match self {
            Trouble::Failed(text)
            | Trouble::Usage(text)
            | Trouble::Refused(text)
            | Trouble::BadFile(text) => text,
            Trouble::Interrupted => "interrupted",
        }
    }
}

/// The command line of `stead lab`.
#[must_use]
pub fn lab_command() -> Command {
    Cli::command()
}

/// Carries a command out.
#[must_use]
pub fn lab_main(matches: &ArgMatches, check: Check) -> ExitCode {
    let cli = match Cli::from_arg_matches(matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    match carry_out(cli, check) {
        Ok(()) => ExitCode::SUCCESS,
        Err(trouble) => {
            show::problem(trouble.text());
            ExitCode::from(trouble.code())
        }
    }
}

fn carry_out(cli: Cli, check: Check) -> Result<(), Trouble> {
    let name = cli.name.as_deref();
    match cli.verb {
        Verb::Up { file } => {
            programs::check()?;
            let wanted = file::read(&file, name)?;
            check(&file).map_err(|problems| Trouble::BadFile(problems.join("\n")))?;
            up::run(&wanted, &mut Interrupt::new()?)
        }
        Verb::Status { json } => {
            let lab = Lab::open(name)?;
            show::status(&lab, json);
            Ok(())
        }
        Verb::Kill { node } => {
            programs::check_root()?;
            let lab = Lab::open(name)?;
            let node = lab.node(&node)?;
            power::cut(&lab, node)?;
            show::say(&format!("{} is off; `stead lab start {}` switches it on", node.name, node.name));
            Ok(())
        }
        Verb::Start { node } => {
            programs::check()?;
            let lab = Lab::open(name)?;
            let node = lab.node(&node)?;
            power::on(&lab, node)?;
            show::say(&format!("{} is on", node.name));
            Ok(())
        }
        Verb::Partition { node, one_way } => {
            programs::check()?;
            let lab = Lab::open(name)?;
            let node = lab.node(&node)?;
            network::partition(&lab, node, one_way)?;
            show::say(&format!("{}: {}; `stead lab heal` undoes it", node.name, one_way.words()));
            Ok(())
        }
        Verb::Heal { node } => {
            programs::check()?;
            let lab = Lab::open(name)?;
            let nodes = match &node {
                Some(node) => vec![lab.node(node)?],
                None => lab.nodes.iter().collect(),
            };
            for node in nodes.into_iter().filter(|node| power::running(&lab, node).is_some()) {
                network::heal(&lab, node)?;
            }
            show::say(&match node {
                Some(node) => format!("{node} is cut off no more"),
                None => "no node is cut off any more".to_owned(),
            });
            Ok(())
        }
        Verb::Exec { node, command } => {
            programs::check_root()?;
            let lab = Lab::open(name)?;
            let node = lab.node(&node)?;
            let mut inside = power::inside(&lab, node, &command)?;
            Err(Trouble::Failed(format!("nsenter: {}", inside.exec())))
        }
        Verb::Down => {
            programs::check_root()?;
            let lab = Lab::open(name)?;
            up::down(&lab)?;
            show::say(&format!("lab {} is gone", lab.name));
            Ok(())
        }
        Verb::Watch { address, duration, json } => watch::run(&address, duration, json),
        Verb::Inside { lab, node } => power::become_node(&Lab::open(Some(&lab))?, &node),
    }
}
