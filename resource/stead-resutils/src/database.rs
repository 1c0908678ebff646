//! Keys of the cluster database.

use std::ptr::{null, null_mut};

use stead_resapi::{
    ERROR_BAD_ARGUMENTS, ERROR_FILE_NOT_FOUND, ERROR_INVALID_DATA, ERROR_MORE_DATA, ERROR_NO_MORE_ITEMS, HKEY,
};

use crate::clusapi;
use crate::clusapi::ALL_ACCESS;
use crate::raw::terminated;
use crate::table::Item;
use crate::value::Data;

/// How often a value that grows between two questions is asked for again.
const ATTEMPTS: usize = 16;
/// More values or keys than this are no enumeration but a loop.
const MOST: u32 = 1 << 20;

/// A value: its type and its bytes.
pub(crate) type Stored = (u32, Vec<u8>);

/// A key, closed when dropped if it was opened here.
pub(crate) struct Key {
    handle: HKEY,
    ours: bool,
}

impl Drop for Key {
    fn drop(&mut self) {
        if self.ours {
            // SAFETY: the handle came from ClusAPI, which refuses what it does not know.
            unsafe { clusapi::ClusterRegCloseKey(self.handle) };
        }
    }
}

fn done(code: u32) -> Result<(), u32> {
    if code == 0 { Ok(()) } else { Err(code) }
}

impl Key {
    /// A key of the caller's.
    ///
    /// # Errors
    /// 160 for null.
    pub(crate) fn given(handle: HKEY) -> Result<Key, u32> {
        if handle.is_null() { Err(ERROR_BAD_ARGUMENTS) } else { Ok(Key { handle, ours: false }) }
    }

    /// A key to close in the end.
    pub(crate) fn owned(handle: HKEY) -> Option<Key> {
        (!handle.is_null()).then_some(Key { handle, ours: true })
    }

    /// The key below; `None` where there is none.
    pub(crate) fn open(&self, name: &[u16]) -> Result<Option<Key>, u32> {
        let (name, mut opened) = (terminated(name), null_mut());
        // SAFETY: the name is terminated and the result writable.
        let code =
            unsafe { clusapi::ClusterRegOpenKey(self.handle, name.as_ptr(), ALL_ACCESS, &raw mut opened) };
        match code as u32 {
            0 => Ok(Some(Key { handle: opened, ours: true })),
            ERROR_FILE_NOT_FOUND => Ok(None),
            code => Err(code),
        }
    }

    /// The key below, made where it is missing.
    pub(crate) fn create(&self, name: &[u16]) -> Result<Key, u32> {
        let (name, mut opened, mut disposition) = (terminated(name), null_mut(), 0);
        // SAFETY: the name is terminated and the results writable.
        let code = unsafe {
            clusapi::ClusterRegCreateKey(
                self.handle,
                name.as_ptr(),
                0,
                ALL_ACCESS,
                null(),
                &raw mut opened,
                &raw mut disposition,
            )
        };
        done(code as u32).map(|()| Key { handle: opened, ours: true })
    }

    /// A value; `None` where there is none.
    pub(crate) fn value(&self, name: &[u16]) -> Result<Option<Stored>, u32> {
        let name = terminated(name);
        let mut data = vec![0; 256];
        for _ in 0..ATTEMPTS {
            let (mut kind, mut size) = (0, data.len() as u32);
            // SAFETY: the name is terminated, the buffer as long as said, the rest writable.
            let code = unsafe {
                clusapi::ClusterRegQueryValue(
                    self.handle,
                    name.as_ptr(),
                    &raw mut kind,
                    data.as_mut_ptr(),
                    &raw mut size,
                )
            };
            match code as u32 {
                0 => {
                    data.truncate(size as usize);
                    return Ok(Some((kind, data)));
                }
                ERROR_MORE_DATA => data.resize((size as usize).max(data.len() * 2), 0),
                ERROR_FILE_NOT_FOUND => return Ok(None),
                code => return Err(code),
            }
        }
        Err(ERROR_MORE_DATA)
    }

