//! A made-up cluster, trees with keepers that can be watched, and buffers that end where memory ends.

use std::ffi::c_void;
use std::sync::{Arc, Once};

pub(crate) use clusapi::{Change, InMemory, Keeper, Stored, Tree, kind};
use clusapi::{Cluster, GroupFacts, ResourceFacts};
use rustix::mm::{MapFlags, MprotectFlags, ProtFlags};
pub(crate) use windows_sys::Win32::Foundation::{GetLastError, SetLastError};
pub(crate) use windows_sys::Win32::Networking::Clustering::*;

/// `HKEY`.
pub(crate) type Key = *mut c_void;

pub(crate) const ALL: u32 = 0xF003F;
pub(crate) const READ: u32 = 0x20019;

pub(crate) const FILE_NOT_FOUND: u32 = 2;
pub(crate) const ACCESS_DENIED: u32 = 5;
pub(crate) const INVALID_HANDLE: u32 = 6;
pub(crate) const INVALID_PARAMETER: u32 = 87;
pub(crate) const MORE_DATA: u32 = 234;
pub(crate) const NO_MORE_ITEMS: u32 = 259;
pub(crate) const KEY_DELETED: u32 = 1018;
pub(crate) const POSSIBLE_DEADLOCK: u32 = 1131;
pub(crate) const SERVER_UNAVAILABLE: u32 = 1722;
pub(crate) const NOT_ENOUGH_QUOTA: u32 = 1816;
pub(crate) const DEPENDENCY_NOT_FOUND: u32 = 5002;
pub(crate) const RESOURCE_NOT_FOUND: u32 = 5007;
pub(crate) const GROUP_NOT_FOUND: u32 = 5013;
pub(crate) const NODE_NOT_FOUND: u32 = 5042;

pub(crate) fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

pub(crate) fn narrow(units: &[u16]) -> String {
    let end = units.iter().position(|unit| *unit == 0).expect("it is terminated");
    String::from_utf16(&units[..end]).unwrap()
}

pub(crate) fn text(text: &str) -> Stored {
    Stored { kind: kind::SZ, data: wide(text).into_iter().flat_map(u16::to_le_bytes).collect() }
}

/// One node of two, two groups; `app` depends on `ip`, and that on `net`.
struct Ring;

impl Cluster for Ring {
    fn name(&self) -> Result<String, u32> {
        Ok("Ring".to_owned())
    }

    fn nodes(&self) -> Result<Vec<(String, i32)>, u32> {
        Ok(vec![("n1".to_owned(), ClusterNodeUp), ("n2".to_owned(), ClusterNodePaused)])
    }

    fn resources(&self) -> Result<Vec<String>, u32> {
        Ok(["app", "free", "ip", "net"].map(str::to_owned).to_vec())
    }

    fn groups(&self) -> Result<Vec<String>, u32> {
        Ok(["g1", "g2"].map(str::to_owned).to_vec())
    }

    fn types(&self) -> Result<Vec<String>, u32> {
        Ok(["Generic Application", "Network Name"].map(str::to_owned).to_vec())
    }

    fn resource(&self, name: &str) -> Result<ResourceFacts, u32> {
        let (name, type_name, group, state, providers, dependents) = match name.to_lowercase().as_str() {
            "app" => ("app", "Generic Application", "g1", ClusterResourceOnline, vec!["ip"], vec![]),
            "ip" => ("ip", "IP Address", "g1", ClusterResourceOnlinePending, vec!["net"], vec!["app"]),
            "net" => ("net", "Network Name", "g1", ClusterResourceFailed, vec![], vec!["ip"]),
            "free" => ("free", "Generic Application", "g2", ClusterResourceOffline, vec![], vec![]),
            _ => return Err(RESOURCE_NOT_FOUND),
        };
        Ok(ResourceFacts {
            name: name.to_owned(),
            type_name: type_name.to_owned(),
            group: group.to_owned(),
            node: "n1".to_owned(),
            state,
            expression: providers.iter().map(|on| format!("[{on}]")).collect(),
            providers: providers.into_iter().map(str::to_owned).collect(),
            dependents: dependents.into_iter().map(str::to_owned).collect(),
        })
    }

    fn group(&self, name: &str) -> Result<GroupFacts, u32> {
        let (name, state, resources) = match name.to_lowercase().as_str() {
            "g1" => ("g1", ClusterGroupPartialOnline, vec!["app", "ip", "net"]),
            "g2" => ("g2", ClusterGroupOffline, vec!["free"]),
            _ => return Err(GROUP_NOT_FOUND),
        };
        let resources = resources.into_iter().map(str::to_owned).collect();
        Ok(GroupFacts { name: name.to_owned(), node: "n1".to_owned(), state, resources })
    }

    fn control(&self, _: &str, code: u32, input: &[u8], room: u32) -> Result<(u32, Vec<u8>, u32), u32> {
        match code {
            control::ECHO if input.len() > room as usize => Ok((MORE_DATA, Vec::new(), input.len() as u32)),
            control::ECHO => Ok((0, input.to_vec(), input.len() as u32)),
            control::STORED => Ok((5024, Vec::new(), 0)),
            control::OVERRUN => Ok((0, vec![7; room as usize + 100], room + 100)),
            control::REFUSED => Err(POSSIBLE_DEADLOCK),
            control::ASKS => {
                // Whoever answers may ask himself.
                let cluster = unsafe { OpenCluster(std::ptr::null()) };
                assert_ne!(unsafe { CloseCluster(cluster) }, 0);
                Ok((0, Vec::new(), 0))
            }
            _ => Ok((1, Vec::new(), 0)),
        }
    }

