//! clusapi/nf-clusapi-createclustergroupset, nf-clusapi-addclustergroupsetdependency,
//! nf-clusapi-addclustergrouptogroupsetdependency, nf-clusapi-deleteclustergroupset: what a configuration may say.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

mod world;

use std::collections::BTreeSet;
use std::time::Duration;

use stead_policy::cluster::{GroupRules, ReadyWhen, Settings, SettingsChange};
use stead_policy::{
    Action, Answer, ClusterConfig, Event, GroupConfig, GroupSetConfig, Plan, PlanStep, Policy, Refusal,
    Request, RequestId,
};
use stead_types::{Code, NodeName, Time};
use world::{config, group, name};

fn set(of: &str, groups: &[&str], waits: Option<&str>) -> GroupSetConfig {
    GroupSetConfig {
        name: name(of),
        groups: groups.iter().map(|of| name(of)).collect(),
        startup_setting: ReadyWhen::Online,
        startup_count: None,
        startup_delay: Duration::ZERO,
        is_global: false,
        depends_on_set: waits.map(name),
    }
}

fn global(set: GroupSetConfig) -> GroupSetConfig {
    GroupSetConfig { is_global: true, ..set }
}

fn waits(of: &str, set: &str) -> GroupConfig {
    GroupConfig { depends_on_set: Some(name(set)), ..group(of, Vec::new()) }
}

fn plain(of: &str) -> GroupConfig {
    group(of, Vec::new())
}

fn whole(groups: Vec<GroupConfig>, sets: Vec<GroupSetConfig>) -> ClusterConfig {
    let sets = sets.into_iter().map(|set| (set.name.clone(), set)).collect();
    ClusterConfig { sets, ..config(groups) }
}

fn policy(config: ClusterConfig) -> Policy {
    let mut policy = Policy::new(name::<NodeName>("n1"), config, BTreeSet::new());
    policy.handle(Event::Start { running: Vec::new() }, Time::from_millis(1));
    policy
}

fn problems(have: ClusterConfig, wanted: &ClusterConfig) -> Vec<(String, Code)> {
    let problems = policy(have).plan(wanted, false).unwrap_err();
    problems.into_iter().map(|problem| (problem.place, problem.code)).collect()
}

fn wrong(groups: Vec<GroupConfig>, sets: Vec<GroupSetConfig>) -> Vec<(String, Code)> {
    problems(ClusterConfig::default(), &whole(groups, sets))
}

fn one(place: &str, code: Code) -> Vec<(String, Code)> {
    vec![(place.to_owned(), code)]
}

#[test]
fn what_a_set_names_is_there() {
    let found = wrong(vec![plain("a")], vec![set("s", &["a", "b"], Some("t"))]);
    assert_eq!(
        found,
        [
            ("group_set/s/groups".to_owned(), Code::ERROR_GROUP_NOT_FOUND),
            ("group_set/s/depends_on_set".to_owned(), Code::ERROR_GROUPSET_NOT_FOUND),
        ]
    );
    let found = wrong(vec![waits("a", "s")], Vec::new());
    assert_eq!(found, one("group/a/depends_on_set", Code::ERROR_GROUPSET_NOT_FOUND));
}

#[test]
fn an_empty_set_provides_nothing() {
    let empty = || set("s", &[], None);
    assert_eq!(
        wrong(vec![waits("a", "s")], vec![empty()]),
        [
            ("group_set/s/groups".to_owned(), Code::ERROR_INVALID_PARAMETER),
            ("group/a/depends_on_set".to_owned(), Code::ERROR_INVALID_PARAMETER),
        ]
    );
    // Nobody waits for it yet.
    assert!(policy(ClusterConfig::default()).plan(&whole(Vec::new(), vec![empty()]), false).is_ok());
    // It is emptied while somebody waits for it.
    let have = whole(vec![plain("b"), waits("a", "s")], vec![set("s", &["b"], None)]);
    let found = problems(have, &whole(Vec::new(), vec![empty()]));
    assert_eq!(found, one("group_set/s/groups", Code::ERROR_INVALID_PARAMETER));
}

