//! The event history in memory: who asks gets the past, who follows gets what comes.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_api::Event;
use tokio::sync::broadcast;

use crate::edge::store::KEPT_EVENTS;

/// Followers that fall this far behind are told so and go on with what is left.
const FOLLOWED: usize = 8_192;

#[derive(Debug)]
struct Past {
    events: VecDeque<Event>,
    next: u64,
}

/// The history.
#[derive(Debug)]
pub(crate) struct History {
    past: Mutex<Past>,
    live: broadcast::Sender<Event>,
}

impl History {
    /// Goes on from what was stored.
    pub(crate) fn new(stored: Vec<Event>) -> Self {
        let next = stored.last().map_or(1, |event| event.sequence + 1);
        let (live, _) = broadcast::channel(FOLLOWED);
        History { past: Mutex::new(Past { events: stored.into(), next }), live }
    }

    /// Goes on from what several nodes stored: their events by time, and the number of this node's last one.
    pub(crate) fn merged((mut events, last): (Vec<Event>, u64)) -> Self {
        for (sequence, event) in (1..).zip(&mut events) {
            event.sequence = sequence;
        }
        let next = last.max(events.len() as u64) + 1;
        let (live, _) = broadcast::channel(FOLLOWED);
        History { past: Mutex::new(Past { events: events.into(), next }), live }
    }

    fn past(&self) -> MutexGuard<'_, Past> {
        self.past.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Numbers an event, keeps it and tells those who follow.
    pub(crate) fn add(&self, mut event: Event) -> Event {
        let mut past = self.past();
        event.sequence = past.next;
        past.next += 1;
        past.events.push_back(event.clone());
        while past.events.len() as u64 > KEPT_EVENTS {
            past.events.pop_front();
        }
        // Under the lock: nobody sees an event twice or misses one between past and live.
        let _ = self.live.send(event.clone());
        event
    }

    /// Tells those who follow something that is not kept.
    pub(crate) fn mention(&self, event: Event) {
        let _ = self.live.send(event);
    }

    /// The last `count` events after sequence number `after` that `wanted` takes, and what comes next.
    pub(crate) fn read(
        &self,
        after: u64,
        count: usize,
        wanted: impl Fn(&Event) -> bool,
    ) -> (Vec<Event>, broadcast::Receiver<Event>) {
        let past = self.past();
        let mut found: Vec<Event> = past
            .events
            .iter()
            .rev()
            .take_while(|event| event.sequence > after)
            .filter(|event| wanted(event))
            .take(count)
            .cloned()
            .collect();
        found.reverse();
        (found, self.live.subscribe())
    }
}
