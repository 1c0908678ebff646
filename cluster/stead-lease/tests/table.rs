//! What every event does in every state: the whole table, as a snapshot.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail")]

mod world;

use stead_lease::{Action, Answer, Event, Found, Kept, RequestId, Sid, Standing, Start};
use world::{World, document, ms, session, start};

/// A world in each state, at 1,500 ms, and the request it has under way.
fn states() -> Vec<(World, Option<RequestId>)> {
    let mut all = vec![(World::new(), None), (World::waiting(), None)];
    let mut beginning = World::waiting();
    let (request, _, _) = beginning.commits(1_000);
    all.push((beginning, Some(request)));
    let mut resuming = World::new();
    let kept = Kept { sid: Sid(5), revision: 10, deadline: ms(5_000) };
    resuming.give(Event::Start(Box::new(Start { kept: Some(kept), ..start() })), 1_000);
    let read = resuming.reads(1_100);
    all.push((resuming, Some(read)));
    let mut active = World::active();
    let (request, _, _) = active.commits(2_000);
    all.push((active, Some(request)));
    let mut lapsed = World::active();
    lapsed.timer(5_000);
    let request = lapsed.actions.iter().find_map(|action| match action {
        Action::Commit { request, .. } => Some(*request),
        _ => None,
    });
    all.push((lapsed, request));
    let mut leaving = World::active();
    leaving.give(Event::Leave, 1_500);
    let (request, _, _) = leaving.commits(1_600);
    all.push((leaving, Some(request)));
    let mut left = World::waiting();
    left.give(Event::Leave, 1_000);
    all.push((left, None));
    let mut deposed = World::active();
    deposed.see("n1", Found::Nothing { as_of: 12 }, 1_500);
    all.push((deposed, None));
    let mut refused = World::waiting();
    for renewal in 0..3 {
        refused.see("n1", document(20 + renewal, session(7, renewal, Standing::Alive)), 1_000);
    }
    all.push((refused, None));
    all
}

fn events(request: Option<RequestId>) -> Vec<(&'static str, Event)> {
    let answered = |answer| Event::Answered { request: request.unwrap_or(RequestId(9_999)), answer };
    let own = |found| Event::Seen { node: world::node("n1"), found };
    vec![
        ("start", Event::Start(Box::new(start()))),
        ("timer", Event::Timer { random: 0x900 }),
        ("committed", answered(Answer::Committed(30))),
        ("conflict", answered(Answer::Conflict)),
        ("failed", answered(Answer::Failed)),
        ("unknown", answered(Answer::Unknown)),
        ("own document dead", own(document(30, session(0x101, 1, Standing::Dead)))),
        ("own document of another", own(document(30, session(9, 1, Standing::Alive)))),
        ("own document gone", own(Found::Nothing { as_of: 30 })),
        ("all gone", Event::AllGone),
        ("guardian answered", Event::GuardianAnswered { question: 1 }),
        ("leave", Event::Leave),
        ("store replaced", Event::Replaced { incarnation: Some("second".into()) }),
    ]
}

fn word(action: &Action) -> String {
    match action {
        Action::Commit { session, .. } => format!("write {:?}", session.state),
        Action::Read { .. } => "read".into(),
        Action::Arm(_) => "arm".into(),
        Action::AskGuardian { .. } => "ask guardian".into(),
        Action::KillAll { why } => format!("kill all ({why:?})"),
        Action::Refuse { .. } => "refuse".into(),
        Action::Tell(note) => {
            let text = format!("{note:?}");
            text.split(['(', ' ']).next().unwrap().to_lowercase()
        }
    }
}

#[test]
fn the_whole_table() {
    let mut table = String::new();
    for index in 0..states().len() {
        let count = events(None).len();
        for which in 0..count {
            // A machine remembers: each cell has one of its own.
            let (mut world, request) = states().swap_remove(index);
            let (name, event) = events(request).swap_remove(which);
            let before = world.machine.state();
            let actions: Vec<String> = world.give(event, 2_500).iter().map(word).collect();
            let after = world.machine.state();
            let line = format!("{before:?} | {name} | {after:?} | {}", actions.join(", "));
            table.push_str(line.trim_end());
            table.push('\n');
        }
    }
    insta::assert_snapshot!(table);
}
