//! What etcd does not take is refused, and nothing changed; what it takes in pages comes whole.

use serde_json::json;
use stead_store::{Guard, Operation, Outcome, Store, StoreError, Transaction};
use stead_store_etcd::{MOST_GUARDS, MOST_OPERATIONS};

use crate::cluster::{Cluster, put};

fn puts(count: usize) -> Transaction {
    let put = |number| Operation::Put(format!("k{number:04}"), json!(number));
    Transaction { guards: Vec::new(), operations: (0..count).map(put).collect() }
}

#[test]
fn a_transaction_over_the_limits_is_refused() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    let guards = |count| (0..count).map(|number| Guard::Absent(format!("g{number}"))).collect();
    let refused = [
        puts(MOST_OPERATIONS + 1),
        Transaction { guards: guards(MOST_GUARDS + 1), ..put("k0000", 1) },
        Transaction {
            guards: Vec::new(),
            operations: vec![Operation::Put("k0000".to_owned(), json!("x".repeat(1_600_000)))],
        },
    ];
    for transaction in refused {
        assert!(matches!(store.commit(transaction), Err(StoreError::TooLarge(_))));
        assert_eq!(store.list("").unwrap().1, []);
    }
    let largest = Transaction { guards: guards(MOST_GUARDS), ..puts(MOST_OPERATIONS) };
    assert!(matches!(store.commit(largest), Ok(Outcome::Committed(_))));
    assert_eq!(store.list("").unwrap().1.len(), MOST_OPERATIONS);
}

#[test]
fn limits_that_an_operator_lowered_are_told_by_etcd() {
    let flags = ["--max-txn-ops=8", "--max-request-bytes=20000"].map(ToOwned::to_owned).to_vec();
    let Some(cluster) = Cluster::start_with(1, "http", |_, _| flags) else { return };
    let store = cluster.create("c");
    let large = Operation::Put("a".to_owned(), json!("x".repeat(30_000)));
    let larger = Operation::Put("a".to_owned(), json!("x".repeat(700_000)));
    let refused = [
        puts(20),
        Transaction { guards: Vec::new(), operations: vec![large] },
        Transaction { guards: Vec::new(), operations: vec![larger] },
    ];
    for transaction in refused {
        let told = store.commit(transaction).unwrap_err();
        assert!(matches!(told, StoreError::TooLarge(_)), "{told:?}");
        assert!(told.to_string().contains(&cluster.endpoints()[0]), "{told}");
    }
    assert!(matches!(store.commit(put("a", 1)), Ok(Outcome::Committed(_))));
    assert_eq!(store.list("").unwrap().1.len(), 1);
}

#[test]
fn a_long_listing_is_whole_and_of_one_revision() {
    let Some(cluster) = Cluster::start(1) else { return };
    let store = cluster.create("c");
    for hundred in 0..25 {
        let put = |number| Operation::Put(format!("k{:04}", hundred * 100 + number), json!(number));
        let operations = (0..100).map(put).collect();
        store.commit(Transaction { guards: Vec::new(), operations }).unwrap();
    }
    let (revision, entries) = store.list("k").unwrap();
    assert!(entries.iter().enumerate().all(|(number, entry)| entry.key == format!("k{number:04}")));
    assert_eq!((entries.len(), entries.last().unwrap().modified), (2500, revision));
}

#[test]
fn a_full_database_says_so_and_keeps_its_word() {
    let flags = vec!["--quota-backend-bytes=16777216".to_owned()];
    let Some(cluster) = Cluster::start_with(1, "http", |_, _| flags) else { return };
    let store = cluster.create("c");
    let large = |key: &str| Transaction {
        guards: Vec::new(),
        operations: vec![Operation::Put(key.to_owned(), json!("x".repeat(1_000_000)))],
    };
    let mut told = Vec::new();
    for number in 0.. {
        match store.commit(large(&format!("k{number}"))) {
            Ok(_) => assert!(number < 100, "it is never full"),
            Err(error) => {
                assert_eq!(store.get(&format!("k{number}")), Ok(None), "told that nothing changed");
                told.push(error);
                if told.len() == 3 {
                    break;
                }
            }
        }
    }
    for error in told {
        assert!(matches!(error, StoreError::NoSpace(_)), "{error:?}");
        let text = error.to_string();
        assert!(text.contains(&cluster.endpoints()[0]) && text.contains("alarm disarm"), "{text}");
    }
    // What the message tells to do helps.
    cluster.ctl(&["del", "--prefix", "/stead/c/documents/"]);
    let now = store.list("").unwrap().0;
    cluster.ctl(&["compact", "--physical", &now.to_string()]);
    cluster.ctl(&["defrag"]);
    cluster.ctl(&["alarm", "disarm"]);
    assert!(matches!(store.commit(put("a", 1)), Ok(Outcome::Committed(_))));
}
