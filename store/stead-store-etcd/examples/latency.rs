//! How long guarded writes take, and how soon another node hears of them. Run by `cargo xtask bench etcd`.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "it measures, and stops where that is not possible"
)]

#[allow(dead_code, reason = "the tests use the rest of it")]
#[path = "../tests/real/cluster.rs"]
mod cluster;

use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

use cluster::{Cluster, HUNG, increment};
use stead_store::Store;

const ROUNDS: usize = 2_000;

fn shown(mut all: Vec<Duration>) -> String {
    all.sort();
    format!("{} {}", all[all.len() / 2].as_micros(), all[all.len() * 99 / 100].as_micros())
}

fn main() {
    let Some(cluster) = Cluster::start(3) else {
        println!("SKIPPED: etcd is not installed");
        return;
    };
    let store = cluster.create("c");
    let other = cluster.open("c", "n2");
    let mut watch = other.watch("a", other.list("").unwrap().0).unwrap();
    let (heard, arrivals) = channel();
    let listener = thread::spawn(move || {
        for _ in 0..ROUNDS {
            watch.next(HUNG).unwrap().expect("the watch hangs");
            heard.send(Instant::now()).unwrap();
        }
    });
    let (mut writes, mut news) = (Vec::new(), Vec::new());
    let mut modified = None;
    for value in 0..ROUNDS as u64 {
        let guard = match modified {
            None => stead_store::Guard::Absent("a".to_owned()),
            Some(at) => stead_store::Guard::ModifiedAt("a".to_owned(), at),
        };
        let transaction = stead_store::Transaction { guards: vec![guard], ..cluster::put("a", value) };
        let begin = Instant::now();
        let stead_store::Outcome::Committed(at) = store.commit(transaction).unwrap() else {
            panic!("a conflict, though nobody else writes");
        };
        writes.push(begin.elapsed());
        modified = Some(at);
        news.push(arrivals.recv_timeout(HUNG).unwrap() - begin);
    }
    listener.join().unwrap();
    assert!(increment(&store, "a").unwrap().is_some());
    println!("{} {}", shown(writes), shown(news));
}
