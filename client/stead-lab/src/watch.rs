//! `stead lab watch`: for how long did an address not answer?

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::Trouble;
use crate::programs::Interrupt;
use crate::show;

/// It is asked so often.
const EVERY: Duration = Duration::from_millis(10);

/// It has so long to answer.
const PATIENCE: Duration = Duration::from_millis(250);

/// A shorter time between two answers is no gap, but the way things go.
const GAP: Duration = Duration::from_millis(100);

/// The most that is read of an answer.
const LONGEST: usize = 4 << 10;

fn address(text: &str) -> Result<SocketAddr, Trouble> {
    let with_port = text.parse::<SocketAddr>().ok();
    let alone = || text.parse::<IpAddr>().ok().map(|address| SocketAddr::new(address, 80));
    with_port.or_else(alone).ok_or_else(|| {
        Trouble::Usage(format!("{text:?} is no address; write one such as 10.77.0.100 or 10.77.0.100:8080"))
    })
}

/// What an answer says in a line: the last one of its content, or, where there is none, its status. Nothing if nobody
/// answered: a connection that is taken and closed without a word is no answer.
fn line(answer: &str) -> Option<String> {
    let (head, content) = answer.split_once("\r\n\r\n").unwrap_or((answer, ""));
    let mut said = content.lines().rev().chain(head.lines()).map(str::trim);
    said.find(|line| !line.is_empty()).map(str::to_owned)
}

/// Asks once over HTTP.
fn ask(address: SocketAddr) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address, PATIENCE).ok()?;
    stream.set_read_timeout(Some(PATIENCE)).ok()?;
    stream.set_write_timeout(Some(PATIENCE)).ok()?;
    write!(stream, "GET / HTTP/1.0\r\nHost: {address}\r\n\r\n").ok()?;
    let mut answer = Vec::new();
    stream.take(LONGEST as u64).read_to_end(&mut answer).ok()?;
    line(&String::from_utf8_lossy(&answer))
}

/// What was seen so far.
#[derive(Debug, Default)]
struct Seen {
    last: Option<(Instant, String)>,
    answers: u64,
    gaps: u64,
    longest: Duration,
}

/// Something to tell.
#[derive(Debug, PartialEq, Eq)]
enum News {
    First(String),
    Gap(Duration, String),
    Other(String),
}

impl Seen {
    /// Takes an answer in.
    fn answered(&mut self, at: Instant, said: String) -> Option<News> {
        self.answers += 1;
        let before = self.last.replace((at, said.clone()));
        let Some((then, before)) = before else { return Some(News::First(said)) };
        let gap = at.duration_since(then);
        if gap >= GAP {
            self.gaps += 1;
            self.longest = self.longest.max(gap);
            return Some(News::Gap(gap, said));
        }
        (before != said).then_some(News::Other(said))
    }
}

fn tell(news: &News, json: bool) {
    let text = match (news, json) {
        (News::First(said), false) => format!("it answers: {said}"),
        (News::Gap(gap, said), false) => format!("no answer for {} ms; now: {said}", gap.as_millis()),
        (News::Other(said), false) => format!("another answer, without a gap: {said}"),
        (News::First(said) | News::Other(said), true) => json!({ "answer": said }).to_string(),
        (News::Gap(gap, said), true) => {
            let ms = u64::try_from(gap.as_millis()).unwrap_or(u64::MAX);
            json!({ "gap_ms": ms, "answer": said }).to_string()
        }
    };
    show::out(&text);
}

/// Watches until Ctrl-C, or for a time.
pub(crate) fn run(text: &str, duration: Option<Duration>, json: bool) -> Result<(), Trouble> {
    let address = address(text)?;
    let mut interrupt = Interrupt::new()?;
    let begin = Instant::now();
    let mut seen = Seen::default();
    while duration.is_none_or(|duration| begin.elapsed() < duration) {
        if let Some(said) = ask(address)
            && let Some(news) = seen.answered(Instant::now(), said)
        {
            tell(&news, json);
        }
        if interrupt.pause(EVERY).is_err() {
            break;
        }
    }
    let silent = seen.last.as_ref().map_or(begin.elapsed(), |(last, _)| last.elapsed());
    let Seen { last, answers, gaps, longest } = seen;
    if json {
        let ms = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        show::out(
            &json!({ "answers": answers, "gaps": gaps, "longest_ms": ms(longest), "silent_ms": ms(silent) })
                .to_string(),
        );
    } else {
        show::out(&format!("{answers} answers, {gaps} gaps, the longest {} ms", longest.as_millis()));
        if silent >= GAP {
            show::out(&format!("it has not answered for the last {} ms", silent.as_millis()));
        }
    }
    match last {
        Some(_) => Ok(()),
        None => Err(Trouble::Failed(format!("{address} has never answered"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_have_port_80_unless_they_say_so() {
        assert_eq!(address("10.0.0.1").unwrap().port(), 80);
        assert_eq!(address("[fd00::1]:81").unwrap().port(), 81);
        assert!(address("web").is_err());
    }

    #[test]
    fn an_answer_is_told_by_its_last_line_that_says_something() {
        let says = |answer| line(answer).unwrap();
        assert_eq!(says("HTTP/1.0 200 OK\r\nA: b\r\n\r\nfrom\nn1\n\n"), "n1");
        assert_eq!(says("HTTP/1.1 204 No Content\r\nA: b\r\n\r\n"), "HTTP/1.1 204 No Content");
        assert_eq!(says("HTTP/1.1 200 OK\r\n\r\n \r\n"), "HTTP/1.1 200 OK");
        assert_eq!(says("no HTTP at all"), "no HTTP at all");
        assert_eq!((line(""), line("\r\n")), (None, None));
    }

    #[test]
    fn a_gap_is_told_when_it_is_over() {
        let mut seen = Seen::default();
        let begin = Instant::now();
        let at = |ms: u64| begin + Duration::from_millis(ms);
        assert_eq!(seen.answered(at(0), "n1".to_owned()), Some(News::First("n1".to_owned())));
        assert_eq!(seen.answered(at(99), "n1".to_owned()), None);
        assert_eq!(seen.answered(at(120), "n2".to_owned()), Some(News::Other("n2".to_owned())));
        let gap = News::Gap(Duration::from_millis(5_000), "n3".to_owned());
        assert_eq!(seen.answered(at(5_120), "n3".to_owned()), Some(gap));
        assert_eq!((seen.answers, seen.gaps, seen.longest.as_millis()), (4, 1, 5_000));
    }
}
