//! Asking several members for one thing, each a moment after the one before: a member that has been stopped, or that
//! waits for a leader that is no more, keeps nobody waiting for longer than that moment.
//!
//! The same request may so arrive several times. Of reads that does no harm, and a transaction of this store happens at
//! most once whoever it is sent to, since it is guarded by the revision of the lane that it moves.

use std::sync::Arc;

use futures_util::stream::{FuturesUnordered, StreamExt};
use prost::Message;
use tokio::time::{Instant, sleep_until};

use crate::failure::{Failure, Kind};
use crate::members::{Headed, Member, Members};
use crate::wire::Header;

/// So many are asked for one thing at most: enough for every hedge of an attempt, and no flood.
const MOST: usize = 16;

/// What was answered.
#[derive(Debug)]
pub(crate) struct Reply<R> {
    pub(crate) answer: R,
    pub(crate) header: Header,
    /// No other copy of the request can still be carried out, whatever this one was answered.
    pub(crate) alone: bool,
}

/// The failure that says most about what became of a request that all of these met: one after which it may have
/// happened, if there is such a one, since it then may have.
pub(crate) fn worst(failures: Vec<Failure>) -> Failure {
    let mut texts: Vec<String> = Vec::new();
    for failure in &failures {
        let text = format!("{}: {}", failure.member, failure.text);
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    let rank = |failure: &Failure| match failure.kind {
        Kind::Behind => 4,
        Kind::Lost | Kind::Distrusted => 3,
        // It may have happened too, but is not under way any more.
        Kind::NoSpace => 2,
        Kind::NotSent => 0,
        Kind::Untrusted
        | Kind::Refused
        | Kind::LoginExpired
        | Kind::TooLarge
        | Kind::Compacted
        | Kind::Senseless
        | Kind::Foreign => 1,
    };
    let worst = failures.into_iter().max_by_key(rank);
    match worst {
        Some(worst) if texts.len() > 1 => {
            let member = worst.member.clone();
            Failure { member, text: texts.join("; "), ..worst }
        }
        Some(worst) => worst,
        None => Failure::new(Kind::NotSent, "", "no member is known"),
    }
}

impl Members {
    /// Asks for one thing: the preferred member, and where hedges are wanted others after it, until somebody gives a good
    /// answer, who is preferred from then on.
    ///
    /// # Errors
    /// What each of them met, and never nothing.
    pub(crate) async fn ask_for<Q, R>(
        &self,
        path: &'static str,
        message: Q,
        until: Instant,
    ) -> Result<Reply<R>, Vec<Failure>>
    where
        Q: Message + Clone + 'static,
        R: Message + Headed + Default + 'static,
    {
        let members = self.in_order();
        let hedge = self.options.hedge;
        let (begin, attempt) = (Instant::now(), self.options.attempt);
        let end = match hedge {
            Some(_) => (begin + attempt).min(until.max(begin + attempt / 2)),
            // One at a time has its own end, and logs in before it if need be.
            None => begin + attempt * 4,
        };
        let one = |member: Arc<Member>, message: Q| async move {
            let floor = self.floor.get();
            let answer: Result<R, Failure> = self.ask(&member, path, message).await;
            let checked = answer.and_then(|answer| {
                let header = self.check(&member, floor, answer.header())?;
                Ok((answer, header))
            });
            (member, checked)
        };
        let mut asked = FuturesUnordered::new();
        let mut failures: Vec<Failure> = Vec::new();
        let (mut sent, mut next) = (0, begin);
        let Some(first) = members.first() else {
            return Err(vec![Failure::new(Kind::NotSent, "", "no member is known")]);
        };
        loop {
            let member = members.get(sent % members.len()).unwrap_or(first);
            let more = sent == 0 || hedge.is_some() && sent < MOST;
            // Who is known not to have done it is replaced at once, once round.
            let at_once = asked.is_empty() && sent < members.len();
            if more && (at_once || Instant::now() >= next) {
                asked.push(one(Arc::clone(member), message.clone()));
                sent += 1;
                next = Instant::now() + hedge.unwrap_or_default();
                continue;
            }
            if asked.is_empty() {
                return Err(failures);
            }
            tokio::select! {
                Some((member, checked)) = asked.next() => match checked {
                    Ok((answer, header)) => {
                        self.prefer(&member.url);
                        let alone = asked.is_empty() && !failures.iter().any(Failure::leaves_unknown);
                        return Ok(Reply { answer, header, alone });
                    }
                    Err(failure) => failures.push(failure),
                },
                () = sleep_until(next), if more => {}
                () = sleep_until(end) => {
                    let seconds = begin.elapsed().as_secs_f64();
                    let text = format!("no answer in {seconds:.2} s");
                    failures.push(Failure::new(Kind::Lost, &first.url, text));
                    return Err(failures);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_several_failures_the_one_counts_after_which_it_may_have_happened() {
        let failure = |kind, member: &str| Failure::new(kind, member, "text");
        let worst_of = |kinds: &[Kind]| {
            let failures =
                kinds.iter().enumerate().map(|(at, kind)| failure(*kind, &format!("m{at}"))).collect();
            worst(failures).kind
        };
        assert_eq!(worst_of(&[Kind::NotSent, Kind::Lost, Kind::LoginExpired]), Kind::Lost);
        assert_eq!(worst_of(&[Kind::NoSpace, Kind::Refused, Kind::NotSent]), Kind::NoSpace);
        assert_eq!(worst_of(&[Kind::Lost, Kind::NoSpace]), Kind::Lost, "one copy may still arrive");
        assert_eq!(worst_of(&[Kind::Lost, Kind::Behind]), Kind::Behind, "it ends the store");
        assert_eq!(worst_of(&[Kind::Untrusted, Kind::NotSent]), Kind::Untrusted, "a remedy before a symptom");
        assert_eq!(worst_of(&[]), Kind::NotSent);
        let both = worst(vec![failure(Kind::NotSent, "a"), failure(Kind::Lost, "b")]);
        assert_eq!((both.member.as_str(), both.text.as_str()), ("b", "a: text; b: text"));
    }
}
