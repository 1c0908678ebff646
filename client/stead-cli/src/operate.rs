//! Requests that change something: sent, followed until their last line, told.

use std::cell::RefCell;
use std::time::Duration;

use hyper::Method;
use serde::Serialize;
use stead_api::{Apply, Line, Problem};

use crate::client::{Client, Trouble};
use crate::config::File;
use crate::exit::Exit;
use crate::show;

/// How the answer is shown.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Manner {
    pub(crate) json: bool,
    pub(crate) timeout: Option<Duration>,
}

/// Sends a request, shows what happens, and ends as it ends. `describe` names a problem's place.
pub(crate) async fn run(
    client: &Client,
    (method, path): (Method, &str),
    body: &impl Serialize,
    manner: Manner,
    describe: impl Fn(&Problem) -> String,
) -> Result<Exit, Trouble> {
    run_with(client, (method, path), body, (manner, None), describe).await
}

/// What goes on when nobody waits for it any more: the last that was heard of it, and what ends it.
fn goes_on(last: Option<String>, cancel: Option<&str>) -> String {
    let last = last.map(|last| format!(" (last: {last})")).unwrap_or_default();
    let shows = "`stead status` shows it";
    match cancel {
        Some(cancel) => format!("the operation goes on{last}: {shows}, `{cancel}` gives it up"),
        None => format!("the operation goes on{last}, and {shows}"),
    }
}

/// The same; with the command that gives it up, for who does not want to wait.
pub(crate) async fn run_with(
    client: &Client,
    (method, path): (Method, &str),
    body: &impl Serialize,
    (manner, cancel): (Manner, Option<&str>),
    describe: impl Fn(&Problem) -> String,
) -> Result<Exit, Trouble> {
    let heard: RefCell<Option<String>> = RefCell::new(None);
    let follow = async {
        let mut lines = client.lines(method, path, body).await?;
        while let Some(line) = lines.next::<Line>().await? {
            if let Line::Progress(event) = &line {
                heard.replace(Some(event.text.clone()));
            }
            if manner.json {
                show::json_line(&line);
            } else {
                show::progress(&line);
            }
            if let Some(exit) = last(&line, manner.json, &describe) {
                return Ok(exit);
            }
        }
        Err(Trouble { exit: Exit::NoNode, text: "the node ended before the operation did".to_owned() })
    };
    let limit = async {
        match manner.timeout {
            Some(timeout) => tokio::time::sleep(timeout).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        done = follow => done,
        () = limit => {
            let text = format!("the time is up; {}", goes_on(heard.take(), cancel));
            Err(Trouble { exit: Exit::Timeout, text })
        }
        _ = tokio::signal::ctrl_c() => {
            show::say(&format!("interrupted; {}", goes_on(heard.take(), cancel)));
            Ok(Exit::Interrupted)
        }
    }
}

/// How a last line ends the command; none if it is not the last.
fn last(line: &Line, json: bool, describe: &impl Fn(&Problem) -> String) -> Option<Exit> {
    let say = |text: &str| {
        if !json {
            show::problem(text);
        }
    };
    match line {
        Line::Accepted | Line::Progress(_) | Line::Plan(_) => None,
        Line::Warnings(warnings) => {
            for warning in warnings.iter().filter(|_| !json) {
                show::warning(&describe(warning));
            }
            None
        }
        Line::Done { state } => {
            if let (Some(state), false) = (state, json) {
                show::out(state);
            }
            Some(Exit::Done)
        }
        Line::Failed(failure) => {
            say(&show::failure(failure, "failed"));
            Some(Exit::Failed)
        }
        Line::Refused(failure) => {
            say(&show::failure(failure, "refused"));
            Some(Exit::Refused)
        }
        Line::Problems(problems) => {
            for problem in problems {
                say(&describe(problem));
            }
            say("the configuration was not applied; nothing was changed");
            Some(Exit::BadConfig)
        }
        Line::Cancelled => {
            say("cancelled");
            Some(Exit::Failed)
        }
    }
}

/// A problem without a file.
pub(crate) fn plainly(problem: &Problem) -> String {
    format!("{}: {}", problem.place, problem.text)
}

/// A problem where the file says it.
pub(crate) fn in_file(file: &File) -> impl Fn(&Problem) -> String {
    |problem| format!("{}: {}", file.locate(&problem.place), problem.text)
}

/// Reads a file, telling what is wrong with it.
pub(crate) fn read(path: &std::path::Path) -> Result<File, Exit> {
    crate::config::read(path).map_err(|problems| {
        for problem in &problems {
            show::problem(&problem.to_string());
        }
        show::say("the configuration was not applied; nothing was changed");
        Exit::BadConfig
    })
}

/// Applies a configuration file.
pub(crate) async fn apply(
    client: &Client,
    file: &File,
    apply: Apply,
    manner: Manner,
) -> Result<Exit, Trouble> {
    run(client, (Method::POST, stead_api::routes::APPLY), &apply, manner, in_file(file)).await
}
