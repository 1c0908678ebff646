//! clusapi/nf-clusapi-clusteropenenum, nf-clusapi-clusterenum, nf-clusapi-clustergetenumcount and their relatives of
//! resources and groups.

use crate::common::*;

type Item = unsafe extern "system" fn(isize, u32, *mut u32, *mut u16, *mut u32) -> u32;

fn all(handle: isize, item: Item) -> Vec<(u32, String)> {
    let mut list = Vec::new();
    loop {
        let (mut kind, mut name, mut units) = (0, [0; 64], 64);
        match unsafe { item(handle, list.len() as u32, &raw mut kind, name.as_mut_ptr(), &raw mut units) } {
            0 => {
                assert_eq!(narrow(&name).len(), units as usize);
                list.push((kind, narrow(&name)));
            }
            code => {
                assert_eq!(code, NO_MORE_ITEMS);
                return list;
            }
        }
    }
}

fn expected(list: &[(i32, &str)]) -> Vec<(u32, String)> {
    list.iter().map(|(kind, name)| (*kind as u32, (*name).to_owned())).collect()
}

#[test]
fn a_cluster_enumerates_what_is_asked_for() {
    let cluster = cluster();
    let groups_and_nodes =
        unsafe { ClusterOpenEnum(cluster, (CLUSTER_ENUM_NODE | CLUSTER_ENUM_GROUP) as u32) };
    assert_eq!(unsafe { ClusterGetEnumCount(groups_and_nodes) }, 4);
    let list = [(1, "n1"), (1, "n2"), (8, "g1"), (8, "g2")];
    assert_eq!(all(groups_and_nodes, ClusterEnum), expected(&list));
    let everything = unsafe { ClusterOpenEnum(cluster, CLUSTER_ENUM_ALL as u32) };
    assert_eq!(all(everything, ClusterEnum).len(), 10);
    let networks = unsafe { ClusterOpenEnum(cluster, CLUSTER_ENUM_NETWORK as u32) };
    assert_ne!(networks, 0);
    assert_eq!(last_error(|| unsafe { ClusterGetEnumCount(networks) }), (0, 0xDEAD));
    for wrong in [0, 64, 5 | 0x8000_0000] {
        assert_eq!(last_error(|| unsafe { ClusterOpenEnum(cluster, wrong) }), (0, INVALID_PARAMETER));
    }
    unsafe {
        assert_eq!(ClusterCloseEnum(everything), 0);
        assert_eq!(ClusterCloseEnum(everything), INVALID_HANDLE);
        assert_eq!(last_error(|| ClusterGetEnumCount(everything)), (0, INVALID_HANDLE));
    }
}

#[test]
fn resources_and_groups_enumerate_what_they_are_connected_with() {
    let ip = resource("ip");
    let group = unsafe { OpenClusterGroup(cluster(), wide("g1").as_ptr()) };
    unsafe {
        let around = ClusterResourceOpenEnum(ip, CLUSTER_RESOURCE_ENUM_ALL as u32);
        let list = [(1, "net"), (2, "app"), (4, "n1"), (4, "n2")];
        assert_eq!(all(around, ClusterResourceEnum), expected(&list));
        assert_eq!(ClusterResourceGetEnumCount(around), 4);
        let inside = ClusterGroupOpenEnum(group, CLUSTER_GROUP_ENUM_CONTAINS as u32);
        assert_eq!(all(inside, ClusterGroupEnum), expected(&[(1, "app"), (1, "ip"), (1, "net")]));
        assert_eq!(ClusterGroupGetEnumCount(inside), 3);
        // A handle of one family is none of another.
        assert_eq!(ClusterGroupCloseEnum(around), INVALID_HANDLE);
        assert_eq!(ClusterResourceCloseEnum(inside), INVALID_HANDLE);
        assert_eq!(ClusterCloseEnum(inside), INVALID_HANDLE);
        assert_eq!(last_error(|| ClusterGroupGetEnumCount(around)), (0, INVALID_HANDLE));
        assert_eq!(ClusterResourceCloseEnum(around), 0);
        assert_eq!(ClusterGroupCloseEnum(inside), 0);
        assert_eq!(last_error(|| ClusterResourceOpenEnum(ip, 8)), (0, INVALID_PARAMETER));
        assert_eq!(last_error(|| ClusterGroupOpenEnum(group, 4)), (0, INVALID_PARAMETER));
        assert_eq!(last_error(|| ClusterGroupOpenEnum(ip, 1)), (0, INVALID_HANDLE));
        assert_eq!(last_error(|| ClusterResourceOpenEnum(group, 1)), (0, INVALID_HANDLE));
    }
}

#[test]
fn names_never_pass_the_end_of_their_buffer() {
    let list = unsafe { ClusterOpenEnum(cluster(), CLUSTER_ENUM_GROUP as u32) };
    for (room, expected) in [(0, MORE_DATA), (1, MORE_DATA), (2, MORE_DATA), (3, 0), (u32::MAX, 0)] {
        let edge = Edge::new(6);
        let (mut kind, mut units) = (0, room);
        let code = unsafe { ClusterEnum(list, 0, &raw mut kind, edge.at(), &raw mut units) };
        assert_eq!((code, units), (expected, 2), "{room}");
        assert_eq!(edge.bytes().iter().all(|byte| *byte == FILL), expected != 0, "{room}");
        assert!(edge.before().iter().all(|byte| *byte == FILL));
    }
    let null: Key = std::ptr::null_mut();
    let mut units = 9;
    unsafe {
        assert_eq!(ClusterEnum(list, 0, null.cast(), null.cast(), &raw mut units), MORE_DATA);
        assert_eq!(ClusterEnum(list, 0, null.cast(), null.cast(), null.cast()), INVALID_PARAMETER);
        assert_eq!(ClusterEnum(list, u32::MAX, null.cast(), null.cast(), null.cast()), NO_MORE_ITEMS);
    }
}
