//! Handles: index plus generation, one table for all kinds of objects.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use stead_resapi::ERROR_INVALID_HANDLE;

use crate::batch::Batch;
use crate::keys::OpenKey;

/// What a handle may stand for.
#[derive(Clone, Debug)]
pub(crate) enum Object {
    Cluster,
    Resource(Arc<str>),
    Group(Arc<str>),
    Node(Arc<str>),
    /// A list that was taken when the enumeration was opened: kind and name of each item.
    Enumeration(Enumerated, Arc<Vec<(u32, String)>>),
    Key(OpenKey),
    Batch(Batch),
}

/// Which of the families an enumeration belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Enumerated {
    Cluster,
    Resource,
    Group,
}

#[derive(Debug)]
struct Table {
    slots: Vec<(u32, Option<Object>)>,
    free: Vec<u32>,
}

static TABLE: Mutex<Table> = Mutex::new(Table { slots: Vec::new(), free: Vec::new() });

fn table() -> MutexGuard<'static, Table> {
    TABLE.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Table {
    fn find(&self, handle: u64) -> Option<(usize, &Object)> {
        let (generation, index) = ((handle >> 32) as u32, (handle as u32).checked_sub(1)? as usize);
        let slot = self.slots.get(index).filter(|slot| slot.0 == generation)?;
        Some((index, slot.1.as_ref()?))
    }

    fn free(&mut self, index: usize) -> Option<Object> {
        let slot = &mut self.slots[index];
        // Zero is skipped, so that no handle is ever null or small.
        slot.0 = slot.0.wrapping_add(1).max(1);
        self.free.push(index as u32);
        slot.1.take()
    }
}

/// Told of every handle that is refused.
type Witness = Box<dyn Fn(u64) + Send + Sync>;

static WITNESS: OnceLock<Witness> = OnceLock::new();

/// Has somebody told of every handle that is refused, on the thread that used it: one that was never given out, is closed
/// already, or is of another kind. Only the first call counts.
pub fn watch_refused(witness: impl Fn(u64) + Send + Sync + 'static) {
    let _ = WITNESS.set(Box::new(witness));
}

/// Refuses a handle.
fn refused(handle: u64) -> u32 {
    if let Some(witness) = WITNESS.get() {
        witness(handle);
    }
    ERROR_INVALID_HANDLE
}

/// Makes a handle.
pub(crate) fn add(object: Object) -> u64 {
    let mut table = table();
    let index = table.free.pop().unwrap_or_else(|| {
        table.slots.push((1, None));
        table.slots.len() as u32 - 1
    });
    let slot = &mut table.slots[index as usize];
    slot.1 = Some(object);
    u64::from(slot.0) << 32 | u64::from(index + 1)
}

/// What a handle stands for, if `pick` finds it to be of the right kind.
///
/// # Errors
/// 6 for any other.
pub(crate) fn get<T>(handle: u64, pick: impl FnOnce(&Object) -> Option<T>) -> Result<T, u32> {
    // The table is let go before anybody is told.
    let found = table().find(handle).and_then(|(_, object)| pick(object));
    found.ok_or_else(|| refused(handle))
}

/// Ends a handle, if `pick` finds it to be of the right kind.
///
/// # Errors
/// 6 for any other.
pub(crate) fn close<T>(handle: u64, pick: impl FnOnce(&Object) -> Option<T>) -> Result<T, u32> {
    let mut table = table();
    let found = table.find(handle).and_then(|(index, object)| Some((index, pick(object)?)));
    let Some((index, picked)) = found else {
        drop(table);
        return Err(refused(handle));
    };
    let ended = table.free(index);
    // Dropped without the lock: what it holds may be large.
    drop(table);
    drop(ended);
    Ok(picked)
}

/// Ends every handle that `chosen` finds.
pub(crate) fn close_all(chosen: impl Fn(&Object) -> bool) {
    let mut ended = Vec::new();
    {
        let mut table = table();
        for index in 0..table.slots.len() {
            if table.slots[index].1.as_ref().is_some_and(&chosen) {
                ended.extend(table.free(index));
            }
        }
    }
    // Dropped without the lock, as above.
    drop(ended);
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicU32, Ordering};

    use super::*;

    #[test]
    fn whoever_watches_is_told_of_handles_that_are_refused_and_of_no_other() {
        let (handle, forged) = (add(Object::Cluster), 0x7777_0000_0001);
        let told = Arc::new(AtomicU32::new(0));
        let count = Arc::clone(&told);
        watch_refused(move |refused| {
            if refused == handle || refused == forged {
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        let cluster = |object: &Object| matches!(object, Object::Cluster).then_some(());
        assert_eq!((get(handle, cluster), close(handle, cluster)), (Ok(()), Ok(())));
        assert_eq!(told.load(Ordering::Relaxed), 0);
        assert_eq!(close(handle, cluster), Err(ERROR_INVALID_HANDLE));
        assert_eq!(get(forged, cluster), Err(ERROR_INVALID_HANDLE));
        assert_eq!(told.load(Ordering::Relaxed), 2);
    }
}
