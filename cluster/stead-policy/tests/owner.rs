//! The owner's side of the documents: a group is this node's when its document says so, and no sooner.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::collections::BTreeSet;

use stead_policy::Event;
use stead_policy::cluster::{
    Arrival, ArrivalKind, Cause, Order, Owned, Owner, OwnerAction, OwnerState, Ownership, Release, Situation,
    Tenure, Unwritten,
};
use stead_types::{Code, GroupName, MoveFlags, Time};

fn name<N: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> N {
    text.parse().unwrap()
}

const ACTIVE: Tenure = Tenure { session: Some(7), may_act: true };

fn document(node: &str, session: u128, generation: u64) -> Ownership {
    Ownership {
        generation,
        node: name(node),
        session,
        state: OwnerState::Assigned,
        arrival: Arrival {
            kind: ArrivalKind::First,
            source: None,
            cause: None,
            flags: MoveFlags::NONE,
            in_buffers: Default::default(),
            start: true,
            suspended: Vec::new(),
        },
        order: None,
        outcome: None,
        orders: 0,
        failovers: Vec::new(),
        reasons: Vec::new(),
        held: None,
    }
}

fn ordered(document: &Ownership, to: Option<&str>) -> Ownership {
    let order = Order {
        id: document.orders + 1,
        to: to.map(name),
        flags: MoveFlags::NONE,
        in_buffers: Default::default(),
        asked_by: "operator".to_owned(),
        cause: Cause::Operator,
        reasons: Vec::new(),
    };
    Ownership { orders: order.id, order: Some(order), ..document.clone() }
}

/// What an owner wants done, in short.
fn done(owner: &mut Owner) -> Vec<String> {
    let mut lines = Vec::new();
    while let Some(action) = owner.poll_action() {
        lines.push(match action {
            OwnerAction::Tell(Event::Arrived { group, .. }) => format!("{group} arrives"),
            OwnerAction::Tell(Event::Depart { group, departure }) => {
                format!("{group} departs to {}", departure.to)
            }
            OwnerAction::Tell(Event::Departed { group }) => format!("{group} is gone"),
            OwnerAction::Tell(event) => format!("{event:?}"),
            OwnerAction::Write { group, revision, document, .. } => {
                format!("write {group} at {revision:?}: {:?}", document.state)
            }
            OwnerAction::Kill(group) => format!("kill {group}"),
            OwnerAction::Record(record) => format!("event {}", record.id),
        });
    }
    lines
}

struct Case {
    owner: Owner,
    web: GroupName,
}

impl Case {
    /// A process that found this document, and these groups running.
    fn begins(found: Ownership, running: &[&str]) -> Case {
        let mut case = Case { owner: Owner::new(name("n1")), web: name("web") };
        case.owner.seen(&case.web, Some(Owned { document: found.into(), revision: 5 }));
        let running: BTreeSet<GroupName> = running.iter().map(|group| name(group)).collect();
        case.owner.adopt(&running, ACTIVE);
        case
    }

    /// A process without a session, which found the group on another node.
    fn fresh() -> Case {
        let mut case = Case { owner: Owner::new(name("n1")), web: name("web") };
        case.owner.seen(&case.web, Some(Owned { document: document("n2", 3, 1).into(), revision: 5 }));
        case.owner.adopt(&BTreeSet::new(), Tenure { session: None, may_act: false });
        case
    }

    fn settle(&mut self, tenure: Tenure) -> Vec<String> {
        self.owner.settle(&self.web, true, tenure, &Situation::default());
        done(&mut self.owner)
    }

    fn sees(&mut self, document: Ownership, revision: u64) -> Vec<String> {
        assert!(self.owner.seen(&self.web, Some(Owned { document: document.into(), revision })));
        self.settle(ACTIVE)
    }
}

/// What the policy says of a group of which nothing is left here.
fn release() -> stead_policy::Release {
    stead_policy::Release {
        to: name("n2"),
        flags: MoveFlags::NONE,
        in_buffers: Default::default(),
        returning: None,
    }
}

/// A node of session 7 that has the group since it was assigned at revision 6.
fn hosting() -> Case {
    let mut case = Case::fresh();
    assert_eq!(case.sees(document("n1", 7, 2), 6), ["web arrives"]);
    case
}

#[test]
fn only_this_session_is_the_owner_and_only_while_it_may_act() {
    let mut case = Case::fresh();
    assert_eq!(case.sees(document("n1", 6, 2), 6), Vec::<String>::new(), "another session of this node");
    let mut case = Case::fresh();
    case.owner.seen(&case.web.clone(), Some(Owned { document: document("n1", 7, 2).into(), revision: 6 }));
    assert_eq!(case.settle(Tenure { may_act: false, ..ACTIVE }), Vec::<String>::new());
    assert_eq!(case.settle(ACTIVE), ["web arrives"]);
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new(), "it arrives once");
}

