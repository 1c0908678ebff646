//! Windows: resapi/nc-resapi-pset_resource_status_routine_ex, a test a sentence, with a real resource DLL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use stead_e2e::{Host, Trace};

#[test]
fn it_is_called_to_update_the_status_of_a_resource() {
    let trace = Host::probe(&[("Online", "return 997; statusex 129 1; statusex 2 2")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "terminate",
        "close",
    ]);
    assert_eq!(trace.of("callback")[0]["name"], "SetResourceStatusEx", "{trace}");
    assert_eq!(trace.reports(), vec![(129, 0, true), (2, 0, true)], "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn the_handle_is_the_one_of_open_v2() {
    let trace = Host::probe(&[("Online", "return 997; statusex 2 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "terminate",
        "close",
    ]);
    let given = &trace.calls("OpenV2")[0]["args"]["ResourceHandle"];
    assert_eq!(given, &trace.of("callback")[0]["args"]["ResourceHandle"], "{trace}");
    // Handles are checked: a wild one, and that of an instance that is gone, reach nobody.
    for forged in ["0", "1", "ffffffffffffffff", "100000002", "200000001"] {
        let script = format!("return 997; forged {forged} 4; statusex 2 1");
        let trace = Host::probe(&[("Online", &script)]).run(&[
            "open",
            "online",
            "wait Online 20",
            "terminate",
            "close",
        ]);
        assert_eq!(trace.reports()[0], (4, 1, false), "{forged}: {trace}");
        assert!(trace.states().contains(&"Online".to_owned()), "{forged}: {trace}");
    }
}

#[test]
fn the_handle_of_an_earlier_life_is_nobodys() {
    let trace = Host::probe(&[("Close", "return 0; sleep 200; statusex 2 1")]).run(&[
        "open",
        "close",
        "open",
        "sleep 400",
        "close",
    ]);
    let handles: Vec<_> =
        trace.calls("OpenV2").iter().map(|call| call["args"]["ResourceHandle"].clone()).collect();
    assert_ne!(handles[0], handles[1], "{trace}");
    assert_eq!(trace.reports()[0], (2, 1, false), "a report after Close: {trace}");
    assert_eq!(trace.states().last().unwrap(), "Offline", "{trace}");
}

#[test]
fn the_structure_carries_the_dlls_own_code() {
    let trace = Host::probe(&[("Online", "return 997; statusex 4 1 4711")]).run(&[
        "open",
        "online",
        "wait Failed 20",
        "close",
    ]);
    assert_eq!(trace.of("callback")[0]["args"]["ApplicationSpecificErrorCode"], 4711, "{trace}");
    assert_eq!(trace.find("state", |line| line["to"] == "Failed")["code"], 4711, "{trace}");
}

#[test]
fn the_structure_carries_flags() {
    // CLUSRESDLL_STATUS_OFFLINE_BUSY with Online during an offline: it is delayed, and stays.
    let trace = Host::probe(&[("Offline", "return 997; statusex 2 1 0 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "offline",
        "wait Online 20",
        "terminate",
        "close",
    ]);
    assert_eq!(trace.of("callback")[0]["args"]["Flags"], 1, "{trace}");
    assert_eq!(
        trace.states()[..5],
        ["Offline", "OnlinePending", "Online", "OfflinePending", "Online"],
        "{trace}"
    );
}

#[test]
fn the_structure_carries_the_event_handle() {
    let script = "return 997; event; report-event 2 1; sleep 100; alive 0; fire";
    let trace = Host::probe(&[("Online", script), ("IsAlivePollInterval", "600000")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "wait Failed 20",
        "close",
    ]);
    assert_eq!(trace.exit, Some(0), "{trace}");
    assert_eq!(trace.calls("LooksAlive").len(), 0, "with an event handle it is not polled: {trace}");
    assert_eq!(trace.calls("IsAlive").len(), 1, "{trace}");
}

#[test]
fn state_unknown_means_the_last_error_of_the_thread() {
    let trace = Host::probe(&[("Online", "return 997; lasterror 1167; statusex -1 1")]).run(&[
        "open",
        "online",
        "wait Failed 20",
        "close",
    ]);
    assert_eq!(trace.find("state", |line| line["to"] == "Failed")["code"], 1167, "{trace}");
}

#[test]
fn continue_0_says_that_worker_threads_can_continue() {
    let trace = Host::probe(&[
        ("Online", "return 997; statusex 129 1; statusex 129 2; statusex 2 3"),
        ("Offline", "return 997; statusex 130 1; statusex 3 2"),
    ])
    .run(&["open", "online", "wait Online 20", "offline", "wait Offline 20", "close"]);
    assert!(trace.reports().iter().all(|(_, returned, accepted)| *returned == 0 && *accepted), "{trace}");
}

#[test]
fn terminate_1_says_that_the_operation_is_over() {
    let trace = Host::probe(&[
        ("Online", ""),
        ("Offline", "return 997; gate; statusex 130 1; statusex 3 2"),
        ("PendingTimeout", "200"),
    ])
    .run(&["open", "online", "wait Online 20", "offline", "wait Offline 20", "sleep 200", "close"]);
    assert_eq!(trace.reports(), vec![(130, 1, false), (3, 1, false)], "{trace}");
}

#[test]
fn no_structure_is_answered_terminate_and_harms_nobody() {
    let trace = Host::probe(&[("Online", "return 997; null; statusex 2 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "terminate",
        "close",
    ]);
    assert_eq!(trace.reports()[0].1, 1, "{trace}");
    assert_eq!(trace.of("violation")[0]["rule"], "null status", "{trace}");
    assert!(trace.states().contains(&"Online".to_owned()), "{trace}");
}

#[test]
fn unknown_states_are_answered_terminate_and_change_nothing() {
    for state in ["0", "5", "128", "131", "2147483647", "-2147483647"] {
        let script = format!("return 997; statusex {state} 1; statusex 2 2");
        let trace = Host::probe(&[("Online", &script)]).run(&[
            "open",
            "online",
            "wait Online 20",
            "terminate",
            "close",
        ]);
        assert_eq!((trace.reports()[0].1, trace.reports()[0].2), (1, false), "{state}: {trace}");
    }
}

#[test]
fn a_pending_state_of_the_wrong_direction_is_no_progress() {
    let trace = Host::probe(&[
        ("Online", "return 997; sleep 50; statusex 130 1; sleep 5000; statusex 2 2"),
        ("PendingTimeout", "300"),
    ])
    .run(&["open", "online", "wait Failed 20", "close"]);
    assert_eq!(trace.reports()[0], (130, 0, false), "{trace}");
    assert_eq!(trace.find("state", |line| line["to"] == "Failed")["name"], "ERROR_TIMEOUT", "{trace}");
}

#[test]
fn twenty_thousand_reports_lose_no_final_state() {
    let trace = Host::probe(&[("Online", "return 997; flood 20000; statusex 2 20001")]).run(&[
        "open",
        "online",
        "wait Online 60",
        "terminate",
        "close",
    ]);
    assert_eq!(trace.reports().len(), 20_001);
    assert_eq!(trace.reports().last().unwrap(), &(2, 0, true));
    assert!(trace.lines.windows(2).all(|pair| Trace::at(&pair[0]) <= Trace::at(&pair[1])), "in order");
}
