//! Keys of the cluster database: `ClusterReg…`.
//!
//! Every change goes through the node, which has stored it when the function returns 0. After a failure nothing has
//! changed, except after `ERROR_TIMEOUT` (1460): the node was away for 30 s, or for half the time that the entry point
//! had left, and the change may yet be made when it is back.
//!
//! Where we differ: a key has no security descriptor and no time of its last write (zero is told).
#![allow(non_snake_case, reason = "the documented names")]

use std::sync::Arc;

use stead_resapi::{
    ERROR_ACCESS_DENIED, ERROR_FILE_NOT_FOUND, ERROR_INVALID_PARAMETER, ERROR_NO_MORE_ITEMS,
    ERROR_NOT_ENOUGH_QUOTA, HKEY, wide_string,
};

use crate::handles::{self, Object};
use crate::out::{self, code, fenced, put};
use crate::tree::{Change, KEY_DELETED, Stored, Tree};

/// The largest value, in bytes.
pub(crate) const LARGEST_VALUE: u32 = 64 * 1024;

/// The longest name of a key, in units without NUL.
const LONGEST_NAME: usize = 255;

/// So many keys may be below each other.
const DEEPEST: usize = 512;

/// Access rights that allow changes: `KEY_SET_VALUE`, `KEY_CREATE_SUB_KEY`, `DELETE`, `MAXIMUM_ALLOWED`,
/// `GENERIC_ALL`, `GENERIC_WRITE`.
const WRITE: u32 = 0x2 | 0x4 | 0x1_0000 | 0x0200_0000 | 0x1000_0000 | 0x4000_0000;

/// A failed panic fence.
const INTERNAL: u32 = stead_resapi::RPC_S_CALL_FAILED;

/// What a key handle stands for.
#[derive(Clone, Debug)]
pub(crate) struct OpenKey {
    pub(crate) tree: Arc<Tree>,
    /// Relative to the resource's key.
    pub(crate) path: String,
    /// The key given to `Open`, which the resource DLL does not close.
    pub(crate) root: bool,
    /// Opened with a right that allows changes.
    pub(crate) write: bool,
}

impl OpenKey {
    /// The path of a key below this one. Empty names in it do not count.
    pub(crate) fn below(&self, name: &str) -> String {
        let names = self.path.split('\\').chain(name.split('\\')).filter(|name| !name.is_empty());
        names.collect::<Vec<_>>().join("\\")
    }

    /// As [`OpenKey::below`], for a key that is to be made.
    ///
    /// # Errors
    /// 87 for a name that is too long, or too many of them.
    pub(crate) fn new_below(&self, name: &str) -> Result<String, u32> {
        let path = self.below(name);
        let long = path.split('\\').any(|name| name.encode_utf16().count() > LONGEST_NAME);
        let deep = path.split('\\').count() > DEEPEST;
        if long || deep { Err(ERROR_INVALID_PARAMETER) } else { Ok(path) }
    }

    /// # Errors
    /// 5 if the key was opened for reading only.
    pub(crate) fn writable(self) -> Result<Self, u32> {
        if self.write { Ok(self) } else { Err(ERROR_ACCESS_DENIED) }
    }
}

/// The key a handle stands for.
///
/// # Errors
/// 6 if it is no key.
pub(crate) fn find(key: HKEY) -> Result<OpenKey, u32> {
    handles::get(key as u64, |object| match object {
        Object::Key(key) => Some(key.clone()),
        Object::Cluster
        | Object::Resource(_)
        | Object::Group(_)
        | Object::Node(_)
        | Object::Enumeration(..)
        | Object::Batch(_) => None,
    })
}

fn handle(tree: Arc<Tree>, path: String, access: u32) -> HKEY {
    handles::add(Object::Key(OpenKey { tree, path, root: false, write: access & WRITE != 0 })) as HKEY
}

/// A handle on the root of a tree, which the resource DLL closes.
pub(crate) fn open_root(tree: Arc<Tree>, access: u32) -> HKEY {
    handle(tree, String::new(), access)
}

/// A name given by the caller; null is the empty one.
///
/// # Safety
/// `name` must be null or a terminated string.
pub(crate) unsafe fn name_of(name: *const u16) -> String {
    // SAFETY: a terminated string, as the caller guarantees.
    unsafe { wide_string(name) }.unwrap_or_default()
}

/// A value given by the caller.
///
/// # Errors
/// 87 for null with a size, 1816 if it is too large.
///
/// # Safety
/// `data` must be null or readable for `size` bytes.
pub(crate) unsafe fn value_of(kind: u32, data: *const u8, size: u32) -> Result<Stored, u32> {
    if size > LARGEST_VALUE {
        return Err(ERROR_NOT_ENOUGH_QUOTA);
    }
    let data = match (data.is_null(), size) {
        (true, 0) => Vec::new(),
        (true, _) => return Err(ERROR_INVALID_PARAMETER),
        // SAFETY: readable for `size` bytes, as the caller guarantees; bytes have no alignment.
        (false, _) => unsafe { std::slice::from_raw_parts(data, size as usize) }.to_vec(),
    };
    Ok(Stored { kind, data })
}

