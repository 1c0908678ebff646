//! clusapi/nf-clusapi-openclusterresource, nf-clusapi-getclusterresourcestate, nf-clusapi-getclusterresourcekey,
//! nf-clusapi-getclusterresourcenetworkname, nf-clusapi-getclusterresourcedependencyexpression,
//! nf-clusapi-getclusterfromresource, nf-clusapi-closeclusterresource.

use crate::common::*;

#[test]
fn state_owner_and_group_are_told() {
    let resource = resource("APP");
    let null: Key = std::ptr::null_mut();
    let (node, group) = (Edge::new(6), Edge::new(6));
    let (mut node_units, mut group_units) = (3, 3);
    unsafe {
        let state = GetClusterResourceState(
            resource,
            node.at(),
            &raw mut node_units,
            group.at(),
            &raw mut group_units,
        );
        assert_eq!((state, node_units, group_units), (ClusterResourceOnline, 2, 2));
        assert_eq!(node.bytes(), [b'n', 0, b'1', 0, 0, 0]);
        assert_eq!(group.bytes(), [b'g', 0, b'1', 0, 0, 0]);
        let state = GetClusterResourceState(resource, null.cast(), null.cast(), null.cast(), null.cast());
        assert_eq!(state, ClusterResourceOnline);
        (node_units, group_units) = (1, 1);
        let short = last_error(|| {
            GetClusterResourceState(
                resource,
                node.at(),
                &raw mut node_units,
                group.at(),
                &raw mut group_units,
            )
        });
        assert_eq!((short, node_units, group_units), ((ClusterResourceStateUnknown, MORE_DATA), 2, 2));
        assert_ne!(CloseCluster(GetClusterFromResource(resource)), 0);
        assert_ne!(CloseClusterResource(resource), 0);
        let closed = last_error(|| {
            GetClusterResourceState(resource, null.cast(), null.cast(), null.cast(), null.cast())
        });
        assert_eq!(closed, (ClusterResourceStateUnknown, INVALID_HANDLE));
    }
}

#[test]
fn who_is_not_there_is_not_opened() {
    let cluster = cluster();
    unsafe {
        assert_eq!(last_error(|| OpenClusterResource(cluster, wide("x").as_ptr())), (0, RESOURCE_NOT_FOUND));
        assert_eq!(last_error(|| OpenClusterResource(cluster, std::ptr::null())), (0, INVALID_PARAMETER));
        assert_eq!(last_error(|| OpenClusterResource(0, wide("app").as_ptr())), (0, INVALID_HANDLE));
        let mut granted = 7;
        let name = wide("x");
        assert_eq!(OpenClusterResourceEx(cluster, name.as_ptr(), 3, &raw mut granted), 0);
        assert_eq!(granted, 0);
    }
}

#[test]
fn the_expression_is_told() {
    let (app, free) = (resource("app"), resource("free"));
    for (room, expected) in [(4, MORE_DATA), (5, 0)] {
        let (edge, mut units) = (Edge::new(10), room);
        let code = unsafe { GetClusterResourceDependencyExpression(app, edge.at(), &raw mut units) };
        assert_eq!((code, units), (expected, 4), "{room}");
    }
    let (mut unit, mut units) = (7, 1);
    unsafe {
        assert_eq!(GetClusterResourceDependencyExpression(free, &raw mut unit, &raw mut units), 0);
        assert_eq!((unit, units), (0, 0), "it depends on nothing");
        let code = GetClusterResourceDependencyExpression(app, &raw mut unit, std::ptr::null_mut());
        assert_eq!(code, INVALID_PARAMETER);
        assert_eq!(GetClusterResourceDependencyExpression(0, &raw mut unit, &raw mut units), INVALID_HANDLE);
    }
}

#[test]
fn the_network_name_is_that_of_the_provider_behind_the_provider() {
    let (app, free) = (resource("app"), resource("free"));
    let (mut name, mut units) = ([0; 16], 16);
    unsafe {
        assert_ne!(GetClusterResourceNetworkName(app, name.as_mut_ptr(), &raw mut units), 0);
        assert_eq!((narrow(&name).as_str(), units), ("net-name", 8));
        units = 8;
        let short = last_error(|| GetClusterResourceNetworkName(app, name.as_mut_ptr(), &raw mut units));
        assert_eq!((short, units), ((0, MORE_DATA), 8));
        let none = last_error(|| GetClusterResourceNetworkName(free, name.as_mut_ptr(), &raw mut units));
        assert_eq!(none, (0, DEPENDENCY_NOT_FOUND));
        let wrong = last_error(|| GetClusterResourceNetworkName(0, name.as_mut_ptr(), &raw mut units));
        assert_eq!(wrong, (0, INVALID_HANDLE));
    }
}

#[test]
fn the_key_of_a_resource_holds_its_properties() {
    let app = resource("app");
    let key = unsafe { GetClusterResourceKey(app, READ) };
    assert_eq!(query(open(key, "Parameters", READ).unwrap(), "Name").unwrap().1, text("app-name").data);
    assert_eq!(set(key, "x", 4, &[1]), ACCESS_DENIED, "opened for reading");
    assert_eq!(unsafe { ClusterRegCloseKey(key) }, 0);
    assert_eq!(unsafe { ClusterRegCloseKey(key) } as u32, INVALID_HANDLE, "it is the caller's to close");
    assert_eq!(
        last_error(|| unsafe { GetClusterResourceKey(0, READ) }),
        (std::ptr::null_mut(), INVALID_HANDLE)
    );
}
