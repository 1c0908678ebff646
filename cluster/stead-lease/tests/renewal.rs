//! The owner's side: a deadline is only ever counted from the send of a renewal that is known to have happened.
#![allow(clippy::unwrap_used, clippy::wildcard_enum_match_arm, reason = "a test may fail")]

mod world;

use std::sync::Arc;

use stead_lease::{
    Action, Answer, Event, Found, Guard, Kept, Profile, Session, Sid, Standing, Start, State, Watchdog,
};
use world::{World, document, identity, ms, node, session, start};

#[test]
fn the_deadline_counts_from_the_send() {
    let mut world = World::active();
    assert_eq!(world.armed(), Some(Kept { sid: Sid(0x101), revision: 10, deadline: ms(5_000) }));
    let (request, guard, renewal) = world.commits(2_000);
    assert_eq!((guard, renewal.ctr), (Guard::At(10), 2));
    world.answer(request, Answer::Committed(11), 2_900);
    assert_eq!(world.machine.deadline(), ms(6_000));
    assert!(world.machine.may_act(ms(5_999)) && !world.machine.may_act(ms(6_000)));
}

#[test]
fn one_renewal_is_under_way_and_the_next_comes_after_h() {
    let mut world = World::active();
    assert_eq!(world.machine.next_timeout(), Some(ms(2_000)));
    assert!(world.timer(1_999).is_empty());
    world.commits(2_000);
    assert!(world.timer(2_500).is_empty());
}

#[test]
fn an_unknown_outcome_is_read_back_before_anything_is_written() {
    let mut world = World::active();
    let (request, _, renewal) = world.commits(2_000);
    world.answer(request, Answer::Unknown, 2_500);
    assert_eq!(world.machine.deadline(), ms(5_000), "an unknown outcome grants nothing");
    let read = world.reads(2_750);
    world.answer(read, Answer::Read(Found::Document { revision: 11, session: renewal }), 2_760);
    assert_eq!(world.machine.deadline(), ms(6_000), "that very request has happened");
    let (_, guard, next) = world.commits(3_000);
    assert_eq!((guard, next.ctr), (Guard::At(11), 3));
}

#[test]
fn a_renewal_that_was_lost_is_sent_anew_under_the_same_guard() {
    let mut world = World::active();
    let (lost, _, first) = world.commits(2_000);
    let read = world.reads(3_000);
    world.answer(read, Answer::Read(Found::Document { revision: 10, session: Arc::clone(&first) }), 3_010);
    let (again, guard, second) = world.commits(3_020);
    assert_eq!(guard, Guard::At(10), "of both at most one happens");
    assert_ne!(first.nonce, second.nonce);
    // The first one happens after all, and its acknowledgement is counted from its own send.
    world.answer(lost, Answer::Committed(11), 3_030);
    assert_eq!(world.machine.deadline(), ms(6_000));
    assert!(world.answer(again, Answer::Conflict, 3_040).is_empty(), "it cannot happen any more");
}

#[test]
fn a_conflict_that_an_earlier_request_explains_is_looked_at() {
    let mut world = World::active();
    let (_, _, first) = world.commits(2_000);
    let read = world.reads(3_000);
    world.answer(read, Answer::Read(document(10, session(0x101, 1, Standing::Alive))), 3_010);
    let (second, _, _) = world.commits(3_020);
    world.answer(second, Answer::Conflict, 3_030);
    assert!(!world.killed());
    let read = world.reads(3_040);
    world.answer(read, Answer::Read(Found::Document { revision: 11, session: first }), 3_050);
    assert_eq!(world.machine.state(), State::Active);
    assert_eq!(world.machine.deadline(), ms(6_000));
}

#[test]
fn a_conflict_without_explanation_deposes() {
    let mut world = World::active();
    let (request, _, _) = world.commits(2_000);
    world.answer(request, Answer::Conflict, 2_010);
    assert!(world.killed());
    assert!(!world.machine.may_act(ms(2_010)));
    assert_eq!(world.machine.sid(), None);
    assert_eq!(world.machine.next_timeout(), None, "nothing happens before everything is verified gone");
    world.give(Event::AllGone, 2_500);
    let read = world.reads(2_510);
    world.answer(read, Answer::Read(document(12, session(0x101, 1, Standing::Dead))), 2_520);
    let (_, guard, new) = world.commits(2_530);
    assert_eq!((guard, new.replaces), (Guard::At(12), Some(Sid(0x101))));
    assert_ne!(new.sid, Sid(0x101));
}

