//! Moves of groups between nodes: what each resource DLL is told, how the command ends, and where the group is then.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::Trio;

/// `OFFLINE_…`: the wanted state is never changed by a move.
const KEEP: &str = "0x40";

#[test]
fn what_the_resource_dlls_of_both_nodes_receive() {
    let Some(trio) = Trio::up(&["a", "b", "c"]) else { return };
    // Windows: clusapi/nf-clusapi-moveclustergroupex. Dependents go first, providers come first; the buffer of a type is
    // handed to the resources of this type alone, on both nodes.
    let said = trio.ok("n1", &["group", "move", "a", "--to", "n2", "--in-buffer", "Recorder=hex:00ff"]);
    assert_eq!(said.last(), "on n2");
    trio.expect(
        "a",
        &[
            &format!("n1 db OfflineV2 to=n2 flags={KEEP} buffer=none"),
            &format!("n1 ip OfflineV2 to=n2 flags={KEEP} buffer=00ff"),
            "n2 ip OnlineV2 flags=0 buffer=00ff",
            "n2 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.online("a", "n2");
    trio.exactly_once("a");
}
