//! Whose database it is, and that it is the one of before.

use std::sync::Arc;
use std::thread;
use std::time::Duration;

use serde_json::json;
use stead_store::{Change, News, Outcome, Store, StoreError};
use stead_store_etcd::{DAMAGED, EtcdStore, Memory, Options, Start};

use crate::cluster::{Cluster, HUNG, increment, put};

fn replaced<T: std::fmt::Debug>(result: Result<T, StoreError>, part: &str) {
    match result {
        Err(StoreError::Replaced(text)) => assert!(text.contains(part), "{part:?} is not in {text:?}"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_cluster_is_made_once_and_must_be_there() {
    let Some(cluster) = Cluster::start(1) else { return };
    let absent = EtcdStore::open(cluster.options("c", "n1"), Start::Existing).unwrap_err().to_string();
    assert!(absent.contains("no cluster \"c\"") && absent.contains(&cluster.endpoints()[0]), "{absent}");
    let first = cluster.create("c");
    let again = EtcdStore::open(cluster.options("c", "n2"), Start::Create).unwrap_err();
    assert!(matches!(&again, StoreError::InUse(text) if text.contains("\"c\"")), "{again:?}");
    let second = cluster.open("c", "n2");
    assert_eq!(second.opened().incarnation, first.opened().incarnation);
    assert!(!second.opened().is_new);
}

#[test]
fn of_many_who_make_a_cluster_at_once_one_does() {
    let Some(cluster) = Cluster::start(1) else { return };
    let made: Vec<_> = (0..6)
        .map(|number| {
            let options = cluster.options("c", &format!("n{number}"));
            thread::spawn(move || EtcdStore::open(options, Start::Create))
        })
        .collect();
    let made: Vec<_> = made.into_iter().map(|made| made.join().unwrap()).collect();
    assert_eq!(made.iter().filter(|made| made.is_ok()).count(), 1, "{made:?}");
    let others = made.iter().filter_map(|made| made.as_ref().err());
    assert!(others.into_iter().all(|error| matches!(error, StoreError::InUse(_))));
}

#[test]
fn clusters_in_one_etcd_do_not_meet() {
    let Some(cluster) = Cluster::start(1) else { return };
    let (one, two) = (cluster.create("c"), cluster.create("c2"));
    one.commit(put("a", 1)).unwrap();
    two.commit(put("a", 2)).unwrap();
    assert_eq!(one.get("a").unwrap().unwrap().value, json!(1));
    assert_eq!(two.list("").unwrap().1.len(), 1);
}

/// A cluster, a node with a memory that wrote to it, and a backup from before its last write.
fn with_backup(cluster: &Cluster) -> (Options, EtcdStore) {
    let mut options = cluster.options("c", "n1");
    options.memory = Some(Memory::new(cluster.folder().join("n1.seen")));
    let store = EtcdStore::open(options.clone(), Start::Create).unwrap();
    store.commit(put("a", 1)).unwrap();
    (options, store)
}

#[test]
fn a_restored_backup_is_noticed_and_can_be_adopted() {
    let Some(mut cluster) = Cluster::start(3) else { return };
    let (options, store) = with_backup(&cluster);
    let snapshot = cluster.folder().join("snapshot");
    let first = cluster.endpoints()[0].clone();
    let text = snapshot.display().to_string();
    cluster.ctl(&["--endpoints", &first, "snapshot", "save", &text]);
    store.commit(put("a", 2)).unwrap();
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    (0..3).for_each(|number| cluster.kill(number));
    cluster.restore(&snapshot);
    (0..3).for_each(|number| cluster.run(number));
    // The running one, its watch, one that starts with a memory, and one without.
    replaced(store.get("a"), "etcd cluster");
    replaced(store.commit(put("a", 3)), "etcd cluster");
    replaced(watch.next(HUNG), "etcd cluster");
    replaced(EtcdStore::open(options.clone(), Start::Existing), "restored");
    replaced(EtcdStore::open(cluster.options("c", "n2"), Start::Existing), "adopt");
    let adopted = EtcdStore::open(cluster.options("c", "n2"), Start::Adopt).unwrap();
    assert_eq!(adopted.get("a").unwrap().unwrap().value, json!(1));
    let back = EtcdStore::open(options.clone(), Start::Existing).unwrap();
    assert!(back.opened().is_new);
    assert_eq!(back.opened().incarnation, adopted.opened().incarnation);
    assert_eq!(increment(&back, "a"), Ok(Some(2)));
    drop(back);
    // So it is told at each start, until the wait that follows from it is over.
    assert!(EtcdStore::open(options.clone(), Start::Existing).unwrap().opened().is_new);
    options.memory.as_ref().unwrap().settled();
    assert!(!EtcdStore::open(options, Start::Existing).unwrap().opened().is_new);
    // So it is told, in other words, to a machine that was never here before.
    let memory = || Some(Memory::new(cluster.folder().join("n3.seen")));
    let fresh = || Options { memory: memory(), ..cluster.options("c", "n3") };
    let new = EtcdStore::open(fresh(), Start::Existing).unwrap();
    assert!(new.opened().is_unknown && !new.opened().is_new);
    drop(new);
    let options = fresh();
    let again = EtcdStore::open(options.clone(), Start::Existing).unwrap();
    assert!(again.opened().is_new && !again.opened().is_unknown);
    options.memory.unwrap().settled();
    let settled = EtcdStore::open(fresh(), Start::Existing).unwrap();
    assert!(!settled.opened().is_new && !settled.opened().is_unknown);
}

#[test]
fn an_older_copy_of_the_files_is_noticed() {
    let Some(mut cluster) = Cluster::start(1) else { return };
    let (options, store) = with_backup(&cluster);
    cluster.kill(0);
    cluster.copy(0, true);
    cluster.run(0);
    assert!(matches!(store.commit(put("a", 2)), Ok(Outcome::Committed(_))));
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    // One that only reads has nothing but the revision to tell by.
    let reader = cluster.open("c", "reader");
    assert_eq!(reader.get("a").unwrap().unwrap().value, json!(2));
    cluster.kill(0);
    cluster.copy(0, false);
    cluster.run(0);
    // The id of the etcd cluster is the same; only the revision tells.
    replaced(reader.get("a"), "revision");
    replaced(reader.commit(put("a", 3)), "revision");
    replaced(store.commit(put("a", 3)), "revision");
    replaced(watch.next(HUNG), "revision");
    replaced(store.list(""), "revision");
    // A process that ends of it has written how far it was, though the file is a second behind otherwise.
    let after = Options { memory: Some(Memory::new(cluster.folder().join("n1.seen"))), ..options.clone() };
    replaced(EtcdStore::open(after.clone(), Start::Existing), "older copy");
    // Somebody who knew nothing writes to the copy until its revision is high enough: the doubt remains.
    let other = cluster.open("c", "other");
    let file = std::fs::read(cluster.folder().join("n1.seen")).unwrap();
    let seen = serde_json::from_slice::<serde_json::Value>(&file).unwrap()["revision"].as_u64().unwrap();
    while other.list("").unwrap().0 < seen {
        other.commit(put("b", 1)).unwrap();
    }
    let back = EtcdStore::open(after.clone(), Start::Existing).unwrap();
    assert!(back.opened().is_new);
    after.memory.unwrap().settled();
    assert!(!EtcdStore::open(options, Start::Existing).unwrap().opened().is_new);
}

#[test]
fn an_adoption_ends_what_other_nodes_have_open() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    store.commit(put("a", 1)).unwrap();
    drop(EtcdStore::open(cluster.options("c", "n2"), Start::Adopt).unwrap());
    replaced(store.commit(put("a", 2)), "adopted");
    replaced(store.get("a"), "adopted");
    assert_eq!(cluster.open("c", "n1").get("a").unwrap().unwrap().value, json!(1));
}

#[test]
fn the_name_of_a_cluster_that_was_deleted_by_hand_is_made_anew_by_an_adoption() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    store.commit(put("a", 1)).unwrap();
    cluster.ctl(&["del", "/stead/c/meta"]);
    replaced(store.commit(put("a", 2)), "");
    assert!(EtcdStore::open(cluster.options("c", "n1"), Start::Existing).is_err());
    let look = EtcdStore::open(cluster.options("c", "n2"), Start::AsItIs).unwrap();
    assert_eq!(look.get("a").unwrap().unwrap().value, json!(1));
    let adopted = EtcdStore::open(cluster.options("c", "n2"), Start::Adopt).unwrap();
    assert_eq!(adopted.get("a").unwrap().unwrap().value, json!(1));
    replaced(look.commit(put("a", 2)), "");
    assert_eq!(cluster.open("c", "n1").get("a").unwrap().unwrap().value, json!(1));
    // Where there is nothing, nothing is adopted.
    cluster.ctl(&["del", "--prefix", "/stead/c/"]);
    assert!(EtcdStore::open(cluster.options("c", "n2"), Start::Adopt).is_err());
    assert!(EtcdStore::open(cluster.options("c", "n2"), Start::AsItIs).is_err());
}

#[test]
fn a_database_that_was_emptied_is_not_taken_for_a_new_one() {
    let Some(cluster) = Cluster::start(1) else { return };
    let (options, store) = with_backup(&cluster);
    cluster.ctl(&["del", "--prefix", "/stead/"]);
    replaced(store.commit(put("a", 2)), "is gone");
    replaced(EtcdStore::open(options, Start::Existing), "is gone");
}

#[test]
fn keys_of_a_writer_that_were_deleted_by_hand_come_back() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    store.commit(put("a", 1)).unwrap();
    cluster.ctl(&["del", "--prefix", "/stead/c/writers/"]);
    assert!(matches!(store.commit(put("a", 2)), Ok(Outcome::Committed(_))));
}

