//! What would happen: the situation is asked of the node, what follows from it is the policy's, and here it is shown.

use std::path::Path;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use stead_api::{
    DatabaseMembers, NotSimulated, Simulated, SimulatedDown, Simulation, SimulationStep, Situation, routes,
};

use crate::client::{Client, Trouble};
use crate::exit::Exit;
use crate::show;

/// As they are typed; in which order is not said here.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
struct Given {
    /// This node is gone without a word
    #[arg(long, value_name = "NODE")]
    kill: Vec<String>,
    /// This node is drained
    #[arg(long, value_name = "NODE")]
    drain: Vec<String>,
    /// This node is paused
    #[arg(long, value_name = "NODE")]
    pause: Vec<String>,
    /// This group is moved, to the best node if none is named
    #[arg(long = "move", value_name = "GROUP[=NODE]", id = "move")]
    moves: Vec<String>,
    /// This group is brought online
    #[arg(long, value_name = "GROUP")]
    online: Vec<String>,
    /// This group is taken offline
    #[arg(long, value_name = "GROUP")]
    offline: Vec<String>,
    /// This resource fails, and goes on failing on the node it is on
    #[arg(long, value_name = "RESOURCE")]
    fail: Vec<String>,
}

/// What is to happen, in the order in which it was typed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Simulate {
    pub(crate) steps: Vec<SimulationStep>,
}

fn moved(given: String) -> SimulationStep {
    match given.split_once('=') {
        Some((group, to)) => SimulationStep::Move(group.to_owned(), Some(to.to_owned())),
        None => SimulationStep::Move(given, None),
    }
}

impl FromArgMatches for Simulate {
    fn from_arg_matches(matches: &ArgMatches) -> Result<Self, clap::Error> {
        type Make = fn(String) -> SimulationStep;
        let kinds: [(&str, Make); 7] = [
            ("kill", SimulationStep::Kill),
            ("drain", SimulationStep::Drain),
            ("pause", SimulationStep::Pause),
            ("move", moved),
            ("online", SimulationStep::Online),
            ("offline", SimulationStep::Offline),
            ("fail", SimulationStep::Fail),
        ];
        let mut steps: Vec<(usize, SimulationStep)> = Vec::new();
        for (id, make) in kinds {
            let values = matches.get_many::<String>(id).into_iter().flatten();
            let indices = matches.indices_of(id).into_iter().flatten();
            steps.extend(indices.zip(values.map(|value| make(value.clone()))));
        }
        steps.sort_by_key(|(index, _)| *index);
        Ok(Simulate { steps: steps.into_iter().map(|(_, step)| step).collect() })
    }

    fn update_from_arg_matches(&mut self, matches: &ArgMatches) -> Result<(), clap::Error> {
        *self = Simulate::from_arg_matches(matches)?;
        Ok(())
    }
}

impl Args for Simulate {
    fn augment_args(command: Command) -> Command {
        Given::augment_args(command).after_help(AFTER)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}

const AFTER: &str = "\
Several can be given: each happens when what the one before brought about is over. The cluster is asked for what it
knows, and decides on a copy of that as it would in earnest. Resources are taken to come online wherever they are
brought online, but for those that have failed: these go on failing where they did.

Exit codes: 0 all that was online would be online, 1 something would not or a step would be refused, 2 wrong arguments.";

/// The members of the cluster database. Without them nobody knows when there is no majority any more.
fn members(data: &Path, situation: &Situation) -> Option<DatabaseMembers> {
    let status = match stead_membership::status(data) {
        Ok(status) => status,
        Err(error) => {
            show::say(&format!(
                "stead: the members of the cluster database could not be asked ({error}); it is taken to outlive all nodes"
            ));
            return None;
        }
    };
    let answers =
        |member: &&stead_membership::MemberLine| matches!(member.state.as_str(), "leader" | "follower");
    let is_node = |member: &stead_membership::MemberLine| {
        situation.nodes.iter().any(|node| node.name.eq_ignore_ascii_case(&member.name))
    };
    let (on, elsewhere): (Vec<_>, Vec<_>) = status.members.iter().filter(answers).partition(|of| is_node(of));
    let on = on.into_iter().map(|member| member.name.clone()).collect();
    Some(DatabaseMembers { voters: status.voters, on, elsewhere: elsewhere.len() })
}

/// A list of lines, each further in than what they belong to.
fn below<'a>(lines: impl IntoIterator<Item = &'a String>) -> String {
    lines.into_iter().map(|line| format!("\n  {line}")).collect()
}

