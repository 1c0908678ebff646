//! Callers who pass what they should not.

use std::sync::Arc;

use crate::common::*;

/// Handles that are none: small, negative, of no generation, of the wrong one.
fn forged() -> Vec<isize> {
    let (tree, root) = tree();
    let real = root as isize;
    tree.close_all();
    // None that another test of this process may be given.
    let near = [real, real | 0x7000_0000, real ^ (1 << 62)];
    [0, 1, 2, -1, -2, 1 << 32, isize::MAX, isize::MIN].into_iter().chain(near).collect()
}

#[test]
fn no_function_takes_a_forged_handle_or_null_for_something() {
    assert_ne!(unsafe { CloseCluster(cluster()) }, 0);
    let null: Key = std::ptr::null_mut();
    let (name, key) = (wide("x"), |handle: isize| handle as Key);
    let wrong = INVALID_HANDLE;
    for it in forged() {
        let (mut out, mut size, mut text, mut batch) = (null, 8, [0u16; 8], 0);
        let at = text.as_mut_ptr();
        unsafe {
            for code in [
                ClusterRegOpenKey(key(it), name.as_ptr(), ALL, &raw mut out) as u32,
                ClusterRegCreateKey(key(it), name.as_ptr(), 0, ALL, null.cast(), &raw mut out, null.cast())
                    as u32,
                ClusterRegCloseKey(key(it)) as u32,
                ClusterRegDeleteKey(key(it), name.as_ptr()) as u32,
                ClusterRegEnumKey(key(it), 0, at, &raw mut size, null.cast()) as u32,
                ClusterRegSetValue(key(it), name.as_ptr(), 4, name.as_ptr().cast(), 4),
                ClusterRegDeleteValue(key(it), name.as_ptr()),
                ClusterRegQueryValue(key(it), name.as_ptr(), null.cast(), null.cast(), null.cast()) as u32,
                ClusterRegEnumValue(key(it), 0, at, &raw mut size, null.cast(), null.cast(), null.cast()),
                ClusterRegQueryInfoKey(
                    key(it),
                    null.cast(),
                    null.cast(),
                    null.cast(),
                    null.cast(),
                    null.cast(),
                    null.cast(),
                    null.cast(),
                ) as u32,
                ClusterRegCreateBatch(key(it), &raw mut batch) as u32,
                ClusterRegBatchAddCommand(it, 1, name.as_ptr(), 4, null, 0) as u32,
                ClusterRegCloseBatch(it, 1, null.cast()) as u32,
                GetClusterInformation(it, at, &raw mut size, null.cast()),
                GetClusterResourceDependencyExpression(it, at, &raw mut size),
                ClusterResourceControl(it, 0, 0, null, 0, null, 0, null.cast()),
                ClusterGroupControl(it, 0, 0, null, 0, null, 0, null.cast()),
                ClusterEnum(it, 0, null.cast(), at, &raw mut size),
                ClusterResourceEnum(it, 0, null.cast(), at, &raw mut size),
                ClusterGroupEnum(it, 0, null.cast(), at, &raw mut size),
                ClusterCloseEnum(it),
                ClusterResourceCloseEnum(it),
                ClusterGroupCloseEnum(it),
            ] {
                assert_eq!(code, wrong, "{it:#x}");
            }
            for call in [
                last_error(|| OpenClusterResource(it, name.as_ptr())),
                last_error(|| OpenClusterResourceEx(it, name.as_ptr(), 0, null.cast())),
                last_error(|| OpenClusterGroup(it, name.as_ptr())),
                last_error(|| OpenClusterGroupEx(it, name.as_ptr(), 0, null.cast())),
                last_error(|| OpenClusterNode(it, name.as_ptr())),
                last_error(|| OpenClusterNodeEx(it, name.as_ptr(), 0, null.cast())),
                last_error(|| GetClusterFromResource(it)),
                last_error(|| GetClusterFromGroup(it)),
                last_error(|| ClusterOpenEnum(it, 1)),
                last_error(|| ClusterResourceOpenEnum(it, 1)),
                last_error(|| ClusterGroupOpenEnum(it, 1)),
                last_error(|| GetClusterResourceKey(it, ALL) as isize),
            ] {
                assert_eq!(call, (0, wrong), "{it:#x}");
            }
            for call in [
                last_error(|| CloseCluster(it)),
                last_error(|| CloseClusterResource(it)),
                last_error(|| CloseClusterGroup(it)),
                last_error(|| CloseClusterNode(it)),
                last_error(|| GetClusterResourceNetworkName(it, at, &raw mut size)),
                last_error(|| ClusterGetEnumCount(it) as i32),
                last_error(|| ClusterResourceGetEnumCount(it) as i32),
                last_error(|| ClusterGroupGetEnumCount(it) as i32),
            ] {
                assert_eq!(call, (0, wrong), "{it:#x}");
            }
            for call in [
                last_error(|| {
                    GetClusterResourceState(it, null.cast(), null.cast(), null.cast(), null.cast())
                }),
                last_error(|| GetClusterGroupState(it, null.cast(), null.cast())),
                last_error(|| GetClusterNodeState(it)),
            ] {
                assert_eq!(call, (-1, wrong), "{it:#x}");
            }
        }
        assert_eq!((out, batch, text), (null, 0, [0; 8]), "{it:#x}: something was written");
    }
}