/// A release of the process before may be under way all the while.
#[test]
fn a_lapsed_session_that_a_new_process_renews_starts_nothing_unconfirmed() {
    let mut case = Case { owner: Owner::new(name("n1")), web: name("web") };
    case.owner.seen(&case.web, Some(Owned { document: document("n1", 7, 2).into(), revision: 5 }));
    let lapsed = Tenure { may_act: false, ..ACTIVE };
    assert!(case.owner.adopt(&[name("web")].into(), lapsed).is_empty(), "it is being ended");
    assert_eq!(case.settle(lapsed), Vec::<String>::new());
    assert_eq!(case.settle(ACTIVE), ["write web at Some(5): Assigned"]);
    let now = Time::from_millis(1_000);
    case.owner.written(&case.web, Ok(6), now);
    assert_eq!(case.settle(ACTIVE), ["web arrives"]);
}

/// What was read when it began may be older than all of that.
#[test]
fn a_group_that_a_resumed_session_is_given_is_confirmed_once() {
    let mut case = Case::begins(document("n2", 3, 1), &[]);
    assert_eq!(case.sees(document("n1", 7, 2), 6), ["write web at Some(6): Assigned"]);
    case.owner.written(&case.web, Ok(7), Time::from_millis(1_000));
    assert_eq!(case.settle(ACTIVE), ["web arrives"]);
    case.owner.released(case.web.clone(), release());
    case.owner.write_wishes(Some(7), Time::from_millis(1_000));
    assert_eq!(done(&mut case.owner), ["write web at Some(7): Released(Ordered)"]);
    case.owner.written(&case.web, Ok(8), Time::from_millis(1_000));
    case.settle(ACTIVE);
    assert_eq!(case.sees(document("n1", 7, 3), 9), ["web arrives"]);
}

#[test]
fn what_was_read_by_a_process_that_starts_again_is_confirmed_before_it_is_started() {
    let mut case = Case::begins(document("n1", 7, 2), &[]);
    let confirms = ["write web at Some(5): Assigned"];
    assert_eq!(case.settle(ACTIVE), confirms);
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new(), "one write at a time");
    // It had been released meanwhile: nothing is started on what was read.
    assert!(!case.owner.written(&case.web.clone(), Err(Unwritten::Conflict), Time::ZERO));
    let released = document("n1", 7, 2).released(Release::Ordered);
    assert_eq!(case.sees(released, 6), Vec::<String>::new());

    let mut case = Case::begins(document("n1", 7, 2), &[]);
    assert_eq!(case.settle(ACTIVE), confirms);
    assert!(case.owner.written(&case.web.clone(), Ok(9), Time::ZERO));
    assert_eq!(case.settle(ACTIVE), ["web arrives"]);
}

#[test]
fn a_node_that_leaves_takes_no_group_any_more() {
    // What it had when its session lapsed is being confirmed when it has nothing left and leaves.
    let mut case = hosting();
    case.owner.forget();
    done(&mut case.owner);
    assert_eq!(case.settle(ACTIVE), ["write web at Some(6): Assigned"]);
    case.owner.leave();
    assert!(case.owner.written(&case.web.clone(), Ok(9), Time::ZERO));
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new(), "it would be left behind without a word");
    assert!(case.owner.is_settled() && !case.owner.has(&case.web));
    assert_eq!(case.sees(document("n2", 3, 3), 10), Vec::<String>::new(), "and nothing is killed");
}

#[test]
fn what_runs_is_adopted_and_does_not_arrive() {
    let mut case = Case::begins(document("n1", 7, 2), &["web"]);
    assert!(case.owner.has(&case.web));
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new());
}

#[test]
fn old_news_changes_nothing() {
    let mut case = hosting();
    let old = Owned { document: document("n2", 3, 1).into(), revision: 5 };
    assert!(!case.owner.seen(&case.web.clone(), Some(old)));
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new());
    assert!(case.owner.has(&case.web));
}

#[test]
fn an_order_is_followed_once_and_the_release_is_written_until_it_is_stored() {
    let mut case = hosting();
    let order = ordered(&document("n1", 7, 2), Some("n2"));
    assert_eq!(case.sees(order, 7), ["web departs to n2"]);
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new());
    let web = case.web.clone();
    case.owner.released(web.clone(), release());
    let now = Time::from_millis(1_000);
    let writes = ["write web at Some(7): Released(Ordered)"];
    case.owner.write_wishes(Some(7), now);
    assert_eq!(done(&mut case.owner), writes);
    assert!(!case.owner.written(&web, Err(Unwritten::Failed), now));
    case.owner.write_wishes(Some(7), now);
    assert_eq!(done(&mut case.owner), Vec::<String>::new(), "the store gets a pause");
    case.owner.write_wishes(Some(7), case.owner.next_timeout().unwrap());
    assert_eq!(done(&mut case.owner), writes);
    assert!(case.owner.written(&web, Ok(8), now));
    assert_eq!(case.settle(ACTIVE), ["web is gone"], "released in good order: nothing is killed");
    assert!(case.owner.is_settled() && !case.owner.has(&web));
}