/// Opens a key below another; null or an empty name opens the key itself once more. Errors: 2 if there is none, 6,
/// 87 without `out`, 1018 if `key` has been deleted.
///
/// Windows: clusapi/nf-clusapi-clusterregopenkey
///
/// # Safety
/// `name` must be null or a terminated string, `out` null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegOpenKey(key: HKEY, name: *const u16, access: u32, out: *mut HKEY) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            if out.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let key = find(key)?;
            // SAFETY: as the caller guarantees.
            let path = key.below(&unsafe { name_of(name) });
            if !key.tree.has(&path) {
                return Err(if path == key.path { KEY_DELETED } else { ERROR_FILE_NOT_FOUND });
            }
            // SAFETY: as the caller guarantees.
            unsafe { put(out, handle(key.tree, path, access)) };
            Ok(())
        })())
    }) as i32
}

/// Opens a key below another, making it and those between where they are missing. `disposition` becomes 1 for a new
/// key, 2 for one that was there. Errors: 5 if `key` is open for reading only, 6, 87 without `out` or name, and for a name
/// of more than 255 units or the 513th key below another.
///
/// Windows: clusapi/nf-clusapi-clusterregcreatekey
///
/// # Safety
/// As [`ClusterRegOpenKey`]; `disposition` must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegCreateKey(
    key: HKEY,
    name: *const u16,
    _options: u32,
    access: u32,
    _security: *const std::ffi::c_void,
    out: *mut HKEY,
    disposition: *mut u32,
) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            if out.is_null() || name.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let key = find(key)?;
            // SAFETY: as the caller guarantees.
            let path = key.new_below(&unsafe { name_of(name) })?;
            let existed = key.tree.has(&path);
            if !existed {
                let key = key.clone().writable()?;
                key.tree.change(vec![Change::CreateKey { path: path.clone() }])?;
            }
            // SAFETY: as the caller guarantees.
            unsafe { put(out, handle(key.tree, path, access)) };
            // SAFETY: as the caller guarantees.
            unsafe { put(disposition, if existed { 2 } else { 1 }) };
            Ok(())
        })())
    }) as i32
}

/// Closes a key. The key given to `Open` belongs to the monitor and stays open.
///
/// Windows: clusapi/nf-clusapi-clusterregclosekey
#[unsafe(no_mangle)]
pub extern "C" fn ClusterRegCloseKey(key: HKEY) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            if !find(key)?.root {
                handles::close(key as u64, |object| matches!(object, Object::Key(_)).then_some(()))?;
            }
            Ok(())
        })())
    }) as i32
}

/// Deletes a key that has no keys below it, with its values. Errors: 2 if there is none, 5 if it has keys below it
/// or `key` is open for reading only, 6, 87 without a name.
///
/// Windows: clusapi/nf-clusapi-clusterregdeletekey
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegDeleteKey(key: HKEY, name: *const u16) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            // SAFETY: as the caller guarantees.
            let name = unsafe { name_of(name) };
            if name.trim_matches('\\').is_empty() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let key = find(key)?.writable()?;
            let path = key.below(&name);
            match key.tree.subkeys(&path) {
                Err(_) => Err(ERROR_FILE_NOT_FOUND),
                Ok(below) if !below.is_empty() => Err(ERROR_ACCESS_DENIED),
                Ok(_) => key.tree.change(vec![Change::DeleteKey { path }]),
            }
        })())
    }) as i32
}

/// The name of the key with this index below another. Errors: 6, 87, 234, 259 behind the last one.
///
/// Windows: clusapi/nf-clusapi-clusterregenumkey
///
/// # Safety
/// `name` must be writable for `*units` units; `written` must be null or writable for 8 bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegEnumKey(
    key: HKEY,
    index: u32,
    name: *mut u16,
    units: *mut u32,
    written: *mut u64,
) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            let key = find(key)?;
            if name.is_null() || units.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let names = key.tree.subkeys(&key.path)?;
            let found = names.get(index as usize).ok_or(ERROR_NO_MORE_ITEMS)?;
            // SAFETY: as the caller guarantees.
            unsafe { out::text(found, name, units) }?;
            // SAFETY: as the caller guarantees.
            unsafe { put(written, 0) };
            Ok(())
        })())
    }) as i32
}

