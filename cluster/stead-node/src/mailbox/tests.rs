//! Two mailboxes and a store between them that fails, and processes that die, at every step.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use std::sync::mpsc::{Receiver, channel};
use std::time::Instant;

use serde_json::json;
use stead_store::{Entry, MemoryStore, News, Operation, Outcome, StoreError, Transaction, Watch};

use super::document::{ALL, letter_key, reply_key, write_letter};
use super::*;

/// Longer than anything here takes.
const HUNG: Duration = Duration::from_secs(60);

/// What goes wrong at one commit, counted from 0.
#[derive(Clone, Copy, Debug, Default)]
enum Fault {
    #[default]
    None,
    /// The process dies before this commit, or after it.
    Death { at: usize, happened: bool },
    /// This commit does not tell how it went.
    Unknown { at: usize, happened: bool },
    /// Nobody answered, and nothing was changed.
    Unavailable { at: usize },
}

#[derive(Debug, Default)]
struct State {
    commits: usize,
    dead: bool,
}

/// What another process does to the store.
type Act = fn(&MemoryStore);

/// The store as one process sees it.
struct Seen {
    store: Arc<MemoryStore>,
    fault: Fault,
    /// All news come twice.
    twice: bool,
    largest: usize,
    /// What another process does right before this commit.
    meanwhile: Option<(usize, Act)>,
    /// What happens before everything is listed.
    before_list: Option<Act>,
    state: Arc<Mutex<State>>,
}

struct SeenWatch {
    watch: Box<dyn Watch>,
    again: Option<News>,
    twice: bool,
    state: Arc<Mutex<State>>,
}

fn dead(state: &Mutex<State>) -> Result<(), StoreError> {
    let dead = state.lock().unwrap().dead;
    if dead { Err(StoreError::Unavailable("this process is dead".to_owned())) } else { Ok(()) }
}

impl Watch for SeenWatch {
    fn next(&mut self, patience: Duration) -> Result<Option<News>, StoreError> {
        dead(&self.state)?;
        if let Some(again) = self.again.take() {
            return Ok(Some(again));
        }
        let news = self.watch.next(patience)?;
        dead(&self.state)?;
        self.again = news.clone().filter(|_| self.twice);
        Ok(news)
    }
}

impl Store for Seen {
    fn get(&self, key: &str) -> Result<Option<Entry>, StoreError> {
        dead(&self.state)?;
        self.store.get(key)
    }

    fn list(&self, prefix: &str) -> Result<(Revision, Vec<Entry>), StoreError> {
        dead(&self.state)?;
        if let Some(act) = self.before_list {
            act(&self.store);
        }
        self.store.list(prefix)
    }

    fn commit(&self, transaction: Transaction) -> Result<Outcome, StoreError> {
        dead(&self.state)?;
        let size: usize = transaction
            .operations
            .iter()
            .map(|operation| match operation {
                Operation::Put(_, value) => value.to_string().len(),
                Operation::Delete(_) => 0,
            })
            .sum();
        if size > self.largest {
            return Err(StoreError::TooLarge(format!("{size} bytes")));
        }
        let number = {
            let mut state = self.state.lock().unwrap();
            state.commits += 1;
            state.commits - 1
        };
        if let Some((at, act)) = self.meanwhile
            && at == number
        {
            act(&self.store);
        }
        let unknown = || StoreError::Unknown("the answer was lost".to_owned());
        match self.fault {
            Fault::Death { at, happened } if at == number => {
                if happened {
                    self.store.commit(transaction)?;
                }
                self.state.lock().unwrap().dead = true;
                Err(unknown())
            }
            Fault::Unknown { at, happened } if at == number => {
                if happened {
                    self.store.commit(transaction)?;
                }
                Err(unknown())
            }
            Fault::Unavailable { at } if at == number => {
                Err(StoreError::Unavailable("nobody answers".to_owned()))
            }
            Fault::None | Fault::Death { .. } | Fault::Unknown { .. } | Fault::Unavailable { .. } => {
                self.store.commit(transaction)
            }
        }
    }

    fn watch(&self, prefix: &str, after: Revision) -> Result<Box<dyn Watch>, StoreError> {
        dead(&self.state)?;
        let watch = self.store.watch(prefix, after)?;
        Ok(Box::new(SeenWatch { watch, again: None, twice: self.twice, state: Arc::clone(&self.state) }))
    }
}

