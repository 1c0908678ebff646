//! An imitation of ClusAPI: a database of each key asked for, and a small cluster that does not change.
//!
//! `app` depends on `name` and `disk`, `name` on `ip`. `name` and `ip` are core resources.

use std::cell::Cell;
use std::collections::BTreeMap;
use std::ffi::c_void;
use std::ptr::null_mut;
use std::sync::{Mutex, MutexGuard, PoisonError};

use stead_resapi::{HANDLE, HKEY, PropertyList, Value};

thread_local! {
    static LAST: Cell<u32> = const { Cell::new(0) };
    /// Handles that this thread opened and did not close.
    static OPEN: Cell<i64> = const { Cell::new(0) };
    /// After so many writes the database fails.
    static WRITES_LEFT: Cell<u32> = const { Cell::new(u32::MAX) };
    static WRITES: Cell<u32> = const { Cell::new(0) };
}

pub fn open_handles() -> i64 {
    OPEN.get()
}

pub fn writes() -> u32 {
    WRITES.get()
}

pub fn last_error() -> u32 {
    LAST.get()
}

pub fn fail_after(writes: u32) {
    WRITES_LEFT.set(writes);
}

type Stored = (Vec<u16>, u32, Vec<u8>);
type Values = BTreeMap<String, Stored>;

#[derive(Default)]
struct Database {
    keys: BTreeMap<String, Values>,
    handles: Vec<Option<String>>,
}

static DATABASE: Mutex<Option<Database>> = Mutex::new(None);

fn with<T>(action: impl FnOnce(&mut Database) -> T) -> T {
    let mut guard: MutexGuard<'_, Option<Database>> = DATABASE.lock().unwrap_or_else(PoisonError::into_inner);
    action(guard.get_or_insert_default())
}

const KEY: usize = 0x6B00_0000;

impl Database {
    fn path(&self, key: HKEY) -> Option<String> {
        self.handles.get((key as usize).checked_sub(KEY)?)?.clone()
    }

    fn handle(&mut self, path: String) -> HKEY {
        self.handles.push(Some(path));
        (KEY + self.handles.len() - 1) as HKEY
    }
}

/// A key of its own.
pub fn key() -> HKEY {
    with(|database| {
        let path = format!("/{}", database.handles.len());
        database.keys.insert(path.clone(), Values::new());
        database.handle(path)
    })
}

pub fn stored(key: HKEY, name: &str) -> Option<(u32, Vec<u8>)> {
    with(|database| {
        let path = database.path(key)?;
        let (key, name) = name
            .rsplit_once('\\')
            .map_or((path.clone(), name), |(key, name)| (format!("{path}/{}", key.to_lowercase()), name));
        database.keys.get(&key)?.get(&name.to_lowercase()).map(|(_, kind, data)| (*kind, data.clone()))
    })
}

pub fn store(key: HKEY, name: &str, kind: u32, data: &[u8]) {
    with(|database| {
        let path = database.path(key).unwrap();
        let units: Vec<u16> = name.encode_utf16().collect();
        database.keys.get_mut(&path).unwrap().insert(name.to_lowercase(), (units, kind, data.to_vec()));
    });
}

unsafe fn units(pointer: *const u16) -> Vec<u16> {
    let mut units = Vec::new();
    loop {
        // SAFETY: the library passes terminated strings.
        match unsafe { pointer.add(units.len()).read() } {
            0 => return units,
            unit => units.push(unit),
        }
    }
}

unsafe fn name(pointer: *const u16) -> String {
    // SAFETY: as above. Names need only be told apart, which lone surrogates are not here.
    String::from_utf16_lossy(&unsafe { units(pointer) })
}

