//! clusapi/nf-clusapi-clusterregenumvalue.

use crate::common::*;

#[test]
fn values_come_in_order_with_all_that_belongs_to_them() {
    let (tree, root) = tree();
    for (name, byte) in [("c", 3), ("a", 1), ("B", 2)] {
        assert_eq!(set(root, name, u32::from(byte), &[byte]), 0);
    }
    let mut seen = Vec::new();
    for index in 0.. {
        let (mut name, mut units, mut kind, mut data, mut size) = ([0; 4], 4, 0, [0; 4], 4);
        let code = unsafe {
            ClusterRegEnumValue(
                root,
                index,
                name.as_mut_ptr(),
                &raw mut units,
                &raw mut kind,
                data.as_mut_ptr(),
                &raw mut size,
            )
        };
        if code != 0 {
            assert_eq!(code, NO_MORE_ITEMS);
            break;
        }
        seen.push((narrow(&name), units, kind, data[..size as usize].to_vec()));
    }
    let expected =
        [("a", 1), ("B", 2), ("c", 3)].map(|(name, byte)| (name.to_owned(), 1, byte.into(), vec![byte]));
    assert_eq!(seen, expected);
    tree.close_all();
}

#[test]
fn both_sizes_are_told_when_one_is_too_short() {
    let (tree, root) = tree();
    assert_eq!(set(root, "name", kind::BINARY, &[1, 2, 3]), 0);
    for (name_room, data_room, expected) in
        [(4, 3, MORE_DATA), (5, 2, MORE_DATA), (0, 0, MORE_DATA), (5, 3, 0), (u32::MAX, u32::MAX, 0)]
    {
        let (name, data) = (Edge::new(10), Edge::new(3));
        let (mut units, mut kind, mut size) = (name_room, 0, data_room);
        let code = unsafe {
            ClusterRegEnumValue(root, 0, name.at(), &raw mut units, &raw mut kind, data.at(), &raw mut size)
        };
        assert_eq!((code, units, size), (expected, 4, 3), "{name_room} {data_room}");
        assert!(name.before().iter().chain(data.before()).all(|byte| *byte == FILL));
    }
    tree.close_all();
}

#[test]
fn null_where_a_name_must_go_is_refused_and_data_are_optional() {
    let (tree, root) = tree();
    assert_eq!(set(root, "name", kind::BINARY, &[1, 2, 3]), 0);
    let null: Key = std::ptr::null_mut();
    let (mut name, mut units, mut size) = ([0; 8], 8, 0);
    unsafe {
        let refused =
            ClusterRegEnumValue(root, 0, null.cast(), &raw mut units, null.cast(), null.cast(), null.cast());
        assert_eq!(refused, INVALID_PARAMETER);
        let refused = ClusterRegEnumValue(
            root,
            0,
            name.as_mut_ptr(),
            null.cast(),
            null.cast(),
            null.cast(),
            null.cast(),
        );
        assert_eq!(refused, INVALID_PARAMETER);
        let at = name.as_mut_ptr();
        assert_eq!(
            ClusterRegEnumValue(root, 0, at, &raw mut units, null.cast(), null.cast(), &raw mut size),
            0
        );
        units = 8;
        assert_eq!(
            ClusterRegEnumValue(root, u32::MAX, at, &raw mut units, null.cast(), null.cast(), null.cast()),
            259
        );
    }
    assert_eq!((narrow(&name), size), ("name".to_owned(), 3));
    tree.close_all();
}