#[test]
fn a_document_changed_by_hand_is_named() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    store.commit(put("group/web", 1)).unwrap();
    cluster.ctl(&["put", "/stead/c/documents/group/web", "2"]);
    store.commit(put("group/db", 1)).unwrap();
    assert_eq!(store.get("group/web").unwrap().unwrap().value, json!(DAMAGED));
    let (revision, entries) = store.list("group/").unwrap();
    let values: Vec<_> = entries.into_iter().map(|entry| (entry.key, entry.value)).collect();
    assert_eq!(values, [("group/db".to_owned(), json!(1)), ("group/web".to_owned(), json!(DAMAGED))]);
    // A watch goes on after it, and what was put anew is guarded as ever.
    let mut watch = store.watch("group/", revision).unwrap();
    cluster.ctl(&["put", "/stead/c/documents/group/web", "3"]);
    store.commit(put("group/db", 2)).unwrap();
    let mut told = Vec::new();
    while told.len() < 2 {
        if let Some(News::Changes { changes, .. }) = watch.next(Duration::from_secs(5)).unwrap() {
            told.extend(changes);
        }
    }
    assert!(matches!(&told[0], Change::Put(entry) if entry.value == json!(DAMAGED)), "{told:?}");
    assert!(matches!(&told[1], Change::Put(entry) if entry.value == json!(2)), "{told:?}");
}

#[test]
fn two_processes_with_one_name_lose_nothing() {
    let Some(cluster) = Cluster::start(1) else { return };
    drop(cluster.create("c"));
    let one_name = || cluster.open("c", "n1");
    let stores: Vec<Arc<EtcdStore>> = vec![Arc::new(one_name()), Arc::new(one_name())];
    let threads: Vec<_> = stores
        .into_iter()
        .map(|store| {
            thread::spawn(move || (0..100).filter(|_| increment(&*store, "a").unwrap().is_some()).count())
        })
        .collect();
    let acknowledged: usize = threads.into_iter().map(|thread| thread.join().unwrap()).sum();
    assert_eq!(cluster.open("c", "judge").get("a").unwrap().unwrap().value, json!(acknowledged));
}