#[test]
fn seeing_the_own_document_changed_or_deleted_deposes() {
    let mut world = World::active();
    world.see("n1", document(12, session(0x101, 1, Standing::Dead)), 1_500);
    assert!(world.killed());
    let mut world = World::active();
    world.see("n1", Found::Nothing { as_of: 12 }, 1_500);
    assert!(world.killed());
    let mut world = World::active();
    world.see("n1", Found::Unreadable { revision: 12, why: "no sid".into() }, 1_500);
    assert!(world.killed());
    // Old news is none.
    let mut world = World::active();
    world.see("n1", document(9, session(7, 1, Standing::Alive)), 1_500);
    world.see("n1", Found::Nothing { as_of: 9 }, 1_500);
    assert_eq!(world.machine.state(), State::Active);
}

#[test]
fn a_lapse_ends_with_a_renewal_and_verified_death() {
    let mut world = World::active();
    assert_eq!(world.machine.next_timeout(), Some(ms(2_000)));
    let (request, _, _) = world.commits(2_000);
    world.answer(request, Answer::Failed, 2_010);
    assert_eq!(world.machine.next_timeout(), Some(ms(2_260)), "a quarter of h later it is tried again");
    world.give(Event::AllGone, 5_000);
    assert!(world.killed());
    assert_eq!(world.machine.state(), State::Lapsed, "what is gone before it was asked for does not count");
    let (request, _, _) = world.commits(5_300);
    world.answer(request, Answer::Committed(11), 5_310);
    assert!(!world.machine.may_act(ms(5_310)), "what ran is not verified gone");
    world.give(Event::AllGone, 5_400);
    assert_eq!(world.armed().unwrap().deadline, ms(9_300));
    assert!(world.machine.may_act(ms(5_400)));
}

/// A guardian that is stopped takes in no deadline: what runs ends, and must be taken over.
#[test]
fn a_session_is_renewed_only_while_the_guardian_answers() {
    let mut world = World::active();
    world.guardian = false;
    let (request, _, _) = world.commits(2_000);
    world.answer(request, Answer::Committed(11), 2_010);
    assert!(world.armed().is_some(), "it may be late only");
    assert!(world.timer(3_000).is_empty());
    assert_eq!(world.machine.next_timeout(), Some(ms(6_000)), "the deadline, and no renewal");
    // It goes on: what is overdue is done at once.
    let question = world.questions;
    world.give(Event::GuardianAnswered { question: question - 1 }, 4_000);
    assert!(world.timer(4_000).is_empty(), "an answer to an earlier question says nothing of now");
    world.give(Event::GuardianAnswered { question: question + 1 }, 4_000);
    assert!(world.timer(4_000).is_empty(), "nobody asked that");
    world.give(Event::GuardianAnswered { question }, 4_000);
    let (request, _, _) = world.commits(4_000);
    world.answer(request, Answer::Committed(12), 4_010);
    // It stays silent: the deadline comes, and then nothing is written either.
    world.timer(8_000);
    assert!(world.killed());
    assert_eq!(world.machine.state(), State::Lapsed);
    assert_eq!(world.machine.next_timeout(), None, "whoever takes over waits from the last renewal on");
    assert!(world.timer(60_000).is_empty());
    let question = world.questions;
    world.give(Event::GuardianAnswered { question }, 60_100);
    world.give(Event::AllGone, 60_100);
    let (request, _, _) = world.commits(60_100);
    world.answer(request, Answer::Committed(13), 60_110);
    assert!(world.machine.may_act(ms(60_110)), "nobody had taken over");
}

/// After a lapse it is asked too: it has to end what is left, and nobody else can while it is renewed.
#[test]
fn a_lapsed_session_is_renewed_only_while_the_guardian_answers() {
    let mut world = World::active();
    world.timer(5_000);
    assert!(world.killed());
    let written = world.actions.iter().find_map(|action| match action {
        Action::Commit { request, .. } => Some(*request),
        _ => None,
    });
    world.guardian = false;
    world.answer(written.unwrap(), Answer::Committed(11), 5_020);
    assert_eq!(world.machine.state(), State::Lapsed, "it is not verified gone");
    assert!(world.timer(7_100).is_empty());
    assert_eq!(world.machine.next_timeout(), None);
}

/// What became of a renewal is found out in any case.
#[test]
fn a_silent_guardian_does_not_keep_a_doubt_from_being_cleared() {
    let mut world = World::active();
    world.guardian = false;
    let (request, _, sent) = world.commits(2_000);
    world.answer(request, Answer::Unknown, 2_100);
    let read = world.reads(2_400);
    world.answer(read, Answer::Read(Found::Document { revision: 11, session: sent }), 2_410);
    assert_eq!(world.machine.deadline(), ms(6_000));
    assert!(world.timer(3_100).is_empty());
}

#[test]
fn an_acknowledgement_that_comes_after_its_own_deadline_grants_nothing() {
    let mut world = World::waiting();
    let (request, _, _) = world.commits(1_000);
    world.answer(request, Answer::Committed(10), 5_000);
    assert_eq!(world.armed(), None);
    assert!(!world.machine.may_act(ms(5_000)));
}

