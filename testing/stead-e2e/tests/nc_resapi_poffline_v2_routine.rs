//! Windows: resapi/nc-resapi-poffline_v2_routine, a test a sentence, with a real resource DLL.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a test may fail")]

use serde_json::Value;
use stead_e2e::{Host, Trace};

/// Brings it online, gives one command, and closes; the call of `OfflineV2`.
fn offline(command: &str) -> (Trace, Value) {
    let trace =
        Host::probe(&[]).run(&["open", "online", "wait Online 20", command, "wait Offline 20", "close"]);
    let call = trace.calls("OfflineV2").first().map(|call| (*call).clone()).unwrap_or_default();
    (trace, call)
}

#[test]
fn it_marks_the_resource_as_unavailable_after_cleanup_is_complete() {
    let trace = Host::probe(&[("Offline", "return 997; log cleaning; sleep 100; statusex 3 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "offline",
        "wait Offline 20",
        "close",
    ]);
    let offline = trace.find("state", |line| line["to"] == "Offline" && line["from"] == "OfflinePending");
    assert!(Trace::at(offline) > Trace::at(trace.of("log")[0]) + 90_000, "{trace}");
}

#[test]
fn the_resource_is_the_one_that_open_returned() {
    // The DLL finds its instance behind it: a flag set by Online is seen by Offline.
    let (trace, call) = offline("offline");
    assert_eq!(call["returned"], 0, "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn the_destination_is_the_node_that_will_contain_it_and_optional() {
    let (trace, call) = offline("offline --to n2");
    assert_eq!(call["args"]["DestinationNodeName"], "n2", "{trace}");
    let (trace, call) = offline("offline");
    assert_eq!(call["args"]["DestinationNodeName"], Value::Null, "{trace}");
}

fn passed(word: &str, bit: u64) {
    let (trace, call) = offline(&format!("offline {word}"));
    assert_eq!(call["args"]["OfflineFlags"], bit, "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn flag_ignore_resource_status_is_passed() {
    passed("ignore-resource-status", 0x01);
}

#[test]
fn flag_return_to_source_node_on_error_is_passed() {
    passed("return-to-source-node-on-error", 0x02);
}

#[test]
fn flag_queue_enabled_is_passed() {
    passed("queue-enabled", 0x04);
}

#[test]
fn flag_returning_to_source_node_because_of_error_is_passed() {
    passed("returning-to-source-node-because-of-error", 0x08);
}

#[test]
fn flag_due_to_embedded_failure_is_passed() {
    passed("due-to-embedded-failure", 0x10);
}

#[test]
fn flag_ignore_network_connectivity_is_passed() {
    passed("ignore-network-connectivity", 0x20);
}

#[test]
fn flag_do_not_update_persistent_state_is_passed() {
    passed("do-not-update-persistent-state", 0x40);
}

#[test]
fn one_or_more_flags_may_be_set() {
    passed("ignore-resource-status queue-enabled do-not-update-persistent-state", 0x45);
}

#[test]
fn ignore_resource_status_performs_it_although_locked() {
    let trace = Host::probe(&[("Online", "lock 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "offline",
        "offline ignore-resource-status",
        "wait Offline 20",
        "close",
    ]);
    let refused = trace.of("refused")[0];
    assert_eq!(
        (&refused["code"], &refused["name"]),
        (&5960.into(), &"ERROR_CLUSTER_RESOURCE_LOCKED_STATUS".into())
    );
    assert_eq!(trace.calls("OfflineV2").len(), 1, "the refused one did not reach the DLL: {trace}");
    assert_eq!(trace.states().last().unwrap(), "Offline", "{trace}");
}

#[test]
fn queue_enabled_retries_a_delayed_offline_until_it_completes() {
    // Delayed until a timer of the DLL ends its work: 400 ms after it came online.
    let properties = [
        ("Online", "return 997; statusex 2 1; sleep 400; looks 2"),
        ("Offline", "return 997; statusex 2 1 0 1"),
    ];
    let trace = Host::probe(&properties).run(&[
        "open",
        "online",
        "wait Online 20",
        "offline queue-enabled",
        "sleep 900",
        "cancel",
        "terminate",
        "wait Offline 20",
        "close",
    ]);
    let calls = trace.calls("OfflineV2");
    assert!(calls.len() >= 3, "it was tried again and again: {trace}");
    assert!(calls.iter().all(|call| call["args"]["OfflineFlags"] == 4), "{trace}");
    let pauses: Vec<u64> = calls.windows(2).map(|pair| Trace::at(pair[1]) - Trace::at(pair[0])).collect();
    assert!(pauses.windows(2).all(|pair| pair[1] > pair[0]), "with back-off: {pauses:?}");
}

#[test]
fn queue_enabled_ends_when_the_client_cancels() {
    let trace = Host::probe(&[("Offline", "return 997; statusex 2 1 0 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "offline queue-enabled",
        "sleep 250",
        "cancel",
        "sleep 1500",
        "terminate",
        "wait Offline 20",
        "close",
    ]);
    let terminate = Trace::at(trace.calls("Terminate")[0]);
    let last = Trace::at(trace.calls("OfflineV2").last().unwrap());
    assert!(terminate - last > 1_000_000, "no more tries after the cancel: {trace}");
}

#[test]
fn without_queue_enabled_a_delayed_offline_has_failed() {
    let trace = Host::probe(&[("Offline", "return 997; statusex 2 1 0 1")]).run(&[
        "open",
        "online",
        "wait Online 20",
        "offline",
        "sleep 300",
        "terminate",
        "close",
    ]);
    assert_eq!(trace.calls("OfflineV2").len(), 1, "{trace}");
    let refused = trace.of("refused")[0];
    assert_eq!(
        (&refused["command"], &refused["name"]),
        (&"offline".into(), &"ERROR_CLUSTER_RESOURCE_VETOED_CALL".into())
    );
    assert_eq!(trace.exit, Some(1), "{trace}");
}

#[test]
fn the_in_buffer_holds_the_data_or_is_null() {
    let (trace, call) = offline("offline --in-buffer 0a0b0cff");
    assert_eq!(call["args"]["InBuffer"], "0a0b0cff", "{trace}");
    let (trace, call) = offline("offline");
    assert_eq!(call["args"]["InBuffer"], Value::Null, "{trace}");
}

#[test]
fn the_in_buffer_size_is_in_bytes() {
    let (trace, call) = offline("offline --in-buffer 0a0b0cff");
    assert_eq!(call["args"]["InBufferSize"], 4, "{trace}");
    let (trace, call) = offline("offline");
    assert_eq!(call["args"]["InBufferSize"], 0, "{trace}");
}

#[test]
fn error_success_means_that_it_is_offline() {
    let (trace, call) = offline("offline");
    assert_eq!(call["returned"], 0, "{trace}");
    assert_eq!(
        trace.states(),
        ["Offline", "OnlinePending", "Online", "OfflinePending", "Offline"],
        "{trace}"
    );
    assert_eq!(trace.calls("Terminate").len(), 0, "{trace}");
}

#[test]
fn error_io_pending_means_that_a_thread_goes_on_with_it() {
    let trace =
        Host::probe(&[("Offline", "return 997; statusex 130 1; sleep 50; statusex 130 2; statusex 3 3")])
            .run(&["open", "online", "wait Online 20", "offline", "wait Offline 20", "close"]);
    assert_eq!(trace.calls("OfflineV2")[0]["returned"], 997, "{trace}");
    assert_eq!(trace.calls("Terminate").len(), 0, "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}

#[test]
fn other_codes_are_system_error_codes_and_terminate_follows() {
    for code in [5_u64, 1, 170, 996, 998, 4_294_967_295] {
        let script = format!("return {code}");
        let trace = Host::probe(&[("Offline", &script)]).run(&[
            "open",
            "online",
            "wait Online 20",
            "offline",
            "wait Offline 20",
            "close",
        ]);
        assert_eq!(trace.calls("Terminate").len(), 1, "{code}: {trace}");
        let offline = trace.find("state", |line| line["to"] == "Offline" && line["from"] == "OfflinePending");
        assert_eq!(offline["code"], code, "{trace}");
    }
}

#[test]
fn the_older_form_knows_only_the_resource() {
    let trace = Host::probe(&[]).of_type("Probe 1").run(&[
        "open",
        "online",
        "wait Online 20",
        "offline --to n2 queue-enabled",
        "wait Offline 20",
        "close",
    ]);
    assert_eq!(trace.calls("Offline")[0]["args"], serde_json::json!({}), "{trace}");
    assert_eq!(trace.exit, Some(0), "{trace}");
}
