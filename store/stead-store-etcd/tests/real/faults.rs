//! Members that die, stop, or are slow; answers that are lost; requests that come late.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::json;
use stead_store::{Guard, Outcome, Store, StoreError, Transaction};
use stead_store_etcd::{EtcdStore, Start};

use crate::cluster::{Cluster, HUNG, increment, put};
use crate::proxy::{Mode, Proxy};

/// What one writer was told.
#[derive(Debug, Default)]
struct Told {
    acknowledged: Vec<u64>,
    unknown: usize,
    /// Increments of the writer's own counter that were acknowledged, or unknown and then found to have happened.
    own: u64,
}

/// Asks until it is answered.
fn surely<T>(ask: impl Fn() -> Result<T, StoreError>) -> T {
    let begin = Instant::now();
    loop {
        match ask() {
            Ok(answer) => return answer,
            Err(error) => assert!(begin.elapsed() < HUNG, "{error}"),
        }
    }
}

fn count(store: &dyn Store, key: &str) -> u64 {
    surely(|| store.get(key)).map_or(0, |entry| entry.value.as_u64().unwrap())
}

/// Increments a counter that all share and one of its own, until it is told to stop.
fn write(store: &EtcdStore, own: &str, stop: &AtomicBool, progress: &Sender<()>) -> Told {
    let mut told = Told::default();
    while !stop.load(Ordering::Relaxed) {
        match increment(store, "shared") {
            Ok(Some(value)) => {
                told.acknowledged.push(value);
                let _ = progress.send(());
            }
            Err(StoreError::Unknown(_)) => told.unknown += 1,
            Ok(None) | Err(StoreError::Unavailable(_)) => {}
            Err(error) => panic!("{error}"),
        }
        match increment(store, own) {
            Ok(Some(value)) => {
                told.own += 1;
                assert_eq!(value, told.own, "nobody else writes {own}");
            }
            Ok(None) => panic!("a conflict on {own}, which nobody else writes"),
            Err(StoreError::Unavailable(_)) => {
                assert_eq!(count(store, own), told.own, "told that nothing changed")
            }
            Err(StoreError::Unknown(_)) => {
                // What is read now is final: it happened, or it never will.
                let now = count(store, own);
                assert!(now == told.own || now == told.own + 1, "{now} after {}", told.own);
                told.own = now;
            }
            Err(error) => panic!("{error}"),
        }
    }
    told
}

fn wait_for(progress: &Receiver<()>, count: usize) {
    for _ in 0..count {
        progress.recv_timeout(HUNG).expect("nothing is acknowledged any more");
    }
}

fn counters(deadline: Duration, attempt: Duration, faults: impl FnOnce(&mut Cluster, &Receiver<()>)) {
    let Some(mut cluster) = Cluster::start(3) else { return };
    drop(cluster.create("c"));
    let stop = Arc::new(AtomicBool::new(false));
    let (sender, progress) = channel();
    let writers: Vec<JoinHandle<Told>> = (0..3)
        .map(|number| {
            let mut options = cluster.options("c", &format!("n{number}"));
            // Each begins with another member.
            options.endpoints.rotate_left(number);
            (options.deadline, options.attempt) = (deadline, attempt);
            let store = surely(|| EtcdStore::open(options.clone(), Start::Existing));
            let (stop, sender) = (Arc::clone(&stop), sender.clone());
            thread::spawn(move || write(&store, &format!("own{number}"), &stop, &sender))
        })
        .collect();
    faults(&mut cluster, &progress);
    wait_for(&progress, 20);
    stop.store(true, Ordering::Relaxed);
    let told: Vec<Told> = writers.into_iter().map(|writer| writer.join().unwrap()).collect();
    let store = cluster.open("c", "judge");
    let acknowledged: Vec<u64> = told.iter().flat_map(|told| told.acknowledged.clone()).collect();
    let unknown: usize = told.iter().map(|told| told.unknown).sum();
    let distinct: BTreeSet<u64> = acknowledged.iter().copied().collect();
    assert_eq!(distinct.len(), acknowledged.len(), "a value was acknowledged twice");
    let stored = count(&store, "shared");
    let (least, most) = (acknowledged.len() as u64, (acknowledged.len() + unknown) as u64);
    assert!((least..=most).contains(&stored), "{stored} is not within {least} and {most}");
    for (number, told) in told.iter().enumerate() {
        assert_eq!(count(&store, &format!("own{number}")), told.own);
    }
    println!("{} acknowledged, {unknown} unknown, {stored} stored", acknowledged.len());
}

