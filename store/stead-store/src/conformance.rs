//! What every backend must do. A backend's test calls [`run`] with a way to make empty stores.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test suite, though other crates call it")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::{
    Change, Entry, Guard, News, Operation, Outcome, Revision, Store, StoreError, Transaction, Watch,
};

fn put(key: &str, value: serde_json::Value) -> Transaction {
    Transaction { guards: Vec::new(), operations: vec![Operation::Put(key.to_owned(), value)] }
}

fn guarded(guard: Guard, key: &str, value: serde_json::Value) -> Transaction {
    Transaction { guards: vec![guard], ..put(key, value) }
}

fn committed(outcome: &Outcome) -> u64 {
    match outcome {
        Outcome::Committed(revision) => *revision,
        Outcome::Conflict(key) => panic!("conflict on {key}"),
    }
}

/// Runs every check on stores made by `make`, each of which must be empty.
///
/// # Panics
/// When a check fails.
pub fn run(make: &dyn Fn() -> Box<dyn Store>) {
    an_empty_store_has_nothing(&*make());
    revisions_rise_and_are_kept(&*make());
    lists_are_ordered_and_end_with_the_prefix(&*make());
    guards_decide(&*make());
    a_transaction_is_all_or_nothing(&*make());
    operations_happen_in_order(&*make());
    the_last_operation_on_a_key_counts(&*make());
    documents_come_back_as_they_were(&*make());
    bad_keys_are_refused(&*make());
    large_documents_pass(&*make());
    one_of_many_wins_a_guard(make());
    a_watch_tells_every_change_once(&*make());
    a_watch_resumes_where_another_ended(&*make());
    a_watch_keeps_to_its_prefix(&*make());
    a_watch_that_was_slow_catches_up(&*make());
    a_watch_follows_many_writers(make());
}

/// A check that waits longer than this hangs.
const HUNG: Duration = Duration::from_secs(60);

/// What a watcher knows: the documents as its news made them.
#[derive(Debug, Default)]
pub struct Mirror {
    /// The revision of the last news.
    pub revision: Revision,
    /// The documents.
    pub entries: BTreeMap<String, Entry>,
    /// How many changes came one by one.
    pub changes: usize,
}

impl Mirror {
    /// Takes news in.
    ///
    /// # Panics
    /// When they break the rules of a watch: a revision twice or out of order, a key twice, or a deletion of nothing.
    pub fn take(&mut self, news: News) {
        let before = self.revision;
        self.revision = news.revision();
        match news {
            News::Everything { revision, entries } => {
                assert!(revision >= before, "everything of {revision} after {before}");
                self.entries = entries.into_iter().map(|entry| (entry.key.clone(), entry)).collect();
            }
            News::Changes { revision, changes } => {
                assert!(revision > before, "changes of {revision} after {before}");
                assert!(!changes.is_empty());
                let mut keys: Vec<_> = changes.iter().map(Change::key).collect();
                keys.sort_unstable();
                keys.dedup();
                assert_eq!(keys.len(), changes.len(), "a key twice in {changes:?}");
                self.changes += changes.len();
                for change in changes {
                    match change {
                        Change::Put(entry) => {
                            assert_eq!(entry.modified, revision);
                            self.entries.insert(entry.key.clone(), entry);
                        }
                        Change::Deleted(key) => {
                            assert!(self.entries.remove(&key).is_some(), "{key} was not there");
                        }
                    }
                }
            }
        }
    }

    /// Takes news in until `done`.
    ///
    /// # Panics
    /// When the watch fails, or it takes a minute.
    pub fn follow(&mut self, watch: &mut dyn Watch, done: impl Fn(&Mirror) -> bool) {
        let begin = Instant::now();
        while !done(self) {
            if let Some(news) = watch.next(Duration::from_secs(1)).unwrap() {
                self.take(news);
            }
            assert!(begin.elapsed() < HUNG, "the watch hangs at {self:?}");
        }
    }

    /// Compares with the store.
    ///
    /// # Panics
    /// When they differ.
    pub fn compare(&self, store: &dyn Store, prefix: &str) {
        let entries: Vec<Entry> = self.entries.values().cloned().collect();
        assert_eq!(entries, store.list(prefix).unwrap().1);
    }
}

fn delete(key: &str) -> Transaction {
    Transaction { guards: Vec::new(), operations: vec![Operation::Delete(key.to_owned())] }
}

