//! Moves of groups between nodes: what each resource DLL is told, how the command ends, and where the group is then.
//!
//! Windows: clusapi/nf-clusapi-moveclustergroupex, resapi/nc-resapi-poffline_v2_routine, resapi/nc-resapi-ponline_v2_routine
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::{Trio, until};

#[test]
fn the_resource_dlls_of_both_nodes_receive_the_flags_and_the_buffer_of_their_type() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    // Dependents go first, providers come first.
    let said = trio.ok("n1", &["group", "move", "a", "--to", "n2", "--in-buffer", "Recorder=hex:00ff"]);
    assert_eq!(said.last(), "on n2");
    trio.expect(
        "a",
        &[
            "n1 db OfflineV2 to=n2 flags=0x40 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x40 buffer=00ff",
            "n2 ip OnlineV2 flags=0 buffer=00ff",
            "n2 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.forget();
    let said = trio.ok("n1", &["group", "move", "a", "--to", "n3", "--in-buffer", "Other Recorder=text"]);
    assert_eq!(said.last(), "on n3");
    trio.expect(
        "a",
        &[
            "n2 db OfflineV2 to=n3 flags=0x40 buffer=74657874",
            "n2 ip OfflineV2 to=n3 flags=0x40 buffer=none",
            "n3 ip OnlineV2 flags=0 buffer=none",
            "n3 db OnlineV2 flags=0 buffer=74657874",
        ],
    );
    // No destination: the best node, which is the first preferred one. The buffer of one move is not that of the next.
    trio.forget();
    assert_eq!(trio.ok("n2", &["group", "move", "a"]).last(), "on n1");
    trio.expect(
        "a",
        &[
            "n3 db OfflineV2 to=n1 flags=0x40 buffer=none",
            "n3 ip OfflineV2 to=n1 flags=0x40 buffer=none",
            "n1 ip OnlineV2 flags=0 buffer=none",
            "n1 db OnlineV2 flags=0 buffer=none",
        ],
    );
    // Where it is already there is nothing to do.
    trio.forget();
    assert_eq!(trio.ok("n2", &["group", "move", "a", "--to", "n1"]).last(), "on n1");
    trio.expect("a", &[]);
    trio.exactly_once("a");
}

#[test]
fn whoever_asked_hears_what_happens_on_both_nodes() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n2", "a-db", "online", Some("hold"));
    let asked = trio.ask("n3", &["group", "move", "a", "--to", "n2"]);
    // And how often the history has it then: it came online on n1 before.
    let steps = [
        ("\"a-db\": Online -> OfflinePending", 1),
        ("\"a-ip\": OfflinePending -> Offline", 1),
        ("was moved from n1 to n2 (asked for)", 1),
        ("\"a-ip\": OnlinePending -> Online", 2),
        ("\"a-db\": Offline -> OnlinePending", 2),
    ];
    // What the node that is asked knows it has told.
    for (step, times) in steps {
        until(step, || {
            let events = trio.events("a");
            (events.iter().filter(|event| event.contains(step)).count() == times).then_some(())
        });
    }
    assert_eq!(trio.group("a")["owner_node"], "n2");
    trio.tell("n2", "a-db", "online", None);
    let said = asked.end();
    assert_eq!((said.exit, said.last()), (Some(0), "on n2"), "{said:?}");
    for (step, _) in steps {
        assert!(said.err.contains(step), "{step}: {said:?}");
    }
}

#[test]
fn a_lock_refuses_a_move_unless_it_is_forced() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n1", "a-ip", "lock", Some(""));
    until("the lock to be seen", || (trio.group("a")["status_information"] == 1).then_some(()));
    let said = trio.run("n3", &["group", "move", "a", "--to", "n2"]);
    assert_eq!(said.exit, Some(3), "{said:?}");
    assert!(said.last().contains("ERROR_CLUSTER_RESOURCE_LOCKED_STATUS (5960)"), "{said:?}");
    trio.expect("a", &[]);
    trio.online("a", "n1");
    let said = trio.ok("n3", &["group", "move", "a", "--to", "n2", "--force"]);
    assert_eq!(said.last(), "on n2");
    trio.expect(
        "a",
        &[
            "n1 db OfflineV2 to=n2 flags=0x41 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x41 buffer=none",
            "n2 ip OnlineV2 flags=0x2 buffer=none",
            "n2 db OnlineV2 flags=0x2 buffer=none",
        ],
    );
    trio.exactly_once("a");
}