#[test]
fn nothing_waits_for_itself_whatever_is_between() {
    let code = Code::ERROR_INVALID_PARAMETER;
    assert_eq!(wrong(vec![waits("a", "s")], vec![set("s", &["a"], None)]).len(), 2, "its own set");
    let found =
        wrong(vec![plain("a"), plain("b")], vec![set("s", &["a"], Some("t")), set("t", &["b"], Some("s"))]);
    assert!(found.contains(&("group_set/s/depends_on_set".to_owned(), code)), "{found:?}");
    assert!(found.contains(&("group/a/depends_on_set".to_owned(), code)), "{found:?}");
    // Over a group that waits for a group.
    let web = GroupConfig { depends_on_groups: BTreeSet::from([name("app")]), ..plain("web") };
    let found = wrong(vec![web, waits("app", "s")], vec![set("s", &["web"], None)]);
    assert_eq!(found.len(), 3, "{found:?}");
    // By a set nothing waits for, whose group is in the one it waits for as well.
    let have = whole(vec![plain("a")], vec![set("s", &["a"], None)]);
    let found = problems(have, &whole(Vec::new(), vec![set("t", &["a"], Some("s"))]));
    assert_eq!(found, one("group_set/t/depends_on_set", code));
    // By what is stored already: only what is asked for is told of.
    let have = whole(vec![plain("a"), plain("b")], vec![set("s", &["a"], Some("t")), set("t", &["b"], None)]);
    let found = problems(have, &whole(Vec::new(), vec![set("t", &["b"], Some("s"))]));
    assert_eq!(found, one("group_set/t/depends_on_set", code));
}

#[test]
fn a_global_set_waits_for_global_sets_only() {
    let code = Code::ERROR_INVALID_PARAMETER;
    let groups = || vec![plain("a"), plain("b"), plain("c")];
    let found = wrong(groups(), vec![global(set("s", &["a"], Some("t"))), set("t", &["b"], None)]);
    assert_eq!(found, one("group_set/s/depends_on_set", code));
    let good = vec![global(set("s", &["a"], Some("t"))), global(set("t", &["b"], None))];
    let stored = whole(groups(), good);
    assert!(policy(ClusterConfig::default()).plan(&stored, false).is_ok());
    let found = problems(stored.clone(), &whole(Vec::new(), vec![set("t", &["b"], None)]));
    assert!(found.contains(&("group_set/t/is_global".to_owned(), code)), "{found:?}");
    // Everything waits for it, so that it cannot wait for anything that does.
    let found = problems(
        stored.clone(),
        &whole(
            vec![GroupConfig { depends_on_groups: BTreeSet::from([name("c")]), ..plain("a") }],
            Vec::new(),
        ),
    );
    assert_eq!(found, one("group/a/depends_on_groups", code));
    let names = |of: &str| {
        let rules = GroupRules::of(&stored.groups[&name(of)], &stored.sets);
        rules.providers.into_iter().map(|provider| provider.name).collect::<Vec<_>>()
    };
    assert_eq!(names("c"), ["group set \"s\"", "group set \"t\""]);
    assert_eq!((names("a"), names("b")), (vec!["group set \"t\"".to_owned()], Vec::new()));
}

fn answer(policy: &mut Policy, request: Request) -> Result<Answer, Refusal> {
    policy.handle(Event::Request { id: RequestId(7), request }, Time::from_millis(2));
    loop {
        let action = policy.poll_action().expect("an answer");
        if let Action::Write { write, .. } = action {
            policy.handle(Event::Written { write, result: Ok(()) }, Time::from_millis(3));
        } else if let Action::Finish { id: RequestId(7), answer } = action {
            return answer;
        }
    }
}

