//! Two nodes whose loops are played here, and the database between them.

use std::sync::mpsc::channel;

use axum::body::Bytes;
use axum::response::Response;
use rustix::event::{EventfdFlags, eventfd};
use serde_json::json;
use stead_api::{Controlled, Explanation};
use stead_store::MemoryStore;
use tokio::runtime::Runtime;
use tokio::sync::watch;

use super::*;
use crate::command::Input;
use crate::edge::api::routes_for_tests as routes;
use crate::edge::history::History;

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

/// A node that has what its name begins; everything else is on the other one.
fn node(me: &'static str, store: &Arc<MemoryStore>) -> (Way, Letters) {
    let (inputs, todo) = channel();
    let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK).unwrap());
    let (_, end) = watch::channel(false);
    let way = Way { inputs, wake, history: Arc::new(History::new(Vec::new())), end, mailbox: None };
    std::thread::spawn(move || {
        while let Ok(Input::Command(command)) = todo.recv() {
            play(me, command);
        }
    });
    way.with_mailbox(store.clone(), name(me)).unwrap()
}

fn play(me: &str, command: Command) {
    let other = name(if me == "n1" { "n2" } else { "n1" });
    match command {
        Command::Owner(_, of, answer) | Command::Explainer(_, of, answer) => {
            let elsewhere = (!of.starts_with(me)).then_some(other);
            let _ = answer.send(if of.starts_with("n3") { Some(name("n3")) } else { elsewhere });
        }
        Command::Request { request, no_wait, lines } => {
            let _ = lines.send(Line::Accepted);
            let _ = lines.send(Line::Progress(Event { text: format!("{request:?}"), ..missed(0) }));
            let _ = lines.send(Line::Done { state: Some(format!("on {me}, {no_wait}")) });
        }
        Command::Control(resource, control, answer) => {
            let result = report::code(Code(control.code));
            let _ = answer.send(Ok(Controlled { result, output: format!("{resource} on {me}") }));
        }
        Command::Explain(_, of, answer) => {
            let lines = vec![format!("explained on {me}")];
            let _ = answer.send((!of.ends_with("gone")).then_some(Explanation { lines }));
        }
        other @ (Command::Status(_)
        | Command::Config(_)
        | Command::Settings(_)
        | Command::Situation(_)
        | Command::TypeControl(..)
        | Command::Apply(..)
        | Command::Fencing(..)) => {
            panic!("{other:?}")
        }
    }
}

struct Two {
    runtime: Runtime,
    n1: Way,
}

fn two() -> Two {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let store = Arc::new(MemoryStore::default());
    let ((n1, of_n1), (n2, of_n2)) = (node("n1", &store), node("n2", &store));
    runtime.spawn(serve(n1.clone(), of_n1));
    runtime.spawn(serve(n2, of_n2));
    // The other box is open once a letter is answered; what comes before that is refused.
    let two = Two { runtime, n1 };
    while two
        .lines(routes::group, ("n2 g", "cancel"), json!({}))
        .iter()
        .any(|line| matches!(line, Line::Refused(_)))
    {}
    two
}

impl Two {
    fn text(&self, response: impl Future<Output = Response>) -> (u16, String) {
        self.runtime.block_on(async {
            let response = response.await;
            let status = response.status().as_u16();
            let bytes = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
            (status, String::from_utf8(bytes.to_vec()).unwrap())
        })
    }

    fn lines<F: Future<Output = Response>>(
        &self,
        route: impl FnOnce(Way, (String, String), Bytes) -> F,
        (of, verb): (&str, &str),
        body: Value,
    ) -> Vec<Line> {
        let asked = (of.to_owned(), verb.to_owned());
        let (_, text) = self.text(route(self.n1.clone(), asked, Bytes::from(body.to_string())));
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

#[test]
fn a_request_about_what_another_node_has_is_answered_by_it_line_by_line() {
    let two = two();
    for (of, place) in [("n1 g", "on n1, true"), ("n2 g", "on n2, true")] {
        let lines = two.lines(routes::group, (of, "offline"), json!({ "queue": true, "no_wait": true }));
        let [Line::Accepted, Line::Progress(event), Line::Done { state: Some(state) }] = lines.as_slice()
        else {
            panic!("{lines:?}")
        };
        assert_eq!(state, place);
        assert!(
            event.text.contains("OfflineGroup") && event.text.contains("queue_enabled: true"),
            "{event:?}"
        );
        let lines = two.lines(routes::resource, (of, "restart"), json!({}));
        assert_eq!(lines.last(), Some(&Line::Done { state: Some(place.replace("true", "false")) }));
    }
    // A move is ordered by whoever is asked.
    let lines = two.lines(routes::group, ("n2 g", "move"), json!({ "to": "n1" }));
    assert_eq!(lines.last(), Some(&Line::Done { state: Some("on n1, false".to_owned()) }));
    // What is wrong is refused without a letter.
    let lines = two.lines(routes::group, ("n2 g", "online"), json!({ "to": "n1" }));
    assert!(
        matches!(lines.as_slice(), [Line::Refused(failure)] if failure.detail.starts_with("to: ")),
        "{lines:?}"
    );
}

#[test]
fn control_codes_and_explanations_come_from_where_it_is() {
    let two = two();
    for (of, on) in [("n1 r", "on n1"), ("n2 r", "on n2")] {
        let body = Bytes::from(json!({ "code": 5 }).to_string());
        let (status, text) = two.text(routes::control(two.n1.clone(), of.to_owned(), body));
        let controlled: Controlled = serde_json::from_str(&text).unwrap();
        assert_eq!((status, controlled.result.code, controlled.output), (200, 5, format!("{of} {on}")));
        let asked = ("any".to_owned(), of.to_owned());
        let (status, text) = two.text(routes::explain(two.n1.clone(), asked));
        let explanation: Explanation = serde_json::from_str(&text).unwrap();
        assert_eq!((status, explanation.lines), (200, vec![format!("explained {on}")]));
    }
    let asked = ("any".to_owned(), "n2 gone".to_owned());
    assert_eq!(two.text(routes::explain(two.n1.clone(), asked)).0, 404);
}

#[test]
fn a_lost_node_is_told_apart_from_one_that_did_it() {
    let two = two();
    let mailbox = two.n1.mailbox.clone().unwrap();
    let way = two.n1.clone();
    let asked = ("n3 g".to_owned(), "online".to_owned());
    let (_, text) = two.text(async move {
        let response = routes::group(way, asked, Bytes::new()).await;
        mailbox.lost(name("n3"), "its session is dead");
        response
    });
    let Line::Refused(failure) = serde_json::from_str(text.trim()).unwrap() else { panic!("{text}") };
    assert_eq!((failure.what.as_str(), failure.error.code), ("group \"n3 g\": online", 5005));
    assert!(failure.detail.contains("n3") && failure.detail.ends_with("nothing was done"), "{failure:?}");
    let failure = unknown("group \"g\": online", "node \"n2\" took it and was lost");
    assert_eq!(failure.error.code, 1726);
    assert!(failure.detail.contains("not known whether it was done"), "{failure:?}");
}