const PATIENT: (Duration, Duration) = (Duration::from_secs(30), Duration::from_millis(500));

/// Less than an election takes, so that much ends unknown.
const HASTY: (Duration, Duration) = (Duration::from_millis(200), Duration::from_millis(200));

fn kill_leaders(cluster: &mut Cluster, progress: &Receiver<()>) {
    for _ in 0..3 {
        wait_for(progress, 30);
        let leader = cluster.leader();
        cluster.kill(leader);
        wait_for(progress, 30);
        cluster.run(leader);
    }
}

fn freeze_leaders(cluster: &mut Cluster, progress: &Receiver<()>) {
    for _ in 0..3 {
        wait_for(progress, 30);
        let leader = cluster.leader();
        cluster.freeze(leader);
        wait_for(progress, 30);
        cluster.thaw(leader);
    }
}

#[test]
fn killed_leaders_lose_and_repeat_nothing() {
    counters(PATIENT.0, PATIENT.1, kill_leaders);
}

#[test]
fn killed_leaders_lose_and_repeat_nothing_for_the_hasty() {
    counters(HASTY.0, HASTY.1, kill_leaders);
}

#[test]
fn frozen_leaders_lose_and_repeat_nothing() {
    counters(PATIENT.0, PATIENT.1, freeze_leaders);
}

#[test]
fn frozen_leaders_lose_and_repeat_nothing_for_the_hasty() {
    counters(HASTY.0, HASTY.1, freeze_leaders);
}

#[test]
fn a_restart_of_all_members_loses_and_repeats_nothing() {
    counters(PATIENT.0, PATIENT.1, |cluster, progress| {
        wait_for(progress, 30);
        (0..3).for_each(|number| cluster.kill(number));
        (0..3).for_each(|number| cluster.run(number));
    });
}

#[test]
fn without_a_majority_nothing_is_promised_and_with_it_all_goes_on() {
    let Some(mut cluster) = Cluster::start(3) else { return };
    let patient = cluster.create("c");
    let mut options = cluster.options("c", "n2");
    (options.deadline, options.attempt) = (Duration::from_secs(2), Duration::from_millis(400));
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    store.commit(put("before", 1)).unwrap();
    (0..2).for_each(|number| cluster.kill(number));
    let told = store.get("before").unwrap_err();
    let text = told.to_string();
    assert!(matches!(told, StoreError::Unavailable(_)), "{text}");
    assert!(text.contains(&cluster.endpoints()[2]) && text.contains("majority"), "{text}");
    let unknown = match store.commit(put("during", 2)) {
        Err(StoreError::Unknown(_)) => true,
        Err(StoreError::Unavailable(_)) => false,
        other => panic!("{other:?}"),
    };
    (0..2).for_each(|number| cluster.run(number));
    let now = surely(|| store.get("during"));
    assert!(unknown || now.is_none(), "told that nothing changed");
    surely(|| store.commit(put("after", 3)));
    assert_eq!(store.get("during").unwrap(), now, "what was settled changed");
    assert_eq!(patient.get("after").unwrap().unwrap().value, json!(3));
}

#[test]
fn with_every_member_gone_nothing_is_sent_and_that_is_told() {
    let Some(mut cluster) = Cluster::start(1) else { return };
    drop(cluster.create("c"));
    let mut options = cluster.options("c", "n1");
    (options.deadline, options.attempt) = (Duration::from_secs(1), Duration::from_millis(400));
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    store.commit(put("a", 1)).unwrap();
    cluster.kill(0);
    // The first may have found the connection still there.
    let _ = store.commit(put("a", 2));
    let told = store.commit(put("a", 3)).unwrap_err();
    assert!(matches!(&told, StoreError::Unavailable(text) if text.contains("refused")), "{told:?}");
    cluster.run(0);
    assert!(count(&store, "a") < 3);
}

