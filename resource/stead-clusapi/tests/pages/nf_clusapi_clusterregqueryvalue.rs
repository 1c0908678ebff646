//! clusapi/nf-clusapi-clusterregqueryvalue.

use crate::common::*;

fn filled() -> (std::sync::Arc<Tree>, Key) {
    let (tree, root) = tree();
    assert_eq!(set(root, "x", kind::BINARY, &[1, 2, 3, 4, 5]), 0);
    (tree, root)
}

#[test]
fn data_go_into_room_that_is_enough_and_not_a_byte_beyond() {
    let (tree, root) = filled();
    let name = wide("x");
    for (room, expected) in [(0, MORE_DATA), (1, MORE_DATA), (4, MORE_DATA), (5, 0), (u32::MAX, 0)] {
        // Five bytes at the end of a page are misaligned for everything.
        let edge = Edge::new(5);
        let (mut kind, mut size) = (0, room);
        let code = unsafe {
            ClusterRegQueryValue(root, name.as_ptr(), &raw mut kind, edge.at(), &raw mut size) as u32
        };
        assert_eq!((code, kind, size), (expected, kind::BINARY, 5), "{room}");
        let untouched = [FILL; 5];
        assert_eq!(edge.bytes(), if expected == 0 { &[1, 2, 3, 4, 5] } else { &untouched });
        assert!(edge.before().iter().all(|byte| *byte == FILL));
    }
    tree.close_all();
}

#[test]
fn each_pointer_is_optional_but_data_without_a_size() {
    let (tree, root) = filled();
    let (name, null): (_, Key) = (wide("x"), std::ptr::null_mut());
    let mut byte = 0u8;
    unsafe {
        assert_eq!(ClusterRegQueryValue(root, name.as_ptr(), null.cast(), null.cast(), null.cast()), 0);
        let code = ClusterRegQueryValue(root, name.as_ptr(), null.cast(), &raw mut byte, null.cast());
        assert_eq!(code as u32, INVALID_PARAMETER);
    }
    assert_eq!(byte, 0);
    assert_eq!(query(root, "y"), Err(FILE_NOT_FOUND));
    tree.close_all();
}

#[test]
fn numbers_may_be_anywhere_in_memory() {
    let (tree, root) = filled();
    // The name, the kind and the size begin at odd addresses.
    let odd = Edge::new(5);
    let numbers = Edge::new(9);
    let units = wide("x");
    unsafe {
        odd.at::<u16>().write_unaligned(units[0]);
        odd.at::<u16>().add(1).write_unaligned(0);
        let (kind, size) = (numbers.at::<u32>(), numbers.at::<u32>().add(1));
        assert_eq!(ClusterRegQueryValue(root, odd.at(), kind, std::ptr::null_mut(), size), 0);
        assert_eq!((kind.read_unaligned(), size.read_unaligned()), (kind::BINARY, 5));
    }
    tree.close_all();
}