#[test]
fn a_conflict_is_tried_again_when_its_news_come_and_not_before_unless_they_do_not_come() {
    let mut case = hosting();
    let web = case.web.clone();
    case.owner.leave();
    let now = Time::from_millis(1_000);
    case.owner.write_wishes(Some(7), now);
    assert_eq!(done(&mut case.owner), ["write web at Some(6): Released(Leaving)"]);
    case.owner.written(&web, Err(Unwritten::Conflict), now);
    case.owner.write_wishes(Some(7), now);
    assert_eq!(done(&mut case.owner), Vec::<String>::new(), "the same write would end the same");
    // An order came first.
    case.sees(ordered(&document("n1", 7, 2), Some("n2")), 7);
    case.owner.write_wishes(Some(7), now);
    assert_eq!(done(&mut case.owner), ["write web at Some(7): Released(Leaving)"]);
    case.owner.written(&web, Err(Unwritten::Conflict), now);
    case.owner.write_wishes(Some(7), case.owner.next_timeout().unwrap());
    assert_eq!(done(&mut case.owner), ["write web at Some(7): Released(Leaving)"]);
}

#[test]
fn an_order_that_nobody_can_take_ends_with_5016() {
    let mut case = hosting();
    assert_eq!(case.sees(ordered(&document("n1", 7, 2), None), 7), Vec::<String>::new());
    case.owner.write_wishes(Some(7), Time::ZERO);
    let Some(OwnerAction::Write { document, .. }) = case.owner.poll_action() else { panic!("nothing") };
    assert_eq!(document.order, None);
    assert_eq!(document.outcome.as_ref().unwrap().code, Code::ERROR_HOST_NODE_NOT_AVAILABLE);
}

#[test]
fn who_loses_a_group_it_did_not_release_kills_it_at_once() {
    let mut case = hosting();
    assert_eq!(case.sees(document("n2", 3, 3), 7), ["event 10033", "kill web", "web is gone"]);
    let mut case = hosting();
    assert!(case.owner.seen(&case.web.clone(), None));
    assert_eq!(case.settle(ACTIVE), ["event 10033", "kill web", "web is gone"]);
}

#[test]
fn a_session_that_lapsed_and_is_renewed_does_not_start_what_it_may_have_released() {
    let mut case = hosting();
    let web = case.web.clone();
    case.owner.released(web.clone(), release());
    case.owner.write_wishes(Some(7), Time::ZERO);
    assert_eq!(done(&mut case.owner), ["write web at Some(6): Released(Ordered)"]);
    // It lapses before that is answered, and is renewed as the same session.
    case.owner.forget();
    assert_eq!(done(&mut case.owner), ["web is gone"]);
    assert_eq!(case.settle(ACTIVE), Vec::<String>::new(), "nothing before the answer");
    case.owner.written(&web, Err(Unwritten::Failed), Time::ZERO);
    assert_eq!(case.settle(ACTIVE), ["write web at Some(6): Assigned"], "nobody knows: it is confirmed");
    case.owner.written(&web, Err(Unwritten::Conflict), Time::ZERO);
    assert_eq!(case.sees(document("n2", 3, 3), 9), Vec::<String>::new(), "it had been released");
}

#[test]
fn a_session_that_is_given_up_takes_all_groups_with_it() {
    let mut case = hosting();
    case.owner.leave();
    case.owner.forget();
    assert_eq!(done(&mut case.owner), ["web is gone"]);
    assert!(case.owner.is_settled());
    assert_eq!(case.settle(Tenure { session: Some(8), may_act: true }), Vec::<String>::new());
}

