//! Several changes of keys at once, all or none: `ClusterReg…Batch`.
#![allow(non_snake_case, reason = "the documented names")]

use std::ffi::c_void;
use std::sync::{Arc, Mutex, PoisonError};

use stead_resapi::{ERROR_INVALID_PARAMETER, HKEY};

use crate::handles::{self, Object};
use crate::keys::{OpenKey, find, name_of, value_of};
use crate::out::{code, fenced, put};
use crate::tree::Change;

/// `HREGBATCH`.
type Hregbatch = *mut c_void;

/// A failed panic fence.
const INTERNAL: u32 = stead_resapi::RPC_S_CALL_FAILED;

const CLUSREG_SET_VALUE: i32 = 1;
const CLUSREG_CREATE_KEY: i32 = 2;
const CLUSREG_DELETE_KEY: i32 = 3;
const CLUSREG_DELETE_VALUE: i32 = 4;

/// So many commands go into one batch.
const MOST_COMMANDS: usize = 1_024;

/// Changes that wait for their batch to be closed.
#[derive(Clone, Debug)]
pub(crate) struct Batch {
    pub(crate) root: OpenKey,
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    /// Where values go: the key made or opened by the last `CLUSREG_CREATE_KEY`.
    path: String,
    changes: Vec<Change>,
}

fn batch(handle: Hregbatch) -> Result<Batch, u32> {
    handles::get(handle as u64, of)
}

fn of(object: &Object) -> Option<Batch> {
    match object {
        Object::Batch(batch) => Some(batch.clone()),
        Object::Cluster
        | Object::Resource(_)
        | Object::Group(_)
        | Object::Node(_)
        | Object::Enumeration(..)
        | Object::Key(_) => None,
    }
}

/// Begins a batch on a key. Errors: 5 if it is open for reading only, 6, 87 without `out`.
///
/// Windows: clusapi/nf-clusapi-clusterregcreatebatch
///
/// # Safety
/// `out` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegCreateBatch(key: HKEY, out: *mut Hregbatch) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            if out.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let root = find(key)?.writable()?;
            let state = State { path: root.path.clone(), changes: Vec::new() };
            let batch = Object::Batch(Batch { root, state: Arc::new(Mutex::new(state)) });
            // SAFETY: as the caller guarantees.
            unsafe { put(out, handles::add(batch) as Hregbatch) };
            Ok(())
        })())
    }) as i32
}

/// Adds a command: `CLUSREG_SET_VALUE` (1; `options` is the `REG_…` number), `CLUSREG_CREATE_KEY` (2; the commands
/// behind it work on that key), `CLUSREG_DELETE_KEY` (3), `CLUSREG_DELETE_VALUE` (4). Errors: 6, 87 for another
/// command or the 1,025th, 1816 for too large a value.
///
/// Windows: clusapi/nf-clusapi-clusterregbatchaddcommand
///
/// # Safety
/// `name` must be null or a terminated string, `data` null or readable for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegBatchAddCommand(
    handle: Hregbatch,
    command: i32,
    name: *const u16,
    options: u32,
    data: *const c_void,
    size: u32,
) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            let batch = batch(handle)?;
            // SAFETY: as the caller guarantees.
            let name = unsafe { name_of(name) };
            let mut state = batch.state.lock().unwrap_or_else(PoisonError::into_inner);
            if state.changes.len() >= MOST_COMMANDS {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let path = state.path.clone();
            let change = match command {
                CLUSREG_SET_VALUE => {
                    // SAFETY: as the caller guarantees.
                    Change::Set { path, name, value: unsafe { value_of(options, data.cast(), size) }? }
                }
                CLUSREG_CREATE_KEY => {
                    state.path = batch.root.new_below(&name)?;
                    Change::CreateKey { path: state.path.clone() }
                }
                CLUSREG_DELETE_KEY if !name.trim_matches('\\').is_empty() => {
                    Change::DeleteKey { path: batch.root.below(&name) }
                }
                CLUSREG_DELETE_VALUE => Change::Delete { path, name },
                _ => return Err(ERROR_INVALID_PARAMETER),
            };
            state.changes.push(change);
            Ok(())
        })())
    }) as i32
}

/// Ends a batch: makes all its changes if `commit` is not 0, else none. `failed` becomes -1, or 0 when the changes
/// were refused: they go together, so the first stands for all. Errors: 6, and those of the changes.
///
/// Windows: clusapi/nf-clusapi-clusterregclosebatch
///
/// # Safety
/// `failed` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegCloseBatch(handle: Hregbatch, commit: i32, failed: *mut i32) -> i32 {
    fenced(INTERNAL, || {
        let closed = handles::close(handle as u64, of).and_then(|batch| {
            let mut state = batch.state.lock().unwrap_or_else(PoisonError::into_inner);
            let changes = std::mem::take(&mut state.changes);
            drop(state);
            if commit == 0 { Ok(()) } else { batch.root.tree.change(changes) }
        });
        // SAFETY: as the caller guarantees.
        unsafe { put(failed, if closed.is_ok() { -1 } else { 0 }) };
        code(closed)
    }) as i32
}
