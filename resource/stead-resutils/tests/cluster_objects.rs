//! Windows: resutils/nf-resapi-resutilgetresourcedependency, resutils/nf-resapi-resutilenumresources
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]
#![allow(non_snake_case, reason = "the imitation has the documented names")]
#![allow(
    unsafe_code,
    clippy::undocumented_unsafe_blocks,
    reason = "the exported functions are called as C does"
)]

mod common;

use std::ffi::c_void;
use std::ptr::{null, null_mut};

use common::cluster::{self, named};
use common::{text, wide};
use resutils::*;
use stead_resapi::{CLUS_RESOURCE_CLASS_INFO, GUID, HANDLE};

/// Names seen, and after how many to answer what.
struct Seen {
    names: Vec<String>,
    stop: (usize, u32),
}

impl Seen {
    fn see(parameter: *mut c_void, name: String) -> u32 {
        let seen = unsafe { &mut *parameter.cast::<Seen>() };
        seen.names.push(name);
        if seen.names.len() == seen.stop.0 { seen.stop.1 } else { 0 }
    }
}

unsafe extern "C" fn resource(_: HRESOURCE, found: HRESOURCE, parameter: *mut c_void) -> u32 {
    Seen::see(parameter, named(found).to_owned())
}

unsafe extern "C" fn resource_ex(_: HCLUSTER, _: HRESOURCE, found: HRESOURCE, parameter: *mut c_void) -> u32 {
    Seen::see(parameter, named(found).to_owned())
}

unsafe extern "C" fn group(_: HCLUSTER, _: HGROUP, found: HGROUP, parameter: *mut c_void) -> u32 {
    Seen::see(parameter, cluster::GROUPS[found as usize - 0x3000].0.to_owned())
}

unsafe extern "C" fn node(_: HCLUSTER, found: HNODE, state: i32, parameter: *mut c_void) -> u32 {
    Seen::see(parameter, format!("{} {state}", cluster::NODES[found as usize - 0x4000].0))
}

fn seen(stop: (usize, u32), call: impl FnOnce(*mut c_void) -> u32) -> (u32, String) {
    let mut seen = Seen { names: Vec::new(), stop };
    let code = call((&raw mut seen).cast());
    (code, seen.names.join(" "))
}

#[test]
fn dependencies_by_type_class_and_name() {
    let (app, of) = (cluster::resource("app"), cluster::cluster());
    let own = cluster::open_handles();
    let close = |found: HANDLE| {
        let name = named(found);
        assert_eq!(cluster::open_handles(), own + i64::from(!found.is_null()), "only the answer stays open");
        if !found.is_null() {
            assert_ne!(name, "");
        }
        name
    };
    let disk = wide("physical disk");
    let address = wide("IP Address");
    unsafe {
        let found = ResUtilGetResourceDependency(app, disk.as_ptr());
        assert_eq!(close(found), "disk");
    }
    let base = cluster::open_handles();
    let quiet = |found: HANDLE| {
        assert_eq!(cluster::open_handles(), base + i64::from(!found.is_null()));
        named(found)
    };
    unsafe {
        assert_eq!(quiet(ResUtilGetResourceDependency(app, address.as_ptr())), "", "not a direct one");
        assert_eq!(cluster::last_error(), 5002);
        assert_eq!(quiet(ResUtilGetResourceDependencyByName(of, app, address.as_ptr(), 0)), "");
        assert_eq!(quiet(ResUtilGetResourceDependencyByName(of, app, address.as_ptr(), 1)), "ip");
    }
    let base = cluster::open_handles();
    let mut storage = CLUS_RESOURCE_CLASS_INFO { rc: 1, SubClass: 0 };
    unsafe {
        let found = ResUtilGetResourceDependencyByClass(of, app, &raw mut storage, 0);
        assert_eq!((named(found), cluster::open_handles()), ("disk", base + 1));
        assert_eq!(ResUtilIsResourceClassEqual(&raw mut storage, found), 1);
        assert_eq!(ResUtilIsResourceClassEqual(&raw mut storage, app), 0);
        storage.SubClass = 8;
        assert_eq!(ResUtilIsResourceClassEqual(&raw mut storage, found), 0);
        let found = ResUtilGetResourceNameDependency(wide("name").as_ptr(), address.as_ptr());
        assert_eq!((named(found), cluster::open_handles()), ("ip", base + 2));
        assert!(ResUtilGetResourceNameDependencyEx(wide("none").as_ptr(), address.as_ptr(), 0).is_null());
        assert_eq!(cluster::last_error(), 5007);
        assert!(ResUtilGetResourceDependency(null_mut(), address.as_ptr()).is_null());
        assert!(ResUtilGetResourceDependency(app, null()).is_null());
        assert_eq!((cluster::last_error(), cluster::open_handles()), (87, base + 2));
    }
}