fn seen(store: &Arc<MemoryStore>, fault: Fault) -> Seen {
    let store = Arc::clone(store);
    Seen {
        store,
        fault,
        twice: false,
        largest: usize::MAX,
        meanwhile: None,
        before_list: None,
        state: Arc::default(),
    }
}

fn name(text: &str) -> NodeName {
    text.parse().unwrap()
}

fn letter(text: &str) -> Letter {
    Letter { path: "groups/g/online".to_owned(), body: json!({ "text": text }) }
}

/// A mailbox that answers every letter with two lines and its body, and tells what it was given.
fn answering(store: Seen, me: &str) -> (Mailbox, Receiver<Letter>) {
    let (given, got) = channel();
    let mailbox = Mailbox::start(Arc::new(store), name(me), move |received| {
        let _ = given.send(received.letter.clone());
        received.reply.line(json!(1));
        received.reply.line(json!(2));
        received.reply.last(received.letter.body);
    })
    .unwrap();
    (mailbox, got)
}

fn asking(store: Seen, me: &str) -> Mailbox {
    Mailbox::start(Arc::new(store), name(me), |received| panic!("nobody asks this node: {received:?}"))
        .unwrap()
}

fn ask(mailbox: &Mailbox, to: &str, letter: Letter, patience: Duration) -> Receiver<Answer> {
    let (heard, hears) = channel();
    mailbox.send(name(to), letter, patience, move |answer| drop(heard.send(answer)));
    hears
}

/// Everything up to the end, of which there is exactly one.
fn whole(hears: &Receiver<Answer>) -> Vec<Answer> {
    let mut all = Vec::new();
    loop {
        let answer = hears.recv_timeout(HUNG).expect("an answer has an end");
        let last = !matches!(answer, Answer::Line(_) | Answer::Missed(_));
        all.push(answer);
        if last {
            return all;
        }
    }
}

fn end(hears: &Receiver<Answer>) -> Answer {
    let end = whole(hears).pop().unwrap();
    assert!(hears.try_recv().is_err(), "nothing comes after the end");
    end
}

/// Waits until something is so.
fn until(what: &str, mut so: impl FnMut() -> bool) {
    let (ending, begin) = (Ending::default(), Instant::now());
    while !so() {
        assert!(begin.elapsed() < HUNG, "never: {what}");
        ending.wait(Duration::from_millis(5));
    }
}

fn nothing_left(store: &MemoryStore) {
    until("all mail is cleared away", || store.list(ALL).unwrap().1.is_empty());
}

/// The receiver has read what was there before: what comes now is for it.
fn opened(store: &MemoryStore, of: &str) {
    // Something of an earlier process, which goes away when the box is opened.
    let key = reply_key(&name(of), "n0.0.0");
    let put = Operation::Put(key.clone(), json!({}));
    store.commit(Transaction { guards: Vec::new(), operations: vec![put] }).unwrap();
    until("the box is opened", || store.get(&key).unwrap().is_none());
}

/// A node that has opened its mailbox before anything is sent.
fn receiver(store: &Arc<MemoryStore>, seen: Seen, me: &str) -> (Mailbox, Receiver<Letter>) {
    let started = answering(seen, me);
    opened(store, me);
    started
}

#[test]
fn a_letter_is_carried_out_once_and_answered_line_by_line() {
    let store = Arc::new(MemoryStore::default());
    let (_n2, got) = receiver(&store, seen(&store, Fault::None), "N2");
    let n1 = asking(seen(&store, Fault::None), "n1");
    let heard = whole(&ask(&n1, "n2", letter("x"), HUNG));
    let expected = [Answer::Line(json!(1)), Answer::Line(json!(2)), Answer::Last(json!({ "text": "x" }))];
    assert_eq!(heard, expected);
    assert_eq!(got.recv_timeout(HUNG).unwrap(), letter("x"));
    assert!(got.try_recv().is_err());
    nothing_left(&store);
}

#[test]
fn news_that_come_twice_are_carried_out_once() {
    let store = Arc::new(MemoryStore::default());
    let twice = |store| Seen { twice: true, ..seen(store, Fault::None) };
    let (_n2, got) = receiver(&store, twice(&store), "n2");
    let n1 = asking(twice(&store), "n1");
    let hears: Vec<_> = (0..50).map(|number| ask(&n1, "n2", letter(&number.to_string()), HUNG)).collect();
    for hears in &hears {
        assert_eq!(whole(hears).iter().filter(|answer| matches!(answer, Answer::Line(_))).count(), 2);
    }
    nothing_left(&store);
    assert_eq!(got.try_iter().count(), 50);
}

