//! What an agent started for a monitor that died: a note tells how to stop it.

use stead_sdk::{Context, Failure, Level};

use super::agent::{Agent, Call};
use super::exit::Exit;
use crate::note::{self, Note, Refused};

/// The folder of notes about agents.
const KIND: &str = "agents";

/// How an agent was started, and is to be stopped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Start {
    pub(super) resource: String,
    pub(super) agent: String,
    pub(super) root: String,
    pub(super) parameters: Vec<(String, String)>,
}

impl Start {
    /// The parts with a zero after each, which no part can hold, and how many parameters there are.
    fn write(&self) -> String {
        let count = self.parameters.len().to_string();
        let own = [&self.resource, &self.agent, &self.root, &count].into_iter();
        let parameters = self.parameters.iter().flat_map(|(name, value)| [name, value]);
        own.chain(parameters).map(|part| format!("{part}\0")).collect()
    }

    fn read(text: &str) -> Option<Start> {
        let parts: Vec<&str> = text.strip_suffix('\0')?.split('\0').collect();
        let [resource, agent, root, count, parameters @ ..] = &parts[..] else { return None };
        // One that was not written to its end: nothing had been started then.
        if count.parse() != Ok(parameters.len() / 2) || parameters.len() % 2 != 0 {
            return None;
        }
        let pairs = parameters.chunks_exact(2).map(|pair| (pair[0].to_owned(), pair[1].to_owned()));
        Some(Start {
            resource: (*resource).to_owned(),
            agent: (*agent).to_owned(),
            root: (*root).to_owned(),
            parameters: pairs.collect(),
        })
    }
}

/// Notes down that an agent is about to start. Where that is not permitted nothing is noted: without root what an agent
/// starts dies with its monitor.
pub(super) fn remember(context: &Context, start: &Start) -> Option<Note> {
    let mut bytes = [0u8; 16];
    // A name of its own each time: a note of before is not overwritten.
    let _ = rustix::rand::getrandom(&mut bytes, rustix::rand::GetRandomFlags::empty());
    let name: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let noted = Note::take(KIND, &name).and_then(|(note, _)| match note.say(&start.write()) {
        Ok(()) => Ok(note),
        Err(error) => Err(Refused::Failed(error)),
    });
    match noted {
        Ok(note) => Some(note),
        Err(Refused::Failed(error)) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            let text = format!("what the agent starts could not be noted in /run/stead: {error}");
            context.log(Level::Warning, &text);
            None
        }
        Err(Refused::Failed(_) | Refused::Held(_)) => None,
    }
}

/// Stops what was started under monitors that died, by this resource or by any. What could not be stopped comes back, a
/// line each.
pub(crate) fn clean(resource: Option<&str>, log: impl Fn(Level, &str)) -> Vec<String> {
    let wanted =
        |text: &str| Start::read(text).filter(|start| resource.is_none_or(|name| start.resource == name));
    let mut left = Vec::new();
    // Without permission nothing was noted.
    for (note, text) in note::orphans(KIND, |_, text| wanted(text).is_some()).unwrap_or_default() {
        let Some(start) = wanted(&text) else { continue };
        match stop(&start, &log) {
            Ok(()) => note.discard(),
            Err(why) => {
                let line = format!(
                    "agent {} of resource {:?}, left by a monitor that died, could not be stopped: {why}",
                    start.agent, start.resource
                );
                log(Level::Error, &line);
                left.push(line);
            }
        }
    }
    left
}

fn stop(start: &Start, log: impl Fn(Level, &str)) -> Result<(), String> {
    let agent = Agent::find(&start.agent, &start.root).map_err(|failure| failure.text().to_owned())?;
    let run = |action: &str| -> Result<Exit, Failure> {
        let limit = agent.metadata().map(|metadata| metadata.timeout(action))?;
        let call = Call { action, instance: &start.resource, limit, level: 0, probe: true };
        Ok(agent.run(&call, &start.parameters, |_| (), || true)?.0)
    };
    match run("monitor") {
        Ok(Exit::NotRunning | Exit::NotInstalled) => return Ok(()),
        Ok(_) | Err(_) => {
            let (agent, name) = (&start.agent, &start.resource);
            log(
                Level::Warning,
                &format!("agent {agent} of resource {name:?} outlived its monitor and is stopped"),
            );
        }
    }
    match run("stop") {
        Ok(Exit::Success) => Ok(()),
        Ok(exit) => Err(format!("stop: {exit}")),
        Err(failure) => Err(failure.text().to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_says_what_was_written() {
        let start = Start {
            resource: "web ip".to_owned(),
            agent: "ocf:heartbeat:IPaddr2".to_owned(),
            root: "/usr/lib/ocf".to_owned(),
            parameters: vec![("ip".to_owned(), "10.0.0.5".to_owned()), ("nic".to_owned(), String::new())],
        };
        assert_eq!(Start::read(&start.write()), Some(start.clone()));
        let whole = start.write();
        for length in 0..whole.len() {
            assert_eq!(Start::read(&whole[..length]), None, "cut to {length}");
        }
    }
}