fn a_watch_tells_every_change_once(store: &dyn Store) {
    store.commit(put("old", json!(0))).unwrap();
    let (revision, entries) = store.list("").unwrap();
    let mut watch = store.watch("", revision).unwrap();
    assert_eq!(watch.next(Duration::from_millis(50)), Ok(None), "there is no news yet");
    let first = committed(&store.commit(put("a", json!(1))).unwrap());
    let second = committed(&store.commit(put("a", json!(2))).unwrap());
    store.commit(delete("never")).unwrap();
    let operations = vec![Operation::Delete("a".to_owned()), Operation::Put("b".to_owned(), json!(3))];
    let third = committed(&store.commit(Transaction { guards: Vec::new(), operations }).unwrap());
    let conflict = guarded(Guard::Absent("b".to_owned()), "c", json!(4));
    assert!(matches!(store.commit(conflict), Ok(Outcome::Conflict(_))));
    let last = committed(&store.commit(delete("old")).unwrap());
    let entry = |key: &str, value: u64, created, modified| Entry {
        key: key.to_owned(),
        value: json!(value),
        created,
        modified,
    };
    let told = |revision, changes| News::Changes { revision, changes };
    let expected = [
        told(first, vec![Change::Put(entry("a", 1, first, first))]),
        told(second, vec![Change::Put(entry("a", 2, first, second))]),
        told(third, vec![Change::Deleted("a".to_owned()), Change::Put(entry("b", 3, third, third))]),
        told(last, vec![Change::Deleted("old".to_owned())]),
    ];
    let mut mirror = Mirror::default();
    mirror.take(News::Everything { revision, entries });
    for expected in expected {
        let mut news = watch.next(HUNG).unwrap().expect("the watch hangs");
        if let News::Changes { changes, .. } = &mut news {
            changes.sort_by(|a, b| a.key().cmp(b.key()));
        }
        assert_eq!(news, expected);
        mirror.take(news);
    }
    assert_eq!(watch.next(Duration::from_millis(50)), Ok(None), "nothing more happened");
    mirror.compare(store, "");
}

fn a_watch_resumes_where_another_ended(store: &dyn Store) {
    let mut mirror = Mirror { revision: store.list("").unwrap().0, ..Mirror::default() };
    for round in 0..4 {
        let mut watch = store.watch("", mirror.revision).unwrap();
        // Nobody watches while the last of these are written.
        for number in 0..5 {
            store.commit(put(&format!("k{number}"), json!(round))).unwrap();
        }
        mirror
            .follow(&mut *watch, |mirror| mirror.entries.get("k1").is_some_and(|k| k.value == json!(round)));
        drop(watch);
        store.commit(delete("k4")).unwrap();
    }
    let target = store.list("").unwrap().0;
    let mut watch = store.watch("", mirror.revision).unwrap();
    mirror.follow(&mut *watch, |mirror| mirror.revision >= target);
    mirror.compare(store, "");
}

fn a_watch_keeps_to_its_prefix(store: &dyn Store) {
    let mut watch = store.watch("group/", store.list("").unwrap().0).unwrap();
    for key in ["group", "group/a", "groups", "group0", "group.", "h", "group/\u{10FFFF}"] {
        store.commit(put(key, json!(key))).unwrap();
    }
    let mut mirror = Mirror::default();
    mirror.follow(&mut *watch, |mirror| mirror.entries.len() == 2);
    mirror.compare(store, "group/");
}

fn a_watch_that_was_slow_catches_up(store: &dyn Store) {
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    // More than any backend keeps waiting for a watch.
    for number in 0..1100 {
        store.commit(put(&format!("k{}", number % 7), json!(number))).unwrap();
    }
    store.commit(delete("k3")).unwrap();
    let target = store.list("").unwrap().0;
    let mut mirror = Mirror::default();
    mirror.follow(&mut *watch, |mirror| mirror.revision >= target);
    mirror.compare(store, "");
}

fn a_watch_follows_many_writers(store: Box<dyn Store>) {
    const EACH: usize = 40;
    let store: Arc<dyn Store> = store.into();
    let mut watch = store.watch("", store.list("").unwrap().0).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|writer| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                for number in 0..EACH {
                    committed(&store.commit(put(&format!("w{writer}"), json!(number))).unwrap());
                }
            })
        })
        .collect();
    let mut mirror = Mirror::default();
    mirror.follow(&mut *watch, |mirror| mirror.changes == 4 * EACH);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    mirror.compare(&*store, "");
}

fn an_empty_store_has_nothing(store: &dyn Store) {
    assert_eq!(store.get("a"), Ok(None));
    assert_eq!(store.list("").unwrap().1, []);
}

fn revisions_rise_and_are_kept(store: &dyn Store) {
    let first = committed(&store.commit(put("a", json!(1))).unwrap());
    let second = committed(&store.commit(put("b", json!({ "x": [1, "ü"] }))).unwrap());
    let third = committed(&store.commit(put("a", json!(2))).unwrap());
    assert!(first < second && second < third);
    let entry = store.get("a").unwrap().unwrap();
    assert_eq!((entry.created, entry.modified, entry.value), (first, third, json!(2)));
    assert_eq!(store.list("").unwrap().0, third);
}

fn lists_are_ordered_and_end_with_the_prefix(store: &dyn Store) {
    for key in ["group/b", "group/a", "groups", "group", "h"] {
        store.commit(put(key, json!(key))).unwrap();
    }
    let keys =
        |prefix: &str| store.list(prefix).unwrap().1.into_iter().map(|entry| entry.key).collect::<Vec<_>>();
    assert_eq!(keys("group/"), ["group/a", "group/b"]);
    assert_eq!(keys("group"), ["group", "group/a", "group/b", "groups"]);
    assert_eq!(keys("x"), [""; 0]);
}

