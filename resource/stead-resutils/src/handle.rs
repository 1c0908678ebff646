//! Handles that are an index and a generation, never an address.

use std::ffi::c_void;

/// What a handle stands for. Kept in the handle's top byte, so that none is taken for another, nor for a file
/// descriptor.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Kind {
    /// A worker thread.
    Worker = 1,
    /// A service.
    Service = 2,
    /// A critical section.
    Lock = 3,
}

/// Things by handle.
pub(crate) struct Handles<T> {
    kind: Kind,
    slots: Vec<(u32, Option<T>)>,
    free: Vec<u32>,
}

const GENERATIONS: u32 = 0xFF_FFFF;

impl<T> Handles<T> {
    pub(crate) const fn new(kind: Kind) -> Self {
        Handles { kind, slots: Vec::new(), free: Vec::new() }
    }

    /// Stores a thing.
    pub(crate) fn add(&mut self, thing: T) -> *mut c_void {
        let index = self.free.pop().unwrap_or_else(|| {
            self.slots.push((1, None));
            self.slots.len() as u32 - 1
        });
        let slot = &mut self.slots[index as usize];
        slot.1 = Some(thing);
        let value = (self.kind as u64) << 56 | u64::from(slot.0) << 32 | u64::from(index + 1);
        value as usize as *mut c_void
    }

    fn index(&self, handle: *mut c_void) -> Option<usize> {
        let value = handle as usize as u64;
        let generation = (value >> 32) as u32 & GENERATIONS;
        let index = (value as u32).checked_sub(1)? as usize;
        let slot = self.slots.get(index)?;
        (value >> 56 == self.kind as u64 && slot.0 == generation && slot.1.is_some()).then_some(index)
    }

    /// The thing, unless the handle is stale or was never one.
    pub(crate) fn get(&self, handle: *mut c_void) -> Option<&T> {
        self.slots[self.index(handle)?].1.as_ref()
    }

    /// Takes the thing; its handle is stale from now on.
    pub(crate) fn remove(&mut self, handle: *mut c_void) -> Option<T> {
        let index = self.index(handle)?;
        let slot = &mut self.slots[index];
        slot.0 = (slot.0 % GENERATIONS) + 1;
        self.free.push(index as u32);
        slot.1.take()
    }
}
