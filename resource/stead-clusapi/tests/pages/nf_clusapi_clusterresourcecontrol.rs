//! clusapi/nf-clusapi-clusterresourcecontrol.

use crate::common::*;

/// Code, bytes told, and what is in a buffer of `room` bytes.
fn send(code: u32, input: &[u8], room: usize) -> (u32, u32, Vec<u8>) {
    let (edge, mut told) = (Edge::new(room), 77);
    let answered = unsafe {
        ClusterResourceControl(
            resource("app"),
            0,
            code,
            input.as_ptr().cast(),
            input.len() as u32,
            edge.at(),
            room as u32,
            &raw mut told,
        )
    };
    assert!(edge.before().iter().all(|byte| *byte == FILL));
    (answered, told, edge.bytes().to_vec())
}

#[test]
fn output_and_its_size_are_told() {
    assert_eq!(send(control::ECHO, &[1, 2, 3], 4), (0, 3, vec![1, 2, 3, FILL]));
    assert_eq!(send(control::ECHO, &[1, 2, 3], 3), (0, 3, vec![1, 2, 3]));
    assert_eq!(send(control::ECHO, &[1, 2, 3], 2), (MORE_DATA, 3, vec![FILL; 2]));
    assert_eq!(send(control::ECHO, &[], 0), (0, 0, vec![]));
    assert_eq!(send(control::STORED, &[], 0).0, 5024);
    assert_eq!(send(99, &[], 0).0, 1);
    assert_eq!(send(control::REFUSED, &[], 0).0, POSSIBLE_DEADLOCK);
    assert_eq!(send(control::ASKS, &[], 0).0, 0);
}

#[test]
fn an_answer_that_is_longer_than_the_room_does_not_pass_its_end() {
    assert_eq!(send(control::OVERRUN, &[], 5), (0, 105, vec![7; 5]));
}

#[test]
fn null_and_sizes_that_do_not_go_together_are_refused() {
    let app = resource("app");
    let null: Key = std::ptr::null_mut();
    let data = [0u8; 1];
    unsafe {
        let no_input = ClusterResourceControl(app, 0, control::ECHO, null, 1, null, 0, null.cast());
        assert_eq!(no_input, INVALID_PARAMETER);
        // The size is judged before a byte is read.
        let huge = ClusterResourceControl(
            app,
            0,
            control::ECHO,
            data.as_ptr().cast(),
            u32::MAX,
            null,
            0,
            null.cast(),
        );
        assert_eq!(huge, INVALID_PARAMETER);
        // Room that is not there is none.
        let no_output = ClusterResourceControl(
            app,
            0,
            control::ECHO,
            data.as_ptr().cast(),
            1,
            null,
            u32::MAX,
            null.cast(),
        );
        assert_eq!(no_output, MORE_DATA);
        let mut told = 77;
        assert_eq!(
            ClusterResourceControl(0, 0, control::ECHO, null, 0, null, 0, &raw mut told),
            INVALID_HANDLE
        );
        assert_eq!(told, 0);
    }
}