#[test]
fn a_thousand_letters_keep_their_order_and_find_their_askers() {
    let store = Arc::new(MemoryStore::default());
    let (_n2, got) = receiver(&store, seen(&store, Fault::None), "n2");
    let (n1, n3) = (asking(seen(&store, Fault::None), "n1"), asking(seen(&store, Fault::None), "n3"));
    let mut hears = Vec::new();
    for number in 0..500 {
        for (asker, who) in [(&n1, "n1"), (&n3, "n3")] {
            let text = format!("{who} {number}");
            hears.push((text.clone(), ask(asker, "n2", letter(&text), HUNG)));
        }
    }
    for (text, hears) in &hears {
        assert_eq!(end(hears), Answer::Last(json!({ "text": text })));
    }
    let got: Vec<String> =
        got.try_iter().map(|letter| letter.body["text"].as_str().unwrap().to_owned()).collect();
    assert_eq!(got.len(), 1_000);
    for who in ["n1", "n3"] {
        let of: Vec<&String> = got.iter().filter(|text| text.starts_with(who)).collect();
        let sent: Vec<&String> =
            hears.iter().map(|(text, _)| text).filter(|text| text.starts_with(who)).collect();
        assert_eq!(of, sent, "in the order they were sent");
    }
    nothing_left(&store);
}

#[test]
fn a_letter_that_nobody_takes_is_taken_back_before_it_is_refused() {
    let store = Arc::new(MemoryStore::default());
    let n1 = asking(seen(&store, Fault::None), "n1");
    let said = end(&ask(&n1, "n2", letter("x"), Duration::from_millis(50)));
    assert_eq!(said, Answer::NotDone("node \"n2\" did not take it within 50 ms".to_owned()));
    assert!(store.list(ALL).unwrap().1.is_empty(), "it was taken back before it was said");
    // Whoever comes later finds nothing.
    let (_n2, got) = receiver(&store, seen(&store, Fault::None), "n2");
    assert!(got.try_recv().is_err());
}

#[test]
fn what_waited_before_a_node_started_is_not_carried_out() {
    let store = Arc::new(MemoryStore::default());
    let n1 = asking(seen(&store, Fault::None), "n1");
    opened(&store, "n1");
    let hears = ask(&n1, "n2", letter("x"), HUNG);
    until("it is sent", || !store.list(ALL).unwrap().1.is_empty());
    let (_n2, got) = answering(seen(&store, Fault::None), "n2");
    let said = end(&hears);
    assert!(matches!(&said, Answer::NotDone(why) if why.contains("had not started")), "{said:?}");
    assert!(got.try_recv().is_err());
    nothing_left(&store);
}

#[test]
fn what_a_lost_node_took_is_not_known_and_what_it_did_not_take_was_not_done() {
    let store = Arc::new(MemoryStore::default());
    let (given, kept) = channel();
    let n2 = Mailbox::start(Arc::new(seen(&store, Fault::None)), name("n2"), move |received| {
        received.reply.line(json!("begun"));
        let _ = given.send(received);
    })
    .unwrap();
    opened(&store, "n2");
    let n1 = asking(seen(&store, Fault::None), "n1");
    let taken = ask(&n1, "n2", letter("taken"), HUNG);
    let received = kept.recv_timeout(HUNG).unwrap();
    assert_eq!(taken.recv_timeout(HUNG).unwrap(), Answer::Line(json!("begun")));
    let waiting = ask(&n1, "n4", letter("waiting"), HUNG);
    for node in ["n2", "n4"] {
        n1.lost(name(node), "its session is dead");
    }
    let said = end(&taken);
    assert!(matches!(&said, Answer::Unknown(why) if why.contains("its session is dead")), "{said:?}");
    let said = end(&waiting);
    assert!(matches!(&said, Answer::NotDone(why) if why.contains("its session is dead")), "{said:?}");
    // It was not dead after all, and answers: nobody listens, and nothing stays.
    received.reply.last(json!("late"));
    drop(n2);
    nothing_left(&store);
}

