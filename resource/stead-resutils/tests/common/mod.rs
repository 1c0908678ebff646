//! What the tests share: an imitation of ClusAPI, and property tables made of Rust values.
#![allow(dead_code, unreachable_pub, reason = "each test file uses some of it")]

pub mod cluster;

use std::ffi::c_void;
use std::ptr::null_mut;

use stead_resapi::{RESUTIL_PROPERTY_DEFAULT, RESUTIL_PROPERTY_ITEM};

pub fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

/// The text at a pointer.
pub fn text(pointer: *const u16) -> String {
    // SAFETY: the tests pass what the library handed out, which is terminated.
    unsafe { stead_resapi::wide_string(pointer) }.unwrap_or_default()
}

/// A table whose strings live as long as it does.
#[derive(Default)]
pub struct Table {
    strings: Vec<Vec<u16>>,
    items: Vec<RESUTIL_PROPERTY_ITEM>,
}

pub struct Item<'a> {
    pub name: &'a str,
    pub key: Option<&'a str>,
    pub format: u32,
    pub default: usize,
    pub limits: (u32, u32),
    pub flags: u32,
    pub offset: u32,
}

impl Default for Item<'_> {
    fn default() -> Self {
        Item { name: "", key: None, format: 2, default: 0, limits: (0, u32::MAX), flags: 0, offset: 0 }
    }
}

impl Table {
    fn keep(&mut self, units: Vec<u16>) -> *mut u16 {
        self.strings.push(units);
        self.strings.last_mut().unwrap().as_mut_ptr()
    }

    /// A default that is a string.
    pub fn string(&mut self, text: &str) -> usize {
        self.keep(wide(text)) as usize
    }

    /// A default that is a block, with its size.
    pub fn strings(&mut self, text: &str) -> (usize, u32) {
        let units: Vec<u16> = text.encode_utf16().collect();
        let size = units.len() as u32 * 2;
        (self.keep(units) as usize, size)
    }

    pub fn add(mut self, item: Item<'_>) -> Self {
        let name = self.keep(wide(item.name));
        let key = item.key.map_or(null_mut(), |key| self.keep(wide(key)));
        self.items.push(RESUTIL_PROPERTY_ITEM {
            Name: name,
            KeyName: key,
            Format: item.format,
            Anonymous: RESUTIL_PROPERTY_DEFAULT { DefaultPtr: item.default },
            Minimum: item.limits.0,
            Maximum: item.limits.1,
            Flags: item.flags,
            Offset: item.offset,
        });
        self
    }

    pub fn end(mut self) -> Self {
        // SAFETY: an item of zeros ends a table.
        self.items.push(unsafe { std::mem::zeroed() });
        self
    }

    pub fn pointer(&self) -> *const RESUTIL_PROPERTY_ITEM {
        self.items.as_ptr()
    }
}

pub fn list(bytes: &[u8]) -> (*const c_void, u32) {
    (bytes.as_ptr().cast(), bytes.len() as u32)
}