fn step(of: &Simulated) -> Vec<String> {
    let mut lines = vec![of.what.clone()];
    lines.extend(
        of.refused.as_ref().map(|failure| format!("  {}", show::failure(failure, "would be refused"))),
    );
    if !of.moves.is_empty() {
        let row = |moved: &stead_api::SimulatedMove| {
            vec![
                moved.group.clone(),
                moved.from.clone().unwrap_or_default(),
                moved.to.clone(),
                moved.state.clone().unwrap_or_else(|| "does not stay".to_owned()),
                show::age(moved.after_ms),
                format!("{}{}", moved.how, below(&moved.reasons)),
            ]
        };
        let names = ["GROUP", "FROM", "TO", "THEN", "AFTER", "WHY"];
        let table = show::list(&names, of.moves.iter().map(row).collect());
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    let worth = |event: &&stead_api::SimulatedEvent| event.level != "information" && event.id != TRANSITION;
    let events = of.events.iter().filter(worth);
    lines.extend(events.map(|event| format!("  after {}: {}", show::age(event.after_ms), event.text)));
    lines.extend(of.notes.iter().map(|note| format!("  {note}")));
    let quiet = of.moves.is_empty() && of.refused.is_none() && of.notes.is_empty();
    if quiet && of.takes_ms == 0 {
        lines.push("  no group moves".to_owned());
    } else if of.takes_ms > 0 {
        lines.push(format!("  it takes {}, and what the resources need", show::age(of.takes_ms)));
    }
    lines
}

/// The event of a resource that changes its state.
const TRANSITION: u32 = 10_001;

fn summary(of: &Simulation) -> String {
    let groups = |count: usize| if count == 1 { "1 group".to_owned() } else { format!("{count} groups") };
    let stay = of.online.saturating_sub(of.down.len());
    match (of.online, of.down.len()) {
        (0, _) => "nothing is online before".to_owned(),
        (_, 0) => format!("all of {} that are online would be online", groups(of.online)),
        (online, down) => format!("{stay} of {} that are online would be; {down} would not", groups(online)),
    }
}

/// What would happen, for people.
fn text(of: &Simulation) -> String {
    let mut lines = Vec::new();
    let under_way = &of.under_way;
    if !under_way.moves.is_empty() || !under_way.notes.is_empty() {
        lines.extend(step(under_way));
    }
    for taken in &of.steps {
        lines.extend(step(taken));
    }
    if !of.down.is_empty() {
        lines.push("would not be online".to_owned());
        let row = |down: &SimulatedDown| {
            let why = format!("{}{}", down.why, below(&down.reasons));
            vec![down.group.clone(), down.state.clone(), down.resources.join(", "), why]
        };
        let names = ["GROUP", "STATE", "RESOURCES", "WHY"];
        let table = show::list(&names, of.down.iter().map(row).collect());
        lines.extend(table.lines().map(|line| format!("  {line}")));
    }
    if !of.back.is_empty() {
        lines.push("would come back".to_owned());
        for back in &of.back {
            let from = back.from.as_ref().filter(|from| **from != back.to);
            let from = from.map(|from| format!(" from {from}")).unwrap_or_default();
            lines.push(format!("  {}{from} to {}, {}", back.group, back.to, back.when));
        }
    }
    lines.push(summary(of));
    lines.join("\n")
}

/// Asks for the situation, and shows what would come of it.
pub(crate) fn run(
    (runtime, client, data): (&tokio::runtime::Runtime, &Client, &Path),
    given: &Simulate,
    simulate: fn(&Situation, Option<&DatabaseMembers>, &[SimulationStep]) -> Result<Simulation, NotSimulated>,
    json: bool,
) -> Result<Exit, Trouble> {
    let situation: Situation = runtime.block_on(client.get(routes::SITUATION))?;
    let members = if situation.alone { None } else { members(data, &situation) };
    let simulation = simulate(&situation, members.as_ref(), &given.steps).map_err(|error| match error {
        NotSimulated::Unknown(text) => Trouble { exit: Exit::Usage, text },
        NotSimulated::Unreadable(text) => {
            let text = format!(
                "what the node knows is not understood ({text}); are node and command of one version?"
            );
            Trouble { exit: Exit::Failed, text }
        }
    })?;
    if json {
        show::json(&simulation);
    } else {
        show::out(&text(&simulation));
    }
    Ok(if simulation.holds { Exit::Done } else { Exit::Failed })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Simulate, clap::Error> {
        let command = Simulate::augment_args(Command::new("simulate"));
        Simulate::from_arg_matches(&command.try_get_matches_from(line.split(' '))?)
    }

    #[test]
    fn what_happens_happens_in_the_order_it_is_typed() {
        let given =
            parse("simulate --kill n2 --move web=n3 --drain n1 --kill n3 --move web --fail r").unwrap();
        let text = |text: &str| text.to_owned();
        assert_eq!(
            given.steps,
            [
                SimulationStep::Kill(text("n2")),
                SimulationStep::Move(text("web"), Some(text("n3"))),
                SimulationStep::Drain(text("n1")),
                SimulationStep::Kill(text("n3")),
                SimulationStep::Move(text("web"), None),
                SimulationStep::Fail(text("r")),
            ]
        );
        assert_eq!(parse("simulate").unwrap_err().exit_code(), 2);
    }
}