#[test]
fn a_frozen_member_is_left_for_another() {
    let Some(cluster) = Cluster::start(3) else { return };
    drop(cluster.create("c"));
    let follower = (cluster.leader() + 1) % 3;
    let mut options = cluster.options("c", "n1");
    // The only one that is given; the others are learned from it.
    options.endpoints = vec![cluster.endpoints()[follower].clone()];
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    let known: BTreeSet<String> = store.members().into_iter().collect();
    assert_eq!(known, cluster.endpoints().into_iter().collect());
    cluster.freeze(follower);
    assert_eq!(increment(&store, "a"), Ok(Some(1)));
    cluster.thaw(follower);
    assert_eq!(increment(&store, "a"), Ok(Some(2)));
}

#[test]
fn an_answer_that_is_lost_is_found_out() {
    let Some(cluster) = Cluster::start(3) else { return };
    drop(cluster.create("c"));
    let proxy = Proxy::start(&cluster.endpoints()[0]);
    let mut options = cluster.options("c", "n1");
    options.endpoints.insert(0, proxy.url.clone());
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    assert_eq!(increment(&store, "a"), Ok(Some(1)));
    proxy.set(Mode::LoseAnswers);
    let guard = Guard::ModifiedAt("a".to_owned(), store_revision(&cluster, "a"));
    let outcome = store.commit(Transaction { guards: vec![guard], ..put("a", 2) }).unwrap();
    let entry = store.get("a").unwrap().unwrap();
    // It happened with the first request: a second one would have met a conflict.
    assert_eq!((outcome, entry.value), (Outcome::Committed(entry.modified), json!(2)));
}

fn store_revision(cluster: &Cluster, key: &str) -> u64 {
    cluster.open("c", "reader").get(key).unwrap().unwrap().modified
}

#[test]
fn a_request_that_comes_late_does_nothing() {
    let Some(cluster) = Cluster::start(3) else { return };
    drop(cluster.create("c"));
    let proxy = Proxy::start(&cluster.endpoints()[0]);
    let mut options = cluster.options("c", "n1");
    options.endpoints.insert(0, proxy.url.clone());
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    store.commit(put("a", 1)).unwrap();
    let before = store.list("").unwrap().0;
    proxy.set(Mode::HoldRequests);
    // No guard of its own: were it carried out late, it would undo what comes next.
    store.commit(put("a", 2)).unwrap();
    store.commit(put("a", 3)).unwrap();
    proxy.set(Mode::Pass);
    proxy.wait_for_late_answer();
    let mut watch = store.watch("", before).unwrap();
    let mut changes = 0;
    assert_eq!(store.get("a").unwrap().unwrap().value, json!(3));
    store.commit(put("end", 0)).unwrap();
    while let Some(news) = watch.next(HUNG).unwrap() {
        let stead_store::News::Changes { changes: told, .. } = news else { panic!("{news:?}") };
        if told.iter().any(|change| change.key() == "end") {
            break;
        }
        changes += told.len();
    }
    assert_eq!(changes, 2);
}

#[test]
fn what_was_unknown_is_settled_before_anything_is_read() {
    // An address that nobody can use keeps the member from being reached around the relays.
    let flags = |_: &_, _: &_| vec!["--advertise-client-urls=http://0.0.0.0:1".to_owned()];
    let Some(cluster) = Cluster::start_with(1, "http", flags) else { return };
    drop(cluster.create("c"));
    let (first, second) = (Proxy::start(&cluster.endpoints()[0]), Proxy::start(&cluster.endpoints()[0]));
    let mut options = cluster.options("c", "n1");
    options.endpoints = vec![first.url.clone(), second.url.clone()];
    (options.deadline, options.attempt) = (Duration::from_millis(1500), Duration::from_millis(400));
    let store = EtcdStore::open(options, Start::Existing).unwrap();
    assert_eq!(store.members(), [first.url.clone(), second.url.clone()]);
    store.commit(put("a", 1)).unwrap();
    first.set(Mode::HoldRequests);
    second.set(Mode::LoseRequests);
    let told = store.commit(put("a", 2)).unwrap_err();
    assert!(matches!(told, StoreError::Unknown(_)), "{told:?}");
    second.set(Mode::Pass);
    assert_eq!(count(&store, "a"), 1);
    // Only now does the request arrive; what was read must stay true.
    first.set(Mode::Pass);
    first.wait_for_late_answer();
    assert_eq!(count(&store, "a"), 1);
    assert_eq!(surely(|| increment(&store, "a")), Some(2));
}