#[test]
fn enumerations_leave_out_the_caller_and_end_when_told() {
    let (app, of, work) = (cluster::resource("app"), cluster::cluster(), cluster::group("work"));
    let base = cluster::open_handles();
    let none = (0, 0);
    unsafe {
        let all = seen(none, |seen| ResUtilEnumResources(null_mut(), null(), Some(resource), seen));
        assert_eq!(all, (0, "app name disk ip".to_owned()));
        let others = seen(none, |seen| ResUtilEnumResources(app, null(), Some(resource), seen));
        assert_eq!(others, (0, "name disk ip".to_owned()));
        let typed = wide("Network name");
        let typed = typed.as_ptr();
        let some = seen(none, |seen| ResUtilEnumResourcesEx(of, app, typed, Some(resource_ex), seen));
        assert_eq!(some, (0, "name".to_owned()));
        let ended = |answer| {
            seen((2, answer), |seen| ResUtilEnumResourcesEx2(of, app, null(), Some(resource_ex), seen, 0))
        };
        assert_eq!((ended(259), ended(5)), ((0, "name disk".to_owned()), (5, "name disk".to_owned())));
        let groups = seen(none, |seen| ResUtilEnumGroups(of, work, Some(group), seen));
        assert_eq!(groups, (0, "Cluster Group".to_owned()));
        let typed = seen(none, |seen| ResUtilEnumGroupsEx(of, null_mut(), 107, Some(group), seen));
        assert_eq!(typed, (0, "work".to_owned()));
        let nodes = seen(none, |seen| ResUtilNodeEnum(of, Some(node), seen));
        assert_eq!(nodes, (0, "n1 0 n2 1".to_owned()));
        let around = |name, kind| {
            let at = cluster::resource(name);
            seen(none, |seen| ResUtilResourceDepEnum(at, kind, Some(resource_ex), seen))
        };
        assert_eq!(around("name", 1), (0, "ip".to_owned()));
        assert_eq!(around("name", 2), (0, "app".to_owned()));
        assert_eq!(around("name", 3), (0, "ip app".to_owned()));
        assert_eq!(around("name", 4), (87, String::new()));
        assert_eq!(ResUtilNodeEnum(of, None, null_mut()), 87);
        assert_eq!(ResUtilNodeEnum(null_mut(), Some(node), null_mut()), 87);
        assert_eq!(ResUtilEnumResources(app, null(), None, null_mut()), 87);
    }
    assert_eq!(cluster::open_handles(), base + 4, "what the tests opened");
}

#[test]
fn resources_and_groups_are_compared_and_opened_again() {
    let (app, ip) = (cluster::resource("app"), cluster::resource("ip"));
    let (work, core) = (cluster::group("work"), cluster::group("Cluster Group"));
    let (mut copy, mut equal, mut kind) = (null_mut(), 9, 0);
    unsafe {
        assert_eq!((ResUtilResourcesEqual(app, app), ResUtilResourcesEqual(app, ip)), (1, 0));
        assert_eq!((ResUtilResourcesEqual(app, null_mut()), cluster::last_error()), (0, 87));
        assert_eq!(ResUtilResourceTypesEqual(wide("ip address").as_ptr(), ip), 1);
        assert_eq!(ResUtilResourceTypesEqual(wide("ip address").as_ptr(), app), 0);
        assert_eq!((ResUtilDupResource(app, &raw mut copy), named(copy)), (0, "app"));
        assert_eq!((ResUtilGroupsEqual(work, core, &raw mut equal), equal), (0, 0));
        assert_eq!((ResUtilGroupsEqual(work, work, &raw mut equal), equal), (0, 1));
        assert_eq!((ResUtilDupGroup(work, &raw mut copy), copy), (0, work));
        assert_eq!((ResUtilGetClusterGroupType(work, &raw mut kind), kind), (0, 107));
        assert_eq!((ResUtilGetClusterGroupType(core, &raw mut kind), kind), (0, 1));
        let mut name = [7u16; 4];
        let mut count = 3;
        assert_eq!(ResUtilGetResourceName(app, name.as_mut_ptr(), &raw mut count), 234);
        assert_eq!((count, name), (3, [7; 4]));
        count = 4;
        assert_eq!(ResUtilGetResourceName(app, name.as_mut_ptr(), &raw mut count), 0);
        assert_eq!((text(name.as_ptr()).as_str(), count), ("app", 3));
    }
}

