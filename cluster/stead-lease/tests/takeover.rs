//! The successor's side: who is marked dead, when, and who never is.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail")]

mod world;

use std::time::Duration;

use stead_lease::{Action, Answer, Event, Found, Guard, Session, Sid, Sight, Standing, Start, State};
use world::{World, document, identity, ms, node, session, start};

/// What a timer writes about other nodes.
fn marks(world: &mut World, at: u64) -> Vec<(String, Guard, Standing)> {
    let other = |action: &Action| match action {
        Action::Commit { node: of, guard, session, .. } if *of != node("n1") => {
            Some((of.to_string(), *guard, session.state))
        }
        _ => None,
    };
    world.timer(at).iter().filter_map(other).collect()
}

/// Keeps the own session renewed up to this time.
fn renew(world: &mut World, until: u64) {
    let mut at = 2_000;
    while at <= until {
        world.timer(at);
        let actions = world.actions.clone();
        for action in actions {
            if let Action::Commit { request, node: of, .. } = action {
                assert_eq!(of, node("n1"), "nobody is taken over");
                world.answer(request, Answer::Committed(1_000 + at), at + 5);
            }
        }
        at += 1_000;
    }
}

#[test]
fn a_session_is_marked_after_t_from_when_its_counter_was_first_seen() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    renew(&mut world, 6_000);
    assert!(marks(&mut world, 6_599).is_empty());
    let marked = marks(&mut world, 6_600);
    assert_eq!(marked, [("n2".to_owned(), Guard::At(20), Standing::Dead)]);
}

#[test]
fn a_renewal_starts_the_wait_anew() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    renew(&mut world, 4_000);
    world.see("n2", document(21, session(7, 4, Standing::Alive)), 4_500);
    assert!(marks(&mut world, 6_600).is_empty());
}

#[test]
fn old_news_starts_nothing_anew_and_ends_nothing() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    world.see("n2", document(19, session(7, 2, Standing::Alive)), 3_000);
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 3_000);
    renew(&mut world, 6_000);
    assert_eq!(marks(&mut world, 6_600).len(), 1);
}

#[test]
fn t_comes_from_what_the_victim_published() {
    let mut world = World::active();
    let mut slow = session(7, 3, Standing::Alive);
    slow.params.d = Duration::from_secs(9);
    world.see("n2", document(20, slow), 1_500);
    renew(&mut world, 11_000);
    assert!(marks(&mut world, 11_500).is_empty());
    assert_eq!(marks(&mut world, 11_700).len(), 1, "10 s and half a percent, twice, rounded up");
}

#[test]
fn other_timings_written_into_a_session_do_not_shorten_its_wait() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    let mut edited = session(7, 4, Standing::Alive);
    edited.params.h = Duration::from_millis(100);
    edited.params.d = Duration::from_millis(500);
    world.see("n2", document(21, edited), 2_000);
    renew(&mut world, 6_000);
    assert!(marks(&mut world, 7_099).is_empty());
    assert_eq!(marks(&mut world, 7_100).len(), 1);
}

#[test]
fn timings_that_no_node_begins_with_are_waited_for_as_the_longest() {
    let mut world = World::active();
    let mut edited = session(7, 4, Standing::Alive);
    edited.params.d = Duration::from_millis(500);
    world.see("n2", document(21, edited), 2_000);
    renew(&mut world, 26_000);
    assert!(marks(&mut world, 26_299).is_empty());
    assert_eq!(marks(&mut world, 26_300).len(), 1);
}

#[test]
fn a_fence_agent_that_confirmed_ends_that_session_only() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    world.give(Event::Fenced { node: node("n2"), sid: Sid(6) }, 1_600);
    assert!(marks(&mut world, 1_600).is_empty());
    world.give(Event::Fenced { node: node("n2"), sid: Sid(7) }, 1_700);
    assert_eq!(marks(&mut world, 1_700).len(), 1);
}

#[test]
fn a_deleted_session_is_marked_after_t_if_it_is_still_absent() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    world.see("n2", Found::Nothing { as_of: 21 }, 2_000);
    assert!(!world.machine.is_over(&node("n2"), Sid(7), 15), "absence is a hint");
    assert_eq!(world.machine.sight(&node("n2"), ms(2_000)), Some(Sight::Deleted));
    renew(&mut world, 7_000);
    assert_eq!(marks(&mut world, 7_100), [("n2".to_owned(), Guard::Absent, Standing::Dead)]);
}

