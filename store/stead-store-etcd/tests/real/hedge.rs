//! Members that keep silent while others would answer: the others are asked as well, and nothing happens twice.
//!
//! A whole call and one attempt may take longer here than a test: what ends is ended by a hedge.

use std::time::Duration;

use serde_json::json;
use stead_store::{Guard, Operation, Outcome, Store, Transaction};
use stead_store_etcd::{EtcdStore, Options, Start};

use crate::cluster::{Cluster, HUNG, put};
use crate::proxy::{Mode, Proxy};

/// A store that asks this relay first, and real members a moment later.
fn open(cluster: &Cluster, proxy: &Proxy) -> EtcdStore {
    let mut options = Options {
        deadline: HUNG * 2,
        attempt: HUNG * 2,
        hedge: Some(Duration::from_secs(1)),
        ..cluster.options("c", "n1")
    };
    options.endpoints.insert(0, proxy.url.clone());
    EtcdStore::open(options, Start::Existing).unwrap()
}

fn begin() -> Option<(Cluster, Proxy, EtcdStore)> {
    let cluster = Cluster::start(3)?;
    drop(cluster.create("c"));
    let proxy = Proxy::start(&cluster.endpoints()[0]);
    let store = open(&cluster, &proxy);
    // Whoever answered is preferred; this may have been the relay or not.
    store.commit(put("a", 1)).unwrap();
    Some((cluster, proxy, store))
}

/// Opened anew, a store prefers the relay.
fn again(cluster: &Cluster, proxy: &Proxy, mode: Mode) -> EtcdStore {
    let store = open(cluster, proxy);
    assert_eq!(store.get("a").unwrap().unwrap().value, json!(1));
    proxy.set(mode);
    store
}

#[test]
fn a_silent_member_is_passed_over() {
    let Some((cluster, proxy, store)) = begin() else { return };
    drop(store);
    let store = again(&cluster, &proxy, Mode::LoseRequests);
    assert!(matches!(store.commit(put("a", 2)), Ok(Outcome::Committed(_))));
    assert_eq!(store.get("a").unwrap().unwrap().value, json!(2));
}

#[test]
fn a_stopped_leader_is_passed_over_once_there_is_another() {
    let Some((cluster, proxy, store)) = begin() else { return };
    let leader = cluster.leader();
    cluster.freeze(leader);
    // The first ones go to who still waits for the leader; they are asked again.
    for number in 2..6 {
        assert!(matches!(store.commit(put("a", number)), Ok(Outcome::Committed(_))));
        assert_eq!(store.get("a").unwrap().unwrap().value, json!(number));
    }
    cluster.thaw(leader);
    drop(proxy);
}

#[test]
fn what_happened_without_an_answer_is_told_by_the_next_member() {
    let Some((cluster, proxy, store)) = begin() else { return };
    let at = store.get("a").unwrap().unwrap().modified;
    drop(store);
    let store = again(&cluster, &proxy, Mode::LoseAnswers);
    let guards = vec![Guard::ModifiedAt("a".to_owned(), at)];
    let outcome = store.commit(Transaction { guards, ..put("a", 2) }).unwrap();
    let entry = store.get("a").unwrap().unwrap();
    assert_eq!((outcome, entry.value), (Outcome::Committed(entry.modified), json!(2)));
}

#[test]
fn a_copy_that_comes_late_does_nothing() {
    let Some((cluster, proxy, store)) = begin() else { return };
    drop(store);
    let store = again(&cluster, &proxy, Mode::HoldRequests);
    // No guard of its own: were a copy carried out late, it would undo what comes next.
    store.commit(put("a", 2)).unwrap();
    store.commit(put("a", 3)).unwrap();
    proxy.set(Mode::Pass);
    proxy.wait_for_late_answer();
    assert_eq!(store.get("a").unwrap().unwrap().value, json!(3));
}

#[test]
fn a_conflict_is_told_when_no_copy_can_happen_any_more() {
    let Some((cluster, proxy, store)) = begin() else { return };
    drop(store);
    let store = again(&cluster, &proxy, Mode::HoldRequests);
    let guards = vec![Guard::Absent("a".to_owned())];
    let outcome = store.commit(Transaction { guards, ..put("a", 2) }).unwrap();
    assert_eq!(outcome, Outcome::Conflict("a".to_owned()));
    // Now the guard of the copy that is still on its way would hold. Another node does that, which moves no lane of ours.
    let operations = vec![Operation::Delete("a".to_owned())];
    cluster.open("c", "n2").commit(Transaction { guards: Vec::new(), operations }).unwrap();
    proxy.set(Mode::Pass);
    proxy.wait_for_late_answer();
    assert_eq!(store.get("a").unwrap(), None);
}
