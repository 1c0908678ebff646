//! Over and over, and at once.

use std::time::{Duration, Instant};

use stead_resapi as abi;

use super::super::plan::Given;
use super::super::rules::leaks::LEAST;
use super::super::trace::What;
use super::super::usage;
use super::{Carried, Driver, Stop};

/// Every so many cycles one ends by `Terminate` instead of `Offline`.
const TERMINATED: u32 = 4;

/// After so many cycles it is known how long they take.
const TRIED: u32 = 2;

/// So many are needed to tell a leak.
const ENOUGH: u32 = LEAST as u32;

/// How long threads have to leave after the last cycle.
const LEAVING: Duration = Duration::from_secs(2);

/// How long two instances are called at once.
const TOGETHER: Duration = Duration::from_millis(700);

impl Driver {
    fn note_usage(&self, point: &str, cycle: u32) {
        self.say(What::Usage { point: point.to_owned(), cycle, usage: usage::measure() });
    }

    /// Measures once more when what was on its way out has gone. What ends by itself is not lost.
    fn note_settled(&self, point: &str) {
        let mut last = usage::measure();
        let until = Instant::now() + LEAVING;
        while Instant::now() < until {
            self.recorder.pause(Duration::from_millis(100));
            let usage = usage::measure();
            if usage == last {
                break;
            }
            last = usage;
        }
        self.say(What::Usage { point: format!("{point}-settled"), cycle: 0, usage: last });
    }

    pub(super) fn cycles(&mut self, index: u32) -> Carried {
        let began = Instant::now();
        let until = began + Duration::from_millis(self.spec.cycles_ms);
        for cycle in 1..=self.spec.cycles {
            self.online(index, 0, false)?;
            if !self.is_online(index) {
                // Once may be bad luck of the workload.
                self.online(index, 0, false)?;
            }
            if !self.is_online(index) {
                return Err(Stop(format!("it did not come online in cycle {cycle}")));
            }
            self.poll(index, true)?;
            if cycle % TERMINATED == 0 {
                self.terminate(index)?;
            } else {
                self.offline(index, 0, false)?;
                if self.is_online(index) {
                    self.terminate(index)?;
                }
            }
            self.note_usage("cycles", cycle);
            // One that is so slow that leaks can hardly be told in the time there is leaves it to the others.
            let pointless = cycle == TRIED && began.elapsed() / TRIED * ENOUGH > (until - began) / 3 * 2;
            if pointless || Instant::now() >= until {
                break;
            }
        }
        self.note_settled("cycles");
        Ok(())
    }

    pub(super) fn open_close_cycles(&mut self) -> Carried {
        let until = Instant::now() + Duration::from_millis(self.spec.cycles_ms / 5);
        for cycle in 1..=self.spec.cycles {
            self.open(0, Given::All)?;
            self.close(0)?;
            self.note_usage("open-close", cycle);
            if Instant::now() >= until {
                break;
            }
        }
        self.note_settled("open-close");
        Ok(())
    }

    /// One thread an instance: each calls in order, the two at once.
    pub(super) fn together(&self) -> Carried {
        let until = Instant::now() + TOGETHER;
        std::thread::scope(|scope| {
            let callers: Vec<_> =
                [0, 1].map(|index| scope.spawn(move || self.one_of_two(index, until))).into_iter().collect();
            callers.into_iter().try_for_each(|caller| {
                caller.join().unwrap_or_else(|_| Err(Stop("a thread of the trial failed".to_owned())))
            })
        })
    }

    fn one_of_two(&self, index: u32, until: Instant) -> Carried {
        let at = index as usize;
        loop {
            let returned = self.call_online(index, 0, false)?;
            // Both may want one port or one file: whether it works is not what this is about.
            let up = if returned == abi::ERROR_IO_PENDING {
                self.recorder.wait(Duration::from_millis(250), |slots| !slots[at].phase.reports());
                let slots = self.recorder.slots();
                slots[at].reported.is_some_and(|fin| fin.state == abi::ClusterResourceOnline)
            } else {
                returned == 0
            };
            if up {
                for looks in [true, false, true] {
                    self.poll(index, looks)?;
                }
            }
            self.read_properties(index)?;
            self.terminate(index)?;
            if Instant::now() >= until {
                return Ok(());
            }
        }
    }
}