#[test]
fn an_answer_that_never_ends_is_not_known() {
    let store = Arc::new(MemoryStore::default());
    let _n2 = Mailbox::start(Arc::new(seen(&store, Fault::None)), name("n2"), drop).unwrap();
    opened(&store, "n2");
    let n1 = asking(seen(&store, Fault::None), "n1");
    let said = end(&ask(&n1, "n2", letter("x"), HUNG));
    assert!(matches!(said, Answer::Unknown(_)), "{said:?}");
    nothing_left(&store);
}

#[test]
fn lines_that_come_too_fast_are_counted() {
    let store = Arc::new(MemoryStore::default());
    let _n2 = Mailbox::start(Arc::new(seen(&store, Fault::None)), name("n2"), |received| {
        for number in 0..5_000 {
            received.reply.line(json!(number));
        }
        received.reply.last(json!("end"));
    })
    .unwrap();
    opened(&store, "n2");
    let n1 = asking(seen(&store, Fault::None), "n1");
    let mut next = 0;
    for answer in whole(&ask(&n1, "n2", letter("x"), HUNG)) {
        match answer {
            Answer::Line(line) => {
                assert_eq!(line, json!(next));
                next += 1;
            }
            Answer::Missed(count) => next += count,
            Answer::Last(line) => assert_eq!(line, json!("end")),
            Answer::NotDone(why) | Answer::Unknown(why) => panic!("{why}"),
        }
    }
    assert_eq!(next, 5_000, "every line is heard or counted");
    nothing_left(&store);
}

#[test]
fn what_is_too_large_is_said_to_be() {
    let store = Arc::new(MemoryStore::default());
    let small = |store| Seen { largest: 2_000, ..seen(store, Fault::None) };
    let _n2 = Mailbox::start(Arc::new(small(&store)), name("n2"), |received| {
        let large = "x".repeat(3_000);
        match received.letter.body["text"].as_str() {
            Some("line") => {
                received.reply.line(json!(large));
                received.reply.last(json!("end"));
            }
            Some(_) | None => received.reply.last(json!(large)),
        }
    })
    .unwrap();
    opened(&store, "n2");
    let n1 = asking(small(&store), "n1");
    let said = end(&ask(&n1, "n2", letter(&"x".repeat(3_000)), HUNG));
    assert!(matches!(&said, Answer::NotDone(why) if why.contains("too much")), "{said:?}");
    let said = whole(&ask(&n1, "n2", letter("line"), HUNG));
    assert_eq!(said, [Answer::Missed(1), Answer::Last(json!("end"))]);
    let said = end(&ask(&n1, "n2", letter("last"), HUNG));
    assert!(matches!(&said, Answer::Unknown(why) if why.contains("too large")), "{said:?}");
    nothing_left(&store);
}

#[test]
fn a_letter_of_nobody_knows_what_stays_until_its_sender_takes_it_back() {
    let store = Arc::new(MemoryStore::default());
    let (_n2, got) = receiver(&store, seen(&store, Fault::None), "n2");
    let put = |id: &str, value| {
        let operations = vec![Operation::Put(letter_key(&name("n2"), id), value)];
        store.commit(Transaction { guards: Vec::new(), operations }).unwrap();
    };
    put("n9.0.1", json!("nonsense"));
    put("n9.0.2", json!({ "schema": 99, "from": "n9", "path": "groups/g/online" }));
    put("n8.0.1", write_letter(&name("n9"), &letter("forged")));
    // What comes after it is not held up.
    let n1 = asking(seen(&store, Fault::None), "n1");
    assert_eq!(end(&ask(&n1, "n2", letter("x"), HUNG)), Answer::Last(json!({ "text": "x" })));
    assert_eq!(got.try_iter().count(), 1);
    drop(asking(seen(&store, Fault::None), "n9"));
    assert!(store.list(ALL).unwrap().1.iter().all(|entry| !entry.key.contains("n9.")));
}