#[test]
fn a_node_process_that_starts_again_goes_on_with_the_session_that_was_kept() {
    let mut world = World::new();
    let kept = Kept { sid: Sid(5), revision: 10, deadline: ms(5_000) };
    world.give(Event::Start(Box::new(Start { kept: Some(kept), ..start() })), 2_000);
    assert!(world.machine.may_act(ms(2_000)), "the kernel's timers run on");
    let read = world.reads(2_001);
    // The last process had a renewal under way that has happened.
    let mut theirs = session(5, 4, Standing::Alive);
    theirs.identity = identity("boot-1", "machine-1");
    world.answer(read, Answer::Read(document(11, theirs)), 2_010);
    assert_eq!(world.machine.state(), State::Active);
    assert_eq!(world.machine.deadline(), ms(5_000), "nobody knows when it was sent");
    let (_, guard, renewal) = world.commits(2_020);
    assert_eq!((guard, renewal.sid, renewal.ctr), (Guard::At(11), Sid(5), 5));
}

#[test]
fn a_kept_session_that_was_taken_over_is_not_gone_on_with() {
    let mut world = World::new();
    let kept = Kept { sid: Sid(5), revision: 10, deadline: ms(5_000) };
    world.give(Event::Start(Box::new(Start { kept: Some(kept), ..start() })), 2_000);
    let read = world.reads(2_001);
    world.answer(read, Answer::Read(document(11, session(5, 4, Standing::Dead))), 2_010);
    assert!(world.killed());
    assert!(!world.machine.may_act(ms(2_010)));
}

#[test]
fn leaving_is_written_once_and_ends_everything() {
    let mut world = World::active();
    world.give(Event::Leave, 1_500);
    assert!(!world.machine.may_act(ms(1_500)), "from the moment it is decided");
    let (request, guard, last) = world.commits(1_501);
    assert_eq!((guard, last.state), (Guard::At(10), Standing::Left));
    world.answer(request, Answer::Committed(11), 1_510);
    assert_eq!(world.machine.state(), State::Left);
    assert_eq!(world.machine.next_timeout(), None);
}

/// The wait for the slowest timings that can be chosen by name, in milliseconds.
fn slowest() -> u64 {
    let params = start().params;
    let wait = Profile::Patient.params(Watchdog::Strict).wait(params.rho_ppm);
    u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap()
}

#[test]
fn a_store_that_was_replaced_voids_the_session_and_quarantines() {
    let mut world = World::active();
    world.give(Event::Replaced { incarnation: Some("second".into()) }, 2_000);
    assert!(world.killed());
    world.give(Event::AllGone, 2_100);
    world.give(Event::Listed { as_of: 3, sessions: Vec::new() }, 2_200);
    let read = world.reads(2_200);
    world.answer(read, Answer::Read(Found::Nothing { as_of: 3 }), 2_210);
    assert!(world.timer(2_000 + slowest() - 1).is_empty(), "the longest T of quarantine");
    let (_, guard, new) = world.commits(2_000 + slowest());
    assert_eq!((guard, new.incarnation.as_str()), (Guard::Absent, "second"));
}

#[test]
fn a_node_without_memory_in_a_restored_store_waits_too() {
    let mut world = World::new();
    world.give(Event::Start(Box::new(Start { incarnation: "second".into(), ..start() })), 0);
    let old = document(3, session(7, 5, Standing::Left));
    world.give(Event::Listed { as_of: 3, sessions: vec![(node("n2"), old)] }, 0);
    assert!(world.timer(slowest() - 1).is_empty());
    world.commits(slowest());
}

/// The backup is from before the first session; that there was an incarnation before, the database says.
#[test]
fn a_node_without_memory_in_an_empty_restored_store_waits_until_somebody_has() {
    let second = || Start { incarnation: "second".into(), incarnation_is_unknown: true, ..start() };
    let mut world = World::new();
    world.give(Event::Start(Box::new(second())), 0);
    world.give(Event::Listed { as_of: 3, sessions: Vec::new() }, 0);
    assert!(world.timer(slowest() - 1).is_empty());
    world.commits(slowest());

    let mut world = World::new();
    world.give(Event::Start(Box::new(second())), 0);
    let other = Session { incarnation: "second".into(), ..session(7, 5, Standing::Alive) };
    world.give(Event::Listed { as_of: 3, sessions: vec![(node("n2"), document(3, other))] }, 0);
    world.commits(0);
}

#[test]
fn refused_and_waiting_nodes_may_not_act() {
    let world = World::waiting();
    assert!(!world.machine.may_act(ms(0)));
    let mut world = World::waiting();
    let (request, _, _) = world.commits(10);
    world.answer(request, Answer::Conflict, 20);
    assert!(!world.actions.iter().any(|action| matches!(action, Action::Arm(_))));
}