#[test]
fn a_set_is_not_deleted_while_something_depends_on_it() {
    let groups = vec![plain("a"), plain("b"), waits("web", "s")];
    let mut policy = policy(whole(groups, vec![set("s", &["a"], None), set("t", &["b"], Some("s"))]));
    let mut delete = |of: &str| answer(&mut policy, Request::DeleteGroupSet { set: name(of) });
    let refused = delete("s").unwrap_err();
    assert_eq!((refused.code, refused.code.0), (Code::ERROR_DIR_NOT_EMPTY, 145));
    assert_eq!(refused.detail, "group set \"t\" depends on it; take that away first");
    assert_eq!(delete("t"), Ok(Answer::Done));
    let refused = delete("s").unwrap_err();
    assert!(refused.to_string().contains("group \"web\" depends on it"), "{refused}");
    let refused = delete("t").unwrap_err();
    assert_eq!(refused.code, Code::ERROR_GROUPSET_NOT_FOUND);
    assert!(refused.detail.ends_with("there are: s"), "{refused}");
}

#[test]
fn a_group_is_not_deleted_while_others_depend_on_it() {
    let on = |of: &str, groups: &[&str]| GroupConfig {
        depends_on_groups: groups.iter().map(|group| name(group)).collect(),
        ..plain(of)
    };
    let groups = vec![plain("db"), on("web", &["DB"]), on("mail", &["db", "web"])];
    let mut policy = policy(whole(groups, Vec::new()));
    let mut delete = |of: &str| answer(&mut policy, Request::DeleteGroup { group: name(of), force: true });
    let refused = delete("db").unwrap_err();
    assert_eq!((refused.code, refused.code.0), (Code::ERROR_DIR_NOT_EMPTY, 145));
    assert_eq!(refused.detail, "groups \"mail\", \"web\" depend on it; take that away first");
    assert_eq!(delete("web").unwrap_err().detail, "group \"mail\" depends on it; take that away first");
    for of in ["mail", "web", "db"] {
        assert_eq!(delete(of), Ok(Answer::Done), "{of}");
    }
}

#[test]
fn a_deleted_group_leaves_its_sets() {
    let mut policy = policy(whole(vec![plain("a"), plain("b")], vec![set("s", &["a", "b"], None)]));
    assert_eq!(
        answer(&mut policy, Request::DeleteGroup { group: name("a"), force: false }),
        Ok(Answer::Done)
    );
    let left = &policy.config().sets[&name("s")].groups;
    assert_eq!(*left, BTreeSet::from([name("b")]));
}

/// What is not named stays, but for a prune; settings without a word stay even then.
#[test]
fn a_plan_says_what_changes() {
    let have = whole(vec![plain("a"), plain("b")], vec![set("s", &["a"], None), set("t", &["b"], None)]);
    let fewer = Settings { quarantine_threshold: 5, ..Settings::default() };
    let have = ClusterConfig { settings: Some(fewer.clone()), ..have };
    let stored = policy(have.clone());
    assert_eq!(stored.plan(&have, true), Ok(Plan::default()));
    let wanted = whole(Vec::new(), vec![set("s", &["a", "b"], None)]);
    let plan = stored.plan(&wanted, false).unwrap();
    assert_eq!(plan.steps, [PlanStep::SetGroupSet(set("s", &["a", "b"], None))]);
    let wanted = whole(vec![plain("a")], vec![set("s", &["a"], None)]);
    let plan = stored.plan(&wanted, true).unwrap();
    assert_eq!(plan.steps, [PlanStep::DeleteGroup(name("b")), PlanStep::DeleteGroupSet(name("t"))]);
    let wanted = ClusterConfig { settings: Some(Settings::default()), ..ClusterConfig::default() };
    let plan = stored.plan(&wanted, false).unwrap();
    assert_eq!(
        plan.steps,
        [PlanStep::SetSettings(Box::new(SettingsChange::new(fewer, Settings::default())))]
    );
    let fresh = policy(ClusterConfig::default());
    assert_eq!(fresh.plan(&wanted, false), Ok(Plan::default()), "it is what a cluster begins with");
}