    /// The names of all values.
    pub(crate) fn names(&self) -> Result<Vec<Vec<u16>>, u32> {
        let mut room = 256;
        let mut names: Vec<Vec<u16>> = Vec::new();
        while names.len() < MOST as usize {
            let mut name = vec![0u16; room];
            let mut count = room as u32;
            // SAFETY: the buffer is as long as said, the count writable; type and data are not asked for.
            let code = unsafe {
                clusapi::ClusterRegEnumValue(
                    self.handle,
                    names.len() as u32,
                    name.as_mut_ptr(),
                    &raw mut count,
                    null_mut(),
                    null_mut(),
                    null_mut(),
                )
            };
            match code {
                0 => {
                    name.truncate(count as usize);
                    names.push(name);
                }
                ERROR_MORE_DATA if room < 1 << 20 => room = (count as usize + 1).max(room * 2),
                ERROR_NO_MORE_ITEMS => break,
                code => return Err(code),
            }
        }
        Ok(names)
    }

    /// All values with their names.
    pub(crate) fn values(&self) -> Result<Vec<(Vec<u16>, Stored)>, u32> {
        let mut values = Vec::new();
        for name in self.names()? {
            // One that went away meanwhile is not there.
            if let Some(stored) = self.value(&name)? {
                values.push((name, stored));
            }
        }
        Ok(values)
    }

    /// The names of the keys below.
    pub(crate) fn keys(&self) -> Result<Vec<Vec<u16>>, u32> {
        let mut room = 256;
        let mut names: Vec<Vec<u16>> = Vec::new();
        while names.len() < MOST as usize {
            let mut name = vec![0u16; room];
            let mut count = room as u32;
            // SAFETY: the buffer is as long as said, the count writable; the time is not asked for.
            let code = unsafe {
                clusapi::ClusterRegEnumKey(
                    self.handle,
                    names.len() as u32,
                    name.as_mut_ptr(),
                    &raw mut count,
                    null_mut(),
                )
            };
            match code as u32 {
                0 => {
                    name.truncate(count as usize);
                    names.push(name);
                }
                ERROR_MORE_DATA if room < 1 << 20 => room = (count as usize + 1).max(room * 2),
                ERROR_NO_MORE_ITEMS => break,
                code => return Err(code),
            }
        }
        Ok(names)
    }

    pub(crate) fn set(&self, name: &[u16], kind: u32, data: &[u8]) -> Result<(), u32> {
        let name = terminated(name);
        let size = u32::try_from(data.len()).map_err(|_| ERROR_INVALID_DATA)?;
        // SAFETY: the name is terminated and the data as long as said.
        done(unsafe { clusapi::ClusterRegSetValue(self.handle, name.as_ptr(), kind, data.as_ptr(), size) })
    }

    /// Deletes a value; one that is not there is deleted already.
    pub(crate) fn delete(&self, name: &[u16]) -> Result<(), u32> {
        let name = terminated(name);
        // SAFETY: the name is terminated.
        match unsafe { clusapi::ClusterRegDeleteValue(self.handle, name.as_ptr()) } {
            0 | ERROR_FILE_NOT_FOUND => Ok(()),
            code => Err(code),
        }
    }

    /// Deletes an empty key below.
    pub(crate) fn delete_key(&self, name: &[u16]) -> Result<(), u32> {
        let name = terminated(name);
        // SAFETY: the name is terminated.
        done(unsafe { clusapi::ClusterRegDeleteKey(self.handle, name.as_ptr()) } as u32)
    }

    /// The stored value of a property of a table.
    ///
    /// # Errors
    /// 13 where it is of another type, and what the database says.
    pub(crate) fn load(&self, item: &Item) -> Result<Option<Data>, u32> {
        if item.in_memory() {
            return Ok(None);
        }
        let stored = match &item.key {
            None => self.value(&item.name)?,
            Some(key) => match self.open(key)? {
                Some(key) => key.value(&item.name)?,
                None => None,
            },
        };
        stored.map(|(kind, data)| item.format.load(kind, &data)).transpose()
    }

    /// Stores the value of a property of a table where it differs from what is stored, or always with `force`.
    /// `None` deletes it.
    ///
    /// # Errors
    /// What the database says.
    pub(crate) fn save(&self, item: &Item, data: Option<&Data>, force: bool) -> Result<(), u32> {
        if item.in_memory() {
            return Ok(());
        }
        let opened = match (&item.key, data) {
            (None, _) => None,
            (Some(key), Some(_)) => Some(self.create(key)?),
            (Some(key), None) => match self.open(key)? {
                Some(key) => Some(key),
                None => return Ok(()),
            },
        };
        let key = opened.as_ref().unwrap_or(self);
        let Some(data) = data else { return key.delete(&item.name) };
        let new = (item.format.stored(), item.format.store(data));
        if !force && key.value(&item.name)?.as_ref() == Some(&new) {
            return Ok(());
        }
        key.set(&item.name, new.0, &new.1)
    }
}