#[test]
fn a_queued_move_waits_for_the_unlock() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n1", "a-db", "lock", Some(""));
    until("the lock to be seen", || (trio.group("a")["status_information"] == 1).then_some(()));
    let arguments = ["group", "move", "a", "--to", "n2", "--queue", "--in-buffer", "Recorder=hex:01"];
    let asked = trio.ask("n3", &arguments);
    trio.says("a", "move to n2 (queued)");
    // CLUSGRP_STATUS_WAITING_IN_QUEUE_FOR_MOVE beside the lock, and everything runs on.
    assert_eq!(trio.group("a")["status_information"], 5);
    assert_eq!(trio.group("a")["state"], "Online");
    // Whichever node is asked.
    for (node, command) in
        [("n1", "offline"), ("n2", "online"), ("n3", "offline"), ("n3", "move"), ("n1", "move")]
    {
        let said = trio.run(node, &["group", command, "a"]);
        assert_eq!(said.exit, Some(3), "{command}: {said:?}");
        assert!(said.last().contains("ERROR_CLUSTER_GROUP_QUEUED (5959)"), "{command}: {said:?}");
    }
    trio.expect("a", &[]);
    trio.tell("n1", "a-db", "lock", None);
    let said = asked.end();
    assert_eq!((said.exit, said.last()), (Some(0), "on n2"), "{said:?}");
    trio.expect(
        "a",
        &[
            "n1 db OfflineV2 to=n2 flags=0x44 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x44 buffer=01",
            "n2 ip OnlineV2 flags=0 buffer=01",
            "n2 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.exactly_once("a");
}

#[test]
fn a_queued_move_is_cancelled() {
    let Some(trio) = Trio::up(&["a", "b"]) else { return };
    // While it waits for an unlock: nothing has been called.
    trio.tell("n1", "a-db", "lock", Some(""));
    until("the lock to be seen", || (trio.group("a")["status_information"] == 1).then_some(()));
    let asked = trio.ask("n3", &["group", "move", "a", "--to", "n2", "--queue"]);
    trio.says("a", "(queued)");
    trio.ok("n2", &["group", "cancel", "a"]);
    let said = asked.end();
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(said.last().contains("cancelled"), "{said:?}");
    trio.expect("a", &[]);
    trio.online("a", "n1");
    assert_eq!(trio.group("a")["status_information"], 1);
    // An unlock later does not bring it back.
    trio.tell("n1", "a-db", "lock", None);
    until("the unlock to be seen", || (trio.group("a")["status_information"] == 0).then_some(()));
    trio.expect("a", &[]);

    // While a provider delays it: what was taken offline comes back.
    trio.tell("n1", "b-ip", "offline", Some("delay 1"));
    let asked =
        trio.ask("n3", &["group", "move", "b", "--to", "n2", "--queue", "--in-buffer", "Recorder=hex:01"]);
    trio.called("b", "n1 ip OfflineV2 to=n2 flags=0x44 buffer=01");
    trio.says("b", "(queued)");
    trio.ok("n3", &["group", "cancel", "b"]);
    assert!(asked.end().last().contains("cancelled"));
    trio.online("b", "n1");
    let calls = trio.calls("b");
    assert_eq!(calls.first().unwrap(), "n1 db OfflineV2 to=n2 flags=0x44 buffer=none");
    // RESTORE_ONLINE_STATE for what was offline; what never went has nothing to be restored.
    assert_eq!(calls.last().unwrap(), "n1 db OnlineV2 flags=0x8 buffer=none");
    let between = &calls[1..calls.len() - 1];
    assert!(between.iter().all(|call| call == "n1 ip OfflineV2 to=n2 flags=0x44 buffer=01"), "{calls:?}");
    for resource in trio.group("b")["resources"].as_array().unwrap() {
        assert_eq!(resource["failures"], 0, "a cancelled move counts no failure");
    }
}

#[test]
fn a_delay_ends_a_move_that_may_not_be_queued() {
    let Some(trio) = Trio::up(&["a", "b", "c", "d"]) else { return };
    // CLUSRESDLL_STATUS_OFFLINE_BUSY, …_SOURCE_THROTTLED, …_DESTINATION_THROTTLED, …_DESTINATION_REJECTED.
    for (group, flag, name, code) in [
        ("a", 1, "ERROR_CLUSTER_RESOURCE_VETOED_CALL", 5955),
        ("b", 2, "ERROR_CLUSTER_RESOURCE_VETOED_MOVE_NOT_ENOUGH_RESOURCES_ON_SOURCE", 5958),
        ("c", 4, "ERROR_CLUSTER_RESOURCE_VETOED_MOVE_NOT_ENOUGH_RESOURCES_ON_DESTINATION", 5957),
        ("d", 8, "ERROR_CLUSTER_RESOURCE_VETOED_MOVE_INCOMPATIBLE_NODES", 5953),
    ] {
        trio.tell("n1", &format!("{group}-ip"), "offline", Some(&format!("delay {flag}")));
        let said = trio.run("n2", &["group", "move", group, "--to", "n2"]);
        assert_eq!(said.exit, Some(1), "{said:?}");
        assert!(said.last().contains(&format!("{name} ({code})")), "{said:?}");
        assert!(said.last().contains(&format!("\"{group}-ip\"")), "{said:?}");
        trio.called(group, "n1 db OnlineV2 flags=0x8 buffer=none");
        trio.online(group, "n1");
        trio.expect(
            group,
            &[
                "n1 db OfflineV2 to=n2 flags=0x40 buffer=none",
                "n1 ip OfflineV2 to=n2 flags=0x40 buffer=none",
                "n1 db OnlineV2 flags=0x8 buffer=none",
            ],
        );
        for resource in trio.group(group)["resources"].as_array().unwrap() {
            assert_eq!(resource["failures"], 0, "a veto counts no failure");
        }
    }
}

#[test]
fn a_delay_keeps_a_move_that_may_be_queued() {
    let Some(trio) = Trio::up(&["a", "b", "c", "d"]) else { return };
    for (group, flag) in [("a", 1), ("b", 2), ("c", 4)] {
        let ip = format!("{group}-ip");
        trio.tell("n1", &ip, "offline", Some(&format!("delay {flag}")));
        let asked = trio.ask("n2", &["group", "move", group, "--to", "n2", "--queue"]);
        let twice = || {
            let offline = |call: &&String| *call == "n1 ip OfflineV2 to=n2 flags=0x44 buffer=none";
            (trio.calls(group).iter().filter(offline).count() >= 2).then_some(())
        };
        until("a second try", twice);
        trio.says(group, "(queued)");
        assert_eq!(trio.group(group)["status_information"], 4);
        trio.tell("n1", &ip, "offline", None);
        let said = asked.end();
        assert_eq!((said.exit, said.last()), (Some(0), "on n2"), "{said:?}");
        let mut calls = trio.calls(group);
        calls.retain(|call| !call.ends_with(" Open") && !call.ends_with(" Close"));
        calls.dedup();
        assert_eq!(
            calls,
            [
                "n1 db OfflineV2 to=n2 flags=0x44 buffer=none",
                "n1 ip OfflineV2 to=n2 flags=0x44 buffer=none",
                "n2 ip OnlineV2 flags=0 buffer=none",
                "n2 db OnlineV2 flags=0 buffer=none",
            ]
        );
        trio.exactly_once(group);
    }
    // A destination that is rejected is rejected however long one waits.
    trio.tell("n1", "d-db", "offline", Some("delay 8"));
    let said = trio.run("n2", &["group", "move", "d", "--to", "n2", "--queue"]);
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(said.last().contains("(5953)"), "{said:?}");
    trio.expect("d", &["n1 db OfflineV2 to=n2 flags=0x44 buffer=none"]);
    trio.online("d", "n1");
}

#[test]
fn a_failure_at_the_destination_is_a_failure_like_any_other() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n2", "a-db", "online", Some("fail 13"));
    let said = trio.run("n3", &["group", "move", "a", "--to", "n2", "--in-buffer", "Recorder=hex:01"]);
    assert_eq!(said.exit, Some(1), "{said:?}");
    // Whichever is heard first: how it came there, or that it fails over already.
    let came = said.last().contains("ERROR_INVALID_DATA (13)") && said.last().contains("it is on n2");
    let went =
        said.last().contains("ERROR_RESOURCE_FAILED (5038)") && said.last().contains("it failed on n2");
    assert!(came || went, "{said:?}");
    // Its restarts are used up there, so it fails over: to the first preferred owner.
    trio.online("a", "n1");
    trio.expect(
        "a",
        &[
            "n1 db OfflineV2 to=n2 flags=0x40 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x40 buffer=01",
            "n2 ip OnlineV2 flags=0 buffer=01",
            "n2 db OnlineV2 flags=0 buffer=none",
            "n2 db Terminate",
            "n2 ip OfflineV2 to=n1 flags=0x40 buffer=none",
            "n1 ip OnlineV2 flags=0 buffer=none",
            "n1 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.event("a", "failed over from n2 to n1");
    trio.exactly_once("a");
}

#[test]
fn a_failure_at_the_destination_brings_the_group_back_if_that_was_asked() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n2", "a-db", "online", Some("fail 13"));
    let arguments =
        ["group", "move", "a", "--to", "n2", "--return-on-error", "--in-buffer", "Recorder=hex:01"];
    let said = trio.run("n3", &arguments);
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(said.last().contains("ERROR_INVALID_DATA (13)"), "{said:?}");
    assert!(said.last().contains("it failed on n2 and goes back to n1"), "{said:?}");
    trio.online("a", "n1");
    trio.expect(
        "a",
        &[
            "n1 db OfflineV2 to=n2 flags=0x42 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x42 buffer=01",
            "n2 ip OnlineV2 flags=0x4 buffer=01",
            "n2 db OnlineV2 flags=0x4 buffer=none",
            "n2 db Terminate",
            // RETURNING_TO_SOURCE_NODE_BECAUSE_OF_ERROR, then RESTORE_ONLINE_STATE.
            "n2 ip OfflineV2 to=n1 flags=0x48 buffer=01",
            "n1 ip OnlineV2 flags=0x8 buffer=none",
            "n1 db OnlineV2 flags=0x8 buffer=none",
        ],
    );
    trio.event("a", "goes back from n2 to n1: the move failed");
    trio.exactly_once("a");
}

#[test]
fn a_return_that_fails_is_a_failure_like_any_other() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n2", "a-db", "online", Some("fail 13"));
    trio.tell("n1", "a-db", "online", Some("fail 14"));
    let said = trio.run("n3", &["group", "move", "a", "--to", "n2", "--return-on-error"]);
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(said.last().contains("ERROR_INVALID_DATA (13)"), "the first failure is the answer: {said:?}");
    trio.online("a", "n3");
    trio.expect(
        "a",
        &[
            "n1 db OfflineV2 to=n2 flags=0x42 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x42 buffer=none",
            "n2 ip OnlineV2 flags=0x4 buffer=none",
            "n2 db OnlineV2 flags=0x4 buffer=none",
            "n2 db Terminate",
            "n2 ip OfflineV2 to=n1 flags=0x48 buffer=none",
            "n1 ip OnlineV2 flags=0x8 buffer=none",
            "n1 db OnlineV2 flags=0x8 buffer=none",
            "n1 db Terminate",
            "n1 ip OfflineV2 to=n3 flags=0x40 buffer=none",
            "n3 ip OnlineV2 flags=0 buffer=none",
            "n3 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.exactly_once("a");
}

#[test]
fn a_source_that_dies_in_a_move() {
    let Some(mut trio) = Trio::up(&["a", "b", "c", "d", "e", "f"]) else { return };
    let ask = |trio: &Trio, group: &str, more: &[&str]| {
        let line = ["group", "move", group, "--to", "n2", "--in-buffer", "Recorder=hex:01"];
        trio.ask("n3", &[&line[..], more].concat())
    };
    // The order is written, and waits for an unlock.
    trio.tell("n1", "a-db", "lock", Some(""));
    until("the lock to be seen", || (trio.group("a")["status_information"] == 1).then_some(()));
    let a = ask(&trio, "a", &["--queue"]);
    trio.says("a", "(queued)");
    // During offline: of the dependent, and of the provider.
    trio.tell("n1", "b-db", "offline", Some("hold"));
    let b = ask(&trio, "b", &["--return-on-error"]);
    trio.called("b", "n1 db OfflineV2 to=n2 flags=0x42 buffer=none");
    trio.tell("n1", "c-ip", "offline", Some("hang"));
    let c = ask(&trio, "c", &["--force"]);
    trio.called("c", "n1 ip OfflineV2 to=n2 flags=0x41 buffer=01");
    // It comes online at the destination.
    trio.tell("n2", "d-ip", "online", Some("hold"));
    let d = ask(&trio, "d", &["--return-on-error"]);
    trio.called("d", "n2 ip OnlineV2 flags=0x4 buffer=01");
    // It is back where it was, and comes online there.
    trio.tell("n2", "e-db", "online", Some("fail 13"));
    trio.tell("n1", "e-ip", "online", Some("hold"));
    let e = ask(&trio, "e", &["--return-on-error"]);
    trio.called("e", "n1 ip OnlineV2 flags=0x8 buffer=none");
    // Everything is offline and closed: released, or about to be.
    let f = ask(&trio, "f", &[]);
    trio.called("f", "n1 db Close");
    trio.kill("n1");

    // A move that was under way ends where it was to end, with what its resource DLLs were to be given: there is no source
    // to return to any more.
    for (group, asked) in [("a", a), ("b", b), ("c", c)] {
        let said = asked.end();
        assert_eq!(said.exit, Some(1), "{group}: {said:?}");
        assert!(said.last().contains("ERROR_HOST_NODE_NOT_AVAILABLE (5005)"), "{group}: {said:?}");
        assert!(said.last().contains("died"), "{group}: {said:?}");
        trio.online(group, "n2");
        let flags = if group == "c" { "0x2" } else { "0" };
        let calls = trio.calls(group);
        let ip = format!("n2 ip OnlineV2 flags={flags} buffer=01");
        let db = format!("n2 db OnlineV2 flags={flags} buffer=none");
        assert_eq!(calls[calls.len() - 4..], ["n2 ip Open", &ip, "n2 db Open", &db], "{group}");
        trio.event(group, "is taken over from n1 by n2");
    }
    // What had left does not notice.
    trio.tell("n2", "d-ip", "online", None);
    let said = d.end();
    assert_eq!((said.exit, said.last()), (Some(0), "on n2"), "{said:?}");
    trio.online("d", "n2");
    // The return ends with its node; the group failed on n2 already, and is tried where it can be.
    let said = e.end();
    assert_eq!(said.exit, Some(1), "{said:?}");
    let place = until("e to be online", || {
        let group = trio.group("e");
        (group["state"] == "Online").then(|| group["owner_node"].as_str().unwrap().to_owned())
    });
    assert_eq!(place, "n3");
    // Either the move was done before, or it is a takeover.
    let said = f.end();
    assert!(said.exit == Some(0) || said.last().contains("died"), "{said:?}");
    trio.online("f", "n2");
    for group in ["a", "b", "c", "d", "e", "f"] {
        trio.exactly_once(group);
    }
    // Also where the node that decided is the one that was lost, and another one has marked it.
    let events = trio.ok("n3", &["events", "--json", "--last", "10000"]).out;
    let lost: Vec<&str> = events.lines().filter(|line| line.contains("\"id\":1135,")).collect();
    assert_eq!(lost.len(), 1, "{lost:?}");
}

#[test]
fn a_destination_that_dies_in_a_move() {
    let Some(mut trio) = Trio::up(&["a", "b", "c", "d", "e"]) else { return };
    let ask = |trio: &Trio, group: &str, more: &[&str]| {
        let line = ["group", "move", group, "--to", "n2", "--in-buffer", "Recorder=hex:01"];
        trio.ask("n3", &[&line[..], more].concat())
    };
    // The order is written, and waits for an unlock.
    trio.tell("n1", "a-db", "lock", Some(""));
    until("the lock to be seen", || (trio.group("a")["status_information"] == 1).then_some(()));
    let a = ask(&trio, "a", &["--queue"]);
    trio.says("a", "(queued)");
    // During offline at the source.
    trio.tell("n1", "b-db", "offline", Some("hold"));
    let b = ask(&trio, "b", &[]);
    trio.called("b", "n1 db OfflineV2 to=n2 flags=0x40 buffer=none");
    // It comes online at the destination, with and without a way back.
    trio.tell("n2", "c-ip", "online", Some("hold"));
    let c = ask(&trio, "c", &["--return-on-error"]);
    trio.called("c", "n2 ip OnlineV2 flags=0x4 buffer=01");
    trio.tell("n2", "d-db", "online", Some("hang"));
    let d = ask(&trio, "d", &[]);
    trio.called("d", "n2 db OnlineV2 flags=0 buffer=none");
    // It has failed there, and is on its way back.
    trio.tell("n2", "e-db", "online", Some("fail 13"));
    trio.tell("n2", "e-ip", "offline", Some("hold"));
    let e = ask(&trio, "e", &["--return-on-error"]);
    trio.called("e", "n2 ip OfflineV2 to=n1 flags=0x48 buffer=01");
    trio.kill("n2");
    let outcome = |group: &str, asked: stead_e2e::Running| {
        let said = asked.end();
        assert_eq!(said.exit, Some(1), "{group}: {said:?}");
        said.last().to_owned()
    };
    for (group, asked) in [("c", c), ("d", d), ("e", e)] {
        let last = outcome(group, asked);
        assert!(last.contains("(5005)") && last.contains("n2 died; it is on n1 now"), "{group}: {last}");
        trio.online(group, "n1");
        trio.event(group, "is taken over from n2 by n1");
    }
    // What has not left yet stays: an outage for a move that cannot end would be for nothing.
    let last = outcome("a", a);
    assert!(last.contains("(5005)") && last.contains("\"n2\" is lost"), "{last}");
    trio.tell("n1", "a-db", "lock", None);
    until("the unlock to be seen", || (trio.group("a")["status_information"] == 0).then_some(()));
    trio.online("a", "n1");
    trio.expect("a", &[]);
    let last = outcome("b", b);
    assert!(last.contains("(5005)") && last.contains("\"n2\" is lost"), "{last}");
    trio.tell("n1", "b-db", "offline", None);
    trio.called("b", "n1 db OnlineV2 flags=0x8 buffer=none");
    trio.online("b", "n1");
    trio.expect(
        "b",
        &["n1 db OfflineV2 to=n2 flags=0x40 buffer=none", "n1 db OnlineV2 flags=0x8 buffer=none"],
    );
    for group in ["a", "b", "c", "d", "e"] {
        trio.exactly_once(group);
    }
}

#[test]
fn a_node_that_dies_between_release_and_assignment() {
    let Some(mut trio) = Trio::up(&["a"]) else { return };
    trio.ok("n3", &["group", "move", "a", "--to", "n2"]);
    // The first node decides where groups go. It cannot, while it is stopped.
    trio.forget();
    trio.stop("n1");
    let asked = trio.ask("n3", &["group", "move", "a", "--to", "n3", "--in-buffer", "Recorder=hex:01"]);
    until("the release", || trio.group("a")["operation"].is_string().then_some(()));
    trio.called("a", "n2 db Close");
    // Source and coordinator are lost; the destination alone is left, and decides once both are dead.
    trio.kill("n2");
    trio.kill("n1");
    trio.online("a", "n3");
    let said = asked.end();
    assert!(said.exit == Some(0) || said.last().contains("(5005)"), "{said:?}");
    trio.expect(
        "a",
        &[
            "n2 db OfflineV2 to=n3 flags=0x40 buffer=none",
            "n2 ip OfflineV2 to=n3 flags=0x40 buffer=01",
            "n3 ip OnlineV2 flags=0 buffer=01",
            "n3 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.exactly_once("a");
}

#[test]
fn a_move_that_nobody_waits_for() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    trio.tell("n1", "a-db", "offline", Some("hold"));
    let said = trio.ok("n3", &["group", "move", "a", "--to", "n2", "--no-wait"]);
    assert_eq!(said.out, "", "{said:?}");
    // It is stored: a node that knows no more than the database goes on with it.
    trio.called("a", "n1 db OfflineV2 to=n2 flags=0x40 buffer=none");
    // A second one is refused, by its owner and by whoever else has seen the first.
    trio.says("a", "move to n2");
    for node in ["n1", "n3"] {
        let said = trio.run(node, &["group", "move", "a", "--to", "n3"]);
        assert_eq!(said.exit, Some(3), "{said:?}");
        assert!(said.last().contains("ERROR_CLUSTER_GROUP_MOVING (5908)"), "{said:?}");
    }
    trio.tell("n1", "a-db", "offline", None);
    trio.online("a", "n2");
    trio.exactly_once("a");
}

/// Windows: mscs/resource-control-codes (`GET_OPERATION_CONTEXT`)
#[test]
fn resource_dlls_that_want_it_are_asked_what_goes_with_a_drain_and_a_failback() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    for node in ["n1", "n2"] {
        trio.tell(node, "a-db", "context", Some(""));
    }
    // Whether they want it they are asked when they are opened. Of a move that an operator asks for they are not told.
    trio.ok("n3", &["group", "move", "a", "--to", "n2"]);
    trio.ok("n3", &["group", "move", "a", "--to", "n1"]);
    assert!(trio.calls("a").iter().all(|call| !call.contains("Context")), "{:?}", trio.calls("a"));
    trio.forget();
    trio.ok("n3", &["node", "pause", "n1", "--drain", "--to", "n2"]);
    trio.online("a", "n2");
    // All are asked before any goes; what is said for a type goes to its resources, in Offline and nowhere else.
    trio.expect(
        "a",
        &[
            "n1 db Context type=1 priority=2000",
            "n1 db OfflineV2 to=n2 flags=0x40 buffer=none",
            "n1 ip OfflineV2 to=n2 flags=0x40 buffer=beef",
            "n2 ip OnlineV2 flags=0 buffer=none",
            "n2 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.forget();
    trio.ok("n3", &["node", "resume", "n1", "--failback", "now"]);
    trio.online("a", "n1");
    trio.expect(
        "a",
        &[
            "n2 db Context type=0 priority=2000",
            "n2 db OfflineV2 to=n1 flags=0x40 buffer=none",
            "n2 ip OfflineV2 to=n1 flags=0x40 buffer=beef",
            "n1 ip OnlineV2 flags=0 buffer=none",
            "n1 db OnlineV2 flags=0 buffer=none",
        ],
    );
    trio.exactly_once("a");
}

#[test]
fn an_apply_ends_where_what_is_wanted_failed_on_another_node() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    // It is not restarted, and does not fail over.
    trio.ok("n1", &["resource", "set", "a-db", "--common", "RestartAction=0"]);
    trio.ok("n1", &["resource", "fail", "a-db"]);
    until("the failure", || (trio.group("a")["state"] == "Failed").then_some(()));
    // What is changed does not bring it back: there is nothing to wait for.
    let said = trio.run("n2", &["resource", "set", "a-ip", "--common", "RestartDelay=5"]);
    assert_eq!(said.exit, Some(1), "{said:?}");
    assert!(said.last().contains("resource \"a-db\" is Failed"), "{said:?}");
}

#[test]
fn a_node_that_nobody_knows_is_a_warning() {
    let Some(trio) = Trio::up(&["a"]) else { return };
    let said = trio.ok("n2", &["group", "set", "a", "--preferred-owners", "n1,n9"]);
    let warning =
        "warning: group/a/preferred_owners: \"n9\" is no node of this cluster so far; there are: n1, n2, n3";
    assert!(said.err.contains(warning), "{said:?}");
    let said = trio.ok("n3", &["resource", "set", "a-ip", "--possible-owners", "N1,n2,n3"]);
    // The group is part of what is applied.
    assert!(said.err.contains(warning) && !said.err.contains("possible_owners"), "{said:?}");
}