#[test]
fn who_has_no_session_takes_nobody_over() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    world.timer(2_000);
    world.timer(5_000);
    assert_eq!(world.machine.state(), State::Lapsed);
    assert!(marks(&mut world, 9_000).is_empty());
}

#[test]
fn a_conflict_is_looked_at_and_a_renewed_session_left_alone() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    renew(&mut world, 6_000);
    world.timer(6_600);
    let request = world.actions.iter().find_map(|action| match action {
        Action::Commit { request, .. } => Some(*request),
        _ => None,
    });
    let actions = world.answer(request.unwrap(), Answer::Conflict, 6_610).to_vec();
    let [Action::Read { request, .. }] = actions.as_slice() else { panic!("{actions:?}") };
    world.answer(*request, Answer::Read(document(22, session(7, 4, Standing::Alive))), 6_620);
    assert!(marks(&mut world, 6_900).is_empty());
    assert!(!world.machine.is_over(&node("n2"), Sid(7), 15));
}

#[test]
fn a_session_is_over_when_it_is_marked_left_or_properly_replaced() {
    let over = |next: Session| {
        let mut world = World::active();
        world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
        assert!(!world.machine.is_over(&node("n2"), Sid(7), 15));
        world.see("n2", document(21, next), 1_600);
        world.machine.is_over(&node("n2"), Sid(7), 15)
    };
    assert!(over(session(7, 3, Standing::Dead)));
    assert!(over(session(7, 4, Standing::Left)));
    assert!(over(Session { replaces: Some(Sid(7)), ..session(8, 1, Standing::Alive) }));
    assert!(!over(session(8, 1, Standing::Alive)), "it may have come after a deletion by hand");
    assert!(!over(session(7, 4, Standing::Alive)));
}

#[test]
fn a_session_that_came_unasked_ends_the_earlier_one_after_t() {
    let mut world = World::active();
    world.see("n2", document(21, session(8, 1, Standing::Alive)), 1_500);
    world.timer(6_599);
    assert!(!world.machine.is_over(&node("n2"), Sid(7), 15));
    world.timer(6_600);
    assert!(world.machine.is_over(&node("n2"), Sid(7), 15));
    assert!(
        !world.machine.is_over(&node("n2"), Sid(9), 22),
        "named after what was seen here: it is a later one"
    );
}

/// It may have been written by somebody who never saw the session that came between, and whose document was deleted too.
#[test]
fn a_mark_on_a_session_that_was_known_long_ago_says_nothing_of_later_ones_before_t() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    world.see("n2", document(40, session(7, 3, Standing::Dead)), 6_500);
    assert!(world.machine.is_over(&node("n2"), Sid(7), 15));
    for (at, over) in [(6_600, false), (11_599, false), (11_600, true)] {
        world.timer(at);
        assert_eq!(
            world.machine.is_over(&node("n2"), Sid(9), 30),
            over,
            "it may have been there until 6.5 s"
        );
    }
}

/// A node that finds this document under its own name.
fn finds(found: Session, start: Start) -> World {
    let mut world = World::new();
    world.give(Event::Start(Box::new(start)), 0);
    world.give(Event::Listed { as_of: 9, sessions: vec![(node("n1"), document(9, found))] }, 0);
    world
}

#[test]
fn a_name_whose_session_is_over_is_taken_at_once() {
    for state in [Standing::Dead, Standing::Left] {
        let mut world = finds(session(7, 3, state), start());
        let (_, guard, new) = world.commits(1);
        assert_eq!((guard, new.replaces), (Guard::At(9), Some(Sid(7))));
    }
}

#[test]
fn a_name_in_use_is_waited_for() {
    let mut world = finds(session(7, 3, Standing::Alive), start());
    assert!(world.timer(5_099).iter().all(|action| matches!(action, Action::Tell(_))));
    let (_, guard, _) = world.commits(5_100);
    assert_eq!(guard, Guard::At(9));
}

#[test]
fn a_name_that_is_renewed_by_another_machine_is_refused_with_a_sentence() {
    let mut world = finds(session(7, 3, Standing::Alive), start());
    world.see("n1", document(10, session(7, 4, Standing::Alive)), 1_000);
    assert_eq!(world.machine.state(), State::Waiting, "that one may have been under way");
    world.see("n1", document(11, session(7, 5, Standing::Alive)), 2_000);
    let [Action::Refuse { why }] = world.actions.as_slice() else { panic!("{:?}", world.actions) };
    insta::assert_snapshot!(why);
    assert_eq!(world.machine.state(), State::Refused);
}