fn guards_decide(store: &dyn Store) {
    let absent = Guard::Absent("a".to_owned());
    let first = committed(&store.commit(guarded(absent.clone(), "a", json!(1))).unwrap());
    assert_eq!(store.commit(guarded(absent, "a", json!(2))), Ok(Outcome::Conflict("a".to_owned())));
    let at = |revision| Guard::ModifiedAt("a".to_owned(), revision);
    assert_eq!(store.commit(guarded(at(first + 1), "a", json!(2))), Ok(Outcome::Conflict("a".to_owned())));
    committed(&store.commit(guarded(at(first), "a", json!(3))).unwrap());
    assert_eq!(store.get("a").unwrap().unwrap().value, json!(3));
    let missing = Guard::ModifiedAt("none".to_owned(), first);
    assert_eq!(store.commit(guarded(missing, "a", json!(4))), Ok(Outcome::Conflict("none".to_owned())));
}

fn a_transaction_is_all_or_nothing(store: &dyn Store) {
    store.commit(put("a", json!(1))).unwrap();
    let transaction = Transaction {
        guards: vec![Guard::Absent("b".to_owned()), Guard::Absent("a".to_owned())],
        operations: vec![Operation::Put("b".to_owned(), json!(1)), Operation::Delete("a".to_owned())],
    };
    assert_eq!(store.commit(transaction), Ok(Outcome::Conflict("a".to_owned())));
    assert_eq!(store.get("b"), Ok(None));
    assert!(store.get("a").unwrap().is_some());
}

fn operations_happen_in_order(store: &dyn Store) {
    let operations = vec![
        Operation::Put("a".to_owned(), json!(1)),
        Operation::Put("a".to_owned(), json!(2)),
        Operation::Put("b".to_owned(), json!(1)),
        Operation::Delete("b".to_owned()),
        Operation::Delete("never".to_owned()),
    ];
    let revision = committed(&store.commit(Transaction { guards: Vec::new(), operations }).unwrap());
    assert_eq!(store.get("a").unwrap().unwrap().value, json!(2));
    assert_eq!(store.get("a").unwrap().unwrap().modified, revision);
    assert_eq!(store.get("b"), Ok(None));
}

fn the_last_operation_on_a_key_counts(store: &dyn Store) {
    let first = committed(&store.commit(put("a", json!(1))).unwrap());
    let operations = vec![Operation::Delete("a".to_owned()), Operation::Put("a".to_owned(), json!(2))];
    let second = committed(&store.commit(Transaction { guards: Vec::new(), operations }).unwrap());
    let entry = store.get("a").unwrap().unwrap();
    assert_eq!((entry.created, entry.modified, entry.value), (first, second, json!(2)));
}

fn documents_come_back_as_they_were(store: &dyn Store) {
    // Fractions whose shortest decimal form is read back wrong by a parser that rounds once too often.
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let fractions: Vec<f64> = std::iter::repeat_with(|| {
        state = state.wrapping_mul(0x5851_F42D_4C95_7F2D).wrapping_add(0x1405_7B7E_F767_814F);
        f64::from_bits(state)
    })
    .filter(|number| number.is_finite())
    .take(2000)
    .collect();
    let value = json!({ "fractions": fractions, "z": null, "a": [i64::MIN, u64::MAX], "t\n\"\u{7f}": "\u{1F980}\u{0}" });
    store.commit(put("a", value.clone())).unwrap();
    assert_eq!(store.get("a").unwrap().unwrap().value, value);
}

fn bad_keys_are_refused(store: &dyn Store) {
    for key in ["", "a\nb", &"x".repeat(2000)] {
        assert!(matches!(store.commit(put(key, json!(1))), Err(StoreError::BadKey(_))), "{key:?}");
    }
    assert_eq!(store.list("").unwrap().1, []);
}

fn large_documents_pass(store: &dyn Store) {
    let value = json!("x".repeat(1 << 20));
    store.commit(put("big", value.clone())).unwrap();
    assert_eq!(store.get("big").unwrap().unwrap().value, value);
}

fn one_of_many_wins_a_guard(store: Box<dyn Store>) {
    let store: Arc<dyn Store> = store.into();
    let first = committed(&store.commit(put("own", json!(0))).unwrap());
    let threads: Vec<_> = (0..8)
        .map(|number| {
            let store = Arc::clone(&store);
            thread::spawn(move || {
                let guard = Guard::ModifiedAt("own".to_owned(), first);
                matches!(store.commit(guarded(guard, "own", json!(number))), Ok(Outcome::Committed(_)))
            })
        })
        .collect();
    let winners = threads.into_iter().map(|thread| thread.join().unwrap()).filter(|won| *won).count();
    assert_eq!(winners, 1);
}