#[test]
fn a_handle_of_one_kind_is_none_of_another() {
    let (tree, root) = tree();
    let cluster = cluster();
    let mut batch = 0;
    assert_eq!(unsafe { ClusterRegCreateBatch(root, &raw mut batch) }, 0);
    let kinds = [
        cluster,
        resource("app"),
        unsafe { OpenClusterGroup(cluster, wide("g1").as_ptr()) },
        unsafe { OpenClusterNode(cluster, std::ptr::null()) },
        unsafe { ClusterOpenEnum(cluster, 1) },
        open(root, "Parameters", ALL).unwrap() as isize,
        batch,
    ];
    let closes: [fn(isize) -> bool; 7] = [
        |handle| unsafe { CloseCluster(handle) } != 0,
        |handle| unsafe { CloseClusterResource(handle) } != 0,
        |handle| unsafe { CloseClusterGroup(handle) } != 0,
        |handle| unsafe { CloseClusterNode(handle) } != 0,
        |handle| unsafe { ClusterCloseEnum(handle) } == 0,
        |handle| unsafe { ClusterRegCloseKey(handle as Key) } == 0,
        |handle| unsafe { ClusterRegCloseBatch(handle, 0, std::ptr::null_mut()) } == 0,
    ];
    for (kind, handle) in kinds.into_iter().enumerate() {
        assert_ne!(handle, 0);
        for (close, function) in closes.iter().enumerate() {
            if close != kind {
                assert!(!function(handle), "{close} closed a {kind}");
            }
        }
    }
    for (kind, handle) in kinds.into_iter().enumerate() {
        assert!(closes[kind](handle), "{kind}");
        assert!(!closes[kind](handle), "{kind} twice");
    }
    tree.close_all();
}

#[test]
fn ten_thousand_handles_are_ten_thousand_keys_and_none_comes_back() {
    let (tree, root) = tree();
    let mut handles: Vec<Key> = (0..10_000).map(|_| open(root, "Parameters", ALL).unwrap()).collect();
    for key in &handles {
        assert_eq!(unsafe { ClusterRegCloseKey(*key) }, 0);
    }
    // The places are used again, the handles are not.
    let again: Vec<Key> = (0..10_000).map(|_| open(root, "Parameters", ALL).unwrap()).collect();
    for key in &handles {
        assert_eq!(query(*key, "x"), Err(INVALID_HANDLE));
    }
    handles.extend(again);
    handles.sort();
    handles.dedup();
    assert_eq!(handles.len(), 20_000);
    tree.close_all();
}

#[test]
fn names_that_are_no_unicode_are_names_all_the_same() {
    let (tree, root) = tree();
    for unit in [0xD800u16, 0xDC00, 0xDFFF] {
        let name = [u16::from(b'a'), unit, 0];
        let null: Key = std::ptr::null_mut();
        unsafe {
            assert_eq!(ClusterRegSetValue(root, name.as_ptr(), 4, [1u8].as_ptr(), 1), 0);
            assert_eq!(ClusterRegQueryValue(root, name.as_ptr(), null.cast(), null.cast(), null.cast()), 0);
            assert_eq!(ClusterRegDeleteValue(root, name.as_ptr()), 0);
            let mut out = null;
            assert_eq!(
                ClusterRegCreateKey(root, name.as_ptr(), 0, ALL, null.cast(), &raw mut out, null.cast()),
                0
            );
            assert_eq!(ClusterRegOpenKey(root, name.as_ptr(), ALL, &raw mut out), 0);
            assert_eq!(ClusterRegDeleteKey(root, name.as_ptr()), 0);
        }
    }
    tree.close_all();
}

#[test]
fn a_name_without_an_end_is_cut() {
    let (tree, root) = tree();
    // No NUL for 40,000 units.
    let name = vec![u16::from(b'n'); 40_000];
    unsafe {
        assert_eq!(ClusterRegSetValue(root, name.as_ptr(), 4, [1u8].as_ptr(), 1), 0);
    }
    let (mut longest, null) = (0u32, std::ptr::null());
    unsafe {
        let code = ClusterRegQueryInfoKey(root, null, null, null, &raw mut longest, null, null, null.cast());
        assert_eq!(code, 0);
    }
    assert_eq!(longest, 32_767);
    assert_eq!(create(root, &"n".repeat(30_000)), Err(INVALID_PARAMETER));
    tree.close_all();
}

#[test]
fn threads_do_not_see_half_of_anything() {
    let (tree, root) = tree();
    let root = root as usize;
    let (key, _) = create(root as Key, "shared").unwrap();
    assert_eq!(set(key, "x", kind::BINARY, &[0; 64]), 0);
    let key = key as usize;
    std::thread::scope(|scope| {
        for thread in 0..4u8 {
            let tree = Arc::clone(&tree);
            scope.spawn(move || {
                for round in 0..500u32 {
                    let name = format!("own-{thread}");
                    let (own, disposition) = create(root as Key, &name).unwrap();
                    assert_eq!(disposition, 1);
                    assert_eq!(set(key as Key, "x", kind::BINARY, &[thread; 64]), 0);
                    let (_, data) = query(key as Key, "x").unwrap();
                    assert!(data.iter().all(|byte| *byte == data[0]), "half of two writes");
                    assert_eq!(set(own, "round", kind::DWORD, &round.to_le_bytes()), 0);
                    assert_eq!(query(own, "round"), Ok((kind::DWORD, round.to_le_bytes().to_vec())));
                    assert_eq!(unsafe { ClusterRegCloseKey(own) }, 0);
                    assert_eq!(unsafe { ClusterRegDeleteKey(root as Key, wide(&name).as_ptr()) }, 0);
                }
                drop(tree);
            });
        }
    });
    tree.close_all();
    assert_eq!(query(key as Key, "x"), Err(INVALID_HANDLE));
}