unsafe fn give(units: &[u16], out: *mut u16, count: *mut u32) -> u32 {
    // SAFETY: the library passes a buffer with its room, and asks for both.
    unsafe {
        let room = count.read() as usize;
        count.write(units.len() as u32);
        if room <= units.len() {
            return 234;
        }
        std::ptr::copy_nonoverlapping(units.as_ptr(), out, units.len());
        out.add(units.len()).write(0);
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn SetLastError(code: u32) {
    LAST.set(code);
}

#[unsafe(no_mangle)]
extern "C" fn GetLastError() -> u32 {
    LAST.get()
}

unsafe fn opened(key: HKEY, below: *const u16, create: bool, out: *mut HKEY) -> i32 {
    // SAFETY: the library passes a terminated name and a place for the answer.
    unsafe {
        let below = name(below).to_lowercase();
        with(|database| {
            let Some(path) = database.path(key) else { return 6 };
            let path = format!("{path}/{below}");
            if !database.keys.contains_key(&path) {
                if !create {
                    return 2;
                }
                database.keys.insert(path.clone(), Values::new());
            }
            OPEN.set(OPEN.get() + 1);
            out.write(database.handle(path));
            0
        })
    }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegOpenKey(key: HKEY, below: *const u16, _: u32, out: *mut HKEY) -> i32 {
    // SAFETY: as the library calls it.
    unsafe { opened(key, below, false, out) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegCreateKey(
    key: HKEY,
    below: *const u16,
    _: u32,
    _: u32,
    _: *const c_void,
    out: *mut HKEY,
    _: *mut u32,
) -> i32 {
    // SAFETY: as the library calls it.
    unsafe { opened(key, below, true, out) }
}

#[unsafe(no_mangle)]
extern "C" fn ClusterRegCloseKey(key: HKEY) -> i32 {
    OPEN.set(OPEN.get() - 1);
    with(|database| database.handles[key as usize - KEY] = None);
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegDeleteKey(key: HKEY, below: *const u16) -> i32 {
    // SAFETY: a terminated name.
    let below = unsafe { name(below) }.to_lowercase();
    with(|database| {
        let path = format!("{}/{below}", database.path(key).unwrap_or_default());
        if database.keys.keys().any(|one| one.starts_with(&format!("{path}/"))) {
            return 5;
        }
        if database.keys.remove(&path).is_some() { 0 } else { 2 }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegEnumKey(
    key: HKEY,
    index: u32,
    out: *mut u16,
    count: *mut u32,
    _: *mut c_void,
) -> i32 {
    with(|database| {
        let Some(path) = database.path(key) else { return 6 };
        let below = format!("{path}/");
        let mut names = database
            .keys
            .keys()
            .filter_map(|one| one.strip_prefix(&below))
            .filter(|name| !name.contains('/'));
        let Some(found) = names.nth(index as usize) else { return 259 };
        // SAFETY: as the library calls it.
        (unsafe { give(&found.encode_utf16().collect::<Vec<_>>(), out, count) }) as i32
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegEnumValue(
    key: HKEY,
    index: u32,
    out: *mut u16,
    count: *mut u32,
    _: *mut u32,
    _: *mut u8,
    _: *mut u32,
) -> u32 {
    with(|database| {
        let Some(path) = database.path(key) else { return 6 };
        let Some((found, _, _)) = database.keys[&path].values().nth(index as usize) else { return 259 };
        // SAFETY: as the library calls it.
        unsafe { give(found, out, count) }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegQueryValue(
    key: HKEY,
    wanted: *const u16,
    kind: *mut u32,
    data: *mut u8,
    size: *mut u32,
) -> i32 {
    // SAFETY: as the library calls it.
    unsafe {
        let wanted = name(wanted).to_lowercase();
        with(|database| {
            let Some(path) = database.path(key) else { return 6 };
            let Some((_, stored_kind, stored)) = database.keys[&path].get(&wanted) else { return 2 };
            let room = size.read();
            size.write(stored.len() as u32);
            if (room as usize) < stored.len() {
                return 234;
            }
            kind.write(*stored_kind);
            std::ptr::copy_nonoverlapping(stored.as_ptr(), data, stored.len());
            0
        })
    }
}

fn may_write() -> bool {
    if WRITES_LEFT.get() == 0 {
        return false;
    }
    WRITES_LEFT.set(WRITES_LEFT.get() - 1);
    WRITES.set(WRITES.get() + 1);
    true
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegSetValue(
    key: HKEY,
    wanted: *const u16,
    kind: u32,
    data: *const u8,
    size: u32,
) -> u32 {
    // SAFETY: as the library calls it.
    let (name, units, data) = unsafe {
        (name(wanted).to_lowercase(), units(wanted), std::slice::from_raw_parts(data, size as usize).to_vec())
    };
    with(|database| match database.path(key) {
        None => 6,
        Some(_) if !may_write() => 5,
        Some(path) => {
            database.keys.get_mut(&path).unwrap().insert(name, (units, kind, data));
            0
        }
    })
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterRegDeleteValue(key: HKEY, wanted: *const u16) -> u32 {
    // SAFETY: a terminated name.
    let name = unsafe { name(wanted) }.to_lowercase();
    with(|database| match database.path(key) {
        None => 6,
        Some(_) if !may_write() => 5,
        Some(path) => match database.keys.get_mut(&path).unwrap().remove(&name) {
            Some(_) => 0,
            None => 2,
        },
    })
}

/// Name, type, class, flags, what it depends on.
type Described = (&'static str, &'static str, i32, u32, &'static [&'static str]);

pub const RESOURCES: [Described; 4] = [
    ("app", "Generic Application", 0, 0, &["name", "disk"]),
    ("name", "Network Name", 0, 1, &["ip"]),
    ("disk", "Physical Disk", 1, 0, &[]),
    ("ip", "IP Address", 2, 1, &[]),
];
pub const GROUPS: [(&str, u32); 2] = [("Cluster Group", 1), ("work", 107)];
pub const NODES: [(&str, i32); 2] = [("n1", 0), ("n2", 1)];

const CLUSTER: usize = 0x1000;
const RESOURCE: usize = 0x2000;
const GROUP: usize = 0x3000;
const NODE: usize = 0x4000;
const LIST: usize = 0x5000;
const AROUND: usize = 0x6000;

fn place(handle: HANDLE, base: usize, length: usize) -> Option<usize> {
    (handle as usize).checked_sub(base).filter(|at| *at < length)
}

fn open(base: usize, at: Option<usize>, missing: u32) -> HANDLE {
    match at {
        Some(at) => {
            OPEN.set(OPEN.get() + 1);
            (base + at) as HANDLE
        }
        None => {
            LAST.set(missing);
            null_mut()
        }
    }
}

fn close() -> i32 {
    OPEN.set(OPEN.get() - 1);
    1
}

/// The cluster, opened.
pub fn cluster() -> HANDLE {
    open(CLUSTER, Some(0), 0)
}

/// A resource by name, opened.
pub fn resource(name: &str) -> HANDLE {
    open(RESOURCE, RESOURCES.iter().position(|one| one.0 == name), 5007)
}

/// A group by name, opened.
pub fn group(name: &str) -> HANDLE {
    open(GROUP, GROUPS.iter().position(|one| one.0 == name), 5013)
}

/// The name of the resource of a handle.
pub fn named(handle: HANDLE) -> &'static str {
    place(handle, RESOURCE, RESOURCES.len()).map_or("", |at| RESOURCES[at].0)
}

#[unsafe(no_mangle)]
extern "C" fn OpenCluster(_: *const u16) -> HANDLE {
    cluster()
}

#[unsafe(no_mangle)]
extern "C" fn CloseCluster(_: HANDLE) -> i32 {
    close()
}

#[unsafe(no_mangle)]
extern "C" fn GetClusterKey(_: HANDLE, _: u32) -> HKEY {
    let root = key();
    let text = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    store(root, "ClusterInstanceID", 1, &text("{01234567-89ab-cdef-0123-456789abcdef}"));
    with(|database| {
        let path = database.path(root).unwrap();
        database.keys.insert(format!("{path}/groups"), Values::new());
        for (at, (name, kind)) in GROUPS.iter().enumerate() {
            let values = [("name", 1, text(name)), ("grouptype", 4, kind.to_le_bytes().to_vec())];
            let values = values.map(|(name, kind, data)| (name.to_owned(), (vec![], kind, data)));
            database.keys.insert(format!("{path}/groups/id{at}"), values.into());
        }
    });
    OPEN.set(OPEN.get() + 1);
    root
}

#[unsafe(no_mangle)]
extern "C" fn ClusterOpenEnum(cluster: HANDLE, kind: u32) -> HANDLE {
    open(LIST, place(cluster, CLUSTER, 1).map(|_| kind as usize), 6)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterEnum(
    list: HANDLE,
    index: u32,
    _: *mut u32,
    out: *mut u16,
    count: *mut u32,
) -> u32 {
    let names: Vec<&str> = match list as usize - LIST {
        1 => NODES.iter().map(|one| one.0).collect(),
        4 => RESOURCES.iter().map(|one| one.0).collect(),
        8 => GROUPS.iter().map(|one| one.0).collect(),
        _ => Vec::new(),
    };
    let Some(name) = names.get(index as usize) else { return 259 };
    // SAFETY: as the library calls it.
    unsafe { give(&name.encode_utf16().collect::<Vec<_>>(), out, count) }
}

#[unsafe(no_mangle)]
extern "C" fn ClusterCloseEnum(_: HANDLE) -> u32 {
    close();
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn GetClusterQuorumResource(
    _: HANDLE,
    out: *mut u16,
    count: *mut u32,
    _: *mut u16,
    _: *mut u32,
    _: *mut u32,
) -> u32 {
    // SAFETY: as the library calls it.
    unsafe { give(&"disk".encode_utf16().collect::<Vec<_>>(), out, count) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn OpenClusterResource(cluster: HANDLE, wanted: *const u16) -> HANDLE {
    // SAFETY: a terminated name.
    let wanted = unsafe { name(wanted) };
    let known = place(cluster, CLUSTER, 1).is_some();
    open(RESOURCE, RESOURCES.iter().position(|one| known && one.0 == wanted), 5007)
}

#[unsafe(no_mangle)]
extern "C" fn CloseClusterResource(_: HANDLE) -> i32 {
    close()
}

#[unsafe(no_mangle)]
extern "C" fn GetClusterFromResource(resource: HANDLE) -> HANDLE {
    open(CLUSTER, place(resource, RESOURCE, RESOURCES.len()).map(|_| 0), 6)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn GetClusterResourceNetworkName(resource: HANDLE, out: *mut u16, count: *mut u32) -> i32 {
    if named(resource) != "app" {
        LAST.set(5002);
        return 0;
    }
    // SAFETY: as the library calls it.
    let code = unsafe { give(&"server".encode_utf16().collect::<Vec<_>>(), out, count) };
    LAST.set(code);
    i32::from(code == 0)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterResourceControl(
    resource: HANDLE,
    _: HANDLE,
    code: u32,
    _: *const c_void,
    _: u32,
    out: *mut c_void,
    room: u32,
    size: *mut u32,
) -> u32 {
    let Some(at) = place(resource, RESOURCE, RESOURCES.len()) else { return 6 };
    let (name, kind, class, flags, _) = RESOURCES[at];
    let text = |text: &str| text.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect::<Vec<u8>>();
    let answer = match code {
        0x0100_0029 => text(name),
        0x0100_002D => text(kind),
        0x0100_0039 => text(&format!("id of {name}")),
        0x0100_000D => [class.to_le_bytes(), 7u32.to_le_bytes()].concat(),
        0x0100_0009 => flags.to_le_bytes().to_vec(),
        0x0100_0081 => PropertyList(vec![
            stead_resapi::Property::new("Address", Value::Sz("10.0.0.1".to_owned())),
            stead_resapi::Property::new("SubnetMask", Value::Sz("255.0.0.0".to_owned())),
        ])
        .encode(),
        _ => return 1,
    };
    // SAFETY: as the library calls it.
    unsafe {
        size.write(answer.len() as u32);
        if (room as usize) < answer.len() {
            return 234;
        }
        std::ptr::copy_nonoverlapping(answer.as_ptr(), out.cast(), answer.len());
    }
    0
}

#[unsafe(no_mangle)]
extern "C" fn ClusterResourceOpenEnum(resource: HANDLE, kind: u32) -> HANDLE {
    let at = place(resource, RESOURCE, RESOURCES.len());
    open(AROUND, at.map(|at| at * 8 + kind as usize), 6)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterResourceEnum(
    list: HANDLE,
    index: u32,
    _: *mut u32,
    out: *mut u16,
    count: *mut u32,
) -> u32 {
    let (at, kind) = ((list as usize - AROUND) / 8, (list as usize - AROUND) % 8);
    let mut names: Vec<&str> = Vec::new();
    if kind & 1 != 0 {
        names.extend(RESOURCES[at].4);
    }
    if kind & 2 != 0 {
        names.extend(RESOURCES.iter().filter(|one| one.4.contains(&RESOURCES[at].0)).map(|one| one.0));
    }
    let Some(name) = names.get(index as usize) else { return 259 };
    // SAFETY: as the library calls it.
    unsafe { give(&name.encode_utf16().collect::<Vec<_>>(), out, count) }
}

#[unsafe(no_mangle)]
extern "C" fn ClusterResourceCloseEnum(_: HANDLE) -> u32 {
    close();
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn OpenClusterGroup(_: HANDLE, wanted: *const u16) -> HANDLE {
    // SAFETY: a terminated name.
    let wanted = unsafe { name(wanted) };
    open(GROUP, GROUPS.iter().position(|one| one.0 == wanted), 5013)
}

#[unsafe(no_mangle)]
extern "C" fn CloseClusterGroup(_: HANDLE) -> i32 {
    close()
}

#[unsafe(no_mangle)]
extern "C" fn GetClusterFromGroup(group: HANDLE) -> HANDLE {
    open(CLUSTER, place(group, GROUP, GROUPS.len()).map(|_| 0), 6)
}

#[unsafe(no_mangle)]
unsafe extern "C" fn ClusterGroupControl(
    group: HANDLE,
    _: HANDLE,
    code: u32,
    _: *const c_void,
    _: u32,
    out: *mut c_void,
    _: u32,
    size: *mut u32,
) -> u32 {
    let Some(at) = place(group, GROUP, GROUPS.len()) else { return 6 };
    if code != 0x0300_0029 {
        return 1;
    }
    let answer: Vec<u8> = GROUPS[at].0.encode_utf16().chain([0]).flat_map(u16::to_le_bytes).collect();
    // SAFETY: the library passes more room than any name here needs.
    unsafe {
        size.write(answer.len() as u32);
        std::ptr::copy_nonoverlapping(answer.as_ptr(), out.cast(), answer.len());
    }
    0
}

#[unsafe(no_mangle)]
unsafe extern "C" fn OpenClusterNode(_: HANDLE, wanted: *const u16) -> HANDLE {
    // SAFETY: a terminated name.
    let wanted = unsafe { name(wanted) };
    open(NODE, NODES.iter().position(|one| one.0 == wanted), 5042)
}

#[unsafe(no_mangle)]
extern "C" fn CloseClusterNode(_: HANDLE) -> i32 {
    close()
}

#[unsafe(no_mangle)]
extern "C" fn GetClusterNodeState(node: HANDLE) -> i32 {
    place(node, NODE, NODES.len()).map_or(-1, |at| NODES[at].1)
}
