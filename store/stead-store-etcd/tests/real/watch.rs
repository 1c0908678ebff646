//! Watches across compactions and members that go away.

use std::time::Duration;

use serde_json::json;
use stead_store::conformance::Mirror;
use stead_store::{Change, News, Store};
use stead_store_etcd::{EtcdStore, Start};

use crate::cluster::{Cluster, HUNG, increment, put};

#[test]
fn a_compaction_makes_a_watch_begin_anew() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    store.commit(put("a", 1)).unwrap();
    store.commit(put("gone", 1)).unwrap();
    let (revision, entries) = store.list("").unwrap();
    let mut mirror = Mirror::default();
    mirror.take(News::Everything { revision, entries });
    let gone = stead_store::Operation::Delete("gone".to_owned());
    store.commit(stead_store::Transaction { guards: Vec::new(), operations: vec![gone] }).unwrap();
    for number in 0..10 {
        store.commit(put("a", number)).unwrap();
    }
    let now = store.list("").unwrap().0;
    cluster.ctl(&["compact", &now.to_string()]);
    let mut watch = store.watch("", revision).unwrap();
    let news = watch.next(HUNG).unwrap().expect("the watch hangs");
    assert!(matches!(news, News::Everything { .. }), "{news:?}");
    mirror.take(news);
    mirror.compare(&store, "");
    store.commit(put("a", 100)).unwrap();
    mirror.follow(&mut *watch, |mirror| mirror.changes == 1);
    mirror.compare(&store, "");
}

/// Every value of a counter comes once and in order, while `fault` happens in the middle.
fn every_value_once(fault: impl FnOnce(&mut Cluster)) {
    let Some(mut cluster) = Cluster::start(3) else { return };
    drop(cluster.create("c"));
    let mut options = cluster.options("c", "n1");
    // The watch hangs on the leader, which is what goes away.
    options.endpoints.rotate_left(cluster.leader());
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    let mut watch = store.watch("a", store.list("").unwrap().0).unwrap();
    let mut fault = Some(fault);
    let mut seen = 0;
    for round in 1..=6 {
        for _ in 0..20 {
            assert!(increment(&store, "a").unwrap().is_some());
        }
        if round == 3
            && let Some(fault) = fault.take()
        {
            fault(&mut cluster);
        }
        while seen < round * 20 {
            let news = watch.next(HUNG).unwrap().expect("the watch hangs");
            let News::Changes { changes, .. } = news else { panic!("{news:?}") };
            let [Change::Put(entry)] = changes.as_slice() else { panic!("{changes:?}") };
            seen += 1;
            assert_eq!(entry.value, json!(seen));
        }
    }
    assert_eq!(watch.next(Duration::from_millis(50)), Ok(None));
}

#[test]
fn a_killed_leader_is_no_gap() {
    every_value_once(|cluster| cluster.kill(cluster.leader()));
}

#[test]
fn a_frozen_leader_is_no_gap() {
    every_value_once(|cluster| cluster.freeze(cluster.leader()));
}

#[test]
fn each_member_going_in_turn_is_no_gap() {
    every_value_once(|cluster| {
        for number in 0..3 {
            cluster.kill(number);
            cluster.run(number);
            cluster.ctl(&["put", "/elsewhere", "x"]);
        }
    });
}

#[test]
fn a_restart_of_all_members_is_no_gap() {
    every_value_once(|cluster| {
        (0..3).for_each(|number| cluster.kill(number));
        (0..3).for_each(|number| cluster.run(number));
    });
}

#[test]
fn a_watch_ends_with_its_store() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    drop(store);
    assert!(watch.next(HUNG).is_err());
}