/// One letter between two nodes with faults. What was heard at the end, and how often it was carried out.
fn exchange(asker: Fault, taker: Fault) -> (Option<Answer>, usize) {
    let store = Arc::new(MemoryStore::default());
    let dies = |fault| matches!(fault, Fault::Death { .. });
    let (mut n2, got) = answering(seen(&store, taker), "n2");
    opened(&store, "n2");
    let mut n1 = asking(seen(&store, asker), "n1");
    let hears = ask(&n1, "n2", letter("x"), HUNG);
    let heard = if dies(asker) {
        // It hears nothing any more: what counts is what it leaves.
        until("the asker is dead, or has its answer", || {
            n1.office.store.list(ALL).is_err()
                || hears.try_recv().is_ok_and(|answer| !matches!(answer, Answer::Line(_) | Answer::Missed(_)))
        });
        drop(n1);
        n1 = asking(seen(&store, Fault::None), "n1");
        None
    } else if dies(taker) {
        until("the taker is dead, or nothing is left for it to do", || {
            n2.office.store.list(ALL).is_err() || store.list(ALL).unwrap().1.is_empty()
        });
        drop(n2);
        n2 = answering(seen(&store, Fault::None), "n2").0;
        Some(end(&hears))
    } else {
        Some(end(&hears))
    };
    nothing_left(&store);
    drop((n1, n2));
    nothing_left(&store);
    (heard, got.try_iter().count())
}

fn holds(what: &str, (heard, carried_out): (Option<Answer>, usize)) {
    assert!(carried_out <= 1, "{what}: carried out {carried_out} times");
    match heard {
        Some(Answer::NotDone(why)) => assert_eq!(carried_out, 0, "{what}: said not to be done ({why})"),
        Some(Answer::Last(line)) => {
            assert_eq!((carried_out, line), (1, json!({ "text": "x" })), "{what}");
        }
        Some(Answer::Unknown(_)) | None => {}
        Some(other @ (Answer::Line(_) | Answer::Missed(_))) => panic!("{what}: {other:?} is no end"),
    }
}

/// More commits than any end makes for one letter: opening the box takes one.
const STEPS: usize = 7;

#[test]
fn either_end_may_die_at_every_step() {
    for at in 0..STEPS {
        for happened in [false, true] {
            let death = Fault::Death { at, happened };
            holds(&format!("the asker: {death:?}"), exchange(death, Fault::None));
            // The first commit opens the box; nobody has asked anything by then.
            let death = Fault::Death { at: at + 1, happened };
            holds(&format!("the taker: {death:?}"), exchange(Fault::None, death));
        }
    }
}

#[test]
fn a_store_that_does_not_say_how_it_went_changes_nothing() {
    for at in 0..STEPS {
        for happened in [false, true] {
            let unknown = Fault::Unknown { at, happened };
            let (heard, carried_out) = exchange(unknown, Fault::None);
            match (at, happened) {
                // The letter was not sent, and that is found out.
                (0, false) => assert!(matches!(heard, Some(Answer::NotDone(_))), "{heard:?}"),
                _ => assert_eq!(heard, Some(Answer::Last(json!({ "text": "x" }))), "{unknown:?}"),
            }
            holds(&format!("the asker: {unknown:?}"), (heard, carried_out));
            let unknown = Fault::Unknown { at: at + 1, happened };
            let (heard, carried_out) = exchange(Fault::None, unknown);
            assert_eq!(heard, Some(Answer::Last(json!({ "text": "x" }))), "{unknown:?}");
            assert_eq!(carried_out, 1, "{unknown:?}");
        }
        let away = Fault::Unavailable { at };
        holds(&format!("the asker: {away:?}"), exchange(away, Fault::None));
        let away = Fault::Unavailable { at: at + 1 };
        let (heard, carried_out) = exchange(Fault::None, away);
        assert_eq!((heard, carried_out), (Some(Answer::Last(json!({ "text": "x" }))), 1), "{away:?}");
    }
}

#[test]
fn to_be_taken_and_to_be_taken_back_at_once_is_decided_once() {
    let store = Arc::new(MemoryStore::default());
    let (_n2, got) = receiver(&store, seen(&store, Fault::None), "n2");
    let n1 = asking(seen(&store, Fault::None), "n1");
    let hears: Vec<_> = (0..400)
        .map(|number| ask(&n1, "n2", letter(&number.to_string()), Duration::from_micros(number * 20)))
        .collect();
    let mut done = 0;
    for hears in &hears {
        match end(hears) {
            Answer::Last(_) => done += 1,
            Answer::NotDone(_) => {}
            other @ (Answer::Line(_) | Answer::Missed(_) | Answer::Unknown(_)) => panic!("{other:?}"),
        }
    }
    nothing_left(&store);
    assert_eq!(got.try_iter().count(), done, "what was said not to be done was not done");
}

