//! A witness outside stead of who runs: programs that note down that they live, and what their notes prove.
//!
//! Each runs as the work of a group, on whatever node. It notes every 10 ms, on the clock of the one kernel below all
//! nodes of a lab, and holds a lock for as long as it lives, also while it is stopped or frozen. Two that live at once
//! are found by either: by notes that overlap, or by the lock that the second does not get.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;
use std::time::Duration;

use rustix::fs::{FlockOperation, flock};
use rustix::time::{ClockId, clock_gettime};

/// A witness notes so often that it lives.
const EVERY: Duration = Duration::from_millis(10);

/// The clock of all notes, in nanoseconds: one for everything on this machine, whatever namespace it is in.
#[must_use]
pub fn now() -> u64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.unsigned_abs() * 1_000_000_000 + now.tv_nsec.unsigned_abs()
}

/// Notes until it is killed that `group` lives here. Returns only if it cannot.
///
/// # Errors
/// Files in `folder` that cannot be written.
pub fn testify(folder: &Path, group: &str) -> io::Error {
    match note(folder, group) {
        Ok(never) => match never {},
        Err(error) => error,
    }
}

fn note(folder: &Path, group: &str) -> io::Result<std::convert::Infallible> {
    let node = rustix::system::uname().nodename().to_string_lossy().into_owned();
    let (process, began) = (std::process::id(), now());
    let lock = File::create(folder.join(format!("{group}.lock")))?;
    let alone = flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
    let word = if alone { "alone" } else { "second" };
    let mut notes = File::options().create(true).append(true).open(folder.join(format!("{group}.notes")))?;
    loop {
        // One write a line: writes to the end of a file never mix.
        notes.write_all(format!("{node} {process} {began} {} {word}\n", now()).as_bytes())?;
        std::thread::sleep(EVERY);
    }
}

/// One process of a group: from when until when it is known to have lived.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Life {
    /// The node it lived on.
    pub node: String,
    /// Its first note, in nanoseconds of [`now`].
    pub first: u64,
    /// Its last note.
    pub last: u64,
    /// Another one held the lock when it began.
    pub second: bool,
}

/// All lives of a group, in the order in which they began.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Testimony(Vec<Life>);

/// Reads what the witness of a group noted; nothing if it never lived.
///
/// # Panics
/// When there are lines that are no notes.
#[must_use]
pub fn testimony(folder: &Path, group: &str) -> Testimony {
    let text = fs::read_to_string(folder.join(format!("{group}.notes"))).unwrap_or_default();
    // The last line may be half written.
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    Testimony::of(whole)
}

impl Testimony {
    fn of(text: &str) -> Testimony {
        let mut lives: BTreeMap<(u64, &str, &str), Life> = BTreeMap::new();
        for line in text.lines() {
            let words: Vec<&str> = line.split(' ').collect();
            let &[node, process, began, at, word] = words.as_slice() else { panic!("no note: {line}") };
            let (began, at): (u64, u64) = (began.parse().unwrap(), at.parse().unwrap());
            let first =
                || Life { node: node.to_owned(), first: began, last: began, second: word == "second" };
            lives.entry((began, node, process)).or_insert_with(first).last = at;
        }
        Testimony(lives.into_values().collect())
    }

    /// The lives.
    #[must_use]
    pub fn lives(&self) -> &[Life] {
        &self.0
    }

    /// Everything that shows that two lived at once; nothing if never more than one did.
    #[must_use]
    pub fn overlaps(&self) -> Vec<String> {
        let mut found = Vec::new();
        let mut longest: Option<&Life> = None;
        for life in &self.0 {
            if life.second {
                found.push(format!("on {} at {} another one held the lock", life.node, life.first));
            }
            if let Some(before) = longest.filter(|before| before.last >= life.first) {
                found.push(format!(
                    "on {} until {}, on {} from {}",
                    before.node, before.last, life.node, life.first
                ));
            }
            if longest.is_none_or(|before| before.last < life.last) {
                longest = Some(life);
            }
        }
        found
    }

    /// The node of the newest life, if it noted something in the last half second.
    #[must_use]
    pub fn lives_on(&self) -> Option<&str> {
        let life = self.0.last()?;
        (now() < life.last + 500_000_000).then_some(life.node.as_str())
    }