#[test]
fn a_group_that_left_something_behind_is_not_released_before_that_is_gone() {
    let written = |case: &mut Case, at: u64| {
        case.owner.write_wishes(Some(7), Time::from_millis(at));
        done(&mut case.owner)
    };
    let mut case = hosting();
    let web = case.web.clone();
    case.sees(ordered(&document("n1", 7, 2), Some("n2")), 7);
    case.owner.left_behind(web.clone());
    case.owner.released(web.clone(), release());
    assert_eq!(written(&mut case, 0), Vec::<String>::new());
    case.owner.leave();
    assert_eq!(written(&mut case, 0), Vec::<String>::new(), "nor does the node say that it has left");
    assert!(case.owner.is_settled() && !case.owner.may_leave() && case.owner.has(&web));

    case.owner.left_nothing();
    assert_eq!(written(&mut case, 0), ["write web at Some(7): Released(Ordered)"], "now it may go");

    // A release that was withheld is void when the session ends meanwhile.
    let mut case = hosting();
    case.owner.left_behind(web.clone());
    case.owner.released(web.clone(), release());
    case.owner.forget();
    assert_eq!(done(&mut case.owner), ["web is gone"]);
    case.owner.left_nothing();
    assert_eq!(written(&mut case, 0), Vec::<String>::new());

    // What was left turns up while the release waits for the store.
    let mut case = hosting();
    case.sees(ordered(&document("n1", 7, 2), Some("n2")), 7);
    case.owner.released(web.clone(), release());
    assert_eq!(written(&mut case, 0), ["write web at Some(7): Released(Ordered)"]);
    assert!(!case.owner.written(&web, Err(Unwritten::Conflict), Time::ZERO));
    case.owner.left_behind(web);
    assert_eq!(written(&mut case, 0), Vec::<String>::new());
    assert!(!case.owner.may_leave());
    case.owner.left_nothing();
    assert_eq!(written(&mut case, 10_000), ["write web at Some(7): Released(Ordered)"]);
}

#[test]
fn a_session_that_ended_does_not_take_away_what_was_left() {
    let mut case = hosting();
    case.owner.left_behind(case.web.clone());
    case.owner.forget();
    assert_eq!(done(&mut case.owner), ["web is gone"]);
    assert!(!case.owner.may_leave());
    assert_eq!(case.settle(ACTIVE), ["write web at Some(6): Assigned"], "it is confirmed first");
    let web = case.web.clone();
    assert!(case.owner.written(&web, Ok(7), Time::ZERO));
    assert_eq!(case.settle(ACTIVE), ["web arrives"], "it may be this node's again");
    case.owner.released(case.web.clone(), release());
    case.owner.write_wishes(Some(7), Time::ZERO);
    assert_eq!(done(&mut case.owner), Vec::<String>::new());
}

#[test]
fn a_coming_ends_as_the_policy_says_or_with_an_order() {
    let mut case = hosting();
    let web = case.web.clone();
    assert_eq!(case.owner.arrived(&web), None);
    let failed = (Code::ERROR_RESOURCE_FAILED, "resource \"a\": it failed".to_owned());
    case.owner.moved(web.clone(), failed.0, failed.1.clone());
    assert_eq!(case.owner.arrived(&web), Some(&failed));
    case.owner.write_wishes(Some(7), Time::ZERO);
    assert_eq!(done(&mut case.owner), Vec::<String>::new(), "there is no order that could end");

    let mut case = hosting();
    case.sees(ordered(&document("n1", 7, 2), Some("n2")), 7);
    case.owner.moved(web.clone(), Code::ERROR_CANCELLED, "it stays".to_owned());
    assert_eq!(case.owner.arrived(&web), Some(&(Code::SUCCESS, String::new())));
    case.owner.write_wishes(Some(7), Time::ZERO);
    let Some(OwnerAction::Write { document: ended, .. }) = case.owner.poll_action() else {
        panic!("nothing")
    };
    assert_eq!((ended.order.as_ref(), ended.outcome.as_ref().unwrap().code), (None, Code::ERROR_CANCELLED));

    // Nobody waits for what ran before this process did.
    let case = Case::begins(document("n1", 7, 2), &["web"]);
    assert_eq!(case.owner.arrived(&web), Some(&(Code::SUCCESS, String::new())));
}

#[test]
fn a_deleted_group_is_not_this_nodes_and_its_document_goes() {
    let mut case = hosting();
    let web = case.web.clone();
    case.owner.forget_deleted(|_| true);
    assert!(case.owner.has(&web) && !case.owner.remove(&web), "it is configured");
    case.sees(ordered(&document("n1", 7, 2), Some("n2")), 7);
    case.owner.released(web.clone(), release());
    case.owner.forget_deleted(|_| false);
    assert_eq!(done(&mut case.owner), ["web is gone"]);
    assert!(!case.owner.has(&web) && case.owner.is_settled());
    assert!(case.owner.remove(&web));
    assert!(!case.owner.written(&web, Ok(8), Time::ZERO));
    case.owner.seen(&web, None);
    // Another one with its name is not released for it.
    assert_eq!(case.sees(document("n1", 7, 1), 9), ["web arrives"]);
    case.owner.write_wishes(Some(7), Time::ZERO);
    assert_eq!(done(&mut case.owner), Vec::<String>::new());
}