#[test]
fn a_reboot_is_trusted_only_when_allowed_and_of_the_same_machine() {
    let mut before = session(7, 3, Standing::Alive);
    before.identity = identity("boot-0", "machine-1");
    let trusting = Start { trust_reboot: true, ..start() };
    let (_, guard, _) = finds(before.clone(), trusting.clone()).commits(1);
    assert_eq!(guard, Guard::At(9));
    assert!(finds(before.clone(), start()).machine.next_timeout() == Some(ms(5_100)), "not allowed");
    let mut clone = before.clone();
    clone.identity.boot_id = "boot-1".into();
    assert!(finds(clone, trusting.clone()).machine.next_timeout() == Some(ms(5_100)), "the same boot");
    let mut other = before.clone();
    other.identity.dmi_uuid = "another".into();
    assert!(finds(other, trusting.clone()).machine.next_timeout() == Some(ms(5_100)), "another machine");
    before.identity.dmi_uuid = String::new();
    let mut nameless = trusting;
    nameless.identity.dmi_uuid = String::new();
    assert!(finds(before, nameless).machine.next_timeout() == Some(ms(5_100)), "nothing tells it apart");
}

#[test]
fn how_others_look() {
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    let sight = |world: &World, at| world.machine.sight(&node("n2"), ms(at)).unwrap().to_string();
    assert_eq!(sight(&world, 3_400), "up");
    assert_eq!(sight(&world, 4_600), "not seen for 3 s");
    world.see("n2", document(21, session(7, 3, Standing::Dead)), 5_000);
    assert_eq!(sight(&world, 5_000), "down");
    assert_eq!(world.machine.sight(&node("n3"), ms(5_000)), None);
}

#[test]
fn documents_are_read_as_they_are_written() {
    let session = Session { replaces: Some(Sid(9)), ..session(7, 3, Standing::Alive) };
    let text = serde_json::to_string_pretty(&session).unwrap();
    insta::assert_snapshot!(text);
    assert_eq!(serde_json::from_str::<Session>(&text).unwrap(), session);
    let bad = text.replace("00000000000000000000000000000007", "seven");
    assert!(serde_json::from_str::<Session>(&bad).unwrap_err().to_string().contains("32 hexadecimal digits"));
}

/// What was waited out may be confirmed later: then also what no kill reaches is known to have ended.
#[test]
fn a_session_that_is_dead_is_confirmed_once() {
    let confirmed = |world: &World| {
        world.actions.iter().find_map(|action| match action {
            Action::Commit { node: of, session, request, .. } if *of == node("n2") => {
                Some((*request, session.state, session.confirmed))
            }
            _ => None,
        })
    };
    let mut world = World::active();
    world.see("n2", document(20, session(7, 3, Standing::Alive)), 1_500);
    renew(&mut world, 6_000);
    world.timer(6_600);
    let (request, state, sure) = confirmed(&world).unwrap();
    assert_eq!((state, sure), (Standing::Dead, false), "waited out, and no more");
    // The watch is faster than the answer.
    world.see("n2", document(2_000, session(7, 3, Standing::Dead)), 6_605);
    world.answer(request, Answer::Committed(2_000), 6_610);
    assert!(
        world.actions.iter().any(|action| matches!(action, Action::Tell(_))),
        "it is told that n2 is down"
    );
    world.give(Event::Fenced { node: node("n2"), sid: Sid(6) }, 6_620);
    world.timer(6_620);
    assert_eq!(confirmed(&world), None, "that was another session");
    world.give(Event::Fenced { node: node("n2"), sid: Sid(7) }, 6_630);
    world.timer(6_630);
    let (request, state, sure) = confirmed(&world).unwrap();
    assert_eq!((state, sure), (Standing::Dead, true));
    world.answer(request, Answer::Committed(2_001), 6_640);
    assert!(!world.actions.iter().any(|action| matches!(action, Action::Tell(_))), "it is no second end");
    world.timer(6_700);
    assert_eq!(confirmed(&world), None, "once is enough");
    // Fenced while it was alive, it is confirmed with the mark.
    world.see("n2", document(2_100, session(8, 1, Standing::Alive)), 6_800);
    world.give(Event::Fenced { node: node("n2"), sid: Sid(8) }, 6_810);
    world.timer(6_810);
    assert_eq!(confirmed(&world).map(|(_, state, sure)| (state, sure)), Some((Standing::Dead, true)));
}