#[test]
fn the_cluster_as_a_whole() {
    let of = cluster::cluster();
    let base = cluster::open_handles();
    let (mut name, mut ip, mut voter) = (null_mut(), null_mut(), null_mut());
    let mut guid = GUID { Data1: 0, Data2: 0, Data3: 0, Data4: [0; 8] };
    unsafe {
        let result = ResUtilGetCoreClusterResources(of, &raw mut name, &raw mut ip, &raw mut voter);
        assert_eq!((result, named(name), named(ip), named(voter)), (0, "name", "ip", "disk"));
        let result = ResUtilGetCoreClusterResourcesEx(of, null_mut(), &raw mut voter, 0);
        assert_eq!((result, named(voter)), (0, "disk"));
        assert_eq!(cluster::open_handles(), base + 4);
        assert_eq!(ResUtilGetCoreGroup(of) as usize, 0x3000);
        assert_eq!(ResUtilGetClusterId(of, &raw mut guid), 0);
        assert_eq!((guid.Data1, guid.Data2, guid.Data3), (0x0123_4567, 0x89ab, 0xcdef));
        assert_eq!(guid.Data4, [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef]);
        assert_eq!((ResUtilGetClusterRoleState(of, 3), ResUtilGetClusterRoleState(of, 7)), (0, 1));
        assert_eq!((ResUtilGetClusterRoleState(of, 32), cluster::last_error()), (-1, 87));
        assert_eq!(ResUtilGetClusterRoleState(null_mut(), 3), -1);
    }
    assert_eq!(cluster::open_handles(), base + 5);
}

#[test]
fn addresses_and_environment_of_a_resource() {
    let app = cluster::resource("app");
    let (mut address, mut mask, mut network) = ([0u16; 16], [0u16; 16], [9u16; 16]);
    let (mut counts, base) = ([16u32, 5, 16], cluster::open_handles());
    let mut call = |counts: &mut [u32; 3]| unsafe {
        let [one, two, three] = counts;
        let (address, mask, network) = (address.as_mut_ptr(), mask.as_mut_ptr(), network.as_mut_ptr());
        ResUtilGetResourceDependentIPAddressProps(app, address, one, mask, two, network, three)
    };
    assert_eq!((call(&mut counts), counts), (234, [8, 9, 0]), "all lengths are told");
    counts = counts.map(|length| length + 1);
    assert_eq!((call(&mut counts), counts), (0, [8, 9, 0]));
    assert_eq!(text(address.as_ptr()), "10.0.0.1");
    assert_eq!((text(mask.as_ptr()).as_str(), text(network.as_ptr()).as_str()), ("255.0.0.0", ""));
    assert_eq!(cluster::open_handles(), base);
    unsafe {
        let block = ResUtilGetEnvironmentWithNetName(app);
        let size = LocalSize(block) / 2;
        let units = std::slice::from_raw_parts(block.cast::<u16>(), size);
        assert_eq!(units[size - 2..], [0, 0]);
        let lines = String::from_utf16_lossy(units);
        assert_eq!(lines.matches("COMPUTERNAME=").count(), 1);
        assert!(lines.contains("COMPUTERNAME=server\0"));
        assert_eq!((ResUtilFreeEnvironment(block), ResUtilFreeEnvironment(block)), (0, 6));
        assert!(ResUtilGetEnvironmentWithNetName(cluster::resource("ip")).is_null());
        assert_eq!(cluster::last_error(), 5002);
    }
}
