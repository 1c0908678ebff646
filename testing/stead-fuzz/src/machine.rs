use std::collections::BTreeSet;
use std::time::Duration;

use stead_monitor::hosting::{Effect, Event, Hosting, Poll, State, Status};
use stead_monitor_protocol::Timing;
use stead_types::{Code, OfflineFlags, StatusFlags, Time};

/// States that reports come with: the documented ones, and two that are none.
const STATES: [i32; 10] = [2, 3, 4, 129, 130, -1, 126, 127, 0, 77];

/// What four bytes stand for. Returns of calls come at any time: a machine that is asked wrongly must keep its head.
fn event(bytes: [u8; 4], op: u64) -> Event {
    let [kind, a, b, c] = bytes;
    let code = if a < 128 {
        Code::SUCCESS
    } else if a < 192 {
        Code::ERROR_IO_PENDING
    } else {
        Code(u32::from(b))
    };
    match kind % 19 {
        0 => Event::OpenRequested(op),
        1 => Event::OpenReturned(if a < 200 { Ok(()) } else { Err(Code(u32::from(b))) }),
        2 => Event::OnlineRequested(op),
        3 => Event::OfflineRequested(op, OfflineFlags::from_bits(u32::from(a))),
        4 => Event::TerminateRequested(op),
        5 => Event::CancelRequested(op),
        6 => Event::FailRequested(op),
        7 => Event::CloseRequested(op),
        8 => Event::CallReturned(code, i64::from(c)),
        9 => Event::PollReturned(if a < 128 { Poll::LooksAlive } else { Poll::IsAlive }, b < 200),
        10 => Event::TerminateReturned,
        11 => Event::CloseReturned,
        12 | 18 => Event::Reported(Status {
            state: STATES[usize::from(a) % STATES.len()],
            checkpoint: u32::from(b),
            event: i64::from(c % 3),
            code: u32::from(c),
            flags: StatusFlags::from_bits(u32::from(b)),
            last_error: u32::from(c),
        }),
        13 => Event::FailureSignalled(u32::from(a)),
        14 => Event::EventSignalled,
        15 => Event::EventArmed,
        16 => Event::EventUnusable,
        _ => Event::Timer,
    }
}

/// Sequences of requests, returns, status reports and timers: four bytes an event.
///
/// # Panics
/// When a request is answered that was not made or answered before, when one event has effects without end, or when a
/// timeout is planned for a state that waits for nothing.
pub fn hosting(bytes: &[u8]) {
    let timing = Timing { looks_alive_ms: 1_000, is_alive_ms: 10_000, pending_ms: 3_000, deadlock_ms: 5_000 };
    let mut hosting = Hosting::new(timing, bytes.first().is_some_and(|byte| byte % 2 == 0), 7);
    let mut now = Time::from_millis(1_000);
    let mut waiting = BTreeSet::new();
    let mut effects = Vec::new();
    for (op, bytes) in (1..).zip(bytes.as_chunks::<4>().0) {
        let event = event(*bytes, op);
        now = match hosting.next_timeout() {
            Some(at) if event == Event::Timer => at.max(now),
            Some(_) | None => now.after(Duration::from_millis(u64::from(bytes[3]))),
        };
        if let Event::OpenRequested(op)
        | Event::OnlineRequested(op)
        | Event::OfflineRequested(op, _)
        | Event::TerminateRequested(op)
        | Event::CancelRequested(op)
        | Event::FailRequested(op)
        | Event::CloseRequested(op) = event
        {
            waiting.insert(op);
        }
        effects.clear();
        let answer = hosting.handle(event, now, &mut effects);
        assert!(answer.exit <= 1);
        assert!(effects.len() <= 8 + waiting.len(), "{event:?} has {} effects", effects.len());
        for effect in &effects {
            if let Effect::Finish(op, _) = effect {
                assert!(
                    waiting.remove(op),
                    "{event:?} ends {op}, which nobody waits for, in {:?}",
                    hosting.state()
                );
            }
        }
        let calm = matches!(hosting.state(), State::Closed | State::Offline | State::Failed);
        assert!(!calm || hosting.next_timeout().is_none(), "{:?} waits for a time", hosting.state());
    }
}
