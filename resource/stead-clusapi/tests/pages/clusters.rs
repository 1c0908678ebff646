//! clusapi/nf-clusapi-opencluster, nf-clusapi-openclusterex, nf-clusapi-closecluster, nf-clusapi-getclusterinformation,
//! nf-clusapi-openclusternode, nf-clusapi-getclusternodestate, nf-clusapi-openclustergroup,
//! nf-clusapi-getclustergroupstate, nf-clusapi-getnodeclusterstate, and what has no meaning here.

use crate::common::*;

#[test]
fn a_cluster_is_opened_by_its_name_and_those_of_its_nodes() {
    cluster();
    for name in ["", ".", "RING", "n1", "N2"] {
        let opened = unsafe { OpenCluster(wide(name).as_ptr()) };
        assert_ne!(opened, 0, "{name}");
        assert_ne!(unsafe { CloseCluster(opened) }, 0);
        assert_eq!(last_error(|| unsafe { CloseCluster(opened) }), (0, INVALID_HANDLE));
    }
    assert_eq!(last_error(|| unsafe { OpenCluster(wide("other").as_ptr()) }), (0, SERVER_UNAVAILABLE));
    let mut granted = 7;
    let name = wide("other");
    unsafe {
        assert_eq!(OpenClusterEx(name.as_ptr(), 1, &raw mut granted), 0);
        assert_eq!(granted, 0);
        assert_ne!(OpenClusterEx(std::ptr::null(), 1, &raw mut granted), 0);
        assert_eq!(granted, 0x1000_0000);
        assert_ne!(OpenClusterEx(std::ptr::null(), 1, std::ptr::null_mut()), 0);
    }
}

#[test]
fn success_leaves_the_last_error_as_it_was() {
    cluster();
    assert_eq!(last_error(|| unsafe { OpenCluster(std::ptr::null()) }).1, 0xDEAD);
}

#[test]
fn the_last_error_is_the_threads_own() {
    unsafe { SetLastError(1) };
    std::thread::spawn(|| assert_eq!(unsafe { GetLastError() }, 0)).join().unwrap();
    assert_eq!(unsafe { GetLastError() }, 1);
}

#[test]
fn the_cluster_tells_its_name_and_version() {
    let cluster = cluster();
    let mut info: CLUSTERVERSIONINFO = unsafe { std::mem::zeroed() };
    info.dwVersionInfoSize = size_of::<CLUSTERVERSIONINFO>() as u32;
    let null: Key = std::ptr::null_mut();
    for (room, expected) in [(0, MORE_DATA), (4, MORE_DATA), (5, 0)] {
        let edge = Edge::new(10);
        let mut units = room;
        let code = unsafe { GetClusterInformation(cluster, edge.at(), &raw mut units, &raw mut info) };
        assert_eq!((code, units), (expected, 4), "{room}");
    }
    let vendor: Vec<u16> = info.szVendorId.to_vec();
    assert_eq!(narrow(&vendor), "stead");
    assert_eq!(info.dwVersionInfoSize as usize, size_of::<CLUSTERVERSIONINFO>());
    info.dwVersionInfoSize = 8;
    let mut units = 0;
    unsafe {
        let short = GetClusterInformation(cluster, null.cast(), &raw mut units, &raw mut info);
        assert_eq!(short, INVALID_PARAMETER);
        assert_eq!(GetClusterInformation(cluster, null.cast(), null.cast(), null.cast()), INVALID_PARAMETER);
        assert_eq!(GetClusterInformation(0, null.cast(), &raw mut units, null.cast()), INVALID_HANDLE);
    }
}

#[test]
fn nodes_have_a_state() {
    let cluster = cluster();
    for (name, state) in [("n1", ClusterNodeUp), ("N2", ClusterNodePaused)] {
        let node = unsafe { OpenClusterNode(cluster, wide(name).as_ptr()) };
        assert_eq!(unsafe { GetClusterNodeState(node) }, state);
        assert_ne!(unsafe { CloseClusterNode(node) }, 0);
        assert_eq!(
            last_error(|| unsafe { GetClusterNodeState(node) }),
            (ClusterNodeStateUnknown, INVALID_HANDLE)
        );
    }
    let own = unsafe { OpenClusterNodeEx(cluster, std::ptr::null(), 1, std::ptr::null_mut()) };
    assert_eq!(unsafe { GetClusterNodeState(own) }, ClusterNodeUp, "the first is the own one");
    assert_eq!(last_error(|| unsafe { OpenClusterNode(cluster, wide("n3").as_ptr()) }), (0, NODE_NOT_FOUND));
    assert_eq!(last_error(|| unsafe { OpenClusterNode(0, std::ptr::null()) }), (0, INVALID_HANDLE));
}