#[test]
fn a_letter_is_taken_back_whatever_the_store_says() {
    for at in 0..3 {
        for happened in [false, true] {
            let store = Arc::new(MemoryStore::default());
            let n1 = asking(seen(&store, Fault::Unknown { at, happened }), "n1");
            let said = end(&ask(&n1, "n2", letter("x"), Duration::from_millis(20)));
            assert!(matches!(said, Answer::NotDone(_)), "{at} {happened}: {said:?}");
            assert!(store.list(ALL).unwrap().1.is_empty(), "{at} {happened}");
            // Dead at that point, it takes the letter back when it starts again.
            let n1 = asking(seen(&store, Fault::Death { at, happened }), "n1");
            let hears = ask(&n1, "n2", letter("x"), Duration::from_millis(20));
            until("the asker is dead, or has its answer", || {
                n1.office.store.list(ALL).is_err() || hears.try_recv().is_ok()
            });
            drop(n1);
            let _n1 = asking(seen(&store, Fault::None), "n1");
            nothing_left(&store);
        }
    }
}

/// The only letter there is.
fn the_letter(store: &MemoryStore) -> Option<Entry> {
    store.list(ALL).unwrap().1.into_iter().find(|entry| entry.key.contains("/letter/"))
}

#[test]
fn a_letter_that_is_taken_right_before_it_is_taken_back_is_answered() {
    let store = Arc::new(MemoryStore::default());
    let take: Act = |store| {
        let letter = the_letter(store).unwrap();
        let (_, _, id) = document::read_key(&letter.key).unwrap();
        let put = Operation::Put(reply_key(&name("n1"), id), Reply::new(&name("n2"), "another").write());
        let operations = vec![Operation::Delete(letter.key.clone()), put];
        store.commit(Transaction { guards: Vec::new(), operations }).unwrap();
    };
    let n1 = asking(Seen { meanwhile: Some((1, take)), ..seen(&store, Fault::None) }, "n1");
    let (heard, hears) = channel();
    let hear = move |answer| drop(heard.send(answer));
    let id = n1.send(name("n2"), letter("x"), Duration::from_millis(20), hear);
    let key = reply_key(&name("n1"), &id);
    until("it is taken", || store.get(&key).unwrap().is_some());
    let reply = Reply { end: Some(End::Last(json!("done"))), ..Reply::new(&name("n2"), "another") };
    let operations = vec![Operation::Put(key, reply.write())];
    store.commit(Transaction { guards: Vec::new(), operations }).unwrap();
    assert_eq!(end(&hears), Answer::Last(json!("done")));
    nothing_left(&store);
}

#[test]
fn what_was_answered_before_the_box_was_open_is_heard() {
    let store = Arc::new(MemoryStore::default());
    // The asker opens its box when the letter is long answered: this is what it clears away first.
    let key = reply_key(&name("n1"), "n1.0.0");
    let put = Operation::Put(key, json!({}));
    store.commit(Transaction { guards: Vec::new(), operations: vec![put] }).unwrap();
    let answered: Act = |store| {
        until("the letter is answered", || {
            let entries = store.list(ALL).unwrap().1;
            entries
                .iter()
                .any(|entry| Reply::read(&entry.value).end == Some(End::Last(json!({ "text": "x" }))))
        });
    };
    let (_n2, _got) = receiver(&store, seen(&store, Fault::None), "n2");
    let n1 = Seen { before_list: Some(answered), ..seen(&store, Fault::None) };
    let n1 = asking(n1, "n1");
    assert_eq!(end(&ask(&n1, "n2", letter("x"), HUNG * 10)), Answer::Last(json!({ "text": "x" })));
    nothing_left(&store);
}

#[test]
fn a_letter_that_is_taken_back_right_before_it_is_taken_is_not_carried_out() {
    let store = Arc::new(MemoryStore::default());
    let take_back: Act = |store| {
        let operations = vec![Operation::Delete(the_letter(store).unwrap().key)];
        store.commit(Transaction { guards: Vec::new(), operations }).unwrap();
    };
    // The first commit opens the box.
    let n2 = Seen { meanwhile: Some((1, take_back)), ..seen(&store, Fault::None) };
    let (n2, got) = receiver(&store, n2, "n2");
    let n1 = asking(seen(&store, Fault::None), "n1");
    let said = end(&ask(&n1, "n2", letter("x"), Duration::from_millis(500)));
    assert!(matches!(said, Answer::NotDone(_)), "{said:?}");
    drop(n2);
    assert_eq!(got.try_iter().count(), 0);
    nothing_left(&store);
}
