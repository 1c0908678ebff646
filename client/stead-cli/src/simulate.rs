//! What would happen: the situation is asked of the node, what follows from it is the policy's, and here it is shown.

use std::path::Path;

use clap::{ArgMatches, Args, Command, FromArgMatches};
use stead_api::{
    DatabaseMembers, NotSimulated, Simulated, SimulatedDown, SimulatedEvent, Simulation, SimulationStep,
    Situation, routes,
};

use crate::Simulator;
use crate::client::{Client, Trouble};
use crate::exit::Exit;
use crate::show;

/// As they are typed; in which order is not said here.
#[derive(Debug, Args)]
#[group(required = true, multiple = true)]
#[command(next_help_heading = "Steps")]
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
        Given::augment_args(command).override_usage("stead simulate [OPTIONS] <STEP>...").after_help(AFTER)
    }

    fn augment_args_for_update(command: Command) -> Command {
        Given::augment_args_for_update(command)
    }
}

const AFTER: &str = "\
Several steps can be given: each happens when what the one before brought about is over. The cluster is asked for what \
it knows, and decides on a copy of that as it would in earnest. Resources are taken to come online wherever they are \
brought online, but for those that have failed: these go on failing where they did.

Exit codes: 0 all that was online would be online, 1 something would not or a step would be refused, 2 wrong arguments, \
3 the node that was asked does not hear the cluster.";

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
    lines.extend(events(&of.events));
    lines.extend(of.notes.iter().map(|note| format!("  {note}")));
    let quiet = of.moves.is_empty() && of.refused.is_none() && of.notes.is_empty();
    if quiet && of.takes_ms == 0 {
        lines.push("  no group moves".to_owned());
    } else if of.takes_ms > 0 {
        lines.push(format!("  it takes {}, and what the resources need", show::age(of.takes_ms)));
    }
    lines
}

/// What would be told, but for what goes as it should: each text once, with the times.
fn events(of: &[SimulatedEvent]) -> Vec<String> {
    let mut said: Vec<(&str, Vec<String>)> = Vec::new();
    for event in of.iter().filter(|event| event.level != "information" && event.id != TRANSITION) {
        let after = show::age(event.after_ms);
        match said.iter_mut().find(|(text, _)| *text == event.text) {
            Some((_, times)) => times.push(after),
            None => said.push((&event.text, vec![after])),
        }
    }
    said.into_iter().map(|(text, times)| format!("  after {}: {text}", times.join(", "))).collect()
}

/// The event of a resource that changes its state.
const TRANSITION: u32 = 10_001;

fn summary(of: &Simulation) -> String {
    let stay = of.online.saturating_sub(of.down.len());
    let groups = if of.online == 1 { "group" } else { "groups" };
    let lost: Vec<&str> = of.down.iter().map(|down| down.group.as_str()).collect();
    let but = if lost.is_empty() { String::new() } else { format!("; not: {}", lost.join(", ")) };
    match of.online {
        0 => "no group is online before".to_owned(),
        online => format!("{stay} of {online} {groups} would still be online{but}"),
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
    simulate: Simulator,
    json: bool,
) -> Result<Exit, Trouble> {
    let situation: Situation = runtime.block_on(client.get(routes::SITUATION))?;
    let members = if situation.alone { None } else { members(data, &situation) };
    let simulation = simulate(&situation, members.as_ref(), &given.steps).map_err(|error| match error {
        NotSimulated::Unknown(text) => Trouble { exit: Exit::Usage, text },
        NotSimulated::Stale(text) => Trouble { exit: Exit::Refused, text },
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

    #[test]
    fn it_reads_from_the_step_to_the_sum() {
        let text_of = |text: &str| text.to_owned();
        let event = |after_ms, level: &str, text: &str| SimulatedEvent {
            after_ms,
            id: 1205,
            level: text_of(level),
            group: None,
            resource: None,
            text: text_of(text),
        };
        let nothing = Simulated {
            what: text_of("what is under way by itself"),
            refused: None,
            moves: Vec::new(),
            events: Vec::new(),
            takes_ms: 0,
            notes: Vec::new(),
        };
        let kill = Simulated {
            what: text_of("kill node n2"),
            moves: vec![stead_api::SimulatedMove {
                group: text_of("web"),
                from: Some(text_of("n2")),
                to: text_of("n1"),
                how: text_of("taken over"),
                reasons: vec![text_of("n1: chosen: 0 groups there"), text_of("n2: impossible: is down")],
                after_ms: 5_300,
                state: Some(text_of("Online")),
            }],
            events: vec![
                event(5_300, "error", "group \"db\": no node can take it"),
                event(5_400, "information", "something else"),
                event(6_000, "error", "group \"db\": no node can take it"),
            ],
            takes_ms: 5_300,
            ..nothing.clone()
        };
        let down = SimulatedDown {
            group: text_of("db"),
            state: text_of("Offline"),
            resources: vec![text_of("disk")],
            why: text_of("no node can take it"),
            reasons: vec![text_of("n1: impossible: is not a possible owner")],
        };
        let back = stead_api::SimulatedReturn {
            group: text_of("web"),
            from: Some(text_of("n1")),
            to: text_of("n2"),
            when: text_of("when n2 is up again"),
        };
        let simulation = Simulation {
            under_way: nothing.clone(),
            steps: vec![kill, Simulated { what: text_of("pause node n1"), ..nothing }],
            down: vec![down],
            back: vec![back],
            online: 2,
            holds: false,
        };
        let expected = "\
kill node n2
   GROUP  FROM  TO  THEN    AFTER  WHY
   web    n2    n1  Online  5.3 s  taken over
                                     n1: chosen: 0 groups there
                                     n2: impossible: is down
  after 5.3 s, 6.0 s: group \"db\": no node can take it
  it takes 5.3 s, and what the resources need
pause node n1
  no group moves
would not be online
   GROUP  STATE    RESOURCES  WHY
   db     Offline  disk       no node can take it
                                n1: impossible: is not a possible owner
would come back
  web from n1 to n2, when n2 is up again
1 of 2 groups would still be online; not: db";
        let shown = text(&simulation);
        assert_eq!(anstream::adapter::strip_str(&shown).to_string(), expected, "{shown}");
    }
}
