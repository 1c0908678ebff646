//! What is to happen, in the order of real time; of one instant, in the order in which it was arranged.

use std::cmp::Reverse;
use std::collections::BinaryHeap;

use crate::world::Happening;

/// The heap holds only when and where: what happens is large, and stays where it is meanwhile.
#[derive(Default)]
pub(crate) struct Agenda {
    heap: BinaryHeap<Reverse<(u64, u64, usize)>>,
    happenings: Vec<Option<Happening>>,
    free: Vec<usize>,
    arranged: u64,
}

impl Agenda {
    pub(crate) fn push(&mut self, at: u64, happening: Happening) {
        self.arranged += 1;
        let place = self.free.pop().unwrap_or(self.happenings.len());
        match self.happenings.get_mut(place) {
            Some(empty) => *empty = Some(happening),
            None => self.happenings.push(Some(happening)),
        }
        self.heap.push(Reverse((at, self.arranged, place)));
    }

    /// The next of all, and when it happens, if that is no later than `end`.
    pub(crate) fn pop(&mut self, end: u64) -> Option<(u64, Happening)> {
        if self.heap.peek().is_none_or(|Reverse((at, ..))| *at > end) {
            return None;
        }
        let Reverse((at, _, place)) = self.heap.pop()?;
        self.free.push(place);
        let happening = self.happenings.get_mut(place)?.take()?;
        Some((at, happening))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn things_happen_in_time_and_then_as_they_were_arranged() {
        let mut agenda = Agenda::default();
        for (at, node) in [(5, 0), (3, 1), (5, 2), (3, 3)] {
            agenda.push(at, Happening::PowerOn { node });
        }
        let mut happened = Vec::new();
        while let Some((at, happening)) = agenda.pop(5) {
            // What comes meanwhile takes the place of what is over.
            if happened.is_empty() {
                agenda.push(4, Happening::PowerOn { node: 4 });
                agenda.push(6, Happening::PowerOn { node: 5 });
            }
            let Happening::PowerOn { node } = happening else { continue };
            happened.push((at, node));
        }
        assert_eq!(happened, [(3, 1), (3, 3), (4, 4), (5, 0), (5, 2)]);
        assert!(agenda.pop(6).is_some() && agenda.pop(u64::MAX).is_none());
    }
}