#[test]
fn groups_have_a_state_and_an_owner() {
    let cluster = cluster();
    let group = unsafe { OpenClusterGroup(cluster, wide("G1").as_ptr()) };
    let null: Key = std::ptr::null_mut();
    unsafe {
        assert_eq!(GetClusterGroupState(group, null.cast(), null.cast()), ClusterGroupPartialOnline);
        let (edge, mut units) = (Edge::new(6), 3);
        assert_eq!(GetClusterGroupState(group, edge.at(), &raw mut units), ClusterGroupPartialOnline);
        assert_eq!((edge.bytes(), units), (&[b'n', 0, b'1', 0, 0, 0][..], 2));
        units = 2;
        let short = last_error(|| GetClusterGroupState(group, edge.at(), &raw mut units));
        assert_eq!((short, units), ((ClusterGroupStateUnknown, MORE_DATA), 2));
        // Its name, of which the page of codes says that it is a string with its NUL.
        const GET_NAME: u32 = 0x0300_0029;
        let (edge, mut size) = (Edge::new(6), 0);
        let none = ClusterGroupControl(group, 0, GET_NAME, null.cast(), 0, null.cast(), 0, &raw mut size);
        assert_eq!((none, size), (MORE_DATA, 6));
        let named =
            ClusterGroupControl(group, 0, GET_NAME, null.cast(), 0, edge.at::<u8>().cast(), 6, &raw mut size);
        assert_eq!((named, edge.bytes()), (0, &[b'g', 0, b'1', 0, 0, 0][..]));
        let other = ClusterGroupControl(group, 0, 0x0300_0051, null.cast(), 0, null.cast(), 0, null.cast());
        assert_eq!(other, stead_resapi::ERROR_INVALID_FUNCTION);
        assert_ne!(CloseCluster(GetClusterFromGroup(group)), 0);
        assert_ne!(CloseClusterGroup(group), 0);
        assert_eq!(last_error(|| CloseClusterGroup(group)), (0, INVALID_HANDLE));
        assert_eq!(last_error(|| GetClusterFromGroup(group)), (0, INVALID_HANDLE));
        assert_eq!(last_error(|| OpenClusterGroup(cluster, wide("g3").as_ptr())), (0, GROUP_NOT_FOUND));
        assert_eq!(last_error(|| OpenClusterGroup(cluster, null.cast())), (0, INVALID_PARAMETER));
        let mut granted = 7;
        assert_eq!(OpenClusterGroupEx(cluster, null.cast(), 1, &raw mut granted), 0);
        assert_eq!(granted, 0);
    }
}

#[test]
fn this_machine_is_in_a_cluster_that_runs() {
    cluster();
    let mut state = 0;
    unsafe {
        assert_eq!(GetNodeClusterState(std::ptr::null(), &raw mut state), 0);
        assert_eq!(state as i32, ClusterStateRunning);
        assert_eq!(GetNodeClusterState(std::ptr::null(), std::ptr::null_mut()), INVALID_PARAMETER);
        assert_eq!(GetNodeClusterState(wide("elsewhere").as_ptr(), &raw mut state), SERVER_UNAVAILABLE);
    }
}

#[test]
fn what_has_no_meaning_here_says_so() {
    const NOT_IMPLEMENTED: u32 = 120;
    let null: Key = std::ptr::null_mut();
    let group = unsafe { OpenClusterGroup(cluster(), wide("g1").as_ptr()) };
    unsafe {
        assert_eq!(last_error(|| GetClusterKey(cluster(), ALL)), (null, NOT_IMPLEMENTED));
        assert_eq!(last_error(|| GetClusterGroupKey(group, ALL)), (null, NOT_IMPLEMENTED));
        let name = wide("Network Name");
        assert_eq!(
            last_error(|| GetClusterResourceTypeKey(cluster(), name.as_ptr(), ALL)),
            (null, NOT_IMPLEMENTED)
        );
        let quorum = GetClusterQuorumResource(
            cluster(),
            null.cast(),
            null.cast(),
            null.cast(),
            null.cast(),
            null.cast(),
        );
        assert_eq!(quorum, NOT_IMPLEMENTED);
        assert_eq!(ClusterRegGetKeySecurity(null, 0, null, null.cast()) as u32, NOT_IMPLEMENTED);
        assert_eq!(ClusterRegSetKeySecurity(null, 0, null) as u32, NOT_IMPLEMENTED);
    }
}