    fn keys(&self, resource: &str) -> Result<Arc<Tree>, u32> {
        let name = self.resource(resource)?.name;
        Ok(Tree::new(InMemory, [("Name".to_owned(), text(&format!("{name}-name")))]))
    }
}

/// Control codes of the made-up cluster.
pub(crate) mod control {
    pub(crate) const ECHO: u32 = 10;
    pub(crate) const STORED: u32 = 11;
    pub(crate) const OVERRUN: u32 = 12;
    pub(crate) const REFUSED: u32 = 13;
    pub(crate) const ASKS: u32 = 14;
}

/// Opens the made-up cluster.
pub(crate) fn cluster() -> HCLUSTER {
    static CONNECTED: Once = Once::new();
    CONNECTED.call_once(|| clusapi::connect(&Ring));
    let cluster = unsafe { OpenCluster(std::ptr::null()) };
    assert_ne!(cluster, 0);
    cluster
}

pub(crate) fn resource(name: &str) -> HRESOURCE {
    let opened = unsafe { OpenClusterResource(cluster(), wide(name).as_ptr()) };
    assert_ne!(opened, 0);
    opened
}

/// What a call left as the last error; it must have set one.
pub(crate) fn last_error<T>(call: impl FnOnce() -> T) -> (T, u32) {
    unsafe { SetLastError(0xDEAD) };
    let result = call();
    (result, unsafe { GetLastError() })
}

/// A tree in memory and its root, for one test.
pub(crate) fn tree() -> (Arc<Tree>, Key) {
    let tree = Tree::new(InMemory, []);
    let root = tree.root();
    (tree, root as Key)
}

pub(crate) fn open(key: Key, path: &str, access: u32) -> Result<Key, u32> {
    let mut out = std::ptr::null_mut();
    match unsafe { ClusterRegOpenKey(key, wide(path).as_ptr(), access, &raw mut out) } {
        0 => Ok(out),
        code => Err(code as u32),
    }
}

/// The key and its disposition.
pub(crate) fn create(key: Key, path: &str) -> Result<(Key, u32), u32> {
    let (mut out, mut disposition) = (std::ptr::null_mut(), 0);
    let name = wide(path);
    let none = std::ptr::null();
    match unsafe { ClusterRegCreateKey(key, name.as_ptr(), 0, ALL, none, &raw mut out, &raw mut disposition) }
    {
        0 => Ok((out, disposition)),
        code => Err(code as u32),
    }
}

pub(crate) fn set(key: Key, name: &str, kind: u32, data: &[u8]) -> u32 {
    unsafe { ClusterRegSetValue(key, wide(name).as_ptr(), kind, data.as_ptr(), data.len() as u32) }
}

/// Kind and bytes.
pub(crate) fn query(key: Key, name: &str) -> Result<(u32, Vec<u8>), u32> {
    let name = wide(name);
    let (mut kind, mut size) = (0, 0);
    let null: Key = std::ptr::null_mut();
    let code = unsafe { ClusterRegQueryValue(key, name.as_ptr(), &raw mut kind, null.cast(), &raw mut size) };
    if code != 0 {
        return Err(code as u32);
    }
    let mut data = vec![0; size as usize];
    let code =
        unsafe { ClusterRegQueryValue(key, name.as_ptr(), &raw mut kind, data.as_mut_ptr(), &raw mut size) };
    assert_eq!(code, 0);
    Ok((kind, data))
}

/// Memory of `size` bytes behind which a page begins that nobody may touch.
pub(crate) struct Edge {
    map: *mut c_void,
    size: usize,
}

const PAGE: usize = 4096;
/// What the memory holds at first.
pub(crate) const FILL: u8 = 0xA5;

impl Edge {
    pub(crate) fn new(size: usize) -> Self {
        assert!(size <= PAGE);
        let (all, flags) = (ProtFlags::READ | ProtFlags::WRITE, MapFlags::PRIVATE);
        let map = unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), 2 * PAGE, all, flags) }.unwrap();
        unsafe { rustix::mm::mprotect(map.byte_add(PAGE), PAGE, MprotectFlags::empty()) }.unwrap();
        unsafe { map.cast::<u8>().write_bytes(FILL, PAGE) };
        Edge { map, size }
    }

    /// Where it begins; misaligned where the size is odd.
    pub(crate) fn at<T>(&self) -> *mut T {
        unsafe { self.map.byte_add(PAGE - self.size) }.cast()
    }

    pub(crate) fn bytes(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.at(), self.size) }
    }

    /// The bytes before it in the same page, which nobody may have changed.
    pub(crate) fn before(&self) -> &[u8] {
        unsafe { std::slice::from_raw_parts(self.map.cast(), PAGE - self.size) }
    }
}

impl Drop for Edge {
    fn drop(&mut self) {
        unsafe { rustix::mm::munmap(self.map, 2 * PAGE) }.unwrap();
    }
}