    /// After what happened at `since`: when the life of then ended, and when the next began, each from `since`. Of a
    /// life that goes on both are nothing.
    #[must_use]
    pub fn change(&self, since: u64) -> Option<Change> {
        let place = self.0.iter().rposition(|life| life.first < since)?;
        let (before, next) = (self.0.get(place)?, self.0.get(place + 1)?);
        Some(Change {
            from: before.node.clone(),
            to: next.node.clone(),
            ended: Duration::from_nanos(before.last.saturating_sub(since)),
            began: Duration::from_nanos(next.first - since),
            gap: Duration::from_nanos(next.first.saturating_sub(before.last)),
        })
    }

    /// All time without a life between `since` and now.
    #[must_use]
    pub fn down(&self, since: u64) -> Duration {
        let gap = |pair: &[Life]| match pair {
            [before, after] => after.first.saturating_sub(before.last.max(since)),
            _ => 0,
        };
        Duration::from_nanos(self.0.windows(2).map(gap).sum())
    }

    /// The longest time without a note between `since` and now.
    #[must_use]
    pub fn longest_gap(&self, since: u64) -> Duration {
        let gap = |pair: &[Life]| match pair {
            [before, after] if after.first > since => after.first.saturating_sub(before.last.max(since)),
            _ => 0,
        };
        let between = self.0.windows(2).map(gap).max().unwrap_or(0);
        let silent = self.0.last().map_or(0, |life| now().saturating_sub(life.last.max(since)));
        Duration::from_nanos(between.max(silent))
    }
}

/// That a group's work ended and began anew.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Where it ended.
    pub from: String,
    /// Where it began.
    pub to: String,
    /// The last note of the one, after what happened.
    pub ended: Duration,
    /// The first note of the other, after what happened.
    pub began: Duration,
    /// Between the two.
    pub gap: Duration,
}

/// Notes that something lived twice at once where `cargo xtask test` finds it: a second try of the test that passes must not
/// make it forgotten.
///
/// # Panics
/// When it cannot be noted.
pub fn twice(text: &str) {
    let path = crate::root().join("target/twice");
    let file = std::fs::OpenOptions::new().create(true).append(true).open(&path);
    let noted =
        file.and_then(|mut file| std::io::Write::write_all(&mut file, format!("{text}\n").as_bytes()));
    noted.unwrap_or_else(|error| panic!("{}: {error}: {text}", path.display()));
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "n1 7 10 10 alone\nn1 7 10 20 alone\nn2 7 25 25 alone\nn2 7 25 40 alone";

    #[test]
    fn lives_one_after_the_other_are_no_overlap() {
        let testimony = Testimony::of(GOOD);
        assert_eq!(testimony.overlaps(), Vec::<String>::new());
        let change = testimony.change(15).unwrap();
        assert_eq!((change.from.as_str(), change.to.as_str()), ("n1", "n2"));
        assert_eq!((change.ended.as_nanos(), change.began.as_nanos(), change.gap.as_nanos()), (5, 10, 5));
        assert_eq!(testimony.change(30), None);
    }

    #[test]
    fn two_at_once_are_found_by_their_notes() {
        for text in [
            // Interleaved, on one node too, and one that was stopped for a while.
            "n1 7 10 10 alone\nn2 9 15 15 alone\nn1 7 10 20 alone",
            "n1 7 10 30 alone\nn1 8 20 40 alone",
            "n1 7 10 90 alone\nn2 8 100 110 alone\nn1 7 10 200 alone",
            // The third one, when the second was over.
            "n1 7 10 90 alone\nn2 8 20 30 alone\nn3 9 40 50 alone",
            // At the very same moment.
            "n1 7 10 20 alone\nn2 8 20 30 alone",
        ] {
            assert_ne!(Testimony::of(text).overlaps(), Vec::<String>::new(), "{text}");
        }
        assert_eq!(Testimony::of("n1 7 10 90 alone\nn2 8 20 30 alone\nn3 9 40 50 alone").overlaps().len(), 2);
    }

    #[test]
    fn two_at_once_are_found_by_the_lock() {
        let second = GOOD.replace("n2 7 25 25 alone", "n2 7 25 25 second");
        assert_eq!(Testimony::of(&second).overlaps(), ["on n2 at 25 another one held the lock"]);
    }
}