/// Sets a value, at most 64 KiB. Errors: 5 if the key is open for reading only, 6, 87 for null data with a size,
/// 1018 if the key has been deleted, 1460 without an answer in time, 1816 if it is too large or the resource keeps
/// too much.
///
/// Windows: clusapi/nf-clusapi-clusterregsetvalue
///
/// # Safety
/// `name` must be null or a terminated string, `data` null or readable for `size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegSetValue(
    key: HKEY,
    name: *const u16,
    kind: u32,
    data: *const u8,
    size: u32,
) -> u32 {
    fenced(INTERNAL, || {
        code((|| {
            let key = find(key)?.writable()?;
            // SAFETY: as the caller guarantees.
            let value = unsafe { value_of(kind, data, size) }?;
            // SAFETY: as the caller guarantees.
            let name = unsafe { name_of(name) };
            if !key.tree.has(&key.path) {
                return Err(KEY_DELETED);
            }
            key.tree.change(vec![Change::Set { path: key.path, name, value }])
        })())
    })
}

/// Deletes a value. Errors: 2 if there is none, 5 if the key is open for reading only, 6.
///
/// Windows: clusapi/nf-clusapi-clusterregdeletevalue
///
/// # Safety
/// `name` must be null or a terminated string.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegDeleteValue(key: HKEY, name: *const u16) -> u32 {
    fenced(INTERNAL, || {
        code((|| {
            let key = find(key)?.writable()?;
            // SAFETY: as the caller guarantees.
            let name = unsafe { name_of(name) };
            key.tree.value(&key.path, &name)?;
            key.tree.change(vec![Change::Delete { path: key.path, name }])
        })())
    })
}

/// Reads a value by its name. A null `data` asks for the size alone. Errors: 2 if there is none, 6, 87 for data
/// without a size, 234 if it does not fit.
///
/// Windows: clusapi/nf-clusapi-clusterregqueryvalue
///
/// # Safety
/// `name` must be null or a terminated string; `kind` and `size` null or writable, `data` null or writable for
/// `*size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegQueryValue(
    key: HKEY,
    name: *const u16,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            let key = find(key)?;
            // SAFETY: as the caller guarantees.
            let stored = key.tree.value(&key.path, &unsafe { name_of(name) })?;
            // SAFETY: as the caller guarantees.
            unsafe { put(kind, stored.kind) };
            // SAFETY: as the caller guarantees.
            unsafe { out::bytes(&stored.data, data, size) }
        })())
    }) as i32
}

/// Reads a value by its index. Errors: 6, 87, 234 if name or data do not fit, 259 behind the last one.
///
/// Windows: clusapi/nf-clusapi-clusterregenumvalue
///
/// # Safety
/// `name` must be writable for `*units` units; `kind` and `size` null or writable, `data` null or writable for
/// `*size` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegEnumValue(
    key: HKEY,
    index: u32,
    name: *mut u16,
    units: *mut u32,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> u32 {
    fenced(INTERNAL, || {
        code((|| {
            let key = find(key)?;
            if name.is_null() || units.is_null() {
                return Err(ERROR_INVALID_PARAMETER);
            }
            let (found, stored) = key.tree.value_at(&key.path, index)?;
            // SAFETY: as the caller guarantees. Both sizes are told even if one is too short.
            let named = unsafe { out::text(&found, name, units) };
            // SAFETY: as the caller guarantees.
            unsafe { put(kind, stored.kind) };
            // SAFETY: as the caller guarantees.
            let filled = unsafe { out::bytes(&stored.data, data, size) };
            named.and(filled)
        })())
    })
}

/// Sizes of what is in a key: the numbers of keys and values, the longest names in units without NUL, the largest
/// value in bytes. Every pointer may be null. Errors: 6, 1018.
///
/// Windows: clusapi/nf-clusapi-clusterregqueryinfokey
///
/// # Safety
/// Each pointer must be null or writable.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn ClusterRegQueryInfoKey(
    key: HKEY,
    subkeys: *mut u32,
    longest_subkey: *mut u32,
    values: *mut u32,
    longest_name: *mut u32,
    largest_value: *mut u32,
    security: *mut u32,
    written: *mut u64,
) -> i32 {
    fenced(INTERNAL, || {
        code((|| {
            let key = find(key)?;
            let (below, inside) = (key.tree.subkeys(&key.path)?, key.tree.values(&key.path)?);
            let units = |name: &String| name.encode_utf16().count() as u32;
            let longest = |names: &mut dyn Iterator<Item = u32>| names.max().unwrap_or(0);
            // SAFETY: as the caller guarantees.
            unsafe {
                put(subkeys, below.len() as u32);
                put(longest_subkey, longest(&mut below.iter().map(units)));
                put(values, inside.len() as u32);
                put(longest_name, longest(&mut inside.iter().map(|(name, _)| units(name))));
                put(largest_value, longest(&mut inside.iter().map(|(_, stored)| stored.data.len() as u32)));
                put(security, 0);
                put(written, 0);
            }
            Ok(())
        })())
    }) as i32
}
