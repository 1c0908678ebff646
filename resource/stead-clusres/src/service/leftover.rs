//! Services that were started for monitors that died. The next monitor takes such a service over; where another machine is
//! to run it, it has to be stopped.

use stead_sdk::{Context, Failure, Level};

use super::{QUICK, show, systemctl};
use crate::note::{self, Note, Refused};

/// The folder of notes about services.
const KIND: &str = "services";

/// Notes down that the service is about to be started. Nothing is noted where that is not permitted, nor where another
/// resource has the same service and told of it already.
pub(super) fn remember(context: &Context, unit: &str) -> Option<Note> {
    let noted =
        Note::take(KIND, unit).and_then(|(note, _)| match note.say(&format!("{}\n", context.name())) {
            Ok(()) => Ok(note),
            Err(error) => Err(Refused::Failed(error)),
        });
    match noted {
        Ok(note) => Some(note),
        Err(Refused::Failed(error)) if error.kind() != std::io::ErrorKind::PermissionDenied => {
            let text = format!("service {unit} could not be noted in /run/stead: {error}");
            context.log(Level::Warning, &text);
            None
        }
        Err(Refused::Failed(_) | Refused::Held(_)) => None,
    }
}

/// Stops the services of monitors that died, by force if they do not end. What could not be stopped comes back, a line each.
pub(crate) fn clean(log: impl Fn(Level, &str)) -> Vec<String> {
    let mut left = Vec::new();
    for unit in note::names(KIND) {
        for (note, resource) in note::orphans(KIND, |name, _| name == unit).unwrap_or_default() {
            let what = format!("service {unit}, which resource {:?} left behind", resource.trim_end());
            match stop(&unit) {
                Ok(stopped) => {
                    if stopped {
                        log(Level::Warning, &format!("{what} when its monitor died, is stopped"));
                    }
                    note.discard();
                }
                Err(why) => {
                    let line = format!("{what}, could not be stopped: {why}");
                    log(Level::Error, &line);
                    left.push(line);
                }
            }
        }
    }
    left
}

/// True if there was something to stop.
fn stop(unit: &str) -> Result<bool, String> {
    let text = |failure: Failure| failure.text().to_owned();
    if show("undo", unit).map_err(text)?.ended() {
        return Ok(false);
    }
    // Another machine waits: there is no time for the unit's own rules.
    for words in [["stop", "--no-block", "--", unit].as_slice(), &["kill", "--signal", "KILL", "--", unit]] {
        systemctl("undo", words, Some(QUICK), || true).map_err(text)?;
    }
    let (status, said) = systemctl("undo", &["stop", "--", unit], Some(QUICK), || true).map_err(text)?;
    let shown = show("undo", unit).map_err(text)?;
    if shown.ended() { Ok(true) } else { Err(format!("{} (status {status}) {}", shown.words(), said.trim())) }
}
